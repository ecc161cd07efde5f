/* Arithmetic, ranges, random numbers. */
#include "rego/builtin/internal.h"

static cs_err arith(cs_call *call, cs_arith op, cs_value *out)
{
    cs_value x, y;
    CS_TRY(cs_call__number(call, 1, &x));
    CS_TRY(cs_call__number(call, 2, &y));
    return cs_number_arith(call->arena, op, x, y, out, call->e);
}

cs_err cs_builtin__plus(cs_call *call, cs_value *out)
{
    return arith(call, CS_ADD, out);
}

cs_err cs_builtin__mul(cs_call *call, cs_value *out)
{
    return arith(call, CS_MUL, out);
}

cs_err cs_builtin__div(cs_call *call, cs_value *out)
{
    return arith(call, CS_DIV, out);
}

cs_err cs_builtin__rem(cs_call *call, cs_value *out)
{
    return arith(call, CS_REM, out);
}

static cs_err rounded(cs_call *call, cs_rounding how, cs_value *out)
{
    cs_value x;
    CS_TRY(cs_call__number(call, 1, &x));
    return cs_call__give(out, cs_number_round(call->arena, how, x));
}

cs_err cs_builtin__abs(cs_call *call, cs_value *out)
{
    return rounded(call, CS_ABS, out);
}

cs_err cs_builtin__ceil(cs_call *call, cs_value *out)
{
    return rounded(call, CS_CEIL, out);
}

cs_err cs_builtin__floor(cs_call *call, cs_value *out)
{
    return rounded(call, CS_FLOOR, out);
}

cs_err cs_builtin__round(cs_call *call, cs_value *out)
{
    return rounded(call, CS_ROUND, out);
}

/* ------------------------------------------------------------------------------------------------ ranges */

static cs_err small_range(cs_call *call, int64_t x, int64_t y, uint64_t step, cs_value *out)
{
    uint64_t distance = x <= y ? (uint64_t)y - (uint64_t)x : (uint64_t)x - (uint64_t)y;
    uint64_t n = distance / step + 1;
    if (n > cs_limits_get()->range_items || n == 0) {
        return cs_call__limit_error(call, "range_items");
    }
    cs_value *items = cs_arena_try(call->arena, n * sizeof *items);
    if (!items) {
        return cs_call__limit_error(call, "eval_memory");
    }
    for (uint64_t i = 0; i < n; i++) {
        items[i] = cs_int((int64_t)(x <= y ? (uint64_t)x + i * step : (uint64_t)x - i * step));
    }
    return cs_call__give(out, cs_array(items, n));
}

/* Beyond 64 bits. */
static cs_err big_range(cs_call *call, cs_value x, cs_value y, cs_value step, cs_value *out)
{
    bool up = cs_number_compare(x, y) <= 0;
    cs_value distance, most;
    cs_value items = cs_int((int64_t)cs_limits_get()->range_items);
    CS_TRY(cs_number_arith(call->arena, CS_SUB, up ? y : x, up ? x : y, &distance, call->e));
    CS_TRY(cs_number_arith(call->arena, CS_MUL, step, items, &most, call->e));
    if (cs_number_compare(distance, most) >= 0) {
        return cs_call__limit_error(call, "range_items");
    }
    cs_list list = {0};
    CS_TRY(cs_number_arith(call->arena, CS_ADD, x, cs_int(0), &x, call->e)); /* as a result is spelled */
    while (cs_number_compare(x, y) * (up ? 1 : -1) <= 0) {
        if (cs_arena_exceeded(call->arena)) {
            return cs_call__limit_error(call, "eval_memory");
        }
        cs_list__add(call, &list, x);
        CS_TRY(cs_number_arith(call->arena, up ? CS_ADD : CS_SUB, x, step, &x, call->e));
    }
    return cs_call__give(out, cs_list__array(&list));
}

static cs_err range(cs_call *call, cs_value step, cs_value *out)
{
    cs_value x = call->args[0], y = call->args[1];
    int64_t from, to, by;
    if (cs_number_is_int(x, &from) && cs_number_is_int(y, &to) && cs_number_is_int(step, &by)) {
        return small_range(call, from, to, (uint64_t)by, out);
    }
    return big_range(call, x, y, step, out);
}

cs_err cs_builtin__numbers_range(cs_call *call, cs_value *out)
{
    cs_value x, y;
    CS_TRY(cs_call__integral(call, 1, &x));
    CS_TRY(cs_call__integral(call, 2, &y));
    return range(call, cs_int(1), out);
}

cs_err cs_builtin__numbers_range_step(cs_call *call, cs_value *out)
{
    cs_value x, y, step;
    CS_TRY(cs_call__integral(call, 1, &x));
    CS_TRY(cs_call__integral(call, 2, &y));
    CS_TRY(cs_call__integral(call, 3, &step));
    if (cs_number_compare(step, cs_int(0)) <= 0) {
        return cs_call_error(call, "numbers.range_step: step must be a positive integer");
    }
    return range(call, step, out);
}

/* ------------------------------------------------------------------------------------------------ random numbers */

cs_err cs_builtin__rand_intn(cs_call *call, cs_value *out)
{
    cs_slice key;
    int64_t n;
    CS_TRY(cs_call_string(call, 1, &key));
    CS_TRY(cs_call_int(call, 2, &n));
    uint64_t below = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (below == 0) {
        return cs_call__give(out, cs_int(0));
    }
    /* Numbers from the last, incomplete stretch of `below` would favour small results: draw again. */
    uint64_t r, last = UINT64_MAX - UINT64_MAX % below;
    do {
        call->state->host->random(call->state->host->self, &r, sizeof r);
    } while (r >= last);
    return cs_call__give(out, cs_int((int64_t)(r % below)));
}
