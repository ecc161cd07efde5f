/* Private to rego/ir: the planner.
 *
 * Planning a statement plans all that comes after it inside of it: a scan's block holds the rest of the body, and a ref
 * over a tree of rules has one block for each of them, each with the rest. So "the rest" is a value here, a step, and
 * may be run several times. Every cs_ir__… function that takes a step `then` plans its own part into p->block, leaves
 * what it is about in p->target, and answers the step to be run next. What has to be done after the rest is planned
 * (close a block, forget a `with`) waits on a stack (cs_ir__wait) until a step answers NULL: nothing comes after it.
 * Steps are run by one loop (cs_ir__run), so that the length of bodies and chains of rules is no recursion; only terms
 * inside terms are. A step that may be run again must not be changed. */
#ifndef CS_REGO_IR_INTERNAL_H
#define CS_REGO_IR_INTERNAL_H

#include "rego/compile/names.h"
#include "rego/ir/code.h"

enum { CS_IR_INPUT = 0, CS_IR_DATA = 1, CS_IR_FIRST_LOCAL = 2 };

typedef struct cs_ir_planner cs_ir_planner;
typedef struct cs_ir_step cs_ir_step;
struct cs_ir_step {
    const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self);
};

/* ---- tree.c: rules by the names of their paths. Those that share a path up to its first variable are one node, and
 * take in what stands beneath. */
typedef struct cs_ir_node cs_ir_node;
typedef struct cs_ir_branch {
    cs_slice key;
    CS_VEC(cs_ir_node *) stack; /* the last counts; NULL: hidden by a `with` */
} cs_ir_branch;
struct cs_ir_node {
    CS_VEC(cs_ir_branch) branches; /* by key */
    CS_VEC(const cs_rule *) rules;
};
void cs_ir__build_tree(cs_ir_planner *p);
/* NULL of a NULL node, and where there is none. */
const cs_ir_node *cs_ir__child(const cs_ir_node *node, const cs_term *key);
const cs_ir_node *cs_ir__branch(const cs_ir_branch *b);
const cs_ir_node *cs_ir__find(const cs_ir_planner *p, const cs_term *ref);
/* Hides what is at a ref (data.a.b), and shows it again. */
void cs_ir__hide(cs_ir_planner *p, const cs_term *ref);
void cs_ir__show(cs_ir_planner *p, const cs_term *ref);
uint32_t cs_ir__arity(const cs_ir_node *node); /* of its function; 0 for anything else */

/* ---- the state */
/* Variables of a body; those of bodies within have a scope of their own. */
typedef struct cs_ir_scope cs_ir_scope;
struct cs_ir_scope {
    cs_ir_scope *outer;
    cs_names *vars; /* with their locals */
};

/* The functions planned under the `with`s in force, and the variables they get besides input and data. */
typedef struct cs_ir_generation {
    uint32_t number;
    cs_value functions; /* an object: path → name */
    const cs_sym **vars;
    uint32_t n_vars, all_vars; /* its own, and with those beneath */
} cs_ir_generation;

typedef struct cs_ir_mock {
    cs_slice name; /* of the function as a call has it */
    const cs_term *by;
} cs_ir_mock;

/* The functions that a `with` replaces. */
typedef struct cs_ir_mocks {
    cs_ir_mock *v;
    uint32_t n;
    bool wall; /* what is beneath does not count: a function that stands for another is being planned */
} cs_ir_mocks;

struct cs_ir_planner {
    cs_arena *arena;
    const cs_compiled *policy;
    cs_ir_policy *out;
    cs_ir_node *root;
    cs_value strings, files; /* objects: text → number */
    CS_VEC(cs_ir_generation) generations;
    uint32_t next_generation;
    CS_VEC(cs_ir_mocks) mocks;
    cs_value planning; /* an object: paths of functions → are they being planned? */
    cs_value planned;  /* a set: rules, by their addresses; undefined if nobody asks */
    CS_VEC(const cs_ir_step *) waiting;
    cs_ir_block *block; /* being filled */
    cs_ir_scope *scope;
    cs_ir_operand target; /* of what was planned last */
    int32_t key;          /* of the scan that was begun last */
    cs_slice function;    /* the name that cs_ir__rules ended with */
    int32_t next_local;
    const cs_loc *loc;    /* of what is being planned; NULL: none */
    const cs_loc *placed; /* whose place is known: `place` */
    cs_ir_place place;
    uint32_t depth; /* blocks open around `block` */
    cs_err err;     /* set by cs_ir__fail */
    cs_error *e;
    const cs_sym *input, *data;
};

/* ---- steps.c */
void cs_ir__wait(cs_ir_planner *p, const cs_ir_step *s);
/* Runs a step, all that comes after it and all that waits since. */
void cs_ir__run(cs_ir_planner *p, const cs_ir_step *s);
/* Records the first failure; the answer ends the run. */
const cs_ir_step *cs_ir__fail(cs_ir_planner *p, const char *format, ...) CS_PRINTF(2, 3);
/* A step of a type whose first member is the step. */
#define CS_IR_STEP(p, type, function) ((type *)cs_ir__step((p), sizeof(type), (function)))
cs_ir_step *cs_ir__step(cs_ir_planner *p, size_t size,
                        const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self));
/* What waits: the planner's place as it is now. */
void cs_ir__wait_place(cs_ir_planner *p);
/* p->block becomes a new block, and is again what it was when what comes after is planned; NULL: too deep. */
cs_ir_block *cs_ir__open(cs_ir_planner *p);
void cs_ir__close(cs_ir_planner *p, cs_ir_block *back);
void cs_ir__push_scope(cs_ir_planner *p);
void cs_ir__pop_scope(cs_ir_planner *p);
/* The local of a variable; -1 if it has none. */
int32_t cs_ir__local_of(const cs_ir_planner *p, const cs_sym *var);
/* The same, 0 if it has none. */
cs_ir_operand cs_ir__operand_of(const cs_ir_planner *p, const cs_sym *var);
void cs_ir__bind(cs_ir_planner *p, const cs_sym *var, int32_t local);
/* A variable under the term that has no local? */
bool cs_ir__has_unseen(const cs_ir_planner *p, const cs_term *t);

static inline int32_t cs_ir__new_local(cs_ir_planner *p)
{
    return p->next_local++;
}
static inline cs_ir_generation *cs_ir__generation(cs_ir_planner *p)
{
    return &p->generations.v[p->generations.n - 1];
}
static inline const cs_loc *cs_ir__loc(const cs_loc *loc)
{
    return loc->nowhere || loc->source == NULL ? NULL : loc;
}

/* ---- emit.c */
static inline cs_ir_operand cs_ir__op(int32_t local)
{
    return (cs_ir_operand){CS_IR_OF_LOCAL, local};
}
static inline cs_ir_field cs_ir__l(int64_t n)
{
    return (cs_ir_field){.number = n};
}
static inline cs_ir_field cs_ir__o(cs_ir_operand o)
{
    return (cs_ir_field){.operand = o};
}
/* Appends a statement to p->block, or to another one, at the planner's place; `bare` ones have none. */
#define CS_IR_EMIT(p, id, ...) cs_ir__put((p), (p)->block, CS_IR_##id, true, (cs_ir_field[4]){__VA_ARGS__})
#define CS_IR_EMIT_TO(p, block, id, ...) cs_ir__put((p), (block), CS_IR_##id, true, (cs_ir_field[4]){__VA_ARGS__})
#define CS_IR_EMIT_BARE(p, block, id, ...) cs_ir__put((p), (block), CS_IR_##id, false, (cs_ir_field[4]){__VA_ARGS__})
void cs_ir__put(cs_ir_planner *p, cs_ir_block *block, cs_ir_kind kind, bool placed, const cs_ir_field fields[4]);
cs_ir_block *cs_ir__new_block(cs_ir_planner *p);
/* A block statement's list with these. */
cs_ir_field cs_ir__blocks_of(cs_ir_planner *p, cs_ir_block *const *v, size_t n);
cs_ir_field cs_ir__one(cs_ir_planner *p, cs_ir_block *b);
cs_ir_place cs_ir__place(cs_ir_planner *p, const cs_loc *loc);
int32_t cs_ir__string(cs_ir_planner *p, cs_slice s);
cs_ir_operand cs_ir__text_operand(cs_ir_planner *p, cs_slice s);
/* The locals of input, data and what else functions get now. */
cs_ir_operands cs_ir__default_operands(cs_ir_planner *p);
/* The variables that they hold; *n of them. */
const cs_sym **cs_ir__function_vars(cs_ir_planner *p, uint32_t *n);
/* The built-in is needed. */
void cs_ir__need(cs_ir_planner *p, const cs_builtin *b);
/* By the name of a call; NULL if there is none. */
const cs_builtin *cs_ir__builtin(const cs_ir_planner *p, cs_slice name);

/* ---- expr.c, call.c, with.c, unify.c, term.c, ref.c, dynamic.c, rule.c: see above for `then` */
typedef const cs_ir_step *cs_ir_then;
cs_ir_then cs_ir__body(cs_ir_planner *p, cs_body b, cs_ir_then then);
cs_ir_then cs_ir__expr(cs_ir_planner *p, const cs_expr *e, cs_ir_then then);
cs_ir_then cs_ir__call(cs_ir_planner *p, const cs_expr *e, cs_ir_then then);
cs_ir_then cs_ir__with(cs_ir_planner *p, const cs_expr *e, cs_ir_then then);
cs_ir_then cs_ir__unify(cs_ir_planner *p, const cs_term *a, const cs_term *b, cs_ir_then then);
cs_ir_then cs_ir__unify_operand(cs_ir_planner *p, cs_ir_operand a, const cs_term *b, cs_ir_then then);
cs_ir_then cs_ir__term(cs_ir_planner *p, const cs_term *t, cs_ir_then then);
/* An object of a list of keys and values; p->target is the object. _distinct gives the list with every key once. */
const cs_terms *cs_ir__distinct(cs_ir_planner *p, const cs_terms *list);
cs_ir_then cs_ir__object(cs_ir_planner *p, const cs_terms *list, cs_ir_then then);
/* A set of terms of which none is a variable's. */
cs_ir_then cs_ir__set(cs_ir_planner *p, const cs_terms *list, cs_ir_then then);
cs_ir_then cs_ir__ref(cs_ir_planner *p, const cs_terms *ref, cs_ir_then then);
/* The operands of a ref, or of a path without a head, from `at` on, into p->target. */
cs_ir_then cs_ir__walk(cs_ir_planner *p, const cs_terms *ref, uint32_t at, cs_ir_then then);
/* Scans p->target: the key is unified with `key` (NULL: anything), p->target is then the value, p->key the key. */
cs_ir_then cs_ir__scan(cs_ir_planner *p, const cs_term *key, cs_ir_then then);
/* The same with the value unified. */
cs_ir_then cs_ir__scan_values(cs_ir_planner *p, const cs_term *value, cs_ir_then then);
/* Can the ref be a look-up by names that are known when it is run? Then its plan begins, *next is the step that does,
 * and the answer is true. */
bool cs_ir__dynamic(cs_ir_planner *p, const cs_terms *ref, cs_ir_then then, cs_ir_then *next);
/* The function of a node's rules; its name is then in p->function. */
cs_ir_then cs_ir__rules(cs_ir_planner *p, const cs_ir_node *node, cs_ir_then then);
/* data.<package>.<head>. */
cs_term *cs_ir__path(cs_ir_planner *p, const cs_rule *r);
/* Rules longest path first, then by path; of one path in the order in which they were. */
void cs_ir__sort_rules(cs_ir_planner *p, const cs_rule **v, size_t n);

#endif
