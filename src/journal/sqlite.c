/* The event log as one SQLite file: write-ahead log, an fsync in each commit, held by one process.
 *
 * A row is an event's text as it came, when it arrived, and a checksum over both: SQLite notices a damaged page, not a
 * changed byte in it. Exclusive locking keeps the lock for the life of the process, so a second one is refused at its
 * start, and makes the shared-memory file needless. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "journal/internal.h"
#include "journal/sql.h"

#define APPLICATION_ID 0x636a6e6c /* "cjnl" */
#define LAYOUT 1

struct cs_journal__file {
    cs_journal__sql sql;
    sqlite3_stmt *put, *put_letter, *drop_letters;
    uint64_t last; /* offset of the newest row, the open transaction's included */
    uint64_t committed;
    char id[33]; /* made with the file */
};

/* FNV-1a, 64 bits. */
static int64_t checksum(uint64_t offset, int64_t arrived_ns, cs_slice body)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ offset;
    h = (h ^ (uint64_t)arrived_ns) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < body.n; i++) {
        h = (h ^ (uint8_t)body.p[i]) * UINT64_C(0x100000001b3);
    }
    return (int64_t)h;
}

static cs_err read_id(cs_journal__file *f, cs_error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(f->sql.db, "SELECT id FROM identity", -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(s) : rc;
    const unsigned char *id = rc == SQLITE_ROW ? sqlite3_column_text(s, 0) : NULL;
    (void)snprintf(f->id, sizeof f->id, "%s", id != NULL ? (const char *)id : "");
    cs_err err = id != NULL ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "opening", e);
    sqlite3_finalize(s);
    return err;
}

static cs_err prepare(cs_journal__file *f, bool sync_normal, cs_error *e)
{
    (void)sqlite3_extended_result_codes(f->sql.db, 1);
    CS_TRY(cs_journal__sql_run(&f->sql, "PRAGMA locking_mode = EXCLUSIVE", "opening", e));
    CS_TRY(cs_journal__sql_check(&f->sql, APPLICATION_ID, LAYOUT, e));
    CS_TRY(cs_journal__sql_run(&f->sql, "PRAGMA journal_mode = WAL", "opening", e));
    CS_TRY(cs_journal__sql_run(&f->sql, sync_normal ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
                               "opening", e));
    char sql[1024];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d;"
                   "CREATE TABLE IF NOT EXISTS events (offset INTEGER PRIMARY KEY, arrived INTEGER NOT NULL,"
                   " body BLOB NOT NULL, checksum INTEGER NOT NULL);"
                   "CREATE TABLE IF NOT EXISTS dead_letter (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
                   " \"offset\" INTEGER UNIQUE, code TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL);"
                   "CREATE TABLE IF NOT EXISTS probe (one INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
                   "INSERT OR IGNORE INTO probe VALUES (1, 0);"
                   "CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY, id TEXT NOT NULL);"
                   "INSERT OR IGNORE INTO identity VALUES (1, lower(hex(randomblob(16)))); COMMIT",
                   APPLICATION_ID, LAYOUT);
    cs_err err = cs_journal__sql_run(&f->sql, sql, "making the tables", e);
    if (err != CS_OK) {
        cs_journal__file_undo(f);
        return err;
    }
    CS_TRY(read_id(f, e));
    int64_t last = 0;
    CS_TRY(cs_journal__sql_ask(&f->sql, "SELECT max(offset) FROM events", &last, e));
    f->last = f->committed = (uint64_t)last;
    int rc = sqlite3_prepare_v3(f->sql.db, "INSERT INTO events VALUES (?, ?, ?, ?)", -1, SQLITE_PREPARE_PERSISTENT,
                                &f->put, NULL);
    rc = rc != SQLITE_OK ? rc
                         : sqlite3_prepare_v3(f->sql.db,
                                              "INSERT OR IGNORE INTO dead_letter (at, \"offset\", code, reason, body)"
                                              " VALUES (?, ?, ?, ?, ?)",
                                              -1, SQLITE_PREPARE_PERSISTENT, &f->put_letter, NULL);
    rc = rc != SQLITE_OK
             ? rc
             : sqlite3_prepare_v3(f->sql.db, "DELETE FROM dead_letter WHERE n <= (SELECT max(n) FROM dead_letter) - ?",
                                  -1, SQLITE_PREPARE_PERSISTENT, &f->drop_letters, NULL);
    return rc == SQLITE_OK ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "opening", e);
}

cs_err cs_journal__file_open(const char *path, bool sync_normal, cs_journal__file **out, cs_error *e)
{
    CS_TRY(cs_file_mkdirs_above(path, e));
    cs_journal__file *f = cs_zalloc(sizeof *f);
    f->sql.what = "journal";
    (void)snprintf(f->sql.path, sizeof f->sql.path, "%s", path);
    int rc = sqlite3_open_v2(path, &f->sql.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    cs_err err = rc == SQLITE_OK ? prepare(f, sync_normal, e) : cs_journal__sql_failed(&f->sql, rc, "opening", e);
    if (err != CS_OK) {
        cs_journal__file_close(f);
        return err;
    }
    *out = f;
    return CS_OK;
}

void cs_journal__file_close(cs_journal__file *f)
{
    if (f == NULL) {
        return;
    }
    sqlite3_finalize(f->put);
    sqlite3_finalize(f->put_letter);
    sqlite3_finalize(f->drop_letters);
    (void)sqlite3_close(f->sql.db);
    cs_free(f);
}

uint64_t cs_journal__file_last(const cs_journal__file *f)
{
    return f->committed;
}

const char *cs_journal__file_id(const cs_journal__file *f)
{
    return f->id;
}

cs_err cs_journal__file_walk(cs_journal__file *f, uint64_t from, cs_journal__each *each, void *self, cs_error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(f->sql.db,
                                "SELECT offset, arrived, body, checksum FROM events WHERE offset >= ? ORDER BY offset",
                                -1, &s, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_int64(s, 1, (int64_t)from);
    }
    cs_err err = CS_OK;
    uint64_t before = 0;
    while (rc == SQLITE_OK && err == CS_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        uint64_t offset = (uint64_t)sqlite3_column_int64(s, 0);
        int64_t arrived = sqlite3_column_int64(s, 1);
        const void *bytes = sqlite3_column_blob(s, 2);
        cs_slice body = {bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(s, 2)};
        if (checksum(offset, arrived, body) != sqlite3_column_int64(s, 3)) {
            err = cs_fail(e, CS_ERR_INVALID, "journal %s: event %llu is damaged", f->sql.path,
                          (unsigned long long)offset);
        } else if (before != 0 && offset != before + 1) {
            err = cs_fail(e, CS_ERR_INVALID, "journal %s: events are missing between %llu and %llu", f->sql.path,
                          (unsigned long long)before, (unsigned long long)offset);
        } else {
            err = each(self, offset, arrived, body, e);
        }
        before = offset;
        rc = SQLITE_OK;
    }
    if (err == CS_OK && rc != SQLITE_DONE) {
        err = cs_journal__sql_failed(&f->sql, rc, "reading", e);
    }
    sqlite3_finalize(s);
    return err;
}

cs_err cs_journal__file_begin(cs_journal__file *f, cs_error *e)
{
    return cs_journal__sql_run(&f->sql, "BEGIN IMMEDIATE", "writing", e);
}

cs_err cs_journal__file_put(cs_journal__file *f, int64_t arrived_ns, cs_slice body, uint64_t *offset, cs_error *e)
{
    uint64_t at = f->last + 1;
    sqlite3_bind_int64(f->put, 1, (int64_t)at);
    sqlite3_bind_int64(f->put, 2, arrived_ns);
    sqlite3_bind_blob64(f->put, 3, body.p, body.n, SQLITE_STATIC);
    sqlite3_bind_int64(f->put, 4, checksum(at, arrived_ns, body));
    int rc = sqlite3_step(f->put);
    cs_err err = rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "writing", e);
    (void)sqlite3_reset(f->put);
    if (err == CS_OK) {
        *offset = f->last = at;
    }
    return err;
}

cs_err cs_journal__file_commit(cs_journal__file *f, cs_error *e)
{
    CS_TRY(cs_journal__sql_run(&f->sql, "COMMIT", "writing", e));
    f->committed = f->last;
    return CS_OK;
}

void cs_journal__file_undo(cs_journal__file *f)
{
    /* SQLite rolls back by itself after some failures; then there is nothing to undo. */
    if (sqlite3_get_autocommit(f->sql.db) == 0) {
        (void)sqlite3_exec(f->sql.db, "ROLLBACK", NULL, NULL, NULL);
    }
    f->last = f->committed;
}

cs_err cs_journal__file_probe(cs_journal__file *f, cs_error *e)
{
    return cs_journal__sql_run(&f->sql, "UPDATE probe SET n = n + 1", "writing", e);
}

/* ---- dead letters */

static void bind_text(sqlite3_stmt *s, int at, cs_slice text)
{
    (void)sqlite3_bind_text64(s, at, text.n > 0 ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

cs_err cs_journal__file_letter(cs_journal__file *f, const cs_journal_letter *letter, bool *fresh, cs_error *e)
{
    sqlite3_stmt *s = f->put_letter;
    size_t n = letter->body.n < CS_JOURNAL__LETTER_BYTES ? letter->body.n : CS_JOURNAL__LETTER_BYTES;
    (void)sqlite3_bind_int64(s, 1, letter->at_ns);
    (void)(letter->posted ? sqlite3_bind_null(s, 2) : sqlite3_bind_int64(s, 2, (int64_t)letter->offset));
    bind_text(s, 3, letter->code);
    bind_text(s, 4, letter->reason);
    (void)sqlite3_bind_blob64(s, 5, n > 0 ? letter->body.p : "", n, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    (void)sqlite3_reset(s);
    *fresh = rc == SQLITE_DONE && sqlite3_changes(f->sql.db) > 0;
    if (rc == SQLITE_DONE) {
        (void)sqlite3_bind_int64(f->drop_letters, 1, (int64_t)cs_limits_get()->dead_letters);
        rc = sqlite3_step(f->drop_letters);
        (void)sqlite3_reset(f->drop_letters);
    }
    return rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "writing", e);
}

static cs_slice text_at(sqlite3_stmt *s, int at)
{
    const void *text = sqlite3_column_blob(s, at);
    return cs_slice_make(text != NULL ? text : "", (size_t)sqlite3_column_bytes(s, at));
}

cs_err cs_journal__file_letters(cs_journal__file *f, size_t most, cs_journal__each_letter *each, void *self,
                                cs_error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(f->sql.db,
                                "SELECT at, \"offset\", code, reason, body FROM"
                                " (SELECT * FROM dead_letter ORDER BY n DESC LIMIT ?) ORDER BY n",
                                -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(s, 1, (int64_t)most) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        cs_journal_letter letter = {.at_ns = sqlite3_column_int64(s, 0),
                                    .posted = sqlite3_column_type(s, 1) == SQLITE_NULL,
                                    .topic = CS_LIT(""),
                                    .offset = (uint64_t)sqlite3_column_int64(s, 1),
                                    .code = text_at(s, 2),
                                    .reason = text_at(s, 3),
                                    .body = text_at(s, 4)};
        each(self, &letter);
        rc = SQLITE_OK;
    }
    cs_err err = rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "reading", e);
    sqlite3_finalize(s);
    return err;
}
