/* Transactions: one writer collects its changes beside the world in force and publishes them whole. */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

/* The tail is rewritten when it holds more than twice what was alive last time, and at least this. */
#define COMPACT_LEAST (1024U * 1024U)

cs_txn *cs_store_begin(cs_store *store)
{
    cs_mutex_lock(&store->writer);
    cs_txn *txn = cs_zalloc(sizeof *txn);
    txn->store = store;
    txn->base = cs_epoch_read(&store->place); /* only a writer replaces it */
    cs_arena_init(&txn->arena, 0);
    txn->data = txn->base->data;
    txn->tail = txn->base->tail;
    txn->mark = cs_arena_mark_now(&txn->tail->arena);
    txn->bundles = cs_store__bundles_retain(txn->base->bundles);
    txn->policies = cs_store__policies_retain(txn->base->policies);
    const cs_store__overlay *o = txn->base->overlay;
    if (o != NULL && cs_time_wall_ns() < o->until_ns) {
        txn->overlay = cs_store__overlay_retain(txn->base->overlay);
    }
    return txn;
}

cs_arena *cs_txn_arena(cs_txn *txn)
{
    return &txn->arena;
}

static void finish(cs_txn *txn)
{
    cs_store *store = txn->store;
    cs_store__bundles_release(txn->bundles);
    cs_store__policies_release(txn->policies);
    cs_store__over_drop(txn);
    cs_store__overlay_release(txn->overlay);
    CS_VEC_FREE(&txn->modules);
    cs_arena_destroy(&txn->arena);
    cs_free(txn);
    cs_mutex_unlock(&store->writer);
}

void cs_txn_abort(cs_txn *txn)
{
    if (txn->tail == txn->base->tail) {
        cs_arena_rewind(&txn->tail->arena, txn->mark);
    }
    finish(txn);
}

/* ---- policies */

static void edit_modules(cs_txn *txn)
{
    txn->compiled = false;
    cs_store__over_drop(txn);
    if (!txn->policies_changed) {
        txn->policies_changed = true;
        for (size_t i = 0; i < txn->base->policies->n; i++) {
            CS_VEC_PUSH(&txn->modules, txn->base->policies->v[i]);
        }
    }
}

static cs_store__module *find_module(cs_txn *txn, cs_slice id)
{
    for (size_t i = 0; i < txn->modules.n; i++) {
        if (cs_slice_eq(txn->modules.v[i].source.file, id)) {
            return &txn->modules.v[i];
        }
    }
    return NULL;
}

const cs_policy_source *cs_txn_policy(cs_txn *txn, cs_slice id)
{
    if (txn->policies_changed) {
        const cs_store__module *m = find_module(txn, id);
        return m != NULL ? &m->source : NULL;
    }
    size_t i = cs_store__policies_find(txn->base->policies, id);
    return i != SIZE_MAX ? &txn->base->policies->v[i].source : NULL;
}

static cs_slice keep(cs_txn *txn, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(&txn->arena, s.p, s.n), s.n);
}

static void put_module(cs_txn *txn, cs_slice id, cs_slice text, int rego_version, cs_slice bundle)
{
    edit_modules(txn);
    cs_store__module *m = find_module(txn, id);
    if (m == NULL) {
        CS_VEC_PUSH(&txn->modules, ((cs_store__module){.source.file = keep(txn, id)}));
        m = &txn->modules.v[txn->modules.n - 1];
    }
    m->source.text = keep(txn, text);
    m->source.rego_version = rego_version;
    m->bundle = keep(txn, bundle);
}

void cs_txn_policy_put(cs_txn *txn, cs_slice id, cs_slice text, int rego_version)
{
    put_module(txn, id, text, rego_version, CS_LIT(""));
}

bool cs_txn_policy_remove(cs_txn *txn, cs_slice id)
{
    if (cs_txn_policy(txn, id) == NULL) {
        return false;
    }
    edit_modules(txn);
    cs_store__module *m = find_module(txn, id);
    *m = txn->modules.v[--txn->modules.n];
    return true;
}

bool cs_txn_policy_package(cs_txn *txn, cs_slice id, const cs_slice **path, size_t *n)
{
    size_t i = cs_store__policies_find(txn->policies, id);
    if (i == SIZE_MAX) {
        return false;
    }
    cs_value ast = cs_policy_module_ast(&txn->arena, txn->policies->policy, i);
    const cs_value *package = cs_is(ast, CS_OBJECT) ? cs_object_get_text(ast, "package") : NULL;
    const cs_value *terms = package != NULL && cs_is(*package, CS_OBJECT) ? cs_object_get_text(*package, "path") : NULL;
    if (terms == NULL || !cs_is(*terms, CS_ARRAY)) {
        return false;
    }
    cs_slice *v = cs_arena_array(&txn->arena, cs_slice, terms->n + 1);
    *n = 0;
    for (uint32_t k = 1; k < terms->n; k++) {
        const cs_value *value =
            cs_is(terms->u.items[k], CS_OBJECT) ? cs_object_get_text(terms->u.items[k], "value") : NULL;
        if (value != NULL && cs_is(*value, CS_STRING)) {
            v[(*n)++] = cs_text(*value);
        }
    }
    *path = v;
    return true;
}

/* ---- bundles */

static const cs_store__bundle *find_bundle(const cs_store__bundles *b, cs_slice name)
{
    for (size_t i = 0; i < b->n; i++) {
        if (cs_slice_eq(b->v[i].info.name, name)) {
            return &b->v[i];
        }
    }
    return NULL;
}

/* Takes away what a bundle brought: data under its roots, policies, its entry below data.system.bundles. */
static void erase_roots(cs_txn *txn, cs_arena *a, const cs_slice *roots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const cs_slice *path;
        size_t length = cs_store__split(&txn->arena, roots[i], &path);
        if (length != 0) {
            txn->data = cs_store__drop(a, txn->data, path, length);
            continue;
        }
        cs_slice system = CS_LIT("system");
        cs_value kept = cs_store__lookup(txn->data, &system, 1);
        txn->data = cs_freeze(a, cs_object_new(a, 0));
        if (!cs_is_undefined(kept)) {
            txn->data = cs_store__put(a, txn->data, &system, 1, kept);
        }
    }
}

static void erase_modules(cs_txn *txn, cs_slice bundle)
{
    edit_modules(txn);
    for (size_t i = txn->modules.n; i-- > 0;) {
        if (cs_slice_eq(txn->modules.v[i].bundle, bundle)) {
            txn->modules.v[i] = txn->modules.v[--txn->modules.n];
        }
    }
}

bool cs_txn_bundle_remove(cs_txn *txn, cs_slice name)
{
    const cs_store__bundle *old = find_bundle(txn->bundles, name);
    if (old == NULL) {
        return false;
    }
    cs_arena *a = &txn->tail->arena;
    txn->data_changed = true;
    erase_roots(txn, a, old->info.roots, old->info.n_roots);
    erase_modules(txn, old->info.name);
    cs_slice entry[3] = {CS_LIT("system"), CS_LIT("bundles"), old->info.name};
    txn->data = cs_store__drop(a, txn->data, entry, 3);
    cs_store__bundles *without = cs_store__bundles_with(txn->bundles, name, NULL);
    cs_store__bundles_release(txn->bundles);
    txn->bundles = without;
    return true;
}

/* Writes the documents that stand at the roots of the bundle. */
static cs_err put_data(cs_txn *txn, const cs_txn_bundle *bundle, cs_value data, cs_error *e)
{
    cs_arena *a = &txn->tail->arena;
    for (size_t i = 0; i < bundle->n_roots; i++) {
        const cs_slice *path;
        size_t n = cs_store__split(&txn->arena, bundle->roots[i], &path);
        if (n == 0) {
            for (uint32_t k = 0; k < cs_count(data); k++) {
                cs_value value, key = cs_entry(data, k, &value);
                cs_slice name = cs_text(key);
                txn->data = cs_store__put(a, txn->data, &name, 1, value);
            }
            continue;
        }
        cs_value value = cs_store__lookup(data, path, n);
        if (!cs_is_undefined(value)) {
            CS_TRY(cs_txn_make_dirs(txn, path, n - 1, e));
            txn->data = cs_store__put(a, txn->data, path, n, value);
        }
    }
    return CS_OK;
}

static cs_err check_roots(const cs_txn *txn, const cs_txn_bundle *bundle, cs_error *e);

void cs_store__put_about(cs_txn *txn, const cs_txn_bundle *bundle)
{
    cs_arena *a = &txn->tail->arena;
    if (!cs_is_undefined(bundle->manifest)) {
        cs_slice entry[4] = {CS_LIT("system"), CS_LIT("bundles"), bundle->name, CS_LIT("manifest")};
        txn->data = cs_store__put(a, txn->data, entry, 4, cs_freeze(a, bundle->manifest));
        entry[3] = CS_LIT("etag");
        txn->data = cs_store__put(a, txn->data, entry, 4, cs_string_copy(a, bundle->etag));
    }
}

cs_err cs_txn_bundle_put(cs_txn *txn, const cs_txn_bundle *bundle, cs_error *e)
{
    CS_TRY(check_roots(txn, bundle, e));
    (void)cs_txn_bundle_remove(txn, bundle->name);
    cs_arena *a = &txn->tail->arena;
    bool copy = bundle->segment == NULL;
    cs_segment *segment = copy ? cs_segment_new() : cs_segment_retain(bundle->segment);
    cs_store__bundle added = {
        .info = {.name = bundle->name,
                 .revision = bundle->revision,
                 .etag = bundle->etag,
                 .roots = bundle->roots,
                 .n_roots = bundle->n_roots,
                 .activated_ns = cs_time_wall_ns()},
        .segment = segment,
    };
    cs_store__bundles *with = cs_store__bundles_with(txn->bundles, CS_LIT(""), &added);
    cs_store__bundles_release(txn->bundles);
    txn->bundles = with;
    txn->data_changed = true;
    erase_roots(txn, a, bundle->roots, bundle->n_roots);
    CS_TRY(put_data(txn, bundle, copy ? cs_freeze(&segment->arena, bundle->data) : bundle->data, e));
    cs_store__put_about(txn, bundle);
    edit_modules(txn);
    for (size_t i = 0; i < bundle->n_modules; i++) {
        const cs_policy_source *m = &bundle->modules[i];
        put_module(txn, m->file, m->text, m->rego_version, bundle->name);
    }
    return CS_OK;
}

/* ---- who owns what */

/* Is one of the paths a beginning of the other? */
static bool overlaps(const cs_slice *x, size_t nx, const cs_slice *y, size_t ny)
{
    size_t n = nx < ny ? nx : ny;
    for (size_t i = 0; i < n; i++) {
        if (!cs_slice_eq(x[i], y[i])) {
            return false;
        }
    }
    return true;
}

/* The roots that nobody else may bring, numbered; NULL behind the last one. */
static const char *closed_root(const cs_store *store, size_t i)
{
    if (i < store->n_live) {
        return store->live[i].root;
    }
    size_t n = i - store->n_live;
    for (size_t k = 0; k < store->n_fixed; k++) {
        if (!store->fixed[k].open && n-- == 0) {
            return store->fixed[k].root;
        }
    }
    return NULL;
}

static cs_err check_live(const cs_txn *txn, const cs_txn_bundle *bundle, cs_slice root, cs_error *e)
{
    cs_slice rest = root, first = CS_LIT("");
    (void)cs_slice_next(&rest, '/', &first);
    const char *closed;
    for (size_t i = 0; (closed = closed_root(txn->store, i)) != NULL; i++) {
        cs_slice live = cs_slice_of(closed);
        bool claims =
            root.n != 0 ? cs_slice_eq(first, live) : !cs_is_undefined(cs_store__lookup(bundle->data, &live, 1));
        if (claims) {
            return cs_fail(e, CS_ERR_BUNDLE_ROOTS, "bundle %.*s claims the root %.*s, which the server owns",
                           CS_FMT(bundle->name), CS_FMT(live));
        }
    }
    return CS_OK;
}

static cs_err check_roots(const cs_txn *txn, const cs_txn_bundle *bundle, cs_error *e)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_err r = CS_OK;
    for (size_t i = 0; i < bundle->n_roots && r == CS_OK; i++) {
        r = check_live(txn, bundle, bundle->roots[i], e);
        const cs_slice *mine, *theirs;
        size_t n = cs_store__split(&scratch, bundle->roots[i], &mine);
        for (size_t k = 0; k < txn->bundles->n && r == CS_OK; k++) {
            const cs_world_bundle *other = &txn->bundles->v[k].info;
            bool same = cs_slice_eq(other->name, bundle->name);
            for (size_t j = 0; j < other->n_roots && r == CS_OK && !same; j++) {
                size_t n_theirs = cs_store__split(&scratch, other->roots[j], &theirs);
                if (overlaps(mine, n, theirs, n_theirs)) {
                    r = cs_fail(
                        e, CS_ERR_BUNDLE_ROOTS,
                        "detected overlapping roots in manifests for these bundles: [%.*s, %.*s] (%.*s overlaps %.*s)",
                        CS_FMT(other->name), CS_FMT(bundle->name), CS_FMT(other->roots[j]), CS_FMT(bundle->roots[i]));
                }
            }
        }
    }
    cs_arena_destroy(&scratch);
    return r;
}

static cs_slice join(cs_arena *a, const cs_slice *path, size_t n)
{
    cs_buf b;
    cs_buf_init(&b);
    for (size_t i = 0; i < n; i++) {
        if (i != 0) {
            cs_buf_byte(&b, '/');
        }
        cs_buf_slice(&b, path[i]);
    }
    cs_slice text = cs_slice_make(cs_arena_dup(a, b.p != NULL ? b.p : "", b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

/* Whether a bundle with that root owns the path. */
static cs_err check_root(cs_txn *txn, const cs_slice *path, size_t n, cs_slice name, cs_slice root, cs_error *e)
{
    const cs_slice *parts;
    size_t length = cs_store__split(&txn->arena, root, &parts);
    if (length != 0 && !overlaps(path, n, parts, length)) {
        return CS_OK;
    }
    cs_buf quoted;
    cs_buf_init(&quoted);
    cs_quote(&quoted, name);
    cs_err r = length == 0 ? cs_fail(e, CS_ERR_INVALID, "all paths owned by bundle %.*s", CS_FMT(cs_buf_view(&quoted)))
                           : cs_fail(e, CS_ERR_INVALID, "path %.*s is owned by bundle %.*s",
                                     CS_FMT(join(&txn->arena, path, n)), CS_FMT(cs_buf_view(&quoted)));
    cs_buf_destroy(&quoted);
    return r;
}

static bool is_bundle(const cs_txn *txn, cs_slice name)
{
    for (size_t i = 0; i < txn->bundles->n; i++) {
        if (cs_slice_eq(txn->bundles->v[i].info.name, name)) {
            return true;
        }
    }
    return false;
}

/* What was written to data.system.bundles speaks of bundles, too, as it does in OPA. */
static cs_err check_written(cs_txn *txn, const cs_slice *path, size_t n, cs_error *e)
{
    static const char *const keys[] = {"system", "bundles"};
    static const char *const below[] = {"manifest", "roots"};
    cs_value bundles = txn->data;
    for (size_t i = 0; i < 2; i++) {
        bundles = cs_index(bundles, cs_string(cs_slice_of(keys[i])));
    }
    if (!cs_is_undefined(bundles) && !cs_is(bundles, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INTERNAL, "corrupt manifest roots");
    }
    for (uint32_t i = 0; i < cs_count(bundles); i++) {
        cs_value roots;
        cs_slice name = cs_text(cs_entry(bundles, i, &roots));
        if (is_bundle(txn, name)) {
            continue;
        }
        for (size_t k = 0; k < 2; k++) {
            roots = cs_index(roots, cs_string(cs_slice_of(below[k])));
        }
        if (!cs_is_undefined(roots) && !cs_is(roots, CS_ARRAY)) {
            return cs_fail(e, CS_ERR_INTERNAL, "corrupt manifest roots");
        }
        if (n == 0) {
            return cs_fail(e, CS_ERR_INVALID, "can't write to document root with bundle roots configured");
        }
        if (cs_is_undefined(roots)) {
            CS_TRY(check_root(txn, path, n, name, CS_LIT(""), e));
        }
        for (uint32_t k = 0; k < cs_count(roots); k++) {
            if (!cs_is(roots.u.items[k], CS_STRING)) {
                return cs_fail(e, CS_ERR_INTERNAL, "corrupt manifest root");
            }
            CS_TRY(check_root(txn, path, n, name, cs_text(roots.u.items[k]), e));
        }
    }
    return CS_OK;
}

cs_err cs_txn_check_scope(cs_txn *txn, const cs_slice *path, size_t n, cs_error *e)
{
    bool live = n != 0 && cs_store__fixed_find(txn->store, path[0]) != NULL;
    for (size_t i = 0; i < txn->store->n_live && n != 0; i++) {
        live = live || cs_slice_is(path[0], txn->store->live[i].root);
    }
    if (live) {
        return cs_fail(e, CS_ERR_INVALID, "path %.*s is owned by the server", CS_FMT(join(&txn->arena, path, n)));
    }
    if (n == 0 && txn->bundles->n != 0) {
        return cs_fail(e, CS_ERR_INVALID, "can't write to document root with bundle roots configured");
    }
    for (size_t i = 0; i < txn->bundles->n; i++) {
        const cs_world_bundle *b = &txn->bundles->v[i].info;
        for (size_t k = 0; k < b->n_roots; k++) {
            CS_TRY(check_root(txn, path, n, b->name, b->roots[k], e));
        }
    }
    return check_written(txn, path, n, e);
}

/* ---- commit */

cs_err cs_store__compile(const cs_txn *txn, const cs_store__module *v, size_t n, cs_value *data,
                         cs_store__policies **out, cs_errors *errors)
{
    cs_store__policies *p = cs_store__policies_new(v, n);
    cs_policy_source *sources = cs_alloc_array(p->n + 1, sizeof *sources);
    for (size_t i = 0; i < p->n; i++) {
        sources[i] = p->v[i].source;
    }
    cs_policy_options options = {
        .data_exists = cs_store__data_exists,
        .data_exists_self = data,
        .print = txn->store->options.print,
        .parse_ns = txn->parse_ns,
        .compile_ns = txn->compile_ns,
    };
    cs_err r = cs_policy_compile(sources, p->n, &options, &p->policy, errors);
    cs_free(sources);
    if (r != CS_OK) {
        cs_store__policies_release(p);
        return r;
    }
    p->rules = cs_policy_rules(&p->arena, p->policy);
    *out = p;
    return CS_OK;
}

static cs_err compile(cs_txn *txn, cs_errors *errors)
{
    cs_store__policies *p;
    CS_TRY(cs_store__compile(txn, txn->modules.v, txn->modules.n, &txn->data, &p, errors));
    cs_store__policies_release(txn->policies);
    txn->policies = p;
    return CS_OK;
}

cs_err cs_txn_compile(cs_txn *txn, cs_errors *errors)
{
    if (txn->data_changed) {
        cs_store__fixed_merge(txn);
    }
    if (txn->policies_changed && !txn->compiled) {
        CS_TRY(compile(txn, errors));
    } else if (txn->data_changed && !txn->policies_changed) {
        CS_TRY(cs_store__check_conflicts(txn->policies->rules, txn->data, errors));
    }
    txn->compiled = true;
    return cs_store__over_make(txn, errors);
}

/* Rewrites what no bundle brought into a fresh segment when the old one is mostly dead. */
static cs_segment *compact(cs_txn *txn)
{
    cs_store *store = txn->store;
    if (cs_arena_used(&txn->tail->arena) <= 2 * store->tail_live + COMPACT_LEAST) {
        return cs_segment_retain(txn->tail);
    }
    cs_segment *fresh = cs_segment_new();
    cs_value rest = txn->data;
    for (size_t i = 0; i < txn->bundles->n; i++) {
        const cs_world_bundle *b = &txn->bundles->v[i].info;
        for (size_t k = 0; k < b->n_roots; k++) {
            const cs_slice *path;
            size_t n = cs_store__split(&txn->arena, b->roots[k], &path);
            if (n == 0) {
                /* One bundle owns everything: only data.system is ours. */
                cs_slice system = CS_LIT("system");
                rest = cs_store__put(&txn->arena, cs_undefined(), &system, 1, cs_store__lookup(txn->data, &system, 1));
            } else {
                rest = cs_store__drop(&txn->arena, rest, path, n);
            }
        }
    }
    cs_value data = cs_freeze(&fresh->arena, rest);
    store->tail_live = cs_arena_used(&fresh->arena);
    for (size_t i = 0; i < txn->bundles->n; i++) {
        const cs_world_bundle *b = &txn->bundles->v[i].info;
        for (size_t k = 0; k < b->n_roots; k++) {
            const cs_slice *path;
            size_t n = cs_store__split(&txn->arena, b->roots[k], &path);
            cs_value value = cs_store__lookup(txn->data, path, n);
            for (uint32_t j = 0; n == 0 && j < cs_count(value); j++) {
                cs_value v, key = cs_entry(value, j, &v);
                cs_slice name = cs_text(key);
                if (!cs_slice_is(name, "system")) {
                    data = cs_store__put(&fresh->arena, data, &name, 1, v);
                }
            }
            if (n != 0 && !cs_is_undefined(value)) {
                data = cs_store__put(&fresh->arena, data, path, n, value);
            }
        }
    }
    txn->data = data;
    return fresh;
}

void cs_txn_timers(cs_txn *txn, int64_t *parse_ns, int64_t *compile_ns)
{
    txn->parse_ns = parse_ns;
    txn->compile_ns = compile_ns;
}

/* What a bundle brought may take long to give back: it is done here, not by a reader that has a decision to make,
 * unless a reader stays inside for long. */
static void collect(cs_store *store, bool large)
{
    enum { ROUNDS = 100, PAUSE_NS = 200000 };
    for (int i = 0; large && i < ROUNDS && cs_epoch_collect(store->epoch) != 0; i++) {
        cs_time_sleep_ns(PAUSE_NS);
    }
    if (cs_epoch_collect(store->epoch) != 0) {
        atomic_store_explicit(&store->retired, true, memory_order_relaxed);
    }
}

cs_err cs_txn_commit(cs_txn *txn, cs_errors *errors)
{
    cs_err r = cs_txn_compile(txn, errors);
    if (r != CS_OK) {
        cs_txn_abort(txn);
        return r;
    }
    cs_store *store = txn->store;
    cs_world *w = cs_zalloc(sizeof *w);
    atomic_init(&w->refs, 1);
    cs_arena_init(&w->arena, 0);
    w->store = store;
    w->serial = txn->base->serial + 1;
    w->tail = compact(txn);
    w->data = txn->data;
    w->policies = cs_store__policies_retain(txn->policies);
    w->bundles = cs_store__bundles_retain(txn->bundles);
    w->prepared = cs_store__prepared_new(store->options.prepared);
    w->overlay = cs_store__overlay_retain(txn->overlay);
    w->over = cs_store__over_world(txn);
    cs_store__live_make(w, NULL);
    bool large = w->bundles != txn->base->bundles;
    cs_epoch_retire(store->epoch, cs_epoch_swap(&store->place, w), cs_store__world_free);
    collect(store, large);
    finish(txn);
    return CS_OK;
}
