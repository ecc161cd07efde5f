/* GET /v1/approvals, GET /v1/approvals/{id}, POST /v1/approvals/{id}/approve, reject, revoke and delegate, and POST
 * /v1/approvals/bulk. Who acts is the caller, as their token says; nobody acts in anybody's name. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "internal.h"

enum { BULK = 100 };

static cs_slice text_of(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

static bool configured(cs_server__request *r)
{
    if (r->server->o.approvals == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "approvals are not configured (approvals:)");
        return false;
    }
    return true;
}

/* The id, and what is to be done with it ("" = nothing). */
static void read_path(cs_server__request *r, cs_slice *id, cs_slice *verb)
{
    size_t slash = cs_slice_find_byte(r->rest, '/', 0);
    cs_slice name = cs_slice_sub(r->rest, 0, slash);
    *verb = slash == SIZE_MAX ? CS_LIT("") : cs_slice_sub(r->rest, slash + 1, r->rest.n);
    if (!cs_percent_decode(r->arena, name, false, id)) {
        *id = name;
    }
}

static void unknown(cs_server__request *r)
{
    cs_server__fail(r, 404, "resource_not_found", "there is no such approval");
}

/* Whose approvals the caller sees: those of the token's tenant, or all. */
static cs_slice callers_tenant(const cs_server__request *r)
{
    return text_of(r->caller.document, "tenant");
}

/* ---- GET */

static bool read_state(cs_server__request *r, cs_slice text, cs_approvals_query *q)
{
    cs_slice name;
    while (text.n > 0 && cs_slice_next(&text, ',', &name)) {
        cs_approval_state state;
        if (cs_slice_is(name, "open")) {
            q->open = true;
        } else if (cs_slice_is(name, "pending")) {
            q->states |= 1U << CS_APPROVAL_REQUESTED | 1U << CS_APPROVAL_PARTIALLY_APPROVED;
        } else if (cs_approval_state_find(name, &state)) {
            q->states |= 1U << state;
        } else {
            cs_server__fail(r, 400, "invalid_parameter",
                            "state must be of requested, partially_approved, approved, consumed, rejected, expired, "
                            "cancelled, pending, open");
            return false;
        }
    }
    return true;
}

static bool read_query(cs_server__request *r, cs_approvals_query *q)
{
    const cs_slice *tenant = cs_server__get_param(r, "tenant"), *state = cs_server__get_param(r, "state");
    const cs_slice *digest = cs_server__get_param(r, "digest"), *requester = cs_server__get_param(r, "requester");
    const cs_slice *limit = cs_server__get_param(r, "limit"), *after = cs_server__get_param(r, "after");
    cs_slice bound = callers_tenant(r);
    uint64_t n = 0;
    *q = (cs_approvals_query){.tenant = tenant != NULL ? *tenant : bound,
                              .digest = digest != NULL ? *digest : CS_LIT(""),
                              .requester = requester != NULL ? *requester : CS_LIT(""),
                              .after = after != NULL ? *after : CS_LIT("")};
    if (bound.n > 0 && !cs_slice_eq(q->tenant, bound)) {
        cs_server__fail(r, 403, "forbidden", "the caller sees approvals of tenant %.*s only", CS_FMT(bound));
        return false;
    }
    if (digest != NULL && !cs_approval_is_digest(*digest)) {
        cs_server__fail(r, 400, "invalid_digest", "digest must be sha256: and 64 small hexadecimal digits");
        return false;
    }
    if (limit != NULL && (!cs_slice_u64(*limit, &n) || n < 1 || n > 500)) {
        cs_server__fail(r, 400, "invalid_parameter", "limit must be within 1 and 500");
        return false;
    }
    q->limit = (size_t)n;
    return state == NULL || read_state(r, *state, q);
}

void cs_server__approval_list(cs_server__request *r)
{
    cs_approvals_query q;
    if (configured(r) && read_query(r, &q)) {
        cs_server__send_value(r, 200, cs_approvals_list(r->server->o.approvals, &q, r->arena));
    }
}

void cs_server__approval_get(cs_server__request *r)
{
    cs_slice id, verb, bound = callers_tenant(r);
    cs_value v;
    if (!configured(r)) {
        return;
    }
    read_path(r, &id, &verb);
    if (verb.n != 0 || !cs_approvals_document(r->server->o.approvals, id, r->arena, &v) ||
        (bound.n > 0 && !cs_slice_eq(bound, text_of(v, "tenant")))) {
        unknown(r);
        return;
    }
    cs_server__send_value(r, 200, v);
}

/* ---- POST */

static void answer_one(void *self)
{
    cs_server__request *r = self;
    cs_approval_reply *reply = r->data;
    const cs_approval_result *result = &reply->results[0];
    if (result->status == 200) {
        cs_server__audit_after(r);
        cs_value v = cs_object_clone(r->arena, result->document, 1);
        cs_object_put_text(r->arena, v, "result", cs_string(cs_slice_of(result->code)));
        cs_server__send_value(r, 200, v);
    } else {
        cs_server__fail(r, result->status, result->code, "%.*s", CS_FMT(result->message));
    }
    cs_approval_reply_free(reply);
}

static void answer_all(void *self)
{
    cs_server__request *r = self;
    cs_approval_reply *reply = r->data;
    cs_arena *a = r->arena;
    cs_value *items = cs_arena_array(a, cs_value, reply->n + 1);
    for (size_t i = 0; i < reply->n; i++) {
        const cs_approval_result *result = &reply->results[i];
        items[i] = cs_object_new(a, 5);
        cs_object_put_text(a, items[i], "id", cs_string(result->id));
        cs_object_put_text(a, items[i], "status", cs_int(result->status));
        cs_object_put_text(a, items[i], "code", cs_string(cs_slice_of(result->code)));
        cs_object_put_text(a, items[i], "message", cs_string(result->message));
        if (result->status == 200) {
            cs_object_put_text(a, items[i], "approval", result->document);
        }
    }
    cs_value v = cs_object_new(a, 1);
    cs_object_put_text(a, v, "results", cs_array(items, reply->n));
    cs_server__audit_after(r);
    cs_server__send_value(r, 200, v);
    cs_approval_reply_free(reply);
}

/* On the journal's thread, or on ours. */
static void done_one(void *self, cs_approval_reply *reply)
{
    cs_server__request *r = self;
    r->data = reply;
    cs_loop_post(r->w->loop, answer_one, r);
}

static void done_all(void *self, cs_approval_reply *reply)
{
    cs_server__request *r = self;
    r->data = reply;
    cs_loop_post(r->w->loop, answer_all, r);
}

/* An object, or nothing. false: an error was replied. */
static bool read_body(cs_server__request *r, cs_value *body)
{
    static const char *const texts[] = {"comment", "to", "until", "digest", "decision"};
    *body = cs_object_new(r->arena, 0);
    if (!cs_server__read_body(r, "")) {
        return false;
    }
    cs_error e = {0};
    if (cs_slice_trim(r->body).n != 0 &&
        (cs_json_read(r->arena, r->body, &(cs_json_options){.borrow = true}, body, NULL, &e) != CS_OK ||
         !cs_is(*body, CS_OBJECT))) {
        cs_server__fail(r, 400, "invalid_parameter", "the body must be a JSON object%s%s", e.text[0] != 0 ? ": " : "",
                        e.text);
        return false;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const cs_value *v = cs_object_get_text(*body, texts[i]);
        if (v != NULL && !cs_is(*v, CS_STRING) && !cs_is(*v, CS_NULL)) {
            cs_server__fail(r, 400, "invalid_parameter", "%s must be a string", texts[i]);
            return false;
        }
    }
    return true;
}

/* Without an identity there is nobody whose act it could be. */
static bool make_order(cs_server__request *r, cs_value body, cs_approval_order *out)
{
    const cs_value *groups =
        cs_is(r->caller.document, CS_OBJECT) ? cs_object_get_text(r->caller.document, "groups") : NULL;
    cs_slice until = text_of(body, "until");
    *out = (cs_approval_order){.subject = text_of(r->caller.document, "subject"),
                               .tenant = callers_tenant(r),
                               .groups = groups != NULL ? *groups : cs_array(NULL, 0),
                               .verified = CS_LIT("session"),
                               .comment = text_of(body, "comment"),
                               .digest = text_of(body, "digest"),
                               .to = text_of(body, "to"),
                               .request_id = cs_server__request_id(r)};
    if (out->subject.n == 0) {
        cs_server__fail(r, 403, "approver_ineligible",
                        "it is not known who calls: an approver needs a token (identity:)");
        return false;
    }
    if (until.n > 0 && (!cs_time_parse_rfc3339(until, &out->until_ns) || out->until_ns <= 0)) {
        cs_server__fail(r, 400, "invalid_parameter", "until must be an RFC 3339 instant");
        return false;
    }
    return true;
}

static void post_bulk(cs_server__request *r, cs_value body)
{
    const cs_value *ids = cs_object_get_text(body, "ids");
    cs_slice decision = text_of(body, "decision");
    bool good = ids != NULL && cs_is(*ids, CS_ARRAY) && ids->n > 0 && ids->n <= BULK;
    for (uint32_t i = 0; good && i < ids->n; i++) {
        good = cs_is(ids->u.items[i], CS_STRING);
    }
    if (!good) {
        cs_server__fail(r, 400, "invalid_parameter", "ids must be an array of 1 to %d strings", BULK);
        return;
    }
    if (!cs_slice_is(decision, "approve") && !cs_slice_is(decision, "reject")) {
        cs_server__fail(r, 400, "invalid_parameter", "decision must be approve or reject");
        return;
    }
    cs_approval_order one;
    if (!make_order(r, body, &one)) {
        return;
    }
    one.act = cs_slice_is(decision, "approve") ? CS_APPROVAL_APPROVE : CS_APPROVAL_REJECT;
    cs_approval_order *orders = cs_arena_array(r->arena, cs_approval_order, ids->n);
    for (uint32_t i = 0; i < ids->n; i++) {
        orders[i] = one;
        orders[i].id = cs_text(ids->u.items[i]);
    }
    cs_approvals_act(r->server->o.approvals, orders, ids->n, done_all, r);
}

void cs_server__approval_post(cs_server__request *r)
{
    static const char *const verbs[] = {"approve", "reject", "revoke", "delegate"};
    cs_slice id, verb;
    cs_value body;
    if (!configured(r)) {
        return;
    }
    read_path(r, &id, &verb);
    bool bulk = verb.n == 0 && cs_slice_is(id, "bulk");
    size_t act = 0;
    while (act < sizeof verbs / sizeof *verbs && !cs_slice_is(verb, verbs[act])) {
        act++;
    }
    if (!bulk && act == sizeof verbs / sizeof *verbs) {
        unknown(r);
        return;
    }
    cs_approval_order order;
    if (!read_body(r, &body)) {
        return;
    }
    if (bulk) {
        post_bulk(r, body);
        return;
    }
    if (make_order(r, body, &order)) {
        order.id = id;
        order.act = (cs_approval_act)act;
        cs_approvals_act(r->server->o.approvals, &order, 1, done_one, r);
    }
}
