/* eval: preparing and running the query, and gathering what was asked for on the way. */
#include <stdio.h>

#include "countersign/base/time.h"
#include "eval.h"

/* ---- the host: print() goes to standard error */

static void print_line(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    fprintf(stderr, "%.*s\n", CS_FMT(line));
}

static void drop_line(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    (void)line;
}

/* ---- errors, with their tracebacks */

typedef struct collecting {
    cs_eval_output *out;
    const cs_traceback *traceback;
} collecting;

static void collect_error(void *self, const cs_error *e)
{
    collecting *c = self;
    size_t n = 0;
    const cs_traceback_frame *frames = NULL;
    if (c->traceback) {
        frames = cs_traceback_frames(c->out->arena, c->traceback, &n);
    }
    cs_cmd_problems_add(&c->out->problems, e, frames, n);
    c->out->n_harmless++;
}

/* ---- one run */

typedef struct runner {
    const cs_eval_flags *flags;
    cs_eval_output *out;
    cs_eval eval;
    cs_host host;
    collecting errors;
    cs_trace *trace;
    cs_profile *profile;
    cs_coverage *coverage;
} runner;

static bool wants_steps(const cs_eval_flags *f)
{
    return strcmp(f->explain, "off") != 0 || f->profile || f->coverage || f->show_builtin_errors;
}

/* A tracer for each thing that was asked for. */
static const cs_tracer *make_tracer(runner *r)
{
    const cs_eval_flags *f = r->flags;
    cs_arena *a = r->out->arena;
    const cs_tracer *tracers[4];
    size_t n = 0;
    cs_explain level = CS_EXPLAIN_OFF;
    (void)cs_explain_parse(cs_slice_of(f->explain), &level);
    if (level != CS_EXPLAIN_OFF) {
        bool locals = f->var_values || strcmp(f->format, "pretty") != 0;
        r->trace = cs_trace_new(a, &(cs_trace_options){.locals = locals, .unify = level == CS_EXPLAIN_DEBUG});
        tracers[n++] = cs_trace_tracer(r->trace);
    }
    if (f->profile) {
        r->profile = cs_profile_new(a);
        tracers[n++] = cs_profile_tracer(r->profile);
    }
    if (f->coverage) {
        r->coverage = cs_coverage_new(a);
        tracers[n++] = cs_coverage_tracer(r->coverage);
    }
    if (f->show_builtin_errors) {
        cs_traceback *traceback = cs_traceback_new(a);
        r->errors.traceback = traceback;
        tracers[n++] = cs_traceback_tracer(traceback);
    }
    const cs_tracer *all = cs_tracer_join(a, tracers, n);
    return f->no_indexing || f->no_early_exit ? cs_tracer_without(a, all, f->no_indexing, f->no_early_exit) : all;
}

static const char *const kinds[] = {"index_excluded", "early_exit"};

/* Runs without the index and without early exit tell what would have been covered then. */
static void report_coverage(runner *r, const cs_policy *policy)
{
    cs_coverage_extra extra[2];
    size_t n = 0;
    cs_host silent = r->host;
    silent.print = drop_line;
    for (size_t i = 0; i < 2; i++) {
        bool wanted = false;
        for (size_t k = 0; k < r->flags->coverage_runs.n; k++) {
            wanted |= strcmp(r->flags->coverage_runs.v[k], kinds[i]) == 0;
        }
        if (!wanted || r->out->problems.list.n) {
            continue;
        }
        cs_coverage *more = cs_coverage_new(r->out->arena);
        cs_eval eval = r->eval;
        cs_value nothing;
        cs_error e = {0};
        eval.host = &silent;
        eval.builtin_error = NULL;
        /* As OPA: the profiler and the explanation listen to these runs as well. */
        const cs_tracer *several[3] = {cs_coverage_tracer(more)};
        size_t n_several = 1;
        if (r->profile) {
            several[n_several++] = cs_profile_tracer(r->profile);
        }
        if (r->trace) {
            several[n_several++] = cs_trace_tracer(r->trace);
        }
        const cs_tracer *tracers = cs_tracer_join(r->out->arena, several, n_several);
        eval.tracer = cs_tracer_without(r->out->arena, tracers, i == 0 || r->flags->no_indexing,
                                        i == 1 || r->flags->no_early_exit);
        if (cs_query_run(r->out->query, &eval, &nothing, &e) != CS_OK) {
            fprintf(stderr, "warning: coverage pass with %s disabled failed: %s\n",
                    i == 0 ? "rule indexing" : "early exit", e.text);
        }
        extra[n++] = (cs_coverage_extra){kinds[i], more};
    }
    if (policy) {
        r->out->coverage = cs_coverage_reported(r->out->arena, r->coverage, policy, extra, n);
    }
}

static void run_once(runner *r, int64_t *ns)
{
    cs_eval_output *out = r->out;
    cs_error e = {0};
    cs_value answers = cs_undefined();
    if (wants_steps(r->flags)) {
        r->eval.tracer = make_tracer(r);
    }
    int64_t start = cs_time_mono_ns();
    cs_err err = cs_query_run(out->query, &r->eval, &answers, &e);
    *ns = cs_time_mono_ns() - start;
    if (err != CS_OK) {
        e.code = err;
        cs_cmd_problems_trace(&out->problems, out->query, &r->eval, &e);
        answers = cs_undefined();
    }
    if (cs_is_undefined(out->answers)) {
        out->answers = answers;
    }
}

/* ---- what is reported of the run */

static const cs_profile_line *profile_lines(runner *r, size_t *n)
{
    static const char *const usual[] = {"total_time_ns", "num_eval", "num_redo", "file", "line"};
    cs_slice *order = cs_arena_array(r->out->arena, cs_slice, r->flags->profile_sort.n + 5);
    size_t count = 0;
    for (size_t i = 0; i < r->flags->profile_sort.n; i++) {
        order[count++] = cs_slice_of(r->flags->profile_sort.v[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        bool given = false;
        for (size_t k = 0; k < r->flags->profile_sort.n; k++) {
            given |= strcmp(r->flags->profile_sort.v[k], usual[i]) == 0;
        }
        if (!given) {
            order[count++] = cs_slice_of(usual[i]);
        }
    }
    size_t limit = r->flags->profile_limit > 0 ? (size_t)r->flags->profile_limit : 0;
    return cs_profile_lines(r->out->arena, r->profile, order, count, limit, n);
}

static void add_timer(const cs_eval_flags *f, cs_eval_output *out, const char *name, int64_t first, const int64_t *each)
{
    cs_arena *a = out->arena;
    size_t n = (size_t)f->count;
    if (!each && first < 0) {
        return;
    }
    if (f->count == 1) {
        cs_cmd_metrics_add(a, &out->metrics, name, each ? each[0] : first);
        return;
    }
    int64_t *values = cs_arena_array(a, int64_t, n);
    for (size_t i = 0; i < n; i++) {
        values[i] = each ? each[i] : first;
    }
    cs_cmd_statistic one = {name, cs_statistics_of(a, values, n)};
    CS_VEC_PUSH_IN(a, &out->statistics, one);
}

static void add_timers(const cs_eval_flags *f, cs_eval_output *out, const cs_cmd_loaded *loaded,
                       const cs_eval_times *times)
{
    if (!f->metrics) {
        return;
    }
    /* By name. */
    add_timer(f, out, "timer_rego_data_parse_ns", loaded->saw_data ? loaded->load_ns : -1, NULL);
    add_timer(f, out, "timer_rego_load_bundles_ns", f->sources.bundles.n ? loaded->load_ns : -1, NULL);
    add_timer(f, out, "timer_rego_load_files_ns", f->sources.data.n ? loaded->load_ns : -1, NULL);
    add_timer(f, out, "timer_rego_module_compile_ns", loaded->saw_modules && loaded->compiled ? loaded->compile_ns : -1,
              NULL);
    add_timer(f, out, "timer_rego_module_parse_ns", loaded->saw_modules ? loaded->parse_ns : -1, NULL);
    add_timer(f, out, "timer_rego_partial_eval_ns", times->partial, NULL);
    add_timer(f, out, "timer_rego_query_compile_ns", times->compile, NULL);
    add_timer(f, out, "timer_rego_query_eval_ns", -1, times->each);
    add_timer(f, out, "timer_rego_query_parse_ns", times->parse, NULL);
    if (f->count == 1) {
        cs_cmd_metrics_add_all(out->arena, &out->metrics, f->sources.instrument);
    }
}

/* Of nothing that was evaluated: with modules all of them are not covered. */
static void report_no_coverage(const cs_eval_flags *f, const cs_policy *policy, cs_eval_output *out)
{
    if (f->coverage) {
        out->coverage = cs_coverage_reported(out->arena, cs_coverage_new(out->arena), policy, NULL, 0);
    }
}

void cs_eval__times_of_failure(const cs_eval_flags *f, const cs_cmd_loaded *loaded, cs_eval_output *out)
{
    add_timers(f, out, loaded, &(cs_eval_times){-1, -1, -1, NULL});
    report_no_coverage(f, NULL, out);
}

static void explain(runner *r)
{
    if (r->trace) {
        cs_explain level = CS_EXPLAIN_OFF;
        (void)cs_explain_parse(cs_slice_of(r->flags->explain), &level);
        r->out->explanation = cs_trace_choose(r->out->arena, r->trace, level, SIZE_MAX);
    }
}

static void run_all(runner *r, cs_cmd_loaded *loaded, cs_eval_times *times)
{
    cs_eval_output *out = r->out;
    size_t count = (size_t)r->flags->count;
    int64_t *eval_ns = cs_arena_array(out->arena, int64_t, count + 1);
    const cs_profile_line **profiles = cs_arena_array(out->arena, const cs_profile_line *, count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        run_once(r, &eval_ns[i]);
        if (r->coverage) {
            report_coverage(r, i == 0 ? loaded->policy : NULL);
        }
        if (r->profile) {
            profiles[i] = profile_lines(r, &n);
            /* Lines of several runs are told side by side, so only those that all of them have. */
            out->n_profile = i == 0 || n < out->n_profile ? n : out->n_profile;
        }
        if (i == 0) {
            explain(r);
        }
    }
    out->profile = profiles[0];
    out->profiles = count > 1 && r->profile ? profiles : NULL;
    times->each = eval_ns;
}

/* Partial evaluation reports what an evaluation does; of coverage it knows nothing. */
static void run_partially(runner *r, cs_cmd_loaded *loaded, cs_slice text, cs_eval_times *times)
{
    cs_eval_output *out = r->out;
    const cs_eval_flags *f = r->flags;
    if (strcmp(f->explain, "off") != 0 || f->profile) {
        cs_eval_flags only = *f;
        only.coverage = only.show_builtin_errors = false;
        r->flags = &only;
        r->eval.tracer = make_tracer(r);
        r->flags = f;
    }
    cs_eval__partial(f, loaded, text, &r->eval, times, out);
    if (r->profile) {
        out->profile = profile_lines(r, &out->n_profile);
    }
    explain(r);
    report_no_coverage(r->flags, loaded->policy, out);
}

void cs_eval__run(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, cs_eval_output *out)
{
    runner r = {.flags = f, .out = out, .host = *cs_cmd_host(), .errors = {.out = out}};
    cs_errors errors;
    cs_query *query = NULL;
    cs_eval_times times = {-1, -1, -1, NULL};
    int64_t timeout = 0;
    r.host.print = print_line;
    r.eval = (cs_eval){.arena = out->arena,
                       .data = loaded->data,
                       .input = out->input,
                       .strict = f->strict_builtin_errors,
                       .instrument = f->sources.instrument,
                       .host = &r.host};
    if (f->show_builtin_errors) {
        r.eval.builtin_error = collect_error;
        r.eval.builtin_error_self = &r.errors;
    }
    cs_errors_init(&errors);
    cs_query_options options = {.package = cs_slice_of(f->package),
                                .imports = cs_cmd_slices(out->arena, &f->imports),
                                .n_imports = f->imports.n,
                                .print = CS_PRINT_KEEP,
                                .instrument = f->sources.instrument,
                                .v0 = f->sources.v0,
                                .parse_ns = &times.parse,
                                .compile_ns = &times.compile};
    if (f->partial) {
        run_partially(&r, loaded, text, &times);
    } else if (cs_query_prepare(loaded->policy, text, &options, &query, &errors) != CS_OK) {
        cs_cmd_problems_add_list(&out->problems, &errors);
        report_no_coverage(f, NULL, out);
    } else if (out->bad_schema) {
        cs_cmd_problem problem = {.message = CS_LIT("compiler has errors"), .code = CS_LIT("eval_internal_error")};
        CS_VEC_PUSH_IN(out->arena, &out->problems.list, problem);
        cs_query_release(query);
        report_no_coverage(f, NULL, out);
    } else {
        if (f->timeout[0] && cs_time_parse_duration(cs_slice_of(f->timeout), false, &timeout) && timeout > 0) {
            r.eval.deadline_mono_ns = cs_time_mono_ns() + timeout;
        }
        out->query = query;
        run_all(&r, loaded, &times);
    }
    add_timers(f, out, loaded, &times);
    cs_errors_destroy(&errors);
}
