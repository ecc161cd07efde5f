/* From the compiled tree to code.
 *
 * A body becomes straight code in which every statement that can fail names where to go: the next turn of the innermost
 * loop opened so far, or the end of the definition. After safety ordering each variable is bound in one place, so
 * backtracking needs nothing more. Rules are called, return a value or nothing, and are never re-entered.
 * Comprehensions, `not` and `every` are inline. */
#ifndef CS_REGO_PLAN_PLAN_H
#define CS_REGO_PLAN_PLAN_H

#include "rego/compile/compile.h"
#include "rego/plan/code.h"

/* Plans all rules and documents of a policy into `arena`, which must outlive the program, as must compiled->ast->arena
 * (constants point into it). CS_ERR_REGO_COMPILE for what the machine cannot hold (more than 65,535 registers in one
 * definition). */
CS_MUST_CHECK cs_err cs_plan_policy(cs_arena *arena, const cs_compiled *compiled, cs_program **out, cs_error *e);

/* Frees what evaluations left with the program; its arena is the caller's. */
void cs_plan_free_patterns(const cs_program *program);

/* A query over a planned policy. Answers are [bindings, values] pairs in an array (rego.h). */
CS_MUST_CHECK cs_err cs_plan_query(cs_arena *arena, const cs_program *program, const cs_compiled_query *query,
                                   cs_code **out, cs_error *e);

/* The document at data.<path>, or undefined. */
CS_MUST_CHECK cs_err cs_plan_path(cs_arena *arena, const cs_program *program, const cs_value *path, size_t n,
                                  cs_code **out, cs_error *e);

#endif
