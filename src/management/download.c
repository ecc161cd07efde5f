/* One bundle of an HTTP service: asked for again at random moments between the two delays, with the etag of what is
 * active; at once again where the server can wait with its answer (long polling); after a failure with growing pauses.
 * A thread of its own, behind the others in priority: verifying and compiling take time. */
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "management/internal.h"

static const char long_poll_type[] = "application/vnd.openpolicyagent.bundles";

#define LONG_POLL_GRACE_NS (30 * CS_NS_PER_S) /* longer than the server was allowed to wait */

cs_management__download *cs_management__download_new(cs_management *m, cs_config *config,
                                                     const cs_config_bundle *bundle, cs_service *service)
{
    cs_management__download *d = cs_zalloc(sizeof *d);
    d->m = m;
    d->config = cs_config_retain(config);
    d->bundle = bundle;
    d->service = cs_service_retain(service);
    d->long_poll = bundle->long_poll_s != 0; /* until the server says that it cannot */
    cs_management__rest_init(&d->rest);
    cs_buf_init(&d->etag);
    return d;
}

void cs_management__download_stop(cs_management__download *d)
{
    cs_management__rest_stop(&d->rest);
    if (d->started) {
        cs_thread_join(&d->thread);
        d->started = false;
    }
}

void cs_management__download_free(cs_management__download *d)
{
    if (d == NULL) {
        return;
    }
    cs_management__download_stop(d);
    for (size_t i = 0; i < d->n_superseded; i++) {
        cs_buf_destroy(&d->superseded[i].etag);
    }
    cs_buf_destroy(&d->etag);
    cs_management__rest_destroy(&d->rest);
    cs_service_free(d->service);
    cs_config_free(d->config);
    cs_free(d);
}

/* ---- etags */

static void drop_superseded(cs_management__download *d, size_t i)
{
    cs_buf_destroy(&d->superseded[i].etag);
    memmove(&d->superseded[i], &d->superseded[i + 1], (d->n_superseded - i - 1) * sizeof d->superseded[0]);
    d->n_superseded--;
}

static void supersede(cs_management__download *d, cs_slice etag, cs_slice current)
{
    if (d->bundle->superseded_ns == 0) {
        return;
    }
    for (size_t i = d->n_superseded; i-- > 0;) {
        cs_slice one = cs_buf_view(&d->superseded[i].etag);
        if (cs_slice_eq(one, etag) || cs_slice_eq(one, current)) {
            drop_superseded(d, i);
        }
    }
    if (etag.n == 0 || cs_slice_eq(etag, current)) {
        return;
    }
    if (d->n_superseded == CS_MANAGEMENT__SUPERSEDED) {
        drop_superseded(d, 0);
    }
    cs_buf_init(&d->superseded[d->n_superseded].etag);
    cs_buf_slice(&d->superseded[d->n_superseded].etag, etag);
    d->superseded[d->n_superseded++].since_mono = cs_time_mono_ns();
}

static void if_none_match(cs_management__download *d, cs_buf *out)
{
    cs_buf_slice(out, cs_buf_view(&d->etag));
    for (size_t i = d->n_superseded; out->n != 0 && i-- > 0;) {
        if (cs_time_mono_ns() - d->superseded[i].since_mono >= d->bundle->superseded_ns) {
            drop_superseded(d, i);
        }
    }
    for (size_t i = d->n_superseded; out->n != 0 && i-- > 0;) {
        cs_buf_text(out, ", ");
        cs_buf_slice(out, cs_buf_view(&d->superseded[i].etag));
    }
}

static void take_etag(cs_management__download *d, cs_slice etag)
{
    cs_buf before = d->etag;
    cs_buf_init(&d->etag);
    cs_buf_slice(&d->etag, etag);
    supersede(d, cs_buf_view(&before), etag);
    cs_buf_destroy(&before);
}

/* ---- the request */

static cs_err fetch(cs_management__download *d, cs_http_answer *answer, cs_error *e)
{
    cs_buf etags;
    cs_buf_init(&etags);
    if_none_match(d, &etags);
    char prefer[64];
    bool wait = d->long_poll && d->bundle->long_poll_s != 0;
    int n = wait ? snprintf(prefer, sizeof prefer, "modes=snapshot,delta;wait=%lld", (long long)d->bundle->long_poll_s)
                 : snprintf(prefer, sizeof prefer, "modes=snapshot,delta");
    cs_http_header headers[2] = {{CS_LIT("Prefer"), cs_slice_make(prefer, (size_t)n)},
                                 {CS_LIT("If-None-Match"), cs_buf_view(&etags)}};
    cs_service_request request = {
        .path = d->bundle->resource,
        .headers = headers,
        .n_headers = etags.n != 0 ? 2 : 1,
        .head_wait_ns = wait ? d->bundle->long_poll_s * CS_NS_PER_S + LONG_POLL_GRACE_NS : 0,
        .timeout_ns = wait ? d->bundle->long_poll_s * CS_NS_PER_S + 600 * CS_NS_PER_S : 0,
        .max_bytes = cs_limits_get()->bundle_archive_bytes,
        .stop = &d->rest.stopped,
    };
    int64_t before = cs_time_mono_ns();
    cs_err r = cs_service_do(d->service, &request, answer, e);
    cs_buf_destroy(&etags);
    if (r == CS_ERR_OPERATION) {
        return r; /* the program ends: nothing to be told */
    }
    cs_server_download report = {.discovery = d->discovery,
                                 .name = d->bundle->name,
                                 .status = r == CS_OK ? answer->status : 0,
                                 .bytes = r == CS_OK ? answer->body.n : 0,
                                 .request_ns = cs_time_mono_ns() - before};
    cs_server_bundle_downloaded(d->m->o.server, &report);
    return r == CS_OK ? CS_OK : cs_fail_in(e, "request failed: ");
}

/* ---- the answer */

void cs_management__say(const cs_management__download *d, const char *what, const cs_error *e, const cs_errors *errors)
{
    cs_buf text;
    cs_buf_init(&text);
    if (errors != NULL && errors->n != 0) {
        cs_errors_print(&text, errors);
    } else {
        cs_buf_text(&text, e->text);
    }
    cs_slice plugin = d->discovery ? CS_LIT("discovery") : CS_LIT("bundle");
    cs_log(CS_LOG_ERROR, what, 3,
           (cs_log_field[]){CS_LOG_S("name", d->bundle->name), CS_LOG_S("plugin", plugin),
                            CS_LOG_S("error", cs_buf_view(&text))});
    cs_buf_destroy(&text);
}

static void report(cs_management__download *d, const cs_error *e)
{
    if (d->discovery) {
        cs_server_discovery_report(d->m->o.server, CS_LIT(""), CS_LIT(""), e, NULL);
    } else {
        cs_server_bundle_report(d->m->o.server, NULL, d->bundle->name, e, NULL, 0);
    }
}

static cs_err activate(cs_management__download *d, const cs_http_answer *answer, cs_arena *a, cs_errors *errors,
                       cs_error *e)
{
    cs_management *m = d->m;
    cs_bundle_options options = m->o.read_options(m->o.self, d->config, d->bundle, a);
    options.etag = cs_buf_view(&answer->etag);
    cs_bundle *bundle;
    cs_err r = cs_bundle_read(cs_buf_view(&answer->body), &options, &bundle, e);
    if (r != CS_OK) {
        report(d, e);
        cs_management__say(d, "Bundle load failed.", e, errors);
        return r;
    }
    cs_server_bundle_came(m->o.server, d->bundle->name, false, bundle->delta);
    r = cs_server_activate(m->o.server, (const cs_bundle *const *)&bundle, 1, errors, e);
    cs_bundle_free(bundle);
    if (r != CS_OK) {
        cs_management__say(d, "Bundle activation failed.", e, errors);
    } else if (d->bundle->persist) {
        r = cs_management__keep(m, d->bundle->name, cs_buf_view(&answer->body), e);
        if (r != CS_OK) {
            report(d, e);
        }
    }
    return r;
}

/* The etag is not kept if anything failed: what is active is then asked for again. */
static cs_err take(cs_management__download *d, const cs_http_answer *answer, cs_arena *a, cs_error *e)
{
    if (answer->status == 304) {
        return CS_OK;
    }
    if (answer->status != 200) {
        cs_err r = cs_fail(e, CS_ERR_IO, "server replied with %s", cs_http_status_text(answer->status));
        report(d, e);
        return r;
    }
    d->long_poll = cs_slice_is(cs_buf_view(&answer->content_type), long_poll_type);
    if (answer->body.n == 0) {
        return CS_OK; /* as OPA: an empty answer is none */
    }
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err r = d->discovery ? cs_management__discover(d->m, answer, e) : activate(d, answer, a, &errors, e);
    cs_errors_destroy(&errors);
    if (r == CS_OK) {
        take_etag(d, cs_buf_view(&answer->etag));
    }
    return r;
}

enum { LARGE = 1048576 }; /* bytes of a bundle, compressed */

static cs_err poll(cs_management__download *d)
{
    const char *failed = d->discovery ? "Discovery download failed." : "Bundle load failed.";
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_error e = {0};
    cs_http_answer answer;
    bool large = false;
    cs_err r = fetch(d, &answer, &e);
    if (r == CS_OK) {
        large = answer.body.n >= LARGE;
        r = take(d, &answer, &a, &e);
        if (r != CS_OK && answer.status != 200) {
            cs_management__say(d, failed, &e, NULL);
        }
        cs_http_answer_destroy(&answer);
    } else if (r != CS_ERR_OPERATION) {
        report(d, &e);
        cs_management__say(d, failed, &e, NULL);
    }
    if (r != CS_OK && d->discovery) {
        cs_buf_clear(&d->etag); /* as OPA: it is asked for whole again */
    }
    cs_arena_destroy(&a);
    if (large) {
        cs_mem_trim();
    }
    return r;
}

/* ---- the thread */

static int64_t next_delay(cs_management__download *d, cs_err r)
{
    const cs_config_bundle *b = d->bundle;
    if (r != CS_OK) {
        return cs_management__backoff(++d->failures, b->max_delay_ns);
    }
    d->failures = 0;
    if (d->long_poll && b->long_poll_s != 0) {
        return 0;
    }
    uint32_t bits;
    cs_random(&bits, sizeof bits);
    return b->min_delay_ns + (int64_t)((double)(b->max_delay_ns - b->min_delay_ns) * ((double)bits / 4294967296.0));
}

static void run(void *self)
{
    cs_management__download *d = self;
    cs_thread_be_nice();
    while (!cs_management__pause(&d->rest, next_delay(d, poll(d)))) {
    }
}

cs_err cs_management__download_start(cs_management__download *d, cs_error *e)
{
    if (d->bundle->manual) {
        return CS_OK;
    }
    CS_TRY(cs_thread_start(&d->thread, d->discovery ? "discovery" : "download", run, d, e));
    d->started = true;
    return CS_OK;
}
