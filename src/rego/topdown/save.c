/* What is unknown, and what must not be inlined (OPA: saveSet, saveRequired, inliningControl). */
#include "rego/topdown/save.h"

/* ---- the unknowns */
static bool same_prefix(const cs_terms *a, uint32_t n_a, const cs_terms *b, uint32_t n_b)
{
    uint32_t n = n_a < n_b ? n_a : n_b;
    for (uint32_t i = 0; i < n; i++) {
        if (!cs_term_equal(a->v[i], b->v[i])) {
            return false;
        }
    }
    return true;
}

static bool has_var(const cs_unknown *u, const cs_term *t, const cs_bindings *b)
{
    for (uint32_t i = 0; t->kind == CS_TERM_VAR && b == u->of && i < u->vars.n; i++) {
        if (u->vars.v[i]->u.var == t->u.var || cs_term_equal(u->vars.v[i], t)) {
            return true;
        }
    }
    return false;
}

bool cs_td__saves(const cs_td *run, cs_opd o, const cs_bindings *b)
{
    const cs_td_saving *p = run->partial;
    if (!p || (!cs_opd_is(o, CS_TERM_VAR) && !cs_opd_is(o, CS_TERM_REF))) {
        return false;
    }
    bool is_ref = o.t->kind == CS_TERM_REF;
    for (size_t i = p->unknowns.n; i > 0; i--) {
        const cs_unknown *u = &p->unknowns.v[i - 1];
        for (uint32_t j = 0; is_ref && j < u->refs.n; j++) {
            const cs_terms *ref = &u->refs.v[j]->u.list;
            if (same_prefix(ref, ref->n, &o.t->u.list, o.t->u.list.n)) {
                return true;
            }
        }
        if (has_var(u, is_ref ? o.t->u.list.v[0] : o.t, b)) {
            return true;
        }
    }
    return false;
}

typedef struct deep {
    const cs_td *run;
    cs_bindings *b;
    bool found;
} deep;

static bool deep_term(void *self, cs_term *t)
{
    deep *d = self;
    if (t->kind == CS_TERM_VAR && !d->found) {
        cs_bindings *b = d->b;
        cs_opd o = cs_bindings_apply(&b, cs_opd_of(t));
        d->found = o.t != t || b != d->b ? cs_td__saves_deep(d->run, o, b) : cs_td__saves(d->run, o, b);
    }
    return !d->found;
}

bool cs_td__saves_deep(const cs_td *run, cs_opd o, cs_bindings *b)
{
    deep d = {run, b, false};
    if (run->partial && o.t) {
        cs_walk_term(&(cs_walker){.self = &d, .term = deep_term}, (cs_term *)(uintptr_t)o.t);
    }
    return d.found;
}

void cs_td__unknown_push(cs_td *run, const cs_term *const *terms, uint32_t n, const cs_bindings *b)
{
    cs_unknown u = {.of = b};
    u.refs.v = cs_arena_array(run->arena, cs_term *, n + 1);
    u.vars.v = cs_arena_array(run->arena, cs_term *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_terms *to = terms[i]->kind == CS_TERM_VAR ? &u.vars : &u.refs;
        to->v[to->n++] = (cs_term *)(uintptr_t)terms[i];
    }
    CS_VEC_PUSH_IN(run->arena, &run->partial->unknowns, u);
}

void cs_td__unknown_pop(cs_td *run)
{
    run->partial->unknowns.n--;
}

bool cs_td__path_is_unknown(const cs_td *run, const cs_opd *path, uint32_t n)
{
    cs_td *own = (cs_td *)(uintptr_t)run; /* the term lives in its arena */
    const cs_term *ref = cs_td__path_term(own, path, n, (cs_loc){0});
    return cs_td__ref_inlining_disabled(run, &ref->u.list, n, true) || cs_td__saves(run, cs_opd_of(ref), NULL);
}

/* Two refs that could be of the same document: what is not ground can be anything. */
static bool may_overlap(const cs_terms *unknown, const cs_terms *ref)
{
    if (!cs_term_equal(unknown->v[0], ref->v[0])) {
        return false;
    }
    for (uint32_t i = 1; i < unknown->n && i < ref->n; i++) {
        const cs_term *x = unknown->v[i];
        const cs_term *y = ref->v[i];
        if (cs_term_is_ground(y) && cs_term_is_ground(x) && !cs_term_equal(x, y)) {
            return false;
        }
    }
    return true;
}

bool cs_td__overlaps_unknown(const cs_td *run, const cs_term *ref, const cs_bindings *b)
{
    const cs_td_saving *p = run->partial;
    for (size_t i = p->unknowns.n; i > 0; i--) {
        const cs_unknown *u = &p->unknowns.v[i - 1];
        for (uint32_t j = 0; j < u->refs.n; j++) {
            if (may_overlap(&u->refs.v[j]->u.list, &ref->u.list)) {
                return true;
            }
        }
        if (has_var(u, ref->u.list.v[0], b)) {
            return true;
        }
    }
    return false;
}

/* ---- would it save something? */
typedef struct required {
    cs_td *run;
    cs_bindings *b;
    bool in_rule; /* variables are of another body */
    bool found;
    CS_VEC(const cs_rule *) seen;
} required;

static void in_node_rules(required *r, const cs_rule_node *node);

static bool hidden(const cs_rule_node *node)
{
    return node->parent && !node->parent->parent && cs_equal(node->key, cs_string(CS_LIT("system")));
}

static void in_descendants(required *r, const cs_rule_node *node, bool itself)
{
    if (itself) {
        in_node_rules(r, node);
    }
    for (uint32_t i = 0; i < node->n_children && !r->found && !hidden(node); i++) {
        in_descendants(r, node->children[i], true);
    }
}

static void in_tree(required *r, const cs_rule_node *node, const cs_opd *ref, uint32_t n, uint32_t at)
{
    if (at >= n) {
        in_descendants(r, node, false);
        return;
    }
    for (uint32_t i = 0; ref[at].t && i < node->n_children && !r->found; i++) {
        if (!hidden(node->children[i])) {
            in_node_rules(r, node->children[i]);
            in_tree(r, node->children[i], ref, n, at + 1);
        }
    }
    const cs_rule_node *child = ref[at].t ? NULL : cs_rule_node_child(node, ref[at].v);
    if (child) {
        in_node_rules(r, child);
        in_tree(r, child, ref, n, at + 1);
    }
}

static void in_rules_of(required *r, const cs_term *ref)
{
    uint32_t n = ref->u.list.n;
    if (!cs_td__is_root(ref->u.list.v[0], "data")) {
        return;
    }
    cs_opd *path = cs_arena_array(r->run->arena, cs_opd, n);
    for (uint32_t i = 1; i < n; i++) {
        path[i] = cs_opd_of(ref->u.list.v[i]);
        if (!r->in_rule && cs_opd_is(path[i], CS_TERM_VAR)) {
            cs_opd known = cs_bindings_plug(r->run, r->b, path[i], NULL);
            path[i] = !known.t && known.v.kind < CS_ARRAY ? known : path[i];
        }
    }
    in_tree(r, r->run->policy->root, path, n, 1);
}

static bool is_constant_part(const cs_term *t)
{
    return t->kind == CS_TERM_SCALAR ||
           ((t->kind == CS_TERM_ARRAY || t->kind == CS_TERM_SET || t->kind == CS_TERM_OBJECT) && cs_term_is_ground(t));
}

static bool required_term(void *self, cs_term *t)
{
    required *r = self;
    if (r->found) {
        return false;
    }
    if (t->kind == CS_TERM_VAR && !r->in_rule) {
        r->found = cs_td__saves_deep(r->run, cs_opd_of(t), r->b);
    } else if (t->kind == CS_TERM_REF) {
        uint32_t n = 1;
        while (n < t->u.list.n && is_constant_part(t->u.list.v[n])) {
            n++;
        }
        r->found =
            cs_td__overlaps_unknown(r->run, t, r->b) || cs_td__ref_inlining_disabled(r->run, &t->u.list, n, true);
        if (!r->found) {
            in_rules_of(r, t);
        }
    }
    return !r->found;
}

static bool required_expr(void *self, cs_expr *e)
{
    required *r = self;
    if (e->n_with) {
        r->found = true;
    } else if (e->kind == CS_EXPR_CALL && !r->run->partial->options->nondeterministic_builtins) {
        const cs_builtin *b = cs_builtin_of_ref(e->u.call.v[0]);
        r->found = r->found || (b && (b->flags & CS_BUILTIN_NONDETERMINISTIC));
    }
    return !r->found;
}

static cs_walker required_walker(required *r)
{
    return (cs_walker){.self = r, .term = required_term, .expr = required_expr};
}

static void in_node_rules(required *r, const cs_rule_node *node)
{
    for (uint32_t i = 0; i < node->n_rules && !r->found; i++) {
        bool seen = false;
        for (size_t j = 0; j < r->seen.n && !seen; j++) {
            seen = r->seen.v[j] == node->rules[i];
        }
        if (seen) {
            continue;
        }
        CS_VEC_PUSH_IN(r->run->arena, &r->seen, node->rules[i]);
        bool outer = r->in_rule;
        cs_walker w = required_walker(r);
        if (cs_td__too_deep(r->run)) {
            r->found = true;
            return;
        }
        r->in_rule = true;
        cs_walk_rule(&w, node->rules[i]);
        r->in_rule = outer;
    }
}

bool cs_td__unknown_expr(cs_td_frame *f, const cs_expr *e)
{
    required r = {.run = f->run, .b = f->b};
    cs_walker w = required_walker(&r);
    cs_walk_expr(&w, (cs_expr *)(uintptr_t)e);
    return r.found;
}

bool cs_td__unknown_body(cs_td_frame *f, cs_body body)
{
    for (uint32_t i = 0; i < body.n; i++) {
        if (cs_td__unknown_expr(f, body.v[i])) {
            return true;
        }
    }
    return false;
}

static bool unknown_term(cs_td_frame *f, const cs_term *t, cs_bindings *b)
{
    required r = {.run = f->run, .b = b};
    cs_walker w = required_walker(&r);
    cs_walk_term(&w, (cs_term *)(uintptr_t)t);
    return r.found;
}

bool cs_td__unknown_opd(cs_td_frame *f, cs_opd o)
{
    return o.t && unknown_term(f, o.t, f->b);
}

bool cs_td__unknown_ref(cs_td_frame *f, const cs_terms *ref, uint32_t n, cs_bindings *b)
{
    cs_terms part = {ref->v, n};
    return unknown_term(f, cs_td__ref_term(f->run, &part), b);
}

bool cs_td__unknown_path(cs_td_frame *f, const cs_opd *path, uint32_t n, cs_bindings *b)
{
    return unknown_term(f, cs_td__path_term(f->run, path, n, (cs_loc){0}), b);
}

bool cs_td__unknown_keys_of(const cs_td_ref *r, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (unknown_term(r->f, r->ref.v[i], r->b)) {
            return true;
        }
    }
    return false;
}

/* ---- inlining */
bool cs_td__shallow(const cs_td *run)
{
    return run->partial->options->shallow_inlining;
}

void cs_td__disable(cs_td *run, const cs_disabled *d)
{
    CS_VEC_PUSH_IN(run->arena, &run->partial->disabled, *d);
}

void cs_td__disable_pop(cs_td *run)
{
    run->partial->disabled.n--;
}

bool cs_td__ref_inlining_disabled(const cs_td *run, const cs_terms *ref, uint32_t n, bool ignore_internal)
{
    const cs_td_saving *p = run->partial;
    for (size_t i = 0; i < p->disabled.n; i++) {
        const cs_disabled *d = &p->disabled.v[i];
        for (uint32_t j = 0; j < d->n && !(d->internal && ignore_internal); j++) {
            const cs_terms *other = &d->refs[j]->u.list;
            if (same_prefix(ref, n, other, d->n_refs ? d->n_refs[j] : other->n)) {
                return true;
            }
        }
    }
    return false;
}

bool cs_td__inlining_disabled(cs_td *run, const cs_opd *path, uint32_t n, bool ignore_internal)
{
    return run->partial->disabled.n &&
           cs_td__ref_inlining_disabled(run, &cs_td__path_term(run, path, n, (cs_loc){0})->u.list, n, ignore_internal);
}

bool cs_td__opd_inlining_disabled(const cs_td *run, cs_opd o)
{
    const cs_td_saving *p = run->partial;
    if (cs_opd_is(o, CS_TERM_REF)) {
        return cs_td__ref_inlining_disabled(run, &o.t->u.list, o.t->u.list.n, false);
    }
    for (size_t i = 0; i < p->disabled.n; i++) {
        if (cs_opd_is(o, CS_TERM_VAR) && p->disabled.v[i].var == o.t->u.var) {
            return true;
        }
    }
    return false;
}
