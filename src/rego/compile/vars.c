/* The variables under a node. What is passed over is the caller's choice (CS_VARS_*), and follows OPA's VarVisitor
 * (v1/ast/visit.go), because safety, and with it the order of evaluation, is defined by it. */
#include "rego/compile/internal.h"

static void add_var(cs_syms *out, const cs_term *t)
{
    cs_syms__put(out, t->u.var, (void *)(uintptr_t)t);
}

static void list_from(cs_syms *out, const cs_terms *list, uint32_t from, unsigned flags)
{
    for (uint32_t i = from; i < list->n; i++) {
        cs_vars__term(out, list->v[i], flags);
    }
}

void cs_vars__terms(cs_syms *out, const cs_terms *list, unsigned flags)
{
    list_from(out, list, 0, flags);
}

static void call_list(cs_syms *out, const cs_terms *call, unsigned flags)
{
    if (call->n == 0) {
        return;
    }
    if (flags & CS_VARS_SKIP_CALL_HEAD) {
        if (call->v[0]->kind == CS_TERM_REF) {
            list_from(out, &call->v[0]->u.list, 1, flags);
        }
        list_from(out, call, 1, flags);
    } else {
        list_from(out, call, 0, flags);
    }
}

static void object(cs_syms *out, const cs_term *t, unsigned flags)
{
    for (uint32_t i = 0; i + 1 < t->u.list.n; i += 2) {
        if (!(flags & CS_VARS_SKIP_OBJECT_KEYS)) {
            cs_vars__term(out, t->u.list.v[i], flags);
        }
        cs_vars__term(out, t->u.list.v[i + 1], flags);
    }
}

static void comprehension(cs_syms *out, const cs_term *t, unsigned flags)
{
    if (t->u.comprehension.key) {
        cs_vars__term(out, t->u.comprehension.key, flags);
    }
    cs_vars__term(out, t->u.comprehension.head, flags);
    cs_vars__body(out, t->u.comprehension.body, flags);
}

static void template_string(cs_syms *out, const cs_term *t, unsigned flags)
{
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (cs_term__part(t, i)) {
            cs_vars__expr(out, cs_term__part(t, i), flags);
        } else {
            cs_vars__term(out, t->u.list.v[i], flags);
        }
    }
}

void cs_vars__term(cs_syms *out, const cs_term *t, unsigned flags)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return;
    case CS_TERM_VAR:
        add_var(out, t);
        return;
    case CS_TERM_REF:
        list_from(out, &t->u.list, flags & CS_VARS_SKIP_REF_HEAD ? 1 : 0, flags);
        return;
    case CS_TERM_ARRAY:
        cs_vars__terms(out, &t->u.list, flags);
        return;
    case CS_TERM_SET:
        if (!(flags & CS_VARS_SKIP_SETS)) {
            cs_vars__terms(out, &t->u.list, flags);
        }
        return;
    case CS_TERM_OBJECT:
        object(out, t, flags);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        if (!(flags & CS_VARS_SKIP_CLOSURES)) {
            comprehension(out, t, flags);
        }
        return;
    case CS_TERM_CALL:
        call_list(out, &t->u.list, flags);
        return;
    case CS_TERM_TEMPLATE:
        if (!(flags & (CS_VARS_SKIP_CLOSURES | CS_VARS_SKIP_TEMPLATES))) {
            template_string(out, t, flags);
        }
        return;
    }
}

void cs_vars__with(cs_syms *out, const cs_with *w, unsigned flags)
{
    if (!(flags & CS_VARS_SKIP_CALL_HEAD)) {
        cs_vars__term(out, w->target, flags);
        cs_vars__term(out, w->value, flags);
        return;
    }
    if (w->target->kind == CS_TERM_REF) {
        list_from(out, &w->target->u.list, 1, flags);
    }
    if (w->value->kind == CS_TERM_REF) {
        list_from(out, &w->value->u.list, 1, flags);
    } else {
        cs_vars__term(out, w->value, flags);
    }
}

static bool binds(const cs_expr *e, const cs_sym *v)
{
    if (e->kind != CS_EXPR_CALL || !cs_sym_is_generated(v)) {
        return false;
    }
    const cs_term *last = e->u.call.v[e->u.call.n - 1];
    const cs_term *first = e->u.call.n > 1 ? e->u.call.v[1] : last;
    return (last->kind == CS_TERM_VAR && last->u.var == v) || (first->kind == CS_TERM_VAR && first->u.var == v);
}

/* What a body written without braces after and, or, not takes from outside: everything but what one of its statements,
 * made by a stage, binds for another. */
static void promote(cs_syms *out, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        cs_syms vars = cs_syms__new(out->arena);
        cs_vars__expr(&vars, b.v[i], CS_VARS_SAFETY);
        for (uint32_t j = 0; j < vars.n; j++) {
            bool bound = false;
            for (uint32_t k = 0; k < b.n && b.n > 1 && !bound; k++) {
                bound = binds(b.v[k], vars.v[j].sym);
            }
            if (!bound) {
                cs_syms__put(out, vars.v[j].sym, vars.v[j].value);
            }
        }
    }
}

static void logic(cs_syms *out, const cs_expr *e, unsigned flags)
{
    if (flags & CS_VARS_PROMOTE) {
        if (!e->u.logic.explicit_left) {
            promote(out, e->u.logic.left);
        }
        if (!e->u.logic.explicit_right) {
            promote(out, e->u.logic.right);
        }
    } else if (!(flags & CS_VARS_SKIP_CLOSURES)) {
        cs_vars__body(out, e->u.logic.left, flags);
        cs_vars__body(out, e->u.logic.right, flags);
    }
}

void cs_vars__expr(cs_syms *out, const cs_expr *e, unsigned flags)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        cs_vars__term(out, e->u.term, flags);
        break;
    case CS_EXPR_CALL:
        call_list(out, &e->u.call, flags);
        break;
    case CS_EXPR_SOME:
        cs_vars__terms(out, &e->u.some, flags);
        break;
    case CS_EXPR_EVERY:
        if (flags & CS_VARS_SKIP_CLOSURES) {
            cs_vars__term(out, e->u.every.domain, flags);
            return; /* as OPA: not the modifiers either */
        }
        if (e->u.every.key) {
            cs_vars__term(out, e->u.every.key, flags);
        }
        cs_vars__term(out, e->u.every.value, flags);
        cs_vars__term(out, e->u.every.domain, flags);
        cs_vars__body(out, e->u.every.body, flags);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        logic(out, e, flags);
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        cs_vars__with(out, &e->with[i], flags);
    }
}

void cs_vars__body(cs_syms *out, cs_body b, unsigned flags)
{
    for (uint32_t i = 0; i < b.n; i++) {
        cs_vars__expr(out, b.v[i], flags);
    }
}

void cs_vars__head(cs_syms *out, const cs_head *h)
{
    cs_vars__terms(out, &h->args, 0);
    if (h->key) {
        cs_vars__term(out, h->key, 0);
    }
    if (h->value) {
        cs_vars__term(out, h->value, 0);
    }
    list_from(out, &h->ref->u.list, 1, 0);
}

/* ---- closures */
typedef struct closures {
    cs_syms *out; /* NULL: only look */
    bool found;
} closures;

static bool closure_term(void *self, cs_term *t)
{
    closures *s = self;
    if (!cs_term__is_comprehension(t)) {
        return true;
    }
    s->found = true;
    if (s->out) {
        comprehension(s->out, t, 0);
    }
    return false;
}

static bool closure_expr(void *self, cs_expr *e)
{
    closures *s = self;
    switch (e->kind) {
    case CS_EXPR_EVERY:
        s->found = true;
        if (s->out) {
            cs_vars__body(s->out, e->u.every.body, 0);
        }
        return false;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        s->found = true;
        if (s->out) {
            cs_vars__body(s->out, e->u.logic.left, 0);
            cs_vars__body(s->out, e->u.logic.right, 0);
        }
        return false;
    case CS_EXPR_TERM:
    case CS_EXPR_CALL:
    case CS_EXPR_SOME:
        break;
    }
    return true;
}

void cs_vars__closures(cs_syms *out, const cs_expr *e)
{
    closures s = {out, false};
    cs_walker w = {.self = &s, .term = closure_term, .expr = closure_expr};
    cs_walk_expr(&w, (cs_expr *)(uintptr_t)e);
}

bool cs_expr__has_closures(const cs_expr *e)
{
    closures s = {NULL, false};
    cs_walker w = {.self = &s, .term = closure_term, .expr = closure_expr};
    cs_walk_expr(&w, (cs_expr *)(uintptr_t)e);
    return s.found;
}

/* ---- declarations */
typedef struct declared {
    const cs_compiler *c;
    cs_syms *out;
} declared;

static bool declared_in_expr(void *self, cs_expr *e)
{
    declared *d = self;
    if (cs_expr__is(e, d->c->assign) && e->u.call.n == 3) {
        cs_vars__term(d->out, e->u.call.v[1], 0);
    } else if (e->kind == CS_EXPR_SOME) {
        for (uint32_t i = 0; i < e->u.some.n; i++) {
            const cs_term *t = e->u.some.v[i];
            if (t->kind == CS_TERM_VAR) {
                cs_vars__term(d->out, t, 0);
            } else if (t->kind == CS_TERM_CALL) {
                for (uint32_t j = 1; j + 1 < t->u.list.n; j++) {
                    cs_vars__term(d->out, t->u.list.v[j], 0);
                }
            }
        }
    }
    return true;
}

static bool not_in_comprehensions(void *self, cs_term *t)
{
    (void)self;
    return !cs_term__is_comprehension(t);
}

void cs_vars__declared_expr(const cs_compiler *c, cs_syms *out, const cs_expr *e)
{
    declared d = {c, out};
    cs_walker w = {.self = &d, .term = not_in_comprehensions, .expr = declared_in_expr};
    cs_walk_expr(&w, (cs_expr *)(uintptr_t)e);
}

void cs_vars__declared(const cs_compiler *c, cs_syms *out, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        cs_vars__declared_expr(c, out, b.v[i]);
    }
}
