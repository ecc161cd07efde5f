/* RewriteComprehensionTerms: what needs evaluation in a comprehension's head moves into its body. */
#include "rego/compile/internal.h"

static void lift(cs_compiler *c, cs_term *comprehension, cs_term **at)
{
    if (!cs_term__requires_eval(*at)) {
        return;
    }
    cs_expr *e = cs_compile__equality(c, *at);
    *at = cs_term_copy(c->ast, e->u.call.v[1]);
    cs_compile__append(c, &comprehension->u.comprehension.body, e);
}

static bool in_term(void *self, cs_term *t)
{
    if (cs_term__is_comprehension(t)) {
        if (t->u.comprehension.key) {
            lift(self, t, &t->u.comprehension.key);
        }
        lift(self, t, &t->u.comprehension.head);
    }
    return true;
}

void cs_comprehension__body(cs_compiler *c, cs_body b)
{
    cs_walk_body(&(cs_walker){.self = c, .term = in_term}, b);
}

static void in_rule(cs_compiler *c, cs_rule *r)
{
    cs_walk_rule(&(cs_walker){.self = c, .term = in_term}, r);
}

void cs_stage__rewrite_comprehension_terms(cs_compiler *c)
{
    cs_compile__chains(c, in_rule);
}
