/* count, sum, product, max, min, sort, all, any and membership. */
#include <stdlib.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/internal.h"

cs_err cs_builtin__count(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    if (v.kind == CS_STRING) {
        return cs_call__give(out, cs_int((int64_t)cs_utf8_count(cs_text(v))));
    }
    if (v.kind != CS_ARRAY && v.kind != CS_OBJECT && v.kind != CS_SET) {
        return cs_call_type_error(call, 1, "array, object, set, string");
    }
    return cs_call__give(out, cs_int(cs_count(v)));
}

/* The operand's items, all of them numbers. */
static cs_err numbers(cs_call *call, const cs_value **items, uint32_t *n)
{
    cs_value v = call->args[0];
    if (!cs_call__is_list(v)) {
        return cs_call_type_error(call, 1, "set, array");
    }
    if (v.kind == CS_SET) {
        cs_table_sort(v.u.table);
    }
    *items = v.kind == CS_ARRAY ? v.u.items : v.u.table->keys;
    *n = cs_count(v);
    for (uint32_t i = 0; i < *n; i++) {
        if ((*items)[i].kind != CS_NUMBER) {
            return cs_call__element_error(call, 1, v, (*items)[i], "number");
        }
    }
    return CS_OK;
}

cs_err cs_builtin__sum(cs_call *call, cs_value *out)
{
    const cs_value *items;
    uint32_t n;
    CS_TRY(numbers(call, &items, &n));
    return cs_call__give(out, cs_number_sum(call->arena, items, n));
}

cs_err cs_builtin__product(cs_call *call, cs_value *out)
{
    const cs_value *items;
    uint32_t n;
    CS_TRY(numbers(call, &items, &n));
    return cs_call__give(out, cs_number_product(call->arena, items, n));
}

/* The largest item (sign 1) or the smallest (sign -1); of equals the last. */
static cs_err extreme(cs_call *call, int sign, cs_value *out)
{
    cs_value v = call->args[0];
    if (!cs_call__is_list(v)) {
        return cs_call_type_error(call, 1, "set, array");
    }
    uint32_t n = cs_count(v);
    if (n == 0) {
        return cs_call__give(out, cs_undefined());
    }
    if (v.kind == CS_SET) {
        return cs_call__give(out, cs_entry(v, sign > 0 ? n - 1 : 0, NULL));
    }
    cs_value best = v.u.items[0];
    for (uint32_t i = 1; i < n; i++) {
        int c = cs_compare(v.u.items[i], best);
        if (c == 0 || (c > 0) == (sign > 0)) {
            best = v.u.items[i];
        }
    }
    return cs_call__give(out, best);
}

cs_err cs_builtin__max(cs_call *call, cs_value *out)
{
    return extreme(call, 1, out);
}

cs_err cs_builtin__min(cs_call *call, cs_value *out)
{
    return extreme(call, -1, out);
}

static int compare_items(const void *x, const void *y)
{
    return cs_compare(*(const cs_value *)x, *(const cs_value *)y);
}

cs_err cs_builtin__sort(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    if (v.kind == CS_SET) {
        cs_table_sort(v.u.table);
        return cs_call__give(out, cs_array(v.u.table->keys, v.u.table->n));
    }
    if (v.kind != CS_ARRAY) {
        return cs_call_type_error(call, 1, "set, array");
    }
    bool sorted = true;
    for (uint32_t i = 1; i < v.n && sorted; i++) {
        sorted = cs_compare(v.u.items[i - 1], v.u.items[i]) <= 0;
    }
    if (sorted) {
        return cs_call__give(out, v);
    }
    cs_value *items = cs_arena_alloc(call->arena, v.n * sizeof *items);
    memcpy(items, v.u.items, v.n * sizeof *items);
    qsort(items, v.n, sizeof *items, compare_items);
    return cs_call__give(out, cs_array(items, v.n));
}

/* How many items are not, or are, the boolean true: the deprecated all() and any(). */
static cs_err count_true(cs_call *call, uint32_t *yes, uint32_t *n)
{
    cs_value v = call->args[0];
    if (!cs_call__is_list(v)) {
        return cs_call_type_error(call, 1, "array, set");
    }
    *yes = 0;
    *n = cs_count(v);
    for (uint32_t i = 0; i < *n; i++) {
        cs_value item = cs_call__item(v, i);
        *yes += item.kind == CS_BOOL && item.u.i != 0;
    }
    return CS_OK;
}

cs_err cs_builtin__all(cs_call *call, cs_value *out)
{
    uint32_t yes, n;
    CS_TRY(count_true(call, &yes, &n));
    return cs_call__give(out, cs_bool(yes == n));
}

cs_err cs_builtin__any(cs_call *call, cs_value *out)
{
    uint32_t yes, n;
    CS_TRY(count_true(call, &yes, &n));
    return cs_call__give(out, cs_bool(yes > 0));
}

static bool has_value(cs_value collection, cs_value wanted)
{
    const cs_value *items = NULL;
    uint32_t n = cs_count(collection);
    if (collection.kind == CS_ARRAY) {
        items = collection.u.items;
    } else if (collection.kind == CS_OBJECT) {
        items = collection.u.table->vals;
    }
    for (uint32_t i = 0; items && i < n; i++) {
        if (cs_equal(items[i], wanted)) {
            return true;
        }
    }
    return false;
}

cs_err cs_builtin__internal_member_2(cs_call *call, cs_value *out)
{
    cs_value collection = call->args[1];
    bool there =
        collection.kind == CS_SET ? cs_set_has(collection, call->args[0]) : has_value(collection, call->args[0]);
    return cs_call__give(out, cs_bool(there));
}

cs_err cs_builtin__internal_member_3(cs_call *call, cs_value *out)
{
    cs_value key = call->args[0], wanted = call->args[1], collection = call->args[2];
    cs_value there = cs_index(collection, key);
    return cs_call__give(out, cs_bool(!cs_is_undefined(there) && cs_equal(there, wanted)));
}
