/* Money and instants as people read them. */
#include "countersign/base/buf.h"
#include "spend/internal.h"

cs_value cs_spend__money(cs_arena *a, int64_t nanos)
{
    char text[32];
    size_t n = cs_money_format(nanos, text);
    return cs_string_copy(a, cs_slice_make(text, n));
}

cs_value cs_spend__instant(cs_arena *a, int64_t ns)
{
    char text[40];
    if (ns == INT64_MAX || ns == INT64_MIN) {
        return cs_null();
    }
    size_t n = cs_time_format_rfc3339(ns, text);
    return cs_string_copy(a, cs_slice_make(text, n));
}

void cs_spend__csv(cs_buf *out, cs_slice text)
{
    bool formula = text.n > 0 && memchr("=+-@\t\r", text.p[0], 6) != NULL;
    bool quoted = formula;
    for (size_t i = 0; i < text.n && !quoted; i++) {
        quoted = memchr(",\"\r\n", text.p[i], 4) != NULL;
    }
    if (!quoted) {
        cs_buf_slice(out, text);
        return;
    }
    cs_buf_text(out, formula ? "\"'" : "\"");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"') {
            cs_buf_byte(out, '"');
        }
        cs_buf_byte(out, text.p[i]);
    }
    cs_buf_byte(out, '"');
}
