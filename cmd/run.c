/* run: the service, with the flags of `opa run --server`. */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "countersign/app.h"
#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/host.h"

enum { TLS_FILE_MAX = 16 << 20 };

typedef struct flags {
    const char *config, *log_level, *log_level_request, *log_format, *log_timestamp, *authentication, *authorization;
    const char *tls_cert, *tls_key, *tls_ca, *tls_refresh, *unix_perm, *min_tls, *history, *format;
    cs_arg_list addr, diagnostic, set, set_file, ignore, ciphers;
    bool server, bundle, v0, v1, check_config, watch, watch_config, pprof, h2c, read_speed, skip_version, skip_schema;
    bool no_telemetry, max_errors_given;
    int64_t ready, wait, grace, max_errors;
    cs_cmd_verify_flags verify;
} flags;

/* The layout of --log-timestamp-format. Set once, before the first thread. */
static const char *timestamp_layout;

static void write_timestamp(int64_t wall_ns, cs_buf *out)
{
    cs_time_write_layout(wall_ns, cs_slice_of(timestamp_layout), out);
}

static void set_up_log(const flags *f, cs_app_options *o)
{
    cs_log_level level = CS_LOG_INFO;
    (void)cs_log_level_parse(cs_slice_of(f->log_level), &level);
    (void)cs_log_level_parse(cs_slice_of(f->log_level_request), &o->request_level);
    cs_log_setup(level, strcmp(f->log_format, "text") == 0          ? CS_LOG_TEXT
                        : strcmp(f->log_format, "json-pretty") == 0 ? CS_LOG_JSON_PRETTY
                                                                    : CS_LOG_JSON);
    const char *layout = f->log_timestamp;
    if (layout == NULL || layout[0] == '\0') {
        layout = cs_config_env("OPA_LOG_TIMESTAMP_FORMAT");
    }
    if (layout != NULL && layout[0] != '\0') {
        timestamp_layout = layout;
        cs_log_set_time(write_timestamp);
    }
}

/* ---- TLS */

typedef struct suite {
    const char *name, *openssl; /* NULL = of TLS 1.3 */
} suite;

/* What Go's TLS knows by IANA's names. */
static const suite suites[] = {
    {"TLS_AES_128_GCM_SHA256", NULL},
    {"TLS_AES_256_GCM_SHA384", NULL},
    {"TLS_CHACHA20_POLY1305_SHA256", NULL},
    {"TLS_RSA_WITH_RC4_128_SHA", "RC4-SHA"},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "ECDHE-ECDSA-RC4-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", "ECDHE-RSA-RC4-SHA"},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "ECDHE-RSA-DES-CBC3-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

static cs_err parse_ciphers(cs_arena *a, const flags *f, cs_app_options *o, cs_error *e)
{
    cs_buf list;
    cs_buf_init(&list);
    cs_err r = CS_OK;
    for (size_t i = 0; i < f->ciphers.n && r == CS_OK; i++) {
        const suite *found = NULL;
        for (size_t k = 0; k < sizeof suites / sizeof *suites; k++) {
            found = strcmp(suites[k].name, f->ciphers.v[i]) == 0 ? &suites[k] : found;
        }
        if (found == NULL) {
            r = cs_fail(e, CS_ERR_INVALID, "invalid cipher suite %s", f->ciphers.v[i]);
        } else if (found->openssl == NULL) {
            r = cs_fail(e, CS_ERR_INVALID, "TLS 1.3 cipher suite \"%s\" is not configurable", f->ciphers.v[i]);
        } else {
            cs_buf_text(&list, list.n != 0 ? ":" : "");
            cs_buf_text(&list, found->openssl);
        }
    }
    if (list.n != 0) {
        o->tls_ciphers = cs_arena_dup(a, list.p, list.n);
    }
    cs_buf_destroy(&list);
    return r;
}

/* A file that is to hold PEM: can it be read, and does it? `what` is how the error names what is missing. */
static cs_err check_pem(const char *path, const char *before, const char *what, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_error why = {0};
    cs_err r = cs_file_read(path, TLS_FILE_MAX, &bytes, &why);
    if (r != CS_OK) {
        r = cs_fail(e, r, "%s%s", before, why.text);
    } else if (cs_slice_find(cs_buf_view(&bytes), CS_LIT("-----BEGIN "), 0) == SIZE_MAX) {
        r = cs_fail(e, CS_ERR_INVALID, "%s", what);
    }
    cs_buf_destroy(&bytes);
    return r;
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static cs_err check_tls(cs_arena *a, const flags *f, cs_app_options *o, cs_error *e)
{
    bool cert = is_given(f->tls_cert), key = is_given(f->tls_key);
    if (cert != key) {
        return cs_fail(e, CS_ERR_INVALID, "--tls-cert-file and --tls-private-key-file must be specified together");
    }
    if (cert) {
        CS_TRY(check_pem(f->tls_cert, "", "tls: failed to find any PEM data in certificate input", e));
        CS_TRY(check_pem(f->tls_key, "", "tls: failed to find any PEM data in key input", e));
        o->tls_cert = f->tls_cert;
        o->tls_key = f->tls_key;
    }
    if (is_given(f->tls_ca)) {
        const char *none = cs_arena_printf(a, NULL, "failed to parse CA cert \"%s\"", f->tls_ca);
        CS_TRY(check_pem(f->tls_ca, "read CA cert file: ", none, e));
        o->tls_ca = f->tls_ca;
    }
    o->tls_min = f->min_tls[2] - '0'; /* "1.2" */
    return CS_OK;
}

/* ---- the rest */

static int parse_numbers(cs_arena *a, const flags *f, cs_app_options *o)
{
    if (f->tls_refresh != NULL && !cs_time_parse_duration(cs_slice_of(f->tls_refresh), false, &o->tls_refresh_ns)) {
        return cs_args_wrong(
            "invalid argument \"%s\" for \"--tls-cert-refresh-period\" flag: time: invalid duration \"%s\"",
            f->tls_refresh, f->tls_refresh);
    }
    o->ready_timeout_ns = f->ready > 0 ? f->ready * CS_NS_PER_S : 0;
    o->shutdown_wait_ns = f->wait > 0 ? f->wait * CS_NS_PER_S : 0;
    o->shutdown_grace_ns = f->grace > 0 ? f->grace * CS_NS_PER_S : 0;
    if (f->no_telemetry) {
        fprintf(stderr, "Flag --disable-telemetry has been deprecated, \"disable-telemetry\" is deprecated. Use "
                        "\"skip-version-check\" instead\n");
    }
    if (f->max_errors_given) {
        int64_t most = f->max_errors > 0 && f->max_errors < 100000 ? f->max_errors : 100000;
        cs_arg_list set = {.v = cs_arena_array(a, const char *, o->config.n_set + 1), .n = o->config.n_set + 1};
        set.v[0] = cs_arena_printf(a, NULL, "limits.rego_errors=%lld", (long long)most);
        for (size_t i = 1; i < set.n; i++) {
            set.v[i] = o->config.set[i - 1];
        }
        o->config.set = set.v;
        o->config.n_set = set.n;
    }
    return 0;
}

static cs_err fill(cs_arena *a, const flags *f, const cs_arg_list *paths, cs_app_options *o, cs_error *e)
{
    static const char *const local[] = {"localhost:8181"}, *const everywhere[] = {":8181"};
    *o = (cs_app_options){
        .config = {.file = f->config,
                   .set = f->set.v,
                   .n_set = f->set.n,
                   .set_file = f->set_file.v,
                   .n_set_file = f->set_file.n,
                   .limits = true},
        .paths = paths->v,
        .n_paths = paths->n,
        .bundles = f->bundle,
        .skip_verify = f->verify.skip,
        .ignore = cs_cmd_slices(a, &f->ignore),
        .n_ignore = f->ignore.n,
        .rego_version = f->v0 ? 0 : 1,
        .addresses = f->addr.n != 0 ? f->addr.v
                     : f->v0        ? everywhere
                                    : local,
        .n_addresses = f->addr.n != 0 ? f->addr.n : 1,
        .diagnostic_addresses = f->diagnostic.v,
        .n_diagnostic = f->diagnostic.n,
        .authentication = strcmp(f->authentication, "token") == 0 ? CS_AUTHN_TOKEN
                          : strcmp(f->authentication, "tls") == 0 ? CS_AUTHN_TLS
                                                                  : CS_AUTHN_OFF,
        .authorization = strcmp(f->authorization, "basic") == 0,
        .skip_schema_check = f->skip_schema,
        .unix_permissions = f->unix_perm,
        .public_by_default = f->v0 && f->addr.n == 0,
        .watch = f->watch,
        .watch_config = f->watch_config,
        .check_config = f->check_config,
        .h2c = f->h2c,
    };
    set_up_log(f, o);
    CS_TRY(check_tls(a, f, o, e));
    if (f->verify.key != NULL && !f->bundle) {
        return cs_fail(e, CS_ERR_INVALID, "enable bundle mode (ie. --bundle) to verify bundle files or directories");
    }
    CS_TRY(cs_cmd_verify_config(a, &f->verify, &o->verify, e));
    return parse_ciphers(a, f, o, e);
}

/* As OPA says what keeps it from starting: on stdout. */
static int say(cs_slice text)
{
    (void)printf("error: %.*s\n", CS_FMT(text));
    return 1;
}

static int run(cs_arena *a, const flags *f, const cs_arg_list *paths)
{
    cs_app_options options;
    cs_error e = {0};
    if (fill(a, f, paths, &options, &e) != CS_OK) {
        return say(cs_slice_of(e.text));
    }
    if (f->pprof) {
        cs_logf(CS_LOG_WARN, "--pprof: there are no profiles of Go here, so /debug/pprof is not served.");
    }
    if (parse_numbers(a, f, &options) != 0) {
        return 1;
    }
    cs_buf message;
    cs_buf_init(&message);
    cs_err r = cs_app_run(&options, &message);
    cs_slice text = cs_buf_view(&message);
    while (text.n != 0 && text.p[text.n - 1] == '\n') {
        text.n--;
    }
    if (r != CS_OK && text.n != 0) {
        (void)say(text);
    } else if (r == CS_OK && f->check_config) {
        (void)printf("%.*s%sthe configuration is good\n", CS_FMT(text), text.n != 0 ? "\n" : "");
    }
    cs_buf_destroy(&message);
    return r == CS_OK ? 0 : 1;
}

int cs_cmd_run(int argc, char **argv)
{
    flags f = {.log_level = "info",
               .log_level_request = "info",
               .log_format = "json",
               .authentication = "off",
               .authorization = "off",
               .unix_perm = "755",
               .min_tls = "1.2",
               .grace = 10,
               .max_errors = 10,
               .verify = {.keyid = "default", .alg = "RS256"}};
    const cs_arg args[] = {
        {"server", 's', CS_ARG_BOOL, &f.server, NULL, "accepted for OPA's sake: this always serves", NULL},
        {"addr", 'a', CS_ARG_COMMAS, &f.addr, NULL, "listening address: [ip]:port, unix://path (localhost:8181)", NULL},
        {"diagnostic-addr", 0, CS_ARG_COMMAS, &f.diagnostic, NULL, "address for /health and /metrics only", NULL},
        {"config-file", 'c', CS_ARG_STRING, &f.config, NULL, "the configuration file", NULL},
        {"check-config", 0, CS_ARG_BOOL, &f.check_config, NULL, "check the configuration and stop", NULL},
        {"set", 0, CS_ARG_LIST, &f.set, NULL, "override a value of the configuration: a.b=c", NULL},
        {"set-file", 0, CS_ARG_LIST, &f.set_file, NULL, "the same with a file's content: a.b=path", NULL},
        {"bundle", 'b', CS_ARG_BOOL, &f.bundle, NULL, "load paths as bundle files or folders", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.ignore, NULL, "patterns of files and folders to leave out", NULL},
        {"authentication", 0, CS_ARG_ENUM, &f.authentication, "token|tls|off", "authentication scheme", NULL},
        {"authorization", 0, CS_ARG_ENUM, &f.authorization, "basic|off", "authorization scheme", NULL},
        {"tls-cert-file", 0, CS_ARG_STRING, &f.tls_cert, NULL, "TLS certificate", NULL},
        {"tls-private-key-file", 0, CS_ARG_STRING, &f.tls_key, NULL, "TLS private key", NULL},
        {"tls-ca-cert-file", 0, CS_ARG_STRING, &f.tls_ca, NULL, "CA of client certificates", NULL},
        {"tls-cert-refresh-period", 0, CS_ARG_STRING, &f.tls_refresh, NULL, "how often TLS files are looked at", NULL},
        {"min-tls-version", 0, CS_ARG_ENUM, &f.min_tls, "1.0|1.1|1.2|1.3", "lowest version of TLS", NULL},
        {"unix-socket-perm", 0, CS_ARG_STRING, &f.unix_perm, NULL, "permissions of Unix sockets (755)", NULL},
        {"log-level", 'l', CS_ARG_ENUM, &f.log_level, "debug|info|error", "log level", NULL},
        {"log-level-request", 0, CS_ARG_ENUM, &f.log_level_request, "debug|info|error", "of requests", NULL},
        {"log-format", 0, CS_ARG_ENUM, &f.log_format, "text|json|json-pretty", "log format", NULL},
        {"log-timestamp-format", 0, CS_ARG_STRING, &f.log_timestamp, NULL,
         "layout of the times in the log, as Go writes them (RFC 3339)", NULL},
        {"ready-timeout", 0, CS_ARG_INT, &f.ready, NULL, "seconds to wait for bundles before listening", NULL},
        {"shutdown-wait-period", 0, CS_ARG_INT, &f.wait, NULL, "seconds to serve on after a signal", NULL},
        {"shutdown-grace-period", 0, CS_ARG_INT, &f.grace, NULL, "seconds for open requests (10)", NULL},
        {"max-errors", 'm', CS_ARG_INT, &f.max_errors, NULL, "errors of a compilation that are told",
         &f.max_errors_given},
        {"skip-verify", 0, CS_ARG_BOOL, &f.verify.skip, NULL, "do not verify bundles", NULL},
        CS_CMD_VERIFY_ARGS(f.verify),
        {"v0-compatible", 0, CS_ARG_BOOL, &f.v0, NULL, "policies in v0 syntax, listen on :8181", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &f.v1, NULL, "accepted: it is the default", NULL},
        {"watch", 'w', CS_ARG_BOOL, &f.watch, NULL, "load files and folders of the command line again when they change",
         NULL},
        {"watch-config", 0, CS_ARG_BOOL, &f.watch_config, NULL, "start anew when the configuration file has changed",
         NULL},
        {"pprof", 0, CS_ARG_BOOL, &f.pprof, NULL, "accepted: there are no profiles of Go to serve", NULL},
        {"h2c", 0, CS_ARG_BOOL, &f.h2c, NULL, "HTTP/2 without TLS, too", NULL},
        {"optimize-store-for-read-speed", 0, CS_ARG_BOOL, &f.read_speed, NULL, "accepted: it always is", NULL},
        {"skip-version-check", 0, CS_ARG_BOOL, &f.skip_version, NULL, "accepted: nobody is asked", NULL},
        {"disable-telemetry", 0, CS_ARG_BOOL, &f.no_telemetry, NULL, "deprecated: skip-version-check", NULL},
        {"history", 'H', CS_ARG_STRING, &f.history, NULL, "accepted: of OPA's shell", NULL},
        {"format", 'f', CS_ARG_STRING, &f.format, NULL, "accepted: of OPA's shell", NULL},
        {"skip-known-schema-check", 0, CS_ARG_BOOL, &f.skip_schema, NULL,
         "do not check what the authorization policy reads", NULL},
        {"tls-cipher-suites", 0, CS_ARG_COMMAS, &f.ciphers, NULL, "cipher suites of TLS 1.0 to 1.2, by IANA's names",
         NULL},
    };
    cs_arena arena;
    cs_arena_init(&arena, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&arena, argc, argv, args, sizeof args / sizeof *args, &paths);
    if (status == -1) {
        status = run(&arena, &f, &paths);
    }
    cs_arena_destroy(&arena);
    return status;
}
