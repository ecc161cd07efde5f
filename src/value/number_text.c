/* Numbers to text: floats as math/big prints them with the fewest digits, doubles as Go's encoding/json does, integers
 * in any base. */
#include <gmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "internal.h"

/* ---- laying out digits: 0.d1d2… × 10^point */

static void zeros(cs_buf *out, int64_t n)
{
    if (n > 0) {
        memset(cs_buf_room(out, (size_t)n), '0', (size_t)n);
        out->n += (size_t)n;
    }
}

static void lay_out_plain(cs_buf *out, const char *digits, size_t n, int64_t point)
{
    if (point <= 0) {
        cs_buf_text(out, "0.");
        zeros(out, -point);
        cs_buf_put(out, digits, n);
    } else if ((size_t)point >= n) {
        cs_buf_put(out, digits, n);
        zeros(out, point - (int64_t)n);
    } else {
        cs_buf_put(out, digits, (size_t)point);
        cs_buf_byte(out, '.');
        cs_buf_put(out, digits + point, n - (size_t)point);
    }
}

/* Go's %g with the shortest digits: plain while the exponent is in [-4, 6). */
static void lay_out(cs_buf *out, const char *digits, size_t n, int64_t point, bool integer)
{
    int64_t exponent = point - 1;
    if (integer || (exponent >= -4 && exponent < 6)) {
        lay_out_plain(out, digits, n, point);
        return;
    }
    cs_buf_byte(out, digits[0]);
    if (n > 1) {
        cs_buf_byte(out, '.');
        cs_buf_put(out, digits + 1, n - 1);
    }
    cs_buf_printf(out, "e%c%02lld", exponent < 0 ? '-' : '+', (long long)(exponent < 0 ? -exponent : exponent));
}

/* Adds one to the last of n digits; carries shorten the text. Returns the new count and may move the point. */
static size_t round_up(char *digits, size_t n, int64_t *point)
{
    while (n > 0 && digits[n - 1] == '9') {
        n--;
    }
    if (n == 0) {
        digits[0] = '1';
        (*point)++;
        return 1;
    }
    digits[n - 1]++;
    return n;
}

static size_t round_down(const char *digits, size_t n)
{
    while (n > 0 && digits[n - 1] == '0') {
        n--;
    }
    return n;
}

/* ---- the general printer: exact decimal expansions of the float and of the two midpoints beside it */

typedef struct expansion {
    char *digits; /* without trailing zeros; cs_alloc'd */
    size_t n;
    int64_t point;
} expansion;

static expansion expand(const mpz_t m, int64_t exp)
{
    mpz_t z;
    mpz_init_set(z, m);
    if (exp >= 0) {
        mpz_mul_2exp(z, z, (mp_bitcnt_t)exp);
    } else {
        mpz_t power;
        mpz_init(power);
        mpz_ui_pow_ui(power, 5, (unsigned long)-exp);
        mpz_mul(z, z, power);
        mpz_clear(power);
    }
    expansion x;
    x.digits = cs_alloc(mpz_sizeinbase(z, 10) + 2);
    (void)mpz_get_str(x.digits, 10, z);
    mpz_clear(z);
    size_t n = strlen(x.digits);
    x.point = (int64_t)n + (exp < 0 ? exp : 0);
    x.n = round_down(x.digits, n);
    return x;
}

static char digit_at(const expansion *x, size_t i)
{
    return i < x->n ? x->digits[i] : '0';
}

/* Cuts d to the first length at which it still lies between the midpoints, as math/big's roundShortest does: the digits
 * are compared by their place in the three texts. */
static void shorten(expansion *d, const expansion *lower, const expansion *upper, bool inclusive)
{
    for (size_t i = 0; i < d->n; i++) {
        char m = d->digits[i];
        char l = digit_at(lower, i);
        char u = digit_at(upper, i);
        bool down = l != m || (inclusive && i + 1 == lower->n);
        bool up = m != u && (inclusive || m + 1 < u || i + 1 < upper->n);
        if (!down && !up) {
            continue;
        }
        size_t n = i + 1;
        if (n >= d->n) {
            return;
        }
        if (down && up) {
            bool halfway = d->digits[n] == '5' && n + 1 == d->n;
            up = halfway ? (d->digits[i] & 1) != 0 : d->digits[n] >= '5';
        }
        d->n = up ? round_up(d->digits, n, &d->point) : round_down(d->digits, n);
        return;
    }
}

void cs_number__print_float(cs_buf *out, cs_float x, unsigned precision)
{
    if (x.negative) {
        cs_buf_byte(out, '-');
    }
    if (x.mant == 0) {
        cs_buf_byte(out, '0');
        return;
    }
    /* m is the mantissa doubled, so that one is half a unit in the last place. */
    mpz_t m;
    mpz_init_set_ui(m, x.mant >> (64 - precision));
    bool inclusive = mpz_even_p(m) != 0;
    int64_t exp = (int64_t)x.exp + (int64_t)(64 - precision) - 1;
    mpz_mul_2exp(m, m, 1);
    expansion d = expand(m, exp);
    mpz_sub_ui(m, m, 1);
    expansion lower = expand(m, exp);
    mpz_add_ui(m, m, 2);
    expansion upper = expand(m, exp);
    mpz_clear(m);
    shorten(&d, &lower, &upper, inclusive);
    lay_out(out, d.digits, d.n, d.point, cs_float__is_integer(x));
    cs_free(d.digits);
    cs_free(lower.digits);
    cs_free(upper.digits);
}

/* ---- the fast printer: a fraction below 2^63 whose binary digits fit 128 bits */

static bool fast_case(cs_float x)
{
    return x.exp < 0 && x.exp >= -123;
}

/* Digits of a positive fraction, most 21 behind 19; returns their count. */
static size_t fast_digits(cs_float x, char digits[64], int64_t *point)
{
    unsigned bits = (unsigned)-x.exp + 1; /* of the fraction, with one more for half a unit in the last place */
    uint64_t whole = bits > 64 ? 0 : x.mant >> (bits - 1);
    cs_wide one = (cs_wide)1 << bits;
    cs_wide rest = (((cs_wide)x.mant) << 1) & (one - 1);
    cs_wide half_unit = 1;
    bool inclusive = (x.mant & 1) == 0;
    size_t n = 0;
    *point = 0;
    if (whole != 0) {
        char room[32];
        cs_slice s = cs_number_text(cs_int((int64_t)whole), room);
        memcpy(digits, s.p, s.n);
        n = s.n;
        *point = (int64_t)n;
    }
    for (;;) {
        rest *= 10;
        half_unit *= 10;
        char digit = (char)('0' + (int)(rest >> bits));
        rest &= one - 1;
        cs_wide above = one - rest;
        bool down = inclusive ? rest <= half_unit : rest < half_unit;
        bool up = inclusive ? above <= half_unit : above < half_unit;
        if (n == 0 && digit == '0' && !up) {
            (*point)--;
            continue;
        }
        digits[n++] = digit;
        if (!down && !up) {
            continue;
        }
        if (down && up) {
            up = rest > above || (rest == above && (digit & 1) != 0);
        }
        return up ? round_up(digits, n, point) : round_down(digits, n);
    }
}

/* The double nearest to a float of the fast case, or NAN if only the text can tell: a tie between two doubles. */
static double double_of(cs_float x)
{
    if ((x.mant & 0x7FF) == 0x400) {
        return (double)NAN;
    }
    /* 2^exp as a double; the product is exact but for the rounding of the mantissa. */
    uint64_t bits = (uint64_t)(1023 + x.exp) << 52;
    double power = 0;
    memcpy(&power, &bits, sizeof power);
    double d = (double)x.mant * power;
    return x.negative ? -d : d;
}

/* A fraction with a small exponent, laid out without a buffer: what prices and shares are. 0 if it is not one. */
static size_t short_text(char room[96], const char *digits, size_t n, int64_t point, bool negative)
{
    if (point <= -4 || point > 6 || point >= (int64_t)n) {
        return 0;
    }
    size_t at = 0;
    if (negative) {
        room[at++] = '-';
    }
    size_t before = point > 0 ? (size_t)point : 0;
    if (before == 0) {
        room[at++] = '0';
    }
    memcpy(room + at, digits, before);
    at += before;
    room[at++] = '.';
    for (int64_t i = point; i < 0; i++) {
        room[at++] = '0';
    }
    memcpy(room + at, digits + before, n - before);
    return at + n - before;
}

cs_value cs_number__from_float(cs_arena *a, cs_float x, unsigned precision)
{
    uint64_t whole = 0;
    bool fraction = false;
    bool small = cs_float__trunc(x, &whole, &fraction);
    /* Below this every integer has all its digits at the precision. */
    uint64_t exact = precision == 64 ? (uint64_t)INT64_MAX : UINT64_C(1) << precision;
    if (small && !fraction && whole <= exact && (whole != 0 || !x.negative)) {
        return cs_int(x.negative ? -(int64_t)whole : (int64_t)whole);
    }
    cs_buf out;
    cs_buf_init(&out);
    double nearest = (double)NAN;
    if (precision == 64 && fraction && fast_case(x)) {
        char digits[64];
        char room[96];
        int64_t point = 0;
        size_t n = fast_digits(x, digits, &point);
        nearest = double_of(x);
        size_t length = short_text(room, digits, n, point, x.negative);
        if (length > 0) {
            return isnan(nearest) ? cs_number__printed(a, room, length, nearest)
                                  : cs_number__fraction(a, room, length, nearest);
        }
        if (x.negative) {
            cs_buf_byte(&out, '-');
        }
        lay_out(&out, digits, n, point, false);
    } else {
        cs_number__print_float(&out, x, precision);
    }
    cs_value v = cs_number__printed(a, out.p, out.n, nearest);
    cs_buf_destroy(&out);
    return v;
}

/* ---- doubles */

size_t cs_double_digits(double d, char digits[24], int *point)
{
    char text[40];
    d = fabs(d);
    /* The fewest digits that read back as the same double are its nearest decimal of that length. */
    int precision = d < 1e-290 ? 1 : 15;
    for (;; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision - 1, d);
        double back = strtod(text, NULL);
        if (precision >= 17 || (!(back < d) && !(back > d))) {
            break;
        }
    }
    size_t n = 0;
    const char *p = text;
    for (; *p != 'e' && n < 20; p++) {
        if (*p != '.') {
            digits[n++] = *p;
        }
    }
    *point = (int)strtol(p + 1, NULL, 10) + 1;
    return round_down(digits, n);
}

void cs_number__print_double(cs_buf *out, double d, int plain_from, int plain_to, bool wide_exponent)
{
    char digits[24];
    int point = 0;
    size_t n = cs_double_digits(d, digits, &point);
    if (signbit(d)) {
        cs_buf_byte(out, '-');
    }
    int exponent = point - 1;
    if (n == 0) {
        cs_buf_byte(out, '0');
    } else if (exponent >= plain_from && exponent < plain_to) {
        lay_out_plain(out, digits, n, point);
    } else {
        cs_buf_byte(out, digits[0]);
        if (n > 1) {
            cs_buf_byte(out, '.');
            cs_buf_put(out, digits + 1, n - 1);
        }
        cs_buf_printf(out, wide_exponent ? "e%+03d" : "e%+d", exponent);
    }
}

cs_value cs_number_from_double(cs_arena *a, double d)
{
    if (!isfinite(d)) {
        return cs_undefined();
    }
    cs_buf out;
    cs_buf_init(&out);
    cs_number__print_double(&out, d, -6, 21, false);
    cs_value v = cs_number__printed(a, out.p, out.n, d);
    cs_buf_destroy(&out);
    return v;
}
