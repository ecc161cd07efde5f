/* RFC 3339, durations, the calendar, and the hard days of time zones. */
#include <criterion/criterion.h>

#include "countersign/base/time.h"

static int64_t parsed(const char *text)
{
    int64_t ns = 0;
    cr_assert(cs_time_parse_rfc3339(cs_slice_of(text), &ns), "%s", text);
    return ns;
}

static void refused(const char *text)
{
    int64_t ns = 0;
    cr_assert_not(cs_time_parse_rfc3339(cs_slice_of(text), &ns), "%s", text);
}

static void formatted(int64_t ns, const char *text)
{
    char out[40];
    cr_assert_eq(cs_time_format_rfc3339(ns, out), strlen(text));
    cr_assert_str_eq(out, text);
}

Test(time, rfc3339_reads)
{
    cr_assert_eq(parsed("1970-01-01T00:00:00Z"), 0);
    cr_assert_eq(parsed("1969-12-31T23:59:59.999999999Z"), -1);
    cr_assert_eq(parsed("2025-09-07T14:03:11.482Z"), INT64_C(1757253791482000000));
    cr_assert_eq(parsed("2025-09-07T16:03:11.482+02:00"), INT64_C(1757253791482000000));
    cr_assert_eq(parsed("2025-09-07T16:03:11,4820000001234+02:00"), INT64_C(1757253791482000000));
    cr_assert_eq(parsed("2025-09-07T4:03:11Z"), parsed("2025-09-07T04:03:11Z"));
    cr_assert_eq(parsed("2024-02-29T00:00:00-24:00"), parsed("2024-03-01T00:00:00Z"));
    /* The ends of int64. */
    cr_assert_eq(parsed("2262-04-11T23:47:16.854775807Z"), INT64_MAX);
    cr_assert_eq(parsed("1677-09-21T00:12:43.145224192Z"), INT64_MIN);
}

Test(time, rfc3339_refuses)
{
    static const char *const bad[] = {"",
                                      "2025-09-07",
                                      "2025-09-07T14:03:11",
                                      "2025-09-07t14:03:11Z",
                                      "2025-09-07T14:03:11z",
                                      "2025-09-07 14:03:11Z",
                                      "2025-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2025-00-07T14:03:11Z",
                                      "2025-13-07T14:03:11Z",
                                      "2025-09-31T14:03:11Z",
                                      "2025-09-07T24:00:00Z",
                                      "2025-09-07T14:60:11Z",
                                      "2025-09-07T23:59:60Z",
                                      "2025-09-07T14:03:11.Z",
                                      "2025-09-07T14:03:11+2:00",
                                      "2025-09-07T14:03:11+25:00",
                                      "2025-09-07T14:03:11+02:61",
                                      "2025-09-07T14:03:11ZZ",
                                      "25-09-07T14:03:11Z",
                                      "2262-04-11T23:47:16.854775808Z",
                                      "1677-09-21T00:12:43.145224191Z",
                                      "9999-12-31T23:59:59Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused(bad[i]);
    }
}

Test(time, rfc3339_writes)
{
    formatted(0, "1970-01-01T00:00:00Z");
    formatted(-1, "1969-12-31T23:59:59.999999999Z");
    formatted(INT64_C(1757253791482000000), "2025-09-07T14:03:11.482Z");
    formatted(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
    formatted(INT64_MIN, "1677-09-21T00:12:43.145224192Z");
}

static int64_t duration(const char *text, bool days)
{
    int64_t ns = 0;
    cr_assert(cs_time_parse_duration(cs_slice_of(text), days, &ns), "%s", text);
    return ns;
}

Test(time, durations)
{
    cr_assert_eq(duration("0", false), 0);
    cr_assert_eq(duration("300ms", false), 300 * CS_NS_PER_MS);
    cr_assert_eq(duration("-1.5h", false), -5400 * CS_NS_PER_S);
    cr_assert_eq(duration("2h45m.5s", false), INT64_C(9900500000000));
    cr_assert_eq(duration("+5\xC2\xB5s", false), 5000);
    cr_assert_eq(duration("35d", true), 35 * 86400 * CS_NS_PER_S);
    cr_assert_eq(duration("2w", true), 14 * 86400 * CS_NS_PER_S);
    cr_assert_eq(duration("9223372036854775807ns", false), INT64_MAX);
    cr_assert_eq(duration("-9223372036854775808ns", false), INT64_MIN);
    cr_assert_eq(duration("0.9223372036854775807h", false), INT64_C(3320413933267));
    static const char *const bad[] = {"",         "3", "-", "+", ".s", "1", "s", "1x", "1h-2m", "9223372036854775808ns",
                                      "3000000h", "1d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ns = 0;
        cr_assert_not(cs_time_parse_duration(cs_slice_of(bad[i]), false, &ns), "%s", bad[i]);
    }
}

Test(time, calendar_there_and_back)
{
    int64_t last = cs_time_days_from_civil(-1, 12, 31);
    for (int64_t day = last + 1; day < last + 800000; day++) {
        int64_t year = 0;
        int month = 0;
        int of_month = 0;
        cs_time_civil_from_days(day, &year, &month, &of_month);
        cr_assert_eq(cs_time_days_from_civil(year, month, of_month), day);
        cr_assert(month >= 1 && month <= 12 && of_month >= 1 && of_month <= 31);
    }
}

static const cs_zone *zone(const char *name)
{
    const cs_zone *z = NULL;
    cs_error e;
    cr_assert_eq(cs_zone_find(cs_slice_of(name), &z, &e), CS_OK, "%s", name);
    return z;
}

static void day_starts(const char *name, int64_t year, int month, int day, const char *instant)
{
    int64_t start = cs_zone_day_start(zone(name), cs_time_days_from_civil(year, month, day));
    cr_assert_eq(start, parsed(instant) / CS_NS_PER_S, "%s %d-%02d-%02d: %ld", name, (int)year, month, day,
                 (long)start);
}

Test(zone, names)
{
    static const char *const bad[] = {"Mars/Olympus",
                                      "../../../etc/passwd",
                                      "/etc/localtime",
                                      "Europe/../Europe/Berlin",
                                      "Europe",
                                      "europe//Berlin",
                                      "Europe/Berlin/",
                                      "Europe/./Berlin",
                                      ".",
                                      "tzdata.zi"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const cs_zone *z = NULL;
        cs_error e;
        cr_assert_eq(cs_zone_find(cs_slice_of(bad[i]), &z, &e), CS_ERR_NOT_FOUND, "%s", bad[i]);
        cr_assert(strncmp(e.text, "unknown time zone ", 18) == 0);
        cr_assert_null(z);
    }
    cr_assert_eq(zone(""), zone("UTC"));
    cr_assert_eq(zone("Europe/Berlin"), zone("Europe/Berlin"));
}

Test(zone, offsets)
{
    const char *name = NULL;
    const cs_zone *berlin = zone("Europe/Berlin");
    cr_assert_eq(cs_zone_offset(berlin, parsed("2025-03-30T00:59:59Z") / CS_NS_PER_S, &name), 3600);
    cr_assert_str_eq(name, "CET");
    cr_assert_eq(cs_zone_offset(berlin, parsed("2025-03-30T01:00:00Z") / CS_NS_PER_S, &name), 7200);
    cr_assert_str_eq(name, "CEST");
    /* Beyond the table: the footer's rule. Summer on the northern and on the southern half. */
    int64_t july = cs_time_days_from_civil(2400, 7, 1) * 86400;
    int64_t january = cs_time_days_from_civil(2400, 1, 1) * 86400;
    cr_assert_eq(cs_zone_offset(berlin, july, NULL), 7200);
    cr_assert_eq(cs_zone_offset(berlin, january, NULL), 3600);
    cr_assert_eq(cs_zone_offset(zone("Australia/Sydney"), july, NULL), 36000);
    cr_assert_eq(cs_zone_offset(zone("Australia/Sydney"), january, NULL), 39600);
    /* Kiribati is as far east as it gets; Kathmandu has quarters. */
    cr_assert_eq(cs_zone_offset(zone("Pacific/Kiritimati"), january, NULL), 14 * 3600);
    cr_assert_eq(cs_zone_offset(zone("Asia/Kathmandu"), january, NULL), 20700);
}

Test(zone, gaps_and_overlaps_at_midnight)
{
    /* Cairo: 2023-04-28 begins at 01:00, since 00:00 to 01:00 does not exist. */
    day_starts("Africa/Cairo", 2023, 4, 28, "2023-04-27T22:00:00Z");
    day_starts("Africa/Cairo", 2023, 4, 27, "2023-04-26T22:00:00Z");
    /* Cairo: at the end of 2023-10-26 the clock goes from 24:00 back to 23:00. */
    day_starts("Africa/Cairo", 2023, 10, 27, "2023-10-26T22:00:00Z");
    /* Havana: from 00:00 to 01:00 in spring; in autumn from 01:00 back to 00:00, so midnight comes twice: the first
     * counts. */
    day_starts("America/Havana", 2024, 3, 10, "2024-03-10T05:00:00Z");
    day_starts("America/Havana", 2024, 11, 3, "2024-11-03T04:00:00Z");
    day_starts("America/Havana", 2024, 11, 4, "2024-11-04T05:00:00Z");
    /* Samoa had no 2011-12-30: it is empty. */
    day_starts("Pacific/Apia", 2011, 12, 30, "2011-12-30T10:00:00Z");
    day_starts("Pacific/Apia", 2011, 12, 31, "2011-12-30T10:00:00Z");
    /* An ordinary day, and one of the far future by the rule. */
    day_starts("Asia/Tokyo", 2025, 1, 1, "2024-12-31T15:00:00Z");
    day_starts("Africa/Cairo", 2200, 4, 25, "2200-04-24T22:00:00Z");
    day_starts("UTC", 2025, 1, 1, "2025-01-01T00:00:00Z");
}

Test(zone, days_follow_each_other)
{
    static const char *const names[] = {"Africa/Cairo",      "America/Havana",    "America/St_Johns", "Asia/Beirut",
                                        "America/Asuncion",  "Asia/Tehran",       "Pacific/Apia",     "Pacific/Norfolk",
                                        "Asia/Amman",        "America/Sao_Paulo", "America/Santiago", "Europe/Dublin",
                                        "Africa/Casablanca", "Asia/Gaza"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const cs_zone *z = zone(names[i]);
        int64_t day = cs_time_days_from_civil(1985, 1, 1);
        int64_t before = cs_zone_day_start(z, day);
        for (day++; day < cs_time_days_from_civil(2045, 1, 1); day++) {
            int64_t start = cs_zone_day_start(z, day);
            cr_assert(start >= before && start - before <= 26 * 3600, "%s day %ld", names[i], (long)day);
            int64_t local = start + cs_zone_offset(z, start, NULL);
            int64_t just_before = start - 1 + cs_zone_offset(z, start - 1, NULL);
            cr_assert(local >= day * 86400 && just_before < day * 86400, "%s day %ld", names[i], (long)day);
            before = start;
        }
    }
}

Test(zone, local_times_as_go_chooses_them)
{
    /* A gap: New York 2025-03-09 02:30 becomes 01:30 EST, Berlin 2025-03-30 02:30 becomes 03:30 CEST. */
    int64_t local = parsed("2025-03-09T02:30:00Z") / CS_NS_PER_S;
    cr_assert_eq(cs_zone_instant(zone("America/New_York"), local), parsed("2025-03-09T06:30:00Z") / CS_NS_PER_S);
    local = parsed("2025-03-30T02:30:00Z") / CS_NS_PER_S;
    cr_assert_eq(cs_zone_instant(zone("Europe/Berlin"), local), parsed("2025-03-30T01:30:00Z") / CS_NS_PER_S);
    local = parsed("2025-07-01T12:00:00Z") / CS_NS_PER_S;
    cr_assert_eq(cs_zone_instant(zone("Europe/Berlin"), local), parsed("2025-07-01T10:00:00Z") / CS_NS_PER_S);
}
