/* What `with` leaves alone is not computed again, and what it may change is. */
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

TestSuite(with, .init = start, .fini = stop);

static cs_value json(const char *s)
{
    cs_value v;
    cs_error e;
    cs_assert(cs_json_read(&arena, cs_slice_of(s), NULL, &v, NULL, &e) == CS_OK);
    return v;
}

/* The document data.t.<name> as JSON text. */
static const char *document(const char *module, const char *name, const char *input)
{
    cs_policy *policy;
    cs_query *query;
    cs_errors errors;
    cs_error e;
    cs_value result;
    cs_errors_init(&errors);
    cs_policy_source source = {CS_LIT("t.rego"), cs_slice_of(module), 1};
    cs_assert(cs_policy_compile(&source, 1, NULL, &policy, &errors) == CS_OK);
    cs_value path[] = {cs_string(CS_LIT("t")), cs_string(cs_slice_of(name))};
    cs_assert(cs_query_prepare_path(policy, path, 2, &query, &errors) == CS_OK);
    cs_eval eval = {.arena = &arena, .data = json("{\"base\":{\"a\":1,\"b\":2}}"), .input = json(input)};
    cs_run *run = cs_run_start(query, &eval);
    cs_run_state state;
    do {
        cs_assert(cs_run_step(run, &state, &result, &e) == CS_OK);
    } while (state == CS_RUN_AGAIN);
    stats = cs_run_get_stats(run);
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, result, 0);
    const char *out = cs_arena_dup(&arena, cs_buf_view(&text).p, text.n);
    cs_buf_destroy(&text);
    cs_query_release(query);
    cs_policy_release(policy);
    cs_errors_destroy(&errors);
    return out;
}

#define COUNTED                                                                                                        \
    "package t\n"                                                                                                      \
    "heavy := count([x | some x in numbers.range(1, 3); double(x) > 2])\n"                                             \
    "double(x) := 2 * x\n"                                                                                             \
    "light := input.n + heavy\n"

Test(with, shares_what_input_does_not_reach)
{
    cr_assert_str_eq(
        document(COUNTED "all := [v | some i in [1, 2, 3, 4, 5]; v := light with input.n as i]", "all", "{}"),
        "[3,4,5,6,7]");
    /* the document asked for, light five times, heavy once, double three times */
    cr_assert_leq(stats.calls, 1 + 5 + 1 + 3 + 1);
}

Test(with, mocked_functions_and_builtins_count)
{
    cr_assert_str_eq(document(COUNTED "mock(x) := 100 * x\n"
                                      "r := [heavy, a, b, heavy] if {\n  a := heavy with double as mock\n"
                                      "  b := heavy with count as 9\n}",
                              "r", "{}"),
                     "[2,3,9,2]");
}

/* A replaced key beside the one that is read; one that is read in another way; a replaced rule. */
Test(with, data_paths)
{
    static const char *const module =
        "package t\n"
        "a := data.base.a\n"
        "any contains v if some v in data.base\n"
        "which := data.base[input.k]\n"
        "over := [a, any, which]\n"
        "r := [x | x := over with data.base.b as 3]\n"
        "q := [x | x := over with data.t.a as 7]\n"
        "s := [over, x] if { x := over with data.base as {\"a\": 5} with input.k as \"a\" }";
    cr_assert_str_eq(document(module, "r", "{\"k\":\"b\"}"), "[[1,[1,3],3]]");
    cr_assert_str_eq(document(module, "q", "{\"k\":\"b\"}"), "[[7,[1,2],2]]");
    cr_assert_str_eq(document(module, "s", "{\"k\":\"b\"}"), "[[1,[1,2],2],[5,[5],5]]");
}

/* An array, or a number, gives way to an object: whatever was read from it is gone, too. */
Test(with, parents_that_give_way)
{
    static const char *const module = "package t\n"
                                      "first := input.list[0]\n"
                                      "r := [first, x] if { x := object.get({1: 2}, first, 0) }\n"
                                      "gone := [first, x] if { x := other with input.list.k as 1 }\n"
                                      "other := [first] if true else := \"none\"\n";
    cr_assert_str_eq(document(module, "gone", "{\"list\":[4]}"), "[4,\"none\"]");
    cr_assert_str_eq(document(module, "r", "{\"list\":[4]}"), "[4,0]");
}
