/* Certificate policies along a chain (RFC 5280 §6.1 as RFC 9618 changed it: a graph instead of a tree). Any policy is
 * good to the caller; what matters is whether some certificate wants an explicit one. */
#include "rego/builtin/x509.h"

#define ANY CS_LIT("\x55\x1D\x20\x00")

typedef struct node {
    cs_slice policy;
    const cs_slice *expected; /* policies of the next level that fit; NULL: the policy itself */
    size_t expected_n;
    bool *parents; /* by index in the level above */
    size_t parents_n;
    size_t children;
    bool dead;
} node;

typedef struct level {
    node *v;
    size_t n, cap;
} level;

typedef struct graph {
    cs_arena *a;
    level *levels; /* levels[0] is {any} */
    size_t depth;
    bool gone;
} graph;

static node *find(const level *l, cs_slice policy)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i].dead && cs_slice_eq(l->v[i].policy, policy)) {
            return &l->v[i];
        }
    }
    return NULL;
}

static bool expects(const node *x, cs_slice policy)
{
    for (size_t i = 0; i < x->expected_n; i++) {
        if (cs_slice_eq(x->expected[i], policy)) {
            return true;
        }
    }
    return x->expected == NULL && cs_slice_eq(x->policy, policy);
}

static node *add(graph *g, cs_slice policy)
{
    level *l = &g->levels[g->depth];
    if (l->n == l->cap) {
        node *more = cs_arena_alloc(g->a, (l->cap * 2 + 8) * sizeof *more);
        if (l->n) {
            memcpy(more, l->v, l->n * sizeof *more);
        }
        l->v = more;
        l->cap = l->cap * 2 + 8;
    }
    size_t above = g->depth ? g->levels[g->depth - 1].n : 0;
    node *x = &l->v[l->n++];
    *x = (node){.policy = policy, .parents = cs_arena_array(g->a, bool, above + 1)};
    return x;
}

static void link(graph *g, node *child, size_t parent)
{
    if (!child->parents[parent]) {
        child->parents[parent] = true;
        child->parents_n++;
        g->levels[g->depth - 1].v[parent].children++;
    }
}

/* Takes a node out; its parents lose a child. */
static void drop(graph *g, size_t depth, node *x)
{
    x->dead = true;
    for (size_t i = 0; depth && i < g->levels[depth - 1].n; i++) {
        if (x->parents[i]) {
            g->levels[depth - 1].v[i].children--;
        }
    }
}

static void prune(graph *g)
{
    for (size_t d = g->depth; d-- > 1;) {
        for (size_t i = 0; i < g->levels[d].n; i++) {
            node *x = &g->levels[d].v[i];
            if (!x->dead && x->children == 0) {
                drop(g, d, x);
            }
        }
    }
}

static void add_policy(graph *g, cs_slice policy)
{
    const level *above = &g->levels[g->depth - 1];
    node *x = NULL;
    for (int round = 0; round < 2 && !x; round++) { /* those that expect it; else the one of any policy */
        for (size_t i = 0; i < above->n; i++) {
            const node *p = &above->v[i];
            if (!p->dead && (round ? cs_slice_eq(p->policy, ANY) : expects(p, policy))) {
                x = x ? x : add(g, policy);
                link(g, x, i);
            }
        }
    }
}

/* Any policy: what the level above expects and is not there yet. */
static void add_missing(graph *g)
{
    const level *above = &g->levels[g->depth - 1];
    size_t before = g->levels[g->depth].n;
    for (size_t i = 0; i < above->n; i++) {
        const node *p = &above->v[i];
        size_t n = p->expected ? p->expected_n : 1;
        for (size_t k = 0; !p->dead && k < n; k++) {
            cs_slice want = p->expected ? p->expected[k] : p->policy;
            node *x = find(&g->levels[g->depth], want);
            if (x && (size_t)(x - g->levels[g->depth].v) < before) {
                continue;
            }
            link(g, x ? x : add(g, want), i);
        }
    }
}

static bool map_policies(graph *g, const cs_x509_cert *c, bool allowed)
{
    const level *l = &g->levels[g->depth];
    for (size_t i = 0; i < c->mappings.n; i += 2) {
        cs_slice issuer = cs_text(c->mappings.v[i]);
        if (allowed && (cs_slice_eq(issuer, ANY) || cs_slice_eq(cs_text(c->mappings.v[i + 1]), ANY))) {
            return false;
        }
        node *x = allowed ? NULL : find(l, issuer);
        if (x) {
            drop(g, g->depth, x);
        }
    }
    prune(g);
    for (size_t i = 0; allowed && i < c->mappings.n; i += 2) {
        cs_slice issuer = cs_text(c->mappings.v[i]);
        cs_slice *subjects = cs_arena_alloc(g->a, c->mappings.n * sizeof *subjects);
        size_t n = 0;
        for (size_t k = 0; k < c->mappings.n; k += 2) {
            if (cs_slice_eq(cs_text(c->mappings.v[k]), issuer)) {
                subjects[n++] = cs_text(c->mappings.v[k + 1]);
            }
        }
        node *x = find(l, issuer), *any = find(l, ANY);
        if (!x && any && g->depth) {
            /* It stands beside the one of any policy and hangs on it; its own parents do not matter any more. */
            any->children++;
            x = add(g, issuer);
        }
        if (x) {
            x->expected = subjects;
            x->expected_n = n;
        }
    }
    return true;
}

static bool has_valid_policy(const graph *g)
{
    if (g->gone) {
        return false;
    }
    for (size_t d = g->depth; d > 0; d--) {
        for (size_t i = 0; i < g->levels[d].n; i++) {
            const node *x = &g->levels[d].v[i];
            for (size_t k = 0; !x->dead && !cs_slice_eq(x->policy, ANY) && x->parents_n == 1 && k < g->levels[d - 1].n;
                 k++) {
                if (x->parents[k] && cs_slice_eq(g->levels[d - 1].v[k].policy, ANY)) {
                    return true;
                }
            }
        }
    }
    return find(&g->levels[g->depth], ANY) != NULL;
}

typedef struct counters {
    int64_t inhibit_any, explicit_policy, mapping;
} counters;

static void count_down(int64_t *x)
{
    *x -= *x > 0;
}

static void tighten(int64_t *x, int64_t by, bool zero)
{
    if ((by > 0 || zero) && by < *x) {
        *x = by;
    }
}

/* One certificate, from the one under the anchor down to the leaf (`last`). */
static bool step(graph *g, counters *c, const cs_x509_cert *cert, bool last)
{
    bool self_signed = cs_slice_eq(cert->issuer, cert->subject), any = false;
    g->gone = g->gone || cert->policies.n == 0;
    if (c->explicit_policy == 0 && g->gone) {
        return false;
    }
    if (!g->gone) {
        g->depth++;
        for (size_t i = 0; i < cert->policies.n; i++) {
            cs_slice policy = cs_text(cert->policies.v[i]);
            if (cs_slice_eq(policy, ANY)) {
                any = true;
            } else {
                add_policy(g, policy);
            }
        }
        if (any && (c->inhibit_any > 0 || (!last && self_signed))) {
            add_missing(g);
        }
        prune(g);
        if (!last && cert->mappings.n && !map_policies(g, cert, c->mapping > 0)) {
            return false;
        }
    }
    if (last) {
        return true;
    }
    if (!self_signed) {
        count_down(&c->explicit_policy);
        count_down(&c->mapping);
        count_down(&c->inhibit_any);
    }
    tighten(&c->explicit_policy, cert->require_explicit, cert->require_explicit_zero);
    tighten(&c->mapping, cert->inhibit_mapping, cert->inhibit_mapping_zero);
    tighten(&c->inhibit_any, cert->inhibit_any, cert->inhibit_any_zero);
    return true;
}

bool cs_x509__policies_valid(cs_arena *a, cs_x509_cert *const *chain, size_t n)
{
    if (n == 1) {
        return true;
    }
    graph g = {.a = a, .levels = cs_arena_array(a, level, n)};
    counters c = {(int64_t)n, (int64_t)n, (int64_t)n};
    (void)add(&g, ANY);
    for (size_t i = n - 1; i-- > 0;) {
        if (!step(&g, &c, chain[i], i == 0)) {
            return false;
        }
    }
    count_down(&c.explicit_policy);
    if (chain[0]->require_explicit_zero) {
        c.explicit_policy = 0;
    }
    return c.explicit_policy != 0 || has_valid_policy(&g);
}
