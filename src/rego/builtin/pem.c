/* PEM as Go's encoding/pem finds it: the first END line, and the last BEGIN line in front of it. */
#include "rego/builtin/pem.h"

#include "countersign/base/encode.h"

static cs_slice trim_blanks(cs_slice s)
{
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

/* The first line without its end and the blanks in front of that. */
static cs_slice take_line(cs_slice *rest)
{
    size_t end = cs_slice_find_byte(*rest, '\n', 0);
    cs_slice line = cs_slice_sub(*rest, 0, end == SIZE_MAX ? rest->n : end);
    *rest = cs_slice_sub(*rest, end == SIZE_MAX ? rest->n : end + 1, rest->n);
    if (end != SIZE_MAX && line.n && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    return trim_blanks(line);
}

static size_t find_last(cs_slice s, cs_slice needle)
{
    for (size_t i = s.n; i-- > 0;) {
        if (s.n - i >= needle.n && memcmp(s.p + i, needle.p, needle.n) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static bool decode(cs_arena *a, cs_slice text, cs_slice *out)
{
    char *plain = cs_arena_alloc(a, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != ' ' && text.p[i] != '\t') {
            plain[n++] = text.p[i];
        }
    }
    return cs_base64_decode(a, cs_slice_make(plain, n), CS_BASE64_STD, out, NULL);
}

/* Skips "Key: value" lines, *none if there are none, but no further than where `most` bytes are left: beyond that line
 * the block is broken anyhow. false if the text ends. */
static bool skip_headers(cs_slice *rest, size_t most, bool *none)
{
    *none = true;
    for (;;) {
        if (rest->n == 0) {
            return false;
        }
        cs_slice next = *rest, line = take_line(&next);
        if (cs_slice_find_byte(line, ':', 0) == SIZE_MAX) {
            return true;
        }
        *none = false;
        *rest = next;
        if (rest->n < most) {
            return true;
        }
    }
}

/* The block whose type line begins at `at` and whose END line begins (with its line break) at `end`. 1 good, 0 not a
 * block, -1 nothing at all any more. */
static int read_block(cs_arena *a, cs_slice text, size_t at, size_t end, cs_pem_block *out, cs_slice *after)
{
    cs_slice rest = cs_slice_sub(text, at, text.n);
    out->type = take_line(&rest);
    if (!cs_slice_ends(out->type, CS_LIT("-----"))) {
        return 0;
    }
    out->type.n -= 5;
    bool none;
    if (!skip_headers(&rest, text.n - end, &none)) {
        return -1;
    }
    size_t body = text.n - rest.n;
    if (!none && end < body) {
        return 0;
    }
    cs_slice trailer = cs_slice_sub(text, end + sizeof "\n-----END " - 1, text.n);
    if (trailer.n < out->type.n + 5 || !cs_slice_starts(trailer, out->type) ||
        memcmp(trailer.p + out->type.n, "-----", 5) != 0) {
        return 0;
    }
    cs_slice tail = cs_slice_sub(trailer, out->type.n + 5, trailer.n);
    *after = tail;
    if (take_line(after).n) {
        return 0;
    }
    out->bytes = cs_slice_make("", 0);
    return end <= body || decode(a, cs_slice_sub(text, body, end), &out->bytes);
}

bool cs_pem__next(cs_arena *a, cs_slice *rest, cs_pem_block *out)
{
    const cs_slice begin_mark = CS_LIT("-----BEGIN "), end_mark = CS_LIT("\n-----END ");
    for (size_t from = 0;;) {
        size_t end = cs_slice_find(*rest, end_mark, from);
        if (end == SIZE_MAX) {
            return false;
        }
        size_t begin = find_last(cs_slice_sub(*rest, from, end), begin_mark);
        size_t floor = from;
        from = end + end_mark.n;
        if (begin == SIZE_MAX || (begin > 0 && rest->p[floor + begin - 1] != '\n')) {
            continue;
        }
        cs_slice after;
        int found = read_block(a, *rest, floor + begin + begin_mark.n, end, out, &after);
        if (found > 0) {
            *rest = after;
            return true;
        }
        if (found < 0) {
            return false;
        }
    }
}
