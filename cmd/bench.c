/* bench: how long a query takes, as `opa bench`: prepared once, evaluated for about a second. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/partial.h"

typedef struct bench {
    const cs_bench_flags *flags;
    cs_arena arena; /* of the command */
    cs_arena turn;  /* of one evaluation */
    cs_cmd_loaded *loaded;
    cs_cmd_problems *problems;
    cs_slice text;
    cs_value input;
    cs_query *query; /* NULL with --partial */
    cs_partial_options options;
    CS_VEC(int64_t) ns; /* of each turn */
} bench;

/* ---- turns */
static cs_err undefined(cs_error *e)
{
    return cs_fail(e, CS_ERR_UNDEFINED, "undefined result");
}

static cs_err evaluate(bench *b, cs_error *e)
{
    cs_value answers;
    cs_eval eval = {.arena = &b->turn, .data = b->loaded->data, .input = b->input};
    CS_TRY(cs_query_run(b->query, &eval, &answers, e));
    return b->flags->fail && answers.n == 0 ? undefined(e) : CS_OK;
}

static cs_partial_options partial_options(bench *b)
{
    return (cs_partial_options){.query = {.package = cs_slice_of(b->flags->package),
                                          .imports = cs_cmd_slices(&b->arena, &b->flags->imports),
                                          .n_imports = b->flags->imports.n,
                                          .print = CS_PRINT_KEEP}};
}

/* Everything is made anew, the query too: it is part of what lives in the turn's memory. */
static cs_err evaluate_partially(bench *b, int64_t *start, cs_error *e)
{
    const cs_partial_options *options = &b->options;
    cs_errors errors;
    cs_errors_init(&errors);
    cs_partial *p = cs_partial_new(&b->turn, b->loaded->policy);
    cs_err err = cs_partial_parse(p, b->text, b->flags->sources.v0, false, &errors);
    err = err == CS_OK ? cs_partial_compile(p, options, &errors) : err;
    if (err != CS_OK) {
        cs_cmd_problems_add_list(b->problems, &errors);
    }
    for (size_t i = 0; i < b->flags->unknowns.n && err == CS_OK; i++) {
        err = cs_partial_add_unknown(p, cs_slice_of(b->flags->unknowns.v[i]), false, e);
    }
    *start = cs_time_mono_ns();
    cs_eval eval = {.arena = &b->turn, .data = b->loaded->data, .input = b->input};
    err = err == CS_OK ? cs_partial_run(p, options, &eval, e) : err;
    cs_errors_destroy(&errors);
    return err == CS_OK && b->flags->fail && cs_partial_query_count(p) == 0 ? undefined(e) : err;
}

static cs_err turn(void *self, int64_t *ns, cs_error *e)
{
    bench *b = self;
    cs_arena_reset(&b->turn);
    int64_t start = cs_time_mono_ns();
    CS_TRY(b->query ? evaluate(b, e) : evaluate_partially(b, &start, e));
    *ns = cs_time_mono_ns() - start;
    CS_VEC_PUSH(&b->ns, *ns);
    return CS_OK;
}

static void restart(void *self)
{
    ((bench *)self)->ns.n = 0;
}

static cs_value figures(void *self)
{
    bench *b = self;
    cs_value found = cs_object_new(&b->arena, 12);
    cs_bench__add_figures(&b->arena, found, b->query ? "timer_rego_query_eval_ns" : "timer_rego_partial_eval_ns",
                          b->ns.v, b->ns.n);
    return found;
}

/* ---- the command */
static bool prepare(bench *b)
{
    const cs_bench_flags *f = b->flags;
    cs_errors errors;
    cs_errors_init(&errors);
    cs_query_options options = {.package = cs_slice_of(f->package),
                                .imports = cs_cmd_slices(&b->arena, &f->imports),
                                .n_imports = f->imports.n,
                                .print = CS_PRINT_KEEP,
                                .v0 = f->sources.v0};
    if (!f->partial && cs_query_prepare(b->loaded->policy, b->text, &options, &b->query, &errors) != CS_OK) {
        cs_cmd_problems_add_list(b->problems, &errors);
    }
    cs_errors_destroy(&errors);
    return b->problems->list.n == 0;
}

static int run(bench *b)
{
    cs_error e = {0};
    if (!prepare(b)) {
        return cs_bench__report_problems(b->flags, b->problems);
    }
    b->options = partial_options(b);
    cs_bench_run measured = {
        .flags = b->flags, .arena = &b->arena, .self = b, .turn = turn, .restart = restart, .figures = figures};
    if (cs_bench__measure(&measured, &e) != CS_OK) {
        if (b->problems->list.n == 0) {
            e.code = e.code == CS_ERR_UNDEFINED ? CS_OK : e.code; /* shown without a code */
            cs_cmd_problems_add(b->problems, &e, NULL, 0);
        }
        return cs_bench__report_problems(b->flags, b->problems);
    }
    return 0;
}

static int load_and_run(const cs_bench_flags *f, cs_slice text)
{
    cs_cmd_loaded loaded;
    cs_errors errors;
    cs_error e = {0};
    bench b = {.flags = f, .text = text, .input = cs_undefined(), .loaded = &loaded};
    int status;
    cs_errors_init(&errors);
    cs_arena_init(&b.arena, 0);
    cs_arena_init(&b.turn, cs_limits_get()->eval_memory);
    cs_cmd_problems problems = {.arena = &b.arena};
    b.problems = &problems;
    memset(&loaded, 0, sizeof loaded);
    if ((f->input || f->stdin_input) && cs_cmd_read_any(&b.arena, f->input ? f->input : "-", &b.input, &e) != CS_OK) {
        e.row = e.col = 0; /* the text tells the place */
        cs_cmd_problems_add(&problems, &e, NULL, 0);
        status = cs_bench__report_problems(f, &problems);
    } else if (cs_cmd_load(&f->sources, &loaded, &errors, &e) == CS_OK) {
        status = run(&b);
    } else {
        cs_cmd_problems_add_failure(&problems, &loaded, &errors, &e);
        status = cs_bench__report_problems(f, &problems);
    }
    CS_VEC_FREE(&b.ns);
    cs_query_release(b.query);
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&b.turn);
    cs_arena_destroy(&b.arena);
    return status;
}

static int check(const cs_bench_flags *f, size_t n)
{
    if (n > 0 && f->stdin_query) {
        return cs_args_wrong("specify query argument or --stdin but not both");
    }
    if (n != 1 && !f->stdin_query) {
        return cs_args_wrong("%s", n ? "specify at most one query argument" : "specify query argument or --stdin");
    }
    if (f->partial && strcmp(f->format, "gobench") == 0) {
        return cs_args_wrong("invalid output format for partial evaluation");
    }
    return -1;
}

static int with_query(const cs_bench_flags *f, const cs_arg_list *rest)
{
    cs_buf text;
    cs_error e = {0};
    cs_buf_init(&text);
    int status = 1;
    if (f->stdin_query && cs_file_read("-", cs_limits_get()->rego_bytes, &text, &e) != CS_OK) {
        status = cs_cmd_fail_error(&e);
    } else {
        cs_slice query = f->stdin_query ? cs_buf_view(&text) : cs_slice_of(rest->v[0]);
        status = f->e2e ? cs_bench__over_http(f, query) : load_and_run(f, query);
    }
    cs_buf_destroy(&text);
    return status;
}

int cs_cmd_bench(int argc, char **argv)
{
    cs_bench_flags f = {.format = "pretty",
                        .package = "",
                        .target = "rego",
                        .fail = true,
                        .metrics = true,
                        .benchmem = true,
                        .count = 1,
                        .grace = 10,
                        .sources = {.print = CS_PRINT_KEEP, .activating = "bundle activation failed: "}};
    const cs_arg args[] = {
        {"data", 'd', CS_ARG_LIST, &f.sources.data, NULL, "file or folder with policy or data", NULL},
        {"bundle", 'b', CS_ARG_LIST, &f.sources.bundles, NULL, "bundle file or folder", NULL},
        {"input", 'i', CS_ARG_STRING, &f.input, NULL, "file with the input document", NULL},
        {"stdin-input", 'I', CS_ARG_BOOL, &f.stdin_input, NULL, "read the input document from standard input", NULL},
        {"stdin", 0, CS_ARG_BOOL, &f.stdin_query, NULL, "read the query from standard input", NULL},
        {"format", 'f', CS_ARG_ENUM, &f.format, "pretty|json|gobench", "form of the output", NULL},
        {"count", 0, CS_ARG_INT, &f.count, NULL, "measure that many times", NULL},
        {"metrics", 0, CS_ARG_BOOL, &f.metrics, NULL, "report the spread of the times", NULL},
        {"benchmem", 0, CS_ARG_BOOL, &f.benchmem, NULL, "report memory", NULL},
        {"fail", 0, CS_ARG_BOOL, &f.fail, NULL, "an undefined query is an error", NULL},
        {"partial", 'p', CS_ARG_BOOL, &f.partial, NULL, "evaluate partially", NULL},
        {"unknowns", 'u', CS_ARG_LIST, &f.unknowns, NULL, "what is unknown then (input)", NULL},
        {"package", 0, CS_ARG_STRING, &f.package, NULL, "package of the query", NULL},
        {"import", 0, CS_ARG_LIST, &f.imports, NULL, "import of the query", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.sources.ignore, NULL, "patterns of files to leave out", NULL},
        {"schema", 's', CS_ARG_STRING, &f.sources.schema, NULL, "schema file or folder", NULL},
        {"optimize-store-for-read-speed", 0, CS_ARG_BOOL, &f.read_speed, NULL, "accepted: it always is", NULL},
        {"target", 't', CS_ARG_ENUM, &f.target, "rego", "what evaluates", NULL},
        {"e2e", 0, CS_ARG_BOOL, &f.e2e, NULL, "measure a server with it, over HTTP", NULL},
        {"config-file", 'c', CS_ARG_STRING, &f.config, NULL, "of the server (--e2e)", NULL},
        {"shutdown-grace-period", 0, CS_ARG_INT, &f.grace, NULL, "seconds for open requests (--e2e)", NULL},
        {"shutdown-wait-period", 0, CS_ARG_INT, &f.wait, NULL, "seconds to serve on at the end (--e2e)", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &f.sources.v0, NULL, "modules are Rego v0", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &f.v1, NULL, "accepted: it is the default", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0) {
        status = check(&f, rest.n);
    }
    if (status < 0) {
        status = with_query(&f, &rest);
    }
    cs_arena_destroy(&a);
    return status;
}
