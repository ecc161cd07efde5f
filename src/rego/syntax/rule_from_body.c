/* Rules without a body: "p := 1", "f(x) = y", "p.a.b" parse as statements and are turned into rules. */
#include "rego/syntax/internal.h"

static cs_rule *make_rule(cs_parser *p, cs_term *ref, cs_loc loc, cs_loc body)
{
    cs_rule *r = cs_arena_new(p->arena, cs_rule);
    r->loc = loc;
    r->head.loc = loc;
    r->head.ref = ref->kind == CS_TERM_VAR ? cs_term_list(p->ast, CS_TERM_REF, &ref, 1, ref->loc) : ref;
    r->head.shows_name = r->head.ref->u.list.n < 2;
    r->body = cs_parse__true_body(p, body);
    r->body_generated = true;
    return r;
}

static const char *say(cs_parser *p, const char *before, const char *what, const char *after)
{
    return cs_arena_printf(p->arena, NULL, "%s%s%s", before, what, after);
}

static bool has_name(const cs_term *ref)
{
    return ref->kind == CS_TERM_REF && ref->u.list.n && ref->u.list.v[0]->kind == CS_TERM_VAR;
}

static cs_rule *make_function(cs_parser *p, cs_terms call, cs_term *value, cs_loc loc)
{
    cs_rule *r = make_rule(p, call.v[0], loc, value->loc);
    r->head.args.v = call.v + 1;
    r->head.args.n = call.n - 1;
    r->head.is_function = r->head.args.n > 0;
    r->head.value = value;
    r->head.value_written = true; /* also of `f(x)` alone, which OPA lets stand for f(x) := true */
    return r;
}

/* left = right, left := right */
static cs_rule *from_equation(cs_parser *p, const cs_expr *e, const char **why)
{
    if (e->u.call.n < 3) {
        *why = "assignment requires two operands";
        return NULL;
    }
    cs_term *left = e->u.call.v[1], *right = e->u.call.v[2];
    cs_rule *r;
    if (left->kind == CS_TERM_CALL && has_name(left->u.list.v[0])) {
        r = make_function(p, left->u.list, right, e->loc);
    } else if (left->kind == CS_TERM_VAR || has_name(left)) {
        r = make_rule(p, left, e->loc, right->loc);
        r->head.value = right;
        r->head.value_written = true;
        if (r->head.ref->u.list.n == 2) {
            r->head.shows_name = r->head.shows_key = true;
        }
    } else if (left->kind == CS_TERM_REF) {
        *why = say(p, "invalid rule head: ", cs_parse__printed(p, left), "");
        return NULL;
    } else {
        *why = say(p, "", cs_term_kind_name(left), " cannot be used for rule name");
        return NULL;
    }
    r->head.assign = cs_ref_is(e->u.call.v[0], "assign");
    return r;
}

/* p[x], a set's element in v0; p.a.b, a rule that is true. */
static cs_rule *from_term(cs_parser *p, cs_term *t, const char **why)
{
    if (t->kind != CS_TERM_REF) {
        *why = say(p, "", cs_term_kind_name(t), " cannot be used for rule name");
        return NULL;
    }
    if (t->u.list.n == 1) {
        *why = "refs cannot be used for rule head";
        return NULL;
    }
    if (!has_name(t)) {
        *why = say(p, "invalid rule head: ", cs_parse__printed(p, t), "");
        return NULL;
    }
    if (t->u.list.n > 2) {
        cs_rule *r = make_rule(p, t, t->loc, t->loc);
        r->head.value = cs_parse__true(p, t->loc);
        return r;
    }
    cs_rule *r = make_rule(p, t->u.list.v[0], t->loc, t->loc);
    r->head.key = t->u.list.v[1];
    return r;
}

static bool names_builtin(cs_parser *p, const cs_term *operator)
{
    static const char *const names[] = {"plus",
                                        "minus",
                                        "mul",
                                        "div",
                                        "rem",
                                        "and",
                                        "or",
                                        "equal",
                                        "neq",
                                        "lt",
                                        "lte",
                                        "gt",
                                        "gte",
                                        "internal.member_2",
                                        "internal.member_3",
                                        "print"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_ref_is(operator, names[i])) {
            return true;
        }
    }
    cs_slice name = cs_ref_name(p->arena, operator);
    return p->is_builtin && name.n && p->is_builtin(name);
}

static cs_rule *from_call(cs_parser *p, const cs_expr *e, const char **why)
{
    cs_term *operator= e->u.call.v[0];
    if (cs_ref_is(operator, "eq") || cs_ref_is(operator, "assign")) {
        return from_equation(p, e, why);
    }
    if (names_builtin(p, operator)) {
        *why = "rule name conflicts with built-in function";
        return NULL;
    }
    if (e->u.call.n <= 1) {
        *why = "rule argument list must take at least one argument";
        return NULL;
    }
    if (!has_name(operator)) {
        *why = say(p, "invalid rule head: ", cs_parse__printed(p, operator), "");
        return NULL;
    }
    return make_function(p, e->u.call, cs_parse__true(p, operator->loc), operator->loc);
}

cs_rule *cs_parse__rule_from_body(cs_parser *p, cs_body body, const char **why)
{
    cs_expr *e = body.v[0];
    *why = NULL;
    if (body.n != 1) {
        *why = "multiple expressions cannot be used for rule head";
    } else if (e->n_with) {
        *why = "expressions using with keyword cannot be used for rule head";
    } else if (e->negated) {
        *why = "negated expressions cannot be used for rule head";
    } else if (e->kind == CS_EXPR_SOME) {
        *why = "'some' declarations cannot be used for rule head";
    } else if (e->kind == CS_EXPR_TERM) {
        return from_term(p, e->u.term, why);
    } else if (e->kind == CS_EXPR_CALL) {
        return from_call(p, e, why);
    } else {
        *why = "expression cannot be used for rule head";
    }
    return NULL;
}
