/* Two texts and what changed between them, in colours: red is gone, green is new. */
#ifndef CS_CMD_DIFF_H
#define CS_CMD_DIFF_H

#include "countersign/base/buf.h"

/* By characters, with the algorithm of diff-match-patch (Myers, with its shortcuts), which `opa fmt -d` uses. Gives up
 * looking for the shortest answer after a second. */
void cs_diff_print(cs_buf *out, cs_slice before, cs_slice after);

#endif
