/* Plans: a policy as OPA's intermediate representation (IR), for those who run or translate it elsewhere. What
 * `build -t plan` puts into a bundle as plan.json or plan.pb.
 *
 * Facts (OPA's v1/ir and internal/planner): a plan is blocks of statements over numbered locals; local 0 is the input,
 * local 1 the data. A statement that is undefined ends its block, a break ends several; a scan runs its block for each
 * element. Every path of rules is a function, called with input and data (and, below a `with` that replaces a function
 * by a variable, with that, too); what `with` shadows is planned again under another generation (g0, g1, …).
 *
 *   cs_ir_policy *policy;
 *   CS_TRY(cs_ir_plan(&arena, compiled, entries, n, &options, &policy, &e));
 *   cs_ir_write_json(policy, &buf);         or cs_ir_write_proto
 *
 * The same modules give the same bytes, those of OPA's build. */
#ifndef CS_REGO_IR_IR_H
#define CS_REGO_IR_IR_H

#include "rego/compile/compile.h"

typedef struct cs_ir_policy cs_ir_policy;

/* A query to be planned under a name: {name: "a/allow", body: result = data.a.allow}. */
typedef struct cs_ir_entry {
    cs_slice name;
    cs_compiled_query query;
} cs_ir_entry;

typedef struct cs_ir_options {
    bool unplanned; /* list the rules that no entry reaches */
} cs_ir_options;

/* Plans the entries and what they reach. Everything is made in `a`, whose cap bounds it (CS_ERR_MEMORY): `with` can
 * multiply code. CS_ERR_INVALID with OPA's words: what a plan cannot say. */
CS_MUST_CHECK cs_err cs_ir_plan(cs_arena *a, const cs_compiled *policy, const cs_ir_entry *entries, size_t n,
                                const cs_ir_options *options, cs_ir_policy **out, cs_error *e);

/* Appends plan.json, without a line feed at its end. */
void cs_ir_write_json(const cs_ir_policy *policy, cs_buf *out);
/* Appends plan.pb (OPA's v1/ir/plan.proto). */
void cs_ir_write_proto(const cs_ir_policy *policy, cs_buf *out);

#endif
