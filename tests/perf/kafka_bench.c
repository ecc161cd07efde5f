/* What librdkafka itself needs for a topic of spend events, to compare with; and such a topic.
 *
 *   kafka_bench produce BROKERS TOPIC PARTITIONS EVENTS TENANTS [RATE]    RATE: events a second, until it is killed
 *   kafka_bench raw BROKERS TOPIC PARTITIONS                              reads all there is, looks at nothing
 *
 * `raw` takes batches from one queue of all partitions with the settings of the journal's reader, and prints a line of
 * JSON: nanoseconds of CPU an event, of the whole process, of which the thread that takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "countersign/base/time.h"
#include "events.h"
#include "net/kafka.h"

enum { BATCH = 8192, FIRST = 3 };

static int64_t cpu_ns(int who)
{
    struct rusage r;
    (void)getrusage(who, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * CS_NS_PER_S + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers, const char *const settings[][2], size_t n)
{
    char why[512] = "";
    cs_error e;
    if (cs_kafka__load(&e) != CS_OK) {
        printf("%s\n", e.text);
        exit(1);
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why) == RD_KAFKA_CONF_OK;
    for (size_t i = 0; good && i < n; i++) {
        good = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) == RD_KAFKA_CONF_OK;
    }
    rd_kafka_t *made = good ? rd_kafka_new(type, conf, why, sizeof why) : NULL;
    if (made == NULL) {
        printf("%s\n", why);
        exit(1);
    }
    return made;
}

static int raw(const char *brokers, const char *topic, int partitions)
{
    static const char *const settings[][2] = {{"queued.min.messages", "10000000"},
                                              {"queued.max.messages.kbytes", "262144"},
                                              {"enable.partition.eof", "true"},
                                              {"group.id", "raw"}};
    rd_kafka_t *c = client(RD_KAFKA_CONSUMER, brokers, settings, sizeof settings / sizeof *settings);
    rd_kafka_topic_t *t = rd_kafka_topic_new(c, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(c);
    for (int i = 0; i < partitions; i++) {
        if (rd_kafka_consume_start_queue(t, i, RD_KAFKA_OFFSET_BEGINNING, queue) != 0) {
            printf("%s\n", rd_kafka_err2str(rd_kafka_last_error()));
            return 1;
        }
    }
    static rd_kafka_message_t *messages[BATCH];
    uint64_t events = 0, bytes = 0;
    int64_t start = cs_time_mono_ns();
    for (int ended = 0; ended < partitions;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, messages, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                ended++;
            } else if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                events++;
                bytes += messages[i]->len;
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    double n = (double)(events != 0 ? events : 1);
    printf("{\"bench\":\"raw\",\"events\":%llu,\"bytes_an_event\":%.0f,\"ns_an_event\":%.0f,\"ns_of_taking\":%.0f,"
           "\"seconds\":%.3f}\n",
           (unsigned long long)events, (double)bytes / n, (double)cpu_ns(RUSAGE_SELF) / n,
           (double)cpu_ns(RUSAGE_THREAD) / n, (double)(cs_time_mono_ns() - start) / 1e9);
    (void)fflush(stdout);
    _Exit(0); /* what ending the client takes is nobody's measure */
}

static void send_one(rd_kafka_t *p, const char *topic, int32_t partition, cs_slice key, cs_slice value)
{
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u = {.cstr = topic}},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u = {.i32 = partition}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u = {.i = RD_KAFKA_MSG_F_COPY}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u = {.mem = {(void *)(uintptr_t)key.p, key.n}}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u = {.mem = {(void *)(uintptr_t)value.p, value.n}}},
    };
    rd_kafka_error_t *error = NULL;
    while ((error = rd_kafka_produceva(p, fields, sizeof fields / sizeof *fields)) != NULL) {
        rd_kafka_error_destroy(error);
        (void)rd_kafka_poll(p, 10);
    }
}

static int produce(const char *brokers, const char *topic, int partitions, uint64_t events, uint64_t tenants,
                   uint64_t rate)
{
    static const char *const settings[][2] = {{"linger.ms", "20"},
                                              {"batch.num.messages", "10000"},
                                              {"batch.size", "1000000"},
                                              {"queue.buffering.max.messages", "200000"},
                                              {"acks", "1"}};
    rd_kafka_t *p = client(RD_KAFKA_PRODUCER, brokers, settings, sizeof settings / sizeof *settings);
    cs_buf text;
    cs_buf_init(&text);
    int64_t start = cs_time_wall_ns() - (rate == 0 ? (int64_t)events * CS_NS_PER_MS : 0);
    int64_t began = cs_time_mono_ns();
    for (uint64_t i = 0; i < events; i++) {
        cs_buf_clear(&text);
        uint64_t tenant = render(&text, i, tenants, start);
        char key[32];
        int n = snprintf(key, sizeof key, "t-%llu", (unsigned long long)tenant);
        send_one(p, topic, (int32_t)(tenant % (uint64_t)partitions), cs_slice_make(key, (size_t)n), cs_buf_view(&text));
        if (i % 1000 == 0) {
            (void)rd_kafka_poll(p, 0);
        }
        int64_t due = rate != 0 && i % 100 == 0 ? (int64_t)((double)i / (double)rate * 1e9) : 0;
        int64_t early = due - (cs_time_mono_ns() - began);
        if (early > 0) {
            cs_time_sleep_ns(early);
        }
    }
    while (rd_kafka_outq_len(p) > 0) {
        (void)rd_kafka_poll(p, 100);
    }
    printf("{\"bench\":\"produce\",\"events\":%llu,\"seconds\":%.1f}\n", (unsigned long long)events,
           (double)(cs_time_mono_ns() - began) / 1e9);
    cs_buf_destroy(&text);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t numbers[4] = {0};
    for (int i = FIRST + 1; i < argc && i < FIRST + 5; i++) {
        numbers[i - FIRST - 1] = strtoull(argv[i], NULL, 10);
    }
    if (argc > FIRST + 1 && strcmp(argv[1], "raw") == 0) {
        return raw(argv[2], argv[FIRST], (int)numbers[0]);
    }
    if (argc > FIRST + 3 && strcmp(argv[1], "produce") == 0) {
        return produce(argv[2], argv[FIRST], (int)numbers[0], numbers[1], numbers[2], numbers[3]);
    }
    printf(
        "usage: kafka_bench produce BROKERS TOPIC PARTITIONS EVENTS TENANTS [RATE] | raw BROKERS TOPIC PARTITIONS\n");
    return 2;
}
