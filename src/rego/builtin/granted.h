/* The built-ins that a capabilities document grants, for the compiler. */
#ifndef CS_REGO_BUILTIN_GRANTED_H
#define CS_REGO_BUILTIN_GRANTED_H

#include "countersign/capabilities.h"
#include "rego/builtin/builtin.h"

/* The built-in of that name as `c` grants it; as cs_builtin_find if c is NULL. What is granted but not built in
 * (another name, another number of operands) has no function, and an index past the rows of builtins.def. `eq` and
 * `assign` are always granted. Thread-safe. */
const cs_builtin *cs_granted_find(const cs_capabilities *c, cs_slice name);

/* Does the language need it: eq, and what the compiler replaces? */
bool cs_builtin_is_language(const cs_builtin *b);

/* The built-in of a number as `index` tells it: a row of builtins.def, or past their end what `c` grants without having
 * a function for it. NULL if there is none. */
const cs_builtin *cs_granted_row(const cs_capabilities *c, uint32_t index);
/* What such a call ends in: OPA's error of evaluation. */
#define CS_UNSUPPORTED_BUILTIN "unsupported built-in: %s"

#endif
