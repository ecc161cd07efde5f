/* Refs against the types of what they refer to. */
#include "rego/compile/types.h"

typedef struct checking {
    const cs_type_env *env;
    cs_type_errors *errors;
    const cs_terms *ref;
} checking;

typedef CS_VEC(cs_value) key_list;

static void add_key(cs_type_checker *tc, key_list *keys, cs_value key)
{
    size_t at = 0;
    while (at < keys->n && cs_compare(keys->v[at], key) < 0) {
        at++;
    }
    if (at < keys->n && cs_equal(keys->v[at], key)) {
        return;
    }
    CS_VEC_PUSH_IN(tc->arena, keys, key);
    memmove(keys->v + at + 1, keys->v + at, (keys->n - 1 - at) * sizeof *keys->v);
    keys->v[at] = key;
}

static void keys_of_type(cs_type_checker *tc, const cs_type *t, key_list *keys)
{
    t = cs_type_bare(t);
    for (uint32_t i = 0; t && i < t->n; i++) {
        if (t->kind == CS_TYPE_OBJECT) {
            add_key(tc, keys, t->keys[i]);
        } else if (t->kind == CS_TYPE_ANY) {
            keys_of_type(tc, t->of[i], keys);
        }
    }
}

static key_list keys_of_node(cs_type_checker *tc, const cs_type_node *node)
{
    key_list keys = {0};
    for (uint32_t i = 0; node && !cs_is_undefined(node->children) && i < cs_count(node->children); i++) {
        add_key(tc, &keys, cs_entry(node->children, i, NULL));
    }
    return keys;
}

/* A variable as a key: of the type that it has, or it gets the type of the keys. */
static bool check_var_key(checking *k, uint32_t at, const cs_type *keys, const key_list *one_of)
{
    const cs_term *key = k->ref->v[at];
    const cs_type *known = cs_env__of(k->env, key);
    if (!known) {
        cs_env__put(k->env, key->u.var, keys ? keys : &cs_type_any); /* what is no collection tells nothing */
        return true;
    }
    if (cs_types__unifies(k->env->tc, keys, known)) {
        return true;
    }
    cs_types__key_error(k->env->tc, k->errors, k->ref, at, known, keys, one_of->v, (uint32_t)one_of->n);
    return false;
}

static void check_empty(checking *k, const cs_type *t, uint32_t at)
{
    cs_type_checker *tc = k->env->tc;
    const cs_term *key = k->ref->v[at];
    if (key->kind == CS_TERM_SCALAR) {
        cs_types__key_error(tc, k->errors, k->ref, at, NULL, NULL, NULL, 0);
    } else if (key->kind == CS_TERM_VAR) {
        const cs_type *known = cs_env__of(k->env, key);
        const cs_type *keys = cs_type_keys(tc->arena, t);
        if (!known) {
            cs_env__put(k->env, key->u.var, &cs_type_any);
        } else if (keys && !cs_types__unifies(tc, known, keys)) {
            cs_types__key_error(tc, k->errors, k->ref, at, known, keys, NULL, 0);
        }
    }
}

/* From operand `at` on, inside a value of type t. */
static void check_in_type(checking *k, const cs_type *t, uint32_t at)
{
    cs_type_checker *tc = k->env->tc;
    for (; at < k->ref->n; at++) {
        const cs_term *key = k->ref->v[at];
        if (cs_types__is_empty(t)) {
            check_empty(k, t, at);
            return;
        }
        const cs_type *keys = cs_type_keys(tc->arena, t);
        if (!keys) {
            cs_types__no_keys_error(tc, k->errors, k->ref, at - 1, t);
            return;
        }
        key_list one_of = {0};
        if (key->kind == CS_TERM_VAR) {
            keys_of_type(tc, t, &one_of);
            if (!check_var_key(k, at, keys, &one_of)) {
                return;
            }
        } else if (key->kind == CS_TERM_REF) {
            const cs_type *known = cs_env__of(k->env, key);
            if (known && !cs_types__unifies(tc, known, keys)) {
                keys_of_type(tc, t, &one_of);
                cs_types__key_error(tc, k->errors, k->ref, at, known, keys, one_of.v, (uint32_t)one_of.n);
                return;
            }
        } else if (key->kind == CS_TERM_ARRAY || key->kind == CS_TERM_OBJECT || key->kind == CS_TERM_SET) {
            if (!cs_types__unify_term(k->env, key, keys, false)) {
                cs_types__key_error(tc, k->errors, k->ref, at, cs_env__of(k->env, key), keys, NULL, 0);
                return;
            }
        } else {
            const cs_type *child = cs_types__select_constant(tc, t, key);
            if (!child) {
                keys_of_type(tc, t, &one_of);
                cs_types__key_error(tc, k->errors, k->ref, at, NULL, keys, one_of.v, (uint32_t)one_of.n);
                return;
            }
            t = child;
            continue;
        }
        t = cs_type_values(tc->arena, t);
    }
}

/* From the document at `node`. False: this layer does not know it. */
static bool check_document(checking *k, const cs_type_node *node)
{
    cs_type_checker *tc = k->env->tc;
    for (uint32_t at = 1; at < k->ref->n; at++) {
        const cs_term *key = k->ref->v[at];
        bool name = key->kind == CS_TERM_VAR || cs_term_is_string(key);
        if (at <= 2 && !name) {
            key_list one_of = keys_of_node(tc, node);
            cs_types__key_error(tc, k->errors, k->ref, at, cs_env__of(k->env, key), &cs_type_string, one_of.v,
                                (uint32_t)one_of.n);
            return true;
        }
        if (key->kind == CS_TERM_VAR) {
            key_list one_of = keys_of_node(tc, node);
            if (!check_var_key(k, at, cs_type_keys(tc->arena, cs_type_node__extent(tc, node)), &one_of)) {
                return true;
            }
            return false;
        }
        cs_value v = cs_undefined();
        bool constant = cs_term__is_constant(key) && cs_term_to_value(tc->arena, key, &v);
        const cs_type_node *child = constant ? cs_type_node__child(node, v) : NULL;
        if (!child) {
            return false;
        }
        if (child->type) {
            check_in_type(k, child->type, at + 1);
            return true;
        }
        node = child;
    }
    return true;
}

/* Items of a scalar as written (`some x in 3`): there are none, but OPA's checker does not look. */
bool cs_types__in_scalar(cs_type_checker *tc, const cs_term *head)
{
    const cs_syms_item *item = head->kind == CS_TERM_VAR ? cs_syms__find(&tc->c->subjects, head->u.var) : NULL;
    return item && ((const cs_term *)item->value)->kind == CS_TERM_SCALAR;
}

static void check_ref(checking *k)
{
    cs_type_checker *tc = k->env->tc;
    const cs_term *head = k->ref->v[0];
    if (cs_types__in_scalar(tc, head)) {
        return;
    }
    const cs_type *whole = cs_env__of_ref(k->env, k->ref);
    if (whole && whole->kind == CS_TYPE_FUNCTION) {
        cs_types__no_keys_error(tc, k->errors, k->ref, k->ref->n - 1, whole);
        return;
    }
    if (head->kind != CS_TERM_VAR) {
        return;
    }
    bool data = head->u.var == tc->c->ast->data;
    bool root = data || head->u.var == tc->c->ast->input;
    for (const cs_type_env *e = k->env; e; e = e->next) {
        const cs_type_node *node = data ? e->data : root ? e->input : NULL;
        if (node && node->type) {
            check_in_type(k, node->type, 1);
            return;
        }
        if (node && check_document(k, node)) {
            return;
        }
        const cs_syms_item *item = root ? NULL : cs_syms__find(&e->own, head->u.var);
        if (item && item->value) {
            check_in_type(k, item->value, 1);
            return;
        }
    }
    /* What no layer knows can be anything. */
    check_in_type(k, &cs_type_any, root ? 1 : 0);
}

static bool visit_term(void *self, cs_term *t)
{
    checking *k = self;
    if (cs_term__is_comprehension(t)) {
        return false;
    }
    if (t->kind == CS_TERM_REF) {
        size_t before = k->errors->n;
        k->ref = &t->u.list;
        check_ref(k);
        return k->errors->n == before;
    }
    return true;
}

static bool visit_expr(void *self, cs_expr *e)
{
    cs_walker w = {.self = self, .term = visit_term, .expr = visit_expr};
    if (e->kind == CS_EXPR_CALL) {
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            cs_walk_term(&w, e->u.call.v[i]);
        }
        return false;
    }
    if (e->kind == CS_EXPR_TERM) {
        cs_walk_term(&w, e->u.term);
        return false;
    }
    if (e->kind == CS_EXPR_NOT) {
        cs_walk_body(&w, e->u.logic.left);
        return false;
    }
    return true;
}

void cs_types__check_refs(const cs_type_env *env, cs_expr *e, cs_type_errors *errors)
{
    checking k = {env, errors, NULL};
    cs_walk_expr(&(cs_walker){.self = &k, .term = visit_term, .expr = visit_expr}, e);
}
