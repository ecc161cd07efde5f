/* People to rules: the matching against trying every seating. */
#include <criterion/criterion.h>

#include "approval/internal.h"

static uint32_t state = 7;

static uint32_t draw(uint32_t below)
{
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % below;
}

/* The best of all seatings: each person sits down anywhere, or nowhere. */
static uint32_t best(const cs_approval__rules *rules, const unsigned *fits, size_t n, uint32_t *left)
{
    if (n == 0) {
        return 0;
    }
    uint32_t most = best(rules, fits + 1, n - 1, left);
    for (size_t i = 0; i < rules->n; i++) {
        if ((fits[0] >> i & 1U) != 0 && left[i] > 0) {
            left[i]--;
            uint32_t filled = 1 + best(rules, fits + 1, n - 1, left);
            most = filled > most ? filled : most;
            left[i]++;
        }
    }
    return most;
}

Test(approval_match, is_the_best_seating)
{
    for (int round = 0; round < 3000; round++) {
        cs_approval__rules rules = {.n = 1 + draw(4)};
        uint32_t left[CS_APPROVAL__RULES + 1] = {0};
        for (size_t i = 0; i < rules.n; i++) {
            left[i] = rules.v[i].quorum = 1 + draw(3);
        }
        unsigned fits[7];
        size_t n = draw(8);
        for (size_t i = 0; i < n; i++) {
            fits[i] = draw(1U << rules.n);
        }
        cr_assert_eq(cs_approval__match(&rules, fits, n), best(&rules, fits, n, left), "round %d", round);
    }
}

Test(approval_match, at_the_bounds)
{
    cs_approval__rules rules = {.n = 1};
    rules.v[0].quorum = CS_APPROVAL__PEOPLE;
    unsigned fits[254];
    for (size_t i = 0; i < 254; i++) {
        fits[i] = 1;
    }
    cr_assert_eq(cs_approval__match(&rules, fits, 254), CS_APPROVAL__PEOPLE);
    cr_assert_eq(cs_approval__match(&rules, fits, 0), 0);
    /* Everybody but one fits one place only, and that one is asked last. */
    rules = (cs_approval__rules){.n = 3};
    rules.v[0].quorum = rules.v[1].quorum = rules.v[2].quorum = 1;
    cr_assert_eq(cs_approval__match(&rules, (unsigned[]){7, 3, 1}, 3), 3);
    cr_assert_eq(cs_approval__match(&rules, (unsigned[]){1, 1, 1}, 3), 1);
}

Test(approval_match, rules_of_a_request)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    static const struct {
        const char *request;
        size_t rules; /* 0 = refused */
        uint32_t quorum;
    } cases[] = {{"{\"quorum\": 2}", 1, 2},
                 {"{\"quorum\": 2, \"groups\": [\"a\"]}", 1, 2},
                 {"{\"rules\": [{\"groups\": [\"a\"]}, {\"groups\": [\"b\"], \"quorum\": 2}]}", 2, 3},
                 {"{\"quorum\": 4, \"rules\": [{\"groups\": [\"a\"]}]}", 2, 4},
                 {"{\"quorum\": 1, \"rules\": [{\"groups\": [\"a\"], \"quorum\": 3}]}", 1, 3},
                 {"{}", 0, 0},
                 {"{\"quorum\": 0}", 0, 0},
                 {"{\"quorum\": 33}", 0, 0},
                 {"{\"quorum\": \"2\"}", 0, 0},
                 {"{\"quorum\": 1, \"groups\": []}", 0, 0},
                 {"{\"quorum\": 1, \"groups\": [1]}", 0, 0},
                 {"{\"quorum\": 1, \"rules\": {}}", 0, 0},
                 {"{\"rules\": [{\"groups\": [\"a\"], \"quorum\": 20}, {\"groups\": [\"b\"], \"quorum\": 20}]}", 0, 0},
                 {"{\"quorum\": 1, \"escalation_groups\": 3}", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cs_approval__rules rules;
        cs_err err = cs_approval__read_rules(cs_approval__json(&a, cs_slice_of(cases[i].request)), &rules, NULL);
        cr_assert_eq(err == CS_OK, cases[i].rules > 0, "%s", cases[i].request);
        if (err == CS_OK) {
            cr_assert_eq(rules.n, cases[i].rules, "%s", cases[i].request);
            cr_assert_eq(rules.quorum, cases[i].quorum, "%s", cases[i].request);
        }
    }
    cs_arena_destroy(&a);
}
