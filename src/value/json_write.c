/* The JSON writer: Go's encoding/json in its words and escapes, plain, pretty or canonical. */
#include "countersign/json.h"

#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { CANONICAL = 256 };

typedef struct writer {
    cs_buf *out;
    unsigned flags;
    uint32_t depth;
} writer;

static void write_value(writer *w, cs_value v);

/* ---- strings */

/* One bit for each byte that stands for itself: all of printable ASCII but the quote and the backslash; with HTML not
 * '<', '>' and '&' either. */
#define BIT(c) (UINT64_C(1) << ((c)&63))
static const uint64_t PLAIN[4] = {~UINT64_C(0) << 32 & ~BIT('"'), ~BIT('\\'), 0, 0};
static const uint64_t PLAIN_HTML[4] = {~UINT64_C(0) << 32 & ~(BIT('"') | BIT('&') | BIT('<') | BIT('>')), ~BIT('\\'), 0,
                                       0};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Bit 7 of some byte is set if any of them is zero. */
static uint64_t any_zero(uint64_t x)
{
    return (x - EACH(1)) & ~x & EACH(0x80);
}

/* Do eight bytes stand for themselves? false also for those beyond ASCII. */
static inline __attribute__((always_inline)) bool plain_word(const char *p, bool html)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    uint64_t hit =
        (x & EACH(0x80)) | ((x - EACH(0x20)) & ~x & EACH(0x80)) | any_zero(x ^ EACH('"')) | any_zero(x ^ EACH('\\'));
    if (html) {
        hit |= any_zero((x | EACH(2)) ^ EACH('>')) | any_zero(x ^ EACH('&'));
    }
    return hit == 0;
}

/* How many bytes from p on stand for themselves. */
static size_t plain_run(const char *p, size_t n, bool html)
{
    size_t i = 0;
#if defined(__SSE2__)
    const __m128i low = _mm_set1_epi8(0x20);
    for (; n - i >= 16; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        /* Signed: bytes from 0x80 count as negative. */
        __m128i hit = _mm_or_si128(_mm_cmplt_epi8(x, low), _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                                                        _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
        if (html) {
            /* '<' and '>' differ in one bit. */
            __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
            hit = _mm_or_si128(hit, _mm_or_si128(angle, _mm_cmpeq_epi8(x, _mm_set1_epi8('&'))));
        }
        int mask = _mm_movemask_epi8(hit);
        if (mask != 0) {
            return i + (size_t)__builtin_ctz((unsigned)mask);
        }
    }
#endif
    if (n - i >= 8 && plain_word(p + i, html)) {
        i += 8;
    }
    if (n - i < 8 && n >= 8 && plain_word(p + n - 8, html)) {
        return n; /* the last eight, some of them for the second time */
    }
    const uint64_t *plain = html ? PLAIN_HTML : PLAIN;
    while (i < n && (plain[(unsigned char)p[i] >> 6] >> ((unsigned char)p[i] & 63) & 1) != 0) {
        i++;
    }
    return i;
}

static void write_escape(cs_buf *out, uint32_t c)
{
    static const char HEX[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', '0', '0'};
    for (int i = 5; i >= 2; i--) {
        text[i] = HEX[c & 15];
        c >>= 4;
    }
    cs_buf_put(out, text, sizeof text);
}

/* One character that is not a plain byte; returns its width. */
static size_t write_special(cs_buf *out, const char *p, size_t n, bool canonical)
{
    unsigned char c = (unsigned char)*p;
    if (c >= 0x80) {
        size_t width = 0;
        uint32_t rune = cs_utf8_decode(p, n, &width);
        if (rune == CS_RUNE_BAD && width == 1) {
            if (canonical) {
                cs_buf_put(out, "\xEF\xBF\xBD", 3);
            } else {
                cs_buf_text(out, "\\ufffd");
            }
        } else if (!canonical && (rune == 0x2028 || rune == 0x2029)) {
            write_escape(out, rune);
        } else {
            cs_buf_put(out, p, width);
        }
        return width;
    }
    const char *two = NULL;
    switch (c) {
    case '"':
        two = "\\\"";
        break;
    case '\\':
        two = "\\\\";
        break;
    case '\b':
        two = "\\b";
        break;
    case '\f':
        two = "\\f";
        break;
    case '\n':
        two = "\\n";
        break;
    case '\r':
        two = "\\r";
        break;
    case '\t':
        two = "\\t";
        break;
    default:
        break;
    }
    if (two != NULL) {
        cs_buf_put(out, two, 2);
    } else {
        write_escape(out, c);
    }
    return 1;
}

void cs_json_write_string(cs_buf *out, cs_slice s, unsigned flags)
{
    bool html = (flags & CS_JSON_HTML) != 0;
    size_t run = plain_run(s.p, s.n, html);
    char *to = out->cap - out->n >= s.n + 2 ? out->p + out->n : cs_buf_room(out, s.n + 2);
    *to++ = '"';
    if (run > 0) {
        memcpy(to, s.p, run);
    }
    if (run == s.n) {
        to[run] = '"';
        out->n += run + 2;
        return;
    }
    out->n += run + 1;
    for (size_t i = run; i < s.n; i += run) {
        i += write_special(out, s.p + i, s.n - i, (flags & CANONICAL) != 0);
        run = plain_run(s.p + i, s.n - i, html);
        cs_buf_put(out, s.p + i, run);
    }
    cs_buf_byte(out, '"');
}

/* ---- numbers of the canonical form */

/* Exact digits without superfluous zeros, laid out as ECMAScript lays out a Number: equal numbers have one text. */
static void write_reduced(cs_buf *out, cs_value v)
{
    char room[32];
    if (v.form == CS_NUMBER_INT) {
        cs_buf_slice(out, cs_number_text(v, room));
        return;
    }
    cs_decimal d;
    cs_number__take(v, room, &d);
    if (d.digits == 0) {
        cs_buf_byte(out, '0');
        return;
    }
    if (d.negative) {
        cs_buf_byte(out, '-');
    }
    int64_t n = (int64_t)d.digits;
    bool plain = d.point > -6 && d.point <= 21;
    if (plain && d.point <= 0) {
        cs_buf_text(out, "0.");
        for (int64_t i = d.point; i < 0; i++) {
            cs_buf_byte(out, '0');
        }
    }
    const char *p = d.first;
    for (int64_t i = 0; i < n; i++, p++) {
        p += *p == '.';
        if (i > 0 && i == (plain ? d.point : 1)) {
            cs_buf_byte(out, '.');
        }
        cs_buf_byte(out, *p);
    }
    for (int64_t i = n; plain && i < d.point; i++) {
        cs_buf_byte(out, '0');
    }
    if (!plain) {
        cs_buf_printf(out, "e%+lld", (long long)(d.point - 1));
    }
}

/* ---- collections */

static void new_line(writer *w)
{
    cs_buf_byte(w->out, '\n');
    for (uint32_t i = 0; i < w->depth; i++) {
        cs_buf_text(w->out, (w->flags & CS_JSON_TAB) != 0 ? "\t" : "  ");
    }
}

static void before_item(writer *w, bool first)
{
    if (!first) {
        cs_buf_byte(w->out, ',');
    }
    if ((w->flags & CS_JSON_PRETTY) != 0) {
        new_line(w);
    }
}

static void write_list(writer *w, const cs_value *items, uint32_t n)
{
    cs_buf_byte(w->out, '[');
    w->depth++;
    for (uint32_t i = 0; i < n; i++) {
        before_item(w, i == 0);
        write_value(w, items[i]);
    }
    w->depth--;
    if (n > 0 && (w->flags & CS_JSON_PRETTY) != 0) {
        new_line(w);
    }
    cs_buf_byte(w->out, ']');
}

static void write_entry(writer *w, bool first, cs_slice key, cs_value value)
{
    before_item(w, first);
    cs_json_write_string(w->out, key, w->flags);
    cs_buf_byte(w->out, ':');
    if ((w->flags & CS_JSON_PRETTY) != 0) {
        cs_buf_byte(w->out, ' ');
    }
    write_value(w, value);
}

/* An entry of an object whose keys need texts first. */
typedef struct text_entry {
    cs_slice key;
    uint32_t entry;
    cs_buf owned; /* the text of a key that is not a string */
} text_entry;

/* UTF-16 code units order astral characters before U+E000..U+FFFF; bytes order them behind. */
static int compare_utf16(cs_slice x, cs_slice y)
{
    size_t n = x.n < y.n ? x.n : y.n;
    for (size_t i = 0; i < n; i++) {
        unsigned char a = (unsigned char)x.p[i];
        unsigned char b = (unsigned char)y.p[i];
        if (a != b) {
            if ((a >= 0xF0) != (b >= 0xF0) && a >= 0xEE && b >= 0xEE) {
                return a >= 0xF0 ? -1 : 1;
            }
            return a < b ? -1 : 1;
        }
    }
    return (x.n > y.n) - (x.n < y.n);
}

static int compare_keys(const text_entry *x, const text_entry *y, bool canonical)
{
    int order = canonical ? compare_utf16(x->key, y->key) : cs_slice_compare(x->key, y->key);
    return order != 0 ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

static void sort_entries(text_entry *items, text_entry *spare, size_t n, bool canonical)
{
    if (n < 2) {
        return;
    }
    size_t half = n / 2;
    sort_entries(items, spare, half, canonical);
    sort_entries(items + half, spare, n - half, canonical);
    memcpy(spare, items, sizeof *items * half);
    for (size_t i = 0, j = half, k = 0; i < half; k++) {
        bool left = j == n || compare_keys(&spare[i], &items[j], canonical) <= 0;
        items[k] = left ? spare[i++] : items[j++];
    }
}

/* Keys that are not strings are written as strings of their JSON; of equal texts the last one is kept. */
static void write_texted_object(writer *w, const cs_table *t)
{
    text_entry *items = cs_alloc_array(t->n, 2 * sizeof *items);
    for (uint32_t i = 0; i < t->n; i++) {
        items[i] = (text_entry){.entry = i};
        cs_buf_init(&items[i].owned);
        if (t->keys[i].kind == CS_STRING) {
            items[i].key = cs_text(t->keys[i]);
        } else {
            writer inner = {&items[i].owned, w->flags & CANONICAL, 0};
            write_value(&inner, t->keys[i]);
            items[i].key = cs_buf_view(&items[i].owned);
        }
    }
    sort_entries(items, items + t->n, t->n, (w->flags & CANONICAL) != 0);
    bool first = true;
    for (uint32_t i = 0; i < t->n; i++) {
        if (i + 1 < t->n && cs_slice_eq(items[i].key, items[i + 1].key)) {
            continue;
        }
        write_entry(w, first, items[i].key, t->vals[items[i].entry]);
        first = false;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        cs_buf_destroy(&items[i].owned);
    }
    cs_free(items);
}

/* Are there bytes from which on the two orders of keys may differ? */
static bool has_late_bytes(cs_slice key)
{
    size_t i = 0;
    for (; key.n - i >= 8; i += 8) {
        uint64_t x;
        memcpy(&x, key.p + i, sizeof x);
        if ((x & EACH(0x80)) != 0) {
            break;
        }
    }
    for (; i < key.n; i++) {
        if ((unsigned char)key.p[i] >= 0xEE) {
            return true;
        }
    }
    return false;
}

static bool needs_texts(const cs_table *t, bool canonical)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->keys[i].kind != CS_STRING || (canonical && has_late_bytes(cs_text(t->keys[i])))) {
            return true;
        }
    }
    return false;
}

static void write_object(writer *w, cs_table *t)
{
    if ((w->flags & CS_JSON_AS_MADE) == 0) {
        cs_table_sort(t);
    }
    cs_buf_byte(w->out, '{');
    w->depth++;
    if (needs_texts(t, (w->flags & CANONICAL) != 0)) {
        write_texted_object(w, t);
    } else {
        for (uint32_t i = 0; i < t->n; i++) {
            write_entry(w, i == 0, cs_text(t->keys[i]), t->vals[i]);
        }
    }
    w->depth--;
    if (t->n > 0 && (w->flags & CS_JSON_PRETTY) != 0) {
        new_line(w);
    }
    cs_buf_byte(w->out, '}');
}

static void write_value(writer *w, cs_value v)
{
    char room[32];
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        cs_buf_text(w->out, v.u.i != 0 ? "true" : "false");
        break;
    case CS_NUMBER:
        if ((w->flags & CANONICAL) != 0) {
            write_reduced(w->out, v);
        } else {
            cs_buf_slice(w->out, cs_number_text(v, room));
        }
        break;
    case CS_STRING:
        cs_json_write_string(w->out, cs_text(v), w->flags);
        break;
    case CS_ARRAY:
        write_list(w, v.u.items, v.n);
        break;
    case CS_OBJECT:
        write_object(w, v.u.table);
        break;
    case CS_SET:
        cs_table_sort(v.u.table);
        write_list(w, v.u.table->keys, v.u.table->n);
        break;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        cs_buf_text(w->out, "null");
        break;
    }
}

void cs_json_write(cs_buf *out, cs_value v, unsigned flags)
{
    writer w = {out, flags, 0};
    write_value(&w, v);
}

void cs_value__json_at(cs_buf *out, cs_value v, unsigned flags, uint32_t depth)
{
    writer w = {out, flags, depth};
    write_value(&w, v);
}

void cs_json_write_canonical(cs_buf *out, cs_value v)
{
    writer w = {out, CANONICAL, 0};
    write_value(&w, v);
}
