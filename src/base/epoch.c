/* The writer's half of epoch-based reclamation; the argument is in the header. The list of the retired is under a
 * mutex, which readers never touch and which is not held while a destructor runs. */
#include "countersign/base/epoch.h"

#include "countersign/base/mem.h"
#include "countersign/base/thread.h"

typedef struct retired {
    struct retired *next;
    void *object;
    cs_epoch_destroy *destroy;
    uint64_t stamp;
} retired;

struct cs_epoch {
    _Alignas(64) _Atomic uint64_t now; /* starts at 1: 0 in a record means outside */
    _Alignas(64) cs_mutex lock;
    retired *first; /* ascending stamps; under lock */
    retired **last;
    size_t waiting;
    unsigned readers_n;
    cs_epoch_reader readers[];
};

cs_epoch *cs_epoch_new(unsigned readers)
{
    cs_epoch *epoch = cs_zalloc_lines(sizeof *epoch + readers * sizeof(cs_epoch_reader));
    atomic_init(&epoch->now, 1);
    cs_mutex_init(&epoch->lock);
    epoch->last = &epoch->first;
    epoch->readers_n = readers;
    for (unsigned i = 0; i < readers; i++) {
        epoch->readers[i].now = &epoch->now;
    }
    return epoch;
}

cs_epoch_reader *cs_epoch_register(cs_epoch *epoch)
{
    for (unsigned i = 0; i < epoch->readers_n; i++) {
        if (!atomic_exchange(&epoch->readers[i].taken, true)) {
            return &epoch->readers[i];
        }
    }
    cs_broken("more threads than cs_epoch_new was told of", __FILE__, __LINE__);
}

void cs_epoch_unregister(cs_epoch_reader *reader)
{
    cs_assert(!cs_epoch_inside(reader));
    atomic_store(&reader->taken, false);
}

void cs_epoch_retire(cs_epoch *epoch, void *object, cs_epoch_destroy *destroy)
{
    if (object == NULL) {
        return;
    }
    retired *r = cs_alloc(sizeof *r);
    *r = (retired){.object = object, .destroy = destroy};
    cs_mutex_lock(&epoch->lock);
    r->stamp = atomic_fetch_add(&epoch->now, 1);
    *epoch->last = r;
    epoch->last = &r->next;
    epoch->waiting++;
    cs_mutex_unlock(&epoch->lock);
}

/* The lowest epoch that a reader may still be in. */
static uint64_t oldest_reader(cs_epoch *epoch)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < epoch->readers_n; i++) {
        uint64_t entered = atomic_load(&epoch->readers[i].entered);
        if (entered != 0 && entered < oldest) {
            oldest = entered;
        }
    }
    return oldest;
}

/* Unlinks everything stamped below `limit`, oldest first. */
static retired *unlink_below(cs_epoch *epoch, uint64_t limit)
{
    retired *first = epoch->first;
    retired **at = &epoch->first;
    while (*at != NULL && (*at)->stamp < limit) {
        at = &(*at)->next;
        epoch->waiting--;
    }
    retired *rest = *at;
    if (at == &epoch->first) {
        return NULL;
    }
    *at = NULL;
    epoch->first = rest;
    if (rest == NULL) {
        epoch->last = &epoch->first;
    }
    return first;
}

static void destroy_all(retired *r)
{
    while (r != NULL) {
        retired *next = r->next;
        r->destroy(r->object);
        cs_free(r);
        r = next;
    }
}

size_t cs_epoch_collect(cs_epoch *epoch)
{
    cs_mutex_lock(&epoch->lock);
    /* Under the lock, so that nothing is judged that was retired after the records were read. */
    retired *dead = unlink_below(epoch, oldest_reader(epoch));
    cs_mutex_unlock(&epoch->lock);
    destroy_all(dead);
    cs_mutex_lock(&epoch->lock);
    size_t waiting = epoch->waiting;
    cs_mutex_unlock(&epoch->lock);
    return waiting;
}

void cs_epoch_free(cs_epoch *epoch)
{
    if (epoch == NULL) {
        return;
    }
    cs_assert(oldest_reader(epoch) == UINT64_MAX);
    while (cs_epoch_collect(epoch) > 0) {
        /* Destructors retire further objects. */
    }
    cs_mutex_destroy(&epoch->lock);
    cs_free(epoch);
}
