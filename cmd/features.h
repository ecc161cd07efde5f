/* What a --capabilities flag grants: features of the language, built-ins. */
#ifndef CS_CMD_FEATURES_H
#define CS_CMD_FEATURES_H

#include "countersign/json.h"

typedef struct cs_cmd_features {
    bool keywords_in_refs, template_strings;
} cs_cmd_features;

/* `name` is a capabilities.json file or a version of OPA that has published capabilities ("v1.22.2"). False, with the
 * message printed, if it is neither. */
bool cs_cmd_features_find(cs_arena *a, const char *name, cs_cmd_features *out);

/* The built-ins that --capabilities grants, a set of names; undefined for NULL and "". A version other than the one
 * whose language this is has a list that is not kept here, which is an error. */
/* A capabilities document in OPA's order of keys (capabilities.c). */
void cs_cmd_put_capabilities(cs_json_text *t, cs_value document);

CS_MUST_CHECK cs_err cs_cmd_granted(cs_arena *a, const char *name, cs_value *out, cs_error *e);

#endif
