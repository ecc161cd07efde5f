/* data.…: down the tree of rules, with base data beside it (OPA: evalTree). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct tree {
    cs_td_ref r;
    cs_opd *path;             /* r.ref plugged, as far as r.pos; shared by all steps of one walk */
    const cs_rule_node *node; /* NULL: no rules at or below this place */
} tree;

static cs_go at_place(const tree *t, cs_k *k);

const cs_rule_node *cs_td__node_of(const cs_td *run, const cs_terms *ref)
{
    const cs_rule_node *node = run->policy ? run->policy->root : NULL;
    for (uint32_t i = 1; node && i < ref->n; i++) {
        node = ref->v[i]->kind == CS_TERM_SCALAR ? cs_rule_node_child(node, ref->v[i]->u.value) : NULL;
    }
    return node;
}

/* ---- the whole document at the end of a ref */
typedef struct leaf_k {
    cs_k k;
    cs_td_frame *f;
    const cs_term *var;
    cs_value found;
} leaf_k;

static cs_go got_leaf(cs_k *k)
{
    leaf_k *l = CS_K_SELF(leaf_k, k);
    cs_opd v = cs_td__plug_term(l->f, l->var);
    l->found = v.t ? cs_undefined() : v.v;
    return NULL;
}

static cs_go leaves(const tree *t, cs_opd *path, uint32_t n, const cs_rule_node *node, cs_value *out)
{
    cs_td *run = t->r.f->run;
    CS_GO(cs_td__step(t->r.f));
    *out = cs_object_new(run->arena, node->n_children);
    for (uint32_t i = 0; i < node->n_children; i++) {
        const cs_rule_node *child = node->children[i];
        if (!node->parent && cs_equal(child->key, cs_string(CS_LIT("system")))) {
            continue;
        }
        cs_opd *longer = cs_arena_alloc(run->arena, (n + 1) * sizeof *longer);
        memcpy(longer, path, n * sizeof *longer);
        longer[n] = cs_opd_value(child->key);
        cs_value v = cs_undefined();
        if (child->n_rules) {
            leaf_k l = {{got_leaf}, t->r.f, cs_td__new_var(t->r.f, "$_leaf"), cs_undefined()};
            const cs_term *ref = cs_td__path_term(run, longer, n + 1, (cs_loc){0});
            CS_GO(cs_td__unify(t->r.f, ref, l.var, &l.k));
            v = l.found;
        } else {
            CS_GO(leaves(t, longer, n + 1, child, &v));
        }
        if (!cs_is_undefined(v)) {
            cs_object_put(run->arena, *out, child->key, v);
        }
    }
    return NULL;
}

static cs_go whole(const tree *t, cs_k *k)
{
    cs_td_frame *f = t->r.f;
    if (f->run->partial && cs_td__unknown_path(f, t->path, t->r.ref.n, f->b)) {
        const cs_term *ref = cs_td__path_term(f->run, t->path, t->r.ref.n, t->r.ref.v[0]->loc);
        return cs_td__save_unify(f, cs_opd_of(ref), t->r.rterm, t->r.b, t->r.rb, k);
    }
    cs_value v = cs_undefined();
    if (!cs_td__resolve(f, t->path, t->r.ref.n, &v)) {
        return NULL;
    }
    if (t->node) {
        cs_value rules;
        CS_GO(leaves(t, t->path, t->r.ref.n, t->node, &rules));
        v = cs_is_undefined(v) ? rules : cs_td__merge(f->run, v, rules);
    }
    return cs_is_undefined(v) ? NULL : cs_td__biunify(f, t->r.rterm, cs_opd_value(v), t->r.rb, t->r.b, k);
}

/* ---- one step down */
static cs_go rules_here(const tree *t, const cs_rule_node *node, cs_k *k)
{
    cs_td_frame *f = t->r.f;
    cs_td_rules rules = cs_td__rules(f, node, NULL, 0);
    if (rules.has_else && f->run->partial && cs_td__unknown_ref(f, &t->r.ref, t->r.ref.n, t->r.b)) {
        const cs_term *ref = cs_td__ref_term(f->run, &t->r.ref);
        return cs_td__save_unify(f, cs_opd_of(ref), t->r.rterm, t->r.b, t->r.rb, k);
    }
    return rules.multi_value || !rules.only_ground_refs ? cs_td__partial_rule(&t->r, t->path, &rules, k)
                                                        : cs_td__complete(&t->r, t->path, &rules, k);
}

static cs_go down(const tree *t, cs_opd key, cs_k *k)
{
    tree next = *t;
    next.path[t->r.pos] = key;
    next.r.pos++;
    next.node = NULL;
    if (t->node && !cs_td__replaced(t->r.f->run, t->path, next.r.pos)) {
        next.node = key.t ? NULL : cs_rule_node_child(t->node, key.v);
        if (next.node && next.node->n_rules) {
            return rules_here(t, next.node, k);
        }
    }
    return at_place(&next, k);
}

typedef struct down_k {
    cs_k k;
    const tree *t;
    cs_opd key;
    cs_k *then;
} down_k;

static cs_go with_key(cs_k *k)
{
    const down_k *d = CS_K_SELF(down_k, k);
    return down(d->t, d->key, d->then);
}

static cs_go meet_key(down_k *d, cs_opd key)
{
    const cs_td_ref *r = &d->t->r;
    CS_GO(cs_td__step(r->f));
    d->key = key;
    return cs_td__biunify(r->f, key, cs_opd_of(r->ref.v[r->pos]), r->b, r->b, &d->k);
}

/* Only the first deferred exit waits for the end of the base document's keys. */
static cs_go keys_of_base(down_k *d, cs_value base, cs_go *deferred)
{
    for (uint32_t i = 0; i < cs_count(base); i++) {
        cs_value key = cs_is(base, CS_ARRAY) ? cs_int(i) : cs_entry(base, i, NULL);
        cs_go stop = meet_key(d, cs_opd_value(key));
        if (stop && !*deferred && stop->kind == CS_STOP_DEFERRED) {
            *deferred = stop;
            continue;
        }
        CS_GO(stop);
    }
    return NULL;
}

static cs_go enumerate(const tree *t, cs_k *k)
{
    cs_td_frame *f = t->r.f;
    cs_td *run = f->run;
    cs_value base = cs_undefined();
    if (run->partial && cs_td__inlining_disabled(run, t->path, t->r.pos, true)) {
        return cs_td__save_unify(f, cs_opd_of(cs_td__rest_term(&t->r, t->path)), t->r.rterm, t->r.b, t->r.rb, k);
    }
    if (!cs_td__resolve(f, t->path, t->r.pos, &base)) {
        return cs_td__save_unify(f, cs_opd_of(cs_td__rest_term(&t->r, t->path)), t->r.rterm, t->r.b, t->r.rb, k);
    }
    down_k d = {{with_key}, t, cs_opd_value(cs_undefined()), k};
    cs_go deferred = NULL;
    CS_GO(keys_of_base(&d, base, &deferred));
    if (deferred || !t->node) {
        return deferred;
    }
    for (uint32_t i = 0; i < t->node->n_children; i++) {
        cs_value key = t->node->children[i]->key;
        if (cs_count(base) == 0 || cs_is_undefined(cs_index(base, key))) {
            CS_GO(meet_key(&d, cs_opd_value(key)));
        }
    }
    return NULL;
}

static cs_go at_place(const tree *t, cs_k *k)
{
    if (t->r.pos == t->r.ref.n) {
        return whole(t, k);
    }
    cs_opd key = cs_bindings_plug(t->r.f->run, t->r.b, cs_opd_of(t->r.ref.v[t->r.pos]), NULL);
    return cs_opd_is_ground(key) ? down(t, key, k) : enumerate(t, k);
}

cs_go cs_td__tree(const cs_td_ref *r, cs_k *k)
{
    cs_opd room[8];
    cs_td *run = r->f->run;
    tree t = {.r = *r, .node = run->policy ? run->policy->root : NULL};
    t.path = r->ref.n <= 8 ? room : cs_arena_alloc(run->arena, r->ref.n * sizeof *t.path);
    for (uint32_t i = 0; i < r->ref.n; i++) {
        t.path[i] = (cs_opd){.t = r->ref.v[i], .v = cs_undefined()};
    }
    return at_place(&t, k);
}
