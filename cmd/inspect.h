/* What the files of `inspect` share. */
#ifndef CS_CMD_INSPECT_H
#define CS_CMD_INSPECT_H

#include "cmd.h"
#include "countersign/build.h"

void cs_inspect_print_annotations(cs_arena *a, const cs_build_annotation *v, size_t n);

#endif
