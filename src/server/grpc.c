/* Envoy's envoy.service.auth.v3.Authorization/Check. A check becomes the request that Envoy would have sent over HTTP
 * (gateway.c), so that callers, roles, effects and answers are the same; its answer becomes a CheckResponse. Numbers of
 * fields: Envoy's service/auth/v3/{external_auth,attribute_context}.proto, config/core/v3/base.proto.
 *
 * Of what the gateway says about itself only the call's own metadata counts (`initial_metadata` of Envoy's
 * configuration): Envoy hands on all headers of its client, so x-countersign-* among those are left out. */
#include <stdio.h>

#include "countersign/base/protobuf.h"
#include "grpc.h"

enum {
    PREFIX = 5, /* of a message: is it compressed, and its length */
    GRPC_OK = 0,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID = 3,
    GRPC_DENIED = 7,
    GRPC_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};

static const char own_prefix[] = "x-countersign-";

/* ---- the call's end */

/* Percent-encoded as grpc-message is; no longer than helps. */
static cs_slice encode_message(cs_arena *a, cs_slice text)
{
    size_t n = text.n < 512 ? text.n : 512, k = 0;
    char *out = cs_arena_alloc(a, n * 3 + 1);
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        if (c >= 0x20 && c < 0x7F && c != '%') {
            out[k++] = (char)c;
        } else {
            k += (size_t)snprintf(out + k, 4, "%%%02X", c);
        }
    }
    return cs_slice_make(out, k);
}

static void end_call(cs_server__request *r, int code, cs_slice message)
{
    char number[12];
    int n = snprintf(number, sizeof number, "%d", code);
    cs_http_clear_headers(r->x);
    cs_http_add_trailer(r->x, "grpc-status", cs_slice_make(number, (size_t)n));
    if (message.n != 0) {
        cs_http_add_trailer(r->x, "grpc-message", encode_message(r->arena, message));
    }
    cs_http_reply(r->x, 200, "application/grpc");
}

static void fail_call(cs_server__request *r, int code, const char *why)
{
    cs_buf_clear(cs_http_body(r->x));
    r->w->current = NULL;
    end_call(r, code, cs_slice_of(why));
}

/* ---- CheckRequest */

/* The last field of that number whose value is bytes; "" without one, or where the message is none. */
static cs_slice find(cs_slice message, uint32_t number)
{
    cs_slice found = {"", 0};
    cs_pb_field field;
    bool bad = false;
    while (cs_pb_next(&message, &field, &bad)) {
        if (field.number == number && field.wire == CS_PB_BYTES) {
            found = field.bytes;
        }
    }
    return bad ? (cs_slice){"", 0} : found;
}

typedef struct check {
    cs_http_request *request;
    cs_http_header *headers;
    size_t n, cap;
    cs_slice target;
} check;

static void add_header(check *c, cs_slice name, cs_slice value)
{
    if (c->n < c->cap && name.n != 0 && name.p[0] != ':') {
        c->headers[c->n++] = (cs_http_header){name, value};
    }
}

/* A member of map<string, string>. */
static void take_header(check *c, cs_slice entry)
{
    cs_slice name = find(entry, 1);
    cs_slice start = cs_slice_sub(name, 0, sizeof own_prefix - 1);
    if (!cs_slice_eq_nocase(start, cs_slice_make(own_prefix, sizeof own_prefix - 1))) {
        add_header(c, name, find(entry, 2));
    }
}

/* AttributeContext.HttpRequest */
static bool take_http(check *c, cs_slice message)
{
    cs_pb_field f;
    bool bad = false;
    while (cs_pb_next(&message, &f, &bad)) {
        if (f.wire != CS_PB_BYTES) {
            continue;
        }
        switch (f.number) {
        case 2:
            c->request->method = f.bytes;
            break;
        case 3:
            take_header(c, f.bytes);
            break;
        case 4:
            c->target = f.bytes;
            break;
        case 5:
            c->request->host = f.bytes;
            break;
        case 11:
        case 12:
            if (f.bytes.n != 0) {
                c->request->body = f.bytes;
            }
            break;
        default:
            break;
        }
    }
    return !bad;
}

static bool is_whole(cs_slice message)
{
    cs_pb_field f;
    bool bad = false;
    while (cs_pb_next(&message, &f, &bad)) {
    }
    return !bad;
}

static size_t count_headers(cs_slice http)
{
    size_t n = 0;
    cs_pb_field f;
    bool bad = false;
    while (cs_pb_next(&http, &f, &bad)) {
        n += f.number == 3;
    }
    return n;
}

/* The path as the HTTP profile has it. */
static void set_path(cs_server__request *r, check *c)
{
    size_t mark = cs_slice_find_byte(c->target, '?', 0);
    cs_slice path = cs_slice_sub(c->target, 0, mark);
    static const char at[] = CS_SERVER__GATEWAY_ENVOY;
    char *whole = cs_arena_alloc(r->arena, sizeof at + path.n);
    memcpy(whole, at, sizeof at - 1);
    memcpy(whole + sizeof at - 1, path.p, path.n);
    c->request->path = cs_slice_make(whole, sizeof at - 1 + path.n);
    c->request->query = mark == SIZE_MAX ? CS_LIT("") : cs_slice_sub(c->target, mark + 1, c->target.n);
}

/* What the gateway says of itself: the metadata of the call. */
static void take_metadata(check *c, const cs_http_request *call)
{
    for (size_t i = 0; i < call->n_headers; i++) {
        cs_slice start = cs_slice_sub(call->headers[i].name, 0, sizeof own_prefix - 1);
        if (cs_slice_is(start, own_prefix)) {
            add_header(c, call->headers[i].name, call->headers[i].value);
        }
    }
}

static bool read_check(cs_server__request *r, cs_slice message)
{
    cs_slice attributes = find(message, 1);
    cs_slice request = find(attributes, 4), http = find(request, 2);
    if (http.n == 0 || !is_whole(message) || !is_whole(attributes) || !is_whole(request)) {
        return false;
    }
    check c = {.request = cs_arena_new(r->arena, cs_http_request), .cap = count_headers(http) + r->http->n_headers};
    c.headers = cs_arena_array(r->arena, cs_http_header, c.cap + 1);
    *c.request = *r->http;
    c.request->body = c.request->host = CS_LIT("");
    c.request->method = CS_LIT("GET");
    c.target = CS_LIT("/");
    if (!take_http(&c, http) || c.target.n == 0 || c.target.p[0] != '/') {
        return false;
    }
    take_metadata(&c, r->http);
    set_path(r, &c);
    c.request->headers = c.headers;
    c.request->n_headers = c.n;
    c.request->has_body = c.request->body.n != 0;
    c.request->body_bytes = c.request->body.n;
    r->grpc->principal = find(find(attributes, 1), 4);
    r->grpc->attributes = attributes;
    r->http = c.request;
    return true;
}

bool cs_server__grpc_takes(const cs_http_request *http)
{
    const cs_slice *type = http->http2 ? cs_http_find(http, "content-type") : NULL;
    return type != NULL && cs_slice_starts(*type, CS_LIT("application/grpc"));
}

bool cs_server__grpc_enter(cs_server__request *r)
{
    r->grpc = cs_arena_new(r->arena, cs_server__grpc);
    if (!cs_slice_is(r->http->path, "/envoy.service.auth.v3.Authorization/Check")) {
        fail_call(r, GRPC_UNIMPLEMENTED, "there is only envoy.service.auth.v3.Authorization/Check");
        return false;
    }
    if (r->http->body_too_large) {
        fail_call(r, GRPC_EXHAUSTED, "the message is too large");
        return false;
    }
    cs_slice body = r->http->body;
    if (body.n < PREFIX) {
        fail_call(r, GRPC_INVALID, "no message");
        return false;
    }
    if (body.p[0] != 0) {
        fail_call(r, GRPC_UNIMPLEMENTED, "compressed messages are not read");
        return false;
    }
    size_t length = 0;
    for (size_t i = 1; i < PREFIX; i++) {
        length = length << 8 | (uint8_t)body.p[i];
    }
    if (length != body.n - PREFIX || !read_check(r, cs_slice_sub(body, PREFIX, body.n))) {
        fail_call(r, GRPC_INVALID, "the message is no CheckRequest");
        return false;
    }
    return true;
}

cs_value cs_server__grpc_context(cs_server__request *r)
{
    cs_value out = cs_object_new(r->arena, 2);
    cs_slice rest = r->grpc->attributes;
    cs_pb_field f;
    bool bad = false;
    while (cs_pb_next(&rest, &f, &bad)) {
        if (f.number == 10 && f.wire == CS_PB_BYTES) {
            cs_object_put(r->arena, out, cs_string_copy(r->arena, find(f.bytes, 1)),
                          cs_string_copy(r->arena, find(f.bytes, 2)));
        }
    }
    return cs_count(out) != 0 ? out : cs_undefined();
}

/* ---- CheckResponse */

/* core.v3.HeaderValueOption: it replaces what a client may have sent under that name. */
static void put_option(cs_buf *out, cs_slice name, cs_slice value)
{
    size_t option = cs_pb_begin(out, 2), header = cs_pb_begin(out, 1);
    cs_pb_put_text(out, 1, name);
    cs_pb_put_text(out, 2, value);
    cs_pb_end(out, header);
    cs_pb_put_number(out, 3, 2); /* OVERWRITE_IF_EXISTS_OR_ADD */
    cs_pb_end(out, option);
}

/* About the call, not for the client or the upstream. */
static bool is_of_the_call(cs_slice name)
{
    static const char *const names[] = {"Vary", "X-Request-Id", "Content-Encoding", "X-Content-Type-Options"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_slice_eq_nocase(name, cs_slice_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static void put_options(cs_buf *out, cs_slice lines)
{
    cs_slice line;
    while (cs_slice_next(&lines, '\n', &line)) {
        size_t colon = cs_slice_find_byte(line, ':', 0);
        cs_slice name = cs_slice_sub(line, 0, colon);
        if (colon != SIZE_MAX && !is_of_the_call(name)) {
            put_option(out, name, cs_slice_trim(cs_slice_sub(line, colon + 1, line.n)));
        }
    }
}

/* Struct {decision_id}, for Envoy's access log. */
static void put_metadata(cs_buf *out, const cs_server__request *r)
{
    if (r->decision_id[0] == 0) {
        return;
    }
    size_t metadata = cs_pb_begin(out, 4), entry = cs_pb_begin(out, 1);
    cs_pb_put_text(out, 1, CS_LIT("decision_id"));
    size_t value = cs_pb_begin(out, 2);
    cs_pb_put_text(out, 3, cs_slice_of(r->decision_id));
    cs_pb_end(out, value);
    cs_pb_end(out, entry);
    cs_pb_end(out, metadata);
}

static void put_answer(cs_buf *out, const cs_server__request *r, int status, const char *content_type, cs_slice body)
{
    size_t about = cs_pb_begin(out, 1);
    if (status != 200) {
        cs_pb_put_number(out, 1, status == 401 ? GRPC_UNAUTHENTICATED : GRPC_DENIED);
    }
    cs_pb_end(out, about);
    size_t part = cs_pb_begin(out, status == 200 ? 3 : 2);
    if (status != 200) {
        size_t code = cs_pb_begin(out, 1);
        cs_pb_put_number(out, 1, status);
        cs_pb_end(out, code);
        if (content_type != NULL) {
            put_option(out, CS_LIT("content-type"), cs_slice_of(content_type));
        }
    }
    put_options(out, cs_http_headers(r->x));
    if (status != 200) {
        cs_pb_put_text(out, 3, body);
    }
    cs_pb_end(out, part);
    put_metadata(out, r);
}

/* Nobody asked the policy: what the HTTP status says of the call itself. */
static int code_of(int status)
{
    switch (status) {
    case 400:
    case 413:
        return GRPC_INVALID;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_DENIED;
    case 404:
    case 405:
        return GRPC_UNIMPLEMENTED;
    case 503:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

void cs_server__grpc_reply(cs_server__request *r, int status, const char *content_type)
{
    cs_buf *body = cs_http_body(r->x);
    if (!r->grpc->asked) {
        cs_slice why = cs_slice_of(cs_http_status_text(status));
        cs_buf_clear(body);
        end_call(r, code_of(status), why);
        return;
    }
    cs_buf message;
    cs_buf_init(&message);
    put_answer(&message, r, status, content_type, cs_buf_view(body));
    char prefix[PREFIX] = {0, (char)(message.n >> 24), (char)(message.n >> 16), (char)(message.n >> 8),
                           (char)message.n};
    cs_buf_clear(body);
    cs_buf_put(body, prefix, sizeof prefix);
    cs_buf_slice(body, cs_buf_view(&message));
    cs_buf_destroy(&message);
    end_call(r, GRPC_OK, CS_LIT(""));
}
