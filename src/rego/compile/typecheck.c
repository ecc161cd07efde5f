/* CheckTypes. */
#include "rego/compile/types.h"

cs_slice cs_types__arg_details(cs_compiler *c, const cs_expr *e, const cs_type *function)
{
    (void)c;
    (void)e;
    (void)function;
    return CS_LIT("");
}

void cs_types__query(cs_compiler *c, cs_body b)
{
    (void)c;
    (void)b;
}

void cs_stage__check_types(cs_compiler *c)
{
    (void)c;
}
