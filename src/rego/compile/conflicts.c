/* CheckRuleConflicts: rules of different kinds at one place, rules inside others' documents, packages and data in the
 * way. */
#include "rego/compile/internal.h"

#include <stdlib.h>

typedef CS_VEC(const cs_rule *) rule_list;

static bool is_ground(const cs_rule *r)
{
    return cs_rule__ground_prefix(r) == r->head.ref->u.list.n;
}

static bool is_set(const cs_rule *r)
{
    return r->head.key != NULL;
}

/* ---- rules below a node */
typedef struct gathering {
    cs_compiler *c;
    rule_list rules;
    CS_VEC(cs_term *) paths; /* of each */
    bool functions_only;
} gathering;

static bool has_prefix(const cs_term *ref, const cs_term *prefix)
{
    if (prefix->u.list.n > ref->u.list.n) {
        return false;
    }
    for (uint32_t i = 0; i < prefix->u.list.n; i++) {
        if (!cs_term_equal(ref->u.list.v[i], prefix->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

/* Only the outermost of rules inside each other are named. */
static void gather(gathering *g, const cs_rule *r)
{
    cs_term *path = cs_rule__path(g->c, r);
    for (size_t i = 0; i < g->paths.n; i++) {
        if (has_prefix(path, g->paths.v[i])) {
            return;
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < g->paths.n; i++) {
        if (!has_prefix(g->paths.v[i], path)) {
            g->paths.v[n] = g->paths.v[i];
            g->rules.v[n++] = g->rules.v[i];
        }
    }
    g->paths.n = g->rules.n = n;
    CS_VEC_PUSH_IN(&g->c->scratch, &g->paths, path);
    CS_VEC_PUSH_IN(&g->c->scratch, &g->rules, r);
}

static bool gather_node(void *self, const cs_rule_node *n)
{
    gathering *g = self;
    for (uint32_t i = 0; i < n->n_rules; i++) {
        if (!g->functions_only || n->rules[i]->head.args.n) {
            gather(g, n->rules[i]);
        }
    }
    return true;
}

static void gather_children(gathering *g, const cs_rule_node *n)
{
    for (uint32_t i = 0; i < n->n_children; i++) {
        cs_tree__walk(n->children[i], gather_node, g);
    }
    for (size_t i = 1; i < g->paths.n; i++) {
        for (size_t k = i; k > 0 && cs_term_compare(g->paths.v[k - 1], g->paths.v[k]) > 0; k--) {
            cs_term *path = g->paths.v[k];
            const cs_rule *r = g->rules.v[k];
            g->paths.v[k] = g->paths.v[k - 1];
            g->rules.v[k] = g->rules.v[k - 1];
            g->paths.v[k - 1] = path;
            g->rules.v[k - 1] = r;
        }
    }
}

static bool conflicts_below(cs_compiler *c, const cs_rule_node *n, gathering *g)
{
    bool ground = false, open = false;
    for (uint32_t i = 0; i < n->n_rules; i++) {
        ground = ground || is_ground(n->rules[i]);
        open = open || !is_ground(n->rules[i]);
    }
    if (n->n_children == 0) {
        return false;
    }
    *g = (gathering){.c = c, .functions_only = !ground};
    if (ground || open) {
        gather_children(g, n);
    }
    return g->rules.n > 0;
}

static void report_below(cs_compiler *c, const cs_rule_node *n, const gathering *g, const char *name)
{
    cs_buf b;
    cs_buf_init(&b);
    for (size_t i = 0; i < g->rules.n; i++) {
        cs_buf_printf(&b, "\n  rule %s at %s", cs_rule__text(c, g->rules.v[i]),
                      cs_compile__loc_text(c, g->rules.v[i]->loc));
    }
    (void)cs_compile__error(c, CS_ERR_REGO_TYPE, n->rules[0]->loc, "rule %s conflicts with:%.*s", name, (int)b.n, b.p);
    cs_buf_destroy(&b);
}

/* ---- rules at a node */
static bool kinds_differ(const cs_rule_node *n)
{
    bool set = false, object_of_sets = false, single = false, complete = false, partial = false, arities = false;
    for (uint32_t i = 0; i < n->n_rules; i++) {
        const cs_rule *r = n->rules[i];
        bool ground = is_ground(r);
        set = set || (is_set(r) && ground);
        object_of_sets = object_of_sets || (is_set(r) && !ground);
        single = single || !is_set(r);
        complete = complete || (!is_set(r) && ground);
        partial = partial || is_set(r) || !ground;
        arities = arities || r->head.args.n != n->rules[0]->head.args.n;
    }
    return (single && (set || object_of_sets)) || arities || (complete && partial) || (set && object_of_sets);
}

static void report_defaults(cs_compiler *c, const cs_rule_node *n, const char *name)
{
    const cs_rule *first = NULL;
    uint32_t count = 0;
    cs_buf b;
    cs_buf_init(&b);
    for (uint32_t i = 0; i < n->n_rules; i++) {
        if (n->rules[i]->is_default) {
            first = first ? first : n->rules[i];
            cs_buf_printf(&b, "%s%s", count ? ", " : "", cs_compile__loc_text(c, n->rules[i]->loc));
            count++;
        }
    }
    if (count > 1) {
        (void)cs_compile__error(c, CS_ERR_REGO_TYPE, first->module->package_loc,
                                "multiple default rules %s found at %.*s", name, (int)b.n, b.p);
    }
    cs_buf_destroy(&b);
}

static bool check_node(void *self, const cs_rule_node *n)
{
    cs_compiler *c = self;
    if (n->n_rules == 0 || c->full) {
        return true;
    }
    const cs_rule *last = n->rules[n->n_rules - 1];
    gathering g;
    if (conflicts_below(c, n, &g)) {
        report_below(c, n, &g, cs_rule__text(c, last));
    } else if (kinds_differ(n)) {
        (void)cs_compile__error(c, CS_ERR_REGO_TYPE, n->rules[0]->loc, "conflicting rules %s found",
                                cs_rule__text(c, last));
    } else {
        report_defaults(c, n, cs_rule__text(c, last));
    }
    return true;
}

/* ---- base data in the way */
typedef struct data_path {
    cs_compiler *c;
    cs_value *keys;
} data_path;

static void check_data(data_path *p, const cs_rule_node *n, size_t depth)
{
    cs_compiler *c = p->c;
    if (n->key.kind != CS_STRING) {
        return;
    }
    p->keys[depth] = n->key;
    if (n->n_rules) {
        if (c->policy->data_exists(c->policy->data_exists_self, p->keys, depth + 1)) {
            cs_buf b;
            cs_buf_init(&b);
            for (size_t i = 0; i <= depth; i++) {
                cs_buf_text(&b, i ? "/" : "");
                cs_buf_slice(&b, cs_text(p->keys[i]));
            }
            (void)cs_compile__error(c, CS_ERR_REGO_COMPILE, n->rules[0]->loc,
                                    "conflicting rule for data path %.*s found", (int)b.n, b.p);
            cs_buf_destroy(&b);
        }
        return;
    }
    for (uint32_t i = 0; i < n->n_children; i++) {
        check_data(p, n->children[i], depth + 1);
    }
}

/* ---- packages in the way of rules */
static int by_package(const void *x, const void *y)
{
    return cs_term_compare((*(cs_module *const *)x)->package, (*(cs_module *const *)y)->package);
}

static void check_packages(cs_compiler *c, cs_module **sorted, const cs_rule *r)
{
    if (!is_ground(r)) {
        return;
    }
    cs_term *path = cs_rule__path(c, r);
    uint32_t lo = 0;
    uint32_t hi = c->n_modules;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (cs_term_compare(sorted[mid]->package, path) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    for (; lo < c->n_modules && cs_term_equal(sorted[lo]->package, path); lo++) {
        (void)cs_compile__error(c, CS_ERR_REGO_TYPE, r->module->package_loc,
                                "package %s conflicts with rule %s defined at %s",
                                cs_compile__term_text(c, sorted[lo]->package) + strlen("data."),
                                cs_compile__term_text(c, r->head.ref), cs_compile__loc_text(c, r->loc));
    }
}

void cs_stage__check_rule_conflicts(cs_compiler *c)
{
    cs_tree__walk(c->compiled->root, check_node, c);
    if (c->policy->data_exists) {
        data_path p = {c, cs_arena_array(&c->scratch, cs_value, cs_limits_get()->rego_depth + 2)};
        for (uint32_t i = 0; i < c->compiled->root->n_children; i++) {
            check_data(&p, c->compiled->root->children[i], 0);
        }
    }
    if (c->n_modules == 0) {
        return;
    }
    cs_module **sorted = (cs_module **)cs_arena_zalloc(&c->scratch, c->n_modules * sizeof(cs_module *));
    memcpy(sorted, c->modules, c->n_modules * sizeof *sorted);
    qsort(sorted, c->n_modules, sizeof *sorted, by_package);
    for (uint32_t i = 0; i < c->n_modules; i++) {
        for (uint32_t j = 0; j < c->modules[i]->n_rules; j++) {
            cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
            check_packages(c, sorted, c->modules[i]->rules[j]);
            cs_arena_rewind(&c->scratch, mark);
        }
    }
}
