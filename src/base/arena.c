/* Chunks double from FIRST to LAST bytes. `used` counts whole chunks, their unused ends included, so the cap bounds
 * what the arena really holds. The end of the current chunk is drawn in at the cap: the inline path then meets the cap
 * without a test. While allocations are counted (mem.h) it is drawn in to where the next one starts, so that every
 * allocation takes the slow path, which counts it.
 *
 * `exceeded` stays set over a rewind: whoever forgets the content that passed the cap has passed it all the same. */
#include "countersign/base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/err.h"
#include "countersign/base/mem.h"
#include "countersign/base/pages.h"

struct cs_arena_chunk {
    cs_arena_chunk *next;
    size_t size;  /* bytes of data[] */
    size_t pages; /* bytes of all of it when it is pages of its own; 0 otherwise */
    _Alignas(16) uint8_t data[];
};

#ifdef CS_TINY
#define FIRST ((size_t)64)
#define LAST ((size_t)256)
#else
#define FIRST ((size_t)4096 - sizeof(cs_arena_chunk))
#define LAST ((size_t)1048576 - sizeof(cs_arena_chunk))
#endif

/* Of arenas with pages: smaller chunks come from the heap, and the largest are pages that the system may make huge. */
#define PAGES_LEAST ((size_t)65536)
#define PAGES_LAST ((size_t)8 * 1024 * 1024 - sizeof(cs_arena_chunk))

/* Where an arena without chunks points, so that an allocation of no bytes has an address too. Never written. */
static _Alignas(16) uint8_t nothing[16];

void cs_arena_init(cs_arena *a, size_t cap)
{
    *a = (cs_arena){.at = nothing, .end = nothing, .cap = cap ? cap : SIZE_MAX};
}

void cs_arena_init_pages(cs_arena *a)
{
    cs_arena_init(a, 0);
    a->pages = true;
}

static void free_chunk(cs_arena_chunk *c)
{
    if (c != NULL && c->pages != 0) {
        cs_arena_open_(c, c->pages); /* their addresses may come back as anybody's */
        (void)cs_pages(c, c->pages, 0);
    } else {
        cs_free(c);
    }
}

/* Empty, and of the same kind. */
static void again(cs_arena *a)
{
    bool pages = a->pages;
    cs_arena_init(a, a->cap);
    a->pages = pages;
}

void cs_arena_destroy(cs_arena *a)
{
    for (cs_arena_chunk *c = a->chunks; c != NULL;) {
        cs_arena_chunk *next = c->next;
        free_chunk(c);
        c = next;
    }
    again(a);
}

/* The end of the current chunk: where it stops, or where the cap does. */
static uint8_t *limit(const cs_arena *a)
{
    cs_arena_chunk *c = a->chunks;
    if (c == NULL) {
        return a->at;
    }
    size_t room = c->size;
    if (!a->exceeded) {
        size_t left = a->cap > a->used ? a->cap - a->used : 0;
        room = left < room ? left & ~(size_t)15U : room;
    }
    return a->at > c->data + room ? a->at : c->data + room;
}

/* What is free of the current chunk belongs to nobody. */
static void close_rest(const cs_arena *a)
{
    cs_arena_close_(a->at, (size_t)(a->chunks->data + a->chunks->size - a->at));
}

static void set_end(cs_arena *a)
{
    a->end = cs_mem_counting() ? a->at : limit(a);
}

void cs_arena_reset(cs_arena *a)
{
    cs_arena_chunk *keep = NULL;
    for (cs_arena_chunk *c = a->chunks; c != NULL;) {
        cs_arena_chunk *next = c->next;
        if (c->size <= LAST && (keep == NULL || c->size > keep->size)) {
            free_chunk(keep);
            keep = c;
        } else {
            free_chunk(c);
        }
        c = next;
    }
    again(a);
    if (keep != NULL) {
        keep->next = NULL;
        a->chunks = keep;
        a->at = keep->data;
        close_rest(a);
        set_end(a);
    }
}

size_t cs_arena_used(const cs_arena *a)
{
    return a->chunks ? a->used + (size_t)(a->at - a->chunks->data) : 0;
}

static void add_chunk(cs_arena *a, size_t need)
{
    size_t size = FIRST;
    if (a->chunks != NULL) {
        a->used += a->chunks->size;
        size_t last = a->pages ? PAGES_LAST : LAST;
        size = a->chunks->size < last / 2 ? a->chunks->size * 2 : last;
    }
    if (size < need) {
        size = need;
    }
    cs_arena_chunk *c;
    if (a->pages && size >= PAGES_LEAST) {
        size_t whole = (sizeof *c + size + 4095U) & ~(size_t)4095U;
        c = cs_pages(NULL, 0, whole);
        c->pages = whole;
        size = whole - sizeof *c;
    } else {
        c = cs_alloc_uncounted(sizeof *c + size);
        c->pages = 0;
    }
    c->next = a->chunks;
    c->size = size;
    cs_arena_close_(c->data, size);
    a->chunks = c;
    a->at = c->data;
    set_end(a);
}

void *cs_arena_slow(cs_arena *a, size_t size)
{
    cs_assert(size <= SIZE_MAX / 4);
    size_t need = (size + 15U) & ~(size_t)15U;
    size_t real = a->chunks ? a->chunks->size - (size_t)(a->at - a->chunks->data) : 0;
    size_t after = need <= real ? cs_arena_used(a) + need : a->used + (a->chunks ? a->chunks->size : 0) + need;
    if (after > a->cap) {
        a->exceeded = true;
    }
    if (a->chunks == NULL || need > (size_t)(limit(a) - a->at)) {
        add_chunk(a, need);
    }
    cs_assert(need <= (size_t)(limit(a) - a->at));
    void *p = a->at;
    a->at += need;
    cs_arena_open_(p, size);
    if (cs_mem_counting()) {
        cs_mem_note(need);
    }
    set_end(a);
    return p;
}

void *cs_arena_try(cs_arena *a, size_t size)
{
    if (size > SIZE_MAX / 4) {
        return NULL;
    }
    size_t need = (size + 15U) & ~(size_t)15U;
    /* What does not fit in this chunk takes a new one, and the rest of this one is lost. */
    bool here = need <= (size_t)(limit(a) - a->at);
    size_t held = here ? cs_arena_used(a) : a->used + (a->chunks ? a->chunks->size : 0);
    if (held > a->cap || need > a->cap - held) {
        return NULL;
    }
    return cs_arena_alloc(a, size);
}

char *cs_arena_dup(cs_arena *a, const char *bytes, size_t n)
{
    char *copy = cs_arena_alloc(a, n + 1);
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    copy[n] = '\0';
    return copy;
}

char *cs_arena_printf(cs_arena *a, size_t *n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    char small[256];
    int wanted = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    size_t length = wanted < 0 ? 0 : (size_t)wanted;
    char *text = cs_arena_alloc(a, length + 1);
    if (length < sizeof small) {
        memcpy(text, small, length);
    } else {
        (void)vsnprintf(text, length + 1, format, again);
    }
    text[length] = '\0';
    va_end(again);
    if (n != NULL) {
        *n = length;
    }
    return text;
}

cs_arena_mark cs_arena_mark_now(const cs_arena *a)
{
    return (cs_arena_mark){.chunk = a->chunks, .at = a->at, .used = a->used};
}

void cs_arena_rewind(cs_arena *a, cs_arena_mark mark)
{
    while (a->chunks != mark.chunk) {
        cs_arena_chunk *next = a->chunks->next;
        /* A mark taken while the arena held nothing: the first chunk is kept, empty. */
        if (next == NULL) {
            cs_assert(mark.chunk == NULL);
            a->at = a->chunks->data;
            a->used = 0;
            close_rest(a);
            set_end(a);
            return;
        }
        free_chunk(a->chunks);
        a->chunks = next;
    }
    a->at = mark.at;
    a->used = mark.used;
    if (a->chunks != NULL) {
        close_rest(a);
        set_end(a);
    }
}
