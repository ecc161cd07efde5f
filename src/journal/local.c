/* The journal as one file: replay the past, then take batches, commit them in groups, apply, answer.
 *
 * While the thread is idle the state holds all that was recorded, and its age is nothing. */
#include <stdio.h>

#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "journal/internal.h"

enum { GROUP_EVENTS = 20000, GROUP_BATCHES = 1024, IDLE_MS = 500, STEP_EVENTS = 1000 };

typedef struct local {
    cs_journal *journal;
    cs_journal__file *file;
    uint64_t from;             /* the first offset to apply */
    _Atomic int64_t busy_mono; /* when the oldest batch of the group at hand was queued; 0 = idle */
    cs_journal_batch *group[GROUP_BATCHES];
    size_t n_group;
    size_t imported; /* in the open transaction */
    cs_series *dead;
} local;

/* ---- the past */

/* What is in the log, whole, and cannot be read by anyone here: the log goes on behind it. */
static cs_err bury(local *l, uint64_t offset, cs_slice body, const cs_event_reject *reject, cs_error *e)
{
    cs_journal *j = l->journal;
    cs_journal_letter letter = {.at_ns = j->now_ns(j->now_self),
                                .topic = CS_LIT(""),
                                .offset = offset,
                                .code = cs_slice_of(reject->code),
                                .reason = reject->message,
                                .body = body};
    bool fresh = false;
    CS_TRY(cs_journal__file_letter(l->file, &letter, &fresh, e));
    if (fresh) {
        cs_log(CS_LOG_ERROR, "An event of the journal cannot be read; it is a dead letter.", 2,
               (cs_log_field[]){CS_LOG_I("offset", (int64_t)offset), CS_LOG_S("reason", reject->message)});
        cs_journal__letter_show(j, &letter);
    }
    if (fresh && l->dead != NULL) {
        cs_series_add(l->dead, CS_METRICS_ANY, 1);
    }
    atomic_store_explicit(&j->offset, offset, memory_order_relaxed);
    return CS_OK;
}

static cs_err replay_one(void *self, uint64_t offset, int64_t arrived_ns, cs_slice body, cs_error *e)
{
    cs_journal *j = ((local *)self)->journal;
    if (atomic_load_explicit(&j->stop, memory_order_relaxed)) {
        return cs_fail(e, CS_ERR_TIMEOUT, "stopped while replaying");
    }
    cs_event event;
    cs_event_reject reject;
    cs_err err = cs_journal__read(j, &j->arena, body, false, true, &event, &reject);
    if (err == CS_OK) {
        event.arrived_ns = arrived_ns;
        event.offset = offset;
        cs_journal__apply(j, &event);
        atomic_store_explicit(&j->replayed_ns, arrived_ns, memory_order_relaxed);
        if (offset % STEP_EVENTS == 0) {
            (void)cs_journal__snapshot_step(j);
        }
    } else {
        err = bury(self, offset, body, &reject, e);
    }
    cs_arena_reset(&j->arena);
    return err;
}

static void replay(local *l)
{
    cs_error e = {.code = CS_OK};
    cs_err err = cs_journal__file_walk(l->file, l->from, replay_one, l, &e);
    cs_journal__replayed(l->journal, err, &e);
}

/* ---- new batches */

#define UNWRITABLE "Journal cannot be written; events are refused until it can."
#define WRITABLE "Journal can be written again."

static cs_err write_batch(local *l, cs_journal_batch *batch, int64_t now, size_t *written, cs_error *e)
{
    for (size_t i = 0; i < batch->n; i++) {
        cs_event *event = &batch->events[i];
        event->arrived_ns = now;
        event->past = false;
        event->partition = 0;
        event->offset = 0;
        event->outcome = CS_EVENT_UNSEEN;
        if (cs_journal__redundant(l->journal, event)) {
            event->outcome = CS_EVENT_DUPLICATE;
            continue;
        }
        CS_TRY(cs_journal__file_put(l->file, now, event->body, &event->offset, e));
        (*written)++;
    }
    for (size_t i = 0; i < batch->n_letters; i++) {
        bool fresh = false;
        batch->letters[i].at_ns = now;
        CS_TRY(cs_journal__file_letter(l->file, &batch->letters[i], &fresh, e));
        (*written)++;
    }
    return CS_OK;
}

/* Makes the group durable as one transaction: all of it or nothing. */
static cs_err write_group(local *l, cs_error *e)
{
    int64_t now = l->journal->now_ns(l->journal->now_self);
    cs_err err = cs_journal__file_begin(l->file, e);
    size_t written = 0;
    for (size_t i = 0; err == CS_OK && i < l->n_group; i++) {
        err = write_batch(l, l->group[i], now, &written, e);
    }
    if (err == CS_OK && written > 0) {
        err = cs_journal__file_commit(l->file, e);
    }
    if (err != CS_OK || written == 0) {
        cs_journal__file_undo(l->file);
    }
    return err;
}

static void finish_group(local *l, cs_err err, const cs_error *e)
{
    for (size_t i = 0; i < l->n_group; i++) {
        cs_journal_batch *batch = l->group[i];
        for (size_t k = 0; err == CS_OK && k < batch->n; k++) {
            if (batch->events[k].outcome != CS_EVENT_DUPLICATE) {
                cs_journal__apply(l->journal, &batch->events[k]);
            }
        }
        for (size_t k = 0; err == CS_OK && k < batch->n_letters; k++) {
            cs_journal__letter_show(l->journal, &batch->letters[k]);
        }
    }
    /* Answers come last: whoever was answered finds its events counted, and the counters up to date. */
    atomic_store(&l->busy_mono, 0);
    for (size_t i = 0; i < l->n_group; i++) {
        l->group[i]->done(l->group[i]->self, l->group[i], err == CS_OK ? NULL : e);
    }
    l->n_group = 0;
}

static bool take_group(local *l)
{
    size_t events = 0;
    l->n_group = 0;
    while (l->n_group < GROUP_BATCHES && events < GROUP_EVENTS) {
        cs_journal_batch *batch = cs_queue_take(l->journal->queue);
        if (batch == NULL) {
            break;
        }
        if (batch != &cs_journal__wake_up) {
            events += batch->n;
            l->group[l->n_group++] = batch;
        }
    }
    return l->n_group > 0;
}

static void do_group(local *l)
{
    cs_journal *j = l->journal;
    int64_t since = l->group[0]->queued_mono_ns;
    atomic_store(&l->busy_mono, since);
    cs_error e = {.code = CS_OK};
    cs_err err = CS_OK;
    if (atomic_load(&j->broken)) {
        cs_mutex_lock(&j->lock);
        e = j->error;
        cs_mutex_unlock(&j->lock);
        err = e.code;
    } else {
        err = write_group(l, &e);
        if (err != CS_OK) {
            cs_journal__failing(j, since, UNWRITABLE, &e);
        } else {
            cs_journal__working(j, WRITABLE);
        }
    }
    finish_group(l, err, &e);
}

static void probe(local *l)
{
    cs_error e = {.code = CS_OK};
    if (cs_journal__file_probe(l->file, &e) == CS_OK) {
        cs_journal__working(l->journal, WRITABLE);
    } else {
        cs_journal__failing(l->journal, 0, UNWRITABLE, &e);
    }
}

static void run(cs_journal *j)
{
    local *l = j->log;
    replay(l);
    int64_t tried = cs_time_mono_ns();
    for (;;) {
        bool more = cs_journal__snapshot_step(j);
        while (take_group(l)) {
            do_group(l);
            more = cs_journal__snapshot_step(j);
        }
        if (atomic_load(&j->stop)) {
            return;
        }
        if (atomic_load(&j->failing_mono) != 0 && cs_time_mono_ns() - tried >= CS_NS_PER_S) {
            probe(l);
            tried = cs_time_mono_ns();
        }
        (void)cs_queue_wait(l->journal->queue, more ? 1 : IDLE_MS);
    }
}

/* ---- the kind */

static int64_t lag(const cs_journal *j)
{
    const local *l = j->log;
    int64_t failing = atomic_load(&j->failing_mono);
    int64_t busy = atomic_load(&l->busy_mono);
    int64_t since = failing != 0 ? failing : busy;
    return since != 0 ? cs_time_mono_ns() - since : 0;
}

static size_t sources(cs_journal *j, cs_arena *a, cs_journal_source **out)
{
    cs_journal_source *s = cs_arena_new(a, cs_journal_source);
    bool caught_up = false;
    s->topic = CS_LIT("");
    s->lag_ns = cs_journal_lag(j, NULL, &caught_up);
    s->next = s->high = atomic_load_explicit(&j->offset, memory_order_relaxed) + 1;
    *out = s;
    return 1;
}

static bool positions(cs_journal *j, cs_journal__positions *out)
{
    const local *l = j->log;
    *out = (cs_journal__positions){.identity = ""};
    (void)snprintf(out->identity, sizeof out->identity, "%s", cs_journal__file_id(l->file));
    cs_journal__position at = {.next = atomic_load_explicit(&j->offset, memory_order_relaxed) + 1};
    CS_VEC_PUSH(&out->v, at);
    return true;
}

static cs_err resume(cs_journal *j, const cs_journal__positions *from, cs_error *e)
{
    local *l = j->log;
    const char *id = cs_journal__file_id(l->file);
    uint64_t last = cs_journal__file_last(l->file);
    if (!cs_slice_is(cs_slice_of(from->identity), id) || from->v.n != 1) {
        return cs_fail(e, CS_ERR_INVALID, "%s: another journal's positions", j->name);
    }
    if (from->v.v[0].next == 0 || from->v.v[0].next > last + 1) {
        return cs_fail(e, CS_ERR_INVALID, "%s: its last event is %llu; it should have %llu", j->name,
                       (unsigned long long)last, (unsigned long long)(from->v.v[0].next - 1));
    }
    l->from = from->v.v[0].next;
    atomic_store(&j->offset, l->from - 1);
    return CS_OK;
}

/* ---- moving */

typedef struct walking {
    cs_journal_each *each;
    void *self;
} walking;

static cs_err walk_one(void *self, uint64_t offset, int64_t arrived_ns, cs_slice body, cs_error *e)
{
    const walking *w = self;
    cs_journal_entry entry = {.topic = CS_LIT(""), .offset = offset, .arrived_ns = arrived_ns, .body = body};
    return w->each(w->self, &entry, e);
}

static cs_err walk(cs_journal *j, cs_journal_each *each, void *self, cs_error *e)
{
    walking w = {each, self};
    return cs_journal__file_walk(((local *)j->log)->file, 1, walk_one, &w, e);
}

static cs_err flush(cs_journal *j, cs_error *e)
{
    local *l = j->log;
    cs_err err = l->imported > 0 ? cs_journal__file_commit(l->file, e) : CS_OK;
    if (err != CS_OK) {
        cs_journal__file_undo(l->file);
    }
    l->imported = 0;
    return err;
}

static cs_err put(cs_journal *j, const cs_event *event, cs_error *e)
{
    local *l = j->log;
    if (l->imported == 0) {
        CS_TRY(cs_journal__file_begin(l->file, e));
    }
    uint64_t offset = 0;
    l->imported++;
    cs_err err = cs_journal__file_put(l->file, event->arrived_ns, event->body, &offset, e);
    if (err != CS_OK) {
        cs_journal__file_undo(l->file);
        l->imported = 0;
        return err;
    }
    return l->imported >= GROUP_EVENTS ? flush(j, e) : CS_OK;
}

static void close_local(cs_journal *j)
{
    local *l = j->log;
    cs_journal__file_close(l->file);
    cs_free(l);
}

static const cs_journal__kind kind = {.run = run,
                                      .lag = lag,
                                      .sources = sources,
                                      .positions = positions,
                                      .resume = resume,
                                      .walk = walk,
                                      .put = put,
                                      .flush = flush,
                                      .close = close_local};

static void show(void *self, const cs_journal_letter *letter)
{
    cs_journal__letter_show(self, letter);
}

cs_err cs_journal__local_open(const cs_journal_options *options, cs_journal *j, cs_error *e)
{
    cs_journal__file *file = NULL;
    CS_TRY(cs_journal__file_open(options->sqlite_path, options->sync_normal, &file, e));
    cs_err err = cs_journal__file_letters(file, CS_JOURNAL__LETTERS, show, j, e);
    if (err != CS_OK) {
        cs_journal__file_close(file);
        return err;
    }
    local *l = cs_zalloc(sizeof *l);
    l->journal = j;
    l->file = file;
    l->from = 1;
    if (options->metrics != NULL) {
        cs_slice dead = CS_LIT("dead_letter");
        l->dead = cs_metrics_series(options->metrics, CS_METRIC_SPEND_EVENTS, &dead);
    }
    j->kind = &kind;
    j->log = l;
    (void)snprintf(j->name, sizeof j->name, "sqlite:%s", options->sqlite_path);
    return CS_OK;
}
