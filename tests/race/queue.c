/* Putters against one taker that sleeps on the eventfd: nothing is lost, nothing comes twice, each putter's order is
 * kept, and no wake-up is missed (the taker would sleep for ever). */
#include <sched.h>
#include <stdio.h>

#include "countersign/base/mem.h"
#include "countersign/base/queue.h"
#include "countersign/base/thread.h"

#define PUTTERS 3
#define ITEMS 5000

typedef struct item {
    unsigned putter;
    unsigned number;
} item;

static cs_queue *queue;

static void put_all(void *self)
{
    unsigned putter = *(const unsigned *)self;
    for (unsigned i = 0; i < ITEMS; i++) {
        item *it = cs_alloc(sizeof *it);
        *it = (item){putter, i};
        while (!cs_queue_put(queue, it)) {
            (void)sched_yield();
        }
    }
}

int main(void)
{
    cs_thread threads[PUTTERS] = {0};
    unsigned numbers[PUTTERS];
    unsigned next[PUTTERS] = {0};
    unsigned total = 0;
    unsigned wrong = 0;
    cs_error e;
    if (cs_queue_new(16, &queue, &e) != CS_OK) {
        return 2;
    }
    for (unsigned i = 0; i < PUTTERS; i++) {
        numbers[i] = i;
        if (cs_thread_start(&threads[i], "putter", put_all, &numbers[i], &e) != CS_OK) {
            return 2;
        }
    }
    while (total < PUTTERS * ITEMS) {
        if (!cs_queue_wait(queue, 10000)) {
            printf("queue: no wake-up for ten seconds after %u items\n", total);
            return 1;
        }
        for (item *it = cs_queue_take(queue); it != NULL; it = cs_queue_take(queue)) {
            wrong += it->number != next[it->putter]++;
            total++;
            cs_free(it);
        }
    }
    for (unsigned i = 0; i < PUTTERS; i++) {
        cs_thread_join(&threads[i]);
    }
    wrong += cs_queue_take(queue) != NULL;
    cs_queue_free(queue);
    printf("queue: %u items, %u wrong\n", total, wrong);
    return wrong == 0 ? 0 : 1;
}
