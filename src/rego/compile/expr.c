/* RewriteExprTerms, RewriteEquals: calls inside terms become statements of their own, in front of the one that uses
 * them. */
#include "rego/compile/internal.h"

static void hoist(cs_compiler *c, cs_exprs *out, cs_term **at);
static void hoist_expr(cs_compiler *c, cs_exprs *out, cs_expr *e);

static void put(cs_compiler *c, cs_exprs *out, cs_expr *e)
{
    CS_VEC_PUSH_IN(&c->scratch, out, e);
}

/* f(x) becomes f(x, __local0__). */
static void hoist_call(cs_compiler *c, cs_exprs *out, cs_term **at)
{
    cs_term *t = *at;
    for (uint32_t i = 1; i < t->u.list.n; i++) {
        hoist(c, out, &t->u.list.v[i]);
    }
    cs_term *result = cs_compile__local_term(c, t->loc);
    cs_term **v = cs_arena_array(c->ast->arena, cs_term *, t->u.list.n + 1);
    memcpy(v, t->u.list.v, t->u.list.n * sizeof *v);
    v[t->u.list.n] = result;
    cs_expr *e = cs_arena_new(c->ast->arena, cs_expr);
    e->kind = CS_EXPR_CALL;
    e->loc = t->loc;
    e->generated = true;
    e->u.call = (cs_terms){v, t->u.list.n + 1};
    put(c, out, e);
    *at = cs_term_copy(c->ast, result);
}

/* A ref's head becomes a variable: [1, 2][i] is __local0__ = [1, 2]; __local0__[i]. */
static void hoist_ref(cs_compiler *c, cs_exprs *out, cs_term *t)
{
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        cs_term *call = t->u.list.v[i]->kind == CS_TERM_CALL ? cs_term_copy(c->ast, t->u.list.v[i]) : NULL;
        hoist(c, out, &t->u.list.v[i]);
        if (call && t->u.list.v[i]->kind == CS_TERM_VAR) {
            cs_syms__put(&c->subjects, t->u.list.v[i]->u.var, call);
        }
    }
    cs_term *head = t->u.list.v[0];
    if (head->kind == CS_TERM_VAR || head->kind == CS_TERM_REF) {
        return;
    }
    cs_expr *e = cs_compile__equality(c, head);
    put(c, out, e);
    t->u.list.v[0] = cs_term_copy(c->ast, e->u.call.v[1]);
    cs_syms__put(&c->subjects, e->u.call.v[1]->u.var, cs_term_copy(c->ast, head));
}

static void hoist_comprehension(cs_compiler *c, cs_term *t)
{
    cs_exprs support = {0};
    if (t->u.comprehension.key) {
        hoist(c, &support, &t->u.comprehension.key);
    }
    hoist(c, &support, &t->u.comprehension.head);
    for (size_t i = 0; i < support.n; i++) {
        cs_compile__append(c, &t->u.comprehension.body, support.v[i]);
    }
    t->u.comprehension.body = cs_hoist__body(c, t->u.comprehension.body);
}

static void hoist(cs_compiler *c, cs_exprs *out, cs_term **at)
{
    cs_term *t = *at;
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
    case CS_TERM_TEMPLATE:
        return;
    case CS_TERM_CALL:
        hoist_call(c, out, at);
        return;
    case CS_TERM_REF:
        hoist_ref(c, out, t);
        return;
    case CS_TERM_ARRAY:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            hoist(c, out, &t->u.list.v[i]);
        }
        return;
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        cs_term_sort(c->ast->arena, t);
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            hoist(c, out, &t->u.list.v[i]);
        }
        cs_term_sort(c->ast->arena, t);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        hoist_comprehension(c, t);
        return;
    }
}

/* What was lifted out of a statement is evaluated under the statement's own modifiers. */
static void share_with(const cs_expr *e, cs_exprs *out, size_t from)
{
    for (size_t i = from; i < out->n && e->n_with; i++) {
        out->v[i]->with = e->with;
        out->v[i]->n_with = e->n_with;
    }
}

/* The domain is read once, by a statement of its own. */
static void hoist_every(cs_compiler *c, cs_exprs *out, cs_expr *e)
{
    cs_expr *eq = cs_compile__equality(c, e->u.every.domain);
    eq->with = e->with;
    eq->n_with = e->n_with;
    hoist_expr(c, out, eq);
    e->u.every.domain = cs_term_copy(c->ast, eq->u.call.v[1]);
    e->u.every.body = cs_hoist__body(c, e->u.every.body);
    put(c, out, e);
}

static void hoist_expr(cs_compiler *c, cs_exprs *out, cs_expr *e)
{
    for (uint32_t i = 0; i < e->n_with; i++) {
        hoist(c, out, &e->with[i].value);
    }
    size_t from = out->n;
    switch (e->kind) {
    case CS_EXPR_TERM:
        hoist(c, out, &e->u.term);
        share_with(e, out, from);
        put(c, out, e);
        return;
    case CS_EXPR_CALL:
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            hoist(c, out, &e->u.call.v[i]);
        }
        for (size_t i = from; i < out->n; i++) {
            if (!out->v[i]->generated_from) {
                cs_compile__connect(e, out->v[i]);
            }
        }
        share_with(e, out, from);
        put(c, out, e);
        return;
    case CS_EXPR_EVERY:
        hoist_every(c, out, e);
        return;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        e->u.logic.left = cs_hoist__body(c, e->u.logic.left);
        e->u.logic.right = cs_hoist__body(c, e->u.logic.right);
        put(c, out, e);
        return;
    case CS_EXPR_SOME:
        return;
    }
}

cs_body cs_hoist__body(cs_compiler *c, cs_body b)
{
    cs_exprs out = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        hoist_expr(c, &out, b.v[i]);
    }
    return cs_compile__body(c, &out);
}

static void hoist_head_term(cs_compiler *c, cs_rule *r, cs_term **at)
{
    cs_exprs support = {0};
    hoist(c, &support, at);
    for (size_t i = 0; i < support.n; i++) {
        cs_compile__append(c, &r->body, support.v[i]);
    }
}

static void hoist_rule(cs_compiler *c, cs_rule *r)
{
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        hoist_head_term(c, r, &r->head.args.v[i]);
    }
    if (r->head.key) {
        hoist_head_term(c, r, &r->head.key);
    }
    if (r->head.value) {
        hoist_head_term(c, r, &r->head.value);
    }
    r->body = cs_hoist__body(c, r->body);
}

void cs_stage__rewrite_expr_terms(cs_compiler *c)
{
    cs_compile__rules(c, hoist_rule);
}

/* ---- == becomes =: after the safety check there is no difference but that = can be indexed */
static bool equal_to_eq(void *self, cs_expr *e)
{
    cs_compiler *c = self;
    if (cs_expr__is(e, c->equal) && e->u.call.n == 3) {
        e->u.call.v[0] = cs_term_operator(c->ast, "eq", e->u.call.v[0]->loc);
    }
    return true;
}

static void equals_in_rule(cs_compiler *c, cs_rule *r)
{
    cs_walk_rule(&(cs_walker){.self = c, .expr = equal_to_eq}, r);
}

void cs_stage__rewrite_equals(cs_compiler *c)
{
    cs_compile__chains(c, equals_in_rule);
}
