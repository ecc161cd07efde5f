/* Saving statements, and taking the saved ones as a body (OPA: saveStack, saveExpr, saveUnify, saveCall). */
#include "rego/compile/names.h"
#include "rego/topdown/save.h"

void cs_td__query_push(cs_td *run)
{
    CS_VEC_PUSH_IN(run->arena, &run->partial->stack, ((cs_saved_query){0}));
}

cs_saved_query cs_td__query_pop(cs_td *run)
{
    return run->partial->stack.v[--run->partial->stack.n];
}

static void push(cs_td *run, cs_expr *e, cs_bindings *b1, cs_bindings *b2)
{
    cs_saved s = {e, b1, b2};
    CS_VEC_PUSH_IN(run->arena, &run->partial->stack.v[run->partial->stack.n - 1], s);
}

static void pop(cs_td *run)
{
    run->partial->stack.v[run->partial->stack.n - 1].n--;
}

/* ---- variables that become unknown with a statement */
typedef struct outputs {
    cs_td *run;
    cs_bindings *b;
    uint32_t n; /* pushed */
} outputs;

static void push_outputs(outputs *o, cs_opd x, cs_bindings *b);

static bool output_var(void *self, cs_term *t)
{
    outputs *o = self;
    if (t->kind == CS_TERM_VAR) {
        cs_bindings *next = o->b;
        cs_opd y = cs_bindings_apply(&next, cs_opd_of(t));
        push_outputs(o, y, next);
    }
    if (t->kind != CS_TERM_REF) {
        return true;
    }
    cs_walker w = {.self = o, .term = output_var, .skip_closures = true};
    for (uint32_t i = 1; i < t->u.list.n; i++) {
        cs_walk_term(&w, t->u.list.v[i]);
    }
    return false;
}

static void push_outputs(outputs *o, cs_opd x, cs_bindings *b)
{
    if (!x.t) {
        return;
    }
    if (x.t->kind == CS_TERM_VAR) {
        cs_td__unknown_push(o->run, &x.t, 1, b);
        o->n++;
        return;
    }
    cs_bindings *outer = o->b;
    o->b = b;
    cs_walker w = {.self = o, .term = output_var, .skip_closures = true};
    cs_walk_term(&w, (cs_term *)(uintptr_t)x.t);
    o->b = outer;
}

static void pop_outputs(const outputs *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        cs_td__unknown_pop(o->run);
    }
}

/* ---- saving */
static bool is_mock(const cs_td *run, const cs_with *w)
{
    const cs_term *head = w->target->kind == CS_TERM_REF ? w->target->u.list.v[0] : w->target;
    bool document = cs_td__is_root(head, "data") || cs_td__is_root(head, "input");
    return !document || cs_td__is_policy_function(run, w->target);
}

/* The modifiers of the statement at hand but replacements of functions, which have been applied. */
static void take_with(cs_td_frame *f, cs_expr *e)
{
    const cs_expr *at = f->query.v[f->index];
    e->with = cs_arena_array(f->run->arena, cs_with, at->n_with + 1);
    e->n_with = 0;
    for (uint32_t i = 0; i < at->n_with; i++) {
        if (!is_mock(f->run, &at->with[i])) {
            e->with[e->n_with++] = at->with[i];
        }
    }
    e->loc = at->loc;
}

static cs_go save(cs_td_frame *f, cs_expr *e, cs_bindings *b1, cs_bindings *b2, const outputs *o, cs_k *k)
{
    push(f->run, e, b1, b2);
    cs_td__event_expr(f, CS_TRACE_SAVE, e);
    cs_go stop = k->run(k);
    pop(f->run);
    pop_outputs(o);
    return stop;
}

cs_go cs_td__save_expr(cs_td_frame *f, cs_expr *e, cs_bindings *b, cs_k *k)
{
    cs_expr *copy = cs_arena_new(f->run->arena, cs_expr);
    *copy = *e;
    take_with(f, copy);
    outputs none = {f->run, b, 0};
    return save(f, copy, b, b, &none, k);
}

static bool is_equality(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "eq");
}

cs_go cs_td__save_expr_with_outputs(cs_td_frame *f, cs_expr *e, cs_bindings *b, cs_k *k)
{
    cs_td *run = f->run;
    cs_expr *copy = cs_arena_new(run->arena, cs_expr);
    *copy = *e;
    take_with(f, copy);
    outputs o = {run, b, 0};
    if (e->kind == CS_EXPR_TERM) {
        push_outputs(&o, cs_opd_of(e->u.term), b);
    } else if (is_equality(e)) {
        push_outputs(&o, cs_opd_of(e->u.call.v[1]), b);
        push_outputs(&o, cs_opd_of(e->u.call.v[2]), b);
    } else if (e->kind == CS_EXPR_CALL &&
               cs_call_arity(run->names, run->policy, e->u.call.v[0]) + 2 == (int)e->u.call.n) {
        push_outputs(&o, cs_opd_of(e->u.call.v[e->u.call.n - 1]), b);
    }
    return save(f, copy, b, b, &o, k);
}

cs_go cs_td__save_unify(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k)
{
    cs_td *run = f->run;
    cs_loc loc = f->query.v[f->index]->loc;
    cs_term *sides[2] = {(cs_term *)(uintptr_t)cs_opd_term(run, a, loc),
                         (cs_term *)(uintptr_t)cs_opd_term(run, b, loc)};
    cs_expr *e = cs_expr_call(run->names, "eq", sides, 2, loc);
    e->u.call.v[0]->loc = (cs_loc){0}; /* nobody wrote this one */
    take_with(f, e);
    outputs o = {run, b1, 0};
    push_outputs(&o, a, b1);
    push_outputs(&o, b, b2);
    return save(f, e, b1, b2, &o, k);
}

cs_go cs_td__save_call(cs_td_frame *f, uint32_t arity, const cs_term *const *terms, uint32_t n, cs_k *k)
{
    cs_td *run = f->run;
    cs_expr *e = cs_arena_new(run->arena, cs_expr);
    cs_term *call = cs_term_list(run->names, CS_TERM_CALL, (cs_term *const *)(uintptr_t)terms, n, (cs_loc){0});
    e->kind = CS_EXPR_CALL;
    e->u.call = call->u.list;
    e->height = call->height;
    take_with(f, e);
    outputs o = {run, f->b, 0};
    if (arity + 2 == n) {
        push_outputs(&o, cs_opd_of(terms[n - 1]), f->b);
    }
    return save(f, e, f->b, NULL, &o, k);
}

cs_go cs_td__save_plugged(cs_td_frame *f, cs_expr *const *v, uint32_t n, cs_k *k)
{
    cs_td *run = f->run;
    for (uint32_t i = 0; i < n; i++) {
        cs_loc loc = v[i]->loc; /* a negation of several statements has none */
        take_with(f, v[i]);
        v[i]->loc = loc;
        for (uint32_t j = 0; j < v[i]->n_with; j++) {
            cs_opd value = cs_bindings_plug(run, f->b, cs_opd_of(v[i]->with[j].value), run->root->b);
            v[i]->with[j].value = (cs_term *)(uintptr_t)cs_opd_term(run, value, v[i]->with[j].loc);
        }
        push(run, v[i], NULL, NULL);
        cs_td__event_expr(f, CS_TRACE_SAVE, v[i]);
    }
    cs_go stop = k->run(k);
    for (uint32_t i = 0; i < n; i++) {
        pop(run);
    }
    return stop;
}

/* ---- plugging */
static bool own_name(void *self, cs_term *t)
{
    cs_td *run = self;
    if (t->kind == CS_TERM_VAR) {
        t->u.var = cs_sym_get(run->names, cs_sym_slice(t->u.var));
    }
    return true;
}

cs_term *cs_td__own_term(cs_td *run, const cs_term *t)
{
    cs_term *copy = cs_term_copy(run->names, t);
    cs_walk_term(&(cs_walker){.self = run, .term = own_name}, copy);
    return copy;
}

cs_expr *cs_td__own_expr(cs_td *run, const cs_expr *e)
{
    cs_expr *copy = cs_expr_copy(run->names, e);
    cs_walk_expr(&(cs_walker){.self = run, .term = own_name}, copy);
    return copy;
}

static cs_term *plugged(cs_td *run, const cs_term *t, cs_bindings *b)
{
    return (cs_term *)(uintptr_t)cs_opd_term(run, cs_bindings_plug(run, b, cs_opd_of(t), run->root->b), t->loc);
}

cs_expr *cs_td__saved_plug(cs_td *run, const cs_saved *s)
{
    cs_expr *e = cs_expr_copy(run->names, s->expr);
    if (!s->b1 && !s->b2) {
        return cs_td__own_expr(run, e);
    }
    if (e->kind == CS_EXPR_CALL) {
        bool equality = is_equality(e);
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            e->u.call.v[i] = plugged(run, e->u.call.v[i], equality && i == 2 ? s->b2 : s->b1);
        }
    } else if (e->kind == CS_EXPR_TERM) {
        e->u.term = plugged(run, e->u.term, s->b1);
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        e->with[i].value = plugged(run, e->with[i].value, s->b1);
    }
    cs_expr_measure(e);
    return cs_td__own_expr(run, e);
}

cs_body cs_td__saved_body(cs_td *run, const cs_saved_query *q)
{
    cs_body body = {0};
    for (size_t i = 0; i < q->n; i++) {
        cs_body_append(run->names, &body, cs_td__saved_plug(run, &q->v[i]));
    }
    if (q->n == 0) {
        cs_term *yes = cs_term_scalar(run->names, cs_bool(true), (cs_loc){0});
        cs_body_append(run->names, &body, cs_expr_term(run->names, yes, (cs_loc){0}));
    }
    return body;
}
