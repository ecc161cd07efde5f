/* Private to rego's door. */
#ifndef CS_REGO_INTERNAL_H
#define CS_REGO_INTERNAL_H

#include "countersign/base/vec.h"
#include "countersign/rego.h"
#include "rego/compile/compile.h"
#include "rego/plan/plan.h"
#include "rego/topdown/topdown.h"
#include "rego/vm/vm.h"

typedef CS_VEC(cs_value) cs_vec_values;

struct cs_policy {
    cs_arena arena; /* everything below */
    _Atomic(uint32_t) references;
    cs_ast ast;
    cs_policy_source *sources;
    size_t n_sources;
    cs_compiled *compiled;
    cs_program *program;
    bool has_labels;                /* some rule's annotations have labels */
    _Atomic(cs_td_tables *) tables; /* of the tree walker */
};

/* labels.c */
bool cs_policy__find_labels(const cs_compiled *compiled);

struct cs_query {
    cs_arena arena; /* the query's own code */
    cs_policy *policy;
    cs_code *code;
    cs_query_text *texts; /* of a text query, one each statement */
    size_t n_texts;
    /* For the tree walker: the compiled text; of a path query, the path. */
    cs_ast ast;
    cs_compiled_query compiled;
    cs_value path; /* undefined: a text query */
};

#endif
