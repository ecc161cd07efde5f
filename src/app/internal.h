/* What the files of app share. */
#ifndef CS_APP_INTERNAL_H
#define CS_APP_INTERNAL_H

#include "countersign/app.h"
#include "countersign/base/thread.h"
#include "countersign/log_upload.h"
#include "countersign/management.h"

/* Where a start is, for the words of its failure. */
typedef enum cs_app__stage { CS_APP__STARTING, CS_APP__LOADING, CS_APP__WAITING, CS_APP__LISTENING } cs_app__stage;

typedef struct cs_app {
    const cs_app_options *o;
    cs_arena arena;
    cs_config *config;  /* of the start */
    cs_config *logging; /* what discovery said of the decision log last; NULL = nothing */
    char id[37];        /* of this process, a label */
    cs_metrics *metrics;
    cs_store *store;
    cs_decision_log *decisions;
    cs_audit *audit; /* NULL without the section `audit` */
    cs_loop *reader; /* with it: reads its files for answers */
    cs_thread reader_thread;
    cs_journal *journal;
    cs_spend *spend;
    cs_approvals *approvals;
    cs_webhooks *webhooks;
    cs_effects *effects;
    cs_compensations *compensations;
    cs_network *network;
    cs_http_cache *http_cache;
    cs_host host; /* of evaluations that no worker makes: the decision log's */
    cs_loop *control;
    cs_thread control_thread;
    cs_timer *tick; /* the control loop's; NULL = there are no approvals */
    cs_server *server;
    cs_management *management;
    cs_log_upload *log_upload;
    cs_value labels, runtime;
    unsigned unix_permissions;
    cs_app__stage stage;
    void (*loaded)(const cs_app_options *o); /* called when files and configuration are read; may be NULL */
    bool served;                             /* it came up */
    char **file_policies;                    /* ids of the policies that files of the command line gave */
    size_t n_file_policies;
    const char *state_dir;
} cs_app;

/* ---- app.c */
/* With `o` and `config` set, all else zero. After a failure it is stopped likewise. */
CS_MUST_CHECK cs_err cs_app__start(cs_app *app, cs_errors *errors, cs_error *e);
void cs_app__stop(cs_app *app);

/* ---- sources.c: what stands in the world before anybody asks */
cs_err cs_app__load_paths(cs_app *app, cs_errors *errors, cs_error *e);
/* Again, while it serves: policies of files that are gone go, and what is written replaces all data that no bundle
 * owns, as OPA does. Nothing has changed after a failure. */
CS_MUST_CHECK cs_err cs_app__reload_paths(cs_app *app, cs_errors *errors, cs_error *e);
void cs_app__forget_paths(cs_app *app);
/* The bundles of the configuration that are files. A bad one is reported and left out, as OPA does. */
void cs_app__load_configured(cs_app *app);
/* How a bundle of a configuration is to be read. Everything lives in the arena. */
cs_bundle_options cs_app__bundle_options(cs_app *app, const cs_config *c, const cs_config_bundle *b, cs_arena *a);
/* Activates one that is a file, if it can be; reports. */
void cs_app__load_file(cs_app *app, const cs_config *c, const cs_config_bundle *b);

/* ---- decisions.c: the decision log and its uploader */
CS_MUST_CHECK cs_err cs_app__decisions_start(cs_app *app, cs_error *e);
/* On another thread than the start's, one at a time. */
void cs_app__decisions_reconfigure(cs_app *app, cs_config *config);
/* Sends what is left. */
void cs_app__decisions_end(cs_app *app);

/* ---- journal.c: with the sections `spend` or `approvals`; without them nothing is opened */
/* What only the client library knows: its settings. */
CS_MUST_CHECK cs_err cs_app__journal_check(const cs_config *c, cs_arena *a, cs_error *e);
CS_MUST_CHECK cs_err cs_app__journal_open(cs_app *app, cs_error *e);
/* Without anything around it: no snapshot, no metrics, no store. */
CS_MUST_CHECK cs_err cs_app__journal_open_alone(cs_app *app, cs_error *e);
void cs_app__journal_close(cs_app *app);
/* Replays; waits for it, unless the journal is Kafka. */
CS_MUST_CHECK cs_err cs_app__journal_start(cs_app *app, cs_error *e);

/* ---- audit.c: with the section `audit` */
CS_MUST_CHECK cs_err cs_app__audit_check(const cs_config *c, cs_error *e);
CS_MUST_CHECK cs_err cs_app__audit_open(cs_app *app, cs_error *e);
/* Before the journal starts: acts on approvals become records. */
void cs_app__audit_listen(cs_app *app);

/* ---- settings.c: data.settings out of the configuration and the environment */
void cs_app__make_settings(cs_app *app);

#endif
