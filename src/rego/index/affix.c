/* Which of many constant strings does a text start with? All of them stand in one sorted row; the nearest one at or
 * before the text is the longest candidate, and whatever else the text starts with, that one starts with, too. */
#include "rego/index/internal.h"

#include <stdlib.h>

static int compare_bytes(cs_slice a, cs_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

typedef struct numbered {
    cs_slice text;
    uint32_t at;
} numbered;

static int compare_numbered(const void *x, const void *y)
{
    return compare_bytes(((const numbered *)x)->text, ((const numbered *)y)->text);
}

static bool starts_with(cs_slice s, cs_slice prefix)
{
    return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

cs_affixes cs_index__affixes(cs_arena *a, const cs_slice *texts, uint32_t n, uint32_t *order)
{
    numbered *rows = cs_alloc_array(n + 1, sizeof *rows);
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = (numbered){texts[i], i};
    }
    qsort(rows, n, sizeof *rows, compare_numbered);
    cs_affixes out = {cs_arena_array(a, cs_slice, n + 1), cs_arena_array(a, uint32_t, n + 1), n};
    for (uint32_t i = 0; i < n; i++) {
        out.texts[i] = rows[i].text;
        order[rows[i].at] = i;
        uint32_t outer = i; /* 1 + the one before */
        while (outer && !starts_with(out.texts[i], out.texts[outer - 1])) {
            outer = out.outer[outer - 1];
        }
        out.outer[i] = outer;
    }
    cs_free(rows);
    return out;
}

uint32_t cs_index__longest(const cs_affixes *affixes, cs_slice s)
{
    uint32_t lo = 0;
    uint32_t hi = affixes->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (compare_bytes(affixes->texts[mid], s) <= 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    uint32_t found = lo; /* 1 + the greatest text that is not above */
    while (found && !starts_with(s, affixes->texts[found - 1])) {
        found = affixes->outer[found - 1];
    }
    return found;
}

cs_slice cs_index__reverse(cs_arena *a, cs_slice s)
{
    char *out = cs_arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        out[i] = s.p[s.n - 1 - i];
    }
    return cs_slice_make(out, s.n);
}
