/* RewriteRuleHeadRefs, RewriteRefsInHead: what in a head needs evaluation moves into the body. */
#include "rego/compile/internal.h"

static cs_term *lift(cs_compiler *c, cs_rule *r, cs_term *t)
{
    cs_expr *e = cs_compile__equality(c, t);
    cs_compile__append(c, &r->body, e);
    return cs_term_copy(c->ast, e->u.call.v[1]);
}

/* What capabilities of versions before 1.0 leave of refs in heads. False after an error. */
static bool allowed(cs_compiler *c, const cs_rule *r)
{
    unsigned features = c->compiled->capabilities ? c->compiled->capabilities->features : CS_FEATURE_REGO_V1;
    unsigned all = CS_FEATURE_REGO_V1 | CS_FEATURE_REGO_V2 | CS_FEATURE_RULE_HEAD_REFS;
    const cs_terms *ref = &r->head.ref->u.list;
    if (!(features & (all | CS_FEATURE_RULE_HEAD_REF_STRING_PREFIXES)) && !r->head.shows_name) {
        (void)cs_compile__note(c, CS_ERR_REGO_COMPILE, r->loc, "rule heads with refs are not supported: %s",
                               cs_compile__term_text(c, r->head.ref));
        return false;
    }
    for (uint32_t i = 1; i < ref->n && !(features & all); i++) {
        if ((r->head.key || i + 1 < ref->n) && !cs_term_is_string(ref->v[i])) {
            (void)cs_compile__note(c, CS_ERR_REGO_TYPE, r->loc,
                                   "rule heads with general refs (containing variables) are not supported: %s",
                                   cs_compile__term_text(c, r->head.ref));
            return false;
        }
    }
    return true;
}

/* p[y.z] becomes p[__local0__] with __local0__ = y.z: the rule tree knows variables and scalars. */
static void head_ref(cs_compiler *c, cs_rule *r)
{
    cs_terms *ref = &r->head.ref->u.list;
    if (!allowed(c, r)) {
        return;
    }
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
