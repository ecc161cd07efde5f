/* The table of routes, and the way from a path to one. */
#ifndef CS_SERVER_ROUTE_H
#define CS_SERVER_ROUTE_H

#include "countersign/net.h"

typedef struct cs_server__request cs_server__request;
typedef void cs_server__handler(cs_server__request *r);

enum {
    CS_ROUTE_QUIET = 1,
    CS_ROUTE_GZIP = 2,
    CS_ROUTE_BODY = 4,
    CS_ROUTE_OWN = 8,
    CS_ROUTE_RAW = 16,
    CS_ROUTE_DIAG = 32,
    CS_ROUTE_BIG = 64,
    CS_ROUTE_OPEN = 128,
    CS_ROUTE_NOREDIRECT = 256,
    CS_ROUTE_OVERRIDE = 512,
    CS_ROUTE_KEPT = 1024
};

typedef struct cs_server__route {
    const char *method;
    const char *path;
    size_t path_n; /* without "/{rest}" */
    bool rest;
    cs_server__handler *handler;
    const char *label;
    unsigned flags;
} cs_server__route;

#define HANDLER(name) cs_server__handler cs_server__##name;
#include "routes.def"
#undef HANDLER

/* What a path and method come to. */
typedef enum cs_server__found {
    CS_FOUND,        /* a route */
    CS_FOUND_CLEAN,  /* 307 to the cleaned path */
    CS_FOUND_METHOD, /* 405; `route` is one of the same path */
    CS_FOUND_NOTHING /* 404 */
} cs_server__found;
/* *rest is what stands for {rest}, escapes as sent; *clean the path to redirect to. */
cs_server__found cs_server__find_route(const cs_http_request *http, cs_arena *a, bool diagnostic,
                                       const cs_server__route **route, cs_slice *rest, cs_slice *clean);
/* "GET, HEAD, POST" of a path. */
void cs_server__allowed(cs_buf *out, const cs_server__route *route);

#endif
