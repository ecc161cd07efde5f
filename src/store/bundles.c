/* The list of active bundles: immutable, copied on change. */
#include "countersign/base/mem.h"
#include "internal.h"

cs_store__bundles *cs_store__bundles_retain(cs_store__bundles *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void cs_store__bundles_release(cs_store__bundles *b)
{
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < b->n; i++) {
        cs_segment_release(b->v[i].segment);
    }
    cs_arena_destroy(&b->arena);
    cs_free(b);
}

static cs_slice copy(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p != NULL ? s.p : "", s.n), s.n);
}

static void add(cs_store__bundles *to, const cs_store__bundle *from, cs_segment *segment)
{
    cs_arena *a = &to->arena;
    const cs_world_bundle *info = &from->info;
    cs_slice *roots = cs_arena_array(a, cs_slice, info->n_roots + 1);
    for (size_t i = 0; i < info->n_roots; i++) {
        roots[i] = copy(a, info->roots[i]);
    }
    size_t at = to->n++;
    while (at > 0 && cs_slice_compare(to->v[at - 1].info.name, info->name) > 0) {
        to->v[at] = to->v[at - 1];
        at--;
    }
    to->v[at] = (cs_store__bundle){
        .info = {.name = copy(a, info->name),
                 .revision = copy(a, info->revision),
                 .etag = copy(a, info->etag),
                 .roots = roots,
                 .n_roots = info->n_roots,
                 .activated_ns = info->activated_ns},
        .segment = segment,
    };
}

cs_store__bundles *cs_store__bundles_with(const cs_store__bundles *b, cs_slice drop, const cs_store__bundle *added)
{
    cs_store__bundles *out = cs_zalloc(sizeof *out);
    atomic_init(&out->refs, 1);
    cs_arena_init(&out->arena, 0);
    out->v = cs_arena_array(&out->arena, cs_store__bundle, b->n + 1);
    for (size_t i = 0; i < b->n; i++) {
        if (!cs_slice_eq(b->v[i].info.name, drop)) {
            add(out, &b->v[i], cs_segment_retain(b->v[i].segment));
        }
    }
    if (added != NULL) {
        add(out, added, added->segment);
    }
    return out;
}
