/* May the caller do this? OPA's contract: the authorization decision (default data.system.authz.allow) is asked with
 * the request as input; true or {"allowed": true} lets it pass. With `identity` configured the input has `caller` too,
 * and our own endpoints ask even without --authorization=basic. */
#include "countersign/base/encode.h"
#include "countersign/yaml.h"
#include "internal.h"

/* "content-type" to "Content-Type", as Go's header names. */
static cs_slice canonical(cs_arena *a, cs_slice name)
{
    char *out = cs_arena_dup(a, name.p, name.n);
    bool upper = true;
    for (size_t i = 0; i < name.n; i++) {
        char c = out[i];
        out[i] = upper && c >= 'a' && c <= 'z' ? (char)(c - 32) : !upper && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        upper = c == '-';
    }
    return cs_slice_make(out, name.n);
}

/* name → array of values, in order. */
static void put_value(cs_arena *a, cs_value object, cs_slice name, cs_slice value)
{
    cs_value key = cs_string(name), item = cs_string_copy(a, value);
    const cs_value *old = cs_object_get(object, key);
    uint32_t n = old != NULL ? old->n : 0;
    cs_value *items = cs_arena_alloc(a, sizeof *items * (n + 1));
    if (n != 0) {
        memcpy(items, old->u.items, n * sizeof *items);
    }
    items[n] = item;
    cs_object_put(a, object, key, cs_array(items, n + 1));
}

static cs_value headers_of(const cs_server__request *r)
{
    cs_value object = cs_object_new(r->arena, (uint32_t)r->http->n_headers);
    for (size_t i = 0; i < r->http->n_headers; i++) {
        const cs_http_header *h = &r->http->headers[i];
        if (!cs_slice_eq_nocase(h->name, CS_LIT("host")) && !cs_slice_eq_nocase(h->name, CS_LIT("transfer-encoding"))) {
            put_value(r->arena, object, canonical(r->arena, h->name), h->value);
        }
    }
    return object;
}

static cs_value params_of(const cs_server__request *r)
{
    cs_value object = cs_object_new(r->arena, (uint32_t)r->n_params);
    for (size_t i = 0; i < r->n_params; i++) {
        put_value(r->arena, object, r->params[i].name, r->params[i].value);
    }
    return object;
}

/* The policies and compile APIs resolve the decoded path, so an encoded slash separates there. */
static cs_value path_of(cs_server__request *r)
{
    cs_arena *a = r->arena;
    cs_slice path = cs_slice_sub(r->http->path, 1, r->http->path.n), piece, plain;
    bool whole = cs_slice_starts(r->http->path, CS_LIT("/v1/policies/")) ||
                 cs_slice_starts(r->http->path, CS_LIT("/v1/compile/"));
    if (whole && cs_percent_decode(a, path, false, &plain)) {
        path = plain;
    }
    size_t n = 1;
    for (size_t i = 0; i < path.n; i++) {
        n += path.p[i] == '/';
    }
    cs_value *items = cs_arena_alloc(a, n * sizeof *items);
    n = 0;
    if (path.n == 0) {
        items[n++] = cs_string(path);
    }
    while (path.n != 0 && cs_slice_next(&path, '/', &piece)) {
        if (whole || !cs_percent_decode(a, piece, false, &plain)) {
            plain = piece;
        }
        items[n++] = cs_string(plain);
    }
    if (r->http->path.n > 1 && r->http->path.p[r->http->path.n - 1] == '/' &&
        !cs_slice_eq(cs_text(items[n - 1]), CS_LIT(""))) {
        cs_value *more = cs_arena_alloc(a, (n + 1) * sizeof *more);
        memcpy(more, items, n * sizeof *more);
        more[n++] = cs_string(CS_LIT(""));
        items = more;
    }
    return cs_array(items, n);
}

/* Which requests show their body: POST /, and POST below the data, query and compile APIs; and of our own those that
 * are marked so. */
static bool shows_body(const cs_server__request *r, bool own)
{
    if (own && (r->route->flags & CS_ROUTE_BODY) != 0) {
        return true;
    }
    if (!cs_slice_is(r->http->method, "POST")) {
        return false;
    }
    static const char *const places[] = {"/v1/data", "/v0/data", "/v1/query", "/v1/compile"};
    cs_slice path = r->http->path;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t n = strlen(places[i]);
        if (cs_slice_starts(path, cs_slice_of(places[i])) && (path.n == n || path.p[n] == '/')) {
            return true;
        }
    }
    return path.n == 1;
}

/* false: an error was replied. */
static bool parse_body(cs_server__request *r, cs_value input)
{
    if (!cs_server__read_body(r, "")) {
        return false;
    }
    if (r->body.n == 0) {
        return true;
    }
    cs_error e = {0};
    cs_err err = cs_server__header_contains(r, "Content-Type", "yaml")
                     ? cs_yaml_read(r->arena, r->body, &r->authz_body, &e)
                     : cs_json_read(r->arena, r->body, &(cs_json_options){.borrow = true}, &r->authz_body, NULL, &e);
    if (err != CS_OK) {
        cs_server__fail(r, 400, "invalid_parameter", "%s", e.text);
        return false;
    }
    r->authz_parsed = true;
    cs_object_put_text(r->arena, input, "body", r->authz_body);
    return true;
}

static void decided(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    if (v->err != CS_OK) {
        cs_server__fail_eval(r);
        return;
    }
    cs_value result = v->result;
    if (cs_is_undefined(result)) {
        cs_server__fail(r, 500, "internal_error", "authorization policy missing or undefined");
        return;
    }
    const cs_value *allowed = &result, *reason = NULL;
    if (cs_is(result, CS_OBJECT)) {
        allowed = cs_object_get_text(result, "allowed");
        reason = cs_object_get_text(result, "reason");
        if (allowed == NULL) {
            cs_server__fail(r, 500, "internal_error", "document missing or undefined");
            return;
        }
    }
    if (cs_is(*allowed, CS_BOOL) && allowed->u.i != 0) {
        cs_server__eval_end(r);
        cs_server__proceed(r);
        return;
    }
    bool known = !cs_is_undefined(r->caller.document);
    bool own = r->server->identity != NULL && r->route != NULL && (r->route->flags & CS_ROUTE_OWN) != 0;
    int status = own && known ? 403 : 401;
    const char *code = status == 403 ? "forbidden" : "unauthorized";
    if (reason != NULL && cs_is(*reason, CS_STRING)) {
        cs_server__fail(r, status, code, "%.*s", CS_FMT(cs_text(*reason)));
        return;
    }
    cs_server__fail(r, status, code, "request rejected by administrative policy");
}

void cs_server__authorize(cs_server__request *r)
{
    cs_server *s = r->server;
    cs_slice clean;
    bool diagnostic = r->http->tag != 0;
    cs_server__found found = cs_server__find_route(r->http, r->arena, diagnostic, &r->route, &r->rest, &clean);
    bool own = found == CS_FOUND && (r->route->flags & CS_ROUTE_OWN) != 0 && s->identity != NULL;
    bool open = found == CS_FOUND && (r->route->flags & CS_ROUTE_OPEN) != 0;
    if (open || (!own && !s->o.authorization)) {
        cs_server__proceed(r);
        return;
    }
    cs_arena *a = r->arena;
    cs_value input = cs_object_new(a, 8);
    cs_object_put_text(a, input, "path", path_of(r));
    cs_object_put_text(a, input, "method", cs_string(r->http->method));
    cs_object_put_text(a, input, "params", params_of(r));
    cs_object_put_text(a, input, "headers", headers_of(r));
    if (shows_body(r, own) && !parse_body(r, input)) {
        return;
    }
    if (!cs_is_undefined(r->caller.token)) {
        cs_object_put_text(a, input, "identity", r->caller.token);
    }
    if (!cs_is_undefined(r->caller.document)) {
        cs_object_put_text(a, input, "caller", r->caller.document);
    }
    if (found == CS_FOUND && (r->route->flags & CS_ROUTE_OVERRIDE) != 0) {
        cs_value overrides = cs_object_new(a, 1);
        cs_object_put_text(a, overrides, "role", cs_string(s->o.config->overrides.role));
        cs_object_put_text(a, input, "overrides", overrides);
    }
    const cs_server__named *decision = atomic_load_explicit(&s->authz, memory_order_acquire);
    r->eval.key = decision->key;
    r->eval.path = decision->path;
    r->eval.n_path = decision->n;
    r->eval.text = CS_LIT("");
    r->eval.input = input;
    r->eval.strict = false;
    r->eval.ready = NULL;
    r->eval.done = decided;
    cs_server__evaluate(r);
}

/* ---- the policy's side of the contract */

/* Properties that are strings, objects, and lists of one of these. */
static cs_value property(cs_arena *a, const char *type, const char *items)
{
    cs_value schema = cs_object_new(a, 2);
    cs_object_put_text(a, schema, "type", cs_string(cs_slice_of(type)));
    if (items != NULL) {
        cs_object_put_text(a, schema, "items", property(a, items, NULL));
    }
    return schema;
}

cs_err cs_server_check_authorization(cs_server *s, cs_errors *errors)
{
    static const struct {
        const char *name, *type, *items;
    } members[] = {{"identity", "string", NULL}, {"client_certificates", "array", "object"},
                   {"method", "string", NULL},   {"path", "array", "string"},
                   {"params", "object", NULL},   {"headers", "object", NULL},
                   {"body", "object", NULL},     {"overrides", "object", NULL},
                   {"caller", "object", NULL}};
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = sizeof members / sizeof *members - (s->identity != NULL ? 0 : 2);
    cs_value schema = property(&a, "object", NULL), properties = cs_object_new(&a, 8);
    for (size_t i = 0; i < n; i++) {
        cs_object_put_text(&a, properties, members[i].name, property(&a, members[i].type, members[i].items));
    }
    cs_object_put_text(&a, schema, "properties", properties);
    cs_store_reader *reader = cs_store_reader_new(s->o.store);
    const cs_world *world = cs_store_pin(reader);
    const cs_server__named *decision = atomic_load(&s->authz);
    cs_err err = cs_policy_check_input(cs_world_policy(world), decision->path, decision->n, schema, errors);
    cs_store_unpin(reader);
    cs_store_reader_free(reader);
    cs_arena_destroy(&a);
    return err;
}
