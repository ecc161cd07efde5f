/* with: another input, other data, other functions while one statement runs (OPA: evalWith). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct with_k {
    cs_k k;
    cs_td_frame *f;
    cs_value input, data; /* in force inside */
    cs_value outer_input, outer_data;
    cs_td_mocks mocks;
    cs_td_refs targets;
    cs_disabled disabled;
    cs_k *then;
} with_k;

static void enter(with_k *w)
{
    cs_td_frame *f = w->f;
    cs_td *run = f->run;
    w->outer_input = f->input;
    w->outer_data = f->data;
    f->input = w->input;
    f->data = w->data;
    cs_td__layer_push(run);
    CS_VEC_PUSH_IN(run->arena, &run->targets, w->targets);
    CS_VEC_PUSH_IN(run->arena, &run->mocks, w->mocks);
    if (run->partial) {
        cs_td__disable(run, &w->disabled);
    }
}

static void leave(with_k *w)
{
    cs_td *run = w->f->run;
    if (run->partial) {
        cs_td__disable_pop(run);
    }
    run->mocks.n--;
    run->targets.n--;
    cs_td__layer_pop(run);
    w->f->input = w->outer_input;
    w->f->data = w->outer_data;
}

static cs_go inside_done(cs_k *k)
{
    with_k *w = CS_K_SELF(with_k, k);
    leave(w);
    cs_go stop = cs_td__next(w->f, w->then);
    enter(w);
    return stop;
}

/* A lone name is a ref of one part. */
static const cs_term *as_ref(cs_td *run, const cs_term *t)
{
    if (t->kind != CS_TERM_VAR) {
        return t;
    }
    cs_term *one = (cs_term *)(uintptr_t)t;
    return cs_term_list(run->names, CS_TERM_REF, &one, 1, t->loc);
}

bool cs_td__is_policy_function(const cs_td *run, const cs_term *ref)
{
    if (ref->kind != CS_TERM_REF || !cs_td__is_root(ref->u.list.v[0], "data")) {
        return false;
    }
    const cs_rule_node *node = cs_td__node_of(run, &ref->u.list);
    return node && node->n_rules && node->rules[0]->head.args.n > 0;
}

bool cs_td__is_function(const cs_td *run, const cs_term *ref)
{
    if (ref->kind != CS_TERM_REF || ref->u.list.v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    return cs_td__is_policy_function(run, ref) || cs_builtin_granted(run->policy->capabilities, ref) != NULL;
}

const cs_opd *cs_td__mock(cs_td *run, const cs_term *function)
{
    for (size_t i = run->mocks.n; i > 0 && !run->mocks.v[i - 1].group; i--) {
        const cs_td_mocks *m = &run->mocks.v[i - 1];
        for (uint32_t j = 0; j < m->n; j++) {
            if (cs_term_equal(m->v[j].target, function)) {
                return &m->v[j].value;
            }
        }
    }
    return NULL;
}

static bool at_or_below(const cs_opd *path, uint32_t n, const cs_term *target)
{
    const cs_terms *ref = &target->u.list;
    if (ref->n > n || !cs_td__is_root(ref->v[0], "data")) {
        return false;
    }
    for (uint32_t i = 1; i < ref->n; i++) {
        if (!cs_opd_equal(path[i], cs_opd_of(ref->v[i]))) {
            return false;
        }
    }
    return true;
}

bool cs_td__replaced(const cs_td *run, const cs_opd *path, uint32_t n)
{
    for (size_t i = run->targets.n; i > 0; i--) {
        const cs_td_refs *refs = &run->targets.v[i - 1];
        for (uint32_t j = 0; j < refs->n; j++) {
            if (at_or_below(path, n, refs->v[j])) {
                return true;
            }
        }
    }
    return false;
}

static cs_value put_at(cs_td *run, cs_value root, const cs_terms *target, cs_value v)
{
    cs_value *keys = cs_arena_array(run->arena, cs_value, target->n);
    for (uint32_t i = 1; i < target->n; i++) {
        keys[i - 1] = target->v[i]->kind == CS_TERM_SCALAR ? target->v[i]->u.value : cs_null();
    }
    if (target->n > 1 && cs_is_undefined(root)) {
        root = cs_object_new(run->arena, 1);
    }
    return target->n == 1 ? v : cs_upsert(run->arena, root, keys, target->n - 1, v);
}

/* A function's stand-in: a built-in's name is a ref, too. */
static cs_opd stand_in(cs_td *run, cs_opd value)
{
    if (cs_opd_is(value, CS_TERM_VAR)) {
        const cs_term *ref = as_ref(run, value.t);
        value.t = cs_builtin_granted(run->policy->capabilities, ref) ? ref : value.t;
    }
    return value;
}

static void prepare(with_k *w, const cs_expr *e)
{
    cs_td_frame *f = w->f;
    cs_td *run = f->run;
    cs_td_mock *mocks = cs_arena_array(run->arena, cs_td_mock, e->n_with);
    const cs_term **targets = cs_arena_array(run->arena, const cs_term *, e->n_with);
    w->input = f->input;
    w->data = f->data;
    for (uint32_t i = 0; i < e->n_with; i++) {
        const cs_term *target = as_ref(run, e->with[i].target);
        cs_opd value = cs_td__plug_term(f, e->with[i].value);
        if (cs_td__is_function(run, target)) {
            mocks[w->mocks.n++] = (cs_td_mock){target, stand_in(run, value)};
        } else if (value.t) {
            continue; /* it cannot be told: nothing is replaced */
        } else if (cs_td__is_root(target->u.list.v[0], "input")) {
            w->input = put_at(run, w->input, &target->u.list, value.v);
        } else {
            w->data = put_at(run, w->data, &target->u.list, value.v);
        }
        targets[w->targets.n++] = target;
    }
    w->mocks.v = mocks;
    w->targets.v = targets;
}

/* ---- partial evaluation: refs that the statement and its modifiers mention are not inlined */
typedef struct mentioned {
    cs_td *run;
    CS_VEC(const cs_term *) refs;
    CS_VEC(uint32_t) lengths;
} mentioned;

static bool mention(void *self, cs_term *t)
{
    mentioned *m = self;
    if (t->kind == CS_TERM_REF) {
        uint32_t n = cs_ref_ground_prefix(t);
        CS_VEC_PUSH_IN(m->run->arena, &m->refs, t);
        CS_VEC_PUSH_IN(m->run->arena, &m->lengths, n);
    }
    return true;
}

/* True: the statement depends on something unknown that replaces a document, and is saved as a whole. */
static bool look_for_unknowns(with_k *w, const cs_expr *e)
{
    cs_td *run = w->f->run;
    mentioned m = {.run = run};
    cs_walker walker = {.self = &m, .term = mention};
    for (uint32_t i = 0; i < e->n_with; i++) {
        const cs_term *target = as_ref(run, e->with[i].target);
        bool document = !cs_td__is_policy_function(run, target) &&
                        (cs_td__is_root(target->u.list.v[0], "data") || cs_td__is_root(target->u.list.v[0], "input"));
        if (document && cs_td__saves_deep(run, cs_opd_of(e->with[i].value), w->f->b)) {
            return true;
        }
        if (document) {
            cs_walk_term(&walker, e->with[i].target);
        }
        cs_walk_term(&walker, e->with[i].value);
    }
    cs_expr bare = *e;
    bare.n_with = 0;
    cs_walk_expr(&walker, &bare);
    w->disabled = (cs_disabled){true, m.refs.v, m.lengths.v, (uint32_t)m.refs.n, NULL};
    return false;
}

typedef struct next_k {
    cs_k k;
    cs_td_frame *f;
    cs_k *then;
} next_k;

static cs_go next_done(cs_k *k)
{
    const next_k *n = CS_K_SELF(next_k, k);
    return cs_td__next(n->f, n->then);
}

cs_go cs_td__with(cs_td_frame *f, cs_k *k)
{
    const cs_expr *e = f->query.v[f->index];
    with_k w = {.k = {inside_done}, .f = f, .then = k};
    if (f->run->partial && look_for_unknowns(&w, e)) {
        next_k n = {{next_done}, f, k};
        return cs_td__save_expr_with_outputs(f, (cs_expr *)(uintptr_t)e, f->b, &n.k);
    }
    prepare(&w, e);
    enter(&w);
    cs_go stop = cs_td__statement(f, &w.k, false);
    leave(&w);
    return stop;
}
