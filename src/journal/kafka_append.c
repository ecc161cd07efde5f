/* Appends on Kafka: produce, and answer when the records have come back through the consumer and are applied. Records
 * of ours are known by a header with the producer's name and a number, which is that of their slot. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "journal/kafka.h"

enum { MOST_EVENTS = 200000 };

static cs_journal__slot *slot_of(cs_journal__kafka *k, uint64_t number)
{
    return number >= k->first && number < k->end ? &k->slots[number & (k->slots_cap - 1)] : NULL;
}

static uint64_t new_slot(cs_journal__kafka *k, cs_journal__sending *s, size_t index)
{
    if (k->end - k->first == k->slots_cap) {
        size_t cap = k->slots_cap != 0 ? k->slots_cap * 2 : 1024;
        cs_journal__slot *slots = cs_alloc_array(cap, sizeof *slots);
        for (uint64_t i = k->first; i < k->end; i++) {
            slots[i & (cap - 1)] = k->slots[i & (k->slots_cap - 1)];
        }
        cs_free(k->slots);
        k->slots = slots;
        k->slots_cap = cap;
    }
    k->slots[k->end & (k->slots_cap - 1)] = (cs_journal__slot){s, index};
    return k->end++;
}

/* Gives the batch back. */
static void finish(cs_journal__kafka *k, cs_journal__sending *s, const cs_error *error)
{
    for (uint64_t i = s->first; i < s->first + s->n; i++) {
        cs_journal__slot *slot = slot_of(k, i);
        if (slot != NULL) {
            slot->sending = NULL;
        }
    }
    while (k->first < k->end && slot_of(k, k->first)->sending == NULL) {
        k->first++;
    }
    *(s->before != NULL ? &s->before->next : &k->oldest) = s->next;
    *(s->next != NULL ? &s->next->before : &k->newest) = s->before;
    k->n_sending--;
    cs_journal_batch *batch = s->batch;
    cs_free(s);
    batch->done(batch->self, batch, error);
}

static void fail(cs_journal__kafka *k, cs_journal__sending *s, cs_err code, const char *why)
{
    cs_error e;
    (void)!cs_fail(&e, code, "%s: %s", k->journal->name, why);
    finish(k, s, &e);
}

/* The tenant, so that what is one tenant's stays in order, or what an event of our own is to be in order with. */
cs_slice cs_journal__kafka_key(const cs_event *event)
{
    if (event->key.n > 0) {
        return event->key;
    }
    cs_slice prefix = CS_LIT("tenant/");
    return cs_slice_starts(event->subject, prefix) ? cs_slice_sub(event->subject, prefix.n, event->subject.n)
                                                   : event->subject;
}

const char *cs_journal__kafka_topic(const cs_journal__kafka *k, const cs_event *event)
{
    return cs_slice_starts(event->type, CS_LIT("io.countersign.spend.")) ? k->spend : k->own;
}

static cs_err send_event(cs_journal__kafka *k, cs_journal__sending *s, size_t index, cs_error *e)
{
    const cs_event *event = &s->batch->events[index];
    uint64_t number = new_slot(k, s, index);
    s->n++;
    s->left++;
    char mark[40];
    int n = snprintf(mark, sizeof mark, "%s%016llx", cs_kafka_out_name(k->out), (unsigned long long)number);
    const cs_kafka_header headers[] = {{"content-type", CS_LIT("application/cloudevents+json")},
                                       {CS_JOURNAL__APPEND_HEADER, cs_slice_make(mark, (size_t)n)}};
    return cs_kafka_out_send(k->out, cs_journal__kafka_topic(k, event), cs_journal__kafka_key(event), event->body,
                             headers, 2, 0, number, e);
}

static void send_batch(cs_journal__kafka *k, cs_journal_batch *batch)
{
    cs_journal__sending *s = cs_zalloc(sizeof *s);
    s->batch = batch;
    s->first = k->end;
    s->deadline_mono = batch->queued_mono_ns + k->append_ns;
    s->before = k->newest;
    *(s->before != NULL ? &s->before->next : &k->oldest) = s;
    k->newest = s;
    k->n_sending++;
    cs_journal *j = k->journal;
    cs_error e = {.code = CS_OK};
    if (atomic_load(&j->broken)) {
        fail(k, s, CS_ERR_IO, "it cannot be read; events are refused");
        return;
    }
    if (cs_kafka_in_away(k->in) != 0) {
        char why[256];
        cs_kafka_in_reason(k->in, why, sizeof why);
        fail(k, s, CS_ERR_IO, why);
        return;
    }
    if (k->end - k->first > MOST_EVENTS) {
        fail(k, s, CS_ERR_LIMIT, "too many events are on their way");
        return;
    }
    cs_err err = CS_OK;
    for (size_t i = 0; i < batch->n_letters; i++) {
        cs_journal__kafka_posted_letter(k, batch, i);
    }
    for (size_t i = 0; err == CS_OK && i < batch->n; i++) {
        cs_event *event = &batch->events[i];
        event->outcome = CS_EVENT_UNSEEN;
        event->past = false;
        event->offset = event->partition = 0;
        if (cs_journal__redundant(j, event)) {
            event->outcome = CS_EVENT_DUPLICATE;
            event->arrived_ns = j->now_ns(j->now_self);
        } else {
            err = send_event(k, s, i, &e);
        }
    }
    if (err != CS_OK) {
        fail(k, s, err, e.text);
    } else if (s->left == 0) {
        finish(k, s, NULL);
    }
}

void cs_journal__kafka_accept(cs_journal__kafka *k)
{
    cs_journal_batch *batch = NULL;
    for (int i = 0; i < 1024 && (batch = cs_queue_take(k->journal->queue)) != NULL; i++) {
        if (batch != &cs_journal__wake_up) {
            send_batch(k, batch);
        }
    }
}

void cs_journal__kafka_returned(cs_journal__kafka *k, uint64_t number, const cs_event *event)
{
    cs_journal__slot *slot = slot_of(k, number);
    if (slot == NULL || slot->sending == NULL) {
        return; /* answered before, as failed */
    }
    cs_journal__sending *s = slot->sending;
    cs_event *ours = &s->batch->events[slot->index];
    ours->outcome = event->outcome;
    ours->arrived_ns = event->arrived_ns;
    ours->partition = event->partition;
    ours->offset = event->offset;
    slot->sending = NULL;
    if (--s->left == 0) {
        finish(k, s, NULL);
    }
}

void cs_journal__kafka_refused(cs_journal__kafka *k, uint64_t number, const cs_event_reject *reject)
{
    cs_journal__slot *slot = slot_of(k, number);
    if (slot != NULL && slot->sending != NULL) {
        char why[300];
        (void)snprintf(why, sizeof why, "an event was refused: %.*s",
                       (int)(reject->message.n < 200 ? reject->message.n : 200), reject->message.p);
        fail(k, slot->sending, CS_ERR_INVALID, why);
    }
}

void cs_journal__kafka_delivered(void *self, uint64_t tag, const cs_error *error)
{
    cs_journal__kafka *k = self;
    if (tag == CS_JOURNAL__LETTER_TAG) {
        k->letters--;
        if (error != NULL) {
            cs_journal__kafka_letter_lost(k, error);
        }
        return;
    }
    if (tag == CS_JOURNAL__IMPORT_TAG) {
        if (error != NULL && !k->import_failed) {
            k->import_failed = true;
            k->import_error = *error;
        }
        return;
    }
    cs_journal__slot *slot = slot_of(k, tag);
    if (error != NULL && slot != NULL && slot->sending != NULL) {
        fail(k, slot->sending, error->code, error->text);
    }
}

void cs_journal__kafka_expire(cs_journal__kafka *k, bool all)
{
    int64_t now = cs_time_mono_ns();
    while (k->oldest != NULL && (all || k->oldest->deadline_mono <= now)) {
        fail(k, k->oldest, CS_ERR_TIMEOUT, all ? "the service ends" : "the events did not come back in time");
    }
}
