/* Money under a seeded simulator: the ledger, limits changed by people, tiers that are earned, alerts, families, scopes
 * and holds over a journal in memory, without threads, so that a million steps take about a minute. A step is an event
 * (any order, twice, late, from the future, a correction before what it corrects, another content, near the end of 64
 * bits), a hold placed, settled or voided, a limit or a zone that changes, a clock that jumps, a piece of a snapshot,
 * an alert that does not get into the log, a crash. After each one the rows of the tenant that it touched, and
 * sometimes all rows, must be what a naive reading of the rules makes of the list of all that happened, and alerts must
 * have been given exactly where they are due. Windows come from the C library's own zones.
 *
 *   money [SEED [STEPS]]     prints the seed first; a failure prints the world, the step and both values
 *
 * A world lasts WORLD steps: then everything begins anew, with the next numbers of the same seed. */
#include "countersign/base/log.h"
#include "money/holds.h"

/* ---- time, crashes, snapshots */
static void start(void)
{
    cs_error e;
    journal->now_ns = now;
    spend = cs_spend_new(
        &(cs_spend_options){.journal = journal, .dedupe_ns = 300 * DAY, .now_ns = wall_clock, .mono_ns = mono_clock});
    configure();
    if (memory_start(journal, &e) != CS_OK) {
        fail(e.text);
    }
    for (int i = 0; i < n_holds; i++) { /* the monotonic clock says nothing about the life before */
        hold *h = &holds[i];
        int64_t life = h->expires - h->placed;
        int64_t left = h->expires - now;
        h->deadline = mono + (left < 0 ? 0 : left > life ? life : left);
    }
    started = true;
    version++;
}
static void crash(void)
{
    memory_crash(journal);
    cs_spend_free(spend);
    while (n_under_way > 0) {
        never_came(&under_way[--n_under_way]);
    }
    if (below(5) == 0) {
        memory_lose_snapshot(journal);
        journal->snapshot_at = 0;
    }
    start();
}

/* A hold that expired and still counts is forgotten a day later, once no window has it: from then on no clock and no
 * zone may bring its window back. */
static bool may_go_back(void)
{
    for (int i = 0; i < n_holds; i++) {
        if (!holds[i].resolved && holds[i].charge && holds[i].placed < now - 20 * HOUR) {
            return false;
        }
    }
    return true;
}

static void advance(void)
{
    int kind = below(200);
    int64_t by = upto(kind == 0 ? 3 * DAY : kind < 20 ? DAY / 4 : 600 * CS_NS_PER_S);
    mono += by;
    now += by;
    if (below(100) == 0) {
        now += upto(6 * HOUR); /* the clock is set forward */
    } else if (below(100) == 0 && may_go_back()) {
        now -= upto(HOUR);
    }
    journal->now_ns = now;
    version++;
}

static void snapshot(void)
{
    if (journal->cutting) {
        if (memory_save(journal, 1 + (size_t)below(20), below(30) == 0)) {
            journal->snapshot_at = journal->cut_at;
        }
    } else if (below(10) == 0) {
        journal->cut_at = journal->records.n;
        memory_cut(journal);
    }
}

/* Alerts that were given come into the log, fail, or wait. */
static void pump(void)
{
    static const memory_fate fates[] = {MEMORY_TAKEN, MEMORY_TAKEN, MEMORY_TAKEN, MEMORY_FAILED, MEMORY_GIVEN};
    memory_fate fate = fates[below(5)];
    started = started || (fate == MEMORY_FAILED && n_under_way > 0);
    memory_pump(journal, fate);
    journal->inner = below(3) == 0 ? MEMORY_GIVEN : MEMORY_TAKEN;
}

static int one(void)
{
    int kind = below(100);
    if (kind < 65) {
        return deliver();
    }
    if (kind < 80 && n_holds < HOLDS) {
        return place_hold();
    }
    if (kind < 90 && n_holds > 0) {
        return resolve_hold();
    }
    if (kind < 93) {
        return change_budget();
    }
    if (kind < 96) {
        return change_settings(may_go_back());
    }
    if (kind < 97) {
        crash();
    }
    return below(KNOWN);
}

static void begin(void)
{
    n_events = n_holds = n_blemishes = n_heard = n_under_way = n_due = 0;
    memset(said, 0, sizeof said);
    memset(lost, 0, sizeof lost);
    memset(moved_tier, 0, sizeof moved_tier);
    memset(stood, 0, sizeof stood);
    now = INT64_C(1772323200) * CS_NS_PER_S + upto(220 * DAY); /* from 2026-03-01 */
    mono = upto(DAY);
    huge = below(6) == 0;
    journal = cs_zalloc(sizeof *journal);
    journal->watch = watch;
    draw_tenants();
    start();
}

static void world(long steps)
{
    begin();
    for (long i = 0; i < steps && failures < 3; i++, step++) {
        advance();
        snapshot();
        pump();
        int t = one();
        check_alerts();
        compare_family(t);
        for (t = 0; below(40) == 0 && t < KNOWN; t++) {
            compare_tenant(t);
        }
    }
    memory_crash(journal);
    cs_spend_free(spend);
    memory_free(journal);
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 20000;
    printf("seed %llu, %ld steps\n", seed, steps);
    cs_log_setup(CS_LOG_ERROR, CS_LOG_JSON);
    chance = seed;
    read_zones();
    while (step < steps && failures < 3) {
        world(steps - step < WORLD ? steps - step : WORLD);
    }
    printf("%ld steps\n%d passed, %d failed\n", step, failures == 0, failures > 0);
    return failures > 0;
}
