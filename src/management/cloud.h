/* Credentials of clouds, for the requests of a service. */
#ifndef CS_MANAGEMENT_CLOUD_H
#define CS_MANAGEMENT_CLOUD_H

#include "countersign/net.h"
#include "countersign/value.h"
#include "management/service.h"

/* ---- aws_sign.c: Signature Version 4 */
typedef struct cs_aws_credentials {
    cs_slice access, secret, region, token; /* token: "" = none */
} cs_aws_credentials;

typedef struct cs_aws_request {
    const char *method, *url;
    const cs_http_header *headers; /* signed as well, but those that proxies may change */
    size_t n_headers;
    cs_slice body, service; /* "s3" */
} cs_aws_request;
enum { CS_AWS_HEADERS = 4 };
/* The headers to be added: at most CS_AWS_HEADERS, Authorization among them. In `a`. */
size_t cs_aws_sign(cs_arena *a, const cs_aws_request *request, const cs_aws_credentials *credentials, int64_t now_ns,
                   cs_http_header *out);

/* ---- aws.c: where these come from, in the order of OPA: the environment, an assumed role, a web identity, a profile,
 * the metadata service. What came over the network is kept until it ends in less than five minutes. */
typedef struct cs_aws_kept {
    cs_buf access, secret, token;
    int64_t ends_ns; /* wall clock; 0 = nothing is kept */
} cs_aws_kept;
void cs_aws_kept_init(cs_aws_kept *kept);
void cs_aws_kept_destroy(cs_aws_kept *kept);
/* `settings` is s3_signing of the configuration. Texts of errors are OPA's. */
CS_MUST_CHECK cs_err cs_aws_find(cs_arena *a, cs_value settings, cs_aws_kept *kept, const _Atomic bool *stop,
                                 cs_aws_credentials *out, cs_error *e);

/* ---- cloud.c: bearer tokens of metadata services, asked for at each request as in OPA */
CS_MUST_CHECK cs_err cs_gcp_token(cs_arena *a, cs_value settings, const _Atomic bool *stop, cs_slice *out, cs_error *e);
CS_MUST_CHECK cs_err cs_azure_token(cs_arena *a, cs_value settings, const _Atomic bool *stop, cs_slice *out,
                                    cs_error *e);

/* A text of the settings, else of the environment variable (NULL = none), else "". */
cs_slice cs_cloud_setting(cs_value settings, const char *name, const char *variable);

#endif
