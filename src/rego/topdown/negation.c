/* `not` of what is unknown: the complements of what was saved, all combinations of them; or, where that is too much or
 * not sayable, a rule of the answer that is negated (OPA: evalNotPartial). */
#include "rego/compile/names.h"
#include "rego/topdown/save.h"

#include <stdlib.h>

/* The largest product that is written out. */
#define INLINE_MAX 16U

typedef CS_VEC(cs_body) bodies;

typedef struct negation {
    cs_td_frame *f;
    const cs_expr *e;
    bool of_body; /* `not { … }` rather than the `not` of one statement */
    uint64_t child;
    cs_names *unknowns;
    bodies saved;
    cs_k *then;
} negation;

/* ---- what was saved */
typedef struct saved_k {
    cs_k k;
    cs_td *run;
    bodies *out;
    const cs_copyprop_options *propagation; /* NULL: as it is */
} saved_k;

static cs_go body_saved(cs_k *k)
{
    saved_k *s = CS_K_SELF(saved_k, k);
    cs_td *run = s->run;
    cs_body body = cs_td__saved_body(run, &run->partial->stack.v[run->partial->stack.n - 1]);
    if (!cs_body_passes_types(run->names, run->policy, body)) {
        return NULL;
    }
    if (s->propagation) {
        body = cs_copy_propagate(run->names, body, s->propagation);
    }
    CS_VEC_PUSH_IN(run->arena, s->out, body);
    return NULL;
}

static uint64_t save_body(cs_td_frame *f, cs_body body, bodies *out, const cs_copyprop_options *propagation,
                          cs_go *stop)
{
    cs_td_frame child;
    cs_td__closure(f, body, &child);
    saved_k s = {{body_saved}, f->run, out, propagation};
    cs_td__query_push(f->run);
    *stop = cs_td__expr(&child, &s.k);
    (void)cs_td__query_pop(f->run);
    *stop = *stop && (*stop)->kind == CS_STOP_ERROR ? *stop : NULL;
    return child.id;
}

static cs_names *unknown_names(cs_td *run)
{
    cs_names *names = cs_names_new(run->arena);
    const cs_td_saving *p = run->partial;
    for (size_t i = 0; i < p->unknowns.n; i++) {
        const cs_unknown *u = &p->unknowns.v[i];
        for (uint32_t j = 0; j < u->vars.n; j++) {
            cs_bindings *b = (cs_bindings *)(uintptr_t)u->of;
            cs_opd v = cs_bindings_plug(run, b, cs_opd_of(u->vars.v[j]), run->root->b);
            if (cs_opd_is(v, CS_TERM_VAR)) {
                cs_names_put(names, v.t->u.var, NULL);
            }
        }
    }
    return names;
}

/* ---- can it be written out? */
static bool ref_or_call(void *self, cs_term *t)
{
    bool *found = self;
    *found = *found || t->kind == CS_TERM_REF || t->kind == CS_TERM_CALL;
    return !*found;
}

static bool has_nested(const cs_term *t)
{
    bool found = false;
    cs_walker w = {.self = &found, .term = ref_or_call};
    if (t->kind != CS_TERM_REF) {
        cs_walk_term(&w, (cs_term *)(uintptr_t)t);
        return found;
    }
    for (uint32_t i = 1; i < t->u.list.n && !found; i++) {
        cs_walk_term(&w, t->u.list.v[i]);
    }
    return found;
}

static bool hard_body(cs_body b);

static bool is_equality(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "eq");
}

/* Would its negation mean something else, or not be Rego? */
static bool hard(const cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_CALL:
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            bool found = false;
            if (is_equality(e)) {
                found = has_nested(e->u.call.v[i]);
            } else {
                cs_walk_term(&(cs_walker){.self = &found, .term = ref_or_call}, e->u.call.v[i]);
            }
            if (found) {
                return true;
            }
        }
        return false;
    case CS_EXPR_EVERY:
        return true;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        return hard_body(e->u.logic.left) || hard_body(e->u.logic.right);
    case CS_EXPR_TERM:
        return has_nested(e->u.term);
    case CS_EXPR_SOME:
        break;
    }
    return false;
}

static bool hard_body(cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        if (hard(b.v[i])) {
            return true;
        }
    }
    return false;
}

typedef struct safe_vars {
    const cs_names *safe;
    bool found; /* a variable that is not safe */
} safe_vars;

static bool unsafe_term(void *self, cs_term *t)
{
    safe_vars *s = self;
    if (t->kind == CS_TERM_VAR && !cs_td__is_root(t, "data") && !cs_td__is_root(t, "input")) {
        s->found = s->found || !cs_names_has(s->safe, t->u.var);
    }
    return !s->found;
}

/* Does it have variables that the negation would leave unbound? */
static bool has_unsafe(const cs_expr *e, const cs_names *safe)
{
    safe_vars s = {safe, false};
    cs_walker w = {.self = &s, .term = unsafe_term, .skip_closures = true};
    if (e->kind == CS_EXPR_CALL) {
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            cs_walk_term(&w, e->u.call.v[i]);
        }
        for (uint32_t i = 0; i < e->n_with; i++) {
            cs_walk_term(&w, e->with[i].value);
        }
    } else {
        cs_walk_expr(&w, (cs_expr *)(uintptr_t)e);
    }
    return s.found;
}

static bool can_inline(const negation *n)
{
    uint32_t size = 1;
    for (size_t i = 0; i < n->saved.n; i++) {
        const cs_body *b = &n->saved.v[i];
        size *= b->n;
        if (size > INLINE_MAX) {
            return false;
        }
        for (uint32_t j = 0; j < b->n; j++) {
            bool negated = b->v[j]->negated || b->v[j]->kind == CS_EXPR_NOT;
            if (hard(b->v[j]) || (!negated && has_unsafe(b->v[j], n->unknowns))) {
                return false;
            }
        }
    }
    return true;
}

/* ---- writing it out */
static cs_expr *flipped(cs_td *run, const cs_expr *e)
{
    cs_expr *copy = cs_expr_copy(run->names, e);
    copy->negated = !copy->negated;
    return copy;
}

static cs_expr *not_of(cs_td *run, cs_body body, bool explicit_body)
{
    cs_expr *e = cs_arena_new(run->arena, cs_expr);
    e->kind = CS_EXPR_NOT;
    e->u.logic.left = body;
    e->u.logic.explicit_left = explicit_body;
    cs_expr_measure(e);
    return e;
}

/* A `not { … }` without its `not`; each statement takes over the modifiers. */
static void unwrapped(cs_td *run, const cs_expr *e, cs_body *out)
{
    cs_body inner = cs_body_copy(run->names, e->u.logic.left);
    for (uint32_t i = 0; i < inner.n; i++) {
        cs_expr *part = inner.v[i];
        cs_with *with = cs_arena_array(run->arena, cs_with, part->n_with + e->n_with + 1U);
        if (part->n_with) {
            memcpy(with, part->with, part->n_with * sizeof *with);
        }
        if (e->n_with) {
            memcpy(with + part->n_with, e->with, e->n_with * sizeof *with);
        }
        part->with = with;
        part->n_with += e->n_with;
        cs_body_append(run->names, out, part);
    }
}

static void complement(const negation *n, const cs_expr *e, cs_body *out)
{
    cs_td *run = n->f->run;
    if (!e->negated && e->kind == CS_EXPR_NOT) {
        unwrapped(run, e, out);
    } else if (!n->of_body || e->negated) {
        cs_body_append(run->names, out, flipped(run, e));
    } else {
        cs_body one = {0};
        cs_body_append(run->names, &one, cs_expr_copy(run->names, e));
        cs_body_append(run->names, out, not_of(run, one, false));
    }
}

static cs_go product(const negation *n, size_t at, cs_body so_far)
{
    if (at == n->saved.n) {
        cs_body copy = cs_body_copy(n->f->run->names, so_far);
        return cs_td__save_plugged(n->f, copy.v, copy.n, n->then);
    }
    for (uint32_t i = 0; i < n->saved.v[at].n; i++) {
        cs_body longer = cs_body_copy(n->f->run->names, so_far);
        complement(n, n->saved.v[at].v[i], &longer);
        CS_GO(product(n, at + 1, longer));
    }
    return NULL;
}

/* ---- as a rule */
static int by_name(const void *x, const void *y)
{
    const cs_term *a = *(cs_term *const *)x;
    const cs_term *b = *(cs_term *const *)y;
    return cs_term_compare(a, b);
}

/* The unknowns that the bodies read are the rule's arguments. */
static cs_terms arguments(const negation *n)
{
    cs_td *run = n->f->run;
    cs_names *used = cs_names_new(run->arena);
    for (size_t i = 0; i < n->saved.n; i++) {
        cs_names *vars = cs_names_new(run->arena);
        for (uint32_t j = 0; j < n->saved.v[i].n; j++) {
            cs_term body = {.kind = CS_TERM_ARRAY_COMPREHENSION};
            cs_term yes = {.kind = CS_TERM_SCALAR, .u.value = cs_bool(true)};
            body.u.comprehension.head = &yes;
            body.u.comprehension.body = n->saved.v[i];
            cs_names_of_term(vars, &body);
        }
        cs_names_put_all(used, vars);
    }
    cs_terms args = {cs_arena_array(run->arena, cs_term *, cs_names_count(n->unknowns) + 1), 0};
    for (uint32_t i = 0; i < cs_names_count(n->unknowns); i++) {
        const cs_sym *name = cs_names_at(n->unknowns, i);
        if (cs_names_has(used, name)) {
            args.v[args.n++] = cs_term_var(run->names, name, (cs_loc){0});
        }
    }
    qsort(args.v, args.n, sizeof *args.v, by_name);
    return args;
}

static cs_rule *support_rule(cs_td *run, const cs_sym *name, cs_terms args, cs_body body)
{
    cs_rule *rule = cs_arena_new(run->arena, cs_rule);
    cs_term *head = cs_term_var(run->names, name, (cs_loc){0});
    rule->head.ref = cs_term_list(run->names, CS_TERM_REF, &head, 1, (cs_loc){0});
    rule->head.args = args;
    rule->head.is_function = args.n > 0;
    rule->head.value = cs_term_scalar(run->names, cs_bool(true), (cs_loc){0});
    rule->head.uses_if = true;
    rule->head.shows_name = true;
    rule->body = body;
    return rule;
}

static cs_go as_rule(const negation *n)
{
    cs_td *run = n->f->run;
    const cs_sym *name = cs_sym_printf(run->names, "__not%llu_%u_%llu__", (unsigned long long)n->f->id, n->f->index,
                                       (unsigned long long)n->child);
    cs_term *parts[3] = {cs_term_var(run->names, run->names->data, (cs_loc){0}),
                         (cs_term *)(uintptr_t)run->partial->name_space,
                         cs_term_string(run->names, cs_sym_slice(name), (cs_loc){0})};
    cs_term *path = cs_term_list(run->names, CS_TERM_REF, parts, 3, (cs_loc){0});
    cs_terms args = arguments(n);
    for (size_t i = 0; i < n->saved.n; i++) {
        cs_td__support_add(run, path, 2, support_rule(run, name, args, n->saved.v[i]));
    }
    cs_expr *call = cs_expr_term(run->names, path, n->of_body ? (cs_loc){0} : n->e->loc);
    if (args.n) {
        cs_term **v = cs_arena_array(run->arena, cs_term *, args.n + 1U);
        v[0] = path;
        memcpy(v + 1, args.v, args.n * sizeof *v);
        call->kind = CS_EXPR_CALL;
        call->u.call = cs_term_list(run->names, CS_TERM_CALL, v, args.n + 1, (cs_loc){0})->u.list;
        cs_expr_measure(call);
    }
    cs_expr *e = call;
    if (n->of_body) {
        cs_body one = {0};
        cs_body_append(run->names, &one, call);
        e = not_of(run, one, false);
        e->loc = n->e->loc;
    }
    e->negated = n->e->negated;
    return cs_td__save_plugged(n->f, &e, 1, n->then);
}

static cs_go negate(negation *n, cs_body positive)
{
    cs_td *run = n->f->run;
    n->unknowns = unknown_names(run);
    uint32_t count = cs_names_count(n->unknowns);
    const cs_sym **live = cs_arena_array(run->arena, const cs_sym *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        live[i] = cs_names_at(n->unknowns, i);
    }
    cs_copyprop_options options = {.live = live, .n_live = count, .ensure_nonempty = true, .policy = run->policy};
    bool propagate = !cs_td__shallow(run) && !run->partial->options->skip_copy_propagation;
    cs_go stop;
    n->child = save_body(n->f, positive, &n->saved, propagate ? &options : NULL, &stop);
    if (stop) {
        return stop;
    }
    if (n->saved.n == 0) {
        return n->then->run(n->then);
    }
    return can_inline(n) ? product(n, 0, (cs_body){0}) : as_rule(n);
}

cs_go cs_td__not_partial(cs_td_frame *f, cs_k *k)
{
    const cs_expr *e = f->query.v[f->index];
    negation n = {.f = f, .e = e, .then = k};
    cs_expr *positive = cs_arena_new(f->run->arena, cs_expr);
    *positive = *e;
    positive->negated = false;
    positive->n_with = 0;
    cs_body body = {0};
    cs_body_append(f->run->names, &body, positive);
    return negate(&n, body);
}

cs_go cs_td__not_body_partial(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    cs_td *run = f->run;
    if (!e->u.logic.explicit_left || cs_td__shallow(run)) {
        negation n = {.f = f, .e = e, .of_body = true, .then = k};
        return negate(&n, e->u.logic.left);
    }
    bodies saved = {0};
    cs_go stop;
    (void)save_body(f, e->u.logic.left, &saved, NULL, &stop);
    if (stop) {
        return stop;
    }
    if (saved.n == 0) {
        return k->run(k);
    }
    cs_expr **v = cs_arena_array(run->arena, cs_expr *, saved.n);
    for (size_t i = 0; i < saved.n; i++) {
        v[i] = not_of(run, saved.v[i], true);
    }
    return cs_td__save_plugged(f, v, (uint32_t)saved.n, k);
}
