/* Go's time layouts ("2006-01-02T15:04:05Z07:00"): taken apart, parsed by, formatted by. */
#ifndef CS_REGO_BUILTIN_TIME_LAYOUT_H
#define CS_REGO_BUILTIN_TIME_LAYOUT_H

#include "countersign/base/time.h"
#include "rego/builtin/internal.h"

typedef enum cs_layout_kind {
    CS_LAYOUT_END, /* no further element */
    CS_LAYOUT_LONG_MONTH,
    CS_LAYOUT_MONTH,
    CS_LAYOUT_NUM_MONTH,
    CS_LAYOUT_ZERO_MONTH,
    CS_LAYOUT_LONG_WEEKDAY,
    CS_LAYOUT_WEEKDAY,
    CS_LAYOUT_DAY,
    CS_LAYOUT_UNDER_DAY,
    CS_LAYOUT_ZERO_DAY,
    CS_LAYOUT_UNDER_YEAR_DAY,
    CS_LAYOUT_ZERO_YEAR_DAY,
    CS_LAYOUT_HOUR,
    CS_LAYOUT_HOUR12,
    CS_LAYOUT_ZERO_HOUR12,
    CS_LAYOUT_MINUTE,
    CS_LAYOUT_ZERO_MINUTE,
    CS_LAYOUT_SECOND,
    CS_LAYOUT_ZERO_SECOND,
    CS_LAYOUT_LONG_YEAR,
    CS_LAYOUT_YEAR,
    CS_LAYOUT_PM,
    CS_LAYOUT_LOWER_PM,
    CS_LAYOUT_ZONE_NAME,
    CS_LAYOUT_OFFSET,   /* -0700 and its kin; see `z`, `colons`, `minutes`, `seconds` */
    CS_LAYOUT_FRACTION, /* .000 or .999; see `digits`, `trim`, `comma` */
} cs_layout_kind;

typedef struct cs_layout_element {
    cs_layout_kind kind;
    cs_slice text; /* as it stands in the layout */
    bool z, colons, minutes, seconds;
    bool trim, comma;
    uint32_t digits;
} cs_layout_element;

/* Cuts literal text and the element behind it off *layout. At the end: CS_LAYOUT_END, all that is left is literal. */
cs_layout_element cs_layout__next(cs_slice *layout, cs_slice *literal);
/* "RFC3339" and the other names OPA knows; any other text is a layout itself. */
cs_slice cs_layout__named(cs_slice name);

extern const char *const cs_layout__months[12];
extern const char *const cs_layout__weekdays[7]; /* Sunday first */

/* A moment on the clocks of a zone. */
typedef struct cs_civil {
    int64_t year;
    int month, day, hour, minute, second, nanosecond;
    int weekday, year_day; /* 0 = Sunday; 1 = 1 January */
    int32_t offset;        /* seconds east of UTC */
    const char *abbreviation;
} cs_civil;

cs_civil cs_civil__at(int64_t ns, const cs_zone *zone);
/* Seconds since 1970 as if the fields were UTC; fields may be out of range. */
int64_t cs_civil__seconds(int64_t year, int64_t month, int64_t day, int64_t hour, int64_t minute, int64_t second);
int cs_civil__days_in(int month, int64_t year);

/* Go's time.Parse; an error of Go's words in the call. *seconds since 1970 and *ns within. */
CS_MUST_CHECK cs_err cs_layout__parse(cs_call *call, cs_slice layout, cs_slice value, int64_t *seconds, int64_t *ns);
void cs_layout__format(cs_sink *out, cs_slice layout, const cs_civil *t);
/* As the time package quotes in its errors. */
void cs_layout__quote(cs_sink *out, cs_slice text);
/* Go's time.ParseDuration with OPA's d, w and y. */
CS_MUST_CHECK cs_err cs_duration__parse(cs_call *call, cs_slice text, int64_t *ns);

#endif
