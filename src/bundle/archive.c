/* Gzipped tars, in and out. Bytes are inflated piece by piece under the limits bundle_*, names are checked before
 * content is read, and the whole stream is read to its end so that its checksum counts. */
#include "bundle/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "countersign/base/gzip.h"
#include "countersign/base/limits.h"
#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/base/vec.h"

#define PIECE ((size_t)65536)
/* What a tar spends around the content of a file: headers, padding, extended headers. */
#define TAR_OVERHEAD 8192U

/* libarchive converts names by the thread's locale; in the plain C locale it loses every letter that is not ASCII. */
typedef struct utf8_names {
    locale_t ours, before;
} utf8_names;

static utf8_names utf8_begin(void)
{
    utf8_names u = {.ours = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};
    u.before = u.ours != (locale_t)0 ? uselocale(u.ours) : (locale_t)0;
    return u;
}

static void utf8_end(utf8_names u)
{
    if (u.ours != (locale_t)0) {
        (void)uselocale(u.before);
        freelocale(u.ours);
    }
}

typedef struct reader {
    cs_bundle *bundle;
    const cs_bundle_options *options;
    struct archive *tar;
    cs_bundle__inflate *inflate;
    uint64_t inflated, inflated_max;
    uint64_t content; /* bytes of all files so far */
    uint64_t file_max;
    cs_map seen;
    cs_buf scratch;
    cs_error failure; /* of the gzip stream */
} reader;

static cs_err inflate_piece(reader *r, const char **bytes, size_t *n, cs_error *e)
{
    cs_err err = cs_bundle__inflate_next(r->inflate, bytes, n, e);
    if (err != CS_OK) {
        return err;
    }
    r->inflated += *n;
    if (r->inflated > r->inflated_max) {
        return cs_fail(e, CS_ERR_LIMIT, "bundle exceeded max size (%llu bytes)",
                       (unsigned long long)cs_limits_get()->bundle_total_bytes);
    }
    return CS_OK;
}

static la_ssize_t give_piece(struct archive *tar, void *self, const void **bytes)
{
    reader *r = self;
    const char *piece = NULL;
    size_t n = 0;
    if (inflate_piece(r, &piece, &n, &r->failure) != CS_OK) {
        archive_set_error(tar, EIO, "%s", r->failure.text);
        return ARCHIVE_FATAL;
    }
    *bytes = piece;
    return (la_ssize_t)n;
}

/* The reason why libarchive gave up: the gzip stream's if that was it. */
static cs_err tar_failed(reader *r, cs_error *e)
{
    if (r->failure.code != CS_OK) {
        return cs_fail(e, r->failure.code == CS_ERR_LIMIT ? CS_ERR_LIMIT : CS_ERR_BUNDLE_INVALID,
                       "bundle read failed: %s", r->failure.text);
    }
    const char *why = archive_error_string(r->tar);
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle read failed: %s", why != NULL ? why : "damaged tar archive");
}

static cs_err refuse(cs_slice name, const char *why, cs_error *e)
{
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle read failed: entry \"%.*s\": %s", CS_FMT(name), why);
}

/* A leading "/" or "./" means nothing (OPA writes the one, tar the other); everything else that could point elsewhere
 * is refused. */
static cs_err clean_name(reader *r, cs_slice written, cs_slice *path, cs_error *e)
{
    if (!cs_utf8_valid(written)) {
        return refuse(written, "the name is not UTF-8", e);
    }
    cs_slice rest = written, part;
    while (cs_slice_next(&rest, '/', &part)) {
        if (cs_slice_is(part, "..")) {
            return refuse(written, "the path leaves the bundle", e);
        }
    }
    cs_slice rooted = cs_bundle__clean(&r->bundle->arena, cs_bundle__concat(&r->bundle->arena, CS_LIT("/"), written));
    *path = cs_slice_sub(rooted, 1, rooted.n);
    return CS_OK;
}

/* A large file, straight to where it stays. */
static cs_err read_large(reader *r, size_t size, cs_slice *out, cs_error *e)
{
    char *bytes = cs_arena_alloc(&r->bundle->texts, size);
    size_t n = 0;
    while (n < size) {
        la_ssize_t got = archive_read_data(r->tar, bytes + n, size - n);
        if (got < 0) {
            return tar_failed(r, e);
        }
        if (got == 0) {
            break;
        }
        n += (size_t)got;
    }
    *out = cs_slice_make(bytes, n);
    return CS_OK;
}

static cs_err read_content(reader *r, cs_slice path, cs_slice *out, cs_error *e)
{
    cs_buf_clear(&r->scratch);
    for (;;) {
        la_ssize_t n = archive_read_data(r->tar, cs_buf_room(&r->scratch, PIECE), PIECE);
        if (n < 0) {
            return tar_failed(r, e);
        }
        if (n == 0) {
            break;
        }
        r->scratch.n += (size_t)n;
        if (r->scratch.n > r->file_max) {
            return cs_fail(e, CS_ERR_LIMIT, "bundle file '%.*s' exceeded max size (%llu bytes)", CS_FMT(path),
                           (unsigned long long)r->file_max);
        }
    }
    r->content += r->scratch.n;
    if (r->content > cs_limits_get()->bundle_total_bytes) {
        return cs_fail(e, CS_ERR_LIMIT, "bundle exceeded max size (%llu bytes)",
                       (unsigned long long)cs_limits_get()->bundle_total_bytes);
    }
    cs_slice all = cs_buf_view(&r->scratch);
    *out = cs_slice_make(cs_arena_dup(&r->bundle->arena, all.p, all.n), all.n);
    return CS_OK;
}

static const char *forbidden(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) != NULL) {
        return "hard links are not allowed";
    }
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
        return NULL;
    case AE_IFLNK:
        return "symbolic links are not allowed";
    default:
        return "only files and folders are allowed";
    }
}

static cs_err take_entry(reader *r, struct archive_entry *entry, cs_error *e)
{
    const char *name = archive_entry_pathname_utf8(entry);
    name = name != NULL ? name : archive_entry_pathname(entry);
    if (name == NULL || name[0] == '\0') {
        return refuse(CS_LIT(""), "the name is missing or not UTF-8", e);
    }
    cs_slice written = cs_slice_make(cs_arena_dup(&r->bundle->arena, name, strlen(name)), strlen(name));
    const char *why = forbidden(entry);
    if (why != NULL) {
        return refuse(written, why, e);
    }
    cs_slice path;
    CS_TRY(clean_name(r, written, &path, e));
    if (archive_entry_filetype(entry) == AE_IFDIR ||
        cs_bundle_ignored(r->options->ignore, r->options->n_ignore, path)) {
        return CS_OK;
    }
    if (path.n == 0) {
        return refuse(written, "the name is empty", e);
    }
    int64_t size = archive_entry_size(entry);
    if (size < 0 || (uint64_t)size > r->file_max) {
        return cs_fail(e, CS_ERR_LIMIT, "bundle file '%.*s' size (%lld bytes) exceeded max size (%llu bytes)",
                       CS_FMT(path), (long long)size, (unsigned long long)r->file_max);
    }
    if (cs_map_put(&r->seen, path, r) != NULL) {
        return refuse(written, "the file is in the archive twice", e);
    }
    if (r->bundle->n_files >= cs_limits_get()->bundle_files) {
        return cs_fail(e, CS_ERR_LIMIT, "bundle has more than %llu files",
                       (unsigned long long)cs_limits_get()->bundle_files);
    }
    cs_bundle_file file = {.path = path, .written = written};
    if ((uint64_t)size >= CS_BUNDLE__LARGE && r->content + (uint64_t)size <= cs_limits_get()->bundle_total_bytes) {
        CS_TRY(read_large(r, (size_t)size, &file.bytes, e));
        r->content += file.bytes.n;
    } else {
        CS_TRY(read_content(r, path, &file.bytes, e));
    }
    cs_bundle__add_file(r->bundle, file);
    return CS_OK;
}

static cs_err read_entries(reader *r, cs_error *e)
{
    uint64_t entries = 0;
    for (;;) {
        struct archive_entry *entry = NULL;
        int rc = archive_read_next_header(r->tar, &entry);
        if (rc == ARCHIVE_EOF) {
            break;
        }
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            return tar_failed(r, e);
        }
        /* Folders count as well: a million of them is an attack too. */
        if (++entries > 2 * cs_limits_get()->bundle_files) {
            return cs_fail(e, CS_ERR_LIMIT, "bundle has too many entries");
        }
        CS_TRY(take_entry(r, entry, e));
    }
    /* What stands behind the tar's end mark is read for its checksum only. */
    const char *piece;
    for (size_t n = 1; n > 0;) {
        if (inflate_piece(r, &piece, &n, &r->failure) != CS_OK) {
            return tar_failed(r, e);
        }
    }
    return CS_OK;
}

cs_err cs_bundle__unpack(cs_bundle *bundle, cs_slice archive, const cs_bundle_options *options, cs_error *e)
{
    const cs_limits *limits = cs_limits_get();
    if (archive.n > limits->bundle_archive_bytes) {
        return cs_fail(e, CS_ERR_LIMIT, "bundle exceeded max size (%llu bytes)",
                       (unsigned long long)limits->bundle_archive_bytes);
    }
    if (!cs_gzip_is(archive)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle read failed: archive read failed: gzip: invalid header");
    }
    cs_err err = cs_bundle__archive_load(e);
    if (err != CS_OK) {
        return err;
    }
    reader *r = cs_zalloc(sizeof *r);
    r->bundle = bundle;
    r->options = options;
    r->file_max = options->max_file_bytes != 0 ? options->max_file_bytes : limits->bundle_bytes;
    r->inflated_max = limits->bundle_total_bytes + TAR_OVERHEAD * (limits->bundle_files + 1);
    cs_map_init(&r->seen);
    cs_buf_init(&r->scratch);
    utf8_names locale = utf8_begin();
    r->inflate = cs_bundle__inflate_open(archive);
    r->tar = archive_read_new();
    cs_assert(r->tar != NULL);
    (void)archive_read_support_format_tar(r->tar);
    (void)archive_read_support_format_empty(r->tar);
    (void)archive_read_set_options(r->tar, "hdrcharset=UTF-8");
    err = archive_read_open(r->tar, r, NULL, give_piece, NULL) == ARCHIVE_OK ? read_entries(r, e) : tar_failed(r, e);
    (void)archive_read_free(r->tar);
    utf8_end(locale);
    cs_bundle__inflate_close(r->inflate);
    cs_buf_destroy(&r->scratch);
    cs_map_destroy(&r->seen);
    cs_free(r);
    if (err == CS_OK) {
        cs_slice hex = cs_digest_hex(&bundle->arena, CS_SHA256, archive);
        bundle->digest = cs_bundle__concat(&bundle->arena, CS_LIT("sha256:"), hex);
    }
    return err;
}

/* ---- writing */

static la_ssize_t take_bytes(struct archive *tar, void *self, const void *bytes, size_t n)
{
    (void)tar;
    cs_buf_put(self, bytes, n);
    return (la_ssize_t)n;
}

static bool write_file(struct archive *tar, cs_arena *a, const cs_bundle_file *file)
{
    struct archive_entry *entry = archive_entry_new();
    cs_assert(entry != NULL);
    /* The slash in front is OPA's habit. */
    archive_entry_set_pathname_utf8(entry, cs_bundle__concat(a, CS_LIT("/"), file->path).p);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, 0, 0);
    archive_entry_set_size(entry, (la_int64_t)file->bytes.n);
    bool good =
        archive_write_header(tar, entry) == ARCHIVE_OK &&
        (file->bytes.n == 0 || archive_write_data(tar, file->bytes.p, file->bytes.n) == (la_ssize_t)file->bytes.n);
    archive_entry_free(entry);
    return good;
}

cs_err cs_bundle_write(const cs_bundle_file *files, size_t n, cs_buf *out, cs_error *e)
{
    cs_err err = cs_bundle__archive_load(e);
    if (err != CS_OK) {
        return err;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf bytes;
    cs_buf_init(&bytes);
    utf8_names locale = utf8_begin();
    struct archive *tar = archive_write_new();
    cs_assert(tar != NULL);
    (void)archive_write_set_format_pax_restricted(tar);
    (void)archive_write_set_bytes_per_block(tar, 0);
    bool good = archive_write_open(tar, &bytes, NULL, take_bytes, NULL) == ARCHIVE_OK;
    for (size_t i = 0; i < n && good; i++) {
        good = write_file(tar, &a, &files[i]);
    }
    good = good && archive_write_close(tar) == ARCHIVE_OK;
    if (good) {
        cs_gzip_deflate(cs_buf_view(&bytes), 9, out);
    } else {
        const char *why = archive_error_string(tar);
        err = cs_fail(e, CS_ERR_INTERNAL, "bundle write failed: %s", why != NULL ? why : "no reason given");
    }
    (void)archive_write_free(tar);
    utf8_end(locale);
    cs_buf_destroy(&bytes);
    cs_arena_destroy(&a);
    return err;
}
