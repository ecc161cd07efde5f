/* Statements: calls, with, some, every. */
#include "rego/format/internal.h"

/* ---- operators */
const cs_infix *cs_pen__infix(const cs_term *operator)
{
    static const cs_infix rows[] = {
        {"plus", "+", 2},
        {"minus", "-", 2},
        {"mul", "*", 2},
        {"div", "/", 2},
        {"rem", "%", 2},
        {"and", "&", 2},
        {"or", "|", 2},
        {"eq", "=", 2},
        {"assign", ":=", 2},
        {"equal", "==", 2},
        {"neq", "!=", 2},
        {"lt", "<", 2},
        {"lte", "<=", 2},
        {"gt", ">", 2},
        {"gte", ">=", 2},
        {"internal.member_2", "in", 2},
        {"internal.member_3", "in", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (cs_ref_is(operator, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* "have: (number)" and "want: (any, any)" */
void cs_pen__wrong_arity(cs_pen *p, const cs_infix *infix, cs_terms operands, const cs_loc *loc)
{
    cs_slice file = loc->source ? loc->source->file : CS_LIT("");
    cs_slice want = cs_layout__operand_types(p->arena, infix->name);
    cs_buf details;
    cs_buf_init(&details);
    cs_buf_text(&details, "have: (");
    for (uint32_t i = 0; i < operands.n; i++) {
        cs_buf_text(&details, i ? "," : "");
        cs_buf_text(&details, cs_term_kind_name(operands.v[i]));
    }
    cs_buf_text(&details, ")\nwant: (");
    cs_buf_slice(&details, want);
    cs_buf_byte(&details, ')');
    (void)cs_errors_add(p->errors, CS_ERR_REGO_TYPE, file, (uint32_t)cs_pen__row(loc), loc->col, cs_buf_view(&details),
                        "%s: arity mismatch", infix->name);
    cs_buf_destroy(&details);
}

bool cs_pen__is_union(const cs_term *t)
{
    return t->kind == CS_TERM_CALL && cs_ref_is(t->u.list.v[0], "or");
}

bool cs_pen__is_union_expr(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "or");
}

/* ---- calls */
cs_pen_status cs_pen__call_plain(cs_pen *p, cs_terms call, cs_notes *list)
{
    cs_notes before = *list;
    cs_pen_status status = CS_PEN_OK;
    if (call.v[0]->kind == CS_TERM_REF) {
        status = cs_pen__ref(p, call.v[0]->u.list, list);
        if (status != CS_PEN_OK) {
            return status;
        }
        *list = before; /* whatever the name had taken */
    } else {
        cs_term_print(&p->out, call.v[0]);
    }
    cs_pen__put(p, "(");
    status = cs_pen__operands(p, (cs_terms){call.v + 1, call.n - 1}, &call.v[0]->loc, list);
    cs_pen__put(p, ")");
    list->n = status == CS_PEN_OK ? list->n : 0;
    return status;
}

static cs_pen_status in_operand(cs_pen *p, cs_term *t, const char *before, cs_notes *list)
{
    cs_pen__put(p, before);
    cs_pen_status status = cs_pen__term_in(p, true, t, list);
    list->n = status == CS_PEN_OK ? list->n : 0;
    return status;
}

cs_pen_status cs_pen__in(cs_pen *p, bool parens, cs_terms operands, const char *name, const cs_loc *loc, cs_notes *list)
{
    bool pair = strcmp(name, "internal.member_3") == 0;
    if (operands.n != (pair ? 3U : 2U)) {
        cs_pen__wrong_arity(p, &(cs_infix){name, "in", pair ? 3 : 2}, operands, loc);
        return CS_PEN_OK;
    }
    parens = parens && pair;
    cs_pen__put(p, parens ? "(" : "");
    cs_pen_status status = in_operand(p, operands.v[0], "", list);
    if (status == CS_PEN_OK && pair) {
        status = in_operand(p, operands.v[1], ", ", list);
    }
    if (status == CS_PEN_OK) {
        status = in_operand(p, operands.v[operands.n - 1], " in ", list);
    }
    cs_pen__put(p, parens ? ")" : "");
    return status;
}

/* x != y; with one operand more the result is unified with it: z = x + y. */
static cs_pen_status put_infix(cs_pen *p, const cs_infix *infix, cs_terms call, cs_notes *list)
{
    cs_pen_status status;
    if (call.n == infix->arity + 2) {
        status = cs_pen__term(p, call.v[3], list);
        if (status != CS_PEN_OK) {
            list->n = 0;
            return status;
        }
        cs_pen__put(p, " = ");
    }
    status = cs_pen__term(p, call.v[1], list);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_buf_printf(&p->out, " %s ", infix->spelling);
    status = cs_pen__term(p, call.v[2], list);
    if (status != CS_PEN_OK && call.n == infix->arity + 2) {
        list->n = 0;
    }
    return status;
}

static cs_pen_status put_call(cs_pen *p, cs_terms call, cs_notes *list)
{
    const cs_infix *infix = cs_pen__infix(call.v[0]);
    cs_terms operands = {call.v + 1, call.n - 1};
    if (!infix) {
        return cs_pen__call_plain(p, call, list);
    }
    if (strcmp(infix->spelling, "in") == 0) {
        return cs_pen__in(p, false, operands, infix->name, &call.v[0]->loc, list);
    }
    if (operands.n == infix->arity || operands.n == infix->arity + 1) {
        return put_infix(p, infix, call, list);
    }
    cs_pen__wrong_arity(p, infix, operands, &call.v[0]->loc);
    return cs_pen__call_plain(p, call, list);
}

/* ---- some and every */
static cs_pen_status put_some(cs_pen *p, cs_expr *e, cs_notes *list)
{
    int64_t row = cs_pen__row(&e->loc);
    cs_pen_status status = cs_pen__notes(p, list, row);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_pen__put(p, "some ");
    for (uint32_t i = 0; i < e->u.some.n; i++) {
        cs_term *t = e->u.some.v[i];
        if (t->kind == CS_TERM_CALL) {
            const cs_infix *infix = cs_pen__infix(t->u.list.v[0]);
            cs_terms operands = {t->u.list.v + 1, t->u.list.n - 1};
            status = cs_pen__in(p, false, operands, infix ? infix->name : "internal.member_2", &e->loc, list);
        } else {
            if (cs_pen__row(&t->loc) > row) {
                cs_pen__end_line(p);
                cs_pen__start_line(p);
                cs_pen__put(p, "\t");
                row = cs_pen__row(&t->loc);
            } else if (i > 0) {
                cs_pen__put(p, " ");
            }
            status = cs_pen__term(p, t, list);
            cs_pen__put(p, status == CS_PEN_OK && i + 1 < e->u.some.n ? "," : "");
        }
        if (status != CS_PEN_OK) {
            list->n = 0;
            return status;
        }
    }
    return CS_PEN_OK;
}

static cs_pen_status every_head(cs_pen *p, cs_expr *e, cs_notes *list)
{
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&e->loc));
    cs_term *const parts[3] = {e->u.every.key, e->u.every.value, e->u.every.domain};
    static const char *const after[3] = {", ", " in ", " {"};
    if (status == CS_PEN_OK) {
        cs_pen__put(p, "every ");
    }
    for (size_t i = 0; i < 3 && status == CS_PEN_OK; i++) {
        if (parts[i]) {
            status = cs_pen__term(p, parts[i], list);
            cs_pen__put(p, status == CS_PEN_OK ? after[i] : "");
        }
    }
    return status;
}

static cs_pen_status put_every(cs_pen *p, cs_expr *e, cs_notes *list)
{
    cs_pen_status status = every_head(p, e, list);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_body b = e->u.every.body;
    status = cs_pen__block(p, '{', '}', b, &e->loc, &e->loc, list);
    if (status == CS_PEN_FAILED) {
        list->n = 0;
        return status;
    }
    bool in_line = b.n == 1 && cs_pen__row(&b.v[0]->loc) == (p->layout.made ? 1 : cs_pen__row(&e->loc));
    cs_pen__put(p, in_line ? " }" : "}");
    return CS_PEN_OK;
}

/* ---- with */
static cs_pen_status put_with(cs_pen *p, cs_with *with, bool indented, cs_notes *list)
{
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&with->loc));
    if (status == CS_PEN_OK) {
        cs_pen__put(p, indented ? "with " : " with ");
        status = cs_pen__term(p, with->target, list);
    }
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_pen__put(p, " as ");
    status = cs_pen__term(p, with->value, list);
    return status == CS_PEN_FAILED ? status : CS_PEN_OK;
}

/* The row on which the statement ends, its `with`s apart. */
static int64_t terms_end_row(const cs_expr *e)
{
    cs_loc loc = e->loc;
    if (loc.nowhere) {
        return cs_pen__row(&loc);
    }
    cs_slice text = cs_pen__text(&loc);
    if (e->n_with && e->with[0].loc.offset > loc.offset && e->with[0].loc.offset - loc.offset <= text.n) {
        text.n = e->with[0].loc.offset - loc.offset;
    }
    while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t' || text.p[text.n - 1] == '\r' ||
                      text.p[text.n - 1] == '\n')) {
        text.n--;
    }
    loc.length = (uint32_t)text.n;
    return cs_pen__end_row(&loc);
}

static cs_pen_status put_withs(cs_pen *p, cs_expr *e, cs_notes *list)
{
    int64_t last = terms_end_row(e);
    uint32_t i = 0;
    cs_pen_status status = CS_PEN_OK;
    if (cs_pen__row(&e->with[0].loc) == last) {
        status = put_with(p, &e->with[0], false, list);
        i = 1;
    }
    bool indented = false;
    for (; i < e->n_with && status == CS_PEN_OK; i++) {
        int64_t row = cs_pen__row(&e->with[i].loc);
        bool indent = row > last;
        if (indent) {
            p->level += indented ? 0 : 1;
            indented = true;
            cs_pen__end_line(p);
            cs_pen__start_line(p);
            last = row;
        }
        status = put_with(p, &e->with[i], indent, list);
    }
    if (indented) {
        (void)cs_pen__down(p);
    }
    return status;
}

/* ---- any statement */
static cs_pen_status put_terms(cs_pen *p, cs_expr *e, cs_notes *list)
{
    cs_pen_status status = CS_PEN_OK;
    switch (e->kind) {
    case CS_EXPR_TERM:
        return cs_pen__term(p, e->u.term, list);
    case CS_EXPR_CALL:
        return put_call(p, e->u.call, list);
    case CS_EXPR_SOME:
        status = put_some(p, e, list);
        break;
    case CS_EXPR_EVERY:
        status = put_every(p, e, list);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
        status = cs_pen__logic(p, e, list);
        break;
    case CS_EXPR_NOT:
        status = cs_pen__not(p, e, list);
        break;
    }
    list->n = status == CS_PEN_OK ? list->n : 0;
    return status;
}

cs_pen_status cs_pen__expr(cs_pen *p, cs_expr *e, cs_notes *list)
{
    bool wrap = p->wrap_expr == e;
    p->wrap_expr = wrap ? NULL : p->wrap_expr;
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&e->loc));
    if (status != CS_PEN_OK) {
        return status;
    }
    if (!p->in_line) {
        cs_pen__start_line(p);
    }
    cs_pen__put(p, e->negated ? "not " : "");
    cs_pen__put(p, wrap ? "(" : "");
    status = put_terms(p, e, list);
    if (status != CS_PEN_OK) {
        return status;
    }
    cs_pen__put(p, wrap ? ")" : "");
    return e->n_with ? put_withs(p, e, list) : CS_PEN_OK;
}

cs_pen_status cs_pen__body(cs_pen *p, cs_body b, cs_notes *list)
{
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&b.v[0]->loc));
    for (uint32_t i = 0; i < b.n && status == CS_PEN_OK; i++) {
        if (i > 0 && cs_pen__row(&b.v[i]->loc) > cs_pen__end_row(&b.v[i - 1]->loc) + 1) {
            cs_pen__blank_line(p);
        }
        cs_pen__start_line(p);
        if (cs_pen__expr(p, b.v[i], list) == CS_PEN_FAILED) {
            cs_pen__format_error(p, p->why);
        }
        cs_pen__end_line(p);
    }
    return status;
}
