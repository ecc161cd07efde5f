/* RewriteDynamicTerms: refs and comprehensions inside terms become statements of their own. Only `x = ref` and a ref or
 * a comprehension that is a whole statement keep theirs in place. */
#include "rego/compile/internal.h"

static void put(cs_compiler *c, cs_exprs *out, cs_expr *e)
{
    CS_VEC_PUSH_IN(&c->scratch, out, e);
}

/* __local0__ = t in front of `original`, under its modifiers; the variable. */
static cs_term *lift(cs_compiler *c, cs_exprs *out, cs_expr *original, cs_term *t)
{
    cs_expr *e = cs_compile__equality(c, t);
    e->with = original->with;
    e->n_with = original->n_with;
    cs_compile__connect(original, e);
    put(c, out, e);
    cs_syms__put(&c->subjects, e->u.call.v[1]->u.var, t);
    return cs_term_copy(c->ast, e->u.call.v[1]);
}

static void one(cs_compiler *c, cs_exprs *out, cs_expr *original, cs_term **at)
{
    cs_term *t = *at;
    switch (t->kind) {
    case CS_TERM_REF:
        for (uint32_t i = 1; i < t->u.list.n; i++) {
            one(c, out, original, &t->u.list.v[i]);
        }
        *at = lift(c, out, original, t);
        return;
    case CS_TERM_ARRAY:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            one(c, out, original, &t->u.list.v[i]);
        }
        return;
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        cs_term_sort(c->ast->arena, t);
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            one(c, out, original, &t->u.list.v[i]);
        }
        cs_term_sort(c->ast->arena, t);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        t->u.comprehension.body = cs_dynamic__body(c, t->u.comprehension.body);
        *at = lift(c, out, original, t);
        return;
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        return;
    }
}

/* A side of `=`, or a statement's term: a ref and a comprehension stay, what is in them does not. */
static void in_place(cs_compiler *c, cs_exprs *out, cs_expr *original, cs_term **at)
{
    cs_term *t = *at;
    if (t->kind == CS_TERM_REF) {
        for (uint32_t i = 1; i < t->u.list.n; i++) {
            one(c, out, original, &t->u.list.v[i]);
        }
    } else if (cs_term__is_comprehension(t)) {
        t->u.comprehension.body = cs_dynamic__body(c, t->u.comprehension.body);
    } else {
        one(c, out, original, at);
    }
}

static void in_call(cs_compiler *c, cs_exprs *out, cs_expr *e)
{
    if (cs_expr__is(e, c->eq)) {
        if (e->u.call.n == 3) {
            in_place(c, out, e, &e->u.call.v[1]);
            in_place(c, out, e, &e->u.call.v[2]);
        }
        return;
    }
    for (uint32_t i = 1; i < e->u.call.n; i++) {
        one(c, out, e, &e->u.call.v[i]);
    }
}

cs_body cs_dynamic__body(cs_compiler *c, cs_body b)
{
    cs_exprs out = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        cs_expr *e = b.v[i];
        switch (e->kind) {
        case CS_EXPR_TERM:
            in_place(c, &out, e, &e->u.term);
            break;
        case CS_EXPR_CALL:
            in_call(c, &out, e);
            break;
        case CS_EXPR_EVERY:
            one(c, &out, e, &e->u.every.domain);
            e->u.every.body = cs_dynamic__body(c, e->u.every.body);
            break;
        case CS_EXPR_AND:
        case CS_EXPR_OR:
        case CS_EXPR_NOT:
            e->u.logic.left = cs_dynamic__body(c, e->u.logic.left);
            e->u.logic.right = cs_dynamic__body(c, e->u.logic.right);
            break;
        case CS_EXPR_SOME:
            break;
        }
        put(c, &out, e);
    }
    return cs_compile__body(c, &out);
}

static void dynamic_rule(cs_compiler *c, cs_rule *r)
{
    r->body = cs_dynamic__body(c, r->body);
}

void cs_stage__rewrite_dynamic_terms(cs_compiler *c)
{
    cs_compile__rules(c, dynamic_rule);
}
