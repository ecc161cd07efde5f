/* Holds: placed, settled, voided, expired. */
#ifndef CS_TESTS_MONEY_HOLDS_H
#define CS_TESTS_MONEY_HOLDS_H

#include "events.h"

/* What the hold brings with it: another limit for one budget of its tenant; budget -1 = none. */
typedef struct softened {
    int budget;
    int64_t nanos;
} softened;

/* May a sum of this have left 64 bits, so that nothing remains? Only the counters know. */
static bool unsure; /* of the last verdict */

/* What becomes of it: a budget of its tenant in its currency there must be, and room in all that it counts in. */
static cs_hold_verdict judge(hold *h, softened soft)
{
    bool fit = true;
    bool found = false;
    unsure = false;
    for (int b = 0; h->tenant < KNOWN && b < BUDGETS; b++) {
        found = found || same(tenants[h->tenant].limits[b].currency, h->currency);
    }
    if (!found) {
        return CS_HOLD_NO_BUDGET;
    }
    for (int t = h->tenant; t >= 0; t = parents[t]) {
        for (int b = 0; b < BUDGETS; b++) {
            const limit *l = &tenants[t].limits[b];
            if (!concerns(t, l, h->tenant, h->currency, h->team) || (l->per && h->user == NULL)) {
                continue;
            }
            h->charge = h->charge || l->charge;
            if (!enforced(l)) {
                continue;
            }
            sums s = sums_of(t, l, l->per ? h->user : NULL);
            int64_t most = t == h->tenant && b == soft.budget ? soft.nanos : limit_now(t, l);
            fit = fit && h->amount <= most - s.posted - s.held;
            unsure = unsure || s.doubtful;
        }
    }
    return fit ? CS_HOLD_PLACED : CS_HOLD_CONTENDED;
}

static void crash(void);

static void commit(const cs_hold *asked)
{
    cs_event_head head = {.type = "io.countersign.decision.committed.v1",
                          .source = CS_LIT("/countersign/sim"),
                          .id = asked->id,
                          .tenant = asked->tenant,
                          .correlation = asked->id,
                          .time_ns = now};
    bool good = false;
    cs_journal_batch *batch = cs_journal_batch_telling(told, &good);
    cs_value data = cs_object_new(&batch->arena, 4);
    cs_object_put_text(&batch->arena, data, "tenant", cs_string(asked->tenant));
    cs_object_put_text(&batch->arena, data, "request_id", cs_string(asked->id));
    cs_object_put_text(&batch->arena, data, "holds", cs_holds_value(&batch->arena, asked, 1));
    cs_event committed = cs_event_compose(&batch->arena, &head, data);
    cs_journal_batch_add(batch, &committed);
    cs_error e;
    if (cs_journal_append(journal, batch, &e) != CS_OK || !good) {
        fail("a decision was not recorded");
    }
}

static int place_hold(void)
{
    hold h = {.tenant = below(TENANTS), .currency = currencies[below(5) == 0], .team = teams[below(3)]};
    h.user = users[below(4)];
    h.amount = upto(2000000000);
    h.placed = now;
    h.expires = now + (1 + below(below(3) == 0 ? 86400 : 1800)) * CS_NS_PER_S;
    h.deadline = mono + (h.expires - h.placed);
    softened soft = {below(4) == 0 ? below(BUDGETS) : -1, upto(60) * CS_NANOS_PER_UNIT};
    cs_hold_verdict expected = judge(&h, soft);
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value scope = cs_object_new(&a, 2);
    if (h.team != NULL) {
        cs_object_put_text(&a, scope, "team", cs_string(cs_slice_of(h.team)));
    }
    if (h.user != NULL) {
        cs_object_put_text(&a, scope, "user", cs_string(cs_slice_of(h.user)));
    }
    char id[16];
    (void)snprintf(id, sizeof id, "h%d", n_holds);
    cs_hold asked = {.id = cs_slice_of(id),
                     .tenant = cs_slice_of(names[h.tenant]),
                     .request_id = cs_slice_of(id),
                     .currency = cs_slice_of(h.currency),
                     .document_id = CS_LIT(""),
                     .amount_nanos = h.amount,
                     .placed_ns = h.placed,
                     .expires_ns = h.expires,
                     .scope = scope};
    char budget[8];
    (void)snprintf(budget, sizeof budget, "b%d", soft.budget);
    cs_hold_limit other = {cs_slice_of(budget), soft.nanos};
    asked.limits = &other;
    asked.n_limits = soft.budget >= 0;
    cs_hold_verdict verdict = cs_holds_place(spend, &asked, 1, NULL);
    if (verdict != expected && !(unsure && (verdict == CS_HOLD_PLACED || verdict == CS_HOLD_CONTENDED))) {
        char text[160];
        (void)snprintf(text, sizeof text, "a hold of %lld for %s: expected verdict %d, but %d", (long long)h.amount,
                       names[h.tenant], (int)expected, (int)verdict);
        fail(text);
    }
    int fate = verdict == CS_HOLD_PLACED ? below(20) : -1;
    if (fate == 0) {
        cs_holds_take_back(spend, &asked, 1); /* it could not be recorded */
    } else if (fate == 1) {
        crash(); /* before it was */
    } else if (fate > 1) {
        commit(&asked);
        holds[n_holds++] = h;
        version++;
    }
    cs_arena_destroy(&a);
    return h.tenant;
}

static void done(void *self, cs_hold_reply *reply)
{
    *(int *)self = reply->status;
    cs_hold_reply_free(reply);
}

static int resolve_hold(void)
{
    int i = n_holds - 1 - below(n_holds < 12 ? n_holds : 12);
    hold *h = &holds[i];
    char id[16];
    (void)snprintf(id, sizeof id, "h%d", i);
    if (now - h->placed > 20 * HOUR || now < h->placed) {
        return h->tenant; /* perhaps forgotten by now */
    }
    bool settle = below(3) != 0;
    bool open = !h->resolved && (settle || h->deadline > mono);
    int64_t nanos = upto(2500000000);
    int status = 0;
    h->resolved = h->resolved || open;
    if (open && settle) {
        events[n_events++] = (event){.tenant = h->tenant,
                                     .currency = h->currency,
                                     .kind = "usage",
                                     .team = h->team,
                                     .user = h->user,
                                     .nanos = nanos,
                                     .corrects = -1,
                                     .time = now,
                                     .arrived = now,
                                     .settles = true};
        expect_of(&events[n_events - 1]);
        expect_more();
    }
    if (settle) {
        cs_hold_settle(spend, cs_slice_of(id), nanos, done, &status);
    } else {
        cs_hold_void(spend, cs_slice_of(id), CS_LIT("not needed"), done, &status);
    }
    if (status != (open ? 200 : 409)) {
        char text[120];
        (void)snprintf(text, sizeof text, "%s of %s: expected %d, but %d", settle ? "settle" : "void", id,
                       open ? 200 : 409, status);
        fail(text);
    }
    version++;
    return h->tenant;
}

#endif
