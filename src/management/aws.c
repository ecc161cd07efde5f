/* Credentials for Amazon's services, from where the settings say; the first source that has some is taken. */
#include <stdio.h>

#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/json.h"
#include "management/cloud.h"

#define TIMEOUT_NS (10 * CS_NS_PER_S)
#define LEFT_NS (300 * CS_NS_PER_S) /* what ends sooner is asked for again */
#define METADATA "http://169.254.169.254/latest/"

enum { FILE_MAX = 1 << 20, ERRORS_MAX = 512 };

typedef struct finder {
    cs_arena *a;
    cs_aws_kept *kept;
    const _Atomic bool *stop;
    cs_aws_credentials *out;
} finder;

void cs_aws_kept_init(cs_aws_kept *kept)
{
    *kept = (cs_aws_kept){0};
    cs_buf_init(&kept->access);
    cs_buf_init(&kept->secret);
    cs_buf_init(&kept->token);
}

void cs_aws_kept_destroy(cs_aws_kept *kept)
{
    cs_buf_destroy(&kept->access);
    cs_buf_destroy(&kept->secret);
    cs_buf_destroy(&kept->token);
}

static cs_slice env(const char *name)
{
    const char *value = cs_config_env(name);
    return value != NULL ? cs_slice_of(value) : CS_LIT("");
}

cs_slice cs_cloud_setting(cs_value settings, const char *name, const char *variable)
{
    const cs_value *v = cs_is(settings, CS_OBJECT) ? cs_object_get_text(settings, name) : NULL;
    if (v != NULL && cs_is(*v, CS_STRING) && cs_text(*v).n != 0) {
        return cs_text(*v);
    }
    return variable != NULL ? env(variable) : CS_LIT("");
}

/* ---- the environment */

static cs_err need(cs_slice value, const char *name, const char *where, cs_error *e)
{
    return value.n != 0 ? CS_OK : cs_fail(e, CS_ERR_INVALID, "no %s set in %s", name, where);
}

static cs_err from_environment(finder *f, cs_error *e)
{
    cs_aws_credentials c = {env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), env("AWS_REGION"),
                            env("AWS_SESSION_TOKEN")};
    CS_TRY(need(c.access, "AWS_ACCESS_KEY_ID", "environment", e));
    CS_TRY(need(c.secret, "AWS_SECRET_ACCESS_KEY", "environment", e));
    CS_TRY(need(c.region, "AWS_REGION", "environment", e));
    c.token = c.token.n != 0 ? c.token : env("AWS_SECURITY_TOKEN");
    *f->out = c;
    return CS_OK;
}

/* ---- a profile: an ini file */

static cs_slice path_of(finder *f, cs_value settings)
{
    cs_slice path = cs_cloud_setting(settings, "path", "AWS_SHARED_CREDENTIALS_FILE");
    if (path.n != 0) {
        return path;
    }
    size_t n;
    const char *text = cs_arena_printf(f->a, &n, "%.*s/.aws/credentials", CS_FMT(env("HOME")));
    return cs_slice_make(text, n);
}

/* false: there is no such section. */
static bool read_section(cs_slice text, cs_slice name, cs_aws_credentials *out)
{
    bool inside = false, found = false;
    cs_slice line;
    while (text.n != 0 && cs_slice_next(&text, '\n', &line)) {
        line = cs_slice_trim(line);
        if (line.n > 1 && line.p[0] == '[' && line.p[line.n - 1] == ']') {
            inside = cs_slice_eq(cs_slice_trim(cs_slice_sub(line, 1, line.n - 1)), name);
            found = found || inside;
            continue;
        }
        size_t equals = cs_slice_find_byte(line, '=', 0);
        if (!inside || line.n == 0 || line.p[0] == '#' || line.p[0] == ';' || equals == SIZE_MAX) {
            continue;
        }
        cs_slice key = cs_slice_trim(cs_slice_sub(line, 0, equals));
        cs_slice value = cs_slice_trim(cs_slice_sub(line, equals + 1, line.n));
        out->access = cs_slice_is(key, "aws_access_key_id") ? value : out->access;
        out->secret = cs_slice_is(key, "aws_secret_access_key") ? value : out->secret;
        out->token = cs_slice_is(key, "aws_session_token") ? value : out->token;
    }
    return found;
}

static cs_err read_text(finder *f, cs_slice path, cs_slice *out, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_err r = cs_file_read(cs_arena_dup(f->a, path.p, path.n), FILE_MAX, &text, e);
    *out = r == CS_OK ? cs_slice_make(cs_arena_dup(f->a, text.p != NULL ? text.p : "", text.n), text.n) : CS_LIT("");
    cs_buf_destroy(&text);
    return r;
}

static cs_err from_profile(finder *f, cs_value settings, cs_error *e)
{
    cs_slice path = path_of(f, settings), text, name = cs_cloud_setting(settings, "profile", "AWS_PROFILE");
    name = name.n != 0 ? name : CS_LIT("default");
    if (read_text(f, path, &text, e) != CS_OK) {
        return cs_fail_in(e, "failed to read credentials file: ");
    }
    cs_aws_credentials c = {CS_LIT(""), CS_LIT(""), CS_LIT(""), CS_LIT("")};
    if (!read_section(text, name, &c)) {
        return cs_fail(e, CS_ERR_INVALID, "failed to get profile: section \"%.*s\" does not exist", CS_FMT(name));
    }
    if (c.access.n == 0 || c.secret.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "profile \"%.*s\" in credentials file %.*s does not contain \"%s\"",
                       CS_FMT(name), CS_FMT(path), c.access.n == 0 ? "aws_access_key_id" : "aws_secret_access_key");
    }
    c.region = cs_cloud_setting(settings, "aws_region", "AWS_REGION");
    CS_TRY(need(c.region, "AWS_REGION", "environment or configuration", e));
    *f->out = c;
    return CS_OK;
}

/* ---- over the network */

static cs_err fetch(finder *f, cs_http_fetch_options *options, const char *what, cs_slice *body, cs_error *e)
{
    options->timeout_ns = TIMEOUT_NS;
    options->stop = f->stop;
    cs_http_answer answer;
    if (cs_http_fetch(options, &answer, e) != CS_OK) {
        char before[64];
        (void)snprintf(before, sizeof before, "%s HTTP request failed: ", what);
        return cs_fail_in(e, "%s", before);
    }
    cs_err r = CS_OK;
    if (answer.status != 200) {
        r = cs_fail(e, CS_ERR_IO, "%s HTTP request returned unexpected status: %d %s", what, answer.status,
                    cs_http_status_text(answer.status));
    }
    *body = cs_slice_make(cs_arena_dup(f->a, answer.body.p != NULL ? answer.body.p : "", answer.body.n), answer.body.n);
    cs_http_answer_destroy(&answer);
    return r;
}

static void keep(finder *f, cs_slice access, cs_slice secret, cs_slice token, cs_slice ends)
{
    cs_aws_kept *k = f->kept;
    cs_buf_clear(&k->access);
    cs_buf_clear(&k->secret);
    cs_buf_clear(&k->token);
    cs_buf_slice(&k->access, access);
    cs_buf_slice(&k->secret, secret);
    cs_buf_slice(&k->token, token);
    if (!cs_time_parse_rfc3339(ends, &k->ends_ns)) {
        k->ends_ns = 0;
    }
}

static void use_kept(finder *f, cs_slice region)
{
    const cs_aws_kept *k = f->kept;
    *f->out = (cs_aws_credentials){
        cs_slice_make(cs_arena_dup(f->a, k->access.p, k->access.n), k->access.n),
        cs_slice_make(cs_arena_dup(f->a, k->secret.p, k->secret.n), k->secret.n), region,
        k->token.n != 0 ? cs_slice_make(cs_arena_dup(f->a, k->token.p, k->token.n), k->token.n) : CS_LIT("")};
}

static bool is_kept(const finder *f)
{
    return f->kept->ends_ns - cs_time_wall_ns() > LEFT_NS;
}

/* ---- the metadata service */

static cs_err container_token(finder *f, cs_slice *out, cs_error *e)
{
    const char *file = cs_config_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (file != NULL) {
        return read_text(f, cs_slice_of(file), out, e) == CS_OK
                   ? CS_OK
                   : cs_fail_in(e, "failed to read ECS metadata authorization token from file: ");
    }
    const char *token = cs_config_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (token == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "unable to get ECS metadata authorization token");
    }
    *out = cs_slice_of(token);
    return CS_OK;
}

/* The session of IMDSv2, against requests that a server was talked into. */
static cs_err session_token(finder *f, cs_slice *out, cs_error *e)
{
    cs_http_header life = {CS_LIT("X-aws-ec2-metadata-token-ttl-seconds"), CS_LIT("60")};
    cs_http_fetch_options options = {.method = "PUT", .url = METADATA "api/token", .headers = &life, .n_headers = 1};
    return fetch(f, &options, "metadata token", out, e);
}

static cs_err take_metadata(finder *f, cs_slice body, bool role, cs_error *e)
{
    cs_value v;
    if (cs_json_read(f->a, body, NULL, &v, NULL, e) != CS_OK) {
        return cs_fail_in(e, "failed to parse credential response from metadata service: ");
    }
    cs_slice code = cs_cloud_setting(v, "Code", NULL);
    if (role && !cs_slice_is(code, "Success")) {
        return cs_fail(e, CS_ERR_IO, "metadata service query did not succeed: %.*s", CS_FMT(code));
    }
    keep(f, cs_cloud_setting(v, "AccessKeyId", NULL), cs_cloud_setting(v, "SecretAccessKey", NULL),
         cs_cloud_setting(v, "Token", NULL), cs_cloud_setting(v, "Expiration", NULL));
    return CS_OK;
}

static cs_err from_metadata(finder *f, cs_value settings, cs_error *e)
{
    cs_slice role = cs_cloud_setting(settings, "iam_role", NULL),
             region = cs_cloud_setting(settings, "aws_region", NULL);
    if (region.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "at least aws_region must be specified for AWS metadata credential service");
    }
    const char *relative = cs_config_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = cs_config_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    bool container = relative != NULL || full != NULL;
    const char *url =
        role.n != 0 ? cs_arena_printf(f->a, NULL, METADATA "meta-data/iam/security-credentials/%.*s", CS_FMT(role))
        : relative != NULL ? cs_arena_printf(f->a, NULL, "http://169.254.170.2%s", relative)
                           : full;
    if (url == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "metadata endpoint cannot be determined from settings and environment");
    }
    if (!is_kept(f)) {
        cs_slice token, body;
        cs_http_header headers[2];
        size_t n = 0;
        if (full != NULL) {
            CS_TRY(container_token(f, &token, e));
            headers[n++] = (cs_http_header){CS_LIT("Authorization"), token};
        }
        if (!container) {
            CS_TRY(session_token(f, &token, e));
            headers[n++] = (cs_http_header){CS_LIT("X-aws-ec2-metadata-token"), token};
        }
        cs_http_fetch_options options = {.url = url, .headers = headers, .n_headers = n};
        CS_TRY(fetch(f, &options, "metadata", &body, e));
        CS_TRY(take_metadata(f, body, role.n != 0, e));
    }
    use_kept(f, region);
    return CS_OK;
}

/* ---- the token service: a role, by other credentials or by a token of somebody else's */

/* What stands between <name> and </name>. */
static cs_slice element(cs_slice xml, const char *name)
{
    char open[64], shut[64];
    (void)snprintf(open, sizeof open, "<%s>", name);
    (void)snprintf(shut, sizeof shut, "</%s>", name);
    size_t from = cs_slice_find(xml, cs_slice_of(open), 0);
    size_t to = from == SIZE_MAX ? SIZE_MAX : cs_slice_find(xml, cs_slice_of(shut), from);
    return to == SIZE_MAX ? CS_LIT("") : cs_slice_trim(cs_slice_sub(xml, from + strlen(open), to));
}

static void put(cs_buf *form, const char *name, cs_slice value)
{
    cs_buf_text(form, form->n != 0 ? "&" : "");
    cs_buf_text(form, name);
    cs_buf_byte(form, '=');
    cs_percent_encode(form, value);
}

/* The form, in the order of its names. */
static cs_slice make_form(finder *f, const char *action, cs_value settings, cs_slice role, cs_slice token)
{
    cs_slice session = cs_cloud_setting(settings, "session_name", NULL);
    cs_buf form;
    cs_buf_init(&form);
    put(&form, "Action", cs_slice_of(action));
    put(&form, "RoleArn", role);
    put(&form, "RoleSessionName", session.n != 0 ? session : CS_LIT("open-policy-agent"));
    put(&form, "Version", CS_LIT("2011-06-15"));
    if (token.n != 0) {
        put(&form, "WebIdentityToken", token);
    }
    cs_slice text = cs_slice_make(cs_arena_dup(f->a, form.p, form.n), form.n);
    cs_buf_destroy(&form);
    return text;
}

/* `signing`: NULL = the request is not signed. */
static cs_err ask_sts(finder *f, cs_value settings, cs_slice region, cs_slice form, const cs_aws_credentials *signing,
                      cs_error *e)
{
    cs_slice domain = cs_cloud_setting(settings, "aws_domain", "AWS_DOMAIN"), body;
    domain = domain.n != 0 ? domain : CS_LIT("amazonaws.com");
    char *url = cs_arena_printf(f->a, NULL, "https://sts.%.*s.%.*s/", CS_FMT(region), CS_FMT(domain));
    for (char *p = url; *p != '\0'; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    }
    cs_http_header headers[1 + CS_AWS_HEADERS] = {
        {CS_LIT("Content-Type"), CS_LIT("application/x-www-form-urlencoded")}};
    size_t n = 1;
    if (signing != NULL) {
        cs_aws_request request = {"POST", url, headers, 1, form, CS_LIT("sts")};
        n += cs_aws_sign(f->a, &request, signing, cs_time_wall_ns(), headers + 1);
    }
    cs_http_fetch_options options = {.method = "POST", .url = url, .headers = headers, .n_headers = n, .body = form};
    CS_TRY(fetch(f, &options, "STS", &body, e));
    cs_slice c = element(body, "Credentials");
    if (c.n == 0) {
        return cs_fail(e, CS_ERR_IO, "failed to parse credential response from STS service: no credentials");
    }
    keep(f, element(c, "AccessKeyId"), element(c, "SecretAccessKey"), element(c, "SessionToken"),
         element(c, "Expiration"));
    return CS_OK;
}

static cs_err from_web_identity(finder *f, cs_value settings, bool configured, cs_error *e)
{
    /* By itself it takes role and file from the environment alone, as OPA does. */
    cs_slice role = configured ? cs_cloud_setting(settings, "iam_role_arn", NULL) : env("AWS_ROLE_ARN");
    cs_slice file = configured ? cs_cloud_setting(settings, "web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE")
                               : env("AWS_WEB_IDENTITY_TOKEN_FILE");
    cs_slice region = cs_cloud_setting(settings, "aws_region", "AWS_REGION"), token;
    if (configured && role.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "RoleArn must be set in configuration for AWS Web Identity signing plugin");
    }
    CS_TRY(need(role, "AWS_ROLE_ARN", "environment", e));
    CS_TRY(need(file, "AWS_WEB_IDENTITY_TOKEN_FILE", "environment", e));
    CS_TRY(need(region, "AWS_REGION", "environment or configuration", e));
    if (!is_kept(f)) {
        if (read_text(f, file, &token, e) != CS_OK) {
            return cs_fail_in(e, "unable to read web token for sts HTTP request: ");
        }
        CS_TRY(ask_sts(f, settings, region, make_form(f, "AssumeRoleWithWebIdentity", settings, role, token), NULL, e));
    }
    use_kept(f, region);
    return CS_OK;
}

static cs_err signing_credentials(finder *f, cs_value settings, cs_aws_credentials *out, cs_error *e)
{
    cs_value plugin = cs_object_member(settings, "aws_signing");
    if (!cs_is(plugin, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID,
                       "a AWS signing plugin must be specified when AssumeRole credential provider is enabled");
    }
    cs_aws_kept kept;
    cs_aws_kept_init(&kept);
    finder inner = {.a = f->a, .kept = &kept, .stop = f->stop, .out = out};
    cs_value profile = cs_object_member(plugin, "profile_credentials");
    cs_value web = cs_object_member(plugin, "web_identity_credentials");
    cs_value metadata = cs_object_member(plugin, "metadata_credentials");
    cs_err r = cs_is(cs_object_member(plugin, "environment_credentials"), CS_OBJECT) ? from_environment(&inner, e)
               : cs_is(profile, CS_OBJECT)                                           ? from_profile(&inner, profile, e)
               : cs_is(web, CS_OBJECT)      ? from_web_identity(&inner, web, true, e)
               : cs_is(metadata, CS_OBJECT) ? from_metadata(&inner, metadata, e)
                                            : cs_fail(e, CS_ERR_INVALID,
                                                      "unsupported AWS signing plugin with AssumeRole credential "
                                                      "provider");
    cs_aws_kept_destroy(&kept);
    return r;
}

static cs_err from_role(finder *f, cs_value settings, cs_error *e)
{
    cs_slice role = cs_cloud_setting(settings, "iam_role_arn", "AWS_ROLE_ARN");
    cs_slice region = cs_cloud_setting(settings, "aws_region", "AWS_REGION");
    CS_TRY(need(region, "AWS_REGION", "environment or configuration", e));
    CS_TRY(need(role, "AWS_ROLE_ARN", "environment or configuration", e));
    if (!is_kept(f)) {
        cs_aws_credentials signing;
        CS_TRY(signing_credentials(f, settings, &signing, e));
        CS_TRY(ask_sts(f, settings, region, make_form(f, "AssumeRole", settings, role, CS_LIT("")), &signing, e));
    }
    use_kept(f, region);
    return CS_OK;
}

/* ---- all of them */

static cs_err try_source(finder *f, size_t i, cs_value settings, cs_error *e)
{
    switch (i) {
    case 0:
        return from_environment(f, e);
    case 1:
        return from_role(f, settings, e);
    case 2:
        return from_web_identity(f, settings, false, e);
    case 3:
        return from_profile(f, settings, e);
    case 4:
        return from_metadata(f, settings, e);
    default:
        return cs_fail(e, CS_ERR_INVALID, "single sign-on is not supported");
    }
}

cs_err cs_aws_find(cs_arena *a, cs_value settings, cs_aws_kept *kept, const _Atomic bool *stop, cs_aws_credentials *out,
                   cs_error *e)
{
    static const char *const sources[] = {"environment_credentials",  "assume_role_credentials",
                                          "web_identity_credentials", "profile_credentials",
                                          "metadata_credentials",     "sso_credentials"};
    finder f = {.a = a, .kept = kept, .stop = stop, .out = out};
    cs_buf texts;
    cs_buf_init(&texts);
    size_t n = 0;
    cs_err r = CS_ERR_INVALID;
    for (size_t i = 0; r != CS_OK && i < sizeof sources / sizeof *sources; i++) {
        cs_value source = cs_object_member(settings, sources[i]);
        cs_error one = {0};
        if (cs_is(source, CS_OBJECT) && (r = try_source(&f, i, source, &one)) != CS_OK) {
            cs_buf_text(&texts, n++ != 0 ? "\n" : "");
            cs_buf_text(&texts, one.text);
        }
    }
    if (r != CS_OK && n == 0) {
        r = cs_fail(e, CS_ERR_INVALID, "a AWS credential service must be specified when S3 signing is enabled");
    } else if (r != CS_OK) {
        r = cs_fail(e, CS_ERR_IO,
                    "failed to get aws credentials: all AWS credential providers failed: %zu error%s "
                    "occurred:%s%s",
                    n, n == 1 ? "" : "s", n == 1 ? " " : "\n", cs_buf_cstr(&texts));
    }
    cs_buf_destroy(&texts);
    return r;
}
