/* Two levels: direct-mapped slots of the thread, then sets of a few ways with a lock each. An entry lives as long as
 * somebody counts on it: the shared table, or the slot of a thread. */
#include "rego/builtin/cache.h"

#include <stdatomic.h>

#include "countersign/base/mem.h"

#define SETS                                                                                                           \
    1024U /* 4,096 patterns; OPA keeps 100 of each kind, and compiles those of a larger policy again and again */
#define WAYS 8U
#define SLOTS 64U

typedef struct entry {
    _Atomic uint32_t owners;
    uint32_t hash;
    cs_cached kind;
    void *object;
    void (*release)(void *object);
    uint32_t n;
    char key[];
} entry;

typedef struct set {
    atomic_flag lock;
    uint32_t next; /* way to give up next */
    entry *ways[WAYS];
} set;

static set shared[SETS];
static _Thread_local entry *slots[SLOTS];

static bool is(const entry *e, uint32_t hash, cs_cached kind, cs_slice key)
{
    return e && e->hash == hash && e->kind == kind && e->n == key.n && memcmp(e->key, key.p, key.n) == 0;
}

static void drop(entry *e)
{
    if (e && atomic_fetch_sub_explicit(&e->owners, 1, memory_order_acq_rel) == 1) {
        e->release(e->object);
        cs_free(e);
    }
}

static void lock(set *s)
{
    while (atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire)) {
    }
}

static void unlock(set *s)
{
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

/* The entry with one more owner, or NULL. */
static entry *find_shared(uint32_t hash, cs_cached kind, cs_slice key)
{
    set *s = &shared[hash % SETS];
    entry *found = NULL;
    lock(s);
    for (uint32_t i = 0; i < WAYS && !found; i++) {
        if (is(s->ways[i], hash, kind, key)) {
            found = s->ways[i];
            atomic_fetch_add_explicit(&found->owners, 1, memory_order_relaxed);
        }
    }
    unlock(s);
    return found;
}

static void add_shared(entry *e)
{
    set *s = &shared[e->hash % SETS];
    lock(s);
    entry *old = s->ways[s->next];
    s->ways[s->next] = e;
    s->next = (s->next + 1) % WAYS;
    unlock(s);
    drop(old);
}

cs_err cs_cache__get(cs_cached kind, cs_slice key, cs_cache_make *make, void *context, void (*release)(void *object),
                     void **object)
{
    uint32_t hash = cs_hash_bytes(key.p, key.n) + (uint32_t)kind;
    entry **slot = &slots[(hash >> 8) % SLOTS];
    if (is(*slot, hash, kind, key)) {
        *object = (*slot)->object;
        return CS_OK;
    }
    entry *e = find_shared(hash, kind, key);
    if (!e) {
        void *made;
        CS_TRY(make(context, key, &made));
        e = cs_alloc(sizeof *e + key.n);
        atomic_init(&e->owners, 2);
        e->hash = hash;
        e->kind = kind;
        e->object = made;
        e->release = release;
        e->n = (uint32_t)key.n;
        memcpy(e->key, key.p, key.n);
        add_shared(e);
    }
    drop(*slot);
    *slot = e;
    *object = e->object;
    return CS_OK;
}
