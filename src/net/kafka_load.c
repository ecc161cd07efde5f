/* librdkafka, loaded when the first client is made (base/library.h says why). The functions of its header that this
 * folder calls are defined here and pass the call on; nothing is called before cs_kafka__load has said that it is
 * there. */
#include "countersign/base/library.h"
#include "net/kafka.h"

/* X(result, function, parameters, arguments), for what returns nothing V. */
#define FUNCTIONS(X, V)                                                                                                \
    X(const rd_kafka_topic_result_t **, rd_kafka_CreateTopics_result_topics,                                           \
      (const rd_kafka_CreateTopics_result_t *result, size_t *cntp), (result, cntp))                                    \
    X(rd_kafka_NewTopic_t *, rd_kafka_NewTopic_new,                                                                    \
      (const char *topic, int num_partitions, int replication_factor, char *errstr, size_t errstr_size),               \
      (topic, num_partitions, replication_factor, errstr, errstr_size))                                                \
    X(char *, rd_kafka_clusterid, (rd_kafka_t * rk, int timeout_ms), (rk, timeout_ms))                                 \
    X(rd_kafka_conf_t *, rd_kafka_conf_new, (void), ())                                                                \
    X(rd_kafka_conf_res_t, rd_kafka_conf_set,                                                                          \
      (rd_kafka_conf_t * conf, const char *name, const char *value, char *errstr, size_t errstr_size),                 \
      (conf, name, value, errstr, errstr_size))                                                                        \
    X(ssize_t, rd_kafka_consume_batch_queue,                                                                           \
      (rd_kafka_queue_t * rkqu, int timeout_ms, rd_kafka_message_t **rkmessages, size_t rkmessages_size),              \
      (rkqu, timeout_ms, rkmessages, rkmessages_size))                                                                 \
    X(int, rd_kafka_consume_start_queue,                                                                               \
      (rd_kafka_topic_t * rkt, int32_t partition, int64_t offset, rd_kafka_queue_t * rkqu),                            \
      (rkt, partition, offset, rkqu))                                                                                  \
    X(int, rd_kafka_consume_stop, (rd_kafka_topic_t * rkt, int32_t partition), (rkt, partition))                       \
    X(rd_kafka_topic_conf_t *, rd_kafka_default_topic_conf_dup, (rd_kafka_t * rk), (rk))                               \
    X(const char *, rd_kafka_err2str, (rd_kafka_resp_err_t err), (err))                                                \
    X(rd_kafka_resp_err_t, rd_kafka_error_code, (const rd_kafka_error_t *error), (error))                              \
    X(const rd_kafka_CreateTopics_result_t *, rd_kafka_event_CreateTopics_result, (rd_kafka_event_t * rkev), (rkev))   \
    X(rd_kafka_resp_err_t, rd_kafka_event_error, (rd_kafka_event_t * rkev), (rkev))                                    \
    X(rd_kafka_resp_err_t, rd_kafka_fatal_error, (rd_kafka_t * rk, char *errstr, size_t errstr_size),                  \
      (rk, errstr, errstr_size))                                                                                       \
    X(rd_kafka_resp_err_t, rd_kafka_flush, (rd_kafka_t * rk, int timeout_ms), (rk, timeout_ms))                        \
    X(rd_kafka_resp_err_t, rd_kafka_get_watermark_offsets,                                                             \
      (rd_kafka_t * rk, const char *topic, int32_t partition, int64_t *low, int64_t *high),                            \
      (rk, topic, partition, low, high))                                                                               \
    X(rd_kafka_resp_err_t, rd_kafka_header_add,                                                                        \
      (rd_kafka_headers_t * hdrs, const char *name, ssize_t name_size, const void *value, ssize_t value_size),         \
      (hdrs, name, name_size, value, value_size))                                                                      \
    X(rd_kafka_resp_err_t, rd_kafka_header_get_all,                                                                    \
      (const rd_kafka_headers_t *hdrs, size_t idx, const char **namep, const void **valuep, size_t *sizep),            \
      (hdrs, idx, namep, valuep, sizep))                                                                               \
    X(rd_kafka_headers_t *, rd_kafka_headers_new, (size_t initial_count), (initial_count))                             \
    X(rd_kafka_resp_err_t, rd_kafka_last_error, (void), ())                                                            \
    X(const char *, rd_kafka_message_errstr, (const rd_kafka_message_t *m), (m))                                       \
    X(rd_kafka_resp_err_t, rd_kafka_message_headers,                                                                   \
      (const rd_kafka_message_t *rkmessage, rd_kafka_headers_t **hdrsp), (rkmessage, hdrsp))                           \
    X(int64_t, rd_kafka_message_timestamp, (const rd_kafka_message_t *rkmessage, rd_kafka_timestamp_type_t *tstype),   \
      (rkmessage, tstype))                                                                                             \
    X(rd_kafka_resp_err_t, rd_kafka_metadata,                                                                          \
      (rd_kafka_t * rk, int all_topics, rd_kafka_topic_t *only_rkt, const struct rd_kafka_metadata **metadatap,        \
       int timeout_ms),                                                                                                \
      (rk, all_topics, only_rkt, metadatap, timeout_ms))                                                               \
    X(rd_kafka_t *, rd_kafka_new, (rd_kafka_type_t type, rd_kafka_conf_t * conf, char *errstr, size_t errstr_size),    \
      (type, conf, errstr, errstr_size))                                                                               \
    X(rd_kafka_resp_err_t, rd_kafka_offsets_for_times,                                                                 \
      (rd_kafka_t * rk, rd_kafka_topic_partition_list_t * offsets, int timeout_ms), (rk, offsets, timeout_ms))         \
    X(int, rd_kafka_outq_len, (rd_kafka_t * rk), (rk))                                                                 \
    X(int, rd_kafka_poll, (rd_kafka_t * rk, int timeout_ms), (rk, timeout_ms))                                         \
    X(rd_kafka_error_t *, rd_kafka_produceva, (rd_kafka_t * rk, const rd_kafka_vu_t *vus, size_t cnt), (rk, vus, cnt)) \
    X(rd_kafka_resp_err_t, rd_kafka_purge, (rd_kafka_t * rk, int purge_flags), (rk, purge_flags))                      \
    X(rd_kafka_queue_t *, rd_kafka_queue_get_main, (rd_kafka_t * rk), (rk))                                            \
    X(rd_kafka_queue_t *, rd_kafka_queue_new, (rd_kafka_t * rk), (rk))                                                 \
    X(rd_kafka_event_t *, rd_kafka_queue_poll, (rd_kafka_queue_t * rkqu, int timeout_ms), (rkqu, timeout_ms))          \
    X(rd_kafka_conf_res_t, rd_kafka_topic_conf_set,                                                                    \
      (rd_kafka_topic_conf_t * conf, const char *name, const char *value, char *errstr, size_t errstr_size),           \
      (conf, name, value, errstr, errstr_size))                                                                        \
    X(rd_kafka_topic_t *, rd_kafka_topic_new, (rd_kafka_t * rk, const char *topic, rd_kafka_topic_conf_t *conf),       \
      (rk, topic, conf))                                                                                               \
    X(rd_kafka_topic_partition_t *, rd_kafka_topic_partition_list_add,                                                 \
      (rd_kafka_topic_partition_list_t * rktparlist, const char *topic, int32_t partition),                            \
      (rktparlist, topic, partition))                                                                                  \
    X(rd_kafka_topic_partition_t *, rd_kafka_topic_partition_list_find,                                                \
      (const rd_kafka_topic_partition_list_t *rktparlist, const char *topic, int32_t partition),                       \
      (rktparlist, topic, partition))                                                                                  \
    X(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_new, (int size), (size))                        \
    X(rd_kafka_resp_err_t, rd_kafka_topic_result_error, (const rd_kafka_topic_result_t *topicres), (topicres))         \
    V(rd_kafka_CreateTopics,                                                                                           \
      (rd_kafka_t * rk, rd_kafka_NewTopic_t * *new_topics, size_t new_topic_cnt,                                       \
       const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *rkqu),                                                \
      (rk, new_topics, new_topic_cnt, options, rkqu))                                                                  \
    V(rd_kafka_NewTopic_destroy, (rd_kafka_NewTopic_t * new_topic), (new_topic))                                       \
    V(rd_kafka_conf_destroy, (rd_kafka_conf_t * conf), (conf))                                                         \
    V(rd_kafka_conf_set_dr_msg_cb,                                                                                     \
      (rd_kafka_conf_t * conf, void (*dr_msg_cb)(rd_kafka_t * rk, const rd_kafka_message_t *rkmessage, void *opaque)), \
      (conf, dr_msg_cb))                                                                                               \
    V(rd_kafka_conf_set_error_cb,                                                                                      \
      (rd_kafka_conf_t * conf, void (*error_cb)(rd_kafka_t * rk, int err, const char *reason, void *opaque)),          \
      (conf, error_cb))                                                                                                \
    V(rd_kafka_conf_set_log_cb,                                                                                        \
      (rd_kafka_conf_t * conf, void (*log_cb)(const rd_kafka_t *rk, int level, const char *fac, const char *buf)),     \
      (conf, log_cb))                                                                                                  \
    V(rd_kafka_conf_set_opaque, (rd_kafka_conf_t * conf, void *opaque), (conf, opaque))                                \
    V(rd_kafka_destroy, (rd_kafka_t * rk), (rk))                                                                       \
    V(rd_kafka_error_destroy, (rd_kafka_error_t * error), (error))                                                     \
    V(rd_kafka_event_destroy, (rd_kafka_event_t * rkev), (rkev))                                                       \
    V(rd_kafka_headers_destroy, (rd_kafka_headers_t * hdrs), (hdrs))                                                   \
    V(rd_kafka_mem_free, (rd_kafka_t * rk, void *ptr), (rk, ptr))                                                      \
    V(rd_kafka_message_destroy, (rd_kafka_message_t * rkmessage), (rkmessage))                                         \
    V(rd_kafka_metadata_destroy, (const struct rd_kafka_metadata *metadata), (metadata))                               \
    V(rd_kafka_queue_destroy, (rd_kafka_queue_t * rkqu), (rkqu))                                                       \
    V(rd_kafka_queue_io_event_enable, (rd_kafka_queue_t * rkqu, int fd, const void *payload, size_t size),             \
      (rkqu, fd, payload, size))                                                                                       \
    V(rd_kafka_topic_destroy, (rd_kafka_topic_t * rkt), (rkt))                                                         \
    V(rd_kafka_topic_partition_list_destroy, (rd_kafka_topic_partition_list_t * rkparlist), (rkparlist))

static const char *const names[] = {FUNCTIONS(CS_LIBRARY_NAME, CS_LIBRARY_NAME_VOID)};

enum { FUNCTIONS(CS_LIBRARY_AT, CS_LIBRARY_AT_VOID) N_FUNCTIONS };

static cs_library_function *functions[N_FUNCTIONS];
static cs_err loaded;
static cs_error why;

static void load(void)
{
    loaded = cs_library_load("librdkafka.so.1", names, N_FUNCTIONS, functions, &why);
}

cs_err cs_kafka__load(cs_error *e)
{
    static cs_once once = CS_ONCE_INIT;
    cs_once_run(&once, load);
    return loaded == CS_OK ? CS_OK : cs_fail(e, loaded, "no Kafka client: %s", why.text);
}

#define CALL(name) ((__typeof__(name) *)functions[AT_##name])
FUNCTIONS(CS_LIBRARY_FORWARD, CS_LIBRARY_FORWARD_VOID)
