/* What is known of the bundles and plugins: the readiness behind /health, /v1/status, the activation metric. */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "internal.h"

typedef struct bundle_state {
    cs_buf name, revision, digest, message;
    bool expected, active, failing;
    int64_t iat, activated_ns, tried_ns;
} bundle_state;

struct cs_server__status {
    cs_mutex lock;
    CS_VEC(bundle_state *) bundles;
};

cs_server__status *cs_server__status_new(void)
{
    cs_server__status *s = cs_zalloc(sizeof *s);
    cs_mutex_init(&s->lock);
    return s;
}

static void state_free(bundle_state *b)
{
    cs_buf_destroy(&b->name);
    cs_buf_destroy(&b->revision);
    cs_buf_destroy(&b->digest);
    cs_buf_destroy(&b->message);
    cs_free(b);
}

void cs_server__status_free(cs_server__status *s)
{
    if (s != NULL) {
        for (size_t i = 0; i < s->bundles.n; i++) {
            state_free(s->bundles.v[i]);
        }
        CS_VEC_FREE(&s->bundles);
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

static bundle_state *find_or_add(cs_server__status *s, cs_slice name)
{
    bundle_state *b = find(s, name);
    if (b == NULL) {
        b = cs_zalloc(sizeof *b);
        cs_buf_init(&b->name);
        cs_buf_init(&b->revision);
        cs_buf_init(&b->digest);
        cs_buf_init(&b->message);
        cs_buf_slice(&b->name, name);
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

void cs_server_bundle_report(cs_server *server, const cs_bundle *bundle, cs_slice name, const cs_error *error,
                             const cs_errors *errors, int64_t duration_ns)
{
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    bundle_state *b = find_or_add(s, name);
    b->tried_ns = cs_time_wall_ns();
    b->failing = error != NULL || (errors != NULL && errors->n != 0);
    if (b->failing) {
        cs_buf_clear(&b->message);
        if (errors != NULL && errors->n != 0) {
            cs_errors_print(&b->message, errors);
        } else if (error != NULL) {
            cs_buf_text(&b->message, error->text);
        }
    } else {
        b->active = true;
        b->activated_ns = b->tried_ns;
        b->iat = bundle->signature.present ? bundle->signature.iat : 0;
        set(&b->revision, bundle->manifest.revision);
        set(&b->digest, bundle->digest);
        cs_buf_clear(&b->message);
    }
    cs_mutex_unlock(&s->lock);
    if (error == NULL && server->o.metrics != NULL) {
        cs_series_observe_ns(cs_metrics_series(server->o.metrics, CS_METRIC_BUNDLE_ACTIVATION, &name), CS_METRICS_ANY,
                             duration_ns);
    }
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
    return ready;
}

cs_value cs_server__plugin_states(cs_server *server, cs_arena *a, bool *all_ok)
{
    const cs_config *c = server->o.config;
    cs_value states = cs_object_new(a, 4);
    bool ready = cs_server_bundles_ready(server);
    if (c->n_bundles != 0) {
        cs_object_put_text(a, states, "bundle", cs_string(ready ? CS_LIT("OK") : CS_LIT("NOT_READY")));
    }
    cs_object_put_text(a, states, "discovery", cs_string(CS_LIT("OK")));
    if (c->status.console || c->status.prometheus) {
        cs_object_put_text(a, states, "status", cs_string(CS_LIT("OK")));
    }
    if (cs_decision_log_wants_metrics(server->o.decisions)) {
        cs_object_put_text(a, states, "decision_logs", cs_string(CS_LIT("OK")));
    }
    *all_ok = ready || c->n_bundles == 0;
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

static cs_value bundle_document(cs_arena *a, const bundle_state *b)
{
    cs_value v = cs_object_new(a, 8);
    cs_object_put_text(a, v, "name", text(a, &b->name));
    if (b->active) {
        if (b->revision.n != 0) {
            cs_object_put_text(a, v, "active_revision", text(a, &b->revision));
        }
        cs_object_put_text(a, v, "last_successful_activation", instant(a, b->activated_ns));
        cs_object_put_text(a, v, "last_successful_download", instant(a, b->activated_ns));
        cs_object_put_text(a, v, "last_successful_request", instant(a, b->activated_ns));
    }
    cs_object_put_text(a, v, "type", cs_string(CS_LIT("snapshot")));
    cs_object_put_text(a, v, "last_request", instant(a, b->tried_ns));
    if (b->failing) {
        cs_object_put_text(a, v, "code", cs_string(CS_LIT("bundle_error")));
        cs_object_put_text(a, v, "message", text(a, &b->message));
    }
    return v;
}

cs_value cs_server__status_document(cs_server *server, cs_arena *a)
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
        cs_object_put(a, bundles, text(a, &s->bundles.v[i]->name), bundle_document(a, s->bundles.v[i]));
    }
    cs_mutex_unlock(&s->lock);
    if (cs_count(bundles) != 0) {
        cs_object_put_text(a, out, "bundles", bundles);
    }
    cs_object_put_text(a, out, "labels", server->o.labels);
    cs_object_put_text(a, out, "plugins", plugins);
    return out;
}
