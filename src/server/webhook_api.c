/* POST /v1/approvals/webhooks/{generic|jira|servicenow}: what outside systems have decided. The signature is the
 * authentication: nobody is asked for a token, and system.authz is not asked. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "internal.h"

typedef struct hooking {
    cs_webhook_acts acts;
    cs_approval_reply *reply;
} hooking;

/* The approval as it is now, or null. */
static cs_value shown(cs_server__request *r, cs_slice id)
{
    cs_value document;
    return cs_approvals_document(r->server->o.approvals, id, r->arena, &document) ? document : cs_null();
}

static void send_result(cs_server__request *r, const char *result, cs_value approval)
{
    cs_value v = cs_object_new(r->arena, 2);
    cs_object_put_text(r->arena, v, "result", cs_string(cs_slice_of(result)));
    cs_object_put_text(r->arena, v, "approval", approval);
    cs_server__send_value(r, 200, v);
}

/* ---- who may is bundle data: the groups of data.countersign.people that a person is in */

static cs_value groups_of(cs_server__request *r, cs_value groups, cs_slice subject)
{
    cs_arena *a = r->arena;
    cs_approvals *approvals = r->server->o.approvals;
    cs_slice person = cs_approvals_person(approvals, a, subject);
    uint32_t n = cs_is(groups, CS_OBJECT) ? cs_count(groups) : 0;
    cs_value *in = cs_arena_array(a, cs_value, n + 1U);
    size_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        cs_value members, name = cs_entry(groups, i, &members);
        bool found = false;
        for (uint32_t k = 0; cs_is(members, CS_ARRAY) && k < members.n && !found; k++) {
            cs_value one = members.u.items[k];
            found = cs_is(one, CS_STRING) && cs_slice_eq(cs_approvals_person(approvals, a, cs_text(one)), person);
        }
        if (found) {
            in[count++] = cs_string_copy(a, cs_text(name));
        }
    }
    return cs_array(in, count);
}

static void fill_groups(cs_server__request *r, cs_webhook_acts *acts)
{
    const cs_world *world = cs_store_pin(r->w->reader);
    cs_value groups =
        cs_object_member(cs_object_member(cs_object_member(cs_world_data(world), "countersign"), "people"), "groups");
    for (size_t i = 0; i < acts->n; i++) {
        acts->orders[i].groups = groups_of(r, groups, acts->orders[i].subject);
    }
    cs_store_unpin(r->w->reader);
}

/* ---- the answer */

/* Several people of one delivery: whoever could act did. */
static void send_several(cs_server__request *r, const cs_approval_reply *reply, const cs_webhook_acts *acts)
{
    cs_arena *a = r->arena;
    cs_value *items = cs_arena_array(a, cs_value, reply->n + 1);
    for (size_t i = 0; i < reply->n; i++) {
        const cs_approval_result *one = &reply->results[i];
        items[i] = cs_object_new(a, 4);
        cs_object_put_text(a, items[i], "approver", cs_string(acts->orders[i].subject));
        cs_object_put_text(a, items[i], "status", cs_int(one->status));
        cs_object_put_text(a, items[i], "code", cs_string(cs_slice_of(one->code)));
        cs_object_put_text(a, items[i], "message", cs_string(one->message));
    }
    cs_value v = cs_object_new(a, 2);
    cs_object_put_text(a, v, "results", cs_array(items, reply->n));
    cs_object_put_text(a, v, "approval", shown(r, acts->approval));
    cs_server__send_value(r, 200, v);
}

static void answer(void *self)
{
    cs_server__request *r = self;
    hooking *h = r->data;
    cs_approval_reply *reply = h->reply; /* whose memory is its own: the request's ends with the answer */
    const cs_approval_result *worst = &reply->results[0];
    bool any = false;
    for (size_t i = 0; i < reply->n; i++) {
        any = any || reply->results[i].status == 200;
        worst = reply->results[i].status == 503 ? &reply->results[i] : worst; /* try again */
    }
    cs_webhooks_count(r->server->o.webhooks, &h->acts, any ? "accepted" : "refused");
    if (!any || worst->status == 503) {
        cs_server__fail(r, worst->status, worst->code, "%.*s", CS_FMT(worst->message));
    } else if (reply->n > 1) {
        send_several(r, reply, &h->acts);
    } else {
        send_result(r, worst->code, shown(r, h->acts.approval));
    }
    cs_approval_reply_free(reply);
}

/* On the journal's thread, or on ours. */
static void done(void *self, cs_approval_reply *reply)
{
    cs_server__request *r = self;
    ((hooking *)r->data)->reply = reply;
    cs_loop_post(r->w->loop, answer, r);
}

static void refuse(cs_server__request *r, const cs_webhook_acts *acts)
{
    bool unknown = acts->webhook == NULL;
    cs_webhooks_count(r->server->o.webhooks, acts, unknown ? "unauthenticated" : "refused");
    cs_log(CS_LOG_DEBUG, "A webhook was refused.", 3,
           (cs_log_field[]){CS_LOG_S("client_addr", r->http->peer), CS_LOG_S("code", cs_slice_of(acts->code)),
                            CS_LOG_S("delivery", acts->delivery)});
    cs_server__fail(r, acts->status, acts->code, "%.*s", CS_FMT(acts->message));
}

void cs_server__webhook_post(cs_server__request *r)
{
    cs_webhooks *webhooks = r->server->o.webhooks;
    if (webhooks == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "webhooks are not configured (approvals.webhooks:)");
        return;
    }
    hooking *h = cs_arena_new(r->arena, hooking);
    r->data = h;
    cs_webhook_input input = {.kind = r->rest,
                              .headers = r->http->headers,
                              .n_headers = r->http->n_headers,
                              .body = r->http->body,
                              .now_ns = cs_time_wall_ns()};
    cs_webhook_verdict verdict = cs_webhooks_read(webhooks, r->arena, &input, &h->acts);
    r->id = h->acts.delivery.n > 0 ? h->acts.delivery : r->id; /* what it is known by in the journal, too */
    switch (verdict) {
    case CS_WEBHOOK_REFUSED:
        refuse(r, &h->acts);
        return;
    case CS_WEBHOOK_IGNORED:
        cs_webhooks_count(webhooks, &h->acts, "ignored");
        send_result(r, "ignored", cs_null());
        return;
    case CS_WEBHOOK_AGAIN:
        cs_webhooks_count(webhooks, &h->acts, "duplicate");
        send_result(r, "duplicate", shown(r, h->acts.approval));
        return;
    case CS_WEBHOOK_ACTS:
        break;
    }
    if (!h->acts.webhook->groups_trusted) {
        fill_groups(r, &h->acts);
    }
    cs_approvals_act(r->server->o.approvals, h->acts.orders, h->acts.n, done, r);
}
