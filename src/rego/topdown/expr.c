/* Statements in order (OPA: evalExpr, evalStep). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

cs_go cs_td__next(cs_td_frame *f, cs_k *k)
{
    f->index++;
    cs_go stop = cs_td__expr(f, k);
    f->index--;
    return stop;
}

cs_go cs_td__expr(cs_td_frame *f, cs_k *k)
{
    CS_GO(cs_td__step(f));
    if (f->index >= f->query.n) {
        cs_go stop = k->run(k);
        if (stop) {
            return stop->kind == CS_STOP_ERROR ? stop : cs_td__early(f, stop);
        }
        return f->find_one && !f->run->partial ? cs_td__early(f, NULL) : NULL;
    }
    const cs_expr *e = f->query.v[f->index];
    cs_td__event_expr(f, CS_TRACE_EVAL, e);
    return e->n_with ? cs_td__with(f, k) : cs_td__statement(f, k, true);
}

typedef struct step_k {
    cs_k k;
    cs_td_frame *f;
    const cs_expr *e;
    const cs_term *value; /* of a statement that is a term: the variable that takes it */
    cs_k *then;
    bool advance;
    bool defined;
} step_k;

static cs_go go_on(const step_k *s)
{
    return s->advance ? cs_td__next(s->f, s->then) : s->then->run(s->then);
}

static cs_go step_done(cs_k *k)
{
    step_k *s = CS_K_SELF(step_k, k);
    s->defined = true;
    cs_go stop = go_on(s);
    cs_td__event_expr(s->f, CS_TRACE_REDO, s->e);
    return stop;
}

static cs_go saved_done(cs_k *k)
{
    return go_on(CS_K_SELF(step_k, k));
}

static cs_go term_done(cs_k *k)
{
    step_k *s = CS_K_SELF(step_k, k);
    cs_td *run = s->f->run;
    if (run->partial && cs_td__saves(run, cs_opd_of(s->value), s->f->b)) {
        step_k saved = *s;
        saved.k.run = saved_done;
        cs_expr *e = cs_expr_term(run->names, (cs_term *)(uintptr_t)s->value, s->e->loc);
        return cs_td__save_expr(s->f, e, s->f->b, &saved.k);
    }
    cs_opd v = cs_td__plug_term(s->f, s->value);
    return v.t || cs_truthy(v.v) ? step_done(k) : NULL;
}

/* That the value of the statement itself need not be inlined is known only to a traced partial evaluation: so it is in
 * OPA, and the answers differ by it. */
static cs_go eval_term(step_k *s)
{
    cs_td *run = s->f->run;
    s->k.run = term_done;
    s->value = cs_td__new_var(s->f, "$_term_%llu_%u", (unsigned long long)s->f->id, s->f->index);
    bool disable = run->partial && cs_td__traced(s->f);
    if (disable) {
        cs_td__disable(run, &(cs_disabled){.internal = true, .var = s->value->u.var});
    }
    cs_go stop = cs_td__unify(s->f, s->e->u.term, s->value, &s->k);
    if (disable) {
        cs_td__disable_pop(run);
    }
    return stop;
}

static bool is_equality(const cs_expr *e)
{
    const cs_terms *ref = &e->u.call.v[0]->u.list;
    return e->u.call.n == 3 && ref->n == 1 && ref->v[0]->kind == CS_TERM_VAR && ref->v[0]->u.var->n == 2 &&
           memcmp(ref->v[0]->u.var->s, "eq", 2) == 0;
}

static cs_go dispatch(step_k *s)
{
    const cs_expr *e = s->e;
    switch (e->kind) {
    case CS_EXPR_CALL:
        return is_equality(e) ? cs_td__unify(s->f, e->u.call.v[1], e->u.call.v[2], &s->k)
                              : cs_td__call(s->f, (const cs_term *const *)e->u.call.v, e->u.call.n, &s->k);
    case CS_EXPR_TERM:
        return eval_term(s);
    case CS_EXPR_EVERY:
        return cs_td__every(s->f, e, &s->k);
    case CS_EXPR_NOT:
        return cs_td__not_body(s->f, e, &s->k);
    case CS_EXPR_AND:
        return cs_td__and(s->f, e, &s->k);
    case CS_EXPR_OR:
        return cs_td__or(s->f, e, &s->k);
    case CS_EXPR_SOME:
        return s->k.run(&s->k); /* declares names, says nothing */
    }
    return NULL;
}

cs_go cs_td__statement(cs_td_frame *f, cs_k *k, bool advance)
{
    step_k s = {{step_done}, f, f->query.v[f->index], NULL, k, advance, false};
    if (s.e->negated) {
        s.k.run = saved_done;
        return cs_td__not(f, &s.k);
    }
    CS_GO(dispatch(&s));
    if (!s.defined) {
        cs_td__event_expr(f, CS_TRACE_FAIL, s.e);
    }
    return NULL;
}
