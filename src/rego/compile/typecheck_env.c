/* What is known of the types of variables and documents. */
#include "rego/compile/types.h"

cs_type_env cs_env__layer(const cs_type_env *next)
{
    cs_type_env env = {.tc = next->tc, .own = cs_syms__new(next->tc->arena), .next = next};
    return env;
}

cs_type_env cs_env__with_layer(const cs_type_env *next)
{
    cs_type_env env = cs_env__layer(next);
    env.store = next->store ? next->store : (cs_syms *)(uintptr_t)&next->own;
    return env;
}

void cs_env__put(const cs_type_env *env, const cs_sym *var, const cs_type *type)
{
    cs_syms *store = env->store ? env->store : (cs_syms *)(uintptr_t)&env->own;
    cs_syms__put(store, var, (void *)(uintptr_t)type);
}

/* ---- documents */
cs_type_node *cs_type_node__child(const cs_type_node *node, cs_value key)
{
    if (cs_is_undefined(node->children)) {
        return NULL;
    }
    const cs_value *at = cs_object_get(node->children, key);
    return at ? (cs_type_node *)(uintptr_t)at->u.i : NULL;
}

cs_type_node *cs_type_node__at(cs_type_checker *tc, cs_type_node **root, const cs_value *path, uint32_t n)
{
    if (!*root) {
        *root = cs_arena_new(tc->arena, cs_type_node);
    }
    cs_type_node *node = *root;
    for (uint32_t i = 0; i < n; i++) {
        cs_type_node *child = cs_type_node__child(node, path[i]);
        if (!child) {
            child = cs_arena_new(tc->arena, cs_type_node);
            child->key = path[i];
            if (cs_is_undefined(node->children)) {
                node->children = cs_object_new(tc->arena, 0);
            }
            cs_object_put(tc->arena, node->children, path[i], cs_int((int64_t)(intptr_t)child));
        }
        node = child;
    }
    return node;
}

static cs_type_node *child_number(const cs_type_node *node, uint32_t i)
{
    cs_value at;
    (void)cs_entry(node->children, i, &at);
    return (cs_type_node *)(uintptr_t)at.u.i;
}

void cs_type_node__sort(const cs_type_node *node)
{
    if (!node || cs_is_undefined(node->children)) {
        return;
    }
    cs_table_sort(node->children.u.table);
    for (uint32_t i = 0; i < cs_count(node->children); i++) {
        cs_type_node__sort(child_number(node, i));
    }
}

const cs_type *cs_type_node__extent(cs_type_checker *tc, const cs_type_node *node)
{
    if (node->type) {
        return node->type;
    }
    uint32_t n = cs_is_undefined(node->children) ? 0 : cs_count(node->children);
    cs_value *keys = cs_arena_array(tc->arena, cs_value, n + 1);
    const cs_type **types = (const cs_type **)cs_arena_zalloc(tc->arena, (n + 1U) * sizeof *types);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        const cs_type_node *child = child_number(node, i);
        if (child->key.kind == CS_STRING || child->key.kind == CS_NUMBER || child->key.kind == CS_BOOL) {
            keys[kept] = child->key;
            types[kept++] = cs_type_node__extent(tc, child);
        }
    }
    return cs_type_object(tc->arena, keys, types, kept, &cs_type_string, &cs_type_any);
}

/* ---- merging the definitions of a rule */
static bool is_object(const cs_type *t)
{
    t = cs_type_bare(t);
    return t && t->kind == CS_TYPE_OBJECT;
}

static const cs_type *object_of(cs_type_checker *tc, const cs_type *o, const cs_type *key, const cs_type *value)
{
    return cs_type_object(tc->arena, o ? o->keys : NULL, o ? o->of : NULL, o ? o->n : 0, key, value);
}

/* The object with one more value at a path of keys, all of which become dynamic. */
static const cs_type *insert_into(cs_type_checker *tc, const cs_type *o, const cs_value *path, uint32_t n,
                                  const cs_type *type)
{
    if (n == 0) {
        return o;
    }
    const cs_type *key = cs_type_of(tc->arena, path[0]);
    const cs_type *value = n == 1 ? type : insert_into(tc, NULL, path + 1, n - 1, type);
    if (o && o->dynamic) {
        key = cs_type_or(tc->arena, o->key, key);
        value = cs_type_or(tc->arena, o->dynamic, value);
    }
    return object_of(tc, o, key, value);
}

static const cs_type *merge(cs_type_checker *tc, const cs_type *a, const cs_type *b);

static const cs_type *merge_object_with_union(cs_type_checker *tc, const cs_type *o, const cs_type *any)
{
    for (uint32_t i = 0; i < any->n; i++) {
        const cs_type *t = any->of[i];
        if (is_object(t) && t->n == 0 && t->dynamic) {
            const cs_type **of = (const cs_type **)cs_arena_zalloc(tc->arena, any->n * sizeof *of);
            memcpy(of, any->of, any->n * sizeof *of);
            of[i] = object_of(tc, NULL, cs_type_or(tc->arena, t->key, o->key),
                              cs_type_or(tc->arena, t->dynamic, o->dynamic));
            return cs_type_union(tc->arena, of, any->n);
        }
    }
    return cs_type_or(tc->arena, o, any);
}

static const cs_type *merge(cs_type_checker *tc, const cs_type *a, const cs_type *b)
{
    const cs_type *given = a ? a : b;
    a = cs_type_bare(a);
    b = cs_type_bare(b);
    if (!a || !b) {
        return given;
    }
    if (is_object(a) && is_object(b) && a->n == 0 && b->n == 0) {
        if (!a->dynamic || !b->dynamic) {
            return a->dynamic ? a : b;
        }
        return object_of(tc, NULL, cs_type_or(tc->arena, a->key, b->key), merge(tc, a->dynamic, b->dynamic));
    }
    if (is_object(a) && b->kind == CS_TYPE_ANY && a->n == 0 && a->dynamic) {
        return merge_object_with_union(tc, a, b);
    }
    if (a->kind == CS_TYPE_SET && b->kind == CS_TYPE_SET) {
        return cs_type_set(tc->arena, cs_type_or(tc->arena, a->dynamic, b->dynamic));
    }
    if (a->kind == CS_TYPE_ANY && b->kind != CS_TYPE_ANY) {
        return merge(tc, b, a);
    }
    return cs_type_or(tc->arena, a, b);
}

typedef struct leafs {
    cs_type_checker *tc;
    const cs_type *into;
    cs_value *path;
} leafs;

static void insert_leafs(leafs *l, const cs_type_node *node, uint32_t depth)
{
    l->path[depth] = node->key;
    if (node->type) {
        l->into = insert_into(l->tc, l->into, l->path, depth + 1, node->type);
        return;
    }
    for (uint32_t i = 0; !cs_is_undefined(node->children) && i < cs_count(node->children); i++) {
        insert_leafs(l, child_number(node, i), depth + 1);
    }
}

void cs_type_node__insert(cs_type_checker *tc, cs_type_node **root, const cs_value *path, uint32_t n,
                          const cs_type *type)
{
    for (uint32_t i = 1; i < n; i++) {
        cs_type_node *above = cs_type_node__at(tc, root, path, i);
        if (is_object(above->type)) {
            above->type = insert_into(tc, cs_type_bare(above->type), path + i, n - i, type);
        }
    }
    cs_type_node *node = cs_type_node__at(tc, root, path, n);
    node->type = merge(tc, node->type, type);
    if (is_object(type) && is_object(node->type) && !cs_is_undefined(node->children)) {
        leafs l = {tc, cs_type_bare(node->type), cs_arena_array(tc->arena, cs_value, cs_limits_get()->rego_depth + 2)};
        for (uint32_t i = 0; i < cs_count(node->children); i++) {
            insert_leafs(&l, child_number(node, i), 0);
        }
        node->type = l.into;
    }
}

/* ---- asking */
bool cs_types__is_empty(const cs_type *t)
{
    t = cs_type_bare(t);
    if (!t || (t->kind != CS_TYPE_OBJECT && t->kind != CS_TYPE_ARRAY && t->kind != CS_TYPE_SET)) {
        return false;
    }
    return (t->kind == CS_TYPE_SET || t->n == 0) && !t->dynamic;
}

const cs_type *cs_types__select_constant(cs_type_checker *tc, const cs_type *t, const cs_term *key)
{
    cs_value v;
    return cs_term_to_value(tc->arena, key, &v) ? cs_type_select(tc->arena, t, v) : NULL;
}

static const cs_type *select_from(cs_type_checker *tc, const cs_type *t, const cs_terms *ref, uint32_t i)
{
    for (; t && i < ref->n; i++) {
        const cs_term *key = ref->v[i];
        if (key->kind == CS_TERM_SCALAR) {
            t = cs_types__select_constant(tc, t, key);
        } else if (cs_term__is_comprehension(key) || key->kind == CS_TERM_CALL || key->kind == CS_TERM_TEMPLATE) {
            return NULL;
        } else if (cs_types__is_empty(t)) {
            return &cs_type_any;
        } else {
            t = cs_type_values(tc->arena, t);
        }
    }
    return t;
}

/* NULL in *found: this layer does not know the document. */
static const cs_type *of_document(cs_type_checker *tc, const cs_type_node *node, const cs_terms *ref, bool *found)
{
    *found = true;
    for (uint32_t i = 1; i < ref->n; i++) {
        cs_value key = cs_undefined();
        bool constant = cs_term__is_constant(ref->v[i]) && cs_term_to_value(tc->arena, ref->v[i], &key);
        const cs_type_node *child = constant ? cs_type_node__child(node, key) : NULL;
        if (node->type && !child) {
            return select_from(tc, node->type, ref, i);
        }
        if (!constant) {
            return select_from(tc, cs_type_node__extent(tc, node), ref, i);
        }
        if (!child) {
            *found = false;
            return NULL;
        }
        node = child;
    }
    return cs_type_node__extent(tc, node);
}

const cs_type *cs_env__of_ref(const cs_type_env *env, const cs_terms *ref)
{
    cs_type_checker *tc = env->tc;
    const cs_term *head = ref->v[0];
    if (head->kind != CS_TERM_VAR || (ref->n > 1 && cs_types__in_scalar(tc, head))) {
        return NULL;
    }
    bool data = head->u.var == tc->c->ast->data;
    bool root = data || head->u.var == tc->c->ast->input;
    for (const cs_type_env *e = env; e; e = e->next) {
        const cs_type_node *node = data ? e->data : root ? e->input : NULL;
        bool found = false;
        const cs_type *t = node ? of_document(tc, node, ref, &found) : NULL;
        if (found) {
            return t;
        }
        const cs_syms_item *item = root ? NULL : cs_syms__find(&e->own, head->u.var);
        if (item) {
            return select_from(tc, item->value, ref, 1);
        }
    }
    if (root) {
        return &cs_type_any;
    }
    cs_term as_ref = {.kind = CS_TERM_REF, .u.list = *ref};
    const cs_builtin *b = cs_compile__builtin(tc->c, &as_ref);
    return b ? cs_builtin_type(b) : NULL;
}

static const cs_type *of_var(const cs_type_env *env, const cs_sym *var)
{
    for (const cs_type_env *e = env; e; e = e->next) {
        const cs_syms_item *item = cs_syms__find(&e->own, var);
        if (item) {
            return item->value;
        }
    }
    return NULL;
}

static const cs_type *of_object(const cs_type_env *env, const cs_term *t)
{
    cs_arena *a = env->tc->arena;
    uint32_t n = t->u.list.n / 2;
    cs_value *keys = cs_arena_array(a, cs_value, n + 1);
    const cs_type **types = (const cs_type **)cs_arena_zalloc(a, (n + 1U) * sizeof *types);
    const cs_type *key = NULL;
    const cs_type *value = NULL;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        const cs_term *k = t->u.list.v[2 * i];
        const cs_type *of_value = cs_env__of(env, t->u.list.v[2 * i + 1]);
        if (cs_term__is_constant(k) && cs_term_to_value(a, k, &keys[kept])) {
            types[kept++] = of_value;
        } else {
            key = cs_env__of(env, k);
            value = of_value;
        }
    }
    return cs_type_object(a, keys, types, kept, key, value);
}

const cs_type *cs_env__of(const cs_type_env *env, const cs_term *t)
{
    cs_arena *a = env->tc->arena;
    const cs_type *sum = NULL;
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return cs_type_of(a, t->u.value);
    case CS_TERM_TEMPLATE:
        return &cs_type_string;
    case CS_TERM_VAR:
        return of_var(env, t->u.var);
    case CS_TERM_REF:
        return cs_env__of_ref(env, &t->u.list);
    case CS_TERM_ARRAY: {
        const cs_type **items = (const cs_type **)cs_arena_zalloc(a, (t->u.list.n + 1U) * sizeof *items);
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            items[i] = cs_env__of(env, t->u.list.v[i]);
        }
        return cs_type_array(a, items, t->u.list.n, NULL);
    }
    case CS_TERM_SET:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            sum = cs_type_or(a, sum, cs_env__of(env, t->u.list.v[i]));
        }
        return cs_type_set(a, sum);
    case CS_TERM_OBJECT:
        return of_object(env, t);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return cs_types__closure(env, t, NULL);
    case CS_TERM_CALL:
        return NULL;
    }
    return NULL;
}
