/* What the files of the door to partial evaluation share. */
#ifndef CS_REGO_PARTIAL_H
#define CS_REGO_PARTIAL_H

#include "rego/filter/filter.h"
#include "rego/internal.h"
#include "rego/topdown/topdown.h"

typedef struct cs_partial__failure {
    const cs_expr *expr;
    cs_loc loc;
} cs_partial__failure;

struct cs_partial {
    cs_arena *arena;
    cs_policy *policy;
    cs_ast ast; /* the query's own names */
    cs_body body;
    cs_compiled_query compiled;
    CS_VEC(cs_term *) unknowns;
    CS_VEC(cs_term *) kept; /* not to be inlined */
    cs_td_partial result;
    CS_VEC(cs_partial__failure) failures; /* with options.hints */
    const cs_tracer *tracer;              /* the caller's */
};

/* data.<path> */
cs_term *cs_partial__path_ref(cs_partial *p, const cs_value *path, size_t n);
CS_MUST_CHECK cs_err cs_partial__parse_ref(cs_partial *p, cs_slice text, cs_term **out, cs_error *e);
void cs_partial__add_unknown(cs_partial *p, cs_term *ref);
/* Keeps the statements that failed, and passes on to the caller's tracer (which may be NULL). */
cs_tracer cs_partial__tracer(cs_partial *p, const cs_tracer *next);

#endif
