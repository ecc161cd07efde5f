/* Readers, a writer and the collector on one place: whoever reads finds a live object. Under ThreadSanitizer; the
 * destructor poisons what it destroys, so a premature one is seen without it too. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/epoch.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"

#define READERS 3
#define ROUNDS 3000

typedef struct thing {
    uint64_t a;
    uint64_t b; /* always ~a */
} thing;

static cs_epoch *epoch;
static cs_epoch_place place;
static _Atomic bool done;
static _Atomic uint64_t torn;
static _Atomic uint64_t reads;
static _Atomic uint64_t destroyed;

static thing *thing_new(uint64_t a)
{
    thing *t = cs_alloc(sizeof *t);
    *t = (thing){a, ~a};
    return t;
}

static void thing_free(void *object)
{
    thing *t = object;
    *t = (thing){1, 1};
    atomic_fetch_add(&destroyed, 1);
    cs_free(t);
}

static void read_all(void *self)
{
    (void)self;
    cs_epoch_reader *me = cs_epoch_register(epoch);
    uint64_t last = 0;
    while (!atomic_load(&done)) {
        cs_epoch_enter(me);
        const thing *t = cs_epoch_read(&place);
        /* Objects are published in order, so no reader may go back. */
        if (t->a != ~t->b || t->a < last) {
            atomic_fetch_add(&torn, 1);
        }
        last = t->a;
        cs_epoch_leave(me);
        atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
    }
    cs_epoch_unregister(me);
}

int main(void)
{
    cs_thread threads[READERS] = {0};
    cs_error e;
    epoch = cs_epoch_new(READERS);
    (void)cs_epoch_swap(&place, thing_new(1));
    for (int i = 0; i < READERS; i++) {
        if (cs_thread_start(&threads[i], "reader", read_all, NULL, &e) != CS_OK) {
            return 2;
        }
    }
    size_t most = 0;
    for (uint64_t i = 2; i < ROUNDS + 2 || atomic_load(&reads) < ROUNDS; i++) {
        cs_epoch_retire(epoch, cs_epoch_swap(&place, thing_new(i)), thing_free);
        size_t waiting = cs_epoch_collect(epoch);
        most = waiting > most ? waiting : most;
    }
    atomic_store(&done, true);
    for (int i = 0; i < READERS; i++) {
        cs_thread_join(&threads[i]);
    }
    thing_free(cs_epoch_swap(&place, NULL));
    cs_epoch_free(epoch);
    bool good = atomic_load(&torn) == 0 && atomic_load(&destroyed) > ROUNDS && atomic_load(&reads) >= ROUNDS;
    printf("epoch: %llu reads, %llu destroyed, %zu waiting at most, %llu torn\n", (unsigned long long)reads,
           (unsigned long long)destroyed, most, (unsigned long long)torn);
    return good ? 0 : 1;
}
