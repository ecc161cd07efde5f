/* What the files of src/rego/trace share: recorded steps, nodes with the names that their authors wrote. */
#ifndef CS_REGO_TRACE_INTERNAL_H
#define CS_REGO_TRACE_INTERNAL_H

#include "countersign/base/vec.h"
#include "countersign/trace.h"
#include "rego/topdown/topdown.h"

typedef struct cs_trace__local {
    const cs_term *var;
    const cs_term *value; /* NULL: not known */
    cs_slice written;     /* "" = as the variable is called */
    cs_loc loc;
} cs_trace__local;

typedef struct cs_trace__document {
    const cs_term *ref;
    cs_value value;
} cs_trace__document;

struct cs_trace__step {
    cs_trace_op op;
    uint64_t query_id, parent_id;
    const cs_rule *rule;
    const cs_expr *expr;
    const cs_body *body;
    const cs_term *ref;
    cs_loc loc;
    cs_slice message;
    cs_value test_case; /* CS_TRACE_TEST_CASE: an array */
    const cs_trace__local *locals;
    uint32_t n_locals;
    const cs_trace__document *documents;
    uint32_t n_documents;
};

typedef CS_VEC(const cs_trace__step *) cs_trace__steps;
typedef CS_VEC(const cs_term *) cs_trace__terms;

struct cs_trace {
    cs_arena *arena;
    cs_trace_options options;
    cs_tracer tracer;
    cs_trace__steps steps;
    CS_VEC(cs_trace__local) locals; /* of the event that is being recorded */
};

const char *cs_trace__op_name(cs_trace_op op);

/* ---- names.c */
const cs_trace__local *cs_trace__local_of(const cs_trace__step *step, const cs_sym *var);
/* As it is shown: "_" for wildcards. */
cs_slice cs_trace__name_of(const cs_trace__local *local);
/* What happened to which node, as text: a rule's path, a ref, an expression, a body, each with the written names. */
void cs_trace__print_node(cs_buf *out, cs_arena *a, const cs_trace__step *step);
/* The text that a location spans; "" if there is none. */
cs_slice cs_trace__source(cs_loc loc);

typedef struct cs_trace__value {
    cs_slice name;
    cs_slice text; /* the value, printed */
} cs_trace__value;
/* The variables that the node of the step names, and the documents it reads: sorted by name, the last one of a name. */
const cs_trace__value *cs_trace__node_values(cs_arena *a, const cs_trace__step *step, size_t *n);
cs_slice cs_trace__term_text(cs_arena *a, const cs_term *t);
cs_slice cs_trace__value_text(cs_arena *a, cs_value v);
/* At most `max` bytes, the last three being dots if it was longer. */
cs_slice cs_trace__cut(cs_arena *a, cs_slice s, size_t max);

#endif
