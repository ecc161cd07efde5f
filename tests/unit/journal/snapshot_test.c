/* Snapshots: what is restored and what is replayed, copy on write, a crash at any time, files that are not fit, a disk
 * that is full. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "journal/snapshot.h"

TestSuite(snapshot, .timeout = 60);

/* ---- a fold that counts events by id, a row each */
enum { ROWS = 200 };
typedef struct row {
    cs_dirty_link dirty;
    uint64_t n;
} row;
typedef struct counts {
    cs_dirty dirty;
    row rows[ROWS];
    uint64_t restored, past, total;
    size_t padding;
    uint32_t format;
} counts;

static size_t index_of(cs_slice id)
{
    uint64_t i = 0;
    cr_assert(cs_slice_u64(id, &i) && i < ROWS);
    return (size_t)i;
}

static cs_event_outcome apply(void *self, const cs_event *event)
{
    counts *c = self;
    row *r = &c->rows[index_of(event->id)];
    cs_dirty_mark(&c->dirty, r);
    r->n++;
    c->total++;
    c->past += event->past;
    return CS_EVENT_APPLIED;
}

static void put_row(void *self, void *which, cs_snapshot *out)
{
    counts *c = self;
    row *r = which;
    char key[8];
    int n = snprintf(key, sizeof key, "%03td", r - c->rows);
    cs_buf value;
    cs_buf_init(&value);
    cs_bytes_put_var(&value, r->n);
    memset(cs_buf_room(&value, c->padding), 'x', c->padding);
    value.n += c->padding;
    cs_snapshot_put(out, cs_slice_make(key, (size_t)n), cs_buf_view(&value));
    cs_buf_destroy(&value);
}

static void cut(void *self, cs_snapshot *out)
{
    cs_dirty_cut(&((counts *)self)->dirty, out);
}

static bool save(void *self, int64_t until_mono)
{
    return cs_dirty_save(&((counts *)self)->dirty, until_mono);
}

static void saved(void *self, bool ok)
{
    cs_dirty_saved(&((counts *)self)->dirty, ok);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    (void)e;
    counts *c = self;
    cs_bytes in = cs_bytes_of(value);
    uint64_t n = cs_bytes_var(&in);
    c->rows[index_of(key)].n = n;
    c->restored++;
    c->total += n;
    return CS_OK;
}

/* ---- a journal with it */
static char folder[64], path[80], snap[96];

static void fresh(void)
{
    strcpy(folder, "/tmp/cs-snapshot-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/j.db", folder);
    (void)snprintf(snap, sizeof snap, "%s/j.db.snapshot", folder);
}

static cs_metrics *metrics; /* where the test wants them */

static cs_journal *start(counts *c)
{
    cs_error e;
    cs_journal *j = NULL;
    cs_journal_options options = {.sqlite_path = path,
                                  .sync_normal = true,
                                  .snapshot_path = snap,
                                  .snapshot_interval_ns = CS_NS_PER_MS,
                                  .metrics = metrics};
    cr_assert_eq(cs_journal_open(&options, &j, &e), CS_OK, "%s", e.text);
    uint32_t format = c->format != 0 ? c->format : 1;
    size_t padding = c->padding;
    *c = (counts){.format = format, .padding = padding};
    cs_dirty_init(&c->dirty, cs_journal_keeps_snapshots(j), put_row, c, offsetof(row, dirty));
    cs_journal_fold(j, &(cs_fold){.types = "t.",
                                  .self = c,
                                  .apply = apply,
                                  .name = "counts",
                                  .format = format,
                                  .cut = cut,
                                  .save = save,
                                  .saved = saved,
                                  .restore = restore});
    cr_assert_eq(cs_journal_start(j, &e), CS_OK);
    cr_assert_eq(cs_journal_wait(j, 20 * CS_NS_PER_S, &e), CS_OK, "%s", e.text);
    return j;
}

static void stop(cs_journal *j, counts *c)
{
    cs_journal_free(j);
    cs_dirty_destroy(&c->dirty);
}

static _Atomic int answers, refused;

static void answered(void *self, cs_journal_batch *batch, const cs_error *error)
{
    (void)self;
    refused += error != NULL;
    answers++;
    cs_journal_batch_free(batch);
}

static void put(cs_journal *j, int id, int times)
{
    cs_journal_batch *batch = cs_journal_batch_new(answered, NULL);
    size_t n = 0;
    char *text = cs_arena_printf(&batch->arena, &n,
                                 "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/s\",\"type\":\"t.one\","
                                 "\"subject\":\"s\",\"time\":\"2025-09-07T14:03:11Z\",\"data\":{}}",
                                 id);
    cs_event event;
    cs_event_reject why;
    cr_assert_eq(cs_event_read(&batch->arena, cs_slice_make(text, n), false, &event, &why), CS_OK);
    for (int i = 0; i < times; i++) {
        cs_journal_batch_add(batch, &event);
    }
    cs_error e;
    int before = answers;
    cr_assert_eq(cs_journal_append(j, batch, &e), CS_OK, "%s", e.text);
    while (answers == before) {
        cs_time_sleep_ns(20000);
    }
    cr_assert_eq(refused, 0);
}

static void fill(cs_journal *j)
{
    for (int i = 0; i < ROWS; i++) {
        put(j, i, i % 3 + 1);
    }
}
enum { FILLED = 399 };

static bool exists(const char *name)
{
    struct stat about;
    return stat(name, &about) == 0;
}

Test(snapshot, is_read_instead_of_the_log)
{
    counts c = {.format = 1};
    fresh();
    cs_journal *j = start(&c);
    fill(j);
    stop(j, &c);
    for (int round = 1; round < 4; round++) {
        j = start(&c);
        cr_assert_eq(c.restored, ROWS);
        cr_assert_eq(c.past, 0, "the last snapshot has everything");
        cr_assert_eq(c.total, (uint64_t)(FILLED + round - 1));
        put(j, 7, 1);
        stop(j, &c);
    }
    cr_assert_eq(unlink(snap), 0);
    j = start(&c);
    cr_assert_eq(c.past, FILLED + 3);
    stop(j, &c);
}

/* A snapshot every millisecond, and the end at any moment: what is there afterwards is the log. */
Test(snapshot, survives_a_crash_at_any_time)
{
    counts c = {.format = 1, .padding = 3000};
    fresh();
    uint64_t before = 0;
    bool restored = false;
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            cs_journal *j = start(&c);
            for (int i = 0; i < 100000; i++) {
                put(j, (i * 7 + round) % ROWS, 1);
            }
            _exit(0);
        }
        cs_time_sleep_ns((30 + round * 9) * CS_NS_PER_MS);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        cs_journal *j = start(&c);
        restored = restored || c.restored > 0;
        uint64_t sum = 0;
        for (size_t i = 0; i < ROWS; i++) {
            sum += c.rows[i].n;
        }
        cs_journal_status status;
        cs_journal_get_status(j, &status);
        cr_assert_eq(sum, status.offset, "round %d: %llu counted, %llu in the log", round, (unsigned long long)sum,
                     (unsigned long long)status.offset);
        cr_assert_geq(sum, before);
        before = sum;
        if (round % 2 == 0) {
            stop(j, &c);
        } else {
            cs_journal_free(j);
            cs_dirty_destroy(&c.dirty);
        }
    }
    cr_assert(restored);
}

static void spoil(const char *file, const char *find)
{
    int fd = open(file, O_RDWR);
    cr_assert_geq(fd, 0);
    struct stat about;
    cr_assert_eq(fstat(fd, &about), 0);
    char *all = cs_alloc((size_t)about.st_size);
    cr_assert_eq(pread(fd, all, (size_t)about.st_size, 0), about.st_size);
    char *at = memmem(all, (size_t)about.st_size, find, strlen(find));
    cr_assert_not_null(at);
    cr_assert_eq(pwrite(fd, "y", 1, at - all + 3), 1);
    cs_free(all);
    (void)close(fd);
}

Test(snapshot, that_is_not_fit_is_put_aside)
{
    counts c = {.format = 1, .padding = 20};
    char aside[128];
    fresh();
    (void)snprintf(aside, sizeof aside, "%s.unusable", snap);
    cs_journal *j = start(&c);
    fill(j);
    stop(j, &c);

    spoil(snap, "xxxxxxxxxxxxxxxxxxxx"); /* a byte of a row */
    j = start(&c);
    cr_assert(c.restored == 0 && c.past == FILLED && exists(aside));
    stop(j, &c);

    c.format = 2; /* as another version of the program would */
    (void)unlink(aside);
    j = start(&c);
    cr_assert(c.restored == 0 && c.past == FILLED && exists(aside));
    stop(j, &c);
    j = start(&c);
    cr_assert(c.restored == ROWS && c.past == 0);
    stop(j, &c);

    FILE *text = fopen(snap, "w"); /* no database */
    cr_assert_not_null(text);
    fputs("this is no database, and long enough for a header of one; this is no database, and long enough for one",
          text);
    (void)fclose(text);
    (void)unlink(aside);
    j = start(&c);
    cr_assert(c.restored == 0 && c.past == FILLED && exists(aside));
    stop(j, &c);

    (void)unlink(path); /* another journal: its events are not those of the snapshot */
    (void)unlink(aside);
    j = start(&c);
    cr_assert(c.restored == 0 && c.total == 0 && exists(aside));
    stop(j, &c);
}

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool says(const char *line)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_metrics_render(metrics, &text);
    bool found = strstr(cs_buf_cstr(&text), line) != NULL;
    cs_buf_destroy(&text);
    return found;
}

/* Rows of 100 KB, events of 150 bytes: the snapshot meets the limit, the journal does not. */
Test(snapshot, waits_for_room_on_the_disk)
{
    counts c = {.format = 1, .padding = 100000};
    fresh();
    (void)signal(SIGXFSZ, SIG_IGN);
    metrics = cs_metrics_new(1);
    cs_journal *j = start(&c);
    put(j, 0, 3);
    cs_time_sleep_ns(50 * CS_NS_PER_MS);
    limit_files_to(8 << 20);
    cr_assert(says("countersign_snapshot_failures_total 0"));
    fill(j);
    while (says("countersign_snapshot_failures_total 0")) {
        cs_time_sleep_ns(20 * CS_NS_PER_MS);
    }
    put(j, 0, 1);
    limit_files_to(RLIM_INFINITY);
    stop(j, &c);
    j = start(&c);
    cr_assert_eq(c.total, FILLED + 4);
    cr_assert(c.restored == ROWS && c.past == 0);
    stop(j, &c);
    cs_metrics_free(metrics);
}

/* ---- rows come and go */
typedef struct memory_sink {
    cs_snapshot out;
    char rows[26]; /* key 'a'… → value, 0 = none */
} memory_sink;

static void remember(cs_snapshot *self, char op, cs_slice key, cs_slice value)
{
    ((memory_sink *)self)->rows[key.p[0] - 'a'] = (char)(op == 'D' ? 0 : value.p[0]);
}

static bool never(const cs_snapshot *self)
{
    (void)self;
    return false;
}

typedef struct letter {
    cs_dirty_link dirty;
    char key, value;
} letter;

static void put_letter(void *self, void *which, cs_snapshot *out)
{
    (void)self;
    const letter *l = which;
    cs_snapshot_put(out, cs_slice_make(&l->key, 1), cs_slice_make(&l->value, 1));
}

/* At random: rows made, changed, gone, and made again, cuts, failures. What the file has after each snapshot that did
 * not fail is what there was at its cut. */
Test(snapshot, has_the_rows_of_the_cut)
{
    cs_dirty d;
    cs_dirty_init(&d, true, put_letter, NULL, offsetof(letter, dirty));
    memory_sink file = {.out = {.write = remember, .behind = never}};
    letter *live[26] = {NULL};
    memory_sink next = file;
    char at_cut[26] = {0};
    bool cutting = false;
    srand(7);
    for (int i = 0; i < 300000; i++) {
        int k = rand() % 26;
        int what = rand() % 100;
        if (what < 60) {
            if (live[k] == NULL) {
                live[k] = cs_zalloc(sizeof **live);
                live[k]->key = (char)('a' + k);
            }
            cs_dirty_mark(&d, live[k]);
            live[k]->value = (char)('0' + rand() % 60);
        } else if (what < 80 && live[k] != NULL) {
            cs_dirty_gone(&d, live[k], cs_slice_make(&live[k]->key, 1));
            cs_free(live[k]);
            live[k] = NULL;
        } else if (what < 85 && !cutting) {
            cutting = true;
            next = file;
            for (int n = 0; n < 26; n++) {
                at_cut[n] = live[n] != NULL ? live[n]->value : 0;
            }
            cs_dirty_cut(&d, &next.out);
        } else if (cutting && cs_dirty_save(&d, what < 95 ? 0 : INT64_MAX)) {
            bool ok = rand() % 3 != 0;
            cs_dirty_saved(&d, ok);
            cutting = false;
            if (ok) {
                file = next;
                cr_assert_eq(memcmp(file.rows, at_cut, sizeof at_cut), 0, "step %d", i);
            }
        }
    }
    cs_dirty_destroy(&d);
    for (int n = 0; n < 26; n++) {
        cs_free(live[n]);
    }
}
