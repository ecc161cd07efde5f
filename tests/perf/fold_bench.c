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
#include "events.h"
#include "spend/internal.h"

enum { GROUP = 256, AHEAD = 8 }; /* read that many before they are applied, as from Kafka */
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

/* As the journal on Kafka: an event is applied when AHEAD more were read. */
static void fold_some(cs_journal *j, cs_arena *a, const cs_buf *text, const size_t *ends, uint64_t offset,
                      uint64_t *outcomes)
{
    cs_event events[AHEAD];
    for (size_t i = 0; i < GROUP + AHEAD; i++) {
        cs_event *event = &events[i % AHEAD];
        if (i >= AHEAD) {
            cs_journal__apply(j, event);
            outcomes[event->outcome]++;
        }
        if (i >= GROUP) {
            continue;
        }
        size_t from = i > 0 ? ends[i - 1] : 0;
        cs_event_reject why;
        if (cs_journal__read(j, a, cs_slice_make(text->p + from, ends[i] - from), true, false, event, &why) != CS_OK) {
            printf("%.*s\n", CS_FMT(why.message));
            exit(1);
        }
        event->arrived_ns = now;
        event->offset = offset + i;
    }
    cs_arena_reset(a);
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
            (void)render(&text, i + k, tenants, START);
            ends[k] = text.n;
        }
        bytes += text.n;
        now = START + (int64_t)i * 1000000;
        int64_t start = cpu_ns();
        fold_some(j, &a, &text, ends, i + 1, outcomes);
        cpu += cpu_ns() - start;
    }
    printf("{\"bench\":\"fold\",\"events\":%llu,\"tenants\":%llu,\"bytes_an_event\":%.0f,\"ns_an_event\":%.0f,"
           "\"duplicates\":%llu,\"bytes_an_id\":%.1f,\"bytes_a_tenant\":%.0f}\n",
           (unsigned long long)events, (unsigned long long)tenants, (double)bytes / (double)events,
           (double)cpu / (double)events, (unsigned long long)outcomes[CS_EVENT_DUPLICATE],
           (double)spend->seen.table.bytes / (double)spend->seen.table.n,
           (double)(cs_mem_in_use() - before - spend->seen.table.bytes) / (double)tenants);
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
    cs_journal_free(j);
    cs_spend_free(spend);
    return 0;
}
