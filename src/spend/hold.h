/* Holds from inside. A hold is a record in one table (hold.c, under its mutex), and a pin in each account whose budgets
 * its money would count in (pin.c, under that account's shard lock). The table's mutex is taken before shard locks. */
#ifndef CS_SPEND_HOLD_H
#define CS_SPEND_HOLD_H

#include <stdatomic.h>

#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/hold.h"
#include "countersign/snapshot.h"
#include "spend/account.h"

typedef struct cs_spend__hold cs_spend__hold;
typedef struct cs_spend__holds cs_spend__holds;
typedef struct cs_spend__pins cs_spend__pins;

/* ---- pins */

typedef struct cs_spend__pinned {
    cs_spend__total *total;
    bool shown; /* the sum of all values of a budget that limits each: nothing to stay below */
} cs_spend__pinned;

/* A hold in one account: pending (in the heap), overdue (expired, and some budget goes on counting it), or neither. */
typedef struct cs_spend__pin {
    cs_spend__account *account;
    const cs_spend__hold *hold;      /* what does not change in it */
    CS_VEC(cs_spend__pinned) totals; /* that it counts in */
    uint32_t at;                     /* place in the heap or among the overdue ones */
    bool inflight;                   /* counted as such, as long as it is pending */
    bool doubtful;                   /* likewise */
    enum { CS_SPEND__PIN_OUT, CS_SPEND__PIN_PENDING, CS_SPEND__PIN_OVERDUE } where;
} cs_spend__pin;

/* What is held in an account. */
struct cs_spend__pins {
    CS_VEC(cs_spend__pin *) pending; /* a heap: the first deadline first */
    CS_VEC(cs_spend__pin *) overdue;
    size_t n_doubts;
    int64_t doubt_until; /* then none of them is any more; monotonic */
};

/* All under the account's lock. `add` finds the totals; the pin is to be OUT. */
void cs_spend__pin_add(cs_spend__pin *pin, int64_t mono_ns, int64_t now_ns);
void cs_spend__pin_remove(cs_spend__pin *pin);
/* It has come back through the log. */
void cs_spend__pin_commit(cs_spend__pin *pin);
/* It does not fit, as far as is known here; whoever placed it will give it up, or know better. For a second. */
void cs_spend__pin_doubt(cs_spend__pin *pin, int64_t mono_ns);
/* Lets what has expired go. Before any look at what is held. */
void cs_spend__pins_expire(cs_spend__account *account, int64_t mono_ns);
/* What is held in a total: the pending and the overdue. */
int64_t cs_spend__held(const cs_spend__total *total);
/* Does some budget still count an overdue pin? */
bool cs_spend__pin_counts(const cs_spend__pin *pin, int64_t now_ns);
/* What overdue holds come to in a total's window. */
int64_t cs_spend__overdue_sum(const cs_spend__account *account, const cs_spend__total *total);
void cs_spend__pins_free(cs_spend__account *account);

/* ---- holds */

#define CS_SPEND__EARLY_NS (600 * CS_NS_PER_S) /* what settles an unknown hold is remembered so long */
struct cs_spend__hold {
    cs_slice id, request_id; /* in the same block, as the scope's texts */
    cs_spend__account *account;
    const cs_spend__pair *scope; /* sorted */
    uint32_t n_scope;
    char currency[4];
    bool charge;
    bool committed;       /* the log has it */
    bool rejected;        /* voided because it did not fit: the same id may come again */
    bool doubtful;        /* of another replica, and did not fit, as far as was known here */
    bool early;           /* settled before it was placed: nothing but that is known */
    cs_hold_state state;  /* of a pending one the time tells whether it has expired */
    cs_slice document_id; /* in the same block */
    int64_t estimate;
    int64_t pinned; /* what it counts as: the amount, or what it is known to have come to */
    int64_t amount, placed_ns, expires_ns;
    int64_t deadline; /* monotonic */
    int64_t posted, resolved_ns;
    cs_spend__pin *pins;
    uint32_t n_pins;
    cs_spend__hold *sibling;     /* of the same request */
    cs_spend__hold *prev, *next; /* in the order of their coming */
    cs_dirty_link dirty;
    bool row; /* of snapshots */
};

typedef struct cs_spend__hold_list {
    cs_spend__hold *first, *last;
    size_t n;
} cs_spend__hold_list;

struct cs_spend__holds {
    cs_mutex lock;
    cs_map by_id;
    cs_map by_request; /* tenant, NUL, request id → the last of its holds */
    cs_spend__hold_list list;
    cs_spend__hold_list early;
    cs_buf room; /* for keys */
    /* Committed holds are rows of snapshots: they change and go on the journal's thread only. What others had to take
     * out of the table waits for it in limbo. */
    cs_dirty rows;
    CS_VEC(cs_spend__hold *) limbo;
    cs_buf row_key, row;
    _Atomic uint64_t resolved[CS_HOLD_STATES]; /* since the start: posted, voided, posted late; none of the past */
};

/* Under the table's lock, without any shard's. */
cs_spend__hold *cs_spend__hold_make(cs_spend__account *account, const cs_hold *from, const cs_spend__pairs *scope);
void cs_spend__hold_enter(struct cs_spend__holds *t, cs_spend__hold *hold);
/* Pins it in every account that its money counts in; gives up all pins. */
void cs_spend__hold_pin(cs_spend *s, cs_spend__hold *hold);
void cs_spend__hold_release(cs_spend *s, cs_spend__hold *hold);
/* It came to this, and will be posted in a moment: until then it counts as this. */
void cs_spend__hold_becomes(cs_spend *s, cs_spend__hold *hold, int64_t nanos);
void cs_spend__hold_forget(cs_spend *s, cs_spend__hold *hold);
void cs_spend__hold_drop(cs_spend__hold *hold);
/* On the journal's thread. */
void cs_spend__holds_sweep(cs_spend *s);
/* ---- hold_save.c, on the journal's thread: before a committed hold changes, or when it was made; when it goes. */
void cs_spend__hold_touch(struct cs_spend__holds *t, cs_spend__hold *hold);
void cs_spend__hold_gone(struct cs_spend__holds *t, cs_spend__hold *hold);
void cs_spend__hold_save_init(cs_spend *s);
void cs_spend__hold_save_destroy(cs_spend *s);
void cs_spend__hold_save_hooks(cs_fold *fold);
/* What was settled before it came, of this id or of this request. */
cs_spend__hold *cs_spend__hold_find_early(struct cs_spend__holds *t, const cs_hold *from);
void cs_spend__hold_take_early(cs_spend *s, cs_spend__hold *early, cs_spend__hold *hold);
/* It has come back through the log, under the chain's locks: does it fit behind all that came before it there? */
struct cs_spend__chain;
bool cs_spend__hold_fits(cs_spend *s, const cs_spend__hold *hold, const cs_hold *asked,
                         const struct cs_spend__chain *chain);
/* The holds of a request; NULL, or a chain by `sibling`. */
cs_spend__hold *cs_spend__holds_of(struct cs_spend__holds *t, cs_slice tenant, cs_slice request_id);
/* The clock that deadlines are compared with: the monotonic one, as of what is read of the log. Of a hold that seems to
 * have expired while a replica falls behind, the settlement may be in what it has not read. */
int64_t cs_spend__hold_clock(cs_spend *s);
cs_hold_state cs_spend__hold_state(const cs_spend__hold *hold, int64_t mono_ns);
void cs_spend__hold_copy(const cs_spend__hold *hold, int64_t mono_ns, cs_arena *a, cs_hold *out);
void cs_spend__read_scope(cs_value scope, cs_spend__pairs *out);

/* While limits are replaced: unbind takes the table's lock, bind gives it back. */
void cs_spend__holds_unbind(cs_spend *s);
void cs_spend__holds_bind(cs_spend *s);

/* ---- hold_fold.c */
void cs_spend__holds_new(cs_spend *s); /* registers its folds */
void cs_spend__holds_free(cs_spend *s);
/* A spend event that is about to count: the hold that it is about, with the table's lock taken; NULL, without, if there
 * is none. On the journal's thread, without any lock. */
cs_spend__hold *cs_spend__hold_meant(cs_spend *s, const cs_spend__event *spend);
/* Takes the pin out of an account, whose lock is held. NULL is fine. */
void cs_spend__hold_unpin(cs_spend__hold *hold, const cs_spend__account *account);
/* When it counts: resolves what hold_meant found, and gives the lock back. */
void cs_spend__hold_spent(cs_spend *s, const cs_event *event, const cs_spend__event *spend, cs_spend__hold *hold);

#endif
