/* Chains of certificates from a leaf to the one root, as Go builds them. */
#include "rego/builtin/x509.h"

/* How many signatures one search may check: loops of cross-signatures end there. */
#define MOST_CHECKS 100

typedef struct search {
    cs_call *call;
    cs_x509_cert *certs; /* the root, those between, the leaf */
    size_t n;
    const cs_x509_rules *rules;
    int checks;
    cs_x509_cert ***chains;
    size_t *lengths;
    size_t chains_n, chains_cap;
} search;

enum { LEAF, BETWEEN, ROOT };

/* May the certificate stand at the end of the chain so far? */
static bool fits(const search *s, const cs_x509_cert *c, int as, cs_x509_cert *const *chain, size_t n)
{
    if (c->unhandled.n || (n && !cs_slice_eq(chain[n - 1]->issuer, c->subject))) {
        return false;
    }
    int64_t now = s->rules->now_s;
    if (now < c->not_before.unix_s || now > c->not_after.unix_s || (now == c->not_after.unix_s && s->rules->now_more)) {
        return false;
    }
    if (as == BETWEEN && (!c->basic || !c->is_ca)) {
        return false;
    }
    return !c->basic || c->max_path < 0 || (int64_t)n - 1 <= c->max_path;
}

static bool signed_by(const cs_x509_cert *c, const cs_x509_cert *parent)
{
    static const struct {
        cs_x509_key_alg key;
        cs_scheme scheme;
        cs_digest_alg digest;
    } algs[] = {
        [4] = {CS_X509_RSA, CS_SCHEME_RSA, CS_SHA256},      [5] = {CS_X509_RSA, CS_SCHEME_RSA, CS_SHA384},
        [6] = {CS_X509_RSA, CS_SCHEME_RSA, CS_SHA512},      [10] = {CS_X509_ECDSA, CS_SCHEME_ECDSA, CS_SHA256},
        [11] = {CS_X509_ECDSA, CS_SCHEME_ECDSA, CS_SHA384}, [12] = {CS_X509_ECDSA, CS_SCHEME_ECDSA, CS_SHA512},
        [13] = {CS_X509_RSA, CS_SCHEME_PSS, CS_SHA256},     [14] = {CS_X509_RSA, CS_SCHEME_PSS, CS_SHA384},
        [15] = {CS_X509_RSA, CS_SCHEME_PSS, CS_SHA512},     [16] = {CS_X509_ED25519, CS_SCHEME_ED25519, CS_SHA512},
    };
    if ((parent->version == 3 && !parent->basic) || (parent->basic && !parent->is_ca) ||
        (parent->key_usage && !(parent->key_usage & 0x20))) {
        return false;
    }
    size_t alg = (size_t)c->signature_alg;
    if (alg >= sizeof algs / sizeof *algs || algs[alg].key == CS_X509_NO_KEY || algs[alg].key != parent->key.alg) {
        return false;
    }
    return cs_spki_verify(parent->spki, algs[alg].scheme, algs[alg].digest, c->tbs, c->signature);
}

static const cs_x509_extension *subject_names(const cs_x509_cert *c)
{
    for (size_t i = 0; i < c->extensions_n; i++) {
        if (cs_slice_eq(c->extensions[i].oid, CS_LIT("\x55\x1D\x11"))) {
            return &c->extensions[i];
        }
    }
    return NULL;
}

/* By subject, key and names: bytes would not notice loops of cross-signatures. */
static bool in_chain(const cs_x509_cert *c, cs_x509_cert *const *chain, size_t n)
{
    const cs_x509_extension *own = subject_names(c);
    for (size_t i = 0; i < n; i++) {
        if (!cs_slice_eq(c->subject, chain[i]->subject) || !cs_slice_eq(c->spki, chain[i]->spki)) {
            continue;
        }
        const cs_x509_extension *other = subject_names(chain[i]);
        if (!own || !other) {
            return !own && !other;
        }
        if (cs_slice_eq(own->value, other->value)) {
            return true;
        }
    }
    return false;
}

static void keep_chain(search *s, cs_x509_cert *const *chain, size_t n)
{
    if (s->chains_n == s->chains_cap) {
        size_t cap = s->chains_cap * 2 + 4;
        cs_x509_cert ***chains = cs_arena_alloc(s->call->arena, cap * sizeof *chains);
        size_t *lengths = cs_arena_alloc(s->call->arena, cap * sizeof *lengths);
        if (s->chains_n) {
            memcpy(chains, s->chains, s->chains_n * sizeof *chains);
            memcpy(lengths, s->lengths, s->chains_n * sizeof *lengths);
        }
        s->chains = chains;
        s->lengths = lengths;
        s->chains_cap = cap;
    }
    cs_x509_cert **copy = cs_arena_alloc(s->call->arena, n * sizeof(cs_x509_cert *));
    memcpy(copy, chain, n * sizeof(cs_x509_cert *));
    s->chains[s->chains_n] = copy;
    s->lengths[s->chains_n++] = n;
}

/* How well the key identifiers of a possible parent fit: 0 best. */
static int rank(const cs_x509_cert *c, const cs_x509_cert *parent)
{
    return cs_slice_eq(parent->subject_key_id, c->authority_key_id) ? 0
           : !parent->subject_key_id.n != !c->authority_key_id.n    ? 1
                                                                    : 2;
}

/* A certificate that stands twice in the text is one. */
static bool seen_before(const search *s, size_t i)
{
    for (size_t k = 1; k < i; k++) {
        if (cs_slice_eq(s->certs[k].raw, s->certs[i].raw)) {
            return true;
        }
    }
    return false;
}

/* Extends the chain, whose last is chain[n - 1], in all ways. A chain is at most MOST_CHECKS long, since every step
 * checks a signature; so is the recursion. */
static void build(search *s, cs_x509_cert **chain, size_t n)
{
    const cs_x509_cert *last = chain[n - 1];
    for (int round = 0; round < 4; round++) { /* the root; then those between, best first */
        size_t from = round ? 1 : 0, to = round ? s->n - 1 : 1;
        for (size_t i = from; i < to; i++) {
            cs_x509_cert *parent = &s->certs[i];
            if (!cs_slice_eq(last->issuer, parent->subject) ||
                (round && (rank(last, parent) != round - 1 || seen_before(s, i)))) {
                continue;
            }
            if (++s->checks > MOST_CHECKS) {
                return;
            }
            if (parent->key.alg == CS_X509_NO_KEY || in_chain(parent, chain, n) || !signed_by(last, parent) ||
                !fits(s, parent, round ? BETWEEN : ROOT, chain, n)) {
                continue;
            }
            chain[n] = parent;
            if (round == 0) {
                keep_chain(s, chain, n + 1);
            } else {
                build(s, chain, n + 1);
            }
        }
    }
}

static bool wants(const cs_list *usages, int64_t usage)
{
    for (size_t i = 0; i < usages->n; i++) {
        if (usages->v[i].u.i == usage) {
            return true;
        }
    }
    return false;
}

/* Some wanted usage must be allowed by every certificate that limits them. */
static bool usages_fit(const search *s, cs_x509_cert *const *chain, size_t n)
{
    cs_value server = cs_int(1);
    cs_list wanted = s->rules->usages.n ? s->rules->usages : (cs_list){&server, 1, 1};
    if (wants(&wanted, 0)) {
        return true;
    }
    for (size_t k = 0; k < wanted.n; k++) {
        bool good = true;
        for (size_t i = 0; i < n && good; i++) {
            const cs_x509_cert *c = chain[i];
            bool limits = c->ext_usages.n || c->other_usages.n;
            good = !limits || wants(&c->ext_usages, 0) || wants(&c->ext_usages, wanted.v[k].u.i);
        }
        if (good) {
            return true;
        }
    }
    return false;
}

void cs_x509__verify(cs_call *call, cs_x509_cert *certs, size_t n, const cs_x509_rules *rules, cs_x509_cert ***chain,
                     size_t *chain_n)
{
    search s = {.call = call, .certs = certs, .n = n, .rules = rules};
    cs_x509_cert *leaf = &certs[n - 1];
    *chain = NULL;
    if (!fits(&s, leaf, LEAF, NULL, 0) || (rules->host.n && !cs_x509__host_fits(leaf, rules->host))) {
        return;
    }
    cs_x509_cert *room[MOST_CHECKS + 2] = {leaf};
    if (cs_slice_eq(leaf->raw, certs[0].raw)) {
        keep_chain(&s, room, 1);
    } else {
        build(&s, room, 1);
    }
    for (size_t i = 0; i < s.chains_n; i++) {
        if (cs_x509__policies_valid(call->arena, s.chains[i], s.lengths[i]) &&
            usages_fit(&s, s.chains[i], s.lengths[i]) && cs_x509__names_permitted(call, s.chains[i], s.lengths[i])) {
            *chain = s.chains[i];
            *chain_n = s.lengths[i];
            return;
        }
    }
}
