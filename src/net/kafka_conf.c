/* Settings of librdkafka: the user's, ours, and what nobody may change. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/log.h"
#include "net/kafka.h"

/* What the guarantees rest on, and what has a place of its own in the configuration. */
static const char *const reserved[] = {
    "bootstrap.servers",
    "metadata.broker.list",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "auto.offset.reset",
    "enable.partition.eof",
    "partitioner",
    "enable.auto.commit",
    "enable.gapless.guarantee",
    "enable.random.seed",
    "offset.store.method",
    "log_level",
    "transactional.id",
    "auto.commit.enable",
    "delivery.report.only.error",
    "dr_cb",
    "dr_msg_cb",
    "log_cb",
    "error_cb",
    "stats_cb",
    "opaque",
    "events",
    "consume_cb",
    "plugin.library.paths",
};

static cs_err set(rd_kafka_conf_t *conf, const char *name, const char *value, cs_error *e)
{
    char why[512] = "";
    switch (rd_kafka_conf_set(conf, name, value, why, sizeof why)) {
    case RD_KAFKA_CONF_OK:
        return CS_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return cs_fail(e, CS_ERR_INVALID, "%s: librdkafka has no such property", name);
    case RD_KAFKA_CONF_INVALID:
    default:
        return cs_fail(e, CS_ERR_INVALID, "%s: %s", name, why);
    }
}

cs_err cs_kafka_check(const cs_kafka_property *properties, size_t n, cs_error *e)
{
    CS_TRY(cs_kafka__load(e));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    cs_err err = CS_OK;
    for (size_t i = 0; err == CS_OK && i < n; i++) {
        for (size_t k = 0; err == CS_OK && k < sizeof reserved / sizeof *reserved; k++) {
            if (strcmp(properties[i].name, reserved[k]) == 0) {
                err = cs_fail(e, CS_ERR_INVALID, "%s: is not to be set here", properties[i].name);
            }
        }
        if (err == CS_OK) {
            err = set(conf, properties[i].name, properties[i].value, e);
        }
    }
    rd_kafka_conf_destroy(conf);
    return err;
}

/* librdkafka talks a lot while a broker is away; what matters of it is reported in our own words. */
static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    cs_log(level <= 2 ? CS_LOG_ERROR : CS_LOG_DEBUG, text, 1,
           (cs_log_field[]){CS_LOG_S("librdkafka", cs_slice_of(facility))});
}

cs_err cs_kafka__conf(const cs_kafka_cluster *cluster, const cs_kafka__setting *first, size_t n_first,
                      const cs_kafka__setting *last, size_t n_last, void *opaque, rd_kafka_conf_t **out, cs_error *e)
{
    CS_TRY(cs_kafka_check(cluster->properties, cluster->n_properties, e));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    cs_err err = set(conf, "bootstrap.servers", cluster->brokers, e);
    for (size_t i = 0; err == CS_OK && i < n_first; i++) {
        err = set(conf, first[i].name, first[i].value, e);
    }
    for (size_t i = 0; err == CS_OK && i < cluster->n_properties; i++) {
        err = set(conf, cluster->properties[i].name, cluster->properties[i].value, e);
    }
    for (size_t i = 0; err == CS_OK && i < n_last; i++) {
        err = set(conf, last[i].name, last[i].value, e);
    }
    if (err != CS_OK) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    rd_kafka_conf_set_log_cb(conf, log_line);
    rd_kafka_conf_set_opaque(conf, opaque);
    *out = conf;
    return CS_OK;
}
