/* Constants in templates: strings, characters and integers in Go's syntax. */
#include "countersign/base/utf8.h"
#include "rego/builtin/template.h"

/* One escape behind the backslash at *at; false if it is none. */
static bool unescape(cs_slice s, size_t *at, char quote, char *out, size_t *n)
{
    static const char plain[] = "abfnrtv\\", means[] = "\a\b\f\n\r\t\v\\";
    char c = s.p[(*at)++];
    const char *known = c ? strchr(plain, c) : NULL;
    if (known || c == quote) {
        out[(*n)++] = known ? means[known - plain] : c;
        return true;
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
    bool octal = digits == 3;
    *at -= octal;
    if (digits == 0 || s.n - *at < digits) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        char d = s.p[(*at)++];
        int v = d >= '0' && d <= (octal ? '7' : '9')               ? d - '0'
                : !octal && (d | 0x20) >= 'a' && (d | 0x20) <= 'f' ? (d | 0x20) - 'a' + 10
                                                                   : -1;
        if (v < 0) {
            return false;
        }
        value = value * (octal ? 8 : 16) + (uint32_t)v;
    }
    if (c == 'x' || octal) {
        out[(*n)++] = (char)value;
        return value < 256;
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
        return false;
    }
    *n += cs_utf8_encode(value, out + *n);
    return true;
}

bool cs_tmpl__unquote(cs_call *call, cs_slice text, cs_slice *out)
{
    /* A byte that is no text becomes three (U+FFFD). */
    char quote = *text.p, *made = cs_arena_alloc(call->arena, text.n * 3 + 4);
    cs_slice s = cs_slice_sub(text, 1, text.n - 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        if (quote == '`') {
            if (s.p[i] != '\r') {
                made[n++] = s.p[i];
            }
            i++;
        } else if (s.p[i] != '\\') {
            size_t width;
            uint32_t r = cs_utf8_decode(s.p + i, s.n - i, &width);
            n += cs_utf8_encode(r, made + n);
            i += width;
        } else if (++i == s.n || !unescape(s, &i, quote, made, &n)) {
            return false;
        }
    }
    *out = cs_slice_make(made, n);
    return true;
}

bool cs_tmpl__read_int(cs_slice s, uint64_t *out)
{
    unsigned base = 10;
    if (s.n > 1 && *s.p == '0') {
        char c = (char)(s.p[1] | 0x20);
        base = c == 'x' ? 16 : c == 'o' || (c >= '0' && c <= '7') || s.p[1] == '_' ? 8 : c == 'b' ? 2 : 10;
        s = cs_slice_sub(s, c == 'x' || c == 'o' || c == 'b' ? 2 : 1, s.n);
    }
    *out = 0;
    bool any = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                     : (c | 0x20) >= 'a'  ? (unsigned)((c | 0x20) - 'a' + 10)
                                          : 99;
        if (c == '_') {
            continue;
        }
        if (d >= base || __builtin_mul_overflow(*out, base, out) || __builtin_add_overflow(*out, d, out)) {
            return false;
        }
        any = true;
    }
    return any;
}
