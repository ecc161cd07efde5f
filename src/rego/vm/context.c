#include "rego/vm/internal.h"

cs_context *cs_vm__context_new(cs_run *run, const cs_context *like)
{
    cs_context *c = cs_arena_new(run->arena, cs_context);
    if (like) {
        *c = *like;
    }
    c->pages = NULL;
    c->calls = NULL;
    c->n_calls = 0;
    c->calls_mask = 0;
    return c;
}

bool cs_vm__hidden(const cs_run *run, const cs_context *c, uint32_t node)
{
    if (node == CS_NO_NODE) {
        return false;
    }
    for (uint32_t i = 0; i < c->n_overrides; i++) {
        uint32_t top = c->overrides[i];
        if (node >= top && node <= run->program->nodes[top].last) {
            return true;
        }
    }
    return false;
}

cs_mock *cs_vm__mock_of(const cs_context *c, cs_target_kind kind, uint32_t target)
{
    for (uint32_t i = 0; i < c->n_mocks; i++) {
        if (c->mocks[i].target_kind == kind && c->mocks[i].target == target) {
            return &c->mocks[i];
        }
    }
    return NULL;
}

static cs_mock *copy_mocks(cs_run *run, const cs_context *c, uint32_t extra)
{
    cs_mock *mocks = cs_arena_array(run->arena, cs_mock, c->n_mocks + extra);
    for (uint32_t i = 0; i < c->n_mocks; i++) {
        mocks[i] = c->mocks[i];
        mocks[i].inner = NULL;
    }
    return mocks;
}

cs_context *cs_vm__mock_inner(cs_run *run, cs_context *c, cs_mock *mock)
{
    if (!mock->inner) {
        cs_context *inner = cs_vm__context_new(run, c);
        uint32_t at = (uint32_t)(mock - c->mocks);
        inner->mocks = copy_mocks(run, c, 0);
        inner->n_mocks--;
        memmove(&inner->mocks[at], &inner->mocks[at + 1], (inner->n_mocks - at) * sizeof *inner->mocks);
        mock->inner = inner;
    }
    return mock->inner;
}

static void add_mock(cs_run *run, cs_context *c, const cs_with_target *t, cs_value value)
{
    c->mocks = copy_mocks(run, c, 1);
    cs_mock *mock = cs_vm__mock_of(c, t->kind, t->target);
    if (!mock) {
        mock = &c->mocks[c->n_mocks++];
    }
    *mock =
        (cs_mock){.target_kind = t->kind, .target = t->target, .kind = t->mock, .with = t->mock_with, .value = value};
}

static void hide(cs_run *run, cs_context *c, uint32_t node)
{
    uint32_t *all = cs_arena_array(run->arena, uint32_t, c->n_overrides + 1);
    if (c->n_overrides) {
        memcpy(all, c->overrides, c->n_overrides * sizeof *all);
    }
    all[c->n_overrides++] = node;
    c->overrides = all;
}

/* A live document that is replaced in part must first be there in whole. */
static void unfold_live(cs_run *run, cs_context *c, const cs_path *path)
{
    if (path->n < 2 || (c->data.kind == CS_OBJECT && cs_object_get(c->data, path->keys[0]))) {
        return;
    }
    for (uint32_t i = 0; i < run->eval->n_live; i++) {
        cs_slice root = cs_slice_of(run->eval->live[i].root);
        if (cs_equal(path->keys[0], cs_string(root))) {
            c->data = cs_upsert(run->arena, c->data, path->keys, 1, cs_vm__live_all(run, i));
        }
    }
}

/* Putting a value at a path changes nothing beside it, unless something that is no object has to give way. */
static bool beside_stays(cs_value root, const cs_path *path)
{
    for (uint32_t i = 0; i < path->n && root.kind == CS_OBJECT; i++) {
        const cs_value *item = cs_object_get(root, path->keys[i]);
        if (!item || i + 1 == path->n) {
            return true;
        }
        root = *item;
    }
    return path->n == 0 || root.kind == CS_UNDEFINED;
}

static bool keeps_others(const cs_context *from, const cs_with_site *site)
{
    bool keeps = site->affected != NULL;
    for (uint32_t i = 0; i < site->n && keeps; i++) {
        const cs_with_target *t = &site->v[i];
        keeps = (t->kind != CS_TARGET_INPUT || beside_stays(from->input, &t->path)) &&
                (t->kind != CS_TARGET_DATA || beside_stays(from->data, &t->path));
    }
    return keeps;
}

cs_context *cs_vm__with(cs_run *run, cs_context *from, const cs_with_site *site, const cs_value *values)
{
    cs_context *c = cs_vm__context_new(run, from);
    c->parent = keeps_others(from, site) ? from : NULL;
    c->affected = site->affected;
    c->mocks = copy_mocks(run, from, 0);
    for (uint32_t i = 0; i < site->n; i++) {
        const cs_with_target *t = &site->v[i];
        cs_value v = cs_vm__plain(values[i]);
        switch (t->kind) {
        case CS_TARGET_INPUT:
            c->input = t->path.n ? cs_upsert(run->arena, c->input, t->path.keys, t->path.n, v) : v;
            break;
        case CS_TARGET_DATA:
            unfold_live(run, c, &t->path);
            c->data = cs_upsert(run->arena, c->data, t->path.keys, t->path.n, v);
            if (t->node != CS_NO_NODE) {
                hide(run, c, t->node);
            }
            break;
        case CS_TARGET_FUNCTION:
        case CS_TARGET_BUILTIN:
            add_mock(run, c, t, v);
            break;
        }
    }
    return c;
}
