/* Rule indexing: which definitions of a rule can match at all, told by one lookup.
 *
 * A definition is constrained when its body cannot succeed unless a document of input (or an argument of the function)
 * equals a scalar. The path that constrains most definitions becomes a table from that scalar to the definitions to
 * try; every other definition is in all the lists. Whatever else a body says is checked by running it. Cost: one path
 * lookup and one hash, however many definitions. */
#ifndef CS_REGO_INDEX_INDEX_H
#define CS_REGO_INDEX_INDEX_H

#include "rego/syntax/ast.h"

/* "The document at `path` equals `value`." */
typedef struct cs_constraint {
    bool on_argument; /* of the argument `argument`, below it `path` */
    uint32_t argument;
    const cs_value *path; /* of input otherwise */
    uint32_t n_path;
    cs_value value;
} cs_constraint;

typedef struct cs_constraints {
    cs_constraint *v;
    uint32_t n;
} cs_constraints;

/* What the rule's body and arguments demand; none for a rule with an `else` (another body may match). In `arena`. */
cs_constraints cs_index_constraints(cs_arena *arena, const cs_ast *names, const cs_rule *rule);

typedef struct cs_index_list {
    uint32_t *definitions; /* indexes, ascending */
    uint32_t n;
} cs_index_list;

typedef struct cs_index {
    cs_constraint on;     /* the path chosen (value unused) */
    cs_value table;       /* scalar → index into lists */
    cs_index_list *lists; /* lists[0] is for every other value and for undefined */
    uint32_t n_lists;
} cs_rule_index;

/* False where an index would not pay: fewer than two definitions constrained on the same path. In `arena`. */
bool cs_index_build(cs_arena *arena, const cs_constraints *definitions, uint32_t n, cs_rule_index *out);

#endif
