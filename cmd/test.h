/* What the files of the test command share. */
#ifndef CS_CMD_TEST_H
#define CS_CMD_TEST_H

#include "countersign/base/thread.h"
#include "load.h"
#include "problem.h"

typedef struct cs_test_flags {
    cs_cmd_sources sources;
    bool bundle, fail_on_empty, skipped_is_fine, verbose, coverage, bench, benchmem, var_values, watch;
    bool explain_given;
    int64_t count, parallel, max_errors;
    const char *run, *format, *timeout, *explain, *sort, *threshold, *target;
    cs_arg_list coverage_runs, paths;
    double least_coverage;
    int64_t timeout_ns;
} cs_test_flags;

typedef enum cs_test_outcome { CS_TEST_PASS, CS_TEST_FAIL, CS_TEST_SKIPPED, CS_TEST_ERROR } cs_test_outcome;

/* A case of a data-driven test, or a group of them. */
typedef struct cs_test_case cs_test_case;
struct cs_test_case {
    cs_slice key;  /* in the test's value */
    cs_slice name; /* the same, or "" of a case whose value is null */
    bool fail;
    size_t traced;                /* how many events of the test's trace lead to its end */
    CS_VEC(cs_test_case *) inner; /* by key */
};

typedef struct cs_test_bench {
    uint64_t n;          /* turns */
    int64_t ns, eval_ns; /* all of them together */
    cs_mem_count memory; /* of one more turn */
} cs_test_bench;

typedef struct cs_test_result {
    const cs_policy_test *test;
    cs_arena arena;     /* of everything in it; destroyed with the results */
    cs_arena evaluated; /* what the trace points into, if there is one */
    cs_test_outcome outcome;
    int64_t ns;
    cs_cmd_problems problems; /* CS_TEST_ERROR: one */
    cs_slice output;          /* what it printed */
    cs_test_case *cases;      /* the root of the cases; NULL for a test without */
    const cs_trace *trace;    /* NULL if none was wanted */
    cs_query *query;          /* what the trace points into, released with the result; NULL without */
    cs_test_bench bench;
    bool done;
} cs_test_result;

/* Coverage of all tests: the runs, and those without index and without early exit. */
enum { CS_TEST_RUNS = 3 };

typedef struct cs_test_run {
    const cs_test_flags *flags;
    const cs_cmd_loaded *loaded;
    const cs_policy_test *tests;
    cs_test_result *results;
    size_t n;
    cs_mutex lock; /* next, done flags, coverage */
    cs_cond progress;
    size_t next;
    cs_arena arena; /* of the coverage */
    cs_coverage *coverage[CS_TEST_RUNS];
} cs_test_run;

/* Runs all tests on as many threads as wanted; `show` is called in the tests' order, as soon as a result and all before
 * it are there (test_run.c). */
void cs_test__run(cs_test_run *run, void (*show)(void *self, const cs_test_result *result), void *self);
void cs_test__bench(cs_test_run *run, cs_test_result *result); /* test_bench.c: one test, many times */
/* One evaluation of a test, into *result; `eval` is a fresh arena (test_run.c). */
void cs_test__once(cs_test_run *run, cs_test_result *result, cs_arena *eval);

/* Cases (test_cases.c). From the value of the test's document, and the names that were told, in their order; false if
 * none failed. */
typedef struct cs_test_told {
    cs_value path; /* array */
    size_t traced; /* events before it */
} cs_test_told;
bool cs_test__cases(cs_test_result *result, cs_value value, const cs_test_told *told, size_t n, size_t traced);

/* Reports (test_report.c). The exit status of the whole. */
int cs_test__report(cs_test_run *run);
void cs_test__write_bench(cs_json_text *t, cs_arena *a, const cs_test_bench *bench);
void cs_test__print_bench(cs_buf *out, const cs_test_flags *flags, const cs_test_result *result);

#endif
