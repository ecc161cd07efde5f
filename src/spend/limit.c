/* data.tenants → limits. Every problem is found in one pass and named by its path, so that a bundle can be refused with
 * all that is wrong in it. Members that are not about money are none of ours. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

void cs_spend__problem(cs_spend__reader *r, const char *path, const char *format, ...)
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

const char *cs_spend__below(cs_spend__reader *r, const char *path, cs_slice name)
{
    return cs_arena_printf(&r->paths, NULL, "%s.%.*s", path, CS_FMT(name));
}

cs_slice cs_spend__keep(cs_spend__reader *r, cs_slice text)
{
    return (cs_slice){cs_arena_dup(&r->limits->arena, text.p, text.n), text.n};
}

cs_slice cs_spend__text_member(cs_spend__reader *r, cs_value object, const char *name, const char *path,
                               const char *fallback)
{
    const cs_value *v = cs_object_get_text(object, name);
    if (v == NULL) {
        return cs_slice_of(fallback);
    }
    if (!cs_is(*v, CS_STRING)) {
        cs_spend__problem(r, cs_spend__below(r, path, cs_slice_of(name)), "must be a string, not %s", cs_kind_name(*v));
        return cs_slice_of(fallback);
    }
    return cs_spend__keep(r, cs_text(*v));
}

static void read_currency(cs_spend__reader *r, cs_value object, const char *path, const char *fallback, char out[4])
{
    cs_slice text = cs_spend__text_member(r, object, "currency", path, fallback);
    bool good = text.n == 3;
    for (size_t i = 0; good && i < 3; i++) {
        good = text.p[i] >= 'A' && text.p[i] <= 'Z';
    }
    if (!good) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("currency")), "must be three capital letters (ISO 4217)");
        text = CS_LIT("USD");
    }
    memcpy(out, text.p, 3);
    out[3] = '\0';
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

bool cs_spend__limit_member(cs_spend__reader *r, cs_value object, const char *path, int64_t *out)
{
    const cs_value *text = cs_object_get_text(object, "limit");
    const cs_value *nanos = cs_object_get_text(object, "limit_nanos");
    int64_t exact = 0;
    const char *full = cs_spend__below(r, path, CS_LIT("limit"));
    if (text == NULL && nanos == NULL) {
        return false;
    }
    if (text != NULL && !parse_limit(*text, out)) {
        cs_spend__problem(r, full, "must be a decimal string, as \"25.00\", not negative, with at most 9 decimals");
        return true;
    }
    if (nanos == NULL) {
        return true;
    }
    if (!cs_is(*nanos, CS_NUMBER) || !cs_number_is_int(*nanos, &exact) || exact < 0) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("limit_nanos")),
                          "must be an integer of 64 bits, not negative");
    } else if (text != NULL && exact != *out) {
        cs_spend__problem(r, full, "differs from limit_nanos");
    } else {
        *out = exact;
    }
    return true;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x;
    double b = *(const double *)y;
    return (a > b) - (a < b);
}

static void read_alerts(cs_spend__reader *r, cs_value budget, const char *path, cs_spend__budget *out)
{
    const cs_value *ratios = cs_object_get_text(budget, "alert_ratios");
    if (ratios == NULL) {
        return;
    }
    bool good = cs_is(*ratios, CS_ARRAY) && ratios->n <= CS_SPEND__RATIOS;
    for (uint32_t i = 0; good && i < ratios->n; i++) {
        cs_value ratio = ratios->u.items[i];
        good = cs_is(ratio, CS_NUMBER) && cs_number_double(ratio) > 0;
        out->ratios[i] = good ? cs_number_double(ratio) : 0;
    }
    if (!good) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("alert_ratios")),
                          "must be an array of at most %d numbers above 0", CS_SPEND__RATIOS);
        return;
    }
    out->n_ratios = ratios->n;
    qsort(out->ratios, out->n_ratios, sizeof *out->ratios, by_value);
}

/* ---- scope */

static bool good_name(cs_slice name)
{
    return name.n > 0 && name.n <= CS_SPEND__NAME_BYTES;
}

/* {"team": "growth"}: as in events, at most CS_SPEND__PAIRS of them, sorted. */
static void read_scope(cs_spend__reader *r, cs_value budget, const char *parent, cs_spend__budget *out)
{
    const cs_value *scope = cs_object_get_text(budget, "scope");
    const char *path = cs_spend__below(r, parent, CS_LIT("scope"));
    bool good = scope == NULL || (cs_is(*scope, CS_OBJECT) && cs_count(*scope) < CS_SPEND__PAIRS);
    for (uint32_t i = 0; good && scope != NULL && i < cs_count(*scope); i++) {
        cs_value v, key = cs_entry(*scope, i, &v);
        good = good_name(cs_text(key)) && cs_is(v, CS_STRING) && v.n <= CS_SPEND__VALUE_BYTES;
        size_t at = good ? out->scope.n++ : 0;
        for (; good && at > 0 && cs_slice_compare(cs_text(key), out->scope.v[at - 1].name) < 0; at--) {
            out->scope.v[at] = out->scope.v[at - 1];
        }
        if (good) {
            out->scope.v[at] = (cs_spend__pair){cs_spend__keep(r, cs_text(key)), cs_spend__keep(r, cs_text(v))};
        }
    }
    if (!good) {
        cs_spend__problem(r, path, "must be an object of fewer than %d strings, as {\"team\": \"growth\"}",
                          CS_SPEND__PAIRS);
        out->scope.n = 0;
    }
    out->per = cs_spend__text_member(r, budget, "per", parent, "");
    bool twice = false;
    for (size_t i = 0; i < out->scope.n; i++) {
        twice = twice || cs_slice_eq(out->scope.v[i].name, out->per);
    }
    if (cs_object_get_text(budget, "per") != NULL && (twice || !good_name(out->per))) {
        cs_spend__problem(r, cs_spend__below(r, parent, CS_LIT("per")),
                          "must be the name of a dimension that scope does not fix, as \"user\"");
        out->per = CS_LIT("");
    }
}

static bool same_pattern(const cs_spend__pattern *x, const cs_spend__pattern *y)
{
    bool same = x->n == y->n;
    for (size_t i = 0; same && i < x->n; i++) {
        same = cs_slice_eq(x->names[i], y->names[i]);
    }
    return same;
}

/* The index of the dimensions of a budget among those of its tenant. `patterns` has room. */
static size_t pattern_of(const cs_spend__budget *budget, cs_slice per, cs_spend__pattern *patterns, size_t *n)
{
    cs_spend__pattern p = {.n = 0};
    for (size_t i = 0; i < budget->scope.n; i++) {
        p.names[p.n++] = budget->scope.v[i].name;
    }
    if (per.n > 0) {
        size_t at = p.n++;
        for (; at > 0 && cs_slice_compare(per, p.names[at - 1]) < 0; at--) {
            p.names[at] = p.names[at - 1];
        }
        p.names[at] = per;
    }
    if (p.n == 0) {
        return CS_SPEND__WHOLE;
    }
    size_t i = 0;
    while (i < *n && !same_pattern(&patterns[i], &p)) {
        i++;
    }
    if (i == *n) {
        patterns[(*n)++] = p;
    }
    return i;
}

/* A tenant keeps apart what those above it look at, too: their sums are made of its own. */
static void inherit_patterns(cs_spend__reader *r, cs_spend__tenant *tenant)
{
    size_t n = tenant->n_patterns;
    for (const cs_spend__tenant *up = tenant->parent; up != NULL; up = up->parent) {
        n += up->n_patterns;
    }
    if (n == tenant->n_patterns) {
        return;
    }
    cs_spend__pattern *all = cs_arena_array(&r->limits->arena, cs_spend__pattern, n);
    n = tenant->n_patterns;
    if (n > 0) {
        memcpy(all, tenant->patterns, n * sizeof *all);
    }
    for (const cs_spend__tenant *up = tenant->parent; up != NULL; up = up->parent) {
        for (size_t i = 0; i < up->n_patterns; i++) {
            size_t k = 0;
            while (k < n && !same_pattern(&all[k], &up->patterns[i])) {
                k++;
            }
            if (k == n) {
                all[n++] = up->patterns[i];
            }
        }
    }
    tenant->patterns = all;
    tenant->n_patterns = n;
}

static void find_patterns(cs_spend__reader *r, cs_spend__tenant *tenant, cs_spend__budget *budgets, size_t n)
{
    cs_spend__pattern *patterns = cs_arena_array(&r->limits->arena, cs_spend__pattern, 2 * n);
    for (size_t i = 0; i < n; i++) {
        budgets[i].pattern = pattern_of(&budgets[i], CS_LIT(""), patterns, &tenant->n_patterns);
        budgets[i].pattern_each = budgets[i].per.n > 0
                                      ? pattern_of(&budgets[i], budgets[i].per, patterns, &tenant->n_patterns)
                                      : CS_SPEND__WHOLE;
    }
    tenant->patterns = patterns;
}

static bool tier_limits(const cs_spend__tenant *tenant, cs_slice budget)
{
    const cs_spend__tier *tier = tenant->tier_rule;
    for (size_t i = 0; tier != NULL && i < tier->n_limits; i++) {
        if (cs_slice_eq(tier->limits[i].budget, budget)) {
            return true;
        }
    }
    return false;
}

static void read_budget(cs_spend__reader *r, const cs_spend__tenant *tenant, cs_value key, cs_value v,
                        const char *parent, cs_spend__budget *out)
{
    const char *path = cs_spend__below(r, parent, cs_text(key));
    *out = (cs_spend__budget){.id = cs_spend__keep(r, cs_text(key))};
    if (!cs_is(v, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(v));
        return;
    }
    read_currency(r, v, path, tenant->currency, out->currency);
    out->mode = cs_spend__text_member(r, v, "mode", path, "");
    out->has_limit = cs_spend__limit_member(r, v, path, &out->limit);
    if (!out->has_limit && !tier_limits(tenant, out->id)) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("limit")),
                          tenant->tier_rule != NULL ? "is missing, and the tenant's tier has none" : "is missing");
    }
    read_alerts(r, v, path, out);
    read_scope(r, v, path, out);
    cs_slice expiry = cs_spend__text_member(r, v, "on_expiry", path, "release");
    out->charges_expired = cs_slice_is(expiry, "charge_estimate");
    if (!out->charges_expired && !cs_slice_is(expiry, "release")) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("on_expiry")), "must be release or charge_estimate");
    }
    const char *full = cs_spend__below(r, path, CS_LIT("window"));
    if (cs_object_get_text(v, "window") == NULL) {
        cs_spend__problem(r, full, "is missing");
        return;
    }
    out->window_text = cs_spend__text_member(r, v, "window", path, "day");
    const char *wrong = cs_spend__window_parse(out->window_text, tenant->zone, &out->window);
    if (wrong != NULL) {
        cs_spend__problem(r, full, "%s", wrong);
    }
}

static void read_budgets(cs_spend__reader *r, cs_value tenant, const char *parent, cs_spend__tenant *out)
{
    const cs_value *budgets = cs_object_get_text(tenant, "budgets");
    if (budgets == NULL) {
        return;
    }
    const char *path = cs_spend__below(r, parent, CS_LIT("budgets"));
    if (!cs_is(*budgets, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(*budgets));
        return;
    }
    uint32_t n = cs_count(*budgets);
    cs_spend__budget *list = cs_arena_array(&r->limits->arena, cs_spend__budget, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v;
        cs_value key = cs_entry(*budgets, i, &v);
        if (!cs_is(key, CS_STRING) || key.n == 0) {
            cs_spend__problem(r, path, "a budget's name must be a string that is not empty");
            continue;
        }
        read_budget(r, out, key, v, path, &list[i]);
    }
    find_patterns(r, out, list, n);
    out->budgets = list;
    out->n_budgets = n;
}

static void read_tenant(cs_spend__reader *r, cs_value key, cs_value v, cs_spend__tenant *out)
{
    const char *path = cs_spend__below(r, "tenants", cs_is(key, CS_STRING) ? cs_text(key) : CS_LIT(""));
    *out = (cs_spend__tenant){.name = CS_LIT(""), .tier = CS_LIT(""), .parent_name = CS_LIT("")};
    if (!cs_is(key, CS_STRING) || key.n == 0 || key.n > cs_limits_get()->tenant_bytes) {
        cs_spend__problem(r, path, "a tenant's name has 1 to %llu bytes",
                          (unsigned long long)cs_limits_get()->tenant_bytes);
        return;
    }
    out->name = cs_spend__keep(r, cs_text(key));
    if (cs_slice_is(out->name, "meta")) {
        cs_spend__problem(r, path, "is a reserved name");
        return;
    }
    if (!cs_is(v, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(v));
        return;
    }
    out->timezone = cs_spend__text_member(r, v, "timezone", path, "UTC");
    cs_error e;
    if (cs_zone_find(out->timezone, &out->zone, &e) != CS_OK) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("timezone")), "%s", e.text);
        cs_err utc = cs_zone_find(CS_LIT("UTC"), &out->zone, &e);
        cs_assert(utc == CS_OK);
    }
    read_currency(r, v, path, "USD", out->currency);
    out->parent_name = cs_spend__text_member(r, v, "parent", path, "");
    cs_spend__tenant_tier_read(r, v, path, out);
    read_budgets(r, v, path, out);
}

static int by_name(const void *x, const void *y)
{
    return cs_slice_compare(((const cs_spend__tenant *)x)->name, ((const cs_spend__tenant *)y)->name);
}

const cs_spend__tenant *cs_spend__limits_find(const cs_spend__limits *limits, cs_slice tenant)
{
    cs_spend__tenant key = {.name = tenant};
    return limits != NULL && limits->n > 0 ? bsearch(&key, limits->tenants, limits->n, sizeof key, by_name) : NULL;
}

/* Who is whose parent: each parent is there, and nobody is above themselves. */
static void link_parents(cs_spend__reader *r)
{
    cs_spend__limits *limits = r->limits;
    for (size_t i = 0; i < limits->n; i++) {
        cs_spend__tenant *t = &limits->tenants[i];
        if (t->parent_name.n == 0) {
            continue;
        }
        t->parent = cs_spend__limits_find(limits, t->parent_name);
        if (t->parent == NULL) {
            cs_spend__problem(r, cs_arena_printf(&r->paths, NULL, "tenants.%.*s.parent", CS_FMT(t->name)),
                              "there is no tenant %.*s", CS_FMT(t->parent_name));
            continue;
        }
        limits->tenants[t->parent - limits->tenants].has_children = true;
    }
    for (size_t i = 0; i < limits->n; i++) {
        const cs_spend__tenant *up = limits->tenants[i].parent;
        size_t levels = 1;
        while (up != NULL && levels <= CS_SPEND__LEVELS) {
            up = up->parent;
            levels++;
        }
        if (up != NULL) {
            cs_spend__problem(r,
                              cs_arena_printf(&r->paths, NULL, "tenants.%.*s.parent", CS_FMT(limits->tenants[i].name)),
                              "leads back to itself, or over more than %d levels", CS_SPEND__LEVELS);
            return;
        }
    }
    for (size_t i = 0; i < limits->n; i++) {
        inherit_patterns(r, &limits->tenants[i]);
    }
}

cs_err cs_spend__limits_read(cs_value tenants, cs_value tiers, cs_spend__limits **out, cs_arena *a, cs_value *problems,
                             cs_error *e)
{
    cs_spend__reader r = {.limits = cs_zalloc(sizeof *r.limits), .a = problems != NULL ? a : NULL, .e = e};
    cs_arena_init(&r.limits->arena, 0);
    cs_arena_init(&r.paths, 0);
    cs_spend__tiers_read(&r, tiers);
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
        link_parents(&r);
    } else if (!cs_is_undefined(tenants)) {
        cs_spend__problem(&r, "tenants", "must be an object, not %s", cs_kind_name(tenants));
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
