/* Tools that look at one module's text: its canonical layout, and its tree. They behave as OPA's `fmt` and `parse`, to
 * the byte. Thread-safe: nothing is shared. Bounded as parsing is (limits rego_bytes, rego_depth). */
#ifndef CS_FORMAT_H
#define CS_FORMAT_H

#include "countersign/base/buf.h"
#include "countersign/rego.h"

/* For which version of Rego is the result meant? */
typedef enum cs_format_target {
    CS_FORMAT_V1,   /* the usual one */
    CS_FORMAT_V0,   /* --v0-compatible */
    CS_FORMAT_V0_V1 /* --v0-v1: readable as either */
} cs_format_target;

typedef struct cs_format_options {
    cs_format_target target;
    bool read_v0;         /* the text is Rego v0 */
    bool drop_imports;    /* leave out rego.v1 and future.keywords imports that the target does not need */
    bool templates;       /* template strings may stand in the text */
    bool quote_keywords;  /* write x["not"] rather than x.not: the capabilities lack keywords_in_refs */
    bool stop_at_changes; /* give up as soon as the result is seen to differ from the text */
} cs_format_options;

typedef enum cs_format_result {
    CS_FORMAT_DONE,    /* the formatted text is in *out */
    CS_FORMAT_CHANGES, /* stop_at_changes: it differs; *out is not to be used */
    CS_FORMAT_FAILED   /* OPA's error text is in *out */
} cs_format_result;

/* Formats `text`, which errors call `file`. *out is emptied before. */
CS_MUST_CHECK cs_format_result cs_format(cs_slice file, cs_slice text, const cs_format_options *options, cs_buf *out);
/* Can the text be read by what the target stands for? Otherwise OPA's error text is in *why. */
CS_MUST_CHECK bool cs_format_readable(cs_slice file, cs_slice text, const cs_format_options *options, cs_buf *why);

/* ---- the tree of a module */
typedef struct cs_tree_options {
    bool v0;          /* the text is Rego v0 */
    bool places;      /* with location and text of every node */
    bool no_comments; /* without the list of comments */
} cs_tree_options;

/* OPA's AST JSON, in `a`; may point into `text`. Keys are in OPA's order (CS_JSON_AS_MADE). */
CS_MUST_CHECK cs_err cs_module_tree(cs_arena *a, cs_slice file, cs_slice text, const cs_tree_options *options,
                                    cs_value *out, cs_errors *errors);
/* OPA's indented outline, one node a line. */
CS_MUST_CHECK cs_err cs_module_outline(cs_slice file, cs_slice text, const cs_tree_options *options, cs_buf *out,
                                       cs_errors *errors);

/* ---- what a query depends on */
/* Base documents, and documents that rules make: two arrays, sorted, of {"text": the ref, "terms": OPA's JSON of it}.
 * `text` is a query in Rego v1; the results live in `a` and may point into it. Without a policy (NULL) there are no
 * rules. */
CS_MUST_CHECK cs_err cs_policy_dependencies(cs_arena *a, const cs_policy *policy, cs_slice text, cs_value *base,
                                            cs_value *computed, cs_errors *errors);

#endif
