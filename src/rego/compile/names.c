/* The compiler's knowledge of variables, for other folders. */
#include "rego/compile/names.h"

#include "rego/compile/internal.h"

cs_names *cs_names_new(cs_arena *arena)
{
    cs_names *s = cs_arena_new(arena, cs_names);
    *s = cs_syms__new(arena);
    return s;
}

bool cs_names_has(const cs_names *s, const cs_sym *name)
{
    return cs_syms__has(s, name);
}

void *cs_names_get(const cs_names *s, const cs_sym *name)
{
    const cs_syms_item *item = cs_syms__find(s, name);
    return item ? item->value : NULL;
}

void cs_names_put(cs_names *s, const cs_sym *name, void *value)
{
    cs_syms__put(s, name, value);
}

uint32_t cs_names_count(const cs_names *s)
{
    return s->n;
}

const cs_sym *cs_names_at(const cs_names *s, uint32_t i)
{
    return s->v[i].sym;
}

void cs_names_put_all(cs_names *s, const cs_names *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        cs_syms__put(s, from->v[i].sym, from->v[i].value);
    }
}

void cs_names_of_term(cs_names *out, const cs_term *t)
{
    cs_vars__term(out, t, 0);
}

void cs_names_inside_term(cs_names *out, const cs_term *t)
{
    cs_vars__term(out, t, CS_VARS_SKIP_REF_HEAD);
}

void cs_names_of_body(cs_names *out, cs_body b, bool promote)
{
    cs_vars__body(out, b, CS_VARS_SAFETY | (promote ? (unsigned)CS_VARS_PROMOTE : 0U));
}

void cs_names_bound_by_body(cs_ast *ast, const cs_compiled *policy, cs_body b, const cs_names *safe, cs_names *out)
{
    cs_compiler c = {.ast = ast, .compiled = policy};
    cs_compile__begin(&c);
    cs_outputs__body(&c, b, b.n, safe, out);
    cs_arena_destroy(&c.scratch);
}

void cs_names_bound_by_expr(cs_ast *ast, const cs_compiled *policy, const cs_expr *e, const cs_names *safe,
                            cs_names *out)
{
    cs_compiler c = {.ast = ast, .compiled = policy};
    cs_compile__begin(&c);
    cs_outputs__expr(&c, e, safe, out);
    cs_arena_destroy(&c.scratch);
}

int cs_call_arity(cs_ast *ast, const cs_compiled *policy, const cs_term *operator_ref)
{
    cs_compiler c = {.ast = ast, .compiled = policy};
    return cs_compile__arity(&c, operator_ref);
}

bool cs_term_is_constant(const cs_term *t)
{
    return cs_term__is_constant(t);
}
