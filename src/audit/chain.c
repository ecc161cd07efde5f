/* Records as lines of canonical JSON, chained by their hashes, and lines taken apart again. The members of the chain
 * (hash, prev, seq) stand between those of the record, because canonical JSON sorts them; what goes before and behind
 * is written where the record is made, so the log's thread only puts pieces together and hashes. */
#include "countersign/base/time.h"
#include "countersign/base/utf8.h"
#include "countersign/json.h"
#include "internal.h"

enum { TEXT_MAX = 256 };

static const char HEX[] = "0123456789abcdef";

/* ---- writing */

/* At most TEXT_MAX bytes, whole characters. */
static cs_slice cut(cs_slice text)
{
    if (text.n <= TEXT_MAX) {
        return text;
    }
    size_t n = TEXT_MAX;
    while (n > 0 && ((unsigned char)text.p[n] & 0xC0U) == 0x80U) {
        n--;
    }
    return cs_slice_sub(text, 0, n);
}

static void put_text(cs_buf *out, const char *member, cs_slice text)
{
    if (text.n != 0) {
        cs_buf_text(out, member);
        (void)cs_json_write_canonical(out, cs_string(cut(text)));
        cs_buf_byte(out, ',');
    }
}

void cs_audit_write_begin(cs_buf *out, cs_value actor, cs_slice actor_text)
{
    cs_buf_clear(out);
    cs_buf_text(out, "{");
    if (actor_text.n != 0 || !cs_is_undefined(actor)) {
        cs_buf_text(out, "\"actor\":");
        cs_buf_slice(out, actor_text);
        if (actor_text.n == 0) {
            (void)cs_json_write_canonical(out, actor);
        }
        cs_buf_text(out, ",");
    }
    cs_buf_text(out, "\"data\":");
}

/* The members behind the data; the byte before is a comma. */
static cs_audit_written write_rest(cs_buf *out, const cs_audit_record *r)
{
    put_text(out, "\"decision_id\":", r->decision_id);
    cs_audit_written w = {.before = out->n, .done = r->done};
    put_text(out, "\"request_id\":", r->request_id);
    w.middle = out->n - w.before;
    put_text(out, "\"tenant\":", r->tenant);
    char stamp[40];
    size_t n = cs_time_format_rfc3339(r->time_ns != 0 ? r->time_ns : cs_time_wall_ns(), stamp);
    cs_buf_text(out, "\"time\":\"");
    cs_buf_put(out, stamp, n);
    cs_buf_text(out, "\",\"type\":\"");
    cs_buf_text(out, r->type);
    cs_buf_text(out, "\"}");
    w.text = cs_buf_view(out);
    return w;
}

cs_audit_written cs_audit_write_end(cs_buf *out, const cs_audit_record *record)
{
    cs_buf_byte(out, ',');
    return write_rest(out, record);
}

cs_audit_written cs_audit__write(cs_buf *out, const cs_audit_record *r)
{
    cs_audit_write_begin(out, r->actor, CS_LIT(""));
    if (cs_is_undefined(r->data)) {
        out->n -= strlen("\"data\":");
        return write_rest(out, r);
    }
    (void)cs_json_write_canonical(out, r->data);
    return cs_audit_write_end(out, r);
}

void cs_audit__state_init(cs_audit__state *state)
{
    state->seq = 0;
    memset(state->hash, '0', CS_AUDIT__HASH);
    state->hash[CS_AUDIT__HASH] = 0;
}

static void write_hash(char *to, const uint8_t *raw)
{
    for (size_t i = 0; i < CS_AUDIT__HASH / 2; i++) {
        to[2 * i] = HEX[raw[i] >> 4];
        to[2 * i + 1] = HEX[raw[i] & 15];
    }
}

void cs_audit__chain(cs_buf *out, cs_audit__state *state, cs_hasher *hasher, cs_slice text, cs_audit__parts parts)
{
    size_t start = out->n;
    cs_buf_put(out, text.p, parts.before);
    cs_buf_text(out, "\"hash\":\"");
    size_t hash = out->n;
    cs_buf_put(out, state->hash, CS_AUDIT__HASH); /* a place for it */
    cs_buf_text(out, "\",");
    size_t behind = out->n;
    cs_buf_text(out, "\"prev\":\"");
    cs_buf_put(out, state->hash, CS_AUDIT__HASH);
    cs_buf_text(out, "\",");
    cs_buf_put(out, text.p + parts.before, parts.middle);
    cs_buf_text(out, "\"seq\":");
    cs_buf_u64(out, state->seq + 1);
    cs_buf_byte(out, ',');
    cs_buf_put(out, text.p + parts.before + parts.middle, parts.after);
    uint8_t raw[CS_DIGEST_MAX];
    cs_hasher_add(hasher, cs_slice_make(out->p + start, parts.before));
    cs_hasher_add(hasher, cs_slice_make(out->p + behind, out->n - behind));
    (void)cs_hasher_take(hasher, raw);
    write_hash(state->hash, raw);
    memcpy(out->p + hash, state->hash, CS_AUDIT__HASH);
    state->seq++;
    cs_buf_byte(out, '\n');
}

/* ---- reading */

static bool is_hash(cs_slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (strchr(HEX, text.p[i]) == NULL || text.p[i] == 0) {
            return false;
        }
    }
    return text.n == CS_AUDIT__HASH;
}

/* The string member that stands at the front of *rest, with its comma or the closing brace; "" if it is another. */
static cs_slice take_text(cs_slice *rest, const char *member)
{
    cs_slice name = cs_slice_of(member);
    if (!cs_slice_starts(*rest, name)) {
        return CS_LIT("");
    }
    size_t end = name.n;
    while (end < rest->n && rest->p[end] != '"') {
        end += rest->p[end] == '\\' ? 2 : 1;
    }
    if (end + 1 >= rest->n || rest->p[end + 1] != (end + 2 == rest->n ? '}' : ',')) {
        return CS_LIT("");
    }
    cs_slice text = cs_slice_sub(*rest, name.n, end);
    *rest = cs_slice_sub(*rest, end + 2, rest->n);
    return text;
}

static bool take_seq(cs_slice *rest, uint64_t *seq)
{
    cs_slice name = CS_LIT("\"seq\":");
    size_t comma = cs_slice_find_byte(*rest, ',', 0);
    if (!cs_slice_starts(*rest, name) || comma == SIZE_MAX || !cs_slice_u64(cs_slice_sub(*rest, name.n, comma), seq)) {
        return false;
    }
    *rest = cs_slice_sub(*rest, comma + 1, rest->n);
    return true;
}

/* Where the record's own member hash begins. Behind it are texts alone, in which a quote is escaped, so it is the last
 * one of that form. */
static size_t find_hash(cs_slice text)
{
    cs_slice name = CS_LIT("\"hash\":\"");
    for (size_t at = text.n; at-- > name.n + 1;) {
        size_t from = at - name.n;
        if (memcmp(text.p + from, name.p, name.n) == 0 && (text.p[from - 1] == ',' || text.p[from - 1] == '{')) {
            return from;
        }
    }
    return SIZE_MAX;
}

bool cs_audit__line_read(cs_slice text, cs_audit__line *out)
{
    size_t at = find_hash(text);
    if (at == SIZE_MAX || text.p[0] != '{' || text.p[text.n - 1] != '}') {
        return false;
    }
    cs_slice rest = cs_slice_sub(text, at, text.n);
    out->before = cs_slice_sub(text, 0, at);
    out->hash = take_text(&rest, "\"hash\":\"");
    out->behind = rest;
    out->prev = take_text(&rest, "\"prev\":\"");
    out->request_id = take_text(&rest, "\"request_id\":\"");
    if (!is_hash(out->hash) || !is_hash(out->prev) || !take_seq(&rest, &out->seq)) {
        return false;
    }
    out->tenant = take_text(&rest, "\"tenant\":\"");
    out->time = take_text(&rest, "\"time\":\"");
    out->type = take_text(&rest, "\"type\":\"");
    return out->seq != 0 && out->time.n != 0 && out->type.n != 0 && rest.n == 0;
}

bool cs_audit__line_holds(const cs_audit__line *line, cs_hasher *hasher)
{
    uint8_t raw[CS_DIGEST_MAX];
    char hash[CS_AUDIT__HASH];
    cs_hasher_add(hasher, line->before);
    cs_hasher_add(hasher, line->behind);
    (void)cs_hasher_take(hasher, raw);
    write_hash(hash, raw);
    return memcmp(hash, line->hash.p, sizeof hash) == 0;
}

void cs_audit__tenant_text(cs_buf *out, cs_slice tenant)
{
    if (tenant.n != 0) {
        cs_buf text;
        cs_buf_init(&text);
        (void)cs_json_write_canonical(&text, cs_string(cut(tenant)));
        cs_buf_slice(out, cs_slice_sub(cs_buf_view(&text), 1, text.n - 1));
        cs_buf_destroy(&text);
    }
}
