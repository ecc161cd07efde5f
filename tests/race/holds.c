/* Decisions that ask for holds, from many threads, some with the same request id; what they placed is settled, voided
 * or left; readers look at the counters, and limits change all the time. Under ThreadSanitizer; at no look may more be
 * posted and held than the limit allows, and at the end nothing may be held that is not pending. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/effect.h"
#include "countersign/json.h"
#include "countersign/number.h"

enum { ASKERS = 3, READERS = 2, ROUNDS = 400, LIMIT = 7000, AMOUNT = 100, ROOM = 64 };

static cs_journal *journal;
static cs_metrics *metrics;
static cs_spend *spend;
static cs_effects *effects;
static _Atomic int under_way, wrong, admitted, refused, retried;
static _Atomic bool done;

static void resolved(void *self, cs_hold_reply *reply)
{
    (void)self;
    wrong += reply->status != 200 && reply->status != 409;
    cs_hold_reply_free(reply);
    under_way--;
}

/* A decision under way. */
typedef struct decision {
    char request[ROOM];
    int number;
} decision;

/* What a policy that asks for one hold comes to. */
static void plan_for(cs_arena *a, cs_slice request, cs_effects_plan *plan)
{
    cs_value effect = cs_object_new(a, 3);
    cs_value result = cs_object_new(a, 1);
    cs_object_put_text(a, effect, "type", cs_string(CS_LIT("hold")));
    cs_object_put_text(a, effect, "amount_nanos", cs_int(AMOUNT));
    cs_object_put_text(a, effect, "currency", cs_string(CS_LIT("USD")));
    cs_object_put_text(a, result, "effects", cs_array(&effect, 1));
    cs_effects_of of = {.tenant = CS_LIT("t"), .request_id = request, .now_ns = cs_time_wall_ns()};
    wrong += cs_effects_read(a, result, &of, plan, NULL) != CS_OK;
}

/* On the journal's thread: settle, void, or leave it to its time. */
static void committed(void *self, cs_commit_end end, const cs_error *error)
{
    decision *d = self;
    wrong += end != CS_COMMIT_DURABLE || error != NULL;
    admitted++;
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_effects_plan plan;
    plan_for(&a, cs_slice_of(d->request), &plan);
    if (d->number % 8 != 0) {
        under_way++;
        if (d->number % 2 != 0) {
            cs_hold_settle(spend, plan.holds[0].id, d->number % 3, resolved, NULL);
        } else {
            cs_hold_void(spend, plan.holds[0].id, CS_LIT(""), resolved, NULL);
        }
    }
    cs_arena_destroy(&a);
    cs_free(d);
    under_way--;
}

static void woken(void *self)
{
    (void)self;
    under_way--;
}

static void ask(cs_arena *a, int asker, int round)
{
    /* Every fourth request of all askers has the same id. */
    decision *d = cs_zalloc(sizeof *d);
    d->number = round;
    (void)snprintf(d->request, sizeof d->request, "%d-%d", round % 4 == 0 ? 0 : asker, round);
    cs_effects_plan plan;
    plan_for(a, cs_slice_of(d->request), &plan);
    cs_commit c = {.tenant = CS_LIT("t"),
                   .request_id = cs_slice_of(d->request),
                   .path = CS_LIT("p"),
                   .holds = plan.holds,
                   .n_holds = plan.n_holds,
                   .answer = {.status = 200, .content_type = CS_LIT(""), .body = cs_slice_of(d->request)}};
    cs_error e;
    under_way++;
    cs_commit_verdict verdict = cs_effects_commit(effects, &c, committed, d, &e);
    if (verdict == CS_COMMIT_STARTED) {
        return;
    }
    under_way--;
    wrong += verdict != CS_COMMIT_CONTENDED && verdict != CS_COMMIT_KNOWN;
    refused += verdict == CS_COMMIT_CONTENDED;
    if (verdict == CS_COMMIT_KNOWN) {
        cs_answer answer;
        under_way++;
        cs_recall recall = cs_effects_recall(effects, c.tenant, c.request_id, c.digest, a, &answer, woken, NULL);
        under_way -= recall != CS_RECALL_WAIT;
        wrong += recall == CS_RECALL_ANSWER && !cs_slice_eq(answer.body, c.request_id);
        retried++;
    }
    cs_free(d);
}

static void ask_all(void *self)
{
    int asker = *(int *)self;
    cs_arena a;
    cs_arena_init(&a, 0);
    for (int i = 0; i < ROUNDS; i++) {
        while (under_way > 40) {
            cs_time_sleep_ns(20000);
        }
        ask(&a, asker, i);
        cs_arena_reset(&a);
    }
    cs_arena_destroy(&a);
}

static int64_t member(cs_value row, const char *name)
{
    int64_t i = INT64_MIN;
    const cs_value *v = cs_object_get_text(row, name);
    wrong += v == NULL || !cs_number_is_int(*v, &i);
    return i;
}

static int64_t held_now(cs_arena *a)
{
    const cs_live *live = cs_spend_live(spend);
    cs_value path[] = {cs_string(CS_LIT("USD")), cs_string(CS_LIT("b"))};
    cs_value b = cs_lookup(live->row(live->self, cs_string(CS_LIT("t")), a), path, 2);
    if (!cs_is(b, CS_OBJECT)) {
        return 0;
    }
    wrong += member(b, "posted_nanos") + member(b, "held_nanos") > LIMIT || member(b, "held_nanos") < 0;
    return member(b, "held_nanos");
}

static void read_all(void *self)
{
    (void)self;
    cs_arena a;
    cs_arena_init(&a, 0);
    while (!done) {
        (void)held_now(&a);
        cs_arena_reset(&a);
    }
    cs_arena_destroy(&a);
}

static void configure(int round)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_error e;
    cs_value v;
    char text[400];
    (void)snprintf(text, sizeof text,
                   "{\"t\":{%s\"budgets\":{\"b\":{\"window\":\"rolling:24h\",\"limit_nanos\":%d}%s}},"
                   "\"up\":{\"budgets\":{\"b\":{\"window\":\"day\",\"limit\":\"1\"}}}}",
                   round % 2 != 0 ? "\"parent\":\"up\"," : "", LIMIT,
                   round % 3 != 0 ? ",\"c\":{\"window\":\"month\",\"limit\":\"1\",\"on_expiry\":\"charge_estimate\"}"
                                  : "");
    wrong += cs_json_read(&a, cs_slice_of(text), NULL, &v, NULL, &e) != CS_OK ||
             cs_spend_configure(spend, v, cs_undefined(), &a, NULL, &e) != CS_OK;
    cs_arena_destroy(&a);
}

static void change_limits(void *self)
{
    (void)self;
    cs_buf text;
    cs_buf_init(&text);
    for (int round = 0; !done; round++) {
        configure(round);
        cs_buf_clear(&text);
        cs_metrics_render(metrics, &text);
    }
    cs_buf_destroy(&text);
}

static bool start(cs_thread *askers, cs_thread *readers, cs_thread *changer, int *numbers)
{
    cs_error e;
    bool good = cs_journal_start(journal, &e) == CS_OK && cs_journal_wait(journal, 10 * CS_NS_PER_S, &e) == CS_OK;
    configure(0);
    good = good && cs_thread_start(changer, "changer", change_limits, NULL, &e) == CS_OK;
    for (int i = 0; i < READERS; i++) {
        good = good && cs_thread_start(&readers[i], "reader", read_all, NULL, &e) == CS_OK;
    }
    for (int i = 0; i < ASKERS; i++) {
        numbers[i] = i;
        good = good && cs_thread_start(&askers[i], "asker", ask_all, &numbers[i], &e) == CS_OK;
    }
    return good;
}

int main(void)
{
    cs_error e;
    cs_thread askers[ASKERS] = {{0}};
    cs_thread readers[READERS] = {{0}};
    cs_thread changer = {0};
    int numbers[ASKERS];
    metrics = cs_metrics_new(1);
    if (cs_journal_open(&(cs_journal_options){.sqlite_path = ":memory:"}, &journal, &e) != CS_OK) {
        printf("%s\n", e.text);
        return 1;
    }
    spend = cs_spend_new(&(cs_spend_options){.journal = journal, .metrics = metrics});
    effects = cs_effects_new(&(cs_effects_options){.journal = journal, .spend = spend, .replica = CS_LIT("race")});
    bool good = start(askers, readers, &changer, numbers);
    for (int i = 0; i < ASKERS; i++) {
        cs_thread_join(&askers[i]);
    }
    while (under_way > 0) {
        cs_time_sleep_ns(CS_NS_PER_MS);
    }
    done = true;
    for (int i = 0; i < READERS; i++) {
        cs_thread_join(&readers[i]);
    }
    cs_thread_join(&changer);
    configure(1);
    cs_arena a;
    cs_arena_init(&a, 0);
    int64_t held = held_now(&a);
    wrong += held % AMOUNT != 0 || admitted == 0 || retried == 0;
    cs_arena_destroy(&a);
    cs_journal_free(journal);
    cs_effects_free(effects);
    cs_spend_free(spend);
    cs_metrics_free(metrics);
    bool passed = good && wrong == 0;
    printf("%d wrong, %d admitted, %d refused, %d retried, %lld held\n%d passed, %d failed\n", wrong, admitted, refused,
           retried, (long long)held, passed, !passed);
    return !passed;
}
