/* What the files of the eval command share. */
#ifndef CS_CMD_EVAL_H
#define CS_CMD_EVAL_H

#include "load.h"
#include "metrics_table.h"
#include "problem.h"

typedef struct cs_eval_flags {
    cs_cmd_sources sources;
    const char *input, *format, *package, *explain, *timeout, *dump, *target;
    bool stdin_input, stdin_query, fail, fail_defined;
    bool strict_builtin_errors, show_builtin_errors;
    bool metrics, instrument, profile, coverage, var_values;
    bool no_indexing, no_early_exit, store_read_speed;
    cs_arg_list imports, coverage_runs, profile_sort, entrypoints;
    int64_t count, profile_limit, pretty_limit, optimize;
    /* Partial evaluation. */
    bool partial, shallow_inlining, nondeterministic;
    cs_arg_list unknowns, disable_inlining;
} cs_eval_flags;

/* What an evaluation has to show. */
typedef struct cs_eval_output {
    cs_arena *arena; /* of everything in it */
    cs_cmd_problems problems;
    cs_value input;
    bool bad_schema;   /* that of the input is none, which nothing but an evaluation tells */
    size_t n_harmless; /* problems that are errors of built-ins only collected */
    cs_value answers;  /* [[bindings, values]…]; undefined if there was an error */
    const cs_query *query;
    /* Partial evaluation: what it left, as JSON and in each of the other forms; undefined and empty without. */
    cs_value partial;
    bool partial_defined;
    cs_slice partial_pretty, partial_source;
    cs_cmd_metrics metrics;       /* --metrics, --count 1 */
    cs_cmd_statistics statistics; /* --metrics, --count n */
    bool explained;
    cs_trace_view explanation;
    const cs_profile_line *profile;
    size_t n_profile;
    const cs_profile_line **profiles; /* with --count n: one for each run, n_profile lines each */
    cs_coverage_report *coverage;
} cs_eval_output;

/* What it took, in nanoseconds; -1 = it did not come to it. */
typedef struct cs_eval_times {
    int64_t parse, compile, partial;
    const int64_t *each; /* of each run; NULL = none */
} cs_eval_times;

/* Evaluates (eval_run.c). Problems are in the output. The query lives until cs_cmd_eval_free. */
void cs_eval__run(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, cs_eval_output *out);

/* Is --unknowns as it must be? -1 to go on, else the exit status (eval_partial.c). *stop: OPA looks at no more flags.
 */
int cs_eval__check_unknowns(const cs_eval_flags *f, bool *stop);
/* Partial evaluation instead. */
void cs_eval__partial(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, const cs_eval *eval,
                      cs_eval_times *times, cs_eval_output *out);
/* What could be measured when the evaluation never began. */
void cs_eval__times_of_failure(const cs_eval_flags *f, const cs_cmd_loaded *loaded, cs_eval_output *out);
/* Are --disable-inlining and the like references? false: the problem was added. */
bool cs_eval__check_terms(const cs_eval_flags *f, cs_eval_output *out);

/* Prints in the form of --format (eval_print.c). */
void cs_eval__print(const cs_eval_flags *f, const cs_eval_output *out);

#endif
