/* regex.globs_match: is there a text that both patterns match? The patterns are characters, '.', [sets] and \escapes,
 * each with '+' or
 * '*'. The answer is that of the library that OPA uses, whose search is followed step by step, with its results
 * remembered so that it ends soon. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/internal.h"

/* Tokens of a pattern; the search's tables grow with the product of both. */
#define MOST_TOKENS 2000U

typedef enum kind { KIND_RUNE, KIND_DOT, KIND_SET } kind;

typedef struct range {
    uint32_t low, high;
} range;

typedef struct token {
    kind kind;
    char flag; /* '+', '*' or 0 */
    uint32_t rune;
    range *ranges; /* sorted, apart from each other */
    size_t n;
} token;

typedef struct pattern {
    cs_call *call;
    const uint32_t *runes;
    size_t n_runes;
    cs_slice text;
    size_t at;
    token *tokens;
    size_t n;
} pattern;

/* ------------------------------------------------------------------------------------------------ tokens */

static cs_err bad_pattern(pattern *p, const char *format, ...) CS_PRINTF(2, 3);

static cs_err bad_pattern(pattern *p, const char *format, ...)
{
    va_list args;
    cs_buf text;
    va_start(args, format);
    char what[256];
    int n = vsnprintf(what, sizeof what, format, args);
    va_end(args);
    cs_buf_init(&text);
    cs_buf_printf(&text, "input:%.*s, pos:%zu, %s: the input provided is invalid", CS_FMT(p->text), p->at,
                  n < 0 ? "" : what);
    cs_err err = cs_call_error(p->call, "%s", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
    return err;
}

static cs_err next_rune(pattern *p, uint32_t *rune, bool *escaped)
{
    *escaped = p->runes[p->at] == '\\';
    if (*escaped && p->at + 1 >= p->n_runes) {
        return bad_pattern(p, "input ends with a \\ (escape) character");
    }
    *rune = p->runes[p->at + *escaped];
    p->at += 1U + *escaped;
    return CS_OK;
}

static void add_range(pattern *p, token *t, size_t *cap, range r)
{
    if (t->n == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        range *grown = cs_arena_alloc(p->call->arena, more * sizeof *grown);
        if (t->n) {
            memcpy(grown, t->ranges, t->n * sizeof *grown);
        }
        t->ranges = grown;
        *cap = more;
    }
    t->ranges[t->n++] = r;
}

/* Sorts the ranges and joins those that touch. */
static void normalise(token *t)
{
    for (size_t i = 1; i < t->n; i++) {
        range moved = t->ranges[i];
        size_t at = i;
        for (; at > 0 && t->ranges[at - 1].low > moved.low; at--) {
            t->ranges[at] = t->ranges[at - 1];
        }
        t->ranges[at] = moved;
    }
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (n && t->ranges[i].low <= t->ranges[n - 1].high + 1) {
            t->ranges[n - 1].high =
                t->ranges[i].high > t->ranges[n - 1].high ? t->ranges[i].high : t->ranges[n - 1].high;
        } else {
            t->ranges[n++] = t->ranges[i];
        }
    }
    t->n = n;
}

/* Behind '-'. */
static cs_err read_range_end(pattern *p, token *t, size_t *cap, bool have_low, uint32_t low)
{
    if (!have_low) {
        return bad_pattern(p, "range character '-' must be preceded by a Unicode character");
    }
    if (p->at + 1 >= p->n_runes) {
        return bad_pattern(p, "range character '-' must be followed by a Unicode character");
    }
    uint32_t high;
    bool escaped;
    CS_TRY(next_rune(p, &high, &escaped));
    if (!escaped && (high == ']' || high == '-')) {
        return bad_pattern(p, "range character '-' cannot be followed by a special symbol");
    }
    if (high < low) {
        char x[5] = {0}, y[5] = {0};
        (void)cs_utf8_encode(high, x);
        (void)cs_utf8_encode(low, y);
        return bad_pattern(p, "range is out of order: '%s' comes before '%s' in Unicode", x, y);
    }
    add_range(p, t, cap, (range){low, high});
    return CS_OK;
}

/* Behind '['. */
static cs_err read_set(pattern *p, token *t)
{
    size_t cap = 0;
    bool have_low = false;
    uint32_t low = 0;
    t->kind = KIND_SET;
    while (p->at < p->n_runes) {
        uint32_t rune;
        bool escaped;
        CS_TRY(next_rune(p, &rune, &escaped));
        if (!escaped && rune == ']') {
            normalise(t);
            return CS_OK;
        }
        if (!escaped && rune == '-') {
            CS_TRY(read_range_end(p, t, &cap, have_low, low));
            have_low = false;
            continue;
        }
        add_range(p, t, &cap, (range){rune, rune});
        low = rune;
        have_low = true;
    }
    return bad_pattern(p, "found [ without matching ]");
}

static cs_err read_token(pattern *p, token *t)
{
    bool escaped;
    *t = (token){.kind = KIND_RUNE};
    CS_TRY(next_rune(p, &t->rune, &escaped));
    if (!escaped && t->rune == '.') {
        t->kind = KIND_DOT;
    } else if (!escaped && t->rune == ']') {
        return bad_pattern(p, "set-close ']' with no preceding '['");
    } else if (!escaped && t->rune == '[') {
        CS_TRY(read_set(p, t));
    } else if (!escaped && (t->rune == '+' || t->rune == '*')) {
        return bad_pattern(p, "flag '%c' must be preceded by a non-flag", (int)t->rune);
    }
    if (p->at < p->n_runes) {
        if (p->runes[p->at] == '\\' && p->at + 1 >= p->n_runes) {
            return bad_pattern(p, "input ends with a \\ (escape) character");
        }
        if (p->runes[p->at] == '+' || p->runes[p->at] == '*') {
            t->flag = (char)p->runes[p->at++];
        }
    }
    return CS_OK;
}

static bool same_token(const token *x, const token *y)
{
    if (x->kind != y->kind || x->n != y->n) {
        return false;
    }
    return (x->kind != KIND_RUNE || x->rune == y->rune) &&
           (x->n == 0 || memcmp(x->ranges, y->ranges, x->n * sizeof *x->ranges) == 0);
}

/* Reads the pattern; "a*a*" becomes "a*", "a*a+" becomes "a+". */
static cs_err read_pattern(cs_call *call, cs_slice text, pattern *p)
{
    size_t count = cs_utf8_count(text);
    if (count > MOST_TOKENS * 8U) {
        return cs_call_error(call, "the pattern is too long");
    }
    uint32_t *runes = cs_arena_alloc(call->arena, (count + 1) * sizeof *runes);
    *p = (pattern){.call = call, .runes = runes, .n_runes = count, .text = text};
    for (size_t i = 0, at = 0, width; i < count; i++, at += width) {
        runes[i] = cs_utf8_decode(text.p + at, text.n - at, &width);
    }
    p->tokens = cs_arena_alloc(call->arena, (count + 1) * sizeof *p->tokens);
    while (p->at < p->n_runes) {
        token t;
        CS_TRY(read_token(p, &t));
        token *last = p->n ? &p->tokens[p->n - 1] : NULL;
        if (last && last->flag && t.flag && same_token(last, &t)) {
            last->flag = last->flag == '+' || t.flag == '+' ? '+' : '*';
        } else {
            p->tokens[p->n++] = t;
        }
    }
    return p->n <= MOST_TOKENS ? CS_OK : cs_call_error(call, "the pattern is too long");
}

/* ------------------------------------------------------------------------------------------------ intersection */

static bool common(const token *x, const token *y)
{
    if (x->kind > y->kind) {
        const token *swap = x;
        x = y;
        y = swap;
    }
    if (x->kind == KIND_DOT || y->kind == KIND_DOT) {
        return true;
    }
    const range one = {x->rune, x->rune}, *r = x->kind == KIND_RUNE ? &one : x->ranges;
    size_t n = x->kind == KIND_RUNE ? 1 : x->n;
    if (y->kind == KIND_RUNE) {
        return x->rune == y->rune;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < y->n; k++) {
            if (r[i].low <= y->ranges[k].high && y->ranges[k].low <= r[i].high) {
                return true;
            }
        }
    }
    return false;
}

/* Two lists of tokens; `x` may be either pattern, so results are remembered for both orders. */
typedef struct side {
    const token *v;
    size_t n;
} side;

typedef struct search {
    side sides[2];
    uint8_t *known[2]; /* normal, star: by order and both positions: 0 unknown, 1 no, 2 yes */
} search;

static uint8_t *memo(const search *s, int what, int x, size_t i, size_t j)
{
    size_t a = x == 0 ? i : j, b = x == 0 ? j : i;
    return &s->known[what][((size_t)x * (s->sides[0].n + 1) + a) * (s->sides[1].n + 1) + b];
}

static bool star(const search *s, int x, size_t i, size_t j);

/* Side x from token i against the other side from token j. */
static bool normal(const search *s, int x, size_t i, size_t j)
{
    uint8_t *known = memo(s, 0, x, i, j);
    if (*known) {
        return *known == 2;
    }
    const side *p = &s->sides[x], *q = &s->sides[!x];
    size_t a = i, b = j;
    bool result = true;
    while (result && a < p->n && b < q->n && !p->v[a].flag && !q->v[b].flag) {
        result = common(&p->v[a++], &q->v[b++]);
    }
    if (result && a < p->n && b < q->n) {
        int first = p->v[a].flag ? x : !x; /* the side whose token has the flag */
        size_t f = p->v[a].flag ? a : b, o = p->v[a].flag ? b : a;
        const side *flagged = &s->sides[first], *other = &s->sides[!first];
        if (flagged->v[f].flag == '*') {
            result = star(s, first, f, o);
        } else {
            result = common(&flagged->v[f], &other->v[o]) &&
                     (star(s, first, f, o + 1) || (other->v[o].flag && normal(s, first, f + 1, o)));
        }
    } else if (result) {
        result = a == p->n && b == q->n;
    }
    *known = result ? 2 : 1;
    return result;
}

/* Side x stands at a token that may repeat; how much of the other side does it take? */
static bool star(const search *s, int x, size_t i, size_t j)
{
    uint8_t *known = memo(s, 1, x, i, j);
    if (*known) {
        return *known == 2;
    }
    const side *p = &s->sides[x], *q = &s->sides[!x];
    const token *next = i + 1 < p->n ? &p->v[i + 1] : NULL;
    bool result = next == NULL;
    for (size_t k = j; k < q->n; k++) {
        if (next && common(&q->v[k], next) && normal(s, x, i + 1, k)) {
            result = true;
            break;
        }
        if (!common(&q->v[k], &p->v[i])) {
            result = false;
            break;
        }
    }
    *known = result ? 2 : 1;
    return result;
}

/* What has no flag at both ends must agree one by one; it is cut off but for one token at each end. */
static bool trim(side *x, side *y)
{
    size_t left = 0;
    while (left < x->n && left < y->n && !x->v[left].flag && !y->v[left].flag) {
        if (!common(&x->v[left], &y->v[left])) {
            return false;
        }
        left++;
    }
    left -= left > 0;
    size_t a = x->n, b = y->n;
    while (a > left && b > left && !x->v[a - 1].flag && !y->v[b - 1].flag) {
        if (!common(&x->v[a - 1], &y->v[b - 1])) {
            return false;
        }
        a--;
        b--;
    }
    if (a < x->n) {
        a++;
        b++;
    }
    *x = (side){x->v + left, a - left};
    *y = (side){y->v + left, b - left};
    return true;
}

cs_err cs_builtin__regex_globs_match(cs_call *call, cs_value *out)
{
    cs_slice x, y;
    pattern p, q;
    CS_TRY(cs_call_string(call, 1, &x));
    CS_TRY(cs_call_string(call, 2, &y));
    CS_TRY(read_pattern(call, x, &p));
    CS_TRY(read_pattern(call, y, &q));
    search s = {.sides = {{p.tokens, p.n}, {q.tokens, q.n}}};
    if (!trim(&s.sides[0], &s.sides[1])) {
        return cs_call__give(out, cs_bool(false));
    }
    size_t size = (s.sides[0].n + 1) * (s.sides[1].n + 1) * 2;
    for (int i = 0; i < 2; i++) {
        s.known[i] = cs_arena_try(call->arena, size);
        if (!s.known[i]) {
            return cs_call__limit_error(call, "eval_memory");
        }
        memset(s.known[i], 0, size);
    }
    return cs_call__give(out, cs_bool(normal(&s, 0, 0, 0)));
}
