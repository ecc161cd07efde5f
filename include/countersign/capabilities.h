/* Capabilities: what a policy may use, as OPA's capabilities.json says it. A document grants built-in functions with
 * the types that it gives them, features and coming keywords of the language, and hosts that may be asked.
 * Thread-safety: everything here is immutable once made. */
#ifndef CS_CAPABILITIES_H
#define CS_CAPABILITIES_H

#include "countersign/value.h"

/* Features of the language, by the names that documents give them. */
#define CS_FEATURES(X)                                                                                                 \
    X(RULE_HEAD_REF_STRING_PREFIXES, "rule_head_ref_string_prefixes")                                                  \
    X(RULE_HEAD_REFS, "rule_head_refs")                                                                                \
    X(REGO_V1, "rego_v1")                                                                                              \
    X(REGO_V2, "rego_v2")                                                                                              \
    X(REGO_V1_IMPORT, "rego_v1_import")                                                                                \
    X(REGO_V2_IMPORT, "rego_v2_import")                                                                                \
    X(KEYWORDS_IN_REFS, "keywords_in_refs")                                                                            \
    X(TEMPLATE_STRINGS, "template_strings")

enum {
#define CS_FEATURE_ROW(id, name) CS_FEATURE_AT_##id,
    CS_FEATURES(CS_FEATURE_ROW)
#undef CS_FEATURE_ROW
};
enum {
#define CS_FEATURE_ROW(id, name) CS_FEATURE_##id = 1 << CS_FEATURE_AT_##id,
    CS_FEATURES(CS_FEATURE_ROW)
#undef CS_FEATURE_ROW
};

typedef struct cs_capabilities {
    unsigned features;                      /* CS_FEATURE_* */
    cs_value keywords;                      /* an array of strings: keywords that modules may import */
    cs_value allow_net;                     /* an array of hosts; undefined = any */
    const struct cs_builtin_grants *grants; /* of the built-ins */
} cs_capabilities;

/* What a document grants; in the arena, pointing into the document. CS_ERR_INVALID: it is no capabilities document. */
CS_MUST_CHECK cs_err cs_capabilities_read(cs_arena *a, cs_value document, const cs_capabilities **out, cs_error *e);

/* The names of OPA's versions that have published capabilities ("v0.17.0"), oldest first; static. */
const char *const *cs_capabilities_versions(size_t *n);
/* The document that the version has published, or undefined if it is none of these. */
cs_value cs_capabilities_of_version(cs_arena *a, cs_slice version);

#endif
