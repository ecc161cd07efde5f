/* The new `not`, and chains of `and` and `or`. */
#include "rego/format/internal.h"

/* ---- what begins with a brace would be read as a body */
static bool term_leads_with_brace(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SET:
        return t->u.list.n > 0;
    case CS_TERM_OBJECT:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return true;
    case CS_TERM_REF:
        return t->u.list.n > 0 && term_leads_with_brace(t->u.list.v[0]);
    case CS_TERM_CALL: {
        const cs_infix *infix = cs_pen__infix(t->u.list.v[0]);
        return infix && t->u.list.n == infix->arity + 1 && term_leads_with_brace(t->u.list.v[1]);
    }
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
    case CS_TERM_ARRAY:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_TEMPLATE:
        break;
    }
    return false;
}

/* The operand of a call that is written first, or NULL. */
static const cs_term *leading_operand(const cs_expr *e)
{
    if (e->kind != CS_EXPR_CALL) {
        return NULL;
    }
    const cs_infix *infix = cs_pen__infix(e->u.call.v[0]);
    if (infix && e->u.call.n == infix->arity + 1) {
        return e->u.call.v[1];
    }
    return infix && e->u.call.n == infix->arity + 2 ? e->u.call.v[e->u.call.n - 1] : NULL;
}

static bool leads_with_brace(const cs_expr *e)
{
    const cs_term *t = e->kind == CS_EXPR_TERM ? e->u.term : leading_operand(e);
    return t && term_leads_with_brace(t);
}

static bool is_logic(const cs_expr *e)
{
    return e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR;
}

static bool not_needs_parens(const cs_expr *e)
{
    return e->n_with || is_logic(e) || e->kind == CS_EXPR_NOT || leads_with_brace(e);
}

static bool operand_needs_parens(const cs_expr *e, cs_expr_kind parent, bool right)
{
    if (e->n_with) {
        return true;
    }
    if (e->kind == CS_EXPR_OR) {
        return parent == CS_EXPR_AND || right;
    }
    if (e->kind == CS_EXPR_AND) {
        return parent == CS_EXPR_AND && right;
    }
    return leads_with_brace(e);
}

/* ---- operands */
typedef struct operand {
    cs_body body;
    bool braces; /* written { body } */
    bool parens;
    cs_loc brace; /* of the brace and what follows it */
} operand;

/* The last brace in front of the body; the whole node without one. */
static cs_loc brace_of(const cs_loc *node, cs_body b)
{
    cs_loc loc = *node;
    if (loc.nowhere || b.n == 0 || b.v[0]->loc.nowhere) {
        return loc;
    }
    cs_slice text = cs_pen__text(node);
    size_t i = b.v[0]->loc.offset > loc.offset ? b.v[0]->loc.offset - loc.offset : 0;
    i = i < text.n ? i : text.n;
    while (i > 0 && text.p[i - 1] != '{') {
        i--;
    }
    if (i == 0) {
        return loc;
    }
    i--;
    for (size_t k = 0; k < i; k++) {
        loc.row += text.p[k] == '\n';
    }
    loc.offset += (uint32_t)i;
    loc.from += (uint32_t)i;
    loc.length -= (uint32_t)i;
    return loc;
}

static operand make_operand(cs_body b, bool explicit, cs_expr_kind parent, bool right, const cs_loc *node)
{
    if (explicit || b.n != 1) {
        return (operand){.body = b, .braces = true, .brace = brace_of(node, b)};
    }
    return (operand){.body = b, .parens = operand_needs_parens(b.v[0], parent, right)};
}

static int64_t body_end_row(cs_body b)
{
    if (b.n == 0) {
        return 0;
    }
    cs_loc loc = b.v[b.n - 1]->loc;
    cs_slice text = cs_pen__text(&loc);
    while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t' || text.p[text.n - 1] == '\r' ||
                      text.p[text.n - 1] == '\n')) {
        text.n--;
    }
    loc.length = (uint32_t)text.n;
    return cs_pen__end_row(&loc);
}

static int64_t operand_end_row(const operand *o)
{
    if (o->braces) {
        int64_t row = cs_pen__closing_row(0, 0, '{', '}', &o->brace);
        if (row > 0) {
            return row;
        }
    }
    return body_end_row(o->body);
}

/* In braces: a body, its closing brace after a blank if all is on one line. A union in front would be mistaken for a
 * comprehension. */
static cs_pen_status put_braces(cs_pen *p, cs_body b, const cs_loc *loc, cs_notes *list)
{
    if (cs_pen__is_union_expr(b.v[0])) {
        p->wrap_expr = b.v[0];
    }
    cs_pen__put(p, "{");
    cs_pen_status status = cs_pen__block(p, '{', '}', b, loc, loc, list);
    if (status == CS_PEN_FAILED) {
        return status;
    }
    cs_pen__put(p, cs_pen__row(&b.v[b.n - 1]->loc) == cs_pen__row(loc) ? " }" : "}");
    return CS_PEN_OK;
}

static cs_pen_status put_operand(cs_pen *p, const operand *o, cs_notes *list)
{
    if (!o->braces) {
        cs_pen__put(p, o->parens ? "(" : "");
        cs_pen_status status = cs_pen__expr(p, o->body.v[0], list);
        cs_pen__put(p, o->parens ? ")" : "");
        return status;
    }
    if (o->body.n == 0) {
        cs_pen__put(p, "{}");
        return CS_PEN_OK;
    }
    return put_braces(p, o->body, &o->brace, list);
}

/* ---- chains */
/* What follows the first operand of a chain. */
typedef struct step {
    cs_expr_kind kind;
    operand right;
    int64_t left_end; /* the row on which all to the left of the operator ends */
} step;

typedef struct chain {
    operand first;
    step *v; /* from the last step to the first */
    uint32_t n;
} chain;

/* Chains lean to the left: a and b and c is (a and b) and c. An operand that needs parentheses stays whole. */
static chain flatten(cs_pen *p, const cs_expr *e)
{
    chain c = {.n = 1};
    const cs_expr *at = e;
    for (;;) {
        cs_body left = at->u.logic.left;
        if (at->u.logic.explicit_left || left.n != 1 || !is_logic(left.v[0]) ||
            operand_needs_parens(left.v[0], at->kind, false)) {
            break;
        }
        at = left.v[0];
        c.n++;
    }
    c.v = cs_arena_array(p->arena, step, c.n);
    at = e;
    for (uint32_t i = 0; i < c.n; i++) {
        c.v[i].kind = at->kind;
        c.v[i].right = make_operand(at->u.logic.right, at->u.logic.explicit_right, at->kind, true, &at->loc);
        c.v[i].left_end = body_end_row(at->u.logic.left);
        if (i + 1 == c.n) {
            c.first = make_operand(at->u.logic.left, at->u.logic.explicit_left, at->kind, false, &at->loc);
            c.v[i].left_end = operand_end_row(&c.first);
        } else {
            at = at->u.logic.left.v[0];
        }
    }
    return c;
}

static bool breaks_line(const step *s)
{
    if (s->right.braces) {
        return cs_pen__row(&s->right.brace) > s->left_end;
    }
    return cs_pen__row(&s->right.body.v[0]->loc) > s->left_end;
}

cs_pen_status cs_pen__logic(cs_pen *p, cs_expr *e, cs_notes *list)
{
    chain c = flatten(p, e);
    cs_pen_status status = put_operand(p, &c.first, list);
    bool indented = false;
    for (uint32_t i = c.n; i > 0 && status != CS_PEN_FAILED; i--) {
        const step *s = &c.v[i - 1];
        cs_pen__put(p, s->kind == CS_EXPR_AND ? " and" : " or");
        if (breaks_line(s)) {
            p->level += indented ? 0 : 1;
            indented = true;
            cs_pen__end_line(p);
            cs_pen__start_line(p);
        } else {
            cs_pen__put(p, " ");
        }
        status = put_operand(p, &s->right, list);
    }
    if (indented) {
        (void)cs_pen__down(p);
    }
    return status == CS_PEN_FAILED ? status : CS_PEN_OK;
}

cs_pen_status cs_pen__not(cs_pen *p, cs_expr *e, cs_notes *list)
{
    cs_body b = e->u.logic.left;
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&e->loc));
    if (status != CS_PEN_OK) {
        return status;
    }
    cs_pen__put(p, "not ");
    if (e->u.logic.explicit_left || b.n > 1) {
        return put_braces(p, b, &e->loc, list);
    }
    bool parens = not_needs_parens(b.v[0]);
    cs_pen__put(p, parens ? "(" : "");
    status = cs_pen__expr(p, b.v[0], list);
    if (status == CS_PEN_FAILED) {
        return status;
    }
    cs_pen__put(p, parens ? ")" : "");
    return CS_PEN_OK;
}

/* ---- unions at the beginning of a body */
void cs_pen__mark_union(cs_pen *p, const cs_expr *e)
{
    if (e->negated) {
        return;
    }
    if (is_logic(e)) {
        chain c = flatten(p, e);
        if (!c.first.braces && !c.first.parens) {
            cs_pen__mark_union(p, c.first.body.v[0]);
        }
        return;
    }
    if (cs_pen__is_union_expr(e)) {
        p->wrap_expr = e;
        return;
    }
    const cs_term *lead = leading_operand(e);
    if (lead && cs_pen__is_union(lead)) {
        p->wrap_term = lead;
    }
}
