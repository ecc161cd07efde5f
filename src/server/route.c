/* From method and path to a route, the way OPA's router (Go's) goes. */
#include "countersign/base/encode.h"
#include "internal.h"

#define QUIET CS_ROUTE_QUIET
#define GZIP CS_ROUTE_GZIP
#define BODY CS_ROUTE_BODY
#define OWN CS_ROUTE_OWN
#define RAW CS_ROUTE_RAW
#define DIAG CS_ROUTE_DIAG
#define BIG CS_ROUTE_BIG
#define OPEN CS_ROUTE_OPEN
#define NOREDIRECT CS_ROUTE_NOREDIRECT
#define OVERRIDE CS_ROUTE_OVERRIDE
#define KEPT CS_ROUTE_KEPT

#define IS_REST(path) (sizeof(path) > 8 && (path)[sizeof(path) - 2] == '}')
static const cs_server__route routes[] = {
#define ROUTE(method, path, handler, label, flags)                                                                     \
    {method, path, sizeof(path) - 1 - (IS_REST(path) ? 7 : 0), IS_REST(path), cs_server__##handler, label, flags},
#include "routes.def"
#undef ROUTE
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

/* Does the path have empty, "." or ".." segments (the last may be empty)? */
static bool is_clean(cs_slice path)
{
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] != '/') {
            continue;
        }
        size_t left = path.n - i - 1;
        const char *next = path.p + i + 1;
        if (left == 0) {
            return true;
        }
        if (next[0] == '/' ||
            (next[0] == '.' && (left == 1 || next[1] == '/' || (next[1] == '.' && (left == 2 || next[2] == '/'))))) {
            return false;
        }
    }
    return path.n != 0 && path.p[0] == '/';
}

/* Go's path.Clean, but a slash at the end stays. */
static cs_slice cleaned(cs_arena *a, cs_slice path)
{
    char *out = cs_arena_alloc(a, path.n + 2);
    size_t n = 0;
    cs_slice rest = path, piece;
    while (cs_slice_next(&rest, '/', &piece)) {
        if (piece.n == 0 || cs_slice_is(piece, ".")) {
            continue;
        }
        if (cs_slice_is(piece, "..")) {
            while (n > 0 && out[--n] != '/') {
            }
            continue;
        }
        out[n++] = '/';
        memcpy(out + n, piece.p, piece.n);
        n += piece.n;
    }
    if (n == 0 || (path.p[path.n - 1] == '/' && out[n - 1] != '/')) {
        out[n++] = '/';
    }
    return cs_slice_make(out, n);
}

/* Literal segments are compared decoded, so "/v1/d%61ta" is "/v1/data"; a decoded slash never is one. */
static cs_slice decoded_for_matching(cs_arena *a, cs_slice path)
{
    char *out = cs_arena_alloc(a, path.n + 1);
    size_t n = 0;
    cs_slice rest = path, piece, plain;
    while (cs_slice_next(&rest, '/', &piece)) {
        if (n != 0 || piece.p != path.p) {
            out[n++] = '/';
        }
        if (!cs_percent_decode(a, piece, false, &plain) || cs_slice_find_byte(plain, '/', 0) != SIZE_MAX ||
            plain.n > piece.n) {
            plain = piece;
        }
        memcpy(out + n, plain.p, plain.n);
        n += plain.n;
    }
    return cs_slice_make(out, n);
}

static bool matches(const cs_server__route *r, cs_slice path)
{
    if (path.n < r->path_n || memcmp(path.p, r->path, r->path_n) != 0) {
        return false;
    }
    return r->rest ? path.n > r->path_n && path.p[r->path_n] == '/' : path.n == r->path_n;
}

/* What follows as many slashes as the route's fixed part has, plus one. */
static cs_slice rest_of(const cs_server__route *r, cs_slice path)
{
    if (!r->rest) {
        return CS_LIT("");
    }
    size_t slashes = 1;
    for (size_t i = 0; i < r->path_n; i++) {
        slashes += r->path[i] == '/';
    }
    size_t at = 0;
    while (slashes > 0 && at < path.n) {
        slashes -= path.p[at++] == '/';
    }
    return cs_slice_sub(path, at, path.n);
}

static bool takes(const cs_server__route *r, cs_slice method)
{
    bool head = cs_slice_is(method, "HEAD");
    return strcmp(r->method, "ANY") == 0 || cs_slice_is(method, r->method) || (head && strcmp(r->method, "GET") == 0);
}

cs_server__found cs_server__find_route(const cs_http_request *http, cs_arena *a, bool diagnostic,
                                       const cs_server__route **route, cs_slice *rest, cs_slice *clean)
{
    cs_slice path = http->path;
    bool is_raw = cs_slice_starts(path, CS_LIT("/v1/authz/"));
    if (!is_raw && !is_clean(path)) {
        *clean = cleaned(a, path);
        return CS_FOUND_CLEAN;
    }
    if (memchr(path.p, '%', path.n) != NULL) {
        path = decoded_for_matching(a, path);
    }
    const cs_server__route *other = NULL;
    for (size_t i = 0; i < N_ROUTES; i++) {
        const cs_server__route *r = &routes[i];
        if (!matches(r, path) || (diagnostic && (r->flags & CS_ROUTE_DIAG) == 0)) {
            continue;
        }
        if (takes(r, http->method)) {
            *route = r;
            *rest = rest_of(r, http->path);
            return CS_FOUND;
        }
        other = other == NULL ? r : other;
    }
    /* Go sends /v1/compile on to /v1/compile/ where only the latter takes the method. */
    if (cs_slice_is(path, "/v1/compile") && (cs_slice_is(http->method, "GET") || cs_slice_is(http->method, "HEAD"))) {
        *clean = CS_LIT("/v1/compile/");
        return CS_FOUND_CLEAN;
    }
    if (other != NULL) {
        *route = other;
        *rest = rest_of(other, http->path);
        return CS_FOUND_METHOD;
    }
    return CS_FOUND_NOTHING;
}

void cs_server__allowed(cs_buf *out, const cs_server__route *route)
{
    static const char *const order[] = {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"};
    for (size_t m = 0; m < sizeof order / sizeof *order; m++) {
        bool has = false;
        for (size_t i = 0; i < N_ROUTES; i++) {
            const cs_server__route *r = &routes[i];
            /* /v1/compile is told with what /v1/compile/ takes, as Go's router does. */
            bool same = strcmp(r->path, route->path) == 0 ||
                        (r->path_n == route->path_n && strcmp(route->path, "/v1/compile") == 0 &&
                         memcmp(r->path, route->path, r->path_n) == 0);
            has |= same && (strcmp(r->method, order[m]) == 0 ||
                            (strcmp(order[m], "HEAD") == 0 && strcmp(r->method, "GET") == 0));
        }
        if (has) {
            cs_buf_text(out, out->n != 0 ? ", " : "");
            cs_buf_text(out, order[m]);
        }
    }
}
