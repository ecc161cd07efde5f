/* The event log that all state is folded from: append, make durable, apply, answer, in that order.
 *
 * An event is a CloudEvents 1.0 document. Folds (the spend ledger, approvals) register before the start; the journal's
 * own thread hands them every event in log order, first those of the past, then each new one after it is durable. So a
 * fold has one writer, and the same log gives the same state. A fold takes time from the event alone: `time_ns`, as its
 * source says, and `arrived_ns`, as the journal stamped it when it was recorded.
 *
 * Appending never waits: a batch goes into a bounded queue, and its callback runs on the journal's thread when the
 * batch is durable and applied, or refused. All batches that wait share one commit.
 *
 *   cs_journal_open(&options, &journal, &e);      takes the file, or fails: locked, damaged, another program's
 *   cs_journal_fold(journal, &fold);              once for each fold
 *   cs_journal_start(journal, &e);                replays the past on the journal's thread
 *   cs_journal_wait(journal, 30 * CS_NS_PER_S, &e);
 *   ... cs_journal_append ...
 *   cs_journal_free(journal);
 *
 * Kinds: SQLite (one file, this machine) and Kafka (two topics: `spend`, that others write as well, and `own`). On
 * Kafka an append is a produce, and its callback runs when the records have come back through the consumer and are
 * applied: the log alone says what comes first. `offset` is then the broker's, `arrived_ns` the record's timestamp, and
 * `partition` numbers the pairs of topic and partition as this process met them. */
#ifndef CS_JOURNAL_H
#define CS_JOURNAL_H

#include "countersign/event.h"
#include "countersign/kafka.h"
#include "countersign/metrics.h"
#include "countersign/snapshot.h"

/* ---- folds */
typedef struct cs_fold {
    const char *types; /* prefix of the event types that it wants, "io.countersign.spend." */
    void *self;
    /* Applies one event and says what became of it. On the journal's thread, in log order. Must not fail. */
    cs_event_outcome (*apply)(void *self, const cs_event *event);
    /* Would apply find an identical duplicate? Then a journal that writes need not keep it. On the journal's thread;
     * NULL = never. */
    bool (*redundant)(void *self, const cs_event *event);
    /* Is the event readable for this fold? Asked for what comes out of the log and was not checked by whoever appended
     * it: the past, and everything that others wrote. CS_ERR_INVALID with *reject (texts in `a` or static; not
     * `index`): a damaged file is refused, a record of a topic becomes a dead letter. If all folds agree, apply for the
     * same event follows on the same thread, at once or after the checks of the next few: what check has read may be
     * kept in event->parsed, in `a`, and what apply will look for can be brought into the cache. NULL = always. */
    cs_err (*check)(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject);

    /* ---- snapshots (snapshot.h). All on the journal's thread. A fold without a name keeps the journal from making
     * any: what it holds is not in them. */
    const char *name; /* of its rows, at most 31 bytes */
    uint32_t format;  /* of their bytes; a snapshot with another one is not used */
    /* The instant of the snapshot: its rows are what they are now. `out` is good until `saved`. */
    void (*cut)(void *self, cs_snapshot *out);
    /* Puts rows until then (cs_time_mono_ns), or until the writer is behind; true when all are out. */
    bool (*save)(void *self, int64_t until_mono);
    /* It is durable; or it failed, and what it had is to be put again. Also before `save` said true. */
    void (*saved)(void *self, bool ok);
    /* A row of the last snapshot, by key in bytewise order; pieces in the order in which they were appended. Before any
     * event is applied. CS_ERR_INVALID: the journal cannot be used. */
    cs_err (*restore)(void *self, cs_slice key, cs_slice value, cs_error *e);
    cs_err (*restored)(void *self, cs_error *e); /* after the last row; NULL = nothing to do then */
} cs_fold;
/* Fills in the functions for snapshots of a fold whose state is in the rows of another one. */
void cs_fold_without_rows(cs_fold *fold, const char *name);

/* ---- the journal */
typedef struct cs_journal cs_journal;

/* Kafka: three topics of a cluster. Texts are copied. */
typedef struct cs_journal_kafka {
    const char *brokers;     /* "host:port,host:port" */
    const char *spend;       /* spend events, whoever writes them */
    const char *own;         /* what countersign emits; made if it does not exist */
    const char *dead_letter; /* records that cannot be read; NULL = "<spend>.dlq"; made if it does not exist */
    const cs_kafka_property *properties; /* for librdkafka */
    size_t n_properties;
    int64_t rebuild_ns; /* without a snapshot it is read from so long ago; 0 = 401 days */
    int64_t again_ns;   /* a log that turns out to be another one is read from so long ago; as long as ids are
                           remembered, so that nothing counts twice. 0 = 35 days */
    int64_t append_ns;  /* a batch that has not come back by then is answered as failed; 0 = 10 seconds */
} cs_journal_kafka;

typedef struct cs_journal_options {
    const char *sqlite_path; /* the file; its folder is made. ":memory:" keeps nothing. NULL: kafka */
    const cs_journal_kafka *kafka;
    cs_metrics *metrics; /* NULL = none */
    bool sync_normal;    /* sqlite: fsync at checkpoints only; an acknowledged event may be lost when the machine loses
                            power */
    size_t queue;        /* batches that may wait; 0 = 4096 */
    const char *snapshot_path;     /* NULL = none */
    int64_t snapshot_interval_ns;  /* 0 = 60 seconds */
    int64_t (*now_ns)(void *self); /* NULL = the wall clock */
    void *now_self;
} cs_journal_options;

/* SQLite: takes the file and checks that it is ours. CS_ERR_IO: cannot be opened, or another process holds it;
 * CS_ERR_INVALID: damaged, or another program's database. *e names the file and the cause. Kafka: CS_ERR_INVALID for
 * settings that librdkafka refuses; waits for no broker. */
CS_MUST_CHECK cs_err cs_journal_open(const cs_journal_options *options, cs_journal **out, cs_error *e);
/* Before cs_journal_start. *fold is copied; self must outlive the journal. */
void cs_journal_fold(cs_journal *journal, const cs_fold *fold);
/* Must folds note what changes? */
bool cs_journal_keeps_snapshots(const cs_journal *journal);
/* Starts the thread, which restores the snapshot, replays what came after it, and then takes batches. */
CS_MUST_CHECK cs_err cs_journal_start(cs_journal *journal, cs_error *e);
/* Waits until every event that was there at the start is applied. CS_ERR_TIMEOUT (on Kafka also while no broker can be
 * reached); CS_ERR_INVALID or CS_ERR_IO if the log cannot be read (then it takes no batch any more). Any thread. */
CS_MUST_CHECK cs_err cs_journal_wait(cs_journal *journal, int64_t timeout_ns, cs_error *e);
/* Answers every batch that waits, ends the thread, closes the file. No append may be under way. NULL is fine. */
void cs_journal_free(cs_journal *journal);

/* Events that go in together. Made and filled by one thread, then given away. */
typedef struct cs_journal_batch cs_journal_batch;
/* Runs on the journal's thread. `error` is NULL if the batch is durable and applied (each event has its outcome, offset
 * and arrival); otherwise nothing of it was recorded, or, on Kafka, it cannot be known whether something was (an event
 * that comes through the log later counts then; sending it again is harmless). The batch belongs to the callback, which
 * frees it. */
typedef void cs_journal_done(void *self, cs_journal_batch *batch, const cs_error *error);
struct cs_journal_batch {
    cs_arena arena; /* of the events and whatever the caller wants to keep with them */
    cs_event *events;
    size_t n, cap;
    struct cs_journal_letter *letters; /* what came with them and could not be read */
    size_t n_letters, letters_cap;
    cs_journal_done *done;
    void *self;
    int64_t queued_mono_ns; /* the journal's */
};
cs_journal_batch *cs_journal_batch_new(cs_journal_done *done, void *self);
void cs_journal_batch_add(cs_journal_batch *batch, const cs_event *event);
void cs_journal_batch_free(cs_journal_batch *batch);
/* Beside the events: one that was sent to us and is refused, for the dead letters. Its texts must live as long as the
 * batch. A batch may hold nothing else; where they cannot be kept they are lost, which fails no batch. */
void cs_journal_batch_reject(cs_journal_batch *batch, const cs_event_reject *why, cs_slice body);

/* For whoever only wants to know: `told` is called once when the batch is durable and applied (`error` NULL) or
 * refused, on the journal's thread; the batch frees itself then. */
typedef void cs_journal_told(void *self, const cs_error *error);
cs_journal_batch *cs_journal_batch_telling(cs_journal_told *told, void *self);

/* Gives the batch away. Any thread; never waits. CS_ERR_LIMIT if the queue is full, CS_ERR_IO if the journal is broken:
 * then the batch is still the caller's. */
CS_MUST_CHECK cs_err cs_journal_append(cs_journal *journal, cs_journal_batch *batch, cs_error *e);

/* ---- dead letters: events that cannot be read, with the reason. SQLite keeps the newest (limit dead_letters) in the
 * table dead_letter; on Kafka they are records of a topic. */
typedef struct cs_journal_letter {
    int64_t at_ns;  /* when it was refused */
    bool posted;    /* it was sent to us, and is not in the log; else its place there: */
    cs_slice topic; /* "" for SQLite */
    uint32_t partition;
    uint64_t offset;
    cs_slice code, reason;
    cs_slice body; /* perhaps cut, to 4,096 bytes */
} cs_journal_letter;
/* The newest hundred, the last first, in `a`; on Kafka those since the start. Any thread; a short lock. */
size_t cs_journal_letters(cs_journal *journal, cs_arena *a, cs_journal_letter **out);

/* ---- freshness */
typedef struct cs_journal_status {
    char name[300];   /* "sqlite:state/journal.db" */
    bool caught_up;   /* all that was there at the start is applied */
    bool failing;     /* the last write failed, or no broker can be reached; tried again by itself */
    bool broken;      /* the log cannot be read; needs a person */
    int64_t as_of_ns; /* the state holds everything that was recorded up to then (wall clock) */
    int64_t lag_ns;   /* now - as_of */
    uint64_t applied; /* events applied since the start, the past included */
    uint64_t offset;  /* of the last event applied, whatever its partition */
    size_t waiting;   /* batches in the queue, or on their way through the log */
    char reason[512]; /* why it is failing or broken; "" otherwise */
} cs_journal_status;
/* Any thread, cheap: a few atomic loads, and a short lock only while there is a reason to tell. */
void cs_journal_get_status(cs_journal *journal, cs_journal_status *out);
/* One part of the log. SQLite is a single one, without a topic. */
typedef struct cs_journal_source {
    cs_slice topic;
    uint32_t partition; /* of the topic */
    uint64_t next;      /* offset of the first event that is not applied yet */
    uint64_t high;      /* offset behind the last event of the log, as last heard */
    int64_t lag_ns;     /* 0 where everything is applied */
} cs_journal_source;
/* All of them in `a`, by topic and partition; returns how many. Any thread; a short lock. */
size_t cs_journal_sources(cs_journal *journal, cs_arena *a, cs_journal_source **out);
/* The two that every decision reads, without the rest: lag in nanoseconds; *as_of_ns and *caught_up where wanted. */
int64_t cs_journal_lag(cs_journal *journal, int64_t *as_of_ns, bool *caught_up);

#endif
