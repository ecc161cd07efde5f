/* A text that is read byte by byte, for the readers of this folder. */
#ifndef CS_BASE_SCAN_H
#define CS_BASE_SCAN_H

#include <stdbool.h>

typedef struct cs_scan {
    const char *p;
    const char *end;
} cs_scan;

/* Is the next byte a digit? */
static inline bool cs_scan__digit(const cs_scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* Takes the next byte if it is c. */
static inline bool cs_scan__take(cs_scan *s, char c)
{
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    return false;
}

#endif
