/* The ledger from inside.
 *
 *   event.c    spend event (CloudEvents data) → amount, currency, tenant
 *   seen.c     ids seen                seen_table.c  the table that they lie in
 *   waiting.c  corrections that wait for what they correct
 *   book.c     sums in 15-minute buckets of one tenant and currency
 *   window.c   "day" in a zone → [start, end)
 *   limit.c    data.tenants → limits      tier.c  data.countersign.tiers; the tier that a tenant stands in
 *   account.c  tenants and their shards; limits into force
 *   scope.c    books, parts by scope, families; the running totals of budgets
 *   ledger.c   the fold                 save.c, save_account.c  what snapshots keep of it
 *   pin.c      money held in one account: expiry, held sums of its budgets
 *   hold.c     holds: placing, forgetting      hold_fold.c  what the log says of them      hold_api.c  settle, void
 *   change.c   limits changed by people     alert.c  what is said once for each window
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
#include "spend/account.h"
#include "spend/hold.h"
#include "spend/seen.h"

/* New limits take all locks at once; ThreadSanitizer follows fewer than 64 in one hand. */
enum { CS_SPEND__SHARDS = 32 };

typedef struct cs_spend__place {
    cs_spend__account *account; /* NULL = empty */
    uint32_t hash;              /* of its name */
} cs_spend__place;

typedef struct cs_spend__shard {
    _Alignas(64) cs_mutex lock;
    cs_spend__place *places; /* open addressing; NULL while there are none */
    uint32_t mask, n;
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

/* What a snapshot under way has still to put. */
typedef struct cs_spend__save {
    cs_snapshot *out;
    cs_spend__pieces waits_log;          /* since the last one */
    cs_spend__pieces ids_cut, waits_cut; /* of this one */
    size_t ids_next, waits_next;
    CS_VEC(uint32_t) days; /* of which there are rows */
    bool unlocked;         /* rows are put without a lock being held */
    cs_buf row, key;
} cs_spend__save;

/* An event that was read and will be folded a little later: what it will look for. */
enum { CS_SPEND__AHEAD = 8, CS_SPEND__HINTS = 4096 };
typedef struct cs_spend__ahead {
    const cs_spend__account *account; /* NULL = nothing is known yet */
    uint32_t cost_hash;
} cs_spend__ahead;

struct cs_spend {
    cs_journal *journal;
    cs_metrics *metrics;
    bool shared; /* other replicas place holds as well: the log says what comes first */
    int64_t dedupe_ns, max_lateness_ns, stale_after_ns;
    int64_t (*now_ns)(void *self);
    int64_t (*mono_ns)(void *self);
    void *now_self;
    cs_live live;
    cs_arena shapes; /* what the next three are made of */
    cs_spend__shape line, overflown_line, meta;
    cs_spend__shard *shards; /* CS_SPEND__SHARDS of them */
    cs_spend__seen seen;     /* the journal's thread, as the next three */
    cs_spend__waits waits;
    CS_VEC(uint32_t) arrived; /* the newest slot of arrival, by partition */
    cs_spend__save save;      /* the journal's thread */
    cs_dirty rows[2];         /* books, accounts: changed under the shard's lock, by the journal's thread */
    cs_arena scratch;         /* the journal's thread, as the next two */
    cs_spend__ahead ahead[CS_SPEND__AHEAD]; /* a ring of the last events read */
    size_t n_ahead;
    cs_spend__place *hints; /* the journal's thread: accounts by the hash of their names, the last one of each */
    CS_VEC(cs_spend__account *) alerts_later; /* whose budgets are to be looked at once there is something new */
    cs_mutex configuring;
    cs_spend__limits *limits; /* changed under `configuring` and all shard locks */
    uint64_t configured;      /* how often; as limits */
    cs_spend__holds *holds;
    struct cs_spend__cost *cost;
    struct cs_spend__estimates *estimates;
    cs_series *counted[CS_SPEND__COUNTS];
    _Atomic uint64_t counts[CS_SPEND__COUNTS];
    _Atomic uint64_t rounded, overflows;
};

cs_spend__shard *cs_spend__shard_of(cs_spend *s, cs_slice tenant);
/* The journal's thread, without any shard's lock: brings the account of the tenant with this hash into the cache and
 * returns it; perhaps it is another's, or NULL. When it has had time to come: its book and totals; then, of the book,
 * the last bucket. */
cs_spend__account *cs_spend__account_hint(cs_spend *s, uint32_t hash);
void cs_spend__account_prefetch(const cs_spend__account *account);
void cs_spend__account_prefetch_bucket(const cs_spend__account *account);
/* Under the shard's lock, on the journal's thread: as account_make, with what account_hint said (NULL: nothing). */
cs_spend__account *cs_spend__account_hinted(cs_spend *s, cs_spend__shard *shard, cs_slice tenant, uint32_t hash,
                                            cs_spend__account *hint);
/* Under the shard's lock. */
cs_spend__account *cs_spend__account_find(cs_spend__shard *shard, cs_slice tenant);
cs_spend__account *cs_spend__account_make(cs_spend *s, cs_spend__shard *shard, cs_slice tenant);

/* The accounts that a tenant's money counts in: its own, then whose family it belongs to. */
typedef struct cs_spend__chain {
    cs_spend__account *accounts[CS_SPEND__LEVELS + 1];
    size_t n;
    uint32_t shards; /* a bit for each that is locked */
} cs_spend__chain;
/* Locks their shards, in ascending order; no shard may be locked yet. Without `make`, none (n = 0) for a tenant that
 * nobody has heard of. */
void cs_spend__chain_lock(cs_spend *s, cs_slice tenant, bool make, cs_spend__chain *chain);
void cs_spend__chain_unlock(cs_spend *s, const cs_spend__chain *chain);

/* All accounts, locked shard by shard; `each` is called under the lock. */
void cs_spend__each_account(cs_spend *s, void (*each)(void *self, cs_spend__account *account), void *self);
void cs_spend__accounts_free(cs_spend *s);

/* ---- change.c, alert.c: folds of io.countersign.budget.*, on the journal's thread */
cs_event_outcome cs_spend__change_fold(cs_spend *s, const cs_event *event);
cs_event_outcome cs_spend__alert_fold(cs_spend *s, const cs_event *event);
/* Something was posted: what is due is said, in a batch of its own. Without a lock. */
void cs_spend__alerts_check(cs_spend *s, cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope,
                            int64_t now_ns);
/* What was said under this key; made if there is nothing. */
cs_spend__alert *cs_spend__alert_of(cs_spend__account *account, cs_slice key);
/* Of the past, or not recorded: looked at by cs_spend__alerts_catch_up, which takes a few at a time. */
void cs_spend__alerts_later(cs_spend *s, cs_spend__account *account);
void cs_spend__alerts_catch_up(cs_spend *s, int64_t now_ns);
/* Limits changed: the next check looks at all. Under the lock. */
void cs_spend__alerts_look_again(cs_spend__account *account);

/* All limits once more into force, over books that came from a snapshot. */
void cs_spend__rebind(cs_spend *s);

/* ---- save.c, save_account.c: the rows of snapshots */
void cs_spend__save_init(cs_spend *s);
void cs_spend__save_destroy(cs_spend *s);
void cs_spend__save_hooks(cs_fold *fold);
void cs_spend__save_account_hooks(cs_fold *fold);
void cs_spend__save_account_init(cs_spend *s);
/* Before a change, under the shard's lock: of a slot of a tenant's own book; of what people and alerts said. */
void cs_spend__book_touch(cs_spend__book *b, uint32_t slot);
void cs_spend__account_touch(cs_spend__account *account);
/* A correction waits, or does no more. */
void cs_spend__wait_note(cs_spend *s, const cs_spend__waiting *w, bool waits);

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
    int64_t held;
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

/* ---- reconcile.c */
cs_event_outcome cs_spend__reconciliation_fold(cs_spend *s, const cs_event *event);
void cs_spend__gather_reconciliation_age(void *self, cs_metrics_sink *sink);
void cs_spend__gather_accuracy(void *self, cs_metrics_sink *sink);

/* ---- estimate.c */
typedef struct cs_spend__estimates cs_spend__estimates;
void cs_spend__estimates_new(cs_spend *s); /* registers a fold */
void cs_spend__estimates_free(cs_spend__estimates *estimates);
/* A hold of an operation was posted. On the journal's thread. */
void cs_spend__learn(cs_spend *s, cs_slice operation, int64_t estimate_nanos, int64_t posted_nanos);
cs_value cs_spend__estimates_value(cs_spend *s, cs_arena *a);
void cs_spend__gather_estimate_error(void *self, cs_metrics_sink *sink);

/* ---- text.c */
cs_value cs_spend__money(cs_arena *a, int64_t nanos); /* a decimal string */
cs_value cs_spend__instant(cs_arena *a, int64_t ns);  /* RFC 3339; null at the ends of the range */
/* A field of a CSV row, quoted where RFC 4180 wants it; what a spreadsheet would take for a formula gets a quote. */
void cs_spend__csv(cs_buf *out, cs_slice text);

/* ---- report.c */
void cs_spend__metrics_register(cs_spend *s);
void cs_spend__metrics_unregister(cs_spend *s);

#endif
