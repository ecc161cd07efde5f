/* kill -9 during a flood: whatever was acknowledged is counted after the restart, once; what was not may be there or
 * not, and sending everything again makes the sum exact.
 *
 *   kill [SEED [ROUNDS]] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "countersign/base/buf.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/number.h"
#include "countersign/spend.h"

enum { SENDERS = 3, IDS = 30000, WINDOW = 40 };

/* Shared with the child: what it sent and what was acknowledged. Survives its death. */
static struct shared {
    _Atomic uint8_t sent[IDS], acked[IDS];
} * shared;

static char path[64];
static cs_journal *journal;
static cs_spend *spend;
static uint8_t present[IDS];
static int failures;

static cs_event_outcome mark(void *self, const cs_event *event)
{
    (void)self;
    int64_t id = 0;
    if (cs_slice_i64(event->id, &id) && id >= 0 && id < IDS) {
        present[id]++;
    }
    return CS_EVENT_UNSEEN;
}

static void start(void)
{
    cs_error e;
    memset(present, 0, sizeof present);
    cs_err err = cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &journal, &e);
    if (err == CS_OK) {
        cs_journal_fold(journal, &(cs_fold){.types = "io.countersign.", .apply = mark});
        spend = cs_spend_new(&(cs_spend_options){.journal = journal});
        err = cs_journal_start(journal, &e);
    }
    if (err == CS_OK) {
        err = cs_journal_wait(journal, 60 * CS_NS_PER_S, &e);
    }
    if (err != CS_OK) {
        printf("%s\n0 passed, 1 failed\n", e.text);
        exit(1);
    }
}

static int64_t nanos_of(int id)
{
    return 1000 + id;
}

static void render(cs_buf *out, int id)
{
    cs_buf_printf(
        out,
        "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/flood\",\"type\":\"io.countersign.spend.recorded.v1\","
        "\"subject\":\"tenant/t\",\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"tenant\":\"t\",\"amount\":\"%.9f\","
        "\"currency\":\"USD\",\"kind\":\"usage\"}}\n",
        id, (double)nanos_of(id) / 1e9);
}

/* ---- the child: several senders, each with some requests under way */
typedef struct request {
    int first, n;
    struct sender *sender;
} request;
typedef struct sender {
    int from, to;
    _Atomic int under_way;
} sender;

static void acknowledged(void *self, cs_spend_receipt *receipt)
{
    request *r = self;
    if (receipt->status == 202 && receipt->accepted + receipt->duplicates == (size_t)r->n) {
        for (int i = 0; i < r->n; i++) {
            shared->acked[r->first + i] = 1;
        }
    }
    cs_spend_receipt_free(receipt);
    r->sender->under_way--;
    cs_free(r);
}

static void send_all(void *self)
{
    sender *s = self;
    cs_buf body;
    cs_buf_init(&body);
    for (int at = s->from; at < s->to;) {
        while (s->under_way >= WINDOW) {
            cs_time_sleep_ns(50000);
        }
        request *r = cs_alloc(sizeof *r);
        *r = (request){.first = at, .n = s->to - at < 3 ? s->to - at : 1 + at % 3, .sender = s};
        cs_buf_clear(&body);
        for (int i = 0; i < r->n; i++) {
            render(&body, at + i);
            shared->sent[at + i] = 1;
        }
        at += r->n;
        s->under_way++;
        cs_spend_post(spend, cs_buf_view(&body), acknowledged, r);
    }
    while (s->under_way > 0) {
        cs_time_sleep_ns(50000);
    }
    cs_buf_destroy(&body);
}

static void flood(int from, int to)
{
    sender senders[SENDERS] = {{0}};
    cs_thread threads[SENDERS] = {{0}};
    start();
    for (int i = 0; i < SENDERS; i++) {
        int share = (to - from) / SENDERS;
        senders[i].from = from + i * share;
        senders[i].to = i == SENDERS - 1 ? to : from + (i + 1) * share;
        cs_error e;
        if (cs_thread_start(&threads[i], "sender", send_all, &senders[i], &e) != CS_OK) {
            _exit(1);
        }
    }
    for (int i = 0; i < SENDERS; i++) {
        cs_thread_join(&threads[i]);
    }
    _exit(0);
}

/* ---- the parent */
static int64_t posted(void)
{
    /* Events of long ago: counted, outside every window but a fixed one. */
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value tenants = cs_object_new(&a, 1);
    cs_value tenant = cs_object_new(&a, 1);
    cs_value budgets = cs_object_new(&a, 1);
    cs_value budget = cs_object_new(&a, 2);
    cs_object_put_text(&a, budget, "window", cs_string(CS_LIT("fixed:2025-12-31/2026-01-02")));
    cs_object_put_text(&a, budget, "limit", cs_string(CS_LIT("1000")));
    cs_object_put_text(&a, budgets, "b", budget);
    cs_object_put_text(&a, tenant, "budgets", budgets);
    cs_object_put_text(&a, tenants, "t", tenant);
    cs_error e;
    int64_t nanos = -1;
    if (cs_spend_configure(spend, tenants, cs_undefined(), &a, NULL, &e) == CS_OK) {
        const cs_live *live = cs_spend_live(spend);
        cs_value row = live->row(live->self, cs_string(CS_LIT("t")), &a);
        cs_value path_to[] = {cs_string(CS_LIT("USD")), cs_string(CS_LIT("b")), cs_string(CS_LIT("posted_nanos"))};
        cs_value v = cs_lookup(row, path_to, 3);
        if (cs_is(v, CS_NUMBER)) {
            (void)cs_number_is_int(v, &nanos);
        }
    }
    cs_arena_destroy(&a);
    return nanos;
}

static void check(int round, int sent_to)
{
    int lost = 0;
    int twice = 0;
    int phantom = 0;
    int acked = 0;
    int64_t sum = 0;
    for (int i = 0; i < sent_to; i++) {
        lost += shared->acked[i] && !present[i];
        twice += present[i] > 1;
        phantom += present[i] && !shared->sent[i];
        acked += shared->acked[i];
        sum += present[i] ? nanos_of(i) : 0;
    }
    int64_t counted = posted();
    if (lost > 0 || twice > 0 || phantom > 0 || counted != (sum > 0 ? sum : counted)) {
        failures++;
        printf("round %d: %d acknowledged, %d lost, %d twice, %d never sent; counted %lld, present %lld\n", round,
               acked, lost, twice, phantom, (long long)counted, (long long)sum);
    }
}

static void again(int to)
{
    sender s = {.from = 0, .to = to};
    send_all(&s);
    int64_t sum = 0;
    int missing = 0;
    for (int i = 0; i < to; i++) {
        sum += nanos_of(i);
        missing += !shared->acked[i];
    }
    if (posted() != sum || missing > 0) {
        failures++;
        printf("after sending all again: %lld, not %lld; %d not acknowledged\n", (long long)posted(), (long long)sum,
               missing);
    }
}

int main(int argc, char **argv)
{
    unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    char folder[] = "/tmp/cs-kill-XXXXXX";
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/j.db", folder);
    int share = IDS / rounds;
    for (int round = 0; round < rounds; round++) {
        pid_t child = fork();
        if (child == 0) {
            flood(round * share, (round + 1) * share);
        }
        seed = seed * 1103515245U + 12345U;
        cs_time_sleep_ns((int64_t)(60 + seed / 65536U % 200) * CS_NS_PER_MS);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        start();
        check(round, (round + 1) * share);
        if (round < rounds - 1) {
            cs_journal_free(journal);
            cs_spend_free(spend);
        }
    }
    int acked = 0;
    int sent = 0;
    for (int i = 0; i < IDS; i++) {
        acked += shared->acked[i];
        sent += shared->sent[i];
    }
    again(IDS);
    cs_journal_free(journal);
    cs_spend_free(spend);
    (void)unlink(path);
    (void)rmdir(folder);
    if (acked == 0 || sent == acked) {
        failures++;
        printf("nothing was cut off: %d sent, %d acknowledged\n", sent, acked);
    }
    printf("%d passed, %d failed\n", failures == 0, failures > 0);
    return failures > 0;
}
