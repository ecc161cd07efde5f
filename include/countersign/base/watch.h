/* Files and folders that are looked at again: has anything below them changed? By names, sizes, times and inodes, so it
 * works on every file system and through links that are moved. */
#ifndef CS_BASE_WATCH_H
#define CS_BASE_WATCH_H

#include "countersign/base/err.h"

typedef struct cs_watch {
    const char *const *paths; /* the caller's, as long as this is used */
    size_t n;
    uint64_t seen;
} cs_watch;

void cs_watch_begin(cs_watch *w, const char *const *paths, size_t n);
/* Since the last look (or the beginning). What cannot be read now is looked at again. */
bool cs_watch_changed(cs_watch *w);
/* Blocks until it has; four looks a second. */
void cs_watch_wait(cs_watch *w);

#endif
