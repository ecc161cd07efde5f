/* Documents of partial rules: sets, objects, and refs with variables in the head (OPA: evalVirtualPartial). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct doc {
    const cs_td_ref *r;
    cs_opd *path;
    const cs_td_rules *rules;
    cs_k *then;
    cs_value result;  /* the document so far */
    bool mixed;       /* heads of different lengths: one must not claim what is inside another's value */
    cs_value visited; /* set of the paths that have values, if mixed */
    bool unknown;     /* partial evaluation: answers go on one by one */
} doc;

typedef struct rule_k {
    cs_k k;
    doc *d;
    const cs_td_rule *rule;
    cs_td_frame *child;
    uint32_t at; /* of the ref, while heads are met */
    bool after;  /* heads are met after the body */
} rule_k;

static cs_value empty_of(cs_td *run, const cs_td_rules *rules)
{
    return rules->multi_value && rules->only_ground_refs ? cs_set_new(run->arena, 0) : cs_object_new(run->arena, 0);
}

static const cs_term *key_of(const cs_td_rule *rule)
{
    const cs_head *h = &rule->rule->head;
    return h->key ? h->key : rule->ref.v[rule->ref.n - 1];
}

/* ---- adding an answer to the document */
static cs_go key_conflict(const rule_k *rk)
{
    return cs_td__fail(rk->child->run, rk->rule->rule->head.loc, CS_ERR_EVAL_CONFLICT, "object keys must be unique");
}

static bool collides(doc *d, cs_value path)
{
    for (uint32_t n = 0; n < path.n; n++) {
        if (cs_set_has(d->visited, cs_array(path.u.items, n))) {
            return true;
        }
    }
    (void)cs_set_add(d->r->f->run->arena, d->visited, path);
    return false;
}

static cs_go put_leaf(const rule_k *rk, cs_value object, cs_opd last, bool *there)
{
    cs_value key = last.v;
    cs_arena *a = rk->child->run->arena;
    const cs_head *h = &rk->rule->rule->head;
    const cs_value *known = cs_object_get(object, key);
    if (h->value) {
        cs_opd v = cs_td__plug_term(rk->child, h->value);
        if (known && (v.t || !cs_equal(*known, v.v))) {
            return key_conflict(rk);
        }
        *there = known != NULL;
        if (!known && !v.t) {
            cs_object_put(a, object, key, v.v);
            cs_td__wrote(rk->child->run, object, last, v);
        }
        return NULL;
    }
    cs_value set = known ? *known : cs_set_new(a, 0);
    if (!cs_is(set, CS_SET)) {
        return key_conflict(rk);
    }
    if (!known) {
        cs_object_put(a, object, key, set);
        cs_td__wrote(rk->child->run, object, last, cs_opd_value(cs_undefined()));
    }
    cs_opd element = cs_td__plug_term(rk->child, h->key);
    *there = element.t || !cs_set_add(a, set, element.v);
    if (!*there) {
        cs_td__wrote(rk->child->run, set, element, cs_opd_value(cs_undefined()));
    }
    return NULL;
}

static cs_go add(const rule_k *rk, bool *there)
{
    doc *d = rk->d;
    cs_arena *a = rk->child->run->arena;
    *there = false;
    if (cs_is(d->result, CS_SET)) {
        cs_opd element = cs_td__plug_term(rk->child, rk->rule->rule->head.key);
        *there = element.t || !cs_set_add(a, d->result, element.v);
        if (!*there) {
            cs_td__wrote(rk->child->run, d->result, element, cs_opd_value(cs_undefined()));
        }
        return NULL;
    }
    uint32_t from = d->r->pos + 1;
    uint32_t n = rk->rule->ref.n - from;
    cs_opd *heads = cs_arena_array(a, cs_opd, n + 1);
    cs_value *keys = cs_arena_array(a, cs_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_opd key = cs_td__plug_term(rk->child, rk->rule->ref.v[from + i]);
        if (key.t) {
            return NULL;
        }
        heads[i] = key;
        keys[i] = key.v;
    }
    if (d->mixed && collides(d, cs_array(keys, n))) {
        return key_conflict(rk);
    }
    cs_value object = d->result;
    for (uint32_t i = 0; i + 1 < n; i++) {
        const cs_value *next = cs_object_get(object, keys[i]);
        if (next && !cs_is(*next, CS_OBJECT)) {
            return key_conflict(rk);
        }
        cs_value inner = next ? *next : cs_object_new(a, 0);
        if (!next) {
            cs_object_put(a, object, keys[i], inner);
            cs_td__wrote(rk->child->run, object, heads[i], cs_opd_value(cs_undefined()));
        }
        object = inner;
    }
    return put_leaf(rk, object, heads[n - 1], there);
}

/* ---- unknown documents: each answer is met with the rest of the ref */
static cs_opd wrapped(cs_td *run, cs_opd leaf, const cs_terms *ref, uint32_t from)
{
    const cs_term *t = cs_opd_term(run, leaf, (cs_loc){0});
    for (uint32_t i = ref->n; i > from; i--) {
        cs_term *pair[2] = {ref->v[i - 1], (cs_term *)(uintptr_t)t};
        t = cs_term_list(run->names, CS_TERM_OBJECT, pair, 2, (cs_loc){0});
    }
    return (cs_opd){.t = t, .v = cs_undefined()};
}

static cs_go go_on_with(const rule_k *rk)
{
    const cs_head *h = &rk->rule->rule->head;
    cs_td *run = rk->child->run;
    cs_bindings *tb = rk->child->b;
    cs_opd term = cs_bindings_apply(&tb, cs_opd_of(h->value ? h->value : key_of(rk->rule)));
    if (!h->value) {
        cs_term *one = (cs_term *)(uintptr_t)cs_opd_term(run, term, (cs_loc){0});
        term = (cs_opd){.t = cs_term_list(run->names, CS_TERM_SET, &one, 1, (cs_loc){0}), .v = cs_undefined()};
    }
    cs_td_ref rest = *rk->d->r;
    rest.pos++;
    return cs_td__inside(&rest, wrapped(run, term, &rk->rule->ref, rest.pos), tb, rk->d->then);
}

/* ---- one rule */
static cs_go got_answer(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    cs_td__event_rule(rk->child, CS_TRACE_EXIT, rk->rule->rule);
    if (rk->d->unknown) {
        CS_GO(go_on_with(rk));
    } else {
        bool there;
        CS_GO(add(rk, &there));
        if (there && rk->at) {
            cs_td__event_rule(rk->child, CS_TRACE_DUPLICATE, rk->rule->rule);
        }
    }
    cs_td__event_rule(rk->child, CS_TRACE_REDO, rk->rule->rule);
    return NULL;
}

static cs_go head_met(const rule_k *rk)
{
    if (rk->after) {
        cs_td__event_rule(rk->child, CS_TRACE_EXIT, rk->rule->rule);
        CS_GO(go_on_with(rk));
        cs_td__event_rule(rk->child, CS_TRACE_REDO, rk->rule->rule);
        return NULL;
    }
    rk->child->defined = true;
    rule_k body = *rk;
    body.k.run = got_answer;
    return cs_td__expr(rk->child, &body.k);
}

static cs_go element_met(cs_k *k)
{
    return head_met(CS_K_SELF(rule_k, k));
}

static cs_go meet_head(const rule_k *from, uint32_t at);

static cs_go meet_more(cs_k *k)
{
    const rule_k *rk = CS_K_SELF(rule_k, k);
    return meet_head(rk, rk->at + 1);
}

/* The ref's keys are met with those of the rule's head, so that only what can matter is evaluated. */
static cs_go meet_head(const rule_k *from, uint32_t at)
{
    rule_k rk = *from;
    const cs_td_ref *r = rk.d->r;
    const cs_terms *head = &rk.rule->ref;
    cs_td_frame *f = rk.after ? r->f : rk.child;
    rk.at = at;
    if (at < r->ref.n && at < head->n) {
        rk.k.run = meet_more;
        return cs_td__biunify(f, cs_opd_of(r->ref.v[at]), cs_opd_of(head->v[at]), r->b, rk.child->b, &rk.k);
    }
    if (!rk.rule->rule->head.value && at < r->ref.n && head->n <= r->ref.n) {
        rk.k.run = element_met;
        return cs_td__biunify(f, cs_opd_of(r->ref.v[at]), cs_opd_of(key_of(rk.rule)), r->b, rk.child->b, &rk.k);
    }
    return head_met(&rk);
}

static void enter_rule(doc *d, const cs_td_rule *rule, cs_td_frame *child, cs_bindings *b)
{
    cs_td__child(d->r->f, rule->rule->body, child, b);
    cs_td__event_rule(child, CS_TRACE_ENTER, rule->rule);
}

static cs_go rule_for_ref(doc *d, const cs_td_rule *rule)
{
    cs_td_frame child;
    cs_bindings b;
    enter_rule(d, rule, &child, &b);
    rule_k rk = {.d = d, .rule = rule, .child = &child};
    CS_GO(meet_head(&rk, d->r->pos + 1));
    if (!child.defined) {
        cs_td__event_rule(&child, CS_TRACE_FAIL, rule->rule);
    }
    return NULL;
}

static cs_go body_done(cs_k *k)
{
    rule_k *rk = CS_K_SELF(rule_k, k);
    rk->child->defined = true;
    return meet_head(rk, rk->d->r->pos + 1);
}

static cs_go rule_then_ref(doc *d, const cs_td_rule *rule)
{
    cs_td_frame child;
    cs_bindings b;
    enter_rule(d, rule, &child, &b);
    rule_k rk = {.k = {body_done}, .d = d, .rule = rule, .child = &child, .after = true};
    cs_go stop = cs_td__expr(&child, &rk.k);
    if (!child.defined) {
        cs_td__event_rule(&child, CS_TRACE_FAIL, rule->rule);
    }
    return stop;
}

static cs_go all_rules(doc *d)
{
    for (uint32_t i = 0; i < d->rules->n; i++) {
        const cs_td_rule *rule = &d->rules->v[i];
        if (rule->is_other) {
            continue;
        }
        cs_td_frame child;
        cs_bindings b;
        enter_rule(d, rule, &child, &b);
        rule_k rk = {.k = {got_answer}, .d = d, .rule = rule, .child = &child};
        CS_GO(cs_td__expr(&child, &rk.k));
    }
    return NULL;
}

/* ---- the document as a whole, or through a ref */
static cs_go inside(const doc *d, uint32_t pos, cs_value v)
{
    cs_td_ref rest = *d->r;
    rest.pos = pos;
    return cs_td__inside(&rest, cs_opd_value(v), d->r->b, d->then);
}

static cs_go extent(doc *d)
{
    cs_td *run = d->r->f->run;
    bool undefined;
    const cs_value *known = cs_td__memo_get(run, d->path, d->r->pos + 1, &undefined);
    if (known) {
        return cs_td__biunify(d->r->f, cs_opd_value(*known), d->r->rterm, d->r->b, d->r->rb, d->then);
    }
    CS_GO(all_rules(d));
    cs_td__memo_put(run, d->path, d->r->pos + 1, d->result);
    return cs_td__biunify(d->r->f, cs_opd_value(d->result), d->r->rterm, d->r->b, d->r->rb, d->then);
}

static uint32_t longest_head(const doc *d)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < d->rules->n; i++) {
        uint32_t n = d->rules->v[i].ref.n + (d->rules->v[i].rule->head.value ? 0 : 1);
        longest = n > longest ? n : longest;
    }
    return longest < d->r->ref.n ? longest : d->r->ref.n;
}

/* What a part of a document is remembered by: the keys of the ref up to the first that is not known, and then those
 * that narrow what the rules gave, marked as such. */
typedef struct hint {
    cs_opd *key;
    uint32_t n;       /* 0: nothing to remember */
    uint32_t n_plain; /* keys that lead into the document */
    bool full;        /* the whole document will be needed */
    bool hit;
} hint;

static cs_value scope_key(cs_td *run, const cs_value *keys, uint32_t n)
{
    cs_value mark = cs_set_new(run->arena, 1);
    (void)cs_set_add(run->arena, mark, cs_string(CS_LIT("scope")));
    cs_value *items = cs_arena_array(run->arena, cs_value, n + 2);
    items[0] = mark;
    if (n) {
        memcpy(items + 1, keys, n * sizeof *keys);
    }
    return cs_array(items, n + 1);
}

/* A key of the scope: null for "any", [v] for a known one. */
static cs_value scope_item(cs_td *run, cs_opd key)
{
    return key.t ? cs_null() : cs_array(cs_array_copy(run->arena, &key.v, 1).u.items, 1);
}

static cs_go find_part(doc *d, hint *h)
{
    cs_td_frame *f = d->r->f;
    cs_td *run = f->run;
    uint32_t from = d->r->pos + 1;
    bool undefined;
    const cs_value *known = cs_td__memo_get(run, d->path, from, &undefined);
    if (known) {
        h->hit = true;
        return inside(d, from, *known);
    }
    cs_opd key = cs_bindings_plug(run, d->r->b, cs_opd_of(d->r->ref.v[from]), NULL);
    if (cs_opd_is(key, CS_TERM_VAR)) {
        h->full = true;
        return NULL;
    }
    uint32_t to = longest_head(d);
    h->key = cs_arena_alloc(run->arena, (d->r->ref.n + 2) * sizeof *h->key);
    memcpy(h->key, d->path, from * sizeof *h->key);
    cs_value *scope = cs_arena_array(run->arena, cs_value, d->r->ref.n + 1);
    uint32_t n_scope = 0;
    uint32_t n_known = 0;
    for (uint32_t i = from; i < to; i++) {
        key = cs_bindings_plug(run, d->r->b, cs_opd_of(d->r->ref.v[i]), NULL);
        if (!key.t && n_scope == 0) {
            h->key[i] = key;
            h->n = h->n_plain = i + 1;
        } else if (h->n == 0) {
            break;
        } else {
            scope[n_scope++] = scope_item(run, key);
            n_known = key.t ? n_known : n_scope;
            h->key[h->n_plain] = cs_opd_value(scope_key(run, scope, n_scope));
            h->n = h->n_plain + 1;
        }
        known = cs_td__memo_get(run, h->key, h->n, &undefined);
        if (known) {
            h->hit = true;
            return inside(d, h->n_plain, *known);
        }
    }
    if (h->n > h->n_plain) { /* trailing "any"s say nothing */
        h->n = n_known ? h->n : h->n_plain;
        h->key[h->n_plain] = cs_opd_value(scope_key(run, scope, n_known));
    }
    return NULL;
}

static void remember_part(doc *d, const hint *h)
{
    cs_value part = d->result;
    for (uint32_t i = d->r->pos + 1; i < h->n_plain; i++) {
        part = cs_index(part, h->key[i].v);
    }
    if (!cs_is_undefined(part)) {
        cs_td__memo_put(d->r->f->run, h->key, h->n, part);
    }
}

static cs_go through_ref(doc *d)
{
    if (d->rules->n == 0) {
        return NULL;
    }
    cs_td *run = d->r->f->run;
    if (run->partial && cs_td__unknown_keys_of(d->r, d->r->pos + 1, longest_head(d))) {
        for (uint32_t i = 0; i < d->rules->n; i++) {
            if (!d->rules->v[i].is_other) {
                CS_GO(rule_then_ref(d, &d->rules->v[i]));
            }
        }
        return NULL;
    }
    hint h = {.n = 0};
    if (!d->unknown) {
        cs_go stop = find_part(d, &h);
        if (stop || h.hit) {
            return stop;
        }
    }
    if (h.full) {
        CS_GO(all_rules(d));
        cs_td__memo_put(run, d->path, d->r->pos + 1, d->result);
        return inside(d, d->r->pos + 1, d->result);
    }
    for (uint32_t i = 0; i < d->rules->n; i++) {
        if (!d->rules->v[i].is_other) {
            CS_GO(rule_for_ref(d, &d->rules->v[i]));
        }
    }
    if (h.n) {
        remember_part(d, &h);
    }
    return d->unknown ? NULL : inside(d, d->r->pos + 1, d->result);
}

cs_go cs_td__partial_rule(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k)
{
    cs_td *run = r->f->run;
    doc d = {.r = r, .path = path, .rules = rules, .then = k};
    d.result = empty_of(run, rules);
    for (uint32_t i = 1; i < rules->n; i++) {
        d.mixed = d.mixed || rules->v[i].ref.n != rules->v[0].ref.n;
    }
    d.visited = d.mixed ? cs_set_new(run->arena, 0) : cs_undefined();
    bool unknown = run->partial && cs_td__unknown_ref(r->f, &r->ref, r->pos + 1, r->b);
    if (r->pos + 1 == r->ref.n) {
        return unknown ? cs_td__support_partial(r, path, rules, d.result, k) : extent(&d);
    }
    if (run->partial &&
        ((unknown && cs_td__shallow(run)) || cs_td__ref_inlining_disabled(run, &r->ref, r->pos + 1, false))) {
        return cs_td__support_partial(r, path, rules, d.result, k);
    }
    d.unknown = unknown;
    return through_ref(&d);
}
