/* Private to rego/compile: the type checker. */
#ifndef CS_REGO_COMPILE_TYPES_H
#define CS_REGO_COMPILE_TYPES_H

#include "rego/compile/internal.h"

/* "have: (string)\nwant: (search: string, base: string)" for a call of a built-in with the wrong number of operands; in the arena. */
cs_slice cs_types__arg_details(cs_compiler *c, const cs_expr *e, const cs_type *function);

#endif
