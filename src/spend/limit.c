/* data.tenants → limits. Every problem is found in one pass and named by its path, so that a bundle can be refused with
 * all that is wrong in it. Members that are not about money are none of ours. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

typedef struct reader {
    cs_spend__limits *limits;
    cs_arena *a;               /* for problems; NULL = they are not wanted */
    CS_VEC(cs_value) problems; /* in `a` */
    size_t n;
    cs_error *e;
    cs_arena paths; /* of the tenant at hand */
} reader;

static void problem(reader *r, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void problem(reader *r, const char *path, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->n++ == 0) {
        cs_err err = cs_fail(r->e, CS_ERR_INVALID, "%s: %s", path, text);
        (void)err;
    }
    if (r->a != NULL) {
        cs_value item = cs_object_new(r->a, 2);
        cs_object_put_text(r->a, item, "path", cs_string_copy(r->a, cs_slice_of(path)));
        cs_object_put_text(r->a, item, "message", cs_string_copy(r->a, cs_slice_of(text)));
        CS_VEC_PUSH_IN(r->a, &r->problems, item);
    }
}

static const char *below(reader *r, const char *path, cs_slice name)
{
    return cs_arena_printf(&r->paths, NULL, "%s.%.*s", path, CS_FMT(name));
}

static cs_slice keep(reader *r, cs_slice text)
{
    return (cs_slice){cs_arena_dup(&r->limits->arena, text.p, text.n), text.n};
}

/* A string member: `fallback` (not copied) when it is missing. */
static cs_slice text_member(reader *r, cs_value object, const char *name, const char *path, const char *fallback)
{
    const cs_value *v = cs_object_get_text(object, name);
    if (v == NULL) {
        return cs_slice_of(fallback);
    }
    if (!cs_is(*v, CS_STRING)) {
        problem(r, below(r, path, cs_slice_of(name)), "must be a string, not %s", cs_kind_name(*v));
        return cs_slice_of(fallback);
    }
    return keep(r, cs_text(*v));
}

static void read_currency(reader *r, cs_value object, const char *path, const char *fallback, char out[4])
{
    cs_slice text = text_member(r, object, "currency", path, fallback);
    bool good = text.n == 3;
    for (size_t i = 0; good && i < 3; i++) {
        good = text.p[i] >= 'A' && text.p[i] <= 'Z';
    }
    if (!good) {
        problem(r, below(r, path, CS_LIT("currency")), "must be three capital letters (ISO 4217)");
        text = CS_LIT("USD");
    }
    memcpy(out, text.p, 3);
    out[3] = '\0';
}

/* Nanoseconds since 1970 under `name`, if there are any. */
static void read_instant(reader *r, cs_value object, const char *name, const char *path, bool *has, int64_t *out)
{
    const cs_value *v = cs_object_get_text(object, name);
    if (v == NULL || cs_is(*v, CS_NULL)) {
        return;
    }
    if (!cs_is(*v, CS_NUMBER) || !cs_number_is_int(*v, out)) {
        problem(r, below(r, path, cs_slice_of(name)), "must be an integer of nanoseconds since 1970");
        return;
    }
    *has = true;
}

static bool parse_limit(cs_value v, int64_t *out)
{
    char room[32];
    if (!cs_is(v, CS_STRING) && !cs_is(v, CS_NUMBER)) {
        return false;
    }
    cs_slice text = cs_is(v, CS_STRING) ? cs_text(v) : cs_number_text(v, room);
    return cs_money_parse(text, out) == CS_MONEY_OK && *out >= 0;
}

static void read_limit(reader *r, cs_value budget, const char *path, int64_t *out)
{
    const cs_value *text = cs_object_get_text(budget, "limit");
    const cs_value *nanos = cs_object_get_text(budget, "limit_nanos");
    int64_t exact = 0;
    const char *full = below(r, path, CS_LIT("limit"));
    if (text == NULL && nanos == NULL) {
        problem(r, full, "is missing");
        return;
    }
    if (text != NULL && !parse_limit(*text, out)) {
        problem(r, full, "must be a decimal string, as \"25.00\", not negative, with at most 9 decimals");
        return;
    }
    if (nanos == NULL) {
        return;
    }
    if (!cs_is(*nanos, CS_NUMBER) || !cs_number_is_int(*nanos, &exact) || exact < 0) {
        problem(r, below(r, path, CS_LIT("limit_nanos")), "must be an integer of 64 bits, not negative");
        return;
    }
    if (text != NULL && exact != *out) {
        problem(r, full, "differs from limit_nanos");
        return;
    }
    *out = exact;
}

static void read_alerts(reader *r, cs_value budget, const char *path)
{
    const cs_value *ratios = cs_object_get_text(budget, "alert_ratios");
    if (ratios == NULL) {
        return;
    }
    bool good = cs_is(*ratios, CS_ARRAY);
    for (uint32_t i = 0; good && i < ratios->n; i++) {
        cs_value ratio = ratios->u.items[i];
        good = cs_is(ratio, CS_NUMBER) && cs_number_double(ratio) > 0;
    }
    if (!good) {
        problem(r, below(r, path, CS_LIT("alert_ratios")), "must be an array of numbers above 0");
    }
}

static void read_budget(reader *r, const cs_spend__tenant *tenant, cs_value key, cs_value v, const char *parent,
                        cs_spend__budget *out)
{
    const char *path = below(r, parent, cs_text(key));
    *out = (cs_spend__budget){.id = keep(r, cs_text(key))};
    if (!cs_is(v, CS_OBJECT)) {
        problem(r, path, "must be an object, not %s", cs_kind_name(v));
        return;
    }
    read_currency(r, v, path, tenant->currency, out->currency);
    out->mode = text_member(r, v, "mode", path, "");
    read_limit(r, v, path, &out->limit);
    read_alerts(r, v, path);
    const char *full = below(r, path, CS_LIT("window"));
    if (cs_object_get_text(v, "window") == NULL) {
        problem(r, full, "is missing");
        return;
    }
    out->window_text = text_member(r, v, "window", path, "day");
    const char *wrong = cs_spend__window_parse(out->window_text, tenant->zone, &out->window);
    if (wrong != NULL) {
        problem(r, full, "%s", wrong);
    }
}

static void read_tier(reader *r, cs_value tenant, const char *parent, cs_spend__tenant *out)
{
    const cs_value *tier = cs_object_get_text(tenant, "tier");
    out->tier = CS_LIT("");
    if (tier == NULL || cs_is(*tier, CS_NULL)) {
        return;
    }
    const char *path = below(r, parent, CS_LIT("tier"));
    if (!cs_is(*tier, CS_OBJECT)) {
        problem(r, path, "must be an object, not %s", cs_kind_name(*tier));
        return;
    }
    out->tier = text_member(r, *tier, "name", path, "");
    read_instant(r, *tier, "since", path, &out->has_since, &out->since_ns);
    read_instant(r, *tier, "promotes_at", path, &out->has_promotes, &out->promotes_ns);
}

static void read_budgets(reader *r, cs_value tenant, const char *parent, cs_spend__tenant *out)
{
    const cs_value *budgets = cs_object_get_text(tenant, "budgets");
    if (budgets == NULL) {
        return;
    }
    const char *path = below(r, parent, CS_LIT("budgets"));
    if (!cs_is(*budgets, CS_OBJECT)) {
        problem(r, path, "must be an object, not %s", cs_kind_name(*budgets));
        return;
    }
    uint32_t n = cs_count(*budgets);
    cs_spend__budget *list = cs_arena_array(&r->limits->arena, cs_spend__budget, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v;
        cs_value key = cs_entry(*budgets, i, &v);
        if (!cs_is(key, CS_STRING) || key.n == 0) {
            problem(r, path, "a budget's name must be a string that is not empty");
            continue;
        }
        read_budget(r, out, key, v, path, &list[i]);
    }
    out->budgets = list;
    out->n_budgets = n;
}

static void read_tenant(reader *r, cs_value key, cs_value v, cs_spend__tenant *out)
{
    const char *path = below(r, "tenants", cs_is(key, CS_STRING) ? cs_text(key) : CS_LIT(""));
    *out = (cs_spend__tenant){.name = CS_LIT(""), .tier = CS_LIT("")};
    if (!cs_is(key, CS_STRING) || key.n == 0 || key.n > cs_limits_get()->tenant_bytes) {
        problem(r, path, "a tenant's name has 1 to %llu bytes", (unsigned long long)cs_limits_get()->tenant_bytes);
        return;
    }
    out->name = keep(r, cs_text(key));
    if (cs_slice_is(out->name, "meta")) {
        problem(r, path, "is a reserved name");
        return;
    }
    if (!cs_is(v, CS_OBJECT)) {
        problem(r, path, "must be an object, not %s", cs_kind_name(v));
        return;
    }
    out->timezone = text_member(r, v, "timezone", path, "UTC");
    cs_error e;
    if (cs_zone_find(out->timezone, &out->zone, &e) != CS_OK) {
        problem(r, below(r, path, CS_LIT("timezone")), "%s", e.text);
        cs_err utc = cs_zone_find(CS_LIT("UTC"), &out->zone, &e);
        cs_assert(utc == CS_OK);
    }
    read_currency(r, v, path, "USD", out->currency);
    read_tier(r, v, path, out);
    read_budgets(r, v, path, out);
}

static int by_name(const void *x, const void *y)
{
    return cs_slice_compare(((const cs_spend__tenant *)x)->name, ((const cs_spend__tenant *)y)->name);
}

cs_err cs_spend__limits_read(cs_value tenants, cs_spend__limits **out, cs_arena *a, cs_value *problems, cs_error *e)
{
    reader r = {.limits = cs_zalloc(sizeof *r.limits), .a = problems != NULL ? a : NULL, .e = e};
    cs_arena_init(&r.limits->arena, 0);
    cs_arena_init(&r.paths, 0);
    if (cs_is(tenants, CS_OBJECT)) {
        uint32_t n = cs_count(tenants);
        r.limits->tenants = cs_arena_array(&r.limits->arena, cs_spend__tenant, n);
        r.limits->n = n;
        for (uint32_t i = 0; i < n; i++) {
            cs_value v;
            cs_value key = cs_entry(tenants, i, &v);
            read_tenant(&r, key, v, &r.limits->tenants[i]);
            cs_arena_reset(&r.paths);
        }
        qsort(r.limits->tenants, n, sizeof *r.limits->tenants, by_name);
    } else if (!cs_is_undefined(tenants)) {
        problem(&r, "tenants", "must be an object, not %s", cs_kind_name(tenants));
    }
    cs_arena_destroy(&r.paths);
    if (problems != NULL) {
        *problems = cs_array(r.problems.v, r.problems.n);
    }
    if (r.n > 0) {
        cs_spend__limits_free(r.limits);
        return CS_ERR_INVALID;
    }
    *out = r.limits;
    return CS_OK;
}

void cs_spend__limits_free(cs_spend__limits *limits)
{
    if (limits != NULL) {
        cs_arena_destroy(&limits->arena);
        cs_free(limits);
    }
}
