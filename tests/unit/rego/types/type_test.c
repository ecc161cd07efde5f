/* The lattice of types against what OPA's v1/types answers. */
#include <criterion/criterion.h>

#include "rego/types/type.h"

static cs_arena arena;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(type, .init = start, .fini = stop);

static const cs_type *type(const char *text)
{
    return cs_type_parse(&arena, text);
}

static const char *shown(const cs_type *t)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_type_print(&out, t);
    const char *copy = cs_arena_dup(&arena, out.p, out.n);
    cs_buf_destroy(&out);
    return copy;
}

static const char *either(const char *x, const char *y)
{
    return shown(cs_type_or(&arena, type(x), type(y)));
}

Test(type, prints_what_it_parsed)
{
    static const char *const texts[] = {"any",
                                        "any<number, string>",
                                        "array[any]",
                                        "array<number, string>[boolean]",
                                        "array<boolean, array[object[any: any]]>",
                                        "object<a: string, b: number>[any: any]",
                                        "object[string: set[number]]",
                                        "set[any<null, boolean>]",
                                        "null"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_expect_str_eq(shown(type(texts[i])), texts[i]);
    }
    cr_expect_str_eq(shown(type("[boolean, string]")), "array<boolean, string>");
    cr_expect_str_eq(shown(type("(x: number, string) -> y: boolean")), "(number, string) => boolean");
    cr_expect_str_eq(shown(type("(any...)")), "(any...) => ???");
    cr_expect_str_eq(shown(NULL), "???");
}

Test(type, unions_are_sorted_and_merged)
{
    cr_expect_str_eq(either("string", "number"), "any<number, string>");
    cr_expect_str_eq(either("string", "string"), "string");
    cr_expect_str_eq(either("any<null, string>", "number"), "any<null, number, string>");
    cr_expect_str_eq(either("any<null, string>", "any<boolean, string>"), "any<null, boolean, string>");
    cr_expect_str_eq(either("any", "string"), "any");
    cr_expect_str_eq(either("array[any]", "set[any]"), "any<array[any], set[any]>");
    cr_expect_str_eq(shown(cs_type_or(&arena, NULL, type("string"))), "string");
    cr_expect_null(cs_type_or(&arena, type("(any) -> any"), type("string")));
    cr_expect_str_eq(either("(string) -> number", "(number) -> number"), "(any<number, string>) => number");
    cr_expect_null(cs_type_or(&arena, type("(any) -> any"), type("(any, any) -> any")));
}

Test(type, contains)
{
    cr_expect(cs_type_contains(type("any"), type("string")));
    cr_expect(cs_type_contains(type("any<number, string>"), type("string")));
    cr_expect_not(cs_type_contains(type("any<number, string>"), type("null")));
    cr_expect_not(cs_type_contains(type("any"), type("(any) -> any")));
    cr_expect(cs_type_contains(type("array[any]"), type("array[any]")));
    cr_expect_not(cs_type_contains(type("array[any]"), type("array[number]")));
}

Test(type, selects_by_key)
{
    cs_value a = cs_string(CS_LIT("a")), z = cs_string(CS_LIT("z"));
    const cs_type *object = type("object<a: number>[string: boolean]");
    cr_expect_str_eq(shown(cs_type_select(&arena, object, a)), "number");
    cr_expect_str_eq(shown(cs_type_select(&arena, object, z)), "boolean");
    cr_expect_null(cs_type_select(&arena, object, cs_int(1)));
    cr_expect_null(cs_type_select(&arena, type("object<a: number>"), z));
    cr_expect_str_eq(shown(cs_type_select(&arena, type("array<null>[string]"), cs_int(0))), "null");
    cr_expect_str_eq(shown(cs_type_select(&arena, type("array<null>[string]"), cs_int(5))), "string");
    cr_expect_null(cs_type_select(&arena, type("array<null>"), cs_int(1)));
    cr_expect_null(cs_type_select(&arena, type("array[any]"), a));
    cr_expect_str_eq(shown(cs_type_select(&arena, type("set[string]"), a)), "string");
    cr_expect_null(cs_type_select(&arena, type("set[string]"), cs_int(1)));
    cr_expect_str_eq(shown(cs_type_select(&arena, type("any<array[number], object[string: null]>"), a)), "null");
    cr_expect_null(cs_type_select(&arena, type("string"), a));
    cr_expect_str_eq(shown(cs_type_select(&arena, type("any"), a)), "any");
}

Test(type, keys_and_values)
{
    const cs_type *object = type("object<a: number>[number: boolean]");
    cr_expect_str_eq(shown(cs_type_keys(&arena, object)), "any<number, string>");
    cr_expect_str_eq(shown(cs_type_values(&arena, object)), "any<boolean, number>");
    cr_expect_str_eq(shown(cs_type_keys(&arena, type("array[string]"))), "number");
    cr_expect_str_eq(shown(cs_type_values(&arena, type("array<null>[string]"))), "any<null, string>");
    cr_expect_str_eq(shown(cs_type_values(&arena, type("set[string]"))), "string");
    cr_expect_null(cs_type_keys(&arena, type("string")));
    cr_expect_str_eq(shown(cs_type_keys(&arena, type("any"))), "any");
}

Test(type, of_values)
{
    cs_value object = cs_object_new(&arena, 0), set = cs_set_new(&arena, 0), pair[] = {cs_int(1), cs_null()};
    cs_set_add(&arena, set, cs_int(1));
    cs_set_add(&arena, set, cs_string(CS_LIT("x")));
    cs_object_put_text(&arena, object, "b", cs_array(pair, 2));
    cs_object_put_text(&arena, object, "a", set);
    cr_expect_str_eq(shown(cs_type_of(&arena, object)), "object<a: set[any<number, string>], b: array<number, null>>");
}

Test(type, json)
{
    cs_value v = cs_type_to_json(
        &arena, type("(x: any<null, string>, object<a: number>[any: set[any]]) -> y: array<boolean>[any]"));
    cs_buf out;
    cs_buf_init(&out);
    cs_value_print(&out, v);
    cr_expect_str_eq(
        cs_buf_cstr(&out),
        "{\"args\": [{\"name\": \"x\", \"of\": [{\"type\": \"null\"}, {\"type\": \"string\"}], \"type\": \"any\"}, "
        "{\"dynamic\": {\"key\": {\"type\": \"any\"}, \"value\": {\"of\": {\"type\": \"any\"}, \"type\": \"set\"}}, "
        "\"static\": [{\"key\": \"a\", \"value\": {\"type\": \"number\"}}], \"type\": \"object\"}], "
        "\"result\": {\"dynamic\": {\"type\": \"any\"}, \"name\": \"y\", \"static\": [{\"type\": \"boolean\"}], "
        "\"type\": \"array\"}, \"type\": \"function\"}");
    cs_buf_destroy(&out);
}
