/* The tree walker: evaluates rewritten bodies (rego/compile) by continuation, statement by statement, in the order of
 * OPA's reference evaluator. It is slower than the machine (rego/vm) and stands beside it for the two things that need
 * that order or that form:
 *
 *  - tracing: every step is an event, in OPA's order, with OPA's query ids (explain, coverage, profile, test -v);
 *  - partial evaluation: what depends on unknowns is kept as residual statements instead of being evaluated.
 *
 * Results equal the machine's. Memory comes from the evaluation's arena. A run belongs to one thread; the compiled
 * policy is only read. Depth is limited (limits.rego_depth), and so are steps, time and cancellation, as in cs_eval. */
#ifndef CS_REGO_TOPDOWN_TOPDOWN_H
#define CS_REGO_TOPDOWN_TOPDOWN_H

#include "countersign/rego.h"
#include "rego/compile/compile.h"

/* ---- events (OPA: v1/topdown/trace.go) */
typedef enum cs_trace_op {
    CS_TRACE_ENTER,
    CS_TRACE_EXIT,
    CS_TRACE_EVAL,
    CS_TRACE_REDO,
    CS_TRACE_SAVE,
    CS_TRACE_FAIL,
    CS_TRACE_DUPLICATE,
    CS_TRACE_NOTE,
    CS_TRACE_INDEX,
    CS_TRACE_UNIFY,
    CS_TRACE_TEST_CASE /* not the walker's: a recorder adds it when internal.test_case tells the name of a case */
} cs_trace_op;

typedef struct cs_td_frame cs_td_frame; /* the query's bindings at the moment of the event */

typedef struct cs_trace_event {
    cs_trace_op op;
    uint64_t query_id, parent_id;
    /* The node: exactly one of them is set. */
    const cs_rule *rule;
    const cs_expr *expr;
    const cs_body *body;
    const cs_term *ref; /* CS_TRACE_INDEX: the rule's ref; otherwise NULL */
    cs_loc loc;         /* of the node */
    cs_slice message;   /* CS_TRACE_NOTE: the text; CS_TRACE_INDEX: "(matched 1 rule, early exit)"; "" otherwise */
    const cs_td_frame *frame; /* for cs_trace_local; valid during the call only */
} cs_trace_event;

struct cs_tracer {
    void *self;
    void (*event)(void *self, const cs_trace_event *event);
    void (*failed)(void *self); /* an error begins, and nothing has been unwound yet; may be NULL */
    bool unify;                 /* wants CS_TRACE_UNIFY events (explain=debug does, the other levels do not) */
    /* Evaluate without the rule index, or without early exit: what else could have been covered, and eval's
     * --disable-indexing and --disable-early-exit. */
    bool no_indexing, no_early_exit;
};

/* The locals that an event shows, as OPA's event.Locals and LocalMetadata: calls `each` for every variable of the
 * query (in OPA's order of output) with its value as a ground term where it is known, and the name that the author
 * wrote with its place (generated variables that stand for a written one have its name; the others have ""). */
void cs_trace_locals(const cs_trace_event *event,
                     void (*each)(void *self, const cs_term *var, const cs_term *value, cs_slice written, cs_loc loc),
                     void *self);
/* The documents of rules that the event's node names and that are known already (OPA's snapshot of the virtual cache):
 * for each ref in the node, in the order of a walk, the ground prefix and its value if the memory of results has it. */
void cs_trace_documents(const cs_trace_event *event, void (*each)(void *self, const cs_term *ref, cs_value value),
                        void *self);

/* What the walker finds out about a policy: made at its first walk, shared by all. Whoever keeps the policy keeps a
 * place for it, at first NULL, and frees it with the policy. */
typedef struct cs_td_tables cs_td_tables;
void cs_td_tables_free(cs_td_tables *t); /* may be NULL */

/* ---- full evaluation */
typedef struct cs_td_query {
    const cs_compiled *policy;
    cs_ast *ast; /* of the query: its own names; results' nodes are made in the evaluation's arena */
    cs_body body;
    const cs_compiled_query *compiled; /* what of the body is reported; NULL: nothing but whether it holds */
    _Atomic(cs_td_tables *) *tables;   /* the policy's; NULL: made for this run alone */
} cs_td_query;

/* Runs the query to its last answer. *result: as cs_query_run for text queries. */
CS_MUST_CHECK cs_err cs_topdown_run(const cs_td_query *query, const cs_eval *eval, const cs_tracer *tracer,
                                    cs_value *result, cs_error *e);

/* ---- partial evaluation (OPA: rego.Partial, topdown.Query.PartialRun) */
typedef struct cs_td_partial_options {
    const cs_term *const *unknowns; /* REFs; n_unknowns 0 means [input] */
    uint32_t n_unknowns;
    const cs_term *const *disable_inlining; /* REFs [data, …] */
    uint32_t n_disable_inlining;
    bool shallow_inlining;
    bool nondeterministic_builtins; /* evaluate them during partial evaluation */
    cs_slice partial_namespace;     /* "" = "partial" */
    bool skip_partial_namespace;
    bool skip_copy_propagation; /* for tests */
} cs_td_partial_options;

typedef struct cs_td_partial {
    cs_body *queries; /* residual queries: any of them suffices; n_queries 0 = never; an empty body = always */
    uint32_t n_queries;
    cs_module **support; /* modules of support rules, in the order in which they were made */
    uint32_t n_support;
} cs_td_partial;

/* The trees live in eval->arena, names in query->ast. eval->input undefined = no input is known. */
CS_MUST_CHECK cs_err cs_topdown_partial(const cs_td_query *query, const cs_eval *eval,
                                        const cs_td_partial_options *options, const cs_tracer *tracer,
                                        cs_td_partial *out, cs_error *e);

/* ---- copy propagation (copyprop.c; OPA: v1/topdown/copypropagation): removes equalities between variables from a
 * residual body. `live` are the variables that must stay. Returns a new body in ast->arena; `ensure_nonempty` keeps a
 * `true` in a body that would be left empty. */
typedef struct cs_copyprop_options {
    const cs_sym *const *live;
    uint32_t n_live;
    bool ensure_nonempty;
    const cs_compiled *policy;        /* rule tree: refs to rules are not removed when they may be undefined */
    const cs_term *const *local_vars; /* unused names must not collide with these; may be NULL */
    uint32_t n_local_vars;
} cs_copyprop_options;
cs_body cs_copy_propagate(cs_ast *ast, cs_body body, const cs_copyprop_options *options);

#endif
