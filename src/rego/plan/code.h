/* Executable form: what rego/plan makes and rego/vm runs. Everything lives in the arena of its policy (or query), is
 * immutable when the planner is done, and is shared by all threads. */
#ifndef CS_REGO_PLAN_CODE_H
#define CS_REGO_PLAN_CODE_H

#include "rego/builtin/builtin.h"
#include "rego/index/index.h"
#include "rego/syntax/ast.h"

typedef enum cs_op {
#define CS_OP(name, a, b, c, u, t, meaning) CS_OP_##name,
#include "rego/plan/ops.def"
#undef CS_OP
    CS_OP_COUNT
} cs_op;

typedef struct cs_insn {
    uint8_t op;
    uint8_t x;
    uint16_t a, b, c;
    uint32_t u, t;
} cs_insn;

_Static_assert(sizeof(cs_insn) == 16, "four instructions a cache line");

/* How a row of ops.def describes its fields: one letter each. */
typedef struct cs_op_info {
    const char *name;
    char a, b, c, u, t;
    const char *meaning;
} cs_op_info;
extern const cs_op_info cs_op_infos[CS_OP_COUNT];

/* What is known of a BUILTIN's operands, in its x. */
enum {
    CS_BUILTIN_PATTERN = 1, /* one is a regular expression and constant */
    CS_BUILTIN_NO_PATHS     /* walk: nobody looks at the paths */
};

#define CS_NO_CODE UINT32_MAX
#define CS_NO_NODE UINT32_MAX

/* Candidate definitions: where they start, ascending, which is source order; the last one is where to go when there are
 * no more. */
typedef struct cs_candidates {
    const uint32_t *pcs;
    uint32_t n;
    uint32_t same; /* not 0: all of them give the same ground value (equal numbers, equal values), so that the first
                      success settles it */
} cs_candidates;

/* A rule index: values that are there from the start decide which definitions can match at all (rego/index). */
typedef struct cs_switch {
    cs_index_node root;
    cs_candidates *lists; /* by the numbers of the index; [0] is empty */
    uint32_t n_lists;
} cs_switch;

typedef enum cs_target_kind { CS_TARGET_INPUT, CS_TARGET_DATA, CS_TARGET_FUNCTION, CS_TARGET_BUILTIN } cs_target_kind;
typedef enum cs_mock_kind { CS_MOCK_VALUE, CS_MOCK_FUNCTION, CS_MOCK_BUILTIN } cs_mock_kind;

/* One `with` modifier. Values come from registers; function names are known here. */
typedef struct cs_with_target {
    cs_target_kind kind;
    cs_path path;    /* INPUT, DATA: below the root */
    uint32_t node;   /* DATA: the rule tree's node at the path, or CS_NO_NODE */
    uint32_t target; /* FUNCTION: its code; BUILTIN: its row */
    cs_mock_kind mock;
    uint32_t mock_with; /* FUNCTION, BUILTIN: what is called instead */
} cs_with_target;

typedef struct cs_with_site {
    cs_with_target *v;
    uint32_t n;
    const uint64_t *affected; /* bits by code: those whose result it can change; NULL = all */
} cs_with_site;

typedef enum cs_code_kind {
    CS_CODE_RULE,
    CS_CODE_FUNCTION,
    CS_CODE_EXTENT,
    CS_CODE_QUERY,
    CS_CODE_GROUPS,
    CS_CODE_PROBE
} cs_code_kind;

typedef struct cs_code {
    cs_code_kind kind;
    uint32_t id;   /* its place among the program's codes */
    uint32_t node; /* of the rule tree, or CS_NO_NODE */
    cs_slice name; /* "data.a.p" */
    uint32_t n_params;
    bool is_part;   /* a document that is an entry of a partial object above */
    uint32_t probe; /* of a partial set or object: the code that makes what stands under one key, its parameter */
    bool loops;     /* iterates over something */
    bool is_set;    /* the document is a partial set */
    bool quiet;     /* evaluating it neither fails with an error nor has an effect */
    uint32_t n_regs;
    const cs_insn *insns;
    uint32_t n_insns;
    const cs_loc *locs;        /* one each instruction */
    _Atomic(void *) *patterns; /* one each instruction: of a BUILTIN_PATTERN, the regular expression that is its
                                  constant operand, made when first used; NULL if there is no such instruction */
    const cs_value *k;
    const uint32_t *k_hash;
    uint32_t n_k;
    const cs_path *paths;
    uint32_t n_paths;
    const cs_switch *switches;
    uint32_t n_switches;
    const cs_with_site *withs;
    uint32_t n_withs;
    const cs_loc *defs; /* where each definition stands: RESULT's u */
    uint32_t n_defs;
} cs_code;

/* The rule tree at run time. Ids are in pre-order, so that "at or below" is a range. */
typedef struct cs_node {
    cs_value key;
    uint32_t hash;
    uint32_t parent;
    uint32_t last;            /* the greatest id below (itself if none) */
    const uint32_t *children; /* sorted by key */
    uint32_t n_children;
    uint32_t document; /* code that makes the document here; CS_NO_CODE where only base data can be */
    uint32_t function; /* code of the function of this name, or CS_NO_CODE */
    bool is_rule;      /* `document` is a rule, not an extent */
} cs_node;

typedef struct cs_program {
    cs_code **codes;
    uint32_t n_codes;
    cs_node *nodes; /* [0] is data */
    uint32_t n_nodes;
    const cs_capabilities *capabilities; /* rows of built-ins past the table's are theirs; may be NULL */
} cs_program;

#endif
