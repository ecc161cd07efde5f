/* Refs that lead into something unknown (OPA: evalTerm's unknownPath, enumerateUnknownKeys, save). */
#include "rego/topdown/save.h"

const cs_term *cs_td__path_term(cs_td *run, const cs_opd *path, uint32_t n, cs_loc loc)
{
    const cs_term **v = cs_arena_array(run->arena, const cs_term *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        v[i] = cs_opd_term(run, path[i], loc);
    }
    return cs_term_list(run->names, CS_TERM_REF, (cs_term *const *)(uintptr_t)v, n, loc);
}

const cs_term *cs_td__ref_term(cs_td *run, const cs_terms *ref)
{
    return cs_term_list(run->names, CS_TERM_REF, ref->v, ref->n, ref->v[0]->loc);
}

const cs_term *cs_td__rest_term(const cs_td_ref *r, const cs_opd *path)
{
    return cs_td__path_term(r->f->run, path, r->ref.n, r->ref.v[0]->loc);
}

/* The ref plugged, but for `key` at r->pos. */
static const cs_term *plugged_with(const cs_td_ref *r, cs_opd key)
{
    cs_td *run = r->f->run;
    cs_opd *path = cs_arena_array(run->arena, cs_opd, r->ref.n);
    for (uint32_t i = 0; i < r->ref.n; i++) {
        path[i] = i == r->pos ? key : cs_bindings_plug(run, r->b, cs_opd_of(r->ref.v[i]), NULL);
    }
    return cs_td__path_term(run, path, r->ref.n, r->ref.v[0]->loc);
}

static bool starts_with(const cs_terms *ref, uint32_t n, const cs_terms *prefix)
{
    bool same = prefix->n <= n;
    for (uint32_t i = 0; i < prefix->n && same; i++) {
        same = cs_term_equal(ref->v[i], prefix->v[i]);
    }
    return same;
}

/* Is an unknown at or above the first n parts? */
static bool covered(const cs_td *run, const cs_terms *ref, uint32_t n)
{
    const cs_td_saving *p = run->partial;
    for (size_t i = p->unknowns.n; i > 0; i--) {
        const cs_terms *refs = &p->unknowns.v[i - 1].refs;
        for (uint32_t j = 0; j < refs->n; j++) {
            if (starts_with(ref, n, &refs->v[j]->u.list)) {
                return true;
            }
        }
    }
    return false;
}

const cs_term *cs_td__unknown_part(const cs_td_ref *r, cs_opd key)
{
    const cs_term *ref = plugged_with(r, key);
    return covered(r->f->run, &ref->u.list, r->pos + 1) ? ref : NULL;
}

typedef struct key_k {
    cs_k k;
    const cs_td_ref *r;
    const cs_term *ref;
    cs_k *then;
} key_k;

static cs_go key_met(cs_k *k)
{
    const key_k *m = CS_K_SELF(key_k, k);
    return cs_td__save_unify(m->r->f, cs_opd_of(m->ref), m->r->rterm, m->r->b, m->r->rb, m->then);
}

static bool has_key(cs_td *run, cs_opd term, cs_bindings *tb, cs_opd key)
{
    cs_kind kind = cs_opd_collection(term);
    if (!term.t) {
        return !key.t && kind != CS_UNDEFINED && !cs_is_undefined(cs_index(term.v, key.v));
    }
    for (uint32_t i = 0; kind != CS_UNDEFINED && i < cs_opd_count(term); i++) {
        cs_opd value = cs_opd_value(cs_undefined());
        cs_opd at = kind == CS_ARRAY    ? cs_opd_value(cs_int(i))
                    : kind == CS_OBJECT ? cs_opd_entry(term, i, &value)
                                        : cs_opd_item(term, i);
        if (cs_opd_equal(cs_bindings_plug(run, tb, at, NULL), key)) {
            return true;
        }
    }
    return false;
}

/* Keys that the unknowns add right under the prefix, each once. */
static void keys_under(const cs_td_ref *r, const cs_terms *prefix, cs_value keys)
{
    const cs_td_saving *p = r->f->run->partial;
    for (size_t i = p->unknowns.n; i > 0; i--) {
        const cs_terms *refs = &p->unknowns.v[i - 1].refs;
        for (uint32_t j = 0; j < refs->n; j++) {
            const cs_terms *ref = &refs->v[j]->u.list;
            if (ref->n > r->pos && starts_with(ref, ref->n, &(cs_terms){prefix->v, r->pos}) &&
                ref->v[r->pos]->kind == CS_TERM_SCALAR) {
                cs_object_put(r->f->run->arena, keys, ref->v[r->pos]->u.value, cs_null());
            }
        }
    }
}

cs_go cs_td__unknown_keys(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_go *deferred, cs_k *k)
{
    cs_td *run = r->f->run;
    cs_opd here = cs_opd_of(r->ref.v[r->pos]);
    const cs_term *prefix = plugged_with(r, here);
    cs_value keys = cs_object_new(run->arena, 0);
    keys_under(r, &prefix->u.list, keys);
    for (uint32_t i = 0; i < cs_count(keys); i++) {
        cs_opd key = cs_opd_value(keys.u.table->keys[i]);
        if (has_key(run, term, tb, key)) {
            continue;
        }
        key_k m = {{key_met}, r, plugged_with(r, key), k};
        if (cs_td__overlaps_unknown(run, m.ref, r->b)) {
            CS_GO(cs_td__defer(deferred, cs_td__biunify(r->f, key, here, r->b, r->b, &m.k)));
        }
    }
    return NULL;
}

typedef struct rest_k {
    cs_k k;
    const cs_td_ref *r;
    const cs_term *var;
    cs_k *then;
} rest_k;

static cs_go stand_in_bound(cs_k *k)
{
    const rest_k *m = CS_K_SELF(rest_k, k);
    const cs_td_ref *r = m->r;
    cs_td *run = r->f->run;
    uint32_t n = r->ref.n - r->pos + 1;
    cs_term **v = cs_arena_array(run->arena, cs_term *, n);
    v[0] = (cs_term *)(uintptr_t)m->var;
    memcpy(v + 1, r->ref.v + r->pos, (n - 1) * sizeof *v);
    const cs_term *ref = cs_term_list(run->names, CS_TERM_REF, v, n, r->ref.v[0]->loc);
    return cs_td__biunify(r->f, cs_opd_of(ref), r->rterm, r->b, r->rb, m->then);
}

cs_go cs_td__save_rest(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_k *k)
{
    rest_k m = {{stand_in_bound}, r, cs_td__new_var(r->f, "$_ref_%u", r->f->generated++), k};
    return cs_td__biunify(r->f, term, cs_opd_of(m.var), tb, r->b, &m.k);
}
