/* HTTP/2 on one connection of a worker: bytes in, bytes out; what comes in between are exchanges for the handlers. No
 * socket, no event: the connection (http_connection.c) has those. All on the worker's thread. */
#ifndef CS_NET_HTTP2_H
#define CS_NET_HTTP2_H

#include "net/http_connection.h"

#define CS_NET__TRAILERS_MAX 8

typedef struct cs_net__h2_owner {
    cs_net__conns *all; /* handlers, pool of exchanges, date */
    cs_net__conn *c;    /* what exchanges belong to */
    cs_slice peer;
    cs_net__session *tls; /* NULL without */
    int tag;
} cs_net__h2_owner;

/* What is in *owner must outlive it. The peer's preface is still to be fed. */
cs_net__h2 *cs_net__h2_new(const cs_net__h2_owner *owner);
/* Exchanges that were not answered go back to the pool. */
void cs_net__h2_free(cs_net__h2 *h2);
/* Bytes from the peer. Handlers run in here, and may reply in here. */
void cs_net__h2_feed(cs_net__h2 *h2, const char *bytes, size_t n);
/* Appends frames for the peer, some at a time; 0 = there are none. */
size_t cs_net__h2_pull(cs_net__h2 *h2, cs_buf *out);
/* Nothing more will be read or written once what was pulled is written. */
bool cs_net__h2_over(const cs_net__h2 *h2);
/* false: so much waits to be written that nothing should be read now. */
bool cs_net__h2_reads(const cs_net__h2 *h2);
/* Exchanges that handlers have. */
size_t cs_net__h2_busy(const cs_net__h2 *h2);
/* No stream is there. */
bool cs_net__h2_quiet(const cs_net__h2 *h2);

/* What the functions of net.h do for exchanges of HTTP/2. */
void cs_net__h2_reply(cs_http_exchange *x, int status, const char *content_type);
void cs_net__h2_add_trailer(cs_http_exchange *x, cs_slice name, cs_slice value);
void cs_net__h2_on_gone(cs_http_exchange *x, cs_loop_fn *gone, void *self);
/* Tells one handler whose stream has ended (or any, with `all`); false = there is none to tell. */
bool cs_net__h2_tell_gone(cs_net__h2 *h2, bool all);
/* Tells the handlers of what they have not answered that it goes away. */
void cs_net__h2_drop(cs_net__h2 *h2);

/* Announces the end: streams that are there are answered, then it is over. */
void cs_net__h2_shutdown(cs_net__h2 *h2);
/* Ends at once, with a word to the peer. */
void cs_net__h2_end(cs_net__h2 *h2);
/* Now and then: resets streams whose peer does nothing; true = the whole connection is overdue. */
bool cs_net__h2_sweep(cs_net__h2 *h2, int64_t now_mono_ns);

#endif
