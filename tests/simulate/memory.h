/* A journal in memory for one thread, in the place of the library's own: what is appended is recorded, applied and
 * answered before cs_journal_append returns. Its records and its snapshot outlive the folds, so that a crash is: free
 * the ledger, make another one, restore and replay. Included by one program, which then does not link journal.c. */
#ifndef CS_TESTS_MEMORY_H
#define CS_TESTS_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "countersign/base/mem.h"
#include "countersign/journal.h"

typedef struct record {
    char *text;
    size_t n;
    int64_t arrived_ns;
} record;

#include "memory_row.h"

enum { FOLDS = 8 };
/* What becomes of what a fold appends: given to the journal; then taken into the log, or failed. */
typedef enum memory_fate { MEMORY_GIVEN, MEMORY_TAKEN, MEMORY_FAILED } memory_fate;
struct cs_journal {
    int64_t now_ns;
    cs_fold folds[FOLDS];
    cs_snapshot outs[FOLDS];
    size_t n_folds;
    CS_VEC(record) records;
    CS_VEC(memory_row) rows;    /* of the last snapshot; pieces of one key follow each other */
    CS_VEC(memory_row) changes; /* of the one under way */
    size_t snapshot_at, cut_at; /* records that they cover */
    size_t room;                /* rows until the writer is behind */
    bool cutting;
    CS_VEC(cs_journal_batch *) waiting;
    bool busy;
    memory_fate inner;                                      /* GIVEN: what folds append has to wait for memory_pump */
    void (*watch)(const cs_event *event, memory_fate fate); /* of what folds append; NULL = nobody */
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
int64_t cs_journal_lag(cs_journal *j, int64_t *as_of_ns, bool *caught_up)
{
    if (as_of_ns != NULL) {
        *as_of_ns = j->now_ns;
    }
    if (caught_up != NULL) {
        *caught_up = true;
    }
    return 0;
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
    *out = (cs_journal_status){.caught_up = true, .as_of_ns = j->now_ns};
}
#include "memory_batch.h"

#include "memory_append.h"

/* What a start does: the snapshot, then the log from there. */
static cs_err memory_start(cs_journal *j, cs_error *e)
{
    for (size_t i = 0; i < j->rows.n; i++) {
        const cs_fold *fold = &j->folds[j->rows.v[i].fold];
        CS_TRY(fold->restore(fold->self, j->rows.v[i].key, j->rows.v[i].value, e));
    }
    for (size_t i = 0; i < j->n_folds; i++) {
        if (j->folds[i].restored != NULL) {
            CS_TRY(j->folds[i].restored(j->folds[i].self, e));
        }
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    j->busy = true;
    for (size_t i = j->snapshot_at; i < j->records.n; i++) {
        const record *r = &j->records.v[i];
        cs_event event;
        cs_event_reject reject;
        cs_err err = cs_event_read_bulk(&a, cs_slice_make(r->text, r->n), false, &event, &reject);
        event.past = true;
        event.arrived_ns = r->arrived_ns;
        event.offset = i + 1;
        for (size_t k = 0; err == CS_OK && k < j->n_folds; k++) {
            const cs_fold *fold = &j->folds[k];
            if (fold->check != NULL && cs_slice_starts(event.type, cs_slice_of(fold->types))) {
                err = fold->check(fold->self, &a, &event, &reject);
            }
        }
        if (err != CS_OK) {
            return cs_fail(e, err, "record %zu cannot be read back: %s, %.*s: %.300s", i, reject.code,
                           CS_FMT(reject.message), r->text);
        }
        memory_fold(j, &event);
        cs_arena_reset(&a);
    }
    j->busy = false;
    cs_arena_destroy(&a);
    return CS_OK;
}

/* The process is gone, what is durable stays. */
static void memory_crash(cs_journal *j)
{
    memory_drop_changes(j);
    memory_pump(j, MEMORY_FAILED);
    j->n_folds = 0;
}

static void memory_free(cs_journal *j)
{
    memory_drop_changes(j);
    memory_lose_snapshot(j);
    for (size_t i = 0; i < j->records.n; i++) {
        cs_free(j->records.v[i].text);
    }
    CS_VEC_FREE(&j->records);
    CS_VEC_FREE(&j->rows);
    CS_VEC_FREE(&j->changes);
    CS_VEC_FREE(&j->waiting);
    cs_free(j);
}

#endif
