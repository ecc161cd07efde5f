/* bits.*: two's complement at any size. */
#include "rego/builtin/internal.h"

static cs_err binary(cs_call *call, cs_bits op, cs_value *out)
{
    cs_value x, y;
    CS_TRY(cs_call__integral(call, 1, &x));
    CS_TRY(cs_call__integral(call, 2, &y));
    if ((op == CS_BITS_LSH || op == CS_BITS_RSH) && cs_number_compare(y, cs_int(0)) < 0) {
        return cs_call__operand_error(call, 2, "must be an unsigned integer number but got a negative integer");
    }
    return cs_number_bits(call->arena, op, x, y, out, call->e);
}

cs_err cs_builtin__bits_and(cs_call *call, cs_value *out)
{
    return binary(call, CS_BITS_AND, out);
}

cs_err cs_builtin__bits_or(cs_call *call, cs_value *out)
{
    return binary(call, CS_BITS_OR, out);
}

cs_err cs_builtin__bits_xor(cs_call *call, cs_value *out)
{
    return binary(call, CS_BITS_XOR, out);
}

cs_err cs_builtin__bits_lsh(cs_call *call, cs_value *out)
{
    return binary(call, CS_BITS_LSH, out);
}

cs_err cs_builtin__bits_rsh(cs_call *call, cs_value *out)
{
    return binary(call, CS_BITS_RSH, out);
}

cs_err cs_builtin__bits_negate(cs_call *call, cs_value *out)
{
    cs_value x;
    CS_TRY(cs_call__integral(call, 1, &x));
    return cs_call__give(out, cs_number_bits_not(call->arena, x));
}
