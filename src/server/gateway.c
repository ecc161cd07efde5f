/* What gateways ask before they let a request through: Envoy's ext_authz over HTTP, nginx's auth_request, and those
 * that forward requests as Traefik does. The request becomes a countersign/v1 input, the decision path of the
 * configuration is asked, its answer becomes the reply that the gateway understands. */
#include "countersign/base/log.h"
#include "gateway.h"
#include "grpc.h"

enum { HEADER_BODY_MAX = 3584 }; /* nginx reads reply heads into 4 KiB */

static void put(cs_server__request *r, cs_value object, const char *name, cs_value v)
{
    if (!cs_is_undefined(v)) {
        cs_object_put_text(r->arena, object, name, v);
    }
}

/* ---- input.request */

static cs_value headers_of(cs_server__request *r)
{
    cs_arena *a = r->arena;
    cs_value out = cs_object_new(a, (uint32_t)r->http->n_headers);
    for (size_t i = 0; i < r->http->n_headers; i++) {
        cs_slice name = r->http->headers[i].name;
        char *lower = cs_arena_dup(a, name.p, name.n);
        for (size_t k = 0; k < name.n; k++) {
            lower[k] = lower[k] >= 'A' && lower[k] <= 'Z' ? (char)(lower[k] + 32) : lower[k];
        }
        cs_value key = cs_string(cs_slice_make(lower, name.n));
        bool secret = cs_slice_is(cs_text(key), "authorization") || cs_slice_is(cs_text(key), "cookie") ||
                      cs_slice_is(cs_text(key), "x-countersign-token");
        if (!secret) {
            cs_object_put(a, out, key, cs_string_copy(a, r->http->headers[i].value));
        }
    }
    return out;
}

static cs_value request_of(cs_server__request *r, const cs_server__gateway *g)
{
    cs_arena *a = r->arena;
    cs_value out = cs_object_new(a, 6);
    put(r, out, "id", cs_string(cs_server__request_id(r)));
    put(r, out, "method", cs_string_copy(a, g->method));
    put(r, out, "path", cs_string_copy(a, g->path));
    if (g->query.n != 0) {
        put(r, out, "query", cs_string_copy(a, g->query));
    }
    put(r, out, "host", cs_string_copy(a, r->http->host));
    put(r, out, "headers", headers_of(r));
    return out;
}

/* ---- the input */

static cs_value graphql_of(cs_server__request *r, const cs_server__gateway *g, const char **body)
{
    size_t n = r->http->n_headers;
    cs_pq_header *headers = cs_arena_array(r->arena, cs_pq_header, n + 1);
    for (size_t i = 0; i < n; i++) {
        headers[i] = (cs_pq_header){r->http->headers[i].name, r->http->headers[i].value};
    }
    const cs_slice *partial = cs_server__header(r, "x-envoy-auth-partial-body");
    cs_pq_request request = {.path = g->path,
                             .query = g->query,
                             .headers = headers,
                             .n_headers = n,
                             .bodyless = g->header_only,
                             .truncated = partial != NULL && cs_slice_is(*partial, "true"),
                             .body = r->http->body};
    return cs_pq_read_request(r->arena, &request, cs_object_member(cs_world_data(r->eval.world), "operations"), body);
}

static bool make_input(cs_server__request *r)
{
    const cs_server__gateway *g = r->data;
    cs_arena *a = r->arena;
    cs_value about = cs_object_new(a, 4), input = cs_object_new(a, 8);
    const char *body;
    cs_value graphql = graphql_of(r, g, &body);
    put(r, about, "kind", cs_string(cs_slice_of(g->kind)));
    put(r, about, "body", cs_string(cs_slice_of(body)));
    if (r->grpc != NULL) {
        put(r, about, "context_extensions", cs_server__grpc_context(r));
        put(r, about, "principal", r->grpc->principal.n != 0 ? cs_string_copy(a, r->grpc->principal) : cs_undefined());
    }
    put(r, input, "version", cs_string(CS_LIT("countersign/v1")));
    put(r, input, "gateway", about);
    put(r, input, "request", request_of(r, g));
    put(r, input, "graphql", graphql);
    bool trust = r->server->identity == NULL || cs_server__caller_has_role(r, "gateway");
    if (!cs_is_undefined(g->call)) {
        put(r, about, "stage", cs_object_member(g->call, "stage"));
        if (r->server->identity != NULL) {
            /* The Router passes on what its client sent: nobody but a token says who that is. */
            put(r, input, "actor", cs_object_new(a, 0));
        }
    }
    if (r->effects != NULL) {
        r->effects->given = input;
        input = cs_object_clone(a, input, 5);
    }
    cs_server__fill_facts(r, input, trust);
    r->eval.input = input;
    return r->effects == NULL || cs_server__effects_recall(r);
}

/* ---- the reply */

/* A header of the policy's may not touch the framing of the reply. */
static bool may_set(cs_slice name)
{
    static const char *const no[] = {"content-length", "transfer-encoding", "connection", "date",
                                     "content-type",   "upgrade",           "trailer"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        if (cs_slice_eq_nocase(name, cs_slice_of(no[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!ok) {
            return false;
        }
    }
    return name.n != 0;
}

static void add_header(cs_server__request *r, cs_slice name, cs_slice value)
{
    if (r->effects != NULL) {
        cs_server__effects_header(r, name, value);
    } else {
        cs_http_add_header(r->x, cs_arena_dup(r->arena, name.p, name.n), value);
    }
}

static void add_headers(cs_server__request *r, cs_value headers)
{
    for (uint32_t i = 0; cs_is(headers, CS_OBJECT) && i < cs_count(headers); i++) {
        cs_value v, key = cs_entry(headers, i, &v);
        if (cs_is(key, CS_STRING) && cs_is(v, CS_STRING) && may_set(cs_text(key))) {
            add_header(r, cs_text(key), cs_text(v));
        }
    }
}

static void write_body(cs_server__request *r, const cs_server__gateway *g, cs_value body)
{
    cs_buf *out = cs_http_body(r->x);
    if (cs_is(body, CS_STRING)) {
        cs_buf_slice(out, cs_text(body));
    } else if (!cs_is_undefined(body)) {
        cs_json_write(out, body, 0);
    }
    if (g->header_only && out->n != 0 && out->n <= HEADER_BODY_MAX) {
        add_header(r, CS_LIT("x-countersign-body"), cs_buf_view(out));
    }
}

/* Never 2xx and never 5xx: the one would let the request pass, the other makes Envoy do as its failure mode says. */
static int refusal_status(const cs_server__gateway *g, cs_value status)
{
    int64_t n = cs_is(status, CS_NUMBER) && status.form == CS_NUMBER_INT ? status.u.i : 403;
    if (g->header_only) {
        return n == 401 ? 401 : 403;
    }
    return n >= 300 && n < 500 ? (int)n : 403;
}

static void record(cs_server__request *r)
{
    cs_server__record(r, r->server->o.config->gateways.decision, CS_LIT(""), r->eval.input, r->eval.result, NULL);
}

/* No decision is a refusal; what went wrong stands in the log, not in front of the client. */
static void refuse(cs_server__request *r, const char *code, const cs_error *error)
{
    cs_slice decision = r->server->o.config->gateways.decision;
    cs_server__record(r, decision, CS_LIT(""), r->eval.input, r->eval.result, error);
    cs_http_add_header(r->x, "x-countersign-decision", CS_LIT("deny"));
    cs_log(CS_LOG_ERROR, "A gateway got no decision from the policy.", 2,
           (cs_log_field[]){CS_LOG_S("decision", decision),
                            CS_LOG_S("error", error != NULL ? cs_slice_of(error->text) : CS_LIT("undefined"))});
    const cs_server__gateway *g = r->data;
    if (!cs_is_undefined(g->call)) {
        cs_value body = cs_server__apollo_error(r, code, "the policy gave no decision");
        cs_server__apollo_break(r, g->call, 503, body, cs_undefined());
        cs_server__send(r, 200, "application/json");
        return;
    }
    cs_server__fail(r, 403, code, "the policy gave no decision");
}

/* The effects that the policy asked for cannot be had. */
static void refuse_effects(cs_server__request *r)
{
    const cs_server__effects *x = r->effects;
    cs_http_add_header(r->x, "x-countersign-reason", cs_slice_of(x->code));
    refuse(r, x->code, &x->error);
}

static void finish(cs_server__request *r, int status, const char *content_type)
{
    if (r->effects != NULL) {
        cs_server__effects_answer(r, status, content_type);
        return;
    }
    record(r);
    cs_server__send(r, status, content_type);
}

/* The Router takes headers and statuses out of the body alone. */
static void answer_router(cs_server__request *r, const cs_server__gateway *g, bool allow)
{
    cs_value result = r->eval.result, headers = cs_object_new(r->arena, 4);
    cs_value wanted = cs_object_member(result, "headers");
    for (uint32_t i = 0; cs_is(wanted, CS_OBJECT) && i < cs_count(wanted); i++) {
        cs_value v, key = cs_entry(wanted, i, &v);
        if (cs_is(key, CS_STRING) && cs_is(v, CS_STRING) && may_set(cs_text(key))) {
            cs_object_put(r->arena, headers, key, v);
        }
    }
    for (size_t i = 0; r->effects != NULL && i < r->effects->plan.n_holds && i < 1; i++) {
        cs_object_put_text(r->arena, headers, "x-countersign-hold", cs_string(r->effects->plan.holds[i].id));
    }
    if (allow) {
        cs_server__apollo_continue(r, g->call, headers);
    } else {
        cs_value status = cs_object_member(result, "status");
        int64_t n = cs_is(status, CS_NUMBER) && status.form == CS_NUMBER_INT ? status.u.i : 403;
        cs_server__apollo_break(r, g->call, n >= 400 && n < 600 ? (int)n : 403, result, headers);
    }
    finish(r, 200, "application/json");
}

static void answer(cs_server__request *r)
{
    const cs_server__gateway *g = r->data;
    cs_server__eval *v = &r->eval;
    cs_value allow = cs_is(v->result, CS_BOOL) ? v->result : cs_object_member(v->result, "allow");
    if (v->err != CS_OK || !cs_is(allow, CS_BOOL)) {
        r->effects = NULL; /* nothing is asked for */
        if (cs_is_undefined(g->call)) {
            add_headers(r, cs_object_member(v->result, "headers"));
        }
        refuse(r, v->err != CS_OK ? "evaluation_error" : "undefined_document", v->err != CS_OK ? &v->error : NULL);
        return;
    }
    if (r->effects != NULL && !cs_server__effects_plan(r)) {
        return;
    }
    if (!cs_is_undefined(g->call)) {
        answer_router(r, g, allow.u.i != 0);
        return;
    }
    add_headers(r, cs_object_member(v->result, "headers"));
    if (allow.u.i != 0) {
        finish(r, 200, NULL);
        return;
    }
    write_body(r, g, cs_object_member(v->result, "body"));
    finish(r, refusal_status(g, cs_object_member(v->result, "status")), "application/json");
}

void cs_server__gateway_ask(cs_server__request *r, const cs_server__gateway *g)
{
    cs_server *s = r->server;
    cs_server__gateway *mine = cs_arena_new(r->arena, cs_server__gateway);
    *mine = *g;
    r->data = mine;
    cs_server__make_decision_id(r);
    (void)cs_server__request_id(r);
    if (cs_server__effects_listed(r, s->o.config->gateways.decision)) {
        r->effects->gateway = true;
        r->effects->refused = refuse_effects;
        r->effects->granted = record;
    }
    cs_server__eval *v = &r->eval;
    v->key = s->gateway_key;
    v->path = s->gateway_path;
    v->n_path = s->n_gateway_path;
    v->text = CS_LIT("");
    v->strict = false;
    v->ready = make_input;
    v->done = answer;
    cs_server__evaluate(r);
}

void cs_server__gateway_envoy(cs_server__request *r)
{
    cs_slice rest = cs_slice_sub(r->http->path, sizeof CS_SERVER__GATEWAY_ENVOY - 1, r->http->path.n);
    if (r->grpc != NULL) {
        r->grpc->asked = true;
    }
    cs_server__gateway_ask(r, &(cs_server__gateway){.kind = r->grpc != NULL ? "envoy_grpc" : "envoy_http",
                                                    .method = r->http->method,
                                                    .path = rest.n != 0 ? rest : CS_LIT("/"),
                                                    .query = r->http->query});
}

static cs_slice first_header(cs_server__request *r, const char *a, const char *b, const char *c, cs_slice otherwise)
{
    const char *const names[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        const cs_slice *h = cs_server__header(r, names[i]);
        if (h != NULL && h->n != 0) {
            return *h;
        }
    }
    return otherwise;
}

/* A gateway whose request names the one that it is about in headers. */
static void ask_about(cs_server__request *r, cs_slice method, cs_slice target, cs_server__gateway g)
{
    /* An absolute URL; a path may hold anything, another URL among it. */
    size_t scheme = target.n != 0 && target.p[0] != '/' ? cs_slice_find(target, CS_LIT("://"), 0) : SIZE_MAX;
    if (scheme != SIZE_MAX) {
        target = cs_slice_sub(target, cs_slice_find_byte(target, '/', scheme + 3), target.n);
    }
    size_t mark = cs_slice_find_byte(target, '?', 0);
    g.method = method;
    g.path = cs_slice_sub(target, 0, mark);
    g.query = mark == SIZE_MAX ? CS_LIT("") : cs_slice_sub(target, mark + 1, target.n);
    cs_server__gateway_ask(r, &g);
}

void cs_server__gateway_nginx(cs_server__request *r)
{
    ask_about(r, first_header(r, "X-Original-Method", "X-Forwarded-Method", "X-Original-Method", CS_LIT("")),
              first_header(r, "X-Original-URI", "X-Original-URL", "X-Forwarded-Uri", CS_LIT("/")),
              (cs_server__gateway){.kind = "nginx", .header_only = true});
}

/* Traefik, Caddy, HAProxy, APISIX's forward-auth: any refusal below 500 goes to the client as it is. Those that send
 * the body send it whole. */
void cs_server__gateway_forward(cs_server__request *r)
{
    ask_about(r, first_header(r, "X-Forwarded-Method", "X-Original-Method", "X-Forwarded-Method", r->http->method),
              first_header(r, "X-Forwarded-Uri", "X-Original-URI", "X-Original-URL", CS_LIT("/")),
              (cs_server__gateway){.kind = "forward"});
}
