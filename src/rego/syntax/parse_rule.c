/* Rules: heads in all their forms, bodies, else. */
#include "rego/syntax/internal.h"

cs_term *cs_parse__true(cs_parser *p, cs_loc loc)
{
    return cs_term_scalar(p->ast, cs_bool(true), loc);
}

cs_term *cs_parse__true_nowhere(cs_parser *p, cs_loc loc)
{
    loc.nowhere = true;
    return cs_parse__true(p, loc);
}

cs_body cs_parse__true_body(cs_parser *p, cs_loc loc)
{
    cs_body b = {0};
    cs_expr *e = cs_expr_term(p->ast, cs_parse__true(p, loc), loc);
    e->generated = true;
    cs_body_append(p->ast, &b, e);
    return b;
}

/* ---- keywords as names */
static bool may_follow_name(cs_token keyword, cs_token after)
{
    bool value = after == CS_TOK_ASSIGN || after == CS_TOK_UNIFY;
    bool word = after == CS_TOK_IF || after == CS_TOK_CONTAINS;
    switch ((unsigned)keyword) {
    case CS_TOK_EVERY:
    case CS_TOK_IF:
    case CS_TOK_IN:
    case CS_TOK_SOME:
    case CS_TOK_AS:
        return value || word || after == CS_TOK_LPAREN;
    case CS_TOK_PACKAGE: /* package if, import contains: paths may be so named */
    case CS_TOK_IMPORT:
        return value || after == CS_TOK_LPAREN;
    case CS_TOK_NOT: /* not (x), or(x, y) are expressions */
    case CS_TOK_LOGICAL_AND:
    case CS_TOK_LOGICAL_OR:
        return value || word;
    case CS_TOK_CONTAINS: /* contains := x is a query */
        return word;
    default:
        return false;
    }
}

static bool is_name_keyword(cs_token t)
{
    return may_follow_name(t, CS_TOK_ASSIGN) || t == CS_TOK_CONTAINS;
}

bool cs_parse__keyword_rule_name(cs_parser *p, bool is_default)
{
    cs_token keyword = p->s.token;
    if (!is_name_keyword(keyword)) {
        return false;
    }
    cs_loc loc = cs_parse__loc(p);
    if (!is_default) {
        cs_parse_state saved = p->s;
        cs_parse__scan(p);
        cs_token after = p->s.token;
        p->s = saved;
        if (!may_follow_name(keyword, after)) {
            return false;
        }
    }
    cs_parse__error(p, loc, "%s keyword cannot be used for rule name", cs_token__name(keyword));
    return true;
}

/* ---- heads */
/* The name and what belongs to it: p, p.a[x], f(x). */
static cs_term *head_name(cs_parser *p)
{
    cs_term *t = cs_parse__var(p);
    uint32_t from = p->s.token_offset;
    cs_parse__scan_space(p);
    switch ((unsigned)p->s.token) {
    case CS_TOK_ADD:
    case CS_TOK_SUB:
    case CS_TOK_MUL:
    case CS_TOK_QUO:
    case CS_TOK_REM:
    case CS_TOK_AND:
    case CS_TOK_OR:
    case CS_TOK_EQUAL:
    case CS_TOK_NEQ:
    case CS_TOK_GT:
    case CS_TOK_GTE:
    case CS_TOK_LT:
    case CS_TOK_LTE:
        cs_parse__illegal_token(p);
        break;
    case CS_TOK_WHITESPACE:
        cs_parse__scan(p);
        break;
    default:
        break;
    }
    if (p->s.token == CS_TOK_LPAREN || p->s.token == CS_TOK_DOT || p->s.token == CS_TOK_LBRACK) {
        return cs_parse__ref(p, t, from);
    }
    return t;
}

static bool head_from_term(cs_parser *p, cs_term *t, cs_head *h)
{
    if (t->kind == CS_TERM_VAR) {
        h->ref = cs_term_list(p->ast, CS_TERM_REF, &t, 1, t->loc);
    } else if (t->kind == CS_TERM_REF) {
        h->ref = t;
    } else if (t->kind == CS_TERM_CALL) {
        h->ref = t->u.list.v[0];
        if (h->ref->u.list.v[0]->kind != CS_TERM_VAR) {
            cs_parse__illegal(p, "rule head ref %s invalid", cs_parse__printed(p, h->ref));
            return false;
        }
        h->args.v = t->u.list.v + 1;
        h->args.n = t->u.list.n - 1;
        h->is_function = h->args.n > 0; /* f() is a complete rule */
    } else {
        return false;
    }
    h->shows_name = h->ref->u.list.n < 2;
    return true;
}

static void no_value(cs_parser *p, const cs_head *h, const char *name, bool assign, bool is_default)
{
    if (!assign) {
        cs_parse__illegal(p, "expected rule value term (e.g., %s[<nil>] = <VALUE> { ... })", name);
    } else if (h->args.n) {
        cs_parse__illegal(p, "expected function value term (e.g., %s(...) := <VALUE> { ... })", name);
    } else if (is_default) {
        cs_parse__illegal(p, "expected default rule value term (e.g., default %s := <VALUE>)", name);
    } else {
        cs_parse__illegal(p, "expected rule value term (e.g., %s := <VALUE> { ... })", name);
    }
}

static void head_contains(cs_parser *p, cs_head *h, bool called)
{
    const char *name = cs_parse__printed(p, h->ref);
    if (called) {
        cs_parse__illegal(p,
                          "the contains keyword can only be used with multi-value rule definitions (e.g., %s contains "
                          "<VALUE> { ... })",
                          name);
    }
    cs_parse__scan(p);
    h->uses_contains = true;
    h->key = cs_parse__infix(p);
    if (!h->key) {
        cs_parse__illegal(p, "expected rule key term (e.g., %s contains <VALUE> { ... })", name);
    }
}

static bool parse_head(cs_parser *p, bool is_default, cs_head *h)
{
    cs_loc loc = cs_parse__loc(p);
    cs_term *t = head_name(p);
    if (!t) {
        cs_parse__illegal(p, "expected rule head name");
        return false;
    }
    if (!head_from_term(p, t, h)) {
        return false;
    }
    if (p->s.token == CS_TOK_CONTAINS) {
        head_contains(p, h, t->kind == CS_TERM_CALL);
        h->loc = cs_parse__span_here(p, loc);
        return true;
    }
    if (p->s.token == CS_TOK_UNIFY || p->s.token == CS_TOK_ASSIGN) {
        h->assign = p->s.token == CS_TOK_ASSIGN;
        cs_parse__scan(p);
        h->value = cs_parse__infix(p);
        h->value_written = h->value != NULL;
        if (!h->value) {
            no_value(p, h, cs_parse__printed(p, h->ref), h->assign, is_default);
        }
    }
    h->loc = cs_parse__span_here(p, loc);
    if (!h->value && (h->ref->u.list.n != 2 || h->args.n)) {
        h->value = cs_parse__true_nowhere(p, h->loc);
    }
    return true;
}

/* ---- default rules */
static bool default_value_ok(cs_parser *p, cs_loc loc, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return true;
    case CS_TERM_VAR:
    case CS_TERM_REF:
    case CS_TERM_CALL:
        cs_parse__error(p, loc, "illegal default rule (value cannot contain %s)", cs_term_kind_name(t));
        return false;
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_TEMPLATE:
        break;
    }
    bool ok = true;
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        const cs_term *part = t->u.list.v[i];
        /* In a template a call is a statement: its operator and operands are looked at one by one. */
        bool spread = t->kind == CS_TERM_TEMPLATE && part->kind == CS_TERM_CALL;
        for (uint32_t k = 0; k < (spread ? part->u.list.n : 1); k++) {
            ok = default_value_ok(p, loc, spread ? part->u.list.v[k] : part) && ok;
        }
    }
    return ok;
}

static bool default_args_ok(cs_parser *p, cs_loc loc, cs_terms args)
{
    bool ok = true;
    for (uint32_t i = 0; i < args.n; i++) {
        const cs_term *t = args.v[i];
        if (t->kind != CS_TERM_VAR) {
            cs_parse__error(p, loc, "illegal default rule (arguments cannot contain %s)", cs_term_kind_name(t));
            ok = false;
            continue;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (args.v[k]->kind == CS_TERM_VAR && args.v[k]->u.var == t->u.var) {
                cs_parse__error(p, loc, "illegal default rule (arguments cannot be repeated %s)", t->u.var->s);
                ok = false;
                break;
            }
        }
    }
    return ok;
}

/* ---- else */
/* A copy of the head whose wildcard arguments are new ones. */
static cs_head head_again(cs_parser *p, const cs_head *h)
{
    cs_head c = cs_head_copy(p->ast, h);
    c.uses_if = c.uses_contains = false;
    for (uint32_t i = 0; i < c.args.n; i++) {
        if (c.args.v[i]->kind == CS_TERM_VAR && cs_sym_is_wildcard(c.args.v[i]->u.var)) {
            c.args.v[i]->u.var = cs_parse__wildcard(p);
        }
    }
    return c;
}

static bool else_value(cs_parser *p, cs_rule *r)
{
    switch ((unsigned)p->s.token) {
    case CS_TOK_LBRACE:
    case CS_TOK_IF:
        r->head.value = cs_parse__true_nowhere(p, r->head.loc);
        r->head.value_written = false;
        return true;
    case CS_TOK_ASSIGN:
    case CS_TOK_UNIFY:
        r->head.assign = p->s.token == CS_TOK_ASSIGN;
        cs_parse__scan(p);
        r->head.value = cs_parse__infix(p);
        r->head.value_written = true;
        r->head.loc = cs_parse__span_here(p, r->head.loc);
        return r->head.value != NULL;
    default:
        cs_parse__illegal(p, "expected else value term or rule body");
        return false;
    }
}

static bool else_body(cs_parser *p, cs_rule *r)
{
    if (p->s.token != CS_TOK_IF && p->s.token != CS_TOK_LBRACE) {
        r->body = cs_parse__true_body(p, r->loc);
        r->body_generated = true;
        return true;
    }
    if (p->s.token == CS_TOK_IF) {
        r->head.uses_if = true;
        cs_parse__scan(p);
    }
    if (p->s.token == CS_TOK_LBRACE) {
        cs_parse__scan(p);
        r->body = cs_parse__body(p, CS_TOK_RBRACE);
        if (r->body.n == 0) {
            return false;
        }
        cs_parse__scan(p);
        return true;
    }
    if (p->s.token == CS_TOK_EOF) {
        cs_parse__illegal(p, "rule body expected");
        return false;
    }
    cs_expr *e = cs_parse__literal(p);
    if (!e) {
        return false;
    }
    cs_body_append(p->ast, &r->body, e);
    r->body_spread = true;
    return true;
}

/* The text of each `else` goes on to the end of the last one. A statement without braces has the place of its rule, all
 * through. */
static void span_chain(cs_parser *p, cs_rule *first)
{
    for (cs_rule *r = first; r; r = r->other) {
        r->loc = cs_parse__span_here(p, r->loc);
        if (r->body_spread || r->body_generated) {
            cs_syntax__set_loc(r->body.v[0], r->loc);
        }
    }
}

/* All that follow, at `else`. The limit on nesting bounds the chain too: stages may recurse over it. */
static cs_rule *parse_else(cs_parser *p, const cs_head *head)
{
    cs_rule *first = NULL;
    cs_rule **link = &first;
    for (uint32_t n = 0; p->s.token == CS_TOK_ELSE; n++) {
        cs_rule *r = cs_arena_new(p->arena, cs_rule);
        r->loc = cs_parse__loc(p);
        r->head = head_again(p, head);
        r->head.loc = r->loc;
        r->is_else = true;
        cs_parse__scan(p);
        if (!cs_parse__check_height(p, n) || !else_value(p, r)) {
            return NULL;
        }
        bool tail = p->s.token != CS_TOK_IF && p->s.token != CS_TOK_LBRACE;
        if (!else_body(p, r)) {
            return NULL;
        }
        *link = r;
        link = &r->other;
        if (tail) {
            break;
        }
    }
    span_chain(p, first);
    return first;
}

static bool rule_else(cs_parser *p, cs_rule *r)
{
    /* The next rule may be named by a ref that begins with the word. */
    if (p->s.token != CS_TOK_ELSE || cs_parse__ahead_ref(p)) {
        return true;
    }
    const cs_term *ref = r->head.ref;
    if (ref->u.list.n > 1 && !cs_term_is_ground_throughout(ref)) {
        cs_parse__error(p, cs_parse__loc(p), "else keyword cannot be used on rules with variables in head");
        return false;
    }
    if (r->head.key || r->head.shows_key) {
        cs_parse__error(p, cs_parse__loc(p), "else keyword cannot be used on multi-value rules");
        return false;
    }
    r->other = parse_else(p, &r->head);
    return r->other != NULL;
}

/* ---- bodies */
/* The forms p[x] of a head, which mean different things with and without `if`. */
static void settle_head(cs_parser *p, cs_head *h, bool has_if)
{
    if (h->uses_contains || h->ref->u.list.n != 2) {
        return;
    }
    const cs_term *second = h->ref->u.list.v[1];
    if (has_if) {
        h->shows_key = h->args.n == 0 && (!cs_term_is_ground_throughout(second) || second->kind == CS_TERM_REF);
        h->shows_name = h->value != NULL;
        h->value = h->value ? h->value : cs_parse__true(p, h->loc);
        return;
    }
    if (h->args.n) {
        return;
    }
    h->shows_name = true;
    if (h->value) {
        h->shows_key = true;
    } else {
        h->key = h->ref->u.list.v[1];
        h->ref = cs_term_list(p->ast, CS_TERM_REF, h->ref->u.list.v, 1, h->ref->loc);
    }
}

static bool braced_body(cs_parser *p, cs_rule *r)
{
    cs_parse__scan(p);
    r->body = cs_parse__body(p, CS_TOK_RBRACE);
    if (r->body.n == 0) {
        return false;
    }
    cs_parse__scan(p);
    return true;
}

/* After `if`: one statement, or a body in braces. A set in braces is a body. */
static bool if_body(cs_parser *p, cs_rule *r)
{
    cs_parse__scan(p);
    cs_parse_state saved = p->s;
    bool brace = p->s.token == CS_TOK_LBRACE;
    cs_expr *e = cs_parse__literal(p);
    if (e && !(brace && e->kind == CS_EXPR_TERM && e->u.term->kind == CS_TERM_SET)) {
        cs_body_append(p->ast, &r->body, e);
        return true;
    }
    if (!brace) {
        return false;
    }
    p->s = saved;
    return braced_body(p, r);
}

typedef CS_VEC(cs_rule *) rule_vec;

/* `{ … } { … }`: each further body makes a rule of its own, placed at its brace. */
static bool more_bodies(cs_parser *p, const cs_rule *first, rule_vec *rules)
{
    while (p->s.token == CS_TOK_LBRACE) {
        if (first->other) {
            cs_parse__error(p, cs_parse__loc(p), "expected else keyword");
            return false;
        }
        cs_loc loc = cs_parse__loc(p);
        cs_rule *r = cs_arena_new(p->arena, cs_rule);
        if (!braced_body(p, r)) {
            return false;
        }
        r->loc = cs_parse__span_here(p, loc);
        r->head = head_again(p, &first->head);
        r->head.uses_if = first->head.uses_if;
        r->head.uses_contains = first->head.uses_contains;
        cs_syntax__set_head_loc(&r->head, r->loc);
        CS_VEC_PUSH_IN(p->arena, rules, r);
    }
    return true;
}

static bool default_rule(cs_parser *p, cs_rule *r)
{
    if (!r->head.value) {
        cs_parse__error(p, r->loc, "illegal default rule (must have a value)");
        return false;
    }
    if (!default_value_ok(p, r->loc, r->head.value) || !default_args_ok(p, r->loc, r->head.args)) {
        return false;
    }
    r->body = cs_parse__true_body(p, r->loc);
    return true;
}

/* The head has been read; what follows it makes it a rule, or not (then the statement is read as an expression). */
static bool rule_after_head(cs_parser *p, cs_rule *r, rule_vec *rules)
{
    bool has_if = p->s.token == CS_TOK_IF;
    bool is_rule = has_if || r->head.uses_contains || p->s.token == CS_TOK_LBRACE;
    if (is_rule && r->head.ref->u.list.v[0]->kind != CS_TERM_VAR) {
        /* f(x).y: OPA finds out when the rule is read as an expression, or not at all and then crashes. */
        if (!r->head.uses_contains && r->head.ref->u.list.n == 2 &&
            (has_if ? r->head.value != NULL : !r->head.args.n)) {
            return false;
        }
        cs_parse__error(p, r->head.loc, "invalid rule head: %s", cs_parse__printed(p, r->head.ref));
        return false;
    }
    settle_head(p, &r->head, has_if);
    if (has_if) {
        r->head.uses_if = true;
        if (!if_body(p, r)) {
            return false;
        }
    } else if (p->s.token == CS_TOK_LBRACE) {
        if (!braced_body(p, r)) {
            return false;
        }
    } else if (r->head.uses_contains) {
        r->body = cs_parse__true_body(p, r->loc);
        r->body_generated = true;
        r->loc = r->head.loc;
        CS_VEC_PUSH_IN(p->arena, rules, r);
        return true;
    } else {
        return false;
    }
    if (!rule_else(p, r)) {
        return false;
    }
    r->loc = cs_parse__span_here(p, r->loc);
    CS_VEC_PUSH_IN(p->arena, rules, r);
    return more_bodies(p, r, rules);
}

bool cs_parse__rules(cs_parser *p, cs_rule_list *out)
{
    cs_rule *r = cs_arena_new(p->arena, cs_rule);
    rule_vec rules = {0};
    r->loc = cs_parse__loc(p);
    (void)cs_parse__ahead_ref(p);
    if (p->s.token == CS_TOK_DEFAULT) {
        cs_parse__scan(p);
        r->is_default = true;
        (void)cs_parse__ahead_ref(p);
    }
    if (p->s.token != CS_TOK_IDENT) {
        if (r->is_default) {
            (void)cs_parse__keyword_rule_name(p, true);
        }
        return false;
    }
    if (!parse_head(p, r->is_default, &r->head)) {
        return false;
    }
    bool ok;
    if (r->is_default) {
        ok = default_rule(p, r);
        CS_VEC_PUSH_IN(p->arena, &rules, r);
    } else {
        ok = rule_after_head(p, r, &rules);
    }
    *out = (cs_rule_list){rules.v, (uint32_t)rules.n};
    return ok;
}
