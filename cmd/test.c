/* test: runs the rules whose names begin with test_, as `opa test`. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/watch.h"
#include "countersign/base/time.h"

static void free_results(cs_test_run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        cs_query_release(run->results[i].query);
        cs_arena_destroy(&run->results[i].evaluated);
        cs_arena_destroy(&run->results[i].arena);
    }
    cs_free(run->results);
}

static int run_tests(const cs_test_flags *f, const cs_cmd_loaded *loaded, const cs_policy_test *tests, size_t n)
{
    cs_test_run run = {.flags = f, .loaded = loaded, .tests = tests, .n = n};
    cs_arena_init(&run.arena, 0);
    cs_mutex_init(&run.lock);
    cs_cond_init(&run.progress);
    run.results = cs_zalloc((n + 1) * sizeof *run.results);
    for (size_t i = 0; i < n; i++) {
        run.results[i].test = &tests[i];
    }
    for (size_t i = 0; i < f->coverage_runs.n && f->coverage; i++) {
        run.coverage[strcmp(f->coverage_runs.v[i], "early_exit") == 0 ? 2 : 1] = cs_coverage_new(&run.arena);
    }
    run.coverage[0] = f->coverage ? cs_coverage_new(&run.arena) : NULL;
    int status = cs_test__report(&run);
    free_results(&run);
    cs_mutex_destroy(&run.lock);
    cs_cond_destroy(&run.progress);
    cs_arena_destroy(&run.arena);
    return status;
}

static int run_loaded(const cs_test_flags *f, const cs_cmd_loaded *loaded)
{
    cs_arena a;
    cs_error e = {0};
    const cs_policy_test *tests;
    size_t n;
    int status = 0;
    cs_arena_init(&a, 0);
    if (cs_policy_tests(&a, loaded->policy, cs_slice_of(f->run), &tests, &n, &e) != CS_OK) {
        fprintf(stderr, "%s\n", e.text);
        status = 1;
    }
    for (int64_t i = 0; i < f->count && status == 0; i++) {
        status = run_tests(f, loaded, tests, n);
    }
    cs_arena_destroy(&a);
    return status;
}

static int load_and_run(const cs_test_flags *f)
{
    cs_cmd_loaded loaded;
    cs_errors errors;
    cs_error e = {0};
    int status = 1;
    cs_errors_init(&errors);
    if (cs_cmd_load(&f->sources, &loaded, &errors, &e) != CS_OK) {
        if (loaded.bundle) {
            fprintf(stderr, "unable to load bundle %s: ", loaded.bundle);
        }
        cs_cmd_report(&loaded, &errors, &e, false);
    } else {
        if (!f->coverage && strcmp(f->format, "json") != 0 && strcmp(f->sort, "none") != 0) {
            fprintf(stderr, "warning: --sort is only supported with JSON format\n");
        }
        status = run_loaded(f, &loaded);
    }
    (void)fflush(stdout);
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    return status;
}

/* Until a signal ends the program. */
_Noreturn static void watch(const cs_test_flags *f)
{
    cs_watch w;
    cs_watch_begin(&w, f->paths.v, f->paths.n);
    for (;;) {
        for (int i = 0; i < 80; i++) {
            (void)putchar('*');
        }
        printf("\nWatching for changes ...\n");
        (void)fflush(stdout);
        cs_watch_wait(&w);
        (void)load_and_run(f);
    }
}

static int check_flags(cs_test_flags *f, bool runs_given)
{
    if (f->paths.n == 0) {
        return cs_args_wrong("specify at least one file");
    }
    for (size_t i = 0; i < f->coverage_runs.n; i++) {
        const char *run = f->coverage_runs.v[i];
        if (strcmp(run, "index_excluded") != 0 && strcmp(run, "early_exit") != 0) {
            return cs_args_wrong("invalid --coverage-runs value \"%s\" (expected \"index_excluded\" or \"early_exit\")",
                                 run);
        }
    }
    static const char *const both[] = {"index_excluded", "early_exit"};
    if (!runs_given) {
        f->coverage_runs = (cs_arg_list){(const char **)(uintptr_t)both, 2};
    }
    f->verbose |= f->explain_given;
    f->coverage |= runs_given;
    char *end = NULL;
    f->least_coverage = strtod(f->threshold, &end);
    if (end == f->threshold || *end != '\0') {
        return cs_args_wrong(
            "invalid argument \"%s\" for \"--threshold\" flag: strconv.ParseFloat: parsing \"%s\": invalid "
            "syntax",
            f->threshold, f->threshold);
    }
    f->timeout_ns = 0;
    if (f->timeout[0] && !cs_time_parse_duration(cs_slice_of(f->timeout), false, &f->timeout_ns)) {
        return cs_args_wrong("invalid argument \"%s\" for \"--timeout\" flag: time: invalid duration \"%s\"",
                             f->timeout, f->timeout);
    }
    f->timeout_ns = f->bench ? 30 * CS_NS_PER_S : f->timeout_ns > 0 ? f->timeout_ns : 5 * CS_NS_PER_S;
    return -1;
}

/* What only the command as a whole can refuse, in OPA's words and with its status. */
static int check_together(cs_test_flags *f)
{
    if (strcmp(f->format, "gobench") == 0 && !f->bench) {
        fprintf(stderr, "cannot use output format gobench without running benchmarks (--bench)\n");
        return 0;
    }
    if (!(f->least_coverage >= 0 && f->least_coverage <= 100)) {
        fprintf(stderr, "Code coverage threshold must be between 0 and 100\n");
        return 1;
    }
    f->coverage |= f->least_coverage > 0;
    if (f->coverage && f->bench) {
        /* Said once where it is noticed and once as the error. */
        fprintf(stderr, "coverage reporting is not supported when benchmarking tests\n"
                        "coverage reporting is not supported when benchmarking tests\n");
        return 1;
    }
    return -1;
}

static int test(cs_test_flags *f)
{
    *(f->bundle ? &f->sources.bundles : &f->sources.data) = f->paths;
    f->sources.test_values = f->var_values;
    f->sources.print = f->bench ? CS_PRINT_ERASE : CS_PRINT_KEEP;
    if (f->max_errors >= 0) {
        (void)cs_limits_set("rego_errors", f->max_errors ? (uint64_t)f->max_errors : UINT32_MAX);
    }
    int status = check_together(f);
    if (status < 0) {
        status = load_and_run(f);
    }
    if (f->watch) {
        watch(f);
    }
    return status;
}

int cs_cmd_test(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_test_flags f = {.format = "pretty",
                       .timeout = "",
                       .run = "",
                       .explain = "fails",
                       .sort = "none",
                       .threshold = "0",
                       .target = "rego",
                       .count = 1,
                       .max_errors = 10,
                       .benchmem = true,
                       .sources = {.test_rules = true}};
    bool runs_given = false;
    cs_arg args[] = {
        {"bench", 0, CS_ARG_BOOL, &f.bench, NULL, "benchmark the tests", NULL},
        {"benchmem", 0, CS_ARG_BOOL, &f.benchmem, NULL, "report memory with benchmarks", NULL},
        {"bundle", 'b', CS_ARG_BOOL, &f.bundle, NULL, "paths are bundles", NULL},
        {"capabilities", 0, CS_ARG_CAPABILITIES, &f.sources.capabilities, NULL, "version or file of capabilities",
         NULL},
        {"count", 0, CS_ARG_INT, &f.count, NULL, "run the tests that many times", NULL},
        {"coverage", 'c', CS_ARG_BOOL, &f.coverage, NULL, "report coverage", NULL},
        {"coverage-runs", 0, CS_ARG_COMMAS, &f.coverage_runs, NULL,
         "further runs that tell why something is not covered", &runs_given},
        {"exit-zero-on-skipped", 'z', CS_ARG_BOOL, &f.skipped_is_fine, NULL, "skipped tests are no failure", NULL},
        {"explain", 0, CS_ARG_ENUM, &f.explain, "fails|full|notes|debug", "what failures show (implies --verbose)",
         &f.explain_given},
        {"fail-on-empty", 0, CS_ARG_BOOL, &f.fail_on_empty, NULL, "no tests is a failure", NULL},
        {"format", 'f', CS_ARG_ENUM, &f.format, "pretty|json|gobench", "form of the report", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.sources.ignore, NULL, "patterns of files to leave out", NULL},
        {"max-errors", 'm', CS_ARG_INT, &f.max_errors, NULL, "errors after which compilation stops", NULL},
        {"parallel", 'p', CS_ARG_INT, &f.parallel, NULL, "tests at a time, 0 = as many as CPUs", NULL},
        {"run", 'r', CS_ARG_STRING, &f.run, NULL, "only tests whose names match the regular expression", NULL},
        {"schema", 's', CS_ARG_STRING, &f.sources.schema, NULL, "schema file or folder", NULL},
        {"sort", 0, CS_ARG_ENUM, &f.sort, "none|duration", "order of the JSON report", NULL},
        {"target", 't', CS_ARG_ENUM, &f.target, "rego|wasm", "what evaluates", NULL},
        {"threshold", 0, CS_ARG_STRING, &f.threshold, NULL, "least coverage in percent", NULL},
        {"timeout", 0, CS_ARG_STRING, &f.timeout, NULL, "longest time of one test (5s, benchmarks 30s)", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &f.sources.v0, NULL, "modules are Rego v0", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &f.sources.v1, NULL, "modules are Rego v1, as they are without it", NULL},
        {"var-values", 0, CS_ARG_BOOL, &f.var_values, NULL, "values of variables with failures", NULL},
        {"verbose", 'v', CS_ARG_BOOL, &f.verbose, NULL, "show every test, and how failures came about", NULL},
        {"watch", 'w', CS_ARG_BOOL, &f.watch, NULL, "run again when a file changes", NULL},
    };
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &f.paths);
    if (status < 0) {
        status = check_flags(&f, runs_given);
    }
    if (status < 0) {
        status = test(&f);
    }
    cs_arena_destroy(&a);
    return status;
}
