/* What gateways ask before they let a request through: Envoy's ext_authz over HTTP, nginx's auth_request. The request
 * becomes a countersign/v1 input, the decision path of the configuration is asked, its answer becomes the reply that
 * the gateway understands. */
#include "countersign/base/log.h"
#include "internal.h"

typedef struct gateway {
    const char *kind;             /* input.gateway.kind */
    cs_slice method, path, query; /* of the request that the gateway holds */
    bool header_only;             /* no body ever, reasons only in headers, only 401 and 403 */
} gateway;

enum { HEADER_BODY_MAX = 3584 }; /* nginx reads reply heads into 4 KiB */

static cs_value member(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL ? *v : cs_undefined();
}

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

static cs_value request_of(cs_server__request *r, const gateway *g)
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

/* ---- input.graphql */

/* "sha256:x" of the GraphQL-over-HTTP appendix is x. */
static cs_value plain_id(cs_value id)
{
    return cs_slice_starts(cs_text(id), CS_LIT("sha256:")) ? cs_string(cs_slice_sub(cs_text(id), 7, id.n)) : id;
}

static bool take_id(cs_server__request *r, cs_value facts, cs_value id, const char *source)
{
    if (!cs_is(id, CS_STRING) || id.n == 0) {
        return false;
    }
    put(r, facts, "document_id", plain_id(id));
    put(r, facts, "id_source", cs_string(cs_slice_of(source)));
    return true;
}

static cs_value persisted(cs_value extensions)
{
    return member(member(extensions, "persistedQuery"), "sha256Hash");
}

static const cs_slice *query_param(const cs_server__param *v, size_t n, const char *name)
{
    for (size_t i = n; i-- > 0;) {
        if (cs_slice_is(v[i].name, name)) {
            return &v[i].value;
        }
    }
    return NULL;
}

/* Of a GraphQL request in a URL: texts, then JSON documents. */
enum { N_URL_TEXTS = 4 };
static const char *const url_params[] = {"query", "operationName", "documentId", "doc_id", "variables", "extensions"};

/* The parameters of the original URL as a GraphQL request: query, operationName, variables and extensions as JSON. */
static cs_value request_of_url(cs_server__request *r, cs_slice query)
{
    cs_arena *a = r->arena;
    const cs_server__param *v;
    size_t n = cs_server__parse_params(a, query, &v);
    cs_value out = cs_object_new(a, 6);
    for (size_t i = 0; i < sizeof url_params / sizeof *url_params; i++) {
        const cs_slice *p = query_param(v, n, url_params[i]);
        cs_value document;
        if (p != NULL && i < N_URL_TEXTS) {
            put(r, out, url_params[i], cs_string_copy(a, *p));
        } else if (p != NULL && cs_json_read(a, *p, NULL, &document, NULL, NULL) == CS_OK) {
            put(r, out, url_params[i], document);
        }
    }
    return out;
}

/* Where the id of a persisted document may stand, in the order of weight. */
static bool find_id(cs_server__request *r, cs_value facts, cs_value body, cs_value url)
{
    const cs_slice *header = cs_server__header(r, "X-GraphQL-Document-Id");
    return take_id(r, facts, member(body, "documentId"), "documentId") ||
           take_id(r, facts, persisted(member(body, "extensions")), "extensions.persistedQuery") ||
           take_id(r, facts, member(body, "doc_id"), "doc_id") ||
           take_id(r, facts, member(url, "documentId"), "url.documentId") ||
           take_id(r, facts, persisted(member(url, "extensions")), "url.extensions.persistedQuery") ||
           take_id(r, facts, member(url, "doc_id"), "url.doc_id") ||
           (header != NULL && take_id(r, facts, cs_string_copy(r->arena, *header), "header"));
}

static bool differs(cs_value a, cs_value b)
{
    bool both = !cs_is_undefined(a) && !cs_is(a, CS_NULL) && !cs_is_undefined(b) && !cs_is(b, CS_NULL);
    return both && !cs_equal(a, b);
}

/* A parameter that says two things: the first counts for some services, the last for others. */
static bool url_is_ambiguous(cs_server__request *r, cs_slice query)
{
    const cs_server__param *v;
    size_t n = cs_server__parse_params(r->arena, query, &v);
    for (size_t i = 0; i < n; i++) {
        bool ours = false;
        for (size_t k = 0; k < sizeof url_params / sizeof *url_params; k++) {
            ours |= cs_slice_is(v[i].name, url_params[k]);
        }
        for (size_t j = i + 1; ours && j < n; j++) {
            if (cs_slice_eq(v[i].name, v[j].name) && !cs_slice_eq(v[i].value, v[j].value)) {
                return true;
            }
        }
    }
    return false;
}

static bool ids_differ(cs_server__request *r, cs_value body, cs_value url)
{
    const cs_value ids[] = {member(body, "documentId"), persisted(member(body, "extensions")), member(body, "doc_id"),
                            member(url, "documentId"),  persisted(member(url, "extensions")),  member(url, "doc_id")};
    cs_value first = cs_undefined();
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (cs_is(ids[i], CS_STRING) && ids[i].n != 0) {
            cs_value id = plain_id(ids[i]);
            if (differs(first, id)) {
                return true;
            }
            first = id;
        }
    }
    for (size_t i = 0; i < r->http->n_headers; i++) {
        const cs_http_header *h = &r->http->headers[i];
        if (cs_slice_eq_nocase(h->name, CS_LIT("X-GraphQL-Document-Id")) && h->value.n != 0) {
            cs_value id = plain_id(cs_string(h->value));
            if (differs(first, id)) {
                return true;
            }
            first = id;
        }
    }
    return false;
}

/* Nobody can tell what the service behind will run: body, URL and headers name different documents or bring different
 * texts, names or variables, or there is a body that was not read as one request. Then no id counts. */
static bool is_ambiguous(cs_server__request *r, const gateway *g, cs_value body, cs_value url)
{
    if (!g->header_only && r->http->body.n != 0 && !cs_is(body, CS_OBJECT)) {
        return true;
    }
    return url_is_ambiguous(r, g->query) || ids_differ(r, body, url) ||
           differs(member(body, "query"), member(url, "query")) ||
           differs(member(body, "operationName"), member(url, "operationName")) ||
           differs(member(body, "variables"), member(url, "variables"));
}

/* Id and text together: is the text what the id stands for? */
static bool text_matches(cs_server__request *r, cs_value id, cs_slice text)
{
    cs_slice hex = cs_digest_hex(r->arena, CS_SHA256, text);
    cs_value operations = member(cs_world_data(r->eval.world), "operations");
    const cs_value *operation = cs_is(operations, CS_OBJECT) ? cs_object_get(operations, id) : NULL;
    cs_value known = operation != NULL ? member(*operation, "document_sha256") : cs_undefined();
    return cs_slice_eq(cs_is(known, CS_STRING) ? cs_text(known) : cs_text(id), hex);
}

static cs_value graphql_of(cs_server__request *r, const gateway *g, cs_value body, cs_value url)
{
    cs_arena *a = r->arena;
    cs_value facts = cs_object_new(a, 12);
    put(r, facts, "batch", cs_bool(cs_is(body, CS_ARRAY)));
    bool ambiguous = is_ambiguous(r, g, body, url);
    bool has_id = !ambiguous && find_id(r, facts, body, url);
    cs_value text = member(body, "query");
    text = cs_is(text, CS_STRING) ? text : member(url, "query");
    bool has_text = cs_is(text, CS_STRING) && cs_slice_trim(cs_text(text)).n != 0;
    put(r, facts, "freeform", cs_bool(ambiguous || (has_text && !has_id)));
    cs_server__graphql looked = has_text ? cs_server__graphql_scan(cs_text(text)) : (cs_server__graphql){.kind = ""};
    put(r, facts, "introspection", cs_bool(looked.introspection));
    if (looked.kind[0] != 0) {
        put(r, facts, "kind", cs_string(cs_slice_of(looked.kind)));
    }
    if (has_text && has_id) {
        put(r, facts, "body_matches", cs_bool(text_matches(r, member(facts, "document_id"), cs_text(text))));
    }
    cs_value name = member(body, "operationName");
    name = cs_is(name, CS_STRING) ? name : member(url, "operationName");
    if (cs_is(name, CS_STRING)) {
        put(r, facts, "operation_name", name);
    }
    cs_value variables = member(body, "variables");
    variables = cs_is(variables, CS_OBJECT) ? variables : member(url, "variables");
    put(r, facts, "variables", cs_is(variables, CS_OBJECT) ? variables : cs_object_new(a, 0));
    return facts;
}

/* ---- the input */

static const char *read_body(cs_server__request *r, const gateway *g, cs_value *body)
{
    *body = cs_undefined();
    const cs_slice *partial = cs_server__header(r, "x-envoy-auth-partial-body");
    if (g->header_only || r->http->body.n == 0) {
        return "absent";
    }
    if (partial != NULL && cs_slice_is(*partial, "true")) {
        return "truncated";
    }
    if (cs_json_read(r->arena, r->http->body, &(cs_json_options){.borrow = true}, body, NULL, NULL) != CS_OK ||
        (!cs_is(*body, CS_OBJECT) && !cs_is(*body, CS_ARRAY))) {
        *body = cs_undefined();
        return "not_json";
    }
    return "complete";
}

static bool make_input(cs_server__request *r)
{
    const gateway *g = r->data;
    cs_arena *a = r->arena;
    cs_value body, about = cs_object_new(a, 2), input = cs_object_new(a, 8);
    const char *state = read_body(r, g, &body);
    put(r, about, "kind", cs_string(cs_slice_of(g->kind)));
    put(r, about, "body", cs_string(cs_slice_of(state)));
    put(r, input, "version", cs_string(CS_LIT("countersign/v1")));
    put(r, input, "gateway", about);
    put(r, input, "request", request_of(r, g));
    put(r, input, "graphql", graphql_of(r, g, body, request_of_url(r, g->query)));
    bool trust = r->server->identity == NULL || cs_server__caller_has_role(r, "gateway");
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

static void write_body(cs_server__request *r, const gateway *g, cs_value body)
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
static int refusal_status(const gateway *g, cs_value status)
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
    if (r->eval.active) {
        cs_server__record(r, decision, CS_LIT(""), r->eval.input, r->eval.result, error);
    }
    cs_http_add_header(r->x, "x-countersign-decision", CS_LIT("deny"));
    cs_log(CS_LOG_ERROR, "A gateway got no decision from the policy.", 2,
           (cs_log_field[]){CS_LOG_S("decision", decision),
                            CS_LOG_S("error", error != NULL ? cs_slice_of(error->text) : CS_LIT("undefined"))});
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

static void answer(cs_server__request *r)
{
    const gateway *g = r->data;
    cs_server__eval *v = &r->eval;
    cs_value allow = cs_is(v->result, CS_BOOL) ? v->result : member(v->result, "allow");
    if (v->err != CS_OK || !cs_is(allow, CS_BOOL)) {
        r->effects = NULL; /* nothing is asked for */
        add_headers(r, member(v->result, "headers"));
        refuse(r, v->err != CS_OK ? "evaluation_error" : "undefined_document", v->err != CS_OK ? &v->error : NULL);
        return;
    }
    if (r->effects != NULL && !cs_server__effects_plan(r)) {
        return;
    }
    add_headers(r, member(v->result, "headers"));
    if (allow.u.i != 0) {
        finish(r, 200, NULL);
        return;
    }
    write_body(r, g, member(v->result, "body"));
    finish(r, refusal_status(g, member(v->result, "status")), "application/json");
}

static void ask(cs_server__request *r, const gateway *g)
{
    cs_server *s = r->server;
    gateway *mine = cs_arena_new(r->arena, gateway);
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
    cs_slice rest = cs_slice_sub(r->http->path, sizeof "/v1/authz/envoy" - 1, r->http->path.n);
    ask(r, &(gateway){.kind = "envoy_http",
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

void cs_server__gateway_nginx(cs_server__request *r)
{
    cs_slice target = first_header(r, "X-Original-URI", "X-Original-URL", "X-Forwarded-Uri", CS_LIT("/"));
    size_t scheme = cs_slice_find(target, CS_LIT("://"), 0);
    if (scheme != SIZE_MAX) {
        target = cs_slice_sub(target, cs_slice_find_byte(target, '/', scheme + 3), target.n);
    }
    size_t mark = cs_slice_find_byte(target, '?', 0);
    ask(r, &(gateway){.kind = "nginx",
                      .method =
                          first_header(r, "X-Original-Method", "X-Forwarded-Method", "X-Original-Method", CS_LIT("")),
                      .path = cs_slice_sub(target, 0, mark),
                      .query = mark == SIZE_MAX ? CS_LIT("") : cs_slice_sub(target, mark + 1, target.n),
                      .header_only = true});
}
