/* The main thread while the service serves: signals, files that change, the end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/base/watch.h"
#include "countersign/json.h"
#include "internal.h"

#define LOOK_NS (CS_NS_PER_S / 4)
#define CONFIG_MAX_BYTES ((size_t)64 << 20)

/* What is looked at, over all starts. */
typedef struct watched {
    const char *config; /* the file, with --watch-config */
    cs_watch paths, config_file;
    cs_buf text; /* of the configuration as it was last read */
} watched;

typedef enum ending { THE_END, START_ANEW } ending;

/* ---- signals */

static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of the write */
}

/* The next signal, or 0 when it is time to look at the files. */
static int next_signal(const sigset_t *set, bool looks)
{
    int which = 0;
    if (!looks) {
        while (sigwait(set, &which) != 0) {
        }
        return which;
    }
    struct timespec t = {.tv_nsec = LOOK_NS};
    which = sigtimedwait(set, NULL, &t);
    return which > 0 ? which : 0;
}

/* Still serving, so that load balancers can notice; a second signal ends the wait. */
static void linger(const sigset_t *set, int64_t ns)
{
    if (ns > 0) {
        cs_logf(CS_LOG_INFO, "Waiting %llds before initiating shutdown...", (long long)(ns / CS_NS_PER_S));
        struct timespec t = {.tv_sec = ns / CS_NS_PER_S, .tv_nsec = ns % CS_NS_PER_S};
        (void)sigtimedwait(set, NULL, &t);
    }
}

/* ---- errors as OPA words them */

static void say_errors(cs_buf *out, const cs_errors *errors, const cs_error *e)
{
    if (errors->n != 0) {
        cs_errors_print(out, errors);
        while (out->n != 0 && out->p[out->n - 1] == '\n') {
            out->n--;
        }
    } else {
        cs_buf_text(out, e->text);
    }
}

/* What stands in the file is told with its place, what does not as it is. */
static void say_config(cs_buf *out, const cs_config_report *report)
{
    cs_buf_text(out, "config error: ");
    for (size_t i = 0; i < report->n; i++) {
        const cs_config_problem *p = &report->v[i];
        if (p->warning) {
            continue;
        }
        if (p->line != 0) {
            cs_buf_printf(out, "%.*s:%u: ", CS_FMT(p->file), p->line);
        }
        cs_buf_printf(out, "%.*s\n", CS_FMT(p->text));
    }
}

static void warn(const cs_config_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        cs_log(CS_LOG_WARN, "Configuration.", 3,
               (cs_log_field[]){CS_LOG_S("file", report->v[i].file), CS_LOG_I("line", report->v[i].line),
                                CS_LOG_S("warning", report->v[i].text)});
    }
}

/* ---- files that change */

static void log_took(cs_log_level level, const char *message, int64_t began_ns, bool with_error, cs_slice error)
{
    cs_log_field fields[2] = {CS_LOG_I("duration", cs_time_mono_ns() - began_ns), CS_LOG_S("err", error)};
    if (error.n == 0) {
        fields[1] = (cs_log_field){.key = "err", .kind = CS_LOG_RAW, .text = CS_LIT("null")};
    }
    cs_log(level, message, with_error ? 2 : 1, fields);
}

static void reload_paths(cs_app *app)
{
    int64_t began = cs_time_mono_ns();
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    cs_buf text;
    cs_buf_init(&text);
    if (cs_app__reload_paths(app, &errors, &e) != CS_OK) {
        say_errors(&text, &errors, &e);
    }
    log_took(CS_LOG_INFO, "Processed file watch event.", began, true, cs_buf_view(&text));
    cs_buf_destroy(&text);
    cs_errors_destroy(&errors);
}

/* Is it another one, and good? A change that was refused is told once. */
static bool config_is_new(const cs_app *app, watched *w)
{
    int64_t began = cs_time_mono_ns();
    cs_buf text;
    cs_buf_init(&text);
    cs_error e = {0};
    if (cs_file_read(w->config, CONFIG_MAX_BYTES, &text, &e) != CS_OK) {
        log_took(CS_LOG_ERROR, "Failed to reload configuration.", began, true, cs_slice_of(e.text));
        cs_buf_destroy(&text);
        return false;
    }
    bool same = cs_slice_eq(cs_buf_view(&text), cs_buf_view(&w->text));
    cs_buf_destroy(&w->text);
    w->text = text;
    if (same) {
        return false;
    }
    cs_config_sources sources = app->o->config;
    sources.limits = false; /* those in force are read by others meanwhile */
    cs_config *config = NULL;
    cs_config_report report;
    cs_config_report_init(&report);
    bool good = cs_config_load(&sources, &config, &report) == CS_OK;
    if (good) {
        log_took(CS_LOG_INFO, "Reloading configuration.", began, false, CS_LIT(""));
    } else {
        cs_buf why;
        cs_buf_init(&why);
        say_config(&why, &report);
        cs_slice told = cs_slice_trim(cs_slice_sub(cs_buf_view(&why), sizeof "config error: " - 1, why.n));
        log_took(CS_LOG_ERROR, "Failed to reload configuration.", began, true, told);
        cs_buf_destroy(&why);
    }
    cs_config_free(config);
    cs_config_report_destroy(&report);
    return good;
}

static bool has_section(const cs_config *c, const char *name)
{
    return cs_is(c->document, CS_OBJECT) && cs_object_get_text(c->document, name) != NULL;
}

static void begin_watch(const cs_app_options *o, watched *w)
{
    *w = (watched){.config = o->watch_config ? o->config.file : NULL};
    cs_buf_init(&w->text);
    if (o->watch) {
        cs_watch_begin(&w->paths, o->paths, o->n_paths);
    }
    if (w->config != NULL) {
        cs_watch_begin(&w->config_file, &w->config, 1);
        cs_error e = {0};
        (void)(cs_file_read(w->config, CONFIG_MAX_BYTES, &w->text, &e) == CS_OK);
    }
}

/* ---- serving */

static void log_start(const cs_app_options *o)
{
    cs_buf lists[2];
    for (int i = 0; i < 2; i++) {
        size_t n = i == 0 ? o->n_addresses : o->n_diagnostic;
        const char *const *v = i == 0 ? o->addresses : o->diagnostic_addresses;
        cs_buf_init(&lists[i]);
        cs_buf_byte(&lists[i], '[');
        for (size_t k = 0; k < n; k++) {
            cs_buf_text(&lists[i], k != 0 ? "," : "");
            cs_json_write(&lists[i], cs_string(cs_slice_of(v[k])), CS_JSON_HTML);
        }
        cs_buf_byte(&lists[i], ']');
    }
    const char *message = o->public_by_default
                              ? "Initializing server. It listens on all network interfaces. Unless it is to be reached "
                                "from other hosts, --addr localhost:8181 is recommended."
                              : "Initializing server.";
    cs_log(CS_LOG_INFO, message, 2,
           (cs_log_field[]){{.key = "addrs", .kind = CS_LOG_RAW, .text = cs_buf_view(&lists[0])},
                            {.key = "diagnostic-addrs", .kind = CS_LOG_RAW, .text = cs_buf_view(&lists[1])}});
    cs_buf_destroy(&lists[0]);
    cs_buf_destroy(&lists[1]);
    if (!o->authorization && o->authentication == CS_AUTHN_TOKEN) {
        cs_logf(CS_LOG_ERROR,
                "Token authentication enabled without authorization. Authentication will be ineffective. "
                "See "
                "https://www.openpolicyagent.org/docs/latest/security/#authentication-and-authorization for "
                "more information.");
    }
    if (geteuid() == 0 || getegid() == 0) {
        cs_logf(CS_LOG_WARN, "countersign running with uid or gid 0. Running it with root privileges is not "
                             "recommended.");
    }
}

static void log_serving(const cs_app *app)
{
    cs_buf addresses;
    cs_buf_init(&addresses);
    for (size_t i = 0; i < cs_server_address_count(app->server); i++) {
        cs_buf_text(&addresses, i != 0 ? "," : "");
        cs_buf_slice(&addresses, cs_server_address(app->server, i));
    }
    cs_log(CS_LOG_DEBUG, "Server initialized.", 1, (cs_log_field[]){CS_LOG_S("addrs", cs_buf_view(&addresses))});
    cs_buf_destroy(&addresses);
}

/* Until a signal ends it, or another configuration is there. */
static ending wait_for_end(cs_app *app, const sigset_t *set, watched *w)
{
    bool discovery = has_section(app->config, "discovery");
    bool config = w->config != NULL && !discovery;
    if (w->config != NULL && discovery) {
        cs_logf(CS_LOG_WARN, "Configuration file changes will not be reloaded because discovery is enabled.");
    }
    for (;;) {
        int which = next_signal(set, app->o->watch || config);
        if (which == SIGHUP) {
            cs_server_refresh_tls(app->server);
        } else if (which != 0) {
            return THE_END;
        }
        if (app->o->watch && cs_watch_changed(&w->paths)) {
            reload_paths(app);
        }
        if (config && cs_watch_changed(&w->config_file) && config_is_new(app, w)) {
            return START_ANEW;
        }
    }
}

/* false: some were not answered in time. */
static bool end_serving(cs_app *app, const sigset_t *set, ending why)
{
    if (why == THE_END) {
        linger(set, app->o->shutdown_wait_ns);
    }
    cs_logf(CS_LOG_INFO, "Shutting down...");
    if (!cs_server_drain(app->server, app->o->shutdown_grace_ns)) {
        cs_log(CS_LOG_ERROR, "Failed to shutdown server gracefully.", 1,
               (cs_log_field[]){CS_LOG_S("err", CS_LIT("error while shutting down: context deadline exceeded"))});
        return false;
    }
    cs_logf(CS_LOG_INFO, "Server shutdown.");
    return true;
}

static void say_failure(const cs_app *app, const cs_errors *errors, const cs_error *e, cs_buf *message)
{
    switch (app->stage) {
    case CS_APP__LOADING:
        cs_buf_text(message, errors->n != 0 ? "initialization error: " : "load error: ");
        break;
    case CS_APP__LISTENING:
        cs_log(CS_LOG_ERROR, e->code == CS_ERR_IO ? "Listener failed." : "Unable to create listeners.", 1,
               (cs_log_field[]){CS_LOG_S("err", cs_slice_of(e->text))});
        return;
    case CS_APP__WAITING:
        cs_log(CS_LOG_ERROR, "Failed to wait for plugins activation.", 1,
               (cs_log_field[]){CS_LOG_S("err", cs_slice_of(e->text))});
        return;
    case CS_APP__STARTING:
        cs_buf_text(message, errors->n != 0 ? "initialization error: " : "");
        break;
    }
    say_errors(message, errors, e);
}

/* One life with one configuration. */
static cs_err live(cs_app *app, const sigset_t *set, watched *w, cs_buf *message, ending *why)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    *why = THE_END;
    cs_err r = cs_app__start(app, &errors, &e);
    if (r == CS_OK) {
        app->served = true;
        log_serving(app);
        if (app->o->serving != NULL) {
            app->o->serving(app->o->serving_self, cs_server_address(app->server, 0));
        }
        *why = wait_for_end(app, set, w);
        if (*why == START_ANEW) {
            cs_logf(CS_LOG_INFO, "Restarting to apply the new configuration.");
        }
        if (!end_serving(app, set, *why) && *why == THE_END) {
            r = CS_ERR_TIMEOUT;
        }
    } else {
        say_failure(app, &errors, &e, message);
    }
    cs_errors_destroy(&errors);
    cs_app__stop(app);
    return r;
}

static cs_err check_only(const cs_app_options *o, cs_config *config, const cs_config_report *report, cs_buf *message)
{
    cs_arena arena;
    cs_arena_init(&arena, 0);
    cs_config_report_print(message, report, true);
    cs_error e = {0};
    (void)o;
    cs_err r = cs_app__journal_check(config, &arena, &e);
    r = r == CS_OK ? cs_app__audit_check(config, &e) : r;
    if (r != CS_OK) {
        cs_buf_printf(message, "%s\n", e.text);
    }
    cs_arena_destroy(&arena);
    return r;
}

static void fall_back(cs_config **config, cs_config **before, cs_buf *message)
{
    cs_log(CS_LOG_ERROR, "Failed to come up under the new configuration, falling back to the previous one.", 1,
           (cs_log_field[]){CS_LOG_S("err", cs_buf_view(message))});
    cs_buf_clear(message);
    cs_config_free(*config);
    *config = *before;
    *before = NULL;
}

/* The configuration as it is now, with its limits; if it has changed again and is bad, the one that was. */
static cs_config *load_again(const cs_app_options *o, cs_config *before)
{
    cs_config *config = NULL;
    cs_config_report report;
    cs_config_report_init(&report);
    if (cs_config_load(&o->config, &config, &report) != CS_OK) {
        config = cs_config_retain(before);
    }
    warn(&report);
    cs_config_report_destroy(&report);
    return config;
}

/* The lives, one after the other. One that cannot begin gives way to the configuration before. */
static cs_err live_on(const cs_app_options *o, cs_config *config, const sigset_t *set, cs_buf *message)
{
    watched w;
    begin_watch(o, &w);
    cs_config *before = NULL;
    cs_err r = CS_OK;
    for (ending why = START_ANEW; why == START_ANEW;) {
        cs_app app = {.o = o, .config = cs_config_retain(config), .loaded = before == NULL ? log_start : NULL};
        r = live(&app, set, &w, message, &why);
        if (app.served) {
            cs_config_free(before);
            before = NULL;
        } else if (before != NULL) {
            fall_back(&config, &before, message);
            why = START_ANEW;
            continue;
        }
        if (why == START_ANEW) {
            before = config;
            config = load_again(o, before);
        }
    }
    cs_config_free(before);
    cs_config_free(config);
    cs_buf_destroy(&w.text);
    return r;
}

cs_err cs_app_run(const cs_app_options *options, cs_buf *message)
{
    sigset_t set;
    block_signals(&set);
    cs_config *config = NULL;
    cs_config_report report;
    cs_config_report_init(&report);
    cs_err r = cs_config_load(&options->config, &config, &report);
    if (r != CS_OK) {
        if (options->check_config) {
            cs_config_report_print(message, &report, true);
        } else {
            say_config(message, &report);
        }
    } else if (options->check_config) {
        r = check_only(options, config, &report, message);
    } else {
        warn(&report);
        r = live_on(options, config, &set, message);
        config = NULL;
    }
    cs_config_report_destroy(&report);
    cs_config_free(config);
    return r;
}
