/* What v1 forbids in a module that formatting cannot mend (v1/ast/rego_v1.go), in OPA's order. */
#include "countersign/base/map.h"
#include "rego/builtin/builtin.h"
#include "rego/format/internal.h"

typedef struct check {
    const cs_module *module;
    cs_errors *errors;
} check;

static void report(const check *c, cs_err code, const cs_loc *loc, const char *before, const char *what,
                   const char *after)
{
    (void)cs_errors_add(c->errors, code, c->module->source.file, (uint32_t)cs_pen__row(loc), loc->col, CS_LIT(""),
                        "%s%s%s", before, what, after);
}

static const char *printed(const check *c, const cs_term *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, t);
    const char *text = cs_arena_dup(&c->errors->arena, b.n ? b.p : "", b.n);
    cs_buf_destroy(&b);
    return text;
}

/* ---- imports */
static cs_slice import_name(const cs_import *x)
{
    if (x->alias) {
        return cs_sym_slice(x->alias);
    }
    const cs_term *last = x->path->kind == CS_TERM_REF ? x->path->u.list.v[x->path->u.list.n - 1] : x->path;
    return last->kind == CS_TERM_VAR ? cs_sym_slice(last->u.var) : cs_text(last->u.value);
}

static void check_imports(const check *c)
{
    cs_map seen;
    cs_map_init(&seen);
    for (uint32_t i = 0; i < c->module->n_imports; i++) {
        cs_import *x = &c->module->imports[i];
        const cs_import *first = cs_map_get(&seen, import_name(x));
        if (!first) {
            (void)cs_map_put(&seen, import_name(x), x);
            continue;
        }
        const char *path = printed(c, first->path);
        if (first->alias) {
            path = cs_arena_printf(&c->errors->arena, NULL, "%s as %s", path, first->alias->s);
        }
        report(c, CS_ERR_REGO_COMPILE, &x->loc, "import must not shadow import ", path, "");
    }
    cs_map_destroy(&seen);
}

/* ---- data and input as names */
static bool is_root(const cs_term *t)
{
    const cs_term *v = t->kind == CS_TERM_REF && t->u.list.n == 1 ? t->u.list.v[0] : t;
    return v->kind == CS_TERM_VAR &&
           (cs_slice_is(cs_sym_slice(v->u.var), "data") || cs_slice_is(cs_sym_slice(v->u.var), "input"));
}

static void check_names(const check *c, const cs_rule *r)
{
    if (is_root(r->head.ref->u.list.v[0])) {
        report(c, CS_ERR_REGO_COMPILE, &r->loc, "rules must not shadow ", printed(c, r->head.ref->u.list.v[0]),
               " (use a different rule name)");
    }
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        const cs_term *arg = r->head.args.v[i];
        if (arg->kind == CS_TERM_REF && is_root(arg)) {
            report(c, CS_ERR_REGO_COMPILE, &arg->loc, "args must not shadow ", printed(c, arg),
                   " (use a different variable name)");
        }
    }
}

static bool see_assignment(void *self, cs_expr *e)
{
    const check *c = self;
    if (e->kind == CS_EXPR_CALL && e->u.call.n > 1 && cs_ref_is(e->u.call.v[0], "assign") && is_root(e->u.call.v[1])) {
        report(c, CS_ERR_REGO_COMPILE, &e->loc, "variables must not shadow ", printed(c, e->u.call.v[1]),
               " (use a different variable name)");
    }
    return true;
}

/* ---- deprecated built-ins */
static void check_operator(const check *c, const cs_term *operator, const cs_loc * loc)
{
    cs_slice name = operator->kind == CS_TERM_REF ? cs_ref_name(&c->errors->arena, operator) : CS_LIT("");
    const cs_builtin *b = name.n ? cs_builtin_find(name) : NULL;
    if (b && (b->flags & CS_BUILTIN_DEPRECATED)) {
        report(c, CS_ERR_REGO_TYPE, loc, "deprecated built-in function calls in expression: ", b->name, "");
    }
}

static bool see_call(void *self, cs_term *t)
{
    if (t->kind == CS_TERM_CALL) {
        check_operator(self, t->u.list.v[0], &t->u.list.v[0]->loc);
    }
    return true;
}

static bool see_statement(void *self, cs_expr *e)
{
    if (e->kind == CS_EXPR_CALL) {
        check_operator(self, e->u.call.v[0], &e->loc);
    }
    return true;
}

/* ---- all */
static void walk_head(const cs_walker *w, const cs_head *h)
{
    for (uint32_t i = 0; i < h->args.n; i++) {
        cs_walk_term(w, h->args.v[i]);
    }
    cs_walk_term(w, h->key);
    cs_walk_term(w, h->value);
}

cs_err cs_layout_check_v1(const cs_module *m, cs_errors *errors)
{
    check c = {m, errors};
    size_t before = errors->n;
    cs_walker assignments = {.self = &c, .expr = see_assignment};
    cs_walker calls = {.self = &c, .term = see_call, .expr = see_statement};
    check_imports(&c);
    for (uint32_t i = 0; i < m->n_rules; i++) {
        check_names(&c, m->rules[i]);
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        for (cs_rule *r = m->rules[i]; r; r = r->other) {
            walk_head(&assignments, &r->head);
            cs_walk_body(&assignments, r->body);
        }
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        for (cs_rule *r = m->rules[i]; r; r = r->other) {
            cs_walk_term(&calls, r->head.ref);
            walk_head(&calls, &r->head);
            cs_walk_body(&calls, r->body);
        }
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        const cs_head *h = &m->rules[i]->head;
        const cs_term *name = h->ref->u.list.v[0];
        if (h->ref->u.list.n < 2 && name->kind == CS_TERM_VAR &&
            cs_syntax_is_keyword(cs_sym_slice(name->u.var), CS_REGO_V1)) {
            report(&c, CS_ERR_REGO_PARSE, &m->rules[i]->loc, "", name->u.var->s,
                   " keyword cannot be used for rule name");
        }
    }
    return errors->n > before ? errors->v[before].code : CS_OK;
}
