/* Requests to a service: its headers, its credentials. */
#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/version.h"
#include "management/internal.h"

#if defined __aarch64__
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "amd64"
#endif
/* What servers of bundles look for in front. */
#define USER_AGENT "Open Policy Agent/" CS_VERSION_OPA " (linux, " ARCHITECTURE ") countersign/" CS_VERSION
#define TIMEOUT_NS (600 * CS_NS_PER_S)

enum { SECRET_MAX_BYTES = 65536, HEADERS_MAX = 64 };

cs_service *cs_service_new(cs_config *config, const cs_config_service *service, const _Atomic bool *stop)
{
    cs_service *s = cs_zalloc(sizeof *s);
    atomic_init(&s->refs, 1);
    s->config = cs_config_retain(config);
    s->s = service;
    s->stop = stop;
    cs_management__token_init(&s->token);
    cs_mutex_init(&s->aws_lock);
    cs_aws_kept_init(&s->aws);
    return s;
}

cs_service *cs_service_retain(cs_service *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void cs_service_free(cs_service *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        cs_management__token_destroy(&s->token);
        cs_mutex_destroy(&s->aws_lock);
        cs_aws_kept_destroy(&s->aws);
        cs_config_free(s->config);
        cs_free(s);
    }
}

const char *cs_management__cstr(cs_arena *a, cs_slice text)
{
    return text.n != 0 ? cs_arena_dup(a, text.p, text.n) : NULL;
}

cs_err cs_management__read_secret(cs_arena *a, cs_slice path, cs_slice *out, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_err r = cs_file_read(cs_management__cstr(a, path), SECRET_MAX_BYTES, &text, e);
    cs_slice trimmed = cs_slice_trim(cs_buf_view(&text));
    *out = cs_slice_make(cs_arena_dup(a, trimmed.p, trimmed.n), trimmed.n);
    cs_buf_destroy(&text);
    return r;
}

/* The header Authorization; "" without one. */
static cs_err authorization(cs_service *service, cs_arena *a, cs_slice *out, cs_error *e)
{
    const cs_config_service *s = service->s;
    cs_slice token = s->bearer_token, scheme = s->bearer_scheme;
    *out = CS_LIT("");
    if (s->oauth2 != NULL) {
        CS_TRY(cs_management__token_get(service, a, &token, e));
        scheme = CS_LIT("Bearer");
    } else if (!cs_is_undefined(s->gcp_metadata)) {
        CS_TRY(cs_gcp_token(a, s->gcp_metadata, service->stop, &token, e));
        scheme = CS_LIT("Bearer");
    } else if (!cs_is_undefined(s->azure_identity)) {
        CS_TRY(cs_azure_token(a, s->azure_identity, service->stop, &token, e));
        scheme = CS_LIT("Bearer");
    } else if (s->bearer_token_path.n != 0) {
        CS_TRY(cs_management__read_secret(a, s->bearer_token_path, &token, e));
    }
    if (token.n != 0) {
        size_t n;
        const char *value = cs_arena_printf(a, &n, "%.*s %.*s", CS_FMT(scheme), CS_FMT(token));
        *out = cs_slice_make(value, n);
    }
    return CS_OK;
}

/* Of the configuration's headers those that the request does not set itself. */
static size_t make_headers(const cs_service *service, const cs_service_request *request, cs_slice authorization,
                           cs_http_header *out)
{
    size_t n = 0;
    bool agent = false;
    cs_value own = service->s->headers;
    for (uint32_t i = 0; i < cs_count(own) && n < HEADERS_MAX - CS_SERVICE_HEADERS - CS_AWS_HEADERS - 2; i++) {
        cs_value value, key = cs_entry(own, i, &value);
        if (cs_is(value, CS_STRING)) {
            agent |= cs_slice_eq_nocase(cs_text(key), CS_LIT("User-Agent"));
            out[n++] = (cs_http_header){cs_text(key), cs_text(value)};
        }
    }
    if (!agent) {
        out[n++] = (cs_http_header){CS_LIT("User-Agent"), CS_LIT(USER_AGENT)};
    }
    if (authorization.n != 0) {
        out[n++] = (cs_http_header){CS_LIT("Authorization"), authorization};
    }
    cs_assert(request->n_headers <= CS_SERVICE_HEADERS);
    for (size_t i = 0; i < request->n_headers; i++) {
        out[n++] = request->headers[i];
    }
    return n;
}

static const char *make_url(const cs_service *service, cs_arena *a, cs_slice path)
{
    cs_slice base = service->s->url;
    while (base.n != 0 && base.p[base.n - 1] == '/') {
        base.n--;
    }
    while (path.n != 0 && path.p[0] == '/') {
        path = cs_slice_sub(path, 1, path.n);
    }
    while (path.n != 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    return cs_arena_printf(a, NULL, "%.*s/%.*s", CS_FMT(base), CS_FMT(path));
}

/* With s3_signing: signs what is there, and adds the headers for that. */
static cs_err sign(cs_service *service, const cs_service_request *request, cs_arena *a, cs_http_fetch_options *options,
                   cs_http_header *headers, cs_error *e)
{
    cs_value settings = service->s->s3_signing;
    if (cs_is_undefined(settings)) {
        return CS_OK;
    }
    cs_slice name = cs_cloud_setting(settings, "service", NULL);
    cs_slice version = cs_cloud_setting(settings, "signature_version", NULL);
    if (version.n != 0 && !cs_slice_is(version, "4")) {
        return cs_fail(e, CS_ERR_INVALID, "signature version %.*s is not supported", CS_FMT(version));
    }
    cs_aws_credentials credentials;
    cs_mutex_lock(&service->aws_lock);
    cs_err r = cs_aws_find(a, settings, &service->aws, service->stop, &credentials, e);
    cs_mutex_unlock(&service->aws_lock);
    if (r != CS_OK) {
        return r;
    }
    cs_aws_request signing = {.method = request->method != NULL ? request->method : "GET",
                              .url = options->url,
                              .headers = headers,
                              .n_headers = options->n_headers,
                              .body = request->body,
                              .service = name.n != 0 ? name : CS_LIT("s3")};
    options->n_headers += cs_aws_sign(a, &signing, &credentials, cs_time_wall_ns(), headers + options->n_headers);
    return CS_OK;
}

static cs_err send(cs_service *service, const cs_service_request *request, cs_arena *a, cs_http_answer *out,
                   cs_error *e)
{
    const cs_config_service *s = service->s;
    cs_http_header headers[HEADERS_MAX];
    cs_slice authorized;
    CS_TRY(authorization(service, a, &authorized, e));
    cs_http_fetch_options options = {
        .method = request->method,
        .url = make_url(service, a, request->path),
        .headers = headers,
        .n_headers = make_headers(service, request, authorized, headers),
        .body = request->body,
        .timeout_ns = request->timeout_ns != 0 ? request->timeout_ns : TIMEOUT_NS,
        .head_timeout_ns = request->head_wait_ns != 0 ? request->head_wait_ns : s->response_header_timeout_ns,
        .max_bytes = request->max_bytes,
        .follow = true,
        .ca_file = cs_management__cstr(a, s->ca_cert),
        .system_ca = s->system_ca,
        .insecure = s->allow_insecure_tls,
        .cert_file = cs_management__cstr(a, s->client_cert),
        .key_file = cs_management__cstr(a, s->client_key),
        .key_password = cs_management__cstr(a, s->client_key_password),
        .stop = request->stop != NULL ? request->stop : service->stop,
    };
    CS_TRY(sign(service, request, a, &options, headers, e));
    return cs_http_fetch(&options, out, e);
}

cs_err cs_service_do(cs_service *service, const cs_service_request *request, cs_http_answer *out, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_err r = send(service, request, &a, out, e);
    cs_arena_destroy(&a);
    return r;
}
