/* Bump allocation with one owner and one lifetime: everything made in an arena dies with it, at once. Nothing is freed
 * alone.
 *
 * Small allocations never fail: when the cap is passed the arena marks itself `exceeded` and goes on a little, and
 * whoever loops (parser, compiler, VM) looks at cs_arena_exceeded at its back edges and stops with CS_ERR_MEMORY. An
 * allocation whose size comes from outside must use cs_arena_try, which refuses. An arena is used by one thread at a
 * time. */
#ifndef CS_BASE_ARENA_H
#define CS_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Under AddressSanitizer what an arena has not given out may not be touched. */
#if defined(__SANITIZE_ADDRESS__)
#define CS_ARENA_GUARDED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CS_ARENA_GUARDED
#endif
#endif
#ifdef CS_ARENA_GUARDED
#include <sanitizer/asan_interface.h>
#define cs_arena_open_(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define cs_arena_close_(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#else
#define cs_arena_open_(p, n) ((void)(p), (void)(n))
#define cs_arena_close_(p, n) ((void)(p), (void)(n))
#endif

typedef struct cs_arena_chunk cs_arena_chunk;

typedef struct cs_arena {
    uint8_t *at;            /* next free byte of the current chunk */
    uint8_t *end;           /* its end */
    cs_arena_chunk *chunks; /* the current chunk first */
    size_t used;            /* bytes of all full chunks */
    size_t cap;             /* most bytes it may hold; SIZE_MAX = unbounded */
    bool exceeded;
    bool pages; /* large chunks are pages of their own */
} cs_arena;

typedef struct cs_arena_mark {
    cs_arena_chunk *chunk;
    uint8_t *at;
    size_t used;
} cs_arena_mark;

/* An empty arena that holds no memory yet. cap 0 means unbounded. */
void cs_arena_init(cs_arena *a, size_t cap);
/* The same for what is large and lives long: its memory goes back to the system when it is destroyed. */
void cs_arena_init_pages(cs_arena *a);
/* Returns all memory; the arena is then as after init. O(chunks). */
void cs_arena_destroy(cs_arena *a);
/* Forgets the content but keeps one chunk for the next user. */
void cs_arena_reset(cs_arena *a);

/* 16-byte aligned, not zeroed, never NULL. */
void *cs_arena_slow(cs_arena *a, size_t size) __attribute__((returns_nonnull));
/* As cs_arena_alloc, but NULL when `size` does not fit under the cap (and then nothing has changed). */
void *cs_arena_try(cs_arena *a, size_t size);

static inline void *cs_arena_alloc(cs_arena *a, size_t size)
{
    size_t need = (size + 15U) & ~(size_t)15U;
    if (__builtin_expect(need <= (size_t)(a->end - a->at) && need >= size, 1)) {
        void *p = a->at;
        a->at += need;
        cs_arena_open_(p, size);
        return p;
    }
    return cs_arena_slow(a, size);
}

static inline void *cs_arena_zalloc(cs_arena *a, size_t size)
{
    return memset(cs_arena_alloc(a, size), 0, size);
}

#define cs_arena_new(arena, type) ((type *)cs_arena_zalloc((arena), sizeof(type)))
#define cs_arena_array(arena, type, count) ((type *)cs_arena_zalloc((arena), sizeof(type) * (size_t)(count)))

/* A copy of n bytes followed by a NUL that is not counted. */
char *cs_arena_dup(cs_arena *a, const char *bytes, size_t n) __attribute__((returns_nonnull));
/* printf into the arena; *n, if wanted, is the length. */
char *cs_arena_printf(cs_arena *a, size_t *n, const char *format, ...)
    __attribute__((format(printf, 3, 4), returns_nonnull));

/* Everything allocated after the mark is forgotten by rewind. Marks nest. */
cs_arena_mark cs_arena_mark_now(const cs_arena *a);
void cs_arena_rewind(cs_arena *a, cs_arena_mark mark);

size_t cs_arena_used(const cs_arena *a);
static inline bool cs_arena_exceeded(const cs_arena *a)
{
    return a->exceeded;
}

#endif
