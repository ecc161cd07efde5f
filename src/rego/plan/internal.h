/* Private to rego/plan. */
#ifndef CS_REGO_PLAN_INTERNAL_H
#define CS_REGO_PLAN_INTERNAL_H

#include "countersign/base/vec.h"
#include "rego/plan/plan.h"

#define CS_PLAN_NO_REG UINT32_MAX

typedef struct cs_binding {
    const cs_sym *name;
    uint32_t reg;
} cs_binding;

/* A set of a rule that the next test of membership asks for one element, instead of making it (member.c). */
typedef struct cs_asked_set {
    const cs_sym *name; /* what stands for it there */
    uint32_t code;
} cs_asked_set;

typedef struct cs_planner {
    cs_arena *arena;             /* what the program keeps */
    const cs_compiled *compiled; /* NULL for a query */
    const cs_program *program;   /* nodes are complete before any code is planned */
    cs_program *growing;         /* the same while a policy is planned, NULL for a query: codes may be added */
    uint32_t cap_codes;
    cs_err err; /* sticky: the first failure */
    cs_error *e;
} cs_planner;

/* One code under construction. */
typedef struct cs_builder {
    cs_planner *p;
    cs_code *code;
    CS_VEC(cs_insn) insns;
    CS_VEC(cs_loc) locs;
    CS_VEC(uint32_t) labels; /* where each stands; UINT32_MAX = not yet */
    CS_VEC(cs_value) k;
    cs_value k_strings; /* object: string constant → place in k */
    CS_VEC(cs_path) paths;
    CS_VEC(cs_switch) switches;
    CS_VEC(cs_with_site) withs;
    CS_VEC(cs_loc) defs;
    CS_VEC(cs_binding) bindings;
    CS_VEC(cs_asked_set) asked;
    uint32_t next_reg, max_reg;
    uint32_t fail;    /* label: where a failing statement goes */
    uint32_t loops;   /* opened so far: tells whether a body iterates */
    bool any_loop;    /* was one ever opened? */
    uint32_t context; /* register of the `with` context in force, or CS_PLAN_NO_REG */
    uint32_t sealed;  /* no instruction before this place may be changed: a label stands here */
    cs_loc loc;
} cs_builder;

/* ---- builder.c */
void cs_plan__begin(cs_builder *b, cs_planner *p, cs_code *code);
/* Resolves labels and moves everything into the code. */
void cs_plan__finish(cs_builder *b);
void cs_plan__fail(cs_builder *b, const char *what);
uint32_t cs_plan__label(cs_builder *b);
void cs_plan__place(cs_builder *b, uint32_t label);
uint32_t cs_plan__reg(cs_builder *b);
uint32_t cs_plan__regs(cs_builder *b, uint32_t n); /* the first of n in a row */
uint32_t cs_plan__k(cs_builder *b, cs_value v);
uint32_t cs_plan__path(cs_builder *b, const cs_value *keys, uint32_t n);
/* All-purpose: unused fields are 0. */
void cs_plan__emit(cs_builder *b, cs_op op, uint32_t a, uint32_t rb, uint32_t rc, uint32_t u, uint32_t t);
void cs_plan__jump(cs_builder *b, uint32_t label);
/* Variables. */
uint32_t cs_plan__lookup(const cs_builder *b, const cs_sym *name); /* CS_PLAN_NO_REG if unbound */
void cs_plan__bind(cs_builder *b, const cs_sym *name, uint32_t reg);

/* ---- term.c: the value of a term in a register; undefined goes to b->fail; unbound variables in refs open loops */
uint32_t cs_plan__term(cs_builder *b, const cs_term *t);
void cs_plan__term_into(cs_builder *b, const cs_term *t, uint32_t reg);
/* Is there a variable in the pattern (arrays, objects, plain variables) that nothing has bound yet? */
bool cs_plan__open(const cs_builder *b, const cs_term *t);
/* Opens a loop over the collection in `reg`; key and value registers. */
void cs_plan__loop(cs_builder *b, uint32_t reg, uint32_t *key, uint32_t *value);

/* ---- ref.c */
uint32_t cs_plan__ref(cs_builder *b, const cs_term *ref);
uint32_t cs_plan__node_child(const cs_program *program, uint32_t node, cs_value key);
/* The node at constant keys, or CS_NO_NODE. */
uint32_t cs_plan__node_at(const cs_program *program, const cs_value *path, size_t n);

/* ---- unify.c */
void cs_plan__unify(cs_builder *b, const cs_term *pattern, uint32_t reg);
void cs_plan__equal(cs_builder *b, const cs_term *left, const cs_term *right);

/* ---- expr.c */
void cs_plan__body(cs_builder *b, cs_body body);
/* A call used as a value. */
uint32_t cs_plan__call_value(cs_builder *b, const cs_terms *call);
/* The built-in that a ref names; NULL if there is none. */
const cs_builtin *cs_plan__builtin(const cs_builder *b, const cs_term *ref);

/* ---- with.c */
void cs_plan__with(cs_builder *b, const cs_expr *e);
void cs_plan__expr_without_with(cs_builder *b, const cs_expr *e);
/* The code of the function a call's or a with's ref names, or CS_NO_CODE. */
uint32_t cs_plan__function(const cs_builder *b, const cs_term *ref);

/* ---- hoist.c */
/* The body of a rule, reads of base documents first. */
void cs_plan__rule_body(cs_builder *b, cs_body body);

/* ---- choose.c */
/* One of the bodies among which an index chooses. */
typedef struct cs_choice {
    const cs_terms *args; /* patterns for the first registers; may be NULL */
    cs_body body;
    const cs_term *value; /* NULL: it makes no difference which of them succeed */
    uint32_t label;
} cs_choice;
/* Adds the switch that finds the choices which can succeed; false if nothing tells them apart. */
bool cs_plan__choose(cs_builder *b, const cs_choice *choices, uint32_t n, uint32_t finish, uint32_t *number);
/* Can there be nothing but base data at data.<path>? */
bool cs_plan__is_base(const cs_program *program, const cs_value *path, uint32_t n);

/* ---- member.c */
/* Statement `i` of the body only names a set of which a later one asks for an element: it is left out. */
bool cs_plan__member_set(cs_builder *b, cs_body body, uint32_t i);
/* That later statement; false if it is another one, and then nothing was emitted. */
bool cs_plan__member(cs_builder *b, const cs_expr *e);

/* ---- quiet.c */
/* Tells which codes make no error and have no effect. All codes are planned. */
void cs_plan__quiet(cs_planner *p);

/* ---- group.c */
/* A comprehension by groups that are made once; false if it does not allow that, and then nothing was emitted. */
bool cs_plan__grouped(cs_builder *b, const cs_term *t, uint32_t *reg);

/* ---- plan.c */
/* Gives the code its place at code->id == n_codes. */
void cs_plan__add_code(cs_planner *p, cs_code *code);

/* ---- affected.c */
/* Tells every with-site of the program which codes it affects. All codes are planned. */
void cs_plan__affected(cs_planner *p);

/* ---- rule.c, extent.c */
void cs_plan__document(cs_planner *p, const cs_rule_node *node, cs_code *code);
/* What stands under one key of a partial set or object. */
bool cs_plan__can_probe(const cs_rule_node *node);
bool cs_plan__is_set(const cs_rule_node *node); /* of one that can be probed */
void cs_plan__probe(cs_planner *p, const cs_rule_node *node, cs_code *code);
void cs_plan__function_code(cs_planner *p, const cs_rule_node *node, cs_code *code);
void cs_plan__extent(cs_planner *p, uint32_t node, cs_code *code);
bool cs_plan__is_function(const cs_rule *r);

#endif
