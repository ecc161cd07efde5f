/* Requests: as policy asks for them, and as the event of a decision carries them. */
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "internal.h"

#define APPROVE_S INT64_C(86400)
#define EXECUTE_S INT64_C(3600)
#define MOST_S (INT64_C(90) * 86400)
enum { ID_HEX = 16, VARIABLES_BYTES = 16384, TEXT_BYTES = 256, USES = 1000 };

/* ---- as policy asks */

static cs_err read_seconds(cs_value effect, const char *name, int64_t without, int64_t least, int64_t *ns, cs_error *e)
{
    int64_t s = without;
    cs_value v = cs_approval__member(effect, name);
    if (!cs_is_undefined(v)) {
        s = cs_approval__whole(effect, name, -1);
    }
    if (s < least || s > MOST_S) {
        return cs_fail(e, CS_ERR_INVALID, "%s of request_approval must be a whole number from %lld to %lld", name,
                       (long long)least, (long long)MOST_S);
    }
    *ns = s * CS_NS_PER_S;
    return CS_OK;
}

static cs_err read_count(cs_value effect, const char *name, int64_t most, int64_t *out, cs_error *e)
{
    cs_value v = cs_approval__member(effect, name);
    *out = cs_is_undefined(v) ? 1 : cs_approval__whole(effect, name, 0);
    if (*out < 1 || *out > most) {
        return cs_fail(e, CS_ERR_INVALID, "%s of request_approval must be a whole number from 1 to %lld", name,
                       (long long)most);
    }
    return CS_OK;
}

cs_err cs_approval_read_ask(cs_value effect, cs_approval_ask *out, cs_error *e)
{
    *out = (cs_approval_ask){.digest = cs_approval__text(effect, "digest"),
                             .operation = cs_approval__text(effect, "operation"),
                             .document_id = cs_approval__text(effect, "document_id"),
                             .currency = cs_approval__text(effect, "currency"),
                             .variables = cs_approval__member(effect, "variables"),
                             .groups = cs_approval__member(effect, "groups"),
                             .rules = cs_approval__member(effect, "rules"),
                             .escalation = cs_approval__member(effect, "escalation_groups"),
                             .cost_nanos = cs_approval__whole(effect, "cost_nanos", -1)};
    if (!cs_approval_is_digest(out->digest)) {
        return cs_fail(e, CS_ERR_INVALID, "digest of request_approval must be sha256: and 64 small hexadecimal digits");
    }
    cs_approval__rules rules;
    if (cs_approval__read_rules(effect, &rules, e) != CS_OK) {
        return cs_fail_in(e, "request_approval: ");
    }
    out->quorum = rules.quorum;
    CS_TRY(read_count(effect, "uses", USES, &out->uses, e));
    CS_TRY(read_count(effect, "rejections", CS_APPROVAL__PEOPLE, &out->rejections, e));
    CS_TRY(read_seconds(effect, "approve_within_s", APPROVE_S, 1, &out->approve_ns, e));
    CS_TRY(read_seconds(effect, "execute_within_s", EXECUTE_S, 1, &out->execute_ns, e));
    return read_seconds(effect, "escalate_after_s", 0, 0, &out->escalate_ns, e);
}

/* ---- what stands open */

/* The same for every replica that asks at the same time. */
cs_slice cs_approval__id(cs_arena *a, cs_slice tenant, cs_slice digest, uint32_t ordinal)
{
    cs_hasher *h = cs_hasher_start(CS_SHA256);
    size_t n = 0;
    const char *number = cs_arena_printf(a, &n, "%u", ordinal);
    cs_hasher_add(h, tenant);
    cs_hasher_add(h, cs_slice_make("", 1));
    cs_hasher_add(h, digest);
    cs_hasher_add(h, cs_slice_make("", 1));
    cs_hasher_add(h, cs_slice_make(number, n));
    uint8_t out[CS_DIGEST_MAX];
    (void)cs_hasher_finish(h, out);
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "apr-");
    for (int i = 0; i < ID_HEX / 2; i++) {
        cs_buf_printf(&text, "%02x", out[i]);
    }
    cs_slice id = {cs_arena_dup(a, text.p, text.n), text.n};
    cs_buf_destroy(&text);
    return id;
}

void cs_approvals_see(cs_approvals *x, cs_arena *a, cs_slice tenant, cs_slice digest, cs_approval_seen *out)
{
    *out = (cs_approval_seen){.open = false};
    int64_t now = x->now_ns(x->now_self);
    cs_mutex_lock(&x->lock);
    const cs_approval__item *item = cs_approval__newest(x, tenant, digest);
    const cs_approval__tenant *t = cs_approval__tenant_of(x, tenant, false);
    if (item != NULL && cs_approval__is_open(cs_approval__state(item, now))) {
        out->open = true;
        out->id = cs_slice_make(cs_arena_dup(a, item->id.p, item->id.n), item->id.n);
        out->approve_by_ns = item->approve_by_ns;
        out->escalates_ns = item->escalate_ns == INT64_MAX ? 0 : item->escalate_ns;
    } else {
        out->full = x->open.n >= cs_limits_get()->approvals / 2 ||
                    (t != NULL && t->n_open >= cs_limits_get()->tenant_approvals);
        out->id = cs_approval__id(a, tenant, digest, item != NULL ? item->ordinal + 1 : 1);
    }
    cs_mutex_unlock(&x->lock);
}

/* ---- as the event has it */

static void put_text(cs_arena *a, cs_value to, const char *name, cs_slice text)
{
    if (text.n > 0) {
        size_t n = text.n > TEXT_BYTES ? TEXT_BYTES : text.n;
        cs_object_put_text(a, to, name, cs_string_copy(a, cs_slice_sub(text, 0, n)));
    }
}

static void put_value(cs_arena *a, cs_value to, const char *name, cs_value v)
{
    if (!cs_is_undefined(v)) {
        cs_object_put_text(a, to, name, v);
    }
}

/* As a text: how deep they are is nobody's business on the way. */
static void put_variables(cs_arena *a, cs_value to, cs_value variables)
{
    if (cs_is_undefined(variables)) {
        return;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, variables, 0);
    if (text.n <= VARIABLES_BYTES) {
        cs_object_put_text(a, to, "variables_json", cs_string_copy(a, cs_buf_view(&text)));
    } else {
        cs_object_put_text(a, to, "variables_bytes", cs_int((int64_t)text.n));
    }
    cs_buf_destroy(&text);
}

static int64_t plus(int64_t ns, int64_t interval)
{
    int64_t sum = INT64_MAX;
    return __builtin_add_overflow(ns, interval, &sum) ? INT64_MAX : sum;
}

cs_value cs_approval_request_value(cs_approvals *x, cs_arena *a, const cs_approval_ask *ask, cs_slice id,
                                   cs_slice tenant, cs_slice key, int64_t now_ns)
{
    char config[CS_APPROVAL__CONFIG + 1] = "";
    cs_mutex_lock(&x->lock);
    const cs_approval__tenant *t = cs_approval__tenant_of(x, tenant, false);
    if (t != NULL) {
        memcpy(config, t->config, sizeof config);
    }
    const cs_approval__item *former = cs_approval__newest(x, tenant, ask->digest);
    int64_t ordinal = former != NULL ? (int64_t)former->ordinal + 1 : 1;
    cs_mutex_unlock(&x->lock);
    cs_value v = cs_object_new(a, 24);
    cs_object_put_text(a, v, "id", cs_string(id));
    cs_object_put_text(a, v, "ordinal", cs_int(ordinal));
    cs_object_put_text(a, v, "digest", cs_string(ask->digest));
    cs_object_put_text(a, v, "key", cs_string(key));
    cs_object_put_text(a, v, "config", cs_string_copy(a, cs_slice_of(config)));
    cs_object_put_text(a, v, "requester", cs_string(ask->requester));
    cs_object_put_text(a, v, "person", cs_string(cs_approvals_person(x, a, ask->requester)));
    put_text(a, v, "operation", ask->operation);
    put_text(a, v, "document_id", ask->document_id);
    put_variables(a, v, ask->variables);
    put_value(a, v, "groups", ask->groups);
    put_value(a, v, "rules", ask->rules);
    put_value(a, v, "escalation_groups", ask->escalation);
    cs_object_put_text(a, v, "quorum", cs_int(ask->quorum));
    cs_object_put_text(a, v, "uses", cs_int(ask->uses));
    cs_object_put_text(a, v, "rejections", cs_int(ask->rejections));
    if (ask->cost_nanos >= 0) {
        cs_object_put_text(a, v, "cost_nanos", cs_int(ask->cost_nanos));
        put_text(a, v, "currency", ask->currency);
    }
    cs_object_put_text(a, v, "requested_at", cs_int(now_ns));
    cs_object_put_text(a, v, "approve_by", cs_int(plus(now_ns, ask->approve_ns)));
    cs_object_put_text(a, v, "execute_within_ns", cs_int(ask->execute_ns));
    if (ask->escalate_ns > 0) {
        cs_object_put_text(a, v, "escalates_at", cs_int(plus(now_ns, ask->escalate_ns)));
    }
    return v;
}

cs_value cs_approval_consume_value(cs_arena *a, cs_slice id, cs_slice digest, int64_t at_ns)
{
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "approval", cs_string(id));
    if (digest.n > 0) {
        cs_object_put_text(a, v, "digest", cs_string(digest));
    }
    cs_object_put_text(a, v, "at", cs_int(at_ns));
    return v;
}
