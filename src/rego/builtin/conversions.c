/* to_number and the deprecated casts. */
#include <math.h>

#include "rego/builtin/internal.h"

/* Does Go's strconv.ParseFloat take the text for something that is not finite? */
static bool names_infinity(cs_slice s)
{
    while (s.n && (*s.p == '+' || *s.p == '-')) {
        s.p++;
        s.n--;
    }
    return cs_slice_eq_nocase(s, CS_LIT("inf")) || cs_slice_eq_nocase(s, CS_LIT("infinity")) ||
           cs_slice_eq_nocase(s, CS_LIT("nan"));
}

static cs_err number_from_text(cs_call *call, cs_slice text, cs_value *out)
{
    if (names_infinity(text)) {
        return cs_call_type_error(call, 1, "valid number string");
    }
    const char *problem = "invalid syntax";
    if (cs_number_valid(text)) {
        cs_error e;
        if (cs_number_parse(call->arena, text, out, &e) != CS_OK) {
            return cs_call_error(call, "%s", e.text);
        }
        if (isfinite(cs_number_double(*out))) {
            return CS_OK;
        }
        problem = "value out of range";
    }
    cs_sink quoted;
    cs_slice q;
    cs_sink__init(&quoted, call);
    cs_sink__quote(&quoted, text);
    CS_TRY(cs_sink__slice_done(&quoted, &q));
    return cs_call_error(call, "strconv.ParseFloat: parsing %.*s: %s", CS_FMT(q), problem);
}

cs_err cs_builtin__to_number(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    switch ((cs_kind)v.kind) {
    case CS_NULL:
        return cs_call__give(out, cs_int(0));
    case CS_BOOL:
        return cs_call__give(out, cs_int(v.u.i != 0));
    case CS_NUMBER:
        return cs_call__give(out, v);
    case CS_STRING:
        return number_from_text(call, cs_text(v), out);
    case CS_UNDEFINED:
    case CS_ARRAY:
    case CS_OBJECT:
    case CS_SET:
    case CS_PRIVATE:
        break;
    }
    return cs_call_type_error(call, 1, "null, boolean, number, string");
}

cs_err cs_builtin__cast_array(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    if (v.kind == CS_SET) {
        cs_table_sort(v.u.table);
        return cs_call__give(out, cs_array(v.u.table->keys, v.u.table->n));
    }
    *out = v;
    return v.kind == CS_ARRAY ? CS_OK : cs_call_type_error(call, 1, "array, set");
}

cs_err cs_builtin__cast_set(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    if (v.kind == CS_ARRAY) {
        *out = cs_set_new(call->arena, v.n);
        for (uint32_t i = 0; i < v.n; i++) {
            cs_set_add(call->arena, *out, v.u.items[i]);
        }
        return CS_OK;
    }
    *out = v;
    return v.kind == CS_SET ? CS_OK : cs_call_type_error(call, 1, "array, set");
}

static cs_err same(cs_call *call, cs_kind kind, const char *want, cs_value *out)
{
    *out = call->args[0];
    return cs_call__kind(call, 1, *out, kind, want);
}

cs_err cs_builtin__cast_string(cs_call *call, cs_value *out)
{
    return same(call, CS_STRING, "string", out);
}

cs_err cs_builtin__cast_boolean(cs_call *call, cs_value *out)
{
    return same(call, CS_BOOL, "boolean", out);
}

cs_err cs_builtin__cast_null(cs_call *call, cs_value *out)
{
    return same(call, CS_NULL, "null", out);
}

cs_err cs_builtin__cast_object(cs_call *call, cs_value *out)
{
    return same(call, CS_OBJECT, "object", out);
}
