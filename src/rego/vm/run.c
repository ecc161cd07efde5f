#include "rego/vm/internal.h"

#include <stdarg.h>
#include <stdio.h>

/* Enough for most decisions; both grow. */
#define FIRST_REGS 256U
#define FIRST_FRAMES 32U

void cs_vm__place(const cs_loc *loc, cs_error *e)
{
    e->row = loc->row;
    e->col = loc->col;
    cs_slice file = loc->source ? loc->source->file : CS_LIT("");
    if (file.n >= sizeof e->file) {
        file.n = sizeof e->file - 1;
    }
    memcpy(e->file, file.p, file.n);
    e->file[file.n] = '\0';
}

cs_err cs_vm__fail(cs_run *run, const cs_code *code, const cs_insn *pc, cs_err err, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run->err = cs_fail(&run->error, err, "%s", text);
    cs_vm__place(&code->locs[pc - code->insns], &run->error);
    return run->err;
}

cs_run *cs_vm_start(const cs_program *program, const cs_code *code, const cs_eval *eval)
{
    cs_run *run = cs_arena_new(eval->arena, cs_run);
    run->program = program;
    run->code = code;
    run->eval = eval;
    run->host = eval->host ? eval->host : cs_host_system();
    run->arena = eval->arena;
    run->n_regs = code->n_regs > FIRST_REGS ? code->n_regs : FIRST_REGS;
    run->regs = cs_arena_alloc(run->arena, run->n_regs * sizeof *run->regs);
    run->cap_frames = FIRST_FRAMES;
    run->frames = cs_arena_alloc(run->arena, run->cap_frames * sizeof *run->frames);
    run->steps_left = eval->max_instructions ? eval->max_instructions : cs_limits_get()->eval_instructions;
    run->slice = CS_SLICE_STEPS;
    run->turn = cs_limits_get()->eval_slice;
    if (run->turn < CS_SLICE_STEPS) {
        run->turn = CS_SLICE_STEPS;
    }
    run->live_all = cs_arena_array(run->arena, cs_value, eval->n_live + 1);
    cs_builtin_state_init(&run->builtins, run->arena, run->host);
    run->builtins.input = eval->input;
    cs_context *context = cs_vm__context_new(run, NULL);
    context->input = eval->input;
    context->data = cs_is_undefined(eval->data) ? cs_object_new(run->arena, 0) : eval->data;
    cs_frame *f = &run->frames[run->n_frames++];
    *f = (cs_frame){.code = code, .context = context, .own = context};
    run->pc = code->insns;
    return run;
}

cs_err cs_vm_step(cs_run *run, cs_run_state *state, cs_value *result, cs_error *e)
{
    *state = CS_RUN_DONE;
    if (!run->done && run->err == CS_OK) {
        cs_err err = cs_vm__loop(run, state);
        if (err == CS_OK && *state == CS_RUN_AGAIN) {
            return CS_OK;
        }
        cs_builtin_state_destroy(&run->builtins);
        run->stats.instructions += CS_SLICE_STEPS - run->slice;
    }
    if (run->err == CS_OK && run->builtin_err != CS_OK) {
        run->err = run->builtin_err;
        run->error = run->builtin_error;
    }
    if (run->err != CS_OK) {
        if (e) {
            *e = run->error;
            e->code = run->err;
        }
        return run->err;
    }
    *result = run->result;
    return CS_OK;
}

cs_run_stats cs_vm_stats(const cs_run *run)
{
    return run->stats;
}
