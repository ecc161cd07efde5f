/* One key of a partial set or object: what is computed for it, and that conflicts elsewhere do not matter to it. */
#include "countersign/json.h"
#include "countersign/rego.h"

#include <criterion/criterion.h>

static cs_arena arena;
static cs_run_stats stats;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(probe, .init = start, .fini = stop);

/* data.t.r as JSON text, or the text of the error. */
static const char *result(const char *module)
{
    cs_policy *policy;
    cs_query *query;
    cs_errors errors;
    cs_error e;
    cs_value v = cs_undefined();
    cs_errors_init(&errors);
    cs_policy_source source = {CS_LIT("t.rego"), cs_slice_of(module), 1};
    cs_assert(cs_policy_compile(&source, 1, NULL, &policy, &errors) == CS_OK);
    cs_value path[] = {cs_string(CS_LIT("t")), cs_string(CS_LIT("r"))};
    cs_assert(cs_query_prepare_path(policy, path, 2, &query, &errors) == CS_OK);
    cs_eval eval = {.arena = &arena, .data = cs_object_new(&arena, 0)};
    cs_run *run = cs_run_start(query, &eval);
    cs_run_state state;
    cs_err err;
    do {
        err = cs_run_step(run, &state, &v, &e);
    } while (err == CS_OK && state == CS_RUN_AGAIN);
    stats = cs_run_get_stats(run);
    cs_buf text;
    cs_buf_init(&text);
    if (err == CS_OK) {
        cs_json_write(&text, v, 0);
    } else {
        cs_buf_text(&text, e.text);
    }
    const char *out = cs_arena_dup(&arena, cs_buf_view(&text).p, text.n);
    cs_buf_destroy(&text);
    cs_query_release(query);
    cs_policy_release(policy);
    cs_errors_destroy(&errors);
    return out;
}

/* Fifty keys of an object whose bodies iterate: two are asked for one by one, then it is made whole, once. */
Test(probe, many_keys_make_it_whole)
{
    cr_assert_str_eq(result("package t\n"
                            "p[k] := f(k) if some k in numbers.range(1, 50)\n"
                            "f(k) := k * 2\n"
                            "r := sum([v | some i in numbers.range(1, 50); v := p[i]])\n"),
                     "2550");
    cr_assert_leq(stats.calls, 1 + 2 + 2 + 1 + 50);
}

Test(probe, a_key_is_enough)
{
    cr_assert_str_eq(result("package t\n"
                            "p[k] := f(v) if some k, v in {\"a\": 1, \"b\": 2, \"c\": 3}\n"
                            "f(k) := k * 2\n"
                            "r := [p.a, p[\"a\"], p[lower(\"A\")]]\n"),
                     "[2,2,2]");
    cr_assert_leq(stats.calls, 1 + 1 + 1);
}

/* A third key starts to make the whole document, which fails: keys are asked for one by one again. */
Test(probe, conflicts_elsewhere)
{
    static const char *const objects = "package t\n"
                                       "p[k] := v if some [k, v] in [[1, 1], [2, 2], [3, 3], [9, 8], [9, 9], [4, 4]]\n";
    static const char *const sets = "package t\n"
                                    "p contains x if { some k in numbers.range(0, 9); x := f(k) }\n"
                                    "f(k) := k if k < 10\n"
                                    "f(k) := 99 if k == 9\n";
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL, "%sr := [p[1], p[2], p[3], p[4]]\n", objects)), "[1,2,3,4]");
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL, "%sr := [p[1], p[2], p[3], p[9]]\n", objects)),
                     "object keys must be unique");
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL, "%sr := [p[0], p[1], p[2], p[3]]\n", sets)), "[0,1,2,3]");
    cr_assert(strstr(result(cs_arena_printf(&arena, NULL, "%sr := [p[0], p[1], p[2], p[8], p]\n", sets)),
                     "conflicting values") != NULL);
}

/* Rules below a constant key belong to the same object. */
Test(probe, constant_keys_beside)
{
    static const char *const module = "package t\n"
                                      "p[k] := v if some k, v in [1, 2, 3]\n"
                                      "p[1] := 9\n"
                                      "p.deep.er := 4\n";
    cr_assert_str_eq(
        result(cs_arena_printf(&arena, NULL, "%sr := [p[0], p[2], p.deep, p[lower(\"DEEP\")].er]\n", module)),
        "[1,3,{\"er\":4},4]");
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL, "%sr := [p[0], p[2], p[1]]\n", module)),
                     "object keys must be unique");
}

/* A product of two collections that is a sum: each function call is counted once for each server, not for each pair. */
Test(probe, comprehensions_by_groups)
{
    static const char *const module = "package t\n"
                                      "servers := [{\"n\": n, \"g\": n % 10} | some n in numbers.range(0, 99)]\n"
                                      "seen(s) := s.n + 1\n";
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL,
                                            "%sr := sum([c | some g in numbers.range(0, 10)\n"
                                            "  c := sum([seen(s) | some s in servers; s.g == g])])\n",
                                            module)),
                     "5050");
    cr_assert_leq(stats.calls, 1 + 1 + 1 + 100);
    /* one that uses the variable to look something up, and one that closes over it further in, stay as they are */
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL,
                                            "%sr := [x | some g in [3, 120]; x := [y | y := servers[g].g]]\n", module)),
                     "[[3],[]]");
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL,
                                            "%sr := [x | some g in [3, 10]\n  x := count([1 | some s in servers\n"
                                            "    count([1 | s.g == g]) == 1])]\n",
                                            module)),
                     "[10,0]");
}

/* An element of a set is asked for alone where that can make no difference; an error elsewhere in the set is one. */
Test(probe, membership)
{
    static const char *const quiet = "package t\n"
                                     "m := {\"a\": 1, \"b\": 2, \"c\": 3}\n"
                                     "p contains k if double(m[k]) > 2\n"
                                     "double(x) := x * 2\n";
    cr_assert_str_eq(
        result(cs_arena_printf(&arena, NULL, "%sr := [a | some k in [\"a\", \"b\", \"b\"]; a := k in p]\n", quiet)),
        "[false,true,true]");
    cr_assert_leq(stats.calls, 1 + 1 + 2 + 2);
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL, "%sr if { not \"a\" in p; \"c\" in p }\n", quiet)), "true");
    cr_assert_str_eq(result(cs_arena_printf(&arena, NULL,
                                            "%sr if { \"x\" in p with data.t.p as [\"x\"]; not \"x\" in p }\n", quiet)),
                     "true");
    cr_assert_str_eq(
        result(cs_arena_printf(&arena, NULL, "%sr := [p, s] if { s := p; \"c\" in s; \"b\" in p }\n", quiet)),
        "[[\"b\",\"c\"],[\"b\",\"c\"]]");
    cr_assert_str_eq(result(cs_arena_printf(
                         &arena, NULL, "%sr if { not \"b\" in p with data.t.double as abs; \"b\" in p }\n", quiet)),
                     "true");
    static const char *const loud = "package t\n"
                                    "p contains k if { some k in [1, 2]; f(k) }\n"
                                    "p contains 3\n"
                                    "f(x) := x if x > 0\n"
                                    "f(x) := x + 1 if x > 1\n";
    cr_assert(strstr(result(cs_arena_printf(&arena, NULL, "%sr if 3 in p\n", loud)), "conflicting values") != NULL);
}
