/* DER piece by piece, and the values in it. */
#include "rego/builtin/der.h"

#include <stdio.h>

#include "countersign/base/buf.h"
#include "countersign/base/time.h"
#include "countersign/base/utf8.h"

static uint8_t byte_at(cs_slice s, size_t i)
{
    return (uint8_t)s.p[i];
}

/* How long the element at the front is, and its tag and length alone; false if that cannot be told. */
static bool measure(cs_slice s, uint32_t *head, uint32_t *whole)
{
    if (s.n < 2 || (byte_at(s, 0) & 0x1F) == 0x1F) {
        return false;
    }
    uint8_t first = byte_at(s, 1);
    if (first < 0x80) {
        *head = 2;
        *whole = first + 2U;
        return true;
    }
    uint32_t width = first & 0x7FU, length = 0;
    if (width == 0 || width > 4 || s.n < 2 + width) {
        return false;
    }
    for (uint32_t i = 0; i < width; i++) {
        length = length << 8 | byte_at(s, 2 + i);
    }
    if (length < 128 || length >> ((width - 1) * 8) == 0 || length > INT32_MAX - 8) {
        return false;
    }
    *head = 2 + width;
    *whole = *head + length;
    return true;
}

bool cs_der__any(cs_slice *s, uint8_t *tag, cs_slice *body, cs_slice *element)
{
    uint32_t head, whole;
    if (!measure(*s, &head, &whole) || whole > s->n) {
        return false;
    }
    *tag = byte_at(*s, 0);
    cs_slice all = cs_slice_make(s->p, whole);
    *s = cs_slice_make(s->p + whole, s->n - whole);
    if (body) {
        *body = cs_slice_make(all.p + head, whole - head);
    }
    if (element) {
        *element = all;
    }
    return true;
}

bool cs_der__take(cs_slice *s, uint8_t tag, cs_slice *body)
{
    uint8_t got;
    return cs_der__any(s, &got, body, NULL) && got == tag;
}

bool cs_der__element(cs_slice *s, uint8_t tag, cs_slice *element)
{
    uint8_t got;
    return cs_der__any(s, &got, NULL, element) && got == tag;
}

bool cs_der__optional(cs_slice *s, uint8_t tag, bool *found, cs_slice *body)
{
    *found = cs_der__peek(*s, tag);
    return !*found || cs_der__take(s, tag, body);
}

bool cs_der__bool(cs_slice *s, bool *out)
{
    cs_slice b;
    if (!cs_der__take(s, CS_DER_BOOLEAN, &b) || b.n != 1 || (byte_at(b, 0) != 0 && byte_at(b, 0) != 0xFF)) {
        return false;
    }
    *out = byte_at(b, 0) != 0;
    return true;
}

static bool minimal(cs_slice b)
{
    if (b.n < 2) {
        return b.n == 1;
    }
    bool high = byte_at(b, 1) >= 0x80;
    return !(byte_at(b, 0) == 0 && !high) && !(byte_at(b, 0) == 0xFF && high);
}

bool cs_der__integer(cs_slice *s, cs_slice *bytes)
{
    return cs_der__take(s, CS_DER_INTEGER, bytes) && minimal(*bytes);
}

bool cs_der__signed(cs_slice bytes, int64_t *out)
{
    if (bytes.n == 0 || bytes.n > 8) {
        return false;
    }
    uint64_t u = byte_at(bytes, 0) >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.n; i++) {
        u = u << 8 | byte_at(bytes, i);
    }
    *out = (int64_t)u;
    return true;
}

bool cs_der__int64(cs_slice *s, uint8_t tag, int64_t *out)
{
    cs_slice bytes;
    return cs_der__take(s, tag, &bytes) && minimal(bytes) && cs_der__signed(bytes, out);
}

bool cs_der__bit_string(cs_slice *s, cs_der_bits *out)
{
    cs_slice b;
    if (!cs_der__take(s, CS_DER_BIT_STRING, &b) || b.n == 0) {
        return false;
    }
    uint8_t padding = byte_at(b, 0);
    b = cs_slice_make(b.p + 1, b.n - 1);
    if (padding > 7 || (b.n == 0 && padding) || (b.n && (byte_at(b, b.n - 1) & ((1U << padding) - 1U)))) {
        return false;
    }
    *out = (cs_der_bits){b, b.n * 8 - padding};
    return true;
}

cs_slice cs_der__right_align(cs_arena *a, cs_der_bits bits)
{
    size_t shift = bits.bytes.n * 8 - bits.bits;
    if (shift == 0) {
        return bits.bytes;
    }
    char *out = cs_arena_alloc(a, bits.bytes.n);
    unsigned before = 0;
    for (size_t i = 0; i < bits.bytes.n; i++) {
        unsigned now = byte_at(bits.bytes, i);
        out[i] = (char)(uint8_t)(before << (8 - shift) | now >> shift);
        before = now;
    }
    return cs_slice_make(out, bits.bytes.n);
}

/* ------------------------------------------------------------------------------------------------ identifiers */

bool cs_der__oid_valid(cs_slice body)
{
    size_t digits = 0;
    uint64_t part = 0;
    for (size_t i = 0; i < body.n; i++) {
        uint8_t b = byte_at(body, i);
        if (digits == 0 && b == 0x80) {
            return false;
        }
        part = part << 7 | (b & 0x7FU);
        digits++;
        if (part > INT32_MAX || digits > 5) {
            return false;
        }
        if (b < 0x80) {
            part = digits = 0;
        }
    }
    return body.n > 0 && digits == 0;
}

bool cs_der__oid(cs_slice *s, cs_slice *body)
{
    return cs_der__take(s, CS_DER_OID, body) && cs_der__oid_valid(*body);
}

uint64_t *cs_der__oid_parts(cs_arena *a, cs_slice body, size_t *n)
{
    uint64_t *parts = cs_arena_alloc(a, (body.n + 1) * sizeof *parts), part = 0;
    *n = 0;
    for (size_t i = 0; i < body.n; i++) {
        part = part << 7 | (byte_at(body, i) & 0x7FU);
        if (byte_at(body, i) >= 0x80) {
            continue;
        }
        if (*n == 0) {
            uint64_t first = part < 80 ? part / 40 : 2;
            parts[(*n)++] = first;
            part -= first * 40;
        }
        parts[(*n)++] = part;
        part = 0;
    }
    return parts;
}

cs_slice cs_der__oid_text(cs_arena *a, cs_slice body)
{
    size_t n, length;
    uint64_t *parts = cs_der__oid_parts(a, body, &n);
    cs_buf text;
    cs_buf_init(&text);
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(&text, i ? "." : "");
        cs_buf_u64(&text, parts[i]);
    }
    length = text.n;
    char *copy = cs_arena_dup(a, length ? text.p : "", length);
    cs_buf_destroy(&text);
    return cs_slice_make(copy, length);
}

/* ------------------------------------------------------------------------------------------------ time */

static bool two_digits(cs_slice *s, int low, int high, int *out)
{
    if (s->n < 2 || s->p[0] < '0' || s->p[0] > '9' || s->p[1] < '0' || s->p[1] > '9') {
        return false;
    }
    *out = (s->p[0] - '0') * 10 + (s->p[1] - '0');
    *s = cs_slice_sub(*s, 2, s->n);
    return *out >= low && *out <= high;
}

/* "Z", or an offset that is not zero and comes back the same when it is written again. */
static bool zone(cs_slice s, int32_t *offset)
{
    *offset = 0;
    if (cs_slice_is(s, "Z")) {
        return true;
    }
    int hours, minutes;
    bool west = s.n && *s.p == '-';
    if (!s.n || (!west && *s.p != '+')) {
        return false;
    }
    s = cs_slice_sub(s, 1, s.n);
    if (!two_digits(&s, 0, 24, &hours) || !two_digits(&s, 0, 60, &minutes) || s.n || minutes == 60) {
        return false;
    }
    *offset = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
    return *offset != 0;
}

static bool last_day(int64_t year, int month, int *out)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *out = days[month - 1] + (month == 2 && leap);
    return true;
}

static bool read_time(cs_slice s, bool four_digits, cs_der_time *out)
{
    int high = 0, low, month, day, most, hour, minute, second = 0;
    if ((four_digits && !two_digits(&s, 0, 99, &high)) || !two_digits(&s, 0, 99, &low)) {
        return false;
    }
    /* A time with two digits is of 1950 to 2049 whatever its day is; but the day is checked in Go's reading of it. */
    int64_t checked = four_digits ? high * 100 + low : low >= 69 ? 1900 + low : 2000 + low;
    int64_t year = checked >= 2050 && !four_digits ? checked - 100 : checked;
    if (!two_digits(&s, 1, 12, &month) || !last_day(checked, month, &most) || !two_digits(&s, 1, most, &day) ||
        !two_digits(&s, 0, 23, &hour) || !two_digits(&s, 0, 59, &minute)) {
        return false;
    }
    bool seconds = s.n > 0 && *s.p >= '0' && *s.p <= '9';
    if ((four_digits && !seconds) || (seconds && !two_digits(&s, 0, 59, &second)) || !zone(s, &out->offset_s)) {
        return false;
    }
    int64_t days = cs_time_days_from_civil(year, month, day);
    out->unix_s = days * 86400 + hour * 3600 + minute * 60 + second - out->offset_s;
    return true;
}

bool cs_der__time(cs_slice *s, uint8_t tag, cs_der_time *out)
{
    cs_slice body;
    return cs_der__take(s, tag, &body) && read_time(body, tag == CS_DER_GENERALIZED_TIME, out);
}

cs_slice cs_der__time_text(cs_arena *a, cs_der_time t)
{
    int64_t local = t.unix_s + t.offset_s, year;
    int64_t days = local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
    int month, day, left = (int)(local - days * 86400);
    cs_time_civil_from_days(days, &year, &month, &day);
    char place[8] = "Z";
    if (t.offset_s) {
        int minutes = (t.offset_s < 0 ? -t.offset_s : t.offset_s) / 60;
        (void)snprintf(place, sizeof place, "%c%02d:%02d", t.offset_s < 0 ? '-' : '+', minutes / 60 % 100,
                       minutes % 60);
    }
    size_t n;
    char *text = cs_arena_printf(a, &n, "%04d-%02d-%02dT%02d:%02d:%02d%s", (int)year, month, day, left / 3600,
                                 left / 60 % 60, left % 60, place);
    return cs_slice_make(text, n);
}

/* ------------------------------------------------------------------------------------------------ strings */

static bool printable(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
           (b && strchr(" '()+,-./:=?*&", b));
}

static const char *latin1(cs_arena *a, cs_slice body, cs_slice *out)
{
    char *text = cs_arena_alloc(a, body.n * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < body.n; i++) {
        n += cs_utf8_encode(byte_at(body, i), text + n);
    }
    *out = cs_slice_make(text, n);
    return NULL;
}

static const char *bmp(cs_arena *a, cs_slice body, cs_slice *out)
{
    if (body.n % 2) {
        return "invalid BMPString";
    }
    if (body.n >= 2 && body.p[body.n - 1] == 0 && body.p[body.n - 2] == 0) {
        body.n -= 2;
    }
    char *text = cs_arena_alloc(a, body.n * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < body.n; i += 2) {
        uint32_t c = (uint32_t)byte_at(body, i) << 8 | byte_at(body, i + 1);
        if (c >= 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF) || (c >= 0xD800 && c <= 0xDFFF)) {
            return "invalid BMPString";
        }
        n += cs_utf8_encode(c, text + n);
    }
    *out = cs_slice_make(text, n);
    return NULL;
}

const char *cs_der__text(cs_arena *a, uint8_t tag, cs_slice body, cs_slice *out)
{
    *out = body;
    size_t good = 0;
    switch (tag) {
    case CS_DER_T61:
    case CS_DER_GENERAL:
        return latin1(a, body, out);
    case CS_DER_BMP:
        return bmp(a, body, out);
    case CS_DER_UTF8:
        return cs_utf8_valid(body) ? NULL : "invalid UTF-8 string";
    case CS_DER_PRINTABLE:
        while (good < body.n && printable(byte_at(body, good))) {
            good++;
        }
        return good == body.n ? NULL : "invalid PrintableString";
    case CS_DER_IA5:
        while (good < body.n && byte_at(body, good) < 0x80) {
            good++;
        }
        return good == body.n ? NULL : "invalid IA5String";
    default:
        while (good < body.n && ((body.p[good] >= '0' && body.p[good] <= '9') || body.p[good] == ' ')) {
            good++;
        }
        return good == body.n ? NULL : "invalid NumericString";
    }
}
