/* RewriteWithValues: targets are checked, values that need evaluation become variables. */
#include "rego/compile/internal.h"

/* Built-ins that a server does not let its callers reach. */
static bool is_unsafe(const cs_compiler *c, const cs_builtin *b)
{
    return c->query && c->query->server && b && (b->flags & CS_BUILTIN_UNSAFE_QUERY);
}

static bool names_builtin(cs_compiler *c, const cs_term *t, bool *refused)
{
    if (t->kind != CS_TERM_VAR && t->kind != CS_TERM_REF) {
        return false;
    }
    const cs_builtin *b = cs_compile__builtin(c, t);
    if (is_unsafe(c, b)) {
        *refused = true;
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, t->loc,
                                "with keyword replacing built-in function: target must not be unsafe: \"%s\"", b->name);
        return false;
    }
    if (b && !cs_compile__usable(c, b, t->loc)) {
        *refused = true;
        return false;
    }
    return b != NULL;
}

static cs_term *as_ref(cs_compiler *c, cs_term *t)
{
    return t->kind == CS_TERM_VAR ? cs_term_list(c->ast, CS_TERM_REF, &t, 1, t->loc) : t;
}

static bool has_functions(const cs_rule_node *node)
{
    for (uint32_t i = 0; node && i < node->n_rules; i++) {
        if (node->rules[i]->head.args.n) {
            return true;
        }
    }
    return false;
}

/* The value that replaces a function is itself a function's name: nothing to evaluate. */
static bool value_is_function(cs_compiler *c, const cs_term *value, bool *refused)
{
    if (value->kind == CS_TERM_REF && cs_tree__find(c->compiled, value, value->u.list.n)) {
        return true;
    }
    return names_builtin(c, value, refused);
}

/* False if the target cannot be replaced; *names tells whether the value is the name of a function. */
static bool check_data(cs_compiler *c, const cs_with *w, bool *names)
{
    const cs_term *target = w->target;
    bool refused = false;
    for (uint32_t i = 1; i < target->u.list.n; i++) {
        const cs_rule_node *node = cs_tree__find(c->compiled, target, i);
        if (!node) {
            break;
        }
        if (node->n_rules) {
            (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, target->loc,
                                    "with keyword cannot partially replace virtual document(s)");
            return false;
        }
    }
    if (has_functions(cs_tree__find(c->compiled, target, target->u.list.n)) &&
        value_is_function(c, w->value, &refused)) {
        *names = true;
    }
    if (w->value->kind == CS_TERM_REF && has_functions(cs_tree__find(c->compiled, w->value, w->value->u.list.n))) {
        *names = true;
    }
    return !refused;
}

static bool check_builtin(cs_compiler *c, cs_with *w, bool *names)
{
    const char *what = "with keyword replacing built-in function:";
    w->target = as_ref(c, w->target);
    const cs_builtin *b = cs_compile__builtin(c, w->target);
    cs_loc loc = w->target->loc;
    cs_slice name = cs_slice_of(b->name);
    if (cs_slice_is(name, "eq") || cs_slice_starts(name, CS_LIT("rego.metadata."))) {
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, loc, "%s replacement of \"%s\" invalid", what, b->name);
        return false;
    }
    if (cs_slice_starts(name, CS_LIT("internal."))) {
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, loc, "%s replacement of internal function \"%s\" invalid", what,
                                b->name);
        return false;
    }
    if (b->flags & CS_BUILTIN_RELATION) {
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, loc, "%s target must not be a relation", what);
        return false;
    }
    if (b->flags & CS_BUILTIN_VOID) {
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, loc, "%s target must not be a void function", what);
        return false;
    }
    bool refused = false;
    *names = value_is_function(c, w->value, &refused);
    return !refused;
}

static bool check(cs_compiler *c, cs_with *w, bool *names)
{
    if (w->value->kind == CS_TERM_VAR && cs_compile__builtin(c, w->value)) {
        w->value = as_ref(c, w->value);
    }
    bool refused = false;
    bool builtin = names_builtin(c, w->target, &refused);
    if (refused) {
        return false;
    }
    if (cs_ref_is_global(c->ast, w->target)) {
        return w->target->u.list.v[0]->u.var == c->ast->input || check_data(c, w, names);
    }
    if (builtin) {
        return check_builtin(c, w, names);
    }
    bool named = w->target->kind == CS_TERM_VAR || w->target->kind == CS_TERM_REF;
    if (named && c->policy && c->policy->allow_undefined) {
        *names = true; /* nobody knows what its value may be */
        return true;
    }
    (void)cs_compile__error(c, CS_ERR_REGO_TYPE, w->target->loc,
                            "with keyword target must reference existing input, data, or a function");
    return false;
}

static bool in_expr(cs_compiler *c, cs_exprs *out, cs_expr *e)
{
    for (uint32_t i = 0; i < e->n_with; i++) {
        bool names = false;
        if (!check(c, &e->with[i], &names)) {
            return false;
        }
        if (!names && cs_term__requires_eval(e->with[i].value)) {
            cs_expr *eq = cs_compile__equality(c, e->with[i].value);
            e->with[i].value = cs_term_copy(c->ast, eq->u.call.v[1]);
            CS_VEC_PUSH_IN(&c->scratch, out, eq);
        }
    }
    CS_VEC_PUSH_IN(&c->scratch, out, e);
    return true;
}

static bool nested_term(void *self, cs_term *t)
{
    if (cs_term__is_comprehension(t)) {
        t->u.comprehension.body = cs_with__body(self, t->u.comprehension.body);
        return false;
    }
    return true;
}

static bool nested_expr(void *self, cs_expr *e)
{
    if (e->kind == CS_EXPR_EVERY) {
        e->u.every.body = cs_with__body(self, e->u.every.body);
        return false;
    }
    if (e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR || e->kind == CS_EXPR_NOT) {
        e->u.logic.left = cs_with__body(self, e->u.logic.left);
        e->u.logic.right = cs_with__body(self, e->u.logic.right);
        return false;
    }
    return true;
}

cs_body cs_with__body(cs_compiler *c, cs_body b)
{
    cs_exprs out = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        if (!in_expr(c, &out, b.v[i])) {
            return b;
        }
    }
    cs_body after = cs_compile__body(c, &out);
    cs_walk_body(&(cs_walker){.self = c, .term = nested_term, .expr = nested_expr}, after);
    return after;
}

static void in_rule(cs_compiler *c, cs_rule *r)
{
    cs_compile__walk_head(&(cs_walker){.self = c, .term = nested_term, .expr = nested_expr}, r);
    r->body = cs_with__body(c, r->body);
}

void cs_stage__rewrite_with_values(cs_compiler *c)
{
    cs_compile__rules(c, in_rule);
}
