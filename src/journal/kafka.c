/* The journal on Kafka: one thread that consumes, folds and produces.
 *
 * It never waits for a broker: what is away, gone or denied is a reason in the status, and the lag grows from the last
 * answer on. Positions are kept by whoever takes snapshots; nothing is committed to the brokers. */
#include "journal/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "countersign/base/buf.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"

enum { IDLE_MS = 50, ARENA_BYTES = 65536 };
#define DAY_NS (86400 * CS_NS_PER_S)
#define REBUILD_NS (401 * DAY_NS)
#define AGAIN_NS (35 * DAY_NS)
#define APPEND_NS (10 * CS_NS_PER_S)
#define STOP_NS (3 * CS_NS_PER_S)
#define PATIENCE_NS (3 * CS_NS_PER_S) /* so long a first connection may take before it is talked about */
#define LOOK_NS (20 * CS_NS_PER_MS)
#define INCIDENT_NS (3600 * CS_NS_PER_S) /* so long an incident keeps the status from being "ok" */

/* ---- what is wrong with the log */

static void drop_fault(cs_journal__kafka *k, const cs_kafka_report *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < k->faults.n; i++) {
        const cs_journal__fault *f = &k->faults.v[i];
        bool unreadable = f->fault == CS_KAFKA_UNREADABLE || f->fault == CS_KAFKA_DENIED;
        bool same = f->fault == r->fault || (r->fault == CS_KAFKA_UNREADABLE && unreadable);
        if (!(same && f->partition == r->partition && strcmp(f->topic, r->topic) == 0)) {
            k->faults.v[kept++] = *f;
        }
    }
    k->faults.n = kept;
}

static void on_report(void *self, const cs_kafka_report *r)
{
    cs_journal__kafka *k = self;
    cs_log_field fields[] = {CS_LOG_S("topic", cs_slice_of(r->topic)), CS_LOG_S("reason", cs_slice_of(r->text)),
                             CS_LOG_I("partition", r->partition)};
    size_t n = r->partition >= 0 ? 3 : 2;
    drop_fault(k, r);
    if (r->over) {
        cs_log(CS_LOG_INFO, "Kafka topic is as it should be again.", n, fields);
        return;
    }
    cs_log(CS_LOG_ERROR, "Kafka topic is not as it should be.", n, fields);
    bool incident = r->fault == CS_KAFKA_GAP || r->fault == CS_KAFKA_RECREATED;
    cs_journal__fault fault = {.fault = r->fault,
                               .partition = r->partition,
                               .until_mono = incident ? cs_time_mono_ns() + INCIDENT_NS : INT64_MAX};
    (void)snprintf(fault.topic, sizeof fault.topic, "%s", r->topic);
    (void)(r->partition >= 0
               ? snprintf(fault.text, sizeof fault.text, "%s/%d: %s", r->topic, (int)r->partition, r->text)
               : snprintf(fault.text, sizeof fault.text, "%s: %s", r->topic, r->text));
    CS_VEC_PUSH(&k->faults, fault);
    if (k->lost_records != NULL && r->lost > 0) {
        cs_series_add(k->lost_records, CS_METRICS_ANY, (uint64_t)r->lost);
    }
}

/* The cluster away, else the newest fault; "" if all is well. */
static void find_reason(cs_journal__kafka *k, char *out, size_t n)
{
    out[0] = '\0';
    int64_t away = cs_kafka_in_away(k->in);
    bool ever = cs_kafka_in_cluster(k->in)[0] != '\0';
    if (away > (ever ? 0 : PATIENCE_NS)) {
        char why[256];
        cs_kafka_in_reason(k->in, why, sizeof why);
        (void)snprintf(out, n, "no broker can be reached: %s", why);
        return;
    }
    int64_t now = cs_time_mono_ns();
    for (size_t i = 0; i < k->faults.n; i++) {
        if (k->faults.v[i].until_mono > now) {
            (void)snprintf(out, n, "%s", k->faults.v[i].text);
        }
    }
}

static void tell_reason(cs_journal__kafka *k)
{
    char reason[sizeof k->said];
    find_reason(k, reason, sizeof reason);
    if (strcmp(reason, k->said) == 0) {
        return;
    }
    (void)snprintf(k->said, sizeof k->said, "%s", reason);
    if (reason[0] == '\0') {
        cs_journal__working(k->journal, "Journal is well again.");
        return;
    }
    cs_error e;
    (void)!cs_fail(&e, CS_ERR_IO, "%s: %s", k->journal->name, reason);
    cs_journal__failing(k->journal, 0, "Journal is not well.", &e);
}

/* ---- how far */

static void look(cs_journal__kafka *k)
{
    cs_journal *j = k->journal;
    k->looked_mono = cs_time_mono_ns();
    int64_t oldest = INT64_MAX;
    bool behind = false;
    size_t n = cs_kafka_in_parts(k->in);
    cs_mutex_lock(&k->lock);
    k->shown.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        cs_kafka_part part = *cs_kafka_in_part(k->in, i);
        CS_VEC_PUSH(&k->shown, part);
        if (!part.absent) {
            oldest = part.as_of_ns < oldest ? part.as_of_ns : oldest;
            behind = behind || !part.level;
        }
    }
    cs_mutex_unlock(&k->lock);
    if (!atomic_load(&j->caught_up)) {
        atomic_store(&j->replayed_ns, n > 0 ? oldest : 0);
        if (cs_kafka_in_caught_up(k->in)) {
            cs_journal__replayed(j, CS_OK, NULL);
        }
    }
    int64_t as_of = behind && oldest <= 0 ? 1 : oldest;
    atomic_store(&k->behind_as_of, behind ? as_of : 0);
    tell_reason(k);
}

static int64_t lag(const cs_journal *j)
{
    cs_journal__kafka *k = j->log;
    int64_t as_of = atomic_load(&k->behind_as_of);
    int64_t behind = as_of != 0 ? j->now_ns(j->now_self) - as_of : 0;
    int64_t away = cs_kafka_in_away(k->in);
    return away > behind ? away : behind;
}

static int by_place(const void *x, const void *y)
{
    const cs_journal_source *a = x;
    const cs_journal_source *b = y;
    int topics = cs_slice_compare(a->topic, b->topic);
    return topics != 0 ? topics : (a->partition > b->partition) - (a->partition < b->partition);
}

static size_t sources(cs_journal *j, cs_arena *a, cs_journal_source **out)
{
    cs_journal__kafka *k = j->log;
    int64_t now = j->now_ns(j->now_self);
    int64_t away = cs_kafka_in_away(k->in);
    cs_mutex_lock(&k->lock);
    size_t n = k->shown.n;
    cs_journal_source *s = cs_arena_array(a, cs_journal_source, n + 1);
    for (size_t i = 0; i < n; i++) {
        const cs_kafka_part *part = &k->shown.v[i];
        int64_t behind = part->level || part->absent ? 0 : part->as_of_ns > 0 ? now - part->as_of_ns : now;
        s[i] = (cs_journal_source){.topic = cs_slice_of(part->topic == 0 ? k->spend : k->own),
                                   .partition = part->partition,
                                   .next = part->next > 0 ? (uint64_t)part->next : 0,
                                   .high = part->high > 0 ? (uint64_t)part->high : 0,
                                   .lag_ns = behind > away ? behind : away};
    }
    cs_mutex_unlock(&k->lock);
    qsort(s, n, sizeof *s, by_place);
    *out = s;
    return n;
}

/* ---- the loop */

/* Positions of another cluster mean nothing in this one, and the state that they belong to is another's. */
static bool right_cluster(cs_journal__kafka *k)
{
    const char *cluster = cs_kafka_in_cluster(k->in);
    if (k->identity[0] == '\0' || cluster[0] == '\0' || strcmp(k->identity, cluster) == 0) {
        return true;
    }
    if (!atomic_load(&k->journal->broken)) {
        cs_error e;
        cs_err err = cs_fail(&e, CS_ERR_INVALID, "%s: the snapshot is of cluster %s, and this is cluster %s",
                             k->journal->name, k->identity, cluster);
        cs_journal__replayed(k->journal, err, &e);
    }
    return false;
}

/* Records of one take; the arena is emptied as it grows, so that what is read stays in the cache. */
static size_t consume(cs_journal__kafka *k)
{
    cs_journal *j = k->journal;
    size_t n = cs_kafka_in_take(k->in);
    k->taken_ns = cs_time_wall_ns();
    cs_kafka_record record;
    while (cs_kafka_in_next(k->in, &record)) {
        cs_journal__kafka_record(k, &record);
        if (cs_arena_used(&j->arena) > ARENA_BYTES) {
            cs_journal__kafka_apply_rest(k);
            cs_arena_reset(&j->arena);
        }
    }
    cs_journal__kafka_apply_rest(k);
    cs_arena_reset(&j->arena);
    cs_kafka_in_done(k->in);
    return n;
}

static void run(cs_journal *j)
{
    cs_journal__kafka *k = j->log;
    cs_error e;
    if (cs_kafka_in_start(k->in, &e) != CS_OK) {
        cs_journal__replayed(j, e.code, &e);
    }
    int64_t stop_mono = 0;
    for (;;) {
        cs_journal__kafka_accept(k);
        size_t n = right_cluster(k) ? consume(k) : 0;
        cs_kafka_out_poll(k->out);
        cs_journal__kafka_expire(k, false);
        int64_t now = cs_time_mono_ns();
        if (now - k->looked_mono >= LOOK_NS) {
            look(k);
        }
        if (atomic_load(&j->stop)) {
            stop_mono = stop_mono != 0 ? stop_mono : now;
            bool idle = k->oldest == NULL && k->letters == 0 && cs_queue_length(j->queue) == 0;
            if (idle || now - stop_mono > STOP_NS) {
                break;
            }
        }
        bool more = cs_journal__snapshot_step(j);
        if (n == 0) {
            (void)cs_queue_wait(j->queue, more ? 2 : IDLE_MS);
        }
    }
    cs_journal__kafka_expire(k, true);
    cs_journal_batch *batch = NULL;
    while ((batch = cs_queue_take(j->queue)) != NULL) {
        if (batch != &cs_journal__wake_up) {
            (void)!cs_fail(&e, CS_ERR_IO, "%s: the service ends", j->name);
            batch->done(batch->self, batch, &e);
        }
    }
}

/* ---- positions */

static bool positions(cs_journal *j, cs_journal__positions *out)
{
    cs_journal__kafka *k = j->log;
    const char *cluster = cs_kafka_in_cluster(k->in);
    size_t n = cs_kafka_in_parts(k->in);
    if (cluster[0] == '\0' || n == 0 || k->letters > 0) {
        return false; /* a dead letter that is not confirmed would be lost with a position behind its record */
    }
    *out = (cs_journal__positions){.identity = ""};
    (void)snprintf(out->identity, sizeof out->identity, "%s", cluster);
    for (uint32_t i = 0; i < n; i++) {
        const cs_kafka_part *part = cs_kafka_in_part(k->in, i);
        if (part->absent) {
            continue;
        }
        if (part->next < 0) {
            CS_VEC_FREE(&out->v);
            return false; /* not placed yet */
        }
        cs_journal__position at = {.partition = part->partition, .next = (uint64_t)part->next, .mark = part->mark};
        (void)snprintf(at.topic, sizeof at.topic, "%s", cs_kafka_in_topic(k->in, part->topic));
        CS_VEC_PUSH(&out->v, at);
    }
    return true;
}

static cs_err resume(cs_journal *j, const cs_journal__positions *from, cs_error *e)
{
    (void)e;
    cs_journal__kafka *k = j->log;
    (void)snprintf(k->identity, sizeof k->identity, "%s", from->identity);
    for (size_t i = 0; i < from->v.n; i++) {
        const cs_journal__position *at = &from->v.v[i];
        cs_kafka_start start = {
            .topic = at->topic, .partition = at->partition, .next = (int64_t)at->next, .mark = at->mark};
        cs_kafka_in_resume(k->in, &start, 1);
    }
    return CS_OK; /* whose they are is known when a broker answers */
}

/* ---- opening and closing */

static void close_kafka(cs_journal *j)
{
    cs_journal__kafka *k = j->log;
    cs_kafka_in_free(k->in);
    cs_kafka_out_free(k->out);
    CS_VEC_FREE(&k->faults);
    CS_VEC_FREE(&k->shown);
    cs_free(k->slots);
    cs_free(k->spend);
    cs_free(k->own);
    cs_free(k->dead_letter);
    cs_mutex_destroy(&k->lock);
    cs_free(k);
}

static const cs_journal__kind kind = {.run = run,
                                      .lag = lag,
                                      .sources = sources,
                                      .positions = positions,
                                      .resume = resume,
                                      .walk = cs_journal__kafka_walk,
                                      .put = cs_journal__kafka_put,
                                      .flush = cs_journal__kafka_flush,
                                      .close = close_kafka};

static void name_topics(cs_journal__kafka *k, const cs_journal_kafka *options)
{
    k->spend = cs_strdup(options->spend);
    k->own = cs_strdup(options->own);
    if (options->dead_letter != NULL && options->dead_letter[0] != '\0') {
        k->dead_letter = cs_strdup(options->dead_letter);
        return;
    }
    cs_buf name;
    cs_buf_init(&name);
    cs_buf_printf(&name, "%s.dlq", options->spend);
    cs_buf_byte(&name, '\0');
    k->dead_letter = cs_strdup(cs_buf_view(&name).p);
    cs_buf_destroy(&name);
}

static void count_in(cs_journal__kafka *k, cs_metrics *metrics)
{
    if (metrics != NULL) {
        cs_slice dead = CS_LIT("dead_letter");
        k->dead = cs_metrics_series(metrics, CS_METRIC_SPEND_EVENTS, &dead);
        k->lost_letters = cs_metrics_series(metrics, CS_METRIC_JOURNAL_LOST_LETTERS, NULL);
        k->lost_records = cs_metrics_series(metrics, CS_METRIC_JOURNAL_LOST_RECORDS, NULL);
    }
}

cs_err cs_journal__kafka_open(const cs_journal_options *options, cs_journal *j, cs_error *e)
{
    const cs_journal_kafka *o = options->kafka;
    cs_journal__kafka *k = cs_zalloc(sizeof *k);
    k->journal = j;
    cs_mutex_init(&k->lock);
    name_topics(k, o);
    k->append_ns = o->append_ns > 0 ? o->append_ns : APPEND_NS;
    count_in(k, options->metrics);
    j->kind = &kind;
    j->log = k;
    (void)snprintf(j->name, sizeof j->name, "kafka:%s/%s", o->brokers, k->spend);
    int64_t now = j->now_ns(j->now_self);
    cs_kafka_cluster cluster = {.brokers = o->brokers,
                                .properties = o->properties,
                                .n_properties = o->n_properties,
                                .wake_fd = cs_queue_fd(j->queue)};
    cs_kafka_in_options in = {.cluster = cluster,
                              .topics = {k->spend, k->own},
                              .n_topics = 2,
                              .make = {k->own, k->dead_letter},
                              .n_make = 2,
                              .since_ns = now - (o->rebuild_ns > 0 ? o->rebuild_ns : REBUILD_NS),
                              .again_since_ns = now - (o->again_ns > 0 ? o->again_ns : AGAIN_NS),
                              .report = on_report,
                              .self = k};
    cs_err err = CS_OK;
    if (strcmp(k->spend, k->own) == 0 || strcmp(k->spend, k->dead_letter) == 0 || strcmp(k->own, k->dead_letter) == 0) {
        err = cs_fail(e, CS_ERR_INVALID, "spend, own and dead_letter must be different topics");
    }
    err = err == CS_OK ? cs_kafka_in_new(&in, &k->in, e) : err;
    if (err == CS_OK) {
        cs_kafka_out_options out = {.cluster = cluster,
                                    .topics = {k->spend, k->own},
                                    .n_topics = 2,
                                    .patient = k->dead_letter,
                                    .timeout_ns =
                                        k->append_ns * 4 / 5, /* before the batch: its answer names the cause */
                                    .delivered = cs_journal__kafka_delivered,
                                    .self = k};
        err = cs_kafka_out_new(&out, &k->out, e);
    }
    if (err != CS_OK) {
        close_kafka(j);
    }
    return err;
}
