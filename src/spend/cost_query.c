/* GET /v1/cost: allocation and trend. Rows of the quarters of hours are added up by currency, by period, and by what is
 * asked for. */
#include <stdlib.h>

#include "countersign/base/buf.h"
#include "countersign/base/mem.h"
#include "countersign/json.h"
#include "spend/cost.h"
#include "spend/internal.h"

enum { HOUR_S = 3600, GROUPS_MOST = 100000 };

/* ---- what is asked for */

typedef enum grouping { BY_TENANT, BY_OPERATION, BY_DOCUMENT, BY_KIND, BY_UNIT, BY_TAG, BY_SCOPE } grouping;

typedef struct by {
    grouping what;
    cs_slice name;  /* of the tag or dimension */
    cs_slice label; /* as it was asked for */
} by;

struct group {
    int64_t start, end; /* seconds since 1970; of the period */
    char currency[4];
    cs_slice values[CS_COST_GROUPS];
    int64_t nanos, events, quantity;
    bool overflow;
};

typedef struct gathering {
    const cs_cost_query *q;
    by by[CS_COST_GROUPS];
    size_t n_by;
    const cs_zone *zone;
    cs_arena *a;
    cs_map groups;
    cs_buf key;
    size_t n;
    bool too_many;
} gathering;

static cs_err read_groups(gathering *g, cs_error *e)
{
    static const struct {
        const char *name;
        grouping what;
    } known[] = {{"tenant", BY_TENANT},
                 {"operation", BY_OPERATION},
                 {"document_id", BY_DOCUMENT},
                 {"kind", BY_KIND},
                 {"unit", BY_UNIT}};
    cs_slice rest = g->q->group_by, piece;
    while (rest.n > 0 && cs_slice_next(&rest, ',', &piece)) {
        piece = cs_slice_trim(piece);
        by b = {.label = piece, .name = CS_LIT("")};
        bool good = false;
        for (size_t i = 0; i < sizeof known / sizeof *known && !good; i++) {
            good = cs_slice_is(piece, known[i].name);
            b.what = known[i].what;
        }
        if (!good && cs_slice_starts(piece, CS_LIT("tag:"))) {
            b.what = BY_TAG;
            b.name = cs_slice_sub(piece, 4, piece.n);
            good = b.name.n > 0;
        } else if (!good && cs_slice_starts(piece, CS_LIT("scope:"))) {
            b.what = BY_SCOPE;
            b.name = cs_slice_sub(piece, 6, piece.n);
            good = b.name.n > 0;
        }
        if (!good || g->n_by == CS_COST_GROUPS) {
            return cs_fail(
                e, CS_ERR_INVALID,
                "group_by takes at most %d of tenant, operation, document_id, kind, unit, tag:NAME, scope:NAME",
                CS_COST_GROUPS);
        }
        g->by[g->n_by++] = b;
    }
    return CS_OK;
}

/* ---- periods */

static int64_t floor_days(int64_t seconds)
{
    return seconds >= 0 ? seconds / 86400 : -((86399 - seconds) / 86400);
}

static void period_of(const gathering *g, int64_t slot, int64_t *start, int64_t *end)
{
    int64_t at = slot * CS_SPEND__SLOT_S;
    if (g->q->granularity == CS_COST_HOUR) {
        *start = at - at % HOUR_S;
        *end = *start + HOUR_S;
        return;
    }
    if (g->q->granularity == CS_COST_TOTAL) {
        *start = g->q->from_ns / CS_NS_PER_S;
        *end = g->q->to_ns / CS_NS_PER_S;
        return;
    }
    int64_t day = floor_days(at + cs_zone_offset(g->zone, at, NULL));
    if (g->q->granularity == CS_COST_DAY) {
        *start = cs_zone_day_start(g->zone, day);
        *end = cs_zone_day_start(g->zone, day + 1);
        return;
    }
    int64_t year = 0;
    int month = 0, mday = 0;
    cs_time_civil_from_days(day, &year, &month, &mday);
    *start = cs_zone_day_start(g->zone, cs_time_days_from_civil(year, month, 1));
    year += month == 12;
    month = month == 12 ? 1 : month + 1;
    *end = cs_zone_day_start(g->zone, cs_time_days_from_civil(year, month, 1));
}

/* ---- gathering */

static cs_slice pair(const cs_spend__pairs *pairs, cs_slice name)
{
    for (size_t i = 0; i < pairs->n; i++) {
        if (cs_slice_eq(pairs->v[i].name, name)) {
            return pairs->v[i].value;
        }
    }
    return CS_LIT("");
}

static cs_slice value_of(const by *b, const cs_spend__cost_row *row)
{
    switch (b->what) {
    case BY_TENANT:
        return row->tenant;
    case BY_OPERATION:
        return row->operation.n > 0 ? row->operation : row->document_id;
    case BY_DOCUMENT:
        return row->document_id;
    case BY_KIND:
        return cs_spend__kind_name(row->kind);
    case BY_UNIT:
        return row->unit;
    case BY_TAG:
        return pair(&row->tags, b->name);
    case BY_SCOPE:
        return pair(&row->scope, b->name);
    }
    return CS_LIT("");
}

static struct group *group_for(gathering *g, const cs_spend__cost_row *row)
{
    int64_t start = 0, end = 0;
    period_of(g, row->slot, &start, &end);
    cs_buf_clear(&g->key);
    cs_buf_i64(&g->key, start);
    cs_buf_slice(&g->key, row->currency);
    for (size_t i = 0; i < g->n_by; i++) {
        cs_buf_byte(&g->key, '\0');
        cs_buf_slice(&g->key, value_of(&g->by[i], row));
    }
    struct group *found = cs_map_get(&g->groups, cs_buf_view(&g->key));
    if (found != NULL || g->too_many) {
        return found;
    }
    g->too_many = g->n == GROUPS_MOST;
    if (g->too_many) {
        return NULL;
    }
    found = cs_arena_new(g->a, struct group);
    *found = (struct group){.start = start, .end = end};
    memcpy(found->currency, row->currency.p, row->currency.n < 3 ? row->currency.n : 3);
    for (size_t i = 0; i < g->n_by; i++) {
        cs_slice value = value_of(&g->by[i], row);
        found->values[i] = (cs_slice){cs_arena_dup(g->a, value.p, value.n), value.n};
    }
    (void)cs_map_put(&g->groups, cs_buf_view(&g->key), found);
    g->n++;
    return found;
}

static void gather(void *self, const cs_spend__cost_row *row)
{
    gathering *g = self;
    int64_t at = row->slot * CS_SPEND__SLOT_NS;
    if (at < g->q->from_ns || at >= g->q->to_ns ||
        (g->q->currency.n > 0 && !cs_slice_eq(g->q->currency, row->currency))) {
        return;
    }
    struct group *group = group_for(g, row);
    if (group != NULL) {
        group->nanos = cs_spend__add(group->nanos, row->nanos, &group->overflow);
        group->quantity = cs_spend__add(group->quantity, row->quantity, &group->overflow);
        group->events += row->events;
    }
}

static int by_period(const void *x, const void *y)
{
    const struct group *a = *(struct group *const *)x, *b = *(struct group *const *)y;
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    int c = memcmp(a->currency, b->currency, 3);
    if (c != 0) {
        return c;
    }
    if (a->nanos != b->nanos) {
        return a->nanos > b->nanos ? -1 : 1; /* what costs most comes first */
    }
    for (size_t i = 0; i < CS_COST_GROUPS && c == 0; i++) {
        c = cs_slice_compare(a->values[i], b->values[i]);
    }
    return c;
}

static struct group **sorted(gathering *g)
{
    struct group **list = cs_arena_array(g->a, struct group *, g->n + 1);
    size_t n = 0, cursor = 0;
    const cs_map_entry *entry = NULL;
    while ((entry = cs_map_next(&g->groups, &cursor)) != NULL) {
        list[n++] = entry->value;
    }
    if (n > 1) {
        qsort(list, n, sizeof(struct group *), by_period);
    }
    return list;
}

/* ---- the answer */

static cs_value instant(cs_arena *a, int64_t seconds)
{
    return cs_spend__instant(a, seconds * CS_NS_PER_S);
}

static void put_row(cs_json_text *t, const gathering *g, const struct group *row)
{
    cs_json_open(t, '{');
    cs_json_put(t, "start", instant(g->a, row->start));
    cs_json_put(t, "end", instant(g->a, row->end));
    for (size_t i = 0; i < g->n_by; i++) {
        cs_json_key_slice(t, g->by[i].label);
        cs_json_value(t, row->values[i].n > 0 ? cs_string(row->values[i]) : cs_null());
    }
    cs_json_put_text(t, "currency", cs_slice_make(row->currency, 3));
    cs_json_put(t, "amount", cs_spend__money(g->a, row->nanos));
    cs_json_put(t, "amount_nanos", cs_int(row->nanos));
    cs_json_put(t, "events", cs_int(row->events));
    cs_json_close(t);
}

static void put_totals(cs_json_text *t, const gathering *g, struct group *const *rows)
{
    cs_value totals = cs_object_new(g->a, 1);
    cs_json_key(t, "totals");
    for (size_t i = 0; i < g->n; i++) {
        cs_value key = cs_string(cs_slice_make(rows[i]->currency, 3));
        const cs_value *before = cs_object_get(totals, key);
        bool overflow = false;
        int64_t sum = cs_spend__add(before != NULL ? before->u.i : 0, rows[i]->nanos, &overflow);
        cs_object_put(g->a, totals, key, cs_int(sum));
    }
    cs_value money = cs_object_new(g->a, 1);
    for (uint32_t i = 0; i < cs_count(totals); i++) {
        cs_value v, key = cs_entry(totals, i, &v);
        cs_object_put(g->a, money, key, cs_spend__money(g->a, v.u.i));
    }
    cs_json_value(t, money);
}

static void write_json(const gathering *g, struct group *const *rows, cs_buf *out)
{
    static const char *const names[] = {"hour", "day", "month", "total"};
    cs_json_text t = {.out = out};
    cs_json_open(&t, '{');
    cs_json_put(&t, "from", instant(g->a, g->q->from_ns / CS_NS_PER_S));
    cs_json_put(&t, "to", instant(g->a, g->q->to_ns / CS_NS_PER_S));
    cs_json_put_text(&t, "granularity", cs_slice_of(names[g->q->granularity]));
    cs_json_put_text(&t, "timezone", g->q->timezone);
    cs_json_key(&t, "group_by");
    cs_json_open(&t, '[');
    for (size_t i = 0; i < g->n_by; i++) {
        cs_json_value(&t, cs_string(g->by[i].label));
    }
    cs_json_close(&t);
    put_totals(&t, g, rows);
    cs_json_key(&t, "rows");
    cs_json_open(&t, '[');
    for (size_t i = 0; i < g->n; i++) {
        put_row(&t, g, rows[i]);
    }
    cs_json_close(&t);
    cs_json_close(&t);
    cs_buf_byte(out, '\n');
}

static void write_csv(const gathering *g, struct group *const *rows, cs_buf *out)
{
    cs_buf_text(out, "start,end");
    for (size_t i = 0; i < g->n_by; i++) {
        cs_buf_byte(out, ',');
        cs_spend__csv(out, g->by[i].label);
    }
    cs_buf_text(out, ",currency,amount,events\r\n");
    for (size_t i = 0; i < g->n; i++) {
        const struct group *row = rows[i];
        cs_spend__csv(out, cs_text(instant(g->a, row->start)));
        cs_buf_byte(out, ',');
        cs_spend__csv(out, cs_text(instant(g->a, row->end)));
        for (size_t k = 0; k < g->n_by; k++) {
            cs_buf_byte(out, ',');
            cs_spend__csv(out, row->values[k]);
        }
        char money[32];
        size_t n = cs_money_format(row->nanos, money);
        cs_buf_printf(out, ",%s,%.*s,%lld\r\n", row->currency, (int)n, money, (long long)row->events);
    }
}

cs_err cs_spend_cost(cs_spend *s, const cs_cost_query *query, cs_buf *out, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    gathering g = {.q = query, .a = &a};
    cs_map_init(&g.groups);
    cs_buf_init(&g.key);
    cs_err err = read_groups(&g, e);
    if (err == CS_OK) {
        err = cs_zone_find(query->timezone, &g.zone, e);
    }
    if (err == CS_OK) {
        int64_t from = cs_spend__slot(query->from_ns);
        int64_t to = cs_spend__slot(query->to_ns + CS_SPEND__SLOT_NS - 1);
        err = cs_spend__cost_each(s->cost, from, to, query->tenant, gather, &g, e);
    }
    if (err == CS_OK && g.too_many) {
        err = cs_fail(e, CS_ERR_LIMIT, "more than %d rows; ask for a shorter time, or for fewer groups", GROUPS_MOST);
    }
    if (err == CS_OK) {
        struct group **rows = sorted(&g);
        (query->csv ? write_csv : write_json)(&g, rows, out);
    }
    cs_map_destroy(&g.groups);
    cs_buf_destroy(&g.key);
    cs_arena_destroy(&a);
    return err;
}
