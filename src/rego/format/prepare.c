/* Looks at the whole module first: which keywords are there, which notation the heads need, which wildcards have to get
 * names. */
#include "rego/format/internal.h"

#include "countersign/base/map.h"

typedef struct survey {
    cs_pen *pen;
    cs_map wildcards; /* name → the first term that has it, or &renamed */
    cs_term renamed;
} survey;

void cs_pen__note_missing(cs_pen *p, const char *word)
{
    for (size_t i = 0; i < p->missing.n; i++) {
        if (strcmp(p->missing.v[i], word) == 0) {
            return;
        }
    }
    CS_VEC_PUSH_IN(p->arena, &p->missing, word);
}

/* A wildcard that stands in two places (bodies that share a head) is one variable, and must show it. */
static bool see_term(void *self, cs_term *t)
{
    survey *s = self;
    if (t->kind != CS_TERM_VAR || !cs_sym_is_wildcard(t->u.var)) {
        return true;
    }
    cs_slice name = cs_sym_slice(t->u.var);
    cs_term *first = cs_map_get(&s->wildcards, name);
    if (!first) {
        (void)cs_map_put(&s->wildcards, name, t);
        return true;
    }
    bool underscore = name.n > 1 && name.p[1] == '_';
    const cs_sym *plain = cs_sym_printf(s->pen->ast, "%s%.*s", underscore ? "" : "_", (int)(name.n - 1), name.p + 1);
    if (first != &s->renamed) {
        first->u.var = plain;
        (void)cs_map_put(&s->wildcards, name, &s->renamed);
    }
    t->u.var = plain;
    return true;
}

static bool see_expr(void *self, cs_expr *e)
{
    survey *s = self;
    if (e->kind == CS_EXPR_CALL) {
        const cs_infix *infix = cs_pen__infix(e->u.call.v[0]);
        if (infix && strcmp(infix->spelling, "in") == 0) {
            cs_pen__note_missing(s->pen, "in");
        }
    } else if (e->kind == CS_EXPR_EVERY) {
        cs_pen__note_missing(s->pen, "every");
    } else if (e->kind == CS_EXPR_NOT) {
        cs_pen__note_missing(s->pen, "not");
    } else if (e->kind == CS_EXPR_AND) {
        cs_pen__note_missing(s->pen, "and");
    } else if (e->kind == CS_EXPR_OR) {
        cs_pen__note_missing(s->pen, "or");
    }
    return true;
}

static void see_rule(survey *s, cs_rule *r)
{
    cs_walker w = {.self = s, .term = see_term, .expr = see_expr};
    cs_head *h = &r->head;
    uint32_t n = h->ref->u.list.n;
    s->pen->ref_heads = s->pen->ref_heads || n > 2 || (n == 2 && cs_pen__head_key(h) && !h->value);
    for (uint32_t i = 0; i < h->args.n; i++) {
        cs_walk_term(&w, h->args.v[i]);
    }
    if (h->key) {
        cs_walk_term(&w, h->key);
    } else if (h->shows_key && n > 1) {
        /* The key of a further body is not the one in its ref, in OPA, so that one keeps its wildcards. */
        bool further = cs_slice_starts(cs_pen__text(&h->loc), CS_LIT("{"));
        cs_walk_term(&w, further ? cs_term_copy(s->pen->ast, h->ref->u.list.v[1]) : h->ref->u.list.v[1]);
    }
    if (h->value) {
        cs_walk_term(&w, h->value);
    }
    cs_walk_body(&w, r->body);
}

void cs_pen__prepare(cs_pen *p, cs_module *m)
{
    survey s = {.pen = p};
    cs_map_init(&s.wildcards);
    for (uint32_t i = 0; i < m->n_imports; i++) {
        const cs_import *x = &m->imports[i];
        cs_slice word;
        bool all =
            cs_ref_is(x->path, "future.keywords") || cs_ref_is(x->path, "rego.v1") || cs_ref_is(x->path, "rego.v2");
        p->keywords_v2 = p->keywords_v2 || cs_ref_is(x->path, "rego.v2");
        p->use_if = p->use_if || all || cs_ref_is(x->path, "future.keywords.if");
        p->use_contains = p->use_contains || all || cs_ref_is(x->path, "future.keywords.contains");
        if (cs_pen__future_word(p->ast, x->path, x->alias, &word)) {
            CS_VEC_PUSH_IN(p->arena, &p->future, word);
        }
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        for (cs_rule *r = m->rules[i]; r; r = r->other) {
            see_rule(&s, r);
        }
    }
    cs_map_destroy(&s.wildcards);
}
