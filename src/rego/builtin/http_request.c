/* The request object of http.send: its keys, what each may be, and what is made of them. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/time.h"
#include "countersign/json.h"
#include "rego/builtin/http.h"
#include "rego/builtin/x509.h"

#define TIMEOUT_NS (5 * CS_NS_PER_S)

static const char *const known_keys[] = {
    "body",
    "cache",
    "cache_ignored_headers",
    "caching_mode",
    "enable_redirect",
    "force_cache",
    "force_cache_duration_seconds",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "max_retry_attempts",
    "method",
    "raise_error",
    "raw_body",
    "timeout",
    "tls_ca_cert",
    "tls_ca_cert_env_variable",
    "tls_ca_cert_file",
    "tls_client_cert",
    "tls_client_cert_env_variable",
    "tls_client_cert_file",
    "tls_client_key",
    "tls_client_key_env_variable",
    "tls_client_key_file",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "tls_use_system_certs",
    "url",
};

cs_http_failure cs_http__failure(cs_call *call, cs_http_fault fault, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return (cs_http_failure){fault, cs_slice_make(cs_arena_dup(call->arena, text, length), length), CS_LIT("")};
}

static cs_http_failure fine(void)
{
    return (cs_http_failure){CS_HTTP_FINE, CS_LIT(""), CS_LIT("")};
}

/* The value as Rego text, for an error. */
static cs_slice shown(cs_call *call, cs_value v)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, call);
    cs_sink__value(&s, v);
    return cs_sink__slice_done(&s, &text) == CS_OK ? text : CS_LIT("…");
}

static cs_slice quoted(cs_call *call, cs_slice v)
{
    return shown(call, cs_string(v));
}

/* ---- keys */

static bool is_known(cs_value key)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++) {
        if (cs_is(key, CS_STRING) && cs_slice_is(cs_text(key), known_keys[i])) {
            return true;
        }
    }
    return false;
}

cs_http_failure cs_http__check_keys(cs_call *call, cs_value request)
{
    static const char *const required[] = {"method", "url"};
    cs_value wrong = cs_set_new(call->arena, 0), missing = cs_set_new(call->arena, 2);
    for (uint32_t i = 0; i < cs_count(request); i++) {
        cs_value key = cs_entry(request, i, NULL);
        if (!is_known(key)) {
            (void)cs_set_add(call->arena, wrong, key);
        }
    }
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        if (cs_object_get_text(request, required[i]) == NULL) {
            (void)cs_set_add(call->arena, missing, cs_string(cs_slice_of(required[i])));
        }
    }
    if (cs_count(wrong) != 0) {
        return cs_http__failure(call, CS_HTTP_OPERAND, "operand 1 invalid request parameters(s): %.*s",
                                CS_FMT(shown(call, wrong)));
    }
    if (cs_count(missing) != 0) {
        return cs_http__failure(call, CS_HTTP_OPERAND, "operand 1 missing required request parameters(s): %.*s",
                                CS_FMT(shown(call, missing)));
    }
    return fine();
}

cs_http_failure cs_http__cache_key(cs_call *call, cs_value request, cs_value *key)
{
    static const char name[] = "cache_ignored_headers";
    cs_arena *a = call->arena;
    const cs_value *ignored = cs_object_get_text(request, name), *headers = cs_object_get_text(request, "headers");
    *key = cs_object_clone(a, request, 2);
    cs_object_put_text(a, *key, name, cs_null());
    if (ignored == NULL || headers == NULL) {
        return fine();
    }
    bool strings = cs_is(*ignored, CS_ARRAY);
    for (uint32_t i = 0; strings && i < ignored->n; i++) {
        strings = cs_is(ignored->u.items[i], CS_STRING);
    }
    if (!strings) {
        return cs_http__failure(call, CS_HTTP_BARE, "cache_ignored_headers must be an array of strings");
    }
    if (!cs_is(*headers, CS_OBJECT)) {
        return cs_http__failure(call, CS_HTTP_PLACED, "invalid type for headers key");
    }
    cs_value kept = cs_object_new(a, cs_count(*headers));
    for (uint32_t i = 0; i < cs_count(*headers); i++) {
        cs_value value, header = cs_entry(*headers, i, &value);
        bool drop = false;
        for (uint32_t k = 0; k < ignored->n; k++) {
            drop = drop || cs_equal(ignored->u.items[k], header);
        }
        if (!drop) {
            cs_object_put(a, kept, header, value);
        }
    }
    cs_object_put_text(a, *key, "headers", kept);
    return fine();
}

cs_http_failure cs_http__flag(cs_call *call, cs_value request, const char *name, bool *out)
{
    const cs_value *v = cs_object_get_text(request, name);
    *out = v != NULL && cs_truthy(*v);
    if (v != NULL && !cs_is(*v, CS_BOOL)) {
        return cs_http__failure(call, CS_HTTP_PLACED, "invalid value for \"%s\" field", name);
    }
    return fine();
}

cs_http_failure cs_http__retries(cs_call *call, cs_value request, int64_t *out)
{
    const cs_value *v = cs_object_get_text(request, "max_retry_attempts");
    *out = 0;
    if (v == NULL) {
        return fine();
    }
    char room[32];
    if (cs_is(*v, CS_NUMBER) && cs_slice_i64(cs_number_text(*v, room), out) && *out >= 0) {
        return fine();
    }
    return cs_http__failure(call, CS_HTTP_BARE, "invalid value %.*s for field \"max_retry_attempts\"",
                            CS_FMT(shown(call, *v)));
}

cs_http_failure cs_http__cache_use(cs_call *call, cs_value request, bool *use, int64_t *force_seconds)
{
    bool force;
    *force_seconds = 0;
    cs_http_failure f = cs_http__flag(call, request, "cache", use);
    if (cs_http__failed(&f)) {
        return f;
    }
    f = cs_http__flag(call, request, "force_cache", &force);
    if (cs_http__failed(&f) || !force) {
        return f;
    }
    *use = true;
    const cs_value *v = cs_object_get_text(request, "force_cache_duration_seconds");
    if (v == NULL) {
        return cs_http__failure(call, CS_HTTP_PLACED,
                                "'force_cache' set but 'force_cache_duration_seconds' parameter is missing");
    }
    cs_slice text = shown(call, *v);
    size_t sign = text.n > 1 && (text.p[0] == '+' || text.p[0] == '-') ? 1 : 0;
    bool digits = text.n > 0;
    for (size_t i = sign; i < text.n; i++) {
        digits = digits && text.p[i] >= '0' && text.p[i] <= '9';
    }
    if (!digits) {
        return cs_http__failure(call, CS_HTTP_PLACED, "strconv.ParseInt: parsing %.*s: invalid syntax",
                                CS_FMT(quoted(call, text)));
    }
    if (!cs_slice_i64(text, force_seconds) || *force_seconds > INT32_MAX || *force_seconds < INT32_MIN) {
        *force_seconds = 0;
        return cs_http__failure(call, CS_HTTP_PLACED, "strconv.ParseInt: parsing %.*s: value out of range",
                                CS_FMT(quoted(call, text)));
    }
    *force_seconds = *force_seconds > 0 ? *force_seconds : 0;
    return fine();
}

/* ---- values */

/* The certificates and keys as they are named; the exchange gets one of each. */
typedef struct sources {
    cs_slice ca, ca_file, ca_env;
    cs_slice cert, cert_file, cert_env;
    cs_slice key, key_file, key_env;
    bool system;
} sources;

/* Quotes at the ends are dropped, as OPA does. */
static cs_slice unquoted(cs_slice s)
{
    while (s.n != 0 && s.p[0] == '"') {
        s = cs_slice_sub(s, 1, s.n);
    }
    while (s.n != 0 && s.p[s.n - 1] == '"') {
        s.n--;
    }
    return s;
}

/* Go's strconv.ParseBool of the value's text. */
static cs_http_failure read_bool(cs_call *call, cs_value v, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    cs_slice text = shown(call, v);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (cs_slice_is(text, yes[i]) || cs_slice_is(text, no[i])) {
            *out = cs_slice_is(text, yes[i]);
            return fine();
        }
    }
    return cs_http__failure(call, CS_HTTP_PLACED, "strconv.ParseBool: parsing %.*s: invalid syntax",
                            CS_FMT(quoted(call, text)));
}

/* Why Go's time.ParseDuration refuses the text. */
static cs_http_failure bad_duration(cs_call *call, cs_slice text)
{
    cs_slice q = quoted(call, text);
    size_t at = text.n != 0 && (text.p[0] == '+' || text.p[0] == '-') ? 1 : 0;
    const char *why = "invalid duration ";
    cs_slice unit = CS_LIT("");
    while (at < text.n && why[0] == 'i') {
        size_t from = at;
        while (at < text.n && ((text.p[at] >= '0' && text.p[at] <= '9') || text.p[at] == '.')) {
            at++;
        }
        if (at == from) {
            break;
        }
        from = at;
        while (at < text.n && text.p[at] != '.' && (text.p[at] < '0' || text.p[at] > '9')) {
            at++;
        }
        unit = cs_slice_sub(text, from, at);
        static const char *const units[] = {"ns", "us", "µs", "μs", "ms", "s", "m", "h"};
        bool known = false;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            known = known || cs_slice_is(unit, units[i]);
        }
        why = unit.n == 0 ? "missing unit in duration " : known ? why : "unknown unit ";
    }
    if (why[0] == 'u') {
        return cs_http__failure(call, CS_HTTP_PLACED,
                                "invalid timeout value %.*s: time: unknown unit %.*s in duration "
                                "%.*s",
                                CS_FMT(q), CS_FMT(quoted(call, unit)), CS_FMT(q));
    }
    return cs_http__failure(call, CS_HTTP_PLACED, "invalid timeout value %.*s: time: %s%.*s", CS_FMT(q), why,
                            CS_FMT(q));
}

static cs_http_failure read_timeout(cs_call *call, cs_value v, int64_t *out)
{
    char room[32];
    if (cs_is(v, CS_NUMBER)) {
        return cs_slice_i64(cs_number_text(v, room), out)
                   ? fine()
                   : cs_http__failure(call, CS_HTTP_PLACED, "invalid timeout number value %.*s, must be int64",
                                      CS_FMT(shown(call, v)));
    }
    if (!cs_is(v, CS_STRING)) {
        return cs_http__failure(call, CS_HTTP_OPERAND, "operand 1 'timeout' must be one of {string, number} but got %s",
                                cs_kind_name(v));
    }
    cs_slice text = cs_text(v);
    bool plus = text.n > 1 && text.p[0] == '+';
    if (cs_slice_i64(plus ? cs_slice_sub(text, 1, text.n) : text, out) || cs_time_parse_duration(text, false, out)) {
        return fine();
    }
    return bad_duration(call, text);
}

cs_slice cs_http__canonical(cs_arena *a, cs_slice name)
{
    char *out = cs_arena_dup(a, name.p, name.n);
    bool upper = true;
    for (size_t i = 0; i < name.n; i++) {
        char c = out[i];
        if (c <= ' ' || c >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return name;
        }
        out[i] = upper && c >= 'a' && c <= 'z' ? (char)(c - 32) : !upper && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        upper = c == '-';
    }
    return cs_slice_make(out, name.n);
}

/* The headers as an object of canonical names; of two spellings the later one in order stays. */
static cs_http_failure read_headers(cs_call *call, cs_value v, cs_value *out)
{
    if (!cs_is(v, CS_OBJECT)) {
        return cs_http__failure(call, CS_HTTP_PLACED, "invalid type for headers key");
    }
    *out = cs_object_new(call->arena, cs_count(v));
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value value, name = cs_entry(v, i, &value);
        cs_slice text = cs_is(name, CS_STRING) ? cs_text(name) : shown(call, name);
        cs_object_put(call->arena, *out, cs_string(cs_http__canonical(call->arena, text)), value);
    }
    return fine();
}

static cs_slice json_text(cs_call *call, cs_value v)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_json_write(&b, v, CS_JSON_HTML);
    cs_slice text = cs_slice_make(cs_arena_dup(call->arena, b.p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

/* ---- one key after the other, in their order */

typedef struct reading {
    cs_call *call;
    cs_http_plan *plan;
    sources from;
    cs_slice url;
    cs_value headers;
    bool raw;
} reading;

static cs_slice *text_place(reading *r, cs_slice name)
{
    const struct {
        const char *name;
        cs_slice *place;
    } places[] = {
        {"method", &r->plan->method},
        {"raw_body", &r->plan->body},
        {"tls_ca_cert", &r->from.ca},
        {"tls_ca_cert_env_variable", &r->from.ca_env},
        {"tls_ca_cert_file", &r->from.ca_file},
        {"tls_client_cert", &r->from.cert},
        {"tls_client_cert_env_variable", &r->from.cert_env},
        {"tls_client_cert_file", &r->from.cert_file},
        {"tls_client_key", &r->from.key},
        {"tls_client_key_env_variable", &r->from.key_env},
        {"tls_client_key_file", &r->from.key_file},
        {"tls_server_name", &r->plan->server_name},
        {"url", &r->url},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (cs_slice_is(name, places[i].name)) {
            return places[i].place;
        }
    }
    return NULL;
}

static cs_http_failure read_key(reading *r, cs_slice name, cs_value v)
{
    cs_call *call = r->call;
    cs_slice *place = text_place(r, name);
    if (place != NULL && !cs_is(v, CS_STRING)) {
        return cs_http__failure(call, CS_HTTP_PLACED, "\"%.*s\" must be a string", CS_FMT(name));
    }
    if (place != NULL) {
        *place = unquoted(cs_text(v));
        r->raw = r->raw || cs_slice_is(name, "raw_body");
    } else if (cs_slice_is(name, "body")) {
        r->plan->body = r->raw ? r->plan->body : json_text(call, v);
    } else if (cs_slice_is(name, "enable_redirect")) {
        return read_bool(call, v, &r->plan->enable_redirect);
    } else if (cs_slice_is(name, "tls_use_system_certs")) {
        return read_bool(call, v, &r->from.system);
    } else if (cs_slice_is(name, "tls_insecure_skip_verify")) {
        return read_bool(call, v, &r->plan->insecure);
    } else if (cs_slice_is(name, "timeout")) {
        return read_timeout(call, v, &r->plan->timeout_ns);
    } else if (cs_slice_is(name, "headers")) {
        return read_headers(call, v, &r->headers);
    }
    return fine();
}

/* ---- certificates */

static cs_http_failure read_file(cs_call *call, cs_slice path, cs_slice *out)
{
    cs_network *network = call->state->host->network;
    cs_buf b;
    cs_error e;
    cs_buf_init(&b);
    cs_err err = network != NULL ? network->read_file(cs_arena_dup(call->arena, path.p, path.n), &b, &e) : CS_ERR_IO;
    *out = cs_slice_make(cs_arena_dup(call->arena, cs_buf_view(&b).p, b.n), b.n);
    cs_buf_destroy(&b);
    return err == CS_OK ? fine() : cs_http__failure(call, CS_HTTP_PLACED, "%s", network != NULL ? e.text : "no files");
}

static cs_slice read_env(cs_call *call, cs_slice name)
{
    cs_network *network = call->state->host->network;
    const char *text = network != NULL ? network->read_env(cs_arena_dup(call->arena, name.p, name.n)) : NULL;
    return cs_slice_of(text != NULL ? text : "");
}

static cs_http_failure use_pair(cs_call *call, cs_http_plan *plan, cs_slice cert, cs_slice key, const sources *env)
{
    if (cs_x509__check_pair(call, cert, key) != CS_OK) {
        const char *why = call->e != NULL ? call->e->text : "";
        return env == NULL
                   ? cs_http__failure(call, CS_HTTP_PLACED, "%s", why)
                   : cs_http__failure(call, CS_HTTP_PLACED,
                                      "cannot extract public/private key pair from envvars %.*s, %.*s: %s",
                                      CS_FMT(quoted(call, env->cert_env)), CS_FMT(quoted(call, env->key_env)), why);
    }
    if (plan->certificate.n == 0) {
        plan->certificate = cert;
        plan->key = key;
    }
    return fine();
}

static cs_http_failure read_client(cs_call *call, const sources *s, cs_http_plan *plan)
{
    cs_http_failure f = fine();
    if (s->cert.n != 0 && s->key.n != 0) {
        f = use_pair(call, plan, s->cert, s->key, NULL);
    }
    if (!cs_http__failed(&f) && s->cert_file.n != 0 && s->key_file.n != 0) {
        cs_slice cert = CS_LIT(""), key = CS_LIT("");
        f = read_file(call, s->cert_file, &cert);
        f = cs_http__failed(&f) ? f : read_file(call, s->key_file, &key);
        f = cs_http__failed(&f) ? f : use_pair(call, plan, cert, key, NULL);
    }
    if (!cs_http__failed(&f) && s->cert_env.n != 0 && s->key_env.n != 0) {
        f = use_pair(call, plan, read_env(call, s->cert_env), read_env(call, s->key_env), s);
    }
    return f;
}

static void append(cs_call *call, cs_slice *to, cs_slice pem)
{
    size_t n;
    char *both = cs_arena_printf(call->arena, &n, "%.*s\n%.*s", CS_FMT(*to), CS_FMT(pem));
    *to = cs_slice_make(both, n);
}

/* "\n" written as two characters, as certificates come from JSON and environments. */
static cs_slice with_newlines(cs_call *call, cs_slice s)
{
    char *out = cs_arena_alloc(call->arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool both = s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == 'n';
        out[n++] = both ? '\n' : s.p[i];
        i += both;
    }
    return cs_slice_make(out, n);
}

static cs_http_failure read_authorities(cs_call *call, const sources *s, cs_http_plan *plan)
{
    cs_slice pem;
    if (s->ca.n != 0) {
        pem = with_newlines(call, s->ca);
        if (!cs_x509__any_certificate(call, pem)) {
            return cs_http__failure(call, CS_HTTP_PLACED, "could not append certificates");
        }
        append(call, &plan->ca, pem);
    }
    if (s->ca_file.n != 0) {
        cs_http_failure f = read_file(call, s->ca_file, &pem);
        if (cs_http__failed(&f)) {
            return f;
        }
        if (!cs_x509__any_certificate(call, pem)) {
            return cs_http__failure(call, CS_HTTP_PLACED, "could not append CA certificates from %.*s",
                                    CS_FMT(quoted(call, s->ca_file)));
        }
        append(call, &plan->ca, pem);
    }
    if (s->ca_env.n != 0) {
        pem = read_env(call, s->ca_env);
        if (!cs_x509__any_certificate(call, pem)) {
            return cs_http__failure(call, CS_HTTP_PLACED,
                                    "could not add CA certificates from envvar %.*s: could not append certificates",
                                    CS_FMT(quoted(call, s->ca_env)));
        }
        append(call, &plan->ca, pem);
    }
    if (s->system && plan->ca.n != 0) {
        cs_slice path = read_env(call, CS_LIT("SSL_CERT_FILE"));
        path = path.n != 0 ? path : CS_LIT("/etc/ssl/certs/ca-certificates.crt");
        cs_http_failure f = read_file(call, path, &pem);
        if (!cs_http__failed(&f)) {
            append(call, &plan->ca, pem);
        }
    }
    return fine();
}

/* ---- the URL */

bool cs_http__host_allowed(const cs_host *host, cs_slice name)
{
    cs_value allowed = host->allow_net;
    bool found = !cs_is(allowed, CS_ARRAY);
    for (uint32_t i = 0; !found && i < allowed.n; i++) {
        found = cs_is(allowed.u.items[i], CS_STRING) && cs_slice_eq(cs_text(allowed.u.items[i]), name);
    }
    return found;
}

/* Up to the first colon, as OPA cuts it. */
static cs_http_failure check_host(cs_call *call, cs_slice url)
{
    if (!cs_is(call->state->host->allow_net, CS_ARRAY)) {
        return fine();
    }
    cs_url u;
    if (cs_url__parse(call, url, &u) != CS_OK) {
        return cs_http__failure(call, CS_HTTP_PLACED, "%s", call->e != NULL ? call->e->text : "");
    }
    cs_slice host = cs_slice_sub(u.host, 0, cs_slice_find_byte(u.host, ':', 0));
    return cs_http__host_allowed(call->state->host, host)
               ? fine()
               : cs_http__failure(call, CS_HTTP_PLACED, "disallowed host: %.*s", CS_FMT(host));
}

/* unix://host/path?socket=/a/b: the socket is taken out of the query, and the rest is HTTP. */
static void use_socket(cs_call *call, cs_slice *url, cs_slice *socket)
{
    cs_url u;
    if (cs_url__parse(call, *url, &u) != CS_OK || !cs_slice_is(u.scheme, "unix") || u.query.n == 0) {
        return;
    }
    cs_call inner = *call;
    cs_value args[1] = {cs_string(u.query)}, pairs, query;
    inner.args = args;
    inner.n = 1;
    if (cs_builtin__urlquery_decode_object(&inner, &pairs) != CS_OK) {
        return;
    }
    const cs_value *named = cs_object_get_text(pairs, "socket");
    *socket = named != NULL && named->n != 0 ? cs_text(named->u.items[0]) : CS_LIT("");
    cs_value rest = cs_object_new(call->arena, cs_count(pairs));
    for (uint32_t i = 0; i < cs_count(pairs); i++) {
        cs_value v, key = cs_entry(pairs, i, &v);
        if (!cs_slice_is(cs_text(key), "socket")) {
            cs_object_put(call->arena, rest, key, v);
        }
    }
    args[0] = rest;
    if (cs_builtin__urlquery_encode_object(&inner, &query) == CS_OK) {
        size_t n;
        cs_slice text = cs_text(query), path = CS_LIT("");
        cs_sink s;
        cs_sink__init(&s, call);
        cs_url__print_path(&s, &u);
        if (cs_sink__slice_done(&s, &path) != CS_OK) {
            return;
        }
        char *http = cs_arena_printf(call->arena, &n, "http://%.*s%.*s%s%.*s", CS_FMT(u.host), CS_FMT(path),
                                     text.n != 0 ? "?" : "", CS_FMT(text));
        *url = cs_slice_make(http, n);
    }
}

static bool is_token(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]) != NULL) {
            return false;
        }
    }
    return s.n != 0;
}

/* Headers as they are sent: what HTTP itself writes is left out. */
static cs_http_failure use_headers(cs_call *call, cs_value headers, cs_http_plan *plan)
{
    static const char *const own[] = {"Content-Length", "Transfer-Encoding", "Trailer"};
    uint32_t n = cs_count(headers);
    cs_exchange_field *list = cs_arena_array(call->arena, cs_exchange_field, n + 1U);
    plan->headers = list;
    plan->custom = n != 0;
    for (uint32_t i = 0; i < n; i++) {
        cs_value value, name = cs_entry(headers, i, &value);
        if (!cs_is(value, CS_STRING)) {
            return cs_http__failure(call, CS_HTTP_PLACED, "invalid type for headers value %.*s",
                                    CS_FMT(quoted(call, shown(call, value))));
        }
        bool skip = false;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) {
            skip = skip || cs_slice_is(cs_text(name), own[k]);
        }
        if (cs_slice_is(cs_text(name), "Host")) {
            plan->host = cs_text(value);
        } else if (!skip) {
            list[plan->n_headers++] = (cs_exchange_field){cs_text(name), cs_text(value)};
        }
    }
    return fine();
}

static cs_slice upper_case(cs_call *call, cs_slice s)
{
    char *out = cs_arena_dup(call->arena, s.p, s.n);
    for (size_t i = 0; i < s.n; i++) {
        out[i] = out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 32) : out[i];
    }
    return cs_slice_make(out, s.n);
}

static cs_http_failure use_url(reading *r)
{
    cs_call *call = r->call;
    cs_http_plan *plan = r->plan;
    plan->method = plan->method.n != 0 ? upper_case(call, plan->method) : CS_LIT("GET");
    if (!is_token(plan->method)) {
        return cs_http__failure(call, CS_HTTP_PLACED, "net/http: invalid method %.*s",
                                CS_FMT(quoted(call, plan->method)));
    }
    if (cs_url__parse(call, r->url, &plan->url) != CS_OK) {
        return cs_http__failure(call, CS_HTTP_PLACED, "%s", call->e != NULL ? call->e->text : "");
    }
    if (cs_slice_ends(plan->url.host, CS_LIT(":"))) {
        plan->url.host.n--;
    }
    return fine();
}

cs_http_failure cs_http__make_plan(cs_call *call, cs_value request, cs_http_plan *out)
{
    const cs_slice none = CS_LIT("");
    *out = (cs_http_plan){.method = none,
                          .body = none,
                          .host = none,
                          .timeout_ns = TIMEOUT_NS,
                          .unix_path = none,
                          .server_name = none,
                          .ca = none,
                          .certificate = none,
                          .key = none};
    cs_slice set = read_env(call, CS_LIT("HTTP_SEND_TIMEOUT"));
    if (set.n != 0 && !cs_time_parse_duration(set, false, &out->timeout_ns)) {
        out->timeout_ns = TIMEOUT_NS;
    }
    reading r = {.call = call,
                 .plan = out,
                 .url = none,
                 .headers = cs_undefined(),
                 .from = {none, none, none, none, none, none, none, none, none, false}};
    cs_http_failure f = fine();
    for (uint32_t i = 0; !cs_http__failed(&f) && i < cs_count(request); i++) {
        cs_value v, key = cs_entry(request, i, &v);
        f = read_key(&r, cs_text(key), v);
        if (!cs_http__failed(&f) && cs_slice_is(cs_text(key), "url")) {
            f = check_host(call, r.url);
        }
    }
    f = cs_http__failed(&f) ? f : read_client(call, &r.from, out);
    f = cs_http__failed(&f) ? f : read_authorities(call, &r.from, out);
    if (cs_http__failed(&f)) {
        return f;
    }
    const cs_value *host = cs_is(r.headers, CS_OBJECT) ? cs_object_get_text(r.headers, "Host") : NULL;
    if (out->server_name.n == 0 && host != NULL && cs_is(*host, CS_STRING)) {
        out->server_name = cs_text(*host);
    }
    use_socket(call, &r.url, &out->unix_path);
    out->fresh = out->unix_path.n != 0 || out->insecure || out->server_name.n != 0 || out->ca.n != 0 || r.from.system ||
                 out->certificate.n != 0;
    f = use_url(&r);
    return cs_http__failed(&f) || !cs_is(r.headers, CS_OBJECT) ? f : use_headers(call, r.headers, out);
}

cs_slice cs_http__unsendable(cs_call *call, const cs_http_plan *plan)
{
    const cs_url *u = &plan->url;
    size_t n = 0;
    char *text = NULL;
    bool http = cs_slice_is(u->scheme, "http") || cs_slice_is(u->scheme, "https");
    for (size_t i = 0; http && text == NULL && i < plan->n_headers; i++) {
        const cs_exchange_field *h = &plan->headers[i];
        if (!is_token(h->name)) {
            text = cs_arena_printf(call->arena, &n, "net/http: invalid header field name %.*s",
                                   CS_FMT(quoted(call, h->name)));
        }
        for (size_t k = 0; text == NULL && k < h->value.n; k++) {
            unsigned char c = (unsigned char)h->value.p[k];
            if ((c < ' ' && c != '\t') || c == 0x7F) {
                text = cs_arena_printf(call->arena, &n, "net/http: invalid header field value for %.*s",
                                       CS_FMT(quoted(call, h->name)));
            }
        }
    }
    if (!http) {
        text = cs_arena_printf(call->arena, &n, "unsupported protocol scheme %.*s", CS_FMT(quoted(call, u->scheme)));
    } else if (text == NULL && u->host.n == 0) {
        text = cs_arena_printf(call->arena, &n, "http: no Host in request URL");
    }
    return text != NULL ? cs_slice_make(text, n) : CS_LIT("");
}
