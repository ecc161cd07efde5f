/* The configuration in force, which discovery may change. */
#ifndef CS_SERVER_LIVE_H
#define CS_SERVER_LIVE_H

#include "countersign/config.h"
#include "countersign/server.h"
#include "route.h"

typedef struct cs_server__named {
    const cs_value *path; /* keys */
    size_t n;
    cs_slice key; /* under which worlds keep it prepared */
} cs_server__named;

typedef struct cs_server__live {
    cs_config *held;
    const cs_config *config; /* good until cs_server__live_put, as are the labels */
    cs_value labels;
    bool bundles, status; /* there are bundles, and somebody who takes status */
} cs_server__live;
void cs_server__live_init(cs_server *s);
void cs_server__live_destroy(cs_server *s);
void cs_server__live_authz(cs_server *s, cs_slice path);
cs_server__live cs_server__live_get(cs_server *s);
void cs_server__live_put(cs_server__live live);
/* In the request's arena. */
cs_slice cs_server__default_decision(cs_server__request *r);

#endif
