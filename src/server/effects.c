/* Effects of a decision: nothing waits for the journal but the request itself, which is parked with its world. */
#include "effects.h"

#include "countersign/base/time.h"
#include "internal.h"

enum {
    TRIES = 3, /* evaluations that may lose the race for headroom before the policy is told of it */
    WAITS = 50 /* pauses of WAIT_NS for other replicas to give back what did not fit: about a second */
};
#define WAIT_NS (20 * CS_NS_PER_MS)

static cs_slice text_of(cs_value object, const char *name)
{
    cs_value v = cs_object_member(object, name);
    return cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

static bool same_path(cs_slice x, cs_slice y)
{
    while (x.n != 0 && x.p[0] == '/') {
        x = cs_slice_sub(x, 1, x.n);
    }
    while (y.n != 0 && y.p[0] == '/') {
        y = cs_slice_sub(y, 1, y.n);
    }
    return cs_slice_eq(x, y);
}

bool cs_server__effects_listed(cs_server__request *r, cs_slice path)
{
    const cs_config *c = r->server->o.config;
    bool listed = false;
    for (size_t i = 0; i < c->gateways.n_effects; i++) {
        listed = listed || same_path(c->gateways.effects[i], path);
    }
    if (listed) {
        r->effects = cs_arena_new(r->arena, cs_server__effects);
        r->effects->path = path;
        r->effects->given = cs_undefined();
        r->effects->tenant = CS_LIT("");
        const cs_slice *id = cs_server__header(r, "X-Request-Id");
        r->effects->named = id != NULL && cs_slice_eq(cs_server__request_id(r), *id);
    }
    return listed;
}

/* ---- refusals */

static void refuse(cs_server__request *r, int status, const char *code)
{
    cs_server__effects *x = r->effects;
    x->status = x->gateway ? 403 : status;
    x->code = code;
    r->eval.result = cs_undefined();
    cs_buf_clear(cs_http_body(r->x));
    x->refused(r);
}

static void refuse_with(cs_server__request *r, int status, const char *code, cs_err err, const char *text)
{
    cs_err failed = cs_fail(&r->effects->error, err, "%s", text);
    (void)failed;
    refuse(r, status, code);
}

/* ---- the same request again */

/* What must be equal in a retry: who asks, and what for. Not the time, nor the headers on the way. */
static void digest(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    if (x->digested) {
        return;
    }
    cs_arena *a = r->arena;
    cs_value input = cs_object_new(a, 8);
    for (uint32_t i = 0; cs_is(x->given, CS_OBJECT) && i < cs_count(x->given); i++) {
        cs_value v, key = cs_entry(x->given, i, &v);
        if (!cs_is(key, CS_STRING) || !cs_slice_is(cs_text(key), "now")) {
            cs_object_put(a, input, key, v);
        }
    }
    cs_value request = cs_object_member(input, "request");
    if (cs_is(request, CS_OBJECT) && !cs_is_undefined(cs_object_member(request, "headers"))) {
        request = cs_object_clone(a, request, 1);
        cs_object_put_text(a, request, "headers", cs_null());
        cs_object_put_text(a, input, "request", request);
    }
    cs_value actor = cs_object_member(r->eval.input, "actor");
    cs_object_put_text(a, input, "actor", cs_is_undefined(actor) ? cs_null() : actor);
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write_canonical(&text, input);
    uint8_t out[CS_DIGEST_MAX];
    (void)cs_digest(CS_SHA256, cs_buf_view(&text), out);
    memcpy(x->digest, out, CS_INPUT_DIGEST);
    cs_buf_destroy(&text);
    x->digested = true;
}

static void again(void *self)
{
    cs_server__evaluate(self);
}

static void pause_over(void *self)
{
    cs_server__request *r = self;
    cs_timer_free(r->effects->timer);
    r->effects->timer = NULL;
    cs_server__evaluate(r);
}

/* Evaluates again in a moment; false if it has waited long enough. The evaluation at hand is over. */
static bool pause_and_evaluate(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    if (x->waits++ >= WAITS) {
        return false;
    }
    cs_server__eval_end(r);
    cs_buf_clear(cs_http_body(r->x));
    x->answer = (cs_answer){.status = 0};
    x->timer = cs_timer_new(r->w->loop, pause_over, r);
    cs_timer_start(x->timer, WAIT_NS);
    return true;
}

void cs_server__effects_drop(cs_server__request *r)
{
    if (r->effects != NULL && r->effects->timer != NULL) {
        cs_timer_free(r->effects->timer);
        r->effects->timer = NULL;
    }
}

/* On any thread. */
static void wake(void *self)
{
    cs_server__request *r = self;
    cs_loop_post(r->w->loop, again, r);
}

static void send_answer(cs_server__request *r)
{
    const cs_answer *answer = &r->effects->answer;
    for (size_t i = 0; i < answer->n_headers; i++) {
        cs_http_add_header(r->x, cs_arena_dup(r->arena, answer->headers[i].name.p, answer->headers[i].name.n),
                           answer->headers[i].value);
    }
    cs_server__send(r, answer->status,
                    answer->content_type.n != 0 ? cs_arena_dup(r->arena, answer->content_type.p, answer->content_type.n)
                                                : NULL);
}

/* Goes on with what is remembered of the request. true: nothing is, evaluate. */
static bool recall(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    digest(r);
    cs_server__eval_end(r); /* before the wake may come */
    switch (cs_effects_recall(r->server->o.effects, x->tenant, cs_server__request_id(r), x->digest, r->arena,
                              &x->answer, wake, r)) {
    case CS_RECALL_NEW:
        return true;
    case CS_RECALL_ANSWER:
        cs_buf_clear(cs_http_body(r->x));
        cs_buf_slice(cs_http_body(r->x), x->answer.body);
        cs_server__record_again(r, x->answer.status, x->answer.body);
        send_answer(r);
        return false;
    case CS_RECALL_WAIT:
        return false;
    case CS_RECALL_SOON:
        if (!pause_and_evaluate(r)) {
            refuse_with(r, 503, "journal_unavailable", CS_ERR_IO, "another replica is still at it");
        }
        return false;
    case CS_RECALL_CONFLICT:
        refuse_with(r, 409, "request_id_conflict", CS_ERR_EXISTS, "this request id was used with another input");
        return false;
    case CS_RECALL_FORGOTTEN:
        break;
    }
    refuse_with(r, 409, "request_id_conflict", CS_ERR_EXISTS,
                "this request id was answered before, and the answer is not remembered");
    return false;
}

bool cs_server__effects_recall(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    cs_value tenant = cs_object_member(cs_object_member(r->eval.input, "actor"), "tenant");
    x->tenant = cs_is(tenant, CS_STRING) ? cs_text(tenant) : CS_LIT("");
    if (x->tries > TRIES && cs_is(r->eval.input, CS_OBJECT)) {
        cs_object_put_text(r->arena, r->eval.input, "contended", cs_bool(true));
    }
    cs_effects *effects = r->server->o.effects;
    if (!x->named || effects == NULL || x->tenant.n == 0 ||
        !cs_effects_knows(effects, x->tenant, cs_server__request_id(r))) {
        return true;
    }
    if (recall(r)) {
        cs_server__evaluate(r); /* it has gone meanwhile */
    }
    return false;
}

/* ---- what the result asks for */

bool cs_server__effects_plan(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    cs_effects_of of = {.approvals = r->server->o.approvals,
                        .tenant = x->tenant,
                        .request_id = cs_server__request_id(r),
                        .requester = text_of(cs_object_member(r->eval.input, "actor"), "sub"),
                        .digest = text_of(cs_object_member(r->eval.input, "graphql"), "digest"),
                        .now_ns = cs_time_wall_ns()};
    cs_err err = cs_effects_read(r->arena, r->eval.result, &of, &x->plan, &x->error);
    bool any = CS_EFFECTS_ANY(&x->plan);
    if (err == CS_OK &&
        ((any && r->server->o.effects == NULL) || (x->plan.n_holds > 0 && r->server->o.spend == NULL))) {
        err = cs_fail(&x->error, CS_ERR_NOT_FOUND,
                      "the policy asks for effects, but budgets are not configured (spend:)");
    }
    if (err != CS_OK) {
        refuse(r, 500, err == CS_ERR_NOT_FOUND ? "effect_unknown" : "effect_invalid");
        return false;
    }
    r->eval.result = cs_effects_show(r->arena, r->eval.result, &x->plan);
    return true;
}

void cs_server__effects_header(cs_server__request *r, cs_slice name, cs_slice value)
{
    cs_server__effects *x = r->effects;
    if (x->answer.n_headers < CS_SERVER__ANSWER_HEADERS) {
        x->headers[x->answer.n_headers++] = (cs_answer_header){name, value};
    }
}

/* ---- commit */

static void evaluate_again(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    cs_server__eval_end(r);
    cs_buf_clear(cs_http_body(r->x));
    x->answer = (cs_answer){.status = 0};
    cs_server__evaluate(r);
}

/* The headroom that was seen is gone. */
static void lost(cs_server__request *r)
{
    if (++r->effects->tries <= TRIES + 1) {
        evaluate_again(r);
    } else {
        refuse(r, 403, "effect_contended");
    }
}

/* The same, and other replicas may give back some of it. */
static void lost_for_now(cs_server__request *r)
{
    if (r->effects->tries > TRIES || !pause_and_evaluate(r)) {
        r->effects->tries = r->effects->tries > TRIES ? r->effects->tries : TRIES;
        lost(r);
    }
}

static void committed_here(void *self)
{
    cs_server__request *r = self;
    cs_server__effects *x = r->effects;
    switch (x->end) {
    case CS_COMMIT_DURABLE:
        x->granted(r);
        send_answer(r);
        break;
    case CS_COMMIT_FAILED:
        refuse(r, 503, "journal_unavailable");
        break;
    case CS_COMMIT_LATE:
        lost_for_now(r);
        break;
    case CS_COMMIT_ANSWERED:
        if (recall(r)) {
            evaluate_again(r);
        }
        break;
    }
}

/* On the journal's thread. */
static void committed(void *self, cs_commit_end end, const cs_error *error)
{
    cs_server__request *r = self;
    r->effects->end = end;
    r->effects->error = error != NULL ? *error : (cs_error){.code = CS_OK};
    cs_loop_post(r->w->loop, committed_here, r);
}

static void commit(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    digest(r);
    cs_commit c = {.tenant = x->tenant,
                   .request_id = cs_server__request_id(r),
                   .path = x->path,
                   .holds = x->plan.holds,
                   .n_holds = x->plan.n_holds,
                   .compensation = x->plan.compensation,
                   .plan = &x->plan,
                   .answer = x->answer};
    memcpy(c.digest, x->digest, CS_INPUT_DIGEST);
    cs_server__eval_park(r); /* before it may be done */
    x->error.code = CS_OK;
    switch (cs_effects_commit(r->server->o.effects, &c, committed, r, &x->error)) {
    case CS_COMMIT_STARTED:
        break;
    case CS_COMMIT_CONTENDED:
        lost(r);
        break;
    case CS_COMMIT_DOUBTFUL:
        lost_for_now(r);
        break;
    case CS_COMMIT_NO_BUDGET:
        refuse(r, 403, "effect_no_budget");
        break;
    case CS_COMMIT_KNOWN:
        if (recall(r)) {
            evaluate_again(r);
        }
        break;
    case CS_COMMIT_FORGOTTEN:
        refuse_with(r, 409, "request_id_conflict", CS_ERR_EXISTS,
                    "this request id was answered before, and the answer is not remembered");
        break;
    case CS_COMMIT_UNAVAILABLE:
        refuse(r, 503, "journal_unavailable");
        break;
    }
}

/* Unless the policy has named it already. */
static void approval_header(cs_server__request *r, cs_slice id)
{
    bool named = false;
    for (size_t i = 0; i < r->effects->answer.n_headers; i++) {
        named = named || cs_slice_eq_nocase(r->effects->headers[i].name, CS_LIT("x-countersign-approval"));
    }
    if (!named) {
        cs_server__effects_header(r, CS_LIT("x-countersign-approval"), id);
    }
}

void cs_server__effects_answer(cs_server__request *r, int status, const char *content_type)
{
    cs_server__effects *x = r->effects;
    x->answer.status = status;
    x->answer.content_type = cs_slice_of(content_type != NULL ? content_type : "");
    x->answer.headers = x->headers;
    if (x->plan.requests || (x->plan.asks && x->plan.seen.open)) {
        approval_header(r, x->plan.seen.id);
    }
    if (!CS_EFFECTS_ANY(&x->plan)) {
        x->granted(r);
        send_answer(r);
        return;
    }
    cs_buf ids;
    cs_buf_init(&ids);
    for (size_t i = 0; i < x->plan.n_holds; i++) {
        cs_buf_text(&ids, i > 0 ? "," : "");
        cs_buf_slice(&ids, x->plan.holds[i].id);
    }
    cs_slice list = cs_slice_make(cs_arena_dup(r->arena, ids.p, ids.n), ids.n);
    cs_buf_destroy(&ids);
    if (list.n > 0) {
        cs_server__effects_header(r, CS_LIT("x-countersign-hold"), list);
    }
    x->answer.body = cs_buf_view(cs_http_body(r->x));
    commit(r);
}
