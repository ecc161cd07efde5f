/* Which kinds of nodes may still exist after a stage. A rewrite that leaves something behind is caught by its own
 * stage, not by the planner. Only in builds with sanitizers, or with CS_SHAPE. */
#include "rego/compile/internal.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CS_SHAPE 1
#endif
#endif

#if defined(CS_SHAPE) || defined(__SANITIZE_ADDRESS__)

enum {
    NO_SOME = 1,
    NO_ASSIGN = 2,
    NO_TEMPLATES = 4,
    NO_CALL_TERMS = 8,
    PLAIN_HEADS = 16,    /* heads without refs and comprehensions */
    PLAIN_OPERANDS = 32, /* refs only as sides of = and as whole statements */
};

static unsigned rules_after(const char *stage)
{
    static const struct {
        const char *stage;
        unsigned rule;
    } rows[] = {
        {"RewriteLocalVars", NO_SOME | NO_ASSIGN}, {"RewriteTemplateStrings", NO_TEMPLATES},
        {"RewriteExprTerms", NO_CALL_TERMS},       {"RewriteRefsInHead", PLAIN_HEADS},
        {"RewriteDynamicTerms", PLAIN_OPERANDS},
    };
    static const char *const order[] = {
#define CS_STAGE(name, function, file) #name,
#include "rego/compile/stages.def"
#undef CS_STAGE
    };
    unsigned rule = 0;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            rule |= strcmp(rows[k].stage, order[i]) == 0 ? rows[k].rule : 0;
        }
        if (strcmp(order[i], stage) == 0) {
            break;
        }
    }
    return rule;
}

typedef struct shape {
    const cs_compiler *c;
    unsigned rule;
} shape;

static bool term_shape(void *self, cs_term *t)
{
    const shape *s = self;
    cs_assert(!(s->rule & NO_TEMPLATES) || t->kind != CS_TERM_TEMPLATE);
    cs_assert(!(s->rule & NO_CALL_TERMS) || t->kind != CS_TERM_CALL);
    return true;
}

static bool expr_shape(void *self, cs_expr *e)
{
    const shape *s = self;
    cs_assert(!(s->rule & NO_SOME) || e->kind != CS_EXPR_SOME);
    cs_assert(!(s->rule & NO_ASSIGN) || !cs_expr__is(e, s->c->assign) || e->u.call.n != 3);
    if ((s->rule & PLAIN_OPERANDS) && e->kind == CS_EXPR_CALL && !cs_expr__is(e, s->c->eq)) {
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            cs_assert(!cs_term__requires_eval(e->u.call.v[i]));
        }
    }
    return true;
}

/* The ref of an `else` stays as it was written: what is wrong with it is found where heads are checked. */
static void rule_shape(const cs_walker *w, cs_rule *r)
{
    cs_walk_term(w, r->is_else ? NULL : r->head.ref);
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        cs_walk_term(w, r->head.args.v[i]);
    }
    cs_walk_term(w, r->head.key);
    cs_walk_term(w, r->head.value);
    cs_walk_body(w, r->body);
}

void cs_shape__check(cs_compiler *c, const char *stage)
{
    shape s = {c, rules_after(stage)};
    cs_walker w = {.self = &s, .term = term_shape, .expr = expr_shape};
    for (uint32_t i = 0; s.rule && i < c->n_modules; i++) {
        for (uint32_t k = 0; k < c->modules[i]->n_rules; k++) {
            for (cs_rule *r = c->modules[i]->rules[k]; r && (s.rule & PLAIN_HEADS); r = r->other) {
                cs_assert(!cs_term__requires_eval(r->head.key) && !cs_term__requires_eval(r->head.value));
            }
            for (cs_rule *r = c->modules[i]->rules[k]; r; r = r->other) {
                rule_shape(&w, r);
            }
        }
    }
}

#else

void cs_shape__check(cs_compiler *c, const char *stage)
{
    (void)c;
    (void)stage;
}

#endif
