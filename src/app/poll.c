/* Bundles of HTTP services: fetched again at random moments between the two delays, with the etag of what is active;
 * after a failure sooner, with growing pauses. One thread for all of them, behind the others in priority: verifying and
 * compiling take time. */
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

enum { HEADERS_MAX = 64, TOKEN_MAX_BYTES = 65536 };

typedef struct source {
    const cs_config_bundle *bundle;
    const cs_config_service *service;
    int64_t due_ns; /* monotonic */
    unsigned failures;
    cs_buf etag;
} source;

struct cs_app__poller {
    cs_app *app;
    cs_thread thread;
    cs_mutex lock;
    cs_cond wake;
    bool stop;
    source *v;
    size_t n;
};

static double uniform(void)
{
    uint32_t bits;
    cs_random(&bits, sizeof bits);
    return (double)bits / 4294967296.0;
}

/* After a failure: 100 ms, growing by 1.6, at most the longest delay, give or take a fifth. */
static int64_t backoff(const source *s)
{
    double ns = 1e8;
    for (unsigned i = 1; i < s->failures && ns < (double)s->bundle->max_delay_ns; i++) {
        ns *= 1.6;
    }
    ns = ns > (double)s->bundle->max_delay_ns ? (double)s->bundle->max_delay_ns : ns;
    return (int64_t)(ns * (0.8 + 0.4 * uniform()));
}

static void schedule(source *s, bool ok)
{
    s->failures = ok ? 0 : s->failures + 1;
    int64_t span = s->bundle->max_delay_ns - s->bundle->min_delay_ns;
    int64_t delay = ok ? s->bundle->min_delay_ns + (int64_t)((double)span * uniform()) : backoff(s);
    s->due_ns = cs_time_mono_ns() + delay;
}

static cs_err bearer(cs_arena *a, const cs_config_service *service, cs_slice *out, cs_error *e)
{
    cs_slice token = service->bearer_token;
    if (service->bearer_token_path.n != 0) {
        cs_buf text;
        cs_buf_init(&text);
        cs_err r = cs_file_read(cs_arena_dup(a, service->bearer_token_path.p, service->bearer_token_path.n),
                                TOKEN_MAX_BYTES, &text, e);
        cs_slice trimmed = cs_slice_trim(cs_buf_view(&text));
        token = cs_slice_make(cs_arena_dup(a, trimmed.p, trimmed.n), trimmed.n);
        cs_buf_destroy(&text);
        CS_TRY(r);
    }
    *out = CS_LIT("");
    if (token.n != 0) {
        size_t n;
        const char *value = cs_arena_printf(a, &n, "%.*s %.*s", CS_FMT(service->bearer_scheme), CS_FMT(token));
        *out = cs_slice_make(value, n);
    }
    return CS_OK;
}

static cs_err fetch(source *s, cs_arena *a, cs_http_answer *answer, cs_error *e)
{
    const cs_config_service *service = s->service;
    cs_http_header headers[HEADERS_MAX];
    size_t n = 0;
    cs_slice authorization;
    CS_TRY(bearer(a, service, &authorization, e));
    if (authorization.n != 0) {
        headers[n++] = (cs_http_header){CS_LIT("Authorization"), authorization};
    }
    if (s->etag.n != 0) {
        headers[n++] = (cs_http_header){CS_LIT("If-None-Match"), cs_buf_view(&s->etag)};
    }
    headers[n++] = (cs_http_header){CS_LIT("Prefer"), CS_LIT("modes=snapshot")};
    for (uint32_t i = 0; i < cs_count(service->headers) && n < HEADERS_MAX; i++) {
        cs_value value, key = cs_entry(service->headers, i, &value);
        if (cs_is(value, CS_STRING)) {
            headers[n++] = (cs_http_header){cs_text(key), cs_text(value)};
        }
    }
    cs_slice base = service->url, resource = s->bundle->resource;
    while (base.n != 0 && base.p[base.n - 1] == '/') {
        base.n--;
    }
    while (resource.n != 0 && resource.p[0] == '/') {
        resource = cs_slice_sub(resource, 1, resource.n);
    }
    cs_http_fetch_options options = {
        .url = cs_arena_printf(a, NULL, "%.*s/%.*s", CS_FMT(base), CS_FMT(resource)),
        .headers = headers,
        .n_headers = n,
        .timeout_ns = 10 * 60 * CS_NS_PER_S,
        .max_bytes = cs_limits_get()->bundle_archive_bytes,
        .ca_file = service->ca_cert.n != 0 ? cs_arena_dup(a, service->ca_cert.p, service->ca_cert.n) : NULL,
        .insecure = service->allow_insecure_tls,
    };
    return cs_http_fetch(&options, answer, e);
}

static cs_err take(cs_app *app, source *s, cs_arena *a, const cs_http_answer *answer, cs_errors *errors, cs_error *e)
{
    if (answer->status == 304) {
        return CS_OK;
    }
    if (answer->status != 200) {
        return cs_fail(e, CS_ERR_IO, "request failed, server replied with %s", cs_http_status_text(answer->status));
    }
    cs_bundle_options options = cs_app__bundle_options(app, s->bundle, a);
    options.etag = cs_buf_view(&answer->etag);
    cs_bundle *bundle;
    cs_err r = cs_bundle_read(cs_buf_view(&answer->body), &options, &bundle, e);
    if (r != CS_OK) {
        cs_server_bundle_report(app->server, NULL, s->bundle->name, e, NULL, 0);
        return r;
    }
    r = cs_server_activate(app->server, (const cs_bundle *const *)&bundle, 1, errors, e);
    cs_bundle_free(bundle);
    if (r == CS_OK) {
        cs_buf_clear(&s->etag);
        cs_buf_slice(&s->etag, cs_buf_view(&answer->etag));
    }
    return r;
}

static void poll_one(cs_app *app, source *s)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    cs_http_answer answer;
    cs_err r = fetch(s, &a, &answer, &e);
    if (r == CS_OK) {
        r = take(app, s, &a, &answer, &errors, &e);
        cs_http_answer_destroy(&answer);
    } else {
        cs_server_bundle_report(app->server, NULL, s->bundle->name, &e, NULL, 0);
    }
    if (r != CS_OK) {
        cs_log(CS_LOG_ERROR, "Bundle load failed.", 2,
               (cs_log_field[]){CS_LOG_S("name", s->bundle->name), CS_LOG_S("error", cs_slice_of(e.text))});
    }
    schedule(s, r == CS_OK);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&a);
}

static void run(void *self)
{
    cs_app__poller *p = self;
    cs_thread_be_nice();
    cs_mutex_lock(&p->lock);
    while (!p->stop) {
        int64_t now = cs_time_mono_ns();
        source *next = &p->v[0];
        for (size_t i = 1; i < p->n; i++) {
            next = p->v[i].due_ns < next->due_ns ? &p->v[i] : next;
        }
        if (next->due_ns > now) {
            (void)cs_cond_wait_for(&p->wake, &p->lock, next->due_ns - now);
            continue;
        }
        cs_mutex_unlock(&p->lock);
        poll_one(p->app, next);
        cs_mutex_lock(&p->lock);
    }
    cs_mutex_unlock(&p->lock);
}

cs_err cs_app__poller_start(cs_app *app, cs_error *e)
{
    cs_app__poller *p = cs_zalloc(sizeof *p);
    p->app = app;
    p->v = cs_zalloc((app->config->n_bundles + 1) * sizeof *p->v);
    cs_mutex_init(&p->lock);
    cs_cond_init(&p->wake);
    app->poller = p;
    for (size_t i = 0; i < app->config->n_bundles; i++) {
        const cs_config_bundle *b = &app->config->bundles[i];
        const cs_config_service *service = cs_config_find_service(app->config, b->service);
        if (b->path.n == 0 && service != NULL) {
            p->v[p->n] = (source){.bundle = b, .service = service};
            cs_buf_init(&p->v[p->n++].etag);
        }
    }
    return p->n != 0 ? cs_thread_start(&p->thread, "builder", run, p, e) : CS_OK;
}

void cs_app__poller_stop(cs_app__poller *p)
{
    if (p == NULL) {
        return;
    }
    cs_mutex_lock(&p->lock);
    p->stop = true;
    cs_cond_signal(&p->wake);
    cs_mutex_unlock(&p->lock);
    cs_thread_join(&p->thread);
    for (size_t i = 0; i < p->n; i++) {
        cs_buf_destroy(&p->v[i].etag);
    }
    cs_mutex_destroy(&p->lock);
    cs_cond_destroy(&p->wake);
    cs_free(p->v);
    cs_free(p);
}
