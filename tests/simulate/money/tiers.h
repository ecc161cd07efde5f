/* The rules of tiers, read naively: what a tenant has earned is a function of all that happened. */
#ifndef CS_TESTS_MONEY_TIERS_H
#define CS_TESTS_MONEY_TIERS_H

#include "rules.h"

static struct {
    int tenant;
    int64_t at;
} blemishes[16 * WORLD]; /* alerts at 100 % of an enforced budget, as the log has them */
static int n_blemishes;
static int64_t
    moved_tier[KNOWN]; /* the last slot in which a tenant came to stand elsewhere: with lower limits, perhaps */
static int stood[KNOWN];

static int64_t limit_in_tier(int t, int b, int tier, bool promoted)
{
    const limit *l = &tenants[t].limits[b];
    int64_t nanos = rules_of_tiers[tier].limits[b];
    return l->own && (!promoted || l->nanos > nanos) ? l->nanos : nanos;
}

typedef struct bucket {
    int64_t slot, nanos;
} bucket;

/* What a budget counts, by slot. */
static int buckets_of(int t, const limit *l, bucket *out)
{
    int n = 0;
    for (int i = 0; i < n_events; i++) {
        const event *e = &events[i];
        if (e->arrived == 0 || !concerns(t, l, e->tenant, e->currency, e->team)) {
            continue;
        }
        bucket one = {place_of(e, 0).slot, e->nanos};
        int at = n++;
        for (; at > 0 && out[at - 1].slot > one.slot; at--) {
            out[at] = out[at - 1];
        }
        out[at] = one;
    }
    return n;
}

static struct {
    int64_t v[16 * WORLD];
    int n;
} unclean; /* instants, ascending */

static void note_unclean(int64_t at)
{
    int i = unclean.n++;
    for (; i > 0 && unclean.v[i - 1] > at; i--) {
        unclean.v[i] = unclean.v[i - 1];
    }
    unclean.v[i] = at;
}

/* The windows from `start` on that came to more than the limit: each is a blemish once, at the end of the quarter of an
 * hour in which it did. */
static void note_excess(int t, const limit *l, int64_t most, int64_t start)
{
    static bucket list[2 * WORLD + 64];
    int n = buckets_of(t, l, list);
    int64_t from = 0;
    int64_t to = INT64_MIN;
    wide sum = 0;
    bool over = false;
    int64_t first, end;
    window_of(l->window, tenants[t].zone, start, &first, &end);
    for (int i = 0; i < n;) {
        int64_t slot = list[i].slot;
        if (slot < first) {
            i++;
            continue;
        }
        if (slot >= to) {
            window_of(l->window, tenants[t].zone, slot * SLOT, &from, &to);
            sum = 0;
            over = false;
        }
        for (; i < n && list[i].slot == slot; i++) {
            sum += list[i].nanos;
        }
        int64_t at = (slot + 1) * SLOT;
        if (!over && sum > most && at > start) {
            over = true;
            note_unclean(at);
        }
    }
}

static void find_unclean(int t, int tier, bool promoted, int64_t start)
{
    unclean.n = 0;
    for (int i = 0; i < n_blemishes; i++) {
        if (blemishes[i].tenant == t && blemishes[i].at >= start) {
            note_unclean(blemishes[i].at);
        }
    }
    for (int b = 0; b < BUDGETS; b++) {
        const limit *l = &tenants[t].limits[b];
        if (enforced(l) && !l->per && strncmp(l->window, "rolling", 7) != 0) {
            note_excess(t, l, limit_in_tier(t, b, tier, promoted), start);
        }
    }
}

/* Being clean begins with the first thing that is known of the tenant in its tier, or where the document says. */
static bool clean_from(int t, int64_t *start)
{
    const tenant *who = &tenants[t];
    int64_t first = INT64_MAX;
    for (int i = 0; who->clean_since == 0 && i < n_events; i++) {
        const event *e = &events[i];
        if (e->arrived != 0 && (e->tenant == t || parents[e->tenant] == t)) {
            int64_t at = place_of(e, 0).slot * SLOT;
            first = at < first ? at : first;
        }
    }
    first = who->clean_since != 0 ? who->clean_since : first;
    *start = first > who->since ? first : who->since;
    return who->clean_since != 0 || (who->since != 0 && first != INT64_MAX);
}

static int find_standing(int t, bool *promoted)
{
    int tier = tenants[t].tier;
    int64_t start;
    *promoted = false;
    bool known = clean_from(t, &start);
    while (known && rules_of_tiers[tier].days > 0) {
        int64_t clean = rules_of_tiers[tier].days * DAY;
        find_unclean(t, tier, *promoted, start);
        for (int i = 0; i < unclean.n && unclean.v[i] - start < clean; i++) {
            start = unclean.v[i];
        }
        if (start + clean > now) {
            break;
        }
        start += clean;
        tier++;
        *promoted = true;
    }
    return tier;
}

/* The tier that a tenant stands in. Found once as long as nothing happens. */
static int standing(int t, bool *promoted)
{
    static struct {
        long version;
        bool promoted;
    } known[KNOWN];
    if (known[t].version != version) {
        int before = stood[t];
        known[t].version = version;
        stood[t] = find_standing(t, &known[t].promoted);
        moved_tier[t] = stood[t] != before ? now / SLOT : moved_tier[t];
    }
    *promoted = known[t].promoted;
    return stood[t];
}

static int64_t limit_now(int t, const limit *l)
{
    int c = same(l->currency, "EUR");
    if (l->changes[c].there && now < l->changes[c].expires) {
        return l->changes[c].nanos;
    }
    bool promoted;
    int tier = standing(t, &promoted);
    return limit_in_tier(t, (int)(l - tenants[t].limits), tier, promoted);
}

#endif
