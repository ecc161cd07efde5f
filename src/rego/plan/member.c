/* `x in set`, where the set is a rule's: the whole of it need not be made to tell whether it has one element. The
 * compiler names the set in a statement before (`__local1__ = data.p.set`); that statement is left out here and the
 * test asks for the element by itself, as set[x] does.
 *
 * The reference evaluator makes the whole set, and so meets every error on the way. Whether that could make a
 * difference is known when all codes are planned (quiet.c); the machine then asks for the element, or makes the set. */
#include "rego/plan/internal.h"

/* The code of the set that a statement names, or CS_NO_CODE. */
static uint32_t named_set(const cs_builder *b, const cs_expr *e, const cs_sym **name)
{
    const cs_program *program = b->p->program;
    if (e->kind != CS_EXPR_CALL || e->negated || e->n_with || e->u.call.n != 3 || !cs_ref_is(e->u.call.v[0], "eq")) {
        return CS_NO_CODE;
    }
    const cs_term *var = e->u.call.v[1];
    const cs_term *ref = e->u.call.v[2];
    if (var->kind != CS_TERM_VAR || ref->kind != CS_TERM_REF || ref->u.list.v[0]->kind != CS_TERM_VAR ||
        !cs_slice_is(cs_sym_slice(ref->u.list.v[0]->u.var), "data")) {
        return CS_NO_CODE;
    }
    uint32_t node = 0;
    for (uint32_t i = 1; i < ref->u.list.n && node != CS_NO_NODE; i++) {
        const cs_term *t = ref->u.list.v[i];
        bool rule_above = program->nodes[node].is_rule;
        node = rule_above || t->kind != CS_TERM_SCALAR ? CS_NO_NODE : cs_plan__node_child(program, node, t->u.value);
    }
    if (node == CS_NO_NODE || !program->nodes[node].is_rule) {
        return CS_NO_CODE;
    }
    uint32_t code = program->nodes[node].document;
    *name = var->u.var;
    return program->codes[code]->is_set && program->codes[code]->probe != CS_NO_CODE ? code : CS_NO_CODE;
}

/* The compiler's own names for parts of a statement stand in that statement only. */
static bool is_for_one_use(const cs_builder *b, const cs_sym *name)
{
    return cs_slice_starts(cs_sym_slice(name), CS_LIT("__local")) &&
           cs_local_original(b->p->compiled, NULL, name) == name && cs_plan__lookup(b, name) == CS_PLAN_NO_REG;
}

static bool asks(const cs_expr *e, const cs_sym *name)
{
    return e->kind == CS_EXPR_CALL && !e->n_with && (e->u.call.n == 3 || (e->u.call.n == 4 && !e->negated)) &&
           cs_ref_is(e->u.call.v[0], "internal.member_2") && e->u.call.v[2]->kind == CS_TERM_VAR &&
           e->u.call.v[2]->u.var == name && !(e->u.call.v[1]->kind == CS_TERM_VAR && e->u.call.v[1]->u.var == name);
}

bool cs_plan__member_set(cs_builder *b, cs_body body, uint32_t i)
{
    const cs_sym *name = NULL;
    uint32_t code = b->p->compiled ? named_set(b, body.v[i], &name) : CS_NO_CODE;
    if (code == CS_NO_CODE || !is_for_one_use(b, name)) {
        return false;
    }
    uint32_t at = i + 1;
    while (at < body.n && !asks(body.v[at], name)) {
        at++;
    }
    if (at == body.n) {
        return false;
    }
    cs_asked_set asked = {name, code};
    CS_VEC_PUSH_IN(b->p->arena, &b->asked, asked);
    return true;
}

bool cs_plan__member(cs_builder *b, const cs_expr *e)
{
    for (size_t i = 0; i < b->asked.n; i++) {
        if (!asks(e, b->asked.v[i].name)) {
            continue;
        }
        const cs_terms *call = &e->u.call;
        uint32_t key = cs_plan__term(b, call->v[1]);
        uint32_t is = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_MEMBER, is, key, 0, b->asked.v[i].code, b->fail);
        b->asked.v[i] = b->asked.v[--b->asked.n];
        if (e->negated || call->n == 3) {
            uint32_t holds = cs_plan__label(b);
            cs_plan__emit(b, CS_OP_TRUE, is, 0, 0, 0, e->negated ? holds : b->fail);
            if (e->negated) {
                cs_plan__jump(b, b->fail);
            }
            cs_plan__place(b, holds);
        } else {
            cs_plan__unify(b, call->v[3], is);
        }
        return true;
    }
    return false;
}
