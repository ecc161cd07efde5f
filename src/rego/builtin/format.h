/* Go's fmt.Sprintf over Rego values, in pieces: the verbs (sprintf.c) and floats (format_float.c). */
#ifndef CS_REGO_BUILTIN_FORMAT_H
#define CS_REGO_BUILTIN_FORMAT_H

#include "rego/builtin/internal.h"

/* Go's strconv.AppendFloat(v, verb, precision, 64) for the verbs b e E f g G x X; precision -1 = shortest. v is finite.
 */
void cs_format__float(cs_sink *s, double v, char verb, int precision);

/* fmt.Sprintf over values as Go's templates have them (template.h): numbers are json.Number, private values ints and
 * floats, null is nil. */
CS_MUST_CHECK cs_err cs_format__go(cs_call *call, cs_slice format, const cs_value *args, size_t n, cs_value *out);

/* strconv.QuoteToASCII, between quotes of the given kind. */
void cs_format__quote_ascii(cs_sink *s, cs_slice text, char quote);
/* strconv.CanBackquote */
bool cs_format__can_backquote(cs_slice text);

#endif
