/* The loop: fetch, dispatch, fast paths. Whatever gets interesting leaves for a function. */
#include "rego/builtin/granted.h"
#include "rego/vm/internal.h"

static inline bool fast_equal(cs_value x, cs_value y)
{
    if (x.kind == CS_STRING && y.kind == CS_STRING) {
        return x.n == y.n && (x.u.s == y.u.s || memcmp(x.u.s, y.u.s, x.n) == 0);
    }
    if (x.kind == CS_NUMBER && y.kind == CS_NUMBER && x.form == CS_NUMBER_INT && y.form == CS_NUMBER_INT) {
        return x.u.i == y.u.i;
    }
    return cs_equal(x, y);
}

static inline bool unify(cs_value x, cs_value y)
{
    bool written = x.aux == CS_AUX_WRITTEN || y.aux == CS_AUX_WRITTEN;
    return __builtin_expect(written, 0) ? cs_vm__written_equal(x, y) : fast_equal(x, y);
}

/* Room for a frame of `code` above the current one; false when the depth limit is reached. */
static bool push_frame(cs_run *run, const cs_code *code, const cs_value *args, uint32_t n_args)
{
    uint32_t base = 0;
    if (run->n_frames) {
        const cs_frame *top = &run->frames[run->n_frames - 1];
        base = top->base + top->code->n_regs;
    }
    if (run->n_frames >= cs_limits_get()->eval_depth) {
        return false;
    }
    uint32_t from = n_args ? (uint32_t)(args - run->regs) : 0;
    if (base + code->n_regs > run->n_regs) {
        uint32_t n = (base + code->n_regs) * 2;
        cs_value *regs = cs_arena_alloc(run->arena, n * sizeof *regs);
        memcpy(regs, run->regs, base * sizeof *regs);
        run->regs = regs;
        run->n_regs = n;
    }
    if (run->n_frames == run->cap_frames) {
        cs_frame *frames = cs_arena_alloc(run->arena, run->cap_frames * 2 * sizeof *frames);
        memcpy(frames, run->frames, run->n_frames * sizeof *frames);
        run->frames = frames;
        run->cap_frames *= 2;
    }
    if (n_args) {
        memcpy(run->regs + base, run->regs + from, n_args * sizeof *run->regs);
    }
    cs_frame *f = &run->frames[run->n_frames++];
    f->code = code;
    f->base = base;
    f->conflict = NULL;
    f->memo_args = NULL;
    f->memo_document = false;
    f->tentative = false;
    run->stats.calls++;
    return true;
}

/* Every so many steps: limits, cancellation, the clock. Sets run->err. */
static bool look_around(cs_run *run, cs_run_state *state)
{
    const cs_eval *eval = run->eval;
    const cs_insn *pc = run->pc;
    const cs_code *code = run->frames[run->n_frames - 1].code;
    run->stats.instructions += CS_SLICE_STEPS;
    run->slice = CS_SLICE_STEPS;
    if (cs_arena_exceeded(run->arena)) {
        (void)cs_vm__fail(run, code, pc, CS_ERR_MEMORY, "the evaluation used up its memory of %zu bytes",
                          run->arena->cap);
    } else if (run->stats.instructions > run->steps_left) {
        (void)cs_vm__fail(run, code, pc, CS_ERR_EVAL_CANCEL, "the evaluation took more than %llu instructions",
                          (unsigned long long)run->steps_left);
    } else if (eval->cancel && __atomic_load_n(eval->cancel, __ATOMIC_RELAXED)) {
        (void)cs_vm__fail(run, code, pc, CS_ERR_EVAL_CANCEL, "caller cancelled query execution");
    } else if (eval->deadline_mono_ns && run->host->mono_ns(run->host->self) > eval->deadline_mono_ns) {
        (void)cs_vm__fail(run, code, pc, CS_ERR_EVAL_CANCEL, "the evaluation ran past its deadline");
    }
    *state = run->stats.instructions % run->turn < CS_SLICE_STEPS ? CS_RUN_AGAIN : CS_RUN_DONE;
    return run->err == CS_OK && *state == CS_RUN_DONE;
}

/* After a conflict: back to where a document was made whole for no better reason than that many of its keys were asked
 * for. False if nobody did. */
static bool retreat(cs_run *run)
{
    uint32_t n = run->n_frames;
    while (n > 0 && !run->frames[n - 1].tentative) {
        n--;
    }
    if (n == 0) {
        return false;
    }
    const cs_frame *f = &run->frames[n - 1];
    cs_vm__memo_slot(run, f->own, f->code->id)->n = CS_PROBES_ONLY;
    run->pc = f->pc;
    run->n_frames = n - 1;
    run->err = CS_OK;
    return true;
}

/* A call of what capabilities grant without there being a function for it. */
static cs_err unsupported(cs_run *run, const cs_code *code, const cs_insn *i, uint32_t row)
{
    return cs_vm__fail(run, code, i, CS_ERR_EVAL_INTERNAL, CS_UNSUPPORTED_BUILTIN,
                       cs_granted_row(run->program->capabilities, row)->name);
}

/* Calls a built-in; false when the expression is undefined (or run->err is set). */
static bool call_builtin(cs_run *run, cs_frame *f, const cs_insn *i, uint32_t row, cs_value *out)
{
    size_t n_rows;
    const cs_builtin *rows = cs_builtin_rows(&n_rows);
    if (__builtin_expect(row >= n_rows, 0)) {
        (void)unsupported(run, f->code, i, row);
        return false;
    }
    const cs_loc *loc = &f->code->locs[i - f->code->insns];
    for (cs_value *arg = run->regs + f->base + i->b; arg < run->regs + f->base + i->b + i->c; arg++) {
        *arg = cs_vm__plain(*arg); /* operands are copies */
    }
    cs_call call = {.arena = run->arena,
                    .args = run->regs + f->base + i->b,
                    .n = i->c,
                    .builtin = &rows[row],
                    .state = &run->builtins,
                    .file = loc->source ? loc->source->file : CS_LIT(""),
                    .row = loc->row,
                    .e = &run->error};
    cs_value walked[3] = {cs_undefined(), cs_null(), cs_bool(false)};
    if (i->x == CS_BUILTIN_PATTERN && row == i->u) {
        call.pattern = &f->code->patterns[i - f->code->insns];
    } else if (i->x == CS_BUILTIN_NO_PATHS && row == i->u) {
        walked[0] = call.args[0];
        call.args = walked;
        call.n = 3;
    }
    run->stats.builtins++;
    cs_value result = cs_undefined();
    cs_instrument *instrument = run->eval->instrument;
    int64_t start = instrument ? run->host->mono_ns(run->host->self) : 0;
    cs_err err = cs_builtin_call(&call, &result);
    if (instrument) {
        cs_instrument_op(instrument, "eval_op_builtin_call", run->host->mono_ns(run->host->self) - start);
    }
    if (err == CS_OK) {
        *out = result;
        return !cs_is_undefined(result);
    }
    cs_vm__place(loc, &run->error);
    if (err != CS_ERR_EVAL_BUILTIN && err != CS_ERR_EVAL_TYPE) {
        run->err = err;
    } else if (run->eval->strict && run->builtin_err == CS_OK && !f->conflict) {
        run->builtin_err = err;
        run->builtin_error = run->error;
    } else if (!run->eval->strict && run->eval->builtin_error) {
        run->error.code = err;
        run->eval->builtin_error(run->eval->builtin_error_self, &run->error);
    }
    return false;
}

/* R[a] := R[b], or a conflict to be told of when the code ends. */
static void take_result(cs_run *run, cs_frame *f, cs_value *acc, cs_value v, uint32_t def)
{
    if (cs_is_undefined(acc[0])) {
        acc[0] = v;
        acc[1] = cs_int(def);
    } else if (!fast_equal(acc[0], v)) {
        cs_vm__conflict(run, f, acc[0], (uint32_t)acc[1].u.i, v, def);
    }
}

/* The next entry of an iteration; false when there is none. */
static inline bool next_entry(cs_value *state, cs_value *key, cs_value *value)
{
    uint32_t at = state[1].n++;
    cs_value v = state[0];
    if (__builtin_expect(v.aux == CS_AUX_WRITTEN, 0)) {
        return cs_vm__written_next(v, at, key, value);
    }
    if (v.kind == CS_ARRAY) {
        if (at >= v.n) {
            return false;
        }
        *key = cs_int(at);
        *value = v.u.items[at];
        return true;
    }
    const cs_table *t = v.u.table;
    if (at >= t->n) {
        return false;
    }
    *key = t->keys[at];
    *value = v.kind == CS_SET ? t->keys[at] : t->vals[at];
    return true;
}

static inline uint32_t entries(cs_value object)
{
    return object.aux == CS_AUX_WRITTEN ? cs_vm__written_count(object) : object.u.table->n;
}

static inline bool start_scan(cs_value *state, cs_value v)
{
    if (cs_count(v) == 0) {
        return false;
    }
    if (v.kind != CS_ARRAY && !v.u.table->sorted) {
        cs_table_sort(v.u.table);
    }
    state[0] = v;
    state[1] = (cs_value){.kind = CS_PRIVATE, .form = CS_P_ITER};
    return true;
}

#define RELOAD()                                                                                                       \
    do {                                                                                                               \
        f = &run->frames[run->n_frames - 1];                                                                           \
        code = f->code;                                                                                                \
        R = run->regs + f->base;                                                                                       \
    } while (0)
#define FAIL()                                                                                                         \
    do {                                                                                                               \
        pc = code->insns + i->t;                                                                                       \
        goto next;                                                                                                     \
    } while (0)
/* A test: go to the label if it does not hold, else on. */
#define FAIL_IF(failed)                                                                                                \
    do {                                                                                                               \
        if (failed) {                                                                                                  \
            FAIL();                                                                                                    \
        }                                                                                                              \
        goto next;                                                                                                     \
    } while (0)
/* Before an instruction that may repeat for ever. */
#define TICK()                                                                                                         \
    do {                                                                                                               \
        if (__builtin_expect(--run->slice == 0, 0)) {                                                                  \
            run->pc = i;                                                                                               \
            if (!look_around(run, state)) {                                                                            \
                return run->err;                                                                                       \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

cs_err cs_vm__loop(cs_run *run, cs_run_state *state)
{
    cs_frame *f;
    const cs_code *code;
    cs_value *R;
    const cs_insn *pc = run->pc;
    const cs_insn *i;
    cs_value v;
    uint32_t target;
    const cs_code *callee;
    uint32_t n_args = 0;
    bool whole = false;
    RELOAD();
next:
    i = pc++;
    switch ((cs_op)i->op) {
    case CS_OP_NOP:
        goto next;
    case CS_OP_LOADK:
        R[i->a] = code->k[i->u];
        goto next;
    case CS_OP_MOVE:
        R[i->a] = R[i->b];
        goto next;
    case CS_OP_CLEAR:
        R[i->a] = cs_undefined();
        goto next;
    case CS_OP_JUMP:
        FAIL();
    case CS_OP_INPUT:
        v = cs_vm__follow(f->context->input, &code->paths[i->u]);
        goto set_or_fail;
    case CS_OP_BASE:
        v = cs_vm__base(run, f->context, &code->paths[i->u]);
        goto set_or_fail;
    case CS_OP_DOTK:
        v = R[i->b];
        if (__builtin_expect(v.kind == CS_OBJECT && v.aux != CS_AUX_WRITTEN, 1)) {
            const cs_value *item = cs_object_get_hashed(v, code->k[i->u], code->k_hash[i->u]);
            if (!item) {
                FAIL();
            }
            R[i->a] = *item;
            goto next;
        }
        v = code->k[i->u];
        goto dot;
    case CS_OP_DOT:
        v = R[i->c];
        goto dot;
    case CS_OP_NODE:
        R[i->a] = (cs_value){.kind = CS_PRIVATE, .form = CS_P_NODE, .n = i->u};
        goto next;
    case CS_OP_KEYS:
        R[i->a] = cs_vm__keys(run, f->context, R[i->b]);
        goto next;
    case CS_OP_FORCE:
        v = R[i->b];
        if (v.kind == CS_PRIVATE && v.form == CS_P_LIVE) {
            v = cs_vm__live_all(run, v.n);
        } else if (v.kind == CS_PRIVATE) {
            target = run->program->nodes[v.n].document;
            goto call_document;
        }
        goto set_or_fail;
    case CS_OP_TRUE:
        FAIL_IF(!cs_truthy(R[i->a]));
    case CS_OP_DEFINED:
        FAIL_IF(cs_is_undefined(R[i->a]));
    case CS_OP_EQ:
        FAIL_IF(!unify(R[i->a], R[i->b]));
    case CS_OP_EQK:
        FAIL_IF(!fast_equal(R[i->a], code->k[i->u]));
    case CS_OP_NE:
        FAIL_IF(fast_equal(R[i->a], R[i->b]));
    case CS_OP_LT:
        FAIL_IF(cs_compare(R[i->a], R[i->b]) >= 0);
    case CS_OP_LE:
        FAIL_IF(cs_compare(R[i->a], R[i->b]) > 0);
    case CS_OP_ISARRAY:
        FAIL_IF(R[i->a].kind != CS_ARRAY || R[i->a].n != i->u);
    case CS_OP_ISOBJECT:
        FAIL_IF(R[i->a].kind != CS_OBJECT || entries(R[i->a]) != i->u);
    case CS_OP_KIND:
        FAIL_IF((i->u >> R[i->a].kind & 1) == 0);
    case CS_OP_ITERABLE:
        FAIL_IF(R[i->a].kind != CS_ARRAY && R[i->a].kind != CS_OBJECT && R[i->a].kind != CS_SET);
    case CS_OP_ARRAY:
        R[i->a] = cs_vm__array(run, R + i->b, i->c);
        goto next;
    case CS_OP_SET:
        R[i->a] = cs_vm__set(run, R + i->b, i->c);
        goto next;
    case CS_OP_OBJECT:
        R[i->a] = cs_vm__object(run, R + i->b, i->c);
        goto next;
    case CS_OP_NEWARRAY:
        R[i->a] = cs_vm__growing(run->arena);
        goto next;
    case CS_OP_NEWSET:
        R[i->a] = cs_set_new(run->arena, 0);
        goto next;
    case CS_OP_NEWOBJECT:
        R[i->a] = cs_object_new(run->arena, 0);
        goto next;
    case CS_OP_PUSH:
        cs_vm__push(run->arena, R[i->a].u.p, R[i->b]);
        goto next;
    case CS_OP_ADD:
        (void)cs_set_add(run->arena, R[i->a], cs_vm__plain(R[i->b]));
        goto next;
    case CS_OP_PUT:
        if (!cs_object_put_once(run->arena, R[i->a], cs_vm__plain(R[i->b]), cs_vm__plain(R[i->c]))) {
            goto key_conflict;
        }
        goto next;
    case CS_OP_PUTPATH:
        if (!cs_vm__put_path(run->arena, R[i->a], R + i->b, i->c, R[i->b + i->c], i->u == 1)) {
            goto key_conflict;
        }
        goto next;
    case CS_OP_GROUP:
        R[i->a] = cs_vm__group(run, R[i->b], R[i->c], i->u);
        goto next;
    case CS_OP_SEALALL:
        cs_vm__seal_groups(R[i->a]);
        goto next;
    case CS_OP_SEAL:
        R[i->a] = cs_vm__sealed(R[i->a]);
        goto next;
    case CS_OP_UNDERLAY:
        R[i->a] = cs_vm__underlay(run, f->context, R[i->a], i->u);
        goto next;
    case CS_OP_SCAN:
        FAIL_IF(!start_scan(R + i->a, R[i->b]));
    case CS_OP_NEXT:
        TICK();
        FAIL_IF(!next_entry(R + i->a, R + i->b, R + i->c));
    case CS_OP_CALL:
        target = i->u;
        goto call_document;
    case CS_OP_PROBE:
    case CS_OP_MEMBER:
        callee = run->program->codes[i->u];
        switch ((i->op == CS_OP_PROBE ? cs_vm__probe : cs_vm__member)(run, f, callee, &R[i->b], &v)) {
        case CS_PROBE_KNOWN:
            goto set_or_fail;
        case CS_PROBE_WHOLE:
            pc = i; /* again when the document is there */
            whole = i->op == CS_OP_PROBE;
            goto enter;
        case CS_PROBE_KEY:
            pc = i->op == CS_OP_PROBE ? pc : i; /* again when it is known of the key */
            target = callee->probe;
            n_args = 1;
            goto call_unmocked;
        }
        goto next;
    case CS_OP_CALLF:
        n_args = i->c;
        target = i->u;
        goto call_function;
    case CS_OP_BUILTIN:
        TICK();
        target = i->u;
        if (__builtin_expect(f->context->n_mocks != 0, 0)) {
            goto mocked;
        }
    run_builtin:
        if (!call_builtin(run, f, i, target, &R[i->a])) {
            if (run->err != CS_OK || run->builtins.waiting) {
                run->pc = i; /* the same instruction again when what it waits for is there */
                *state = CS_RUN_WAIT;
                return run->err;
            }
            FAIL();
        }
        goto next;
    case CS_OP_RETURN:
        goto leave;
    case CS_OP_SWITCH: {
        const cs_candidates *list = cs_vm__choose(run, f, &code->switches[i->u]);
        R[i->a] = (cs_value){.kind = CS_PRIVATE, .form = CS_P_CANDIDATES, .u.p = (void *)(uintptr_t)list};
        pc = code->insns + list->pcs[0];
        goto next;
    }
    case CS_OP_NEXTDEF: /* t = 0: any */
    case CS_OP_NEXTCHAIN: {
        const cs_candidates *list = R[i->a].u.p;
        do {
            TICK();
        } while (list->pcs[++R[i->a].n] < i->t);
        pc = code->insns + list->pcs[R[i->a].n];
        goto next;
    }
    case CS_OP_EARLY:
        FAIL_IF(((const cs_candidates *)R[i->a].u.p)->same);
    case CS_OP_RESULT:
        take_result(run, f, R + i->a, R[i->b], i->u);
        goto next;
    case CS_OP_WITH: {
        cs_context *c = cs_vm__with(run, f->context, &code->withs[i->u], R + i->b);
        R[i->a] = (cs_value){.kind = CS_PRIVATE, .form = CS_P_CONTEXT, .u.p = c};
        goto next;
    }
    case CS_OP_CONTEXT:
        f->context = i->x ? f->own : R[i->a].u.p;
        goto next;
    case CS_OP_COUNT:
        break;
    }
    return cs_vm__fail(run, code, i, CS_ERR_EVAL_INTERNAL, "an instruction that does not exist");

set_or_fail:
    if (v.kind == CS_UNDEFINED) {
        FAIL();
    }
    R[i->a] = v;
    goto next;

dot: /* v is the key */
    if (__builtin_expect(R[i->b].kind != CS_PRIVATE, 1)) {
        v = R[i->b].aux == CS_AUX_WRITTEN ? cs_vm__written_index(R[i->b], v) : cs_index(R[i->b], v);
        goto set_or_fail;
    }
    if (R[i->b].form == CS_P_LIVE) {
        v = cs_vm__live_row(run, R[i->b].n, v);
        goto set_or_fail;
    }
    v = cs_vm__node_dot(run, f->context, R[i->b].n, v, &target);
    if (target == CS_NO_CODE) {
        goto set_or_fail;
    }
    goto call_document;

key_conflict:
    if (retreat(run)) {
        goto resume;
    }
    return cs_vm__key_conflict(run, &code->locs[i - code->insns]);

call_document:
    callee = run->program->codes[target];
    if (__builtin_expect(f->context->n_overrides != 0, 0) && cs_vm__hidden(run, f->context, callee->node)) {
        v = cs_vm__base_at(run, f->context, callee->node);
        v = v.kind == CS_PRIVATE ? cs_vm__live_all(run, v.n) : v;
        goto set_or_fail;
    }
    v = *cs_vm__memo_slot(run, f->context, target);
    if (v.aux) {
        run->stats.memo_hits++;
        v.aux = 0;
        goto set_or_fail;
    }
    goto enter;

mocked : {
    cs_mock *mock = cs_vm__mock_of(f->context, i->op == CS_OP_BUILTIN ? CS_TARGET_BUILTIN : CS_TARGET_FUNCTION, target);
    if (!mock && i->op == CS_OP_BUILTIN) {
        goto run_builtin;
    }
    if (!mock) {
        goto call_unmocked;
    }
    if (mock->kind == CS_MOCK_VALUE) {
        v = mock->value;
        goto set_or_fail;
    }
    target = mock->with;
    if (mock->kind == CS_MOCK_BUILTIN) {
        goto run_builtin;
    }
    cs_context *caller = f->context;
    n_args = i->c;
    if (!push_frame(run, run->program->codes[target], R + i->b, n_args)) {
        goto too_deep;
    }
    run->frames[run->n_frames - 1].context = cs_vm__mock_inner(run, caller, mock);
    goto entered;
}

call_function:
    if (__builtin_expect(f->context->n_mocks != 0, 0)) {
        goto mocked;
    }
call_unmocked : {
    const cs_value *key = NULL;
    const cs_value *known = cs_vm__call_find(run, f->context, target, R + i->b, n_args, &key);
    if (known) {
        run->stats.memo_hits++;
        v = *known;
        goto set_or_fail;
    }
    TICK();
    cs_context *caller = f->context;
    if (!push_frame(run, run->program->codes[target], R + i->b, n_args)) {
        goto too_deep;
    }
    run->frames[run->n_frames - 1].memo_args = key;
    run->frames[run->n_frames - 1].context = caller;
    goto entered;
}

enter : {
    TICK();
    cs_context *caller = f->context;
    if (!push_frame(run, callee, NULL, 0)) {
        goto too_deep;
    }
    run->frames[run->n_frames - 1].memo_document = true;
    run->frames[run->n_frames - 1].tentative = whole;
    run->frames[run->n_frames - 1].context = caller;
    whole = false;
}
entered:
    target = pc == i ? (uint32_t)(i - code->insns) : i->t;
    RELOAD();
    f->own = f->context;
    f->pc = pc;
    f->dest = i->a;
    f->fail = target;
    pc = code->insns;
    goto next;

leave:
    v = R[i->a];
    if (__builtin_expect(f->conflict != NULL, 0)) {
        if (!retreat(run)) {
            return cs_vm__conflict_error(run, f);
        }
    resume:
        pc = run->pc;
        RELOAD();
        goto next;
    }
    if (f->memo_document) {
        cs_value *slot = cs_vm__memo_slot(run, f->own, code->id);
        *slot = v;
        slot->aux = 1; /* as a value: only who asked first has it as it was written */
    } else if (f->memo_args) {
        cs_vm__call_remember(run, f->own, code->id, f->memo_args, code->n_params, cs_vm__plain(v));
    }
    run->n_frames--;
    if (run->n_frames == 0) {
        run->result = cs_vm__plain(v);
        run->done = true;
        *state = CS_RUN_DONE;
        return CS_OK;
    }
    {
        uint16_t dest = f->dest;
        uint32_t fail = f->fail;
        pc = f->pc;
        RELOAD();
        if (v.kind == CS_UNDEFINED) {
            pc = code->insns + fail;
        } else {
            R[dest] = v;
        }
    }
    goto next;

too_deep:
    return cs_vm__fail(run, code, i, CS_ERR_LIMIT, "calls are nested deeper than %llu",
                       (unsigned long long)cs_limits_get()->eval_depth);
}
