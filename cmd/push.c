/* push: sends a bundle to a running server and tells what became of it. */
#include "cmd.h"

#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/json.h"
#include "countersign/net.h"

typedef struct flags {
    const char *to, *token_file, *ca_file;
    bool insecure;
    int64_t timeout;
} flags;

/* "http://host:8181/name" and "http://host:8181/v1/bundles/name" mean the same. */
static cs_err target(cs_arena *a, const char *to, const char **out, cs_error *e)
{
    cs_slice url = cs_slice_of(to);
    cs_slice query = CS_LIT("");
    size_t mark = cs_slice_find_byte(url, '?', 0);
    if (mark != SIZE_MAX) {
        query = cs_slice_sub(url, mark, url.n);
        url.n = mark;
    }
    size_t host = cs_slice_find(url, CS_LIT("://"), 0);
    if (host == SIZE_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "--to must be <url>/<name>, for example http://localhost:8181/%.*s",
                       CS_FMT(url));
    }
    size_t slash = url.n;
    while (slash > host + 3 && url.p[slash - 1] != '/') {
        slash--;
    }
    if (slash <= host + 3 || slash == url.n) {
        return cs_fail(e, CS_ERR_INVALID, "--to must end in the bundle's name: <url>/<name>");
    }
    cs_slice base = cs_slice_sub(url, 0, slash - 1), name = cs_slice_sub(url, slash, url.n);
    bool whole = cs_slice_ends(base, CS_LIT("/v1/bundles"));
    *out = cs_arena_printf(a, NULL, "%.*s%s/%.*s%.*s", CS_FMT(base), whole ? "" : "/v1/bundles", CS_FMT(name),
                           CS_FMT(query));
    return CS_OK;
}

static cs_err read_token(cs_arena *a, const flags *f, cs_slice *out, cs_error *e)
{
    const char *from = cs_config_env("COUNTERSIGN_TOKEN");
    *out = f->token_file == NULL && from != NULL ? cs_slice_of(from) : CS_LIT("");
    if (f->token_file == NULL) {
        return CS_OK;
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(f->token_file, 65536, &bytes, e);
    if (err == CS_OK) {
        cs_slice token = cs_slice_trim(cs_buf_view(&bytes));
        *out = cs_slice_make(cs_arena_dup(a, token.p, token.n), token.n);
    }
    cs_buf_destroy(&bytes);
    return err;
}

static cs_slice member(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

/* Prints the server's answer; 0 when the bundle is active. */
static int report(cs_arena *a, const char *url, const cs_http_answer *answer)
{
    cs_slice body = cs_buf_view(&answer->body);
    cs_value document = cs_undefined();
    if (cs_json_read(a, body, &(cs_json_options){0}, &document, NULL, NULL) != CS_OK) {
        document = cs_undefined();
    }
    if (answer->status >= 200 && answer->status < 300) {
        (void)cs_cmd_write(body);
        if (body.n == 0 || body.p[body.n - 1] != '\n') {
            printf("\n");
        }
        return 0;
    }
    cs_slice code = member(document, "code"), message = member(document, "message");
    if (code.n == 0) {
        return cs_cmd_fail("%s answered %d %s", url, answer->status, cs_http_status_text(answer->status));
    }
    (void)cs_cmd_fail("%d %.*s: %.*s", answer->status, CS_FMT(code), CS_FMT(message));
    const cs_value *errors = cs_object_get_text(document, "errors");
    if (errors != NULL && cs_is(*errors, CS_ARRAY)) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, *errors, CS_JSON_PRETTY);
        fprintf(stderr, "%s\n", cs_buf_cstr(&text));
        cs_buf_destroy(&text);
    }
    return 1;
}

static int send(cs_arena *a, const char *path, const flags *f)
{
    cs_error e = {0};
    cs_slice token;
    const char *url = NULL;
    if (target(a, f->to, &url, &e) != CS_OK || read_token(a, f, &token, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    if (cs_file_read(path, (size_t)cs_limits_get()->bundle_archive_bytes, &bytes, &e) != CS_OK) {
        cs_buf_destroy(&bytes);
        return cs_cmd_fail_error(&e);
    }
    size_t n;
    char *bearer = cs_arena_printf(a, &n, "Bearer %.*s", CS_FMT(token));
    cs_http_header headers[2] = {{CS_LIT("Content-Type"), CS_LIT("application/gzip")},
                                 {CS_LIT("Authorization"), cs_slice_make(bearer, n)}};
    cs_http_fetch_options options = {.method = "PUT",
                                     .url = url,
                                     .headers = headers,
                                     .n_headers = token.n > 0 ? 2 : 1,
                                     .body = cs_buf_view(&bytes),
                                     .timeout_ns = f->timeout * CS_NS_PER_S,
                                     .ca_file = f->ca_file,
                                     .insecure = f->insecure};
    cs_http_answer answer;
    int status;
    if (cs_http_fetch(&options, &answer, &e) != CS_OK) {
        status = cs_cmd_fail_error(&e);
    } else {
        status = report(a, url, &answer);
        cs_http_answer_destroy(&answer);
    }
    cs_buf_destroy(&bytes);
    return status;
}

int cs_cmd_push(int argc, char **argv)
{
    flags f = {.timeout = 60};
    const cs_arg args[] = {
        {"to", 0, CS_ARG_STRING, &f.to, NULL, "<url>/<name> of the bundle on the server", NULL},
        {"token-file", 0, CS_ARG_STRING, &f.token_file, NULL, "file with the bearer token (or COUNTERSIGN_TOKEN)",
         NULL},
        {"ca-file", 0, CS_ARG_STRING, &f.ca_file, NULL, "certificates to trust instead of the system's", NULL},
        {"insecure", 0, CS_ARG_BOOL, &f.insecure, NULL, "do not verify the server's certificate", NULL},
        {"timeout", 0, CS_ARG_INT, &f.timeout, NULL, "seconds to wait for the answer", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    if (status != -1) {
        /* said already */
    } else if (paths.n != 1 || f.to == NULL) {
        status = cs_cmd_fail("specify exactly one bundle and --to <url>/<name>");
    } else if (f.timeout < 1 || f.timeout > 86400) {
        status = cs_cmd_fail("--timeout must be within 1 and 86400 seconds");
    } else {
        status = send(&a, paths.v[0], &f);
    }
    cs_arena_destroy(&a);
    return status;
}
