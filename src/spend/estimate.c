/* What an operation is estimated to cost, against what it turns out to cost.
 *
 * Each hold that is posted is a sample: the estimate that it rested on, and what was posted. For each operation the
 * sums of both decay by 2 % a sample, so about the last fifty count: the factor is posted over estimated; its error is
 * the standard deviation of the single ratios, relative to the factor. Nothing is said before 10 samples. */
#include <math.h>
#include <stdlib.h>

#include "countersign/base/bytes.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define DECAY 0.98
enum { ENOUGH = 10 };

typedef struct learned {
    double weight, estimated, posted; /* decayed sums; money in units, not nanos */
    double ratio, squares;            /* decayed sums of the ratios and their squares */
    uint64_t samples;
} learned;

struct cs_spend__estimates {
    cs_mutex lock;
    cs_map by_operation;
    cs_whole row;
};

void cs_spend__learn(cs_spend *s, cs_slice operation, int64_t estimate_nanos, int64_t posted_nanos)
{
    cs_spend__estimates *t = s->estimates;
    if (operation.n == 0 || estimate_nanos <= 0 || posted_nanos < 0) {
        return;
    }
    double estimate = (double)estimate_nanos / (double)CS_NANOS_PER_UNIT;
    double posted = (double)posted_nanos / (double)CS_NANOS_PER_UNIT;
    cs_mutex_lock(&t->lock);
    learned *l = cs_map_get(&t->by_operation, operation);
    if (l == NULL && t->by_operation.live < cs_limits_get()->operations) {
        l = cs_zalloc(sizeof *l);
        (void)cs_map_put(&t->by_operation, operation, l);
    }
    if (l != NULL) {
        double ratio = posted / estimate;
        l->weight = l->weight * DECAY + 1;
        l->estimated = l->estimated * DECAY + estimate;
        l->posted = l->posted * DECAY + posted;
        l->ratio = l->ratio * DECAY + ratio;
        l->squares = l->squares * DECAY + ratio * ratio;
        l->samples++;
        t->row.changed = true;
    }
    cs_mutex_unlock(&t->lock);
}

static cs_estimate estimate_of(const learned *l)
{
    double mean = l->ratio / l->weight;
    double variance = l->squares / l->weight - mean * mean;
    cs_estimate e = {.factor = l->posted / l->estimated, .samples = l->samples};
    e.error = e.factor > 0 ? sqrt(variance > 0 ? variance : 0) / e.factor : 0;
    return e;
}

bool cs_spend_estimate(cs_spend *s, cs_slice operation, cs_estimate *out)
{
    cs_spend__estimates *t = s->estimates;
    cs_mutex_lock(&t->lock);
    const learned *l = cs_map_get(&t->by_operation, operation);
    bool enough = l != NULL && l->samples >= ENOUGH;
    if (enough) {
        *out = estimate_of(l);
    }
    cs_mutex_unlock(&t->lock);
    return enough;
}

/* ---- documents and metrics */

typedef struct named {
    cs_slice operation;
    cs_estimate estimate;
} named;

static int by_name(const void *x, const void *y)
{
    return cs_slice_compare(((const named *)x)->operation, ((const named *)y)->operation);
}

static named *all_of(cs_spend *s, cs_arena *a, size_t *n)
{
    cs_spend__estimates *t = s->estimates;
    cs_mutex_lock(&t->lock);
    named *all = cs_arena_array(a, named, t->by_operation.live + 1);
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    *n = 0;
    while ((entry = cs_map_next(&t->by_operation, &cursor)) != NULL) {
        const learned *l = entry->value;
        if (l->samples >= ENOUGH) {
            all[(*n)++] = (named){.operation = {cs_arena_dup(a, entry->key.p, entry->key.n), entry->key.n},
                                  .estimate = estimate_of(l)};
        }
    }
    cs_mutex_unlock(&t->lock);
    if (*n > 1) {
        qsort(all, *n, sizeof *all, by_name);
    }
    return all;
}

static cs_value rounded(cs_arena *a, double x)
{
    return cs_number_from_double(a, round(x * 1e6) / 1e6);
}

cs_value cs_spend__estimates_value(cs_spend *s, cs_arena *a)
{
    size_t n = 0;
    const named *all = all_of(s, a, &n);
    cs_value *items = cs_arena_array(a, cs_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        items[i] = cs_object_new(a, 4);
        cs_object_put_text(a, items[i], "document_id", cs_string(all[i].operation));
        cs_object_put_text(a, items[i], "factor", rounded(a, all[i].estimate.factor));
        cs_object_put_text(a, items[i], "error_ratio", rounded(a, all[i].estimate.error));
        cs_object_put_text(a, items[i], "samples", cs_int((int64_t)all[i].estimate.samples));
    }
    return cs_array(items, n);
}

/* How far estimates are off: 0.25 where operations cost a quarter more than estimated. */
void cs_spend__gather_estimate_error(void *self, cs_metrics_sink *sink)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = 0;
    const named *all = all_of(self, &a, &n);
    for (size_t i = 0; i < n; i++) {
        cs_metrics_emit(sink, &all[i].operation, all[i].estimate.factor - 1);
    }
    cs_arena_destroy(&a);
}

/* ---- snapshots: one row with all of them */

static cs_event_outcome nothing(void *self, const cs_event *event)
{
    (void)self;
    (void)event;
    return CS_EVENT_UNSEEN;
}

static void put_double(cs_buf *out, double x)
{
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    cs_bytes_put_u64(out, bits);
}

static double take_double(cs_bytes *b)
{
    uint64_t bits = cs_bytes_u64(b);
    double x = 0;
    memcpy(&x, &bits, sizeof x);
    return isfinite(x) ? x : 0;
}

static void write_row(void *self, cs_buf *out)
{
    cs_spend__estimates *t = self;
    cs_mutex_lock(&t->lock);
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (t->row.changed && (entry = cs_map_next(&t->by_operation, &cursor)) != NULL) {
        const learned *l = entry->value;
        cs_bytes_put_text(out, entry->key);
        put_double(out, l->weight);
        put_double(out, l->estimated);
        put_double(out, l->posted);
        put_double(out, l->ratio);
        put_double(out, l->squares);
        cs_bytes_put_var(out, l->samples);
    }
    t->row.changed = false;
    cs_mutex_unlock(&t->lock);
}

static void cut(void *self, cs_snapshot *out)
{
    cs_whole_cut(&((cs_spend__estimates *)self)->row, out);
}

static bool save(void *self, int64_t until_mono)
{
    (void)until_mono;
    return cs_whole_save(&((cs_spend__estimates *)self)->row);
}

static void saved(void *self, bool ok)
{
    cs_spend__estimates *t = self;
    cs_mutex_lock(&t->lock);
    t->row.changed = cs_whole_saved(&t->row, ok) || t->row.changed;
    cs_mutex_unlock(&t->lock);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_spend__estimates *t = self;
    cs_bytes b = cs_bytes_of(value);
    (void)key;
    while (!b.bad && cs_bytes_left(&b) > 0) {
        cs_slice operation = cs_bytes_text(&b);
        learned l = {.weight = take_double(&b)};
        l.estimated = take_double(&b);
        l.posted = take_double(&b);
        l.ratio = take_double(&b);
        l.squares = take_double(&b);
        l.samples = cs_bytes_var(&b);
        if (!b.bad && l.weight > 0 && l.estimated > 0) {
            learned *copy = cs_zalloc(sizeof *copy);
            *copy = l;
            cs_free(cs_map_put(&t->by_operation, operation, copy));
        }
    }
    return b.bad ? cs_fail(e, CS_ERR_INVALID, "the row of estimates is damaged") : CS_OK;
}

void cs_spend__estimates_new(cs_spend *s)
{
    cs_spend__estimates *t = s->estimates = cs_zalloc(sizeof *t);
    cs_mutex_init(&t->lock);
    cs_map_init(&t->by_operation);
    cs_whole_init(&t->row, write_row, t);
    /* No event is of this type: holds that are posted teach. */
    cs_journal_fold(s->journal, &(cs_fold){.types = "io.countersign.estimate.",
                                           .self = t,
                                           .apply = nothing,
                                           .name = "estimates",
                                           .format = 1,
                                           .cut = cut,
                                           .save = save,
                                           .saved = saved,
                                           .restore = restore});
}

void cs_spend__estimates_free(cs_spend__estimates *t)
{
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while ((entry = cs_map_next(&t->by_operation, &cursor)) != NULL) {
        cs_free(entry->value);
    }
    cs_map_destroy(&t->by_operation);
    cs_whole_destroy(&t->row);
    cs_mutex_destroy(&t->lock);
    cs_free(t);
}
