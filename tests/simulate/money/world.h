/* The simulated world of money.c: all that happened, and the settings of now. */
#ifndef CS_TESTS_MONEY_WORLD_H
#define CS_TESTS_MONEY_WORLD_H

#include <stdio.h>

#include "../calendar.h"
#include "../chance.h"
#include "countersign/hold.h"
#include "../memory.h"

enum { WORLD = 1000, TENANTS = 5, KNOWN = 4, BUDGETS = 4, HOLDS = 400, TIERS = 3, RATIOS = 3, USERS = 3 };
#define DAY (86400 * CS_NS_PER_S)
#define HOUR (3600 * CS_NS_PER_S)
__extension__ typedef __int128 wide; /* sums that cannot overflow */

typedef struct event {
    int tenant;
    const char *currency, *kind;
    const char *team, *user; /* NULL = none */
    int64_t nanos;
    int corrects; /* index, or -1 */
    int64_t time;
    int64_t arrived; /* of the delivery that counted; 0 = not yet */
    bool settles;    /* a hold: nobody sends it again */
} event;
typedef struct hold {
    int tenant;
    const char *currency, *team, *user;
    int64_t amount, placed, expires, deadline; /* deadline: monotonic */
    bool charge, resolved;
} hold;
typedef struct limit {
    const char *window, *currency, *mode;
    const char *team; /* that of its scope; NULL = any */
    bool per, charge; /* for each user; on_expiry: charge_estimate */
    bool own;         /* has a limit of its own; otherwise its tier's */
    int64_t nanos;
    unsigned ratios; /* a bit for each of `ratios` that alerts are wanted at */
    struct {
        bool there;
        int64_t at, nanos, expires; /* expires INT64_MIN = taken back */
    } changes[2];                   /* by people, by currency: the last one by its own time */
} limit;
typedef struct tenant {
    int zone, tier;
    int64_t since, clean_since; /* of the tier; 0 = it says nothing */
    limit limits[BUDGETS];
} tenant;

static event events[2 * WORLD + 64];
static int n_events;
static hold holds[HOLDS];
static int n_holds;
static tenant tenants[KNOWN];
static bool huge; /* some amounts are near the ends of 64 bits */
static struct {
    int64_t limits[BUDGETS];
    int days; /* without a blemish, then the next tier; 0 = never */
} rules_of_tiers[TIERS];

static const char *const names[TENANTS] = {"org", "cairo", "york", "kathmandu", "nobody"};
static const int parents[TENANTS] = {-1, 0, 0, -1, -1};
static const char *const windows[] = {
    "week:sunday", "month", "rolling:36h", "fixed:2026-03-01/2026-10-15", "hour", "day", "week", "quarter", "year"};
static const char *const tiers[TIERS] = {"small", "large", "vast"};
static const char *const currencies[] = {"USD", "EUR"};
static const char *const teams[] = {"red", "blue", NULL};
static const char *const users[USERS + 1] = {"u1", "u2", "u3", NULL};
static const double ratios[RATIOS] = {0.5, 0.8, 1};
static int64_t now, mono; /* the two clocks */

static cs_journal *journal;
static cs_spend *spend;
static int failures;
static unsigned long long seed;
static long step;
static long version = 1; /* of all that the rules look at */

static int64_t wall_clock(void *self)
{
    (void)self;
    return now;
}
static int64_t mono_clock(void *self)
{
    (void)self;
    return mono;
}
static void fail(const char *what)
{
    failures++;
    printf("seed %llu, step %ld, at %lld: %s\n", seed, step, (long long)now, what);
}

static bool same(const char *x, const char *y)
{
    return x != NULL && y != NULL && strcmp(x, y) == 0;
}
/* Does budget `l` of tenant t count this? */
static bool concerns(int t, const limit *l, int of, const char *currency, const char *team)
{
    return (of == t || parents[of] == t) && same(currency, l->currency) && (l->team == NULL || same(team, l->team));
}
static bool enforced(const limit *l)
{
    return same(l->mode, "enforce");
}
static int which(const char *const *list, int n, const char *text)
{
    int i = 0;
    while (i < n && !same(list[i], text)) {
        i++;
    }
    return i;
}

#endif
