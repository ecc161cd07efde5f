/* Calling: operands, errors, what is remembered within one evaluation. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/internal.h"

/* ------------------------------------------------------------------------------------------------ state */

/* Results of nondeterministic functions, a list by hash: an evaluation calls few of them. */
typedef struct memo memo;
struct memo {
    memo *next;
    uint32_t hash;
    const cs_builtin *builtin;
    cs_value args; /* an array, frozen */
    cs_value result;
};

void cs_builtin_state_init(cs_builtin_state *state, cs_arena *arena, const cs_host *host)
{
    *state = (cs_builtin_state){.arena = arena, .host = host};
}

/* Function by function, the operands (an array) and what came out. */
static void tell_calls(cs_builtin_state *state)
{
    cs_value out = cs_object_new(state->arena, 0);
    for (const memo *m = state->cache; m; m = m->next) {
        if (cs_is_undefined(m->result)) {
            continue;
        }
        cs_value name = cs_string(cs_slice_of(m->builtin->name));
        const cs_value *there = cs_object_get(out, name);
        cs_value calls = there ? *there : cs_object_new(state->arena, 0);
        cs_object_put(state->arena, calls, m->args, m->result);
        cs_object_put(state->arena, out, name, calls);
    }
    *state->calls = out;
    state->calls = NULL;
}

void cs_builtin_state_destroy(cs_builtin_state *state)
{
    if (state->calls) {
        tell_calls(state);
    }
    if (state->exchange) {
        state->host->network->end(state->exchange);
        state->exchange = NULL;
    }
    state->waiting = false;
    state->cache = NULL;
}

int64_t cs_builtin_now(cs_builtin_state *state)
{
    if (!state->now_known) {
        state->now_ns = state->host->now_ns(state->host->self);
        state->now_known = true;
    }
    return state->now_ns;
}

static void remember(cs_call *call, uint32_t hash, cs_value result)
{
    cs_arena *a = call->state->arena;
    memo *m = cs_arena_new(a, memo);
    *m = (memo){call->state->cache, hash, call->builtin, cs_freeze(a, cs_array(call->args, call->n)), result};
    if (result.kind != CS_UNDEFINED && call->arena != a) {
        m->result = cs_freeze(a, result);
    }
    call->state->cache = m;
}

static cs_err remembered(cs_call *call, cs_value *out)
{
    cs_value args = cs_array(call->args, call->n);
    uint32_t hash = cs_hash(args) ^ call->builtin->index;
    for (const memo *m = call->state->cache; m; m = m->next) {
        if (m->hash == hash && m->builtin == call->builtin && cs_equal(m->args, args)) {
            *out = m->result;
            return CS_OK;
        }
    }
    CS_TRY(call->builtin->run(call, out));
    if (!call->state->waiting) {
        remember(call, hash, *out);
    }
    return CS_OK;
}

/* A function that remembers for itself: what it answered is kept for whoever wants to know the calls. */
static cs_err noted(cs_call *call, cs_value *out)
{
    CS_TRY(call->builtin->run(call, out));
    if (!call->state->waiting && call->state->calls) {
        remember(call, 0, *out);
    }
    return CS_OK;
}

cs_err cs_builtin_call(cs_call *call, cs_value *out)
{
    const cs_builtin *b = call->builtin;
    cs_err err = !(b->flags & CS_BUILTIN_NONDETERMINISTIC) ? b->run(call, out)
                 : b->flags & CS_BUILTIN_OWN_MEMO          ? noted(call, out)
                                                           : remembered(call, out);
    bool about_call = err != CS_ERR_EVAL_CONFLICT && err != CS_ERR_EVAL_INTERNAL;
    if (err != CS_OK && call->e && about_call) {
        return cs_fail_in(call->e, "%s: ", b->name);
    }
    return err;
}

/* ------------------------------------------------------------------------------------------------ the network */

bool cs_call_exchange(cs_call *call, const cs_exchange_request *request, const cs_exchange_answer **answer)
{
    cs_builtin_state *state = call->state;
    cs_network *network = state->host->network;
    *answer = NULL;
    if (!network) {
        return true;
    }
    if (!state->exchange) {
        cs_exchange_request bounded = *request;
        if (state->deadline_mono_ns) {
            /* The run wakes up at its deadline at the latest, and finds that it has passed. */
            int64_t left = state->deadline_mono_ns - state->host->mono_ns(state->host->self) + 1;
            bounded.delay_ns = bounded.delay_ns < left ? bounded.delay_ns : left;
            bounded.timeout_ns = bounded.timeout_ns && bounded.timeout_ns < left ? bounded.timeout_ns : left;
            bounded.timeout_ns = bounded.timeout_ns > 0 ? bounded.timeout_ns : 1;
        }
        state->exchange = network->start(network, &bounded, state->wake, state->wake_self);
    }
    *answer = network->answer(state->exchange);
    state->waiting = *answer == NULL;
    return *answer != NULL;
}

void cs_call_exchange_end(cs_call *call)
{
    cs_builtin_state *state = call->state;
    if (state->exchange) {
        state->host->network->end(state->exchange);
        state->exchange = NULL;
    }
}

cs_err cs_builtin_call_blocking(cs_call *call, const int *cancel, cs_value *out)
{
    enum { LOOK_NS = 20000000 };
    cs_builtin_state *state = call->state;
    for (;;) {
        CS_TRY(cs_builtin_call(call, out));
        if (!state->waiting) {
            return CS_OK;
        }
        state->waiting = false;
        while (state->exchange && !state->host->network->wait(state->exchange, LOOK_NS)) {
            if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED)) {
                cs_call_exchange_end(call);
                return cs_fail(call->e, CS_ERR_EVAL_CANCEL, "caller cancelled query execution");
            }
        }
        if (state->deadline_mono_ns && state->host->mono_ns(state->host->self) > state->deadline_mono_ns) {
            cs_call_exchange_end(call);
            return cs_fail(call->e, CS_ERR_EVAL_CANCEL, "the evaluation ran past its deadline");
        }
    }
}

/* ------------------------------------------------------------------------------------------------ errors */

cs_err cs_call_error(cs_call *call, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cs_fail(call->e, CS_ERR_EVAL_BUILTIN, "%s", n < 0 ? "" : text);
}

cs_err cs_call__operand_error(cs_call *call, uint32_t i, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cs_fail(call->e, CS_ERR_EVAL_TYPE, "operand %u %s", i, n < 0 ? "" : text);
}

cs_err cs_call__type_error_of(cs_call *call, uint32_t i, cs_value got, const char *want)
{
    return strchr(want, ',')
               ? cs_call__operand_error(call, i, "must be one of {%s} but got %s", want, cs_kind_name(got))
               : cs_call__operand_error(call, i, "must be %s but got %s", want, cs_kind_name(got));
}

cs_err cs_call_type_error(cs_call *call, uint32_t i, const char *want)
{
    return cs_call__type_error_of(call, i, call->args[i - 1], want);
}

cs_err cs_call__element_error(cs_call *call, uint32_t i, cs_value composite, cs_value got, const char *want)
{
    const char *kind = cs_kind_name(composite);
    return cs_call__operand_error(call, i, "must be %s of %ss but got %s containing %s", kind, want, kind,
                                  cs_kind_name(got));
}

cs_err cs_call__limit_error(cs_call *call, const char *limit)
{
    return cs_fail(call->e, CS_ERR_LIMIT, "the result is larger than the limit %s allows", limit);
}

/* ------------------------------------------------------------------------------------------------ operands */

cs_err cs_call__kind(cs_call *call, uint32_t i, cs_value v, cs_kind kind, const char *want)
{
    return v.kind == (uint8_t)kind ? CS_OK : cs_call__type_error_of(call, i, v, want);
}

cs_err cs_call_string(cs_call *call, uint32_t i, cs_slice *out)
{
    cs_value v = call->args[i - 1];
    if (v.kind != CS_STRING) {
        return cs_call_type_error(call, i, "string");
    }
    *out = cs_text(v);
    return CS_OK;
}

cs_err cs_call_int(cs_call *call, uint32_t i, int64_t *out)
{
    cs_value v = call->args[i - 1];
    if (v.kind != CS_NUMBER) {
        return cs_call_type_error(call, i, "number");
    }
    if (v.form == CS_NUMBER_INT) {
        *out = v.u.i;
        return CS_OK;
    }
    /* "-0" and "1.0" are integers to OPA, "1e0" is none. */
    char room[32];
    cs_slice text = cs_number_text(v, room);
    size_t end = cs_slice_find_byte(text, '.', 0), zeros = end == SIZE_MAX ? text.n : end + 1;
    while (zeros < text.n && text.p[zeros] == '0') {
        zeros++;
    }
    if (zeros == text.n && cs_slice_i64(cs_slice_sub(text, 0, end == SIZE_MAX ? text.n : end), out)) {
        return CS_OK;
    }
    return cs_call__operand_error(call, i, "must be integer number but got floating-point number");
}

static cs_err operand(cs_call *call, uint32_t i, cs_kind kind, const char *want, cs_value *out)
{
    *out = call->args[i - 1];
    return cs_call__kind(call, i, *out, kind, want);
}

cs_err cs_call__number(cs_call *call, uint32_t i, cs_value *out)
{
    return operand(call, i, CS_NUMBER, "number", out);
}

cs_err cs_call__array(cs_call *call, uint32_t i, cs_value *out)
{
    return operand(call, i, CS_ARRAY, "array", out);
}

cs_err cs_call__object(cs_call *call, uint32_t i, cs_value *out)
{
    return operand(call, i, CS_OBJECT, "object", out);
}

cs_err cs_call__set(cs_call *call, uint32_t i, cs_value *out)
{
    return operand(call, i, CS_SET, "set", out);
}

cs_err cs_call__integral(cs_call *call, uint32_t i, cs_value *out)
{
    CS_TRY(operand(call, i, CS_NUMBER, "integer", out));
    if (!cs_number_is_integral(*out)) {
        return cs_call__operand_error(call, i, "must be integer number but got floating-point number");
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ text and lists */

cs_err cs_call__room(cs_call *call, size_t n, char **out)
{
    if (n > cs_limits_get()->string_bytes) {
        return cs_call__limit_error(call, "string_bytes");
    }
    *out = cs_arena_try(call->arena, n ? n : 1);
    return *out ? CS_OK : cs_call__limit_error(call, "eval_memory");
}

void cs_sink__grow(cs_sink *s, size_t more)
{
    size_t most = cs_limits_get()->string_bytes;
    if (s->full || more > most || s->n + more > most) {
        s->full = true;
        return;
    }
    size_t cap = s->cap * 2;
    while (cap - s->n < more) {
        cap *= 2;
    }
    char *p = cs_arena_try(s->call->arena, cap);
    if (!p) {
        s->full = true;
        return;
    }
    memcpy(p, s->p, s->n);
    s->p = p;
    s->cap = cap;
}

void cs_sink__rune(cs_sink *s, uint32_t rune)
{
    char bytes[4];
    cs_sink__put(s, bytes, cs_utf8_encode(rune, bytes));
}

void cs_sink__quote(cs_sink *s, cs_slice text)
{
    cs_buf buf;
    cs_buf_init(&buf);
    cs_quote(&buf, text);
    cs_sink__slice(s, cs_buf_view(&buf));
    cs_buf_destroy(&buf);
}

void cs_sink__value(cs_sink *s, cs_value v)
{
    char room[32];
    if (v.kind == CS_NUMBER) {
        cs_sink__slice(s, cs_number_text(v, room));
        return;
    }
    cs_buf buf;
    cs_buf_init(&buf);
    cs_value_print(&buf, v);
    cs_sink__slice(s, cs_buf_view(&buf));
    cs_buf_destroy(&buf);
}

void cs_sink__int(cs_sink *s, int64_t v)
{
    char room[32];
    cs_sink__slice(s, cs_number_text(cs_int(v), room));
}

cs_err cs_sink__slice_done(cs_sink *s, cs_slice *out)
{
    if (s->full) {
        return cs_call__limit_error(s->call, "string_bytes");
    }
    if (s->p == s->room) {
        char *p;
        CS_TRY(cs_call__room(s->call, s->n, &p));
        memcpy(p, s->room, s->n);
        *out = cs_slice_make(p, s->n);
        return CS_OK;
    }
    *out = cs_slice_make(s->p, s->n);
    return CS_OK;
}

cs_err cs_sink__done(cs_sink *s, cs_value *out)
{
    cs_slice text;
    CS_TRY(cs_sink__slice_done(s, &text));
    *out = cs_string(text);
    return CS_OK;
}

void cs_list__add(cs_call *call, cs_list *list, cs_value v)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 8;
        cs_value *grown = cs_arena_alloc(call->arena, cap * sizeof *grown);
        if (list->n) {
            memcpy(grown, list->v, list->n * sizeof *grown);
        }
        list->v = grown;
        list->cap = cap;
    }
    list->v[list->n++] = v;
}
