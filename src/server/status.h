/* What is known of the bundles and of what is sent: status.c keeps it, status_metrics.c has the figures. */
#ifndef CS_SERVER_STATUS_H
#define CS_SERVER_STATUS_H

#include <stdio.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "countersign/version.h"
#include "internal.h"

typedef struct cs_server__bundle_state {
    cs_buf name, revision, digest, message;
    cs_buf errors; /* of the policy, as JSON; "" = none */
    bool expected, active, failing;
    bool delta; /* the last archive */
    int64_t iat, activated_ns, tried_ns;
    int64_t requested_ns, answered_ns, downloaded_ns; /* the last request, the last good answer, the last archive */
    int refused;                  /* HTTP status of the last answer, if it was no good one; else 0 */
    uint64_t coming_bytes, bytes; /* of the last archive, and of the active one */
    int64_t request_ns, load_ns, parse_ns, compile_ns; /* how long these took; 0 = unknown */
} cs_server__bundle_state;

struct cs_server__status {
    cs_mutex lock;
    CS_VEC(cs_server__bundle_state *) bundles;
    cs_server__bundle_state *discovery; /* NULL = there is none */
    bool logs_sent;                     /* something is known of the decision log's uploads: */
    cs_buf logs_message;                /* "" = the last one went well */
    int logs_refused;                   /* HTTP; 0 = there was no answer */
    void (*changed)(void *self);
    void *changed_self;
};

/* Counts, with status.prometheus: something has changed. Not under the lock. */
void cs_server__status_count(cs_server *server);
/* Has the figures of the moment asked for, or (the server ends) not any more. */
void cs_server__status_measure(cs_server *server, bool on);

#endif
