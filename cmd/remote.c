#include "remote.h"

#include <stdio.h>
#include <string.h>

#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/json.h"
#include "countersign/net.h"

static cs_err read_token(cs_arena *a, const cs_remote *r, cs_slice *out, cs_error *e)
{
    const char *from = cs_config_env("COUNTERSIGN_TOKEN");
    *out = r->token_file == NULL && from != NULL ? cs_slice_of(from) : CS_LIT("");
    if (r->token_file == NULL) {
        return CS_OK;
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(r->token_file, 65536, &bytes, e);
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

static int report_error(cs_arena *a, const char *url, const cs_http_answer *answer)
{
    cs_slice body = cs_buf_view(&answer->body);
    cs_value document = cs_undefined();
    if (cs_json_read(a, body, &(cs_json_options){0}, &document, NULL, NULL) != CS_OK) {
        document = cs_undefined();
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

static const char *whole_url(cs_arena *a, const cs_remote *r, const char *url)
{
    if (url[0] != '/') {
        return url;
    }
    const char *server = r->url != NULL ? r->url : cs_config_env("COUNTERSIGN_URL");
    cs_slice base = cs_slice_of(server != NULL ? server : "http://localhost:8181");
    while (base.n > 0 && base.p[base.n - 1] == '/') {
        base.n--;
    }
    return cs_arena_printf(a, NULL, "%.*s%s", CS_FMT(base), url);
}

int cs_remote_fetch(cs_arena *a, const cs_remote *r, const cs_remote_request *request, cs_http_answer *answer)
{
    cs_error e = {0};
    cs_slice token;
    if (r->timeout < 1 || r->timeout > 86400) {
        return cs_cmd_fail("--timeout must be within 1 and 86400 seconds");
    }
    if (read_token(a, r, &token, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    size_t n;
    char *bearer = cs_arena_printf(a, &n, "Bearer %.*s", CS_FMT(token));
    const char *type = request->content_type != NULL ? request->content_type : "application/json";
    cs_http_header headers[2] = {{CS_LIT("Content-Type"), cs_slice_of(type)},
                                 {CS_LIT("Authorization"), cs_slice_make(bearer, n)}};
    const char *url = whole_url(a, r, request->url);
    cs_http_fetch_options options = {.method = request->method,
                                     .url = url,
                                     .headers = headers,
                                     .n_headers = token.n > 0 ? 2 : 1,
                                     .body = request->body,
                                     .timeout_ns = r->timeout * CS_NS_PER_S,
                                     .ca_file = r->ca_file,
                                     .insecure = r->insecure};
    if (cs_http_fetch(&options, answer, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    if (answer->status >= 200 && answer->status < 300) {
        return 0;
    }
    int status = report_error(a, url, answer);
    cs_http_answer_destroy(answer);
    return status;
}

int cs_remote_print(cs_arena *a, const cs_remote *r, const cs_remote_request *request)
{
    cs_http_answer answer;
    int status = cs_remote_fetch(a, r, request, &answer);
    if (status == 0) {
        cs_slice body = cs_buf_view(&answer.body);
        (void)cs_cmd_write(body);
        if (body.n == 0 || body.p[body.n - 1] != '\n') {
            printf("\n");
        }
        cs_http_answer_destroy(&answer);
    }
    return status;
}

void cs_remote_param(cs_buf *url, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    bool first = memchr(url->p, '?', url->n) == NULL;
    cs_buf_printf(url, "%c%s=", first ? '?' : '&', name);
    cs_percent_encode(url, cs_slice_of(value));
}
