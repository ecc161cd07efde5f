/* Objects and sets: growth, equal keys of different spelling, order, sets of sets, copies. */
#include <criterion/criterion.h>

#include "countersign/json.h"
#include "countersign/number.h"
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

TestSuite(table, .init = start, .fini = stop);

static cs_value json(const char *text)
{
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(text), NULL, &v, NULL, &e), CS_OK, "%s: %s", text, e.text);
    return v;
}

static cs_value number(const char *text)
{
    cs_value v;
    cr_assert_eq(cs_number_parse(&arena, cs_slice_of(text), &v, NULL), CS_OK);
    return v;
}

static cs_value set_of(const cs_value *items, size_t n)
{
    cs_value set = cs_set_new(&arena, 0);
    for (size_t i = 0; i < n; i++) {
        cs_set_add(&arena, set, items[i]);
    }
    return set;
}

static void expect_text(cs_value v, const char *want)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_value_print(&out, v);
    cr_assert_str_eq(cs_buf_cstr(&out), want);
    cs_buf_destroy(&out);
}

Test(table, grows_and_finds_every_key)
{
    cs_value object = cs_object_new(&arena, 0);
    for (int i = 0; i < 5000; i++) {
        cs_object_put(&arena, object, cs_string_printf(&arena, "key-%d", (i * 7919) % 5000), cs_int(i));
        /* The keys before stay where they can be found across every growth. */
        if ((i & (i + 1)) == 0) {
            for (int k = 0; k <= i; k++) {
                const cs_value *v = cs_object_get(object, cs_string_printf(&arena, "key-%d", (k * 7919) % 5000));
                cr_assert(v != NULL && v->u.i == k, "key %d after %d", k, i);
            }
        }
    }
    cr_assert_eq(cs_count(object), 5000);
    cr_assert_null(cs_object_get_text(object, "key-5000"));
    cs_value last = cs_entry(object, 0, NULL);
    for (uint32_t i = 1; i < 5000; i++) {
        cs_value key = cs_entry(object, i, NULL);
        cr_assert_lt(cs_compare(last, key), 0);
        last = key;
    }
    /* Sorting moved the entries; the index has followed. */
    for (int k = 0; k < 5000; k++) {
        const cs_value *v = cs_object_get(object, cs_string_printf(&arena, "key-%d", (k * 7919) % 5000));
        cr_assert(v != NULL && v->u.i == k);
    }
}

Test(table, adding_after_sorting_keeps_the_index)
{
    cs_value set = cs_set_new(&arena, 0);
    for (int i = 0; i < 300; i++) {
        cs_set_add(&arena, set, cs_int((i * 37) % 300));
        if (i % 50 == 0) {
            (void)cs_entry(set, 0, NULL);
        }
    }
    cr_assert_eq(cs_count(set), 300);
    for (uint32_t i = 0; i < 300; i++) {
        cr_assert(cs_set_has(set, cs_int(i)));
        cr_assert_eq(cs_entry(set, i, NULL).u.i, i);
        cr_assert_not(cs_set_add(&arena, set, cs_int(i)));
    }
}

Test(table, equal_numbers_are_one_key_and_the_first_spelling_stays)
{
    cs_value object = cs_object_new(&arena, 0);
    cs_object_put(&arena, object, number("1.0"), cs_int(10));
    cs_object_put(&arena, object, number("1"), cs_int(11));
    cs_object_put(&arena, object, number("1e0"), cs_int(12));
    expect_text(object, "{1.0: 12}");
    cs_value mixed[] = {number("2"),   number("1.50"), number("1.5"), number("-0"), number("0"),
                        number("0.0"), number("1e2"),  number("100"), number("2.0")};
    expect_text(set_of(mixed, sizeof mixed / sizeof mixed[0]), "{-0, 1.50, 2, 1e2}");
    cr_assert(cs_object_put_once(&arena, object, cs_int(1), number("12.0")));
    cr_assert_not(cs_object_put_once(&arena, object, cs_int(1), cs_int(13)));
}

Test(table, big_numbers_next_to_each_other_are_different_keys)
{
    cs_value items[] = {number("9007199254740992"),     number("9007199254740993"),
                        number("9007199254740992.0"),   number("18446744073709551616"),
                        number("18446744073709551617"), number("18446744073709551616.0")};
    cr_assert_eq(cs_count(set_of(items, sizeof items / sizeof items[0])), 4);
}

Test(table, order_of_kinds)
{
    cs_value pair[] = {cs_int(1), cs_int(2)};
    cs_value items[] = {set_of(pair, 2), json("{\"a\":1}"),     json("[1]"),    cs_string(CS_LIT("a")),
                        number("-1.5"),  cs_bool(true),         cs_bool(false), cs_null(),
                        json("[]"),      cs_set_new(&arena, 0), json("{}"),     cs_string(CS_LIT(""))};
    expect_text(set_of(items, sizeof items / sizeof items[0]),
                "{null, false, true, -1.5, \"\", \"a\", [], [1], {}, {\"a\": 1}, set(), {1, 2}}");
}

Test(table, order_of_objects_is_key_then_value_then_length)
{
    cr_assert_lt(cs_compare(json("{\"a\":1}"), json("{\"b\":0}")), 0);
    cr_assert_gt(cs_compare(json("{\"a\":1,\"c\":1}"), json("{\"a\":0,\"d\":1}")), 0);
    cr_assert_lt(cs_compare(json("{\"a\":1}"), json("{\"a\":1,\"b\":0}")), 0);
    cr_assert_lt(cs_compare(json("[1,2]"), json("[1,2,0]")), 0);
    cr_assert_eq(cs_compare(json("{\"b\":1,\"a\":[1.0]}"), json("{\"a\":[1],\"b\":1.0}")), 0);
}

Test(table, sets_of_sets)
{
    cs_value a[] = {cs_int(1), cs_int(2)};
    cs_value b[] = {cs_int(2), number("1.0")};
    cs_value sets[] = {set_of(a, 2), set_of(b, 2), cs_set_new(&arena, 0), set_of(a, 1)};
    cs_value outer = set_of(sets, 4);
    expect_text(outer, "{set(), {1}, {1, 2}}");
    cr_assert(cs_set_has(outer, set_of(b, 2)));
    cr_assert_eq(cs_hash(set_of(a, 2)), cs_hash(set_of(b, 2)));
}

Test(table, clone_does_not_touch_the_original)
{
    cs_value object = json("{\"a\":1,\"b\":2}");
    cs_value copy = cs_object_clone(&arena, object, 20);
    for (int i = 0; i < 20; i++) {
        cs_object_put(&arena, copy, cs_int(i), cs_null());
    }
    cs_object_put_text(&arena, copy, "a", cs_int(9));
    expect_text(object, "{\"a\": 1, \"b\": 2}");
    cr_assert_eq(cs_count(copy), 22);
    cr_assert_eq(cs_object_get_text(copy, "a")->u.i, 9);
}

Test(table, index_is_by_plain_integers_only)
{
    cs_value array = json("[10,20]");
    cr_assert_eq(cs_index(array, cs_int(1)).u.i, 20);
    cr_assert_eq(cs_index(array, number("1.0")).u.i, 20);
    cr_assert(cs_is_undefined(cs_index(array, number("1e0"))));
    cr_assert(cs_is_undefined(cs_index(array, number("-1"))));
    cr_assert(cs_is_undefined(cs_index(array, cs_int(2))));
    cr_assert(cs_is_undefined(cs_index(array, cs_string(CS_LIT("1")))));
    cr_assert(cs_is_undefined(cs_index(cs_int(1), cs_int(0))));
}

Test(table, frozen_copy_is_independent_sorted_and_equal)
{
    cs_arena world;
    cs_arena_init(&world, 0);
    cs_value v = json("{\"z\":{\"user\":\"alice\",\"n\":1.50},\"a\":[\"alice\",{\"user\":\"alice\"},[],{}],\"k1\":1,"
                      "\"k2\":2,\"k3\":3,\"k4\":4,\"k5\":5,\"k6\":6,\"k7\":7,\"k8\":8,\"k9\":9}");
    cs_value frozen = cs_freeze(&world, v);
    uint32_t hash = cs_hash(v);
    cs_value list = *cs_object_get_text(frozen, "a");
    cs_value user = *cs_object_get_text(*cs_object_get_text(frozen, "z"), "user");
    cr_assert_eq(list.u.items[0].u.s, user.u.s, "equal short strings are one copy");
    cs_arena_destroy(&arena);
    cs_arena_init(&arena, 0);
    cr_assert(frozen.u.table->frozen && frozen.u.table->sorted);
    cr_assert_eq(cs_hash(frozen), hash);
    expect_text(frozen, "{\"a\": [\"alice\", {\"user\": \"alice\"}, [], {}], \"k1\": 1, \"k2\": 2, \"k3\": 3, "
                        "\"k4\": 4, \"k5\": 5, \"k6\": 6, \"k7\": 7, \"k8\": 8, \"k9\": 9, "
                        "\"z\": {\"n\": 1.50, \"user\": \"alice\"}}");
    cs_arena_destroy(&world);
}

Test(table, many_strings_are_shared_when_frozen)
{
    cs_arena world;
    cs_arena_init(&world, 0);
    cs_value items[2000];
    for (int i = 0; i < 2000; i++) {
        items[i] = cs_string_printf(&arena, "name-%d", i % 700);
    }
    cs_value frozen = cs_freeze(&world, cs_array(items, 2000));
    for (uint32_t i = 0; i < 2000; i++) {
        cr_assert(cs_equal(frozen.u.items[i], items[i]));
        cr_assert_eq(frozen.u.items[i].u.s, frozen.u.items[i % 700].u.s);
    }
    cs_arena_destroy(&world);
}

Test(table, quoting_is_gos)
{
    expect_text(cs_string(CS_LIT("a\"\\\n\t\x01\x7f\x07\v")), "\"a\\\"\\\\\\n\\t\\x01\\x7f\\a\\v\"");
    expect_text(cs_string(CS_LIT("\xC3\xA9 \xF0\x9F\x98\x80 \xE2\x80\xA8 \xC2\xA0 \xFF")),
                "\"\xC3\xA9 \xF0\x9F\x98\x80 \\u2028 \\u00a0 \\xff\"");
    expect_text(cs_string(CS_LIT("\xF4\x8F\xBF\xBF")), "\"\\U0010ffff\"");
}
