/* Integers of any size, by GMP: conversions, bit operations, other bases. */
#include "number_big.h"

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"

bool cs_number__bits_fit(size_t bits)
{
    return bits <= 4 * cs_limits_get()->number_exponent;
}

void cs_number__to_big(mpz_t z, cs_value number)
{
    if (number.form == CS_NUMBER_INT) {
        mpz_init_set_si(z, number.u.i);
        return;
    }
    cs_decimal d;
    (void)cs_number__decimal(number.u.number->text, &d);
    if (d.digits == 0 || d.point <= 0) {
        mpz_init(z);
        return;
    }
    /* As many digits as stand before the point, the rest as a power of ten. */
    size_t take = d.point < (int64_t)d.digits ? (size_t)d.point : d.digits;
    char *text = cs_alloc(take + 1);
    size_t n = 0;
    for (const char *p = d.first; n < take; p++) {
        if (*p != '.') {
            text[n++] = *p;
        }
    }
    text[n] = '\0';
    (void)mpz_init_set_str(z, text, 10);
    cs_free(text);
    if (d.point > (int64_t)take) {
        mpz_t power;
        mpz_init(power);
        mpz_ui_pow_ui(power, 10, (unsigned long)(d.point - (int64_t)take));
        mpz_mul(z, z, power);
        mpz_clear(power);
    }
    if (d.negative) {
        mpz_neg(z, z);
    }
}

cs_value cs_number__from_big(cs_arena *a, const mpz_t z)
{
    if (mpz_fits_slong_p(z)) {
        return cs_int(mpz_get_si(z));
    }
    char *text = cs_arena_alloc(a, mpz_sizeinbase(z, 10) + 2);
    (void)mpz_get_str(text, 10, z);
    cs_slice s = cs_slice_of(text);
    cs_decimal d;
    (void)cs_number__decimal(s, &d);
    return cs_number__value(a, s, &d);
}

void cs_number__float_to_big(mpz_t z, cs_float x)
{
    mpz_init_set_ui(z, x.mant);
    if (x.exp >= 0) {
        mpz_mul_2exp(z, z, (mp_bitcnt_t)x.exp);
    } else {
        mpz_tdiv_q_2exp(z, z, (mp_bitcnt_t)-x.exp);
    }
    if (x.negative) {
        mpz_neg(z, z);
    }
}

/* ---- bits */

static bool small_bits(cs_bits op, int64_t x, int64_t y, cs_value *out)
{
    int64_t r = 0;
    switch (op) {
    case CS_BITS_AND:
        r = x & y;
        break;
    case CS_BITS_OR:
        r = x | y;
        break;
    case CS_BITS_XOR:
        r = x ^ y;
        break;
    case CS_BITS_LSH:
        if (y > 62 || __builtin_mul_overflow(x, INT64_C(1) << y, &r)) {
            return false;
        }
        break;
    case CS_BITS_RSH:
        /* Two's complement: towards minus infinity. */
        r = x >= 0 ? x >> (y > 63 ? 63 : y) : ~(~x >> (y > 63 ? 63 : y));
        break;
    }
    *out = cs_int(r);
    return true;
}

cs_err cs_number_bits(cs_arena *a, cs_bits op, cs_value x, cs_value y, cs_value *out, cs_error *e)
{
    int64_t i = 0;
    int64_t j = 0;
    bool small_y = cs_number_is_int(y, &j);
    bool shift = op == CS_BITS_LSH || op == CS_BITS_RSH;
    if (shift && cs_number_compare(y, cs_int(0)) < 0) {
        return cs_fail(e, CS_ERR_EVAL_TYPE, "operand 2 must be an unsigned integer number but got a negative integer");
    }
    if (small_y && cs_number_is_int(x, &i) && small_bits(op, i, j, out)) {
        return CS_OK;
    }
    mpz_t p;
    cs_number__to_big(p, x);
    cs_err err = CS_OK;
    if (op == CS_BITS_LSH) {
        bool fits = small_y && j < INT32_MAX && cs_number__bits_fit(mpz_sizeinbase(p, 2) + (size_t)j);
        if (fits || mpz_sgn(p) == 0) {
            mpz_mul_2exp(p, p, fits ? (mp_bitcnt_t)j : 0);
        } else {
            err = cs_fail(e, CS_ERR_LIMIT, "number too big");
        }
    } else if (op == CS_BITS_RSH) {
        mpz_fdiv_q_2exp(p, p, small_y ? (mp_bitcnt_t)j : (mp_bitcnt_t)INT64_MAX);
    } else {
        mpz_t q;
        cs_number__to_big(q, y);
        if (op == CS_BITS_AND) {
            mpz_and(p, p, q);
        } else if (op == CS_BITS_OR) {
            mpz_ior(p, p, q);
        } else {
            mpz_xor(p, p, q);
        }
        mpz_clear(q);
    }
    if (err == CS_OK) {
        *out = cs_number__from_big(a, p);
    }
    mpz_clear(p);
    return err;
}

cs_value cs_number_bits_not(cs_arena *a, cs_value x)
{
    int64_t i = 0;
    if (cs_number_is_int(x, &i)) {
        return cs_int(~i);
    }
    mpz_t z;
    cs_number__to_big(z, x);
    mpz_com(z, z);
    cs_value v = cs_number__from_big(a, z);
    mpz_clear(z);
    return v;
}

/* ---- bases */

cs_slice cs_number_to_base(cs_arena *a, cs_value x, int base)
{
    mpz_t z;
    cs_number__to_big(z, x);
    char *text = cs_arena_alloc(a, mpz_sizeinbase(z, base) + 2);
    (void)mpz_get_str(text, base, z);
    mpz_clear(z);
    return cs_slice_of(text);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

bool cs_number_from_base(cs_arena *a, cs_slice text, int base, cs_value *out)
{
    size_t sign = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
    if (text.n == sign || text.n > cs_limits_get()->number_digits) {
        return false;
    }
    for (size_t i = sign; i < text.n; i++) {
        if (digit_value(text.p[i]) >= base) {
            return false;
        }
    }
    char *room = cs_alloc(text.n + 1);
    memcpy(room, text.p + sign, text.n - sign);
    room[text.n - sign] = '\0';
    mpz_t z;
    (void)mpz_init_set_str(z, room, base);
    cs_free(room);
    if (text.p[0] == '-') {
        mpz_neg(z, z);
    }
    *out = cs_number__from_big(a, z);
    mpz_clear(z);
    return true;
}
