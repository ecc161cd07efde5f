/* Text as pointer and length; NUL has no meaning. A slice owns nothing: it lives as long as what it points into. */
#ifndef CS_BASE_SLICE_H
#define CS_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct cs_slice {
    const char *p;
    size_t n;
} cs_slice;

/* From a string literal, or from a NUL-terminated string. */
#define CS_LIT(literal) ((cs_slice){"" literal, sizeof(literal) - 1})
static inline cs_slice cs_slice_of(const char *text)
{
    return (cs_slice){text, strlen(text)};
}
static inline cs_slice cs_slice_make(const char *p, size_t n)
{
    return (cs_slice){p, n};
}
/* For "%.*s": the two arguments. */
#define CS_FMT(s) (int)(s).n, (s).p

static inline bool cs_slice_eq(cs_slice a, cs_slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool cs_slice_is(cs_slice a, const char *text)
{
    return cs_slice_eq(a, cs_slice_of(text));
}
/* Bytewise order, shorter first on a tie: the order of Rego strings. Negative, 0 or positive. */
int cs_slice_compare(cs_slice a, cs_slice b);
bool cs_slice_eq_nocase(cs_slice a, cs_slice b); /* ASCII letters only */
bool cs_slice_starts(cs_slice s, cs_slice prefix);
bool cs_slice_ends(cs_slice s, cs_slice suffix);
/* Offset of the first occurrence at or after `from`, or SIZE_MAX. An empty needle is found at `from`. */
size_t cs_slice_find(cs_slice s, cs_slice needle, size_t from);
size_t cs_slice_find_byte(cs_slice s, char c, size_t from);
cs_slice cs_slice_sub(cs_slice s, size_t from, size_t to); /* clamped */
cs_slice cs_slice_trim(cs_slice s);                        /* ASCII white space at both ends */
/* Cuts the next piece up to `separator` from *rest; false when *rest is used up. "a,,b" gives "a", "", "b". */
bool cs_slice_next(cs_slice *rest, char separator, cs_slice *piece);
/* Decimal digits only, with an optional '-' for the signed one; false on anything else and on overflow. */
bool cs_slice_u64(cs_slice s, uint64_t *out);
bool cs_slice_i64(cs_slice s, int64_t *out);

/* SipHash would be wasted on identifiers; this is a seeded 32-bit hash (wyhash family) for tables that outsiders can
 * fill. The seed is drawn once per process, before the first thread starts. */
uint32_t cs_hash_bytes(const void *p, size_t n);

#endif
