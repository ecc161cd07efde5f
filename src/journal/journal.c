/* The journal's thread: replay the past, then take batches, commit them in groups, apply, answer.
 *
 * What other threads see of it are atomics: whether it has caught up, since when it is busy with the group at hand,
 * since when writes fail. While it is idle the state holds all that was recorded, and its age is nothing. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/queue.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "journal/internal.h"

enum { FOLDS = 8, QUEUE = 4096, GROUP_EVENTS = 20000, GROUP_BATCHES = 1024, IDLE_MS = 500 };

struct cs_journal {
    cs_journal__file *file;
    cs_fold folds[FOLDS];
    size_t n_folds;
    cs_queue *queue;
    cs_thread thread;
    bool started;
    int64_t (*now_ns)(void *self);
    void *now_self;
    char name[300];

    _Atomic bool stop;
    _Atomic bool caught_up;
    _Atomic bool broken;
    _Atomic int64_t busy_mono;    /* when the oldest batch of the group at hand was queued; 0 = idle */
    _Atomic int64_t failing_mono; /* when the first batch that could not be written was queued; 0 = writes work */
    _Atomic int64_t replayed_ns;  /* arrival of the last event of the past that was applied */
    _Atomic uint64_t applied;
    _Atomic uint64_t offset;

    cs_mutex lock; /* of what follows */
    cs_cond changed;
    cs_error error; /* why it is broken or failing */

    /* The thread's own. */
    cs_journal_batch *group[GROUP_BATCHES];
    size_t n_group;
    cs_arena arena;
};

/* Wakes the thread; never looked into. */
static cs_journal_batch wake_up;

static int64_t wall_clock(void *self)
{
    (void)self;
    return cs_time_wall_ns();
}

cs_err cs_journal_open(const cs_journal_options *options, cs_journal **out, cs_error *e)
{
    cs_assert(options->sqlite_path != NULL);
    cs_journal__file *file = NULL;
    CS_TRY(cs_journal__file_open(options->sqlite_path, options->sync_normal, &file, e));
    cs_queue *queue = NULL;
    cs_err err = cs_queue_new(options->queue != 0 ? options->queue : QUEUE, &queue, e);
    if (err != CS_OK) {
        cs_journal__file_close(file);
        return err;
    }
    cs_journal *j = cs_zalloc(sizeof *j);
    j->file = file;
    j->queue = queue;
    j->now_ns = options->now_ns != NULL ? options->now_ns : wall_clock;
    j->now_self = options->now_self;
    (void)snprintf(j->name, sizeof j->name, "sqlite:%s", options->sqlite_path);
    cs_mutex_init(&j->lock);
    cs_cond_init(&j->changed);
    cs_arena_init(&j->arena, 0);
    *out = j;
    return CS_OK;
}

void cs_journal_fold(cs_journal *j, const cs_fold *fold)
{
    cs_assert(!j->started && j->n_folds < FOLDS);
    j->folds[j->n_folds++] = *fold;
}

/* ---- applying */

static bool wants(const cs_fold *fold, const cs_event *event)
{
    return cs_slice_starts(event->type, cs_slice_of(fold->types));
}

static void apply(cs_journal *j, cs_event *event)
{
    event->outcome = CS_EVENT_UNSEEN;
    for (size_t i = 0; i < j->n_folds; i++) {
        if (wants(&j->folds[i], event)) {
            cs_event_outcome outcome = j->folds[i].apply(j->folds[i].self, event);
            event->outcome = outcome > event->outcome ? outcome : event->outcome;
        }
    }
    atomic_store_explicit(&j->offset, event->offset, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&j->applied, 1, memory_order_relaxed);
}

/* Do all folds that want it know it already? */
static bool redundant(const cs_journal *j, const cs_event *event)
{
    bool known = false;
    for (size_t i = 0; i < j->n_folds; i++) {
        const cs_fold *fold = &j->folds[i];
        if (wants(fold, event)) {
            if (fold->redundant == NULL || !fold->redundant(fold->self, event)) {
                return false;
            }
            known = true;
        }
    }
    return known;
}

/* ---- the past */

static cs_err replay_one(void *self, uint64_t offset, int64_t arrived_ns, cs_slice body, cs_error *e)
{
    cs_journal *j = self;
    if (atomic_load_explicit(&j->stop, memory_order_relaxed)) {
        return cs_fail(e, CS_ERR_TIMEOUT, "stopped while replaying");
    }
    cs_event event = {.past = true};
    cs_event_reject reject;
    cs_err err = cs_event_read(&j->arena, body, false, &event, &reject);
    if (err != CS_OK) {
        err = cs_fail(e, CS_ERR_INVALID, "%s: event %llu cannot be read: %.*s", j->name, (unsigned long long)offset,
                      CS_FMT(reject.message));
    }
    event.past = true;
    for (size_t i = 0; err == CS_OK && i < j->n_folds; i++) {
        if (wants(&j->folds[i], &event) && j->folds[i].check != NULL) {
            err = j->folds[i].check(j->folds[i].self, &event, e);
            if (err != CS_OK && e != NULL) {
                err = cs_fail_in(e, "%s: event %llu: ", j->name, (unsigned long long)offset);
            }
        }
    }
    if (err == CS_OK) {
        event.arrived_ns = arrived_ns;
        event.offset = offset;
        apply(j, &event);
        atomic_store_explicit(&j->replayed_ns, arrived_ns, memory_order_relaxed);
    }
    cs_arena_reset(&j->arena);
    return err;
}

static void replay(cs_journal *j)
{
    int64_t start = cs_time_mono_ns();
    cs_error e = {.code = CS_OK};
    cs_err err = cs_journal__file_walk(j->file, replay_one, j, &e);
    cs_mutex_lock(&j->lock);
    if (err != CS_OK) {
        j->error = e;
        atomic_store(&j->broken, true);
    } else {
        atomic_store(&j->caught_up, true);
    }
    cs_cond_broadcast(&j->changed);
    cs_mutex_unlock(&j->lock);
    if (err == CS_OK) {
        cs_log(CS_LOG_INFO, "Journal replayed.", 3,
               (cs_log_field[]){CS_LOG_S("journal", cs_slice_of(j->name)),
                                CS_LOG_I("events", (int64_t)atomic_load(&j->applied)),
                                CS_LOG_I("ms", (cs_time_mono_ns() - start) / CS_NS_PER_MS)});
    } else if (err != CS_ERR_TIMEOUT) {
        cs_log(CS_LOG_ERROR, "Journal cannot be read; events are refused.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e.text))});
    }
}

/* ---- new batches */

static void set_failing(cs_journal *j, int64_t since_mono, const cs_error *e)
{
    bool was = atomic_load(&j->failing_mono) != 0;
    cs_mutex_lock(&j->lock);
    j->error = *e;
    if (!was) {
        atomic_store(&j->failing_mono, since_mono != 0 ? since_mono : 1);
    }
    cs_mutex_unlock(&j->lock);
    if (!was) {
        cs_log(CS_LOG_ERROR, "Journal cannot be written; events are refused until it can.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e->text))});
    }
}

static void set_working(cs_journal *j)
{
    if (atomic_load(&j->failing_mono) != 0) {
        atomic_store(&j->failing_mono, 0);
        cs_log(CS_LOG_INFO, "Journal can be written again.", 1,
               (cs_log_field[]){CS_LOG_S("journal", cs_slice_of(j->name))});
    }
}

static cs_err write_batch(cs_journal *j, cs_journal_batch *batch, int64_t now, size_t *written, cs_error *e)
{
    for (size_t i = 0; i < batch->n; i++) {
        cs_event *event = &batch->events[i];
        event->arrived_ns = now;
        event->past = false;
        event->partition = 0;
        event->offset = 0;
        event->outcome = CS_EVENT_UNSEEN;
        if (redundant(j, event)) {
            event->outcome = CS_EVENT_DUPLICATE;
            continue;
        }
        CS_TRY(cs_journal__file_put(j->file, now, event->body, &event->offset, e));
        (*written)++;
    }
    return CS_OK;
}

/* Makes the group durable as one transaction: all of it or nothing. */
static cs_err write_group(cs_journal *j, cs_error *e)
{
    int64_t now = j->now_ns(j->now_self);
    cs_err err = cs_journal__file_begin(j->file, e);
    size_t written = 0;
    for (size_t i = 0; err == CS_OK && i < j->n_group; i++) {
        err = write_batch(j, j->group[i], now, &written, e);
    }
    if (err == CS_OK && written > 0) {
        err = cs_journal__file_commit(j->file, e);
    }
    if (err != CS_OK || written == 0) {
        cs_journal__file_undo(j->file);
    }
    return err;
}

static void finish_group(cs_journal *j, cs_err err, const cs_error *e)
{
    for (size_t i = 0; i < j->n_group; i++) {
        cs_journal_batch *batch = j->group[i];
        for (size_t k = 0; err == CS_OK && k < batch->n; k++) {
            if (batch->events[k].outcome != CS_EVENT_DUPLICATE) {
                apply(j, &batch->events[k]);
            }
        }
    }
    /* Answers come last: whoever was answered finds its events counted, and the counters up to date. */
    atomic_store(&j->busy_mono, 0);
    for (size_t i = 0; i < j->n_group; i++) {
        j->group[i]->done(j->group[i]->self, j->group[i], err == CS_OK ? NULL : e);
    }
    j->n_group = 0;
}

static bool take_group(cs_journal *j)
{
    size_t events = 0;
    j->n_group = 0;
    while (j->n_group < GROUP_BATCHES && events < GROUP_EVENTS) {
        cs_journal_batch *batch = cs_queue_take(j->queue);
        if (batch == NULL) {
            break;
        }
        if (batch != &wake_up) {
            events += batch->n;
            j->group[j->n_group++] = batch;
        }
    }
    return j->n_group > 0;
}

static void do_group(cs_journal *j)
{
    int64_t since = j->group[0]->queued_mono_ns;
    atomic_store(&j->busy_mono, since);
    cs_error e = {.code = CS_OK};
    cs_err err = CS_OK;
    if (atomic_load(&j->broken)) {
        cs_mutex_lock(&j->lock);
        e = j->error;
        cs_mutex_unlock(&j->lock);
        err = e.code;
    } else {
        err = write_group(j, &e);
        if (err != CS_OK) {
            set_failing(j, since, &e);
        } else {
            set_working(j);
        }
    }
    finish_group(j, err, &e);
}

static void probe(cs_journal *j)
{
    cs_error e = {.code = CS_OK};
    if (cs_journal__file_probe(j->file, &e) == CS_OK) {
        set_working(j);
    } else {
        set_failing(j, 0, &e);
    }
}

static void journal_main(void *self)
{
    cs_journal *j = self;
    replay(j);
    int64_t tried = cs_time_mono_ns();
    for (;;) {
        while (take_group(j)) {
            do_group(j);
        }
        if (atomic_load(&j->stop)) {
            return;
        }
        if (atomic_load(&j->failing_mono) != 0 && cs_time_mono_ns() - tried >= CS_NS_PER_S) {
            probe(j);
            tried = cs_time_mono_ns();
        }
        (void)cs_queue_wait(j->queue, IDLE_MS);
    }
}

/* ---- the door */

cs_err cs_journal_start(cs_journal *j, cs_error *e)
{
    cs_assert(!j->started);
    j->started = true;
    cs_err err = cs_thread_start(&j->thread, "journal", journal_main, j, e);
    j->started = err == CS_OK;
    return err;
}

cs_err cs_journal_wait(cs_journal *j, int64_t timeout_ns, cs_error *e)
{
    int64_t deadline = cs_time_mono_ns() + timeout_ns;
    cs_err err = CS_OK;
    cs_mutex_lock(&j->lock);
    while (!atomic_load(&j->caught_up) && !atomic_load(&j->broken)) {
        int64_t left = deadline - cs_time_mono_ns();
        if (left <= 0) {
            err = cs_fail(e, CS_ERR_TIMEOUT, "%s: still replaying", j->name);
            break;
        }
        (void)cs_cond_wait_for(&j->changed, &j->lock, left);
    }
    if (atomic_load(&j->broken)) {
        err = cs_fail(e, j->error.code, "%s", j->error.text);
    }
    cs_mutex_unlock(&j->lock);
    return err;
}

void cs_journal_free(cs_journal *j)
{
    if (j == NULL) {
        return;
    }
    atomic_store(&j->stop, true);
    /* A full queue means that the thread is awake. */
    bool awake = cs_queue_put(j->queue, &wake_up);
    (void)awake;
    cs_thread_join(&j->thread);
    cs_queue_free(j->queue);
    cs_journal__file_close(j->file);
    cs_arena_destroy(&j->arena);
    cs_cond_destroy(&j->changed);
    cs_mutex_destroy(&j->lock);
    cs_free(j);
}

cs_journal_batch *cs_journal_batch_new(cs_journal_done *done, void *self)
{
    cs_journal_batch *batch = cs_zalloc(sizeof *batch);
    cs_arena_init(&batch->arena, 0);
    batch->done = done;
    batch->self = self;
    return batch;
}

void cs_journal_batch_add(cs_journal_batch *batch, const cs_event *event)
{
    if (batch->n == batch->cap) {
        batch->cap = batch->cap != 0 ? batch->cap * 2 : 4;
        batch->events = cs_realloc(batch->events, batch->cap * sizeof *batch->events);
    }
    batch->events[batch->n++] = *event;
}

void cs_journal_batch_free(cs_journal_batch *batch)
{
    if (batch != NULL) {
        cs_arena_destroy(&batch->arena);
        cs_free(batch->events);
        cs_free(batch);
    }
}

cs_err cs_journal_append(cs_journal *j, cs_journal_batch *batch, cs_error *e)
{
    if (atomic_load(&j->broken)) {
        return cs_fail(e, CS_ERR_IO, "%s cannot be read; events are refused", j->name);
    }
    batch->queued_mono_ns = cs_time_mono_ns();
    if (!cs_queue_put(j->queue, batch)) {
        return cs_fail(e, CS_ERR_LIMIT, "%s: too many events are waiting", j->name);
    }
    return CS_OK;
}

int64_t cs_journal_lag(cs_journal *j, int64_t *as_of_ns, bool *caught_up)
{
    bool caught = atomic_load(&j->caught_up);
    int64_t now = j->now_ns(j->now_self);
    int64_t lag = 0;
    if (!caught) {
        lag = now - atomic_load_explicit(&j->replayed_ns, memory_order_relaxed);
    } else {
        int64_t failing = atomic_load(&j->failing_mono);
        int64_t busy = atomic_load(&j->busy_mono);
        int64_t since = failing != 0 ? failing : busy;
        if (since != 0) {
            lag = cs_time_mono_ns() - since;
        }
    }
    lag = lag > 0 ? lag : 0;
    if (as_of_ns != NULL) {
        *as_of_ns = now - lag;
    }
    if (caught_up != NULL) {
        *caught_up = caught;
    }
    return lag;
}

void cs_journal_get_status(cs_journal *j, cs_journal_status *out)
{
    *out = (cs_journal_status){.failing = atomic_load(&j->failing_mono) != 0,
                               .broken = atomic_load(&j->broken),
                               .applied = atomic_load(&j->applied),
                               .offset = atomic_load(&j->offset),
                               .waiting = cs_queue_length(j->queue)};
    (void)snprintf(out->name, sizeof out->name, "%s", j->name);
    out->lag_ns = cs_journal_lag(j, &out->as_of_ns, &out->caught_up);
    if (out->failing || out->broken) {
        cs_mutex_lock(&j->lock);
        (void)snprintf(out->reason, sizeof out->reason, "%.*s", (int)sizeof out->reason - 1, j->error.text);
        cs_mutex_unlock(&j->lock);
    }
}
