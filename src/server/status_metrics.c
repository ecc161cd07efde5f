/* The status as figures, with status.prometheus: OPA's names, and OPA's ways. Its status plugin counts each bundle anew
 * whenever anything of the status changes, so the counters tell how often status was told, not how often a bundle was
 * loaded. */
#include "status.h"

/* Of a time that has not been: Go's zero time, in nanoseconds since 1970, as it wraps around. */
#define NEVER_NS (-6795364578871345152.0)

enum { STAGES = 4 };

typedef struct seen {
    cs_slice name, code, message;
    bool loaded;
    struct {
        cs_slice stage;
        int64_t ns;
    } stages[STAGES];
    size_t n_stages;
} seen;

static bool wanted(cs_server *server)
{
    cs_server__live live = cs_server__live_get(server);
    bool on = live.config->status.prometheus;
    cs_server__live_put(live);
    return on && server->o.metrics != NULL;
}

static cs_slice copy(cs_arena *a, const cs_buf *b)
{
    return cs_slice_make(cs_arena_dup(a, b->p != NULL ? b->p : "", b->n), b->n);
}

static void add_stage(seen *s, const char *name, int64_t ns)
{
    if (ns != 0) {
        s->stages[s->n_stages].stage = cs_slice_of(name);
        s->stages[s->n_stages++].ns = ns;
    }
}

/* Under the status' lock: what is to be counted, since counting takes the registry's, which asks for the status. */
static seen *look(cs_server__status *s, cs_arena *a, size_t *n)
{
    seen *all = cs_arena_array(a, seen, s->bundles.n + 1);
    bool any = false;
    for (size_t i = 0; i < s->bundles.n; i++) {
        const cs_server__bundle_state *b = s->bundles.v[i];
        any = any || b->requested_ns != 0 || b->tried_ns != 0;
        all[i] = (seen){.name = copy(a, &b->name), .loaded = b->active && !b->failing};
        if (b->failing) {
            all[i].code = CS_LIT("bundle_error");
            all[i].message = copy(a, &b->message);
        }
        add_stage(&all[i], "timer_bundle_request_ns", b->request_ns);
        add_stage(&all[i], "timer_rego_load_bundles_ns", b->load_ns);
        add_stage(&all[i], "timer_rego_module_compile_ns", b->compile_ns);
        add_stage(&all[i], "timer_rego_module_parse_ns", b->parse_ns);
    }
    *n = any ? s->bundles.n : 0;
    return all;
}

void cs_server__status_count(cs_server *server)
{
    if (!wanted(server)) {
        return;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n;
    cs_mutex_lock(&server->status->lock);
    const seen *all = look(server->status, &a, &n);
    cs_mutex_unlock(&server->status->lock);
    for (size_t i = 0; i < n; i++) {
        const seen *s = &all[i];
        cs_slice failure[3] = {s->code, s->message, s->name};
        cs_series_add(s->loaded ? cs_metrics_series(server->o.metrics, CS_METRIC_BUNDLE_LOADED, &s->name)
                                : cs_metrics_series(server->o.metrics, CS_METRIC_BUNDLE_FAILED, failure),
                      CS_METRICS_ANY, 1);
        for (size_t k = 0; k < s->n_stages; k++) {
            cs_slice labels[2] = {s->name, s->stages[k].stage};
            cs_series_observe(cs_metrics_series(server->o.metrics, CS_METRIC_BUNDLE_STAGES, labels), CS_METRICS_ANY,
                              (double)s->stages[k].ns);
        }
    }
    cs_arena_destroy(&a);
}

/* ---- figures of the moment */

static void gather_info(void *self, cs_metrics_sink *sink)
{
    cs_slice version = CS_LIT(CS_VERSION_OPA);
    if (wanted(self)) {
        cs_metrics_emit(sink, &version, 1);
    }
}

static void gather_plugins(void *self, cs_metrics_sink *sink)
{
    if (!wanted(self)) {
        return;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    bool all_ok;
    cs_value states = cs_freeze(&a, cs_server__plugin_states(self, &a, &all_ok));
    for (uint32_t i = 0; i < cs_count(states); i++) {
        cs_value state, name = cs_entry(states, i, &state);
        cs_slice labels[2] = {cs_text(name), cs_text(state)};
        cs_metrics_emit(sink, labels, 1);
    }
    cs_arena_destroy(&a);
}

static double instant(int64_t ns)
{
    return ns != 0 ? (double)ns : NEVER_NS;
}

typedef int64_t time_of(const cs_server__bundle_state *b);

static void gather_times(cs_server *server, cs_metrics_sink *sink, time_of *of, bool revision)
{
    if (!wanted(server)) {
        return;
    }
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    bool any = false;
    for (size_t i = 0; i < s->bundles.n; i++) {
        any = any || s->bundles.v[i]->requested_ns != 0 || s->bundles.v[i]->tried_ns != 0;
    }
    for (size_t i = 0; any && i < s->bundles.n; i++) {
        const cs_server__bundle_state *b = s->bundles.v[i];
        cs_slice name = cs_buf_view(&b->name);
        cs_slice labels[2] = {revision ? cs_buf_view(&b->revision) : name, name};
        cs_metrics_emit(sink, labels, instant(of(b)));
    }
    cs_mutex_unlock(&s->lock);
}

static int64_t requested(const cs_server__bundle_state *b)
{
    return b->requested_ns != 0 ? b->requested_ns : b->tried_ns;
}

static int64_t activated(const cs_server__bundle_state *b)
{
    return b->active ? b->activated_ns : 0;
}

static int64_t downloaded(const cs_server__bundle_state *b)
{
    return b->requested_ns != 0 ? b->downloaded_ns : activated(b);
}

static int64_t answered(const cs_server__bundle_state *b)
{
    return b->requested_ns != 0 ? b->answered_ns : activated(b);
}

static void gather_requested(void *self, cs_metrics_sink *sink)
{
    gather_times(self, sink, requested, false);
}

static void gather_activated(void *self, cs_metrics_sink *sink)
{
    gather_times(self, sink, activated, true);
}

static void gather_downloaded(void *self, cs_metrics_sink *sink)
{
    gather_times(self, sink, downloaded, false);
}

static void gather_answered(void *self, cs_metrics_sink *sink)
{
    gather_times(self, sink, answered, false);
}

static void gather_logs(void *self, cs_metrics_sink *sink)
{
    cs_server *server = self;
    if (!wanted(server)) {
        return;
    }
    cs_server__status *s = server->status;
    cs_mutex_lock(&s->lock);
    char number[16] = "";
    bool failing = s->logs_message.n != 0;
    if (failing && s->logs_refused != 0) {
        (void)snprintf(number, sizeof number, "%d", s->logs_refused);
    }
    cs_slice labels[2] = {failing ? CS_LIT("decision_log_error") : CS_LIT(""), cs_slice_of(number)};
    if (s->logs_sent) {
        cs_metrics_emit(sink, labels, 1);
    }
    cs_mutex_unlock(&s->lock);
}

static const struct {
    cs_metric metric;
    cs_metrics_gather *gather;
} gathered[] = {
    {CS_METRIC_INFO, gather_info},
    {CS_METRIC_PLUGIN_STATUS, gather_plugins},
    {CS_METRIC_LAST_REQUEST, gather_requested},
    {CS_METRIC_LAST_ACTIVATION, gather_activated},
    {CS_METRIC_LAST_DOWNLOAD, gather_downloaded},
    {CS_METRIC_LAST_SUCCESS, gather_answered},
    {CS_METRIC_LOGS_STATUS, gather_logs},
};

void cs_server__status_measure(cs_server *server, bool on)
{
    for (size_t i = 0; server->o.metrics != NULL && i < sizeof gathered / sizeof *gathered; i++) {
        cs_metrics_on_gather(server->o.metrics, gathered[i].metric, on ? gathered[i].gather : NULL, server);
    }
}
