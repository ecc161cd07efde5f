/* The only caller of malloc. Running out of the machine's memory ends the process with a message (a policy service that
 * guesses is worse than one that restarts); what a request or a file may use is bounded before, by an arena's cap.
 * Thread-safe. */
#ifndef CS_BASE_MEM_H
#define CS_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Never NULL. The caller frees with cs_free. Zeroed by cs_zalloc only. */
void *cs_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *cs_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
/* Zeroed, and on cache lines of its own (64-byte aligned, the size rounded up). */
void *cs_zalloc_lines(size_t size) __attribute__((malloc, returns_nonnull));
/* count * size with the overflow checked. */
void *cs_alloc_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* Grows or shrinks; p may be NULL. Never NULL. */
void *cs_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void cs_free(void *p);
char *cs_strdup(const char *text) __attribute__((malloc, returns_nonnull));

/* The system may take the whole pages between p and p + n: nobody wants what is in them. They read as zeros then, and
 * are freed as before. */
void cs_mem_discard(const void *p, size_t n);

/* What the heap holds in reserve goes back to the system: after something large. */
void cs_mem_trim(void);

/* Bytes that live allocations of this process hold (a figure for metrics, sampled without a lock). */
uint64_t cs_mem_in_use(void);

/* Counting of allocations, for benchmarks: calls of the functions above and of arenas (not the chunks that arenas are
 * cut from), by all threads together. While it is off, which is the rule, it costs a test where memory is slow anyway.
 * An arena with a chunk notices the switch when it is reset, rewound or runs out of the chunk. */
typedef struct cs_mem_count {
    uint64_t allocations, bytes;
} cs_mem_count;
/* From zero. */
void cs_mem_count_start(void);
cs_mem_count cs_mem_count_stop(void);
bool cs_mem_counting(void);
/* For arenas: one allocation, and what they cut allocations from, which is none. */
void cs_mem_note(size_t bytes);
void *cs_alloc_uncounted(size_t size) __attribute__((malloc, returns_nonnull));

#endif
