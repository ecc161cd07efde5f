/* Changes to what a bundle has brought, instead of another one of it. What stands under its roots afterwards becomes a
 * segment of its own again: the tail is for what no bundle brought. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "internal.h"

static bool same_roots(const cs_world_bundle *there, const cs_txn_bundle *bundle)
{
    for (int turn = 0; turn < 2; turn++) {
        const cs_slice *x = turn == 0 ? there->roots : bundle->roots, *y = turn == 0 ? bundle->roots : there->roots;
        size_t nx = turn == 0 ? there->n_roots : bundle->n_roots, ny = turn == 0 ? bundle->n_roots : there->n_roots;
        for (size_t i = 0; i < nx; i++) {
            bool found = false;
            for (size_t k = 0; k < ny && !found; k++) {
                found = cs_slice_eq(x[i], y[k]);
            }
            if (!found) {
                return false;
            }
        }
    }
    return true;
}

/* ---- operations */

/* "/a/b~1c" to segments: slashes at the ends do not matter, %-escapes, then ~1 and ~0. */
static bool split(cs_arena *a, cs_slice path, const cs_slice **out, size_t *n)
{
    while (path.n != 0 && path.p[0] == '/') {
        path = cs_slice_sub(path, 1, path.n);
    }
    while (path.n != 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    cs_slice *v = cs_arena_array(a, cs_slice, path.n + 1);
    *out = v;
    *n = 0;
    cs_slice piece, plain;
    while (path.n != 0 && cs_slice_next(&path, '/', &piece)) {
        if (!cs_percent_decode(a, piece, false, &plain)) {
            return false;
        }
        char *text = cs_arena_alloc(a, plain.n + 1);
        size_t length = 0;
        for (size_t i = 0; i < plain.n; i++) {
            bool escape = plain.p[i] == '~' && i + 1 < plain.n && (plain.p[i + 1] == '0' || plain.p[i + 1] == '1');
            text[length++] = !escape ? plain.p[i] : plain.p[i + 1] == '0' ? '~' : '/';
            i += escape ? 1U : 0U;
        }
        v[(*n)++] = cs_slice_make(text, length);
    }
    return true;
}

static cs_slice text_of(cs_value operation, const char *name)
{
    cs_value v = cs_object_member(operation, name);
    return cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

static cs_err apply(cs_txn *txn, cs_value operation, cs_error *e)
{
    cs_slice op = text_of(operation, "op");
    const cs_slice *path;
    size_t n;
    if (!split(&txn->arena, text_of(operation, "path"), &path, &n)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "error parsing patch path");
    }
    cs_value value = cs_object_member(operation, "value");
    value = cs_is_undefined(value) ? cs_null() : value;
    if (cs_slice_is(op, "upsert")) {
        if (n > 1 && cs_is_undefined(cs_store__lookup(txn->data, path, n - 1))) {
            CS_TRY(cs_txn_make_dirs(txn, path, n - 1, e));
        }
        return cs_txn_write(txn, CS_TXN_ADD, path, n, value, e);
    }
    if (cs_slice_is(op, "remove")) {
        return cs_txn_write(txn, CS_TXN_REMOVE, path, n, value, e);
    }
    if (cs_slice_is(op, "replace")) {
        return cs_txn_write(txn, CS_TXN_REPLACE, path, n, value, e);
    }
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bad patch operation: %.*s", CS_FMT(op));
}

/* ---- what stands under the roots, into a segment */

static void gather(cs_txn *txn, const cs_slice *roots, size_t n_roots, cs_segment *segment)
{
    cs_arena *tail = &txn->tail->arena;
    for (size_t i = 0; i < n_roots; i++) {
        const cs_slice *path;
        size_t n = cs_store__split(&txn->arena, roots[i], &path);
        if (n != 0) {
            cs_value there = cs_store__lookup(txn->data, path, n);
            if (!cs_is_undefined(there)) {
                txn->data = cs_store__put(tail, txn->data, path, n, cs_freeze(&segment->arena, there));
            }
            continue;
        }
        cs_value whole = txn->data;
        for (uint32_t k = 0; k < cs_count(whole); k++) {
            cs_value value, key = cs_entry(whole, k, &value);
            cs_slice name = cs_text(key);
            if (!cs_slice_is(name, "system")) {
                txn->data = cs_store__put(tail, txn->data, &name, 1, cs_freeze(&segment->arena, value));
            }
        }
    }
}

cs_err cs_txn_bundle_patch(cs_txn *txn, const cs_txn_bundle *bundle, cs_value operations, cs_error *e)
{
    const cs_world_bundle *there = NULL;
    for (size_t i = 0; i < txn->bundles->n; i++) {
        if (cs_slice_eq(txn->bundles->v[i].info.name, bundle->name)) {
            there = &txn->bundles->v[i].info;
        }
    }
    if (there == NULL) {
        CS_TRY(cs_txn_bundle_put(txn, bundle, e)); /* as OPA: it changes what nobody brought */
    } else if (!same_roots(there, bundle)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID,
                       "delta bundle '%.*s' has wasm resolvers or manifest roots that are different from those in the "
                       "store",
                       CS_FMT(bundle->name));
    }
    for (uint32_t i = 0; i < cs_count(operations); i++) {
        CS_TRY(apply(txn, operations.u.items[i], e));
    }
    cs_segment *segment = cs_segment_new();
    cs_store__bundle changed = {.info = {.name = bundle->name,
                                         .revision = bundle->revision,
                                         .etag = bundle->etag,
                                         .roots = bundle->roots,
                                         .n_roots = bundle->n_roots,
                                         .activated_ns = cs_time_wall_ns()},
                                .segment = segment};
    gather(txn, bundle->roots, bundle->n_roots, segment);
    cs_store__bundles *with = cs_store__bundles_with(txn->bundles, bundle->name, &changed);
    cs_store__bundles_release(txn->bundles);
    txn->bundles = with;
    txn->data_changed = true;
    cs_store__put_about(txn, bundle);
    return CS_OK;
}
