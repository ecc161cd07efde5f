/* The SQLite file below a journal. Used by one thread at a time: first by whoever opens, then by the journal's thread.
 */
#ifndef CS_JOURNAL_INTERNAL_H
#define CS_JOURNAL_INTERNAL_H

#include "countersign/journal.h"

typedef struct cs_journal__file cs_journal__file;

/* Takes the file's lock and makes or checks its tables. Errors as cs_journal_open. */
CS_MUST_CHECK cs_err cs_journal__file_open(const char *path, bool sync_normal, cs_journal__file **out, cs_error *e);
/* NULL is fine. */
void cs_journal__file_close(cs_journal__file *f);

/* Every event in the order of offsets. `each` gets the text only for the length of the call; its failure stops the
 * walk. CS_ERR_INVALID if a row is damaged. */
typedef cs_err cs_journal__each(void *self, uint64_t offset, int64_t arrived_ns, cs_slice body, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__file_walk(cs_journal__file *f, cs_journal__each *each, void *self, cs_error *e);

/* One transaction: begin, any number of puts, then commit (durable when it returns) or undo. After a failure of any of
 * them: undo. Offsets go on from the last one committed. */
CS_MUST_CHECK cs_err cs_journal__file_begin(cs_journal__file *f, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__file_put(cs_journal__file *f, int64_t arrived_ns, cs_slice body, uint64_t *offset,
                                          cs_error *e);
CS_MUST_CHECK cs_err cs_journal__file_commit(cs_journal__file *f, cs_error *e);
void cs_journal__file_undo(cs_journal__file *f);
/* Can it be written? A small durable write of its own. */
CS_MUST_CHECK cs_err cs_journal__file_probe(cs_journal__file *f, cs_error *e);

#endif
