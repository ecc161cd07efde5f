/* regex.*: Go's regexp over RE2. */
#include <stdatomic.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/cache.h"
#include "rego/builtin/internal.h"
#include "rego/builtin/regex.h"
#include "rego/builtin/regex_re2.h"

/* Groups of a pattern that are looked at without asking the arena. */
#define FEW_GROUPS 16

/* ------------------------------------------------------------------------------------------------ compiling */

static const char *error_text(cs_re2_error error)
{
    switch (error) {
    case CS_RE2_BAD_ESCAPE:
        return "invalid escape sequence";
    case CS_RE2_BAD_CLASS:
        return "invalid character class";
    case CS_RE2_BAD_RANGE:
        return "invalid character class range";
    case CS_RE2_MISSING_BRACKET:
        return "missing closing ]";
    case CS_RE2_MISSING_PAREN:
        return "missing closing )";
    case CS_RE2_UNEXPECTED_PAREN:
        return "unexpected )";
    case CS_RE2_TRAILING_BACKSLASH:
        return "trailing backslash at end of expression";
    case CS_RE2_REPEAT_ARGUMENT:
        return "missing argument to repetition operator";
    case CS_RE2_REPEAT_SIZE:
        return "invalid repeat count";
    case CS_RE2_REPEAT_OP:
        return "invalid nested repetition operator";
    case CS_RE2_BAD_PERL:
        return "invalid or unsupported Perl syntax";
    case CS_RE2_BAD_UTF8:
        return "invalid UTF-8";
    case CS_RE2_BAD_NAME:
        return "invalid named capture";
    case CS_RE2_TOO_LARGE:
        return "expression too large";
    case CS_RE2_OK:
    case CS_RE2_INTERNAL:
        break;
    }
    return "internal error";
}

/* What Go's syntax has and this RE2 has not, or the other way round: (?<name>…) is written (?P<name>…), and \C, which
 * matches one byte, is refused. */
static cs_err translate(cs_call *call, cs_slice pattern, cs_sink *out)
{
    bool quoted = false, in_class = false;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i], next = i + 1 < pattern.n ? pattern.p[i + 1] : '\0';
        if (c == '\\' && next) {
            if (!quoted && next == 'C') {
                return cs_call_error(call, "error parsing regexp: invalid escape sequence: `\\C`");
            }
            quoted = quoted ? next != 'E' : next == 'Q' && !in_class;
            cs_sink__byte(out, c);
            if (!quoted || next == 'Q') {
                cs_sink__byte(out, next);
                i++;
            }
            continue;
        }
        if (!quoted && c == '[' && !in_class) {
            in_class = true;
            cs_sink__byte(out, c);
            /* "[]" and "[^]" hold a bracket. */
            for (int k = 0; k < 2 && i + 1 < pattern.n; k++) {
                next = pattern.p[i + 1];
                if ((k == 0 && next == '^') || next == ']') {
                    cs_sink__byte(out, next);
                    i++;
                    if (next == ']') {
                        break;
                    }
                } else {
                    break;
                }
            }
            continue;
        }
        if (!quoted && in_class && c == '[' && next == ':') {
            size_t end = cs_slice_find(pattern, CS_LIT(":]"), i + 2);
            if (end != SIZE_MAX) {
                cs_sink__slice(out, cs_slice_sub(pattern, i, end + 2));
                i = end + 1;
                continue;
            }
        }
        in_class = in_class && (quoted || c != ']');
        cs_sink__byte(out, c);
        char third = i + 2 < pattern.n ? pattern.p[i + 2] : '\0', fourth = i + 3 < pattern.n ? pattern.p[i + 3] : '\0';
        if (!quoted && !in_class && c == '(' && next == '?' && third == '<' && fourth != '=' && fourth != '!') {
            cs_sink__text(out, "?P");
            i++;
        }
    }
    return CS_OK;
}

typedef struct compilation {
    cs_call *call;
    cs_re2_error error;
} compilation;

static cs_err compile(void *context, cs_slice pattern, void **object)
{
    compilation *c = context;
    cs_sink translated;
    char about[512];
    cs_sink__init(&translated, c->call);
    CS_TRY(translate(c->call, pattern, &translated));
    if (translated.full) {
        return cs_call__limit_error(c->call, "string_bytes");
    }
    int64_t memory = (int64_t)cs_limits_get()->regex_memory;
    cs_re2 *re = cs_re2_new(translated.p, translated.n, memory, &c->error, about, sizeof about);
    if (!re) {
        return cs_call_error(c->call, "error parsing regexp: %s: `%s`", error_text(c->error), about);
    }
    *object = re;
    return CS_OK;
}

static void release(void *object)
{
    cs_re2_free(object);
}

static cs_err regex(cs_call *call, cs_slice pattern, const cs_re2 **out)
{
    compilation c = {.call = call};
    void *object = call->pattern ? atomic_load_explicit(call->pattern, memory_order_acquire) : NULL;
    if (!object && !call->pattern) {
        CS_TRY(cs_cache__get(CS_CACHED_REGEX, pattern, compile, &c, release, &object));
    } else if (!object) {
        void *other = NULL;
        CS_TRY(compile(&c, pattern, &object));
        if (!atomic_compare_exchange_strong_explicit(call->pattern, &other, object, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            release(object);
            object = other;
        }
    }
    *out = object;
    return CS_OK;
}

int cs_builtin_pattern_operand(const cs_builtin *b)
{
    static const char *const first[] = {"regex.match", "regex.split", "regex.find_n",
                                        "regex.find_all_string_submatch_n"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        if (strcmp(b->name, first[i]) == 0) {
            return 0;
        }
    }
    return strcmp(b->name, "regex.replace") == 0 ? 1 : -1;
}

void cs_builtin_pattern_free(void *pattern)
{
    cs_re2_free(pattern);
}

cs_err cs_regex__match(cs_call *call, cs_slice pattern, cs_slice text, bool *out)
{
    const cs_re2 *re;
    CS_TRY(regex(call, pattern, &re));
    *out = cs_re2_match(re, text.p, text.n, 0, NULL, 0);
    return CS_OK;
}

static cs_err regex_operand(cs_call *call, uint32_t pattern, uint32_t subject, const cs_re2 **re, cs_slice *text)
{
    cs_slice p;
    if (pattern < subject) {
        CS_TRY(cs_call_string(call, pattern, &p));
        CS_TRY(cs_call_string(call, subject, text));
    } else {
        CS_TRY(cs_call_string(call, subject, text));
        CS_TRY(cs_call_string(call, pattern, &p));
    }
    return regex(call, p, re);
}

/* ------------------------------------------------------------------------------------------------ all matches */

/* Goes through the matches as Go does: an empty match right behind another is none. */
typedef struct matches {
    const cs_re2 *re;
    cs_slice text;
    size_t at;
    size_t previous_end; /* SIZE_MAX before the first */
    bool done;
    int n; /* spans of a match */
    cs_re2_span *spans;
    cs_re2_span few[FEW_GROUPS];
} matches;

static void matches_init(matches *m, cs_call *call, const cs_re2 *re, cs_slice text, int groups)
{
    text.p = text.p ? text.p : "";
    *m = (matches){.re = re, .text = text, .previous_end = SIZE_MAX, .n = groups + 1};
    m->spans = m->n > FEW_GROUPS ? cs_arena_alloc(call->arena, (size_t)m->n * sizeof *m->spans) : m->few;
}

static bool matches_next(matches *m)
{
    while (!m->done && m->at <= m->text.n && cs_re2_match(m->re, m->text.p, m->text.n, m->at, m->spans, m->n)) {
        cs_re2_span all = m->spans[0];
        bool accept = true;
        if (all.to == m->at) { /* empty, and here */
            accept = all.from != m->previous_end;
            size_t width = 1;
            if (m->at < m->text.n) {
                (void)cs_utf8_decode(m->text.p + m->at, m->text.n - m->at, &width);
            }
            m->at += width;
        } else {
            m->at = all.to;
        }
        m->previous_end = all.to;
        if (accept) {
            return true;
        }
    }
    m->done = true;
    return false;
}

static cs_value span_value(cs_slice text, cs_re2_span span)
{
    return span.from == SIZE_MAX ? cs_string(CS_LIT("")) : cs_string(cs_slice_sub(text, span.from, span.to));
}

/* ------------------------------------------------------------------------------------------------ the functions */

cs_err cs_builtin__regex_is_valid(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    compilation c = {.call = call};
    void *object;
    bool valid =
        v.kind == CS_STRING && (cs_cache__get(CS_CACHED_REGEX, cs_text(v), compile, &c, release, &object) == CS_OK ||
                                c.error == CS_RE2_TOO_LARGE);
    return cs_call__give(out, cs_bool(valid));
}

cs_err cs_builtin__regex_match(cs_call *call, cs_value *out)
{
    const cs_re2 *re;
    cs_slice text;
    CS_TRY(regex_operand(call, 1, 2, &re, &text));
    return cs_call__give(out, cs_bool(cs_re2_match(re, text.p, text.n, 0, NULL, 0)));
}

cs_err cs_builtin__re_match(cs_call *call, cs_value *out)
{
    return cs_builtin__regex_match(call, out);
}

/* Pattern, text and how many matches are wanted (negative: all). */
static cs_err find_operands(cs_call *call, const cs_re2 **re, cs_slice *text, int64_t *most)
{
    cs_slice pattern;
    CS_TRY(cs_call_string(call, 1, &pattern));
    CS_TRY(cs_call_string(call, 2, text));
    CS_TRY(cs_call_int(call, 3, most));
    return regex(call, pattern, re);
}

cs_err cs_builtin__regex_find_n(cs_call *call, cs_value *out)
{
    const cs_re2 *re;
    cs_slice text;
    int64_t most;
    CS_TRY(find_operands(call, &re, &text, &most));
    matches m;
    cs_list list = {0};
    matches_init(&m, call, re, text, 0);
    while ((most < 0 || (int64_t)list.n < most) && matches_next(&m)) {
        cs_list__add(call, &list, span_value(text, m.spans[0]));
    }
    return cs_call__give(out, cs_list__array(&list));
}

cs_err cs_builtin__regex_find_all_string_submatch_n(cs_call *call, cs_value *out)
{
    const cs_re2 *re;
    cs_slice text;
    int64_t most;
    CS_TRY(find_operands(call, &re, &text, &most));
    matches m;
    cs_list list = {0};
    matches_init(&m, call, re, text, cs_re2_groups(re));
    while ((most < 0 || (int64_t)list.n < most) && matches_next(&m)) {
        if (cs_arena_exceeded(call->arena)) {
            return cs_call__limit_error(call, "eval_memory");
        }
        cs_value *groups = cs_arena_alloc(call->arena, (size_t)m.n * sizeof *groups);
        for (int i = 0; i < m.n; i++) {
            groups[i] = span_value(text, m.spans[i]);
        }
        cs_list__add(call, &list, cs_array(groups, (size_t)m.n));
    }
    return cs_call__give(out, cs_list__array(&list));
}

cs_err cs_builtin__regex_split(cs_call *call, cs_value *out)
{
    const cs_re2 *re;
    cs_slice text;
    CS_TRY(regex_operand(call, 1, 2, &re, &text));
    cs_list list = {0};
    if (text.n == 0 && call->args[0].n > 0) {
        cs_list__add(call, &list, cs_string(text));
        return cs_call__give(out, cs_list__array(&list));
    }
    matches m;
    size_t from = 0, end = 0;
    matches_init(&m, call, re, text, 0);
    while (matches_next(&m)) {
        end = m.spans[0].from;
        if (m.spans[0].to != 0) {
            cs_list__add(call, &list, cs_string(cs_slice_sub(text, from, end)));
        }
        from = m.spans[0].to;
    }
    if (end != text.n) {
        cs_list__add(call, &list, cs_string(cs_slice_sub(text, from, text.n)));
    }
    return cs_call__give(out, cs_list__array(&list));
}

/* ------------------------------------------------------------------------------------------------ replacing */

/* Letters, digits and '_'. Beyond ASCII what is no letter is told by its block: precise enough for names of groups. */
bool cs_regex__is_word(uint32_t r)
{
    static const struct {
        uint32_t from, to;
    } others[] = {{0x80, 0xA9},      {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},
                  {0xF7, 0xF7},      {0x2000, 0x2070}, {0x2072, 0x207E}, {0x2080, 0x208F}, {0x20A0, 0x2101},
                  {0x2190, 0x2BFF},  {0x3000, 0x3004}, {0x3008, 0x3030}, {0xD800, 0xF8FF}, {0xFE00, 0xFE6F},
                  {0xFF00, 0xFF0F},  {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF},
                  {0x1F000, 0x1FAFF}};
    if (r < 0x80) {
        return r == '_' || (r >= '0' && r <= '9') || ((r | 0x20) >= 'a' && (r | 0x20) <= 'z');
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (r >= others[i].from && r <= others[i].to) {
            return false;
        }
    }
    return true;
}

/* The name behind a '$' ("1", "{name}"); *width is what it takes. false if there is none. */
static bool template_name(cs_slice rest, cs_slice *name, size_t *width)
{
    size_t from = rest.n && *rest.p == '{' ? 1 : 0, at = from, w;
    while (at < rest.n && cs_regex__is_word(cs_utf8_decode(rest.p + at, rest.n - at, &w))) {
        at += w;
    }
    if (at == from || (from && (at == rest.n || rest.p[at] != '}'))) {
        return false;
    }
    *name = cs_slice_sub(rest, from, at);
    *width = at + from;
    return true;
}

static void put_group(cs_sink *out, const matches *m, cs_slice name)
{
    uint64_t number;
    int group = -1;
    bool digits = cs_slice_u64(name, &number) && number < 100000000;
    if (digits && (name.n == 1 || *name.p != '0')) {
        group = number < (uint64_t)m->n ? (int)number : -1;
    } else {
        group = cs_re2_group(m->re, name.p, name.n);
    }
    if (group >= 0 && m->spans[group].from != SIZE_MAX) {
        cs_sink__slice(out, cs_slice_sub(m->text, m->spans[group].from, m->spans[group].to));
    }
}

/* Go's Regexp.Expand. */
static void expand(cs_sink *out, const matches *m, cs_slice template)
{
    while (template.n) {
        size_t dollar = cs_slice_find_byte(template, '$', 0);
        if (dollar == SIZE_MAX) {
            break;
        }
        cs_sink__slice(out, cs_slice_sub(template, 0, dollar));
        template = cs_slice_sub(template, dollar + 1, template.n);
        cs_slice name;
        size_t width;
        if (template.n && *template.p == '$') {
            cs_sink__byte(out, '$');
            template = cs_slice_sub(template, 1, template.n);
        } else if (template_name(template, &name, &width)) {
            put_group(out, m, name);
            template = cs_slice_sub(template, width, template.n);
        } else {
            cs_sink__byte(out, '$');
        }
    }
    cs_sink__slice(out, template);
}

cs_err cs_builtin__regex_replace(cs_call *call, cs_value *out)
{
    const cs_re2 *re;
    cs_slice text, pattern, value;
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(cs_call_string(call, 2, &pattern));
    CS_TRY(cs_call_string(call, 3, &value));
    CS_TRY(regex(call, pattern, &re));
    bool literal = cs_slice_find_byte(value, '$', 0) == SIZE_MAX;
    matches m;
    cs_sink result;
    size_t last = 0;
    matches_init(&m, call, re, text, literal ? 0 : cs_re2_groups(re));
    cs_sink__init(&result, call);
    while (!result.full && matches_next(&m)) {
        cs_sink__slice(&result, cs_slice_sub(text, last, m.spans[0].from));
        if (literal) {
            cs_sink__slice(&result, value);
        } else {
            expand(&result, &m, value);
        }
        last = m.spans[0].to;
    }
    cs_sink__slice(&result, cs_slice_sub(text, last, text.n));
    return cs_sink__done(&result, out);
}

/* ------------------------------------------------------------------------------------------------ templates */

static void put_literal(cs_sink *out, cs_slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] && strchr("\\.+*?()|[]{}^$", text.p[i])) {
            cs_sink__byte(out, '\\');
        }
        cs_sink__byte(out, text.p[i]);
    }
}

static cs_err unbalanced(cs_call *call, cs_slice template)
{
    cs_sink s;
    cs_slice q;
    cs_sink__init(&s, call);
    cs_sink__quote(&s, template);
    CS_TRY(cs_sink__slice_done(&s, &q));
    return cs_call_error(call, "unbalanced braces in %.*s", CS_FMT(q));
}

/* "a{[0-9]+}b" to "^a([0-9]+)b$"; every piece between the delimiters must be a pattern of its own. */
static cs_err template_pattern(cs_call *call, cs_slice template, char start, char end, cs_sink *out)
{
    int64_t level = 0;
    size_t open = 0, last = 0;
    cs_sink__byte(out, '^');
    for (size_t i = 0; i < template.n; i++) {
        if (template.p[i] == start) {
            open = level++ == 0 ? i : open;
        } else if (template.p[i] == end) {
            if (--level < 0) {
                return unbalanced(call, template);
            }
            if (level == 0) {
                const cs_re2 *re;
                cs_slice inner = cs_slice_sub(template, open + 1, i);
                cs_value alone = cs_string_printf(call->arena, "^%.*s$", CS_FMT(inner));
                CS_TRY(regex(call, cs_text(alone), &re));
                put_literal(out, cs_slice_sub(template, last, open));
                cs_sink__byte(out, '(');
                cs_sink__slice(out, inner);
                cs_sink__byte(out, ')');
                last = i + 1;
            }
        }
    }
    if (level != 0) {
        return unbalanced(call, template);
    }
    put_literal(out, cs_slice_sub(template, last, template.n));
    cs_sink__byte(out, '$');
    return CS_OK;
}

cs_err cs_builtin__regex_template_match(cs_call *call, cs_value *out)
{
    cs_slice template, text, start, end, pattern;
    const cs_re2 *re;
    cs_sink made;
    CS_TRY(cs_call_string(call, 1, &template));
    CS_TRY(cs_call_string(call, 2, &text));
    CS_TRY(cs_call_string(call, 3, &start));
    CS_TRY(cs_call_string(call, 4, &end));
    if (start.n != 1 || end.n != 1) {
        return cs_call_error(call, "%s delimiter has to be exactly one character long but is %zu long",
                             start.n != 1 ? "start" : "end", start.n);
    }
    cs_sink__init(&made, call);
    CS_TRY(template_pattern(call, template, *start.p, *end.p, &made));
    CS_TRY(cs_sink__slice_done(&made, &pattern));
    CS_TRY(regex(call, pattern, &re));
    return cs_call__give(out, cs_bool(cs_re2_match(re, text.p, text.n, 0, NULL, 0)));
}
