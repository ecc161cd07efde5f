/* JSON on one line, with HTML escapes or canonical: what is answered, logged and signed. Every decision passes here
 * twice or more, so strings are copied and looked at in one pass, and the keys of small objects are ordered by their
 * first eight bytes, without moving the object's entries. */
#include "countersign/json.h"
#include "countersign/number.h"
#include "internal.h"
#include "json_plain.h"

enum { SMALL = 16, SLACK = 8 /* room behind every piece for brackets, commas and words */ };

typedef struct sink {
    cs_buf *out;
    char *to, *end; /* of the buffer's bytes */
    unsigned flags;
    bool html, canonical;
    bool same;
} sink;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken for the bytes of texts");

static void put_value(sink *s, cs_value v);

static inline void save(sink *s)
{
    s->out->n = (size_t)(s->to - s->out->p);
}

static inline void load(sink *s)
{
    s->to = s->out->p + s->out->n;
    s->end = s->out->p + s->out->cap;
}

static __attribute__((noinline)) void grow(sink *s, size_t n)
{
    save(s);
    (void)cs_buf_room(s->out, n < 256 ? 256 : n);
    load(s);
}

static inline void need(sink *s, size_t n)
{
    if ((size_t)(s->end - s->to) < n) {
        grow(s, n);
    }
}

/* Room is there: every piece leaves SLACK. */
static inline void put_byte(sink *s, char c)
{
    *s->to++ = c;
}

/* ---- strings */

/* Up to three bytes in a word of letters. */
static inline uint32_t tiny_word(const char *p, size_t n)
{
    uint32_t x = 0x61616161U;
    for (size_t i = 0; i < n; i++) {
        x ^= ((unsigned char)p[i] ^ 0x61U) << (8 * i);
    }
    return x;
}

/* Four to seven bytes as two words, some of them twice. */
static inline uint64_t short_words(char *to, const char *p, size_t n)
{
    uint32_t first, last;
    memcpy(&first, p, 4);
    memcpy(&last, p + n - 4, 4);
    memcpy(to, &first, 4);
    memcpy(to + n - 4, &last, 4);
    return first | (uint64_t)last << 32;
}

#if defined(__SSE2__)
static inline void store16(char *to, __m128i x)
{
    _mm_storeu_si128((__m128i *)(void *)to, x);
}

/* Copies the text, and perhaps some bytes behind it. Not 0 if some do not stand for themselves. */
static inline int copy(char *to, const char *p, size_t n, bool html)
{
    __m128i x;
    if (n >= 16) {
        __m128i hit = _mm_setzero_si128();
        for (size_t i = 0; i + 16 < n; i += 16) {
            x = cs_json__load16(p + i);
            store16(to + i, x);
            hit = _mm_or_si128(hit, cs_json__special_bytes(x, html));
        }
        x = cs_json__load16(p + n - 16); /* some of them for the second time */
        store16(to + n - 16, x);
        return _mm_movemask_epi8(_mm_or_si128(hit, cs_json__special_bytes(x, html)));
    }
    if (n >= 8) {
        __m128i first = _mm_loadl_epi64((const __m128i *)(const void *)p);
        __m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(p + n - 8));
        _mm_storel_epi64((__m128i *)(void *)to, first);
        _mm_storel_epi64((__m128i *)(void *)(to + n - 8), last);
        x = _mm_unpacklo_epi64(first, last);
    } else if (n >= 4) {
        x = _mm_set1_epi64x((int64_t)short_words(to, p, n));
    } else {
        uint32_t word = tiny_word(p, n);
        memcpy(to, &word, 4);
        x = _mm_set1_epi32((int32_t)word);
    }
    return _mm_movemask_epi8(cs_json__special_bytes(x, html));
}
#else
static inline int copy(char *to, const char *p, size_t n, bool html)
{
    if (n >= 8) {
        uint64_t hit = 0, x;
        for (size_t i = 0; i < n; i += 8) {
            size_t at = i + 8 <= n ? i : n - 8;
            memcpy(&x, p + at, 8);
            memcpy(to + at, &x, 8);
            hit |= cs_json__special_bits(x, html);
        }
        return hit != 0;
    }
    if (n >= 4) {
        return cs_json__special_bits(short_words(to, p, n), html) != 0;
    }
    uint32_t word = tiny_word(p, n);
    memcpy(to, &word, 4);
    return cs_json__special_bits(word | (uint64_t)word << 32, html) != 0;
}
#endif

static void put_special(sink *s, cs_slice text)
{
    save(s);
    cs_json_write_string(s->out, text, s->flags);
    load(s);
    need(s, SLACK);
}

static __attribute__((noinline)) void put_string(sink *s, cs_slice text)
{
    need(s, text.n + 2 + SLACK);
    if (copy(s->to + 1, text.p, text.n, s->html) != 0) {
        put_special(s, text);
        return;
    }
    s->to[0] = '"';
    s->to[text.n + 1] = '"';
    s->to += text.n + 2;
}

/* ---- numbers */

/* Exact digits without superfluous zeros, laid out as ECMAScript lays out a Number: equal numbers have one text. */
static void put_decimal(cs_buf *out, const cs_decimal *d)
{
    if (d->digits == 0) {
        cs_buf_byte(out, '0');
        return;
    }
    if (d->negative) {
        cs_buf_byte(out, '-');
    }
    int64_t n = (int64_t)d->digits;
    bool plain = d->point > -6 && d->point <= 21;
    if (plain && d->point <= 0) {
        cs_buf_text(out, "0.");
        for (int64_t i = d->point; i < 0; i++) {
            cs_buf_byte(out, '0');
        }
    }
    const char *p = d->first;
    for (int64_t i = 0; i < n; i++, p++) {
        p += *p == '.';
        if (i > 0 && i == (plain ? d->point : 1)) {
            cs_buf_byte(out, '.');
        }
        cs_buf_byte(out, *p);
    }
    for (int64_t i = n; plain && i < d->point; i++) {
        cs_buf_byte(out, '0');
    }
    if (!plain) {
        cs_buf_printf(out, "e%+lld", (long long)(d->point - 1));
    }
}

static void put_int(sink *s, int64_t i)
{
    char room[48];
    size_t at = 24;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    do {
        room[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (i < 0) {
        room[--at] = '-';
    }
    need(s, 24 + SLACK);
    memcpy(s->to, room + at, 20); /* at most 20 of them count */
    s->to += 24 - at;
}

static __attribute__((noinline)) void put_number(sink *s, cs_value v)
{
    if (v.form == CS_NUMBER_INT) {
        put_int(s, v.u.i);
        return;
    }
    char room[32];
    cs_slice text = cs_number_text(v, room);
    save(s);
    if (s->canonical) {
        size_t from = s->out->n;
        cs_decimal d;
        cs_number__take(v, room, &d);
        put_decimal(s->out, &d);
        s->same = s->same && cs_slice_eq(cs_slice_make(s->out->p + from, s->out->n - from), text);
    } else {
        cs_buf_slice(s->out, text);
    }
    load(s);
    need(s, SLACK);
}

/* ---- collections */

bool cs_value__only_texts(const cs_table *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->keys[i].kind != CS_STRING) {
            return false;
        }
    }
    return true;
}

/* Are there bytes from which on the two orders of keys may differ? */
static bool has_late_bytes(cs_slice key)
{
    size_t i = 0;
    for (; key.n - i >= 8; i += 8) {
        uint64_t x;
        memcpy(&x, key.p + i, sizeof x);
        if ((x & CS_JSON__EACH(0x80)) != 0) {
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

/* Must the members be given texts, or an order, that take more than looking at them? */
static bool needs_texts(const cs_table *t, bool canonical)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->keys[i].kind != CS_STRING || (canonical && has_late_bytes(cs_text(t->keys[i])))) {
            return true;
        }
    }
    return false;
}

/* The first eight bytes as a number: most keys are told apart by them. */
static inline uint64_t first_bytes(cs_value key)
{
    uint64_t x = 0;
    if (key.n >= 8) {
        memcpy(&x, key.u.s, 8);
    } else if (key.n >= 4) {
        uint32_t first, last;
        memcpy(&first, key.u.s, 4);
        memcpy(&last, key.u.s + key.n - 4, 4);
        x = first | (uint64_t)last << (8 * (key.n - 4));
    } else {
        for (uint32_t i = 0; i < key.n; i++) {
            x |= (uint64_t)(unsigned char)key.u.s[i] << (8 * i);
        }
    }
    return __builtin_bswap64(x);
}

/* The bytes behind the first eight; some of these again. */
static inline uint64_t other_bytes(cs_value key)
{
    uint64_t all = 0;
    for (uint32_t i = 8; i < key.n; i += 8) {
        uint64_t x;
        memcpy(&x, key.u.s + (i + 8 <= key.n ? i : key.n - 8), 8);
        all |= x;
    }
    return all;
}

/* The order of a small object's members. false: not all keys are texts of ASCII. */
static bool order_small(const cs_table *t, uint8_t order[SMALL])
{
    uint64_t first[SMALL];
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->keys[i].kind != CS_STRING) {
            return false;
        }
        uint64_t x = first_bytes(t->keys[i]);
        if (((x | other_bytes(t->keys[i])) & CS_JSON__EACH(0x80)) != 0) {
            return false;
        }
        uint32_t j = i;
        for (; j > 0; j--) {
            if (first[j - 1] < x ||
                (first[j - 1] == x && cs_slice_compare(cs_text(t->keys[order[j - 1]]), cs_text(t->keys[i])) < 0)) {
                break;
            }
            first[j] = first[j - 1];
            order[j] = order[j - 1];
        }
        first[j] = x;
        order[j] = (uint8_t)i;
    }
    return true;
}

/* Most values are texts, too. */
static inline void put_item(sink *s, const cs_value *v)
{
    if (v->kind == CS_STRING) {
        put_string(s, cs_text(*v));
    } else {
        put_value(s, *v);
    }
}

static inline void put_entry(sink *s, const cs_table *t, uint32_t i)
{
    put_string(s, cs_text(t->keys[i]));
    put_byte(s, ':');
    put_item(s, &t->vals[i]);
    put_byte(s, ',');
    need(s, SLACK);
}

static void put_texted(sink *s, cs_table *t)
{
    if ((s->flags & CS_JSON_AS_MADE) == 0) {
        cs_table_sort(t);
    }
    s->same = false;
    save(s);
    cs_value__json_texted(s->out, t, s->flags);
    load(s);
    need(s, SLACK);
}

/* With a comma behind each. */
static void put_members(sink *s, cs_table *t)
{
    if (needs_texts(t, s->canonical)) {
        put_texted(s, t);
        put_byte(s, ',');
        return;
    }
    if ((s->flags & CS_JSON_AS_MADE) == 0) {
        cs_table_sort(t);
    }
    for (uint32_t i = 0; i < t->n; i++) {
        put_entry(s, t, i);
    }
}

static __attribute__((noinline)) void put_object(sink *s, cs_table *t)
{
    put_byte(s, '{');
    need(s, SLACK);
    uint8_t order[SMALL];
    bool small = t->n <= SMALL && !t->sorted && (s->flags & CS_JSON_AS_MADE) == 0 && order_small(t, order);
    if (small) {
        for (uint32_t i = 0; i < t->n; i++) {
            put_entry(s, t, order[i]);
        }
    } else {
        put_members(s, t);
    }
    s->to -= t->n != 0;
    put_byte(s, '}');
    need(s, SLACK);
}

static __attribute__((noinline)) void put_list(sink *s, const cs_value *items, uint32_t n)
{
    put_byte(s, '[');
    need(s, SLACK);
    for (uint32_t i = 0; i < n; i++) {
        put_item(s, &items[i]);
        put_byte(s, ',');
        need(s, SLACK);
    }
    s->to -= n != 0;
    put_byte(s, ']');
    need(s, SLACK);
}

/* Before and after it there is room for SLACK bytes. */
static void put_value(sink *s, cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        memcpy(s->to, v.u.i != 0 ? "true" : "false", 5);
        s->to += v.u.i != 0 ? 4 : 5;
        break;
    case CS_NUMBER:
        put_number(s, v);
        return;
    case CS_STRING:
        put_string(s, cs_text(v));
        return;
    case CS_ARRAY:
        put_list(s, v.u.items, v.n);
        return;
    case CS_OBJECT:
        put_object(s, v.u.table);
        return;
    case CS_SET:
        cs_table_sort(v.u.table);
        put_list(s, v.u.table->keys, v.u.table->n);
        return;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        memcpy(s->to, "null", 4);
        s->to += 4;
        break;
    }
    need(s, SLACK);
}

bool cs_value__json_compact(cs_buf *out, cs_value v, unsigned flags)
{
    sink s = {.out = out,
              .flags = flags,
              .html = (flags & CS_JSON_HTML) != 0,
              .canonical = (flags & CS_JSON__CANONICAL) != 0,
              .same = true};
    if (out->cap - out->n < SLACK) {
        (void)cs_buf_room(out, 64);
    }
    load(&s);
    put_value(&s, v);
    save(&s);
    return s.same;
}

bool cs_json_write_canonical(cs_buf *out, cs_value v)
{
    return cs_value__json_compact(out, v, CS_JSON__CANONICAL);
}

/* ASCII without '<', '>' and '&'. */
bool cs_json_is_common(cs_slice json)
{
    size_t i = 0;
#if defined(__SSE2__)
    __m128i hit = _mm_setzero_si128();
    for (; json.n - i >= 16; i += 16) {
        __m128i x = cs_json__load16(json.p + i);
        __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
        hit = _mm_or_si128(_mm_or_si128(hit, x), _mm_or_si128(angle, _mm_cmpeq_epi8(x, _mm_set1_epi8('&'))));
    }
    if (_mm_movemask_epi8(hit) != 0) {
        return false;
    }
#endif
    for (; i < json.n; i++) {
        unsigned char c = (unsigned char)json.p[i];
        if (c >= 0x80 || c == '<' || c == '>' || c == '&') {
            return false;
        }
    }
    return true;
}
