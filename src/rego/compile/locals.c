/* InitLocalVarGen, RewriteLocalVars: what `:=`, some, every and arguments declare becomes a name of its own, and the
 * declarations become the unifications and iterations that they stand for. */
#include "rego/compile/locals.h"

static void in_term(cs_scopes *s, cs_term *t);
static void in_expr(cs_scopes *s, cs_expr *e);
static cs_body rewrite_body(cs_scopes *s, const cs_syms *used, cs_body b);

/* ---- the generator */
static bool taken_name(void *self, cs_term *t)
{
    cs_compiler *c = self;
    if (t->kind == CS_TERM_VAR && cs_sym_is_generated(t->u.var)) {
        (void)cs_syms__add(&c->taken, t->u.var);
    }
    return true;
}

static void taken_in_rule(cs_compiler *c, cs_rule *r)
{
    cs_walk_rule(&(cs_walker){.self = c, .term = taken_name}, r);
}

void cs_stage__init_local_var_gen(cs_compiler *c)
{
    if (c->query) {
        cs_walk_body(&(cs_walker){.self = c, .term = taken_name}, c->body);
    } else {
        cs_compile__chains(c, taken_in_rule);
    }
}

/* ---- terms */
static void problem(cs_scopes *s, cs_loc loc, const char *text)
{
    s->errors++;
    (void)cs_compile__error(s->c, CS_ERR_REGO_COMPILE, loc, "%s", text);
}

static const cs_sym *declare(cs_scopes *s, const cs_sym *name, cs_occurrence occurrence, cs_loc loc)
{
    const char *format = NULL;
    const cs_sym *local = cs_scopes__declare(s, name, occurrence, &format);
    if (!local) {
        s->errors++;
        const char *shown = cs_compile__name(name);
        const char *rest = strchr(format, '%') + 2;
        (void)cs_compile__error(s->c, CS_ERR_REGO_COMPILE, loc, "%.*s%s%s", (int)(rest - 2 - format), format, shown,
                                rest);
    }
    return local;
}

static void see_var(cs_scopes *s, cs_term *t)
{
    const cs_sym *name = t->u.var;
    const cs_sym *local = cs_scopes__declared(s, name);
    if (local) {
        t->u.var = local;
        cs_scopes__seen(s, name);
    } else if (cs_scopes__occurrence(s, name) == CS_NEW) {
        cs_scopes__insert(s, name, name, CS_SEEN);
    }
}

static const cs_sym *root_name(const cs_term *t)
{
    return t->kind == CS_TERM_VAR ? t->u.var : t->u.list.v[0]->u.var;
}

static void become_var(cs_term *t, const cs_sym *name)
{
    t->kind = CS_TERM_VAR;
    t->u.var = name;
}

/* `input` alone means a variable where one of that name is declared. */
static void see_root(cs_scopes *s, cs_term *t)
{
    const cs_sym *name = root_name(t);
    cs_occurrence o = cs_scopes__occurrence_anywhere(s, name);
    if (o != CS_NEW && o != CS_SEEN) {
        become_var(t, cs_scopes__declared(s, name));
    }
}

static void in_list(cs_scopes *s, const cs_terms *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        in_term(s, list->v[i]);
    }
}

static void in_call(cs_scopes *s, cs_term *t)
{
    cs_syms vars = cs_syms__new(&s->c->scratch);
    cs_vars__term(&vars, t->u.list.v[0], 0);
    for (uint32_t i = 0; i < vars.n; i++) {
        const cs_sym *local = cs_scopes__declared(s, vars.v[i].sym);
        if (local && local != vars.v[i].sym) {
            s->errors++;
            (void)cs_compile__error(s->c, CS_ERR_REGO_COMPILE, t->loc, "called function %s shadowed",
                                    cs_compile__term_text(s->c, t->u.list.v[0]));
        }
    }
    in_list(s, &t->u.list);
}

static void in_comprehension(cs_scopes *s, cs_term *t)
{
    cs_syms used = cs_syms__new(&s->c->scratch);
    cs_vars__term(&used, t->u.comprehension.head, 0);
    if (t->u.comprehension.key) {
        cs_vars__term(&used, t->u.comprehension.key, 0);
    }
    cs_scopes__push(s);
    t->u.comprehension.body = rewrite_body(s, &used, t->u.comprehension.body);
    if (t->u.comprehension.key) {
        in_term(s, t->u.comprehension.key);
    }
    in_term(s, t->u.comprehension.head);
    cs_scopes__pop(s);
}

static void in_template(cs_scopes *s, cs_term *t)
{
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (cs_term__part(t, i)) {
            in_expr(s, cs_term__part(t, i));
        } else {
            in_term(s, t->u.list.v[i]);
        }
    }
}

static void in_term(cs_scopes *s, cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return;
    case CS_TERM_VAR:
        see_var(s, t);
        return;
    case CS_TERM_REF:
        if (cs_term__is_root(s->c, t)) {
            see_root(s, t);
        } else {
            in_list(s, &t->u.list);
        }
        return;
    case CS_TERM_ARRAY:
        in_list(s, &t->u.list);
        return;
    case CS_TERM_TEMPLATE:
        in_template(s, t);
        return;
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        cs_term_sort(s->c->ast->arena, t);
        in_list(s, &t->u.list);
        return;
    case CS_TERM_CALL:
        in_call(s, t);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        in_comprehension(s, t);
        return;
    }
}

/* The target `input` stays `input`, whatever is declared under that name. */
static void in_with(cs_scopes *s, cs_with *w)
{
    in_term(s, w->target);
    const cs_sym *local = cs_scopes__declared(s, s->c->ast->input);
    if (local) {
        cs_term *head = w->target->kind == CS_TERM_REF ? w->target->u.list.v[0] : w->target;
        if (head->kind == CS_TERM_VAR && head->u.var == local) {
            head->u.var = s->c->ast->input;
        }
        if (w->target->kind == CS_TERM_VAR && w->target->u.var == s->c->ast->input) {
            w->target = cs_term_list(s->c->ast, CS_TERM_REF, &w->target, 1, w->target->loc);
        }
    }
    in_term(s, w->value);
}

static void in_withs(cs_scopes *s, cs_expr *e)
{
    for (uint32_t i = 0; i < e->n_with; i++) {
        in_with(s, &e->with[i]);
    }
}

static void in_expr(cs_scopes *s, cs_expr *e)
{
    if (e->kind == CS_EXPR_TERM) {
        in_term(s, e->u.term);
    } else if (e->kind == CS_EXPR_CALL) {
        in_list(s, &e->u.call);
    }
    in_withs(s, e);
}

/* ---- statements */
static void assign_to(cs_scopes *s, cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_VAR: {
        const cs_sym *local = declare(s, t->u.var, CS_ASSIGNED, t->loc);
        t->u.var = local ? local : t->u.var;
        return;
    }
    case CS_TERM_ARRAY:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            assign_to(s, t->u.list.v[i]);
        }
        return;
    case CS_TERM_OBJECT:
        for (uint32_t i = 1; i < t->u.list.n; i += 2) {
            assign_to(s, t->u.list.v[i]);
        }
        return;
    case CS_TERM_REF:
        if (cs_term__is_root(s->c, t)) {
            const cs_sym *local = declare(s, root_name(t), CS_ASSIGNED, t->loc);
            if (local) {
                become_var(t, local);
            }
            return;
        }
        break;
    case CS_TERM_SCALAR:
    case CS_TERM_SET:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        break;
    }
    s->errors++;
    (void)cs_compile__error(s->c, CS_ERR_REGO_COMPILE, t->loc, "cannot assign to %s", cs_term_kind_name(t));
}

static void rewrite_assignment(cs_scopes *s, cs_expr *e)
{
    if (e->negated) {
        problem(s, e->loc, "cannot assign vars inside negated expression");
        return;
    }
    if (e->u.call.n != 3) {
        return;
    }
    size_t before = s->errors;
    in_term(s, e->u.call.v[2]);
    for (uint32_t i = 0; i < e->n_with; i++) {
        in_term(s, e->with[i].value);
    }
    assign_to(s, e->u.call.v[1]);
    if (s->errors == before) {
        e->u.call.v[0] = cs_term_operator(s->c->ast, "eq", e->u.call.v[0]->loc);
        cs_expr__mark_assignment(e);
    }
}

/* The variables that an iteration binds must not be read by what it iterates over. */
static bool domain_is_apart(cs_scopes *s, const cs_term *key, const cs_term *value, const cs_term *domain, cs_loc loc)
{
    cs_syms bound = cs_syms__new(&s->c->scratch);
    cs_syms read = cs_syms__new(&s->c->scratch);
    cs_vars__term(&bound, key, CS_VARS_OUTPUT);
    cs_vars__term(&bound, value, CS_VARS_OUTPUT);
    cs_vars__term(&read, domain, CS_VARS_SKIP_CLOSURES);
    cs_syms__sort(&bound);
    size_t before = s->errors;
    for (uint32_t i = 0; i < bound.n; i++) {
        if (cs_syms__has(&read, bound.v[i].sym) && !cs_sym_is_wildcard(bound.v[i].sym)) {
            s->errors++;
            (void)cs_compile__error(s->c, CS_ERR_REGO_COMPILE, loc, "var %s assigned before", bound.v[i].sym->s);
        }
    }
    return s->errors == before;
}

/* some k, v in xs is v = xs[k], with k and v declared. */
static cs_expr *rewrite_member(cs_scopes *s, cs_expr *e, const cs_terms *call)
{
    cs_ast *ast = s->c->ast;
    bool keyed = call->n == 4;
    cs_term *key = keyed ? call->v[1] : cs_compile__local_term(s->c, (cs_loc){0});
    cs_term *value = call->v[keyed ? 2 : 1];
    cs_term *domain = call->v[keyed ? 3 : 2];
    if (!domain_is_apart(s, key, value, domain, e->loc)) {
        return NULL;
    }
    cs_syms safe = cs_syms__new(&s->c->scratch);
    cs_vars__term(&safe, domain, 0);
    cs_terms from = domain->kind == CS_TERM_REF ? domain->u.list : (cs_terms){&domain, 1};
    cs_term **v = cs_arena_array(ast->arena, cs_term *, from.n + 1);
    memcpy(v, from.v, from.n * sizeof *v);
    v[from.n] = key;
    cs_term *operands[3] = {cs_term_operator(ast, "eq", e->loc), value,
                            cs_term_list(ast, CS_TERM_REF, v, from.n + 1, domain->loc)};
    e->kind = CS_EXPR_CALL;
    e->u.call = cs_term_list(ast, CS_TERM_CALL, operands, 3, e->loc)->u.list;
    cs_syms outputs = cs_syms__new(&s->c->scratch);
    cs_outputs__equality(s->c, e, &safe, &outputs);
    cs_syms__sort(&outputs);
    for (uint32_t i = 0; i < outputs.n; i++) {
        if (!declare(s, outputs.v[i].sym, CS_DECLARED, e->loc)) {
            return NULL;
        }
    }
    in_expr(s, e);
    return e;
}

static cs_expr *rewrite_some(cs_scopes *s, const cs_expr *original)
{
    cs_expr *e = cs_expr_copy(s->c->ast, original);
    for (uint32_t i = 0; i < e->u.some.n; i++) {
        cs_term *t = e->u.some.v[i];
        if (t->kind == CS_TERM_CALL) {
            return rewrite_member(s, e, &t->u.list);
        }
        if (t->kind == CS_TERM_VAR && !declare(s, t->u.var, CS_DECLARED, e->loc)) {
            return NULL;
        }
    }
    return NULL;
}

static bool declare_every(cs_scopes *s, const cs_expr *e, cs_term *t)
{
    if (t->kind != CS_TERM_VAR || cs_sym_is_wildcard(t->u.var)) {
        return true;
    }
    const cs_sym *local = declare(s, t->u.var, CS_DECLARED, e->loc);
    t->u.var = local ? local : t->u.var;
    return local != NULL;
}

static cs_expr *rewrite_every(cs_scopes *s, cs_expr *e)
{
    in_term(s, e->u.every.domain);
    cs_scopes__push(s);
    if (!e->u.every.key) {
        e->u.every.key = cs_compile__local_term(s->c, (cs_loc){0});
    } else if (!declare_every(s, e, e->u.every.key)) {
        cs_scopes__pop(s);
        return NULL;
    }
    if (!declare_every(s, e, e->u.every.value)) {
        cs_scopes__pop(s);
        return NULL;
    }
    cs_syms used = cs_syms__new(&s->c->scratch);
    e->u.every.body = rewrite_body(s, &used, e->u.every.body);
    if (e->u.every.domain->kind == CS_TERM_VAR) {
        see_var(s, e->u.every.domain); /* `every x in x` reads the inner x, as in OPA */
    }
    in_withs(s, e);
    cs_scopes__pop(s);
    return e;
}

static cs_expr *rewrite_logic(cs_scopes *s, cs_expr *e);

/* A body of and, or, not: with braces it has a scope of its own, without it may read, but not declare. */
static cs_body in_operand(cs_scopes *s, cs_body b, bool braces, const char *refusal)
{
    if (braces) {
        cs_syms used = cs_syms__new(&s->c->scratch);
        cs_scopes__push(s);
        b = rewrite_body(s, &used, b);
        cs_scopes__pop(s);
        return b;
    }
    for (uint32_t i = 0; i < b.n; i++) {
        cs_expr *e = b.v[i];
        if (cs_expr__is(e, s->c->assign)) {
            problem(s, e->loc, refusal);
        } else if (e->kind == CS_EXPR_NOT || e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR) {
            (void)rewrite_logic(s, e);
        } else {
            in_expr(s, e);
        }
    }
    return b;
}

static cs_expr *rewrite_logic(cs_scopes *s, cs_expr *e)
{
    const char *refusal = e->kind == CS_EXPR_NOT   ? "cannot assign vars inside negated expression"
                          : e->kind == CS_EXPR_AND ? "cannot assign vars inside implicit and operand"
                                                   : "cannot assign vars inside implicit or operand";
    e->u.logic.left = in_operand(s, e->u.logic.left, e->u.logic.explicit_left, refusal);
    if (e->kind != CS_EXPR_NOT) {
        e->u.logic.right = in_operand(s, e->u.logic.right, e->u.logic.explicit_right, refusal);
    }
    in_withs(s, e);
    return e;
}

static cs_expr *rewrite_expr(cs_scopes *s, cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_SOME:
        return rewrite_some(s, e);
    case CS_EXPR_EVERY:
        return rewrite_every(s, e);
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        return rewrite_logic(s, e);
    case CS_EXPR_TERM:
        in_expr(s, e);
        return e;
    case CS_EXPR_CALL:
        if (cs_expr__is(e, s->c->assign)) {
            rewrite_assignment(s, e);
        } else {
            in_expr(s, e);
        }
        return e;
    }
    return e;
}

static cs_body rewrite_body(cs_scopes *s, const cs_syms *used, cs_body b)
{
    cs_exprs out = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        cs_expr *e = rewrite_expr(s, b.v[i]);
        if (e) {
            CS_VEC_PUSH_IN(&s->c->scratch, &out, e);
        }
    }
    if (out.n == 0) {
        cs_loc loc = b.n ? b.v[0]->loc : (cs_loc){0};
        cs_term *t = cs_term_scalar(s->c->ast, cs_bool(true), loc);
        CS_VEC_PUSH_IN(&s->c->scratch, &out, cs_expr_term(s->c->ast, t, loc));
    }
    cs_body after = cs_compile__body(s->c, &out);
    cs_unused__assigned(s, b, used);
    cs_unused__declared(s, b, used, after);
    return after;
}

cs_body cs_locals__body(cs_compiler *c, cs_body b)
{
    cs_scopes s = {.c = c};
    cs_syms used = cs_syms__new(&c->scratch);
    cs_scopes__push(&s);
    return rewrite_body(&s, &used, b);
}

/* ---- heads */
/* Comprehensions in a head have scopes of their own, and are done before the body. */
static void in_head_term(cs_compiler *c, cs_term *t)
{
    if (cs_term__is_comprehension(t) || t->kind == CS_TERM_TEMPLATE) {
        cs_scopes s = {.c = c};
        cs_scopes__push(&s);
        if (t->kind == CS_TERM_TEMPLATE) {
            in_template(&s, t);
        } else {
            in_comprehension(&s, t);
        }
    } else if (cs_term__has_list(t)) {
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            in_head_term(c, t->u.list.v[i]);
        }
    }
}

static bool has_vars(const cs_head *h)
{
    for (uint32_t i = 0; i < h->args.n; i++) {
        if (h->args.v[i]->kind != CS_TERM_SCALAR) {
            return true;
        }
    }
    for (uint32_t i = 1; i < h->ref->u.list.n; i++) {
        if (h->ref->u.list.v[i]->kind != CS_TERM_SCALAR) {
            return true;
        }
    }
    return (h->key && h->key->kind != CS_TERM_SCALAR) || (h->value && h->value->kind != CS_TERM_SCALAR);
}

static bool replace_declared(void *self, cs_term *t)
{
    cs_scopes *s = self;
    if (t->kind == CS_TERM_VAR) {
        const cs_syms_item *item = cs_syms__find(cs_scopes__top(s), t->u.var);
        const cs_declaration *d = item ? item->value : NULL;
        if (d && d->local) {
            t->u.var = d->local;
        }
    }
    return true;
}

static void replace_in_head(cs_scopes *s, cs_head *h)
{
    cs_walker w = {.self = s, .term = replace_declared};
    for (uint32_t i = 0; i < h->args.n; i++) {
        cs_walk_term(&w, h->args.v[i]);
    }
    for (uint32_t i = 1; i < h->ref->u.list.n; i++) {
        cs_walk_term(&w, h->ref->u.list.v[i]);
    }
    if (h->key) {
        cs_walk_term(&w, h->key);
    }
    if (h->value) {
        cs_walk_term(&w, h->value);
    }
}

static void used_by_head(cs_compiler *c, const cs_head *h, cs_syms *used, cs_syms *unused_args)
{
    for (uint32_t i = 1; i < h->ref->u.list.n; i++) {
        cs_vars__term(used, h->ref->u.list.v[i], 0);
    }
    if (h->key) {
        cs_vars__term(used, h->key, 0);
    }
    if (h->value) {
        cs_syms vars = cs_syms__new(&c->scratch);
        cs_vars__term(&vars, h->value, 0);
        for (uint32_t i = 0; i < vars.n; i++) {
            cs_syms__drop(unused_args, vars.v[i].sym);
        }
        cs_syms__add_all(used, &vars);
    }
}

/* ---- names of built-ins as variables: `count := …` needs no care, but `count = …` would be taken for the built-in
 * later on */
typedef struct with_vars {
    cs_syms *out;
} with_vars;

static bool vars_of_withs(void *self, cs_expr *e)
{
    with_vars *w = self;
    for (uint32_t i = 0; i < e->n_with; i++) {
        cs_vars__term(w->out, e->with[i].target, CS_VARS_SKIP_CALL_HEAD);
        cs_vars__term(w->out, e->with[i].value, CS_VARS_SKIP_CALL_HEAD);
    }
    return true;
}

static void rename_builtins(cs_scopes *s, cs_rule *r)
{
    cs_syms vars = cs_syms__new(&s->c->scratch);
    cs_syms named = cs_syms__new(&s->c->scratch);
    cs_vars__body(&vars, r->body, CS_VARS_SAFETY);
    for (uint32_t i = 0; i < vars.n; i++) {
        if (!cs_sym_is_wildcard(vars.v[i].sym) &&
            cs_granted_find(s->c->compiled->capabilities, cs_sym_slice(vars.v[i].sym))) {
            (void)cs_syms__add(&named, vars.v[i].sym);
        }
    }
    if (named.n == 0) {
        return;
    }
    cs_syms except = cs_syms__new(&s->c->scratch);
    cs_vars__declared(s->c, &except, r->body);
    cs_walk_rule(&(cs_walker){.self = &(with_vars){&except}, .expr = vars_of_withs}, r);
    cs_syms__sort(&named);
    for (uint32_t i = 0; i < named.n; i++) {
        if (!cs_syms__has(&except, named.v[i].sym) && !cs_scopes__declared(s, named.v[i].sym)) {
            cs_scopes__insert(s, named.v[i].sym, cs_compile__local(s->c), CS_SEEN);
        }
    }
}

/* ---- rules */
static void in_one_rule(cs_scopes *s, const cs_scopes *args, cs_rule *r, cs_syms *unused_args)
{
    cs_compiler *c = s->c;
    bool head = has_vars(&r->head);
    cs_syms used = cs_syms__new(&c->scratch);
    if (head) {
        for (uint32_t i = 0; i < r->head.args.n; i++) {
            in_head_term(c, r->head.args.v[i]);
        }
        if (r->head.key) {
            in_head_term(c, r->head.key);
        }
        if (r->head.value) {
            in_head_term(c, r->head.value);
        }
        used_by_head(c, &r->head, &used, unused_args);
    }
    cs_scopes__push(s);
    cs_scopes__copy_top(s, args);
    rename_builtins(s, r);
    r->body = rewrite_body(s, &used, r->body);
    if (head) {
        replace_in_head(s, &r->head);
    }
}

static void in_arg(cs_scopes *s, cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_VAR: {
        const cs_sym *local = cs_scopes__declared(s, t->u.var);
        if (local) {
            cs_scopes__seen(s, t->u.var);
        } else {
            local = cs_compile__local(s->c);
            cs_scopes__insert(s, t->u.var, local, CS_ARG);
        }
        t->u.var = local;
        return;
    }
    case CS_TERM_OBJECT:
        cs_term_sort(s->c->ast->arena, t);
        for (uint32_t i = 1; i < t->u.list.n; i += 2) {
            in_arg(s, t->u.list.v[i]);
        }
        return;
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            in_arg(s, t->u.list.v[i]);
        }
        return;
    case CS_TERM_CALL:
        problem(s, t->loc, "rule arguments cannot contain calls");
        return;
    case CS_TERM_SCALAR:
    case CS_TERM_SET:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_TEMPLATE:
        return;
    }
}

static void report_unused_args(cs_compiler *c, const cs_rule *r, const cs_syms *unused)
{
    for (uint32_t i = 0; i < unused->n; i++) {
        if (!cs_sym_is_wildcard(unused->v[i].sym)) {
            (void)cs_compile__note(c, CS_ERR_REGO_COMPILE, r->head.loc,
                                   "unused argument %s. (hint: use _ (wildcard variable) instead)",
                                   unused->v[i].sym->s);
        }
    }
}

static void in_chain(cs_compiler *c, cs_rule *top)
{
    cs_syms unused = cs_syms__new(&c->scratch);
    cs_scopes args = {.c = c};
    cs_scopes__push(&args);
    if (c->policy->strict) {
        cs_vars__terms(&unused, &top->head.args, 0);
    }
    for (uint32_t i = 0; i < top->head.args.n; i++) {
        in_arg(&args, top->head.args.v[i]);
    }
    for (cs_rule *r = top; r; r = r->other) {
        cs_scopes s = {.c = c};
        in_one_rule(&s, &args, r, &unused);
        for (uint32_t i = unused.n; i > 0; i--) {
            if (cs_scopes__count(&s, unused.v[i - 1].sym) > 1) {
                cs_syms__drop(&unused, unused.v[i - 1].sym);
            }
        }
    }
    report_unused_args(c, top, &unused);
}

void cs_stage__rewrite_local_vars(cs_compiler *c)
{
    cs_compile__chains(c, in_chain);
}
