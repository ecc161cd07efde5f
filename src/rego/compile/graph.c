/* SetGraph, CheckRecursion: which rules read which, and that none reads itself. */
#include "rego/compile/graph.h"

#include <stdlib.h>

/* ---- the rules that a ref may refer to */
static bool may_intersect(const cs_rule *r, const cs_term *ref, uint32_t from)
{
    const cs_terms *package = &r->module->package->u.list;
    const cs_terms *head = &r->head.ref->u.list;
    for (uint32_t i = from; i < package->n + head->n && i < ref->u.list.n; i++) {
        const cs_term *x = i < package->n ? package->v[i] : head->v[i - package->n];
        const cs_term *y = ref->u.list.v[i];
        if (i == package->n && x->kind == CS_TERM_VAR) {
            if (y->kind == CS_TERM_SCALAR &&
                !(cs_term_is_string(y) && cs_slice_eq(cs_text(y->u.value), cs_sym_slice(x->u.var)))) {
                return false;
            }
        } else if (cs_term__is_constant(x) && cs_term__is_constant(y) && !cs_term_equal(x, y)) {
            return false;
        }
    }
    return true;
}

typedef struct selection {
    const cs_term *ref;
    void (*f)(void *self, cs_rule *r);
    void *self;
} selection;

static void select_at(const selection *s, const cs_rule_node *n, uint32_t i)
{
    for (uint32_t k = 0; k < n->n_rules; k++) {
        if (may_intersect(n->rules[k], s->ref, i)) {
            s->f(s->self, n->rules[k]);
        }
    }
}

static bool select_node(void *self, const cs_rule_node *n)
{
    const selection *s = self;
    for (uint32_t k = 0; k < n->n_rules; k++) {
        s->f(s->self, n->rules[k]);
    }
    return true;
}

/* `n` is the node of the ref's first i operands. */
static void select_below(selection *s, const cs_rule_node *n, uint32_t i)
{
    if (i >= s->ref->u.list.n) {
        cs_tree__walk(n, select_node, s);
        return;
    }
    const cs_term *key = s->ref->u.list.v[i];
    if (key->kind == CS_TERM_SCALAR) {
        const cs_rule_node *child = cs_rule_node_child(n, key->u.value);
        if (child) {
            select_at(s, child, i + 1);
            select_below(s, child, i + 1);
        }
        return;
    }
    if (cs_term__is_constant(key)) {
        return;
    }
    for (uint32_t k = 0; k < n->n_children; k++) {
        select_at(s, n->children[k], i + 1);
        select_below(s, n->children[k], i + 1);
    }
}

void cs_graph__select(cs_compiler *c, const cs_term *ref, void (*f)(void *self, cs_rule *r), void *self)
{
    const cs_term *head = ref->u.list.v[0];
    if (head->kind == CS_TERM_VAR && head->u.var == c->ast->data && c->compiled->root) {
        selection s = {ref, f, self};
        select_below(&s, c->compiled->root, 1);
    }
}

static uint32_t count_var(const cs_term *ref, const cs_sym *v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ref->u.list.n; i++) {
        n += ref->u.list.v[i]->kind == CS_TERM_VAR && ref->u.list.v[i]->u.var == v;
    }
    return n;
}

/* The rule's own operand i: a constant, or NULL for what matches anything. */
static const cs_term *rule_operand(cs_compiler *c, const cs_rule *r, uint32_t i)
{
    const cs_terms *package = &r->module->package->u.list;
    const cs_terms *head = &r->head.ref->u.list;
    const cs_term *t = i < package->n ? package->v[i] : head->v[i - package->n];
    if (i == package->n && t->kind == CS_TERM_VAR) {
        return cs_term_string(c->ast, cs_sym_slice(t->u.var), t->loc);
    }
    return cs_term__is_constant(t) ? t : NULL;
}

bool cs_graph__selects(cs_compiler *c, const cs_term *ref, const cs_rule *r, const cs_syms *bound, uint32_t *positions,
                       uint32_t *n_positions)
{
    uint32_t n = r->module->package->u.list.n + r->head.ref->u.list.n;
    bool outright = true;
    for (uint32_t i = 1; i < n && i < ref->u.list.n; i++) {
        const cs_term *own = rule_operand(c, r, i);
        const cs_term *t = ref->u.list.v[i];
        if (!own || (t->kind == CS_TERM_VAR && !cs_syms__has(bound, t->u.var) && count_var(ref, t->u.var) == 1)) {
            continue;
        }
        if (cs_term__is_constant(t)) {
            if (!cs_term_equal(t, own)) {
                return false;
            }
            continue;
        }
        if (!positions) {
            return false;
        }
        outright = false;
        positions[(*n_positions)++] = i;
    }
    return outright;
}

/* ---- building */
typedef struct builder {
    cs_compiler *c;
    cs_graph *g;
    cs_rule *rule;
    uint32_t from; /* its number */
    uint32_t at;   /* the statement; the number of statements for the head */
    bool resolved;
    cs_known_list known;
    /* the ref at hand */
    const cs_term *ref, *sel;
    bool has_var;
    cs_syms bound;
    bool bound_known;
    cs_dynamic_ref *dynamic;
} builder;

static cs_edge *edge_to(cs_graph *g, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < g->edges[from].n; i++) {
        if (g->edges[from].v[i].to == to) {
            return &g->edges[from].v[i];
        }
    }
    return NULL;
}

static void vars_before(builder *b)
{
    if (b->bound_known) {
        return;
    }
    b->bound = cs_syms__new(b->c->ast->arena);
    cs_vars__head(&b->bound, &b->rule->head);
    cs_vars__body(&b->bound, (cs_body){b->rule->body.v, b->at}, 0);
    b->bound_known = true;
}

static cs_dynamic_ref *dynamic_ref(builder *b)
{
    if (!b->dynamic) {
        b->dynamic = cs_arena_new(b->c->ast->arena, cs_dynamic_ref);
        b->dynamic->ref = cs_term_copy(b->c->ast, b->ref);
        b->dynamic->sel = b->sel == b->ref ? b->dynamic->ref : cs_term_copy(b->c->ast, b->sel);
        b->dynamic->bound = b->bound;
        b->dynamic->origins = cs_syms__new(b->c->ast->arena);
        cs_cause__origins(b->c, b->rule, b->at, b->sel, &b->dynamic->origins);
    }
    return b->dynamic;
}

static void depend(void *self, cs_rule *target)
{
    builder *b = self;
    cs_dynamic_ref *cause = NULL;
    if (b->has_var) {
        vars_before(b);
        if (!cs_graph__selects(b->c, b->sel, target, &b->bound, NULL, NULL)) {
            cause = dynamic_ref(b);
        }
    }
    for (const cs_rule *r = target; r; r = r->other) {
        uint32_t to = cs_pointers__get(&b->g->ids, r);
        cs_edge *known = edge_to(b->g, b->from, to);
        if (!known) {
            CS_VEC_PUSH_IN(b->c->ast->arena, &b->g->edges[b->from], ((cs_edge){to, cause}));
        } else if (!cause) {
            known->cause = NULL;
        }
    }
}

static bool visit(void *self, cs_term *t)
{
    builder *b = self;
    if (t->kind != CS_TERM_REF) {
        return true;
    }
    b->ref = b->sel = t;
    b->dynamic = NULL;
    b->has_var = false;
    for (uint32_t i = 1; i < t->u.list.n; i++) {
        b->has_var = b->has_var || !cs_term__is_constant(t->u.list.v[i]);
    }
    if (!b->has_var || t->u.list.v[0]->kind != CS_TERM_VAR || t->u.list.v[0]->u.var != b->c->ast->data) {
        cs_graph__select(b->c, t, depend, b);
        return true;
    }
    if (!b->resolved) {
        cs_narrow__bindings(b->c, b->rule->body, &b->known);
        b->resolved = true;
    }
    cs_terms refs = cs_narrow__expand(b->c, t, &b->known, b->at);
    if (refs.n == 1) {
        b->sel = refs.v[0];
    }
    for (uint32_t i = 0; i < refs.n; i++) {
        cs_graph__select(b->c, refs.v[i], depend, b);
    }
    return true;
}

static void add_rule(cs_compiler *c, cs_rule *r)
{
    cs_graph *g = c->out->graph;
    cs_pointers__put(&g->ids, r, g->n++);
}

static void connect(cs_compiler *c, cs_rule *r)
{
    cs_graph *g = c->out->graph;
    builder b = {.c = c, .g = g, .rule = r, .from = cs_pointers__get(&g->ids, r)};
    cs_walker w = {.self = &b, .term = visit};
    g->rules[b.from] = r;
    for (uint32_t i = 0; i < r->body.n; i++) {
        b.at = i;
        b.bound_known = false;
        cs_walk_expr(&w, r->body.v[i]);
    }
    b.at = r->body.n;
    b.bound_known = false;
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        cs_walk_term(&w, r->head.args.v[i]);
    }
    if (r->head.key) {
        cs_walk_term(&w, r->head.key);
    }
    if (r->head.value) {
        cs_walk_term(&w, r->head.value);
    }
}

void cs_stage__set_graph(cs_compiler *c)
{
    cs_graph *g = cs_arena_new(c->ast->arena, cs_graph);
    g->ids.arena = c->ast->arena;
    c->out->graph = g;
    cs_compile__rules(c, add_rule);
    g->rules = (cs_rule **)cs_arena_zalloc(c->ast->arena, (g->n + 1U) * sizeof(cs_rule *));
    g->edges = cs_arena_array(c->ast->arena, struct cs_edges, g->n + 1);
    cs_compile__rules(c, connect);
}

/* ---- recursion */
/* Takes rules away whose dependencies have been taken away; what stays can reach a cycle. g->order is the order of
 * going. */
static void sort(cs_compiler *c, cs_graph *g)
{
    uint32_t *open = cs_arena_array(&c->scratch, uint32_t, g->n + 1);
    struct cs_edges *readers = cs_arena_array(&c->scratch, struct cs_edges, g->n + 1);
    for (uint32_t i = 0; i < g->n; i++) {
        open[i] = (uint32_t)g->edges[i].n;
        for (size_t k = 0; k < g->edges[i].n; k++) {
            CS_VEC_PUSH_IN(&c->scratch, &readers[g->edges[i].v[k].to], ((cs_edge){i, NULL}));
        }
    }
    g->order = cs_arena_array(c->ast->arena, uint32_t, g->n + 1);
    for (uint32_t i = 0; i < g->n; i++) {
        if (open[i] == 0) {
            g->order[g->n_order++] = i;
        }
    }
    for (uint32_t at = 0; at < g->n_order; at++) {
        const struct cs_edges *r = &readers[g->order[at]];
        for (size_t k = 0; k < r->n; k++) {
            if (--open[r->v[k].to] == 0) {
                g->order[g->n_order++] = r->v[k].to;
            }
        }
    }
}

typedef struct step {
    uint32_t rule;
    size_t edge;
} step;

typedef struct placed {
    const cs_rule *rule;
    uint32_t id;
} placed;

static int by_place(const void *x, const void *y)
{
    const placed *a = x, *b = y;
    int c = cs_compile__loc_compare(a->rule->loc, b->rule->loc);
    c = c ? c : cs_term_compare(a->rule->head.ref, b->rule->head.ref);
    return c ? c : a->id < b->id ? -1 : a->id > b->id;
}

static int by_number(const void *x, const void *y)
{
    const uint32_t *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

/* The order in which OPA checks types, which shows where a rule with an error has further definitions: rules by their
 * places, each behind what it depends on, that by place too. There are no cycles any more. */
static void sort_by_place(cs_compiler *c, cs_graph *g)
{
    placed *all = cs_arena_array(&c->scratch, placed, g->n + 1);
    uint32_t *rank = cs_arena_array(&c->scratch, uint32_t, g->n + 1);
    uint32_t **next = (uint32_t **)cs_arena_zalloc(&c->scratch, (g->n + 1U) * sizeof *next);
    step *stack = cs_arena_array(&c->scratch, step, g->n + 2);
    for (uint32_t i = 0; i < g->n; i++) {
        all[i] = (placed){g->rules[i], i};
    }
    qsort(all, g->n, sizeof *all, by_place);
    for (uint32_t i = 0; i < g->n; i++) {
        rank[all[i].id] = i;
    }
    uint32_t n_order = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t n = 0;
        if (!next[i]) {
            stack[n++] = (step){i, 0};
        }
        while (n) {
            step *top = &stack[n - 1];
            const struct cs_edges *edges = &g->edges[all[top->rule].id];
            if (!next[top->rule]) {
                next[top->rule] = cs_arena_array(&c->scratch, uint32_t, edges->n + 1);
                for (size_t k = 0; k < edges->n; k++) {
                    next[top->rule][k] = rank[edges->v[k].to];
                }
                qsort(next[top->rule], edges->n, sizeof **next, by_number);
            }
            if (top->edge == edges->n) {
                g->order[n_order++] = all[top->rule].id;
                n--;
            } else {
                uint32_t other = next[top->rule][top->edge++];
                if (!next[other]) {
                    stack[n++] = (step){other, 0};
                }
            }
        }
    }
}

/* A path from `from` back to itself into `path` (room for g->n + 1); its length, 0 if there is none. */
static uint32_t find_cycle(cs_compiler *c, const cs_graph *g, uint32_t from, bool outright, uint32_t *path)
{
    bool *seen = cs_arena_array(&c->scratch, bool, g->n + 1);
    step *stack = cs_arena_array(&c->scratch, step, g->n + 2);
    uint32_t n = 0;
    stack[n++] = (step){from, 0};
    seen[from] = true;
    while (n) {
        step *top = &stack[n - 1];
        if (top->edge == g->edges[top->rule].n) {
            n--;
            continue;
        }
        const cs_edge *e = &g->edges[top->rule].v[top->edge++];
        if (outright && e->cause) {
            continue;
        }
        if (e->to == from) {
            for (uint32_t i = 0; i < n; i++) {
                path[i] = stack[i].rule;
            }
            path[n] = from;
            return n + 1;
        }
        if (!seen[e->to]) {
            seen[e->to] = true;
            stack[n++] = (step){e->to, 0};
        }
    }
    return 0;
}

static bool is_outright(const cs_graph *g, const uint32_t *path, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        const cs_edge *e = edge_to((cs_graph *)(uintptr_t)g, path[i - 1], path[i]);
        if (e && e->cause) {
            return false;
        }
    }
    return true;
}

static void check_rule(cs_compiler *c, const cs_rule *r)
{
    const cs_graph *g = c->out->graph;
    cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
    uint32_t *path = cs_arena_array(&c->scratch, uint32_t, g->n + 2);
    uint32_t from = cs_pointers__get(&g->ids, r);
    uint32_t n = find_cycle(c, g, from, false, path);
    const char *verb = "is";
    const char *cause = "";
    if (n && !is_outright(g, path, n)) {
        uint32_t *other = cs_arena_array(&c->scratch, uint32_t, g->n + 2);
        uint32_t m = find_cycle(c, g, from, true, other);
        if (m) {
            path = other;
            n = m;
        } else {
            verb = "may be";
            cause = cs_cause__text(c, g, path, n);
        }
    }
    if (n) {
        cs_buf b;
        cs_buf_init(&b);
        for (uint32_t i = 0; i < n; i++) {
            cs_buf_printf(&b, "%s%s", i ? " -> " : "", cs_rule__text(c, g->rules[path[i]]));
        }
        (void)cs_compile__error(c, CS_ERR_REGO_RECURSION, r->loc, "rule %s %s recursive: %.*s%s", cs_rule__text(c, r),
                                verb, (int)b.n, b.p, cause);
        cs_buf_destroy(&b);
    }
    cs_arena_rewind(&c->scratch, mark);
}

static bool check_node(void *self, const cs_rule_node *n)
{
    cs_compiler *c = self;
    for (uint32_t i = 0; i < n->n_rules; i++) {
        for (const cs_rule *r = n->rules[i]; r && !c->full; r = r->other) {
            check_rule(c, r);
        }
    }
    return true;
}

/* As long as a row of bits for each rule is cheap. */
enum { CLOSURE_RULES = 8192 };

static void close(cs_compiler *c, cs_graph *g)
{
    if (g->n == 0 || g->n > CLOSURE_RULES) {
        return;
    }
    g->words = (g->n + 63) / 64;
    g->closure = cs_arena_array(c->ast->arena, uint64_t, (size_t)g->n * g->words);
    for (uint32_t i = 0; i < g->n_order; i++) {
        uint32_t from = g->order[i];
        uint64_t *row = g->closure + (size_t)from * g->words;
        for (size_t k = 0; k < g->edges[from].n; k++) {
            uint32_t to = g->edges[from].v[k].to;
            const uint64_t *other = g->closure + (size_t)to * g->words;
            row[to / 64] |= UINT64_C(1) << (to % 64);
            for (uint32_t w = 0; w < g->words; w++) {
                row[w] |= other[w];
            }
        }
    }
}

void cs_stage__check_recursion(cs_compiler *c)
{
    cs_graph *g = c->out->graph;
    sort(c, g);
    if (g->n_order < g->n) {
        cs_tree__walk(c->compiled->root, check_node, c);
    } else {
        sort_by_place(c, g);
        close(c, g);
    }
}

static bool reaches(const cs_graph *g, uint32_t from, uint32_t to)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    bool *seen = cs_arena_array(&a, bool, g->n);
    uint32_t *stack = cs_arena_array(&a, uint32_t, g->n + 1);
    uint32_t n = 0;
    bool found = false;
    stack[n++] = from;
    while (n && !found) {
        uint32_t at = stack[--n];
        for (size_t k = 0; k < g->edges[at].n && !found; k++) {
            uint32_t next = g->edges[at].v[k].to;
            found = next == to;
            if (!seen[next]) {
                seen[next] = true;
                stack[n++] = next;
            }
        }
    }
    cs_arena_destroy(&a);
    return found;
}

bool cs_rule_depends(const cs_compiled *compiled, const cs_rule *from, const cs_rule *to)
{
    const cs_graph *g = compiled->graph;
    uint32_t x = cs_pointers__get(&g->ids, from);
    uint32_t y = cs_pointers__get(&g->ids, to);
    if (x == UINT32_MAX || y == UINT32_MAX) {
        return false;
    }
    if (g->closure) {
        return (g->closure[(size_t)x * g->words + y / 64] >> (y % 64)) & 1;
    }
    return reaches(g, x, y);
}
