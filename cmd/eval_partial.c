/* eval --partial: what is left of a query when parts of its documents are not known. */
#include "eval.h"

void cs_eval__partial(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, cs_value input, cs_eval_output *out)
{
    (void)f;
    (void)loaded;
    (void)text;
    (void)input;
    const cs_error e = {.code = CS_ERR_OPERATION, .text = "partial evaluation is not part of this version"};
    cs_cmd_problems_add(&out->problems, &e, NULL, 0);
}
