/* to_number and the deprecated casts. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

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

/* Go lets '_' stand between digits. false if one stands elsewhere. */
static bool without_underscores(cs_call *call, cs_slice text, cs_slice *out)
{
    char *p = cs_arena_alloc(call->arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '_') {
            p[n++] = text.p[i];
        } else if (i == 0 || i + 1 == text.n || !isxdigit((unsigned char)text.p[i - 1]) ||
                   !isxdigit((unsigned char)text.p[i + 1])) {
            return false;
        }
    }
    p[n] = '\0';
    *out = cs_slice_make(p, n);
    return true;
}

/* "0x1.8p4": Go wants the exponent. */
static bool hexadecimal(cs_call *call, cs_slice text, cs_value *out)
{
    cs_slice digits = text.n && (*text.p == '-' || *text.p == '+') ? cs_slice_sub(text, 1, text.n) : text;
    char *copy = cs_arena_dup(call->arena, text.p, text.n), *end = copy;
    bool prefixed = digits.n > 2 && digits.p[0] == '0' && (digits.p[1] | 0x20) == 'x';
    bool power = cs_slice_find_byte(digits, 'p', 0) != SIZE_MAX || cs_slice_find_byte(digits, 'P', 0) != SIZE_MAX;
    double d = prefixed && power ? strtod(copy, &end) : 0;
    if (!prefixed || !power || end != copy + text.n || !isfinite(d)) {
        return false;
    }
    *out = cs_number_from_double(call->arena, d);
    return true;
}

/* Go's strconv.ParseFloat decides what a number is, and the text is kept. */
static cs_err number_from_text(cs_call *call, cs_slice text, cs_value *out)
{
    if (names_infinity(text)) {
        return cs_call_type_error(call, 1, "valid number string");
    }
    const char *problem = "invalid syntax";
    cs_slice plain = text;
    cs_error e;
    bool fits = without_underscores(call, text, &plain);
    if (fits && hexadecimal(call, plain, out)) {
        return CS_OK;
    }
    cs_err err = fits ? cs_number_parse(call->arena, plain, out, &e) : CS_ERR_INVALID;
    if (err == CS_ERR_LIMIT) {
        return cs_call_error(call, "%s", e.text);
    }
    if (err == CS_OK) {
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
