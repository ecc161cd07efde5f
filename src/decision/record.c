/* The record of a decision as one JSON object, with the names of OPA's decision log. */
#include "countersign/base/time.h"
#include "countersign/decision.h"
#include "countersign/json.h"

typedef struct writer {
    cs_buf *out;
    bool some;
} writer;

static void name(writer *w, const char *text)
{
    cs_buf_byte(w->out, w->some ? ',' : '{');
    w->some = true;
    cs_buf_byte(w->out, '"');
    cs_buf_text(w->out, text);
    cs_buf_text(w->out, "\":");
}

static void put(writer *w, const char *key, cs_value v)
{
    if (!cs_is_undefined(v)) {
        name(w, key);
        cs_json_write(w->out, v, CS_JSON_HTML);
    }
}

static void put_text(writer *w, const char *key, cs_slice text)
{
    if (text.n != 0) {
        name(w, key);
        cs_json_write_string(w->out, text, CS_JSON_HTML);
    }
}

static void put_bundles(writer *w, const cs_world *world)
{
    size_t n = cs_world_bundle_count(world);
    name(w, "bundles");
    cs_buf_byte(w->out, '{');
    for (size_t i = 0; i < n; i++) {
        const cs_world_bundle *b = cs_world_bundle_at(world, i);
        cs_buf_text(w->out, i != 0 ? "," : "");
        cs_json_write_string(w->out, b->name, CS_JSON_HTML);
        cs_buf_text(w->out, ":{\"revision\":");
        cs_json_write_string(w->out, b->revision, CS_JSON_HTML);
        cs_buf_byte(w->out, '}');
    }
    cs_buf_byte(w->out, '}');
}

static void put_error(writer *w, const cs_error *e)
{
    name(w, "error");
    cs_buf_text(w->out, "{\"code\":");
    cs_json_write_string(w->out, cs_slice_of(cs_err_name(e->code)), CS_JSON_HTML);
    cs_buf_text(w->out, ",\"message\":");
    cs_json_write_string(w->out, cs_slice_of(e->text), CS_JSON_HTML);
    cs_buf_byte(w->out, '}');
}

void cs_decision_write(cs_buf *out, const cs_decision *d, cs_value labels)
{
    writer w = {.out = out};
    put(&w, "labels", labels);
    put_text(&w, "decision_id", d->id);
    put_bundles(&w, d->world);
    put_text(&w, "path", d->path);
    put_text(&w, "query", d->query);
    put(&w, "input", d->input);
    put(&w, "result", d->result);
    if (d->error != NULL) {
        put_error(&w, d->error);
    }
    put_text(&w, "requested_by", d->requested_by);
    char stamp[40];
    size_t n = cs_time_format_rfc3339(d->timestamp_ns, stamp);
    put_text(&w, "timestamp", cs_slice_make(stamp, n));
    put(&w, "metrics", d->metrics);
    name(&w, "req_id");
    cs_buf_u64(out, d->request_number);
    put_text(&w, "request_id", d->request_id);
    put(&w, "custom", d->custom);
    cs_buf_byte(out, '}');
}
