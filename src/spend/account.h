/* A tenant's account: its books, the running totals of its budgets, its parts by scope, its family, its standing. All
 * of it is guarded by the lock of the account's shard. */
#ifndef CS_SPEND_ACCOUNT_H
#define CS_SPEND_ACCOUNT_H

#include "countersign/base/map.h"
#include "spend/limit.h"

/* ---- scope.c: what was spent by team, by user, by whatever a budget looks at */
typedef struct cs_spend__total {
    const cs_spend__budget *budget;
    cs_spend__book *book; /* NULL until something is spent in its currency */
    bool alerts;          /* the budget has any */
    bool valid;           /* the rest is right in the slot `at` */
    int64_t at;
    int64_t from, to; /* slots: the window of that slot */
    cs_spend__sum sum;
    int64_t overdue;  /* held by holds that expired and still count; right when the sum is */
    int64_t held;     /* by pending holds; of it: */
    int64_t inflight; /* placed here, and not come back through the log yet */
    int64_t doubtful; /* of other replicas, which may give it up at once */
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
    cs_slice key;    /* owned: budget, currency, value and ratio */
    int64_t at_ns;   /* of the last one in the log; INT64_MIN = none */
    int64_t said_ns; /* of one that is on its way there; INT64_MIN = none */
    bool due;        /* said, or to be said again, and not in the log yet */
} cs_spend__alert;

/* ---- reconcile.c: the last one */
typedef struct cs_spend__reconciliation {
    cs_slice source; /* owned */
    char currency[4];
    int64_t from_ns, to_ns, at_ns;
    int64_t captured, billed;
    bool within;
} cs_spend__reconciliation;

/* ---- account.c */
typedef struct cs_spend__account {
    cs_slice name;                  /* behind the account, in its block */
    uint32_t hash;                  /* of the name */
    const cs_spend__tenant *tenant; /* NULL = not configured */
    bool alert_due;                 /* something was posted that an alert may be about */
    bool alert_later;               /* it waits to be looked at */
    cs_spend__set own;
    cs_spend__set *family;                   /* with all below it; NULL if it is nobody's parent */
    cs_spend__total *totals;                 /* one for each of the tenant's budgets */
    CS_VEC(cs_spend__budget_change) changes; /* the last one of each budget */
    CS_VEC(cs_spend__alert) alerts;
    cs_spend__reconciliation *reconciled; /* NULL = never */
    cs_spend__standing standing;          /* right from standing_from until standing_to */
    int64_t standing_from, standing_to;
    struct cs_spend__pins *pins; /* what is held; NULL until something was */
    CS_VEC(int64_t) blemishes;   /* instants at which the tenant was not clean, ascending */
    struct cs_dirty *rows;       /* of the ledger: books, and accounts */
    cs_dirty_link dirty;
    /* The journal's thread alone: where it found, the last time, what it will want the next time. They are brought into
     * the cache without a lock; nothing but `book` is looked into, which is the account's own for ever. */
    cs_spend__book *book;
    const void *last_totals, *last_tenant;
} cs_spend__account;

/* The books that running totals are kept over: the family's, if there is one. */
static inline cs_spend__set *cs_spend__counted_set(cs_spend__account *account)
{
    return account->family != NULL ? account->family : &account->own;
}
/* Brings a total up to now. */
void cs_spend__total_refresh(const cs_spend__account *account, cs_spend__total *total, int64_t now_ns);
/* limit - posted - held, nothing after an overflow. */
int64_t cs_spend__remaining(int64_t limit, int64_t posted, int64_t held, bool overflow);
/* ---- scope.c. Under the shard's lock. */
/* Changes the books of an account that a piece of spend in this scope counts in, and every running total over them:
 * all of it, its parts, and the family's. `up`: the spend is of a tenant below. True if its own sum overflowed now. */
bool cs_spend__account_post(cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope, bool up,
                            size_t n, const cs_spend__change *changes, uint32_t now_slot);
/* The totals of an account that spend in this currency and scope counts in. Makes what is missing. */
/* `part`: the value that a budget with `per` counts apart; NULL otherwise. */
typedef void cs_spend__each_total(void *self, cs_spend__account *account, cs_spend__part *part, cs_spend__total *total);
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
enum { CS_SPEND__KEY_BYTES = CS_SPEND__PAIRS * (CS_SPEND__NAME_BYTES + CS_SPEND__VALUE_BYTES + 4) };
/* All of a scope as a key, and back; the texts point into the key. */
size_t cs_spend__pairs_key(const cs_spend__pairs *pairs, char *out);
cs_spend__pairs cs_spend__pairs_of_key(cs_slice key);
/* Is it such a key? */
bool cs_spend__key_is_whole(cs_slice key);
/* The book of a tenant's own spend, of all of it or (key not "") of a part. Makes it; no total is bound to it. */
cs_spend__book *cs_spend__own_book(cs_spend__account *account, cs_slice key, const char *currency);
/* Has `scope` all values of `fixed`? */
bool cs_spend__scope_covers(const cs_spend__pairs *scope, const cs_spend__pairs *fixed);

/* ---- tier.c. Under the shard's lock. */
/* Remembered for the quarter of an hour, or until it is forgotten. */
cs_spend__standing cs_spend__standing_at(cs_spend__account *account, int64_t now_ns);
/* The past, or the rules, changed. */
void cs_spend__standing_forget(cs_spend__account *account);
/* The limit of a budget now: changed by people, or that of the tier, or its own. */
int64_t cs_spend__limit_at(const cs_spend__account *account, const cs_spend__standing *standing,
                           const cs_spend__budget *budget, int64_t now_ns);
/* The same without what people changed. */
int64_t cs_spend__limit_unchanged(const cs_spend__standing *standing, const cs_spend__budget *budget);
/* What people changed, if it is in force; NULL otherwise. */
const cs_spend__budget_change *cs_spend__change_in_force(const cs_spend__account *account,
                                                         const cs_spend__budget *budget, int64_t now_ns);
void cs_spend__blemish_add(cs_spend__account *account, int64_t at_ns);

/* Replaces the last one; `source` is copied. */
void cs_spend__reconciliation_keep(cs_spend__account *account, const cs_spend__reconciliation *r, cs_slice source);
void cs_spend__reconciliation_free(cs_spend__account *account);

#endif
