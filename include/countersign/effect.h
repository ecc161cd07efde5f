/* Effects: what the result of a decision asks the server to do. Policy stays pure: it asks, in `effects` of its result;
 * the server does it, once, before the answer goes out.
 *
 *   {"type": "hold", "amount_nanos": 6200000000, "currency": "USD", "budgets": ["daily", "monthly"]?, "ttl_s": 60?,
 *    "scope": {"team": "growth"}?, "limits": {"daily": 30000000000}?,
 *    "document_id": "…"?, "estimate_nanos": 6200000000?}
 *
 *   {"type": "compensation", "document_id": "…", …}?   how the operation can be undone, in any members (compensation.h)
 *   {"type": "request_approval", "digest": "…", "quorum": 2, …}   of a refusal: asks people, if nobody was asked yet
 *   {"type": "consume_approval", "approval": "apr-…"}             of what was allowed: uses an approval (approval.h)
 *
 * A decision with effects is committed as one journal event (io.countersign.decision.committed.v1) that is known by
 * tenant and request id and carries the answer: a retry with the same id and input gets the same answer, byte for byte,
 * and nothing happens twice, whichever replica it comes to and whether or not it was restarted in between.
 *
 *   cs_effects_knows / cs_effects_recall     before evaluating: was this request answered already?
 *   cs_effects_read                          from the result: what is asked for
 *   cs_effects_commit                        does it, or says why not
 *
 * Thread-safety: any thread; nothing here waits. */
#ifndef CS_EFFECT_H
#define CS_EFFECT_H

#include "countersign/approval.h"
#include "countersign/hold.h"

typedef struct cs_effects cs_effects;

typedef struct cs_effects_options {
    cs_journal *journal;           /* opened, not started: a fold is registered; outlives this */
    cs_spend *spend;               /* whose holds they are */
    cs_approvals *approvals;       /* NULL = its effects are not known */
    cs_slice replica;              /* name of this process in the source of its events; copied */
    int64_t replay_ns;             /* an answer is remembered so long; 0 = 15 minutes */
    int64_t (*now_ns)(void *self); /* NULL = the wall clock */
    void *now_self;
} cs_effects_options;

/* Never fails. */
cs_effects *cs_effects_new(const cs_effects_options *options);
/* After cs_journal_free. NULL is fine. */
void cs_effects_free(cs_effects *x);

/* Is there anything to commit? */
#define CS_EFFECTS_ANY(plan)                                                                                           \
    ((plan)->n_holds > 0 || !cs_is_undefined((plan)->compensation) || (plan)->requests || (plan)->consumes.n > 0)

/* ---- what a result asks for */
typedef struct cs_effects_plan {
    cs_hold holds[CS_HOLDS_MAX];
    size_t n_holds;
    cs_value compensation; /* how to undo it (compensation.h); undefined if the result says nothing */
    bool asks;             /* for people */
    bool requests;         /* a new approval is to be opened: `ask`, with the id of `seen` */
    cs_approval_ask ask;
    cs_approval_seen seen;
    cs_slice consumes, consumes_digest; /* id of an approval, "" = none; what its digest must be, "" = whatever it is */
    int64_t now_ns;
} cs_effects_plan;

/* Whose decision it is. */
typedef struct cs_effects_of {
    cs_approvals *approvals; /* NULL = not configured */
    cs_slice tenant, request_id;
    cs_slice requester; /* who acts, as the server knows it */
    cs_slice digest;    /* of the operation, as the server computed it; "" = it has none */
    int64_t now_ns;
} cs_effects_of;

/* Reads `effects` of a result. Holds get their ids (from tenant and request id, the same for every try) and their
 * times. Texts stay in the result, or in `a`. CS_ERR_NOT_FOUND: an effect of a type that nobody handles, which must not
 * be passed over; CS_ERR_INVALID: one that cannot be understood, or does not fit the decision. Where approvals are not
 * configured a refusal that asks for one stays that refusal. */
CS_MUST_CHECK cs_err cs_effects_read(cs_arena *a, cs_value result, const cs_effects_of *of, cs_effects_plan *out,
                                     cs_error *e);
/* The result with `holds`: [{"id", "expires_at"}] beside its effects, and with request_id, approve_by and escalates_at
 * in `approval` where people are asked; as it is if there is neither. */
cs_value cs_effects_show(cs_arena *a, cs_value result, const cs_effects_plan *plan);

/* ---- answers */
typedef struct cs_answer_header {
    cs_slice name, value;
} cs_answer_header;
typedef struct cs_answer {
    int status;
    cs_slice content_type; /* "" = none */
    const cs_answer_header *headers;
    size_t n_headers;
    cs_slice body;
} cs_answer;

enum { CS_INPUT_DIGEST = 32 };

typedef enum cs_recall {
    CS_RECALL_NEW,      /* never heard of it, or it has failed: evaluate */
    CS_RECALL_ANSWER,   /* *out is the answer that was given, copied into `a` */
    CS_RECALL_WAIT,     /* another try is under way: wake(self) will be called once, then ask again */
    CS_RECALL_SOON,     /* another replica was asked a moment ago, and may take it back: ask again in a moment */
    CS_RECALL_CONFLICT, /* the id was used with another input */
    CS_RECALL_FORGOTTEN /* it was answered, but the answer is not remembered */
} cs_recall;
typedef void cs_effects_wake(void *self);

/* Has the request been heard of? Cheap: then its digest need not be computed. */
bool cs_effects_knows(cs_effects *x, cs_slice tenant, cs_slice request_id);
/* `digest` is of what must be equal in a retry. */
cs_recall cs_effects_recall(cs_effects *x, cs_slice tenant, cs_slice request_id, const uint8_t digest[CS_INPUT_DIGEST],
                            cs_arena *a, cs_answer *out, cs_effects_wake *wake, void *self);

/* ---- commit */
typedef struct cs_commit {
    cs_slice tenant, request_id, path;
    uint8_t digest[CS_INPUT_DIGEST];
    cs_hold *holds; /* as read; `charge` is filled in */
    size_t n_holds;
    cs_value compensation;       /* as read */
    const cs_effects_plan *plan; /* as read: what of it is about approvals */
    cs_answer answer;            /* to be remembered. Beyond the limit answer_bytes it is not, and a retry is refused */
} cs_commit;

typedef enum cs_commit_verdict {
    CS_COMMIT_STARTED,
    CS_COMMIT_CONTENDED,  /* headroom or an approval that the policy saw is gone: evaluate again */
    CS_COMMIT_DOUBTFUL,   /* the same, but others may give some back at once: in a moment */
    CS_COMMIT_NO_BUDGET,  /* a hold over no budget: *e says which */
    CS_COMMIT_KNOWN,      /* the request id came from somewhere else meanwhile: recall */
    CS_COMMIT_FORGOTTEN,  /* its holds are known, but not its answer (any more) */
    CS_COMMIT_UNAVAILABLE /* the journal takes nothing; nothing was done */
} cs_commit_verdict;

/* What became of a commit that was started. */
typedef enum cs_commit_end {
    CS_COMMIT_DURABLE,
    CS_COMMIT_FAILED,  /* *error says why; nothing of it remains */
    CS_COMMIT_LATE,    /* others' holds or uses came first in the log: evaluate again, in a moment */
    CS_COMMIT_ANSWERED /* another replica has answered this request before: recall */
} cs_commit_end;
/* Runs on the journal's thread. `error` is NULL unless it has failed. */
typedef void cs_commit_done(void *self, cs_commit_end end, const cs_error *error);

/* Places the holds, records the decision, and calls done(self) exactly once if it was started. Everything is copied. */
cs_commit_verdict cs_effects_commit(cs_effects *x, cs_commit *commit, cs_commit_done *done, void *self, cs_error *e);

#endif
