/* The elements of a layout, and the calendar around them. */
#include "rego/builtin/time_layout.h"

const char *const cs_layout__months[12] = {"January", "February", "March",     "April",   "May",      "June",
                                           "July",    "August",   "September", "October", "November", "December"};
const char *const cs_layout__weekdays[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday"};

static bool is_at(cs_slice s, size_t at, const char *text)
{
    size_t n = strlen(text);
    return s.n - at >= n && memcmp(s.p + at, text, n) == 0;
}

/* "Jan" is an element, "January" another, "Janitor" none. */
static bool word_at(cs_slice s, size_t at, const char *text)
{
    size_t end = at + strlen(text);
    return is_at(s, at, text) && !(end < s.n && s.p[end] >= 'a' && s.p[end] <= 'z');
}

static size_t offset_at(cs_slice s, size_t at, cs_layout_element *e)
{
    static const struct {
        const char *text;
        bool colons, minutes, seconds;
    } forms[] = {{"070000", false, true, true},
                 {"07:00:00", true, true, true},
                 {"0700", false, true, false},
                 {"07:00", true, true, false},
                 {"07", false, false, false}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (is_at(s, at + 1, forms[i].text)) {
            *e = (cs_layout_element){.kind = CS_LAYOUT_OFFSET,
                                     .z = s.p[at] == 'Z',
                                     .colons = forms[i].colons,
                                     .minutes = forms[i].minutes,
                                     .seconds = forms[i].seconds};
            return 1 + strlen(forms[i].text);
        }
    }
    return 0;
}

static size_t fraction_at(cs_slice s, size_t at, cs_layout_element *e)
{
    size_t end = at + 1;
    if (end >= s.n || (s.p[end] != '0' && s.p[end] != '9')) {
        return 0;
    }
    while (end < s.n && s.p[end] == s.p[at + 1]) {
        end++;
    }
    if (end < s.n && s.p[end] >= '0' && s.p[end] <= '9') {
        return 0;
    }
    *e = (cs_layout_element){.kind = CS_LAYOUT_FRACTION,
                             .trim = s.p[at + 1] == '9',
                             .comma = s.p[at] == ',',
                             .digits = (uint32_t)(end - at - 1)};
    return end - at;
}

static size_t give(cs_layout_element *e, cs_layout_kind kind, size_t n)
{
    e->kind = kind;
    return n;
}

/* Elements that begin with a letter or an underscore. */
static size_t name_at(cs_slice s, size_t at, cs_layout_element *e)
{
    if (is_at(s, at, "January")) {
        return give(e, CS_LAYOUT_LONG_MONTH, 7);
    }
    if (word_at(s, at, "Jan")) {
        return give(e, CS_LAYOUT_MONTH, 3);
    }
    if (is_at(s, at, "Monday")) {
        return give(e, CS_LAYOUT_LONG_WEEKDAY, 6);
    }
    if (word_at(s, at, "Mon")) {
        return give(e, CS_LAYOUT_WEEKDAY, 3);
    }
    if (is_at(s, at, "MST")) {
        return give(e, CS_LAYOUT_ZONE_NAME, 3);
    }
    if (is_at(s, at, "PM")) {
        return give(e, CS_LAYOUT_PM, 2);
    }
    if (is_at(s, at, "pm")) {
        return give(e, CS_LAYOUT_LOWER_PM, 2);
    }
    if (is_at(s, at, "_2") && !is_at(s, at, "_2006")) {
        return give(e, CS_LAYOUT_UNDER_DAY, 2);
    }
    return is_at(s, at, "__2") ? give(e, CS_LAYOUT_UNDER_YEAR_DAY, 3) : 0;
}

static size_t digit_at(cs_slice s, size_t at, cs_layout_element *e)
{
    static const cs_layout_kind zero[] = {CS_LAYOUT_ZERO_MONTH,  CS_LAYOUT_ZERO_DAY,    CS_LAYOUT_ZERO_HOUR12,
                                          CS_LAYOUT_ZERO_MINUTE, CS_LAYOUT_ZERO_SECOND, CS_LAYOUT_YEAR};
    char next = at + 1 < s.n ? s.p[at + 1] : '\0';
    switch (s.p[at]) {
    case '0':
        if (next >= '1' && next <= '6') {
            return give(e, zero[next - '1'], 2);
        }
        return is_at(s, at, "002") ? give(e, CS_LAYOUT_ZERO_YEAR_DAY, 3) : 0;
    case '1':
        return next == '5' ? give(e, CS_LAYOUT_HOUR, 2) : give(e, CS_LAYOUT_NUM_MONTH, 1);
    case '2':
        return is_at(s, at, "2006") ? give(e, CS_LAYOUT_LONG_YEAR, 4) : give(e, CS_LAYOUT_DAY, 1);
    case '3':
        return give(e, CS_LAYOUT_HOUR12, 1);
    case '4':
        return give(e, CS_LAYOUT_MINUTE, 1);
    case '5':
        return give(e, CS_LAYOUT_SECOND, 1);
    default:
        return 0;
    }
}

cs_layout_element cs_layout__next(cs_slice *layout, cs_slice *literal)
{
    cs_slice s = *layout;
    for (size_t i = 0; i < s.n; i++) {
        cs_layout_element e = {.kind = CS_LAYOUT_END};
        char c = s.p[i];
        size_t n = c >= '0' && c <= '5'      ? digit_at(s, i, &e)
                   : c && strchr("JMPp_", c) ? name_at(s, i, &e)
                   : c == '-' || c == 'Z'    ? offset_at(s, i, &e)
                   : c == '.' || c == ','    ? fraction_at(s, i, &e)
                                             : 0;
        if (n) {
            *literal = cs_slice_sub(s, 0, i);
            *layout = cs_slice_sub(s, i + n, s.n);
            e.text = cs_slice_sub(s, i, i + n);
            return e;
        }
    }
    *literal = s;
    *layout = cs_slice_sub(s, s.n, s.n);
    return (cs_layout_element){.kind = CS_LAYOUT_END, .text = {"", 0}};
}

cs_slice cs_layout__named(cs_slice name)
{
    static const char *const names[][2] = {
        {"ANSIC", "Mon Jan _2 15:04:05 2006"},          {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
        {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"}, {"RFC822", "02 Jan 06 15:04 MST"},
        {"RFC822Z", "02 Jan 06 15:04 -0700"},           {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
        {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},   {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
        {"RFC3339", "2006-01-02T15:04:05Z07:00"},       {"RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_slice_is(name, names[i][0])) {
            return cs_slice_of(names[i][1]);
        }
    }
    return name;
}

/* ------------------------------------------------------------------------------------------------ calendar */

static int64_t floor_div(int64_t x, int64_t y)
{
    return x / y - (x % y < 0);
}

cs_civil cs_civil__at(int64_t ns, const cs_zone *zone)
{
    cs_civil t = {0};
    int64_t unix_s = floor_div(ns, CS_NS_PER_S);
    t.nanosecond = (int)((ns % CS_NS_PER_S + CS_NS_PER_S) % CS_NS_PER_S);
    t.offset = cs_zone_offset(zone, unix_s, &t.abbreviation);
    int64_t local = unix_s + t.offset, days = floor_div(local, 86400);
    int rest = (int)(local - days * 86400);
    t.hour = rest / 3600;
    t.minute = rest / 60 % 60;
    t.second = rest % 60;
    cs_time_civil_from_days(days, &t.year, &t.month, &t.day);
    t.weekday = (int)(((days + 4) % 7 + 7) % 7);
    t.year_day = (int)(days - cs_time_days_from_civil(t.year, 1, 1)) + 1;
    return t;
}

int64_t cs_civil__seconds(int64_t year, int64_t month, int64_t day, int64_t hour, int64_t minute, int64_t second)
{
    year += floor_div(month - 1, 12);
    month = month - 1 - floor_div(month - 1, 12) * 12;
    int64_t days = cs_time_days_from_civil(year, (int)month + 1, 1) + day - 1;
    return days * 86400 + hour * 3600 + minute * 60 + second;
}

int cs_civil__days_in(int month, int64_t year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* ------------------------------------------------------------------------------------------------ formatting */

static void put_int(cs_sink *out, int64_t v, int width)
{
    char text[32];
    int n = 0;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        text[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    while (n < width) {
        text[n++] = '0';
    }
    if (v < 0) {
        cs_sink__byte(out, '-');
    }
    while (n) {
        cs_sink__byte(out, text[--n]);
    }
}

static void put_offset(cs_sink *out, const cs_layout_element *e, int32_t offset)
{
    if (e->z && offset == 0) {
        cs_sink__byte(out, 'Z');
        return;
    }
    int32_t minutes = offset / 60, all = offset < 0 ? -offset : offset;
    cs_sink__byte(out, minutes < 0 ? '-' : '+');
    minutes = minutes < 0 ? -minutes : minutes;
    put_int(out, minutes / 60, 2);
    cs_sink__text(out, e->colons ? ":" : "");
    if (e->minutes) {
        put_int(out, minutes % 60, 2);
    }
    if (e->seconds) {
        cs_sink__text(out, e->colons ? ":" : "");
        put_int(out, all % 60, 2);
    }
}

static void put_fraction(cs_sink *out, const cs_layout_element *e, int nanosecond)
{
    if (e->trim && nanosecond == 0) {
        return;
    }
    char digits[9];
    for (int i = 8, n = nanosecond; i >= 0; i--, n /= 10) {
        digits[i] = (char)('0' + n % 10);
    }
    size_t n = e->digits < 9 ? e->digits : 9;
    while (e->trim && n > 0 && digits[n - 1] == '0') {
        n--;
    }
    if (n > 0) {
        cs_sink__byte(out, e->comma ? ',' : '.');
        cs_sink__put(out, digits, n);
    }
}

static void put_date(cs_sink *out, cs_layout_kind kind, const cs_civil *t)
{
    bool under = kind == CS_LAYOUT_UNDER_DAY || kind == CS_LAYOUT_UNDER_YEAR_DAY;
    int v = kind == CS_LAYOUT_UNDER_YEAR_DAY || kind == CS_LAYOUT_ZERO_YEAR_DAY ? t->year_day : t->day;
    if (under && kind == CS_LAYOUT_UNDER_YEAR_DAY && v < 100) {
        cs_sink__byte(out, ' ');
    }
    if (under && v < 10) {
        cs_sink__byte(out, ' ');
    }
    put_int(out, v, kind == CS_LAYOUT_ZERO_DAY ? 2 : kind == CS_LAYOUT_ZERO_YEAR_DAY ? 3 : 0);
}

static void put_element(cs_sink *out, const cs_layout_element *e, const cs_civil *t)
{
    int hour12 = t->hour % 12 ? t->hour % 12 : 12;
    switch (e->kind) {
    case CS_LAYOUT_LONG_MONTH:
        cs_sink__text(out, cs_layout__months[t->month - 1]);
        return;
    case CS_LAYOUT_MONTH:
        cs_sink__put(out, cs_layout__months[t->month - 1], 3);
        return;
    case CS_LAYOUT_NUM_MONTH:
    case CS_LAYOUT_ZERO_MONTH:
        put_int(out, t->month, e->kind == CS_LAYOUT_ZERO_MONTH ? 2 : 0);
        return;
    case CS_LAYOUT_LONG_WEEKDAY:
        cs_sink__text(out, cs_layout__weekdays[t->weekday]);
        return;
    case CS_LAYOUT_WEEKDAY:
        cs_sink__put(out, cs_layout__weekdays[t->weekday], 3);
        return;
    case CS_LAYOUT_DAY:
    case CS_LAYOUT_UNDER_DAY:
    case CS_LAYOUT_ZERO_DAY:
    case CS_LAYOUT_UNDER_YEAR_DAY:
    case CS_LAYOUT_ZERO_YEAR_DAY:
        put_date(out, e->kind, t);
        return;
    case CS_LAYOUT_HOUR:
        put_int(out, t->hour, 2);
        return;
    case CS_LAYOUT_HOUR12:
    case CS_LAYOUT_ZERO_HOUR12:
        put_int(out, hour12, e->kind == CS_LAYOUT_ZERO_HOUR12 ? 2 : 0);
        return;
    case CS_LAYOUT_MINUTE:
    case CS_LAYOUT_ZERO_MINUTE:
        put_int(out, t->minute, e->kind == CS_LAYOUT_ZERO_MINUTE ? 2 : 0);
        return;
    case CS_LAYOUT_SECOND:
    case CS_LAYOUT_ZERO_SECOND:
        put_int(out, t->second, e->kind == CS_LAYOUT_ZERO_SECOND ? 2 : 0);
        return;
    case CS_LAYOUT_LONG_YEAR:
        put_int(out, t->year, 4);
        return;
    case CS_LAYOUT_YEAR:
        put_int(out, (t->year < 0 ? -t->year : t->year) % 100, 2);
        return;
    case CS_LAYOUT_PM:
    case CS_LAYOUT_LOWER_PM:
        cs_sink__text(out, e->kind == CS_LAYOUT_PM ? (t->hour >= 12 ? "PM" : "AM") : (t->hour >= 12 ? "pm" : "am"));
        return;
    case CS_LAYOUT_ZONE_NAME:
        cs_sink__text(out, t->abbreviation ? t->abbreviation : "UTC");
        return;
    case CS_LAYOUT_OFFSET:
        put_offset(out, e, t->offset);
        return;
    case CS_LAYOUT_FRACTION:
        put_fraction(out, e, t->nanosecond);
        return;
    case CS_LAYOUT_END:
        return;
    }
}

void cs_layout__format(cs_sink *out, cs_slice layout, const cs_civil *t)
{
    for (;;) {
        cs_slice literal;
        cs_layout_element e = cs_layout__next(&layout, &literal);
        cs_sink__slice(out, literal);
        if (e.kind == CS_LAYOUT_END) {
            return;
        }
        put_element(out, &e, t);
    }
}
