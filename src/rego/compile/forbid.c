/* CheckUndefinedFuncs, CheckUnsafeBuiltins, CheckDeprecatedBuiltins: calls of what there is not, or what must not be
 * called. */
#include "rego/compile/internal.h"
#include "rego/compile/types.h"

/* ---- undefined */
static void report_arity(cs_compiler *c, const cs_expr *e, int want, uint32_t have)
{
    const cs_term *name = cs_compile__ref_as_written(c, e->u.call.v[0]);
    const char *text = cs_compile__term_text(c, name);
    const cs_builtin *b = cs_compile__builtin(c, name);
    if ((b || c->query) && cs_types__arity_error(c, e, name, b ? cs_builtin_type(b) : NULL)) {
        return;
    }
    (void)cs_compile__error(c, CS_ERR_REGO_TYPE, e->loc, "function %s has arity %d, got %u argument%s", text, want,
                            (unsigned)have, have == 1 ? "" : "s");
}

bool cs_compile__usable(cs_compiler *c, const cs_builtin *b, cs_loc loc)
{
    if (b->run || cs_builtin_is_language(b) || (c->policy && c->policy->check_only) || c->compiled->capabilities) {
        return true; /* with capabilities an error of the evaluation, when the call is met */
    }
    (void)cs_compile__error(c, CS_ERR_REGO_TYPE, loc, "undefined function %s (this build does not have the built-in)",
                            b->name);
    return false;
}

static bool check_call(void *self, cs_expr *e)
{
    cs_compiler *c = self;
    if (e->kind != CS_EXPR_CALL) {
        return true;
    }
    int arity = cs_compile__arity(c, e->u.call.v[0]);
    if (arity < 0) {
        (void)cs_compile__error(c, CS_ERR_REGO_TYPE, e->loc, "undefined function %s",
                                cs_compile__term_text(c, cs_compile__ref_as_written(c, e->u.call.v[0])));
        return false;
    }
    uint32_t operands = e->u.call.n - 1;
    uint32_t want = (uint32_t)arity;
    if (e->generated ? (!cs_expr__is(e, c->eq) && operands != want + 1) : (operands != want && operands != want + 1)) {
        report_arity(c, e, arity, e->generated ? operands - 1 : operands);
        return false;
    }
    const cs_builtin *b = cs_compile__builtin(c, e->u.call.v[0]);
    bool refused_later = b && c->query && c->query->server && (b->flags & CS_BUILTIN_UNSAFE_QUERY);
    return !b || refused_later || cs_compile__usable(c, b, e->loc);
}

void cs_undefined__body(cs_compiler *c, cs_body b)
{
    cs_walk_body(&(cs_walker){.self = c, .expr = check_call}, b);
}

static void undefined_in_rule(cs_compiler *c, cs_rule *r)
{
    cs_walk_rule(&(cs_walker){.self = c, .expr = check_call}, r);
}

void cs_stage__check_undefined_funcs(cs_compiler *c)
{
    cs_compile__chains(c, undefined_in_rule);
}

/* ---- unsafe, deprecated */
static bool unsafe_call(void *self, cs_expr *e)
{
    cs_compiler *c = self;
    const cs_builtin *b = e->kind == CS_EXPR_CALL ? cs_compile__builtin(c, e->u.call.v[0]) : NULL;
    if (b && (b->flags & CS_BUILTIN_UNSAFE_QUERY)) {
        (void)cs_compile__note(c, CS_ERR_REGO_TYPE, e->loc, "unsafe built-in function calls in expression: %s",
                               b->name);
    }
    return true;
}

void cs_forbid__unsafe(cs_compiler *c, cs_body b)
{
    cs_walk_body(&(cs_walker){.self = c, .expr = unsafe_call}, b);
}

static bool deprecated_call(void *self, cs_expr *e)
{
    cs_compiler *c = self;
    const cs_builtin *b = e->kind == CS_EXPR_CALL ? cs_compile__builtin(c, e->u.call.v[0]) : NULL;
    if (b && (b->flags & CS_BUILTIN_DEPRECATED)) {
        (void)cs_compile__note(c, CS_ERR_REGO_TYPE, e->loc, "deprecated built-in function calls in expression: %s",
                               b->name);
    }
    return true;
}

static void deprecated_in_rule(cs_compiler *c, cs_rule *r)
{
    if (c->policy->strict || cs_compile__is_v1(r->module)) {
        cs_walk_rule(&(cs_walker){.self = c, .expr = deprecated_call}, r);
    }
}

void cs_stage__check_deprecated_builtins(cs_compiler *c)
{
    cs_compile__chains(c, deprecated_in_rule);
}
