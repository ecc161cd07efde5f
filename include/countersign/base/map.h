/* Bytes → pointer, open addressing over cs_hash_bytes, insertion order kept. Keys are copied. For registries and
 * control data; engine objects have their own table (value.h). Not for sharing between threads without a lock. */
#ifndef CS_BASE_MAP_H
#define CS_BASE_MAP_H

#include "countersign/base/slice.h"

typedef struct cs_map_entry {
    cs_slice key;
    void *value; /* NULL once removed */
} cs_map_entry;

/* The hash beside the index: a key that is not the one is mostly passed without being fetched. */
typedef struct cs_map_slot {
    uint32_t index; /* 1-based, into entries; 0 = empty */
    uint32_t hash;
} cs_map_slot;

typedef struct cs_map {
    cs_map_entry *entries; /* in insertion order; removed ones have key.p == NULL */
    size_t n;              /* entries in use, removed ones included */
    size_t live;
    size_t cap;
    cs_map_slot *slots; /* mask + 1 of them */
    uint32_t mask;
} cs_map;

void cs_map_init(cs_map *m);
void cs_map_destroy(cs_map *m); /* frees keys, not values */
void *cs_map_get(const cs_map *m, cs_slice key);
/* Adds or replaces; returns the value that was there, or NULL. `value` must not be NULL. */
void *cs_map_put(cs_map *m, cs_slice key, void *value);
/* Returns what was removed, or NULL. */
void *cs_map_remove(cs_map *m, cs_slice key);
/* for (size_t i = 0; (e = cs_map_next(m, &i));) visits the live entries in insertion order. */
const cs_map_entry *cs_map_next(const cs_map *m, size_t *cursor);

#endif
