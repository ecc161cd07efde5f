/* UTF-8, and the simple case mappings of Unicode (tables of utf8_case.inc, made by deploy/build/utf8_case.go). */
#include "countersign/base/utf8.h"

/* One run of code points first, first + step, ... last that all map to themselves + delta. Runs are sorted and do not
 * overlap. */
typedef struct case_run {
    uint32_t first;
    uint32_t last;
    int32_t delta;
    uint32_t step;
} case_run;

typedef struct rune_range {
    uint32_t first;
    uint32_t last;
} rune_range;

#include "base/utf8_case.inc"

static bool is_tail(unsigned char c)
{
    return (c & 0xC0U) == 0x80U;
}

uint32_t cs_utf8_decode(const char *text, size_t n, size_t *width)
{
    const unsigned char *p = (const unsigned char *)text;
    *width = 1;
    if (p[0] < 0x80) {
        return p[0];
    }
    /* Table 3-7 of the Unicode standard: the bounds of the second byte exclude overlong forms, surrogates and > 10FFFF.
     */
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        if (n >= 2 && is_tail(p[1])) {
            *width = 2;
            return (p[0] & 0x1FU) << 6 | (p[1] & 0x3FU);
        }
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        unsigned low = p[0] == 0xE0 ? 0xA0 : 0x80;
        unsigned high = p[0] == 0xED ? 0x9F : 0xBF;
        if (n >= 3 && p[1] >= low && p[1] <= high && is_tail(p[2])) {
            *width = 3;
            return (p[0] & 0x0FU) << 12 | (p[1] & 0x3FU) << 6 | (p[2] & 0x3FU);
        }
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        unsigned low = p[0] == 0xF0 ? 0x90 : 0x80;
        unsigned high = p[0] == 0xF4 ? 0x8F : 0xBF;
        if (n >= 4 && p[1] >= low && p[1] <= high && is_tail(p[2]) && is_tail(p[3])) {
            *width = 4;
            return (p[0] & 0x07U) << 18 | (p[1] & 0x3FU) << 12 | (p[2] & 0x3FU) << 6 | (p[3] & 0x3FU);
        }
    }
    return CS_RUNE_BAD;
}

size_t cs_utf8_encode(uint32_t rune, char out[4])
{
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xC0U | rune >> 6);
        out[1] = (char)(0x80U | (rune & 0x3FU));
        return 2;
    }
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) {
        rune = CS_RUNE_BAD;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xE0U | rune >> 12);
        out[1] = (char)(0x80U | (rune >> 6 & 0x3FU));
        out[2] = (char)(0x80U | (rune & 0x3FU));
        return 3;
    }
    out[0] = (char)(0xF0U | rune >> 18);
    out[1] = (char)(0x80U | (rune >> 12 & 0x3FU));
    out[2] = (char)(0x80U | (rune >> 6 & 0x3FU));
    out[3] = (char)(0x80U | (rune & 0x3FU));
    return 4;
}

/* Bytes of ASCII at the start of the text: eight at a time, since most text is nothing else. */
static size_t ascii_prefix(const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, p + i, 8);
        if (word & UINT64_C(0x8080808080808080)) {
            break;
        }
    }
    while (i < n && (unsigned char)p[i] < 0x80) {
        i++;
    }
    return i;
}

size_t cs_utf8_count(cs_slice s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.n;) {
        size_t ascii = ascii_prefix(s.p + i, s.n - i);
        count += ascii;
        i += ascii;
        if (i < s.n) {
            size_t width = 0;
            (void)cs_utf8_decode(s.p + i, s.n - i, &width);
            i += width;
            count++;
        }
    }
    return count;
}

bool cs_utf8_valid(cs_slice s)
{
    for (size_t i = 0; i < s.n;) {
        i += ascii_prefix(s.p + i, s.n - i);
        if (i < s.n) {
            size_t width = 0;
            (void)cs_utf8_decode(s.p + i, s.n - i, &width);
            /* A character here has at least two bytes; only a bad byte has width 1. */
            if (width == 1) {
                return false;
            }
            i += width;
        }
    }
    return true;
}

size_t cs_utf8_offset(cs_slice s, size_t index)
{
    size_t i = 0;
    while (index > 0 && i < s.n) {
        size_t ascii = ascii_prefix(s.p + i, s.n - i);
        if (ascii >= index) {
            return i + index;
        }
        index -= ascii;
        i += ascii;
        if (i < s.n) {
            size_t width = 0;
            (void)cs_utf8_decode(s.p + i, s.n - i, &width);
            i += width;
            index--;
        }
    }
    return i;
}

static uint32_t map_case(const case_run *runs, size_t n, uint32_t rune)
{
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rune > runs[middle].last) {
            low = middle + 1;
        } else if (rune < runs[middle].first) {
            high = middle;
        } else if ((rune - runs[middle].first) % runs[middle].step != 0) {
            return rune;
        } else {
            return rune + (uint32_t)runs[middle].delta;
        }
    }
    return rune;
}

uint32_t cs_utf8_lower(uint32_t rune)
{
    if (rune < 0x80) {
        return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
    }
    return map_case(lower_runs, sizeof lower_runs / sizeof lower_runs[0], rune);
}

uint32_t cs_utf8_upper(uint32_t rune)
{
    if (rune < 0x80) {
        return rune >= 'a' && rune <= 'z' ? rune - 32 : rune;
    }
    return map_case(upper_runs, sizeof upper_runs / sizeof upper_runs[0], rune);
}

bool cs_utf8_is_space(uint32_t rune)
{
    for (size_t i = 0; i < sizeof space_ranges / sizeof space_ranges[0] && rune >= space_ranges[i].first; i++) {
        if (rune <= space_ranges[i].last) {
            return true;
        }
    }
    return false;
}
