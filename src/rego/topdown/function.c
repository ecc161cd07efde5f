/* Calls of the policy's functions (OPA: evalFunc). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct call {
    cs_td_frame *f;
    const cs_td_rules *rules;
    const cs_opd *args; /* of the call; the last one may be what takes the result */
    uint32_t n;
    uint32_t arity;
    cs_opd *key; /* what the result is remembered by */
    cs_k *then;
    cs_opd before; /* the result, once there is one */
    bool have_before;
} call;

typedef struct rule_k {
    cs_k k;
    call *c;
    const cs_td_rule *rule;
    cs_td_frame *child;
    bool produced;
    cs_td_conflicts *conflicts;
    cs_go (*done)(cs_k *);
} rule_k;

static cs_go args_met(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    rk->k.run = rk->done;
    cs_go stop = cs_td__expr(rk->child, &rk->k);
    rk->k.run = args_met;
    return stop;
}

static cs_go run_rule(call *c, const cs_td_rule *rule, bool find_one, bool *produced, cs_go (*done)(cs_k *),
                      cs_td_conflicts *conflicts)
{
    cs_td_frame child;
    cs_bindings b;
    const cs_head *h = &rule->rule->head;
    cs_opd room[8];
    cs_opd *head = c->n <= 8 ? room : cs_arena_alloc(c->f->run->arena, c->n * sizeof *head);
    for (uint32_t i = 0; i < c->n; i++) {
        head[i] = cs_opd_of(i < h->args.n ? h->args.v[i] : h->value);
    }
    cs_td__child(c->f, rule->rule->body, &child, &b);
    child.find_one = find_one;
    cs_td__event_rule(&child, CS_TRACE_ENTER, rule->rule);
    rule_k rk = {{args_met}, c, rule, &child, false, conflicts, done};
    cs_go stop = cs_td__biunify_lists(&child, c->args, head, c->n, c->f->b, child.b, &rk.k);
    *produced = rk.produced;
    return stop;
}

static bool is_false(cs_opd o)
{
    return !o.t && cs_is(o.v, CS_BOOL) && o.v.u.i == 0;
}

static cs_go got_value(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    call *c = rk->c;
    cs_td *run = c->f->run;
    cs_td_frame *child = rk->child;
    const cs_term *value = rk->rule->rule->head.value;
    cs_td__event_rule(child, CS_TRACE_EXIT, rk->rule->rule);
    bool uncaptured = c->n == c->arity;
    if (uncaptured && run->partial && cs_td__saves(run, cs_opd_of(value), child->b)) {
        /* whether it is false is not known yet */
        cs_go stop = cs_td__save_expr(c->f, cs_expr_term(run->names, (cs_term *)(uintptr_t)value, (cs_loc){0}),
                                      child->b, c->then);
        cs_td__event_rule(child, CS_TRACE_REDO, rk->rule->rule);
        return stop;
    }
    cs_opd v = cs_td__plug_term(child, value);
    rk->produced = true;
    if (c->key && !v.t) {
        cs_td__memo_put(run, c->key, c->arity + 2, v.v);
    }
    bool conflict = !run->partial && c->have_before && !cs_opd_equal(c->before, v);
    if (uncaptured && is_false(v)) {
        if (c->have_before && !cs_opd_equal(c->before, v)) {
            return cs_td__conflict(run, rk->rule);
        }
        c->before = v;
        c->have_before = true;
        return NULL;
    }
    if (conflict) {
        return cs_td__conflict(run, rk->rule);
    }
    if (!run->partial && c->have_before) {
        cs_td__event_rule(child, CS_TRACE_REDO, rk->rule->rule);
        return NULL;
    }
    c->before = v;
    c->have_before = true;
    CS_GO(c->then->run(c->then));
    cs_td__event_rule(child, CS_TRACE_REDO, rk->rule->rule);
    return NULL;
}

static cs_go take(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    rk->produced = true;
    return cs_td__conflict_take(rk->conflicts, rk->child, rk->rule->rule);
}

static cs_go again(void *self, const cs_td_rule *rule, cs_td_conflicts *conflicts, bool *produced)
{
    call *c = self;
    return run_rule(c, rule, c->rules->early_exit, produced, take, conflicts);
}

static cs_go all_rules(call *c)
{
    const cs_td_rules *rules = c->rules;
    cs_go deferred = NULL;
    bool produced = false;
    for (uint32_t i = 0; i < rules->n; i++) {
        const cs_td_rule *rule = &rules->v[i];
        if (rule->is_other && produced) {
            continue;
        }
        cs_opd kept = c->before;
        bool kept_one = c->have_before;
        cs_go stop = cs_td__defer(&deferred, run_rule(c, rule, rules->early_exit, &produced, got_value, NULL));
        if (stop) {
            return cs_td__conflict_list(c->f, stop, rule, rules, again, c);
        }
        if (!produced) {
            c->before = kept;
            c->have_before = kept_one;
        }
    }
    if (rules->otherwise && !c->have_before) {
        return run_rule(c, rules->otherwise, rules->early_exit, &produced, got_value, NULL);
    }
    return deferred;
}

/* [_, [node], args…]: a list that no document's path is. */
static void make_key(call *c, const cs_term *operator_term)
{
    cs_td *run = c->f->run;
    const cs_rule_node *node = cs_td__node_of(run, &operator_term->u.list);
    cs_value id = cs_int(node ? node->id : 0);
    c->key = cs_arena_alloc(run->arena, (c->arity + 2) * sizeof *c->key);
    c->key[0] = cs_opd_value(cs_null());
    c->key[1] = cs_opd_value(cs_array_copy(run->arena, &id, 1));
    for (uint32_t i = 0; i < c->arity; i++) {
        c->key[i + 2] = cs_td__plug(c->f, c->args[i]);
    }
}

static cs_go evaluate(call *c, const cs_term *operator_term)
{
    cs_td *run = c->f->run;
    if (!run->partial) {
        bool undefined;
        make_key(c, operator_term);
        const cs_value *known = cs_td__memo_get(run, c->key, c->arity + 2, &undefined);
        if (known && c->n == c->arity) {
            return is_false(cs_opd_value(*known)) ? NULL : c->then->run(c->then);
        }
        if (known) {
            return cs_td__biunify(c->f, c->args[c->n - 1], cs_opd_value(*known), c->f->b, c->f->b, c->then);
        }
    }
    return cs_td__suppress(all_rules(c));
}

/* Must the function's rules stay rules? A default counts whenever the call succeeds with it. */
static bool needs_support(const call *c, const cs_term *operator_term)
{
    cs_td *run = c->f->run;
    const cs_td_rule *otherwise = c->rules->otherwise;
    bool must = otherwise && (c->n != c->arity || !is_false(cs_opd_of(otherwise->rule->head.value)));
    if (!must && !cs_td__shallow(run) &&
        !cs_td__ref_inlining_disabled(run, &operator_term->u.list, operator_term->u.list.n, false)) {
        return false;
    }
    bool unknown = cs_td__unknown_ref(c->f, &operator_term->u.list, operator_term->u.list.n, c->f->b);
    for (uint32_t i = 0; i < c->arity && !unknown; i++) {
        unknown = cs_td__unknown_opd(c->f, c->args[i]);
    }
    return unknown;
}

cs_go cs_td__function(cs_td_frame *f, const cs_td_rules *rules, const cs_term *const *terms, uint32_t n, cs_k *k)
{
    if (rules->n == 0 && !rules->otherwise) {
        return NULL;
    }
    cs_opd room[8];
    cs_opd *args = n <= 9 ? room : cs_arena_alloc(f->run->arena, n * sizeof *args);
    for (uint32_t i = 1; i < n; i++) {
        args[i - 1] = cs_opd_of(terms[i]);
    }
    const cs_rule *any = rules->n ? rules->v[0].rule : rules->otherwise->rule;
    call c = {.f = f, .rules = rules, .args = args, .n = n - 1, .arity = any->head.args.n, .then = k};
    if (f->run->partial) {
        if (rules->has_else && cs_td__unknown_expr(f, f->query.v[f->index])) {
            return cs_td__save_call(f, c.arity, terms, n, k);
        }
        if (needs_support(&c, terms[0])) {
            return cs_td__support_function(f, rules, terms, n, c.arity, k);
        }
    }
    return evaluate(&c, terms[0]);
}
