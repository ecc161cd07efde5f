/* Floats to text as Go's strconv does it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rego/builtin/format.h"

#define MANTISSA_BITS 52

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Decimal digits without leading zeros and the place of the point: 0.d1d2… * 10^point. */
typedef struct digits {
    char d[32];
    int n;
    int point;
} digits;

static bool round_trips(double v, int significant, char text[64])
{
    int n = snprintf(text, 64, "%.*e", significant - 1, v);
    return n > 0 && bits_of(strtod(text, NULL)) == bits_of(v);
}

/* The shortest digits that name v (v > 0): 15 are exact if any so few are, 17 always are. */
static digits shortest(double v)
{
    char text[64];
    if (!round_trips(v, 15, text) && !round_trips(v, 16, text)) {
        (void)round_trips(v, 17, text);
    }
    digits out = {.n = 0};
    const char *p = text;
    for (; *p && *p != 'e'; p++) {
        if (*p != '.') {
            out.d[out.n++] = *p;
        }
    }
    while (out.n > 1 && out.d[out.n - 1] == '0') {
        out.n--;
    }
    out.point = (int)strtol(*p ? p + 1 : "0", NULL, 10) + 1;
    return out;
}

static void put_exponent(cs_sink *s, char letter, int exponent)
{
    char text[16];
    int n =
        snprintf(text, sizeof text, "%c%c%02d", letter, exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    cs_sink__put(s, text, n > 0 ? (size_t)n : 0);
}

static void put_e(cs_sink *s, const digits *g, char letter)
{
    cs_sink__byte(s, g->d[0]);
    if (g->n > 1) {
        cs_sink__byte(s, '.');
        cs_sink__put(s, g->d + 1, (size_t)g->n - 1);
    }
    put_exponent(s, letter, g->point - 1);
}

static void put_f(cs_sink *s, const digits *g)
{
    if (g->point <= 0) {
        cs_sink__byte(s, '0');
    }
    for (int i = 0; i < g->point; i++) {
        cs_sink__byte(s, i < g->n ? g->d[i] : '0');
    }
    if (g->n > g->point) {
        cs_sink__byte(s, '.');
        for (int i = g->point; i < g->n; i++) {
            cs_sink__byte(s, i < 0 ? '0' : g->d[i]);
        }
    }
}

static void put_shortest(cs_sink *s, double v, char verb)
{
    digits g = {.d = "0", .n = 1, .point = 1};
    if (v > 0) {
        g = shortest(v);
    }
    int exponent = g.point - 1;
    bool general = verb == 'g' || verb == 'G';
    bool positional = verb == 'f' || (general && exponent >= -4 && exponent < 6);
    if (positional) {
        put_f(s, &g);
    } else {
        put_e(s, &g, verb == 'G' || verb == 'E' ? 'E' : 'e');
    }
}

/* %b: the mantissa as an integer and the exponent of two. */
static void put_binary(cs_sink *s, double v)
{
    uint64_t bits = bits_of(v), mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int exponent = (int)((bits >> MANTISSA_BITS) & 0x7FF);
    if (exponent == 0) {
        exponent = 1;
    } else {
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    }
    exponent -= 1023 + MANTISSA_BITS;
    char text[48];
    int n = snprintf(text, sizeof text, "%llup%+d", (unsigned long long)mantissa, exponent);
    cs_sink__put(s, text, n > 0 ? (size_t)n : 0);
}

/* %x: 0x1.8p+01, the mantissa always normalised. */
static void put_hex(cs_sink *s, double v, char verb, int precision)
{
    const char *hex = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    uint64_t mantissa = bits_of(v) & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int exponent = (int)((bits_of(v) >> MANTISSA_BITS) & 0x7FF);
    exponent = exponent ? exponent : 1;
    mantissa |= bits_of(v) >> MANTISSA_BITS ? UINT64_C(1) << MANTISSA_BITS : 0;
    if (mantissa == 0) {
        exponent = 1023;
    }
    mantissa <<= 8; /* the leading one at bit 60 */
    while (mantissa && !(mantissa >> 60)) {
        mantissa <<= 1;
        exponent--;
    }
    if (precision >= 0 && precision < 15) {
        unsigned shift = (unsigned)precision * 4;
        uint64_t extra = (mantissa << shift) & ((UINT64_C(1) << 60) - 1);
        mantissa >>= 60 - shift;
        if ((extra | (mantissa & 1)) > UINT64_C(1) << 59) {
            mantissa++;
        }
        mantissa <<= 60 - shift;
        if (mantissa >> 61) {
            mantissa >>= 1;
            exponent++;
        }
    }
    char head[4] = {'0', verb, (char)('0' + ((mantissa >> 60) & 1)), 0};
    cs_sink__put(s, head, 3);
    mantissa <<= 4;
    if (precision < 0 ? mantissa != 0 : precision > 0) {
        cs_sink__byte(s, '.');
        for (int i = 0; precision < 0 ? mantissa != 0 : i < precision; i++) {
            cs_sink__byte(s, hex[(mantissa >> 60) & 15]);
            mantissa <<= 4;
        }
    }
    put_exponent(s, verb == 'X' ? 'P' : 'p', exponent - 1023);
}

/* %g with a precision: C has the same rule but for the point at which the exponent comes when there are fewer digits.
 */
static void put_general(cs_sink *s, double v, char verb, int precision)
{
    precision = precision ? precision : 1;
    int most = precision < 800 ? precision : 800; /* no double has more digits */
    char text[1200];
    int n = snprintf(text, sizeof text, "%.*e", most - 1, v);
    digits g = {.n = 0};
    char all[900];
    int count = 0;
    const char *p = text;
    for (; n > 0 && *p && *p != 'e'; p++) {
        if (*p != '.') {
            all[count++] = *p;
        }
    }
    g.point = (int)strtol(*p ? p + 1 : "0", NULL, 10) + 1;
    while (count > 1 && all[count - 1] == '0') {
        count--;
    }
    int exponent = g.point - 1, limit = precision;
    if (limit > count && count >= g.point) {
        limit = count;
    }
    bool zero = count == 1 && all[0] == '0';
    if (!zero && (exponent < -4 || exponent >= limit)) {
        cs_sink__byte(s, all[0]);
        if (count > 1) {
            cs_sink__byte(s, '.');
            cs_sink__put(s, all + 1, (size_t)count - 1);
        }
        put_exponent(s, verb == 'G' ? 'E' : 'e', exponent);
        return;
    }
    if (g.point <= 0) {
        cs_sink__byte(s, '0');
    }
    for (int i = 0; i < g.point; i++) {
        cs_sink__byte(s, i < count ? all[i] : '0');
    }
    if (count > g.point) {
        cs_sink__byte(s, '.');
        for (int i = g.point; i < count; i++) {
            cs_sink__byte(s, i < 0 ? '0' : all[i]);
        }
    }
}

/* %e and %f with a precision, as C. More places than a double can fill are zeros. */
static void put_fixed(cs_sink *s, double v, char verb, int precision)
{
    int most = precision < 1100 ? precision : 1100;
    char text[1600];
    int n = verb == 'f' ? snprintf(text, sizeof text, "%.*f", most, v) : snprintf(text, sizeof text, "%.*e", most, v);
    size_t body = n > 0 ? (size_t)n : 0, exponent = 0;
    if (verb != 'f') {
        const char *e = memchr(text, 'e', body);
        exponent = e ? body - (size_t)(e - text) : 0;
        if (e && verb == 'E') {
            text[e - text] = 'E';
        }
    }
    cs_sink__put(s, text, body - exponent);
    for (int i = most; i < precision; i++) {
        cs_sink__byte(s, '0');
    }
    cs_sink__put(s, text + body - exponent, exponent);
}

void cs_format__float(cs_sink *s, double v, char verb, int precision)
{
    if (signbit(v)) {
        cs_sink__byte(s, '-');
        v = -v;
    }
    if (verb == 'b') {
        put_binary(s, v);
    } else if (verb == 'x' || verb == 'X') {
        put_hex(s, v, verb, precision);
    } else if (precision < 0) {
        put_shortest(s, v, verb);
    } else if (verb == 'g' || verb == 'G') {
        put_general(s, v, verb, precision);
    } else {
        put_fixed(s, v, verb, precision);
    }
}
