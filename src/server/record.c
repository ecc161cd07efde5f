/* What every decision leaves behind: counters, and a record for the decision log. */
#include "countersign/base/time.h"
#include "internal.h"

enum { SERIES_MAX = 4096, REASONS_MAX = 32 };

void cs_server__make_decision_id(cs_server__request *r)
{
    if (!cs_decision_log_wants_ids(r->server->o.decisions)) {
        return;
    }
    cs_server__worker *w = r->w;
    if (w->random_left < CS_UUID_BYTES) {
        cs_random(w->random, sizeof w->random);
        w->random_left = sizeof w->random;
    }
    w->random_left -= CS_UUID_BYTES;
    cs_uuid_of(w->random + w->random_left, r->decision_id);
}

/* A series of this worker, found again by its labels. */
static cs_series *series(cs_server__worker *w, cs_metric metric, const cs_slice *values, size_t n)
{
    char key[512];
    size_t at = 0;
    key[at++] = (char)('A' + (int)metric);
    for (size_t i = 0; i < n; i++) {
        if (at + values[i].n + 1 > sizeof key) {
            return cs_metrics_series(w->server->o.metrics, metric, values);
        }
        memcpy(key + at, values[i].p, values[i].n);
        at += values[i].n;
        key[at++] = 0;
    }
    cs_slice bytes = cs_slice_make(key, at);
    cs_series *found = cs_map_get(&w->series, bytes);
    if (found == NULL) {
        found = cs_metrics_series(w->server->o.metrics, metric, values);
        if (w->series.live < SERIES_MAX) {
            (void)cs_map_put(&w->series, bytes, found);
        }
    }
    return found;
}

static const cs_value *field(cs_value object, const char *name)
{
    return cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
}

/* What a result comes to: a boolean, or the member `allow` (or `allowed`) of an object. */
static cs_slice outcome_of(cs_value result, const cs_error *error)
{
    if (error != NULL && error->code != CS_ERR_UNDEFINED) {
        return CS_LIT("error");
    }
    if (cs_is_undefined(result)) {
        return CS_LIT("undefined");
    }
    const cs_value *allow = field(result, "allow");
    allow = allow != NULL ? allow : field(result, "allowed");
    cs_value v = allow != NULL ? *allow : result;
    return !cs_is(v, CS_BOOL) ? CS_LIT("document") : v.u.i != 0 ? CS_LIT("allow") : CS_LIT("deny");
}

static void count_reasons(cs_server__worker *w, cs_value result)
{
    const cs_value *reasons = field(result, "reasons");
    if (reasons == NULL || (!cs_is(*reasons, CS_ARRAY) && !cs_is(*reasons, CS_SET))) {
        return;
    }
    uint32_t n = cs_count(*reasons);
    for (uint32_t i = 0; i < n && i < REASONS_MAX; i++) {
        cs_value item = cs_is(*reasons, CS_ARRAY) ? reasons->u.items[i] : reasons->u.table->keys[i];
        const cs_value *code = field(item, "code");
        if (code != NULL && cs_is(*code, CS_STRING)) {
            cs_slice value = cs_text(*code);
            cs_series_add(series(w, CS_METRIC_REASONS, &value, 1), w->index, 1);
        }
    }
}

/* Decisions for gateways, whichever way they are asked for. */
static void watch_drift(cs_server__request *r, cs_slice path, cs_value input)
{
    if (r->eval.world == NULL || !cs_slice_eq(path, r->server->o.config->gateways.decision)) {
        return;
    }
    const cs_value *operations = field(cs_world_data(r->eval.world), "operations");
    cs_pq_drift_see(r->server->drift, operations != NULL ? *operations : cs_undefined(), input, cs_time_wall_ns(),
                    r->w->index);
}

/* The holds that a decision placed, for whoever looks for their story, and the override that it was made under. */
static cs_value custom_of(cs_server__request *r)
{
    const cs_server__effects *x = r->effects;
    size_t n_holds = x != NULL ? x->plan.n_holds : 0;
    cs_value over = cs_world_overlay(r->eval.world);
    if (n_holds == 0 && cs_is_undefined(over)) {
        return cs_undefined();
    }
    cs_value custom = cs_object_new(r->arena, 2);
    if (!cs_is_undefined(over)) {
        cs_object_put_text(r->arena, custom, "override", over);
    }
    if (n_holds == 0) {
        return custom;
    }
    cs_value ids[CS_HOLDS_MAX];
    for (size_t i = 0; i < n_holds; i++) {
        ids[i] = cs_string(x->plan.holds[i].id);
    }
    cs_object_put_text(r->arena, custom, "holds", cs_array_copy(r->arena, ids, n_holds));
    return custom;
}

/* All values of the headers that the decision log wants, under the names that it has for them. */
static cs_value headers_of(const cs_server__request *r)
{
    size_t n;
    const cs_slice *names = cs_decision_log_headers(r->server->o.decisions, &n);
    cs_value out = cs_undefined();
    for (size_t i = 0; i < n; i++) {
        cs_value values[16];
        size_t count = 0;
        for (size_t k = 0; k < r->http->n_headers && count < sizeof values / sizeof *values; k++) {
            if (cs_slice_eq_nocase(r->http->headers[k].name, names[i])) {
                values[count++] = cs_string(r->http->headers[k].value);
            }
        }
        if (count != 0) {
            out = cs_is_undefined(out) ? cs_object_new(r->arena, 4) : out;
            cs_object_put(r->arena, out, cs_string(names[i]), cs_array_copy(r->arena, values, count));
        }
    }
    return out;
}

/* Without an evaluation, or without calls, there is an object without members. */
static cs_value nd_cache_of(const cs_server__request *r)
{
    if (!r->server->o.config->nd_builtin_cache) {
        return cs_undefined();
    }
    bool there = r->eval.active && !cs_is_undefined(r->eval.nd_builtin_cache);
    return there ? r->eval.nd_builtin_cache : cs_object_new(r->arena, 0);
}

static cs_value labels_of(const cs_server__request *r, cs_value result, const cs_error *error)
{
    bool told = r->eval.active && r->eval.labels != NULL && error == NULL && !cs_is_undefined(result);
    cs_value list = told ? cs_labels_list(r->eval.labels) : cs_undefined();
    return cs_count(list) != 0 ? list : cs_undefined();
}

bool cs_server__is_gateway(const cs_server__request *r)
{
    return cs_slice_starts(r->http->path, CS_LIT("/v1/authz/"));
}

/* Who acts, for the audit log: as the server found out, where it did; otherwise the caller, or whom the input names. */
static cs_value actor_of(cs_server__request *r, cs_value input)
{
    const cs_value *actor = field(input, "actor");
    bool named = actor != NULL && cs_is(*actor, CS_OBJECT);
    if (named && (r->effects != NULL || cs_server__is_gateway(r))) {
        return *actor;
    }
    cs_value caller = cs_server__audit_actor(r);
    return !cs_is_undefined(caller) ? caller : named ? *actor : cs_undefined();
}

static void fill_audit(cs_server__request *r, cs_decision *d)
{
    d->actor = cs_undefined();
    if (r->server->o.audit != NULL) {
        d->actor = actor_of(r, d->input);
        const cs_value *tenant = field(d->actor, "tenant");
        d->tenant = tenant != NULL && cs_is(*tenant, CS_STRING) ? cs_text(*tenant) : CS_LIT("");
        d->request_id = cs_server__request_id(r);
    }
}

/* The decision may be known without an evaluation: then the world of now is meant. */
static void leave(cs_server__request *r, cs_decision *d)
{
    bool pinned = r->eval.active;
    d->world = pinned ? r->eval.world : cs_store_pin(r->w->reader);
    fill_audit(r, d);
    r->audit.recorded = true;
    cs_server__audit_decision(r, d);
    if (!pinned) {
        cs_store_unpin(r->w->reader);
    }
}

void cs_server__record(cs_server__request *r, cs_slice path, cs_slice query, cs_value input, cs_value result,
                       const cs_error *error)
{
    cs_server__worker *w = r->w;
    cs_slice outcome = outcome_of(result, error);
    cs_slice labels[2] = {query.n != 0 ? CS_LIT("query") : path, outcome};
    cs_series_add(series(w, CS_METRIC_DECISIONS, labels, 2), w->index, 1);
    int64_t taken_ns = cs_time_mono_ns() - r->started_ns;
    cs_series_observe_ns(w->duration, w->index, taken_ns);
    if (query.n == 0) {
        count_reasons(w, result);
        watch_drift(r, path, input);
    }
    if (!cs_decision_log_wants_ids(r->server->o.decisions)) {
        return;
    }
    const cs_server__timer timers[] = {
        {"timer_rego_input_parse_ns", r->parse_ns},
        {"timer_rego_query_compile_ns", r->eval.compile_ns},
        {"timer_rego_query_eval_ns", r->eval.eval_ns},
        {"timer_server_handler_ns", taken_ns},
    };
    cs_decision d = {
        .id = cs_slice_of(r->decision_id),
        .path = path,
        .query = query,
        .input = input,
        .result = result,
        .error = error,
        .outcome = outcome,
        .requested_by = r->http->peer,
        .request_number = r->number,
        .request_id = r->id,
        .timestamp_ns = cs_time_wall_ns(),
        .metrics = cs_undefined(),
        .nd_builtin_cache = nd_cache_of(r),
        .rule_labels = labels_of(r, result, error),
        .custom = custom_of(r),
        .headers = headers_of(r),
    };
    if (r->eval.active && cs_decision_log_wants_metrics(r->server->o.decisions)) {
        d.metrics = cs_server__metrics(r, timers, sizeof timers / sizeof *timers, true);
    }
    leave(r, &d);
}

void cs_server__record_again(cs_server__request *r, int status, cs_slice body)
{
    if (r->server->o.audit == NULL) {
        return;
    }
    bool gateway = cs_server__is_gateway(r);
    cs_value answer, result = cs_undefined();
    cs_slice id = CS_LIT("");
    if (!gateway && cs_json_read(r->arena, body, NULL, &answer, NULL, NULL) == CS_OK) {
        const cs_value *v = field(answer, "result"), *given = field(answer, "decision_id");
        result = v != NULL ? *v : result;
        id = given != NULL && cs_is(*given, CS_STRING) ? cs_text(*given) : id;
    }
    cs_decision d = {.id = id,
                     .path = r->effects->path,
                     .input = r->eval.input,
                     .result = result,
                     .outcome = gateway ? status == 200 ? CS_LIT("allow") : CS_LIT("deny") : outcome_of(result, NULL),
                     .requested_by = r->http->peer,
                     .request_number = r->number,
                     .request_id = r->id,
                     .timestamp_ns = cs_time_wall_ns(),
                     .metrics = cs_undefined(),
                     .nd_builtin_cache = cs_undefined(),
                     .rule_labels = cs_undefined(),
                     .custom = cs_undefined(),
                     .headers = cs_undefined(),
                     .replay = true};
    leave(r, &d);
}

/* What http.send took, if it was called. */
static void put_http(cs_server__request *r, cs_value m)
{
    cs_run_stats stats = cs_run_get_stats(r->eval.run);
    if (stats.http_cache_hits != 0) {
        cs_object_put_text(r->arena, m, "counter_rego_builtin_http_send_interquery_cache_hits",
                           cs_int((int64_t)stats.http_cache_hits));
    }
    if (stats.http_requests != 0) {
        cs_object_put_text(r->arena, m, "counter_rego_builtin_http_send_network_requests",
                           cs_int((int64_t)stats.http_requests));
    }
    if (stats.http_ns != 0) {
        cs_object_put_text(r->arena, m, "timer_rego_builtin_http_send_ns", cs_int(stats.http_ns));
    }
}

cs_instrument *cs_server__instrument(cs_server__request *r)
{
    return r->n_params != 0 && cs_server__flag(r, "instrument") ? cs_instrument_new(r->arena) : NULL;
}

cs_value cs_server__metrics(cs_server__request *r, const cs_server__timer *timers, size_t n, bool with_hit)
{
    cs_value m = cs_object_new(r->arena, (uint32_t)n + 1);
    if (with_hit) {
        cs_object_put_text(r->arena, m, "counter_server_query_cache_hit", cs_int(r->eval.hit ? 1 : 0));
    }
    for (size_t i = 0; i < n; i++) {
        if (timers[i].ns != 0) {
            cs_object_put_text(r->arena, m, timers[i].name, cs_int(timers[i].ns));
        }
    }
    if (r->eval.run != NULL) {
        put_http(r, m);
    }
    cs_instrument_put(r->eval.instrument, m);
    return m;
}
