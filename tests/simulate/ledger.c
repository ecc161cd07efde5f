/* The ledger under a seeded simulator: events in any order, twice, late, from the future, corrections before what they
 * correct, restarts, a clock that jumps, limits and zones that change. After every request each row of data.spend must
 * be what a naive reading of the rules makes of all that was delivered.
 *
 *   ledger [SEED [REQUESTS]]     without arguments a few seeds; a failure prints its seed */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "countersign/spend.h"
#include "chance.h"

enum { EVENTS = 4000, TENANTS = 4, BUDGETS = 4 };
#define DAY (86400 * CS_NS_PER_S)
#define SLOT (900 * CS_NS_PER_S)

/* ---- the simulated world */
typedef struct event {
    int id;
    int tenant;
    const char *currency;
    int64_t nanos;
    int extra; /* a tenth decimal, rounded away; 0 = none */
    bool usage;
    int corrects; /* id, or -1 */
    int64_t time;
    int64_t arrived; /* of the delivery that counted; 0 = not yet */
} event;

static event events[EVENTS];
static int n_events;
static _Atomic int64_t now;
static const char *const names[TENANTS] = {"cairo", "york", "kathmandu", "nobody"};
static const char *const zones[] = {"Africa/Cairo", "America/New_York", "Asia/Kathmandu", "UTC", "Atlantic/Azores"};
static const char *const windows[] = {
    "hour", "day", "week", "week:sunday", "month", "quarter", "year", "rolling:36h", "fixed:2026-03-01/2026-04-15"};
typedef struct limit {
    char id[8];
    const char *window, *currency;
    int64_t nanos;
} limit;
static struct {
    const char *zone;
    limit limits[BUDGETS];
} tenants[TENANTS - 1];

static int64_t simulated(void *self)
{
    (void)self;
    return now;
}

/* ---- the system under test */
static char path[64], snapshot[80];
static cs_journal *journal;
static cs_spend *spend;
static int failures;
static uint64_t seed;

static void fail(const char *what)
{
    failures++;
    printf("seed %llu: %s\n", (unsigned long long)seed, what);
}

static void configure(void)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf text;
    cs_buf_init(&text);
    for (int t = 0; t < TENANTS - 1; t++) {
        cs_buf_printf(&text, "%s\"%s\":{\"timezone\":\"%s\",\"currency\":\"USD\",\"budgets\":{", t > 0 ? "," : "{",
                      names[t], tenants[t].zone);
        for (int b = 0; b < BUDGETS; b++) {
            const limit *l = &tenants[t].limits[b];
            cs_buf_printf(&text, "%s\"%s\":{\"window\":\"%s\",\"limit_nanos\":%lld,\"currency\":\"%s\"}",
                          b > 0 ? "," : "", l->id, l->window, (long long)l->nanos, l->currency);
        }
        cs_buf_text(&text, "}}");
    }
    cs_buf_byte(&text, '}');
    cs_value v;
    cs_error e;
    if (cs_json_read(&a, cs_buf_view(&text), NULL, &v, NULL, &e) != CS_OK ||
        cs_spend_configure(spend, v, cs_undefined(), &a, NULL, &e) != CS_OK) {
        fail(e.text);
    }
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
}

static void draw_limits(int t)
{
    tenants[t].zone = zones[below((int)(sizeof zones / sizeof *zones))];
    for (int b = 0; b < BUDGETS; b++) {
        limit *l = &tenants[t].limits[b];
        (void)snprintf(l->id, sizeof l->id, "b%d", b);
        l->window = windows[below((int)(sizeof windows / sizeof *windows))];
        l->currency = below(4) == 0 ? "EUR" : "USD";
        l->nanos = below(1000) * CS_NANOS_PER_UNIT;
    }
}

static void start(void)
{
    cs_error e;
    cs_journal_options options = {
        .sqlite_path = path, .sync_normal = true, .snapshot_path = snapshot, .now_ns = simulated};
    cs_err err = cs_journal_open(&options, &journal, &e);
    if (err == CS_OK) {
        spend = cs_spend_new(&(cs_spend_options){.journal = journal, .dedupe_ns = 300 * DAY, .now_ns = simulated});
        err = cs_journal_start(journal, &e);
    }
    if (err == CS_OK) {
        err = cs_journal_wait(journal, 60 * CS_NS_PER_S, &e);
    }
    if (err != CS_OK) {
        printf("%s\n", e.text);
        exit(1);
    }
    configure();
}

static void stop(void)
{
    cs_journal_free(journal);
    cs_spend_free(spend);
}

/* ---- the rules, read naively */
typedef struct place {
    int64_t slot;
    bool late, settled;
} place;

static int64_t slot_of(int64_t ns)
{
    return ns / SLOT;
}

static const event *counted(int id)
{
    return id >= 0 && id < n_events && events[id].arrived != 0 ? &events[id] : NULL;
}

static place place_of(const event *e, int depth)
{
    place p = {.slot = slot_of(e->arrived), .late = true};
    if (e->corrects >= 0) {
        const event *original = counted(e->corrects);
        if (original != NULL && depth < 100) {
            place o = place_of(original, depth + 1);
            if (o.settled) {
                p = (place){.slot = o.slot, .late = false, .settled = true};
            }
        }
        return p;
    }
    p.settled = true;
    p.late = e->arrived - e->time > 2 * DAY;
    if (e->time <= e->arrived + 300 * CS_NS_PER_S) {
        p.slot = slot_of(e->time);
    }
    return p;
}

static int64_t number(cs_value object, const char *key)
{
    const cs_value *v = cs_object_get_text(object, key);
    int64_t i = INT64_MIN;
    if (v == NULL || !cs_is(*v, CS_NUMBER) || !cs_number_is_int(*v, &i)) {
        return INT64_MIN;
    }
    return i;
}

static void compare(int t, const limit *l, cs_value row)
{
    int64_t from = number(row, "window_start");
    int64_t to = number(row, "window_end");
    int64_t posted = 0;
    int64_t late = 0;
    int64_t corrected = 0;
    int64_t n = 0;
    int64_t last = INT64_MIN;
    for (int i = 0; i < n_events; i++) {
        const event *e = &events[i];
        if (e->arrived == 0 || e->tenant != t || strcmp(e->currency, l->currency) != 0) {
            continue;
        }
        place p = place_of(e, 0);
        if (p.slot * SLOT < from || p.slot * SLOT >= to) {
            continue;
        }
        posted += e->nanos;
        late += p.late ? e->nanos : 0;
        corrected += e->usage ? 0 : e->nanos;
        n++;
        if (e->corrects < 0) {
            int64_t at = e->time > e->arrived + 300 * CS_NS_PER_S ? e->arrived : e->time;
            last = at > last ? at : last;
        }
    }
    bool inside = strncmp(l->window, "fixed", 5) == 0 || (from <= now && now < to);
    if (!inside || number(row, "posted_nanos") != posted || number(row, "late_nanos") != late ||
        number(row, "corrected_nanos") != corrected || number(row, "events") != n ||
        number(row, "last_event") != last || number(row, "remaining_nanos") != l->nanos - posted ||
        number(row, "limit_nanos") != l->nanos) {
        char text[512];
        cs_buf is;
        cs_buf_init(&is);
        cs_json_write(&is, row, 0);
        (void)snprintf(text, sizeof text,
                       "%s %s %s %s at %lld: posted %lld late %lld corrected %lld events %lld last %lld, but %.250s",
                       names[t], l->id, l->window, l->currency, (long long)now, (long long)posted, (long long)late,
                       (long long)corrected, (long long)n, (long long)last, cs_buf_cstr(&is));
        cs_buf_destroy(&is);
        fail(text);
    }
}

static void compare_all(void)
{
    const cs_live *live = cs_spend_live(spend);
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value all = live->all(live->self, &a);
    for (int t = 0; t < TENANTS - 1; t++) {
        cs_value row = live->row(live->self, cs_string(cs_slice_of(names[t])), &a);
        if (!cs_equal(row, cs_index(all, cs_string(cs_slice_of(names[t]))))) {
            fail("a row and the whole differ");
        }
        for (int b = 0; b < BUDGETS; b++) {
            const limit *l = &tenants[t].limits[b];
            cs_value budgets = cs_index(row, cs_string(cs_slice_of(l->currency)));
            compare(t, l, cs_index(budgets, cs_string(cs_slice_of(l->id))));
        }
    }
    cs_arena_destroy(&a);
}

/* ---- deliveries */
static void make_event(void)
{
    event *e = &events[n_events];
    *e = (event){.id = n_events, .tenant = below(TENANTS), .currency = below(5) == 0 ? "EUR" : "USD", .corrects = -1};
    e->usage = below(4) != 0;
    e->nanos = (int64_t)(draw() % 3000000000U);
    if (!e->usage) {
        e->nanos = below(2) == 0 ? -e->nanos : e->nanos;
        int to = below(n_events + 20); /* perhaps one that does not exist yet */
        e->corrects = below(3) != 0 && to != n_events && to < EVENTS ? to : -1;
    }
    int kind = below(12);
    int64_t ago = kind == 0   ? (int64_t)(draw() % (uint64_t)(40 * DAY))
                  : kind == 1 ? -(int64_t)(draw() % (uint64_t)(2 * DAY))
                              : (int64_t)(draw() % (uint64_t)(1800 * CS_NS_PER_S)) - 120 * CS_NS_PER_S;
    e->time = now - ago;
    e->extra = below(6) == 0 ? 1 + below(8) : 0;
    n_events++;
}

/* As JSON; `twist` changes the amount, for a conflict. */
static void render(cs_buf *out, const event *e, bool twist)
{
    char amount[40];
    char time[40];
    int64_t nanos = e->nanos + (twist ? 1000 : 0);
    /* With a tenth digit above 5 the ninth was rounded up: go back by one. */
    int64_t shown = e->extra > 5 && nanos != 0 ? nanos + (nanos > 0 ? -1 : 1) : nanos;
    bool extra = e->extra != 0 && e->extra != 5 && shown != 0 && nanos != 0;
    uint64_t u = shown < 0 ? 0 - (uint64_t)shown : (uint64_t)shown;
    (void)snprintf(amount, sizeof amount, "%s%llu.%09llu%s", (extra ? shown : nanos) < 0 ? "-" : "",
                   (unsigned long long)((extra ? u : (uint64_t)llabs(nanos)) / 1000000000U),
                   (unsigned long long)((extra ? u : (uint64_t)llabs(nanos)) % 1000000000U),
                   extra ? (const char *[]){"", "1", "2", "3", "4", "5", "6", "7", "8"}[e->extra] : "");
    (void)cs_time_format_rfc3339(e->time, time);
    const char *quote = below(2) == 0 ? "\"" : "";
    cs_buf_printf(
        out,
        "{\"specversion\":\"1.0\",\"id\":\"e%d\",\"source\":\"/sim\",\"type\":\"io.countersign.spend.recorded.v1\","
        "\"subject\":\"tenant/%s\",\"time\":\"%s\",\"data\":{\"tenant\":\"%s\",\"amount\":%s%s%s,\"currency\":\"%s\","
        "\"kind\":\"%s\"",
        e->id, names[e->tenant], time, names[e->tenant], quote, amount, quote, e->currency,
        e->usage ? "usage" : "correction");
    if (e->corrects >= 0) {
        cs_buf_printf(out, ",\"corrects\":{\"source\":\"/sim\",\"id\":\"e%d\"}", e->corrects);
    }
    cs_buf_text(out, "}}");
}

typedef struct waiter {
    cs_mutex lock;
    cs_cond changed;
    cs_spend_receipt *receipt;
} waiter;

static void posted(void *self, cs_spend_receipt *receipt)
{
    waiter *w = self;
    cs_mutex_lock(&w->lock);
    w->receipt = receipt;
    cs_cond_signal(&w->changed);
    cs_mutex_unlock(&w->lock);
}

static void post(cs_slice body, size_t accepted, size_t duplicates, size_t conflicts)
{
    waiter w = {.lock = CS_MUTEX_INIT};
    cs_cond_init(&w.changed);
    cs_spend_post(spend, body, posted, &w);
    cs_mutex_lock(&w.lock);
    while (w.receipt == NULL) {
        cs_cond_wait(&w.changed, &w.lock);
    }
    cs_mutex_unlock(&w.lock);
    if (w.receipt->status != 202 || w.receipt->accepted != accepted || w.receipt->duplicates != duplicates ||
        w.receipt->conflicts != conflicts || w.receipt->rejected != 0) {
        char text[400];
        (void)snprintf(text, sizeof text, "expected %zu accepted %zu duplicates %zu conflicts: %d %.300s", accepted,
                       duplicates, conflicts, w.receipt->status, w.receipt->body.p);
        fail(text);
    }
    cs_spend_receipt_free(w.receipt);
    cs_cond_destroy(&w.changed);
}

/* One request: fresh events, some of them held back for later, and some that came before. */
static void request(void)
{
    cs_buf body;
    cs_buf_init(&body);
    bool array = below(2) == 0;
    size_t counts[3] = {0};
    int n = 1 + below(8);
    int made = 0;
    for (int i = 0; i < n; i++) {
        if (below(3) != 0 && n_events < EVENTS) {
            make_event();
        }
        if (n_events == 0) {
            continue;
        }
        event *e = &events[below(4) == 0 ? below(n_events) : n_events - 1 - below(n_events < 6 ? n_events : 6)];
        bool twist = e->arrived != 0 && below(4) == 0;
        cs_buf_text(&body, made++ > 0 ? (array ? "," : "\n") : "");
        render(&body, e, twist);
        counts[e->arrived == 0 ? 0 : 1]++;
        counts[2] += twist;
        if (e->arrived == 0) {
            e->arrived = now;
        }
    }
    if (made > 0) {
        cs_buf whole;
        cs_buf_init(&whole);
        cs_buf_printf(&whole, "%s%.*s%s", array ? "[" : "", CS_FMT(cs_buf_view(&body)), array ? "]" : "\n");
        post(cs_buf_view(&whole), counts[0], counts[1], counts[2]);
        cs_buf_destroy(&whole);
    }
    cs_buf_destroy(&body);
}

static void simulate(uint64_t with, int requests)
{
    seed = chance = with;
    n_events = 0;
    char folder[] = "/tmp/cs-simulate-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        exit(1);
    }
    (void)snprintf(path, sizeof path, "%s/j.db", folder);
    (void)snprintf(snapshot, sizeof snapshot, "%s/j.db.snapshot", folder);
    now = INT64_C(1772323200) * CS_NS_PER_S + below(1000000) * CS_NS_PER_MS;
    for (int t = 0; t < TENANTS - 1; t++) {
        draw_limits(t);
    }
    start();
    for (int i = 0; i < requests && failures < 5; i++) {
        int kind = below(20);
        int64_t step = kind == 0 ? 3 * DAY : kind < 4 ? DAY / 4 : 600 * CS_NS_PER_S;
        now += (int64_t)(draw() % (uint64_t)step);
        if (below(40) == 0) {
            now -= below(3600) * CS_NS_PER_S; /* the clock is set back */
        }
        request();
        compare_all();
        if (below(25) == 0) {
            draw_limits(below(TENANTS - 1));
            configure();
            compare_all();
        }
        if (below(30) == 0) {
            stop(); /* with a snapshot */
            if (below(4) == 0) {
                (void)unlink(snapshot);
            }
            start();
            compare_all();
        }
    }
    stop();
    (void)unlink(snapshot);
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    int requests = argc > 2 ? atoi(argv[2]) : 150;
    if (argc > 1) {
        simulate(strtoull(argv[1], NULL, 10), requests);
    } else {
        for (uint64_t s = 1; s <= 4; s++) {
            simulate(s, requests);
        }
    }
    printf("%d passed, %d failed\n", failures == 0, failures > 0);
    return failures > 0;
}
