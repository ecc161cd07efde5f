/* providers.aws.*: requests signed as Amazon's services want them (Signature Version 4). */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/base/utf8.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "rego/builtin/uri.h"

typedef struct credentials {
    cs_slice access_key, secret_key, region, service, token;
    bool unsigned_payload;
} credentials;

typedef struct request {
    cs_value object;
    cs_slice method;
    cs_url url;
    cs_value headers;
    cs_slice body;
} request;

static cs_slice text_or_empty(const cs_value *v)
{
    return v && v->kind == CS_STRING ? cs_text(*v) : (cs_slice){"", 0};
}

/* Names in a set, as an error shows them: {"url"}. */
static cs_err names_error(cs_call *call, uint32_t operand, const char *before, cs_value names)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, call);
    cs_sink__value(&s, names);
    CS_TRY(cs_sink__slice_done(&s, &text));
    return cs_call__operand_error(call, operand, "%s: %.*s", before, CS_FMT(text));
}

static cs_err read_credentials(cs_call *call, cs_value config, credentials *out)
{
    struct {
        const char *name;
        cs_slice *where;
    } keys[] = {{"aws_service", &out->service},
                {"aws_access_key", &out->access_key},
                {"aws_secret_access_key", &out->secret_key},
                {"aws_region", &out->region}};
    cs_value missing = cs_set_new(call->arena, 4), invalid = cs_set_new(call->arena, 4);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cs_value *v = cs_object_get_text(config, keys[i].name);
        if (!v || v->kind != CS_STRING) {
            (void)cs_set_add(call->arena, v ? invalid : missing, cs_string(cs_slice_of(keys[i].name)));
        }
        *keys[i].where = text_or_empty(v);
    }
    if (cs_count(missing)) {
        return names_error(call, 2, "missing required AWS config parameters(s)", missing);
    }
    if (cs_count(invalid)) {
        return names_error(call, 2, "invalid values for required AWS config parameters(s)", invalid);
    }
    out->token = text_or_empty(cs_object_get_text(config, "aws_session_token"));
    return CS_OK;
}

/* The keys of http.send's requests. */
static cs_err check_keys(cs_call *call, cs_value object)
{
    static const char *const known[] = {"method",
                                        "url",
                                        "body",
                                        "enable_redirect",
                                        "force_json_decode",
                                        "force_yaml_decode",
                                        "headers",
                                        "raw_body",
                                        "tls_use_system_certs",
                                        "tls_ca_cert",
                                        "tls_ca_cert_file",
                                        "tls_ca_cert_env_variable",
                                        "tls_client_cert",
                                        "tls_client_cert_file",
                                        "tls_client_cert_env_variable",
                                        "tls_client_key",
                                        "tls_client_key_file",
                                        "tls_client_key_env_variable",
                                        "tls_insecure_skip_verify",
                                        "tls_server_name",
                                        "timeout",
                                        "cache",
                                        "force_cache",
                                        "force_cache_duration_seconds",
                                        "raise_error",
                                        "caching_mode",
                                        "max_retry_attempts",
                                        "cache_ignored_headers"};
    cs_value unknown = cs_set_new(call->arena, 0), missing = cs_set_new(call->arena, 2);
    for (uint32_t i = 0; i < cs_count(object); i++) {
        cs_value key = cs_entry(object, i, NULL);
        bool good = false;
        for (size_t k = 0; key.kind == CS_STRING && k < sizeof known / sizeof *known; k++) {
            good = good || cs_slice_is(cs_text(key), known[k]);
        }
        if (!good) {
            (void)cs_set_add(call->arena, unknown, key);
        }
    }
    if (cs_count(unknown)) {
        return names_error(call, 1, "invalid request parameters(s)", unknown);
    }
    for (size_t i = 0; i < 2; i++) {
        if (!cs_object_get_text(object, known[i])) {
            (void)cs_set_add(call->arena, missing, cs_string(cs_slice_of(known[i])));
        }
    }
    return cs_count(missing) ? names_error(call, 1, "missing required request parameters(s)", missing) : CS_OK;
}

static cs_slice body_text(cs_call *call, cs_value object)
{
    const cs_value *raw = cs_object_get_text(object, "raw_body"), *body = cs_object_get_text(object, "body");
    if (raw || !body) {
        return text_or_empty(raw);
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, *body, CS_JSON_HTML);
    cs_value copy = cs_string_copy(call->arena, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return cs_text(copy);
}

static cs_err read_request(cs_call *call, cs_value object, request *out)
{
    CS_TRY(check_keys(call, object));
    const cs_value *headers = cs_object_get_text(object, "headers"), *url = cs_object_get_text(object, "url"),
                   *method = cs_object_get_text(object, "method");
    if (headers && headers->kind != CS_OBJECT) {
        return cs_call__type_error_of(call, 0, *headers, "object"); /* OPA counts so */
    }
    cs_value invalid = cs_set_new(call->arena, 2);
    if (url->kind != CS_STRING) {
        (void)cs_set_add(call->arena, invalid, cs_string(CS_LIT("url")));
    }
    if (method->kind != CS_STRING) {
        (void)cs_set_add(call->arena, invalid, cs_string(CS_LIT("method")));
    }
    if (cs_count(invalid)) {
        return names_error(call, 1, "invalid values for required request parameters(s)", invalid);
    }
    CS_TRY(cs_url__parse(call, cs_text(*url), &out->url));
    out->object = object;
    out->method = cs_text(*method);
    out->headers = headers ? *headers : cs_object_new(call->arena, 0);
    out->body = body_text(call, object);
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ signing */

static cs_value lower_text(cs_call *call, cs_slice s)
{
    char *p = cs_arena_alloc(call->arena, s.n * 4 + 1);
    size_t n = 0, width;
    for (size_t i = 0; i < s.n; i += width) {
        n += cs_utf8_encode(cs_utf8_lower(cs_utf8_decode(s.p + i, s.n - i, &width)), p + n);
    }
    return cs_string(cs_slice_make(p, n));
}

static void put(cs_call *call, cs_value object, const char *name, cs_slice v)
{
    cs_object_put_text(call->arena, object, name, cs_string(v));
}

/* All headers under the signature by their names in lower case; proxies may change some, which are left out. */
static cs_value signed_headers(cs_call *call, cs_value own, cs_value headers)
{
    cs_value all = cs_object_clone(call->arena, own, cs_count(headers)), v;
    for (uint32_t i = 0; i < cs_count(headers); i++) {
        cs_value key = cs_entry(headers, i, &v), name = lower_text(call, text_or_empty(&key));
        cs_slice text = cs_text(name);
        if (!cs_slice_is(text, "authorization") && !cs_slice_is(text, "user-agent") &&
            !cs_slice_is(text, "x-amzn-trace-id")) {
            cs_object_put(call->arena, all, name, cs_string(text_or_empty(&v)));
        }
    }
    return all;
}

/* The names with semicolons between. */
static cs_err name_list(cs_call *call, cs_value headers, cs_slice *out)
{
    cs_sink s;
    cs_sink__init(&s, call);
    for (uint32_t i = 0; i < cs_count(headers); i++) {
        cs_sink__text(&s, i ? ";" : "");
        cs_sink__slice(&s, cs_text(cs_entry(headers, i, NULL)));
    }
    return cs_sink__slice_done(&s, out);
}

static cs_err canonical_request(cs_call *call, const request *r, cs_value headers, cs_slice names, cs_slice hash,
                                cs_slice *out)
{
    cs_sink s;
    cs_value v;
    cs_sink__init(&s, call);
    cs_sink__slice(&s, r->method);
    cs_sink__byte(&s, '\n');
    cs_url__print_path(&s, &r->url);
    cs_sink__byte(&s, '\n');
    cs_sink__slice(&s, r->url.query);
    cs_sink__byte(&s, '\n');
    for (uint32_t i = 0; i < cs_count(headers); i++) {
        cs_sink__slice(&s, cs_text(cs_entry(headers, i, &v)));
        cs_sink__byte(&s, ':');
        cs_sink__slice(&s, cs_text(v));
        cs_sink__byte(&s, '\n');
    }
    cs_sink__byte(&s, '\n');
    cs_sink__slice(&s, names);
    cs_sink__byte(&s, '\n');
    cs_sink__slice(&s, hash);
    return cs_sink__slice_done(&s, out);
}

/* The key of a day, a region and a service, each hashed with the one before; then the text with that. */
static cs_slice signature(cs_call *call, const credentials *c, cs_slice day, cs_slice text)
{
    cs_slice steps[] = {day, c->region, c->service, CS_LIT("aws4_request"), text};
    cs_slice secret = cs_text(cs_string_printf(call->arena, "AWS4%.*s", CS_FMT(c->secret_key)));
    uint8_t mac[2][CS_DIGEST_MAX];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        size_t n = cs_hmac(CS_SHA256, secret, steps[i], mac[i % 2]);
        secret = cs_slice_make((const char *)mac[i % 2], n);
    }
    return cs_hex_encode(call->arena, secret);
}

static cs_slice instant(cs_call *call, int64_t ns)
{
    int64_t seconds = ns / CS_NS_PER_S - (ns % CS_NS_PER_S < 0), days = seconds / 86400 - (seconds % 86400 < 0), year;
    int month, day, left = (int)(seconds - days * 86400);
    cs_time_civil_from_days(days, &year, &month, &day);
    return cs_text(cs_string_printf(call->arena, "%04d%02d%02dT%02d%02d%02dZ", (int)year, month, day, left / 3600,
                                    left / 60 % 60, left % 60));
}

static cs_err sign(cs_call *call, const request *r, const credentials *c, int64_t ns, cs_value *headers)
{
    cs_slice now = instant(call, ns), day = cs_slice_sub(now, 0, 8), names, canonical;
    cs_slice hash = c->unsigned_payload ? CS_LIT("UNSIGNED-PAYLOAD") : cs_digest_hex(call->arena, CS_SHA256, r->body);
    cs_value own = cs_object_new(call->arena, 4), v;
    put(call, own, "host", r->url.host);
    put(call, own, "x-amz-date", now);
    if (cs_slice_is(c->service, "s3") || cs_slice_is(c->service, "glacier")) {
        put(call, own, "x-amz-content-sha256", hash);
    }
    if (c->token.n) {
        put(call, own, "x-amz-security-token", c->token);
    }
    cs_value all = signed_headers(call, own, r->headers);
    CS_TRY(name_list(call, all, &names));
    CS_TRY(canonical_request(call, r, all, names, hash, &canonical));
    cs_slice text = cs_text(cs_string_printf(call->arena, "AWS4-HMAC-SHA256\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%.*s",
                                             CS_FMT(now), CS_FMT(day), CS_FMT(c->region), CS_FMT(c->service),
                                             CS_FMT(cs_digest_hex(call->arena, CS_SHA256, canonical))));
    cs_value authorization = cs_string_printf(
        call->arena, "AWS4-HMAC-SHA256 Credential=%.*s/%.*s/%.*s/%.*s/aws4_request,SignedHeaders=%.*s,Signature=%.*s",
        CS_FMT(c->access_key), CS_FMT(day), CS_FMT(c->region), CS_FMT(c->service), CS_FMT(names),
        CS_FMT(signature(call, c, day, text)));
    *headers = cs_object_new(call->arena, cs_count(r->headers) + 5);
    for (uint32_t i = 0; i < cs_count(r->headers); i++) {
        cs_value key = cs_entry(r->headers, i, &v);
        cs_object_put(call->arena, *headers, cs_string(text_or_empty(&key)), cs_string(text_or_empty(&v)));
    }
    cs_object_put_text(call->arena, *headers, "Authorization", authorization);
    for (uint32_t i = 0; i < cs_count(own); i++) {
        cs_value key = cs_entry(own, i, &v);
        cs_object_put(call->arena, *headers, key, v);
    }
    return CS_OK;
}

cs_err cs_builtin__providers_aws_sign_req(cs_call *call, cs_value *out)
{
    cs_value object, config, headers;
    credentials c = {.unsigned_payload = false};
    request r;
    int64_t ns;
    CS_TRY(cs_call__object(call, 1, &object));
    if (call->args[1].kind != CS_OBJECT) {
        return cs_call__type_error_of(call, 1, call->args[1], "object"); /* OPA counts so */
    }
    config = call->args[1];
    CS_TRY(read_credentials(call, config, &c));
    if (call->args[2].kind != CS_NUMBER) {
        return cs_call__type_error_of(call, 1, call->args[2], "number");
    }
    char room[32];
    if (!cs_slice_i64(cs_number_text(call->args[2], room), &ns)) { /* as it is written: 1e9 is none */
        return cs_call__operand_error(call, 3, "could not convert time_ns value into a unix timestamp");
    }
    CS_TRY(read_request(call, object, &r));
    const cs_value *payload = cs_object_get_text(config, "disable_payload_signing");
    if (payload && payload->kind != CS_BOOL) {
        return cs_call__operand_error(call, 2, "invalid value for 'disable_payload_signing' in AWS config");
    }
    c.unsigned_payload = payload && payload->u.i;
    CS_TRY(sign(call, &r, &c, ns, &headers));
    *out = cs_object_clone(call->arena, object, 1);
    cs_object_put_text(call->arena, *out, "headers", headers);
    return CS_OK;
}
