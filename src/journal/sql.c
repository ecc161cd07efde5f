#include "journal/sql.h"

#include <string.h>

cs_err cs_journal__sql_failed(const cs_journal__sql *s, int rc, const char *doing, cs_error *e)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return cs_fail(e, CS_ERR_IO, "%s %s: %s: the disk is full", s->what, s->path, doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return cs_fail(e, CS_ERR_IO, "%s %s: another process holds it", s->what, s->path);
    case SQLITE_NOTADB:
        return cs_fail(e, CS_ERR_INVALID, "%s %s: not an SQLite database, or damaged at its start", s->what, s->path);
    case SQLITE_CORRUPT:
        return cs_fail(e, CS_ERR_INVALID, "%s %s: %s: the file is damaged (%s)", s->what, s->path, doing,
                       sqlite3_errmsg(s->db));
    case SQLITE_IOERR: {
        char reason[128];
        return cs_fail(e, CS_ERR_IO, "%s %s: %s: %s (%s)", s->what, s->path, doing, sqlite3_errmsg(s->db),
                       strerror_r(sqlite3_system_errno(s->db), reason, sizeof reason));
    }
    default:
        return cs_fail(e, CS_ERR_IO, "%s %s: %s: %s", s->what, s->path, doing,
                       s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
    }
}

cs_err cs_journal__sql_run(cs_journal__sql *s, const char *sql, const char *doing, cs_error *e)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CS_OK : cs_journal__sql_failed(s, rc, doing, e);
}

cs_err cs_journal__sql_ask(cs_journal__sql *s, const char *sql, int64_t *out, cs_error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(q);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    }
    cs_err err = rc == SQLITE_ROW || rc == SQLITE_DONE ? CS_OK : cs_journal__sql_failed(s, rc, "reading", e);
    sqlite3_finalize(q);
    return err;
}

cs_err cs_journal__sql_check(cs_journal__sql *s, int64_t application_id, int64_t layout, cs_error *e)
{
    int64_t id = 0;
    int64_t found = 0;
    int64_t tables = 0;
    CS_TRY(cs_journal__sql_ask(s, "PRAGMA application_id", &id, e));
    CS_TRY(cs_journal__sql_ask(s, "PRAGMA user_version", &found, e));
    CS_TRY(cs_journal__sql_ask(s, "SELECT count(*) FROM sqlite_master", &tables, e));
    if ((id == application_id && found == layout) || (id == 0 && found == 0 && tables == 0)) {
        return CS_OK;
    }
    if (id == application_id) {
        return cs_fail(e, CS_ERR_INVALID, "%s %s: written by another version of this program (layout %lld)", s->what,
                       s->path, (long long)found);
    }
    return cs_fail(e, CS_ERR_INVALID, "%s %s: another program's database", s->what, s->path);
}
