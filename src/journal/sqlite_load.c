/* SQLite, loaded at the first call of one of its functions (base/library.h says why). What this folder and the store of
 * costs call of it is defined here and passes the call on. */
#include "countersign/base/library.h"
#include "journal/sql.h"

/* X(result, function, parameters, arguments), for what returns nothing V. */
#define FUNCTIONS(X, V)                                                                                                \
    X(int, sqlite3_bind_blob64,                                                                                        \
      (sqlite3_stmt * statement, int i, const void *value, sqlite3_uint64 n, void (*destroy)(void *)),                 \
      (statement, i, value, n, destroy))                                                                               \
    X(int, sqlite3_bind_int, (sqlite3_stmt * statement, int i, int value), (statement, i, value))                      \
    X(int, sqlite3_bind_int64, (sqlite3_stmt * statement, int i, sqlite3_int64 value), (statement, i, value))          \
    X(int, sqlite3_bind_null, (sqlite3_stmt * statement, int i), (statement, i))                                       \
    X(int, sqlite3_bind_text, (sqlite3_stmt * statement, int i, const char *value, int n, void (*destroy)(void *)),    \
      (statement, i, value, n, destroy))                                                                               \
    X(int, sqlite3_bind_text64,                                                                                        \
      (sqlite3_stmt * statement, int i, const char *value, sqlite3_uint64 n, void (*destroy)(void *),                  \
       unsigned char encoding),                                                                                        \
      (statement, i, value, n, destroy, encoding))                                                                     \
    X(int, sqlite3_changes, (sqlite3 * db), (db))                                                                      \
    X(int, sqlite3_close, (sqlite3 * db), (db))                                                                        \
    X(const void *, sqlite3_column_blob, (sqlite3_stmt * statement, int i), (statement, i))                            \
    X(int, sqlite3_column_bytes, (sqlite3_stmt * statement, int i), (statement, i))                                    \
    X(int, sqlite3_column_int, (sqlite3_stmt * statement, int i), (statement, i))                                      \
    X(sqlite3_int64, sqlite3_column_int64, (sqlite3_stmt * statement, int i), (statement, i))                          \
    X(const unsigned char *, sqlite3_column_text, (sqlite3_stmt * statement, int i), (statement, i))                   \
    X(int, sqlite3_column_type, (sqlite3_stmt * statement, int i), (statement, i))                                     \
    X(const char *, sqlite3_errmsg, (sqlite3 * db), (db))                                                              \
    X(const char *, sqlite3_errstr, (int code), (code))                                                                \
    X(int, sqlite3_exec,                                                                                               \
      (sqlite3 * db, const char *sql, int (*callback)(void *, int, char **, char **), void *self, char **errmsg),      \
      (db, sql, callback, self, errmsg))                                                                               \
    X(int, sqlite3_extended_result_codes, (sqlite3 * db, int onoff), (db, onoff))                                      \
    X(int, sqlite3_finalize, (sqlite3_stmt * statement), (statement))                                                  \
    X(int, sqlite3_get_autocommit, (sqlite3 * db), (db))                                                               \
    X(int, sqlite3_open_v2, (const char *filename, sqlite3 **out, int flags, const char *vfs),                         \
      (filename, out, flags, vfs))                                                                                     \
    X(int, sqlite3_prepare_v2, (sqlite3 * db, const char *sql, int n, sqlite3_stmt **out, const char **rest),          \
      (db, sql, n, out, rest))                                                                                         \
    X(int, sqlite3_prepare_v3,                                                                                         \
      (sqlite3 * db, const char *sql, int n, unsigned int flags, sqlite3_stmt **out, const char **rest),               \
      (db, sql, n, flags, out, rest))                                                                                  \
    X(int, sqlite3_reset, (sqlite3_stmt * statement), (statement))                                                     \
    X(int, sqlite3_step, (sqlite3_stmt * statement), (statement))                                                      \
    X(int, sqlite3_system_errno, (sqlite3 * db), (db))

#define CALL(name) CS_LIBRARY_CALL(name)
CS_LIBRARY_NEEDED("libsqlite3.so.0")
