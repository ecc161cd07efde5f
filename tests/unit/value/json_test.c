/* JSON at its edges: escapes, surrogates, bad UTF-8, duplicates, truncation at every byte, depth, memory; and writing.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/limits.h"
#include "countersign/json.h"
#include "countersign/number.h"

static cs_arena arena;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(json, .init = start, .fini = stop);

/* Reads a copy that ends where the text ends, so that a byte too far is caught. */
static cs_err read_exact(const char *text, size_t n, bool borrow, cs_value *out, cs_error *e)
{
    char *copy = malloc(n == 0 ? 1 : n);
    memcpy(copy, text, n);
    cs_err err = cs_json_read(&arena, (cs_slice){copy, n}, &(cs_json_options){.borrow = borrow}, out, NULL, e);
    if (err == CS_OK && borrow) {
        *out = cs_freeze(&arena, *out);
    }
    free(copy);
    return err;
}

static void round_trip(const char *text, const char *want)
{
    for (int borrow = 0; borrow < 2; borrow++) {
        cs_value v;
        cs_error e;
        cr_assert_eq(read_exact(text, strlen(text), borrow != 0, &v, &e), CS_OK, "%s: %s", text, e.text);
        cs_buf out;
        cs_buf_init(&out);
        cs_json_write(&out, v, CS_JSON_HTML);
        cr_assert_str_eq(cs_buf_cstr(&out), want);
        cs_buf_destroy(&out);
    }
}

static void refused(const char *text, const char *message, uint32_t row, uint32_t col)
{
    cs_value v;
    cs_error e;
    cr_assert_eq(read_exact(text, strlen(text), true, &v, &e), CS_ERR_SYNTAX, "%s", text);
    cr_assert_str_eq(e.text, message);
    cr_assert(e.row == row && e.col == col, "%s: %u:%u", text, e.row, e.col);
}

Test(json, strings)
{
    round_trip("\"\\u00e9\\n\\/\\b\\f\\r\\t\\\"\\\\\"", "\"\xC3\xA9\\n/\\b\\f\\r\\t\\\"\\\\\"");
    round_trip("\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"");
    round_trip("\"\\ud83d\"", "\"\xEF\xBF\xBD\"");
    round_trip("\"\\ude00x\"", "\"\xEF\xBF\xBDx\"");
    round_trip("\"\\ud800\\u0041\"", "\"\xEF\xBF\xBD"
                                     "A\"");
    round_trip("\"\\ud800\\ud800\\udc00\"", "\"\xEF\xBF\xBD\xF0\x90\x80\x80\"");
    round_trip("\"a\xFF\xC3\"", "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
    round_trip("\"\xED\xA0\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    round_trip("\"<&>\xE2\x80\xA8\"", "\"\\u003c\\u0026\\u003e\\u2028\"");
    round_trip("\"\\u0000\\u001f\x7F\"", "\"\\u0000\\u001f\x7F\"");
    round_trip("\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"",
               "\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"");
}

Test(json, numbers_keep_their_text)
{
    round_trip("[1.50,-0,0.0,1E5,-1e-7,123456789012345678901234567890,9223372036854775807,-9223372036854775808]",
               "[1.50,-0,0.0,1E5,-1e-7,123456789012345678901234567890,9223372036854775807,-9223372036854775808]");
}

Test(json, of_equal_keys_the_last_wins)
{
    round_trip("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
    round_trip("{\"a\":1,\"\\u0061\":{\"x\":1,\"x\":2}}", "{\"a\":{\"x\":2}}");
    round_trip("{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8,\"j\":9,\"a\":10,\"j\":11}",
               "{\"a\":10,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8,\"j\":11}");
}

Test(json, errors_have_gos_words_and_the_place)
{
    refused("", "EOF", 1, 1);
    refused(" \n ", "EOF", 2, 2);
    refused("{", "unexpected EOF", 1, 2);
    refused("{\"a\": }", "invalid character '}' looking for beginning of value", 1, 7);
    refused("{\"a\" 1}", "invalid character '1' after object key", 1, 6);
    refused("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair", 1, 8);
    refused("{'a':1}", "invalid character '\\'' looking for beginning of object key string", 1, 2);
    refused("[1,]", "invalid character ']' looking for beginning of value", 1, 4);
    refused("[1 2]", "invalid character '2' after array element", 1, 4);
    refused("[01]", "invalid character '1' after array element", 1, 3);
    refused("[1.]", "invalid character ']' after decimal point in numeric literal", 1, 4);
    refused("[1e]", "invalid character ']' in exponent of numeric literal", 1, 4);
    refused("[-]", "invalid character ']' in numeric literal", 1, 3);
    refused("[tru]", "invalid character ']' in literal true (expecting 'e')", 1, 5);
    refused("nope", "invalid character 'o' in literal null (expecting 'u')", 1, 2);
    refused("\"\\x\"", "invalid character 'x' in string escape code", 1, 3);
    refused("\"\\u12\"", "invalid character '\"' in \\u hexadecimal character escape", 1, 6);
    refused("\"a\tb\"", "invalid character '\\t' in string literal", 1, 3);
    refused("\x1F", "invalid character '\\x1f' looking for beginning of value", 1, 1);
    refused("\xEF\xBB\xBF{}", "invalid character '\xC3\xAF' looking for beginning of value", 1, 1);
    refused("{}\n\n  x", "invalid character 'x' after top-level value", 3, 3);
    refused("[\"\xC3\xA9\",\n \"\xC3\xA9\" x]", "invalid character 'x' after array element", 2, 6);
}

Test(json, every_truncation_is_an_error)
{
    const char *text =
        "{\"a\":[1.5e3,-0,true,false,null,\"\\u00e9\\ud83d\\ude00x\xC3\xA9\"],\"b\":{\"c\":{}},\"d\":[]}";
    size_t n = strlen(text);
    cs_value v;
    cs_error e;
    for (int borrow = 0; borrow < 2; borrow++) {
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(read_exact(text, i, borrow != 0, &v, &e), CS_ERR_SYNTAX, "%zu", i);
            cr_assert_str_eq(e.text, i == 0 ? "EOF" : "unexpected EOF");
        }
        cr_assert_eq(read_exact(text, n, borrow != 0, &v, &e), CS_OK);
    }
}

Test(json, prefix_stops_behind_the_value)
{
    cs_value v;
    size_t used = 0;
    cs_json_options options = {.prefix = true};
    cr_assert_eq(cs_json_read(&arena, CS_LIT(" {\"a\":1} {\"b\":2}"), &options, &v, &used, NULL), CS_OK);
    cr_assert_eq(used, 8);
    cr_assert_eq(cs_json_read(&arena, CS_LIT("12x"), &options, &v, &used, NULL), CS_OK);
    cr_assert(used == 2 && v.u.i == 12);
}

Test(json, depth_is_bounded)
{
    const int most = (int)cs_limits_get()->json_depth;
    cs_value v;
    cs_error e;
    for (int object = 0; object < 2; object++) {
        cs_buf text;
        cs_buf_init(&text);
        for (int i = 0; i < most; i++) {
            cs_buf_text(&text, object != 0 ? "{\"a\":" : "[");
        }
        size_t inner = text.n;
        cs_buf_text(&text, "1");
        for (int i = 0; i < most; i++) {
            cs_buf_byte(&text, object != 0 ? '}' : ']');
        }
        cr_assert_eq(cs_json_read(&arena, cs_buf_view(&text), NULL, &v, NULL, &e), CS_OK);
        cr_assert(cs_equal(v, cs_freeze(&arena, v)));
        text.n = inner;
        cs_buf_text(&text, object != 0 ? "{\"a\":" : "[");
        cr_assert_eq(cs_json_read(&arena, cs_buf_view(&text), NULL, &v, NULL, &e), CS_ERR_LIMIT);
        cr_assert_str_eq(e.text, object != 0 ? "invalid character '{' exceeded max depth"
                                             : "invalid character '[' exceeded max depth");
        cs_buf_destroy(&text);
    }
    cs_json_options shallow = {.max_depth = 2};
    cr_assert_eq(cs_json_read(&arena, CS_LIT("[[1]]"), &shallow, &v, NULL, &e), CS_OK);
    cr_assert_eq(cs_json_read(&arena, CS_LIT("[[[1]]]"), &shallow, &v, NULL, &e), CS_ERR_LIMIT);
}

Test(json, memory_is_bounded)
{
    cs_arena small;
    cs_arena_init(&small, 4096);
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_byte(&text, '[');
    for (int i = 0; i < 10000; i++) {
        cs_buf_text(&text, "[1,2,3],");
    }
    cs_buf_text(&text, "\"\\u00e9\"]");
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_json_read(&small, cs_buf_view(&text), NULL, &v, NULL, &e), CS_ERR_MEMORY);
    cr_assert_lt(cs_arena_used(&small), 65536);
    cs_buf_destroy(&text);
    cs_arena_destroy(&small);
}

Test(json, numbers_too_big_are_refused)
{
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, CS_LIT("{\"a\":\n [1e99999]}"), NULL, &v, NULL, &e), CS_ERR_LIMIT);
    cr_assert_str_eq(e.text, "invalid number: number too big");
    cr_assert(e.row == 2 && e.col == 3);
}

Test(json, wide_objects)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_byte(&text, '{');
    for (int i = 0; i < 3000; i++) {
        cs_buf_printf(&text, "%s\"k%d\":%d", i == 0 ? "" : ",", i % 2500, i);
    }
    cs_buf_byte(&text, '}');
    cs_value v;
    cr_assert_eq(cs_json_read(&arena, cs_buf_view(&text), NULL, &v, NULL, NULL), CS_OK);
    cr_assert_eq(cs_count(v), 2500);
    for (int i = 0; i < 2500; i++) {
        const cs_value *found = cs_object_get(v, cs_string_printf(&arena, "k%d", i));
        cr_assert(found != NULL && found->u.i == (i < 500 ? i + 2500 : i));
    }
    cs_buf_destroy(&text);
}

static void written(cs_value v, unsigned flags, const char *want)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_json_write(&out, v, flags);
    cr_assert_str_eq(cs_buf_cstr(&out), want);
    cs_buf_destroy(&out);
}

Test(json, writes_pretty_and_keys_that_are_not_strings)
{
    cs_value v;
    cr_assert_eq(cs_json_read(&arena, CS_LIT("{\"b\":[1,{}],\"a\":{\"x\":[]}}"), NULL, &v, NULL, NULL), CS_OK);
    written(v, CS_JSON_PRETTY, "{\n  \"a\": {\n    \"x\": []\n  },\n  \"b\": [\n    1,\n    {}\n  ]\n}");
    written(v, CS_JSON_PRETTY | CS_JSON_TAB, "{\n\t\"a\": {\n\t\t\"x\": []\n\t},\n\t\"b\": [\n\t\t1,\n\t\t{}\n\t]\n}");
    cs_value one = cs_int(1);
    cs_value odd = cs_object_new(&arena, 0);
    cs_object_put(&arena, odd, cs_array(&one, 1), cs_int(2));
    cs_object_put(&arena, odd, cs_int(10), cs_int(3));
    cs_object_put_text(&arena, odd, "5", cs_int(4));
    cs_object_put(&arena, odd, cs_bool(true), cs_int(5));
    written(odd, 0, "{\"10\":3,\"5\":4,\"[1]\":2,\"true\":5}");
    cs_value set = cs_set_new(&arena, 0);
    cs_set_add(&arena, set, cs_string(CS_LIT("b")));
    cs_set_add(&arena, set, cs_int(7));
    written(set, 0, "[7,\"b\"]");
}

Test(json, canonical_form)
{
    struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"{\"b\":1.50,\"a\":1.0}", "{\"a\":1,\"b\":1.5}"},
        {"[1e2,100.00,-0,0.000,1e21,1e20,0.000001,1e-7,123.456e3,0.1e1,12345678901234567890.5]",
         "[100,100,0,0,1e+21,100000000000000000000,0.000001,1e-7,123456,1,12345678901234567890.5]"},
        {"[1.5e300,-2.50e-10]", "[1.5e+300,-2.5e-10]"},
        {"\"<\xE2\x80\xA8\\u0007\\n\"", "\"<\xE2\x80\xA8\\u0007\\n\""},
        /* UTF-16 order: the emoji (a surrogate pair) before U+FB33. */
        {"{\"\xEF\xAC\xB3\":1,\"\xF0\x9F\x98\x82\":2,\"\xC3\xB6\":3,\"1\":4}",
         "{\"1\":4,\"\xC3\xB6\":3,\"\xF0\x9F\x98\x82\":2,\"\xEF\xAC\xB3\":1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cs_value v;
        cr_assert_eq(cs_json_read(&arena, cs_slice_of(cases[i].text), NULL, &v, NULL, NULL), CS_OK);
        cs_buf out;
        cs_buf_init(&out);
        cs_json_write_canonical(&out, v);
        cr_assert_str_eq(cs_buf_cstr(&out), cases[i].want);
        cs_buf_destroy(&out);
    }
}

/* Every place of texts of every length around the widths that are looked at together, and each byte that is special. */
Test(json, escapes_anywhere)
{
    static const char *const special[][3] = {
        /* the byte, plain and canonical, HTML */
        {"\"", "\\\"", "\\\""},   {"\\", "\\\\", "\\\\"}, {"\n", "\\n", "\\n"},  {"\x1f", "\\u001f", "\\u001f"},
        {"\x7f", "\x7f", "\x7f"}, {"<", "<", "\\u003c"},  {">", ">", "\\u003e"}, {"&", "&", "\\u0026"},
        {"=", "=", "="},          {" ", " ", " "},        {"!", "!", "!"},
    };
    for (size_t n = 1; n < 70; n++) {
        char *text = malloc(n);
        for (size_t k = 0; k < sizeof special / sizeof *special; k++) {
            for (size_t at = 0; at < n; at++) {
                memset(text, 'x', n);
                text[at] = special[k][0][0];
                for (int html = 0; html < 2; html++) {
                    char want[100];
                    int length = snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, text, special[k][1 + html],
                                          (int)(n - at - 1), text + at + 1);
                    cs_buf out;
                    cs_buf_init(&out);
                    cs_json_write(&out, cs_string((cs_slice){text, n}), html != 0 ? CS_JSON_HTML : 0);
                    cr_assert(out.n == (size_t)length && memcmp(out.p, want, out.n) == 0, "%s", want);
                    cs_buf_destroy(&out);
                }
            }
        }
        free(text);
    }
}

/* Small objects are ordered by the first bytes of their keys; the ends of short keys count as well. */
Test(json, order_of_keys)
{
    static const char *const keys[] = {"",      "a", "aa", "aaaaaaaa", "aaaaaaaaa", "aaaaaaaab",
                                       "aaaab", "b", "ba", "\xC3\xB6", "z"};
    static const char *const want =
        "{\"\":0,\"a\":1,\"aa\":2,\"aaaaaaaa\":3,\"aaaaaaaaa\":4,\"aaaaaaaab\":5,\"aaaab\":6,"
        "\"b\":7,\"ba\":8,\"z\":10,\"\xC3\xB6\":9}";
    size_t n = sizeof keys / sizeof *keys;
    for (size_t turn = 0; turn < n; turn++) {
        for (int canonical = 0; canonical < 2; canonical++) {
            cs_value object = cs_object_new(&arena, 0);
            for (size_t i = 0; i < n; i++) {
                size_t k = (i * 7 + turn) % n;
                cs_object_put_text(&arena, object, keys[k], cs_int((int64_t)k));
            }
            cs_buf out;
            cs_buf_init(&out);
            if (canonical != 0) {
                cr_assert(cs_json_write_canonical(&out, object));
            } else {
                cs_json_write(&out, object, 0);
            }
            cr_assert_str_eq(cs_buf_cstr(&out), want);
            cs_buf_destroy(&out);
        }
    }
}

/* Is the canonical text what cs_json_write gives? */
Test(json, common_texts)
{
    static const struct {
        const char *text;
        bool same, common;
    } cases[] = {
        {"{\"a\":[1,2.5,true],\"b\":\"x\"}", true, true}, {"[1.50]", false, true},         {"[1e2]", false, true},
        {"[\"0123456789abcdef<\"]", true, false},         {"[\"\xC3\xB6\"]", true, false}, {"[\"&\"]", true, false},
        {"[\">0123456789abcdef\"]", true, false},         {"[\"\\n\"]", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cs_value v;
        cr_assert_eq(cs_json_read(&arena, cs_slice_of(cases[i].text), NULL, &v, NULL, NULL), CS_OK);
        cs_buf out, other;
        cs_buf_init(&out);
        cs_buf_init(&other);
        cr_assert_eq(cs_json_write_canonical(&out, v), cases[i].same, "%s", cases[i].text);
        cr_assert_eq(cs_json_is_common(cs_buf_view(&out)), cases[i].common, "%s", cases[i].text);
        cs_json_write(&other, v, CS_JSON_HTML);
        cr_assert_eq(cs_slice_eq(cs_buf_view(&out), cs_buf_view(&other)),
                     (cases[i].same && cases[i].common) || strcmp(cases[i].text, "[\"\xC3\xB6\"]") == 0);
        cs_buf_destroy(&out);
        cs_buf_destroy(&other);
    }
}
