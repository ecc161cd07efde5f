/* The server: workers' state, the way of a request from the socket to its handler, jobs on the control thread. */
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "access_log.h"
#include "grpc.h"
#include "override.h"
#include "status.h"

enum { SERIES_MAX = 4096 };

/* ---- the host of evaluations */

static int64_t host_mono(void *self)
{
    (void)self;
    return cs_time_mono_ns();
}

static void host_random(void *self, void *bytes, size_t n)
{
    (void)self;
    cs_random(bytes, n);
}

/* print(): a line with the place and, as OPA's, what tells the request. */
static void host_print(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    cs_server__worker *w = self;
    char place[512];
    int n = snprintf(place, sizeof place, "%.*s:%u", (int)(file.n > 400 ? 400 : file.n), file.p, (unsigned)row);
    cs_log_field fields[5];
    size_t count = 0;
    fields[count++] = CS_LOG_S("line", cs_slice_make(place, (size_t)n));
    const cs_server__request *r = w->current;
    if (r != NULL) {
        fields[count++] = CS_LOG_S("client_addr", r->http->peer);
        fields[count++] = CS_LOG_I("req_id", (int64_t)r->number);
        fields[count++] = CS_LOG_S("req_method", r->http->method);
        fields[count++] = CS_LOG_S("req_path", r->http->path);
    }
    char text[4096];
    size_t cut = line.n < sizeof text - 1 ? line.n : sizeof text - 1;
    memcpy(text, line.p, cut);
    text[cut] = 0;
    cs_log(CS_LOG_INFO, text, count, fields);
}

static cs_value host_runtime(void *self, cs_arena *arena)
{
    (void)arena;
    return ((cs_server__worker *)self)->server->o.runtime;
}

static void worker_start(void *self, unsigned index, cs_loop *loop)
{
    cs_server *s = self;
    cs_server__worker *w = &s->workers[index];
    w->loop = loop;
    w->reader = cs_store_reader_new(s->o.store);
    cs_buf_init(&w->record_room);
    cs_map_init(&w->series);
    w->duration = cs_metrics_series(s->o.metrics, CS_METRIC_DECISION_DURATION, NULL);
}

static void worker_end(void *self, unsigned index)
{
    cs_server__worker *w = &((cs_server *)self)->workers[index];
    cs_store_reader_free(w->reader);
    w->reader = NULL;
    cs_map_destroy(&w->series);
    cs_buf_destroy(&w->record_room);
}

static void dropped(void *self, const cs_http_request *http, void *user)
{
    (void)self;
    (void)http;
    if (user != NULL) {
        cs_server__effects_drop(user);
        cs_server__audit_drop(user);
        cs_server__eval_drop(user);
    }
}

/* ---- redirects and refusals before any handler */

/* Go's http.Redirect: a short page for GET, nothing for the rest. */
static void redirect(cs_server__request *r, int status, cs_slice to)
{
    cs_http_add_header(r->x, "Location", to);
    bool get = cs_slice_is(r->http->method, "GET"), head = cs_slice_is(r->http->method, "HEAD");
    if (get) {
        cs_buf *b = cs_http_body(r->x);
        cs_buf_text(b, "<a href=\"");
        for (size_t i = 0; i < to.n; i++) {
            switch (to.p[i]) {
            case '&':
                cs_buf_text(b, "&amp;");
                break;
            case '<':
                cs_buf_text(b, "&lt;");
                break;
            case '>':
                cs_buf_text(b, "&gt;");
                break;
            case '"':
                cs_buf_text(b, "&#34;");
                break;
            case '\'':
                cs_buf_text(b, "&#39;");
                break;
            default:
                cs_buf_byte(b, to.p[i]);
                break;
            }
        }
        cs_buf_printf(b, "\">%s</a>.\n\n", cs_http_status_text(status));
    }
    cs_server__send(r, status, get || head ? "text/html; charset=utf-8" : NULL);
}

static void redirect_clean(cs_server__request *r, cs_slice clean)
{
    cs_buf to;
    cs_buf_init(&to);
    cs_buf_slice(&to, clean);
    if (r->http->query.n != 0) {
        cs_buf_byte(&to, '?');
        cs_buf_slice(&to, r->http->query);
    }
    redirect(r, 307, cs_buf_view(&to));
    cs_buf_destroy(&to);
}

/* What OPA answers around every handler: HEAD is refused, a slash at the end is sent away. true = answered. */
static bool answer_head_or_slash(cs_server__request *r)
{
    if (r->route != NULL && (r->route->flags & (CS_ROUTE_RAW | CS_ROUTE_NOREDIRECT)) != 0) {
        return false;
    }
    if (cs_slice_is(r->http->method, "HEAD")) {
        cs_server__send_empty(r, 405);
        return true;
    }
    cs_slice path = r->http->path;
    if (path.n > 1 && path.p[path.n - 1] == '/') {
        redirect(r, 301, cs_slice_sub(path, 0, path.n - 1));
        return true;
    }
    return false;
}

static void refuse_method(cs_server__request *r)
{
    if ((r->route->flags & CS_ROUTE_QUIET) != 0) {
        if (!answer_head_or_slash(r)) {
            cs_server__send_empty(r, 405);
        }
        return;
    }
    cs_buf allow;
    cs_buf_init(&allow);
    cs_server__allowed(&allow, r->route);
    cs_http_add_header(r->x, "Allow", cs_buf_view(&allow));
    cs_http_add_header(r->x, "X-Content-Type-Options", CS_LIT("nosniff"));
    cs_buf_destroy(&allow);
    cs_server__send_text(r, 405, "Method Not Allowed\n");
}

void cs_server__none(cs_server__request *r)
{
    cs_server__send_empty(r, 405);
}

/* ---- the way of a request */

static cs_server__found route(cs_server__request *r, cs_slice *clean)
{
    bool diagnostic = r->http->tag == CS_SERVER__DIAGNOSTIC;
    return cs_server__find_route(r->http, r->arena, diagnostic, &r->route, &r->rest, clean);
}

/* After authorization: routes that are none get their answer only now, as in OPA, where the authorizer stands before
 * the router. */
void cs_server__proceed(cs_server__request *r)
{
    cs_slice clean = CS_LIT("");
    switch (route(r, &clean)) {
    case CS_FOUND:
        if (!answer_head_or_slash(r) && cs_server__audit_gate(r)) {
            r->route->handler(r);
        }
        break;
    case CS_FOUND_CLEAN:
        redirect_clean(r, clean);
        break;
    case CS_FOUND_METHOD:
        refuse_method(r);
        break;
    case CS_FOUND_NOTHING:
        r->route = NULL;
        cs_http_add_header(r->x, "X-Content-Type-Options", CS_LIT("nosniff"));
        cs_server__send_text(r, 404, "404 page not found\n");
        break;
    }
}

static void handle(void *self, cs_http_exchange *x)
{
    cs_server *s = self;
    const cs_http_request *http = cs_http_request_of(x);
    cs_server__request *r = cs_arena_alloc(http->arena, sizeof *r);
    memset(r, 0, offsetof(cs_server__request, eval.error)); /* the error's text need not be cleared */
    memset((char *)r + offsetof(cs_server__request, eval.active), 0,
           sizeof *r - offsetof(cs_server__request, eval.active));
    http->arena->cap = cs_limits_get()->eval_memory;
    r->server = s;
    r->w = &s->workers[cs_http_worker_of(x)];
    r->x = x;
    r->http = http;
    r->arena = http->arena;
    r->number = atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed) + 1;
    r->started_ns = http->started_ns;
    cs_http_set_user(x, r);
    if (cs_server__grpc_takes(http) && !cs_server__grpc_enter(r)) {
        return;
    }
    r->n_params = cs_server__parse_params(r->arena, r->http->query, &r->params);
    r->pretty = r->n_params != 0 && cs_server__flag(r, "pretty");
    cs_server__log_received(r);
    if (http->body_too_large) {
        cs_buf text;
        cs_buf_init(&text);
        cs_server__too_large(&text, r);
        cs_server__fail(r, 400, "invalid_parameter", "%.*s", CS_FMT(cs_buf_view(&text)));
        cs_buf_destroy(&text);
        return;
    }
    cs_server__enter(r);
}

void cs_server__enter(cs_server__request *r)
{
    const cs_server *s = r->server;
    if (!s->o.authorization && s->identity == NULL && s->o.authentication == CS_AUTHN_OFF) {
        cs_server__proceed(r);
        return;
    }
    r->caller = (cs_server__caller){.waited = r->caller.waited};
    if (!cs_server__authenticate(r)) {
        return;
    }
    cs_slice clean;
    if (s->o.authorization) {
        /* OPA's wrapper around the authorizer answers these first, wherever they go. */
        r->route = route(r, &clean) == CS_FOUND ? r->route : NULL;
        if (answer_head_or_slash(r)) {
            return;
        }
    }
    cs_server__authorize(r);
}

static uint64_t body_limit(void *self, const cs_http_request *head)
{
    cs_server *s = self;
    if (cs_slice_starts(head->path, CS_LIT("/v1/bundles/"))) {
        return cs_limits_get()->bundle_archive_bytes;
    }
    return s->o.config->server.decoding_max_length;
}

/* ---- when a reply was given */

static cs_series *http_series(cs_server__worker *w, const char *label, cs_slice method, int status)
{
    struct {
        const char *label;
        char method[8];
        int status;
        int zero;
    } key = {.label = label, .status = status};
    size_t n = method.n < sizeof key.method ? method.n : sizeof key.method;
    for (size_t i = 0; i < n; i++) {
        char c = method.p[i];
        key.method[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    cs_slice bytes = cs_slice_make((const char *)&key, sizeof key);
    cs_series *found = cs_map_get(&w->series, bytes);
    if (found == NULL) {
        char code[16];
        int length = snprintf(code, sizeof code, "%d", status);
        cs_slice labels[3] = {cs_slice_make(code, (size_t)length), cs_slice_of(label), cs_slice_make(key.method, n)};
        found = cs_metrics_series(w->server->o.metrics, CS_METRIC_HTTP_DURATION, labels);
        if (w->series.live < SERIES_MAX) {
            (void)cs_map_put(&w->series, bytes, found);
        }
    }
    return found;
}

static bool known_method(cs_slice m)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (cs_slice_is(m, known[i])) {
            return true;
        }
    }
    return false;
}

static void done(void *self, const cs_http_request *http, const cs_http_done *what, void *user)
{
    (void)self;
    const cs_server__request *r = user;
    cs_server__worker *w = r->w;
    const char *label = r->route != NULL ? r->route->label : "catchall";
    cs_slice method = known_method(http->method) ? http->method : CS_LIT("other");
    cs_series_observe_ns(http_series(w, label, method, what->status), w->index, what->duration_ns);
    cs_server__log_sent(r, what);
}

/* ---- writes */

static void job_end(void *self)
{
    cs_server__request *r = self;
    r->on_control = false;
    cs_server__handler *after = r->after;
    r->after = NULL;
    if (after != NULL) {
        after(r);
    } else {
        cs_server__send(r, r->status, r->content_type);
    }
}

static void job_run(void *self)
{
    cs_server__request *r = self;
    cs_loop *back = r->w->loop;
    r->job(r);
    cs_loop_post(back, job_end, r);
}

void cs_server__on_loop(cs_server__request *r, cs_loop *loop, cs_server__handler *job)
{
    r->on_control = true;
    r->job = job;
    r->w->current = NULL;
    cs_loop_post(loop, job_run, r);
}

void cs_server__on_control(cs_server__request *r, cs_server__handler *job)
{
    cs_server__on_loop(r, r->server->o.control, job);
}

/* ---- start and stop */

static void keys_of(cs_server *s, cs_slice path, const cs_value **keys, size_t *n)
{
    cs_slice bad;
    if (!cs_server__path_keys(&s->arena, path, keys, n, &bad)) {
        *n = 0;
    }
}

static cs_err listen_all(cs_server *s, cs_error *e)
{
    const cs_server_options *o = &s->o;
    size_t n = o->n_addresses + o->n_diagnostic;
    cs_http_address *addresses = cs_alloc_array(n + 1, sizeof *addresses);
    for (size_t i = 0; i < n; i++) {
        bool diagnostic = i >= o->n_addresses;
        const char *text = diagnostic ? o->diagnostic_addresses[i - o->n_addresses] : o->addresses[i];
        addresses[i] = (cs_http_address){cs_slice_of(text), diagnostic ? CS_SERVER__DIAGNOSTIC : CS_SERVER__MAIN};
    }
    cs_http_server_options options = {
        .addresses = addresses,
        .n_addresses = n,
        .workers = s->n_workers,
        .unix_permissions = o->unix_permissions,
        .h2c = o->h2c,
        .tls_cert = o->tls_cert,
        .tls_key = o->tls_key,
        .tls_ca = o->tls_ca,
        .tls_client_required = o->authentication == CS_AUTHN_TLS,
        .tls_min = o->tls_min,
        .tls_ciphers = o->tls_ciphers,
        .tls_refresh_ns = o->tls_refresh_ns,
        .handlers = {.self = s,
                     .body_limit = body_limit,
                     .handle = handle,
                     .done = done,
                     .dropped = dropped,
                     .worker_start = worker_start,
                     .worker_end = worker_end},
    };
    cs_err r = cs_http_server_start(&options, &s->http, e);
    cs_free(addresses);
    return r;
}

cs_err cs_server_new(const cs_server_options *options, cs_server **out, cs_error *e)
{
    cs_server *s = cs_zalloc(sizeof *s);
    s->o = *options;
    cs_arena_init(&s->arena, 0);
    s->status = cs_server__status_new();
    cs_mutex_init(&s->refusals.lock);
    s->drift = cs_pq_drift_new(options->metrics, cs_time_wall_ns());
    cs_random(&s->request_seed, sizeof s->request_seed);
    uint64_t wanted = options->config->server.workers;
    s->n_workers = wanted != 0 && wanted <= 1024 ? (unsigned)wanted : cs_cpu_count();
    s->workers = cs_zalloc(s->n_workers * sizeof *s->workers);
    for (unsigned i = 0; i < s->n_workers; i++) {
        s->workers[i] = (cs_server__worker){.server = s, .index = i};
        s->workers[i].host = (cs_host){.self = &s->workers[i],
                                       .now_ns = cs_time_wall_clock,
                                       .mono_ns = host_mono,
                                       .random = host_random,
                                       .print = host_print,
                                       .runtime = host_runtime,
                                       .network = options->network,
                                       .http_cache = options->http_cache,
                                       .allow_net = cs_undefined()};
        cs_server__strict_host(&s->workers[i]);
    }
    cs_server__live_init(s);
    keys_of(s, options->config->gateways.decision, &s->gateway_path, &s->n_gateway_path);
    s->gateway_key = CS_LIT("gateway");
    cs_err r = options->config->identity.configured ? cs_server__identity_new(options->config, &s->identity, e) : CS_OK;
    if (r != CS_OK) {
        cs_server_free(s);
        return r;
    }
    if (cs_config_find_push(options->config, CS_LIT(CS_OVERRIDE_NAME)) != NULL) {
        s->override = cs_override__new(s);
    }
    cs_server__status_measure(s, true);
    *out = s;
    return CS_OK;
}

cs_err cs_server_start(cs_server *server, cs_error *e)
{
    return listen_all(server, e);
}

bool cs_server_drain(cs_server *server, int64_t grace_ns)
{
    return cs_http_server_drain(server->http, grace_ns);
}

void cs_server_refresh_tls(cs_server *server)
{
    cs_http_server_refresh(server->http);
}

void cs_server_free(cs_server *server)
{
    if (server != NULL) {
        cs_server__identity_stop(server->identity); /* it posts to the workers */
        cs_http_server_free(server->http);
        cs_override__free(server->override);
        cs_server__identity_free(server->identity);
        cs_server__status_measure(server, false);
        cs_server__status_free(server->status);
        cs_mutex_destroy(&server->refusals.lock);
        cs_server__live_destroy(server);
        cs_pq_drift_free(server->drift);
        cs_arena_destroy(&server->arena);
        cs_free(server->workers);
        cs_free(server);
    }
}

size_t cs_server_address_count(const cs_server *server)
{
    return cs_http_server_address_count(server->http);
}

cs_slice cs_server_address(const cs_server *server, size_t i)
{
    return cs_http_server_address(server->http, i);
}
