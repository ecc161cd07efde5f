/* A journal with damage anywhere: a changed byte, a run of zeros, an end cut off. It must be refused with a message, or
 * be whole: the same events with the same content (bytes that nothing uses may change).
 *
 *   damage [SEED [ROUNDS]] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "countersign/base/time.h"
#include "countersign/journal.h"

enum { EVENTS = 60 };

static char path[64];
static char good[1 << 20];
static char bad[1 << 20];
static size_t size;
static uint64_t state;

static size_t below(size_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(state >> 33) % n;
}

/* What was replayed: a hash over everything, in order. */
typedef struct digest {
    uint64_t h;
    int n;
} digest;

static cs_event_outcome digest_event(void *self, const cs_event *event)
{
    digest *d = self;
    for (size_t i = 0; i < event->body.n; i++) {
        d->h = (d->h ^ (uint8_t)event->body.p[i]) * UINT64_C(0x100000001b3);
    }
    d->h = (d->h ^ (uint64_t)event->arrived_ns ^ event->offset) * UINT64_C(0x100000001b3);
    d->n++;
    return CS_EVENT_APPLIED;
}

/* CS_OK: replayed. The message is in *e otherwise. */
static cs_err replay(digest *d, cs_error *e)
{
    cs_journal *j = NULL;
    *d = (digest){.h = 1};
    cs_err err = cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &j, e);
    if (err == CS_OK) {
        cs_journal_fold(j, &(cs_fold){.types = "t", .self = d, .apply = digest_event});
        err = cs_journal_start(j, e);
        err = err == CS_OK ? cs_journal_wait(j, 20 * CS_NS_PER_S, e) : err;
    }
    cs_journal_free(j);
    return err;
}

static void answered(void *self, cs_journal_batch *batch, const cs_error *error)
{
    *(int *)self += error != NULL;
    cs_journal_batch_free(batch);
}

static int fill(void)
{
    cs_error e;
    cs_journal *j = NULL;
    int failed = 0;
    if (cs_journal_open(&(cs_journal_options){.sqlite_path = path}, &j, &e) != CS_OK ||
        cs_journal_start(j, &e) != CS_OK) {
        printf("%s\n", e.text);
        return 1;
    }
    for (int i = 0; i < EVENTS; i++) {
        cs_journal_batch *batch = cs_journal_batch_new(answered, &failed);
        size_t n = 0;
        char *text =
            cs_arena_printf(&batch->arena, &n,
                            "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/s\",\"type\":\"t\",\"subject\":\"s\","
                            "\"time\":\"2025-09-07T14:03:11Z\",\"data\":{\"pad\":\"%0*d\"}}",
                            i, 1 + (i * 97) % 900, i);
        cs_event event;
        cs_event_reject why;
        failed += cs_event_read(&batch->arena, cs_slice_make(text, n), true, &event, &why) != CS_OK;
        cs_journal_batch_add(batch, &event);
        failed += cs_journal_append(j, batch, &e) != CS_OK;
    }
    cs_journal_free(j);
    return failed;
}

static void write_whole(const char *bytes, size_t n)
{
    char name[80];
    (void)snprintf(name, sizeof name, "%s-wal", path);
    (void)unlink(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) {
        printf("cannot write\n");
        exit(1);
    }
    (void)close(fd);
}

/* Damages the copy; returns its size. */
static size_t damage(void)
{
    memcpy(bad, good, size);
    size_t at = below(size);
    switch (below(4)) {
    case 0:
        return at > 0 ? at : 1; /* an empty file is a new journal */
    case 1:
        memset(bad + at, 0, size - at < 300 ? size - at : 300);
        return size;
    case 2:
        return 4096 * (1 + below(size / 4096));
    default:
        bad[at] = (char)(bad[at] ^ (1 << below(8)));
        return size;
    }
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    int rounds = argc > 2 ? atoi(argv[2]) : 300;
    char folder[] = "/tmp/cs-damage-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/j.db", folder);
    int failed = fill();
    FILE *f = fopen(path, "rb");
    size = f != NULL ? fread(good, 1, sizeof good, f) : 0;
    if (f != NULL) {
        (void)fclose(f);
    }
    cs_error e = {.code = CS_OK};
    digest whole;
    failed += replay(&whole, &e) != CS_OK || whole.n != EVENTS;
    int refused = 0;
    for (int round = 0; round < rounds && failed == 0; round++) {
        size_t n = damage();
        write_whole(bad, n);
        digest d;
        e.text[0] = '\0';
        if (replay(&d, &e) != CS_OK) {
            refused++;
            failed += e.text[0] == '\0';
        } else if (d.n != whole.n || d.h != whole.h) {
            failed++;
            printf("round %d: %d events of %d, and no error\n", round, d.n, whole.n);
        }
    }
    write_whole(good, size);
    failed += replay(&whole, &e) != CS_OK || refused < rounds / 4;
    (void)unlink(path);
    (void)rmdir(folder);
    printf("%d of %d refused\n%d passed, %d failed\n", refused, rounds, failed == 0, failed > 0);
    return failed > 0;
}
