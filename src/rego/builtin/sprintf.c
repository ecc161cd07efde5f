/* sprintf: Go's fmt.Sprintf over the values that OPA hands it: int64, big.Int, float64 and string (everything else as
 * Rego text). Oddities are Go's and kept: "%!d(string=x)", "%!(EXTRA int64=2)", zeros in front of padded strings. */
#include <math.h>
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/format.h"
#include "rego/builtin/template.h"

#define WIDEST 1000000 /* Go's bound for widths, precisions and indexes */

typedef enum arg_kind { ARG_INT, ARG_BIG, ARG_FLOAT, ARG_STRING, ARG_BOOL, ARG_NIL, ARG_TREE } arg_kind;

typedef struct arg {
    arg_kind kind;
    int64_t i;
    double d;
    cs_slice text;  /* of a string */
    cs_value value; /* of a big integer, or of a tree */
    const char *type;
} arg;

typedef struct printer {
    cs_call *call;
    cs_sink out;
    cs_slice format;
    size_t at;
    bool go; /* the arguments are a template's, not Rego's */
    const cs_value *args;
    uint32_t n_args;
    int64_t arg; /* next argument */
    bool reordered, good_index;
    bool sharp, zero, plus, minus, space, sharp_v, plus_v;
    bool has_width, has_precision;
    int64_t width, precision;
} printer;

/* ------------------------------------------------------------------------------------------------ arguments */

static cs_err number_arg(cs_value v, arg *out)
{
    char room[32];
    cs_slice text = cs_number_text(v, room);
    bool is_float = memchr(text.p, '.', text.n) || memchr(text.p, 'e', text.n) || memchr(text.p, 'E', text.n);
    if (!is_float) {
        *out = (arg){.kind = v.form == CS_NUMBER_INT || cs_slice_i64(text, &out->i) ? ARG_INT : ARG_BIG, .value = v};
        if (out->kind == ARG_INT) {
            out->i = v.form == CS_NUMBER_INT ? v.u.i : 0;
        }
        return CS_OK;
    }
    *out = (arg){.kind = ARG_FLOAT, .d = cs_number_double(v)};
    out->d = *text.p == '-' ? copysign(out->d, -1) : out->d;
    if (!isfinite(out->d)) {
        *out = (arg){.kind = ARG_STRING, .text = text};
    }
    return CS_OK;
}

/* An argument of a template. */
static cs_err template_arg(const printer *p, cs_value v, arg *out)
{
    char room[32];
    *out = (arg){.value = v, .type = cs_tmpl__type((cs_tmpl_value){v, false})};
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        out->kind = ARG_BOOL;
        out->text = cs_slice_of(v.u.i ? "true" : "false");
        break;
    case CS_NUMBER:
        out->kind = ARG_STRING;
        out->text = cs_text(cs_string_copy(p->call->arena, cs_number_text(v, room)));
        break;
    case CS_STRING:
        out->kind = ARG_STRING;
        out->text = cs_text(v);
        break;
    case CS_ARRAY:
    case CS_OBJECT:
        out->kind = ARG_TREE;
        break;
    case CS_PRIVATE:
        out->kind = v.aux == CS_TMPL_FLOAT ? ARG_FLOAT : ARG_INT;
        out->i = v.u.i;
        out->d = v.aux == CS_TMPL_FLOAT ? cs_tmpl__double(v) : 0;
        break;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_SET:
        out->kind = ARG_NIL;
        break;
    }
    return CS_OK;
}

static cs_err get_arg(printer *p, cs_value v, arg *out)
{
    if (p->go) {
        return template_arg(p, v, out);
    }
    if (v.kind == CS_NUMBER) {
        return number_arg(v, out);
    }
    *out = (arg){.kind = ARG_STRING};
    if (v.kind == CS_STRING) {
        out->text = cs_text(v);
        return CS_OK;
    }
    cs_sink text;
    cs_sink__init(&text, p->call);
    cs_sink__value(&text, v);
    return cs_sink__slice_done(&text, &out->text);
}

/* ------------------------------------------------------------------------------------------------ padding */

static void pad_bytes(printer *p, int64_t n)
{
    char c = p->zero && !p->minus ? '0' : ' ';
    for (; n > 0 && !p->out.full; n--) {
        cs_sink__byte(&p->out, c);
    }
}

static void pad(printer *p, cs_slice text)
{
    int64_t missing = p->has_width ? p->width - (int64_t)cs_utf8_count(text) : 0;
    if (!p->minus) {
        pad_bytes(p, missing);
    }
    cs_sink__slice(&p->out, text);
    if (p->minus) {
        pad_bytes(p, missing);
    }
}

static void pad_without_zeros(printer *p, cs_slice text)
{
    bool zero = p->zero;
    p->zero = false;
    pad(p, text);
    p->zero = zero;
}

/* ------------------------------------------------------------------------------------------------ integers */

static size_t digits_of(uint64_t u, unsigned base, const char *alphabet, char *end)
{
    char *at = end;
    do {
        *--at = alphabet[u % base];
        u /= base;
    } while (u);
    return (size_t)(end - at);
}

static const char *base_prefix(char verb, bool sharp, bool leading_zero)
{
    switch (verb) {
    case 'O':
        return "0o";
    case 'b':
        return sharp ? "0b" : "";
    case 'o':
        return sharp && !leading_zero ? "0" : "";
    case 'x':
        return sharp ? "0x" : "";
    case 'X':
        return sharp ? "0X" : "";
    default:
        return "";
    }
}

static void integer(printer *p, int64_t v, char verb)
{
    const char *alphabet = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = verb == 'b' ? 2 : verb == 'o' || verb == 'O' ? 8 : verb == 'x' || verb == 'X' ? 16 : 10;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char sign = v < 0 ? '-' : p->plus ? '+' : p->space ? ' ' : '\0';
    int64_t least = 0; /* digits */
    if (p->has_precision) {
        least = p->precision;
        if (least == 0 && u == 0) {
            pad_without_zeros(p, CS_LIT(""));
            return;
        }
    } else if (p->zero && !p->minus && p->has_width) {
        least = p->width - (sign != '\0');
    }
    char room[72], *end = room + sizeof room;
    size_t n = digits_of(u, base, alphabet, end);
    int64_t zeros = least > (int64_t)n ? least - (int64_t)n : 0;
    const char *prefix = base_prefix(verb, p->sharp, zeros > 0 || end[-(int64_t)n] == '0');
    cs_sink text;
    cs_sink__init(&text, p->call);
    if (sign) {
        cs_sink__byte(&text, sign);
    }
    cs_sink__text(&text, verb == 'O' && p->sharp && zeros == 0 && end[-(int64_t)n] != '0' ? "0o0" : prefix);
    for (; zeros > 0 && !text.full; zeros--) {
        cs_sink__byte(&text, '0');
    }
    cs_sink__put(&text, end - n, n);
    p->out.full = p->out.full || text.full;
    pad_without_zeros(p, cs_slice_make(text.p, text.n));
}

/* big.Int's own Format. */
static void big_integer(printer *p, cs_value v, char verb)
{
    int base = verb == 'b' ? 2 : verb == 'o' || verb == 'O' ? 8 : verb == 'x' || verb == 'X' ? 16 : 10;
    cs_slice digits = cs_number_to_base(p->call->arena, v, base);
    char sign = p->plus || p->plus_v ? '+' : p->space ? ' ' : '\0';
    if (digits.n && *digits.p == '-') {
        sign = '-';
        digits = cs_slice_sub(digits, 1, digits.n);
    }
    const char *prefix = base_prefix(verb, p->sharp || p->sharp_v, false);
    int64_t zeros = p->has_precision && p->precision > (int64_t)digits.n ? p->precision - (int64_t)digits.n : 0;
    int64_t missing = p->has_width ? p->width - (int64_t)(strlen(prefix) + digits.n + (sign != '\0')) - zeros : 0;
    bool fill = missing > 0 && !p->minus && p->zero && !p->has_precision;
    cs_sink *out = &p->out;
    for (int64_t i = 0; i < missing && !p->minus && !fill && !out->full; i++) {
        cs_sink__byte(out, ' ');
    }
    if (sign) {
        cs_sink__byte(out, sign);
    }
    cs_sink__text(out, prefix);
    for (int64_t i = 0; i < zeros + (fill ? missing : 0) && !out->full; i++) {
        cs_sink__byte(out, '0');
    }
    for (size_t i = 0; i < digits.n; i++) {
        bool raise = verb == 'X' && digits.p[i] >= 'a' && digits.p[i] <= 'f';
        cs_sink__byte(out, (char)(raise ? digits.p[i] - 'a' + 'A' : digits.p[i]));
    }
    for (int64_t i = 0; i < missing && p->minus && !out->full; i++) {
        cs_sink__byte(out, ' ');
    }
}

/* ------------------------------------------------------------------------------------------------ characters */

static uint32_t rune_of(int64_t v)
{
    return v < 0 || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF) ? CS_RUNE_BAD : (uint32_t)v;
}

/* 'x': what %q makes of an integer. */
static void quoted_rune(printer *p, int64_t v)
{
    char bytes[4];
    cs_slice rune = {bytes, cs_utf8_encode(rune_of(v), bytes)};
    cs_sink text;
    cs_sink__init(&text, p->call);
    if (p->plus || rune.n == 1) {
        cs_format__quote_ascii(&text, rune, '\'');
    } else {
        cs_sink__quote(&text, rune);
        text.p[0] = text.p[text.n - 1] = '\'';
    }
    pad(p, cs_slice_make(text.p, text.n));
}

/* U+0041, and with # also 'A'. */
static void unicode(printer *p, int64_t v)
{
    char room[24], *end = room + sizeof room;
    size_t n = digits_of((uint64_t)v, 16, "0123456789ABCDEF", end);
    int64_t least = p->has_precision && p->precision > 4 ? p->precision : 4;
    cs_sink text;
    cs_sink__init(&text, p->call);
    cs_sink__text(&text, "U+");
    for (int64_t i = (int64_t)n; i < least && !text.full; i++) {
        cs_sink__byte(&text, '0');
    }
    cs_sink__put(&text, end - n, n);
    if (p->sharp && v >= 0 && v <= 0x10FFFF) {
        char bytes[4];
        cs_slice rune = {bytes, cs_utf8_encode((uint32_t)v, bytes)};
        cs_sink quoted;
        cs_sink__init(&quoted, p->call);
        cs_sink__quote(&quoted, rune);
        if (quoted.n == rune.n + 2 || v == '"' || v == '\\') { /* it can be printed */
            cs_sink__text(&text, " '");
            cs_sink__slice(&text, rune);
            cs_sink__byte(&text, '\'');
        }
    }
    p->out.full = p->out.full || text.full;
    pad_without_zeros(p, cs_slice_make(text.p, text.n));
}

/* ------------------------------------------------------------------------------------------------ strings */

static cs_slice truncated(const printer *p, cs_slice text)
{
    if (!p->has_precision || p->precision >= (int64_t)text.n) {
        return text;
    }
    return cs_slice_sub(text, 0, cs_utf8_offset(text, (size_t)p->precision));
}

static void quoted_string(printer *p, cs_slice text)
{
    text = truncated(p, text);
    cs_sink quoted;
    cs_sink__init(&quoted, p->call);
    if (p->sharp && cs_format__can_backquote(text)) {
        cs_sink__byte(&quoted, '`');
        cs_sink__slice(&quoted, text);
        cs_sink__byte(&quoted, '`');
    } else if (p->plus) {
        cs_format__quote_ascii(&quoted, text, '"');
    } else {
        cs_sink__quote(&quoted, text);
    }
    p->out.full = p->out.full || quoted.full;
    pad(p, cs_slice_make(quoted.p, quoted.n));
}

/* %x of a string: its bytes. */
static void hex_string(printer *p, cs_slice text, char verb)
{
    const char *alphabet = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    int64_t n = (int64_t)text.n;
    if (p->has_precision && p->precision < n) {
        n = p->precision;
    }
    if (n == 0) {
        pad_bytes(p, p->has_width ? p->width : 0);
        return;
    }
    int64_t width = 2 * n;
    if (p->space) {
        width = width * (p->sharp ? 2 : 1) + n - 1;
    } else if (p->sharp) {
        width += 2;
    }
    int64_t missing = p->has_width ? p->width - width : 0;
    if (!p->minus) {
        pad_bytes(p, missing);
    }
    for (int64_t i = 0; i < n; i++) {
        if (p->space && i > 0) {
            cs_sink__byte(&p->out, ' ');
        }
        if (p->sharp && (i == 0 || p->space)) {
            cs_sink__byte(&p->out, '0');
            cs_sink__byte(&p->out, verb);
        }
        unsigned char c = (unsigned char)text.p[i];
        cs_sink__byte(&p->out, alphabet[c >> 4]);
        cs_sink__byte(&p->out, alphabet[c & 15]);
    }
    if (p->minus) {
        pad_bytes(p, missing);
    }
}

/* ------------------------------------------------------------------------------------------------ floats */

/* The # flag: a decimal point always, and for %g the zeros that it leaves out. */
static void sharpen(printer *p, cs_sink *number, char verb, int64_t precision)
{
    cs_sink text;
    cs_sink__init(&text, p->call);
    int64_t digits = 0;
    if (verb == 'g' || verb == 'G' || verb == 'x') {
        digits = precision == -1 ? 6 : precision;
    }
    size_t end = number->n;
    bool point = false, nonzero = false, hex = verb == 'x' || verb == 'X';
    size_t first = number->p[0] == '-' ? 1 : 0;
    for (size_t i = first; i < end; i++) {
        char c = number->p[i];
        if (c == '.') {
            point = true;
        } else if (c == 'p' || c == 'P' || (!hex && (c == 'e' || c == 'E'))) {
            end = i;
        } else {
            nonzero = nonzero || c != '0';
            digits -= nonzero;
        }
    }
    if (!point && end - first == 1 && number->p[first] == '0') {
        digits--;
    }
    cs_sink__put(&text, number->p, end);
    if (!point) {
        cs_sink__byte(&text, '.');
    }
    for (; digits > 0 && !text.full; digits--) {
        cs_sink__byte(&text, '0');
    }
    cs_sink__put(&text, number->p + end, number->n - end);
    cs_sink__init(number, p->call);
    cs_sink__put(number, text.p, text.n);
    number->full = number->full || text.full;
}

static void floating(printer *p, double v, char verb, int64_t precision)
{
    if (p->has_precision) {
        precision = p->precision;
    }
    cs_sink number;
    cs_sink__init(&number, p->call);
    cs_format__float(&number, v, verb, (int)precision);
    if (p->sharp && verb != 'b') {
        sharpen(p, &number, verb, precision);
    }
    p->out.full = p->out.full || number.full;
    bool negative = number.n && number.p[0] == '-';
    char sign = negative ? '-' : p->plus ? '+' : p->space ? ' ' : '\0';
    cs_slice body = cs_slice_make(number.p + negative, number.n - negative);
    int64_t all = (int64_t)body.n + (sign != '\0');
    if (sign && p->zero && !p->minus && p->has_width && p->width > all) {
        cs_sink__byte(&p->out, sign);
        pad_bytes(p, p->width - all);
        cs_sink__slice(&p->out, body);
        return;
    }
    if (!p->minus && p->has_width) {
        pad_bytes(p, p->width - all);
    }
    if (sign) {
        cs_sink__byte(&p->out, sign);
    }
    cs_sink__slice(&p->out, body);
    if (p->minus && p->has_width) {
        pad_bytes(p, p->width - all);
    }
}

/* ------------------------------------------------------------------------------------------------ verbs */

static const char *type_text(const arg *a)
{
    static const char *const names[] = {"int64", "*big.Int", "float64", "string"};
    return a->type ? a->type : names[a->kind];
}

static cs_err print_arg(printer *p, cs_value v, uint32_t verb);

/* Lists and maps: the verb for each item. */
static void print_tree(printer *p, cs_value v, uint32_t verb)
{
    cs_value one;
    bool map = v.kind == CS_OBJECT;
    cs_sink__text(&p->out, map ? "map[" : "[");
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_sink__text(&p->out, i ? " " : "");
        if (map) {
            (void)print_arg(p, cs_entry(v, i, &one), verb);
            cs_sink__byte(&p->out, ':');
        } else {
            one = v.u.items[i];
        }
        if (one.kind == CS_NULL) {
            cs_sink__text(&p->out, "<nil>");
        } else {
            (void)print_arg(p, one, verb);
        }
    }
    cs_sink__byte(&p->out, ']');
}

static bool try_verb(printer *p, const arg *a, uint32_t verb)
{
    char c = verb < 0x80 ? (char)verb : '\0';
    if (c == '\0' || c == 'p' || c == 'w') {
        return false;
    }
    switch (a->kind) {
    case ARG_INT:
        if (strchr("vdboOxX", c)) {
            integer(p, a->i, c);
        } else if (c == 'c') {
            char bytes[4];
            pad(p, cs_slice_make(bytes, cs_utf8_encode(rune_of(a->i), bytes)));
        } else if (c == 'q') {
            quoted_rune(p, a->i);
        } else if (c == 'U') {
            unicode(p, a->i);
        } else {
            return false;
        }
        return true;
    case ARG_BIG:
        if (!strchr("vdsboOxX", c)) {
            cs_sink__text(&p->out, "%!");
            cs_sink__rune(&p->out, verb);
            cs_sink__text(&p->out, "(big.Int=");
            cs_sink__slice(&p->out, cs_number_to_base(p->call->arena, a->value, 10));
            cs_sink__byte(&p->out, ')');
            return true;
        }
        big_integer(p, a->value, c);
        return true;
    case ARG_FLOAT:
        if (!strchr("vbgGxXfFeE", c)) {
            return false;
        }
        floating(p, a->d, c == 'v' ? 'g' : c == 'F' ? 'f' : c, strchr("fFeE", c) ? 6 : -1);
        return true;
    case ARG_BOOL:
        if (c == 't' || c == 'v') {
            pad(p, a->text);
        }
        return c == 't' || c == 'v';
    case ARG_TREE:
        print_tree(p, a->value, verb);
        return true;
    case ARG_NIL:
        if (c == 'v') {
            pad(p, CS_LIT("<nil>"));
        }
        return c == 'v';
    case ARG_STRING:
        break;
    }
    if (c == 'q' || (c == 'v' && p->sharp_v)) {
        quoted_string(p, a->text);
    } else if (c == 'v' || c == 's') {
        pad(p, truncated(p, a->text));
    } else if (c == 'x' || c == 'X') {
        hex_string(p, a->text, c);
    } else {
        return false;
    }
    return true;
}

static cs_err print_arg(printer *p, cs_value v, uint32_t verb)
{
    arg a;
    CS_TRY(get_arg(p, v, &a));
    if (verb == 'T') {
        pad(p, truncated(p, cs_slice_of(a.kind == ARG_NIL ? "<nil>" : type_text(&a))));
        return CS_OK;
    }
    if (!try_verb(p, &a, verb)) {
        cs_sink__text(&p->out, "%!");
        cs_sink__rune(&p->out, verb);
        cs_sink__byte(&p->out, '(');
        cs_sink__text(&p->out, a.kind == ARG_NIL ? "" : type_text(&a));
        cs_sink__text(&p->out, a.kind == ARG_NIL ? "" : "=");
        (void)try_verb(p, &a, 'v');
        cs_sink__byte(&p->out, ')');
    }
    return CS_OK;
}

static void complain(printer *p, uint32_t verb, const char *what)
{
    cs_sink__text(&p->out, "%!");
    cs_sink__rune(&p->out, verb);
    cs_sink__text(&p->out, what);
}

/* ------------------------------------------------------------------------------------------------ directives */

static char peek(const printer *p)
{
    return p->at < p->format.n ? p->format.p[p->at] : '\0';
}

/* Digits up to `end`. When the number is too large nothing is taken and the rest of the text is skipped, as in Go. */
static bool number_at(printer *p, size_t end, int64_t *out)
{
    bool any = false;
    *out = 0;
    for (; p->at < end && p->format.p[p->at] >= '0' && p->format.p[p->at] <= '9'; p->at++) {
        if (*out > WIDEST) {
            *out = 0;
            p->at = end;
            return false;
        }
        *out = *out * 10 + (p->format.p[p->at] - '0');
        any = true;
    }
    return any;
}

/* "[3]": the index of the next argument. */
static bool index_at(printer *p)
{
    if (peek(p) != '[') {
        return false;
    }
    p->reordered = true;
    size_t from = p->at, close = cs_slice_find_byte(p->format, ']', from);
    if (p->format.n - from < 3 || close == SIZE_MAX) {
        p->at = from + 1;
        p->good_index = false;
        return false;
    }
    int64_t index;
    p->at = from + 1;
    bool number = number_at(p, close, &index) && p->at == close;
    p->at = close + 1;
    if (number && index >= 1 && index <= (int64_t)p->n_args) {
        p->arg = index - 1;
        return true;
    }
    p->good_index = false;
    return number;
}

/* '*': a width or a precision from the arguments. */
static bool star(printer *p, int64_t *out)
{
    *out = 0;
    p->at++;
    if (p->arg >= (int64_t)p->n_args) {
        return false;
    }
    cs_value v = p->args[p->arg++];
    if (v.kind != CS_NUMBER || v.form != CS_NUMBER_INT || v.u.i > WIDEST || v.u.i < -WIDEST) {
        return false;
    }
    *out = v.u.i;
    return true;
}

static void read_width(printer *p, bool *after_index)
{
    if (peek(p) != '*') {
        p->has_width = number_at(p, p->format.n, &p->width);
        p->good_index = p->good_index && !(*after_index && p->has_width);
        return;
    }
    p->has_width = star(p, &p->width);
    if (!p->has_width) {
        cs_sink__text(&p->out, "%!(BADWIDTH)");
    }
    if (p->width < 0) {
        p->width = -p->width;
        p->minus = true;
        p->zero = false;
    }
    *after_index = false;
}

static void read_precision(printer *p, bool *after_index)
{
    if (peek(p) != '.' || p->at + 1 >= p->format.n) {
        return;
    }
    p->at++;
    p->good_index = p->good_index && !*after_index;
    *after_index = index_at(p);
    if (peek(p) != '*') {
        p->has_precision = true;
        (void)number_at(p, p->format.n, &p->precision);
        return;
    }
    p->has_precision = star(p, &p->precision);
    if (p->precision < 0) {
        p->precision = 0;
        p->has_precision = false;
    }
    if (!p->has_precision) {
        cs_sink__text(&p->out, "%!(BADPREC)");
    }
    *after_index = false;
}

static void clear_flags(printer *p)
{
    p->sharp = p->zero = p->plus = p->minus = p->space = p->sharp_v = p->plus_v = false;
    p->has_width = p->has_precision = false;
    p->width = p->precision = 0;
    p->good_index = true;
}

static void read_flags(printer *p)
{
    for (;; p->at++) {
        switch (peek(p)) {
        case '#':
            p->sharp = true;
            break;
        case '0':
            p->zero = true;
            break;
        case '+':
            p->plus = true;
            break;
        case '-':
            p->minus = true;
            break;
        case ' ':
            p->space = true;
            break;
        default:
            return;
        }
    }
}

/* What stands behind a '%'. */
static cs_err directive(printer *p)
{
    clear_flags(p);
    read_flags(p);
    bool after_index = index_at(p);
    read_width(p, &after_index);
    read_precision(p, &after_index);
    if (!after_index) {
        (void)index_at(p);
    }
    if (p->at >= p->format.n) {
        cs_sink__text(&p->out, "%!(NOVERB)");
        return CS_OK;
    }
    size_t width;
    uint32_t verb = cs_utf8_decode(p->format.p + p->at, p->format.n - p->at, &width);
    p->at += width;
    if (verb == '%') {
        cs_sink__byte(&p->out, '%');
    } else if (!p->good_index) {
        complain(p, verb, "(BADINDEX)");
    } else if (p->arg >= (int64_t)p->n_args) {
        complain(p, verb, "(MISSING)");
    } else {
        if (verb == 'v' || verb == 'w') {
            p->sharp_v = p->sharp;
            p->plus_v = p->plus;
            p->sharp = p->plus = false;
        }
        return print_arg(p, p->args[p->arg++], verb);
    }
    return CS_OK;
}

static cs_err print_extra(printer *p)
{
    clear_flags(p);
    cs_sink__text(&p->out, "%!(EXTRA ");
    for (uint32_t i = (uint32_t)p->arg; i < p->n_args; i++) {
        arg a;
        CS_TRY(get_arg(p, p->args[i], &a));
        cs_sink__text(&p->out, i > (uint32_t)p->arg ? ", " : "");
        cs_sink__text(&p->out, a.kind == ARG_NIL ? "" : type_text(&a));
        cs_sink__text(&p->out, a.kind == ARG_NIL ? "" : "=");
        (void)try_verb(p, &a, 'v');
    }
    cs_sink__byte(&p->out, ')');
    return CS_OK;
}

static cs_err format_all(printer *p, cs_call *call, const cs_value *args, size_t n, cs_value *out)
{
    p->call = call;
    p->at = 0;
    p->args = args;
    p->n_args = (uint32_t)n;
    p->arg = 0;
    p->reordered = false;
    clear_flags(p);
    cs_sink__init(&p->out, call);
    while (p->at < p->format.n && !p->out.full) {
        size_t percent = cs_slice_find_byte(p->format, '%', p->at);
        size_t end = percent == SIZE_MAX ? p->format.n : percent;
        cs_sink__slice(&p->out, cs_slice_sub(p->format, p->at, end));
        p->at = end + 1;
        if (percent != SIZE_MAX) {
            CS_TRY(directive(p));
        }
    }
    if (!p->reordered && p->arg < (int64_t)p->n_args) {
        CS_TRY(print_extra(p));
    }
    return cs_sink__done(&p->out, out);
}

cs_err cs_format__go(cs_call *call, cs_slice format, const cs_value *args, size_t n, cs_value *out)
{
    printer p;
    p.format = format;
    p.go = true;
    return format_all(&p, call, args, n, out);
}

cs_err cs_builtin__sprintf(cs_call *call, cs_value *out)
{
    cs_value args;
    printer p; /* the room for the text is not worth clearing */
    CS_TRY(cs_call_string(call, 1, &p.format));
    CS_TRY(cs_call__array(call, 2, &args));
    p.go = false;
    return format_all(&p, call, args.u.items, args.n, out);
}
