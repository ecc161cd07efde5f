/* A request that a gateway asks about (gateway.c), and what Apollo's Router wants otherwise (gateway_apollo.c). */
#ifndef CS_SERVER_GATEWAY_H
#define CS_SERVER_GATEWAY_H

#include "internal.h"

typedef struct cs_server__gateway {
    const char *kind;             /* input.gateway.kind */
    cs_slice method, path, query; /* of the request that the gateway holds */
    bool header_only;             /* no body ever, reasons only in headers, only 401 and 403 */
    cs_value call;                /* the Router's, an object; undefined = another gateway's */
} cs_server__gateway;

/* Asks the policy; r->http has the headers and the body of what the gateway holds. */
void cs_server__gateway_ask(cs_server__request *r, const cs_server__gateway *g);

/* The body of the reply to the Router: the client's request goes on, or ends with that status, body and headers. */
void cs_server__apollo_continue(cs_server__request *r, cs_value call, cs_value headers);
void cs_server__apollo_break(cs_server__request *r, cs_value call, int status, cs_value body, cs_value headers);
/* The body of a refusal that is not the policy's. */
cs_value cs_server__apollo_error(cs_server__request *r, const char *code, const char *message);

#endif
