/* Routing as Go's router does it. */
#include <criterion/criterion.h>

#include "server/internal.h"

Test(routes, as_go_routes)
{
    static const struct {
        const char *method, *path;
        cs_server__found found;
        const char *rest; /* or the clean path */
    } cases[] = {
        {"GET", "/v1/data", CS_FOUND, ""},
        {"GET", "/v1/data/", CS_FOUND, ""},
        {"POST", "/v1/data/a/b%2Fc", CS_FOUND, "a/b%2Fc"},
        {"POST", "/v1/d%61ta/a", CS_FOUND, "a"},
        {"GET", "/v1/data%2Fa", CS_FOUND_NOTHING, ""},
        {"GET", "/v1/datax", CS_FOUND_NOTHING, ""},
        {"DELETE", "/v1/data", CS_FOUND_METHOD, ""},
        {"GET", "//v1/data", CS_FOUND_CLEAN, "/v1/data"},
        {"GET", "/a/../v1/./data//x/", CS_FOUND_CLEAN, "/v1/data/x/"},
        {"GET", "/../..", CS_FOUND_CLEAN, "/"},
        {"GET", "/v1/compile", CS_FOUND_CLEAN, "/v1/compile/"},
        {"PUT", "/v1/authz/envoy//a/../b", CS_FOUND, "/a/../b"},
        {"GET", "/health/a/b", CS_FOUND, "a/b"},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cs_http_request http = {.method = cs_slice_of(cases[i].method), .path = cs_slice_of(cases[i].path)};
        const cs_server__route *route = NULL;
        cs_slice rest = CS_LIT(""), clean = CS_LIT("");
        cs_server__found found = cs_server__find_route(&http, &a, false, &route, &rest, &clean);
        cr_assert_eq(found, cases[i].found, "%s: %d", cases[i].path, (int)found);
        cs_slice got = found == CS_FOUND_CLEAN ? clean : rest;
        cr_assert(cs_slice_is(got, cases[i].rest), "%s: %.*s", cases[i].path, CS_FMT(got));
    }
    cs_arena_destroy(&a);
}

Test(paths, keys_as_opa_makes_them)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    const cs_value *keys;
    size_t n;
    cs_slice bad;
    cr_assert(cs_server__path_keys(&a, CS_LIT("a//07/-5/1x/9223372036854775808/b%20c/%zz/+1"), &keys, &n, &bad));
    cs_buf out;
    cs_buf_init(&out);
    cs_value_print(&out, cs_array(keys, n));
    cr_assert_str_eq(cs_buf_cstr(&out), "[\"a\", 7, -5, \"1x\", \"9223372036854775808\", \"b c\", \"%zz\", 1]");
    cr_assert_not(cs_server__path_keys(&a, CS_LIT("x/say%22hi%22"), &keys, &n, &bad));
    cr_assert(cs_slice_is(bad, "say\"hi\""));
    cs_buf_destroy(&out);
    cs_arena_destroy(&a);
}
