/* POST /v1/compensations/replay: asks for the undoing of what was allowed last. */
#include "countersign/compensation.h"
#include "countersign/number.h"
#include "internal.h"

enum { LAST = 50 };

static bool bad(cs_server__request *r, const char *message)
{
    cs_server__fail(r, 400, "invalid_parameter", "%s", message);
    return false;
}

static bool read(cs_server__request *r, cs_compensation_replay *replay)
{
    cs_value body = cs_object_new(r->arena, 0);
    if (!cs_server__read_body(r, "")) {
        return false;
    }
    if (cs_slice_trim(r->body).n > 0 &&
        (cs_json_read(r->arena, r->body, NULL, &body, NULL, NULL) != CS_OK || !cs_is(body, CS_OBJECT))) {
        return bad(r, "the body must be a JSON object with last and dry_run");
    }
    const cs_value *last = cs_object_get_text(body, "last"), *dry = cs_object_get_text(body, "dry_run"),
                   *tenant = cs_object_get_text(body, "tenant");
    int64_t n = LAST;
    if (last != NULL && (!cs_is(*last, CS_NUMBER) || !cs_number_is_int(*last, &n) || n < 1 || n > 100000)) {
        return bad(r, "last must be a whole number from 1 to 100000");
    }
    if (dry != NULL && !cs_is(*dry, CS_BOOL)) {
        return bad(r, "dry_run must be true or false");
    }
    if (tenant != NULL && !cs_is(*tenant, CS_STRING)) {
        return bad(r, "tenant must be a string");
    }
    const cs_value *subject =
        cs_is(r->caller.document, CS_OBJECT) ? cs_object_get_text(r->caller.document, "subject") : NULL;
    *replay = (cs_compensation_replay){.last = (size_t)n,
                                       .tenant = tenant != NULL ? cs_text(*tenant) : CS_LIT(""),
                                       .dry_run = dry != NULL && dry->u.i != 0,
                                       .author = subject != NULL && cs_is(*subject, CS_STRING) ? cs_text(*subject)
                                                                                               : CS_LIT("anonymous")};
    return true;
}

void cs_server__compensations_replay(cs_server__request *r)
{
    cs_compensation_replay replay;
    cs_error e;
    if (r->server->o.compensations == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "budgets are not configured (spend:)");
        return;
    }
    if (!read(r, &replay)) {
        return;
    }
    cs_value *document = cs_arena_new(r->arena, cs_value);
    r->data = document;
    r->job = cs_server__send_data;
    if (cs_compensations_replay(r->server->o.compensations, &replay, r->arena, document, cs_server__when_recorded, r,
                                &e) != CS_OK) {
        cs_server__fail(r, 503, "journal_unavailable", "%s", e.text);
    }
}
