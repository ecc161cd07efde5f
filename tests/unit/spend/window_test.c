/* Windows: their texts, and where they begin and end in every kind of zone. */
#include <criterion/criterion.h>

#include "spend/internal.h"
#include "window_vectors.h"

static const cs_zone *zone_of(const char *name)
{
    const cs_zone *zone = NULL;
    cs_error e;
    cr_assert_eq(cs_zone_find(cs_slice_of(name), &zone, &e), CS_OK, "%s", e.text);
    return zone;
}

Test(window, agrees_with_zoneinfo)
{
    for (size_t i = 0; i < sizeof window_vectors / sizeof *window_vectors; i++) {
        const cs_zone *zone = zone_of(window_vectors[i].zone);
        cs_spend__window w;
        cr_assert_null(cs_spend__window_parse(cs_slice_of(window_vectors[i].window), zone, &w));
        int64_t from = 0;
        int64_t to = 0;
        cs_spend__window_at(&w, zone, window_vectors[i].now * CS_NS_PER_S + 999999999, &from, &to);
        cr_expect(from * 900 == window_vectors[i].from && to * 900 == window_vectors[i].to,
                  "%s %s %lld: [%lld, %lld), not [%lld, %lld)", window_vectors[i].zone, window_vectors[i].window,
                  (long long)window_vectors[i].now, (long long)from * 900, (long long)to * 900,
                  (long long)window_vectors[i].from, (long long)window_vectors[i].to);
    }
}

/* Every instant of a year is in exactly one day, and the days follow each other. */
Test(window, days_follow_each_other)
{
    static const char *const zones[] = {"Africa/Cairo", "America/Havana", "Atlantic/Azores", "Australia/Lord_Howe"};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        const cs_zone *zone = zone_of(zones[i]);
        cs_spend__window w = {.unit = CS_SPEND__DAY};
        int64_t end = 0;
        for (int64_t slot = 1767225600 / 900; slot < 1798761600 / 900; slot++) {
            int64_t from = 0;
            int64_t to = 0;
            cs_spend__window_at(&w, zone, slot * CS_SPEND__SLOT_NS, &from, &to);
            cr_assert(from <= slot && slot < to, "%s %lld", zones[i], (long long)slot * 900);
            cr_assert(end == 0 || end == to || end == from, "%s %lld", zones[i], (long long)slot * 900);
            end = to;
        }
    }
}

Test(window, rolls_by_quarters_of_an_hour)
{
    const cs_zone *zone = zone_of("UTC");
    cs_spend__window w;
    cr_assert_null(cs_spend__window_parse(CS_LIT("rolling:24h"), zone, &w));
    int64_t from = 0;
    int64_t to = 0;
    cs_spend__window_at(&w, zone, INT64_C(1757253791482000000), &from, &to);
    cr_assert_eq(to * 900, 1757254500);
    cr_assert_eq(to - from, 97); /* a day and the quarter at hand */
}

Test(window, takes_dates_and_instants)
{
    const cs_zone *zone = zone_of("America/New_York");
    cs_spend__window w;
    cr_assert_null(cs_spend__window_parse(CS_LIT("fixed:2026-01-01/2026-07-01T12:15:00Z"), zone, &w));
    cr_assert_eq(w.from_slot * 900, 1767243600);
    cr_assert_eq(w.to_slot * 900, 1782908100);
}

Test(window, refuses_other_texts)
{
    static const char *const bad[] = {"",
                                      "Day",
                                      "days",
                                      "day:monday",
                                      "week:Monday",
                                      "week:",
                                      "month:1",
                                      "rolling",
                                      "rolling:",
                                      "rolling:h",
                                      "rolling:0h",
                                      "rolling:-1h",
                                      "rolling:24",
                                      "rolling:9601h",
                                      "rolling:99999999999999999999h",
                                      "fixed:",
                                      "fixed:2026-01-01",
                                      "fixed:2026-01-01/2026-01-01",
                                      "fixed:2026-01-02/2026-01-01",
                                      "fixed:2026-01-01/2027-12-01",
                                      "fixed:2026-01-01T00:00:01Z/2026-02-01",
                                      "fixed:2026-02-30/2026-04-01",
                                      "fixed:1960-01-01/1960-02-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cs_spend__window w;
        cr_expect_not_null(cs_spend__window_parse(cs_slice_of(bad[i]), zone_of("UTC"), &w), "%s", bad[i]);
    }
}
