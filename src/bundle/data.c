/* Data documents: where a file's content goes, and what happens when two files bring the same key. */
#include "bundle/internal.h"

#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "countersign/yaml.h"

typedef CS_VEC(cs_value) key_path;

/* The keys down to the first clash in key order, as OPA reports it. Recursion is bounded by the readers' depth limit.
 */
static bool find_conflict(cs_arena *a, cs_value x, cs_value y, key_path *path)
{
    uint32_t n = cs_count(y);
    for (uint32_t i = 0; i < n; i++) {
        cs_value add, key = cs_entry(y, i, &add);
        const cs_value *there = cs_object_get(x, key);
        if (there == NULL) {
            continue;
        }
        CS_VEC_PUSH_IN(a, path, key);
        if (!cs_is(*there, CS_OBJECT) || !cs_is(add, CS_OBJECT) || find_conflict(a, *there, add, path)) {
            return true;
        }
        path->n--;
    }
    return false;
}

/* y into x, which belongs to the caller; tables below it are copied before they change, since YAML aliases may share
 * them. */
static void merge_into(cs_arena *a, cs_value x, cs_value y)
{
    uint32_t n = cs_count(y);
    for (uint32_t i = 0; i < n; i++) {
        cs_value add, key = cs_entry(y, i, &add);
        const cs_value *there = cs_object_get(x, key);
        if (there == NULL) {
            cs_object_put(a, x, key, add);
            continue;
        }
        cs_value both = cs_object_clone(a, *there, cs_count(add));
        merge_into(a, both, add);
        cs_object_put(a, x, key, both);
    }
}

cs_err cs_bundle__insert(cs_arena *a, cs_value *root, const cs_slice *keys, size_t n, cs_value value,
                         cs_value *conflict, cs_error *e)
{
    if (conflict != NULL) {
        *conflict = cs_undefined();
    }
    for (size_t i = n; i > 0; i--) {
        cs_value above = cs_object_new(a, 1);
        cs_object_put(a, above, cs_string_copy(a, keys[i - 1]), value);
        value = above;
    }
    if (!cs_is(value, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_CONFLICT, "root value must be object");
    }
    key_path path = {0};
    if (find_conflict(a, *root, value, &path)) {
        if (conflict != NULL) {
            *conflict = cs_array(path.v, path.n);
        }
        return cs_fail(e, CS_ERR_CONFLICT, "merge error");
    }
    if (cs_count(*root) == 0) {
        *root = value;
        return CS_OK;
    }
    if (root->u.table->frozen) {
        *root = cs_object_clone(a, *root, cs_count(value));
    }
    merge_into(a, *root, value);
    return CS_OK;
}

/* Words that a ref has in brackets. */
static bool is_keyword(cs_slice key)
{
    static const char *const words[] = {"as", "contains", "default", "else",    "every", "false", "if",  "import",
                                        "in", "not",      "null",    "package", "some",  "true",  "with"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (cs_slice_is(key, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_plain(cs_slice key)
{
    if (key.n == 0 || (key.p[0] >= '0' && key.p[0] <= '9') || is_keyword(key)) {
        return false;
    }
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if (c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')) {
            return false;
        }
    }
    return true;
}

void cs_bundle_print_ref(cs_buf *out, cs_value keys)
{
    cs_buf_text(out, "data");
    for (uint32_t i = 0; i < cs_count(keys); i++) {
        cs_value key = keys.u.items[i];
        if (cs_is(key, CS_STRING) && is_plain(cs_text(key))) {
            cs_buf_byte(out, '.');
            cs_buf_slice(out, cs_text(key));
        } else {
            cs_buf_byte(out, '[');
            cs_value_print(out, key);
            cs_buf_byte(out, ']');
        }
    }
}

cs_err cs_bundle__read_document(cs_arena *a, cs_slice text, cs_value *out, cs_error *e)
{
    cs_error json = {0};
    if (cs_json_read(a, text, &(cs_json_options){.borrow = true}, out, NULL, &json) == CS_OK) {
        return CS_OK;
    }
    if (json.code == CS_ERR_LIMIT) {
        if (e != NULL) {
            *e = json;
        }
        return json.code;
    }
    return cs_yaml_read(a, text, out, e);
}
