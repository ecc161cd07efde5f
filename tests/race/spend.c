/* Senders, readers of rows, a thread that changes limits and one that renders metrics, on one ledger. Under
 * ThreadSanitizer; every row must be consistent in itself. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/buf.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "countersign/spend.h"

enum { SENDERS = 2, READERS = 2, EVENTS = 1500 };

static cs_journal *journal;
static cs_metrics *metrics;
static cs_spend *spend;
static _Atomic int under_way;
static _Atomic int wrong;
static _Atomic bool done;

static void posted(void *self, cs_spend_receipt *receipt)
{
    (void)self;
    wrong += receipt->status != 202 || receipt->accepted + receipt->duplicates != 2;
    cs_spend_receipt_free(receipt);
    under_way--;
}

static void render(cs_buf *out, int id, const char *kind, int64_t nanos, const char *corrects)
{
    cs_buf_printf(
        out,
        "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/race\",\"type\":\"io.countersign.spend.recorded.v1\","
        "\"subject\":\"tenant/"
        "t%d\",\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"tenant\":\"t%d\",\"amount\":\"%s0.00000%lld\","
        "\"currency\":\"USD\",\"kind\":\"%s\"%s}}\n",
        id, id / 2 % 5, id / 2 % 5, nanos < 0 ? "-" : "", (long long)(nanos < 0 ? -nanos : nanos), kind, corrects);
}

/* Corrections first, then what they correct: every pair sums to nothing. */
static void send_all(void *self)
{
    int first = *(int *)self;
    cs_buf body;
    cs_buf_init(&body);
    for (int i = 0; i < EVENTS; i++) {
        char corrects[80];
        int id = (first + i) * 2;
        (void)snprintf(corrects, sizeof corrects, ",\"corrects\":{\"source\":\"/race\",\"id\":\"%d\"}", id + 1);
        cs_buf_clear(&body);
        render(&body, id, "correction", -7, corrects);
        render(&body, id + 1, "usage", 7, "");
        while (under_way > 100) {
            cs_time_sleep_ns(20000);
        }
        under_way++;
        cs_spend_post(spend, cs_buf_view(&body), posted, NULL);
    }
    cs_buf_destroy(&body);
}

static int64_t member(cs_value row, const char *name)
{
    int64_t i = INT64_MIN;
    const cs_value *v = cs_object_get_text(row, name);
    wrong += v == NULL || !cs_number_is_int(*v, &i);
    return i;
}

static void read_all(void *self)
{
    (void)self;
    const cs_live *live = cs_spend_live(spend);
    cs_arena a;
    cs_arena_init(&a, 0);
    for (int round = 0; !done; round++) {
        cs_value all = round % 16 == 0 ? live->all(live->self, &a) : cs_undefined();
        (void)all;
        cs_value row = live->row(live->self, cs_string(CS_LIT("t1")), &a);
        cs_value path[] = {cs_string(CS_LIT("USD")), cs_string(CS_LIT("b"))};
        cs_value b = cs_lookup(row, path, 2);
        if (cs_is(b, CS_OBJECT)) {
            int64_t rest = member(b, "limit_nanos") - member(b, "posted_nanos") - member(b, "remaining_nanos");
            wrong += rest != 0;
        }
        (void)cs_spend_health_now(spend);
        cs_arena_reset(&a);
    }
    cs_arena_destroy(&a);
}

static void change_limits(void *self)
{
    (void)self;
    cs_buf metrics_text;
    cs_buf_init(&metrics_text);
    for (int round = 0; !done; round++) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_error e;
        cs_value v;
        char text[300];
        (void)snprintf(text, sizeof text,
                       "{\"t%d\":{\"budgets\":{\"b\":{\"window\":\"fixed:2025-12-31/2026-01-03\",\"limit\":\"%d\"}}},"
                       "\"t1\":{\"budgets\":{\"b\":{\"window\":\"fixed:2025-12-31/2026-01-03\",\"limit\":\"%d\"}}}}",
                       round % 2 * 2, round, round);
        wrong += cs_json_read(&a, cs_slice_of(text), NULL, &v, NULL, &e) != CS_OK ||
                 cs_spend_configure(spend, v, cs_undefined(), &a, NULL, &e) != CS_OK;
        cs_arena_destroy(&a);
        cs_buf_clear(&metrics_text);
        cs_metrics_render(metrics, &metrics_text);
    }
    cs_buf_destroy(&metrics_text);
}

int main(void)
{
    cs_error e;
    cs_thread senders[SENDERS] = {{0}};
    cs_thread readers[READERS] = {{0}};
    cs_thread changer = {0};
    int firsts[SENDERS];
    metrics = cs_metrics_new(1);
    bool good = cs_journal_open(&(cs_journal_options){.sqlite_path = ":memory:"}, &journal, &e) == CS_OK;
    if (!good) {
        printf("%s\n", e.text);
        return 1;
    }
    spend = cs_spend_new(&(cs_spend_options){.journal = journal, .metrics = metrics});
    good = cs_journal_start(journal, &e) == CS_OK &&
           cs_thread_start(&changer, "changer", change_limits, NULL, &e) == CS_OK;
    for (int i = 0; i < READERS; i++) {
        good = good && cs_thread_start(&readers[i], "reader", read_all, NULL, &e) == CS_OK;
    }
    for (int i = 0; i < SENDERS; i++) {
        firsts[i] = i * EVENTS;
        good = good && cs_thread_start(&senders[i], "sender", send_all, &firsts[i], &e) == CS_OK;
    }
    for (int i = 0; i < SENDERS; i++) {
        cs_thread_join(&senders[i]);
    }
    done = true;
    for (int i = 0; i < READERS; i++) {
        cs_thread_join(&readers[i]);
    }
    cs_thread_join(&changer);
    cs_journal_free(journal); /* answers what is under way */
    cs_spend_free(spend);
    cs_metrics_free(metrics);
    bool passed = good && wrong == 0 && under_way == 0;
    printf("%d wrong, %d under way\n%d passed, %d failed\n", wrong, under_way, passed, !passed);
    return !passed;
}
