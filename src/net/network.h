/* What the files of the client network share (http_client_network.c, http_client_transfer.c, http_client_words.c,
 * lookup.c). Private to net. */
#ifndef CS_NET_NETWORK_H
#define CS_NET_NETWORK_H

#include "countersign/base/arena.h"
#include "countersign/base/network.h"
#include "countersign/base/thread.h"
#include "countersign/net.h"

typedef struct cs_net__transfer cs_net__transfer;

typedef enum cs_net__exchange_state {
    CS_NET__QUEUED, /* in a list that nobody has taken up */
    CS_NET__RUNNING,
    CS_NET__OVER
} cs_net__exchange_state;

/* `state`, `abandoned`, `wake` and the lists' links are guarded by the network's lock; the answer is written by the
 * thread that runs the exchange, and read by its owner when it is over. */
struct cs_exchange {
    struct cs_net__network *network;
    cs_exchange *next;
    cs_net__exchange_state state;
    bool abandoned; /* the owner has ended it: whoever runs it frees it */
    bool counted;
    cs_exchange_wake *wake;
    void *self;
    int64_t begin_ns; /* on the monotonic clock */
    cs_exchange_request request;
    cs_exchange_answer answer;
    cs_arena arena; /* of the request's copy and the answer */
    cs_net__transfer *transfer;
};

typedef struct cs_net__network {
    cs_network shape; /* first: a cs_network is one of these */
    cs_mutex lock;
    cs_cond over; /* somebody's exchange is over; or the network ends */
    uint64_t under_way;
    bool stop;
    /* the thread of transfers, started with the first exchange */
    cs_thread thread;
    void *multi;
    cs_exchange *incoming;
    bool started;
    const char *(*env)(const char *name);
    /* threads of lookups, likewise */
    cs_thread lookup_threads[4];
    size_t n_lookup_threads;
    size_t idle_lookups;
    cs_exchange *lookups, **last_lookup;
    cs_cond lookup_wanted;
} cs_net__network;

/* The answer stands: tells the owner, or frees the exchange if there is none any more. Any thread, without the lock. */
void cs_net__exchange_over(cs_exchange *x);
/* "…" as the failure of an exchange, in its arena. */
void cs_net__exchange_failed(cs_exchange *x, cs_exchange_failure failure, const char *format, ...) CS_PRINTF(3, 4);

/* "lookup a.b on 10.0.0.1:53: no such host" (lookup.c) */
void cs_net__words_lookup(cs_buf *out, cs_slice name, const char *why);

/* ---- lookup.c. With the lock held. */
void cs_net__lookup_start(cs_exchange *x);
/* Ends the threads that wait for work; one in the middle of a lookup is waited for. */
void cs_net__lookup_stop(cs_net__network *n);

/* ---- http_client_transfer.c: one HTTP request on one handle of libcurl. On the network's thread. */
typedef void cs_net__curl;
cs_net__curl *cs_net__transfer_new(cs_exchange *x);
/* libcurl's verdict to the exchange's answer; frees the transfer. */
void cs_net__transfer_over(cs_exchange *x, int curl_code);
void cs_net__transfer_free(cs_net__transfer *t);

/* ---- http_client_words.c: failures as Go's net/http tells them */
struct sockaddr;
/* "dial tcp 127.0.0.1:80: connect: connection refused" */
void cs_net__words_dial(cs_buf *out, const struct sockaddr *to, size_t size, int error);
/* "[::1]:80" */
void cs_net__words_address(cs_buf *out, const struct sockaddr *to, size_t size);
/* "connection refused" */
void cs_net__words_errno(cs_buf *out, int error);
/* Why a certificate did not do: OpenSSL's verify result; with 0 the name does not fit, and `names` is the text of its
 * subjectAltName ("DNS:localhost, IP Address:127.0.0.1"), NULL without one. */
void cs_net__words_certificate(cs_buf *out, long verify_result, const char *names, cs_slice host);
/* "remote error: tls: certificate required" for OpenSSL's "… alert certificate required …"; false if it is no alert. */
bool cs_net__words_alert(cs_buf *out, const char *openssl);

#endif
