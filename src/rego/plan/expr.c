#include "rego/plan/internal.h"

uint32_t cs_plan__function(const cs_builder *b, const cs_term *ref)
{
    const cs_program *program = b->p->program;
    const cs_terms *r = &ref->u.list;
    if (r->v[0]->kind != CS_TERM_VAR || !cs_slice_eq(cs_sym_slice(r->v[0]->u.var), CS_LIT("data"))) {
        return CS_NO_CODE;
    }
    uint32_t node = 0;
    for (uint32_t i = 1; i < r->n && node != CS_NO_NODE; i++) {
        if (r->v[i]->kind != CS_TERM_SCALAR) {
            return CS_NO_CODE;
        }
        node = cs_plan__node_child(program, node, r->v[i]->u.value);
    }
    return node == CS_NO_NODE ? CS_NO_CODE : program->nodes[node].function;
}

static uint32_t plan_operands(cs_builder *b, const cs_terms *call, uint32_t n)
{
    uint32_t first = cs_plan__regs(b, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_plan__term_into(b, call->v[i + 1], first + i);
    }
    return first;
}

/* What a statement does with a value: capture it by the extra operand, or demand that it is not false. */
static void use_result(cs_builder *b, const cs_terms *call, uint32_t arity, uint32_t result)
{
    if (call->n - 1 > arity) {
        cs_plan__unify(b, call->v[arity + 1], result);
    } else {
        cs_plan__emit(b, CS_OP_TRUE, result, 0, 0, 0, b->fail);
    }
}

static bool plan_comparison(cs_builder *b, const cs_builtin *builtin, const cs_terms *call)
{
    static const struct {
        const char *name;
        cs_op op;
        bool swap;
    } rows[] = {
        {"equal", CS_OP_EQ, false}, {"neq", CS_OP_NE, false}, {"lt", CS_OP_LT, false},
        {"lte", CS_OP_LE, false},   {"gt", CS_OP_LT, true},   {"gte", CS_OP_LE, true},
    };
    if (call->n != 3) {
        return false;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(builtin->name, rows[i].name) == 0) {
            uint32_t x = cs_plan__term(b, call->v[1]);
            uint32_t y = cs_plan__term(b, call->v[2]);
            cs_plan__emit(b, rows[i].op, rows[i].swap ? y : x, rows[i].swap ? x : y, 0, 0, b->fail);
            return true;
        }
    }
    return false;
}

const cs_builtin *cs_plan__builtin(const cs_builder *b, const cs_term *ref)
{
    return cs_builtin_granted(b->p->program->capabilities, ref);
}

/* walk(x, [_, value]) */
static bool drops_paths(const cs_terms *call)
{
    const cs_term *pair = call->n == 3 ? call->v[2] : NULL;
    return pair && pair->kind == CS_TERM_ARRAY && pair->u.list.n == 2 && pair->u.list.v[0]->kind == CS_TERM_VAR &&
           cs_sym_is_wildcard(pair->u.list.v[0]->u.var);
}

/* The register of the result; `arity` operands are inputs. */
static uint32_t plan_invoke(cs_builder *b, const cs_terms *call, uint32_t *arity, const cs_builtin **builtin)
{
    const cs_term *operator_ref = call->v[0];
    uint32_t code = cs_plan__function(b, operator_ref);
    *builtin = code == CS_NO_CODE ? cs_plan__builtin(b, operator_ref) : NULL;
    uint32_t result = cs_plan__reg(b);
    if (code != CS_NO_CODE) {
        *arity = b->p->program->codes[code]->n_params;
        if (call->n - 1 < *arity) {
            cs_plan__fail(b, "a call with too few operands reached the planner");
            return result;
        }
        uint32_t first = plan_operands(b, call, *arity);
        cs_plan__emit(b, CS_OP_CALLF, result, first, *arity, code, b->fail);
        return result;
    }
    if (!*builtin) {
        cs_plan__fail(b, "a call of an unknown function reached the planner");
        *arity = call->n - 1;
        return result;
    }
    if (!(*builtin)->run && !b->p->program->capabilities) {
        cs_plan__fail(
            b, cs_arena_printf(b->p->arena, NULL, "built-in function %s is not part of this build", (*builtin)->name));
    }
    *arity = cs_builtin_arity(*builtin);
    if (*arity > call->n - 1) {
        *arity = call->n - 1;
    }
    uint32_t first = plan_operands(b, call, *arity);
    cs_plan__emit(b, CS_OP_BUILTIN, result, first, *arity, (*builtin)->index, b->fail);
    int pattern = cs_builtin_pattern_operand(*builtin);
    if (b->p->compiled && pattern >= 0 && (uint32_t)pattern < *arity && cs_term_is_string(call->v[pattern + 1])) {
        b->insns.v[b->insns.n - 1].x = CS_BUILTIN_PATTERN;
    }
    if (strcmp((*builtin)->name, "walk") == 0 && drops_paths(call)) {
        b->insns.v[b->insns.n - 1].x = CS_BUILTIN_NO_PATHS;
    }
    return result;
}

uint32_t cs_plan__call_value(cs_builder *b, const cs_terms *call)
{
    uint32_t arity;
    const cs_builtin *builtin;
    uint32_t result = plan_invoke(b, call, &arity, &builtin);
    if (builtin && (builtin->flags & CS_BUILTIN_RELATION)) {
        uint32_t key;
        cs_plan__loop(b, result, &key, &result);
    }
    return result;
}

static void plan_call(cs_builder *b, const cs_terms *call)
{
    const cs_builtin *builtin = cs_plan__function(b, call->v[0]) == CS_NO_CODE ? cs_plan__builtin(b, call->v[0]) : NULL;
    if (builtin && call->n == 3 && strcmp(builtin->name, "eq") == 0) {
        cs_plan__equal(b, call->v[1], call->v[2]);
        return;
    }
    if (builtin && plan_comparison(b, builtin, call)) {
        return;
    }
    uint32_t arity;
    uint32_t result = plan_invoke(b, call, &arity, &builtin);
    if (builtin && (builtin->flags & CS_BUILTIN_RELATION)) {
        uint32_t key;
        cs_plan__loop(b, result, &key, &result);
    }
    if (builtin && (builtin->flags & CS_BUILTIN_VOID)) {
        return;
    }
    use_result(b, call, arity, result);
}

/* `every`: each turn of the loop must find the body true once; a body that runs dry fails the statement. */
static void plan_every(cs_builder *b, const cs_expr *e)
{
    uint32_t domain = cs_plan__term(b, e->u.every.domain);
    uint32_t outer_fail = b->fail;
    uint32_t loops = b->loops;
    size_t bound = b->bindings.n;
    uint32_t done = cs_plan__label(b);
    uint32_t key;
    uint32_t value;
    cs_plan__emit(b, CS_OP_ITERABLE, domain, 0, 0, 0, outer_fail);
    b->fail = done;
    cs_plan__loop(b, domain, &key, &value);
    uint32_t next = b->fail;
    b->fail = outer_fail;
    if (e->u.every.key) {
        cs_plan__unify(b, e->u.every.key, key);
    }
    cs_plan__unify(b, e->u.every.value, value);
    cs_plan__body(b, e->u.every.body);
    cs_plan__jump(b, next);
    cs_plan__place(b, done);
    b->fail = outer_fail;
    b->loops = loops;
    b->bindings.n = bound;
}

/* Is there a solution of the body? What follows runs once, however many there are; the body binds nothing outside
 * itself. */
static void plan_exists(cs_builder *b, cs_body body, uint32_t otherwise)
{
    uint32_t outer_fail = b->fail;
    uint32_t loops = b->loops;
    size_t bound = b->bindings.n;
    b->fail = otherwise;
    cs_plan__body(b, body);
    b->fail = outer_fail;
    b->loops = loops;
    b->bindings.n = bound;
}

static void plan_or(cs_builder *b, const cs_expr *e)
{
    uint32_t second = cs_plan__label(b);
    uint32_t done = cs_plan__label(b);
    plan_exists(b, e->u.logic.left, second);
    cs_plan__jump(b, done);
    cs_plan__place(b, second);
    plan_exists(b, e->u.logic.right, b->fail);
    cs_plan__place(b, done);
}

static void plan_not(cs_builder *b, cs_body body)
{
    uint32_t holds = cs_plan__label(b);
    plan_exists(b, body, holds);
    cs_plan__jump(b, b->fail);
    cs_plan__place(b, holds);
}

static void plan_positive(cs_builder *b, const cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_TERM: {
        uint32_t reg = cs_plan__term(b, e->u.term);
        cs_plan__emit(b, CS_OP_TRUE, reg, 0, 0, 0, b->fail);
        return;
    }
    case CS_EXPR_CALL:
        plan_call(b, &e->u.call);
        return;
    case CS_EXPR_EVERY:
        plan_every(b, e);
        return;
    case CS_EXPR_SOME:
        return;
    case CS_EXPR_AND:
        plan_exists(b, e->u.logic.left, b->fail);
        plan_exists(b, e->u.logic.right, b->fail);
        return;
    case CS_EXPR_OR:
        plan_or(b, e);
        return;
    case CS_EXPR_NOT:
        plan_not(b, e->u.logic.left);
        return;
    }
}

void cs_plan__expr_without_with(cs_builder *b, const cs_expr *e)
{
    if (!e->negated) {
        plan_positive(b, e);
        return;
    }
    uint32_t outer_fail = b->fail;
    uint32_t loops = b->loops;
    size_t bound = b->bindings.n;
    uint32_t holds = cs_plan__label(b);
    b->fail = holds;
    plan_positive(b, e);
    b->fail = outer_fail;
    b->loops = loops;
    b->bindings.n = bound;
    cs_plan__jump(b, outer_fail);
    cs_plan__place(b, holds);
}

void cs_plan__body(cs_builder *b, cs_body body)
{
    for (uint32_t i = 0; i < body.n && b->p->err == CS_OK; i++) {
        const cs_expr *e = body.v[i];
        if (e->loc.source) {
            b->loc = e->loc;
        }
        if (e->n_with) {
            cs_plan__with(b, e);
        } else if (!cs_plan__member_set(b, body, i) && !cs_plan__member(b, e)) {
            cs_plan__expr_without_with(b, e);
        }
    }
}
