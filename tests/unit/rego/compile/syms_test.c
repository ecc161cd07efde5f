/* Sets of names across their two forms (a row, a table), and numbers for addresses. */
#include "rego/compile/internal.h"

#include <criterion/criterion.h>

static cs_arena arena;
static cs_ast ast;

static void start(void)
{
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
}

static void stop(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(syms, .init = start, .fini = stop);

static const cs_sym *name(unsigned i)
{
    return cs_sym_printf(&ast, "name%u", i);
}

Test(syms, grow_keep_values_and_drop)
{
    enum { N = 500 };
    cs_syms s = cs_syms__new(&arena);
    for (unsigned i = 0; i < N; i++) {
        cs_syms__put(&s, name(i), (void *)(uintptr_t)name(i));
        (void)cs_syms__add(&s, name(i / 2));
        cr_assert_eq(s.n, i + 1);
        cr_assert(!cs_syms__has(&s, name(i + 1)));
    }
    for (unsigned i = 0; i < N; i += 3) {
        cs_syms__drop(&s, name(i));
    }
    cs_syms__drop(&s, name(N + 1));
    for (unsigned i = 0; i < N; i++) {
        const cs_syms_item *item = cs_syms__find(&s, name(i));
        cr_assert_eq(item != NULL, i % 3 != 0);
        cr_assert(!item || item->value == (const void *)name(i));
    }
}

Test(syms, drop_in_a_row)
{
    cs_syms s = cs_syms__new(&arena);
    for (unsigned i = 0; i < 5; i++) {
        (void)cs_syms__add(&s, name(i));
    }
    cs_syms__drop(&s, name(4));
    cs_syms__drop(&s, name(0));
    cr_assert_eq(s.n, 3);
    cr_assert(!cs_syms__has(&s, name(0)) && !cs_syms__has(&s, name(4)));
    cr_assert(cs_syms__has(&s, name(1)) && cs_syms__has(&s, name(2)) && cs_syms__has(&s, name(3)));
}

Test(syms, sort_by_name_keeps_finding)
{
    cs_syms s = cs_syms__new(&arena);
    for (unsigned i = 40; i > 0; i--) {
        (void)cs_syms__add(&s, name(i + 100));
    }
    cs_syms__sort(&s);
    for (unsigned i = 0; i < s.n; i++) {
        cr_assert_eq(s.v[i].sym, name(i + 101));
        cr_assert_eq(cs_syms__find(&s, name(i + 101)), &s.v[i]);
    }
}

Test(syms, within)
{
    cs_syms few = cs_syms__new(&arena);
    cs_syms many = cs_syms__new(&arena);
    for (unsigned i = 0; i < 30; i++) {
        (void)cs_syms__add(&many, name(i));
    }
    cr_assert(cs_syms__within(&few, &many));
    (void)cs_syms__add(&few, name(29));
    cr_assert(cs_syms__within(&few, &many));
    (void)cs_syms__add(&few, name(30));
    cr_assert(!cs_syms__within(&few, &many));
}

Test(syms, pointers)
{
    static const char places[300];
    cs_pointers m = {.arena = &arena};
    cr_assert_eq(cs_pointers__get(&m, places), UINT32_MAX);
    for (uint32_t i = 0; i < sizeof places; i++) {
        cs_pointers__put(&m, places + i, i);
    }
    cs_pointers__put(&m, places + 7, 1000);
    for (uint32_t i = 0; i < sizeof places; i++) {
        cr_assert_eq(cs_pointers__get(&m, places + i), i == 7 ? 1000 : i);
    }
    cr_assert_eq(cs_pointers__get(&m, &m), UINT32_MAX);
}
