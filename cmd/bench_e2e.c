/* bench --e2e: the whole way of a request, as `opa bench --e2e`. The service runs in this process and listens on a port
 * of its own; a thread asks it over one connection. When that thread is done it sends the signal that the service waits
 * for. */
#include <signal.h>
#include <unistd.h>

#include "bench.h"
#include "countersign/app.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/net.h"
#include "countersign/number.h"

/* The values of one of the server's metrics. */
typedef struct series {
    const char *name; /* in the arena */
    CS_VEC(int64_t) values;
} series;

typedef struct over_http {
    const cs_bench_flags *flags;
    cs_slice query;
    cs_arena arena; /* of the command */
    cs_arena turn;  /* of one answer */
    cs_cmd_problems problems;
    cs_network *network;
    cs_thread client;
    cs_slice address, url, body;
    CS_VEC(series) series;
    int status;
} over_http;

static void add_problem(over_http *o, const char *before, cs_slice text)
{
    size_t n;
    char *message = cs_arena_printf(&o->arena, &n, "%s%.*s", before, CS_FMT(text));
    cs_cmd_problem one = {.message = cs_slice_make(message, n), .details = cs_undefined()};
    CS_VEC_PUSH_IN(&o->arena, &o->problems.list, one);
}

/* ---- one request */

static bool whole(cs_value v, int64_t *out)
{
    return cs_is(v, CS_NUMBER) && cs_number_is_int(v, out);
}

static void note(over_http *o, cs_slice name, int64_t value)
{
    size_t i = 0;
    while (i < o->series.n && !cs_slice_is(name, o->series.v[i].name)) {
        i++;
    }
    if (i == o->series.n) {
        series one = {.name = cs_arena_dup(&o->arena, name.p, name.n)};
        CS_VEC_PUSH_IN(&o->arena, &o->series, one);
    }
    CS_VEC_PUSH(&o->series.v[i].values, value);
}

static void note_metrics(over_http *o, cs_value metrics)
{
    for (uint32_t i = 0; cs_is(metrics, CS_OBJECT) && i < cs_count(metrics); i++) {
        cs_value v, key = cs_entry(metrics, i, &v);
        int64_t n;
        if (whole(v, &n)) {
            note(o, cs_text(key), n);
        }
    }
}

/* The policy errors that the server tells, each as the compiler told it. OPA's reader of such lists fails at details,
 * and then the answer's message is all that there is. */
static void add_policy_errors(over_http *o, cs_value errors)
{
    for (uint32_t i = 0; i < cs_count(errors); i++) {
        if (!cs_is_undefined(cs_object_member(errors.u.items[i], "details"))) {
            return;
        }
    }
    for (uint32_t i = 0; i < cs_count(errors); i++) {
        cs_value one = errors.u.items[i], place = cs_object_member(one, "location");
        cs_value code = cs_object_member(one, "code"), message = cs_object_member(one, "message"),
                 file = cs_object_member(place, "file");
        int64_t row = 0, col = 0;
        bool located = whole(cs_object_member(place, "row"), &row) && whole(cs_object_member(place, "col"), &col);
        cs_cmd_problem p = {.code = cs_is(code, CS_STRING) ? cs_text(code) : CS_LIT(""),
                            .message = cs_is(message, CS_STRING) ? cs_text(message) : CS_LIT(""),
                            .located = located,
                            .file = cs_is(file, CS_STRING) ? cs_text(file) : CS_LIT(""),
                            .row = (uint32_t)row,
                            .col = (uint32_t)col,
                            .details = cs_undefined()};
        p.place = cs_slice_of(p.file.n ? cs_arena_printf(&o->arena, NULL, "%.*s:%u", CS_FMT(p.file), p.row)
                                       : cs_arena_printf(&o->arena, NULL, "%u:%u", p.row, p.col));
        CS_VEC_PUSH_IN(&o->arena, &o->problems.list, p);
    }
}

static cs_err refused(over_http *o, int status, cs_slice text, cs_error *e)
{
    cs_value answer;
    /* In the command's memory: the report comes when the turn's is gone. */
    CS_TRY(cs_json_read(&o->arena, text, NULL, &answer, NULL, e));
    cs_value errors = cs_object_member(answer, "errors"), message = cs_object_member(answer, "message");
    if (cs_is(errors, CS_ARRAY)) {
        add_policy_errors(o, errors);
    }
    cs_slice words = cs_is(message, CS_STRING) ? cs_text(message) : CS_LIT("<nil>");
    return cs_fail(e, CS_ERR_INVALID, "request failed, OPA server replied with HTTP %d: %.*s", status, CS_FMT(words));
}

static cs_err undefined(cs_error *e)
{
    return cs_fail(e, CS_ERR_INVALID, "undefined result");
}

static cs_err judge_partial(cs_value result, cs_error *e)
{
    if (!cs_is(result, CS_OBJECT)) {
        return cs_is(result, CS_UNDEFINED) ? undefined(e)
                                           : cs_fail(e, CS_ERR_INVALID, "invalid result for compile response");
    }
    cs_value queries = cs_object_member(result, "queries");
    if (cs_count(result) == 0 || (cs_is(queries, CS_ARRAY) && cs_count(queries) == 0)) {
        return undefined(e);
    }
    return cs_is(queries, CS_ARRAY) ? CS_OK
                                    : cs_fail(e, CS_ERR_INVALID, "invalid result for output of partial evaluation");
}

static cs_err judge(over_http *o, const cs_exchange_answer *answer, cs_error *e)
{
    if (answer->failure != CS_EXCHANGE_OK) {
        return cs_fail(e, CS_ERR_IO, "Post \"%.*s\": %.*s", CS_FMT(o->url), CS_FMT(answer->text));
    }
    if (answer->status != 200) {
        return refused(o, answer->status, answer->body, e);
    }
    cs_value document;
    cs_arena_reset(&o->turn);
    CS_TRY(cs_json_read(&o->turn, answer->body, NULL, &document, NULL, e));
    cs_value result = cs_object_member(document, "result");
    if (o->flags->fail) {
        CS_TRY(o->flags->partial ? judge_partial(result, e) : cs_is(result, CS_UNDEFINED) ? undefined(e) : CS_OK);
    }
    note_metrics(o, cs_object_member(document, "metrics"));
    return CS_OK;
}

static cs_err turn(void *self, int64_t *ns, cs_error *e)
{
    over_http *o = self;
    const cs_exchange_field header = {CS_LIT("Content-Type"), CS_LIT("application/json")};
    cs_exchange_request request = {.kind = CS_EXCHANGE_HTTP,
                                   .method = CS_LIT("POST"),
                                   .url = o->url,
                                   .headers = &header,
                                   .n_headers = 1,
                                   .body = o->body};
    int64_t start = cs_time_mono_ns();
    cs_exchange *x = o->network->start(o->network, &request, NULL, NULL);
    while (!o->network->wait(x, CS_NS_PER_S)) {
    }
    cs_err err = judge(o, o->network->answer(x), e);
    *ns = cs_time_mono_ns() - start;
    o->network->end(x);
    return err;
}

static void restart(void *self)
{
    over_http *o = self;
    for (size_t i = 0; i < o->series.n; i++) {
        o->series.v[i].values.n = 0;
    }
}

static cs_value figures(void *self)
{
    over_http *o = self;
    cs_value found = cs_object_new(&o->arena, 64);
    for (size_t i = 0; i < o->series.n; i++) {
        series *one = &o->series.v[i];
        if (one->values.n > 0) {
            cs_bench__add_figures(&o->arena, found, one->name, one->values.v, one->values.n);
        }
    }
    return found;
}

/* ---- what is asked */
static cs_err read_input(over_http *o, cs_value *out, cs_error *e)
{
    const cs_bench_flags *f = o->flags;
    *out = cs_object_new(&o->arena, 0);
    if (f->input || f->stdin_input) {
        CS_TRY(cs_cmd_read_any(&o->arena, f->input ? f->input : "-", out, e));
        if (!cs_is(*out, CS_OBJECT) && !cs_is(*out, CS_NULL)) {
            return cs_fail(e, CS_ERR_INVALID, "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                           cs_is(*out, CS_BOOL) ? "bool" : cs_kind_name(*out));
        }
    }
    return CS_OK;
}

/* The path of a document, the query as a text, or the query for /v1/compile. */
static cs_err make_request(over_http *o, cs_error *e)
{
    const cs_bench_flags *f = o->flags;
    cs_arena *a = &o->arena;
    cs_value input, body = cs_object_new(a, 3);
    CS_TRY(read_input(o, &input, e));
    cs_object_put_text(a, body, "input", input);
    cs_buf path;
    cs_buf_init(&path);
    cs_buf_text(&path, f->partial ? "compile" : "query");
    if (!f->partial && cs_slice_starts(o->query, CS_LIT("data."))) {
        cs_buf_clear(&path);
        for (size_t i = 0; i < o->query.n; i++) {
            cs_buf_byte(&path, o->query.p[i] == '.' ? '/' : o->query.p[i]);
        }
    } else {
        cs_object_put_text(a, body, "query", cs_string(o->query));
    }
    if (f->partial && f->unknowns.n > 0) {
        cs_value *unknowns = cs_arena_array(a, cs_value, f->unknowns.n);
        for (size_t i = 0; i < f->unknowns.n; i++) {
            unknowns[i] = cs_string(cs_slice_of(f->unknowns.v[i]));
        }
        cs_object_put_text(a, body, "unknowns", cs_array(unknowns, (uint32_t)f->unknowns.n));
    }
    o->url = cs_slice_of(cs_arena_printf(a, NULL, "http://%.*s/v1/%s%s", CS_FMT(o->address), cs_buf_cstr(&path),
                                         f->metrics ? "?metrics=true" : ""));
    cs_buf_clear(&path);
    cs_json_write(&path, body, 0);
    o->body = cs_slice_make(cs_arena_dup(a, path.p, path.n), path.n);
    cs_buf_destroy(&path);
    return CS_OK;
}

/* ---- the two threads */
static void client_main(void *self)
{
    over_http *o = self;
    cs_error e = {0};
    cs_bench_run measured = {
        .flags = o->flags, .arena = &o->arena, .self = o, .turn = turn, .restart = restart, .figures = figures};
    cs_err err = make_request(o, &e);
    err = err == CS_OK ? cs_bench__measure(&measured, &e) : err;
    if (err != CS_OK && o->problems.list.n == 0) {
        add_problem(o, "", cs_slice_of(e.text));
    }
    o->status = err == CS_OK ? 0 : 1;
    (void)kill(getpid(), SIGTERM);
}

static void serving(void *self, cs_slice address)
{
    over_http *o = self;
    cs_error e = {0};
    o->address = cs_slice_make(cs_arena_dup(&o->arena, address.p, address.n), address.n);
    o->network = cs_network_new(&(cs_network_options){.read_env = cs_config_env});
    if (cs_thread_start(&o->client, "bench", client_main, o, &e) != CS_OK) {
        add_problem(o, "", cs_slice_of(e.text));
        (void)kill(getpid(), SIGTERM);
    }
}

static void serve(over_http *o)
{
    const cs_bench_flags *f = o->flags;
    static const char *const anywhere[] = {"localhost:0"};
    const cs_arg_list *paths = f->sources.bundles.n > 0 ? &f->sources.bundles : &f->sources.data;
    cs_app_options options = {.config = {.file = f->config, .limits = true},
                              .paths = paths->v,
                              .n_paths = paths->n,
                              .bundles = f->sources.bundles.n > 0,
                              .skip_verify = true,
                              .rego_version = f->sources.v0 ? 0 : 1,
                              .addresses = anywhere,
                              .n_addresses = 1,
                              .shutdown_wait_ns = f->wait * CS_NS_PER_S,
                              .shutdown_grace_ns = f->grace * CS_NS_PER_S,
                              .serving = serving,
                              .serving_self = o};
    cs_log_setup(CS_LOG_ERROR, CS_LOG_JSON);
    cs_buf message;
    cs_buf_init(&message);
    cs_err err = cs_app_run(&options, &message);
    cs_thread_join(&o->client);
    cs_network_free(o->network);
    if (err != CS_OK && o->problems.list.n == 0) {
        cs_slice text = cs_slice_trim(cs_buf_view(&message));
        cs_slice file = cs_slice_of(f->config != NULL ? f->config : "");
        bool config = file.n > 0 && cs_slice_starts(text, file);
        if (config && cs_slice_starts(cs_slice_sub(text, file.n, text.n), CS_LIT(": open "))) {
            text = cs_slice_sub(text, file.n + 2, text.n);
        }
        add_problem(o, config ? "config error: " : "", text);
    }
    cs_buf_destroy(&message);
}

/* What the service would stop at, found before it starts: here the errors still have their places. */
static bool check(over_http *o)
{
    cs_cmd_loaded loaded;
    cs_errors errors;
    cs_error e = {0};
    cs_query *query = NULL;
    cs_cmd_sources sources = o->flags->sources;
    sources.schema = NULL; /* the service takes none */
    cs_errors_init(&errors);
    if (cs_cmd_load(&sources, &loaded, &errors, &e) != CS_OK) {
        if (errors.n > 0) {
            cs_cmd_problems_add_list(&o->problems, &errors);
        } else {
            add_problem(o, "load error: ", cs_slice_of(e.text));
        }
    } else if (!o->flags->partial &&
               cs_query_prepare(loaded.policy, o->query, &(cs_query_options){0}, &query, &errors) != CS_OK &&
               errors.v[0].code == CS_ERR_REGO_PARSE) {
        add_problem(o, "", CS_LIT("error occurred while parsing query"));
    }
    cs_query_release(query);
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    return o->problems.list.n == 0;
}

int cs_bench__over_http(const cs_bench_flags *flags, cs_slice query)
{
    over_http o = {.flags = flags, .query = query, .status = 1};
    cs_arena_init(&o.arena, 0);
    cs_arena_init(&o.turn, 0);
    o.problems.arena = &o.arena;
    if (check(&o)) {
        serve(&o);
    }
    if (o.problems.list.n > 0) {
        o.status = cs_bench__report_problems(flags, &o.problems);
    }
    for (size_t i = 0; i < o.series.n; i++) {
        CS_VEC_FREE(&o.series.v[i].values);
    }
    cs_arena_destroy(&o.turn);
    cs_arena_destroy(&o.arena);
    return o.status;
}
