/* Strings: searching, cutting, joining, case. Positions are code points. */
#include "countersign/base/utf8.h"
#include "rego/builtin/internal.h"

static cs_err two_strings(cs_call *call, cs_slice *x, cs_slice *y)
{
    CS_TRY(cs_call_string(call, 1, x));
    return cs_call_string(call, 2, y);
}

/* The piece of operand 1 that is left: the same value if that is all of it. */
static cs_err give_piece(cs_value *out, cs_slice piece)
{
    return cs_call__give(out, cs_string(piece));
}

cs_err cs_builtin__contains(cs_call *call, cs_value *out)
{
    cs_slice s, needle;
    CS_TRY(two_strings(call, &s, &needle));
    return cs_call__give(out, cs_bool(cs_slice_find(s, needle, 0) != SIZE_MAX));
}

cs_err cs_builtin__startswith(cs_call *call, cs_value *out)
{
    cs_slice s, prefix;
    CS_TRY(two_strings(call, &s, &prefix));
    return cs_call__give(out, cs_bool(cs_slice_starts(s, prefix)));
}

cs_err cs_builtin__endswith(cs_call *call, cs_value *out)
{
    cs_slice s, suffix;
    CS_TRY(two_strings(call, &s, &suffix));
    return cs_call__give(out, cs_bool(cs_slice_ends(s, suffix)));
}

/* ------------------------------------------------------------------------------------------------ positions */

cs_err cs_builtin__indexof(cs_call *call, cs_value *out)
{
    cs_slice s, needle;
    CS_TRY(two_strings(call, &s, &needle));
    if (needle.n == 0) {
        return cs_call_error(call, "empty search character");
    }
    size_t at = cs_slice_find(s, needle, 0);
    int64_t index = at == SIZE_MAX ? -1 : (int64_t)cs_utf8_count(cs_slice_sub(s, 0, at));
    return cs_call__give(out, cs_int(index));
}

cs_err cs_builtin__indexof_n(cs_call *call, cs_value *out)
{
    cs_slice s, needle;
    CS_TRY(two_strings(call, &s, &needle));
    if (needle.n == 0) {
        return cs_call_error(call, "empty search character");
    }
    cs_list list = {0};
    size_t counted = 0, runes = 0, width;
    for (size_t at = cs_slice_find(s, needle, 0); at != SIZE_MAX; at = cs_slice_find(s, needle, at + width)) {
        runes += cs_utf8_count(cs_slice_sub(s, counted, at));
        counted = at;
        cs_list__add(call, &list, cs_int((int64_t)runes));
        (void)cs_utf8_decode(s.p + at, s.n - at, &width);
    }
    return cs_call__give(out, cs_list__array(&list));
}

cs_err cs_builtin__substring(cs_call *call, cs_value *out)
{
    cs_slice s;
    int64_t start, length;
    CS_TRY(cs_call_string(call, 1, &s));
    CS_TRY(cs_call_int(call, 2, &start));
    CS_TRY(cs_call_int(call, 3, &length));
    if (start < 0) {
        return cs_call_error(call, "negative offset");
    }
    cs_slice rest = cs_slice_sub(s, cs_utf8_offset(s, (size_t)start), s.n);
    return give_piece(out, length < 0 ? rest : cs_slice_sub(rest, 0, cs_utf8_offset(rest, (size_t)length)));
}

cs_err cs_builtin__strings_count(cs_call *call, cs_value *out)
{
    cs_slice s, needle;
    CS_TRY(two_strings(call, &s, &needle));
    if (needle.n == 0) {
        return cs_call__give(out, cs_int((int64_t)cs_utf8_count(s) + 1));
    }
    int64_t n = 0;
    for (size_t at = 0; (at = cs_slice_find(s, needle, at)) != SIZE_MAX; at += needle.n) {
        n++;
    }
    return cs_call__give(out, cs_int(n));
}

/* ------------------------------------------------------------------------------------------------ case */

static bool all_ascii(cs_slice s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.n; i++) {
        all |= (unsigned char)s.p[i];
    }
    return all < 0x80;
}

static cs_err map_ascii(cs_call *call, cs_slice s, char first, cs_value *out)
{
    size_t at = 0;
    while (at < s.n && !(s.p[at] >= first && s.p[at] <= first + 25)) {
        at++;
    }
    if (at == s.n) {
        return cs_call__give(out, call->args[0]);
    }
    char *p;
    CS_TRY(cs_call__room(call, s.n, &p));
    for (size_t i = 0; i < s.n; i++) {
        p[i] = (char)(s.p[i] >= first && s.p[i] <= first + 25 ? s.p[i] ^ 0x20 : s.p[i]);
    }
    return cs_call__give(out, cs_string(cs_slice_make(p, s.n)));
}

static cs_err map_case(cs_call *call, bool upper, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    if (all_ascii(s)) {
        return map_ascii(call, s, upper ? 'a' : 'A', out);
    }
    cs_sink text;
    cs_sink__init(&text, call);
    for (size_t i = 0, width; i < s.n; i += width) {
        uint32_t r = cs_utf8_decode(s.p + i, s.n - i, &width);
        cs_sink__rune(&text, upper ? cs_utf8_upper(r) : cs_utf8_lower(r));
    }
    return cs_sink__done(&text, out);
}

cs_err cs_builtin__lower(cs_call *call, cs_value *out)
{
    return map_case(call, false, out);
}

cs_err cs_builtin__upper(cs_call *call, cs_value *out)
{
    return map_case(call, true, out);
}

cs_err cs_builtin__strings_reverse(cs_call *call, cs_value *out)
{
    cs_slice s;
    char *p;
    CS_TRY(cs_call_string(call, 1, &s));
    CS_TRY(cs_call__room(call, s.n, &p));
    for (size_t i = 0, width; i < s.n; i += width) {
        (void)cs_utf8_decode(s.p + i, s.n - i, &width);
        memcpy(p + (s.n - i - width), s.p + i, width);
    }
    return cs_call__give(out, cs_string(cs_slice_make(p, s.n)));
}

/* ------------------------------------------------------------------------------------------------ joining */

static cs_err join(cs_call *call, cs_slice delimiter, cs_value list, cs_value *out)
{
    uint32_t n = cs_count(list);
    size_t total = n ? delimiter.n * (size_t)(n - 1) : 0;
    for (uint32_t i = 0; i < n; i++) {
        cs_value item = cs_call__item(list, i);
        if (item.kind != CS_STRING) {
            return cs_call__element_error(call, 2, list, item, "string");
        }
        total += item.n;
    }
    if (n < 2) {
        return cs_call__give(out, n ? cs_call__item(list, 0) : cs_string(CS_LIT("")));
    }
    char *p, *at;
    CS_TRY(cs_call__room(call, total, &p));
    at = p;
    for (uint32_t i = 0; i < n; i++) {
        cs_value item = cs_call__item(list, i);
        if (i && delimiter.n) {
            memcpy(at, delimiter.p, delimiter.n);
            at += delimiter.n;
        }
        memcpy(at, item.u.s, item.n);
        at += item.n;
    }
    return cs_call__give(out, cs_string(cs_slice_make(p, total)));
}

cs_err cs_builtin__concat(cs_call *call, cs_value *out)
{
    cs_slice delimiter;
    CS_TRY(cs_call_string(call, 1, &delimiter));
    if (!cs_call__is_list(call->args[1])) {
        return cs_call_type_error(call, 2, "set, array");
    }
    return join(call, delimiter, call->args[1], out);
}

/* The integer part of a number, toward zero; what is not written as an integer goes through OPA's float. */
static cs_value integer_part(cs_call *call, cs_value x)
{
    char room[32];
    cs_slice text = cs_number_text(x, room);
    if (!memchr(text.p, '.', text.n) && !memchr(text.p, 'e', text.n) && !memchr(text.p, 'E', text.n)) {
        return x;
    }
    cs_value whole = cs_number_round(call->arena, CS_FLOOR, cs_number_round(call->arena, CS_ABS, x));
    if (*text.p == '-' && cs_number_arith(call->arena, CS_SUB, cs_int(0), whole, &whole, NULL) != CS_OK) {
        return x;
    }
    return whole;
}

cs_err cs_builtin__format_int(cs_call *call, cs_value *out)
{
    cs_value x, base;
    CS_TRY(cs_call__number(call, 1, &x));
    CS_TRY(cs_call__number(call, 2, &base));
    bool known = base.form == CS_NUMBER_INT && (base.u.i == 2 || base.u.i == 8 || base.u.i == 10 || base.u.i == 16);
    if (!known) {
        return cs_call__operand_error(call, 2, "must be one of {2, 8, 10, 16}");
    }
    return cs_call__give(out, cs_string(cs_number_to_base(call->arena, integer_part(call, x), (int)base.u.i)));
}

/* ------------------------------------------------------------------------------------------------ splitting */

/* Go's strings.SplitN: at most `limit` pieces (the last one is the rest); limit < 0: all. */
static void split(cs_call *call, cs_slice s, cs_slice delimiter, int64_t limit, cs_list *list)
{
    size_t at = 0, width = 0;
    if (delimiter.n == 0 && s.n == 0) {
        return;
    }
    while (limit < 0 || (int64_t)list->n + 1 < limit) {
        size_t end;
        if (delimiter.n == 0) {
            (void)cs_utf8_decode(s.p + at, s.n - at, &width);
            end = at + width;
            if (end >= s.n) {
                break;
            }
        } else {
            end = delimiter.n == 1 ? cs_slice_find_byte(s, *delimiter.p, at) : cs_slice_find(s, delimiter, at);
            if (end == SIZE_MAX) {
                break;
            }
        }
        cs_list__add(call, list, cs_string(cs_slice_sub(s, at, end)));
        at = end + delimiter.n;
    }
    cs_list__add(call, list, cs_string(cs_slice_sub(s, at, s.n)));
}

cs_err cs_builtin__split(cs_call *call, cs_value *out)
{
    cs_slice s, delimiter;
    CS_TRY(two_strings(call, &s, &delimiter));
    cs_list list = {0};
    split(call, s, delimiter, -1, &list);
    return cs_call__give(out, cs_list__array(&list));
}

cs_err cs_builtin__strings_split_n(cs_call *call, cs_value *out)
{
    cs_slice s, delimiter;
    int64_t n;
    CS_TRY(two_strings(call, &s, &delimiter));
    CS_TRY(cs_call_int(call, 3, &n));
    cs_list list = {0};
    split(call, s, delimiter, n >= 0 && n < INT64_MAX ? n + 1 : -1, &list);
    int64_t found = (int64_t)list.n;
    if (n >= 0) {
        return cs_call__give(out, cs_array(list.v, (size_t)(n < found ? n : found)));
    }
    int64_t start = n > -found ? found + n : 0;
    return cs_call__give(out, cs_array(start ? list.v + start : list.v, (size_t)(found - start)));
}

/* ------------------------------------------------------------------------------------------------ replacing */

typedef struct pair {
    cs_slice old, new;
} pair;

/* The first pair that matches at the start of `s`; keys are sorted, so those that begin with the same byte stand
 * together. */
static const pair *matching_pair(cs_slice s, const pair *pairs, size_t n, size_t from)
{
    for (size_t i = from; s.n && i < n && *pairs[i].old.p == *s.p; i++) {
        if (cs_slice_starts(s, pairs[i].old)) {
            return &pairs[i];
        }
    }
    return NULL;
}

/* Go's strings.Replacer: from left to right, the first of the pairs (sorted by `old`) that matches; its text is not
 * looked at again. An empty `old` matches between any two bytes, but not twice in a row. */
static cs_err replace_pairs(cs_call *call, cs_slice s, const pair *pairs, size_t n, cs_value *out)
{
    size_t first[256];
    for (size_t i = 0; i < 256; i++) {
        first[i] = n;
    }
    for (size_t i = n; i > 0; i--) {
        if (pairs[i - 1].old.n) {
            first[(unsigned char)*pairs[i - 1].old.p] = i - 1;
        }
    }
    const pair *empty = n && pairs[0].old.n == 0 ? &pairs[0] : NULL;
    cs_sink text;
    cs_sink__init(&text, call);
    size_t last = 0;
    bool was_empty = false;
    for (size_t at = 0; at <= s.n && !text.full;) {
        cs_slice rest = cs_slice_sub(s, at, s.n);
        const pair *hit = empty && !was_empty ? empty : NULL;
        if (!hit && rest.n) {
            hit = matching_pair(rest, pairs, n, first[(unsigned char)*rest.p]);
        }
        was_empty = hit && hit->old.n == 0;
        if (!hit) {
            at++;
            continue;
        }
        cs_sink__slice(&text, cs_slice_sub(s, last, at));
        cs_sink__slice(&text, hit->new);
        at += hit->old.n;
        last = at;
    }
    cs_sink__slice(&text, cs_slice_sub(s, last, s.n));
    return cs_sink__done(&text, out);
}

cs_err cs_builtin__replace(cs_call *call, cs_value *out)
{
    cs_slice s, old, new;
    CS_TRY(two_strings(call, &s, &old));
    CS_TRY(cs_call_string(call, 3, &new));
    if (old.n == 0) {
        return replace_pairs(call, s, &(pair){old, new}, 1, out);
    }
    size_t at = cs_slice_find(s, old, 0), last = 0;
    if (at == SIZE_MAX) {
        return cs_call__give(out, call->args[0]);
    }
    cs_sink text;
    cs_sink__init(&text, call);
    for (; at != SIZE_MAX && !text.full; at = cs_slice_find(s, old, last)) {
        cs_sink__slice(&text, cs_slice_sub(s, last, at));
        cs_sink__slice(&text, new);
        last = at + old.n;
    }
    cs_sink__slice(&text, cs_slice_sub(s, last, s.n));
    return cs_sink__done(&text, out);
}

cs_err cs_builtin__strings_replace_n(cs_call *call, cs_value *out)
{
    cs_value patterns;
    cs_slice s;
    CS_TRY(cs_call__object(call, 1, &patterns));
    CS_TRY(cs_call_string(call, 2, &s));
    uint32_t n = cs_count(patterns);
    pair *pairs = cs_arena_alloc(call->arena, (n ? n : 1) * sizeof *pairs);
    for (uint32_t i = 0; i < n; i++) {
        cs_value value, key = cs_entry(patterns, i, &value);
        if (key.kind != CS_STRING || value.kind != CS_STRING) {
            return cs_call__operand_error(call, 1, "non-string %s found in pattern object",
                                          key.kind == CS_STRING ? "value" : "key");
        }
        pairs[i] = (pair){cs_text(key), cs_text(value)};
    }
    return replace_pairs(call, s, pairs, n, out);
}

/* ------------------------------------------------------------------------------------------------ trimming */

static bool in_set(uint32_t rune, cs_slice set)
{
    for (size_t i = 0, width; i < set.n; i += width) {
        if (cs_utf8_decode(set.p + i, set.n - i, &width) == rune) {
            return true;
        }
    }
    return false;
}

/* The last character and its width. */
static uint32_t last_rune(cs_slice s, size_t *width)
{
    size_t back = 1;
    while (back < s.n && back < 4 && ((unsigned char)s.p[s.n - back] & 0xC0) == 0x80) {
        back++;
    }
    uint32_t rune = cs_utf8_decode(s.p + s.n - back, back, width);
    if (*width != back) {
        *width = 1;
        return CS_RUNE_BAD;
    }
    return rune;
}

/* Cuts characters of the set (white space if `space`) off the ends. */
static cs_slice trim(cs_slice s, cs_slice set, bool space, bool left, bool right)
{
    size_t width;
    while (left && s.n) {
        uint32_t rune = cs_utf8_decode(s.p, s.n, &width);
        if (!(space ? cs_utf8_is_space(rune) : in_set(rune, set))) {
            break;
        }
        s = cs_slice_sub(s, width, s.n);
    }
    while (right && s.n) {
        uint32_t rune = last_rune(s, &width);
        if (!(space ? cs_utf8_is_space(rune) : in_set(rune, set))) {
            break;
        }
        s.n -= width;
    }
    return s;
}

static cs_err trim_set(cs_call *call, bool left, bool right, cs_value *out)
{
    cs_slice s, set;
    CS_TRY(two_strings(call, &s, &set));
    return give_piece(out, trim(s, set, false, left, right));
}

cs_err cs_builtin__trim(cs_call *call, cs_value *out)
{
    return trim_set(call, true, true, out);
}

cs_err cs_builtin__trim_left(cs_call *call, cs_value *out)
{
    return trim_set(call, true, false, out);
}

cs_err cs_builtin__trim_right(cs_call *call, cs_value *out)
{
    return trim_set(call, false, true, out);
}

cs_err cs_builtin__trim_space(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    return give_piece(out, trim(s, CS_LIT(""), true, true, true));
}

cs_err cs_builtin__trim_prefix(cs_call *call, cs_value *out)
{
    cs_slice s, prefix;
    CS_TRY(two_strings(call, &s, &prefix));
    return give_piece(out, cs_slice_starts(s, prefix) ? cs_slice_sub(s, prefix.n, s.n) : s);
}

cs_err cs_builtin__trim_suffix(cs_call *call, cs_value *out)
{
    cs_slice s, suffix;
    CS_TRY(two_strings(call, &s, &suffix));
    return give_piece(out, cs_slice_ends(s, suffix) ? cs_slice_sub(s, 0, s.n - suffix.n) : s);
}
