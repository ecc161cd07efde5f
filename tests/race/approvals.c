/* Approvals asked for by decisions, acted on by people and used by other decisions, from many threads; readers, the
 * clock's ticks and new configurations all the while. Under ThreadSanitizer; each is used exactly once. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/effect.h"
#include "countersign/json.h"

enum { USERS = 4, APPROVALS = 60, ROOM = 80 };

static cs_journal *journal;
static cs_metrics *metrics;
static cs_spend *spend;
static cs_approvals *approvals;
static cs_effects *effects;
static char ids[APPROVALS][ROOM];
static _Atomic int under_way, wrong, opened, acted, used, heard;
static _Atomic bool done;

static void digest_of(int number, char out[ROOM])
{
    (void)snprintf(out, ROOM, "sha256:%064d", number);
}

static void wait_until_idle(void)
{
    while (under_way > 0) {
        cs_time_sleep_ns(CS_NS_PER_MS / 4);
    }
}

/* ---- decisions */

static void committed_request(void *self, cs_commit_end end, const cs_error *error)
{
    (void)self;
    wrong += end != CS_COMMIT_DURABLE || error != NULL;
    opened++;
    under_way--;
}

static void committed_use(void *self, cs_commit_end end, const cs_error *error)
{
    (void)self;
    wrong += (end != CS_COMMIT_DURABLE && end != CS_COMMIT_LATE) || error != NULL;
    used += end == CS_COMMIT_DURABLE;
    under_way--;
}

/* What a policy comes to that refuses and asks, or allows and uses. */
static void decide(cs_arena *a, int number, const char *request, bool allow)
{
    char digest[ROOM];
    digest_of(number, digest);
    cs_value effect = cs_object_new(a, 4);
    cs_value result = cs_object_new(a, 2);
    cs_object_put_text(a, result, "allow", cs_bool(allow));
    cs_object_put_text(a, effect, "type", cs_string(cs_slice_of(allow ? "consume_approval" : "request_approval")));
    cs_object_put_text(a, effect, "approval", cs_string(cs_slice_of(ids[number])));
    cs_object_put_text(a, effect, "digest", cs_string(cs_slice_of(digest)));
    cs_object_put_text(a, effect, "quorum", cs_int(2));
    cs_object_put_text(a, result, "effects", cs_array(&effect, 1));
    cs_effects_of of = {.approvals = approvals,
                        .tenant = CS_LIT("t"),
                        .request_id = cs_slice_of(request),
                        .requester = CS_LIT("alice"),
                        .digest = cs_slice_of(digest),
                        .now_ns = cs_time_wall_ns()};
    cs_effects_plan plan;
    wrong += cs_effects_read(a, result, &of, &plan, NULL) != CS_OK;
    if (!allow) {
        (void)snprintf(ids[number], ROOM, "%.*s", CS_FMT(plan.seen.id));
        wrong += !plan.requests;
    }
    cs_commit c = {.tenant = of.tenant,
                   .request_id = of.request_id,
                   .path = CS_LIT("p"),
                   .compensation = cs_undefined(),
                   .plan = &plan,
                   .answer = {.status = 200, .content_type = CS_LIT(""), .body = CS_LIT("x")}};
    cs_error e;
    under_way++;
    cs_commit_verdict verdict = cs_effects_commit(effects, &c, allow ? committed_use : committed_request, NULL, &e);
    if (verdict != CS_COMMIT_STARTED) {
        wrong += !allow || (verdict != CS_COMMIT_CONTENDED && verdict != CS_COMMIT_DOUBTFUL);
        under_way--;
    }
}

static void use_all(void *self)
{
    int user = *(int *)self;
    cs_arena a;
    cs_arena_init(&a, 0);
    char request[ROOM];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < APPROVALS; i++) {
            (void)snprintf(request, sizeof request, "use-%d-%d-%d", user, round, i);
            decide(&a, i, request, true);
            cs_arena_reset(&a);
        }
    }
    cs_arena_destroy(&a);
}

/* ---- people */

static void replied(void *self, cs_approval_reply *reply)
{
    (void)self;
    for (size_t i = 0; i < reply->n; i++) {
        wrong += reply->results[i].status != 200 && reply->results[i].status != 409;
        acted += reply->results[i].status == 200;
    }
    cs_approval_reply_free(reply);
    under_way--;
}

static void act(int number, const char *name, cs_approval_act what)
{
    cs_approval_order order = {.id = cs_slice_of(ids[number]),
                               .act = what,
                               .subject = cs_slice_of(name),
                               .tenant = CS_LIT(""),
                               .groups = cs_array(NULL, 0),
                               .verified = CS_LIT("session"),
                               .comment = CS_LIT("so be it"),
                               .digest = CS_LIT(""),
                               .to = CS_LIT(""),
                               .request_id = CS_LIT("r")};
    under_way++;
    cs_approvals_act(approvals, &order, 1, replied, NULL);
}

/* Everybody approves, takes it back, and approves again; two of them are one person. */
static void act_all(void *self)
{
    static const char *const names[USERS] = {"bob", "Bob", "carol", "CAROL"};
    static const cs_approval_act acts[] = {CS_APPROVAL_APPROVE, CS_APPROVAL_REVOKE, CS_APPROVAL_APPROVE};
    const char *name = names[*(int *)self];
    for (size_t round = 0; round < sizeof acts / sizeof *acts; round++) {
        for (int i = 0; i < APPROVALS; i++) {
            act(i, name, acts[round]);
        }
    }
}

/* ---- everybody else */

static void hear(void *self, const cs_approval_news *news)
{
    (void)self;
    wrong += !news->ours || news->id.n == 0 || !cs_slice_is(news->tenant, "t");
    heard++;
}

static void look(void *self)
{
    (void)self;
    cs_arena a;
    cs_arena_init(&a, 0);
    const cs_live *live = cs_approvals_live(approvals);
    for (int i = 0; !done; i = (i + 1) % APPROVALS) {
        char digest[ROOM];
        digest_of(i, digest);
        (void)live->item(live->self, cs_string(CS_LIT("t")), cs_string(cs_slice_of(digest)), &a);
        (void)live->row(live->self, cs_string(CS_LIT("t")), &a);
        (void)cs_approvals_list(approvals, &(cs_approvals_query){.open = true, .limit = 5}, &a);
        cs_arena_reset(&a);
    }
    cs_arena_destroy(&a);
}

static void change(void *self)
{
    (void)self;
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf text;
    cs_buf_init(&text);
    while (!done) {
        cs_value people;
        static const char json[] = "{\"aliases\": {\"robert\": \"bob\"}}";
        wrong += cs_json_read(&a, cs_slice_of(json), NULL, &people, NULL, NULL) != CS_OK;
        cs_approvals_configure(approvals, cs_undefined(), people);
        cs_approvals_tick(approvals);
        cs_buf_clear(&text);
        cs_metrics_render(metrics, &text);
        cs_arena_reset(&a);
    }
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
}

static bool all(cs_thread_main *run)
{
    static int numbers[USERS] = {0, 1, 2, 3};
    cs_thread threads[USERS] = {{0}};
    bool good = true;
    for (int i = 0; i < USERS; i++) {
        cs_error e;
        good = cs_thread_start(&threads[i], "user", run, &numbers[i], &e) == CS_OK && good;
    }
    for (int i = 0; i < USERS; i++) {
        cs_thread_join(&threads[i]);
    }
    wait_until_idle();
    return good;
}

static int states(cs_approval_state state)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value list = cs_approvals_list(approvals, &(cs_approvals_query){.states = 1U << state, .limit = 500}, &a);
    int n = (int)cs_count(*cs_object_get_text(list, "result"));
    cs_arena_destroy(&a);
    return n;
}

static bool run_all(void)
{
    cs_error e;
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_thread looker = {0};
    cs_thread changer = {0};
    bool good = cs_journal_start(journal, &e) == CS_OK && cs_journal_wait(journal, 10 * CS_NS_PER_S, &e) == CS_OK &&
                cs_thread_start(&looker, "looker", look, NULL, &e) == CS_OK &&
                cs_thread_start(&changer, "changer", change, NULL, &e) == CS_OK;
    for (int i = 0; i < APPROVALS; i++) {
        char request[ROOM];
        (void)snprintf(request, sizeof request, "ask-%d", i);
        decide(&a, i, request, false);
        cs_arena_reset(&a);
    }
    wait_until_idle();
    good = all(act_all) && good;
    for (int i = 0; i < APPROVALS; i++) { /* whatever they have come to */
        act(i, "bob", CS_APPROVAL_APPROVE);
        act(i, "carol", CS_APPROVAL_APPROVE);
    }
    wait_until_idle();
    wrong += states(CS_APPROVAL_APPROVED) != APPROVALS;
    good = all(use_all) && good;
    wrong += states(CS_APPROVAL_CONSUMED) != APPROVALS || used != APPROVALS || opened != APPROVALS;
    done = true;
    cs_thread_join(&looker);
    cs_thread_join(&changer);
    cs_arena_destroy(&a);
    return good;
}

int main(void)
{
    cs_error e;
    metrics = cs_metrics_new(1);
    if (cs_journal_open(&(cs_journal_options){.sqlite_path = ":memory:"}, &journal, &e) != CS_OK) {
        printf("%s\n", e.text);
        return 1;
    }
    spend = cs_spend_new(&(cs_spend_options){.journal = journal, .metrics = metrics});
    approvals =
        cs_approvals_new(&(cs_approvals_options){.journal = journal, .metrics = metrics, .replica = CS_LIT("race")});
    cs_approvals_listen(approvals, hear, NULL);
    effects = cs_effects_new(
        &(cs_effects_options){.journal = journal, .spend = spend, .approvals = approvals, .replica = CS_LIT("race")});
    bool good = run_all();
    cs_journal_free(journal);
    cs_effects_free(effects);
    cs_approvals_free(approvals);
    cs_spend_free(spend);
    cs_metrics_free(metrics);
    bool passed = good && wrong == 0;
    printf("%d wrong, %d opened, %d acts, %d used, %d heard\n%d passed, %d failed\n", wrong, opened, acted, used, heard,
           passed, !passed);
    return !passed;
}
