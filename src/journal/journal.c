/* The door of every journal: the queue, the folds, the status. What happens behind it is the kind's (local.c). */
#include <stdio.h>

#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "journal/snapshot.h"

enum { QUEUE = 4096 };

cs_journal_batch cs_journal__wake_up; /* never looked into */

static void free_door(cs_journal *j)
{
    cs_queue_free(j->queue);
    cs_arena_destroy(&j->arena);
    cs_journal__letters_free(j);
    cs_cond_destroy(&j->changed);
    cs_mutex_destroy(&j->lock);
    cs_free(j);
}

cs_err cs_journal_open(const cs_journal_options *options, cs_journal **out, cs_error *e)
{
    cs_assert((options->sqlite_path != NULL) != (options->kafka != NULL));
    cs_queue *queue = NULL;
    CS_TRY(cs_queue_new(options->queue != 0 ? options->queue : QUEUE, &queue, e));
    cs_journal *j = cs_zalloc(sizeof *j);
    j->queue = queue;
    j->now_ns = options->now_ns != NULL ? options->now_ns : cs_time_wall_clock;
    j->now_self = options->now_self;
    cs_mutex_init(&j->lock);
    cs_cond_init(&j->changed);
    cs_arena_init(&j->arena, 0);
    cs_err err = options->kafka != NULL ? cs_journal__kafka_open(options, j, e) : cs_journal__local_open(options, j, e);
    if (err != CS_OK) {
        free_door(j);
        return err;
    }
    if (options->snapshot_path != NULL) {
        j->snapshots = cs_journal__snapshots_new(j, options);
    }
    *out = j;
    return CS_OK;
}

void cs_journal_fold(cs_journal *j, const cs_fold *fold)
{
    cs_assert(!j->started && j->n_folds < CS_JOURNAL__FOLDS);
    j->folds[j->n_folds++] = *fold;
}

/* ---- what kinds say */

void cs_journal__replayed(cs_journal *j, cs_err err, const cs_error *e)
{
    cs_mutex_lock(&j->lock);
    if (err != CS_OK) {
        j->error = *e;
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
                                CS_LOG_I("ms", (cs_time_mono_ns() - j->started_mono) / CS_NS_PER_MS)});
    } else if (err != CS_ERR_TIMEOUT) {
        cs_log(CS_LOG_ERROR, "Journal cannot be read; events are refused.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e->text))});
    }
}

void cs_journal__failing(cs_journal *j, int64_t since_mono, const char *what, const cs_error *e)
{
    bool was = atomic_load(&j->failing_mono) != 0;
    cs_mutex_lock(&j->lock);
    j->error = *e;
    if (!was) {
        atomic_store(&j->failing_mono, since_mono != 0 ? since_mono : 1);
    }
    cs_mutex_unlock(&j->lock);
    if (!was) {
        cs_log(CS_LOG_ERROR, what, 1, (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e->text))});
    }
}

void cs_journal__working(cs_journal *j, const char *what)
{
    if (atomic_load(&j->failing_mono) != 0) {
        atomic_store(&j->failing_mono, 0);
        cs_log(CS_LOG_INFO, what, 1, (cs_log_field[]){CS_LOG_S("journal", cs_slice_of(j->name))});
    }
}

/* ---- the door */

bool cs_journal_keeps_snapshots(const cs_journal *j)
{
    return j->snapshots != NULL;
}

/* The folds are not what they should be: nothing may be applied to them. */
static void refuse_all(cs_journal *j, const cs_error *e)
{
    while (!atomic_load(&j->stop) || cs_queue_length(j->queue) > 0) {
        cs_journal_batch *batch = cs_queue_take(j->queue);
        if (batch == NULL) {
            (void)cs_queue_wait(j->queue, 500);
        } else if (batch != &cs_journal__wake_up) {
            batch->done(batch->self, batch, e);
        }
    }
}

static void journal_main(void *self)
{
    cs_journal *j = self;
    cs_error e = {.code = CS_OK};
    cs_err err = cs_journal__snapshots_restore(j->snapshots, &e);
    if (err != CS_OK) {
        cs_journal__replayed(j, err, &e);
        refuse_all(j, &e);
        return;
    }
    j->kind->run(j);
    cs_journal__snapshots_finish(j->snapshots);
}

cs_err cs_journal_start(cs_journal *j, cs_error *e)
{
    cs_assert(!j->started);
    j->started = true;
    j->started_mono = cs_time_mono_ns();
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
    bool awake = cs_queue_put(j->queue, &cs_journal__wake_up);
    (void)awake;
    cs_thread_join(&j->thread);
    cs_journal__snapshots_free(j->snapshots);
    j->kind->close(j);
    free_door(j);
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
        cs_free(batch->letters);
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
        lag = j->kind->lag(j);
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

size_t cs_journal_sources(cs_journal *j, cs_arena *a, cs_journal_source **out)
{
    return j->kind->sources(j, a, out);
}

/* ---- moving a log */

cs_err cs_journal_export(cs_journal *j, cs_journal_each *each, void *self, cs_error *e)
{
    cs_assert(!j->started);
    return j->kind->walk(j, each, self, e);
}

cs_err cs_journal_import(cs_journal *j, int64_t arrived_ns, cs_slice body, bool *taken, cs_event_reject *reject,
                         cs_error *e)
{
    cs_assert(!j->started);
    cs_event event;
    cs_arena_reset(&j->arena);
    *taken = cs_journal__read(j, &j->arena, body, true, false, &event, reject) == CS_OK;
    if (!*taken) {
        return CS_OK;
    }
    event.arrived_ns = arrived_ns != 0 ? arrived_ns : j->now_ns(j->now_self);
    return j->kind->put(j, &event, e);
}

cs_err cs_journal_import_end(cs_journal *j, cs_error *e)
{
    return j->kind->flush(j, e);
}
