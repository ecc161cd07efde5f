/* The decision log and what the audit log keeps of decisions: records come over a queue as bytes; this thread asks the
 * policy what to drop and what to mask, with the record as input, as in OPA; prints, and hands on to the audit log. */
#include <stdatomic.h>

#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/queue.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "log.h"

enum { QUEUE_DEFAULT = 65536, TURN = 256 /* records for which one world is pinned */ };
#define ROOM_DEFAULT ((size_t)256 << 20)
#define NAP_NS                                                                                                         \
    (10 * CS_NS_PER_MS) /* records gather so long when nobody waits for them: waking costs more than masking */

typedef struct header_names {
    size_t n;
    cs_slice v[];
} header_names;

struct cs_decision_log {
    cs_decision_log_options o;
    cs_queue *queue;
    cs_thread thread;
    cs_store_reader *reader;
    cs_mutex settings; /* of what may change while it runs: */
    cs_arena names;    /* of questions and labels, also of those that were replaced */
    _Atomic(const cs_decision__question *) mask, drop;
    _Atomic(const cs_value *) labels;
    _Atomic(const header_names *) headers;
    _Atomic bool logs, console;
    void (*sink)(void *self, cs_slice record);
    void *sink_self;
    cs_arena arena; /* of one record */
    cs_hasher *hasher;
    cs_buf text;
    cs_mutex lock; /* for the nap */
    cs_cond wake;
    _Atomic size_t waiting; /* bytes in the queue */
    cs_series *dropped;     /* NULL = nobody counts */
    _Atomic bool stop;
};

static cs_decision_record stop_mark;

bool cs_decision__logs(const cs_decision_log *log)
{
    return atomic_load_explicit(&log->logs, memory_order_relaxed);
}

bool cs_decision__audits(const cs_decision_log *log)
{
    return log->o.audit != NULL;
}

cs_value cs_decision__labels(const cs_decision_log *log)
{
    return *atomic_load_explicit(&log->labels, memory_order_acquire);
}

static const cs_decision__question *mask_of(const cs_decision_log *log)
{
    return atomic_load_explicit(&log->mask, memory_order_acquire);
}

static const cs_decision__question *drop_of(const cs_decision_log *log)
{
    return atomic_load_explicit(&log->drop, memory_order_acquire);
}

bool cs_decision_log_wants_metrics(const cs_decision_log *log)
{
    return log != NULL && cs_decision__logs(log);
}

const cs_slice *cs_decision_log_headers(const cs_decision_log *log, size_t *n)
{
    const header_names *names = log != NULL && cs_decision__logs(log) ? atomic_load(&log->headers) : NULL;
    *n = names != NULL ? names->n : 0;
    return names != NULL ? names->v : NULL;
}

bool cs_decision_log_wants_ids(const cs_decision_log *log)
{
    return log != NULL && (cs_decision__logs(log) || cs_decision__audits(log));
}

static size_t size_of(const cs_decision_record *r)
{
    return sizeof *r + cs_decision__log_at(r) + r->log;
}

/* ---- printing */

enum { FIELDS_MAX = 24 };

/* The record's members become fields of the line, among level, msg and time. The text is one that we wrote ourselves.
 */
static void print(cs_arena *a, cs_slice json)
{
    cs_log_field fields[FIELDS_MAX] = {CS_LOG_S("type", CS_LIT("openpolicyagent.org/decision_logs"))};
    size_t n = 1, at = 1;
    while (at + 1 < json.n && json.p[at] == '"' && n < FIELDS_MAX) {
        size_t quote = cs_slice_find_byte(json, '"', at + 1);
        size_t end = cs_json_item_end(json, quote + 2);
        fields[n++] = (cs_log_field){.key = cs_arena_dup(a, json.p + at + 1, quote - at - 1),
                                     .kind = CS_LOG_RAW,
                                     .text = cs_slice_sub(json, quote + 2, end)};
        at = end + 1;
    }
    cs_log_always(CS_LOG_INFO, "Decision Log", n, fields);
}

static bool gives(const cs_decision_log *log)
{
    return cs_decision__logs(log);
}

static void give(cs_decision_log *log, cs_slice json)
{
    if (json.n == 0) {
        return; /* of a time when there was no decision log */
    }
    if (atomic_load_explicit(&log->console, memory_order_relaxed)) {
        print(&log->arena, json);
    }
    cs_mutex_lock(&log->settings);
    if (log->sink != NULL) {
        log->sink(log->sink_self, json);
    }
    cs_mutex_unlock(&log->settings);
}

/* ---- the audit log */

/* Hands on what is written in log->text. While the audit log is full: waits, or refuses for those who wait. An answer
 * that is given already is always kept. */
static void keep(cs_decision_log *log, const cs_decision_record *r)
{
    const char *at = r->bytes + r->front + r->input + r->back + r->result + r->actor;
    cs_audit_record record = {.type = "decision", .time_ns = r->time_ns, .done = r->told == NULL};
    record.tenant = cs_slice_make(at, r->tenant);
    record.request_id = cs_slice_make(at += r->tenant, r->request_id);
    record.decision_id = cs_slice_make(at + r->request_id, r->id);
    cs_audit_written written = cs_audit_write_end(&log->text, &record);
    while (cs_audit_put_written(log->o.audit, &written, r->told, r->self) == CS_AUDIT_FULL) {
        if (!cs_audit_blocks(log->o.audit) || atomic_load(&log->stop)) {
            cs_error e;
            (void)!cs_fail(&e, CS_ERR_IO, "the audit log cannot be written");
            cs_audit_count_refused(log->o.audit);
            r->told(r->self, &e);
            return;
        }
        (void)cs_audit_wait(log->o.audit, 100 * CS_NS_PER_MS);
    }
}

static void begin(cs_decision_log *log, const cs_decision_record *r)
{
    const char *at = r->bytes + r->front + r->input + r->back + r->result;
    cs_audit_write_begin(&log->text, cs_undefined(), cs_slice_make(at, r->actor));
}

/* ---- the thread */

static void handle_asking(cs_decision_log *log, const cs_decision_record *r, const cs_world *world)
{
    cs_decision__asker asker = {.host = log->o.host, .arena = &log->arena, .world = world};
    cs_value event, drop = cs_undefined(), mask = cs_undefined();
    cs_error e = {0};
    cs_err err = cs_decision__event(r, cs_decision__labels(log), &log->arena, &event, &e);
    if (err == CS_OK && cs_decision__logs(log) && cs_decision__ask(&asker, drop_of(log), event, &drop, &e) != CS_OK) {
        drop = cs_undefined();
    }
    if (err == CS_OK && (err = cs_decision__ask(&asker, mask_of(log), event, &mask, &e)) != CS_OK) {
        cs_logf(CS_LOG_ERROR, "Log event masking failed: %s.", e.text);
    }
    /* What should be masked must not come out. */
    event = err == CS_OK ? cs_decision__mask(&log->arena, event, mask) : cs_undefined();
    cs_buf_clear(&log->text);
    if (err == CS_OK && gives(log) && !(cs_is(drop, CS_BOOL) && drop.u.i != 0)) {
        cs_json_write(&log->text, event, CS_JSON_HTML);
        give(log, cs_buf_view(&log->text));
    }
    if (log->o.audit != NULL) {
        begin(log, r);
        cs_decision__keep_masked(&log->text, r, log->hasher, event, &log->arena);
    }
}

/* With the world pinned; what the audit log keeps is in log->text then, but for its end. */
static void handle(cs_decision_log *log, const cs_decision_record *r, const cs_world *world, bool asks)
{
    if (asks) {
        handle_asking(log, r, world);
    } else {
        if (gives(log)) {
            give(log, cs_slice_make(r->bytes + cs_decision__log_at(r), r->log));
        }
        if (log->o.audit != NULL) {
            begin(log, r);
            cs_decision__keep(&log->text, r, log->hasher);
        }
    }
    if (log->o.audit != NULL) {
        keep(log, r);
    }
    cs_arena_reset(&log->arena);
}

/* Some records, on one world. false: the queue is empty. */
static bool handle_some(cs_decision_log *log, bool *stop)
{
    const cs_world *world = cs_store_pin(log->reader);
    bool asks = cs_decision__is_asked(mask_of(log), world) ||
                (cs_decision__logs(log) && cs_decision__is_asked(drop_of(log), world));
    cs_decision_record *r = NULL;
    for (int i = 0; i < TURN && (r = cs_queue_take(log->queue)) != NULL; i++) {
        if (r == &stop_mark) {
            *stop = true;
            continue;
        }
        atomic_fetch_sub_explicit(&log->waiting, size_of(r), memory_order_relaxed);
        handle(log, r, world, asks);
        cs_decision_record_free(r);
    }
    cs_store_unpin(log->reader);
    return r != NULL;
}

/* Nobody waits for a record of which the answer is given. */
static bool may_nap(const cs_decision_log *log)
{
    return log->o.audit != NULL && !gives(log) && !cs_audit_commits(log->o.audit);
}

static void nap(cs_decision_log *log)
{
    int64_t until = cs_time_mono_ns() + NAP_NS, now;
    cs_mutex_lock(&log->lock);
    while (!atomic_load(&log->stop) && (now = cs_time_mono_ns()) < until) {
        (void)cs_cond_wait_for(&log->wake, &log->lock, until - now);
    }
    cs_mutex_unlock(&log->lock);
}

static void run(void *self)
{
    cs_decision_log *log = self;
    log->reader = cs_store_reader_new(log->o.store);
    bool stop = false;
    while (!stop) {
        if (cs_queue_wait(log->queue, 1000) && may_nap(log)) {
            nap(log);
        }
        while (handle_some(log, &stop)) {
        }
        stop |= atomic_load(&log->stop);
    }
    while (handle_some(log, &stop)) {
    }
    cs_store_reader_free(log->reader);
}

/* ---- what may change */

/* The one that is there, unless it is about another path: workers may look at it for as long as the log is there. */
static const cs_decision__question *question(cs_decision_log *log, const cs_decision__question *old, cs_slice path,
                                             const char *kind)
{
    cs_decision__question *q = cs_arena_new(&log->names, cs_decision__question);
    size_t n;
    const char *key = cs_arena_printf(&log->names, &n, "%s %.*s", kind, CS_FMT(path));
    if (old != NULL && cs_slice_eq(old->key, cs_slice_make(key, n))) {
        return old;
    }
    path = cs_slice_make(cs_arena_dup(&log->names, path.p, path.n), path.n);
    cs_decision__question_init(q, &log->names, path, key);
    return q;
}

static const header_names *names_of(cs_decision_log *log, const header_names *old, const cs_slice *v, size_t n)
{
    bool same = old != NULL && old->n == n;
    for (size_t i = 0; same && i < n; i++) {
        same = cs_slice_eq(old->v[i], v[i]);
    }
    if (same) {
        return old;
    }
    header_names *names = cs_arena_alloc(&log->names, sizeof *names + n * sizeof names->v[0]);
    names->n = n;
    for (size_t i = 0; i < n; i++) {
        names->v[i] = cs_slice_make(cs_arena_dup(&log->names, v[i].p, v[i].n), v[i].n);
    }
    return names;
}

void cs_decision_log_configure(cs_decision_log *log, const cs_decision_log_settings *settings)
{
    cs_mutex_lock(&log->settings);
    const cs_value *labels = atomic_load(&log->labels);
    if (labels == NULL || !cs_equal(*labels, settings->labels)) {
        cs_value *copy = cs_arena_new(&log->names, cs_value);
        *copy = cs_freeze(&log->names, settings->labels);
        atomic_store_explicit(&log->labels, copy, memory_order_release);
    }
    atomic_store(&log->mask, question(log, mask_of(log), settings->mask_decision, "log-mask"));
    atomic_store(&log->drop, question(log, drop_of(log), settings->drop_decision, "log-drop"));
    atomic_store(&log->headers, names_of(log, atomic_load(&log->headers), settings->headers, settings->n_headers));
    atomic_store(&log->logs, settings->logs);
    atomic_store(&log->console, settings->console && settings->logs);
    log->sink = settings->logs ? settings->sink : NULL;
    log->sink_self = settings->sink_self;
    cs_mutex_unlock(&log->settings);
}

/* ---- start, stop, put */

cs_err cs_decision_log_start(const cs_decision_log_options *options, cs_decision_log **out, cs_error *e)
{
    cs_decision_log *log = cs_zalloc(sizeof *log);
    log->o = *options;
    log->o.room = options->room != 0 ? options->room : ROOM_DEFAULT;
    cs_arena_init(&log->names, 0);
    cs_arena_init(&log->arena, 0);
    cs_buf_init(&log->text);
    cs_mutex_init(&log->lock);
    cs_cond_init(&log->wake);
    log->hasher = cs_hasher_start(CS_SHA256);
    if (options->metrics != NULL) {
        log->dropped = cs_metrics_series(options->metrics, CS_METRIC_DECISION_LOG_DROPPED, NULL);
    }
    cs_mutex_init(&log->settings);
    cs_decision_log_configure(log, &options->settings);
    cs_err r = cs_queue_new(options->queue != 0 ? options->queue : QUEUE_DEFAULT, &log->queue, e);
    if (r == CS_OK) {
        r = cs_thread_start(&log->thread, "decision-log", run, log, e);
    }
    if (r != CS_OK) {
        cs_decision_log_free(log);
        return r;
    }
    *out = log;
    return CS_OK;
}

void cs_decision_log_stop(cs_decision_log *log)
{
    if (log == NULL || !log->thread.running) {
        return;
    }
    cs_mutex_lock(&log->lock);
    atomic_store(&log->stop, true);
    cs_cond_signal(&log->wake);
    cs_mutex_unlock(&log->lock);
    (void)!cs_queue_put(log->queue, &stop_mark); /* full: then the thread is awake anyway and sees the flag */
    cs_thread_join(&log->thread);
}

void cs_decision_log_free(cs_decision_log *log)
{
    if (log == NULL) {
        return;
    }
    cs_decision_log_stop(log);
    for (cs_decision_record *r; log->queue != NULL && (r = cs_queue_take(log->queue)) != NULL;) {
        if (r != &stop_mark) {
            cs_decision_record_free(r);
        }
    }
    cs_queue_free(log->queue);
    cs_hasher_drop(log->hasher);
    cs_buf_destroy(&log->text);
    cs_cond_destroy(&log->wake);
    cs_mutex_destroy(&log->lock);
    cs_mutex_destroy(&log->settings);
    cs_arena_destroy(&log->names);
    cs_arena_destroy(&log->arena);
    cs_free(log);
}

/* What a full queue means: without an audit log the record is dropped. */
static cs_audit_answer no_room(cs_decision_log *log, cs_decision_record *r)
{
    if (log->o.audit != NULL) {
        return CS_AUDIT_FULL;
    }
    if (log->dropped != NULL) {
        cs_series_add(log->dropped, CS_METRICS_ANY, 1);
    }
    cs_decision_record_free(r);
    return CS_AUDIT_TAKEN;
}

cs_audit_answer cs_decision_log_put(cs_decision_log *log, cs_decision_record *r, cs_audit_told *told, void *self)
{
    bool waits = told != NULL && log->o.audit != NULL && cs_audit_commits(log->o.audit);
    if (atomic_load(&log->stop)) {
        return no_room(log, r);
    }
    if (log->o.audit != NULL && told != NULL && cs_audit_is_full(log->o.audit)) {
        return CS_AUDIT_FULL;
    }
    r->told = waits ? told : NULL;
    r->self = self;
    size_t size = size_of(r);
    if (atomic_fetch_add_explicit(&log->waiting, size, memory_order_relaxed) > log->o.room ||
        !cs_queue_put(log->queue, r)) {
        atomic_fetch_sub_explicit(&log->waiting, size, memory_order_relaxed);
        return no_room(log, r);
    }
    return waits ? CS_AUDIT_TELLS : CS_AUDIT_TAKEN;
}

/* Where nobody wants to see the record before, it goes to the audit log at once: half the cost. */
static bool goes_directly(const cs_decision_log *log, const cs_decision *d)
{
    return log->o.audit != NULL && !cs_decision__logs(log) && !cs_decision__is_asked(mask_of(log), d->world);
}

cs_audit_answer cs_decision_log_take(cs_decision_log *log, const cs_decision *d, cs_buf *room, cs_audit_told *told,
                                     void *self, cs_decision_record **left)
{
    *left = NULL;
    cs_audit_written written;
    if (goes_directly(log, d) && cs_decision__write_whole(room, d, &written)) {
        cs_audit_answer answer = cs_audit_put_written(log->o.audit, &written, told, self);
        if (answer != CS_AUDIT_FULL) {
            return answer;
        }
    }
    cs_decision_record *r = cs_decision__record_new(log, d);
    cs_audit_answer answer = cs_decision_log_put(log, r, told, self);
    *left = answer == CS_AUDIT_FULL ? r : NULL;
    return answer;
}
