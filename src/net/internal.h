/* What the files of net share. */
#ifndef CS_NET_INTERNAL_H
#define CS_NET_INTERNAL_H

#include <sys/types.h>

#include "countersign/net.h"
#include "net/http_parse.h"

/* ---- addresses */
/* Opens listening sockets for one address: *n of them into fds (room for `cap`), each bound with SO_REUSEPORT when it
 * is TCP. `bound` gets "host:port" of the first. `port` forces a port (0 = the address's own). */
typedef struct cs_net__address {
    char host[256];
    char path[108];
    uint16_t port;
    bool is_unix, abstract, tls;
} cs_net__address;
cs_err cs_net__address_parse(cs_slice text, cs_net__address *out, cs_error *e);
cs_err cs_net__listen(const cs_net__address *address, unsigned permissions, int *fds, size_t cap, size_t *n,
                      char *bound, size_t bound_cap, uint16_t *port, cs_error *e);

/* "127.0.0.1:4711", "@" for what has no address. */
struct sockaddr_storage;
void cs_net__peer_text(const struct sockaddr_storage *from, char *out, size_t cap);

/* ---- http_reply.c: the head of a reply */
typedef struct cs_net__reply {
    int status;
    const char *content_type; /* NULL = none */
    cs_slice date;            /* "Tue, 24 Nov 2026 03:54:29 GMT" */
    cs_slice extra;           /* whole header lines, each with its CRLF */
    uint64_t length;          /* of the body; written unless the status forbids a body */
    bool close, keep_alive_old;
} cs_net__reply;
bool cs_net__status_has_body(int status);
void cs_net__write_head(cs_buf *out, const cs_net__reply *reply);
/* The date of an instant as HTTP writes it; always 29 bytes. */
void cs_net__write_date(int64_t wall_ns, char out[30]);

/* ---- http_exchange.c: a request and the reply to it, kept in a worker's pool when it is over */
struct cs_http_exchange {
    struct cs_net__conn *c;
    cs_http_request request;
    cs_arena arena;
    cs_http_header *headers; /* limits.http_headers of them */
    cs_buf in;               /* a chunked body */
    cs_buf body;             /* of the reply */
    cs_buf extra;            /* header lines of the reply */
    void *user;
    struct cs_net__h2_stream *stream; /* NULL = HTTP/1.1 */
    bool close;
    cs_http_exchange *next; /* in the worker's pool */
};
/* From the pool, or new. */
cs_http_exchange *cs_net__exchange_take(cs_http_exchange **pool);
/* Empties it and puts it into the pool. */
void cs_net__exchange_give(cs_http_exchange **pool, cs_http_exchange *x);
void cs_net__exchange_free(cs_http_exchange *x);
/* Empties a buffer; one that grew large is given back. */
void cs_net__trim(cs_buf *b);

/* ---- http2.c */
typedef struct cs_net__h2 cs_net__h2;

/* ---- loop.c and its event base */
struct event_base;
struct event_base *cs_net__base(cs_loop *loop);

/* ---- tls.c */
typedef struct cs_net__tls cs_net__tls;         /* the certificates, shared by all workers */
typedef struct cs_net__session cs_net__session; /* one connection */
cs_err cs_net__tls_new(const cs_http_server_options *options, cs_net__tls **out, cs_error *e);
void cs_net__tls_free(cs_net__tls *tls);
/* Reads the files again when they have changed; called now and then, any thread, one at a time. */
void cs_net__tls_refresh(cs_net__tls *tls);
cs_net__session *cs_net__session_new(cs_net__tls *tls, int fd);
void cs_net__session_free(cs_net__session *session);
/* After the handshake: the peer has chosen HTTP/2. */
bool cs_net__session_is_h2(const cs_net__session *session);
/* As read(2) and write(2) on a non-blocking socket: -1 with errno EAGAIN when it has to wait; *want_write says for
 * what. */
ssize_t cs_net__session_read(cs_net__session *session, void *bytes, size_t n, bool *want_write);
ssize_t cs_net__session_write(cs_net__session *session, const void *bytes, size_t n, bool *want_write);
/* Bytes that were decrypted and not yet read. */
size_t cs_net__session_pending(const cs_net__session *session);
/* DER of the peer's certificate in the arena, "" without. */
cs_slice cs_net__session_certificate(cs_net__session *session, cs_arena *arena);

#endif
