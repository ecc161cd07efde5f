/* Lookup, upsert, remove, merge: what is copied and what is shared. */
#include <criterion/criterion.h>

#include "countersign/json.h"
#include "countersign/value.h"

static cs_arena arena;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(path, .init = start, .fini = stop);

static cs_value json(const char *text)
{
    cs_value v;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(text), NULL, &v, NULL, NULL), CS_OK);
    return v;
}

static void expect_text(cs_value v, const char *want)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_value_print(&out, v);
    cr_assert_str_eq(cs_buf_cstr(&out), want);
    cs_buf_destroy(&out);
}

static cs_value keys[4];

static const cs_value *path_of(const char *a, const char *b, const char *c)
{
    const char *texts[] = {a, b, c};
    for (size_t i = 0; i < 3 && texts[i] != NULL; i++) {
        keys[i] = cs_string(cs_slice_of(texts[i]));
    }
    return keys;
}

Test(path, upsert_copies_the_way_and_shares_the_rest)
{
    cs_value root = cs_freeze(&arena, json("{\"a\":{\"b\":{\"c\":1}},\"x\":{\"y\":[1,2]}}"));
    cs_value next = cs_upsert(&arena, root, path_of("a", "b", "d"), 3, cs_int(2));
    expect_text(next, "{\"a\": {\"b\": {\"c\": 1, \"d\": 2}}, \"x\": {\"y\": [1, 2]}}");
    expect_text(root, "{\"a\": {\"b\": {\"c\": 1}}, \"x\": {\"y\": [1, 2]}}");
    cr_assert_eq(cs_object_get_text(next, "x")->u.table, cs_object_get_text(root, "x")->u.table);
    expect_text(cs_upsert(&arena, root, path_of("n", "m", NULL), 2, cs_null()),
                "{\"a\": {\"b\": {\"c\": 1}}, \"n\": {\"m\": null}, \"x\": {\"y\": [1, 2]}}");
    expect_text(cs_upsert(&arena, root, path_of("x", "y", "z"), 3, cs_int(1)),
                "{\"a\": {\"b\": {\"c\": 1}}, \"x\": {\"y\": {\"z\": 1}}}");
    expect_text(cs_upsert(&arena, root, NULL, 0, cs_int(1)), "1");
    expect_text(cs_upsert(&arena, cs_undefined(), path_of("a", NULL, NULL), 1, cs_int(1)), "{\"a\": 1}");
}

Test(path, remove)
{
    cs_value root = cs_freeze(&arena, json("{\"a\":{\"b\":1,\"c\":2},\"x\":[1]}"));
    expect_text(cs_remove(&arena, root, path_of("a", "b", NULL), 2), "{\"a\": {\"c\": 2}, \"x\": [1]}");
    expect_text(cs_remove(&arena, root, path_of("a", NULL, NULL), 1), "{\"x\": [1]}");
    cr_assert_eq(cs_remove(&arena, root, path_of("a", "z", NULL), 2).u.table, root.u.table);
    cr_assert_eq(cs_remove(&arena, root, path_of("x", "b", NULL), 2).u.table, root.u.table);
    expect_text(root, "{\"a\": {\"b\": 1, \"c\": 2}, \"x\": [1]}");
}

Test(path, lookup)
{
    cs_value root = json("{\"a\":[{\"b\":null}]}");
    cs_value path[] = {cs_string(CS_LIT("a")), cs_int(0), cs_string(CS_LIT("b"))};
    cr_assert(cs_is(cs_lookup(root, path, 3), CS_NULL));
    path[1] = cs_int(1);
    cr_assert(cs_is_undefined(cs_lookup(root, path, 3)));
    expect_text(cs_lookup(root, path, 0), "{\"a\": [{\"b\": null}]}");
}

Test(path, merge_names_the_clash)
{
    cs_value out;
    cs_error e;
    cr_assert_eq(cs_merge(&arena, json("{\"a\":{\"b\":1}}"), json("{\"a\":{\"c\":2},\"d\":3}"), &out, &e), CS_OK);
    expect_text(out, "{\"a\": {\"b\": 1, \"c\": 2}, \"d\": 3}");
    cr_assert_eq(cs_merge(&arena, json("{\"a\":{\"b\":1}}"), json("{\"a\":{\"b\":1}}"), &out, &e), CS_ERR_CONFLICT);
    cr_assert_str_eq(e.text, "documents clash at /a/b");
    cr_assert_eq(cs_merge(&arena, json("{}"), json("[]"), &out, &e), CS_ERR_CONFLICT);
    cr_assert_str_eq(e.text, "documents clash at /");
}
