/* run: the service, with the flags of `opa run --server`. */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "countersign/app.h"
#include "countersign/base/time.h"

typedef struct flags {
    const char *config, *log_level, *log_level_request, *log_format, *log_timestamp, *authentication, *authorization;
    const char *tls_cert, *tls_key, *tls_ca, *tls_refresh, *unix_perm, *min_tls;
    cs_arg_list addr, diagnostic, set, set_file, ignore, ciphers;
    bool server, bundle, v0, v1, check_config, watch, watch_config, pprof, h2c, read_speed, skip_version, skip_schema;
    int64_t ready, wait, grace, max_errors;
    cs_cmd_verify_flags verify;
} flags;

static cs_err parse_log(const flags *f, cs_app_options *o, cs_error *e)
{
    cs_log_level level;
    if (!cs_log_level_parse(cs_slice_of(f->log_level), &level)) {
        return cs_fail(e, CS_ERR_INVALID, "invalid log level %s", f->log_level);
    }
    cs_log_format format = strcmp(f->log_format, "text") == 0          ? CS_LOG_TEXT
                           : strcmp(f->log_format, "json-pretty") == 0 ? CS_LOG_JSON_PRETTY
                                                                       : CS_LOG_JSON;
    cs_log_setup(level, format);
    o->log_requests = cs_log_enabled(CS_LOG_INFO) && strcmp(f->log_level_request, "error") != 0;
    return CS_OK;
}

static cs_err parse_numbers(const flags *f, cs_app_options *o, cs_error *e)
{
    char *end = NULL;
    unsigned long permissions = strtoul(f->unix_perm, &end, 8);
    if (end == f->unix_perm || *end != '\0' || permissions > 0777) {
        return cs_fail(e, CS_ERR_INVALID, "invalid --unix-socket-perm %s", f->unix_perm);
    }
    o->unix_permissions = (unsigned)permissions;
    if (f->tls_refresh != NULL && !cs_time_parse_duration(cs_slice_of(f->tls_refresh), false, &o->tls_refresh_ns)) {
        return cs_fail(e, CS_ERR_INVALID, "invalid --tls-cert-refresh-period %s", f->tls_refresh);
    }
    o->ready_timeout_ns = f->ready > 0 ? f->ready * CS_NS_PER_S : 0;
    o->shutdown_wait_ns = f->wait * CS_NS_PER_S;
    o->shutdown_grace_ns = f->grace * CS_NS_PER_S;
    return CS_OK;
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
        .tls_cert = f->tls_cert,
        .tls_key = f->tls_key,
        .tls_ca = f->tls_ca,
        .check_config = f->check_config,
        .h2c = f->h2c,
    };
    CS_TRY(parse_log(f, o, e));
    CS_TRY(parse_numbers(f, o, e));
    if (f->verify.key != NULL && !f->bundle) {
        return cs_fail(e, CS_ERR_INVALID, "enable bundle mode (ie. --bundle) to verify bundle files or directories");
    }
    return cs_cmd_verify_config(a, &f->verify, &o->verify, e);
}

static int refuse_unsupported(const flags *f)
{
    const struct {
        bool given;
        const char *name;
    } list[] = {
        {f->watch, "--watch"},
        {f->watch_config, "--watch-config"},
        {f->pprof, "--pprof"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i].given) {
            return cs_cmd_fail("%s is not supported", list[i].name);
        }
    }
    return 0;
}

static int run(cs_arena *a, const flags *f, const cs_arg_list *paths)
{
    cs_app_options options;
    cs_error e = {0};
    if (refuse_unsupported(f) != 0) {
        return 1;
    }
    if (fill(a, f, paths, &options, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    cs_buf message;
    cs_buf_init(&message);
    cs_err r = cs_app_run(&options, &message);
    cs_slice text = cs_buf_view(&message);
    while (text.n != 0 && text.p[text.n - 1] == '\n') {
        text.n--;
    }
    if (r != CS_OK) {
        (void)cs_cmd_fail("%.*s", CS_FMT(text));
    } else if (f->check_config) {
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
        {"min-tls-version", 0, CS_ARG_ENUM, &f.min_tls, "1.2", "lowest version of TLS", NULL},
        {"unix-socket-perm", 0, CS_ARG_STRING, &f.unix_perm, NULL, "permissions of Unix sockets (755)", NULL},
        {"log-level", 'l', CS_ARG_ENUM, &f.log_level, "debug|info|warn|error", "log level", NULL},
        {"log-level-request", 0, CS_ARG_ENUM, &f.log_level_request, "debug|info|error", "of requests", NULL},
        {"log-format", 0, CS_ARG_ENUM, &f.log_format, "text|json|json-pretty", "log format", NULL},
        {"log-timestamp-format", 0, CS_ARG_STRING, &f.log_timestamp, NULL, "accepted: it is RFC 3339", NULL},
        {"ready-timeout", 0, CS_ARG_INT, &f.ready, NULL, "seconds to wait for bundles before listening", NULL},
        {"shutdown-wait-period", 0, CS_ARG_INT, &f.wait, NULL, "seconds to serve on after a signal", NULL},
        {"shutdown-grace-period", 0, CS_ARG_INT, &f.grace, NULL, "seconds for open requests (10)", NULL},
        {"max-errors", 'm', CS_ARG_INT, &f.max_errors, NULL, "accepted: the limit is rego_errors", NULL},
        {"skip-verify", 0, CS_ARG_BOOL, &f.verify.skip, NULL, "do not verify bundles", NULL},
        CS_CMD_VERIFY_ARGS(f.verify),
        {"v0-compatible", 0, CS_ARG_BOOL, &f.v0, NULL, "policies in v0 syntax, listen on :8181", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &f.v1, NULL, "accepted: it is the default", NULL},
        {"watch", 'w', CS_ARG_BOOL, &f.watch, NULL, "not supported", NULL},
        {"watch-config", 0, CS_ARG_BOOL, &f.watch_config, NULL, "not supported", NULL},
        {"pprof", 0, CS_ARG_BOOL, &f.pprof, NULL, "not supported", NULL},
        {"h2c", 0, CS_ARG_BOOL, &f.h2c, NULL, "HTTP/2 without TLS, too", NULL},
        {"optimize-store-for-read-speed", 0, CS_ARG_BOOL, &f.read_speed, NULL, "accepted: it always is", NULL},
        {"skip-version-check", 0, CS_ARG_BOOL, &f.skip_version, NULL,
         "do not check what the authorization policy reads", NULL},
        {"skip-known-schema-check", 0, CS_ARG_BOOL, &f.skip_schema, NULL,
         "do not check what the authorization policy reads", NULL},
        {"tls-cipher-suites", 0, CS_ARG_COMMAS, &f.ciphers, NULL, "accepted: OpenSSL's defaults are used", NULL},
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
