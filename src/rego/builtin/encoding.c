/* base64, base64url, hex, JSON, YAML. */
#include "countersign/base/encode.h"
#include "countersign/json.h"
#include "countersign/yaml.h"
#include "rego/builtin/internal.h"

/* ------------------------------------------------------------------------------------------------ base64 */

static cs_err base64_encode(cs_call *call, cs_base64_kind kind, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    if (s.n / 3 * 4 + 4 > cs_limits_get()->string_bytes) {
        return cs_call__limit_error(call, "string_bytes");
    }
    return cs_call__give(out, cs_string(cs_base64_encode(call->arena, s, kind)));
}

static cs_err base64_decode(cs_call *call, cs_slice s, cs_base64_kind kind, cs_value *out)
{
    cs_slice bytes;
    size_t bad = 0;
    if (!cs_base64_decode(call->arena, s, kind, &bytes, &bad)) {
        return cs_call_error(call, "illegal base64 data at input byte %zu", bad);
    }
    return cs_call__give(out, cs_string(bytes));
}

cs_err cs_builtin__base64_encode(cs_call *call, cs_value *out)
{
    return base64_encode(call, CS_BASE64_STD, out);
}

cs_err cs_builtin__base64url_encode(cs_call *call, cs_value *out)
{
    return base64_encode(call, CS_BASE64_URL, out);
}

cs_err cs_builtin__base64url_encode_no_pad(cs_call *call, cs_value *out)
{
    return base64_encode(call, CS_BASE64_URL_NOPAD, out);
}

cs_err cs_builtin__base64_decode(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    return base64_decode(call, s, CS_BASE64_STD, out);
}

cs_err cs_builtin__base64_is_valid(cs_call *call, cs_value *out)
{
    cs_slice bytes;
    bool valid = call->args[0].kind == CS_STRING &&
                 cs_base64_decode(call->arena, cs_text(call->args[0]), CS_BASE64_STD, &bytes, NULL);
    return cs_call__give(out, cs_bool(valid));
}

cs_err cs_builtin__base64url_decode(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    if (s.n == 0 || s.p[s.n - 1] == '=' || s.n % 4 == 0) {
        return base64_decode(call, s, CS_BASE64_URL, out);
    }
    if (s.n % 4 == 1) {
        return cs_call_error(call, "illegal base64url string: %.*s", CS_FMT(s));
    }
    char *padded;
    CS_TRY(cs_call__room(call, s.n + 2, &padded));
    memcpy(padded, s.p, s.n);
    padded[s.n] = padded[s.n + 1] = '=';
    return base64_decode(call, cs_slice_make(padded, s.n + (4 - s.n % 4)), CS_BASE64_URL, out);
}

/* ------------------------------------------------------------------------------------------------ hex */

cs_err cs_builtin__hex_encode(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    if (s.n > cs_limits_get()->string_bytes / 2) {
        return cs_call__limit_error(call, "string_bytes");
    }
    return cs_call__give(out, cs_string(cs_hex_encode(call->arena, s)));
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

cs_err cs_builtin__hex_decode(cs_call *call, cs_value *out)
{
    cs_slice s, bytes;
    CS_TRY(cs_call_string(call, 1, &s));
    if (cs_hex_decode(call->arena, s, &bytes, NULL)) {
        return cs_call__give(out, cs_string(bytes));
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!is_hex(s.p[i])) {
            /* Go takes the byte for a code point. */
            unsigned c = (unsigned char)s.p[i];
            if (c < ' ' || (c >= 0x7F && c <= 0xA0) || c == 0xAD) {
                return cs_call_error(call, "encoding/hex: invalid byte: U+%04X", c);
            }
            return c < 0x80 ? cs_call_error(call, "encoding/hex: invalid byte: U+%04X '%c'", c, (int)c)
                            : cs_call_error(call, "encoding/hex: invalid byte: U+%04X '%c%c'", c, (int)(0xC0 | c >> 6),
                                            (int)(0x80 | (c & 0x3F)));
        }
    }
    return cs_call_error(call, "encoding/hex: odd length hex string");
}

/* ------------------------------------------------------------------------------------------------ JSON */

/* What `write` makes of the operand, as a string value. */
static cs_err give_buf(cs_call *call, cs_buf *buf, cs_value *out)
{
    char *p;
    cs_err err = cs_call__room(call, buf->n, &p);
    if (err == CS_OK) {
        memcpy(p, cs_buf_view(buf).p, buf->n);
        *out = cs_string(cs_slice_make(p, buf->n));
    }
    cs_buf_destroy(buf);
    return err;
}

cs_err cs_builtin__json_marshal(cs_call *call, cs_value *out)
{
    cs_buf buf;
    cs_buf_init(&buf);
    cs_json_write(&buf, call->args[0], CS_JSON_HTML);
    return give_buf(call, &buf, out);
}

typedef struct json_style {
    cs_slice prefix, indent;
    bool pretty;
} json_style;

static cs_err style_text(cs_call *call, cs_value key, uint32_t at, cs_value v, cs_slice *out)
{
    if (v.kind != CS_STRING) {
        return cs_call__operand_error(call, 2,
                                      "key \"%.*s\" failed cast to string: operand %u must be string but got %s",
                                      CS_FMT(cs_text(key)), at, cs_kind_name(v));
    }
    *out = cs_text(v);
    return CS_OK;
}

static cs_err read_style(cs_call *call, cs_value options, json_style *style)
{
    bool told = false, implied = false;
    for (uint32_t i = 0; i < cs_count(options); i++) {
        cs_value v, key = cs_entry(options, i, &v);
        if (key.kind != CS_STRING) {
            cs_sink text;
            cs_slice shown;
            cs_sink__init(&text, call);
            cs_sink__value(&text, key);
            CS_TRY(cs_sink__slice_done(&text, &shown));
            return cs_call__operand_error(
                call, 2, "failed to stringify key %.*s at index %u: operand %u must be string but got %s",
                CS_FMT(shown), i, i, cs_kind_name(key));
        }
        if (cs_slice_is(cs_text(key), "prefix") || cs_slice_is(cs_text(key), "indent")) {
            CS_TRY(style_text(call, key, i, v, *key.u.s == 'p' ? &style->prefix : &style->indent));
            implied = true;
        } else if (!cs_slice_is(cs_text(key), "pretty")) {
            return cs_call__operand_error(call, 2, "object contained unknown key \"%.*s\"", CS_FMT(cs_text(key)));
        } else if (v.kind != CS_BOOL) {
            return cs_call__operand_error(call, 2, "key \"pretty\" failed cast to bool");
        } else {
            told = true;
            style->pretty = v.u.i != 0;
        }
    }
    style->pretty = told ? style->pretty : implied;
    return CS_OK;
}

static void new_line(cs_sink *s, const json_style *style, size_t depth)
{
    cs_sink__byte(s, '\n');
    cs_sink__slice(s, style->prefix);
    for (; depth > 0 && !s->full; depth--) {
        cs_sink__slice(s, style->indent);
    }
}

/* Compact JSON with line breaks put in, as Go's json.Indent. */
static void indent(cs_sink *s, cs_slice json, const json_style *style)
{
    bool in_string = false, opened = false;
    size_t depth = 0;
    cs_sink__slice(s, style->prefix);
    for (size_t i = 0; i < json.n && !s->full; i++) {
        char c = json.p[i];
        if (in_string) {
            cs_sink__byte(s, c);
            if (c == '\\') {
                cs_sink__byte(s, json.p[++i]);
            }
            in_string = c != '"';
            continue;
        }
        bool closes = c == '}' || c == ']';
        if (opened && !closes) {
            new_line(s, style, ++depth);
        } else if (!opened && closes) {
            new_line(s, style, --depth);
        }
        opened = c == '{' || c == '[';
        in_string = c == '"';
        cs_sink__byte(s, c);
        if (c == ',') {
            new_line(s, style, depth);
        } else if (c == ':') {
            cs_sink__byte(s, ' ');
        }
    }
}

cs_err cs_builtin__json_marshal_with_options(cs_call *call, cs_value *out)
{
    cs_value options;
    json_style style = {.prefix = CS_LIT(""), .indent = CS_LIT("\t")};
    CS_TRY(cs_call__object(call, 2, &options));
    CS_TRY(read_style(call, options, &style));
    CS_TRY(cs_builtin__json_marshal(call, out));
    if (!style.pretty) {
        return CS_OK;
    }
    cs_sink text;
    cs_sink__init(&text, call);
    indent(&text, cs_text(*out), &style);
    return cs_sink__done(&text, out);
}

/* OPA reads one value from a stream and then asks for another token; its words for what follows are its own. */
static cs_err trailing_json(cs_call *call, cs_slice rest)
{
    rest = cs_slice_trim(rest);
    if (rest.n == 0) {
        return CS_OK;
    }
    cs_value token;
    cs_error e;
    cs_json_options options = {.prefix = true};
    if (*rest.p == '{' || *rest.p == '[') {
        return cs_call_error(call, "error: invalid character '%c' after top-level value", *rest.p);
    }
    if (cs_json_read(call->arena, rest, &options, &token, NULL, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    char room[32];
    if (token.kind == CS_NULL) {
        return CS_OK;
    }
    if (token.kind == CS_BOOL) {
        return cs_call_error(call, "error: invalid character '%%!s(bool=%s)' after top-level value",
                             token.u.i ? "true" : "false");
    }
    cs_slice shown = token.kind == CS_NUMBER ? cs_number_text(token, room) : cs_text(token);
    return cs_call_error(call, "error: invalid character '%.*s' after top-level value", CS_FMT(shown));
}

cs_err cs_builtin__json_unmarshal(cs_call *call, cs_value *out)
{
    cs_slice s;
    cs_error e;
    size_t consumed;
    cs_json_options options = {.borrow = true, .prefix = true};
    CS_TRY(cs_call_string(call, 1, &s));
    cs_err err = cs_json_read(call->arena, s, &options, out, &consumed, &e);
    if (err != CS_OK) {
        const char *text = strcmp(e.text, "unexpected end of JSON input") != 0 ? e.text
                           : cs_slice_trim(s).n == 0                           ? "EOF"
                                                                               : "unexpected EOF";
        return cs_call_error(call, "%s", text);
    }
    return trailing_json(call, cs_slice_sub(s, consumed, s.n));
}

cs_err cs_builtin__json_is_valid(cs_call *call, cs_value *out)
{
    cs_value v;
    cs_json_options options = {.borrow = true};
    bool valid = call->args[0].kind == CS_STRING &&
                 cs_json_read(call->arena, cs_text(call->args[0]), &options, &v, NULL, NULL) == CS_OK;
    return cs_call__give(out, cs_bool(valid));
}

/* ------------------------------------------------------------------------------------------------ YAML */

cs_err cs_builtin__yaml_marshal(cs_call *call, cs_value *out)
{
    cs_buf buf;
    cs_buf_init(&buf);
    cs_yaml_write(&buf, call->args[0]);
    return give_buf(call, &buf, out);
}

cs_err cs_builtin__yaml_unmarshal(cs_call *call, cs_value *out)
{
    cs_slice s;
    cs_error e;
    CS_TRY(cs_call_string(call, 1, &s));
    if (cs_yaml_read(call->arena, s, out, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    return CS_OK;
}

cs_err cs_builtin__yaml_is_valid(cs_call *call, cs_value *out)
{
    cs_value v;
    bool valid =
        call->args[0].kind == CS_STRING && cs_yaml_read(call->arena, cs_text(call->args[0]), &v, NULL) == CS_OK;
    return cs_call__give(out, cs_bool(valid));
}
