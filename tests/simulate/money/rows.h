/* Rows of data.spend against the rules. */
#ifndef CS_TESTS_MONEY_ROWS_H
#define CS_TESTS_MONEY_ROWS_H

#include "countersign/json.h"
#include "countersign/number.h"
#include "tiers.h"

static int64_t number(cs_value object, const char *key)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, key) : NULL;
    int64_t i = INT64_MIN;
    return v != NULL && cs_is(*v, CS_NUMBER) && cs_number_is_int(*v, &i) ? i : INT64_MIN;
}
static bool overflown(cs_value row)
{
    return cs_is(row, CS_OBJECT) && cs_object_get_text(row, "overflow") != NULL;
}

/* What the counters are to be: exactly that, or, where a sum has left 64 bits, said to have done so. */
static bool counters_agree(const sums *s, int64_t remaining, cs_value row)
{
    if (overflown(row)) {
        return s->doubtful;
    }
    return number(row, "posted_nanos") == s->posted && number(row, "held_nanos") == s->held &&
           number(row, "late_nanos") == s->late && number(row, "corrected_nanos") == s->corrected &&
           number(row, "remaining_nanos") == remaining;
}

static void compare(int t, int b, const char *user, const sums *s, int64_t remaining, cs_value row)
{
    const limit *l = &tenants[t].limits[b];
    bool promoted;
    const char *tier = tiers[standing(t, &promoted)];
    if (number(row, "window_start") == s->from * SLOT && number(row, "window_end") == s->to * SLOT &&
        counters_agree(s, remaining, row) && number(row, "events") == s->n && number(row, "last_event") == s->last &&
        cs_equal(cs_index(row, cs_string(CS_LIT("tier"))), cs_string(cs_slice_of(tier))) &&
        number(row, "limit_nanos") == limit_now(t, l)) {
        return;
    }
    char text[1200];
    cs_buf is;
    cs_buf_init(&is);
    cs_json_write(&is, row, 0);
    (void)snprintf(text, sizeof text,
                   "%s b%d %s (%s, %s): from %lld to %lld posted %lld held %lld late %lld corrected %lld events %lld "
                   "last %lld limit %lld remaining %lld tier %s, but %.500s",
                   names[t], b, user != NULL ? user : "", l->window, zones[tenants[t].zone],
                   (long long)(s->from * SLOT), (long long)(s->to * SLOT), (long long)s->posted, (long long)s->held,
                   (long long)s->late, (long long)s->corrected, (long long)s->n, (long long)s->last,
                   (long long)limit_now(t, l), (long long)remaining, tier,
                   cs_is(row, CS_OBJECT) ? cs_buf_cstr(&is) : "nothing");
    cs_buf_destroy(&is);
    fail(text);
}

static void compare_budget(int t, int b, cs_value line)
{
    const limit *l = &tenants[t].limits[b];
    sums all = sums_of(t, l, NULL);
    int64_t most = limit_now(t, l);
    int64_t least = most;
    cs_value by = cs_index(cs_index(line, cs_string(CS_LIT("by"))), cs_string(CS_LIT("user")));
    for (int u = 0; l->per && u < USERS; u++) {
        sums one = sums_of(t, l, users[u]);
        cs_value value = cs_index(by, cs_string(cs_slice_of(users[u])));
        int64_t left = overflown(value) ? INT64_MIN : clamp(most - one.posted - one.held);
        if (one.n > 0 || one.held != 0) {
            compare(t, b, users[u], &one, left, value);
            least = left < least ? left : least;
        } else if (cs_is(value, CS_OBJECT)) {
            fail("a user without spend has a row");
        }
    }
    if (overflown(line) && number(line, "remaining_nanos") != (l->per ? least : INT64_MIN)) {
        fail("something remains of what has overflown");
    }
    compare(t, b, NULL, &all, l->per ? least : clamp(most - all.posted - all.held), line);
}

static cs_value line_of(cs_arena *a, int t, int b)
{
    const cs_live *live = cs_spend_live(spend);
    cs_value row = live->row(live->self, cs_string(cs_slice_of(names[t])), a);
    cs_value id = cs_string_printf(a, "b%d", b);
    return cs_index(cs_index(row, cs_string(cs_slice_of(tenants[t].limits[b].currency))), id);
}

static void compare_tenant(int t)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    for (int b = 0; b < BUDGETS; b++) {
        compare_budget(t, b, line_of(&a, t, b));
    }
    cs_arena_destroy(&a);
}

static void compare_family(int t)
{
    for (; t >= 0; t = parents[t]) {
        if (t < KNOWN) {
            compare_tenant(t);
        }
    }
}

#endif
