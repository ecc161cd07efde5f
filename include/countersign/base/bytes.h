/* Numbers and texts as bytes, little-endian: what snapshots are made of. Writing appends to a buffer and cannot fail.
 * Reading never passes the end: a read beyond it gives zeros, marks the reader `bad` and ends it, so a reader of many
 * fields asks once, at its end (cs_bytes_whole). Small integers are written in groups of 7 bits, the lowest first
 * (LEB128); signed ones with the sign in the lowest bit. */
#ifndef CS_BASE_BYTES_H
#define CS_BASE_BYTES_H

#include "countersign/base/buf.h"

/* ---- writing */

static inline void cs_bytes_put_u8(cs_buf *out, uint8_t v)
{
    cs_buf_byte(out, (char)v);
}

/* At most 8 bytes at a place that has room for them; returns the place behind. */
static inline char *cs_bytes_set(char *at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[i] = (char)(uint8_t)(v >> (8 * i));
    }
    return at + n;
}

static inline void cs_bytes__put(cs_buf *out, uint64_t v, size_t n)
{
    char bytes[8];
    (void)cs_bytes_set(bytes, v, n);
    cs_buf_put(out, bytes, n);
}

static inline void cs_bytes_put_u16(cs_buf *out, uint16_t v)
{
    cs_bytes__put(out, v, 2);
}

static inline void cs_bytes_put_u32(cs_buf *out, uint32_t v)
{
    cs_bytes__put(out, v, 4);
}

static inline void cs_bytes_put_u64(cs_buf *out, uint64_t v)
{
    cs_bytes__put(out, v, 8);
}

static inline void cs_bytes_put_var(cs_buf *out, uint64_t v)
{
    while (v >= 0x80) {
        cs_buf_byte(out, (char)(uint8_t)(v | 0x80));
        v >>= 7;
    }
    cs_buf_byte(out, (char)(uint8_t)v);
}

static inline void cs_bytes_put_signed(cs_buf *out, int64_t v)
{
    cs_bytes_put_var(out, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

/* Its length, then its bytes. */
static inline void cs_bytes_put_text(cs_buf *out, cs_slice text)
{
    cs_bytes_put_var(out, text.n);
    cs_buf_slice(out, text);
}

/* ---- reading */

typedef struct cs_bytes {
    const char *p, *end;
    bool bad;
} cs_bytes;

static inline cs_bytes cs_bytes_of(cs_slice s)
{
    return (cs_bytes){.p = s.p, .end = s.p + s.n};
}

static inline size_t cs_bytes_left(const cs_bytes *b)
{
    return (size_t)(b->end - b->p);
}

/* Everything was read, and nothing was missing. */
static inline bool cs_bytes_whole(const cs_bytes *b)
{
    return !b->bad && b->p == b->end;
}

/* n bytes where they lie; "" and bad if there are fewer. */
static inline cs_slice cs_bytes_take(cs_bytes *b, size_t n)
{
    if (n > cs_bytes_left(b)) {
        b->bad = true;
        b->p = b->end;
        return (cs_slice){"", 0};
    }
    b->p += n;
    return (cs_slice){b->p - n, n};
}

static inline uint64_t cs_bytes__get(cs_bytes *b, size_t n)
{
    cs_slice s = cs_bytes_take(b, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        v |= (uint64_t)(uint8_t)s.p[i] << (8 * i);
    }
    return v;
}

static inline uint8_t cs_bytes_u8(cs_bytes *b)
{
    return (uint8_t)cs_bytes__get(b, 1);
}

static inline uint16_t cs_bytes_u16(cs_bytes *b)
{
    return (uint16_t)cs_bytes__get(b, 2);
}

static inline uint32_t cs_bytes_u32(cs_bytes *b)
{
    return (uint32_t)cs_bytes__get(b, 4);
}

static inline uint64_t cs_bytes_u64(cs_bytes *b)
{
    return cs_bytes__get(b, 8);
}

static inline uint64_t cs_bytes_var(cs_bytes *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cs_bytes_u8(b);
        if (shift == 63 && byte > 1) {
            break; /* more than 64 bits */
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return b->bad ? 0 : v;
        }
    }
    b->bad = true;
    b->p = b->end;
    return 0;
}

static inline int64_t cs_bytes_signed(cs_bytes *b)
{
    uint64_t v = cs_bytes_var(b);
    return (int64_t)((v >> 1) ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

static inline cs_slice cs_bytes_text(cs_bytes *b)
{
    uint64_t n = cs_bytes_var(b);
    return cs_bytes_take(b, n > cs_bytes_left(b) ? cs_bytes_left(b) + 1 : (size_t)n);
}

#endif
