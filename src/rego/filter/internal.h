/* Private to rego/filter. */
#ifndef CS_REGO_FILTER_INTERNAL_H
#define CS_REGO_FILTER_INTERNAL_H

#include "rego/filter/filter.h"

/* ---- targets.c: what a target can say */
enum {
    CS_FILTER_NOT = 1,       /* not over a call */
    CS_FILTER_FIELD_REF = 2, /* a field compared with a field */
    CS_FILTER_EXISTS = 4,    /* a field that must be there */
    CS_FILTER_MEMBER = 8,    /* in */
    CS_FILTER_TEXT = 16      /* startswith, endswith, contains */
};
/* false if there is no such target. */
bool cs_filter__abilities(const cs_filter_target *target, unsigned *can);
/* "SQL (sqlite)", as OPA names it. */
void cs_filter__target_name(cs_buf *out, const cs_filter_target *target);

/* ---- ucast.c: the condition tree */
typedef struct cs_filter__node cs_filter__node;
struct cs_filter__node {
    const char *op; /* "eq", …, or "and", "or", "not" */
    bool compound;
    /* compound */
    cs_filter__node **items;
    uint32_t n;
    /* field */
    cs_slice field;
    bool is_ref;    /* compared with another field: */
    cs_slice other; /* its name */
    cs_value value; /* otherwise */
};
/* *out is NULL if everything passes. */
CS_MUST_CHECK cs_err cs_filter__tree(cs_arena *a, const cs_td_partial *partial, cs_value mappings,
                                     cs_filter__node **out, cs_error *e);

/* ---- sql.c */
CS_MUST_CHECK cs_err cs_filter__sql(cs_buf *out, const cs_filter__node *tree, cs_slice dialect, cs_error *e);

#endif
