/* array.* */
#include "rego/builtin/internal.h"

static cs_err new_items(cs_call *call, size_t n, cs_value **items)
{
    *items = cs_arena_try(call->arena, (n ? n : 1) * sizeof **items);
    return *items && n <= UINT32_MAX ? CS_OK : cs_call__limit_error(call, "eval_memory");
}

cs_err cs_builtin__array_concat(cs_call *call, cs_value *out)
{
    cs_value x, y, *items;
    CS_TRY(cs_call__array(call, 1, &x));
    CS_TRY(cs_call__array(call, 2, &y));
    if (x.n == 0 || y.n == 0) {
        return cs_call__give(out, x.n ? x : y);
    }
    CS_TRY(new_items(call, (size_t)x.n + y.n, &items));
    memcpy(items, x.u.items, x.n * sizeof *items);
    memcpy(items + x.n, y.u.items, y.n * sizeof *items);
    return cs_call__give(out, cs_array(items, (size_t)x.n + y.n));
}

cs_err cs_builtin__array_flatten(cs_call *call, cs_value *out)
{
    cs_value x, *items;
    CS_TRY(cs_call__array(call, 1, &x));
    size_t n = 0;
    bool nested = false;
    for (uint32_t i = 0; i < x.n; i++) {
        bool is_array = x.u.items[i].kind == CS_ARRAY;
        nested = nested || is_array;
        n += is_array ? x.u.items[i].n : 1;
    }
    if (!nested) {
        return cs_call__give(out, x);
    }
    CS_TRY(new_items(call, n, &items));
    size_t at = 0;
    for (uint32_t i = 0; i < x.n; i++) {
        cs_value item = x.u.items[i];
        if (item.kind != CS_ARRAY) {
            items[at++] = item;
        } else if (item.n) {
            memcpy(items + at, item.u.items, item.n * sizeof *items);
            at += item.n;
        }
    }
    return cs_call__give(out, cs_array(items, n));
}

cs_err cs_builtin__array_slice(cs_call *call, cs_value *out)
{
    cs_value x;
    int64_t start, stop;
    CS_TRY(cs_call__array(call, 1, &x));
    CS_TRY(cs_call_int(call, 2, &start));
    CS_TRY(cs_call_int(call, 3, &stop));
    stop = stop < 0 ? 0 : stop > x.n ? x.n : stop;
    start = start < 0 ? 0 : start > stop ? stop : start;
    return cs_call__give(out, cs_array(start ? x.u.items + start : x.u.items, (size_t)(stop - start)));
}

cs_err cs_builtin__array_reverse(cs_call *call, cs_value *out)
{
    cs_value x, *items;
    CS_TRY(cs_call__array(call, 1, &x));
    CS_TRY(new_items(call, x.n, &items));
    for (uint32_t i = 0; i < x.n; i++) {
        items[i] = x.u.items[x.n - 1 - i];
    }
    return cs_call__give(out, cs_array(items, x.n));
}
