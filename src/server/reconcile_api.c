/* GET and POST /v1/reconciliations: bills against what was captured. */
#include <stdio.h>

#include "countersign/base/time.h"
#include "countersign/number.h"
#include "countersign/reconcile.h"
#include "internal.h"

#define TOLERANCE 0.003 /* the objective of spend accuracy is 99.7 % */
#define SLOT_NS (900 * CS_NS_PER_S)

static bool configured(cs_server__request *r)
{
    if (r->server->o.spend == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "budgets are not configured (spend:)");
        return false; /* the request is over and gone */
    }
    return true;
}

static bool bad(cs_server__request *r, const char *message)
{
    cs_server__fail(r, 400, "invalid_parameter", "%s", message);
    return false;
}

void cs_server__reconciliations_get(cs_server__request *r)
{
    if (configured(r)) {
        cs_server__send_value(r, 200, cs_spend_reconciliations_document(r->server->o.spend, r->arena));
    }
}

/* ---- reading a bill */

static cs_slice text_of(cs_value body, const char *name, const char *fallback)
{
    cs_value v = cs_object_member(body, name);
    return cs_is(v, CS_STRING) ? cs_slice_trim(cs_text(v)) : cs_slice_of(fallback);
}

static bool read_amount(cs_value v, int64_t *nanos)
{
    char room[32];
    if (!cs_is(v, CS_STRING) && !cs_is(v, CS_NUMBER)) {
        return false;
    }
    return cs_money_parse(cs_is(v, CS_STRING) ? cs_text(v) : cs_number_text(v, room), nanos) == CS_MONEY_OK;
}

/* A date in a zone: its first instant, `more` days later. */
static bool read_date(cs_slice text, const cs_zone *zone, int more, int64_t *ns)
{
    int year = 0, month = 0, day = 0, end = 0;
    char room[16];
    if (text.n != 10) {
        return false;
    }
    (void)snprintf(room, sizeof room, "%.*s", CS_FMT(text));
    if (sscanf(room, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || end != 10 || month < 1 || month > 12 ||
        day < 1 || day > 31) {
        return false;
    }
    *ns = cs_zone_day_start(zone, cs_time_days_from_civil(year, month, day) + more) * CS_NS_PER_S;
    return true;
}

static bool read_time(cs_server__request *r, cs_value body, cs_bill *b)
{
    const cs_zone *zone = NULL;
    cs_error e;
    if (cs_zone_find(text_of(body, "timezone", "UTC"), &zone, &e) != CS_OK) {
        return bad(r, e.text);
    }
    cs_slice day = text_of(body, "day", "");
    if (day.n != 0) {
        return (read_date(day, zone, 0, &b->from_ns) && read_date(day, zone, 1, &b->to_ns)) ||
               bad(r, "day must be a date, as \"2026-11-23\"");
    }
    cs_slice from = text_of(body, "from", ""), to = text_of(body, "to", "");
    bool good = (read_date(from, zone, 0, &b->from_ns) || cs_time_parse_rfc3339(from, &b->from_ns)) &&
                (read_date(to, zone, 0, &b->to_ns) || cs_time_parse_rfc3339(to, &b->to_ns));
    good = good && b->from_ns < b->to_ns && b->from_ns % SLOT_NS == 0 && b->to_ns % SLOT_NS == 0;
    return good || bad(r, "day, or from and to, must be dates or instants at quarters of hours, from before to");
}

static bool add_line(cs_server__request *r, cs_bill_line *lines, size_t *n, cs_value tenant, cs_value billed)
{
    cs_bill_line *line = &lines[*n];
    if (!cs_is(tenant, CS_STRING) || tenant.n == 0 || !read_amount(billed, &line->billed_nanos)) {
        return bad(r, "billed must give a decimal string for each tenant, as {\"acme\": \"12.34\"}");
    }
    line->tenant = cs_text(tenant);
    for (size_t i = 0; i < *n; i++) {
        if (cs_slice_eq(lines[i].tenant, line->tenant)) {
            return bad(r, "billed names a tenant twice");
        }
    }
    (*n)++;
    return true;
}

/* {"acme": "12.34"} or [{"tenant": "acme", "billed": "12.34"}]. */
static bool read_lines(cs_server__request *r, cs_value body, cs_bill *b)
{
    cs_value billed = cs_object_member(body, "billed");
    bool object = cs_is(billed, CS_OBJECT);
    uint32_t count = object ? cs_count(billed) : cs_is(billed, CS_ARRAY) ? billed.n : 0;
    if (count == 0) {
        return bad(r, "billed must give a decimal string for each tenant, as {\"acme\": \"12.34\"}");
    }
    cs_bill_line *lines = cs_arena_array(r->arena, cs_bill_line, count);
    for (uint32_t i = 0; i < count; i++) {
        cs_value v, key;
        if (object) {
            key = cs_entry(billed, i, &v);
        } else {
            cs_value item = billed.u.items[i];
            bool is = cs_is(item, CS_OBJECT);
            key = is ? cs_object_member(item, "tenant") : cs_undefined();
            v = is ? cs_object_member(item, "billed") : cs_undefined();
        }
        if (!add_line(r, lines, &b->n_lines, key, v)) {
            return false;
        }
    }
    b->lines = lines;
    return true;
}

static bool read_bill(cs_server__request *r, cs_value body, cs_bill *b)
{
    b->source = text_of(body, "source", "");
    b->currency = text_of(body, "currency", "USD");
    bool capitals = b->currency.n == 3;
    for (size_t i = 0; capitals && i < 3; i++) {
        capitals = b->currency.p[i] >= 'A' && b->currency.p[i] <= 'Z';
    }
    if (b->source.n == 0 || b->source.n > 128 || !capitals) {
        return bad(r, "source must say who billed, and currency be three capital letters (ISO 4217)");
    }
    cs_value tolerance = cs_object_member(body, "tolerance"), apply = cs_object_member(body, "apply");
    b->tolerance = cs_is(tolerance, CS_NUMBER) ? cs_number_double(tolerance) : TOLERANCE;
    if (!(b->tolerance >= 0 && b->tolerance <= 1) || (!cs_is_undefined(tolerance) && !cs_is(tolerance, CS_NUMBER))) {
        return bad(r, "tolerance must be a number from 0 to 1");
    }
    if (!cs_is_undefined(apply) && !cs_is(apply, CS_BOOL)) {
        return bad(r, "apply must be true or false");
    }
    b->apply = cs_is(apply, CS_BOOL) && apply.u.i != 0;
    cs_value subject =
        cs_is(r->caller.document, CS_OBJECT) ? cs_object_member(r->caller.document, "subject") : cs_undefined();
    b->author = cs_is(subject, CS_STRING) ? cs_text(subject) : CS_LIT("anonymous");
    return read_time(r, body, b) && read_lines(r, body, b);
}

void cs_server__reconciliations_post(cs_server__request *r)
{
    cs_value body;
    cs_error e;
    if (!configured(r) || !cs_server__read_body(r, "")) {
        return;
    }
    if (cs_json_read(r->arena, r->body, NULL, &body, NULL, &e) != CS_OK || !cs_is(body, CS_OBJECT)) {
        (void)bad(r, "the body must be a JSON object with source, currency, day and billed");
        return;
    }
    cs_bill bill = {0};
    cs_value *document = cs_arena_new(r->arena, cs_value);
    r->data = document;
    r->job = cs_server__send_data;
    if (read_bill(r, body, &bill) &&
        cs_spend_reconcile(r->server->o.spend, &bill, r->arena, document, cs_server__when_recorded, r, &e) != CS_OK) {
        cs_server__fail(r, 503, "journal_unavailable", "%s", e.text);
    }
}
