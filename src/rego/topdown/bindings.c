/* What variables are bound to, on either side of a unification. */
#include "rego/compile/names.h"
#include "rego/topdown/save.h"

#include <stdarg.h>
#include <stdio.h>

cs_opd cs_opd_of(const cs_term *t)
{
    return t->kind == CS_TERM_SCALAR ? (cs_opd){.v = t->u.value, .written = t} : (cs_opd){.t = t, .v = cs_undefined()};
}

bool cs_opd_is_comprehension(cs_opd o)
{
    return cs_opd_is(o, CS_TERM_ARRAY_COMPREHENSION) || cs_opd_is(o, CS_TERM_SET_COMPREHENSION) ||
           cs_opd_is(o, CS_TERM_OBJECT_COMPREHENSION);
}

cs_kind cs_opd_collection(cs_opd o)
{
    if (!o.t) {
        return cs_is(o.v, CS_ARRAY) || cs_is(o.v, CS_OBJECT) || cs_is(o.v, CS_SET) ? (cs_kind)o.v.kind : CS_UNDEFINED;
    }
    return o.t->kind == CS_TERM_ARRAY    ? CS_ARRAY
           : o.t->kind == CS_TERM_OBJECT ? CS_OBJECT
           : o.t->kind == CS_TERM_SET    ? CS_SET
                                         : CS_UNDEFINED;
}

uint32_t cs_opd_count(cs_opd o)
{
    if (!o.t) {
        return cs_count(o.v);
    }
    return o.t->kind == CS_TERM_OBJECT ? o.t->u.list.n / 2 : o.t->u.list.n;
}

cs_opd cs_opd_item(cs_opd o, uint32_t i)
{
    if (o.t) {
        return cs_opd_of(o.t->u.list.v[i]);
    }
    if (o.v.kind == CS_ARRAY) {
        return (cs_opd){.v = o.v.u.items[i], .written = o.written ? o.written->u.list.v[i] : NULL};
    }
    return cs_opd_value(cs_entry(o.v, i, NULL));
}

cs_opd cs_opd_entry(cs_opd o, uint32_t i, cs_opd *value)
{
    if (o.t) {
        *value = cs_opd_of(o.t->u.list.v[2 * i + 1]);
        return cs_opd_of(o.t->u.list.v[2 * i]);
    }
    *value = (cs_opd){0};
    return cs_opd_value(cs_entry(o.v, i, &value->v));
}

bool cs_opd_is_ground(cs_opd o)
{
    return !o.t || cs_term_is_ground(o.t);
}

/* A constant collection is a term until something plugs it. */
static bool constant_equals(const cs_term *t, cs_value v)
{
    if (t->kind == CS_TERM_SCALAR) {
        return cs_equal(t->u.value, v);
    }
    cs_opd o = {.t = t, .v = cs_undefined()};
    if (cs_opd_collection(o) != (cs_kind)v.kind || cs_opd_count(o) != cs_count(v)) {
        return false;
    }
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value value = cs_undefined();
        cs_value key = v.kind == CS_ARRAY ? v.u.items[i] : cs_entry(v, i, &value);
        uint32_t at = t->kind == CS_TERM_OBJECT ? 2 * i : i;
        if (!constant_equals(t->u.list.v[at], key) ||
            (t->kind == CS_TERM_OBJECT && !constant_equals(t->u.list.v[at + 1], value))) {
            return false;
        }
    }
    return true;
}

bool cs_opd_equal(cs_opd a, cs_opd b)
{
    if (a.t && b.t) {
        return a.t == b.t || cs_term_equal(a.t, b.t);
    }
    if (!a.t && !b.t) {
        return cs_equal(a.v, b.v);
    }
    return a.t ? constant_equals(a.t, b.v) : constant_equals(b.t, a.v);
}

const cs_term *cs_opd_term(cs_td *run, cs_opd o, cs_loc loc)
{
    if (o.t || (run->partial && o.written)) {
        return o.t ? o.t : o.written;
    }
    return run->partial ? cs_td__term_of(run, o.v) : cs_term_from_value(run->names, o.v, loc);
}

bool cs_td__is_root(const cs_term *t, const char *name)
{
    return t->kind == CS_TERM_VAR && cs_slice_is(cs_sym_slice(t->u.var), name);
}

static cs_binding *find(const cs_bindings *b, const cs_sym *key)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->v[i].key->u.var == key) {
            return &b->v[i];
        }
    }
    return NULL;
}

cs_opd cs_bindings_apply(cs_bindings **b, cs_opd o)
{
    while (*b && cs_opd_is(o, CS_TERM_VAR)) {
        const cs_binding *known = find(*b, o.t->u.var);
        if (!known) {
            break;
        }
        o = known->value;
        *b = known->of;
    }
    return o;
}

void cs_bindings_bind(cs_td *run, cs_bindings *b, const cs_term *key, cs_opd value, cs_bindings *of, cs_undo *undo)
{
    *undo = (cs_undo){b, key->u.var};
    cs_binding *known = find(b, key->u.var);
    if (known) {
        known->value = value;
        known->of = of;
        return;
    }
    if (b->n == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 4;
        cs_binding *v = cs_arena_alloc(run->arena, cap * sizeof *v);
        if (b->n) {
            memcpy(v, b->v, b->n * sizeof *v);
        }
        b->v = v;
        b->cap = cap;
    }
    b->v[b->n++] = (cs_binding){key, value, of};
}

/* The last binding takes the place of the one that goes, as OPA's list does it; the order is seen in traces. */
void cs_td__undo(const cs_undo *undo)
{
    cs_bindings *b = undo->of;
    cs_binding *known = b ? find(b, undo->key) : NULL;
    if (known) {
        *known = b->v[--b->n];
    }
}

const cs_term *cs_td__namespaced(cs_td *run, const cs_bindings *b, const cs_term *var, const cs_bindings *caller)
{
    if (!caller || caller == b || cs_td__is_root(var, "data") || cs_td__is_root(var, "input")) {
        return var;
    }
    const cs_sym *name = cs_sym_printf(run->names, "%s%llu", var->u.var->s, (unsigned long long)(b ? b->id : 0));
    return cs_term_var(run->names, name, (cs_loc){0}); /* nobody wrote this one */
}

/* The term of a collection that is known as a whole. */
static const cs_term *as_written(cs_td *run, const cs_term *t, const cs_opd *parts)
{
    if (!run->partial || cs_term_is_constant(t)) {
        return t;
    }
    const cs_term **v = cs_arena_array(run->arena, const cs_term *, t->u.list.n + 1U);
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        v[i] = cs_opd_term(run, parts[i], t->u.list.v[i]->loc);
    }
    return cs_term_list(run->names, t->kind, (cs_term *const *)(uintptr_t)v, t->u.list.n, t->loc);
}

/* The collection as a value, if all its parts are. */
static cs_opd collect(cs_td *run, const cs_term *t, const cs_opd *parts)
{
    uint32_t n = t->u.list.n;
    bool ground = t->kind != CS_TERM_REF;
    for (uint32_t i = 0; i < n && ground; i++) {
        ground = parts[i].t == NULL;
    }
    if (!ground) {
        const cs_term **v = cs_arena_array(run->arena, const cs_term *, n + 1);
        for (uint32_t i = 0; i < n; i++) {
            v[i] = cs_opd_term(run, parts[i], t->u.list.v[i]->loc);
        }
        return (cs_opd){.t = cs_term_list(run->names, t->kind, (cs_term *const *)(uintptr_t)v, n, t->loc),
                        .v = cs_undefined()};
    }
    if (t->kind == CS_TERM_ARRAY) {
        cs_value *items = cs_arena_alloc(run->arena, (n + 1) * sizeof *items);
        for (uint32_t i = 0; i < n; i++) {
            items[i] = parts[i].v;
        }
        return (cs_opd){.v = cs_array(items, n), .written = as_written(run, t, parts)};
    }
    cs_value out = t->kind == CS_TERM_SET ? cs_set_new(run->arena, n) : cs_object_new(run->arena, n / 2);
    for (uint32_t i = 0; i < n; i += t->kind == CS_TERM_SET ? 1 : 2) {
        if (t->kind == CS_TERM_SET) {
            (void)cs_set_add(run->arena, out, parts[i].v);
        } else {
            cs_object_put(run->arena, out, parts[i].v, parts[i + 1].v);
        }
    }
    return (cs_opd){.v = out, .written = as_written(run, t, parts)};
}

cs_opd cs_bindings_plug(cs_td *run, cs_bindings *b, cs_opd o, const cs_bindings *caller)
{
    if (!o.t || cs_td__too_deep(run)) {
        return o;
    }
    switch (o.t->kind) {
    case CS_TERM_SCALAR:
        return cs_opd_of(o.t);
    case CS_TERM_VAR: {
        cs_bindings *next = b;
        cs_opd bound = cs_bindings_apply(&next, o);
        if (!cs_opd_is(bound, CS_TERM_VAR)) {
            return cs_bindings_plug(run, next, bound, caller);
        }
        return (cs_opd){.t = cs_td__namespaced(run, next, bound.t, caller), .v = cs_undefined()};
    }
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_REF: {
        cs_opd room[8];
        uint32_t n = o.t->u.list.n;
        cs_opd *parts = n <= 8 ? room : cs_arena_alloc(run->arena, n * sizeof *parts);
        for (uint32_t i = 0; i < n; i++) {
            parts[i] = cs_bindings_plug(run, b, cs_opd_of(o.t->u.list.v[i]), caller);
        }
        return collect(run, o.t, parts);
    }
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        break;
    }
    return o;
}

/* Names of full evaluations are not interned: they would only fill the table. */
const cs_term *cs_td__new_var(cs_td_frame *f, const char *format, ...)
{
    cs_td *run = f->run;
    char text[96];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cs_slice name = cs_slice_make(text, (size_t)n);
    const cs_sym *sym;
    if (run->partial) {
        sym = cs_sym_get(run->names, name);
    } else {
        cs_sym *fresh = cs_arena_zalloc(run->arena, sizeof *fresh + name.n + 1);
        fresh->n = (uint32_t)name.n;
        memcpy(fresh->s, name.p, name.n);
        sym = fresh;
    }
    return cs_term_var(run->names, sym, (cs_loc){0});
}
