/* What parts without sockets may ask of the part that has them: shapes only. net makes a cs_network
 * (cs_network_new); the engine's built-ins use it through cs_host.
 *
 * An exchange is one question to the network, under way elsewhere. Whoever starts it owns it until `end`. */
#ifndef CS_BASE_NETWORK_H
#define CS_BASE_NETWORK_H

#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/base/slice.h"

typedef enum cs_exchange_kind {
    CS_EXCHANGE_HTTP,   /* one request, one answer; redirects are not followed */
    CS_EXCHANGE_LOOKUP, /* the addresses of a name */
    CS_EXCHANGE_PAUSE   /* nothing: it is over after delay_ns */
} cs_exchange_kind;

typedef struct cs_exchange_field {
    cs_slice name, value;
} cs_exchange_field;

typedef struct cs_exchange_request {
    cs_exchange_kind kind;
    int64_t delay_ns;   /* before it begins */
    int64_t timeout_ns; /* from there to the last byte; 0 = none */
    cs_slice host;      /* LOOKUP: the name */
    /* HTTP: */
    cs_slice method;
    cs_slice url; /* http or https, absolute, escaped, without user and fragment */
    const cs_exchange_field *headers;
    size_t n_headers;
    cs_slice body;
    cs_slice unix_path;   /* a socket to connect to instead of the URL's host; "" = none */
    cs_slice server_name; /* who must be in the certificate, and the name of SNI; "" = the URL's host */
    cs_slice ca;          /* PEM; "" = the system's */
    cs_slice certificate; /* PEM of the client, with its chain; "" = none */
    cs_slice key;         /* PEM */
    bool insecure;        /* any certificate will do */
    bool fresh;           /* a connection of its own, closed behind the answer */
} cs_exchange_request;

typedef enum cs_exchange_failure {
    CS_EXCHANGE_OK,
    CS_EXCHANGE_TIMEOUT, /* timeout_ns passed */
    CS_EXCHANGE_FAILED   /* anything else: see `text` */
} cs_exchange_failure;

typedef struct cs_exchange_answer {
    cs_exchange_failure failure;
    bool in_body;  /* failed when the head was complete */
    cs_slice text; /* why, in Go's words: "dial tcp 127.0.0.1:1: connect: connection refused"; "" if it is well */
    /* HTTP: */
    int status;
    cs_slice status_text; /* "200 OK", as sent */
    const cs_exchange_field *headers;
    size_t n_headers;
    cs_slice body;
    /* LOOKUP: */
    const cs_slice *addresses;
    size_t n_addresses;
} cs_exchange_answer;

typedef struct cs_exchange cs_exchange;
typedef struct cs_network cs_network;
typedef void cs_exchange_wake(void *self);

struct cs_network {
    /* Never NULL and never blocks; what cannot be begun is over at once. The request is copied. `wake` (may be NULL) is
     * called once, on any thread, when the exchange is over and not yet ended. */
    cs_exchange *(*start)(cs_network *n, const cs_exchange_request *request, cs_exchange_wake *wake, void *self);
    /* NULL until it is over; lives until `end`. */
    const cs_exchange_answer *(*answer)(cs_exchange *x);
    /* Blocks until it is over (true) or timeout_ns have passed. */
    bool (*wait)(cs_exchange *x, int64_t timeout_ns);
    /* Frees it, and stops it if it is still under way. No `wake` is running or will come after this. */
    void (*end)(cs_exchange *x);
    /* An environment variable, or NULL. */
    const char *(*read_env)(const char *name);
    /* A whole file, appended to *out: certificates. CS_ERR_IO in Go's words: "open a.pem: no such file or directory" */
    cs_err (*read_file)(const char *path, cs_buf *out, cs_error *e);
};

#endif
