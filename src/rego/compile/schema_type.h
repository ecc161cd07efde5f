/* JSON Schema as the type checker reads it. */
#ifndef CS_REGO_COMPILE_SCHEMA_TYPE_H
#define CS_REGO_COMPILE_SCHEMA_TYPE_H

#include "countersign/host.h"
#include "rego/types/type.h"

/* The type of what keeps to a schema. NULL: it is none, and *error (in the arena) says why in OPA's words. The schema
 * must live as long as the type. What it refers to elsewhere is fetched through the host, and waited for; NULL = the
 * system's host, which has no network. Recursion is bounded. */
const cs_type *cs_schema__type(cs_arena *a, const cs_host *host, cs_value schema, const char **error);

#endif
