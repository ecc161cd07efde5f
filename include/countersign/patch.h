/* JSON pointers (RFC 6901) and patches (RFC 6902), merges, filters: the parts that the store, the built-ins json.* and
 * object.*, and the log's masks share. Results are new values that share what did not change. Thread-safe. */
#ifndef CS_PATCH_H
#define CS_PATCH_H

#include "countersign/value.h"

/* "/a~1b/0" to keys (all strings). "" is the whole document. A missing leading slash is an error unless `lax`. */
CS_MUST_CHECK cs_err cs_pointer_parse(cs_arena *a, cs_slice text, bool lax, const cs_value **path, size_t *n,
                                      cs_error *e);
/* Patch operations of the json.patch built-in: an array of {op, path, value?, from?}; path is a pointer or an array of
 * keys; sets may be patched as in OPA. The first operation that fails is the error, with OPA's words. When the whole
 * document was removed *out is undefined. */
CS_MUST_CHECK cs_err cs_json_patch(cs_arena *a, cs_value target, cs_value operations, cs_value *out, cs_error *e);
/* object.union: y wins, objects merge deeply. */
cs_value cs_object_union(cs_arena *a, cs_value x, cs_value y);
/* json.filter and json.remove: `paths` is an array or set of pointers or arrays of keys. */
CS_MUST_CHECK cs_err cs_json_filter(cs_arena *a, cs_value object, cs_value paths, cs_value *out, cs_error *e);
CS_MUST_CHECK cs_err cs_json_remove(cs_arena *a, cs_value object, cs_value paths, cs_value *out, cs_error *e);

#endif
