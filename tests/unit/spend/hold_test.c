/* Holds where the outside cannot reach: steps of the clocks, windows that roll, replicas that fold each other's events,
 * the order in which events come back from the log. */
#include <criterion/criterion.h>

#include "countersign/base/thread.h"
#include "countersign/json.h"
#include "spend/internal.h"

#define START INT64_C(1757253791482000000) /* 2025-09-07T14:03:11.482Z */
#define SECOND CS_NS_PER_S

static cs_arena arena;
static _Atomic int64_t wall, mono;
static cs_journal *journal;
static cs_spend *spend;

static int64_t wall_now(void *self)
{
    (void)self;
    return wall;
}

static int64_t mono_now(void *self)
{
    (void)self;
    return mono;
}

static void set_up(void)
{
    cs_error e;
    cs_arena_init(&arena, 0);
    wall = START;
    mono = 1000 * SECOND;
    cs_journal_options options = {.sqlite_path = ":memory:", .now_ns = wall_now};
    cr_assert_eq(cs_journal_open(&options, &journal, &e), CS_OK, "%s", e.text);
    spend = cs_spend_new(&(cs_spend_options){.journal = journal, .now_ns = wall_now, .mono_ns = mono_now});
    cr_assert_eq(cs_journal_start(journal, &e), CS_OK);
    cr_assert_eq(cs_journal_wait(journal, 20 * SECOND, &e), CS_OK);
}

static void tear_down(void)
{
    cs_journal_free(journal);
    cs_spend_free(spend);
    cs_arena_destroy(&arena);
}

TestSuite(hold, .init = set_up, .fini = tear_down, .timeout = 60);

static void configure(const char *text)
{
    char *copy = cs_arena_dup(&arena, text, strlen(text));
    for (char *p = copy; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    cs_error e;
    cs_value v;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(copy), NULL, &v, NULL, &e), CS_OK, "%s", e.text);
    cr_assert_eq(cs_spend_configure(spend, v, cs_undefined(), &arena, NULL, &e), CS_OK, "%s", e.text);
}

#define ONE_BUDGET "{'t':{'budgets':{'b':{'window':'hour','limit_nanos':100}}}}"
#define CHARGING "{'t':{'budgets':{'b':{'window':'hour','limit_nanos':100,'on_expiry':'charge_estimate'}}}}"

static cs_hold ask(const char *id, int64_t amount, int64_t seconds)
{
    return (cs_hold){.id = cs_slice_of(id),
                     .tenant = CS_LIT("t"),
                     .request_id = cs_slice_of(id),
                     .currency = CS_LIT("USD"),
                     .amount_nanos = amount,
                     .placed_ns = wall,
                     .expires_ns = wall + seconds * SECOND,
                     .scope = cs_undefined()};
}

static cs_hold_verdict place(const char *id, int64_t amount, int64_t seconds)
{
    cs_hold hold = ask(id, amount, seconds);
    return cs_holds_place(spend, &hold, 1, NULL);
}

static int64_t figure(const char *name)
{
    cs_value path[] = {cs_string(CS_LIT("USD")), cs_string(CS_LIT("b")), cs_string(cs_slice_of(name))};
    cs_value v = cs_lookup(cs_spend__row(spend, cs_string(CS_LIT("t")), &arena), path, 3);
    cr_assert(cs_is(v, CS_NUMBER));
    return v.u.i;
}

static const char *state(const char *id)
{
    cs_hold hold;
    return cs_hold_get(spend, cs_slice_of(id), &arena, &hold) ? cs_hold_state_name(hold.state) : "unknown";
}

/* ---- events, as the log brings them */

typedef struct waiter {
    cs_mutex lock;
    cs_cond changed;
    bool done;
    cs_event_outcome outcome;
} waiter;

static void appended(void *self, cs_journal_batch *batch, const cs_error *error)
{
    waiter *w = self;
    cs_mutex_lock(&w->lock);
    w->done = true;
    w->outcome = error == NULL ? batch->events[0].outcome : CS_EVENT_UNSEEN;
    cs_cond_signal(&w->changed);
    cs_mutex_unlock(&w->lock);
    cs_journal_batch_free(batch);
}

static cs_event_outcome append(const char *type, const char *id, cs_value data)
{
    waiter w = {.lock = CS_MUTEX_INIT};
    cs_cond_init(&w.changed);
    cs_journal_batch *batch = cs_journal_batch_new(appended, &w);
    cs_event_head head = {.type = type,
                          .source = CS_LIT("/test"),
                          .id = cs_slice_of(id),
                          .tenant = CS_LIT("t"),
                          .correlation = CS_LIT(""),
                          .time_ns = wall};
    cs_event event = cs_event_compose(&batch->arena, &head, data);
    cs_journal_batch_add(batch, &event);
    cs_error e;
    cr_assert_eq(cs_journal_append(journal, batch, &e), CS_OK, "%s", e.text);
    cs_mutex_lock(&w.lock);
    while (!w.done) {
        cs_cond_wait(&w.changed, &w.lock);
    }
    cs_mutex_unlock(&w.lock);
    cs_cond_destroy(&w.changed);
    return w.outcome;
}

static cs_event_outcome commit(cs_hold hold)
{
    cs_value data = cs_object_new(&arena, 3);
    cs_object_put_text(&arena, data, "tenant", cs_string(hold.tenant));
    cs_object_put_text(&arena, data, "request_id", cs_string(hold.request_id));
    cs_object_put_text(&arena, data, "holds", cs_holds_value(&arena, &hold, 1));
    return append("io.countersign.decision.committed.v1", cs_arena_dup(&arena, hold.id.p, hold.id.n), data);
}

static cs_event_outcome spent(const char *id, const char *hold, const char *amount)
{
    cs_value data = cs_object_new(&arena, 5);
    cs_object_put_text(&arena, data, "tenant", cs_string(CS_LIT("t")));
    cs_object_put_text(&arena, data, "hold", cs_string(cs_slice_of(hold)));
    cs_object_put_text(&arena, data, "amount", cs_string(cs_slice_of(amount)));
    cs_object_put_text(&arena, data, "currency", cs_string(CS_LIT("USD")));
    cs_object_put_text(&arena, data, "kind", cs_string(CS_LIT("usage")));
    return append("io.countersign.spend.recorded.v1", id, data);
}

static cs_event_outcome voided(const char *id, const char *hold)
{
    cs_value data = cs_object_new(&arena, 2);
    cs_object_put_text(&arena, data, "tenant", cs_string(CS_LIT("t")));
    cs_object_put_text(&arena, data, "hold", cs_string(cs_slice_of(hold)));
    return append("io.countersign.hold.voided.v1", id, data);
}

/* ---- clocks */

Test(hold, a_step_of_the_wall_clock_neither_releases_nor_keeps)
{
    configure(ONE_BUDGET);
    cr_expect_eq(place("a", 60, 60), CS_HOLD_PLACED);
    wall += 600 * SECOND; /* forward, within the hour's window */
    cr_expect_str_eq(state("a"), "pending");
    cr_expect_eq(figure("held_nanos"), 60);
    cr_expect_eq(place("b", 41, 60), CS_HOLD_CONTENDED);
    wall -= 3000 * SECOND; /* and back */
    mono += 59 * SECOND;
    cr_expect_eq(figure("held_nanos"), 60);
    mono += SECOND;
    cr_expect_str_eq(state("a"), "expired");
    cr_expect_eq(figure("held_nanos"), 0);
    cr_expect_eq(place("b", 100, 60), CS_HOLD_PLACED);
}

Test(hold, another_replicas_wrong_clock_gives_its_hold_its_life_all_the_same)
{
    configure(ONE_BUDGET);
    cs_hold hold = ask("far", 50, 30);
    hold.placed_ns -= 86400 * SECOND;
    hold.expires_ns -= 86400 * SECOND;
    cr_expect_eq(commit(hold), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 50);
    mono += 30 * SECOND;
    cr_expect_eq(figure("held_nanos"), 0);
}

Test(hold, charged_until_its_window_is_over)
{
    configure(CHARGING);
    cr_expect_eq(place("a", 60, 30), CS_HOLD_PLACED);
    mono += 30 * SECOND;
    cr_expect_str_eq(state("a"), "expired");
    cr_expect_eq(figure("held_nanos"), 60);
    cr_expect_eq(figure("remaining_nanos"), 40);
    wall += 3600 * SECOND;
    cr_expect_eq(figure("held_nanos"), 0);
    wall -= 3600 * SECOND;
    cr_expect_eq(figure("held_nanos"), 60);
    configure(ONE_BUDGET);
    cr_expect_eq(figure("held_nanos"), 0);
    configure(CHARGING);
    cr_expect_eq(figure("held_nanos"), 60);
    cr_expect_eq(spent("e", "a", "0.00000001"), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 0);
    cr_expect_eq(figure("posted_nanos"), 10);
    cr_expect_str_eq(state("a"), "posted_late");
}

/* ---- the log */

Test(hold, its_own_event_is_recognised_and_another_one_is_not_new)
{
    configure(ONE_BUDGET);
    cs_hold hold = ask("a", 60, 60);
    cr_expect_eq(cs_holds_place(spend, &hold, 1, NULL), CS_HOLD_PLACED);
    cr_expect_eq(cs_holds_place(spend, &hold, 1, NULL), CS_HOLD_EXISTS);
    cr_expect_eq(commit(hold), CS_EVENT_APPLIED);
    cr_expect_eq(commit(hold), CS_EVENT_DUPLICATE);
    cs_holds_take_back(spend, &hold, 1); /* too late */
    cr_expect_eq(figure("held_nanos"), 60);
    cs_hold other = ask("b", 30, 60);
    cr_expect_eq(cs_holds_place(spend, &other, 1, NULL), CS_HOLD_PLACED);
    cs_holds_take_back(spend, &other, 1);
    cr_expect_eq(figure("held_nanos"), 60);
    cr_expect_str_eq(state("b"), "unknown");
}

Test(hold, of_another_replica_beyond_the_limit_is_a_fact)
{
    configure(ONE_BUDGET);
    cr_expect_eq(place("a", 80, 60), CS_HOLD_PLACED);
    cr_expect_eq(commit(ask("b", 80, 60)), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 160);
    cr_expect_eq(figure("remaining_nanos"), -60);
    cr_expect_eq(place("c", 1, 60), CS_HOLD_CONTENDED);
    cr_expect_eq(place("d", 0, 60), CS_HOLD_CONTENDED);
}

Test(hold, whatever_comes_first_resolves_it)
{
    configure(ONE_BUDGET);
    cr_expect_eq(place("a", 10, 60), CS_HOLD_PLACED);
    cr_expect_eq(place("b", 20, 60), CS_HOLD_PLACED);
    cr_expect_eq(voided("1", "a"), CS_EVENT_APPLIED);
    cr_expect_eq(voided("2", "a"), CS_EVENT_DUPLICATE);
    cr_expect_eq(spent("3", "a", "0.000000005"), CS_EVENT_APPLIED); /* it counts; the hold stays voided */
    cr_expect_str_eq(state("a"), "voided");
    cr_expect_eq(spent("4", "b", "0.000000007"), CS_EVENT_APPLIED);
    cr_expect_eq(voided("5", "b"), CS_EVENT_DUPLICATE);
    cr_expect_str_eq(state("b"), "posted");
    cr_expect_eq(figure("posted_nanos"), 12);
    cr_expect_eq(figure("held_nanos"), 0);
    cr_expect_eq(voided("6", "nobody's"), CS_EVENT_DUPLICATE);
}

Test(hold, the_event_of_a_hold_comes_after_its_settlement)
{
    configure(ONE_BUDGET);
    cr_expect_eq(spent("1", "a", "0.00000003"), CS_EVENT_APPLIED);
    cr_expect_str_eq(state("a"), "unknown");
    cr_expect_eq(commit(ask("a", 90, 60)), CS_EVENT_APPLIED);
    cr_expect_str_eq(state("a"), "posted");
    cr_expect_eq(figure("held_nanos"), 0);
    cr_expect_eq(figure("posted_nanos"), 30);
}

Test(hold, many_expire_in_the_order_of_their_deadlines)
{
    configure("{'t':{'budgets':{'b':{'window':'hour','limit_nanos':100000}}}}");
    int64_t sum = 0;
    for (int i = 0; i < 200; i++) {
        const char *id = cs_arena_printf(&arena, NULL, "h%d", i);
        cr_assert_eq(place(id, i, 1 + (i * 37) % 200), CS_HOLD_PLACED);
        sum += i;
    }
    for (int i = 0; i < 200; i += 3) {
        cr_assert_eq(voided(cs_arena_printf(&arena, NULL, "v%d", i), cs_arena_printf(&arena, NULL, "h%d", i)),
                     CS_EVENT_APPLIED);
        sum -= i;
    }
    for (int second = 1; second <= 200; second++) {
        cr_assert_eq(figure("held_nanos"), sum);
        mono += SECOND;
        for (int i = 0; i < 200; i++) {
            sum -= i % 3 != 0 && 1 + (i * 37) % 200 == second ? i : 0;
        }
    }
    cr_expect_eq(figure("held_nanos"), 0);
    cr_expect_eq(sum, 0);
}

Test(hold, is_forgotten_a_day_after_it_was_placed)
{
    configure(CHARGING);
    cr_expect_eq(place("a", 10, 60), CS_HOLD_PLACED);
    cr_expect_eq(place("b", 10, 60), CS_HOLD_PLACED);
    cr_expect_eq(spent("1", "a", "0.00000001"), CS_EVENT_APPLIED);
    mono += 100 * SECOND;
    wall += 86300 * SECOND;
    cr_expect_eq(place("c", 10, 60), CS_HOLD_PLACED);
    cr_expect_str_eq(state("a"), "posted");
    wall += 200 * SECOND;
    mono += 200 * SECOND;
    cr_expect_eq(place("d", 10, 60), CS_HOLD_PLACED);
    cr_expect_eq(commit(ask("d", 10, 60)), CS_EVENT_APPLIED); /* the journal's thread forgets */
    cr_expect_str_eq(state("a"), "unknown");
    cr_expect_str_eq(state("b"), "unknown");
    cr_expect_str_eq(state("c"), "expired");
}

Test(hold, amounts_at_the_end_of_the_range)
{
    configure("{'t':{'budgets':{'b':{'window':'hour','limit_nanos':9223372036854775807},"
              "'w':{'window':'hour','limit_nanos':1,'mode':'warn'}}}}");
    cr_expect_eq(place("a", INT64_MAX, 60), CS_HOLD_PLACED);
    cr_expect_eq(place("b", 1, 60), CS_HOLD_CONTENDED);
    cr_expect_eq(place("c", INT64_MAX, 60), CS_HOLD_CONTENDED);
    cr_expect_eq(figure("remaining_nanos"), 0);
    cr_expect_eq(voided("1", "a"), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 0);
}

/* ---- other replicas */

static cs_event_outcome contended(const char *id, cs_hold hold)
{
    cs_value data = cs_object_new(&arena, 4);
    cs_object_put_text(&arena, data, "tenant", cs_string(CS_LIT("t")));
    cs_object_put_text(&arena, data, "hold", cs_string(hold.id));
    cs_object_put_text(&arena, data, "placed_at", cs_int(hold.placed_ns));
    cs_object_put_text(&arena, data, "contended", cs_bool(true));
    return append("io.countersign.hold.voided.v1", id, data);
}

Test(hold, the_log_says_whose_hold_came_first)
{
    configure(ONE_BUDGET);
    spend->shared = true;
    cs_hold ours = ask("ours", 60, 60);
    cs_hold_verdict verdict = cs_holds_place(spend, &ours, 1, NULL);
    cr_expect_eq(verdict, CS_HOLD_PLACED);
    cr_expect_eq(commit(ask("theirs", 60, 60)), CS_EVENT_APPLIED); /* they know nothing of ours */
    cr_expect_eq(figure("held_nanos"), 120);
    cr_expect_eq(commit(ours), CS_EVENT_CONFLICT);
    cr_expect_str_eq(state("ours"), "voided");
    cr_expect_str_eq(state("theirs"), "pending");
    cr_expect_eq(figure("held_nanos"), 60);
    cr_expect_eq(contended("1", ours), CS_EVENT_DUPLICATE);
    /* The same request once more, and what is told of its first try does not touch the second. */
    wall++;
    cs_hold again = ask("ours", 40, 60);
    cr_expect_eq(cs_holds_place(spend, &again, 1, NULL), CS_HOLD_PLACED);
    cr_expect_eq(contended("2", ours), CS_EVENT_DUPLICATE);
    cr_expect_eq(commit(again), CS_EVENT_APPLIED);
    cr_expect_str_eq(state("ours"), "pending");
    cr_expect_eq(figure("held_nanos"), 100);
}

Test(hold, what_is_still_on_its_way_comes_after)
{
    configure(ONE_BUDGET);
    spend->shared = true;
    cs_hold first = ask("first", 60, 60);
    cs_hold second = ask("second", 40, 60);
    cr_expect_eq(cs_holds_place(spend, &first, 1, NULL), CS_HOLD_PLACED);
    cr_expect_eq(cs_holds_place(spend, &second, 1, NULL), CS_HOLD_PLACED);
    cr_expect_eq(commit(ask("theirs", 40, 60)), CS_EVENT_APPLIED);
    cr_expect_eq(commit(first), CS_EVENT_APPLIED); /* whatever becomes of the second */
    cr_expect_eq(commit(second), CS_EVENT_CONFLICT);
    cr_expect_eq(figure("held_nanos"), 100);
}

Test(hold, of_others_that_do_not_fit_are_in_doubt_for_a_second)
{
    configure(ONE_BUDGET);
    spend->shared = true;
    cr_expect_eq(place("ours", 60, 60), CS_HOLD_PLACED);
    cs_hold theirs = ask("theirs", 60, 60);
    cr_expect_eq(commit(ask("ours", 60, 60)), CS_EVENT_APPLIED);
    cr_expect_eq(commit(theirs), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 60); /* policy does not see it */
    cr_expect_eq(place("a", 40, 60), CS_HOLD_DOUBTFUL);
    cr_expect_eq(place("b", 41, 60), CS_HOLD_DOUBTFUL);
    cr_expect_eq(contended("1", theirs), CS_EVENT_APPLIED);
    cr_expect_str_eq(state("theirs"), "voided");
    cr_expect_eq(place("b", 41, 60), CS_HOLD_CONTENDED);
    cr_expect_eq(place("a", 40, 60), CS_HOLD_PLACED);
    cr_expect_eq(commit(ask("a", 40, 60)), CS_EVENT_APPLIED);
    wall++;
    theirs = ask("theirs", 60, 60);
    cr_expect_eq(commit(theirs), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 100);
    mono += SECOND; /* they knew better: it stays */
    cr_expect_eq(figure("held_nanos"), 160);
    cr_expect_eq(contended("2", theirs), CS_EVENT_APPLIED);
    cr_expect_eq(figure("held_nanos"), 100);
}
