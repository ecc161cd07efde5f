/* The JSON reader: one pass over the text with a stack of its own (no recursion), values straight into the arena.
 * Collections are gathered on a stack that is reused and copied at their exact size; the hash of a key is taken while
 * the key is hot. */
#include "countersign/json.h"

#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "freeze.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#ifdef CS_TINY
#define STACK_FIRST 3U /* the least that holds an entry; everything else grows */
#define FRAMES_FIRST 1U
#else
#define STACK_FIRST 96U
#define FRAMES_FIRST 24U
#endif

/* An open array or object. */
typedef struct frame {
    uint32_t start; /* its first value on the stack */
    bool object;
} frame;

/* The functions below take the next byte and return the one behind what they read, or NULL with `err` set. */
typedef struct reader {
    const char *begin;
    const char *end;
    cs_arena *a;
    cs_freezer *freezer;    /* values are made by it, and `a` holds what it is shown */
    const char *given_back; /* pages of the text before this one are gone; NULL when none may go */
    bool borrow;
    bool unique;
    cs_err err;
    uint32_t max_depth;
    uint32_t depth;
    uint32_t frame_cap;
    cs_value *top;   /* next free value; an object's entry takes three: key, hash, value */
    cs_value *limit; /* behind the last */
    cs_value *stack;
    frame *frames;
    cs_error *e;
    cs_value first_stack[STACK_FIRST];
    frame first_frames[FRAMES_FIRST];
} reader;

/* ---- errors, in the words of Go's encoding/json */

static const char *fail_here(reader *r, const char *at, cs_err code, const char *text)
{
    if (r->given_back != NULL) {
        r->err = cs_fail(r->e, code, "%s", text);
        return NULL;
    }
    uint32_t row = 1;
    const char *line = r->begin;
    for (const char *p = r->begin; p < at; p++) {
        if (*p == '\n') {
            row++;
            line = p + 1;
        }
    }
    size_t col = cs_utf8_count((cs_slice){line, (size_t)(at - line)}) + 1;
    r->err = cs_fail_at(r->e, code, NULL, row, (uint32_t)col, "%s", text);
    return NULL;
}

static const char *fail_memory(reader *r)
{
    r->err = cs_fail(r->e, CS_ERR_MEMORY, "the document is too large for the memory granted");
    return NULL;
}

/* `where` says what the byte at `at` does not fit; at the end of the text it is the end that is wrong. */
static const char *fail_byte(reader *r, const char *at, const char *where)
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

static void widen(reader *r)
{
    size_t n = (size_t)(r->top - r->stack);
    size_t cap = (size_t)(r->limit - r->stack) * 2;
    bool first = r->stack == r->first_stack;
    cs_value *more = cs_realloc(first ? NULL : r->stack, cap * sizeof *more);
    if (first) {
        memcpy(more, r->stack, sizeof *more * n);
    }
    r->stack = more;
    r->top = more + n;
    r->limit = more + cap;
}

/* Room for one entry, which is at most three values. */
static inline void reserve(reader *r)
{
    if (__builtin_expect(r->limit - r->top < 3, 0)) {
        widen(r);
    }
}

static const char *open_frame(reader *r, const char *p, bool object)
{
    if (r->depth == r->max_depth) {
        return fail_here(r, p, CS_ERR_LIMIT,
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
    r->frames[r->depth++] = (frame){(uint32_t)(r->top - r->stack), object};
    return p + 1;
}

/* ---- scalars */

static inline const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
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
        char low = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0) {
            *bad = p + i;
            return -1;
        }
        x = x * 16 + digit;
    }
    return x;
}

/* An escape, p behind its backslash; writes what it means. */
static const char *read_escape(reader *r, const char *p, char **out)
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char TO[] = "\"\\/\b\f\n\r\t";
    if (p == r->end) {
        return fail_byte(r, p, "");
    }
    if (*p != 'u') {
        const char *found = *p == '\0' ? NULL : strchr(FROM, *p);
        if (found == NULL) {
            return fail_byte(r, p, "in string escape code");
        }
        *(*out)++ = TO[found - FROM];
        return p + 1;
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
    return p;
}

/* A string with escapes or bad bytes, from behind its quote. */
static const char *read_string_slow(reader *r, const char *start, cs_value *out)
{
    /* The quote that ends it bounds the result: a bad byte becomes three, an escape never grows. */
    const char *quote = start;
    while (quote < r->end && *quote != '"') {
        quote += *quote == '\\' ? 2 : 1;
    }
    size_t most = (quote < r->end ? (size_t)(quote - start) : (size_t)(r->end - start)) * 3;
    char *text = cs_arena_try(r->a, most + 4);
    if (text == NULL) {
        return fail_memory(r);
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
            p = read_escape(r, p + 1, &to);
            if (p == NULL) {
                return NULL;
            }
        } else {
            size_t width = 0;
            to += cs_utf8_encode(cs_utf8_decode(p, (size_t)(r->end - p), &width), to);
            p += width;
        }
    }
    *out = cs_string((cs_slice){text, (size_t)(to - text)});
    return p + 1;
}

/* A string, from behind its quote. */
static inline const char *read_string(reader *r, const char *start, cs_value *out)
{
    const char *p = scan_plain(start, r->end);
    while (__builtin_expect(p < r->end && *p != '"', 0)) {
        size_t width = 0;
        if ((signed char)*p >= 0 || (cs_utf8_decode(p, (size_t)(r->end - p), &width) == CS_RUNE_BAD && width == 1)) {
            return read_string_slow(r, start, out);
        }
        p = scan_plain(p + width, r->end);
    }
    if (p == r->end) {
        return fail_byte(r, p, "");
    }
    cs_slice s = {start, (size_t)(p - start)};
    *out = r->borrow ? cs_string(s) : cs_string_copy(r->a, s);
    return p + 1;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') <= 9) {
        p++;
    }
    return p;
}

/* Fraction and exponent; p is where the whole part ended. */
static const char *scan_fraction(reader *r, const char *p)
{
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
    return p;
}

/* A number that is not a short integer, from its first byte; p is where its whole part ended. */
static const char *read_number_text(reader *r, const char *start, const char *p, cs_value *out)
{
    p = scan_fraction(r, p);
    if (p == NULL) {
        return NULL;
    }
    cs_slice text = {start, (size_t)(p - start)};
    if (text.n > cs_limits_get()->number_digits) {
        return fail_here(r, start, CS_ERR_LIMIT, "invalid number: number too big");
    }
    if (!r->borrow) {
        text.p = cs_arena_dup(r->a, start, text.n);
    }
    cs_err err = cs_number_parse(r->a, text, out, NULL);
    return err == CS_OK ? p : fail_here(r, start, err, "invalid number: number too big");
}

static inline const char *read_number(reader *r, const char *start, cs_value *out)
{
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
        *out = cs_int(digits == start ? (int64_t)m : -(int64_t)m);
        return p;
    }
    return read_number_text(r, start, p, out);
}

static const char *read_word(reader *r, const char *p, const char *word, cs_value v, cs_value *out)
{
    size_t i = 0;
    for (; word[i] != '\0'; i++) {
        if (p + i >= r->end || p[i] != word[i]) {
            char where[48];
            (void)snprintf(where, sizeof where, "in literal %s (expecting '%c')", word, word[i]);
            return fail_byte(r, p + i, where);
        }
    }
    *out = v;
    return p + i;
}

static inline const char *read_scalar(reader *r, const char *p, cs_value *out)
{
    switch (*p) {
    case '"':
        return read_string(r, p + 1, out);
    case 't':
        return read_word(r, p, "true", cs_bool(true), out);
    case 'f':
        return read_word(r, p, "false", cs_bool(false), out);
    case 'n':
        return read_word(r, p, "null", cs_null(), out);
    default:
        if (*p != '-' && (unsigned char)(*p - '0') > 9) {
            return fail_byte(r, p, "looking for beginning of value");
        }
        return read_number(r, p, out);
    }
}

/* What was read for the freezer becomes its own. */
static inline void freeze_scalar(reader *r, cs_value *v)
{
    *v = cs_value__freeze_scalar(r->freezer, *v);
    if (__builtin_expect(r->a->chunks != NULL, 0)) {
        cs_arena_reset(r->a);
    }
}

/* ---- collections */

static inline bool same_text(const cs_value *x, const cs_value *y)
{
    return x->n == y->n && (x->n == 0 || memcmp(x->u.s, y->u.s, x->n) == 0);
}

/* The object whose `n` entries of three stand at `from`; of equal keys the last value wins. */
static void close_small_object(cs_table *t, const cs_value *from, uint32_t n)
{
    uint32_t *hashes = cs_table_hashes(t);
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++, from += 3) {
        uint32_t hash = (uint32_t)from[1].u.i;
        uint32_t at = 0;
        while (at < used && !(hashes[at] == hash && same_text(&t->keys[at], &from[0]))) {
            at++;
        }
        if (at == used) {
            t->keys[at] = from[0];
            hashes[at] = hash;
            used++;
        }
        t->vals[at] = from[2];
    }
    t->n = used;
    t->sorted = used <= 1;
}

static void close_wide_object(cs_arena *a, cs_table *t, const cs_value *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, from += 3) {
        uint32_t hash = (uint32_t)from[1].u.i;
        uint32_t at = cs_value__find(t, from[0], hash);
        if (at == CS_TABLE_NONE) {
            at = cs_value__append(a, t, from[0], hash);
        }
        t->vals[at] = from[2];
    }
}

enum { GIVE_BACK = 4194304 };

static const char *close_frozen(reader *r, const char *p, cs_value *out, const cs_value *from, uint32_t n, bool object)
{
    *out = object ? cs_value__freeze_members(r->freezer, (const cs_value__member *)(const void *)from, n / 3)
                  : cs_value__freeze_items(r->freezer, from, n);
    if (r->unique && object && cs_count(*out) != n / 3) {
        return fail_here(r, p, CS_ERR_SYNTAX, "two members of this object have the same name");
    }
    if (r->given_back != NULL && p - r->given_back > GIVE_BACK) {
        cs_mem_discard(r->given_back, (size_t)(p - r->given_back));
        r->given_back = p;
    }
    return p + 1;
}

static const char *close_frame(reader *r, const char *p, cs_value *out)
{
    const frame *f = &r->frames[--r->depth];
    cs_value *from = r->stack + f->start;
    uint32_t n = (uint32_t)(r->top - from);
    if (cs_arena_exceeded(r->a)) {
        return fail_memory(r);
    }
    r->top = from;
    if (r->freezer != NULL) {
        return close_frozen(r, p, out, from, n, f->object);
    }
    if (!f->object) {
        *out = cs_array_copy(r->a, from, n);
        return p + 1;
    }
    n /= 3;
    cs_table *t = cs_value__table(r->a, n, true);
    if (n <= CS_TABLE_LINEAR) {
        close_small_object(t, from, n);
    } else {
        close_wide_object(r->a, t, from, n);
    }
    if (r->unique && t->n != n) {
        return fail_here(r, p, CS_ERR_SYNTAX, "two members of this object have the same name");
    }
    *out = (cs_value){.kind = CS_OBJECT, .u.table = t};
    return p + 1;
}

/* A key and its colon; both go on the stack with the key's hash. */
static inline const char *read_key(reader *r, const char *p)
{
    p = skip_blanks(p, r->end);
    if (p == r->end || *p != '"') {
        return fail_byte(r, p, "looking for beginning of object key string");
    }
    reserve(r);
    p = read_string(r, p + 1, r->top);
    if (p == NULL) {
        return NULL;
    }
    uint32_t hash = cs_hash_bytes(r->top->u.s, r->top->n);
    r->top[1] = (cs_value){.kind = CS_PRIVATE, .u.i = hash};
    if (r->freezer != NULL) {
        *r->top = cs_value__freeze_text(r->freezer, cs_text(*r->top), hash);
        if (__builtin_expect(r->a->chunks != NULL, 0)) {
            cs_arena_reset(r->a);
        }
    }
    r->top += 2;
    p = skip_blanks(p, r->end);
    if (p == r->end || *p != ':') {
        return fail_byte(r, p, "after object key");
    }
    return p + 1;
}

/* Opens a collection. *closed if it was empty, and then it is in *out. */
static inline const char *enter(reader *r, const char *p, bool *closed, cs_value *out)
{
    bool object = *p == '{';
    p = open_frame(r, p, object);
    if (p == NULL) {
        return NULL;
    }
    p = skip_blanks(p, r->end);
    if (p < r->end && *p == (object ? '}' : ']')) {
        *closed = true;
        return close_frame(r, p, out);
    }
    return object ? read_key(r, p) : p;
}

/* Behind a value inside a collection: puts it there; *closed if the collection ends, and then it is in *v. */
static inline const char *follow(reader *r, const char *p, bool *closed, cs_value *v)
{
    bool object = r->frames[r->depth - 1].object;
    reserve(r);
    *r->top++ = *v;
    p = skip_blanks(p, r->end);
    if (p < r->end && *p == ',') {
        return object ? read_key(r, p + 1) : p + 1;
    }
    if (p < r->end && *p == (object ? '}' : ']')) {
        *closed = true;
        return close_frame(r, p, v);
    }
    return fail_byte(r, p, object ? "after object key:value pair" : "after array element");
}

static const char *read_value(reader *r, const char *p, cs_value *out)
{
    for (;;) {
        cs_value v = cs_undefined();
        p = skip_blanks(p, r->end);
        if (p == r->end) {
            return fail_byte(r, p, "");
        }
        bool closed = true;
        if (*p == '{' || *p == '[') {
            closed = false;
            p = enter(r, p, &closed, &v);
        } else {
            p = read_scalar(r, p, &v);
            if (r->freezer != NULL && p != NULL) {
                freeze_scalar(r, &v);
            }
        }
        while (p != NULL && closed && r->depth > 0) {
            closed = false;
            p = follow(r, p, &closed, &v);
        }
        if (p == NULL || closed) {
            *out = v;
            return p;
        }
    }
}

static void read_whole(reader *r, bool prefix, cs_value *out, size_t *consumed)
{
    const char *p = skip_blanks(r->begin, r->end);
    if (p == r->end) {
        (void)fail_here(r, p, CS_ERR_SYNTAX, "EOF");
        return;
    }
    cs_value v = cs_undefined();
    p = read_value(r, p, &v);
    if (p == NULL) {
        return;
    }
    size_t taken = (size_t)(p - r->begin);
    p = skip_blanks(p, r->end);
    if (!prefix && p != r->end) {
        (void)fail_byte(r, p, "after top-level value");
    } else if (cs_arena_exceeded(r->a)) {
        (void)fail_memory(r);
    } else {
        *out = v;
        if (consumed != NULL) {
            *consumed = taken;
        }
    }
}

cs_err cs_json_read(cs_arena *a, cs_slice text, const cs_json_options *options, cs_value *out, size_t *consumed,
                    cs_error *e)
{
    reader r;
    r.begin = text.p != NULL ? text.p : "";
    r.end = r.begin + text.n;
    cs_arena shown;
    cs_arena_init(&shown, 0);
    r.freezer = options != NULL ? options->freezer : NULL;
    r.a = r.freezer != NULL ? &shown : a;
    r.given_back = r.freezer != NULL && options->consume ? r.begin : NULL;
    r.borrow = r.freezer != NULL || (options != NULL && options->borrow);
    r.unique = options != NULL && options->unique;
    r.err = CS_OK;
    r.max_depth =
        options != NULL && options->max_depth != 0 ? options->max_depth : (uint32_t)cs_limits_get()->json_depth;
    r.depth = 0;
    r.frame_cap = FRAMES_FIRST;
    r.stack = r.first_stack;
    r.top = r.stack;
    r.limit = r.stack + STACK_FIRST;
    r.frames = r.first_frames;
    r.e = e;
    read_whole(&r, options != NULL && options->prefix, out, consumed);
    if (r.stack != r.first_stack) {
        cs_free(r.stack);
    }
    if (r.frames != r.first_frames) {
        cs_free(r.frames);
    }
    cs_arena_destroy(&shown);
    return r.err;
}
