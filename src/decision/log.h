/* What the files of the decision log share.
 *
 *   log.c   the queue and its thread   record.c   a decision as bytes   mask.c   what the policy says about records
 *   keep.c  the record for the audit log */
#ifndef CS_DECISION_LOG_H
#define CS_DECISION_LOG_H

#include "countersign/decision.h"

/* ---- mask.c */
enum { CS_DECISION__PATH = 32 };

typedef struct cs_decision__question {
    cs_value keys[CS_DECISION__PATH];
    size_t n; /* 0 = not asked */
    cs_slice key;
} cs_decision__question;

/* Who asks, about one record. */
typedef struct cs_decision__asker {
    const cs_host *host;
    cs_arena *arena;
    const cs_world *world; /* pinned */
} cs_decision__asker;

void cs_decision__question_init(cs_decision__question *q, cs_arena *a, cs_slice path, const char *key);
/* Is there such a rule? */
bool cs_decision__is_asked(const cs_decision__question *q, const cs_world *world);
/* The answer of a rule about the record; undefined where there is no such rule. */
CS_MUST_CHECK cs_err cs_decision__ask(const cs_decision__asker *asker, const cs_decision__question *q, cs_value event,
                                      cs_value *out, cs_error *e);
/* The record as the answer of the mask rule wants it: "/input/x", or {"op": "remove" | "upsert", "path", "value"}; with
 * what was done as `erased` and `masked`. */
cs_value cs_decision__mask(cs_arena *a, cs_value event, cs_value rules);

/* ---- record.c */
/* A decision as bytes. The texts stand behind it, one after the other, in the order of the members. */
struct cs_decision_record {
    cs_audit_told *told;
    void *self;
    int64_t time_ns;
    bool replay;
    cs_slice outcome;                  /* static */
    size_t front, input, back, result; /* what the audit log keeps, as canonical JSON: members in front of the input,
                                          its value, the members behind, the result's value; all 0 = nothing */
    size_t actor, tenant, request_id, id;
    size_t log; /* what the decision log prints; 0 = nothing */
    char bytes[];
};

/* Where the text of the decision log begins. */
static inline size_t cs_decision__log_at(const cs_decision_record *r)
{
    return r->front + r->input + r->back + r->result + r->actor + r->tenant + r->request_id + r->id;
}

cs_decision_record *cs_decision__record_new(const cs_decision_log *log, const cs_decision *decision);
/* The record for the audit log, where nothing is masked, into `out`. false: it is too large. */
bool cs_decision__write_whole(cs_buf *out, const cs_decision *d, cs_audit_written *to);
bool cs_decision__logs(const cs_decision_log *log);   /* is there a decision log? */
bool cs_decision__audits(const cs_decision_log *log); /* and an audit log? */
cs_value cs_decision__labels(const cs_decision_log *log);

/* ---- keep.c: the data of a decision's record in the audit log */
enum { CS_DECISION__KEEP_MAX = 1 << 20 }; /* input and result beyond are left out; the digest stays */
/* Appends it as it is. */
void cs_decision__keep(cs_buf *out, const cs_decision_record *r, cs_hasher *hasher);
/* Appends what the masks left of it; `event` is the decision log's record behind them, undefined = nothing is left,
 * since they failed. */
void cs_decision__keep_masked(cs_buf *out, const cs_decision_record *r, cs_hasher *hasher, cs_value event, cs_arena *a);
/* The decision log's record, out of what the audit log keeps. */
CS_MUST_CHECK cs_err cs_decision__event(const cs_decision_record *r, cs_value labels, cs_arena *a, cs_value *out,
                                        cs_error *e);

#endif
