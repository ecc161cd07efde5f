/* The JSON reader: one pass over the text with a stack of its own (no recursion), values straight into the arena.
 * Collections are gathered on a stack that is reused and copied at their exact size; the hash of a key is taken while
 * the key is hot. */
#include "countersign/json.h"

#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define STACK_FIRST 96U
#define FRAMES_FIRST 24U

/* An open array or object. */
typedef struct frame {
    uint32_t start; /* its first value on the stack */
    bool object;
} frame;

typedef struct reader {
    const char *p;
    const char *end;
    const char *begin;
    cs_arena *a;
    bool borrow;
    uint32_t max_depth;
    uint32_t top; /* values on the stack; an object's entry takes three: key, hash, value */
    uint32_t cap;
    uint32_t depth;
    uint32_t frame_cap;
    cs_value *stack;
    frame *frames;
    cs_error *e;
    cs_value first_stack[STACK_FIRST];
    frame first_frames[FRAMES_FIRST];
} reader;

/* ---- errors, in the words of Go's encoding/json */

static cs_err fail_here(reader *r, const char *at, cs_err code, const char *text)
{
    uint32_t row = 1;
    const char *line = r->begin;
    for (const char *p = r->begin; p < at; p++) {
        if (*p == '\n') {
            row++;
            line = p + 1;
        }
    }
    size_t col = cs_utf8_count((cs_slice){line, (size_t)(at - line)}) + 1;
    return cs_fail_at(r->e, code, NULL, row, (uint32_t)col, "%s", text);
}

/* `where` says what the byte at `at` does not fit; at the end of the text it is the end that is wrong. */
static cs_err fail_byte(reader *r, const char *at, const char *where)
{
    if (at >= r->end) {
        return fail_here(r, r->end, CS_ERR_SYNTAX, "unexpected EOF");
    }
    unsigned char c = (unsigned char)*at;
    char shown[16];
    static const char ESCAPED[] = "\aa\bb\ff\nn\rr\tt\vv\\\\''";
    const char *found = c == 0 ? NULL : strchr(ESCAPED, c);
    if (found != NULL && (found - ESCAPED) % 2 == 0) {
        (void)snprintf(shown, sizeof shown, "\\%c", found[1]);
    } else if (c >= 0xA1 && c != 0xAD) {
        /* Go shows the byte as the Latin-1 character it would be. */
        size_t n = cs_utf8_encode(c, shown);
        shown[n] = '\0';
    } else if (c >= 0x80) {
        (void)snprintf(shown, sizeof shown, "\\u%04x", c);
    } else if (c < 0x20 || c == 0x7F) {
        (void)snprintf(shown, sizeof shown, "\\x%02x", c);
    } else {
        (void)snprintf(shown, sizeof shown, "%c", c);
    }
    char text[128];
    (void)snprintf(text, sizeof text, "invalid character '%s' %s", shown, where);
    return fail_here(r, at, CS_ERR_SYNTAX, text);
}

/* ---- the stacks */

static void push(reader *r, cs_value v)
{
    if (r->top == r->cap) {
        uint32_t cap = r->cap * 2;
        cs_value *more = cs_alloc_array(cap, sizeof *more);
        memcpy(more, r->stack, sizeof *more * (size_t)r->top);
        if (r->stack != r->first_stack) {
            cs_free(r->stack);
        }
        r->stack = more;
        r->cap = cap;
    }
    r->stack[r->top++] = v;
}

static cs_err open_frame(reader *r, bool object)
{
    if (r->depth == r->max_depth) {
        return fail_here(r, r->p, CS_ERR_LIMIT,
                         object ? "invalid character '{' exceeded max depth"
                                : "invalid character '[' exceeded max depth");
    }
    if (r->depth == r->frame_cap) {
        uint32_t cap = r->frame_cap * 2;
        frame *more = cs_alloc_array(cap, sizeof *more);
        memcpy(more, r->frames, sizeof *more * (size_t)r->depth);
        if (r->frames != r->first_frames) {
            cs_free(r->frames);
        }
        r->frames = more;
        r->frame_cap = cap;
    }
    r->frames[r->depth++] = (frame){r->top, object};
    return CS_OK;
}

/* ---- scalars */

static inline void skip_blanks(reader *r)
{
    const char *p = r->p;
    while (p < r->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
        p++;
    }
    r->p = p;
}

/* The first byte at or after p that is a quote, a backslash, a control character or not ASCII. */
static inline const char *scan_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 count as negative, so that one comparison finds them and the control characters. */
        __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)), _mm_cmplt_epi8(x, blank));
        int mask = _mm_movemask_epi8(hit);
        if (mask != 0) {
            return p + __builtin_ctz((unsigned)mask);
        }
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (signed char)*p >= 0x20) {
        p++;
    }
    return p;
}

static int hex4(const char *p, const char *end, const char **bad)
{
    int x = 0;
    for (int i = 0; i < 4; i++) {
        char c = p + i < end ? p[i] : '\0';
        int digit = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : -1;
        if (p + i >= end || digit < 0) {
            *bad = p + i;
            return -1;
        }
        x = x * 16 + digit;
    }
    return x;
}

/* An escape at *at (behind the backslash); writes what it means and moves *at behind it. */
static cs_err read_escape(reader *r, const char **at, char **out)
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char TO[] = "\"\\/\b\f\n\r\t";
    const char *p = *at;
    if (p == r->end) {
        return fail_byte(r, p, "");
    }
    if (*p != 'u') {
        const char *found = *p == '\0' ? NULL : strchr(FROM, *p);
        if (found == NULL) {
            return fail_byte(r, p, "in string escape code");
        }
        *(*out)++ = TO[found - FROM];
        *at = p + 1;
        return CS_OK;
    }
    const char *bad = NULL;
    int rune = hex4(p + 1, r->end, &bad);
    if (rune < 0) {
        return fail_byte(r, bad, "in \\u hexadecimal character escape");
    }
    p += 5;
    if (rune >= 0xD800 && rune < 0xDC00 && r->end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int low = hex4(p + 2, r->end, &bad);
        if (low >= 0xDC00 && low < 0xE000) {
            rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
            p += 6;
        }
    }
    *out += cs_utf8_encode((uint32_t)rune, *out); /* a lone surrogate is written as U+FFFD */
    *at = p;
    return CS_OK;
}

/* A string with escapes or bad bytes, from its first byte. */
static cs_err read_string_slow(reader *r, const char *start, cs_value *out)
{
    /* The quote that ends it bounds the result: a bad byte becomes three, an escape never grows. */
    const char *quote = start;
    while (quote < r->end && *quote != '"') {
        quote += *quote == '\\' ? 2 : 1;
    }
    size_t most = (quote < r->end ? (size_t)(quote - start) : (size_t)(r->end - start)) * 3;
    char *text = cs_arena_try(r->a, most + 4);
    if (text == NULL) {
        return cs_fail(r->e, CS_ERR_MEMORY, "a string is too long for the memory granted");
    }
    char *to = text;
    const char *p = start;
    for (;;) {
        const char *stop = scan_plain(p, r->end);
        memcpy(to, p, (size_t)(stop - p));
        to += stop - p;
        p = stop;
        if (p == r->end) {
            return fail_byte(r, p, "");
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            break;
        }
        if (c < 0x20) {
            return fail_byte(r, p, "in string literal");
        }
        if (c == '\\') {
            p++;
            CS_TRY(read_escape(r, &p, &to));
        } else {
            size_t width = 0;
            to += cs_utf8_encode(cs_utf8_decode(p, (size_t)(r->end - p), &width), to);
            p += width;
        }
    }
    r->p = p + 1;
    *out = cs_string((cs_slice){text, (size_t)(to - text)});
    return CS_OK;
}

/* A string; r->p is behind the opening quote. */
static inline cs_err read_string(reader *r, cs_value *out)
{
    const char *start = r->p;
    const char *p = start;
    for (;;) {
        p = scan_plain(p, r->end);
        if (p == r->end) {
            return fail_byte(r, p, "");
        }
        if (*p == '"') {
            break;
        }
        if ((signed char)*p >= 0) {
            return read_string_slow(r, start, out);
        }
        size_t width = 0;
        uint32_t rune = cs_utf8_decode(p, (size_t)(r->end - p), &width);
        if (rune == CS_RUNE_BAD && width == 1) {
            return read_string_slow(r, start, out);
        }
        p += width;
    }
    cs_slice s = {start, (size_t)(p - start)};
    r->p = p + 1;
    *out = r->borrow ? cs_string(s) : cs_string_copy(r->a, s);
    return CS_OK;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') <= 9) {
        p++;
    }
    return p;
}

/* Fraction and exponent; p is where the whole part ended. */
static cs_err scan_fraction(reader *r, const char **at)
{
    const char *p = *at;
    if (p < r->end && *p == '.') {
        const char *q = skip_digits(++p, r->end);
        if (q == p) {
            return fail_byte(r, p, "after decimal point in numeric literal");
        }
        p = q;
    }
    if (p < r->end && (*p | 0x20) == 'e') {
        p++;
        p += p < r->end && (*p == '+' || *p == '-');
        const char *q = skip_digits(p, r->end);
        if (q == p) {
            return fail_byte(r, p, "in exponent of numeric literal");
        }
        p = q;
    }
    *at = p;
    return CS_OK;
}

static cs_err read_number(reader *r, cs_value *out)
{
    const char *start = r->p;
    const char *p = start + (*start == '-');
    if (p == r->end || (unsigned char)(*p - '0') > 9) {
        return fail_byte(r, p, "in numeric literal");
    }
    const char *digits = p;
    uint64_t m = 0;
    if (*p == '0') {
        p++;
    } else {
        for (; p < r->end && (unsigned char)(*p - '0') <= 9; p++) {
            m = m * 10 + (uint64_t)(*p - '0');
        }
    }
    bool whole = p == r->end || (*p != '.' && (*p | 0x20) != 'e');
    if (whole && p - digits <= 18 && (m != 0 || digits == start)) {
        r->p = p;
        *out = cs_int(digits == start ? (int64_t)m : -(int64_t)m);
        return CS_OK;
    }
    CS_TRY(scan_fraction(r, &p));
    cs_slice text = {start, (size_t)(p - start)};
    if (!r->borrow) {
        if (text.n > cs_limits_get()->number_digits) {
            return fail_here(r, start, CS_ERR_LIMIT, "number too big");
        }
        text.p = cs_arena_dup(r->a, start, text.n);
    }
    cs_err err = cs_number_parse(r->a, text, out, NULL);
    if (err != CS_OK) {
        return fail_here(r, start, err, "invalid number: number too big");
    }
    r->p = p;
    return CS_OK;
}

static cs_err read_word(reader *r, const char *word, cs_value v, cs_value *out)
{
    for (size_t i = 0; word[i] != '\0'; i++) {
        if (r->p + i >= r->end || r->p[i] != word[i]) {
            char where[48];
            (void)snprintf(where, sizeof where, "in literal %s (expecting '%c')", word, word[i]);
            return fail_byte(r, r->p + i, where);
        }
    }
    r->p += strlen(word);
    *out = v;
    return CS_OK;
}

static inline cs_err read_scalar(reader *r, cs_value *out)
{
    switch (*r->p) {
    case '"':
        r->p++;
        return read_string(r, out);
    case 't':
        return read_word(r, "true", cs_bool(true), out);
    case 'f':
        return read_word(r, "false", cs_bool(false), out);
    case 'n':
        return read_word(r, "null", cs_null(), out);
    default:
        if (*r->p != '-' && (unsigned char)(*r->p - '0') > 9) {
            return fail_byte(r, r->p, "looking for beginning of value");
        }
        return read_number(r, out);
    }
}

/* ---- collections */

static inline bool same_text(const cs_value *x, const cs_value *y)
{
    return x->n == y->n && (x->n == 0 || memcmp(x->u.s, y->u.s, x->n) == 0);
}

/* The object whose `n` entries of three stand at `from`; of equal keys the last value wins. */
static cs_value close_object(reader *r, const cs_value *from, uint32_t n)
{
    cs_table *t = cs_value__table(r->a, n, true);
    for (uint32_t i = 0; i < n; i++, from += 3) {
        uint32_t hash = (uint32_t)from[1].u.i;
        uint32_t same = CS_TABLE_NONE;
        if (t->slots != NULL) {
            same = cs_value__find(t, from[0], hash);
        } else {
            for (uint32_t k = 0; k < t->n; k++) {
                if (t->hashes[k] == hash && same_text(&t->keys[k], &from[0])) {
                    same = k;
                    break;
                }
            }
        }
        if (same == CS_TABLE_NONE) {
            same = cs_value__append(r->a, t, from[0], hash);
        }
        t->vals[same] = from[2];
    }
    return (cs_value){.kind = CS_OBJECT, .u.table = t};
}

static cs_err close_frame(reader *r, cs_value *out)
{
    const frame *f = &r->frames[--r->depth];
    uint32_t n = r->top - f->start;
    const cs_value *from = r->stack + f->start;
    if (cs_arena_exceeded(r->a)) {
        return cs_fail(r->e, CS_ERR_MEMORY, "the document is too large for the memory granted");
    }
    *out = f->object ? close_object(r, from, n / 3) : cs_array_copy(r->a, from, n);
    r->top = f->start;
    return CS_OK;
}

/* A key and its colon; both go on the stack with the key's hash. */
static cs_err read_key(reader *r)
{
    skip_blanks(r);
    if (r->p == r->end || *r->p != '"') {
        return fail_byte(r, r->p, "looking for beginning of object key string");
    }
    r->p++;
    cs_value key;
    CS_TRY(read_string(r, &key));
    push(r, key);
    push(r, (cs_value){.kind = CS_PRIVATE, .u.i = cs_hash_bytes(key.u.s, key.n)});
    skip_blanks(r);
    if (r->p == r->end || *r->p != ':') {
        return fail_byte(r, r->p, "after object key");
    }
    r->p++;
    return CS_OK;
}

/* Opens a collection; *closed if it was empty, and then it is in *out. */
static cs_err enter(reader *r, bool object, bool *closed, cs_value *out)
{
    CS_TRY(open_frame(r, object));
    r->p++;
    skip_blanks(r);
    if (r->p < r->end && *r->p == (object ? '}' : ']')) {
        r->p++;
        *closed = true;
        return close_frame(r, out);
    }
    *closed = false;
    return object ? read_key(r) : CS_OK;
}

/* Behind a value inside a collection: puts it there; *more if another value follows, else the collection is in *v. */
static cs_err follow(reader *r, cs_value *v, bool *more)
{
    bool object = r->frames[r->depth - 1].object;
    push(r, *v);
    skip_blanks(r);
    if (r->p < r->end && *r->p == ',') {
        r->p++;
        *more = true;
        return object ? read_key(r) : CS_OK;
    }
    if (r->p < r->end && *r->p == (object ? '}' : ']')) {
        r->p++;
        *more = false;
        return close_frame(r, v);
    }
    return fail_byte(r, r->p, object ? "after object key:value pair" : "after array element");
}

static cs_err read_value(reader *r, cs_value *out)
{
    for (;;) {
        cs_value v = cs_undefined();
        bool closed = true;
        skip_blanks(r);
        if (r->p == r->end) {
            return fail_byte(r, r->p, "");
        }
        if (*r->p == '{' || *r->p == '[') {
            CS_TRY(enter(r, *r->p == '{', &closed, &v));
        } else {
            CS_TRY(read_scalar(r, &v));
        }
        bool more = !closed;
        while (!more) {
            if (r->depth == 0) {
                *out = v;
                return CS_OK;
            }
            CS_TRY(follow(r, &v, &more));
        }
    }
}

cs_err cs_json_read(cs_arena *a, cs_slice text, const cs_json_options *options, cs_value *out, size_t *consumed,
                    cs_error *e)
{
    reader r;
    r.begin = text.p != NULL ? text.p : "";
    r.p = r.begin;
    r.end = r.begin + text.n;
    r.a = a;
    r.borrow = options != NULL && options->borrow;
    r.max_depth =
        options != NULL && options->max_depth != 0 ? options->max_depth : (uint32_t)cs_limits_get()->json_depth;
    r.top = 0;
    r.depth = 0;
    r.cap = STACK_FIRST;
    r.frame_cap = FRAMES_FIRST;
    r.stack = r.first_stack;
    r.frames = r.first_frames;
    r.e = e;
    skip_blanks(&r);
    cs_value v = cs_undefined();
    cs_err err = CS_OK;
    if (r.p == r.end) {
        err = fail_here(&r, r.p, CS_ERR_SYNTAX, "EOF");
    } else {
        err = read_value(&r, &v);
    }
    if (err == CS_OK && consumed != NULL) {
        *consumed = (size_t)(r.p - r.begin);
    }
    if (err == CS_OK && (options == NULL || !options->prefix)) {
        skip_blanks(&r);
        if (r.p != r.end) {
            err = fail_byte(&r, r.p, "after top-level value");
        }
    }
    if (err == CS_OK && cs_arena_exceeded(a)) {
        err = cs_fail(e, CS_ERR_MEMORY, "the document is too large for the memory granted");
    }
    if (r.stack != r.first_stack) {
        cs_free(r.stack);
    }
    if (r.frames != r.first_frames) {
        cs_free(r.frames);
    }
    if (err == CS_OK) {
        *out = v;
    }
    return err;
}
