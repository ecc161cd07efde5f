/* Go's time.Parse. The zone of the machine plays no part: names other than UTC and GMT±n count as offset 0, as in a Go
 * program whose local zone is UTC. */
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/time_layout.h"

typedef struct parser {
    cs_call *call;
    cs_slice layout, value; /* all of both */
    cs_slice rest;          /* of the value */
    const char *out_of_range;
    int64_t year;
    int month, day, year_day; /* -1 = not seen */
    int hour, minute, second;
    int64_t ns;
    bool am, pm, utc, has_offset;
    int64_t offset;
    cs_slice zone; /* name; "" */
} parser;

void cs_layout__quote(cs_sink *out, cs_slice text)
{
    cs_sink__byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x80 || c < ' ') {
            char hex[8];
            int n = snprintf(hex, sizeof hex, "\\x%02x", c);
            cs_sink__put(out, hex, n > 0 ? (size_t)n : 0);
            continue;
        }
        if (c == '"' || c == '\\') {
            cs_sink__byte(out, '\\');
        }
        cs_sink__byte(out, (char)c);
    }
    cs_sink__byte(out, '"');
}

static cs_err fail(parser *p, const char *message, const cs_slice *quoted)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, p->call);
    cs_sink__text(&s, "parsing time ");
    cs_layout__quote(&s, p->value);
    cs_sink__text(&s, message);
    if (quoted) {
        cs_layout__quote(&s, *quoted);
    }
    CS_TRY(cs_sink__slice_done(&s, &text));
    return cs_call_error(p->call, "%.*s", CS_FMT(text));
}

/* `… as "layout": cannot parse "rest" as "element"`. */
static cs_err cannot(parser *p, cs_slice rest, cs_slice element)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, p->call);
    cs_sink__text(&s, "parsing time ");
    cs_layout__quote(&s, p->value);
    cs_sink__text(&s, " as ");
    cs_layout__quote(&s, p->layout);
    cs_sink__text(&s, ": cannot parse ");
    cs_layout__quote(&s, rest);
    cs_sink__text(&s, " as ");
    cs_layout__quote(&s, element);
    CS_TRY(cs_sink__slice_done(&s, &text));
    return cs_call_error(p->call, "%.*s", CS_FMT(text));
}

/* ------------------------------------------------------------------------------------------------ pieces */

static bool digit(cs_slice s, size_t at)
{
    return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

static void advance(parser *p, size_t n)
{
    p->rest = cs_slice_sub(p->rest, n, p->rest.n);
}

/* Literal text of the layout; a blank stands for any number of blanks. */
static bool skip(parser *p, cs_slice literal)
{
    for (size_t i = 0; i < literal.n;) {
        if (literal.p[i] == ' ') {
            if (p->rest.n && *p->rest.p != ' ') {
                return false;
            }
            while (i < literal.n && literal.p[i] == ' ') {
                i++;
            }
            while (p->rest.n && *p->rest.p == ' ') {
                advance(p, 1);
            }
            continue;
        }
        if (p->rest.n == 0 || *p->rest.p != literal.p[i]) {
            return false;
        }
        i++;
        advance(p, 1);
    }
    return true;
}

/* One or two digits, exactly two if `fixed`. */
static bool number(parser *p, bool fixed, int *out)
{
    if (!digit(p->rest, 0) || (fixed && !digit(p->rest, 1))) {
        return false;
    }
    size_t n = digit(p->rest, 1) ? 2 : 1;
    *out = p->rest.p[0] - '0';
    if (n == 2) {
        *out = *out * 10 + (p->rest.p[1] - '0');
    }
    advance(p, n);
    return true;
}

/* A sign, or none, and digits only. */
static bool signed_number(cs_slice s, int64_t *out)
{
    bool negative = s.n && *s.p == '-';
    if (negative || (s.n && *s.p == '+')) {
        s = cs_slice_sub(s, 1, s.n);
    }
    uint64_t u = 0;
    if (s.n && !cs_slice_u64(s, &u)) {
        return false;
    }
    *out = negative ? -(int64_t)u : (int64_t)u;
    return true;
}

static bool name(parser *p, const char *const *names, int n, size_t length, int *out)
{
    for (int i = 0; i < n; i++) {
        size_t bytes = length ? length : strlen(names[i]);
        if (p->rest.n >= bytes && cs_slice_eq_nocase(cs_slice_sub(p->rest, 0, bytes), cs_slice_make(names[i], bytes))) {
            *out = i;
            advance(p, bytes);
            return true;
        }
    }
    return false;
}

/* A separator and n - 1 digits: at most nine count. */
static bool fraction(parser *p, size_t n)
{
    cs_slice digits = cs_slice_sub(p->rest, 1, n > 10 ? 10 : n);
    if (*p->rest.p != '.' && *p->rest.p != ',') {
        return false;
    }
    if (!signed_number(digits, &p->ns)) {
        return false;
    }
    if (p->ns < 0) {
        p->out_of_range = "fractional second";
    }
    for (size_t i = digits.n; i < 9; i++) {
        p->ns *= 10;
    }
    advance(p, n);
    return true;
}

static void check(parser *p, bool good, const char *what)
{
    if (!good) {
        p->out_of_range = what;
    }
}

/* ------------------------------------------------------------------------------------------------ elements */

static bool year(parser *p, bool full)
{
    size_t n = full ? 4 : 2;
    if (p->rest.n < n || (full && !digit(p->rest, 0)) || !signed_number(cs_slice_sub(p->rest, 0, n), &p->year)) {
        return false;
    }
    if (!full) {
        p->year += p->year >= 69 ? 1900 : 2000;
    }
    advance(p, n);
    return true;
}

static bool year_day(parser *p, bool fixed)
{
    for (int i = 0; i < 2 && !fixed && p->rest.n && *p->rest.p == ' '; i++) {
        advance(p, 1);
    }
    size_t n = 0;
    p->year_day = 0;
    while (n < 3 && digit(p->rest, n)) {
        p->year_day = p->year_day * 10 + (p->rest.p[n++] - '0');
    }
    advance(p, n);
    return n == 3 || (n > 0 && !fixed);
}

/* Seconds; a fraction is taken along when the layout does not speak of one. */
static bool second(parser *p, bool fixed, cs_slice layout)
{
    if (!number(p, fixed, &p->second)) {
        return false;
    }
    check(p, p->second < 60, "second");
    if (p->out_of_range || p->rest.n < 2 || (*p->rest.p != '.' && *p->rest.p != ',') || !digit(p->rest, 1)) {
        return true;
    }
    cs_slice literal;
    if (cs_layout__next(&layout, &literal).kind == CS_LAYOUT_FRACTION) {
        return true;
    }
    size_t n = 2;
    while (digit(p->rest, n)) {
        n++;
    }
    return fraction(p, n);
}

static bool half_of_day(parser *p, const char *am, const char *pm)
{
    cs_slice word = cs_slice_sub(p->rest, 0, 2);
    p->pm = p->pm || cs_slice_is(word, pm);
    p->am = p->am || cs_slice_is(word, am);
    bool known = cs_slice_is(word, pm) || cs_slice_is(word, am);
    if (word.n == 2) {
        advance(p, 2);
    }
    return known;
}

static bool two_digits(cs_slice s, size_t at, int *out)
{
    if (!digit(s, at) || !digit(s, at + 1)) {
        return false;
    }
    *out = (s.p[at] - '0') * 10 + (s.p[at + 1] - '0');
    return true;
}

static bool offset(parser *p, const cs_layout_element *e)
{
    if (e->z && p->rest.n && *p->rest.p == 'Z') {
        p->utc = true;
        advance(p, 1);
        return true;
    }
    size_t n = e->text.n;
    int hours = 0, minutes = 0, seconds = 0;
    if (p->rest.n < n || (e->colons && p->rest.p[3] != ':') || (e->colons && e->seconds && p->rest.p[6] != ':')) {
        return false;
    }
    cs_slice s = cs_slice_sub(p->rest, 0, n);
    size_t at = e->colons ? 4 : 3;
    bool good = two_digits(s, 1, &hours) && (!e->minutes || two_digits(s, at, &minutes)) &&
                (!e->seconds || two_digits(s, n - 2, &seconds));
    advance(p, n);
    check(p, hours <= 24, "time zone offset hour");
    check(p, minutes <= 60, "time zone offset minute");
    check(p, seconds <= 60, "time zone offset second");
    p->offset = (hours * 60 + minutes) * 60 + seconds;
    p->offset = *s.p == '-' ? -p->offset : p->offset;
    p->has_offset = p->offset != -1; /* Go's own mark for "none" */
    return good && (*s.p == '-' || *s.p == '+');
}

/* "+03": how long it is; 0 if it is none. */
static size_t signed_offset(cs_slice s)
{
    size_t n = 1;
    uint64_t hours = 0;
    if (s.n == 0 || (*s.p != '-' && *s.p != '+')) {
        return 0;
    }
    for (; digit(s, n); n++) {
        hours = hours > 1000 ? hours : hours * 10 + (uint64_t)(s.p[n] - '0');
    }
    return n == 1 || hours > 23 ? 0 : n;
}

/* The length of what looks like the abbreviation of a zone; 0 if nothing does. */
static size_t zone_name(cs_slice s)
{
    if (s.n < 3) {
        return 0;
    }
    if (cs_slice_starts(s, CS_LIT("ChST")) || cs_slice_starts(s, CS_LIT("MeST"))) {
        return 4;
    }
    if (cs_slice_starts(s, CS_LIT("GMT"))) {
        return 3 + signed_offset(cs_slice_sub(s, 3, s.n));
    }
    if (*s.p == '+' || *s.p == '-') {
        return signed_offset(s);
    }
    size_t upper = 0;
    while (upper < 6 && upper < s.n && s.p[upper] >= 'A' && s.p[upper] <= 'Z') {
        upper++;
    }
    bool good = upper == 3 || (upper == 4 && (s.p[3] == 'T' || cs_slice_starts(s, CS_LIT("WITA")))) ||
                (upper == 5 && s.p[4] == 'T');
    return good ? upper : 0;
}

static bool zone(parser *p)
{
    if (cs_slice_starts(p->rest, CS_LIT("UTC"))) {
        p->utc = true;
        advance(p, 3);
        return true;
    }
    size_t n = zone_name(p->rest);
    p->zone = cs_slice_sub(p->rest, 0, n);
    advance(p, n);
    return n > 0;
}

static bool month(parser *p, cs_layout_kind kind)
{
    if (kind == CS_LAYOUT_LONG_MONTH || kind == CS_LAYOUT_MONTH) {
        bool good = name(p, cs_layout__months, 12, kind == CS_LAYOUT_MONTH ? 3 : 0, &p->month);
        p->month++;
        return good;
    }
    bool good = number(p, kind == CS_LAYOUT_ZERO_MONTH, &p->month);
    check(p, !good || (p->month > 0 && p->month <= 12), "month");
    return good;
}

static bool day(parser *p, cs_layout_kind kind)
{
    if (kind == CS_LAYOUT_UNDER_DAY && p->rest.n && *p->rest.p == ' ') {
        advance(p, 1);
    }
    return number(p, kind == CS_LAYOUT_ZERO_DAY, &p->day);
}

static bool clock_number(parser *p, bool fixed, int limit, const char *what, int *out)
{
    bool good = number(p, fixed, out);
    check(p, !good || *out < limit, what);
    return good;
}

static bool any_fraction(parser *p, const cs_layout_element *e)
{
    if (!e->trim) {
        return p->rest.n >= e->digits + 1U && fraction(p, e->digits + 1U);
    }
    if (p->rest.n < 2 || (*p->rest.p != '.' && *p->rest.p != ',') || !digit(p->rest, 1)) {
        return true; /* left out */
    }
    size_t n = 1;
    while (digit(p->rest, n)) {
        n++;
    }
    return fraction(p, n);
}

static bool element(parser *p, const cs_layout_element *e, cs_slice layout)
{
    int ignored;
    switch (e->kind) {
    case CS_LAYOUT_YEAR:
    case CS_LAYOUT_LONG_YEAR:
        return year(p, e->kind == CS_LAYOUT_LONG_YEAR);
    case CS_LAYOUT_LONG_MONTH:
    case CS_LAYOUT_MONTH:
    case CS_LAYOUT_NUM_MONTH:
    case CS_LAYOUT_ZERO_MONTH:
        return month(p, e->kind);
    case CS_LAYOUT_WEEKDAY:
    case CS_LAYOUT_LONG_WEEKDAY:
        return name(p, cs_layout__weekdays, 7, e->kind == CS_LAYOUT_WEEKDAY ? 3 : 0, &ignored);
    case CS_LAYOUT_DAY:
    case CS_LAYOUT_UNDER_DAY:
    case CS_LAYOUT_ZERO_DAY:
        return day(p, e->kind);
    case CS_LAYOUT_UNDER_YEAR_DAY:
    case CS_LAYOUT_ZERO_YEAR_DAY:
        return year_day(p, e->kind == CS_LAYOUT_ZERO_YEAR_DAY);
    case CS_LAYOUT_HOUR:
        return clock_number(p, false, 24, "hour", &p->hour);
    case CS_LAYOUT_HOUR12:
    case CS_LAYOUT_ZERO_HOUR12:
        return clock_number(p, e->kind == CS_LAYOUT_ZERO_HOUR12, 13, "hour", &p->hour);
    case CS_LAYOUT_MINUTE:
    case CS_LAYOUT_ZERO_MINUTE:
        return clock_number(p, e->kind == CS_LAYOUT_ZERO_MINUTE, 60, "minute", &p->minute);
    case CS_LAYOUT_SECOND:
    case CS_LAYOUT_ZERO_SECOND:
        return second(p, e->kind == CS_LAYOUT_ZERO_SECOND, layout);
    case CS_LAYOUT_PM:
        return half_of_day(p, "AM", "PM");
    case CS_LAYOUT_LOWER_PM:
        return half_of_day(p, "am", "pm");
    case CS_LAYOUT_OFFSET:
        return offset(p, e);
    case CS_LAYOUT_ZONE_NAME:
        return zone(p);
    case CS_LAYOUT_FRACTION:
        return any_fraction(p, e);
    case CS_LAYOUT_END:
        break;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ the whole */

/* The day of the year to month and day, which must agree with those that were read. */
static cs_err settle_year_day(parser *p)
{
    int left = p->year_day, m = 1;
    int days_in_year = cs_civil__days_in(2, p->year) == 29 ? 366 : 365;
    if (left < 1 || left > days_in_year) {
        return fail(p, ": day-of-year out of range", NULL);
    }
    while (left > cs_civil__days_in(m, p->year)) {
        left -= cs_civil__days_in(m++, p->year);
    }
    if (p->month >= 0 && p->month != m) {
        return fail(p, ": day-of-year does not match month", NULL);
    }
    if (p->day >= 0 && p->day != left) {
        return fail(p, ": day-of-year does not match day", NULL);
    }
    p->month = m;
    p->day = left;
    return CS_OK;
}

static cs_err settle(parser *p, int64_t *seconds)
{
    if (p->pm && p->hour < 12) {
        p->hour += 12;
    } else if (p->am && p->hour == 12) {
        p->hour = 0;
    }
    if (p->year_day >= 0) {
        CS_TRY(settle_year_day(p));
    }
    p->month = p->month < 0 ? 1 : p->month;
    p->day = p->day < 0 ? 1 : p->day;
    if (p->day < 1 || p->day > cs_civil__days_in(p->month, p->year)) {
        return fail(p, ": day out of range", NULL);
    }
    *seconds = cs_civil__seconds(p->year, p->month, p->day, p->hour, p->minute, p->second);
    if (!p->utc && p->has_offset) {
        *seconds -= p->offset;
    }
    return CS_OK;
}

cs_err cs_layout__parse(cs_call *call, cs_slice layout, cs_slice value, int64_t *seconds, int64_t *ns)
{
    parser p = {.call = call, .layout = layout, .value = value, .rest = value, .month = -1, .day = -1, .year_day = -1};
    for (;;) {
        cs_slice literal;
        cs_layout_element e = cs_layout__next(&layout, &literal);
        if (!skip(&p, literal)) {
            return cannot(&p, p.rest, literal);
        }
        if (e.kind == CS_LAYOUT_END) {
            break;
        }
        cs_slice before = p.rest;
        bool good = element(&p, &e, layout);
        if (p.out_of_range) {
            return fail(&p, cs_arena_printf(call->arena, NULL, ": %s out of range", p.out_of_range), NULL);
        }
        if (!good) {
            return cannot(&p, before, e.text);
        }
    }
    if (p.rest.n) {
        return fail(&p, ": extra text: ", &p.rest);
    }
    *ns = p.ns;
    return settle(&p, seconds);
}
