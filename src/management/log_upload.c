/* The uploader: records come from the decision log's thread, chunks go out on a thread of its own. */
#include "countersign/log_upload.h"

#include <stdatomic.h>

#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "management/chunks.h"
#include "management/internal.h"

#define TIMEOUT_NS (60 * CS_NS_PER_S)

/* Something that waits: a chunk that is ready, or (buffer_type event) one record. */
typedef struct item {
    struct item *next;
    bool chunk;
    size_t n;
    char bytes[];
} item;

typedef struct queue {
    item *first, *last;
    size_t n, bytes;
} queue;

struct cs_log_upload {
    cs_log_upload_options o;
    cs_service *service;
    cs_thread thread;
    _Atomic bool abort;   /* ends requests under way */
    _Atomic size_t shown; /* what waits, for metrics */
    cs_mutex lock;        /* of what follows */
    cs_cond wake;
    bool stop, full; /* full: a chunk is ready, and the trigger is `immediate` */
    queue waiting;
    cs_chunks chunks;                       /* being filled; size: by put, event: by the thread */
    double tokens;                          /* of max_decisions_per_second */
    int64_t tokens_mono;                    /* when they were counted */
    uint64_t dropped, limited, failed, cut; /* since that was last logged */
};

static const cs_config_decision_logs *settings(const cs_log_upload *u)
{
    return &u->o.config->decision_logs;
}

static void count(const cs_log_upload *u, cs_metric metric, uint64_t n)
{
    if (u->o.metrics != NULL && n != 0) {
        cs_series_add(cs_metrics_series(u->o.metrics, metric, NULL), CS_METRICS_ANY, n);
    }
}

/* ---- what waits */

static item *make_item(cs_slice bytes, bool chunk)
{
    item *i = cs_alloc(sizeof *i + bytes.n);
    *i = (item){.chunk = chunk, .n = bytes.n};
    memcpy(i->bytes, bytes.p, bytes.n);
    return i;
}

static item *pop(queue *q)
{
    item *i = q->first;
    if (i != NULL) {
        q->first = i->next;
        q->last = q->first == NULL ? NULL : q->last;
        q->n--;
        q->bytes -= i->n;
    }
    return i;
}

static bool is_over(const cs_log_upload *u)
{
    const queue *q = &u->waiting;
    uint64_t most = settings(u)->buffer_bytes;
    most = most != 0 ? most : cs_limits_get()->decision_log_bytes;
    return settings(u)->by_events ? q->n > settings(u)->buffer_events : q->bytes > most;
}

/* Under the lock. */
static void push(cs_log_upload *u, item *i)
{
    queue *q = &u->waiting;
    i->next = NULL;
    if (q->last != NULL) {
        q->last->next = i;
    } else {
        q->first = i;
    }
    q->last = i;
    q->n++;
    q->bytes += i->n;
    uint64_t gone = 0;
    for (; is_over(u) && q->n > 1; gone++) {
        cs_free(pop(q));
    }
    u->dropped += gone;
    if (settings(u)->by_events) {
        count(u, CS_METRIC_LOGS_DROPPED_EVENTS, gone);
    } else {
        count(u, CS_METRIC_LOGS_DROPPED_EVENTS, gone != 0);
        count(u, CS_METRIC_LOGS_DROPPED_BYTES, gone != 0);
    }
}

/* ---- how much waits */

/* Under the lock; for scrapes, which must not wait for it: counting under it waits for them. */
static void note_waiting(cs_log_upload *u)
{
    const queue *q = &u->waiting;
    atomic_store_explicit(&u->shown, settings(u)->by_events ? q->n : q->bytes + u->chunks.text.n, memory_order_relaxed);
}

/* Those of the other kind of buffer are not told. */
static void gather(void *self, cs_metrics_sink *sink, bool events)
{
    const cs_log_upload *u = self;
    if (settings(u)->by_events == events) {
        cs_metrics_emit(sink, NULL, (double)atomic_load_explicit(&u->shown, memory_order_relaxed));
    }
}

static void gather_events(void *self, cs_metrics_sink *sink)
{
    gather(self, sink, true);
}

static void gather_bytes(void *self, cs_metrics_sink *sink)
{
    gather(self, sink, false);
}

static void measure(cs_log_upload *u, bool on)
{
    cs_metrics *m = u->o.metrics;
    if (m != NULL && on) {
        cs_metrics_on_gather(m, CS_METRIC_LOGS_BUFFER_EVENTS, gather_events, u);
        cs_metrics_on_gather(m, CS_METRIC_LOGS_BUFFER_BYTES, gather_bytes, u);
    } else if (m != NULL) { /* another uploader may have taken over */
        cs_metrics_end_gather(m, CS_METRIC_LOGS_BUFFER_EVENTS, u);
        cs_metrics_end_gather(m, CS_METRIC_LOGS_BUFFER_BYTES, u);
    }
}

/* ---- records */

/* Under the lock: a bucket of as many as a second brings, at least one. */
static bool may_pass(cs_log_upload *u)
{
    double rate = settings(u)->max_per_second;
    if (!(rate > 0)) {
        return true;
    }
    double most = rate < 1 ? 1 : (double)(int64_t)rate;
    int64_t now = cs_time_mono_ns();
    u->tokens += rate * (double)(now - u->tokens_mono) / 1e9;
    u->tokens = u->tokens > most ? most : u->tokens;
    u->tokens_mono = now;
    if (u->tokens < 1) {
        u->limited++;
        count(u, CS_METRIC_LOGS_RATE_LIMITED, 1);
        return false;
    }
    u->tokens -= 1;
    return true;
}

static void chunk_ready(void *self, cs_buf *chunk)
{
    cs_log_upload *u = self;
    push(u, make_item(cs_buf_view(chunk), true));
    cs_buf_destroy(chunk);
    u->full = settings(u)->immediate;
}

/* Under the lock. */
static void note_too_large(cs_log_upload *u)
{
    count(u, CS_METRIC_LOGS_TOO_LARGE, u->chunks.too_large);
    count(u, CS_METRIC_LOGS_ND_DROPPED, u->chunks.cut);
    count(u, CS_METRIC_LOGS_ENCODING_FAILURES, u->chunks.failed);
    u->failed += u->chunks.failed;
    u->cut += u->chunks.cut;
    u->chunks.too_large = u->chunks.cut = u->chunks.failed = 0;
}

void cs_log_upload_put(cs_log_upload *u, cs_slice record)
{
    cs_mutex_lock(&u->lock);
    if (may_pass(u)) {
        if (settings(u)->by_events) {
            push(u, make_item(record, false));
            u->full = settings(u)->immediate;
        } else {
            cs_chunks_add(&u->chunks, record, chunk_ready, u);
            note_too_large(u);
        }
    }
    note_waiting(u);
    bool wake = u->full;
    cs_mutex_unlock(&u->lock);
    if (wake) {
        cs_cond_signal(&u->wake);
    }
}

/* ---- sending */

static cs_err send(cs_log_upload *u, cs_slice chunk, int *status, cs_error *e)
{
    cs_http_header headers[2] = {{CS_LIT("Content-Type"), CS_LIT("application/json")},
                                 {CS_LIT("Content-Encoding"), CS_LIT("gzip")}};
    cs_service_request request = {.method = "POST",
                                  .path = settings(u)->resource,
                                  .headers = headers,
                                  .n_headers = 2,
                                  .body = chunk,
                                  .timeout_ns = TIMEOUT_NS};
    cs_http_answer answer;
    cs_err r = cs_service_do(u->service, &request, &answer, e);
    if (r != CS_OK) {
        r = cs_fail_in(e, "log upload failed: ");
    } else {
        if (answer.status < 200 || answer.status >= 300) {
            *status = answer.status;
            r = cs_fail(e, CS_ERR_IO, "log upload failed, server replied with HTTP %d %s", answer.status,
                        cs_http_status_text(answer.status));
        }
        cs_http_answer_destroy(&answer);
    }
    count(u, r == CS_OK ? CS_METRIC_LOGS_UPLOADED : CS_METRIC_LOGS_UPLOAD_FAILED, 1);
    return r;
}

/* Under the lock: records become chunks; with `whole` what is half full becomes one, too. */
static void make_chunks(cs_log_upload *u, bool whole)
{
    if (settings(u)->by_events) {
        queue q = u->waiting;
        u->waiting = (queue){0};
        for (item *i; (i = pop(&q)) != NULL;) {
            if (i->chunk) {
                push(u, i);
            } else {
                cs_chunks_add(&u->chunks, cs_slice_make(i->bytes, i->n), chunk_ready, u);
                cs_free(i);
            }
        }
    }
    if (whole) {
        cs_chunks_flush(&u->chunks, chunk_ready, u);
    }
    note_too_large(u);
}

/* Sends all that waits now; what fails is in the queue again. The first failure ends it. */
static cs_err upload(cs_log_upload *u, bool whole, size_t *sent, int *status, cs_error *e)
{
    cs_mutex_lock(&u->lock);
    make_chunks(u, whole);
    u->full = false;
    size_t n = u->waiting.n;
    cs_err r = CS_OK;
    for (; r == CS_OK && n > 0; n--) {
        item *i = pop(&u->waiting);
        if (i == NULL || !i->chunk) { /* what came meanwhile */
            if (i != NULL) {
                push(u, i);
            }
            break;
        }
        cs_mutex_unlock(&u->lock);
        r = send(u, cs_slice_make(i->bytes, i->n), status, e);
        cs_mutex_lock(&u->lock);
        if (r == CS_OK) {
            (*sent)++;
            cs_free(i);
        } else {
            push(u, i);
        }
    }
    note_waiting(u);
    cs_mutex_unlock(&u->lock);
    return r;
}

static void say_losses(cs_log_upload *u)
{
    cs_mutex_lock(&u->lock);
    uint64_t dropped = u->dropped, limited = u->limited, failed = u->failed;
    uint64_t cut = u->cut;
    u->dropped = u->limited = u->failed = u->cut = 0;
    cs_mutex_unlock(&u->lock);
    if (cut != 0) {
        cs_log(CS_LOG_ERROR, "Decision logs were sent without nd_builtin_cache, with which they are too large.", 1,
               (cs_log_field[]){CS_LOG_I("events", (int64_t)cut)});
    }
    if (dropped + limited + failed != 0) {
        cs_log(CS_LOG_ERROR, "Decision logs were lost.", 3,
               (cs_log_field[]){CS_LOG_I("buffer_full", (int64_t)dropped), CS_LOG_I("rate_limit", (int64_t)limited),
                                CS_LOG_I("too_large", (int64_t)failed)});
    }
}

static cs_err upload_and_tell(cs_log_upload *u, bool whole)
{
    cs_error e = {0};
    int status = 0;
    size_t sent = 0;
    cs_err r = upload(u, whole, &sent, &status, &e);
    if (r != CS_OK && r != CS_ERR_OPERATION) {
        cs_log(CS_LOG_ERROR, e.text, 1, (cs_log_field[]){CS_LOG_S("plugin", CS_LIT("decision_logs"))});
    }
    say_losses(u);
    if (u->o.told != NULL && (r != CS_OK || sent != 0)) {
        u->o.told(u->o.self, r == CS_OK ? NULL : &e, status);
    }
    return r;
}

/* ---- the thread */

static int64_t next_delay(const cs_log_upload *u, cs_err r, unsigned *failures)
{
    const cs_config_decision_logs *s = settings(u);
    *failures = r == CS_OK ? 0 : *failures + 1;
    if (r != CS_OK) {
        return cs_management__backoff(*failures, s->max_delay_ns);
    }
    uint32_t bits;
    cs_random(&bits, sizeof bits);
    return s->min_delay_ns + (int64_t)((double)(s->max_delay_ns - s->min_delay_ns) * ((double)bits / 4294967296.0));
}

/* Until it is time, a chunk is full (not while sending fails), or the end. */
static bool rest(cs_log_upload *u, int64_t ns, bool failing)
{
    int64_t until = cs_time_mono_ns() + ns, left;
    cs_mutex_lock(&u->lock);
    while (!u->stop && (failing || !u->full) && (left = until - cs_time_mono_ns()) > 0) {
        (void)cs_cond_wait_for(&u->wake, &u->lock, left);
    }
    bool stop = u->stop;
    cs_mutex_unlock(&u->lock);
    return stop;
}

static void run(void *self)
{
    cs_log_upload *u = self;
    cs_thread_be_nice();
    unsigned failures = 0;
    cs_err r = CS_OK;
    int64_t due = cs_time_mono_ns();
    while (!rest(u, due - cs_time_mono_ns(), r != CS_OK)) {
        bool whole = cs_time_mono_ns() >= due; /* else only chunks that are full */
        r = upload_and_tell(u, whole);
        due = whole || r != CS_OK ? cs_time_mono_ns() + next_delay(u, r, &failures) : due;
    }
}

/* ---- start and stop */

cs_err cs_log_upload_start(const cs_log_upload_options *options, cs_log_upload **out, cs_error *e)
{
    cs_log_upload *u = cs_zalloc(sizeof *u);
    u->o = *options;
    cs_config_retain(options->config);
    u->service =
        cs_service_new(options->config, cs_config_find_service(options->config, settings(u)->service), &u->abort);
    cs_mutex_init(&u->lock);
    cs_cond_init(&u->wake);
    cs_chunks_init(&u->chunks, settings(u)->upload_bytes);
    measure(u, true);
    u->tokens = 1e9;
    u->tokens_mono = cs_time_mono_ns();
    if (!settings(u)->manual) {
        cs_err r = cs_thread_start(&u->thread, "log-upload", run, u, e);
        if (r != CS_OK) {
            cs_log_upload_stop(u, 0);
            return r;
        }
    }
    *out = u;
    return CS_OK;
}

/* Ends a last upload that takes too long. */
typedef struct deadline {
    cs_log_upload *upload;
    int64_t until_mono;
} deadline;

static void watch(void *self)
{
    const deadline *d = self;
    cs_log_upload *u = d->upload;
    int64_t left;
    cs_mutex_lock(&u->lock);
    while (u->stop && (left = d->until_mono - cs_time_mono_ns()) > 0) {
        (void)cs_cond_wait_for(&u->wake, &u->lock, left);
    }
    atomic_store(&u->abort, u->stop);
    cs_mutex_unlock(&u->lock);
}

static void set_stop(cs_log_upload *u, bool stop)
{
    cs_mutex_lock(&u->lock);
    u->stop = stop;
    cs_cond_broadcast(&u->wake);
    cs_mutex_unlock(&u->lock);
}

void cs_log_upload_stop(cs_log_upload *u, int64_t grace_ns)
{
    if (u == NULL) {
        return;
    }
    measure(u, false);
    set_stop(u, true);
    deadline d = {.upload = u, .until_mono = cs_time_mono_ns() + grace_ns};
    cs_thread watcher;
    cs_error e;
    bool watched = u->thread.running && cs_thread_start(&watcher, "log-upload-end", watch, &d, &e) == CS_OK;
    atomic_store(&u->abort, !watched);
    if (u->thread.running) {
        cs_thread_join(&u->thread);
        (void)upload_and_tell(u, true);
    }
    if (watched) {
        set_stop(u, false);
        cs_thread_join(&watcher);
    }
    size_t lost = u->waiting.n;
    if (lost != 0) {
        cs_logf(CS_LOG_WARN, "%zu chunks of the decision log could not be sent before the end.", lost);
    }
    for (item *i; (i = pop(&u->waiting)) != NULL;) {
        cs_free(i);
    }
    cs_chunks_destroy(&u->chunks);
    cs_service_free(u->service);
    cs_config_free(u->o.config);
    cs_mutex_destroy(&u->lock);
    cs_cond_destroy(&u->wake);
    cs_free(u);
}
