/* What the files of SQLite below the journal have in common: errors in words, single statements, whose file it is. Used
 * by one thread at a time. */
#ifndef CS_JOURNAL_SQL_H
#define CS_JOURNAL_SQL_H

#include <sqlite3.h>

#include "countersign/base/err.h"

typedef struct cs_journal__sql {
    sqlite3 *db;
    const char *what; /* "journal", "snapshot": begins every message */
    char path[256];   /* for messages, perhaps cut */
} cs_journal__sql;

/* The error of the last call, in words: CS_ERR_INVALID for a damaged file or one that is no database, else CS_ERR_IO.
 */
cs_err cs_journal__sql_failed(const cs_journal__sql *s, int rc, const char *doing, cs_error *e);
CS_MUST_CHECK cs_err cs_journal__sql_run(cs_journal__sql *s, const char *sql, const char *doing, cs_error *e);
/* The first column of the first row as an integer; 0 without a row. */
CS_MUST_CHECK cs_err cs_journal__sql_ask(cs_journal__sql *s, const char *sql, int64_t *out, cs_error *e);
/* Is it ours, by application_id and user_version, or new and still empty? CS_ERR_INVALID if not. */
CS_MUST_CHECK cs_err cs_journal__sql_check(cs_journal__sql *s, int64_t application_id, int64_t layout, cs_error *e);

#endif
