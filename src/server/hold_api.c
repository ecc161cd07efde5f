/* GET /v1/holds/{id}, POST /v1/holds/{id}/settle and /void. */
#include "countersign/base/encode.h"
#include "countersign/number.h"
#include "internal.h"

/* The id, and what is to be done with it ("" = nothing); false: an error was replied. */
static bool read_path(cs_server__request *r, cs_slice *id, cs_slice *verb)
{
    if (r->server->o.spend == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "budgets are not configured (spend:)");
        return false;
    }
    size_t slash = cs_slice_find_byte(r->rest, '/', 0);
    cs_slice name = cs_slice_sub(r->rest, 0, slash);
    *verb = slash == SIZE_MAX ? CS_LIT("") : cs_slice_sub(r->rest, slash + 1, r->rest.n);
    if (!cs_percent_decode(r->arena, name, false, id)) {
        *id = name;
    }
    return true;
}

static void unknown(cs_server__request *r)
{
    cs_server__fail(r, 404, "resource_not_found", "there is no such hold");
}

void cs_server__hold_get(cs_server__request *r)
{
    cs_slice id, verb;
    if (!read_path(r, &id, &verb)) {
        return;
    }
    cs_hold hold;
    if (verb.n != 0 || !cs_hold_get(r->server->o.spend, id, r->arena, &hold)) {
        unknown(r);
        return;
    }
    cs_server__send_value(r, 200, cs_hold_document(&hold, r->arena));
}

/* ---- settle and void */

static void answer(void *self)
{
    cs_server__request *r = self;
    cs_hold_reply *reply = r->data;
    if (reply->status == 200) {
        cs_value v = cs_object_clone(r->arena, cs_hold_document(reply->hold, r->arena), 1);
        cs_object_put_text(r->arena, v, "result", cs_string(cs_slice_of(reply->code)));
        cs_server__send_value(r, 200, v);
    } else {
        cs_server__fail(r, reply->status, reply->code, "%.*s", CS_FMT(reply->message));
    }
    cs_hold_reply_free(reply);
}

/* On the journal's thread, or on ours. */
static void done(void *self, cs_hold_reply *reply)
{
    cs_server__request *r = self;
    r->data = reply;
    cs_loop_post(r->w->loop, answer, r);
}

/* The body: an object, or nothing where `empty` will do. false: an error was replied. */
static bool read_body(cs_server__request *r, bool empty, cs_value *body)
{
    *body = cs_undefined();
    if (!cs_server__read_body(r, "")) {
        return false;
    }
    if (empty && cs_slice_trim(r->body).n == 0) {
        return true;
    }
    cs_error e = {0};
    if (cs_json_read(r->arena, r->body, &(cs_json_options){.borrow = true}, body, NULL, &e) != CS_OK) {
        cs_server__fail(r, 400, "invalid_parameter", "the body must be a JSON object: %s", e.text);
        return false;
    }
    if (!cs_is(*body, CS_OBJECT)) {
        cs_server__fail(r, 400, "invalid_parameter", "the body must be a JSON object, not %s", cs_kind_name(*body));
        return false;
    }
    return true;
}

static void settle(cs_server__request *r, cs_slice id)
{
    cs_value body;
    if (!read_body(r, false, &body)) {
        return;
    }
    const cs_value *amount = cs_object_get_text(body, "amount");
    bool given = amount != NULL && (cs_is(*amount, CS_STRING) || cs_is(*amount, CS_NUMBER));
    char room[32];
    cs_slice text = !given ? CS_LIT("") : cs_is(*amount, CS_STRING) ? cs_text(*amount) : cs_number_text(*amount, room);
    int64_t nanos = 0;
    cs_money_read read = given ? cs_money_parse(text, &nanos) : CS_MONEY_MALFORMED;
    if (read == CS_MONEY_MALFORMED || read == CS_MONEY_RANGE || nanos < 0) {
        cs_server__fail(r, 400, "invalid_amount",
                        "amount must be what it came to, as \"1.25\": not negative, at most 9223372036.854775807");
        return;
    }
    const cs_value *currency = cs_object_get_text(body, "currency");
    cs_hold hold;
    if (currency != NULL && cs_hold_get(r->server->o.spend, id, r->arena, &hold) &&
        (!cs_is(*currency, CS_STRING) || !cs_slice_eq(cs_text(*currency), hold.currency))) {
        cs_server__fail(r, 400, "invalid_currency", "the hold is in %.*s", CS_FMT(hold.currency));
        return;
    }
    cs_hold_settle(r->server->o.spend, id, nanos, done, r);
}

static void give_up(cs_server__request *r, cs_slice id)
{
    cs_value body;
    if (!read_body(r, true, &body)) {
        return;
    }
    const cs_value *reason = cs_is(body, CS_OBJECT) ? cs_object_get_text(body, "reason") : NULL;
    if (reason != NULL && (!cs_is(*reason, CS_STRING) || reason->n > 256)) {
        cs_server__fail(r, 400, "invalid_parameter", "reason must be a string of at most 256 bytes");
        return;
    }
    cs_hold_void(r->server->o.spend, id, reason != NULL ? cs_text(*reason) : CS_LIT(""), done, r);
}

void cs_server__hold_post(cs_server__request *r)
{
    cs_slice id, verb;
    if (!read_path(r, &id, &verb)) {
        return;
    }
    if (cs_slice_is(verb, "settle")) {
        settle(r, id);
    } else if (cs_slice_is(verb, "void")) {
        give_up(r, id);
    } else {
        unknown(r);
    }
}
