/* The file of a snapshot: SQLite, written in one transaction a snapshot, so that a crash leaves the old one or the new
 * one. A row carries a checksum over all of it: SQLite notices a damaged page, not a changed byte in one. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "journal/snapshot.h"
#include "journal/sql.h"

#define APPLICATION_ID 0x63736e70 /* "csnp" */
#define LAYOUT 1

struct cs_journal__snapfile {
    cs_journal__sql sql;
    sqlite3_stmt *put, *drop;
    int64_t piece; /* the number of the last one appended, of all rows */
};

static cs_err prepare(cs_journal__snapfile *f, cs_error *e)
{
    (void)sqlite3_extended_result_codes(f->sql.db, 1);
    CS_TRY(cs_journal__sql_run(&f->sql, "PRAGMA locking_mode = EXCLUSIVE", "opening", e));
    CS_TRY(cs_journal__sql_check(&f->sql, APPLICATION_ID, LAYOUT, e));
    CS_TRY(cs_journal__sql_run(&f->sql,
                               "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
                               "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536",
                               "opening", e));
    char sql[1024];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d;"
                   "CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY, cut INTEGER NOT NULL,"
                   " identity TEXT NOT NULL);"
                   "CREATE TABLE IF NOT EXISTS folds (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                   " format INTEGER NOT NULL);"
                   "CREATE TABLE IF NOT EXISTS positions (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
                   " next INTEGER NOT NULL, mark INTEGER NOT NULL, PRIMARY KEY (topic, partition));"
                   "CREATE TABLE IF NOT EXISTS rows (fold INTEGER NOT NULL, key BLOB NOT NULL, piece INTEGER NOT NULL,"
                   " value BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (fold, key, piece)) WITHOUT ROWID;"
                   "COMMIT",
                   APPLICATION_ID, LAYOUT);
    cs_err err = cs_journal__sql_run(&f->sql, sql, "making the tables", e);
    if (err != CS_OK) {
        cs_journal__snapfile_undo(f);
        return err;
    }
    int rc = sqlite3_prepare_v3(f->sql.db, "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)", -1,
                                SQLITE_PREPARE_PERSISTENT, &f->put, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v3(f->sql.db, "DELETE FROM rows WHERE fold = ? AND key = ?", -1, SQLITE_PREPARE_PERSISTENT,
                                &f->drop, NULL);
    }
    return rc == SQLITE_OK ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "opening", e);
}

cs_err cs_journal__snapfile_open(const char *path, cs_journal__snapfile **out, cs_error *e)
{
    CS_TRY(cs_file_mkdirs_above(path, e));
    cs_journal__snapfile *f = cs_zalloc(sizeof *f);
    f->sql.what = "snapshot";
    (void)snprintf(f->sql.path, sizeof f->sql.path, "%s", path);
    int rc = sqlite3_open_v2(path, &f->sql.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    cs_err err = rc == SQLITE_OK ? prepare(f, e) : cs_journal__sql_failed(&f->sql, rc, "opening", e);
    if (err != CS_OK) {
        cs_journal__snapfile_close(f);
        return err;
    }
    *out = f;
    return CS_OK;
}

void cs_journal__snapfile_close(cs_journal__snapfile *f)
{
    if (f != NULL) {
        sqlite3_finalize(f->put);
        sqlite3_finalize(f->drop);
        (void)sqlite3_close(f->sql.db);
        cs_free(f);
    }
}

/* ---- reading */

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

static uint64_t mix_text(uint64_t h, cs_slice s)
{
    uint64_t word = 0;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        h = mix(h, word);
    }
    word = 0;
    for (size_t k = 0; i + k < s.n; k++) {
        word |= (uint64_t)(uint8_t)s.p[i + k] << (8 * k);
    }
    return mix(mix(h, word), s.n);
}

static int64_t checksum(int64_t fold, cs_slice key, int64_t piece, cs_slice value)
{
    uint64_t h = mix(mix(UINT64_C(0x736e617073686f74), (uint64_t)fold), (uint64_t)piece);
    return (int64_t)mix_text(mix_text(h, key), value);
}

static cs_slice blob(sqlite3_stmt *s, int column)
{
    const void *bytes = sqlite3_column_blob(s, column);
    return (cs_slice){bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(s, column)};
}

static cs_err read_list(cs_journal__snapfile *f, const char *sql, void (*each)(cs_journal__snaphead *, sqlite3_stmt *),
                        cs_journal__snaphead *out, cs_error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(f->sql.db, sql, -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        each(out, s);
        rc = SQLITE_OK;
    }
    cs_err err = rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "reading", e);
    sqlite3_finalize(s);
    return err;
}

static void read_head(cs_journal__snaphead *out, sqlite3_stmt *s)
{
    out->there = true;
    out->cut_ns = sqlite3_column_int64(s, 0);
    cs_slice identity = blob(s, 1);
    (void)snprintf(out->positions.identity, sizeof out->positions.identity, "%.*s", CS_FMT(identity));
}

static void read_fold(cs_journal__snaphead *out, sqlite3_stmt *s)
{
    if (out->n_folds < CS_JOURNAL__FOLDS) {
        cs_slice name = blob(s, 0);
        (void)snprintf(out->folds[out->n_folds].name, sizeof out->folds[0].name, "%.*s", CS_FMT(name));
        out->folds[out->n_folds++].format = (uint32_t)sqlite3_column_int64(s, 1);
    }
}

static void read_position(cs_journal__snaphead *out, sqlite3_stmt *s)
{
    cs_journal__position p = {.partition = (uint32_t)sqlite3_column_int64(s, 1),
                              .next = (uint64_t)sqlite3_column_int64(s, 2),
                              .mark = (uint64_t)sqlite3_column_int64(s, 3)};
    cs_slice topic = blob(s, 0);
    (void)snprintf(p.topic, sizeof p.topic, "%.*s", CS_FMT(topic));
    CS_VEC_PUSH(&out->positions.v, p);
}

cs_err cs_journal__snapfile_head(cs_journal__snapfile *f, cs_journal__snaphead *out, cs_error *e)
{
    *out = (cs_journal__snaphead){.there = false};
    CS_TRY(cs_journal__sql_ask(&f->sql, "SELECT max(piece) FROM rows", &f->piece, e));
    CS_TRY(read_list(f, "SELECT cut, identity FROM head", read_head, out, e));
    CS_TRY(read_list(f, "SELECT name, format FROM folds ORDER BY id", read_fold, out, e));
    return read_list(f, "SELECT topic, partition, next, mark FROM positions", read_position, out, e);
}

cs_err cs_journal__snapfile_walk(cs_journal__snapfile *f, cs_journal__snaprow *each, void *self, cs_error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(
        f->sql.db, "SELECT fold, key, piece, value, checksum FROM rows ORDER BY fold, key, piece", -1, &s, NULL);
    cs_err err = CS_OK;
    while (rc == SQLITE_OK && err == CS_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t fold = sqlite3_column_int64(s, 0);
        int64_t piece = sqlite3_column_int64(s, 2);
        cs_slice key = blob(s, 1);
        cs_slice value = blob(s, 3);
        if (checksum(fold, key, piece, value) != sqlite3_column_int64(s, 4)) {
            err = cs_fail(e, CS_ERR_INVALID, "snapshot %s: a row is damaged", f->sql.path);
        } else {
            err = each(self, (uint32_t)fold, key, value, e);
        }
        rc = SQLITE_OK;
    }
    if (err == CS_OK && rc != SQLITE_DONE) {
        err = cs_journal__sql_failed(&f->sql, rc, "reading", e);
    }
    sqlite3_finalize(s);
    return err;
}

/* ---- writing */

cs_err cs_journal__snapfile_begin(cs_journal__snapfile *f, cs_error *e)
{
    return cs_journal__sql_run(&f->sql, "BEGIN IMMEDIATE", "writing", e);
}

static cs_err step(cs_journal__snapfile *f, sqlite3_stmt *s, cs_error *e)
{
    int rc = sqlite3_step(s);
    cs_err err = rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "writing", e);
    (void)sqlite3_reset(s);
    return err;
}

cs_err cs_journal__snapfile_put(cs_journal__snapfile *f, uint32_t fold, cs_slice key, cs_slice value, bool append,
                                cs_error *e)
{
    int64_t piece = append ? ++f->piece : 0;
    sqlite3_bind_int64(f->put, 1, fold);
    sqlite3_bind_blob64(f->put, 2, key.p, key.n, SQLITE_STATIC);
    sqlite3_bind_int64(f->put, 3, piece);
    sqlite3_bind_blob64(f->put, 4, value.p, value.n, SQLITE_STATIC);
    sqlite3_bind_int64(f->put, 5, checksum(fold, key, piece, value));
    return step(f, f->put, e);
}

cs_err cs_journal__snapfile_delete(cs_journal__snapfile *f, uint32_t fold, cs_slice key, cs_error *e)
{
    sqlite3_bind_int64(f->drop, 1, fold);
    sqlite3_bind_blob64(f->drop, 2, key.p, key.n, SQLITE_STATIC);
    return step(f, f->drop, e);
}

static cs_err insert(cs_journal__snapfile *f, const char *sql, cs_slice text, const int64_t *numbers, int n,
                     cs_error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(f->sql.db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(s, 1, text.p, (int)text.n, SQLITE_STATIC);
        for (int i = 0; i < n; i++) {
            sqlite3_bind_int64(s, 2 + i, numbers[i]);
        }
        rc = sqlite3_step(s);
    }
    cs_err err = rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(&f->sql, rc, "writing", e);
    sqlite3_finalize(s);
    return err;
}

cs_err cs_journal__snapfile_finish(cs_journal__snapfile *f, const cs_journal__snaphead *head, cs_error *e)
{
    CS_TRY(cs_journal__sql_run(&f->sql, "DELETE FROM head; DELETE FROM folds; DELETE FROM positions", "writing", e));
    CS_TRY(insert(f, "INSERT INTO head (identity, cut) VALUES (?, ?)", cs_slice_of(head->positions.identity),
                  &head->cut_ns, 1, e));
    for (size_t i = 0; i < head->n_folds; i++) {
        int64_t numbers[] = {(int64_t)i, head->folds[i].format};
        CS_TRY(insert(f, "INSERT INTO folds (name, id, format) VALUES (?, ?, ?)", cs_slice_of(head->folds[i].name),
                      numbers, 2, e));
    }
    for (size_t i = 0; i < head->positions.v.n; i++) {
        const cs_journal__position *p = &head->positions.v.v[i];
        int64_t numbers[] = {p->partition, (int64_t)p->next, (int64_t)p->mark};
        CS_TRY(insert(f, "INSERT INTO positions (topic, partition, next, mark) VALUES (?, ?, ?, ?)",
                      cs_slice_of(p->topic), numbers, 3, e));
    }
    CS_TRY(cs_journal__sql_run(&f->sql, "COMMIT", "writing", e));
    /* Readers there are none; what is in the log goes into the file now, not in a later snapshot's time. If it cannot,
     * it stays in the log, and is no less durable there. */
    (void)sqlite3_exec(f->sql.db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    return CS_OK;
}

void cs_journal__snapfile_undo(cs_journal__snapfile *f)
{
    if (sqlite3_get_autocommit(f->sql.db) == 0) {
        (void)sqlite3_exec(f->sql.db, "ROLLBACK", NULL, NULL, NULL);
    }
}

uint64_t cs_journal__snapfile_bytes(const cs_journal__snapfile *f)
{
    struct stat about;
    return stat(f->sql.path, &about) == 0 ? (uint64_t)about.st_size : 0;
}

void cs_journal__snapfile_aside(const char *path)
{
    static const char *const ends[] = {"", "-wal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char from[512];
        char to[512];
        (void)snprintf(from, sizeof from, "%s%s", path, ends[i]);
        (void)snprintf(to, sizeof to, "%s.unusable%s", path, ends[i]);
        (void)remove(to);
        (void)rename(from, to);
    }
}
