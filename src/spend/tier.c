/* Tiers: what a class of tenants may spend, and when a tenant has earned the next one.
 *
 *   {"canary": {"budgets": {"daily": "25.00", "monthly": "750.00"}, "promote": {"to": "standard", "after_clean_days":
 * 7}}, "standard": {"budgets": {"daily": "50.00", "monthly": "1500.00"}}}
 *
 * The tier that a tenant is in is a function of its history, not a state that someone must change in time: beginning
 * with its first event after `since` (or at `clean_since`), so many days of 24 hours without a blemish promote it. A
 * blemish is a window in which more was spent than its limit, or a difference from the bill beyond what is tolerated.
 */
#include <stdlib.h>

#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define DAY_NS (86400 * CS_NS_PER_S)

/* ---- the document */

static void read_tier_limits(cs_spend__reader *r, cs_value budgets, const char *path, cs_spend__tier *out)
{
    if (!cs_is(budgets, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(budgets));
        return;
    }
    uint32_t n = cs_count(budgets);
    cs_spend__tier_limit *limits = cs_arena_array(&r->limits->arena, cs_spend__tier_limit, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v, key = cs_entry(budgets, i, &v);
        const char *full = cs_spend__below(r, path, cs_text(key));
        cs_value object = v;
        if (!cs_is(v, CS_OBJECT)) { /* "25.00" is short for {"limit": "25.00"} */
            object = cs_object_new(&r->paths, 1);
            cs_object_put_text(&r->paths, object, "limit", v);
        }
        limits[i].budget = cs_spend__keep(r, cs_text(key));
        if (!cs_spend__limit_member(r, object, full, &limits[i].limit)) {
            cs_spend__problem(r, cs_spend__below(r, full, CS_LIT("limit")), "is missing");
        }
    }
    out->limits = limits;
    out->n_limits = n;
}

static void read_promotion(cs_spend__reader *r, cs_value promote, const char *path, cs_spend__tier *out)
{
    if (!cs_is(promote, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(promote));
        return;
    }
    out->promote_to = cs_spend__text_member(r, promote, "to", path, "");
    const cs_value *days = cs_object_get_text(promote, "after_clean_days");
    int64_t n = 0;
    if (days == NULL || !cs_is(*days, CS_NUMBER) || !cs_number_is_int(*days, &n) || n < 1 || n > 366) {
        cs_spend__problem(r, cs_spend__below(r, path, CS_LIT("after_clean_days")), "must be an integer from 1 to 366");
        n = 1;
    }
    out->clean_ns = n * DAY_NS;
}

static void read_tier(cs_spend__reader *r, cs_value key, cs_value v, cs_spend__tier *out)
{
    const char *path = cs_spend__below(r, "countersign.tiers", cs_text(key));
    *out = (cs_spend__tier){.name = cs_spend__keep(r, cs_text(key)), .promote_to = CS_LIT("")};
    if (!cs_is(v, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(v));
        return;
    }
    const cs_value *budgets = cs_object_get_text(v, "budgets"), *promote = cs_object_get_text(v, "promote");
    if (budgets != NULL) {
        read_tier_limits(r, *budgets, cs_spend__below(r, path, CS_LIT("budgets")), out);
    }
    if (promote != NULL && !cs_is(*promote, CS_NULL)) {
        read_promotion(r, *promote, cs_spend__below(r, path, CS_LIT("promote")), out);
    }
}

/* Each tier's next one; none comes round again. */
static void link_tiers(cs_spend__reader *r, cs_spend__tier *tiers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n && tiers[i].promote_to.n > 0; k++) {
            if (cs_slice_eq(tiers[k].name, tiers[i].promote_to)) {
                tiers[i].next = &tiers[k];
            }
        }
        if (tiers[i].promote_to.n > 0 && tiers[i].next == NULL) {
            cs_spend__problem(
                r, cs_arena_printf(&r->paths, NULL, "countersign.tiers.%.*s.promote.to", CS_FMT(tiers[i].name)),
                "there is no tier %.*s", CS_FMT(tiers[i].promote_to));
        }
    }
    for (size_t i = 0; i < n; i++) {
        const cs_spend__tier *t = &tiers[i];
        for (size_t steps = 0; t != NULL && steps <= n; steps++) {
            t = t->next;
        }
        if (t != NULL) {
            cs_spend__problem(r, "countersign.tiers", "promotions from %.*s come round again", CS_FMT(tiers[i].name));
            break;
        }
    }
}

void cs_spend__tiers_read(cs_spend__reader *r, cs_value tiers)
{
    if (cs_is_undefined(tiers)) {
        return;
    }
    if (!cs_is(tiers, CS_OBJECT)) {
        cs_spend__problem(r, "countersign.tiers", "must be an object, not %s", cs_kind_name(tiers));
        return;
    }
    uint32_t n = cs_count(tiers);
    cs_spend__tier *list = cs_arena_array(&r->limits->arena, cs_spend__tier, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v, key = cs_entry(tiers, i, &v);
        read_tier(r, key, v, &list[i]);
    }
    link_tiers(r, list, n);
    r->limits->tiers = list;
    r->limits->n_tiers = n;
    cs_arena_reset(&r->paths);
}

/* Nanoseconds since 1970 under `name`, if there are any. */
static void read_instant(cs_spend__reader *r, cs_value object, const char *name, const char *path, bool *has,
                         int64_t *out)
{
    const cs_value *v = cs_object_get_text(object, name);
    if (v == NULL || cs_is(*v, CS_NULL)) {
        return;
    }
    if (!cs_is(*v, CS_NUMBER) || !cs_number_is_int(*v, out)) {
        cs_spend__problem(r, cs_spend__below(r, path, cs_slice_of(name)),
                          "must be an integer of nanoseconds since 1970");
        return;
    }
    *has = true;
}

void cs_spend__tenant_tier_read(cs_spend__reader *r, cs_value tenant, const char *parent, cs_spend__tenant *out)
{
    const cs_value *tier = cs_object_get_text(tenant, "tier");
    out->tier = CS_LIT("");
    if (tier == NULL || cs_is(*tier, CS_NULL)) {
        return;
    }
    const char *path = cs_spend__below(r, parent, CS_LIT("tier"));
    if (!cs_is(*tier, CS_OBJECT)) {
        cs_spend__problem(r, path, "must be an object, not %s", cs_kind_name(*tier));
        return;
    }
    out->tier = cs_spend__text_member(r, *tier, "name", path, "");
    read_instant(r, *tier, "since", path, &out->has_since, &out->since_ns);
    read_instant(r, *tier, "clean_since", path, &out->has_clean_since, &out->clean_since_ns);
    read_instant(r, *tier, "promotes_at", path, &out->has_promotes, &out->promotes_ns);
    for (size_t i = 0; i < r->limits->n_tiers && out->tier.n > 0; i++) {
        if (cs_slice_eq(r->limits->tiers[i].name, out->tier)) {
            out->tier_rule = &r->limits->tiers[i];
        }
    }
}

/* ---- history: when was the tenant not clean? */

typedef CS_VEC(int64_t) instants;

static int64_t limit_in_tier(const cs_spend__tier *tier, bool promoted, const cs_spend__budget *budget)
{
    for (size_t i = 0; tier != NULL && (promoted || !budget->has_limit) && i < tier->n_limits; i++) {
        if (cs_slice_eq(tier->limits[i].budget, budget->id)) {
            /* A promotion never takes away what the tenant was given by name. */
            return budget->has_limit && budget->limit > tier->limits[i].limit ? budget->limit : tier->limits[i].limit;
        }
    }
    return budget->limit;
}

/* The windows from `from_ns` to now in which more was spent than the limit: the end of the quarter of an hour that did
 * it. */
static void find_excess(const cs_spend__tenant *tenant, const cs_spend__budget *budget, const cs_spend__book *book,
                        int64_t limit, int64_t from_ns, instants *out)
{
    int64_t from = cs_spend__slot(from_ns), to = from;
    cs_spend__window_at(&budget->window, tenant->zone, from_ns, &from, &to);
    int64_t sum = 0;
    bool over = false;
    for (size_t i = cs_spend__book_at(book, from); i < book->buckets.n; i++) {
        int64_t slot = book->buckets.v[i].slot;
        if (slot >= to) {
            cs_spend__window_at(&budget->window, tenant->zone, slot * CS_SPEND__SLOT_NS, &from, &to);
            sum = 0;
            over = false;
        }
        bool overflow = false;
        sum = cs_spend__add(sum, book->buckets.v[i].posted, &overflow);
        int64_t at = (slot + 1) * CS_SPEND__SLOT_NS;
        if (!over && sum > limit && at > from_ns) {
            over = true;
            CS_VEC_PUSH(out, at); /* whenever it is asked, also while the quarter lasts */
        }
    }
}

/* A rolling window has no history of its own; its excess is known from what was said at the time. */
static bool has_history(const cs_spend__budget *budget)
{
    bool soft = cs_slice_is(budget->mode, "warn") || cs_slice_is(budget->mode, "log");
    return !soft && budget->window.unit != CS_SPEND__ROLLING && budget->per.n == 0;
}

static int by_instant(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* All blemishes from `start`, ascending. */
static instants blemishes_from(const cs_spend__account *account, const cs_spend__standing *s, int64_t start)
{
    instants all = {0};
    for (size_t i = 0; i < account->blemishes.n; i++) {
        if (account->blemishes.v[i] >= start) {
            CS_VEC_PUSH(&all, account->blemishes.v[i]);
        }
    }
    const cs_spend__tenant *t = account->tenant;
    for (size_t i = 0; i < t->n_budgets; i++) {
        const cs_spend__book *book = account->totals[i].book;
        if (book != NULL && has_history(&t->budgets[i])) {
            find_excess(t, &t->budgets[i], book, limit_in_tier(s->tier, s->promoted, &t->budgets[i]), start, &all);
        }
    }
    if (all.n > 1) {
        qsort(all.v, all.n, sizeof *all.v, by_instant);
    }
    return all;
}

/* ---- where a tenant stands */

/* From *start: when the time without a blemish has lasted long enough; *start moves to the last blemish before that. */
static int64_t earned_at(const cs_spend__account *account, const cs_spend__standing *s, int64_t *start)
{
    instants all = blemishes_from(account, s, *start);
    for (size_t i = 0; i < all.n && all.v[i] - *start < s->tier->clean_ns; i++) {
        *start = all.v[i];
    }
    CS_VEC_FREE(&all);
    return *start + s->tier->clean_ns;
}

/* The first thing that is known of a tenant; INT64_MAX if nothing is. */
static int64_t first_event(cs_spend__account *account)
{
    const cs_spend__set *set = cs_spend__counted_set(account);
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < set->books.n; i++) {
        const cs_spend__book *book = set->books.v[i];
        size_t k = 0;
        while (k < book->buckets.n && book->buckets.v[k].events == 0) {
            k++; /* what stood there has moved to what it corrects */
        }
        int64_t at = k < book->buckets.n ? book->buckets.v[k].slot * CS_SPEND__SLOT_NS : INT64_MAX;
        first = at < first ? at : first;
    }
    return first;
}

/* Being clean begins with the tier; but of days on which nobody looked nothing is known, unless the document says so.
 */
static bool clean_from(cs_spend__account *account, int64_t *start)
{
    const cs_spend__tenant *t = account->tenant;
    if (t->has_clean_since) {
        *start = t->has_since && t->since_ns > t->clean_since_ns ? t->since_ns : t->clean_since_ns;
        return true;
    }
    int64_t first = first_event(account);
    if (!t->has_since || first == INT64_MAX) {
        return false;
    }
    *start = first > t->since_ns ? first : t->since_ns;
    return true;
}

static cs_spend__standing find_standing(cs_spend__account *account, int64_t now_ns)
{
    const cs_spend__tenant *t = account->tenant;
    cs_spend__standing s = {
        .name = t->tier, .tier = t->tier_rule, .has_promotes = t->has_promotes, .promotes_ns = t->promotes_ns};
    s.has_clean_since = clean_from(account, &s.clean_since_ns);
    while (s.has_clean_since && s.tier != NULL && s.tier->next != NULL) {
        s.promotes_ns = earned_at(account, &s, &s.clean_since_ns);
        s.has_promotes = true;
        if (s.promotes_ns > now_ns) {
            break;
        }
        s.clean_since_ns = s.promotes_ns;
        s.tier = s.tier->next;
        s.name = s.tier->name;
        s.promoted = true;
        s.has_promotes = false;
    }
    return s;
}

cs_spend__standing cs_spend__standing_at(cs_spend__account *account, int64_t now_ns)
{
    if (account->tenant == NULL) {
        return (cs_spend__standing){.name = CS_LIT("")};
    }
    if (now_ns < account->standing_from || now_ns >= account->standing_to) {
        account->standing = find_standing(account, now_ns);
        const cs_spend__standing *s = &account->standing;
        account->standing_from = now_ns;
        account->standing_to = (cs_spend__slot(now_ns) + 1) * CS_SPEND__SLOT_NS;
        if (s->has_promotes && s->promotes_ns > now_ns && s->promotes_ns < account->standing_to) {
            account->standing_to = s->promotes_ns;
        }
    }
    return account->standing;
}

void cs_spend__standing_forget(cs_spend__account *account)
{
    account->standing_from = 0;
    account->standing_to = 0;
}

const cs_spend__budget_change *cs_spend__change_in_force(const cs_spend__account *account,
                                                         const cs_spend__budget *budget, int64_t now_ns)
{
    for (size_t i = 0; i < account->changes.n; i++) {
        const cs_spend__budget_change *c = &account->changes.v[i];
        if (cs_slice_eq(c->budget, budget->id) && memcmp(c->currency, budget->currency, 3) == 0) {
            return !c->reset && now_ns < c->expires_ns ? c : NULL;
        }
    }
    return NULL;
}

int64_t cs_spend__limit_at(const cs_spend__account *account, const cs_spend__standing *standing,
                           const cs_spend__budget *budget, int64_t now_ns)
{
    const cs_spend__budget_change *change = cs_spend__change_in_force(account, budget, now_ns);
    return change != NULL ? change->limit : cs_spend__limit_unchanged(standing, budget);
}

int64_t cs_spend__limit_unchanged(const cs_spend__standing *standing, const cs_spend__budget *budget)
{
    return limit_in_tier(standing->tier, standing->promoted, budget);
}

/* Kept ascending; those of one instant are one. The oldest go beyond what a history of tiers needs. */
void cs_spend__blemish_add(cs_spend__account *account, int64_t at_ns)
{
    cs_spend__standing_forget(account);
    enum { MOST = 1024 };
    size_t i = account->blemishes.n;
    while (i > 0 && account->blemishes.v[i - 1] > at_ns) {
        i--;
    }
    if (i > 0 && account->blemishes.v[i - 1] == at_ns) {
        return;
    }
    CS_VEC_PUSH(&account->blemishes, at_ns);
    memmove(account->blemishes.v + i + 1, account->blemishes.v + i,
            (account->blemishes.n - 1 - i) * sizeof *account->blemishes.v);
    account->blemishes.v[i] = at_ns;
    if (account->blemishes.n > MOST) {
        account->blemishes.n--;
        memmove(account->blemishes.v, account->blemishes.v + 1, account->blemishes.n * sizeof *account->blemishes.v);
    }
}
