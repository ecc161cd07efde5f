/* Which types can be equal, and what that says about variables. */
#include "rego/compile/types.h"

bool cs_types__unknown(const cs_type *t)
{
    t = cs_type_unnamed(t);
    if (!t) {
        return true;
    }
    switch (t->kind) {
    case CS_TYPE_FUNCTION:
    case CS_TYPE_ARRAY:
    case CS_TYPE_OBJECT:
        for (uint32_t i = 0; i < t->n; i++) {
            if (cs_types__unknown(t->of[i])) {
                return true;
            }
        }
        if (t->kind == CS_TYPE_FUNCTION) {
            return cs_types__unknown(t->dynamic);
        }
        if (t->kind == CS_TYPE_OBJECT && (t->key || t->dynamic)) {
            return cs_types__unknown(t->key) || cs_types__unknown(t->dynamic);
        }
        return t->dynamic && cs_types__unknown(t->dynamic);
    case CS_TYPE_SET:
        return cs_types__unknown(t->dynamic);
    case CS_TYPE_NULL:
    case CS_TYPE_BOOL:
    case CS_TYPE_NUMBER:
    case CS_TYPE_STRING:
    case CS_TYPE_ANY:
    case CS_TYPE_NAMED:
    case CS_TYPE_RECURSIVE: /* looked at where it begins */
        break;
    }
    return false;
}

/* ---- types */
static bool union_unifies(cs_type_checker *tc, const cs_type *any, const cs_type *t)
{
    if (t->kind == CS_TYPE_FUNCTION) {
        return false;
    }
    for (uint32_t i = 0; i < any->n; i++) {
        if (cs_types__unifies(tc, any->of[i], t)) {
            return true;
        }
    }
    return any->n == 0;
}

static const cs_type *item(const cs_type *array, uint32_t i)
{
    return i < array->n ? array->of[i] : array->dynamic;
}

static bool array_items_unify(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    for (uint32_t i = 0; i < a->n; i++) {
        if (!cs_types__unifies(tc, item(a, i), item(b, i))) {
            return false;
        }
    }
    return true;
}

static bool dynamics_unify(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    const cs_type *x = cs_type_unnamed(a->dynamic), *y = cs_type_unnamed(b->dynamic);
    return !x || !y || cs_types__unifies(tc, x, y);
}

static bool object_values_unify(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    for (uint32_t i = 0; i < a->n; i++) {
        const cs_type *other = cs_type_select(tc->arena, b, a->keys[i]);
        if (!other) {
            if (!cs_type_unnamed(a->dynamic) && !cs_type_unnamed(b->dynamic)) {
                return false;
            }
        } else if (!cs_types__unifies(tc, a->of[i], other)) {
            return false;
        }
    }
    return true;
}

static bool functions_unify(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (!cs_types__unifies(tc, cs_type_arg(a, i), cs_type_arg(b, i))) {
            return false;
        }
    }
    return true;
}

static bool unifies(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    if (!a || !b) {
        return false;
    }
    if (a->kind == CS_TYPE_ANY || b->kind == CS_TYPE_ANY) {
        return (a->kind == CS_TYPE_ANY && union_unifies(tc, a, b)) ||
               (b->kind == CS_TYPE_ANY && union_unifies(tc, b, a));
    }
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case CS_TYPE_ARRAY:
        return array_items_unify(tc, a, b) && array_items_unify(tc, b, a) && dynamics_unify(tc, a, b);
    case CS_TYPE_OBJECT:
        return object_values_unify(tc, a, b) && object_values_unify(tc, b, a) && dynamics_unify(tc, a, b);
    case CS_TYPE_SET:
        return dynamics_unify(tc, a, b);
    case CS_TYPE_FUNCTION:
        return functions_unify(tc, a, b);
    case CS_TYPE_NULL:
    case CS_TYPE_BOOL:
    case CS_TYPE_NUMBER:
    case CS_TYPE_STRING:
    case CS_TYPE_ANY:
    case CS_TYPE_NAMED:
    case CS_TYPE_RECURSIVE:
        break;
    }
    return true;
}

/* Two recursive types that never differ are stepped into so often. */
#define TURNS 1000

bool cs_types__unifies(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    a = cs_type_unnamed(a);
    b = cs_type_unnamed(b);
    bool turn = cs_type_bare(a) != a || cs_type_bare(b) != b;
    if (!turn) {
        return unifies(tc, a, b);
    }
    tc->turns = tc->within ? tc->turns + 1 : 0;
    if (tc->turns > TURNS) {
        return true;
    }
    tc->within++;
    bool yes = unifies(tc, cs_type_bare(a), cs_type_bare(b));
    tc->within--;
    return yes;
}

/* ---- a term and a type */
static bool unify_array(const cs_type_env *env, const cs_term *t, const cs_type *type, bool in_union)
{
    if (t->u.list.n != type->n && !type->dynamic) {
        return false;
    }
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (!cs_types__unify_term(env, t->u.list.v[i], item(type, i), in_union)) {
            return false;
        }
    }
    return true;
}

static bool unify_object(const cs_type_env *env, const cs_term *t, const cs_type *type, bool in_union)
{
    if (t->u.list.n / 2 != type->n && !type->dynamic) {
        return false;
    }
    for (uint32_t i = 0; i + 1 < t->u.list.n; i += 2) {
        const cs_term *key = t->u.list.v[i];
        const cs_term *value = t->u.list.v[i + 1];
        if (!cs_term__is_constant(key)) {
            (void)cs_types__unify_term(env, value, &cs_type_any, in_union);
            continue;
        }
        const cs_type *child = cs_types__select_constant(env->tc, type, key);
        if (!child || !cs_types__unify_term(env, value, child, in_union)) {
            return false;
        }
    }
    return true;
}

static bool unify_set(const cs_type_env *env, const cs_term *t, const cs_type *type, bool in_union)
{
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (!cs_types__unify_term(env, t->u.list.v[i], type->dynamic, in_union)) {
            return false;
        }
    }
    return true;
}

static bool unify_composite(const cs_type_env *env, const cs_term *t, const cs_type *type, bool in_union)
{
    type = cs_type_bare(type);
    if (!type) {
        return false;
    }
    if (type->kind == CS_TYPE_ANY) {
        if (type->n == 0) {
            for (uint32_t i = 0; i < t->u.list.n; i++) {
                (void)cs_types__unify_term(env, t->u.list.v[i], &cs_type_any, true);
            }
            return true;
        }
        bool found = false;
        for (uint32_t i = 0; i < type->n; i++) {
            found = cs_types__unify_term(env, t, type->of[i], true) || found;
        }
        return found;
    }
    if (t->kind == CS_TERM_ARRAY && type->kind == CS_TYPE_ARRAY) {
        return unify_array(env, t, type, in_union);
    }
    if (t->kind == CS_TERM_OBJECT && type->kind == CS_TYPE_OBJECT) {
        return unify_object(env, t, type, in_union);
    }
    return t->kind == CS_TERM_SET && type->kind == CS_TYPE_SET && unify_set(env, t, type, in_union);
}

bool cs_types__unify_term(const cs_type_env *env, const cs_term *t, const cs_type *type, bool in_union)
{
    type = cs_type_unnamed(type);
    switch (t->kind) {
    case CS_TERM_ARRAY:
    case CS_TERM_OBJECT:
    case CS_TERM_SET:
        return unify_composite(env, t, type, in_union);
    case CS_TERM_VAR: {
        const cs_type *known = cs_env__of(env, t);
        if (in_union) {
            cs_env__put(env, t->u.var, cs_type_or(env->tc->arena, known, type));
        } else if (known) {
            return cs_types__unifies(env->tc, known, type);
        } else {
            cs_env__put(env, t->u.var, type);
        }
        return true;
    }
    case CS_TERM_SCALAR:
    case CS_TERM_REF:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        return cs_types__unifies(env->tc, cs_env__of(env, t), type);
    }
    return false;
}

/* ---- two terms, neither of whose types is wholly known */
static bool take_from(const cs_type_env *env, const cs_term *composite, const cs_term *var)
{
    return cs_types__unify_term(env, composite, &cs_type_any, false) &&
           cs_types__unify_term(env, var, cs_env__of(env, composite), false);
}

static bool unify_both(const cs_type_env *env, const cs_term *a, const cs_term *b)
{
    return cs_types__unify_terms(env, a, cs_env__of(env, a), b, cs_env__of(env, b));
}

static bool unify_arrays(const cs_type_env *env, const cs_term *a, const cs_term *b)
{
    if (b->kind == CS_TERM_VAR) {
        return take_from(env, a, b);
    }
    if (b->kind != CS_TERM_ARRAY || a->u.list.n != b->u.list.n) {
        return false;
    }
    for (uint32_t i = 0; i < a->u.list.n; i++) {
        if (!unify_both(env, a->u.list.v[i], b->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

static bool unify_objects(const cs_type_env *env, const cs_term *a, const cs_term *b)
{
    if (b->kind == CS_TERM_VAR) {
        return take_from(env, a, b);
    }
    if (b->kind != CS_TERM_OBJECT || a->u.list.n != b->u.list.n) {
        return false;
    }
    for (uint32_t i = 0; i + 1 < a->u.list.n; i += 2) {
        /* Both are in the order of their keys. */
        if (!cs_term_equal(a->u.list.v[i], b->u.list.v[i]) ||
            !unify_both(env, a->u.list.v[i + 1], b->u.list.v[i + 1])) {
            return false;
        }
    }
    return true;
}

bool cs_types__unify_terms(const cs_type_env *env, const cs_term *a, const cs_type *of_a, const cs_term *b,
                           const cs_type *of_b)
{
    bool open_a = cs_types__unknown(of_a);
    bool open_b = cs_types__unknown(of_b);
    if (!open_a && !open_b) {
        return cs_types__unifies(env->tc, of_a, of_b);
    }
    if (open_a != open_b) {
        return open_a ? cs_types__unify_term(env, a, of_b, false) : cs_types__unify_term(env, b, of_a, false);
    }
    if (a->kind == CS_TERM_ARRAY) {
        return unify_arrays(env, a, b);
    }
    if (a->kind == CS_TERM_OBJECT) {
        return unify_objects(env, a, b);
    }
    if (a->kind == CS_TERM_VAR) {
        if (b->kind == CS_TERM_VAR) {
            return take_from(env, a, b);
        }
        if (b->kind == CS_TERM_ARRAY) {
            return unify_arrays(env, b, a);
        }
        if (b->kind == CS_TERM_OBJECT) {
            return unify_objects(env, b, a);
        }
        if (b->kind == CS_TERM_REF) {
            return cs_types__unify_term(env, a, &cs_type_any, false);
        }
    }
    if (a->kind == CS_TERM_REF && b->kind == CS_TERM_VAR) {
        return cs_types__unify_term(env, b, &cs_type_any, false);
    }
    if (a->kind == CS_TERM_VAR && !of_a && of_b) {
        return cs_types__unify_term(env, a, of_b, false);
    }
    return b->kind == CS_TERM_VAR && !of_b && of_a && cs_types__unify_term(env, b, of_a, false);
}
