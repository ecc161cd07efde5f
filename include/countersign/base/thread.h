/* Threads, and the few locks that there are. Threads talk through queue.h; a mutex guards control data only, and
 * nothing waits for a socket or a disk while holding one. */
#ifndef CS_BASE_THREAD_H
#define CS_BASE_THREAD_H

#include <pthread.h>

#include "countersign/base/err.h"

typedef struct cs_thread {
    pthread_t id;
    bool running; /* started and not joined yet */
} cs_thread;

typedef void cs_thread_main(void *self);

/* The stack of every thread. Values are as deep as the limit json_depth, and what recurses over them may use up to 6
 * KiB a level (with sanitizers, too); memory is only used as far as a stack was ever deep. */
#define CS_THREAD_STACK_BYTES ((size_t)64 * 1024 * 1024)
/* Lets the main thread's stack grow as far as that. Best effort: the system may allow less. Before other threads. */
void cs_thread_grow_main(void);
/* Starts a thread with such a stack and every asynchronous signal blocked (signals belong to the main thread). `name`
 * shows up in ps and debuggers, cut to 15 bytes. `self` must outlive the thread. CS_ERR_IO if the system refuses. */
CS_MUST_CHECK cs_err cs_thread_start(cs_thread *t, const char *name, cs_thread_main *run, void *self, cs_error *e);
/* Waits for its end. Does nothing for a thread that was never started. */
void cs_thread_join(cs_thread *t);
/* Puts the calling thread behind the others (for bundle builders). Best effort. */
void cs_thread_be_nice(void);

typedef pthread_mutex_t cs_mutex;
#define CS_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER
void cs_mutex_init(cs_mutex *m);
void cs_mutex_destroy(cs_mutex *m);
void cs_mutex_lock(cs_mutex *m);
void cs_mutex_unlock(cs_mutex *m);

/* A condition on the monotonic clock. */
typedef pthread_cond_t cs_cond;
void cs_cond_init(cs_cond *c);
void cs_cond_destroy(cs_cond *c);
void cs_cond_wait(cs_cond *c, cs_mutex *m);
/* false if `timeout_ns` passed first. Both may wake without cause: test the condition in a loop. */
bool cs_cond_wait_for(cs_cond *c, cs_mutex *m, int64_t timeout_ns);
void cs_cond_signal(cs_cond *c);
void cs_cond_broadcast(cs_cond *c);

/* cs_once_run(&once, f) runs f once in the life of the process, before any caller returns. */
typedef pthread_once_t cs_once;
#define CS_ONCE_INIT PTHREAD_ONCE_INIT
void cs_once_run(cs_once *once, void (*run)(void));

/* CPUs this process may use: its affinity, and the quota of its control group rounded up. At least 1. */
unsigned cs_cpu_count(void);

#endif
