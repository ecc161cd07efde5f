/* The record of a decision and the log that it goes to. A worker writes the record as bytes and hands it over;
 * dropping, masking and printing happen on the log's thread, never on the way of a request. */
#ifndef CS_DECISION_H
#define CS_DECISION_H

#include "countersign/store.h"

/* One decision, as OPA's decision log has it. Everything is borrowed until cs_decision_log_put returns. */
typedef struct cs_decision {
    cs_slice id;
    cs_slice path;           /* "app/allow"; "" for ad-hoc queries */
    cs_slice query;          /* text of an ad-hoc query; "" otherwise */
    cs_value input;          /* undefined = absent */
    cs_value result;         /* undefined = absent */
    const cs_error *error;   /* NULL = none */
    const cs_world *world;   /* pinned: revisions of the bundles */
    cs_slice requested_by;   /* "127.0.0.1:4711" */
    uint64_t request_number; /* req_id */
    cs_slice request_id;     /* X-Request-Id, "" without one */
    int64_t timestamp_ns;    /* wall clock */
    cs_value metrics;        /* object, or undefined */
    cs_value custom;         /* object, or undefined */
} cs_decision;

typedef struct cs_decision_log cs_decision_log;

typedef struct cs_decision_log_options {
    cs_store *store;
    const cs_host *host; /* NULL = the system's, without a network */ /* for the mask and drop decisions */
    cs_value labels;                       /* object of strings, with id and version; must outlive the log */
    cs_slice mask_decision, drop_decision; /* "/system/log/mask"; "" = none */
    bool console;
    size_t queue; /* records that may wait; 0 = 65536 */
} cs_decision_log_options;

CS_MUST_CHECK cs_err cs_decision_log_start(const cs_decision_log_options *options, cs_decision_log **out, cs_error *e);
/* Writes what waits, ends the thread. NULL is fine. */
void cs_decision_log_stop(cs_decision_log *log);
/* Any thread. false if the record was dropped because the queue is full (counted). */
bool cs_decision_log_put(cs_decision_log *log, const cs_decision *decision);

/* The JSON object of one record, without level, msg, time and type. What the log prints and an uploader would send. */
void cs_decision_write(cs_buf *out, const cs_decision *decision, cs_value labels);

#endif
