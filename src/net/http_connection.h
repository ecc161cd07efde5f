/* The connections of one worker of the HTTP server: what the server needs to know of them. They live on the worker's
 * thread, and so do all of these functions. */
#ifndef CS_NET_HTTP_CONNECTION_H
#define CS_NET_HTTP_CONNECTION_H

#include "net/internal.h"

typedef struct cs_net__conn cs_net__conn;

typedef struct cs_net__conns {
    /* Set by the server before the first connection: */
    const cs_http_handlers *handlers;
    cs_net__tls *tls; /* NULL without */
    bool h2c;         /* HTTP/2 without TLS is spoken */
    cs_loop *loop;
    unsigned worker;
    cs_loop_fn *gone; /* called with `self` when the last one goes while `draining` */
    void *self;
    /* Kept by the server: */
    char date[30]; /* as the header Date has it */
    bool draining; /* a reply is a connection's last one */
    /* Kept by the connections: */
    cs_net__conn *first;
    size_t n;
    cs_http_exchange *pool;
} cs_net__conns;

/* Takes an accepted, non-blocking socket over. `tag` is that of the address it came by. */
void cs_net__conn_new(cs_net__conns *all, int fd, const struct sockaddr_storage *from, int tag, bool tls);
/* Closes those that have been quiet for too long. */
void cs_net__conns_close_overdue(cs_net__conns *all, int64_t now_mono_ns);
/* Answers what has come in and closes those that wait for nothing; the others go with their replies. */
void cs_net__conns_close_idle(cs_net__conns *all);
/* Closes them all; handlers hear of the requests that they had not answered. */
void cs_net__conns_drop(cs_net__conns *all);

#endif
