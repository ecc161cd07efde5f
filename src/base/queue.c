/* A ring of cells, each with a turn number (after D. Vyukov's bounded queue).
 *
 * Cell i of a ring of size S starts with turn i. Turn t of the cell t % S means: free for the putter that draws ticket
 * t. The putter draws it by moving `tail` on (one compare-and-swap decides between putters), writes the item and stores
 * turn t + 1 with release; the taker at position t loads the turn with acquire, hence sees the item and everything
 * written before it. It empties the cell and stores turn t + S with release, and the next putter of that cell loads it
 * with acquire. A putter that finds a turn below its ticket meets a cell that was not emptied yet: the queue is full.
 *
 * Waking. `signalled` says that the eventfd is, or is about to be, readable. A putter publishes its cell and then
 * exchanges signalled := true; who finds false writes to the eventfd. The taker reads the eventfd, then exchanges
 * signalled := false, then looks at the cells. Both exchanges are acquire-release on one variable, so they are ordered:
 * if the putter's comes first, the taker's reads from it (or from a later one) and the cell is visible to the taker; if
 * the taker's comes first, the putter finds false and writes. Either way the item is not left alone. The eventfd is
 * read before the exchange: in the other order a write could be swallowed that belongs to a cell not yet seen. */
#include "countersign/base/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "countersign/base/mem.h"

typedef struct cell {
    _Atomic size_t turn;
    void *item;
} cell;

/* Putters, taker and the rest do not share cache lines. */
struct cs_queue {
    cell *cells;
    size_t mask;
    int fd;
    char pad0[64];
    _Atomic size_t tail; /* next ticket of the putters */
    char pad1[64];
    _Atomic size_t head; /* next position of the taker; written by it alone */
    char pad2[64];
    _Atomic bool signalled;
};

cs_err cs_queue_new(size_t capacity, cs_queue **out, cs_error *e)
{
    cs_assert(capacity <= SIZE_MAX / 64);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        char reason[128];
        return cs_fail(e, CS_ERR_IO, "eventfd: %s", strerror_r(errno, reason, sizeof reason));
    }
    size_t size = 2;
    while (size < capacity) {
        size *= 2;
    }
    cs_queue *q = cs_zalloc(sizeof *q);
    q->fd = fd;
    q->mask = size - 1;
    q->cells = cs_alloc_array(size, sizeof *q->cells);
    for (size_t i = 0; i < size; i++) {
        atomic_init(&q->cells[i].turn, i);
        q->cells[i].item = NULL;
    }
    *out = q;
    return CS_OK;
}

void cs_queue_free(cs_queue *q)
{
    if (q != NULL) {
        (void)close(q->fd);
        cs_free(q->cells);
        cs_free(q);
    }
}

static void signal_taker(cs_queue *q)
{
    if (!atomic_exchange_explicit(&q->signalled, true, memory_order_acq_rel)) {
        uint64_t one = 1;
        /* A counter that is at its maximum is readable already. */
        ssize_t n = write(q->fd, &one, sizeof one);
        cs_assert(n == (ssize_t)sizeof one || errno == EAGAIN);
    }
}

bool cs_queue_put(cs_queue *q, void *item)
{
    cs_assert(item != NULL);
    size_t ticket = atomic_load_explicit(&q->tail, memory_order_relaxed);
    cell *c = NULL;
    for (;;) {
        c = &q->cells[ticket & q->mask];
        size_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
        if (turn == ticket) {
            if (atomic_compare_exchange_weak_explicit(&q->tail, &ticket, ticket + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                break;
            }
        } else if ((ptrdiff_t)(turn - ticket) < 0) {
            return false;
        } else {
            ticket = atomic_load_explicit(&q->tail, memory_order_relaxed);
        }
    }
    c->item = item;
    atomic_store_explicit(&c->turn, ticket + 1, memory_order_release);
    signal_taker(q);
    return true;
}

int cs_queue_fd(const cs_queue *q)
{
    return q->fd;
}

void cs_queue_awake(cs_queue *q)
{
    uint64_t count = 0;
    /* EAGAIN: nothing to clear. */
    ssize_t n = read(q->fd, &count, sizeof count);
    (void)n;
    (void)atomic_exchange_explicit(&q->signalled, false, memory_order_acq_rel);
}

void *cs_queue_take(cs_queue *q)
{
    size_t at = atomic_load_explicit(&q->head, memory_order_relaxed);
    cell *c = &q->cells[at & q->mask];
    if (atomic_load_explicit(&c->turn, memory_order_acquire) != at + 1) {
        return NULL;
    }
    void *item = c->item;
    c->item = NULL;
    atomic_store_explicit(&c->turn, at + q->mask + 1, memory_order_release);
    atomic_store_explicit(&q->head, at + 1, memory_order_relaxed);
    return item;
}

bool cs_queue_wait(cs_queue *q, int timeout_ms)
{
    struct pollfd p = {.fd = q->fd, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) <= 0) {
        return false; /* time is up, or a signal: the caller looks at its own state and comes back */
    }
    cs_queue_awake(q);
    return true;
}

size_t cs_queue_length(const cs_queue *q)
{
    size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    return tail - head <= q->mask + 1 ? tail - head : 0;
}
