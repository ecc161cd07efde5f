/* Which bytes of a text stand for themselves in JSON: by bits of a table, eight at a time, sixteen at a time. */
#ifndef CS_VALUE_JSON_PLAIN_H
#define CS_VALUE_JSON_PLAIN_H

#include "countersign/base/slice.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { CS_JSON__CANONICAL = 256 }; /* a flag beside CS_JSON_* */

/* One bit for each byte that stands for itself: all of printable ASCII but the quote and the backslash; with HTML not
 * '<', '>' and '&' either. */
#define CS_JSON__BIT(c) (UINT64_C(1) << ((c)&63))
static const uint64_t CS_JSON__PLAIN[4] = {~UINT64_C(0) << 32 & ~CS_JSON__BIT('"'), ~CS_JSON__BIT('\\'), 0, 0};
static const uint64_t CS_JSON__PLAIN_HTML[4] = {
    ~UINT64_C(0) << 32 & ~(CS_JSON__BIT('"') | CS_JSON__BIT('&') | CS_JSON__BIT('<') | CS_JSON__BIT('>')),
    ~CS_JSON__BIT('\\'), 0, 0};

#define CS_JSON__EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Bit 7 of some byte is set if any of them is zero. */
static inline uint64_t cs_json__any_zero(uint64_t x)
{
    return (x - CS_JSON__EACH(1)) & ~x & CS_JSON__EACH(0x80);
}

/* 0 if eight bytes stand for themselves; those beyond ASCII never do. */
static inline __attribute__((always_inline)) uint64_t cs_json__special_bits(uint64_t x, bool html)
{
    uint64_t hit = (x & CS_JSON__EACH(0x80)) | ((x - CS_JSON__EACH(0x20)) & ~x & CS_JSON__EACH(0x80)) |
                   cs_json__any_zero(x ^ CS_JSON__EACH('"')) | cs_json__any_zero(x ^ CS_JSON__EACH('\\'));
    if (html) {
        /* '<' and '>' differ in one bit. */
        hit |=
            cs_json__any_zero((x | CS_JSON__EACH(2)) ^ CS_JSON__EACH('>')) | cs_json__any_zero(x ^ CS_JSON__EACH('&'));
    }
    return hit;
}

static inline __attribute__((always_inline)) bool cs_json__plain_word(const char *p, bool html)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return cs_json__special_bits(x, html) == 0;
}

#if defined(__SSE2__)
/* A byte of ones for each of sixteen that does not stand for itself. */
static inline __attribute__((always_inline)) __m128i cs_json__special_bytes(__m128i x, bool html)
{
    /* Signed: bytes from 0x80 count as negative. */
    __m128i hit =
        _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(0x20)),
                     _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
    if (html) {
        __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
        hit = _mm_or_si128(hit, _mm_or_si128(angle, _mm_cmpeq_epi8(x, _mm_set1_epi8('&'))));
    }
    return hit;
}

static inline __m128i cs_json__load16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
#endif

#endif
