/* The words of templates, as Go's text/template/parse cuts them. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/regex.h"
#include "rego/builtin/template.h"

#define NO_RUNE UINT32_MAX

void cs_tmpl__lex_init(cs_tmpl_lexer *l, cs_call *call, cs_slice input)
{
    *l = (cs_tmpl_lexer){.call = call, .input = input, .line = 1, .start_line = 1};
}

static cs_slice rest(const cs_tmpl_lexer *l)
{
    return cs_slice_sub(l->input, l->pos, l->input.n);
}

static uint32_t peek(const cs_tmpl_lexer *l, size_t *width)
{
    *width = 0;
    return l->pos >= l->input.n ? NO_RUNE : cs_utf8_decode(l->input.p + l->pos, l->input.n - l->pos, width);
}

static uint32_t take(cs_tmpl_lexer *l)
{
    size_t width;
    uint32_t r = peek(l, &width);
    l->pos += width;
    l->line += r == '\n';
    return r;
}

static void count_lines(cs_tmpl_lexer *l, size_t from)
{
    for (size_t i = from; i < l->pos; i++) {
        l->line += l->input.p[i] == '\n';
    }
}

static cs_tmpl_item emit(cs_tmpl_lexer *l, cs_tmpl_item_kind kind)
{
    cs_tmpl_item item = {kind, l->start, cs_slice_sub(l->input, l->start, l->pos), l->start_line};
    l->start = l->pos;
    l->start_line = l->line;
    return item;
}

static void ignore(cs_tmpl_lexer *l)
{
    count_lines(l, l->start);
    l->start = l->pos;
    l->start_line = l->line;
}

static cs_tmpl_item fail(cs_tmpl_lexer *l, cs_slice text)
{
    cs_tmpl_item item = {CS_TMPL_ERROR, l->start, text, l->start_line};
    l->start = l->pos = 0;
    l->input.n = 0;
    return item;
}

static bool is_space(uint32_t r)
{
    return r == ' ' || r == '\t' || r == '\r' || r == '\n';
}

static bool is_word(uint32_t r)
{
    return r != NO_RUNE && r != CS_RUNE_BAD && cs_regex__is_word(r);
}

static bool trim_marker(cs_slice s, bool left)
{
    return s.n >= 2 && (left ? s.p[0] == '-' && is_space((uint8_t)s.p[1]) : is_space((uint8_t)s.p[0]) && s.p[1] == '-');
}

static size_t blanks_in_front(cs_slice s)
{
    size_t n = 0;
    while (n < s.n && is_space((uint8_t)s.p[n])) {
        n++;
    }
    return n;
}

static size_t blanks_behind(cs_slice s)
{
    size_t n = 0;
    while (n < s.n && is_space((uint8_t)s.p[s.n - 1 - n])) {
        n++;
    }
    return n;
}

static bool at_right_delim(const cs_tmpl_lexer *l, bool *trims)
{
    cs_slice s = rest(l);
    *trims = trim_marker(s, false) && cs_slice_starts(cs_slice_sub(s, 2, s.n), CS_LIT("}}"));
    return *trims || cs_slice_starts(s, CS_LIT("}}"));
}

/* A comment is skipped; false with *item if it does not end. */
static bool skip_comment(cs_tmpl_lexer *l, cs_tmpl_item *item)
{
    bool trims;
    size_t end = cs_slice_find(l->input, CS_LIT("*/"), l->pos + 2);
    if (end == SIZE_MAX) {
        *item = fail(l, CS_LIT("unclosed comment"));
        return false;
    }
    l->pos = end + 2;
    if (!at_right_delim(l, &trims)) {
        *item = fail(l, CS_LIT("comment ends before closing delimiter"));
        return false;
    }
    l->pos += trims ? 4 : 2;
    l->pos += trims ? blanks_in_front(rest(l)) : 0;
    ignore(l);
    return true;
}

static cs_tmpl_item lex_text(cs_tmpl_lexer *l)
{
    for (;;) {
        size_t at = cs_slice_find(l->input, CS_LIT("{{"), l->pos);
        if (at == SIZE_MAX) {
            size_t from = l->pos;
            l->pos = l->input.n;
            count_lines(l, from);
            return emit(l, l->pos > l->start ? CS_TMPL_TEXT : CS_TMPL_EOF);
        }
        cs_slice behind = cs_slice_sub(l->input, at + 2, l->input.n);
        bool trims = trim_marker(behind, true);
        if (at > l->pos) {
            size_t cut = trims ? blanks_behind(cs_slice_sub(l->input, l->start, at)) : 0, from = l->pos;
            l->pos = at - cut;
            count_lines(l, from);
            cs_tmpl_item item = emit(l, CS_TMPL_TEXT);
            l->pos = at;
            ignore(l);
            if (item.text.n) {
                return item;
            }
        }
        size_t marker = trims ? 2 : 0;
        if (!cs_slice_starts(cs_slice_sub(behind, marker, behind.n), CS_LIT("/*"))) {
            l->pos += 2;
            cs_tmpl_item item = emit(l, CS_TMPL_LEFT_DELIM);
            l->inside = true;
            l->pos += marker;
            ignore(l);
            l->parens = 0;
            return item;
        }
        l->pos += 2 + marker;
        ignore(l);
        cs_tmpl_item item;
        if (!skip_comment(l, &item)) {
            return item;
        }
    }
}

static cs_tmpl_item lex_right_delim(cs_tmpl_lexer *l)
{
    bool trims;
    (void)at_right_delim(l, &trims);
    if (trims) {
        l->pos += 2;
        ignore(l);
    }
    l->pos += 2;
    cs_tmpl_item item = emit(l, CS_TMPL_RIGHT_DELIM);
    if (trims) {
        l->pos += blanks_in_front(rest(l));
        ignore(l);
    }
    l->inside = false;
    return item;
}

static cs_tmpl_item bad_rune(cs_tmpl_lexer *l, const char *before, uint32_t r)
{
    char bytes[5] = {0};
    if (r == NO_RUNE) {
        return fail(l, cs_text(cs_string_printf(l->call->arena, "%sU+FFFFFFFFFFFFFFFF", before)));
    }
    (void)cs_utf8_encode(r, bytes);
    bool shown = r >= ' ' && r != 0x7F && !(r >= 0x80 && r < 0xA1);
    return fail(l, cs_text(cs_string_printf(l->call->arena, shown ? "%sU+%04X '%s'" : "%sU+%04X", before, r, bytes)));
}

static bool at_terminator(const cs_tmpl_lexer *l)
{
    size_t width;
    uint32_t r = peek(l, &width);
    return r == NO_RUNE || is_space(r) || (r < 0x80 && strchr(".,|:)(", (int)r)) ||
           cs_slice_starts(rest(l), CS_LIT("}}"));
}

static uint32_t skip_word(cs_tmpl_lexer *l)
{
    size_t width;
    uint32_t r;
    while (is_word(r = peek(l, &width))) {
        l->pos += width;
    }
    return r;
}

static cs_tmpl_item lex_identifier(cs_tmpl_lexer *l)
{
    static const struct {
        const char *word;
        cs_tmpl_item_kind kind;
    } keys[] = {{"block", CS_TMPL_BLOCK},
                {"break", CS_TMPL_BREAK},
                {"continue", CS_TMPL_CONTINUE},
                {"define", CS_TMPL_DEFINE},
                {"else", CS_TMPL_ELSE},
                {"end", CS_TMPL_END},
                {"if", CS_TMPL_IF},
                {"range", CS_TMPL_RANGE},
                {"nil", CS_TMPL_NIL},
                {"template", CS_TMPL_TEMPLATE},
                {"with", CS_TMPL_WITH},
                {"true", CS_TMPL_BOOL},
                {"false", CS_TMPL_BOOL}};
    uint32_t r = skip_word(l);
    cs_slice word = cs_slice_sub(l->input, l->start, l->pos);
    if (!at_terminator(l)) {
        return bad_rune(l, "bad character ", r);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (cs_slice_is(word, keys[i].word)) {
            return emit(l, keys[i].kind);
        }
    }
    return emit(l, CS_TMPL_IDENTIFIER);
}

/* Behind '.' or '$'. */
static cs_tmpl_item lex_field(cs_tmpl_lexer *l, cs_tmpl_item_kind kind)
{
    if (at_terminator(l)) {
        return emit(l, kind == CS_TMPL_VARIABLE ? kind : CS_TMPL_DOT);
    }
    uint32_t r = skip_word(l);
    return at_terminator(l) ? emit(l, kind) : bad_rune(l, "bad character ", r);
}

static bool accept(cs_tmpl_lexer *l, const char *set)
{
    bool good = l->pos < l->input.n && l->input.p[l->pos] && strchr(set, l->input.p[l->pos]);
    l->pos += good;
    return good;
}

static void accept_run(cs_tmpl_lexer *l, const char *set)
{
    while (accept(l, set)) {
    }
}

static bool scan_number(cs_tmpl_lexer *l)
{
    const char *digits = "0123456789_";
    char base = 'd';
    (void)accept(l, "+-");
    if (accept(l, "0")) {
        if (accept(l, "xX")) {
            digits = "0123456789abcdefABCDEF_";
            base = 'x';
        } else if (accept(l, "oO")) {
            digits = "01234567_";
            base = 'o';
        } else if (accept(l, "bB")) {
            digits = "01_";
            base = 'b';
        }
    }
    accept_run(l, digits);
    if (accept(l, ".")) {
        accept_run(l, digits);
    }
    if ((base == 'd' && accept(l, "eE")) || (base == 'x' && accept(l, "pP"))) {
        (void)accept(l, "+-");
        accept_run(l, "0123456789_");
    }
    (void)accept(l, "i");
    size_t width;
    if (is_word(peek(l, &width))) {
        l->pos += width;
        return false;
    }
    return true;
}

static cs_tmpl_item bad_number(cs_tmpl_lexer *l)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, l->call);
    cs_sink__text(&s, "bad number syntax: ");
    cs_sink__quote(&s, cs_slice_sub(l->input, l->start, l->pos));
    return cs_sink__slice_done(&s, &text) == CS_OK ? fail(l, text) : fail(l, CS_LIT("bad number syntax"));
}

static cs_tmpl_item lex_number(cs_tmpl_lexer *l)
{
    if (!scan_number(l)) {
        return bad_number(l);
    }
    bool sign = l->pos < l->input.n && (l->input.p[l->pos] == '+' || l->input.p[l->pos] == '-');
    if (!sign) {
        return emit(l, CS_TMPL_NUMBER);
    }
    return scan_number(l) && l->input.p[l->pos - 1] == 'i' ? emit(l, CS_TMPL_COMPLEX) : bad_number(l);
}

static cs_tmpl_item lex_quoted(cs_tmpl_lexer *l, char quote, cs_tmpl_item_kind kind, cs_slice unterminated)
{
    for (;;) {
        uint32_t r = take(l);
        if (r == '\\' && quote != '`') {
            r = take(l);
            if (r != NO_RUNE && r != '\n') {
                continue;
            }
        }
        if (r == NO_RUNE || (r == '\n' && quote != '`')) {
            return fail(l, unterminated);
        }
        if (r == (uint8_t)quote) {
            return emit(l, kind);
        }
    }
}

static cs_tmpl_item lex_space(cs_tmpl_lexer *l)
{
    size_t n = 0;
    while (l->pos < l->input.n && is_space((uint8_t)l->input.p[l->pos])) {
        (void)take(l);
        n++;
    }
    cs_slice last = cs_slice_sub(l->input, l->pos - 1, l->input.n);
    if (trim_marker(last, false) && cs_slice_starts(cs_slice_sub(last, 2, last.n), CS_LIT("}}"))) {
        l->pos--;
        l->line -= l->input.p[l->pos] == '\n';
        if (n == 1) {
            return lex_right_delim(l);
        }
    }
    return emit(l, CS_TMPL_SPACE);
}

static cs_tmpl_item lex_sign(cs_tmpl_lexer *l, uint32_t r)
{
    switch (r) {
    case '=':
        return emit(l, CS_TMPL_ASSIGN);
    case ':':
        return take(l) == '=' ? emit(l, CS_TMPL_DECLARE) : fail(l, CS_LIT("expected :="));
    case '|':
        return emit(l, CS_TMPL_PIPE);
    case '"':
        return lex_quoted(l, '"', CS_TMPL_STRING, CS_LIT("unterminated quoted string"));
    case '`':
        return lex_quoted(l, '`', CS_TMPL_RAW_STRING, CS_LIT("unterminated raw quoted string"));
    case '\'':
        return lex_quoted(l, '\'', CS_TMPL_CHAR_CONSTANT, CS_LIT("unterminated character constant"));
    case '$':
        return lex_field(l, CS_TMPL_VARIABLE);
    case '(':
        l->parens++;
        return emit(l, CS_TMPL_LEFT_PAREN);
    case ')':
        return --l->parens < 0 ? fail(l, CS_LIT("unexpected right paren")) : emit(l, CS_TMPL_RIGHT_PAREN);
    default:
        return r >= '!' && r <= '~' ? emit(l, CS_TMPL_CHAR) : bad_rune(l, "unrecognized character in action: ", r);
    }
}

static cs_tmpl_item lex_action(cs_tmpl_lexer *l)
{
    bool trims;
    if (at_right_delim(l, &trims)) {
        return l->parens == 0 ? lex_right_delim(l) : fail(l, CS_LIT("unclosed left paren"));
    }
    size_t width;
    uint32_t r = peek(l, &width);
    if (r == NO_RUNE) {
        return fail(l, CS_LIT("unclosed action"));
    }
    if (is_space(r)) {
        return lex_space(l);
    }
    uint8_t next = l->pos + 1 < l->input.n ? (uint8_t)l->input.p[l->pos + 1] : '0';
    if (r == '.' && (next < '0' || next > '9')) {
        l->pos++;
        return lex_field(l, CS_TMPL_FIELD);
    }
    if (r == '.' || r == '+' || r == '-' || (r >= '0' && r <= '9')) {
        return lex_number(l);
    }
    if (is_word(r)) {
        return lex_identifier(l);
    }
    return lex_sign(l, take(l));
}

cs_tmpl_item cs_tmpl__lex_next(cs_tmpl_lexer *l)
{
    return l->inside ? lex_action(l) : lex_text(l);
}
