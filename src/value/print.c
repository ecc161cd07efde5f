/* Values as Rego text, and Go's strconv.Quote. */
#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "internal.h"

typedef struct run {
    uint32_t first;
    uint32_t last;
} run;

static const run PRINTABLE[] = {
#include "printable.inc"
};

static bool printable(uint32_t rune)
{
    if (rune < 0x80) {
        return rune >= 0x20 && rune != 0x7F;
    }
    size_t low = 0;
    size_t high = sizeof PRINTABLE / sizeof PRINTABLE[0];
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (rune > PRINTABLE[mid].last) {
            low = mid + 1;
        } else if (rune < PRINTABLE[mid].first) {
            high = mid;
        } else {
            return true;
        }
    }
    return false;
}

static void quote_rune(cs_buf *out, uint32_t rune)
{
    static const char LETTERS[] = "abtnvfr"; /* \a is 7, \r is 13 */
    if (rune == '"' || rune == '\\') {
        cs_buf_byte(out, '\\');
        cs_buf_byte(out, (char)rune);
    } else if (rune >= 7 && rune <= 13) {
        cs_buf_byte(out, '\\');
        cs_buf_byte(out, LETTERS[rune - 7]);
    } else if (rune < 0x80) {
        cs_buf_printf(out, "\\x%02x", (unsigned)rune);
    } else {
        cs_buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)rune);
    }
}

void cs_quote(cs_buf *out, cs_slice s)
{
    cs_buf_byte(out, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            cs_buf_byte(out, (char)c);
            i++;
            continue;
        }
        size_t width = 0;
        uint32_t rune = cs_utf8_decode(s.p + i, s.n - i, &width);
        if (rune == CS_RUNE_BAD && width == 1) {
            cs_buf_printf(out, "\\x%02x", c);
        } else if (rune != '"' && rune != '\\' && printable(rune)) {
            cs_buf_put(out, s.p + i, width);
        } else {
            quote_rune(out, rune);
        }
        i += width;
    }
    cs_buf_byte(out, '"');
}

static void print_items(cs_buf *out, const cs_value *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) {
            cs_buf_text(out, ", ");
        }
        cs_value_print(out, items[i]);
    }
}

static void print_table(cs_buf *out, cs_table *t)
{
    cs_table_sort(t);
    if (t->vals == NULL && t->n == 0) {
        cs_buf_text(out, "set()");
        return;
    }
    cs_buf_byte(out, '{');
    if (t->vals == NULL) {
        print_items(out, t->keys, t->n);
    }
    for (uint32_t i = 0; t->vals != NULL && i < t->n; i++) {
        if (i > 0) {
            cs_buf_text(out, ", ");
        }
        cs_value_print(out, t->keys[i]);
        cs_buf_text(out, ": ");
        cs_value_print(out, t->vals[i]);
    }
    cs_buf_byte(out, '}');
}

void cs_value_print(cs_buf *out, cs_value v)
{
    char room[32];
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        cs_buf_text(out, v.u.i != 0 ? "true" : "false");
        break;
    case CS_NUMBER:
        cs_buf_slice(out, cs_number_text(v, room));
        break;
    case CS_STRING:
        cs_quote(out, cs_text(v));
        break;
    case CS_ARRAY:
        cs_buf_byte(out, '[');
        print_items(out, v.u.items, v.n);
        cs_buf_byte(out, ']');
        break;
    case CS_OBJECT:
    case CS_SET:
        print_table(out, v.u.table);
        break;
    case CS_NULL:
        cs_buf_text(out, "null");
        break;
    case CS_UNDEFINED:
    case CS_PRIVATE:
        cs_buf_text(out, "<undefined>");
        break;
    }
}

void cs_value_print_line(cs_buf *out, cs_value v, uint32_t max)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_value_print(&text, v);
    uint32_t shown = 0;
    bool space = false;
    for (size_t i = 0; i < text.n;) {
        size_t width;
        uint32_t rune = cs_utf8_decode(text.p + i, text.n - i, &width);
        if (cs_utf8_is_space(rune)) {
            space = shown > 0;
        } else {
            if (space && shown < max) {
                cs_buf_byte(out, ' ');
                shown++;
            }
            if (shown == max) {
                cs_buf_text(out, "...");
                break;
            }
            cs_buf_slice(out, cs_slice_make(text.p + i, width));
            shown++;
            space = false;
        }
        i += width;
    }
    cs_buf_destroy(&text);
}
