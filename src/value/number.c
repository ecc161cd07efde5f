/* Numbers: reading them, telling their kinds apart, comparing and hashing. No big arithmetic here. */
#include "countersign/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "internal.h"

#define EXPONENT_CUT ((int64_t)1 << 40)

/* 10^0 … 10^22: the powers that a double holds exactly. */
static const double POW10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t POW10_INT[] = {1U,
                                     10U,
                                     100U,
                                     1000U,
                                     10000U,
                                     100000U,
                                     1000000U,
                                     10000000U,
                                     100000000U,
                                     1000000000U,
                                     10000000000U,
                                     100000000000U,
                                     1000000000000U,
                                     10000000000000U,
                                     100000000000000U,
                                     1000000000000000U,
                                     10000000000000000U,
                                     100000000000000000U,
                                     1000000000000000000U,
                                     10000000000000000000U};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* The exponent behind 'e', saturated. */
static bool read_exponent(const char *p, const char *end, int64_t *out)
{
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    if (p == end) {
        return false;
    }
    int64_t x = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) {
            return false;
        }
        if (x < EXPONENT_CUT) {
            x = x * 10 + (*p - '0');
        }
    }
    *out = negative ? -x : x;
    return true;
}

/* Digits, at most one dot among them; fills everything but the exponent. Returns where it stopped, NULL without a
 * digit. */
static const char *read_digits(const char *p, const char *end, cs_decimal *d)
{
    uint32_t seen = 0;   /* digits since the first that is not 0 */
    uint32_t zeros = 0;  /* zeros since the last that is not 0 */
    int64_t leading = 0; /* zeros between the dot and the first digit that is not 0 */
    int64_t whole = 0;   /* digits before the dot, from the first that is not 0 */
    bool dot = false;
    bool any = false;
    for (; p < end; p++) {
        char c = *p;
        if (!is_digit(c)) {
            if (c != '.' || dot) {
                break;
            }
            dot = true;
            continue;
        }
        any = true;
        if (c == '0') {
            zeros += seen != 0;
            leading += dot && seen == 0;
        } else {
            if (seen == 0) {
                d->first = p;
            }
            if (seen + 1 <= 19) {
                d->m = d->m * POW10_INT[seen == 0 ? 0 : zeros + 1] + (uint64_t)(c - '0');
            }
            zeros = 0;
            d->digits = seen + 1;
        }
        seen += seen != 0 || c != '0';
        whole += !dot && seen != 0;
    }
    d->point = whole > 0 ? whole : -leading;
    return any ? p : NULL;
}

bool cs_number__decimal(cs_slice text, cs_decimal *d)
{
    const char *p = text.p;
    const char *end = p + text.n;
    *d = (cs_decimal){0};
    if (p < end && (*p == '-' || *p == '+')) {
        d->negative = *p == '-';
        p++;
    }
    p = read_digits(p, end, d);
    if (p == NULL) {
        return false;
    }
    int64_t exponent = 0;
    if (p < end) {
        if ((*p | 0x20) != 'e' || !read_exponent(p + 1, end, &exponent)) {
            return false;
        }
    }
    if (d->digits == 0) {
        d->point = 0;
        return true;
    }
    d->point += exponent;
    return true;
}

double cs_number__double(const cs_decimal *d)
{
    if (d->digits == 0) {
        return 0;
    }
    int64_t e = d->point - (int64_t)d->digits;
    double x = 0;
    if (d->digits <= 15 && e >= -22 && e <= 22) {
        x = (double)d->m;
        x = e < 0 ? x / POW10[-e] : x * POW10[e];
        return d->negative ? -x : x;
    }
    if (d->point > 310) {
        x = HUGE_VAL;
    } else if (d->point >= -325) {
        /* strtod rounds correctly; 800 digits and a mark for the rest decide every case. */
        char room[840];
        size_t n = 0;
        const char *p = d->first;
        for (uint32_t i = 0; i < d->digits && i < 800; p++) {
            if (*p != '.') {
                room[n++] = *p;
                i++;
            }
        }
        int64_t shift = d->point - (int64_t)n;
        if (d->digits > 800) {
            room[n++] = '1';
            shift--;
        }
        (void)snprintf(room + n, sizeof room - n, "e%d", (int)shift);
        x = strtod(room, NULL);
    }
    return d->negative && x > 0 ? -x : x;
}

bool cs_number__plain_int(cs_slice text, int64_t *out)
{
    const char *p = text.p;
    const char *end = p + text.n;
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    if (p == end || end - p > 19) {
        return false;
    }
    uint64_t n = 0;
    for (; p < end && *p != '.'; p++) {
        if (!is_digit(*p)) {
            return false;
        }
        n = n * 10 + (uint64_t)(*p - '0');
    }
    if (p < end) {
        for (p++; p < end; p++) {
            if (*p != '0') {
                return false;
            }
        }
    }
    if (n > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

/* ---- making values */

/* The integer that the decimal is, if it is one and fits. */
static bool decimal_int(const cs_decimal *d, int64_t *out)
{
    if (d->digits == 0) {
        *out = 0;
        return true;
    }
    if (d->point < (int64_t)d->digits || d->point > 19) {
        return false;
    }
    cs_wide wide = (cs_wide)d->m * POW10_INT[d->point - (int64_t)d->digits];
    if (wide > (uint64_t)INT64_MAX + d->negative) {
        return false;
    }
    uint64_t m = (uint64_t)wide;
    *out = d->negative ? (int64_t)(0 - m) : (int64_t)m;
    return true;
}

static cs_value number_record(cs_arena *a, cs_slice text, const cs_decimal *d, double nearest)
{
    cs_number *number = cs_arena_alloc(a, sizeof *number);
    number->text = text;
    number->integral = d->digits == 0 || d->point >= (int64_t)d->digits;
    number->i = 0;
    number->fits = decimal_int(d, &number->i);
    number->d = isnan(nearest) ? cs_number__double(d) : nearest;
    return (cs_value){.kind = CS_NUMBER, .form = CS_NUMBER_TEXT, .u.number = number};
}

/* The quick way for what amounts are: at most 15 digits, a dot among them, no exponent. */
static bool short_decimal(cs_arena *a, cs_slice text, cs_value *out)
{
    const char *p = text.p;
    const char *end = p + text.n;
    bool negative = p < end && *p == '-';
    p += negative;
    if (end - p > 16 || end - p < 3) {
        return false;
    }
    uint64_t m = 0;
    size_t behind = 0; /* digits behind the dot */
    bool dot = false;
    for (; p < end; p++) {
        if (is_digit(*p)) {
            m = m * 10 + (uint64_t)(*p - '0');
            behind += dot;
        } else if (*p == '.' && !dot) {
            dot = true;
        } else {
            return false;
        }
    }
    if (!dot || behind == 0) {
        return false;
    }
    cs_number *number = cs_arena_alloc(a, sizeof *number);
    number->text = text;
    number->integral = m % POW10_INT[behind] == 0;
    number->fits = number->integral;
    int64_t whole = number->integral ? (int64_t)(m / POW10_INT[behind]) : 0;
    number->i = negative ? -whole : whole;
    number->d = (double)m / POW10[behind];
    number->d = negative && m != 0 ? -number->d : number->d;
    *out = (cs_value){.kind = CS_NUMBER, .form = CS_NUMBER_TEXT, .u.number = number};
    return true;
}

/* Is the text how an int64 is printed? Then *i is its value. */
static bool canonical_int(cs_slice text, int64_t *i)
{
    const char *p = text.p;
    size_t n = text.n;
    bool negative = n > 0 && *p == '-';
    p += negative;
    n -= negative;
    if (n == 0 || n > 19 || (*p == '0' && (n > 1 || negative))) {
        return false;
    }
    uint64_t m = 0;
    for (size_t k = 0; k < n; k++) {
        if (!is_digit(p[k])) {
            return false;
        }
        m = m * 10 + (uint64_t)(p[k] - '0');
    }
    if (m > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *i = negative ? (int64_t)(0 - m) : (int64_t)m;
    return true;
}

cs_value cs_number__value(cs_arena *a, cs_slice text, const cs_decimal *d)
{
    int64_t i = 0;
    if (canonical_int(text, &i)) {
        return cs_int(i);
    }
    return number_record(a, text, d, (double)NAN);
}

cs_value cs_number__fraction(cs_arena *a, const char *text, size_t n, double d)
{
    cs_number *number = cs_arena_alloc(a, sizeof *number);
    *number = (cs_number){.text = {cs_arena_dup(a, text, n), n}, .d = d};
    return (cs_value){.kind = CS_NUMBER, .form = CS_NUMBER_TEXT, .u.number = number};
}

cs_value cs_number__printed(cs_arena *a, const char *text, size_t n, double d)
{
    cs_slice s = {text, n};
    int64_t i = 0;
    if (canonical_int(s, &i)) {
        return cs_int(i);
    }
    s.p = cs_arena_dup(a, text, n);
    cs_value v;
    if (short_decimal(a, s, &v)) {
        return v;
    }
    cs_decimal decimal;
    (void)cs_number__decimal(s, &decimal);
    return number_record(a, s, &decimal, d);
}

/* Numbers with an exponent are refused as OPA refuses them: by the size of the binary exponent. */
static bool exponent_fits(const cs_decimal *d)
{
    if (d->digits == 0) {
        return true;
    }
    double most = (double)cs_limits_get()->number_exponent;
    if (fabs((double)d->point) * 4 <= most) {
        return true;
    }
    char lead[20];
    size_t n = 0;
    for (const char *p = d->first; n < 17 && n < d->digits; p++) {
        if (*p != '.') {
            lead[n++] = *p;
        }
    }
    lead[n] = '\0';
    double log2 = (log10(strtod(lead, NULL)) - (double)n + (double)d->point) * 3.32192809488736234787;
    return fabs(floor(log2) + 1) <= most;
}

cs_err cs_number_parse(cs_arena *a, cs_slice text, cs_value *out, cs_error *e)
{
    int64_t i = 0;
    if (canonical_int(text, &i)) {
        *out = cs_int(i);
        return CS_OK;
    }
    if (short_decimal(a, text, out)) {
        return CS_OK;
    }
    cs_decimal d;
    if (text.n > cs_limits_get()->number_digits) {
        return cs_fail(e, CS_ERR_LIMIT, "number too big");
    }
    if (!cs_number__decimal(text, &d)) {
        return cs_fail(e, CS_ERR_INVALID, "invalid number");
    }
    if (!exponent_fits(&d)) {
        return cs_fail(e, CS_ERR_LIMIT, "number too big");
    }
    *out = number_record(a, text, &d, (double)NAN);
    return CS_OK;
}

bool cs_number_valid(cs_slice text)
{
    const char *p = text.p;
    const char *end = p + text.n;
    p += p < end && *p == '-';
    if (p == end || !is_digit(*p)) {
        return false;
    }
    if (*p == '0') {
        p++;
    } else {
        while (p < end && is_digit(*p)) {
            p++;
        }
    }
    if (p < end && *p == '.') {
        p++;
        if (p == end || !is_digit(*p)) {
            return false;
        }
        while (p < end && is_digit(*p)) {
            p++;
        }
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        if (p == end || !is_digit(*p)) {
            return false;
        }
        while (p < end && is_digit(*p)) {
            p++;
        }
    }
    return p == end;
}

cs_value cs_number_from_u64(cs_arena *a, uint64_t u)
{
    if (u <= (uint64_t)INT64_MAX) {
        return cs_int((int64_t)u);
    }
    char room[24];
    int n = snprintf(room, sizeof room, "%llu", (unsigned long long)u);
    return cs_number__printed(a, room, (size_t)n, (double)NAN);
}

/* ---- asking */

static size_t print_int(int64_t i, char *room)
{
    char digits[20];
    size_t n = 0;
    size_t at = 0;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (i < 0) {
        room[at++] = '-';
    }
    while (n > 0) {
        room[at++] = digits[--n];
    }
    return at;
}

cs_slice cs_number_text(cs_value number, char room[32])
{
    if (number.form == CS_NUMBER_TEXT) {
        return number.u.number->text;
    }
    return (cs_slice){room, print_int(number.u.i, room)};
}

void cs_number__take(cs_value v, char room[32], cs_decimal *d)
{
    (void)cs_number__decimal(cs_number_text(v, room), d);
}

bool cs_number_is_int(cs_value number, int64_t *out)
{
    if (number.form == CS_NUMBER_INT) {
        *out = number.u.i;
        return true;
    }
    if (!number.u.number->fits) {
        return false;
    }
    *out = number.u.number->i;
    return true;
}

bool cs_number_is_integral(cs_value number)
{
    return number.form == CS_NUMBER_INT || number.u.number->integral;
}

double cs_number_double(cs_value number)
{
    return number.form == CS_NUMBER_INT ? (double)number.u.i : number.u.number->d;
}

bool cs_number_index(cs_value number, uint64_t *out)
{
    int64_t i = 0;
    if (number.form == CS_NUMBER_INT) {
        i = number.u.i;
    } else if (!cs_number__plain_int(number.u.number->text, &i)) {
        return false;
    }
    if (i < 0) {
        return false;
    }
    *out = (uint64_t)i;
    return true;
}

/* ---- order */

static int sign_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* The exact order of two decimals of the same sign, neither of them zero, by magnitude. */
static int compare_magnitude(const cs_decimal *a, const cs_decimal *b)
{
    if (a->point != b->point) {
        return sign_of(a->point, b->point);
    }
    const char *p = a->first;
    const char *q = b->first;
    uint32_t least = a->digits < b->digits ? a->digits : b->digits;
    for (uint32_t i = 0; i < least; i++, p++, q++) {
        p += *p == '.';
        q += *q == '.';
        if (*p != *q) {
            return *p < *q ? -1 : 1;
        }
    }
    return sign_of((int64_t)a->digits, (int64_t)b->digits);
}

static int compare_decimals(const cs_decimal *a, const cs_decimal *b)
{
    int sa = a->digits == 0 ? 0 : a->negative ? -1 : 1;
    int sb = b->digits == 0 ? 0 : b->negative ? -1 : 1;
    if (sa != sb) {
        return sa < sb ? -1 : 1;
    }
    return sa == 0 ? 0 : sa * compare_magnitude(a, b);
}

/* OPA takes two texts for equal when both have a fraction that ends in a zero and their doubles are the same. */
static bool ends_in_zero_fraction(cs_slice text)
{
    size_t n = text.n;
    while (n > 0 && (text.p[n - 1] == '0' || text.p[n - 1] == '.')) {
        n--;
    }
    return n < text.n && memchr(text.p, '.', n) != NULL;
}

int cs_number_compare(cs_value a, cs_value b)
{
    if (a.form == CS_NUMBER_INT && b.form == CS_NUMBER_INT) {
        return sign_of(a.u.i, b.u.i);
    }
    int64_t i = 0;
    int64_t j = 0;
    if (cs_number_is_int(a, &i) && cs_number_is_int(b, &j)) {
        return sign_of(i, j);
    }
    double x = cs_number_double(a);
    double y = cs_number_double(b);
    if (x < y || x > y) {
        return x < y ? -1 : 1; /* rounding keeps the order */
    }
    char room_a[32];
    char room_b[32];
    cs_slice text_a = cs_number_text(a, room_a);
    cs_slice text_b = cs_number_text(b, room_b);
    if (cs_slice_eq(text_a, text_b)) {
        return 0;
    }
    cs_decimal da;
    cs_decimal db;
    (void)cs_number__decimal(text_a, &da);
    (void)cs_number__decimal(text_b, &db);
    int order = compare_decimals(&da, &db);
    if (order != 0 && (da.digits > 15 || db.digits > 15 || da.point > 300 || da.point < -300) && isfinite(x) &&
        ends_in_zero_fraction(text_a) && ends_in_zero_fraction(text_b)) {
        return 0;
    }
    return order;
}

uint32_t cs_number_hash(cs_value number)
{
    double d = cs_number_double(number);
    return cs_hash_bytes(&d, sizeof d);
}
