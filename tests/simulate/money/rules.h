/* The rules, read naively: where an event counts, and what a window comes to. */
#ifndef CS_TESTS_MONEY_RULES_H
#define CS_TESTS_MONEY_RULES_H

#include "world.h"

typedef struct place {
    int64_t slot;
    bool late, settled;
} place;

static place place_of(const event *e, int depth)
{
    place p = {.slot = e->arrived / SLOT, .late = true};
    if (e->corrects >= 0) {
        const event *original = e->corrects < n_events ? &events[e->corrects] : NULL;
        if (original != NULL && original->arrived != 0 && !original->settles && depth < 50) {
            place o = place_of(original, depth + 1);
            p = o.settled ? (place){.slot = o.slot, .settled = true} : p;
        }
        return p;
    }
    p.settled = true;
    p.late = e->arrived - e->time > 2 * DAY;
    p.slot = e->time <= e->arrived + 300 * CS_NS_PER_S ? e->time / SLOT : p.slot;
    return p;
}

typedef struct sums {
    int64_t from, to, n, last;
    wide posted, late, corrected, held;
    bool doubtful; /* all that its counters ever saw may have left 64 bits: they may say so */
} sums;

static bool counts_hold(const hold *h, const limit *l, const sums *s)
{
    int64_t slot = h->placed / SLOT;
    return h->deadline > mono || (h->charge && l->charge && slot >= s->from && slot < s->to);
}

/* `user`: one value of a budget per user; NULL = all that the budget counts. */
static sums sums_of(int t, const limit *l, const char *user)
{
    sums s = {.last = INT64_MIN};
    wide ever = 0;
    window_of(l->window, tenants[t].zone, now, &s.from, &s.to);
    for (int i = 0; i < n_events; i++) {
        const event *e = &events[i];
        if (e->arrived == 0 || !concerns(t, l, e->tenant, e->currency, e->team) ||
            (user != NULL && !same(user, e->user))) {
            continue;
        }
        ever += e->nanos < 0 ? -(wide)e->nanos : e->nanos;
        place p = place_of(e, 0);
        if (p.slot < s.from || p.slot >= s.to) {
            continue;
        }
        s.posted += e->nanos;
        s.late += p.late ? e->nanos : 0;
        s.corrected += strcmp(e->kind, "usage") != 0 ? e->nanos : 0;
        s.n++;
        if (e->corrects < 0) {
            int64_t at = e->time > e->arrived + 300 * CS_NS_PER_S ? e->arrived : e->time;
            s.last = at > s.last ? at : s.last;
        }
    }
    for (int i = 0; i < n_holds; i++) {
        const hold *h = &holds[i];
        if (h->resolved || !concerns(t, l, h->tenant, h->currency, h->team) ||
            (l->per && (h->user == NULL || (user != NULL && !same(user, h->user))))) {
            continue;
        }
        s.held += counts_hold(h, l, &s) ? h->amount : 0;
    }
    s.doubtful = ever > INT64_MAX;
    return s;
}

static int64_t clamp(wide v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

#endif
