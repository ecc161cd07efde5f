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
    run->n_lives = run->cap_lives = (uint32_t)eval->n_live;
    run->lives = cs_arena_array(run->arena, cs_live_doc, eval->n_live + 1);
    for (uint32_t i = 0; i < run->n_lives; i++) {
        run->lives[i].live = &eval->live[i];
    }
    cs_builtin_state_init(&run->builtins, run->arena, run->host);
    run->builtins.input = eval->input;
    run->builtins.calls = eval->nd_builtin_cache;
    run->builtins.wake = eval->wake;
    run->builtins.wake_self = eval->wake_self;
    run->builtins.deadline_mono_ns = eval->deadline_mono_ns;
    cs_context *context = cs_vm__context_new(run, NULL);
    context->input = eval->input;
    context->data = cs_is_undefined(eval->data) ? cs_object_new(run->arena, 0) : eval->data;
    cs_frame *f = &run->frames[run->n_frames++];
    *f = (cs_frame){.code = code, .context = context, .own = context};
    run->pc = code->insns;
    return run;
}

static bool is_cancelled(const cs_eval *eval)
{
    return eval->cancel && __atomic_load_n(eval->cancel, __ATOMIC_RELAXED);
}

static int64_t time_left(const cs_run *run)
{
    const cs_eval *eval = run->eval;
    return eval->deadline_mono_ns ? eval->deadline_mono_ns - run->host->mono_ns(run->host->self) : INT64_MAX;
}

/* Does a run that waits for an exchange go on? Sets run->err if it is to end. */
static bool goes_on(cs_run *run)
{
    const cs_code *code = run->frames[run->n_frames - 1].code;
    if (is_cancelled(run->eval)) {
        (void)cs_vm__fail(run, code, run->pc, CS_ERR_EVAL_CANCEL, "caller cancelled query execution");
    } else if (time_left(run) <= 0) {
        (void)cs_vm__fail(run, code, run->pc, CS_ERR_EVAL_CANCEL, "the evaluation ran past its deadline");
    } else if (run->builtins.exchange && !run->host->network->answer(run->builtins.exchange)) {
        return false;
    }
    run->builtins.waiting = false;
    return true;
}

void cs_vm_wait(cs_run *run)
{
    enum { LOOK_NS = 20000000 }; /* how often a cancelled run looks up */
    cs_exchange *x = run->builtins.exchange;
    for (int64_t left = time_left(run); x && left > 0 && !is_cancelled(run->eval); left = time_left(run)) {
        if (run->host->network->wait(x, run->eval->cancel && left > LOOK_NS ? LOOK_NS : left)) {
            return;
        }
    }
}

void cs_vm_abandon(cs_run *run)
{
    cs_builtin_state_destroy(&run->builtins);
}

/* A document with a conflict goes on only to list its values: what goes wrong on the way is not what ended it. */
static void first_conflict(cs_run *run)
{
    for (uint32_t i = 0; i < run->n_frames; i++) {
        if (run->frames[i].conflict) {
            (void)cs_vm__conflict_error(run, &run->frames[i]);
            return;
        }
    }
}

cs_err cs_vm_step(cs_run *run, cs_run_state *state, cs_value *result, cs_error *e)
{
    if (run->builtins.waiting && !goes_on(run)) {
        *state = CS_RUN_WAIT;
        return CS_OK;
    }
    *state = CS_RUN_DONE;
    if (!run->done && run->err == CS_OK) {
        cs_err err = cs_vm__loop(run, state);
        if (err == CS_OK && *state != CS_RUN_DONE) {
            return CS_OK;
        }
        run->stats.instructions += CS_SLICE_STEPS - run->slice;
    }
    *state = CS_RUN_DONE;
    cs_instrument_count(run->eval->instrument, "eval_op_virtual_cache_hit", run->stats.memo_hits);
    cs_instrument_count(run->eval->instrument, "eval_op_virtual_cache_miss", run->stats.calls);
    cs_builtin_state_destroy(&run->builtins);
    if (run->err == CS_ERR_EVAL_CONFLICT) {
        first_conflict(run);
    }
    /* The first built-in error goes before whatever came of it, a conflict included (OPA v1/topdown/query.go). */
    if (run->builtin_err != CS_OK) {
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
    cs_run_stats stats = run->stats;
    stats.http_requests = run->builtins.http_requests;
    stats.http_cache_hits = run->builtins.http_cache_hits;
    stats.http_ns = run->builtins.http_ns;
    return stats;
}
