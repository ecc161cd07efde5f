/* Commands that talk to a running server: their common flags, one request, its answer on stdout. */
#ifndef CS_REMOTE_H
#define CS_REMOTE_H

#include "cmd.h"
#include "countersign/net.h"

typedef struct cs_remote {
    const char *url;        /* of the server; NULL = COUNTERSIGN_URL, else http://localhost:8181 */
    const char *token_file; /* NULL = the token in COUNTERSIGN_TOKEN, if there is one */
    const char *ca_file;
    bool insecure;
    int64_t timeout; /* seconds */
} cs_remote;

/* The rows of a command's flags for these. `r` is a cs_remote. */
#define CS_REMOTE_ARGS(r)                                                                                              \
    {                                                                                                                  \
        "token-file", 0, CS_ARG_STRING, &(r).token_file, NULL, "file with the bearer token (or COUNTERSIGN_TOKEN)",    \
        NULL},                                                                                                         \
        {"ca-file", 0, CS_ARG_STRING, &(r).ca_file, NULL, "certificates to trust instead of the system's", NULL},      \
        {"insecure", 0, CS_ARG_BOOL, &(r).insecure, NULL, "do not verify the server's certificate", NULL},             \
    {                                                                                                                  \
        "timeout", 0, CS_ARG_INT, &(r).timeout, NULL, "seconds to wait for the answer", NULL                           \
    }
#define CS_REMOTE_URL_ARG(r)                                                                                           \
    {                                                                                                                  \
        "url", 0, CS_ARG_STRING, &(r).url, NULL, "the server (or COUNTERSIGN_URL; default http://localhost:8181)",     \
            NULL                                                                                                       \
    }
#define CS_REMOTE_DEFAULT ((cs_remote){.timeout = 60})

typedef struct cs_remote_request {
    const char *method;
    const char *url;          /* whole, or below the server's: "/v1/cost?day=…" */
    const char *content_type; /* NULL = application/json where there is a body */
    cs_slice body;
} cs_remote_request;

/* The exit status: 0 if the server answered with 2xx: then the answer is the caller's, to destroy. Otherwise what is
 * wrong went to stderr. */
int cs_remote_fetch(cs_arena *a, const cs_remote *remote, const cs_remote_request *request, cs_http_answer *answer);
/* The exit status: 0 if the server answered with 2xx; the answer goes to stdout, an error to stderr. */
int cs_remote_print(cs_arena *a, const cs_remote *remote, const cs_remote_request *request);
/* Appends "&name=value", percent-encoded ("?" before the first); nothing for NULL. */
void cs_remote_param(cs_buf *url, const char *name, const char *value);

#endif
