/* Several replicas under a seeded simulator: each a ledger with its effects, its own wall clock and its own pace of
 * reading, over one log of four partitions; without threads, step by step. Holds are asked for, settled, voided, left
 * to expire, by whichever replica; answers fail though their records come through; brokers go away; replicas are killed
 * between any two steps and start from their snapshots, or from the log alone.
 *
 *   replicas [SEED [STEPS]]     prints the seed first
 *
 * What must hold: (1) what was admitted and is not over, and what came of the rest, never pass a limit by a nano, in
 * any budget of the family, at no step; (2) a roomy world refuses nothing; (3) once everything is read, every replica
 * shows what a list of all that happened says, and a hold that just fits is admitted by any of them, one nano more by
 * none.
 *
 * A world lasts WORLD steps: then everything begins anew, with the next numbers of the same seed. */
#include <stdio.h>

#include "chance.h"
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/effect.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "shared.h"

enum { REPLICAS = 3, WORLD = 600, TENANTS = 4, HOLDS = WORLD + 64, USERS = 2 };
#define HOUR (3600 * CS_NS_PER_S)
#define SKEW (20 * CS_NS_PER_S) /* of a wall clock, at most */

static const char *const names[TENANTS] = {"org", "east", "west", "alone"};
static const int parents[TENANTS] = {-1, 0, 0, -1};
static const char *const users[USERS] = {"u1", "u2"};

typedef enum fate { ASKED, ADMITTED, REFUSED, FAILED } fate;
typedef struct hold {
    int tenant, user, replica;
    int64_t amount, life, placed; /* placed: the true time */
    char id[72];
    fate fate;
    bool asked_settle, asked_void;
    bool settled, voided; /* the log says so */
    bool late;            /* settled when it may have been over: a fact, which nobody can refuse */
    int64_t came_to;
} hold;
typedef struct replica {
    cs_journal *journal;
    cs_spend *spend;
    cs_effects *effects;
    int64_t skew, mono; /* of its wall clock; where its monotonic clock began */
    int number;
} replica;

/* What others spend, corrections among it; and limits changed by people: through any replica. */
typedef struct fact {
    int tenant, user, corrects;
    int64_t nanos;
    bool logged;
} fact;
typedef struct change {
    int tenant;
    int64_t nanos, at; /* by the wall clock of whoever took it */
    char id[48];
    bool logged;
} change;

static replica replicas[REPLICAS];
static fact facts[WORLD + 64];
static change changes[WORLD];
static int n_facts, n_changes;
static bool free_for_all; /* others spend and limits change: nothing is certain but that all agree in the end */
static hold holds[HOLDS];
static int n_holds;
static int64_t now; /* the true time */
static size_t log_read[PARTS];
static int alerts[TENANTS]; /* records of them */
static int64_t limits[TENANTS], per_user;
static bool roomy, lives_are_long;
static bool calm; /* nothing fails, nobody is killed */
static int failures;
static unsigned long long seed;
static long step;

static void fail(const char *what)
{
    failures++;
    printf("seed %llu, step %ld: %s\n", seed, step, what);
}
static int64_t wall_clock(void *self)
{
    return now + ((const replica *)self)->skew;
}
static int64_t mono_clock(void *self)
{
    return now - ((const replica *)self)->mono;
}

/* ---- (1) what was admitted */

/* Some replica may take it for expired: restarted, it goes by wall clocks. */
static bool may_be_over(const hold *h)
{
    return now >= h->placed + h->life - 2 * SKEW;
}
static int64_t taken(const hold *h)
{
    return h->fate != ADMITTED || h->late ? 0 : h->settled ? h->came_to : h->voided || may_be_over(h) ? 0 : h->amount;
}
static bool counts(const hold *h, int tenant)
{
    return h->tenant == tenant || parents[h->tenant] == tenant;
}
static int64_t total(int tenant, int user)
{
    int64_t sum = 0;
    for (int i = 0; i < n_holds; i++) {
        sum += counts(&holds[i], tenant) && (user < 0 || holds[i].user == user) ? taken(&holds[i]) : 0;
    }
    return sum;
}
static void check_limits(void)
{
    char text[160];
    for (int t = 0; t < TENANTS && !free_for_all; t++) {
        int64_t sum = total(t, -1);
        if (sum > limits[t]) {
            (void)snprintf(text, sizeof text, "%s: %lld are admitted of %lld", names[t], (long long)sum,
                           (long long)limits[t]);
            fail(text);
        }
    }
    for (int u = 0; u < USERS && !free_for_all; u++) {
        if (total(0, u) > per_user) {
            (void)snprintf(text, sizeof text, "%s: %lld are admitted of %lld", users[u], (long long)total(0, u),
                           (long long)per_user);
            fail(text);
        }
    }
}

/* ---- replicas */
static void configure(replica *r)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf text;
    cs_buf_init(&text);
    for (int t = 0; t < TENANTS; t++) {
        cs_buf_printf(&text, "%s\"%s\":{", t > 0 ? "," : "{", names[t]);
        if (parents[t] >= 0) {
            cs_buf_printf(&text, "\"parent\":\"%s\",", names[parents[t]]);
        }
        cs_buf_printf(&text,
                      "\"budgets\":{\"all\":{\"window\":\"fixed:2026-01-01/2026-12-31\",\"limit_nanos\":%lld,"
                      "\"alert_ratios\":[0.5,1]}",
                      (long long)limits[t]);
        if (t == 0) {
            cs_buf_printf(
                &text, ",\"each\":{\"window\":\"fixed:2026-01-01/2026-12-31\",\"limit_nanos\":%lld,\"per\":\"user\"}",
                (long long)per_user);
        }
        cs_buf_text(&text, "}}");
    }
    cs_buf_byte(&text, '}');
    cs_value v;
    cs_error e;
    if (cs_json_read(&a, cs_buf_view(&text), NULL, &v, NULL, &e) != CS_OK ||
        cs_spend_configure(r->spend, v, cs_undefined(), &a, NULL, &e) != CS_OK) {
        fail(e.text);
    }
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
}

static void start(replica *r)
{
    r->skew = upto(2 * SKEW) - SKEW;
    r->mono = now - upto(HOUR);
    r->journal->now_ns = wall_clock;
    r->journal->now_self = r;
    r->spend = cs_spend_new(&(cs_spend_options){.journal = r->journal,
                                                .shared = true,
                                                .dedupe_ns = 300 * 24 * HOUR,
                                                .now_ns = wall_clock,
                                                .mono_ns = mono_clock,
                                                .now_self = r});
    r->effects = cs_effects_new(&(cs_effects_options){.journal = r->journal,
                                                      .spend = r->spend,
                                                      .replica = cs_slice_of(names[r->number]),
                                                      .now_ns = wall_clock,
                                                      .now_self = r});
    configure(r);
    cs_error e;
    if (shared_start(r->journal, &e) != CS_OK) {
        fail(e.text);
    }
}
static void crash(replica *r)
{
    shared_crash(r->journal);
    cs_effects_free(r->effects);
    cs_spend_free(r->spend);
    if (below(4) == 0) {
        memory_lose_snapshot(r->journal);
        memset(r->journal->snapshot_at, 0, sizeof r->journal->snapshot_at);
    }
    r->journal->away = false;
    start(r);
}

/* ---- holds */
static void committed(void *self, cs_commit_end end, const cs_error *error)
{
    hold *h = self;
    (void)error;
    h->fate = end == CS_COMMIT_DURABLE ? ADMITTED : end == CS_COMMIT_LATE ? REFUSED : FAILED;
    if (end == CS_COMMIT_ANSWERED) {
        fail("a request that nobody asked twice was answered before");
    }
    if (roomy && end == CS_COMMIT_LATE && now - h->placed < h->life) {
        fail("there is room, but a hold came too late for it");
    }
    check_limits();
}

/* Asks for a hold; what comes of it at once. */
static cs_commit_verdict ask(replica *r, hold *h)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value scope = cs_object_new(&a, 1);
    cs_object_put_text(&a, scope, "user", cs_string(cs_slice_of(users[h->user])));
    char request[64];
    (void)snprintf(request, sizeof request, "r%llu.%ld.%d", seed, step, n_holds);
    (void)snprintf(h->id, sizeof h->id, "hold-%s", request);
    h->placed = now;
    cs_hold wanted = {.id = cs_slice_of(h->id),
                      .tenant = cs_slice_of(names[h->tenant]),
                      .request_id = cs_slice_of(request),
                      .currency = CS_LIT("USD"),
                      .document_id = CS_LIT(""),
                      .amount_nanos = h->amount,
                      .placed_ns = wall_clock(r),
                      .expires_ns = wall_clock(r) + h->life,
                      .scope = scope};
    cs_commit c = {.tenant = wanted.tenant,
                   .request_id = wanted.request_id,
                   .path = CS_LIT("a/b"),
                   .holds = &wanted,
                   .n_holds = 1,
                   .compensation = cs_undefined(),
                   .answer = {.status = 200, .body = CS_LIT("{}")}};
    cs_error e;
    h->fate = ASKED;
    cs_commit_verdict verdict = cs_effects_commit(r->effects, &c, committed, h, &e);
    cs_arena_destroy(&a);
    return verdict;
}

static hold *draw_hold(int64_t most)
{
    hold *h = &holds[n_holds];
    *h = (hold){.tenant = 1 + below(TENANTS - 1), .user = below(USERS), .amount = 1 + upto(most)};
    h->life = lives_are_long ? 20 * HOUR : (120 + upto(600)) * CS_NS_PER_S;
    return h;
}

static void place(void)
{
    int n = below(REPLICAS);
    replica *r = &replicas[n];
    hold *h = draw_hold(1000);
    h->replica = n;
    bool caught_up = false;
    (void)cs_journal_lag(r->journal, NULL, &caught_up);
    n_holds++;
    cs_commit_verdict verdict = ask(r, h);
    if (verdict != CS_COMMIT_STARTED) {
        h->fate = REFUSED;
    }
    bool can = caught_up && !r->journal->away;
    if (roomy && can && verdict != CS_COMMIT_STARTED) {
        fail("there is room, but a hold is refused");
    }
}

static void resolved(void *self, cs_hold_reply *reply)
{
    (void)self;
    cs_hold_reply_free(reply);
}

/* A hold is settled, perhaps by several replicas, with what the first of them in the log says; or voided. */
static void resolve(void)
{
    hold *h = &holds[below(n_holds)];
    replica *r = &replicas[below(REPLICAS)];
    if (h->fate != ADMITTED || may_be_over(h) || (h->asked_void && !h->asked_settle)) {
        return;
    }
    bool settles = h->asked_settle || below(4) != 0;
    if (!h->asked_settle && settles) {
        h->came_to = below(3) == 0 ? h->amount : upto(h->amount + 1);
    }
    h->asked_settle = h->asked_settle || settles;
    h->asked_void = h->asked_void || !settles;
    if (settles) {
        cs_hold_settle(r->spend, cs_slice_of(h->id), h->came_to, resolved, NULL);
    } else {
        cs_hold_void(r->spend, cs_slice_of(h->id), CS_LIT(""), resolved, NULL);
    }
}

/* ---- what others spend, and limits */
static void posted_fact(void *self, cs_spend_receipt *receipt)
{
    (void)self;
    cs_spend_receipt_free(receipt);
}

/* A new one, or one that came before. */
static void spend_fact(int i)
{
    fact *f = &facts[i];
    if (i == n_facts) {
        *f = (fact){.tenant = 1 + below(TENANTS - 1), .user = below(USERS), .corrects = -1, .nanos = upto(2000)};
        if (below(3) == 0) {
            f->corrects = below(n_facts + 6);
            f->nanos = below(2) == 0 ? -f->nanos : f->nanos;
        }
        n_facts++;
    }
    char time[40], link[96] = "";
    (void)cs_time_format_rfc3339(now, time);
    if (f->corrects >= 0 && f->corrects != i) {
        (void)snprintf(link, sizeof link, ",\"corrects\":{\"source\":\"/sim\",\"id\":\"fact-%d-\"}", f->corrects);
    }
    cs_buf body;
    cs_buf_init(&body);
    char amount[32];
    size_t n = cs_money_format(f->nanos, amount);
    cs_buf_printf(
        &body,
        "{\"specversion\":\"1.0\",\"id\":\"fact-%d-\",\"source\":\"/sim\",\"type\":"
        "\"io.countersign.spend.recorded.v1\",\"subject\":\"tenant/%s\",\"time\":\"%s\",\"data\":{"
        "\"tenant\":\"%s\",\"amount\":\"%.*s\",\"currency\":\"USD\",\"kind\":\"%s\",\"scope\":{\"user\":\"%s\"}"
        "%s}}",
        i, names[f->tenant], time, names[f->tenant], (int)n, amount, f->corrects >= 0 ? "correction" : "usage",
        users[f->user], link);
    cs_spend_post(replicas[below(REPLICAS)].spend, cs_buf_view(&body), posted_fact, NULL);
    cs_buf_destroy(&body);
}

static void told(void *self, const cs_error *error)
{
    (void)self;
    (void)error;
}
static void change_limit(void)
{
    replica *r = &replicas[below(REPLICAS)];
    change *c = &changes[n_changes++];
    *c = (change){.tenant = below(TENANTS), .nanos = upto(40000), .at = wall_clock(r)};
    (void)snprintf(c->id, sizeof c->id, "change-%d-", n_changes);
    cs_budget_change asked = {.tenant = cs_slice_of(names[c->tenant]),
                              .budget = CS_LIT("all"),
                              .currency = CS_LIT("USD"),
                              .author = CS_LIT("a"),
                              .reason = CS_LIT("b"),
                              .request_id = cs_slice_of(c->id),
                              .limit_nanos = c->nanos,
                              .expires_ns = INT64_MAX};
    cs_error e;
    (void)!cs_spend_change_budget(r->spend, &asked, told, NULL, &e);
}

static int64_t limit_of(int tenant)
{
    const change *last = NULL;
    for (int i = 0; i < n_changes; i++) {
        const change *c = &changes[i];
        bool newer = last == NULL || c->at > last->at || (c->at == last->at && strcmp(c->id, last->id) > 0);
        last = c->tenant == tenant && c->logged && newer ? c : last;
    }
    return last != NULL ? last->nanos : limits[tenant];
}

static void note_record(const char *text)
{
    char id[80];
    for (int i = 0; i < n_facts; i++) {
        (void)snprintf(id, sizeof id, "\"id\":\"fact-%d-\",\"source\"", i);
        facts[i].logged = facts[i].logged || strstr(text, id) != NULL;
    }
    for (int i = 0; i < n_changes; i++) {
        changes[i].logged = changes[i].logged || strstr(text, changes[i].id) != NULL;
    }
    for (int t = 0; t < TENANTS && strstr(text, "budget.alert.v1") != NULL; t++) {
        (void)snprintf(id, sizeof id, "\"tenant\":\"%s\"", names[t]);
        alerts[t] += strstr(text, id) != NULL;
    }
}

/* What the log says came of holds counts from there on, whoever is told. */
static void read_log(void)
{
    for (int p = 0; p < PARTS; p++) {
        for (; log_read[p] < shared_log[p].records.n; log_read[p]++) {
            const char *text = shared_log[p].records.v[log_read[p]].text;
            note_record(text);
            if (strstr(text, "decision.committed") != NULL || strstr(text, "\"contended\"") != NULL) {
                continue;
            }
            for (int i = 0; i < n_holds; i++) {
                char id[80];
                (void)snprintf(id, sizeof id, "\"%s\"", holds[i].id);
                bool named = (holds[i].asked_settle || holds[i].asked_void) && strstr(text, id) != NULL;
                holds[i].late =
                    holds[i].late || (named && holds[i].asked_settle && !holds[i].settled && may_be_over(&holds[i]));
                holds[i].settled = holds[i].settled || (named && holds[i].asked_settle);
                holds[i].voided = holds[i].voided || (named && holds[i].asked_void);
            }
        }
    }
}

/* ---- steps */
static void move(replica *r)
{
    int kind = below(100);
    cs_error e = {.code = CS_OK};
    if (kind < 35) {
        (void)shared_produce(r->journal, now);
    } else if (kind < 92) {
        int part = below(PARTS);
        for (int n = 1 + below(6); n > 0 && shared_consume(r->journal, part, &e) && e.code == CS_OK; n--) {
            check_limits();
        }
    } else if (kind < 94 && r->journal->sending.n > 0 && !calm) {
        shared_give_up(r->journal, (size_t)below((int)r->journal->sending.n));
    } else if (kind < 98 && r->journal->cutting) {
        if (memory_save(r->journal, 1 + (size_t)below(20), below(20) == 0)) {
            memcpy(r->journal->snapshot_at, r->journal->cut_at, sizeof r->journal->cut_at);
        }
    } else if (kind < 98 && !r->journal->cutting) {
        memcpy(r->journal->cut_at, r->journal->next, sizeof r->journal->next);
        memory_cut(r->journal);
    } else if (kind < 99 && !calm) {
        r->journal->away = !r->journal->away;
    } else if (!calm) {
        crash(r);
    }
    if (e.code != CS_OK) {
        fail(e.text);
    }
}

static void one(void)
{
    now += below(20) == 0 ? upto(5 * CS_NS_PER_S) : upto(CS_NS_PER_S / 5);
    if (!lives_are_long && below(100) == 0) {
        now += upto(200 * CS_NS_PER_S);
    }
    int kind = below(10);
    if (kind < 2 && free_for_all && below(2) == 0) {
        if (below(10) == 0) {
            change_limit();
        } else {
            spend_fact(n_facts > 0 && below(3) == 0 ? below(n_facts) : n_facts);
        }
    } else if (kind < 2) {
        place();
    } else if (kind < 3 && n_holds > 0) {
        resolve();
    } else {
        move(&replicas[below(REPLICAS)]);
    }
    read_log();
    check_limits();
}

/* Everything is produced, read by everyone, and a little time passes. */
static void drain(void)
{
    for (bool more = true; more && failures < 3;) {
        more = false;
        for (int i = 0; i < REPLICAS; i++) {
            cs_error e = {.code = CS_OK};
            replicas[i].journal->away = false;
            more = shared_produce(replicas[i].journal, now) || more;
            read_log();
            for (int p = 0; p < PARTS; p++) {
                more = shared_consume(replicas[i].journal, p, &e) || more;
                if (e.code != CS_OK) {
                    fail(e.text);
                }
            }
            read_log();
            check_limits();
        }
    }
    now += 2 * CS_NS_PER_S;
}

/* ---- (3) */
static int64_t number(replica *r, int tenant, const char *budget, const char *user, const char *name)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    const cs_live *live = cs_spend_live(r->spend);
    cs_value row = live->row(live->self, cs_string(cs_slice_of(names[tenant])), &a);
    row = cs_index(cs_index(row, cs_string(CS_LIT("USD"))), cs_string(cs_slice_of(budget)));
    if (user != NULL) {
        row = cs_index(cs_index(cs_index(row, cs_string(CS_LIT("by"))), cs_string(CS_LIT("user"))),
                       cs_string(cs_slice_of(user)));
    }
    cs_value v = cs_index(row, cs_string(cs_slice_of(name)));
    int64_t n = 0;
    (void)(cs_is(v, CS_NUMBER) && cs_number_is_int(v, &n));
    cs_arena_destroy(&a);
    return n;
}

static void same_everywhere(int tenant, const char *budget, const char *user, const char *name, int64_t expected)
{
    for (int i = 0; i < REPLICAS; i++) {
        int64_t is = number(&replicas[i], tenant, budget, user, name);
        if (is != expected && expected != INT64_MIN) {
            char text[200];
            (void)snprintf(text, sizeof text, "replica %d: %s %s %s: %s is %lld, not %lld", i, names[tenant], budget,
                           user != NULL ? user : "", name, (long long)is, (long long)expected);
            fail(text);
        }
    }
}

static int64_t posted(int tenant, int user)
{
    int64_t sum = 0;
    for (int i = 0; i < n_holds; i++) {
        sum +=
            counts(&holds[i], tenant) && (user < 0 || holds[i].user == user) && holds[i].settled ? holds[i].came_to : 0;
    }
    for (int i = 0; i < n_facts; i++) {
        const fact *f = &facts[i];
        bool ours = (f->tenant == tenant || parents[f->tenant] == tenant) && (user < 0 || f->user == user);
        sum += ours && f->logged ? f->nanos : 0;
    }
    return sum;
}

/* Where no hold can have expired and nothing was lost, all replicas hold what was admitted, and nothing else. */
static void compare(bool all_over)
{
    for (int t = 0; t < TENANTS; t++) {
        int64_t came_to = posted(t, -1);
        same_everywhere(t, "all", NULL, "posted_nanos", came_to);
        same_everywhere(t, "all", NULL, "limit_nanos", limit_of(t));
        if (free_for_all && came_to >= limit_of(t) && came_to > 0 && alerts[t] == 0) {
            fail("a budget is used up, and nobody says so");
        }
        if (all_over || (lives_are_long && calm && !free_for_all)) {
            same_everywhere(t, "all", NULL, "held_nanos", all_over ? 0 : total(t, -1) - came_to);
        }
    }
    for (int u = 0; u < USERS; u++) {
        same_everywhere(0, "each", users[u], "posted_nanos", posted(0, u));
    }
}

/* What is left of every budget that it would count in, as the replica has it. */
static int64_t left(replica *r, const hold *h)
{
    int64_t most = number(r, h->tenant, "all", NULL, "remaining_nanos");
    if (parents[h->tenant] >= 0) {
        int64_t above = number(r, 0, "all", NULL, "remaining_nanos");
        int64_t own = per_user - number(r, 0, "each", users[h->user], "posted_nanos") -
                      number(r, 0, "each", users[h->user], "held_nanos");
        most = above < most ? above : most;
        most = own < most ? own : most;
    }
    return most;
}

static void fill(replica *r)
{
    hold *h = draw_hold(1);
    int64_t most = left(r, h);
    h->amount = most > 0 ? most + 1 : 1;
    n_holds++;
    if (ask(r, h) != CS_COMMIT_CONTENDED) {
        fail("a hold of one nano too much is not refused");
    }
    h->fate = REFUSED;
    hold *exact = &holds[n_holds];
    *exact = *h;
    exact->amount = most;
    if (most > 0) {
        n_holds++;
        cs_commit_verdict verdict = ask(r, exact);
        drain();
        if (verdict != CS_COMMIT_STARTED || exact->fate != ADMITTED) {
            fail("a hold that just fits is not admitted");
        }
    }
}

static void world(long steps)
{
    now = INT64_C(1772323200) * CS_NS_PER_S + upto(200 * 24 * HOUR);
    n_holds = 0;
    memset(log_read, 0, sizeof log_read);
    roomy = below(3) == 0;
    calm = below(2) == 0;
    free_for_all = !roomy && below(3) == 0;
    n_facts = n_changes = 0;
    memset(alerts, 0, sizeof alerts);
    lives_are_long = below(2) == 0;
    int64_t most = roomy ? 1000 * (int64_t)HOLDS : 2000 + upto(20000);
    for (int t = 0; t < TENANTS; t++) {
        limits[t] = roomy ? most : 1 + upto(most);
    }
    per_user = roomy ? most : 1 + upto(most);
    for (int i = 0; i < REPLICAS; i++) {
        replicas[i] = (replica){.journal = cs_zalloc(sizeof(cs_journal)), .number = i};
        start(&replicas[i]);
    }
    for (long i = 0; i < steps && failures < 3; i++, step++) {
        one();
    }
    drain();
    for (int i = 0; i < 8 && free_for_all; i++) {
        spend_fact(n_facts); /* what was due when somebody was killed is said with something new */
        drain();
    }
    compare(false);
    if (!free_for_all) {
        fill(&replicas[below(REPLICAS)]);
    }
    now += 30 * HOUR;
    compare(true);
    for (int i = 0; i < REPLICAS; i++) {
        shared_crash(replicas[i].journal);
        cs_effects_free(replicas[i].effects);
        cs_spend_free(replicas[i].spend);
        memory_lose_snapshot(replicas[i].journal);
        CS_VEC_FREE(&replicas[i].journal->rows);
        CS_VEC_FREE(&replicas[i].journal->changes);
        CS_VEC_FREE(&replicas[i].journal->sending);
        cs_free(replicas[i].journal);
    }
    for (int p = 0; p < PARTS; p++) {
        for (size_t i = 0; i < shared_log[p].records.n; i++) {
            cs_free(shared_log[p].records.v[i].text);
        }
        CS_VEC_FREE(&shared_log[p].records);
    }
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 20000;
    printf("seed %llu, %ld steps\n", seed, steps);
    cs_log_setup(CS_LOG_ERROR, CS_LOG_JSON);
    chance = seed;
    while (step < steps && failures < 3) {
        world(steps - step < WORLD ? steps - step : WORLD);
    }
    printf("%ld steps\n%d passed, %d failed\n", step, failures == 0, failures > 0);
    return failures > 0;
}
