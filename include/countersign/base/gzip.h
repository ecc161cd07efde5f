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
/* Appends `bytes` as one member to *out; the same input gives the same output (no time, no name in the header).
 * level 1..9. */
void cs_gzip_deflate(cs_slice bytes, int level, cs_buf *out);

#endif
