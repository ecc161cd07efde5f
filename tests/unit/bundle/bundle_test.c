/* What the outside cannot reach: limits, patterns, names, package clauses, the words about overlapping roots. */
#include <criterion/criterion.h>

#include "bundle/internal.h"
#include "countersign/base/limits.h"
#include "countersign/json.h"

static cs_bundle_file file(const char *path, cs_slice bytes)
{
    return (cs_bundle_file){.path = cs_slice_of(path), .bytes = bytes, .written = CS_LIT("")};
}

static cs_err read_files(const cs_bundle_file *files, size_t n, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cr_assert_eq(cs_bundle_write(files, n, &bytes, e), CS_OK);
    cs_bundle_options options = {.name = CS_LIT("b"), .etag = CS_LIT(""), .rego_version = 1};
    cs_bundle *b = NULL;
    cs_err err = cs_bundle_read(cs_buf_view(&bytes), &options, &b, e);
    cs_bundle_free(b);
    cs_buf_destroy(&bytes);
    return err;
}

Test(bundle, path_patterns)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } rows[] = {
        {"*.rego", "a.rego", true},
        {"*.rego", "x/a.rego", false},
        {"x/*.rego", "x/a.rego", true},
        {".*", ".manifest", true},
        {".*", "a", false},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"[a-c]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"[", "[", false},
        {"[]", "]", false},
        {"", "", true},
        {"*", "", true},
        {"**", "ab", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"\xc3\xb6?", "\xc3\xb6\xc3\xa4", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(cs_bundle__path_match(cs_slice_of(rows[i].pattern), cs_slice_of(rows[i].name)), rows[i].match,
                     "%s against %s", rows[i].pattern, rows[i].name);
    }
}

Test(bundle, globs_of_file_versions)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"/a/*.rego", "/a/b.rego", true},
        {"/a/*.rego", "/a/b/c.rego", true},
        {"/a/b.rego", "/a/b.rego", true},
        {"*/{x,y}.rego", "/p/y.rego", true},
        {"*/{x,y}.rego", "/p/z.rego", false},
        {"/[!a].rego", "/b.rego", true},
        {"/{a,{b,c}d}.rego", "/cd.rego", true},
        {"/{a,{b,c}d}.rego", "/c.rego", false},
        {"**", "/x/y", true},
        {"/{a", "/{a", true},
        {"{}x", "x", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(cs_bundle__glob_match(cs_slice_of(rows[i].pattern), cs_slice_of(rows[i].text)), rows[i].match,
                     "%s against %s", rows[i].pattern, rows[i].text);
    }
}

Test(bundle, names_are_cleaned_as_go_does)
{
    static const char *const rows[][2] = {
        {"", "."},       {"/", "/"},       {"a//b", "a/b"}, {"./a", "a"},          {"/a/./b/", "/a/b"},
        {"a/../b", "b"}, {"../a", "../a"}, {"/../a", "/a"}, {"a/../../b", "../b"}, {"../../x/..", "../.."},
        {"a/..", "."},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_slice got = cs_bundle__clean(&a, cs_slice_of(rows[i][0]));
        cr_assert(cs_slice_is(got, rows[i][1]), "%s: %.*s", rows[i][0], CS_FMT(got));
    }
    cr_assert(cs_slice_is(cs_bundle_signed_name(&a, CS_LIT("/x/y/"), CS_LIT("a/b")), "x/y/a/b"));
    cr_assert(cs_slice_is(cs_bundle_signed_name(&a, CS_LIT("."), CS_LIT("a")), "a"));
    cs_bundle_module module = {.file = CS_LIT("/p.rego")};
    cr_assert(cs_slice_is(cs_bundle_module_id(&a, CS_LIT("file:///srv/b"), &module), "/srv/b/p.rego"));
    cr_assert(cs_slice_is(cs_bundle_module_id(&a, CS_LIT("authz"), &module), "authz/p.rego"));
    cs_arena_destroy(&a);
}

Test(bundle, package_clauses)
{
    static const struct {
        const char *text, *path; /* NULL: refused */
    } rows[] = {
        {"package a", "[\"a\"]"},
        {"# one\n\n  # two\npackage a.b_1.c # end\n", "[\"a\",\"b_1\",\"c\"]"},
        {"package a[\"b/c\"].d[ `e\\f` ]", "[\"a\",\"b/c\",\"d\",\"e\\\\f\"]"},
        {"\xef\xbb\xbfpackage a", "[\"a\"]"},
        {"package\n\n a", "[\"a\"]"},
        {"", NULL},
        {"# only\n", NULL},
        {"import a\npackage b", NULL},
        {"package", NULL},
        {"package a.", NULL},
        {"package a[1]", NULL},
        {"package a[\"b", NULL},
        {"package a[\"b\\", NULL},
        {"packages a", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_value path = cs_undefined();
        cs_error e = {0};
        cs_err err = cs_bundle__package(&a, CS_LIT("f.rego"), cs_slice_of(rows[i].text), &path, &e);
        cr_assert_eq(err, rows[i].path != NULL ? CS_OK : CS_ERR_REGO_PARSE, "%s", rows[i].text);
        if (err == CS_OK) {
            cs_buf text;
            cs_buf_init(&text);
            cs_json_write(&text, path, 0);
            cr_assert_str_eq(cs_buf_cstr(&text), rows[i].path);
            cs_buf_destroy(&text);
        } else {
            cr_assert(strncmp(e.text, "f.rego:", 7) == 0, "%s", e.text);
        }
        cs_arena_destroy(&a);
    }
}

Test(bundle, overlapping_roots_in_opas_words)
{
    static const cs_slice one[] = {{"a/b", 3}, {"x", 1}}, two[] = {{"a", 1}}, three[] = {{"a/b/c", 5}, {"x", 1}},
                          all[] = {{"", 0}}, near[] = {{"a/bc", 4}, {"ab", 2}};
    cs_error e = {0};
    cs_bundle_roots rows[] = {{CS_LIT("one"), one, 2}, {CS_LIT("two"), two, 1}, {CS_LIT("three"), three, 2}};
    cr_assert_eq(cs_bundles_check_roots(rows, 3, &e), CS_ERR_BUNDLE_ROOTS);
    cr_assert_str_eq(e.text,
                     "detected overlapping roots in manifests for these bundles: [one, three, two] (a overlaps a/b, a "
                     "overlaps a/b/c, a/b overlaps a/b/c, root x is in multiple bundles)");
    cs_bundle_roots apart[] = {{CS_LIT("one"), one, 2}, {CS_LIT("near"), near, 2}};
    cr_assert_eq(cs_bundles_check_roots(apart, 2, &e), CS_OK);
    cs_bundle_roots empty[] = {{CS_LIT("one"), one, 2}, {CS_LIT("all"), all, 1}};
    cr_assert_eq(cs_bundles_check_roots(empty, 2, &e), CS_ERR_BUNDLE_ROOTS);
    cr_assert_str_eq(
        e.text, "bundles [all, one] have overlapping roots and cannot be activated simultaneously because bundle(s) "
                "[all] specify empty root paths ('') which overlap with any other bundle root");
    cr_assert_eq(cs_bundles_check_roots(rows, 1, &e), CS_OK);
    cr_assert_eq(cs_bundles_check_roots(NULL, 0, &e), CS_OK);
    cr_assert(cs_bundle_roots_overlap(CS_LIT("a"), CS_LIT("a/b")) &&
              !cs_bundle_roots_overlap(CS_LIT("a"), CS_LIT("ab")));
}

Test(bundle, a_key_with_a_slash_is_one_key)
{
    cs_bundle_file files[] = {file(".manifest", CS_LIT("{\"roots\":[\"a/b\"]}")),
                              file("data.json", CS_LIT("{\"a/b\": 1}"))};
    cs_error e = {0};
    cr_assert_eq(read_files(files, 2, &e), CS_ERR_BUNDLE_INVALID);
}

Test(bundle, limits)
{
    cs_error e = {0};
    cs_bundle_file files[] = {file("a.txt", CS_LIT("0123456789")), file("b.txt", CS_LIT("0123456789")),
                              file("c.txt", CS_LIT(""))};
    cr_assert_eq(read_files(files, 3, &e), CS_OK);
    cr_assert(cs_limits_set("bundle_bytes", 9));
    cr_assert_eq(read_files(files, 3, &e), CS_ERR_LIMIT);
    cr_assert_str_eq(e.text, "bundle file 'a.txt' size (10 bytes) exceeded max size (9 bytes)");
    cr_assert(cs_limits_set("bundle_bytes", 10) && cs_limits_set("bundle_total_bytes", 19));
    cr_assert_eq(read_files(files, 3, &e), CS_ERR_LIMIT);
    cr_assert(cs_limits_set("bundle_total_bytes", 20) && cs_limits_set("bundle_files", 2));
    cr_assert_eq(read_files(files, 3, &e), CS_ERR_LIMIT);
    cr_assert_str_eq(e.text, "bundle has more than 2 files");
    cr_assert(cs_limits_set("bundle_files", 3) && cs_limits_set("bundle_archive_bytes", 20));
    cr_assert_eq(read_files(files, 3, &e), CS_ERR_LIMIT);
}

Test(bundle, deep_documents_are_refused)
{
    cs_buf deep;
    cs_buf_init(&deep);
    cs_buf_text(&deep, "{\"a\":");
    for (int i = 0; i < 100000; i++) {
        cs_buf_byte(&deep, '[');
    }
    cs_bundle_file files[] = {file("data.json", cs_buf_view(&deep)), file("x/data.yaml", cs_buf_view(&deep))};
    cs_error e = {0};
    cr_assert_eq(read_files(files, 1, &e), CS_ERR_BUNDLE_INVALID);
    cr_assert_eq(read_files(files + 1, 1, &e), CS_ERR_BUNDLE_INVALID);
    cs_buf_destroy(&deep);
}

Test(bundle, aliases_shared_by_two_places_stay_apart)
{
    cs_bundle_file files[] = {file("data.yaml", CS_LIT("a: &x {p: 1}\nb: *x\n")),
                              file("a/data.json", CS_LIT("{\"q\": 2}"))};
    cs_buf bytes;
    cs_buf_init(&bytes);
    cr_assert_eq(cs_bundle_write(files, 2, &bytes, NULL), CS_OK);
    cs_bundle *b = NULL;
    cs_bundle_options options = {.name = CS_LIT("b"), .etag = CS_LIT(""), .rego_version = 1};
    cr_assert_eq(cs_bundle_read(cs_buf_view(&bytes), &options, &b, NULL), CS_OK);
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, b->data, 0);
    cr_assert_str_eq(cs_buf_cstr(&text), "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1}}");
    cs_buf_destroy(&text);
    cs_buf_destroy(&bytes);
    cs_bundle_free(b);
}

Test(bundle, versions_of_single_files)
{
    cs_bundle_file files[] = {
        file(".manifest", CS_LIT("{\"rego_version\":0,\"file_rego_versions\":{\"/n/*.rego\":1,\"/n/old.rego\":0}}")),
        file("a.rego", CS_LIT("package a")), file("n/b.rego", CS_LIT("package n")),
        file("n/old.rego", CS_LIT("package n"))};
    cs_buf bytes;
    cs_buf_init(&bytes);
    cr_assert_eq(cs_bundle_write(files, 4, &bytes, NULL), CS_OK);
    cs_bundle *b = NULL;
    cs_bundle_options options = {.name = CS_LIT("b"), .etag = CS_LIT(""), .rego_version = 1};
    cr_assert_eq(cs_bundle_read(cs_buf_view(&bytes), &options, &b, NULL), CS_OK);
    cr_assert_eq(b->n_modules, 3);
    cr_assert_eq(b->modules[0].rego_version, 0);
    cr_assert_eq(b->modules[1].rego_version, 1);
    /* Patterns are tried in the order of their texts. */
    cr_assert_eq(b->modules[2].rego_version, 1);
    cs_bundle_free(b);
    cs_buf_destroy(&bytes);
}

Test(bundle, long_and_strange_names_survive)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf name;
    cs_buf_init(&name);
    for (int i = 0; i < 40; i++) {
        cs_buf_text(&name, "a-long-folder-name/");
    }
    cs_buf_text(&name, "\xc3\xb6\xe2\x82\xac.txt");
    cs_bundle_file files[] = {file(cs_buf_cstr(&name), CS_LIT("x"))};
    cs_buf bytes;
    cs_buf_init(&bytes);
    cr_assert_eq(cs_bundle_write(files, 1, &bytes, NULL), CS_OK);
    cs_bundle *b = NULL;
    cs_error e = {0};
    cs_bundle_options options = {.name = CS_LIT("b"), .etag = CS_LIT(""), .rego_version = 1};
    cr_assert_eq(cs_bundle_read(cs_buf_view(&bytes), &options, &b, &e), CS_OK, "%s", e.text);
    cr_assert(cs_slice_eq(b->files[0].path, cs_buf_view(&name)));
    cs_bundle_free(b);
    cs_buf_destroy(&bytes);
    cs_buf_destroy(&name);
    cs_arena_destroy(&a);
}
