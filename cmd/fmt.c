/* fmt: the canonical layout of modules. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "countersign/base/file.h"
#include "countersign/base/vec.h"
#include "countersign/format.h"
#include "diff.h"
#include "countersign/capabilities.h"

typedef struct fmt {
    cs_arena *arena;
    bool write, list, diff, fail, check;
    cs_format_options options;
} fmt;

/* Exit statuses as OPA's: 2 when a file could not be formatted or was not as it should be, 1 for anything else. */
static int refuse(int status, const char *format, ...) CS_PRINTF(2, 3);
static int refuse(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

static int refuse_errno(int status, const char *before, const char *what, const char *path)
{
    char text[128];
    const char *why = strerror_r(errno, text, sizeof text);
    size_t n = strlen(why);
    char *lower = memcpy(text, why, n < sizeof text ? n + 1 : sizeof text);
    text[sizeof text - 1] = '\0';
    lower[0] = (char)(lower[0] >= 'A' && lower[0] <= 'Z' ? lower[0] + 32 : lower[0]);
    return refuse(status, "%s%s %s: %s", before, what, path, lower);
}

/* ---- one file */
static int put_text(cs_slice text)
{
    return cs_cmd_write(text) ? 0 : refuse(2, "failed writing formatted contents");
}

static int overwrite(const char *path, cs_slice text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) {
        return refuse_errno(2, "failed to open file for writing: ", "open", path);
    }
    int status = 0;
    while (text.n > 0 && status == 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR) {
            status = refuse_errno(2, "failed writing formatted contents: ", "write", path);
        } else if (n > 0) {
            text = cs_slice_sub(text, (size_t)n, text.n);
        }
    }
    (void)close(fd);
    return status;
}

static int put_result(const fmt *f, const char *path, cs_slice before, cs_slice after)
{
    bool changed = !cs_slice_eq(before, after);
    if (f->fail && !f->list && !f->diff && changed) {
        return refuse(2, "unexpected diff");
    }
    if (f->list || f->diff) {
        if (!changed) {
            return 0;
        }
        cs_buf text;
        cs_buf_init(&text);
        if (f->list) {
            cs_buf_text(&text, path);
        } else {
            cs_diff_print(&text, before, after);
        }
        cs_buf_byte(&text, '\n');
        bool ok = cs_cmd_write(cs_buf_view(&text));
        cs_buf_destroy(&text);
        return !ok ? refuse(2, "failed to print contents") : f->fail ? refuse(2, "unexpected diff") : 0;
    }
    if (f->write) {
        return changed ? overwrite(path, after) : 0;
    }
    return put_text(after);
}

static int format_text(const fmt *f, const char *path, cs_slice text)
{
    cs_buf out, why;
    int status = 0;
    cs_buf_init(&out);
    cs_buf_init(&why);
    switch (cs_format(cs_slice_of(path), text, &f->options, &out)) {
    case CS_FORMAT_DONE:
        if (f->check && !cs_format_readable(CS_LIT("formatted"), cs_buf_view(&out), &f->options, &why)) {
            status = refuse(2,
                            "%s was successfully formatted, but the result is invalid: %s\n\nTo inspect the formatted "
                            "Rego, you can turn off this check with --check-result=false.",
                            path, cs_buf_cstr(&why));
        } else {
            status = put_result(f, path, text, cs_buf_view(&out));
        }
        break;
    case CS_FORMAT_CHANGES:
        status = refuse(2, "unexpected diff");
        break;
    case CS_FORMAT_FAILED:
        status = refuse(2, "failed to format Rego source file: %s", cs_buf_cstr(&out));
        break;
    }
    cs_buf_destroy(&out);
    cs_buf_destroy(&why);
    return status;
}

static int format_file(const fmt *f, const char *path)
{
    if (!cs_slice_ends(cs_slice_of(path), CS_LIT(".rego"))) {
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return refuse_errno(2, "failed to open file: ", "open", path);
    }
    (void)close(fd);
    cs_buf text;
    cs_error e = {0};
    cs_buf_init(&text);
    int status = cs_file_read(path, cs_limits_get()->rego_bytes, &text, &e) == CS_OK
                     ? format_text(f, path, cs_buf_view(&text))
                     : refuse(2, "failed to open file: %s", e.text);
    cs_buf_destroy(&text);
    return status;
}

/* ---- folders: by name, not through links */
typedef CS_VEC(const char *) names;

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static bool list_folder(cs_arena *a, const char *path, names *out)
{
    DIR *folder = opendir(path);
    if (!folder) {
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            const char *name = cs_arena_dup(a, entry->d_name, strlen(entry->d_name));
            CS_VEC_PUSH_IN(a, out, name);
        }
    }
    (void)closedir(folder);
    if (out->n) {
        qsort(out->v, out->n, sizeof *out->v, by_name);
    }
    return true;
}

/* "./a/" and "b" are "a/b", as Go joins paths. */
static const char *join(cs_arena *a, const char *folder, const char *name)
{
    cs_slice s = cs_slice_of(folder);
    while (cs_slice_starts(s, CS_LIT("./"))) {
        s = cs_slice_sub(s, 2, s.n);
        while (cs_slice_starts(s, CS_LIT("/"))) {
            s = cs_slice_sub(s, 1, s.n);
        }
    }
    while (s.n > 1 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    if (s.n == 0 || cs_slice_is(s, ".")) {
        return cs_arena_printf(a, NULL, "%s", name);
    }
    return cs_arena_printf(a, NULL, "%.*s%s%s", CS_FMT(s), cs_slice_is(s, "/") ? "" : "/", name);
}

#define FOLDERS_DEEP 255

static int walk(const fmt *f, const char *path, int depth)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return refuse_errno(1, "", "lstat", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        return format_file(f, path);
    }
    names list = {0};
    errno = ELOOP;
    if (depth >= FOLDERS_DEEP || !list_folder(f->arena, path, &list)) {
        return refuse_errno(1, "", "open", path);
    }
    int status = 0;
    for (size_t i = 0; i < list.n && status == 0; i++) {
        status = walk(f, join(f->arena, path, list.v[i]), depth + 1);
    }
    return status;
}

static int format_stdin(fmt *f)
{
    cs_buf text, out;
    cs_error e = {0};
    cs_buf_init(&text);
    cs_buf_init(&out);
    f->options.drop_imports = false;
    int status;
    if (cs_file_read("-", cs_limits_get()->rego_bytes, &text, &e) != CS_OK) {
        status = refuse(1, "%s", e.text);
    } else if (cs_format(CS_LIT("stdin"), cs_buf_view(&text), &f->options, &out) == CS_FORMAT_DONE) {
        status = cs_cmd_write(cs_buf_view(&out)) ? 0 : 1;
    } else {
        status = refuse(1, "%s", cs_buf_cstr(&out));
    }
    cs_buf_destroy(&text);
    cs_buf_destroy(&out);
    return status;
}

/* "file:///a/b" is /a/b; other URLs are refused. */
static const char *local_path(const char *path)
{
    const char *scheme = strstr(path, "://");
    if (!scheme) {
        return path;
    }
    if (strncmp(path, "file://", 7) != 0) {
        (void)refuse(1, "unsupported URL scheme: %s", path);
        return NULL;
    }
    const char *slash = strchr(path + 7, '/');
    return slash ? slash : "";
}

int cs_cmd_fmt(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    fmt f = {.arena = &a, .check = true};
    bool v0_v1 = false, v0 = false, v1 = false, drop = false;
    const cs_capabilities *capabilities = NULL;
    cs_arg args[] = {
        {"capabilities", 0, CS_ARG_CAPABILITIES, &capabilities, NULL,
         "version of the capabilities, or a file with them", NULL},
        {"check-result", 0, CS_ARG_BOOL, &f.check, NULL, "parse the result (default true)", NULL},
        {"diff", 'd', CS_ARG_BOOL, &f.diff, NULL, "only show the changes", NULL},
        {"drop-v0-imports", 0, CS_ARG_BOOL, &drop, NULL, "leave out rego.v1 and future.keywords imports", NULL},
        {"fail", 0, CS_ARG_BOOL, &f.fail, NULL, "exit with an error if a file would change", NULL},
        {"list", 'l', CS_ARG_BOOL, &f.list, NULL, "only list the files that would change", NULL},
        {"rego-v1", 0, CS_ARG_BOOL, &v0_v1, NULL, "as --v0-v1", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &v0, NULL, "modules are Rego v0 and stay so", NULL},
        {"v0-v1", 0, CS_ARG_BOOL, &v0_v1, NULL, "the result can be read as Rego v0 and as v1", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &v1, NULL, "modules are Rego v1", NULL},
        {"write", 'w', CS_ARG_BOOL, &f.write, NULL, "overwrite the files", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    /* What this build has, unless told otherwise. */
    unsigned features = CS_FEATURE_KEYWORDS_IN_REFS | (v0_v1 || v0 ? 0U : (unsigned)CS_FEATURE_TEMPLATE_STRINGS);
    features = capabilities ? capabilities->features : features;
    if (status < 0) {
        f.options = (cs_format_options){
            .target = v0_v1 ? CS_FORMAT_V0_V1
                      : v0  ? CS_FORMAT_V0
                            : CS_FORMAT_V1,
            .read_v0 = v0 || (v0_v1 && !v1),
            .drop_imports = drop,
            .quote_keywords = !(features & CS_FEATURE_KEYWORDS_IN_REFS),
            .templates = (features & CS_FEATURE_TEMPLATE_STRINGS) || (!v0_v1 && !v0),
            .stop_at_changes = f.fail && !f.list && !f.diff,
        };
        status = 0;
        if (rest.n == 0) {
            f.options.stop_at_changes = false;
            status = format_stdin(&f);
        }
        for (size_t i = 0; i < rest.n && status == 0; i++) {
            const char *path = local_path(rest.v[i]);
            status = path ? walk(&f, path, 0) : 1;
        }
    }
    cs_arena_destroy(&a);
    return status;
}
