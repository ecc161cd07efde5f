/* Bytes to tokens. Positions: rows and columns from 1, columns in code points; at the end of the text the position
 * stays that of the last character, as in OPA. */
#include "rego/syntax/internal.h"

static const struct {
    const char *name;
    int keyword;
} tokens[] = {
#define CS_TOKEN(name, spelling, keyword) {spelling, keyword},
#include "rego/syntax/tokens.def"
#undef CS_TOKEN
};

const char *cs_token__name(cs_token t)
{
    return (unsigned)t < CS_TOK_COUNT ? tokens[t].name : "unknown";
}

bool cs_token__is_keyword(cs_token t)
{
    return tokens[t].keyword != 0;
}

unsigned cs_token__word_bit(cs_slice word)
{
    static const struct {
        const char *word;
        unsigned bit;
    } rows[] = {{"in", CS_WORD_IN}, {"every", CS_WORD_EVERY}, {"contains", CS_WORD_CONTAINS},
                {"if", CS_WORD_IF}, {"not", CS_WORD_NOT},     {"and", CS_WORD_AND},
                {"or", CS_WORD_OR}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (cs_slice_is(word, rows[i].word)) {
            return rows[i].bit;
        }
    }
    return 0;
}

/* The token of a word; IDENT for all that are not keywords at the moment. */
static cs_token word_token(const cs_parser *p, cs_slice word)
{
    if (word.n < 2 || word.n > 8) {
        return CS_TOK_IDENT;
    }
    for (cs_token t = CS_TOK_PACKAGE; t <= CS_TOK_FALSE; t++) {
        if (tokens[t].name[0] == word.p[0] && cs_slice_is(word, tokens[t].name)) {
            return t;
        }
    }
    for (cs_token t = CS_TOK_IN; t <= CS_TOK_LOGICAL_OR; t++) {
        if (tokens[t].name[0] == word.p[0] && cs_slice_is(word, tokens[t].name)) {
            return p->words & cs_token__word_bit(word) ? t : CS_TOK_IDENT;
        }
    }
    return CS_TOK_IDENT;
}

bool cs_lex__is_keyword_word(const cs_parser *p, cs_slice word)
{
    return word_token(p, word) != CS_TOK_IDENT;
}

/* ---- characters */
static void lex_error(cs_parser *p, const char *text)
{
    if (p->n_lex_errors < CS_LEX_ERRORS_MAX) {
        p->lex_errors[p->n_lex_errors++] = text;
    }
}

static void next(cs_parser *p)
{
    cs_parse_state *s = &p->s;
    if (s->offset >= p->text.n) {
        s->current = -1;
        s->offset = p->text.n + 1;
        return;
    }
    unsigned char c = (unsigned char)p->text.p[s->offset];
    s->current = c;
    s->width = 1;
    if (c == 0) {
        lex_error(p, "illegal null character");
    } else if (c >= 0x80) {
        size_t width;
        uint32_t rune = cs_utf8_decode(p->text.p + s->offset, p->text.n - s->offset, &width);
        s->current = (int32_t)rune;
        s->width = (uint32_t)width;
        if (rune == CS_RUNE_BAD && width == 1) {
            lex_error(p, "illegal utf-8 character");
        } else if (rune == 0xFEFF && s->offset > 0) {
            lex_error(p, "illegal byte-order mark");
        }
    }
    s->offset += s->width;
    if (c == '\n') {
        s->row++;
        s->col = 0;
    } else {
        s->col++;
    }
}

static bool is_letter(int32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_decimal(int32_t c)
{
    return c >= '0' && c <= '9';
}

/* Decimal digits of other scripts (Unicode's Nd), which may stand inside an identifier: runs of ten by their first, but
 * for one of fifty. */
static bool is_digit(int32_t c)
{
    static const int32_t zeros[] = {
        0x660,   0x6F0,   0x7C0,   0x966,   0x9E6,   0xA66,   0xAE6,   0xB66,   0xBE6,   0xC66,   0xCE6,   0xD66,
        0xDE6,   0xE50,   0xED0,   0xF20,   0x1040,  0x1090,  0x17E0,  0x1810,  0x1946,  0x19D0,  0x1A80,  0x1A90,
        0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,  0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,
        0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730,
        0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2,
        0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950, 0x1FBF0};
    if (c < 0x80) {
        return is_decimal(c);
    }
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        if (c >= zeros[i] && c < zeros[i] + 10) {
            return true;
        }
    }
    return false;
}

void cs_lex__start(cs_parser *p)
{
    memset(&p->s, 0, sizeof p->s);
    p->s.row = 1;
    p->s.current = -1;
    next(p);
    if (p->s.current == 0xFEFF) {
        next(p);
    }
}

/* Offset of the character at hand; of the end when there is none. */
static size_t here(const cs_parser *p)
{
    return p->s.current < 0 ? p->text.n : p->s.offset - p->s.width;
}

/* ---- tokens of several characters */
static void scan_number(cs_parser *p)
{
    while (is_decimal(p->s.current)) {
        next(p);
    }
    if (p->s.current == '.') {
        next(p);
        if (!is_decimal(p->s.current)) {
            lex_error(p, "expected fraction");
        }
        while (is_decimal(p->s.current)) {
            next(p);
        }
    }
    if (p->s.current == 'e' || p->s.current == 'E') {
        next(p);
        if (p->s.current == '+' || p->s.current == '-') {
            next(p);
        }
        if (!is_decimal(p->s.current)) {
            lex_error(p, "expected exponent");
        }
        while (is_decimal(p->s.current)) {
            next(p);
        }
    }
    if (is_letter(p->s.current)) {
        lex_error(p, "illegal number format");
        while (is_letter(p->s.current) || is_digit(p->s.current)) {
            next(p);
        }
    }
}

/* After a backslash. True for an escape of a brace, where braces mean something. */
static bool scan_escape(cs_parser *p, bool in_template)
{
    switch (p->s.current) {
    case '\\':
    case '"':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        next(p);
        return false;
    case 'u':
        for (int i = 0; i < 4; i++) {
            next(p);
        }
        return false;
    case '{':
        if (in_template) {
            next(p);
            return true;
        }
        break;
    default:
        break;
    }
    lex_error(p, "illegal escape sequence");
    return false;
}

static void scan_string(cs_parser *p)
{
    for (;;) {
        int32_t c = p->s.current;
        if (c == '\n' || c < 0) {
            lex_error(p, "non-terminated string");
            return;
        }
        next(p);
        if (c == '"') {
            return;
        }
        if (c == '\\') {
            (void)scan_escape(p, false);
        }
    }
}

static void scan_raw_string(cs_parser *p)
{
    for (;;) {
        int32_t c = p->s.current;
        next(p);
        if (c == '`') {
            return;
        }
        if (c < 0) {
            lex_error(p, "non-terminated string");
            return;
        }
    }
}

/* Up to the next expression or the end of the template. The literal keeps one character at both ends and has no \{
 * left. */
static cs_token scan_template(cs_parser *p, bool raw, size_t from)
{
    cs_token token = raw ? CS_TOK_RAW_TEMPLATE_PART : CS_TOK_TEMPLATE_PART;
    int32_t quote = raw ? '`' : '"';
    bool braces = false;
    for (;;) {
        int32_t c = p->s.current;
        if (c < 0 || (c == '\n' && !raw)) {
            lex_error(p, "non-terminated string");
            break;
        }
        next(p);
        if (c == quote) {
            token = raw ? CS_TOK_RAW_TEMPLATE_END : CS_TOK_TEMPLATE_END;
            break;
        }
        if (c == '{') {
            break;
        }
        if (c == '\\' && raw && p->s.current == '{') {
            next(p);
            braces = true;
        } else if (c == '\\' && !raw && scan_escape(p, true)) {
            braces = true;
        }
    }
    size_t to = here(p);
    p->s.literal = cs_parse__text(p, from, to);
    if (braces) {
        char *room = cs_arena_alloc(p->arena, to - from);
        size_t n = 0;
        for (size_t i = from; i < to; i++) {
            bool escape = p->text.p[i] == '\\' && i + 1 < to;
            if (escape && p->text.p[i + 1] == '{') {
                continue;
            }
            room[n++] = p->text.p[i];
            if (escape && !raw) {
                room[n++] = p->text.p[++i];
            }
        }
        p->s.literal = cs_slice_make(room, n);
    }
    return token;
}

static cs_token scan_comment(cs_parser *p)
{
    while (p->s.current != '\n' && p->s.current != -1) {
        next(p);
    }
    return CS_TOK_COMMENT;
}

/* An operator that may be followed by `=`. */
static cs_token with_equals(cs_parser *p, cs_token alone, cs_token longer)
{
    if (p->s.current == '=') {
        next(p);
        return longer;
    }
    return alone;
}

static cs_token scan_dollar(cs_parser *p)
{
    int32_t c = p->s.current;
    if (c != '`' && c != '"') {
        lex_error(p, "illegal $ character");
        return CS_TOK_ILLEGAL;
    }
    size_t from = here(p);
    next(p);
    return scan_template(p, c == '`', from);
}

/* A token that begins with punctuation `c`, which has been read. */
static cs_token scan_punctuation(cs_parser *p, int32_t c)
{
    switch (c) {
    case -1:
        return CS_TOK_EOF;
    case '#':
        return scan_comment(p);
    case '"':
        scan_string(p);
        return CS_TOK_STRING;
    case '`':
        scan_raw_string(p);
        return CS_TOK_STRING;
    case '[':
        return CS_TOK_LBRACK;
    case ']':
        return CS_TOK_RBRACK;
    case '{':
        return CS_TOK_LBRACE;
    case '}':
        return CS_TOK_RBRACE;
    case '(':
        return CS_TOK_LPAREN;
    case ')':
        return CS_TOK_RPAREN;
    case ',':
        return CS_TOK_COMMA;
    case ':':
        return with_equals(p, CS_TOK_COLON, CS_TOK_ASSIGN);
    case '+':
        return CS_TOK_ADD;
    case '-':
        return CS_TOK_SUB;
    case '*':
        return CS_TOK_MUL;
    case '/':
        return CS_TOK_QUO;
    case '%':
        return CS_TOK_REM;
    case '&':
        return CS_TOK_AND;
    case '|':
        return CS_TOK_OR;
    case '=':
        return with_equals(p, CS_TOK_UNIFY, CS_TOK_EQUAL);
    case '>':
        return with_equals(p, CS_TOK_GT, CS_TOK_GTE);
    case '<':
        return with_equals(p, CS_TOK_LT, CS_TOK_LTE);
    case '!':
        if (p->s.current != '=') {
            lex_error(p, "illegal ! character");
            return CS_TOK_ILLEGAL;
        }
        next(p);
        return CS_TOK_NEQ;
    case 0xA0:
        lex_error(p, "illegal non-breaking space character, use a regular space instead");
        return CS_TOK_ILLEGAL;
    case ';':
        return CS_TOK_SEMICOLON;
    case '.':
        return CS_TOK_DOT;
    case '$':
        return scan_dollar(p);
    default:
        return CS_TOK_ILLEGAL;
    }
}

static cs_token scan_one(cs_parser *p, cs_lex_mode mode)
{
    int32_t c = p->s.current;
    size_t from = here(p);
    if (mode != CS_LEX_PLAIN) {
        return scan_template(p, mode == CS_LEX_RAW_TEMPLATE, from ? from - 1 : 0);
    }
    cs_token token;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        next(p);
        token = CS_TOK_WHITESPACE;
    } else if (is_letter(c)) {
        while (is_letter(p->s.current) || is_digit(p->s.current)) {
            next(p);
        }
        p->s.literal = cs_parse__text(p, from, here(p));
        return word_token(p, p->s.literal);
    } else if (is_decimal(c)) {
        scan_number(p);
        token = CS_TOK_NUMBER;
    } else {
        next(p);
        token = scan_punctuation(p, c);
        if (token >= CS_TOK_TEMPLATE_PART && token <= CS_TOK_RAW_TEMPLATE_END) {
            return token; /* has set its literal */
        }
        if (token != CS_TOK_STRING && token != CS_TOK_COMMENT) {
            p->s.literal = (cs_slice){"", 0};
            return token;
        }
    }
    p->s.literal = cs_parse__text(p, from, here(p));
    return token;
}

static void add_comment(cs_parser *p)
{
    cs_parse_comment *c = cs_arena_new(p->arena, cs_parse_comment);
    cs_slice text = p->s.literal;
    text.p++;
    text.n--;
    while (text.n && text.p[text.n - 1] == '\r') {
        text.n--;
    }
    c->before = p->s.comments;
    c->comment.text = text;
    c->comment.loc = cs_parse__loc(p);
    p->s.comments = c;
    p->s.n_comments++;
}

/* The parser reads parts of its text more than once. A text made so that this repeats itself without end is given up.
 */
static bool spend(cs_parser *p)
{
    if (p->over) {
        return false;
    }
    if (p->budget-- > 0 && !cs_arena_exceeded(p->arena)) {
        return true;
    }
    cs_parse__give_up(p, "parsing takes more steps than a text of this length may need");
    return false;
}

void cs_lex__scan(cs_parser *p, bool skip_space, cs_lex_mode mode)
{
    cs_parse_state *s = &p->s;
    if (s->token != CS_TOK_WHITESPACE) {
        s->last_end = s->token_end;
        s->skipped_newline = false;
    }
    for (;;) {
        s->token_row = s->row;
        s->token_col = s->col;
        s->token_offset = (uint32_t)here(p);
        if (!spend(p)) {
            s->token = CS_TOK_EOF;
            s->literal = (cs_slice){"", 0};
            return;
        }
        s->token = scan_one(p, mode);
        s->token_end = (uint32_t)here(p);
        if (p->n_lex_errors) {
            for (uint32_t i = 0; i < p->n_lex_errors; i++) {
                cs_parse__error(p, cs_parse__loc(p), "%s", p->lex_errors[i]);
            }
            p->n_lex_errors = 0;
            s->token = CS_TOK_ILLEGAL;
        }
        if (s->token == CS_TOK_WHITESPACE) {
            if (s->literal.p[0] == '\n') {
                s->skipped_newline = true;
            }
            if (skip_space) {
                continue;
            }
        }
        if (s->token != CS_TOK_COMMENT) {
            return;
        }
        add_comment(p);
    }
}

/* ---- string literals */
static bool hex4(const char *p, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return false;
        }
        *out = *out * 16 + digit;
    }
    return true;
}

/* \uXXXX, or two of them for a surrogate pair; *at is after the `u`. A surrogate alone becomes U+FFFD. */
static bool unescape_u(cs_slice s, size_t *at, char **to)
{
    uint32_t rune, low;
    if (s.n - *at < 4 || !hex4(s.p + *at, &rune)) {
        return false;
    }
    *at += 4;
    if (rune >= 0xD800 && rune < 0xDC00 && s.n - *at >= 6 && s.p[*at] == '\\' && s.p[*at + 1] == 'u' &&
        hex4(s.p + *at + 2, &low) && low >= 0xDC00 && low < 0xE000) {
        rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
        *at += 6;
    }
    *to += cs_utf8_encode(rune, *to);
    return true;
}

bool cs_lex__unescape(cs_arena *a, cs_slice inner, cs_slice *out)
{
    if (!memchr(inner.p, '\\', inner.n)) {
        *out = inner;
        return true;
    }
    char *room = cs_arena_alloc(a, inner.n + 4);
    char *to = room;
    for (size_t i = 0; i < inner.n;) {
        char c = inner.p[i++];
        if ((unsigned char)c < 0x20) {
            return false;
        }
        if (c != '\\') {
            *to++ = c;
            continue;
        }
        c = i < inner.n ? inner.p[i++] : 0;
        static const char from[] = "\"\\/bfnrt", what[] = "\"\\/\b\f\n\r\t";
        const char *found = c ? strchr(from, c) : NULL;
        if (found) {
            *to++ = what[found - from];
        } else if (c != 'u' || !unescape_u(inner, &i, &to)) {
            return false;
        }
    }
    *out = cs_slice_make(room, (size_t)(to - room));
    return true;
}
