/* Private to graph.c, cause.c and typecheck.c: which rules read which. */
#ifndef CS_REGO_COMPILE_GRAPH_H
#define CS_REGO_COMPILE_GRAPH_H

#include "rego/compile/internal.h"

/* Where a variable gets its value, for the texts of recursion errors. */
typedef enum cs_origin_kind {
    CS_ORIGIN_UNKNOWN,
    CS_ORIGIN_INPUT,
    CS_ORIGIN_RULE,
    CS_ORIGIN_COLLECTION,
    CS_ORIGIN_BUILTIN,
    CS_ORIGIN_HEAD_KEY,
    CS_ORIGIN_HEAD_ARG
} cs_origin_kind;

typedef struct cs_origin {
    cs_origin_kind kind;
    const cs_term *term; /* the ref, or the collection */
    const cs_builtin *builtin;
} cs_origin;

/* A ref that may select rules only through a variable; copied, since later stages rewrite it. */
typedef struct cs_dynamic_ref {
    cs_term *ref, *sel; /* as written; narrowed */
    cs_syms bound;      /* what may have a value when it is read */
    cs_syms origins;    /* variable → cs_origin */
} cs_dynamic_ref;

typedef struct cs_edge {
    uint32_t to;
    cs_dynamic_ref *cause; /* NULL: some ref selects the rule outright */
} cs_edge;

typedef struct cs_graph {
    cs_pointers ids; /* rule → number; else parts are rules of their own */
    cs_rule **rules;
    uint32_t n;
    struct cs_edges {
        cs_edge *v;
        size_t n, cap;
    } * edges;
    uint32_t *order; /* dependencies first; set by CheckRecursion */
    uint32_t n_order;
    uint64_t *closure; /* a row of bits for each rule, or NULL while there are too many */
    uint32_t words;
} cs_graph;

/* The rules that a ref may refer to. */
void cs_graph__select(cs_compiler *c, const cs_term *ref, void (*f)(void *self, cs_rule *r), void *self);
/* Does `ref` select the rule whatever its variables hold? If `positions` is not NULL it collects the operands that
 * decide. */
bool cs_graph__selects(cs_compiler *c, const cs_term *ref, const cs_rule *r, const cs_syms *bound, uint32_t *positions,
                       uint32_t *n_positions);

/* narrow.c: what variables are known to hold. */
typedef struct cs_known {
    uint32_t index; /* of the statement that binds it */
    const cs_sym *var;
    cs_value *values;
    uint32_t n;
} cs_known;
typedef CS_VEC(cs_known) cs_known_list;
void cs_narrow__bindings(cs_compiler *c, cs_body b, cs_known_list *out);
/* The refs that `ref` at statement `at` can be; {ref} if nothing is known. */
cs_terms cs_narrow__expand(cs_compiler *c, const cs_term *ref, const cs_known_list *known, uint32_t at);

/* cause.c */
void cs_cause__origins(cs_compiler *c, const cs_rule *r, uint32_t at, const cs_term *ref, cs_syms *out);
/* " (ref in rule refers to rule if x is "p" (…))": why a path of rules may be a cycle; "" if it is one for sure. */
const char *cs_cause__text(cs_compiler *c, const cs_graph *g, const uint32_t *path, uint32_t n);

#endif
