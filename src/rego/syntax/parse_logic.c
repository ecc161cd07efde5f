/* `and`, `or` and the new `not`: statements that join bodies (import future.keywords.and, .or, .not; Rego v2). Braces
 * in an operand are a body, parentheses a group; where that could be mistaken for a set or an object the reader is
 * told. */
#include "rego/syntax/internal.h"

/* ---- complaints */
void cs_parse__with_on_operand(cs_parser *p, cs_loc loc, const char *word)
{
    cs_parse__hint(
        p,
        "Wrap the operand in `(...)` or `{...}` to scope, or move `with` after the `%s` expression to apply it to "
        "the whole expression",
        word);
    cs_parse__error(p, loc, "`with` modifier is not allowed on operand of `%s`", word);
}

void cs_parse__brace_led_operand(cs_parser *p, cs_loc loc, cs_slice operand, const char *word)
{
    cs_parse__hint(p, "wrap the operand to keep the value: `(%.*s) %s ...`", CS_FMT(operand), word);
    cs_parse__error(p, loc, "operand of `%s` cannot begin with `{` unless the braces hold a body", word);
}

static bool is_infix_call(const cs_term *t)
{
    static const char *const names[] = {"plus",   "minus", "mul", "div", "rem", "and", "or",  "eq",
                                        "assign", "equal", "neq", "lt",  "lte", "gt",  "gte", "internal.member_2"};
    if (t->kind != CS_TERM_CALL || t->u.list.n < 3) {
        return false;
    }
    if (t->u.list.n == 4) {
        return cs_ref_is(t->u.list.v[0], "internal.member_3");
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_ref_is(t->u.list.v[0], names[i])) {
            return t->u.list.n == 3;
        }
    }
    return false;
}

static void operand_needs_body(cs_parser *p, cs_loc loc, cs_slice operand, const cs_term *t, const char *prefix)
{
    while (is_infix_call(t)) {
        t = t->u.list.v[1];
    }
    cs_parse__hint(p, "write `%s(%.*s)` to negate the value, or `%s{%.*s}` for a body holding it", prefix,
                   CS_FMT(operand), prefix, CS_FMT(operand));
    cs_parse__error(p, loc, "`{...}` in an operand position must contain expression(s), got: %s", cs_term_kind_name(t));
}

/* `{ a | b }`: a body of one union, or a comprehension? */
static bool is_ambiguous(const cs_parser *p, cs_body b)
{
    if (b.n == 0 || b.v[0]->kind != CS_EXPR_CALL || !cs_ref_is(b.v[0]->u.call.v[0], "or")) {
        return false;
    }
    cs_loc op = b.v[0]->u.call.v[0]->loc;
    if (!cs_slice_is(cs_parse__text(p, op.from, op.from + op.length), "|")) {
        return false;
    }
    cs_loc loc = b.v[0]->loc;
    cs_slice text = cs_slice_trim(cs_parse__text(p, loc.from, loc.from + loc.length));
    return text.n == 0 || text.p[0] != '(';
}

static void ambiguous(cs_parser *p, cs_loc loc, cs_body b, const char *prefix)
{
    size_t from = loc.offset, to = p->s.last_end;
    cs_slice braces = cs_parse__text(p, from, to);
    cs_loc e = b.v[0]->loc;
    size_t begin = e.offset > from ? e.offset : from, end = e.offset + e.length;
    const char *union_text = cs_arena_dup(p->arena, braces.p, braces.n);
    if (e.offset > from && end <= to) {
        cs_slice before = cs_parse__text(p, from, begin), middle = cs_parse__text(p, begin, end);
        union_text = cs_arena_printf(p->arena, NULL, "%.*s(%.*s)%.*s", CS_FMT(before), CS_FMT(middle),
                                     CS_FMT(cs_parse__text(p, end, to)));
    }
    cs_parse__hint(p, "write `%s(%.*s)` for the comprehension, or `%s%s` for the set union", prefix, CS_FMT(braces),
                   prefix, union_text);
    cs_parse__error(p, loc,
                    "ambiguous `{ ... | ... }` operand: read as a body holding a set-union expression, not as a "
                    "comprehension");
}

/* An operand that only prints can never fail. */
static void check_void(cs_parser *p, cs_body b, const char *word)
{
    for (uint32_t i = 0; i < b.n; i++) {
        const cs_expr *e = b.v[i];
        bool is_void = e->kind == CS_EXPR_CALL && !e->negated &&
                       (cs_ref_is(e->u.call.v[0], "print") || cs_ref_is(e->u.call.v[0], "internal.print"));
        if (!is_void) {
            return;
        }
    }
    if (b.n == 0) {
        return;
    }
    const char *name = cs_parse__printed(p, b.v[0]->u.call.v[0]);
    cs_parse__hint(
        p,
        "`%s` produces no value and always succeeds, so the operand can never fail; move it out of the operand, "
        "or add an expression that can fail",
        name);
    cs_parse__error(p, b.v[0]->loc, "operand of `%s` cannot consist only of calls to `%s`", word, name);
}

/* ---- operands */
static cs_body body_of(cs_parser *p, cs_expr *e)
{
    cs_body b = {0};
    cs_body_append(p->ast, &b, e);
    return b;
}

cs_expr *cs_parse__not_expr(cs_parser *p, cs_body body, bool explicit_body, cs_loc loc)
{
    cs_expr *e = cs_arena_new(p->arena, cs_expr);
    e->kind = CS_EXPR_NOT;
    e->loc = loc;
    e->u.logic.left = body;
    e->u.logic.explicit_left = explicit_body;
    cs_syntax__expr_measure(e);
    return e;
}

/* `not { body }`, at the brace. */
cs_expr *cs_parse__not_body(cs_parser *p, cs_loc not_loc)
{
    cs_loc brace = cs_parse__loc(p);
    cs_parse_state saved = p->s;
    cs_parse__scan(p);
    bool empty = p->s.token == CS_TOK_RBRACE;
    cs_body body = cs_parse__body(p, CS_TOK_RBRACE);
    if (body.n == 0) {
        if (empty) {
            return NULL;
        }
        cs_parse_state failed = p->s;
        p->s = saved;
        cs_term *t = cs_parse__infix(p);
        if (t) {
            operand_needs_body(p, brace, cs_parse__text(p, brace.offset, p->s.last_end), t, "not ");
        } else {
            p->s = failed;
        }
        return NULL;
    }
    cs_parse__scan(p);
    if (is_ambiguous(p, body)) {
        ambiguous(p, brace, body, "not ");
        return NULL;
    }
    return cs_parse__not_expr(p, body, true, cs_parse__span_here(p, not_loc));
}

/* `{ body }` as an operand of `word` ("" while only trying). */
static bool braces_operand(cs_parser *p, const char *word, cs_operand *out)
{
    cs_loc brace = cs_parse__loc(p);
    cs_parse_state saved = p->s;
    cs_parse__scan(p);
    bool empty = p->s.token == CS_TOK_RBRACE;
    cs_body body = cs_parse__body(p, CS_TOK_RBRACE);
    if (body.n == 0) {
        if (!empty && *word) {
            cs_parse_state failed = p->s;
            p->s = saved;
            if (cs_parse__infix(p)) {
                cs_parse__brace_led_operand(p, brace, cs_parse__text(p, brace.offset, p->s.last_end), word);
            } else {
                p->s = failed;
            }
        }
        return false;
    }
    cs_parse__scan(p);
    if (is_ambiguous(p, body)) {
        ambiguous(p, brace, body, "");
    }
    *out = (cs_operand){.body = body, .explicit_body = true, .loc = brace};
    return true;
}

static bool plain_operand(cs_parser *p, bool negated, cs_loc not_loc, cs_operand *out)
{
    cs_loc start = cs_parse__loc(p);
    cs_expr *e = cs_parse__expr(p);
    if (!e) {
        return false;
    }
    e->loc = cs_parse__span_here(p, start);
    if (negated && (p->words & CS_WORD_NOT)) {
        e = cs_parse__not_expr(p, body_of(p, e), false, cs_parse__span_here(p, not_loc));
    } else if (negated) {
        e->negated = true;
    }
    *out = (cs_operand){.body = body_of(p, e), .loc = e->loc};
    return true;
}

static bool parse_operand(cs_parser *p, const char *word, cs_operand *out)
{
    if (p->s.token == CS_TOK_LBRACE) {
        return braces_operand(p, word, out);
    }
    cs_loc not_loc = cs_parse__loc(p);
    bool negated = cs_parse__is_negated(p);
    bool new_not = (p->words & CS_WORD_NOT) != 0;
    if (negated) {
        cs_parse__scan(p);
    }
    if (negated && new_not && p->s.token == CS_TOK_LBRACE) {
        cs_expr *e = cs_parse__not_body(p, not_loc);
        if (!e) {
            return false;
        }
        *out = (cs_operand){.body = body_of(p, e), .loc = e->loc};
        return true;
    }
    if (p->s.token == CS_TOK_LPAREN && cs_parse__logic_on(p) && (!negated || new_not)) {
        cs_group group = cs_parse__logic_group(p, true, negated ? "not " : "", out);
        if (group == CS_GROUP_FAILED) {
            return false;
        }
        if (group == CS_GROUP_DONE) {
            if (negated) {
                cs_loc spanned = cs_parse__span_here(p, not_loc);
                cs_expr *e = cs_parse__not_expr(p, out->body, out->explicit_body, spanned);
                *out = (cs_operand){.body = body_of(p, e), .loc = spanned};
            }
            return true;
        }
    }
    return plain_operand(p, negated, not_loc, out);
}

/* ---- chains: `and` binds tighter than `or`, both to the left */
static cs_expr *join(cs_parser *p, cs_expr_kind kind, const cs_operand *left, const cs_operand *right)
{
    check_void(p, left->body, kind == CS_EXPR_AND ? "and" : "or");
    check_void(p, right->body, kind == CS_EXPR_AND ? "and" : "or");
    cs_expr *e = cs_arena_new(p->arena, cs_expr);
    e->kind = kind;
    e->loc = cs_parse__span_here(p, left->loc);
    e->u.logic.left = left->body;
    e->u.logic.right = right->body;
    e->u.logic.explicit_left = left->explicit_body;
    e->u.logic.explicit_right = right->explicit_body;
    cs_syntax__expr_measure(e);
    return cs_parse__check_height(p, e->height) ? e : NULL;
}

/* Folds the `and`s at hand into *left. */
static bool and_chain(cs_parser *p, cs_operand *left)
{
    while (p->s.token == CS_TOK_LOGICAL_AND) {
        cs_operand right;
        cs_parse__scan(p);
        if (!parse_operand(p, "and", &right)) {
            return false;
        }
        cs_expr *e = join(p, CS_EXPR_AND, left, &right);
        if (!e) {
            return false;
        }
        *left = (cs_operand){.body = body_of(p, e), .loc = e->loc};
    }
    return true;
}

cs_expr *cs_parse__logic_chain(cs_parser *p, cs_operand left)
{
    if (!cs_parse__enter(p)) {
        return NULL;
    }
    bool ok = and_chain(p, &left);
    while (ok && p->s.token == CS_TOK_LOGICAL_OR) {
        cs_operand right;
        cs_parse__scan(p);
        ok = parse_operand(p, "or", &right) && and_chain(p, &right);
        cs_expr *e = ok ? join(p, CS_EXPR_OR, &left, &right) : NULL;
        ok = e != NULL;
        if (ok) {
            left = (cs_operand){.body = body_of(p, e), .loc = e->loc};
        }
    }
    cs_parse__leave(p);
    return ok ? left.body.v[0] : NULL;
}

static cs_expr *with_modifiers(cs_parser *p, cs_expr *e)
{
    return e && p->s.token == CS_TOK_WITH && !cs_parse__with(p, e) ? NULL : e;
}

cs_expr *cs_parse__logic_tail(cs_parser *p, cs_operand operand)
{
    if (cs_parse__at_logic(p)) {
        return with_modifiers(p, cs_parse__logic_chain(p, operand));
    }
    return with_modifiers(p, operand.body.v[0]);
}

cs_group cs_parse__logic_braces(cs_parser *p, cs_expr **out)
{
    cs_parse_state saved = p->s;
    size_t memo_n = p->memo.n;
    cs_loc brace = cs_parse__loc(p);
    cs_parse__scan(p);
    cs_body body = cs_parse__body(p, CS_TOK_RBRACE);
    if (body.n) {
        cs_parse__scan(p);
        if (cs_parse__at_logic(p)) {
            if (is_ambiguous(p, body)) {
                ambiguous(p, brace, body, "");
                return CS_GROUP_FAILED;
            }
            cs_operand left = {.body = body, .explicit_body = true, .loc = brace};
            *out = with_modifiers(p, cs_parse__logic_chain(p, left));
            return *out ? CS_GROUP_DONE : CS_GROUP_FAILED;
        }
    }
    p->s = saved;
    p->memo.n = memo_n < p->memo.n ? memo_n : p->memo.n;
    return CS_GROUP_NONE;
}

/* ---- groups */
static bool close_group(cs_parser *p)
{
    if (p->s.token != CS_TOK_RPAREN) {
        cs_parse__error(p, cs_parse__loc(p), "expected ) to close parenthesized group");
        return false;
    }
    cs_parse__scan(p);
    return true;
}

static cs_group give_back(cs_parser *p, const cs_parse_state *saved)
{
    p->s = *saved;
    return CS_GROUP_NONE;
}

/* (a and b), possibly with a `with` inside that is for the whole. */
static cs_group group_chain(cs_parser *p, cs_loc open, cs_operand *inner)
{
    cs_expr *e = with_modifiers(p, cs_parse__logic_chain(p, *inner));
    if (!e || !close_group(p)) {
        return CS_GROUP_FAILED;
    }
    *inner = (cs_operand){.body = body_of(p, e), .loc = cs_parse__span_here(p, open)};
    return CS_GROUP_DONE;
}

/* (a with x as y) */
static cs_group group_with(cs_parser *p, cs_loc open, cs_operand *inner, bool operand, const cs_parse_state *saved)
{
    cs_loc with = cs_parse__loc(p);
    if (!with_modifiers(p, inner->body.v[0])) {
        return CS_GROUP_FAILED;
    }
    if (cs_parse__at_logic(p)) {
        cs_parse__with_on_operand(p, with, cs_token__name(p->s.token));
        return CS_GROUP_FAILED;
    }
    if (!close_group(p)) {
        return CS_GROUP_FAILED;
    }
    if (!operand && !cs_parse__at_logic(p)) {
        return give_back(p, saved);
    }
    inner->loc = cs_parse__span_here(p, open);
    inner->explicit_body = false;
    return CS_GROUP_DONE;
}

/* ({ … }): parentheses do not wrap a body, so it must be a value. */
static cs_group group_braces(cs_parser *p, cs_loc open, const cs_operand *inner, const char *prefix,
                             const cs_parse_state *saved)
{
    cs_slice braces = cs_parse__text(p, inner->loc.offset, p->s.last_end);
    p->s = *saved;
    cs_parse__scan(p);
    bool value = cs_parse__term(p) != NULL;
    p->s = *saved;
    if (value) {
        return CS_GROUP_NONE;
    }
    cs_parse__hint(p, "drop the parens to keep the body: `%s%.*s`", prefix, CS_FMT(braces));
    cs_parse__error(p, open, "`(...)` in an operand position cannot contain a body");
    return CS_GROUP_FAILED;
}

static cs_group group_inside(cs_parser *p, cs_loc open, bool operand, const char *prefix, const cs_parse_state *saved,
                             cs_operand *inner)
{
    if (!parse_operand(p, "", inner)) {
        return give_back(p, saved);
    }
    if (cs_parse__at_logic(p)) {
        return group_chain(p, open, inner);
    }
    if (p->s.token == CS_TOK_WITH && !inner->explicit_body && inner->body.n == 1) {
        return group_with(p, open, inner, operand, saved);
    }
    if (inner->explicit_body) {
        return group_braces(p, open, inner, prefix, saved);
    }
    const cs_expr *only = inner->body.v[0];
    bool group = inner->body.n == 1 &&
                 (only->negated || only->kind == CS_EXPR_AND || only->kind == CS_EXPR_OR || only->kind == CS_EXPR_NOT);
    if (!group) {
        return give_back(p, saved);
    }
    if (!close_group(p)) {
        return CS_GROUP_FAILED;
    }
    inner->loc = cs_parse__span_here(p, open);
    return CS_GROUP_DONE;
}

cs_group cs_parse__logic_group(cs_parser *p, bool operand, const char *prefix, cs_operand *out)
{
    if (!cs_parse__enter(p)) {
        return CS_GROUP_FAILED;
    }
    cs_parse_state saved = p->s;
    cs_loc open = cs_parse__loc(p);
    cs_group group;
    cs_parse__scan(p);
    if (p->s.token == CS_TOK_RPAREN) {
        group = CS_GROUP_FAILED;
        if (operand) {
            cs_parse__error(p, open, "empty parenthesized group");
        } else {
            group = give_back(p, &saved);
        }
    } else {
        group = group_inside(p, open, operand, prefix, &saved, out);
    }
    cs_parse__leave(p);
    return group;
}
