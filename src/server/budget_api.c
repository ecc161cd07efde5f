/* GET, PUT, DELETE /v1/tenants/{tenant}/budget: limits changed by people, with author and reason. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/number.h"
#include "internal.h"

enum { REASON_BYTES = 1024 };

static bool tenant_of(cs_server__request *r, cs_slice *tenant)
{
    cs_slice rest = r->rest, name;
    if (r->server->o.spend == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "budgets are not configured (spend:)");
        return false;
    }
    bool whole = cs_slice_next(&rest, '/', &name) && cs_slice_is(rest, "budget") && name.n != 0;
    if (!whole) {
        cs_server__fail(r, 404, "resource_not_found", "there is /v1/tenants/{tenant}/budget");
        return false;
    }
    if (!cs_percent_decode(r->arena, name, false, tenant)) {
        *tenant = name;
    }
    return true;
}

static void send_budgets(cs_server__request *r, cs_slice tenant)
{
    cs_value v = cs_spend_budgets_document(r->server->o.spend, tenant, r->arena);
    if (cs_is_undefined(v)) {
        cs_server__fail(r, 404, "resource_not_found", "tenant %.*s has no budgets", CS_FMT(tenant));
        return;
    }
    cs_server__send_value(r, 200, v);
}

void cs_server__tenant_get(cs_server__request *r)
{
    cs_slice tenant;
    if (tenant_of(r, &tenant)) {
        send_budgets(r, tenant);
    }
}

/* ---- reading what is asked for */

static bool bad(cs_server__request *r, const char *message)
{
    cs_server__fail(r, 400, "invalid_parameter", "%s", message);
    return false;
}

static cs_slice text_of(cs_value body, const char *name)
{
    const cs_value *v = cs_object_get_text(body, name);
    return v != NULL && cs_is(*v, CS_STRING) ? cs_slice_trim(cs_text(*v)) : CS_LIT("");
}

static bool read_limit(cs_server__request *r, cs_value body, cs_budget_change *c)
{
    const cs_value *v = cs_object_get_text(body, "limit");
    char room[32];
    if (v == NULL || (!cs_is(*v, CS_STRING) && !cs_is(*v, CS_NUMBER))) {
        return bad(r, "limit must be a decimal string, as \"40.00\"");
    }
    cs_slice text = cs_is(*v, CS_STRING) ? cs_text(*v) : cs_number_text(*v, room);
    if (cs_money_parse(text, &c->limit_nanos) != CS_MONEY_OK || c->limit_nanos < 0) {
        return bad(r, "limit must be a decimal string, as \"40.00\", not negative, with at most 9 decimals");
    }
    return true;
}

static bool read_expiry(cs_server__request *r, cs_value body, cs_budget_change *c)
{
    const cs_value *v = cs_object_get_text(body, "expires_at");
    c->expires_ns = INT64_MAX;
    if (v == NULL || cs_is(*v, CS_NULL)) {
        return true;
    }
    if (!cs_is(*v, CS_STRING) || !cs_time_parse_rfc3339(cs_text(*v), &c->expires_ns)) {
        return bad(r, "expires_at must be an RFC 3339 instant");
    }
    return c->expires_ns > cs_time_wall_ns() || bad(r, "expires_at is past");
}

static bool read_body(cs_server__request *r, cs_value *body)
{
    cs_error e;
    if (!cs_server__read_body(r, "")) {
        return false;
    }
    if (cs_json_read(r->arena, r->body, NULL, body, NULL, &e) != CS_OK || !cs_is(*body, CS_OBJECT)) {
        return bad(r, "the body must be a JSON object with budget, limit and reason");
    }
    return true;
}

static void fill(cs_server__request *r, cs_slice tenant, cs_budget_change *c)
{
    const cs_value *subject =
        cs_is(r->caller.document, CS_OBJECT) ? cs_object_get_text(r->caller.document, "subject") : NULL;
    c->tenant = tenant;
    c->request_id = cs_server__request_id(r);
    c->author = subject != NULL && cs_is(*subject, CS_STRING) ? cs_text(*subject) : CS_LIT("anonymous");
}

/* ---- recording it */

static void answer(cs_server__request *r)
{
    cs_slice tenant;
    if (tenant_of(r, &tenant)) {
        cs_server__audit(r, "budget.changed", tenant, *(const cs_value *)r->data);
        send_budgets(r, tenant);
    }
}

static cs_value change_value(cs_arena *a, const cs_budget_change *c)
{
    cs_value v = cs_object_new(a, 6);
    cs_object_put_text(a, v, "budget", cs_string(c->budget));
    if (c->currency.n != 0) {
        cs_object_put_text(a, v, "currency", cs_string(c->currency));
    }
    if (c->expires_ns != INT64_MAX) {
        char stamp[40];
        size_t n = cs_time_format_rfc3339(c->expires_ns, stamp);
        cs_object_put_text(a, v, "expires_at", cs_string_copy(a, cs_slice_make(stamp, n)));
    }
    if (c->reset) {
        cs_object_put_text(a, v, "reset", cs_bool(true));
    } else {
        char limit[32];
        size_t n = cs_money_format(c->limit_nanos, limit);
        cs_object_put_text(a, v, "limit", cs_string_copy(a, cs_slice_make(limit, n)));
    }
    cs_object_put_text(a, v, "reason", cs_string(c->reason));
    return v;
}

static void record(cs_server__request *r, const cs_budget_change *c)
{
    cs_error e;
    r->job = answer;
    cs_value *change = cs_arena_new(r->arena, cs_value);
    *change = change_value(r->arena, c);
    r->data = change;
    cs_err err = cs_spend_change_budget(r->server->o.spend, c, cs_server__when_recorded, r, &e);
    if (err == CS_ERR_NOT_FOUND) {
        cs_server__fail(r, 404, "resource_not_found", "%s", e.text);
    } else if (err != CS_OK) {
        cs_server__fail(r, 503, "journal_unavailable", "%s", e.text);
    }
}

void cs_server__tenant_put(cs_server__request *r)
{
    cs_slice tenant;
    cs_value body;
    if (!tenant_of(r, &tenant) || !read_body(r, &body)) {
        return;
    }
    cs_budget_change c = {
        .budget = text_of(body, "budget"), .currency = text_of(body, "currency"), .reason = text_of(body, "reason")};
    if (c.budget.n == 0) {
        (void)bad(r, "budget must name a budget of the tenant");
    } else if (c.reason.n == 0 || c.reason.n > REASON_BYTES) {
        (void)bad(r, "reason must say why, in at most 1024 bytes");
    } else if (read_limit(r, body, &c) && read_expiry(r, body, &c)) {
        fill(r, tenant, &c);
        record(r, &c);
    }
}

/* The budget and the reason as parameters, or in a body as PUT takes it. */
void cs_server__tenant_delete(cs_server__request *r)
{
    cs_slice tenant;
    cs_value body = cs_object_new(r->arena, 0);
    if (!tenant_of(r, &tenant) || (r->http->body.n != 0 && !read_body(r, &body))) {
        return;
    }
    const cs_slice *budget = cs_server__get_param(r, "budget"), *reason = cs_server__get_param(r, "reason");
    cs_budget_change c = {.reset = true,
                          .expires_ns = INT64_MAX,
                          .budget = budget != NULL ? *budget : text_of(body, "budget"),
                          .currency = text_of(body, "currency"),
                          .reason = reason != NULL ? *reason : text_of(body, "reason")};
    if (c.budget.n == 0) {
        (void)bad(r, "budget must name a budget of the tenant, as ?budget=daily");
        return;
    }
    fill(r, tenant, &c);
    record(r, &c);
}
