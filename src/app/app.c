/* Start and stop. The order is the order of what needs what: configuration, metrics, store, journal and ledger, control
 * thread, server (not listening yet), bundles and files, sockets. Stopping goes the other way, so that nobody is left
 * with a pointer to what is gone. */
#include <stdlib.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/version.h"
#include "internal.h"

static void control_main(void *self)
{
    cs_loop_run(((cs_app *)self)->control);
}

/* ---- documents about ourselves */

static cs_value make_labels(const cs_app *app, cs_arena *a, cs_value said)
{
    cs_value labels = cs_is(said, CS_OBJECT) ? cs_object_clone(a, said, 2) : cs_object_new(a, 2);
    cs_object_put_text(a, labels, "id", cs_string_copy(a, cs_slice_of(app->id)));
    cs_object_put_text(a, labels, "version", cs_string(CS_LIT(CS_VERSION)));
    return cs_freeze(a, labels);
}

static void introduce(cs_app *app)
{
    cs_arena *a = &app->arena;
    const cs_config *c = app->config;
    cs_random_uuid(app->id);
    app->labels = make_labels(app, a, c->labels);
    cs_value shown = cs_object_clone(a, cs_config_public(a, c), 1);
    cs_object_put_text(a, shown, "labels", app->labels);
    cs_value runtime = cs_object_new(a, 4);
    cs_object_put_text(a, runtime, "config", shown);
    cs_object_put_text(a, runtime, "env", cs_object_new(a, 0));
    cs_object_put_text(a, runtime, "version", cs_string(CS_LIT(CS_VERSION)));
    cs_object_put_text(a, runtime, "commit", cs_string(CS_LIT("")));
    app->runtime = cs_freeze(a, runtime);
}

static cs_value runtime_of(void *self, cs_arena *arena)
{
    (void)arena;
    return ((const cs_app *)self)->runtime;
}

/* data.system.version, as OPA writes it at the start: policies that look at it mean the release that is followed. */
static cs_err write_version(cs_app *app, cs_error *e)
{
    static const char *const names[] = {"build_commit", "build_hostname", "build_timestamp"};
    cs_txn *txn = cs_store_begin(app->store);
    cs_arena *a = cs_txn_arena(txn);
    cs_value v = cs_object_new(a, 4);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cs_object_put_text(a, v, names[i], cs_string(CS_LIT("")));
    }
    cs_object_put_text(a, v, "version", cs_string(CS_LIT(CS_VERSION_OPA)));
    cs_slice path[2] = {CS_LIT("system"), CS_LIT("version")};
    cs_err r = cs_txn_make_dirs(txn, path, 1, e);
    if (r == CS_OK) {
        r = cs_txn_write(txn, CS_TXN_ADD, path, 2, v, e);
    }
    if (r != CS_OK) {
        cs_txn_abort(txn);
        return r;
    }
    cs_errors errors;
    cs_errors_init(&errors);
    r = cs_txn_commit(txn, &errors);
    cs_errors_destroy(&errors);
    return r == CS_OK ? CS_OK : cs_fail(e, r, "a policy claims data.system.version");
}

/* ---- parts */

/* What evaluations ask of the network, and what they keep of its answers. */
static void make_network(cs_app *app)
{
    const cs_config *c = app->config;
    app->network = cs_network_new(&(cs_network_options){.read_env = cs_config_env});
    app->host = *cs_host_system();
    app->host.network = app->network;
    app->host.self = app;
    app->host.runtime = runtime_of;
    app->http_cache = cs_http_cache_new(&(cs_http_cache_options){
        .max_bytes = c->inter_query_cache.max_size_bytes,
        .threshold_percent = c->inter_query_cache.threshold_percent,
        .stale_period_ns = c->inter_query_cache.stale_period_ns,
    });
}

static cs_err make_server(cs_app *app, cs_error *e)
{
    const cs_app_options *o = app->o;
    cs_slice dir = app->config->persistence_directory;
    app->state_dir = dir.n != 0 ? cs_arena_dup(&app->arena, dir.p, dir.n) : ".opa";
    cs_server_options options = {
        .store = app->store,
        .config = app->config,
        .metrics = app->metrics,
        .decisions = app->decisions,
        .audit = app->audit,
        .control = app->control,
        .reader = app->reader,
        .labels = app->labels,
        .runtime = app->runtime,
        .addresses = o->addresses,
        .n_addresses = o->n_addresses,
        .diagnostic_addresses = o->diagnostic_addresses,
        .n_diagnostic = o->n_diagnostic,
        .unix_permissions = app->unix_permissions,
        .h2c = o->h2c,
        .authentication = o->authentication,
        .authorization = o->authorization,
        .tls_cert = o->tls_cert,
        .tls_key = o->tls_key,
        .tls_ca = o->tls_ca,
        .tls_min = o->tls_min,
        .tls_ciphers = o->tls_ciphers,
        .tls_refresh_ns = o->tls_refresh_ns,
        .rego_version = o->rego_version,
        .request_level = o->request_level,
        .state_dir = app->state_dir,
        .journal = app->journal,
        .spend = app->config->spend.configured ? app->spend : NULL,
        .approvals = app->approvals,
        .webhooks = app->webhooks,
        .effects = app->effects,
        .compensations = app->compensations,
        .network = app->network,
        .http_cache = app->http_cache,
    };
    return cs_server_new(&options, &app->server, e);
}

static cs_bundle_options read_options(void *self, const cs_config *config, const cs_config_bundle *bundle, cs_arena *a)
{
    return cs_app__bundle_options(self, config, bundle, a);
}

static void load_file(void *self, const cs_config *config, const cs_config_bundle *bundle)
{
    cs_app__load_file(self, config, bundle);
}

static void reconfigure(void *self, cs_config *config)
{
    cs_app *app = self;
    config->labels = make_labels(app, &config->arena, config->labels);
    cs_app__decisions_reconfigure(app, config);
}

static cs_err start_management(cs_app *app, cs_error *e)
{
    cs_management_options options = {.config = app->config,
                                     .server = app->server,
                                     .metrics = app->metrics,
                                     .host = &app->host,
                                     .state_dir = app->state_dir,
                                     .read_options = read_options,
                                     .load_file = load_file,
                                     .reconfigure = reconfigure,
                                     .self = app};
    return cs_management_start(&options, &app->management, e);
}

static void wait_until_ready(cs_app *app)
{
    int64_t until = cs_time_mono_ns() + app->o->ready_timeout_ns;
    cs_mutex lock;
    cs_cond never;
    cs_mutex_init(&lock);
    cs_cond_init(&never);
    cs_mutex_lock(&lock);
    while (!cs_server_bundles_ready(app->server) && cs_time_mono_ns() < until) {
        (void)cs_cond_wait_for(&never, &lock, 100 * CS_NS_PER_MS);
    }
    cs_mutex_unlock(&lock);
    cs_cond_destroy(&never);
    cs_mutex_destroy(&lock);
}

static bool read_permissions(cs_app *app)
{
    const char *text = app->o->unix_permissions != NULL ? app->o->unix_permissions : "755";
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 8);
    app->unix_permissions = (unsigned)n & 07777;
    return end != text && *end == 0 && text[0] != '-' && n <= UINT32_MAX;
}

static bool has_unix_address(const cs_app_options *o)
{
    bool has = false;
    for (size_t i = 0; i < o->n_addresses; i++) {
        has |= strncmp(o->addresses[i], "unix://", 7) == 0;
    }
    for (size_t i = 0; i < o->n_diagnostic; i++) {
        has |= strncmp(o->diagnostic_addresses[i], "unix://", 7) == 0;
    }
    return has;
}

cs_err cs_app__start(cs_app *app, cs_errors *errors, cs_error *e)
{
    cs_arena_init(&app->arena, 0);
    unsigned workers = app->config->server.workers != 0 ? (unsigned)app->config->server.workers : cs_cpu_count();
    app->metrics = cs_metrics_new(workers);
    cs_slice no_version = CS_LIT("none");
    cs_series_set(cs_metrics_series(app->metrics, CS_METRIC_GO_INFO, &no_version), 1);
    if (app->config->status.n_loading_buckets != 0) {
        cs_metrics_buckets(app->metrics, CS_METRIC_BUNDLE_STAGES, app->config->status.loading_buckets,
                           app->config->status.n_loading_buckets);
    }
    cs_store_options store = {
        .readers = workers + 16, .rego_version = app->o->rego_version, .print = cs_server_print()};
    CS_TRY(cs_store_new(&store, &app->store, e));
    introduce(app);
    cs_app__make_settings(app);
    make_network(app);
    CS_TRY(cs_app__journal_open(app, e));
    CS_TRY(cs_app__audit_open(app, e));
    cs_app__audit_listen(app);
    CS_TRY(cs_app__decisions_start(app, e));
    CS_TRY(cs_loop_new(&app->control, e));
    CS_TRY(cs_thread_start(&app->control_thread, "control", control_main, app, e));
    bool permissions = read_permissions(app);
    CS_TRY(make_server(app, e));
    app->stage = CS_APP__LOADING;
    CS_TRY(cs_app__load_paths(app, errors, e));
    app->stage = CS_APP__STARTING;
    if (app->loaded != NULL) {
        app->loaded(app->o);
    }
    if (app->o->authorization && !app->o->skip_schema_check) {
        CS_TRY(cs_server_check_authorization(app->server, errors));
    }
    CS_TRY(write_version(app, e));
    cs_app__load_configured(app);
    cs_server_restore_bundles(app->server);
    cs_server_world_changed(app->server);
    /* With the limits in force: what a budget counts apart is counted in the past, too. */
    CS_TRY(cs_app__journal_start(app, e));
    cs_server_restore_override(app->server);
    CS_TRY(start_management(app, e));
    if (app->o->ready_timeout_ns > 0) {
        app->stage = CS_APP__WAITING;
        wait_until_ready(app);
        if (!cs_server_bundles_ready(app->server)) {
            return cs_fail(e, CS_ERR_TIMEOUT,
                           "failed to start: plugins were not ready within the time of --ready-timeout");
        }
    }
    app->stage = CS_APP__LISTENING;
    if (!permissions && has_unix_address(app->o)) {
        return cs_fail(e, CS_ERR_INVALID, "strconv.ParseUint: parsing \"%s\": invalid syntax",
                       app->o->unix_permissions);
    }
    return cs_server_start(app->server, e);
}

void cs_app__stop(cs_app *app)
{
    cs_management_stop(app->management);
    if (app->control != NULL) {
        cs_loop_stop(app->control);
        cs_thread_join(&app->control_thread);
    }
    if (app->reader != NULL) {
        cs_loop_stop(app->reader);
        cs_thread_join(&app->reader_thread);
    }
    if (app->tick != NULL) {
        cs_timer_free(app->tick);
    }
    cs_webhooks_stop(app->webhooks);
    cs_journal_free(app->journal);        /* its callbacks post to the workers: before these end */
    cs_decision_log_stop(app->decisions); /* likewise */
    cs_app__decisions_end(app);
    cs_audit_stop(app->audit);
    cs_server_free(app->server);
    cs_decision_log_free(app->decisions);
    cs_audit_free(app->audit);
    cs_network_free(app->network); /* when nobody evaluates any more */
    cs_http_cache_free(app->http_cache);
    cs_loop_free(app->control);
    cs_loop_free(app->reader);
    cs_store_free(app->store);
    cs_effects_free(app->effects);
    cs_webhooks_free(app->webhooks);
    cs_approvals_free(app->approvals);
    cs_compensations_free(app->compensations);
    cs_spend_free(app->spend);
    cs_metrics_free(app->metrics);
    cs_config_free(app->logging);
    cs_config_free(app->config);
    cs_app__forget_paths(app);
    cs_arena_destroy(&app->arena);
}
