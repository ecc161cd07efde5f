/* What the policy says about records before they leave: which are dropped (system.log.drop), what is masked in them
 * (system.log.mask), as in OPA. */
#include "countersign/base/encode.h"
#include "countersign/json.h"
#include "log.h"

void cs_decision__question_init(cs_decision__question *q, cs_arena *a, cs_slice path, const char *key)
{
    cs_slice piece;
    q->n = 0;
    while (path.n != 0 && cs_slice_next(&path, '/', &piece) && q->n < CS_DECISION__PATH) {
        if (piece.n != 0) {
            q->keys[q->n++] = cs_string_copy(a, piece);
        }
    }
    q->key = cs_slice_of(key);
}

bool cs_decision__is_asked(const cs_decision__question *q, const cs_world *world)
{
    return q->n != 0 && cs_policy_has_rule(cs_world_policy(world), q->keys, q->n, true);
}

/* The answer of a rule about the record; undefined where there is no such rule or it fails. Pinned by the caller. */
cs_err cs_decision__ask(const cs_decision__asker *asker, const cs_decision__question *q, cs_value event, cs_value *out,
                        cs_error *e)
{
    *out = cs_undefined();
    if (!cs_decision__is_asked(q, asker->world)) {
        return CS_OK;
    }
    cs_prepared *prepared = cs_world_find(asker->world, q->key);
    if (prepared == NULL) {
        cs_errors errors;
        cs_errors_init(&errors);
        cs_query *query;
        cs_err r = cs_query_prepare_path(cs_world_policy(asker->world), q->keys, q->n, &query, &errors);
        cs_errors_destroy(&errors);
        if (r != CS_OK) {
            return cs_fail(e, r, "the rule cannot be asked");
        }
        prepared = cs_world_keep(asker->world, q->key, query);
    }
    cs_eval eval = {.arena = asker->arena, .data = cs_world_data(asker->world), .input = event, .host = asker->host};
    eval.live = cs_world_live(asker->world, &eval.n_live);
    return cs_query_run(cs_prepared_query(prepared), &eval, out, e);
}

/* ---- masks: "/input/x" or {"op": "remove" | "upsert", "path": …, "value": …} */

static bool split(cs_arena *a, cs_slice path, const cs_value **keys, size_t *n)
{
    static const char *const roots[] = {"input", "result", "nd_builtin_cache"};
    if (path.n < 2 || path.p[0] != '/') {
        return false;
    }
    path = cs_slice_sub(path, 1, path.n);
    cs_value *v = cs_arena_alloc(a, (path.n + 1) * sizeof *v);
    *n = 0;
    cs_slice piece, plain;
    while (path.n != 0 && cs_slice_next(&path, '/', &piece)) {
        if (!cs_percent_decode(a, piece, false, &plain)) {
            plain = piece;
        }
        char *out = cs_arena_alloc(a, plain.n + 1);
        size_t length = 0;
        for (size_t i = 0; i < plain.n; i++) {
            bool escape = plain.p[i] == '~' && i + 1 < plain.n && (plain.p[i + 1] == '0' || plain.p[i + 1] == '1');
            out[length++] = escape ? (plain.p[i + 1] == '0' ? '~' : '/') : plain.p[i];
            i += escape ? 1U : 0U;
        }
        v[(*n)++] = cs_string(cs_slice_make(out, length));
    }
    *keys = v;
    for (size_t i = 0; i < sizeof roots / sizeof *roots && *n != 0; i++) {
        if (cs_slice_is(cs_text(v[0]), roots[i])) {
            return true;
        }
    }
    return false;
}

/* Removes what stands at the keys; arrays are stepped into by index. *gone tells whether something did. */
static cs_value without(cs_arena *a, cs_value at, const cs_value *keys, size_t n, bool *gone)
{
    if (cs_is(at, CS_OBJECT)) {
        const cs_value *child = cs_object_get(at, keys[0]);
        if (child == NULL) {
            return at;
        }
        if (n == 1) {
            *gone = true;
            return cs_remove(a, at, keys, 1);
        }
        return cs_upsert(a, at, keys, 1, without(a, *child, keys + 1, n - 1, gone));
    }
    int64_t i;
    if (n > 1 && cs_is(at, CS_ARRAY) && cs_slice_i64(cs_text(keys[0]), &i) && i >= 0 && i < (int64_t)at.n) {
        cs_value copy = cs_array_copy(a, at.u.items, at.n);
        cs_value *items = cs_arena_alloc(a, at.n * sizeof *items);
        memcpy(items, copy.u.items, at.n * sizeof *items);
        items[i] = without(a, items[i], keys + 1, n - 1, gone);
        return cs_array(items, at.n);
    }
    return at;
}

typedef struct applied {
    cs_value *v;
    size_t n;
} applied;

static cs_value apply_mask(cs_arena *a, cs_value event, cs_value rule, applied *erased, applied *masked)
{
    const cs_value *op = cs_is(rule, CS_OBJECT) ? cs_object_get_text(rule, "op") : NULL;
    const cs_value *path = cs_is(rule, CS_OBJECT) ? cs_object_get_text(rule, "path") : &rule;
    const cs_value *keys;
    size_t n;
    if (path == NULL || !cs_is(*path, CS_STRING) || !split(a, cs_text(*path), &keys, &n)) {
        return event;
    }
    bool upsert = op != NULL && cs_is(*op, CS_STRING) && cs_slice_is(cs_text(*op), "upsert");
    if (upsert) {
        const cs_value *value = cs_object_get_text(rule, "value");
        if (cs_object_get(event, keys[0]) == NULL) {
            return event;
        }
        masked->v[masked->n++] = *path;
        return cs_upsert(a, event, keys, n, value != NULL ? *value : cs_null());
    }
    bool gone = false;
    event = without(a, event, keys, n, &gone);
    if (gone) {
        erased->v[erased->n++] = *path;
    }
    return event;
}

cs_value cs_decision__mask(cs_arena *a, cs_value event, cs_value rules)
{
    bool array = cs_is(rules, CS_ARRAY);
    if (!array && !cs_is(rules, CS_SET)) {
        return event;
    }
    uint32_t n = cs_count(rules);
    applied erased = {.v = cs_arena_alloc(a, (n + 1) * sizeof(cs_value))},
            masked = {.v = cs_arena_alloc(a, (n + 1) * sizeof(cs_value))};
    for (uint32_t i = 0; i < n; i++) {
        event = apply_mask(a, event, array ? rules.u.items[i] : cs_entry(rules, i, NULL), &erased, &masked);
    }
    if (erased.n + masked.n != 0) {
        event = cs_object_clone(a, event, 2);
    }
    if (erased.n != 0) {
        cs_object_put_text(a, event, "erased", cs_array(erased.v, erased.n));
    }
    if (masked.n != 0) {
        cs_object_put_text(a, event, "masked", cs_array(masked.v, masked.n));
    }
    return event;
}
