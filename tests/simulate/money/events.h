/* Spend events: made, delivered in any order, twice, with another content. */
#ifndef CS_TESTS_MONEY_EVENTS_H
#define CS_TESTS_MONEY_EVENTS_H

#include "limits.h"

static int64_t draw_amount(void)
{
    if (huge && below(6) == 0) {
        return INT64_MAX - upto(INT64_MAX / 2);
    }
    return upto(3000000000);
}

static int make_event(void)
{
    static const char *const kinds[] = {"correction", "refund", "adjustment", "reconciliation"};
    event *e = &events[n_events];
    *e = (event){.tenant = below(TENANTS), .currency = currencies[below(5) == 0], .corrects = -1, .kind = "usage"};
    e->team = teams[below(3)];
    e->user = users[below(USERS + 1)];
    e->nanos = draw_amount();
    if (below(4) == 0) {
        e->kind = kinds[below(4)];
        e->nanos = below(2) == 0 ? -e->nanos : e->nanos;
        int to = below(n_events + 12); /* perhaps one that does not exist yet */
        e->corrects = below(3) != 0 && to != n_events ? to : -1;
    }
    int kind = below(12);
    e->time = now - (kind == 0   ? upto(40 * DAY)
                     : kind == 1 ? -upto(2 * DAY)
                     : kind < 5  ? upto(9 * HOUR)
                                 : upto(HOUR / 2) - 120 * CS_NS_PER_S);
    return n_events++;
}

static void write_scope(cs_buf *out, const char *team, const char *user)
{
    const char *comma = team != NULL && user != NULL ? "," : "";
    cs_buf_text(out, "{");
    if (team != NULL) {
        cs_buf_printf(out, "\"team\":\"%s\"%s", team, comma);
    }
    if (user != NULL) {
        cs_buf_printf(out, "\"user\":\"%s\"", user);
    }
    cs_buf_text(out, "}");
}

static void render(cs_buf *out, int id, bool twist)
{
    const event *e = &events[id];
    char amount[32];
    char time[40];
    size_t n = cs_money_format(e->nanos + (twist ? 1000 : 0), amount);
    (void)cs_time_format_rfc3339(e->time, time);
    cs_buf_printf(
        out,
        "{\"specversion\":\"1.0\",\"id\":\"e%d\",\"source\":\"/sim\",\"type\":\"io.countersign.spend.recorded.v1\","
        "\"subject\":\"tenant/%s\",\"time\":\"%s\",\"data\":{\"tenant\":\"%s\",\"amount\":\"%.*s\",\"currency\":\"%s\","
        "\"kind\":\"%s\"",
        id, names[e->tenant], time, names[e->tenant], (int)n, amount, e->currency, e->kind);
    if (e->corrects >= 0) {
        cs_buf_printf(out, ",\"corrects\":{\"source\":\"/sim\",\"id\":\"e%d\"}", e->corrects);
    }
    if (e->team != NULL || e->user != NULL) {
        cs_buf_text(out, ",\"scope\":");
        write_scope(out, e->team, e->user);
    }
    cs_buf_text(out, "}}");
}

/* Does it wait for this one, which has not come yet? */
static bool waits_for(const event *e, int id, int depth)
{
    return e->corrects >= 0 && e->corrects < n_events && depth < 50 &&
           (e->corrects == id || (events[e->corrects].arrived != 0 && waits_for(&events[e->corrects], id, depth + 1)));
}

/* It counts from now on: what the ledger has to say of it. */
static void expect(int id)
{
    expect_of(&events[id]);
    bool settled = place_of(&events[id], 0).settled; /* or else what waits for it goes on waiting, with it */
    for (int i = 0; i < n_events && settled; i++) {
        if (i != id && events[i].arrived != 0 && waits_for(&events[i], id, 0)) {
            moved = true;
            expect_of(&events[i]);
        }
    }
}
static void expect_more(void)
{
    if (started) {
        expect_the_rest();
        started = false;
    }
}

static void posted(void *self, cs_spend_receipt *receipt)
{
    *(cs_spend_receipt **)self = receipt;
}

/* A new event, one that was held back, or one that came before, as it was or with another amount. */
static int deliver(void)
{
    int id = n_events == 0 || below(4) != 0 ? make_event() : n_events - 1 - below(n_events < 40 ? n_events : 40);
    if (id == n_events - 1 && below(5) == 0) {
        return events[id].tenant; /* comes later, if ever */
    }
    event *e = &events[id];
    if (e->settles) {
        return e->tenant;
    }
    bool again = e->arrived != 0;
    bool twist = again && below(3) == 0;
    cs_buf body;
    cs_buf_init(&body);
    render(&body, id, twist);
    if (!again) {
        e->arrived = now;
        expect(id);
    }
    if (!again || twist) {
        expect_more();
    }
    cs_spend_receipt *r = NULL;
    cs_spend_post(spend, cs_buf_view(&body), posted, &r);
    if (r == NULL || r->status != 202 || r->accepted != !again || r->duplicates != again || r->conflicts != twist) {
        fail("an event was not answered as it should be");
    }
    cs_spend_receipt_free(r);
    cs_buf_destroy(&body);
    return e->tenant;
}

#endif
