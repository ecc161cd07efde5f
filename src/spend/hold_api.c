/* One hold for whoever asks: what it is, what it came to, that it is given up. */
#include "countersign/base/mem.h"
#include "spend/internal.h"

/* ---- get */

static cs_slice dup(cs_arena *a, cs_slice text)
{
    return (cs_slice){cs_arena_dup(a, text.p, text.n), text.n};
}

void cs_spend__hold_copy(const cs_spend__hold *hold, int64_t mono_ns, cs_arena *a, cs_hold *out)
{
    *out = (cs_hold){.id = dup(a, hold->id),
                     .tenant = dup(a, hold->account->name),
                     .request_id = dup(a, hold->request_id),
                     .currency = dup(a, cs_slice_make(hold->currency, 3)),
                     .amount_nanos = hold->amount,
                     .placed_ns = hold->placed_ns,
                     .expires_ns = hold->expires_ns,
                     .scope = cs_undefined(),
                     .charge = hold->charge,
                     .state = cs_spend__hold_state(hold, mono_ns),
                     .doubtful = hold->doubtful,
                     .family = hold->n_pins > 0 ? hold->pins[hold->n_pins - 1].account->name : hold->account->name,
                     .posted_nanos = hold->posted,
                     .resolved_ns = hold->resolved_ns};
    if (hold->n_scope > 0) {
        out->scope = cs_object_new(a, hold->n_scope);
        for (uint32_t i = 0; i < hold->n_scope; i++) {
            cs_object_put(a, out->scope, cs_string_copy(a, hold->scope[i].name),
                          cs_string_copy(a, hold->scope[i].value));
        }
    }
}

bool cs_hold_get(cs_spend *s, cs_slice id, cs_arena *a, cs_hold *out)
{
    int64_t mono = cs_spend__hold_clock(s);
    cs_mutex_lock(&s->holds->lock);
    const cs_spend__hold *hold = cs_map_get(&s->holds->by_id, id);
    bool found = hold != NULL && !hold->early;
    if (found) {
        cs_spend__hold_copy(hold, mono, a, out);
    }
    cs_mutex_unlock(&s->holds->lock);
    return found;
}

static cs_value instant(cs_arena *a, int64_t ns)
{
    char text[40];
    size_t n = cs_time_format_rfc3339(ns, text);
    return cs_string_copy(a, cs_slice_make(text, n));
}

cs_value cs_hold_document(const cs_hold *hold, cs_arena *a)
{
    bool posted = hold->state == CS_HOLD_POSTED || hold->state == CS_HOLD_POSTED_LATE;
    cs_value v = cs_object_new(a, 12);
    cs_object_put_text(a, v, "id", cs_string(hold->id));
    cs_object_put_text(a, v, "tenant", cs_string(hold->tenant));
    cs_object_put_text(a, v, "request_id", cs_string(hold->request_id));
    cs_object_put_text(a, v, "state", cs_string(cs_slice_of(cs_hold_state_name(hold->state))));
    cs_object_put_text(a, v, "amount", cs_spend__money(a, hold->amount_nanos));
    cs_object_put_text(a, v, "currency", cs_string(hold->currency));
    cs_object_put_text(a, v, "placed_at", instant(a, hold->placed_ns));
    cs_object_put_text(a, v, "expires_at", instant(a, hold->expires_ns));
    cs_object_put_text(a, v, "posted", posted ? cs_spend__money(a, hold->posted_nanos) : cs_null());
    cs_object_put_text(a, v, "resolved_at", hold->resolved_ns != 0 ? instant(a, hold->resolved_ns) : cs_null());
    cs_object_put_text(a, v, "scope", cs_is(hold->scope, CS_OBJECT) ? hold->scope : cs_null());
    return v;
}

/* ---- settle and void */

typedef struct asking {
    cs_hold_reply reply; /* first: its owner is this */
    cs_spend *spend;
    cs_hold_done *done;
    void *self;
    cs_journal_batch *batch; /* its arena holds all texts */
    cs_hold hold;
    bool settles;
} asking;

void cs_hold_reply_free(cs_hold_reply *reply)
{
    if (reply != NULL) {
        asking *q = reply->owner;
        cs_journal_batch_free(q->batch);
        cs_free(q);
    }
}

static void reply(asking *q, int status, const char *code, const char *message)
{
    q->reply.status = status;
    q->reply.code = code;
    q->reply.message = dup(&q->batch->arena, cs_slice_of(message));
    q->reply.owner = q;
    q->done(q->self, &q->reply);
}

/* 409 for what was resolved before. */
static void reply_resolved(asking *q)
{
    char amount[32] = "";
    if (q->hold.state == CS_HOLD_VOIDED) {
        reply(q, 409, "already_voided", "the hold was voided before");
    } else if (q->hold.state == CS_HOLD_EXPIRED) {
        reply(q, 409, "expired", "the hold has expired; there is nothing to give up");
    } else {
        (void)cs_money_format(q->hold.posted_nanos, amount);
        reply(q, 409, "already_posted",
              cs_arena_printf(&q->batch->arena, NULL, "the hold was posted before, with %s %.*s", amount,
                              CS_FMT(q->hold.currency)));
    }
}

/* On the journal's thread: what the fold made of it decides. */
static void appended(void *self, cs_journal_batch *batch, const cs_error *error)
{
    asking *q = self;
    if (error != NULL) {
        reply(q, 503, "journal_unavailable", error->text);
        return;
    }
    bool applied = batch->events[0].outcome == CS_EVENT_APPLIED;
    if (!cs_hold_get(q->spend, q->hold.id, &batch->arena, &q->hold)) {
        reply(q, 404, "resource_not_found", "the hold is not remembered any more");
    } else if (!applied) {
        reply_resolved(q);
    } else if (!q->settles) {
        reply(q, 200, "voided", "the hold is voided");
    } else if (q->hold.state == CS_HOLD_POSTED_LATE) {
        reply(q, 200, "expired", "the hold had expired; what it came to is counted all the same");
    } else if (q->hold.state == CS_HOLD_POSTED) {
        reply(q, 200, "posted", "the hold is posted");
    } else {
        reply(q, 409, "already_voided", "the hold was voided a moment before; what it came to is counted all the same");
    }
}

/* Beside the spend event, in the topic and the order of the holds: what comes behind knows that there is room. */
static void add_settled(asking *q, const cs_event_head *like, int64_t nanos)
{
    cs_arena *a = &q->batch->arena;
    cs_value data = cs_object_new(a, 3);
    cs_object_put_text(a, data, "tenant", cs_string(q->hold.tenant));
    cs_object_put_text(a, data, "hold", cs_string(q->hold.id));
    cs_object_put_text(a, data, "posted_nanos", cs_int(nanos));
    cs_event_head head = *like;
    head.type = "io.countersign.hold.settled.v1";
    head.key = q->hold.family;
    cs_event event = cs_event_compose(a, &head, data);
    cs_journal_batch_add(q->batch, &event);
}

static void add_event(asking *q, int64_t nanos, cs_slice reason)
{
    cs_arena *a = &q->batch->arena;
    cs_value data = cs_object_new(a, 6);
    cs_object_put_text(a, data, "tenant", cs_string(q->hold.tenant));
    cs_object_put_text(a, data, "hold", cs_string(q->hold.id));
    if (q->settles) {
        cs_object_put_text(a, data, "amount", cs_spend__money(a, nanos));
        cs_object_put_text(a, data, "currency", cs_string(q->hold.currency));
        cs_object_put_text(a, data, "kind", cs_string(CS_LIT("usage")));
        if (cs_is(q->hold.scope, CS_OBJECT)) {
            cs_object_put_text(a, data, "scope", q->hold.scope);
        }
    } else if (reason.n > 0) {
        cs_object_put_text(a, data, "reason", cs_string_copy(a, reason));
    }
    cs_event_head head = {.type = q->settles ? "io.countersign.spend.recorded.v1" : "io.countersign.hold.voided.v1",
                          .source = CS_LIT("/countersign/holds"),
                          .id = q->hold.id,
                          .tenant = q->hold.tenant,
                          .key = q->settles ? CS_LIT("") : q->hold.family,
                          .correlation = q->hold.request_id,
                          .time_ns = q->spend->now_ns(q->spend->now_self)};
    cs_event event = cs_event_compose(a, &head, data);
    cs_journal_batch_add(q->batch, &event);
    if (q->settles && q->spend->shared) {
        add_settled(q, &head, nanos);
    }
}

static void ask(cs_spend *s, cs_slice id, bool settles, int64_t nanos, cs_slice reason, cs_hold_done *done, void *self)
{
    asking *q = cs_zalloc(sizeof *q);
    *q = (asking){.spend = s, .done = done, .self = self, .settles = settles};
    q->batch = cs_journal_batch_new(appended, q);
    if (!cs_hold_get(s, id, &q->batch->arena, &q->hold)) {
        reply(q, 404, "resource_not_found", "there is no such hold");
        return;
    }
    q->reply.hold = &q->hold;
    bool open = q->hold.state == CS_HOLD_PENDING || (settles && q->hold.state == CS_HOLD_EXPIRED);
    if (!open) {
        reply_resolved(q);
        return;
    }
    add_event(q, nanos, reason);
    cs_error e;
    if (cs_journal_append(s->journal, q->batch, &e) != CS_OK) {
        reply(q, 503, "journal_unavailable", e.text);
    }
}

void cs_hold_settle(cs_spend *spend, cs_slice id, int64_t amount_nanos, cs_hold_done *done, void *self)
{
    ask(spend, id, true, amount_nanos, CS_LIT(""), done, self);
}

void cs_hold_void(cs_spend *spend, cs_slice id, cs_slice reason, cs_hold_done *done, void *self)
{
    ask(spend, id, false, 0, reason, done, self);
}
