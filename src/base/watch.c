/* Waiting for files to change. */
#include "countersign/base/watch.h"

#include <stdio.h>
#include <sys/stat.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"

#define LOOK_NS (CS_NS_PER_S / 4)

typedef struct look {
    const char *dir;
    uint64_t digest;
} look;

static void add(look *l, const char *path)
{
    struct stat st;
    uint64_t facts[4] = {0};
    if (stat(path, &st) == 0) {
        facts[0] = (uint64_t)st.st_mtim.tv_sec;
        facts[1] = (uint64_t)st.st_mtim.tv_nsec;
        facts[2] = (uint64_t)st.st_size;
        facts[3] = (uint64_t)st.st_ino;
    }
    uint64_t name = cs_hash_bytes(path, strlen(path));
    l->digest = l->digest * UINT64_C(0x9E3779B97F4A7C15) + (name << 32 | cs_hash_bytes(facts, sizeof facts));
}

static cs_err add_file(void *self, const char *relative, cs_error *e)
{
    look *l = self;
    char path[4096];
    (void)e;
    if (snprintf(path, sizeof path, "%s/%s", l->dir, relative) < (int)sizeof path) {
        add(l, path);
    }
    return CS_OK;
}

static uint64_t digest_of(const cs_watch *w)
{
    look l = {0};
    for (size_t i = 0; i < w->n; i++) {
        cs_error e;
        l.dir = w->paths[i];
        /* A folder that cannot be read now is looked at again. */
        if (!cs_file_is_dir(w->paths[i]) || cs_file_walk(w->paths[i], add_file, &l, &e) != CS_OK) {
            add(&l, w->paths[i]);
        }
    }
    return l.digest;
}

void cs_watch_begin(cs_watch *w, const char *const *paths, size_t n)
{
    *w = (cs_watch){.paths = paths, .n = n};
    w->seen = digest_of(w);
}

bool cs_watch_changed(cs_watch *w)
{
    uint64_t now = digest_of(w);
    bool changed = now != w->seen;
    w->seen = now;
    return changed;
}

void cs_watch_wait(cs_watch *w)
{
    while (!cs_watch_changed(w)) {
        cs_time_sleep_ns(LOOK_NS);
    }
}
