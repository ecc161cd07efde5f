/* Documents by their paths: lookup, persistent insertion and removal, and the merge of data files. */
#include "internal.h"

cs_value cs_lookup(cs_value root, const cs_value *path, size_t n)
{
    for (size_t i = 0; i < n && !cs_is_undefined(root); i++) {
        root = cs_index(root, path[i]);
    }
    return root;
}

cs_value cs_upsert(cs_arena *a, cs_value root, const cs_value *path, size_t n, cs_value value)
{
    if (n == 0) {
        return value;
    }
    cs_value top = cs_is(root, CS_OBJECT) ? cs_object_clone(a, root, 1) : cs_object_new(a, 1);
    cs_value at = top;
    for (size_t i = 0; i + 1 < n; i++) {
        const cs_value *old = cs_object_get(at, path[i]);
        cs_value child = old != NULL && cs_is(*old, CS_OBJECT) ? cs_object_clone(a, *old, 1) : cs_object_new(a, 1);
        cs_object_put(a, at, path[i], child);
        at = child;
    }
    cs_object_put(a, at, path[n - 1], value);
    return top;
}

/* A copy of the object without one of its entries. */
static cs_value without(cs_arena *a, cs_value object, uint32_t entry)
{
    const cs_table *t = object.u.table;
    cs_value copy = cs_object_new(a, t->n - 1);
    cs_table *out = copy.u.table;
    for (uint32_t i = 0; i < t->n; i++) {
        if (i != entry) {
            uint32_t k = cs_value__append(a, out, t->keys[i], cs_table_hashes(t)[i]);
            out->vals[k] = t->vals[i];
        }
    }
    out->sorted = t->sorted;
    return copy;
}

cs_value cs_remove(cs_arena *a, cs_value root, const cs_value *path, size_t n)
{
    if (n == 0) {
        return root;
    }
    cs_value at = root;
    for (size_t i = 0; i < n; i++) {
        const cs_value *next = cs_is(at, CS_OBJECT) ? cs_object_get(at, path[i]) : NULL;
        if (next == NULL) {
            return root;
        }
        if (i + 1 < n) {
            at = *next;
        }
    }
    cs_value smaller = without(a, at, cs_value__find(at.u.table, path[n - 1], cs_hash(path[n - 1])));
    return cs_upsert(a, root, path, n - 1, smaller);
}

/* Adds the keys of the way from the root in front of the message. */
static cs_err clash(cs_value key, cs_error *e, cs_err err)
{
    if (e == NULL) {
        return err;
    }
    char rest[CS_ERROR_TEXT_MAX];
    memcpy(rest, e->text, sizeof rest);
    if (cs_is(key, CS_STRING)) {
        return cs_fail(e, err, "%.*s%s%s", (int)(key.n > 200 ? 200 : key.n), key.u.s, rest[0] == '\0' ? "" : "/", rest);
    }
    return cs_fail(e, err, "(%s)%s%s", cs_kind_name(key), rest[0] == '\0' ? "" : "/", rest);
}

static cs_err merge(cs_arena *a, cs_value x, cs_value y, cs_value *out, cs_error *e)
{
    if (!cs_is(x, CS_OBJECT) || !cs_is(y, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_CONFLICT, "%s", "");
    }
    cs_value both = cs_object_clone(a, x, y.u.table->n);
    const cs_table *t = y.u.table;
    for (uint32_t i = 0; i < t->n; i++) {
        const cs_value *old = cs_object_get_hashed(both, t->keys[i], cs_table_hashes(t)[i]);
        cs_value value = t->vals[i];
        if (old != NULL) {
            cs_err err = merge(a, *old, t->vals[i], &value, e);
            if (err != CS_OK) {
                return clash(t->keys[i], e, err);
            }
        }
        cs_object_put(a, both, t->keys[i], value);
    }
    *out = both;
    return CS_OK;
}

cs_err cs_merge(cs_arena *a, cs_value x, cs_value y, cs_value *out, cs_error *e)
{
    cs_err err = merge(a, x, y, out, e);
    if (err != CS_OK && e != NULL) {
        char path[CS_ERROR_TEXT_MAX];
        memcpy(path, e->text, sizeof path);
        return cs_fail(e, err, "documents clash at /%.900s", path);
    }
    return err;
}
