/* Files: whole reads, atomic replacement, directory listings. Errors name the path and the system's reason. */
#ifndef CS_BASE_FILE_H
#define CS_BASE_FILE_H

#include "countersign/base/buf.h"
#include "countersign/base/err.h"

/* Reads at most `max` bytes; a longer file is CS_ERR_LIMIT. Appends to *out. "-" is standard input. */
CS_MUST_CHECK cs_err cs_file_read(const char *path, size_t max, cs_buf *out, cs_error *e);
/* Writes to a temporary beside `path`, fsyncs, renames, fsyncs the folder: after a crash the old or the new is there,
 * whole. */
CS_MUST_CHECK cs_err cs_file_replace(const char *path, cs_slice bytes, cs_error *e);
bool cs_file_exists(const char *path);
bool cs_file_is_dir(const char *path);
/* Makes a folder and those above it, mode 0755; it is no error if they exist. */
CS_MUST_CHECK cs_err cs_file_mkdirs(const char *path, cs_error *e);
/* Makes the folder that the file `path` is in. */
CS_MUST_CHECK cs_err cs_file_mkdirs_above(const char *path, cs_error *e);
/* Calls `each` for every regular file under `dir` in bytewise order of their paths, relative to it ("a/b.rego"). Links
 * are followed only to files inside. Stops at the first failure of `each`. */
typedef cs_err cs_file_visit(void *self, const char *relative, cs_error *e);
CS_MUST_CHECK cs_err cs_file_walk(const char *dir, cs_file_visit *each, void *self, cs_error *e);
/* The same with every symbolic link, wherever it leads. */
CS_MUST_CHECK cs_err cs_file_walk_links(const char *dir, cs_file_visit *each, void *self, cs_error *e);

#endif
