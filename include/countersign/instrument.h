/* What `instrument` adds to the metrics of one request: how often and how long the parts of a compilation and an
 * evaluation ran, under OPA's names where the part is the same. Asked for by the one caller who wants to know; nothing
 * is measured otherwise. Belongs to one thread. */
#ifndef CS_INSTRUMENT_H
#define CS_INSTRUMENT_H

#include "countersign/value.h"

typedef struct cs_instrument cs_instrument;

/* In the arena, with all that is measured. */
cs_instrument *cs_instrument_new(cs_arena *a);
/* Names are kept as pointers. Nothing happens without an instrument (NULL). */
void cs_instrument_count(cs_instrument *i, const char *name, uint64_t n); /* counter_<name> */
void cs_instrument_time(cs_instrument *i, const char *name, int64_t ns);  /* timer_<name>_ns, summed */
void cs_instrument_op(cs_instrument *i, const char *name, int64_t ns);    /* the same, and histogram_<name> */
/* Puts all of it into an object by name: counters and timers as numbers, histograms as cs_statistics_of. */
void cs_instrument_put(const cs_instrument *i, cs_value object);

/* {"count", "min", "max", "mean", "stddev", "median", "75%" … "99.99%"} of the values, as OPA's histograms have them;
 * reorders them. */
cs_value cs_statistics_of(cs_arena *a, int64_t *values, size_t n);

#endif
