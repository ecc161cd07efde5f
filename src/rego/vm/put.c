#include "rego/vm/internal.h"

/* Inside a document under construction, CS_AUX_SHAPE marks the objects and sets that belong to the document's own
 * shape, as against values that rules gave: only the former may gain entries. */
static cs_value shape_of(cs_value v)
{
    v.aux = CS_AUX_SHAPE;
    return v;
}

/* A whole object meets a shape at the same place: entry by entry. */
static bool merge_into(cs_arena *a, cs_value shape, cs_value v)
{
    if (shape.kind != CS_OBJECT || v.kind != CS_OBJECT) {
        return false;
    }
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value value;
        cs_value key = cs_entry(v, i, &value);
        if (!cs_vm__put_path(a, shape, &key, 1, value, false)) {
            return false;
        }
    }
    return true;
}

bool cs_vm__put_path(cs_arena *a, cs_value root, const cs_value *path, uint32_t n, cs_value leaf, bool element)
{
    cs_value at = root;
    uint32_t inner = element ? n : n - 1;
    for (uint32_t i = 0; i < inner; i++) {
        bool set_here = element && i == n - 1;
        const cs_value *next = cs_object_get(at, path[i]);
        if (!next) {
            cs_value fresh = shape_of(set_here ? cs_set_new(a, 0) : cs_object_new(a, 0));
            cs_object_put(a, at, path[i], fresh);
            at = fresh;
            continue;
        }
        if (next->aux != CS_AUX_SHAPE || next->kind != (set_here ? CS_SET : CS_OBJECT)) {
            return false;
        }
        at = *next;
    }
    if (element) {
        (void)cs_set_add(a, at, cs_vm__plain(leaf));
        return true;
    }
    const cs_value *there = cs_object_get(at, path[n - 1]);
    if (there && there->aux == CS_AUX_SHAPE) {
        return merge_into(a, *there, leaf);
    }
    leaf.aux = 0;
    return cs_object_put_once(a, at, path[n - 1], leaf);
}

void cs_vm__push(cs_arena *a, cs_growing *g, cs_value v)
{
    if (g->n == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 8;
        cs_value *items = cs_arena_alloc(a, cap * sizeof *items);
        if (g->n) {
            memcpy(items, g->items, g->n * sizeof *items);
        }
        g->items = items;
        g->cap = cap;
    }
    g->items[g->n++] = cs_vm__plain(v);
}

cs_value cs_vm__growing(cs_arena *a)
{
    return (cs_value){.kind = CS_PRIVATE, .form = CS_P_GROWING, .u.p = cs_arena_new(a, cs_growing)};
}

cs_value cs_vm__sealed(cs_value v)
{
    if (v.kind == CS_PRIVATE && v.form == CS_P_GROWING) {
        const cs_growing *g = v.u.p;
        return cs_array(g->items, g->n);
    }
    return v;
}

cs_value cs_vm__group(cs_run *run, cs_value groups, cs_value key, uint32_t kind)
{
    const cs_value *there = cs_object_get(groups, key);
    if (there) {
        return *there;
    }
    cs_value fresh = kind == CS_OBJECT ? cs_object_new(run->arena, 0)
                     : kind == CS_SET  ? cs_set_new(run->arena, 0)
                                       : cs_vm__growing(run->arena);
    cs_object_put(run->arena, groups, key, fresh);
    return fresh;
}

void cs_vm__seal_groups(cs_value groups)
{
    for (uint32_t i = 0; i < groups.u.table->n; i++) {
        groups.u.table->vals[i] = cs_vm__sealed(groups.u.table->vals[i]);
    }
}
