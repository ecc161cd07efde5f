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

/* A text that stands in the buffer already. */
typedef struct known {
    size_t at, n; /* n == 0: none */
} known;

static void put_known(writer *w, const char *key, cs_value v, known text)
{
    if (text.n == 0) {
        put(w, key, v);
        return;
    }
    name(w, key);
    char *to = cs_buf_room(w->out, text.n);
    memcpy(to, w->out->p + text.at, text.n);
    w->out->n += text.n;
}

/* One JSON object with the names of OPA's decision log: what is printed and uploaded. */
static void write_log(cs_buf *out, const cs_decision *d, cs_value labels, known input, known result)
{
    writer w = {.out = out};
    put(&w, "labels", labels);
    put_text(&w, "decision_id", d->id);
    put_bundles(&w, d->world);
    put_text(&w, "path", d->path);
    put_text(&w, "query", d->query);
    put_known(&w, "input", d->input, input);
    put_known(&w, "result", d->result, result);
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

static void keep(cs_buf *out, const char *name, cs_value v)
{
    cs_buf_text(out, name);
    (void)cs_json_write_canonical(out, v);
    cs_buf_byte(out, ',');
}

static void keep_text(cs_buf *out, const char *name, cs_slice text)
{
    if (text.n != 0) {
        keep(out, name, cs_string(text));
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
    cs_buf_text(out, "\"bundles\":{");
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
        (void)cs_json_write_canonical(out, cs_string(b->name));
        cs_buf_text(out, ":{\"revision\":");
        (void)cs_json_write_canonical(out, cs_string(b->revision));
        cs_buf_byte(out, '}');
        last = next;
    }
    cs_buf_text(out, "},");
}

static void keep_error(cs_buf *out, const cs_error *e)
{
    cs_buf_text(out, "\"error\":{\"code\":");
    (void)cs_json_write_canonical(out, cs_string(cs_slice_of(cs_err_name(e->code))));
    cs_buf_text(out, ",\"message\":");
    (void)cs_json_write_canonical(out, cs_string(cs_slice_of(e->text)));
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
        keep(out, "\"custom\":", d->custom);
    }
    if (d->error != NULL) {
        keep_error(out, d->error);
    }
}

static void keep_back(cs_buf *out, const cs_decision *d)
{
    keep_text(out, "\"outcome\":", d->outcome);
    keep_text(out, "\"path\":", d->path);
    keep_text(out, "\"query\":", d->query);
    if (d->replay) {
        keep(out, "\"replay\":", cs_bool(true));
    }
    keep_text(out, "\"requested_by\":", d->requested_by);
}

/* If the text is the same in the decision log, its place is remembered. */
static void keep_value(cs_buf *out, cs_value v, known *place)
{
    if (!cs_is_undefined(v)) {
        size_t from = out->n;
        bool same = cs_json_write_canonical(out, v);
        if (same && cs_json_is_common(cs_slice_make(out->p + from, out->n - from))) {
            *place = (known){from, out->n - from};
        }
    }
}

/* The parts of the record, as struct cs_decision_record has them. */
static void write_kept(cs_buf *out, const cs_decision *d, cs_decision_record *head, known *input, known *result)
{
    size_t from = out->n;
    known ignored;
    keep_front(out, d);
    head->front = grown(out, &from);
    keep_value(out, d->input, input);
    head->input = grown(out, &from);
    keep_back(out, d);
    head->back = grown(out, &from);
    keep_value(out, d->result, result);
    head->result = grown(out, &from);
    keep_value(out, d->actor, &ignored);
    head->actor = grown(out, &from);
    cs_buf_slice(out, d->tenant);
    cs_buf_slice(out, d->request_id);
    cs_buf_slice(out, d->id);
    head->tenant = d->tenant.n;
    head->request_id = d->request_id.n;
    head->id = d->id.n;
}

bool cs_decision__write_whole(cs_buf *out, const cs_decision *d, cs_audit_written *to)
{
    cs_audit_write_begin(out, d->actor, CS_LIT(""));
    size_t start = out->n;
    cs_buf_byte(out, '{');
    keep_front(out, d);
    if (!cs_is_undefined(d->input)) {
        keep(out, "\"input\":", d->input);
    }
    keep_back(out, d);
    if (!cs_is_undefined(d->result)) {
        keep(out, "\"result\":", d->result);
    }
    out->p[out->n - 1] = '}'; /* there is a comma: bundles are always told */
    size_t data = out->n - start;
    *to = cs_audit_write_end(out, &(cs_audit_record){.type = "decision",
                                                     .tenant = d->tenant,
                                                     .request_id = d->request_id,
                                                     .decision_id = d->id,
                                                     .time_ns = d->timestamp_ns});
    return data <= CS_DECISION__KEEP_MAX;
}

cs_decision_record *cs_decision__record_new(const cs_decision_log *log, const cs_decision *d)
{
    cs_decision_record head = {.time_ns = d->timestamp_ns, .replay = d->replay, .outcome = d->outcome};
    cs_buf out;
    cs_buf_init(&out);
    (void)cs_buf_room(&out, 2048);
    out.n = sizeof head; /* its place */
    known input = {0}, result = {0};
    if (cs_decision__audits(log)) {
        write_kept(&out, d, &head, &input, &result);
    }
    size_t from = out.n;
    if (cs_decision__logs(log)) {
        write_log(&out, d, cs_decision__labels(log), input, result);
    }
    head.log = grown(&out, &from);
    memcpy(out.p, &head, sizeof head);
    return (cs_decision_record *)(void *)out.p; /* the buffer's block is the record */
}

void cs_decision_record_free(cs_decision_record *record)
{
    cs_free(record);
}
