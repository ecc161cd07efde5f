/* object.* and the JSON functions that work on documents. */
#include "countersign/patch.h"
#include "rego/builtin/internal.h"

cs_err cs_builtin__object_get(cs_call *call, cs_value *out)
{
    cs_value object, key = call->args[1];
    CS_TRY(cs_call__object(call, 1, &object));
    if (key.kind != CS_ARRAY) {
        const cs_value *there = cs_object_get(object, key);
        return cs_call__give(out, there ? *there : call->args[2]);
    }
    cs_value at = cs_lookup(object, key.u.items, key.n);
    return cs_call__give(out, cs_is_undefined(at) ? call->args[2] : at);
}

cs_err cs_builtin__object_keys(cs_call *call, cs_value *out)
{
    cs_value object;
    CS_TRY(cs_call__object(call, 1, &object));
    uint32_t n = cs_count(object);
    *out = cs_set_new(call->arena, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_set_add(call->arena, *out, object.u.table->keys[i]);
    }
    return CS_OK;
}

cs_err cs_builtin__object_union(cs_call *call, cs_value *out)
{
    cs_value x, y;
    CS_TRY(cs_call__object(call, 1, &x));
    CS_TRY(cs_call__object(call, 2, &y));
    if (cs_count(x) == 0 || cs_count(y) == 0) {
        return cs_call__give(out, cs_count(x) ? x : y);
    }
    return cs_call__give(out, cs_object_union(call->arena, x, y));
}

/* ------------------------------------------------------------------------------------------------ union of many */

/* A copy whose objects, at every level, may be written. */
static cs_value open_copy(cs_call *call, cs_value v)
{
    if (v.kind != CS_OBJECT) {
        return v;
    }
    cs_value copy = cs_object_new(call->arena, cs_count(v));
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_object_put(call->arena, copy, v.u.table->keys[i], open_copy(call, v.u.table->vals[i]));
    }
    return copy;
}

/* Merges an earlier object into what the later ones made. Where an object met something else, the later one wins and
 * takes nothing from objects that come before: its table is put into `closed`. */
static void merge_earlier(cs_call *call, cs_value into, cs_value earlier, cs_value closed)
{
    for (uint32_t i = 0; i < cs_count(earlier); i++) {
        cs_value key = earlier.u.table->keys[i], value = earlier.u.table->vals[i];
        const cs_value *there = cs_object_get(into, key);
        if (!there) {
            cs_object_put(call->arena, into, key, open_copy(call, value));
        } else if (there->kind == CS_OBJECT) {
            cs_value id = cs_int((int64_t)(intptr_t)there->u.table);
            if (value.kind != CS_OBJECT) {
                cs_set_add(call->arena, closed, id);
            } else if (!cs_set_has(closed, id)) {
                merge_earlier(call, *there, value, closed);
            }
        }
    }
}

cs_err cs_builtin__object_union_n(cs_call *call, cs_value *out)
{
    cs_value list;
    CS_TRY(cs_call__array(call, 1, &list));
    for (uint32_t i = 0; i < list.n; i++) {
        if (list.u.items[i].kind != CS_OBJECT) {
            return cs_call__element_error(call, 1, list, list.u.items[i], "object");
        }
    }
    if (list.n == 1) {
        return cs_call__give(out, list.u.items[0]);
    }
    *out = cs_object_new(call->arena, 0);
    cs_value closed = cs_set_new(call->arena, 0);
    for (uint32_t i = list.n; i > 0; i--) {
        merge_earlier(call, *out, list.u.items[i - 1], closed);
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ some of the keys */

/* The second operand, a list of keys or an object that has them, as something to look keys up in. */
static cs_err wanted_keys(cs_call *call, cs_value *out)
{
    cs_value keys = call->args[1];
    if (keys.kind == CS_ARRAY) {
        *out = cs_set_new(call->arena, keys.n);
        for (uint32_t i = 0; i < keys.n; i++) {
            cs_set_add(call->arena, *out, keys.u.items[i]);
        }
        return CS_OK;
    }
    *out = keys;
    return keys.kind == CS_SET || keys.kind == CS_OBJECT ? CS_OK : cs_call_type_error(call, 2, "object, set, array");
}

static cs_err select_keys(cs_call *call, bool keep, cs_value *out)
{
    cs_value object, keys;
    CS_TRY(cs_call__object(call, 1, &object));
    CS_TRY(wanted_keys(call, &keys));
    *out = cs_object_new(call->arena, 0);
    for (uint32_t i = 0; i < cs_count(object); i++) {
        cs_value key = object.u.table->keys[i];
        bool named = keys.kind == CS_SET ? cs_set_has(keys, key) : cs_object_get(keys, key) != NULL;
        if (named == keep) {
            cs_object_put(call->arena, *out, key, object.u.table->vals[i]);
        }
    }
    return CS_OK;
}

cs_err cs_builtin__object_filter(cs_call *call, cs_value *out)
{
    return select_keys(call, true, out);
}

cs_err cs_builtin__object_remove(cs_call *call, cs_value *out)
{
    return select_keys(call, false, out);
}

/* ------------------------------------------------------------------------------------------------ subsets */

static bool set_subset(cs_value super, cs_value sub)
{
    for (uint32_t i = 0; i < cs_count(sub); i++) {
        if (!cs_set_has(super, sub.u.table->keys[i])) {
            return false;
        }
    }
    return true;
}

/* Does `sub` stand somewhere in `super`, in one piece? */
static bool array_subset(cs_value super, cs_value sub)
{
    for (uint32_t at = 0; (uint64_t)at + sub.n <= super.n; at++) {
        uint32_t i = 0;
        while (i < sub.n && cs_equal(super.u.items[at + i], sub.u.items[i])) {
            i++;
        }
        if (i == sub.n) {
            return true;
        }
    }
    return false;
}

/* As OPA counts: an item that occurs twice in the array counts twice. */
static bool array_has_set(cs_value super, cs_value sub)
{
    int64_t missing = cs_count(sub);
    for (uint32_t i = 0; i < super.n; i++) {
        missing -= cs_set_has(sub, super.u.items[i]);
        if (missing == 0) {
            return true;
        }
    }
    return false;
}

static bool object_subset(cs_value super, cs_value sub)
{
    for (uint32_t i = 0; i < cs_count(sub); i++) {
        cs_value want = sub.u.table->vals[i];
        const cs_value *have = cs_object_get(super, sub.u.table->keys[i]);
        if (!have) {
            return false;
        }
        if (cs_equal(*have, want)) {
            continue;
        }
        bool fits = have->kind == want.kind && ((want.kind == CS_OBJECT && object_subset(*have, want)) ||
                                                (want.kind == CS_SET && set_subset(*have, want)) ||
                                                (want.kind == CS_ARRAY && array_subset(*have, want)));
        if (!fits) {
            return false;
        }
    }
    return true;
}

cs_err cs_builtin__object_subset(cs_call *call, cs_value *out)
{
    cs_value super = call->args[0], sub = call->args[1];
    if (super.kind == CS_OBJECT && sub.kind == CS_OBJECT) {
        return cs_call__give(out, cs_bool(object_subset(super, sub)));
    }
    if (super.kind == CS_SET && sub.kind == CS_SET) {
        return cs_call__give(out, cs_bool(set_subset(super, sub)));
    }
    if (super.kind == CS_ARRAY && sub.kind == CS_ARRAY) {
        return cs_call__give(out, cs_bool(array_subset(super, sub)));
    }
    if (super.kind == CS_ARRAY && sub.kind == CS_SET) {
        return cs_call__give(out, cs_bool(array_has_set(super, sub)));
    }
    return cs_fail(call->e, CS_ERR_EVAL_TYPE, "both arguments object.subset must be of the same type or array and set");
}

/* ------------------------------------------------------------------------------------------------ documents */

/* The list of paths; the words of the errors are those of operand 2. */
static cs_err check_paths(cs_call *call)
{
    cs_value paths = call->args[1];
    if (!cs_call__is_list(paths)) {
        return cs_call_type_error(call, 2, "set, array");
    }
    for (uint32_t i = 0; i < cs_count(paths); i++) {
        cs_value path = cs_call__item(paths, i);
        if (path.kind != CS_STRING && path.kind != CS_ARRAY) {
            return cs_call__operand_error(
                call, 2, "must be one of {set, array} containing string paths or array of path segments but got %s",
                cs_kind_name(path));
        }
    }
    return CS_OK;
}

cs_err cs_builtin__json_filter(cs_call *call, cs_value *out)
{
    cs_value object;
    CS_TRY(cs_call__object(call, 1, &object));
    CS_TRY(check_paths(call));
    return cs_json_filter(call->arena, object, call->args[1], out, call->e);
}

cs_err cs_builtin__json_remove(cs_call *call, cs_value *out)
{
    cs_value object;
    CS_TRY(cs_call__object(call, 1, &object));
    CS_TRY(check_paths(call));
    return cs_json_remove(call->arena, object, call->args[1], out, call->e);
}

cs_err cs_builtin__json_patch(cs_call *call, cs_value *out)
{
    cs_value operations;
    CS_TRY(cs_call__array(call, 2, &operations));
    return cs_json_patch(call->arena, call->args[0], operations, out, call->e);
}
