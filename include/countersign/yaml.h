/* YAML to values: libyaml's events, scalars resolved as OPA's loader does (YAML 1.2 core: yes/no/on/off are strings;
 * 0x10 and 0o7 are numbers; dates are strings; merge keys are expanded; keys that are not strings become their text).
 * First document only. Alias expansion is bounded by the limit yaml_aliases. Errors name row and column. Thread-safe.
 */
#ifndef CS_YAML_H
#define CS_YAML_H

#include "countersign/value.h"

CS_MUST_CHECK cs_err cs_yaml_read(cs_arena *a, cs_slice text, cs_value *out, cs_error *e);
/* Block style, keys sorted, as sigs.k8s.io/yaml writes it. */
void cs_yaml_write(cs_buf *out, cs_value v);

#endif
