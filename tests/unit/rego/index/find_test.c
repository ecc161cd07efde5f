/* The index by itself: what it finds against trying every constraint in turn, and how little it looks at. */
#include "rego/index/internal.h"

#include <criterion/criterion.h>

static cs_arena arena;

static void start(void)
{
    cs_arena_init(&arena, 0);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(find, .init = start, .fini = stop);

static cs_value text(const char *s)
{
    return cs_string_copy(&arena, cs_slice_of(s));
}

static cs_place field(const char *name)
{
    cs_value key = text(name);
    return (cs_place){.root = CS_ROOT_INPUT, .path = cs_path_make(&arena, &key, 1)};
}

static cs_value number(const char *prefix, uint32_t i)
{
    return cs_string_printf(&arena, "%s%u", prefix, i);
}

typedef CS_VEC(cs_constraint) constraint_vec;

static void want(constraint_vec *v, const char *name, cs_test test, cs_value value)
{
    cs_value *values = cs_arena_array(&arena, cs_value, 1);
    values[0] = value;
    cs_constraint c = {field(name), test, values, 1};
    CS_VEC_PUSH_IN(&arena, v, c);
}

static cs_ways one_way(constraint_vec v)
{
    cs_ways w = {cs_arena_array(&arena, cs_constraints, 1), 1};
    w.v[0] = (cs_constraints){v.v, (uint32_t)v.n};
    return w;
}

static cs_value resolve(void *self, const cs_place *place)
{
    return cs_lookup(*(const cs_value *)self, place->path.keys, place->path.n);
}

/* The definitions found, as a set of numbers; *total counts them with their repetitions. */
static cs_value found_for(const cs_rule_index *index, cs_value input, uint32_t *total)
{
    cs_index_found found;
    cs_value all = cs_set_new(&arena, 0);
    cs_index_find(&index->root, resolve, &input, &arena, &found);
    *total = 0;
    for (uint32_t i = 0; i < found.n; i++) {
        cs_index_list list = index->lists[found.lists[i]];
        for (uint32_t k = 0; k < list.n; k++) {
            cs_assert(k == 0 || list.definitions[k - 1] < list.definitions[k]);
            (void)cs_set_add(&arena, all, cs_int(list.definitions[k]));
            ++*total;
        }
    }
    return all;
}

/* 10,000 definitions told apart by two places together, by neither alone. */
Test(find, two_places)
{
    enum { N = 10000, SIDE = 100 };
    cs_ways *ways = cs_arena_array(&arena, cs_ways, N);
    for (uint32_t i = 0; i < N; i++) {
        constraint_vec v = {0};
        want(&v, "a", CS_TEST_EQUAL, number("a", i / SIDE));
        want(&v, "b", CS_TEST_EQUAL, number("b", i % SIDE));
        ways[i] = one_way(v);
    }
    cs_rule_index index;
    cr_assert(cs_index_build(&arena, ways, N, &index));
    for (uint32_t i = 0; i < N; i += 777) {
        cs_value input = cs_object_new(&arena, 2);
        uint32_t total;
        cs_object_put_text(&arena, input, "a", number("a", i / SIDE));
        cs_object_put_text(&arena, input, "b", number("b", i % SIDE));
        cr_assert(cs_set_has(found_for(&index, input, &total), cs_int(i)));
        cr_assert_eq(total, 1);
    }
}

/* Half of the definitions are open at each place: neither half may drag in the other. */
Test(find, places_apart)
{
    enum { N = 2000 };
    cs_ways *ways = cs_arena_array(&arena, cs_ways, N);
    for (uint32_t i = 0; i < N; i++) {
        constraint_vec v = {0};
        want(&v, i % 2 ? "a" : "b", i % 3 ? CS_TEST_EQUAL : CS_TEST_PREFIX, number("v", i));
        ways[i] = one_way(v);
    }
    cs_rule_index index;
    uint32_t total;
    cr_assert(cs_index_build(&arena, ways, N, &index));
    cs_value input = cs_object_new(&arena, 2);
    cs_object_put_text(&arena, input, "a", text("v1001"));
    cs_value all = found_for(&index, input, &total);
    cr_assert(cs_set_has(all, cs_int(1001)));
    cr_assert_leq(total, 5); /* v1001, and what starts as it does: v1, v10, v100 where they are prefixes */
}

Test(find, affixes_nest)
{
    static const char *const prefixes[] = {"", "a", "ab", "abc", "b", "abd", "\xC3\xA9"};
    enum { N = sizeof prefixes / sizeof prefixes[0] };
    static const char *const inputs[] = {"", "a", "abcd", "abd", "ac", "zz", "\xC3", "\xC3\xA9t"};
    cs_ways ways[2 * N];
    for (uint32_t i = 0; i < 2 * N; i++) {
        constraint_vec v = {0};
        want(&v, "s", i < N ? CS_TEST_PREFIX : CS_TEST_SUFFIX, text(prefixes[i % N]));
        ways[i] = one_way(v);
    }
    cs_rule_index index;
    cr_assert(cs_index_build(&arena, ways, 2 * N, &index));
    for (uint32_t k = 0; k < sizeof inputs / sizeof inputs[0]; k++) {
        cs_slice s = cs_slice_of(inputs[k]);
        cs_value input = cs_object_new(&arena, 1);
        uint32_t total;
        cs_object_put_text(&arena, input, "s", cs_string(s));
        cs_value all = found_for(&index, input, &total);
        for (uint32_t i = 0; i < 2 * N; i++) {
            cs_slice p = cs_slice_of(prefixes[i % N]);
            const char *at = i < N ? s.p : s.p + (s.n >= p.n ? s.n - p.n : 0);
            bool matches = s.n >= p.n && memcmp(at, p.p, p.n) == 0;
            cr_assert_eq(cs_set_has(all, cs_int(i)), matches, "%s and %s", inputs[k], prefixes[i % N]);
        }
    }
}

/* A value that is not known selects everything; one that is not there selects nothing. */
static cs_value resolve_unknown(void *self, const cs_place *place)
{
    (void)self;
    (void)place;
    return (cs_value){.kind = CS_PRIVATE};
}

Test(find, unknown_values)
{
    enum { N = 40 };
    cs_ways ways[N];
    for (uint32_t i = 0; i < N; i++) {
        constraint_vec v = {0};
        want(&v, "x", i % 2 ? CS_TEST_MEMBER : CS_TEST_EQUAL, number("v", i));
        ways[i] = one_way(v);
    }
    cs_rule_index index;
    cs_index_found found;
    uint32_t total = 0;
    cr_assert(cs_index_build(&arena, ways, N, &index));
    cs_index_find(&index.root, resolve_unknown, NULL, &arena, &found);
    for (uint32_t i = 0; i < found.n; i++) {
        total += index.lists[found.lists[i]].n;
    }
    cr_assert_eq(total, N);
    cr_assert_eq(cs_count(found_for(&index, cs_object_new(&arena, 0), &total)), 0);
}

/* What patterns demand: the constraints, and where a pattern stops saying anything. */
Test(find, patterns)
{
    static const struct {
        const char *pattern, *prefix;
        size_t segments; /* constraints on segments */
    } globs[] = {{"a:*:b", "a:", 3}, {"a:**", "a:", 1}, {"*:b", NULL, 2}, {"a*:b", "a", 2}, {"{a:b}", NULL, 0}};
    cs_value delimiter = text(":");
    for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++) {
        cs_constraint_vec out = {0};
        cs_index__glob(&arena, &out, field("g"), cs_slice_of(globs[i].pattern), cs_array(&delimiter, 1));
        size_t segments = 0;
        const char *prefix = NULL;
        for (size_t k = 0; k < out.n; k++) {
            segments += out.v[k].place.split != 0;
            prefix = out.v[k].test == CS_TEST_PREFIX ? cs_arena_dup(&arena, out.v[k].values->u.s, out.v[k].values->n)
                                                     : prefix;
        }
        cr_assert_eq(segments, globs[i].segments, "%s: %zu", globs[i].pattern, segments);
        cr_assert_eq(prefix == NULL, globs[i].prefix == NULL);
        cr_assert(!prefix || strcmp(prefix, globs[i].prefix) == 0);
    }
    static const char *const regexes[][2] = {{"^ab*", "a"}, {"^a\xC3\xA9?x", "a"}, {"^ab$", "ab"}, {"^a|b", ""},
                                             {"ab", ""},    {"^(a)", ""},          {"^a{2}", ""},  {"^ab.", "ab"}};
    for (size_t i = 0; i < sizeof regexes / sizeof regexes[0]; i++) {
        cs_constraint_vec out = {0};
        cs_index__regex(&arena, &out, field("g"), cs_slice_of(regexes[i][0]));
        cs_slice got = out.n ? cs_text(out.v[0].values[0]) : CS_LIT("");
        cr_assert(cs_slice_eq(got, cs_slice_of(regexes[i][1])), "%s", regexes[i][0]);
    }
}
