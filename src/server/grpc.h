/* Calls of Envoy's gRPC service. */
#ifndef CS_SERVER_GRPC_H
#define CS_SERVER_GRPC_H

#include "server/internal.h"

/* Where checks over HTTP come in. */
#define CS_SERVER__GATEWAY_ENVOY "/v1/authz/envoy"

typedef struct cs_server__grpc {
    cs_slice attributes; /* AttributeContext */
    cs_slice principal;  /* of the source: who the client is, by its certificate */
    bool asked;          /* the policy decides: the answer is a CheckResponse */
} cs_server__grpc;

bool cs_server__grpc_takes(const cs_http_request *http);
/* Reads the call; r->http becomes the request that Envoy would have sent over HTTP. false: the call is over. */
bool cs_server__grpc_enter(cs_server__request *r);
/* {"name": "value"}, the extensions that the route has; undefined without. */
cs_value cs_server__grpc_context(cs_server__request *r);
void cs_server__grpc_reply(cs_server__request *r, int status, const char *content_type);

#endif
