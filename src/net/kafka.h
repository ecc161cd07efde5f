/* What the files around librdkafka share: settings, and the reader with its watch. */
#ifndef CS_NET_KAFKA_H
#define CS_NET_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/kafka.h"

/* Before anything else: the library is there. CS_ERR_IO with the linker's words. Thread-safe. */
CS_MUST_CHECK cs_err cs_kafka__load(cs_error *e);

/* ---- settings */

typedef struct cs_kafka__setting {
    const char *name, *value;
} cs_kafka__setting;

/* A configuration of `first` (may be overruled), the cluster's properties, then `last` (may not). `opaque` is what the
 * callbacks get; librdkafka's own log goes to ours. The caller owns *out. */
CS_MUST_CHECK cs_err cs_kafka__conf(const cs_kafka_cluster *cluster, const cs_kafka__setting *first, size_t n_first,
                                    const cs_kafka__setting *last, size_t n_last, void *opaque, rd_kafka_conf_t **out,
                                    cs_error *e);

/* ---- the reader */

/* Who has a partition: the watch, to find where it starts, or the reader. */
typedef enum cs_kafka__stage {
    CS_KAFKA__UNPLACED, /* the watch looks for its start */
    CS_KAFKA__PLACED,   /* `start` is known; the reader begins */
    CS_KAFKA__READING
} cs_kafka__stage;
typedef enum cs_kafka__from {
    CS_KAFKA__FROM_FIRST,   /* it was added while we ran */
    CS_KAFKA__FROM_TIME,    /* no position is known */
    CS_KAFKA__FROM_AGAIN,   /* its log is another one: by time, the shorter one */
    CS_KAFKA__FROM_POSITION /* next and mark */
} cs_kafka__from;

typedef struct cs_kafka__part {
    cs_kafka_part seen; /* the reader's; `topic` and `partition` never change */
    int64_t eof;        /* offset at which the end was last reached; -1 */
    uint64_t verify;    /* digest that the first record must have; 0 = none expected */
    bool touched, troubled;
    int64_t last_offset; /* of the last record of the batch at hand; -1 = none of it */
    cs_slice last_key, last_value;

    /* Under the lock. */
    cs_kafka__stage stage;
    cs_kafka__from from;
    int64_t next; /* for FROM_POSITION */
    uint64_t mark;
    int64_t start, high; /* for PLACED */
    bool stop;           /* the reader must give it back: the topic has changed under it */
} cs_kafka__part;

typedef struct cs_kafka__topic {
    char *name;
    rd_kafka_topic_t *handle;
    cs_kafka__part **parts; /* by partition number; the reader's and the watch's, grown under the lock */
    size_t n_parts;
    size_t count; /* partitions that it has now */
    bool known;   /* its partitions were heard of */
    bool gone, denied, shrunk;
    int64_t missing_mono; /* since when it is missing, though it was never known */
} cs_kafka__topic;

typedef struct cs_kafka__told {
    cs_kafka_fault fault;
    bool over;
    uint32_t topic;
    int32_t partition;
    int64_t lost;
    char *text;
} cs_kafka__told;

struct cs_kafka_in {
    rd_kafka_t *client;
    rd_kafka_queue_t *queue; /* all partitions' records */
    int wake_fd;
    cs_kafka__topic topics[CS_KAFKA_TOPICS];
    size_t n_topics;
    char *make[CS_KAFKA_TOPICS];
    size_t n_make;
    int64_t since_ns, again_since_ns;
    void (*report)(void *self, const cs_kafka_report *report);
    void *self;
    CS_VEC(cs_kafka__part *) parts; /* as they were met; the reader's */
    CS_VEC(cs_kafka_start) starts;  /* names are copies */

    /* The batch at hand. */
    rd_kafka_message_t **messages;
    size_t n_messages, at;
    cs_kafka__part *last;
    rd_kafka_topic_t *last_handle;
    int64_t looked_mono, started_mono;

    cs_thread watch;
    _Atomic bool stop;
    _Atomic bool news; /* something for the reader below the lock */
    _Atomic int64_t contact_mono;
    _Atomic bool clustered;
    _Atomic bool down; /* librdkafka says that no broker is connected */
    cs_mutex lock;     /* of what follows, and of the parts' shared half */
    cs_cond changed;
    bool hurry; /* the watch should not sleep */
    CS_VEC(cs_kafka__part *) met;
    CS_VEC(cs_kafka__told) told;
    char reason[256];
    char cluster[128]; /* written once, before `clustered` */
};

/* The watch's thread. */
void cs_kafka__watch(void *self);
/* Under the lock: something for the reader to tell; `text` is copied. */
void cs_kafka__tell(cs_kafka_in *in, cs_kafka_fault fault, bool over, const cs_kafka__topic *topic, int32_t partition,
                    int64_t lost, const char *text);
/* Makes the reader look. */
void cs_kafka__wake(cs_kafka_in *in);

#endif
