/* The audit log: what was done and by whom, as a chain of records that nobody can change unnoticed.
 *
 * A record is one line of canonical JSON (RFC 8785): {"actor", "data", "decision_id", "hash", "prev", "request_id",
 * "seq", "tenant", "time", "type"}; what is not known is left out. `hash` is the SHA-256, in hex, of the record without
 * that member; `prev` is the hash of the record before (64 zeros in the first), across files. From time to time the
 * head (the last record's seq and hash) is signed and written beside the log, so that a cut tail shows.
 *
 * One process writes a folder. Putting a record never waits: it is copied into bounded memory, a thread of the log's
 * own chains, writes and syncs. docs/audit.md has the format, the reasons and what to do when the disk is full. */
#ifndef CS_AUDIT_H
#define CS_AUDIT_H

#include "countersign/crypto.h"
#include "countersign/metrics.h"
#include "countersign/value.h"

typedef struct cs_audit cs_audit;

typedef enum cs_audit_sync {
    CS_AUDIT_COMMIT,   /* whoever waits is told when the record is on disk; one sync serves all who wait */
    CS_AUDIT_INTERVAL, /* on disk within 100 ms */
    CS_AUDIT_NONE      /* written at once, synced with checkpoints only */
} cs_audit_sync;

/* All is copied, the key retained. */
typedef struct cs_audit_options {
    const char *dir;
    cs_audit_sync sync;
    bool block;    /* while it cannot be written: wait, instead of refusing */
    bool required; /* do not open a log whose end is damaged or cut */
    cs_key *key;   /* signs checkpoints; NULL = they are not signed */
    cs_sig_alg alg;
    cs_slice keyid;
    uint64_t file_bytes; /* a new file from this size on; 0 = 256 MiB */
    bool daily;          /* and with each day (UTC) */
    size_t room;         /* bytes that may wait; 0 = 64 MiB */
    cs_metrics *metrics; /* NULL = none */
    cs_slice node;       /* who writes: told in the record of the opening */
} cs_audit_options;

/* Makes the folder, locks it, cuts a torn last line (and says so, in the program's log and in a record), goes on with
 * the chain, starts the thread. CS_ERR_OPERATION: another process has it. CS_ERR_INVALID with `required`: the end is
 * damaged, or ends before what the head vouches for. */
CS_MUST_CHECK cs_err cs_audit_open(const cs_audit_options *options, cs_audit **out, cs_error *e);
/* Writes what waits, signs the head, ends the thread; what is put later is not taken. What cannot be written after two
 * seconds is lost, and the program's log says how much. NULL is fine. */
void cs_audit_stop(cs_audit *audit);
/* Nobody may use it any more. Stops it, if that has not been done, and gives the folder free. NULL is fine. */
void cs_audit_free(cs_audit *audit);

/* What happened. Everything is borrowed for the call. Texts of the envelope are cut to 256 bytes. */
typedef struct cs_audit_record {
    const char *type;     /* "decision", "approval.granted", …: see docs/audit.md */
    cs_slice tenant;      /* "" = of none */
    cs_slice request_id;  /* X-Request-Id; "" = the service did it by itself */
    cs_slice decision_id; /* "" = it is no decision, and comes of none */
    cs_value actor;       /* object {sub, roles, …}; undefined = nobody known */
    cs_value data;        /* object, or undefined; nothing unmasked */
    int64_t time_ns;      /* wall clock; 0 = now */
    bool done;            /* an act that cannot be taken back: it is kept even while the log is full */
} cs_audit_record;

/* On the log's thread, once: NULL = on disk. Otherwise it is not, and never will be, unless the record was `done`: then
 * it will be when the log can be written again. */
typedef void cs_audit_told(void *self, const cs_error *error);

typedef enum cs_audit_answer {
    CS_AUDIT_TAKEN, /* `told` is not called */
    CS_AUDIT_TELLS, /* `told` is called, perhaps already */
    CS_AUDIT_FULL   /* nothing is kept: it cannot be written now; `told` is not called */
} cs_audit_answer;

/* Any thread; never waits. With sync commit and `told` the answer is TELLS, else TAKEN; or FULL, but not for what is
 * `done`: that has a room of its own behind the common one, and what does not even fit there is counted, and told of by
 * a record `audit.lost`. NULL as log: TAKEN. */
cs_audit_answer cs_audit_put(cs_audit *audit, const cs_audit_record *record, cs_audit_told *told, void *self);
/* Any thread; never waits. With sync commit: TELLS when everything put before is on disk (or will not be for now), else
 * TAKEN. */
cs_audit_answer cs_audit_after(cs_audit *audit, cs_audit_told *told, void *self);
/* Any thread, no lock. True while a put of what is not `done` would be answered FULL. NULL: false. */
bool cs_audit_is_full(const cs_audit *audit);
/* A record of which there are many is written where it is made, at the beginning of a buffer: begin, then its data as
 * canonical JSON, then end. The actor is a value, or canonical JSON; undefined and "" = nobody known. The record's own
 * actor and data are not looked at then. What is given points into the buffer. */
typedef struct cs_audit_written {
    cs_slice text;         /* its line, but for hash, prev and seq */
    size_t before, middle; /* bytes in front of hash and prev; then in front of seq */
    bool done;
} cs_audit_written;
void cs_audit_write_begin(cs_buf *out, cs_value actor, cs_slice actor_text);
cs_audit_written cs_audit_write_end(cs_buf *out, const cs_audit_record *record);
/* As cs_audit_put. */
cs_audit_answer cs_audit_put_written(cs_audit *audit, const cs_audit_written *written, cs_audit_told *told, void *self);

/* As configured: wait (true) or refuse while it is full. */
bool cs_audit_blocks(const cs_audit *audit);
/* Blocks until it is not full any more, at most timeout_ns; true if so. Not for workers. */
bool cs_audit_wait(cs_audit *audit, int64_t timeout_ns);
/* Counts a decision that was refused after the answer FULL (those that are told no are counted already); when the log
 * can be written again, a record `audit.refused` says how many. Any thread. */
void cs_audit_count_refused(cs_audit *audit);
bool cs_audit_commits(const cs_audit *audit);    /* sync: commit */
const char *cs_audit_dir(const cs_audit *audit); /* its folder */
/* Anything left to be written? For tests and stopping. */
bool cs_audit_idle(cs_audit *audit);

/* ---- the head */
typedef struct cs_audit_head {
    uint64_t seq; /* 0 = nothing was ever written */
    char hash[65];
    char time[40];  /* when it was signed */
    cs_slice keyid; /* "" = not signed */
    cs_slice token; /* JWS, compact; its payload is {"hash","seq","time"} */
} cs_audit_head;

/* Signs what is written so far, unless the last checkpoint says it already, and copies it into the arena. Blocks for a
 * sync: not for workers. CS_ERR_IO while the log cannot be written. */
CS_MUST_CHECK cs_err cs_audit_get_head(cs_audit *audit, cs_arena *a, cs_audit_head *out, cs_error *e);
/* {"hash", "keyid", "seq", "signature", "time"}: as the file head.json and GET /v1/audit/head have it. */
cs_value cs_audit_head_value(cs_arena *a, const cs_audit_head *head);
CS_MUST_CHECK cs_err cs_audit_head_read(cs_arena *a, cs_slice json, cs_audit_head *out, cs_error *e);
/* Is it signed by this key, and does the signature say the same as the members? */
CS_MUST_CHECK cs_err cs_audit_head_check(const cs_audit_head *head, const cs_key *key, cs_sig_alg alg, cs_error *e);

/* ---- reading. Files of a folder may be read while a service writes it; the torn last line is left out then. */
typedef struct cs_audit_filter {
    int64_t from_ns, to_ns; /* from <= time < to; 0 = open */
    cs_slice tenant;        /* "" = all */
    uint64_t after;         /* only records behind this seq */
} cs_audit_filter;

/* One line without its end, in order. false stops. */
typedef bool cs_audit_each(void *self, uint64_t seq, cs_slice line);
/* Any thread, blocks. Lines that are no records are given with seq 0, if nothing but them can say where they belong. */
CS_MUST_CHECK cs_err cs_audit_read(const char *dir, const cs_audit_filter *filter, cs_audit_each *each, void *self,
                                   cs_error *e);

/* ---- verifying */
typedef struct cs_audit_verdict {
    bool good;
    uint64_t records;
    uint64_t first_seq, last_seq;
    char last_hash[65];
    uint64_t signed_seq;  /* up to here a signature vouches for it; 0 = none was checked */
    uint64_t checkpoints; /* that were compared */
    const char *fault;    /* "changed", "removed", "reordered", "repeated", "truncated", "unreadable", "forged"; "" if
                             good */
    uint64_t seq;         /* of the first broken record */
    char file[256];       /* where it stands, or should stand */
    uint64_t line;        /* 1-based */
    char text[512];       /* a sentence */
} cs_audit_verdict;

typedef struct cs_audit_verify_options {
    const cs_key *key; /* NULL = signatures are not checked */
    cs_sig_alg alg;
    const cs_audit_head *heads; /* kept elsewhere: the log must still have them */
    size_t n_heads;
    bool archived; /* the beginning may be missing: older files were moved away */
} cs_audit_verify_options;

/* Walks a folder. CS_OK with a verdict, good or not; an error if there is nothing to read. */
CS_MUST_CHECK cs_err cs_audit_verify(const char *dir, const cs_audit_verify_options *options, cs_audit_verdict *out,
                                     cs_error *e);
/* {"good", "records", "first_seq", "last_seq", "signed_seq", "checkpoints"}, and of a bad one "fault", "seq", "file",
 * "line", "message". Points into the verdict. */
cs_value cs_audit_verdict_value(cs_arena *a, const cs_audit_verdict *verdict);

/* ---- the report (docs/audit.md): what people did in a span of time, of one tenant or of all; beside it the verdict
 * about the log that it is made of. */
CS_MUST_CHECK cs_err cs_audit_report(const char *dir, const cs_audit_filter *filter, const cs_audit_verdict *verdict,
                                     cs_arena *a, cs_value *out, cs_error *e);
/* A report as a page that can be printed; it needs nothing from anywhere else. */
void cs_audit_report_html(cs_buf *out, cs_value report);

#endif
