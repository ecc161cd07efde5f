/* The table, the state of an evaluation, limits, the cache: what a policy cannot show. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/number.h"
#include "countersign/rego.h"
#include "rego/builtin/builtin.h"
#include "rego/builtin/cache.h"

static cs_arena arena;
static cs_host host;
static cs_host_fixed fixed;
static cs_builtin_state state;
static cs_error e;

static void start(void)
{
    fixed = (cs_host_fixed){INT64_C(1700000000000000000), 7};
    cs_arena_init(&arena, 0);
    cs_host_init_fixed(&host, &fixed);
    cs_builtin_state_init(&state, &arena, &host);
}

static void stop(void)
{
    cs_builtin_state_destroy(&state);
    cs_arena_destroy(&arena);
}

TestSuite(builtin, .init = start, .fini = stop);

static cs_value text(const char *s)
{
    return cs_string(cs_slice_of(s));
}

static cs_err call(const char *name, const cs_value *args, uint32_t n, cs_value *out)
{
    const cs_builtin *b = cs_builtin_find(cs_slice_of(name));
    cr_assert(b && b->run, "%s", name);
    cs_call c = {.arena = &arena, .args = args, .n = n, .builtin = b, .state = &state, .e = &e};
    return cs_builtin_call(&c, out);
}

Test(builtin, table_is_sorted_and_complete)
{
    size_t n;
    const cs_builtin *rows = cs_builtin_rows(&n);
    cr_expect_eq(n, 207U); /* OPA's 206, and test.sleep, which only the runner of cases lets be found */
    for (size_t i = 0; i < n; i++) {
        cr_expect(i == 0 || strcmp(rows[i - 1].name, rows[i].name) < 0, "%s", rows[i].name);
        cr_expect_eq(rows[i].index, i);
        bool hidden = strcmp(rows[i].name, "test.sleep") == 0;
        cr_expect_eq(cs_builtin_find(cs_slice_of(rows[i].name)), hidden ? NULL : &rows[i]);
        cr_expect_eq(cs_builtin_type(&rows[i])->kind, CS_TYPE_FUNCTION);
    }
    cr_expect_null(cs_builtin_find(CS_LIT("count2")));
    cr_expect_null(cs_builtin_find(CS_LIT("")));
}

Test(builtin, signatures_print_as_they_are_written)
{
    size_t n;
    const cs_builtin *rows = cs_builtin_rows(&n);
    for (size_t i = 0; i < n; i++) {
        const cs_type *t = cs_builtin_type(&rows[i]);
        cs_buf out;
        cs_buf_init(&out);
        cs_type_print_args(&out, t, true);
        if (t->dynamic) {
            cs_buf_text(&out, " -> ");
            cs_type_print(&out, t->dynamic);
        }
        cr_expect_str_eq(cs_buf_cstr(&out), rows[i].signature);
        cs_buf_destroy(&out);
    }
    cr_expect_eq(cs_builtin_arity(cs_builtin_find(CS_LIT("array.slice"))), 3U);
    cr_expect_eq(cs_builtin_arity(cs_builtin_find(CS_LIT("time.now_ns"))), 0U);
}

Test(builtin, capabilities_list_what_can_be_called)
{
    cs_value document = cs_rego_capabilities(&arena, false);
    const cs_value *list = cs_object_get_text(document, "builtins");
    cr_assert_not_null(list);
    bool print = false;
    for (uint32_t i = 0; i < list->n; i++) {
        cs_slice name = cs_text(*cs_object_get_text(list->u.items[i], "name"));
        const cs_builtin *b = cs_builtin_find(name);
        cr_expect(b && (b->run || (b->flags & CS_BUILTIN_REWRITTEN)), "%.*s", CS_FMT(name));
        print = print || cs_slice_is(name, "print");
    }
    cr_expect(print);
}

Test(builtin, nondeterministic_results_stay_within_an_evaluation)
{
    cs_value x, y, z, other;
    cr_assert_eq(call("uuid.rfc4122", (cs_value[]){text("a")}, 1, &x), CS_OK);
    cr_assert_eq(call("uuid.rfc4122", (cs_value[]){text("a")}, 1, &y), CS_OK);
    cr_assert_eq(call("uuid.rfc4122", (cs_value[]){text("b")}, 1, &z), CS_OK);
    cr_expect(cs_equal(x, y));
    cr_expect_not(cs_equal(x, z));
    cs_builtin_state_destroy(&state);
    cs_builtin_state_init(&state, &arena, &host);
    cr_assert_eq(call("uuid.rfc4122", (cs_value[]){text("a")}, 1, &other), CS_OK);
    cr_expect_not(cs_equal(x, other));
    cr_expect_eq(x.n, 36U);
    cr_expect_eq(x.u.s[14], '4');
}

Test(builtin, random_numbers_are_in_range_and_repeatable)
{
    for (int i = 0; i < 200; i++) {
        char key[16];
        cs_value r;
        int64_t v;
        snprintf(key, sizeof key, "k%d", i);
        cr_assert_eq(call("rand.intn", (cs_value[]){text(key), cs_int(i % 2 ? 10 : -10)}, 2, &r), CS_OK);
        cr_assert(cs_number_is_int(r, &v));
        cr_expect(v >= 0 && v < 10);
    }
}

Test(builtin, now_is_read_once)
{
    cs_value x, y;
    cr_assert_eq(call("time.now_ns", NULL, 0, &x), CS_OK);
    fixed.now_ns++;
    cr_assert_eq(call("time.now_ns", NULL, 0, &y), CS_OK);
    cr_expect(cs_equal(x, y));
}

Test(builtin, limits_stop_the_evaluation)
{
    cs_value r;
    cr_assert(cs_limits_set("range_items", 1000));
    cr_expect_eq(call("numbers.range", (cs_value[]){cs_int(1), cs_int(1000)}, 2, &r), CS_OK);
    cr_expect_eq(call("numbers.range", (cs_value[]){cs_int(1), cs_int(1001)}, 2, &r), CS_ERR_LIMIT);
    cr_expect_str_eq(e.text, "numbers.range: the result is larger than the limit range_items allows");
    cr_expect_eq(call("numbers.range", (cs_value[]){cs_int(INT64_MIN), cs_int(INT64_MAX)}, 2, &r), CS_ERR_LIMIT);
    cr_expect_eq(call("net.cidr_expand", (cs_value[]){text("10.0.0.0/8")}, 1, &r), CS_ERR_LIMIT);
    cr_expect_eq(call("net.cidr_expand", (cs_value[]){text("::/0")}, 1, &r), CS_ERR_LIMIT);
    cr_assert(cs_limits_set("string_bytes", 1000));
    cr_expect_eq(call("sprintf", (cs_value[]){text("%100000d"), cs_array((cs_value[]){cs_int(1)}, 1)}, 2, &r),
                 CS_ERR_LIMIT);
    cr_expect_eq(call("sprintf", (cs_value[]){text("%.100000f"), cs_array((cs_value[]){cs_int(1)}, 1)}, 2, &r),
                 CS_ERR_LIMIT);
    cs_value parts[300];
    for (size_t i = 0; i < 300; i++) {
        parts[i] = text("abcd");
    }
    cr_expect_eq(call("concat", (cs_value[]){text(""), cs_array(parts, 250)}, 2, &r), CS_OK);
    cr_expect_eq(call("concat", (cs_value[]){text(""), cs_array(parts, 251)}, 2, &r), CS_ERR_LIMIT);
    cr_expect_eq(call("replace", (cs_value[]){r, text("a"), text("0123456789")}, 3, &r), CS_ERR_LIMIT);
}

/* Complete graphs have more simple paths than anybody can wait for. */
Test(builtin, paths_of_a_dense_graph_stop)
{
    cs_value graph = cs_object_new(&arena, 0), r, nodes[20];
    for (int64_t i = 0; i < 20; i++) {
        nodes[i] = cs_int(i);
    }
    for (int64_t i = 0; i < 20; i++) {
        cs_object_put(&arena, graph, cs_int(i), cs_array(nodes, 20));
    }
    cr_assert(cs_limits_set("range_items", 10000));
    cr_expect_eq(call("graph.reachable_paths", (cs_value[]){graph, cs_array(nodes, 1)}, 2, &r), CS_ERR_LIMIT);
    cr_expect_eq(call("graph.reachable", (cs_value[]){graph, cs_array(nodes, 1)}, 2, &r), CS_OK);
    cr_expect_eq(cs_count(r), 20U);
}

/* A chain deeper than the C stack. */
Test(builtin, paths_of_a_long_chain)
{
    cs_value graph = cs_object_new(&arena, 0), r, start_node = cs_int(0);
    const int64_t n = 200000;
    for (int64_t i = 0; i < n; i++) {
        cs_value next = cs_int(i + 1);
        cs_object_put(&arena, graph, cs_int(i), cs_array_copy(&arena, &next, i + 1 < n));
    }
    cr_assert_eq(call("graph.reachable_paths", (cs_value[]){graph, cs_array(&start_node, 1)}, 2, &r), CS_OK);
    cr_expect_eq(cs_count(r), 1U);
    cr_expect_eq(cs_entry(r, 0, NULL).n, n);
}

/* More patterns than the cache holds, and again: evicted ones are freed and made anew (the sanitizer watches). */
Test(builtin, patterns_beyond_the_cache)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1500; i++) {
            char pattern[32], subject[32];
            cs_value r;
            snprintf(pattern, sizeof pattern, "^a%d(b|c)$", i);
            snprintf(subject, sizeof subject, "a%db", i);
            cr_assert_eq(call("regex.match", (cs_value[]){text(pattern), text(subject)}, 2, &r), CS_OK);
            cr_expect(cs_truthy(r), "%s", pattern);
            snprintf(pattern, sizeof pattern, "*.a%d.{b,c}", i);
            snprintf(subject, sizeof subject, "x.a%d.c", i);
            cr_assert_eq(call("glob.match", (cs_value[]){text(pattern), cs_null(), text(subject)}, 3, &r), CS_OK);
            cr_expect(cs_truthy(r), "%s", pattern);
        }
    }
}

Test(builtin, regular_expressions_are_bounded)
{
    cs_value r;
    cr_assert(cs_limits_set("regex_memory", 65536));
    cr_expect_eq(call("regex.match", (cs_value[]){text("((a{100}){10}){10}"), text("a")}, 2, &r), CS_ERR_EVAL_BUILTIN);
    char many[20001];
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    cr_expect_eq(call("regex.match", (cs_value[]){text("(a*)*b"), text(many)}, 2, &r), CS_OK);
    cr_expect_not(cs_truthy(r));
    cr_expect_eq(call("glob.match", (cs_value[]){text("*a*a*a*a*a*a*a*a*b"), cs_null(), text(many)}, 3, &r), CS_OK);
    cr_expect_not(cs_truthy(r));
}

static char printed[4][64];
static uint32_t n_printed;

static void remember(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    cr_assert_lt(n_printed, 4U);
    snprintf(printed[n_printed++], sizeof printed[0], "%.*s", CS_FMT(line));
}

Test(builtin, print_makes_a_line_for_each_combination)
{
    cs_value one = cs_set_new(&arena, 0), two = cs_set_new(&arena, 0), r;
    cs_set_add(&arena, one, text("a"));
    cs_set_add(&arena, two, cs_int(1));
    cs_set_add(&arena, two, cs_int(2));
    cs_value parts[] = {one, two, cs_set_new(&arena, 0)};
    cs_value operand = cs_array(parts, 3);
    host.print = remember;
    cr_assert_eq(call("internal.print", &operand, 1, &r), CS_OK);
    cr_assert_eq(n_printed, 2U);
    cr_expect_str_eq(printed[0], "a 1 <undefined>");
    cr_expect_str_eq(printed[1], "a 2 <undefined>");
    cr_expect_eq(call("internal.template_string", &operand, 1, &r), CS_ERR_EVAL_CONFLICT);
    cr_expect_str_eq(e.text, "template-strings must not produce multiple outputs");
}

Test(builtin, fixed_hosts_repeat_themselves)
{
    cs_host other;
    cs_host_fixed same = {1, 7};
    unsigned char x[20], y[20];
    cs_host_init_fixed(&other, &same);
    fixed.seed = 7;
    host.random(host.self, x, sizeof x);
    other.random(other.self, y, sizeof y);
    cr_expect_eq(memcmp(x, y, sizeof x), 0);
    cr_expect_eq(other.now_ns(other.self), 1);
    cr_expect_gt(cs_host_system()->now_ns(NULL), INT64_C(1700000000000000000));
}
