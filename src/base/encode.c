/* Hexadecimal, base64 and percent-encoding. */
#include "countersign/base/encode.h"

static const char hex_digits[] = "0123456789abcdef";

/* 0..15, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

cs_slice cs_hex_encode(cs_arena *a, cs_slice bytes)
{
    char *out = cs_arena_alloc(a, bytes.n * 2 + 1);
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        out[2 * i] = hex_digits[c >> 4];
        out[2 * i + 1] = hex_digits[c & 15U];
    }
    out[bytes.n * 2] = '\0';
    return (cs_slice){out, bytes.n * 2};
}

static bool bad_at(size_t *bad, size_t at)
{
    if (bad != NULL) {
        *bad = at;
    }
    return false;
}

bool cs_hex_decode(cs_arena *a, cs_slice text, cs_slice *out, size_t *bad)
{
    for (size_t i = 0; i < text.n; i++) {
        if (hex_value(text.p[i]) < 0) {
            return bad_at(bad, i);
        }
    }
    if (text.n % 2 != 0) {
        return bad_at(bad, text.n);
    }
    char *bytes = cs_arena_alloc(a, text.n / 2 + 1);
    for (size_t i = 0; i < text.n / 2; i++) {
        bytes[i] = (char)(hex_value(text.p[2 * i]) << 4 | hex_value(text.p[2 * i + 1]));
    }
    bytes[text.n / 2] = '\0';
    *out = (cs_slice){bytes, text.n / 2};
    return true;
}

static const char std_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

cs_slice cs_base64_encode(cs_arena *a, cs_slice bytes, cs_base64_kind kind)
{
    const char *digits = kind == CS_BASE64_STD ? std_digits : url_digits;
    char *out = cs_arena_alloc(a, bytes.n / 3 * 4 + 5);
    char *p = out;
    size_t i = 0;
    for (; i + 3 <= bytes.n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)bytes.p[i] << 16 | (uint32_t)(unsigned char)bytes.p[i + 1] << 8 |
                     (uint32_t)(unsigned char)bytes.p[i + 2];
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63U];
        *p++ = digits[v >> 6 & 63U];
        *p++ = digits[v & 63U];
    }
    size_t left = bytes.n - i;
    if (left > 0) {
        uint32_t v = (uint32_t)(unsigned char)bytes.p[i] << 16;
        v |= left == 2 ? (uint32_t)(unsigned char)bytes.p[i + 1] << 8 : 0;
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63U];
        if (left == 2) {
            *p++ = digits[v >> 6 & 63U];
        }
        for (size_t pad = left; pad < 3 && kind != CS_BASE64_URL_NOPAD; pad++) {
            *p++ = '=';
        }
    }
    *p = '\0';
    return (cs_slice){out, (size_t)(p - out)};
}

/* 0..63, or -1. */
static int base64_value(char c, bool url)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == (url ? '-' : '+')) {
        return 62;
    }
    return c == (url ? '_' : '/') ? 63 : -1;
}

static size_t skip_newlines(cs_slice text, size_t at)
{
    while (at < text.n && (text.p[at] == '\n' || text.p[at] == '\r')) {
        at++;
    }
    return at;
}

/* What stands behind the digits of the last group, of which there are `have`: the padding, and nothing after it. `at`
 * is the offset of the first '='. SIZE_MAX if all is well, else the offset that Go would name. */
static size_t check_padding(cs_slice text, size_t at, unsigned have)
{
    if (have < 2) {
        return at;
    }
    size_t next = at + 1;
    if (have == 2) {
        next = skip_newlines(text, next);
        if (next == text.n) {
            return text.n;
        }
        if (text.p[next] != '=') {
            return next - 1;
        }
        next++;
    }
    next = skip_newlines(text, next);
    return next == text.n ? SIZE_MAX : next;
}

bool cs_base64_decode(cs_arena *a, cs_slice text, cs_base64_kind kind, cs_slice *out, size_t *bad)
{
    bool padded = kind != CS_BASE64_URL_NOPAD;
    char *bytes = cs_arena_alloc(a, text.n / 4 * 3 + 4);
    size_t n = 0;
    uint32_t group = 0;
    unsigned have = 0; /* digits in the group */
    size_t i = 0;
    for (; i < text.n; i++) {
        char c = text.p[i];
        int value = base64_value(c, kind != CS_BASE64_STD);
        if (value >= 0) {
            group = group << 6 | (uint32_t)value;
            if (++have == 4) {
                bytes[n++] = (char)(group >> 16);
                bytes[n++] = (char)(group >> 8);
                bytes[n++] = (char)group;
                group = 0;
                have = 0;
            }
        } else if (c == '=' && padded) {
            size_t wrong = check_padding(text, i, have);
            if (wrong != SIZE_MAX) {
                return bad_at(bad, wrong);
            }
            break;
        } else if (c != '\n' && c != '\r') {
            return bad_at(bad, i);
        }
    }
    if (i == text.n && have > 0 && (padded || have == 1)) {
        return bad_at(bad, text.n - have);
    }
    if (have >= 2) {
        group <<= 6U * (4U - have);
        bytes[n++] = (char)(group >> 16);
        if (have == 3) {
            bytes[n++] = (char)(group >> 8);
        }
    }
    bytes[n] = '\0';
    *out = (cs_slice){bytes, n};
    return true;
}

bool cs_percent_decode(cs_arena *a, cs_slice text, bool plus, cs_slice *out)
{
    char *bytes = cs_arena_alloc(a, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 1 < text.n ? hex_value(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? hex_value(text.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        bytes[n++] = c;
    }
    bytes[n] = '\0';
    *out = (cs_slice){bytes, n};
    return true;
}

void cs_percent_encode(cs_buf *out, cs_slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (plain) {
            cs_buf_byte(out, (char)c);
        } else {
            cs_buf_byte(out, '%');
            cs_buf_byte(out, hex[c >> 4]);
            cs_buf_byte(out, hex[c & 15]);
        }
    }
}
