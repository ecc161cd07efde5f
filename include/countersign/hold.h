/* Holds: money that an admitted operation may cost, kept aside until its real cost is known.
 *
 *             settled (any amount)
 *   pending ------------------------> posted
 *      |  void                           ^
 *      +--------> voided                 |
 *      |  its time is over               |  settled late: counted, and flagged
 *      +--------> expired ---------> posted_late
 *
 * A hold is no part of what is posted; data.spend shows it as held_nanos, and remaining_nanos is without it. It is
 * resolved once: by a spend event that names it (data.hold, or correlationid = the request's id with the same tenant
 * and currency), by cs_hold_settle, or by cs_hold_void. Expiry is not an event: a hold has expired when its time, an
 * interval on the monotonic clock, has passed, so that neither a crash nor a step of the wall clock can leave a hold
 * behind or release one too early. From then on it counts nowhere, except in budgets with "on_expiry":
 * "charge_estimate", which keep it as held in the window that it was placed in, until somebody says what it cost.
 *
 * Placing is all or nothing over every budget that the money would count in, under the locks of their tenants, and in
 * memory first: the caller then records it with one event, and takes it back if that fails. The event's `holds`
 * (cs_holds_value) are folded here, for the other replicas and for the next start; a hold that is there already is
 * recognised by its id.
 *
 * Where other replicas append to the same journal, the log decides: all holds of a family of tenants stand in one
 * partition, in the same order for everybody. A hold counts for everyone behind it from its place in the log on. When
 * it comes back to the replica that placed it, it must fit behind all that came before; if it does not, the fold
 * answers CS_EVENT_CONFLICT, it is voided, and whoever asked for it hears that the budget is contended. So what is
 * admitted never exceeds a limit, whatever the number of replicas, and no lease of headroom lies idle. The others see
 * at once when a hold of somebody else does not fit; for a second such a hold is doubtful: it counts against new holds,
 * but is not shown to policy.
 *
 * What was resolved is remembered for 24 hours after it was placed (limits.holds of them). */
#ifndef CS_HOLD_H
#define CS_HOLD_H

#include "countersign/spend.h"

typedef enum cs_hold_state {
    CS_HOLD_PENDING,
    CS_HOLD_POSTED,
    CS_HOLD_VOIDED,
    CS_HOLD_EXPIRED,
    CS_HOLD_POSTED_LATE,
    CS_HOLD_STATES
} cs_hold_state;
/* "pending", "posted", "voided", "expired", "posted_late". Static. */
const char *cs_hold_state_name(cs_hold_state state);

/* Another limit than the budget's own, for one hold: where policy softens or tightens a budget. */
typedef struct cs_hold_limit {
    cs_slice budget;
    int64_t nanos;
} cs_hold_limit;

typedef struct cs_hold {
    cs_slice id;         /* the caller's choice, unique; the same for a retry */
    cs_slice tenant;     /* whose money */
    cs_slice request_id; /* the request that it was placed for */
    cs_slice currency;   /* three capital letters */
    int64_t amount_nanos;
    int64_t placed_ns, expires_ns; /* wall clock; their difference is its life */
    cs_value scope;                /* an object of strings ({"team": "growth"}), or undefined */
    cs_slice document_id;          /* the operation that it is for, "" = unknown; and what that was estimated to cost */
    int64_t estimate_nanos;        /* before any correction: the posted amount is compared with it. 0 = unknown */
    /* Asked for at the placing. */
    const cs_slice
        *budgets; /* of the tenant: must exist. Every other one that the money counts in is checked as well */
    size_t n_budgets;
    const cs_hold_limit *limits; /* of budgets of the tenant */
    size_t n_limits;
    /* Found at the placing. */
    bool charge; /* some budget goes on counting it after its expiry */
    cs_slice
        family; /* the tenant at the top of whose budgets count it: what orders it in the log. Lives as the ledger */
    /* What became of it. */
    cs_hold_state state;
    int64_t posted_nanos; /* what it came to: posted and posted_late */
    int64_t resolved_ns;  /* posted, voided, posted_late: when; 0 otherwise */
    bool doubtful;        /* another replica placed it, and it did not fit as far as was known here */
} cs_hold;

enum { CS_HOLDS_MAX = 8 }; /* of one decision */

typedef enum cs_hold_verdict {
    CS_HOLD_PLACED,
    CS_HOLD_CONTENDED, /* a budget does not cover it (any more) */
    CS_HOLD_DOUBTFUL,  /* the same, but it may as soon as other replicas give up what did not fit: ask again in a moment
                        */
    CS_HOLD_NO_BUDGET, /* the tenant has no budget in the currency, or none of a name that was asked for */
    CS_HOLD_EXISTS     /* the id is taken */
} cs_hold_verdict;

/* Places holds of one tenant, all or none, and fills in `charge`. On a refusal *why (which may be NULL) says of which
 * budget. Everything is copied. A hold whose settlement has been seen already (events of one request may overtake each
 * other) is placed as posted and takes nothing. Any thread; never waits for anything but locks. */
cs_hold_verdict cs_holds_place(cs_spend *spend, cs_hold *holds, size_t n, cs_error *why);
/* Undoes a placing whose event could not be recorded. Any thread. */
void cs_holds_take_back(cs_spend *spend, const cs_hold *holds, size_t n);
/* The tenant at the top of those above this one, itself if there is none, in `a`: what orders the family's events. Any
 * thread. */
cs_slice cs_holds_family(cs_spend *spend, cs_slice tenant, cs_arena *a);
/* The array that the event io.countersign.decision.committed.v1 carries as data.holds. Texts are borrowed. */
cs_value cs_holds_value(cs_arena *a, const cs_hold *holds, size_t n);

/* Copies it into `a`; false if nobody knows it (any more). Any thread. */
bool cs_hold_get(cs_spend *spend, cs_slice id, cs_arena *a, cs_hold *out);
/* What GET /v1/holds/{id} shows: {id, tenant, request_id, state, amount, currency, placed_at, expires_at, posted,
 * resolved_at, scope}; money as decimal strings, times as RFC 3339, null where there is none. */
cs_value cs_hold_document(const cs_hold *hold, cs_arena *a);

/* What became of a settle or void: the answer of POST /v1/holds/{id}/… */
typedef struct cs_hold_reply {
    int status;          /* 200 done; 404 unknown; 409 resolved before; 503 the journal took nothing */
    const char *code;    /* "posted", "voided"; "expired" (200: a late settle, which counts; 409: a void);
                            "already_posted", "already_voided", "resource_not_found", "journal_unavailable" */
    cs_slice message;    /* one sentence */
    const cs_hold *hold; /* as it is now; NULL if unknown */
    void *owner;
} cs_hold_reply;
/* Takes the reply over: free it with cs_hold_reply_free, on any thread. */
typedef void cs_hold_done(void *self, cs_hold_reply *reply);

/* Posts what it came to (>= 0): a spend event from the source "/countersign/holds" whose id is the hold's, so that it
 * counts once, whatever the number of tries and replicas. `done` is called exactly once: on the calling thread where
 * nothing had to be appended, else on the journal's when it is durable and counted. Any thread; never waits. */
void cs_hold_settle(cs_spend *spend, cs_slice id, int64_t amount_nanos, cs_hold_done *done, void *self);
/* Gives it up: nothing was spent. `reason` may be "". What was asked in time holds, also when the log is read back. */
void cs_hold_void(cs_spend *spend, cs_slice id, cs_slice reason, cs_hold_done *done, void *self);
void cs_hold_reply_free(cs_hold_reply *reply);

#endif
