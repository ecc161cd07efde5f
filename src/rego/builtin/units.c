/* units.parse and units.parse_bytes: amounts with SI and binary units. */
#include "rego/builtin/internal.h"

#define MOST_EXPONENT_DIGITS 6
#define DECIMALS 10 /* of an amount that is not whole */

typedef struct amount {
    cs_slice number, unit;
    bool negative;
    cs_slice whole, fraction; /* digits */
    int64_t exponent;
} amount;

static bool digit(cs_slice s, size_t at)
{
    return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

static bool sign(cs_slice s, size_t at)
{
    return at < s.n && (s.p[at] == '+' || s.p[at] == '-');
}

/* Where the unit begins; false if the exponent is too long. An 'e' without digits behind it is a unit. */
static bool find_unit(cs_slice s, size_t *unit)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!digit(s, i) && c != '.' && c != 'e' && c != 'E' && !sign(s, i)) {
            *unit = i;
            return true;
        }
        if (c != 'e' && c != 'E') {
            continue;
        }
        if (!digit(s, i + 1) && !sign(s, i + 1)) {
            *unit = i;
            return true;
        }
        i += sign(s, i + 1);
        size_t digits = 0;
        while (digit(s, i + 1 + digits)) {
            digits++;
        }
        if (digits > MOST_EXPONENT_DIGITS) {
            return false;
        }
    }
    *unit = s.n;
    return true;
}

static size_t digits_at(cs_slice s, size_t *at, cs_slice *out)
{
    size_t from = *at;
    while (digit(s, *at)) {
        (*at)++;
    }
    *out = cs_slice_sub(s, from, *at);
    return out->n;
}

/* [sign] digits [. digits] [e [sign] digits] */
static bool read_number(amount *a)
{
    cs_slice s = a->number, exponent;
    size_t at = sign(s, 0);
    a->negative = at && *s.p == '-';
    size_t n = digits_at(s, &at, &a->whole);
    a->fraction = (cs_slice){"", 0};
    if (at < s.n && s.p[at] == '.') {
        at++;
        n += digits_at(s, &at, &a->fraction);
    }
    if (n == 0) {
        return false;
    }
    a->exponent = 0;
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        bool minus = sign(s, at) && s.p[at] == '-';
        at += sign(s, at);
        uint64_t v;
        if (digits_at(s, &at, &exponent) == 0 || !cs_slice_u64(exponent, &v)) {
            return false;
        }
        a->exponent = minus ? -(int64_t)v : (int64_t)v;
    }
    return at == s.n;
}

/* The operand without its quotes, in lower case if wanted; errors are those of both functions. */
static cs_err read_amount(cs_call *call, bool lower, const char *what, amount *a)
{
    cs_slice s;
    char *p;
    size_t n = 0, unit;
    CS_TRY(cs_call_string(call, 1, &s));
    CS_TRY(cs_call__room(call, s.n, &p));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '"') {
            bool upper = lower && s.p[i] >= 'A' && s.p[i] <= 'Z';
            p[n++] = (char)(upper ? s.p[i] | 0x20 : s.p[i]);
        }
    }
    s = cs_slice_make(p, n);
    const char *name = call->builtin->name;
    if (cs_slice_find_byte(s, ' ', 0) != SIZE_MAX) {
        return cs_call_error(call, "%s: spaces not allowed in resource strings", name);
    }
    if (!find_unit(s, &unit)) {
        return cs_call_error(call, "%s: exponent too large", name);
    }
    if (unit == 0) {
        return cs_call_error(call, "%s: no %samount provided", name, what);
    }
    a->number = cs_slice_sub(s, 0, unit);
    a->unit = cs_slice_sub(s, unit, s.n);
    return CS_OK;
}

static cs_err bad_number(cs_call *call, const char *what)
{
    return cs_call_error(call, "%s: could not parse %samount to a number", call->builtin->name, what);
}

/* 1000 or 1024 to the power that the letter stands for; 0 if it stands for none. */
static uint64_t factor(char letter, bool binary)
{
    static const char letters[] = "kmgtpe";
    char lower = (char)(letter | 0x20);
    const char *found = letter ? strchr(letters, lower) : NULL;
    if (!found) {
        return 0;
    }
    uint64_t v = 1;
    for (const char *p = letters; p <= found; p++) {
        v *= binary ? 1024 : 1000;
    }
    return v;
}

/* ------------------------------------------------------------------------------------------------ parse */

/* The decimal digits of |integer| * multiplier. */
static cs_err multiply(cs_call *call, cs_value x, uint64_t multiplier, cs_value *out)
{
    return cs_number_arith(call->arena, CS_MUL, x, cs_number_from_u64(call->arena, multiplier), out, call->e);
}

/* All digits of the amount as an integer, times the unit; *exponent is the power of ten that is missing. */
static cs_err scaled(cs_call *call, const amount *a, cs_value *out, int64_t *exponent)
{
    cs_sink digits;
    cs_slice text;
    cs_sink__init(&digits, call);
    cs_sink__slice(&digits, a->whole);
    cs_sink__slice(&digits, a->fraction);
    CS_TRY(cs_sink__slice_done(&digits, &text));
    while (text.n > 1 && *text.p == '0') {
        text = cs_slice_sub(text, 1, text.n);
    }
    CS_TRY(cs_number_parse(call->arena, text, out, call->e));
    *exponent = a->exponent - (int64_t)a->fraction.n;
    if (a->unit.n == 1 && *a->unit.p == 'm') {
        /* OPA's milli is the double nearest to 0.001: 1152921504606847 / 2^60, in decimals that times 5^60 / 10^60. */
        CS_TRY(multiply(call, *out, UINT64_C(1152921504606847), out));
        for (int i = 0; i < 4; i++) {
            CS_TRY(multiply(call, *out, UINT64_C(30517578125), out)); /* 5^15 */
        }
        *exponent -= 60;
        return CS_OK;
    }
    return a->unit.n ? multiply(call, *out, factor(*a->unit.p, a->unit.n == 2), out) : CS_OK;
}

static bool all_zeros(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '0') {
            return false;
        }
    }
    return true;
}

static cs_err give_number(cs_call *call, cs_sink *text, cs_value *out)
{
    cs_slice all;
    CS_TRY(cs_sink__slice_done(text, &all));
    return cs_number_parse(call->arena, all, out, call->e);
}

/* digits * 10^-places, rounded to DECIMALS. */
static cs_err give_decimal(cs_call *call, cs_slice digits, size_t places, bool negative, cs_value *out)
{
    char fraction[DECIMALS];
    size_t whole = digits.n > places ? digits.n - places : 0;
    for (size_t i = 0; i < DECIMALS; i++) {
        size_t behind = places - i; /* distance from the end */
        bool there = i < places && behind <= digits.n;
        fraction[i] = there ? digits.p[digits.n - behind] : '0';
    }
    size_t next = places - DECIMALS;
    bool up = places > DECIMALS && next <= digits.n && digits.p[digits.n - next] >= '5';
    for (size_t i = DECIMALS; up && i > 0; i--) {
        up = fraction[i - 1] == '9';
        fraction[i - 1] = (char)(up ? '0' : fraction[i - 1] + 1);
    }
    cs_value head = cs_int(0);
    if (whole) {
        CS_TRY(cs_number_parse(call->arena, cs_slice_sub(digits, 0, whole), &head, call->e));
    }
    if (up) {
        CS_TRY(cs_number_arith(call->arena, CS_ADD, head, cs_int(1), &head, call->e));
    }
    cs_sink text;
    char room[32];
    cs_sink__init(&text, call);
    cs_sink__text(&text, negative ? "-" : "");
    cs_sink__slice(&text, cs_number_text(head, room));
    cs_sink__byte(&text, '.');
    cs_sink__put(&text, fraction, DECIMALS);
    return give_number(call, &text, out);
}

cs_err cs_builtin__units_parse(cs_call *call, cs_value *out)
{
    amount a;
    CS_TRY(read_amount(call, false, "", &a));
    char *unit = cs_arena_dup(call->arena, a.unit.p, a.unit.n);
    for (size_t i = 1; i < a.unit.n; i++) {
        unit[i] = (char)(unit[i] >= 'A' && unit[i] <= 'Z' ? unit[i] | 0x20 : unit[i]);
    }
    a.unit.p = unit;
    bool known = a.unit.n == 0 || (a.unit.n == 1 && factor(*unit, false)) ||
                 (a.unit.n == 2 && unit[1] == 'i' && factor(*unit, true));
    if (!known) {
        return cs_call_error(call, "units.parse: unit %.*s not recognized", CS_FMT(a.unit));
    }
    if (!read_number(&a)) {
        return bad_number(call, "");
    }
    cs_value v;
    int64_t exponent;
    char room[32];
    CS_TRY(scaled(call, &a, &v, &exponent));
    cs_slice digits = cs_number_text(v, room);
    if (all_zeros(digits)) {
        return cs_call__give(out, cs_int(0));
    }
    if (exponent < 0) {
        size_t places = (size_t)-exponent;
        if (places > digits.n || !all_zeros(cs_slice_sub(digits, digits.n - places, digits.n))) {
            return give_decimal(call, digits, places, a.negative, out);
        }
        digits = cs_slice_sub(digits, 0, digits.n - places);
    }
    if (exponent > (int64_t)cs_limits_get()->number_digits) {
        return cs_call__limit_error(call, "number_digits");
    }
    cs_sink text;
    cs_sink__init(&text, call);
    cs_sink__text(&text, a.negative ? "-" : "");
    cs_sink__slice(&text, digits);
    for (int64_t i = 0; i < exponent; i++) {
        cs_sink__byte(&text, '0');
    }
    return give_number(call, &text, out);
}

/* ------------------------------------------------------------------------------------------------ parse_bytes */

/* The number as JSON has it: OPA's floats read more. */
static cs_err json_number(cs_call *call, const amount *a, cs_value *out)
{
    cs_sink text;
    cs_slice whole = a->whole;
    while (whole.n > 1 && *whole.p == '0') {
        whole = cs_slice_sub(whole, 1, whole.n);
    }
    cs_sink__init(&text, call);
    cs_sink__slice(&text, whole.n ? whole : CS_LIT("0"));
    if (a->fraction.n) {
        cs_sink__byte(&text, '.');
        cs_sink__slice(&text, a->fraction);
    }
    if (a->exponent) {
        cs_sink__byte(&text, 'e');
        cs_sink__int(&text, a->exponent);
    }
    return give_number(call, &text, out);
}

/* "k", "kb" and "" are of thousands, "ki" and "kib" of 1024. */
static uint64_t byte_factor(cs_slice unit)
{
    if (unit.n == 0) {
        return 1;
    }
    cs_slice rest = cs_slice_sub(unit, 1, unit.n);
    bool binary = cs_slice_is(rest, "i") || cs_slice_is(rest, "ib");
    return binary || rest.n == 0 || cs_slice_is(rest, "b") ? factor(*unit.p, binary) : 0;
}

cs_err cs_builtin__units_parse_bytes(cs_call *call, cs_value *out)
{
    amount a;
    CS_TRY(read_amount(call, true, "byte ", &a));
    uint64_t unit = byte_factor(a.unit);
    if (unit == 0) {
        return cs_call_error(call, "units.parse_bytes: byte unit %.*s not recognized", CS_FMT(a.unit));
    }
    if (!read_number(&a)) {
        return bad_number(call, "byte ");
    }
    cs_value v;
    CS_TRY(json_number(call, &a, &v));
    CS_TRY(multiply(call, v, unit, &v));
    v = cs_number_round(call->arena, CS_FLOOR, v); /* through OPA's float, also where integers would be exact */
    return a.negative ? cs_number_arith(call->arena, CS_SUB, cs_int(0), v, out, call->e) : cs_call__give(out, v);
}
