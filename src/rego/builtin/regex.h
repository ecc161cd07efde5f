/* Regular expressions for other built-ins of this folder. */
#ifndef CS_REGO_BUILTIN_REGEX_H
#define CS_REGO_BUILTIN_REGEX_H

#include "rego/builtin/internal.h"

/* Does the pattern (Go's syntax) match somewhere in the text? Go's error text if it is no pattern. Compiled patterns
 * are kept by the process. */
CS_MUST_CHECK cs_err cs_regex__match(cs_call *call, cs_slice pattern, cs_slice text, bool *out);

/* A letter, a digit or '_', in all of Unicode. */
bool cs_regex__is_word(uint32_t r);

#endif
