/* A run from its beginning to its end: frames, limits, errors, full evaluation. */
#include "rego/topdown/internal.h"

#include <stdarg.h>
#include <stdio.h>

/* Steps between two looks at limits, cancellation and the clock. */
#define STEPS_BETWEEN 1024U
/* Continuations use the C stack; threads have 8 MiB of it. */
#define STACK_BYTES ((size_t)6 << 20U)

static const cs_stop failed = {CS_STOP_ERROR, NULL};

void cs_td__place(cs_error *e, cs_loc loc)
{
    cs_slice file = loc.source ? loc.source->file : CS_LIT("");
    e->row = loc.row;
    e->col = loc.col;
    if (file.n >= sizeof e->file) {
        file.n = sizeof e->file - 1;
    }
    memcpy(e->file, file.p, file.n);
    e->file[file.n] = '\0';
}

cs_go cs_td__fail(cs_td *run, cs_loc loc, cs_err err, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (run->tracer && run->tracer->failed && run->err == CS_OK) {
        run->tracer->failed(run->tracer->self);
    }
    run->err = cs_fail(&run->error, err, "%s", text);
    cs_td__place(&run->error, loc);
    run->conflict_of = NULL;
    return &failed;
}

cs_go cs_td__early(cs_td_frame *f, cs_go before)
{
    cs_stop *stop = cs_arena_new(f->run->arena, cs_stop);
    stop->kind = f->find_one || !before ? CS_STOP_EARLY : CS_STOP_DEFERRED;
    stop->before = before;
    return stop;
}

static cs_go look_around(cs_td_frame *f)
{
    cs_td *run = f->run;
    const cs_eval *eval = run->eval;
    cs_loc loc = f->last;
    if (cs_arena_exceeded(run->arena)) {
        return cs_td__fail(run, loc, CS_ERR_MEMORY, "the evaluation used up its memory of %zu bytes", run->arena->cap);
    }
    if (run->steps > run->max_steps) {
        return cs_td__fail(run, loc, CS_ERR_EVAL_CANCEL, "the evaluation took more than %llu instructions",
                           (unsigned long long)run->max_steps);
    }
    if (eval->cancel && __atomic_load_n(eval->cancel, __ATOMIC_RELAXED)) {
        return cs_td__fail(run, loc, CS_ERR_EVAL_CANCEL, "caller cancelled query execution");
    }
    if (eval->deadline_mono_ns && run->host->mono_ns(run->host->self) > eval->deadline_mono_ns) {
        return cs_td__fail(run, loc, CS_ERR_EVAL_CANCEL, "the evaluation ran past its deadline");
    }
    return NULL;
}

bool cs_td__too_deep(cs_td *run)
{
    const char *here = __builtin_frame_address(0);
    size_t used = here < run->stack ? (size_t)(run->stack - here) : (size_t)(here - run->stack);
    run->deep = run->deep || used > STACK_BYTES;
    return run->deep;
}

cs_go cs_td__step(cs_td_frame *f)
{
    cs_td *run = f->run;
    if (cs_td__too_deep(run)) {
        return cs_td__fail(run, f->last, CS_ERR_LIMIT, "the evaluation is nested too deeply");
    }
    return ++run->steps % STEPS_BETWEEN ? NULL : look_around(f);
}

void cs_td__closure(const cs_td_frame *f, cs_body body, cs_td_frame *child)
{
    *child = *f;
    child->index = 0;
    child->query = body;
    child->id = f->run->next_id++;
    /* A frame of the same variables; its parent outlives it on the stack. */
    child->parent = (cs_td_frame *)(uintptr_t)f;
    child->find_one = false;
    child->defined = false;
}

void cs_td__child(const cs_td_frame *f, cs_body body, cs_td_frame *child, cs_bindings *b)
{
    cs_td__closure(f, body, child);
    *b = (cs_bindings){.id = child->id};
    child->b = b;
}

void cs_td__begin(cs_td *run, const cs_td_query *query, const cs_eval *eval, const cs_tracer *tracer)
{
    *run = (cs_td){.query = query, .eval = eval, .tracer = tracer, .policy = query->policy, .arena = eval->arena};
    run->host = eval->host ? eval->host : cs_host_system();
    run->max_steps = eval->max_instructions ? eval->max_instructions : cs_limits_get()->eval_instructions;
    run->stack = __builtin_frame_address(0);
    cs_ast_init(&run->own_names, run->arena);
    run->names = &run->own_names;
    run->live_all = cs_arena_array(run->arena, cs_value, eval->n_live + 1);
    run->own = (cs_td_maker){.arena = run->arena, .names = run->names, .policy = run->policy};
    cs_td__tables_use(run);
    cs_builtin_state_init(&run->builtins, run->arena, run->host);
    run->builtins.input = eval->input;
    run->builtins.calls = eval->nd_builtin_cache;
    run->builtins.deadline_mono_ns = eval->deadline_mono_ns;
    cs_td__layer_push(run);
}

void cs_td__end(cs_td *run)
{
    cs_builtin_state_destroy(&run->builtins);
    cs_td__tables_leave(run);
}

cs_err cs_td__report(cs_td *run, cs_go stop, cs_error *e)
{
    bool error = stop && stop->kind == CS_STOP_ERROR;
    if (run->deep && !error) {
        stop = cs_td__fail(run, run->root->last, CS_ERR_LIMIT, "the evaluation is nested too deeply");
        error = true;
    }
    if (run->eval->strict && run->builtin_err != CS_OK) {
        run->err = run->builtin_err;
        run->error = run->builtin_error;
        error = true;
    }
    if (!error) {
        return CS_OK;
    }
    if (e) {
        *e = run->error;
        e->code = run->err;
    }
    return run->err;
}

typedef struct run_k {
    cs_k k;
    cs_td_frame *f;
    const cs_body *body;
    cs_k *then;
} run_k;

static cs_go body_done(cs_k *k)
{
    run_k *r = CS_K_SELF(run_k, k);
    cs_td__event_body(r->f, CS_TRACE_EXIT, r->body);
    cs_go stop = r->then->run(r->then);
    cs_td__event_body(r->f, CS_TRACE_REDO, r->body);
    return stop;
}

cs_go cs_td__run_body(cs_td_frame *f, cs_k *k)
{
    cs_body body = f->query;
    run_k r = {{body_done}, f, &body, k};
    cs_td__event_body(f, CS_TRACE_ENTER, &body);
    return cs_td__expr(f, &r.k);
}

/* ---- full evaluation */
typedef struct answer_k {
    cs_k k;
    cs_td_frame *f;
    CS_VEC(cs_value) answers;
} answer_k;

static cs_value known(cs_opd o)
{
    return o.t ? cs_null() : o.v;
}

static cs_go answer(cs_k *k)
{
    answer_k *a = CS_K_SELF(answer_k, k);
    cs_td *run = a->f->run;
    const cs_compiled_query *q = run->query->compiled;
    cs_value *pair = cs_arena_array(run->arena, cs_value, 2);
    if (q) {
        pair[0] = cs_object_new(run->arena, q->n_vars);
        for (uint32_t i = 0; i < q->n_vars; i++) {
            cs_term var = {.kind = CS_TERM_VAR, .u.var = q->vars[i].local};
            cs_object_put(run->arena, pair[0], cs_string(cs_sym_slice(q->vars[i].name)),
                          known(cs_td__plug_term(a->f, &var)));
        }
        cs_value *values = cs_arena_array(run->arena, cs_value, q->n_values + 1);
        for (uint32_t i = 0; i < q->n_values; i++) {
            values[i] = known(cs_td__plug_term(a->f, q->values[i]));
        }
        pair[1] = cs_array(values, q->n_values);
    }
    CS_VEC_PUSH_IN(run->arena, &a->answers, cs_array(pair, q ? 2 : 0));
    return NULL;
}

cs_err cs_topdown_run(const cs_td_query *query, const cs_eval *eval, const cs_tracer *tracer, cs_value *result,
                      cs_error *e)
{
    cs_td run;
    cs_bindings b = {0};
    cs_td__begin(&run, query, eval, tracer);
    cs_td_frame f = {.run = &run, .query = query->body, .id = run.next_id++, .b = &b, .input = eval->input};
    run.root = &f;
    cs_td__index_comprehensions(&run.own, query->ast, NULL, query->body);
    answer_k a = {.k = {answer}, .f = &f};
    cs_go stop = cs_td__run_body(&f, &a.k);
    cs_td__end(&run);
    CS_TRY(cs_td__report(&run, stop, e));
    *result = query->compiled ? cs_array(a.answers.v, a.answers.n) : cs_bool(a.answers.n > 0);
    return CS_OK;
}
