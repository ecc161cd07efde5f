/* Floats with a 64-bit mantissa in plain integers: the same results as math/big at precision 64, on every machine,
 * without the x87 unit and without a library on the usual paths. Only decimals of more than 19 digits or with large
 * exponents are read by MPFR. */
#include <mpfr.h>
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "internal.h"

#define TOP (UINT64_C(1) << 63)
#define POW5_MAX 27

static const uint64_t POW5[POW5_MAX + 1] = {
    1U,
    5U,
    25U,
    125U,
    625U,
    3125U,
    15625U,
    78125U,
    390625U,
    1953125U,
    9765625U,
    48828125U,
    244140625U,
    1220703125U,
    6103515625U,
    30517578125U,
    152587890625U,
    762939453125U,
    3814697265625U,
    19073486328125U,
    95367431640625U,
    476837158203125U,
    2384185791015625U,
    11920928955078125U,
    59604644775390625U,
    298023223876953125U,
    1490116119384765625U,
    7450580596923828125U,
};

cs_float cs_float__from_u64(uint64_t m, bool negative)
{
    if (m == 0) {
        return (cs_float){0, 0, negative};
    }
    int shift = __builtin_clzll(m);
    return (cs_float){m << shift, -shift, negative};
}

static unsigned width_of(cs_wide m)
{
    uint64_t high = (uint64_t)(m >> 64);
    return high != 0 ? 128U - (unsigned)__builtin_clzll(high) : 64U - (unsigned)__builtin_clzll((uint64_t)m);
}

cs_float cs_float__round128(cs_wide m, int32_t exp, bool sticky, bool negative, unsigned precision)
{
    unsigned width = width_of(m);
    uint64_t q = 0;
    if (width <= precision) {
        q = (uint64_t)m << (precision - width);
        exp -= (int32_t)(precision - width);
    } else {
        unsigned cut = width - precision;
        cs_wide rest = m & (((cs_wide)1 << cut) - 1);
        cs_wide half = (cs_wide)1 << (cut - 1);
        q = (uint64_t)(m >> cut);
        exp += (int32_t)cut;
        if (rest > half || (rest == half && (sticky || (q & 1) != 0))) {
            q++;
            if (precision == 64 ? q == 0 : (q >> precision) != 0) {
                q = UINT64_C(1) << (precision - 1);
                exp++;
            }
        }
    }
    return (cs_float){q << (64 - precision), exp - (int32_t)(64 - precision), negative};
}

cs_float cs_float__mul(cs_float x, cs_float y, unsigned precision)
{
    bool negative = x.negative != y.negative;
    if (x.mant == 0 || y.mant == 0) {
        return (cs_float){0, 0, negative};
    }
    return cs_float__round128((cs_wide)x.mant * y.mant, x.exp + y.exp, false, negative, precision);
}

cs_float cs_float__div(cs_float x, cs_float y)
{
    bool negative = x.negative != y.negative;
    if (x.mant == 0) {
        return (cs_float){0, 0, negative};
    }
    unsigned shift = x.mant >= y.mant ? 63 : 64;
    cs_wide numerator = (cs_wide)x.mant << shift;
    uint64_t q = (uint64_t)(numerator / y.mant);
    cs_wide rest = (cs_wide)(uint64_t)(numerator - (cs_wide)q * y.mant) * 2;
    int32_t exp = x.exp - y.exp - (int32_t)shift;
    if (rest > y.mant || (rest == y.mant && (q & 1) != 0)) {
        q++;
        if (q == 0) {
            q = TOP;
            exp++;
        }
    }
    return (cs_float){q, exp, negative};
}

cs_float cs_float__add(cs_float x, cs_float y)
{
    if (x.mant == 0 || y.mant == 0) {
        if (x.mant == 0 && y.mant == 0) {
            return (cs_float){0, 0, x.negative && y.negative};
        }
        return x.mant == 0 ? y : x;
    }
    if (x.exp < y.exp || (x.exp == y.exp && x.mant < y.mant)) {
        cs_float swap = x;
        x = y;
        y = swap;
    }
    int64_t apart = (int64_t)x.exp - y.exp;
    cs_wide high = (cs_wide)x.mant << 63;
    cs_wide low = 0;
    bool sticky = true;
    if (apart < 127) {
        low = ((cs_wide)y.mant << 63) >> apart;
        sticky = (low << apart) != (cs_wide)y.mant << 63;
    }
    cs_wide m = 0;
    if (x.negative == y.negative) {
        m = high + low;
    } else {
        m = high - low - sticky;
        if (m == 0 && !sticky) {
            return (cs_float){0, 0, false};
        }
    }
    return cs_float__round128(m, x.exp - 63, sticky, x.negative, 64);
}

cs_float cs_float__from_decimal_mpfr(const cs_decimal *d)
{
    if (d->digits == 0) {
        return (cs_float){0, 0, d->negative};
    }
    char *text = cs_alloc((size_t)d->digits + 32);
    size_t n = 0;
    for (const char *p = d->first; n < d->digits; p++) {
        if (*p != '.') {
            text[n++] = *p;
        }
    }
    (void)snprintf(text + n, 32, "e%lld", (long long)(d->point - (int64_t)d->digits));
    mpfr_t x;
    mpz_t z;
    mpfr_init2(x, 64);
    mpz_init(z);
    (void)mpfr_strtofr(x, text, NULL, 10, MPFR_RNDN);
    mpfr_exp_t exp = mpfr_get_z_2exp(z, x);
    uint64_t m = mpz_get_ui(z);
    mpz_clear(z);
    mpfr_clear(x);
    cs_free(text);
    return (cs_float){m, (int32_t)exp, d->negative};
}

cs_float cs_float__from_decimal(const cs_decimal *d)
{
    int64_t e = d->point - (int64_t)d->digits;
    if (d->digits > 19 || e < -POW5_MAX || e > POW5_MAX) {
        return cs_float__from_decimal_mpfr(d);
    }
    cs_float x = cs_float__from_u64(d->m, d->negative);
    if (e == 0 || x.mant == 0) {
        return x;
    }
    /* Both factors are exact, so that one rounding is all there is. */
    cs_float power = cs_float__from_u64(POW5[e < 0 ? -e : e], false);
    power.exp += (int32_t)(e < 0 ? -e : e);
    return e < 0 ? cs_float__div(x, power) : cs_float__mul(x, power, 64);
}

bool cs_float__is_integer(cs_float x)
{
    if (x.mant == 0 || x.exp >= 0) {
        return true;
    }
    return x.exp > -64 && (x.mant & ((UINT64_C(1) << -x.exp) - 1)) == 0;
}

bool cs_float__trunc(cs_float x, uint64_t *whole, bool *fraction)
{
    *fraction = false;
    if (x.mant == 0 || x.exp <= -64) {
        *whole = 0;
        *fraction = x.mant != 0;
        return true;
    }
    if (x.exp > 0) {
        return false;
    }
    *whole = x.mant >> -x.exp;
    *fraction = !cs_float__is_integer(x);
    return true;
}

bool cs_float__fits(cs_float x)
{
    int64_t most = (int64_t)(4 * cs_limits_get()->number_exponent);
    int64_t exp = (int64_t)x.exp + 64;
    return x.mant == 0 || (exp <= most && exp >= -most);
}
