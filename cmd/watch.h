/* Waiting for files to change: by looking, a few times a second. */
#ifndef CS_CMD_WATCH_H
#define CS_CMD_WATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct cs_watch {
    const char *const *paths; /* files and folders; must outlive the watch */
    size_t n;
    uint64_t seen; /* digest of names, sizes and times */
} cs_watch;

void cs_watch_begin(cs_watch *w, const char *const *paths, size_t n);
/* Returns when something is not as it was at the last look. */
void cs_watch_wait(cs_watch *w);

#endif
