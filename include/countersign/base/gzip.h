/* gzip (RFC 1952) of whole byte strings; the only door to zlib. Thread-safe: nothing is kept between calls. */
#ifndef CS_BASE_GZIP_H
#define CS_BASE_GZIP_H

#include "countersign/base/buf.h"
#include "countersign/base/err.h"

/* Does the text start as a gzip stream does? */
bool cs_gzip_is(cs_slice bytes);
/* Appends the content of all members to *out. More than `max` bytes are CS_ERR_LIMIT (found out without unpacking
 * them), a damaged or truncated stream is CS_ERR_SYNTAX; *out is then as before. */
CS_MUST_CHECK cs_err cs_gzip_inflate(cs_slice bytes, size_t max, cs_buf *out, cs_error *e);
/* The same piece by piece, for content that need not stand in memory as a whole. `bytes` must outlive the reader, which
 * is used by one thread. *n == 0 means the end: every member was whole and its checksum right. */
typedef struct cs_gunzip cs_gunzip;
cs_gunzip *cs_gunzip_open(cs_slice bytes);
CS_MUST_CHECK cs_err cs_gunzip_read(cs_gunzip *g, void *out, size_t room, size_t *n, cs_error *e);
void cs_gunzip_close(cs_gunzip *g); /* NULL is fine */
/* Appends `bytes` as one member to *out; the same input gives the same output (no time, no name in the header).
 * level 1..9. */
void cs_gzip_deflate(cs_slice bytes, int level, cs_buf *out);

#endif
