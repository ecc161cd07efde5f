/* RewriteRuleHeadRefs, RewriteRefsInHead: what in a head needs evaluation moves into the body. */
#include "rego/compile/internal.h"

static cs_term *lift(cs_compiler *c, cs_rule *r, cs_term *t)
{
    cs_expr *e = cs_compile__equality(c, t);
    cs_compile__append(c, &r->body, e);
    return cs_term_copy(c->ast, e->u.call.v[1]);
}

/* p[y.z] becomes p[__local0__] with __local0__ = y.z: the rule tree knows variables and scalars. */
static void head_ref(cs_compiler *c, cs_rule *r)
{
    cs_terms *ref = &r->head.ref->u.list;
    for (uint32_t i = 1; i < ref->n; i++) {
        if (ref->v[i]->kind != CS_TERM_VAR && ref->v[i]->kind != CS_TERM_SCALAR) {
            ref->v[i] = lift(c, r, ref->v[i]);
        }
    }
}

void cs_stage__rewrite_rule_head_refs(cs_compiler *c)
{
    cs_compile__chains(c, head_ref);
}

static void refs_in_head(cs_compiler *c, cs_rule *r)
{
    if (cs_term__requires_eval(r->head.key)) {
        r->head.key = lift(c, r, r->head.key);
    }
    if (cs_term__requires_eval(r->head.value)) {
        r->head.value = lift(c, r, r->head.value);
    }
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        if (cs_term__requires_eval(r->head.args.v[i])) {
            r->head.args.v[i] = lift(c, r, r->head.args.v[i]);
        }
    }
}

void cs_stage__rewrite_refs_in_head(cs_compiler *c)
{
    cs_compile__rules(c, refs_in_head);
}
