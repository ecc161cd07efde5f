/* Spend events in bulk: the envelope and the members of `data` straight from the bytes, without values in between.
 *
 * Only what is plain is read here: ASCII without escapes, numbers without exponents, no member twice, nothing deeper
 * than an object in `data`. All else is for cs_event_read, which says what is wrong with it, if anything is. So there
 * is one place that refuses; this one must never take what that would not, nor read it differently
 * (tests/fuzz/fuzz_event.c compares the two). */
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/journal.h"

#define TYPE "io.countersign.spend.recorded.v1"
enum { MEMBERS = 48, DEPTH = 4, DIGITS = 18 };

typedef struct reader {
    const char *p, *end;
} reader;

static inline void blanks(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')) {
        r->p++;
    }
}

/* After blanks. */
static inline bool take(reader *r, char c)
{
    if (r->p < r->end && *r->p <= ' ') {
        blanks(r);
    }
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

/* Is one of these eight bytes a quote, a backslash, a control or not ASCII? */
static inline bool strange(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t quote = w ^ (ones * '"');
    uint64_t back = w ^ (ones * '\\');
    return (((quote - ones) | (back - ones) | (w - ones * 0x20) | w) & high) != 0;
}

/* The text behind its first quote. */
static bool text(reader *r, cs_slice *out)
{
    const char *p = r->p;
    for (uint64_t word = 0; r->end - p >= 8; p += 8) {
        memcpy(&word, p, 8);
        if (strange(word)) {
            break;
        }
    }
    while (p < r->end && *p != '"') {
        unsigned char c = (unsigned char)*p++;
        if (c < ' ' || c == '\\' || c >= 0x80) {
            return false;
        }
    }
    if (p == r->end) {
        return false;
    }
    *out = cs_slice_make(r->p, (size_t)(p - r->p));
    r->p = p + 1;
    return true;
}

static size_t digits(reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }
    return (size_t)(r->p - from);
}

static bool number(reader *r, cs_slice *out)
{
    const char *from = r->p;
    r->p += *r->p == '-';
    const char *first = r->p;
    size_t whole = digits(r);
    size_t fraction = 0;
    if (whole == 0 || (whole > 1 && *first == '0')) {
        return false;
    }
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        fraction = digits(r);
        if (fraction == 0) {
            return false;
        }
    }
    *out = cs_slice_make(from, (size_t)(r->p - from));
    return whole + fraction <= DIGITS && r->p < r->end && *r->p != 'e' && *r->p != 'E';
}

static bool literal(reader *r, const char *word, size_t n)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) {
        return false;
    }
    r->p += n;
    return true;
}

/* A value that is no object or array. */
static bool scalar(reader *r, cs_event_member *m)
{
    blanks(r);
    m->text = CS_LIT("");
    if (r->p == r->end) {
        return false;
    }
    switch (*r->p) {
    case '"':
        r->p++;
        m->kind = CS_STRING;
        return text(r, &m->text);
    case 't':
        m->kind = CS_BOOL;
        m->truth = true;
        return literal(r, "true", 4);
    case 'f':
        m->kind = CS_BOOL;
        m->truth = false;
        return literal(r, "false", 5);
    case 'n':
        m->kind = CS_NULL;
        return literal(r, "null", 4);
    default:
        m->kind = CS_NUMBER;
        return number(r, &m->text);
    }
}

static bool same_name(const cs_event_member *from, const cs_event_member *to, cs_slice name)
{
    for (; from < to; from += 1 + from->inside) {
        if (cs_slice_eq(from->name, name)) {
            return true;
        }
    }
    return false;
}

/* The members of an object behind its brace, and of the objects in it while `deeper`. */
static bool members(reader *r, cs_event_member *list, size_t *n, bool deeper)
{
    size_t first = *n;
    if (take(r, '}')) {
        return true;
    }
    for (;;) {
        if (*n == MEMBERS || !take(r, '"')) {
            return false;
        }
        cs_event_member *m = &list[*n];
        m->inside = 0;
        if (!text(r, &m->name) || same_name(&list[first], m, m->name) || !take(r, ':')) {
            return false;
        }
        (*n)++;
        if (take(r, '{')) {
            m->kind = CS_OBJECT;
            if (!deeper || !members(r, list, n, false)) {
                return false;
            }
            m->inside = (uint8_t)(&list[*n] - m - 1);
        } else if (!scalar(r, m)) {
            return false;
        }
        if (!take(r, ',')) {
            return take(r, '}');
        }
    }
}

static cs_slice *envelope_text(cs_event *event, cs_slice *version, cs_slice *time, cs_slice name)
{
    switch (name.n) {
    case 2:
        return memcmp(name.p, "id", 2) == 0 ? &event->id : NULL;
    case 4:
        return memcmp(name.p, "type", 4) == 0 ? &event->type : memcmp(name.p, "time", 4) == 0 ? time : NULL;
    case 6:
        return memcmp(name.p, "source", 6) == 0 ? &event->source : NULL;
    case 7:
        return memcmp(name.p, "subject", 7) == 0 ? &event->subject : NULL;
    case 11:
        return memcmp(name.p, "specversion", 11) == 0 ? version : NULL;
    case 13:
        return memcmp(name.p, "correlationid", 13) == 0 ? &event->correlation : NULL;
    default:
        return NULL;
    }
}

/* One member of the envelope; `list` has room for those of data. */
static bool envelope_member(reader *r, cs_event *event, cs_slice *version, cs_slice *time, cs_event_member *list)
{
    cs_event_member m = {.kind = CS_NULL};
    if (!take(r, '"') || !text(r, &m.name) || !take(r, ':')) {
        return false;
    }
    if (cs_slice_is(m.name, "data")) {
        size_t n = 0;
        if (event->members != NULL || !take(r, '{') || !members(r, list, &n, true)) {
            return false;
        }
        event->members = list;
        event->n_members = n;
        return true;
    }
    if (!scalar(r, &m)) {
        return false;
    }
    cs_slice *to = envelope_text(event, version, time, m.name);
    if (to == NULL) {
        return true;
    }
    bool fresh = to->p == NULL;
    *to = m.text;
    return fresh && m.kind == CS_STRING && m.text.n > 0;
}

static bool read_plain(cs_arena *a, cs_slice body, cs_event *event)
{
    reader r = {body.p, body.p + body.n};
    cs_slice version = {NULL, 0};
    cs_slice time = {NULL, 0};
    cs_event_member *list = cs_arena_alloc(a, MEMBERS * sizeof *list);
    *event = (cs_event){.body = body, .data = cs_undefined()};
    if (body.n == 0 || *body.p != '{' || !take(&r, '{')) {
        return false;
    }
    do {
        if (!envelope_member(&r, event, &version, &time, list)) {
            return false;
        }
    } while (take(&r, ','));
    if (!take(&r, '}') || event->members == NULL || !cs_slice_is(version, "1.0") || event->id.p == NULL ||
        event->source.p == NULL || event->subject.p == NULL || time.p == NULL || event->type.p == NULL ||
        !cs_slice_is(event->type, TYPE)) {
        return false;
    }
    blanks(&r);
    if (event->correlation.p == NULL) {
        event->correlation = CS_LIT("");
    }
    return r.p == r.end && cs_time_parse_rfc3339(time, &event->time_ns);
}

cs_err cs_event_read_bulk(cs_arena *a, cs_slice body, bool limits, cs_event *event, cs_event_reject *reject)
{
    const cs_limits *limit = cs_limits_get();
    bool within = !limits || (body.n <= limit->event_bytes && limit->event_depth >= DEPTH);
    if (within && read_plain(a, body, event)) {
        *reject = (cs_event_reject){.id = event->id, .code = "", .message = CS_LIT("")};
        return CS_OK;
    }
    return cs_event_read(a, body, limits, event, reject);
}

cs_value cs_event_data(cs_arena *a, const cs_event *event)
{
    if (event->members == NULL) {
        return event->data;
    }
    cs_event whole;
    cs_event_reject reject;
    cs_err err = cs_event_read(a, event->body, false, &whole, &reject);
    cs_assert(err == CS_OK); /* what is plain can be read */
    return whole.data;
}
