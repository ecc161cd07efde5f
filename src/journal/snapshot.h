/* Snapshots inside the journal: the cycle on its thread (snapshot.c), the file (snapshot_file.c). */
#ifndef CS_JOURNAL_SNAPSHOT_H
#define CS_JOURNAL_SNAPSHOT_H

#include "countersign/metrics.h"
#include "countersign/snapshot.h"
#include "journal/internal.h"

/* What a fold writes to. */
struct cs_snapshot {
    void (*write)(cs_snapshot *self, char op, cs_slice key, cs_slice value); /* 'P'ut, 'A'ppend, 'D'elete */
    bool (*behind)(const cs_snapshot *self);
};

/* ---- snapshot.c. NULL stands for a journal without snapshots. */

typedef struct cs_journal__snapshots cs_journal__snapshots;

/* Does nothing with the file yet. */
cs_journal__snapshots *cs_journal__snapshots_new(cs_journal *j, const cs_journal_options *options);
void cs_journal__snapshots_free(cs_journal__snapshots *s);
/* On the journal's thread, before the kind runs: the folds as the snapshot has them, and the kind to go on from there.
 * A snapshot that is not fit is said so and put aside, and nothing is restored. An error breaks the journal: the folds
 * are in between. */
CS_MUST_CHECK cs_err cs_journal__snapshots_restore(cs_journal__snapshots *s, cs_error *e);
/* After the kind has run: a last one, so that the next start has nothing to replay. */
void cs_journal__snapshots_finish(cs_journal__snapshots *s);
/* Declared for kinds in internal.h: cs_journal__snapshot_step. */

/* ---- snapshot_file.c. Used by one thread at a time. */

typedef struct cs_journal__snapfile cs_journal__snapfile;

/* What stands at the head of a snapshot. */
typedef struct cs_journal__snaphead {
    bool there;     /* false: a file without a snapshot */
    int64_t cut_ns; /* wall clock */
    cs_journal__positions positions;
    struct {
        char name[32];
        uint32_t format;
    } folds[CS_JOURNAL__FOLDS];
    size_t n_folds;
} cs_journal__snaphead;

/* Takes the lock, makes the tables if it is new. CS_ERR_IO, or CS_ERR_INVALID: damaged, another program's, of another
 * version. */
CS_MUST_CHECK cs_err cs_journal__snapfile_open(const char *path, cs_journal__snapfile **out, cs_error *e);
void cs_journal__snapfile_close(cs_journal__snapfile *f); /* NULL is fine */
/* The caller frees positions.v. */
CS_MUST_CHECK cs_err cs_journal__snapfile_head(cs_journal__snapfile *f, cs_journal__snaphead *out, cs_error *e);
/* Every row by fold, key, and order of pieces, after its checksum was compared. */
typedef cs_err cs_journal__snaprow(void *self, uint32_t fold, cs_slice key, cs_slice value, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__snapfile_walk(cs_journal__snapfile *f, cs_journal__snaprow *each, void *self,
                                               cs_error *e);
/* One transaction: begin, changes, then finish (durable) or undo. */
CS_MUST_CHECK cs_err cs_journal__snapfile_begin(cs_journal__snapfile *f, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__snapfile_put(cs_journal__snapfile *f, uint32_t fold, cs_slice key, cs_slice value,
                                              bool append, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__snapfile_delete(cs_journal__snapfile *f, uint32_t fold, cs_slice key, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__snapfile_finish(cs_journal__snapfile *f, const cs_journal__snaphead *head,
                                                 cs_error *e);
void cs_journal__snapfile_undo(cs_journal__snapfile *f);
uint64_t cs_journal__snapfile_bytes(const cs_journal__snapfile *f);
/* Renames a file that is not fit, beside what was put aside before: path.unusable. It must be closed. */
void cs_journal__snapfile_aside(const char *path);

#endif
