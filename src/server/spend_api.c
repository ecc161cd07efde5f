/* POST /v1/events, GET /v1/spend/{tenant}, /health/budget, /admin/budget/status: the ledger's documents over HTTP. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/base/utf8.h"
#include "internal.h"

static bool configured(cs_server__request *r)
{
    if (r->server->o.spend == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "budgets are not configured (spend:)");
        return false;
    }
    return true;
}

/* ---- events */

static void answer_events(void *self)
{
    cs_server__request *r = self;
    cs_spend_receipt *receipt = r->data;
    int status = receipt->status;
    cs_buf_slice(cs_http_body(r->x), receipt->body);
    if (receipt->body.n == 0 || receipt->body.p[receipt->body.n - 1] != '\n') {
        cs_buf_byte(cs_http_body(r->x), '\n');
    }
    cs_spend_receipt_free(receipt);
    cs_server__send(r, status, "application/json");
}

/* On the journal's thread, or on ours. */
static void posted(void *self, cs_spend_receipt *receipt)
{
    cs_server__request *r = self;
    r->data = receipt;
    cs_loop_post(r->w->loop, answer_events, r);
}

void cs_server__events_post(cs_server__request *r)
{
    if (configured(r) && cs_server__read_body(r, "")) {
        cs_spend_post(r->server->o.spend, r->body, posted, r);
    }
}

/* ---- documents */

/* What is no UTF-8, or was cut within a character, is shown as U+FFFD. */
static void put_text(cs_server__request *r, cs_value to, const char *name, cs_slice text)
{
    char *room = cs_arena_alloc(r->arena, 3 * text.n + 1);
    size_t n = 0;
    for (size_t i = 0, width = 1; i < text.n; i += width) {
        uint32_t rune = cs_utf8_decode(text.p + i, text.n - i, &width);
        n += cs_utf8_encode(rune, room + n);
    }
    cs_object_put_text(r->arena, to, name, cs_string(cs_slice_make(room, n)));
}

void cs_server__dead_letters_get(cs_server__request *r)
{
    if (!configured(r)) {
        return;
    }
    cs_journal_letter *letters = NULL;
    size_t n = cs_spend_letters(r->server->o.spend, r->arena, &letters);
    cs_value *list = cs_arena_array(r->arena, cs_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        const cs_journal_letter *l = &letters[i];
        cs_value v = cs_object_new(r->arena, 8);
        char at[40];
        size_t length = cs_time_format_rfc3339(l->at_ns, at);
        cs_object_put_text(r->arena, v, "at", cs_string_copy(r->arena, cs_slice_make(at, length)));
        put_text(r, v, "code", l->code);
        put_text(r, v, "reason", l->reason);
        put_text(r, v, "event", l->body);
        if (!l->posted) {
            put_text(r, v, "topic", l->topic);
            cs_object_put_text(r->arena, v, "partition", cs_int(l->partition));
            cs_object_put_text(r->arena, v, "offset", cs_int((int64_t)l->offset));
        }
        list[i] = v;
    }
    cs_value answer = cs_object_new(r->arena, 1);
    cs_object_put_text(r->arena, answer, "dead_letters", cs_array_copy(r->arena, list, n));
    cs_server__send_value(r, 200, answer);
}

void cs_server__spend_get(cs_server__request *r)
{
    if (!configured(r)) {
        return;
    }
    cs_slice tenant;
    if (!cs_percent_decode(r->arena, r->rest, false, &tenant)) {
        tenant = r->rest;
    }
    cs_value v = cs_spend_tenant_document(r->server->o.spend, tenant, r->arena);
    if (cs_is_undefined(v)) {
        cs_server__fail(r, 404, "resource_not_found", "tenant %.*s has neither a budget nor any spend", CS_FMT(tenant));
        return;
    }
    cs_server__send_value(r, 200, v);
}

void cs_server__budget_status(cs_server__request *r)
{
    if (configured(r)) {
        cs_server__send_value(r, 200, cs_spend_status_document(r->server->o.spend, r->arena));
    }
}

void cs_server__budget_health(cs_server__request *r)
{
    if (r->server->o.spend == NULL) {
        r->rest = CS_LIT("budget"); /* plain OPA: a rule of data.system.health */
        cs_server__health_rule(r);
        return;
    }
    cs_spend_health health = cs_spend_health_now(r->server->o.spend);
    cs_server__send_value(r, health.status, cs_spend_health_document(r->server->o.spend, r->arena));
}
