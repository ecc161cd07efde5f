/* What the clock has made of open approvals, told to the log, and figures. Nothing is decided here: it is so already
 * when it is told. */
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

#define AGAIN_NS (10 * CS_NS_PER_S) /* an event that was appended has come back by then */
enum { AT_ONCE = 100 };

/* Replicas see it at the same time; each waits a little, by its name, so that mostly one tells it. */
static int64_t pause_of(const cs_approvals *x, const cs_approval__item *item)
{
    uint32_t hash = cs_hash_bytes(x->source, strlen(x->source)) ^ cs_hash_bytes(item->id.p, item->id.n);
    return (int64_t)(hash % 1000U) * CS_NS_PER_MS;
}

/* What is to be told of it: NULL = nothing. Under the lock. */
static const char *due(const cs_approvals *x, const cs_approval__item *item, int64_t now, const char **reason)
{
    *reason = NULL;
    if (x->changed_config && !cs_slice_eq(item->config, cs_slice_of(item->tenant->config))) {
        *reason = "config_changed";
        return "cancelled";
    }
    int64_t then = now - pause_of(x, item);
    if (cs_approval__state(item, then) == CS_APPROVAL_EXPIRED) {
        *reason = item->approved_ns != 0 ? "execute_within" : "approve_within";
        return "expired";
    }
    if (!item->escalated && then >= item->escalate_ns && item->approved_ns == 0) {
        return "escalated";
    }
    return NULL;
}

static void told(void *self, cs_journal_batch *batch, const cs_error *error)
{
    (void)self;
    (void)error;
    cs_journal_batch_free(batch);
}

void cs_approvals_tick(cs_approvals *x)
{
    bool caught_up = false;
    (void)cs_journal_lag(x->journal, NULL, &caught_up);
    if (!caught_up) {
        return;
    }
    int64_t now = x->now_ns(x->now_self);
    int64_t mono = cs_time_mono_ns();
    bool unlike = false;
    cs_journal_batch *batch = cs_journal_batch_new(told, NULL);
    cs_mutex_lock(&x->lock);
    for (cs_approval__item *item = x->open.first; item != NULL && batch->n < AT_ONCE; item = item->next) {
        const char *reason = NULL;
        const char *what = due(x, item, now, &reason);
        unlike = unlike || (what != NULL && strcmp(what, "cancelled") == 0);
        if (what == NULL || (item->told_mono != 0 && mono - item->told_mono < AGAIN_NS)) {
            continue;
        }
        cs_value data = cs_object_new(&batch->arena, 4);
        if (reason != NULL) {
            cs_object_put_text(&batch->arena, data, "reason", cs_string(cs_slice_of(reason)));
        }
        cs_event event = cs_approval__event(x, &batch->arena, what, item, CS_LIT(""), data);
        cs_journal_batch_add(batch, &event);
        item->told_mono = mono;
    }
    x->changed_config = x->changed_config && (unlike || batch->n == AT_ONCE);
    cs_mutex_unlock(&x->lock);
    cs_error e;
    if (batch->n == 0 || cs_journal_append(x->journal, batch, &e) != CS_OK) {
        cs_journal_batch_free(batch);
    }
}

/* ---- figures */

typedef struct waiting {
    const cs_approval__tenant *tenant;
    size_t n;
} waiting;

static bool waits(const cs_approval__item *item, int64_t now)
{
    cs_approval_state state = cs_approval__state(item, now);
    return state == CS_APPROVAL_REQUESTED || state == CS_APPROVAL_PARTIALLY_APPROVED;
}

static int most_first(const void *x, const void *y)
{
    const waiting *a = x;
    const waiting *b = y;
    return a->n != b->n ? (a->n < b->n) - (a->n > b->n) : cs_slice_compare(a->tenant->name, b->tenant->name);
}

/* Of the tenants with most; the others together. */
static void gather_pending(void *self, cs_metrics_sink *sink)
{
    cs_approvals *x = self;
    int64_t now = x->now_ns(x->now_self);
    CS_VEC(waiting) all = {0};
    size_t cursor = 0;
    size_t others = 0;
    const cs_map_entry *e = NULL;
    cs_mutex_lock(&x->lock);
    while ((e = cs_map_next(&x->tenants, &cursor)) != NULL) {
        waiting w = {.tenant = e->value};
        for (const cs_approval__item *item = w.tenant->first; item != NULL; item = item->older) {
            w.n += waits(item, now);
        }
        if (w.tenant->first != NULL) {
            CS_VEC_PUSH(&all, w);
        }
    }
    if (all.n > 0) {
        qsort(all.v, all.n, sizeof *all.v, most_first);
    }
    for (size_t i = 0; i < all.n; i++) {
        if (i < cs_limits_get()->metric_tenants) {
            cs_metrics_emit(sink, &all.v[i].tenant->name, (double)all.v[i].n);
        } else {
            others += all.v[i].n;
        }
    }
    if (all.n > cs_limits_get()->metric_tenants) {
        cs_slice other = CS_LIT("_other");
        cs_metrics_emit(sink, &other, (double)others);
    }
    cs_mutex_unlock(&x->lock);
    CS_VEC_FREE(&all);
}

static void gather_oldest(void *self, cs_metrics_sink *sink)
{
    cs_approvals *x = self;
    int64_t now = x->now_ns(x->now_self);
    int64_t oldest = now;
    cs_mutex_lock(&x->lock);
    for (const cs_approval__item *item = x->open.first; item != NULL; item = item->next) {
        oldest = waits(item, now) && item->requested_ns < oldest ? item->requested_ns : oldest;
    }
    cs_mutex_unlock(&x->lock);
    cs_metrics_emit(sink, NULL, (double)(now - oldest) / (double)CS_NS_PER_S);
}

void cs_approval__metrics_init(cs_approvals *x, cs_metrics *metrics)
{
    if (metrics != NULL) {
        x->escalations = cs_metrics_series(metrics, CS_METRIC_APPROVAL_ESCALATIONS, NULL);
        cs_metrics_on_gather(metrics, CS_METRIC_APPROVALS_PENDING, gather_pending, x);
        cs_metrics_on_gather(metrics, CS_METRIC_APPROVAL_OLDEST, gather_oldest, x);
    }
}
