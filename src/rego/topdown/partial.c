/* Partial evaluation from its beginning to its end (OPA: Query.PartialRun). */
#include "rego/compile/names.h"
#include "rego/topdown/save.h"

#include <stdlib.h>

typedef struct live_vars {
    cs_td *run;
    cs_names *names;
} live_vars;

static bool live_term(void *self, cs_term *t)
{
    live_vars *l = self;
    if (t->kind == CS_TERM_VAR && !cs_slice_starts(cs_sym_slice(t->u.var), CS_LIT("__local"))) {
        cs_names_put(l->names, t->u.var, NULL);
    }
    return true;
}

/* What copy propagation must leave in an answer: the unknowns, and the names that the query's author chose. */
static void keep_live(cs_td *run, const cs_td_query *query)
{
    cs_td_saving *p = run->partial;
    live_vars l = {run, cs_names_new(run->arena)};
    for (uint32_t i = 0; i < p->unknowns.v[0].refs.n; i++) {
        cs_names_put(l.names, cs_sym_get(run->names, cs_sym_slice(p->unknowns.v[0].refs.v[i]->u.list.v[0]->u.var)),
                     NULL);
    }
    cs_walk_body(&(cs_walker){.self = &l, .term = live_term}, query->body);
    p->n_live = cs_names_count(l.names);
    p->live = cs_arena_array(run->arena, const cs_sym *, p->n_live + 1);
    for (uint32_t i = 0; i < p->n_live; i++) {
        p->live[i] = cs_names_at(l.names, i);
    }
}

static int by_expr(const void *x, const void *y)
{
    return cs_expr_compare(*(cs_expr *const *)x, *(cs_expr *const *)y);
}

/* The values of the query's own variables, so that who evaluates the answer gets them. */
static cs_body known_values(cs_td_frame *f)
{
    cs_td *run = f->run;
    cs_body body = {cs_arena_array(run->arena, cs_expr *, f->b->n + 1), f->b->n};
    for (uint32_t i = 0; i < f->b->n; i++) {
        const cs_term *key = f->b->v[i].key;
        cs_opd value = cs_bindings_plug(run, f->b, cs_opd_of(key), f->b);
        cs_term *sides[2] = {(cs_term *)(uintptr_t)key, (cs_term *)(uintptr_t)cs_opd_term(run, value, key->loc)};
        body.v[i] = cs_expr_call(run->names, "eq", sides, 2, (cs_loc){0});
    }
    qsort(body.v, body.n, sizeof *body.v, by_expr);
    return body;
}

typedef struct partial_k {
    cs_k k;
    cs_td_frame *f;
} partial_k;

static cs_go answer(cs_k *k)
{
    cs_td_frame *f = CS_K_SELF(partial_k, k)->f;
    cs_td *run = f->run;
    cs_td_saving *p = run->partial;
    const cs_saved_query *saved = &p->stack.v[p->stack.n - 1];
    cs_body body = {0};
    for (size_t i = 0; i < saved->n; i++) {
        cs_body_append(run->names, &body, cs_td__saved_plug(run, &saved->v[i]));
    }
    cs_body values = known_values(f);
    for (uint32_t i = 0; i < values.n; i++) {
        cs_body_append(run->names, &body, values.v[i]);
    }
    if (!cs_body_passes_types(run->names, run->policy, body)) {
        return NULL;
    }
    if (!p->options->shallow_inlining && !p->options->skip_copy_propagation) {
        cs_copyprop_options options = {.live = p->live, .n_live = p->n_live, .policy = run->policy};
        body = cs_copy_propagate(run->names, body, &options);
    }
    CS_VEC_PUSH_IN(run->arena, &p->queries, body);
    return NULL;
}

static cs_term *input_ref(cs_td *run)
{
    cs_term *head = cs_term_var(run->names, run->names->input, (cs_loc){0});
    return cs_term_list(run->names, CS_TERM_REF, &head, 1, (cs_loc){0});
}

/* A lone name (`input`) is a ref of one part. */
static void push_unknowns(cs_td *run, const cs_td_partial_options *options)
{
    uint32_t n = options->n_unknowns ? options->n_unknowns : 1;
    const cs_term **v = cs_arena_array(run->arena, const cs_term *, n);
    for (uint32_t i = 0; i < n; i++) {
        v[i] = options->n_unknowns ? options->unknowns[i] : input_ref(run);
        if (v[i]->kind == CS_TERM_VAR) {
            cs_term *one = (cs_term *)(uintptr_t)v[i];
            v[i] = cs_term_list(run->names, CS_TERM_REF, &one, 1, one->loc);
        }
    }
    cs_td__unknown_push(run, v, n, run->root->b);
}

static int head_lists(cs_terms a, cs_terms b)
{
    for (uint32_t i = 0; i < a.n && i < b.n; i++) {
        int c = cs_term_compare(a.v[i], b.v[i]);
        if (c) {
            return c;
        }
    }
    return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

static int optional(const cs_term *a, const cs_term *b)
{
    return !a || !b ? (a != NULL) - (b != NULL) : cs_term_compare(a, b);
}

static int by_rule(const void *x, const void *y)
{
    const cs_rule *a = *(cs_rule *const *)x;
    const cs_rule *b = *(cs_rule *const *)y;
    int c = head_lists(a->head.args, b->head.args);
    c = c ? c : head_lists(a->head.ref->u.list, b->head.ref->u.list);
    c = c ? c : optional(a->head.key, b->head.key);
    c = c ? c : optional(a->head.value, b->head.value);
    c = c ? c : (int)a->is_default - (int)b->is_default;
    return c ? c : cs_body_compare(a->body, b->body);
}

static void hand_over(cs_td_saving *p, cs_td_partial *out)
{
    for (size_t i = 0; i < p->support.n; i++) {
        qsort(p->support.v[i]->rules, p->support.v[i]->n_rules, sizeof(cs_rule *), by_rule);
    }
    /* Modules stay in the order in which they were made: OPA keeps them in a map, from which most runs give them so. */
    *out = (cs_td_partial){p->queries.v, (uint32_t)p->queries.n, p->support.v, (uint32_t)p->support.n};
}

cs_err cs_topdown_partial(const cs_td_query *query, const cs_eval *eval, const cs_td_partial_options *options,
                          const cs_tracer *tracer, cs_td_partial *out, cs_error *e)
{
    cs_td run;
    cs_bindings b = {0};
    cs_td__begin(&run, query, eval, tracer);
    run.names = query->ast;
    run.own.names = query->ast;
    cs_td_saving *p = cs_arena_new(run.arena, cs_td_saving);
    run.partial = p;
    p->options = options;
    cs_slice name_space = options->partial_namespace.n ? options->partial_namespace : CS_LIT("partial");
    p->name_space = cs_term_string(run.names, name_space, (cs_loc){0});
    cs_td_frame f = {.run = &run, .query = query->body, .id = run.next_id++, .b = &b, .input = eval->input};
    run.root = &f;
    cs_td__index_comprehensions(&run.own, query->ast, NULL, query->body);
    push_unknowns(&run, options);
    keep_live(&run, query);
    cs_td__query_push(&run);
    if (options->n_disable_inlining) {
        cs_td__disable(&run, &(cs_disabled){.refs = options->disable_inlining, .n = options->n_disable_inlining});
    }
    partial_k k = {{answer}, &f};
    cs_go stop = cs_td__run_body(&f, &k.k);
    cs_td__end(&run);
    CS_TRY(cs_td__report(&run, stop, e));
    hand_over(p, out);
    return CS_OK;
}
