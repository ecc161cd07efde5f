/* The tree of rules that may be planned. */
#include "rego/ir/internal.h"

static cs_ir_branch *branch_at(const cs_ir_node *node, cs_slice key, size_t *at)
{
    size_t lo = 0, hi = node->branches.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = cs_slice_compare(node->branches.v[mid].key, key);
        if (c == 0) {
            *at = mid;
            return &node->branches.v[mid];
        }
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    *at = lo;
    return NULL;
}

static cs_ir_branch *make_branch(cs_ir_planner *p, cs_ir_node *node, cs_slice key)
{
    size_t at;
    cs_ir_branch *found = branch_at(node, key, &at);
    if (found) {
        return found;
    }
    cs_ir_branch fresh = {.key = key};
    CS_VEC_PUSH_IN(p->arena, &node->branches, fresh);
    memmove(node->branches.v + at + 1, node->branches.v + at, (node->branches.n - 1 - at) * sizeof fresh);
    node->branches.v[at] = fresh;
    return &node->branches.v[at];
}

static cs_ir_node *last_of(const cs_ir_branch *b)
{
    return b && b->stack.n > 0 ? b->stack.v[b->stack.n - 1] : NULL;
}

const cs_ir_node *cs_ir__branch(const cs_ir_branch *b)
{
    return last_of(b);
}

/* ---- building */
/* How many operands of a path, from the front, are names. */
static uint32_t names_in(const cs_term *path)
{
    uint32_t n = 1;
    while (n < path->u.list.n && cs_term_is_string(path->u.list.v[n])) {
        n++;
    }
    return n;
}

/* data, and then the names of a path. */
static cs_slice key_at(const cs_term *path, uint32_t i)
{
    const cs_term *t = path->u.list.v[i];
    return t->kind == CS_TERM_VAR ? cs_sym_slice(t->u.var) : cs_text(t->u.value);
}

/* The node of a path, or the first on the way that has rules. */
static cs_ir_node *insert(cs_ir_planner *p, const cs_term *path, uint32_t n)
{
    cs_ir_node *node = p->root;
    for (uint32_t i = 0; i < n && node->rules.n == 0; i++) {
        cs_ir_branch *b = make_branch(p, node, key_at(path, i));
        if (b->stack.n == 0) {
            cs_ir_node *child = cs_arena_new(p->arena, cs_ir_node);
            CS_VEC_PUSH_IN(p->arena, &b->stack, child);
        }
        node = last_of(b);
    }
    return node;
}

/* The rules beneath become the node's own. Paths of rules are bounded, so the recursion is. */
static void take_in(cs_ir_planner *p, cs_ir_node *into, const cs_ir_node *from)
{
    for (size_t i = 0; i < from->branches.n; i++) {
        const cs_ir_node *child = last_of(&from->branches.v[i]);
        for (size_t k = 0; child && k < child->rules.n; k++) {
            CS_VEC_PUSH_IN(p->arena, &into->rules, child->rules.v[k]);
        }
        if (child) {
            take_in(p, into, child);
        }
    }
}

void cs_ir__build_tree(cs_ir_planner *p)
{
    p->root = cs_arena_new(p->arena, cs_ir_node);
    for (uint32_t i = 0; i < p->policy->n_modules; i++) {
        const cs_module *m = p->policy->modules[i];
        if (m->n_rules == 0) {
            (void)insert(p, m->package, m->package->u.list.n);
        }
        for (uint32_t k = 0; k < m->n_rules; k++) {
            const cs_term *path = cs_ir__path(p, m->rules[k]);
            cs_ir_node *node = insert(p, path, names_in(path));
            take_in(p, node, node);
            node->branches.n = 0;
            CS_VEC_PUSH_IN(p->arena, &node->rules, m->rules[k]);
        }
    }
}

/* ---- reading */
static cs_ir_node *child_of(const cs_ir_node *node, const cs_term *key)
{
    size_t at;
    return node && cs_term_is_string(key) ? last_of(branch_at(node, cs_text(key->u.value), &at)) : NULL;
}

const cs_ir_node *cs_ir__child(const cs_ir_node *node, const cs_term *key)
{
    return child_of(node, key);
}

/* The node above the last operand of a ref. */
static cs_ir_node *above(const cs_ir_planner *p, const cs_term *ref)
{
    const cs_terms *list = &ref->u.list;
    size_t at;
    if (ref->kind != CS_TERM_REF || list->v[0]->kind != CS_TERM_VAR || list->v[0]->u.var != p->data) {
        return NULL;
    }
    cs_ir_node *node = p->root;
    for (uint32_t i = 0; i + 1 < list->n && node; i++) {
        node = i == 0 ? last_of(branch_at(node, cs_sym_slice(p->data), &at)) : child_of(node, list->v[i]);
    }
    return node;
}

const cs_ir_node *cs_ir__find(const cs_ir_planner *p, const cs_term *ref)
{
    size_t at;
    const cs_ir_node *node = above(p, ref);
    if (node && ref->u.list.n == 1) {
        return last_of(branch_at(node, cs_sym_slice(p->data), &at));
    }
    return node ? child_of(node, ref->u.list.v[ref->u.list.n - 1]) : NULL;
}

uint32_t cs_ir__arity(const cs_ir_node *node)
{
    return node && node->rules.n > 0 ? node->rules.v[0]->head.args.n : 0;
}

void cs_ir__hide(cs_ir_planner *p, const cs_term *ref)
{
    cs_ir_node *node = above(p, ref);
    if (node) {
        cs_ir_branch *b = make_branch(p, node, key_at(ref, ref->u.list.n - 1));
        CS_VEC_PUSH_IN(p->arena, &b->stack, NULL);
    }
}

void cs_ir__show(cs_ir_planner *p, const cs_term *ref)
{
    size_t at;
    cs_ir_node *node = above(p, ref);
    cs_ir_branch *b = node ? branch_at(node, key_at(ref, ref->u.list.n - 1), &at) : NULL;
    if (b && b->stack.n > 0) {
        b->stack.n--;
    }
}
