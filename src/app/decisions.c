/* The decision log and its uploader, at the start and when discovery says something else of them. */
#include "countersign/base/time.h"
#include "internal.h"

#define LAST_UPLOAD_NS (5 * CS_NS_PER_S) /* for what is left when an uploader ends */

static bool logs_decisions(const cs_config *c)
{
    return !cs_is_undefined(cs_object_member(c->document, "decision_logs"));
}

static void give_record(void *self, cs_slice record)
{
    cs_log_upload_put(self, record);
}

/* On the upload's thread: after records came, so there is a server. */
static void logs_sent(void *self, const cs_error *error, int status)
{
    cs_server_logs_report(((cs_app *)self)->server, error, status);
}

static cs_err start_upload(cs_app *app, cs_config *c, cs_log_upload **out, cs_error *e)
{
    *out = NULL;
    if (c->decision_logs.service.n == 0) {
        return CS_OK;
    }
    cs_log_upload_options options = {
        .config = c, .metrics = c->status.prometheus ? app->metrics : NULL, .told = logs_sent, .self = app};
    return cs_log_upload_start(&options, out, e);
}

static cs_decision_log_settings settings_of(cs_app *app, const cs_config *c)
{
    return (cs_decision_log_settings){
        .labels = c == app->config ? app->labels : c->labels,
        .mask_decision = c->decision_logs.mask_decision,
        .drop_decision = c->decision_logs.drop_decision,
        .headers = c->decision_logs.headers,
        .n_headers = c->decision_logs.n_headers,
        .logs = logs_decisions(c),
        .console = c->decision_logs.console,
        .sink = app->log_upload != NULL ? give_record : NULL,
        .sink_self = app->log_upload,
    };
}

cs_err cs_app__decisions_start(cs_app *app, cs_error *e)
{
    if (!logs_decisions(app->config) && app->audit == NULL && !app->config->discovery.configured) {
        return CS_OK;
    }
    CS_TRY(start_upload(app, app->config, &app->log_upload, e));
    cs_decision_log_options options = {.store = app->store,
                                       .host = &app->host,
                                       .settings = settings_of(app, app->config),
                                       .audit = app->audit,
                                       .metrics = app->metrics};
    return cs_decision_log_start(&options, &app->decisions, e);
}

/* What of a configuration makes the uploader. */
static bool same_upload(const cs_config *a, const cs_config *b)
{
    static const char *const sections[] = {"decision_logs", "services", "keys"};
    bool same = a->status.prometheus == b->status.prometheus;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        same = same && cs_equal(cs_object_member(a->document, sections[i]), cs_object_member(b->document, sections[i]));
    }
    return same;
}

void cs_app__decisions_reconfigure(cs_app *app, cs_config *config)
{
    cs_config *old = app->logging != NULL ? app->logging : app->config;
    if (!logs_decisions(config) && logs_decisions(old)) {
        return; /* what it does not speak of stays */
    }
    cs_log_upload *before = app->log_upload;
    cs_error e = {0};
    bool same = same_upload(old, config);
    if (!same && start_upload(app, config, &app->log_upload, &e) != CS_OK) {
        cs_log(CS_LOG_ERROR, "The decision log cannot be sent.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e.text))});
    }
    cs_decision_log_settings settings = settings_of(app, config);
    cs_decision_log_configure(app->decisions, &settings);
    if (!same) {
        cs_log_upload_stop(before, LAST_UPLOAD_NS);
    }
    cs_config_free(app->logging);
    app->logging = cs_config_retain(config);
}

void cs_app__decisions_end(cs_app *app)
{
    cs_log_upload_stop(app->log_upload, LAST_UPLOAD_NS);
}
