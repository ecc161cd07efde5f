/* Private to rego/topdown.
 *
 * Evaluation is by continuation: a function that finds an answer calls what is to be done with it, and returns when
 * there are no more. Continuations live on the C stack (their depth is what limits an evaluation; see
 * cs_td__step), everything else in the evaluation's arena. */
#ifndef CS_REGO_TOPDOWN_INTERNAL_H
#define CS_REGO_TOPDOWN_INTERNAL_H

#include "countersign/base/vec.h"
#include "rego/topdown/topdown.h"

/* ---- operands: a ground value, or a term that has to be read with the bindings that it belongs to */
typedef struct cs_opd {
    const cs_term *t; /* NULL: `v`. Never a SCALAR */
    cs_value v;
} cs_opd;

typedef struct cs_bindings cs_bindings;
typedef struct cs_binding {
    const cs_term *key; /* VAR, as it was met first */
    cs_opd value;
    cs_bindings *of; /* where variables of `value` are bound */
} cs_binding;

/* What the variables of one body are bound to. */
struct cs_bindings {
    uint64_t id; /* of the query that they belong to: tells equal names of different bodies apart */
    cs_binding *v;
    uint32_t n, cap;
};

typedef struct cs_undo {
    cs_bindings *of; /* NULL: nothing to undo */
    const cs_sym *key;
} cs_undo;

/* ---- how an evaluation step ends: NULL = go on with the next answer, otherwise the reason to unwind */
typedef enum cs_stop_kind {
    CS_STOP_ERROR,   /* cs_td.error */
    CS_STOP_EARLY,   /* one answer is enough */
    CS_STOP_DEFERRED /* one is enough for a caller further out, but not for this rule */
} cs_stop_kind;
typedef struct cs_stop cs_stop;
struct cs_stop {
    cs_stop_kind kind;
    const cs_stop *before; /* what this one stands around */
};
typedef const cs_stop *cs_go;

#define CS_GO(call)                                                                                                    \
    do {                                                                                                               \
        cs_go cs_go_stop_ = (call);                                                                                    \
        if (cs_go_stop_) {                                                                                             \
            return cs_go_stop_;                                                                                        \
        }                                                                                                              \
    } while (0)

typedef struct cs_k cs_k;
struct cs_k {
    cs_go (*run)(cs_k *self);
};
#define CS_K_SELF(type, k) ((type *)(void *)(k))

/* ---- one body under evaluation */
typedef struct cs_td cs_td;
struct cs_td_frame {
    cs_td *run;
    cs_td_frame *parent; /* NULL for the query's own */
    cs_body query;
    uint32_t index; /* the statement at hand */
    uint64_t id;
    cs_bindings *b;
    cs_value input;     /* undefined: there is none */
    cs_value data;      /* what `with` put in place of base data; undefined: nothing */
    cs_loc last;        /* place of the last event, for nodes without one */
    uint32_t generated; /* numbers generated variables */
    uint32_t unrolled;  /* elements of enclosing `every` that were unrolled, multiplied; 0 = none */
    bool find_one;      /* stop with the first answer */
    bool defined;
};

/* ---- rules that a document consists of (rules.c) */
typedef struct cs_td_rule {
    const cs_rule *rule;
    cs_terms ref;  /* the whole ref of the head: data, package, head */
    bool is_other; /* comes after an `else` of the one before */
} cs_td_rule;

typedef struct cs_td_rules {
    cs_td_rule *v; /* those that can match, each followed by its `else` parts */
    uint32_t n;
    uint32_t n_groups;           /* rules without `else` parts */
    const cs_td_rule *otherwise; /* the default rule, or NULL */
    bool multi_value;
    bool only_ground_refs;
    bool early_exit;
    bool has_else;
} cs_td_rules;

typedef struct cs_td_index cs_td_index;

/* ---- memories (cache.c) */
typedef struct cs_td_memo cs_td_memo;
struct cs_td_memo {
    cs_value children; /* key → place in `v` of the layer; undefined while there are none */
    cs_value value;    /* undefined: none */
    bool is_undefined; /* known to be undefined */
};
typedef struct cs_td_layer {
    CS_VEC(cs_td_memo) v; /* v.v[0] is the root */
    CS_VEC(struct cs_td_comprehension *) comprehensions;
} cs_td_layer;

typedef struct cs_td_keyed { /* a comprehension that is indexed */
    const cs_term *t;
    const cs_term **keys; /* variables */
    uint32_t n;
} cs_td_keyed;

typedef struct cs_td_mock {
    const cs_term *target;
    cs_opd value;
} cs_td_mock;
typedef struct cs_td_mocks { /* of one `with`, or the mark of a group's start */
    const cs_td_mock *v;
    uint32_t n;
    bool group;
} cs_td_mocks;

typedef struct cs_td_refs {
    const cs_term *const *v;
    uint32_t n;
} cs_td_refs;

typedef struct cs_td_live_row {
    uint32_t live;
    cs_value key, row;
} cs_td_live_row;

typedef struct cs_partial cs_partial; /* save.c: what partial evaluation knows */

/* ---- one evaluation */
struct cs_td {
    const cs_td_query *query;
    const cs_eval *eval;
    const cs_tracer *tracer; /* NULL: nobody listens */
    const cs_compiled *policy;
    const cs_host *host;
    cs_arena *arena;
    cs_ast *names; /* for generated variables and residual trees */
    cs_ast own_names;
    uint64_t next_id;
    uint64_t steps, max_steps;
    const char *stack; /* where the C stack stood at the beginning */
    bool deep;         /* it was used up */
    cs_err err;
    cs_error error;
    const cs_rule *conflict_of; /* the rule whose own conflict `error` is */
    cs_err builtin_err;         /* strict: the first error of a built-in */
    cs_error builtin_error;
    bool quiet_builtins; /* errors of built-ins do not count: a conflict is being looked at */
    cs_builtin_state builtins;
    CS_VEC(cs_td_layer) layers; /* a new one for each `with` */
    CS_VEC(cs_td_refs) targets; /* of `with`s in force */
    CS_VEC(cs_td_mocks) mocks;
    cs_td_index **indexes; /* by node */
    CS_VEC(cs_td_keyed) keyed;
    CS_VEC(cs_td_live_row) live_rows;
    cs_value *live_all;
    cs_td_frame *root;
    cs_partial *partial; /* NULL: full evaluation */
};

/* ---- run.c */
void cs_td__begin(cs_td *run, const cs_td_query *query, const cs_eval *eval, const cs_tracer *tracer);
void cs_td__end(cs_td *run);
/* Runs the frame's body with the events of a query around it. */
cs_go cs_td__run_body(cs_td_frame *f, cs_k *k);
/* The run's error as the caller gets it; CS_OK without one. */
cs_err cs_td__report(cs_td *run, cs_go stop, cs_error *e);
/* Ends the evaluation. */
cs_go cs_td__fail(cs_td *run, cs_loc loc, cs_err err, const char *format, ...) CS_PRINTF(4, 5);
void cs_td__place(cs_error *e, cs_loc loc);
/* Is the C stack used up? Says so at the next step. */
bool cs_td__too_deep(cs_td *run);
/* Counts a step; looks at the limits now and then. */
cs_go cs_td__step(cs_td_frame *f);
cs_go cs_td__early(cs_td_frame *f, cs_go before);
/* An early exit ends here: what stands around it goes, one layer. */
static inline cs_go cs_td__suppress(cs_go stop)
{
    return stop && stop->kind != CS_STOP_ERROR ? stop->before : stop;
}
/* Enumerations go on after a deferred exit and answer it at their end. NULL: go on. */
static inline cs_go cs_td__defer(cs_go *deferred, cs_go stop)
{
    if (stop && stop->kind == CS_STOP_DEFERRED) {
        *deferred = *deferred ? *deferred : stop;
        return NULL;
    }
    return stop;
}
/* A frame for a body inside this one: with the same bindings, or with its own. */
void cs_td__closure(const cs_td_frame *f, cs_body body, cs_td_frame *child);
void cs_td__child(const cs_td_frame *f, cs_body body, cs_td_frame *child, cs_bindings *b);

/* ---- bindings.c */
cs_opd cs_opd_of(const cs_term *t);
static inline cs_opd cs_opd_value(cs_value v)
{
    return (cs_opd){NULL, v};
}
static inline bool cs_opd_is(cs_opd o, cs_term_kind kind)
{
    return o.t && o.t->kind == kind;
}
bool cs_opd_is_comprehension(cs_opd o);
/* The kind of a collection, whether term or value; CS_UNDEFINED for anything else. */
cs_kind cs_opd_collection(cs_opd o);
bool cs_opd_equal(cs_opd a, cs_opd b); /* as trees */
/* No variables to bind. */
bool cs_opd_is_ground(cs_opd o);
const cs_term *cs_opd_term(cs_td *run, cs_opd o, cs_loc loc);
bool cs_td__is_root(const cs_term *t, const char *name); /* is it the VAR data or input? */
cs_opd cs_bindings_apply(cs_bindings **b, cs_opd o);
void cs_bindings_bind(cs_td *run, cs_bindings *b, const cs_term *key, cs_opd value, cs_bindings *of, cs_undo *undo);
void cs_td__undo(const cs_undo *undo);
/* Variables replaced by what they are bound to. `caller`: variables that stay get the number of their bindings, unless
 * those are the caller's; NULL = they stay as they are. */
cs_opd cs_bindings_plug(cs_td *run, cs_bindings *b, cs_opd o, const cs_bindings *caller);
static inline cs_opd cs_td__plug(const cs_td_frame *f, cs_opd o)
{
    return o.t ? cs_bindings_plug(f->run, f->b, o, NULL) : o;
}
static inline cs_opd cs_td__plug_term(const cs_td_frame *f, const cs_term *t)
{
    return cs_td__plug(f, cs_opd_of(t));
}
const cs_term *cs_td__namespaced(cs_td *run, const cs_bindings *b, const cs_term *var, const cs_bindings *caller);
const cs_term *cs_td__new_var(cs_td_frame *f, const char *format, ...) CS_PRINTF(2, 3);

/* ---- unify.c */
cs_go cs_td__biunify(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k);
cs_go cs_td__unify(cs_td_frame *f, const cs_term *a, const cs_term *b, cs_k *k);
/* Two lists, item by item. */
cs_go cs_td__biunify_lists(cs_td_frame *f, const cs_opd *a, const cs_opd *b, uint32_t n, cs_bindings *b1,
                           cs_bindings *b2, cs_k *k);
uint32_t cs_opd_count(cs_opd o);                          /* items, or keys */
cs_opd cs_opd_item(cs_opd o, uint32_t i);                 /* of an array or a set */
cs_opd cs_opd_entry(cs_opd o, uint32_t i, cs_opd *value); /* of an object */

/* ---- expr.c */
cs_go cs_td__expr(cs_td_frame *f, cs_k *k); /* the statement at f->index and those after it */
cs_go cs_td__next(cs_td_frame *f, cs_k *k);
/* The statement itself, without its `with`; `advance`: go on with the next one. */
cs_go cs_td__statement(cs_td_frame *f, cs_k *k, bool advance);

/* ---- logic.c */
cs_go cs_td__not(cs_td_frame *f, cs_k *k); /* `not` of the single statement at hand */
cs_go cs_td__not_body(cs_td_frame *f, const cs_expr *e, cs_k *k);
cs_go cs_td__and(cs_td_frame *f, const cs_expr *e, cs_k *k);
cs_go cs_td__or(cs_td_frame *f, const cs_expr *e, cs_k *k);

/* ---- every.c */
cs_go cs_td__every(cs_td_frame *f, const cs_expr *e, cs_k *k);
/* The body that goes through the domain: value = domain[key]. */
cs_body cs_td__every_generator(cs_td *run, const cs_expr *e);

/* ---- with.c */
cs_go cs_td__with(cs_td_frame *f, cs_k *k);
/* The replacement of a function or built-in, or NULL. */
const cs_opd *cs_td__mock(cs_td *run, const cs_term *function);
bool cs_td__is_function(const cs_td *run, const cs_term *ref); /* a function of the policy, or a built-in */
bool cs_td__is_policy_function(const cs_td *run, const cs_term *ref);
/* Is the path at or below something that `with` replaced? */
bool cs_td__replaced(const cs_td *run, const cs_opd *path, uint32_t n);

/* ---- call.c */
cs_go cs_td__call(cs_td_frame *f, const cs_term *const *terms, uint32_t n, cs_k *k);

/* ---- function.c */
cs_go cs_td__function(cs_td_frame *f, const cs_td_rules *rules, const cs_term *const *terms, uint32_t n, cs_k *k);

/* ---- ref.c: a ref whose value is met with rterm */
typedef struct cs_td_ref {
    cs_td_frame *f;
    cs_terms ref;
    uint32_t pos;
    cs_bindings *b;
    cs_opd rterm;
    cs_bindings *rb;
} cs_td_ref;

cs_go cs_td__ref(cs_td_frame *f, const cs_term *ref, cs_opd rterm, cs_bindings *b, cs_bindings *rb, cs_k *k);
/* Goes on inside a term from ref.v[pos]. */
cs_go cs_td__inside(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_k *k);

/* ---- tree.c: data */
cs_go cs_td__tree(const cs_td_ref *r, cs_k *k);
const cs_rule_node *cs_td__node_of(const cs_td *run, const cs_terms *ref);

/* ---- complete.c, partial_rule.c: documents of rules; `path` is r->ref plugged, r->pos the place of the rule's name */
cs_go cs_td__complete(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k);
cs_go cs_td__partial_rule(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k);

/* ---- base.c */
/* The base document at a path (with replacements), undefined if there is none. False: it is unknown. */
bool cs_td__resolve(const cs_td_frame *f, const cs_opd *path, uint32_t n, cs_value *out);
cs_value cs_td__merge(cs_td *run, cs_value a, cs_value b); /* a wins */

/* ---- rules.c */
/* The definitions at the node that can match; args: those of a call, or NULL. Emits the index event. */
cs_td_rules cs_td__rules(cs_td_frame *f, const cs_rule_node *node, const cs_term *const *args, uint32_t n_args);
/* constraints.c: made on first use */
cs_td_index *cs_td__index_of(cs_td *run, const cs_rule_node *node);

/* ---- conflict.c */
typedef struct cs_td_conflicts {
    cs_value values[10];
    cs_loc places[10];
    uint32_t n;
    bool more;
} cs_td_conflicts;
/* Takes a value of a rule; false: enough of this rule. */
cs_go cs_td__conflict_add(cs_td_conflicts *c, const cs_rule *rule, cs_value v);
cs_go cs_td__conflict(cs_td *run, const cs_td_rule *rule);
/* If `stop` is the rule's own conflict, all of the rules are run again to list every value. */
cs_go cs_td__conflict_list(cs_td_frame *f, cs_go stop, const cs_td_rule *rule, const cs_td_rules *rules,
                           cs_go (*again)(void *self, const cs_td_rule *rule, cs_td_conflicts *c, bool *produced),
                           void *self);

/* ---- cache.c */
void cs_td__layer_push(cs_td *run);
void cs_td__layer_pop(cs_td *run);
/* The value remembered under a path, or NULL; *undefined: it is known to have none. Paths that are not ground are not
 * remembered. */
const cs_value *cs_td__memo_get(cs_td *run, const cs_opd *path, uint32_t n, bool *undefined);
void cs_td__memo_put(cs_td *run, const cs_opd *path, uint32_t n, cs_value v); /* undefined: known to be undefined */

/* ---- comprehension.c */
cs_go cs_td__comprehension(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap, cs_k *k);

/* comprehension_index.c: `ast` of the body's names; rule NULL: a query */
void cs_td__index_comprehensions(cs_td *run, const cs_ast *ast, const cs_rule *rule, cs_body body);
const cs_td_keyed *cs_td__keyed(const cs_td *run, const cs_term *t); /* NULL: it is not indexed */

/* ---- event.c */
void cs_td__event_rule(cs_td_frame *f, cs_trace_op op, const cs_rule *rule);
void cs_td__event_body(cs_td_frame *f, cs_trace_op op, const cs_body *body);
void cs_td__event_expr(cs_td_frame *f, cs_trace_op op, const cs_expr *e);
void cs_td__event_unify(cs_td_frame *f, cs_opd a, cs_opd b);
void cs_td__event_note(cs_td_frame *f, const cs_expr *e, cs_loc loc, cs_slice message);
void cs_td__event_index(cs_td_frame *f, const cs_rule_node *node, const cs_td_rules *matched);
static inline bool cs_td__traced(const cs_td_frame *f)
{
    return f->run->tracer && f->run->tracer->event;
}

#endif
