/* What a result asks for, and the committing of it: holds in memory first, then one event, then the answer. */
#include "countersign/base/encode.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/number.h"
#include "internal.h"

#define REPLAY_NS (900 * CS_NS_PER_S)
#define TTL_S INT64_C(60)
#define TTL_MAX_S INT64_C(86400)
enum { ID_HEX = 32, EFFECTS_MAX = 32 };

static int64_t wall_clock(void *self)
{
    (void)self;
    return cs_time_wall_ns();
}

cs_effects *cs_effects_new(const cs_effects_options *options)
{
    cs_effects *x = cs_zalloc(sizeof *x);
    x->journal = options->journal;
    x->spend = options->spend;
    x->replay_ns = options->replay_ns > 0 ? options->replay_ns : REPLAY_NS;
    x->now_ns = options->now_ns != NULL ? options->now_ns : wall_clock;
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

/* ---- reading */

static const cs_value *field(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL && !cs_is(*v, CS_NULL) ? v : NULL;
}

/* The same for every try and every replica. */
static cs_slice hold_id(cs_arena *a, cs_slice tenant, cs_slice request_id, size_t index)
{
    cs_hasher *h = cs_hasher_start(CS_SHA256);
    cs_hasher_add(h, tenant);
    cs_hasher_add(h, cs_slice_make("", 1));
    cs_hasher_add(h, request_id);
    cs_hasher_add(h, cs_slice_make("", 1));
    char number = (char)('0' + index);
    cs_hasher_add(h, cs_slice_make(&number, 1));
    uint8_t digest[CS_DIGEST_MAX];
    size_t n = cs_hasher_finish(h, digest);
    cs_slice hex = cs_hex_encode(a, cs_slice_make((const char *)digest, n));
    const char *text = cs_arena_printf(a, &n, "h-%.*s", ID_HEX, hex.p);
    return cs_slice_make(text, n);
}

static cs_err read_amount(cs_value effect, int64_t *out, cs_error *e)
{
    const cs_value *amount = field(effect, "amount_nanos");
    if (amount == NULL || !cs_is(*amount, CS_NUMBER) || !cs_number_is_int(*amount, out) || *out < 0) {
        return cs_fail(e, CS_ERR_INVALID, "amount_nanos of a hold must be a whole number of nano-units, not negative");
    }
    return CS_OK;
}

static cs_err read_ttl(cs_value effect, int64_t *ns, cs_error *e)
{
    const cs_value *ttl = field(effect, "ttl_s");
    int64_t seconds = TTL_S;
    if (ttl != NULL &&
        (!cs_is(*ttl, CS_NUMBER) || !cs_number_is_int(*ttl, &seconds) || seconds < 1 || seconds > TTL_MAX_S)) {
        return cs_fail(e, CS_ERR_INVALID, "ttl_s of a hold must be a whole number from 1 to %lld",
                       (long long)TTL_MAX_S);
    }
    *ns = seconds * CS_NS_PER_S;
    return CS_OK;
}

static cs_err read_budgets(cs_arena *a, cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *list = field(effect, "budgets");
    if (list == NULL) {
        return CS_OK;
    }
    bool good = cs_is(*list, CS_ARRAY) || cs_is(*list, CS_SET);
    uint32_t n = good ? cs_count(*list) : 0;
    cs_slice *ids = cs_arena_array(a, cs_slice, n);
    for (uint32_t i = 0; good && i < n; i++) {
        cs_value id = cs_is(*list, CS_ARRAY) ? list->u.items[i] : cs_entry(*list, i, NULL);
        good = cs_is(id, CS_STRING);
        ids[i] = good ? cs_text(id) : CS_LIT("");
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "budgets of a hold must be an array of strings");
    }
    out->budgets = ids;
    out->n_budgets = n;
    return CS_OK;
}

static cs_err read_limits(cs_arena *a, cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *object = field(effect, "limits");
    if (object == NULL) {
        return CS_OK;
    }
    bool good = cs_is(*object, CS_OBJECT);
    uint32_t n = good ? cs_count(*object) : 0;
    cs_hold_limit *limits = cs_arena_array(a, cs_hold_limit, n);
    for (uint32_t i = 0; good && i < n; i++) {
        cs_value v, key = cs_entry(*object, i, &v);
        good = cs_is(key, CS_STRING) && cs_is(v, CS_NUMBER) && cs_number_is_int(v, &limits[i].nanos);
        limits[i].budget = good ? cs_text(key) : CS_LIT("");
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "limits of a hold must be an object of whole numbers of nano-units");
    }
    out->limits = limits;
    out->n_limits = n;
    return CS_OK;
}

static cs_err read_scope(cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *object = field(effect, "scope");
    out->scope = cs_undefined();
    if (object == NULL) {
        return CS_OK;
    }
    bool good = cs_is(*object, CS_OBJECT) && cs_count(*object) <= CS_HOLDS_MAX;
    for (uint32_t i = 0; good && i < cs_count(*object); i++) {
        cs_value v, key = cs_entry(*object, i, &v);
        good = cs_is(key, CS_STRING) && cs_is(v, CS_STRING);
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "scope of a hold must be an object of at most %d strings", CS_HOLDS_MAX);
    }
    out->scope = *object;
    return CS_OK;
}

/* "document_id" and "estimate_nanos": of which operation it is, and the estimate that the amount rests on. */
static cs_err read_estimate(cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *document = field(effect, "document_id"), *estimate = field(effect, "estimate_nanos");
    out->document_id = CS_LIT("");
    if (document == NULL || estimate == NULL) {
        return CS_OK;
    }
    if (!cs_is(*document, CS_STRING) || !cs_is(*estimate, CS_NUMBER) ||
        !cs_number_is_int(*estimate, &out->estimate_nanos) || out->estimate_nanos < 0) {
        return cs_fail(e, CS_ERR_INVALID,
                       "document_id of a hold must be a string, estimate_nanos a whole number of nano-units");
    }
    out->document_id = cs_text(*document);
    return CS_OK;
}

static cs_err read_hold(cs_arena *a, cs_value effect, cs_hold *out, cs_error *e)
{
    CS_TRY(read_amount(effect, &out->amount_nanos, e));
    int64_t life = 0;
    CS_TRY(read_ttl(effect, &life, e));
    out->expires_ns = out->placed_ns + life;
    const cs_value *currency = field(effect, "currency");
    if (currency == NULL || !cs_is(*currency, CS_STRING) || currency->n != 3) {
        return cs_fail(e, CS_ERR_INVALID, "currency of a hold must be three capital letters");
    }
    out->currency = cs_text(*currency);
    CS_TRY(read_budgets(a, effect, out, e));
    CS_TRY(read_limits(a, effect, out, e));
    CS_TRY(read_estimate(effect, out, e));
    return read_scope(effect, out, e);
}

static cs_err read_compensation(cs_arena *a, cs_value effect, cs_slice tenant, cs_effects_plan *out, cs_error *e)
{
    if (tenant.n == 0 || !cs_is_undefined(out->compensation)) {
        return cs_fail(e, CS_ERR_INVALID, "a decision has at most one compensation, and a tenant");
    }
    out->compensation = cs_object_new(a, cs_count(effect));
    for (uint32_t i = 0; i < cs_count(effect); i++) {
        cs_value v, key = cs_entry(effect, i, &v);
        if (!cs_is(key, CS_STRING) || !cs_slice_is(cs_text(key), "type")) {
            cs_object_put(a, out->compensation, key, v);
        }
    }
    return CS_OK;
}

static bool is_refusal(cs_value result)
{
    const cs_value *allow = field(result, "allow");
    allow = allow != NULL ? allow : field(result, "allowed");
    return allow != NULL && cs_is(*allow, CS_BOOL) && allow->u.i == 0;
}

cs_err cs_effects_read(cs_arena *a, cs_value result, cs_slice tenant, cs_slice request_id, int64_t now_ns,
                       cs_effects_plan *out, cs_error *e)
{
    const cs_value *list = field(result, "effects");
    *out = (cs_effects_plan){.compensation = cs_undefined()};
    if (list == NULL) {
        return CS_OK;
    }
    if (!cs_is(*list, CS_ARRAY) && !cs_is(*list, CS_SET)) {
        return cs_fail(e, CS_ERR_INVALID, "effects must be an array or a set");
    }
    uint32_t n = cs_count(*list);
    if (n > EFFECTS_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "more than %d effects", EFFECTS_MAX);
    }
    for (uint32_t i = 0; i < n; i++) {
        cs_value effect = cs_is(*list, CS_ARRAY) ? list->u.items[i] : cs_entry(*list, i, NULL);
        const cs_value *type = field(effect, "type");
        cs_slice name = type != NULL && cs_is(*type, CS_STRING) ? cs_text(*type) : CS_LIT("");
        if (cs_slice_is(name, "request_approval") && is_refusal(result)) {
            continue;
        }
        if (cs_slice_is(name, "compensation")) {
            CS_TRY(read_compensation(a, effect, tenant, out, e));
            continue;
        }
        if (!cs_slice_is(name, "hold")) {
            return cs_fail(e, CS_ERR_NOT_FOUND, "the policy asks for an effect that nobody handles: \"%.*s\"",
                           CS_FMT(name));
        }
        if (tenant.n == 0) {
            return cs_fail(e, CS_ERR_INVALID, "a hold needs a tenant in input.actor.tenant");
        }
        if (out->n_holds == CS_HOLDS_MAX) {
            return cs_fail(e, CS_ERR_INVALID, "more than %d holds", CS_HOLDS_MAX);
        }
        cs_hold *hold = &out->holds[out->n_holds];
        *hold = (cs_hold){.id = hold_id(a, tenant, request_id, out->n_holds),
                          .tenant = tenant,
                          .request_id = request_id,
                          .placed_ns = now_ns};
        CS_TRY(read_hold(a, effect, hold, e));
        out->n_holds++;
    }
    return CS_OK;
}

cs_value cs_effects_show(cs_arena *a, cs_value result, const cs_effects_plan *plan)
{
    if (plan->n_holds == 0 || !cs_is(result, CS_OBJECT)) {
        return result;
    }
    cs_value items[CS_HOLDS_MAX];
    for (size_t i = 0; i < plan->n_holds; i++) {
        items[i] = cs_object_new(a, 2);
        cs_object_put_text(a, items[i], "id", cs_string(plan->holds[i].id));
        cs_object_put_text(a, items[i], "expires_at", cs_int(plan->holds[i].expires_ns));
    }
    cs_value shown = cs_object_clone(a, result, 1);
    cs_object_put_text(a, shown, "holds", cs_array_copy(a, items, plan->n_holds));
    return shown;
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
    cs_commit_done *done;
    void *self;
} under_way;

static void give_up(const under_way *w)
{
    if (w->n_holds > 0) {
        cs_holds_take_back(w->x->spend, w->holds, w->n_holds);
    }
    cs_decision__replay_fail(w->x, w->tenant, w->request_id);
}

/* Nobody looks at what became of it: if it fails, the holds stay until their time is over. */
static void given_up(void *self, cs_journal_batch *batch, const cs_error *error)
{
    (void)self;
    (void)error;
    cs_journal_batch_free(batch);
}

/* The log has holds that did not fit: the other replicas are told that they are none. */
static void tell_of_it(const under_way *w)
{
    cs_journal_batch *batch = cs_journal_batch_new(given_up, NULL);
    for (size_t i = 0; i < w->n_holds; i++) {
        cs_value data = cs_object_new(&batch->arena, 5);
        cs_object_put_text(&batch->arena, data, "tenant", cs_string(w->tenant));
        cs_object_put_text(&batch->arena, data, "request_id", cs_string(w->request_id));
        cs_object_put_text(&batch->arena, data, "hold", cs_string(w->holds[i].id));
        cs_object_put_text(&batch->arena, data, "placed_at", cs_int(w->holds[i].placed_ns));
        cs_object_put_text(&batch->arena, data, "contended", cs_bool(true));
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
    } else if (batch->events[0].outcome == CS_EVENT_CONFLICT) {
        tell_of_it(w);
        end = CS_COMMIT_LATE;
    } else if (batch->events[0].outcome != CS_EVENT_APPLIED) {
        end = CS_COMMIT_ANSWERED;
    }
    w->done(w->self, end, error);
    cs_journal_batch_free(batch);
}

static cs_slice dup(cs_arena *a, cs_slice text)
{
    return cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
}

static cs_event make_event(cs_effects *x, cs_arena *a, const cs_commit *c)
{
    cs_slice hex = cs_hex_encode(a, cs_slice_make((const char *)c->digest, CS_INPUT_DIGEST));
    cs_value data = cs_object_new(a, 6);
    cs_object_put_text(a, data, "tenant", cs_string(c->tenant));
    cs_object_put_text(a, data, "request_id", cs_string(c->request_id));
    cs_object_put_text(a, data, "input_digest", cs_string_printf(a, "sha256:%.*s", CS_FMT(hex)));
    cs_object_put_text(a, data, "path", cs_string(c->path));
    cs_object_put_text(a, data, "holds", cs_holds_value(a, c->holds, c->n_holds));
    if (!cs_is_undefined(c->compensation)) {
        cs_object_put_text(a, data, "compensation", c->compensation);
    }
    if (c->answer.body.n <= cs_limits_get()->answer_bytes) {
        cs_object_put_text(a, data, "answer", cs_decision__answer_value(a, &c->answer));
    }
    cs_event_head head = {.type = "io.countersign.decision.committed.v1",
                          .source = cs_slice_of(x->source),
                          .id = c->n_holds > 0 ? event_id(a, &c->holds[0]) : hold_id(a, c->tenant, c->request_id, 0),
                          .tenant = c->tenant,
                          .key = c->n_holds > 0 ? c->holds[0].family : CS_LIT(""),
                          .correlation = c->request_id,
                          .time_ns = x->now_ns(x->now_self)};
    return cs_event_compose(a, &head, data);
}

static cs_journal_batch *make_batch(cs_effects *x, const cs_commit *c, cs_commit_done *done, void *self)
{
    cs_journal_batch *batch = cs_journal_batch_new(appended, NULL);
    cs_arena *a = &batch->arena;
    under_way *w = cs_arena_new(a, under_way);
    *w = (under_way){.x = x,
                     .tenant = dup(a, c->tenant),
                     .request_id = dup(a, c->request_id),
                     .n_holds = c->n_holds,
                     .done = done,
                     .self = self};
    for (size_t i = 0; i < c->n_holds; i++) {
        w->holds[i].id = dup(a, c->holds[i].id);
        w->holds[i].placed_ns = c->holds[i].placed_ns;
        w->holds[i].family = c->holds[i].family;
    }
    batch->self = w;
    cs_event event = make_event(x, a, c);
    cs_journal_batch_add(batch, &event);
    return batch;
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
    cs_journal_batch *batch = make_batch(x, c, done, self);
    if (cs_journal_append(x->journal, batch, e) != CS_OK) {
        give_up(batch->self);
        cs_journal_batch_free(batch);
        return CS_COMMIT_UNAVAILABLE;
    }
    return CS_COMMIT_STARTED;
}
