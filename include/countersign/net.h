/* Sockets: event loops, a server of HTTP/1.1 and HTTP/2, a client. Nothing else in the program waits for a socket.
 *
 * One loop runs on one thread. Whatever belongs to a loop (its timers, its connections, the exchanges on them) is
 * touched only by that thread; other threads reach it through cs_loop_post. */
#ifndef CS_NET_H
#define CS_NET_H

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/base/network.h"
#include "countersign/base/slice.h"

/* ---- loops */
typedef struct cs_loop cs_loop;
typedef struct cs_timer cs_timer;
typedef void cs_loop_fn(void *self);

CS_MUST_CHECK cs_err cs_loop_new(cs_loop **out, cs_error *e);
/* After the thread that ran it has ended and its timers are freed. Functions still posted are dropped. NULL is fine. */
void cs_loop_free(cs_loop *loop);
/* Runs on the calling thread until cs_loop_stop. */
void cs_loop_run(cs_loop *loop);
/* Any thread. What was posted before still runs. */
void cs_loop_stop(cs_loop *loop);
/* Any thread: `fn(self)` will run on the loop's thread, in the order of posting. Never blocks, never fails. */
void cs_loop_post(cs_loop *loop, cs_loop_fn *fn, void *self);

/* A timer that is not running. It belongs to the loop and is used on its thread (or before the loop runs). */
cs_timer *cs_timer_new(cs_loop *loop, cs_loop_fn *fn, void *self);
/* (Re)starts: fires once after `delay_ns`. */
void cs_timer_start(cs_timer *timer, int64_t delay_ns);
void cs_timer_free(cs_timer *timer);

/* ---- HTTP messages */
typedef struct cs_http_header {
    cs_slice name;
    cs_slice value; /* without white space at the ends */
} cs_http_header;

/* Everything points into the connection's buffer or the request's arena and is good until the reply is given. */
typedef struct cs_http_request {
    cs_slice method;
    cs_slice target; /* as sent */
    cs_slice path;   /* up to '?', escapes as sent, never empty ("*" only for OPTIONS) */
    cs_slice query;  /* behind '?', "" without one */
    cs_slice host;
    const cs_http_header *headers;
    size_t n_headers;
    cs_slice body;       /* transfer coding removed, content coding as sent */
    bool has_body;       /* Content-Length or chunks were announced, perhaps of length 0 */
    bool body_too_large; /* over the limit; not read; the connection closes behind the reply */
    uint64_t body_bytes; /* as announced; for a refused chunked body what had come */
    cs_slice peer;       /* "127.0.0.1:4711"; "@" on a Unix socket */
    bool tls;
    bool http2;
    cs_slice peer_certificate; /* DER of a verified client certificate, "" without */
    int tag;                   /* of the address that it came in on */
    int64_t started_ns;        /* cs_time_mono_ns when its head was complete */
    cs_arena *arena;           /* lives until the reply is given */
} cs_http_request;

/* The first header of that name, or NULL. ASCII case does not matter. */
const cs_slice *cs_http_find(const cs_http_request *request, const char *name);

/* The words of a status ("Not Found"); "" for one without. */
const char *cs_http_status_text(int status);

/* ---- the server: N worker threads, each with its loop and, by SO_REUSEPORT, its own listening sockets */
typedef struct cs_http_server cs_http_server;
/* A request and the reply to it under way. Belongs to a worker's loop. */
typedef struct cs_http_exchange cs_http_exchange;

/* What became of an exchange, for metrics and the access log. */
typedef struct cs_http_done {
    int status;
    uint64_t sent_bytes; /* of the body */
    int64_t duration_ns; /* from the complete head to the reply */
} cs_http_done;

typedef struct cs_http_handlers {
    void *self;
    /* The most bytes a body may have; asked when the head is complete and only where a body is announced. */
    uint64_t (*body_limit)(void *self, const cs_http_request *head);
    /* A whole request, on a worker's thread. It is answered by cs_http_reply, now or later (from the same thread). */
    void (*handle)(void *self, cs_http_exchange *exchange);
    /* After each reply was given; may be NULL. `user` is what cs_http_set_user set. */
    void (*done)(void *self, const cs_http_request *request, const cs_http_done *done, void *user);
    /* The server ends while an exchange is unanswered: its memory goes away now. On the worker's thread; may be NULL.
     */
    void (*dropped)(void *self, const cs_http_request *request, void *user);
    /* A worker's thread starts or ends; may be NULL. */
    void (*worker_start)(void *self, unsigned worker, cs_loop *loop);
    void (*worker_end)(void *self, unsigned worker);
} cs_http_handlers;

typedef struct cs_http_address {
    cs_slice text; /* "host:port", ":port", "http://…", "https://…", "unix://path", "unix://@abstract" */
    int tag;
} cs_http_address;

typedef struct cs_http_server_options {
    const cs_http_address *addresses;
    size_t n_addresses;
    unsigned workers;          /* 0 = one a processor */
    unsigned unix_permissions; /* 0 = 0755 */
    bool h2c;                  /* HTTP/2 without TLS, by prior knowledge; with TLS it is always offered */
    /* PEM files; NULL = no TLS. With `tls_ca`, client certificates are asked for and verified; they are required with
     * `tls_client_required`. The files are read again when they have changed (looked at every `tls_refresh_ns`, 0 = 1
     * s). */
    const char *tls_cert, *tls_key, *tls_ca;
    bool tls_client_required;
    int tls_min;             /* 0 to 3: TLS 1.0 to 1.3; below 2 only if asked for */
    const char *tls_ciphers; /* OpenSSL's names of suites up to TLS 1.2, by colons; NULL = its defaults */
    int64_t tls_refresh_ns;
    cs_http_handlers handlers;
} cs_http_server_options;

/* Binds every address and starts the workers; on failure nothing is left behind. The options are copied (not what
 * `self` points to). */
CS_MUST_CHECK cs_err cs_http_server_start(const cs_http_server_options *options, cs_http_server **out, cs_error *e);
/* Looks at the TLS files now. Any thread. */
void cs_http_server_refresh(cs_http_server *server);
/* Stops listening, lets running exchanges end, closes idle connections; returns when all are closed or (false)
 * `grace_ns` have passed. */
bool cs_http_server_drain(cs_http_server *server, int64_t grace_ns);
/* Closes what is left, ends the threads, frees. No exchange may be answered any more after this began. NULL is fine. */
void cs_http_server_free(cs_http_server *server);
/* Bound addresses as "127.0.0.1:8181" (with the real port when 0 was asked for). Lives as long as the server. */
size_t cs_http_server_address_count(const cs_http_server *server);
cs_slice cs_http_server_address(const cs_http_server *server, size_t i);

/* ---- exchanges: only on the worker's thread */
const cs_http_request *cs_http_request_of(const cs_http_exchange *exchange);
/* The worker's loop, to post a later answer to, and its number. */
unsigned cs_http_worker_of(const cs_http_exchange *exchange);
/* A pointer for the handler's own use. */
void cs_http_set_user(cs_http_exchange *exchange, void *user);
/* Calls gone(self) once if the client goes away before the reply is given (which is still to be given then). NULL = do
 * not. For exchanges that wait for long: it costs system calls. */
void cs_http_on_gone(cs_http_exchange *exchange, cs_loop_fn *gone, void *self);
/* Adds a header to the reply. The name must be static, the value is copied; bytes that cannot stand in a header become
 * blanks. */
void cs_http_add_header(cs_http_exchange *exchange, const char *name, cs_slice value);
/* The lines of what was added, each with its CRLF; until the next one is added. */
cs_slice cs_http_headers(const cs_http_exchange *exchange);
/* Adds a field behind the body: only over HTTP/2, otherwise it is left out. At most eight; names in lower case. */
void cs_http_add_trailer(cs_http_exchange *exchange, const char *name, cs_slice value);
/* Takes back what was added. */
void cs_http_clear_headers(cs_http_exchange *exchange);
/* Where the body of the reply is written. */
cs_buf *cs_http_body(cs_http_exchange *exchange);
/* Gives the reply: status, the headers added, the body written. `content_type` may be NULL. The exchange is over. */
void cs_http_reply(cs_http_exchange *exchange, int status, const char *content_type);

/* ---- the client */
typedef struct cs_http_fetch_options {
    const char *method; /* NULL = GET */
    const char *url;
    const cs_http_header *headers;
    size_t n_headers;
    cs_slice body;           /* sent when n > 0 or the method is PUT or POST */
    int64_t timeout_ns;      /* 0 = 30 s, of the whole fetch */
    int64_t head_timeout_ns; /* until the head of the answer is there; 0 = none of its own */
    uint64_t max_bytes;      /* of the answer; 0 = the limit json_bytes */
    bool follow;             /* follow redirects, at most ten; credentials do not go to other hosts */
    const char *ca_file;     /* NULL = the system's */
    bool system_ca;          /* with ca_file: trust the system's as well */
    bool insecure;           /* do not verify the server's certificate */
    const char *cert_file;   /* client certificate and key, PEM; NULL = none */
    const char *key_file;
    const char *key_password; /* NULL = none */
    const _Atomic bool *stop; /* looked at now and then: true ends the fetch with CS_ERR_OPERATION; NULL = none */
} cs_http_fetch_options;

typedef struct cs_http_answer {
    int status;
    cs_buf body;         /* the caller's, to destroy */
    cs_buf content_type; /* likewise */
    cs_buf etag;
} cs_http_answer;

/* Blocks. CS_ERR_IO when no answer came (the message names the URL without its query and user), CS_ERR_TIMEOUT when its
 * head took too long, CS_ERR_LIMIT when it was too long. On failure *out needs no destroying. Any thread. */
CS_MUST_CHECK cs_err cs_http_fetch(const cs_http_fetch_options *options, cs_http_answer *out, cs_error *e);
void cs_http_answer_destroy(cs_http_answer *answer);

/* ---- the network of evaluations (base/network.h): HTTP requests, lookups and pauses on threads of its own, which
 * start with the first exchange. At most `limits.exchanges` are under way; an answer has at most
 * `limits.exchange_bytes` of body. Any thread may start exchanges. */
typedef struct cs_network_options {
    const char *(*read_env)(const char *name); /* the environment; never NULL */
} cs_network_options;
cs_network *cs_network_new(const cs_network_options *options);
/* Every exchange must have been ended. A lookup that is still under way is waited for. NULL is fine. */
void cs_network_free(cs_network *network);

#endif
