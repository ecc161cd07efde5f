/* Apollo's Router asks as it asks its coprocessors: a JSON document about the client's request comes, of the stage
 * RouterRequest (the body as it came) or SupergraphRequest (the operation, read); it goes on, or it breaks off with a
 * status and GraphQL errors. The reply's own status is 200 for both: any other one is a failure to the Router, which
 * then refuses, too. */
#include "countersign/number.h"
#include "gateway.h"

enum { HEADERS_MAX = 256, ID_MAX = 256 };

/* ---- the call */

static bool is_skipped(cs_slice name)
{
    /* They are about a body on the wire, not about the one that the Router shows. */
    static const char *const names[] = {"content-encoding", "content-length", "transfer-encoding", "x-request-id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_slice_eq_nocase(name, cs_slice_of(names[i]))) {
            return true;
        }
    }
    return false;
}

typedef struct header_list {
    cs_http_header *v;
    size_t n;
} header_list;

static void add(header_list *to, cs_slice name, cs_value value)
{
    if (cs_is(value, CS_STRING) && to->n < HEADERS_MAX) {
        to->v[to->n++] = (cs_http_header){name, cs_text(value)};
    }
}

/* {"accept": ["a", "b"]} as headers; the call's id is that of the request: who tries again has the same one. */
static header_list headers_of(cs_arena *a, cs_value call, bool operation)
{
    header_list out = {.v = cs_arena_array(a, cs_http_header, HEADERS_MAX), .n = 0};
    cs_value headers = cs_object_member(call, "headers"), id = cs_object_member(call, "id");
    if (cs_is(id, CS_STRING) && id.n != 0 && id.n <= ID_MAX) {
        add(&out, CS_LIT("x-request-id"), id);
    }
    if (operation) {
        add(&out, CS_LIT("content-type"), cs_string(CS_LIT("application/json")));
    }
    for (uint32_t i = 0; cs_is(headers, CS_OBJECT) && i < cs_count(headers); i++) {
        cs_value v, key = cs_entry(headers, i, &v);
        cs_slice name = cs_is(key, CS_STRING) ? cs_text(key) : CS_LIT("x-request-id");
        if (is_skipped(name) || (operation && cs_slice_eq_nocase(name, CS_LIT("content-type")))) {
            continue;
        }
        for (uint32_t k = 0; cs_is(v, CS_ARRAY) && k < v.n; k++) {
            add(&out, name, v.u.items[k]);
        }
        add(&out, name, v);
    }
    return out;
}

static cs_slice text_of(cs_value call, const char *name, cs_slice otherwise)
{
    cs_value v = cs_object_member(call, name);
    return cs_is(v, CS_STRING) ? cs_text(v) : otherwise;
}

/* The client's own token, where a gateway that may speak for clients calls. */
static void find_end_user(cs_server__request *r)
{
    const cs_slice *header = cs_server__header(r, "authorization");
    if (r->server->identity == NULL || header == NULL || !cs_server__caller_has_role(r, "gateway")) {
        return;
    }
    cs_slice scheme, rest = cs_slice_trim(*header);
    if (cs_slice_next(&rest, ' ', &scheme) && cs_slice_eq_nocase(scheme, CS_LIT("bearer"))) {
        cs_error e = {0};
        r->caller.end_user = cs_server__caller_of(r, cs_slice_trim(rest), &e);
    }
}

/* From here on the request is the one that the Router holds. */
static void take_over(cs_server__request *r, cs_value call, bool operation)
{
    cs_value body = cs_object_member(call, "body");
    cs_http_request *inner = cs_arena_new(r->arena, cs_http_request);
    *inner = *r->http;
    header_list headers = headers_of(r->arena, call, operation);
    inner->headers = headers.v;
    inner->n_headers = headers.n;
    inner->body = cs_is(body, CS_STRING) ? cs_text(body) : CS_LIT("");
    if (operation && cs_is(body, CS_OBJECT)) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, body, 0);
        inner->body = cs_slice_make(cs_arena_dup(r->arena, text.p, text.n), text.n);
        cs_buf_destroy(&text);
    }
    inner->has_body = inner->body.n != 0;
    r->http = inner;
    const cs_slice *host = cs_server__header(r, "host");
    inner->host = host != NULL ? *host : CS_LIT("");
}

void cs_server__gateway_apollo(cs_server__request *r)
{
    cs_value call;
    cs_error e;
    if (cs_json_read(r->arena, r->http->body, NULL, &call, NULL, &e) != CS_OK || !cs_is(call, CS_OBJECT)) {
        cs_server__fail(r, 400, "invalid_coprocessor_request", "the body must be the JSON of a coprocessor's request");
        return;
    }
    cs_value version = cs_object_member(call, "version");
    cs_slice stage = text_of(call, "stage", CS_LIT(""));
    bool operation = cs_slice_is(stage, "SupergraphRequest");
    int64_t n;
    if (!cs_is(version, CS_NUMBER) || !cs_number_is_int(version, &n) || n != 1) {
        cs_server__fail(r, 400, "invalid_coprocessor_request", "version must be 1");
        return;
    }
    if (!operation && !cs_slice_is(stage, "RouterRequest")) {
        cs_server__fail(r, 400, "invalid_coprocessor_request",
                        "stage must be RouterRequest or SupergraphRequest: decisions are made before anything runs");
        return;
    }
    r->id = CS_LIT(""); /* the call's is the one */
    take_over(r, call, operation);
    find_end_user(r);
    cs_slice target = text_of(call, "path", text_of(call, "uri", CS_LIT("/")));
    size_t mark = cs_slice_find_byte(target, '?', 0);
    /* An operation that was read counts, wherever it had come from. */
    bool whole = mark == SIZE_MAX || (operation && r->http->body.n != 0);
    cs_server__gateway g = {.kind = "apollo",
                            .method = text_of(call, "method", CS_LIT("POST")),
                            .path = cs_slice_sub(target, 0, mark),
                            .query = whole ? CS_LIT("") : cs_slice_sub(target, mark + 1, target.n),
                            .call = call};
    cs_server__gateway_ask(r, &g);
}

/* ---- the reply */

static void copy(cs_arena *a, cs_value to, cs_value from, const char *name)
{
    cs_value v = cs_object_member(from, name);
    if (!cs_is_undefined(v)) {
        cs_object_put_text(a, to, name, v);
    }
}

/* What the Router wants back unchanged. */
static cs_value reply_to(cs_arena *a, cs_value call)
{
    cs_value reply = cs_object_new(a, 6);
    copy(a, reply, call, "id");
    copy(a, reply, call, "stage");
    copy(a, reply, call, "version");
    return reply;
}

/* Each with its one value, beside those that stay. */
static cs_value with_headers(cs_arena *a, cs_value given, cs_value more)
{
    cs_value out = cs_is(given, CS_OBJECT) ? cs_object_clone(a, given, cs_count(more)) : cs_object_new(a, 4);
    for (uint32_t i = 0; i < cs_count(more); i++) {
        cs_value v, key = cs_entry(more, i, &v);
        cs_object_put(a, out, key, cs_array_copy(a, &v, 1));
    }
    return out;
}

void cs_server__apollo_continue(cs_server__request *r, cs_value call, cs_value headers)
{
    cs_value reply = reply_to(r->arena, call), given = cs_object_member(call, "headers");
    cs_object_put_text(r->arena, reply, "control", cs_string(CS_LIT("continue")));
    /* Headers that are sent back replace all: without those that came nothing can be added. */
    if (cs_is(given, CS_OBJECT) && cs_count(headers) != 0) {
        cs_object_put_text(r->arena, reply, "headers", with_headers(r->arena, given, headers));
    }
    cs_json_write(cs_http_body(r->x), reply, 0);
}

static cs_value one_error(cs_arena *a, const char *message, cs_value extensions)
{
    cs_value error = cs_object_new(a, 2), body = cs_object_new(a, 1);
    cs_object_put_text(a, error, "message", cs_string(cs_slice_of(message)));
    cs_object_put_text(a, error, "extensions", extensions);
    cs_object_put_text(a, body, "errors", cs_array_copy(a, &error, 1));
    return body;
}

cs_value cs_server__apollo_error(cs_server__request *r, const char *code, const char *message)
{
    cs_value extensions = cs_object_new(r->arena, 1);
    cs_object_put_text(r->arena, extensions, "code", cs_string(cs_slice_of(code)));
    return one_error(r->arena, message, extensions);
}

/* The policy's own GraphQL answer, if its body is one; otherwise its reasons as one error. */
static cs_value errors_of(cs_server__request *r, cs_value result)
{
    cs_arena *a = r->arena;
    cs_value body = cs_object_member(result, "body"), parsed;
    if (cs_is(body, CS_STRING) && cs_json_read(a, cs_text(body), NULL, &parsed, NULL, NULL) == CS_OK) {
        body = parsed;
    }
    if (cs_is(cs_object_member(body, "errors"), CS_ARRAY)) {
        return body;
    }
    cs_value reasons = cs_object_member(result, "reasons"), first = cs_undefined();
    if ((cs_is(reasons, CS_ARRAY) || cs_is(reasons, CS_SET)) && cs_count(reasons) != 0) {
        first = cs_is(reasons, CS_ARRAY) ? reasons.u.items[0] : cs_entry(reasons, 0, NULL);
    }
    cs_value code = cs_object_member(first, "code"), extensions = cs_object_new(a, 3);
    cs_object_put_text(a, extensions, "code", cs_is(code, CS_STRING) ? code : cs_string(CS_LIT("forbidden")));
    copy(a, extensions, result, "reasons");
    copy(a, extensions, result, "approval");
    return one_error(a, "refused by policy", extensions);
}

void cs_server__apollo_break(cs_server__request *r, cs_value call, int status, cs_value body, cs_value headers)
{
    cs_arena *a = r->arena;
    cs_value reply = reply_to(a, call), control = cs_object_new(a, 1);
    cs_object_put_text(a, control, "break", cs_int(status));
    cs_object_put_text(a, reply, "control", control);
    cs_value errors = cs_is(cs_object_member(body, "errors"), CS_ARRAY) ? body : errors_of(r, body);
    if (cs_slice_is(text_of(call, "stage", CS_LIT("")), "RouterRequest")) {
        cs_buf text; /* there a body is a text */
        cs_buf_init(&text);
        cs_json_write(&text, errors, 0);
        errors = cs_string(cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n));
        cs_buf_destroy(&text);
    }
    cs_object_put_text(a, reply, "body", errors);
    if (cs_is(headers, CS_OBJECT) && cs_count(headers) != 0) {
        cs_object_put_text(a, reply, "headers", with_headers(a, cs_undefined(), headers));
    }
    cs_json_write(cs_http_body(r->x), reply, 0);
}
