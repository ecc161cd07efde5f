/* Refs, and what is inside of the values that they lead to (OPA: biunifyRef, evalTerm). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

cs_go cs_td__ref(cs_td_frame *f, const cs_term *ref, cs_opd rterm, cs_bindings *b, cs_bindings *rb, cs_k *k)
{
    cs_td_ref r = {.f = f, .ref = ref->u.list, .pos = 1, .b = b, .rterm = rterm, .rb = rb};
    const cs_term *head = ref->u.list.v[0];
    if (cs_td__is_root(head, "data")) {
        return cs_td__tree(&r, k);
    }
    if (cs_td__is_root(head, "input")) {
        return cs_is_undefined(f->input) ? NULL : cs_td__inside(&r, cs_opd_value(f->input), b, k);
    }
    cs_bindings *tb = b;
    cs_opd term = cs_bindings_apply(&tb, cs_opd_of(head));
    return cs_opd_is(term, CS_TERM_VAR) && term.t == head ? NULL : cs_td__inside(&r, term, tb, k);
}

/* Does a constant object say the key of entry i once more? The last one counts. */
static bool says_again(const cs_term *object, uint32_t i)
{
    cs_term *const *v = object->u.list.v;
    return 2 * i + 2 < object->u.list.n && cs_term_equal(v[2 * i], v[2 * i + 2]) && cs_term_is_ground(object);
}

/* The part of a term under a key. */
static bool part_of(cs_td *run, cs_opd term, cs_bindings **tb, cs_opd key, cs_opd *out)
{
    if (!term.t) {
        cs_value v = key.t ? cs_undefined() : cs_index(term.v, key.v);
        *out = cs_opd_value(v);
        cs_td__part_places(run, term, &key, out);
        return !cs_is_undefined(v);
    }
    cs_kind kind = cs_opd_collection(term);
    uint32_t n = kind == CS_UNDEFINED ? 0 : cs_opd_count(term);
    for (uint32_t i = 0; i < n; i++) {
        cs_opd value = cs_opd_value(cs_undefined());
        cs_opd at = kind == CS_ARRAY    ? cs_opd_value(cs_int(i))
                    : kind == CS_OBJECT ? cs_opd_entry(term, i, &value)
                                        : cs_opd_item(term, i);
        cs_opd plugged = kind == CS_ARRAY ? at : cs_bindings_plug(run, *tb, at, NULL);
        if (cs_opd_equal(plugged, key)) {
            for (; kind == CS_OBJECT && says_again(term.t, i); i++) {
                (void)cs_opd_entry(term, i + 1, &value);
            }
            *out = cs_bindings_apply(tb, kind == CS_ARRAY ? cs_opd_item(term, i) : kind == CS_OBJECT ? value : key);
            return true;
        }
    }
    return false;
}

static cs_go into(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_opd key, cs_k *k)
{
    if (r->f->run->partial) {
        const cs_term *unknown = cs_td__unknown_part(r, key);
        if (unknown) {
            return cs_td__save_unify(r->f, cs_opd_of(unknown), r->rterm, r->b, r->rb, k);
        }
    }
    cs_opd part;
    if (!part_of(r->f->run, term, &tb, key, &part)) {
        return NULL;
    }
    cs_td_ref next = *r;
    next.pos++;
    return cs_td__inside(&next, part, tb, k);
}

typedef struct enum_k {
    cs_k k;
    const cs_td_ref *r;
    cs_opd term;
    cs_bindings *tb;
    cs_opd key;
    cs_k *then;
} enum_k;

static cs_go with_key(cs_k *k)
{
    enum_k *e = CS_K_SELF(enum_k, k);
    cs_opd key = cs_bindings_plug(e->r->f->run, e->tb, e->key, NULL);
    return into(e->r, e->term, e->tb, key, e->then);
}

/* `x in s` with a known x needs no scan. */
static bool one_element(const cs_td_ref *r, cs_opd term, cs_opd *want)
{
    if (term.t || r->f->run->partial || r->pos + 1 != r->ref.n) {
        return false;
    }
    *want = cs_bindings_plug(r->f->run, r->rb, r->rterm, NULL);
    return want->t == NULL;
}

static cs_go enumerate(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_k *k)
{
    cs_go deferred = NULL;
    enum_k e = {{with_key}, r, term, tb, cs_opd_value(cs_undefined()), k};
    cs_opd at = cs_opd_of(r->ref.v[r->pos]);
    cs_kind kind = cs_opd_collection(term);
    uint32_t n = kind == CS_UNDEFINED ? 0 : cs_opd_count(term);
    cs_opd want;
    if (kind == CS_SET && one_element(r, term, &want)) {
        if (cs_set_has(term.v, want.v)) {
            e.key = want;
            CS_GO(cs_td__defer(&deferred, cs_td__biunify(r->f, want, at, tb, r->b, &e.k)));
        }
        return deferred;
    }
    for (uint32_t i = 0; i < n; i++) {
        cs_opd value = cs_opd_value(cs_undefined());
        CS_GO(cs_td__step(r->f));
        e.key = kind == CS_ARRAY    ? cs_opd_value(cs_int(i))
                : kind == CS_OBJECT ? cs_opd_entry(term, i, &value)
                                    : cs_opd_item(term, i);
        if (kind == CS_ARRAY && !cs_opd_is(at, CS_TERM_VAR)) {
            continue; /* an index is a number: a pattern cannot meet it */
        }
        cs_td__part_places(r->f->run, term, &e.key, NULL);
        CS_GO(cs_td__defer(&deferred, cs_td__biunify(r->f, e.key, at, tb, r->b, &e.k)));
    }
    if (r->f->run->partial) {
        CS_GO(cs_td__unknown_keys(r, term, tb, &deferred, k));
    }
    return deferred;
}

cs_go cs_td__inside(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_k *k)
{
    if (r->pos == r->ref.n) {
        return cs_td__biunify(r->f, term, r->rterm, tb, r->rb, k);
    }
    if (r->f->run->partial && cs_td__saves(r->f->run, term, tb)) {
        return cs_td__save_rest(r, term, tb, k);
    }
    cs_opd key = cs_bindings_plug(r->f->run, r->b, cs_opd_of(r->ref.v[r->pos]), NULL);
    return cs_opd_is_ground(key) ? into(r, term, tb, key, k) : enumerate(r, term, tb, k);
}
