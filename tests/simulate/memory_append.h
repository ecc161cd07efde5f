/* Appends to the journal in memory: part of memory.h. */
#ifndef CS_TESTS_MEMORY_APPEND_H
#define CS_TESTS_MEMORY_APPEND_H

static bool memory_redundant(const cs_journal *j, const cs_event *event)
{
    bool known = false;
    for (size_t i = 0; i < j->n_folds; i++) {
        const cs_fold *fold = &j->folds[i];
        if (cs_slice_starts(event->type, cs_slice_of(fold->types))) {
            if (fold->redundant == NULL || !fold->redundant(fold->self, event)) {
                return false;
            }
            known = true;
        }
    }
    return known;
}

static void memory_take(cs_journal *j, cs_journal_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        cs_event *event = &batch->events[i];
        event->arrived_ns = j->now_ns;
        event->offset = j->records.n + 1;
        event->outcome = CS_EVENT_DUPLICATE;
        if (!memory_redundant(j, event)) {
            cs_slice text = memory_copy(event->body);
            record r = {.text = (char *)(uintptr_t)text.p, .n = text.n, .arrived_ns = j->now_ns};
            CS_VEC_PUSH(&j->records, r);
            memory_fold(j, event);
        }
    }
    batch->done(batch->self, batch, NULL);
}

static void memory_tell(const cs_journal *j, const cs_journal_batch *batch, memory_fate fate)
{
    for (size_t i = 0; j->watch != NULL && i < batch->n; i++) {
        j->watch(&batch->events[i], fate);
    }
}
static void memory_refuse(const cs_journal *j, cs_journal_batch *batch)
{
    cs_error e;
    (void)!cs_fail(&e, CS_ERR_IO, "it was not written");
    memory_tell(j, batch, MEMORY_FAILED);
    batch->done(batch->self, batch, &e);
}

/* What folds have appended, and what comes of that. */
static void memory_pump(cs_journal *j, memory_fate fate)
{
    j->busy = true;
    for (size_t i = 0; fate != MEMORY_GIVEN && i < j->waiting.n; i++) {
        cs_journal_batch *batch = j->waiting.v[i];
        if (fate == MEMORY_FAILED) {
            memory_refuse(j, batch);
        } else {
            memory_tell(j, batch, MEMORY_TAKEN);
            memory_take(j, batch);
        }
    }
    j->waiting.n = fate != MEMORY_GIVEN ? 0 : j->waiting.n;
    j->busy = false;
}

cs_err cs_journal_append(cs_journal *j, cs_journal_batch *batch, cs_error *e)
{
    (void)e;
    if (j->busy) { /* a fold: behind what is being folded */
        memory_tell(j, batch, MEMORY_GIVEN);
        CS_VEC_PUSH(&j->waiting, batch);
        return CS_OK;
    }
    j->busy = true;
    memory_take(j, batch);
    memory_pump(j, j->inner);
    return CS_OK;
}

#endif
