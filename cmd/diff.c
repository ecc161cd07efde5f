/* Differences of two texts, step for step as diff-match-patch finds them: what is shown depends on its shortcuts. */
#include "diff.h"

#include <string.h>

#include "countersign/base/time.h"
#include "countersign/base/utf8.h"
#include "countersign/base/vec.h"

#define TIMEOUT_NS 1000000000

/* A piece of text as code points. */
typedef struct runes {
    const uint32_t *v;
    size_t n;
} runes;

typedef enum change_kind { OP_EQUAL, OP_DELETE, OP_INSERT } change_kind;

typedef struct change {
    change_kind kind;
    runes text;
} change;

typedef struct diff {
    cs_arena *arena;
    int64_t deadline;
} diff;

/* In the diff's arena; items are put in and taken out anywhere. */
typedef struct changes {
    change *v;
    size_t n, cap;
} changes;

/* ---- pieces */
static runes part(runes r, size_t from, size_t to)
{
    return (runes){r.v + from, to - from};
}

static runes decode(cs_arena *a, cs_slice s)
{
    uint32_t *v = cs_arena_array(a, uint32_t, s.n + 1);
    size_t n = 0;
    for (size_t i = 0, width; i < s.n; i += width) {
        v[n++] = cs_utf8_decode(s.p + i, s.n - i, &width);
    }
    return (runes){v, n};
}

static bool same(runes a, runes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.v, b.v, a.n * sizeof *a.v) == 0);
}

static runes join(const diff *d, runes a, runes b)
{
    if (a.n == 0 || b.n == 0) {
        return a.n ? a : b;
    }
    if (a.v + a.n == b.v) {
        return (runes){a.v, a.n + b.n};
    }
    uint32_t *v = cs_arena_alloc(d->arena, (a.n + b.n) * sizeof *v);
    memcpy(v, a.v, a.n * sizeof *v);
    memcpy(v + a.n, b.v, b.n * sizeof *v);
    return (runes){v, a.n + b.n};
}

static size_t common_prefix(runes a, runes b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.v[n] == b.v[n]) {
        n++;
    }
    return n;
}

static size_t common_suffix(runes a, runes b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.v[a.n - n - 1] == b.v[b.n - n - 1]) {
        n++;
    }
    return n;
}

static size_t find(runes s, runes what, size_t from)
{
    for (size_t i = from; what.n <= s.n && i <= s.n - what.n; i++) {
        if (same(part(s, i, i + what.n), what)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void insert(const diff *d, changes *c, size_t at, change_kind kind, runes text)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        change *v = cs_arena_alloc(d->arena, c->cap * sizeof *v);
        if (c->n) {
            memcpy(v, c->v, c->n * sizeof *v);
        }
        c->v = v;
    }
    memmove(c->v + at + 1, c->v + at, (c->n - at) * sizeof *c->v);
    c->v[at] = (change){kind, text};
    c->n++;
}

static void push(const diff *d, changes *c, change_kind kind, runes text)
{
    insert(d, c, c->n, kind, text);
}

static void erase(changes *c, size_t at, size_t n)
{
    memmove(c->v + at, c->v + at + n, (c->n - at - n) * sizeof *c->v);
    c->n -= n;
}

/* ---- putting together what belongs together */
/* Replaces the edits before the equality at *at by one deletion and one insertion, with what they share taken out. */
static void merge_edits(const diff *d, changes *c, size_t *at, size_t edits, runes gone, runes fresh)
{
    bool deletes = gone.v != NULL, inserts = fresh.v != NULL;
    if (deletes && inserts) {
        size_t n = common_prefix(fresh, gone);
        size_t first = *at - edits;
        if (n && first > 0 && c->v[first - 1].kind == OP_EQUAL) {
            c->v[first - 1].text = join(d, c->v[first - 1].text, part(fresh, 0, n));
        } else if (n) {
            insert(d, c, 0, OP_EQUAL, part(fresh, 0, n));
            ++*at;
        }
        fresh = part(fresh, n, fresh.n);
        gone = part(gone, n, gone.n);
        n = common_suffix(fresh, gone);
        c->v[*at].text = n ? join(d, part(fresh, fresh.n - n, fresh.n), c->v[*at].text) : c->v[*at].text;
        fresh = part(fresh, 0, fresh.n - n);
        gone = part(gone, 0, gone.n - n);
    }
    size_t first = *at - edits;
    erase(c, first, edits);
    *at = first + 1;
    if (inserts) {
        insert(d, c, first, OP_INSERT, fresh);
        ++*at;
    }
    if (deletes) {
        insert(d, c, first, OP_DELETE, gone);
        ++*at;
    }
}

static const uint32_t nothing[1];

static void merge_runs(const diff *d, changes *c)
{
    runes gone = {0}, fresh = {0};
    size_t edits = 0;
    push(d, c, OP_EQUAL, (runes){nothing, 0});
    for (size_t at = 0; at < c->n;) {
        change *x = &c->v[at];
        if (x->kind != OP_EQUAL) {
            runes *sum = x->kind == OP_INSERT ? &fresh : &gone;
            *sum = join(d, *sum, x->text);
            sum->v = sum->v ? sum->v : nothing;
            edits++;
            at++;
            continue;
        }
        if (edits > 1) {
            merge_edits(d, c, &at, edits, gone, fresh);
        } else if (at != 0 && c->v[at - 1].kind == OP_EQUAL) {
            c->v[at - 1].text = join(d, c->v[at - 1].text, x->text);
            erase(c, at, 1);
        } else {
            at++;
        }
        edits = 0;
        gone = fresh = (runes){0};
    }
    if (c->v[c->n - 1].text.n == 0) {
        c->n--;
    }
}

static bool ends_with(runes s, runes tail)
{
    return tail.n <= s.n && same(part(s, s.n - tail.n, s.n), tail);
}

/* A single edit between equalities is moved sideways if that removes one of them. */
static bool shift_edits(const diff *d, changes *c)
{
    bool moved = false;
    for (size_t i = 1; i + 1 < c->n; i++) {
        change *x = &c->v[i];
        if (x[-1].kind != OP_EQUAL || x[1].kind != OP_EQUAL) {
            continue;
        }
        if (ends_with(x->text, x[-1].text)) {
            x->text = join(d, x[-1].text, part(x->text, 0, x->text.n - x[-1].text.n));
            x[1].text = join(d, x[-1].text, x[1].text);
            erase(c, i - 1, 1);
            moved = true;
        } else if (x[1].text.n <= x->text.n && same(part(x->text, 0, x[1].text.n), x[1].text)) {
            x[-1].text = join(d, x[-1].text, x[1].text);
            x->text = join(d, part(x->text, x[1].text.n, x->text.n), x[1].text);
            erase(c, i + 1, 1);
            moved = true;
        }
    }
    return moved;
}

static void clean_up(const diff *d, changes *c)
{
    do {
        merge_runs(d, c);
    } while (shift_edits(d, c));
}

/* ---- finding differences */
static changes compare(const diff *d, runes a, runes b);

static void append(const diff *d, changes *to, changes from)
{
    for (size_t i = 0; i < from.n; i++) {
        push(d, to, from.v[i].kind, from.v[i].text);
    }
}

/* A common part of at least half the longer text. */
typedef struct half {
    runes long_before, long_after, short_before, short_after, common;
} half;

static bool half_match_at(runes l, runes s, size_t i, half *out)
{
    runes seed = part(l, i, i + l.n / 4);
    out->common.n = 0;
    for (size_t j = find(s, seed, 0); j != SIZE_MAX; j = find(s, seed, j + 1)) {
        size_t ahead = common_prefix(part(l, i, l.n), part(s, j, s.n));
        size_t back = common_suffix(part(l, 0, i), part(s, 0, j));
        if (out->common.n < ahead + back) {
            out->common = part(s, j - back, j + ahead);
            out->long_before = part(l, 0, i - back);
            out->long_after = part(l, i + ahead, l.n);
            out->short_before = part(s, 0, j - back);
            out->short_after = part(s, j + ahead, s.n);
        }
    }
    return out->common.n * 2 >= l.n;
}

static bool half_match(runes l, runes s, half *out)
{
    half second;
    if (l.n < 4 || s.n * 2 < l.n) {
        return false;
    }
    bool one = half_match_at(l, s, (l.n + 3) / 4, out);
    bool two = half_match_at(l, s, (l.n + 1) / 2, &second);
    if (two && !(one && out->common.n > second.common.n)) {
        *out = second;
    }
    return one || two;
}

/* Myers' search from both ends at once. */
typedef struct search {
    runes a, b;
    int64_t *forth, *back; /* the furthest point on each diagonal; -1 = none */
    int64_t offset, length, delta;
    int64_t forth_from, forth_to, back_from, back_to; /* diagonals that ran off the grid */
    int64_t x, y;                                     /* where the paths met */
} search;

static int64_t step(const int64_t *v, int64_t k, int64_t d, int64_t at)
{
    return k == -d || (k != d && v[at - 1] < v[at + 1]) ? v[at + 1] : v[at - 1] + 1;
}

static bool walk_forth(search *s, int64_t d)
{
    int64_t an = (int64_t)s->a.n, bn = (int64_t)s->b.n;
    for (int64_t k = -d + s->forth_from; k <= d - s->forth_to; k += 2) {
        int64_t at = s->offset + k, x = step(s->forth, k, d, at), y = x - k;
        while (x < an && y < bn && s->a.v[x] == s->b.v[y]) {
            x++;
            y++;
        }
        s->forth[at] = x;
        int64_t other = s->offset + s->delta - k;
        if (x > an) {
            s->forth_to += 2;
        } else if (y > bn) {
            s->forth_from += 2;
        } else if (s->delta % 2 != 0 && other >= 0 && other < s->length && s->back[other] != -1 &&
                   x >= an - s->back[other]) {
            s->x = x;
            s->y = y;
            return true;
        }
    }
    return false;
}

static bool walk_back(search *s, int64_t d)
{
    int64_t an = (int64_t)s->a.n, bn = (int64_t)s->b.n;
    for (int64_t k = -d + s->back_from; k <= d - s->back_to; k += 2) {
        int64_t at = s->offset + k, x = step(s->back, k, d, at), y = x - k;
        while (x < an && y < bn && s->a.v[an - x - 1] == s->b.v[bn - y - 1]) {
            x++;
            y++;
        }
        s->back[at] = x;
        int64_t other = s->offset + s->delta - k;
        if (x > an) {
            s->back_to += 2;
        } else if (y > bn) {
            s->back_from += 2;
        } else if (s->delta % 2 == 0 && other >= 0 && other < s->length && s->forth[other] != -1 &&
                   s->forth[other] >= an - x) {
            s->x = s->forth[other];
            s->y = s->offset + s->x - other;
            return true;
        }
    }
    return false;
}

static changes bisect(const diff *d, runes a, runes b)
{
    int64_t most = (int64_t)((a.n + b.n + 1) / 2);
    search s = {.a = a, .b = b, .offset = most, .length = 2 * most, .delta = (int64_t)a.n - (int64_t)b.n};
    s.forth = cs_alloc_array((size_t)s.length + 2, 2 * sizeof *s.forth);
    s.back = s.forth + s.length + 2;
    for (int64_t i = 0; i < s.length + 2; i++) {
        s.forth[i] = s.back[i] = -1;
    }
    s.forth[most + 1] = s.back[most + 1] = 0;
    bool met = false;
    for (int64_t k = 0; k < most && !met; k++) {
        if (k % 16 == 0 && cs_time_mono_ns() > d->deadline) {
            break;
        }
        met = walk_forth(&s, k) || walk_back(&s, k);
    }
    cs_free(s.forth);
    changes c = {0};
    if (met) {
        append(d, &c, compare(d, part(a, 0, (size_t)s.x), part(b, 0, (size_t)s.y)));
        append(d, &c, compare(d, part(a, (size_t)s.x, a.n), part(b, (size_t)s.y, b.n)));
    } else {
        push(d, &c, OP_DELETE, a);
        push(d, &c, OP_INSERT, b);
    }
    return c;
}

/* Of texts that share neither beginning nor end. */
static changes compute(const diff *d, runes a, runes b)
{
    changes c = {0};
    bool shorter = a.n <= b.n;
    runes l = shorter ? b : a, s = shorter ? a : b;
    change_kind more = shorter ? OP_INSERT : OP_DELETE;
    half h;
    if (s.n == 0) {
        push(d, &c, more, l);
        return c;
    }
    size_t at = find(l, s, 0);
    if (at != SIZE_MAX) {
        push(d, &c, more, part(l, 0, at));
        push(d, &c, OP_EQUAL, s);
        push(d, &c, more, part(l, at + s.n, l.n));
        return c;
    }
    if (s.n == 1) {
        push(d, &c, OP_DELETE, a);
        push(d, &c, OP_INSERT, b);
        return c;
    }
    if (!half_match(l, s, &h)) {
        return bisect(d, a, b);
    }
    append(d, &c, shorter ? compare(d, h.short_before, h.long_before) : compare(d, h.long_before, h.short_before));
    push(d, &c, OP_EQUAL, h.common);
    append(d, &c, shorter ? compare(d, h.short_after, h.long_after) : compare(d, h.long_after, h.short_after));
    return c;
}

/* Each level takes off a half, or half the differences, so the depth is small. */
static changes compare(const diff *d, runes a, runes b)
{
    changes c = {0};
    if (same(a, b)) {
        if (a.n) {
            push(d, &c, OP_EQUAL, a);
        }
        return c;
    }
    size_t before = common_prefix(a, b);
    runes x = part(a, before, a.n), y = part(b, before, b.n);
    size_t after = common_suffix(x, y);
    if (before) {
        push(d, &c, OP_EQUAL, part(a, 0, before));
    }
    append(d, &c, compute(d, part(x, 0, x.n - after), part(y, 0, y.n - after)));
    if (after) {
        push(d, &c, OP_EQUAL, part(x, x.n - after, x.n));
    }
    clean_up(d, &c);
    return c;
}

/* ---- text */
static void print_runes(cs_buf *out, runes text, const char *colour)
{
    cs_buf_text(out, colour ? colour : "");
    for (size_t i = 0; i < text.n; i++) {
        char bytes[4];
        if (colour && text.v[i] == '\n') {
            cs_buf_text(out, "\x1b[0m\n");
            cs_buf_text(out, colour);
        } else {
            cs_buf_put(out, bytes, cs_utf8_encode(text.v[i], bytes));
        }
    }
    cs_buf_text(out, colour ? "\x1b[0m" : "");
}

void cs_diff_print(cs_buf *out, cs_slice before, cs_slice after)
{
    cs_arena arena;
    cs_arena_init(&arena, 0);
    diff d = {.arena = &arena, .deadline = cs_time_mono_ns() + TIMEOUT_NS};
    changes c = compare(&d, decode(&arena, before), decode(&arena, after));
    for (size_t i = 0; i < c.n; i++) {
        print_runes(out, c.v[i].text,
                    c.v[i].kind == OP_INSERT   ? "\x1b[32m"
                    : c.v[i].kind == OP_DELETE ? "\x1b[31m"
                                               : NULL);
    }
    cs_arena_destroy(&arena);
}
