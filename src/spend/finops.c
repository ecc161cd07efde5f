/* GET /v1/reports/finops: one day, by tenant and operation, as JSON for people and as FOCUS rows for the tools of
 * FinOps (focus.finops.org, 1.2). */
#include <stdlib.h>

#include "countersign/base/buf.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "spend/cost.h"
#include "spend/internal.h"

enum { DAY_S = 86400, TOP_OPERATIONS = 10 };

typedef struct report {
    cs_spend *spend;
    cs_arena *a;
    const cs_zone *zone;
    cs_slice timezone;
    int64_t day;                    /* since 1970, civil */
    int64_t start, end;             /* seconds */
    int64_t month_start, month_end; /* seconds */
    cs_spend__cost_sums *sums;      /* of the day; their slot is nothing */
} report;

/* ---- the day */

static bool digits(cs_slice s, size_t at, size_t n, int64_t *out)
{
    *out = 0;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        *out = *out * 10 + (s.p[i] - '0');
    }
    return true;
}

static cs_err read_day(report *r, cs_slice text, cs_error *e)
{
    int64_t year = 0, month = 0, day = 0;
    if (text.n == 0) {
        int64_t now = r->spend->now_ns(r->spend->now_self) / CS_NS_PER_S;
        r->day = (now + cs_zone_offset(r->zone, now, NULL)) / DAY_S - 1;
        return CS_OK;
    }
    bool good = text.n == 10 && text.p[4] == '-' && text.p[7] == '-' && digits(text, 0, 4, &year) &&
                digits(text, 5, 2, &month) && digits(text, 8, 2, &day);
    int64_t y = 0;
    int m = 0, d = 0;
    if (good) {
        r->day = cs_time_days_from_civil(year, (int)month, (int)day);
        cs_time_civil_from_days(r->day, &y, &m, &d);
    }
    if (!good || y != year || m != month || d != day) {
        return cs_fail(e, CS_ERR_INVALID, "day must be a date, as 2026-11-23");
    }
    return CS_OK;
}

static void find_periods(report *r)
{
    int64_t year = 0;
    int month = 0, day = 0;
    r->start = cs_zone_day_start(r->zone, r->day);
    r->end = cs_zone_day_start(r->zone, r->day + 1);
    cs_time_civil_from_days(r->day, &year, &month, &day);
    r->month_start = cs_zone_day_start(r->zone, cs_time_days_from_civil(year, month, 1));
    year += month == 12;
    r->month_end = cs_zone_day_start(r->zone, cs_time_days_from_civil(year, month == 12 ? 1 : month + 1, 1));
}

static void gather(void *self, const cs_spend__cost_row *row)
{
    report *r = self;
    int64_t at = row->slot * CS_SPEND__SLOT_S;
    if (at < r->start || at >= r->end) {
        return;
    }
    cs_spend__cost_row whole_day = *row;
    whole_day.slot = 0;
    cs_spend__cost_sum sum = {.nanos = row->nanos, .quantity = row->quantity, .events = row->events};
    cs_arena_mark before = cs_arena_mark_now(r->a);
    cs_slice key = cs_spend__cost_key(r->a, &whole_day);
    cs_spend__cost_sums_add(r->sums, key, cs_spend__cost_hash(key), &sum);
    cs_arena_rewind(r->a, before);
}

/* ---- FOCUS */

static const char focus_columns[] =
    "BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargeCategory,ChargeClass,ChargeDescription,"
    "ChargeFrequency,ChargePeriodStart,ChargePeriodEnd,BilledCost,EffectiveCost,ListCost,ContractedCost,"
    "ConsumedQuantity,ConsumedUnit,PricingQuantity,PricingUnit,ProviderName,PublisherName,InvoiceIssuerName,"
    "ServiceCategory,ServiceName,SkuId,SubAccountId,SubAccountName,ResourceId,ResourceName,Tags,"
    "x_Kind,x_Estimated,x_Events\r\n";

static const char *category_of(cs_spend__kind kind)
{
    switch (kind) {
    case CS_SPEND__USAGE:
    case CS_SPEND__CORRECTION:
        return "Usage";
    case CS_SPEND__REFUND:
        return "Credit";
    case CS_SPEND__RECONCILIATION:
    case CS_SPEND__ADJUSTMENT:
        break;
    }
    return "Adjustment";
}

static void field(cs_buf *out, cs_slice text)
{
    cs_buf_byte(out, ',');
    cs_spend__csv(out, text);
}

static void number_field(cs_buf *out, int64_t nanos, bool there)
{
    char text[32];
    size_t n = there ? cs_money_format(nanos, text) : 0;
    cs_buf_byte(out, ',');
    cs_buf_put(out, text, n);
}

static void instant_field(report *r, cs_buf *out, int64_t seconds)
{
    field(out, cs_text(cs_spend__instant(r->a, seconds * CS_NS_PER_S)));
}

static cs_slice scope_value(const cs_spend__cost_row *row, const char *name)
{
    for (size_t i = 0; i < row->scope.n; i++) {
        if (cs_slice_is(row->scope.v[i].name, name)) {
            return row->scope.v[i].value;
        }
    }
    return CS_LIT("");
}

/* Tags and scope as one JSON object; a scope's name never hides a tag's. */
static cs_slice tags_text(report *r, const cs_spend__cost_row *row)
{
    cs_value tags = cs_object_new(r->a, 4);
    for (size_t i = 0; i < row->scope.n; i++) {
        cs_object_put(r->a, tags, cs_string(row->scope.v[i].name), cs_string(row->scope.v[i].value));
    }
    for (size_t i = 0; i < row->tags.n; i++) {
        cs_object_put(r->a, tags, cs_string(row->tags.v[i].name), cs_string(row->tags.v[i].value));
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, tags, 0);
    cs_slice copy = {cs_arena_dup(r->a, text.p, text.n), text.n};
    cs_buf_destroy(&text);
    return copy;
}

static void focus_row(report *r, cs_buf *out, const cs_spend__cost_row *row, const cs_spend__cost_sum *sum)
{
    cs_slice operation = row->operation.n > 0 ? row->operation : row->document_id;
    cs_slice model = scope_value(row, "model");
    bool measured = row->unit.n > 0;
    cs_spend__csv(out, row->tenant);
    field(out, row->currency);
    instant_field(r, out, r->month_start);
    instant_field(r, out, r->month_end);
    field(out, cs_slice_of(category_of(row->kind)));
    field(out, row->restated && row->kind != CS_SPEND__USAGE ? CS_LIT("Correction") : CS_LIT(""));
    field(out, operation.n > 0 ? operation : cs_spend__kind_name(row->kind));
    field(out, row->kind == CS_SPEND__USAGE ? CS_LIT("Usage-Based") : CS_LIT("One-Time"));
    instant_field(r, out, r->start);
    instant_field(r, out, r->end);
    for (int i = 0; i < 4; i++) {
        number_field(out, sum->nanos, true); /* no discounts are known here: billed, effective, list, contracted */
    }
    for (int i = 0; i < 2; i++) {
        number_field(out, sum->quantity, measured);
        field(out, row->unit);
    }
    field(out, CS_LIT("countersign"));
    field(out, CS_LIT("countersign"));
    field(out, CS_LIT("countersign"));
    field(out, CS_LIT("AI and Machine Learning"));
    field(out, CS_LIT("GraphQL mutations"));
    field(out, model.n > 0 ? model : operation);
    field(out, row->tenant);
    field(out, row->tenant);
    field(out, row->document_id);
    field(out, row->operation);
    field(out, tags_text(r, row));
    field(out, cs_spend__kind_name(row->kind));
    cs_buf_printf(out, ",%s,%lld\r\n", row->estimated ? "true" : "false", (long long)sum->events);
}

/* ---- rows in an order */

typedef struct line {
    cs_spend__cost_row row;
    const cs_spend__cost_sum *sum;
} line;

static int by_labels(const void *x, const void *y)
{
    const line *a = x, *b = y;
    int c = cs_slice_compare(a->row.tenant, b->row.tenant);
    c = c != 0 ? c : cs_slice_compare(a->row.currency, b->row.currency);
    c = c != 0 ? c : cs_slice_compare(a->row.operation, b->row.operation);
    c = c != 0 ? c : cs_slice_compare(a->row.document_id, b->row.document_id);
    c = c != 0 ? c : (int)a->row.kind - (int)b->row.kind;
    return c != 0 ? c : (a->sum->nanos < b->sum->nanos) - (a->sum->nanos > b->sum->nanos);
}

static line *lines_of(report *r, size_t *n)
{
    line *lines = cs_arena_array(r->a, line, (size_t)r->sums->n + 1);
    uint32_t cursor = 0;
    const cs_spend__cost_entry *entry = NULL;
    *n = 0;
    while ((entry = cs_spend__cost_sums_next(r->sums, &cursor)) != NULL) {
        line *l = &lines[(*n)++];
        bool whole = cs_spend__cost_row_of(cs_slice_make(entry->key, entry->n), &l->row);
        cs_assert(whole);
        l->sum = &entry->sum;
    }
    if (*n > 1) {
        qsort(lines, *n, sizeof *lines, by_labels);
    }
    return lines;
}

/* ---- JSON */

typedef struct spent {
    int64_t all, usage, corrections, estimated, restated, events;
} spent;

static void add_spent(spent *to, const line *l)
{
    bool overflow = false;
    to->all = cs_spend__add(to->all, l->sum->nanos, &overflow);
    int64_t *part = l->row.kind == CS_SPEND__USAGE ? &to->usage : &to->corrections;
    *part = cs_spend__add(*part, l->sum->nanos, &overflow);
    to->estimated = l->row.estimated ? cs_spend__add(to->estimated, l->sum->nanos, &overflow) : to->estimated;
    to->restated = l->row.restated ? cs_spend__add(to->restated, l->sum->nanos, &overflow) : to->restated;
    to->events += l->sum->events;
}

static cs_value spent_value(report *r, const spent *s)
{
    cs_value v = cs_object_new(r->a, 8);
    cs_object_put_text(r->a, v, "spent", cs_spend__money(r->a, s->all));
    cs_object_put_text(r->a, v, "usage", cs_spend__money(r->a, s->usage));
    cs_object_put_text(r->a, v, "corrections", cs_spend__money(r->a, s->corrections));
    cs_object_put_text(r->a, v, "estimated", cs_spend__money(r->a, s->estimated));
    cs_object_put_text(r->a, v, "restated", cs_spend__money(r->a, s->restated));
    cs_object_put_text(r->a, v, "events", cs_int(s->events));
    return v;
}

typedef struct operation {
    cs_slice name;
    int64_t nanos, events;
} operation;

static int by_cost(const void *x, const void *y)
{
    const operation *a = x, *b = y;
    return a->nanos != b->nanos ? (a->nanos < b->nanos) - (a->nanos > b->nanos) : cs_slice_compare(a->name, b->name);
}

/* The dearest operations of lines that are sorted by operation. */
static cs_value top_operations(report *r, const line *lines, size_t n)
{
    operation *all = cs_arena_array(r->a, operation, n + 1);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        cs_slice name = lines[i].row.operation.n > 0 ? lines[i].row.operation : lines[i].row.document_id;
        if (m == 0 || !cs_slice_eq(all[m - 1].name, name)) {
            all[m++] = (operation){.name = name};
        }
        bool overflow = false;
        all[m - 1].nanos = cs_spend__add(all[m - 1].nanos, lines[i].sum->nanos, &overflow);
        all[m - 1].events += lines[i].sum->events;
    }
    if (m > 1) {
        qsort(all, m, sizeof *all, by_cost);
    }
    m = m < TOP_OPERATIONS ? m : TOP_OPERATIONS;
    cs_value *items = cs_arena_array(r->a, cs_value, m + 1);
    for (size_t i = 0; i < m; i++) {
        items[i] = cs_object_new(r->a, 3);
        cs_object_put_text(r->a, items[i], "operation", all[i].name.n > 0 ? cs_string(all[i].name) : cs_null());
        cs_object_put_text(r->a, items[i], "spent", cs_spend__money(r->a, all[i].nanos));
        cs_object_put_text(r->a, items[i], "events", cs_int(all[i].events));
    }
    return cs_array(items, m);
}

/* One tenant and currency: lines [0, n). */
static cs_value tenant_value(report *r, const line *lines, size_t n)
{
    spent sums = {0};
    for (size_t i = 0; i < n; i++) {
        add_spent(&sums, &lines[i]);
    }
    cs_value v = spent_value(r, &sums);
    cs_object_put_text(r->a, v, "tenant", cs_string(lines[0].row.tenant));
    cs_object_put_text(r->a, v, "currency", cs_string(lines[0].row.currency));
    cs_object_put_text(r->a, v, "operations", top_operations(r, lines, n));
    cs_value budgets = cs_spend_budgets_document(r->spend, lines[0].row.tenant, r->a);
    bool known = cs_is(budgets, CS_OBJECT);
    cs_object_put_text(r->a, v, "tier", known ? *cs_object_get_text(budgets, "tier") : cs_null());
    cs_object_put_text(r->a, v, "budgets", known ? *cs_object_get_text(budgets, "budgets") : cs_null());
    return v;
}

static cs_value totals_value(report *r, const line *lines, size_t n)
{
    cs_value totals = cs_object_new(r->a, 2);
    bool *done = cs_arena_array(r->a, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        spent sums = {0};
        if (done[i]) {
            continue;
        }
        for (size_t k = i; k < n; k++) {
            if (cs_slice_eq(lines[k].row.currency, lines[i].row.currency)) {
                add_spent(&sums, &lines[k]);
                done[k] = true;
            }
        }
        cs_object_put(r->a, totals, cs_string(lines[i].row.currency), spent_value(r, &sums));
    }
    return totals;
}

static void write_json(report *r, const line *lines, size_t n, cs_buf *out)
{
    cs_value *tenants = cs_arena_array(r->a, cs_value, n + 1);
    size_t n_tenants = 0;
    for (size_t i = 0, k = 0; i < n; i = k) {
        for (k = i + 1; k < n && cs_slice_eq(lines[k].row.tenant, lines[i].row.tenant) &&
                        cs_slice_eq(lines[k].row.currency, lines[i].row.currency);
             k++) {
        }
        tenants[n_tenants++] = tenant_value(r, lines + i, k - i);
    }
    int64_t year = 0;
    int month = 0, day = 0;
    cs_time_civil_from_days(r->day, &year, &month, &day);
    cs_json_text t = {.out = out};
    cs_json_open(&t, '{');
    cs_json_put(&t, "day", cs_string_printf(r->a, "%04d-%02d-%02d", (int)year, month, day));
    cs_json_put_text(&t, "timezone", r->timezone);
    cs_json_put(&t, "from", cs_spend__instant(r->a, r->start * CS_NS_PER_S));
    cs_json_put(&t, "to", cs_spend__instant(r->a, r->end * CS_NS_PER_S));
    cs_json_put(&t, "generated_at", cs_spend__instant(r->a, r->spend->now_ns(r->spend->now_self)));
    cs_json_put(&t, "health", cs_spend_health_document(r->spend, r->a));
    cs_json_put(&t, "totals", totals_value(r, lines, n));
    cs_json_put(&t, "estimates", cs_spend__estimates_value(r->spend, r->a));
    cs_json_put(&t, "tenants", cs_array(tenants, n_tenants));
    cs_json_close(&t);
    cs_buf_byte(out, '\n');
}

cs_err cs_spend_finops_report(cs_spend *s, cs_slice day, cs_slice zone, bool csv, cs_buf *out, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    report r = {.spend = s, .a = &a, .timezone = zone.n > 0 ? zone : CS_LIT("UTC")};
    r.sums = cs_spend__cost_sums_new();
    cs_err err = cs_zone_find(r.timezone, &r.zone, e);
    if (err == CS_OK) {
        err = read_day(&r, day, e);
    }
    if (err == CS_OK) {
        find_periods(&r);
        err = cs_spend__cost_each(s->cost, r.start / CS_SPEND__SLOT_S, r.end / CS_SPEND__SLOT_S, CS_LIT(""), gather, &r,
                                  e);
    }
    if (err == CS_OK) {
        size_t n = 0;
        const line *lines = lines_of(&r, &n);
        if (csv) {
            cs_buf_text(out, focus_columns);
        }
        for (size_t i = 0; csv && i < n; i++) {
            focus_row(&r, out, &lines[i].row, lines[i].sum);
        }
        if (!csv) {
            write_json(&r, lines, n, out);
        }
    }
    cs_spend__cost_sums_free(r.sums);
    cs_arena_destroy(&a);
    return err;
}
