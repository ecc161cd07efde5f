/* The committing of what a result asks for: holds and uses in memory first, then one event, then the answer. */
#include "countersign/base/encode.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

#define REPLAY_NS (900 * CS_NS_PER_S)

cs_effects *cs_effects_new(const cs_effects_options *options)
{
    cs_effects *x = cs_zalloc(sizeof *x);
    x->journal = options->journal;
    x->spend = options->spend;
    x->approvals = options->approvals;
    x->replay_ns = options->replay_ns > 0 ? options->replay_ns : REPLAY_NS;
    x->now_ns = options->now_ns != NULL ? options->now_ns : cs_time_wall_clock;
    x->now_self = options->now_self;
    cs_buf source;
    cs_buf_init(&source);
    cs_buf_printf(&source, "/countersign/%.*s", CS_FMT(options->replica));
    x->source = cs_strdup(cs_buf_cstr(&source));
    cs_buf_destroy(&source);
    cs_decision__replay_init(x);
    return x;
}

void cs_effects_free(cs_effects *x)
{
    if (x != NULL) {
        cs_decision__replay_destroy(x);
        cs_free(x->source);
        cs_free(x);
    }
}

/* ---- committing */

/* A request may be tried again with the same hold: the instant tells the tries. */
static cs_slice event_id(cs_arena *a, const cs_hold *hold)
{
    size_t n = 0;
    const char *text = cs_arena_printf(a, &n, "%.*s.%llx", CS_FMT(hold->id), (unsigned long long)hold->placed_ns);
    return cs_slice_make(text, n);
}

/* A commit under way; in the arena of its batch. */
typedef struct under_way {
    cs_effects *x;
    cs_slice tenant, request_id;
    cs_hold holds[CS_HOLDS_MAX]; /* what tells them */
    size_t n_holds;
    cs_slice consumes; /* an approval that a use of is kept aside; "" = none */
    cs_commit_done *done;
    void *self;
} under_way;

static void release(const under_way *w)
{
    if (w->consumes.n > 0) {
        cs_approvals_release(w->x->approvals, w->consumes);
    }
}

static void give_up(const under_way *w)
{
    if (w->n_holds > 0) {
        cs_holds_take_back(w->x->spend, w->holds, w->n_holds);
    }
    release(w);
    cs_decision__replay_fail(w->x, w->tenant, w->request_id);
}

/* Nobody looks at what became of it: if it fails, the holds stay until their time is over. */
static void given_up(void *self, cs_journal_batch *batch, const cs_error *error)
{
    (void)self;
    (void)error;
    cs_journal_batch_free(batch);
}

/* The log has holds that did not fit, or stand beside a use that came too late: the other replicas are told that they
 * are none, and that the approval was not used. */
static void tell_of_it(const under_way *w)
{
    if (w->n_holds == 0) {
        return;
    }
    cs_journal_batch *batch = cs_journal_batch_new(given_up, NULL);
    for (size_t i = 0; i < w->n_holds; i++) {
        cs_value data = cs_object_new(&batch->arena, 6);
        cs_object_put_text(&batch->arena, data, "tenant", cs_string(w->tenant));
        cs_object_put_text(&batch->arena, data, "request_id", cs_string(w->request_id));
        cs_object_put_text(&batch->arena, data, "hold", cs_string(w->holds[i].id));
        cs_object_put_text(&batch->arena, data, "placed_at", cs_int(w->holds[i].placed_ns));
        cs_object_put_text(&batch->arena, data, "contended", cs_bool(true));
        if (w->consumes.n > 0) {
            cs_object_put_text(&batch->arena, data, "consumed", cs_string(w->consumes));
        }
        cs_event_head head = {.type = "io.countersign.hold.voided.v1",
                              .source = cs_slice_of(w->x->source),
                              .id = event_id(&batch->arena, &w->holds[i]),
                              .tenant = w->tenant,
                              .key = w->holds[i].family,
                              .correlation = w->request_id,
                              .time_ns = w->x->now_ns(w->x->now_self)};
        cs_event event = cs_event_compose(&batch->arena, &head, data);
        cs_journal_batch_add(batch, &event);
    }
    cs_error e;
    if (cs_journal_append(w->x->journal, batch, &e) != CS_OK) {
        given_up(NULL, batch, &e);
    }
}

/* On the journal's thread. */
static void appended(void *self, cs_journal_batch *batch, const cs_error *error)
{
    under_way *w = self;
    cs_commit_end end = CS_COMMIT_DURABLE;
    if (error != NULL) {
        give_up(w);
        end = CS_COMMIT_FAILED;
    } else {
        release(w);
    }
    if (error == NULL && batch->events[0].outcome == CS_EVENT_CONFLICT) {
        tell_of_it(w);
        end = CS_COMMIT_LATE;
    } else if (error == NULL && batch->events[0].outcome != CS_EVENT_APPLIED) {
        end = CS_COMMIT_ANSWERED;
    }
    w->done(w->self, end, error);
    cs_journal_batch_free(batch);
}

static cs_slice dup(cs_arena *a, cs_slice text)
{
    return cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
}

/* One item each; what is asked of people needs no hold. */
static void put_approvals(cs_effects *x, cs_arena *a, const cs_commit *c, cs_slice key, cs_value data)
{
    const cs_effects_plan *p = c->plan;
    if (p != NULL && p->requests) {
        cs_value item = cs_approval_request_value(x->approvals, a, &p->ask, p->seen.id, c->tenant, key, p->now_ns);
        cs_object_put_text(a, data, "requests", cs_array_copy(a, &item, 1));
    }
    if (p != NULL && p->consumes.n > 0) {
        cs_value item = cs_approval_consume_value(a, p->consumes, p->consumes_digest, p->now_ns);
        cs_object_put_text(a, data, "consumes", cs_array_copy(a, &item, 1));
    }
}

static cs_event make_event(cs_effects *x, cs_arena *a, const cs_commit *c, cs_slice key)
{
    cs_slice hex = cs_hex_encode(a, cs_slice_make((const char *)c->digest, CS_INPUT_DIGEST));
    cs_value data = cs_object_new(a, 10);
    cs_object_put_text(a, data, "tenant", cs_string(c->tenant));
    cs_object_put_text(a, data, "request_id", cs_string(c->request_id));
    cs_object_put_text(a, data, "input_digest", cs_string_printf(a, "sha256:%.*s", CS_FMT(hex)));
    cs_object_put_text(a, data, "path", cs_string(c->path));
    cs_object_put_text(a, data, "holds", cs_holds_value(a, c->holds, c->n_holds));
    if (!cs_is_undefined(c->compensation)) {
        cs_object_put_text(a, data, "compensation", c->compensation);
    }
    put_approvals(x, a, c, key, data);
    if (c->answer.body.n <= cs_limits_get()->answer_bytes) {
        cs_object_put_text(a, data, "answer", cs_decision__answer_value(a, &c->answer));
    }
    cs_event_head head = {.type = "io.countersign.decision.committed.v1",
                          .source = cs_slice_of(x->source),
                          .id = c->n_holds > 0 ? event_id(a, &c->holds[0])
                                               : cs_decision__hold_id(a, c->tenant, c->request_id, 0),
                          .tenant = c->tenant,
                          .key = key,
                          .correlation = c->request_id,
                          .time_ns = x->now_ns(x->now_self)};
    return cs_event_compose(a, &head, data);
}

static cs_journal_batch *make_batch(cs_effects *x, const cs_commit *c, cs_slice key, cs_commit_done *done, void *self)
{
    cs_journal_batch *batch = cs_journal_batch_new(appended, NULL);
    cs_arena *a = &batch->arena;
    under_way *w = cs_arena_new(a, under_way);
    *w = (under_way){.x = x,
                     .tenant = dup(a, c->tenant),
                     .request_id = dup(a, c->request_id),
                     .n_holds = c->n_holds,
                     .consumes = c->plan != NULL ? dup(a, c->plan->consumes) : CS_LIT(""),
                     .done = done,
                     .self = self};
    for (size_t i = 0; i < c->n_holds; i++) {
        w->holds[i].id = dup(a, c->holds[i].id);
        w->holds[i].placed_ns = c->holds[i].placed_ns;
        w->holds[i].family = c->holds[i].family;
    }
    batch->self = w;
    cs_event event = make_event(x, a, c, key);
    cs_journal_batch_add(batch, &event);
    return batch;
}

/* Keeps a use of the approval aside, and finds what orders the event: the family of the holds, which must be that of
 * the approval. CS_COMMIT_STARTED, or everything is as before. */
static cs_commit_verdict take_use(cs_effects *x, const cs_commit *c, cs_arena *a, cs_slice *key, cs_error *e)
{
    const cs_effects_plan *p = c->plan;
    cs_slice held = c->n_holds > 0 ? c->holds[0].family : CS_LIT("");
    *key = p != NULL && p->requests && held.n == 0 ? cs_holds_family(x->spend, c->tenant, a) : held;
    if (p == NULL || p->consumes.n == 0) {
        return CS_COMMIT_STARTED;
    }
    cs_approval_verdict verdict =
        cs_approvals_reserve(x->approvals, a, c->tenant, p->consumes, p->consumes_digest, key);
    bool fits = verdict == CS_APPROVAL_RESERVED && (held.n == 0 || cs_slice_eq(held, *key));
    if (fits) {
        return CS_COMMIT_STARTED;
    }
    if (verdict == CS_APPROVAL_RESERVED) {
        cs_approvals_release(x->approvals, p->consumes);
    }
    if (c->n_holds > 0) {
        cs_holds_take_back(x->spend, c->holds, c->n_holds);
    }
    cs_decision__replay_fail(x, c->tenant, c->request_id);
    cs_err err = cs_fail(e, CS_ERR_CONFLICT, "approval %.*s cannot be used (any more)", CS_FMT(p->consumes));
    (void)err;
    return verdict == CS_APPROVAL_BUSY ? CS_COMMIT_DOUBTFUL : CS_COMMIT_CONTENDED;
}

cs_commit_verdict cs_effects_commit(cs_effects *x, cs_commit *c, cs_commit_done *done, void *self, cs_error *e)
{
    bool caught_up = false;
    (void)cs_journal_lag(x->journal, NULL, &caught_up);
    if (!caught_up) { /* what is held and posted is not known yet */
        cs_err err = cs_fail(e, CS_ERR_IO, "the journal is still being read");
        (void)err;
        return CS_COMMIT_UNAVAILABLE;
    }
    if (!cs_decision__replay_begin(x, c->tenant, c->request_id, c->digest)) {
        return CS_COMMIT_KNOWN;
    }
    cs_hold_verdict verdict = c->n_holds > 0 ? cs_holds_place(x->spend, c->holds, c->n_holds, e) : CS_HOLD_PLACED;
    if (verdict != CS_HOLD_PLACED) {
        cs_decision__replay_fail(x, c->tenant, c->request_id);
        return verdict == CS_HOLD_NO_BUDGET  ? CS_COMMIT_NO_BUDGET
               : verdict == CS_HOLD_DOUBTFUL ? CS_COMMIT_DOUBTFUL
               : verdict == CS_HOLD_EXISTS   ? CS_COMMIT_FORGOTTEN
                                             : CS_COMMIT_CONTENDED;
    }
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_slice key = CS_LIT("");
    cs_commit_verdict end = take_use(x, c, &scratch, &key, e);
    if (end == CS_COMMIT_STARTED) {
        cs_journal_batch *batch = make_batch(x, c, key, done, self);
        if (cs_journal_append(x->journal, batch, e) != CS_OK) {
            give_up(batch->self);
            cs_journal_batch_free(batch);
            end = CS_COMMIT_UNAVAILABLE;
        }
    }
    cs_arena_destroy(&scratch);
    return end;
}
