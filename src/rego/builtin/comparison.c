/* Comparison of any two values. */
#include "rego/builtin/internal.h"

static int compared(const cs_call *call)
{
    return cs_compare(call->args[0], call->args[1]);
}

cs_err cs_builtin__gt(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(compared(call) > 0));
}

cs_err cs_builtin__gte(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(compared(call) >= 0));
}

cs_err cs_builtin__lt(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(compared(call) < 0));
}

cs_err cs_builtin__lte(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(compared(call) <= 0));
}

cs_err cs_builtin__equal(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(cs_equal(call->args[0], call->args[1])));
}

cs_err cs_builtin__neq(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(!cs_equal(call->args[0], call->args[1])));
}

/* Unification of two ground values. */
cs_err cs_builtin__eq(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_bool(cs_equal(call->args[0], call->args[1])));
}
