/* Roots: which paths of `data` a bundle may write, and whether two bundles claim the same. */
#include "bundle/internal.h"

#include <stdlib.h>

#include "countersign/base/vec.h"

static cs_slice trim_slashes(cs_slice s)
{
    while (s.n > 0 && s.p[0] == '/') {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    return s;
}

static bool contains(cs_slice root, cs_slice path)
{
    return root.n == 0 || (cs_slice_starts(path, root) && (path.n == root.n || path.p[root.n] == '/'));
}

bool cs_bundle_root_contains(const cs_slice *roots, size_t n, cs_slice path)
{
    for (size_t i = 0; i < n; i++) {
        if (contains(roots[i], path)) {
            return true;
        }
    }
    return false;
}

bool cs_bundle_roots_overlap(cs_slice a, cs_slice b)
{
    return contains(a, b) || contains(b, a);
}

bool cs_bundle__root_contains_keys(const cs_slice *roots, size_t n, const cs_slice *keys, size_t n_keys)
{
    for (size_t i = 0; i < n; i++) {
        cs_slice rest = roots[i], part;
        size_t k = 0;
        bool inside = true;
        while (inside && roots[i].n > 0 && cs_slice_next(&rest, '/', &part)) {
            inside = k < n_keys && cs_slice_eq(keys[k], part);
            k++;
        }
        if (inside) {
            return true;
        }
    }
    return false;
}

/* ---- overlaps between bundles: all roots sorted, so that whatever lies below a root follows it */

typedef struct entry {
    cs_slice root; /* without slashes at the ends */
    cs_slice bundle;
    size_t index;
} entry;

/* As OPA sorts "/a/" and "/a/b/": a slash ends every root. */
static int compare_roots(cs_slice a, cs_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    if (order != 0 || a.n == b.n) {
        return order;
    }
    unsigned char next_a = a.n > n ? (unsigned char)a.p[n] : '/';
    unsigned char next_b = b.n > n ? (unsigned char)b.p[n] : '/';
    if (next_a != next_b) {
        return next_a < next_b ? -1 : 1;
    }
    return a.n < b.n ? -1 : 1;
}

static int by_root(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    int order = compare_roots(a->root, b->root);
    return order != 0 ? order : cs_slice_compare(a->bundle, b->bundle);
}

static int by_text(const void *x, const void *y)
{
    const cs_slice *a = x, *b = y;
    return cs_slice_compare(*a, *b);
}

typedef CS_VEC(cs_slice) names;

static void join_sorted(cs_buf *out, names *list)
{
    if (list->n > 0) {
        qsort(list->v, list->n, sizeof *list->v, by_text);
    }
    size_t written = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0 && cs_slice_eq(list->v[i], list->v[i - 1])) {
            continue;
        }
        cs_buf_text(out, written++ > 0 ? ", " : "");
        cs_buf_slice(out, list->v[i]);
    }
}

/* Entries [from, to) share one root. Notes who collides with whom there and below. */
static void scan_group(cs_arena *a, const entry *v, size_t n, size_t from, size_t to, names *who, names *what)
{
    cs_slice root = v[from].root;
    bool several = false;
    for (size_t k = from + 1; k < to; k++) {
        several = several || !cs_slice_eq(v[k].bundle, v[from].bundle);
    }
    if (several) {
        for (size_t k = from; k < to; k++) {
            CS_VEC_PUSH_IN(a, who, v[k].bundle);
        }
        size_t length;
        char *text = cs_arena_printf(a, &length, "root %.*s is in multiple bundles", CS_FMT(root));
        CS_VEC_PUSH_IN(a, what, cs_slice_make(text, length));
    }
    for (size_t d = to; d < n && contains(root, v[d].root); d++) {
        bool crossed = false;
        for (size_t k = from; k < to; k++) {
            if (!cs_slice_eq(v[k].bundle, v[d].bundle)) {
                CS_VEC_PUSH_IN(a, who, v[k].bundle);
                crossed = true;
            }
        }
        if (crossed) {
            CS_VEC_PUSH_IN(a, who, v[d].bundle);
            size_t length;
            char *text = cs_arena_printf(a, &length, "%.*s overlaps %.*s", CS_FMT(root), CS_FMT(v[d].root));
            CS_VEC_PUSH_IN(a, what, cs_slice_make(text, length));
        }
    }
}

cs_err cs_bundles_check_roots(const cs_bundle_roots *bundles, size_t n, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    CS_VEC(entry) entries = {0};
    names empty = {0}, who = {0}, what = {0};
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < bundles[i].n; r++) {
            entry item = {trim_slashes(bundles[i].roots[r]), bundles[i].name, i};
            CS_VEC_PUSH_IN(&a, &entries, item);
            if (bundles[i].roots[r].n == 0) {
                CS_VEC_PUSH_IN(&a, &empty, bundles[i].name);
            }
        }
    }
    if (entries.n > 0) {
        qsort(entries.v, entries.n, sizeof *entries.v, by_root);
    }
    for (size_t from = 0; from < entries.n;) {
        size_t to = from + 1;
        while (to < entries.n && cs_slice_eq(entries.v[to].root, entries.v[from].root)) {
            to++;
        }
        scan_group(&a, entries.v, entries.n, from, to, &who, &what);
        from = to;
    }
    cs_err err = CS_OK;
    if (who.n > 0) {
        cs_buf names_text, more;
        cs_buf_init(&names_text);
        cs_buf_init(&more);
        join_sorted(&names_text, &who);
        join_sorted(&more, empty.n > 0 ? &empty : &what);
        size_t length;
        char *text =
            empty.n > 0
                ? cs_arena_printf(
                      &a, &length,
                      "bundles [%s] have overlapping roots and cannot be activated simultaneously "
                      "because bundle(s) [%s] specify empty root paths ('') which overlap with any other bundle "
                      "root",
                      cs_buf_cstr(&names_text), cs_buf_cstr(&more))
                : cs_arena_printf(&a, &length, "detected overlapping roots in manifests for these bundles: [%s] (%s)",
                                  cs_buf_cstr(&names_text), cs_buf_cstr(&more));
        err = cs_fail(e, CS_ERR_BUNDLE_ROOTS, "%s", text);
        cs_buf_destroy(&names_text);
        cs_buf_destroy(&more);
    }
    cs_arena_destroy(&a);
    return err;
}
