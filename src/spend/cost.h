/* Who spent what on what: sums by quarter of an hour, tenant, operation, scope and tags, for the cost explorer and the
 * daily report.
 *
 * What the events of the last minute come to is in memory. With each snapshot of the journal it goes into the snapshot,
 * and from there into a SQLite file of its own, which keeps all of them and which people can query. So nothing is
 * counted twice or lost: the file knows up to which cut it has everything, and the snapshot has what it may lack.
 *
 * Threads: cost_add and the hooks on the journal's thread; cs_spend__cost_each anywhere; the file is written by a
 * thread of this part. */
#ifndef CS_SPEND_COST_H
#define CS_SPEND_COST_H

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"
#include "countersign/base/vec.h"
#include "spend/book.h"

typedef struct cs_spend__cost_row {
    int64_t slot; /* of 15 minutes UTC, since 1970: days of every zone are made of them */
    cs_slice tenant, currency, document_id, operation, unit;
    cs_spend__kind kind;
    bool estimated; /* prices that are not final */
    bool restated;  /* changes a month that was over when it arrived: FOCUS's ChargeClass "Correction" */
    cs_spend__pairs scope, tags;
    int64_t nanos, quantity, events;
} cs_spend__cost_row;

/* ---- cost_row.c: a row's labels as one key in `a`, and back. The slices of a row that was read point into the key. */
cs_slice cs_spend__cost_key(cs_arena *a, const cs_spend__cost_row *row);
cs_slice cs_spend__cost_event_key(cs_arena *a, const cs_spend__event *event, uint32_t slot, bool restated);
bool cs_spend__cost_row_of(cs_slice key, cs_spend__cost_row *out);
uint32_t cs_spend__cost_hash(cs_slice key);

/* Sums by key. */
typedef struct cs_spend__cost_sum {
    int64_t nanos, quantity, events;
} cs_spend__cost_sum;
typedef struct cs_spend__cost_entry {
    cs_spend__cost_sum sum;
    uint32_t n;
    char key[];
} cs_spend__cost_entry;
typedef struct cs_spend__cost_piece {
    char *bytes;
    uint32_t used;
} cs_spend__cost_piece;
typedef struct cs_spend__cost_sums {
    struct cs_spend__cost_place *places; /* mask + 1 of them, open addressing; NULL while there are none */
    uint32_t mask, n;
    CS_VEC(cs_spend__cost_piece) pieces;
    uint64_t cut; /* 0 = none yet */
} cs_spend__cost_sums;
cs_spend__cost_sums *cs_spend__cost_sums_new(void);
void cs_spend__cost_sums_free(cs_spend__cost_sums *sums); /* NULL is fine */
void cs_spend__cost_sums_add(cs_spend__cost_sums *sums, cs_slice key, uint32_t hash, const cs_spend__cost_sum *more);
/* Brings the place where a key would be into the cache. */
void cs_spend__cost_sums_prefetch(const cs_spend__cost_sums *sums, uint32_t hash);
/* When that has had time to come: the sum itself. */
void cs_spend__cost_sums_prefetch_entry(const cs_spend__cost_sums *sums, uint32_t hash);
/* All of them, in the order in which they came: the cursor starts at 0; NULL at the end. */
const cs_spend__cost_entry *cs_spend__cost_sums_next(const cs_spend__cost_sums *sums, uint32_t *cursor);
/* As bytes for a snapshot, and back; false if they are damaged. */
void cs_spend__cost_sums_write(const cs_spend__cost_sums *sums, cs_buf *out);
bool cs_spend__cost_sums_read(cs_slice bytes, cs_spend__cost_sums *into);

/* ---- cost_store.c: the file. Calls are serialised inside. */
typedef struct cs_spend__cost_store cs_spend__cost_store;
/* Errors as cs_journal_open. */
CS_MUST_CHECK cs_err cs_spend__cost_store_open(const char *path, cs_spend__cost_store **out, cs_error *e);
void cs_spend__cost_store_close(cs_spend__cost_store *store); /* NULL is fine */
/* Everything up to this cut is in it; 0 = nothing. */
uint64_t cs_spend__cost_store_cut(cs_spend__cost_store *store);
/* Adds sums, durable when it returns; nothing of them on failure. */
CS_MUST_CHECK cs_err cs_spend__cost_store_add(cs_spend__cost_store *store, const cs_spend__cost_sums *sums,
                                              cs_error *e);
/* Empties it: the log is read from its start again. */
CS_MUST_CHECK cs_err cs_spend__cost_store_wipe(cs_spend__cost_store *store, cs_error *e);
typedef void cs_spend__cost_each_row(void *self, const cs_spend__cost_row *row);
/* Rows of the slots [from, to), of one tenant or ("") of all, and the cut that they hold. A row's texts are good for
 * the length of the call. */
CS_MUST_CHECK cs_err cs_spend__cost_store_each(cs_spend__cost_store *store, int64_t from, int64_t to, cs_slice tenant,
                                               cs_spend__cost_each_row *each, void *self, uint64_t *cut, cs_error *e);

/* ---- cost.c */
struct cs_spend;
typedef struct cs_spend__cost cs_spend__cost;
/* `path` NULL: everything stays in memory. */
CS_MUST_CHECK cs_err cs_spend__cost_new(struct cs_spend *s, const char *path, cs_spend__cost **out, cs_error *e);
void cs_spend__cost_free(cs_spend__cost *cost); /* NULL is fine */
/* What an event will look for comes into the cache: its key, if it counts in the slot of its time, is left in it, in
 * `a`. On the journal's thread, as cost_add. */
void cs_spend__cost_prepare(cs_spend__cost *cost, cs_arena *a, int64_t time_ns, cs_spend__event *event);
/* A few events later. */
void cs_spend__cost_prefetch(const cs_spend__cost *cost, uint32_t hash);
/* An event that counts in this slot, and arrived in that one. */
void cs_spend__cost_add(cs_spend__cost *cost, const cs_spend__event *event, uint32_t slot, uint32_t arrived);
/* Every row there is, as the store's; those in memory after those of the file, so that one row may come in pieces. */
CS_MUST_CHECK cs_err cs_spend__cost_each(cs_spend__cost *cost, int64_t from, int64_t to, cs_slice tenant,
                                         cs_spend__cost_each_row *each, void *self, cs_error *e);

#endif
