/* The YAML writer: block style as go-yaml v3 writes it with an indent of two and no line width, which is what
 * yaml.marshal gives. Scalars that would be read as something else are quoted. */
#include "countersign/yaml.h"

#include <math.h>

#include "countersign/base/encode.h"
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "internal.h"

static void write_node(cs_buf *out, cs_value v, size_t indent, bool same_line);

/* ---- what a text may be written as */

typedef struct look {
    bool plain;  /* may stand bare in a block */
    bool single; /* may stand in single quotes */
    bool block;  /* may be a literal block */
    bool multiline;
} look;

static bool is_break(uint32_t c)
{
    return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* What the emitter writes as it is; characters beyond the basic plane are escaped. */
static bool is_printable(uint32_t c)
{
    if (c < 0x80) {
        return c == '\n' || (c >= 0x20 && c < 0x7F);
    }
    return c >= 0xA0 && c < 0x10000 && (c < 0xD800 || c >= 0xE000) && c != 0xFEFF && c < 0xFFFE;
}

/* Characters that may not begin or stand in a bare text. */
static bool is_indicator(cs_slice s, size_t i, bool blank_before, bool blank_behind)
{
    char c = s.p[i];
    if (i == 0) {
        if (c != '\0' && strchr("#,[]{}&*!|>'\"%@`", c) != NULL) {
            return true;
        }
        return blank_behind && (c == '?' || c == ':' || c == '-');
    }
    return (c == ':' && blank_behind) || (c == '#' && blank_before);
}

static look look_at(cs_slice s)
{
    if (s.n == 0) {
        return (look){true, true, false, false};
    }
    look k = {true, true, true, false};
    k.plain = !(s.n >= 3 && (memcmp(s.p, "---", 3) == 0 || memcmp(s.p, "...", 3) == 0));
    bool blank_before = true;
    bool space = false;
    bool line = false;
    for (size_t i = 0; i < s.n;) {
        size_t width = 0;
        uint32_t c = cs_utf8_decode(s.p + i, s.n - i, &width);
        size_t next = i + width;
        bool blank_behind = next >= s.n || s.p[next] == ' ' || s.p[next] == '\t';
        bool edge = i == 0 || next == s.n;
        if (is_indicator(s, i, blank_before, blank_behind)) {
            k.plain = false;
        }
        if (c == '\t') {
            k.plain = k.single = false;
        } else if (!is_printable(c)) {
            k.plain = k.single = k.block = false;
        }
        if (c == ' ') {
            k.plain = k.plain && !edge && !line;
            k.single = k.single && !line;
            k.block = k.block && next != s.n;
        } else if (is_break(c)) {
            k.multiline = true;
            k.plain = false;
            k.single = k.single && !space;
            k.block = k.block && !space;
        }
        space = c == ' ';
        line = is_break(c);
        blank_before = c == ' ' || c == '\t' || line;
        i = next;
    }
    return k;
}

/* YAML 1.1 would read these as booleans. */
static bool is_old_bool(cs_slice s)
{
    static const char *const WORDS[] = {"y", "Y", "yes", "Yes", "YES", "on",  "On",  "ON",
                                        "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (cs_slice_is(s, WORDS[i])) {
            return true;
        }
    }
    return false;
}

/* Digits and colons that YAML 1.1 takes for a number in base 60: [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(.[0-9_]*)? */
static bool is_base60(cs_slice s)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    size_t start = i;
    while (i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] == '_' && i > start))) {
        i++;
    }
    if (i == start || i == s.n || s.p[i] != ':') {
        return false;
    }
    while (i < s.n && s.p[i] == ':') {
        size_t digits = 0;
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
            digits++;
        }
        if (digits == 0 || digits > 2 || (digits == 2 && s.p[i - 2] > '5')) {
            return false;
        }
    }
    if (i < s.n && s.p[i] == '.') {
        for (i++; i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_'); i++) {
        }
    }
    return i == s.n;
}

/* ---- scalars */

static void write_single(cs_buf *out, cs_slice s)
{
    cs_buf_byte(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'') {
            cs_buf_byte(out, '\'');
        }
        cs_buf_byte(out, s.p[i]);
    }
    cs_buf_byte(out, '\'');
}

static void write_double(cs_buf *out, cs_slice s)
{
    static const struct {
        uint32_t rune;
        char letter;
    } NAMED[] = {{0, '0'},     {7, 'a'},    {8, 'b'},    {9, 't'},      {10, 'n'},
                 {11, 'v'},    {12, 'f'},   {13, 'r'},   {0x1B, 'e'},   {'"', '"'},
                 {'\\', '\\'}, {0x85, 'N'}, {0xA0, '_'}, {0x2028, 'L'}, {0x2029, 'P'}};
    cs_buf_byte(out, '"');
    for (size_t i = 0; i < s.n;) {
        size_t width = 0;
        uint32_t c = cs_utf8_decode(s.p + i, s.n - i, &width);
        if (is_printable(c) && !is_break(c) && c != '"' && c != '\\') {
            cs_buf_put(out, s.p + i, width);
            i += width;
            continue;
        }
        i += width;
        size_t k = 0;
        size_t most = sizeof NAMED / sizeof NAMED[0];
        while (k < most && NAMED[k].rune != c) {
            k++;
        }
        if (k < most) {
            cs_buf_byte(out, '\\');
            cs_buf_byte(out, NAMED[k].letter);
        } else {
            cs_buf_printf(out, c <= 0xFF ? "\\x%02X" : c <= 0xFFFF ? "\\u%04X" : "\\U%08X", (unsigned)c);
        }
    }
    cs_buf_byte(out, '"');
}

static void pad(cs_buf *out, size_t n)
{
    memset(cs_buf_room(out, n), ' ', n);
    out->n += n;
}

/* A text with line breaks, each line at the given indent. */
static void write_literal(cs_buf *out, cs_slice s, size_t indent)
{
    cs_buf_byte(out, '|');
    if (s.p[0] == ' ' || s.p[0] == '\n') {
        cs_buf_byte(out, '2');
    }
    if (s.p[s.n - 1] != '\n') {
        cs_buf_byte(out, '-');
    } else if (s.n == 1 || s.p[s.n - 2] == '\n') {
        cs_buf_byte(out, '+');
    }
    cs_buf_byte(out, '\n');
    bool fresh = true;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\n' && fresh) {
            pad(out, indent);
        }
        cs_buf_byte(out, s.p[i]);
        fresh = s.p[i] == '\n';
    }
}

/* A text at `indent` (of the lines below it); `key` says that it is the key of a mapping. */
static void write_text(cs_buf *out, cs_slice s, size_t indent, bool key)
{
    look k = look_at(s);
    bool text = cs_yaml__is_text(s) && !is_base60(s) && !is_old_bool(s);
    if (memchr(s.p, '\n', s.n) != NULL) {
        if (k.block && !key) {
            write_literal(out, s, indent);
        } else {
            write_double(out, s);
        }
    } else if (!text || (key && k.multiline)) {
        write_double(out, s);
    } else if (k.plain && s.n > 0) {
        cs_buf_slice(out, s);
    } else if (k.single) {
        write_single(out, s);
    } else {
        write_double(out, s);
    }
}

/* Numbers pass through a double unless they are 64-bit integers, as they do on OPA's way through encoding/json. */
static void write_number(cs_buf *out, cs_value v)
{
    char room[32];
    int64_t i = 0;
    cs_slice s = cs_number_text(v, room);
    if (v.form == CS_NUMBER_INT || cs_yaml__is_integer(s)) {
        if (cs_number_is_int(v, &i)) {
            cs_buf_i64(out, i);
        } else {
            cs_buf_slice(out, s);
        }
        return;
    }
    double d = cs_number_double(v);
    if (fpclassify(d) == FP_ZERO) {
        cs_buf_text(out, *s.p == '-' ? "-0" : "0");
        return;
    }
    if (d > 1.7976931348623157e308 || d < -1.7976931348623157e308) {
        cs_buf_slice(out, s); /* go-yaml takes what no double can hold for a text */
        return;
    }
    cs_number__print_double(out, d, -4, 6, true);
}

/* ---- collections */

/* go-yaml's order of keys: numbers inside texts by their value, letters behind what is not a letter. */
static bool is_number_char(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters, nearly: beyond ASCII everything but the blocks of punctuation, symbols and emoji. */
static bool is_letter(uint32_t c)
{
    if (c < 0x80) {
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    }
    if (c < 0xC0) {
        return c == 0xAA || c == 0xB5 || c == 0xBA;
    }
    bool symbol = c == 0xD7 || c == 0xF7 || (c >= 0x2000 && c < 0x2C00) || (c >= 0x3000 && c < 0x3005) ||
                  (c >= 0x3008 && c < 0x3021) || (c >= 0xE000 && c < 0xF900) || (c >= 0xFE00 && c < 0xFE70) ||
                  c == 0xFEFF || c >= 0xFFF0;
    return !symbol || (c >= 0x10000 && c < 0x1F000) || c >= 0x20000;
}

static bool has_digits_before(cs_slice s, size_t i)
{
    while (i > 0 && is_number_char(s.p[i - 1])) {
        if (s.p[i - 1] != '0') {
            return true;
        }
        i--;
    }
    return false;
}

static uint64_t number_at(cs_slice s, size_t i, uint64_t start, size_t *end)
{
    uint64_t n = start;
    for (; i < s.n && is_number_char(s.p[i]); i++) {
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *end = i;
    return n;
}

static bool key_less(cs_slice a, cs_slice b)
{
    bool digits = false;
    size_t i = 0;
    for (size_t width = 1; i < a.n && i < b.n; i += width) {
        size_t other = 0;
        uint32_t x = cs_utf8_decode(a.p + i, a.n - i, &width);
        uint32_t y = cs_utf8_decode(b.p + i, b.n - i, &other);
        if (x == y && width == other) {
            digits = is_number_char(a.p[i]);
            continue;
        }
        bool xl = is_letter(x);
        bool yl = is_letter(y);
        if (xl && yl) {
            return x < y;
        }
        if (xl || yl) {
            return digits ? xl : yl;
        }
        uint64_t start = (x == '0' || y == '0') && has_digits_before(a, i);
        size_t a_end = 0;
        size_t b_end = 0;
        uint64_t an = number_at(a, i, start, &a_end);
        uint64_t bn = number_at(b, i, start, &b_end);
        if (an != bn) {
            return an < bn;
        }
        return a_end != b_end ? a_end < b_end : x < y;
    }
    return a.n < b.n;
}

typedef struct pair {
    cs_slice key;
    cs_value value;
    cs_buf owned; /* the text of a key that is not a string */
} pair;

static void sort_pairs(pair *items, pair *spare, size_t n)
{
    if (n < 2) {
        return;
    }
    size_t half = n / 2;
    sort_pairs(items, spare, half);
    sort_pairs(items + half, spare, n - half);
    memcpy(spare, items, sizeof *items * half);
    for (size_t i = 0, j = half, k = 0; i < half; k++) {
        bool left = j == n || !key_less(items[j].key, spare[i].key);
        items[k] = left ? spare[i++] : items[j++];
    }
}

static void write_pair(cs_buf *out, const pair *p, size_t indent)
{
    look k = look_at(p->key);
    bool explicit = k.multiline || p->key.n > 128;
    if (explicit) {
        cs_buf_text(out, "? ");
        write_text(out, p->key, indent + 2, false);
        if (out->p[out->n - 1] != '\n') {
            cs_buf_byte(out, '\n');
        }
        pad(out, indent);
    } else {
        write_text(out, p->key, indent + 2, true);
    }
    cs_buf_byte(out, ':');
    /* Behind "? key" a collection begins on the line of its colon, as it does behind a dash. */
    write_node(out, p->value, indent, explicit);
}

static void write_mapping(cs_buf *out, cs_value v, size_t indent, bool inline_first)
{
    const cs_table *t = v.u.table;
    pair *pairs = cs_alloc_array(t->n, 2 * sizeof *pairs);
    for (uint32_t i = 0; i < t->n; i++) {
        pairs[i] = (pair){.value = t->vals[i]};
        cs_buf_init(&pairs[i].owned);
        if (t->keys[i].kind == CS_STRING) {
            pairs[i].key = cs_text(t->keys[i]);
        } else {
            cs_json_write(&pairs[i].owned, t->keys[i], 0);
            pairs[i].key = cs_buf_view(&pairs[i].owned);
        }
    }
    sort_pairs(pairs, pairs + t->n, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        if (i > 0 || !inline_first) {
            pad(out, indent);
        }
        write_pair(out, &pairs[i], indent);
    }
    for (uint32_t i = 0; i < t->n; i++) {
        cs_buf_destroy(&pairs[i].owned);
    }
    cs_free(pairs);
}

static void write_items(cs_buf *out, const cs_value *items, uint32_t n, size_t indent, bool inline_first)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 || !inline_first) {
            pad(out, indent);
        }
        cs_buf_byte(out, '-');
        write_node(out, items[i], indent, true);
    }
}

/* What stands behind "key:" or "-", down to the end of its last line. `indent` is that of the key or the dash; behind a
 * dash collections begin on the same line. */
static void write_node(cs_buf *out, cs_value v, size_t indent, bool same_line)
{
    uint32_t n = cs_count(v);
    if (n > 0) {
        cs_buf_byte(out, same_line ? ' ' : '\n');
        if (v.kind == CS_OBJECT) {
            write_mapping(out, v, indent + 2, same_line);
        } else {
            if (v.kind == CS_SET) {
                cs_table_sort(v.u.table);
            }
            write_items(out, v.kind == CS_ARRAY ? v.u.items : v.u.table->keys, n, indent + 2, same_line);
        }
        return;
    }
    cs_buf_byte(out, ' ');
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        cs_buf_text(out, v.u.i != 0 ? "true" : "false");
        break;
    case CS_NUMBER:
        write_number(out, v);
        break;
    case CS_STRING:
        write_text(out, cs_text(v), indent + 2, false);
        break;
    case CS_OBJECT:
        cs_buf_text(out, "{}");
        break;
    case CS_ARRAY:
    case CS_SET:
        cs_buf_text(out, "[]");
        break;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        cs_buf_text(out, "null");
        break;
    }
    if (out->p[out->n - 1] != '\n' || v.kind != CS_STRING) {
        cs_buf_byte(out, '\n');
    }
}

void cs_yaml_write(cs_buf *out, cs_value v)
{
    if (cs_count(v) > 0) {
        if (v.kind == CS_OBJECT) {
            write_mapping(out, v, 0, false);
        } else {
            if (v.kind == CS_SET) {
                cs_table_sort(v.u.table);
            }
            write_items(out, v.kind == CS_ARRAY ? v.u.items : v.u.table->keys, cs_count(v), 0, false);
        }
        return;
    }
    cs_buf node;
    cs_buf_init(&node);
    write_node(&node, v, 0, false);
    cs_buf_put(out, node.p + 1, node.n - 1); /* without the blank in front */
    cs_buf_destroy(&node);
}
