/* The overlay: the world that is seen until an instant of the wall clock, made beside the one below by each commit. */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

cs_store__overlay *cs_store__overlay_retain(cs_store__overlay *o)
{
    if (o != NULL) {
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    }
    return o;
}

void cs_store__overlay_release(cs_store__overlay *o)
{
    if (o != NULL && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1) {
        cs_arena_destroy(&o->arena);
        cs_free(o);
    }
}

/* ---- putting and removing */

static cs_slice copy(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p != NULL ? s.p : "", s.n), s.n);
}

static void copy_bundle(cs_store__overlay *o, const cs_txn_bundle *b)
{
    cs_arena *a = &o->arena;
    cs_slice *roots = cs_arena_array(a, cs_slice, b->n_roots + 1);
    for (size_t i = 0; i < b->n_roots; i++) {
        roots[i] = copy(a, b->roots[i]);
    }
    o->bundle.info = (cs_world_bundle){.name = copy(a, b->name),
                                       .revision = copy(a, b->revision),
                                       .etag = copy(a, b->etag),
                                       .roots = roots,
                                       .n_roots = b->n_roots,
                                       .activated_ns = cs_time_wall_ns()};
    o->data = cs_freeze(a, b->data);
    o->manifest = cs_is_undefined(b->manifest) ? b->manifest : cs_freeze(a, b->manifest);
}

static void copy_modules(cs_store__overlay *o, const cs_txn_overlay *from)
{
    cs_arena *a = &o->arena;
    size_t n = from->bundle.n_modules;
    o->modules = cs_arena_array(a, cs_policy_source, n + 1);
    cs_value *packages = cs_arena_array(a, cs_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        const cs_policy_source *m = &from->bundle.modules[i];
        o->modules[i] = (cs_policy_source){copy(a, m->file), copy(a, m->text), m->rego_version};
        packages[i] = cs_freeze(a, from->packages[i]);
    }
    o->packages = packages;
    o->n_modules = n;
}

static cs_err check_roots(const cs_store *store, const cs_txn_bundle *b, cs_error *e)
{
    cs_err r = b->n_roots > 0 ? CS_OK : cs_fail(e, CS_ERR_BUNDLE_ROOTS, "an overlay must name its roots");
    for (size_t i = 0; i < b->n_roots && r == CS_OK; i++) {
        cs_slice rest = b->roots[i], first = CS_LIT("");
        (void)cs_slice_next(&rest, '/', &first);
        const cs_store__fixed *fixed = cs_store__fixed_find(store, first);
        bool claims = fixed != NULL && !fixed->open;
        for (size_t k = 0; k < store->n_live; k++) {
            claims = claims || cs_slice_is(first, store->live[k].root);
        }
        if (claims) {
            r = cs_fail(e, CS_ERR_BUNDLE_ROOTS, "bundle %.*s claims the root %.*s, which the server owns",
                        CS_FMT(b->name), CS_FMT(first));
        } else if (first.n == 0) {
            r = cs_fail(e, CS_ERR_BUNDLE_ROOTS, "an overlay must name its roots");
        }
    }
    return r;
}

cs_err cs_txn_overlay_put(cs_txn *txn, const cs_txn_overlay *overlay, cs_error *e)
{
    CS_TRY(check_roots(txn->store, &overlay->bundle, e));
    (void)cs_txn_overlay_remove(txn);
    cs_store__overlay *o = cs_zalloc(sizeof *o);
    atomic_init(&o->refs, 1);
    cs_arena_init(&o->arena, 0);
    copy_bundle(o, &overlay->bundle);
    copy_modules(o, overlay);
    o->until_ns = overlay->until_ns;
    o->about = cs_freeze(&o->arena, overlay->about);
    if (overlay->live_root != NULL) {
        o->live_root = cs_arena_dup(&o->arena, overlay->live_root, strlen(overlay->live_root));
        o->live = cs_freeze(&o->arena, overlay->live);
    }
    txn->overlay = o;
    return CS_OK;
}

bool cs_txn_overlay_remove(cs_txn *txn)
{
    bool was = txn->overlay != NULL;
    cs_store__over_drop(txn);
    cs_store__overlay_release(txn->overlay);
    txn->overlay = NULL;
    txn->overlay_changed = true;
    return was;
}

/* ---- making the world over the other */

void cs_store__over_drop(cs_txn *txn)
{
    cs_segment_release(txn->over.segment);
    cs_store__policies_release(txn->over.policies);
    txn->over = (cs_store__over){.segment = NULL};
}

static void make_data(cs_txn *txn)
{
    const cs_store__overlay *o = txn->overlay;
    const cs_world_bundle *info = &o->bundle.info;
    cs_segment_release(txn->over.segment);
    txn->over.segment = cs_segment_new();
    cs_arena *a = &txn->over.segment->arena;
    cs_value data = txn->data;
    for (uint32_t i = 0; i < cs_count(o->data); i++) {
        cs_value value, key = cs_entry(o->data, i, &value);
        cs_slice name = cs_text(key);
        cs_value below = cs_store__lookup(data, &name, 1);
        if (cs_store__fixed_find(txn->store, name) == NULL || !cs_is_undefined(below)) {
            data = cs_store__put(a, data, &name, 1, cs_store__lay(a, below, value));
        }
    }
    if (!cs_is_undefined(o->manifest)) {
        cs_slice entry[4] = {CS_LIT("system"), CS_LIT("bundles"), info->name, CS_LIT("manifest")};
        data = cs_store__put(a, data, entry, 4, o->manifest);
        entry[3] = CS_LIT("etag");
        data = cs_store__put(a, data, entry, 4, cs_string(info->etag));
    }
    txn->over.data = data;
}

static bool is_below(const cs_slice *root, size_t n_root, const cs_slice *path, size_t n)
{
    bool below = n_root <= n;
    for (size_t i = 0; i < n_root && below; i++) {
        below = cs_slice_eq(root[i], path[i]);
    }
    return below;
}

/* Does the overlay bring modules below this root? */
static bool has_modules(cs_txn *txn, const cs_slice *root, size_t n_root)
{
    const cs_store__overlay *o = txn->overlay;
    for (size_t i = 0; i < o->n_modules; i++) {
        cs_value package = o->packages[i];
        uint32_t n = cs_is(package, CS_ARRAY) ? package.n : 0;
        cs_slice *path = cs_arena_array(&txn->arena, cs_slice, n + 1);
        for (uint32_t k = 0; k < n; k++) {
            path[k] = cs_text(package.u.items[k]);
        }
        if (is_below(root, n_root, path, n)) {
            return true;
        }
    }
    return false;
}

/* Is the module below a root for which the overlay brings modules itself? */
static bool is_replaced(cs_txn *txn, const cs_store__module *m)
{
    const cs_world_bundle *info = &txn->overlay->bundle.info;
    const cs_slice *path, *root;
    size_t n;
    if (!cs_txn_policy_package(txn, m->source.file, &path, &n)) {
        return false;
    }
    for (size_t i = 0; i < info->n_roots; i++) {
        size_t n_root = cs_store__split(&txn->arena, info->roots[i], &root);
        if (is_below(root, n_root, path, n) && has_modules(txn, root, n_root)) {
            return true;
        }
    }
    return false;
}

static cs_err compile(cs_txn *txn, cs_errors *errors)
{
    const cs_store__overlay *o = txn->overlay;
    const cs_store__policies *below = txn->policies;
    cs_store__module *modules = cs_alloc_array(below->n + o->n_modules + 1, sizeof *modules);
    size_t n = 0;
    for (size_t i = 0; i < below->n; i++) {
        if (!is_replaced(txn, &below->v[i])) {
            modules[n++] = below->v[i];
        }
    }
    for (size_t i = 0; i < o->n_modules; i++) {
        modules[n++] = (cs_store__module){.source = o->modules[i], .bundle = o->bundle.info.name};
    }
    cs_err r = cs_store__compile(txn, modules, n, &txn->over.data, &txn->over.policies, errors);
    cs_free(modules);
    return r;
}

cs_err cs_store__over_make(cs_txn *txn, cs_errors *errors)
{
    if (txn->overlay == NULL) {
        return CS_OK;
    }
    make_data(txn);
    bool alone = txn->overlay->n_modules == 0;
    const cs_world *base = txn->base;
    if (alone) {
        cs_store__policies_release(txn->over.policies);
        txn->over.policies = cs_store__policies_retain(txn->policies);
    } else if (txn->over.policies == NULL && !txn->policies_changed && !txn->overlay_changed && base->over != NULL) {
        txn->over.policies = cs_store__policies_retain(base->over->policies);
    } else if (txn->over.policies == NULL) {
        return compile(txn, errors);
    }
    return cs_store__check_conflicts(txn->over.policies->rules, txn->over.data, errors);
}

cs_world *cs_store__over_world(cs_txn *txn)
{
    if (txn->overlay == NULL) {
        return NULL;
    }
    cs_world *w = cs_zalloc(sizeof *w);
    atomic_init(&w->refs, 1);
    cs_arena_init(&w->arena, 0);
    w->store = txn->store;
    w->serial = txn->base->serial + 1;
    w->overlay = cs_store__overlay_retain(txn->overlay);
    w->tail = cs_segment_retain(txn->tail);
    w->extra = txn->over.segment;
    w->data = txn->over.data;
    w->policies = txn->over.policies;
    txn->over = (cs_store__over){.segment = NULL};
    w->bundles = cs_store__bundles_with(txn->bundles, txn->overlay->bundle.info.name, &txn->overlay->bundle);
    w->prepared = cs_store__prepared_new(txn->store->options.prepared);
    cs_store__live_make(w, w->overlay);
    return w;
}

cs_value cs_txn_seen(const cs_txn *txn, int64_t now_ns, bool *over)
{
    const cs_world *base = txn->base;
    bool made = txn->over.segment != NULL;
    bool same = !made && !txn->overlay_changed && !txn->data_changed && base->over != NULL;
    bool yes = txn->overlay != NULL && now_ns < txn->overlay->until_ns && (made || same);
    if (over != NULL) {
        *over = yes;
    }
    return !yes ? txn->data : made ? txn->over.data : base->over->data;
}
