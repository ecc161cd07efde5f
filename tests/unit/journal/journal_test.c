/* The journal as a file and as a thread: what is answered is on disk, what cannot be written is refused, what is
 * damaged is said. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "countersign/base/limits.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/journal.h"
#include "journal/internal.h"

/* ---- a fold that remembers ids */
typedef struct counter {
    _Atomic uint64_t applied, past;
    char ids[4096];
    bool refuse; /* what check says */
} counter;

static cs_event_outcome counter_apply(void *self, const cs_event *event)
{
    counter *c = self;
    char mark[64];
    (void)snprintf(mark, sizeof mark, "<%.*s>", CS_FMT(event->id));
    if (strstr(c->ids, mark) != NULL) {
        return CS_EVENT_DUPLICATE;
    }
    if (strlen(c->ids) + strlen(mark) < sizeof c->ids) {
        strncpy(c->ids + strlen(c->ids), mark, sizeof mark);
    }
    c->applied++;
    c->past += event->past;
    return CS_EVENT_APPLIED;
}

static bool counter_redundant(void *self, const cs_event *event)
{
    counter *c = self;
    char mark[64];
    (void)snprintf(mark, sizeof mark, "<%.*s>", CS_FMT(event->id));
    return strstr(c->ids, mark) != NULL;
}

static cs_err counter_check(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    (void)event;
    return ((counter *)self)->refuse ? cs_event_refuse(a, reject, "no", "not for me") : CS_OK;
}

/* ---- waiting for an answer */
typedef struct answer {
    cs_mutex lock;
    cs_cond changed;
    int n;
    cs_err err;
    char text[256];
    cs_event_outcome outcome;
    uint64_t offset;
} answer;

static answer *answer_new(void)
{
    static answer a;
    memset(&a, 0, sizeof a);
    cs_mutex_init(&a.lock);
    cs_cond_init(&a.changed);
    return &a;
}

static void answered(void *self, cs_journal_batch *batch, const cs_error *error)
{
    answer *a = self;
    cs_mutex_lock(&a->lock);
    a->n++;
    a->err = error != NULL ? error->code : CS_OK;
    (void)snprintf(a->text, sizeof a->text, "%.*s", (int)sizeof a->text - 1, error != NULL ? error->text : "");
    if (batch->n > 0) {
        a->outcome = batch->events[batch->n - 1].outcome;
        a->offset = batch->events[batch->n - 1].offset;
    }
    cs_cond_broadcast(&a->changed);
    cs_mutex_unlock(&a->lock);
    cs_journal_batch_free(batch);
}

static void wait_for(answer *a, int n)
{
    cs_mutex_lock(&a->lock);
    while (a->n < n) {
        cr_assert(cs_cond_wait_for(&a->changed, &a->lock, 20 * CS_NS_PER_S) || a->n >= n, "no answer");
    }
    cs_mutex_unlock(&a->lock);
}

static void put(cs_journal *j, answer *a, const char *id, size_t padding)
{
    cs_journal_batch *batch = cs_journal_batch_new(answered, a);
    char *pad = cs_arena_zalloc(&batch->arena, padding + 1);
    memset(pad, 'x', padding);
    size_t n = 0;
    char *text = cs_arena_printf(&batch->arena, &n,
                                 "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"t.one\","
                                 "\"subject\":\"s\",\"time\":\"2025-09-07T14:03:11Z\",\"data\":{\"pad\":\"%s\"}}",
                                 id, pad);
    cs_event event;
    cs_event_reject why;
    cr_assert_eq(cs_event_read(&batch->arena, cs_slice_make(text, n), false, &event, &why), CS_OK);
    cs_journal_batch_add(batch, &event);
    cs_error e;
    cr_assert_eq(cs_journal_append(j, batch, &e), CS_OK, "%s", e.text);
}

static char path[64];

static void fresh_path(void)
{
    char folder[] = "/tmp/cs-journal-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/state/j.db", folder);
}

static cs_journal *start(counter *c)
{
    cs_error e;
    cs_journal *j = NULL;
    cs_err err = cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &j, &e);
    cr_assert_eq(err, CS_OK, "%s", e.text);
    cs_journal_fold(
        j,
        &(cs_fold){
            .types = "t.", .self = c, .apply = counter_apply, .redundant = counter_redundant, .check = counter_check});
    cr_assert_eq(cs_journal_start(j, &e), CS_OK);
    return j;
}

static cs_journal *start_and_wait(counter *c)
{
    cs_journal *j = start(c);
    cs_error e;
    cs_err err = cs_journal_wait(j, 20 * CS_NS_PER_S, &e);
    cr_assert_eq(err, CS_OK, "%s", e.text);
    return j;
}

static void open_fails(cs_err code, const char *words)
{
    cs_error e;
    cs_journal *j = NULL;
    cr_assert_eq(cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &j, &e), code, "%s", e.text);
    cr_assert(strstr(e.text, words) != NULL && strstr(e.text, path) != NULL, "%s", e.text);
}

static void remove_path(void)
{
    char name[80];
    static const char *const ends[] = {"-wal", "-shm", ""};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
    for (int i = 0; i < 2; i++) {
        *strrchr(path, '/') = '\0';
        (void)rmdir(path);
    }
}

TestSuite(journal, .init = fresh_path, .fini = remove_path, .timeout = 60);

Test(journal, keeps_and_replays)
{
    counter first = {.applied = 0};
    answer *a = answer_new();
    cs_journal *j = start_and_wait(&first);
    put(j, a, "a", 0);
    wait_for(a, 1);
    cr_assert_eq(a->err, CS_OK);
    cr_assert_eq(a->outcome, CS_EVENT_APPLIED);
    cr_assert_eq(a->offset, 1);
    put(j, a, "b", 0);
    wait_for(a, 2);
    put(j, a, "a", 0); /* not written again */
    wait_for(a, 3);
    cr_assert_eq(a->outcome, CS_EVENT_DUPLICATE);
    cr_assert_eq(a->offset, 0);
    cs_journal_status status;
    cs_journal_get_status(j, &status);
    cr_assert(status.caught_up && !status.failing && !status.broken && status.offset == 2 && status.applied == 2);
    cr_assert_eq(status.lag_ns, 0);
    cs_journal_free(j);

    counter second = {.applied = 0};
    j = start_and_wait(&second);
    cr_assert_eq(second.applied, 2);
    cr_assert_eq(second.past, 2);
    put(j, a, "c", 0);
    wait_for(a, 4);
    cr_assert_eq(a->offset, 3);
    cr_assert_eq(second.past, 2);
    cs_journal_free(j);
}

Test(journal, answers_everything_before_it_ends)
{
    counter c = {.applied = 0};
    answer *a = answer_new();
    cs_journal *j = start(&c);
    for (int i = 0; i < 200; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%d", i);
        put(j, a, id, 0);
    }
    cs_journal_free(j);
    cr_assert_eq(a->n, 200);
    cr_assert_eq(a->err, CS_OK);
    cr_assert_eq(c.applied, 200);
}

Test(journal, is_held_by_one_process)
{
    counter c = {.applied = 0};
    cs_journal *j = start_and_wait(&c);
    pid_t child = fork();
    if (child == 0) {
        cs_error e;
        cs_journal *second = NULL;
        cs_err err = cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &second, &e);
        _exit(err == CS_ERR_IO && strstr(e.text, "another process holds it") != NULL ? 0 : 1);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    open_fails(CS_ERR_IO, "another process holds it"); /* nor twice by one */
    cs_journal_free(j);
    j = start_and_wait(&c);
    cs_journal_free(j);
}

static void write_file(const char *name, const char *bytes, size_t n, off_t at)
{
    int fd = open(name, O_RDWR | O_CREAT, 0644);
    cr_assert(fd >= 0);
    cr_assert_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
    (void)close(fd);
}

Test(journal, refuses_what_is_not_its_own)
{
    char folder[64];
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    cr_assert_eq(mkdir(folder, 0755), 0);
    char noise[8192];
    memset(noise, 'z', sizeof noise);
    write_file(path, noise, sizeof noise, 0);
    open_fails(CS_ERR_INVALID, "not an SQLite database");
    cr_assert_eq(unlink(path), 0);

    cr_assert_eq(mkdir(path, 0755), 0);
    open_fails(CS_ERR_IO, "unable to open");
    cr_assert_eq(rmdir(path), 0);

    /* Another program's: our file under another application id (bytes 68..71 of the header). */
    counter c = {.applied = 0};
    cs_journal_free(start_and_wait(&c));
    write_file(path, "\0\0\0\7", 4, 68);
    open_fails(CS_ERR_INVALID, "another program's database");
    write_file(path, "cjnl\0\0\0\0", 4, 68);
    write_file(path, "\0\0\0\7", 4, 60); /* user_version */
    open_fails(CS_ERR_INVALID, "another version");
}

/* Fills a journal, closes it, and returns where `needle` stands in the file. */
static off_t fill(const char *needle)
{
    counter c = {.applied = 0};
    answer *a = answer_new();
    cs_journal *j = start_and_wait(&c);
    for (int i = 0; i < 20; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "id-%03d", i);
        put(j, a, id, 400);
    }
    cs_journal_free(j);
    cr_assert_eq(c.applied, 20);
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof bytes);
    (void)close(fd);
    const char *at = memmem(bytes, (size_t)n, needle, strlen(needle));
    cr_assert_not_null(at);
    return at - bytes;
}

static void start_is_refused(const char *words)
{
    counter c = {.applied = 0};
    cs_journal *j = start(&c);
    cs_error e;
    cs_err err = cs_journal_wait(j, 20 * CS_NS_PER_S, &e);
    cr_assert(err == CS_ERR_INVALID && strstr(e.text, words) != NULL, "%d %s", err, e.text);
    cs_journal_status status;
    cs_journal_get_status(j, &status);
    cr_assert(status.broken && !status.caught_up && strstr(status.reason, words) != NULL);
    cs_journal_batch *batch = cs_journal_batch_new(answered, NULL);
    cr_assert_eq(cs_journal_append(j, batch, &e), CS_ERR_IO);
    cs_journal_batch_free(batch);
    cs_journal_free(j);
}

Test(journal, names_a_changed_byte)
{
    off_t at = fill("id-007");
    write_file(path, "id-008", 6, at);
    start_is_refused("event 8 is damaged");
}

Test(journal, refuses_a_damaged_page)
{
    off_t at = fill("id-010");
    char zeros[4096] = {0};
    write_file(path, zeros, sizeof zeros, at / 4096 * 4096);
    start_is_refused("damaged");
}

Test(journal, refuses_a_file_cut_short)
{
    off_t at = fill("id-010");
    cr_assert_eq(truncate(path, at / 4096 * 4096), 0);
    cs_error e;
    cs_journal *j = NULL;
    cs_err err = cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &j, &e);
    if (err == CS_OK) { /* found at the start or while reading, as the page may be */
        cs_journal_free(j);
        start_is_refused("damaged");
    } else {
        cr_assert(err == CS_ERR_INVALID && strstr(e.text, "damaged") != NULL, "%s", e.text);
    }
}

/* What the journal's dead letters are, the newest first. */
static size_t letters_of(cs_journal *j, cs_arena *a, cs_journal_letter **out)
{
    cs_arena_init(a, 0);
    return cs_journal_letters(j, a, out);
}

Test(journal, goes_on_behind_what_is_no_event)
{
    (void)fill("id-010");
    cs_journal__file *f = NULL;
    cs_error e;
    cr_assert_eq(cs_journal__file_open(path, false, &f, &e), CS_OK);
    uint64_t offset = 0;
    cr_assert_eq(cs_journal__file_begin(f, &e), CS_OK);
    cr_assert_eq(cs_journal__file_put(f, 1, CS_LIT("{}"), &offset, &e), CS_OK);
    cr_assert_eq(offset, 21);
    cs_journal__file_undo(f);
    cr_assert_eq(cs_journal__file_begin(f, &e), CS_OK);
    cr_assert_eq(cs_journal__file_put(f, 1, CS_LIT("{}"), &offset, &e), CS_OK);
    cr_assert_eq(offset, 21, "an undone put leaves no gap");
    cr_assert_eq(cs_journal__file_commit(f, &e), CS_OK);
    cs_journal__file_close(f);
    for (int i = 0; i < 2; i++) { /* read again at each start, it is one letter all the same */
        counter c = {.refuse = false};
        cs_journal *j = start_and_wait(&c);
        cr_assert_eq(c.applied, i == 0 ? 20 : 21);
        answer *a = answer_new();
        put(j, a, "behind", 0);
        wait_for(a, 1);
        cr_assert(a->err == CS_OK && (i == 1 || a->offset == 22), "%s", a->text);
        cs_arena arena;
        cs_journal_letter *letters = NULL;
        size_t n = letters_of(j, &arena, &letters);
        cr_assert_eq(n, 1);
        cr_assert(!letters[0].posted && letters[0].offset == 21 && cs_slice_is(letters[0].body, "{}"));
        cr_assert(letters[0].reason.n > 0 && letters[0].code.n > 0 && letters[0].at_ns > 0);
        cs_arena_destroy(&arena);
        cs_journal_free(j);
    }
}

static void count_letter(void *self, const cs_journal_letter *letter)
{
    (void)letter;
    ++*(size_t *)self;
}

Test(journal, keeps_as_many_dead_letters_as_it_may)
{
    counter c = {.refuse = false};
    uint64_t before = cs_limits_get()->dead_letters;
    cr_assert(cs_limits_set("dead_letters", 3));
    cs_journal *j = start_and_wait(&c);
    answer *a = answer_new();
    for (int i = 0; i < 5; i++) {
        cs_journal_batch *batch = cs_journal_batch_new(answered, a);
        cs_event_reject why = {.code = "no", .message = CS_LIT("not at all")};
        size_t n = 0;
        char *text = cs_arena_printf(&batch->arena, &n, "bad %d %5000d", i, i);
        cs_journal_batch_reject(batch, &why, cs_slice_make(text, n));
        cs_error e;
        cr_assert_eq(cs_journal_append(j, batch, &e), CS_OK);
    }
    wait_for(a, 5);
    cr_assert_eq(a->err, CS_OK);
    cs_journal_free(j);
    counter again = {.refuse = false};
    j = start_and_wait(&again);
    cs_arena arena;
    cs_journal_letter *letters = NULL;
    cr_assert_eq(letters_of(j, &arena, &letters), 3);
    cr_assert(letters[0].posted && cs_slice_starts(letters[0].body, CS_LIT("bad 4")) && letters[0].body.n == 4096);
    cr_assert(cs_slice_starts(letters[2].body, CS_LIT("bad 2")) && cs_slice_is(letters[2].code, "no"));
    cs_arena_destroy(&arena);
    cs_journal_free(j);
    cs_journal__file *f = NULL;
    cs_error e;
    size_t n = 0;
    cr_assert_eq(cs_journal__file_open(path, false, &f, &e), CS_OK);
    cr_assert_eq(cs_journal__file_letters(f, 100, count_letter, &n, &e), CS_OK);
    cr_assert_eq(n, 3);
    cs_journal__file_close(f);
    cr_assert(cs_limits_set("dead_letters", before));
}

Test(journal, asks_the_fold_about_the_past)
{
    (void)fill("id-010");
    counter c = {.refuse = true};
    cs_journal *j = start(&c);
    cs_error e;
    cr_assert_eq(cs_journal_wait(j, 20 * CS_NS_PER_S, &e), CS_OK);
    cr_assert_eq(c.applied, 0);
    cs_arena arena;
    cs_journal_letter *letters = NULL;
    cr_assert_eq(letters_of(j, &arena, &letters), 20);
    cr_assert(cs_slice_is(letters[0].reason, "not for me") && letters[19].offset == 1);
    cs_arena_destroy(&arena);
    cs_journal_free(j);
}

/* Files of this process may not grow further: the disk is full. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(journal, refuses_when_the_disk_is_full_and_recovers)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    counter c = {.applied = 0};
    answer *a = answer_new();
    cs_journal *j = start_and_wait(&c);
    put(j, a, "before", 0);
    wait_for(a, 1);
    cr_assert_eq(a->err, CS_OK);
    limit_files(64 * 1024);
    put(j, a, "big", 200 * 1024);
    wait_for(a, 2);
    cr_assert_eq(a->err, CS_ERR_IO, "%s", a->text);
    cr_assert_eq(c.applied, 1, "what was refused is not counted");
    cs_journal_status status;
    cs_journal_get_status(j, &status);
    cr_assert(status.failing && status.lag_ns > 0 && status.reason[0] != '\0' && !status.broken);
    limit_files(RLIM_INFINITY);
    put(j, a, "after", 200 * 1024);
    wait_for(a, 3);
    cr_assert_eq(a->err, CS_OK, "%s", a->text);
    cs_journal_get_status(j, &status);
    cr_assert(!status.failing && status.reason[0] == '\0');
    cs_journal_free(j);
    counter again = {.applied = 0};
    cs_journal_free(start_and_wait(&again));
    cr_assert_eq(again.applied, 2);
    cr_assert_not_null(strstr(again.ids, "<after>"));
    cr_assert_null(strstr(again.ids, "<big>"));
}
