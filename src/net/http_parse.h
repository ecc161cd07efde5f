/* Requests of HTTP/1.1: pure, bytes in, facts out. For the files of net, and for the fuzz target. */
#ifndef CS_NET_HTTP_PARSE_H
#define CS_NET_HTTP_PARSE_H

#include "countersign/net.h"

typedef enum cs_net__parsed { CS_NET__MORE, CS_NET__DONE, CS_NET__BAD } cs_net__parsed;

/* The head of a request; the slices point into the text. */
typedef struct cs_net__head {
    cs_slice method, target, path, query, host;
    cs_http_header *headers; /* room for `cap_headers`, given by the caller */
    size_t n_headers, cap_headers;
    uint64_t content_length;
    bool has_length;
    bool chunked;
    bool keep_alive;
    bool expect_continue;
    bool old;       /* HTTP/1.0 */
    size_t size;    /* bytes of the head, blank line included */
    int bad_status; /* with CS_NET__BAD: the status to answer, and why */
    const char *why;
} cs_net__head;

/* Path, query and (in absolute form) host out of head->target. false: there is no reading of it. */
bool cs_net__split_target(cs_net__head *head);

/* `seen` is how much of the text was searched before without finding the end of the head. */
cs_net__parsed cs_net__parse_head(const char *text, size_t n, size_t seen, size_t max_bytes, cs_net__head *head);

/* A chunked body as it comes in. Zeroed at the start. */
typedef struct cs_net__chunks {
    uint64_t left;   /* data bytes of the current chunk still to come */
    uint8_t state;   /* 0 size line, 1 data, 2 CRLF behind data, 3 trailers */
    size_t trailers; /* bytes of trailers read */
} cs_net__chunks;

/* Takes what it can from text[0..n), appends data to *out; *used is how much it took. CS_NET__BAD: malformed, or (with
 * *too_large) more than `max` bytes in all. */
cs_net__parsed cs_net__parse_chunks(cs_net__chunks *c, const char *text, size_t n, size_t *used, cs_buf *out,
                                    uint64_t max, bool *too_large);

#endif
