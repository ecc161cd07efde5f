/* Bills against what was captured. */
#include "countersign/reconcile.h"

#include <math.h>

#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define RECORDED "io.countersign.budget.reconciled.v1"
#define SPENT "io.countersign.spend.recorded.v1"
#define FRESH_NS (86400 * CS_NS_PER_S)

/* ---- comparing */

static int64_t captured(cs_spend *s, cs_slice tenant, cs_slice currency, int64_t from_ns, int64_t to_ns)
{
    int64_t sum = 0;
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_find(shard, tenant);
    cs_spend__book *book = account != NULL ? cs_spend__set_book(&account->own, currency.p) : NULL;
    if (book != NULL) {
        sum = cs_spend__book_sum(book, cs_spend__slot(from_ns), cs_spend__slot(to_ns)).posted;
    }
    cs_mutex_unlock(&shard->lock);
    return sum;
}

/* What is missing from the bill, or too much; at the ends of the range where it is beyond. */
static int64_t difference(int64_t billed, int64_t got)
{
    int64_t delta = 0;
    if (__builtin_sub_overflow(billed, got, &delta)) {
        return billed > 0 ? INT64_MAX : -INT64_MAX;
    }
    return delta == INT64_MIN ? -INT64_MAX : delta;
}

static bool is_within(int64_t billed, int64_t delta, double tolerance)
{
    return fabs((double)delta) <= fabs((double)billed) * tolerance;
}

static cs_value ratio_of(cs_arena *a, double got, double billed)
{
    return fabs(billed) > 0 ? cs_number_from_double(a, round(got / billed * 1e6) / 1e6) : cs_null();
}

static cs_value line_value(cs_arena *a, cs_slice tenant, int64_t got, int64_t billed, double tolerance)
{
    int64_t delta = difference(billed, got);
    cs_value v = cs_object_new(a, 8);
    cs_object_put_text(a, v, "tenant", cs_string_copy(a, tenant));
    cs_object_put_text(a, v, "captured", cs_spend__money(a, got));
    cs_object_put_text(a, v, "billed", cs_spend__money(a, billed));
    cs_object_put_text(a, v, "delta", cs_spend__money(a, delta));
    cs_object_put_text(a, v, "ratio", ratio_of(a, (double)got, (double)billed));
    cs_object_put_text(a, v, "within", cs_bool(is_within(billed, delta, tolerance)));
    return v;
}

/* ---- events */

static cs_value recorded_data(cs_arena *a, const cs_bill *b, const cs_bill_line *line, int64_t got)
{
    int64_t delta = difference(line->billed_nanos, got);
    cs_value v = cs_object_new(a, 12);
    cs_object_put_text(a, v, "tenant", cs_string(line->tenant));
    cs_object_put_text(a, v, "source", cs_string(b->source));
    cs_object_put_text(a, v, "currency", cs_string(b->currency));
    cs_object_put_text(a, v, "from", cs_int(b->from_ns));
    cs_object_put_text(a, v, "to", cs_int(b->to_ns));
    cs_object_put_text(a, v, "captured_nanos", cs_int(got));
    cs_object_put_text(a, v, "billed_nanos", cs_int(line->billed_nanos));
    cs_object_put_text(a, v, "within", cs_bool(is_within(line->billed_nanos, delta, b->tolerance)));
    cs_object_put_text(a, v, "applied", cs_bool(b->apply && delta != 0));
    cs_object_put_text(a, v, "author", cs_string(b->author));
    return v;
}

static cs_value spent_data(cs_arena *a, const cs_bill *b, const cs_bill_line *line, int64_t delta)
{
    cs_value v = cs_object_new(a, 6);
    cs_object_put_text(a, v, "tenant", cs_string(line->tenant));
    cs_object_put_text(a, v, "amount", cs_spend__money(a, delta));
    cs_object_put_text(a, v, "currency", cs_string(b->currency));
    cs_object_put_text(a, v, "kind", cs_string(CS_LIT("reconciliation")));
    return v;
}

static void add_events(cs_journal_batch *batch, const cs_bill *b, const cs_bill_line *line, int64_t got, int64_t now)
{
    cs_arena *a = &batch->arena;
    int64_t delta = difference(line->billed_nanos, got);
    /* The captured sum is in the id: a bill that is corrected, or spend that came after it, is another comparison. */
    cs_value id = cs_string_printf(a, "%.*s/%.*s/%.*s/%lld/%lld/%lld/%lld", CS_FMT(b->source), CS_FMT(line->tenant),
                                   CS_FMT(b->currency), (long long)(b->from_ns / CS_NS_PER_S),
                                   (long long)(b->to_ns / CS_NS_PER_S), (long long)line->billed_nanos, (long long)got);
    cs_event_head head = {.type = RECORDED,
                          .source = CS_LIT("/countersign/reconciliations"),
                          .id = cs_text(id),
                          .tenant = line->tenant,
                          .time_ns = now};
    cs_event event = cs_event_compose(a, &head, recorded_data(a, b, line, got));
    cs_journal_batch_add(batch, &event);
    if (b->apply && delta != 0) {
        head.type = SPENT;
        head.time_ns = b->to_ns - 1;
        event = cs_event_compose(a, &head, spent_data(a, b, line, delta));
        cs_journal_batch_add(batch, &event);
    }
}

static cs_value document_of(cs_arena *a, const cs_bill *b, const int64_t *got)
{
    double sum_got = 0, sum_billed = 0, sum_off = 0;
    bool overflow = false;
    int64_t captured_all = 0, billed_all = 0;
    cs_value *items = cs_arena_array(a, cs_value, b->n_lines + 1);
    bool within = true;
    for (size_t i = 0; i < b->n_lines; i++) {
        int64_t billed = b->lines[i].billed_nanos, delta = difference(billed, got[i]);
        items[i] = line_value(a, b->lines[i].tenant, got[i], billed, b->tolerance);
        within = within && is_within(billed, delta, b->tolerance);
        captured_all = cs_spend__add(captured_all, got[i], &overflow);
        billed_all = cs_spend__add(billed_all, billed, &overflow);
        sum_got += (double)got[i];
        sum_billed += (double)billed;
        sum_off += fabs((double)delta);
    }
    cs_value v = cs_object_new(a, 16);
    cs_object_put_text(a, v, "source", cs_string_copy(a, b->source));
    cs_object_put_text(a, v, "currency", cs_string_copy(a, b->currency));
    cs_object_put_text(a, v, "from", cs_spend__instant(a, b->from_ns));
    cs_object_put_text(a, v, "to", cs_spend__instant(a, b->to_ns));
    cs_object_put_text(a, v, "tolerance", cs_number_from_double(a, b->tolerance));
    cs_object_put_text(a, v, "captured", cs_spend__money(a, captured_all));
    cs_object_put_text(a, v, "billed", cs_spend__money(a, billed_all));
    cs_object_put_text(a, v, "delta", cs_spend__money(a, difference(billed_all, captured_all)));
    cs_object_put_text(a, v, "ratio", ratio_of(a, sum_got, sum_billed));
    /* Differences do not make up for each other. */
    cs_object_put_text(a, v, "accuracy", ratio_of(a, fmax(sum_billed - sum_off, 0), sum_billed));
    cs_object_put_text(a, v, "within", cs_bool(within));
    cs_object_put_text(a, v, "applied", cs_bool(b->apply));
    cs_object_put_text(a, v, "tenants", cs_array(items, b->n_lines));
    return v;
}

cs_err cs_spend_reconcile(cs_spend *s, const cs_bill *b, cs_arena *a, cs_value *document, cs_journal_told *done,
                          void *self, cs_error *e)
{
    int64_t now = s->now_ns(s->now_self);
    int64_t *got = cs_arena_array(a, int64_t, b->n_lines + 1);
    cs_journal_batch *batch = cs_journal_batch_telling(done, self);
    for (size_t i = 0; i < b->n_lines; i++) {
        got[i] = captured(s, b->lines[i].tenant, b->currency, b->from_ns, b->to_ns);
        add_events(batch, b, &b->lines[i], got[i], now);
    }
    *document = document_of(a, b, got);
    cs_err err = cs_journal_append(s->journal, batch, e);
    if (err != CS_OK) {
        cs_journal_batch_free(batch);
    }
    return err;
}

/* ---- the fold: the last one of each tenant */

static bool whole(cs_value object, const char *name, int64_t *out)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v != NULL && cs_is(*v, CS_NUMBER) && cs_number_is_int(*v, out);
}

void cs_spend__reconciliation_keep(cs_spend__account *account, const cs_spend__reconciliation *r, cs_slice source)
{
    char *copy = cs_alloc(source.n + 1);
    memcpy(copy, source.p, source.n);
    cs_spend__reconciliation_free(account);
    account->reconciled = cs_alloc(sizeof *r);
    *account->reconciled = *r;
    account->reconciled->source = cs_slice_make(copy, source.n);
}

cs_event_outcome cs_spend__reconciliation_fold(cs_spend *s, const cs_event *event)
{
    cs_spend__reconciliation r = {.at_ns = event->time_ns};
    cs_slice tenant, source, currency;
    const cs_value *within = cs_object_get_text(event->data, "within");
    if (!cs_event_text(event->data, "tenant", &tenant) || !cs_event_text(event->data, "source", &source) ||
        !cs_event_text(event->data, "currency", &currency) || currency.n != 3 || within == NULL ||
        !whole(event->data, "from", &r.from_ns) || !whole(event->data, "to", &r.to_ns) ||
        !whole(event->data, "captured_nanos", &r.captured) || !whole(event->data, "billed_nanos", &r.billed)) {
        return CS_EVENT_UNSEEN;
    }
    r.within = cs_is(*within, CS_BOOL) && within->u.i != 0;
    memcpy(r.currency, currency.p, 3);
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, tenant);
    cs_spend__account_touch(account);
    if (account->reconciled == NULL || account->reconciled->at_ns <= r.at_ns) {
        cs_spend__reconciliation_keep(account, &r, source);
    }
    if (!r.within) {
        cs_spend__blemish_add(account, event->time_ns);
    }
    cs_mutex_unlock(&shard->lock);
    return CS_EVENT_APPLIED;
}

void cs_spend__reconciliation_free(cs_spend__account *account)
{
    if (account->reconciled != NULL) {
        cs_free((char *)(uintptr_t)account->reconciled->source.p);
        cs_free(account->reconciled);
        account->reconciled = NULL;
    }
}

/* ---- figures */

typedef struct listing {
    cs_arena *a;
    int64_t now_ns, newest_ns;
    size_t fresh;
    double got, billed, off;
    CS_VEC(cs_value) rows;
} listing;

static void list(void *self, cs_spend__account *account)
{
    listing *l = self;
    const cs_spend__reconciliation *r = account->reconciled;
    if (r == NULL) {
        return;
    }
    l->fresh += l->now_ns - r->at_ns < FRESH_NS;
    l->newest_ns = r->at_ns > l->newest_ns ? r->at_ns : l->newest_ns;
    l->got += (double)r->captured;
    l->billed += (double)r->billed;
    l->off += fabs((double)difference(r->billed, r->captured));
    if (l->a == NULL) {
        return;
    }
    cs_value v = line_value(l->a, account->name, r->captured, r->billed, 0);
    cs_object_put_text(l->a, v, "within", cs_bool(r->within));
    cs_object_put_text(l->a, v, "currency", cs_string_copy(l->a, cs_slice_make(r->currency, 3)));
    cs_object_put_text(l->a, v, "source", cs_string_copy(l->a, r->source));
    cs_object_put_text(l->a, v, "from", cs_spend__instant(l->a, r->from_ns));
    cs_object_put_text(l->a, v, "to", cs_spend__instant(l->a, r->to_ns));
    cs_object_put_text(l->a, v, "at", cs_spend__instant(l->a, r->at_ns));
    CS_VEC_PUSH_IN(l->a, &l->rows, v);
}

static listing list_all(cs_spend *s, cs_arena *a)
{
    listing l = {.a = a, .now_ns = s->now_ns(s->now_self), .newest_ns = INT64_MIN};
    cs_spend__each_account(s, list, &l);
    return l;
}

cs_value cs_spend_reconciliations_document(cs_spend *s, cs_arena *a)
{
    listing l = list_all(s, a);
    cs_value v = cs_object_new(a, 5);
    bool any = l.rows.n > 0;
    cs_object_put_text(a, v, "age_s", any ? cs_int((l.now_ns - l.newest_ns) / CS_NS_PER_S) : cs_null());
    cs_object_put_text(a, v, "fresh_ratio", ratio_of(a, (double)l.fresh, (double)l.rows.n));
    cs_object_put_text(a, v, "ratio", ratio_of(a, l.got, l.billed));
    cs_object_put_text(a, v, "accuracy", ratio_of(a, fmax(l.billed - l.off, 0), l.billed));
    cs_object_put_text(a, v, "tenants", cs_array(l.rows.v, l.rows.n));
    return v;
}

void cs_spend__gather_reconciliation_age(void *self, cs_metrics_sink *sink)
{
    cs_spend *s = self;
    listing l = list_all(s, NULL);
    if (l.newest_ns != INT64_MIN) {
        cs_metrics_emit(sink, NULL, (double)(l.now_ns - l.newest_ns) / (double)CS_NS_PER_S);
    }
}

void cs_spend__gather_accuracy(void *self, cs_metrics_sink *sink)
{
    listing l = list_all(self, NULL);
    if (fabs(l.billed) > 0) {
        cs_metrics_emit(sink, NULL, l.got / l.billed);
    }
}
