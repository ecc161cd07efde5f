/* POST /v1/events: a body into a batch, and what became of it into an answer. */
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/json.h"
#include "spend/internal.h"

/* One body under way. It owns the batch until the journal has it, and gets it back when that is done. */
typedef struct posting {
    cs_spend_receipt receipt; /* first: the receipt's owner is this */
    cs_spend *spend;
    cs_spend_posted *done;
    void *self;
    cs_journal_batch *batch;
    CS_VEC(cs_event_reject) rejected; /* texts in the batch's arena */
    cs_buf out;
} posting;

static void write_text(cs_buf *out, const char *key, cs_slice text)
{
    cs_buf_printf(out, ",\"%s\":", key);
    cs_json_write_string(out, text, CS_JSON_HTML);
}

static void write_counts(posting *p)
{
    cs_spend_receipt *r = &p->receipt;
    cs_buf_printf(&p->out, "{\"accepted\":%zu,\"duplicates\":%zu,\"rejected\":[", r->accepted, r->duplicates);
    for (size_t i = 0; i < p->rejected.n; i++) {
        const cs_event_reject *reject = &p->rejected.v[i];
        cs_buf_printf(&p->out, "%s{\"index\":%zu", i > 0 ? "," : "", reject->index);
        write_text(&p->out, "id", reject->id);
        write_text(&p->out, "code", cs_slice_of(reject->code));
        write_text(&p->out, "message", reject->message);
        cs_buf_byte(&p->out, '}');
    }
    cs_buf_text(&p->out, "]}\n");
}

static void write_error(posting *p, int status, const char *code, const char *message)
{
    p->receipt.status = status;
    cs_buf_printf(&p->out, "{\"code\":\"%s\"", code);
    write_text(&p->out, "message", cs_slice_of(message));
    cs_buf_text(&p->out, "}\n");
}

static void give_back(posting *p)
{
    cs_spend__count_add(p->spend, CS_SPEND__REJECTED, p->receipt.rejected);
    p->receipt.body = cs_buf_view(&p->out);
    p->receipt.owner = p;
    p->done(p->self, &p->receipt);
}

void cs_spend_receipt_free(cs_spend_receipt *receipt)
{
    if (receipt != NULL) {
        posting *p = receipt->owner;
        cs_journal_batch_free(p->batch);
        CS_VEC_FREE(&p->rejected);
        cs_buf_destroy(&p->out);
        cs_free(p);
    }
}

static void finish(posting *p)
{
    p->receipt.rejected = p->rejected.n;
    p->receipt.status = p->batch->n == 0 && p->rejected.n > 0 ? 400 : 202;
    write_counts(p);
    give_back(p);
}

/* On the journal's thread. */
static void appended(void *self, cs_journal_batch *batch, const cs_error *error)
{
    posting *p = self;
    if (error != NULL && batch->n > 0) { /* dead letters alone are not what anyone waits for */
        write_error(p, 503, "journal_unavailable", error->text);
        give_back(p);
        return;
    }
    for (size_t i = 0; i < batch->n; i++) {
        cs_event_outcome outcome = batch->events[i].outcome;
        p->receipt.accepted += outcome == CS_EVENT_APPLIED;
        p->receipt.conflicts += outcome == CS_EVENT_CONFLICT;
        p->receipt.duplicates += outcome == CS_EVENT_DUPLICATE || outcome == CS_EVENT_CONFLICT;
    }
    finish(p);
}

static void reject(posting *p, size_t index, cs_slice piece, cs_event_reject why)
{
    why.index = index;
    CS_VEC_PUSH(&p->rejected, why);
    cs_journal_batch_reject(p->batch, &why, piece);
}

static void take_piece(posting *p, size_t index, cs_slice piece)
{
    cs_arena *a = &p->batch->arena;
    cs_event event;
    cs_event_reject why;
    if (cs_event_read_bulk(a, piece, true, &event, &why) != CS_OK) {
        reject(p, index, piece, why);
        return;
    }
    why = (cs_event_reject){.id = event.id};
    cs_spend__event *spend = cs_arena_alloc(a, sizeof *spend);
    if (cs_spend__event_read(a, &event, spend, &why) != CS_OK) {
        reject(p, index, piece, why);
        return;
    }
    event.parsed = spend;
    cs_journal_batch_add(p->batch, &event);
}

/* false if there are more events than a request may bring; then nothing of it counts. */
static bool take_body(posting *p, cs_slice body)
{
    body = (cs_slice){cs_arena_dup(&p->batch->arena, body.p, body.n), body.n};
    cs_event_cutter cutter;
    cs_event_cut(&cutter, body);
    cs_slice piece;
    bool broken = false;
    size_t index = 0;
    for (; cs_event_next(&cutter, &piece, &broken); index++) {
        if (index >= cs_limits_get()->event_batch) {
            return false;
        }
        if (broken) {
            cs_slice message = CS_LIT("the array is damaged here; this event and those behind it are not read");
            reject(p, index, piece, (cs_event_reject){.id = CS_LIT(""), .code = "invalid_json", .message = message});
        } else {
            take_piece(p, index, piece);
        }
    }
    if (index == 0 && !cutter.array) {
        cs_slice message = CS_LIT("the body holds no event");
        reject(p, 0, body, (cs_event_reject){.id = CS_LIT(""), .code = "invalid_json", .message = message});
    }
    return true;
}

void cs_spend_post(cs_spend *spend, cs_slice body, cs_spend_posted *done, void *self)
{
    posting *p = cs_zalloc(sizeof *p);
    p->spend = spend;
    p->done = done;
    p->self = self;
    cs_buf_init(&p->out);
    p->batch = cs_journal_batch_new(appended, p);
    if (!take_body(p, body)) {
        char message[128];
        (void)snprintf(message, sizeof message, "more than %llu events in one request",
                       (unsigned long long)cs_limits_get()->event_batch);
        write_error(p, 413, "too_many_events", message);
        give_back(p);
        return;
    }
    p->receipt.rejected = p->rejected.n;
    if (p->batch->n == 0 && p->batch->n_letters == 0) {
        finish(p);
        return;
    }
    cs_error e;
    if (cs_journal_append(spend->journal, p->batch, &e) == CS_OK) {
        return;
    }
    if (p->batch->n == 0) {
        finish(p);
    } else {
        write_error(p, 503, "journal_unavailable", e.text);
        give_back(p);
    }
}

size_t cs_spend_letters(cs_spend *spend, cs_arena *a, cs_journal_letter **out)
{
    return cs_journal_letters(spend->journal, a, out);
}
