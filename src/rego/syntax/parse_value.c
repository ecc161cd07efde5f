/* A value as Rego text. */
#include "rego/syntax/parse.h"

cs_err cs_rego_parse_value(cs_arena *a, cs_slice text, cs_value *out, cs_errors *errors)
{
    cs_ast ast;
    cs_ast_init(&ast, a);
    /* The value may point into the text, which the caller need not keep. */
    cs_slice copy = {cs_arena_dup(a, text.n ? text.p : "", text.n), text.n};
    cs_term *t = NULL;
    CS_TRY(cs_parse_term(&ast, copy, &t, errors));
    if (cs_term_to_value(a, t, out)) {
        return CS_OK;
    }
    return cs_errors_add(errors, CS_ERR_REGO_PARSE, CS_LIT(""), t->loc.row, t->loc.col, CS_LIT(""),
                         "expected a value but got a term with variables, references or calls");
}
