/* Moving a log out of Kafka and into it. */
#include "countersign/base/time.h"
#include "journal/kafka.h"

#define ANSWER_NS (30 * CS_NS_PER_S)
#define DELIVER_NS (60 * CS_NS_PER_S)
enum { IDLE_MS = 20 };

static cs_err hand_over(cs_journal__kafka *k, const cs_kafka_record *record, cs_journal_each *each, void *self,
                        cs_error *e)
{
    const cs_kafka_part *part = cs_kafka_in_part(k->in, record->part);
    if (record->offset >= part->goal) {
        return CS_OK; /* came since */
    }
    cs_journal_entry entry = {.topic = cs_slice_of(cs_kafka_in_topic(k->in, part->topic)),
                              .partition = part->partition,
                              .offset = (uint64_t)record->offset,
                              .arrived_ns = cs_journal__kafka_arrival(k, record),
                              .body = CS_LIT("")};
    if (!cs_journal__kafka_text(k, record, &entry.body)) {
        entry.body = CS_LIT("");
    }
    cs_err err = each(self, &entry, e);
    cs_arena_reset(&k->journal->arena);
    return err;
}

cs_err cs_journal__kafka_walk(cs_journal *j, cs_journal_each *each, void *self, cs_error *e)
{
    cs_journal__kafka *k = j->log;
    CS_TRY(cs_kafka_in_start(k->in, e));
    int64_t heard = cs_time_mono_ns();
    while (!cs_kafka_in_caught_up(k->in)) {
        size_t n = cs_kafka_in_take(k->in);
        cs_kafka_record record;
        cs_err err = CS_OK;
        while (err == CS_OK && cs_kafka_in_next(k->in, &record)) {
            err = hand_over(k, &record, each, self, e);
        }
        cs_kafka_in_done(k->in);
        if (err != CS_OK) {
            return err;
        }
        int64_t now = cs_time_mono_ns();
        heard = n > 0 ? now : heard;
        if (now - heard > ANSWER_NS) {
            char why[256];
            cs_kafka_in_reason(k->in, why, sizeof why);
            return cs_fail(e, CS_ERR_TIMEOUT, "%s: %s", j->name, k->said[0] != '\0' ? k->said : why);
        }
        if (n == 0) {
            (void)cs_queue_wait(j->queue, IDLE_MS);
        }
    }
    return CS_OK;
}

static cs_err told(cs_journal__kafka *k, cs_error *e)
{
    return k->import_failed ? cs_fail(e, k->import_error.code, "%s: %s", k->journal->name, k->import_error.text)
                            : CS_OK;
}

cs_err cs_journal__kafka_put(cs_journal *j, const cs_event *event, cs_error *e)
{
    cs_journal__kafka *k = j->log;
    const cs_kafka_header header = {"content-type", CS_LIT("application/cloudevents+json")};
    cs_err err = CS_ERR_LIMIT;
    while (err == CS_ERR_LIMIT) {
        CS_TRY(told(k, e));
        err = cs_kafka_out_send(k->out, cs_journal__kafka_topic(k, event), cs_journal__kafka_key(event), event->body,
                                &header, 1, event->arrived_ns, CS_JOURNAL__IMPORT_TAG, e);
        if (err == CS_ERR_LIMIT) {
            (void)cs_queue_wait(j->queue, IDLE_MS);
        }
        cs_kafka_out_poll(k->out);
    }
    return err;
}

cs_err cs_journal__kafka_flush(cs_journal *j, cs_error *e)
{
    cs_journal__kafka *k = j->log;
    int64_t until = cs_time_mono_ns() + DELIVER_NS;
    while (cs_kafka_out_waiting(k->out) > 0 && cs_time_mono_ns() < until) {
        (void)cs_queue_wait(j->queue, IDLE_MS);
        cs_kafka_out_poll(k->out);
    }
    CS_TRY(told(k, e));
    return cs_kafka_out_waiting(k->out) == 0 ? CS_OK : cs_fail(e, CS_ERR_TIMEOUT, "%s: not all is delivered", j->name);
}
