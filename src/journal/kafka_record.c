/* A record into an event: CloudEvents in structured mode (the value is the event) and in binary mode (headers ce_*, the
 * value is its data). What cannot be read goes to the dead letters with the reason and its place; the stream goes on.
 */
#include <stdio.h>
#include <string.h>

#include "countersign/base/buf.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "journal/kafka.h"

enum { HEADERS = 64, MOST_LETTERS = 20000, CUT_BYTES = 65536 };
#define AHEAD_NS (24 * 3600 * CS_NS_PER_S)
#define EARLIEST_NS (INT64_C(1262304000) * CS_NS_PER_S) /* 2010: nobody produced to Kafka before */
#define COMPLAIN_NS (60 * CS_NS_PER_S)

/* What the headers say. */
typedef struct heads {
    bool binary, ours;
    uint64_t number;
} heads;

static bool our_number(const cs_journal__kafka *k, cs_slice value, uint64_t *number)
{
    cs_slice name = cs_slice_of(cs_kafka_out_name(k->out));
    if (value.n != name.n + 16 || !cs_slice_starts(value, name)) {
        return false;
    }
    uint64_t sum = 0;
    for (size_t i = name.n; i < value.n; i++) {
        char c = value.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        sum = sum << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *number = sum;
    return true;
}

static heads read_heads(const cs_journal__kafka *k, const cs_kafka_record *record)
{
    heads h = {.binary = false};
    const char *name = NULL;
    cs_slice value;
    for (size_t i = 0; i < HEADERS && cs_kafka_in_header(record, i, &name, &value); i++) {
        if (strcmp(name, "ce_specversion") == 0) {
            h.binary = true;
        } else if (strcmp(name, CS_JOURNAL__APPEND_HEADER) == 0) {
            h.ours = our_number(k, value, &h.number);
        }
    }
    return h;
}

/* The event as one object, from the headers and the value. */
static cs_err make_envelope(cs_arena *a, const cs_kafka_record *record, cs_value *out, cs_event_reject *reject)
{
    const cs_limits *limit = cs_limits_get();
    *reject = (cs_event_reject){.id = CS_LIT(""), .code = "", .message = CS_LIT("")};
    if (record->value.n > limit->event_bytes) {
        return cs_event_refuse(a, reject, "too_large", "the event has %zu bytes; at most %llu are allowed",
                               record->value.n, (unsigned long long)limit->event_bytes);
    }
    cs_value envelope = cs_object_new(a, 12);
    const char *name = NULL;
    cs_slice value;
    for (size_t i = 0; i < HEADERS && cs_kafka_in_header(record, i, &name, &value); i++) {
        cs_slice key = cs_slice_of(name);
        if (cs_slice_starts(key, CS_LIT("ce_")) && key.n > 3) {
            cs_object_put(a, envelope, cs_string_copy(a, cs_slice_sub(key, 3, key.n)), cs_string(value));
        } else if (cs_slice_is(key, "content-type")) {
            cs_object_put_text(a, envelope, "datacontenttype", cs_string(value));
        }
    }
    cs_value data;
    cs_error e = {0};
    cs_json_options options = {.borrow = true, .max_depth = (uint32_t)limit->event_depth};
    cs_err err = cs_json_read(a, record->value, &options, &data, NULL, &e);
    if (err != CS_OK) {
        return cs_event_refuse(a, reject, err == CS_ERR_LIMIT ? "too_deep" : "invalid_json", "%s (line %u, column %u)",
                               e.text, e.row, e.col);
    }
    cs_object_put_text(a, envelope, "data", data);
    *out = envelope;
    return CS_OK;
}

static cs_err read_binary(cs_journal *j, const cs_kafka_record *record, cs_event *event, cs_event_reject *reject)
{
    cs_value envelope;
    CS_TRY(make_envelope(&j->arena, record, &envelope, reject));
    return cs_journal__read_value(j, &j->arena, envelope, record->value, event, reject);
}

bool cs_journal__kafka_text(cs_journal__kafka *k, const cs_kafka_record *record, cs_slice *out)
{
    cs_arena *a = &k->journal->arena;
    cs_value envelope;
    cs_event_reject reject;
    if (record->value.p == NULL) {
        return false;
    }
    if (!read_heads(k, record).binary) {
        cs_error e;
        cs_json_options options = {.borrow = true};
        *out = record->value;
        return cs_json_read(a, record->value, &options, &envelope, NULL, &e) == CS_OK && cs_is(envelope, CS_OBJECT);
    }
    if (make_envelope(a, record, &envelope, &reject) != CS_OK) {
        return false;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, envelope, 0);
    *out = (cs_slice){cs_arena_dup(a, cs_buf_view(&text).p, text.n), text.n};
    cs_buf_destroy(&text);
    return true;
}

/* Looking for headers makes librdkafka allocate, whether there are any. A value in the topic of spend that is a whole
 * spend event is one whatever they say; whether it is one of ours matters only while we wait for some. */
static cs_err read_record(cs_journal__kafka *k, const cs_kafka_record *record, heads *h, cs_event *event,
                          cs_event_reject *reject)
{
    cs_journal *j = k->journal;
    cs_slice value = record->value;
    *h = (heads){.binary = false};
    bool spend = cs_kafka_in_part(k->in, record->part)->topic == 0;
    bool early = spend && value.n > 0 && value.p[0] == '{';
    cs_err err = early ? cs_journal__read(j, &j->arena, value, true, false, event, reject) : CS_OK;
    if (early && err == CS_OK && event->members != NULL && k->oldest == NULL) {
        return CS_OK;
    }
    *h = read_heads(k, record);
    if (value.p == NULL) {
        *reject = (cs_event_reject){.id = CS_LIT("")};
        return cs_event_refuse(&j->arena, reject, "invalid_event", "the record has no value");
    }
    if (h->binary) {
        return read_binary(j, record, event, reject);
    }
    /* What is ours may be larger than a spend event: an override carries its bundle. */
    return early ? err : cs_journal__read(j, &j->arena, value, spend, false, event, reject);
}

/* ---- dead letters */

void cs_journal__kafka_letter_lost(cs_journal__kafka *k, const cs_error *error)
{
    if (k->lost_letters != NULL) {
        cs_series_add(k->lost_letters, CS_METRICS_ANY, 1);
    }
    cs_log(
        CS_LOG_ERROR, "A dead letter could not be written.", 2,
        (cs_log_field[]){CS_LOG_S("topic", cs_slice_of(k->dead_letter)), CS_LOG_S("error", cs_slice_of(error->text))});
}

static size_t letter_headers(cs_arena *a, const cs_journal__kafka *k, const cs_kafka_record *record,
                             const cs_event_reject *reject, cs_kafka_header *out)
{
    const cs_kafka_part *part = cs_kafka_in_part(k->in, record->part);
    size_t n = 0;
    size_t length = 0;
    char *text = NULL;
    out[n++] = (cs_kafka_header){"code", cs_slice_of(reject->code)};
    out[n++] = (cs_kafka_header){"reason", reject->message};
    out[n++] = (cs_kafka_header){"topic", cs_slice_of(cs_kafka_in_topic(k->in, part->topic))};
    text = cs_arena_printf(a, &length, "%u", part->partition);
    out[n++] = (cs_kafka_header){"partition", cs_slice_make(text, length)};
    text = cs_arena_printf(a, &length, "%lld", (long long)record->offset);
    out[n++] = (cs_kafka_header){"offset", cs_slice_make(text, length)};
    if (record->key.p != NULL) {
        out[n++] = (cs_kafka_header){"key", record->key};
    }
    const char *name = NULL;
    cs_slice value;
    for (size_t i = 0; n < HEADERS && cs_kafka_in_header(record, i, &name, &value); i++) {
        if (strcmp(name, CS_JOURNAL__APPEND_HEADER) != 0) {
            out[n++] = (cs_kafka_header){name, value};
        }
    }
    return n;
}

/* The record as it came, its place in the key and, with the reason, in headers. */
static void send_letter(cs_journal__kafka *k, const cs_kafka_record *record, const cs_event_reject *reject)
{
    cs_arena *a = &k->journal->arena;
    const cs_kafka_part *part = cs_kafka_in_part(k->in, record->part);
    cs_kafka_header headers[HEADERS + 1];
    size_t n = letter_headers(a, k, record, reject, headers);
    size_t length = 0;
    char *place = cs_arena_printf(a, &length, "%s/%u/%lld", cs_kafka_in_topic(k->in, part->topic), part->partition,
                                  (long long)record->offset);
    cs_slice key = cs_slice_make(place, length);
    cs_slice value = record->value.p != NULL ? record->value : CS_LIT("");
    cs_error e;
    cs_err err = cs_fail(&e, CS_ERR_LIMIT, "too many dead letters are waiting to be written");
    for (int tries = 0; err == CS_ERR_LIMIT && tries < 50; tries++) {
        if (k->letters < MOST_LETTERS) {
            err = cs_kafka_out_send(k->out, k->dead_letter, key, value, headers, n, 0, CS_JOURNAL__LETTER_TAG, &e);
        }
        if (err == CS_ERR_LIMIT) { /* a flood of bad records: as fast as they can be written, but not for ever */
            cs_time_sleep_ns(2 * CS_NS_PER_MS);
            cs_kafka_out_poll(k->out);
        }
    }
    if (err == CS_ERR_INVALID && value.n > CUT_BYTES) {
        char *whole = cs_arena_printf(a, &length, "%zu", value.n);
        headers[n++] = (cs_kafka_header){"cut_from_bytes", cs_slice_make(whole, length)};
        value.n = CUT_BYTES;
        err = cs_kafka_out_send(k->out, k->dead_letter, key, value, headers, n, 0, CS_JOURNAL__LETTER_TAG, &e);
    }
    if (err == CS_OK) {
        k->letters++;
    } else {
        cs_journal__kafka_letter_lost(k, &e);
    }
    if (k->dead != NULL) {
        cs_series_add(k->dead, CS_METRICS_ANY, 1);
    }
    cs_journal__letter_show(k->journal,
                            &(cs_journal_letter){.at_ns = cs_time_wall_ns(),
                                                 .topic = cs_slice_of(cs_kafka_in_topic(k->in, part->topic)),
                                                 .partition = part->partition,
                                                 .offset = (uint64_t)record->offset,
                                                 .code = cs_slice_of(reject->code),
                                                 .reason = reject->message,
                                                 .body = value});
    cs_log(CS_LOG_DEBUG, "Dead letter.", 2,
           (cs_log_field[]){CS_LOG_S("record", key), CS_LOG_S("reason", reject->message)});
}

void cs_journal__kafka_posted_letter(cs_journal__kafka *k, cs_journal_batch *batch, size_t i)
{
    cs_journal_letter *letter = &batch->letters[i];
    letter->at_ns = k->journal->now_ns(k->journal->now_self);
    cs_kafka_header headers[] = {{"code", letter->code}, {"reason", letter->reason}};
    size_t length = 0;
    char *name = cs_arena_printf(&batch->arena, &length, "http/%s/%llu", cs_kafka_out_name(k->out),
                                 (unsigned long long)k->posted++);
    cs_error e;
    cs_err err = k->letters < MOST_LETTERS
                     ? cs_kafka_out_send(k->out, k->dead_letter, cs_slice_make(name, length), letter->body, headers, 2,
                                         0, CS_JOURNAL__LETTER_TAG, &e)
                     : cs_fail(&e, CS_ERR_LIMIT, "too many dead letters are waiting to be written");
    if (err == CS_OK) {
        k->letters++;
    } else {
        cs_journal__kafka_letter_lost(k, &e);
    }
    cs_journal__letter_show(k->journal, letter);
}

/* ---- applying */

/* The record's timestamp where it can be one. A producer's clock may say anything; what lies days ahead would make the
 * ledger forget. */
int64_t cs_journal__kafka_arrival(cs_journal__kafka *k, const cs_kafka_record *record)
{
    int64_t stamp = record->timestamp_ns;
    if (stamp >= EARLIEST_NS && stamp <= k->taken_ns + AHEAD_NS) {
        return stamp; /* mostly, without asking for the time */
    }
    int64_t now = cs_time_wall_ns();
    if (stamp >= EARLIEST_NS && stamp <= now + AHEAD_NS) {
        return stamp;
    }
    k->odd_stamps++;
    int64_t mono = cs_time_mono_ns();
    if (k->complained_mono == 0 || mono - k->complained_mono > COMPLAIN_NS) {
        k->complained_mono = mono;
        const cs_kafka_part *part = cs_kafka_in_part(k->in, record->part);
        cs_log(CS_LOG_WARN, "A record's timestamp is far off; the time of reading is taken. Is a clock wrong?", 4,
               (cs_log_field[]){CS_LOG_S("topic", cs_slice_of(cs_kafka_in_topic(k->in, part->topic))),
                                CS_LOG_I("partition", (int64_t)part->partition), CS_LOG_I("offset", record->offset),
                                CS_LOG_I("timestamp_ns", stamp)});
    }
    return now;
}

/* Reads a record; what cannot be read is a dead letter. */
static bool read_one(cs_journal__kafka *k, const cs_kafka_record *record, cs_journal__coming *out)
{
    cs_journal *j = k->journal;
    const cs_kafka_part *part = cs_kafka_in_part(k->in, record->part);
    heads h;
    cs_event_reject reject;
    cs_err err = read_record(k, record, &h, &out->event, &reject);
    if (err == CS_OK && part->topic == 0 && !cs_journal__wanted(j, &out->event)) {
        cs_slice type = out->event.type;
        err = cs_event_refuse(&j->arena, &reject, "unknown_type", "nothing here is about events of type \"%.*s\"",
                              (int)(type.n < 100 ? type.n : 100), type.p);
    }
    if (err != CS_OK) {
        send_letter(k, record, &reject);
        if (h.ours) {
            cs_journal__kafka_refused(k, h.number, &reject);
        }
        return false;
    }
    out->ours = h.ours;
    out->number = h.number;
    out->event.arrived_ns = cs_journal__kafka_arrival(k, record);
    out->event.partition = record->part;
    out->event.offset = (uint64_t)record->offset;
    out->event.past = record->offset < part->goal;
    return true;
}

static void apply_first(cs_journal__kafka *k)
{
    cs_journal__coming *c = &k->coming[k->n_applied++ % CS_JOURNAL__AHEAD];
    cs_journal__apply(k->journal, &c->event);
    if (c->ours) {
        cs_journal__kafka_returned(k, c->number, &c->event);
    }
}

void cs_journal__kafka_record(cs_journal__kafka *k, const cs_kafka_record *record)
{
    if (read_one(k, record, &k->coming[k->n_read % CS_JOURNAL__AHEAD])) {
        k->n_read++;
        if (k->n_read - k->n_applied == CS_JOURNAL__AHEAD) {
            apply_first(k);
        }
    }
}

void cs_journal__kafka_apply_rest(cs_journal__kafka *k)
{
    while (k->n_applied < k->n_read) {
        apply_first(k);
    }
}
