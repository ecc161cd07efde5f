/* Events: CloudEvents 1.0 in JSON, cut out of bodies and read; amounts of money, exact. What is done with them is the
 * journal's (journal.h) and its folds'. */
#ifndef CS_EVENT_H
#define CS_EVENT_H

#include "countersign/value.h"

/* What a fold made of an event. */
typedef enum cs_event_outcome {
    CS_EVENT_UNSEEN,    /* no fold wanted it */
    CS_EVENT_APPLIED,   /* it counts */
    CS_EVENT_DUPLICATE, /* seen before, with the same content */
    CS_EVENT_CONFLICT   /* its id was seen before with another content; the first one counts */
} cs_event_outcome;

/* The names in the data of a spend event, so that they are compared once for all events that look alike. */
typedef enum cs_event_word {
    CS_EVENT_OTHER,
    CS_EVENT_TENANT,
    CS_EVENT_AMOUNT,
    CS_EVENT_KIND,
    CS_EVENT_CURRENCY,
    CS_EVENT_SCOPE,
    CS_EVENT_TAGS,
    CS_EVENT_HOLD,
    CS_EVENT_QUANTITY,
    CS_EVENT_CORRECTS,
    CS_EVENT_ESTIMATED,
    CS_EVENT_OPERATION
} cs_event_word;

/* A member of a plain event's data (cs_event_read_bulk). */
typedef struct cs_event_member {
    cs_slice name;
    cs_slice text;  /* of a string; of a number as written */
    cs_kind kind;   /* CS_NULL, CS_BOOL, CS_NUMBER, CS_STRING or CS_OBJECT */
    bool truth;     /* of a CS_BOOL */
    uint8_t inside; /* an object's members are the next so many */
    uint8_t word;   /* cs_event_word: its name, of a member of data itself */
} cs_event_member;

/* Everything points into the arena that it was read into. */
typedef struct cs_event {
    cs_slice body; /* the JSON object as it came; what the journal keeps */
    cs_slice source, id, type, subject;
    cs_slice correlation; /* the extension correlationid: the request that it belongs to; "" without one */
    cs_slice key;         /* of an event that was composed here: what orders it in the log; "" = the subject's tenant */
    int64_t time_ns;      /* of the source */
    cs_value data;        /* an object; undefined if there are members instead */
    const cs_event_member *members; /* data as cs_event_read_bulk has read it; NULL otherwise */
    size_t n_members;
    const void *parsed; /* what a fold's check has made of data, for whoever comes after; NULL = nothing yet */
    /* Given by the journal. */
    int64_t arrived_ns;
    uint32_t partition;
    bool past;       /* read back at the start, not new */
    uint64_t offset; /* position in the partition, growing */
    cs_event_outcome outcome;
} cs_event;

/* Why an event is refused. `index` counts the events of a body from 0. */
typedef struct cs_event_reject {
    size_t index;
    cs_slice id;      /* "" where it has none */
    const char *code; /* static: "invalid_json", "missing_field", … (docs/spend.md lists them) */
    cs_slice message; /* one sentence that names the field */
} cs_event_reject;

/* One event from its JSON text, which must outlive it. `limits` applies event_bytes and event_depth (text from
 * outside); without it the event is one that was accepted before. On failure (CS_ERR_INVALID) *reject is filled,
 * `index` excepted; its texts live in `a`. Thread-safe. */
CS_MUST_CHECK cs_err cs_event_read(cs_arena *a, cs_slice text, bool limits, cs_event *event, cs_event_reject *reject);

/* The same of an envelope that is read already; `body` is kept as event->body. */
CS_MUST_CHECK cs_err cs_event_of(cs_arena *a, cs_value envelope, cs_slice body, cs_event *event,
                                 cs_event_reject *reject);

/* The same for events in bulk: of spend events that are plain (no escapes, no exponents, nothing twice) `members`
 * stands in place of `data`, which saves most of the time. Accepts and refuses exactly what cs_event_read does.
 * Thread-safe. */
CS_MUST_CHECK cs_err cs_event_read_bulk(cs_arena *a, cs_slice text, bool limits, cs_event *event,
                                        cs_event_reject *reject);
/* The data as a value, whichever way it was read. */
cs_value cs_event_data(cs_arena *a, const cs_event *event);

/* For whoever reads further into an event: fills the rejection and returns CS_ERR_INVALID; a member that is a text
 * which is not empty. */
CS_MUST_CHECK cs_err cs_event_refuse(cs_arena *a, cs_event_reject *reject, const char *code, const char *format, ...)
    CS_PRINTF(4, 5);
bool cs_event_text(cs_value object, const char *name, cs_slice *out);

/* An event of our own. Texts are copied. */
typedef struct cs_event_head {
    const char *type;    /* "io.countersign.budget.changed.v1" */
    cs_slice source, id; /* together they name it for ever */
    cs_slice tenant;
    cs_slice subject;     /* "" = "tenant/<tenant>" */
    cs_slice key;         /* what orders it in the log: events of one key stay in order; "" = the tenant */
    cs_slice correlation; /* the request that it belongs to; "" = none */
    int64_t time_ns;
} cs_event_head;
/* Composes it in `a`, as cs_event_read would give it, ready for cs_journal_batch_add; `data` is an object. Thread-safe.
 */
cs_event cs_event_compose(cs_arena *a, const cs_event_head *head, cs_value data);

/* Cuts a body into the texts of its events: one object, an array of objects, or objects separated by white space
 * (NDJSON). Nothing is parsed: a piece may turn out to be no JSON. */
typedef struct cs_event_cutter {
    cs_slice rest;
    bool array, started, done;
} cs_event_cutter;
void cs_event_cut(cs_event_cutter *cutter, cs_slice body);
/* The next piece; false at the end. *broken: the array is not whole, or not an array of objects separated by commas;
 * the piece is what is left, and the last. An object in a stream that does not end within the limit event_bytes is cut
 * at the end of its line, so that one bad line costs no other. */
bool cs_event_next(cs_event_cutter *cutter, cs_slice *piece, bool *broken);

/* ---- money: integers of 10^-9 of the currency's unit ("nanos") */
#define CS_NANOS_PER_UNIT INT64_C(1000000000)
typedef enum cs_money_read { CS_MONEY_OK, CS_MONEY_ROUNDED, CS_MONEY_MALFORMED, CS_MONEY_RANGE } cs_money_read;
/* A decimal text in JSON's number syntax, taken exactly as written. More than 9 decimals are rounded half to even
 * (CS_MONEY_ROUNDED); beyond int64 nanos (about 9.2 billion units) it is CS_MONEY_RANGE. Thread-safe. */
cs_money_read cs_money_parse(cs_slice text, int64_t *nanos);
/* "25.00", "-0.0000004": at least two decimals, no more than needed. Returns the length. */
size_t cs_money_format(int64_t nanos, char out[32]);

#endif
