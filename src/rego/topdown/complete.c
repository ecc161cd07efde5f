/* Documents of complete rules (OPA: evalVirtualComplete). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct complete {
    const cs_td_ref *r;
    cs_opd *path;
    const cs_td_rules *rules;
    cs_k *then;
    cs_value before; /* the document's value, once there is one */
} complete;

typedef struct rule_k {
    cs_k k;
    complete *c;
    const cs_td_rule *rule;
    cs_td_frame *child;
    bool produced;
    cs_td_conflicts *conflicts; /* only collects values */
} rule_k;

static cs_go go_on(const complete *c, const rule_k *rk)
{
    cs_bindings *tb = rk->child->b;
    cs_opd term = cs_bindings_apply(&tb, cs_opd_of(rk->rule->rule->head.value));
    cs_td_ref rest = *c->r;
    rest.pos++;
    return cs_td__inside(&rest, term, tb, c->then);
}

static cs_go got_value(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    complete *c = rk->c;
    cs_td_frame *child = rk->child;
    cs_td__event_rule(child, CS_TRACE_EXIT, rk->rule->rule);
    cs_opd v = cs_td__plug_term(child, rk->rule->rule->head.value);
    rk->produced = true;
    if (!cs_is_undefined(c->before)) {
        if (v.t || !cs_equal(c->before, v.v)) {
            return cs_td__conflict(child->run, rk->rule);
        }
        cs_td__event_rule(child, CS_TRACE_REDO, rk->rule->rule);
        return NULL;
    }
    if (!v.t) {
        c->before = v.v;
        cs_td__wrote_whole(child->run, v);
        cs_td__memo_put(child->run, c->path, c->r->pos + 1, v.v);
    }
    CS_GO(go_on(c, rk));
    cs_td__event_rule(child, CS_TRACE_REDO, rk->rule->rule);
    return NULL;
}

static cs_go run_rule(complete *c, const cs_td_rule *rule, bool find_one, bool *produced, cs_go (*run)(cs_k *),
                      cs_td_conflicts *conflicts)
{
    cs_td_frame child;
    cs_bindings b;
    cs_td__child(c->r->f, rule->rule->body, &child, &b);
    child.find_one = find_one;
    cs_td__event_rule(&child, CS_TRACE_ENTER, rule->rule);
    rule_k rk = {{run}, c, rule, &child, false, conflicts};
    cs_go stop = cs_td__expr(&child, &rk.k);
    *produced = rk.produced;
    return stop;
}

static cs_go take(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    rk->produced = true;
    return cs_td__conflict_take(rk->conflicts, rk->child, rk->rule->rule);
}

static cs_go again(void *self, const cs_td_rule *rule, cs_td_conflicts *conflicts, bool *produced)
{
    complete *c = self;
    return run_rule(c, rule, c->rules->early_exit, produced, take, conflicts);
}

static cs_go all_rules(complete *c, cs_go *deferred)
{
    const cs_td_rules *rules = c->rules;
    bool produced = false;
    for (uint32_t i = 0; i < rules->n; i++) {
        const cs_td_rule *rule = &rules->v[i];
        if (rule->is_other && produced) {
            continue;
        }
        cs_go stop = run_rule(c, rule, rules->early_exit, &produced, got_value, NULL);
        stop = cs_td__defer(deferred, stop);
        if (stop) {
            return cs_td__conflict_list(c->r->f, stop, rule, rules, again, c);
        }
    }
    return NULL;
}

static cs_go evaluate(complete *c)
{
    cs_td *run = c->r->f->run;
    bool undefined;
    const cs_value *known = cs_td__memo_get(run, c->path, c->r->pos + 1, &undefined);
    if (undefined) {
        return NULL;
    }
    if (known) {
        cs_td_ref rest = *c->r;
        rest.pos++;
        return cs_td__inside(&rest, cs_opd_value(*known), c->r->b, c->then);
    }
    cs_go deferred = NULL;
    cs_go stop = all_rules(c, &deferred);
    if (stop) {
        return cs_td__suppress(stop);
    }
    if (c->rules->otherwise && cs_is_undefined(c->before)) {
        bool produced;
        return cs_td__suppress(run_rule(c, c->rules->otherwise, c->rules->early_exit, &produced, got_value, NULL));
    }
    if (cs_is_undefined(c->before)) {
        cs_td__memo_put(run, c->path, c->r->pos + 1, cs_undefined());
    }
    return cs_td__suppress(deferred);
}

/* ---- partial evaluation */
static cs_go got_partial(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    cs_td__event_rule(rk->child, CS_TRACE_EXIT, rk->rule->rule);
    CS_GO(go_on(rk->c, rk));
    cs_td__event_rule(rk->child, CS_TRACE_REDO, rk->rule->rule);
    return NULL;
}

static cs_go inline_rules(complete *c)
{
    for (uint32_t i = 0; i < c->rules->n; i++) {
        bool produced;
        if (!c->rules->v[i].is_other) {
            CS_GO(run_rule(c, &c->rules->v[i], false, &produced, got_partial, NULL));
        }
    }
    return NULL;
}

/* The default matters unless what the document is compared with cannot be it. */
static bool needs_support(const complete *c)
{
    cs_td *run = c->r->f->run;
    const cs_td_rule *otherwise = c->rules->otherwise;
    if (!otherwise) {
        return false;
    }
    const cs_term *value = otherwise->rule->head.value;
    bool is_false = value->kind == CS_TERM_SCALAR && cs_equal(value->u.value, cs_bool(false));
    if (is_false && cs_td__opd_inlining_disabled(run, c->r->rterm)) {
        return false;
    }
    cs_opd rterm = cs_bindings_plug(run, c->r->rb, c->r->rterm, NULL);
    cs_opd plain = cs_bindings_plug(run, NULL, cs_opd_of(value), NULL);
    return rterm.t || cs_opd_equal(plain, rterm);
}

cs_go cs_td__complete(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k)
{
    if (rules->n == 0 && !rules->otherwise) {
        return NULL;
    }
    const cs_rule *any = rules->n ? rules->v[0].rule : rules->otherwise->rule;
    if (any->head.args.n) {
        return NULL; /* the extent of a package has no functions */
    }
    complete c = {r, path, rules, k, cs_undefined()};
    cs_td *run = r->f->run;
    if (!run->partial || !cs_td__unknown_ref(r->f, &r->ref, r->ref.n, r->b)) {
        return evaluate(&c);
    }
    if (needs_support(&c) || cs_td__shallow(run) || cs_td__inlining_disabled(run, path, r->pos + 1, false)) {
        return cs_td__support_complete(r, path, rules, k);
    }
    return inline_rules(&c);
}
