/* Sums in 15-minute buckets of one tenant and currency, and the events that make them. */
#ifndef CS_SPEND_BOOK_H
#define CS_SPEND_BOOK_H

#include "countersign/base/time.h"
#include "countersign/base/vec.h"
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

/* Names and their values, as in data.scope and data.tags; sorted by name, each name once. */
enum { CS_SPEND__PAIRS = 8, CS_SPEND__NAME_BYTES = 64, CS_SPEND__VALUE_BYTES = 256 };
typedef struct cs_spend__pair {
    cs_slice name, value;
} cs_spend__pair;
typedef struct cs_spend__pairs {
    cs_spend__pair v[CS_SPEND__PAIRS];
    size_t n;
} cs_spend__pairs;

typedef struct cs_spend__event {
    cs_slice tenant;
    cs_slice currency; /* three capital letters */
    int64_t nanos;
    bool rounded;
    bool estimated; /* its price is not final */
    cs_spend__kind kind;
    bool linked; /* it corrects another event */
    cs_slice corrects_source, corrects_id;
    /* What follows is "" or empty where the event does not say. */
    cs_slice hold, correlation;      /* the hold that it settles; the request that it belongs to */
    cs_slice document_id, operation; /* the persisted document and the operation's name */
    cs_slice unit;                   /* of what was consumed: "tokens" */
    int64_t quantity;                /* of it, in 10^-9 */
    cs_spend__pairs scope, tags;
    uint64_t hash[2];                  /* of source and id, if they were hashed already; 0 otherwise */
    struct cs_spend__account *account; /* the tenant's, perhaps; NULL = not looked for */
    cs_slice cost_key;                 /* its row of costs, if it counts in cost_slot; "" = not looked for yet */
    uint32_t cost_hash, cost_slot;
} cs_spend__event;

cs_slice cs_spend__kind_name(cs_spend__kind kind);
/* On failure *reject has code and message, in `a`. */
CS_MUST_CHECK cs_err cs_spend__event_read(cs_arena *a, const cs_event *event, cs_spend__event *out,
                                          cs_event_reject *reject);

/* ---- event_plain.c: the same of an event that was read in bulk; false if something is not in order. */
CS_MUST_CHECK bool cs_spend__event_plain(const cs_event *event, cs_spend__event *out);

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
    bool paged;                        /* it has more than one row in snapshots (save.c) */
    uint32_t first_page;               /* the first of them */
    uint32_t changed_from, changed_to; /* slots, since the last snapshot */
    cs_dirty_link dirty;
    struct cs_spend__account *account; /* whose it is, and in what part; NULL = a family's */
    const struct cs_spend__part *part;
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
/* Index of the first bucket whose slot is not below `slot`. */
size_t cs_spend__book_at(const cs_spend__book *b, int64_t slot);
/* Over the slots [from, to). */
cs_spend__sum cs_spend__book_sum(cs_spend__book *b, int64_t from, int64_t to);
void cs_spend__sum_change(cs_spend__sum *sum, const cs_spend__change *change, bool *overflow);

#endif
