/* The file being written: the folder's lock, where the last life ended, appending, rotation. What goes wrong in the
 * middle is taken back to the last whole line that is known to be good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "internal.h"

static cs_err fail_errno(cs_error *e, const char *what, const char *name)
{
    return cs_fail(e, CS_ERR_IO, "audit: %s %s: %s", what, name, strerror(errno));
}

static int open_in(const cs_audit__out *out, const char *name, int flags)
{
    cs_buf path;
    cs_buf_init(&path);
    cs_buf_printf(&path, "%s/%s", out->dir, name);
    int fd = open(cs_buf_cstr(&path), flags | O_CLOEXEC, 0640);
    cs_buf_destroy(&path);
    return fd;
}

static cs_err take_lock(cs_audit__out *out, cs_error *e)
{
    out->lock_fd = open_in(out, "lock", O_RDWR | O_CREAT);
    if (out->lock_fd < 0) {
        return fail_errno(e, "open the lock of", out->dir);
    }
    if (flock(out->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? cs_fail(e, CS_ERR_OPERATION,
                                              "audit: %s is in use by another process: one writes a folder", out->dir)
                                    : fail_errno(e, "lock", out->dir);
    }
    return CS_OK;
}

/* ---- where the last life ended */

typedef struct scan {
    cs_audit__state state; /* of the last good line */
    uint64_t bad;          /* lines behind it */
    uint64_t whole;        /* bytes of lines with an end */
    uint64_t torn;         /* bytes behind them */
    bool any;
} scan;

static cs_err scan_file(const cs_audit__out *out, const char *name, scan *s, cs_error *e)
{
    cs_audit__reader r;
    CS_TRY(cs_audit__reader_open(&r, out->dir, name, e));
    cs_hasher *hasher = cs_hasher_start(CS_SHA256);
    cs_error error = {.code = CS_OK};
    cs_slice text;
    while (cs_audit__reader_next(&r, &text, &error)) {
        cs_audit__line line;
        if (r.torn) {
            s->torn = text.n;
        } else if (cs_audit__line_read(text, &line) && cs_audit__line_holds(&line, hasher)) {
            s->state.seq = line.seq;
            memcpy(s->state.hash, line.hash.p, CS_AUDIT__HASH);
            s->bad = 0;
            s->any = true;
            s->whole += text.n + 1;
        } else {
            s->bad++;
            s->whole += text.n + 1;
        }
    }
    cs_hasher_drop(hasher);
    cs_audit__reader_close(&r);
    if (error.code != CS_OK && e != NULL) {
        *e = error;
    }
    return error.code;
}

/* Goes on in the last file; the torn line at its end is cut. */
static cs_err resume(cs_audit__out *out, const cs_audit__file *file, const scan *s, cs_error *e)
{
    out->fd = open_in(out, file->name, O_WRONLY | O_APPEND);
    if (out->fd < 0) {
        return fail_errno(e, "open", file->name);
    }
    memcpy(out->name, file->name, sizeof out->name);
    out->day = file->day;
    out->size = out->synced = s->whole;
    if (s->torn != 0 && (ftruncate(out->fd, (off_t)s->whole) != 0 || fsync(out->fd) != 0)) {
        return fail_errno(e, "cut the torn line of", file->name);
    }
    return CS_OK;
}

static cs_err find_end(cs_audit__out *out, cs_audit__state *state, cs_audit__found *found, cs_error *e)
{
    cs_audit__files files = {0};
    cs_err err = cs_audit__list(out->dir, &files, e);
    scan s = {.any = false};
    for (size_t i = files.n; err == CS_OK && i-- > 0 && !s.any;) {
        s = (scan){.any = false};
        cs_audit__state_init(&s.state);
        err = scan_file(out, files.v[i].name, &s, e);
        if (err == CS_OK && i + 1 == files.n) {
            memcpy(found->file, files.v[i].name, sizeof found->file);
            found->torn_bytes = s.torn;
            err = resume(out, &files.v[i], &s, e);
        }
        found->bad_lines += s.bad;
    }
    CS_VEC_FREE(&files);
    if (err == CS_OK && s.any) {
        *state = s.state;
        state->seq += found->bad_lines; /* their numbers are used up, whatever they were */
    }
    return err;
}

cs_err cs_audit__out_open(cs_audit__out *out, const char *dir, cs_audit__state *state, cs_audit__found *found,
                          cs_error *e)
{
    *out = (cs_audit__out){.dir = cs_strdup(dir), .lock_fd = -1, .fd = -1};
    *found = (cs_audit__found){.torn_bytes = 0};
    cs_audit__state_init(state);
    CS_TRY(cs_file_mkdirs(dir, e));
    CS_TRY(take_lock(out, e));
    return find_end(out, state, found, e);
}

void cs_audit__out_close(cs_audit__out *out)
{
    cs_audit__out_end(out);
    if (out->lock_fd >= 0) {
        (void)close(out->lock_fd);
    }
    out->lock_fd = -1;
    cs_free(out->dir);
    out->dir = NULL;
}

/* ---- writing */

cs_err cs_audit__out_begin(cs_audit__out *out, uint64_t first, int64_t day, cs_error *e)
{
    if (out->fd >= 0) {
        return CS_OK;
    }
    char name[CS_AUDIT__NAME];
    cs_audit__name(name, first, day);
    out->fd = open_in(out, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
    if (out->fd < 0) {
        return fail_errno(e, "make", name);
    }
    int folder = open(out->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)fsync(folder);
        (void)close(folder);
    }
    memcpy(out->name, name, sizeof out->name);
    out->day = day;
    out->size = out->synced = 0;
    out->ragged = false;
    return CS_OK;
}

void cs_audit__out_back(cs_audit__out *out, uint64_t size)
{
    if (out->fd >= 0) {
        out->size = size;
        out->ragged = ftruncate(out->fd, (off_t)size) != 0;
    }
}

cs_err cs_audit__out_write(cs_audit__out *out, cs_slice bytes, cs_error *e)
{
    if (out->ragged) {
        cs_audit__out_back(out, out->size);
        if (out->ragged) {
            return fail_errno(e, "cut", out->name);
        }
    }
    for (size_t at = 0; at < bytes.n;) {
        ssize_t n = write(out->fd, bytes.p + at, bytes.n - at);
        if (n < 0 && errno != EINTR) {
            out->ragged = true;
            return fail_errno(e, "write", out->name);
        }
        at += n > 0 ? (size_t)n : 0;
    }
    out->size += bytes.n;
    return CS_OK;
}

cs_err cs_audit__out_sync(cs_audit__out *out, cs_error *e)
{
    if (out->fd >= 0 && out->synced != out->size) {
        if (fdatasync(out->fd) != 0) {
            return fail_errno(e, "sync", out->name);
        }
        out->synced = out->size;
    }
    return CS_OK;
}

void cs_audit__out_end(cs_audit__out *out)
{
    if (out->fd >= 0) {
        (void)close(out->fd);
    }
    out->fd = -1;
}
