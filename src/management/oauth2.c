/* Access tokens of OAuth 2: client credentials (RFC 6749 §4.4) with a password or an assertion (RFC 7523 §2.2), or an
 * assertion as the grant (RFC 7523 §2.1). */
#include "countersign/base/encode.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "management/internal.h"

#define LEFT_NS (10 * CS_NS_PER_S)    /* a token that ends sooner is not used */
#define TIMEOUT_NS (30 * CS_NS_PER_S) /* of the request for one */
#define HEAD_NS (10 * CS_NS_PER_S)
#define ASSERTION_S 600 /* life of an assertion */

enum { HEADERS_MAX = 32 };

void cs_management__token_init(cs_management__token *token)
{
    cs_mutex_init(&token->lock);
    cs_buf_init(&token->text);
    token->ends_mono = 0;
}

void cs_management__token_destroy(cs_management__token *token)
{
    cs_mutex_destroy(&token->lock);
    cs_buf_destroy(&token->text);
}

/* ---- the assertion */

static cs_value scope_of(cs_arena *a, const cs_config_oauth2 *o)
{
    cs_buf text;
    cs_buf_init(&text);
    for (size_t i = 0; i < o->n_scopes; i++) {
        cs_buf_text(&text, i != 0 ? " " : "");
        cs_buf_slice(&text, o->scopes[i]);
    }
    cs_value scope = cs_string_copy(a, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return scope;
}

static cs_value make_claims(cs_arena *a, const cs_config_oauth2 *o)
{
    int64_t now = cs_time_wall_ns() / CS_NS_PER_S;
    cs_value claims = cs_object_new(a, cs_count(o->claims) + 4);
    cs_object_put_text(a, claims, "iat", cs_int(now));
    cs_object_put_text(a, claims, "exp", cs_int(now + ASSERTION_S));
    for (uint32_t i = 0; i < cs_count(o->claims); i++) {
        cs_value v, key = cs_entry(o->claims, i, &v);
        cs_object_put(a, claims, key, v);
    }
    if (o->n_scopes != 0) {
        cs_object_put_text(a, claims, "scope", scope_of(a, o));
    }
    if (o->jti) {
        char id[37];
        cs_random_uuid(id);
        cs_object_put_text(a, claims, "jti", cs_string_copy(a, cs_slice_of(id)));
    }
    return claims;
}

static cs_err make_header(cs_arena *a, const cs_config_oauth2 *o, cs_slice algorithm, cs_slice *out, cs_error *e)
{
    size_t n;
    const char *text;
    if (o->thumbprint.n != 0) {
        cs_slice bytes;
        if (!cs_hex_decode(a, o->thumbprint, &bytes, NULL)) {
            return cs_fail(e, CS_ERR_INVALID, "oauth2: the thumbprint is not hexadecimal");
        }
        text = cs_arena_printf(a, &n, "{\"typ\":\"JWT\",\"alg\":\"%.*s\",\"x5t\":\"%.*s\"}", CS_FMT(algorithm),
                               CS_FMT(cs_base64_encode(a, bytes, CS_BASE64_URL)));
    } else {
        text = cs_arena_printf(a, &n, "{\"typ\":\"JWT\",\"alg\":\"%.*s\"}", CS_FMT(algorithm));
    }
    *out = cs_slice_make(text, n);
    return CS_OK;
}

static cs_err sign(const cs_service *service, cs_arena *a, cs_slice *out, cs_error *e)
{
    const cs_config_oauth2 *o = service->s->oauth2;
    const cs_config_key *of = cs_config_find_key(service->config, o->signing_key);
    cs_sig_alg alg;
    cs_slice header;
    cs_key *key;
    if (of == NULL || !cs_sig_alg_find(of->algorithm, &alg)) {
        return cs_fail(e, CS_ERR_INVALID, "oauth2: no key %.*s", CS_FMT(o->signing_key));
    }
    CS_TRY(make_header(a, o, of->algorithm, &header, e));
    if (cs_key_for(alg, of->private_key, &key, e) != CS_OK) {
        return cs_fail_in(e, "oauth2: key %.*s: ", CS_FMT(o->signing_key));
    }
    cs_buf payload;
    cs_buf_init(&payload);
    cs_json_write_canonical(&payload, make_claims(a, o));
    cs_err r = cs_jws_sign(a, header, cs_buf_view(&payload), key, alg, out, e);
    cs_buf_destroy(&payload);
    cs_key_release(key);
    return r == CS_OK ? CS_OK : cs_fail_in(e, "oauth2: ");
}

/* ---- the request */

/* application/x-www-form-urlencoded, by name. */
static void write_form(cs_arena *a, cs_buf *out, cs_value form)
{
    form = cs_freeze(a, form);
    for (uint32_t i = 0; i < cs_count(form); i++) {
        cs_value v, key = cs_entry(form, i, &v);
        if (cs_is(v, CS_STRING)) {
            cs_buf_text(out, out->n != 0 ? "&" : "");
            cs_percent_encode(out, cs_text(key));
            cs_buf_byte(out, '=');
            cs_percent_encode(out, cs_text(v));
        }
    }
}

static cs_err put_grant(cs_service *service, cs_arena *a, cs_value form, cs_error *e)
{
    const cs_config_oauth2 *o = service->s->oauth2;
    cs_slice assertion = o->assertion;
    if (o->signing_key.n != 0) {
        CS_TRY(sign(service, a, &assertion, e));
    } else if (o->assertion_path.n != 0) {
        CS_TRY(cs_management__read_secret(a, o->assertion_path, &assertion, e));
    }
    if (o->jwt_bearer) {
        cs_object_put_text(a, form, "grant_type", cs_string(CS_LIT("urn:ietf:params:oauth:grant-type:jwt-bearer")));
        cs_object_put_text(a, form, "assertion", cs_string(assertion));
        return CS_OK;
    }
    cs_object_put_text(a, form, "grant_type", cs_string(CS_LIT("client_credentials")));
    if (assertion.n != 0) {
        cs_object_put_text(a, form, "client_assertion_type", cs_string(o->assertion_type));
        cs_object_put_text(a, form, "client_assertion", cs_string(assertion));
        if (o->client_id.n != 0) {
            cs_object_put_text(a, form, "client_id", cs_string(o->client_id));
        }
    }
    return CS_OK;
}

static size_t make_headers(cs_arena *a, const cs_config_oauth2 *o, cs_http_header *out)
{
    size_t n = 0;
    out[n++] = (cs_http_header){CS_LIT("Content-Type"), CS_LIT("application/x-www-form-urlencoded")};
    if (!o->jwt_bearer && o->client_secret.n != 0) {
        size_t size;
        const char *pair = cs_arena_printf(a, &size, "%.*s:%.*s", CS_FMT(o->client_id), CS_FMT(o->client_secret));
        cs_slice encoded = cs_base64_encode(a, cs_slice_make(pair, size), CS_BASE64_STD);
        const char *basic = cs_arena_printf(a, &size, "Basic %.*s", CS_FMT(encoded));
        out[n++] = (cs_http_header){CS_LIT("Authorization"), cs_slice_make(basic, size)};
    }
    for (uint32_t i = 0; i < cs_count(o->headers) && n < HEADERS_MAX; i++) {
        cs_value v, key = cs_entry(o->headers, i, &v);
        if (cs_is(v, CS_STRING)) {
            out[n++] = (cs_http_header){cs_text(key), cs_text(v)};
        }
    }
    return n;
}

static cs_err ask(cs_service *service, cs_arena *a, cs_http_answer *answer, cs_error *e)
{
    const cs_config_service *s = service->s;
    const cs_config_oauth2 *o = s->oauth2;
    cs_value form = cs_object_new(a, 8);
    if (o->n_scopes != 0) {
        cs_object_put_text(a, form, "scope", scope_of(a, o));
    }
    for (uint32_t i = 0; i < cs_count(o->parameters); i++) {
        cs_value v, key = cs_entry(o->parameters, i, &v);
        cs_object_put(a, form, key, v);
    }
    CS_TRY(put_grant(service, a, form, e));
    cs_buf body;
    cs_buf_init(&body);
    write_form(a, &body, form);
    cs_http_header headers[HEADERS_MAX];
    cs_http_fetch_options options = {
        .method = "POST",
        .url = cs_management__cstr(a, o->token_url),
        .headers = headers,
        .n_headers = make_headers(a, o, headers),
        .body = cs_buf_view(&body),
        .timeout_ns = TIMEOUT_NS,
        .head_timeout_ns = HEAD_NS,
        .ca_file = cs_management__cstr(a, s->ca_cert),
        .system_ca = s->system_ca,
        .insecure = s->allow_insecure_tls,
        .stop = service->stop,
    };
    cs_err r = cs_http_fetch(&options, answer, e);
    cs_buf_destroy(&body);
    return r;
}

/* ---- the answer */

static cs_err take(cs_management__token *token, cs_arena *a, const cs_http_answer *answer, cs_error *e)
{
    cs_slice text = cs_buf_view(&answer->body);
    if (answer->status != 200) {
        return cs_fail(e, CS_ERR_IO, "error in response from OAuth2 token endpoint: %.*s", CS_FMT(text));
    }
    cs_value document;
    if (cs_json_read(a, text, NULL, &document, NULL, e) != CS_OK) {
        return cs_fail_in(e, "the OAuth2 token endpoint did not answer with JSON: ");
    }
    cs_value type = cs_object_member(document, "token_type"), access = cs_object_member(document, "access_token");
    if (!cs_is(type, CS_STRING) || !cs_slice_eq_nocase(cs_text(type), CS_LIT("bearer"))) {
        return cs_fail(e, CS_ERR_IO, "unknown token type returned from token endpoint");
    }
    if (!cs_is(access, CS_STRING)) {
        return cs_fail(e, CS_ERR_IO, "the OAuth2 token endpoint gave no access_token");
    }
    cs_value expires = cs_object_member(document, "expires_in");
    int64_t seconds = 0;
    if (!cs_is(expires, CS_NUMBER) || !cs_number_is_int(expires, &seconds) || seconds < 0 || seconds > 86400 * 365) {
        seconds = 0;
    }
    cs_buf_clear(&token->text);
    cs_buf_slice(&token->text, cs_slice_trim(cs_text(access)));
    token->ends_mono = cs_time_mono_ns() + seconds * CS_NS_PER_S;
    return CS_OK;
}

static cs_err renew(cs_service *service, cs_arena *a, cs_error *e)
{
    cs_http_answer answer;
    CS_TRY(ask(service, a, &answer, e));
    cs_err r = take(&service->token, a, &answer, e);
    cs_http_answer_destroy(&answer);
    return r;
}

cs_err cs_management__token_get(cs_service *service, cs_arena *a, cs_slice *out, cs_error *e)
{
    cs_management__token *token = &service->token;
    cs_mutex_lock(&token->lock);
    cs_err r = CS_OK;
    if (token->text.n == 0 || token->ends_mono - cs_time_mono_ns() < LEFT_NS) {
        r = renew(service, a, e);
    }
    if (r == CS_OK) {
        *out = cs_slice_make(cs_arena_dup(a, token->text.p, token->text.n), token->text.n);
    }
    cs_mutex_unlock(&token->lock);
    return r;
}
