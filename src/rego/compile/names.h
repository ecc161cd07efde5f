/* Sets of names, and what the compiler knows about the variables of a body: for those who make and drop statements
 * after the stages (partial evaluation). Everything lives in the set's arena; one thread at a time. */
#ifndef CS_REGO_COMPILE_NAMES_H
#define CS_REGO_COMPILE_NAMES_H

#include "rego/compile/compile.h"

/* A set of names, each with a pointer of the caller's; the order of insertion is kept. */
typedef struct cs_syms cs_names;

cs_names *cs_names_new(cs_arena *arena);
bool cs_names_has(const cs_names *s, const cs_sym *name);
/* NULL if it is not there. */
void *cs_names_get(const cs_names *s, const cs_sym *name);
/* Adds or replaces; value may be NULL. */
void cs_names_put(cs_names *s, const cs_sym *name, void *value);
uint32_t cs_names_count(const cs_names *s);
const cs_sym *cs_names_at(const cs_names *s, uint32_t i);
/* Adds all of `from`, with their values. */
void cs_names_put_all(cs_names *s, const cs_names *from);

/* Every variable under a term, closures included. */
void cs_names_of_term(cs_names *out, const cs_term *t);
/* The same without those at the heads of references. */
void cs_names_inside_term(cs_names *out, const cs_term *t);
/* The variables that must be bound for a body to be safe: not those of operators and of comprehensions and `every`;
 * `promote` adds what the bodies of and, or, not take from outside. */
void cs_names_of_body(cs_names *out, cs_body b, bool promote);
/* What a body (a statement) binds when `safe` is bound already: OPA's OutputVarsFromBody. policy may be NULL. */
void cs_names_bound_by_body(cs_ast *ast, const cs_compiled *policy, cs_body b, const cs_names *safe, cs_names *out);
void cs_names_bound_by_expr(cs_ast *ast, const cs_compiled *policy, const cs_expr *e, const cs_names *safe,
                            cs_names *out);

/* How many arguments the function takes that an operator names, a built-in or a rule's; -1 if there is none. */
int cs_call_arity(cs_ast *ast, const cs_compiled *policy, const cs_term *operator_ref);
/* Scalars, and arrays, objects and sets of such. */
bool cs_term_is_constant(const cs_term *t);

#endif
