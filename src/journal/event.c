/* CloudEvents 1.0 in JSON: cutting a body into events, reading the envelope, exact amounts. */
#include "countersign/journal.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/json.h"

/* ---- cutting */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static cs_slice skip_blanks(cs_slice s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

/* Bytes of the JSON object or array at the start of `s`, looking at no more than `most` of them; 0 if it does not end
 * there. Brackets and strings are all that is looked at; whether it is JSON is for the reader to say. */
static size_t extent(cs_slice s, size_t most)
{
    size_t depth = 0;
    bool quoted = false;
    size_t n = s.n < most ? s.n : most;
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        if (quoted) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                quoted = false;
            } else if (c == '\n') {
                return 0; /* a quote is missing */
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth <= 1) {
                return depth == 1 ? i + 1 : 0;
            }
            depth--;
        }
    }
    return 0;
}

void cs_event_cut(cs_event_cutter *cutter, cs_slice body)
{
    cs_slice bom = CS_LIT("\xEF\xBB\xBF");
    if (cs_slice_starts(body, bom)) {
        body = cs_slice_sub(body, bom.n, body.n);
    }
    body = skip_blanks(body);
    *cutter = (cs_event_cutter){.rest = body};
    if (body.n > 0 && body.p[0] == '[') {
        cutter->array = true;
        cutter->rest = skip_blanks(cs_slice_sub(body, 1, body.n));
    }
}

static bool next_in_stream(cs_event_cutter *cutter, cs_slice *piece)
{
    cs_slice rest = skip_blanks(cutter->rest);
    if (rest.n == 0) {
        return false;
    }
    size_t n = rest.p[0] == '{' ? extent(rest, (size_t)cs_limits_get()->event_bytes) : 0;
    if (n == 0) {
        n = cs_slice_find_byte(rest, '\n', 0);
    }
    *piece = cs_slice_trim(cs_slice_sub(rest, 0, n));
    cutter->rest = cs_slice_sub(rest, n, rest.n);
    return true;
}

/* Elements that are no objects end at the next comma or bracket. */
static size_t element_extent(cs_slice s)
{
    if (s.p[0] == '{' || s.p[0] == '[') {
        return extent(s, s.n);
    }
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && (s.p[i] == ',' || s.p[i] == ']')) {
            return i;
        }
    }
    return 0;
}

bool cs_event_next(cs_event_cutter *cutter, cs_slice *piece, bool *broken)
{
    *broken = false;
    if (cutter->done) {
        return false;
    }
    if (!cutter->array) {
        return next_in_stream(cutter, piece);
    }
    cs_slice rest = cutter->rest;
    *piece = rest;
    *broken = true;
    cutter->done = true; /* unless the element turns out to be whole */
    if (!cutter->started && rest.n > 0 && rest.p[0] == ']') {
        *piece = skip_blanks(cs_slice_sub(rest, 1, rest.n));
        *broken = piece->n > 0;
        return *broken;
    }
    size_t n = rest.n > 0 ? element_extent(rest) : 0;
    cs_slice behind = skip_blanks(cs_slice_sub(rest, n, rest.n));
    if (n == 0 || behind.n == 0 || (behind.p[0] != ',' && behind.p[0] != ']')) {
        return true;
    }
    cs_slice after = skip_blanks(cs_slice_sub(behind, 1, behind.n));
    *piece = cs_slice_trim(cs_slice_sub(rest, 0, n));
    *broken = false;
    cutter->started = true;
    cutter->rest = after;
    if (behind.p[0] == ',') {
        cutter->done = false;
    } else if (after.n > 0) {
        *piece = rest;
        *broken = true;
    }
    return true;
}

/* ---- the envelope */

cs_err cs_event_refuse(cs_arena *a, cs_event_reject *reject, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    reject->code = code;
    reject->message = (cs_slice){cs_arena_dup(a, text, length), length};
    return CS_ERR_INVALID;
}

bool cs_event_text(cs_value object, const char *name, cs_slice *out)
{
    const cs_value *v = cs_object_get_text(object, name);
    if (v == NULL || !cs_is(*v, CS_STRING) || v->n == 0) {
        return false;
    }
    *out = cs_text(*v);
    return true;
}

static cs_err read_json(cs_arena *a, cs_slice text, bool limits, cs_value *out, cs_event_reject *reject)
{
    const cs_limits *limit = cs_limits_get();
    if (limits && text.n > limit->event_bytes) {
        return cs_event_refuse(a, reject, "too_large", "the event has %zu bytes; at most %llu are allowed", text.n,
                               (unsigned long long)limit->event_bytes);
    }
    cs_json_options options = {.borrow = true, .max_depth = limits ? (uint32_t)limit->event_depth : 0};
    cs_error e = {0};
    cs_err err = cs_json_read(a, text, &options, out, NULL, &e);
    bool number = cs_slice_starts(cs_slice_of(e.text), CS_LIT("invalid number"));
    if (err == CS_ERR_LIMIT && limits && !number) {
        return cs_event_refuse(a, reject, "too_deep", "%s", e.text);
    }
    if (err != CS_OK) {
        return cs_event_refuse(a, reject, "invalid_json", "%s (line %u, column %u)", e.text, e.row, e.col);
    }
    if (!cs_is(*out, CS_OBJECT)) {
        return cs_event_refuse(a, reject, "invalid_event", "an event is an object, not %s", cs_kind_name(*out));
    }
    return CS_OK;
}

cs_err cs_event_read(cs_arena *a, cs_slice text, bool limits, cs_event *event, cs_event_reject *reject)
{
    *reject = (cs_event_reject){.id = CS_LIT(""), .code = "", .message = CS_LIT("")};
    cs_value envelope;
    CS_TRY(read_json(a, text, limits, &envelope, reject));
    return cs_event_of(a, envelope, text, event, reject);
}

cs_err cs_event_of(cs_arena *a, cs_value envelope, cs_slice text, cs_event *event, cs_event_reject *reject)
{
    *reject = (cs_event_reject){.id = CS_LIT(""), .code = "", .message = CS_LIT("")};
    cs_event read = {.body = text, .correlation = CS_LIT(""), .key = CS_LIT("")};
    if (cs_event_text(envelope, "id", &read.id)) {
        reject->id = read.id;
    }
    cs_slice version;
    if (!cs_event_text(envelope, "specversion", &version)) {
        return cs_event_refuse(a, reject, "missing_field", "specversion must be \"1.0\"");
    }
    if (!cs_slice_is(version, "1.0")) {
        return cs_event_refuse(a, reject, "unsupported_version", "specversion must be \"1.0\", not \"%.*s\"",
                               (int)(version.n < 32 ? version.n : 32), version.p);
    }
    const struct {
        const char *name;
        cs_slice *to;
    } texts[] = {{"id", &read.id}, {"source", &read.source}, {"type", &read.type}, {"subject", &read.subject}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!cs_event_text(envelope, texts[i].name, texts[i].to)) {
            return cs_event_refuse(a, reject, "missing_field", "%s must be a string that is not empty", texts[i].name);
        }
    }
    cs_slice time;
    if (!cs_event_text(envelope, "time", &time)) {
        return cs_event_refuse(a, reject, "missing_field", "time must be an RFC 3339 instant");
    }
    if (!cs_time_parse_rfc3339(time, &read.time_ns)) {
        return cs_event_refuse(a, reject, "invalid_time",
                               "time must be an RFC 3339 instant, as \"2025-09-07T14:03:11.482Z\"");
    }
    const cs_value *data = cs_object_get_text(envelope, "data");
    if (data == NULL || !cs_is(*data, CS_OBJECT)) {
        return cs_event_refuse(a, reject, "missing_field", "data must be an object");
    }
    read.data = *data;
    if (!cs_event_text(envelope, "correlationid", &read.correlation)) {
        read.correlation = CS_LIT("");
    }
    *event = read;
    return CS_OK;
}

/* ---- money */

/* The digits of a JSON number around its point, and its exponent. */
typedef struct decimal {
    bool negative;
    cs_slice whole, fraction;
    int64_t exponent; /* saturated far beyond what matters */
} decimal;

static size_t digits_at(cs_slice s, size_t from)
{
    size_t i = from;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') {
        i++;
    }
    return i - from;
}

static bool split_decimal(cs_slice s, decimal *out)
{
    size_t i = 0;
    *out = (decimal){.negative = s.n > 0 && s.p[0] == '-'};
    i += out->negative ? 1 : 0;
    size_t n = digits_at(s, i);
    if (n == 0 || (n > 1 && s.p[i] == '0')) {
        return false;
    }
    out->whole = cs_slice_make(s.p + i, n);
    i += n;
    if (i < s.n && s.p[i] == '.') {
        n = digits_at(s, i + 1);
        if (n == 0) {
            return false;
        }
        out->fraction = cs_slice_make(s.p + i + 1, n);
        i += n + 1;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        bool down = i + 1 < s.n && s.p[i + 1] == '-';
        i += i + 1 < s.n && (s.p[i + 1] == '-' || s.p[i + 1] == '+') ? 2 : 1;
        n = digits_at(s, i);
        if (n == 0) {
            return false;
        }
        for (size_t j = i; j < i + n && out->exponent < INT64_C(1) << 40; j++) {
            out->exponent = out->exponent * 10 + (s.p[j] - '0');
        }
        out->exponent = down ? -out->exponent : out->exponent;
        i += n;
    }
    return i == s.n;
}

static int digit(const decimal *d, int64_t at)
{
    int64_t whole = (int64_t)d->whole.n;
    if (at < 0 || at >= whole + (int64_t)d->fraction.n) {
        return 0;
    }
    return (at < whole ? d->whole.p[at] : d->fraction.p[at - whole]) - '0';
}

cs_money_read cs_money_parse(cs_slice text, int64_t *nanos)
{
    decimal d;
    if (!split_decimal(text, &d)) {
        return CS_MONEY_MALFORMED;
    }
    int64_t digits = (int64_t)(d.whole.n + d.fraction.n);
    int64_t first = 0;
    while (first < digits && digit(&d, first) == 0) {
        first++;
    }
    if (first == digits) {
        *nanos = 0;
        return CS_MONEY_OK;
    }
    /* Digits before `keep` count nanos; those from it on are rounded away. */
    int64_t keep = (int64_t)d.whole.n + d.exponent + 9;
    if (keep - first > 19) {
        return CS_MONEY_RANGE;
    }
    uint64_t sum = 0;
    for (int64_t i = first; i < keep; i++) {
        if (__builtin_mul_overflow(sum, 10U, &sum) || __builtin_add_overflow(sum, (uint64_t)digit(&d, i), &sum)) {
            return CS_MONEY_RANGE;
        }
    }
    int next = digit(&d, keep);
    bool rest = false; /* anything behind the first digit that goes */
    for (int64_t i = keep + 1 > first ? keep + 1 : first; i < digits && !rest; i++) {
        rest = digit(&d, i) != 0;
    }
    bool up = next > 5 || (next == 5 && (rest || (sum & 1) != 0));
    if (up && __builtin_add_overflow(sum, 1U, &sum)) {
        return CS_MONEY_RANGE;
    }
    if (sum > (uint64_t)INT64_MAX + (d.negative ? 1U : 0U)) {
        return CS_MONEY_RANGE;
    }
    *nanos = d.negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return next != 0 || rest ? CS_MONEY_ROUNDED : CS_MONEY_OK;
}

size_t cs_money_format(int64_t nanos, char out[32])
{
    uint64_t u = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    int n =
        snprintf(out, 32, "%s%llu.%09llu", nanos < 0 ? "-" : "", (unsigned long long)(u / (uint64_t)CS_NANOS_PER_UNIT),
                 (unsigned long long)(u % (uint64_t)CS_NANOS_PER_UNIT));
    size_t length = (size_t)n;
    for (int spare = 0; spare < 7 && out[length - 1] == '0'; spare++) {
        length--;
    }
    out[length] = '\0';
    return length;
}
