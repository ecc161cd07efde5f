/* Pre-order over every term and expression under a node. */
#include "rego/syntax/ast.h"

static void walk_list(const cs_walker *w, cs_terms list)
{
    for (uint32_t i = 0; i < list.n; i++) {
        cs_walk_term(w, list.v[i]);
    }
}

void cs_walk_term(const cs_walker *w, cs_term *t)
{
    if (!t || (w->term && !w->term(w->self, t))) {
        return;
    }
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
        break;
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_CALL:
        walk_list(w, t->u.list);
        break;
    case CS_TERM_TEMPLATE:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            if (t->u.template_string.exprs && t->u.template_string.exprs[i]) {
                cs_walk_expr(w, t->u.template_string.exprs[i]);
            } else {
                cs_walk_term(w, t->u.list.v[i]);
            }
        }
        break;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        if (!w->skip_closures) {
            cs_walk_term(w, t->u.comprehension.key);
            cs_walk_term(w, t->u.comprehension.head);
            cs_walk_body(w, t->u.comprehension.body);
        }
        break;
    }
}

void cs_walk_expr(const cs_walker *w, cs_expr *e)
{
    if (w->expr && !w->expr(w->self, e)) {
        return;
    }
    switch (e->kind) {
    case CS_EXPR_TERM:
        cs_walk_term(w, e->u.term);
        break;
    case CS_EXPR_CALL:
        walk_list(w, e->u.call);
        break;
    case CS_EXPR_SOME:
        walk_list(w, e->u.some);
        break;
    case CS_EXPR_EVERY:
        cs_walk_term(w, e->u.every.key);
        cs_walk_term(w, e->u.every.value);
        cs_walk_term(w, e->u.every.domain);
        if (!w->skip_closures) {
            cs_walk_body(w, e->u.every.body);
        }
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        if (!w->skip_closures) {
            cs_walk_body(w, e->u.logic.left);
            cs_walk_body(w, e->u.logic.right);
        }
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        cs_walk_term(w, e->with[i].target);
        cs_walk_term(w, e->with[i].value);
    }
}

void cs_walk_body(const cs_walker *w, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        cs_walk_expr(w, b.v[i]);
    }
}

void cs_walk_rule(const cs_walker *w, cs_rule *r)
{
    for (; r; r = r->other) {
        cs_walk_term(w, r->head.ref);
        walk_list(w, r->head.args);
        cs_walk_term(w, r->head.key);
        cs_walk_term(w, r->head.value);
        cs_walk_body(w, r->body);
    }
}
