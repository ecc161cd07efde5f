/* /health, /health/{rule}, /v1/config, /v1/status, /metrics, and the page at /. */
#include "countersign/base/time.h"
#include "countersign/version.h"
#include "internal.h"

/* ---- health */

static void answer_health(cs_server__request *r, cs_slice error)
{
    if (error.n == 0) {
        cs_buf_text(cs_http_body(r->x), "{}\n");
        cs_server__send(r, 200, "application/json");
        return;
    }
    cs_server__object(r, false);
    cs_server__field_text(r, "error", error);
    cs_server__object_end(r);
    cs_server__send(r, 500, "application/json");
}

static bool excluded(const cs_server__request *r, cs_slice name)
{
    for (size_t i = 0; i < r->n_params; i++) {
        if (cs_slice_is(r->params[i].name, "exclude-plugin") && cs_slice_eq(r->params[i].value, name)) {
            return true;
        }
    }
    return false;
}

void cs_server__health_get(cs_server__request *r)
{
    cs_buf waiting;
    cs_buf_init(&waiting);
    cs_slice error = CS_LIT("");
    if (cs_server__flag(r, "bundles") || cs_server__flag(r, "bundle")) {
        cs_server__status_waiting(r->server->status, &waiting);
        if (waiting.n != 0 || !cs_server__discovery_ready(r->server->status)) {
            size_t n;
            const char *text = cs_arena_printf(r->arena, &n, "one or more bundles are not activated%s%.*s",
                                               waiting.n != 0 ? ": " : "", CS_FMT(cs_buf_view(&waiting)));
            error = cs_slice_make(text, n);
        }
    }
    cs_buf_destroy(&waiting);
    if (error.n == 0 && cs_server__flag(r, "plugins")) {
        bool all_ok;
        cs_value states = cs_server__plugin_states(r->server, r->arena, &all_ok);
        for (uint32_t i = 0; i < cs_count(states); i++) {
            cs_value state, name = cs_entry(states, i, &state);
            if (!cs_slice_is(cs_text(state), "OK") && !excluded(r, cs_text(name))) {
                error = CS_LIT("one or more plugins are not up");
            }
        }
    }
    answer_health(r, error);
}

static void rule_answered(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    cs_buf text;
    cs_buf_init(&text);
    if (v->err != CS_OK && v->not_prepared) {
        cs_errors_print(&text, v->errors);
    } else if (v->err != CS_OK) {
        if (v->error.row != 0) {
            cs_buf_printf(&text, "%s:%u: ", v->error.file, v->error.row);
        }
        cs_buf_printf(&text, "%s: %s", cs_err_name(v->err), v->error.text);
    } else if (!cs_is(v->result, CS_BOOL) || v->result.u.i == 0) {
        cs_slice ref = cs_server__ref_text(r->arena, v->path, v->n_path);
        cs_buf_printf(&text, "health check (%.*s) %s", CS_FMT(ref),
                      cs_is_undefined(v->result) ? "was undefined" : "returned unexpected value");
    }
    answer_health(r, cs_buf_view(&text));
    cs_buf_destroy(&text);
}

void cs_server__health_rule(cs_server__request *r)
{
    cs_arena *a = r->arena;
    size_t n;
    const char *path = cs_arena_printf(a, &n, "system/health/%.*s", CS_FMT(r->rest));
    cs_server__eval *v = &r->eval;
    cs_slice bad;
    if (!cs_server__path_keys(a, cs_slice_make(path, n), &v->path, &v->n_path, &bad)) {
        cs_server__fail(r, 400, "invalid_parameter", "invalid path: invalid ref term '%.*s'", CS_FMT(bad));
        return;
    }
    bool all_ok;
    cs_value input = cs_object_new(a, 2);
    cs_object_put_text(a, input, "plugin_state", cs_server__plugin_states(r->server, a, &all_ok));
    if (all_ok) {
        atomic_store_explicit(&r->server->plugins_ok_once, true, memory_order_relaxed);
    }
    cs_object_put_text(a, input, "plugins_ready",
                       cs_bool(atomic_load_explicit(&r->server->plugins_ok_once, memory_order_relaxed)));
    const char *key = cs_arena_printf(a, &n, "h%.*s", CS_FMT(r->rest));
    v->key = cs_slice_make(key, n);
    v->text = CS_LIT("");
    v->input = input;
    v->strict = false;
    v->ready = NULL;
    v->done = rule_answered;
    cs_server__evaluate(r);
}

/* ---- configuration and status */

static void send_result(cs_server__request *r, cs_value result)
{
    cs_server__object(r, r->pretty);
    cs_server__field(r, "result", result);
    cs_server__object_end(r);
    cs_server__send(r, 200, "application/json");
}

void cs_server__config_get(cs_server__request *r)
{
    cs_server__live live = cs_server__live_get(r->server);
    cs_value config = cs_config_public(r->arena, live.config);
    cs_value shown = cs_object_clone(r->arena, config, 1);
    cs_object_put_text(r->arena, shown, "labels", live.labels);
    send_result(r, shown);
    cs_server__live_put(live);
}

void cs_server__status_get(cs_server__request *r)
{
    cs_server__live live = cs_server__live_get(r->server);
    cs_server__live_put(live);
    if (!live.status) {
        cs_server__fail(r, 500, "internal_error", "status plugin not enabled");
        return;
    }
    send_result(r, cs_server_status_document(r->server, r->arena));
}

/* ---- metrics */

void cs_server__metrics_get(cs_server__request *r)
{
    cs_metrics_render(r->server->o.metrics, cs_http_body(r->x));
    cs_server__send(r, 200, CS_METRICS_CONTENT_TYPE "; escaping=underscores");
}

/* ---- the page */

void cs_server__index_get(cs_server__request *r)
{
    cs_buf_text(cs_http_body(r->x),
                "<!DOCTYPE html>\n<html>\n<head><title>countersign</title></head>\n<body>\n<h1>countersign</h1>\n"
                "<p>A policy decision service with budgets and approvals. It speaks what this speaks:<br>\n"
                "Open Policy Agent - An open source project to policy-enable your service.</p>\n"
                "<p>Version: " CS_VERSION " (as OPA " CS_VERSION_OPA ")</p>\n</body>\n</html>\n");
    cs_server__send(r, 200, "text/html; charset=utf-8");
}
