/* The arena: cap, rewind, reset. */
#include <criterion/criterion.h>

#include "countersign/base/arena.h"
#include "countersign/base/mem.h"

Test(arena, empty_allocation_has_an_address)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cr_assert_not_null(cs_arena_alloc(&a, 0));
    cr_assert_not_null(cs_arena_array(&a, int, 0));
    cs_arena_destroy(&a);
}

Test(arena, aligned_and_counted)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 1; i < 100; i++) {
        cr_assert_eq((uintptr_t)cs_arena_alloc(&a, i) % 16, 0);
    }
    cr_assert_geq(cs_arena_used(&a), 99 * 100 / 2);
    cr_assert_not(cs_arena_exceeded(&a));
    cs_arena_destroy(&a);
    cr_assert_eq(cs_arena_used(&a), 0);
}

Test(arena, cap_is_met_exactly)
{
    cs_arena a;
    cs_arena_init(&a, 1024);
    for (int i = 0; i < 64; i++) {
        memset(cs_arena_alloc(&a, 16), i, 16);
        cr_assert_not(cs_arena_exceeded(&a), "allocation %d of 64", i);
    }
    memset(cs_arena_alloc(&a, 1), 1, 1);
    cr_assert(cs_arena_exceeded(&a));
    /* Small allocations go on. */
    for (int i = 0; i < 10000; i++) {
        memset(cs_arena_alloc(&a, 48), 1, 48);
    }
    cs_arena_destroy(&a);
}

Test(arena, cap_over_several_chunks)
{
    cs_arena a;
    cs_arena_init(&a, 100000);
    size_t n = 0;
    while (!cs_arena_exceeded(&a)) {
        memset(cs_arena_alloc(&a, 100), 1, 100);
        n++;
    }
    /* 112 bytes each; what is lost at the ends of chunks counts too. */
    cr_assert_leq(n, 100000 / 112 + 1);
    cr_assert_geq(n, 100000 / 112 * 3 / 4);
    cs_arena_destroy(&a);
}

Test(arena, try_refuses_and_changes_nothing)
{
    cs_arena a;
    cs_arena_init(&a, 1000);
    cr_assert_not_null(cs_arena_try(&a, 500));
    size_t used = cs_arena_used(&a);
    cr_assert_null(cs_arena_try(&a, 501));
    cr_assert_null(cs_arena_try(&a, SIZE_MAX));
    cr_assert_null(cs_arena_try(&a, SIZE_MAX - 15));
    cr_assert_eq(cs_arena_used(&a), used);
    cr_assert_not(cs_arena_exceeded(&a));
    cr_assert_not_null(cs_arena_try(&a, 480));
    cs_arena_destroy(&a);
}

Test(arena, rewind_over_chunks_keeps_what_was_before)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    char *kept = cs_arena_dup(&a, "before", 6);
    cs_arena_mark mark = cs_arena_mark_now(&a);
    size_t used = cs_arena_used(&a);
    for (int round = 0; round < 3; round++) {
        memset(cs_arena_alloc(&a, 3000000), 1, 3000000);
        for (int i = 0; i < 1000; i++) {
            memset(cs_arena_alloc(&a, 1000), 1, 1000);
        }
        cs_arena_rewind(&a, mark);
        cr_assert_eq(cs_arena_used(&a), used);
        cr_assert_str_eq(kept, "before");
    }
    cs_arena_destroy(&a);
}

Test(arena, marks_nest_and_a_mark_of_nothing_works)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arena_mark nothing = cs_arena_mark_now(&a);
    char *first = cs_arena_alloc(&a, 5000);
    cs_arena_mark outer = cs_arena_mark_now(&a);
    (void)cs_arena_alloc(&a, 5000);
    cs_arena_mark inner = cs_arena_mark_now(&a);
    size_t used = cs_arena_used(&a);
    (void)cs_arena_alloc(&a, 16);
    cs_arena_rewind(&a, inner);
    cr_assert_eq(cs_arena_used(&a), used);
    cs_arena_rewind(&a, outer);
    cr_assert_lt(cs_arena_used(&a), used);
    cs_arena_rewind(&a, nothing);
    cr_assert_eq(cs_arena_used(&a), 0);
    cr_assert_eq((char *)cs_arena_alloc(&a, 16), first);
    cs_arena_destroy(&a);
}

Test(arena, exceeded_survives_rewind_but_not_reset)
{
    cs_arena a;
    cs_arena_init(&a, 256);
    cs_arena_mark mark = cs_arena_mark_now(&a);
    (void)cs_arena_alloc(&a, 1000);
    cs_arena_rewind(&a, mark);
    cr_assert(cs_arena_exceeded(&a));
    cs_arena_reset(&a);
    cr_assert_not(cs_arena_exceeded(&a));
    (void)cs_arena_alloc(&a, 256);
    cr_assert_not(cs_arena_exceeded(&a));
    (void)cs_arena_alloc(&a, 1);
    cr_assert(cs_arena_exceeded(&a));
    cs_arena_destroy(&a);
}

Test(arena, printf_longer_than_its_first_guess)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = 0;
    char *text = cs_arena_printf(&a, &n, "%0500d", 7);
    cr_assert_eq(n, 500);
    cr_assert_eq(strlen(text), 500);
    cr_assert_eq(text[499], '7');
    cs_arena_destroy(&a);
}

Test(arena, allocations_are_counted_when_asked_for)
{
    cs_arena a;
    cs_arena_init(&a, 4000);
    (void)cs_arena_alloc(&a, 16);
    cs_arena_reset(&a);
    cs_mem_count_start();
    cs_arena_reset(&a);
    for (int i = 0; i < 10; i++) {
        memset(cs_arena_alloc(&a, 10), 1, 10);
    }
    cr_assert_not_null(cs_arena_try(&a, 1000));
    cs_mem_count count = cs_mem_count_stop();
    cr_assert_eq(count.allocations, 11);
    cr_assert_eq(count.bytes, 10 * 16 + 1008);
    /* Not any more; and the cap is met where it always is. */
    size_t n = cs_arena_used(&a);
    while (!cs_arena_exceeded(&a)) {
        memset(cs_arena_alloc(&a, 16), 1, 16);
        n += 16;
    }
    cr_assert_eq(n, 4000 / 16 * 16 + 16);
    cr_assert_eq(cs_mem_count_stop().allocations, 11);
    cs_arena_destroy(&a);
}
