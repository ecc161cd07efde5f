/* CheckSafetyRuleHeads, CheckSafetyRuleBodies: every variable is bound before it is read. Statements are moved behind
 * those that bind what they need, and no further; the order that comes out is the order of evaluation (OPA's, since it
 * can be observed). */
#include "rego/compile/internal.h"

typedef struct unsafe_item {
    const cs_expr *expr;
    cs_syms vars;
} unsafe_item;

typedef CS_VEC(unsafe_item) unsafe_list;

static cs_body reorder(cs_compiler *c, cs_body b, const cs_syms *globals, unsafe_list *unsafe);

/* ---- closures */
typedef struct closures {
    cs_compiler *c;
    cs_syms *globals;
    const cs_expr *current;
    unsafe_list *unsafe;
} closures;

static cs_syms *unsafe_of(cs_compiler *c, unsafe_list *list, const cs_expr *e)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i].expr == e) {
            return &list->v[i].vars;
        }
    }
    CS_VEC_PUSH_IN(&c->scratch, list, ((unsafe_item){e, cs_syms__new(&c->scratch)}));
    return &list->v[list->n - 1].vars;
}

/* `heads`: the variables of a comprehension's head. */
static cs_body reorder_closure(closures *x, const cs_syms *heads, cs_body b)
{
    cs_arena_mark mark = cs_arena_mark_now(&x->c->scratch);
    cs_syms vars = cs_syms__new(&x->c->scratch);
    bool fine = true;
    cs_vars__body(&vars, b, CS_VARS_SAFETY | CS_VARS_PROMOTE);
    for (uint32_t i = 0; i < heads->n; i++) {
        const cs_sym *v = heads->v[i].sym;
        if (!cs_syms__has(&vars, v) && !cs_syms__has(x->globals, v)) {
            fine = false;
            (void)cs_syms__add(unsafe_of(x->c, x->unsafe, x->current), v);
        }
    }
    unsafe_list inner = {0};
    cs_body after = reorder(x->c, b, x->globals, &inner);
    for (size_t i = 0; i < inner.n; i++) {
        fine = false;
        cs_syms__add_all(unsafe_of(x->c, x->unsafe, inner.v[i].expr), &inner.v[i].vars);
    }
    if (fine) {
        cs_arena_rewind(&x->c->scratch, mark);
    }
    return inner.n ? b : after;
}

static bool closure_term(void *self, cs_term *t)
{
    closures *x = self;
    if (!cs_term__is_comprehension(t)) {
        return true;
    }
    cs_syms heads = cs_syms__new(&x->c->scratch);
    if (t->u.comprehension.key) {
        cs_vars__term(&heads, t->u.comprehension.key, 0);
    }
    cs_vars__term(&heads, t->u.comprehension.head, 0);
    t->u.comprehension.body = reorder_closure(x, &heads, t->u.comprehension.body);
    return false;
}

static bool closure_expr(void *self, cs_expr *e)
{
    closures *x = self;
    cs_syms none = cs_syms__new(&x->c->scratch);
    switch (e->kind) {
    case CS_EXPR_EVERY:
        if (e->u.every.key) {
            cs_vars__term(x->globals, e->u.every.key, 0);
        }
        cs_vars__term(x->globals, e->u.every.value, 0);
        e->u.every.body = reorder_closure(x, &none, e->u.every.body);
        return false;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        e->u.logic.left = reorder_closure(x, &none, e->u.logic.left);
        e->u.logic.right = reorder_closure(x, &none, e->u.logic.right);
        return false;
    case CS_EXPR_TERM:
    case CS_EXPR_CALL:
    case CS_EXPR_SOME:
        break;
    }
    return true;
}

static void reorder_closures(cs_compiler *c, cs_body b, const cs_syms *globals, unsafe_list *unsafe)
{
    cs_syms known = cs_syms__new(&c->scratch);
    cs_syms__add_all(&known, globals);
    closures x = {c, &known, NULL, unsafe};
    cs_walker w = {.self = &x, .term = closure_term, .expr = closure_expr};
    for (uint32_t i = 0; i < b.n; i++) {
        if (i > 0) {
            cs_vars__expr(&known, b.v[i - 1], CS_VARS_SAFETY | CS_VARS_PROMOTE);
        }
        x.current = b.v[i];
        cs_walk_expr(&w, b.v[i]);
    }
}

/* ---- one body */
typedef struct reordering {
    cs_compiler *c;
    cs_body body;
    const cs_syms *globals;
    cs_syms vars; /* of the body */
    cs_syms safe;
    cs_syms *unsafe; /* for each statement */
    bool *has_closures;
    bool *placed;
    cs_exprs out;
    cs_exprs loose; /* placed although one of their variables is not bound: OPA looks only at what closures read */
} reordering;

/* A statement whose closures read what the body binds elsewhere waits for that. False: it reads only what it binds
 * itself. */
static bool wait_for_closures(reordering *r, uint32_t i, const cs_syms *outputs)
{
    cs_arena *a = &r->c->scratch;
    cs_syms closed = cs_syms__new(a);
    cs_syms over = cs_syms__new(a);
    cs_vars__closures(&closed, r->body.v[i]);
    for (uint32_t k = 0; k < closed.n; k++) {
        const cs_sym *v = closed.v[k].sym;
        if (cs_syms__has(&r->vars, v) && !cs_syms__has(r->globals, v)) {
            (void)cs_syms__add(&over, v);
        }
    }
    if (over.n == 0) {
        return true;
    }
    cs_syms bound = cs_syms__new(a);
    /* Whatever all others bind is in `safe` by now. */
    if (r->loose.n) {
        cs_outputs__body(r->c, (cs_body){r->loose.v, (uint32_t)r->loose.n}, (uint32_t)r->loose.n, &r->safe, &bound);
    }
    cs_syms open = cs_syms__new(a);
    for (uint32_t k = 0; k < over.n; k++) {
        if (!cs_syms__has(&bound, over.v[k].sym)) {
            (void)cs_syms__add(&open, over.v[k].sym);
        }
    }
    if (open.n == 0) {
        return true;
    }
    if (open.n == outputs->n && cs_syms__within(&open, outputs)) {
        return false;
    }
    r->unsafe[i] = open;
    return true;
}

static void note_loose(reordering *r, cs_expr *e)
{
    cs_syms vars = cs_syms__new(&r->c->scratch);
    cs_vars__expr(&vars, e, CS_VARS_SAFETY | CS_VARS_PROMOTE);
    if (!cs_syms__within(&vars, &r->safe)) {
        CS_VEC_PUSH_IN(&r->c->scratch, &r->loose, e);
    }
}

static void try_to_place(reordering *r, uint32_t i)
{
    cs_expr *e = r->body.v[i];
    cs_syms outputs = cs_syms__new(&r->c->scratch);
    cs_outputs__expr(r->c, e, &r->safe, &outputs);
    if (r->has_closures[i] && !wait_for_closures(r, i, &outputs)) {
        return;
    }
    cs_syms *unsafe = &r->unsafe[i];
    for (uint32_t k = unsafe->n; k > 0; k--) {
        const cs_sym *v = unsafe->v[k - 1].sym;
        if (cs_syms__has(&outputs, v) || cs_syms__has(&r->safe, v)) {
            cs_syms__drop(unsafe, v);
        }
    }
    if (unsafe->n == 0) {
        r->placed[i] = true;
        CS_VEC_PUSH_IN(&r->c->scratch, &r->out, e);
        for (uint32_t k = 0; k < outputs.n; k++) {
            (void)cs_syms__add(&r->safe, outputs.v[k].sym);
        }
        note_loose(r, e);
    }
}

static cs_body reorder(cs_compiler *c, cs_body b, const cs_syms *globals, unsafe_list *unsafe)
{
    cs_arena *a = &c->scratch;
    reordering r = {.c = c, .body = b, .globals = globals, .vars = cs_syms__new(a), .safe = cs_syms__new(a)};
    r.unsafe = cs_arena_array(a, cs_syms, b.n + 1);
    r.has_closures = cs_arena_array(a, bool, b.n + 1);
    r.placed = cs_arena_array(a, bool, b.n + 1);
    cs_vars__body(&r.vars, b, CS_VARS_SAFETY | CS_VARS_PROMOTE);
    for (uint32_t i = 0; i < r.vars.n; i++) {
        if (cs_syms__has(globals, r.vars.v[i].sym)) {
            (void)cs_syms__add(&r.safe, r.vars.v[i].sym);
        }
    }
    for (uint32_t i = 0; i < b.n; i++) {
        cs_syms vars = cs_syms__new(a);
        cs_vars__expr(&vars, b.v[i], CS_VARS_SAFETY | CS_VARS_PROMOTE);
        r.unsafe[i] = cs_syms__new(a);
        for (uint32_t k = 0; k < vars.n; k++) {
            if (!cs_syms__has(&r.safe, vars.v[k].sym)) {
                (void)cs_syms__add(&r.unsafe[i], vars.v[k].sym);
            }
        }
        r.has_closures[i] = cs_expr__has_closures(b.v[i]);
    }
    for (size_t before = SIZE_MAX; before != r.out.n;) {
        before = r.out.n;
        for (uint32_t i = 0; i < b.n; i++) {
            if (!r.placed[i]) {
                try_to_place(&r, i);
            }
        }
    }
    for (uint32_t i = 0; i < b.n; i++) {
        if (r.unsafe[i].n) {
            cs_syms__add_all(unsafe_of(c, unsafe, b.v[i]), &r.unsafe[i]);
        }
    }
    cs_body after = cs_compile__body(c, &r.out);
    reorder_closures(c, after, globals, unsafe);
    return after;
}

/* ---- errors */
typedef struct unsafe_var {
    const cs_sym *var;
    cs_loc loc;
} unsafe_var;

typedef CS_VEC(unsafe_var) unsafe_vars;

/* Each variable once, where it stands first. */
static void first_places(cs_compiler *c, const unsafe_list *unsafe, unsafe_vars *out)
{
    cs_syms seen = cs_syms__new(&c->scratch);
    for (size_t i = 0; i < unsafe->n; i++) {
        for (uint32_t k = 0; k < unsafe->v[i].vars.n; k++) {
            const cs_sym *v = unsafe->v[i].vars.v[k].sym;
            cs_loc loc = unsafe->v[i].expr->loc;
            cs_syms_item *item = cs_syms__add(&seen, v);
            if (!item->value) {
                CS_VEC_PUSH_IN(&c->scratch, out, ((unsafe_var){v, loc}));
                item->value = (void *)(uintptr_t)out->n;
            } else {
                unsafe_var *known = &out->v[(size_t)(uintptr_t)item->value - 1];
                known->loc = cs_compile__loc_compare(known->loc, loc) > 0 ? loc : known->loc;
            }
        }
    }
}

static bool is_future_keyword(const cs_sym *s)
{
    static const char *const words[] = {"in", "every", "contains", "if", "not", "and", "or"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (cs_slice_is(cs_sym_slice(s), words[i])) {
            return true;
        }
    }
    return false;
}

static void report_var(cs_compiler *c, const cs_sym *name, cs_loc loc, const char *scope)
{
    if (is_future_keyword(name)) {
        (void)cs_compile__error(c, CS_ERR_REGO_UNSAFE_VAR, loc,
                                "var %s is unsafe%s (hint: `import future.keywords.%s` to import a future keyword)",
                                name->s, scope, name->s);
    } else {
        (void)cs_compile__error(c, CS_ERR_REGO_UNSAFE_VAR, loc, "var %s is unsafe%s", cs_compile__name(name), scope);
    }
}

/* What `:=` declares is unsafe only because something on its right is: that is what is worth reporting. */
static void assigned_vars(cs_compiler *c, const unsafe_list *unsafe, cs_syms *out)
{
    for (size_t i = 0; i < unsafe->n; i++) {
        const cs_expr *e = unsafe->v[i].expr;
        if (cs_expr__from_assignment(e) && e->u.call.n == 3) {
            cs_syms vars = cs_syms__new(&c->scratch);
            cs_vars__term(&vars, e->u.call.v[1], 0);
            for (uint32_t k = 0; k < vars.n; k++) {
                (void)cs_syms__add(out, vars.v[k].sym);
                (void)cs_syms__add(out, cs_compile__original(c, vars.v[k].sym));
            }
        }
    }
}

/* Generated variables mean nothing to the author: the statements that contain them are reported instead. */
static void report_statements(cs_compiler *c, const unsafe_list *unsafe, const char *scope)
{
    cs_syms seen = cs_syms__new(&c->scratch);
    const cs_expr **v = (const cs_expr **)cs_arena_zalloc(&c->scratch, (unsafe->n + 1) * sizeof(cs_expr *));
    for (size_t i = 0; i < unsafe->n; i++) {
        size_t at = i;
        while (at > 0 && cs_compile__loc_compare(v[at - 1]->loc, unsafe->v[i].expr->loc) > 0) {
            v[at] = v[at - 1];
            at--;
        }
        v[at] = unsafe->v[i].expr;
    }
    for (size_t i = 0; i < unsafe->n; i++) {
        for (size_t k = 0; k < unsafe->n; k++) {
            uint32_t before = seen.n;
            const cs_syms *vars = &unsafe->v[k].vars;
            for (uint32_t j = 0; j < vars->n && unsafe->v[k].expr == v[i]; j++) {
                if (cs_sym_is_generated(vars->v[j].sym)) {
                    (void)cs_syms__add(&seen, vars->v[j].sym);
                }
            }
            if (seen.n > before) {
                (void)cs_compile__error(c, CS_ERR_REGO_UNSAFE_VAR, v[i]->loc, "expression is unsafe%s", scope);
            }
        }
    }
}

static void report(cs_compiler *c, const unsafe_list *unsafe, const char *scope)
{
    unsafe_vars vars = {0};
    first_places(c, unsafe, &vars);
    cs_syms assigned = cs_syms__new(&c->scratch);
    assigned_vars(c, unsafe, &assigned);
    bool others = false;
    for (size_t i = 0; i < vars.n; i++) {
        const cs_sym *name = cs_compile__original(c, vars.v[i].var);
        others = others || (!cs_sym_is_generated(name) && !cs_syms__has(&assigned, name) &&
                            !cs_syms__has(&assigned, vars.v[i].var));
    }
    bool any = false;
    for (size_t i = 0; i < vars.n; i++) {
        const cs_sym *name = cs_compile__original(c, vars.v[i].var);
        bool is_assigned = cs_syms__has(&assigned, name) || cs_syms__has(&assigned, vars.v[i].var);
        if (!cs_sym_is_generated(name) && !(others && is_assigned)) {
            any = true;
            report_var(c, name, vars.v[i].loc, scope);
        }
    }
    if (!any) {
        report_statements(c, unsafe, scope);
    }
}

cs_body cs_safety__body(cs_compiler *c, cs_body b, const cs_syms *globals, const char *scope)
{
    unsafe_list unsafe = {0};
    cs_body after = reorder(c, b, globals, &unsafe);
    if (unsafe.n) {
        size_t errors = c->errors.n;
        report(c, &unsafe, scope);
        if (c->errors.n != errors || c->full) {
            return b;
        }
    }
    return after;
}

/* ---- rules */
/* " in rule p" where a line holds rules of several names, else "". */
static const char *scope_of(cs_compiler *c, const cs_rule *r)
{
    const cs_module *m = r->module;
    for (uint32_t i = 0; i < m->n_rules; i++) {
        for (const cs_rule *other = m->rules[i]; other; other = other->other) {
            if (other->loc.row != r->loc.row || other == r) {
                continue;
            }
            cs_term x = {.kind = CS_TERM_REF, .u.list = {r->head.ref->u.list.v, cs_rule__ground_prefix(r)}};
            cs_term y = {.kind = CS_TERM_REF, .u.list = {other->head.ref->u.list.v, cs_rule__ground_prefix(other)}};
            if (!cs_term_equal(&x, &y)) {
                return cs_arena_printf(&c->scratch, NULL, " in rule %s", cs_compile__term_text(c, &x));
            }
        }
    }
    return "";
}

static void body_of_rule(cs_compiler *c, cs_rule *r)
{
    cs_syms globals = cs_syms__new(&c->scratch);
    cs_syms__add_all(&globals, &c->reserved);
    cs_vars__terms(&globals, &r->head.args, 0);
    unsafe_list unsafe = {0};
    cs_body after = reorder(c, r->body, &globals, &unsafe);
    size_t errors = c->errors.n;
    if (unsafe.n) {
        report(c, &unsafe, scope_of(c, r));
    }
    if (c->errors.n == errors && !c->full) {
        r->body = after;
    }
}

void cs_stage__check_safety_rule_bodies(cs_compiler *c)
{
    cs_compile__rules(c, body_of_rule);
}

static void head_of_rule(cs_compiler *c, cs_rule *r)
{
    cs_syms vars = cs_syms__new(&c->scratch);
    cs_vars__head(&vars, &r->head);
    if (vars.n == 0) {
        return;
    }
    cs_syms safe = cs_syms__new(&c->scratch);
    cs_vars__body(&safe, r->body, CS_VARS_SAFETY);
    cs_vars__terms(&safe, &r->head.args, 0);
    for (uint32_t i = 0; i < vars.n; i++) {
        if (cs_syms__has(&safe, vars.v[i].sym)) {
            continue;
        }
        const cs_sym *name = cs_compile__original(c, vars.v[i].sym);
        cs_loc where = ((const cs_term *)vars.v[i].value)->loc;
        if (r->is_else && where.offset < r->loc.offset) {
            where = (cs_loc){0}; /* of the first rule's ref, which OPA gives no place here */
        }
        if (!cs_sym_is_generated(name)) {
            (void)cs_compile__error(c, CS_ERR_REGO_UNSAFE_VAR, where, "var %s is unsafe%s", cs_compile__name(name),
                                    scope_of(c, r));
        }
    }
}

void cs_stage__check_safety_rule_heads(cs_compiler *c)
{
    cs_compile__rules(c, head_of_rule);
}
