/* Partial evaluation: what is left of a query when part of the input or the data is not known yet. The rest is a list
 * of residual queries (any of which suffices) and modules with the rules that they need; it can be had as text, as
 * OPA's AST JSON, or, where a data store can say it, as a filter: a condition tree or a WHERE clause.
 *
 *   cs_partial *p = cs_partial_new(&arena, policy);
 *   cs_partial_parse(p, CS_LIT("data.app.allow"), false, false, &errors);
 *   cs_partial_add_unknown(p, CS_LIT("input.row"), false, &error);
 *   cs_partial_compile(p, &options, &errors);
 *   cs_partial_run(p, &options, &eval, &error);
 *   cs_value answer = cs_partial_to_json(p);
 *
 * Everything lives in the arena and dies with it; the policy must outlive it. One thread at a time. */
#ifndef CS_PARTIAL_H
#define CS_PARTIAL_H

#include "countersign/rego.h"

typedef struct cs_partial cs_partial;

typedef struct cs_partial_options {
    cs_query_options query; /* package, imports, server */
    bool shallow_inlining;
    bool nondeterministic_builtins; /* call http.send and the like now */
    bool known;                     /* without any unknowns nothing is unknown; otherwise `input` is */
    bool hints;                     /* look for misspelt unknowns: cs_partial_hints */
    bool no_indexing;
} cs_partial_options;

cs_partial *cs_partial_new(cs_arena *arena, cs_policy *policy);

/* The query, as text (copied; of Rego v0 if `v0`; if `statements`, what begins as a rule is read as one, and then it is
 * no query: what the server's API says of such a text is about rules) or as the document at data.<path>. Parsing
 * nothing but blanks succeeds: cs_partial_is_empty. */
CS_MUST_CHECK cs_err cs_partial_parse(cs_partial *p, cs_slice text, bool v0, bool statements, cs_errors *errors);
void cs_partial_set_path(cs_partial *p, const cs_value *path, size_t n);
bool cs_partial_is_empty(const cs_partial *p);
/* What is not known: a term, or with `ref` nothing but a ref. CS_ERR_INVALID with OPA's words. */
CS_MUST_CHECK cs_err cs_partial_add_unknown(cs_partial *p, cs_slice text, bool ref, cs_error *e);
size_t cs_partial_unknown_count(const cs_partial *p);
/* Rules at and below this ref are called, not copied into the result. CS_ERR_INTERNAL with OPA's words. */
CS_MUST_CHECK cs_err cs_partial_keep_rule(cs_partial *p, cs_slice text, cs_error *e);

CS_MUST_CHECK cs_err cs_partial_compile(cs_partial *p, const cs_partial_options *options, cs_errors *errors);
/* eval->arena must be the one of cs_partial_new. */
CS_MUST_CHECK cs_err cs_partial_run(cs_partial *p, const cs_partial_options *options, const cs_eval *eval, cs_error *e);

/* ---- the result */
/* {"queries"?: [[…]…], "support"?: […]}: without queries the answer is no, with an empty one yes. */
cs_value cs_partial_to_json(const cs_partial *p);
/* As text in the canonical layout: a line for each statement; a module. */
size_t cs_partial_query_count(const cs_partial *p);
void cs_partial_query_print(cs_buf *out, const cs_partial *p, size_t i);
size_t cs_partial_support_count(const cs_partial *p);
void cs_partial_support_print(cs_buf *out, const cs_partial *p, size_t i);

/* ---- as filters */
typedef struct cs_partial_target {
    cs_slice target;  /* "ucast", "sql" */
    cs_slice dialect; /* "all", "minimal", "prisma", "linq"; "postgresql", "mysql", "sqlserver", "sqlite" */
} cs_partial_target;

/* CS_ERR_INTERNAL with OPA's words if there is no such target. */
CS_MUST_CHECK cs_err cs_partial_check_target(const cs_partial_target *target, cs_error *e);
/* Can all targets say the result? The list of CS_ERR_PE_FRAGMENT otherwise. `mappings` gives tables and columns their
 * names in the store (an object or undefined): OPA's targetSQLTableMappings. */
CS_MUST_CHECK cs_err cs_partial_check(const cs_partial *p, const cs_partial_target *targets, size_t n,
                                      cs_value mappings, cs_errors *errors);
/* A condition tree ({} lets everything through) or the text of a WHERE clause (""); undefined lets nothing through.
 * CS_ERR_INVALID if the mappings are not of their shape, CS_ERR_PE_FRAGMENT if something cannot be said. */
CS_MUST_CHECK cs_err cs_partial_filter(const cs_partial *p, const cs_partial_target *target, cs_value mappings,
                                       cs_value *out, cs_error *e);

/* What annotations say about the rule at data.<path> (`compile` of METADATA): adds its unknowns, and *mask_rule is the
 * ref of the rule that masks columns as text, or "". Either may be left out. CS_ERR_INVALID_UNKNOWN with the list. */
CS_MUST_CHECK cs_err cs_partial_annotated(cs_partial *p, const cs_value *path, size_t n, bool unknowns,
                                          cs_slice *mask_rule, cs_errors *errors);
/* The text of a rule's ref, from what a request calls it: a full ref, or a name in the package of the rule at
 * data.<path>. CS_ERR_INVALID with OPA's words. */
CS_MUST_CHECK cs_err cs_partial_mask_ref(cs_partial *p, cs_slice text, const cs_value *path, size_t n, cs_slice *out,
                                         cs_error *e);
/* [{"message", "location"?}] about refs of the input that are nearly unknowns; undefined without any. */
cs_value cs_partial_hints(const cs_partial *p);

#endif
