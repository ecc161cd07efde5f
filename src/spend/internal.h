/* The ledger from inside.
 *
 *   event.c    spend event (CloudEvents data) → amount, currency, tenant
 *   seen.c     ids seen; corrections that wait for what they correct
 *   book.c     sums in 15-minute buckets of one tenant and currency
 *   window.c   "day" in a zone → [start, end)
 *   limit.c    data.tenants → limits
 *   account.c  tenants, their books, the running totals of their budgets; shards
 *   ledger.c   the fold
 *   view.c     data.spend          report.c  health, documents, metrics          post.c  POST /v1/events
 *
 * Locks: a shard's mutex guards its accounts, their books and totals. Only the journal's thread changes books; only the
 * thread that configures changes limits; anyone who looks at a total may bring it up to now. `seen` belongs to the
 * journal's thread. */
#ifndef CS_SPEND_INTERNAL_H
#define CS_SPEND_INTERNAL_H

#include <stdatomic.h>

#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/metrics.h"
#include "countersign/spend.h"
#include "spend/book.h"
#include "spend/seen.h"
#include "spend/window.h"

/* ---- tier.c: data.countersign.tiers, and where a tenant stands */
typedef struct cs_spend__tier_limit {
    cs_slice budget; /* its id */
    int64_t limit;
} cs_spend__tier_limit;

typedef struct cs_spend__tier {
    cs_slice name;
    const cs_spend__tier_limit *limits;
    size_t n_limits;
    cs_slice promote_to;               /* "" = nowhere */
    const struct cs_spend__tier *next; /* the tier of that name */
    int64_t clean_ns;                  /* so long without a blemish, then next */
} cs_spend__tier;

/* ---- limit.c */
/* Names of dimensions, sorted: what of data.scope a budget looks at. */
typedef struct cs_spend__pattern {
    cs_slice names[CS_SPEND__PAIRS];
    size_t n;
} cs_spend__pattern;

enum { CS_SPEND__RATIOS = 8 };
#define CS_SPEND__LEVELS 8       /* of organisations above a tenant */
#define CS_SPEND__WHOLE SIZE_MAX /* no pattern: all that the tenant spends */
typedef struct cs_spend__budget {
    cs_slice id, window_text, mode; /* mode "" if there is none */
    char currency[4];
    cs_spend__window window;
    bool has_limit; /* of its own; otherwise the tier says it */
    int64_t limit;
    double ratios[CS_SPEND__RATIOS]; /* alert_ratios, ascending */
    size_t n_ratios;
    bool charges_expired;  /* on_expiry: a hold that expires counts as spent */
    cs_spend__pairs scope; /* only spend with these values */
    cs_slice per;          /* each value of this dimension has the limit for itself; "" = no */
    size_t pattern;        /* of scope: index into the tenant's patterns, or CS_SPEND__WHOLE */
    size_t pattern_each;   /* of scope and per; CS_SPEND__WHOLE without per */
} cs_spend__budget;

typedef struct cs_spend__tenant {
    cs_slice name, timezone, tier; /* tier "" if there is none */
    const cs_zone *zone;
    char currency[4];
    bool has_since, has_clean_since, has_promotes;
    int64_t since_ns, clean_since_ns, promotes_ns;
    const cs_spend__tier *tier_rule;       /* NULL if the tier is not described */
    cs_slice parent_name;                  /* "" = none */
    const struct cs_spend__tenant *parent; /* whose budgets count this tenant's spend too */
    struct cs_spend__account *account;     /* once in force */
    bool has_children;
    const cs_spend__budget *budgets; /* by id */
    size_t n_budgets;
    const cs_spend__pattern *patterns; /* each once; those of whoever is above come last */
    size_t n_patterns;
} cs_spend__tenant;

/* All limits in force. Immutable; freed when replaced, under all shard locks. */
typedef struct cs_spend__limits {
    cs_arena arena;
    cs_spend__tenant *tenants; /* by name */
    size_t n;
    const cs_spend__tier *tiers; /* by name */
    size_t n_tiers;
} cs_spend__limits;

CS_MUST_CHECK cs_err cs_spend__limits_read(cs_value tenants, cs_value tiers, cs_spend__limits **out, cs_arena *a,
                                           cs_value *problems, cs_error *e);
void cs_spend__limits_free(cs_spend__limits *limits);
/* NULL if there is no such tenant. */
const cs_spend__tenant *cs_spend__limits_find(const cs_spend__limits *limits, cs_slice tenant);

/* What reads the documents of limits: every problem is kept with its path. */
typedef struct cs_spend__reader {
    cs_spend__limits *limits;
    cs_arena *a;               /* for problems; NULL = they are not wanted */
    CS_VEC(cs_value) problems; /* in `a` */
    size_t n;
    cs_error *e;
    cs_arena paths; /* of the tenant at hand */
} cs_spend__reader;
void cs_spend__problem(cs_spend__reader *r, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *cs_spend__below(cs_spend__reader *r, const char *path, cs_slice name);
cs_slice cs_spend__keep(cs_spend__reader *r, cs_slice text);
/* A string member: `fallback` (not copied) when it is missing. */
cs_slice cs_spend__text_member(cs_spend__reader *r, cs_value object, const char *name, const char *path,
                               const char *fallback);
/* `limit` or `limit_nanos`; false if there is neither. */
bool cs_spend__limit_member(cs_spend__reader *r, cs_value object, const char *path, int64_t *out);
void cs_spend__tiers_read(cs_spend__reader *r, cs_value tiers);
void cs_spend__tenant_tier_read(cs_spend__reader *r, cs_value tenant, const char *path, cs_spend__tenant *out);

/* ---- scope.c: what was spent by team, by user, by whatever a budget looks at */
typedef struct cs_spend__total {
    const cs_spend__budget *budget;
    cs_spend__book *book; /* NULL until something is spent in its currency */
    bool valid;           /* the rest is right for instants within [from, to) */
    int64_t from, to;     /* slots */
    cs_spend__sum sum;
    int64_t alert_at; /* posted from which the next alert is due; INT64_MIN = look */
} cs_spend__total;

/* One combination of values of a pattern: {"team": "growth"}. */
typedef struct cs_spend__part {
    cs_slice key;          /* owned; cs_spend__scope_key */
    cs_spend__pairs pairs; /* point into key */
    CS_VEC(cs_spend__book *) books;
    cs_spend__total *totals; /* of the budgets per value that this part is a value of */
    size_t n_totals;
} cs_spend__part;

/* The books of a tenant, or of a tenant and all below it. */
typedef struct cs_spend__set {
    CS_VEC(cs_spend__book *) books; /* all spend, by currency */
    cs_map parts;                   /* key → cs_spend__part; initialised with the first */
    bool has_parts;
} cs_spend__set;

/* ---- tier.c */
typedef struct cs_spend__standing {
    cs_slice name;              /* of the tier now; "" if there is none */
    const cs_spend__tier *tier; /* NULL if it is not described */
    bool promoted;
    bool has_clean_since, has_promotes;
    int64_t clean_since_ns, promotes_ns;
} cs_spend__standing;

/* ---- change.c: limits changed by people */
typedef struct cs_spend__budget_change {
    cs_slice id, budget, reason, author; /* owned, one block that begins at id.p */
    char currency[4];
    int64_t limit;
    int64_t at_ns, expires_ns; /* INT64_MAX = until it is taken back */
    bool reset;                /* taken back */
} cs_spend__budget_change;

/* ---- alert.c: said once for each window */
typedef struct cs_spend__alert {
    cs_slice key; /* owned: cs_spend__alert_key of budget, value and ratio */
    int64_t window_start;
} cs_spend__alert;

/* ---- account.c */
typedef struct cs_spend__account {
    cs_slice name;                  /* owned */
    const cs_spend__tenant *tenant; /* NULL = not configured */
    cs_spend__set own;
    cs_spend__set *family;                   /* with all below it; NULL if it is nobody's parent */
    cs_spend__total *totals;                 /* one for each of the tenant's budgets */
    CS_VEC(cs_spend__budget_change) changes; /* the last one of each budget */
    CS_VEC(cs_spend__alert) alerts;
    CS_VEC(int64_t) blemishes; /* instants at which the tenant was not clean, ascending */
} cs_spend__account;

/* New limits take all locks at once; ThreadSanitizer follows fewer than 64 in one hand. */
enum { CS_SPEND__SHARDS = 32 };

typedef struct cs_spend__shard {
    _Alignas(64) cs_mutex lock;
    cs_map accounts;
} cs_spend__shard;

typedef enum cs_spend__count {
    CS_SPEND__ACCEPTED,
    CS_SPEND__LATE,
    CS_SPEND__FUTURE,
    CS_SPEND__DUPLICATE,
    CS_SPEND__CONFLICT,
    CS_SPEND__REJECTED,
    CS_SPEND__COUNTS
} cs_spend__count;

/* Objects whose keys are always the same: keys, hashes and index are made once and shared by all of them. */
enum { CS_SPEND__FIELDS = 16 };
typedef struct cs_spend__shape {
    cs_table table;               /* frozen; its values are to be replaced */
    uint8_t at[CS_SPEND__FIELDS]; /* field → entry */
} cs_spend__shape;

struct cs_spend {
    cs_journal *journal;
    cs_metrics *metrics;
    int64_t dedupe_ns, max_lateness_ns, stale_after_ns;
    int64_t (*now_ns)(void *self);
    void *now_self;
    cs_live live;
    cs_arena shapes; /* what the next three are made of */
    cs_spend__shape line, overflown_line, meta;
    cs_spend__shard *shards; /* CS_SPEND__SHARDS of them */
    cs_spend__seen seen;     /* the journal's thread */
    cs_arena scratch;        /* the journal's thread */
    cs_mutex configuring;
    cs_spend__limits *limits; /* changed under `configuring` and all shard locks */
    uint64_t configured;      /* how often; as limits */
    cs_series *counted[CS_SPEND__COUNTS];
    _Atomic uint64_t counts[CS_SPEND__COUNTS];
    _Atomic uint64_t rounded, overflows;
};

cs_spend__shard *cs_spend__shard_of(cs_spend *s, cs_slice tenant);
/* The rest under the shard's lock. */
cs_spend__account *cs_spend__account_find(cs_spend__shard *shard, cs_slice tenant);
cs_spend__account *cs_spend__account_make(cs_spend__shard *shard, cs_slice tenant);
/* The books that running totals are kept over: the family's, if there is one. */
static inline cs_spend__set *cs_spend__counted_set(cs_spend__account *account)
{
    return account->family != NULL ? account->family : &account->own;
}
/* Brings a total up to now. */
void cs_spend__total_refresh(const cs_spend__account *account, cs_spend__total *total, int64_t now_ns);
/* limit - posted - held, nothing after an overflow. */
int64_t cs_spend__remaining(int64_t limit, int64_t posted, int64_t held, bool overflow);
/* All accounts, locked shard by shard; `each` is called under the lock. */
void cs_spend__each_account(cs_spend *s, void (*each)(void *self, cs_spend__account *account), void *self);
void cs_spend__accounts_free(cs_spend *s);

/* ---- scope.c. Under the shard's lock. */
/* Changes the books of an account that a piece of spend in this scope counts in, and every running total over them:
 * all of it, its parts, and the family's. `up`: the spend is of a tenant below. True if its own sum overflowed now. */
bool cs_spend__account_post(cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope, bool up,
                            size_t n, const cs_spend__change *changes, uint32_t now_slot);
/* The totals of an account that spend in this currency and scope counts in. Makes what is missing. */
typedef void cs_spend__each_total(void *self, cs_spend__account *account, cs_spend__total *total);
void cs_spend__account_totals(cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope,
                              cs_spend__each_total *each, void *self);
/* Makes the totals of the tenant's budgets, and of their values; drops them. Before and after the tenant or the family
 * changes. */
void cs_spend__totals_bind(cs_spend__account *account);
void cs_spend__totals_unbind(cs_spend__account *account);
cs_spend__book *cs_spend__set_book(cs_spend__set *set, const char *currency); /* NULL if there is none */
/* Adds what is in `from` to `to`; of its parts those that the tenant's budgets look at. */
void cs_spend__set_merge(cs_spend__set *to, const cs_spend__tenant *tenant, const cs_spend__set *from);
void cs_spend__set_destroy(cs_spend__set *set);
/* The key of a scope's values in a pattern's dimensions, into CS_SPEND__KEY_BYTES of room; 0 = some are missing. */
size_t cs_spend__scope_key(const cs_spend__pattern *pattern, const cs_spend__pairs *scope, char *out);
enum { CS_SPEND__KEY_BYTES = CS_SPEND__PAIRS * (CS_SPEND__NAME_BYTES + CS_SPEND__VALUE_BYTES + 2) };
/* All of a scope as a key, and back; the texts point into the key. */
size_t cs_spend__pairs_key(const cs_spend__pairs *pairs, char *out);
cs_spend__pairs cs_spend__pairs_of_key(cs_slice key);
/* Has `scope` all values of `fixed`? */
bool cs_spend__scope_covers(const cs_spend__pairs *scope, const cs_spend__pairs *fixed);

/* ---- tier.c. Under the shard's lock. */
cs_spend__standing cs_spend__standing_at(const cs_spend__account *account, int64_t now_ns);
/* The limit of a budget now: changed by people, or that of the tier, or its own. */
int64_t cs_spend__limit_at(const cs_spend__account *account, const cs_spend__standing *standing,
                           const cs_spend__budget *budget, int64_t now_ns);
void cs_spend__blemish_add(cs_spend__account *account, int64_t at_ns);

/* ---- ledger.c */
void cs_spend__count_add(cs_spend *s, cs_spend__count which, uint64_t n);

/* ---- view.c */
void cs_spend__shapes_init(cs_spend *s);
cs_value cs_spend__row(void *self, cs_value key, cs_arena *a);
cs_value cs_spend__all(void *self, cs_arena *a);

/* One budget of a tenant, copied out. */
typedef struct cs_spend__line {
    cs_slice id, window, tier, mode;
    char currency[4];
    int64_t limit;
    int64_t start_ns, end_ns;
    cs_spend__sum sum;
    uint64_t version;
    bool overflow;
    cs_slice per;                        /* "" without */
    const struct cs_spend__line *values; /* by `per`: their id is the value */
    size_t n_values;
} cs_spend__line;

/* A tenant, copied out into an arena. */
typedef struct cs_spend__copy {
    cs_slice name, timezone, tier, parent; /* tier: the one it stands in now */
    bool known, has_since, has_clean_since, has_promotes;
    char currency[4]; /* of the tenant; "" if not known */
    int64_t since_ns, clean_since_ns, promotes_ns;
    cs_spend__line *lines; /* by budget id */
    size_t n_lines;
    char (*currencies)[4]; /* those spent in, budgets or not */
    size_t n_currencies;
} cs_spend__copy;

/* Under the account's lock. Without `whole` the texts that data.spend does not show are left out. */
void cs_spend__copy_account(cs_arena *a, cs_spend__account *account, int64_t now_ns, bool whole, cs_spend__copy *out);
/* false if there is no such tenant. */
bool cs_spend__copy_tenant(cs_spend *s, cs_arena *a, cs_slice tenant, bool whole, cs_spend__copy *out);
/* Everyone, sorted by name. */
cs_spend__copy *cs_spend__copy_all(cs_spend *s, cs_arena *a, size_t *n);

/* ---- report.c */
void cs_spend__metrics_register(cs_spend *s);
void cs_spend__metrics_unregister(cs_spend *s);

#endif
