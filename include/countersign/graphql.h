/* GraphQL documents as requests bring them: what they do, and one text for all ways of writing the same.
 *
 * Read by the grammar of the graphql.* built-ins (October 2021 edition). Thread-safe; everything lives in the caller's
 * arena. */
#ifndef CS_GRAPHQL_H
#define CS_GRAPHQL_H

#include "countersign/value.h"

typedef struct cs_graphql {
    const char *kind;   /* "mutation" if any operation is one, else "subscription" if one is, else "query"; "" = none */
    bool introspection; /* __schema or __type is asked for at a root; fragments count as if they were used there */
    uint32_t n_operations; /* fragments not counted */
    cs_value names;        /* array: of the operations, in their order; null where one has none */
    cs_value root_fields;  /* array: names (not aliases) of the fields at the operations' roots, each once, sorted */
    cs_slice normal;       /* definitions sorted, ignored tokens left out, strings spelled one way */
} cs_graphql;

/* CS_ERR_SYNTAX with row and column; CS_ERR_LIMIT for what is nested too deep. Memory and time are proportional to the
 * text, except for sorting. */
CS_MUST_CHECK cs_err cs_graphql_read(cs_arena *a, cs_slice text, cs_graphql *out, cs_error *e);

#endif
