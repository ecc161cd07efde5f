#include "rego/plan/internal.h"

static cs_code *query_code(cs_arena *arena)
{
    cs_code *code = cs_arena_new(arena, cs_code);
    code->kind = CS_CODE_QUERY;
    code->id = CS_NO_CODE;
    code->node = CS_NO_NODE;
    code->probe = CS_NO_CODE;
    code->name = CS_LIT("query");
    return code;
}

/* {name: value, …} of the query's variables. */
static uint32_t plan_bindings(cs_builder *b, const cs_compiled_query *q)
{
    uint32_t pairs = cs_plan__regs(b, 2 * q->n_vars);
    for (uint32_t i = 0; i < q->n_vars; i++) {
        cs_value name = cs_string(cs_sym_slice(q->vars[i].name));
        cs_plan__emit(b, CS_OP_LOADK, pairs + 2 * i, 0, 0, cs_plan__k(b, name), 0);
        uint32_t reg = cs_plan__lookup(b, q->vars[i].local);
        if (reg == CS_PLAN_NO_REG) {
            cs_plan__fail(b, "a query's variable is not bound by the query");
            return 0;
        }
        cs_plan__emit(b, CS_OP_MOVE, pairs + 2 * i + 1, reg, 0, 0, 0);
    }
    uint32_t object = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_OBJECT, object, pairs, q->n_vars, 0, 0);
    return object;
}

cs_err cs_plan_query(cs_arena *arena, const cs_program *program, const cs_compiled_query *query, cs_code **out,
                     cs_error *e)
{
    cs_planner p = {.arena = arena, .program = program, .e = e};
    cs_code *code = query_code(arena);
    cs_builder b;
    cs_plan__begin(&b, &p, code);
    uint32_t answers = cs_plan__reg(&b);
    uint32_t done = cs_plan__label(&b);
    cs_plan__emit(&b, CS_OP_NEWARRAY, answers, 0, 0, 0, 0);
    b.fail = done;
    cs_plan__body(&b, query->body);
    uint32_t pair = cs_plan__regs(&b, 2);
    uint32_t bindings = plan_bindings(&b, query);
    cs_plan__emit(&b, CS_OP_MOVE, pair, bindings, 0, 0, 0);
    uint32_t values = cs_plan__regs(&b, query->n_values);
    for (uint32_t i = 0; i < query->n_values; i++) {
        cs_plan__term_into(&b, query->values[i], values + i);
    }
    cs_plan__emit(&b, CS_OP_ARRAY, pair + 1, values, query->n_values, 0, 0);
    uint32_t answer = cs_plan__reg(&b);
    cs_plan__emit(&b, CS_OP_ARRAY, answer, pair, 2, 0, 0);
    cs_plan__emit(&b, CS_OP_PUSH, answers, answer, 0, 0, 0);
    cs_plan__jump(&b, b.fail);
    cs_plan__place(&b, done);
    cs_plan__emit(&b, CS_OP_SEAL, answers, 0, 0, 0, 0);
    cs_plan__emit(&b, CS_OP_RETURN, answers, 0, 0, 0, 0);
    cs_plan__finish(&b);
    *out = code;
    return p.err;
}

cs_err cs_plan_path(cs_arena *arena, const cs_program *program, const cs_value *path, size_t n, cs_code **out,
                    cs_error *e)
{
    cs_planner p = {.arena = arena, .program = program, .e = e};
    cs_code *code = query_code(arena);
    cs_builder b;
    cs_plan__begin(&b, &p, code);
    cs_sym *data = cs_arena_zalloc(arena, sizeof *data + 8);
    data->n = 4;
    memcpy(data->s, "data", 5);
    cs_term head = {.kind = CS_TERM_VAR, .u.var = data};
    cs_term *segments = cs_arena_array(arena, cs_term, n + 1);
    cs_term **list = cs_arena_array(arena, cs_term *, n + 1);
    list[0] = &head;
    for (size_t i = 0; i < n; i++) {
        segments[i] = (cs_term){.kind = CS_TERM_SCALAR, .u.value = cs_freeze(arena, path[i])};
        list[i + 1] = &segments[i];
    }
    cs_term ref = {.kind = CS_TERM_REF, .u.list = {list, (uint32_t)n + 1}};
    uint32_t reg = cs_plan__ref(&b, &ref);
    cs_plan__emit(&b, CS_OP_RETURN, reg, 0, 0, 0, 0);
    cs_plan__finish(&b);
    *out = code;
    return p.err;
}
