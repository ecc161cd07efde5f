/* is_* and type_name. */
#include "rego/builtin/internal.h"

static cs_err is_kind(cs_call *call, cs_kind kind, cs_value *out)
{
    return cs_call__give(out, cs_bool(call->args[0].kind == (uint8_t)kind));
}

cs_err cs_builtin__is_array(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_ARRAY, out);
}

cs_err cs_builtin__is_boolean(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_BOOL, out);
}

cs_err cs_builtin__is_null(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_NULL, out);
}

cs_err cs_builtin__is_number(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_NUMBER, out);
}

cs_err cs_builtin__is_object(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_OBJECT, out);
}

cs_err cs_builtin__is_set(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_SET, out);
}

cs_err cs_builtin__is_string(cs_call *call, cs_value *out)
{
    return is_kind(call, CS_STRING, out);
}

cs_err cs_builtin__type_name(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_string(cs_slice_of(cs_kind_name(call->args[0]))));
}
