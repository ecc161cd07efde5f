/* push: sends a bundle to a running server and tells what became of it. */
#include "cmd.h"

#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "remote.h"

/* "http://host:8181/name" and "http://host:8181/v1/bundles/name" mean the same. */
static cs_err target(cs_arena *a, const char *to, const char **out, cs_error *e)
{
    cs_slice url = cs_slice_of(to);
    cs_slice query = CS_LIT("");
    size_t mark = cs_slice_find_byte(url, '?', 0);
    if (mark != SIZE_MAX) {
        query = cs_slice_sub(url, mark, url.n);
        url.n = mark;
    }
    size_t host = cs_slice_find(url, CS_LIT("://"), 0);
    if (host == SIZE_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "--to must be <url>/<name>, for example http://localhost:8181/%.*s",
                       CS_FMT(url));
    }
    size_t slash = url.n;
    while (slash > host + 3 && url.p[slash - 1] != '/') {
        slash--;
    }
    if (slash <= host + 3 || slash == url.n) {
        return cs_fail(e, CS_ERR_INVALID, "--to must end in the bundle's name: <url>/<name>");
    }
    cs_slice base = cs_slice_sub(url, 0, slash - 1), name = cs_slice_sub(url, slash, url.n);
    bool whole = cs_slice_ends(base, CS_LIT("/v1/bundles"));
    *out = cs_arena_printf(a, NULL, "%.*s%s/%.*s%.*s", CS_FMT(base), whole ? "" : "/v1/bundles", CS_FMT(name),
                           CS_FMT(query));
    return CS_OK;
}

static int send(cs_arena *a, const char *path, const char *to, const cs_remote *remote)
{
    cs_error e = {0};
    const char *url = NULL;
    if (target(a, to, &url, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    int status = 1;
    if (cs_file_read(path, (size_t)cs_limits_get()->bundle_archive_bytes, &bytes, &e) != CS_OK) {
        status = cs_cmd_fail_error(&e);
    } else {
        cs_remote_request request = {
            .method = "PUT", .url = url, .content_type = "application/gzip", .body = cs_buf_view(&bytes)};
        status = cs_remote_print(a, remote, &request);
    }
    cs_buf_destroy(&bytes);
    return status;
}

int cs_cmd_push(int argc, char **argv)
{
    cs_remote remote = CS_REMOTE_DEFAULT;
    const char *to = NULL;
    const cs_arg args[] = {
        {"to", 0, CS_ARG_STRING, &to, NULL, "<url>/<name> of the bundle on the server", NULL},
        CS_REMOTE_ARGS(remote),
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    if (status != -1) {
        /* said already */
    } else if (paths.n != 1 || to == NULL) {
        status = cs_cmd_fail("specify exactly one bundle and --to <url>/<name>");
    } else {
        status = send(&a, paths.v[0], to, &remote);
    }
    cs_arena_destroy(&a);
    return status;
}
