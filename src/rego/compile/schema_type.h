/* JSON Schema as the type checker reads it. */
#ifndef CS_REGO_COMPILE_SCHEMA_TYPE_H
#define CS_REGO_COMPILE_SCHEMA_TYPE_H

#include "rego/types/type.h"

/* The type of what keeps to a schema. NULL: it is none, and *error (in the arena) says why in OPA's words. The schema
 * must live as long as the type. Recursion is bounded. */
const cs_type *cs_schema__type(cs_arena *a, cs_value schema, const char **error);

#endif
