/* "day" in a zone → [start, end) in slots. */
#ifndef CS_SPEND_WINDOW_H
#define CS_SPEND_WINDOW_H

#include "countersign/base/time.h"

typedef enum cs_spend__unit {
    CS_SPEND__HOUR,
    CS_SPEND__DAY,
    CS_SPEND__WEEK,
    CS_SPEND__MONTH,
    CS_SPEND__QUARTER,
    CS_SPEND__YEAR,
    CS_SPEND__ROLLING,
    CS_SPEND__FIXED
} cs_spend__unit;

typedef struct cs_spend__window {
    cs_spend__unit unit;
    int week_start;             /* 0 = Sunday */
    int64_t hours;              /* rolling */
    int64_t from_slot, to_slot; /* fixed */
} cs_spend__window;

/* NULL, or what is wrong with the text. */
const char *cs_spend__window_parse(cs_slice text, const cs_zone *zone, cs_spend__window *out);
/* The slots [from, to) of the window that `now_ns` is in. A rolling one counts the slot of now and all that began
 * within the hours before it; a fixed one is always the same. */
void cs_spend__window_at(const cs_spend__window *w, const cs_zone *zone, int64_t now_ns, int64_t *from, int64_t *to);

#endif
