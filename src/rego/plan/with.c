#include "rego/builtin/granted.h"
#include "rego/plan/internal.h"

/* What is replaced: input.…, data.… (a document or a function), or a built-in. */
static bool plan_target(cs_builder *b, const cs_term *target, cs_with_target *out)
{
    const cs_program *program = b->p->program;
    cs_term *self = (cs_term *)(uintptr_t)target;
    cs_terms parts = target->kind == CS_TERM_REF ? target->u.list : (cs_terms){&self, 1};
    *out = (cs_with_target){.node = CS_NO_NODE};
    cs_term ref = {.kind = CS_TERM_REF, .loc = target->loc, .u.list = parts};
    cs_slice head = parts.v[0]->kind == CS_TERM_VAR ? cs_sym_slice(parts.v[0]->u.var) : CS_LIT("");
    bool is_data = cs_slice_eq(head, CS_LIT("data"));
    uint32_t code = cs_plan__function(b, &ref);
    if (code != CS_NO_CODE) {
        out->kind = CS_TARGET_FUNCTION;
        out->target = code;
        return true;
    }
    if (!is_data && !cs_slice_eq(head, CS_LIT("input"))) {
        const cs_builtin *builtin = cs_plan__builtin(b, &ref);
        if (!builtin) {
            cs_plan__fail(b, "a with modifier of nothing known reached the planner");
            return false;
        }
        out->kind = CS_TARGET_BUILTIN;
        out->target = builtin->index;
        return true;
    }
    cs_value *keys = cs_arena_array(b->p->arena, cs_value, parts.n);
    for (uint32_t i = 1; i < parts.n; i++) {
        if (parts.v[i]->kind != CS_TERM_SCALAR) {
            cs_plan__fail(b, "with keyword target must be ground");
            return false;
        }
        keys[i - 1] = parts.v[i]->u.value;
    }
    out->kind = is_data ? CS_TARGET_DATA : CS_TARGET_INPUT;
    out->path = (cs_path){keys, NULL, parts.n - 1};
    if (is_data) {
        out->node = cs_plan__node_at(program, keys, parts.n - 1);
    }
    return true;
}

/* `with f as g`: is the value the name of a function? */
static void plan_mock(cs_builder *b, const cs_term *value, cs_with_target *out)
{
    out->mock = CS_MOCK_VALUE;
    cs_term *self = (cs_term *)(uintptr_t)value;
    cs_term as_ref = {.kind = CS_TERM_REF, .loc = value->loc, .u.list = {&self, 1}};
    const cs_term *ref = value->kind == CS_TERM_REF ? value : &as_ref;
    if (ref->u.list.v[0]->kind != CS_TERM_VAR || cs_plan__lookup(b, ref->u.list.v[0]->u.var) != CS_PLAN_NO_REG) {
        return;
    }
    uint32_t code = cs_plan__function(b, ref);
    const cs_builtin *builtin = code == CS_NO_CODE ? cs_plan__builtin(b, ref) : NULL;
    if (code != CS_NO_CODE) {
        out->mock = CS_MOCK_FUNCTION;
        out->mock_with = code;
    } else if (builtin) {
        out->mock = CS_MOCK_BUILTIN;
        out->mock_with = builtin->index;
    }
}

/* No value stands for a built-in without a function: it is called all the same, and that is an error as in OPA. */
static void keep_unsupported(const cs_builder *b, cs_with_target *t)
{
    if (t->kind == CS_TARGET_BUILTIN && !cs_granted_row(b->p->program->capabilities, t->target)->run) {
        t->mock = CS_MOCK_BUILTIN;
        t->mock_with = t->target;
    }
}

/* Makes the context of the expression's modifiers; the register that holds it. */
static uint32_t plan_context(cs_builder *b, const cs_expr *e)
{
    cs_with_site site = {cs_arena_array(b->p->arena, cs_with_target, e->n_with), e->n_with, NULL};
    uint32_t values = cs_plan__regs(b, e->n_with);
    for (uint32_t i = 0; i < e->n_with; i++) {
        if (!plan_target(b, e->with[i].target, &site.v[i])) {
            return 0;
        }
        if (site.v[i].kind == CS_TARGET_FUNCTION || site.v[i].kind == CS_TARGET_BUILTIN) {
            plan_mock(b, e->with[i].value, &site.v[i]);
        }
        if (site.v[i].mock == CS_MOCK_VALUE) {
            cs_plan__term_into(b, e->with[i].value, values + i);
            keep_unsupported(b, &site.v[i]);
        } else {
            cs_plan__emit(b, CS_OP_CLEAR, values + i, 0, 0, 0, 0);
        }
    }
    CS_VEC_PUSH_IN(b->p->arena, &b->withs, site);
    uint32_t context = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_WITH, context, values, e->n_with, (uint32_t)b->withs.n - 1, b->fail);
    return context;
}

static void enter(cs_builder *b, uint32_t context)
{
    cs_plan__emit(b, CS_OP_CONTEXT, context == CS_PLAN_NO_REG ? 0 : context, 0, 0, 0, 0);
    if (context == CS_PLAN_NO_REG) {
        b->insns.v[b->insns.n - 1].x = 1; /* the frame's own */
    }
}

/* The statement runs in its context, what follows does not; going back into one of the statement's loops enters it
 * again, and leaving it by failure leaves the context. */
void cs_plan__with(cs_builder *b, const cs_expr *e)
{
    uint32_t outer = b->context;
    uint32_t inner = plan_context(b, e);
    if (b->p->err != CS_OK) {
        return;
    }
    uint32_t outer_fail = b->fail;
    uint32_t leave = cs_plan__label(b);
    uint32_t on = cs_plan__label(b);
    enter(b, inner);
    b->fail = leave;
    b->context = inner;
    cs_plan__expr_without_with(b, e);
    b->context = outer;
    uint32_t inner_fail = b->fail;
    enter(b, outer);
    cs_plan__jump(b, on);
    cs_plan__place(b, leave);
    enter(b, outer);
    cs_plan__jump(b, outer_fail);
    b->fail = outer_fail;
    if (inner_fail != leave) {
        uint32_t again = cs_plan__label(b);
        cs_plan__place(b, again);
        enter(b, inner);
        cs_plan__jump(b, inner_fail);
        b->fail = again;
    }
    cs_plan__place(b, on);
}
