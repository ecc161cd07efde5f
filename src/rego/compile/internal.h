/* Private to rego/compile. */
#ifndef CS_REGO_COMPILE_INTERNAL_H
#define CS_REGO_COMPILE_INTERNAL_H

#include "countersign/base/limits.h"
#include "countersign/base/vec.h"
#include "rego/compile/compile.h"

/* ---- syms.c: a set of names, or a map from names; insertion order is kept until something is dropped */
typedef struct cs_syms_item {
    const cs_sym *sym;
    void *value;
} cs_syms_item;

typedef struct cs_syms {
    cs_arena *arena;
    cs_syms_item *v;
    uint32_t n, cap;
    uint32_t *slots; /* 1-based; NULL while few enough to search in a row */
    uint32_t mask;
} cs_syms;

static inline cs_syms cs_syms__new(cs_arena *arena)
{
    return (cs_syms){.arena = arena};
}
cs_syms_item *cs_syms__find(const cs_syms *s, const cs_sym *sym);
static inline bool cs_syms__has(const cs_syms *s, const cs_sym *sym)
{
    return cs_syms__find(s, sym) != NULL;
}
/* Adds it if it is not there; the item. The value of an item that was there stays. */
cs_syms_item *cs_syms__add(cs_syms *s, const cs_sym *sym);
void cs_syms__put(cs_syms *s, const cs_sym *sym, void *value);
void cs_syms__drop(cs_syms *s, const cs_sym *sym);
void cs_syms__add_all(cs_syms *to, const cs_syms *from);
bool cs_syms__within(const cs_syms *s, const cs_syms *of); /* is each of s in `of`? */
void cs_syms__sort(cs_syms *s);                            /* by name */

/* ---- pointers.c: a map from addresses to numbers, for what has no number of its own (rules, expressions) */
typedef struct cs_pointers {
    cs_arena *arena;
    const void **keys;
    uint32_t *values;
    uint32_t n, mask;
} cs_pointers;
void cs_pointers__put(cs_pointers *m, const void *key, uint32_t value);
/* UINT32_MAX if it is not there. */
uint32_t cs_pointers__get(const cs_pointers *m, const void *key);

/* ---- the state of one compilation, of modules or of a query */
typedef struct cs_compile_error {
    cs_err code;
    cs_loc loc;
    cs_slice text, details, json; /* the details for people, and as OPA's JSON has them */
} cs_compile_error;

typedef CS_VEC(cs_expr *) cs_exprs;

typedef struct cs_compiler {
    cs_ast *ast;
    cs_arena scratch; /* rewound between rules */
    const cs_policy_options *policy;
    const cs_compiled *compiled; /* the policy: rule tree (complete after SetRuleTree) */
    cs_compiled *out;            /* the same, writable; NULL for a query */
    cs_module **modules;
    uint32_t n_modules;
    const cs_query_options *query; /* NULL for modules */
    cs_body body;                  /* the query */
    cs_syms rewritten;             /* generated local → the name it stands for */
    cs_syms subjects;   /* generated local → the term (cs_term *) it was lifted out of, for texts of type errors */
    cs_syms reserved;   /* data, input */
    cs_syms taken;      /* __local names that the source uses itself */
    const char *prefix; /* of generated locals */
    uint32_t next_local;
    const cs_sym *eq, *assign, *equal, *print;
    CS_VEC(cs_compile_error) errors;
    bool stop; /* an unrecoverable error was recorded */
    bool full; /* the limit of errors is reached */
    CS_VEC(const cs_import *) unused_imports;
} cs_compiler;

/* ---- errors.c */
/* Record an error. After one of _error no further stage runs; _note lets them run. Both are false once the limit is
 * reached. */
bool cs_compile__error(cs_compiler *c, cs_err code, cs_loc loc, const char *format, ...) CS_PRINTF(4, 5);
bool cs_compile__note(cs_compiler *c, cs_err code, cs_loc loc, const char *format, ...) CS_PRINTF(4, 5);
bool cs_compile__record(cs_compiler *c, bool recoverable, const cs_compile_error *e);
/* Sorts and hands over; the code of the first error, or CS_OK. */
cs_err cs_compile__report(cs_compiler *c, cs_errors *errors);
int cs_compile__loc_compare(cs_loc a, cs_loc b);
/* Text in the scratch arena. */
const char *cs_compile__term_text(cs_compiler *c, const cs_term *t);
const char *cs_compile__ref_text(cs_compiler *c, const cs_terms *ref, uint32_t n);
const char *cs_compile__loc_text(cs_compiler *c, cs_loc loc);
/* As authors know it: "_" for wildcards. */
const char *cs_compile__name(const cs_sym *s);
/* The name a generated local stands for, or itself. */
const cs_sym *cs_compile__original(const cs_compiler *c, const cs_sym *s);
/* The same names for after the compilation. */
void *cs_compile__keep_names(const cs_compiler *c);
/* A copy of a ref with generated locals replaced by what they stand for. */
cs_term *cs_compile__ref_as_written(cs_compiler *c, const cs_term *ref);

/* ---- tools.c */
const cs_sym *cs_compile__local(cs_compiler *c);
cs_term *cs_compile__local_term(cs_compiler *c, cs_loc loc);
/* __localN__ = t, generated. */
cs_expr *cs_compile__equality(cs_compiler *c, cs_term *t);
/* Remembers that `child` has come of `parent`. */
void cs_compile__connect(cs_expr *parent, cs_expr *child);
/* Appends; a body that is only `true` is replaced. */
void cs_compile__append(cs_compiler *c, cs_body *body, cs_expr *e);
/* Body from a vector, numbered. */
cs_body cs_compile__body(cs_compiler *c, const cs_exprs *v);
bool cs_compile__is_true(const cs_expr *e);
bool cs_expr__is(const cs_expr *e, const cs_sym *operator_name); /* a call of a one-word function */
bool cs_term__is_root(const cs_compiler *c, const cs_term *t);   /* `input` or `data`, alone */
static inline bool cs_term__is_comprehension(const cs_term *t)
{
    return t->kind == CS_TERM_ARRAY_COMPREHENSION || t->kind == CS_TERM_SET_COMPREHENSION ||
           t->kind == CS_TERM_OBJECT_COMPREHENSION;
}
static inline bool cs_term__is_scalar(const cs_term *t)
{
    return t->kind == CS_TERM_SCALAR;
}
static inline bool cs_term__has_list(const cs_term *t)
{
    return t->kind == CS_TERM_REF || t->kind == CS_TERM_ARRAY || t->kind == CS_TERM_SET || t->kind == CS_TERM_OBJECT ||
           t->kind == CS_TERM_CALL || t->kind == CS_TERM_TEMPLATE;
}
/* The expression that part i of a template string is, where a term does not say it all; NULL for all others. */
static inline cs_expr *cs_term__part(const cs_term *t, uint32_t i)
{
    return t->u.template_string.exprs ? t->u.template_string.exprs[i] : NULL;
}
/* Refs or comprehensions anywhere in it? */
bool cs_term__requires_eval(const cs_term *t);
bool cs_term__is_constant(const cs_term *t); /* scalars, and arrays, objects and sets of such */
const cs_builtin *cs_compile__builtin(const cs_compiler *c, const cs_term *ref);
/* Can it be called? If not (capabilities may grant more than there is), that is an error at `loc`. */
bool cs_compile__usable(cs_compiler *c, const cs_builtin *b, cs_loc loc);
/* Of the function that a ref names; -1 if there is none. */
int cs_compile__arity(const cs_compiler *c, const cs_term *ref);
bool cs_compile__is_v1(const cs_module *m);
/* `:=` leaves its mark on the statement that it becomes: what it declares is an output, never an input. */
static inline bool cs_expr__from_assignment(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && e->u.call.v[0]->raw;
}
static inline void cs_expr__mark_assignment(cs_expr *e)
{
    e->u.call.v[0]->raw = true;
}
/* Calls f on every rule, `else` parts too (each is a rule of its own). */
typedef void cs_rule_fn(cs_compiler *c, cs_rule *r);
void cs_compile__rules(cs_compiler *c, cs_rule_fn *f);
/* Walks what a head computes: arguments, key and value. */
void cs_compile__walk_head(const cs_walker *w, cs_rule *r);
/* On the rules alone, not on their `else` parts. */
void cs_compile__chains(cs_compiler *c, cs_rule_fn *f);

/* ---- vars.c: the variables under a node */
enum {
    CS_VARS_SKIP_REF_HEAD = 1,
    CS_VARS_SKIP_CALL_HEAD = 2, /* of operators, and of the refs of `with` */
    CS_VARS_SKIP_OBJECT_KEYS = 4,
    CS_VARS_SKIP_CLOSURES = 8,
    CS_VARS_SKIP_SETS = 16,
    CS_VARS_SKIP_TEMPLATES = 32,
    CS_VARS_PROMOTE = 64, /* from and, or, not: what their bodies take from outside */
    CS_VARS_SAFETY = CS_VARS_SKIP_CALL_HEAD | CS_VARS_SKIP_CLOSURES,
    CS_VARS_OUTPUT = CS_VARS_SKIP_REF_HEAD | CS_VARS_SKIP_OBJECT_KEYS | CS_VARS_SKIP_CLOSURES,
};
/* The value of each item is the cs_term it was seen in last. */
void cs_vars__term(cs_syms *out, const cs_term *t, unsigned flags);
void cs_vars__terms(cs_syms *out, const cs_terms *list, unsigned flags);
void cs_vars__expr(cs_syms *out, const cs_expr *e, unsigned flags);
void cs_vars__body(cs_syms *out, cs_body b, unsigned flags);
void cs_vars__with(cs_syms *out, const cs_with *w, unsigned flags);
void cs_vars__head(cs_syms *out, const cs_head *h); /* args, key, value, ref operands; not the rule's name */
/* Only what the closures of an expression contain. */
void cs_vars__closures(cs_syms *out, const cs_expr *e);
bool cs_expr__has_closures(const cs_expr *e);
/* With = and some declarations of a body, not those of comprehensions in it. */
void cs_vars__declared(const cs_compiler *c, cs_syms *out, cs_body b);
void cs_vars__declared_expr(const cs_compiler *c, cs_syms *out, const cs_expr *e);

/* ---- outputs.c: what a statement binds */
void cs_outputs__expr(cs_compiler *c, const cs_expr *e, const cs_syms *safe, cs_syms *out);
/* Of a body beyond `safe`. */
void cs_outputs__body(cs_compiler *c, cs_body b, uint32_t n, const cs_syms *safe, cs_syms *out);
/* Of `a = b`, whatever its modifiers. */
void cs_outputs__equality(cs_compiler *c, const cs_expr *e, const cs_syms *safe, cs_syms *out);

/* ---- tree.c */
cs_value cs_tree__key(const cs_term *segment); /* a ref operand as a key; undefined if it is none */
/* The node of a ref [data, …]; NULL if there is none. */
cs_rule_node *cs_tree__find(const cs_compiled *c, const cs_term *ref, uint32_t n);
/* package + head ref, [data, "a", "p", x]. */
cs_term *cs_rule__path(cs_compiler *c, const cs_rule *r);
uint32_t cs_rule__ground_prefix(const cs_rule *r); /* how many operands of the head's ref, the name included */
const char *cs_rule__text(cs_compiler *c, const cs_rule *r); /* "data.a.p[x]", with names as written */
void cs_tree__walk(const cs_rule_node *n, bool (*f)(void *self, const cs_rule_node *n), void *self);

/* ---- compile.c, shape.c */
void cs_compile__begin(cs_compiler *c); /* the rest of the state, once ast and options stand */
void cs_shape__check(cs_compiler *c, const char *stage);

/* ---- stages (stages.def) */
#define CS_STAGE(name, function, file) void function(cs_compiler *c);
#include "rego/compile/stages.def"
#undef CS_STAGE

/* ---- the parts of stages that queries need as well */
typedef struct cs_globals cs_globals;
void cs_resolve__body(cs_compiler *c, const cs_globals *g, cs_body b, const cs_syms *declared);
cs_body cs_locals__body(cs_compiler *c, cs_body b);
void cs_template__body(cs_compiler *c, cs_body b, const cs_syms *globals);
cs_body cs_print__erase(cs_compiler *c, cs_body b);
bool cs_print__rewrite(cs_compiler *c, cs_body b, const cs_syms *globals);
void cs_void__body(cs_compiler *c, cs_body b);
cs_body cs_hoist__body(cs_compiler *c, cs_body b);
void cs_comprehension__body(cs_compiler *c, cs_body b);
cs_body cs_with__body(cs_compiler *c, cs_body b);
void cs_undefined__body(cs_compiler *c, cs_body b);
cs_body cs_dynamic__body(cs_compiler *c, cs_body b);
void cs_forbid__unsafe(cs_compiler *c, cs_body b);
/* The body in order of evaluation; *unsafe tells whether an error was recorded. `scope` is "" or " in rule p". */
cs_body cs_safety__body(cs_compiler *c, cs_body b, const cs_syms *globals, const char *scope);
void cs_types__query(cs_compiler *c, cs_body b);

/* resolve.c: names that stand for refs */
struct cs_globals {
    cs_syms imports; /* name → cs_global */
    cs_syms *rules;  /* of the package: name → cs_global; may be NULL */
    cs_term *head;   /* of all refs that names of rules became */
};
typedef struct cs_global {
    const cs_term *ref;
    cs_term *head; /* an import: of all refs that its name became */
    bool used;
} cs_global;
void cs_resolve__add_import(cs_compiler *c, cs_globals *g, const cs_import *import);
const cs_sym *cs_import__name(cs_compiler *c, const cs_import *import);
void cs_import__print(cs_buf *out, const cs_import *import);

#endif
