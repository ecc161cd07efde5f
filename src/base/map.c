/* The map: entries in an array, in order of insertion; a power of two of slots points into it. A removed entry keeps
 * its slot (it must not cut a probe short) until the next rebuild drops it. */
#include "countersign/base/map.h"

#include "countersign/base/err.h"
#include "countersign/base/mem.h"

#ifdef CS_TINY
#define FIRST ((size_t)1)
#else
#define FIRST ((size_t)8)
#endif

void cs_map_init(cs_map *m)
{
    *m = (cs_map){0};
}

static void free_key(cs_map_entry *e)
{
    /* Keys are ours; slices only promise not to change them. */
    union {
        const char *read;
        char *own;
    } key = {.read = e->key.p};
    cs_free(key.own);
    e->key = (cs_slice){NULL, 0};
}

void cs_map_destroy(cs_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free_key(&m->entries[i]);
    }
    cs_free(m->entries);
    cs_free(m->slots);
    *m = (cs_map){0};
}

static cs_map_entry *find(const cs_map *m, cs_slice key)
{
    if (m->slots == NULL) {
        return NULL;
    }
    uint32_t hash = cs_hash_bytes(key.p, key.n);
    for (uint32_t at = hash & m->mask; m->slots[at].index != 0; at = (at + 1) & m->mask) {
        cs_map_entry *e = &m->entries[m->slots[at].index - 1];
        if (m->slots[at].hash == hash && e->key.p != NULL && cs_slice_eq(e->key, key)) {
            return e;
        }
    }
    return NULL;
}

static void link_entry(cs_map *m, size_t index)
{
    cs_slice key = m->entries[index].key;
    uint32_t hash = cs_hash_bytes(key.p, key.n);
    uint32_t at = hash & m->mask;
    while (m->slots[at].index != 0) {
        at = (at + 1) & m->mask;
    }
    m->slots[at] = (cs_map_slot){.index = (uint32_t)index + 1, .hash = hash};
}

/* Drops removed entries and makes room for at least one more; slots are twice the entries. */
static void rebuild(cs_map *m)
{
    size_t live = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->entries[i].key.p != NULL) {
            m->entries[live++] = m->entries[i];
        }
    }
    m->n = live;
    size_t cap = FIRST;
    while (cap <= live + live / 4) {
        cap *= 2;
    }
    cs_assert(cap <= UINT32_MAX / 4);
    m->entries = cs_realloc(m->entries, cap * sizeof *m->entries);
    m->cap = cap;
    cs_free(m->slots);
    m->slots = cs_zalloc(cap * 2 * sizeof *m->slots);
    m->mask = (uint32_t)(cap * 2 - 1);
    for (size_t i = 0; i < live; i++) {
        link_entry(m, i);
    }
}

void *cs_map_get(const cs_map *m, cs_slice key)
{
    const cs_map_entry *e = find(m, key);
    return e ? e->value : NULL;
}

void *cs_map_put(cs_map *m, cs_slice key, void *value)
{
    cs_assert(value != NULL);
    cs_map_entry *old = find(m, key);
    if (old != NULL) {
        void *before = old->value;
        old->value = value;
        return before;
    }
    if (m->n == m->cap) {
        rebuild(m);
    }
    char *copy = cs_alloc(key.n + 1);
    if (key.n > 0) {
        memcpy(copy, key.p, key.n);
    }
    copy[key.n] = '\0';
    m->entries[m->n] = (cs_map_entry){.key = {copy, key.n}, .value = value};
    link_entry(m, m->n);
    m->n++;
    m->live++;
    return NULL;
}

void *cs_map_remove(cs_map *m, cs_slice key)
{
    cs_map_entry *e = find(m, key);
    if (e == NULL) {
        return NULL;
    }
    void *value = e->value;
    free_key(e);
    e->value = NULL;
    m->live--;
    return value;
}

const cs_map_entry *cs_map_next(const cs_map *m, size_t *cursor)
{
    while (*cursor < m->n) {
        const cs_map_entry *e = &m->entries[(*cursor)++];
        if (e->key.p != NULL) {
            return e;
        }
    }
    return NULL;
}
