/* The tokens of GraphQL (its specification, §2.1). Texts and places of errors are those of the library that OPA uses.
 */
#include "rego/builtin/graphql_lex.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/utf8.h"

typedef cs_gql_lexer lexer;
typedef cs_gql_token token;

const char *cs_gql__kind_text(cs_gql_token_kind kind)
{
    static const char *const texts[] = {"<Invalid>", "<EOF>", "!",     "$",      "&",           "(",      ")", "...",
                                        ":",         "=",     "@",     "[",      "]",           "{",      "}", "|",
                                        "Name",      "Int",   "Float", "String", "BlockString", "Comment"};
    return texts[kind];
}

static int byte_at(const lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.n ? (uint8_t)l->text.p[l->at + ahead] : -1;
}

static void advance(lexer *l, size_t n)
{
    l->at += n;
    l->column += n;
}

static void new_line(lexer *l)
{
    l->row++;
    l->column = 0;
}

static cs_gql_at place(const lexer *l, size_t column)
{
    return (cs_gql_at){l->row, (int32_t)column + 1, l->prelude};
}

static token invalid(lexer *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static token invalid(lexer *l, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = strlen(text);
    l->error =
        (cs_gql_error){CS_ERR_EVAL_BUILTIN, cs_slice_make(cs_arena_dup(l->arena, text, n), n), place(l, l->column)};
    return (token){.kind = CS_GQL_T_INVALID, .at = place(l, l->column)};
}

/* A byte of the text as a character of its own, as Go converts one. */
static const char *as_rune(int byte, char room[8])
{
    room[byte < 0 ? 0 : cs_utf8_encode((uint32_t)byte, room)] = 0;
    return room;
}

static const char *describe_next(const lexer *l, char room[8])
{
    if (l->at >= l->text.n) {
        return "<EOF>";
    }
    room[0] = '"';
    size_t n = cs_utf8_encode((uint32_t)byte_at(l, 0), room + 1);
    room[n + 1] = '"';
    room[n + 2] = 0;
    return room;
}

/* Blanks, commas, line ends and byte order marks. */
static void skip_blank(lexer *l)
{
    for (;;) {
        int c = byte_at(l, 0);
        if (c == ' ' || c == '\t' || c == ',') {
            advance(l, 1);
        } else if (c == '\n' || c == '\r') {
            l->at += c == '\r' && byte_at(l, 1) == '\n' ? 2 : 1;
            new_line(l);
            /* The library counts the second byte of "\r\n" as the first column of the line. */
            l->column += c == '\r' && l->text.p[l->at - 1] == '\n' ? 1 : 0;
        } else if (c == 0xEF && byte_at(l, 1) == 0xBB && byte_at(l, 2) == 0xBF) {
            l->at += 3;
            l->column++;
        } else {
            return;
        }
    }
}

static token make(const lexer *l, cs_gql_token_kind kind, size_t from, size_t column)
{
    return (token){kind, cs_slice_sub(l->text, from, l->at), place(l, column)};
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t digits(lexer *l)
{
    size_t n = 0;
    while (is_digit(byte_at(l, n))) {
        n++;
    }
    advance(l, n);
    return n;
}

static token number(lexer *l)
{
    char room[8];
    size_t from = l->at, column = l->column;
    bool is_float = false;
    advance(l, byte_at(l, 0) == '-');
    if (byte_at(l, 0) == '0') {
        advance(l, 1);
        if (is_digit(byte_at(l, 0))) {
            return invalid(l, "Invalid number, unexpected digit after 0: %s.", describe_next(l, room));
        }
    } else if (digits(l) == 0) {
        return invalid(l, "Invalid number, expected digit but got: %s.", describe_next(l, room));
    }
    if (byte_at(l, 0) == '.') {
        is_float = true;
        advance(l, 1);
        if (digits(l) == 0) {
            return invalid(l, "Invalid number, expected digit but got: %s.", describe_next(l, room));
        }
    }
    if (byte_at(l, 0) == 'e' || byte_at(l, 0) == 'E') {
        is_float = true;
        advance(l, 1);
        advance(l, byte_at(l, 0) == '-' || byte_at(l, 0) == '+');
        if (digits(l) == 0) {
            return invalid(l, "Invalid number, expected digit but got: %s.", describe_next(l, room));
        }
    }
    return make(l, is_float ? CS_GQL_T_FLOAT : CS_GQL_T_INT, from, column);
}

static token comment(lexer *l)
{
    size_t from = l->at, column = l->column;
    while (byte_at(l, 0) > 0x1F || byte_at(l, 0) == '\t') {
        size_t width;
        (void)cs_utf8_decode(l->text.p + l->at, l->text.n - l->at, &width);
        l->at += width;
        l->column++;
    }
    return make(l, CS_GQL_T_COMMENT, from, column);
}

/* One character of a string, however many bytes it has. */
static void character(lexer *l, cs_gql_text *out)
{
    size_t width;
    uint32_t rune = cs_utf8_decode(l->text.p + l->at, l->text.n - l->at, &width);
    char bytes[4];
    cs_gql__put(out, cs_slice_make(bytes, cs_utf8_encode(rune, bytes)));
    l->at += width;
    l->column++;
}

static bool hex4(cs_slice s, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        int c = (uint8_t)s.p[i], low = c | 0x20;
        bool letter = low >= 'a' && low <= 'f';
        if (!is_digit(c) && !letter) {
            return false;
        }
        *out = *out * 16 + (uint32_t)(letter ? low - 'a' + 10 : c - '0');
    }
    return true;
}

/* At a backslash in a string; false if it begins nothing. The error stands behind the backslash. */
static bool escape(lexer *l, cs_gql_text *out, token *error)
{
    static const char from[] = "\"/\\bfnrt", to[] = "\"/\\\b\f\n\r\t";
    char room[8];
    int c = byte_at(l, 1);
    if (c < 0) {
        advance(l, 1);
        *error = invalid(l, "Invalid character escape sequence.");
        return false;
    }
    if (c == 'u') {
        uint32_t rune;
        cs_slice rest = cs_slice_sub(l->text, l->at + 1, l->text.n);
        bool enough = rest.n > 5;
        if (!enough || !hex4(cs_slice_sub(rest, 1, 5), &rune)) {
            advance(l, 1);
            rest.n = enough ? 5 : rest.n;
            *error = invalid(l, "Invalid character escape sequence: \\%.*s.", CS_FMT(rest));
            return false;
        }
        cs_gql__put(out, cs_slice_make(room, cs_utf8_encode(rune, room)));
        advance(l, 6);
        return true;
    }
    const char *known = c ? strchr(from, c) : NULL;
    if (!known) {
        advance(l, 1);
        *error = invalid(l, "Invalid character escape sequence: \\%s.", as_rune(c, room));
        return false;
    }
    cs_gql__put(out, cs_slice_make(&to[known - from], 1));
    advance(l, 2);
    return true;
}

/* At a quote. The token's column is that of the first character inside. */
static token string(lexer *l)
{
    cs_gql_text out = {.arena = l->arena};
    token error;
    advance(l, 1);
    cs_gql_at at = place(l, l->column);
    for (;;) {
        int c = byte_at(l, 0);
        if (c < 0 || c == '\n' || c == '\r') {
            return invalid(l, "Unterminated string.");
        }
        if (c < 0x20 && c != '\t') {
            return invalid(l, "Invalid character within String: \"\\u%04x\".", (unsigned)c);
        }
        if (c == '"') {
            advance(l, 1);
            return (token){CS_GQL_T_STRING, cs_gql__view(&out), at};
        }
        if (c != '\\') {
            character(l, &out);
        } else if (!escape(l, &out, &error)) {
            return error;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ block strings */

/* Bytes of blank in front; SIZE_MAX if there is nothing else. */
static size_t indent_of(cs_slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ' ' && line.p[i] != '\t') {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Lines without the indentation that they share, and without blank lines at both ends. */
static cs_slice unindented(cs_arena *a, cs_slice raw)
{
    cs_gql_texts lines = {0};
    cs_slice line = {0};
    size_t common = SIZE_MAX;
    for (size_t from = 0, to; from <= raw.n; from = to + 1) {
        to = cs_slice_find_byte(raw, '\n', from);
        to = to == SIZE_MAX ? raw.n : to;
        line = cs_slice_sub(raw, from, to);
        cs_gql__push(a, &lines, line);
        size_t indent = indent_of(line);
        common = indent < common ? indent : common;
    }
    for (uint32_t i = 1; common != SIZE_MAX && i < lines.n; i++) {
        lines.v[i] = cs_slice_sub(lines.v[i], common, lines.v[i].n);
    }
    uint32_t start = 0, end = lines.n;
    while (start < end && indent_of(lines.v[start]) == SIZE_MAX) {
        start++;
    }
    while (start < end && indent_of(lines.v[end - 1]) == SIZE_MAX) {
        end--;
    }
    cs_gql_text out = {.arena = a};
    for (uint32_t i = start; i < end; i++) {
        cs_gql__put(&out, i > start ? CS_LIT("\n") : CS_LIT(""));
        cs_gql__put(&out, lines.v[i]);
    }
    return cs_gql__view(&out);
}

/* At three quotes. The token's row is that of the closing ones, as in the library. */
static token block(lexer *l)
{
    cs_gql_text out = {.arena = l->arena};
    size_t column = l->column + 3, lines_before = 0;
    advance(l, 3);
    for (;;) {
        int c = byte_at(l, 0);
        size_t quotes = 0;
        while (byte_at(l, quotes) == '"') {
            quotes++;
        }
        if (quotes >= 3) {
            cs_gql__put(&out, cs_slice_sub(l->text, l->at, l->at + quotes - 3));
            /* Counted from the start of the line it ends in: below 1 for a text of several lines. */
            cs_gql_at at = {l->row, (int32_t)((int64_t)column - (int64_t)lines_before + 1), l->prelude};
            advance(l, quotes);
            return (token){CS_GQL_T_BLOCK, unindented(l->arena, cs_gql__view(&out)), at};
        }
        if (c < 0) {
            return invalid(l, "Unterminated string.");
        }
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') {
            return invalid(l, "Invalid character within String: \"\\u%04x\".", (unsigned)c);
        }
        if (c == '\\' && byte_at(l, 1) == '"' && byte_at(l, 2) == '"' && byte_at(l, 3) == '"') {
            cs_gql__put(&out, CS_LIT("\"\"\""));
            advance(l, 4);
        } else if (c == '\n' || c == '\r') {
            advance(l, c == '\r' && byte_at(l, 1) == '\n' ? 2 : 1);
            cs_gql__put(&out, CS_LIT("\n"));
            lines_before += l->column;
            new_line(l);
        } else {
            character(l, &out);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ one token */

static token punctuation(lexer *l, cs_gql_token_kind kind, size_t n)
{
    token t = {.kind = kind, .at = place(l, l->column)};
    advance(l, n);
    return t;
}

cs_gql_token cs_gql__next_token(cs_gql_lexer *l)
{
    static const char marks[] = "!$&():=@[]{}|";
    static const uint8_t kinds[] = {CS_GQL_T_BANG,      CS_GQL_T_DOLLAR,    CS_GQL_T_AMP,     CS_GQL_T_PAREN_L,
                                    CS_GQL_T_PAREN_R,   CS_GQL_T_COLON,     CS_GQL_T_EQUALS,  CS_GQL_T_AT,
                                    CS_GQL_T_BRACKET_L, CS_GQL_T_BRACKET_R, CS_GQL_T_BRACE_L, CS_GQL_T_BRACE_R,
                                    CS_GQL_T_PIPE};
    char room[8];
    skip_blank(l);
    int c = byte_at(l, 0);
    if (c < 0) {
        return (token){.kind = CS_GQL_T_EOF, .at = place(l, l->column)};
    }
    const char *mark = c ? strchr(marks, c) : NULL;
    if (mark) {
        return punctuation(l, kinds[mark - marks], 1);
    }
    if (c == '.' && byte_at(l, 1) == '.' && byte_at(l, 2) == '.') {
        return punctuation(l, CS_GQL_T_SPREAD, 3);
    }
    if (c == '#') {
        return comment(l);
    }
    if (is_digit(c) || c == '-') {
        return number(l);
    }
    if (is_name(c)) {
        size_t from = l->at, column = l->column;
        while (is_name(byte_at(l, 0))) {
            advance(l, 1);
        }
        return make(l, CS_GQL_T_NAME, from, column);
    }
    if (c == '"') {
        return byte_at(l, 1) == '"' && byte_at(l, 2) == '"' ? block(l) : string(l);
    }
    if (c < 0x20) {
        return invalid(l, "Cannot contain the invalid character \"\\u%04x\"", (unsigned)c);
    }
    if (c == '\'') {
        return invalid(l, "Unexpected single quote character ('), did you mean to use a double quote (\")?");
    }
    return invalid(l, "Cannot parse the unexpected character \"%s\".", as_rune(c, room));
}
