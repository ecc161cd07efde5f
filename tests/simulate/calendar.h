/* Windows of budgets by the zones of the C library: nothing of the project's own is asked. From 2025 until 2028. */
#ifndef CS_TESTS_CALENDAR_H
#define CS_TESTS_CALENDAR_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "countersign/base/time.h"

enum { ZONES = 6, DAYS = 1461 };
#define SLOT (900 * CS_NS_PER_S)
#define FIRST_DAY INT64_C(20089) /* 2025-01-01 */
static const char *const zones[ZONES] = {"Africa/Cairo", "America/New_York", "Asia/Kathmandu",
                                         "UTC",          "Atlantic/Azores",  "Australia/Lord_Howe"};
static int64_t day_start[ZONES][DAYS + 1]; /* the first quarter of an hour of each date */

static void use_zone(int zone)
{
    (void)setenv("TZ", zones[zone], 1);
    tzset();
}
static void read_zones(void)
{
    for (int z = 0; z < ZONES; z++) {
        use_zone(z);
        int64_t slot = FIRST_DAY * 96 - 96;
        for (int d = 0; d <= DAYS; d++) {
            time_t day = (time_t)((FIRST_DAY + d) * 86400);
            struct tm date, local;
            (void)gmtime_r(&day, &date);
            for (;; slot++) {
                time_t at = (time_t)(slot * 900);
                (void)localtime_r(&at, &local);
                if (local.tm_mday == date.tm_mday && local.tm_mon == date.tm_mon && local.tm_year == date.tm_year) {
                    break;
                }
            }
            day_start[z][d] = slot;
            slot += 80;
        }
    }
}

static int day_of(int year, int month, int day) /* months from 0, may run over */
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = day};
    return (int)(timegm(&tm) / 86400 - FIRST_DAY);
}
static void hour_window(int zone, int64_t slot, int64_t *from, int64_t *to)
{
    static int64_t asked[ZONES], found[ZONES]; /* a change of TZ reads a file */
    if (asked[zone] == slot && slot != 0) {
        *from = found[zone];
        *to = *from + 4;
        return;
    }
    asked[zone] = slot;
    use_zone(zone);
    time_t at = (time_t)(slot * 900);
    struct tm local;
    (void)localtime_r(&at, &local);
    slot -= local.tm_min / 15;
    *from = found[zone] = slot;
    *to = slot + 4;
}
/* The window around an instant, in slots. */
static void window_of(const char *text, int zone, int64_t now, int64_t *from, int64_t *to)
{
    int64_t slot = now / SLOT;
    if (strcmp(text, "hour") == 0) {
        hour_window(zone, slot, from, to);
        return;
    }
    if (strncmp(text, "rolling", 7) == 0) {
        *from = slot - (int64_t)36 * 4;
        *to = slot + 1;
        return;
    }
    int d = (int)(slot / 96 - FIRST_DAY) + 2;
    while (day_start[zone][d] > slot) {
        d--;
    }
    int first = d;
    int next = d + 1;
    time_t day = (time_t)((FIRST_DAY + d) * 86400);
    struct tm date;
    (void)gmtime_r(&day, &date);
    int year = date.tm_year + 1900;
    if (strncmp(text, "week", 4) == 0) {
        first = d - (text[4] == ':' ? date.tm_wday : (date.tm_wday + 6) % 7);
        next = first + 7;
    } else if (strncmp(text, "fixed", 5) == 0) {
        first = day_of(2026, 2, 1);
        next = day_of(2026, 9, 15);
    } else if (strcmp(text, "day") != 0) {
        int months = strcmp(text, "month") == 0 ? 1 : strcmp(text, "quarter") == 0 ? 3 : 12;
        int month = date.tm_mon / months * months;
        first = day_of(year, month, 1);
        next = day_of(year, month + months, 1);
    }
    *from = day_start[zone][first];
    *to = day_start[zone][next];
}

#endif
