/* Events to folds: reading, asking, applying. */
#include "journal/internal.h"

static bool wants(const cs_fold *fold, const cs_event *event)
{
    return cs_slice_starts(event->type, cs_slice_of(fold->types));
}

static cs_err ask_folds(cs_journal *j, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    for (size_t i = 0; i < j->n_folds; i++) {
        const cs_fold *fold = &j->folds[i];
        if (wants(fold, event) && fold->check != NULL) {
            CS_TRY(fold->check(fold->self, a, event, reject));
        }
    }
    return CS_OK;
}

cs_err cs_journal__read(cs_journal *j, cs_arena *a, cs_slice body, bool limits, bool past, cs_event *event,
                        cs_event_reject *reject)
{
    CS_TRY(cs_event_read_bulk(a, body, limits, event, reject));
    event->past = past;
    return ask_folds(j, a, event, reject);
}

cs_err cs_journal__read_value(cs_journal *j, cs_arena *a, cs_value envelope, cs_slice body, cs_event *event,
                              cs_event_reject *reject)
{
    CS_TRY(cs_event_of(a, envelope, body, event, reject));
    return ask_folds(j, a, event, reject);
}

bool cs_journal__wanted(const cs_journal *j, const cs_event *event)
{
    for (size_t i = 0; i < j->n_folds; i++) {
        if (wants(&j->folds[i], event)) {
            return true;
        }
    }
    return false;
}

void cs_journal__apply(cs_journal *j, cs_event *event)
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

bool cs_journal__redundant(const cs_journal *j, const cs_event *event)
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

/* ---- a fold whose state is in the rows of another one */

static void cut_none(void *self, cs_snapshot *out)
{
    (void)self;
    (void)out;
}

static bool save_none(void *self, int64_t until_mono)
{
    (void)self;
    (void)until_mono;
    return true;
}

static void saved_none(void *self, bool ok)
{
    (void)self;
    (void)ok;
}

static cs_err restore_none(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    (void)self;
    (void)key;
    (void)value;
    return cs_fail(e, CS_ERR_INVALID, "the snapshot has a row where there can be none");
}

void cs_fold_without_rows(cs_fold *fold, const char *name)
{
    fold->name = name;
    fold->format = 1;
    fold->cut = cut_none;
    fold->save = save_none;
    fold->saved = saved_none;
    fold->restore = restore_none;
}
