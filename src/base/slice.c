/* Slices, and the hash of everything that is keyed by bytes. */
#include "countersign/base/slice.h"

#include <sys/random.h>

#include "countersign/base/err.h"

int cs_slice_compare(cs_slice a, cs_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0) {
        return order;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool cs_slice_eq_nocase(cs_slice a, cs_slice b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (fold(a.p[i]) != fold(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool cs_slice_starts(cs_slice s, cs_slice prefix)
{
    return s.n >= prefix.n && cs_slice_eq((cs_slice){s.p, prefix.n}, prefix);
}

bool cs_slice_ends(cs_slice s, cs_slice suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

size_t cs_slice_find(cs_slice s, cs_slice needle, size_t from)
{
    if (from > s.n) {
        return SIZE_MAX;
    }
    if (needle.n == 0) {
        return from;
    }
    if (s.n == 0) {
        return SIZE_MAX;
    }
    const char *hit = memmem(s.p + from, s.n - from, needle.p, needle.n);
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

size_t cs_slice_find_byte(cs_slice s, char c, size_t from)
{
    if (from >= s.n) {
        return SIZE_MAX;
    }
    const char *hit = memchr(s.p + from, c, s.n - from);
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

cs_slice cs_slice_sub(cs_slice s, size_t from, size_t to)
{
    to = to < s.n ? to : s.n;
    from = from < to ? from : to;
    return (cs_slice){s.p ? s.p + from : s.p, to - from};
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

cs_slice cs_slice_trim(cs_slice s)
{
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

bool cs_slice_next(cs_slice *rest, char separator, cs_slice *piece)
{
    if (rest->p == NULL) {
        return false;
    }
    size_t at = cs_slice_find_byte(*rest, separator, 0);
    if (at == SIZE_MAX) {
        *piece = *rest;
        *rest = (cs_slice){NULL, 0};
    } else {
        *piece = (cs_slice){rest->p, at};
        rest->p += at + 1;
        rest->n -= at + 1;
    }
    return true;
}

bool cs_slice_u64(cs_slice s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool cs_slice_i64(cs_slice s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t magnitude = 0;
    if (!cs_slice_u64(negative ? cs_slice_sub(s, 1, s.n) : s, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1U : 0U)) {
        return false;
    }
    *out = negative ? (int64_t)(0U - magnitude) : (int64_t)magnitude;
    return true;
}

/* ---- hash ---- */

__extension__ typedef unsigned __int128 u128;

/* Drawn before main, hence before any thread; read-only after that. */
static uint64_t hash_seed;

__attribute__((constructor)) static void draw_seed(void)
{
    cs_assert(getrandom(&hash_seed, sizeof hash_seed, 0) == (ssize_t)sizeof hash_seed);
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load8(const unsigned char *p)
{
    uint64_t v = 0;
    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t load4(const unsigned char *p)
{
    uint32_t v = 0;
    memcpy(&v, p, 4);
    return v;
}

/* Odd constants with evenly spread bits; any such do. */
#define K0 UINT64_C(0xA0761D6478BD642F)
#define K1 UINT64_C(0xE7037ED1A0B428DB)
#define K2 UINT64_C(0x8EBC6AF09C88C6E3)

uint32_t cs_hash_bytes(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t seed = hash_seed ^ K0;
    uint64_t a = 0;
    uint64_t b = 0;
    if (n <= 16) {
        if (n >= 8) {
            a = load8(p);
            b = load8(p + n - 8);
        } else if (n >= 4) {
            a = load4(p);
            b = load4(p + n - 4);
        } else if (n > 0) {
            a = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
        }
    } else {
        size_t left = n;
        for (; left > 16; left -= 16, p += 16) {
            seed = mix(load8(p) ^ K1, load8(p + 8) ^ seed);
        }
        a = load8(p + left - 16);
        b = load8(p + left - 8);
    }
    uint64_t h = mix(K2 ^ (uint64_t)n, mix(a ^ K1, b ^ seed));
    return (uint32_t)(h ^ (h >> 32));
}
