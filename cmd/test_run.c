/* test: running the tests, on several threads. */
#include <stdio.h>
#include <unistd.h>

#include "countersign/base/time.h"
#include "test.h"

typedef CS_VEC(cs_test_told) told_cases;

/* What one test says while it runs. */
typedef struct listener {
    cs_arena *arena; /* of the evaluation */
    cs_buf printed;
    told_cases told;
    cs_trace *trace;
} listener;

static void hear_print(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    listener *l = self;
    (void)file;
    (void)row;
    cs_buf_slice(&l->printed, line);
    cs_buf_byte(&l->printed, '\n');
}

static void hear_case(void *self, cs_value name)
{
    listener *l = self;
    cs_test_told one = {name, 0};
    if (l->trace) {
        one.traced = cs_trace_count(l->trace);
        cs_trace_test_case(l->trace, name);
    }
    CS_VEC_PUSH_IN(l->arena, &l->told, one);
}

static void drop_print(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    (void)line;
}

/* ---- one evaluation */

/* The query as text, so that the outermost frame of a traceback shows it as OPA's does. */
static cs_query *as_text(const cs_test_run *run, const cs_test_result *r)
{
    cs_errors errors;
    cs_query *query = NULL;
    cs_errors_init(&errors);
    if (cs_query_prepare(run->loaded->policy, r->test->query, NULL, &query, &errors) != CS_OK) {
        query = NULL;
    }
    cs_errors_destroy(&errors);
    return query;
}

static void add_problem(const cs_test_run *run, cs_test_result *r, const cs_eval *eval, const cs_error *e)
{
    cs_query *query = as_text(run, r);
    if (query) {
        cs_cmd_problems_trace(&r->problems, query, eval, e);
    } else {
        cs_cmd_problems_add(&r->problems, e, NULL, 0);
    }
    cs_query_release(query);
}

static void merge(cs_test_run *run, size_t i, const cs_coverage *coverage)
{
    cs_mutex_lock(&run->lock);
    cs_coverage_merge(run->coverage[i], coverage);
    cs_mutex_unlock(&run->lock);
}

/* The run itself counts, and then what would have been covered without the index and without early exit. */
static void cover(cs_test_run *run, const cs_query *query, const cs_eval *eval, const cs_coverage *coverage)
{
    merge(run, 0, coverage);
    for (size_t i = 1; i < CS_TEST_RUNS; i++) {
        if (!run->coverage[i]) {
            continue;
        }
        cs_coverage *more = cs_coverage_new(eval->arena);
        cs_value nothing;
        cs_error e = {0};
        cs_host host = *eval->host;
        host.print = drop_print;
        host.test_case = NULL;
        cs_eval again = *eval;
        again.host = &host;
        again.tracer = cs_tracer_without(eval->arena, cs_coverage_tracer(more), i == 1, i == 2);
        if (cs_query_run(query, &again, &nothing, &e) == CS_OK) {
            merge(run, i, more);
        }
    }
}

/* The document of the test: a path query answers it, a text query has it as its first expression. */
static cs_value document_of(const cs_eval *eval, cs_value answer)
{
    if (!eval->tracer || cs_is_undefined(answer)) {
        return answer;
    }
    return answer.n == 0 ? cs_undefined() : answer.u.items[0].u.items[1].u.items[0];
}

static void judge(cs_test_result *r, const listener *l, cs_value value)
{
    size_t traced = l->trace ? cs_trace_count(l->trace) : 0;
    if (cs_is_undefined(value)) {
        r->outcome = CS_TEST_FAIL;
    } else if (r->test->cases) {
        r->outcome = cs_test__cases(r, value, l->told.v, l->told.n, traced) ? CS_TEST_FAIL : CS_TEST_PASS;
    } else {
        r->outcome = value.kind == CS_BOOL && value.u.i != 0 ? CS_TEST_PASS : CS_TEST_FAIL;
    }
}

static const cs_tracer *make_tracer(const cs_test_run *run, listener *l, cs_test_result *r, cs_coverage **coverage)
{
    const cs_test_flags *f = run->flags;
    const cs_tracer *tracers[2];
    size_t n = 0;
    if (f->bench) {
        return NULL;
    }
    if (f->verbose || f->var_values) {
        cs_explain level = CS_EXPLAIN_OFF;
        (void)cs_explain_parse(cs_slice_of(f->explain), &level);
        bool locals = f->var_values || strcmp(f->format, "json") == 0;
        cs_trace_options options = {.locals = locals,
                                    .unify = level == CS_EXPLAIN_DEBUG,
                                    .brief = !f->var_values && level != CS_EXPLAIN_DEBUG && level != CS_EXPLAIN_FULL};
        l->trace = cs_trace_new(l->arena, &options);
        r->trace = l->trace;
        tracers[n++] = cs_trace_tracer(l->trace);
    }
    if (run->coverage[0]) {
        *coverage = cs_coverage_new(&r->arena);
        tracers[n++] = cs_coverage_tracer(*coverage);
    }
    return n ? cs_tracer_join(&r->arena, tracers, n) : NULL;
}

static void evaluate(cs_test_run *run, cs_test_result *r, listener *l, cs_eval *eval)
{
    cs_error e = {0};
    cs_errors errors;
    cs_query *query = NULL;
    cs_value answer = cs_undefined();
    cs_coverage *coverage = NULL;
    cs_errors_init(&errors);
    eval->tracer = make_tracer(run, l, r, &coverage);
    cs_policy *policy = run->loaded->policy;
    cs_err err = eval->tracer ? cs_query_prepare(policy, r->test->query, NULL, &query, &errors)
                              : cs_query_prepare_path(policy, r->test->path, r->test->n_path, &query, &errors);
    if (err != CS_OK) {
        r->outcome = CS_TEST_ERROR;
        cs_cmd_problems_add_list(&r->problems, &errors);
    } else {
        err = cs_query_run(query, eval, &answer, &e);
        e.code = err;
        if (err == CS_OK) {
            judge(r, l, document_of(eval, answer));
        } else {
            r->outcome = CS_TEST_ERROR;
            add_problem(run, r, eval, &e);
        }
        if (coverage && err == CS_OK) {
            cover(run, query, eval, coverage);
        }
    }
    if (r->trace) {
        r->query = query;
    } else {
        cs_query_release(query);
    }
    cs_errors_destroy(&errors);
}

void cs_test__once(cs_test_run *run, cs_test_result *r, cs_arena *arena)
{
    listener l = {.arena = arena};
    cs_host host = *cs_cmd_host();
    host.self = &l; /* the system's functions do not look at it */
    host.print = hear_print;
    host.test_case = hear_case;
    cs_buf_init(&l.printed);
    r->problems.arena = &r->arena;
    int64_t start = cs_time_mono_ns();
    cs_eval eval = {
        .arena = arena, .data = run->loaded->data, .host = &host, .deadline_mono_ns = start + run->flags->timeout_ns};
    evaluate(run, r, &l, &eval);
    r->ns = cs_time_mono_ns() - start;
    if (l.printed.n) {
        r->output = cs_slice_make(cs_arena_dup(&r->arena, l.printed.p, l.printed.n), l.printed.n);
    }
    cs_buf_destroy(&l.printed);
}

/* ---- threads */

static bool take(cs_test_run *run, size_t *i)
{
    cs_mutex_lock(&run->lock);
    *i = run->next;
    bool any = run->next < run->n;
    run->next += any;
    cs_mutex_unlock(&run->lock);
    return any;
}

/* What a trace points to lives as long as it may be shown: to the report, or not at all for a test that passed, unless
 * the report shows everybody's. */
static void keep_or_forget(const cs_test_run *run, cs_test_result *r, cs_arena *arena)
{
    if (r->outcome != CS_TEST_PASS || strcmp(run->flags->format, "json") == 0) {
        r->evaluated = *arena;
        cs_arena_init(arena, 0);
        return;
    }
    cs_query_release(r->query);
    r->query = NULL;
    r->trace = NULL;
    cs_arena_reset(arena);
}

static void work(void *self)
{
    cs_test_run *run = self;
    cs_arena arena;
    bool traced = run->flags->verbose || run->flags->var_values;
    cs_arena_init(&arena, traced ? 0 : cs_limits_get()->eval_memory);
    for (size_t i; take(run, &i);) {
        cs_test_result *r = &run->results[i];
        cs_arena_init(&r->arena, 0);
        cs_arena_init(&r->evaluated, 0);
        if (r->test->todo) {
            r->outcome = CS_TEST_SKIPPED;
        } else if (run->flags->bench) {
            cs_test__bench(run, r);
        } else {
            cs_test__once(run, r, &arena);
            if (r->trace) {
                keep_or_forget(run, r, &arena);
            } else {
                cs_arena_reset(&arena);
            }
        }
        cs_mutex_lock(&run->lock);
        r->done = true;
        cs_cond_signal(&run->progress);
        cs_mutex_unlock(&run->lock);
    }
    cs_arena_destroy(&arena);
}

static bool is_done(cs_test_run *run, size_t i)
{
    cs_mutex_lock(&run->lock);
    bool done = run->results[i].done;
    cs_mutex_unlock(&run->lock);
    return done;
}

/* On a terminal a line tells how far a long run has come; it is wiped before anything else is written. */
static void show_progress(const cs_test_run *run, size_t done, int64_t start, bool *shown)
{
    if (isatty(STDERR_FILENO) && cs_time_mono_ns() - start > CS_NS_PER_S) {
        fprintf(stderr, "\r%zu of %zu tests", done, run->n);
        (void)fflush(stderr);
        *shown = true;
    }
}

static void wipe_progress(bool *shown)
{
    if (*shown) {
        fprintf(stderr, "\r\033[K");
        (void)fflush(stderr);
        *shown = false;
    }
}

static void show_in_order(cs_test_run *run, void (*show)(void *self, const cs_test_result *result), void *self)
{
    int64_t start = cs_time_mono_ns();
    bool shown = false;
    for (size_t i = 0; i < run->n; i++) {
        cs_mutex_lock(&run->lock);
        while (!run->results[i].done) {
            if (!cs_cond_wait_for(&run->progress, &run->lock, CS_NS_PER_S / 5)) {
                show_progress(run, i, start, &shown);
            }
        }
        cs_mutex_unlock(&run->lock);
        wipe_progress(&shown);
        show(self, &run->results[i]);
        if (i + 1 < run->n && !is_done(run, i + 1)) {
            (void)fflush(stdout);
        }
    }
}

enum { THREADS_MAX = 256 };

void cs_test__run(cs_test_run *run, void (*show)(void *self, const cs_test_result *result), void *self)
{
    cs_thread threads[THREADS_MAX] = {0};
    size_t wanted = run->flags->parallel > 0 ? (size_t)run->flags->parallel : cs_cpu_count();
    wanted = run->flags->bench ? 1 : wanted < run->n ? wanted : run->n;
    wanted = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    size_t started = 0;
    cs_error e = {0};
    while (started < wanted && cs_thread_start(&threads[started], "test", work, run, &e) == CS_OK) {
        started++;
    }
    if (started == 0) {
        work(run);
    }
    show_in_order(run, show, self);
    for (size_t i = 0; i < started; i++) {
        cs_thread_join(&threads[i]);
    }
}
