/* Where the parts of a value were written. Values have no places, but the layout of an optimised module goes by them:
 * collections that a partial evaluation makes are remembered with the terms that their elements were. */
#include "rego/topdown/save.h"

/* By the address of the collection's parts, which stays while it grows. */
static cs_made *find(const cs_td_saving *p, cs_value collection)
{
    if (cs_is_undefined(p->made_at)) {
        return NULL;
    }
    const cs_value *at = cs_object_get(p->made_at, cs_int((int64_t)(uintptr_t)collection.u.p));
    return at ? p->made.v[at->u.i] : NULL;
}

static cs_made *find_or_add(cs_td *run, cs_value collection)
{
    cs_td_saving *p = run->partial;
    cs_made *m = find(p, collection);
    if (!m) {
        m = cs_arena_new(run->arena, cs_made);
        m->places = cs_object_new(run->arena, 0);
        if (cs_is_undefined(p->made_at)) {
            p->made_at = cs_object_new(run->arena, 0);
        }
        cs_object_put(run->arena, p->made_at, cs_int((int64_t)(uintptr_t)collection.u.p), cs_int((int64_t)p->made.n));
        CS_VEC_PUSH_IN(run->arena, &p->made, m);
    }
    return m;
}

void cs_td__wrote(cs_td *run, cs_value collection, cs_opd key, cs_opd value)
{
    if (!run->partial) {
        return;
    }
    cs_made *m = find_or_add(run, collection);
    if (!cs_object_get(m->places, key.v)) {
        cs_made_pair pair = {cs_opd_term(run, key, (cs_loc){0}),
                             cs_is_undefined(value.v) ? NULL : cs_opd_term(run, value, (cs_loc){0})};
        cs_object_put(run->arena, m->places, key.v, cs_int((int64_t)m->pairs.n));
        CS_VEC_PUSH_IN(run->arena, &m->pairs, pair);
    }
}

void cs_td__wrote_whole(cs_td *run, cs_opd collection)
{
    bool whole = run->partial && collection.written && collection.written->kind != CS_TERM_SCALAR;
    if (whole && cs_count(collection.v) > 0) {
        find_or_add(run, collection.v)->whole = collection.written;
    }
}

static cs_term *element(cs_td *run, const cs_made *m, cs_value key, cs_value value, cs_term **second)
{
    const cs_value *at = m ? cs_object_get(m->places, key) : NULL;
    const cs_made_pair *pair = at ? &m->pairs.v[at->u.i] : NULL;
    if (!cs_is_undefined(value)) {
        const cs_term *t = pair && pair->value ? pair->value : cs_td__term_of(run, value);
        *second = (cs_term *)(uintptr_t)t;
    }
    return (cs_term *)(uintptr_t)(pair ? pair->key : cs_td__term_of(run, key));
}

/* As deep as the value, which is bounded as its reader or its makers are. */
const cs_term *cs_td__term_of(cs_td *run, cs_value v)
{
    bool collection = cs_is(v, CS_SET) || cs_is(v, CS_OBJECT) || cs_is(v, CS_ARRAY);
    if (!collection || cs_count(v) == 0 || run->partial->made.n == 0) {
        return cs_term_from_value(run->names, v, (cs_loc){0});
    }
    const cs_made *m = find(run->partial, v);
    if (m && m->whole) {
        return m->whole;
    }
    bool pairs = cs_is(v, CS_OBJECT);
    uint32_t n = cs_count(v), to = 0;
    cs_term **parts = cs_arena_array(run->arena, cs_term *, 2U * n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value value = cs_undefined();
        cs_value key = cs_is(v, CS_ARRAY) ? v.u.items[i] : cs_entry(v, i, pairs ? &value : NULL);
        cs_term *second = NULL;
        parts[to++] = element(run, m, key, value, &second);
        if (pairs) {
            parts[to++] = second;
        }
    }
    cs_term_kind kind = pairs ? CS_TERM_OBJECT : cs_is(v, CS_SET) ? CS_TERM_SET : CS_TERM_ARRAY;
    return cs_term_list(run->names, kind, parts, to, (cs_loc){0});
}

/* Of a collection that was written as a whole, the number of a key among the parts; UINT32_MAX if it is not there. Long
 * ones are not searched. */
static uint32_t part_at(const cs_term *whole, cs_value key)
{
    uint32_t step = whole->kind == CS_TERM_OBJECT ? 2 : 1;
    if (whole->kind == CS_TERM_ARRAY) {
        bool inside = cs_is(key, CS_NUMBER) && key.form == CS_NUMBER_INT && key.u.i >= 0 && key.u.i < whole->u.list.n;
        return inside ? (uint32_t)key.u.i : UINT32_MAX;
    }
    for (uint32_t i = 0; i < whole->u.list.n && i < 128; i += step) {
        const cs_term *t = whole->u.list.v[i];
        if (t->kind == CS_TERM_SCALAR && cs_equal(t->u.value, key)) {
            return i;
        }
    }
    return UINT32_MAX;
}

void cs_td__part_places(cs_td *run, cs_opd collection, cs_opd *key, cs_opd *value)
{
    if (!run->partial || collection.t || key->t || cs_opd_collection(collection) == CS_UNDEFINED) {
        return;
    }
    const cs_made *m = find(run->partial, collection.v);
    const cs_term *whole = collection.written ? collection.written : m ? m->whole : NULL;
    const cs_term *first = NULL, *second = NULL;
    if (whole) {
        uint32_t at = part_at(whole, key->v);
        if (at != UINT32_MAX) {
            first = whole->kind == CS_TERM_ARRAY ? NULL : whole->u.list.v[at];
            second = whole->u.list.v[whole->kind == CS_TERM_OBJECT ? at + 1 : at];
        }
    } else if (m) {
        const cs_value *at = cs_object_get(m->places, key->v);
        first = at ? m->pairs.v[at->u.i].key : NULL;
        second = at && cs_is(collection.v, CS_OBJECT) ? m->pairs.v[at->u.i].value : first;
    }
    key->written = first ? first : key->written;
    if (value && second && !value->t) {
        value->written = second;
    }
}
