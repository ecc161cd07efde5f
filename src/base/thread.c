/* pthreads, with their errors turned into cs_err where they can happen and asserted where they cannot. */
#include "countersign/base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"

typedef struct start {
    cs_thread_main *run;
    void *self;
} start;

static void *begin(void *arg)
{
    start s = *(start *)arg;
    cs_free(arg);
    s.run(s.self);
    return NULL;
}

/* All signals but those that a faulty instruction raises in its own thread. */
static void block_signals(sigset_t *old)
{
    sigset_t set;
    (void)sigfillset(&set);
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        (void)sigdelset(&set, own[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &set, old);
}

void cs_thread_grow_main(void)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_STACK, &now) == 0 && now.rlim_cur < CS_THREAD_STACK_BYTES) {
        bool enough = now.rlim_max == RLIM_INFINITY || now.rlim_max >= CS_THREAD_STACK_BYTES;
        now.rlim_cur = enough ? CS_THREAD_STACK_BYTES : now.rlim_max;
        (void)setrlimit(RLIMIT_STACK, &now);
    }
}

cs_err cs_thread_start(cs_thread *t, const char *name, cs_thread_main *run, void *self, cs_error *e)
{
    start *s = cs_alloc(sizeof *s);
    *s = (start){run, self};
    pthread_attr_t attr;
    cs_assert(pthread_attr_init(&attr) == 0);
    (void)pthread_attr_setstacksize(&attr, CS_THREAD_STACK_BYTES);
    /* The new thread inherits the mask, so no signal can slip in before it would have set its own. */
    sigset_t old;
    block_signals(&old);
    int rc = pthread_create(&t->id, &attr, begin, s);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (rc != 0) {
        cs_free(s);
        char reason[128];
        return cs_fail(e, CS_ERR_IO, "start thread %s: %s", name, strerror_r(rc, reason, sizeof reason));
    }
    char cut[16];
    (void)snprintf(cut, sizeof cut, "%.15s", name);
    (void)pthread_setname_np(t->id, cut);
    t->running = true;
    return CS_OK;
}

void cs_thread_join(cs_thread *t)
{
    if (t->running) {
        cs_assert(pthread_join(t->id, NULL) == 0);
        t->running = false;
    }
}

void cs_thread_be_nice(void)
{
    /* On Linux the priority is the thread's, not the process's. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
}

void cs_mutex_init(cs_mutex *m)
{
    cs_assert(pthread_mutex_init(m, NULL) == 0);
}

void cs_mutex_destroy(cs_mutex *m)
{
    cs_assert(pthread_mutex_destroy(m) == 0);
}

void cs_mutex_lock(cs_mutex *m)
{
    cs_assert(pthread_mutex_lock(m) == 0);
}

void cs_mutex_unlock(cs_mutex *m)
{
    cs_assert(pthread_mutex_unlock(m) == 0);
}

void cs_cond_init(cs_cond *c)
{
    pthread_condattr_t attr;
    cs_assert(pthread_condattr_init(&attr) == 0);
    cs_assert(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    cs_assert(pthread_cond_init(c, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

void cs_cond_destroy(cs_cond *c)
{
    cs_assert(pthread_cond_destroy(c) == 0);
}

void cs_cond_wait(cs_cond *c, cs_mutex *m)
{
    cs_assert(pthread_cond_wait(c, m) == 0);
}

bool cs_cond_wait_for(cs_cond *c, cs_mutex *m, int64_t timeout_ns)
{
    int64_t until = cs_time_mono_ns();
    if (__builtin_add_overflow(until, timeout_ns, &until)) {
        until = INT64_MAX;
    }
    struct timespec at = {.tv_sec = until / CS_NS_PER_S, .tv_nsec = until % CS_NS_PER_S};
    return pthread_cond_timedwait(c, m, &at) == 0;
}

void cs_cond_signal(cs_cond *c)
{
    cs_assert(pthread_cond_signal(c) == 0);
}

void cs_cond_broadcast(cs_cond *c)
{
    cs_assert(pthread_cond_broadcast(c) == 0);
}

void cs_once_run(cs_once *once, void (*run)(void))
{
    cs_assert(pthread_once(once, run) == 0);
}

/* "max 100000" or "150000 100000": quota and period in microseconds (cgroup v2). 0 if there is no quota. */
static unsigned quota_cpus(void)
{
    cs_buf file;
    cs_buf_init(&file);
    uint64_t quota = 0;
    uint64_t period = 0;
    unsigned cpus = 0;
    if (cs_file_read("/sys/fs/cgroup/cpu.max", 4096, &file, NULL) == CS_OK) {
        cs_slice rest = cs_slice_trim(cs_buf_view(&file));
        cs_slice first = {0};
        cs_slice second = {0};
        if (cs_slice_next(&rest, ' ', &first) && cs_slice_next(&rest, ' ', &second) && cs_slice_u64(first, &quota) &&
            cs_slice_u64(second, &period) && period > 0) {
            uint64_t whole = quota / period + (quota % period != 0);
            cpus = whole < 1 ? 1 : whole > 4096 ? 4096 : (unsigned)whole;
        }
    }
    cs_buf_destroy(&file);
    return cpus;
}

unsigned cs_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    unsigned cpus = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        cpus = (unsigned)CPU_COUNT(&set);
    } else {
        /* More CPUs than the set has bits. */
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cpus = online > 0 ? (unsigned)online : 1;
    }
    unsigned quota = quota_cpus();
    cpus = quota != 0 && quota < cpus ? quota : cpus;
    return cpus > 0 ? cpus : 1;
}
