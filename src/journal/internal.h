/* What the files of this folder share: the door (journal.c), applying (fold.c), the kinds behind a small table of
 * functions (local.c over sqlite.c). */
#ifndef CS_JOURNAL_INTERNAL_H
#define CS_JOURNAL_INTERNAL_H

#include <stdatomic.h>

#include "countersign/base/queue.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/journal.h"
#include "countersign/move.h"
#include "journal/plain.h"

/* ---- kinds */

/* Where a log goes on: the first offset of a partition that is not applied yet. */
typedef struct cs_journal__position {
    char topic[250]; /* "" for SQLite */
    uint32_t partition;
    uint64_t next;
    uint64_t mark; /* digest of the event before `next`, 0 = unknown: is it still the same log? */
} cs_journal__position;

/* All of them together, and whose they are: positions of one log mean nothing in another. */
typedef struct cs_journal__positions {
    char identity[128]; /* the file's id, or the Kafka cluster's */
    CS_VEC(cs_journal__position) v;
} cs_journal__positions;

/* A kind of log. `self` is what its opener put into journal->log. Every function runs on the journal's thread, except
 * where it says otherwise. */
typedef struct cs_journal__kind {
    /* The thread's work: apply the past, set caught_up, then take batches from the queue and answer them, until `stop`
     * is set and the queue is empty. */
    void (*run)(cs_journal *j);
    /* How far the state is behind once it has caught up, in nanoseconds. Any thread, cheap. */
    int64_t (*lag)(const cs_journal *j);
    /* Any thread. */
    size_t (*sources)(cs_journal *j, cs_arena *a, cs_journal_source **out);
    /* Between two groups: what is applied, exactly. false if this is no moment for a cut. The caller frees out->v. */
    bool (*positions)(cs_journal *j, cs_journal__positions *out);
    /* Before `run`: apply only what comes at these and later. Copied. CS_ERR_INVALID if they belong to another log. */
    cs_err (*resume)(cs_journal *j, const cs_journal__positions *from, cs_error *e);
    /* Instead of `run`: every event up to the present end; one event more; all of those durable. */
    cs_err (*walk)(cs_journal *j, cs_journal_each *each, void *self, cs_error *e);
    cs_err (*put)(cs_journal *j, const cs_event *event, cs_error *e);
    cs_err (*flush)(cs_journal *j, cs_error *e);
    /* After the thread's end. */
    void (*close)(cs_journal *j);
} cs_journal__kind;

enum { CS_JOURNAL__LETTERS = 100, CS_JOURNAL__LETTER_BYTES = 4096 };
enum { CS_JOURNAL__FOLDS = 32 };

struct cs_journal {
    const cs_journal__kind *kind;
    void *log;                               /* the kind's own */
    struct cs_journal__snapshots *snapshots; /* NULL = none are made */
    cs_fold folds[CS_JOURNAL__FOLDS];
    size_t n_folds;
    char wanted_type[64]; /* the type asked for last, and the folds that want it, a bit each; the journal's thread */
    size_t wanted_n;
    uint32_t wanted;
    cs_queue *queue;
    cs_thread thread;
    bool started;
    int64_t started_mono;
    int64_t (*now_ns)(void *self);
    void *now_self;
    char name[300];

    _Atomic bool stop;
    _Atomic bool caught_up;
    _Atomic bool broken;
    _Atomic int64_t failing_mono; /* since when it cannot be written, or its brokers cannot be reached; 0 = it works */
    _Atomic int64_t replayed_ns;  /* arrival of the last event of the past that was applied */
    _Atomic uint64_t applied;
    _Atomic uint64_t offset;

    cs_mutex lock; /* of what follows */
    cs_journal_letter
        letters[CS_JOURNAL__LETTERS]; /* a ring of the newest; texts are one block that begins at code.p */
    uint64_t n_letters;
    cs_cond changed;
    cs_error error; /* why it is broken or failing */

    cs_arena arena;          /* the thread's own */
    cs_event__shapes shapes; /* of what it reads */
};

/* Wakes the thread out of cs_queue_wait; takes no part in anything else. */
extern cs_journal_batch cs_journal__wake_up;

/* The opener of a kind: sets kind and log. Errors as cs_journal_open. */
CS_MUST_CHECK cs_err cs_journal__local_open(const cs_journal_options *options, cs_journal *j, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__kafka_open(const cs_journal_options *options, cs_journal *j, cs_error *e);

/* ---- for kinds, on the journal's thread */

/* Reads an event of the log and asks the folds that want it whether it can be applied. `limits` as cs_event_read;
 * `past` is what they see. CS_ERR_INVALID with *reject. Everything is in `a`. */
CS_MUST_CHECK cs_err cs_journal__read(cs_journal *j, cs_arena *a, cs_slice body, bool limits, bool past,
                                      cs_event *event, cs_event_reject *reject);
/* The same of an envelope that was put together; `body` is what the event says it came from. */
CS_MUST_CHECK cs_err cs_journal__read_value(cs_journal *j, cs_arena *a, cs_value envelope, cs_slice body,
                                            cs_event *event, cs_event_reject *reject);
/* Is there a fold for it? */
bool cs_journal__wanted(cs_journal *j, const cs_event *event);
/* Hands it to the folds. */
void cs_journal__apply(cs_journal *j, cs_event *event);
/* Do all folds that want it know it already? */
bool cs_journal__redundant(cs_journal *j, const cs_event *event);
/* A little work on snapshots; call it between groups, and every few thousand events of the past: it may ask the kind
 * for its positions. True: there is more to do, call again within a few milliseconds. */
bool cs_journal__snapshot_step(cs_journal *j);
/* Shows a dead letter; its texts are copied, the body cut. Any thread; a short lock. */
void cs_journal__letter_show(cs_journal *j, const cs_journal_letter *letter);
void cs_journal__letters_free(cs_journal *j);
/* The end of the past: wakes cs_journal_wait. With an error other than CS_ERR_TIMEOUT (stopped) the log is broken. */
void cs_journal__replayed(cs_journal *j, cs_err err, const cs_error *e);
/* Failing since `since_mono` (0 = unknown), with `what` for the log the first time; and working again. */
void cs_journal__failing(cs_journal *j, int64_t since_mono, const char *what, const cs_error *e);
void cs_journal__working(cs_journal *j, const char *what);

/* ---- the SQLite file. Used by one thread at a time: first by whoever opens, then by the journal's thread. */

typedef struct cs_journal__file cs_journal__file;

/* Takes the file's lock and makes or checks its tables. Errors as cs_journal_open. */
CS_MUST_CHECK cs_err cs_journal__file_open(const char *path, bool sync_normal, cs_journal__file **out, cs_error *e);
/* NULL is fine. */
void cs_journal__file_close(cs_journal__file *f);

/* Every event from offset `from` on (1 is the first), in the order of offsets. `each` gets the text only for the length
 * of the call; its failure stops the walk. CS_ERR_INVALID if a row is damaged. */
typedef cs_err cs_journal__each(void *self, uint64_t offset, int64_t arrived_ns, cs_slice body, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__file_walk(cs_journal__file *f, uint64_t from, cs_journal__each *each, void *self,
                                           cs_error *e);
/* Offset of the last event that was committed; 0 = none. */
uint64_t cs_journal__file_last(const cs_journal__file *f);
/* Made with the file, 32 hexadecimal digits. */
const char *cs_journal__file_id(const cs_journal__file *f);

/* One transaction: begin, any number of puts, then commit (durable when it returns) or undo. After a failure of any of
 * them: undo. Offsets go on from the last one committed. */
CS_MUST_CHECK cs_err cs_journal__file_begin(cs_journal__file *f, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__file_put(cs_journal__file *f, int64_t arrived_ns, cs_slice body, uint64_t *offset,
                                          cs_error *e);
CS_MUST_CHECK cs_err cs_journal__file_commit(cs_journal__file *f, cs_error *e);
void cs_journal__file_undo(cs_journal__file *f);
/* Keeps a dead letter, in the transaction if there is one, and drops the oldest beyond the limit; one of the same place
 * in the log is kept once (*fresh: it is new). The newest of them, the oldest first. */
CS_MUST_CHECK cs_err cs_journal__file_letter(cs_journal__file *f, const cs_journal_letter *letter, bool *fresh,
                                             cs_error *e);
typedef void cs_journal__each_letter(void *self, const cs_journal_letter *letter);
CS_MUST_CHECK cs_err cs_journal__file_letters(cs_journal__file *f, size_t most, cs_journal__each_letter *each,
                                              void *self, cs_error *e);
/* Can it be written? A small durable write of its own. */
CS_MUST_CHECK cs_err cs_journal__file_probe(cs_journal__file *f, cs_error *e);

#endif
