/* Replies in OPA's shapes: JSON with Go's escapes and one newline at the end; errors always indented. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/gzip.h"
#include "access_log.h"
#include "grpc.h"

/* gzip for whoever accepts it, where OPA does it: long answers of the data and compile APIs. */
static void compress(cs_server__request *r)
{
    cs_http_add_header(r->x, "Vary", CS_LIT("Accept-Encoding"));
    const cs_config *c = r->server->o.config;
    cs_buf *body = cs_http_body(r->x);
    const cs_slice *accepted = cs_server__header(r, "Accept-Encoding");
    if (accepted == NULL || body->n < c->server.encoding_gzip_min_length) {
        return;
    }
    bool yes = false;
    cs_slice rest = *accepted, piece;
    while (cs_slice_next(&rest, ',', &piece)) {
        cs_slice name = piece;
        cs_slice params = CS_LIT("");
        size_t at = cs_slice_find_byte(piece, ';', 0);
        if (at != SIZE_MAX) {
            name = cs_slice_sub(piece, 0, at);
            params = cs_slice_trim(cs_slice_sub(piece, at + 1, piece.n));
        }
        bool zero = cs_slice_eq(params, CS_LIT("q=0")) || cs_slice_starts(params, CS_LIT("q=0.0")) ||
                    cs_slice_eq(params, CS_LIT("q=0."));
        yes |= cs_slice_eq_nocase(cs_slice_trim(name), CS_LIT("gzip")) && !zero;
    }
    if (yes) {
        cs_buf packed;
        cs_buf_init(&packed);
        cs_gzip_deflate(cs_buf_view(body), c->server.encoding_gzip_level, &packed);
        cs_buf plain = *body;
        *body = packed;
        cs_buf_destroy(&plain);
        cs_http_add_header(r->x, "Content-Encoding", CS_LIT("gzip"));
    }
}

void cs_server__send(cs_server__request *r, int status, const char *content_type)
{
    cs_server__eval_end(r);
    r->status = status;
    r->content_type = content_type;
    if (r->on_control) {
        return; /* the job's end sends it */
    }
    if (r->server->o.audit != NULL && cs_server__audit_holds(r)) {
        return;
    }
    bool ours = r->route != NULL && (r->route->flags & CS_ROUTE_OWN) != 0;
    if (r->id.n != 0 || ours || cs_server__header(r, "X-Request-Id") != NULL) {
        cs_http_add_header(r->x, "X-Request-Id", cs_server__request_id(r));
    }
    cs_server__log_reply_body(r);
    if (r->route != NULL && (r->route->flags & CS_ROUTE_GZIP) != 0 && r->grpc == NULL) {
        compress(r);
    }
    r->w->current = NULL;
    if (r->grpc != NULL) {
        cs_server__grpc_reply(r, status, content_type);
        return;
    }
    cs_http_reply(r->x, status, content_type);
}

void cs_server__send_empty(cs_server__request *r, int status)
{
    cs_buf_clear(cs_http_body(r->x));
    cs_server__send(r, status, NULL);
}

void cs_server__send_text(cs_server__request *r, int status, const char *text)
{
    cs_buf *body = cs_http_body(r->x);
    cs_buf_clear(body);
    cs_buf_text(body, text);
    cs_server__send(r, status, "text/plain; charset=utf-8");
}

/* ---- objects */

void cs_server__object(cs_server__request *r, bool indent)
{
    r->fields = 0;
    r->indent = indent;
    cs_buf_byte(cs_http_body(r->x), '{');
}

static cs_buf *begin_field(cs_server__request *r, const char *name)
{
    cs_buf *b = cs_http_body(r->x);
    if (r->fields++ != 0) {
        cs_buf_byte(b, ',');
    }
    cs_buf_text(b, r->indent ? "\n  \"" : "\"");
    cs_buf_text(b, name);
    cs_buf_text(b, r->indent ? "\": " : "\":");
    return b;
}

static void write_field(cs_server__request *r, const char *name, cs_value v, unsigned flags)
{
    cs_buf *b = begin_field(r, name);
    if (!r->indent) {
        cs_json_write(b, v, flags);
        return;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, v, flags | CS_JSON_PRETTY);
    for (size_t i = 0; i < text.n; i++) {
        cs_buf_byte(b, text.p[i]);
        if (text.p[i] == '\n') {
            cs_buf_text(b, "  "); /* one level deeper; a line break within a string would be escaped */
        }
    }
    cs_buf_destroy(&text);
}

void cs_server__field(cs_server__request *r, const char *name, cs_value v)
{
    write_field(r, name, v, CS_JSON_HTML);
}

void cs_server__field_as_made(cs_server__request *r, const char *name, cs_value v)
{
    write_field(r, name, v, CS_JSON_HTML | CS_JSON_AS_MADE);
}

void cs_server__field_text(cs_server__request *r, const char *name, cs_slice text)
{
    cs_json_write_string(begin_field(r, name), text, CS_JSON_HTML);
}

void cs_server__object_end(cs_server__request *r)
{
    cs_buf_text(cs_http_body(r->x), r->indent && r->fields != 0 ? "\n}\n" : "}\n");
}

void cs_server__send_value(cs_server__request *r, int status, cs_value v)
{
    cs_buf *b = cs_http_body(r->x);
    cs_buf_clear(b);
    cs_json_write(b, v, r->pretty ? CS_JSON_HTML | CS_JSON_PRETTY : CS_JSON_HTML);
    cs_buf_byte(b, '\n');
    cs_server__send(r, status, "application/json");
}

/* ---- errors */

static void fail(cs_server__request *r, int status, const char *code, cs_slice message, cs_value errors)
{
    cs_server__audit_failure(r, status, code, message);
    cs_buf_clear(cs_http_body(r->x));
    cs_server__object(r, true);
    cs_server__field_text(r, "code", cs_slice_of(code));
    cs_server__field_text(r, "message", message);
    if (!cs_is_undefined(errors)) {
        cs_server__field_as_made(r, "errors", errors);
    }
    cs_server__object_end(r);
    cs_server__send(r, status, "application/json");
}

void cs_server__fail(cs_server__request *r, int status, const char *code, const char *format, ...)
{
    cs_buf text;
    cs_buf_init(&text);
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = cs_buf_room(&text, (size_t)n + 1);
    (void)vsnprintf(to, (size_t)n + 1, format, again);
    va_end(again);
    text.n = (size_t)n;
    fail(r, status, code, cs_buf_view(&text), cs_undefined());
    cs_buf_destroy(&text);
}

void cs_server__fail_list(cs_server__request *r, int status, const char *code, const char *message, cs_value errors)
{
    fail(r, status, code, cs_slice_of(message), errors);
}

void cs_server__fail_auto(cs_server__request *r, const cs_error *e)
{
    /* The cases of OPA's writer.ErrorAuto; whatever else it is, is the server's fault. */
    static const struct {
        cs_err err;
        int status;
        const char *code;
    } cases[] = {
        {CS_ERR_INVALID, 400, "invalid_parameter"},          {CS_ERR_LIMIT, 400, "invalid_parameter"},
        {CS_ERR_SYNTAX, 400, "invalid_parameter"},           {CS_ERR_CONFLICT, 404, "resource_conflict"},
        {CS_ERR_STORAGE_CONFLICT, 404, "resource_conflict"}, {CS_ERR_STORAGE_NOT_FOUND, 404, "resource_not_found"},
        {CS_ERR_NOT_FOUND, 404, "resource_not_found"},
    };
    int status = 500;
    const char *code = "internal_error";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].err == e->code) {
            status = cases[i].status;
            code = cases[i].code;
        }
    }
    cs_server__fail(r, status, code, "%s", e->text);
}

static cs_value error_item(cs_server__request *r, const cs_error *e)
{
    cs_arena *a = r->arena;
    cs_value item = cs_object_new(a, 4);
    cs_object_put_text(a, item, "code", cs_string(cs_slice_of(cs_err_name(e->code))));
    cs_object_put_text(a, item, "message", cs_string_copy(a, cs_slice_of(e->text)));
    if (e->row != 0) {
        cs_value at = cs_object_new(a, 3);
        cs_object_put_text(a, at, "file", cs_string_copy(a, cs_slice_of(e->file)));
        cs_object_put_text(a, at, "row", cs_int(e->row));
        cs_object_put_text(a, at, "col", cs_int(e->col));
        cs_object_put_text(a, item, "location", at);
        cs_object_put_text(a, item, "stack_trace", cs_server__stack(r, at));
    }
    return item;
}

void cs_server__fail_eval(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    if (v->not_prepared) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, v->errors);
        cs_server__fail(r, 500, "internal_error", "%.*s", CS_FMT(cs_buf_view(&text)));
        cs_buf_destroy(&text);
        return;
    }
    cs_value item = error_item(r, &v->error);
    cs_server__fail_list(r, 500, "internal_error", "error(s) occurred while evaluating query",
                         cs_array_copy(r->arena, &item, 1));
}

/* ---- after the journal */

static void go_on(void *self)
{
    cs_server__request *r = self;
    if (r->at != 0) {
        cs_server__fail(r, 503, "journal_unavailable", "the journal took nothing; try again");
    } else {
        r->job(r);
    }
}

void cs_server__when_recorded(void *request, const cs_error *error)
{
    cs_server__request *r = request;
    r->at = error != NULL;
    cs_loop_post(r->w->loop, go_on, r);
}

void cs_server__send_data(cs_server__request *r)
{
    cs_server__send_value(r, 200, *(const cs_value *)r->data);
}
