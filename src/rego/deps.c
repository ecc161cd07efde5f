/* What a query depends on (OPA v1/dependencies): the refs that remain when names which stand for refs are put in their
 * place, followed through the rules that they reach. */
#include <stdlib.h>

#include "countersign/base/map.h"
#include "countersign/format.h"
#include "rego/internal.h"

/* Names that stand for each other may make refs without end (x = y.a; y = x.b): no more than this many. */
#define JOINED_MAX 20000U

typedef CS_VEC(cs_term *) refs;

/* One body under analysis. */
typedef struct scope {
    cs_ast *ast;
    cs_map joined; /* name → refs *: what the name stands for */
    cs_map bound;  /* name → refs *: as it is written */
    cs_map in_head, used;
    size_t n_joined;
    refs *found;
} scope;

static bool is_root(const cs_term *t)
{
    return t->kind == CS_TERM_VAR &&
           (cs_slice_is(cs_sym_slice(t->u.var), "data") || cs_slice_is(cs_sym_slice(t->u.var), "input"));
}

static refs *refs_of(scope *s, cs_map *map, cs_slice name)
{
    refs *list = cs_map_get(map, name);
    if (!list) {
        list = cs_arena_new(s->ast->arena, refs);
        (void)cs_map_put(map, name, list);
    }
    return list;
}

static void push(scope *s, refs *list, cs_term *ref)
{
    CS_VEC_PUSH_IN(s->ast->arena, list, ref);
}

static bool has(const refs *list, const cs_term *ref)
{
    for (size_t i = 0; i < list->n; i++) {
        if (cs_term_equal(list->v[i], ref)) {
            return true;
        }
    }
    return false;
}

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

/* `base` with the parts of `ref` behind its head. */
static cs_term *extend(scope *s, const cs_term *base, const cs_term *ref)
{
    uint32_t n = base->u.list.n, more = ref->u.list.n - 1;
    cs_term **parts = cs_arena_array(s->ast->arena, cs_term *, n + more);
    memcpy(parts, base->u.list.v, n * sizeof *parts);
    if (more) {
        memcpy(parts + n, ref->u.list.v + 1, more * sizeof *parts);
    }
    return cs_term_list(s->ast, CS_TERM_REF, parts, n + more, ref->loc);
}

/* ---- names */
typedef struct names {
    cs_map *map;
    bool skip_heads; /* not the heads of refs */
    bool skip_wildcards;
} names;

static void add_name(const names *n, const cs_term *t)
{
    if (!(n->skip_wildcards && cs_sym_is_wildcard(t->u.var))) {
        (void)cs_map_put(n->map, cs_sym_slice(t->u.var), n->map);
    }
}

static bool see_name(void *self, cs_term *t)
{
    const names *n = self;
    if (t->kind == CS_TERM_VAR) {
        add_name(n, t);
    } else if (t->kind == CS_TERM_REF && n->skip_heads) {
        cs_walker w = {.self = self, .term = see_name};
        for (uint32_t i = 1; i < t->u.list.n; i++) {
            cs_walk_term(&w, t->u.list.v[i]);
        }
        return false;
    }
    return true;
}

static bool see_operand(void *self, cs_term *t)
{
    names n = {.map = self};
    for (uint32_t i = 1; t->kind == CS_TERM_REF && i < t->u.list.n; i++) {
        if (t->u.list.v[i]->kind == CS_TERM_VAR) {
            add_name(&n, t->u.list.v[i]);
        }
    }
    return true;
}

/* ---- what names stand for */
static bool is_equation(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && e->u.call.n > 2 && cs_ref_is(e->u.call.v[0], "eq");
}

/* x = data.a.b, either way round. */
static bool is_binding(const cs_expr *e, cs_term **name, cs_term **ref)
{
    if (!is_equation(e)) {
        return false;
    }
    cs_term *left = e->u.call.v[1], *right = e->u.call.v[2];
    bool swap = left->kind != CS_TERM_VAR;
    *name = swap ? right : left;
    *ref = swap ? left : right;
    return (*name)->kind == CS_TERM_VAR && (*ref)->kind == CS_TERM_REF;
}

static bool add_joined(scope *s, refs *list, cs_term *ref)
{
    if (s->n_joined >= JOINED_MAX || has(list, ref)) {
        return false;
    }
    push(s, list, ref);
    s->n_joined++;
    return true;
}

static bool join_once(scope *s)
{
    bool more = false;
    const cs_map_entry *e;
    for (size_t at = 0; (e = cs_map_next(&s->bound, &at));) {
        const refs *written = e->value;
        refs *joined = refs_of(s, &s->joined, e->key);
        for (size_t i = 0; i < written->n; i++) {
            cs_term *r = written->v[i], *head = r->u.list.v[0];
            if (is_root(head)) {
                more = add_joined(s, joined, r) || more;
                continue;
            }
            const refs *of_head = head->kind == CS_TERM_VAR ? cs_map_get(&s->joined, cs_sym_slice(head->u.var)) : NULL;
            for (size_t k = 0; of_head && k < of_head->n; k++) {
                more = add_joined(s, joined, extend(s, of_head->v[k], r)) || more;
            }
        }
    }
    return more;
}

/* Adds what the ref is when the name at its head is replaced. */
static void expand(scope *s, refs *out, cs_term *r)
{
    const cs_term *head = r->u.list.v[0];
    if (is_root(head)) {
        push(s, out, r);
        return;
    }
    const refs *list = head->kind == CS_TERM_VAR ? cs_map_get(&s->joined, cs_sym_slice(head->u.var)) : NULL;
    for (size_t i = 0; list && i < list->n; i++) {
        push(s, out, extend(s, list->v[i], r));
    }
}

/* ---- one rule, or a query */
static bool resolve(void *self, cs_term *t)
{
    scope *s = self;
    if (t->kind == CS_TERM_REF) {
        expand(s, s->found, t);
    }
    return true;
}

/* The refs inside a ref, and the ref itself unless it is left out. */
static void resolve_ref(scope *s, cs_term *r, bool itself)
{
    cs_walker w = {.self = s, .term = resolve};
    if (itself) {
        cs_walk_term(&w, r);
        return;
    }
    for (uint32_t i = 0; i < r->u.list.n; i++) {
        cs_walk_term(&w, r->u.list.v[i]);
    }
}

/* A statement that is just a ref ending in a name of the head: p[x] { data.a[x] }. */
static bool ends_in_head(const scope *s, const cs_expr *e)
{
    if (e->kind != CS_EXPR_TERM || e->u.term->kind != CS_TERM_REF) {
        return false;
    }
    const cs_term *last = e->u.term->u.list.v[e->u.term->u.list.n - 1];
    return last->kind == CS_TERM_VAR && cs_map_get(&s->in_head, cs_sym_slice(last->u.var));
}

static void resolve_statements(scope *s, cs_body b, refs *of_head)
{
    names used = {.map = &s->used, .skip_heads = true};
    cs_walker find = {.self = s, .term = resolve};
    cs_walker name = {.self = &used, .term = see_name};
    cs_term *bound, *ref;
    for (uint32_t i = 0; i < b.n; i++) {
        if (is_binding(b.v[i], &bound, &ref)) {
            continue;
        }
        if (ends_in_head(s, b.v[i])) {
            expand(s, of_head, b.v[i]->u.term);
            continue;
        }
        cs_walk_expr(&find, b.v[i]);
        cs_walk_expr(&name, b.v[i]);
    }
}

/* Does the name merely stand in for one ref, used nowhere else? */
static bool is_alias(const scope *s, const cs_map_entry *e)
{
    const refs *list = e->value;
    return list->n == 1 && !cs_map_get(&s->in_head, e->key) && !cs_map_get(&s->used, e->key);
}

static void resolve_names(scope *s)
{
    const cs_map_entry *e;
    for (size_t at = 0; (e = cs_map_next(&s->joined, &at));) {
        const refs *list = e->value;
        bool alias = is_alias(s, e);
        for (size_t i = 0; i < list->n; i++) {
            resolve_ref(s, list->v[i], !alias);
        }
    }
    size_t n = s->found->n;
    for (size_t at = 0; (e = cs_map_next(&s->joined, &at));) {
        cs_term *only = is_alias(s, e) ? ((const refs *)e->value)->v[0] : NULL;
        bool covered = only == NULL;
        for (size_t i = 0; i < n && !covered; i++) {
            covered = has_prefix(s->found->v[i], only) || has_prefix(only, s->found->v[i]);
        }
        if (!covered) {
            push(s, s->found, only);
        }
    }
}

static void resolve_head_refs(scope *s, const refs *of_head)
{
    for (size_t i = 0; i < of_head->n; i++) {
        bool known = false;
        for (size_t k = 0; k < s->found->n && !known; k++) {
            known = has_prefix(s->found->v[k], of_head->v[i]);
        }
        if (!known) {
            push(s, s->found, of_head->v[i]);
        }
        resolve_ref(s, of_head->v[i], false);
    }
}

/* Appends to *found what a body depends on. `head` is NULL for a query, whose names are all results. */
static void body_refs(cs_ast *ast, const cs_head *head, cs_body b, refs *found)
{
    scope s = {.ast = ast, .found = found};
    refs of_head = {0};
    cs_map_init(&s.joined);
    cs_map_init(&s.bound);
    cs_map_init(&s.in_head);
    cs_map_init(&s.used);
    names of_body = {.map = &s.in_head, .skip_wildcards = true};
    cs_walker names_in = {.self = &of_body, .term = see_name};
    if (head) {
        of_body.skip_wildcards = false;
        for (uint32_t i = 0; i < head->args.n; i++) {
            cs_walk_term(&names_in, head->args.v[i]);
        }
        cs_walk_term(&names_in, head->key);
        cs_walk_term(&names_in, head->value);
        for (uint32_t i = 1; i < head->ref->u.list.n; i++) {
            cs_walk_term(&names_in, head->ref->u.list.v[i]);
        }
    } else {
        cs_walk_body(&names_in, b);
    }
    cs_term *name, *ref;
    for (uint32_t i = 0; i < b.n; i++) {
        if (is_binding(b.v[i], &name, &ref)) {
            push(&s, refs_of(&s, &s.bound, cs_sym_slice(name->u.var)), ref);
        }
    }
    while (join_once(&s)) {
    }
    resolve_statements(&s, b, &of_head);
    resolve_head_refs(&s, &of_head);
    cs_walker operands = {.self = &s.used, .term = see_operand};
    cs_walk_body(&operands, b);
    resolve_names(&s);
    cs_map_destroy(&s.joined);
    cs_map_destroy(&s.bound);
    cs_map_destroy(&s.in_head);
    cs_map_destroy(&s.used);
}

/* ---- lists of refs */
static int by_ref(const void *x, const void *y)
{
    return cs_term_compare(*(cs_term *const *)x, *(cs_term *const *)y);
}

/* Sorts; keeps one of equals, and with `minimal` only those of which no other is the beginning. */
static void tidy(refs *list, bool minimal)
{
    size_t n = 0;
    if (list->n > 1) {
        qsort(list->v, list->n, sizeof *list->v, by_ref);
    }
    for (size_t i = 0; i < list->n; i++) {
        cs_term *r = list->v[i];
        bool drop = n > 0 && (minimal ? has_prefix(r, list->v[n - 1]) : cs_term_equal(r, list->v[n - 1]));
        if (!drop) {
            list->v[n++] = r;
        }
    }
    list->n = n;
}

static bool is_constant(const cs_term *t)
{
    return cs_term_is_ground(t) && t->kind != CS_TERM_REF && t->kind != CS_TERM_CALL &&
           t->kind != CS_TERM_ARRAY_COMPREHENSION && t->kind != CS_TERM_SET_COMPREHENSION &&
           t->kind != CS_TERM_OBJECT_COMPREHENSION && t->kind != CS_TERM_TEMPLATE;
}

static cs_term *constant_prefix(cs_ast *ast, cs_term *r)
{
    cs_value ignored;
    uint32_t n = 1;
    while (n < r->u.list.n && is_constant(r->u.list.v[n]) && cs_term_to_value(ast->arena, r->u.list.v[n], &ignored)) {
        n++;
    }
    return n == r->u.list.n ? r : cs_term_list(ast, CS_TERM_REF, r->u.list.v, n, r->loc);
}

/* ---- following the rules */
typedef struct analysis {
    cs_ast *ast;
    const cs_policy *policy;
    cs_map seen; /* rules, by the bytes of their address */
    CS_VEC(const cs_rule *) pending;
    refs base, computed;
} analysis;

static void reach(analysis *a, const cs_rule *r)
{
    cs_slice key = {(const char *)&r, sizeof r};
    if (cs_map_get(&a->seen, key)) {
        return;
    }
    (void)cs_map_put(&a->seen, key, a);
    CS_VEC_PUSH_IN(a->ast->arena, &a->pending, r);
}

static bool is_system(const cs_rule_node *node)
{
    return node->parent && !node->parent->parent && cs_is(node->key, CS_STRING) &&
           cs_slice_is(cs_text(node->key), "system");
}

/* Nesting is that of packages and refs, which the parser bounds. */
static bool reach_below(analysis *a, const cs_rule_node *node)
{
    bool any = node->n_rules > 0;
    for (uint32_t i = 0; i < node->n_rules; i++) {
        reach(a, node->rules[i]);
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        if (!is_system(node->children[i])) {
            any = reach_below(a, node->children[i]) || any;
        }
    }
    return any;
}

/* The rules at, above or below a ref; false if there are none. */
static bool reach_ref(analysis *a, const cs_term *ref)
{
    const cs_term *head = ref->u.list.v[0];
    const cs_rule_node *node = a->policy ? a->policy->compiled->root : NULL;
    bool any = false, above = false;
    if (!node || head->kind != CS_TERM_VAR || !cs_slice_is(cs_sym_slice(head->u.var), "data")) {
        return false;
    }
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        cs_value key;
        if (!cs_term_to_value(a->ast->arena, ref->u.list.v[i], &key)) {
            return any;
        }
        node = cs_rule_node_child(node, key);
        if (!node) {
            return any;
        }
        for (uint32_t k = 0; k < node->n_rules && !above; k++) {
            reach(a, node->rules[k]);
            any = true;
        }
        above = above || node->n_rules > 0;
    }
    return reach_below(a, node) || any;
}

static void follow(analysis *a, refs *found)
{
    tidy(found, true);
    for (size_t i = 0; i < found->n; i++) {
        cs_term *r = constant_prefix(a->ast, found->v[i]);
        if (!reach_ref(a, r)) {
            CS_VEC_PUSH_IN(a->ast->arena, &a->base, r);
        }
    }
}

/* The package's path and the constant parts of the head. */
static cs_term *rule_path(cs_ast *ast, const cs_rule *r)
{
    cs_terms package = r->module->package->u.list, head = r->head.ref->u.list;
    uint32_t n = cs_ref_ground_prefix(r->head.ref);
    cs_term **parts = cs_arena_array(ast->arena, cs_term *, package.n + n);
    memcpy(parts, package.v, package.n * sizeof *parts);
    memcpy(parts + package.n, head.v, n * sizeof *parts);
    parts[package.n] = cs_term_string(ast, cs_sym_slice(head.v[0]->u.var), head.v[0]->loc);
    return cs_term_list(ast, CS_TERM_REF, parts, package.n + n, r->head.ref->loc);
}

static void follow_all(analysis *a)
{
    for (size_t i = 0; i < a->pending.n; i++) {
        const cs_rule *first = a->pending.v[i];
        refs found = {0};
        for (const cs_rule *r = first; r; r = r->other) {
            body_refs(a->ast, &r->head, r->body, &found);
        }
        follow(a, &found);
        CS_VEC_PUSH_IN(a->ast->arena, &a->computed, rule_path(a->ast, first));
    }
}

static cs_value to_json(cs_arena *out, const refs *list)
{
    cs_value *items = cs_arena_array(out, cs_value, list->n + 1);
    for (size_t i = 0; i < list->n; i++) {
        cs_buf text;
        cs_buf_init(&text);
        cs_term_print(&text, list->v[i]);
        items[i] = cs_object_new(out, 2);
        cs_object_put_text(out, items[i], "text", cs_string_copy(out, cs_buf_view(&text)));
        cs_value terms = *cs_object_get_text(cs_term_to_json(out, list->v[i]), "value");
        cs_object_put_text(out, items[i], "terms", terms);
        cs_buf_destroy(&text);
    }
    return cs_array(items, list->n);
}

cs_err cs_policy_dependencies(cs_arena *a, const cs_policy *policy, cs_slice text, cs_value *base, cs_value *computed,
                              cs_errors *errors)
{
    cs_ast ast;
    cs_body body = {0};
    cs_parse_options options = {.version = CS_REGO_V1};
    cs_ast_init(&ast, a);
    CS_TRY(cs_parse_query(&ast, text, &options, &body, errors));
    analysis all = {.ast = &ast, .policy = policy};
    refs found = {0};
    cs_map_init(&all.seen);
    body_refs(&ast, NULL, body, &found);
    follow(&all, &found);
    follow_all(&all);
    cs_map_destroy(&all.seen);
    tidy(&all.base, false);
    tidy(&all.computed, false);
    *base = to_json(a, &all.base);
    *computed = to_json(a, &all.computed);
    return CS_OK;
}
