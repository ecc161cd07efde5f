/* Epoch-based reclamation: readers look at a published object without lock or count; a writer replaces it and destroys
 * the old one when no reader can still see it.
 *
 *   reader (a worker thread)                        writer (the control thread)
 *     cs_epoch_enter(me);                             old = cs_epoch_swap(&place, new);
 *     world *w = cs_epoch_read(&place);               cs_epoch_retire(epoch, old, world_free);
 *     ... use w ...                                   cs_epoch_collect(epoch);
 *     cs_epoch_leave(me);
 *
 * Why it is right. `now` counts retirements. Entering stores the value of `now` in the reader's record; retiring stamps
 * the object with `now` and moves `now` on; an object may be destroyed when every record is 0 (outside) or greater than
 * its stamp.
 *
 * A record greater than the stamp: the reader loaded `now` after the retirement had moved it on (acquire from release),
 * and the swap came before that. So its read, which is later still, finds the new object.
 *
 * A record found 0 while its reader is about to enter: the store to the record, the read of the place, the swap and the
 * collector's load of the record are all sequentially consistent, hence in one order. The collector found 0, so its
 * load comes before the store; the swap comes before the load, the read after the store: the reader finds the new
 * object.
 *
 * A record found 0 after its reader left: leaving is a release and the collector's load an acquire, so all that the
 * reader did with the object happens before the destructor.
 *
 * A reader that loaded `now`, slept, and stored it late holds back more than it must, never less.
 *
 * A reference that outlives cs_epoch_leave (a query that is parked on a socket) must be counted by the object itself.
 */
#ifndef CS_BASE_EPOCH_H
#define CS_BASE_EPOCH_H

#include <stdatomic.h>

#include "countersign/base/err.h"

typedef struct cs_epoch cs_epoch;

/* One per reading thread, alone on its cache line: entering is one store that no other thread's store disturbs. */
typedef struct cs_epoch_reader {
    _Alignas(64) _Atomic uint64_t entered; /* 0 = outside */
    const _Atomic uint64_t *now;
    _Atomic bool taken;
} cs_epoch_reader;

/* A place where an object is published. Zeroed memory is an empty place; the initialiser is {NULL}. */
typedef struct cs_epoch_place {
    _Atomic(void *) object;
} cs_epoch_place;

typedef void cs_epoch_destroy(void *object);

/* For at most `readers` registered threads at a time. */
cs_epoch *cs_epoch_new(unsigned readers);
/* Destroys what is retired; no reader may be inside, and none may come. NULL is allowed. */
void cs_epoch_free(cs_epoch *epoch);

/* The calling thread's record, until unregistered. Asserts that there is one left. Thread-safe. */
cs_epoch_reader *cs_epoch_register(cs_epoch *epoch);
void cs_epoch_unregister(cs_epoch_reader *reader);

/* Only the thread that registered. Not nested. Between the two, what cs_epoch_read returns stays alive. */
static inline void cs_epoch_enter(cs_epoch_reader *reader)
{
    atomic_store(&reader->entered, atomic_load_explicit(reader->now, memory_order_acquire));
}
static inline void cs_epoch_leave(cs_epoch_reader *reader)
{
    atomic_store_explicit(&reader->entered, 0, memory_order_release);
}
static inline bool cs_epoch_inside(const cs_epoch_reader *reader)
{
    return atomic_load_explicit(&reader->entered, memory_order_relaxed) != 0;
}

/* What is published at a place, or NULL. */
static inline void *cs_epoch_read(const cs_epoch_place *place)
{
    return atomic_load(&place->object);
}
/* Publishes `object` (or NULL) and returns what was there, which the caller must retire. */
static inline void *cs_epoch_swap(cs_epoch_place *place, void *object)
{
    return atomic_exchange(&place->object, object);
}

/* Hands over an object that can no longer be found by anyone who enters now; destroy(object) runs in a later
 * cs_epoch_collect or cs_epoch_free, on that caller's thread. Any thread. NULL objects are ignored. */
void cs_epoch_retire(cs_epoch *epoch, void *object, cs_epoch_destroy *destroy);
/* Destroys what no reader can see any more, and returns how many objects are still waiting. Any thread that is not
 * inside; a destructor may retire further objects. Call it after retiring, and now and then. */
size_t cs_epoch_collect(cs_epoch *epoch);

#endif
