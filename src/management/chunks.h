/* Events into chunks: gzipped JSON arrays of at most so many bytes, as full as can be told beforehand. How much text
 * makes a full chunk is learned from the last one. */
#ifndef CS_MANAGEMENT_CHUNKS_H
#define CS_MANAGEMENT_CHUNKS_H

#include "countersign/base/buf.h"
#include "countersign/base/slice.h"
#include "countersign/base/vec.h"

typedef struct cs_chunks {
    size_t limit;        /* of a chunk */
    size_t target;       /* text that is expected to fit into one */
    cs_buf text;         /* events one after the other, with commas between */
    CS_VEC(size_t) ends; /* where each of them ends */
    uint64_t too_large;  /* events that do not fit into a chunk of their own: */
    uint64_t cut;        /* of these, the ones that do without their nd_builtin_cache, and are there without it */
    uint64_t failed;     /* and the ones that were left out */
} cs_chunks;

/* Takes a chunk over: the buffer is destroyed by whoever gets it. */
typedef void cs_chunk_ready(void *self, cs_buf *chunk);

void cs_chunks_init(cs_chunks *c, size_t limit);
void cs_chunks_destroy(cs_chunks *c);
/* Adds an event, a JSON object. What is full goes to ready(self, …): none, or some. */
void cs_chunks_add(cs_chunks *c, cs_slice event, cs_chunk_ready *ready, void *self);
/* All that is left. */
void cs_chunks_flush(cs_chunks *c, cs_chunk_ready *ready, void *self);

#endif
