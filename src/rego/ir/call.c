/* Calls: of rules, of built-ins, and of what stands in their place. */
#include "rego/ir/internal.h"

typedef struct call_step {
    cs_ir_step step;
    cs_slice name;
    const cs_term *value;
    cs_term **operands;
    uint32_t n, arity;
    bool is_void, relation;
    cs_ir_operands args;
    uint32_t at;
    cs_ir_then then;
} call_step;

typedef const cs_ir_step *step_run(cs_ir_planner *p, const cs_ir_step *self);

static call_step *call_copy(cs_ir_planner *p, const call_step *from, step_run *run)
{
    call_step *s = CS_IR_STEP(p, call_step, run);
    *s = *from;
    s->step.run = run;
    return s;
}

static void emit_call(cs_ir_planner *p, const call_step *s, int32_t result)
{
    CS_IR_EMIT(p, CALL, (cs_ir_field){.text = s->name}, (cs_ir_field){.list = s->args}, cs_ir__l(result));
}

static void emit_not_false(cs_ir_planner *p, cs_ir_operand o)
{
    CS_IR_EMIT(p, NOT_EQUAL, cs_ir__o(o), cs_ir__o((cs_ir_operand){CS_IR_OF_BOOL, 0}));
}

/* ---- behind the operands */
static const cs_ir_step *function(cs_ir_planner *p, const cs_ir_step *self)
{
    const call_step *s = (const call_step *)self;
    int32_t result = cs_ir__new_local(p);
    if (s->n > s->arity) {
        emit_call(p, s, result);
        return cs_ir__unify_operand(p, cs_ir__op(result), s->operands[s->n - 1], s->then);
    }
    p->target = cs_ir__op(result);
    emit_call(p, s, result);
    if (!s->is_void) {
        emit_not_false(p, cs_ir__op(result));
    }
    return s->then;
}

/* Built-ins with many results: they come as a collection. */
static const cs_ir_step *relation(cs_ir_planner *p, const cs_ir_step *self)
{
    const call_step *s = (const call_step *)self;
    int32_t result = cs_ir__new_local(p);
    p->target = cs_ir__op(result);
    emit_call(p, s, result);
    if (s->n > s->arity) {
        return cs_ir__scan_values(p, s->operands[s->n - 1], s->then);
    }
    int32_t size = cs_ir__new_local(p);
    CS_IR_EMIT(p, LEN, cs_ir__o(cs_ir__op(result)), cs_ir__l(size));
    int32_t zero = cs_ir__new_local(p);
    CS_IR_EMIT(p, MAKE_NUMBER_INT, cs_ir__l(0), cs_ir__l(zero));
    CS_IR_EMIT(p, NOT_EQUAL, cs_ir__o(cs_ir__op(size)), cs_ir__o(cs_ir__op(zero)));
    return s->then;
}

static const cs_ir_step *have_value(cs_ir_planner *p, const cs_ir_step *self)
{
    const call_step *s = (const call_step *)self;
    if (s->n > s->arity) {
        return cs_ir__unify_operand(p, p->target, s->operands[s->n - 1], s->then);
    }
    emit_not_false(p, p->target);
    return s->then;
}

/* A value in a function's place: the operands must be defined, but nobody looks at them. */
static const cs_ir_step *value(cs_ir_planner *p, const cs_ir_step *self)
{
    const call_step *s = (const call_step *)self;
    p->target = cs_ir__op(cs_ir__new_local(p));
    return cs_ir__term(p, s->value, &call_copy(p, s, have_value)->step);
}

/* ---- operands */

static cs_ir_then operand(cs_ir_planner *p, call_step *s);

static const cs_ir_step *have_operand(cs_ir_planner *p, const cs_ir_step *self)
{
    call_step *s = call_copy(p, (const call_step *)self, ((const call_step *)self)->step.run);
    s->args.v[s->args.n++] = p->target;
    s->at++;
    return operand(p, s);
}

static cs_ir_then operand(cs_ir_planner *p, call_step *s)
{
    if (s->at == s->arity) {
        return &call_copy(p, s, s->value ? value : s->relation ? relation : function)->step;
    }
    s->step.run = have_operand;
    return cs_ir__term(p, s->operands[s->at], &s->step);
}

static cs_ir_then plan_call(cs_ir_planner *p, const call_step *call)
{
    if (call->n < call->arity || call->n > call->arity + 1) {
        return cs_ir__fail(p, "illegal call: wrong number of operands: got %u, want %u)", (unsigned)call->n,
                           (unsigned)call->arity);
    }
    call_step *s = call_copy(p, call, have_operand);
    uint32_t room = call->args.n + call->arity;
    cs_ir_operand *v = room > 0 || call->args.v ? cs_arena_array(p->arena, cs_ir_operand, room + 1U) : NULL;
    if (call->args.n > 0) {
        memcpy(v, call->args.v, call->args.n * sizeof *v);
    }
    s->args.v = v;
    return operand(p, s);
}

/* ---- what is called */
static const cs_ir_step *call_planned(cs_ir_planner *p, const cs_ir_step *self)
{
    call_step s = *(const call_step *)self;
    s.name = p->function;
    s.args = cs_ir__default_operands(p);
    return plan_call(p, &s);
}

static const cs_ir_step *call_replacement(cs_ir_planner *p, const cs_ir_step *self)
{
    p->mocks.n--;
    return call_planned(p, self);
}

static const cs_term *replacement_of(const cs_ir_planner *p, cs_slice name)
{
    for (size_t i = p->mocks.n; i > 0 && !p->mocks.v[i - 1].wall; i--) {
        const cs_ir_mocks *m = &p->mocks.v[i - 1];
        for (uint32_t k = m->n; k > 0; k--) {
            if (cs_slice_eq(m->v[k - 1].name, name)) {
                return m->v[k - 1].by;
            }
        }
    }
    return NULL;
}

static bool is_document(const cs_ir_planner *p, const cs_term *ref)
{
    const cs_term *head = ref->u.list.v[0];
    return head->kind == CS_TERM_VAR && (head->u.var == p->data || head->u.var == p->input);
}

static cs_ir_then built_in(cs_ir_planner *p, const cs_builtin *b, const call_step *call, bool replacing)
{
    call_step s = *call;
    cs_ir__need(p, b);
    s.name = cs_slice_of(b->name);
    s.arity = cs_builtin_arity(b);
    s.is_void = !replacing && (b->flags & CS_BUILTIN_VOID) != 0;
    s.relation = !replacing && (b->flags & CS_BUILTIN_RELATION) != 0;
    return plan_call(p, &s);
}

static cs_ir_then replaced(cs_ir_planner *p, const cs_term *op, cs_slice name, const cs_term *by, const call_step *call)
{
    call_step s = *call;
    const cs_ir_node *node = cs_ir__find(p, op);
    const cs_builtin *b = cs_ir__builtin(p, name);
    s.value = by;
    s.arity = node ? cs_ir__arity(node) : b ? cs_builtin_arity(b) : 0;
    if (by->kind == CS_TERM_REF && !is_document(p, by)) {
        const cs_builtin *other = cs_ir__builtin(p, cs_ref_name(p->arena, by));
        s.value = NULL;
        return other ? built_in(p, other, &s, true) : cs_ir__fail(p, "illegal call: unknown operator");
    }
    const cs_ir_node *rules = by->kind == CS_TERM_REF ? cs_ir__find(p, by) : NULL;
    if (cs_ir__arity(rules) > 0) {
        cs_ir_mocks wall = {.wall = true};
        CS_VEC_PUSH_IN(p->arena, &p->mocks, wall);
        s.value = NULL;
        s.arity = cs_ir__arity(rules);
        return cs_ir__rules(p, rules, &call_copy(p, &s, call_replacement)->step);
    }
    if (by->kind != CS_TERM_VAR && b) {
        s.arity = cs_builtin_arity(b);
    }
    return plan_call(p, &s);
}

cs_ir_then cs_ir__call(cs_ir_planner *p, const cs_expr *e, cs_ir_then then)
{
    const cs_term *op = e->u.call.v[0];
    cs_slice name = cs_ref_name(p->arena, op);
    if (cs_slice_is(name, "eq")) {
        return cs_ir__unify(p, e->u.call.v[1], e->u.call.v[2], then);
    }
    call_step s = {.operands = e->u.call.v + 1, .n = e->u.call.n - 1, .then = then};
    const cs_term *by = replacement_of(p, name);
    if (by) {
        return replaced(p, op, name, by, &s);
    }
    const cs_ir_node *node = cs_ir__find(p, op);
    if (node && node->rules.n > 0) {
        s.arity = cs_ir__arity(node);
        return cs_ir__rules(p, node, &call_copy(p, &s, call_planned)->step);
    }
    const cs_builtin *b = cs_ir__builtin(p, name);
    return b ? built_in(p, b, &s, false) : cs_ir__fail(p, "illegal call: unknown operator \"%.*s\"", CS_FMT(name));
}
