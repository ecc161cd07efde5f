/* Numbers as OPA has them (v1/topdown/arithmetic.go, v1/ast/number_decimal.go): a number is its literal text;
 * arithmetic on integers is exact at any size; everything else goes through binary floats with a 64-bit mantissa,
 * rounded to nearest even.
 *
 * A number is either an int64 in the value itself (its text is the canonical decimal) or a cs_number. cs_number lives
 * in an arena. Fast paths: int64 with overflow checks; short decimals without GMP or MPFR. Thread-safe. */
#ifndef CS_NUMBER_H
#define CS_NUMBER_H

#include "countersign/value.h"

struct cs_number {
    cs_slice text; /* JSON number syntax, as written */
    bool integral; /* the value is an integer (also 1.0 and 1e2) */
    bool fits;     /* it is integral and fits in `i` */
    int64_t i;
    double d; /* nearest double; inf when out of range */
};

/* From JSON number text: "1" gives an int, "1.0" a text. Go's decimal spellings beyond JSON ("+5", "007", ".5", "5.")
 * are taken as well and keep their text; anything else is CS_ERR_INVALID. The text is pointed to, not copied, unless it
 * is an int. CS_ERR_LIMIT ("number too big") beyond the limits number_digits and number_exponent, which bounds the
 * binary exponent as OPA does (1e30102 is the largest power of ten). */
CS_MUST_CHECK cs_err cs_number_parse(cs_arena *a, cs_slice text, cs_value *out, cs_error *e);
/* Is the whole text a JSON number? */
bool cs_number_valid(cs_slice text);
cs_value cs_number_from_double(cs_arena *a,
                               double d); /* shortest digits, as Go's encoding/json; undefined for inf and NaN */
/* The fewest digits that identify a finite |d|, and where the point stands: 0.d1d2... x 10^point. Returns their count;
 * 0 for zero. */
size_t cs_double_digits(double d, char digits[24], int *point);
cs_value cs_number_from_u64(cs_arena *a, uint64_t u);

/* The text, as it is printed. Ints are written into `room` (24 bytes are enough). */
cs_slice cs_number_text(cs_value number, char room[32]);
bool cs_number_is_int(cs_value number, int64_t *out); /* integral and within int64, however spelled */
bool cs_number_is_integral(cs_value number);
double cs_number_double(cs_value number);
/* May the number index an array? Its text must be a decimal integer, or an integral with a fraction of zeros ("1.0");
 * not "1e0". */
bool cs_number_index(cs_value number, uint64_t *out);

int cs_number_compare(cs_value a, cs_value b);
uint32_t cs_number_hash(cs_value number); /* by value */

typedef enum cs_arith { CS_ADD, CS_SUB, CS_MUL, CS_DIV, CS_REM } cs_arith;
/* x and y are numbers. CS_ERR_LIMIT for results beyond four times number_exponent bits; CS_ERR_EVAL_BUILTIN with OPA's
 * words: "divide by zero", "modulo by zero", "modulo on floating-point number". */
CS_MUST_CHECK cs_err cs_number_arith(cs_arena *a, cs_arith op, cs_value x, cs_value y, cs_value *out, cs_error *e);

typedef enum cs_rounding { CS_ABS, CS_CEIL, CS_FLOOR, CS_ROUND } cs_rounding;
cs_value cs_number_round(cs_arena *a, cs_rounding how, cs_value x);
/* The items must all be numbers. Undefined when the result is beyond four times the limit number_exponent in bits. */
cs_value cs_number_sum(cs_arena *a, const cs_value *items, size_t n);
cs_value cs_number_product(cs_arena *a, const cs_value *items, size_t n); /* OPA's 53-bit accumulator */

typedef enum cs_bits { CS_BITS_AND, CS_BITS_OR, CS_BITS_XOR, CS_BITS_LSH, CS_BITS_RSH } cs_bits;
/* Two's complement at any size; operands integral (the caller checked). A left shift is bounded by number_digits. */
CS_MUST_CHECK cs_err cs_number_bits(cs_arena *a, cs_bits op, cs_value x, cs_value y, cs_value *out, cs_error *e);
cs_value cs_number_bits_not(cs_arena *a, cs_value x);
/* The integer in a base from 2 to 36, lower case, '-' in front; `x` integral. And back: false if it is not such a text.
 */
cs_slice cs_number_to_base(cs_arena *a, cs_value x, int base);
bool cs_number_from_base(cs_arena *a, cs_slice text, int base, cs_value *out);

#endif
