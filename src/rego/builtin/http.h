/* What the files of http.send share: http.c runs it, http_request.c reads the request object, http_response.c makes the
 * answer, http_fresh.c knows how long an answer stays fresh, http_cache.c keeps answers from one evaluation to the
 * next. The words of errors and the rules of caching are OPA's (v1/topdown/http.go). */
#ifndef CS_REGO_BUILTIN_HTTP_H
#define CS_REGO_BUILTIN_HTTP_H

#include "rego/builtin/internal.h"
#include "rego/builtin/uri.h"

/* How a failure is told when raise_error is false. */
typedef enum cs_http_fault {
    CS_HTTP_FINE,
    CS_HTTP_OPERAND, /* of the wrong kind: with the place of the call */
    CS_HTTP_PLACED,  /* any other, with the place of the call */
    CS_HTTP_BARE,    /* the same without it */
    CS_HTTP_NETWORK  /* of the network */
} cs_http_fault;

typedef struct cs_http_failure {
    cs_http_fault fault;
    cs_slice text;      /* without "http.send: " */
    cs_slice timed_out; /* NETWORK: what is said instead when it is raised; "" = the same */
} cs_http_failure;

cs_http_failure cs_http__failure(cs_call *call, cs_http_fault fault, const char *format, ...) CS_PRINTF(3, 4);
static inline bool cs_http__failed(const cs_http_failure *f)
{
    return f->fault != CS_HTTP_FINE;
}

/* ---- http_request.c: the request object. Each answers what is wrong with it. */
typedef struct cs_http_plan {
    cs_slice method; /* upper case */
    cs_url url;
    cs_slice body;
    const cs_exchange_field *headers; /* canonical names; without Host */
    size_t n_headers;
    cs_slice host; /* the header Host; "" = the URL's */
    bool custom;   /* there are headers */
    bool enable_redirect, insecure, fresh;
    int64_t timeout_ns; /* 0 = none */
    cs_slice unix_path, server_name, ca, certificate, key;
} cs_http_plan;
cs_http_failure cs_http__check_keys(cs_call *call, cs_value request);
/* What the caches know the request by. */
cs_http_failure cs_http__cache_key(cs_call *call, cs_value request, cs_value *key);
cs_http_failure cs_http__make_plan(cs_call *call, cs_value request, cs_http_plan *out);
/* false if it is not there. */
cs_http_failure cs_http__flag(cs_call *call, cs_value request, const char *name, bool *out);
cs_http_failure cs_http__retries(cs_call *call, cs_value request, int64_t *out);
/* Whether the cache of many evaluations is used; *force_seconds is 0 without force_cache. */
cs_http_failure cs_http__cache_use(cs_call *call, cs_value request, bool *use, int64_t *force_seconds);
/* A URL that is to be sent: "" and the text of the request line's URL, or why not ("no Host in request URL"). */
cs_slice cs_http__unsendable(cs_call *call, const cs_http_plan *plan);
/* May the network be asked for that host (capabilities' allow_net)? */
bool cs_http__host_allowed(const cs_host *host, cs_slice name);
/* "content-type" to "Content-Type"; what is no token stays. */
cs_slice cs_http__canonical(cs_arena *a, cs_slice name);

/* ---- http_response.c */
typedef struct cs_http_response {
    int status;
    cs_slice status_text;
    const cs_exchange_field *headers; /* canonical names, in the order in which they came */
    size_t n_headers;
    cs_slice body; /* content coding removed */
} cs_http_response;
/* Copies an answer out of an exchange; `gzip`: we asked for it, and take it off again. */
cs_http_failure cs_http__take_response(cs_call *call, const cs_exchange_answer *answer, bool gzip,
                                       cs_http_response *out);
/* The first value of a header; "" without one. The name as cs_http__canonical has it. */
cs_slice cs_http__header(const cs_http_response *r, const char *name);
/* {status, status_code, body, raw_body, headers} */
cs_value cs_http__to_value(cs_call *call, const cs_http_response *r, bool force_json, bool force_yaml);
/* One of the statuses that may be remembered. */
bool cs_http__cacheable(int status);

/* ---- http.c, for others than http.send */
#define CS_HTTP_SCHEMA_HOPS 10
#define CS_HTTP_SCHEMA_NS INT64_C(30000000000)
typedef struct cs_http_job cs_http_job;
/* GET of a schema, redirects followed. *of is NULL at first. false: not over yet, call again with the same. true: *r
 * is the answer unless there is a failure in *f. `url` must live as long as the evaluation. */
bool cs_http__get(cs_call *call, cs_http_job **of, const cs_url *url, cs_http_response *r, cs_http_failure *f);

/* ---- http_fresh.c */
#define CS_HTTP_NEVER INT64_MIN /* an answer that says nothing of its end is stale from the start */
bool cs_http__may_store(const cs_http_response *r);
cs_http_failure cs_http__expiry(cs_call *call, const cs_http_response *r, int64_t *ns);

/* ---- http_cache.c */
typedef struct cs_http_entry {
    cs_http_response response;
    int64_t expires_ns; /* or CS_HTTP_NEVER */
} cs_http_entry;
/* A copy in the arena; false if it is not there. Any thread. */
bool cs_http__cache_get(cs_http_cache *cache, cs_arena *a, cs_slice key, int64_t wall_ns, cs_http_entry *out);
void cs_http__cache_put(cs_http_cache *cache, cs_slice key, int64_t wall_ns, const cs_http_entry *entry);
void cs_http__cache_remove(cs_http_cache *cache, cs_slice key);

#endif
