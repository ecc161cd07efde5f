/* Bearer tokens that the metadata services of Google's and Microsoft's clouds give to whom runs there. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/json.h"
#include "management/cloud.h"

#define TIMEOUT_NS (5 * CS_NS_PER_S)

static cs_slice or_else(cs_slice said, const char *otherwise)
{
    return said.n != 0 ? said : cs_slice_of(otherwise);
}

static cs_err fetch(cs_arena *a, const char *url, cs_http_header header, const _Atomic bool *stop, int *status,
                    cs_slice *body, cs_error *e)
{
    cs_http_fetch_options options = {
        .url = url, .headers = &header, .n_headers = 1, .timeout_ns = TIMEOUT_NS, .stop = stop};
    cs_http_answer answer;
    CS_TRY(cs_http_fetch(&options, &answer, e));
    *status = answer.status;
    *body = cs_slice_make(cs_arena_dup(a, answer.body.p != NULL ? answer.body.p : "", answer.body.n), answer.body.n);
    cs_http_answer_destroy(&answer);
    return CS_OK;
}

static cs_err access_token(cs_arena *a, cs_slice body, cs_slice *out, cs_error *e)
{
    cs_value document;
    CS_TRY(cs_json_read(a, body, NULL, &document, NULL, e));
    *out = cs_cloud_setting(document, "access_token", NULL);
    *out = cs_slice_make(cs_arena_dup(a, out->p, out->n), out->n);
    return CS_OK;
}

/* ---- Google */

static cs_slice joined(cs_arena *a, cs_value scopes)
{
    cs_buf text;
    cs_buf_init(&text);
    for (uint32_t i = 0; cs_is(scopes, CS_ARRAY) && i < scopes.n; i++) {
        cs_buf_text(&text, text.n != 0 ? "," : "");
        cs_buf_slice(&text, cs_is(scopes.u.items[i], CS_STRING) ? cs_text(scopes.u.items[i]) : CS_LIT(""));
    }
    cs_slice out = text.n != 0 ? cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n) : CS_LIT("");
    cs_buf_destroy(&text);
    return out;
}

cs_err cs_gcp_token(cs_arena *a, cs_value settings, const _Atomic bool *stop, cs_slice *out, cs_error *e)
{
    cs_slice audience = cs_cloud_setting(settings, "audience", NULL);
    cs_slice scopes = joined(a, cs_object_member(settings, "scopes"));
    if (audience.n == 0 && scopes.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "audience or scopes is required when gcp metadata is enabled");
    }
    if (audience.n != 0 && scopes.n != 0) {
        return cs_fail(e, CS_ERR_INVALID,
                       "either audience or scopes can be set, not both, when gcp metadata is enabled");
    }
    cs_slice endpoint = or_else(cs_cloud_setting(settings, "endpoint", NULL), "http://metadata.google.internal");
    cs_slice path = audience.n != 0 ? or_else(cs_cloud_setting(settings, "identity_token_path", NULL),
                                              "/computeMetadata/v1/instance/service-accounts/default/identity")
                                    : or_else(cs_cloud_setting(settings, "access_token_path", NULL),
                                              "/computeMetadata/v1/instance/service-accounts/default/token");
    const char *url =
        cs_arena_printf(a, NULL, "%.*s%.*s?%s=%.*s", CS_FMT(endpoint), CS_FMT(path),
                        audience.n != 0 ? "audience" : "scopes", CS_FMT(audience.n != 0 ? audience : scopes));
    const char *kind = audience.n != 0 ? "error retrieving identity token from gcp metadata service: "
                                       : "error retrieving access token from gcp metadata service: ";
    int status;
    cs_slice body;
    cs_http_header header = {CS_LIT("Metadata-Flavor"), CS_LIT("Google")};
    if (fetch(a, url, header, stop, &status, &body, e) != CS_OK) {
        return cs_fail_in(e, "%s", kind);
    }
    if (status != 200) {
        return cs_fail(e, CS_ERR_IO, "%serror retrieving gcp ID token from %s %d: %s", kind, url, status,
                       status == 400   ? "invalid request"
                       : status == 404 ? "not found"
                                       : "unexpected error");
    }
    if (audience.n != 0) {
        *out = body;
        return CS_OK;
    }
    return access_token(a, body, out, e) == CS_OK ? CS_OK : cs_fail_in(e, "%s", kind);
}

/* ---- Azure */

static void put(cs_buf *url, const char *name, cs_slice value)
{
    if (value.n != 0) {
        cs_buf_printf(url, "%s%s=", cs_slice_find_byte(cs_buf_view(url), '?', 0) == SIZE_MAX ? "?" : "&", name);
        cs_percent_encode(url, value);
    }
}

static const char *azure_url(cs_arena *a, cs_value settings, cs_slice endpoint, bool app)
{
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_slice(&url, endpoint);
    put(&url, "api-version",
        or_else(cs_cloud_setting(settings, "api_version", NULL), app ? "2019-08-01" : "2018-02-01"));
    put(&url, "client_id", cs_cloud_setting(settings, "client_id", NULL));
    put(&url, "mi_res_id", cs_cloud_setting(settings, "mi_res_id", NULL));
    put(&url, "object_id", cs_cloud_setting(settings, "object_id", NULL));
    put(&url, "resource", or_else(cs_cloud_setting(settings, "resource", NULL), "https://storage.azure.com/"));
    const char *text = cs_arena_dup(a, url.p, url.n);
    cs_buf_destroy(&url);
    return text;
}

cs_err cs_azure_token(cs_arena *a, cs_value settings, const _Atomic bool *stop, cs_slice *out, cs_error *e)
{
    const char *found = cs_config_env("IDENTITY_ENDPOINT");
    cs_slice said = cs_cloud_setting(settings, "endpoint", NULL), environment = cs_slice_of(found != NULL ? found : "");
    cs_value use = cs_object_member(settings, "use_app_service_msi");
    bool app = (cs_is(use, CS_BOOL) && use.u.i != 0) || (said.n == 0 && environment.n != 0);
    cs_slice endpoint = said.n != 0          ? said
                        : environment.n != 0 ? environment
                                             : cs_slice_of("http://169.254.169.254/metadata/identity/oauth2/token");
    cs_http_header header = {CS_LIT("Metadata"), CS_LIT("true")};
    if (app) {
        const char *secret = cs_config_env("IDENTITY_HEADER");
        if (secret == NULL || secret[0] == '\0') {
            return cs_fail(e, CS_ERR_INVALID, "azure managed identities auth: IDENTITY_HEADER env var not found");
        }
        header = (cs_http_header){CS_LIT("x-identity-header"), cs_slice_of(secret)};
    }
    const char *url = azure_url(a, settings, endpoint, app);
    int status;
    cs_slice body;
    CS_TRY(fetch(a, url, header, stop, &status, &body, e));
    if (status != 200) {
        cs_value v;
        CS_TRY(cs_json_read(a, body, NULL, &v, NULL, e));
        return cs_fail(e, CS_ERR_IO, "%d %.*s retrieving azure token from %s: %.*s", status,
                       CS_FMT(cs_cloud_setting(v, "error", NULL)), url,
                       CS_FMT(cs_cloud_setting(v, "error_description", NULL)));
    }
    return access_token(a, body, out, e);
}
