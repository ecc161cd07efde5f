/* What the files of src/value share among themselves: table insides, decimals taken apart, 64-bit floats in integers.
 */
#ifndef CS_VALUE_INTERNAL_H
#define CS_VALUE_INTERNAL_H

#include "countersign/number.h"
#include "countersign/value.h"

/* ---- tables (table.c) */

#define CS_TABLE_NONE UINT32_MAX

/* An empty table with room for `cap` entries; with `vals` it is an object. */
cs_table *cs_value__table(cs_arena *a, uint32_t cap, bool vals);
/* Entry number of the key, or CS_TABLE_NONE. */
uint32_t cs_value__find(const cs_table *t, cs_value key, uint32_t hash);
/* Appends a key that is known to be absent; grows the table. Returns its entry number. */
uint32_t cs_value__append(cs_arena *a, cs_table *t, cs_value key, uint32_t hash);
/* Fills the open-addressed index from the hashes when the table is wide enough to need one. */
void cs_value__index(cs_table *t);
/* A copy of the entries' arrays with room for `extra` more; not frozen. */
cs_table *cs_value__clone(cs_arena *a, const cs_table *t, uint32_t extra);
/* Mixes two hashes; not symmetric. */
static inline uint32_t cs_value__mix(uint32_t h, uint32_t x)
{
    uint64_t m = ((uint64_t)h << 32 | x) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(m >> 32) ^ (uint32_t)m;
}

/* 128 bits: exact products and quotients of mantissas. */
__extension__ typedef unsigned __int128 cs_wide;

/* ---- decimals (number.c) */

/* A decimal literal taken apart: 0.d1 d2 … dn × 10^point, with d1 and dn not 0. */
typedef struct cs_decimal {
    const char *first; /* d1; a '.' may stand between it and the last digit. NULL for zero */
    uint32_t digits;   /* n; 0 for zero */
    int64_t point;
    uint64_t m; /* the digits as an integer if n <= 19 */
    bool negative;
} cs_decimal;

/* Takes a number's text apart. Besides JSON's grammar it accepts a leading '+', leading zeros, ".5" and "5.". false on
 * anything else. Exponents are cut off at ±2^40. */
bool cs_number__decimal(cs_slice text, cs_decimal *d);
/* The value as a decimal, whatever its form; `room` holds the digits of an int. */
void cs_number__take(cs_value v, char room[32], cs_decimal *d);
/* The nearest double; inf beyond its range. Never -0. */
double cs_number__double(const cs_decimal *d);
/* OPA's reading of an index: up to 19 digits, then perhaps '.' and zeros (20 bytes with a sign). */
bool cs_number__plain_int(cs_slice text, int64_t *out);

/* A number value from a text that lives in the arena already: an int if the text is canonical, else a cs_number. */
cs_value cs_number__value(cs_arena *a, cs_slice text, const cs_decimal *d);
/* As cs_number__value for a result that this folder has printed itself; `d` is its nearest double if known, or NAN. */
cs_value cs_number__printed(cs_arena *a, const char *text, size_t n, double d);
/* The same for a text that is not integral, with its nearest double. */
cs_value cs_number__fraction(cs_arena *a, const char *text, size_t n, double d);

/* ---- floats with a 64-bit mantissa, in integers (number_float.c) */

/* (-1)^negative × mant × 2^exp; mant has its top bit set, or is 0 for zero. The exponent never overflows: whoever keeps
 * a result checks it with cs_float__fits. All operations round to nearest even, exactly as math/big does with
 * precision 64. */
typedef struct cs_float {
    uint64_t mant;
    int32_t exp;
    bool negative;
} cs_float;

cs_float cs_float__from_u64(uint64_t m, bool negative);
/* Rounds hi:lo × 2^exp (sticky: something non-zero was cut off below) to `precision` bits. */
cs_float cs_float__round128(cs_wide m, int32_t exp, bool sticky, bool negative, unsigned precision);
/* The decimal rounded to 64 bits. */
cs_float cs_float__from_decimal(const cs_decimal *d);
/* The same by MPFR, at any length of the decimal. */
cs_float cs_float__from_decimal_mpfr(const cs_decimal *d);
cs_float cs_float__add(cs_float x, cs_float y);
cs_float cs_float__mul(cs_float x, cs_float y, unsigned precision);
cs_float cs_float__div(cs_float x, cs_float y); /* y is not zero */
/* Towards zero. false if the integer part does not fit 64 bits, and then the float is an integer. */
bool cs_float__trunc(cs_float x, uint64_t *whole, bool *fraction);
bool cs_float__is_integer(cs_float x);
/* Is the binary exponent within what numbers may have? */
bool cs_float__fits(cs_float x);

/* ---- texts (number_text.c) */

/* The number that OPA prints for a float of this precision (64, or 53 for products). */
cs_value cs_number__from_float(cs_arena *a, cs_float x, unsigned precision);
/* A finite double with the fewest digits: plain while its decimal exponent is in [plain_from, plain_to), else with 'e'
 * and, if `wide_exponent`, at least two digits of exponent. */
void cs_number__print_double(cs_buf *out, double d, int plain_from, int plain_to, bool wide_exponent);
/* The general printer, by GMP; the fast one falls back to it, and tests compare the two. */
void cs_number__print_float(cs_buf *out, cs_float x, unsigned precision);

/* ---- YAML (yaml.c) */

/* Would the text, written bare, be read as a text? As a 64-bit integer? */
bool cs_yaml__is_text(cs_slice s);
bool cs_yaml__is_integer(cs_slice s);

/* ---- JSON (json_write.c) */

/* cs_json_write of what is not pretty, canonical or not. true: written plain, with HTML or not, it is the same but for
 * escapes in its strings (numbers as they were spelled, keys in the order of bytes). */
bool cs_value__json_compact(cs_buf *out, cs_value v, unsigned flags);
/* The members, without brackets, of an object with keys that are no texts, or whose texts have an order of their own.
 */
void cs_value__json_texted(cs_buf *out, const cs_table *t, unsigned flags);
bool cs_value__only_texts(const cs_table *t);
/* cs_json_write of a value that stands `depth` levels deep in a pretty text. */
void cs_value__json_at(cs_buf *out, cs_value v, unsigned flags, uint32_t depth);

#endif
