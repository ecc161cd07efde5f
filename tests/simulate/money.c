/* Money under a seeded simulator: the ledger, limits changed by people, families, scopes and holds over a journal in
 * memory, without threads, so that a million steps take less than a minute. A step is an event (any order, twice,
 * late, from the future, a correction before what it corrects, another content), a hold placed, settled or voided, a
 * limit or a zone that changes, a clock that jumps, a piece of a snapshot, a crash. After each one the rows of the
 * tenant that it touched, and sometimes all rows, must be what a naive reading of the rules makes of the list of all
 * that happened. Windows come from the C library's own zones.
 *
 *   money [SEED [STEPS]]     prints the seed first; a failure prints the world, the step and both values
 *
 * A world lasts WORLD steps: then everything begins anew, with the next numbers of the same seed. */
#include <stdio.h>

#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/hold.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "calendar.h"
#include "memory.h"

enum { WORLD = 1000, TENANTS = 5, KNOWN = 4, BUDGETS = 4, HOLDS = 400 };
#define DAY (86400 * CS_NS_PER_S)
#define HOUR (3600 * CS_NS_PER_S)

/* ---- chance, the same everywhere */
static uint64_t state;

static uint64_t draw(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static int below(int n)
{
    return (int)(draw() % (uint64_t)n);
}
static int64_t upto(int64_t n)
{
    return (int64_t)(draw() % (uint64_t)n);
}

/* ---- the simulated world */
typedef struct event {
    int tenant;
    const char *currency, *kind;
    const char *team, *user; /* NULL = none */
    int64_t nanos;
    int corrects; /* index, or -1 */
    int64_t time;
    int64_t arrived; /* of the delivery that counted; 0 = not yet */
    bool settles;    /* a hold: nobody sends it again */
} event;
typedef struct hold {
    int tenant;
    const char *currency, *team, *user;
    int64_t amount, placed, expires, deadline; /* deadline: monotonic */
    bool charge, resolved;
} hold;
typedef struct limit {
    const char *window, *currency;
    const char *team; /* that of its scope; NULL = any */
    bool per, charge; /* for each user; on_expiry: charge_estimate */
    bool own;         /* has a limit of its own; otherwise its tier's */
    int64_t nanos;
    struct {
        bool there;
        int64_t at, nanos, expires; /* expires INT64_MIN = taken back */
    } changes[2];                   /* by people, by currency: the last one by its own time */
} limit;

static event events[2 * WORLD + 64];
static int n_events;
static hold holds[HOLDS];
static int n_holds;
static struct {
    int zone;
    int tier;
    limit limits[BUDGETS];
} tenants[KNOWN];
static const char *const names[TENANTS] = {"org", "cairo", "york", "kathmandu", "nobody"};
static const int parents[TENANTS] = {-1, 0, 0, -1, -1};
static const char *const windows[] = {
    "week:sunday", "month", "rolling:36h", "fixed:2026-03-01/2026-10-15", "hour", "day", "week", "quarter", "year"};
static const char *const tiers[] = {"small", "large"};
static int64_t tier_limits[2][BUDGETS];
static const char *const currencies[] = {"USD", "EUR"};
static const char *const teams[] = {"red", "blue", NULL};
static const char *const users[] = {"u1", "u2", "u3", NULL};
static int64_t now, mono; /* the two clocks */

static cs_journal *journal;
static cs_spend *spend;
static int failures;
static unsigned long long seed;
static long step;

static int64_t wall_clock(void *self)
{
    (void)self;
    return now;
}
static int64_t mono_clock(void *self)
{
    (void)self;
    return mono;
}
static void fail(const char *what)
{
    failures++;
    printf("seed %llu, step %ld, at %lld: %s\n", seed, step, (long long)now, what);
}

/* ---- the rules, read naively */
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
    int64_t from, to, posted, late, corrected, n, last, held;
} sums;

static bool same(const char *x, const char *y)
{
    return x != NULL && y != NULL && strcmp(x, y) == 0;
}
static bool concerns(int t, const limit *l, int tenant, const char *currency, const char *team)
{
    return (tenant == t || parents[tenant] == t) && same(currency, l->currency) &&
           (l->team == NULL || same(team, l->team));
}

/* `user`: one value of a budget per user; NULL = all that the budget counts. */
static sums sums_of(int t, const limit *l, const char *user)
{
    sums s = {.last = INT64_MIN};
    window_of(l->window, tenants[t].zone, now, &s.from, &s.to);
    for (int i = 0; i < n_events; i++) {
        const event *e = &events[i];
        if (e->arrived == 0 || !concerns(t, l, e->tenant, e->currency, e->team) ||
            (user != NULL && !same(user, e->user))) {
            continue;
        }
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
        int64_t slot = h->placed / SLOT;
        bool counts = h->deadline > mono || (h->charge && l->charge && slot >= s.from && slot < s.to);
        s.held += counts ? h->amount : 0;
    }
    return s;
}

static int64_t limit_now(int t, const limit *l)
{
    int c = same(l->currency, "EUR");
    if (l->changes[c].there && now < l->changes[c].expires) {
        return l->changes[c].nanos;
    }
    return l->own ? l->nanos : tier_limits[tenants[t].tier][l - tenants[t].limits];
}

/* ---- rows against the rules */
static int64_t number(cs_value object, const char *key)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, key) : NULL;
    int64_t i = INT64_MIN;
    return v != NULL && cs_is(*v, CS_NUMBER) && cs_number_is_int(*v, &i) ? i : INT64_MIN;
}

static void compare(int t, int b, const char *user, const sums *s, int64_t remaining, cs_value row)
{
    const limit *l = &tenants[t].limits[b];
    if (number(row, "window_start") == s->from * SLOT && number(row, "window_end") == s->to * SLOT &&
        number(row, "posted_nanos") == s->posted && number(row, "held_nanos") == s->held &&
        number(row, "late_nanos") == s->late && number(row, "corrected_nanos") == s->corrected &&
        number(row, "events") == s->n && number(row, "last_event") == s->last &&
        cs_equal(cs_index(row, cs_string(CS_LIT("tier"))), cs_string(cs_slice_of(tiers[tenants[t].tier]))) &&
        number(row, "limit_nanos") == limit_now(t, l) && number(row, "remaining_nanos") == remaining) {
        return;
    }
    char text[1200];
    cs_buf is;
    cs_buf_init(&is);
    cs_json_write(&is, row, 0);
    (void)snprintf(text, sizeof text,
                   "%s b%d %s (%s, %s): from %lld to %lld posted %lld held %lld late %lld corrected %lld events %lld "
                   "last %lld limit %lld remaining %lld, but %.500s",
                   names[t], b, user != NULL ? user : "", l->window, zones[tenants[t].zone],
                   (long long)(s->from * SLOT), (long long)(s->to * SLOT), (long long)s->posted, (long long)s->held,
                   (long long)s->late, (long long)s->corrected, (long long)s->n, (long long)s->last,
                   (long long)limit_now(t, l), (long long)remaining,
                   cs_is(row, CS_OBJECT) ? cs_buf_cstr(&is) : "nothing");
    cs_buf_destroy(&is);
    fail(text);
}

static void compare_tenant(int t)
{
    const cs_live *live = cs_spend_live(spend);
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value row = live->row(live->self, cs_string(cs_slice_of(names[t])), &a);
    for (int b = 0; b < BUDGETS; b++) {
        const limit *l = &tenants[t].limits[b];
        char id[8];
        (void)snprintf(id, sizeof id, "b%d", b);
        cs_value line =
            cs_index(cs_index(row, cs_string(cs_slice_of(l->currency))), cs_string_copy(&a, cs_slice_of(id)));
        sums all = sums_of(t, l, NULL);
        int64_t least = limit_now(t, l);
        cs_value by = cs_index(cs_index(line, cs_string(CS_LIT("by"))), cs_string(CS_LIT("user")));
        for (int u = 0; l->per && u < 3; u++) {
            sums one = sums_of(t, l, users[u]);
            int64_t left = limit_now(t, l) - one.posted - one.held;
            cs_value value = cs_index(by, cs_string(cs_slice_of(users[u])));
            if (one.n > 0 || one.held != 0) {
                compare(t, b, users[u], &one, left, value);
                least = left < least ? left : least;
            } else if (cs_is(value, CS_OBJECT)) {
                fail("a user without spend has a row");
            }
        }
        compare(t, b, NULL, &all, l->per ? least : limit_now(t, l) - all.posted - all.held, line);
    }
    cs_arena_destroy(&a);
}

static void compare_family(int t)
{
    for (; t >= 0; t = parents[t]) {
        if (t < KNOWN) {
            compare_tenant(t);
        }
    }
}

/* ---- limits */
static void draw_limit(limit *l)
{
    l->nanos = upto(40) * CS_NANOS_PER_UNIT;
    l->own = below(3) != 0;
    if (!l->charge) { /* what has expired and counts in no window is forgotten, for ever: those stay as they are */
        l->window = windows[below((int)(sizeof windows / sizeof *windows))];
        l->currency = currencies[below(4) == 0];
    }
}
static void draw_tier(int tier)
{
    for (int b = 0; b < BUDGETS; b++) {
        tier_limits[tier][b] = upto(40) * CS_NANOS_PER_UNIT;
    }
}
static void draw_tenants(void)
{
    draw_tier(0);
    draw_tier(1);
    for (int t = 0; t < KNOWN; t++) {
        tenants[t].zone = below(ZONES);
        tenants[t].tier = below(2);
        for (int b = 0; b < BUDGETS; b++) {
            limit *l = &tenants[t].limits[b];
            *l = (limit){.team = below(2) == 0 ? teams[below(2)] : NULL, .per = below(3) == 0};
            draw_limit(l);
            l->charge = below(3) == 0;
            l->window = l->charge ? windows[below(4)] : l->window;
        }
    }
}

static void configure(void)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf text;
    cs_buf_init(&text);
    for (int t = 0; t < KNOWN; t++) {
        cs_buf_printf(&text, "%s\"%s\":{\"timezone\":\"%s\",\"tier\":{\"name\":\"%s\"},", t > 0 ? "," : "{", names[t],
                      zones[tenants[t].zone], tiers[tenants[t].tier]);
        if (parents[t] >= 0) {
            cs_buf_printf(&text, "\"parent\":\"%s\",", names[parents[t]]);
        }
        cs_buf_text(&text, "\"budgets\":{");
        for (int b = 0; b < BUDGETS; b++) {
            const limit *l = &tenants[t].limits[b];
            cs_buf_printf(&text, "%s\"b%d\":{\"window\":\"%s\",\"currency\":\"%s\"", b > 0 ? "," : "", b, l->window,
                          l->currency);
            if (l->own) {
                cs_buf_printf(&text, ",\"limit_nanos\":%lld", (long long)l->nanos);
            }
            if (l->team != NULL) {
                cs_buf_printf(&text, ",\"scope\":{\"team\":\"%s\"}", l->team);
            }
            cs_buf_printf(&text, "%s%s}", l->per ? ",\"per\":\"user\"" : "",
                          l->charge ? ",\"on_expiry\":\"charge_estimate\"" : "");
        }
        cs_buf_text(&text, "}}");
    }
    cs_buf_byte(&text, '}');
    cs_value v, tiers_value;
    cs_error e;
    cs_buf limits;
    cs_buf_init(&limits);
    for (int i = 0; i < 2; i++) {
        cs_buf_printf(&limits, "%s\"%s\":{\"budgets\":{", i > 0 ? "," : "{", tiers[i]);
        for (int b = 0; b < BUDGETS; b++) {
            cs_buf_printf(&limits, "%s\"b%d\":\"%lld\"", b > 0 ? "," : "", b,
                          (long long)(tier_limits[i][b] / CS_NANOS_PER_UNIT));
        }
        cs_buf_text(&limits, i > 0 ? "}}}" : "}}");
    }
    if (cs_json_read(&a, cs_buf_view(&text), NULL, &v, NULL, &e) != CS_OK ||
        cs_json_read(&a, cs_buf_view(&limits), NULL, &tiers_value, NULL, &e) != CS_OK ||
        cs_spend_configure(spend, v, tiers_value, &a, NULL, &e) != CS_OK) {
        fail(e.text);
    }
    cs_buf_destroy(&limits);
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
}

static void told(void *self, const cs_error *error)
{
    *(bool *)self = error == NULL;
}

static int change_budget(void)
{
    static long n;
    int t = below(KNOWN);
    int b = below(BUDGETS);
    limit *l = &tenants[t].limits[b];
    char id[32];
    char budget[8];
    (void)snprintf(id, sizeof id, "c%010ld", n++);
    (void)snprintf(budget, sizeof budget, "b%d", b);
    cs_budget_change c = {.tenant = cs_slice_of(names[t]),
                          .budget = cs_slice_of(budget),
                          .currency = CS_LIT(""),
                          .author = CS_LIT("someone"),
                          .reason = CS_LIT("a reason"),
                          .request_id = cs_slice_of(id),
                          .limit_nanos = upto(60) * CS_NANOS_PER_UNIT,
                          .expires_ns = below(3) == 0 ? INT64_MAX : now + upto(3 * DAY),
                          .reset = below(4) == 0};
    bool good = false;
    cs_error e;
    if (cs_spend_change_budget(spend, &c, told, &good, &e) != CS_OK || !good) {
        fail("a change of a budget was not taken");
    }
    int k = same(l->currency, "EUR");
    if (!l->changes[k].there || now >= l->changes[k].at) {
        l->changes[k].there = true;
        l->changes[k].at = now;
        l->changes[k].nanos = c.limit_nanos;
        l->changes[k].expires = c.reset ? INT64_MIN : c.expires_ns;
    }
    return t;
}

/* ---- events */
static int make_event(void)
{
    static const char *const kinds[] = {"correction", "refund", "adjustment", "reconciliation"};
    event *e = &events[n_events];
    *e = (event){.tenant = below(TENANTS), .currency = currencies[below(5) == 0], .corrects = -1, .kind = "usage"};
    e->team = teams[below(3)];
    e->user = users[below(4)];
    e->nanos = upto(3000000000);
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
        cs_buf_printf(out, ",\"scope\":{%s%s%s%s%s%s%s}", e->team != NULL ? "\"team\":\"" : "",
                      e->team != NULL ? e->team : "", e->team != NULL ? "\"" : "",
                      e->team != NULL && e->user != NULL ? "," : "", e->user != NULL ? "\"user\":\"" : "",
                      e->user != NULL ? e->user : "", e->user != NULL ? "\"" : "");
    }
    cs_buf_text(out, "}}");
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
    cs_spend_receipt *r = NULL;
    cs_spend_post(spend, cs_buf_view(&body), posted, &r);
    if (r == NULL || r->status != 202 || r->accepted != !again || r->duplicates != again || r->conflicts != twist) {
        fail("an event was not answered as it should be");
    }
    cs_spend_receipt_free(r);
    cs_buf_destroy(&body);
    e->arrived = again ? e->arrived : now;
    return e->tenant;
}

/* ---- holds */
/* What becomes of it: a budget of its tenant in its currency there must be, and room in all that it counts in. */
static cs_hold_verdict judge(hold *h)
{
    bool fit = true;
    bool found = false;
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
            sums s = sums_of(t, l, l->per ? h->user : NULL);
            fit = fit && h->amount <= limit_now(t, l) - s.posted - s.held;
            h->charge = h->charge || l->charge;
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
    cs_hold_verdict expected = judge(&h);
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
    cs_hold_verdict verdict = cs_holds_place(spend, &asked, 1, NULL);
    if (verdict != expected) {
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
    }
    return h->tenant;
}

/* ---- time, crashes, snapshots */
static void start(void)
{
    cs_error e;
    journal->now_ns = now;
    spend = cs_spend_new(
        &(cs_spend_options){.journal = journal, .dedupe_ns = 300 * DAY, .now_ns = wall_clock, .mono_ns = mono_clock});
    configure();
    if (memory_start(journal, &e) != CS_OK) {
        fail(e.text);
    }
    for (int i = 0; i < n_holds; i++) { /* the monotonic clock says nothing about the life before */
        hold *h = &holds[i];
        int64_t life = h->expires - h->placed;
        int64_t left = h->expires - now;
        h->deadline = mono + (left < 0 ? 0 : left > life ? life : left);
    }
}
static void crash(void)
{
    memory_crash(journal);
    cs_spend_free(spend);
    if (below(5) == 0) {
        memory_lose_snapshot(journal);
    }
    start();
}

/* A hold that expired and still counts is forgotten a day later, once no window has it: from then on no clock and no
 * zone may bring its window back. */
static bool may_go_back(void)
{
    for (int i = 0; i < n_holds; i++) {
        if (!holds[i].resolved && holds[i].charge && holds[i].placed < now - 20 * HOUR) {
            return false;
        }
    }
    return true;
}

static void advance(void)
{
    int kind = below(200);
    int64_t by = upto(kind == 0 ? 3 * DAY : kind < 20 ? DAY / 4 : 600 * CS_NS_PER_S);
    mono += by;
    now += by;
    if (below(100) == 0) {
        now += upto(6 * HOUR); /* the clock is set forward */
    } else if (below(100) == 0 && may_go_back()) {
        now -= upto(HOUR);
    }
    journal->now_ns = now;
}

static void snapshot(void)
{
    if (journal->cutting) {
        memory_save(journal, 1 + (size_t)below(20), below(30) == 0);
    } else if (below(10) == 0) {
        memory_cut(journal);
    }
}

static int one(void)
{
    int kind = below(100);
    if (kind < 65) {
        return deliver();
    }
    if (kind < 80 && n_holds < HOLDS) {
        return place_hold();
    }
    if (kind < 90 && n_holds > 0) {
        return resolve_hold();
    }
    if (kind < 93) {
        return change_budget();
    }
    if (kind < 96) {
        int t = below(KNOWN);
        if (below(2) == 0 && may_go_back()) {
            tenants[t].zone = below(ZONES);
        }
        if (below(4) == 0) {
            tenants[t].tier = below(2);
            draw_tier(below(2));
        }
        draw_limit(&tenants[t].limits[below(BUDGETS)]);
        configure();
        return t;
    }
    if (kind < 97) {
        crash();
    }
    return below(KNOWN);
}

static void world(long steps)
{
    n_events = n_holds = 0;
    now = INT64_C(1772323200) * CS_NS_PER_S + upto(220 * DAY); /* from 2026-03-01 */
    mono = upto(DAY);
    journal = cs_zalloc(sizeof *journal);
    draw_tenants();
    start();
    for (long i = 0; i < steps && failures < 3; i++, step++) {
        advance();
        snapshot();
        compare_family(one());
        if (below(40) == 0) {
            for (int t = 0; t < KNOWN; t++) {
                compare_tenant(t);
            }
        }
    }
    cs_spend_free(spend);
    memory_free(journal);
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 20000;
    printf("seed %llu, %ld steps\n", seed, steps);
    cs_log_setup(CS_LOG_ERROR, CS_LOG_JSON);
    state = seed;
    read_zones();
    while (step < steps && failures < 3) {
        world(steps - step < WORLD ? steps - step : WORLD);
    }
    printf("%ld steps\n%d passed, %d failed\n", step, failures == 0, failures > 0);
    return failures > 0;
}
