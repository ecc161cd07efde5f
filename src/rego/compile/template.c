/* RewriteTemplateStrings: $"a {x}" becomes internal.template_string(["a ", {x}]). Each part is a set, so that what is
 * undefined prints as such instead of failing the statement. */
#include "rego/compile/internal.h"

typedef struct rewriter {
    cs_compiler *c;
    const cs_syms *safe;
} rewriter;

static void in_term(cs_compiler *c, const cs_syms *safe, cs_term *t);

/* Is a ref sure to have a value: a rule with a default, a set, a constant? */
static bool always_defined(const cs_compiler *c, const cs_term *ref)
{
    if (ref->u.list.n < 2 || !c->compiled->root) {
        return false;
    }
    const cs_rule_node *node = cs_tree__find(c->compiled, ref, ref->u.list.n);
    if (!node || node->n_rules == 0 || node->rules[0]->head.args.n) {
        return false;
    }
    const cs_rule *first = node->rules[0];
    if (first->is_default || first->head.key) {
        return true;
    }
    if (node->n_rules == 1) {
        const cs_term *value = first->head.value;
        return first->body.n == 1 && cs_compile__is_true(first->body.v[0]) &&
               (value->kind == CS_TERM_VAR || cs_term__is_constant(value));
    }
    for (uint32_t i = 1; i < node->n_rules; i++) {
        if (node->rules[i]->is_default) {
            return true;
        }
    }
    return false;
}

static bool part_term(cs_compiler *c, const cs_term *t, uint32_t i, cs_term **out)
{
    cs_expr *e = cs_term__part(t, i);
    *out = t->u.list.v[i];
    if (e && e->kind == CS_EXPR_TERM) {
        *out = e->u.term;
    } else if (e && e->kind == CS_EXPR_CALL) {
        *out = cs_term_list(c->ast, CS_TERM_CALL, e->u.call.v, e->u.call.n, e->loc);
    } else if (e) {
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, e->loc, "unexpected template-string expression type");
        return false;
    }
    if ((*out)->kind == CS_TERM_CALL) {
        (*out)->loc.nowhere = true; /* OPA has no place for a call, nor for what is made around it */
        const cs_builtin *b = cs_compile__builtin(c, (*out)->u.list.v[0]);
        if (b && (b->flags & CS_BUILTIN_RELATION)) {
            (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, (cs_loc){0},
                                    "illegal call to relation built-in '%s' that may cause multiple outputs", b->name);
            return false;
        }
    }
    return true;
}

static void check_declared(cs_compiler *c, const cs_syms *safe, const cs_term *t)
{
    cs_syms vars = cs_syms__new(&c->scratch);
    cs_vars__term(&vars, t, CS_VARS_SAFETY);
    cs_syms__sort(&vars);
    cs_loc loc = t->kind == CS_TERM_CALL ? (cs_loc){0} : t->loc; /* OPA has no place for a call */
    for (uint32_t i = 0; i < vars.n; i++) {
        if (!cs_syms__has(safe, vars.v[i].sym)) {
            (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, loc, "var %s is undeclared",
                                    cs_compile__name(cs_compile__original(c, vars.v[i].sym)));
        }
    }
}

/* {x | x = t} */
static cs_term *capture(cs_compiler *c, cs_term *t, const cs_expr *part)
{
    cs_term *x = cs_compile__local_term(c, t->loc);
    cs_term *operands[2] = {x, t};
    cs_expr *e = cs_expr_call(c->ast, "eq", operands, 2, t->loc);
    if (part) {
        e->with = part->with;
        e->n_with = part->n_with;
    }
    cs_body body = {0};
    cs_body_append(c->ast, &body, e);
    return cs_term_comprehension(c->ast, CS_TERM_SET_COMPREHENSION, NULL, cs_term_copy(c->ast, x), body, t->loc);
}

static void become_call(cs_compiler *c, const cs_syms *safe, cs_term *t)
{
    uint32_t n = t->u.list.n;
    cs_term **parts = cs_arena_array(&c->scratch, cs_term *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_term *p = t->u.list.v[i];
        if (!cs_term__part(t, i) && p->kind == CS_TERM_SCALAR) {
            parts[i] = p;
            continue;
        }
        if (!part_term(c, t, i, &p)) {
            return;
        }
        if (p->kind == CS_TERM_VAR || (p->kind == CS_TERM_REF && always_defined(c, p))) {
            parts[i] = cs_term_list(c->ast, CS_TERM_SET, &p, 1, p->loc);
            continue;
        }
        check_declared(c, safe, p);
        parts[i] = capture(c, p, cs_term__part(t, i));
    }
    if (n == 0) {
        parts[n++] = cs_term_string(c->ast, CS_LIT(""), t->loc);
    }
    cs_term *operands[2] = {cs_term_operator(c->ast, "internal.template_string", t->loc),
                            cs_term_list(c->ast, CS_TERM_ARRAY, parts, n, t->loc)};
    cs_term *call = cs_term_list(c->ast, CS_TERM_CALL, operands, 2, t->loc);
    t->kind = CS_TERM_CALL;
    t->raw = false;
    t->u.list = call->u.list;
}

static bool visit_term(void *self, cs_term *t)
{
    rewriter *r = self;
    if (t->kind != CS_TERM_TEMPLATE && !cs_term__is_comprehension(t)) {
        return true;
    }
    in_term(r->c, r->safe, t);
    return false;
}

static bool visit_expr(void *self, cs_expr *e)
{
    rewriter *r = self;
    if (e->kind != CS_EXPR_EVERY) {
        return true;
    }
    in_term(r->c, r->safe, e->u.every.domain);
    cs_syms inner = cs_syms__new(&r->c->scratch);
    cs_syms__add_all(&inner, r->safe);
    if (e->u.every.key) {
        cs_vars__term(&inner, e->u.every.key, 0);
    }
    cs_vars__term(&inner, e->u.every.value, 0);
    cs_template__body(r->c, e->u.every.body, &inner);
    return false;
}

static void in_term(cs_compiler *c, const cs_syms *safe, cs_term *t)
{
    rewriter r = {c, safe};
    cs_walker w = {.self = &r, .term = visit_term, .expr = visit_expr};
    if (t->kind == CS_TERM_TEMPLATE) {
        become_call(c, safe, t);
        for (uint32_t i = 0; t->kind == CS_TERM_CALL && i < t->u.list.n; i++) {
            cs_walk_term(&w, t->u.list.v[i]);
        }
    } else if (cs_term__is_comprehension(t)) {
        cs_syms inner = cs_syms__new(&c->scratch);
        cs_syms__add_all(&inner, safe);
        cs_outputs__body(c, t->u.comprehension.body, t->u.comprehension.body.n, safe, &inner);
        cs_template__body(c, t->u.comprehension.body, safe);
        r.safe = &inner;
        if (t->u.comprehension.key) {
            cs_walk_term(&w, t->u.comprehension.key);
        }
        cs_walk_term(&w, t->u.comprehension.head);
    } else {
        cs_walk_term(&w, t);
    }
}

void cs_template__body(cs_compiler *c, cs_body b, const cs_syms *globals)
{
    cs_syms safe = cs_syms__new(&c->scratch);
    cs_syms__add_all(&safe, globals);
    cs_outputs__body(c, b, b.n, globals, &safe);
    rewriter r = {c, &safe};
    cs_walk_body(&(cs_walker){.self = &r, .term = visit_term, .expr = visit_expr}, b);
}

static bool find_template(void *self, cs_term *t)
{
    bool *found = self;
    *found = *found || t->kind == CS_TERM_TEMPLATE;
    return !*found;
}

static void in_rule(cs_compiler *c, cs_rule *r)
{
    bool found = false;
    cs_rule alone = *r;
    alone.other = NULL;
    cs_walk_rule(&(cs_walker){.self = &found, .term = find_template}, &alone);
    if (!found) {
        return;
    }
    cs_syms safe = cs_syms__new(&c->scratch);
    cs_syms__add_all(&safe, &c->reserved);
    cs_vars__terms(&safe, &r->head.args, 0);
    cs_syms after = cs_syms__new(&c->scratch);
    cs_syms__add_all(&after, &safe);
    cs_outputs__body(c, r->body, r->body.n, &safe, &after);
    cs_template__body(c, r->body, &safe);
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        in_term(c, &after, r->head.args.v[i]);
    }
    if (r->head.key) {
        in_term(c, &after, r->head.key);
    }
    if (r->head.value) {
        in_term(c, &after, r->head.value);
    }
}

void cs_stage__rewrite_template_strings(cs_compiler *c)
{
    cs_compile__rules(c, in_rule);
}
