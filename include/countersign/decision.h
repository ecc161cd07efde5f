/* The record of a decision and the logs that it goes to: the decision log, as OPA has it, and the audit log. A worker
 * writes the record as bytes and hands it over; dropping, masking, printing and keeping happen on other threads, never
 * on the way of a request. What is masked is masked for both, and what the decision log drops the audit log keeps. */
#ifndef CS_DECISION_H
#define CS_DECISION_H

#include "countersign/audit.h"
#include "countersign/store.h"

/* One decision, as OPA's decision log has it. Everything is borrowed until cs_decision_log_put returns. */
typedef struct cs_decision {
    cs_slice id;
    cs_slice path;             /* "app/allow"; "" for ad-hoc queries */
    cs_slice query;            /* text of an ad-hoc query; "" otherwise */
    cs_value input;            /* undefined = absent */
    cs_value result;           /* undefined = absent */
    const cs_error *error;     /* NULL = none */
    const cs_world *world;     /* pinned: revisions of the bundles */
    cs_slice requested_by;     /* "127.0.0.1:4711" */
    uint64_t request_number;   /* req_id */
    cs_slice request_id;       /* X-Request-Id, "" without one */
    int64_t timestamp_ns;      /* wall clock */
    cs_value metrics;          /* object, or undefined */
    cs_value nd_builtin_cache; /* object, or undefined */
    cs_value rule_labels;      /* array of objects, or undefined */
    cs_value custom;           /* object, or undefined */
    cs_value headers; /* of the request: object of arrays of strings; undefined without those that are wanted */
    /* for the audit log */
    cs_slice tenant;  /* "" = of none */
    cs_value actor;   /* object, or undefined */
    cs_slice outcome; /* static: "allow", "deny", … */
    bool replay;      /* an answer that was given before, given again */
} cs_decision;

typedef struct cs_decision_record cs_decision_record;

typedef struct cs_decision_log cs_decision_log;

/* What may change while it runs. */
typedef struct cs_decision_log_settings {
    cs_value labels;                       /* object of strings, with id and version */
    cs_slice mask_decision, drop_decision; /* "/system/log/mask"; "" = none */
    const cs_slice *headers;               /* names of request headers that go into records */
    size_t n_headers;
    bool logs; /* is there a decision log at all? */
    bool console;
    /* Gets each record as it is printed: a JSON object. On the log's thread; must not wait. NULL = nobody. */
    void (*sink)(void *self, cs_slice record);
    void *sink_self;
} cs_decision_log_settings;

typedef struct cs_decision_log_options {
    cs_store *store;
    const cs_host *host; /* NULL = the system's, without a network */ /* for the mask and drop decisions */
    cs_decision_log_settings settings;
    cs_audit *audit;     /* NULL = no audit log */
    cs_metrics *metrics; /* NULL = none */
    size_t queue;        /* records that may wait; 0 = 65536 */
    size_t room;         /* and their bytes; 0 = 256 MiB */
} cs_decision_log_options;

CS_MUST_CHECK cs_err cs_decision_log_start(const cs_decision_log_options *options, cs_decision_log **out, cs_error *e);
/* Any thread; what it points to is copied. Afterwards the old sink is not called any more. */
void cs_decision_log_configure(cs_decision_log *log, const cs_decision_log_settings *settings);
/* Writes what waits, ends the thread; what is put later is not taken. NULL is fine. */
void cs_decision_log_stop(cs_decision_log *log);
/* Nobody may use it any more. Stops it, if that has not been done. NULL is fine. */
void cs_decision_log_free(cs_decision_log *log);
/* Is there a decision log, whose records have the timers of the request? */
bool cs_decision_log_wants_metrics(const cs_decision_log *log);
/* The names of request headers that its records want; good as long as the log. */
const cs_slice *cs_decision_log_headers(const cs_decision_log *log, size_t *n);
/* Does anybody keep decisions, so that they need ids? */
bool cs_decision_log_wants_ids(const cs_decision_log *log);

/* Any thread. Records a decision, with the answers of cs_audit_put, but that after FULL it may be put again later, as
 * *left. Without an audit log the answer is TAKEN always: what does not fit is dropped, and counted. `room` is the
 * thread's own. */
cs_audit_answer cs_decision_log_take(cs_decision_log *log, const cs_decision *decision, cs_buf *room,
                                     cs_audit_told *told, void *self, cs_decision_record **left);
void cs_decision_record_free(cs_decision_record *record); /* NULL is fine */
/* Any thread; never waits. A record that was left: it is the log's, unless the answer is FULL again. */
cs_audit_answer cs_decision_log_put(cs_decision_log *log, cs_decision_record *record, cs_audit_told *told, void *self);

#endif
