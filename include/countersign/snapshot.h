/* Snapshots: what the folds of a journal hold at one position of the log, in one file, so that a start reads the file
 * and the log from there instead of the whole log.
 *
 * A fold's state is rows: key → bytes, both its own affair. At the instant of a snapshot (`cut`) it stops where it is:
 * what changes from then on is written as it was before it changes (copy on write), the rest bit by bit between batches
 * (`save`), so that no event waits. Only what has changed since the last snapshot is written. A thread of the journal's
 * writes the file, all in one transaction with the positions in the log.
 *
 * cs_dirty does all that for a fold whose state is a set of rows. The fold embeds a link in each row and calls
 * cs_dirty_mark before it changes one:
 *
 *   static void put_row(void *self, void *row, cs_snapshot *out) { … cs_snapshot_put(out, key, bytes); }
 *   cs_dirty_init(&f->dirty, cs_journal_keeps_snapshots(journal), put_row, f, offsetof(row, dirty));
 *   cs_journal_fold(journal, &(cs_fold){…, .name = "holds", .format = 1, .cut = cut, .save = save, .saved = saved,
 *                                       .restore = restore});
 *
 * where cut, save and saved call cs_dirty_cut, cs_dirty_save and cs_dirty_saved. The bytes of rows: base/bytes.h. */
#ifndef CS_SNAPSHOT_H
#define CS_SNAPSHOT_H

#include "countersign/base/buf.h"
#include "countersign/base/slice.h"
#include "countersign/base/vec.h"

/* A snapshot under way, as one fold sees it: from `cut` until `saved`. The journal's thread only. What is put is
 * copied. A key has at most 64 KiB, a value at most 64 MiB. */
typedef struct cs_snapshot cs_snapshot;
/* The row is this. */
void cs_snapshot_put(cs_snapshot *out, cs_slice key, cs_slice value);
/* The row is what it was (and may be put no more), and this after it: restore is called for each piece, in order. */
void cs_snapshot_append(cs_snapshot *out, cs_slice key, cs_slice value);
/* The row is gone, with all pieces. */
void cs_snapshot_delete(cs_snapshot *out, cs_slice key);
/* The writer has enough to do: `save` may stop here and go on later. Never wait for it. */
bool cs_snapshot_behind(const cs_snapshot *out);

/* ---- rows that changed */

typedef struct cs_dirty_link { /* all zero to begin with */
    uint32_t epoch, at;
} cs_dirty_link;

/* Puts a row as it is now. */
typedef void cs_dirty_put(void *self, void *row, cs_snapshot *out);

/* One thread at a time: the journal's, or whoever holds the lock that the fold uses for its rows. */
typedef struct cs_dirty {
    bool on; /* off, everything here does nothing */
    cs_dirty_put *put;
    void *self;
    size_t link;            /* offset of the cs_dirty_link in a row */
    CS_VEC(void *) changed; /* since the last cut */
    CS_VEC(void *) cutting; /* before it; those before `next` are put already */
    CS_VEC(cs_slice) gone;  /* keys of rows that are no more; owned */
    CS_VEC(cs_slice) gone_cutting;
    size_t next;
    uint32_t epoch;   /* of `changed` */
    cs_snapshot *out; /* NULL = no snapshot is under way */
} cs_dirty;

void cs_dirty_init(cs_dirty *d, bool on, cs_dirty_put *put, void *self, size_t link);
void cs_dirty_destroy(cs_dirty *d);
void cs_dirty_mark_slow(cs_dirty *d, void *row);
/* Before a row changes, or after it was made. Cheap when it was marked since the last cut. */
static inline void cs_dirty_mark(cs_dirty *d, void *row)
{
    if (d->on && ((const cs_dirty_link *)(const void *)((const char *)row + d->link))->epoch != d->epoch) {
        cs_dirty_mark_slow(d, row);
    }
}
/* Before a row is freed. The key is what it was put under. */
void cs_dirty_gone(cs_dirty *d, void *row, cs_slice key);
/* For the functions of a fold with the same names. save: false if there is more. */
void cs_dirty_cut(cs_dirty *d, cs_snapshot *out);
bool cs_dirty_save(cs_dirty *d, int64_t until_mono);
void cs_dirty_saved(cs_dirty *d, bool ok);

/* ---- a fold that is one row, of a size that is soon written */

typedef struct cs_whole {
    bool changed;                           /* since the last cut; set by the fold, under its lock */
    void (*write)(void *self, cs_buf *out); /* the row now; takes the fold's lock and clears `changed` */
    void *self;
    cs_buf bytes; /* of the snapshot under way */
    cs_snapshot *out;
} cs_whole;

void cs_whole_init(cs_whole *w, void (*write)(void *self, cs_buf *out), void *self);
void cs_whole_destroy(cs_whole *w);
/* For the functions of a fold with the same names: the row is as it was at the cut. Nothing is put if it has not
 * changed. */
void cs_whole_cut(cs_whole *w, cs_snapshot *out);
bool cs_whole_save(cs_whole *w);
/* true if the row is to be written again: then set `changed` under the fold's lock. */
bool cs_whole_saved(cs_whole *w, bool ok);

#endif
