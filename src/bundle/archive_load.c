/* libarchive, loaded with the first archive (base/library.h says why). The functions of its headers that archive.c
 * calls are defined here and pass the call on; none may be called before cs_bundle__archive_load has succeeded. */
#include <archive.h>
#include <archive_entry.h>
#include <stdarg.h>

#include "bundle/internal.h"
#include "countersign/base/library.h"
#include "countersign/base/thread.h"

/* X(result, function, parameters, arguments), for what returns nothing V. */
#define FUNCTIONS(X, V)                                                                                                \
    X(__LA_MODE_T, archive_entry_filetype, (struct archive_entry * entry), (entry))                                    \
    V(archive_entry_free, (struct archive_entry * entry), (entry))                                                     \
    X(const char *, archive_entry_hardlink, (struct archive_entry * entry), (entry))                                   \
    X(struct archive_entry *, archive_entry_new, (void), ())                                                           \
    X(const char *, archive_entry_pathname, (struct archive_entry * entry), (entry))                                   \
    X(const char *, archive_entry_pathname_utf8, (struct archive_entry * entry), (entry))                              \
    V(archive_entry_set_filetype, (struct archive_entry * entry, unsigned int type), (entry, type))                    \
    V(archive_entry_set_mtime, (struct archive_entry * entry, time_t s, long ns), (entry, s, ns))                      \
    V(archive_entry_set_pathname_utf8, (struct archive_entry * entry, const char *name), (entry, name))                \
    V(archive_entry_set_perm, (struct archive_entry * entry, __LA_MODE_T mode), (entry, mode))                         \
    V(archive_entry_set_size, (struct archive_entry * entry, la_int64_t size), (entry, size))                          \
    X(la_int64_t, archive_entry_size, (struct archive_entry * entry), (entry))                                         \
    X(const char *, archive_error_string, (struct archive * tar), (tar))                                               \
    X(la_ssize_t, archive_read_data, (struct archive * tar, void *out, size_t n), (tar, out, n))                       \
    X(int, archive_read_free, (struct archive * tar), (tar))                                                           \
    X(struct archive *, archive_read_new, (void), ())                                                                  \
    X(int, archive_read_next_header, (struct archive * tar, struct archive_entry * *entry), (tar, entry))              \
    X(int, archive_read_open,                                                                                          \
      (struct archive * tar, void *self, archive_open_callback *begin, archive_read_callback *read,                    \
       archive_close_callback *end),                                                                                   \
      (tar, self, begin, read, end))                                                                                   \
    X(int, archive_read_set_options, (struct archive * tar, const char *options), (tar, options))                      \
    X(int, archive_read_support_format_empty, (struct archive * tar), (tar))                                           \
    X(int, archive_read_support_format_tar, (struct archive * tar), (tar))                                             \
    X(int, archive_write_close, (struct archive * tar), (tar))                                                         \
    X(la_ssize_t, archive_write_data, (struct archive * tar, const void *bytes, size_t n), (tar, bytes, n))            \
    X(int, archive_write_free, (struct archive * tar), (tar))                                                          \
    X(int, archive_write_header, (struct archive * tar, struct archive_entry * entry), (tar, entry))                   \
    X(struct archive *, archive_write_new, (void), ())                                                                 \
    X(int, archive_write_open,                                                                                         \
      (struct archive * tar, void *self, archive_open_callback *begin, archive_write_callback *write,                  \
       archive_close_callback *end),                                                                                   \
      (tar, self, begin, write, end))                                                                                  \
    X(int, archive_write_set_bytes_per_block, (struct archive * tar, int n), (tar, n))                                 \
    X(int, archive_write_set_format_pax_restricted, (struct archive * tar), (tar))

enum { FUNCTIONS(CS_LIBRARY_AT, CS_LIBRARY_AT_VOID) AT_archive_set_error, N_FUNCTIONS };

static const char *const names[N_FUNCTIONS] = {FUNCTIONS(CS_LIBRARY_NAME, CS_LIBRARY_NAME_VOID) "archive_set_error"};

static cs_library_function *functions[N_FUNCTIONS];
static cs_err outcome;
static cs_error failure;

static void load(void)
{
    outcome = cs_library_load("libarchive.so.13", names, N_FUNCTIONS, functions, &failure);
}

cs_err cs_bundle__archive_load(cs_error *e)
{
    static cs_once once = CS_ONCE_INIT;
    cs_once_run(&once, load);
    return outcome == CS_OK ? CS_OK : cs_fail(e, outcome, "%s", failure.text);
}

#define CALL(name) ((__typeof__(name) *)functions[AT_##name])
FUNCTIONS(CS_LIBRARY_FORWARD, CS_LIBRARY_FORWARD_VOID)

/* The words are ready, or a format of one string: that is how archive.c calls it. */
void archive_set_error(struct archive *tar, int number, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    CALL(archive_set_error)(tar, number, "%s", va_arg(list, const char *));
    va_end(list);
}
