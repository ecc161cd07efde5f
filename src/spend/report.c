/* What people and monitors see: health, the status of all tenants, metrics. */
#include <math.h>
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "countersign/number.h"
#include "spend/internal.h"

/* ---- health */

static cs_spend_health health_of(const cs_spend *s, int64_t lag_ns, bool caught_up, bool failing, bool broken)
{
    static const char *const names[] = {"ok", "degraded", "stale", "down"};
    cs_spend_state state = CS_SPEND_OK;
    if (broken) {
        state = CS_SPEND_DOWN;
    } else if (!caught_up || lag_ns > s->stale_after_ns) {
        state = CS_SPEND_STALE;
    } else if (failing || lag_ns > s->stale_after_ns / 2) {
        state = CS_SPEND_DEGRADED;
    }
    return (cs_spend_health){.state = state,
                             .name = names[state],
                             .status = state <= CS_SPEND_DEGRADED ? 200 : 503,
                             .lag_ms = lag_ns / CS_NS_PER_MS,
                             .caught_up = caught_up};
}

cs_spend_health cs_spend_health_now(cs_spend *s)
{
    cs_journal_status j;
    cs_journal_get_status(s->journal, &j);
    return health_of(s, j.lag_ns, j.caught_up, j.failing, j.broken);
}

cs_value cs_spend_health_document(cs_spend *s, cs_arena *a)
{
    cs_journal_status j;
    cs_journal_get_status(s->journal, &j);
    cs_spend_health h = health_of(s, j.lag_ns, j.caught_up, j.failing, j.broken);
    cs_value v = cs_object_new(a, 5);
    cs_object_put_text(a, v, "status", cs_string(cs_slice_of(h.name)));
    cs_object_put_text(a, v, "lag_ms", cs_int(h.lag_ms));
    cs_object_put_text(a, v, "caught_up", cs_bool(h.caught_up));
    cs_object_put_text(a, v, "journal", cs_string_copy(a, cs_slice_of(j.name)));
    if (j.reason[0] != '\0') {
        cs_object_put_text(a, v, "reason", cs_string_copy(a, cs_slice_of(j.reason)));
    }
    return v;
}

/* ---- the status of all tenants */

static cs_value instant(cs_arena *a, bool has, int64_t ns)
{
    return has ? cs_spend__instant(a, ns) : cs_null();
}

/* Spent and held over the limit; infinite where something is spent of nothing. */
static double ratio_of(const cs_spend__line *line)
{
    if (line->overflow) {
        return HUGE_VAL;
    }
    double used = (double)line->sum.posted + (double)line->held;
    if (line->limit == 0) {
        return used > 0.0 ? HUGE_VAL : 0.0;
    }
    return used / (double)line->limit;
}

static cs_value ratio_value(cs_arena *a, const cs_spend__line *line)
{
    double ratio = ratio_of(line);
    return isinf(ratio) ? cs_null() : cs_number_from_double(a, round(ratio * 1e6) / 1e6);
}

static cs_value line_value(cs_arena *a, const cs_spend__line *line)
{
    cs_value v = cs_object_new(a, 9);
    cs_object_put_text(a, v, "window", cs_string(line->window));
    cs_object_put_text(a, v, "currency", cs_string_copy(a, cs_slice_make(line->currency, 3)));
    cs_object_put_text(a, v, "limit", cs_spend__money(a, line->limit));
    cs_object_put_text(a, v, "spent", cs_spend__money(a, line->sum.posted));
    cs_object_put_text(a, v, "held", cs_spend__money(a, line->held));
    cs_object_put_text(
        a, v, "remaining",
        cs_spend__money(a, cs_spend__remaining(line->limit, line->sum.posted, line->held, line->overflow)));
    cs_object_put_text(a, v, "ratio", ratio_value(a, line));
    cs_object_put_text(a, v, "window_start", instant(a, true, line->start_ns));
    cs_object_put_text(a, v, "window_end", instant(a, true, line->end_ns));
    if (line->per.n > 0) {
        cs_value values = cs_object_new(a, (uint32_t)line->n_values);
        for (size_t i = 0; i < line->n_values; i++) {
            cs_object_put(a, values, cs_string(line->values[i].id), line_value(a, &line->values[i]));
        }
        cs_object_put_text(a, v, "per", cs_string(line->per));
        cs_object_put_text(a, v, "values", values);
    }
    return v;
}

/* The tenant's budget over this window; in its own currency, if there are several. */
static cs_value over_window(cs_arena *a, const cs_spend__copy *copy, const char *window)
{
    const cs_spend__line *found = NULL;
    for (size_t i = 0; i < copy->n_lines; i++) {
        const cs_spend__line *line = &copy->lines[i];
        bool own = memcmp(line->currency, copy->currency, 3) == 0;
        if (cs_slice_is(line->window, window) &&
            (found == NULL || (own && memcmp(found->currency, copy->currency, 3) != 0))) {
            found = line;
        }
    }
    return found != NULL ? line_value(a, found) : cs_null();
}

static cs_value tenant_value(cs_arena *a, const cs_spend__copy *copy)
{
    cs_value v = cs_object_new(a, 10);
    cs_object_put_text(a, v, "tenant", cs_string(copy->name));
    cs_object_put_text(a, v, "known", cs_bool(copy->known));
    cs_object_put_text(a, v, "tier", copy->tier.n > 0 ? cs_string(copy->tier) : cs_null());
    cs_object_put_text(a, v, "since", instant(a, copy->has_since, copy->since_ns));
    cs_object_put_text(a, v, "clean_since", instant(a, copy->has_clean_since, copy->clean_since_ns));
    cs_object_put_text(a, v, "promotes_at", instant(a, copy->has_promotes, copy->promotes_ns));
    cs_object_put_text(a, v, "currency", copy->known ? cs_string_copy(a, cs_slice_make(copy->currency, 3)) : cs_null());
    cs_object_put_text(a, v, "timezone", copy->known ? cs_string(copy->timezone) : cs_null());
    cs_object_put_text(a, v, "day", over_window(a, copy, "day"));
    cs_object_put_text(a, v, "month", over_window(a, copy, "month"));
    cs_value budgets = cs_object_new(a, (uint32_t)copy->n_lines);
    for (size_t i = 0; i < copy->n_lines; i++) {
        cs_object_put(a, budgets, cs_string(copy->lines[i].id), line_value(a, &copy->lines[i]));
    }
    cs_object_put_text(a, v, "budgets", budgets);
    return v;
}

static cs_value counts_value(cs_spend *s, cs_arena *a)
{
    static const char *const names[CS_SPEND__COUNTS] = {"accepted",  "late",     "future",
                                                        "duplicate", "conflict", "rejected"};
    cs_value v = cs_object_new(a, CS_SPEND__COUNTS + 2);
    for (size_t i = 0; i < CS_SPEND__COUNTS; i++) {
        cs_object_put_text(a, v, names[i], cs_int((int64_t)atomic_load(&s->counts[i])));
    }
    cs_object_put_text(a, v, "rounded", cs_int((int64_t)atomic_load(&s->rounded)));
    cs_object_put_text(a, v, "overflows", cs_int((int64_t)atomic_load(&s->overflows)));
    return v;
}

cs_value cs_spend_status_document(cs_spend *s, cs_arena *a)
{
    size_t n = 0;
    const cs_spend__copy *copies = cs_spend__copy_all(s, a, &n);
    cs_value *all = cs_arena_array(a, cs_value, n);
    cs_value *canaries = cs_arena_array(a, cs_value, n);
    size_t n_canaries = 0;
    for (size_t i = 0; i < n; i++) {
        all[i] = tenant_value(a, &copies[i]);
        if (cs_slice_is(copies[i].tier, "canary")) {
            canaries[n_canaries++] = all[i];
        }
    }
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "canary_tenants", cs_array(canaries, n_canaries));
    cs_object_put_text(a, v, "tenants", cs_array(all, n));
    cs_object_put_text(a, v, "events", counts_value(s, a));
    return v;
}

/* ---- metrics */

/* One row to emit. Rows of one tenant with the same labels become one. */
typedef struct figure {
    cs_slice tenant, window;
    char currency[4]; /* "" where it is no label */
    double value;
} figure;

typedef CS_VEC(figure) figures;

static void add_figure(cs_arena *a, figures *to, figure f, bool sum)
{
    for (size_t i = to->n; i-- > 0;) {
        figure *old = &to->v[i];
        if (!cs_slice_eq(old->tenant, f.tenant)) {
            break; /* a tenant's rows stand together */
        }
        if (cs_slice_eq(old->window, f.window) && memcmp(old->currency, f.currency, sizeof f.currency) == 0) {
            old->value = sum ? old->value + f.value : fmax(old->value, f.value);
            return;
        }
    }
    CS_VEC_PUSH_IN(a, to, f);
}

typedef struct ranked {
    const cs_spend__copy *copy;
    double spent; /* the largest of its windows */
} ranked;

static int by_spent(const void *x, const void *y)
{
    double a = ((const ranked *)x)->spent;
    double b = ((const ranked *)y)->spent;
    return (a < b) - (a > b);
}

/* Tenants with budgets, those who spend most first. */
static ranked *rank(cs_spend *s, cs_arena *a, size_t *n)
{
    size_t all = 0;
    const cs_spend__copy *copies = cs_spend__copy_all(s, a, &all);
    ranked *order = cs_arena_array(a, ranked, all);
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        double most = 0.0;
        for (size_t k = 0; k < copies[i].n_lines; k++) {
            most = fmax(most, (double)copies[i].lines[k].sum.posted);
        }
        if (copies[i].n_lines > 0) {
            order[(*n)++] = (ranked){&copies[i], most};
        }
    }
    if (*n > 1) {
        qsort(order, *n, sizeof *order, by_spent);
    }
    return order;
}

typedef figure figure_of(const cs_spend__line *line);

static figure ratio_figure(const cs_spend__line *line)
{
    return (figure){.window = line->window, .value = ratio_of(line)};
}

static figure spent_figure(const cs_spend__line *line)
{
    figure f = {.window = line->window, .value = (double)line->sum.posted / (double)CS_NANOS_PER_UNIT};
    memcpy(f.currency, line->currency, sizeof f.currency);
    return f;
}

/* The largest tenants by name, the others as _other: their spend as a sum, of their ratios the highest, so that an
 * alarm is not hidden by those who are far from their limits. */
static void gather(cs_spend *s, cs_metrics_sink *sink, figure_of *figure_from, bool sum)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = 0;
    const ranked *order = rank(s, &a, &n);
    size_t named = (size_t)cs_limits_get()->metric_tenants;
    figures rows = {0};
    figures others = {0};
    for (size_t i = 0; i < n; i++) {
        const cs_spend__copy *copy = order[i].copy;
        bool other = i >= named || cs_slice_is(copy->name, "_other");
        figures own = {0};
        for (size_t k = 0; k < copy->n_lines; k++) {
            figure f = figure_from(&copy->lines[k]);
            f.tenant = other ? CS_LIT("_other") : copy->name;
            add_figure(&a, &own, f, false); /* two budgets over one window have spent the same */
        }
        for (size_t k = 0; k < own.n; k++) {
            if (other) {
                add_figure(&a, &others, own.v[k], sum);
            } else {
                CS_VEC_PUSH_IN(&a, &rows, own.v[k]);
            }
        }
    }
    for (size_t i = 0; i < rows.n + others.n; i++) {
        const figure *f = i < rows.n ? &rows.v[i] : &others.v[i - rows.n];
        cs_metrics_emit(sink, (cs_slice[]){f->tenant, f->window, cs_slice_of(f->currency)}, f->value);
    }
    cs_arena_destroy(&a);
}

static void gather_ratio(void *self, cs_metrics_sink *sink)
{
    gather(self, sink, ratio_figure, false);
}

static void gather_spent(void *self, cs_metrics_sink *sink)
{
    gather(self, sink, spent_figure, true);
}

static void gather_lag(void *self, cs_metrics_sink *sink)
{
    cs_spend *s = self;
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_journal_source *sources = NULL;
    size_t n = cs_journal_sources(s->journal, &a, &sources);
    for (size_t i = 0; i < n; i++) {
        size_t length = 0;
        const char *slash = sources[i].topic.n > 0 ? "/" : "";
        char *name = cs_arena_printf(&a, &length, "%.*s%s%u", CS_FMT(sources[i].topic), slash, sources[i].partition);
        cs_metrics_emit(sink, (cs_slice[]){cs_slice_make(name, length)},
                        (double)sources[i].lag_ns / (double)CS_NS_PER_S);
    }
    cs_arena_destroy(&a);
}

static void gather_caught_up(void *self, cs_metrics_sink *sink)
{
    cs_spend *s = self;
    bool caught_up = false;
    (void)cs_journal_lag(s->journal, NULL, &caught_up);
    cs_metrics_emit(sink, NULL, caught_up ? 1.0 : 0.0);
}

/* ---- holds */

typedef struct held_sum {
    char currency[4];
    double nanos;
} held_sum;

typedef struct held {
    uint64_t pending;
    int64_t mono_ns;
    CS_VEC(held_sum) sums;
} held;

static void add_held(void *self, cs_spend__account *account)
{
    held *h = self;
    cs_spend__pins_expire(account, h->mono_ns);
    for (size_t i = 0; account->pins != NULL && i < account->pins->pending.n; i++) {
        const cs_spend__hold *hold = account->pins->pending.v[i]->hold;
        size_t k = 0;
        if (hold->account != account) {
            continue; /* of a tenant below */
        }
        h->pending++;
        while (k < h->sums.n && memcmp(h->sums.v[k].currency, hold->currency, 3) != 0) {
            k++;
        }
        if (k == h->sums.n) {
            CS_VEC_PUSH(&h->sums, ((held_sum){.nanos = 0.0}));
            memcpy(h->sums.v[k].currency, hold->currency, 4);
        }
        h->sums.v[k].nanos += (double)hold->amount;
    }
}

static void gather_holds(void *self, cs_metrics_sink *sink)
{
    cs_spend *s = self;
    held h = {.mono_ns = cs_spend__hold_clock(s)};
    cs_spend__each_account(s, add_held, &h);
    cs_metrics_emit(sink, (cs_slice[]){CS_LIT("pending")}, (double)h.pending);
    for (cs_hold_state state = 0; state < CS_HOLD_STATES; state++) {
        if (state != CS_HOLD_PENDING && state != CS_HOLD_EXPIRED) {
            cs_metrics_emit(sink, (cs_slice[]){cs_slice_of(cs_hold_state_name(state))},
                            (double)atomic_load_explicit(&s->holds->resolved[state], memory_order_relaxed));
        }
    }
    CS_VEC_FREE(&h.sums);
}

static void gather_holds_nanos(void *self, cs_metrics_sink *sink)
{
    cs_spend *s = self;
    held h = {.mono_ns = cs_spend__hold_clock(s)};
    cs_spend__each_account(s, add_held, &h);
    for (size_t i = 0; i < h.sums.n; i++) {
        cs_metrics_emit(sink, (cs_slice[]){cs_slice_of(h.sums.v[i].currency)}, h.sums.v[i].nanos);
    }
    CS_VEC_FREE(&h.sums);
}

void cs_spend__metrics_register(cs_spend *s)
{
    static const char *const results[CS_SPEND__COUNTS] = {"accepted",  "late",     "future",
                                                          "duplicate", "conflict", "rejected"};
    if (s->metrics == NULL) {
        return;
    }
    for (size_t i = 0; i < CS_SPEND__COUNTS; i++) {
        cs_slice label = cs_slice_of(results[i]);
        s->counted[i] = cs_metrics_series(s->metrics, CS_METRIC_SPEND_EVENTS, &label);
    }
    cs_metrics_on_gather(s->metrics, CS_METRIC_BUDGET_RATIO, gather_ratio, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_BUDGET_SPENT, gather_spent, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_RECONCILIATION_AGE, cs_spend__gather_reconciliation_age, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_SPEND_ACCURACY, cs_spend__gather_accuracy, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_ESTIMATE_ERROR, cs_spend__gather_estimate_error, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_SPEND_LAG, gather_lag, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_SPEND_CAUGHT_UP, gather_caught_up, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_HOLDS, gather_holds, s);
    cs_metrics_on_gather(s->metrics, CS_METRIC_HOLDS_NANOS, gather_holds_nanos, s);
}

void cs_spend__metrics_unregister(cs_spend *s)
{
    if (s->metrics == NULL) {
        return;
    }
    cs_metrics_on_gather(s->metrics, CS_METRIC_BUDGET_RATIO, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_BUDGET_SPENT, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_RECONCILIATION_AGE, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_SPEND_ACCURACY, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_ESTIMATE_ERROR, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_SPEND_LAG, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_SPEND_CAUGHT_UP, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_HOLDS, NULL, NULL);
    cs_metrics_on_gather(s->metrics, CS_METRIC_HOLDS_NANOS, NULL, NULL);
}
