/* The documents of one compilation, by their references. */
#ifndef CS_REGO_BUILTIN_SCHEMA_REFS_H
#define CS_REGO_BUILTIN_SCHEMA_REFS_H

#include "rego/builtin/schema.h"
#include "rego/builtin/uri.h"

typedef struct cs_schema_document {
    cs_value document;
    cs_schema_draft draft; /* CS_DRAFT_UNSET: of whoever refers to it */
} cs_schema_document;

typedef struct cs_schema_pool {
    cs_call *call;
    cs_schema_document *v;
    size_t n, cap;
    cs_value names; /* reference to place in v */
    cs_schema_document root;
} cs_schema_pool;

CS_MUST_CHECK cs_err cs_schema__pool_init(cs_call *call, cs_schema_pool *pool, cs_value document);
/* The document that an absolute reference names. An error while call->state->waiting: not yet, the call is to be made
 * again. */
CS_MUST_CHECK cs_err cs_schema__pool_get(cs_schema_pool *pool, cs_slice reference, cs_schema_document *out);

/* schema_fetch.c: what stands at an absolute URL without a fragment, `name` as text. The same as above goes for
 * waiting. */
CS_MUST_CHECK cs_err cs_schema__fetch(cs_call *call, const cs_url *url, cs_slice name, cs_value *out);
/* schema_drafts.c: the meta-schema at that URL; "" if it is none. */
cs_slice cs_schema__meta(cs_slice url);

#endif
