/* PEM (RFC 7468) as Go's encoding/pem finds it in a text. */
#ifndef CS_REGO_BUILTIN_PEM_H
#define CS_REGO_BUILTIN_PEM_H

#include "countersign/base/arena.h"
#include "countersign/base/slice.h"

typedef struct cs_pem_block {
    cs_slice type;  /* "CERTIFICATE" */
    cs_slice bytes; /* decoded, in the arena */
} cs_pem_block;

/* The next block; *rest moves behind it. false if there is none, and then *rest stays. */
bool cs_pem__next(cs_arena *a, cs_slice *rest, cs_pem_block *out);

#endif
