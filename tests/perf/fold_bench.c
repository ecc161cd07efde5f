/* CPU of spend events from their bytes to the counters, as a journal hands them to the folds, from memory:
 *
 *   fold_bench [EVENTS [TENANTS]]     one line of JSON: nanoseconds of CPU an event, bytes of memory an id and a tenant
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/spend.h"
#include "journal/internal.h"
#include "spend/internal.h"

enum { GROUP = 256 };
#define START (INT64_C(1772323200) * CS_NS_PER_S)

static int64_t now;

static int64_t simulated(void *self)
{
    (void)self;
    return now;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * CS_NS_PER_S + t.tv_nsec;
}

static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* One in twenty comes twice. */
static void render(cs_buf *out, uint64_t i, uint64_t tenants)
{
    uint64_t of = i % 20 == 19 ? i - 7 : i;
    uint64_t state = of;
    uint64_t tenant = draw(&state) % tenants;
    char time[40];
    (void)cs_time_format_rfc3339(START + (int64_t)of * 1000000, time);
    cs_buf_printf(out,
                  "{\"specversion\":\"1.0\",\"id\":\"req-%08llx-%llu\",\"source\":\"/gateways/eu-1\","
                  "\"type\":\"io.countersign.spend.recorded.v1\",\"subject\":\"tenant/t-%llu\",\"time\":\"%s\","
                  "\"data\":{\"tenant\":\"t-%llu\",\"amount\":\"0.%09llu\",\"currency\":\"USD\",\"kind\":\"usage\","
                  "\"scope\":{\"team\":\"growth\",\"model\":\"m-%llu\"}}}",
                  (unsigned long long)draw(&state) & 0xffffffff, (unsigned long long)of, (unsigned long long)tenant,
                  time, (unsigned long long)tenant, (unsigned long long)draw(&state) % 1000000000,
                  (unsigned long long)draw(&state) % 8);
}

int main(int argc, char **argv)
{
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    uint64_t tenants = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
    cs_error e;
    cs_journal *j = NULL;
    now = START;
    cs_journal_options options = {.sqlite_path = ":memory:", .now_ns = simulated};
    if (cs_journal_open(&options, &j, &e) != CS_OK) {
        printf("%s\n", e.text);
        return 1;
    }
    uint64_t before = cs_mem_in_use();
    cs_spend *spend = cs_spend_new(&(cs_spend_options){.journal = j, .now_ns = simulated});
    if (cs_spend_keep_costs(spend, NULL, &e) != CS_OK) {
        printf("%s\n", e.text);
        return 1;
    }
    atomic_store(&j->caught_up, true);
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf text;
    cs_buf_init(&text);
    int64_t cpu = 0;
    uint64_t bytes = 0;
    uint64_t outcomes[4] = {0};
    size_t ends[GROUP];
    for (uint64_t i = 0; i < events; i += GROUP) {
        cs_buf_clear(&text);
        for (uint64_t k = 0; k < GROUP; k++) {
            render(&text, i + k, tenants);
            ends[k] = text.n;
        }
        bytes += text.n;
        now = START + (int64_t)i * 1000000;
        int64_t start = cpu_ns();
        for (uint64_t k = 0; k < GROUP; k++) {
            size_t from = k > 0 ? ends[k - 1] : 0;
            cs_event event;
            cs_event_reject why;
            if (cs_journal__read(j, &a, cs_slice_make(text.p + from, ends[k] - from), true, false, &event, &why) !=
                CS_OK) {
                printf("%.*s\n", CS_FMT(why.message));
                return 1;
            }
            event.arrived_ns = now;
            event.offset = i + k + 1;
            cs_journal__apply(j, &event);
            outcomes[event.outcome]++;
            cs_arena_reset(&a);
        }
        cpu += cpu_ns() - start;
    }
    printf("{\"bench\":\"fold\",\"events\":%llu,\"tenants\":%llu,\"bytes_an_event\":%.0f,\"ns_an_event\":%.0f,"
           "\"duplicates\":%llu,\"bytes_an_id\":%.1f,\"bytes_a_tenant\":%.0f}\n",
           (unsigned long long)events, (unsigned long long)tenants, (double)bytes / (double)events,
           (double)cpu / (double)events, (unsigned long long)outcomes[CS_EVENT_DUPLICATE],
           (double)spend->seen.bytes / (double)spend->seen.n,
           (double)(cs_mem_in_use() - before - spend->seen.bytes) / (double)tenants);
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
    cs_journal_free(j);
    cs_spend_free(spend);
    return 0;
}
