/* The bytes of plain events: what their readers share (event_plain.c, event_shape.c). */
#ifndef CS_JOURNAL_PLAIN_H
#define CS_JOURNAL_PLAIN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "countersign/event.h"

#define CS_EVENT__TYPE "io.countersign.spend.recorded.v1"
enum { CS_EVENT__MEMBERS = 48, CS_EVENT__DIGITS = 18 };

/* ---- where the values of an event are, for shapes (event_shape.c) */
enum { CS_EVENT__SPOTS = 32, CS_EVENT__LITERALS = 1024, CS_EVENT__SHAPES = 4 };

/* What a value is for: a text of the envelope, or (from CS_EVENT__OF_MEMBERS on) the member of that number. */
enum {
    CS_EVENT__IGNORED,
    CS_EVENT__ID,
    CS_EVENT__SOURCE,
    CS_EVENT__SUBJECT,
    CS_EVENT__CORRELATION,
    CS_EVENT__TIME,
    CS_EVENT__FIXED, /* its bytes may not differ */
    CS_EVENT__OF_MEMBERS
};

typedef struct cs_event__found {
    cs_slice text;
    uint8_t target;
    bool number;
} cs_event__found;
typedef struct cs_event__learning {
    cs_event__found v[CS_EVENT__SPOTS];
    size_t n; /* as many as there are; more than fit in v: it is no shape */
} cs_event__learning;

/* A value that varies, behind bytes that do not. */
typedef struct cs_event__spot {
    uint16_t literal; /* bytes before it, from the one before */
    bool number;
} cs_event__spot;

/* Where a member is. */
typedef struct cs_event__place {
    uint16_t name_at; /* in the bytes before this spot: */
    uint8_t spot;
    uint8_t value; /* the spot of its text, if it varies */
    bool varies;
} cs_event__place;

/* Events that differ in nothing but their values: those of one producer. */
typedef struct cs_event__shape {
    int score; /* 0 = there is none */
    bool correlated;
    uint8_t envelope[CS_EVENT__OF_MEMBERS]; /* spots of its texts */
    size_t n, n_members;
    cs_event__spot spots[CS_EVENT__SPOTS + 1];  /* the last one has no value */
    cs_event_member members[CS_EVENT__MEMBERS]; /* as they are read, but for names' and texts' places */
    cs_event__place places[CS_EVENT__MEMBERS];
    char literals[CS_EVENT__LITERALS + 8]; /* one behind the other */
} cs_event__shape;
typedef struct cs_event__shapes {
    cs_event__shape v[CS_EVENT__SHAPES];
    size_t last; /* the one that fitted */
} cs_event__shapes;

/* Reads the event if it has one of the shapes, exactly as event_plain.c would. */
bool cs_event__shape_read(cs_event__shapes *shapes, cs_arena *a, cs_slice body, cs_event *event);
/* It had none. Is it one to learn? Then, when it is read, and plain, its values say what its shape is. */
bool cs_event__shape_wanted(cs_event__shapes *shapes);
void cs_event__shape_learn(cs_event__shapes *shapes, const cs_event *event, const cs_event__learning *found);

/* cs_event_read_bulk, which remembers what events look like; NULL: it does not. */
CS_MUST_CHECK cs_err cs_event__read_bulk(cs_event__shapes *shapes, cs_arena *a, cs_slice body, bool limits,
                                         cs_event *event, cs_event_reject *reject);

/* ---- reading */
typedef struct cs_event__reader {
    const char *p, *end;
    cs_event__learning *learning; /* NULL = nobody wants to know */
} cs_event__reader;

static inline void cs_event__blanks(cs_event__reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')) {
        r->p++;
    }
}

/* After blanks. */
static inline bool cs_event__take(cs_event__reader *r, char c)
{
    if (r->p < r->end && *r->p <= ' ') {
        cs_event__blanks(r);
    }
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

/* Which of these eight bytes is the first that is a quote, a backslash, a control or not ASCII; 8 = none. A borrow only
 * reaches bytes above one that is marked itself, so the lowest mark is true; that it is the first in memory as well is
 * a matter of the order of bytes. */
static inline unsigned cs_event__strange(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t w = 0;
    memcpy(&w, p, sizeof w);
    uint64_t quote = w ^ (ones * '"');
    uint64_t back = w ^ (ones * '\\');
    uint64_t marks = ((quote - ones) | (back - ones) | (w - ones * 0x20) | w) & high;
    return marks == 0 ? 8 : __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? (unsigned)__builtin_ctzll(marks) / 8 : 0;
}

#ifdef __SSE2__
/* The same of sixteen. Signed, what is not ASCII is below a blank too. */
static inline unsigned cs_event__strange16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i back = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));
    return (unsigned)__builtin_ctz(0x10000U |
                                   (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, back), low)));
}
#endif

/* The first byte of what is left that is a quote or not plain; the end if there is none. */
static inline const char *cs_event__skip_plain(const char *p, const char *end)
{
    unsigned n = 0;
#ifdef __SSE2__
    while (end - p >= 16) {
        p += n = cs_event__strange16(p);
        if (n < 16) {
            return p;
        }
    }
#endif
    while (end - p >= 8) {
        p += n = cs_event__strange(p);
        if (n < 8) {
            break;
        }
    }
    while (p < end && (unsigned char)*p >= ' ' && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

/* The text behind its first quote. */
static inline bool cs_event__text(cs_event__reader *r, cs_slice *out)
{
    const char *p = cs_event__skip_plain(r->p, r->end);
    *out = cs_slice_make(r->p, (size_t)(p - r->p));
    if (p == r->end || *p != '"') {
        return false;
    }
    r->p = p + 1;
    return true;
}

static inline size_t cs_event__digits(cs_event__reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }
    return (size_t)(r->p - from);
}

static inline bool cs_event__number(cs_event__reader *r, cs_slice *out)
{
    const char *from = r->p;
    r->p += *r->p == '-';
    const char *first = r->p;
    size_t whole = cs_event__digits(r);
    size_t fraction = 0;
    if (whole == 0 || (whole > 1 && *first == '0')) {
        return false;
    }
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        fraction = cs_event__digits(r);
        if (fraction == 0) {
            return false;
        }
    }
    *out = cs_slice_make(from, (size_t)(r->p - from));
    return whole + fraction <= CS_EVENT__DIGITS && r->p < r->end && *r->p != 'e' && *r->p != 'E';
}

static inline bool cs_event__literal(cs_event__reader *r, const char *word, size_t n)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) {
        return false;
    }
    r->p += n;
    return true;
}

/* A value that is no object or array. */
static inline bool cs_event__scalar(cs_event__reader *r, cs_event_member *m)
{
    cs_event__blanks(r);
    m->text = CS_LIT("");
    if (r->p == r->end) {
        return false;
    }
    switch (*r->p) {
    case '"':
        r->p++;
        m->kind = CS_STRING;
        return cs_event__text(r, &m->text);
    case 't':
        m->kind = CS_BOOL;
        m->truth = true;
        return cs_event__literal(r, "true", 4);
    case 'f':
        m->kind = CS_BOOL;
        m->truth = false;
        return cs_event__literal(r, "false", 5);
    case 'n':
        m->kind = CS_NULL;
        return cs_event__literal(r, "null", 4);
    default:
        m->kind = CS_NUMBER;
        return cs_event__number(r, &m->text);
    }
}

#endif
