/* ResolveRefs: names of imports and of the package's rules become full refs, except where something declares the same
 * name. */
#include "rego/compile/internal.h"

typedef struct scope scope;
struct scope {
    const cs_syms *declared;
    const scope *outer;
};

typedef struct resolver {
    cs_compiler *c;
    const cs_globals *globals;
    const scope *ignore;
} resolver;

static void in_term(resolver *r, cs_term **t);
static void in_expr(resolver *r, cs_expr *e);
static void in_body(resolver *r, cs_body b);

static cs_global *global_of(const resolver *r, const cs_sym *name)
{
    const cs_syms_item *item = cs_syms__find(&r->globals->imports, name);
    if (!item && r->globals->rules) {
        item = cs_syms__find(r->globals->rules, name);
    }
    if (!item) {
        return NULL;
    }
    for (const scope *s = r->ignore; s; s = s->outer) {
        if (cs_syms__has(s->declared, name)) {
            return NULL;
        }
    }
    return item->value;
}

static void move(cs_term *t, cs_loc loc)
{
    t->loc = loc;
    for (uint32_t i = 0; t->kind == CS_TERM_REF && i < t->u.list.n; i++) {
        t->u.list.v[i]->loc = loc;
    }
}

/* As in OPA the head of what a name became is one term for all names of the module's rules (and one for each import):
 * type errors of any of them are placed where the last was resolved. */
static cs_term *use(resolver *r, cs_global *g, cs_loc loc)
{
    cs_term *copy = cs_term_copy(r->c->ast, g->ref);
    move(copy, loc);
    g->used = true;
    cs_term *head = g->head ? g->head : r->globals->head;
    if (copy->kind == CS_TERM_REF) {
        *head = *copy->u.list.v[0];
        copy->u.list.v[0] = head;
    }
    return copy;
}

static void in_ref(resolver *r, cs_term *t)
{
    cs_term *head = t->u.list.v[0];
    cs_global *g = head->kind == CS_TERM_VAR ? global_of(r, head->u.var) : NULL;
    for (uint32_t i = 1; i < t->u.list.n; i++) {
        in_term(r, &t->u.list.v[i]);
    }
    if (!g) {
        if (head->kind != CS_TERM_VAR) {
            in_term(r, &t->u.list.v[0]);
        }
        return;
    }
    cs_term *prefix = use(r, g, head->loc);
    if (prefix->kind != CS_TERM_REF) {
        t->u.list.v[0] = prefix;
        return;
    }
    uint32_t n = prefix->u.list.n + t->u.list.n - 1;
    cs_term **v = cs_arena_array(r->c->ast->arena, cs_term *, n);
    memcpy(v, prefix->u.list.v, prefix->u.list.n * sizeof *v);
    memcpy(v + prefix->u.list.n, t->u.list.v + 1, (t->u.list.n - 1) * sizeof *v);
    t->u.list = (cs_terms){v, n};
}

static void in_comprehension(resolver *r, cs_term *t)
{
    cs_syms declared = cs_syms__new(&r->c->scratch);
    cs_vars__declared(r->c, &declared, t->u.comprehension.body);
    scope inner = {&declared, r->ignore};
    r->ignore = &inner;
    if (t->u.comprehension.key) {
        in_term(r, &t->u.comprehension.key);
    }
    in_term(r, &t->u.comprehension.head);
    in_body(r, t->u.comprehension.body);
    r->ignore = inner.outer;
}

static void in_list(resolver *r, const cs_terms *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        in_term(r, &list->v[i]);
    }
}

/* A lone `input` or `data` is a ref from here on, as everywhere else. */
static cs_term *root_ref(resolver *r, cs_term *var)
{
    return cs_term_list(r->c->ast, CS_TERM_REF, &var, 1, var->loc);
}

static void in_template(resolver *r, cs_term *t)
{
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (cs_term__part(t, i)) {
            in_expr(r, cs_term__part(t, i));
        } else {
            in_term(r, &t->u.list.v[i]);
        }
    }
}

static void in_term(resolver *r, cs_term **at)
{
    cs_term *t = *at;
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return;
    case CS_TERM_VAR: {
        cs_global *g = global_of(r, t->u.var);
        if (g) {
            *at = use(r, g, t->loc);
        } else if (cs_term__is_root(r->c, t)) {
            *at = root_ref(r, t);
        }
        return;
    }
    case CS_TERM_REF:
        in_ref(r, t);
        return;
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        in_list(r, &t->u.list);
        cs_term_sort(r->c->ast->arena, t);
        return;
    case CS_TERM_ARRAY:
    case CS_TERM_CALL:
        in_list(r, &t->u.list);
        return;
    case CS_TERM_TEMPLATE:
        in_template(r, t);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        in_comprehension(r, t);
        return;
    }
}

static void in_every(resolver *r, cs_expr *e)
{
    cs_syms own = cs_syms__new(&r->c->scratch);
    if (e->u.every.key) {
        cs_vars__term(&own, e->u.every.key, 0);
    }
    cs_vars__term(&own, e->u.every.value, 0);
    scope inner = {&own, r->ignore};
    r->ignore = &inner;
    in_term(r, &e->u.every.domain);
    in_body(r, e->u.every.body);
    r->ignore = inner.outer;
}

static void in_expr(resolver *r, cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        in_term(r, &e->u.term);
        break;
    case CS_EXPR_CALL:
        in_list(r, &e->u.call);
        break;
    case CS_EXPR_SOME:
        if (e->u.some.n && e->u.some.v[0]->kind == CS_TERM_CALL) {
            in_list(r, &e->u.some.v[0]->u.list);
        }
        break;
    case CS_EXPR_EVERY:
        in_every(r, e);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        in_body(r, e->u.logic.left);
        in_body(r, e->u.logic.right);
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        in_term(r, &e->with[i].target);
        in_term(r, &e->with[i].value);
    }
}

static void in_body(resolver *r, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        in_expr(r, b.v[i]);
    }
}

void cs_resolve__body(cs_compiler *c, const cs_globals *g, cs_body b, const cs_syms *declared)
{
    scope top = {declared, NULL};
    resolver r = {c, g, &top};
    in_body(&r, b);
}

/* ---- rules */
typedef struct args_walk {
    cs_compiler *c;
    cs_syms vars;
    const cs_term *shadow; /* `input` or `data` as an argument */
} args_walk;

static bool arg_term(void *self, cs_term *t)
{
    args_walk *w = self;
    if (w->shadow) {
        return false;
    }
    if (t->kind == CS_TERM_SET || cs_term__is_comprehension(t) || t->kind == CS_TERM_CALL) {
        return false;
    }
    if (cs_term__is_root(w->c, t)) {
        w->shadow = t;
        return false;
    }
    if (t->kind == CS_TERM_REF && t->u.list.v[0]->kind == CS_TERM_VAR) {
        (void)cs_syms__add(&w->vars, t->u.list.v[0]->u.var);
        for (uint32_t i = 1; i < t->u.list.n; i++) {
            cs_walk_term(&(cs_walker){.self = self, .term = arg_term}, t->u.list.v[i]);
        }
        return false;
    }
    if (t->kind == CS_TERM_VAR) {
        (void)cs_syms__add(&w->vars, t->u.var);
    }
    return true;
}

static void in_rule(cs_compiler *c, const cs_globals *g, cs_rule *rule)
{
    args_walk args = {c, cs_syms__new(&c->scratch), NULL};
    cs_walker w = {.self = &args, .term = arg_term};
    for (uint32_t i = 0; i < rule->head.args.n; i++) {
        cs_walk_term(&w, rule->head.args.v[i]);
    }
    if (args.shadow) {
        (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, rule->loc,
                                "args must not shadow %s (use a different variable name)",
                                cs_compile__term_text(c, args.shadow));
        return;
    }
    cs_vars__declared(c, &args.vars, rule->body);
    scope top = {&args.vars, NULL};
    resolver r = {c, g, &top};
    for (uint32_t i = 1; i < rule->head.ref->u.list.n; i++) {
        in_term(&r, &rule->head.ref->u.list.v[i]);
    }
    if (rule->head.key) {
        in_term(&r, &rule->head.key);
    }
    if (rule->head.value) {
        in_term(&r, &rule->head.value);
    }
    in_body(&r, rule->body);
}

/* ---- modules */
static const cs_sym *last_name(cs_compiler *c, const cs_term *path)
{
    if (path->kind == CS_TERM_VAR) {
        return path->u.var;
    }
    const cs_term *last = path->u.list.v[path->u.list.n - 1];
    if (last->kind == CS_TERM_VAR) {
        return last->u.var;
    }
    return cs_sym_get(c->ast, cs_term_is_string(last) ? cs_text(last->u.value) : CS_LIT(""));
}

const cs_sym *cs_import__name(cs_compiler *c, const cs_import *import)
{
    return import->alias ? import->alias : last_name(c, import->path);
}

void cs_resolve__add_import(cs_compiler *c, cs_globals *g, const cs_import *import)
{
    const cs_term *path = import->path;
    const cs_term *head = path->kind == CS_TERM_REF ? path->u.list.v[0] : path;
    if (head->kind == CS_TERM_VAR && (head->u.var == c->ast->future || head->u.var == c->ast->rego)) {
        return;
    }
    cs_global *global = cs_arena_new(c->ast->arena, cs_global);
    global->ref = path;
    global->head = cs_arena_new(c->ast->arena, cs_term);
    if (path->kind == CS_TERM_VAR) {
        global->ref = cs_term_list(c->ast, CS_TERM_REF, &import->path, 1, path->loc);
    }
    cs_syms__put(&g->imports, cs_import__name(c, import), global);
}

/* The names of a package's rules, gathered once for all its modules. */
typedef struct package {
    const cs_term *path;
    cs_syms rules;
} package;

static cs_syms *rules_of_package(cs_compiler *c, package *packages, uint32_t *n, const cs_module *m)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (cs_term_equal(packages[i].path, m->package)) {
            return &packages[i].rules;
        }
    }
    packages[*n] = (package){m->package, cs_syms__new(c->ast->arena)};
    return &packages[(*n)++].rules;
}

static void export_rules(cs_compiler *c, cs_syms *rules, const cs_module *m)
{
    for (uint32_t i = 0; i < m->n_rules; i++) {
        cs_term *name = m->rules[i]->head.ref->u.list.v[0];
        if (name->kind != CS_TERM_VAR || cs_syms__has(rules, name->u.var)) {
            continue;
        }
        uint32_t n = m->package->u.list.n;
        cs_term **v = cs_arena_array(c->ast->arena, cs_term *, n + 1);
        memcpy(v, m->package->u.list.v, n * sizeof(cs_term *));
        v[n] = cs_term_string(c->ast, cs_sym_slice(name->u.var), name->loc);
        cs_global *g = cs_arena_new(c->ast->arena, cs_global);
        g->ref = cs_term_list(c->ast, CS_TERM_REF, v, n + 1, name->loc);
        cs_syms__put(rules, name->u.var, g);
    }
}

static void note_unused(cs_compiler *c, const cs_module *m, const cs_globals *g)
{
    for (uint32_t i = 0; i < m->n_imports; i++) {
        const cs_syms_item *item = cs_syms__find(&g->imports, cs_import__name(c, &m->imports[i]));
        const cs_term *path = m->imports[i].path;
        const cs_term *head = path->kind == CS_TERM_REF ? path->u.list.v[0] : path;
        bool keyword = head->kind == CS_TERM_VAR && (head->u.var == c->ast->future || head->u.var == c->ast->rego);
        if (!keyword && item && !((const cs_global *)item->value)->used) {
            CS_VEC_PUSH_IN(c->ast->arena, &c->unused_imports, &m->imports[i]);
        }
    }
}

static void resolve_module(cs_compiler *c, cs_module *m, cs_syms *rules)
{
    cs_globals g = {cs_syms__new(c->ast->arena), rules, cs_arena_new(c->ast->arena, cs_term)};
    for (uint32_t i = 0; i < m->n_imports; i++) {
        cs_resolve__add_import(c, &g, &m->imports[i]);
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        for (cs_rule *r = m->rules[i]; r; r = r->other) {
            cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
            in_rule(c, &g, r);
            cs_arena_rewind(&c->scratch, mark);
        }
    }
    if (c->policy->strict) {
        note_unused(c, m, &g);
    }
}

void cs_stage__resolve_refs(cs_compiler *c)
{
    package *packages = cs_arena_array(c->ast->arena, package, c->n_modules + 1);
    uint32_t n = 0;
    cs_syms **rules = (cs_syms **)cs_arena_zalloc(c->ast->arena, (c->n_modules + 1) * sizeof(cs_syms *));
    for (uint32_t i = 0; i < c->n_modules; i++) {
        rules[i] = rules_of_package(c, packages, &n, c->modules[i]);
        export_rules(c, rules[i], c->modules[i]);
    }
    for (uint32_t i = 0; i < c->n_modules; i++) {
        resolve_module(c, c->modules[i], rules[i]);
    }
}
