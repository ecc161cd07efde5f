/* The file of costs: one table, a row for each combination of labels in a quarter of an hour, and the cut up to which
 * it is whole. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "countersign/base/arena.h"
#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/json.h"
#include "spend/cost.h"

#define APPLICATION_ID 1667462004 /* "ccst" */
#define LAYOUT 1
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

struct cs_spend__cost_store {
    cs_mutex lock;
    sqlite3 *db;
    sqlite3_stmt *put, *mark, *read;
    uint64_t cut;
    cs_arena arena; /* of a row that is read */
    char path[256]; /* for messages, perhaps cut */
};

static cs_err failed(const cs_spend__cost_store *s, int rc, const char *doing, cs_error *e)
{
    bool damaged = (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
    return cs_fail(e, damaged ? CS_ERR_INVALID : CS_ERR_IO, "costs %s: %s: %s", s->path, doing,
                   s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
}

static cs_err run(cs_spend__cost_store *s, const char *sql, const char *doing, cs_error *e)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CS_OK : failed(s, rc, doing, e);
}

static int64_t ask(cs_spend__cost_store *s, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t n = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW) {
        n = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    return n;
}

static cs_err statement(cs_spend__cost_store *s, const char *sql, sqlite3_stmt **out, cs_error *e)
{
    int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? CS_OK : failed(s, rc, "opening", e);
}

static const char make_tables[] =
    "CREATE TABLE IF NOT EXISTS cost (slot INTEGER, tenant TEXT, currency TEXT, document_id TEXT, operation TEXT,"
    " kind INTEGER, estimated INTEGER, restated INTEGER, unit TEXT, scope TEXT, tags TEXT,"
    " nanos INTEGER NOT NULL, quantity INTEGER NOT NULL, events INTEGER NOT NULL,"
    " PRIMARY KEY (slot, tenant, currency, document_id, operation, kind, estimated, restated, unit, scope, tags))"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS cut (n INTEGER NOT NULL);"
    "INSERT INTO cut SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM cut);"
    "PRAGMA application_id = " TEXT(APPLICATION_ID) ";"
                                                    "PRAGMA user_version = " TEXT(LAYOUT) ";";

static cs_err prepare(cs_spend__cost_store *s, cs_error *e)
{
    (void)sqlite3_extended_result_codes(s->db, 1);
    CS_TRY(run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", "opening", e));
    bool is_new = ask(s, "SELECT count(*) FROM sqlite_master") == 0;
    bool ours = ask(s, "PRAGMA application_id") == APPLICATION_ID && ask(s, "PRAGMA user_version") == LAYOUT;
    if (!is_new && !ours) {
        return cs_fail(e, CS_ERR_INVALID, "costs %s: another program's database, or of another version", s->path);
    }
    CS_TRY(run(s, make_tables, "opening", e));
    CS_TRY(
        statement(s,
                  "INSERT INTO cost VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14) ON CONFLICT DO UPDATE SET"
                  " nanos = nanos + excluded.nanos, quantity = quantity + excluded.quantity,"
                  " events = events + excluded.events",
                  &s->put, e));
    CS_TRY(statement(s, "UPDATE cut SET n = ?1", &s->mark, e));
    CS_TRY(
        statement(s,
                  "SELECT slot, tenant, currency, document_id, operation, kind, estimated, restated, unit, scope, tags,"
                  " nanos, quantity, events FROM cost WHERE slot >= ?1 AND slot < ?2 AND (?3 = '' OR tenant = ?3)",
                  &s->read, e));
    s->cut = (uint64_t)ask(s, "SELECT n FROM cut");
    return CS_OK;
}

cs_err cs_spend__cost_store_open(const char *path, cs_spend__cost_store **out, cs_error *e)
{
    cs_spend__cost_store *s = cs_zalloc(sizeof *s);
    cs_mutex_init(&s->lock);
    cs_arena_init(&s->arena, 0);
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    cs_err err = strcmp(path, ":memory:") == 0 ? CS_OK : cs_file_mkdirs_above(path, e);
    if (err == CS_OK) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        int rc = sqlite3_open_v2(path, &s->db, flags, NULL);
        err = rc == SQLITE_OK ? prepare(s, e) : failed(s, rc, "opening", e);
    }
    if (err != CS_OK) {
        cs_spend__cost_store_close(s);
        return err;
    }
    *out = s;
    return CS_OK;
}

void cs_spend__cost_store_close(cs_spend__cost_store *s)
{
    if (s == NULL) {
        return;
    }
    sqlite3_finalize(s->put);
    sqlite3_finalize(s->mark);
    sqlite3_finalize(s->read);
    (void)sqlite3_close(s->db);
    cs_arena_destroy(&s->arena);
    cs_mutex_destroy(&s->lock);
    cs_free(s);
}

uint64_t cs_spend__cost_store_cut(cs_spend__cost_store *s)
{
    cs_mutex_lock(&s->lock);
    uint64_t cut = s->cut;
    cs_mutex_unlock(&s->lock);
    return cut;
}

/* ---- writing */

static cs_value pairs_value(cs_arena *a, const cs_spend__pairs *pairs)
{
    cs_value v = cs_object_new(a, (uint32_t)pairs->n);
    for (size_t i = 0; i < pairs->n; i++) {
        cs_object_put(a, v, cs_string(pairs->v[i].name), cs_string(pairs->v[i].value));
    }
    return v;
}

static void bind_text(sqlite3_stmt *q, int at, cs_slice text)
{
    (void)sqlite3_bind_text64(q, at, text.p, text.n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void bind_pairs(cs_spend__cost_store *s, int at, const cs_spend__pairs *pairs)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write_canonical(&text, pairs_value(&s->arena, pairs));
    bind_text(s->put, at, cs_buf_view(&text));
    cs_buf_destroy(&text);
}

static int put(cs_spend__cost_store *s, const cs_spend__cost_row *row)
{
    sqlite3_stmt *q = s->put;
    (void)sqlite3_bind_int64(q, 1, row->slot);
    bind_text(q, 2, row->tenant);
    bind_text(q, 3, row->currency);
    bind_text(q, 4, row->document_id);
    bind_text(q, 5, row->operation);
    (void)sqlite3_bind_int(q, 6, (int)row->kind);
    (void)sqlite3_bind_int(q, 7, row->estimated);
    (void)sqlite3_bind_int(q, 8, row->restated);
    bind_text(q, 9, row->unit);
    bind_pairs(s, 10, &row->scope);
    bind_pairs(s, 11, &row->tags);
    (void)sqlite3_bind_int64(q, 12, row->nanos);
    (void)sqlite3_bind_int64(q, 13, row->quantity);
    (void)sqlite3_bind_int64(q, 14, row->events);
    int rc = sqlite3_step(q);
    (void)sqlite3_reset(q);
    cs_arena_reset(&s->arena);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static cs_err add(cs_spend__cost_store *s, const cs_spend__cost_sums *sums, cs_error *e)
{
    CS_TRY(run(s, "BEGIN IMMEDIATE", "writing", e));
    uint32_t cursor = 0;
    const cs_spend__cost_entry *entry = NULL;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && (entry = cs_spend__cost_sums_next(sums, &cursor)) != NULL) {
        cs_spend__cost_row row;
        bool whole = cs_spend__cost_row_of(cs_slice_make(entry->key, entry->n), &row);
        cs_assert(whole);
        row.nanos = entry->sum.nanos;
        row.quantity = entry->sum.quantity;
        row.events = entry->sum.events;
        rc = put(s, &row);
    }
    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_int64(s->mark, 1, (int64_t)sums->cut);
        rc = sqlite3_step(s->mark);
        (void)sqlite3_reset(s->mark);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    cs_err err = rc == SQLITE_OK ? run(s, "COMMIT", "writing", e) : failed(s, rc, "writing", e);
    if (err != CS_OK) {
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    } else {
        s->cut = sums->cut;
    }
    return err;
}

cs_err cs_spend__cost_store_add(cs_spend__cost_store *s, const cs_spend__cost_sums *sums, cs_error *e)
{
    cs_mutex_lock(&s->lock);
    cs_err err = add(s, sums, e);
    cs_mutex_unlock(&s->lock);
    return err;
}

cs_err cs_spend__cost_store_wipe(cs_spend__cost_store *s, cs_error *e)
{
    cs_mutex_lock(&s->lock);
    cs_err err = run(s, "BEGIN IMMEDIATE; DELETE FROM cost; UPDATE cut SET n = 0; COMMIT", "emptying", e);
    s->cut = err == CS_OK ? 0 : s->cut;
    cs_mutex_unlock(&s->lock);
    return err;
}

/* ---- reading */

static cs_slice text_at(sqlite3_stmt *q, int at)
{
    const unsigned char *text = sqlite3_column_text(q, at);
    return text != NULL ? cs_slice_make((const char *)text, (size_t)sqlite3_column_bytes(q, at)) : CS_LIT("");
}

static void pairs_at(cs_spend__cost_store *s, int at, cs_spend__pairs *out)
{
    cs_value v;
    out->n = 0;
    if (cs_json_read(&s->arena, text_at(s->read, at), NULL, &v, NULL, NULL) != CS_OK || !cs_is(v, CS_OBJECT)) {
        return;
    }
    for (uint32_t i = 0; i < cs_count(v) && i < CS_SPEND__PAIRS; i++) {
        cs_value value, key = cs_entry(v, i, &value);
        out->v[out->n++] = (cs_spend__pair){cs_text(key), cs_is(value, CS_STRING) ? cs_text(value) : CS_LIT("")};
    }
}

cs_err cs_spend__cost_store_each(cs_spend__cost_store *s, int64_t from, int64_t to, cs_slice tenant,
                                 cs_spend__cost_each_row *each, void *self, uint64_t *cut, cs_error *e)
{
    cs_mutex_lock(&s->lock);
    sqlite3_stmt *q = s->read;
    (void)sqlite3_bind_int64(q, 1, from);
    (void)sqlite3_bind_int64(q, 2, to);
    bind_text(q, 3, tenant);
    int rc = sqlite3_step(q);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(q)) {
        cs_spend__cost_row row = {.slot = sqlite3_column_int64(q, 0),
                                  .tenant = text_at(q, 1),
                                  .currency = text_at(q, 2),
                                  .document_id = text_at(q, 3),
                                  .operation = text_at(q, 4),
                                  .kind = (cs_spend__kind)sqlite3_column_int(q, 5),
                                  .estimated = sqlite3_column_int(q, 6) != 0,
                                  .restated = sqlite3_column_int(q, 7) != 0,
                                  .unit = text_at(q, 8),
                                  .nanos = sqlite3_column_int64(q, 11),
                                  .quantity = sqlite3_column_int64(q, 12),
                                  .events = sqlite3_column_int64(q, 13)};
        pairs_at(s, 9, &row.scope);
        pairs_at(s, 10, &row.tags);
        each(self, &row);
        cs_arena_reset(&s->arena);
    }
    *cut = s->cut;
    cs_err err = rc == SQLITE_DONE ? CS_OK : failed(s, rc, "reading", e);
    (void)sqlite3_reset(q);
    cs_mutex_unlock(&s->lock);
    return err;
}
