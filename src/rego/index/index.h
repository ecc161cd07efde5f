/* Rule indexing: which definitions of a rule can match at all, told before any of them runs.
 *
 * A definition is constrained when its body cannot succeed unless a document that is there from the start (of input, of
 * base data, an argument of the function) passes a test: it equals a constant, starts or ends with one, has one among
 * its elements. cs_index_gather reads such constraints off a body; they are necessary, never sufficient, and what else
 * a body says is found out by running it.
 *
 * The index is a tree. A node splits its definitions by the place that tells most of them apart (each definition by the
 * place best for it, so a node may look at several places), and a child splits on by what is left. Definitions that
 * nothing constrains stay with the node. A look-up visits the children that the values at the places select: its cost
 * is that of the places looked at and of the definitions found, not of all there are. Each definition stands in the
 * tree once for each of its alternatives, so building is linear, too.
 *
 * What is built lives in the arena of the policy, is immutable and is read by all threads. */
#ifndef CS_REGO_INDEX_INDEX_H
#define CS_REGO_INDEX_INDEX_H

#include "rego/syntax/ast.h"

/* A constant path: input.user.name, data.directory.users. */
typedef struct cs_path {
    const cs_value *keys;
    const uint32_t *hashes; /* cs_hash of each */
    uint32_t n;
} cs_path;

cs_path cs_path_make(cs_arena *arena, const cs_value *keys, uint32_t n); /* copies the keys (not what they point to) */

typedef enum cs_root { CS_ROOT_INPUT, CS_ROOT_DATA, CS_ROOT_ARGUMENT } cs_root;

/* Where a value is found that decides. */
typedef struct cs_place {
    cs_root root;
    uint32_t argument; /* of ARGUMENT: which */
    cs_path path;      /* below the root */
    char split;        /* 0: the document itself; else the strings between these bytes of a string… */
    uint32_t segment;  /* …which of them, or CS_SEGMENT_COUNT for how many */
} cs_place;

#define CS_SEGMENT_COUNT UINT32_MAX

typedef enum cs_test {
    CS_TEST_EQUAL,  /* the value is one of the constants (scalars) */
    CS_TEST_MEMBER, /* it is a collection that holds one of them */
    CS_TEST_PREFIX, /* it is a string (or holds one) that starts with one of them (strings) */
    CS_TEST_SUFFIX
} cs_test;

typedef struct cs_constraint {
    cs_place place;
    cs_test test;
    const cs_value *values; /* any of them will do */
    uint32_t n;
} cs_constraint;

/* All of them are necessary. */
typedef struct cs_constraints {
    cs_constraint *v;
    uint32_t n;
} cs_constraints;

/* The ways in which a body can succeed: at least one, more where `or` makes alternatives. */
typedef struct cs_ways {
    cs_constraints *v;
    uint32_t n;
} cs_ways;

/* Is what stands at data.<path> base data only, whatever the rules say? */
typedef bool cs_is_base(void *self, const cs_value *path, uint32_t n);

/* What a body demands whose arguments match these patterns. In `arena`. */
cs_ways cs_index_gather(cs_arena *arena, const cs_terms *args, cs_body body, cs_is_base *is_base, void *self);

/* ---- the index */

typedef struct cs_index_list {
    uint32_t *definitions; /* indexes, ascending */
    uint32_t n;
} cs_index_list;

/* Constant strings by what they are the beginnings of, in the order of bytes. For suffixes the strings are reversed. */
typedef struct cs_affixes {
    cs_slice *texts;
    uint32_t *outer; /* 1 + the longest other one that this one starts with; 0 = none */
    uint32_t n;
} cs_affixes;

typedef struct cs_index_node cs_index_node;

typedef struct cs_dimension {
    cs_place place;
    cs_test test;
    cs_value table;     /* EQUAL, MEMBER: frozen object, constant → number of a child */
    cs_affixes affixes; /* PREFIX, SUFFIX: the children in the same order */
    cs_index_node *children;
    uint32_t n_children;
} cs_dimension;

struct cs_index_node {
    cs_dimension *dimensions;
    uint32_t n_dimensions;
    uint32_t list;  /* of the definitions that stay here: number of a list */
    bool exclusive; /* one dimension, whose children hold the definitions that stay here as well: only where no child is
                       selected do they count */
};

typedef struct cs_rule_index {
    cs_index_node root;
    cs_index_list *lists; /* [0] is empty */
    uint32_t n_lists;
} cs_rule_index;

/* False where an index would not pay: no place constrains two definitions. In `arena`. */
bool cs_index_build(cs_arena *arena, const cs_ways *definitions, uint32_t n, cs_rule_index *out);

/* What a look-up found: numbers of lists, without 0, not in order; a list may come more than once. */
#define CS_FOUND_INLINE 16U
typedef struct cs_index_found {
    uint32_t first[CS_FOUND_INLINE]; /* where `lists` points as long as there is room */
    uint32_t *lists;
    uint32_t n, cap;
} cs_index_found;

/* The value of a place (its root and path; never split): undefined if there is none, CS_PRIVATE if it is not known. */
typedef cs_value cs_index_resolve(void *self, const cs_place *place);

/* *found need not be initialised; it may point into itself and into `arena`. */
void cs_index_find(const cs_index_node *root, cs_index_resolve *resolve, void *self, cs_arena *arena,
                   cs_index_found *found);

#endif
