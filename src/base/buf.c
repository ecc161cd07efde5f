/* Growable bytes. */
#include "countersign/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/err.h"
#include "countersign/base/mem.h"

#ifdef CS_TINY
#define FIRST ((size_t)1)
#else
#define FIRST ((size_t)64)
#endif

void cs_buf_init(cs_buf *b)
{
    *b = (cs_buf){0};
}

void cs_buf_destroy(cs_buf *b)
{
    cs_free(b->p);
    *b = (cs_buf){0};
}

char *cs_buf_room(cs_buf *b, size_t more)
{
    size_t need = 0;
    cs_assert(!__builtin_add_overflow(b->n, more, &need));
    if (need > b->cap || b->p == NULL) {
        size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
        cap = cap < FIRST ? FIRST : cap;
        cap = cap < need ? need : cap;
        b->p = cs_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void cs_buf_put(cs_buf *b, const void *bytes, size_t n)
{
    if (n > 0) {
        memcpy(b->cap - b->n >= n ? b->p + b->n : cs_buf_room(b, n), bytes, n);
        b->n += n;
    }
}

void cs_buf_slice(cs_buf *b, cs_slice s)
{
    cs_buf_put(b, s.p, s.n);
}

void cs_buf_printf(cs_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t room = 128;
    char *p = cs_buf_room(b, room);
    int wanted = vsnprintf(p, room, format, args);
    va_end(args);
    size_t length = wanted < 0 ? 0 : (size_t)wanted;
    if (length >= room) {
        p = cs_buf_room(b, length + 1);
        (void)vsnprintf(p, length + 1, format, again);
    }
    b->n += length;
    va_end(again);
}

void cs_buf_u64(cs_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    cs_buf_put(b, digits + at, sizeof digits - at);
}

void cs_buf_i64(cs_buf *b, int64_t v)
{
    if (v < 0) {
        cs_buf_byte(b, '-');
        cs_buf_u64(b, 0U - (uint64_t)v);
    } else {
        cs_buf_u64(b, (uint64_t)v);
    }
}

const char *cs_buf_cstr(cs_buf *b)
{
    *cs_buf_room(b, 1) = '\0';
    return b->p;
}
