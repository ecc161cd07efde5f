/* exec: one decision for each input file, as `opa exec`. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "countersign/config.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "countersign/yaml.h"
#include "load.h"

typedef struct exec_flags {
    cs_arg_list bundles, set, set_file;
    const char *config, *decision, *format, *log_level, *log_format, *log_timestamp, *timeout;
    bool fail, fail_defined, fail_non_empty, stdin_input, v0, v1;
} exec_flags;

typedef struct exec {
    const exec_flags *flags;
    cs_arena arena;  /* of the whole command */
    cs_arena answer; /* of one decision */
    cs_bundle **bundles;
    size_t n_bundles;
    cs_policy *policy;
    cs_query *query;
    cs_value data;
    const char *decision; /* as it is named in errors */
    int64_t deadline;     /* 0 = none */
    cs_buf out;
    cs_json_text json;
    size_t failures, errors;
} exec;

/* ---- the policy */
static cs_err bundle_problem(cs_error *e, cs_slice name)
{
    return cs_fail_in(e, "runtime error: Bundle name: %.*s, Code: bundle_error, HTTPCode: -1, Message: ", CS_FMT(name));
}

typedef struct place {
    cs_slice name;
    const char *path;
} place;

/* Bundles of the command line, then those of the configuration that are files. */
static cs_err find_bundles(exec *x, const cs_config *config, place **out, size_t *n, cs_error *e)
{
    const cs_arg_list *given = &x->flags->bundles;
    place *v = cs_arena_array(&x->arena, place, given->n + config->n_bundles + 1);
    *n = 0;
    for (size_t i = 0; i < config->n_bundles; i++) {
        const cs_config_bundle *b = &config->bundles[i];
        if (b->path.n == 0) {
            return cs_fail(e, CS_ERR_INVALID, "runtime error: bundle %.*s: only file:// resources are supported",
                           CS_FMT(b->name));
        }
        v[(*n)++] = (place){cs_slice_make(cs_arena_dup(&x->arena, b->name.p, b->name.n), b->name.n),
                            cs_arena_dup(&x->arena, b->path.p, b->path.n)};
    }
    for (size_t i = 0; i < given->n; i++) {
        size_t length;
        const char *name = cs_arena_printf(&x->arena, &length, "~%zu", i);
        v[(*n)++] = (place){cs_slice_make(name, length), given->v[i]};
    }
    *out = v;
    return CS_OK;
}

static cs_err check_roots(exec *x, cs_error *e)
{
    cs_bundle_roots *roots = cs_arena_array(&x->arena, cs_bundle_roots, x->n_bundles + 1);
    for (size_t i = 0; i < x->n_bundles; i++) {
        roots[i] =
            (cs_bundle_roots){x->bundles[i]->name, x->bundles[i]->manifest.roots, x->bundles[i]->manifest.n_roots};
    }
    return cs_bundles_check_roots(roots, x->n_bundles, e);
}

/* OPA names the whole path. */
static cs_err no_bundle(const char *path, cs_error *e)
{
    char here[4096];
    bool whole = path[0] == '/' || getcwd(here, sizeof here) == NULL;
    return cs_fail(e, CS_ERR_NOT_FOUND, "stat %s%s%s: no such file or directory", whole ? "" : here, whole ? "" : "/",
                   path);
}

/* A bundle whose modules cannot be parsed is not loaded at all. */
static cs_err parse_bundle(const cs_bundle *b, cs_error *e)
{
    cs_err err = CS_OK;
    cs_errors errors;
    cs_policy *policy = NULL;
    cs_policy_options options = {.stop_after = "ResolveRefs"};
    for (size_t i = 0; i < b->n_modules && err == CS_OK; i++) {
        const cs_bundle_module *m = &b->modules[i];
        cs_policy_source source = {m->path, m->text, m->rego_version};
        cs_errors_init(&errors);
        if (cs_policy_compile(&source, 1, &options, &policy, &errors) != CS_OK &&
            errors.v[0].code == CS_ERR_REGO_PARSE) {
            cs_buf text;
            cs_buf_init(&text);
            cs_errors_print(&text, &errors);
            err = cs_fail(e, CS_ERR_REGO_PARSE, "%s", cs_buf_cstr(&text));
            cs_buf_destroy(&text);
        }
        cs_policy_release(policy);
        policy = NULL;
        cs_errors_destroy(&errors);
    }
    return err;
}

static cs_err read_bundles(exec *x, const place *places, size_t n, cs_error *e)
{
    x->bundles = cs_arena_array(&x->arena, cs_bundle *, n + 1);
    x->data = cs_object_new(&x->arena, 0);
    for (size_t i = 0; i < n; i++) {
        cs_bundle_options options = {.name = places[i].name, .skip_verify = true, .rego_version = x->flags->v0 ? 0 : 1};
        bool there = cs_file_exists(places[i].path) || strncmp(places[i].path, "file://", 7) == 0;
        cs_err err =
            there ? cs_bundle_read_path(places[i].path, &options, &x->bundles[i], e) : no_bundle(places[i].path, e);
        x->n_bundles += err == CS_OK;
        if (err != CS_OK || parse_bundle(x->bundles[i], e) != CS_OK) {
            return bundle_problem(e, places[i].name);
        }
    }
    if (n && check_roots(x, e) != CS_OK) {
        return bundle_problem(e, places[0].name);
    }
    for (size_t i = 0; i < n; i++) {
        if (cs_merge(&x->arena, x->data, x->bundles[i]->data, &x->data, e) != CS_OK) {
            return bundle_problem(e, places[i].name);
        }
    }
    x->data = cs_freeze(&x->arena, x->data);
    return CS_OK;
}

static cs_err compile(exec *x, cs_error *e)
{
    CS_VEC(cs_policy_source) sources = {0};
    cs_errors errors;
    for (size_t i = 0; i < x->n_bundles; i++) {
        for (size_t k = 0; k < x->bundles[i]->n_modules; k++) {
            const cs_bundle_module *m = &x->bundles[i]->modules[k];
            CS_VEC_PUSH_IN(&x->arena, &sources, ((cs_policy_source){m->path, m->text, m->rego_version}));
        }
    }
    cs_policy_options options = {
        .print = CS_PRINT_KEEP, .data_exists = cs_cmd_data_exists, .data_exists_self = &x->data};
    cs_errors_init(&errors);
    cs_err err = cs_policy_compile(sources.v, sources.n, &options, &x->policy, &errors);
    if (err != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &errors);
        err = cs_fail(e, err, "%s", cs_buf_cstr(&text));
        (void)bundle_problem(e, x->n_bundles ? x->bundles[0]->name : CS_LIT(""));
        cs_buf_destroy(&text);
    }
    cs_errors_destroy(&errors);
    return err;
}

/* "/a/b%20c/0" → the document data.a["b c"][0]. */
static cs_err prepare(exec *x, cs_error *e)
{
    cs_slice rest = cs_slice_of(x->decision), piece;
    cs_value *path = cs_arena_array(&x->arena, cs_value, rest.n + 1);
    size_t n = 0;
    while (cs_slice_next(&rest, '/', &piece)) {
        cs_slice plain = piece;
        int64_t number;
        if (memchr(piece.p, '%', piece.n) && !cs_percent_decode(&x->arena, piece, false, &plain)) {
            plain = piece;
        }
        if (plain.n) {
            path[n++] = cs_slice_i64(plain, &number) ? cs_int(number) : cs_string(plain);
        }
    }
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err err = cs_query_prepare_path(x->policy, path, n, &x->query, &errors);
    if (err != CS_OK) {
        err = cs_fail(e, err, "exec error: %.*s", CS_FMT(errors.v[0].text));
    }
    cs_errors_destroy(&errors);
    return err;
}

static cs_err read_config(exec *x, place **places, size_t *n, cs_error *e)
{
    const exec_flags *f = x->flags;
    cs_config *config = NULL;
    cs_config_report report;
    cs_config_sources sources = {.file = f->config,
                                 .set = f->set.v,
                                 .n_set = f->set.n,
                                 .set_file = f->set_file.v,
                                 .n_set_file = f->set_file.n,
                                 .limits = true};
    cs_config_report_init(&report);
    cs_err err = cs_config_load(&sources, &config, &report);
    if (err != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        cs_config_report_print(&text, &report, false);
        cs_slice words = cs_slice_trim(cs_buf_view(&text));
        err = cs_fail(e, err, "config error: %.*s", CS_FMT(words));
        cs_buf_destroy(&text);
    } else {
        cs_slice d = config->default_decision;
        x->decision = f->decision && f->decision[0] ? f->decision : cs_arena_dup(&x->arena, d.p, d.n);
        err = find_bundles(x, config, places, n, e);
    }
    cs_config_free(config);
    cs_config_report_destroy(&report);
    return err;
}

/* ---- decisions */
static bool counts_errors(const exec *x)
{
    return x->flags->fail || x->flags->fail_defined || x->flags->fail_non_empty;
}

static void open_result(exec *x, const char *path, bool with_id)
{
    cs_json_open(&x->json, '{');
    if (with_id) {
        char id[37];
        cs_random_uuid(id);
        cs_json_put_text(&x->json, "decision_id", cs_slice_of(id));
    }
    cs_json_put_text(&x->json, "path", cs_slice_of(path));
}

static void put_error(exec *x, const char *code, cs_slice message, const cs_error *e)
{
    cs_json_key(&x->json, "error");
    cs_json_open(&x->json, '{');
    cs_json_put_text(&x->json, "code", cs_slice_of(code));
    cs_json_put_text(&x->json, "message", message);
    if (e && e->row) {
        cs_json_key(&x->json, "location");
        cs_json_open(&x->json, '{');
        cs_json_put_text(&x->json, "file", cs_slice_of(e->file));
        cs_json_put(&x->json, "row", cs_int(e->row));
        cs_json_put(&x->json, "col", cs_int(e->col));
        cs_json_close(&x->json);
    }
    cs_json_close(&x->json);
}

static void put_undefined(exec *x)
{
    cs_buf message;
    cs_buf_init(&message);
    cs_buf_printf(&message, "%s decision was undefined", x->decision);
    put_error(x, "opa_undefined_error", cs_buf_view(&message), NULL);
    cs_buf_destroy(&message);
}

static void count(exec *x, cs_value result)
{
    const exec_flags *f = x->flags;
    bool null = cs_is(result, CS_NULL);
    x->failures += (f->fail_defined && !null) || (f->fail && null);
    bool list = cs_is(result, CS_ARRAY) || cs_is(result, CS_SET);
    x->failures += f->fail_non_empty && !null && (!list || cs_count(result) > 0);
}

static void decide(exec *x, const char *path, cs_value input)
{
    const exec_flags *f = x->flags;
    cs_error e = {0};
    cs_value result;
    cs_eval eval = {
        .arena = &x->answer, .data = x->data, .input = input, .host = cs_cmd_host(), .deadline_mono_ns = x->deadline};
    cs_err err = cs_query_run(x->query, &eval, &result, &e);
    bool undefined = err == CS_OK && cs_is_undefined(result);
    open_result(x, path, err == CS_OK && !undefined);
    if (err != CS_OK) {
        put_error(x, cs_err_name(err), cs_slice_of(e.text), &e);
        x->errors += f->fail_defined || f->fail_non_empty;
    } else if (undefined) {
        put_undefined(x);
        x->errors += f->fail;
    } else {
        cs_json_put(&x->json, "result", result);
        count(x, result);
    }
    cs_json_close(&x->json);
}

/* ---- inputs */
/* A file that cannot be read as JSON or YAML: OPA shows no more of it than this. */
static void unreadable(exec *x, const char *path)
{
    open_result(x, path, false);
    cs_json_put(&x->json, "error", cs_object_new(&x->answer, 0));
    cs_json_close(&x->json);
    x->errors += counts_errors(x);
}

static cs_err parse_input(exec *x, cs_slice text, cs_value *out, cs_error *e)
{
    if (cs_slice_trim(text).n == 0) {
        *out = cs_null();
        return CS_OK;
    }
    if (cs_json_read(&x->answer, text, NULL, out, NULL, NULL) == CS_OK) {
        return CS_OK;
    }
    return cs_yaml_read(&x->answer, text, out, e);
}

static void on_file(exec *x, const char *path)
{
    static const char *const ends[] = {".json", ".yaml", ".yml"};
    bool known = false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        known = known || cs_slice_ends(cs_slice_of(path), cs_slice_of(ends[i]));
    }
    if (!known) {
        return;
    }
    cs_buf text;
    cs_value input;
    cs_buf_init(&text);
    cs_arena_reset(&x->answer);
    if (cs_file_read(path, cs_limits_get()->json_bytes, &text, NULL) != CS_OK ||
        parse_input(x, cs_buf_view(&text), &input, NULL) != CS_OK) {
        unreadable(x, path);
    } else {
        decide(x, path, input);
    }
    cs_buf_destroy(&text);
}

typedef struct folder {
    exec *x;
    const char *path;
} folder;

static cs_err on_visit(void *self, const char *relative, cs_error *e)
{
    folder *f = self;
    cs_buf path;
    (void)e;
    cs_buf_init(&path);
    cs_slice base = cs_slice_of(f->path);
    while (base.n > 1 && base.p[base.n - 1] == '/') {
        base.n--;
    }
    if (!cs_slice_is(base, ".")) {
        cs_buf_slice(&path, base);
        cs_buf_text(&path, base.n && base.p[base.n - 1] == '/' ? "" : "/");
    }
    cs_buf_text(&path, relative);
    on_file(f->x, cs_buf_cstr(&path));
    cs_buf_destroy(&path);
    return CS_OK;
}

static cs_err on_paths(exec *x, const cs_arg_list *paths, cs_error *e)
{
    for (size_t i = 0; i < paths->n; i++) {
        folder f = {x, paths->v[i]};
        if (!cs_file_exists(f.path)) {
            return cs_fail(e, CS_ERR_NOT_FOUND, "exec error: lstat %s: no such file or directory", f.path);
        }
        if (!cs_file_is_dir(f.path)) {
            on_file(x, f.path);
        } else if (cs_file_walk(f.path, on_visit, &f, e) != CS_OK) {
            return cs_fail_in(e, "exec error: ");
        }
    }
    return CS_OK;
}

/* Lines up to the first empty one, as OPA reads them. */
static cs_err on_stdin(exec *x, cs_error *e)
{
    cs_buf text;
    cs_value input = cs_null();
    cs_buf_init(&text);
    cs_err err = cs_file_read("-", cs_limits_get()->json_bytes, &text, e);
    if (err == CS_OK) {
        cs_slice all = cs_buf_view(&text);
        size_t end = all.n && all.p[0] == '\n' ? 0 : cs_slice_find(all, CS_LIT("\n\n"), 0);
        err = parse_input(x, cs_slice_sub(all, 0, end), &input, e);
    }
    if (err != CS_OK) {
        err = cs_fail_in(e, "exec error: ");
    } else if (cs_is(input, CS_NULL)) {
        err = cs_fail(e, CS_ERR_INVALID,
                      "exec error: cannot execute on empty input; please enter valid json or yaml when using the "
                      "--stdin-input flag");
    } else {
        decide(x, "--stdin-input", input);
    }
    cs_buf_destroy(&text);
    return err;
}

/* ---- the command */
static cs_err check_flags(const exec_flags *f, cs_error *e)
{
    if (f->fail && f->fail_defined) {
        return cs_fail(e, CS_ERR_INVALID, "exec error: specify --fail or --fail-defined but not both");
    }
    if (f->fail_non_empty && f->fail) {
        return cs_fail(e, CS_ERR_INVALID, "exec error: specify --fail-non-empty or --fail but not both");
    }
    if (f->fail_non_empty && f->fail_defined) {
        return cs_fail(e, CS_ERR_INVALID, "exec error: specify --fail-non-empty or --fail-defined but not both");
    }
    return CS_OK;
}

static cs_err count_failures(const exec *x, cs_error *e)
{
    const exec_flags *f = x->flags;
    if (!counts_errors(x) || x->failures + x->errors == 0) {
        return CS_OK;
    }
    return cs_fail(e, CS_ERR_INVALID,
                   "exec error: there were %zu failures and %zu errors counted in the results list, and --%s is set",
                   x->failures, x->errors,
                   f->fail           ? "fail"
                   : f->fail_defined ? "fail-defined"
                                     : "fail-non-empty");
}

static cs_err run(exec *x, const cs_arg_list *paths, cs_error *e)
{
    place *places = NULL;
    size_t n = 0;
    int64_t timeout = 0;
    if (x->flags->timeout) {
        (void)cs_time_parse_duration(cs_slice_of(x->flags->timeout), false, &timeout);
    }
    x->deadline = timeout ? cs_time_mono_ns() + timeout : 0;
    CS_TRY(read_config(x, &places, &n, e));
    CS_TRY(read_bundles(x, places, n, e));
    CS_TRY(compile(x, e));
    CS_TRY(check_flags(x->flags, e));
    CS_TRY(prepare(x, e));
    cs_json_open(&x->json, '{');
    cs_json_key(&x->json, "result");
    cs_json_open(&x->json, '[');
    if (x->flags->stdin_input) {
        CS_TRY(on_stdin(x, e));
    }
    CS_TRY(on_paths(x, paths, e));
    cs_json_close(&x->json);
    cs_json_close(&x->json);
    cs_buf_byte(&x->out, '\n');
    if (!cs_cmd_write(cs_buf_view(&x->out))) {
        return cs_fail(e, CS_ERR_IO, "exec error: cannot write the results");
    }
    return count_failures(x, e);
}

/* Members and times as the reference's logger has them here: sorted, to the second. */
static int report(cs_log_format format, const char *text)
{
    char now[40];
    size_t n = cs_time_format_rfc3339(cs_time_wall_ns() / CS_NS_PER_S * CS_NS_PER_S, now);
    cs_buf out;
    cs_buf_init(&out);
    cs_json_text t = {.out = &out, .flags = format == CS_LOG_JSON_PRETTY ? CS_JSON_PRETTY : 0U};
    if (format == CS_LOG_TEXT) {
        cs_buf_printf(&out, "time=\"%.*s\" level=error msg=\"Unexpected error.\" err=", (int)n, now);
        cs_value_print(&out, cs_string(cs_slice_of(text)));
    } else {
        cs_json_open(&t, '{');
        cs_json_put_text(&t, "err", cs_slice_of(text));
        cs_json_put_text(&t, "level", CS_LIT("error"));
        cs_json_put_text(&t, "msg", CS_LIT("Unexpected error."));
        cs_json_put_text(&t, "time", cs_slice_make(now, n));
        cs_json_close(&t);
    }
    fprintf(stderr, "%s\n", cs_buf_cstr(&out));
    cs_buf_destroy(&out);
    return 1;
}

static int run_exec(const exec_flags *f, const cs_arg_list *paths)
{
    cs_log_level level;
    cs_error e = {0};
    cs_log_format format = strcmp(f->log_format, "text") == 0          ? CS_LOG_TEXT
                           : strcmp(f->log_format, "json-pretty") == 0 ? CS_LOG_JSON_PRETTY
                                                                       : CS_LOG_JSON;
    if (!f->stdin_input && paths->n == 0) {
        return report(CS_LOG_TEXT, "requires at least 1 path arg, or the --stdin-input flag");
    }
    if (!cs_log_level_parse(cs_slice_of(f->log_level), &level)) {
        level = CS_LOG_ERROR;
    }
    cs_log_setup(level, format);
    exec x = {.flags = f};
    cs_arena_init(&x.arena, 0);
    cs_arena_init(&x.answer, cs_limits_get()->eval_memory);
    cs_buf_init(&x.out);
    x.json = (cs_json_text){.out = &x.out, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
    int status = run(&x, paths, &e) == CS_OK ? 0 : report(format, e.text);
    cs_query_release(x.query);
    cs_policy_release(x.policy);
    for (size_t i = 0; i < x.n_bundles; i++) {
        cs_bundle_free(x.bundles[i]);
    }
    cs_buf_destroy(&x.out);
    cs_arena_destroy(&x.answer);
    cs_arena_destroy(&x.arena);
    return status;
}

int cs_cmd_exec(int argc, char **argv)
{
    exec_flags f = {.format = "json", .log_level = "error", .log_format = "json"};
    const cs_arg args[] = {
        {"bundle", 'b', CS_ARG_COMMAS, &f.bundles, NULL, "bundle file or folder", NULL},
        {"config-file", 'c', CS_ARG_STRING, &f.config, NULL, "the configuration file", NULL},
        {"set", 0, CS_ARG_LIST, &f.set, NULL, "override a value of the configuration: a.b=c", NULL},
        {"set-file", 0, CS_ARG_LIST, &f.set_file, NULL, "the same with a file's content: a.b=path", NULL},
        {"decision", 0, CS_ARG_STRING, &f.decision, NULL, "path of the decision (the configuration's default)", NULL},
        {"fail", 0, CS_ARG_BOOL, &f.fail, NULL, "exit status 1 if a decision is undefined, or on errors", NULL},
        {"fail-defined", 0, CS_ARG_BOOL, &f.fail_defined, NULL, "exit status 1 if a decision is defined, or on errors",
         NULL},
        {"fail-non-empty", 0, CS_ARG_BOOL, &f.fail_non_empty, NULL,
         "exit status 1 if a decision is not empty, or on errors", NULL},
        {"format", 'f', CS_ARG_ENUM, &f.format, "json", "form of the output", NULL},
        {"log-level", 'l', CS_ARG_ENUM, &f.log_level, "debug|info|error", "log level", NULL},
        {"log-format", 0, CS_ARG_ENUM, &f.log_format, "text|json|json-pretty", "log format", NULL},
        {"log-timestamp-format", 0, CS_ARG_STRING, &f.log_timestamp, NULL, "accepted: it is RFC 3339", NULL},
        {"stdin-input", 'I', CS_ARG_BOOL, &f.stdin_input, NULL, "read the input document from standard input", NULL},
        {"timeout", 0, CS_ARG_STRING, &f.timeout, NULL, "longest time for all of it, such as 1m30s", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &f.v0, NULL, "modules are Rego v0", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &f.v1, NULL, "accepted: it is the default", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    int64_t ns;
    if (status < 0 && f.timeout && !cs_time_parse_duration(cs_slice_of(f.timeout), false, &ns)) {
        status = cs_args_wrong("invalid argument \"%s\" for \"--timeout\" flag: time: invalid duration \"%s\"",
                               f.timeout, f.timeout);
    }
    if (status < 0) {
        status = run_exec(&f, &paths);
    }
    cs_arena_destroy(&a);
    return status;
}
