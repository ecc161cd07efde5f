/* The HTTP face: OPA's REST API on OPA's paths, and ours beside it (src/server/routes.def lists both). Workers
 * evaluate; what writes runs on the control thread, which the caller owns. */
#ifndef CS_SERVER_H
#define CS_SERVER_H

#include "countersign/base/log.h"
#include "countersign/bundle.h"
#include "countersign/config.h"
#include "countersign/decision.h"
#include "countersign/compensation.h"
#include "countersign/effect.h"
#include "countersign/metrics.h"
#include "countersign/net.h"
#include "countersign/spend.h"
#include "countersign/store.h"
#include "countersign/webhook.h"

typedef struct cs_server cs_server;

typedef enum cs_server_authn { CS_AUTHN_OFF, CS_AUTHN_TOKEN, CS_AUTHN_TLS } cs_server_authn;

/* Everything pointed to must outlive the server. */
typedef struct cs_server_options {
    cs_store *store;
    const cs_config *config;
    cs_metrics *metrics;
    cs_decision_log *decisions; /* NULL = decisions have no ids and are not logged */
    cs_audit *audit;            /* NULL = no audit log; else decisions go there by way of `decisions` */
    cs_loop *control;           /* runs on the control thread until after cs_server_free */
    cs_loop *reader;            /* likewise, of a thread that reads files for answers; NULL without an audit log */
    cs_value labels;            /* the configuration's with id and version */
    cs_value runtime;           /* what opa.runtime() answers: {"config", "env", "version", "commit"} */
    const char *const *addresses;
    size_t n_addresses;
    const char *const *diagnostic_addresses; /* health and metrics only */
    size_t n_diagnostic;
    unsigned unix_permissions;
    bool h2c; /* HTTP/2 without TLS */
    cs_server_authn authentication;
    bool authorization; /* --authorization=basic */
    const char *tls_cert, *tls_key, *tls_ca;
    int tls_min; /* see net.h */
    const char *tls_ciphers;
    int64_t tls_refresh_ns;
    int rego_version;                /* of policies put through the API and of queries */
    cs_log_level request_level;      /* of "Received request." and "Sent response." */
    const char *state_dir;           /* pushed bundles are kept below; NULL = they do not survive a restart */
    cs_journal *journal;             /* NULL = overrides are kept below state_dir */
    cs_spend *spend;                 /* NULL = no budgets */
    cs_effects *effects;             /* NULL without budgets */
    cs_compensations *compensations; /* likewise */
    cs_approvals *approvals;         /* NULL = not configured */
    cs_webhooks *webhooks;           /* likewise */
    cs_network *network;             /* for http.send and net.lookup_ip_addr; NULL = they fail */
    cs_http_cache *http_cache;       /* NULL = http.send remembers nothing from one decision to the next */
} cs_server_options;

/* What becomes of print() calls in what is stored and asked: nothing of them is compiled when the log does not show
 * them, and then their variables need not be there either; so that the level does not decide what can be stored, a call
 * whose variables are not there is left out at the other levels, too. */
cs_print cs_server_print(void);
/* Makes it, so that bundles can be activated before anybody can ask. */
CS_MUST_CHECK cs_err cs_server_new(const cs_server_options *options, cs_server **out, cs_error *e);
/* Listens and starts the workers. */
CS_MUST_CHECK cs_err cs_server_start(cs_server *server, cs_error *e);
/* Looks at the TLS files now. Any thread. */
void cs_server_refresh_tls(cs_server *server);
/* Stops listening, answers what has come in, for at most grace_ns; false = not all could be answered. */
bool cs_server_drain(cs_server *server, int64_t grace_ns);
/* The control thread must not run jobs of the server any more. NULL is fine. */
void cs_server_free(cs_server *server);
size_t cs_server_address_count(const cs_server *server);
cs_slice cs_server_address(const cs_server *server, size_t i);

/* ---- bundles: what /health?bundles, /v1/status and the metrics tell about them. Any thread. */
/* Declares a bundle that must become active before the server is ready. */
void cs_server_bundle_expect(cs_server *server, cs_slice name);
/* A request for it is over. What becomes of the bundle that came is reported by itself, below. */
typedef struct cs_server_download {
    bool discovery; /* the discovery bundle */
    cs_slice name;
    int status;         /* HTTP; 0 = no answer. 304 = what is active is the newest */
    uint64_t bytes;     /* of the archive */
    int64_t request_ns; /* how long it took */
} cs_server_download;
void cs_server_bundle_downloaded(cs_server *server, const cs_server_download *download);
/* What came can be read: it is a bundle, or a delta of one. */
void cs_server_bundle_came(cs_server *server, cs_slice name, bool discovery, bool delta);
/* What became of a try to activate it. `error` is NULL after a success; errors may be NULL. */
void cs_server_bundle_report(cs_server *server, const cs_bundle *bundle, cs_slice name, const cs_error *error,
                             const cs_errors *errors, int64_t duration_ns);
/* The bundle is not the configuration's any more: erases it with all it brought. */
CS_MUST_CHECK cs_err cs_server_bundle_remove(cs_server *server, cs_slice name, cs_error *e);
/* There is a discovery bundle, which must become active before the server is ready. */
void cs_server_discovery_expect(cs_server *server);
/* What became of a try to activate it, as cs_server_bundle_report; `message` is for a success: what is to be known of
 * it, "" for nothing. */
void cs_server_discovery_report(cs_server *server, cs_slice revision, cs_slice message, const cs_error *error,
                                const cs_errors *errors);
/* What became of sending the decision log: NULL = all is sent; `status` is the HTTP status of a refusal, else 0. */
void cs_server_logs_report(cs_server *server, const cs_error *error, int status);
bool cs_server_bundles_ready(cs_server *server);
/* {"bundles", "labels", "plugins", "decision_logs"?, "metrics"?: {"prometheus"}}: what GET /v1/status shows, in `a`. */
cs_value cs_server_status_document(cs_server *server, cs_arena *a);
/* Calls changed(self) whenever something of it has changed, on whatever thread that was; it must neither wait nor ask
 * for the document. One listener; NULL takes it away, and then it is not called any more. Any thread. */
void cs_server_on_status(cs_server *server, void (*changed)(void *self), void *self);

/* With this configuration, are the texts of a bundle's data files looked at again when it is activated? Then they must
 * not be consumed (bundle.h). */
bool cs_server_reads_texts(const cs_config *config);

/* Writes verified bundles into a world and publishes it, and puts its data.tenants into force for the budgets: all or
 * nothing. The same for -b, file:// bundles and PUT /v1/bundles; policy ids are "<name>/<file>". On
 * CS_ERR_BUNDLE_COMPILE *errors holds the list, otherwise *e the reason. Reports to cs_server_bundle_report. Any
 * thread; one waits for the other. */
CS_MUST_CHECK cs_err cs_server_activate(cs_server *server, const cs_bundle *const *bundles, size_t n, cs_errors *errors,
                                        cs_error *e);
/* Does the authorization policy read only what its input has? Before the start, and only with --authorization. */
CS_MUST_CHECK cs_err cs_server_check_authorization(cs_server *server, cs_errors *errors);
/* What discovery brings: which authorization and default decision hold, what /v1/config and /v1/status show. Keeps the
 * configuration; `labels` (with id and version) live as long as it. One thread at a time. */
void cs_server_reconfigure(cs_server *server, cs_config *config, cs_value labels);
/* To be called when data was written by other means than the server's: data.tenants may have changed. */
void cs_server_world_changed(cs_server *server);
/* Brings back what PUT /v1/bundles/{name} stored in an earlier life, for the names that `push` declares. Problems are
 * logged; a bundle that does not verify any more is left out. Before the start. */
void cs_server_restore_bundles(cs_server *server);
/* Puts the emergency override into force again, if its time is not over, and watches over it. Once, after the journal
 * was started; problems are logged. Before the start. */
void cs_server_restore_override(cs_server *server);

#endif
