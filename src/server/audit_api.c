/* GET /v1/audit, GET /v1/audit/head. Files are read on a thread of their own: neither workers nor writes wait for it.
 */
#include "countersign/base/time.h"
#include "internal.h"

enum { RECORDS_DEFAULT = 100000, RECORDS_MAX = 1000000, BYTES_MAX = 64 << 20, DATE = 10 };

typedef struct asked {
    cs_audit_filter filter;
    uint64_t left; /* records that may still come */
    uint64_t last; /* the last one given */
    bool more;     /* there are others behind it */
    cs_buf *body;
} asked;

static bool configured(cs_server__request *r)
{
    if (r->server->o.audit == NULL || r->server->o.reader == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "there is no audit log (audit:)");
        return false;
    }
    return true;
}

/* ---- GET /v1/audit */

/* An instant, or a day: its beginning (UTC). */
static bool read_instant(cs_server__request *r, const char *name, int64_t *out)
{
    const cs_slice *text = cs_server__get_param(r, name);
    if (text == NULL || text->n == 0) {
        return true;
    }
    cs_slice whole = *text;
    if (text->n == DATE) {
        size_t n;
        const char *instant = cs_arena_printf(r->arena, &n, "%.*sT00:00:00Z", CS_FMT(*text));
        whole = cs_slice_make(instant, n);
    }
    if (!cs_time_parse_rfc3339(whole, out)) {
        cs_server__fail(r, 400, "invalid_parameter", "%s must be an RFC 3339 instant or a day, as 2026-01-31", name);
        return false;
    }
    return true;
}

static bool read_count(cs_server__request *r, const char *name, uint64_t least, uint64_t most, uint64_t *out)
{
    const cs_slice *text = cs_server__get_param(r, name);
    if (text == NULL || text->n == 0) {
        return true;
    }
    if (!cs_slice_u64(*text, out) || *out < least || *out > most) {
        cs_server__fail(r, 400, "invalid_parameter", "%s must be a whole number from %llu to %llu", name,
                        (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    return true;
}

static bool add_line(void *self, uint64_t seq, cs_slice line)
{
    asked *q = self;
    if (q->left == 0 || (q->body->n != 0 && q->body->n + line.n > BYTES_MAX)) {
        q->more = true;
        return false;
    }
    cs_buf_slice(q->body, line);
    cs_buf_byte(q->body, '\n');
    q->left--;
    q->last = seq != 0 ? seq : q->last;
    return true;
}

static void read_job(cs_server__request *r)
{
    asked *q = r->data;
    cs_error e = {0};
    cs_audit_head head;
    /* What was done before the question is in the answer. While the log cannot be written: what is there. */
    (void)!cs_audit_get_head(r->server->o.audit, r->arena, &head, &e);
    const char *dir = cs_audit_dir(r->server->o.audit);
    if (cs_audit_read(dir, &q->filter, add_line, q, &e) != CS_OK) {
        cs_server__fail(r, 500, "io_error", "%s", e.text);
        return;
    }
    if (q->more) {
        size_t n;
        const char *next = cs_arena_printf(r->arena, &n, "%llu", (unsigned long long)q->last);
        cs_http_add_header(r->x, "X-Countersign-Next", cs_slice_make(next, n));
    }
    cs_server__send(r, 200, "application/x-ndjson");
}

void cs_server__audit_get(cs_server__request *r)
{
    if (!configured(r)) {
        return;
    }
    asked *q = cs_arena_new(r->arena, asked);
    const cs_slice *tenant = cs_server__get_param(r, "tenant");
    q->left = RECORDS_DEFAULT;
    q->body = cs_http_body(r->x);
    q->filter.tenant = tenant != NULL ? *tenant : CS_LIT("");
    if (!read_instant(r, "from", &q->filter.from_ns) || !read_instant(r, "to", &q->filter.to_ns) ||
        !read_count(r, "after", 0, UINT64_MAX, &q->filter.after) || !read_count(r, "limit", 1, RECORDS_MAX, &q->left)) {
        return;
    }
    if (q->filter.to_ns != 0 && q->filter.to_ns <= q->filter.from_ns) {
        cs_server__fail(r, 400, "invalid_parameter", "to must be behind from");
        return;
    }
    r->data = q;
    cs_server__on_loop(r, r->server->o.reader, read_job);
}

/* ---- GET /v1/audit/head */

static void head_job(cs_server__request *r)
{
    cs_error e = {0};
    cs_audit_head head;
    if (cs_audit_get_head(r->server->o.audit, r->arena, &head, &e) != CS_OK) {
        cs_server__fail(r, 503, "audit_unavailable", "%s", e.text);
        return;
    }
    cs_server__send_value(r, 200, cs_audit_head_value(r->arena, &head));
}

void cs_server__audit_head(cs_server__request *r)
{
    if (configured(r)) {
        cs_server__on_loop(r, r->server->o.reader, head_job);
    }
}
