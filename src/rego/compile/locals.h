/* Private to locals.c, scope.c and unused.c. */
#ifndef CS_REGO_COMPILE_LOCALS_H
#define CS_REGO_COMPILE_LOCALS_H

#include "rego/compile/internal.h"

typedef enum cs_occurrence { CS_NEW, CS_ARG, CS_SEEN, CS_ASSIGNED, CS_DECLARED } cs_occurrence;

typedef struct cs_declaration {
    const cs_sym *local; /* the name itself if it was only seen; NULL if only counted */
    cs_occurrence occurrence;
    uint32_t count; /* how often it was met */
} cs_declaration;

typedef struct cs_scopes {
    cs_compiler *c;
    CS_VEC(cs_syms) stack; /* name → cs_declaration */
    size_t errors;         /* declaration errors so far: with any, nothing is reported as unused */
    size_t unused;         /* likewise, what was reported as unused */
} cs_scopes;

static inline cs_syms *cs_scopes__top(cs_scopes *s)
{
    return &s->stack.v[s->stack.n - 1];
}
void cs_scopes__push(cs_scopes *s);
void cs_scopes__pop(cs_scopes *s);
void cs_scopes__insert(cs_scopes *s, const cs_sym *name, const cs_sym *local, cs_occurrence occurrence);
/* The local of a name, searched from the innermost scope outwards; NULL if it is not declared. */
const cs_sym *cs_scopes__declared(const cs_scopes *s, const cs_sym *name);
cs_occurrence cs_scopes__occurrence(const cs_scopes *s, const cs_sym *name); /* in the innermost scope */
cs_occurrence cs_scopes__occurrence_anywhere(const cs_scopes *s, const cs_sym *name);
void cs_scopes__seen(cs_scopes *s, const cs_sym *name);
uint32_t cs_scopes__count(const cs_scopes *s, const cs_sym *name);
/* A new local for a name; NULL, and a format in *problem, if it cannot be declared here any more. */
const cs_sym *cs_scopes__declare(cs_scopes *s, const cs_sym *name, cs_occurrence occurrence, const char **problem);
void cs_scopes__copy_top(cs_scopes *to, const cs_scopes *from);

/* unused.c. `used`: names that a head uses, as written. `before` is the body as written, `after` as rewritten. */
void cs_unused__assigned(cs_scopes *s, cs_body before, const cs_syms *used);
void cs_unused__declared(cs_scopes *s, cs_body before, const cs_syms *used, cs_body after);

#endif
