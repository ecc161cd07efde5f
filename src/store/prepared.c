/* Prepared queries of a world: found without a lock, added under one. The table is a number of sets of eight places;
 * when a set is full the query used longest ago makes room. */
#include "countersign/base/mem.h"
#include "internal.h"

enum { WAYS = 8 };

struct cs_prepared {
    _Atomic uint32_t refs;
    _Atomic uint32_t used; /* the table's clock when it was last found */
    uint32_t hash;
    cs_slice key;
    cs_query *query;
};

struct cs_store__prepared_table {
    uint32_t mask; /* sets - 1 */
    _Atomic uint32_t clock;
    _Atomic(cs_prepared *) places[]; /* (mask + 1) * WAYS */
};

cs_store__prepared_table *cs_store__prepared_new(unsigned room)
{
    uint32_t sets = 1;
    while (sets * WAYS < room) {
        sets *= 2;
    }
    cs_store__prepared_table *t = cs_zalloc(sizeof *t + sets * WAYS * sizeof *t->places);
    t->mask = sets - 1;
    return t;
}

void cs_store__prepared_free(cs_store__prepared_table *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < ((size_t)t->mask + 1) * WAYS; i++) {
        cs_prepared *p = atomic_load(&t->places[i]);
        if (p != NULL) {
            cs_prepared_release(p);
        }
    }
    cs_free(t);
}

const cs_query *cs_prepared_query(const cs_prepared *prepared)
{
    return prepared->query;
}

cs_prepared *cs_prepared_retain(cs_prepared *prepared)
{
    atomic_fetch_add_explicit(&prepared->refs, 1, memory_order_relaxed);
    return prepared;
}

void cs_prepared_release(cs_prepared *prepared)
{
    if (atomic_fetch_sub_explicit(&prepared->refs, 1, memory_order_acq_rel) == 1) {
        cs_query_release(prepared->query);
        cs_free(prepared);
    }
}

static void destroy(void *prepared)
{
    cs_prepared_release(prepared);
}

static cs_prepared *find(const cs_store__prepared_table *t, cs_slice key, uint32_t hash)
{
    const _Atomic(cs_prepared *) *set = &t->places[(size_t)(hash & t->mask) * WAYS];
    for (int i = 0; i < WAYS; i++) {
        cs_prepared *p = atomic_load_explicit(&set[i], memory_order_acquire);
        if (p != NULL && p->hash == hash && cs_slice_eq(p->key, key)) {
            return p;
        }
    }
    return NULL;
}

cs_prepared *cs_world_find(const cs_world *world, cs_slice key)
{
    cs_store__prepared_table *t = world->prepared;
    cs_prepared *p = find(t, key, cs_hash_bytes(key.p, key.n));
    if (p != NULL) {
        /* Written only when it changes, so that workers which all ask the same do not fight for the cache line. */
        uint32_t now = atomic_load_explicit(&t->clock, memory_order_relaxed);
        if (atomic_load_explicit(&p->used, memory_order_relaxed) != now) {
            atomic_store_explicit(&p->used, now, memory_order_relaxed);
        }
    }
    return p;
}

/* An empty place of the set, or the one used longest ago. */
static _Atomic(cs_prepared *) *choose(cs_store__prepared_table *t, uint32_t hash, uint32_t now)
{
    _Atomic(cs_prepared *) *set = &t->places[(size_t)(hash & t->mask) * WAYS];
    _Atomic(cs_prepared *) *oldest = set;
    uint32_t age = 0;
    for (int i = 0; i < WAYS; i++) {
        cs_prepared *p = atomic_load_explicit(&set[i], memory_order_relaxed);
        if (p == NULL) {
            return &set[i];
        }
        uint32_t its = now - atomic_load_explicit(&p->used, memory_order_relaxed);
        if (its > age) {
            age = its;
            oldest = &set[i];
        }
    }
    return oldest;
}

cs_prepared *cs_world_keep(const cs_world *world, cs_slice key, cs_query *query)
{
    cs_store *store = world->store;
    cs_store__prepared_table *t = world->prepared;
    uint32_t hash = cs_hash_bytes(key.p, key.n);
    cs_prepared *p = cs_alloc(sizeof *p + key.n);
    char *text = (char *)(p + 1);
    memcpy(text, key.p, key.n);
    *p = (cs_prepared){.hash = hash, .key = {text, key.n}, .query = query};
    atomic_init(&p->refs, 1);
    cs_mutex_lock(&store->prepared_lock);
    cs_prepared *there = find(t, key, hash);
    if (there == NULL) {
        uint32_t now = atomic_fetch_add_explicit(&t->clock, 1, memory_order_relaxed) + 1;
        atomic_init(&p->used, now);
        cs_prepared *old = atomic_exchange(choose(t, hash, now), p);
        if (old != NULL) {
            cs_epoch_retire(store->epoch, old, destroy);
            atomic_store_explicit(&store->retired, true, memory_order_relaxed);
        }
    }
    cs_mutex_unlock(&store->prepared_lock);
    if (there != NULL) {
        cs_prepared_release(p);
        return there;
    }
    return p;
}
