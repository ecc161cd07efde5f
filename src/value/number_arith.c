/* Arithmetic as OPA has it (v1/topdown/arithmetic.go, aggregates.go): exact on integers of any size, else floats with a
 * 64-bit mantissa. */
#include "countersign/number.h"

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "number_big.h"

static cs_float to_float(cs_value v)
{
    if (v.form == CS_NUMBER_INT) {
        bool negative = v.u.i < 0;
        return cs_float__from_u64(negative ? 0 - (uint64_t)v.u.i : (uint64_t)v.u.i, negative);
    }
    cs_decimal d;
    (void)cs_number__decimal(v.u.number->text, &d);
    return cs_float__from_decimal(&d);
}

/* ---- integers */

static bool small_arith(cs_arith op, int64_t x, int64_t y, cs_value *out)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case CS_ADD:
        over = __builtin_add_overflow(x, y, &r);
        break;
    case CS_SUB:
        over = __builtin_sub_overflow(x, y, &r);
        break;
    case CS_MUL:
        over = __builtin_mul_overflow(x, y, &r);
        break;
    case CS_DIV:
        /* A zero dividend goes to the floats, whose quotient may be -0. */
        over = y == 0 || x == 0 || (y == -1 && x == INT64_MIN) || x % y != 0;
        r = over ? 0 : x / y;
        break;
    case CS_REM:
        r = y == -1 ? 0 : x % y;
        break;
    }
    if (over) {
        return false;
    }
    *out = cs_int(r);
    return true;
}

static cs_err big_arith(cs_arena *a, cs_arith op, cs_value x, cs_value y, cs_value *out, cs_error *e)
{
    mpz_t p;
    mpz_t q;
    cs_number__to_big(p, x);
    cs_number__to_big(q, y);
    cs_err err = CS_OK;
    size_t bits = mpz_sizeinbase(p, 2) + mpz_sizeinbase(q, 2);
    if (!cs_number__bits_fit(bits)) {
        err = cs_fail(e, CS_ERR_LIMIT, "number too big");
    } else {
        if (op == CS_ADD) {
            mpz_add(p, p, q);
        } else if (op == CS_SUB) {
            mpz_sub(p, p, q);
        } else if (op == CS_MUL) {
            mpz_mul(p, p, q);
        } else {
            mpz_tdiv_r(p, p, q);
        }
        *out = cs_number__from_big(a, p);
    }
    mpz_clear(p);
    mpz_clear(q);
    return err;
}

static cs_err float_arith(cs_arena *a, cs_arith op, cs_value x, cs_value y, cs_value *out, cs_error *e)
{
    cs_float p = to_float(x);
    cs_float q = to_float(y);
    cs_float r;
    if (op == CS_DIV) {
        if (q.mant == 0) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "divide by zero");
        }
        r = cs_float__div(p, q);
    } else if (op == CS_MUL) {
        r = cs_float__mul(p, q, 64);
    } else {
        q.negative = op == CS_SUB ? !q.negative : q.negative;
        r = cs_float__add(p, q);
    }
    if (!cs_float__fits(r)) {
        return cs_fail(e, CS_ERR_LIMIT, "number too big");
    }
    *out = cs_number__from_float(a, r, 64);
    return CS_OK;
}

cs_err cs_number_arith(cs_arena *a, cs_arith op, cs_value x, cs_value y, cs_value *out, cs_error *e)
{
    int64_t i = 0;
    int64_t j = 0;
    bool small = cs_number_is_int(x, &i) && cs_number_is_int(y, &j);
    bool exact = small || (cs_number_is_integral(x) && cs_number_is_integral(y));
    if (op == CS_REM) {
        if (!exact) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "modulo on floating-point number");
        }
        if (cs_number_is_int(y, &j) && j == 0) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "modulo by zero");
        }
    }
    if (small && small_arith(op, i, j, out)) {
        return CS_OK;
    }
    if (exact && op != CS_DIV) {
        return big_arith(a, op, x, y, out, e);
    }
    return float_arith(a, op, x, y, out, e);
}

/* ---- rounding */

/* The float's integer part, whatever its size, and one more or less. */
static cs_value whole_number(cs_arena *a, cs_float x, int step)
{
    uint64_t whole = 0;
    bool fraction = false;
    if (cs_float__trunc(x, &whole, &fraction) && whole < (uint64_t)INT64_MAX) {
        int64_t i = x.negative ? -(int64_t)whole : (int64_t)whole;
        return cs_int(i + step);
    }
    mpz_t z;
    cs_number__float_to_big(z, x);
    if (step > 0) {
        mpz_add_ui(z, z, 1);
    } else if (step < 0) {
        mpz_sub_ui(z, z, 1);
    }
    cs_value v = cs_number__from_big(a, z);
    mpz_clear(z);
    return v;
}

cs_value cs_number_round(cs_arena *a, cs_rounding how, cs_value x)
{
    int64_t i = 0;
    if (cs_number_is_int(x, &i) && i != INT64_MIN) {
        return cs_int(how == CS_ABS && i < 0 ? -i : i);
    }
    cs_float f = to_float(x);
    if (how == CS_ABS) {
        f.negative = false;
        return cs_number__from_float(a, f, 64);
    }
    if (how == CS_ROUND) {
        cs_float half = {UINT64_C(1) << 63, -64, f.negative};
        return whole_number(a, cs_float__add(f, half), 0);
    }
    /* OPA looks at the sign of the integer part, so that ceil(-0.5) is 1 and floor(-0.5) is 0. */
    bool below = f.negative && f.exp > -64;
    int step = 0;
    if (!cs_float__is_integer(f)) {
        step = how == CS_CEIL ? (below ? 0 : 1) : (below ? -1 : 0);
    }
    return whole_number(a, f, step);
}

/* ---- aggregates */

/* Sum or product of integers; false if an item is not integral. */
static bool fold_exact(cs_arena *a, const cs_value *items, size_t n, bool product, cs_value *out)
{
    int64_t total = product;
    bool small = true;
    for (size_t k = 0; k < n; k++) {
        int64_t i = 0;
        if (!cs_number_is_integral(items[k])) {
            return false;
        }
        small = small && cs_number_is_int(items[k], &i) &&
                !(product ? __builtin_mul_overflow(total, i, &total) : __builtin_add_overflow(total, i, &total));
    }
    if (small) {
        *out = cs_int(total);
        return true;
    }
    mpz_t sum;
    mpz_init_set_ui(sum, product);
    bool fits = true;
    for (size_t k = 0; k < n && fits; k++) {
        mpz_t item;
        cs_number__to_big(item, items[k]);
        fits = cs_number__bits_fit(mpz_sizeinbase(sum, 2) + mpz_sizeinbase(item, 2));
        if (fits && product) {
            mpz_mul(sum, sum, item);
        } else if (fits) {
            mpz_add(sum, sum, item);
        }
        mpz_clear(item);
    }
    *out = fits ? cs_number__from_big(a, sum) : cs_undefined();
    mpz_clear(sum);
    return true;
}

cs_value cs_number_sum(cs_arena *a, const cs_value *items, size_t n)
{
    cs_value v;
    if (fold_exact(a, items, n, false, &v)) {
        return v;
    }
    cs_float sum = {0, 0, false};
    for (size_t k = 0; k < n; k++) {
        sum = cs_float__add(sum, to_float(items[k]));
    }
    return cs_float__fits(sum) ? cs_number__from_float(a, sum, 64) : cs_undefined();
}

cs_value cs_number_product(cs_arena *a, const cs_value *items, size_t n)
{
    cs_value v;
    if (fold_exact(a, items, n, true, &v)) {
        return v;
    }
    cs_float product = cs_float__from_u64(1, false);
    for (size_t k = 0; k < n; k++) {
        product = cs_float__mul(product, to_float(items[k]), 53);
        if (!cs_float__fits(product)) {
            return cs_undefined();
        }
    }
    return cs_number__from_float(a, product, 53);
}
