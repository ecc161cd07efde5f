/* SetRuleTree: rules by the ground prefix of their paths. */
#include "rego/compile/internal.h"

#include <stdlib.h>

typedef struct entry {
    const cs_value *path; /* after data */
    uint32_t n;
    uint32_t order;
    cs_rule *rule; /* NULL: a package without rules, whose document is {} */
} entry;

cs_value cs_tree__key(const cs_term *segment)
{
    return segment->kind == CS_TERM_SCALAR ? segment->u.value : cs_undefined();
}

uint32_t cs_rule__ground_prefix(const cs_rule *r)
{
    const cs_terms *ref = &r->head.ref->u.list;
    uint32_t n = 1;
    while (n < ref->n && ref->v[n]->kind == CS_TERM_SCALAR) {
        n++;
    }
    return n;
}

cs_term *cs_rule__path(cs_compiler *c, const cs_rule *r)
{
    const cs_terms *package = &r->module->package->u.list;
    const cs_terms *ref = &r->head.ref->u.list;
    cs_term **v = cs_arena_array(c->ast->arena, cs_term *, package->n + ref->n);
    memcpy(v, package->v, package->n * sizeof *v);
    memcpy(v + package->n, ref->v, ref->n * sizeof *v);
    if (ref->v[0]->kind == CS_TERM_VAR) {
        v[package->n] = cs_term_string(c->ast, cs_sym_slice(ref->v[0]->u.var), ref->v[0]->loc);
    }
    return cs_term_list(c->ast, CS_TERM_REF, v, package->n + ref->n, r->loc);
}

const char *cs_rule__text(cs_compiler *c, const cs_rule *r)
{
    return cs_compile__term_text(c, cs_compile__ref_as_written(c, cs_rule__path(c, r)));
}

/* ---- building */
static int by_path(const void *x, const void *y)
{
    const entry *a = x;
    const entry *b = y;
    for (uint32_t i = 0; i < a->n && i < b->n; i++) {
        int c = cs_compare(a->path[i], b->path[i]);
        if (c) {
            return c;
        }
    }
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

static uint32_t count_children(const entry *v, uint32_t n, uint32_t depth)
{
    uint32_t children = 0;
    for (uint32_t i = 0; i < n; i++) {
        children += i == 0 || cs_compare(v[i - 1].path[depth], v[i].path[depth]) != 0;
    }
    return children;
}

/* All entries share the first `depth` keys. */
static cs_rule_node *build(cs_compiler *c, const entry *v, uint32_t n, uint32_t depth, cs_rule_node *parent)
{
    cs_arena *a = c->ast->arena;
    cs_rule_node *node = cs_arena_new(a, cs_rule_node);
    node->parent = parent;
    node->key = depth ? v[0].path[depth - 1] : cs_string(CS_LIT("data"));
    node->id = c->out->n_nodes++;
    uint32_t here = 0;
    while (here < n && v[here].n == depth) {
        here++;
    }
    node->rules = (cs_rule **)cs_arena_zalloc(a, (here + 1U) * sizeof(cs_rule *));
    for (uint32_t i = 0; i < here; i++) {
        if (v[i].rule) {
            node->rules[node->n_rules++] = v[i].rule;
        }
    }
    uint32_t children = count_children(v + here, n - here, depth);
    node->children = (cs_rule_node **)cs_arena_zalloc(a, (children + 1U) * sizeof(cs_rule_node *));
    for (uint32_t i = here; i < n;) {
        uint32_t end = i + 1;
        while (end < n && cs_compare(v[i].path[depth], v[end].path[depth]) == 0) {
            end++;
        }
        node->children[node->n_children++] = build(c, v + i, end - i, depth + 1, node);
        i = end;
    }
    return node;
}

static const cs_value *keys_of(cs_compiler *c, const cs_term *package, const cs_rule *r, uint32_t *n)
{
    uint32_t prefix = r ? cs_rule__ground_prefix(r) : 0;
    cs_value *keys = cs_arena_array(c->ast->arena, cs_value, package->u.list.n + prefix);
    *n = 0;
    for (uint32_t i = 1; i < package->u.list.n; i++) {
        keys[(*n)++] = cs_tree__key(package->u.list.v[i]);
    }
    for (uint32_t i = 0; i < prefix; i++) {
        const cs_term *t = r->head.ref->u.list.v[i];
        keys[(*n)++] = t->kind == CS_TERM_VAR ? cs_string(cs_sym_slice(t->u.var)) : cs_tree__key(t);
    }
    return keys;
}

static int by_package(const void *x, const void *y)
{
    const cs_module *a = *(cs_module *const *)x;
    const cs_module *b = *(cs_module *const *)y;
    int c = cs_term_compare(a->package, b->package);
    return c ? c : cs_slice_compare(a->source.file, b->source.file);
}

static bool path_fits(cs_compiler *c, const entry *e, cs_loc loc)
{
    return e->n <= cs_limits_get()->rego_depth ||
           cs_compile__error(c, CS_ERR_REGO_COMPILE, loc, "rule path is longer than %u keys",
                             (unsigned)cs_limits_get()->rego_depth);
}

void cs_stage__set_rule_tree(cs_compiler *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_modules; i++) {
        n += c->modules[i]->n_rules + 1;
    }
    cs_module **modules = (cs_module **)cs_arena_zalloc(&c->scratch, (c->n_modules + 1U) * sizeof(cs_module *));
    if (c->n_modules) {
        memcpy(modules, c->modules, c->n_modules * sizeof *modules);
        qsort(modules, c->n_modules, sizeof *modules, by_package);
    }
    entry *v = cs_arena_array(&c->scratch, entry, n + 1);
    n = 0;
    for (uint32_t i = 0; i < c->n_modules; i++) {
        cs_module *m = modules[i];
        if (m->n_rules == 0) {
            v[n].path = keys_of(c, m->package, NULL, &v[n].n);
            v[n].order = n;
            (void)path_fits(c, &v[n], m->package_loc);
            n++;
        }
        for (uint32_t j = 0; j < m->n_rules; j++) {
            v[n].rule = m->rules[j];
            v[n].path = keys_of(c, m->package, m->rules[j], &v[n].n);
            v[n].order = n;
            (void)path_fits(c, &v[n], m->rules[j]->loc);
            n++;
        }
    }
    if (!c->stop) {
        qsort(v, n, sizeof *v, by_path);
        c->out->root = build(c, v, n, 0, NULL);
    }
}

/* ---- reading */
cs_rule_node *cs_rule_node_child(const cs_rule_node *node, cs_value key)
{
    uint32_t lo = 0;
    uint32_t hi = node->n_children;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = cs_compare(node->children[mid]->key, key);
        if (c == 0) {
            return node->children[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

cs_rule_node *cs_rule_node_at(const cs_compiled *c, const cs_value *path, size_t n)
{
    cs_rule_node *node = c->root;
    for (size_t i = 0; i < n && node; i++) {
        node = cs_rule_node_child(node, path[i]);
    }
    return node;
}

cs_rule_node *cs_tree__find(const cs_compiled *c, const cs_term *ref, uint32_t n)
{
    const cs_terms *r = &ref->u.list;
    if (n == 0 || r->v[0]->kind != CS_TERM_VAR || !cs_slice_eq(cs_sym_slice(r->v[0]->u.var), CS_LIT("data"))) {
        return NULL;
    }
    cs_rule_node *node = c->root;
    for (uint32_t i = 1; i < n && node; i++) {
        if (r->v[i]->kind != CS_TERM_SCALAR) {
            return NULL;
        }
        node = cs_rule_node_child(node, r->v[i]->u.value);
    }
    return node;
}

void cs_tree__walk(const cs_rule_node *n, bool (*f)(void *self, const cs_rule_node *n), void *self)
{
    if (!f(self, n)) {
        return;
    }
    for (uint32_t i = 0; i < n->n_children; i++) {
        cs_tree__walk(n->children[i], f, self);
    }
}
