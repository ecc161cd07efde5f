/* Worlds: made, published, pinned, counted, freed. */
#include <stdlib.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

struct cs_store_reader {
    cs_store *store;
    cs_epoch_reader *epoch;
};

/* ---- segments */

cs_segment *cs_segment_new(void)
{
    cs_segment *s = cs_zalloc(sizeof *s);
    atomic_init(&s->refs, 1);
    cs_arena_init_pages(&s->arena);
    return s;
}

cs_arena *cs_segment_arena(cs_segment *s)
{
    return &s->arena;
}

cs_segment *cs_segment_retain(cs_segment *s)
{
    if (s != NULL) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void cs_segment_release(cs_segment *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        cs_arena_destroy(&s->arena);
        cs_free(s);
    }
}

/* ---- policies */

static int by_id(const void *x, const void *y)
{
    return cs_slice_compare(((const cs_store__module *)x)->source.file, ((const cs_store__module *)y)->source.file);
}

static cs_slice copy(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n);
}

cs_store__policies *cs_store__policies_new(const cs_store__module *v, size_t n)
{
    cs_store__policies *p = cs_zalloc(sizeof *p);
    atomic_init(&p->refs, 1);
    cs_arena_init(&p->arena, 0);
    p->v = cs_arena_array(&p->arena, cs_store__module, n + 1);
    p->n = n;
    for (size_t i = 0; i < n; i++) {
        p->v[i].source = (cs_policy_source){
            .file = copy(&p->arena, v[i].source.file),
            .text = copy(&p->arena, v[i].source.text),
            .rego_version = v[i].source.rego_version,
        };
        p->v[i].bundle = copy(&p->arena, v[i].bundle);
    }
    qsort(p->v, n, sizeof *p->v, by_id);
    p->rules = cs_array(NULL, 0);
    return p;
}

cs_store__policies *cs_store__policies_retain(cs_store__policies *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void cs_store__policies_release(cs_store__policies *p)
{
    if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        cs_policy_release(p->policy);
        cs_arena_destroy(&p->arena);
        cs_free(p);
    }
}

size_t cs_store__policies_find(const cs_store__policies *p, cs_slice id)
{
    cs_store__module key = {.source.file = id};
    const cs_store__module *found = p->n == 0 ? NULL : bsearch(&key, p->v, p->n, sizeof *p->v, by_id);
    return found == NULL ? SIZE_MAX : (size_t)(found - p->v);
}

/* ---- worlds */

void cs_store__world_free(void *self)
{
    cs_world_release(self);
}

const cs_world *cs_world_retain(const cs_world *world)
{
    cs_world *w = (cs_world *)(uintptr_t)world;
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return world;
}

void cs_world_release(const cs_world *world)
{
    cs_world *w = (cs_world *)(uintptr_t)world; /* one level deep: the world over another has none over it */
    if (w == NULL || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    cs_store__prepared_free(w->prepared);
    cs_store__policies_release(w->policies);
    cs_store__bundles_release(w->bundles);
    cs_segment_release(w->tail);
    cs_segment_release(w->extra);
    cs_store__overlay_release(w->overlay);
    cs_world_release(w->over);
    cs_arena_destroy(&w->arena);
    cs_free(w);
}

uint64_t cs_world_serial(const cs_world *world)
{
    return world->serial;
}

cs_policy *cs_world_policy(const cs_world *world)
{
    return world->policies->policy;
}

cs_value cs_world_data(const cs_world *world)
{
    return world->data;
}

size_t cs_world_policy_count(const cs_world *world)
{
    return world->policies->n;
}

cs_policy_source cs_world_policy_at(const cs_world *world, size_t i)
{
    return world->policies->v[i].source;
}

size_t cs_world_policy_find(const cs_world *world, cs_slice id)
{
    return cs_store__policies_find(world->policies, id);
}

size_t cs_world_bundle_count(const cs_world *world)
{
    return world->bundles->n;
}

const cs_world_bundle *cs_world_bundle_at(const cs_world *world, size_t i)
{
    return &world->bundles->v[i].info;
}

const cs_live *cs_world_live(const cs_world *world, size_t *n)
{
    *n = world->n_live;
    return world->live;
}

cs_value cs_world_overlay(const cs_world *world)
{
    return world->overlay != NULL && world->over == NULL ? world->overlay->about : cs_undefined();
}

/* ---- the store */

static cs_err first_world(cs_store *store, cs_error *e)
{
    cs_world *w = cs_zalloc(sizeof *w);
    atomic_init(&w->refs, 1);
    cs_arena_init(&w->arena, 0);
    w->store = store;
    w->serial = 1;
    w->policies = cs_store__policies_new(NULL, 0);
    w->bundles = cs_zalloc(sizeof *w->bundles);
    atomic_init(&w->bundles->refs, 1);
    cs_arena_init(&w->bundles->arena, 0);
    w->tail = cs_segment_new();
    w->data = cs_freeze(&w->tail->arena, cs_object_new(&w->tail->arena, 0));
    w->prepared = cs_store__prepared_new(store->options.prepared);
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err r = cs_policy_compile(NULL, 0, NULL, &w->policies->policy, &errors);
    cs_errors_destroy(&errors);
    if (r != CS_OK) {
        cs_world_release(w);
        return cs_fail(e, CS_ERR_INTERNAL, "the empty policy does not compile");
    }
    (void)cs_epoch_swap(&store->place, w);
    return CS_OK;
}

cs_err cs_store_new(const cs_store_options *options, cs_store **out, cs_error *e)
{
    cs_store *store = cs_zalloc(sizeof *store);
    store->options = *options;
    if (store->options.readers == 0) {
        store->options.readers = 64;
    }
    if (store->options.prepared == 0) {
        store->options.prepared = 256;
    }
    store->epoch = cs_epoch_new(store->options.readers);
    cs_mutex_init(&store->writer);
    cs_mutex_init(&store->prepared_lock);
    cs_arena_init(&store->arena, 0);
    cs_err r = first_world(store, e);
    if (r != CS_OK) {
        cs_store_free(store);
        return r;
    }
    *out = store;
    return CS_OK;
}

void cs_store_free(cs_store *store)
{
    if (store == NULL) {
        return;
    }
    cs_epoch_retire(store->epoch, cs_epoch_swap(&store->place, NULL), cs_store__world_free);
    cs_epoch_free(store->epoch);
    cs_mutex_destroy(&store->writer);
    cs_mutex_destroy(&store->prepared_lock);
    cs_arena_destroy(&store->arena);
    cs_free(store->live);
    cs_free(store->fixed);
    cs_free(store);
}

/* The world in force, which nobody reads yet, has what is mounted, too. */
static void remake_live(cs_store *store)
{
    cs_world *w = cs_epoch_read(&store->place);
    cs_arena_reset(&w->arena);
    cs_store__live_make(w, NULL);
}

void cs_store_mount(cs_store *store, const cs_live *live)
{
    store->live = cs_realloc(store->live, (store->n_live + 1) * sizeof *store->live);
    store->live[store->n_live] = *live;
    store->live[store->n_live].root = cs_arena_dup(&store->arena, live->root, strlen(live->root));
    store->n_live++;
    remake_live(store);
}

void cs_store_mount_value(cs_store *store, const char *root, cs_value value, bool open)
{
    store->fixed = cs_realloc(store->fixed, (store->n_fixed + 1) * sizeof *store->fixed);
    store->fixed[store->n_fixed++] = (cs_store__fixed){.root = cs_arena_dup(&store->arena, root, strlen(root)),
                                                       .value = cs_freeze(&store->arena, value),
                                                       .open = open};
    remake_live(store);
}

/* ---- readers */

cs_store_reader *cs_store_reader_new(cs_store *store)
{
    cs_store_reader *reader = cs_zalloc(sizeof *reader);
    reader->store = store;
    reader->epoch = cs_epoch_register(store->epoch);
    return reader;
}

void cs_store_reader_free(cs_store_reader *reader)
{
    if (reader != NULL) {
        cs_epoch_unregister(reader->epoch);
        cs_free(reader);
    }
}

const cs_world *cs_store_pin(cs_store_reader *reader)
{
    cs_epoch_enter(reader->epoch);
    const cs_world *w = cs_epoch_read(&reader->store->place);
    return w->over != NULL && cs_time_wall_ns() < w->overlay->until_ns ? w->over : w;
}

void cs_store_unpin(cs_store_reader *reader)
{
    cs_epoch_leave(reader->epoch);
    cs_store *store = reader->store;
    if (__builtin_expect(atomic_load_explicit(&store->retired, memory_order_relaxed), false)) {
        atomic_store_explicit(&store->retired, false, memory_order_relaxed);
        if (cs_epoch_collect(store->epoch) != 0) {
            atomic_store_explicit(&store->retired, true, memory_order_relaxed);
        }
    }
}
