/* JSON pointers, patches, filters and unions. Documents are immutable: an edit copies the tables on its way and shares
 * the rest. What an operation means for sets and arrays is OPA's (v1/topdown/json.go, internal/edittree). */
#include "countersign/patch.h"

#include "countersign/number.h"
#include "internal.h"

/* ---- pointers */

/* One segment with "~1" and "~0" resolved, in that order, as OPA resolves them. */
static cs_value segment(cs_arena *a, cs_slice s)
{
    if (memchr(s.p, '~', s.n) == NULL) {
        return cs_string(s);
    }
    char *text = cs_arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '~' && i + 1 < s.n && s.p[i + 1] == '1') {
            text[n++] = '/';
            i++;
        } else {
            text[n++] = s.p[i];
        }
    }
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        text[m++] = text[i];
        if (text[i] == '~' && i + 1 < n && text[i + 1] == '0') {
            i++;
        }
    }
    return cs_string((cs_slice){text, m});
}

cs_err cs_pointer_parse(cs_arena *a, cs_slice text, bool lax, const cs_value **path, size_t *n, cs_error *e)
{
    *path = NULL;
    *n = 0;
    if (text.n == 0) {
        return CS_OK;
    }
    if (text.p[0] != '/' && !lax) {
        return cs_fail(e, CS_ERR_INVALID, "a JSON pointer starts with a slash");
    }
    size_t start = 0;
    while (start < text.n && text.p[start] == '/' && (lax || start == 0)) {
        start++;
    }
    cs_slice rest = {text.p + start, text.n - start};
    size_t count = 1;
    for (size_t i = 0; i < rest.n; i++) {
        count += rest.p[i] == '/';
    }
    cs_value *keys = cs_arena_try(a, count * sizeof *keys);
    if (keys == NULL) {
        return cs_fail(e, CS_ERR_MEMORY, "a JSON pointer is too long for the memory granted");
    }
    for (size_t i = 0; i < count; i++) {
        size_t end = cs_slice_find_byte(rest, '/', 0);
        end = end == SIZE_MAX ? rest.n : end;
        keys[i] = segment(a, (cs_slice){rest.p, end});
        size_t skip = end < rest.n ? end + 1 : end;
        rest = (cs_slice){rest.p + skip, rest.n - skip};
    }
    *path = keys;
    *n = count;
    return CS_OK;
}

/* A pointer or an array of keys. */
static cs_err read_path(cs_arena *a, cs_value v, const cs_value **path, size_t *n, cs_error *e)
{
    if (cs_is(v, CS_STRING)) {
        return cs_pointer_parse(a, cs_text(v), true, path, n, e);
    }
    if (cs_is(v, CS_ARRAY)) {
        *path = v.u.items;
        *n = v.n;
        return CS_OK;
    }
    return cs_fail(e, CS_ERR_EVAL_TYPE,
                   "operand 2 must be one of {set, array} containing string paths or array of path segments but got %s",
                   cs_kind_name(v));
}

/* ---- edits */

/* Fails with the text, and frees it. */
static cs_err fail_text(cs_error *e, cs_buf *text)
{
    cs_err err = cs_fail(e, CS_ERR_EVAL_BUILTIN, "%.*s", CS_FMT(cs_buf_view(text)));
    cs_buf_destroy(text);
    return err;
}

/* Fails with a message that shows a key as Rego text between its words. */
static cs_err fail_key(cs_error *e, const char *before, cs_value key, const char *behind)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, before);
    size_t most = text.n + 200;
    cs_value_print(&text, key);
    text.n = text.n < most ? text.n : most;
    cs_buf_text(&text, behind);
    return fail_text(e, &text);
}

static cs_err fail_set_key(cs_error *e, cs_value key, cs_value value)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "set key ");
    cs_value_print(&text, key);
    cs_buf_text(&text, " does not equal value to be inserted ");
    cs_value_print(&text, value);
    cs_err err = cs_fail(e, CS_ERR_EVAL_BUILTIN, "%.*s", CS_FMT(cs_buf_view(&text)));
    cs_buf_destroy(&text);
    return err;
}

/* Where a key points in an array of n items; "-" is behind the last. The result may be out of bounds. */
static cs_err array_index(cs_value key, uint32_t n, int64_t *out, cs_error *e)
{
    if (cs_is(key, CS_NUMBER)) {
        char room[32];
        if (!cs_number__plain_int(cs_number_text(key, room), out)) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "invalid number type for indexing");
        }
        return CS_OK;
    }
    if (!cs_is(key, CS_STRING)) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "invalid type for indexing");
    }
    cs_slice s = cs_text(key);
    if (cs_slice_is(s, "-")) {
        *out = n;
        return CS_OK;
    }
    if (!cs_number__plain_int(s, out)) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "invalid string for indexing");
    }
    if (s.n > 1 && s.p[0] == '0') {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "leading zeros are not allowed in JSON paths");
    }
    return CS_OK;
}

/* What stands where a collection should. OPA names the type as its implementation does. */
static cs_err fail_scalar(cs_error *e, const char *where, cs_value found)
{
    const char *type = found.kind == CS_NULL     ? "Null"
                       : found.kind == CS_BOOL   ? "Boolean"
                       : found.kind == CS_NUMBER ? "Number"
                                                 : "String";
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text, "expected composite type%s, found value: ", where);
    cs_value_print(&text, found);
    cs_buf_printf(&text, " (type: ast.%s)", type);
    return fail_text(e, &text);
}

static cs_err fail_absent(cs_error *e, cs_value key, const char *what, cs_value node)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "path ");
    if (cs_is(node, CS_SET) && cs_is(key, CS_STRING)) {
        cs_buf_slice(&text, cs_text(key)); /* a path of its own, whose first part is not quoted */
    } else {
        cs_value_print(&text, key);
    }
    cs_buf_printf(&text, " does not exist in %s term ", what);
    cs_value_print(&text, node);
    return fail_text(e, &text);
}

/* The child of a node under a key, and where it stands (entry or index). */
static cs_err child_of(cs_value node, cs_value key, cs_value *child, uint32_t *place, cs_error *e)
{
    if (cs_is(node, CS_ARRAY)) {
        int64_t i = 0;
        CS_TRY(array_index(key, node.n, &i, e));
        if (i < 0 || i >= (int64_t)node.n) {
            return fail_absent(e, key, "array", node);
        }
        *place = (uint32_t)i;
        *child = node.u.items[i];
        return CS_OK;
    }
    if (!cs_is(node, CS_OBJECT) && !cs_is(node, CS_SET)) {
        cs_buf path;
        cs_buf_init(&path);
        cs_buf_text(&path, " for path ");
        cs_value_print(&path, key);
        cs_err err = fail_scalar(e, cs_buf_cstr(&path), node);
        cs_buf_destroy(&path);
        return err;
    }
    const cs_table *t = node.u.table;
    *place = cs_value__find(t, key, cs_hash(key));
    if (*place == CS_TABLE_NONE) {
        return fail_absent(e, key, cs_is(node, CS_SET) ? "set" : "object", node);
    }
    *child = t->vals != NULL ? t->vals[*place] : t->keys[*place];
    return CS_OK;
}

/* A copy of the array with `count` items at `at` replaced by `with` (or by nothing). */
static cs_value splice(cs_arena *a, cs_value array, uint32_t at, uint32_t count, const cs_value *with)
{
    uint32_t n = array.n - count + (with != NULL);
    cs_value *items = cs_arena_alloc(a, sizeof *items * ((size_t)n + 1));
    if (at > 0) {
        memcpy(items, array.u.items, sizeof *items * at);
    }
    if (with != NULL) {
        items[at] = *with;
    }
    size_t rest = array.n - at - count;
    if (rest > 0) {
        memcpy(items + at + (with != NULL), array.u.items + at + count, sizeof *items * rest);
    }
    return cs_array(items, n);
}

/* A copy of the table without an entry. */
static cs_value drop_entry(cs_arena *a, cs_value table, uint32_t entry)
{
    const cs_table *t = table.u.table;
    cs_table *out = cs_value__table(a, t->n, t->vals != NULL);
    for (uint32_t i = 0; i < t->n; i++) {
        if (i != entry) {
            uint32_t k = cs_value__append(a, out, t->keys[i], cs_table_hashes(t)[i]);
            if (t->vals != NULL) {
                out->vals[k] = t->vals[i];
            }
        }
    }
    out->sorted = t->sorted;
    table.u.table = out;
    return table;
}

/* The node with the child at `place` replaced. */
static cs_value with_child(cs_arena *a, cs_value node, uint32_t place, cs_value child)
{
    if (cs_is(node, CS_ARRAY)) {
        return splice(a, node, place, 1, &child);
    }
    if (cs_is(node, CS_SET)) {
        cs_value smaller = drop_entry(a, node, place);
        (void)cs_set_add(a, smaller, child);
        return smaller;
    }
    cs_value copy = cs_object_clone(a, node, 0);
    copy.u.table->vals[place] = child;
    return copy;
}

static cs_err insert_child(cs_arena *a, cs_value node, cs_value key, cs_value value, cs_value *out, cs_error *e)
{
    if (cs_is(node, CS_OBJECT)) {
        *out = cs_object_clone(a, node, 1);
        cs_object_put(a, *out, key, value);
        return CS_OK;
    }
    if (cs_is(node, CS_SET)) {
        if (!cs_equal(key, value)) {
            return fail_set_key(e, key, value);
        }
        *out = cs_set_clone(a, node, 1);
        (void)cs_set_add(a, *out, value);
        return CS_OK;
    }
    if (!cs_is(node, CS_ARRAY)) {
        return fail_scalar(e, "", node);
    }
    int64_t i = 0;
    CS_TRY(array_index(key, node.n, &i, e));
    if (i < 0 || i > (int64_t)node.n) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "index for array insertion out of bounds");
    }
    *out = splice(a, node, (uint32_t)i, 0, &value);
    return CS_OK;
}

static cs_err delete_child(cs_arena *a, cs_value node, cs_value key, cs_value *out, cs_error *e)
{
    if (cs_is(node, CS_ARRAY)) {
        int64_t i = 0;
        CS_TRY(array_index(key, node.n, &i, e));
        if (i < 0 || i >= (int64_t)node.n) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "index for array delete out of bounds");
        }
        *out = splice(a, node, (uint32_t)i, 1, NULL);
        return CS_OK;
    }
    if (!cs_is(node, CS_OBJECT) && !cs_is(node, CS_SET)) {
        return fail_scalar(e, "", node);
    }
    uint32_t entry = cs_value__find(node.u.table, key, cs_hash(key));
    if (entry == CS_TABLE_NONE) {
        return fail_key(e, "cannot delete child key ", key, " that does not exist");
    }
    *out = drop_entry(a, node, entry);
    return CS_OK;
}

/* The document with `value` inserted at the path or, where `value` is NULL, with what is there deleted. An undefined
 * document is one whose root was deleted. The recursion is as deep as the document. */
static cs_err edit(cs_arena *a, cs_value node, const cs_value *path, size_t n, const cs_value *value, cs_value *out,
                   cs_error *e)
{
    if (n == 0) {
        if (value == NULL && cs_is_undefined(node)) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "deleted node encountered during delete operation");
        }
        *out = value != NULL ? *value : cs_undefined();
        return CS_OK;
    }
    if (cs_is_undefined(node)) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "deleted node encountered during %s operation",
                       value != NULL ? "insert" : "delete");
    }
    if (n == 1) {
        return value != NULL ? insert_child(a, node, path[0], *value, out, e) : delete_child(a, node, path[0], out, e);
    }
    cs_value child = cs_undefined();
    uint32_t place = 0;
    CS_TRY(child_of(node, path[0], &child, &place, e));
    cs_value edited = cs_undefined();
    CS_TRY(edit(a, child, path + 1, n - 1, value, &edited, e));
    *out = with_child(a, node, place, edited);
    return CS_OK;
}

static cs_err fetch(cs_value node, const cs_value *path, size_t n, cs_value *out, cs_error *e)
{
    for (size_t i = 0; i < n; i++) {
        if (cs_is_undefined(node)) {
            return cs_fail(e, CS_ERR_EVAL_BUILTIN, "nil value encountered where composite value was expected");
        }
        uint32_t place = 0;
        CS_TRY(child_of(node, path[i], &node, &place, e));
    }
    *out = node;
    return CS_OK;
}

/* ---- patches */

static cs_err attribute(cs_value operation, const char *name, cs_value *out, cs_error *e)
{
    const cs_value *found = cs_object_get_text(operation, name);
    if (found == NULL) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "missing required attribute '%s'", name);
    }
    *out = *found;
    return CS_OK;
}

/* move and copy: what is at `from`, and for a move gone from there. */
static cs_err take_from(cs_arena *a, cs_value operation, bool move, cs_value *doc, cs_value *chunk, cs_error *e)
{
    cs_value from = cs_undefined();
    const cs_value *path = NULL;
    size_t n = 0;
    CS_TRY(attribute(operation, "from", &from, e));
    CS_TRY(read_path(a, from, &path, &n, e));
    CS_TRY(fetch(*doc, path, n, chunk, e));
    return move ? edit(a, *doc, path, n, NULL, doc, e) : CS_OK;
}

static cs_err run_operation(cs_arena *a, cs_value *doc, cs_value operation, cs_error *e)
{
    if (!cs_is(operation, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN,
                       "must be an array of JSON-Patch objects, but at least one element is not an object");
    }
    cs_value where = cs_undefined();
    cs_value op = cs_undefined();
    cs_value value = cs_undefined();
    const cs_value *path = NULL;
    size_t n = 0;
    CS_TRY(attribute(operation, "path", &where, e));
    CS_TRY(attribute(operation, "op", &op, e));
    if (!cs_is(op, CS_STRING)) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "attribute 'op' must be a string but found: %s", cs_kind_name(op));
    }
    CS_TRY(read_path(a, where, &path, &n, e));
    cs_slice name = cs_text(op);
    if (cs_slice_is(name, "add")) {
        CS_TRY(attribute(operation, "value", &value, e));
        return edit(a, *doc, path, n, &value, doc, e);
    }
    if (cs_slice_is(name, "remove")) {
        return edit(a, *doc, path, n, NULL, doc, e);
    }
    if (cs_slice_is(name, "replace")) {
        CS_TRY(edit(a, *doc, path, n, NULL, doc, e));
        CS_TRY(attribute(operation, "value", &value, e));
        return edit(a, *doc, path, n, &value, doc, e);
    }
    if (cs_slice_is(name, "move") || cs_slice_is(name, "copy")) {
        CS_TRY(take_from(a, operation, name.p[0] == 'm', doc, &value, e));
        return edit(a, *doc, path, n, &value, doc, e);
    }
    if (!cs_slice_is(name, "test")) {
        return cs_fail(e, CS_ERR_EVAL_BUILTIN, "unrecognized op: '%.*s'", (int)(name.n > 100 ? 100 : name.n), name.p);
    }
    cs_value found = cs_undefined();
    CS_TRY(fetch(*doc, path, n, &found, e));
    CS_TRY(attribute(operation, "value", &value, e));
    if (!cs_equal(found, value)) {
        cs_buf text;
        cs_buf_init(&text);
        cs_buf_text(&text, "value from EditTree != patch value.\n\nExpected: ");
        cs_value_print(&text, value);
        cs_buf_text(&text, "\n\nFound: ");
        cs_value_print(&text, found);
        cs_err err = cs_fail(e, CS_ERR_EVAL_BUILTIN, "%.*s", CS_FMT(cs_buf_view(&text)));
        cs_buf_destroy(&text);
        return err;
    }
    return CS_OK;
}

cs_err cs_json_patch(cs_arena *a, cs_value target, cs_value operations, cs_value *out, cs_error *e)
{
    if (!cs_is(operations, CS_ARRAY)) {
        return cs_fail(e, CS_ERR_EVAL_TYPE, "operand 2 must be array but got %s", cs_kind_name(operations));
    }
    cs_value doc = target;
    for (uint32_t i = 0; i < operations.n; i++) {
        CS_TRY(run_operation(a, &doc, operations.u.items[i], e));
        if (cs_arena_exceeded(a)) {
            return cs_fail(e, CS_ERR_MEMORY, "the patch needs more memory than is granted");
        }
    }
    *out = doc;
    return CS_OK;
}

/* ---- union, filter, remove */

cs_value cs_object_union(cs_arena *a, cs_value x, cs_value y)
{
    if (!cs_is(x, CS_OBJECT) || !cs_is(y, CS_OBJECT)) {
        return y;
    }
    const cs_table *t = y.u.table;
    cs_value both = cs_object_clone(a, x, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        const cs_value *old = cs_object_get_hashed(both, t->keys[i], cs_table_hashes(t)[i]);
        cs_value value = old != NULL ? cs_object_union(a, *old, t->vals[i]) : t->vals[i];
        cs_object_put(a, both, t->keys[i], value);
    }
    return both;
}

/* The paths as a tree of objects whose leaves are null; a shorter path hides the longer ones below it. */
static cs_err add_to_tree(cs_arena *a, cs_value tree, cs_value path, cs_error *e)
{
    const cs_value *keys = NULL;
    size_t n = 0;
    CS_TRY(read_path(a, path, &keys, &n, e));
    if (n == 0) {
        return CS_OK;
    }
    cs_value node = tree;
    for (size_t i = 0; i + 1 < n; i++) {
        const cs_value *child = cs_object_get(node, keys[i]);
        if (child != NULL && cs_is(*child, CS_NULL)) {
            return CS_OK;
        }
        cs_value next = child != NULL ? *child : cs_object_new(a, 0);
        if (child == NULL) {
            cs_object_put(a, node, keys[i], next);
        }
        node = next;
    }
    cs_object_put(a, node, keys[n - 1], cs_null());
    return CS_OK;
}

static cs_err path_tree(cs_arena *a, cs_value paths, cs_value *tree, cs_error *e)
{
    if (!cs_is(paths, CS_ARRAY) && !cs_is(paths, CS_SET)) {
        return cs_fail(e, CS_ERR_EVAL_TYPE, "operand 2 must be one of {set, array} but got %s", cs_kind_name(paths));
    }
    *tree = cs_object_new(a, 0);
    for (uint32_t i = 0; i < cs_count(paths); i++) {
        CS_TRY(add_to_tree(a, *tree, cs_is(paths, CS_ARRAY) ? paths.u.items[i] : cs_entry(paths, i, NULL), e));
    }
    return CS_OK;
}

/* The part of the tree below a child; arrays are addressed by the decimal text of the index. */
static const cs_value *below(cs_value tree, cs_value node, uint32_t i)
{
    if (!cs_is(node, CS_ARRAY)) {
        return cs_object_get(tree, node.u.table->keys[i]);
    }
    char room[32];
    return cs_object_get(tree, cs_string(cs_number_text(cs_int(i), room)));
}

static cs_value child_at(cs_value node, uint32_t i)
{
    if (cs_is(node, CS_ARRAY)) {
        return node.u.items[i];
    }
    return node.u.table->vals != NULL ? node.u.table->vals[i] : node.u.table->keys[i];
}

/* Keeps what the tree names or, with `drop`, what it does not name. Undefined: nothing is left of the node itself. */
static cs_value prune(cs_arena *a, cs_value node, const cs_value *tree, bool drop)
{
    if (tree == NULL) {
        return drop ? node : cs_undefined();
    }
    if (!cs_is(*tree, CS_OBJECT)) {
        return drop ? cs_undefined() : node;
    }
    if (!cs_is(node, CS_ARRAY) && !cs_is(node, CS_OBJECT) && !cs_is(node, CS_SET)) {
        return node;
    }
    uint32_t n = cs_count(node);
    cs_value *items = NULL;
    uint32_t kept = 0;
    cs_value out = cs_is(node, CS_SET) ? cs_set_new(a, 0) : cs_object_new(a, 0);
    if (cs_is(node, CS_ARRAY)) {
        items = cs_arena_alloc(a, sizeof *items * ((size_t)n + 1));
    }
    for (uint32_t i = 0; i < n; i++) {
        cs_value child = prune(a, child_at(node, i), below(*tree, node, i), drop);
        if (cs_is_undefined(child)) {
            continue;
        }
        if (items != NULL) {
            items[kept++] = child;
        } else if (cs_is(node, CS_SET)) {
            (void)cs_set_add(a, out, child);
        } else {
            cs_object_put(a, out, node.u.table->keys[i], child);
        }
    }
    return items != NULL ? cs_array(items, kept) : out;
}

static cs_err pruned(cs_arena *a, cs_value object, cs_value paths, bool drop, cs_value *out, cs_error *e)
{
    if (!cs_is(object, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_EVAL_TYPE, "operand 1 must be object but got %s", cs_kind_name(object));
    }
    cs_value tree;
    CS_TRY(path_tree(a, paths, &tree, e));
    *out = prune(a, object, &tree, drop);
    return CS_OK;
}

cs_err cs_json_filter(cs_arena *a, cs_value object, cs_value paths, cs_value *out, cs_error *e)
{
    return pruned(a, object, paths, false, out, e);
}

cs_err cs_json_remove(cs_arena *a, cs_value object, cs_value paths, cs_value *out, cs_error *e)
{
    return pruned(a, object, paths, true, out, e);
}
