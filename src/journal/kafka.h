/* The Kafka kind's own: the loop and the status (kafka.c), appends under way (kafka_append.c), records into events and
 * dead letters (kafka_record.c). All on the journal's thread unless said otherwise. */
#ifndef CS_JOURNAL_KAFKA_H
#define CS_JOURNAL_KAFKA_H

#include "countersign/kafka.h"
#include "countersign/metrics.h"
#include "journal/internal.h"

/* A batch whose events are on their way through the log. */
typedef struct cs_journal__sending {
    cs_journal_batch *batch;
    size_t left;    /* events that have not come back */
    uint64_t first; /* number of its first event in the slots */
    size_t n;       /* events sent */
    int64_t deadline_mono;
    struct cs_journal__sending *next, *before;
} cs_journal__sending;

typedef struct cs_journal__slot {
    cs_journal__sending *sending; /* NULL = done */
    size_t index;                 /* in its batch */
} cs_journal__slot;

/* A record that was read and is not applied yet: while the next ones are read, what it will look for comes into the
 * cache. */
enum { CS_JOURNAL__AHEAD = 8 };
typedef struct cs_journal__coming {
    cs_event event;
    bool ours;
    uint64_t number; /* of an event of ours */
} cs_journal__coming;

/* Something about the log that is not as it should be. */
typedef struct cs_journal__fault {
    cs_kafka_fault fault;
    char topic[250];
    int32_t partition;
    int64_t until_mono; /* an incident is shown for a while; INT64_MAX = a state, until it is over */
    char text[400];
} cs_journal__fault;

typedef struct cs_journal__kafka {
    cs_journal *journal;
    cs_kafka_in *in;
    cs_kafka_out *out;
    char *spend, *own, *dead_letter;
    int64_t append_ns;
    char identity[128]; /* the cluster's that the positions are of; "" without positions */

    cs_journal__sending *oldest, *newest;
    size_t n_sending;
    cs_journal__slot *slots; /* a ring: number & (slots_cap - 1) */
    size_t slots_cap;
    uint64_t first, end; /* numbers in use: first .. end - 1 */

    cs_journal__coming coming[CS_JOURNAL__AHEAD]; /* numbers n_applied .. n_read - 1; empty between takes */
    uint64_t n_read, n_applied;
    int64_t taken_ns; /* when the last take began */

    uint64_t letters; /* dead letters sent and not confirmed */
    uint64_t posted;  /* of what was sent to us, so far */
    cs_series *dead, *lost_letters, *lost_records;
    int64_t complained_mono; /* about timestamps */
    uint64_t odd_stamps;

    CS_VEC(cs_journal__fault) faults;
    char said[400]; /* the reason that is shown */
    int64_t looked_mono;
    _Atomic int64_t behind_as_of; /* the oldest state of a partition that is behind (wall clock); 0 = none is */

    bool import_failed; /* a record of an import was not delivered; why */
    cs_error import_error;

    cs_mutex lock; /* of what sources() shows */
    CS_VEC(cs_kafka_part) shown;
} cs_journal__kafka;

/* ---- appends */

/* Takes what is in the queue and sends it. */
void cs_journal__kafka_accept(cs_journal__kafka *k);
/* An event of ours has come back and is applied. */
void cs_journal__kafka_returned(cs_journal__kafka *k, uint64_t number, const cs_event *event);
/* … or was found to be unreadable. */
void cs_journal__kafka_refused(cs_journal__kafka *k, uint64_t number, const cs_event_reject *reject);
/* What became of a record: cs_kafka_delivered. */
void cs_journal__kafka_delivered(void *self, uint64_t tag, const cs_error *error);
/* Answers what has waited too long; with `all`, everything. */
void cs_journal__kafka_expire(cs_journal__kafka *k, bool all);

/* Where an event goes, and what orders it there. */
const char *cs_journal__kafka_topic(const cs_journal__kafka *k, const cs_event *event);
cs_slice cs_journal__kafka_key(const cs_event *event);

/* ---- records */
#define CS_JOURNAL__APPEND_HEADER "cs-append" /* the producer's name and the event's number */
#define CS_JOURNAL__LETTER_TAG (UINT64_C(1) << 62)
#define CS_JOURNAL__IMPORT_TAG (UINT64_C(1) << 63)

/* Reads one record and applies it a few records later, or sends it to the dead letters. */
void cs_journal__kafka_record(cs_journal__kafka *k, const cs_kafka_record *record);
/* Applies those that are still to be. Before what they point to goes. */
void cs_journal__kafka_apply_rest(cs_journal__kafka *k);
/* The same of what was sent to us and came to no log: its key is "http/<producer>/<number>". */
void cs_journal__kafka_posted_letter(cs_journal__kafka *k, cs_journal_batch *batch, size_t i);
/* Counts and logs it. */
void cs_journal__kafka_letter_lost(cs_journal__kafka *k, const cs_error *error);

/* The event in structured form, whatever form the record has, in the journal's arena; false if it has none. */
bool cs_journal__kafka_text(cs_journal__kafka *k, const cs_kafka_record *record, cs_slice *out);
/* When it arrived: its timestamp, where that can be one. */
int64_t cs_journal__kafka_arrival(cs_journal__kafka *k, const cs_kafka_record *record);

/* ---- moving: the kind's functions */
cs_err cs_journal__kafka_walk(cs_journal *j, cs_journal_each *each, void *self, cs_error *e);
cs_err cs_journal__kafka_put(cs_journal *j, const cs_event *event, cs_error *e);
cs_err cs_journal__kafka_flush(cs_journal *j, cs_error *e);

#endif
