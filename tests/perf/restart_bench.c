/* A ledger of many tenants: the snapshot of all of it, how long events wait for that, and the start from it.
 *
 *   restart_bench [TENANTS [IDS]]     one line of JSON
 *
 * Nothing is held here, so folds that keep no rows in snapshots yet are left out. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/spend.h"
#include "journal/internal.h"
#include "spend/internal.h"

#define START (INT64_C(1772323200) * CS_NS_PER_S)

static char path[80], snapshot[96];
static cs_metrics *metrics;

static int64_t simulated(void *self)
{
    (void)self;
    return START;
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static cs_journal *open_all(cs_spend **spend)
{
    cs_error e;
    cs_journal *j = NULL;
    cs_journal_options options = {.sqlite_path = path,
                                  .snapshot_path = snapshot,
                                  .snapshot_interval_ns = CS_NS_PER_MS,
                                  .metrics = metrics,
                                  .now_ns = simulated};
    if (cs_journal_open(&options, &j, &e) != CS_OK) {
        printf("%s\n", e.text);
        exit(1);
    }
    *spend = cs_spend_new(&(cs_spend_options){.journal = j, .now_ns = simulated});
    size_t kept = 0;
    for (size_t i = 0; i < j->n_folds; i++) {
        if (j->folds[i].name != NULL) {
            j->folds[kept++] = j->folds[i];
        }
    }
    j->n_folds = kept;
    return j;
}

static void start(cs_journal *j)
{
    cs_error e;
    cs_err err = cs_journal_start(j, &e);
    err = err == CS_OK ? cs_journal_wait(j, 300 * CS_NS_PER_S, &e) : err;
    if (err != CS_OK) {
        printf("%s\n", e.text);
        exit(1);
    }
}

/* The events as a journal applies them, without keeping them. */
static void fill(cs_journal *j, uint64_t tenants, uint64_t ids)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    for (uint64_t i = 0; i < ids; i++) {
        size_t n = 0;
        char *text =
            cs_arena_printf(&a, &n,
                            "{\"specversion\":\"1.0\",\"id\":\"r-%llu\",\"source\":\"/"
                            "g\",\"type\":\"io.countersign.spend.recorded.v1\","
                            "\"subject\":\"tenant/"
                            "tenant-%llu\",\"time\":\"2026-02-%02dT10:00:00Z\",\"data\":{\"tenant\":\"tenant-%llu\","
                            "\"amount\":\"0.%09llu\",\"currency\":\"USD\",\"kind\":\"usage\"}}",
                            (unsigned long long)i, (unsigned long long)(i % tenants), (int)(i / tenants % 28) + 1,
                            (unsigned long long)(i % tenants), (unsigned long long)(i * 7919 % 1000000000));
        cs_event event;
        cs_event_reject why;
        if (cs_journal__read(j, &a, cs_slice_make(text, n), true, false, &event, &why) != CS_OK) {
            printf("%.*s\n", CS_FMT(why.message));
            exit(1);
        }
        event.arrived_ns = START;
        cs_journal__apply(j, &event);
        cs_arena_reset(&a);
    }
    cs_arena_destroy(&a);
    atomic_store(&j->offset, 0);
}

static double figure(const char *name)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_metrics_render(metrics, &text);
    const char *at = strstr(cs_buf_cstr(&text), name);
    at = at != NULL ? strstr(at + strlen(name), name) : NULL; /* behind HELP and TYPE */
    at = at != NULL ? strstr(at + strlen(name), name) : NULL;
    double value = at != NULL ? strtod(at + strlen(name), NULL) : -1;
    cs_buf_destroy(&text);
    return value;
}

int main(int argc, char **argv)
{
    uint64_t tenants = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint64_t ids = argc > 2 ? strtoull(argv[2], NULL, 10) : tenants * 4;
    char folder[] = "/tmp/cs-restart-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/j.db", folder);
    (void)snprintf(snapshot, sizeof snapshot, "%s/j.db.snapshot", folder);
    metrics = cs_metrics_new(1);
    cs_spend *spend = NULL;
    uint64_t before = cs_mem_in_use();
    cs_journal *j = open_all(&spend);
    fill(j, tenants, ids);
    uint64_t log_bytes = spend->seen.log.n * (sizeof(cs_spend__piece) + ((size_t)64 << 10));
    double each = (double)(cs_mem_in_use() - before - spend->seen.table.bytes - log_bytes) / (double)tenants;
    double id = (double)spend->seen.table.bytes / (double)spend->seen.table.n;
    start(j);
    atomic_fetch_add(&j->applied, 1); /* there is something that no snapshot has */
    while (figure("countersign_snapshot_seconds") <= 0) {
        cs_time_sleep_ns(20 * CS_NS_PER_MS);
    }
    double wrote = figure("countersign_snapshot_seconds");
    double stall = figure("countersign_snapshot_stall_seconds");
    double bytes = figure("countersign_snapshot_bytes");
    cs_journal_free(j);
    cs_spend_free(spend);
    j = open_all(&spend);
    int64_t began = cs_time_mono_ns();
    double cpu = cpu_s();
    start(j);
    double restart = (double)(cs_time_mono_ns() - began) / 1e9;
    cpu = cpu_s() - cpu;
    bool whole = spend->seen.table.n == ids;
    printf("{\"bench\":\"restart\",\"tenants\":%llu,\"ids\":%llu,\"whole\":%s,\"restart_s\":%.2f,\"restart_cpu_s\":%."
           "2f,\"snapshot_s\":%.2f,"
           "\"stall_ms\":%.1f,\"file_mb\":%.0f,\"bytes_a_tenant\":%.0f,\"bytes_an_id\":%.1f}\n",
           (unsigned long long)tenants, (unsigned long long)ids, whole ? "true" : "false", restart, cpu, wrote,
           stall * 1e3, bytes / 1e6, each, id);
    cs_journal_free(j);
    cs_spend_free(spend);
    cs_metrics_free(metrics);
    (void)unlink(snapshot);
    (void)unlink(path);
    (void)rmdir(folder);
    return !whole;
}
