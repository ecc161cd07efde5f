/* A decision as bytes: one JSON object with the names of OPA's decision log, and the parts of what the audit log keeps.
 */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "log.h"

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
    if (n == 0) {
        return;
    }
    name(w, "bundles");
    cs_buf_byte(w->out, '{');
    for (size_t i = 0; i < n; i++) {
        const cs_world_bundle *b = cs_world_bundle_at(world, i);
        cs_buf_text(w->out, i != 0 ? "," : "");
        cs_json_write_string(w->out, b->name, CS_JSON_HTML);
        cs_buf_text(w->out, b->revision.n != 0 ? ":{\"revision\":" : ":{");
        if (b->revision.n != 0) {
            cs_json_write_string(w->out, b->revision, CS_JSON_HTML);
        }
        cs_buf_byte(w->out, '}');
    }
    cs_buf_byte(w->out, '}');
}

static void put_headers(writer *w, cs_value headers)
{
    if (!cs_is_undefined(headers)) {
        name(w, "request_context");
        cs_buf_text(w->out, "{\"http\":{\"headers\":");
        cs_json_write(w->out, headers, CS_JSON_HTML);
        cs_buf_text(w->out, "}}");
    }
}

static void put_error(writer *w, const cs_error *e)
{
    name(w, "error");
    cs_buf_text(w->out, "{\"code\":");
    cs_json_write_string(w->out, cs_slice_of(cs_err_name(e->code)), CS_JSON_HTML);
    cs_buf_text(w->out, ",\"message\":");
    cs_json_write_string(w->out, cs_slice_of(e->text), CS_JSON_HTML);
    if (e->row != 0) {
        cs_buf_text(w->out, ",\"location\":{\"file\":");
        cs_json_write_string(w->out, cs_slice_of(e->file), CS_JSON_HTML);
        cs_buf_printf(w->out, ",\"row\":%u,\"col\":%u}", (unsigned)e->row, (unsigned)e->col);
    }
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
    put(&w, "nd_builtin_cache", d->nd_builtin_cache);
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
    put(&w, "rule_labels", d->rule_labels);
    put_text(&w, "request_id", d->request_id);
    put_headers(&w, d->headers);
    put(&w, "custom", d->custom);
    cs_buf_byte(out, '}');
}

/* ---- for the audit log: members in the order of canonical JSON */

static void keep_name(cs_buf *out, const char *text)
{
    cs_buf_byte(out, '"');
    cs_buf_text(out, text);
    cs_buf_text(out, "\":");
}

static void keep(cs_buf *out, const char *key, cs_value v)
{
    keep_name(out, key);
    cs_json_write_canonical(out, v);
    cs_buf_byte(out, ',');
}

static void keep_text(cs_buf *out, const char *key, cs_slice text)
{
    if (text.n != 0) {
        keep(out, key, cs_string(text));
    }
}

static int by_name(const cs_world *world, size_t i, size_t k)
{
    return cs_slice_compare(cs_world_bundle_at(world, i)->name, cs_world_bundle_at(world, k)->name);
}

/* They are few: the next one is looked for each time. */
static void keep_bundles(cs_buf *out, const cs_world *world)
{
    size_t n = cs_world_bundle_count(world), last = n;
    keep_name(out, "bundles");
    cs_buf_byte(out, '{');
    for (size_t done = 0; done < n; done++) {
        size_t next = n;
        for (size_t i = 0; i < n; i++) {
            bool behind = last == n || by_name(world, i, last) > 0;
            next = behind && (next == n || by_name(world, i, next) < 0) ? i : next;
        }
        if (next == n) {
            break; /* two of one name */
        }
        const cs_world_bundle *b = cs_world_bundle_at(world, next);
        cs_buf_text(out, done != 0 ? "," : "");
        cs_json_write_canonical(out, cs_string(b->name));
        cs_buf_text(out, ":{\"revision\":");
        cs_json_write_canonical(out, cs_string(b->revision));
        cs_buf_byte(out, '}');
        last = next;
    }
    cs_buf_text(out, "},");
}

static void keep_error(cs_buf *out, const cs_error *e)
{
    keep_name(out, "error");
    cs_buf_text(out, "{\"code\":");
    cs_json_write_canonical(out, cs_string(cs_slice_of(cs_err_name(e->code))));
    cs_buf_text(out, ",\"message\":");
    cs_json_write_canonical(out, cs_string(cs_slice_of(e->text)));
    cs_buf_text(out, "},");
}

static size_t grown(const cs_buf *out, size_t *from)
{
    size_t n = out->n - *from;
    *from = out->n;
    return n;
}

static void keep_front(cs_buf *out, const cs_decision *d)
{
    keep_bundles(out, d->world);
    if (!cs_is_undefined(d->custom)) {
        keep(out, "custom", d->custom);
    }
    if (d->error != NULL) {
        keep_error(out, d->error);
    }
}

static void keep_back(cs_buf *out, const cs_decision *d)
{
    keep_text(out, "outcome", d->outcome);
    keep_text(out, "path", d->path);
    keep_text(out, "query", d->query);
    if (d->replay) {
        keep(out, "replay", cs_bool(true));
    }
    keep_text(out, "requested_by", d->requested_by);
}

static void keep_value(cs_buf *out, cs_value v)
{
    if (!cs_is_undefined(v)) {
        cs_json_write_canonical(out, v);
    }
}

/* The parts of the record, as struct cs_decision_record has them. */
static void write_kept(cs_buf *out, const cs_decision *d, cs_decision_record *head)
{
    size_t from = out->n;
    keep_front(out, d);
    head->front = grown(out, &from);
    keep_value(out, d->input);
    head->input = grown(out, &from);
    keep_back(out, d);
    head->back = grown(out, &from);
    keep_value(out, d->result);
    head->result = grown(out, &from);
    keep_value(out, d->actor);
    head->actor = grown(out, &from);
    cs_buf_slice(out, d->tenant);
    cs_buf_slice(out, d->request_id);
    cs_buf_slice(out, d->id);
    head->tenant = d->tenant.n;
    head->request_id = d->request_id.n;
    head->id = d->id.n;
}

bool cs_decision__write_whole(cs_buf *out, const cs_decision *d, cs_audit_record *to)
{
    cs_buf_clear(out);
    cs_buf_byte(out, '{');
    keep_front(out, d);
    if (!cs_is_undefined(d->input)) {
        keep(out, "input", d->input);
    }
    keep_back(out, d);
    if (!cs_is_undefined(d->result)) {
        keep(out, "result", d->result);
    }
    out->p[out->n - 1] = '}'; /* there is a comma: bundles are always told */
    size_t data = out->n;
    keep_value(out, d->actor);
    *to = (cs_audit_record){.type = "decision",
                            .tenant = d->tenant,
                            .request_id = d->request_id,
                            .decision_id = d->id,
                            .actor_text = cs_slice_make(out->p + data, out->n - data),
                            .data_text = cs_slice_make(out->p, data),
                            .time_ns = d->timestamp_ns};
    return data <= CS_DECISION__KEEP_MAX;
}

cs_decision_record *cs_decision__record_new(const cs_decision_log *log, const cs_decision *d)
{
    cs_decision_record head = {.time_ns = d->timestamp_ns, .replay = d->replay, .outcome = d->outcome};
    cs_buf out;
    cs_buf_init(&out);
    (void)cs_buf_room(&out, 2048);
    out.n = sizeof head; /* its place */
    size_t from = out.n;
    if (cs_decision__logs(log)) {
        cs_decision_write(&out, d, cs_decision__labels(log));
    }
    head.log = grown(&out, &from);
    if (cs_decision__audits(log)) {
        write_kept(&out, d, &head);
    }
    memcpy(out.p, &head, sizeof head);
    return (cs_decision_record *)(void *)out.p; /* the buffer's block is the record */
}

void cs_decision_record_free(cs_decision_record *record)
{
    cs_free(record);
}
