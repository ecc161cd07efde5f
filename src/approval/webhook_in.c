/* What outside systems say: whose signature it is, when, about what; then who decided how. */
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "webhook.h"

enum { BODY_BYTES = 1048576, APPROVERS = 50 };

static cs_webhook_verdict refuse(cs_webhook_acts *out, int status, const char *code, const char *message)
{
    out->status = status;
    out->code = code;
    out->message = cs_slice_of(message);
    return CS_WEBHOOK_REFUSED;
}

static cs_webhook_verdict unreadable(cs_webhook_acts *out, const char *message)
{
    return refuse(out, 400, "invalid_webhook", message);
}

/* ---- values */

/* A text, or what ServiceNow makes of a reference: {"value", "display_value"}. */
static cs_slice text_of(cs_value object, const char *name)
{
    cs_value v = cs_approval__member(object, name);
    return cs_is(v, CS_OBJECT) ? cs_approval__text(v, "value") : cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

static cs_slice field_of(cs_value object, cs_slice name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get(object, cs_string(name)) : NULL;
    if (v != NULL && cs_is(*v, CS_OBJECT)) {
        return cs_approval__text(*v, "value");
    }
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

/* The first of these members that is a text; names end with NULL. */
static cs_slice first_text(cs_value object, const char *const *names)
{
    cs_slice found = CS_LIT("");
    for (size_t i = 0; names[i] != NULL && found.n == 0; i++) {
        found = text_of(object, names[i]);
    }
    return found;
}

/* ---- shapes */

typedef struct reading {
    cs_arena *a;
    const cs_config_webhook *webhook;
    cs_value body;
    cs_slice digest, comment;
    cs_webhook_acts *out;
} reading;

static void add_order(reading *r, cs_approval_act act, cs_slice subject, cs_value groups)
{
    size_t n = 0;
    char *verified = cs_arena_printf(r->a, &n, "webhook:%.*s", CS_FMT(r->webhook->kind));
    bool trusted = r->webhook->groups_trusted && cs_is(groups, CS_ARRAY);
    r->out->orders[r->out->n++] = (cs_approval_order){.id = r->out->approval,
                                                      .act = act,
                                                      .subject = subject,
                                                      .groups = trusted ? groups : cs_array(NULL, 0),
                                                      .verified = cs_slice_make(verified, n),
                                                      .comment = r->comment,
                                                      .digest = r->digest,
                                                      .request_id = r->out->delivery};
}

static cs_webhook_verdict read_generic(reading *r)
{
    static const char *const ids[] = {"id", "subject", NULL};
    cs_slice decision = cs_approval__text(r->body, "decision");
    cs_value approver = cs_approval__member(r->body, "approver");
    bool approve = cs_slice_is(decision, "approve");
    r->out->approval = cs_approval__text(r->body, "approval");
    r->digest = cs_approval__text(r->body, "digest");
    r->comment = cs_approval__text(r->body, "comment");
    if (!approve && !cs_slice_is(decision, "reject")) {
        return unreadable(r->out, "decision must be approve or reject");
    }
    cs_slice subject = cs_is(approver, CS_STRING) ? cs_text(approver) : first_text(approver, ids);
    if (subject.n == 0) {
        return unreadable(r->out, "approver.id must say who has decided");
    }
    add_order(r, approve ? CS_APPROVAL_APPROVE : CS_APPROVAL_REJECT, subject, cs_approval__member(approver, "groups"));
    return CS_WEBHOOK_ACTS;
}

/* Jira Service Management: an issue with our fields, and an approval of it with what each approver has decided. Ids of
 * people are those that nobody can change: accountId of the cloud, key of a server. */
static cs_webhook_verdict read_jira(reading *r)
{
    static const char *const ids[] = {"accountId", "key", "name", "emailAddress", NULL};
    cs_value issue = cs_approval__member(r->body, "issue"), fields = cs_approval__member(issue, "fields");
    cs_value approval = cs_approval__member(r->body, "approval");
    cs_value approvers = cs_approval__member(approval, "approvers");
    r->out->approval = field_of(fields, r->webhook->approval_field);
    r->digest = field_of(fields, r->webhook->digest_field);
    r->comment = cs_approval__text(approval, "comment");
    if (!cs_is(approval, CS_OBJECT)) {
        return CS_WEBHOOK_IGNORED; /* about the issue, not about its approval */
    }
    if (!cs_is(approvers, CS_ARRAY) || approvers.n > APPROVERS) {
        return unreadable(r->out, "approval.approvers must be the array of those who were asked, at most 50");
    }
    for (uint32_t i = 0; i < approvers.n; i++) {
        cs_slice decision = cs_approval__text(approvers.u.items[i], "approverDecision");
        cs_value approver = cs_approval__member(approvers.u.items[i], "approver");
        bool approve = cs_slice_is(decision, "approved");
        if (!approve && !cs_slice_is(decision, "declined")) {
            continue;
        }
        cs_slice subject = first_text(approver, ids);
        if (subject.n == 0) {
            return unreadable(r->out, "approval.approvers[].approver needs an accountId");
        }
        add_order(r, approve ? CS_APPROVAL_APPROVE : CS_APPROVAL_REJECT, subject,
                  cs_approval__member(approver, "groups"));
    }
    return r->out->n > 0 ? CS_WEBHOOK_ACTS : CS_WEBHOOK_IGNORED;
}

/* ServiceNow: a record of sysapproval_approver, which is one approver's. What is not decided (requested), or need not
 * be (cancelled, not_required), is nobody's decision. */
static cs_webhook_verdict read_servicenow(reading *r)
{
    static const char *const ids[] = {"user_name", "sys_id", "value", "email", NULL};
    static const char *const undecided[] = {"requested",    "not requested", "not yet requested",
                                            "not_required", "cancelled",     "duplicate"};
    cs_slice state = text_of(r->body, "state");
    cs_value approver = cs_approval__member(r->body, "approver");
    r->out->approval = field_of(r->body, r->webhook->approval_field);
    r->digest = field_of(r->body, r->webhook->digest_field);
    r->comment = text_of(r->body, "comments");
    bool approve = cs_slice_is(state, "approved");
    for (size_t i = 0; i < sizeof undecided / sizeof *undecided; i++) {
        if (cs_slice_is(state, undecided[i])) {
            return CS_WEBHOOK_IGNORED;
        }
    }
    if (!approve && !cs_slice_is(state, "rejected")) {
        return unreadable(r->out, "state must be one of sysapproval_approver.state");
    }
    cs_slice subject = cs_is(approver, CS_STRING) ? cs_text(approver) : first_text(approver, ids);
    if (subject.n == 0) {
        return unreadable(r->out, "approver must say whose record it is");
    }
    add_order(r, approve ? CS_APPROVAL_APPROVE : CS_APPROVAL_REJECT, subject, cs_approval__member(r->body, "groups"));
    return CS_WEBHOOK_ACTS;
}

/* ---- whose it is */

/* 0: no webhook of that kind may act. */
static size_t find_webhook(cs_webhooks *w, cs_arena *a, const cs_webhook_input *in, cs_webhook__proof *proof,
                           const cs_config_webhook **out)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const cs_config_webhook *c = &w->webhooks[i];
        if (c->inbound && cs_slice_eq(c->kind, in->kind)) {
            n++;
            if (*out == NULL && cs_webhook__verify(a, c, in, proof)) {
                *out = c;
            }
        }
    }
    return n;
}

static bool seen_before(cs_webhooks *w, cs_arena *a, const cs_config_webhook *c, cs_slice delivery)
{
    size_t n = 0;
    char *key = cs_arena_printf(a, &n, "%.*s%c%.*s", CS_FMT(c->kind), '\0', CS_FMT(delivery));
    cs_mutex_lock(&w->lock);
    bool seen = cs_map_get(&w->seen, cs_slice_make(key, n)) != NULL;
    cs_mutex_unlock(&w->lock);
    return seen;
}

/* May it act for the approval's tenant? An approval that it may not know of is none. */
static bool knows_tenant(cs_webhooks *w, cs_arena *a, const cs_config_webhook *c, cs_slice approval)
{
    cs_value document;
    if (!cs_approvals_document(w->approvals, approval, a, &document)) {
        return false;
    }
    bool found = c->n_tenants == 0;
    for (size_t i = 0; i < c->n_tenants; i++) {
        found = found || cs_slice_eq(c->tenants[i], cs_approval__text(document, "tenant"));
    }
    return found;
}

static cs_webhook_verdict check(cs_webhooks *w, reading *r)
{
    cs_webhook_acts *out = r->out;
    if (out->approval.n == 0) {
        return unreadable(out, "the approval's id is missing");
    }
    if (r->digest.n == 0) {
        return unreadable(out, "the digest is missing: it says what exactly was decided about");
    }
    if (!knows_tenant(w, r->a, r->webhook, out->approval)) {
        return refuse(out, 404, "resource_not_found", "there is no such approval");
    }
    return CS_WEBHOOK_ACTS;
}

cs_webhook_verdict cs_webhooks_read(cs_webhooks *w, cs_arena *a, const cs_webhook_input *in, cs_webhook_acts *out)
{
    cs_webhook__proof proof = {.at_ns = 0};
    *out = (cs_webhook_acts){.orders = cs_arena_array(a, cs_approval_order, APPROVERS)};
    if (in->body.n > BODY_BYTES) {
        return refuse(out, 413, "body_too_large", "a webhook has at most 1 MiB");
    }
    const cs_config_webhook *c = NULL;
    if (find_webhook(w, a, in, &proof, &c) == 0) {
        return refuse(out, 404, "resource_not_found", "no webhook of that kind is configured to act");
    }
    if (c == NULL) {
        return refuse(out, 401, "invalid_signature", "the webhook is not signed by a key that is known");
    }
    out->webhook = c;
    out->delivery = proof.delivery;
    int64_t off = in->now_ns > proof.at_ns ? in->now_ns - proof.at_ns : proof.at_ns - in->now_ns;
    if (proof.at_ns == 0 || off > c->tolerance_ns) {
        return refuse(out, 401, "stale_webhook", "the webhook's timestamp is missing, or too far from the clock");
    }
    reading r = {.a = a, .webhook = c, .out = out};
    cs_error e = {0};
    if (cs_json_read(a, in->body, &(cs_json_options){.borrow = true}, &r.body, NULL, &e) != CS_OK ||
        !cs_is(r.body, CS_OBJECT)) {
        return unreadable(out, "the body must be a JSON object");
    }
    if (!cs_is_undefined(cs_approval__member(r.body, "specversion"))) {
        return unreadable(out, "this is what the service itself sends, not a decision");
    }
    bool jira = cs_slice_is(c->kind, "jira"), servicenow = cs_slice_is(c->kind, "servicenow");
    cs_webhook_verdict verdict = jira ? read_jira(&r) : servicenow ? read_servicenow(&r) : read_generic(&r);
    if (verdict == CS_WEBHOOK_ACTS) {
        verdict = check(w, &r);
    }
    return verdict == CS_WEBHOOK_ACTS && seen_before(w, a, c, proof.delivery) ? CS_WEBHOOK_AGAIN : verdict;
}

void cs_webhooks_count(cs_webhooks *w, const cs_webhook_acts *acts, const char *result)
{
    if (w->metrics != NULL) {
        cs_slice labels[2] = {acts->webhook != NULL ? acts->webhook->name : CS_LIT(""), cs_slice_of(result)};
        cs_series_add(cs_metrics_series(w->metrics, CS_METRIC_WEBHOOK_RECEIVED, labels), CS_METRICS_ANY, 1);
    }
}
