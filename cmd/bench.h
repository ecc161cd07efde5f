/* What the files of `bench` share: what is measured, and how it is told. */
#ifndef CS_CMD_BENCH_H
#define CS_CMD_BENCH_H

#include "countersign/base/mem.h"
#include "load.h"
#include "problem.h"

typedef struct cs_bench_flags {
    cs_cmd_sources sources;
    const char *input, *format, *package, *config, *target;
    bool stdin_input, stdin_query, fail, metrics, benchmem, partial, e2e, v1, read_speed;
    cs_arg_list imports, unknowns;
    int64_t count, grace, wait;
} cs_bench_flags;

/* One measurement: an operation that is repeated for about a second, as Go's benchmarks are. */
typedef struct cs_bench_run {
    const cs_bench_flags *flags;
    cs_arena *arena; /* of the command */
    void *self;
    /* Once; *ns is what counts of the time that it took. */
    cs_err (*turn)(void *self, int64_t *ns, cs_error *e);
    /* Before a round of turns: nothing was measured yet. */
    void (*restart)(void *self);
    /* The report's further figures, an object of numbers by name; undefined = none. */
    cs_value (*figures)(void *self);
    /* results */
    uint64_t n;
    int64_t ns;          /* of all turns */
    cs_mem_count memory; /* of one more, which is not timed */
} cs_bench_run;

/* Measures and prints, `flags->count` times. The first turn that fails ends it. */
CS_MUST_CHECK cs_err cs_bench__measure(cs_bench_run *run, cs_error *e);

/* Adds the statistics of a histogram's values to the figures. Reorders them. */
void cs_bench__add_figures(cs_arena *a, cs_value figures, const char *name, int64_t *values, size_t n);

/* Prints the errors in the report's format; returns 1. */
int cs_bench__report_problems(const cs_bench_flags *flags, const cs_cmd_problems *problems);

/* bench --e2e: the service in this process, on a port of its own, asked over HTTP. The exit status. */
int cs_bench__over_http(const cs_bench_flags *flags, cs_slice query);

#endif
