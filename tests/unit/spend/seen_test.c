/* The set of ids: what is remembered and for how long, memory, growth, sweeping, restoring; corrections that wait. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

#define DAYS(n) ((n)*INT64_C(86400) * CS_NS_PER_S)

TestSuite(seen, .timeout = 60);

static cs_spend__id id_of(cs_spend__seen *s, uint64_t n)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    return cs_spend__seen_id(s, CS_LIT("s"), cs_slice_make(text, (size_t)length));
}

Test(seen, forgets_by_arrival)
{
    cs_spend__seen s;
    cs_spend__seen_init(&s, DAYS(35));
    for (uint32_t i = 1; i < 40000; i++) {
        cs_spend__seen_tick(&s, i);
        cs_spend__id id = id_of(&s, i);
        cr_assert_null(cs_spend__seen_find(&s, id, i));
        cs_spend__seen_add(&s, id, i, i, i - i % 7);
    }
    cr_assert_lt(s.table.n, s.keep + 2 * 4096 + 200, "what is over is swept: %llu", (unsigned long long)s.table.n);
    for (uint32_t i = 1; i < 40000; i++) {
        const cs_spend__seen_entry *found = cs_spend__seen_find(&s, id_of(&s, i), 39999);
        cr_assert_eq(found != NULL, 39999 - i <= s.keep, "%u", i);
        cr_assert(found == NULL || (found->content == i && cs_spend__seen_where(&s, found) == i - i % 7));
    }
    cs_spend__id split = cs_spend__seen_id(&s, CS_LIT("ab"), CS_LIT("c"));
    cr_assert(!cs_spend__id_equal(split, cs_spend__seen_id(&s, CS_LIT("a"), CS_LIT("bc"))));
    cs_spend__seen_destroy(&s);
}

Test(seen, takes_at_most_24_bytes_an_id)
{
    cs_spend__seen s;
    cs_spend__seen_init(&s, DAYS(35));
    cs_spend__seen_tick(&s, 2000000);
    for (uint64_t i = 0; i < 400000; i++) {
        cs_spend__seen_add(&s, id_of(&s, i), (uint32_t)i, 2000000, 2000000);
        cr_assert(i < 300000 || s.table.bytes <= 24 * (i + 1), "%llu bytes for %llu", (unsigned long long)s.table.bytes,
                  (unsigned long long)i);
    }
    cr_assert_eq(s.table.n, 400000);
    for (uint64_t i = 0; i < 800000; i++) {
        const cs_spend__seen_entry *e = cs_spend__seen_find(&s, id_of(&s, i), 2000000);
        cr_assert_eq(e != NULL, i < 400000);
        cr_assert(e == NULL || e->content == (uint32_t)i);
    }
    cs_spend__seen_destroy(&s);
}

Test(seen, survives_long_silence_and_strange_clocks)
{
    cs_spend__seen s;
    cs_spend__seen_init(&s, DAYS(400));
    cs_spend__seen_tick(&s, 2000000);
    cs_spend__id old = id_of(&s, 1);
    cs_spend__seen_add(&s, old, 1, 2000000, 1990000);
    cr_assert_eq(cs_spend__seen_where(&s, cs_spend__seen_find(&s, old, 2000000)), 1990000);
    for (uint32_t at = 2000000; at < 2400000; at += 65536) { /* the lower 16 bits come again */
        cs_spend__seen_tick(&s, at);
        cr_assert_eq(cs_spend__seen_find(&s, old, at) != NULL, at <= 2000000 + s.keep, "%u", at);
    }
    cr_assert_eq(s.table.n, 0);
    cs_spend__seen_add(&s, id_of(&s, 2), 2, 1, 1); /* arrived in 1970: long over */
    cr_assert_null(cs_spend__seen_find(&s, id_of(&s, 2), s.clock + 1));
    cs_spend__seen_add(&s, id_of(&s, 3), 3, 4000000,
                       4000000); /* in the far future: remembered as long as can be told */
    cr_assert_not_null(cs_spend__seen_find(&s, id_of(&s, 3), s.clock));
    cr_assert_eq(cs_spend__seen_where(&s, cs_spend__seen_find(&s, id_of(&s, 3), s.clock)), CS_SPEND__WHERE_UNKNOWN);
    cs_spend__seen_destroy(&s);
}

Test(seen, is_restored_from_its_log)
{
    cs_spend__seen s;
    cs_spend__seen back;
    cs_spend__seen_init(&s, DAYS(35));
    cs_spend__seen_init(&back, DAYS(35));
    s.logs = true;
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t at = 2000000 + i / 20;
        cs_spend__seen_tick(&s, at);
        cs_spend__seen_add(&s, id_of(&s, i), i, at, i % 9 == 0 ? CS_SPEND__WHERE_WAITING : (int64_t)at - i % 300);
    }
    for (uint32_t i = 0; i < 50000; i += 9) {
        cs_spend__seen_move(&s, id_of(&s, i), s.clock, 2000000 - 5);
    }
    for (int round = 0; round < 2; round++) { /* twice does no harm */
        memcpy(back.key, s.key, sizeof s.key);
        cs_spend__seen_tick(&back, s.clock);
        for (size_t i = 0; i < s.log.n; i++) {
            cr_assert(cs_spend__seen_restore(&back, s.log.v[i].day, cs_buf_view(&s.log.v[i].bytes)));
            cr_assert(!cs_spend__seen_restore(&back, s.log.v[i].day, cs_slice_make(s.log.v[i].bytes.p, 17)));
        }
        cr_assert_eq(back.table.n, 50000);
        for (uint32_t i = 0; i < 50000; i++) {
            const cs_spend__seen_entry *e = cs_spend__seen_find(&back, id_of(&back, i), s.clock);
            int64_t where = i % 9 == 0 ? 2000000 - 5 : (int64_t)(2000000 + i / 20) - i % 300;
            cr_assert(e != NULL && e->content == i && cs_spend__seen_where(&back, e) == where, "%u", i);
        }
    }
    cs_spend__seen_destroy(&s);
    cs_spend__seen_destroy(&back);
}

static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Every entry is where a search finds it, in order, and there are as many as there should be. */
static void check_table(const cs_spend__seen_table *t)
{
    uint64_t before = 0;
    uint64_t n = 0;
    for (uint64_t i = 0; t->v != NULL && i <= t->places; i++) {
        const cs_spend__seen_entry *e = &t->v[i];
        if (e->print != 0) {
            cr_assert(e->print >= before && i < t->places && i <= t->last);
            cr_assert_eq(cs_spend__seen_get(t, e->print, (uint32_t)e->more), e);
            before = e->print;
            n++;
        }
    }
    cr_assert_eq(n, t->n);
}

/* Grows, shrinks, fills and empties at every moment of its changes; some fingerprints differ in `more` alone, and some
 * are crowded at one end. */
Test(seen, table_is_whole_at_every_moment)
{
    enum { IDS = 4000, STEPS = 60000 };
    static cs_spend__seen_entry ids[IDS];
    static bool in[IDS];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t state = seed;
        cs_spend__seen_table t = {.n = 0};
        memset(in, 0, sizeof in);
        for (size_t i = 0; i < IDS; i++) {
            uint64_t print = i % 16 == 3   ? ids[i - 1].print
                             : i % 16 == 5 ? UINT64_MAX - 1 - i
                                           : draw(&state) >> (i % 3);
            ids[i] = (cs_spend__seen_entry){.print = print != 0 ? print : 1, .content = i};
            ids[i].more = i % 0x1000;
        }
        size_t upto = 50;
        bool fills = true;
        for (size_t step = 0; step < STEPS; step++) {
            if (step % 1500 == 0) {
                upto = draw(&state) % IDS;
                fills = draw(&state) % 2 == 0;
            }
            size_t i = draw(&state) % (upto + 1);
            cs_spend__seen_entry *e = cs_spend__seen_get(&t, ids[i].print, (uint32_t)ids[i].more);
            cr_assert_eq(e != NULL, in[i], "%zu", i);
            cr_assert(e == NULL || e->content == ids[i].content);
            bool puts = draw(&state) % 8 == 0 ? !fills : fills;
            if (puts) {
                cs_spend__seen_put(&t, &ids[i]);
                in[i] = true;
            } else if (e != NULL) {
                cs_spend__seen_remove(&t, (uint64_t)(e - t.v));
                in[i] = false;
            }
            cs_spend__seen_fit(&t);
            if (step % 211 == 0) {
                check_table(&t);
            }
        }
        for (size_t i = 0; i < IDS; i++) {
            cr_assert_eq(cs_spend__seen_get(&t, ids[i].print, (uint32_t)ids[i].more) != NULL, in[i]);
        }
        cs_spend__seen_table_destroy(&t);
    }
}

Test(seen, finds_what_waits_by_root_and_by_id)
{
    cs_spend__waits w;
    cs_spend__waits_init(&w);
    for (uint64_t i = 0; i < 1000; i++) {
        cs_spend__waiting item = {.id = {i * 77, i + 1}, .root = {i % 10, 5}, .slot = (uint32_t)i, .nanos = (int64_t)i};
        cs_spend__waits_add(&w, &item, 0);
    }
    cr_assert_eq(cs_spend__waits_find(&w, (cs_spend__id){77 * 500, 501})->nanos, 500);
    cr_assert_null(cs_spend__waits_find(&w, (cs_spend__id){77 * 500, 500}));
    cs_spend__waits_remove(&w, (cs_spend__id){77 * 503, 504});
    cs_spend__waiting out;
    size_t n = 0;
    while (cs_spend__waits_take(&w, (cs_spend__id){3, 5}, 400, &out)) {
        cr_assert(out.nanos % 10 == 3 && out.nanos >= 400);
        n++;
    }
    cr_assert_eq(n, 59);
    for (uint64_t i = 0; i < 5000; i++) { /* those from before 900 make room */
        cs_spend__waiting item = {.id = {i, 1u << 20}, .root = {i, 1}, .slot = 2000};
        cs_spend__waits_add(&w, &item, 900);
    }
    cr_assert_null(cs_spend__waits_find(&w, (cs_spend__id){77 * 500, 501}));
    cr_assert_not_null(cs_spend__waits_find(&w, (cs_spend__id){77 * 950, 951}));
    cs_spend__waits_destroy(&w);
}
