/* The data document under paths of text, and how rules and data must not stand in the same place. */
#include "internal.h"

/* An index of an array as OPA reads it: decimal digits, perhaps signed. */
static bool array_index(cs_slice segment, uint32_t n, uint32_t *index)
{
    int64_t i;
    if (!cs_slice_i64(segment, &i) || i < 0 || i >= (int64_t)n) {
        return false;
    }
    *index = (uint32_t)i;
    return true;
}

static cs_value step(cs_value at, cs_slice segment)
{
    uint32_t i;
    if (cs_is(at, CS_OBJECT)) {
        const cs_value *v = cs_object_get(at, cs_string(segment));
        return v != NULL ? *v : cs_undefined();
    }
    if (cs_is(at, CS_ARRAY) && array_index(segment, at.n, &i)) {
        return at.u.items[i];
    }
    return cs_undefined();
}

cs_value cs_store__lookup(cs_value data, const cs_slice *path, size_t n)
{
    for (size_t i = 0; i < n && !cs_is_undefined(data); i++) {
        data = step(data, path[i]);
    }
    return data;
}

cs_slice cs_store__path_text(cs_arena *a, const cs_slice *path, size_t n)
{
    cs_buf b;
    cs_buf_init(&b);
    for (size_t i = 0; i < n; i++) {
        cs_buf_byte(&b, '/');
        for (size_t k = 0; k < path[i].n; k++) {
            char c = path[i].p[k];
            bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                         (c != 0 && strchr("-_.~$&+:=@", c) != NULL);
            if (plain) {
                cs_buf_byte(&b, c);
            } else {
                cs_buf_printf(&b, "%%%02X", (unsigned)(uint8_t)c);
            }
        }
    }
    if (n == 0) {
        cs_buf_byte(&b, '/');
    }
    cs_slice text = cs_slice_make(cs_arena_dup(a, b.p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

/* What was just made becomes readable by all threads. */
static cs_value seal(cs_value object)
{
    if (cs_is(object, CS_OBJECT) && !object.u.table->frozen) {
        cs_table_sort(object.u.table);
        object.u.table->frozen = true;
    }
    return object;
}

cs_value cs_store__put(cs_arena *a, cs_value data, const cs_slice *path, size_t n, cs_value value)
{
    if (n == 0) {
        return value;
    }
    cs_value key = cs_string_copy(a, path[0]);
    const cs_value *child = cs_is(data, CS_OBJECT) ? cs_object_get(data, key) : NULL;
    cs_value below = cs_store__put(a, child != NULL ? *child : cs_undefined(), path + 1, n - 1, value);
    return seal(cs_upsert(a, data, &key, 1, below));
}

cs_value cs_store__drop(cs_arena *a, cs_value data, const cs_slice *path, size_t n)
{
    cs_value key = n != 0 ? cs_string(path[0]) : cs_undefined();
    const cs_value *child = n != 0 && cs_is(data, CS_OBJECT) ? cs_object_get(data, key) : NULL;
    if (child == NULL) {
        return data;
    }
    if (n == 1) {
        return seal(cs_remove(a, data, &key, 1));
    }
    cs_value below = cs_store__drop(a, *child, path + 1, n - 1);
    if (cs_is(below, CS_OBJECT) && cs_is(*child, CS_OBJECT) && below.u.table == child->u.table) {
        return data;
    }
    return seal(cs_upsert(a, data, &key, 1, below));
}

cs_value cs_store__lay(cs_arena *a, cs_value below, cs_value above)
{
    if (!cs_is(below, CS_OBJECT) || !cs_is(above, CS_OBJECT)) {
        return above;
    }
    cs_value out = cs_object_clone(a, below, cs_count(above));
    for (uint32_t i = 0; i < cs_count(above); i++) {
        cs_value value, key = cs_entry(above, i, &value);
        const cs_value *old = cs_object_get(below, key);
        cs_object_put(a, out, key, old != NULL ? cs_store__lay(a, *old, value) : value);
    }
    return seal(out);
}

size_t cs_store__split(cs_arena *a, cs_slice root, const cs_slice **path)
{
    size_t n = 0, cap = 1;
    for (size_t i = 0; i < root.n; i++) {
        cap += root.p[i] == '/';
    }
    cs_slice *v = cs_arena_array(a, cs_slice, cap);
    cs_slice piece;
    while (root.n != 0 && cs_slice_next(&root, '/', &piece)) {
        if (piece.n != 0) {
            v[n++] = piece;
        }
    }
    *path = v;
    return n;
}

/* ---- transactions */

static cs_err not_found(cs_error *e)
{
    return cs_fail(e, CS_ERR_STORAGE_NOT_FOUND, "storage_not_found_error: document does not exist");
}

static cs_err bad_index(cs_txn *txn, const cs_slice *path, size_t n, cs_slice segment, cs_error *e)
{
    int64_t i;
    bool number = cs_slice_i64(segment, &i);
    cs_slice text = cs_store__path_text(&txn->arena, path, n);
    return cs_fail(e, CS_ERR_STORAGE_NOT_FOUND, "storage_not_found_error: %.*s: %s", CS_FMT(text),
                   number ? "array index out of range" : "array index must be integer");
}

cs_err cs_txn_read(cs_txn *txn, const cs_slice *path, size_t n, cs_value *out, cs_error *e)
{
    cs_value at = txn->data;
    for (size_t i = 0; i < n; i++) {
        cs_value next = step(at, path[i]);
        if (cs_is_undefined(next)) {
            return cs_is(at, CS_ARRAY) ? bad_index(txn, path, n, path[i], e) : not_found(e);
        }
        at = next;
    }
    *out = at;
    return CS_OK;
}

typedef struct write_step {
    cs_txn *txn;
    cs_txn_op op;
    const cs_slice *path;
    size_t n;
    cs_value value;
    cs_error *e;
} write_step;

static cs_err write_at(const write_step *w, cs_value data, size_t i, cs_value *out);

static cs_err write_array(const write_step *w, cs_value data, size_t i, cs_value *out)
{
    cs_arena *a = &w->txn->tail->arena;
    bool last = i + 1 == w->n;
    uint32_t at = data.n;
    int64_t number;
    bool end = cs_slice_is(w->path[i], "-") || (cs_slice_i64(w->path[i], &number) && number == (int64_t)data.n);
    if (last && end && w->op != CS_TXN_ADD) {
        cs_slice text = cs_store__path_text(&w->txn->arena, w->path, w->n);
        return cs_fail(w->e, CS_ERR_INVALID, "storage_invalid_patch_error: %.*s: invalid patch path", CS_FMT(text));
    }
    if (!(last && end) && !array_index(w->path[i], data.n, &at)) {
        return bad_index(w->txn, w->path, w->n, w->path[i], w->e);
    }
    cs_value child = w->value;
    if (!last) {
        CS_TRY(write_at(w, data.u.items[at], i + 1, &child));
    }
    bool insert = last && w->op == CS_TXN_ADD, remove = last && w->op == CS_TXN_REMOVE;
    uint32_t n = data.n + (insert ? 1U : 0U) - (remove ? 1U : 0U);
    cs_value *items = cs_arena_alloc(a, sizeof *items * (n + 1));
    if (at != 0) {
        memcpy(items, data.u.items, at * sizeof *items);
    }
    uint32_t skip = insert ? 0 : 1;
    if (!remove) {
        items[at] = child;
    }
    uint32_t rest = data.n - at - (at < data.n ? skip : 0);
    if (rest != 0) {
        memcpy(items + at + (remove ? 0 : 1), data.u.items + at + skip, rest * sizeof *items);
    }
    *out = cs_array(items, n);
    return CS_OK;
}

static cs_err write_object(const write_step *w, cs_value data, size_t i, cs_value *out)
{
    cs_arena *a = &w->txn->tail->arena;
    const cs_value *child = cs_object_get(data, cs_string(w->path[i]));
    bool last = i + 1 == w->n;
    if (child == NULL && (!last || w->op != CS_TXN_ADD)) {
        return not_found(w->e);
    }
    cs_value below = w->value;
    if (!last) {
        CS_TRY(write_at(w, *child, i + 1, &below));
    } else if (w->op == CS_TXN_REMOVE) {
        *out = cs_store__drop(a, data, &w->path[i], 1);
        return CS_OK;
    }
    cs_value key = cs_string_copy(a, w->path[i]);
    *out = seal(cs_upsert(a, data, &key, 1, below));
    return CS_OK;
}

static cs_err write_at(const write_step *w, cs_value data, size_t i, cs_value *out)
{
    return cs_is(data, CS_OBJECT)  ? write_object(w, data, i, out)
           : cs_is(data, CS_ARRAY) ? write_array(w, data, i, out)
                                   : not_found(w->e);
}

cs_err cs_txn_write(cs_txn *txn, cs_txn_op op, const cs_slice *path, size_t n, cs_value value, cs_error *e)
{
    if (n == 0 && (op == CS_TXN_REMOVE || !cs_is(value, CS_OBJECT))) {
        return cs_fail(e, CS_ERR_INVALID, "storage_invalid_patch_error: %s",
                       op == CS_TXN_REMOVE ? "root cannot be removed" : "root must be object");
    }
    cs_value copy = op == CS_TXN_REMOVE ? cs_undefined() : cs_freeze(&txn->tail->arena, value);
    txn->data_changed = true;
    if (n == 0) {
        txn->data = copy;
        return CS_OK;
    }
    write_step w = {txn, op, path, n, copy, e};
    return write_at(&w, txn->data, 0, &txn->data);
}

cs_err cs_txn_make_dirs(cs_txn *txn, const cs_slice *path, size_t n, cs_error *e)
{
    for (size_t i = n; i > 0; i--) {
        cs_value there = cs_store__lookup(txn->data, path, i);
        if (cs_is(there, CS_OBJECT)) {
            break;
        }
        if (!cs_is_undefined(there)) {
            cs_slice text = cs_store__path_text(&txn->arena, path, i);
            return cs_fail(e, CS_ERR_CONFLICT, "storage_write_conflict_error: %.*s", CS_FMT(text));
        }
    }
    for (size_t i = 1; i <= n; i++) {
        if (cs_is_undefined(cs_store__lookup(txn->data, path, i))) {
            CS_TRY(cs_txn_write(txn, CS_TXN_ADD, path, i, cs_object_new(&txn->arena, 0), e));
        }
    }
    return CS_OK;
}

/* ---- conflicts */

/* OPA's storage.NonEmpty: something stands there, or the nearest document above is no object. */
static bool exists(cs_value data, const cs_slice *path, size_t n)
{
    if (!cs_is_undefined(cs_store__lookup(data, path, n))) {
        return true;
    }
    for (size_t i = n; i-- > 1;) {
        cs_value above = cs_store__lookup(data, path, i);
        if (!cs_is_undefined(above)) {
            return !cs_is(above, CS_OBJECT);
        }
    }
    return false;
}

enum { RULE_DEPTH = 64 };

/* Keys that are no strings cannot clash with data. */
static bool to_text(const cs_value *path, size_t n, cs_slice *out)
{
    if (n == 0 || n > RULE_DEPTH) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!cs_is(path[i], CS_STRING)) {
            return false;
        }
        out[i] = cs_text(path[i]);
    }
    return true;
}

bool cs_store__data_exists(void *self, const cs_value *path, size_t n)
{
    cs_slice text[RULE_DEPTH];
    return to_text(path, n, text) && exists(*(const cs_value *)self, text, n);
}

static cs_slice text_of(cs_value rule, const char *key)
{
    const cs_value *v = cs_object_get_text(rule, key);
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

static bool same_path(const cs_value *x, const cs_value *y)
{
    return x != NULL && y != NULL && cs_equal(*x, *y);
}

cs_err cs_store__check_conflicts(cs_value rules, cs_value data, cs_errors *errors)
{
    cs_err r = CS_OK;
    const cs_value *before = NULL;
    for (uint32_t i = 0; i < cs_count(rules); i++) {
        cs_value rule = rules.u.items[i];
        const cs_value *path = cs_object_get_text(rule, "path");
        cs_slice text[RULE_DEPTH];
        if (path == NULL || same_path(path, before) || !to_text(path->u.items, path->n, text) ||
            !exists(data, text, path->n)) {
            continue;
        }
        before = path;
        cs_slice shown = cs_store__path_text(&errors->arena, text, path->n);
        const cs_value *row = cs_object_get_text(rule, "row");
        int64_t line = row != NULL && cs_is(*row, CS_NUMBER) && row->form == CS_NUMBER_INT ? row->u.i : 0;
        r = cs_errors_add(errors, CS_ERR_REGO_COMPILE, text_of(rule, "file"), (uint32_t)line, 1, CS_LIT(""),
                          "conflicting rule for data path %.*s found", (int)shown.n - 1, shown.p + 1);
    }
    return r;
}
