/* GET /v1/cost, GET /v1/reports/finops (they read files, so not on a worker's loop), GET /v1/forecast/{tenant}. */
#include <stdio.h>

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "internal.h"

static bool configured(cs_server__request *r)
{
    if (r->server->o.spend == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "budgets are not configured (spend:)");
        return false;
    }
    return true;
}

static cs_slice param(const cs_server__request *r, const char *name, const char *fallback)
{
    const cs_slice *v = cs_server__get_param(r, name);
    return v != NULL ? *v : cs_slice_of(fallback);
}

static void bad(cs_server__request *r, const char *message)
{
    cs_server__fail(r, 400, "invalid_parameter", "%s", message);
}

/* What `format` says, else what is accepted. */
static bool wants_csv(cs_server__request *r, bool *csv)
{
    cs_slice format = param(r, "format", "");
    *csv = cs_slice_is(format, "csv") || (format.n == 0 && cs_server__header_contains(r, "Accept", "text/csv"));
    if (format.n != 0 && !*csv && !cs_slice_is(format, "json")) {
        bad(r, "format must be json or csv");
        return false;
    }
    return true;
}

static void send(cs_server__request *r, cs_err err, const cs_error *e, bool csv)
{
    if (err == CS_OK) {
        cs_server__send(r, 200, csv ? "text/csv; charset=utf-8" : "application/json");
        return;
    }
    cs_buf_clear(cs_http_body(r->x));
    bool asked_wrong = err == CS_ERR_INVALID || err == CS_ERR_NOT_FOUND || err == CS_ERR_LIMIT;
    cs_server__fail(r, asked_wrong ? 400 : 500, asked_wrong ? "invalid_parameter" : "internal_error", "%s", e->text);
}

/* ---- GET /v1/cost */

/* An instant, or a date: its first instant in UTC. */
static bool read_instant(cs_slice text, int64_t *ns)
{
    char room[32];
    if (text.n == 10) {
        int n = snprintf(room, sizeof room, "%.*sT00:00:00Z", CS_FMT(text));
        text = cs_slice_make(room, (size_t)n);
    }
    return cs_time_parse_rfc3339(text, ns);
}

static bool read_query(cs_server__request *r, cs_cost_query *q)
{
    static const char *const names[] = {"hour", "day", "month", "total"};
    int64_t now = cs_time_wall_ns();
    q->to_ns = now + CS_NS_PER_S;
    cs_slice from = param(r, "from", ""), to = param(r, "to", ""), granularity = param(r, "granularity", "day");
    if (to.n != 0 && !read_instant(to, &q->to_ns)) {
        bad(r, "to must be an RFC 3339 instant or a date");
        return false;
    }
    q->from_ns = q->to_ns - 30 * 86400 * CS_NS_PER_S;
    if (from.n != 0 && !read_instant(from, &q->from_ns)) {
        bad(r, "from must be an RFC 3339 instant or a date");
        return false;
    }
    if (q->from_ns >= q->to_ns) {
        bad(r, "from must be before to");
        return false;
    }
    size_t i = 0;
    while (i < sizeof names / sizeof *names && !cs_slice_is(granularity, names[i])) {
        i++;
    }
    if (i == sizeof names / sizeof *names) {
        bad(r, "granularity must be hour, day, month or total");
        return false;
    }
    q->granularity = (cs_cost_granularity)i;
    q->timezone = param(r, "timezone", "UTC");
    q->group_by = param(r, "group_by", "");
    q->tenant = param(r, "tenant", "");
    q->currency = param(r, "currency", "");
    return wants_csv(r, &q->csv);
}

static void cost_job(cs_server__request *r)
{
    const cs_cost_query *q = r->data;
    cs_error e = {0};
    cs_err err = cs_spend_cost(r->server->o.spend, q, cs_http_body(r->x), &e);
    send(r, err, &e, q->csv);
}

void cs_server__cost_get(cs_server__request *r)
{
    cs_cost_query *q = cs_arena_new(r->arena, cs_cost_query);
    if (configured(r) && read_query(r, q)) {
        r->data = q;
        cs_server__on_control(r, cost_job);
    }
}

/* ---- GET /v1/forecast/{tenant} */

void cs_server__forecast_get(cs_server__request *r)
{
    cs_slice tenant, currency = param(r, "currency", "");
    if (!configured(r)) {
        return;
    }
    if (!cs_percent_decode(r->arena, r->rest, false, &tenant)) {
        tenant = r->rest;
    }
    if (currency.n != 0 && currency.n != 3) {
        bad(r, "currency must be three capital letters");
        return;
    }
    cs_value v = cs_spend_forecast_document(r->server->o.spend, tenant, currency, r->arena);
    if (cs_is_undefined(v)) {
        cs_server__fail(r, 404, "resource_not_found", "tenant %.*s has neither a budget nor any spend", CS_FMT(tenant));
        return;
    }
    cs_server__send_value(r, 200, v);
}

/* ---- GET /v1/reports/finops */

static void report_job(cs_server__request *r)
{
    bool csv = r->at != 0;
    cs_error e = {0};
    cs_err err = cs_spend_finops_report(r->server->o.spend, param(r, "day", ""), param(r, "timezone", "UTC"), csv,
                                        cs_http_body(r->x), &e);
    send(r, err, &e, csv);
}

void cs_server__report_get(cs_server__request *r)
{
    bool csv = false;
    if (!configured(r) || !wants_csv(r, &csv)) {
        return;
    }
    if (!cs_slice_is(r->rest, "finops")) {
        cs_server__fail(r, 404, "resource_not_found", "there is /v1/reports/finops");
        return;
    }
    r->at = csv;
    cs_server__on_control(r, report_job);
}
