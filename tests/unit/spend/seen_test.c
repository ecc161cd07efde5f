/* The set of ids: what is remembered and for how long, memory, growth, sweeping, restoring; corrections that wait. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

#define DAYS(n) ((n)*INT64_C(86400) * CS_NS_PER_S)

TestSuite(seen, .timeout = 60);

static cs_spend__id id_of(const cs_spend__seen *s, uint64_t n)
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
    cr_assert_lt(s.n, s.keep + 2 * 4096 + 200, "what is over is swept: %llu", (unsigned long long)s.n);
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
        cr_assert(i < 300000 || s.bytes <= 24 * (i + 1), "%llu bytes for %llu", (unsigned long long)s.bytes,
                  (unsigned long long)i);
    }
    cr_assert_eq(s.n, 400000);
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
    cr_assert_eq(s.n, 0);
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
        cr_assert_eq(back.n, 50000);
        for (uint32_t i = 0; i < 50000; i++) {
            const cs_spend__seen_entry *e = cs_spend__seen_find(&back, id_of(&back, i), s.clock);
            int64_t where = i % 9 == 0 ? 2000000 - 5 : (int64_t)(2000000 + i / 20) - i % 300;
            cr_assert(e != NULL && e->content == i && cs_spend__seen_where(&back, e) == where, "%u", i);
        }
    }
    cs_spend__seen_destroy(&s);
    cs_spend__seen_destroy(&back);
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
