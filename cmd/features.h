/* Which features of the language a --capabilities flag grants. */
#ifndef CS_CMD_FEATURES_H
#define CS_CMD_FEATURES_H

#include "countersign/base/arena.h"

typedef struct cs_cmd_features {
    bool keywords_in_refs, template_strings;
} cs_cmd_features;

/* `name` is a capabilities.json file or a version of OPA that has published capabilities ("v1.22.2"). False, with the
 * message printed, if it is neither. */
bool cs_cmd_features_find(cs_arena *a, const char *name, cs_cmd_features *out);

#endif
