/* Rules: heads, bodies, else. */
#include "rego/format/internal.h"

const cs_term *cs_pen__head_key(const cs_head *h)
{
    return h->key ? h->key : h->shows_key && h->ref->u.list.n > 1 ? h->ref->u.list.v[1] : NULL;
}

static bool is_true(const cs_term *t)
{
    return t->kind == CS_TERM_SCALAR && t->u.value.kind == CS_BOOL && t->u.value.u.i != 0;
}

/* A value without a body, or with the body `true`, which means the same. */
static bool is_constant(const cs_rule *r)
{
    const cs_expr *e = r->body.n == 1 ? r->body.v[0] : NULL;
    return e && !r->other && e->kind == CS_EXPR_TERM && !e->negated && e->n_with == 0 && is_true(e->u.term);
}

static bool is_set(const cs_expr *e)
{
    return e->kind == CS_EXPR_TERM && !e->negated && e->u.term->kind == CS_TERM_SET;
}

static bool takes_if(const cs_pen *p, const cs_rule *r)
{
    return (p->layout.v1 || p->use_if) && (p->use_contains || r->head.value);
}

/* ---- heads */
/* Constant parts only, unless the element is added under a key that varies. */
static cs_terms shown_ref(const cs_head *h)
{
    cs_terms ref = h->ref->u.list;
    if (!cs_pen__head_key(h) || h->value) {
        return ref;
    }
    for (uint32_t i = 1; i < ref.n; i++) {
        switch (ref.v[i]->kind) {
        case CS_TERM_SCALAR:
            continue;
        case CS_TERM_ARRAY:
        case CS_TERM_SET:
        case CS_TERM_OBJECT:
            if (cs_term_is_ground(ref.v[i])) {
                continue;
            }
            return ref;
        case CS_TERM_VAR:
        case CS_TERM_REF:
        case CS_TERM_ARRAY_COMPREHENSION:
        case CS_TERM_SET_COMPREHENSION:
        case CS_TERM_OBJECT_COMPREHENSION:
        case CS_TERM_CALL:
        case CS_TERM_TEMPLATE:
            return ref;
        }
    }
    ref.n = cs_ref_ground_prefix(h->ref);
    return ref;
}

/* *whole is set when the head has been written as it stands. */
static cs_pen_status put_name(cs_pen *p, const cs_head *h, bool *whole, cs_notes *list)
{
    cs_terms ref = shown_ref(h);
    *whole = false;
    cs_pen_status status = CS_PEN_OK;
    if (p->ref_heads || ref.n == 1) {
        status = cs_pen__ref(p, ref, list);
    } else if (list->n && list->v[0]->loc.row == cs_pen__row(&ref.v[1]->loc)) {
        *whole = true;
        status = cs_pen__verbatim(p, &h->loc, list);
    } else {
        cs_term_print(&p->out, ref.v[0]);
        cs_pen__put(p, "[");
        cs_term_print(&p->out, ref.v[1]);
        cs_pen__put(p, "]");
    }
    list->n = status == CS_PEN_OK ? list->n : 0;
    return status;
}

static cs_pen_status put_key(cs_pen *p, cs_term *key, cs_notes *list)
{
    cs_pen__put(p, p->use_contains ? " contains " : "[");
    cs_pen_status status = cs_pen__term(p, key, list);
    cs_pen__put(p, status == CS_PEN_OK && !p->use_contains ? "]" : "");
    return status;
}

static bool same_place(const cs_loc *a, const cs_loc *b)
{
    return !a->nowhere && !b->nowhere && a->offset == b->offset && a->from == b->from && a->length == b->length;
}

static bool shows_value(const cs_pen *p, const cs_rule *r, bool constant)
{
    const cs_head *h = &r->head;
    const cs_term *key = cs_pen__head_key(h);
    if (!h->value || (!key && is_true(h->value) && !constant && !r->is_default)) {
        return false;
    }
    /* f(1): nobody wrote the value. */
    bool implied = same_place(&h->loc, &h->value->loc) && !r->is_else && is_true(h->value);
    return !implied || (p->layout.v1 && constant && !key && h->args.n == 0);
}

static cs_pen_status put_head(cs_pen *p, cs_rule *r, bool constant, cs_notes *list)
{
    cs_head *h = &r->head;
    bool whole;
    cs_pen_status status = put_name(p, h, &whole, list);
    if (status != CS_PEN_OK || whole) {
        return status;
    }
    if (h->args.n) {
        cs_pen__put(p, "(");
        status = cs_pen__operands(p, h->args, &h->loc, list);
        cs_pen__put(p, ")");
    }
    if (status == CS_PEN_OK && h->key && !h->value) {
        status = put_key(p, h->key, list);
    }
    if (status == CS_PEN_OK && shows_value(p, r, constant)) {
        cs_pen__put(p, h->assign || p->layout.v1 ? " := " : " = ");
        status = cs_pen__term(p, h->value, list);
    }
    return status;
}

/* ---- else */
static cs_pen_status put_rule(cs_pen *p, cs_rule *r, cs_notes *list);

/* Did something stand on the line in front of the word? */
static bool was_in_line(const cs_rule *r)
{
    cs_slice rest = cs_pen__text(&r->loc), line;
    int64_t row = cs_pen__row(&r->other->loc) - cs_pen__row(&r->loc);
    if (row <= 0) {
        return false;
    }
    while (row-- > 0) {
        size_t newline = cs_slice_find_byte(rest, '\n', 0);
        if (newline == SIZE_MAX) {
            return false;
        }
        rest = cs_slice_sub(rest, newline + 1, rest.n);
    }
    size_t end = cs_slice_find_byte(rest, '\n', 0);
    line = cs_slice_sub(rest, 0, end == SIZE_MAX ? rest.n : end);
    return !cs_slice_starts(cs_slice_trim(line), CS_LIT("else"));
}

static cs_pen_status put_else(cs_pen *p, cs_rule *r, cs_notes *list)
{
    cs_rule *other = r->other;
    cs_head *h = &other->head;
    bool in_line = was_in_line(r);
    bool comment = (list->n && list->v[0]->loc.row < cs_pen__row(&h->loc)) || p->at_end;
    if (!comment && in_line) {
        cs_pen__put(p, " ");
    } else {
        cs_pen__blank_line(p);
        cs_pen__start_line(p);
    }
    cs_term *word = cs_term_var(p->ast, cs_sym_get(p->ast, CS_LIT("else")), h->loc);
    h->ref = cs_term_list(p->ast, CS_TERM_REF, &word, 1, h->loc);
    h->args.n = 0;
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&h->loc));
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    if (comment && !in_line) {
        cs_pen__start_line(p);
    }
    if (h->value) {
        h->value->loc = h->loc;
    }
    return put_rule(p, other, list);
}

/* ---- bodies */
/* `if` and one statement on the line of the head. */
static bool fits_head_line(const cs_rule *r)
{
    return r->body.n == 1 && cs_pen__row(&r->body.v[0]->loc) == cs_pen__end_row(&r->head.loc) && !is_set(r->body.v[0]);
}

static cs_pen_status put_short_body(cs_pen *p, cs_rule *r, cs_notes *list)
{
    cs_pen__put(p, " ");
    cs_pen_status status = cs_pen__expr(p, r->body.v[0], list);
    if (status == CS_PEN_FAILED) {
        list->n = 0;
        return status;
    }
    cs_pen__end_line(p);
    if (r->other) {
        status = put_else(p, r, list);
        list->n = status == CS_PEN_OK ? list->n : 0;
        return status;
    }
    return CS_PEN_OK;
}

static int64_t closing_row(const cs_rule *r)
{
    if (r->head.args.n) {
        return cs_pen__closing_row('(', ')', '{', '}', &r->loc);
    }
    if (cs_pen__head_key(&r->head)) {
        return cs_pen__closing_row('[', ']', '{', '}', &r->loc);
    }
    return cs_pen__closing_row(0, 0, '{', '}', &r->loc);
}

static cs_pen_status put_braced_body(cs_pen *p, cs_rule *r, bool uses_if, cs_notes *list)
{
    if (uses_if && !r->is_else) {
        cs_pen__mark_union(p, r->body.v[0]);
    }
    p->level++;
    cs_pen_status status = cs_pen__body(p, r->body, list);
    if (status != CS_PEN_FAILED) {
        status = cs_pen__notes(p, list, closing_row(r));
        status = status == CS_PEN_OK ? cs_pen__down(p) : status;
    }
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_pen__start_line(p);
    cs_pen__put(p, "}");
    if (r->other) {
        status = put_else(p, r, list);
        list->n = status == CS_PEN_OK ? list->n : 0;
    }
    return status;
}

static cs_pen_status put_rule(cs_pen *p, cs_rule *r, cs_notes *list)
{
    if (!r->is_else) {
        cs_pen__start_line(p);
    }
    cs_pen__put(p, r->is_default ? "default " : "");
    bool constant = is_constant(r);
    p->last_line_comment = constant;
    cs_pen_status status = put_head(p, r, constant, list);
    if (status == CS_PEN_FAILED) {
        list->n = 0;
        return status;
    }
    if (constant) {
        cs_pen__end_line(p);
        return CS_PEN_OK;
    }
    p->last_line_comment = true;
    bool uses_if = takes_if(p, r);
    if (uses_if) {
        cs_pen__put(p, " if");
        if (fits_head_line(r)) {
            return put_short_body(p, r, list);
        }
    }
    if (status == CS_PEN_ODD && list->n) {
        cs_pen__put(p, " { ");
    } else {
        cs_pen__put(p, " {");
        cs_pen__end_line(p);
    }
    return put_braced_body(p, r, uses_if, list);
}

/* ---- groups of rules */
/* Such rules stay together when they are written one under another. */
static bool is_one_line(const cs_pen *p, const cs_rule *r)
{
    return r->body.n == 1 && !r->is_default && !r->other && !is_set(r->body.v[0]) && takes_if(p, r);
}

static void keep_failure(cs_pen *p, cs_pen_status status)
{
    if (status == CS_PEN_FAILED) {
        cs_pen__format_error(p, p->why);
    }
}

cs_pen_status cs_pen__rules(cs_pen *p, cs_rule **v, size_t n, cs_notes *list)
{
    for (size_t i = 0; i < n && !p->changes; i++) {
        keep_failure(p, cs_pen__notes(p, list, cs_pen__row(&v[i]->loc)));
        keep_failure(p, put_rule(p, v[i], list));
        if (!cs_pen__same(p)) {
            break;
        }
        bool together = i + 1 < n && is_one_line(p, v[i]) && is_one_line(p, v[i + 1]) &&
                        cs_pen__row(&v[i + 1]->loc) == cs_pen__row(&v[i]->loc) + 1;
        if (!together) {
            cs_pen__blank_line(p);
        }
    }
    return CS_PEN_OK;
}
