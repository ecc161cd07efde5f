/* The files of a folder, and their lines. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "internal.h"

enum { BLOCK = 1 << 20, SEQ_DIGITS = 16, DAY_SLACK = 1 };

#define DAY_NS (INT64_C(86400) * CS_NS_PER_S)

/* ---- files: audit-0000000000000001-2026-01-31.ndjson */

void cs_audit__name(char out[CS_AUDIT__NAME], uint64_t first, int64_t day)
{
    int64_t year;
    int month, of_month;
    cs_time_civil_from_days(day, &year, &month, &of_month);
    (void)snprintf(out, CS_AUDIT__NAME, "audit-%016llu-%04d-%02d-%02d.ndjson", (unsigned long long)first,
                   (int)year % 10000, month, of_month);
}

static bool read_name(const char *name, cs_audit__file *out)
{
    int year = 0, month = 0, of_month = 0, end = 0;
    unsigned long long first = 0;
    if (strlen(name) >= CS_AUDIT__NAME ||
        sscanf(name, "audit-%16llu-%4d-%2d-%2d.ndjson%n", &first, &year, &month, &of_month, &end) != 4 || end == 0 ||
        name[end] != 0) {
        return false;
    }
    memcpy(out->name, name, strlen(name) + 1);
    out->first = first;
    out->day = cs_time_days_from_civil(year, month, of_month);
    char again[CS_AUDIT__NAME];
    cs_audit__name(again, out->first, out->day);
    return strcmp(again, name) == 0;
}

static cs_err add_file(void *self, const char *relative, cs_error *e)
{
    (void)e;
    cs_audit__files *files = self;
    cs_audit__file file;
    if (read_name(relative, &file)) {
        CS_VEC_PUSH(files, file);
    }
    return CS_OK;
}

cs_err cs_audit__list(const char *dir, cs_audit__files *out, cs_error *e)
{
    return cs_file_is_dir(dir) ? cs_file_walk(dir, add_file, out, e) : CS_OK; /* in the order of names */
}

/* ---- lines */

cs_err cs_audit__reader_open(cs_audit__reader *r, const char *dir, const char *name, cs_error *e)
{
    *r = (cs_audit__reader){.fd = -1};
    cs_buf_init(&r->room);
    cs_buf path;
    cs_buf_init(&path);
    cs_buf_printf(&path, "%s/%s", dir, name);
    r->fd = open(cs_buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    cs_err err = r->fd >= 0 ? CS_OK : cs_fail(e, CS_ERR_IO, "open %s: %s", cs_buf_cstr(&path), strerror(errno));
    cs_buf_destroy(&path);
    return err;
}

/* More bytes behind those in the room; what was given before is dropped first. */
static bool read_more(cs_audit__reader *r, cs_error *e)
{
    if (r->at != 0) {
        memmove(r->room.p, r->room.p + r->at, r->room.n - r->at);
        r->room.n -= r->at;
        r->at = 0;
    }
    ssize_t n;
    do {
        n = read(r->fd, cs_buf_room(&r->room, BLOCK), BLOCK);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && e != NULL) {
        (void)!cs_fail(e, CS_ERR_IO, "read: %s", strerror(errno));
    }
    r->over = n <= 0;
    r->room.n += n > 0 ? (size_t)n : 0;
    return n > 0;
}

bool cs_audit__reader_next(cs_audit__reader *r, cs_slice *line, cs_error *e)
{
    size_t from = r->at;
    for (;;) {
        const char *end = r->room.n > from ? memchr(r->room.p + from, '\n', r->room.n - from) : NULL;
        if (end != NULL) {
            *line = cs_slice_make(r->room.p + r->at, (size_t)(end - (r->room.p + r->at)));
            r->at = (size_t)(end - r->room.p) + 1;
            r->line++;
            return true;
        }
        from = r->room.n - r->at; /* of the room as it is after the move */
        if (r->over || !read_more(r, e)) {
            break;
        }
    }
    if (r->at == r->room.n) {
        return false;
    }
    *line = cs_slice_make(r->room.p + r->at, r->room.n - r->at);
    r->at = r->room.n;
    r->torn = true;
    r->line++;
    return true;
}

void cs_audit__reader_close(cs_audit__reader *r)
{
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    r->fd = -1;
    cs_buf_destroy(&r->room);
}

/* ---- a range of them */

/* Of records that were written one after the other, times differ little from the order; a day is far more than that. */
static bool outside(const cs_audit__files *files, size_t i, const cs_audit_filter *f)
{
    const cs_audit__file *file = &files->v[i], *next = i + 1 < files->n ? &files->v[i + 1] : NULL;
    if (next != NULL && next->first <= f->after + 1) {
        return true;
    }
    if (f->to_ns != 0 && file->day > f->to_ns / DAY_NS + DAY_SLACK) {
        return true;
    }
    return f->from_ns != 0 && next != NULL && next->day < f->from_ns / DAY_NS - DAY_SLACK;
}

static bool wanted(const cs_audit__line *line, const cs_audit_filter *f, cs_slice tenant)
{
    if (line->seq <= f->after || (tenant.n != 0 && !cs_slice_eq(line->tenant, tenant))) {
        return false;
    }
    int64_t at;
    if (f->from_ns == 0 && f->to_ns == 0) {
        return true;
    }
    return cs_time_parse_rfc3339(line->time, &at) && (f->from_ns == 0 || at >= f->from_ns) &&
           (f->to_ns == 0 || at < f->to_ns);
}

/* true: go on. */
static bool read_file(const char *dir, const char *name, const cs_audit_filter *f, cs_slice tenant, cs_audit_each *each,
                      void *self, cs_error *e)
{
    cs_audit__reader r;
    if (cs_audit__reader_open(&r, dir, name, e) != CS_OK) {
        return false;
    }
    cs_slice text;
    bool more = true, any = f->after == 0 && f->from_ns == 0 && f->to_ns == 0 && tenant.n == 0;
    while (more && cs_audit__reader_next(&r, &text, e) && !r.torn) {
        cs_audit__line line;
        if (!cs_audit__line_read(text, &line)) {
            more = !any || each(self, 0, text);
        } else if (wanted(&line, f, tenant)) {
            more = each(self, line.seq, text);
        }
    }
    cs_audit__reader_close(&r);
    return more && (e == NULL || e->code == CS_OK);
}

cs_err cs_audit_read(const char *dir, const cs_audit_filter *filter, cs_audit_each *each, void *self, cs_error *e)
{
    cs_audit__files files = {0};
    cs_error local = {.code = CS_OK};
    cs_err err = cs_audit__list(dir, &files, &local);
    cs_buf tenant; /* as it stands in a line, escaped */
    cs_buf_init(&tenant);
    cs_audit__tenant_text(&tenant, filter->tenant);
    for (size_t i = 0; err == CS_OK && i < files.n; i++) {
        if (!outside(&files, i, filter) &&
            !read_file(dir, files.v[i].name, filter, cs_buf_view(&tenant), each, self, &local)) {
            break;
        }
    }
    cs_buf_destroy(&tenant);
    CS_VEC_FREE(&files);
    if (local.code != CS_OK && e != NULL) {
        *e = local;
    }
    return local.code;
}
