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
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "countersign/metrics.h"
#include "countersign/spend.h"

/* ---- time in slots: a slot is 15 minutes UTC, numbered from 1970. Offsets of all zones are multiples of it. */
#define CS_SPEND__SLOT_S INT64_C(900)
#define CS_SPEND__SLOT_NS (CS_SPEND__SLOT_S * CS_NS_PER_S)
#define CS_SPEND__SLOTS_A_DAY 96
/* Buckets are kept so long, in slots before the arrival of the event at hand; the longest window, and a day for zones.
 */
#define CS_SPEND__WINDOW_DAYS 400
#define CS_SPEND__KEEP_SLOTS ((CS_SPEND__WINDOW_DAYS + 1) * CS_SPEND__SLOTS_A_DAY)

static inline int64_t cs_spend__slot(int64_t ns)
{
    return ns >= 0 ? ns / CS_SPEND__SLOT_NS : -((CS_SPEND__SLOT_NS - 1 - ns) / CS_SPEND__SLOT_NS);
}

/* a + b, held at the ends of the range; *overflow is set then and left alone otherwise. */
static inline int64_t cs_spend__add(int64_t a, int64_t b, bool *overflow)
{
    int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        *overflow = true;
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return sum;
}

/* ---- event.c */
typedef enum cs_spend__kind {
    CS_SPEND__USAGE,
    CS_SPEND__CORRECTION,
    CS_SPEND__REFUND,
    CS_SPEND__RECONCILIATION,
    CS_SPEND__ADJUSTMENT
} cs_spend__kind;

typedef struct cs_spend__event {
    cs_slice tenant;
    cs_slice currency; /* three capital letters */
    int64_t nanos;
    bool rounded;
    cs_spend__kind kind;
    bool linked; /* it corrects another event */
    cs_slice corrects_source, corrects_id;
} cs_spend__event;

/* On failure *reject has code and message, in `a`. */
CS_MUST_CHECK cs_err cs_spend__event_read(cs_arena *a, const cs_event *event, cs_spend__event *out,
                                          cs_event_reject *reject);

/* ---- seen.c */
typedef struct cs_spend__id {
    uint64_t a, b; /* SipHash, 128 bits, of an event's source and id */
} cs_spend__id;

typedef struct cs_spend__seen_entry {
    cs_spend__id id;
    uint64_t content; /* hash of what must be equal in a duplicate */
    uint32_t arrived; /* slot */
    uint32_t where;   /* slot that it was counted in, or CS_SPEND__WAITING | index of a waiting correction */
} cs_spend__seen_entry;
#define CS_SPEND__WAITING UINT32_C(0x80000000)

struct cs_spend__account;
struct cs_spend__book;

/* A correction whose original has not come (yet): counted in the slot of its own arrival until then. */
typedef struct cs_spend__waiting {
    cs_spend__id id, root; /* its own; what it corrects, directly or through others that wait */
    struct cs_spend__account *account;
    struct cs_spend__book *book;
    int64_t nanos;
    uint32_t slot; /* counted in; also its arrival */
    uint32_t next; /* in the chain of its hash slot or in the free list: 1-based index, 0 = end */
    bool used;
} cs_spend__waiting;

typedef struct cs_spend__seen {
    uint64_t key[2];
    cs_spend__seen_entry *entries; /* open addressing; an id of zeros is an empty place */
    size_t mask, n;
    uint32_t keep; /* slots that an id is remembered */
    CS_VEC(cs_spend__waiting) waiting;
    uint32_t *chains; /* root → first of waiting, 1-based */
    size_t chain_mask;
    uint32_t free; /* 1-based */
    size_t n_waiting;
} cs_spend__seen;

void cs_spend__seen_init(cs_spend__seen *s, int64_t keep_ns);
void cs_spend__seen_destroy(cs_spend__seen *s);
cs_spend__id cs_spend__seen_id(const cs_spend__seen *s, cs_slice source, cs_slice id);
uint64_t cs_spend__seen_content(const cs_spend__seen *s, const cs_spend__event *event);
/* What is remembered of an id at an arrival; NULL if nothing, or no more. Good until the next add. */
cs_spend__seen_entry *cs_spend__seen_find(const cs_spend__seen *s, cs_spend__id id, uint32_t arrived);
void cs_spend__seen_add(cs_spend__seen *s, const cs_spend__seen_entry *entry);
/* Lets a correction wait; returns its index. Its entry must be added with CS_SPEND__WAITING | index. */
uint32_t cs_spend__seen_wait(cs_spend__seen *s, const cs_spend__waiting *w);
/* Takes one correction that waits for `root`, and that is still remembered at `arrived`, out of waiting. */
bool cs_spend__seen_take(cs_spend__seen *s, cs_spend__id root, uint32_t arrived, cs_spend__waiting *out);
static inline bool cs_spend__id_equal(cs_spend__id x, cs_spend__id y)
{
    return x.a == y.a && x.b == y.b;
}

/* ---- book.c */
typedef struct cs_spend__bucket {
    int64_t posted;
    int64_t last_ns; /* newest event; INT64_MIN without one */
    uint32_t slot;
    uint32_t events;
} cs_spend__bucket;

typedef struct cs_spend__marks { /* what is rare, kept apart */
    int64_t late, corrected;
    uint32_t slot;
} cs_spend__marks;

typedef struct cs_spend__book {
    char currency[4];
    bool overflow;
    uint64_t version;                 /* changes so far */
    CS_VEC(cs_spend__bucket) buckets; /* by slot */
    CS_VEC(cs_spend__marks) marks;    /* by slot */
} cs_spend__book;

/* A change of one slot. */
typedef struct cs_spend__change {
    uint32_t slot;
    int32_t events; /* +1, or -1 when it is taken back */
    int64_t posted, late, corrected;
    int64_t last_ns; /* INT64_MIN = leaves the newest event alone */
} cs_spend__change;

typedef struct cs_spend__sum {
    int64_t posted, late, corrected;
    int64_t last_ns; /* INT64_MIN without an event */
    uint64_t events;
} cs_spend__sum;

void cs_spend__book_free(cs_spend__book *b);
/* `now_slot`: of the arrival; what is too old by then may go. */
void cs_spend__book_change(cs_spend__book *b, const cs_spend__change *change, uint32_t now_slot);
/* Over the slots [from, to). */
cs_spend__sum cs_spend__book_sum(cs_spend__book *b, int64_t from, int64_t to);
void cs_spend__sum_change(cs_spend__sum *sum, const cs_spend__change *change, bool *overflow);

/* ---- window.c */
typedef enum cs_spend__unit {
    CS_SPEND__HOUR,
    CS_SPEND__DAY,
    CS_SPEND__WEEK,
    CS_SPEND__MONTH,
    CS_SPEND__QUARTER,
    CS_SPEND__YEAR,
    CS_SPEND__ROLLING,
    CS_SPEND__FIXED
} cs_spend__unit;

typedef struct cs_spend__window {
    cs_spend__unit unit;
    int week_start;             /* 0 = Sunday */
    int64_t hours;              /* rolling */
    int64_t from_slot, to_slot; /* fixed */
} cs_spend__window;

/* NULL, or what is wrong with the text. */
const char *cs_spend__window_parse(cs_slice text, const cs_zone *zone, cs_spend__window *out);
/* The slots [from, to) of the window that `now_ns` is in. A rolling one counts the slot of now and all that began
 * within the hours before it; a fixed one is always the same. */
void cs_spend__window_at(const cs_spend__window *w, const cs_zone *zone, int64_t now_ns, int64_t *from, int64_t *to);

/* ---- limit.c */
typedef struct cs_spend__budget {
    cs_slice id, window_text, mode; /* mode "" if there is none */
    char currency[4];
    cs_spend__window window;
    int64_t limit;
} cs_spend__budget;

typedef struct cs_spend__tenant {
    cs_slice name, timezone, tier; /* tier "" if there is none */
    const cs_zone *zone;
    char currency[4];
    bool has_since, has_promotes;
    int64_t since_ns, promotes_ns;
    const cs_spend__budget *budgets; /* by id */
    size_t n_budgets;
} cs_spend__tenant;

/* All limits in force. Immutable; freed when replaced, under all shard locks. */
typedef struct cs_spend__limits {
    cs_arena arena;
    cs_spend__tenant *tenants; /* by name */
    size_t n;
} cs_spend__limits;

CS_MUST_CHECK cs_err cs_spend__limits_read(cs_value tenants, cs_spend__limits **out, cs_arena *a, cs_value *problems,
                                           cs_error *e);
void cs_spend__limits_free(cs_spend__limits *limits);

/* ---- account.c */
typedef struct cs_spend__total {
    const cs_spend__budget *budget;
    cs_spend__book *book; /* NULL until something is spent in its currency */
    bool valid;           /* the rest is right for instants within [from, to) */
    int64_t from, to;     /* slots */
    cs_spend__sum sum;
} cs_spend__total;

typedef struct cs_spend__account {
    cs_slice name;                  /* owned */
    const cs_spend__tenant *tenant; /* NULL = not configured */
    CS_VEC(cs_spend__book *) books;
    cs_spend__total *totals; /* one for each of the tenant's budgets */
} cs_spend__account;

enum { CS_SPEND__SHARDS = 64 };

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

struct cs_spend {
    cs_journal *journal;
    cs_metrics *metrics;
    int64_t dedupe_ns, max_lateness_ns, stale_after_ns;
    int64_t (*now_ns)(void *self);
    void *now_self;
    cs_live live;
    cs_spend__shard *shards; /* CS_SPEND__SHARDS of them */
    cs_spend__seen seen;     /* the journal's thread */
    cs_arena scratch;        /* the journal's thread */
    cs_mutex configuring;
    cs_spend__limits *limits; /* changed under `configuring` and all shard locks */
    cs_series *counted[CS_SPEND__COUNTS];
    _Atomic uint64_t counts[CS_SPEND__COUNTS];
    _Atomic uint64_t rounded, overflows;
};

cs_spend__shard *cs_spend__shard_of(cs_spend *s, cs_slice tenant);
/* The rest under the shard's lock. */
cs_spend__account *cs_spend__account_find(cs_spend__shard *shard, cs_slice tenant);
cs_spend__account *cs_spend__account_make(cs_spend__shard *shard, cs_slice tenant);
cs_spend__book *cs_spend__account_book(cs_spend__account *account, cs_slice currency); /* makes it */
/* Changes a book and every running total over it. */
void cs_spend__account_change(cs_spend__account *account, cs_spend__book *book, const cs_spend__change *change,
                              uint32_t now_slot);
/* Brings a total up to now. */
void cs_spend__total_refresh(const cs_spend__account *account, cs_spend__total *total, int64_t now_ns);
/* limit - posted - held, nothing after an overflow. */
int64_t cs_spend__remaining(int64_t limit, int64_t posted, int64_t held, bool overflow);
/* All accounts, locked shard by shard; `each` is called under the lock. */
void cs_spend__each_account(cs_spend *s, void (*each)(void *self, cs_spend__account *account), void *self);
void cs_spend__accounts_free(cs_spend *s);

/* ---- ledger.c */
void cs_spend__count_add(cs_spend *s, cs_spend__count which, uint64_t n);

/* ---- view.c */
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
} cs_spend__line;

/* A tenant, copied out into an arena. */
typedef struct cs_spend__copy {
    cs_slice name, timezone, tier;
    bool known, has_since, has_promotes;
    char currency[4]; /* of the tenant; "" if not known */
    int64_t since_ns, promotes_ns;
    cs_spend__line *lines; /* by budget id */
    size_t n_lines;
    char (*currencies)[4]; /* those spent in, budgets or not */
    size_t n_currencies;
} cs_spend__copy;

/* Under the account's lock. */
void cs_spend__copy_account(cs_arena *a, cs_spend__account *account, int64_t now_ns, cs_spend__copy *out);
/* false if there is no such tenant. */
bool cs_spend__copy_tenant(cs_spend *s, cs_arena *a, cs_slice tenant, cs_spend__copy *out);
/* Everyone, sorted by name. */
cs_spend__copy *cs_spend__copy_all(cs_spend *s, cs_arena *a, size_t *n);

/* ---- report.c */
void cs_spend__metrics_register(cs_spend *s);
void cs_spend__metrics_unregister(cs_spend *s);

#endif
