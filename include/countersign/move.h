/* Moving a log, out of a journal as its events and into another: between kinds, clusters, machines. Both functions are
 * for a journal that is opened and, with all folds registered, not started. */
#ifndef CS_MOVE_H
#define CS_MOVE_H

#include "countersign/journal.h"

typedef struct cs_journal_entry {
    cs_slice topic; /* "" for SQLite */
    uint32_t partition;
    uint64_t offset;
    int64_t arrived_ns;
    cs_slice body; /* the event, in structured form; empty if it cannot be read any more */
} cs_journal_entry;
typedef cs_err cs_journal_each(void *self, const cs_journal_entry *entry, cs_error *e);
/* Every event up to the log's present end, in the order of each partition. Its failure ends it. CS_ERR_TIMEOUT if no
 * broker answers within 30 seconds. */
CS_MUST_CHECK cs_err cs_journal_export(cs_journal *journal, cs_journal_each *each, void *self, cs_error *e);
/* Appends one event with the arrival that it had (0 = now; a topic may be set up to stamp records itself). What the
 * folds cannot read is not taken: *reject tells why, and *taken is false. */
CS_MUST_CHECK cs_err cs_journal_import(cs_journal *journal, int64_t arrived_ns, cs_slice body, bool *taken,
                                       cs_event_reject *reject, cs_error *e);
/* After the last of them: CS_OK when all are durable. */
CS_MUST_CHECK cs_err cs_journal_import_end(cs_journal *journal, cs_error *e);

#endif
