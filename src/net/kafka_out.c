/* The producer: idempotent, acks=all, bounded; a new one where the old one cannot go on. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/log.h"
#include "countersign/crypto.h"
#include "net/kafka.h"

struct cs_kafka_out {
    rd_kafka_t *client;
    cs_kafka_delivered *delivered;
    void *self;
    char name[17];
    rd_kafka_topic_t *topics[CS_KAFKA_TOPICS]; /* known early, so that the first record need not wait for that */
    rd_kafka_topic_t *patient;
    /* For making it anew. */
    cs_kafka_cluster cluster;
    char *patient_name;
    char *names[CS_KAFKA_TOPICS];
    size_t n_names;
    int64_t timeout_ns;
};

static void delivery(rd_kafka_t *client, const rd_kafka_message_t *m, void *opaque)
{
    (void)client;
    cs_kafka_out *out = opaque;
    uint64_t tag = (uint64_t)(uintptr_t)m->_private;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        out->delivered(out->self, tag, NULL);
        return;
    }
    cs_error e;
    (void)!cs_fail(&e, m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ? CS_ERR_TIMEOUT : CS_ERR_IO, "%s",
                   rd_kafka_err2str(m->err));
    out->delivered(out->self, tag, &e);
}

/* Records of one topic wait for ever. */
static void make_patient(cs_kafka_out *out)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(out->client);
    char why[128];
    (void)rd_kafka_topic_conf_set(conf, "message.timeout.ms", "0", why, sizeof why);
    out->patient = rd_kafka_topic_new(out->client, out->patient_name, conf);
}

static cs_err make_client(cs_kafka_out *out, cs_error *e)
{
    char timeout[24];
    (void)snprintf(timeout, sizeof timeout, "%lld", (long long)(out->timeout_ns / 1000000));
    const cs_kafka__setting first[] = {{"linger.ms", "1"},
                                       {"queue.buffering.max.kbytes", "65536"},
                                       {"queue.buffering.max.messages", "200000"},
                                       {"reconnect.backoff.ms", "50"},
                                       {"reconnect.backoff.max.ms", "1000"},
                                       {"message.timeout.ms", timeout}};
    const cs_kafka__setting last[] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"partitioner", "murmur2_random"}};
    rd_kafka_conf_t *conf = NULL;
    CS_TRY(cs_kafka__conf(&out->cluster, first, sizeof first / sizeof *first, last, sizeof last / sizeof *last, out,
                          &conf, e));
    rd_kafka_conf_set_dr_msg_cb(conf, delivery);
    char why[512] = "";
    out->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (out->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return cs_fail(e, CS_ERR_INVALID, "producer: %s", why);
    }
    rd_kafka_queue_t *main = rd_kafka_queue_get_main(out->client);
    uint64_t one = 1;
    rd_kafka_queue_io_event_enable(main, out->cluster.wake_fd, &one, sizeof one);
    rd_kafka_queue_destroy(main);
    for (size_t i = 0; i < out->n_names; i++) {
        out->topics[i] = rd_kafka_topic_new(out->client, out->names[i], NULL);
    }
    if (out->patient_name != NULL) {
        make_patient(out);
    }
    return CS_OK;
}

static void copy_cluster(cs_kafka_cluster *to, const cs_kafka_cluster *from)
{
    cs_kafka_property *properties = cs_alloc_array(from->n_properties + 1, sizeof *properties);
    for (size_t i = 0; i < from->n_properties; i++) {
        properties[i] = (cs_kafka_property){cs_strdup(from->properties[i].name), cs_strdup(from->properties[i].value)};
    }
    *to = (cs_kafka_cluster){.brokers = cs_strdup(from->brokers),
                             .properties = properties,
                             .n_properties = from->n_properties,
                             .wake_fd = from->wake_fd};
}

cs_err cs_kafka_out_new(const cs_kafka_out_options *options, cs_kafka_out **out, cs_error *e)
{
    cs_kafka_out *o = cs_zalloc(sizeof *o);
    copy_cluster(&o->cluster, &options->cluster);
    o->delivered = options->delivered;
    o->self = options->self;
    o->timeout_ns = options->timeout_ns;
    o->patient_name = options->patient != NULL ? cs_strdup(options->patient) : NULL;
    cs_assert(options->n_topics <= CS_KAFKA_TOPICS);
    for (size_t i = 0; i < options->n_topics; i++) {
        o->names[o->n_names++] = cs_strdup(options->topics[i]);
    }
    uint64_t random = 0;
    cs_random(&random, sizeof random);
    (void)snprintf(o->name, sizeof o->name, "%016llx", (unsigned long long)random);
    cs_err err = make_client(o, e);
    if (err != CS_OK) {
        cs_kafka_out_free(o);
        return err;
    }
    *out = o;
    return CS_OK;
}

static void end_topic(rd_kafka_topic_t **topic)
{
    if (*topic != NULL) {
        rd_kafka_topic_destroy(*topic);
        *topic = NULL;
    }
}

static void end_client(cs_kafka_out *o)
{
    if (o->client != NULL) {
        (void)rd_kafka_purge(o->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        for (size_t i = 0; i < o->n_names; i++) {
            end_topic(&o->topics[i]);
        }
        end_topic(&o->patient);
        rd_kafka_destroy(o->client);
        o->client = NULL;
    }
}

void cs_kafka_out_free(cs_kafka_out *o)
{
    if (o == NULL) {
        return;
    }
    end_client(o);
    cs_free(o->patient_name);
    for (size_t i = 0; i < o->n_names; i++) {
        cs_free(o->names[i]);
    }
    for (size_t i = 0; i < o->cluster.n_properties; i++) {
        cs_free((char *)(uintptr_t)o->cluster.properties[i].name);
        cs_free((char *)(uintptr_t)o->cluster.properties[i].value);
    }
    cs_free((cs_kafka_property *)(uintptr_t)o->cluster.properties);
    cs_free((char *)(uintptr_t)o->cluster.brokers);
    cs_free(o);
}

const char *cs_kafka_out_name(const cs_kafka_out *o)
{
    return o->name;
}

cs_err cs_kafka_out_send(cs_kafka_out *o, const char *topic, cs_slice key, cs_slice value,
                         const cs_kafka_header *headers, size_t n_headers, int64_t timestamp_ns, uint64_t tag,
                         cs_error *e)
{
    if (o->client == NULL) {
        return cs_fail(e, CS_ERR_IO, "there is no producer");
    }
    rd_kafka_headers_t *list = rd_kafka_headers_new(n_headers + 1);
    for (size_t i = 0; i < n_headers; i++) {
        (void)rd_kafka_header_add(list, headers[i].name, -1, headers[i].value.p, (ssize_t)headers[i].value.n);
    }
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u = {.cstr = topic}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u = {.i = RD_KAFKA_MSG_F_COPY}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u = {.mem = {(void *)(uintptr_t)key.p, key.p != NULL ? key.n : 0}}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u = {.mem = {(void *)(uintptr_t)value.p, value.n}}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u = {.headers = list}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u = {.i64 = timestamp_ns / 1000000}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u = {.ptr = (void *)(uintptr_t)tag}},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(o->client, fields, sizeof fields / sizeof *fields);
    if (error == NULL) {
        return CS_OK;
    }
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(list); /* still ours */
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return cs_fail(e, CS_ERR_LIMIT, "topic %s: too many records are waiting to be sent", topic);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return cs_fail(e, CS_ERR_INVALID, "topic %s: the record is too large", topic);
    default:
        return cs_fail(e, CS_ERR_IO, "topic %s: %s", topic, rd_kafka_err2str(err));
    }
}

void cs_kafka_out_poll(cs_kafka_out *o)
{
    cs_error e;
    if (o->client == NULL) {
        if (make_client(o, &e) != CS_OK) {
            cs_log(CS_LOG_ERROR, "Kafka producer cannot be made.", 1,
                   (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e.text))});
        }
        return;
    }
    (void)rd_kafka_poll(o->client, 0);
    char why[512];
    if (rd_kafka_fatal_error(o->client, why, sizeof why) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        cs_log(CS_LOG_ERROR, "Kafka producer cannot go on; a new one takes its place.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(why))});
        /* What is under way is told as failed before the client goes. */
        (void)rd_kafka_purge(o->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)rd_kafka_flush(o->client, 1000);
        end_client(o);
    }
}

size_t cs_kafka_out_waiting(const cs_kafka_out *o)
{
    return o->client != NULL ? (size_t)rd_kafka_outq_len(o->client) : 0;
}
