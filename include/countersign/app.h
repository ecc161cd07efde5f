/* The service as a whole: what `countersign run` starts and stops. */
#ifndef CS_APP_H
#define CS_APP_H

#include "countersign/base/log.h"
#include "countersign/server.h"

/* Everything is borrowed until cs_app_run returns. */
typedef struct cs_app_options {
    cs_config_sources config; /* file, --set, --set-file */
    const char *const *paths; /* policies and data, or bundles */
    size_t n_paths;
    bool bundles;                   /* -b: every path is a bundle */
    const cs_bundle_verify *verify; /* of -b; NULL = no key was given */
    bool skip_verify;
    const cs_slice *ignore;
    size_t n_ignore;
    int rego_version; /* 1, or 0 with --v0-compatible */
    const char *const *addresses;
    size_t n_addresses;
    const char *const *diagnostic_addresses;
    size_t n_diagnostic;
    const char *unix_permissions; /* octal digits; NULL = 755 */
    bool h2c;                     /* HTTP/2 without TLS */
    cs_server_authn authentication;
    bool authorization;
    bool skip_schema_check; /* do not check what the authorization policy reads */
    const char *tls_cert, *tls_key, *tls_ca;
    int tls_min; /* see net.h */
    const char *tls_ciphers;
    int64_t tls_refresh_ns;
    cs_log_level request_level; /* of the lines about requests */
    bool public_by_default;     /* nobody asked for the address that everybody can reach */
    bool watch;                 /* load `paths` again when they change */
    bool watch_config;          /* start anew when the configuration's file has changed */
    int64_t ready_timeout_ns;   /* wait for the bundles before listening; 0 = do not */
    int64_t shutdown_wait_ns, shutdown_grace_ns;
    bool check_config; /* only load and report the configuration */
    /* Told when it serves, with the first address ("127.0.0.1:8181"); on the calling thread, before it waits for
     * signals. May be NULL. */
    void (*serving)(void *self, cs_slice address);
    void *serving_self;
} cs_app_options;

/* Starts in order (configuration, store, journal, bundles, sockets), runs until SIGINT or SIGTERM, stops in the reverse
 * order. Blocks; call it on the main thread before any other thread exists. On failure the reason is appended to
 * *message, perhaps in several lines; so are warnings of the configuration with check_config. */
CS_MUST_CHECK cs_err cs_app_run(const cs_app_options *options, cs_buf *message);

/* ---- the journal of a configuration, moved while no service has it
 *
 * A line is {"topic", "partition", "offset", "arrived_ns", "event"}; on the way in a bare event is one as well. */
typedef struct cs_app_move {
    cs_config_sources config;
    bool (*write)(void *self, cs_slice line);  /* export: takes a line; false ends it */
    bool (*read)(void *self, cs_slice *line);  /* import: the next line, false at the end */
    void (*refused)(void *self, cs_slice why); /* import: of a line that is no event */
    void *self;
    uint64_t moved, left; /* results: events that were moved, and those that could not be read */
} cs_app_move;
CS_MUST_CHECK cs_err cs_app_export(cs_app_move *move, cs_buf *message);
CS_MUST_CHECK cs_err cs_app_import(cs_app_move *move, cs_buf *message);

#endif
