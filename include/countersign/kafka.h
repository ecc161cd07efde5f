/* Kafka, in and out: the one fence around librdkafka.
 *
 * In: every partition of some topics, read by hand (no consumer group, no committed offsets): the reader is told where
 * each partition starts and keeps the positions itself. What can go wrong with a log is a report, never a silent jump:
 * offsets that are gone, a topic made anew, partitions that disappear, no permission, brokers that are away. A thread
 * of its own asks the brokers every second for the topics' partitions, so that new ones are read too and a cluster that
 * is gone is noticed while nothing arrives.
 *
 * Out: an idempotent producer with acks=all. Sending copies into a bounded buffer; what became of a record is told by a
 * callback, run by cs_kafka_out_poll.
 *
 * Both are used by one thread, which sleeps on an eventfd that they write to when there is something to do. */
#ifndef CS_KAFKA_H
#define CS_KAFKA_H

#include "countersign/base/err.h"
#include "countersign/base/slice.h"

/* A setting of librdkafka, handed on as it is: "security.protocol", "SASL_SSL". */
typedef struct cs_kafka_property {
    const char *name, *value;
} cs_kafka_property;

/* How to reach the cluster. Copied by whoever takes it. */
typedef struct cs_kafka_cluster {
    const char *brokers; /* "host:port,host:port" */
    const cs_kafka_property *properties;
    size_t n_properties;
    int wake_fd; /* an eventfd, written to when there may be something to take or to poll */
} cs_kafka_cluster;

/* Would librdkafka take these? CS_ERR_INVALID with "NAME: why" for the first that it would not, or that is not for
 * users to set: what the delivery guarantees rest on (acks, enable.idempotence, auto.offset.reset…). Thread-safe. */
CS_MUST_CHECK cs_err cs_kafka_check(const cs_kafka_property *properties, size_t n, cs_error *e);

/* ---- in */
typedef struct cs_kafka_in cs_kafka_in;

/* One partition of a topic. The figures are those of the last take; on the reader's thread. */
typedef struct cs_kafka_part {
    uint32_t number; /* index for cs_kafka_in_part */
    uint32_t topic;  /* index in the options */
    uint32_t partition;
    bool started;     /* it is being read */
    bool absent;      /* the topic has fewer partitions now */
    bool level;       /* everything that was there when last heard has been taken */
    int64_t next;     /* offset of the next record; -1 before it is known */
    int64_t high;     /* behind the last record, as last heard */
    int64_t goal;     /* `high` when it was started: the past ends there */
    int64_t as_of_ns; /* it holds everything recorded up to then (wall clock); 0 = unknown */
    int64_t stamp_ns; /* timestamp of the last record */
    uint64_t mark;    /* digest of the record before `next`; 0 = unknown */
} cs_kafka_part;

typedef enum cs_kafka_fault {
    CS_KAFKA_GAP,       /* records that were never read have been removed (retention); reading goes on behind them */
    CS_KAFKA_RECREATED, /* the log is another one than the positions are of, or lost its end; started over by time */
    CS_KAFKA_SHRUNK,    /* the topic has fewer partitions than before */
    CS_KAFKA_GONE,      /* the topic does not exist */
    CS_KAFKA_DENIED,    /* no permission, or not who the brokers think */
    CS_KAFKA_UNREADABLE /* another lasting error of a partition */
} cs_kafka_fault;

/* What happened to the log, in one sentence. `lost`: records that were missed, for CS_KAFKA_GAP. On the reader's
 * thread, from cs_kafka_in_take; a fault that lasts is told once, and again after it was mended (`over`). */
typedef struct cs_kafka_report {
    cs_kafka_fault fault;
    bool over;
    const char *topic;
    int32_t partition; /* -1 = the topic as a whole */
    int64_t lost;
    const char *text;
} cs_kafka_report;

/* A start position out of a snapshot. */
typedef struct cs_kafka_start {
    const char *topic;
    uint32_t partition;
    int64_t next;
    uint64_t
        mark; /* cs_kafka_part.mark at that time: the record before `next` is read again and compared; 0 = is not */
} cs_kafka_start;

enum { CS_KAFKA_TOPICS = 4 };
typedef struct cs_kafka_in_options {
    cs_kafka_cluster cluster;
    const char *topics[CS_KAFKA_TOPICS];
    size_t n_topics;
    /* Topics that are made, with the brokers' defaults, if they do not exist at the first look. */
    const char *make[CS_KAFKA_TOPICS];
    size_t n_make;
    int64_t since_ns;       /* where a partition without a position starts: its first record of this instant or later */
    int64_t again_since_ns; /* the same for a log that must be started over (CS_KAFKA_RECREATED) */
    void (*report)(void *self, const cs_kafka_report *report);
    void *self;
} cs_kafka_in_options;

/* Never waits for a broker. CS_ERR_INVALID for settings that librdkafka refuses. */
CS_MUST_CHECK cs_err cs_kafka_in_new(const cs_kafka_in_options *options, cs_kafka_in **out, cs_error *e);
/* Before cs_kafka_in_start. A partition that existed then starts there, all others by time (those that are added while
 * it runs: at their first record). */
void cs_kafka_in_resume(cs_kafka_in *in, const cs_kafka_start *starts, size_t n);
CS_MUST_CHECK cs_err cs_kafka_in_start(cs_kafka_in *in, cs_error *e);
/* Waits for librdkafka's threads, and at most a few seconds for answers under way. NULL is fine. */
void cs_kafka_in_free(cs_kafka_in *in);

typedef struct cs_kafka_record {
    uint32_t part; /* index for cs_kafka_in_part */
    int64_t offset;
    int64_t timestamp_ns; /* the broker's or the producer's, as the topic is configured; -1 without one */
    cs_slice key;         /* p == NULL without one */
    cs_slice value;       /* p == NULL: a tombstone */
    void *message;        /* for cs_kafka_in_header */
} cs_kafka_record;

/* Takes what is there, at most some thousand records, without waiting; how many there may be (an upper bound, 0 =
 * nothing there). Reports are made here. */
size_t cs_kafka_in_take(cs_kafka_in *in);
/* The next of them; false at the end. It points into librdkafka's memory and is good until cs_kafka_in_done. The part's
 * `next` is already behind it. */
bool cs_kafka_in_next(cs_kafka_in *in, cs_kafka_record *record);
void cs_kafka_in_done(cs_kafka_in *in);
/* The i-th header of a record, in the order that they were sent; false behind the last. */
bool cs_kafka_in_header(const cs_kafka_record *record, size_t i, const char **name, cs_slice *value);

/* Partitions as they were met; they never go away. */
size_t cs_kafka_in_parts(const cs_kafka_in *in);
const cs_kafka_part *cs_kafka_in_part(const cs_kafka_in *in, uint32_t i);
const char *cs_kafka_in_topic(const cs_kafka_in *in, uint32_t topic);
/* Is everything read that was there when each partition was started, and are all partitions of all topics started? */
bool cs_kafka_in_caught_up(const cs_kafka_in *in);
/* How long no broker has answered, in nanoseconds; 0 while the cluster is there. Any thread, atomic loads. */
int64_t cs_kafka_in_away(cs_kafka_in *in);
/* What librdkafka last said about it, copied. Any thread. */
void cs_kafka_in_reason(cs_kafka_in *in, char *out, size_t n);
/* The cluster's id, "" as long as no broker was reached. Any thread. Owned by `in`. */
const char *cs_kafka_in_cluster(cs_kafka_in *in);

/* ---- out */
typedef struct cs_kafka_out cs_kafka_out;

typedef struct cs_kafka_header {
    const char *name;
    cs_slice value;
} cs_kafka_header;

/* `error` is NULL if the record is in the log, on all replicas that are in sync. From cs_kafka_out_poll. */
typedef void cs_kafka_delivered(void *self, uint64_t tag, const cs_error *error);

typedef struct cs_kafka_out_options {
    cs_kafka_cluster cluster;
    const char *topics[CS_KAFKA_TOPICS]; /* that records will go to: asked for early */
    size_t n_topics;
    const char *patient; /* NULL, or the topic whose records wait for ever */
    int64_t timeout_ns;  /* a record of any other that is not delivered within it has failed */
    cs_kafka_delivered *delivered;
    void *self;
} cs_kafka_out_options;

/* Errors as cs_kafka_in_new. */
CS_MUST_CHECK cs_err cs_kafka_out_new(const cs_kafka_out_options *options, cs_kafka_out **out, cs_error *e);
/* Records not delivered yet are dropped, without a call. NULL is fine. */
void cs_kafka_out_free(cs_kafka_out *out);
/* 16 hexadecimal digits, made at random with it. */
const char *cs_kafka_out_name(const cs_kafka_out *out);
/* Copies. `timestamp_ns`: of the record, 0 = now. The key decides the partition, as in the Java client (murmur2);
 * without one (p == NULL) any. CS_ERR_LIMIT if the buffer is full, CS_ERR_INVALID if the record is too large, CS_ERR_IO
 * otherwise. */
CS_MUST_CHECK cs_err cs_kafka_out_send(cs_kafka_out *out, const char *topic, cs_slice key, cs_slice value,
                                       const cs_kafka_header *headers, size_t n_headers, int64_t timestamp_ns,
                                       uint64_t tag, cs_error *e);
/* Runs the callbacks that are due; after an error that a producer cannot survive, makes a new one. */
void cs_kafka_out_poll(cs_kafka_out *out);
/* Records under way. */
size_t cs_kafka_out_waiting(const cs_kafka_out *out);

#endif
