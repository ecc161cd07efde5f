/* RewriteRegoMetadataCalls. */
#include "rego/compile/internal.h"

void cs_stage__rewrite_rego_metadata_calls(cs_compiler *c)
{
    (void)c;
}
