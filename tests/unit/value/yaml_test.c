/* YAML: plain scalars, keys, merges, anchors and their bounds, errors; and what is written can be read. */
#include <criterion/criterion.h>

#include "countersign/base/limits.h"
#include "countersign/base/thread.h"
#include "countersign/json.h"
#include "countersign/yaml.h"

static cs_arena arena;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(yaml, .init = start, .fini = stop);

static void reads(const char *text, const char *want)
{
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_yaml_read(&arena, cs_slice_of(text), &v, &e), CS_OK, "%s: %s", text, e.text);
    cs_buf out;
    cs_buf_init(&out);
    cs_json_write(&out, v, 0);
    cr_assert_str_eq(cs_buf_cstr(&out), want);
    cs_buf_destroy(&out);
}

static void refuses(const char *text, cs_err code, const char *message)
{
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_yaml_read(&arena, cs_slice_of(text), &v, &e), code, "%s", text);
    cr_assert_str_eq(e.text, message);
}

Test(yaml, plain_scalars)
{
    reads("[yes, no, on, off, y, n]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]");
    reads("[true, True, FALSE, tRUE, ~, null, Null, nULL, ]", "[true,true,false,\"tRUE\",null,null,null,\"nULL\"]");
    reads("[0x10, 0o17, 017, 08, 0b101, 1_000, -0x1F, +5]", "[16,15,15,8,5,1000,-31,5]");
    reads("[1.50, 1e3, .5, -.5, 1., 1e400, 1e21, 0.1e-7]", "[1.5,1000,0.5,-0.5,1,\"1e400\",1e+21,1e-8]");
    reads("[18446744073709551615, 18446744073709551616, -9223372036854775809]",
          "[18446744073709551615,18446744073709552000,-9223372036854776000]");
    reads("[2024-01-01, 12:30:45, 2001-12-14t21:59:43.10-05:00]",
          "[\"2024-01-01\",\"12:30:45\",\"2001-12-14t21:59:43.10-05:00\"]");
    reads("['1', \"true\", !!str 12, !!int \"7\", !!float 5, !!binary aGk=, !foo bar]",
          "[\"1\",\"true\",\"12\",7,5,\"hi\",\"bar\"]");
}

Test(yaml, documents)
{
    reads("", "null");
    reads("# nothing\n", "null");
    reads("a: 1\n---\nb: 2\n", "{\"a\":1}");
    refuses("a: 1\n---\n  a:\nb: 1\n", CS_ERR_SYNTAX, "yaml: line 3: did not find expected <document start>");
}

Test(yaml, keys)
{
    reads("1: a\n1.5: b\ntrue: c\n0x10: d\n1e6: e\n",
          "{\"1\":\"a\",\"1.5\":\"b\",\"16\":\"d\",\"1e+06\":\"e\",\"true\":\"c\"}");
    reads("a: 1\nb: 2\na: 3\n", "{\"a\":3,\"b\":2}");
    reads("&k key: 1\nx: *k\n*k : 2\n", "{\"key\":2,\"x\":\"key\"}");
    refuses("~: 1", CS_ERR_SYNTAX, "yaml: line 1: unsupported map key: null");
    refuses("[1]: 1", CS_ERR_SYNTAX, "yaml: line 1: invalid map key");
}

Test(yaml, merges)
{
    reads("base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n", "{\"base\":{\"x\":1,\"y\":2},\"d\":{\"x\":1,\"y\":3}}");
    reads("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc:\n  <<: [*a, *b]\n",
          "{\"a\":{\"x\":1},\"b\":{\"x\":2,\"z\":3},\"c\":{\"x\":1,\"z\":3}}");
    reads("\"<<\": 1", "{\"<<\":1}");
    refuses("<<: 3", CS_ERR_SYNTAX, "yaml: line 1: map merge requires map or sequence of maps as the value");
}

Test(yaml, anchors_are_bounded)
{
    refuses("a: *nope", CS_ERR_SYNTAX, "yaml: line 1: unknown anchor 'nope' referenced");
    refuses("&x [*x]", CS_ERR_SYNTAX, "yaml: line 1: anchor 'x' value contains itself");
    cs_buf bomb;
    cs_buf_init(&bomb);
    cs_buf_text(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 30; i++) {
        cs_buf_printf(&bomb, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            cs_buf_printf(&bomb, "%s*a%d", k == 0 ? "" : ", ", i - 1);
        }
        cs_buf_text(&bomb, "]\n");
    }
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_yaml_read(&arena, cs_buf_view(&bomb), &v, &e), CS_ERR_LIMIT);
    cr_assert_str_eq(e.text, "yaml: line 5: document contains excessive aliasing");
    cr_assert_lt(cs_arena_used(&arena), 1000000);
    cs_buf_destroy(&bomb);
}

Test(yaml, depth_is_bounded)
{
    cs_thread_grow_main();
    cs_buf deep;
    cs_buf_init(&deep);
    const int most = (int)cs_limits_get()->json_depth;
    for (int i = 0; i < most + 1; i++) {
        cs_buf_byte(&deep, '[');
    }
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_yaml_read(&arena, cs_buf_view(&deep), &v, &e), CS_ERR_LIMIT);
    cs_buf_clear(&deep);
    for (int i = 0; i < most + 1; i++) {
        cs_buf_text(&deep, "- ");
    }
    cr_assert_eq(cs_yaml_read(&arena, cs_buf_view(&deep), &v, &e), CS_ERR_LIMIT);
    cs_buf_destroy(&deep);
}

Test(yaml, every_truncation_ends_well)
{
    const char *text =
        "a: &x [1, \"q\\n\", 'it''s', {b: c}]\nd: |\n  lit\n  eral\ne: *x\n<<: {f: 0x10}\n? g\n: - h\n  - i\n";
    for (size_t i = 0; i <= strlen(text); i++) {
        cs_value v;
        cs_error e;
        cs_err err = cs_yaml_read(&arena, (cs_slice){text, i}, &v, &e);
        cr_assert(err == CS_OK || (err == CS_ERR_SYNTAX && e.row > 0), "%zu", i);
    }
}

static void writes(const char *json, const char *want)
{
    cs_value v;
    cs_value back;
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(json), NULL, &v, NULL, &e), CS_OK, "%s", e.text);
    cs_buf out;
    cs_buf_init(&out);
    cs_yaml_write(&out, v);
    cr_assert_str_eq(cs_buf_cstr(&out), want);
    cr_assert_eq(cs_yaml_read(&arena, cs_buf_view(&out), &back, &e), CS_OK, "%s", e.text);
    cr_assert(cs_equal(v, back), "%s", want);
    cs_buf_destroy(&out);
}

Test(yaml, what_is_written_is_read_back)
{
    writes("{\"b\":[1,{\"c\":2,\"d\":[[3],[]]}],\"a\":{}}",
           "a: {}\nb:\n  - 1\n  - c: 2\n    d:\n      - - 3\n      - []\n");
    writes("[\"yes\",\"1\",\"\",\"null\",\"a: b\",\" a\",\"#\",\"it's\",\"-\",\"2024-01-01\",\"1:30\"]",
           "- \"yes\"\n- \"1\"\n- \"\"\n- \"null\"\n- 'a: b'\n- ' a'\n- '#'\n- it's\n- '-'\n- \"2024-01-01\"\n- "
           "\"1:30\"\n");
    writes("{\"t\":\"a\\nb\\n\",\"u\":\"\\n\",\"v\":\" x\\ny\",\"w\":\"a\\tb\"}",
           "t: |\n  a\n  b\nu: |2+\n\nv: |2-\n   x\n  y\nw: \"a\\tb\"\n");
    writes("{\"a10\":1,\"a9\":2,\"a\\nb\":[1]}", "? |-\n  a\n  b\n: - 1\na9: 2\na10: 1\n");
    writes("\"text\"", "text\n");
    writes("1.50", "1.5\n");
    writes("[1e21,1234567.5,100.0]", "- 1e+21\n- 1.2345675e+06\n- 100\n");
}
