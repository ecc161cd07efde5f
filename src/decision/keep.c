/* What the audit log keeps of a decision: {"bundles", "custom", "erased", "error", "input", "input_digest", "masked",
 * "omitted", "outcome", "path", "query", "replay", "requested_by", "result"}, as far as there is any. The digest is of
 * the input as it was before the masks took anything away; where all of it stands there, there is none. */
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "log.h"

enum { DIGEST_TEXT = 7 + 64 };

static cs_slice part(const cs_decision_record *r, size_t at, size_t n)
{
    return cs_slice_make(r->bytes + at, n);
}

static cs_slice input_of(const cs_decision_record *r)
{
    return part(r, r->front, r->input);
}

static void write_digest(char out[DIGEST_TEXT], cs_hasher *hasher, cs_slice text)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t raw[CS_DIGEST_MAX];
    cs_hasher_add(hasher, text);
    size_t n = cs_hasher_take(hasher, raw);
    memcpy(out, "sha256:", 7);
    for (size_t i = 0; i < n; i++) {
        out[7 + 2 * i] = hex[raw[i] >> 4];
        out[8 + 2 * i] = hex[raw[i] & 15];
    }
}

static void put_digest(cs_buf *out, const cs_decision_record *r, cs_hasher *hasher)
{
    char digest[DIGEST_TEXT];
    write_digest(digest, hasher, input_of(r));
    cs_buf_text(out, "\"input_digest\":\"");
    cs_buf_put(out, digest, sizeof digest);
    cs_buf_text(out, "\",");
}

static void close_object(cs_buf *out)
{
    if (out->p[out->n - 1] == ',') {
        out->n--;
    }
    cs_buf_byte(out, '}');
}

void cs_decision__keep(cs_buf *out, const cs_decision_record *r, cs_hasher *hasher)
{
    bool large = r->input + r->result > CS_DECISION__KEEP_MAX;
    cs_slice back = part(r, r->front + r->input, r->back);
    cs_slice result = part(r, r->front + r->input + r->back, r->result);
    cs_buf_byte(out, '{');
    cs_buf_slice(out, part(r, 0, r->front));
    if (r->input != 0) {
        if (!large) {
            cs_buf_text(out, "\"input\":");
            cs_buf_slice(out, input_of(r));
            cs_buf_byte(out, ',');
        } else {
            put_digest(out, r, hasher);
        }
    }
    if (large) {
        cs_buf_text(out, "\"omitted\":[\"/input\",\"/result\"],");
    }
    cs_buf_slice(out, back);
    if (result.n != 0 && !large) {
        cs_buf_text(out, "\"result\":");
        cs_buf_slice(out, result);
    }
    close_object(out);
}

/* ---- with masks */

static void move(cs_arena *a, cs_value to, cs_value from, const char *name)
{
    const cs_value *v = cs_object_get_text(from, name);
    if (v != NULL) {
        cs_object_put_text(a, to, name, *v);
    }
}

void cs_decision__keep_masked(cs_buf *out, const cs_decision_record *r, cs_hasher *hasher, cs_value event, cs_arena *a)
{
    static const char *const names[] = {"bundles", "custom", "erased", "error",        "input",
                                        "masked",  "path",   "query",  "requested_by", "result"};
    bool large = r->input + r->result > CS_DECISION__KEEP_MAX;
    cs_value data = cs_object_new(a, 14);
    for (size_t i = 0; i < sizeof names / sizeof *names && cs_is(event, CS_OBJECT); i++) {
        bool value = strcmp(names[i], "input") == 0 || strcmp(names[i], "result") == 0;
        if (!value || !large) {
            move(a, data, event, names[i]);
        }
    }
    if (large || !cs_is(event, CS_OBJECT)) {
        cs_value omitted[2] = {cs_string(CS_LIT("/input")), cs_string(CS_LIT("/result"))};
        cs_object_put_text(a, data, "omitted", cs_array_copy(a, omitted, 2));
    }
    cs_object_put_text(a, data, "outcome", cs_string(r->outcome));
    if (r->replay) {
        cs_object_put_text(a, data, "replay", cs_bool(true));
    }
    char digest[DIGEST_TEXT];
    bool whole = cs_object_get_text(data, "erased") == NULL && cs_object_get_text(data, "masked") == NULL &&
                 cs_object_get_text(data, "omitted") == NULL;
    if (r->input != 0 && !whole) {
        write_digest(digest, hasher, input_of(r));
        cs_object_put_text(a, data, "input_digest", cs_string(cs_slice_make(digest, sizeof digest)));
    }
    cs_json_write_canonical(out, data);
}

cs_err cs_decision__event(const cs_decision_record *r, cs_value labels, cs_arena *a, cs_value *out, cs_error *e)
{
    if (r->log != 0) {
        return cs_json_read(a, part(r, cs_decision__log_at(r), r->log), NULL, out, NULL, e);
    }
    cs_buf text;
    cs_buf_init(&text);
    size_t at = r->front + r->input;
    cs_buf_byte(&text, '{');
    cs_buf_slice(&text, part(r, 0, r->front));
    if (r->input != 0) {
        cs_buf_text(&text, "\"input\":");
        cs_buf_slice(&text, input_of(r));
        cs_buf_byte(&text, ',');
    }
    cs_buf_slice(&text, part(r, at, r->back));
    if (r->result != 0) {
        cs_buf_text(&text, "\"result\":");
        cs_buf_slice(&text, part(r, at + r->back, r->result));
    }
    close_object(&text);
    cs_value v;
    cs_err err = cs_json_read(a, cs_buf_view(&text), NULL, &v, NULL, e);
    cs_buf_destroy(&text);
    CS_TRY(err);
    at += r->back + r->result + r->actor + r->tenant;
    char stamp[40];
    size_t n = cs_time_format_rfc3339(r->time_ns, stamp);
    v = cs_object_clone(a, v, 4);
    cs_object_put_text(a, v, "labels", labels);
    cs_object_put_text(a, v, "request_id", cs_string(part(r, at, r->request_id)));
    cs_object_put_text(a, v, "decision_id", cs_string(part(r, at + r->request_id, r->id)));
    cs_object_put_text(a, v, "timestamp", cs_string_copy(a, cs_slice_make(stamp, n)));
    *out = v;
    return CS_OK;
}
