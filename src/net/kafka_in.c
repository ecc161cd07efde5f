/* Reading every partition by hand, and noticing when a log is not what it was.
 *
 * The reader's thread owns the consuming; where a partition starts is found by the watch (kafka_watch.c), which asks
 * the brokers and may wait for them. A partition goes back and forth between the two by its `stage`, under the lock. */
#include "net/kafka.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "countersign/base/log.h"
#include "countersign/base/time.h"

/* As many as stay in the cache from taking them to giving them back. */
enum { BATCH = 512 };
/* So many messages ahead their heads, and then the beginnings of their values, are brought into the cache. */
enum { HEADS_AHEAD = 16, VALUES_AHEAD = 8, LINE = 64, VALUE_LINES = 6 };
#define LOOK_EVERY_NS (20 * CS_NS_PER_MS)
#define CONTACT_NS (2500 * CS_NS_PER_MS) /* the watch asks every second */

/* FNV-1a over what makes a record this record. */
static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

static uint64_t digest(int64_t offset, int64_t stamp_ns, cs_slice key, cs_slice value)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    h = mix(h, &offset, sizeof offset);
    h = mix(h, &stamp_ns, sizeof stamp_ns);
    h = mix(h, key.p, key.p != NULL ? key.n : 0);
    h = mix(h, value.p, value.p != NULL ? value.n : 0);
    return h != 0 ? h : 1;
}

void cs_kafka__wake(cs_kafka_in *in)
{
    atomic_store(&in->news, true);
    uint64_t one = 1;
    ssize_t n = write(in->wake_fd, &one, sizeof one);
    (void)n; /* full means that it is readable */
}

void cs_kafka__tell(cs_kafka_in *in, cs_kafka_fault fault, bool over, const cs_kafka__topic *topic, int32_t partition,
                    int64_t lost, const char *text)
{
    cs_kafka__told told = {.fault = fault,
                           .over = over,
                           .topic = (uint32_t)(topic - in->topics),
                           .partition = partition,
                           .lost = lost,
                           .text = cs_strdup(text)};
    CS_VEC_PUSH(&in->told, told);
}

/* ---- making and ending */

/* On the reader's thread, from a poll. */
static void on_error(rd_kafka_t *client, int err, const char *reason, void *opaque)
{
    (void)client;
    cs_kafka_in *in = opaque;
    cs_mutex_lock(&in->lock);
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) { /* which says how many, not why */
        (void)snprintf(in->reason, sizeof in->reason, "%s", reason);
    }
    cs_mutex_unlock(&in->lock);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        atomic_store(&in->down, true);
    }
}

static cs_err make_client(cs_kafka_in *in, const cs_kafka_cluster *cluster, cs_error *e)
{
    /* Records are fetched ahead up to the bound in bytes; a client that reaches a bound pauses fetching for up to a
     * second, so the bound is what a fast reader takes in more than that. */
    const cs_kafka__setting first[] = {{"queued.min.messages", "10000000"},
                                       {"queued.max.messages.kbytes", "262144"},
                                       {"fetch.error.backoff.ms", "100"},
                                       {"reconnect.backoff.ms", "50"},
                                       {"reconnect.backoff.max.ms", "1000"},
                                       {"socket.keepalive.enable", "true"},
                                       {"topic.metadata.refresh.interval.ms", "10000"}};
    const cs_kafka__setting last[] = {
        {"enable.partition.eof", "true"}, {"auto.offset.reset", "error"}, {"enable.auto.commit", "false"}};
    rd_kafka_conf_t *conf = NULL;
    CS_TRY(
        cs_kafka__conf(cluster, first, sizeof first / sizeof *first, last, sizeof last / sizeof *last, in, &conf, e));
    rd_kafka_conf_set_error_cb(conf, on_error);
    char why[512] = "";
    in->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (in->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return cs_fail(e, CS_ERR_INVALID, "consumer: %s", why);
    }
    in->queue = rd_kafka_queue_new(in->client);
    uint64_t one = 1;
    rd_kafka_queue_io_event_enable(in->queue, in->wake_fd, &one, sizeof one);
    return CS_OK;
}

cs_err cs_kafka_in_new(const cs_kafka_in_options *options, cs_kafka_in **out, cs_error *e)
{
    cs_assert(options->n_topics <= CS_KAFKA_TOPICS && options->n_make <= CS_KAFKA_TOPICS);
    cs_kafka_in *in = cs_zalloc(sizeof *in);
    cs_mutex_init(&in->lock);
    cs_cond_init(&in->changed);
    in->wake_fd = options->cluster.wake_fd;
    in->since_ns = options->since_ns;
    in->again_since_ns = options->again_since_ns;
    in->report = options->report;
    in->self = options->self;
    in->messages = cs_alloc_array(BATCH, sizeof *in->messages);
    cs_err err = make_client(in, &options->cluster, e);
    for (size_t i = 0; err == CS_OK && i < options->n_topics; i++) {
        cs_kafka__topic *topic = &in->topics[in->n_topics++];
        topic->name = cs_strdup(options->topics[i]);
        topic->handle = rd_kafka_topic_new(in->client, topic->name, NULL);
        if (topic->handle == NULL) {
            err = cs_fail(e, CS_ERR_INVALID, "topic %s: %s", topic->name, rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    for (size_t i = 0; i < options->n_make; i++) {
        in->make[in->n_make++] = cs_strdup(options->make[i]);
    }
    if (err != CS_OK) {
        cs_kafka_in_free(in);
        return err;
    }
    *out = in;
    return CS_OK;
}

void cs_kafka_in_resume(cs_kafka_in *in, const cs_kafka_start *starts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_kafka_start start = starts[i];
        start.topic = cs_strdup(start.topic);
        CS_VEC_PUSH(&in->starts, start);
    }
}

cs_err cs_kafka_in_start(cs_kafka_in *in, cs_error *e)
{
    in->started_mono = cs_time_mono_ns();
    return cs_thread_start(&in->watch, "kafka-watch", cs_kafka__watch, in, e);
}

static void end_watch(cs_kafka_in *in)
{
    cs_mutex_lock(&in->lock);
    atomic_store(&in->stop, true);
    cs_cond_broadcast(&in->changed);
    cs_mutex_unlock(&in->lock);
    cs_thread_join(&in->watch);
}

static void end_client(cs_kafka_in *in)
{
    for (size_t i = 0; i < in->parts.n; i++) {
        cs_kafka__part *part = in->parts.v[i];
        if (part->seen.started) {
            (void)rd_kafka_consume_stop(in->topics[part->seen.topic].handle, (int32_t)part->seen.partition);
        }
    }
    for (size_t i = 0; i < in->n_topics; i++) {
        if (in->topics[i].handle != NULL) {
            rd_kafka_topic_destroy(in->topics[i].handle);
        }
    }
    if (in->queue != NULL) {
        rd_kafka_queue_destroy(in->queue);
    }
    if (in->client != NULL) {
        rd_kafka_destroy(in->client);
    }
}

void cs_kafka_in_free(cs_kafka_in *in)
{
    if (in == NULL) {
        return;
    }
    end_watch(in);
    cs_kafka_in_done(in);
    end_client(in);
    for (size_t i = 0; i < in->n_topics; i++) {
        for (size_t k = 0; k < in->topics[i].n_parts; k++) {
            cs_free(in->topics[i].parts[k]);
        }
        cs_free(in->topics[i].parts);
        cs_free(in->topics[i].name);
    }
    for (size_t i = 0; i < in->n_make; i++) {
        cs_free(in->make[i]);
    }
    for (size_t i = 0; i < in->starts.n; i++) {
        cs_free((char *)(uintptr_t)in->starts.v[i].topic);
    }
    for (size_t i = 0; i < in->told.n; i++) {
        cs_free(in->told.v[i].text);
    }
    CS_VEC_FREE(&in->starts);
    CS_VEC_FREE(&in->told);
    CS_VEC_FREE(&in->met);
    CS_VEC_FREE(&in->parts);
    cs_free(in->messages);
    cs_cond_destroy(&in->changed);
    cs_mutex_destroy(&in->lock);
    cs_free(in);
}

/* ---- partitions between the reader and the watch */

/* Hands a partition back to the watch, which finds where it goes on. */
static void give_back(cs_kafka_in *in, cs_kafka__part *part, cs_kafka__from from)
{
    if (part->seen.started) {
        (void)rd_kafka_consume_stop(in->topics[part->seen.topic].handle, (int32_t)part->seen.partition);
        part->seen.started = false;
    }
    part->seen.level = false;
    part->verify = 0;
    part->eof = part->last_offset = -1;
    cs_mutex_lock(&in->lock);
    part->stage = CS_KAFKA__UNPLACED;
    part->from = from;
    part->next = part->seen.next;
    part->mark = part->seen.mark;
    part->stop = false;
    in->hurry = true;
    cs_cond_broadcast(&in->changed);
    cs_mutex_unlock(&in->lock);
}

static void begin(cs_kafka_in *in, cs_kafka__part *part)
{
    cs_kafka__topic *topic = &in->topics[part->seen.topic];
    bool same = part->from == CS_KAFKA__FROM_POSITION && (part->start == part->next || part->start == part->next - 1);
    part->seen.next = same ? part->next : part->start;
    part->seen.mark = same ? part->mark : 0;
    part->verify = same && part->start < part->next ? part->mark : 0;
    part->seen.high = part->high;
    part->seen.goal = part->high;
    part->eof = -1;
    part->stage = CS_KAFKA__READING;
    part->seen.started =
        rd_kafka_consume_start_queue(topic->handle, (int32_t)part->seen.partition, part->start, in->queue) == 0;
    if (!part->seen.started) {
        part->stage = CS_KAFKA__UNPLACED; /* tried again by the watch */
    }
}

static void tell(cs_kafka_in *in, const cs_kafka__told *told)
{
    cs_kafka_report report = {.fault = told->fault,
                              .over = told->over,
                              .topic = in->topics[told->topic].name,
                              .partition = told->partition,
                              .lost = told->lost,
                              .text = told->text};
    in->report(in->self, &report);
}

static void take_news(cs_kafka_in *in)
{
    CS_VEC(cs_kafka__part *) stopping = {0};
    cs_mutex_lock(&in->lock);
    while (in->parts.n < in->met.n) {
        cs_kafka__part *part = in->met.v[in->parts.n];
        CS_VEC_PUSH(&in->parts, part);
    }
    for (size_t i = 0; i < in->parts.n; i++) {
        cs_kafka__part *part = in->parts.v[i];
        part->seen.absent = part->seen.partition >= in->topics[part->seen.topic].count;
        if (part->stage == CS_KAFKA__PLACED) {
            begin(in, part);
        } else if (part->stop && part->stage == CS_KAFKA__READING) {
            CS_VEC_PUSH(&stopping, part);
        }
    }
    size_t n = in->told.n;
    cs_kafka__told *told = in->told.v;
    in->told.v = NULL;
    in->told.n = in->told.cap = 0;
    cs_mutex_unlock(&in->lock);
    for (size_t i = 0; i < stopping.n; i++) {
        give_back(in, stopping.v[i], CS_KAFKA__FROM_POSITION);
    }
    for (size_t i = 0; i < n; i++) {
        tell(in, &told[i]);
        cs_free(told[i].text);
    }
    cs_free(told);
    CS_VEC_FREE(&stopping);
}

/* ---- how far */

static bool in_contact(cs_kafka_in *in, int64_t now_mono)
{
    int64_t last = atomic_load(&in->contact_mono);
    return last != 0 && now_mono - last < CONTACT_NS && !atomic_load(&in->down);
}

/* `heard_ns`: when a broker last answered, now while the cluster is there (wall clock). */
static void look(cs_kafka_in *in, cs_kafka__part *part, int64_t now_ns, int64_t heard_ns)
{
    cs_kafka_part *seen = &part->seen;
    int64_t low = 0, high = 0;
    if (seen->started &&
        rd_kafka_get_watermark_offsets(in->client, in->topics[seen->topic].name, (int32_t)seen->partition, &low,
                                       &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        high > seen->high) {
        seen->high = high;
    }
    int64_t reached = part->eof > seen->next ? part->eof : seen->next;
    seen->level = seen->started && part->verify == 0 && reached >= seen->high;
    int64_t as_of = seen->stamp_ns < now_ns ? seen->stamp_ns : now_ns;
    if (seen->level && heard_ns > as_of) {
        as_of = heard_ns;
    }
    seen->as_of_ns = as_of > seen->as_of_ns ? as_of : seen->as_of_ns;
}

static void look_at_all(cs_kafka_in *in)
{
    int64_t now = cs_time_mono_ns();
    if (now - in->looked_mono < LOOK_EVERY_NS) {
        return;
    }
    in->looked_mono = now;
    int64_t wall = cs_time_wall_ns();
    int64_t heard = wall - cs_kafka_in_away(in);
    for (size_t i = 0; i < in->parts.n; i++) {
        look(in, in->parts.v[i], wall, heard);
    }
}

bool cs_kafka_in_caught_up(const cs_kafka_in *in)
{
    bool all = in->parts.n > 0;
    for (size_t i = 0; all && i < in->n_topics; i++) {
        all = in->topics[i].known;
    }
    for (size_t i = 0; all && i < in->parts.n; i++) {
        const cs_kafka__part *part = in->parts.v[i];
        int64_t reached = part->eof > part->seen.next ? part->eof : part->seen.next;
        all = part->seen.absent || (part->seen.started && part->verify == 0 && reached >= part->seen.goal);
    }
    return all;
}

/* ---- taking */

size_t cs_kafka_in_take(cs_kafka_in *in)
{
    (void)rd_kafka_poll(in->client, 0);
    if (atomic_exchange(&in->news, false)) {
        take_news(in);
    }
    ssize_t n = rd_kafka_consume_batch_queue(in->queue, 0, in->messages, BATCH);
    in->n_messages = n > 0 ? (size_t)n : 0;
    in->at = 0;
    if (in->n_messages == 0) {
        look_at_all(in);
    }
    return in->n_messages;
}

static cs_kafka__part *part_of(cs_kafka_in *in, const rd_kafka_message_t *m)
{
    if (in->last != NULL && in->last_handle == m->rkt && (int32_t)in->last->seen.partition == m->partition) {
        return in->last;
    }
    for (size_t i = 0; i < in->parts.n; i++) {
        cs_kafka__part *part = in->parts.v[i];
        if (in->topics[part->seen.topic].handle == m->rkt && (int32_t)part->seen.partition == m->partition) {
            in->last = part;
            in->last_handle = m->rkt;
            return part;
        }
    }
    return NULL;
}

static void trouble(cs_kafka_in *in, cs_kafka__part *part, const rd_kafka_message_t *m)
{
    cs_kafka_fault fault = CS_KAFKA_UNREADABLE;
    switch ((int)m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        part->eof = m->offset;
        part->verify = 0; /* nothing is left to compare with */
        part->seen.high = m->offset > part->seen.high ? m->offset : part->seen.high;
        part->touched = true;
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        give_back(in, part, CS_KAFKA__FROM_POSITION);
        return;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return; /* the watch says when the cluster is away */
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        fault = CS_KAFKA_DENIED;
        break;
    default:
        break;
    }
    if (!part->troubled) {
        part->troubled = true;
        cs_kafka__told told = {.fault = fault, .topic = part->seen.topic, .partition = (int32_t)part->seen.partition};
        char text[300];
        (void)snprintf(text, sizeof text, "%.250s", rd_kafka_message_errstr(m));
        told.text = text;
        tell(in, &told);
    }
}

static void mended(cs_kafka_in *in, cs_kafka__part *part)
{
    part->troubled = false;
    char text[] = "it can be read again";
    tell(in, &(cs_kafka__told){.fault = CS_KAFKA_UNREADABLE,
                               .over = true,
                               .topic = part->seen.topic,
                               .partition = (int32_t)part->seen.partition,
                               .text = text});
}

/* The first record behind a position that was kept: is the one before it still the same? false if the record is not
 * for the caller. */
static bool verified(cs_kafka_in *in, cs_kafka__part *part, const cs_kafka_record *r)
{
    uint64_t want = part->verify;
    part->verify = 0;
    if (r->offset >= part->next) {
        return true; /* compacted away, or a transaction's mark: nothing to compare with */
    }
    if (digest(r->offset, r->timestamp_ns, r->key, r->value) == want) {
        part->seen.next = part->next;
        part->seen.mark = want;
        return false;
    }
    char text[300];
    (void)snprintf(text, sizeof text,
                   "the record before offset %lld is not the one that was read; the log is another one now and is "
                   "read again by time",
                   (long long)part->next);
    part->seen.mark = 0;
    tell(in, &(cs_kafka__told){.fault = CS_KAFKA_RECREATED,
                               .topic = part->seen.topic,
                               .partition = (int32_t)part->seen.partition,
                               .text = text});
    give_back(in, part, CS_KAFKA__FROM_AGAIN);
    return false;
}

static void look_ahead(const cs_kafka_in *in)
{
    if (in->at + HEADS_AHEAD < in->n_messages) {
        __builtin_prefetch(in->messages[in->at + HEADS_AHEAD]);
    }
    if (in->at + VALUES_AHEAD < in->n_messages) {
        const rd_kafka_message_t *m = in->messages[in->at + VALUES_AHEAD];
        const char *value = m->payload;
        for (size_t i = 0; i < VALUE_LINES && i * LINE < m->len; i++) {
            __builtin_prefetch(value + i * LINE);
        }
    }
}

bool cs_kafka_in_next(cs_kafka_in *in, cs_kafka_record *record)
{
    while (in->at < in->n_messages) {
        look_ahead(in);
        rd_kafka_message_t *m = in->messages[in->at++];
        cs_kafka__part *part = part_of(in, m);
        if (part == NULL || !part->seen.started) {
            continue;
        }
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            trouble(in, part, m);
            continue;
        }
        rd_kafka_timestamp_type_t type;
        int64_t ms = rd_kafka_message_timestamp(m, &type);
        *record = (cs_kafka_record){.offset = m->offset,
                                    .timestamp_ns = ms >= 0 && ms < INT64_MAX / CS_NS_PER_MS ? ms * CS_NS_PER_MS : -1,
                                    .key = {m->key, m->key != NULL ? m->key_len : 0},
                                    .value = {m->payload, m->payload != NULL ? m->len : 0},
                                    .message = m};
        if (part->troubled) {
            mended(in, part);
        }
        if (part->verify != 0 && !verified(in, part, record)) {
            continue;
        }
        record->part = part->seen.number;
        part->seen.next = m->offset + 1;
        part->seen.stamp_ns = record->timestamp_ns;
        part->touched = true;
        part->last_key = record->key;
        part->last_value = record->value;
        part->last_offset = m->offset;
        return true;
    }
    return false;
}

void cs_kafka_in_done(cs_kafka_in *in)
{
    int64_t now = cs_time_wall_ns();
    int64_t heard = now - cs_kafka_in_away(in);
    for (size_t i = 0; in->n_messages > 0 && i < in->parts.n; i++) {
        cs_kafka__part *part = in->parts.v[i];
        if (part->last_offset >= 0) {
            part->seen.mark = digest(part->last_offset, part->seen.stamp_ns, part->last_key, part->last_value);
            part->last_offset = -1;
        }
        if (part->touched) {
            part->touched = false;
            look(in, part, now, heard);
        }
    }
    for (size_t i = 0; i < in->n_messages; i++) {
        rd_kafka_message_destroy(in->messages[i]);
    }
    in->n_messages = in->at = 0;
}

bool cs_kafka_in_header(const cs_kafka_record *record, size_t i, const char **name, cs_slice *value)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(record->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    const void *bytes = NULL;
    size_t n = 0;
    if (rd_kafka_header_get_all(headers, i, name, &bytes, &n) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    *value = (cs_slice){bytes != NULL ? bytes : "", bytes != NULL ? n : 0};
    return true;
}

/* ---- looking */

size_t cs_kafka_in_parts(const cs_kafka_in *in)
{
    return in->parts.n;
}

const cs_kafka_part *cs_kafka_in_part(const cs_kafka_in *in, uint32_t i)
{
    cs_assert(i < in->parts.n);
    return &in->parts.v[i]->seen;
}

const char *cs_kafka_in_topic(const cs_kafka_in *in, uint32_t topic)
{
    cs_assert(topic < in->n_topics);
    return in->topics[topic].name;
}

int64_t cs_kafka_in_away(cs_kafka_in *in)
{
    int64_t now = cs_time_mono_ns();
    int64_t last = atomic_load(&in->contact_mono);
    if (in_contact(in, now)) {
        return 0;
    }
    int64_t since = now - (last != 0 ? last : in->started_mono);
    return since > 0 ? since : 1;
}

void cs_kafka_in_reason(cs_kafka_in *in, char *out, size_t n)
{
    cs_mutex_lock(&in->lock);
    (void)snprintf(out, n, "%s", in->reason[0] != '\0' ? in->reason : "no broker answers");
    cs_mutex_unlock(&in->lock);
}

const char *cs_kafka_in_cluster(cs_kafka_in *in)
{
    return atomic_load(&in->clustered) ? in->cluster : "";
}
