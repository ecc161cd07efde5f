/* What constant patterns say about any string that they match, as far as it can be told without matching. */
#include "rego/index/internal.h"

static void demand(cs_arena *a, cs_constraint_vec *out, cs_place place, cs_test test, cs_value value)
{
    cs_value *values = cs_arena_array(a, cs_value, 1);
    values[0] = value;
    cs_constraint c = {place, test, values, 1};
    CS_VEC_PUSH_IN(a, out, c);
}

/* Bytes before the first that is not taken literally by a glob. */
static size_t literal_part(cs_slice glob)
{
    size_t n = 0;
    while (n < glob.n && !strchr("*?[]{}\\!,", glob.p[n])) {
        n++;
    }
    return n;
}

/* `*` does not cross a delimiter, so as long as a pattern has nothing but it and plain text, its segments and those of
 * the string correspond. */
static void split_glob(cs_arena *a, cs_constraint_vec *out, cs_place place, cs_slice pattern, char delimiter)
{
    place.split = delimiter;
    uint32_t n = 0;
    for (;; n++) {
        const char *end = memchr(pattern.p, delimiter, pattern.n);
        cs_slice part = end ? cs_slice_make(pattern.p, (size_t)(end - pattern.p)) : pattern;
        size_t star = 0;
        for (size_t i = 0; i < part.n; i++) {
            bool twice = part.p[i] == '*' && i + 1 < part.n && part.p[i + 1] == '*';
            if (twice || (part.p[i] != '*' && strchr("?[]{}\\!,", part.p[i]))) {
                return; /* from here on it may match any number of segments */
            }
            star += part.p[i] == '*';
        }
        if (star == 0) {
            place.segment = n;
            demand(a, out, place, CS_TEST_EQUAL, cs_string(part));
        }
        if (!end) {
            break;
        }
        pattern = cs_slice_make(end + 1, pattern.n - part.n - 1);
    }
    place.segment = CS_SEGMENT_COUNT;
    demand(a, out, place, CS_TEST_EQUAL, cs_int((int64_t)n + 1));
}

void cs_index__glob(cs_arena *a, cs_constraint_vec *out, cs_place place, cs_slice pattern, cs_value delimiters)
{
    size_t plain = literal_part(pattern);
    if (plain == pattern.n) {
        demand(a, out, place, CS_TEST_EQUAL, cs_string(pattern));
        return;
    }
    if (plain > 0) {
        demand(a, out, place, CS_TEST_PREFIX, cs_string(cs_slice_make(pattern.p, plain)));
    }
    if (delimiters.kind != CS_ARRAY || delimiters.n > 1) {
        return;
    }
    cs_value one = delimiters.n ? delimiters.u.items[0] : cs_string(CS_LIT("."));
    if (one.kind == CS_STRING && one.n == 1 && (unsigned char)one.u.s[0] < 0x80 && one.u.s[0] != '*') {
        split_glob(a, out, place, pattern, one.u.s[0]);
    }
}

/* ^text…: anything that could make the text optional, another case, or one of several alternatives ends it. */
void cs_index__regex(cs_arena *a, cs_constraint_vec *out, cs_place place, cs_slice pattern)
{
    if (pattern.n < 2 || pattern.p[0] != '^' || memchr(pattern.p, '|', pattern.n)) {
        return;
    }
    size_t n = 1;
    while (n < pattern.n && !strchr("\\.+*?()[]{}^$", pattern.p[n])) {
        n++;
    }
    cs_slice text = cs_slice_make(pattern.p + 1, n - 1);
    bool whole = n + 1 == pattern.n && pattern.p[n] == '$';
    if (n < pattern.n && strchr("*?{", pattern.p[n])) {
        /* the last character may be missing; it is one byte or the tail of several */
        while (text.n > 0 && ((unsigned char)text.p[text.n - 1] & 0xC0) == 0x80) {
            text.n--;
        }
        text.n -= text.n > 0;
    }
    if (text.n > 0) {
        demand(a, out, place, whole ? CS_TEST_EQUAL : CS_TEST_PREFIX, cs_string(text));
    }
}
