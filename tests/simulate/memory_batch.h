/* Batches, and an event on its way to the folds: of every journal in memory. */
#ifndef CS_TESTS_MEMORY_BATCH_H
#define CS_TESTS_MEMORY_BATCH_H

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
        cs_event *more = cs_arena_array(&batch->arena, cs_event, batch->cap * 2 + 4);
        if (batch->n > 0) {
            memcpy(more, batch->events, batch->n * sizeof *more);
        }
        batch->events = more;
        batch->cap = batch->cap * 2 + 4;
    }
    batch->events[batch->n++] = *event;
}
void cs_journal_batch_free(cs_journal_batch *batch)
{
    cs_arena_destroy(&batch->arena);
    cs_free(batch);
}

static void memory_fold(cs_journal *j, cs_event *event)
{
    event->outcome = CS_EVENT_UNSEEN;
    for (size_t i = 0; i < j->n_folds; i++) {
        const cs_fold *fold = &j->folds[i];
        if (cs_slice_starts(event->type, cs_slice_of(fold->types))) {
            cs_event_outcome outcome = fold->apply(fold->self, event);
            event->outcome = outcome > event->outcome ? outcome : event->outcome;
        }
    }
}

#endif
