/* Unification of two operands, each with the bindings of its own variables (OPA: eval.biunify). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

/* ---- lists */
typedef struct list_k {
    cs_k k;
    cs_td_frame *f;
    cs_opd a, b;           /* arrays, or else: */
    const cs_opd *la, *lb; /* lists */
    uint32_t n, at;
    cs_bindings *b1, *b2;
    cs_k *then;
} list_k;

static cs_go list_from(const list_k *from, uint32_t at);

static cs_go list_more(cs_k *k)
{
    const list_k *l = CS_K_SELF(list_k, k);
    return list_from(l, l->at + 1);
}

static cs_opd list_item(const list_k *l, bool first, uint32_t i)
{
    if (l->la) {
        return first ? l->la[i] : l->lb[i];
    }
    return cs_opd_item(first ? l->a : l->b, i);
}

static cs_go list_from(const list_k *from, uint32_t at)
{
    /* Values on both sides need no bindings; their events are nobody's business but of who asks for them. */
    bool events = from->f->run->tracer && from->f->run->tracer->unify;
    while (at < from->n && !events) {
        cs_opd x = list_item(from, true, at);
        cs_opd y = list_item(from, false, at);
        if (x.t || y.t) {
            break;
        }
        if (!cs_equal(x.v, y.v)) {
            return NULL;
        }
        at++;
    }
    if (at >= from->n) {
        return from->then->run(from->then);
    }
    cs_opd x = list_item(from, true, at);
    cs_opd y = list_item(from, false, at);
    if (at + 1 == from->n) {
        return cs_td__biunify(from->f, x, y, from->b1, from->b2, from->then);
    }
    list_k l = *from;
    l.k.run = list_more;
    l.at = at;
    return cs_td__biunify(l.f, x, y, l.b1, l.b2, &l.k);
}

cs_go cs_td__biunify_lists(cs_td_frame *f, const cs_opd *a, const cs_opd *b, uint32_t n, cs_bindings *b1,
                           cs_bindings *b2, cs_k *k)
{
    list_k l = {.f = f, .la = a, .lb = b, .n = n, .b1 = b1, .b2 = b2, .then = k};
    return list_from(&l, 0);
}

static cs_go biunify_arrays(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k)
{
    if (cs_opd_count(a) != cs_opd_count(b)) {
        return NULL;
    }
    list_k l = {.f = f, .a = a, .b = b, .n = cs_opd_count(a), .b1 = b1, .b2 = b2, .then = k};
    return list_from(&l, 0);
}

/* ---- objects: their keys must be known */
static cs_opd plug_keys(cs_td *run, cs_opd o, cs_bindings *b)
{
    bool plain = true;
    for (uint32_t i = 0; o.t && i < o.t->u.list.n; i += 2) {
        plain = plain && cs_term_is_ground(o.t->u.list.v[i]);
    }
    if (!o.t || plain) {
        return o;
    }
    uint32_t n = o.t->u.list.n;
    const cs_term **v = cs_arena_array(run->arena, const cs_term *, n + 1);
    for (uint32_t i = 0; i < n; i += 2) {
        cs_opd key = cs_bindings_plug(run, b, cs_opd_of(o.t->u.list.v[i]), NULL);
        v[i] = cs_opd_term(run, key, o.t->u.list.v[i]->loc);
        v[i + 1] = o.t->u.list.v[i + 1];
    }
    return (cs_opd){.t = cs_term_list(run->names, CS_TERM_OBJECT, (cs_term *const *)(uintptr_t)v, n, o.t->loc),
                    .v = cs_undefined()};
}

static bool object_get(cs_td *run, cs_opd object, cs_opd key, cs_opd *out)
{
    if (!object.t) {
        cs_opd plain = cs_bindings_plug(run, NULL, key, NULL);
        const cs_value *v = plain.t ? NULL : cs_object_get(object.v, plain.v);
        if (v) {
            *out = cs_opd_value(*v);
        }
        return v != NULL;
    }
    for (uint32_t i = 0; i < object.t->u.list.n; i += 2) {
        if (cs_opd_equal(cs_opd_of(object.t->u.list.v[i]), key)) {
            *out = cs_opd_of(object.t->u.list.v[i + 1]);
            return true;
        }
    }
    return false;
}

static cs_go biunify_objects(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k)
{
    uint32_t n = cs_opd_count(a);
    if (n != cs_opd_count(b)) {
        return NULL;
    }
    cs_td *run = f->run;
    a = plug_keys(run, a, b1);
    b = plug_keys(run, b, b2);
    cs_opd *x = cs_arena_alloc(run->arena, (2U * n + 1U) * sizeof *x);
    for (uint32_t i = 0; i < n; i++) {
        cs_opd key = cs_opd_entry(a, i, &x[i]);
        if (!object_get(run, b, key, &x[n + i])) {
            return NULL;
        }
    }
    return cs_td__biunify_lists(f, x, x + n, n, b1, b2, k);
}

/* ---- everything else */
static cs_go bind_and_go(cs_td_frame *f, cs_bindings *b, const cs_term *var, cs_opd value, cs_bindings *of, cs_k *k)
{
    cs_undo undo;
    cs_bindings_bind(f->run, b, var, value, of, &undo);
    cs_go stop = k->run(k);
    cs_td__undo(&undo);
    return stop;
}

static bool must_save(cs_td_frame *f, cs_opd o, cs_bindings *b)
{
    return cs_opd_collection(o) == CS_SET ? cs_td__saves_deep(f->run, o, b) : cs_td__saves(f->run, o, b);
}

static cs_go biunify_values(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k)
{
    cs_td *run = f->run;
    bool save_a = run->partial && must_save(f, a, b1);
    if (!save_a && cs_opd_is(a, CS_TERM_REF)) {
        return cs_td__ref(f, a.t, b, b1, b2, k);
    }
    bool save_b = run->partial && must_save(f, b, b2);
    if (!save_b && cs_opd_is(b, CS_TERM_REF)) {
        return cs_td__ref(f, b.t, a, b2, b1, k);
    }
    if (save_a || save_b) {
        return cs_td__save_unify(f, a, b, b1, b2, k);
    }
    if (cs_opd_is_comprehension(a)) {
        return cs_td__comprehension(f, a, b, b1, b2, false, k);
    }
    if (cs_opd_is_comprehension(b)) {
        return cs_td__comprehension(f, b, a, b2, b1, true, k);
    }
    bool var_a = cs_opd_is(a, CS_TERM_VAR);
    bool var_b = cs_opd_is(b, CS_TERM_VAR);
    if (var_a && var_b && b1 == b2 && a.t->u.var == b.t->u.var) {
        return k->run(k);
    }
    if (var_a) {
        return bind_and_go(f, b1, a.t, b, b2, k);
    }
    if (var_b) {
        return bind_and_go(f, b2, b.t, a, b1, k);
    }
    /* Variables of a set have been bound before; it is compared as a whole. */
    a = cs_bindings_plug(run, b1, a, NULL);
    b = cs_bindings_plug(run, b2, b, NULL);
    return cs_opd_equal(a, b) ? k->run(k) : NULL;
}

static bool evaluates(cs_opd o)
{
    return o.t && (o.t->kind == CS_TERM_VAR || o.t->kind == CS_TERM_REF || cs_opd_is_comprehension(o));
}

/* What is no reference is known to be of another kind than a comprehension without making that. */
static bool of_other_kind(cs_opd a, cs_opd b)
{
    cs_kind kind = cs_opd_collection(a);
    return !evaluates(a) && cs_opd_is_comprehension(b) && kind != CS_SET &&
           !(kind == CS_ARRAY && b.t->kind == CS_TERM_ARRAY_COMPREHENSION) &&
           !(kind == CS_OBJECT && b.t->kind == CS_TERM_OBJECT_COMPREHENSION);
}

cs_go cs_td__biunify(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k)
{
    a = cs_bindings_apply(&b1, a);
    b = cs_bindings_apply(&b2, b);
    bool events = f->run->tracer && f->run->tracer->unify;
    if (events) {
        cs_td__event_unify(f, a, b);
    }
    if (of_other_kind(a, b)) {
        return NULL;
    }
    if (evaluates(a) || evaluates(b)) {
        return biunify_values(f, a, b, b1, b2, k);
    }
    if (!a.t && !b.t && !events) {
        return cs_equal(a.v, b.v) ? k->run(k) : NULL;
    }
    cs_kind kind = cs_opd_collection(a);
    if (kind != cs_opd_collection(b)) {
        return NULL;
    }
    if (kind == CS_ARRAY) {
        return biunify_arrays(f, a, b, b1, b2, k);
    }
    return kind == CS_OBJECT ? biunify_objects(f, a, b, b1, b2, k) : biunify_values(f, a, b, b1, b2, k);
}

cs_go cs_td__unify(cs_td_frame *f, const cs_term *a, const cs_term *b, cs_k *k)
{
    return cs_td__biunify(f, cs_opd_of(a), cs_opd_of(b), f->b, f->b, k);
}
