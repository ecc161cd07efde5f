/* What is known of the bundles and plugins: the readiness behind /health, /v1/status, the activation metric. */
#include "status.h"

typedef cs_server__bundle_state bundle_state;

cs_server__status *cs_server__status_new(void)
{
    cs_server__status *s = cs_zalloc(sizeof *s);
    cs_mutex_init(&s->lock);
    cs_buf_init(&s->logs_message);
    return s;
}

static void state_free(bundle_state *b)
{
    cs_buf_destroy(&b->name);
    cs_buf_destroy(&b->revision);
    cs_buf_destroy(&b->digest);
    cs_buf_destroy(&b->message);
    cs_buf_destroy(&b->errors);
    cs_free(b);
}

void cs_server__status_free(cs_server__status *s)
{
    if (s != NULL) {
        for (size_t i = 0; i < s->bundles.n; i++) {
            state_free(s->bundles.v[i]);
        }
        if (s->discovery != NULL) {
            state_free(s->discovery);
        }
        CS_VEC_FREE(&s->bundles);
        cs_buf_destroy(&s->logs_message);
        cs_mutex_destroy(&s->lock);
        cs_free(s);
    }
}

static bundle_state *find(cs_server__status *s, cs_slice name)
{
    for (size_t i = 0; i < s->bundles.n; i++) {
        if (cs_slice_eq(cs_buf_view(&s->bundles.v[i]->name), name)) {
            return s->bundles.v[i];
        }
    }
    return NULL;
}

static bundle_state *state_new(cs_slice name)
{
    bundle_state *b = cs_zalloc(sizeof *b);
    cs_buf_init(&b->name);
    cs_buf_init(&b->revision);
    cs_buf_init(&b->digest);
    cs_buf_init(&b->message);
    cs_buf_init(&b->errors);
    cs_buf_slice(&b->name, name);
    return b;
}

static bundle_state *find_or_add(cs_server__status *s, cs_slice name)
{
    bundle_state *b = find(s, name);
    if (b == NULL) {
        b = state_new(name);
        CS_VEC_PUSH(&s->bundles, b);
    }
    return b;
}

static void set(cs_buf *b, cs_slice text)
{
    cs_buf_clear(b);
    cs_buf_slice(b, text);
}

void cs_server_bundle_expect(cs_server *server, cs_slice name)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    find_or_add(s, name)->expected = true;
    cs_mutex_unlock(&s->lock);
}

void cs_server_on_status(cs_server *server, void (*changed)(void *self), void *self)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    s->changed = changed;
    s->changed_self = self;
    cs_mutex_unlock(&s->lock);
}

static void tell(cs_server *server)
{
    cs_server__status *s = server->status;
    cs_server__status_count(server);
    cs_mutex_lock(&s->lock);
    if (s->changed != NULL) {
        s->changed(s->changed_self);
    }
    cs_mutex_unlock(&s->lock);
}

void cs_server_bundle_downloaded(cs_server *server, const cs_server_download *d)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    bundle_state *b = d->discovery ? s->discovery : find_or_add(s, d->name);
    b->requested_ns = cs_time_wall_ns();
    b->request_ns = d->request_ns;
    b->load_ns = b->parse_ns = b->compile_ns = 0;
    b->refused = d->status == 200 || d->status == 304 ? 0 : d->status;
    b->coming_bytes = d->status == 200 ? d->bytes : b->coming_bytes;
    b->answered_ns = d->status == 304 ? b->requested_ns : b->answered_ns;
    bool unchanged = d->status == 304;
    if (unchanged) {
        b->failing = false;
        cs_buf_clear(&b->message);
    }
    cs_mutex_unlock(&s->lock);
    if (unchanged) {
        tell(server);
    }
}

void cs_server_bundle_came(cs_server *server, cs_slice name, bool discovery, bool delta)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    bundle_state *b = discovery ? s->discovery : find_or_add(s, name);
    b->answered_ns = b->downloaded_ns = b->requested_ns;
    b->delta = delta;
    cs_mutex_unlock(&s->lock);
}

void cs_server__status_timers(cs_server__status *s, cs_slice name, int64_t parse_ns, int64_t compile_ns)
{
    cs_mutex_lock(&s->lock);
    bundle_state *b = find_or_add(s, name);
    b->parse_ns = parse_ns;
    b->compile_ns = compile_ns;
    cs_mutex_unlock(&s->lock);
}

void cs_server_logs_report(cs_server *server, const cs_error *error, int status)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    s->logs_sent = true;
    s->logs_refused = status;
    cs_buf_clear(&s->logs_message);
    if (error != NULL) {
        cs_buf_text(&s->logs_message, error->text);
    }
    cs_mutex_unlock(&s->lock);
    tell(server);
}

static void note_failure(bundle_state *b, const cs_error *error, const cs_errors *errors)
{
    cs_buf_clear(&b->message);
    cs_buf_clear(&b->errors);
    b->failing = true;
    if (errors != NULL && errors->n != 0) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_buf_text(&b->message, "error(s) occurred while compiling module(s)");
        cs_json_write(&b->errors, cs_errors_to_json(&a, errors), 0);
        cs_arena_destroy(&a);
    } else if (error != NULL) {
        cs_buf_text(&b->message, error->text);
    }
}

static void note_active(bundle_state *b)
{
    b->failing = false;
    b->active = true;
    b->activated_ns = b->tried_ns;
    b->bytes = b->coming_bytes;
    cs_buf_clear(&b->message);
}

static void note_success(bundle_state *b, const cs_bundle *bundle)
{
    note_active(b);
    b->iat = bundle->signature.present ? bundle->signature.iat : 0;
    set(&b->revision, bundle->manifest.revision);
    set(&b->digest, bundle->digest);
}

void cs_server_bundle_report(cs_server *server, const cs_bundle *bundle, cs_slice name, const cs_error *error,
                             const cs_errors *errors, int64_t duration_ns)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    bundle_state *b = find_or_add(s, name);
    /* One that was fetched and refused; not each time anew, nor what somebody pushed, which has a record of its own. */
    bool refused = bundle == NULL && error != NULL && error->code != CS_ERR_IO && error->code != CS_ERR_NOT_FOUND &&
                   cs_config_find_push(server->o.config, name) == NULL &&
                   !(b->failing && cs_slice_is(cs_buf_view(&b->message), error->text));
    b->tried_ns = cs_time_wall_ns();
    b->delta = bundle != NULL ? bundle->delta : b->delta;
    b->load_ns = bundle != NULL ? duration_ns : b->load_ns;
    if (error != NULL || (errors != NULL && errors->n != 0)) {
        note_failure(b, error, errors);
    } else {
        note_success(b, bundle);
    }
    cs_mutex_unlock(&s->lock);
    if (refused) {
        cs_server__audit_bundle(server, NULL, name, error);
    }
    if (error == NULL && server->o.metrics != NULL) {
        cs_series_observe_ns(cs_metrics_series(server->o.metrics, CS_METRIC_BUNDLE_ACTIVATION, &name), CS_METRICS_ANY,
                             duration_ns);
    }
    tell(server);
}

/* ---- discovery */

void cs_server_discovery_expect(cs_server *server)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    s->discovery = s->discovery != NULL ? s->discovery : state_new(CS_LIT("discovery"));
    cs_mutex_unlock(&s->lock);
}

void cs_server_discovery_report(cs_server *server, cs_slice revision, cs_slice message, const cs_error *error,
                                const cs_errors *errors)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    bundle_state *b = s->discovery;
    b->tried_ns = cs_time_wall_ns();
    if (error != NULL) {
        note_failure(b, error, errors);
    } else {
        note_active(b);
        set(&b->revision, revision);
        set(&b->message, message);
    }
    cs_mutex_unlock(&s->lock);
    tell(server);
}

bool cs_server__discovery_ready(cs_server__status *s)
{
    cs_mutex_lock(&s->lock);
    bool ready = s->discovery == NULL || s->discovery->active;
    cs_mutex_unlock(&s->lock);
    return ready;
}

void cs_server__status_forget(cs_server__status *s, cs_slice name)
{
    cs_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->bundles.n; i++) {
        if (cs_slice_eq(cs_buf_view(&s->bundles.v[i]->name), name)) {
            state_free(s->bundles.v[i]);
            s->bundles.v[i] = s->bundles.v[--s->bundles.n];
            break;
        }
    }
    cs_mutex_unlock(&s->lock);
}

int64_t cs_server__status_iat(cs_server__status *s, cs_slice name)
{
    cs_mutex_lock(&s->lock);
    const bundle_state *b = find(s, name);
    int64_t iat = b != NULL && b->active ? b->iat : 0;
    cs_mutex_unlock(&s->lock);
    return iat;
}

static cs_value text(cs_arena *a, const cs_buf *b)
{
    return cs_string_copy(a, cs_buf_view(b));
}

static cs_value instant(cs_arena *a, int64_t ns)
{
    char out[40];
    size_t n = cs_time_format_rfc3339(ns, out);
    return cs_string_copy(a, cs_slice_make(out, n));
}

cs_value cs_server__status_bundle(cs_server__status *s, cs_arena *a, cs_slice name)
{
    cs_value v = cs_undefined();
    cs_mutex_lock(&s->lock);
    const bundle_state *b = find(s, name);
    if (b != NULL && b->active) {
        v = cs_object_new(a, 4);
        cs_object_put_text(a, v, "name", text(a, &b->name));
        cs_object_put_text(a, v, "revision", text(a, &b->revision));
        cs_object_put_text(a, v, "digest", text(a, &b->digest));
        cs_object_put_text(a, v, "activated_at", instant(a, b->activated_ns));
    }
    cs_mutex_unlock(&s->lock);
    return v;
}

void cs_server__status_waiting(cs_server__status *s, cs_buf *out)
{
    cs_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->bundles.n; i++) {
        const bundle_state *b = s->bundles.v[i];
        if (b->expected && !b->active) {
            cs_buf_text(out, out->n != 0 ? ", " : "");
            cs_buf_slice(out, cs_buf_view(&b->name));
        }
    }
    cs_mutex_unlock(&s->lock);
}

bool cs_server_bundles_ready(cs_server *server)
{
    cs_buf names;
    cs_buf_init(&names);
    cs_server__status_waiting(server->status, &names);
    bool ready = names.n == 0;
    cs_buf_destroy(&names);
    return ready && cs_server__discovery_ready(server->status);
}

cs_value cs_server__plugin_states(cs_server *server, cs_arena *a, bool *all_ok)
{
    cs_server__live live = cs_server__live_get(server);
    cs_value states = cs_object_new(a, 4);
    bool discovered = cs_server__discovery_ready(server->status), ready = cs_server_bundles_ready(server);
    if (live.bundles) {
        cs_buf names;
        cs_buf_init(&names);
        cs_server__status_waiting(server->status, &names);
        cs_object_put_text(a, states, "bundle", cs_string(names.n == 0 ? CS_LIT("OK") : CS_LIT("NOT_READY")));
        cs_buf_destroy(&names);
    }
    cs_object_put_text(a, states, "discovery", cs_string(discovered ? CS_LIT("OK") : CS_LIT("NOT_READY")));
    if (live.status) {
        cs_object_put_text(a, states, "status", cs_string(CS_LIT("OK")));
    }
    if (cs_decision_log_wants_metrics(server->o.decisions)) {
        cs_object_put_text(a, states, "decision_logs", cs_string(CS_LIT("OK")));
    }
    cs_server__live_put(live);
    *all_ok = ready;
    if (server->o.spend != NULL) {
        cs_spend_health health = cs_spend_health_now(server->o.spend);
        bool good = health.status == 200;
        cs_object_put_text(a, states, "journal",
                           cs_string(good               ? CS_LIT("OK")
                                     : health.caught_up ? CS_LIT("ERROR")
                                                        : CS_LIT("NOT_READY")));
        *all_ok = *all_ok && good;
    }
    return states;
}

/* What has not been is the year 1, as Go's zero time is written. */
static cs_value instant_or_never(cs_arena *a, int64_t ns)
{
    return ns != 0 ? instant(a, ns) : cs_string(CS_LIT("0001-01-01T00:00:00Z"));
}

static void put_failure(cs_arena *a, cs_value v, const bundle_state *b)
{
    cs_object_put_text(a, v, "code", cs_string(CS_LIT("bundle_error")));
    cs_object_put_text(a, v, "message", text(a, &b->message));
    if (b->refused != 0) {
        cs_object_put_text(a, v, "http_code", cs_int(b->refused));
    }
    cs_value errors;
    if (b->errors.n != 0 && cs_json_read(a, cs_buf_view(&b->errors), NULL, &errors, NULL, NULL) == CS_OK) {
        cs_object_put_text(a, v, "errors", errors);
    }
}

/* As OPA's bundle plugin has it; what was not downloaded (files, pushed bundles) was asked for when it was tried. */
static cs_value bundle_document(cs_arena *a, const bundle_state *b, bool discovery)
{
    cs_value v = cs_object_new(a, 12), timers = cs_object_new(a, 2);
    int64_t done = b->requested_ns == 0 && b->active ? b->activated_ns : 0;
    cs_object_put_text(a, v, "name", text(a, &b->name));
    if (b->active && b->revision.n != 0) {
        cs_object_put_text(a, v, "active_revision", text(a, &b->revision));
    }
    cs_object_put_text(a, v, "last_successful_activation", instant_or_never(a, b->active ? b->activated_ns : 0));
    cs_object_put_text(a, v, "last_successful_download", instant_or_never(a, b->downloaded_ns + done));
    cs_object_put_text(a, v, "last_successful_request", instant_or_never(a, b->answered_ns + done));
    cs_object_put_text(a, v, "last_request", instant_or_never(a, b->requested_ns != 0 ? b->requested_ns : b->tried_ns));
    if (b->active || b->downloaded_ns != 0) {
        cs_object_put_text(a, v, "type", cs_string(b->delta ? CS_LIT("delta") : CS_LIT("snapshot")));
    }
    uint64_t size = discovery ? b->coming_bytes : b->active ? b->bytes : 0;
    if (size != 0) {
        cs_object_put_text(a, v, "size", cs_int((int64_t)size));
    }
    if (b->request_ns != 0 && !discovery) {
        cs_object_put_text(a, timers, "timer_bundle_request_ns", cs_int(b->request_ns));
    }
    if (b->load_ns != 0) {
        cs_object_put_text(a, timers, "timer_rego_load_bundles_ns", cs_int(b->load_ns));
    }
    if (b->compile_ns != 0) {
        cs_object_put_text(a, timers, "timer_rego_module_compile_ns", cs_int(b->compile_ns));
    }
    if (b->parse_ns != 0) {
        cs_object_put_text(a, timers, "timer_rego_module_parse_ns", cs_int(b->parse_ns));
    }
    if (cs_count(timers) != 0) {
        cs_object_put_text(a, v, "metrics", timers);
    }
    if (b->failing) {
        put_failure(a, v, b);
    } else if (b->message.n != 0) {
        cs_object_put_text(a, v, "message", text(a, &b->message));
    }
    return v;
}

static cs_value logs_document(cs_arena *a, const cs_server__status *s)
{
    cs_value v = cs_object_new(a, 3);
    if (s->logs_message.n != 0) {
        cs_object_put_text(a, v, "code", cs_string(CS_LIT("decision_log_error")));
        cs_object_put_text(a, v, "message", text(a, &s->logs_message));
    }
    if (s->logs_message.n != 0 && s->logs_refused != 0) {
        cs_object_put_text(a, v, "http_code", cs_int(s->logs_refused));
    }
    return v;
}

cs_value cs_server_status_document(cs_server *server, cs_arena *a)
{
    cs_server__status *s = server->status;
    cs_value out = cs_object_new(a, 4);
    bool all_ok;
    cs_value states = cs_server__plugin_states(server, a, &all_ok);
    cs_value plugins = cs_object_new(a, 4);
    for (uint32_t i = 0; i < cs_count(states); i++) {
        cs_value state, name = cs_entry(states, i, &state), one = cs_object_new(a, 1);
        cs_object_put_text(a, one, "state", state);
        cs_object_put(a, plugins, name, one);
    }
    cs_mutex_lock(&s->lock);
    cs_value bundles = cs_object_new(a, (uint32_t)s->bundles.n);
    for (size_t i = 0; i < s->bundles.n; i++) {
        cs_object_put(a, bundles, text(a, &s->bundles.v[i]->name), bundle_document(a, s->bundles.v[i], false));
    }
    if (s->discovery != NULL && s->discovery->requested_ns + s->discovery->tried_ns != 0) {
        cs_object_put_text(a, out, "discovery", bundle_document(a, s->discovery, true));
    }
    if (s->logs_sent) {
        cs_object_put_text(a, out, "decision_logs", logs_document(a, s));
    }
    cs_mutex_unlock(&s->lock);
    if (cs_count(bundles) != 0) {
        cs_object_put_text(a, out, "bundles", bundles);
    }
    cs_server__live live = cs_server__live_get(server);
    cs_object_put_text(a, out, "labels", cs_freeze(a, live.labels));
    cs_server__live_put(live);
    cs_object_put_text(a, out, "plugins", plugins);
    cs_value metrics = cs_object_new(a, 1);
    cs_object_put_text(a, metrics, "prometheus", cs_server__metric_families(server, a));
    cs_object_put_text(a, out, "metrics", metrics);
    if (server->o.webhooks != NULL && server->o.config->approvals.n_webhooks > 0) {
        cs_object_put_text(a, out, "webhooks", cs_webhooks_status(server->o.webhooks, a));
    }
    return out;
}
