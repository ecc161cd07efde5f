/* data.spend: a row is copied out under its shard's lock as plain numbers and texts; documents are built from the copy,
 * after the lock. */
#include <stdlib.h>

#include "countersign/number.h"
#include "spend/internal.h"

/* ---- copies */

static cs_slice dup(cs_arena *a, cs_slice text)
{
    return (cs_slice){cs_arena_dup(a, text.p, text.n), text.n};
}

static void copy_line(cs_arena *a, cs_spend__account *account, const cs_spend__standing *standing,
                      cs_spend__total *total, int64_t now_ns, bool whole, cs_spend__line *out)
{
    cs_spend__total_refresh(account, total, now_ns);
    const cs_spend__budget *budget = total->budget;
    *out = (cs_spend__line){.id = dup(a, budget->id),
                            .window = whole ? dup(a, budget->window_text) : CS_LIT(""),
                            .mode = whole ? dup(a, budget->mode) : CS_LIT(""),
                            .limit = cs_spend__limit_at(account, standing, budget, now_ns),
                            .start_ns = total->from * CS_SPEND__SLOT_NS,
                            .end_ns = total->to * CS_SPEND__SLOT_NS,
                            .sum = total->sum,
                            .held = cs_spend__held(total)};
    memcpy(out->currency, budget->currency, sizeof out->currency);
    if (total->book != NULL) {
        out->version = total->book->version;
        out->overflow = total->book->overflow;
    }
}

/* The values that a budget counts apart, those with spend in its window. */
static void copy_values(cs_arena *a, cs_spend__account *account, const cs_spend__standing *standing,
                        const cs_spend__budget *budget, int64_t now_ns, bool whole, cs_spend__line *out)
{
    CS_VEC(cs_spend__line) values = {0};
    cs_spend__set *set = cs_spend__counted_set(account);
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    out->per = dup(a, budget->per);
    while (set->has_parts && (entry = cs_map_next(&set->parts, &cursor)) != NULL) {
        cs_spend__part *part = entry->value;
        for (size_t i = 0; i < part->n_totals; i++) {
            cs_spend__line line;
            if (part->totals[i].budget != budget) {
                continue;
            }
            copy_line(a, account, standing, &part->totals[i], now_ns, whole, &line);
            for (size_t k = 0; k < part->pairs.n; k++) {
                if (cs_slice_eq(part->pairs.v[k].name, budget->per)) {
                    line.id = dup(a, part->pairs.v[k].value);
                }
            }
            if (line.sum.events > 0 || line.held != 0) {
                CS_VEC_PUSH_IN(a, &values, line);
            }
        }
    }
    out->values = values.v;
    out->n_values = values.n;
}

void cs_spend__copy_account(cs_arena *a, cs_spend__account *account, int64_t now_ns, bool whole, cs_spend__copy *out)
{
    const cs_spend__tenant *tenant = account->tenant;
    *out = (cs_spend__copy){
        .name = whole ? dup(a, account->name) : CS_LIT(""), .known = tenant != NULL, .tier = CS_LIT("")};
    if (tenant != NULL) {
        cs_spend__standing standing = cs_spend__standing_at(account, now_ns);
        out->timezone = whole ? dup(a, tenant->timezone) : CS_LIT("");
        out->parent = whole ? dup(a, tenant->parent_name) : CS_LIT("");
        out->tier = dup(a, standing.name);
        out->has_since = tenant->has_since;
        out->since_ns = tenant->since_ns;
        out->has_clean_since = standing.has_clean_since;
        out->clean_since_ns = standing.clean_since_ns;
        out->has_promotes = standing.has_promotes;
        out->promotes_ns = standing.promotes_ns;
        memcpy(out->currency, tenant->currency, sizeof out->currency);
        out->n_lines = tenant->n_budgets;
        out->lines = cs_arena_array(a, cs_spend__line, tenant->n_budgets);
        for (size_t i = 0; i < tenant->n_budgets; i++) {
            cs_spend__total *total = &account->totals[i];
            copy_line(a, account, &standing, total, now_ns, whole, &out->lines[i]);
            if (total->budget->per.n > 0) {
                copy_values(a, account, &standing, total->budget, now_ns, whole, &out->lines[i]);
            }
        }
    }
    const cs_spend__set *set = cs_spend__counted_set(account);
    out->n_currencies = set->books.n;
    out->currencies = cs_arena_alloc(a, set->books.n * sizeof *out->currencies);
    for (size_t i = 0; i < set->books.n; i++) {
        memcpy(out->currencies[i], set->books.v[i]->currency, sizeof *out->currencies);
    }
}

static bool exists(const cs_spend__account *account)
{
    return account != NULL && (account->tenant != NULL || account->own.books.n > 0);
}

bool cs_spend__copy_tenant(cs_spend *s, cs_arena *a, cs_slice tenant, bool whole, cs_spend__copy *out)
{
    int64_t now = s->now_ns(s->now_self);
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_find(shard, tenant);
    bool found = exists(account);
    if (found) {
        cs_spend__pins_expire(account, cs_spend__hold_clock(s));
        cs_spend__copy_account(a, account, now, whole, out);
    }
    cs_mutex_unlock(&shard->lock);
    return found;
}

typedef struct copying {
    cs_arena *a;
    int64_t now_ns, mono_ns;
    CS_VEC(cs_spend__copy) copies;
} copying;

static void copy_each(void *self, cs_spend__account *account)
{
    copying *c = self;
    if (exists(account)) {
        cs_spend__copy copy;
        cs_spend__pins_expire(account, c->mono_ns);
        cs_spend__copy_account(c->a, account, c->now_ns, true, &copy);
        CS_VEC_PUSH_IN(c->a, &c->copies, copy);
    }
}

static int by_name(const void *x, const void *y)
{
    return cs_slice_compare(((const cs_spend__copy *)x)->name, ((const cs_spend__copy *)y)->name);
}

cs_spend__copy *cs_spend__copy_all(cs_spend *s, cs_arena *a, size_t *n)
{
    copying c = {.a = a, .now_ns = s->now_ns(s->now_self), .mono_ns = cs_spend__hold_clock(s)};
    cs_spend__each_account(s, copy_each, &c);
    if (c.copies.n > 0) {
        qsort(c.copies.v, c.copies.n, sizeof *c.copies.v, by_name);
    }
    *n = c.copies.n;
    return c.copies.v;
}

/* ---- documents */

/* A row is read in every decision: its keys are not hashed and indexed again each time. */

typedef enum line_field {
    WINDOW_START,
    WINDOW_END,
    POSTED,
    HELD,
    REMAINING,
    LIMIT,
    LATE,
    CORRECTED,
    EVENTS,
    LAST_EVENT,
    VERSION,
    TIER,
    OVERFLOW, /* only after one */
    LINE_FIELDS,
} line_field;
static const char *const line_names[LINE_FIELDS] = {"window_start",    "window_end",  "posted_nanos", "held_nanos",
                                                    "remaining_nanos", "limit_nanos", "late_nanos",   "corrected_nanos",
                                                    "events",          "last_event",  "version",      "tier",
                                                    "overflow"};

typedef enum meta_field { AS_OF, LAG, CAUGHT_UP, REPLICAS, OVERSHOOT, SOURCES, META_FIELDS } meta_field;
static const char *const meta_names[META_FIELDS] = {
    "as_of", "lag_ms", "caught_up", "replicas", "overshoot_bound_nanos", "sources"};

static void make_shape(cs_arena *a, const char *const *names, uint32_t n, cs_spend__shape *out)
{
    cs_value object = cs_object_new(a, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_object_put_text(a, object, names[i], cs_null());
    }
    out->table = *cs_freeze(a, object).u.table;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < n; k++) {
            if (cs_slice_is(cs_text(out->table.keys[k]), names[i])) {
                out->at[i] = (uint8_t)k;
            }
        }
    }
}

void cs_spend__shapes_init(cs_spend *s)
{
    cs_arena_init(&s->shapes, 0);
    make_shape(&s->shapes, line_names, OVERFLOW, &s->line);
    make_shape(&s->shapes, line_names, LINE_FIELDS, &s->overflown_line);
    make_shape(&s->shapes, meta_names, META_FIELDS, &s->meta);
}

/* An object of a shape; values[0..n) in the order of its fields. */
static cs_value shaped(cs_arena *a, const cs_spend__shape *shape, const cs_value *values)
{
    cs_table *table = cs_arena_alloc(a, sizeof *table);
    *table = shape->table;
    table->vals = cs_arena_alloc(a, table->n * sizeof *table->vals);
    for (uint32_t i = 0; i < table->n; i++) {
        table->vals[shape->at[i]] = values[i];
    }
    return (cs_value){.kind = CS_OBJECT, .u.table = table};
}

static cs_value line_value(const cs_spend *s, cs_arena *a, const cs_spend__line *line, cs_value tier)
{
    const cs_value values[LINE_FIELDS] = {
        [WINDOW_START] = cs_int(line->start_ns),
        [WINDOW_END] = cs_int(line->end_ns),
        [POSTED] = cs_int(line->sum.posted),
        [HELD] = cs_int(line->held),
        [REMAINING] = cs_int(cs_spend__remaining(line->limit, line->sum.posted, line->held, line->overflow)),
        [LIMIT] = cs_int(line->limit),
        [LATE] = cs_int(line->sum.late),
        [CORRECTED] = cs_int(line->sum.corrected),
        [EVENTS] = cs_int((int64_t)line->sum.events),
        [LAST_EVENT] = line->sum.last_ns == INT64_MIN ? cs_null() : cs_int(line->sum.last_ns),
        [VERSION] = cs_int((int64_t)line->version),
        [TIER] = tier,
        [OVERFLOW] = cs_bool(true)};
    return shaped(a, line->overflow ? &s->overflown_line : &s->line, values);
}

/* A budget with `per`: a line for each value beside the sums of all; each value has the limit for itself, so what
 * remains is that of the value that has least. */
static cs_value values_line(const cs_spend *s, cs_arena *a, const cs_spend__line *line, cs_value tier)
{
    cs_value v = cs_object_clone(a, line_value(s, a, line, tier), 1);
    cs_value by = cs_object_new(a, 1), values = cs_object_new(a, (uint32_t)line->n_values);
    int64_t least = line->limit;
    for (size_t i = 0; i < line->n_values; i++) {
        const cs_spend__line *value = &line->values[i];
        int64_t left = cs_spend__remaining(value->limit, value->sum.posted, value->held, value->overflow);
        least = left < least ? left : least;
        cs_object_put(a, values, cs_string(value->id), line_value(s, a, value, tier));
    }
    cs_object_put(a, by, cs_string(line->per), values);
    cs_object_put_text(a, v, "by", by);
    cs_object_put_text(a, v, "remaining_nanos", cs_int(least));
    return v;
}

static cs_value currency_of(cs_arena *a, cs_value row, const char *currency)
{
    cs_value key = cs_string_copy(a, cs_slice_make(currency, 3));
    const cs_value *found = cs_object_get(row, key);
    if (found != NULL) {
        return *found;
    }
    cs_value object = cs_object_new(a, 2);
    cs_object_put(a, row, key, object);
    return object;
}

static cs_value row_value(const cs_spend *s, cs_arena *a, const cs_spend__copy *copy)
{
    cs_value row = cs_object_new(a, 1);
    cs_value tier = copy->tier.n > 0 ? cs_string(copy->tier) : cs_null();
    for (size_t i = 0; i < copy->n_lines; i++) {
        cs_value budgets = currency_of(a, row, copy->lines[i].currency);
        const cs_spend__line *line = &copy->lines[i];
        cs_object_put(a, budgets, cs_string(line->id),
                      line->per.n > 0 ? values_line(s, a, line, tier) : line_value(s, a, line, tier));
    }
    /* Currencies spent in without a budget: empty, so that a policy can see that there are some. */
    for (size_t i = 0; i < copy->n_currencies; i++) {
        (void)currency_of(a, row, copy->currencies[i]);
    }
    return row;
}

/* The parts of the log: how far each is read, how far it goes. */
static cs_value sources_value(const cs_spend *s, cs_arena *a)
{
    cs_journal_source *sources = NULL;
    size_t n = cs_journal_sources(s->journal, a, &sources);
    cs_value *all = cs_arena_array(a, cs_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        cs_value v = cs_object_new(a, 5);
        cs_object_put_text(a, v, "topic", cs_string(sources[i].topic));
        cs_object_put_text(a, v, "partition", cs_int(sources[i].partition));
        cs_object_put_text(a, v, "offset", cs_int((int64_t)sources[i].next));
        cs_object_put_text(a, v, "high", cs_int((int64_t)sources[i].high));
        cs_object_put_text(a, v, "lag_ms", cs_int(sources[i].lag_ns / CS_NS_PER_MS));
        all[i] = v;
    }
    return cs_array(all, (uint32_t)n);
}

static cs_value meta_value(const cs_spend *s, cs_arena *a)
{
    int64_t as_of = 0;
    bool caught_up = false;
    int64_t lag = cs_journal_lag(s->journal, &as_of, &caught_up);
    const cs_value values[META_FIELDS] = {[AS_OF] = cs_int(as_of),          [LAG] = cs_int(lag / CS_NS_PER_MS),
                                          [CAUGHT_UP] = cs_bool(caught_up), [REPLICAS] = cs_int(1),
                                          [OVERSHOOT] = cs_int(0),          [SOURCES] = sources_value(s, a)};
    return shaped(a, &s->meta, values);
}

cs_value cs_spend__row(void *self, cs_value key, cs_arena *a)
{
    cs_spend *s = self;
    if (!cs_is(key, CS_STRING)) {
        return cs_undefined();
    }
    if (cs_slice_is(cs_text(key), "meta")) {
        return meta_value(s, a);
    }
    cs_spend__copy copy;
    return cs_spend__copy_tenant(s, a, cs_text(key), false, &copy) ? row_value(s, a, &copy) : cs_undefined();
}

cs_value cs_spend__all(void *self, cs_arena *a)
{
    cs_spend *s = self;
    size_t n = 0;
    cs_spend__copy *copies = cs_spend__copy_all(s, a, &n);
    cs_value all = cs_object_new(a, (uint32_t)n + 1);
    cs_object_put_text(a, all, "meta", meta_value(s, a));
    for (size_t i = 0; i < n; i++) {
        cs_object_put(a, all, cs_string(copies[i].name), row_value(s, a, &copies[i]));
    }
    return all;
}

/* ---- GET /v1/spend/{tenant} */

cs_value cs_spend_tenant_document(cs_spend *s, cs_slice tenant, cs_arena *a)
{
    cs_spend__copy copy;
    if (cs_slice_is(tenant, "meta") || !cs_spend__copy_tenant(s, a, tenant, true, &copy)) {
        return cs_undefined();
    }
    cs_value rows = row_value(s, a, &copy);
    for (size_t i = 0; i < copy.n_lines; i++) {
        const cs_spend__line *line = &copy.lines[i];
        cs_value budgets = currency_of(a, rows, line->currency);
        cs_value v = cs_object_clone(a, *cs_object_get(budgets, cs_string(line->id)), 8);
        cs_object_put(a, budgets, cs_string(line->id), v);
        cs_object_put_text(a, v, "window", cs_string(line->window));
        cs_object_put_text(a, v, "mode", line->mode.n > 0 ? cs_string(line->mode) : cs_null());
        cs_object_put_text(a, v, "limit", cs_spend__money(a, line->limit));
        cs_object_put_text(a, v, "posted", cs_spend__money(a, line->sum.posted));
        cs_object_put_text(a, v, "held", cs_spend__money(a, line->held));
        int64_t remaining = cs_spend__remaining(line->limit, line->sum.posted, line->held, line->overflow);
        if (line->per.n > 0) { /* that of the value with least */
            (void)cs_number_is_int(*cs_object_get_text(v, "remaining_nanos"), &remaining);
        }
        cs_object_put_text(a, v, "remaining", cs_spend__money(a, remaining));
        cs_object_put_text(a, v, "late", cs_spend__money(a, line->sum.late));
        cs_object_put_text(a, v, "corrected", cs_spend__money(a, line->sum.corrected));
    }
    cs_value v = cs_object_new(a, 5);
    cs_object_put_text(a, v, "tenant", cs_string(copy.name));
    cs_object_put_text(a, v, "known", cs_bool(copy.known));
    cs_object_put_text(a, v, "timezone", copy.known ? cs_string(copy.timezone) : cs_null());
    cs_object_put_text(a, v, "tier", copy.tier.n > 0 ? cs_string(copy.tier) : cs_null());
    cs_object_put_text(a, v, "spend", rows);
    return v;
}
