/* The live documents of a world: those that somebody answers row by row, and values that are the same for every
 * decision of the world. */
#include "internal.h"

const cs_store__fixed *cs_store__fixed_find(const cs_store *store, cs_slice root)
{
    for (size_t i = 0; i < store->n_fixed; i++) {
        if (cs_slice_is(root, store->fixed[i].root)) {
            return &store->fixed[i];
        }
    }
    return NULL;
}

void cs_store__fixed_merge(cs_txn *txn)
{
    for (size_t i = 0; i < txn->store->n_fixed; i++) {
        const cs_store__fixed *f = &txn->store->fixed[i];
        cs_slice root = cs_slice_of(f->root);
        cs_value below = cs_store__lookup(txn->data, &root, 1);
        if (!cs_is_undefined(below)) {
            cs_arena *a = &txn->tail->arena;
            txn->data = cs_store__put(a, txn->data, &root, 1, cs_store__lay(a, below, f->value));
        }
    }
}

static cs_value row(void *self, cs_value key, cs_arena *arena)
{
    (void)arena;
    const cs_value *v = cs_object_get(((const cs_store__fixed *)self)->value, key);
    return v != NULL ? *v : cs_undefined();
}

static cs_value all(void *self, cs_arena *arena)
{
    (void)arena;
    return ((const cs_store__fixed *)self)->value;
}

static cs_value value_of(cs_world *w, const cs_store__fixed *f, const cs_store__overlay *o)
{
    if (o == NULL) {
        return f->value;
    }
    if (o->live_root != NULL && strcmp(o->live_root, f->root) == 0) {
        return o->live;
    }
    cs_slice root = cs_slice_of(f->root);
    cs_value above = cs_store__lookup(o->data, &root, 1);
    return cs_is_undefined(above) ? f->value : cs_store__lay(&w->arena, f->value, above);
}

void cs_store__live_make(cs_world *w, const cs_store__overlay *o)
{
    const cs_store *store = w->store;
    cs_arena *a = &w->arena;
    cs_store__fixed *own = cs_arena_array(a, cs_store__fixed, store->n_fixed + 1);
    w->live = cs_arena_array(a, cs_live, store->n_live + store->n_fixed + 1);
    w->n_live = 0;
    for (size_t i = 0; i < store->n_live; i++) {
        w->live[w->n_live++] = store->live[i];
    }
    for (size_t i = 0; i < store->n_fixed; i++) {
        own[i] = store->fixed[i];
        cs_slice root = cs_slice_of(own[i].root);
        if (cs_is_undefined(cs_store__lookup(w->data, &root, 1))) {
            own[i].value = value_of(w, &store->fixed[i], o);
            w->live[w->n_live++] = (cs_live){.root = own[i].root, .self = &own[i], .row = row, .all = all};
        }
    }
}
