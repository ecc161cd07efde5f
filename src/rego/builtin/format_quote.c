/* Quoting as Go's strconv has it, for the verb q. */
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/format.h"

static void escape_rune(cs_sink *s, uint32_t r)
{
    static const char from[] = "\a\b\f\n\r\t\v", to[] = "abfnrtv";
    const char *short_form = r && r < 0x80 ? strchr(from, (int)r) : NULL;
    char text[16];
    int n;
    if (short_form) {
        n = snprintf(text, sizeof text, "\\%c", to[short_form - from]);
    } else if (r < ' ' || r == 0x7F) {
        n = snprintf(text, sizeof text, "\\x%02x", r);
    } else if (r < 0x10000) {
        n = snprintf(text, sizeof text, "\\u%04x", r);
    } else {
        n = snprintf(text, sizeof text, "\\U%08x", r);
    }
    cs_sink__put(s, text, n > 0 ? (size_t)n : 0);
}

void cs_format__quote_ascii(cs_sink *s, cs_slice text, char quote)
{
    cs_sink__byte(s, quote);
    for (size_t i = 0, width; i < text.n; i += width) {
        uint32_t r = cs_utf8_decode(text.p + i, text.n - i, &width);
        if (r == CS_RUNE_BAD && width == 1) {
            char hex[8];
            int n = snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)text.p[i]);
            cs_sink__put(s, hex, n > 0 ? (size_t)n : 0);
        } else if (r == (uint32_t)quote || r == '\\') {
            cs_sink__byte(s, '\\');
            cs_sink__byte(s, (char)r);
        } else if (r >= ' ' && r < 0x7F) {
            cs_sink__byte(s, (char)r);
        } else {
            escape_rune(s, r);
        }
    }
    cs_sink__byte(s, quote);
}

bool cs_format__can_backquote(cs_slice text)
{
    for (size_t i = 0, width; i < text.n; i += width) {
        uint32_t r = cs_utf8_decode(text.p + i, text.n - i, &width);
        if (r == 0xFEFF || (width == 1 && (r == CS_RUNE_BAD || (r < ' ' && r != '\t') || r == '`' || r == 0x7F))) {
            return false;
        }
    }
    return true;
}
