/* One event base per thread, a list of functions posted from other threads, timers. */
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "internal.h"

typedef struct posted {
    struct posted *next;
    cs_loop_fn *fn;
    void *self;
} posted;

struct cs_timer {
    struct event event;
    cs_loop *loop;
    cs_loop_fn *fn;
    void *self;
};

struct cs_loop {
    struct event_base *base;
    struct event wake;
    int fd;
    cs_mutex lock; /* guards the list and `stop` */
    posted *first, **last;
    bool stop;
};

struct event_base *cs_net__base(cs_loop *loop)
{
    return loop->base;
}

static void run_posted(evutil_socket_t fd, short what, void *self)
{
    (void)what;
    cs_loop *loop = self;
    uint64_t count;
    ssize_t got = read((int)fd, &count, sizeof count);
    (void)got; /* non-blocking: nothing to read is fine */
    cs_mutex_lock(&loop->lock);
    posted *list = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    bool stop = loop->stop;
    cs_mutex_unlock(&loop->lock);
    while (list != NULL) {
        posted *next = list->next;
        list->fn(list->self);
        cs_free(list);
        list = next;
    }
    if (stop) {
        (void)event_base_loopbreak(loop->base);
    }
}

cs_err cs_loop_new(cs_loop **out, cs_error *e)
{
    struct event_config *config = event_config_new();
    cs_loop *loop = cs_zalloc(sizeof *loop);
    loop->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (config != NULL) {
        /* No lock in the base: it is touched by one thread only. */
        (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (loop->base == NULL || loop->fd < 0) {
        if (loop->base != NULL) {
            event_base_free(loop->base);
        }
        if (loop->fd >= 0) {
            (void)close(loop->fd);
        }
        cs_free(loop);
        return cs_fail(e, CS_ERR_IO, "no file descriptor left for an event loop");
    }
    cs_mutex_init(&loop->lock);
    loop->last = &loop->first;
    (void)event_assign(&loop->wake, loop->base, loop->fd, EV_READ | EV_PERSIST, run_posted, loop);
    (void)event_add(&loop->wake, NULL);
    *out = loop;
    return CS_OK;
}

void cs_loop_free(cs_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->first != NULL) {
        posted *next = loop->first->next;
        cs_free(loop->first);
        loop->first = next;
    }
    (void)event_del(&loop->wake);
    event_base_free(loop->base);
    (void)close(loop->fd);
    cs_mutex_destroy(&loop->lock);
    cs_free(loop);
}

void cs_loop_run(cs_loop *loop)
{
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void wake(const cs_loop *loop)
{
    uint64_t one = 1;
    ssize_t put = write(loop->fd, &one, sizeof one);
    (void)put; /* a full counter wakes as well */
}

void cs_loop_post(cs_loop *loop, cs_loop_fn *fn, void *self)
{
    posted *p = cs_alloc(sizeof *p);
    *p = (posted){.fn = fn, .self = self};
    cs_mutex_lock(&loop->lock);
    bool first = loop->first == NULL;
    *loop->last = p;
    loop->last = &p->next;
    cs_mutex_unlock(&loop->lock);
    if (first) {
        wake(loop);
    }
}

void cs_loop_stop(cs_loop *loop)
{
    cs_mutex_lock(&loop->lock);
    loop->stop = true;
    cs_mutex_unlock(&loop->lock);
    wake(loop);
}

/* ---- timers */

static void fire(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    cs_timer *timer = self;
    timer->fn(timer->self);
}

cs_timer *cs_timer_new(cs_loop *loop, cs_loop_fn *fn, void *self)
{
    cs_timer *timer = cs_zalloc(sizeof *timer);
    timer->loop = loop;
    timer->fn = fn;
    timer->self = self;
    (void)event_assign(&timer->event, loop->base, -1, 0, fire, timer);
    return timer;
}

void cs_timer_start(cs_timer *timer, int64_t delay_ns)
{
    struct timeval after = {.tv_sec = delay_ns / CS_NS_PER_S, .tv_usec = delay_ns % CS_NS_PER_S / 1000};
    (void)event_add(&timer->event, &after);
}

void cs_timer_free(cs_timer *timer)
{
    if (timer != NULL) {
        (void)event_del(&timer->event);
        cs_free(timer);
    }
}
