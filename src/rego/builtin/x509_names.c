/* Names in certificates: domains, mailboxes, what constraints permit, and whether a host is meant. */
#include "rego/builtin/ip.h"
#include "rego/builtin/x509.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static cs_slice lower_text(cs_arena *a, cs_slice s)
{
    char *p = cs_arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        p[i] = lower(s.p[i]);
    }
    return cs_slice_make(p, s.n);
}

bool cs_x509__domain_valid(cs_slice s, bool constraint)
{
    if (s.n == 0) {
        return true;
    }
    if (s.p[s.n - 1] == '.') {
        return false;
    }
    if (constraint && *s.p == '.') {
        s = cs_slice_sub(s, 1, s.n);
    }
    size_t label = 0; /* its length so far */
    bool dotted = false;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && (s.p[i] < 33 || s.p[i] > 126)) {
            return false;
        }
        if (i < s.n && s.p[i] != '.') {
            label++;
            continue;
        }
        if (label == 0) {
            return false;
        }
        dotted = true;
        label = 0;
    }
    return dotted;
}

/* ------------------------------------------------------------------------------------------------ mailboxes */

/* The text between quotes; *s moves behind the closing one. */
static bool quoted_local(cs_slice *s, char *out, size_t *n)
{
    for (size_t i = 1; i < s->n; i++) {
        uint8_t c = (uint8_t)s->p[i];
        if (c == '"') {
            *s = cs_slice_sub(*s, i + 1, s->n);
            return true;
        }
        bool escaped = c == '\\';
        if (escaped && ++i >= s->n) {
            return false;
        }
        c = (uint8_t)s->p[i];
        bool usual = c == 11 || c == 12 || (c >= 1 && c <= 8) || (c >= 14 && c <= 31) || c == 127;
        bool good = escaped ? usual || c == 9 || (c >= 14 && c <= 127)
                            : usual || c == 32 || c == 33 || (c >= 35 && c <= 91) || (c >= 93 && c <= 126);
        if (!good) {
            return false;
        }
        out[(*n)++] = (char)c;
    }
    return false;
}

static bool atom_local(cs_slice *s, char *out, size_t *n)
{
    size_t i = 0;
    for (; i < s->n; i++) {
        char c = s->p[i];
        bool usual =
            (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
        if (c == '\\') {
            if (++i == s->n) {
                return false;
            }
        } else if (!usual) {
            break;
        }
        out[(*n)++] = s->p[i];
    }
    *s = cs_slice_sub(*s, i, s->n);
    cs_slice local = cs_slice_make(out, *n);
    return *n && *out != '.' && out[*n - 1] != '.' && cs_slice_find(local, CS_LIT(".."), 0) == SIZE_MAX;
}

bool cs_x509__mailbox(cs_arena *a, cs_slice text, cs_x509_mailbox *out)
{
    char *local = cs_arena_alloc(a, text.n + 1);
    size_t n = 0;
    if (text.n == 0 || !(*text.p == '"' ? quoted_local : atom_local)(&text, local, &n)) {
        return false;
    }
    if (text.n == 0 || *text.p != '@') {
        return false;
    }
    out->local = cs_slice_make(local, n);
    out->domain = lower_text(a, cs_slice_sub(text, 1, text.n));
    /* Labels that are not empty, of visible characters. */
    return cs_x509__domain_valid(out->domain, false);
}

/* ------------------------------------------------------------------------------------------------ constraints */

/* Is the domain the constraint, or under it? A constraint with a dot in front wants something in front of that. */
static bool under(cs_slice constraint, cs_slice domain)
{
    if (constraint.n == 0) {
        return true;
    }
    if (constraint.n > domain.n) {
        return false;
    }
    size_t offset = domain.n - constraint.n;
    for (size_t i = 0; i < constraint.n; i++) {
        if (lower(constraint.p[i]) != lower(domain.p[offset + i])) {
            return false;
        }
    }
    return *constraint.p == '.' || offset == 0 || domain.p[offset - 1] == '.';
}

/* "*.example.com" covers what "www.example.com" excludes. */
static bool wildcard_covers(cs_slice constraint, cs_slice domain)
{
    size_t c = cs_slice_find_byte(constraint, '.', 0), d = cs_slice_find_byte(domain, '.', 0);
    return domain.n && *domain.p == '*' && c != SIZE_MAX && d != SIZE_MAX &&
           cs_slice_eq_nocase(cs_slice_sub(constraint, c, constraint.n), cs_slice_sub(domain, d, domain.n));
}

static bool any_under(const cs_list *constraints, cs_slice domain, bool excluding)
{
    for (size_t i = 0; i < constraints->n; i++) {
        cs_slice c = cs_text(constraints->v[i]);
        if (under(c, domain) || (excluding && wildcard_covers(c, domain))) {
            return true;
        }
    }
    return false;
}

static bool any_network(const cs_list *constraints, cs_slice ip)
{
    for (size_t i = 0; i < constraints->n; i++) {
        cs_slice c = cs_text(constraints->v[i]);
        bool inside = c.n == ip.n * 2;
        for (size_t k = 0; inside && k < ip.n; k++) {
            inside = ((ip.p[k] ^ c.p[k]) & c.p[ip.n + k]) == 0;
        }
        if (inside) {
            return true;
        }
    }
    return false;
}

static bool any_mailbox(cs_arena *a, const cs_list *constraints, const cs_x509_mailbox *box, bool excluding)
{
    cs_x509_mailbox exact;
    cs_list domains = {0};
    bool found = false;
    domains.v = cs_arena_alloc(a, (constraints->n + 1) * sizeof *domains.v);
    for (size_t i = 0; i < constraints->n && !found; i++) {
        cs_slice c = cs_text(constraints->v[i]);
        if (cs_slice_find_byte(c, '@', 0) == SIZE_MAX) {
            domains.v[domains.n++] = constraints->v[i];
        } else {
            found = cs_x509__mailbox(a, c, &exact) && cs_slice_eq(exact.local, box->local) &&
                    cs_slice_eq(exact.domain, box->domain);
        }
    }
    return found || any_under(&domains, box->domain, excluding);
}

/* One name under the constraints of one certificate. */
static bool name_permitted(cs_call *call, const cs_x509_cert *by, int kind, cs_slice name, const cs_x509_mailbox *box)
{
    const cs_list *yes = &by->permitted.of[kind], *no = &by->excluded.of[kind];
    switch (kind) {
    case CS_X509_IP:
        return (!yes->n || any_network(yes, name)) && !any_network(no, name);
    case CS_X509_EMAIL:
        return (!yes->n || any_mailbox(call->arena, yes, box, false)) && !any_mailbox(call->arena, no, box, true);
    default:
        return (!yes->n || any_under(yes, name, false)) && !any_under(no, name, true);
    }
}

/* The host of a URI without its port; false for one that constraints cannot say anything about. */
static bool uri_domain(cs_arena *a, const cs_url *u, cs_slice *out)
{
    cs_ip ip;
    cs_slice host = lower_text(a, u->host);
    size_t colon = cs_slice_find_byte(host, ':', 0);
    if (host.n == 0 || (cs_slice_starts(host, CS_LIT("[")))) {
        return false;
    }
    if (colon != SIZE_MAX) {
        if (cs_slice_find_byte(host, ':', colon + 1) != SIZE_MAX) {
            return false;
        }
        host = cs_slice_sub(host, 0, colon);
    }
    *out = host;
    return !cs_ip__parse(host, &ip);
}

typedef struct names {
    cs_slice *domains; /* of the URIs */
    cs_x509_mailbox *boxes;
} names;

static bool prepare(cs_call *call, const cs_x509_cert *c, names *out)
{
    out->domains = cs_arena_alloc(call->arena, (c->names.uris_n + 1) * sizeof *out->domains);
    out->boxes = cs_arena_alloc(call->arena, (c->names.emails.n + 1) * sizeof *out->boxes);
    for (size_t i = 0; i < c->names.uris_n; i++) {
        if (!uri_domain(call->arena, &c->names.uris[i], &out->domains[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < c->names.emails.n; i++) {
        if (!cs_x509__mailbox(call->arena, cs_text(c->names.emails.v[i]), &out->boxes[i])) {
            return false;
        }
    }
    return true;
}

static bool all_permitted(cs_call *call, const cs_x509_cert *by, const cs_x509_cert *c, const names *prepared)
{
    for (size_t i = 0; i < c->names.ips.n; i++) {
        if (!name_permitted(call, by, CS_X509_IP, cs_text(c->names.ips.v[i]), NULL)) {
            return false;
        }
    }
    for (size_t i = 0; i < c->names.dns.n; i++) {
        cs_slice name = cs_text(c->names.dns.v[i]);
        if (!cs_x509__domain_valid(name, false) || !name_permitted(call, by, CS_X509_DNS, name, NULL)) {
            return false;
        }
    }
    for (size_t i = 0; i < c->names.uris_n; i++) {
        if (!cs_x509__domain_valid(prepared->domains[i], false) ||
            !name_permitted(call, by, CS_X509_URI, prepared->domains[i], NULL)) {
            return false;
        }
    }
    for (size_t i = 0; i < c->names.emails.n; i++) {
        if (!name_permitted(call, by, CS_X509_EMAIL, prepared->boxes[i].domain, &prepared->boxes[i])) {
            return false;
        }
    }
    return true;
}

static bool has_extension(const cs_x509_cert *c, uint8_t last)
{
    for (size_t i = 0; i < c->extensions_n; i++) {
        cs_slice oid = c->extensions[i].oid;
        if (oid.n == 3 && cs_slice_starts(oid, CS_LIT("\x55\x1D")) && (uint8_t)oid.p[2] == last) {
            return true;
        }
    }
    return false;
}

bool cs_x509__names_permitted(cs_call *call, cs_x509_cert *const *chain, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        names prepared;
        bool ready = false;
        if (!has_extension(chain[i], 17)) {
            continue;
        }
        for (size_t k = i + 1; k < n; k++) {
            if (!has_extension(chain[k], 30)) {
                continue;
            }
            if ((!ready && !prepare(call, chain[i], &prepared)) ||
                !all_permitted(call, chain[k], chain[i], &prepared)) {
                return false;
            }
            ready = true;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ hosts */

/* A name that may be matched label by label; patterns may begin with a whole label "*". */
static bool host_valid(cs_slice s, bool pattern)
{
    if (!pattern && s.n && s.p[s.n - 1] == '.') {
        s.n--;
    }
    if (s.n == 0 || cs_slice_is(s, "*")) {
        return false;
    }
    cs_slice label;
    for (bool first = true; cs_slice_next(&s, '.', &label); first = false) {
        if (label.n == 0) {
            return false;
        }
        if (pattern && first && cs_slice_is(label, "*")) {
            continue;
        }
        for (size_t i = 0; i < label.n; i++) {
            char c = lower(label.p[i]);
            if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c == '-' && i) && c != '_') {
                return false;
            }
        }
    }
    return true;
}

static bool labels_match(cs_slice pattern, cs_slice host)
{
    cs_slice p, h;
    if (host.n && host.p[host.n - 1] == '.') {
        host.n--;
    }
    for (bool first = true;; first = false) {
        bool more = cs_slice_next(&pattern, '.', &p);
        if (more != cs_slice_next(&host, '.', &h)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!(first && cs_slice_is(p, "*")) && !cs_slice_eq_nocase(p, h)) {
            return false;
        }
    }
}

static bool ip_fits(const cs_x509_cert *cert, const cs_ip *ip)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    for (size_t i = 0; i < cert->names.ips.n; i++) {
        cs_slice one = cs_text(cert->names.ips.v[i]);
        if (one.n == 16 && ip->bits == 32 && memcmp(one.p, mapped, sizeof mapped) == 0) {
            one = cs_slice_sub(one, 12, 16);
        }
        if (one.n * 8 == (size_t)ip->bits && memcmp(one.p, ip->b, one.n) == 0) {
            return true;
        }
    }
    return false;
}

bool cs_x509__host_fits(const cs_x509_cert *cert, cs_slice host)
{
    cs_ip ip;
    bool bracketed = host.n >= 3 && *host.p == '[' && host.p[host.n - 1] == ']';
    if (cs_ip__parse(bracketed ? cs_slice_sub(host, 1, host.n - 1) : host, &ip)) {
        return ip_fits(cert, &ip);
    }
    bool valid = host_valid(host, false);
    for (size_t i = 0; i < cert->names.dns.n; i++) {
        cs_slice name = cs_text(cert->names.dns.v[i]);
        bool exact = name.n && host.n && !cs_slice_is(name, ".") && cs_slice_eq_nocase(name, host);
        if (valid && host_valid(name, true) ? labels_match(name, host) : exact) {
            return true;
        }
    }
    return false;
}
