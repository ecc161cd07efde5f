/* The two lines about each request, at the level of --log-level-request; with the log at level debug they hold what
 * came and what went. The diagnostic address is asked often, so its requests show at level debug only. */
#include "countersign/base/gzip.h"
#include "countersign/base/limits.h"
#include "access_log.h"

static cs_log_level level_of(const cs_server__request *r)
{
    return r->http->tag == CS_SERVER__DIAGNOSTIC ? CS_LOG_DEBUG : r->server->o.request_level;
}

/* {"name": ["value"]} */
static cs_slice params_text(cs_server__request *r)
{
    cs_arena *a = r->arena;
    cs_value object = cs_object_new(a, (uint32_t)r->n_params);
    for (size_t i = 0; i < r->n_params; i++) {
        cs_value key = cs_string(r->params[i].name), v = cs_string(r->params[i].value);
        const cs_value *there = cs_object_get(object, key);
        uint32_t n = there != NULL ? cs_count(*there) : 0;
        cs_value *items = cs_arena_array(a, cs_value, n + 1);
        for (uint32_t k = 0; k < n; k++) {
            items[k] = there->u.items[k];
        }
        items[n] = v;
        cs_object_put(a, object, key, cs_array(items, n + 1));
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, object, CS_JSON_HTML);
    cs_slice out = cs_slice_make(cs_arena_dup(a, cs_buf_view(&text).p, text.n), text.n);
    cs_buf_destroy(&text);
    return out;
}

static cs_slice body_text(cs_server__request *r)
{
    if (!cs_server__header_contains(r, "Content-Encoding", "gzip")) {
        return r->http->body;
    }
    cs_buf plain;
    cs_buf_init(&plain);
    cs_error e = {0};
    cs_slice out = CS_LIT("");
    if (cs_gzip_inflate(r->http->body, cs_limits_get()->json_bytes, &plain, &e) == CS_OK) {
        out = cs_slice_make(cs_arena_dup(r->arena, cs_buf_view(&plain).p, plain.n), plain.n);
    }
    cs_buf_destroy(&plain);
    return out;
}

void cs_server__log_received(cs_server__request *r)
{
    cs_log_level level = level_of(r);
    if (!cs_log_enabled(level)) {
        return;
    }
    cs_log_field fields[6] = {CS_LOG_S("client_addr", r->http->peer), CS_LOG_I("req_id", (int64_t)r->number),
                              CS_LOG_S("req_method", r->http->method), CS_LOG_S("req_path", r->http->path)};
    size_t n = 4;
    if (cs_log_enabled(CS_LOG_DEBUG)) {
        fields[n++] = CS_LOG_S("req_body", body_text(r));
        fields[n++] = (cs_log_field){.key = "req_params", .kind = CS_LOG_RAW, .text = params_text(r)};
    }
    cs_log(level, "Received request.", n, fields);
}

void cs_server__log_reply_body(cs_server__request *r)
{
    if (cs_log_enabled(CS_LOG_DEBUG)) {
        cs_slice body = cs_buf_view(cs_http_body(r->x));
        r->logged_body = cs_slice_make(cs_arena_dup(r->arena, body.p, body.n), body.n);
    }
}

void cs_server__log_sent(const cs_server__request *r, const cs_http_done *what)
{
    cs_log_level level = level_of(r);
    if (!cs_log_enabled(level)) {
        return;
    }
    cs_log_field fields[9] = {CS_LOG_S("client_addr", r->http->peer),
                              CS_LOG_I("req_id", (int64_t)r->number),
                              CS_LOG_S("req_method", r->http->method),
                              CS_LOG_S("req_path", r->http->path),
                              CS_LOG_I("resp_status", what->status),
                              CS_LOG_I("resp_bytes", (int64_t)what->sent_bytes),
                              CS_LOG_F("resp_duration", (double)what->duration_ns / 1e6)};
    size_t n = 7;
    if (r->id.n != 0) {
        fields[n++] = CS_LOG_S("request_id", r->id);
    }
    if (cs_log_enabled(CS_LOG_DEBUG)) {
        fields[n++] = CS_LOG_S("resp_body", r->logged_body);
    }
    cs_log(level, "Sent response.", n, fields);
}
