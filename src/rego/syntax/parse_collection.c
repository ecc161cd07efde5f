/* Arrays, sets, objects, their comprehensions, and template strings. `[x | …]` and `{x | …}` are comprehensions
 * wherever they can be: only when the part after the bar is no body is the bar an operator. */
#include "rego/syntax/internal.h"

bool cs_parse__term_list(cs_parser *p, cs_token end)
{
    while (p->s.token != end) {
        cs_term *t = cs_parse__infix_in_list(p);
        if (!t) {
            return false;
        }
        CS_VEC_PUSH(&p->scratch, t);
        if (p->s.token == end) {
            break;
        }
        if (p->s.token != CS_TOK_COMMA) {
            cs_parse__illegal(p, "expected \",\" or \"%s\"", cs_token__name(end));
            return false;
        }
        cs_parse__scan(p);
    }
    return true;
}

/* key: value, … up to the closing brace. */
static bool pair_list(cs_parser *p)
{
    while (p->s.token != CS_TOK_RBRACE) {
        cs_term *key = cs_parse__infix_in_list(p);
        if (!key) {
            return false;
        }
        if (p->s.token != CS_TOK_COLON) {
            cs_parse__illegal(p, "expected \":\"");
            return false;
        }
        cs_parse__scan(p);
        cs_term *value = cs_parse__infix_in_list(p);
        if (!value) {
            return false;
        }
        CS_VEC_PUSH(&p->scratch, key);
        CS_VEC_PUSH(&p->scratch, value);
        if (p->s.token == CS_TOK_RBRACE) {
            break;
        }
        if (p->s.token != CS_TOK_COMMA) {
            cs_parse__illegal(p, "expected \",\" or \"}\"");
            return false;
        }
        cs_parse__scan(p);
    }
    return true;
}

/* A collection of `first` (and `second`), which have been read, and of the rest up to `end`. */
static cs_term *collect(cs_parser *p, cs_term_kind kind, cs_token end, cs_loc loc, cs_term *first, cs_term *second)
{
    size_t mark = p->scratch.n;
    if (first) {
        CS_VEC_PUSH(&p->scratch, first);
    }
    if (second) {
        CS_VEC_PUSH(&p->scratch, second);
    }
    bool ok = kind == CS_TERM_OBJECT ? pair_list(p) : cs_parse__term_list(p, end);
    cs_term *t = NULL;
    if (ok) {
        t = cs_parse__take(p, mark, kind, cs_parse__span(loc, p->s.token_end));
    }
    p->scratch.n = mark;
    return t;
}

/* After the bar. */
static cs_term *comprehension(cs_parser *p, cs_term_kind kind, cs_loc loc, cs_term *key, cs_term *head)
{
    cs_parse__scan(p);
    cs_body body = cs_parse__body(p, kind == CS_TERM_ARRAY_COMPREHENSION ? CS_TOK_RBRACK : CS_TOK_RBRACE);
    if (body.n == 0) {
        return NULL;
    }
    return cs_term_comprehension(p->ast, kind, key, head, body, cs_parse__span(loc, p->s.token_end));
}

/* A comma in front of the first element is let through, as OPA does; nothing with one is a comprehension. */
static bool leading_comma(cs_parser *p)
{
    if (p->s.token != CS_TOK_COMMA) {
        return false;
    }
    cs_parse__scan(p);
    return true;
}

cs_term *cs_parse__array(cs_parser *p)
{
    cs_loc loc = cs_parse__loc(p);
    cs_parse__scan(p);
    if (p->s.token == CS_TOK_RBRACK) {
        return cs_term_list(p->ast, CS_TERM_ARRAY, NULL, 0, cs_parse__span(loc, p->s.token_end));
    }
    bool comma = leading_comma(p);
    cs_parse_state saved = p->s;
    cs_term *head = cs_parse__term(p);
    if (!head) {
        return NULL;
    }
    if (p->s.token == CS_TOK_RBRACK) {
        return collect(p, CS_TERM_ARRAY, CS_TOK_RBRACK, loc, head, NULL);
    }
    if (p->s.token == CS_TOK_COMMA) {
        cs_parse__scan(p);
        return collect(p, CS_TERM_ARRAY, CS_TOK_RBRACK, loc, head, NULL);
    }
    if (p->s.token == CS_TOK_OR && !comma) {
        cs_term *t = comprehension(p, CS_TERM_ARRAY_COMPREHENSION, loc, NULL, head);
        if (t || p->s.token != CS_TOK_COMMA) {
            return t;
        }
    }
    p->s = saved;
    return collect(p, CS_TERM_ARRAY, CS_TOK_RBRACK, loc, NULL, NULL);
}

/* A set after its first element; `saved` is the state before it. */
static cs_term *set_after(cs_parser *p, cs_loc loc, const cs_parse_state *saved, cs_term *head)
{
    bool more = p->s.token == CS_TOK_COMMA;
    if (more) {
        cs_parse__scan(p);
    }
    if (more || p->s.token != CS_TOK_OR) {
        return collect(p, CS_TERM_SET, CS_TOK_RBRACE, loc, head, NULL);
    }
    cs_term *t = comprehension(p, CS_TERM_SET_COMPREHENSION, loc, NULL, head);
    if (t || p->s.token != CS_TOK_COMMA) {
        return t;
    }
    p->s = *saved;
    return collect(p, CS_TERM_SET, CS_TOK_RBRACE, loc, NULL, NULL);
}

/* An object after its first pair: } or , or | */
static cs_term *object_after(cs_parser *p, cs_loc loc, cs_term *key, cs_term *value, bool may_comprehend)
{
    if (p->s.token == CS_TOK_OR) {
        if (may_comprehend) {
            return comprehension(p, CS_TERM_OBJECT_COMPREHENSION, loc, key, value);
        }
        cs_parse__illegal(p, "non-terminated object");
        return NULL;
    }
    if (p->s.token == CS_TOK_COMMA) {
        cs_parse__scan(p);
    }
    return collect(p, CS_TERM_OBJECT, CS_TOK_RBRACE, loc, key, value);
}

/* At the colon after the first key. */
static cs_term *object(cs_parser *p, cs_loc loc, cs_term *key, bool may_comprehend)
{
    cs_parse__scan(p);
    cs_parse_state saved = p->s;
    cs_term *value = cs_parse__term(p);
    if (!value) {
        return NULL;
    }
    if (may_comprehend && (p->s.token == CS_TOK_RBRACE || p->s.token == CS_TOK_COMMA)) {
        return object_after(p, loc, key, value, true);
    }
    if (may_comprehend && p->s.token == CS_TOK_OR) {
        cs_term *t = object_after(p, loc, key, value, true);
        if (t) {
            return t;
        }
    }
    p->s = saved;
    value = cs_parse__infix_in_list(p);
    if (!value) {
        return NULL;
    }
    if (p->s.token == CS_TOK_RBRACE || p->s.token == CS_TOK_COMMA) {
        return object_after(p, loc, key, value, false);
    }
    cs_parse__illegal(p, "non-terminated object");
    return NULL;
}

cs_term *cs_parse__set_or_object(cs_parser *p)
{
    cs_loc loc = cs_parse__loc(p);
    cs_parse__scan(p);
    if (p->s.token == CS_TOK_RBRACE) {
        return cs_term_list(p->ast, CS_TERM_OBJECT, NULL, 0, cs_parse__span(loc, p->s.token_end));
    }
    bool comma = leading_comma(p);
    cs_parse_state saved = p->s;
    cs_term *head = cs_parse__term(p);
    if (!head) {
        return NULL;
    }
    if (p->s.token == CS_TOK_RBRACE || p->s.token == CS_TOK_COMMA || (p->s.token == CS_TOK_OR && !comma)) {
        return set_after(p, loc, &saved, head);
    }
    if (p->s.token == CS_TOK_COLON) {
        return object(p, loc, head, !comma);
    }
    p->s = saved;
    head = cs_parse__infix_in_list(p);
    if (!head) {
        return NULL;
    }
    if (p->s.token == CS_TOK_RBRACE || p->s.token == CS_TOK_COMMA) {
        return set_after(p, loc, &saved, head);
    }
    if (p->s.token == CS_TOK_COLON) {
        return object(p, loc, head, !comma);
    }
    cs_parse__illegal(p, "non-terminated set");
    return NULL;
}

/* ---- template strings */
static bool is_plain_call(const cs_expr *e, const char *name)
{
    return e->kind == CS_EXPR_CALL && cs_ref_is(e->u.call.v[0], name);
}

/* What a {…} may not be. */
static bool template_expr_ok(cs_parser *p, const cs_expr *e)
{
    const char *what = NULL;
    if (e->negated) {
        what = "negation ('not')";
    } else if (is_plain_call(e, "eq")) {
        what = "unification ('=')";
    } else if (is_plain_call(e, "assign")) {
        what = "assignment (':=')";
    } else if (e->kind == CS_EXPR_EVERY) {
        what = "'every'";
    } else if (e->kind == CS_EXPR_SOME) {
        what = "'some'";
    }
    if (what) {
        cs_parse__error(p, e->loc, "unexpected %s in template-string expression", what);
    }
    return !what;
}

/* The term of an expression, and the expression itself where a term does not say it all. A comment inside makes OPA
 * keep even a scalar as an expression; so do we. */
static cs_term *template_part(cs_parser *p, cs_expr *e, bool commented, cs_expr **kept)
{
    bool plain = e->n_with == 0;
    *kept = NULL;
    cs_term *t = NULL;
    switch (e->kind) {
    case CS_EXPR_TERM:
        t = e->u.term;
        plain = plain && !(commented && t->kind == CS_TERM_SCALAR);
        break;
    case CS_EXPR_CALL:
        t = cs_term_list(p->ast, CS_TERM_CALL, e->u.call.v, e->u.call.n, e->loc);
        break;
    case CS_EXPR_SOME:
    case CS_EXPR_EVERY:
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        t = cs_parse__true(p, e->loc);
        plain = false;
        break;
    }
    if (!plain) {
        *kept = e;
        t = t->kind == CS_TERM_SCALAR ? cs_parse__true(p, e->loc) : t;
    }
    return t;
}

/* What is known of a part besides its term. */
typedef struct template_note {
    cs_expr *kept; /* or NULL */
    cs_loc place;
} template_note;

typedef CS_VEC(template_note) note_vec;

/* One {…}: true when the template goes on. */
static bool template_expr(cs_parser *p, bool raw, note_vec *notes)
{
    uint32_t comments = p->s.n_comments;
    cs_parse__scan(p);
    bool commented = p->s.n_comments != comments;
    cs_expr *e = cs_parse__literal(p);
    if (!e) {
        cs_parse__error(p, cs_parse__loc(p), "invalid template-string expression");
        return false;
    }
    if (!template_expr_ok(p, e)) {
        return false;
    }
    template_note note = {.place = e->loc};
    CS_VEC_PUSH(&p->scratch, template_part(p, e, commented, &note.kept));
    CS_VEC_PUSH(notes, note);
    if (p->s.token != CS_TOK_RBRACE) {
        cs_parse__error(p, cs_parse__loc(p), "expected } to end template string expression");
        return false;
    }
    cs_lex__scan(p, false, raw ? CS_LEX_RAW_TEMPLATE : CS_LEX_TEMPLATE);
    return true;
}

/* The text at hand, up to { or the closing quote. */
static bool template_text(cs_parser *p, bool raw, note_vec *notes)
{
    bool is_part = p->s.token >= CS_TOK_TEMPLATE_PART && p->s.token <= CS_TOK_RAW_TEMPLATE_END;
    if (!is_part) {
        cs_parse__error(p, cs_parse__loc(p), "expected template-string part");
        return false;
    }
    cs_slice lit = p->s.literal, text;
    cs_slice inner = cs_slice_sub(lit, 1, lit.n ? lit.n - 1 : 0);
    if (raw) {
        text = inner;
    } else if (!cs_lex__unescape(p->arena, inner, &text)) {
        cs_parse__error(p, cs_parse__loc(p), "illegal template-string part: %.*s", CS_FMT(lit));
        return false;
    }
    if (text.n) {
        template_note note = {.place = cs_parse__loc(p)};
        CS_VEC_PUSH(&p->scratch, cs_term_string(p->ast, text, note.place));
        CS_VEC_PUSH(notes, note);
    }
    return true;
}

static void keep_notes(cs_parser *p, cs_term *t, const note_vec *notes)
{
    uint32_t n = t->u.list.n;
    t->u.template_string.places = cs_arena_array(p->arena, cs_loc, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_expr *kept = notes->v[i].kept;
        t->u.template_string.places[i] = notes->v[i].place;
        if (!kept) {
            continue;
        }
        if (!t->u.template_string.exprs) {
            t->u.template_string.exprs = cs_arena_array(p->arena, cs_expr *, n);
        }
        t->u.template_string.exprs[i] = kept;
        if (kept->height >= t->height) {
            t->height = kept->height == UINT16_MAX ? UINT16_MAX : (uint16_t)(kept->height + 1);
        }
    }
}

static cs_term *template_string(cs_parser *p, bool raw)
{
    cs_loc loc = cs_parse__loc(p);
    if (p->no_templates) {
        cs_parse__error(p, loc, "template strings are not supported by current capabilities");
        return NULL;
    }
    size_t mark = p->scratch.n;
    note_vec notes = {0};
    bool ok;
    for (;;) {
        ok = template_text(p, raw, &notes);
        if (!ok || p->s.token == CS_TOK_TEMPLATE_END || p->s.token == CS_TOK_RAW_TEMPLATE_END) {
            break;
        }
        ok = template_expr(p, raw, &notes);
        if (!ok) {
            break;
        }
    }
    cs_term *t = NULL;
    if (ok) {
        t = cs_parse__take(p, mark, CS_TERM_TEMPLATE, cs_parse__span(loc, p->s.token_end));
        t->raw = raw;
        keep_notes(p, t, &notes);
    }
    p->scratch.n = mark;
    CS_VEC_FREE(&notes);
    return t;
}

/* A level of templates takes as much stack as three of other terms. */
cs_term *cs_parse__template(cs_parser *p, bool raw)
{
    if (p->max_depth - p->depth < 2) {
        cs_parse__give_up(p, "max parsing recursion depth exceeded");
        return NULL;
    }
    p->depth += 2;
    cs_term *t = template_string(p, raw);
    p->depth -= 2;
    return t;
}
