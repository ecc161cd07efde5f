/* Windows as functions of now: [start, end) in slots. A date begins at its first instant in the zone (midnight may not
 * exist, or come twice), so the days of a zone follow each other without gap or overlap. */
#include "spend/internal.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b > a ? q - 1 : q;
}

/* ---- the text */

static const char *const weekdays[7] = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

/* An instant, or a date of the zone. */
static bool parse_edge(cs_slice text, const cs_zone *zone, int64_t *slot)
{
    int64_t ns = 0;
    if (cs_time_parse_rfc3339(text, &ns)) {
        *slot = cs_spend__slot(ns);
        return *slot * CS_SPEND__SLOT_NS == ns;
    }
    char midnight[32];
    cs_slice zulu = CS_LIT("T00:00:00Z");
    if (text.n != 10) {
        return false;
    }
    memcpy(midnight, text.p, text.n);
    memcpy(midnight + text.n, zulu.p, zulu.n);
    if (!cs_time_parse_rfc3339(cs_slice_make(midnight, text.n + zulu.n), &ns)) {
        return false;
    }
    *slot = floor_div(cs_zone_day_start(zone, floor_div(ns, 86400 * CS_NS_PER_S)), CS_SPEND__SLOT_S);
    return true;
}

static const char *parse_fixed(cs_slice range, const cs_zone *zone, cs_spend__window *out)
{
    size_t slash = cs_slice_find_byte(range, '/', 0);
    if (slash == SIZE_MAX || !parse_edge(cs_slice_sub(range, 0, slash), zone, &out->from_slot) ||
        !parse_edge(cs_slice_sub(range, slash + 1, range.n), zone, &out->to_slot)) {
        return "fixed:<from>/<to> needs two dates or instants (RFC 3339), at full quarters of an hour";
    }
    if (out->from_slot < 0 || out->to_slot <= out->from_slot ||
        out->to_slot - out->from_slot > CS_SPEND__WINDOW_DAYS * CS_SPEND__SLOTS_A_DAY) {
        return "fixed:<from>/<to> must end after its start, at most 400 days later";
    }
    return NULL;
}

static const char *parse_rolling(cs_slice hours, cs_spend__window *out)
{
    if (hours.n < 2 || hours.p[hours.n - 1] != 'h' || !cs_slice_i64(cs_slice_sub(hours, 0, hours.n - 1), &out->hours) ||
        out->hours < 1 || out->hours > CS_SPEND__WINDOW_DAYS * 24) {
        return "rolling:<n>h needs a whole number of hours from 1 to 9600";
    }
    return NULL;
}

const char *cs_spend__window_parse(cs_slice text, const cs_zone *zone, cs_spend__window *out)
{
    *out = (cs_spend__window){.week_start = 1};
    size_t colon = cs_slice_find_byte(text, ':', 0);
    cs_slice word = cs_slice_sub(text, 0, colon);
    cs_slice rest = colon == SIZE_MAX ? CS_LIT("") : cs_slice_sub(text, colon + 1, text.n);
    if (cs_slice_is(word, "rolling")) {
        out->unit = CS_SPEND__ROLLING;
        return parse_rolling(rest, out);
    }
    if (cs_slice_is(word, "fixed")) {
        out->unit = CS_SPEND__FIXED;
        return parse_fixed(rest, zone, out);
    }
    if (cs_slice_is(word, "week") && colon != SIZE_MAX) {
        out->unit = CS_SPEND__WEEK;
        for (int i = 0; i < 7; i++) {
            if (cs_slice_is(rest, weekdays[i])) {
                out->week_start = i;
                return NULL;
            }
        }
        return "week:<day> needs the English name of a weekday in small letters";
    }
    static const char *const units[] = {"hour", "day", "week", "month", "quarter", "year"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (cs_slice_is(text, units[i])) {
            out->unit = (cs_spend__unit)i;
            return NULL;
        }
    }
    return "window must be hour, day, week, week:<day>, month, quarter, year, rolling:<n>h or fixed:<from>/<to>";
}

/* ---- the window around an instant */

/* Months since year 0 of a date, and the date (in days since 1970) on which month `m` begins. */
static int64_t month_of(int64_t days)
{
    int64_t year = 0;
    int month = 0;
    int day = 0;
    cs_time_civil_from_days(days, &year, &month, &day);
    return year * 12 + month - 1;
}

static int64_t month_start(int64_t m)
{
    int64_t year = floor_div(m, 12);
    return cs_time_days_from_civil(year, (int)(m - year * 12) + 1, 1);
}

/* The first dates of the period that a date is in, and of the next one. */
static void period(const cs_spend__window *w, int64_t days, int64_t *first, int64_t *next)
{
    int64_t months = w->unit == CS_SPEND__MONTH ? 1 : w->unit == CS_SPEND__QUARTER ? 3 : 12;
    if (w->unit == CS_SPEND__DAY) {
        *first = days;
        *next = days + 1;
    } else if (w->unit == CS_SPEND__WEEK) {
        /* 1970-01-01 was a Thursday. */
        int64_t weekday = days + 4 - floor_div(days + 4, 7) * 7;
        int64_t since = (weekday - w->week_start + 7) % 7;
        *first = days - since;
        *next = *first + 7;
    } else {
        int64_t m = floor_div(month_of(days), months) * months;
        *first = month_start(m);
        *next = month_start(m + months);
    }
}

static void calendar(const cs_spend__window *w, const cs_zone *zone, int64_t now_s, int64_t *from, int64_t *to)
{
    int64_t days = floor_div(now_s + cs_zone_offset(zone, now_s, NULL), 86400);
    /* Where a clock goes back over midnight the date of now may be the one before its window: windows are cut at the
     * first instants of dates. */
    while (cs_zone_day_start(zone, days + 1) <= now_s) {
        days++;
    }
    while (cs_zone_day_start(zone, days) > now_s) {
        days--;
    }
    int64_t first = 0;
    int64_t next = 0;
    period(w, days, &first, &next);
    *from = cs_zone_day_start(zone, first);
    *to = cs_zone_day_start(zone, next);
}

void cs_spend__window_at(const cs_spend__window *w, const cs_zone *zone, int64_t now_ns, int64_t *from, int64_t *to)
{
    int64_t now_s = floor_div(now_ns, CS_NS_PER_S);
    if (w->unit == CS_SPEND__FIXED) {
        *from = w->from_slot;
        *to = w->to_slot;
        return;
    }
    if (w->unit == CS_SPEND__ROLLING) {
        int64_t slot = cs_spend__slot(now_ns);
        *from = slot - w->hours * 4;
        *to = slot + 1;
        return;
    }
    int64_t start = 0;
    int64_t end = 0;
    if (w->unit == CS_SPEND__HOUR) {
        int64_t local = now_s + cs_zone_offset(zone, now_s, NULL);
        start = now_s - (local - floor_div(local, 3600) * 3600);
        end = start + 3600;
    } else {
        calendar(w, zone, now_s, &start, &end);
    }
    *from = floor_div(start, CS_SPEND__SLOT_S);
    *to = floor_div(end, CS_SPEND__SLOT_S);
}
