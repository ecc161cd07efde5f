/* Growable bytes, owned by whoever initialised them. Not for sharing between threads. */
#ifndef CS_BASE_BUF_H
#define CS_BASE_BUF_H

#include "countersign/base/slice.h"

typedef struct cs_buf {
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
} cs_buf;

void cs_buf_init(cs_buf *b);
void cs_buf_destroy(cs_buf *b);
static inline void cs_buf_clear(cs_buf *b)
{
    b->n = 0;
}
/* Makes room for `more` further bytes and returns where they start. */
char *cs_buf_room(cs_buf *b, size_t more);
void cs_buf_put(cs_buf *b, const void *bytes, size_t n);
void cs_buf_slice(cs_buf *b, cs_slice s);
static inline void cs_buf_text(cs_buf *b, const char *text)
{
    size_t n = strlen(text); /* of a literal: known when it is compiled */
    if (b->cap - b->n <= n) {
        cs_buf_put(b, text, n);
    } else {
        memcpy(b->p + b->n, text, n);
        b->n += n;
    }
}
void cs_buf_printf(cs_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cs_buf_i64(cs_buf *b, int64_t v);
void cs_buf_u64(cs_buf *b, uint64_t v);
static inline void cs_buf_byte(cs_buf *b, char c)
{
    if (b->n == b->cap) {
        (void)cs_buf_room(b, 1);
    }
    b->p[b->n++] = c;
}
static inline cs_slice cs_buf_view(const cs_buf *b)
{
    return (cs_slice){b->p ? b->p : "", b->n};
}
/* The bytes NUL-terminated (the NUL is not counted); valid until the next change. */
const char *cs_buf_cstr(cs_buf *b);

#endif
