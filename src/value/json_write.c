/* The JSON writer: Go's encoding/json in its words and escapes. Here strings, what is pretty, and objects whose keys
 * are not texts; json_compact.c has what is written most. */
#include "countersign/json.h"

#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "internal.h"
#include "json_plain.h"

typedef struct writer {
    cs_buf *out;
    unsigned flags;
    uint32_t depth;
} writer;

static void write_value(writer *w, cs_value v);

/* ---- strings */

/* How many bytes from p on stand for themselves. */
static size_t plain_run(const char *p, size_t n, bool html)
{
    size_t i = 0;
#if defined(__SSE2__)
    for (; n - i >= 16; i += 16) {
        int mask = _mm_movemask_epi8(cs_json__special_bytes(cs_json__load16(p + i), html));
        if (mask != 0) {
            return i + (size_t)__builtin_ctz((unsigned)mask);
        }
    }
#endif
    if (n - i >= 8 && cs_json__plain_word(p + i, html)) {
        i += 8;
    }
    if (n - i < 8 && n >= 8 && cs_json__plain_word(p + n - 8, html)) {
        return n; /* the last eight, some of them for the second time */
    }
    const uint64_t *plain = html ? CS_JSON__PLAIN_HTML : CS_JSON__PLAIN;
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
        i += write_special(out, s.p + i, s.n - i, (flags & CS_JSON__CANONICAL) != 0);
        run = plain_run(s.p + i, s.n - i, html);
        cs_buf_put(out, s.p + i, run);
    }
    cs_buf_byte(out, '"');
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

/* Pretty, and with at least one item. */
static void write_list(writer *w, const cs_value *items, uint32_t n)
{
    cs_buf_byte(w->out, '[');
    w->depth++;
    for (uint32_t i = 0; i < n; i++) {
        before_item(w, i == 0);
        write_value(w, items[i]);
    }
    w->depth--;
    new_line(w);
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
            (void)cs_value__json_compact(&items[i].owned, t->keys[i], w->flags & CS_JSON__CANONICAL);
            items[i].key = cs_buf_view(&items[i].owned);
        }
    }
    sort_entries(items, items + t->n, t->n, (w->flags & CS_JSON__CANONICAL) != 0);
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

static void write_object(writer *w, cs_table *t)
{
    if ((w->flags & CS_JSON_AS_MADE) == 0) {
        cs_table_sort(t);
    }
    cs_buf_byte(w->out, '{');
    w->depth++;
    if (!cs_value__only_texts(t)) {
        write_texted_object(w, t);
    } else {
        for (uint32_t i = 0; i < t->n; i++) {
            write_entry(w, i == 0, cs_text(t->keys[i]), t->vals[i]);
        }
    }
    w->depth--;
    new_line(w);
    cs_buf_byte(w->out, '}');
}

static void write_value(writer *w, cs_value v)
{
    if ((w->flags & CS_JSON_PRETTY) == 0 || cs_count(v) == 0) {
        (void)cs_value__json_compact(w->out, v, w->flags);
    } else if (v.kind == CS_ARRAY) {
        write_list(w, v.u.items, v.n);
    } else if (v.kind == CS_OBJECT) {
        write_object(w, v.u.table);
    } else {
        cs_table_sort(v.u.table);
        write_list(w, v.u.table->keys, v.u.table->n);
    }
}

void cs_value__json_texted(cs_buf *out, const cs_table *t, unsigned flags)
{
    writer w = {out, flags, 0};
    write_texted_object(&w, t);
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
