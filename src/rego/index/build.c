#include "countersign/base/vec.h"
#include "rego/index/index.h"

typedef CS_VEC(uint32_t) u32_vec;

static bool same_place(const cs_constraint *a, const cs_constraint *b)
{
    if (a->on_argument != b->on_argument || a->argument != b->argument || a->n_path != b->n_path) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_path; i++) {
        if (!cs_equal(a->path[i], b->path[i])) {
            return false;
        }
    }
    return true;
}

/* The place as a value, so that places can be counted in a table. */
static cs_value place_key(cs_arena *arena, const cs_constraint *c)
{
    cs_value *items = cs_arena_array(arena, cs_value, c->n_path + 1);
    items[0] = cs_int(c->on_argument ? (int64_t)c->argument : -1);
    for (uint32_t i = 0; i < c->n_path; i++) {
        items[i + 1] = c->path[i];
    }
    return cs_array(items, c->n_path + 1);
}

/* The place that constrains most definitions; *count of them. */
static cs_constraint busiest_place(cs_arena *arena, const cs_constraints *defs, uint32_t n, int64_t *count)
{
    cs_value counts = cs_object_new(arena, 8);
    cs_constraint best = {0};
    *count = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < defs[i].n; j++) {
            const cs_constraint *c = &defs[i].v[j];
            bool repeated = false;
            for (uint32_t k = 0; k < j; k++) {
                repeated = repeated || same_place(c, &defs[i].v[k]);
            }
            if (repeated) {
                continue;
            }
            cs_value key = place_key(arena, c);
            const cs_value *seen = cs_object_get(counts, key);
            int64_t total = (seen ? seen->u.i : 0) + 1;
            cs_object_put(arena, counts, key, cs_int(total));
            if (total > *count) {
                *count = total;
                best = *c;
            }
        }
    }
    return best;
}

static const cs_constraint *constraint_on(const cs_constraints *d, const cs_constraint *place)
{
    for (uint32_t i = 0; i < d->n; i++) {
        if (same_place(&d->v[i], place)) {
            return &d->v[i];
        }
    }
    return NULL;
}

static cs_index_list list_of(cs_arena *arena, const u32_vec *v)
{
    cs_index_list list = {cs_arena_array(arena, uint32_t, v->n + 1), (uint32_t)v->n};
    if (v->n) {
        memcpy(list.definitions, v->v, v->n * sizeof *v->v);
    }
    return list;
}

/* Merges the ascending lists a and b. */
static cs_index_list merge_lists(cs_arena *arena, const u32_vec *a, const u32_vec *b)
{
    cs_index_list out = {cs_arena_array(arena, uint32_t, a->n + b->n + 1), 0};
    size_t i = 0;
    size_t j = 0;
    while (i < a->n || j < b->n) {
        bool first = j == b->n || (i < a->n && a->v[i] < b->v[j]);
        out.definitions[out.n++] = first ? a->v[i++] : b->v[j++];
    }
    return out;
}

bool cs_index_build(cs_arena *arena, const cs_constraints *definitions, uint32_t n, cs_rule_index *out)
{
    int64_t constrained = 0;
    cs_constraint place = busiest_place(arena, definitions, n, &constrained);
    if (constrained < 2) {
        return false;
    }
    u32_vec open = {0};
    u32_vec *by_value = cs_arena_array(arena, u32_vec, constrained);
    uint32_t n_values = 0;
    cs_value table = cs_object_new(arena, (uint32_t)constrained);
    for (uint32_t i = 0; i < n; i++) {
        const cs_constraint *c = constraint_on(&definitions[i], &place);
        if (!c) {
            CS_VEC_PUSH_IN(arena, &open, i);
            continue;
        }
        const cs_value *at = cs_object_get(table, c->value);
        uint32_t list = at ? (uint32_t)at->u.i - 1 : n_values++;
        if (!at) {
            cs_object_put(arena, table, c->value, cs_int((int64_t)list + 1));
        }
        CS_VEC_PUSH_IN(arena, &by_value[list], i);
    }
    out->on = place;
    out->table = table;
    out->n_lists = n_values + 1;
    out->lists = cs_arena_array(arena, cs_index_list, out->n_lists);
    out->lists[0] = list_of(arena, &open);
    for (uint32_t i = 0; i < n_values; i++) {
        out->lists[i + 1] = merge_lists(arena, &by_value[i], &open);
    }
    return true;
}
