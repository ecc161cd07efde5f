/* What a result asks for: holds, how to undo it, the approval of people. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/number.h"
#include "internal.h"

#define TTL_S INT64_C(60)
#define TTL_MAX_S INT64_C(86400)
enum { ID_HEX = 32, EFFECTS_MAX = 32 };

static const cs_value *field(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL && !cs_is(*v, CS_NULL) ? v : NULL;
}

cs_slice cs_decision__hold_id(cs_arena *a, cs_slice tenant, cs_slice request_id, size_t index)
{
    cs_hasher *h = cs_hasher_start(CS_SHA256);
    cs_hasher_add(h, tenant);
    cs_hasher_add(h, cs_slice_make("", 1));
    cs_hasher_add(h, request_id);
    cs_hasher_add(h, cs_slice_make("", 1));
    char number = (char)('0' + index);
    cs_hasher_add(h, cs_slice_make(&number, 1));
    uint8_t digest[CS_DIGEST_MAX];
    size_t n = cs_hasher_finish(h, digest);
    cs_slice hex = cs_hex_encode(a, cs_slice_make((const char *)digest, n));
    const char *text = cs_arena_printf(a, &n, "h-%.*s", ID_HEX, hex.p);
    return cs_slice_make(text, n);
}

static cs_err read_amount(cs_value effect, int64_t *out, cs_error *e)
{
    const cs_value *amount = field(effect, "amount_nanos");
    if (amount == NULL || !cs_is(*amount, CS_NUMBER) || !cs_number_is_int(*amount, out) || *out < 0) {
        return cs_fail(e, CS_ERR_INVALID, "amount_nanos of a hold must be a whole number of nano-units, not negative");
    }
    return CS_OK;
}

static cs_err read_ttl(cs_value effect, int64_t *ns, cs_error *e)
{
    const cs_value *ttl = field(effect, "ttl_s");
    int64_t seconds = TTL_S;
    if (ttl != NULL &&
        (!cs_is(*ttl, CS_NUMBER) || !cs_number_is_int(*ttl, &seconds) || seconds < 1 || seconds > TTL_MAX_S)) {
        return cs_fail(e, CS_ERR_INVALID, "ttl_s of a hold must be a whole number from 1 to %lld",
                       (long long)TTL_MAX_S);
    }
    *ns = seconds * CS_NS_PER_S;
    return CS_OK;
}

static cs_err read_budgets(cs_arena *a, cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *list = field(effect, "budgets");
    if (list == NULL) {
        return CS_OK;
    }
    bool good = cs_is(*list, CS_ARRAY) || cs_is(*list, CS_SET);
    uint32_t n = good ? cs_count(*list) : 0;
    cs_slice *ids = cs_arena_array(a, cs_slice, n);
    for (uint32_t i = 0; good && i < n; i++) {
        cs_value id = cs_is(*list, CS_ARRAY) ? list->u.items[i] : cs_entry(*list, i, NULL);
        good = cs_is(id, CS_STRING);
        ids[i] = good ? cs_text(id) : CS_LIT("");
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "budgets of a hold must be an array of strings");
    }
    out->budgets = ids;
    out->n_budgets = n;
    return CS_OK;
}

static cs_err read_limits(cs_arena *a, cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *object = field(effect, "limits");
    if (object == NULL) {
        return CS_OK;
    }
    bool good = cs_is(*object, CS_OBJECT);
    uint32_t n = good ? cs_count(*object) : 0;
    cs_hold_limit *limits = cs_arena_array(a, cs_hold_limit, n);
    for (uint32_t i = 0; good && i < n; i++) {
        cs_value v, key = cs_entry(*object, i, &v);
        good = cs_is(key, CS_STRING) && cs_is(v, CS_NUMBER) && cs_number_is_int(v, &limits[i].nanos);
        limits[i].budget = good ? cs_text(key) : CS_LIT("");
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "limits of a hold must be an object of whole numbers of nano-units");
    }
    out->limits = limits;
    out->n_limits = n;
    return CS_OK;
}

static cs_err read_scope(cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *object = field(effect, "scope");
    out->scope = cs_undefined();
    if (object == NULL) {
        return CS_OK;
    }
    bool good = cs_is(*object, CS_OBJECT) && cs_count(*object) <= CS_HOLDS_MAX;
    for (uint32_t i = 0; good && i < cs_count(*object); i++) {
        cs_value v, key = cs_entry(*object, i, &v);
        good = cs_is(key, CS_STRING) && cs_is(v, CS_STRING);
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "scope of a hold must be an object of at most %d strings", CS_HOLDS_MAX);
    }
    out->scope = *object;
    return CS_OK;
}

/* "document_id" and "estimate_nanos": of which operation it is, and the estimate that the amount rests on. */
static cs_err read_estimate(cs_value effect, cs_hold *out, cs_error *e)
{
    const cs_value *document = field(effect, "document_id"), *estimate = field(effect, "estimate_nanos");
    out->document_id = CS_LIT("");
    if (document == NULL || estimate == NULL) {
        return CS_OK;
    }
    if (!cs_is(*document, CS_STRING) || !cs_is(*estimate, CS_NUMBER) ||
        !cs_number_is_int(*estimate, &out->estimate_nanos) || out->estimate_nanos < 0) {
        return cs_fail(e, CS_ERR_INVALID,
                       "document_id of a hold must be a string, estimate_nanos a whole number of nano-units");
    }
    out->document_id = cs_text(*document);
    return CS_OK;
}

static cs_err read_hold(cs_arena *a, cs_value effect, cs_hold *out, cs_error *e)
{
    CS_TRY(read_amount(effect, &out->amount_nanos, e));
    int64_t life = 0;
    CS_TRY(read_ttl(effect, &life, e));
    out->expires_ns = out->placed_ns + life;
    const cs_value *currency = field(effect, "currency");
    if (currency == NULL || !cs_is(*currency, CS_STRING) || currency->n != 3) {
        return cs_fail(e, CS_ERR_INVALID, "currency of a hold must be three capital letters");
    }
    out->currency = cs_text(*currency);
    CS_TRY(read_budgets(a, effect, out, e));
    CS_TRY(read_limits(a, effect, out, e));
    CS_TRY(read_estimate(effect, out, e));
    return read_scope(effect, out, e);
}

static cs_err read_compensation(cs_arena *a, cs_value effect, cs_slice tenant, cs_effects_plan *out, cs_error *e)
{
    if (tenant.n == 0 || !cs_is_undefined(out->compensation)) {
        return cs_fail(e, CS_ERR_INVALID, "a decision has at most one compensation, and a tenant");
    }
    out->compensation = cs_object_new(a, cs_count(effect));
    for (uint32_t i = 0; i < cs_count(effect); i++) {
        cs_value v, key = cs_entry(effect, i, &v);
        if (!cs_is(key, CS_STRING) || !cs_slice_is(cs_text(key), "type")) {
            cs_object_put(a, out->compensation, key, v);
        }
    }
    return CS_OK;
}

static bool is_refusal(cs_value result)
{
    const cs_value *allow = field(result, "allow");
    allow = allow != NULL ? allow : field(result, "allowed");
    return allow != NULL && cs_is(*allow, CS_BOOL) && allow->u.i == 0;
}

/* ---- approvals */

static cs_err read_request(cs_arena *a, cs_value effect, const cs_effects_of *of, cs_effects_plan *out, cs_error *e)
{
    if (out->asks || of->tenant.n == 0 || of->requester.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "a decision has at most one request_approval, a tenant and a requester");
    }
    CS_TRY(cs_approval_read_ask(effect, &out->ask, e));
    if (of->digest.n > 0 && !cs_slice_eq(out->ask.digest, of->digest)) {
        return cs_fail(e, CS_ERR_INVALID, "digest of request_approval must be that of the operation");
    }
    out->asks = true;
    out->ask.requester = of->requester;
    cs_approvals_see(of->approvals, a, of->tenant, out->ask.digest, &out->seen);
    out->requests = !out->seen.open && !out->seen.full;
    if (out->requests) {
        out->seen.approve_by_ns = of->now_ns + out->ask.approve_ns;
        out->seen.escalates_ns = out->ask.escalate_ns > 0 ? of->now_ns + out->ask.escalate_ns : 0;
    }
    return CS_OK;
}

static cs_err read_consume(cs_value effect, const cs_effects_of *of, cs_effects_plan *out, cs_error *e)
{
    const cs_value *id = field(effect, "approval");
    if (out->consumes.n > 0 || of->tenant.n == 0 || id == NULL || !cs_is(*id, CS_STRING) || id->n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "a decision has at most one consume_approval, which names one, and a tenant");
    }
    out->consumes = cs_text(*id);
    out->consumes_digest = of->digest;
    return CS_OK;
}

/* Where approvals are not configured nobody can be asked: a refusal stays one. */
static cs_err read_people(cs_arena *a, cs_value effect, bool requests, bool refused, const cs_effects_of *of,
                          cs_effects_plan *out, cs_error *e)
{
    if (of->approvals == NULL) {
        return requests && refused ? CS_OK
                                   : cs_fail(e, CS_ERR_NOT_FOUND,
                                             "the policy asks for an approval, but none are configured (approvals:)");
    }
    if (requests != refused) {
        return cs_fail(e, CS_ERR_INVALID, "request_approval belongs to a refusal, consume_approval to what is allowed");
    }
    return requests ? read_request(a, effect, of, out, e) : read_consume(effect, of, out, e);
}

/* ---- */

static cs_err read_effect(cs_arena *a, cs_value effect, bool refused, const cs_effects_of *of, cs_effects_plan *out,
                          cs_error *e)
{
    const cs_value *type = field(effect, "type");
    cs_slice name = type != NULL && cs_is(*type, CS_STRING) ? cs_text(*type) : CS_LIT("");
    bool requests = cs_slice_is(name, "request_approval");
    if (requests || cs_slice_is(name, "consume_approval")) {
        return read_people(a, effect, requests, refused, of, out, e);
    }
    if (cs_slice_is(name, "compensation")) {
        return read_compensation(a, effect, of->tenant, out, e);
    }
    if (!cs_slice_is(name, "hold")) {
        return cs_fail(e, CS_ERR_NOT_FOUND, "the policy asks for an effect that nobody handles: \"%.*s\"",
                       CS_FMT(name));
    }
    if (of->tenant.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "a hold needs a tenant in input.actor.tenant");
    }
    if (out->n_holds == CS_HOLDS_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "more than %d holds", CS_HOLDS_MAX);
    }
    cs_hold *hold = &out->holds[out->n_holds];
    *hold = (cs_hold){.id = cs_decision__hold_id(a, of->tenant, of->request_id, out->n_holds),
                      .tenant = of->tenant,
                      .request_id = of->request_id,
                      .placed_ns = of->now_ns};
    CS_TRY(read_hold(a, effect, hold, e));
    out->n_holds++;
    return CS_OK;
}

cs_err cs_effects_read(cs_arena *a, cs_value result, const cs_effects_of *of, cs_effects_plan *out, cs_error *e)
{
    const cs_value *list = field(result, "effects");
    *out = (cs_effects_plan){.compensation = cs_undefined(), .now_ns = of->now_ns};
    if (list == NULL) {
        return CS_OK;
    }
    if (!cs_is(*list, CS_ARRAY) && !cs_is(*list, CS_SET)) {
        return cs_fail(e, CS_ERR_INVALID, "effects must be an array or a set");
    }
    uint32_t n = cs_count(*list);
    if (n > EFFECTS_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "more than %d effects", EFFECTS_MAX);
    }
    bool refused = is_refusal(result);
    for (uint32_t i = 0; i < n; i++) {
        cs_value effect = cs_is(*list, CS_ARRAY) ? list->u.items[i] : cs_entry(*list, i, NULL);
        CS_TRY(read_effect(a, effect, refused, of, out, e));
    }
    return CS_OK;
}

/* ---- showing */

/* What people are asked, in result.approval. */
static cs_value approval_shown(cs_arena *a, cs_value result, const cs_approval_seen *seen)
{
    const cs_value *given = field(result, "approval");
    cs_value v = given != NULL && cs_is(*given, CS_OBJECT) ? cs_object_clone(a, *given, 3) : cs_object_new(a, 3);
    cs_object_put_text(a, v, "request_id", cs_string(seen->id));
    cs_object_put_text(a, v, "approve_by", cs_int(seen->approve_by_ns));
    cs_object_put_text(a, v, "escalates_at", seen->escalates_ns != 0 ? cs_int(seen->escalates_ns) : cs_null());
    return v;
}

cs_value cs_effects_show(cs_arena *a, cs_value result, const cs_effects_plan *plan)
{
    bool asks = plan->requests || (plan->asks && plan->seen.open);
    if ((plan->n_holds == 0 && !asks) || !cs_is(result, CS_OBJECT)) {
        return result;
    }
    cs_value items[CS_HOLDS_MAX];
    for (size_t i = 0; i < plan->n_holds; i++) {
        items[i] = cs_object_new(a, 2);
        cs_object_put_text(a, items[i], "id", cs_string(plan->holds[i].id));
        cs_object_put_text(a, items[i], "expires_at", cs_int(plan->holds[i].expires_ns));
    }
    cs_value shown = cs_object_clone(a, result, 2);
    if (plan->n_holds > 0) {
        cs_object_put_text(a, shown, "holds", cs_array_copy(a, items, plan->n_holds));
    }
    if (asks) {
        cs_object_put_text(a, shown, "approval", approval_shown(a, result, &plan->seen));
    }
    return shown;
}
