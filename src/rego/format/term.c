/* Terms: scalars as they were written, references, calls of operators, template strings. */
#include "rego/format/internal.h"

/* ---- scalars */
/* The value does not tell how a string was written: raw strings and escapes come from the text. In a statement that has
 * the place of its whole `else` the text begins with other things. */
static void put_string(cs_pen *p, const cs_term *t)
{
    cs_slice text = cs_pen__text(&t->loc);
    if (text.n && text.p[0] == '`') {
        cs_buf_slice(&p->out, text);
        return;
    }
    char quote = text.n ? text.p[text.n - 1] : '\0';
    if (quote == '"' || quote == '`') {
        cs_buf_slice(&p->out, cs_slice_sub(text, cs_slice_find_byte(text, quote, 0), text.n));
    } else {
        cs_term_print(&p->out, t);
    }
}

/* OPA keeps ".5" as it was written; here it is 0.5, so the text is asked. */
static void put_number(cs_pen *p, const cs_term *t)
{
    cs_buf printed;
    cs_buf_init(&printed);
    cs_term_print(&printed, t);
    cs_slice digits = cs_buf_view(&printed);
    bool minus = cs_slice_starts(digits, CS_LIT("-"));
    if (!t->loc.nowhere && t->loc.source && cs_slice_starts(cs_slice_sub(digits, minus, digits.n), CS_LIT("0."))) {
        cs_slice source = t->loc.source->text;
        size_t at = t->loc.offset;
        while (minus && at < source.n && (source.p[at] == '-' || (unsigned char)source.p[at] <= ' ')) {
            at++;
        }
        if (at < source.n && source.p[at] == '.') {
            cs_pen__put(p, minus ? "-" : "");
            digits = cs_slice_sub(digits, minus ? 2 : 1, digits.n);
        }
    }
    cs_buf_slice(&p->out, digits);
    cs_buf_destroy(&printed);
}

static void put_scalar(cs_pen *p, const cs_term *t)
{
    if (t->u.value.kind == CS_STRING) {
        put_string(p, t);
    } else if (t->u.value.kind == CS_NUMBER) {
        put_number(p, t);
    } else {
        cs_term_print(&p->out, t);
    }
}

/* ---- template strings */
static void put_template_text(cs_pen *p, const cs_term *t, bool raw)
{
    cs_slice s = cs_text(t->u.value);
    cs_buf quoted;
    cs_buf_init(&quoted);
    if (!raw) {
        cs_quote(&quoted, s);
        s = cs_buf_view(&quoted);
    }
    size_t from = raw ? 0 : 1, to = raw ? s.n : s.n - 1;
    for (size_t i = from; i < to; i++) {
        if (s.p[i] == '{' && (i == 0 || s.p[i - 1] != '\\')) {
            cs_buf_byte(&p->out, '\\');
        }
        cs_buf_byte(&p->out, s.p[i]);
    }
    cs_buf_destroy(&quoted);
}

/* The expression of a part, if it is not a scalar; made of the term where the parser kept no more. */
static cs_expr *part_expr(cs_pen *p, const cs_term *t, uint32_t i)
{
    cs_term *part = t->u.list.v[i];
    cs_expr *kept = t->u.template_string.exprs ? t->u.template_string.exprs[i] : NULL;
    if (kept || part->kind == CS_TERM_SCALAR) {
        return kept;
    }
    cs_expr *e = cs_arena_new(p->arena, cs_expr);
    e->loc = t->u.template_string.places ? t->u.template_string.places[i] : part->loc;
    if (part->kind == CS_TERM_CALL) {
        e->kind = CS_EXPR_CALL;
        e->u.call = part->u.list;
    } else {
        e->kind = CS_EXPR_TERM;
        e->u.term = part;
    }
    return e;
}

static const cs_loc *part_place(const cs_term *t, uint32_t i)
{
    return t->u.template_string.places ? &t->u.template_string.places[i] : &t->u.list.v[i]->loc;
}

/* Comments above `row`, taken off the list; they begin on a line of their own if `apart`. */
static bool template_comments(cs_pen *p, cs_notes *list, int64_t row, bool apart)
{
    size_t above = cs_pen__count_above(*list, row);
    if (above == 0) {
        return false;
    }
    if (apart) {
        cs_pen__end_line(p);
    } else {
        cs_pen__put(p, " ");
        p->in_line = true;
    }
    cs_pen__put_notes(p, (cs_notes){list->v, above});
    list->v += above;
    list->n -= above;
    return true;
}

static cs_pen_status template_expr(cs_pen *p, const cs_term *t, uint32_t i, cs_expr *e, cs_notes *list)
{
    cs_pen__put(p, "{");
    p->level++;
    if (p->at_end) {
        cs_pen__end_line(p);
        cs_pen__start_line(p);
    } else {
        (void)template_comments(p, list, cs_pen__row(&e->loc), false);
    }
    cs_pen_status status = cs_pen__expr(p, e, list);
    if (status != CS_PEN_OK) {
        return status;
    }
    if (i + 1 < t->u.list.n && template_comments(p, list, cs_pen__row(part_place(t, i + 1)), true)) {
        cs_pen__start_line(p);
    }
    cs_pen__put(p, "}");
    status = cs_pen__down(p);
    list->n = status == CS_PEN_OK ? list->n : 0;
    return status;
}

static cs_pen_status put_template(cs_pen *p, const cs_term *t, cs_notes *list)
{
    const char *quote = t->raw ? "`" : "\"";
    cs_pen__put(p, "$");
    cs_pen__put(p, quote);
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        cs_expr *e = part_expr(p, t, i);
        if (e) {
            cs_pen_status status = template_expr(p, t, i, e, list);
            if (status != CS_PEN_OK) {
                return status;
            }
        } else if (cs_term_is_string(t->u.list.v[i])) {
            put_template_text(p, t->u.list.v[i], t->raw);
        } else {
            put_scalar(p, t->u.list.v[i]);
        }
    }
    cs_pen__put(p, quote);
    return CS_PEN_OK;
}

/* ---- references */
static bool is_name(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return s.n > 0;
}

static bool is_keyword(const cs_pen *p, cs_slice word)
{
    static const char *const v0[] = {"not",  "package", "import", "as",    "default", "else",
                                     "with", "null",    "true",   "false", "some"};
    static const char *const v1[] = {"if", "contains", "in", "every"};
    for (size_t i = 0; i < sizeof v0 / sizeof *v0; i++) {
        if (cs_slice_is(word, v0[i])) {
            return true;
        }
    }
    for (size_t i = 0; (p->layout.v1 || p->keywords_v2) && i < sizeof v1 / sizeof *v1; i++) {
        if (cs_slice_is(word, v1[i])) {
            return true;
        }
    }
    if (p->keywords_v2) {
        return cs_slice_is(word, "and") || cs_slice_is(word, "or");
    }
    for (size_t i = 0; i < p->future.n; i++) {
        if (cs_slice_eq(word, p->future.v[i])) {
            return true;
        }
    }
    return false;
}

/* x["a"] becomes x.a, unless the word is a keyword and was written in brackets. */
static void put_ref_name(cs_pen *p, const cs_term *t)
{
    cs_slice s = cs_text(t->u.value);
    bool bracket = !is_name(s);
    if (!bracket && is_keyword(p, s)) {
        /* What nobody wrote counts as written with quotes. */
        bracket = p->layout.quote_keywords || t->loc.nowhere || cs_slice_starts(cs_pen__text(&t->loc), CS_LIT("\""));
    }
    if (bracket) {
        cs_pen__put(p, "[");
        cs_quote(&p->out, s);
        cs_pen__put(p, "]");
    } else {
        cs_pen__put(p, ".");
        cs_buf_slice(&p->out, s);
    }
}

cs_pen_status cs_pen__ref(cs_pen *p, cs_terms ref, cs_notes *list)
{
    bool parens = ref.v[0]->kind == CS_TERM_CALL && cs_pen__starts_with_paren(ref.v[0]);
    cs_pen_status status = cs_pen__term_in(p, parens, ref.v[0], list);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    for (uint32_t i = 1; i < ref.n; i++) {
        cs_term *t = ref.v[i];
        if (cs_term_is_string(t)) {
            put_ref_name(p, t);
            continue;
        }
        cs_pen__put(p, "[");
        if (t->kind == CS_TERM_VAR) {
            cs_term_print(&p->out, t);
        } else {
            status = cs_pen__term(p, t, list);
            if (status == CS_PEN_FAILED) {
                list->n = 0;
                return status;
            }
            if (status == CS_PEN_ODD) {
                cs_pen__put(p, "\n"); /* so that the bracket is not part of the comment */
            }
        }
        cs_pen__put(p, "]");
    }
    return CS_PEN_OK;
}

/* ---- calls of operators inside other terms */
static cs_pen_status put_call(cs_pen *p, bool parens, const cs_term *t, cs_notes *list)
{
    cs_terms call = t->u.list;
    const cs_infix *infix = cs_pen__infix(call.v[0]);
    if (!infix) {
        return cs_pen__call_plain(p, call, list);
    }
    cs_terms operands = {call.v + 1, call.n - 1};
    if (strcmp(infix->spelling, "in") == 0) {
        return cs_pen__in(p, true, operands, infix->name, &t->loc, list);
    }
    cs_pen__put(p, parens ? "(" : "");
    if (operands.n != infix->arity) {
        cs_pen__wrong_arity(p, infix, operands, &t->loc);
        return CS_PEN_OK;
    }
    for (uint32_t i = 0; i < 2; i++) {
        cs_pen_status status = cs_pen__term_in(p, true, operands.v[i], list);
        if (status != CS_PEN_OK) {
            list->n = 0;
            return status;
        }
        if (i == 0) {
            cs_buf_printf(&p->out, " %s ", infix->spelling);
        }
    }
    cs_pen__put(p, parens ? ")" : "");
    return CS_PEN_OK;
}

/* ---- any term */
static cs_pen_status put_value(cs_pen *p, bool parens, cs_term *t, cs_notes *list)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        put_scalar(p, t);
        return CS_PEN_OK;
    case CS_TERM_VAR:
        cs_term_print(&p->out, t);
        return CS_PEN_OK;
    case CS_TERM_REF:
        return cs_pen__ref(p, t->u.list, list);
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        return cs_pen__collection(p, t, list);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return cs_pen__comprehension(p, t, list);
    case CS_TERM_CALL:
        return put_call(p, parens, t, list);
    case CS_TERM_TEMPLATE:
        return put_template(p, t, list);
    }
    return CS_PEN_OK;
}

cs_pen_status cs_pen__term_in(cs_pen *p, bool parens, cs_term *t, cs_notes *list)
{
    if (p->wrap_term == t) {
        p->wrap_term = NULL;
        parens = true;
    }
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&t->loc));
    if (status == CS_PEN_OK && !p->in_line) {
        cs_pen__start_line(p);
    }
    status = status == CS_PEN_OK ? put_value(p, parens, t, list) : status;
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    if (!p->in_line) {
        cs_pen__start_line(p);
    }
    return CS_PEN_OK;
}

cs_pen_status cs_pen__term(cs_pen *p, cs_term *t, cs_notes *list)
{
    if (list->n == 0) {
        return cs_pen__term_in(p, false, t, list);
    }
    size_t written = p->out.n;
    uint32_t level = p->level;
    cs_notes saved = *list;
    cs_pen_status status = cs_pen__term_in(p, false, t, list);
    if (status != CS_PEN_ODD) {
        return status;
    }
    p->out.n = written;
    p->level = level;
    if (p->at_end && cs_pen__text(&t->loc).n) {
        int64_t row = p->at_end->loc.row;
        if (row >= cs_pen__row(&t->loc) && row <= cs_pen__end_row(&t->loc)) {
            p->at_end = NULL; /* it is in the text that follows */
        }
    }
    *list = saved;
    status = cs_pen__verbatim(p, &t->loc, list);
    return status == CS_PEN_OK ? CS_PEN_ODD : status;
}
