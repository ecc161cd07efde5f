/* The queue and the epochs, as far as one thread can see; tests/race has the rest. */
#include <criterion/criterion.h>
#include <poll.h>

#include "countersign/base/epoch.h"
#include "countersign/base/queue.h"
#include "countersign/base/thread.h"

static bool readable(const cs_queue *q)
{
    struct pollfd p = {.fd = cs_queue_fd(q), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

Test(queue, full_and_again)
{
    cs_queue *q = NULL;
    cs_error e;
    cr_assert_eq(cs_queue_new(3, &q, &e), CS_OK);
    int items[5];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
            cr_assert(cs_queue_put(q, &items[i]));
        }
        cr_assert_not(cs_queue_put(q, &items[4]));
        cr_assert_eq(cs_queue_length(q), 4);
        for (int i = 0; i < 4; i++) {
            cr_assert_eq(cs_queue_take(q), &items[i]);
        }
        cr_assert_null(cs_queue_take(q));
    }
    cs_queue_free(q);
}

Test(queue, signals_once_until_awake)
{
    cs_queue *q = NULL;
    cs_error e;
    cr_assert_eq(cs_queue_new(8, &q, &e), CS_OK);
    int item;
    cr_assert_not(readable(q));
    cr_assert_not(cs_queue_wait(q, 0));
    cr_assert(cs_queue_put(q, &item) && cs_queue_put(q, &item));
    cr_assert(readable(q));
    cs_queue_awake(q);
    cr_assert_not(readable(q));
    cr_assert_not_null(cs_queue_take(q));
    cr_assert_not_null(cs_queue_take(q));
    cr_assert(cs_queue_put(q, &item));
    cr_assert(cs_queue_wait(q, 0));
    cs_queue_free(q);
}

static void count(void *object)
{
    (*(int *)object)++;
}

Test(epoch, a_reader_holds_back_what_it_may_see)
{
    cs_epoch *epoch = cs_epoch_new(2);
    cs_epoch_reader *one = cs_epoch_register(epoch);
    cs_epoch_reader *two = cs_epoch_register(epoch);
    int a = 0;
    int b = 0;
    int c = 0;
    cs_epoch_place place = {NULL};
    (void)cs_epoch_swap(&place, &a);
    cs_epoch_enter(one);
    cr_assert_eq(cs_epoch_read(&place), &a);
    cs_epoch_retire(epoch, cs_epoch_swap(&place, &b), count);
    cs_epoch_enter(two);
    cr_assert_eq(cs_epoch_read(&place), &b);
    cr_assert_eq(cs_epoch_collect(epoch), 1);
    cs_epoch_retire(epoch, cs_epoch_swap(&place, &c), count);
    cs_epoch_leave(one);
    /* The second reader came after the first retirement: only the second waits for it. */
    cr_assert_eq(cs_epoch_collect(epoch), 1);
    cr_assert(a == 1 && b == 0);
    cs_epoch_leave(two);
    cr_assert_eq(cs_epoch_collect(epoch), 0);
    cr_assert(a == 1 && b == 1 && c == 0);
    cs_epoch_retire(epoch, NULL, count);
    cs_epoch_retire(epoch, &c, count);
    cs_epoch_unregister(one);
    cs_epoch_unregister(two);
    cs_epoch_free(epoch);
    cr_assert_eq(c, 1);
}

Test(epoch, records_are_given_back_and_alone_on_their_lines)
{
    cs_epoch *epoch = cs_epoch_new(2);
    cs_epoch_reader *one = cs_epoch_register(epoch);
    cs_epoch_reader *two = cs_epoch_register(epoch);
    cr_assert_neq(one, two);
    cr_assert_eq((uintptr_t)one % 64, 0);
    cr_assert_geq((uintptr_t)two - (uintptr_t)one, 64);
    cs_epoch_unregister(one);
    cr_assert_eq(cs_epoch_register(epoch), one);
    cs_epoch_free(epoch);
}

static void set(void *self)
{
    *(bool *)self = true;
}

Test(thread, runs_and_joins)
{
    cs_thread t = {0};
    bool ran = false;
    cs_error e;
    cr_assert_eq(cs_thread_start(&t, "a-name-that-is-too-long", set, &ran, &e), CS_OK);
    cs_thread_join(&t);
    cs_thread_join(&t);
    cr_assert(ran);
    cr_assert_geq(cs_cpu_count(), 1);
}

Test(thread, condition_times_out)
{
    cs_mutex m;
    cs_cond c;
    cs_mutex_init(&m);
    cs_cond_init(&c);
    cs_mutex_lock(&m);
    cr_assert_not(cs_cond_wait_for(&c, &m, 1000000));
    cs_mutex_unlock(&m);
    cs_cond_destroy(&c);
    cs_mutex_destroy(&m);
}
