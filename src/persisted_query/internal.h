/* What the files of persisted_query share. */
#ifndef CS_PERSISTED_QUERY_INTERNAL_H
#define CS_PERSISTED_QUERY_INTERNAL_H

#include "countersign/base/buf.h"
#include "countersign/crypto.h"
#include "countersign/persisted_query.h"

/* A member of an object; undefined for anything else. */
static inline cs_value cs_pq__member(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL ? *v : cs_undefined();
}

static inline bool cs_pq__is_text(cs_value v)
{
    return cs_is(v, CS_STRING) && v.n != 0;
}

#define CS_PQ_HASH_PREFIX "sha256:"

/* "sha256:x" is x. */
static inline cs_slice cs_pq__plain_id(cs_slice id)
{
    return cs_slice_starts(id, CS_LIT(CS_PQ_HASH_PREFIX)) ? cs_slice_sub(id, sizeof CS_PQ_HASH_PREFIX - 1, id.n) : id;
}

/* Lower-case hexadecimal digits, so many. */
bool cs_pq__is_hex(cs_slice s, size_t n);

#endif
