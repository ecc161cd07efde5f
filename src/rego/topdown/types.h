/* Private to rego/topdown.
 *
 * Evaluation is by continuation: a function that finds an answer calls what is to be done with it, and returns when
 * there are no more. Continuations live on the C stack (their depth is what limits an evaluation; see
 * cs_td__step), everything else in the evaluation's arena. */
#ifndef CS_REGO_TOPDOWN_TYPES_H
#define CS_REGO_TOPDOWN_TYPES_H

#include "countersign/base/vec.h"
#include "rego/topdown/topdown.h"

/* ---- operands: a ground value, or a term that has to be read with the bindings that it belongs to */
typedef struct cs_opd {
    const cs_term *t; /* NULL: `v`. Never a SCALAR */
    cs_value v;
    const cs_term *written; /* of a value: the constant that it was, for partial evaluation; NULL if it is none */
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

/* What the tables of a policy, or of a query, are made with. */
typedef struct cs_td_maker {
    cs_arena *arena;
    cs_ast *names;
    const cs_compiled *policy;
    CS_VEC(cs_td_keyed) keyed;
} cs_td_maker;

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

typedef struct cs_td_saving cs_td_saving; /* save.c: what partial evaluation knows */

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
    const cs_td_tables *tables;
    cs_td_maker own; /* of the query */
    CS_VEC(cs_td_live_row) live_rows;
    cs_value *live_all;
    cs_td_frame *root;
    cs_td_saving *partial; /* NULL: full evaluation */
};

#endif
