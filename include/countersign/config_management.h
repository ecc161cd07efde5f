/* What the configuration says of OPA's management APIs: services, bundles, decision logs. Owned and immutable as
 * everything in config.h. */
#ifndef CS_CONFIG_MANAGEMENT_H
#define CS_CONFIG_MANAGEMENT_H

#include "countersign/value.h"

/* credentials.oauth2 of a service */
typedef struct cs_config_oauth2 {
    bool jwt_bearer; /* grant_type; otherwise client_credentials */
    cs_slice token_url, client_id, client_secret;
    cs_slice signing_key, thumbprint; /* "" = no assertion is signed */
    cs_slice assertion_type, assertion, assertion_path;
    const cs_slice *scopes;
    size_t n_scopes;
    cs_value claims, headers, parameters; /* objects */
    bool jti;
} cs_config_oauth2;

typedef struct cs_config_service {
    cs_slice name, url;
    cs_slice bearer_token;                                 /* credentials.bearer.token; "" without one */
    cs_slice bearer_token_path;                            /* re-read at every request */
    cs_slice bearer_scheme;                                /* "Bearer" */
    cs_slice client_cert, client_key, client_key_password; /* credentials.client_tls: files; "" without */
    const cs_config_oauth2 *oauth2;                        /* NULL without */
    cs_value s3_signing, gcp_metadata, azure_identity;     /* as written; undefined without */
    cs_slice ca_cert;                                      /* tls.ca_cert */
    bool system_ca;                                        /* trust the system's as well */
    bool allow_insecure_tls;
    int64_t response_header_timeout_ns;
    cs_value headers; /* object of strings */
} cs_config_service;

typedef struct cs_config_decision_logs {
    bool console;
    cs_slice mask_decision;  /* "/system/log/mask" */
    cs_slice drop_decision;  /* "/system/log/drop" */
    cs_slice service;        /* that takes them; "" = none */
    cs_slice resource;       /* "/logs" */
    const cs_slice *headers; /* request_context.http.headers: names of what is recorded */
    size_t n_headers;
    /* reporting */
    bool immediate, manual; /* trigger; else periodic */
    bool by_events;         /* buffer_type: event */
    uint64_t buffer_bytes;  /* what may wait; 0 = limits.decision_log_bytes */
    uint64_t buffer_events;
    uint64_t upload_bytes; /* of a chunk */
    double max_per_second; /* 0 = as many as come */
    int64_t min_delay_ns, max_delay_ns;
} cs_config_decision_logs;

typedef struct cs_config_bundle {
    cs_slice name;
    cs_slice service;  /* "" for file:// resources */
    cs_slice resource; /* "bundles/<name>", "file:///path" or, for a bundle named with -b, a path */
    cs_slice path;     /* local path of a file:// resource; "" otherwise */
    int64_t min_delay_ns, max_delay_ns;
    int64_t long_poll_s;   /* how long the server may wait with its answer; 0 = no long polling */
    int64_t superseded_ns; /* how long etags of replaced bundles are sent; 0 = not */
    bool triggered;        /* `trigger` was said */
    bool manual;           /* trigger: manual */
    bool signing;          /* a `signing` block: the bundle must be signed */
    bool unsigned_deltas;  /* signing.allow_unsigned_delta_bundles */
    cs_slice keyid, scope;
    const cs_slice *exclude_files;
    size_t n_exclude_files;
    bool persist;
    uint64_t size_limit_bytes;
    cs_value document; /* as written */
} cs_config_bundle;

/* Configuration that comes out of a bundle. */
typedef struct cs_config_discovery {
    bool configured;
    cs_config_bundle bundle; /* where it comes from; its name is "discovery" */
    cs_slice query;          /* what of it is the configuration: "data.a.b" */
    cs_slice folder;         /* under which a copy is kept: `name`, or "discovery" */
} cs_config_discovery;

#endif
