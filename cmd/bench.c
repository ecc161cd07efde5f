/* bench: how long a query takes, as `opa bench`: prepared once, evaluated for about a second. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/number.h"
#include "countersign/partial.h"
#include "metrics_table.h"
#include "problem.h"
#include "load.h"

/* As long as Go's benchmarks run. */
#define BENCH_NS CS_NS_PER_S
enum { MOST_TURNS = 5000000 };

typedef struct bench_flags {
    cs_cmd_sources sources;
    const char *input, *format, *package, *config, *target;
    bool stdin_input, stdin_query, fail, metrics, benchmem, partial, e2e, v1;
    cs_arg_list imports, unknowns;
    int64_t count, grace, wait;
} bench_flags;

typedef struct bench {
    const bench_flags *flags;
    cs_arena arena; /* of the command */
    cs_arena turn;  /* of one evaluation */
    cs_cmd_loaded *loaded;
    cs_cmd_problems *problems;
    cs_slice text;
    cs_value input;
    cs_query *query; /* NULL with --partial */
    int64_t *ns;     /* of each turn */
    uint64_t n;
    int64_t total_ns;
    uint64_t bytes;
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
                                          .keep_print = true}};
}

/* Everything is made anew, the query too: it is part of what lives in the turn's memory. */
static cs_err evaluate_partially(bench *b, const cs_partial_options *options, int64_t *start, cs_error *e)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_partial *p = cs_partial_new(&b->turn, b->loaded->policy);
    cs_err err = cs_partial_parse(p, b->text, b->flags->sources.v0, &errors);
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

static cs_err run_turns(bench *b, uint64_t turns, cs_error *e)
{
    cs_partial_options options = partial_options(b);
    b->n = turns;
    b->total_ns = 0;
    b->bytes = 0;
    for (uint64_t i = 0; i < turns; i++) {
        cs_arena_reset(&b->turn);
        int64_t start = cs_time_mono_ns();
        CS_TRY(b->query ? evaluate(b, e) : evaluate_partially(b, &options, &start, e));
        b->ns[i] = cs_time_mono_ns() - start;
        b->total_ns += b->ns[i];
        b->bytes += cs_arena_used(&b->turn);
    }
    return CS_OK;
}

static cs_err measure(bench *b, cs_error *e)
{
    uint64_t turns = 1;
    CS_TRY(run_turns(b, turns, e));
    while (b->total_ns < BENCH_NS && turns < MOST_TURNS) {
        /* A fifth more than the last pace needs, at most a hundred times as many. */
        double each = (double)(b->total_ns > 0 ? b->total_ns : 1) / (double)turns;
        uint64_t next = (uint64_t)(1.2 * (double)BENCH_NS / each);
        next = next < turns * 100 ? next : turns * 100;
        turns = next > turns ? next : turns + 1;
        turns = turns < MOST_TURNS ? turns : MOST_TURNS;
        CS_TRY(run_turns(b, turns, e));
    }
    return CS_OK;
}

/* ---- reports */
/* Three significant figures or so, with the point in one column, as Go prints them: none behind it from `most` on. */
static void print_figure(cs_buf *out, double v, double most)
{
    double x = fabs(v), bound = most;
    int places = 0;
    while (x > 0 && x < bound && places < 6) {
        bound = bound > 900 ? 99.995 : bound / 10;
        places++;
    }
    cs_buf_printf(out, "%*.*f", 10 + places + (places > 0), places, v);
}

static cs_value statistics(bench *b)
{
    return b->flags->metrics ? cs_cmd_statistics_of(&b->arena, b->ns, (size_t)b->n) : cs_object_new(&b->arena, 0);
}

static const char *timer(const bench *b)
{
    return b->query ? "histogram_timer_rego_query_eval_ns" : "histogram_timer_rego_partial_eval_ns";
}

static void print_gobench(bench *b, cs_buf *out)
{
    cs_value figures = statistics(b);
    cs_buf_printf(out, "BenchmarkOPAEval\t%8llu\t", (unsigned long long)b->n);
    print_figure(out, (double)b->total_ns / (double)b->n, 999.95);
    cs_buf_text(out, " ns/op");
    for (uint32_t i = 0; i < cs_count(figures); i++) {
        cs_value v, key = cs_entry(figures, i, &v);
        cs_buf_byte(out, '\t');
        print_figure(out, cs_number_double(v), 999.95);
        cs_buf_printf(out, " %s_%.*s", timer(b), CS_FMT(cs_text(key)));
    }
    if (b->flags->benchmem) {
        cs_buf_printf(out, "\t%8llu B/op\t%8d allocs/op", (unsigned long long)(b->bytes / b->n), 0);
    }
    cs_buf_byte(out, '\n');
}

static void print_json(bench *b, cs_buf *out)
{
    cs_json_text t = {.out = out, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
    cs_value figures = statistics(b);
    cs_json_open(&t, '{');
    cs_json_put(&t, "N", cs_int((int64_t)b->n));
    cs_json_put(&t, "T", cs_int(b->total_ns));
    cs_json_put(&t, "Bytes", cs_int(0));
    cs_json_put(&t, "MemAllocs", cs_int(0));
    cs_json_put(&t, "MemBytes", cs_int((int64_t)b->bytes));
    cs_json_key(&t, "Extra");
    cs_json_open(&t, '{');
    for (uint32_t i = 0; i < cs_count(figures); i++) {
        cs_value v, key = cs_entry(figures, i, &v);
        cs_json_put(&t, cs_arena_printf(&b->arena, NULL, "%s_%.*s", timer(b), CS_FMT(cs_text(key))), v);
    }
    cs_json_close(&t);
    cs_json_close(&t);
    cs_buf_byte(out, '\n');
}

typedef struct row {
    const char *name, *figure;
} row;

static const char *figure_text(bench *b, double v)
{
    cs_buf text;
    cs_buf_init(&text);
    print_figure(&text, v, 99.95);
    cs_slice s = cs_slice_trim(cs_buf_view(&text));
    const char *kept = cs_arena_dup(&b->arena, s.p, s.n);
    cs_buf_destroy(&text);
    return kept;
}

/* A table whose second column stands to the right. */
static void print_rows(bench *b, const row *rows, size_t n, cs_buf *out)
{
    cs_cmd_table table = {.arena = &b->arena, .columns = 2, .keep_spaces = true};
    int width = 0;
    for (size_t i = 0; i < n; i++) {
        int w = (int)strlen(rows[i].figure);
        width = w > width ? w : width;
    }
    for (size_t i = 0; i < n; i++) {
        size_t length;
        const char *figure = cs_arena_printf(&b->arena, &length, "%*s", width, rows[i].figure);
        cs_slice cells[2] = {cs_slice_of(rows[i].name), cs_slice_make(figure, length)};
        cs_cmd_table_add(&table, cells);
    }
    cs_cmd_table_print(out, &table);
}

static void print_pretty(bench *b, cs_buf *out)
{
    cs_value figures = statistics(b);
    row *rows = cs_arena_array(&b->arena, row, cs_count(figures) + 4);
    size_t n = 0;
    rows[n++] = (row){"samples", cs_arena_printf(&b->arena, NULL, "%llu", (unsigned long long)b->n)};
    rows[n++] = (row){"ns/op", figure_text(b, (double)b->total_ns / (double)b->n)};
    if (b->flags->benchmem) {
        rows[n++] = (row){"B/op", cs_arena_printf(&b->arena, NULL, "%llu", (unsigned long long)(b->bytes / b->n))};
        rows[n++] = (row){"allocs/op", "0"};
    }
    for (uint32_t i = 0; i < cs_count(figures); i++) {
        cs_value v, key = cs_entry(figures, i, &v);
        rows[n++] = (row){cs_arena_printf(&b->arena, NULL, "%s_%.*s", timer(b), CS_FMT(cs_text(key))),
                          figure_text(b, cs_number_double(v))};
    }
    print_rows(b, rows, n, out);
}

static void report(bench *b)
{
    cs_buf out;
    cs_buf_init(&out);
    if (strcmp(b->flags->format, "json") == 0) {
        print_json(b, &out);
    } else if (strcmp(b->flags->format, "gobench") == 0) {
        print_gobench(b, &out);
    } else {
        print_pretty(b, &out);
    }
    (void)cs_cmd_write(cs_buf_view(&out));
    cs_buf_destroy(&out);
}

static int report_problems(const bench *b)
{
    cs_buf out;
    cs_buf_init(&out);
    if (strcmp(b->flags->format, "json") == 0) {
        cs_json_text t = {.out = &out, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
        cs_json_open(&t, '{');
        cs_json_key(&t, "errors");
        cs_cmd_problems_write(&t, b->problems);
        cs_json_close(&t);
        cs_buf_byte(&out, '\n');
        (void)cs_cmd_write(cs_buf_view(&out));
    } else {
        cs_cmd_problems_print(&out, b->problems);
        fprintf(stderr, "%s\n", cs_buf_cstr(&out));
    }
    cs_buf_destroy(&out);
    return 1;
}

/* ---- the command */
static bool prepare(bench *b)
{
    const bench_flags *f = b->flags;
    cs_error e = {0};
    cs_errors errors;
    cs_errors_init(&errors);
    cs_query_options options = {.package = cs_slice_of(f->package),
                                .imports = cs_cmd_slices(&b->arena, &f->imports),
                                .n_imports = f->imports.n,
                                .keep_print = true,
                                .v0 = f->sources.v0};
    cs_err err = CS_OK;
    if (f->input || f->stdin_input) {
        err = cs_cmd_read_value(&b->arena, f->input ? f->input : "-", &b->input, &e);
    }
    if (err != CS_OK) {
        cs_cmd_problems_add(b->problems, &e, NULL, 0);
    } else if (!f->partial && cs_query_prepare(b->loaded->policy, b->text, &options, &b->query, &errors) != CS_OK) {
        cs_cmd_problems_add_list(b->problems, &errors);
    }
    cs_errors_destroy(&errors);
    return b->problems->list.n == 0;
}

static int run(bench *b)
{
    cs_error e = {0};
    if (!prepare(b)) {
        return report_problems(b);
    }
    b->ns = cs_arena_array(&b->arena, int64_t, MOST_TURNS);
    for (int64_t i = 0; i < b->flags->count; i++) {
        if (measure(b, &e) != CS_OK) {
            if (b->problems->list.n == 0) {
                e.code = e.code == CS_ERR_UNDEFINED ? CS_OK : e.code; /* shown without a code */
                cs_cmd_problems_add(b->problems, &e, NULL, 0);
            }
            return report_problems(b);
        }
        report(b);
    }
    return 0;
}

static int load_and_run(const bench_flags *f, cs_slice text)
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
    if (cs_cmd_load(&f->sources, &loaded, &errors, &e) == CS_OK) {
        status = run(&b);
    } else {
        cs_cmd_problems_add_failure(&problems, &loaded, &errors, &e);
        status = report_problems(&b);
    }
    cs_query_release(b.query);
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&b.turn);
    cs_arena_destroy(&b.arena);
    return status;
}

static int check(const bench_flags *f, size_t n)
{
    if (n > 0 && f->stdin_query) {
        return cs_args_wrong("specify query argument or --stdin but not both");
    }
    if (n != 1 && !f->stdin_query) {
        return cs_args_wrong("%s", n ? "specify at most one query argument" : "specify query argument or --stdin");
    }
    if (f->e2e) {
        return cs_args_wrong("--e2e is not supported");
    }
    return -1;
}

static int with_query(const bench_flags *f, const cs_arg_list *rest)
{
    cs_buf text;
    cs_error e = {0};
    cs_buf_init(&text);
    int status = 1;
    if (f->stdin_query && cs_file_read("-", cs_limits_get()->rego_bytes, &text, &e) != CS_OK) {
        status = cs_cmd_fail_error(&e);
    } else {
        status = load_and_run(f, f->stdin_query ? cs_buf_view(&text) : cs_slice_of(rest->v[0]));
    }
    cs_buf_destroy(&text);
    return status;
}

int cs_cmd_bench(int argc, char **argv)
{
    bench_flags f = {.format = "pretty",
                     .package = "",
                     .target = "rego",
                     .fail = true,
                     .metrics = true,
                     .benchmem = true,
                     .count = 1,
                     .grace = 10,
                     .sources = {.keep_print = true}};
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
        {"target", 't', CS_ARG_ENUM, &f.target, "rego", "what evaluates", NULL},
        {"e2e", 0, CS_ARG_BOOL, &f.e2e, NULL, "not supported", NULL},
        {"config-file", 'c', CS_ARG_STRING, &f.config, NULL, "accepted: it matters with --e2e only", NULL},
        {"shutdown-grace-period", 0, CS_ARG_INT, &f.grace, NULL, "accepted: it matters with --e2e only", NULL},
        {"shutdown-wait-period", 0, CS_ARG_INT, &f.wait, NULL, "accepted: it matters with --e2e only", NULL},
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
