/* Approvals: risky operations wait for the right people.
 *
 *                    enough people                  used as often as allowed
 *   requested ─▶ partially_approved ─▶ approved ─────────────────────────────▶ consumed
 *      │                 │                 │
 *      └─────────────────┴─────────────────┴──▶ rejected | expired | cancelled
 *
 * A request is opened by a refused decision (effect request_approval) for one digest: tenant, environment, document,
 * variables, requester and cost ceiling. A decision that is allowed because of it uses it up (effect consume_approval).
 * Both are members of the decision's one event, io.countersign.decision.committed.v1: `requests` and `consumes`. What
 * people do is an event each: io.countersign.approval.{granted,rejected,revoked,delegated,escalated,expired,cancelled}
 * .v1, subject "approval/<id>". All events of an approval have one key, so every replica folds them in one order: the
 * first to consume wins, whatever the number of replicas.
 *
 * How many people of which groups, how long, and who counts after the escalation stands in the request, as policy wrote
 * it there. People are told apart by `person`: their id in small letters, through the alias table of the bundle.
 *
 * Two clocks: `approve_by` for the people, `execute_by` (from the approval on) for the use. Expiry and escalation are
 * functions of the wall clock when somebody asks; the events that tell of them say what is already so.
 *
 * data.countersign.people = {"aliases": {"b.smith": "bob"}, "groups": {"platform-leads": ["bob", "carol", "dan"]}}
 * is optional: who is the same person, and who is in the groups (then a quorum that is not smaller than its pool is
 * refused when a bundle is loaded).
 *
 * Thread-safety: any thread, except where it says otherwise. Nothing here waits. */
#ifndef CS_APPROVAL_H
#define CS_APPROVAL_H

#include "countersign/journal.h"
#include "countersign/metrics.h"
#include "countersign/rego.h"

typedef struct cs_approvals cs_approvals;

typedef struct cs_approvals_options {
    cs_journal *journal;           /* opened, not started: folds are registered; outlives this */
    cs_metrics *metrics;           /* NULL = none */
    cs_slice replica;              /* name of this process in the source of its events; copied */
    int64_t (*now_ns)(void *self); /* NULL = the wall clock */
    void *now_self;
} cs_approvals_options;

/* Call it after the ledger's folds are registered and before those of cs_effects. Never fails. */
cs_approvals *cs_approvals_new(const cs_approvals_options *options);
/* After cs_journal_free. NULL is fine. */
void cs_approvals_free(cs_approvals *x);

typedef enum cs_approval_state {
    CS_APPROVAL_REQUESTED,
    CS_APPROVAL_PARTIALLY_APPROVED,
    CS_APPROVAL_APPROVED,
    CS_APPROVAL_CONSUMED,
    CS_APPROVAL_REJECTED,
    CS_APPROVAL_EXPIRED,
    CS_APPROVAL_CANCELLED,
    CS_APPROVAL_STATES
} cs_approval_state;
/* "requested", "partially_approved", … Static. */
const char *cs_approval_state_name(cs_approval_state state);
/* false if there is none of that name. */
bool cs_approval_state_find(cs_slice name, cs_approval_state *out);
/* "sha256:" and 64 small hexadecimal digits? */
bool cs_approval_is_digest(cs_slice text);

/* ---- configuration: data.tenants[tenant].approval and data.countersign.people */

/* May a bundle bring these? Every quorum whose pool is known must be smaller than it, also with rules; aliases must not
 * lead to aliases. CS_ERR_INVALID with the first problem, which names its path. Undefined documents are fine. */
CS_MUST_CHECK cs_err cs_approvals_check(cs_value tenants, cs_value people, cs_arena *a, cs_error *e);
/* Puts them into force: whenever a world with others is published. What it needs is copied. Open approvals of a tenant
 * whose approvers (quorum, groups, rules, escalation_groups, approvers, members, parents) are others than at the
 * request are cancelled, by an event with reason "config_changed", as soon as the journal has caught up. */
void cs_approvals_configure(cs_approvals *x, cs_value tenants, cs_value people);
/* Who an id stands for, in `a`: small letters without white space around, then the alias table. */
cs_slice cs_approvals_person(cs_approvals *x, cs_arena *a, cs_slice id);

/* ---- the view: cs_store_mount(store, cs_approvals_live(x))
 *
 *   data.approvals[tenant][digest] = {id, state, requester, requested_at, approve_by, execute_by (or null), escalated,
 *     escalates_at (or null), quorum, have, uses_left, cost_nanos (or null), groups, rules, escalation_groups,
 *     grants: [{approver, person, groups, at, verified, on_behalf_of?}], rejections: [{approver, person, at, …}]}
 *
 * the newest approval of each digest; instants in nanoseconds. */
const cs_live *cs_approvals_live(cs_approvals *x);

/* ---- for people */

/* What GET /v1/approvals/{id} shows, in `a`: {id, tenant, digest, state, requester, operation, document_id, variables,
 * cost, currency, quorum, have, groups, rules, escalation_groups, grants, rejections, delegations, uses_left,
 * requested_at, approve_by, execute_by, escalates_at, escalated, ended_at, reason}; `cost` as decimal string, times as
 * RFC 3339, null where there is none. false if nobody knows it (any more). */
bool cs_approvals_document(cs_approvals *x, cs_slice id, cs_arena *a, cs_value *out);

typedef struct cs_approvals_query {
    cs_slice tenant, digest, requester; /* "" = all */
    bool open;                          /* requested, partially approved and approved ones only */
    unsigned states;                    /* bits 1 << state; 0 = all */
    size_t limit;                       /* 0 = 100 */
    cs_slice after;                     /* id of the last one seen; "" = from the newest on */
} cs_approvals_query;
/* {"result": [document…], "next": id or null}, the newest first. */
cs_value cs_approvals_list(cs_approvals *x, const cs_approvals_query *query, cs_arena *a);

typedef enum cs_approval_act {
    CS_APPROVAL_APPROVE,
    CS_APPROVAL_REJECT,
    CS_APPROVAL_REVOKE, /* takes the person's own grant, rejection and delegations back */
    CS_APPROVAL_DELEGATE
} cs_approval_act;

/* Somebody's own act. Texts are copied. */
typedef struct cs_approval_order {
    cs_slice id; /* of the approval */
    cs_approval_act act;
    cs_slice subject;  /* who acts, as whoever verified it says */
    cs_slice tenant;   /* they act for this tenant only; "" = for any */
    cs_value groups;   /* array of strings that they are in */
    cs_slice verified; /* how it is known that it is them: "session", "webhook:jira"; never "asserted" */
    cs_slice comment;  /* "" = none */
    cs_slice digest;   /* what they mean to act on must have this digest; "" = whatever it has */
    cs_slice to;       /* delegate: to whom, */
    int64_t until_ns;  /* and until when; 0 = as long as it can be approved */
    cs_slice request_id;
} cs_approval_order;

typedef struct cs_approval_result {
    int status;       /* 200; 400, 403, 404, 409, 503: nothing changed */
    const char *code; /* "approved", "rejected", "revoked", "delegated", "unchanged" (the same act again: 200);
                         "self_approval", "approver_ineligible", "already_approved" (another alias of the same person,
                         or somebody acted for them: 409), "wrong_state", "digest_mismatch", "invalid_parameter",
                         "resource_not_found", "too_many_acts", "journal_unavailable" */
    cs_slice message; /* one sentence */
    cs_slice id;
    cs_value document; /* as it is now; undefined if unknown */
} cs_approval_result;
typedef struct cs_approval_reply {
    cs_approval_result *results; /* in the order of the orders */
    size_t n;
    void *owner;
} cs_approval_reply;
/* Takes the reply over: free it with cs_approval_reply_free, on any thread. */
typedef void cs_approval_done(void *self, cs_approval_reply *reply);

/* Does what is asked, each by itself, recorded together. `done` is called exactly once: on the calling thread where
 * nothing had to be appended, else on the journal's when it is durable and applied. */
void cs_approvals_act(cs_approvals *x, const cs_approval_order *orders, size_t n, cs_approval_done *done, void *self);
void cs_approval_reply_free(cs_approval_reply *reply);

/* ---- for whoever wants to know: audit, webhooks */

typedef struct cs_approval_news {
    const char *what; /* "requested", "granted", "rejected", "revoked", "delegated", "escalated", "consumed",
                         "unconsumed" (the decision was taken back), "expired", "cancelled" */
    bool ours;        /* this process appended it: of several replicas, exactly one hears this */
    bool past;        /* read back at the start: only cs_approvals_follow hears it */
    bool approved;    /* with it the quorum was reached */
    cs_slice id, tenant, digest;
    cs_slice actor;      /* who did it, "" = nobody */
    cs_slice event_id;   /* with the source the same on every replica, and when the log is read again */
    cs_slice request_id; /* "" = none */
    int64_t at_ns;       /* as recorded */
    cs_value data;       /* of the event; for "requested" and "consumed" its item in `requests` or `consumes` */
} cs_approval_news;
/* On the journal's thread, after it was applied and only when it changed something; not for the past. What it points to
 * is good for the call; cs_approvals_document may be asked. It must not wait. */
typedef void cs_approval_heard(void *self, const cs_approval_news *news);
/* At most four listeners; before cs_journal_start. */
void cs_approvals_listen(cs_approvals *x, cs_approval_heard *heard, void *self);
/* The same, but the past is heard as well: for whoever folds it. */
void cs_approvals_follow(cs_approvals *x, cs_approval_heard *heard, void *self);

/* To be called about once a second by one thread at a time: appends what the clock has made of open approvals (expired,
 * escalated), and cancellations that are due. */
void cs_approvals_tick(cs_approvals *x);

/* ---- for effects (effect.h) */

/* A request as policy asks for it. */
typedef struct cs_approval_ask {
    cs_slice digest, requester, operation, document_id;
    cs_value variables;  /* as approvers may see them; undefined = none */
    cs_value groups;     /* array of strings; undefined = anybody who may approve at all */
    cs_value rules;      /* array of {"groups", "quorum"}; undefined = none */
    cs_value escalation; /* array of strings; undefined = none */
    int64_t quorum;      /* people in all; at least the sum of the rules */
    int64_t uses, rejections;
    int64_t cost_nanos; /* < 0 = unknown */
    cs_slice currency;
    int64_t approve_ns, execute_ns, escalate_ns; /* intervals; escalate 0 = never */
} cs_approval_ask;

/* Reads {"type": "request_approval", "digest", "quorum", "groups"?, "rules"?, "escalation_groups"?,
 * "approve_within_s"?, "execute_within_s"?, "escalate_after_s"?, "uses"?, "rejections"?, "cost_nanos"?, "currency"?,
 * "operation"?, "document_id"?, "variables"?}; `requester` is left to the caller. CS_ERR_INVALID says what is wrong.
 * Points into the effect. */
CS_MUST_CHECK cs_err cs_approval_read_ask(cs_value effect, cs_approval_ask *out, cs_error *e);

/* What stands open, or may be opened, for a digest. */
typedef struct cs_approval_seen {
    bool open;                           /* there is one that people can act on, or that can be used */
    bool full;                           /* there is none, and no room for it */
    cs_slice id;                         /* its id; of the one that would be opened if there is none */
    int64_t approve_by_ns, escalates_ns; /* 0 where there is none */
} cs_approval_seen;
void cs_approvals_see(cs_approvals *x, cs_arena *a, cs_slice tenant, cs_slice digest, cs_approval_seen *out);

/* The item of `requests` in a decision's event. `key` orders all events of the approval. Texts are borrowed. */
cs_value cs_approval_request_value(cs_approvals *x, cs_arena *a, const cs_approval_ask *ask, cs_slice id,
                                   cs_slice tenant, cs_slice key, int64_t now_ns);
/* The item of `consumes`. `at_ns` tells the tries of a request. */
cs_value cs_approval_consume_value(cs_arena *a, cs_slice id, cs_slice digest, int64_t at_ns);

typedef enum cs_approval_verdict {
    CS_APPROVAL_RESERVED,
    CS_APPROVAL_GONE, /* it cannot be used (any more), or belongs elsewhere: evaluate again */
    CS_APPROVAL_BUSY  /* others are using it up: it is known in a moment */
} cs_approval_verdict;
/* Keeps a use aside in this process until its event has come back. `digest` "" = whatever it has. *key, in `a`: what
 * orders its events. */
cs_approval_verdict cs_approvals_reserve(cs_approvals *x, cs_arena *a, cs_slice tenant, cs_slice id, cs_slice digest,
                                         cs_slice *key);
void cs_approvals_release(cs_approvals *x, cs_slice id);

#endif
