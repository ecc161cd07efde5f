/* Events to folds: reading, asking, applying. */
#include "journal/internal.h"

/* The folds that want events of this type, a bit each. Most events are of the type of the one before. */
static uint32_t wanting(cs_journal *j, cs_slice type)
{
    if (type.n == j->wanted_n && memcmp(type.p, j->wanted_type, type.n) == 0) {
        return j->wanted;
    }
    uint32_t wanted = 0;
    for (size_t i = 0; i < j->n_folds; i++) {
        wanted |= cs_slice_starts(type, cs_slice_of(j->folds[i].types)) ? UINT32_C(1) << i : 0;
    }
    if (type.n > 0 && type.n <= sizeof j->wanted_type) {
        memcpy(j->wanted_type, type.p, type.n);
        j->wanted_n = type.n;
        j->wanted = wanted;
    }
    return wanted;
}

/* The first of them, which is taken out. */
static cs_fold *next_fold(cs_journal *j, uint32_t *wanted)
{
    if (*wanted == 0) {
        return NULL;
    }
    int i = __builtin_ctz(*wanted);
    *wanted &= *wanted - 1;
    return &j->folds[i];
}

static cs_err ask_folds(cs_journal *j, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    uint32_t wanted = wanting(j, event->type);
    for (const cs_fold *fold = NULL; (fold = next_fold(j, &wanted)) != NULL;) {
        if (fold->check != NULL) {
            CS_TRY(fold->check(fold->self, a, event, reject));
        }
    }
    return CS_OK;
}

cs_err cs_journal__read(cs_journal *j, cs_arena *a, cs_slice body, bool limits, bool past, cs_event *event,
                        cs_event_reject *reject)
{
    CS_TRY(cs_event__read_bulk(&j->shapes, a, body, limits, event, reject));
    event->past = past;
    return ask_folds(j, a, event, reject);
}

cs_err cs_journal__read_value(cs_journal *j, cs_arena *a, cs_value envelope, cs_slice body, cs_event *event,
                              cs_event_reject *reject)
{
    CS_TRY(cs_event_of(a, envelope, body, event, reject));
    return ask_folds(j, a, event, reject);
}

bool cs_journal__wanted(cs_journal *j, const cs_event *event)
{
    return wanting(j, event->type) != 0;
}

void cs_journal__apply(cs_journal *j, cs_event *event)
{
    event->outcome = CS_EVENT_UNSEEN;
    uint32_t wanted = wanting(j, event->type);
    for (const cs_fold *fold = NULL; (fold = next_fold(j, &wanted)) != NULL;) {
        cs_event_outcome outcome = fold->apply(fold->self, event);
        event->outcome = outcome > event->outcome ? outcome : event->outcome;
    }
    atomic_store_explicit(&j->offset, event->offset, memory_order_relaxed);
    /* Nobody else writes it. */
    uint64_t applied = atomic_load_explicit(&j->applied, memory_order_relaxed);
    atomic_store_explicit(&j->applied, applied + 1, memory_order_relaxed);
}

bool cs_journal__redundant(cs_journal *j, const cs_event *event)
{
    uint32_t wanted = wanting(j, event->type);
    bool known = wanted != 0;
    for (const cs_fold *fold = NULL; known && (fold = next_fold(j, &wanted)) != NULL;) {
        known = fold->redundant != NULL && fold->redundant(fold->self, event);
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
