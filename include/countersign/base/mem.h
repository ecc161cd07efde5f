/* The only caller of malloc. Running out of the machine's memory ends the process with a message (a policy service that
 * guesses is worse than one that restarts); what a request or a file may use is bounded before, by an arena's cap.
 * Thread-safe. */
#ifndef CS_BASE_MEM_H
#define CS_BASE_MEM_H

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

/* Bytes that live allocations of this process hold (a figure for metrics, sampled without a lock). */
uint64_t cs_mem_in_use(void);

#endif
