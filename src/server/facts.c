/* Facts of a countersign/v1 input that the server knows better than whoever asks: the time, who acts, the digest of the
 * operation, its cost by the signed data. What they mean is the policy's business. */
#include <math.h>

#include "countersign/base/time.h"
#include "countersign/number.h"
#include "countersign/patch.h"
#include "internal.h"

/* ---- who acts */

static void copy_member(cs_arena *a, cs_value to, const char *name, cs_value from, const char *other)
{
    cs_value v = cs_object_member(from, other);
    if (!cs_is_undefined(v)) {
        cs_object_put_text(a, to, name, v);
    }
}

static cs_value actor_of_caller(cs_arena *a, cs_value caller)
{
    cs_value actor = cs_object_new(a, 5);
    copy_member(a, actor, "sub", caller, "subject");
    copy_member(a, actor, "tenant", caller, "tenant");
    copy_member(a, actor, "roles", caller, "roles");
    copy_member(a, actor, "groups", caller, "groups");
    copy_member(a, actor, "source", caller, "source");
    return actor;
}

/* The headers in which a gateway says for whom it asks. */
static cs_value actor_of_headers(cs_server__request *r)
{
    cs_arena *a = r->arena;
    const cs_slice *subject = cs_server__header(r, "X-Countersign-Subject");
    const cs_slice *tenant = cs_server__header(r, "X-Countersign-Tenant");
    const cs_slice *roles = cs_server__header(r, "X-Countersign-Roles");
    cs_value actor = cs_object_new(a, 4);
    if (subject != NULL) {
        cs_object_put_text(a, actor, "sub", cs_string_copy(a, *subject));
    }
    if (tenant != NULL) {
        cs_object_put_text(a, actor, "tenant", cs_string_copy(a, *tenant));
    }
    size_t n = 0;
    cs_value items[32];
    cs_slice rest = roles != NULL ? *roles : CS_LIT(""), piece;
    while (rest.n != 0 && n < 32 && cs_slice_next(&rest, ',', &piece)) {
        items[n++] = cs_string_copy(a, cs_slice_trim(piece));
    }
    cs_object_put_text(a, actor, "roles", cs_array_copy(a, items, n));
    cs_object_put_text(a, actor, "source", cs_string(CS_LIT("gateway")));
    return actor;
}

/* The end user's own token weighs most, then (from a gateway) its headers, then the caller itself. */
static cs_value actor_of(cs_server__request *r, bool trust_headers)
{
    if (!cs_is_undefined(r->caller.end_user)) {
        return actor_of_caller(r->arena, r->caller.end_user);
    }
    if (trust_headers) {
        return actor_of_headers(r);
    }
    return cs_is_undefined(r->caller.document) ? cs_object_new(r->arena, 0)
                                               : actor_of_caller(r->arena, r->caller.document);
}

/* ---- the digest: sha256 of canonical JSON, so that an approval binds to exactly this operation */

static cs_value or_null(cs_value v)
{
    return cs_is_undefined(v) ? cs_null() : v;
}

/* What it may cost at most. Where the allowlist names no ceiling it is bound to the figures themselves, without what
 * was learned since: whoever asks for more asks anew. */
static cs_value ceiling_of(cs_value operation, cs_value given_cost)
{
    cs_value cost = cs_object_member(operation, "cost"), ceiling = cs_object_member(cost, "ceiling_nanos");
    if (cs_is(ceiling, CS_NUMBER)) {
        return ceiling;
    }
    cs_value estimate = cs_object_member(cost, "estimate_nanos"),
             claimed = cs_object_member(given_cost, "estimate_nanos");
    bool more = cs_is(claimed, CS_NUMBER) && (!cs_is(estimate, CS_NUMBER) || cs_compare(claimed, estimate) > 0);
    return more ? claimed : estimate;
}

static cs_value digest(cs_server__request *r, cs_value graphql, cs_value actor, cs_value operation, cs_value given_cost)
{
    cs_arena *a = r->arena;
    cs_value variables = cs_object_member(graphql, "variables");
    if (!cs_is(variables, CS_OBJECT)) {
        variables = cs_object_new(a, 0);
    }
    cs_value unbound = cs_object_member(cs_object_member(operation, "approval"), "unbound_variables");
    if (cs_is(unbound, CS_ARRAY) && cs_json_remove(a, variables, unbound, &variables, NULL) != CS_OK) {
        return cs_undefined(); /* no digest is better than one that binds to something else */
    }
    cs_value environment = cs_object_member(r->server->o.labels, "environment");
    cs_value bound = cs_object_new(a, 8);
    cs_object_put_text(a, bound, "v", cs_int(1));
    cs_object_put_text(a, bound, "tenant", or_null(cs_object_member(actor, "tenant")));
    cs_object_put_text(a, bound, "environment", or_null(environment));
    cs_value sha256 = cs_object_member(operation, "document_sha256");
    sha256 = cs_is(sha256, CS_STRING) ? sha256 : cs_object_member(graphql, "document_id"); /* mostly the same */
    cs_object_put_text(a, bound, "document_sha256", or_null(sha256));
    cs_object_put_text(a, bound, "operation_name", or_null(cs_object_member(graphql, "operation_name")));
    cs_object_put_text(a, bound, "variables", variables);
    cs_object_put_text(a, bound, "requester", or_null(cs_object_member(actor, "sub")));
    cs_object_put_text(a, bound, "cost_ceiling", or_null(ceiling_of(operation, given_cost)));
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write_canonical(&text, bound);
    cs_slice hex = cs_digest_hex(a, CS_SHA256, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return cs_string_printf(a, "sha256:%.*s", CS_FMT(hex));
}

/* ---- the cost: the signed figure; one from outside can only raise it */

/* The signed estimate times what was learned of the operation, within its ceiling; `out` says how. */
static cs_value corrected(cs_server__request *r, cs_value signed_cost, cs_value document_id, cs_value out)
{
    cs_value estimate = cs_object_member(signed_cost, "estimate_nanos"),
             ceiling = cs_object_member(signed_cost, "ceiling_nanos");
    cs_estimate learned;
    if (!cs_is(estimate, CS_NUMBER) || !cs_is(document_id, CS_STRING) || r->server->o.spend == NULL ||
        !cs_spend_estimate(r->server->o.spend, cs_text(document_id), &learned)) {
        return estimate;
    }
    cs_arena *a = r->arena;
    cs_value correction = cs_object_new(a, 4);
    cs_object_put_text(a, correction, "factor", cs_number_from_double(a, learned.factor));
    cs_object_put_text(a, correction, "error_ratio", cs_number_from_double(a, learned.error));
    cs_object_put_text(a, correction, "samples", cs_int((int64_t)learned.samples));
    cs_object_put_text(a, correction, "manifest_nanos", estimate);
    cs_object_put_text(a, out, "correction", correction);
    double nanos = ceil(cs_number_double(estimate) * learned.factor);
    cs_value v = nanos < 9e18 ? cs_int((int64_t)nanos) : cs_int(INT64_MAX);
    return cs_is(ceiling, CS_NUMBER) && cs_compare(v, ceiling) > 0 ? ceiling : v;
}

static cs_value cost(cs_server__request *r, cs_value given, cs_value document_id, cs_value operation, cs_value tenant)
{
    cs_arena *a = r->arena;
    cs_value out = cs_object_new(a, 5);
    cs_value signed_cost = cs_object_member(operation, "cost");
    cs_value estimate = corrected(r, signed_cost, document_id, out),
             claimed = cs_object_member(given, "estimate_nanos");
    const char *source = cs_is_undefined(cs_object_member(out, "correction")) ? "manifest" : "learned";
    if (cs_is(claimed, CS_NUMBER) && (!cs_is(estimate, CS_NUMBER) || cs_compare(claimed, estimate) > 0)) {
        estimate = claimed;
        source = "request";
    }
    cs_value currency = cs_object_member(signed_cost, "currency");
    currency = cs_is(currency, CS_STRING) ? currency : cs_object_member(given, "currency");
    currency = cs_is(currency, CS_STRING) ? currency : cs_object_member(tenant, "currency");
    if (cs_is(cs_object_member(given, "scope"), CS_OBJECT)) {
        cs_object_put_text(a, out, "scope", cs_object_member(given, "scope"));
    }
    cs_object_put_text(a, out, "currency", cs_is(currency, CS_STRING) ? currency : cs_string(CS_LIT("USD")));
    if (cs_is(estimate, CS_NUMBER)) {
        cs_object_put_text(a, out, "estimate_nanos", estimate);
        cs_object_put_text(a, out, "source", cs_string(cs_slice_of(source)));
    }
    return out;
}

static cs_value row(cs_value data, const char *table, cs_value key)
{
    cs_value rows = cs_object_member(data, table);
    const cs_value *v = cs_is(rows, CS_OBJECT) && cs_is(key, CS_STRING) ? cs_object_get(rows, key) : NULL;
    return v != NULL ? *v : cs_undefined();
}

void cs_server__fill_facts(cs_server__request *r, cs_value input, bool trust_actor)
{
    cs_arena *a = r->arena;
    cs_value data = cs_world_data(r->eval.world);
    cs_value graphql = cs_object_member(input, "graphql");
    cs_value given = cs_object_member(input, "actor");
    bool keep = cs_is(given, CS_OBJECT) && trust_actor && cs_is_undefined(r->caller.end_user);
    cs_value actor = keep ? given : actor_of(r, trust_actor);
    cs_value client = cs_object_member(cs_object_member(graphql, "client"), "name");
    cs_value operation = cs_pq_find(cs_object_member(data, "operations"), cs_object_member(graphql, "document_id"),
                                    cs_is(client, CS_STRING) ? cs_text(client) : CS_LIT(""));
    cs_value given_cost = cs_object_member(input, "cost");
    cs_object_put_text(a, input, "now", cs_int(cs_time_wall_ns()));
    cs_object_put_text(a, input, "actor", actor);
    cs_object_put_text(a, input, "cost",
                       cost(r, given_cost, cs_object_member(graphql, "document_id"), operation,
                            row(data, "tenants", cs_object_member(actor, "tenant"))));
    if (cs_is(graphql, CS_OBJECT)) {
        cs_value with = cs_object_clone(a, graphql, 1);
        cs_value d = digest(r, graphql, actor, operation, given_cost);
        cs_object_put_text(a, with, "digest", cs_is_undefined(d) ? cs_null() : d);
        cs_object_put_text(a, input, "graphql", with);
    }
}
