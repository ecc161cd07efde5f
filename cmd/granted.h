/* What a --capabilities flag grants. */
#ifndef CS_CMD_GRANTED_H
#define CS_CMD_GRANTED_H

#include "countersign/capabilities.h"
#include "countersign/json.h"

/* `name` is a capabilities.json file or a version of OPA that has published capabilities ("v1.22.2"); the file first.
 * CS_ERR_INVALID, in OPA's words, if it is neither. In the arena. */
CS_MUST_CHECK cs_err cs_cmd_granted(cs_arena *a, const char *name, const cs_capabilities **out, cs_error *e);

/* A capabilities document in OPA's order of keys (capabilities.c). */
void cs_cmd_put_capabilities(cs_json_text *t, cs_value document);

#endif
