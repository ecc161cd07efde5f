/* Several journals over one log in memory, for one thread, in the place of the library's own: partitions as on Kafka,
 * which each replica reads whole and at its own pace. Nothing happens by itself: what is appended is produced,
 * consumed, answered or given up when the program that includes this says so. That program does not link journal.c. */
#ifndef CS_TESTS_SHARED_H
#define CS_TESTS_SHARED_H

#include <stdlib.h>
#include <string.h>

#include "countersign/base/mem.h"
#include "countersign/journal.h"

enum { FOLDS = 12, PARTS = 4 }; /* two of spend, two of our own */

typedef struct shared_record {
    char *text;
    size_t n;
    int64_t arrived_ns;
    uint64_t number; /* the producer's, unique */
} shared_record;
static struct {
    CS_VEC(shared_record) records;
} shared_log[PARTS];

#include "memory_row.h"

typedef struct shared_sending {
    cs_journal_batch *batch;
    uint64_t *numbers;
    size_t produced, left;
} shared_sending;

struct cs_journal {
    cs_fold folds[FOLDS];
    cs_snapshot outs[FOLDS];
    size_t n_folds;
    CS_VEC(memory_row) rows;
    CS_VEC(memory_row) changes;
    size_t room;
    bool cutting;
    size_t next[PARTS], goal[PARTS], cut_at[PARTS], snapshot_at[PARTS];
    CS_VEC(shared_sending) sending;
    bool away;                     /* no broker can be reached */
    int64_t (*now_ns)(void *self); /* the replica's wall clock */
    void *now_self;
};

#include "memory_rows.h"

/* ---- the journal that the ledger sees */

bool cs_journal_keeps_snapshots(const cs_journal *j)
{
    (void)j;
    return true;
}
void cs_journal_fold(cs_journal *j, const cs_fold *fold)
{
    cs_assert(j->n_folds < FOLDS);
    j->folds[j->n_folds++] = *fold;
}
static bool shared_caught_up(const cs_journal *j)
{
    bool all = true;
    for (int p = 0; p < PARTS; p++) {
        all = all && j->next[p] >= j->goal[p];
    }
    return all;
}
int64_t cs_journal_lag(cs_journal *j, int64_t *as_of_ns, bool *caught_up)
{
    int64_t now_ns = j->now_ns(j->now_self);
    int64_t lag = 0;
    for (int p = 0; p < PARTS; p++) {
        if (j->next[p] < shared_log[p].records.n) {
            int64_t behind = now_ns - shared_log[p].records.v[j->next[p]].arrived_ns;
            lag = behind > lag ? behind : lag;
        }
    }
    if (as_of_ns != NULL) {
        *as_of_ns = now_ns - lag;
    }
    if (caught_up != NULL) {
        *caught_up = shared_caught_up(j);
    }
    return lag;
}
size_t cs_journal_sources(cs_journal *j, cs_arena *a, cs_journal_source **out)
{
    (void)j;
    (void)a;
    *out = NULL;
    return 0;
}
void cs_journal_get_status(cs_journal *j, cs_journal_status *out)
{
    *out = (cs_journal_status){.caught_up = shared_caught_up(j)};
}

#include "memory_batch.h"

cs_err cs_journal_append(cs_journal *j, cs_journal_batch *batch, cs_error *e)
{
    if (j->away) {
        return cs_fail(e, CS_ERR_IO, "no broker can be reached");
    }
    shared_sending s = {.batch = batch, .numbers = cs_zalloc(batch->n * sizeof *s.numbers + 1), .left = batch->n};
    CS_VEC_PUSH(&j->sending, s);
    return CS_OK;
}

/* ---- what the program does */

static int shared_part(const cs_event *event)
{
    cs_slice key = event->key.n > 0 ? event->key : cs_slice_sub(event->subject, 7, event->subject.n);
    unsigned sum = 0;
    for (size_t i = 0; i < key.n; i++) {
        sum += (unsigned char)key.p[i];
    }
    return (cs_slice_starts(event->type, CS_LIT("io.countersign.spend.")) ? 0 : 2) + (int)(sum % 2);
}

/* The next event that waits goes into the log; false if none does. */
static bool shared_produce(cs_journal *j, int64_t now_ns)
{
    static uint64_t number;
    for (size_t i = 0; i < j->sending.n; i++) {
        shared_sending *s = &j->sending.v[i];
        if (s->produced < s->batch->n) {
            const cs_event *event = &s->batch->events[s->produced];
            cs_slice text = memory_copy(event->body);
            shared_record r = {(char *)(uintptr_t)text.p, text.n, now_ns, ++number};
            s->numbers[s->produced++] = number;
            CS_VEC_PUSH(&shared_log[shared_part(event)].records, r);
            return true;
        }
    }
    return false;
}

/* Answers a batch. */
static void shared_finish(cs_journal *j, size_t i, const cs_error *error)
{
    cs_journal_batch *batch = j->sending.v[i].batch;
    cs_free(j->sending.v[i].numbers);
    j->sending.n--;
    memmove(j->sending.v + i, j->sending.v + i + 1, (j->sending.n - i) * sizeof *j->sending.v);
    batch->done(batch->self, batch, error);
}
static void shared_give_up(cs_journal *j, size_t i)
{
    cs_error e;
    (void)!cs_fail(&e, CS_ERR_TIMEOUT, "the events did not come back in time");
    shared_finish(j, i, &e);
}

static void shared_returned(cs_journal *j, uint64_t number, const cs_event *event)
{
    for (size_t i = 0; i < j->sending.n; i++) {
        shared_sending *s = &j->sending.v[i];
        for (size_t k = 0; k < s->produced; k++) {
            if (s->numbers[k] == number) {
                cs_event *ours = &s->batch->events[k];
                ours->outcome = event->outcome;
                ours->arrived_ns = event->arrived_ns;
                ours->offset = event->offset;
                if (--s->left == 0) {
                    shared_finish(j, i, NULL);
                }
                return;
            }
        }
    }
}

/* The next record of a partition; false at its end. */
static bool shared_consume(cs_journal *j, int part, cs_error *e)
{
    e->code = CS_OK;
    if (j->next[part] == shared_log[part].records.n) {
        return false;
    }
    shared_record r = shared_log[part].records.v[j->next[part]];
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_event event;
    cs_event_reject reject;
    cs_err err = cs_event_read_bulk(&a, cs_slice_make(r.text, r.n), false, &event, &reject);
    event.past = j->next[part] < j->goal[part];
    event.arrived_ns = r.arrived_ns;
    event.partition = (uint32_t)part;
    event.offset = ++j->next[part];
    for (size_t k = 0; err == CS_OK && k < j->n_folds; k++) {
        const cs_fold *fold = &j->folds[k];
        if (fold->check != NULL && cs_slice_starts(event.type, cs_slice_of(fold->types))) {
            err = fold->check(fold->self, &a, &event, &reject);
        }
    }
    if (err == CS_OK) {
        memory_fold(j, &event);
        shared_returned(j, r.number, &event);
    } else {
        (void)!cs_fail(e, err, "a record cannot be read: %s: %.200s", reject.code, r.text);
    }
    cs_arena_destroy(&a);
    return true;
}

/* What a start does before it reads the log from the snapshot's positions. */
static cs_err shared_start(cs_journal *j, cs_error *e)
{
    for (int p = 0; p < PARTS; p++) {
        j->next[p] = j->snapshot_at[p];
        j->goal[p] = shared_log[p].records.n;
    }
    for (size_t i = 0; i < j->rows.n; i++) {
        const cs_fold *fold = &j->folds[j->rows.v[i].fold];
        CS_TRY(fold->restore(fold->self, j->rows.v[i].key, j->rows.v[i].value, e));
    }
    for (size_t i = 0; i < j->n_folds; i++) {
        if (j->folds[i].restored != NULL) {
            CS_TRY(j->folds[i].restored(j->folds[i].self, e));
        }
    }
    return CS_OK;
}

/* The process is gone: nobody hears of what was under way. */
static void shared_crash(cs_journal *j)
{
    memory_drop_changes(j);
    while (j->sending.n > 0) {
        shared_give_up(j, 0);
    }
    j->n_folds = 0;
}

#endif
