/* Bodies and their statements. */
#include "rego/syntax/internal.h"

cs_body cs_parse__body(cs_parser *p, cs_token end)
{
    if (!cs_parse__enter(p)) {
        return (cs_body){0};
    }
    cs_body b = cs_parse__query(p, false, end);
    cs_parse__leave(p);
    return b;
}

/* Words that are operators of statements once imported. */
static const char *infix_example(cs_slice word)
{
    return cs_slice_is(word, "in")    ? "x in xs"
           : cs_slice_is(word, "and") ? "x and y"
           : cs_slice_is(word, "or")  ? "x or y"
                                      : NULL;
}

static bool is_member_call(const cs_term *t)
{
    return t && t->kind == CS_TERM_CALL &&
           (cs_ref_is(t->u.list.v[0], "internal.member_2") || cs_ref_is(t->u.list.v[0], "internal.member_3"));
}

/* The statement is followed by `in`, `and` or `or` as a plain word, or by the comma of `k, v in xs`: say what to
 * import. */
static void hint_missing_infix(cs_parser *p)
{
    if (p->s.hints) {
        return;
    }
    cs_slice word = CS_LIT("in");
    if (p->s.token == CS_TOK_IDENT) {
        word = p->s.literal;
    } else if (p->s.token == CS_TOK_COMMA) {
        cs_parse_pause pause;
        cs_parse__suspend(p, &pause, p->words);
        cs_parse__scan(p);
        p->words = CS_WORDS_ALL;
        bool member = is_member_call(cs_parse__infix(p));
        cs_parse__resume(p, &pause, true);
        if (!member) {
            return;
        }
    } else {
        return;
    }
    const char *example = infix_example(word);
    if (example) {
        cs_parse__hint(p, "`import future.keywords.%.*s` for `%s` expressions", CS_FMT(word), example);
    }
}

cs_body cs_parse__query(cs_parser *p, bool semicolons, cs_token end)
{
    cs_body body = {0};
    if (p->s.token == end) {
        cs_parse__error(p, cs_parse__loc(p), "found empty body");
        return body;
    }
    for (;;) {
        cs_expr *e = cs_parse__literal(p);
        if (!e) {
            return (cs_body){0};
        }
        cs_body_append(p->ast, &body, e);
        if (p->s.token == CS_TOK_SEMICOLON) {
            cs_parse__scan(p);
            continue;
        }
        if (p->s.token == end || semicolons) {
            return body;
        }
        if (!p->s.skipped_newline) {
            if (p->s.n_errors == 0) {
                hint_missing_infix(p);
                cs_parse__illegal(p, "expected \\n or %s or %s", cs_token__name(CS_TOK_SEMICOLON), cs_token__name(end));
            }
            return (cs_body){0};
        }
    }
}

/* `not`, unless it begins a ref (not.x). */
bool cs_parse__is_negated(cs_parser *p)
{
    if (p->s.token != CS_TOK_NOT) {
        return false;
    }
    cs_token after = cs_parse__peek_space(p);
    return after != CS_TOK_DOT && after != CS_TOK_LBRACK;
}

/* ---- some */
/* True when the terms after `some` are a `… in …`; on a misuse there is an error and *e stays NULL. */
static bool some_in(cs_parser *p, cs_loc loc, cs_expr **e)
{
    cs_term *t = cs_parse__infix(p);
    if (!t || t->kind != CS_TERM_CALL) {
        return false;
    }
    if (!is_member_call(t)) {
        cs_parse__illegal(p, "expected `x in xs` or `x, y in xs` expression");
        return true;
    }
    if (t->u.list.n != (cs_ref_is(t->u.list.v[0], "internal.member_2") ? 3 : 4)) {
        cs_parse__illegal(p, "illegal domain");
        return true;
    }
    cs_expr *some = cs_arena_new(p->arena, cs_expr);
    some->kind = CS_EXPR_SOME;
    some->loc = loc;
    some->u.some.v = cs_arena_array(p->arena, cs_term *, 1);
    some->u.some.v[0] = t;
    some->u.some.n = 1;
    if (p->s.token == CS_TOK_WITH && !cs_parse__with(p, some)) {
        return true;
    }
    *e = some;
    return true;
}

/* In v0 without `in`: would the statement be a `some … in …` with it? At `some`. */
static void hint_some_in(cs_parser *p)
{
    cs_parse_pause pause;
    cs_parse__suspend(p, &pause, p->words);
    cs_parse__scan(p);
    p->words = CS_WORDS_ALL;
    bool member = is_member_call(cs_parse__infix(p));
    cs_parse__resume(p, &pause, true);
    if (member) {
        cs_parse__hint(p, "`import future.keywords.in` for `some x in xs` expressions");
    }
}

static cs_expr *parse_some(cs_parser *p)
{
    cs_loc loc = cs_parse__loc(p);
    cs_parse_state saved = p->s;
    cs_expr *e = NULL;
    cs_parse__scan(p);
    if (some_in(p, loc, &e)) {
        return e;
    }
    p->s = saved;
    if (p->version == CS_REGO_V0 || p->version == CS_REGO_V0_V1) {
        hint_some_in(p);
    }
    size_t mark = p->scratch.n;
    do {
        cs_parse__scan(p);
        if (p->s.token != CS_TOK_IDENT) {
            p->scratch.n = mark;
            cs_parse__illegal(p, "expected var");
            return NULL;
        }
        CS_VEC_PUSH(&p->scratch, cs_parse__var(p));
        cs_parse__scan(p);
    } while (p->s.token == CS_TOK_COMMA);
    cs_term *list = cs_parse__take(p, mark, CS_TERM_ARRAY, loc);
    e = cs_arena_new(p->arena, cs_expr);
    e->kind = CS_EXPR_SOME;
    e->loc = loc;
    e->u.some = list->u.list;
    return e;
}

/* ---- every */
static bool every_terms(cs_parser *p, cs_expr *e)
{
    cs_term *t = cs_parse__infix(p);
    if (!t) {
        return false;
    }
    if (!is_member_call(t)) {
        cs_parse__illegal(p, "expected `x[, y] in xs { ... }` expression");
        return false;
    }
    bool pair = cs_ref_is(t->u.list.v[0], "internal.member_3");
    if (t->u.list.n != (pair ? 4 : 3)) {
        cs_parse__illegal(p, "illegal domain");
        return false;
    }
    if (pair) {
        e->u.every.key = t->u.list.v[1];
        if (e->u.every.key->kind != CS_TERM_VAR) {
            cs_parse__illegal(p, "expected key to be a variable");
            return false;
        }
    }
    e->u.every.value = t->u.list.v[pair ? 2 : 1];
    e->u.every.domain = t->u.list.v[pair ? 3 : 2];
    if (e->u.every.value->kind != CS_TERM_VAR) {
        cs_parse__illegal(p, "expected value to be a variable");
        return false;
    }
    return true;
}

static cs_expr *parse_every(cs_parser *p)
{
    cs_expr *e = cs_arena_new(p->arena, cs_expr);
    e->kind = CS_EXPR_EVERY;
    e->loc = cs_parse__loc(p);
    cs_parse__scan(p);
    if (!every_terms(p, e)) {
        return NULL;
    }
    if (p->s.token != CS_TOK_LBRACE) {
        cs_parse__illegal(p, "missing body");
        return NULL;
    }
    cs_parse__scan(p);
    e->u.every.body = cs_parse__body(p, CS_TOK_RBRACE);
    if (e->u.every.body.n == 0) {
        return NULL;
    }
    cs_parse__scan(p);
    if (p->s.token == CS_TOK_WITH && !cs_parse__with(p, e)) {
        return NULL;
    }
    return e;
}

/* ---- with */
bool cs_parse__with(cs_parser *p, cs_expr *e)
{
    CS_VEC(cs_with) list = {0};
    bool ok = true;
    while (ok && p->s.token == CS_TOK_WITH) {
        cs_with w = {.loc = cs_parse__loc(p)};
        cs_parse__scan(p);
        ok = false;
        if (p->s.token != CS_TOK_IDENT) {
            cs_parse__illegal(p, "expected ident");
            break;
        }
        w.target = cs_parse__term(p);
        if (!w.target) {
            break;
        }
        if (w.target->kind != CS_TERM_REF && w.target->kind != CS_TERM_VAR) {
            cs_parse__illegal(p, "expected with target path");
        }
        if (p->s.token != CS_TOK_AS) {
            cs_parse__illegal(p, "expected as keyword");
            break;
        }
        cs_parse__scan(p);
        w.value = cs_parse__infix(p);
        if (!w.value) {
            break;
        }
        w.loc = cs_parse__span_here(p, w.loc);
        CS_VEC_PUSH_IN(p->arena, &list, w);
        ok = true;
    }
    e->with = ok ? list.v : NULL;
    e->n_with = ok ? (uint32_t)list.n : 0;
    cs_syntax__expr_measure(e);
    return ok;
}

/* ---- expressions */
cs_expr *cs_parse__expr(cs_parser *p)
{
    cs_term *left = cs_parse__infix(p);
    if (!left) {
        return NULL;
    }
    cs_expr *e = cs_arena_new(p->arena, cs_expr);
    e->kind = CS_EXPR_CALL;
    e->loc = left->loc;
    if (p->s.token == CS_TOK_ASSIGN || p->s.token == CS_TOK_UNIFY) {
        e->u.call.n = 3;
        e->u.call.v = cs_arena_array(p->arena, cs_term *, 3);
        e->u.call.v[0] = cs_term_operator(p->ast, cs_token__name(p->s.token), cs_parse__loc(p));
        e->u.call.v[1] = left;
        cs_parse__scan(p);
        e->u.call.v[2] = cs_parse__infix(p);
        if (!e->u.call.v[2]) {
            return NULL;
        }
    } else if (left->kind == CS_TERM_CALL) {
        e->u.call = left->u.list;
    } else {
        e->kind = CS_EXPR_TERM;
        e->u.term = left;
    }
    cs_syntax__expr_measure(e);
    return e;
}

/* In v0 without `every`: the statement is the word alone. Would it be an `every` with the keyword? */
static void hint_every(cs_parser *p, const cs_parse_state *before)
{
    cs_parse_state after = p->s;
    p->s = *before;
    cs_parse_pause pause;
    cs_parse__suspend(p, &pause, CS_WORDS_ALL);
    bool every = parse_every(p) != NULL;
    cs_parse__resume(p, &pause, true);
    p->s = after;
    if (every) {
        cs_parse__hint(p, "`import future.keywords.every` for `every x in xs { ... }` expressions");
    }
}

static bool is_word_term(const cs_expr *e, const char *word)
{
    return e->kind == CS_EXPR_TERM && e->u.term->kind == CS_TERM_VAR &&
           cs_slice_is(cs_sym_slice(e->u.term->u.var), word);
}

/* `e` is followed by `and` or `or`. */
static cs_expr *expr_into_logic(cs_parser *p, cs_expr *e, cs_loc start, bool negated, const cs_loc *with_loc)
{
    const char *word = cs_token__name(p->s.token);
    if (with_loc) {
        cs_parse__with_on_operand(p, *with_loc, word);
        return NULL;
    }
    cs_loc loc = negated && e->kind == CS_EXPR_NOT ? e->loc : cs_parse__span_here(p, start);
    e->loc = loc;
    cs_slice text = cs_parse__text(p, loc.from, loc.from + loc.length);
    if (!negated && text.n && text.p[0] == '{') {
        if (e->kind == CS_EXPR_TERM && e->n_with == 0 && e->u.term->kind == CS_TERM_OBJECT &&
            e->u.term->u.list.n == 0) {
            cs_parse__error(p, loc, "found empty body");
        } else {
            cs_parse__brace_led_operand(p, loc, text, word);
        }
        return NULL;
    }
    cs_operand left = {.loc = loc};
    cs_body_append(p->ast, &left.body, e);
    cs_expr *outer = cs_parse__logic_chain(p, left);
    if (outer && p->s.token == CS_TOK_WITH && !cs_parse__with(p, outer)) {
        return NULL;
    }
    return outer;
}

cs_expr *cs_parse__literal_expr(cs_parser *p, bool negated, const cs_loc *not_loc)
{
    bool new_not = negated && (p->words & CS_WORD_NOT);
    cs_parse_state before = p->s;
    cs_loc start = cs_parse__loc(p);
    if (new_not && p->s.token == CS_TOK_LPAREN) {
        cs_operand inner;
        cs_group group = cs_parse__logic_group(p, true, "not ", &inner);
        if (group == CS_GROUP_FAILED) {
            return NULL;
        }
        if (group == CS_GROUP_DONE) {
            cs_operand left = {.loc = cs_parse__span_here(p, *not_loc)};
            cs_expr *e = cs_parse__not_expr(p, inner.body, inner.explicit_body, left.loc);
            cs_body_append(p->ast, &left.body, e);
            return cs_parse__logic_tail(p, left);
        }
    }
    cs_expr *e = cs_parse__expr(p);
    if (!e) {
        return NULL;
    }
    cs_loc with_loc = cs_parse__loc(p);
    bool with = p->s.token == CS_TOK_WITH;
    if (with && !cs_parse__with(p, e)) {
        return NULL;
    }
    if ((p->version == CS_REGO_V0 || p->version == CS_REGO_V0_V1) && is_word_term(e, "every")) {
        hint_every(p, &before);
    }
    if (new_not) {
        cs_body body = {0};
        cs_loc spanned = cs_parse__span_here(p, *not_loc);
        cs_with *list = e->with;
        uint32_t n = e->n_with;
        e->with = NULL;
        e->n_with = 0;
        e->loc = spanned;
        e->loc.nowhere = true; /* until the whole statement turns out to be this `not` */
        cs_body_append(p->ast, &body, e);
        e = cs_parse__not_expr(p, body, false, spanned);
        e->with = list;
        e->n_with = n;
        cs_syntax__expr_measure(e);
    } else {
        e->negated = negated;
    }
    return cs_parse__at_logic(p) ? expr_into_logic(p, e, start, negated, with ? &with_loc : NULL) : e;
}

/* A keyword that begins a ref ("if.x") is read as the ref. */
static cs_expr *statement(cs_parser *p)
{
    if (cs_parse__ahead_ref(p)) {
        return cs_parse__literal_expr(p, false, NULL);
    }
    cs_loc not_loc = cs_parse__loc(p);
    bool negated = cs_parse__is_negated(p);
    if (negated) {
        cs_parse__scan(p);
    }
    if (negated && (p->words & CS_WORD_NOT) && p->s.token == CS_TOK_LBRACE) {
        cs_expr *e = cs_parse__not_body(p, not_loc);
        if (!e) {
            return NULL;
        }
        cs_operand left = {.loc = e->loc};
        cs_body_append(p->ast, &left.body, e);
        return cs_parse__logic_tail(p, left);
    }
    if (p->s.token == CS_TOK_SOME || p->s.token == CS_TOK_EVERY) {
        bool some = p->s.token == CS_TOK_SOME;
        if (negated) {
            cs_parse__illegal(p, "illegal negation of '%s'", cs_token__name(p->s.token));
            return NULL;
        }
        return some ? parse_some(p) : parse_every(p);
    }
    return cs_parse__literal_expr(p, negated, negated ? &not_loc : NULL);
}

cs_expr *cs_parse__literal(cs_parser *p)
{
    cs_loc start = cs_parse__loc(p);
    cs_expr *e = NULL;
    cs_group group = CS_GROUP_NONE;
    if (cs_parse__logic_on(p) && p->s.token == CS_TOK_LBRACE) {
        group = cs_parse__logic_braces(p, &e);
    } else if (cs_parse__logic_on(p) && p->s.token == CS_TOK_LPAREN) {
        cs_operand inner;
        group = cs_parse__logic_group(p, false, "", &inner);
        e = group == CS_GROUP_DONE ? cs_parse__logic_tail(p, inner) : NULL;
    }
    if (group == CS_GROUP_NONE) {
        e = statement(p);
    }
    if (!e) {
        return NULL;
    }
    e->loc = cs_parse__span_here(p, start);
    if (e->kind == CS_EXPR_NOT && !e->u.logic.explicit_left) {
        for (uint32_t i = 0; i < e->u.logic.left.n; i++) {
            e->u.logic.left.v[i]->loc = e->loc;
        }
    }
    cs_syntax__expr_measure(e);
    return cs_parse__check_height(p, e->height) ? e : NULL;
}
