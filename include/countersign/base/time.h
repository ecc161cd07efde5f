/* Clocks and instants. The only caller of clock_gettime. An instant is nanoseconds since 1970-01-01T00:00:00Z.
 * Thread-safe. */
#ifndef CS_BASE_TIME_H
#define CS_BASE_TIME_H

#include "countersign/base/err.h"
#include "countersign/base/slice.h"

#define CS_NS_PER_MS INT64_C(1000000)
#define CS_NS_PER_S INT64_C(1000000000)

int64_t cs_time_wall_ns(void);
/* The same for whoever takes a clock as a function. */
int64_t cs_time_wall_clock(void *self);
int64_t cs_time_mono_ns(void);
/* Sleeps at least so long, whatever signals come. For tests and tools; the service waits in its event loops. */
void cs_time_sleep_ns(int64_t ns);

/* RFC 3339 as Go reads it (fraction digits after the ninth are dropped, ',' is a point too, an hour may have one digit,
 * offsets reach 24:60); false if it is not that or outside int64 nanoseconds. */
bool cs_time_parse_rfc3339(cs_slice text, int64_t *ns);
/* "2025-09-07T14:03:11.482Z": trailing zeros of the fraction are dropped (Go's RFC3339Nano). Returns the length. */
size_t cs_time_format_rfc3339(int64_t ns, char out[40]);
/* Go's duration text: "300ms", "1.5h", "2h45m"; also "35d" and "2w" when `days` is set. false if malformed or too long.
 */
bool cs_time_parse_duration(cs_slice text, bool days, int64_t *ns);
/* Go's text of a duration: "1.5µs", "2h45m0s", "0s". Returns the length. */
size_t cs_time_format_duration(int64_t ns, char out[40]);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. month 1..12, day 1..31. */
int64_t cs_time_days_from_civil(int64_t year, int month, int day);
void cs_time_civil_from_days(int64_t days, int64_t *year, int *month, int *day);

/* A time zone of the IANA database (TZif files of the system, RFC 8536, with the footer rule for the far future).
 * Loaded once, kept for the life of the process, shared by all threads. */
typedef struct cs_zone cs_zone;
/* "" and "UTC" are UTC. CS_ERR_NOT_FOUND: "unknown time zone X". Names that leave the database's folder are refused. */
CS_MUST_CHECK cs_err cs_zone_find(cs_slice name, const cs_zone **out, cs_error *e);
/* Seconds east of UTC at an instant; *abbreviation (if wanted) is static for the zone's life. */
int32_t cs_zone_offset(const cs_zone *zone, int64_t unix_s, const char **abbreviation);
/* The instant (Unix seconds) of a local civil time, as Go's time.Date chooses it: a time in a gap gets the offset of
 * one side (east of Greenwich of the earlier, west of it of the later), a time that comes twice is one of the two
 * instants. */
int64_t cs_zone_instant(const cs_zone *zone, int64_t local_s);
/* The first instant (Unix seconds) whose local date is `days` (midnight, or the end of the gap that swallowed it). */
int64_t cs_zone_day_start(const cs_zone *zone, int64_t days);

#endif
