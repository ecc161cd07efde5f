/* What people want to do: looked at now, so that whoever cannot is told why; then recorded; and what became of it at
 * its place in the log is the answer. */
#include "countersign/base/mem.h"
#include "internal.h"

enum { COMMENT_BYTES = 1024, NAME_BYTES = 256, GROUPS = 64 };

typedef struct pending {
    cs_approval_order order; /* texts in the batch's arena */
    cs_approval__step step;
    size_t event; /* its place in the batch; SIZE_MAX = none */
} pending;

typedef struct ordering {
    cs_approval_reply reply; /* first: its owner is this */
    cs_approvals *x;
    cs_approval_done *done;
    void *self;
    cs_journal_batch *batch;
    pending *v;
    size_t n;
} ordering;

void cs_approval_reply_free(cs_approval_reply *reply)
{
    if (reply != NULL) {
        ordering *o = reply->owner;
        cs_journal_batch_free(o->batch);
        cs_free(o);
    }
}

static void answer(ordering *o, size_t i, int status, const char *code, const char *message)
{
    cs_approval_result *r = &o->reply.results[i];
    r->status = status;
    r->code = code;
    r->message = cs_slice_make(cs_arena_dup(&o->batch->arena, message, strlen(message)), strlen(message));
}

static void finish(ordering *o)
{
    for (size_t i = 0; i < o->n; i++) {
        cs_approval_result *r = &o->reply.results[i];
        if (r->status != 404 && !cs_approvals_document(o->x, r->id, &o->batch->arena, &r->document)) {
            r->document = cs_undefined();
        }
    }
    o->done(o->self, &o->reply);
}

static const char *const done_codes[] = {"approved", "rejected", "revoked", "delegated"};
static const char *const done_messages[] = {"it is approved by the caller", "it is rejected",
                                            "what the caller did is revoked", "it is delegated"};

/* Why was it passed over? Somebody was faster. */
static void explain(ordering *o, size_t i)
{
    cs_approval__refusal why = {409, "wrong_state", "somebody else was faster"};
    cs_mutex_lock(&o->x->lock);
    const cs_approval__item *item = cs_map_get(&o->x->by_id, o->v[i].order.id);
    if (item == NULL) {
        why = (cs_approval__refusal){404, "resource_not_found", "the approval is not remembered any more"};
    } else {
        o->v[i].step.at_ns = o->x->now_ns(o->x->now_self);
        if (cs_approval__judge(&o->batch->arena, item, &o->v[i].step, &why) == CS_OK) {
            why = (cs_approval__refusal){409, "wrong_state", "somebody else was faster"};
        }
    }
    cs_mutex_unlock(&o->x->lock);
    answer(o, i, why.status, why.code, why.message);
}

/* On the journal's thread. */
static void appended(void *self, cs_journal_batch *batch, const cs_error *error)
{
    ordering *o = self;
    for (size_t i = 0; i < o->n; i++) {
        if (o->v[i].event == SIZE_MAX) {
            continue;
        }
        cs_approval_act act = o->v[i].order.act;
        if (error != NULL) {
            answer(o, i, 503, "journal_unavailable", error->text);
        } else if (batch->events[o->v[i].event].outcome == CS_EVENT_APPLIED) {
            answer(o, i, 200, done_codes[act], done_messages[act]);
        } else {
            explain(o, i);
        }
    }
    finish(o);
}

/* ---- looking at it */

static cs_slice dup(cs_arena *a, cs_slice text)
{
    return cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
}

static cs_value copy_groups(cs_arena *a, cs_value groups)
{
    cs_value items[GROUPS];
    size_t n = 0;
    for (uint32_t i = 0; cs_is(groups, CS_ARRAY) && i < groups.n && n < GROUPS; i++) {
        if (cs_is(groups.u.items[i], CS_STRING) && groups.u.items[i].n <= NAME_BYTES) {
            items[n++] = cs_string_copy(a, cs_text(groups.u.items[i]));
        }
    }
    return cs_array_copy(a, items, n);
}

static void take(cs_approvals *x, cs_arena *a, const cs_approval_order *from, pending *p)
{
    p->order = *from;
    p->order.id = dup(a, from->id);
    p->order.subject = dup(a, from->subject);
    p->order.tenant = dup(a, from->tenant);
    p->order.groups = copy_groups(a, from->groups);
    p->order.verified = dup(a, from->verified);
    p->order.comment = dup(a, from->comment);
    p->order.digest = dup(a, from->digest);
    p->order.to = dup(a, from->to);
    p->order.request_id = dup(a, from->request_id);
    p->event = SIZE_MAX;
    p->step =
        (cs_approval__step){.act = from->act,
                            .who = {p->order.subject, cs_approvals_person(x, a, p->order.subject), p->order.groups},
                            .to = {p->order.to, cs_approvals_person(x, a, p->order.to), cs_array(NULL, 0)},
                            .verified = p->order.verified,
                            .comment = p->order.comment,
                            .at_ns = x->now_ns(x->now_self),
                            .until_ns = from->until_ns};
}

/* What is wrong with it whatever the approval. */
static cs_err check_order(const pending *p, cs_approval__refusal *why)
{
    const cs_approval_order *o = &p->order;
    if (p->step.who.person.n == 0 || o->subject.n > NAME_BYTES) {
        *why = (cs_approval__refusal){403, "approver_ineligible", "it is not known who calls"};
    } else if (o->comment.n > COMMENT_BYTES) {
        *why = (cs_approval__refusal){400, "invalid_parameter", "comment has at most 1024 bytes"};
    } else if (o->digest.n > 0 && !cs_approval_is_digest(o->digest)) {
        *why = (cs_approval__refusal){400, "invalid_digest", "digest must be sha256: and 64 small hexadecimal digits"};
    } else if (o->act == CS_APPROVAL_DELEGATE && (p->step.to.person.n == 0 || o->to.n > NAME_BYTES)) {
        *why = (cs_approval__refusal){400, "invalid_parameter", "to must name another person"};
    } else {
        return CS_OK;
    }
    return CS_ERR_INVALID;
}

static cs_value who_value(cs_arena *a, const cs_approval__who *who, bool groups)
{
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "id", cs_string(who->id));
    cs_object_put_text(a, v, "person", cs_string(who->person));
    if (groups) {
        cs_object_put_text(a, v, "groups", who->groups);
    }
    return v;
}

static cs_value event_data(cs_arena *a, const pending *p)
{
    cs_approval__who own = {p->order.subject, p->step.who.person, p->order.groups};
    cs_value v = cs_object_new(a, 12);
    cs_object_put_text(a, v, "approver", who_value(a, &own, true));
    cs_object_put_text(a, v, "verified", cs_string(p->order.verified));
    if (p->order.act == CS_APPROVAL_APPROVE || p->order.act == CS_APPROVAL_REJECT) {
        bool approve = p->order.act == CS_APPROVAL_APPROVE;
        cs_object_put_text(a, v, "decision", cs_string(cs_slice_of(approve ? "approve" : "reject")));
    }
    if (p->order.comment.n > 0) {
        cs_object_put_text(a, v, "comment", cs_string(p->order.comment));
    }
    if (p->order.act == CS_APPROVAL_DELEGATE) {
        cs_object_put_text(a, v, "to", who_value(a, &p->step.to, false));
        cs_object_put_text(a, v, "until", cs_int(p->step.until_ns));
    }
    return v;
}

static void look(ordering *o, size_t i)
{
    static const char *const what[] = {"granted", "rejected", "revoked", "delegated"};
    cs_approvals *x = o->x;
    cs_arena *a = &o->batch->arena;
    pending *p = &o->v[i];
    cs_approval__refusal why;
    if (check_order(p, &why) != CS_OK) {
        answer(o, i, why.status, why.code, why.message);
        return;
    }
    cs_mutex_lock(&x->lock);
    const cs_approval__item *item = cs_map_get(&x->by_id, p->order.id);
    cs_err err = CS_ERR_INVALID;
    if (item == NULL) {
        why = (cs_approval__refusal){404, "resource_not_found", "there is no such approval"};
    } else if (p->order.tenant.n > 0 && !cs_slice_eq(p->order.tenant, item->tenant->name)) {
        why = (cs_approval__refusal){403, "approver_ineligible", "the caller acts for another tenant"};
    } else if (p->order.digest.n > 0 && !cs_slice_eq(p->order.digest, item->digest)) {
        why = (cs_approval__refusal){409, "digest_mismatch", "the approval is for another digest"};
    } else {
        if (p->order.act != CS_APPROVAL_DELEGATE) {
            p->step.to = (cs_approval__who){.id = CS_LIT("")};
        }
        err = cs_approval__judge(a, item, &p->step, &why);
    }
    if (err == CS_OK) {
        cs_event event = cs_approval__event(x, a, what[p->order.act], item, p->order.request_id, event_data(a, p));
        p->event = o->batch->n;
        cs_journal_batch_add(o->batch, &event);
        p->step.who.groups = p->order.groups;
    }
    cs_mutex_unlock(&x->lock);
    if (err != CS_OK) {
        answer(o, i, why.status, why.code, why.message);
    }
}

void cs_approvals_act(cs_approvals *x, const cs_approval_order *orders, size_t n, cs_approval_done *done, void *self)
{
    ordering *o = cs_zalloc(sizeof *o);
    *o = (ordering){.x = x, .done = done, .self = self, .n = n};
    o->batch = cs_journal_batch_new(appended, o);
    cs_arena *a = &o->batch->arena;
    o->v = cs_arena_array(a, pending, n + 1);
    o->reply = (cs_approval_reply){.results = cs_arena_array(a, cs_approval_result, n + 1), .n = n, .owner = o};
    for (size_t i = 0; i < n; i++) {
        take(x, a, &orders[i], &o->v[i]);
        o->reply.results[i] = (cs_approval_result){.id = o->v[i].order.id, .document = cs_undefined()};
        look(o, i);
    }
    cs_error e;
    if (o->batch->n == 0) {
        finish(o);
    } else if (cs_journal_append(x->journal, o->batch, &e) != CS_OK) {
        appended(o, o->batch, &e);
    }
}
