/* Whole files, atomic replacement, folders. */
#include "countersign/base/file.h"

#include <dirent.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "countersign/base/mem.h"
#include "countersign/base/vec.h"

CS_MUST_CHECK static cs_err fail_errno(cs_error *e, const char *what, const char *path)
{
    int number = errno;
    char room[128];
    const char *reason = strerror_r(number, room, sizeof room);
    /* Small at the beginning, as in the reference's errors. */
    return cs_fail(e, number == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_IO, "%s %s: %c%s", what, path, tolower(*reason),
                   *reason ? reason + 1 : "");
}

static cs_err read_all(int fd, const char *path, size_t max, cs_buf *out, cs_error *e)
{
    size_t total = 0;
    for (;;) {
        size_t want = total < 65536 ? 65536 : total;
        char *p = cs_buf_room(out, want);
        ssize_t n = read(fd, p, want);
        if (n == 0) {
            return CS_OK;
        }
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail_errno(e, "read", path);
        }
        total += (size_t)n;
        if (total > max) {
            return cs_fail(e, CS_ERR_LIMIT, "read %s: longer than %zu bytes", path, max);
        }
        out->n += (size_t)n;
    }
}

cs_err cs_file_read(const char *path, size_t max, cs_buf *out, cs_error *e)
{
    size_t before = out->n;
    if (strcmp(path, "-") == 0) {
        cs_err err = read_all(STDIN_FILENO, path, max, out, e);
        out->n = err == CS_OK ? out->n : before;
        return err;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(e, "open", path);
    }
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= max) {
        (void)cs_buf_room(out, (size_t)st.st_size + 65536);
    }
    cs_err err = read_all(fd, path, max, out, e);
    (void)close(fd);
    out->n = err == CS_OK ? out->n : before;
    return err;
}

static bool write_all(int fd, cs_slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
    return true;
}

/* A rename is on disk only when its folder is. */
static cs_err sync_folder_of(const char *path, cs_error *e)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= sizeof folder) {
        return cs_fail(e, CS_ERR_IO, "%s: path too long", path);
    }
    memcpy(folder, n ? path : ".", n ? n : 1);
    folder[n ? n : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(e, "open", folder);
    }
    cs_err err = fsync(fd) == 0 ? CS_OK : fail_errno(e, "fsync", folder);
    (void)close(fd);
    return err;
}

cs_err cs_file_replace(const char *path, cs_slice bytes, cs_error *e)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        return cs_fail(e, CS_ERR_IO, "%s: path too long", path);
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(e, "create", temporary);
    }
    cs_err err = CS_OK;
    if (!write_all(fd, bytes)) {
        err = fail_errno(e, "write", temporary);
    } else if (fchmod(fd, 0644) != 0 || fsync(fd) != 0) {
        err = fail_errno(e, "fsync", temporary);
    }
    if (close(fd) != 0 && err == CS_OK) {
        err = fail_errno(e, "close", temporary);
    }
    if (err == CS_OK && rename(temporary, path) != 0) {
        err = fail_errno(e, "rename to", path);
    }
    if (err != CS_OK) {
        (void)unlink(temporary);
        return err;
    }
    return sync_folder_of(path, e);
}

bool cs_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool cs_file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

cs_err cs_file_mkdirs(const char *path, cs_error *e)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof part) {
        return cs_fail(e, CS_ERR_IO, "%s: path too long", path);
    }
    for (size_t i = 1; i <= n; i++) {
        if (i < n && path[i] != '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return fail_errno(e, "mkdir", part);
        }
    }
    if (n > 0 && !cs_file_is_dir(path)) {
        errno = ENOTDIR;
        return fail_errno(e, "mkdir", path);
    }
    return CS_OK;
}

cs_err cs_file_mkdirs_above(const char *path, cs_error *e)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return CS_OK;
    }
    size_t n = (size_t)(slash - path);
    char *folder = cs_alloc(n + 1);
    memcpy(folder, path, n);
    folder[n] = '\0';
    cs_err err = cs_file_mkdirs(folder, e);
    cs_free(folder);
    return err;
}

/* ---- walk ---- */

typedef struct walk {
    char root[PATH_MAX]; /* resolved; links may not lead out of it */
    size_t root_n;
    bool all_links;
    const char *dir;
    cs_buf relative; /* of the folder at hand, "" or "a/b/" */
    CS_VEC(char *) found;
} walk;

/* Does the link lead to a regular file inside the root? */
static bool link_is_inside(const walk *w, const char *path)
{
    char real[PATH_MAX];
    struct stat st;
    if (realpath(path, real) == NULL || stat(real, &st) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    return strncmp(real, w->root, w->root_n) == 0 && (real[w->root_n] == '/' || w->root_n == 1);
}

static cs_err walk_folder(walk *w, cs_error *e);

static cs_err walk_entry(walk *w, const char *name, cs_error *e)
{
    char path[PATH_MAX];
    size_t before = w->relative.n;
    int n = snprintf(path, sizeof path, "%s/%s%s", w->dir, cs_buf_cstr(&w->relative), name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return cs_fail(e, CS_ERR_IO, "%s/%s%s: path too long", w->dir, cs_buf_cstr(&w->relative), name);
    }
    struct stat st;
    if (lstat(path, &st) != 0) {
        return fail_errno(e, "stat", path);
    }
    cs_buf_text(&w->relative, name);
    cs_err err = CS_OK;
    if (S_ISDIR(st.st_mode)) {
        cs_buf_byte(&w->relative, '/');
        err = walk_folder(w, e);
    } else if (S_ISREG(st.st_mode) || (S_ISLNK(st.st_mode) && (w->all_links || link_is_inside(w, path)))) {
        CS_VEC_PUSH(&w->found, cs_strdup(cs_buf_cstr(&w->relative)));
    }
    w->relative.n = before;
    return err;
}

/* Recurses over folders; PATH_MAX bounds the depth. */
static cs_err walk_folder(walk *w, cs_error *e)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", w->dir, cs_buf_cstr(&w->relative));
    if (n < 0 || (size_t)n >= sizeof path) {
        return cs_fail(e, CS_ERR_IO, "%s: path too long", w->dir);
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return fail_errno(e, "open", path);
    }
    cs_err err = CS_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            err = errno == 0 ? CS_OK : fail_errno(e, "read", path);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            err = walk_entry(w, entry->d_name, e);
            if (err != CS_OK) {
                break;
            }
        }
    }
    (void)closedir(folder);
    return err;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static cs_err walk_all(const char *dir, bool all_links, cs_file_visit *each, void *self, cs_error *e)
{
    walk w = {.dir = dir, .all_links = all_links};
    if (realpath(dir, w.root) == NULL) {
        return fail_errno(e, "open", dir);
    }
    w.root_n = strlen(w.root);
    cs_buf_init(&w.relative);
    cs_err err = walk_folder(&w, e);
    if (err == CS_OK && w.found.n > 0) {
        qsort(w.found.v, w.found.n, sizeof w.found.v[0], by_bytes);
    }
    for (size_t i = 0; i < w.found.n; i++) {
        if (err == CS_OK) {
            err = each(self, w.found.v[i], e);
        }
        cs_free(w.found.v[i]);
    }
    CS_VEC_FREE(&w.found);
    cs_buf_destroy(&w.relative);
    return err;
}

cs_err cs_file_walk(const char *dir, cs_file_visit *each, void *self, cs_error *e)
{
    return walk_all(dir, false, each, self, e);
}

cs_err cs_file_walk_links(const char *dir, cs_file_visit *each, void *self, cs_error *e)
{
    return walk_all(dir, true, each, self, e);
}
