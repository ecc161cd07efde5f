/* The answer to http.send: from what came over the network to a value. */
#include "countersign/base/gzip.h"
#include "countersign/base/utf8.h"
#include "countersign/json.h"
#include "countersign/yaml.h"
#include "rego/builtin/http.h"

bool cs_http__cacheable(int status)
{
    static const int cacheable[] = {200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501};
    for (size_t i = 0; i < sizeof cacheable / sizeof *cacheable; i++) {
        if (status == cacheable[i]) {
            return true;
        }
    }
    return false;
}

cs_slice cs_http__header(const cs_http_response *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (cs_slice_is(r->headers[i].name, name)) {
            return r->headers[i].value;
        }
    }
    return CS_LIT("");
}

static cs_slice copied(cs_arena *a, cs_slice s)
{
    return s.n != 0 ? cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n) : CS_LIT("");
}

static bool is_one_of(cs_slice name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cs_slice_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

cs_http_failure cs_http__take_response(cs_call *call, const cs_exchange_answer *answer, bool gzip,
                                       cs_http_response *out)
{
    /* What belongs to the transfer is no header of the answer, as in Go. */
    static const char *const transfer[] = {"Transfer-Encoding", "Trailer"};
    static const char *const coding[] = {"Content-Encoding", "Content-Length"};
    cs_arena *a = call->arena;
    cs_exchange_field *list = cs_arena_array(a, cs_exchange_field, answer->n_headers + 1);
    *out = (cs_http_response){answer->status, copied(a, answer->status_text), list, 0, CS_LIT("")};
    bool chunked = false, zipped = false;
    for (size_t i = 0; i < answer->n_headers; i++) {
        cs_slice name = cs_http__canonical(a, copied(a, answer->headers[i].name));
        chunked = chunked || cs_slice_is(name, "Transfer-Encoding");
        zipped = zipped || (gzip && cs_slice_is(name, "Content-Encoding") &&
                            cs_slice_eq_nocase(answer->headers[i].value, CS_LIT("gzip")));
    }
    for (size_t i = 0; i < answer->n_headers; i++) {
        cs_slice name = cs_http__canonical(a, copied(a, answer->headers[i].name));
        if (is_one_of(name, transfer, 2) || (zipped && is_one_of(name, coding, 2)) ||
            (chunked && cs_slice_is(name, "Content-Length"))) {
            continue;
        }
        list[out->n_headers++] = (cs_exchange_field){name, copied(a, answer->headers[i].value)};
    }
    if (!zipped || answer->body.n == 0) {
        out->body = copied(a, answer->body);
        return (cs_http_failure){CS_HTTP_FINE, CS_LIT(""), CS_LIT("")};
    }
    cs_buf plain;
    cs_error e;
    cs_buf_init(&plain);
    cs_err err = cs_gzip_inflate(answer->body, cs_limits_get()->exchange_bytes, &plain, &e);
    out->body = copied(a, cs_buf_view(&plain));
    cs_buf_destroy(&plain);
    return err == CS_OK           ? (cs_http_failure){CS_HTTP_FINE, CS_LIT(""), CS_LIT("")}
           : err == CS_ERR_SYNTAX ? cs_http__failure(call, CS_HTTP_PLACED, "gzip: invalid header")
                                  : cs_http__failure(call, CS_HTTP_PLACED, "%s", e.text);
}

/* ---- media types */

static bool is_token_byte(char c)
{
    return c > ' ' && c < 0x7F && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static cs_slice take_token(cs_slice *s)
{
    size_t n = 0;
    while (n < s->n && is_token_byte(s->p[n])) {
        n++;
    }
    cs_slice token = cs_slice_sub(*s, 0, n);
    *s = cs_slice_sub(*s, n, s->n);
    return token;
}

/* `; name=value` or `; name="value"`; false if it is not that. */
static bool take_parameter(cs_slice *rest)
{
    *rest = cs_slice_trim(cs_slice_sub(*rest, 1, rest->n));
    if (rest->n == 0) {
        return true;
    }
    cs_slice name = take_token(rest);
    *rest = cs_slice_trim(*rest);
    if (name.n == 0 || rest->n == 0 || rest->p[0] != '=') {
        return false;
    }
    *rest = cs_slice_trim(cs_slice_sub(*rest, 1, rest->n));
    if (rest->n != 0 && rest->p[0] == '"') {
        size_t at = 1;
        while (at < rest->n && rest->p[at] != '"') {
            at += rest->p[at] == '\\' ? 2 : 1;
        }
        if (at >= rest->n) {
            return false;
        }
        *rest = cs_slice_trim(cs_slice_sub(*rest, at + 1, rest->n));
    } else {
        if (take_token(rest).n == 0) {
            return false;
        }
        *rest = cs_slice_trim(*rest);
    }
    return rest->n == 0 || rest->p[0] == ';';
}

/* application/json or application/…+json, in a header that is well-formed as a whole. */
static bool is_json_type(cs_slice header)
{
    cs_slice rest = cs_slice_trim(header);
    size_t end = cs_slice_find_byte(rest, ';', 0);
    cs_slice type = cs_slice_trim(cs_slice_sub(rest, 0, end)), major = take_token(&type);
    if (!cs_slice_eq_nocase(major, CS_LIT("application")) || type.n < 2 || type.p[0] != '/') {
        return false;
    }
    type = cs_slice_sub(type, 1, type.n);
    cs_slice minor = take_token(&type);
    if (type.n != 0) {
        return false;
    }
    rest = end == SIZE_MAX ? CS_LIT("") : cs_slice_sub(rest, end, rest.n);
    while (rest.n != 0) {
        if (!take_parameter(&rest)) {
            return false;
        }
    }
    return cs_slice_eq_nocase(minor, CS_LIT("json")) ||
           (minor.n > 5 && cs_slice_eq_nocase(cs_slice_sub(minor, minor.n - 5, minor.n), CS_LIT("+json")));
}

static bool is_yaml_type(cs_slice header)
{
    return cs_slice_find(header, CS_LIT("application/yaml"), 0) != SIZE_MAX ||
           cs_slice_find(header, CS_LIT("application/x-yaml"), 0) != SIZE_MAX;
}

/* ---- values */

/* Bytes that are no UTF-8 become U+FFFD, one each, as they do where Go writes them as JSON. */
static cs_value text_value(cs_call *call, cs_slice bytes)
{
    if (cs_utf8_valid(bytes)) {
        return cs_string(bytes);
    }
    char *out = cs_arena_alloc(call->arena, bytes.n * 3 + 1);
    size_t n = 0;
    for (size_t i = 0, width; i < bytes.n; i += width) {
        n += cs_utf8_encode(cs_utf8_decode(bytes.p + i, bytes.n - i, &width), out + n);
    }
    return cs_string(cs_slice_make(out, n));
}

/* name → array of its values, names in lower case. */
static cs_value headers_value(cs_call *call, const cs_http_response *r)
{
    cs_arena *a = call->arena;
    cs_value object = cs_object_new(a, (uint32_t)r->n_headers);
    for (size_t i = 0; i < r->n_headers; i++) {
        char *lower = cs_arena_dup(a, r->headers[i].name.p, r->headers[i].name.n);
        for (size_t k = 0; k < r->headers[i].name.n; k++) {
            lower[k] = lower[k] >= 'A' && lower[k] <= 'Z' ? (char)(lower[k] + 32) : lower[k];
        }
        cs_value name = text_value(call, cs_slice_make(lower, r->headers[i].name.n));
        const cs_value *old = cs_object_get(object, name);
        uint32_t n = old != NULL ? old->n : 0;
        cs_value *items = cs_arena_array(a, cs_value, n + 1U);
        for (uint32_t k = 0; k < n; k++) {
            items[k] = old->u.items[k];
        }
        items[n] = text_value(call, r->headers[i].value);
        cs_object_put(a, object, name, cs_array(items, n + 1U));
    }
    return object;
}

/* What cannot be decoded is null. */
static cs_value body_value(cs_call *call, const cs_http_response *r, bool force_json, bool force_yaml)
{
    cs_slice type = cs_http__header(r, "Content-Type");
    cs_value v = cs_null();
    cs_error e;
    if (force_json || is_json_type(type)) {
        cs_json_options options = {.borrow = true, .prefix = true};
        return cs_json_read(call->arena, r->body, &options, &v, NULL, &e) == CS_OK ? v : cs_null();
    }
    if (force_yaml || is_yaml_type(type)) {
        return cs_yaml_read(call->arena, r->body, &v, &e) == CS_OK && !cs_is_undefined(v) ? v : cs_null();
    }
    return v;
}

cs_value cs_http__to_value(cs_call *call, const cs_http_response *r, bool force_json, bool force_yaml)
{
    cs_arena *a = call->arena;
    cs_value out = cs_object_new(a, 5);
    cs_object_put_text(a, out, "status", text_value(call, r->status_text));
    cs_object_put_text(a, out, "status_code", cs_int(r->status));
    cs_object_put_text(a, out, "body", body_value(call, r, force_json, force_yaml));
    cs_object_put_text(a, out, "raw_body", text_value(call, r->body));
    cs_object_put_text(a, out, "headers", headers_value(call, r));
    return out;
}
