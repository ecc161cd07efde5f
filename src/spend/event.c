/* The data of a spend event. What is a fact is taken; only what cannot be read is refused. */
#include "countersign/base/limits.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define TYPE "io.countersign.spend.recorded.v1"
#define SUBJECT "tenant/"

static const char *const kinds[] = {
    [CS_SPEND__USAGE] = "usage",           [CS_SPEND__CORRECTION] = "correction",
    [CS_SPEND__REFUND] = "refund",         [CS_SPEND__RECONCILIATION] = "reconciliation",
    [CS_SPEND__ADJUSTMENT] = "adjustment",
};

cs_slice cs_spend__kind_name(cs_spend__kind kind)
{
    return cs_slice_of(kinds[kind]);
}

static cs_err read_tenant(cs_arena *a, const cs_event *event, cs_spend__event *out, cs_event_reject *reject)
{
    if (!cs_event_text(event->data, "tenant", &out->tenant)) {
        return cs_event_refuse(a, reject, "missing_field", "data.tenant must be a string that is not empty");
    }
    if (out->tenant.n > cs_limits_get()->tenant_bytes && !event->past) {
        return cs_event_refuse(a, reject, "invalid_tenant", "data.tenant has %zu bytes; at most %llu are allowed",
                               out->tenant.n, (unsigned long long)cs_limits_get()->tenant_bytes);
    }
    if (cs_slice_is(out->tenant, "meta")) {
        return cs_event_refuse(a, reject, "invalid_tenant", "data.tenant: \"meta\" is a reserved name");
    }
    cs_slice prefix = CS_LIT(SUBJECT);
    if (!cs_slice_starts(event->subject, prefix) ||
        !cs_slice_eq(cs_slice_sub(event->subject, prefix.n, event->subject.n), out->tenant)) {
        return cs_event_refuse(a, reject, "invalid_subject",
                               "subject must be \"" SUBJECT "\" and the name in data.tenant");
    }
    return CS_OK;
}

static cs_err read_amount(cs_arena *a, const cs_event *event, cs_spend__event *out, cs_event_reject *reject)
{
    const cs_value *v = cs_object_get_text(event->data, "amount");
    if (v == NULL || (!cs_is(*v, CS_STRING) && !cs_is(*v, CS_NUMBER))) {
        return cs_event_refuse(a, reject, v == NULL ? "missing_field" : "invalid_amount",
                               "data.amount must be a decimal string or a number");
    }
    char room[32];
    cs_slice text = cs_is(*v, CS_STRING) ? cs_text(*v) : cs_number_text(*v, room);
    switch (cs_money_parse(text, &out->nanos)) {
    case CS_MONEY_OK:
        break;
    case CS_MONEY_ROUNDED:
        out->rounded = true;
        break;
    case CS_MONEY_MALFORMED:
        return cs_event_refuse(a, reject, "invalid_amount", "data.amount must be a decimal number, as \"0.0000027\"");
    case CS_MONEY_RANGE:
        out->nanos = INT64_MIN;
        break;
    }
    if (out->nanos == INT64_MIN) { /* as an amount it could not be taken back */
        return cs_event_refuse(a, reject, "amount_out_of_range", "data.amount is beyond 9223372036.854775807");
    }
    return CS_OK;
}

static cs_err read_kind(cs_arena *a, const cs_event *event, cs_spend__event *out, cs_event_reject *reject)
{
    cs_slice kind;
    if (!cs_event_text(event->data, "kind", &kind)) {
        return cs_event_refuse(a, reject, "missing_field", "data.kind must be a string that is not empty");
    }
    size_t i = 0;
    while (i < sizeof kinds / sizeof *kinds && !cs_slice_is(kind, kinds[i])) {
        i++;
    }
    if (i == sizeof kinds / sizeof *kinds) {
        return cs_event_refuse(a, reject, "unknown_kind",
                               "data.kind must be usage, correction, refund, reconciliation or adjustment");
    }
    out->kind = (cs_spend__kind)i;
    if (out->kind == CS_SPEND__USAGE && out->nanos < 0) {
        return cs_event_refuse(
            a, reject, "negative_usage",
            "data.amount of usage cannot be negative; what is paid back is a refund or a correction");
    }
    return CS_OK;
}

static cs_err read_link(cs_arena *a, const cs_event *event, cs_spend__event *out, cs_event_reject *reject)
{
    const cs_value *link = cs_object_get_text(event->data, "corrects");
    if (link == NULL || cs_is(*link, CS_NULL)) {
        return CS_OK;
    }
    if (!cs_is(*link, CS_OBJECT) || !cs_event_text(*link, "source", &out->corrects_source) ||
        !cs_event_text(*link, "id", &out->corrects_id)) {
        return cs_event_refuse(a, reject, "invalid_corrects",
                               "data.corrects must be {\"source\": …, \"id\": …}, both strings");
    }
    if (out->kind == CS_SPEND__USAGE) {
        return cs_event_refuse(a, reject, "invalid_corrects", "usage corrects nothing; its kind should be correction");
    }
    if (cs_slice_eq(out->corrects_source, event->source) && cs_slice_eq(out->corrects_id, event->id)) {
        return cs_event_refuse(a, reject, "invalid_corrects", "data.corrects names the event itself");
    }
    out->linked = true;
    return CS_OK;
}

/* ---- what is optional */

/* data.scope, data.tags: an object of strings. */
static cs_err read_pairs(cs_arena *a, const cs_event *event, const char *name, const char *code, cs_spend__pairs *out,
                         cs_event_reject *reject)
{
    const cs_value *object = cs_object_get_text(event->data, name);
    if (object == NULL || cs_is(*object, CS_NULL)) {
        return CS_OK;
    }
    if (!cs_is(*object, CS_OBJECT) || cs_count(*object) > CS_SPEND__PAIRS) {
        return cs_event_refuse(a, reject, code, "data.%s must be an object of at most %d strings", name,
                               CS_SPEND__PAIRS);
    }
    for (uint32_t i = 0; i < cs_count(*object); i++) {
        cs_value v, key = cs_entry(*object, i, &v);
        if (!cs_is(v, CS_STRING) || key.n == 0 || key.n > CS_SPEND__NAME_BYTES || v.n > CS_SPEND__VALUE_BYTES) {
            return cs_event_refuse(a, reject, code,
                                   "data.%s must be an object of strings; a name has 1 to %d bytes, a value at most %d",
                                   name, CS_SPEND__NAME_BYTES, CS_SPEND__VALUE_BYTES);
        }
        size_t at = out->n++;
        for (; at > 0 && cs_slice_compare(cs_text(key), out->v[at - 1].name) < 0; at--) {
            out->v[at] = out->v[at - 1];
        }
        out->v[at] = (cs_spend__pair){cs_text(key), cs_text(v)};
    }
    return CS_OK;
}

/* A string that may be missing. */
static cs_err read_text(cs_arena *a, cs_value object, const char *path, const char *name, cs_slice *out,
                        cs_event_reject *reject)
{
    const cs_value *v = cs_object_get_text(object, name);
    if (v == NULL || cs_is(*v, CS_NULL)) {
        return CS_OK;
    }
    if (!cs_is(*v, CS_STRING) || v->n > CS_SPEND__VALUE_BYTES) {
        return cs_event_refuse(a, reject, "invalid_field", "%s%s must be a string of at most %d bytes", path, name,
                               CS_SPEND__VALUE_BYTES);
    }
    *out = cs_text(*v);
    return CS_OK;
}

/* {"value": "18", "unit": "tokens"} */
static cs_err read_quantity(cs_arena *a, cs_value quantity, cs_spend__event *out, cs_event_reject *reject)
{
    const cs_value *v = cs_is(quantity, CS_OBJECT) ? cs_object_get_text(quantity, "value") : NULL;
    char room[32];
    bool good = v != NULL && (cs_is(*v, CS_STRING) || cs_is(*v, CS_NUMBER));
    cs_slice text = !good ? CS_LIT("") : cs_is(*v, CS_STRING) ? cs_text(*v) : cs_number_text(*v, room);
    cs_money_read read = cs_money_parse(text, &out->quantity);
    if (read == CS_MONEY_MALFORMED || read == CS_MONEY_RANGE) {
        return cs_event_refuse(a, reject, "invalid_field",
                               "data.quantity must be {\"value\": \"18\", \"unit\": \"tokens\"}");
    }
    return read_text(a, quantity, "data.quantity.", "unit", &out->unit, reject);
}

static cs_err read_rest(cs_arena *a, const cs_event *event, cs_spend__event *out, cs_event_reject *reject)
{
    CS_TRY(read_pairs(a, event, "scope", "invalid_scope", &out->scope, reject));
    CS_TRY(read_pairs(a, event, "tags", "invalid_tags", &out->tags, reject));
    CS_TRY(read_text(a, event->data, "data.", "hold", &out->hold, reject));
    out->correlation = event->correlation;
    const cs_value *operation = cs_object_get_text(event->data, "operation");
    if (operation != NULL && cs_is(*operation, CS_OBJECT)) {
        CS_TRY(read_text(a, *operation, "data.operation.", "document_id", &out->document_id, reject));
        CS_TRY(read_text(a, *operation, "data.operation.", "name", &out->operation, reject));
    } else if (operation != NULL && !cs_is(*operation, CS_NULL)) {
        return cs_event_refuse(a, reject, "invalid_field", "data.operation must be an object");
    }
    const cs_value *quantity = cs_object_get_text(event->data, "quantity");
    if (quantity != NULL && !cs_is(*quantity, CS_NULL)) {
        CS_TRY(read_quantity(a, *quantity, out, reject));
    }
    const cs_value *estimated = cs_object_get_text(event->data, "estimated");
    out->estimated = estimated != NULL && cs_is(*estimated, CS_BOOL) && estimated->u.i != 0;
    return CS_OK;
}

cs_err cs_spend__event_read(cs_arena *a, const cs_event *event, cs_spend__event *out, cs_event_reject *reject)
{
    cs_event whole;
    if (event->members != NULL) {
        if (cs_spend__event_plain(event, out)) {
            return CS_OK;
        }
        whole = *event;
        whole.data = cs_event_data(a, event);
        event = &whole;
    }
    *out = (cs_spend__event){.nanos = 0};
    if (!cs_slice_is(event->type, TYPE)) {
        return cs_event_refuse(a, reject, "unknown_type", "type must be \"" TYPE "\"");
    }
    CS_TRY(read_tenant(a, event, out, reject));
    CS_TRY(read_amount(a, event, out, reject));
    CS_TRY(read_kind(a, event, out, reject));
    if (!cs_event_text(event->data, "currency", &out->currency)) {
        return cs_event_refuse(a, reject, "missing_field", "data.currency must be a string that is not empty");
    }
    bool capitals = out->currency.n == 3;
    for (size_t i = 0; capitals && i < 3; i++) {
        capitals = out->currency.p[i] >= 'A' && out->currency.p[i] <= 'Z';
    }
    if (!capitals) {
        return cs_event_refuse(a, reject, "invalid_currency", "data.currency must be three capital letters (ISO 4217)");
    }
    CS_TRY(read_link(a, event, out, reject));
    cs_err err = read_rest(a, event, out, reject);
    return event->past ? CS_OK : err; /* what was counted once counts again */
}
