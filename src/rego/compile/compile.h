/* The compiler: named stages (stages.def, OPA's order) that check and rewrite the syntax tree in place, so that what
 * rego/plan reads is small and regular.
 *
 * After the last stage:
 *  - every variable that stood for a rule, an import or a package is a full ref (data.…, input.…); `:=`, `some`,
 *    function arguments and `every` variables are generated locals (__local0__, …), unique within the compilation and
 *    shared by the parts of an `else` chain; other variables keep their names and are scoped to the rule body (or the
 *    query) they occur in, closures included;
 *  - calls are statements: CS_EXPR_CALL with the operator's ref and operands that are scalars, variables, or arrays,
 *    objects and sets of such; the result, if it is used, is captured by a last operand more than the arity. `x = y`
 *    is eq (in rules `==` has become eq, too); there is no assign, no CALL term, no SOME and no TEMPLATE any more
 *    (`some … in` has become the iteration it stands for);
 *  - refs and comprehensions stand only as a whole statement or as a side of eq; everywhere else they have been lifted
 *    into statements of their own (__local1__ = data.a.b). A ref's head is a variable, its operands are scalars,
 *    variables, or arrays, objects and sets of such;
 *  - comprehension heads and rule heads (key, value, args, ref operands) are terms without refs, calls and
 *    comprehensions of their own; a function's args are the patterns as written, their variables locals;
 *  - `with` values are ground or variables; targets are full refs, or a built-in's name;
 *  - bodies are in evaluation order: each statement's inputs are bound by those before it (safety.c). */
#ifndef CS_REGO_COMPILE_COMPILE_H
#define CS_REGO_COMPILE_COMPILE_H

#include "rego/builtin/granted.h"
#include "rego/syntax/parse.h"

/* The tree of rules by the ground prefix of their heads' refs: data → package → rule. */
typedef struct cs_rule_node cs_rule_node;
struct cs_rule_node {
    cs_value key; /* the segment; "data" at the root */
    cs_rule_node *parent;
    cs_rule_node **children; /* sorted by key */
    uint32_t n_children;
    cs_rule **rules; /* those whose ground prefix ends here, defaults included, `else` parts not; modules by name, then
                        source order */
    uint32_t n_rules;
    uint32_t id; /* dense, 0 = root; the planner's index */
};

typedef struct cs_compiled {
    cs_ast *ast;
    cs_module **modules; /* sorted by file name */
    uint32_t n_modules;
    cs_rule_node *root;
    uint32_t n_nodes;
    const cs_capabilities *capabilities; /* as in cs_policy_options; for queries, too */
    uint32_t next_local;                 /* for queries: their locals start here */
    void *graph;                         /* dependencies, private to the compiler */
    void *types;                         /* the type environment, private to the compiler */
    void *input_types;                   /* and of the input, if it has a schema */
    void *rewritten;                     /* names of locals as written, private to the compiler */
} cs_compiled;

typedef struct cs_compile_options {
    const cs_policy_options *policy; /* never NULL */
    /* If not NULL: called after each stage with its name and nanoseconds (metrics, --stop-after). */
    void (*after)(void *self, const char *stage, int64_t ns);
    void *self;
} cs_compile_options;

/* Runs the stages over parsed modules, in the arena of `ast`. On errors the tree is half rewritten: throw the arena
 * away. */
CS_MUST_CHECK cs_err cs_compile_modules(cs_ast *ast, cs_module **modules, uint32_t n, const cs_compile_options *options,
                                        cs_compiled **out, cs_errors *errors);

/* Checks the types of the rules at a path, and of those that they depend on within their packages, for an input that
 * keeps to `schema`. Not while others compile or plan with the same policy. */
CS_MUST_CHECK cs_err cs_compile_check_input(const cs_compiled *c, const cs_value *path, size_t n, cs_value schema,
                                            cs_errors *errors);

/* The node at a path of keys after `data`; NULL if no rule is there or below. */
cs_rule_node *cs_rule_node_at(const cs_compiled *c, const cs_value *path, size_t n);
cs_rule_node *cs_rule_node_child(const cs_rule_node *node, cs_value key);

/* Does evaluating `from` read `to`, directly or through other rules? `else` parts are rules of their own. Recursion
 * being an error, no rule depends on itself. One lookup while there are at most 8,192 rules, a search beyond.
 * Thread-safe once compiled. */
bool cs_rule_depends(const cs_compiled *c, const cs_rule *from, const cs_rule *to);

/* What rego.metadata.chain() is in the rule: an array of {"path", "annotations"?}, the innermost scope first. Made in
 * `a`; thread-safe. */
cs_value cs_rule_annotations(cs_arena *a, const cs_compiled *compiled, const cs_rule *r);

/* Of a rule's head, how many parts name the test that it belongs to: up to the first that begins with test_ or
 * todo_test_, or the whole ground prefix. *name is the last of them. */
uint32_t cs_rule_test_name(const cs_rule *r, cs_slice *name);

/* The built-in function that a ref of a name and words ([var io, "jwt", "decode"]) stands for; NULL if there is none.
 */
const cs_builtin *cs_builtin_of_ref(const cs_term *ref);
/* The same for a policy with capabilities (may be NULL): one that they grant and that has no function is found, too. */
const cs_builtin *cs_builtin_granted(const cs_capabilities *c, const cs_term *ref);

/* ---- queries */
typedef struct cs_query_var {
    const cs_sym *name;  /* as the query's author wrote it */
    const cs_sym *local; /* as it is called after the stages (the same, unless := or some declared it) */
} cs_query_var;

typedef struct cs_compiled_query {
    cs_body body; /* rewritten; shares nothing with the policy's tree that a later stage writes */
    cs_query_var
        *vars; /* named variables of the result, sorted by name; wildcards and generated ones are not among them */
    uint32_t n_vars;
    cs_term **values; /* for each statement of the source: the term whose value is reported (a local, or true) */
    cs_slice *texts;  /* and its text */
    uint32_t n_values;
    void *rewritten; /* names of locals as written, private to the compiler */
} cs_compiled_query;

/* Can a body that was made of rewritten statements (partial evaluation) succeed at all, as far as types tell? */
bool cs_body_passes_types(cs_ast *ast, const cs_compiled *policy, cs_body body);
/* The name that a local stands for, as its author wrote it; the local itself if it stands for none. `query` may be
 * NULL. Thread-safe. */
const cs_sym *cs_local_original(const cs_compiled *policy, const cs_compiled_query *query, const cs_sym *local);

/* The query's imports as lines of Rego, in `a`. */
cs_slice cs_query_imports_text(cs_arena *a, const cs_query_options *options);

/* The query's stages, against a compiled policy that is not changed (so this may run on any thread, with its own `ast`,
 * whose symbols are new: names are compared by text where they meet the policy's). `body` was parsed in `ast`. */
CS_MUST_CHECK cs_err cs_compile_query(cs_ast *ast, const cs_compiled *policy, cs_body body,
                                      const cs_query_options *options, cs_compiled_query *out, cs_errors *errors);

#endif
