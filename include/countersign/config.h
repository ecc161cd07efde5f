/* The configuration: OPA's file and our sections. Every option is a row of src/config/options.def (path, type, range,
 * default, secret, help); whoever needs a value reads the typed struct below.
 *
 * Strength, weakest first: row default, file (YAML or JSON, ${NAME} replaced from the environment before parsing),
 * --set and
 * --set-file in the order given, and for the keys under `pq` the environment itself (PQ_PHASE, PQ_BYPASS,
 * PQ_INTROSPECTION). All problems are collected, each with file and line; unknown keys are errors in our sections and
 * warnings in OPA's.
 *
 * Ownership: everything in a cs_config lives in its arena until the last cs_config_free. Immutable after loading, so
 * any thread may read. */
#ifndef CS_CONFIG_H
#define CS_CONFIG_H

#include <stdatomic.h>

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/config_management.h"
#include "countersign/config_webhook.h"
#include "countersign/value.h"

typedef struct cs_config_key {
    cs_slice id;
    cs_slice key; /* PEM or secret; "" if only a private key is given */
    cs_slice private_key;
    cs_slice algorithm; /* "RS256" */
    cs_slice scope;
} cs_config_key;

/* A setting that is handed on to a library. Both end in a NUL that is not counted. */
typedef struct cs_config_property {
    cs_slice name, value;
} cs_config_property;

typedef struct cs_config_push {
    cs_slice name;
    cs_slice keyid; /* the key among `keys` that must have signed */
    cs_slice scope; /* the signature's scope must equal it */
} cs_config_push;

typedef struct cs_config {
    _Atomic unsigned refs;
    cs_arena arena;
    cs_slice file;     /* "" without a file */
    cs_value document; /* all that was said, merged, defaults not included; secrets included */

    /* OPA's */
    cs_config_service *services;
    size_t n_services;
    cs_config_bundle *bundles;
    size_t n_bundles;
    cs_config_key *keys;
    size_t n_keys;
    cs_value labels;                         /* object of strings; `id` and `version` are the server's to add */
    cs_slice default_decision;               /* "/system/main" */
    cs_slice default_authorization_decision; /* "/system/authz/allow" */
    cs_slice persistence_directory;          /* "" = .opa under the working directory */
    bool nd_builtin_cache;                   /* decisions tell the calls of nondeterministic functions */
    cs_config_discovery discovery;
    cs_config_decision_logs decision_logs;
    struct {
        bool console, prometheus;
        cs_slice service, partition;   /* "" = none */
        bool manual;                   /* trigger: manual */
        const double *loading_buckets; /* prometheus_config…bundle_loading_duration_ns.buckets */
        size_t n_loading_buckets;      /* 0 = the default ones */
    } status;
    struct {
        int64_t max_size_bytes, threshold_percent, stale_period_ns;
    } inter_query_cache; /* caching.inter_query_builtin_cache */
    struct {
        uint64_t decoding_max_length, decoding_gzip_max_length;
        uint64_t encoding_gzip_min_length;
        int encoding_gzip_level;
        const double *duration_buckets; /* metrics.prom.http_request_duration_seconds.buckets */
        size_t n_duration_buckets;      /* 0 = the default ones */
        uint64_t workers;               /* 0 = as many as cores */
    } server;

    /* ours: a section is configured when it stands in the file, even empty */
    struct {
        bool configured;
        cs_slice sqlite_path;   /* "state/journal.db" */
        cs_slice sqlite_sync;   /* "full" or "normal" */
        cs_slice snapshot_path; /* "" = the journal's path with ".snapshot" behind */
        int64_t snapshot_interval_ns;
        bool kafka;             /* then all that follows is set, and the file is not used */
        cs_slice kafka_brokers; /* "host:port,host:port" */
        cs_slice kafka_spend, kafka_own, kafka_dead_letter;
        const cs_config_property *kafka_properties;
        size_t n_kafka_properties;
    } journal;
    struct {
        bool configured;
        int64_t dedupe_ns, max_lateness_ns, stale_after_ns, replay_ns;
        cs_slice costs;    /* path; "" = beside the journal */
        cs_slice on_stale; /* "deny", "allow" or "degrade" */
    } spend;
    struct {
        bool configured;
        cs_slice evidence; /* "verified" or "asserted" */
        cs_config_webhook *webhooks;
        size_t n_webhooks;
    } approvals;
    struct {
        cs_slice decision;       /* "countersign/authz/result" */
        const cs_slice *effects; /* paths whose results may ask for effects */
        size_t n_effects;
    } gateways;
    cs_config_push *push;
    size_t n_push;
    struct {
        bool configured;
        int64_t max_ttl_ns;
        const cs_slice *roots;
        size_t n_roots;
        cs_slice role;
        uint64_t signatures;
        const cs_slice *countersigners; /* ids of keys */
        size_t n_countersigners;
    } overrides;
    struct {
        bool configured;
        bool jwt;                     /* identity.jwt is there */
        cs_slice jwks_file, jwks_url; /* one of them */
        int64_t jwks_refresh_ns;
        cs_slice issuer, audience;
        const cs_slice *algorithms; /* names that cs_sig_alg_find knows; never "none" */
        size_t n_algorithms;
        int64_t leeway_ns;
        cs_slice claim_subject, claim_tenant, claim_roles, claim_groups;
        cs_slice tokens_file;
        bool mtls;           /* identity.mtls is there */
        cs_value mtls_roles; /* object: name → role, array of roles, or {"roles", "groups", "tenant"} */
    } identity;
    struct {
        bool configured;
        cs_slice dir;
        cs_slice sync;           /* "commit", "interval" or "none" */
        cs_slice on_full;        /* "block" or "deny" */
        cs_slice checkpoint_key; /* a name among `keys`, or PEM */
        bool required;
        bool daily;          /* a new file with each day */
        uint64_t file_bytes; /* a new file from this size on */
        uint64_t room;       /* bytes of records that may wait in memory */
    } audit;
    struct {
        cs_slice phase; /* "enforce" or "log" */
        bool bypass, introspection;
    } pq;
    cs_value settings; /* `settings` as written: whatever policy should see below data.settings */
    cs_value tenants;  /* `tenants` as written: per-tenant softenings for data.settings */
} cs_config;

typedef struct cs_config_sources {
    const char *file;       /* NULL = none */
    const char *const *set; /* "a.b=c,d[0]=e" */
    size_t n_set;
    const char *const *set_file; /* "a.b=path" */
    size_t n_set_file;
    bool limits; /* put limits.<name> into force (start of the program only) */
} cs_config_sources;

typedef struct cs_config_problem {
    bool warning;
    cs_slice file; /* the file, or "--set" */
    uint32_t line; /* 0 without one */
    cs_slice text;
} cs_config_problem;

/* All that was found, in the order of the file. Owned by its arena. */
typedef struct cs_config_report {
    cs_arena arena;
    cs_config_problem *v;
    size_t n, cap;
    size_t errors; /* those that are no warnings */
} cs_config_report;

void cs_config_report_init(cs_config_report *report);
void cs_config_report_destroy(cs_config_report *report);
/* "file:line: text" a line; with `warnings` those as well, marked. */
void cs_config_report_print(cs_buf *out, const cs_config_report *report, bool warnings);

/* Loads and checks. CS_OK leaves *out set, possibly with warnings in the report; otherwise the report holds every
 * problem and *out is untouched. */
CS_MUST_CHECK cs_err cs_config_load(const cs_config_sources *sources, cs_config **out, cs_config_report *report);
/* One owner more. Any thread. */
cs_config *cs_config_retain(cs_config *config);
void cs_config_free(cs_config *config); /* gives up one ownership; NULL is fine */

/* What came by discovery, an object, under the configuration of the start, which must outlive *out: where both say
 * something the latter holds.
 * Our own sections take effect at the start only, so what is said of them is warned about and left out. Refused with
 * CS_ERR_INVALID, and OPA's words: another discovery service, other keys, and whatever cs_config_load refuses.
 * `overridden` gets the names of what was said in vain ("bundles.a.resource"), in the arena of *out. */
CS_MUST_CHECK cs_err cs_config_discovered(const cs_config *boot, cs_value discovered, cs_config **out,
                                          cs_slice *overridden, cs_config_report *report, cs_error *e);

/* NULL if there is none of that name. */
const cs_config_service *cs_config_find_service(const cs_config *config, cs_slice name);
const cs_config_key *cs_config_find_key(const cs_config *config, cs_slice id);
const cs_config_bundle *cs_config_find_bundle(const cs_config *config, cs_slice name);
const cs_config_push *cs_config_find_push(const cs_config *config, cs_slice name);

/* What GET /v1/config shows: the document with OPA's defaults, without services' credentials, key material and other
 * secrets. */
cs_value cs_config_public(cs_arena *a, const cs_config *config);
/* docs/config.md, from the rows. */
void cs_config_print_docs(cs_buf *out);

/* An environment variable, or NULL: the only way to it. */
const char *cs_config_env(const char *name);

#endif
