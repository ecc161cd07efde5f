/* What the outside cannot reach: the verifier against damaged code, and runs that stop at each of their limits. */
#include <criterion/criterion.h>

#include "rego/internal.h"

typedef struct fixture {
    cs_policy *policy;
    cs_query *query;
    cs_errors errors;
    cs_arena arena;
} fixture;

static void prepare(fixture *f, const char *module, const char *query, size_t memory)
{
    cs_policy_source source = {CS_LIT("a.rego"), cs_slice_of(module), 1};
    cs_errors_init(&f->errors);
    cs_arena_init(&f->arena, memory);
    cr_assert_eq(cs_policy_compile(&source, 1, NULL, &f->policy, &f->errors), CS_OK);
    cr_assert_eq(cs_query_prepare(f->policy, cs_slice_of(query), NULL, &f->query, &f->errors), CS_OK);
}

static void drop(fixture *f)
{
    cs_query_release(f->query);
    cs_policy_release(f->policy);
    cs_errors_destroy(&f->errors);
    cs_arena_destroy(&f->arena);
}

static const char *const loops = "package a\n"
                                 "xs := numbers.range(1, 2000)\n"
                                 "n := count([1 | xs[_]; xs[_]])\n";

Test(run, instructions_are_limited)
{
    fixture f;
    prepare(&f, loops, "data.a.n = x", 0);
    cs_eval eval = {.arena = &f.arena, .max_instructions = 100000};
    cs_value result;
    cs_error e = {0};
    cr_assert_eq(cs_query_run(f.query, &eval, &result, &e), CS_ERR_EVAL_CANCEL);
    cr_assert(strstr(e.text, "100000 instructions") != NULL, "%s", e.text);
    cr_assert_str_eq(e.file, "a.rego");
    drop(&f);
}

Test(run, memory_is_limited)
{
    fixture f;
    prepare(&f, loops, "data.a.n = x", 4U << 20U);
    cs_eval eval = {.arena = &f.arena};
    cs_value result;
    cs_error e = {0};
    cr_assert_eq(cs_query_run(f.query, &eval, &result, &e), CS_ERR_MEMORY);
    drop(&f);
}

Test(run, a_cancelled_run_stops)
{
    fixture f;
    prepare(&f, loops, "data.a.n = x", 0);
    int cancel = 1;
    cs_eval eval = {.arena = &f.arena, .cancel = &cancel};
    cs_value result;
    cs_error e = {0};
    cr_assert_eq(cs_query_run(f.query, &eval, &result, &e), CS_ERR_EVAL_CANCEL);
    cr_assert_str_eq(e.text, "caller cancelled query execution");
    drop(&f);
}

Test(run, a_run_past_its_deadline_stops)
{
    fixture f;
    prepare(&f, loops, "data.a.n = x", 0);
    cs_eval eval = {.arena = &f.arena, .deadline_mono_ns = 1};
    cs_value result;
    cs_error e = {0};
    cr_assert_eq(cs_query_run(f.query, &eval, &result, &e), CS_ERR_EVAL_CANCEL);
    drop(&f);
}

Test(run, a_run_goes_on_where_it_stopped)
{
    fixture f;
    prepare(&f, loops, "data.a.n = x", 0);
    cs_eval eval = {.arena = &f.arena};
    cs_run *run = cs_run_start(f.query, &eval);
    cs_run_state state = CS_RUN_AGAIN;
    cs_value result = cs_undefined();
    size_t turns = 0;
    while (state == CS_RUN_AGAIN) {
        cr_assert_eq(cs_run_step(run, &state, &result, NULL), CS_OK);
        turns++;
    }
    cr_assert_gt(turns, 10);
    cs_value n = *cs_object_get_text(result.u.items[0].u.items[0], "x");
    cr_assert_eq(n.u.i, 4000000);
    drop(&f);
}

/* Every single damage to an operand is either refused, or leaves code whose operands are all in range. */
Test(run, damaged_code_is_refused)
{
    fixture f;
    prepare(&f, "package a\np := x if { some x in input.xs; x > 1; not input.y[x] }\n", "data.a.p = x", 0);
    const cs_program *program = f.policy->program;
    size_t refused = 0;
    for (uint32_t c = 0; c < program->n_codes; c++) {
        cs_code code = *program->codes[c];
        cr_assert_eq(cs_vm_verify(program, &code, NULL), CS_OK);
        cs_insn *insns = cs_arena_array(&f.arena, cs_insn, code.n_insns);
        code.insns = insns;
        for (uint32_t i = 0; i < code.n_insns; i++) {
            for (int field = 0; field < 6; field++) {
                memcpy(insns, program->codes[c]->insns, code.n_insns * sizeof *insns);
                cs_insn *x = &insns[i];
                x->op = field == 0 ? CS_OP_COUNT : x->op;
                x->a = field == 1 ? UINT16_MAX : x->a;
                x->b = field == 2 ? UINT16_MAX : x->b;
                x->c = field == 3 ? UINT16_MAX : x->c;
                x->u = field == 4 ? UINT32_MAX : x->u;
                x->t = field == 5 ? UINT32_MAX : x->t;
                cs_op_info info = cs_op_infos[program->codes[c]->insns[i].op];
                char form[] = {'!', info.a, info.b, info.c, info.u, info.t};
                bool matters = form[field] != '_' && form[field] != 'N';
                cs_err err = cs_vm_verify(program, &code, NULL);
                cr_assert(!matters || err != CS_OK, "%s, field %d", info.name, field);
                refused += err != CS_OK;
            }
        }
        code.n_insns--;
        cr_assert_neq(cs_vm_verify(program, &code, NULL), CS_OK, "code without its end");
        code.n_insns++;
    }
    cr_assert_gt(refused, 20);
    drop(&f);
}
