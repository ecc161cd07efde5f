/* Go's fmt.Sprintf over Rego values, in pieces: the verbs (sprintf.c) and floats (format_float.c). */
#ifndef CS_REGO_BUILTIN_FORMAT_H
#define CS_REGO_BUILTIN_FORMAT_H

#include "rego/builtin/internal.h"

/* Go's strconv.AppendFloat(v, verb, precision, 64) for the verbs b e E f g G x X; precision -1 = shortest. v is finite.
 */
void cs_format__float(cs_sink *s, double v, char verb, int precision);

#endif
