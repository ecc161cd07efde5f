/* Discovery: a bundle whose policy and data say what the configuration is. It is evaluated by itself, apart from what
 * decisions see; what comes out is laid under the configuration of the start and put into force. */
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "management/internal.h"

/* ---- evaluation */

static cs_err compile(const cs_bundle *bundle, cs_arena *a, cs_policy **out, cs_errors *errors)
{
    cs_policy_source *sources = cs_arena_array(a, cs_policy_source, bundle->n_modules + 1);
    for (size_t i = 0; i < bundle->n_modules; i++) {
        const cs_bundle_module *m = &bundle->modules[i];
        sources[i] = (cs_policy_source){.file = m->path, .text = m->text, .rego_version = m->rego_version};
    }
    return cs_policy_compile(sources, bundle->n_modules, &(cs_policy_options){0}, out, errors);
}

/* The first answer's value, in the arena: what it is made of may belong to the query and the policy. */
static cs_err ask(const cs_management *m, const cs_bundle *bundle, cs_policy *policy, cs_arena *a, cs_value *out,
                  cs_errors *errors, cs_error *e)
{
    cs_query *query;
    CS_TRY(cs_query_prepare(policy, m->o.config->discovery.query, &(cs_query_options){0}, &query, errors));
    cs_eval eval = {.arena = a, .data = bundle->data, .input = cs_undefined(), .host = m->o.host};
    cs_value answers;
    cs_err r = cs_query_run(query, &eval, &answers, e);
    if (r == CS_OK && (!cs_is(answers, CS_ARRAY) || answers.n == 0)) {
        r = cs_fail(e, CS_ERR_INVALID, "undefined configuration");
    }
    if (r == CS_OK) {
        cs_value values = answers.u.items[0].u.items[1];
        *out = cs_freeze(a, values.u.items[0]);
    }
    cs_query_release(query);
    return r;
}

static cs_err evaluate(const cs_management *m, const cs_bundle *bundle, cs_arena *a, cs_value *out, cs_errors *errors,
                       cs_error *e)
{
    cs_policy *policy;
    cs_err r = compile(bundle, a, &policy, errors);
    if (r == CS_OK) {
        r = ask(m, bundle, policy, a, out, errors, e);
        cs_policy_release(policy);
    }
    if (r != CS_OK && errors->n != 0) {
        return cs_fail(e, r, "the discovery bundle's policy does not compile");
    }
    return r;
}

/* ---- into force */

static void say_warnings(const cs_config_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        if (report->v[i].warning) {
            cs_log(CS_LOG_WARN, "Configuration.", 2,
                   (cs_log_field[]){CS_LOG_S("plugin", CS_LIT("discovery")), CS_LOG_S("warning", report->v[i].text)});
        }
    }
}

/* What is to be known of a success; "" = nothing. */
static cs_slice note(cs_arena *a, cs_slice overridden)
{
    if (overridden.n == 0) {
        return CS_LIT("");
    }
    size_t n;
    const char *text = cs_arena_printf(
        a, &n, "Keys in the discovered configuration overridden by boot configuration: %.*s", CS_FMT(overridden));
    return cs_slice_make(text, n);
}

static cs_err apply(cs_management *m, cs_value value, cs_arena *a, cs_slice *message, cs_error *e)
{
    cs_config_report report;
    cs_config_report_init(&report);
    cs_config *config = NULL;
    cs_slice overridden;
    cs_err r = cs_config_discovered(m->o.config, value, &config, &overridden, &report, e);
    if (r == CS_OK) {
        say_warnings(&report);
        *message = note(a, overridden);
        cs_management__reconfigure(m, config);
        cs_config_free(config);
    }
    cs_config_report_destroy(&report);
    return r;
}

/* Whatever goes wrong is reported and said. */
static cs_err activate(cs_management *m, cs_slice archive, bool keep, cs_error *e)
{
    const cs_config_discovery *d = &m->o.config->discovery;
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_errors errors;
    cs_errors_init(&errors);
    cs_bundle *bundle = NULL;
    cs_value value = cs_undefined();
    cs_slice message = CS_LIT("");
    cs_bundle_options options = m->o.read_options(m->o.self, m->o.config, &d->bundle, &a);
    cs_err r = cs_bundle_read(archive, &options, &bundle, e);
    if (r == CS_OK && keep) {
        cs_server_bundle_came(m->o.server, CS_LIT(""), true, bundle->delta);
    }
    if (r == CS_OK && bundle->delta) {
        r = cs_fail(e, CS_ERR_BUNDLE_INVALID, "a delta bundle is no configuration");
    }
    r = r == CS_OK ? evaluate(m, bundle, &a, &value, &errors, e) : r;
    r = r == CS_OK ? apply(m, value, &a, &message, e) : r;
    if (r == CS_OK && keep && d->bundle.persist) {
        r = cs_management__keep(m, d->folder, archive, e);
    }
    if (r != CS_OK) {
        cs_server_discovery_report(m->o.server, CS_LIT(""), CS_LIT(""), e, &errors);
        cs_management__say(m->discovery, "Discovery reconfiguration error occurred.", e, &errors);
    } else {
        cs_server_discovery_report(m->o.server, bundle->manifest.revision, message, NULL, NULL);
        cs_log(CS_LOG_INFO, "Discovery update processed successfully.", 1,
               (cs_log_field[]){CS_LOG_S("plugin", CS_LIT("discovery"))});
    }
    cs_bundle_free(bundle);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&a);
    return r;
}

cs_err cs_management__discover(cs_management *m, const cs_http_answer *answer, cs_error *e)
{
    return activate(m, cs_buf_view(&answer->body), true, e);
}

void cs_management__discover_kept(cs_management *m)
{
    const cs_config_discovery *d = &m->o.config->discovery;
    if (!d->bundle.persist || m->o.state_dir == NULL) {
        return;
    }
    cs_buf path, archive;
    cs_buf_init(&path);
    cs_buf_init(&archive);
    cs_management__kept_path(m, d->folder, &path);
    cs_error e = {0};
    if (cs_file_exists(cs_buf_cstr(&path))) {
        cs_err r = cs_file_read(cs_buf_cstr(&path), cs_limits_get()->bundle_archive_bytes, &archive, &e);
        if (r != CS_OK) {
            cs_management__say(m->discovery, "Failed to load discovery bundle from disk.", &e, NULL);
        } else {
            (void)!activate(m, cs_buf_view(&archive), false, &e);
        }
    }
    cs_buf_destroy(&archive);
    cs_buf_destroy(&path);
}
