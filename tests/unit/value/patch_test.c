/* Patches on sets, whole documents and the odd ends of arrays; pointers; filters. */
#include <criterion/criterion.h>

#include "countersign/json.h"
#include "countersign/patch.h"

static cs_arena arena;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(patch, .init = start, .fini = stop);

static cs_value json(const char *text)
{
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(text), NULL, &v, NULL, &e), CS_OK, "%s: %s", text, e.text);
    return v;
}

static const char *text_of(cs_value v)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_value_print(&out, v);
    const char *text = cs_arena_dup(&arena, out.p, out.n);
    cs_buf_destroy(&out);
    return text;
}

static const char *patched(cs_value doc, const char *operations)
{
    cs_value out;
    cs_error e;
    cs_value frozen = cs_freeze(&arena, doc);
    if (cs_json_patch(&arena, frozen, json(operations), &out, &e) != CS_OK) {
        return cs_arena_dup(&arena, e.text, strlen(e.text));
    }
    return text_of(out);
}

Test(patch, arrays)
{
    cs_value doc = json("{\"a\":[1,2]}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":3}]"), "{\"a\": [1, 2, 3]}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":\"a/0\",\"value\":0}]"), "{\"a\": [0, 1, 2]}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":[\"a\",2],\"value\":3}]"), "{\"a\": [1, 2, 3]}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":3}]"),
                     "index for array insertion out of bounds");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"remove\",\"path\":\"/a/-\"}]"), "index for array delete out of bounds");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"remove\",\"path\":\"/a/01\"}]"),
                     "leading zeros are not allowed in JSON paths");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/1\"}]"), "{\"a\": [2, 1]}");
}

Test(patch, sets_are_addressed_by_their_members)
{
    cs_value set = cs_set_new(&arena, 0);
    cs_set_add(&arena, set, cs_int(1));
    cs_set_add(&arena, set, json("{\"x\":1}"));
    cs_value doc = cs_object_new(&arena, 0);
    cs_object_put_text(&arena, doc, "s", set);
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":[\"s\",2],\"value\":2}]"), "{\"s\": {1, 2, {\"x\": 1}}}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"remove\",\"path\":[\"s\",1]}]"), "{\"s\": {{\"x\": 1}}}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":[\"s\",{\"x\":1},\"y\"],\"value\":2}]"),
                     "{\"s\": {1, {\"x\": 1, \"y\": 2}}}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":[\"s\",2],\"value\":3}]"),
                     "set key 2 does not equal value to be inserted 3");
}

Test(patch, whole_documents)
{
    cs_value doc = json("{\"a\":1}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"replace\",\"path\":\"\",\"value\":[1]}]"), "[1]");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"\"}]"), "1");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"remove\",\"path\":\"\"}]"), "<undefined>");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"remove\",\"path\":\"\"},{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]"),
                     "deleted node encountered during insert operation");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1.0}]"), "{\"a\": 1}");
}

Test(patch, malformed_operations)
{
    cs_value doc = json("{\"a\":1}");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"value\":1}]"), "missing required attribute 'path'");
    cr_expect_str_eq(patched(doc, "[{\"path\":\"/a\",\"value\":1}]"), "missing required attribute 'op'");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"add\",\"path\":\"/a\"}]"), "missing required attribute 'value'");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"move\",\"path\":\"/a\"}]"), "missing required attribute 'from'");
    cr_expect_str_eq(patched(doc, "[{\"op\":\"nope\",\"path\":\"/a\"}]"), "unrecognized op: 'nope'");
    cr_expect_str_eq(patched(doc, "[{\"op\":1,\"path\":\"/a\"}]"), "attribute 'op' must be a string but found: number");
    cr_expect_str_eq(patched(doc, "[1]"),
                     "must be an array of JSON-Patch objects, but at least one element is not an object");
}

Test(patch, pointers)
{
    const cs_value *path = NULL;
    size_t n = 0;
    cs_error e;
    cr_assert_eq(cs_pointer_parse(&arena, CS_LIT("/a~1b/m~0n//0/~01"), false, &path, &n, &e), CS_OK);
    cr_assert_eq(n, 5);
    const char *want[] = {"a/b", "m~n", "", "0", "~1"};
    for (size_t i = 0; i < n; i++) {
        cr_expect(cs_slice_is(cs_text(path[i]), want[i]), "%zu", i);
    }
    cr_assert_eq(cs_pointer_parse(&arena, CS_LIT(""), false, &path, &n, &e), CS_OK);
    cr_assert_eq(n, 0);
    cr_assert_eq(cs_pointer_parse(&arena, CS_LIT("/"), false, &path, &n, &e), CS_OK);
    cr_assert(n == 1 && path[0].n == 0);
    cr_assert_eq(cs_pointer_parse(&arena, CS_LIT("a"), false, &path, &n, &e), CS_ERR_INVALID);
    cr_assert_eq(cs_pointer_parse(&arena, CS_LIT("a/b"), true, &path, &n, &e), CS_OK);
    cr_assert_eq(n, 2);
}

Test(patch, filter_remove_union)
{
    cs_value doc = json("{\"a\":{\"b\":1,\"c\":2},\"d\":[10,{\"e\":1,\"f\":2}],\"g\":3}");
    cs_value out;
    cr_assert_eq(cs_json_filter(&arena, doc, json("[\"a/b\",\"/d/1/e\",[\"g\"]]"), &out, NULL), CS_OK);
    cr_expect_str_eq(text_of(out), "{\"a\": {\"b\": 1}, \"d\": [{\"e\": 1}], \"g\": 3}");
    cr_assert_eq(cs_json_remove(&arena, doc, json("[\"a/b\",\"/d/0\",\"a\",\"x/y\"]"), &out, NULL), CS_OK);
    cr_expect_str_eq(text_of(out), "{\"d\": [{\"e\": 1, \"f\": 2}], \"g\": 3}");
    cs_error e;
    cr_assert_eq(cs_json_filter(&arena, doc, json("[1]"), &out, &e), CS_ERR_EVAL_TYPE);
    cr_expect_str_eq(e.text, "operand 2 must be one of {set, array} containing string paths or array of path segments "
                             "but got number");
    cr_expect_str_eq(
        text_of(cs_object_union(&arena, json("{\"a\":{\"b\":1},\"c\":1}"), json("{\"a\":{\"d\":2},\"c\":{}}"))),
        "{\"a\": {\"b\": 1, \"d\": 2}, \"c\": {}}");
}
