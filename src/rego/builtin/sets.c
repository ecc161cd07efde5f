/* Sets: & | - and the functions of the same kind. */
#include "rego/builtin/internal.h"

/* What is in both. The smaller one is walked. */
static cs_value both(cs_call *call, cs_value x, cs_value y)
{
    if (cs_count(x) > cs_count(y)) {
        cs_value swap = x;
        x = y;
        y = swap;
    }
    cs_value out = cs_set_new(call->arena, cs_count(x));
    for (uint32_t i = 0; i < x.u.table->n; i++) {
        if (cs_set_has(y, x.u.table->keys[i])) {
            cs_set_add(call->arena, out, x.u.table->keys[i]);
        }
    }
    return out;
}

static cs_value difference(cs_call *call, cs_value x, cs_value y)
{
    cs_value out = cs_set_new(call->arena, cs_count(x));
    for (uint32_t i = 0; i < x.u.table->n; i++) {
        if (!cs_set_has(y, x.u.table->keys[i])) {
            cs_set_add(call->arena, out, x.u.table->keys[i]);
        }
    }
    return out;
}

static void add_all(cs_call *call, cs_value set, cs_value more)
{
    for (uint32_t i = 0; i < more.u.table->n; i++) {
        cs_set_add(call->arena, set, more.u.table->keys[i]);
    }
}

static cs_err two_sets(cs_call *call, cs_value *x, cs_value *y)
{
    CS_TRY(cs_call__set(call, 1, x));
    return cs_call__set(call, 2, y);
}

cs_err cs_builtin__and(cs_call *call, cs_value *out)
{
    cs_value x, y;
    CS_TRY(two_sets(call, &x, &y));
    return cs_call__give(out, both(call, x, y));
}

cs_err cs_builtin__or(cs_call *call, cs_value *out)
{
    cs_value x, y;
    CS_TRY(two_sets(call, &x, &y));
    if (cs_count(x) == 0 || cs_count(y) == 0) {
        return cs_call__give(out, cs_count(x) ? x : y);
    }
    *out = cs_set_clone(call->arena, x, cs_count(y));
    add_all(call, *out, y);
    return CS_OK;
}

cs_err cs_builtin__set_diff(cs_call *call, cs_value *out)
{
    cs_value x, y;
    CS_TRY(two_sets(call, &x, &y));
    return cs_call__give(out, difference(call, x, y));
}

cs_err cs_builtin__minus(cs_call *call, cs_value *out)
{
    cs_value x = call->args[0], y = call->args[1];
    if (x.kind == CS_NUMBER && y.kind == CS_NUMBER) {
        return cs_number_arith(call->arena, CS_SUB, x, y, out, call->e);
    }
    if (x.kind == CS_SET && y.kind == CS_SET) {
        return cs_call__give(out, difference(call, x, y));
    }
    if (x.kind != CS_NUMBER && x.kind != CS_SET) {
        return cs_call_type_error(call, 1, "number, set");
    }
    return cs_call_type_error(call, 2, y.kind == CS_NUMBER ? "set" : "number");
}

/* The operand: a set of sets. */
static cs_err set_of_sets(cs_call *call, cs_value *x)
{
    CS_TRY(cs_call__set(call, 1, x));
    for (uint32_t i = 0; i < cs_count(*x); i++) {
        cs_value item = cs_entry(*x, i, NULL);
        if (item.kind != CS_SET) {
            return cs_call__type_error_of(call, 1, item, "set");
        }
    }
    return CS_OK;
}

cs_err cs_builtin__union(cs_call *call, cs_value *out)
{
    cs_value x;
    CS_TRY(set_of_sets(call, &x));
    *out = cs_set_new(call->arena, 0);
    for (uint32_t i = 0; i < cs_count(x); i++) {
        add_all(call, *out, cs_entry(x, i, NULL));
    }
    return CS_OK;
}

cs_err cs_builtin__intersection(cs_call *call, cs_value *out)
{
    cs_value x;
    CS_TRY(set_of_sets(call, &x));
    if (cs_count(x) == 0) {
        return cs_call__give(out, cs_set_new(call->arena, 0));
    }
    *out = cs_entry(x, 0, NULL);
    for (uint32_t i = 1; i < cs_count(x); i++) {
        *out = both(call, *out, cs_entry(x, i, NULL));
    }
    return CS_OK;
}
