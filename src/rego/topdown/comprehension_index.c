/* Comprehensions that are evaluated once for all values of the variables that they share with the outside, and then
 * looked up by those (OPA: buildComprehensionIndices). It shows in traces. */
#include "rego/compile/names.h"
#include "rego/topdown/internal.h"

typedef struct finder {
    cs_td_maker *to;
    cs_ast ast; /* of the body's names, over the maker's arena */
    cs_names *candidates;
} finder;

static void in_body(finder *f, cs_body b);

/* ---- what would make it worse, or wrong */
typedef struct check {
    const cs_names *candidates;
    cs_names *seen;
    cs_arena *arena;
    bool bad;
} check;

static void no_candidates_among(check *c, const cs_names *vars)
{
    for (uint32_t i = 0; i < cs_names_count(vars); i++) {
        const cs_sym *v = cs_names_at(vars, i);
        c->bad = c->bad || (cs_names_has(c->candidates, v) && !cs_names_has(c->seen, v));
    }
}

static void no_candidates_in(check *c, const cs_term *t)
{
    cs_names *vars = cs_names_new(c->arena);
    cs_names_of_term(vars, t);
    no_candidates_among(c, vars);
}

static bool is_comprehension(const cs_term *t)
{
    return cs_opd_is_comprehension((cs_opd){.t = t, .v = cs_undefined()});
}

static bool worse_term(void *self, cs_term *t)
{
    check *c = self;
    if (c->bad || is_comprehension(t)) {
        return false;
    }
    if (t->kind == CS_TERM_VAR) {
        cs_names_put(c->seen, t->u.var, NULL);
    }
    for (uint32_t i = 1; t->kind == CS_TERM_REF && i < t->u.list.n; i++) {
        no_candidates_in(c, t->u.list.v[i]);
    }
    return !c->bad;
}

static bool worse_expr(void *self, cs_expr *e)
{
    check *c = self;
    if (e->kind == CS_EXPR_CALL && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "walk")) {
        no_candidates_in(c, e->u.call.v[2]);
    }
    return !c->bad;
}

static bool nested_term(void *self, cs_term *t)
{
    check *c = self;
    if (!c->bad && is_comprehension(t)) {
        cs_names *vars = cs_names_new(c->arena);
        cs_names_inside_term(vars, t);
        no_candidates_among(c, vars);
    }
    return !c->bad && !is_comprehension(t);
}

/* ---- one statement */
static const cs_term *comprehension_of(const cs_expr *e)
{
    if (e->kind != CS_EXPR_CALL || e->negated || e->n_with || e->u.call.n != 3 || !cs_ref_is(e->u.call.v[0], "eq")) {
        return NULL;
    }
    const cs_term *a = e->u.call.v[1];
    const cs_term *b = e->u.call.v[2];
    if (a->kind == CS_TERM_VAR && is_comprehension(b)) {
        return b;
    }
    return b->kind == CS_TERM_VAR && is_comprehension(a) ? a : NULL;
}

static bool safe_alone(finder *f, cs_body body, const cs_names *outputs)
{
    cs_names *vars = cs_names_new(f->to->arena);
    cs_names_of_body(vars, body, false);
    for (uint32_t i = 0; i < cs_names_count(vars); i++) {
        const cs_sym *v = cs_names_at(vars, i);
        if (!cs_names_has(outputs, v) && v != f->ast.data && v != f->ast.input) {
            return false;
        }
    }
    return true;
}

/* What the head names of the outside alone would have no value in an evaluation for all of them. */
static bool head_is_safe(finder *f, const cs_term *t, const cs_names *outputs)
{
    cs_names *vars = cs_names_new(f->to->arena);
    cs_names_of_term(vars, t->u.comprehension.head);
    if (t->kind == CS_TERM_OBJECT_COMPREHENSION) {
        cs_names_of_term(vars, t->u.comprehension.key);
    }
    for (uint32_t i = 0; i < cs_names_count(vars); i++) {
        const cs_sym *v = cs_names_at(vars, i);
        if (!cs_names_has(outputs, v) && cs_names_has(f->candidates, v)) {
            return false;
        }
    }
    return true;
}

static void add_index(finder *f, const cs_term *t, const cs_names *outputs)
{
    cs_td_maker *to = f->to;
    cs_td_keyed keyed = {.t = t};
    keyed.keys = cs_arena_array(to->arena, const cs_term *, cs_names_count(f->candidates) + 1);
    for (uint32_t i = 0; i < cs_names_count(f->candidates); i++) {
        const cs_sym *v = cs_names_at(f->candidates, i);
        if (cs_names_has(outputs, v)) {
            keyed.keys[keyed.n++] = cs_term_var(to->names, v, t->loc);
        }
    }
    if (keyed.n) {
        CS_VEC_PUSH_IN(to->arena, &to->keyed, keyed);
    }
}

static void look_at(finder *f, const cs_expr *e)
{
    const cs_term *t = comprehension_of(e);
    if (!t) {
        return;
    }
    cs_arena *a = f->to->arena;
    cs_body body = t->u.comprehension.body;
    cs_names *safe = cs_names_new(a);
    cs_names *outputs = cs_names_new(a);
    cs_names_put(safe, f->ast.data, NULL);
    cs_names_put(safe, f->ast.input, NULL);
    cs_names_bound_by_body(&f->ast, f->to->policy, body, safe, outputs);
    check worse = {f->candidates, cs_names_new(a), a, false};
    check nested = {f->candidates, cs_names_new(a), a, false};
    if (safe_alone(f, body, outputs) && head_is_safe(f, t, outputs)) {
        cs_walk_body(&(cs_walker){.self = &worse, .term = worse_term, .expr = worse_expr}, body);
        cs_walk_body(&(cs_walker){.self = &nested, .term = nested_term}, body);
        if (!worse.bad && !nested.bad) {
            add_index(f, t, outputs);
        }
    }
}

/* ---- bodies, the inner ones after all of the outer */
static bool inner_term(void *self, cs_term *t)
{
    if (is_comprehension(t)) {
        in_body(self, t->u.comprehension.body);
    }
    return !is_comprehension(t);
}

static bool inner_expr(void *self, cs_expr *e)
{
    if (e->kind == CS_EXPR_EVERY) {
        in_body(self, e->u.every.body);
        return false;
    }
    if (e->kind == CS_EXPR_NOT || e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR) {
        in_body(self, e->u.logic.left);
        in_body(self, e->u.logic.right);
        return false;
    }
    return true;
}

static void in_body(finder *f, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        look_at(f, b.v[i]);
        cs_names_of_body(f->candidates, (cs_body){&b.v[i], 1}, false);
    }
    cs_walk_body(&(cs_walker){.self = f, .term = inner_term, .expr = inner_expr}, b);
}

static bool found_comprehension(void *self, cs_term *t)
{
    bool *found = self;
    *found = *found || is_comprehension(t);
    return !*found;
}

void cs_td__index_comprehensions(cs_td_maker *to, const cs_ast *ast, const cs_rule *rule, cs_body body)
{
    bool any = false;
    cs_walk_body(&(cs_walker){.self = &any, .term = found_comprehension}, body);
    if (!any) {
        return;
    }
    finder f = {.to = to, .ast = *ast, .candidates = cs_names_new(to->arena)};
    f.ast.arena = to->arena;
    for (uint32_t i = 0; rule && i < rule->head.args.n; i++) {
        cs_names_of_term(f.candidates, rule->head.args.v[i]);
    }
    in_body(&f, body);
}

const cs_td_keyed *cs_td__keyed(const cs_td *run, const cs_term *t)
{
    for (size_t i = 0; i < run->own.keyed.n; i++) {
        if (run->own.keyed.v[i].t == t) {
            return &run->own.keyed.v[i];
        }
    }
    return cs_td__keyed_in(run->tables, t);
}
