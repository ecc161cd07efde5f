/* CheckVoidCalls, RewritePrintCalls. */
#include "rego/compile/internal.h"

static bool void_call(void *self, cs_term *t)
{
    cs_compiler *c = self;
    if (t->kind == CS_TERM_CALL) {
        const cs_builtin *b = cs_compile__builtin(c, t->u.list.v[0]);
        if (b && (b->flags & CS_BUILTIN_VOID)) {
            (void)cs_compile__error(c, CS_ERR_REGO_TYPE, t->loc, "%s used as value", cs_compile__term_text(c, t));
        }
    }
    return true;
}

void cs_void__body(cs_compiler *c, cs_body b)
{
    cs_walk_body(&(cs_walker){.self = c, .term = void_call}, b);
}

static void void_in_rule(cs_compiler *c, cs_rule *r)
{
    cs_walk_rule(&(cs_walker){.self = c, .term = void_call}, r);
}

void cs_stage__check_void_calls(cs_compiler *c)
{
    cs_compile__chains(c, void_in_rule);
}

/* ---- erasing */
static bool erase_in_term(void *self, cs_term *t)
{
    if (!cs_term__is_comprehension(t)) {
        return true;
    }
    t->u.comprehension.body = cs_print__erase(self, t->u.comprehension.body);
    return false;
}

static bool erase_in_expr(void *self, cs_expr *e)
{
    if (e->kind == CS_EXPR_EVERY) {
        cs_walk_term(&(cs_walker){.self = self, .term = erase_in_term}, e->u.every.domain);
        e->u.every.body = cs_print__erase(self, e->u.every.body);
        return false;
    }
    if (e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR || e->kind == CS_EXPR_NOT) {
        e->u.logic.left = cs_print__erase(self, e->u.logic.left);
        if (e->kind != CS_EXPR_NOT) {
            e->u.logic.right = cs_print__erase(self, e->u.logic.right);
        }
        return false;
    }
    return true;
}

static cs_expr *nothing(cs_compiler *c, const cs_expr *e)
{
    return cs_expr_term(c->ast, cs_term_scalar(c->ast, cs_bool(true), e->loc), e->loc);
}

cs_body cs_print__erase(cs_compiler *c, cs_body b)
{
    cs_walk_body(&(cs_walker){.self = c, .term = erase_in_term, .expr = erase_in_expr}, b);
    uint32_t n = 0;
    for (uint32_t i = 0; i < b.n; i++) {
        n += !cs_expr__is(b.v[i], c->print);
    }
    if (n == b.n) {
        return b;
    }
    cs_body after = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        if (!cs_expr__is(b.v[i], c->print)) {
            cs_body_append(c->ast, &after, b.v[i]);
        }
    }
    if (n == 0) {
        cs_body_append(c->ast, &after, nothing(c, b.v[0]));
    }
    return after;
}

static void erase_in_rule(cs_compiler *c, cs_rule *r)
{
    cs_compile__walk_head(&(cs_walker){.self = c, .term = erase_in_term, .expr = erase_in_expr}, r);
    r->body = cs_print__erase(c, r->body);
}

/* ---- keeping: print(x) becomes internal.print([{y | y = x}]), so that what is undefined prints as such */
typedef struct nested {
    cs_compiler *c;
    const cs_syms *safe;
    bool failed;
} nested;

static bool nested_term(void *self, cs_term *t)
{
    nested *n = self;
    if (!cs_term__is_comprehension(t)) {
        return true;
    }
    n->failed = !cs_print__rewrite(n->c, t->u.comprehension.body, n->safe) || n->failed;
    return false;
}

static bool nested_expr(void *self, cs_expr *e)
{
    nested *n = self;
    if (e->kind == CS_EXPR_EVERY) {
        cs_syms inner = cs_syms__new(&n->c->scratch);
        cs_syms__add_all(&inner, n->safe);
        cs_vars__term(&inner, e->u.every.key, 0);
        cs_vars__term(&inner, e->u.every.value, 0);
        cs_walk_term(&(cs_walker){.self = self, .term = nested_term}, e->u.every.domain);
        n->failed = !cs_print__rewrite(n->c, e->u.every.body, &inner) || n->failed;
        return false;
    }
    if (e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR || e->kind == CS_EXPR_NOT) {
        n->failed = !cs_print__rewrite(n->c, e->u.logic.left, n->safe) || n->failed;
        n->failed = !cs_print__rewrite(n->c, e->u.logic.right, n->safe) || n->failed;
        return false;
    }
    return true;
}

static bool generated_var(void *self, cs_term *t)
{
    if (t->kind == CS_TERM_VAR && cs_sym_is_generated(t->u.var)) {
        (void)cs_syms__add(self, t->u.var);
    }
    return true;
}

static bool lenient(const cs_compiler *c)
{
    return (c->query ? c->query->print : c->policy->print) == CS_PRINT_DECLARED;
}

static bool operands_are_declared(cs_compiler *c, const cs_expr *e, const cs_syms *safe)
{
    bool fine = true;
    for (uint32_t i = 1; i < e->u.call.n; i++) {
        cs_syms vars = cs_syms__new(&c->scratch);
        cs_vars__term(&vars, e->u.call.v[i], CS_VARS_SAFETY);
        cs_syms__sort(&vars);
        for (uint32_t j = 0; j < vars.n; j++) {
            if (!cs_syms__has(safe, vars.v[j].sym)) {
                fine = false;
                if (lenient(c)) {
                    return false;
                }
                (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, e->u.call.v[i]->loc, "var %s is undeclared",
                                        cs_compile__name(cs_compile__original(c, vars.v[j].sym)));
            }
        }
    }
    return fine;
}

static cs_expr *internal_print(cs_compiler *c, const cs_expr *e)
{
    uint32_t n = e->u.call.n - 1;
    cs_term **sets = cs_arena_array(&c->scratch, cs_term *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_term *arg = e->u.call.v[i + 1];
        cs_term *x = cs_compile__local_term(c, arg->loc);
        cs_term *operands[2] = {x, arg};
        cs_body body = {0};
        cs_body_append(c->ast, &body, cs_expr_call(c->ast, "eq", operands, 2, arg->loc));
        sets[i] =
            cs_term_comprehension(c->ast, CS_TERM_SET_COMPREHENSION, NULL, cs_term_copy(c->ast, x), body, arg->loc);
    }
    cs_term *array = cs_term_list(c->ast, CS_TERM_ARRAY, sets, n, e->loc);
    return cs_expr_call(c->ast, "internal.print", &array, 1, e->loc);
}

typedef struct print_search {
    cs_compiler *c;
    bool found;
} print_search;

static bool find_print(void *self, cs_expr *e)
{
    print_search *s = self;
    s->found = s->found || cs_expr__is(e, s->c->print);
    return !s->found;
}

static bool has_print(cs_compiler *c, cs_expr *e)
{
    print_search s = {c, false};
    cs_walk_expr(&(cs_walker){.self = &s, .expr = find_print}, e);
    return s.found;
}

bool cs_print__rewrite(cs_compiler *c, cs_body b, const cs_syms *globals)
{
    for (uint32_t i = 0; i < b.n; i++) {
        if (!has_print(c, b.v[i])) {
            continue;
        }
        bool prints = cs_expr__is(b.v[i], c->print);
        cs_syms safe = cs_syms__new(&c->scratch);
        cs_syms__add_all(&safe, globals);
        cs_outputs__body(c, b, i, globals, &safe);
        nested n = {c, &safe, false};
        cs_walk_expr(&(cs_walker){.self = &n, .term = nested_term, .expr = nested_expr}, b.v[i]);
        if (n.failed) {
            return false;
        }
        if (prints) {
            cs_walk_body(&(cs_walker){.self = &safe, .term = generated_var}, (cs_body){b.v, i});
            bool declared = operands_are_declared(c, b.v[i], &safe);
            if (!declared && !lenient(c)) {
                return false;
            }
            cs_expr *e = declared ? internal_print(c, b.v[i]) : nothing(c, b.v[i]);
            e->index = i;
            b.v[i] = e;
        }
    }
    return true;
}

static void rewrite_in_rule(cs_compiler *c, cs_rule *r)
{
    cs_syms globals = cs_syms__new(&c->scratch);
    cs_syms__add_all(&globals, &c->reserved);
    cs_vars__terms(&globals, &r->head.args, 0);
    nested n = {c, &globals, false};
    cs_walker w = {.self = &n, .term = nested_term, .expr = nested_expr};
    if (r->head.key) {
        cs_walk_term(&w, r->head.key);
    }
    if (r->head.value) {
        cs_walk_term(&w, r->head.value);
    }
    (void)cs_print__rewrite(c, r->body, &globals);
}

void cs_stage__rewrite_print_calls(cs_compiler *c)
{
    cs_compile__rules(c, c->policy->print != CS_PRINT_ERASE ? rewrite_in_rule : erase_in_rule);
}
