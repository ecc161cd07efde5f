/* Loading as a whole, finding what is named, and what may be shown of it. */
#include "config/internal.h"

#include "countersign/base/mem.h"

/* What --set says wins, deeply; lists are replaced. */
static void merge(cs_arena *a, cs_node *into, const cs_node *from)
{
    for (size_t i = 0; i < from->members.n; i++) {
        const cs_node_member *m = &from->members.v[i];
        cs_node *there = cs_config__member(into, m->key);
        if (there != NULL && there->kind == CS_NODE_MAP && m->node->kind == CS_NODE_MAP) {
            merge(a, there, m->node);
        } else {
            cs_config__put(a, into, m->key, m->node);
        }
    }
}

cs_err cs_config_load(const cs_config_sources *sources, cs_config **out, cs_config_report *report)
{
    cs_config *c = cs_config__new();
    const char *file = sources->file != NULL ? sources->file : "";
    c->file = cs_slice_make(cs_arena_dup(&c->arena, file, strlen(file)), strlen(file));
    cs_node *root = sources->file != NULL ? cs_config__read_file(&c->arena, file, report)
                                          : cs_config__node(&c->arena, CS_NODE_MAP, CS_LIT(""), 0);
    cs_node *overrides = cs_config__node(&c->arena, CS_NODE_MAP, CS_LIT("--set"), 0);
    for (size_t i = 0; i < sources->n_set; i++) {
        cs_config__set(&c->arena, overrides, sources->set[i], false, report);
    }
    for (size_t i = 0; i < sources->n_set_file; i++) {
        cs_config__set(&c->arena, overrides, sources->set_file[i], true, report);
    }
    if (root != NULL) {
        merge(&c->arena, root, overrides);
        cs_config__check(root, report);
        cs_config__fill(c, root, report);
    }
    if (report->errors > 0) {
        cs_config_free(c);
        return CS_ERR_INVALID;
    }
    if (sources->limits) {
        cs_config__apply_limits(root);
    }
    *out = c;
    return CS_OK;
}

cs_config *cs_config__new(void)
{
    cs_config *c = cs_zalloc(sizeof *c);
    atomic_init(&c->refs, 1);
    cs_arena_init(&c->arena, 0);
    return c;
}

cs_config *cs_config_retain(cs_config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void cs_config_free(cs_config *config)
{
    if (config != NULL && atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) == 1) {
        cs_arena_destroy(&config->arena);
        cs_free(config);
    }
}

const cs_config_service *cs_config_find_service(const cs_config *config, cs_slice name)
{
    for (size_t i = 0; i < config->n_services; i++) {
        if (cs_slice_eq(config->services[i].name, name)) {
            return &config->services[i];
        }
    }
    return NULL;
}

const cs_config_key *cs_config_find_key(const cs_config *config, cs_slice id)
{
    for (size_t i = 0; i < config->n_keys; i++) {
        if (cs_slice_eq(config->keys[i].id, id)) {
            return &config->keys[i];
        }
    }
    return NULL;
}

const cs_config_bundle *cs_config_find_bundle(const cs_config *config, cs_slice name)
{
    for (size_t i = 0; i < config->n_bundles; i++) {
        if (cs_slice_eq(config->bundles[i].name, name)) {
            return &config->bundles[i];
        }
    }
    return NULL;
}

const cs_config_push *cs_config_find_push(const cs_config *config, cs_slice name)
{
    for (size_t i = 0; i < config->n_push; i++) {
        if (cs_slice_eq(config->push[i].name, name)) {
            return &config->push[i];
        }
    }
    return NULL;
}

/* ---- what may be shown: everything but what a SECRET row names */

static cs_value hide(cs_arena *a, cs_value v, cs_slice rest);

/* One segment of a secret's path ("*" for every member). */
static cs_value hide_member(cs_arena *a, cs_value object, cs_slice key, cs_slice rest)
{
    const cs_value *there = cs_object_get(object, cs_string(key));
    if (there == NULL) {
        return object;
    }
    cs_value key_value = cs_string(key);
    if (rest.n == 0) {
        return cs_remove(a, object, &key_value, 1);
    }
    cs_value copy = cs_object_clone(a, object, 0);
    cs_object_put(a, copy, key_value, hide(a, *there, rest));
    return copy;
}

static cs_value hide(cs_arena *a, cs_value v, cs_slice rest)
{
    cs_slice segment;
    if (!cs_slice_next(&rest, '.', &segment)) {
        return v;
    }
    if (cs_is(v, CS_ARRAY) && cs_slice_is(segment, "*")) {
        cs_value *items = cs_arena_array(a, cs_value, v.n + 1U);
        for (uint32_t i = 0; i < v.n; i++) {
            items[i] = hide(a, v.u.items[i], rest);
        }
        return cs_array(items, v.n);
    }
    if (!cs_is(v, CS_OBJECT)) {
        return v;
    }
    if (!cs_slice_is(segment, "*")) {
        return hide_member(a, v, segment, rest);
    }
    for (uint32_t i = 0; i < cs_count(v); i++) {
        v = hide_member(a, v, cs_text(cs_entry(v, i, NULL)), rest);
    }
    return v;
}

cs_value cs_config_public(cs_arena *a, const cs_config *config)
{
    cs_value out = cs_object_clone(a, config->document, 3);
    cs_object_put_text(a, out, "default_decision", cs_string(config->default_decision));
    cs_object_put_text(a, out, "default_authorization_decision", cs_string(config->default_authorization_decision));
    size_t n;
    const cs_option *rows = cs_config__rows(&n);
    for (size_t i = 0; i < n; i++) {
        if ((rows[i].flags & CS_OPTION_SECRET) != 0) {
            cs_slice path = cs_slice_of(rows[i].path);
            size_t credentials = cs_slice_find(path, CS_LIT(".credentials."), 0);
            out = hide(a, out, credentials == SIZE_MAX ? path : cs_slice_sub(path, 0, credentials + 12));
        }
    }
    return out;
}
