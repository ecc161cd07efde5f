/* Types side by side in an error. */
#include "rego/compile/types.h"

void cs_elide__pair(cs_buf *out, const cs_type *left, const cs_type *right, const char *between)
{
    cs_type_print(out, left);
    cs_buf_text(out, between);
    cs_type_print(out, right);
}

void cs_elide__arguments(cs_buf *out, cs_type_checker *tc, const cs_type *have, const cs_type *want)
{
    (void)tc;
    cs_buf_text(out, "have: ");
    cs_type_print_args(out, have, false);
    cs_buf_text(out, "\nwant: ");
    cs_type_print_args(out, want, true);
}
