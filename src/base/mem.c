/* The only caller of malloc, calloc, realloc and free. */
#include "countersign/base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "countersign/base/err.h"
#include "countersign/base/pages.h"

/* Bytes in use, spread over cache lines so that threads that allocate do not meet. One thread may allocate and another
 * free, so a shard may be negative; only the sum means something. */
#define SHARDS 16U
static struct {
    _Alignas(64) _Atomic int64_t bytes;
} shards[SHARDS];
static _Atomic unsigned next_shard;
static _Thread_local unsigned my_shard; /* 1-based; 0 = not chosen yet */

static _Atomic bool counting;
static _Atomic uint64_t counted_allocations, counted_bytes;

bool cs_mem_counting(void)
{
    return atomic_load_explicit(&counting, memory_order_relaxed);
}

void cs_mem_note(size_t bytes)
{
    atomic_fetch_add_explicit(&counted_allocations, 1U, memory_order_relaxed);
    atomic_fetch_add_explicit(&counted_bytes, bytes, memory_order_relaxed);
}

void cs_mem_count_start(void)
{
    atomic_store(&counted_allocations, 0);
    atomic_store(&counted_bytes, 0);
    atomic_store(&counting, true);
}

cs_mem_count cs_mem_count_stop(void)
{
    atomic_store(&counting, false);
    return (cs_mem_count){atomic_load(&counted_allocations), atomic_load(&counted_bytes)};
}

static void count(int64_t bytes)
{
    if (my_shard == 0) {
        my_shard = atomic_fetch_add_explicit(&next_shard, 1U, memory_order_relaxed) % SHARDS + 1U;
    }
    atomic_fetch_add_explicit(&shards[my_shard - 1U].bytes, bytes, memory_order_relaxed);
}

_Noreturn static void out_of_memory(void)
{
    cs_broken("the machine has no memory left", "malloc", 0);
}

/* One more that lives. */
static void *made(void *p, size_t size)
{
    if (p == NULL) {
        out_of_memory();
    }
    if (cs_mem_counting()) {
        cs_mem_note(size);
    }
    count((int64_t)malloc_usable_size(p));
    return p;
}

void *cs_alloc(size_t size)
{
    return made(malloc(size ? size : 1), size);
}

void *cs_alloc_uncounted(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (p == NULL) {
        out_of_memory();
    }
    count((int64_t)malloc_usable_size(p));
    return p;
}

void *cs_zalloc(size_t size)
{
    return made(calloc(1, size ? size : 1), size);
}

void *cs_zalloc_lines(size_t size)
{
    size_t whole = (size + 63U) & ~(size_t)63U;
    if (whole < size) {
        out_of_memory();
    }
    return memset(made(aligned_alloc(64, whole ? whole : 64), whole), 0, whole);
}

void *cs_alloc_array(size_t number, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(number, size, &total)) {
        out_of_memory();
    }
    return cs_alloc(total);
}

void *cs_realloc(void *p, size_t size)
{
    int64_t before = p ? (int64_t)malloc_usable_size(p) : 0;
    void *q = realloc(p, size ? size : 1);
    if (q == NULL) {
        out_of_memory();
    }
    if (cs_mem_counting()) {
        cs_mem_note(size);
    }
    count((int64_t)malloc_usable_size(q) - before);
    return q;
}

void cs_free(void *p)
{
    if (p != NULL) {
        count(-(int64_t)malloc_usable_size(p));
        free(p);
    }
}

/* ---- large tables */

#define PAGE ((size_t)4096)
#define LARGE_PAGE ((size_t)2 << 20)

static size_t whole_pages(size_t bytes)
{
    size_t page = bytes >= LARGE_PAGE ? LARGE_PAGE : PAGE;
    size_t whole = (bytes + page - 1) & ~(page - 1);
    if (whole < bytes) {
        out_of_memory();
    }
    return whole;
}

/* Fresh pages; large ones begin where a large page can. */
static char *map(size_t whole)
{
    size_t slack = whole >= LARGE_PAGE ? LARGE_PAGE : 0;
    char *p = mmap(NULL, whole + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        out_of_memory();
    }
    if (slack != 0) {
        size_t before = (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
        if (before != 0) {
            (void)munmap(p, before);
        }
        if (before != slack) {
            (void)munmap(p + before + whole, slack - before);
        }
        p += before;
        (void)madvise(p, whole, MADV_HUGEPAGE); /* a wish */
    }
    return p;
}

void *cs_pages(void *p, size_t from, size_t to)
{
    size_t before = p != NULL ? whole_pages(from) : 0;
    size_t after = to != 0 ? whole_pages(to) : 0;
    count((int64_t)after - (int64_t)before);
    if (p != NULL && to != 0 && to < from) {
        memset((char *)p + to, 0, (from < after ? from : after) - to);
    }
    if (after == before) {
        return p;
    }
    if (after < before && (after >= LARGE_PAGE || before < LARGE_PAGE)) {
        (void)munmap((char *)p + after, before - after);
        return after != 0 ? p : NULL;
    }
    char *fresh = after != 0 ? map(after) : NULL;
    if (before >= LARGE_PAGE && after >= LARGE_PAGE) { /* its page tables move, not what is in it */
        if (mremap(p, before, after, MREMAP_MAYMOVE | MREMAP_FIXED, fresh) == MAP_FAILED) {
            out_of_memory();
        }
    } else if (before != 0) {
        if (after != 0) {
            memcpy(fresh, p, before < after ? before : after);
        }
        (void)munmap(p, before);
    }
    return fresh;
}

void cs_mem_discard(const void *p, size_t n)
{
    uintptr_t from = ((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t to = ((uintptr_t)p + n) & ~(uintptr_t)(PAGE - 1);
    if (from < to) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

void cs_mem_trim(void)
{
    (void)malloc_trim(0);
}

char *cs_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = cs_alloc(n);
    memcpy(copy, text, n);
    return copy;
}

uint64_t cs_mem_in_use(void)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        sum += atomic_load_explicit(&shards[i].bytes, memory_order_relaxed);
    }
    return sum > 0 ? (uint64_t)sum : 0;
}
