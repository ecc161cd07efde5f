/* Clocks, RFC 3339, durations and the calendar. The only caller of clock_gettime. */
#include "countersign/base/time.h"
#include "base/scan.h"

#include <errno.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    cs_assert(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * CS_NS_PER_S + now.tv_nsec;
}

int64_t cs_time_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t cs_time_wall_clock(void *self)
{
    (void)self;
    return cs_time_wall_ns();
}

int64_t cs_time_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void cs_time_sleep_ns(int64_t ns)
{
    struct timespec left = {.tv_sec = ns / CS_NS_PER_S, .tv_nsec = ns % CS_NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
        /* `left` is what is left */
    }
}

/* ---- calendar ---- */

/* A year is counted from 1 March, so that the leap day is its last; 400 years are an era of 146,097 days. */
#define ERA_DAYS INT64_C(146097)
#define EPOCH_DAY INT64_C(719468) /* days from 0000-03-01 to 1970-01-01 */

int64_t cs_time_days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAY;
}

void cs_time_civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += EPOCH_DAY;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int days_in_month(int64_t year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- RFC 3339 ---- */

/* Exactly `digits` digits with a value of low..high. */
static bool take_number(cs_scan *s, int digits, int low, int high, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!cs_scan__digit(s)) {
            return false;
        }
        value = value * 10 + (*s->p++ - '0');
    }
    *out = value;
    return value >= low && value <= high;
}

/* The digits after the point; those after the ninth are dropped, as Go does. */
static bool take_fraction(cs_scan *s, int64_t *ns)
{
    int64_t unit = CS_NS_PER_S / 10;
    *ns = 0;
    if (!cs_scan__take(s, '.') && !cs_scan__take(s, ',')) {
        return true;
    }
    if (!cs_scan__digit(s)) {
        return false;
    }
    for (; cs_scan__digit(s); s->p++, unit /= 10) {
        *ns += unit * (*s->p - '0');
    }
    return true;
}

/* Go allows offsets up to 24:60. */
static bool take_offset(cs_scan *s, int64_t *seconds)
{
    if (cs_scan__take(s, 'Z')) {
        *seconds = 0;
        return true;
    }
    int sign = cs_scan__take(s, '+') ? 1 : cs_scan__take(s, '-') ? -1 : 0;
    int hours = 0;
    int minutes = 0;
    if (sign == 0 || !take_number(s, 2, 0, 24, &hours) || !cs_scan__take(s, ':') ||
        !take_number(s, 2, 0, 60, &minutes)) {
        return false;
    }
    *seconds = sign * (hours * INT64_C(3600) + minutes * 60);
    return true;
}

/* Two digits; a value above 99 without them. */
static inline unsigned two(const char *p)
{
    unsigned high = (unsigned char)p[0] - (unsigned)'0';
    unsigned low = (unsigned char)p[1] - (unsigned)'0';
    return high > 9 || low > 9 ? 100 : high * 10 + low;
}

/* "2026-11-24T13:20:09.125Z" of the years 1970 to 2199: what nearly all are. The rest is for the reader of all. */
static bool parse_plain(cs_slice text, int64_t *ns)
{
    const char *p = text.p;
    if (text.n < 20 || text.n > 30 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':' ||
        p[text.n - 1] != 'Z' || (text.n > 20 && (text.n == 21 || p[19] != '.'))) {
        return false;
    }
    unsigned century = two(p), of_century = two(p + 2), month = two(p + 5), day = two(p + 8);
    unsigned hour = two(p + 11), minute = two(p + 14), second = two(p + 17);
    int64_t year = (int64_t)century * 100 + of_century;
    if (of_century > 99 || year < 1970 || year > 2199 || month - 1 > 11 || hour > 23 || minute > 59 || second > 59 ||
        day - 1 >= (unsigned)days_in_month(year, (int)month)) {
        return false;
    }
    int64_t fraction = 0;
    int64_t unit = CS_NS_PER_S / 10;
    for (size_t i = 20; i + 1 < text.n; i++, unit /= 10) {
        unsigned digit = (unsigned char)p[i] - (unsigned)'0';
        if (digit > 9) {
            return false;
        }
        fraction += unit * (int64_t)digit;
    }
    int64_t of_day = (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
    *ns = (cs_time_days_from_civil(year, (int)month, (int)day) * 86400 + of_day) * CS_NS_PER_S + fraction;
    return true;
}

bool cs_time_parse_rfc3339(cs_slice text, int64_t *ns)
{
    if (parse_plain(text, ns)) {
        return true;
    }
    cs_scan s = {text.p, text.p + text.n};
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    int64_t fraction = 0;
    int64_t offset = 0;
    if (text.n == 0 || !take_number(&s, 4, 0, 9999, &year) || !cs_scan__take(&s, '-') ||
        !take_number(&s, 2, 1, 12, &month) || !cs_scan__take(&s, '-') ||
        !take_number(&s, 2, 1, days_in_month(year, month), &day) || !cs_scan__take(&s, 'T')) {
        return false;
    }
    /* Go takes an hour of one digit too. */
    int digits = s.end - s.p >= 2 && s.p[1] == ':' ? 1 : 2;
    if (!take_number(&s, digits, 0, 23, &hour) || !cs_scan__take(&s, ':') || !take_number(&s, 2, 0, 59, &minute) ||
        !cs_scan__take(&s, ':') || !take_number(&s, 2, 0, 59, &second) || !take_fraction(&s, &fraction) ||
        !take_offset(&s, &offset) || s.p != s.end) {
        return false;
    }
    int64_t seconds = cs_time_days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    int64_t value = 0;
    /* Below zero the seconds alone may lie just outside the range while seconds and fraction lie inside. */
    if (seconds < 0 && fraction > 0) {
        seconds++;
        fraction -= CS_NS_PER_S;
    }
    if (__builtin_mul_overflow(seconds, CS_NS_PER_S, &value) || __builtin_add_overflow(value, fraction, &value)) {
        return false;
    }
    *ns = value;
    return true;
}

static inline char *put_number(char *p, int64_t number, int digits)
{
    uint32_t value = (uint32_t)number;
    for (int i = digits - 1; i >= 0; i--) {
        p[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return p + digits;
}

size_t cs_time_format_rfc3339(int64_t ns, char out[40])
{
    int64_t seconds = ns / CS_NS_PER_S - (ns % CS_NS_PER_S < 0);
    int64_t fraction = ns % CS_NS_PER_S + (ns % CS_NS_PER_S < 0 ? CS_NS_PER_S : 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t of_day = seconds - days * 86400;
    int64_t year = 0;
    int month = 0;
    int day = 0;
    cs_time_civil_from_days(days, &year, &month, &day);
    char *p = put_number(out, year, 4);
    *p++ = '-';
    p = put_number(p, month, 2);
    *p++ = '-';
    p = put_number(p, day, 2);
    *p++ = 'T';
    p = put_number(p, of_day / 3600, 2);
    *p++ = ':';
    p = put_number(p, of_day / 60 % 60, 2);
    *p++ = ':';
    p = put_number(p, of_day % 60, 2);
    if (fraction != 0) {
        *p++ = '.';
        p = put_number(p, fraction, 9);
        while (p[-1] == '0') {
            p--;
        }
    }
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

/* ---- durations ---- */

static const struct {
    const char *name;
    int64_t ns;
    bool only_with_days;
} units[] = {
    {"ns", 1, false},
    {"us", 1000, false},
    {"\xC2\xB5s", 1000, false}, /* the micro sign */
    {"\xCE\xBCs", 1000, false}, /* the letter mu */
    {"ms", CS_NS_PER_MS, false},
    {"s", CS_NS_PER_S, false},
    {"m", 60 * CS_NS_PER_S, false},
    {"h", 3600 * CS_NS_PER_S, false},
    {"d", 86400 * CS_NS_PER_S, true},
    {"w", 7 * 86400 * CS_NS_PER_S, true},
};

static int64_t take_unit(cs_scan *s, bool days)
{
    const char *start = s->p;
    while (s->p < s->end && *s->p != '.' && !cs_scan__digit(s)) {
        s->p++;
    }
    cs_slice name = {start, (size_t)(s->p - start)};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (cs_slice_is(name, units[i].name) && (days || !units[i].only_with_days)) {
            return units[i].ns;
        }
    }
    return 0;
}

/* "1.5h" and the like; the sum so far is *total, at most 2^63 (which only a negative duration may reach). */
static bool take_part(cs_scan *s, bool days, uint64_t *total)
{
    const uint64_t max = UINT64_C(1) << 63;
    uint64_t whole = 0;
    uint64_t fraction = 0;
    double scale = 1;
    const char *start = s->p;
    for (; cs_scan__digit(s); s->p++) {
        if (whole > max / 10) {
            return false;
        }
        whole = whole * 10 + (uint64_t)(*s->p - '0');
    }
    size_t digits = (size_t)(s->p - start);
    if (cs_scan__take(s, '.')) {
        const char *point = s->p;
        bool full = false; /* digits that no longer fit cannot change the result by a nanosecond */
        for (; cs_scan__digit(s); s->p++) {
            full = full || fraction > (max - 1) / 10;
            if (!full) {
                fraction = fraction * 10 + (uint64_t)(*s->p - '0');
                scale *= 10;
            }
        }
        digits += (size_t)(s->p - point);
    }
    uint64_t unit = (uint64_t)take_unit(s, days);
    if (digits == 0 || unit == 0 || whole > max / unit) {
        return false;
    }
    whole *= unit;
    whole += (uint64_t)((double)fraction * ((double)unit / scale));
    *total += whole;
    return whole <= max && *total <= max;
}

bool cs_time_parse_duration(cs_slice text, bool days, int64_t *ns)
{
    cs_scan s = {text.p, text.p + text.n};
    uint64_t total = 0;
    bool negative = text.n > 0 && cs_scan__take(&s, '-');
    if (text.n == 0 || (!negative && cs_scan__take(&s, '+') && s.p == s.end)) {
        return false;
    }
    if (s.end - s.p == 1 && *s.p == '0') {
        *ns = 0;
        return true;
    }
    if (s.p == s.end) {
        return false;
    }
    while (s.p < s.end) {
        if (!take_part(&s, days, &total)) {
            return false;
        }
    }
    if (!negative && total > (uint64_t)INT64_MAX) {
        return false;
    }
    *ns = negative ? (int64_t)(0U - total) : (int64_t)total;
    return true;
}

/* The digits of v * 10^-places before `end`, without zeros at the end of the fraction. Returns where they begin. */
static char *put_fraction(char *end, uint64_t v, int places)
{
    char *p = end;
    bool shown = false;
    for (int i = 0; i < places; i++) {
        shown = shown || v % 10 != 0;
        if (shown) {
            *--p = (char)('0' + v % 10);
        }
        v /= 10;
    }
    if (shown) {
        *--p = '.';
    }
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    return p;
}

size_t cs_time_format_duration(int64_t ns, char out[40])
{
    char room[40];
    char *end = room + sizeof room;
    char *p = end;
    uint64_t u = ns < 0 ? 0U - (uint64_t)ns : (uint64_t)ns;
    const uint64_t second = (uint64_t)CS_NS_PER_S;
    *--p = 's';
    if (u == 0) {
        *--p = '0';
    } else if (u < 1000) {
        *--p = 'n';
        p = put_fraction(p, u, 0);
    } else if (u < (uint64_t)CS_NS_PER_MS) {
        *--p = '\xB5';
        *--p = '\xC2';
        p = put_fraction(p, u, 3);
    } else if (u < second) {
        *--p = 'm';
        p = put_fraction(p, u, 6);
    } else {
        uint64_t minutes = u / (60 * second);
        p = put_fraction(p, u % (60 * second), 9);
        if (minutes != 0) {
            *--p = 'm';
            p = put_fraction(p, minutes % 60, 0);
        }
        if (minutes >= 60) {
            *--p = 'h';
            p = put_fraction(p, minutes / 60, 0);
        }
    }
    if (ns < 0) {
        *--p = '-';
    }
    size_t n = (size_t)(end - p);
    memcpy(out, p, n);
    out[n] = '\0';
    return n;
}
