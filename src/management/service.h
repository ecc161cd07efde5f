/* A service of the configuration: another server that has bundles, or takes status and decision logs. Requests carry
 * its headers and its credentials, as OPA's do (docs/docs/configuration.md, "Services").
 *
 * Requests block: for threads that may wait. Any thread; several at once. */
#ifndef CS_MANAGEMENT_SERVICE_H
#define CS_MANAGEMENT_SERVICE_H

#include "countersign/config.h"
#include "countersign/net.h"

typedef struct cs_service cs_service;

/* Keeps `config`, which `service` is of. `stop`, once true, ends requests under way within a second; NULL = none. Never
 * fails: what cannot work (a key that cannot be read) is said by each request. */
cs_service *cs_service_new(cs_config *config, const cs_config_service *service, const _Atomic bool *stop);
cs_service *cs_service_retain(cs_service *service); /* one owner more */
void cs_service_free(cs_service *service);          /* one less; NULL is fine */

typedef struct cs_service_request {
    const char *method; /* NULL = GET */
    cs_slice path;      /* below the service's URL; slashes at its ends do not matter */
    const cs_http_header *headers;
    size_t n_headers; /* at most CS_SERVICE_HEADERS */
    cs_slice body;
    int64_t head_wait_ns;     /* how long the head of the answer may take; 0 = as configured */
    int64_t timeout_ns;       /* of the whole; 0 = ten minutes */
    uint64_t max_bytes;       /* of the answer; 0 = the limit json_bytes */
    const _Atomic bool *stop; /* ends this request; NULL = the service's does */
} cs_service_request;
enum { CS_SERVICE_HEADERS = 16 };

/* Errors as cs_http_fetch, in front of which stand those of the credentials: CS_ERR_IO (a file, the token endpoint),
 * CS_ERR_INVALID (a key). Any status is an answer. */
CS_MUST_CHECK cs_err cs_service_do(cs_service *service, const cs_service_request *request, cs_http_answer *out,
                                   cs_error *e);

#endif
