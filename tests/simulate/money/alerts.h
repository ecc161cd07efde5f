/* The rules of alerts: after a piece of spend, each budget that it counts in and that has come to a part of its limit
 * says so, once for each window. An alert that does not get into the log is due again with the next piece of spend. */
#ifndef CS_TESTS_MONEY_ALERTS_H
#define CS_TESTS_MONEY_ALERTS_H

#include "rows.h"

typedef struct alert {
    int t, b, currency, user, ratio;
    int64_t from, at; /* the window's start; when it was said */
    int64_t before;   /* when it was said the time before */
} alert;

static int64_t said[KNOWN][BUDGETS][2][USERS + 1][RATIOS]; /* 0 = never */
static bool lost[KNOWN][BUDGETS][2][USERS + 1][RATIOS];    /* it was due, and has not come into the log */
static alert heard[64], under_way[64], due[256];
static int n_heard, n_under_way, n_due;
static bool moved, started; /* in this step: corrections moved; since the start nothing was posted */

/* An alert of the ledger's. */
static bool read_alert(const cs_event *e, alert *out)
{
    cs_slice of = CS_LIT(""), budget = CS_LIT(""), currency = CS_LIT(""), user = CS_LIT("");
    *out = (alert){.t = -1, .user = USERS, .at = e->time_ns};
    double ratio = cs_number_double(cs_index(e->data, cs_string(CS_LIT("ratio"))));
    bool good = cs_slice_starts(e->type, CS_LIT("io.countersign.budget.alert.")) &&
                cs_event_text(e->data, "tenant", &of) && cs_event_text(e->data, "budget", &budget) &&
                cs_event_text(e->data, "currency", &currency);
    if (!good) {
        return false;
    }
    for (int t = 0; t < KNOWN; t++) {
        out->t = cs_slice_is(of, names[t]) ? t : out->t;
    }
    out->b = budget.p[1] - '0';
    out->currency = cs_slice_is(currency, "EUR");
    for (int u = 0; cs_event_text(e->data, "value", &user) && u < USERS; u++) {
        out->user = cs_slice_is(user, users[u]) ? u : out->user;
    }
    while (out->ratio < RATIOS - 1 && ratios[out->ratio] < ratio) {
        out->ratio++;
    }
    out->from = number(e->data, "window_start");
    return out->t >= 0;
}

static int64_t *said_of(const alert *x)
{
    return &said[x->t][x->b][x->currency][x->user][x->ratio];
}
static bool *lost_of(const alert *x)
{
    return &lost[x->t][x->b][x->currency][x->user][x->ratio];
}
static bool same_alert(const alert *x, const alert *y)
{
    return x->t == y->t && x->b == y->b && x->currency == y->currency && x->user == y->user && x->ratio == y->ratio;
}

static void never_came(const alert *x)
{
    *said_of(x) = x->before;
    *lost_of(x) = true;
}

/* What the ledger gives to the journal while it folds. */
static void watch(const cs_event *e, memory_fate fate)
{
    alert x;
    if (!read_alert(e, &x)) {
        return;
    }
    if (fate == MEMORY_GIVEN) {
        x.before = *said_of(&x);
        *said_of(&x) = x.at;
        *lost_of(&x) = false;
        heard[n_heard++] = x;
        under_way[n_under_way++] = x;
        return;
    }
    for (int i = 0; i < n_under_way; i++) {
        if (same_alert(&under_way[i], &x)) {
            alert it = under_way[i];
            under_way[i] = under_way[--n_under_way];
            cs_slice mode = CS_LIT("");
            if (fate == MEMORY_FAILED) {
                never_came(&it);
            } else if (ratios[it.ratio] >= 1 && cs_event_text(e->data, "mode", &mode) && cs_slice_is(mode, "enforce")) {
                blemishes[n_blemishes].tenant = it.t;
                blemishes[n_blemishes++].at = it.at;
                version++;
            }
            return;
        }
    }
    fail("an alert that nobody gave came into the log");
}

/* The parts of the limit that this budget, or one user's of it, has come to and not said in its window. */
static void find_due(int t, int b, int user, bool must)
{
    const limit *l = &tenants[t].limits[b];
    sums s = sums_of(t, l, user < USERS ? users[user] : NULL);
    int64_t most = limit_now(t, l);
    for (int r = 0; r < RATIOS; r++) {
        int64_t at = (int64_t)((double)most * ratios[r]);
        alert x = {t, b, same(l->currency, "EUR"), user, r, s.from * SLOT, now, 0};
        bool wanted = (l->ratios >> r & 1) != 0 && s.posted >= (at > 0 ? at : 1) && *said_of(&x) < x.from;
        x.before = must && !s.doubtful && moved_tier[t] != now / SLOT; /* here: it must be said */
        if (wanted && n_due < (int)(sizeof due / sizeof *due)) {
            due[n_due++] = x;
        }
    }
}

/* Before the ledger is told: what it must say of an event that will count. `said` is as it was. */
static void expect_of(const event *e)
{
    version++;
    for (int t = e->tenant < KNOWN ? e->tenant : -1; t >= 0; t = parents[t]) {
        for (int b = 0; b < BUDGETS; b++) {
            const limit *l = &tenants[t].limits[b];
            if (concerns(t, l, e->tenant, e->currency, e->team) && (!l->per || e->user != NULL)) {
                find_due(t, b, l->per ? which(users, USERS, e->user) : USERS, true);
            }
        }
    }
}

/* With the first piece of spend after a start, or after a failure, what is due of all others may be said, and what was
 * lost must be. */
static void expect_the_rest(void)
{
    for (int t = 0; t < KNOWN; t++) {
        for (int b = 0; b < BUDGETS; b++) {
            for (int u = 0; u <= USERS; u++) {
                if (tenants[t].limits[b].per == (u < USERS)) {
                    find_due(t, b, u, false);
                }
            }
        }
    }
    for (int i = 0; i < n_due; i++) {
        due[i].before = due[i].before || (*lost_of(&due[i]) && moved_tier[due[i].t] != now / SLOT);
    }
}

static void tell(const char *what, const alert *x)
{
    char text[200];
    (void)snprintf(text, sizeof text, "%s: %s b%d %s %s at %g of the window from %lld", what, names[x->t], x->b,
                   currencies[x->currency], x->user < USERS ? users[x->user] : "", ratios[x->ratio],
                   (long long)x->from);
    fail(text);
}

/* What was heard in this step against what was due. */
static void check_alerts(void)
{
    for (int i = 0; i < n_heard; i++) {
        int k = 0;
        while (k < n_due && !(same_alert(&due[k], &heard[i]) && due[k].from == heard[i].from)) {
            k++;
        }
        const alert *x = &heard[i];
        const limit *l = &tenants[x->t].limits[x->b];
        if (k == n_due && !moved && !sums_of(x->t, l, x->user < USERS ? users[x->user] : NULL).doubtful) {
            tell("an alert that is not due", &heard[i]);
        }
        for (int other = 0; other < i; other++) {
            if (same_alert(&heard[i], &heard[other])) {
                tell("an alert is said twice", &heard[i]);
            }
        }
    }
    for (int i = 0; i < n_due; i++) {
        int k = 0;
        while (k < n_heard && !same_alert(&due[i], &heard[k])) {
            k++;
        }
        if (k == n_heard && due[i].before != 0 && *said_of(&due[i]) < due[i].from) {
            tell("an alert is missing", &due[i]);
        }
    }
    n_heard = n_due = 0;
    moved = false;
}

#endif
