/* What the files of server share: the request under way, replies, evaluation, writes. */
#ifndef CS_SERVER_INTERNAL_H
#define CS_SERVER_INTERNAL_H

#include <stdatomic.h>

#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/json.h"
#include "countersign/persisted_query.h"
#include "countersign/server.h"
#include "audit.h"
#include "effects.h"
#include "eval.h"
#include "identity.h"
#include "live.h"
#include "route.h"

/* ---- requests */
typedef struct cs_server__param {
    cs_slice name, value; /* decoded */
} cs_server__param;

/* Who calls, when `identity` is configured: {subject, tenant, roles, groups, source}, else undefined. */
typedef struct cs_server__caller {
    cs_value document;
    cs_value token;    /* input.identity of OPA's token authentication: a string */
    cs_value end_user; /* with a gateway as the caller: whose request it brings, if that one's own token came along */
    bool unknown_key;  /* a token names a key that is not known */
    bool waited;       /* for the keys, once */
} cs_server__caller;

struct cs_server__request {
    cs_server *server;
    cs_server__worker *w;
    cs_http_exchange *x;
    const cs_http_request *http;
    cs_arena *arena;
    const cs_server__route *route;
    cs_slice rest; /* of the path, escaped */
    const cs_server__param *params;
    size_t n_params;
    bool pretty;
    bool checked; /* authorization is done */
    uint64_t number;
    cs_slice id; /* X-Request-Id, taken or made on demand: cs_server__request_id */
    char decision_id[40];
    cs_server__caller caller;
    /* body */
    cs_slice body; /* content coding removed; see cs_server__read_body */
    bool body_read;
    bool authz_parsed; /* the authorizer parsed it: */
    cs_value authz_body;
    /* timers, ns; only where somebody wants them */
    bool timed;
    int64_t started_ns, parse_ns, handler_ns;
    /* reply */
    cs_slice logged_body; /* of the reply, with the log at level debug */
    bool on_control;
    int status;
    const char *content_type;
    cs_server__handler *job;
    cs_server__handler *after; /* a job sets it instead of replying: goes on with it on the worker */
    void *data;                /* the handler's own */
    size_t at;                 /* the handler's own */
    int fields;                /* of the JSON object being written */
    bool indent;
    struct cs_server__grpc *grpc; /* NULL = an ordinary request */
    cs_server__effects *effects;  /* NULL = its result may not ask for any */
    cs_server__audit_state audit;
    cs_server__eval eval;
};

/* Decoded query parameters are parsed once, at the start. NULL if there is none; the last one counts. */
const cs_slice *cs_server__get_param(const cs_server__request *r, const char *name);
/* OPA's reading: present and empty, or any of them "true". */
bool cs_server__flag(const cs_server__request *r, const char *name);
size_t cs_server__parse_params(cs_arena *a, cs_slice query, const cs_server__param **out);
const cs_slice *cs_server__header(const cs_server__request *r, const char *name);
bool cs_server__header_contains(const cs_server__request *r, const char *name, const char *what);
cs_slice cs_server__request_id(cs_server__request *r);
/* Removes the content coding (gzip) under the limits. false: an error was replied. */
bool cs_server__read_body(cs_server__request *r, const char *before);
/* The request's own text for a body beyond the limit. */
void cs_server__too_large(cs_buf *out, const cs_server__request *r);
/* Go's words for a JSON text that could not be read: "EOF" and "unexpected EOF" for what ends too early. */
const char *cs_server__json_words(cs_arena *a, cs_slice text, const cs_error *e);
/* The first JSON value of a text, as Go's decoder takes it. CS_ERR_SYNTAX with *words. */
CS_MUST_CHECK cs_err cs_server__json_first(cs_arena *a, cs_slice text, cs_value *out, const char **words);
/* "array", "object", "number", "string", "bool": Go's name of what a JSON value is. */
const char *cs_server__go_kind(cs_value v);
/* A member whose name matches whatever its case, as Go's decoder does. NULL if there is none. */
const cs_value *cs_server__member(cs_value object, const char *name);
/* data.a["b c"][1] */
cs_slice cs_server__ref_text(cs_arena *a, const cs_value *path, size_t n);
/* "a/b" without slashes at the ends to segments, unescaped; false on a bad escape. `pointer` decodes ~0 and ~1 too. */
bool cs_server__segments(cs_arena *a, cs_slice path, bool pointer, const cs_slice **out, size_t *n);

/* ---- replies: each ends the request. On the control thread they leave it to the job's end. */
void cs_server__send(cs_server__request *r, int status, const char *content_type);
void cs_server__send_empty(cs_server__request *r, int status);
void cs_server__send_text(cs_server__request *r, int status, const char *text);
/* OPA's error envelope, indented. */
void cs_server__fail(cs_server__request *r, int status, const char *code, const char *format, ...) CS_PRINTF(4, 5);
/* With an "errors" array. */
void cs_server__fail_list(cs_server__request *r, int status, const char *code, const char *message, cs_value errors);
/* OPA's ErrorAuto: status and code by what went wrong. */
void cs_server__fail_auto(cs_server__request *r, const cs_error *e);
/* After an evaluation: 500 (or what OPA says) for r->eval. */
void cs_server__fail_eval(cs_server__request *r);
/* stack.c: what the list of errors says of where the evaluation that failed was; `at` is the place of the error. */
cs_value cs_server__stack(cs_server__request *r, cs_value at);
void cs_server__send_value(cs_server__request *r, int status, cs_value v);

/* A JSON object written field by field; pretty as the request says. */
void cs_server__object(cs_server__request *r, bool indent);
void cs_server__field(cs_server__request *r, const char *name, cs_value v);
/* Its objects with their keys in the order in which they were put. */
void cs_server__field_as_made(cs_server__request *r, const char *name, cs_value v);
void cs_server__field_text(cs_server__request *r, const char *name, cs_slice text);
void cs_server__object_end(cs_server__request *r);

/* For cs_journal_told: goes on with r->job, on the worker's loop; or replies that the journal took nothing. */
void cs_server__when_recorded(void *request, const cs_error *error);
/* A job: replies with the value that r->data points to. */
void cs_server__send_data(cs_server__request *r);

/* ---- writes */
/* Runs `job` on the control thread; the reply it gives is sent by the worker, or r->after goes on there. */
void cs_server__on_control(cs_server__request *r, cs_server__handler *job);
/* The same on another thread's loop, for what writes nothing. */
void cs_server__on_loop(cs_server__request *r, cs_loop *loop, cs_server__handler *job);

/* ---- who calls and whether they may */
/* Continues in cs_server__proceed when all is well. */
void cs_server__authorize(cs_server__request *r);
void cs_server__proceed(cs_server__request *r);
cs_value cs_server__caller_of(cs_server__request *r, cs_slice token, cs_error *e);
bool cs_server__caller_has_role(const cs_server__request *r, const char *role);

/* ---- decisions */
/* Counts the outcome and, with a log, writes the record. `path` as in "app/allow". */
void cs_server__record(cs_server__request *r, cs_slice path, cs_slice query, cs_value input, cs_value result,
                       const cs_error *error);
/* The answer that was given before, given again: `body` and `status` of it. */
void cs_server__record_again(cs_server__request *r, int status, cs_slice body);
/* Sets r->decision_id when decisions are logged. */
void cs_server__make_decision_id(cs_server__request *r);
/* {"timer_…": ns}: the timers of the request. */
typedef struct cs_server__timer {
    const char *name;
    int64_t ns; /* 0 = left out */
} cs_server__timer;
cs_value cs_server__metrics(cs_server__request *r, const cs_server__timer *timers, size_t n, bool with_hit);

/* ---- facts that the server knows better than who asks (facts.c) */
/* Sets now, actor, cost and graphql.digest of a countersign/v1 input. `input` is an object that may be changed. */
void cs_server__fill_facts(cs_server__request *r, cs_value input, bool trust_actor);

/* ---- bundles and plugins (status.c) */
typedef struct cs_server__status cs_server__status;
/* When, as signed, the active bundle of that name was made (iat); 0 = unknown or none. */
int64_t cs_server__status_iat(cs_server__status *s, cs_slice name);
cs_server__status *cs_server__status_new(void);
/* {"name", "revision", "digest", "activated_at"} of the active bundle, or undefined. */
cs_value cs_server__status_bundle(cs_server__status *s, cs_arena *a, cs_slice name);
void cs_server__status_forget(cs_server__status *s, cs_slice name);
void cs_server__status_free(cs_server__status *s);
void cs_server__status_timers(cs_server__status *s, cs_slice name, int64_t parse_ns, int64_t compile_ns);
bool cs_server__discovery_ready(cs_server__status *s); /* true if there is none */
/* Names of the bundles not active yet, separated by ", "; empty if all are. */
void cs_server__status_waiting(cs_server__status *s, cs_buf *out);
/* {"http_request_duration_seconds": {"name", "help", "type", "metric": […]}, …} (families.c) */
cs_value cs_server__metric_families(cs_server *server, cs_arena *a);
/* {"bundle": "OK", …} */
cs_value cs_server__plugin_states(cs_server *server, cs_arena *a, bool *all_ok);

/* ---- pushed bundles (activate.c) */
/* As cs_server_activate, without a record in the audit log. */
CS_MUST_CHECK cs_err cs_server__activate(cs_server *server, const cs_bundle *const *bundles, size_t n,
                                         cs_errors *errors, cs_error *e);
/* Reads and verifies what was pushed under a name of `push`. CS_ERR_BUNDLE_INVALID. */
cs_err cs_server__verify_push(const cs_server *server, cs_slice name, cs_slice archive, cs_bundle **out, cs_error *e);
/* r->body of a request that brings an archive, perhaps in base64. */
void cs_server__bundle_body(cs_server__request *r);
bool cs_server__body_mangled(const cs_server__request *r);
/* Are the tenants, people and operations of these documents what they must be, and those of the bundle's files? */
cs_err cs_server__check_documents(cs_server *server, cs_value data, const cs_bundle *bundle, cs_arena *a, cs_error *e);
/* data[root], or data[root][name]; undefined if it is not there. */
cs_value cs_server__document(cs_value data, const char *root, const char *name);
/* Where it is kept. */
void cs_server__push_path(const cs_server *server, cs_slice name, cs_buf *path);

struct cs_server__worker {
    cs_server *server;
    unsigned index;
    cs_loop *loop;
    cs_store_reader *reader;
    cs_host host;
    cs_server__request *current; /* for print() */
    cs_server__request *waiting; /* whose evaluations wait for the network */
    cs_network probe;            /* of strict evaluations: eval.c */
    cs_host strict_host;         /* `host` with it */
    bool probed;                 /* somebody asked it */
    cs_buf record_room;          /* for records of decisions */
    uint8_t random[2048];        /* for ids: random bytes come cheaper by the dozen */
    size_t random_left;          /* of them, unused */
    cs_map series;               /* handles of metrics, by what they count */
    cs_series *duration;
};

struct cs_server {
    cs_server_options o;
    cs_http_server *http;
    cs_server__worker *workers;
    unsigned n_workers;
    cs_server__identity *identity; /* NULL = not configured */
    cs_server__status *status;
    struct cs_override *override; /* NULL = not declared under push */
    cs_pq_drift *drift;
    _Atomic uint64_t requests;
    struct {
        cs_mutex lock;
        int64_t second;
        uint32_t n, left_out;
    } refusals; /* recorded in this second */
    _Atomic bool plugins_ok_once;
    cs_arena arena;
    _Atomic(const cs_server__named *) authz; /* the authorization decision */
    struct {
        cs_mutex lock;
        cs_config *config;    /* NULL = that of the start */
        cs_value labels;      /* live with it */
        bool bundles, status; /* there are, or were, such sections */
    } live;
    const cs_value *gateway_path;
    size_t n_gateway_path;
    cs_slice gateway_key;
    uint64_t request_seed; /* made request ids begin with it */
};

#endif
