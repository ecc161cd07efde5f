/* test: reports. */
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "test.h"

typedef struct counts {
    size_t pass, fail, skipped, errors;
} counts;

typedef struct reporter {
    cs_test_run *run;
    const cs_test_flags *flags;
    cs_arena arena;
    cs_buf out;
    counts counts;
    bool dirty; /* something stands above the summary */
    cs_slice last_file;
    CS_VEC(const cs_test_result *) failures;
    CS_VEC(const cs_test_result *) all;
    size_t ran;
    int status;
} reporter;

static const char *const words[] = {"PASS", "FAIL", "SKIPPED", "ERROR"};

static void flush(reporter *r)
{
    (void)cs_cmd_write(cs_buf_view(&r->out));
    cs_buf_clear(&r->out);
}

static void line(cs_buf *out)
{
    for (int i = 0; i < 80; i++) {
        cs_buf_byte(out, '-');
    }
    cs_buf_byte(out, '\n');
}

static void print_outcome(cs_buf *out, const cs_test_result *t)
{
    char took[40];
    (void)cs_time_format_duration(t->ns, took);
    cs_buf_printf(out, "%.*s.%.*s: %s", CS_FMT(t->test->package), CS_FMT(t->test->name), words[t->outcome]);
    if (t->outcome != CS_TEST_SKIPPED) {
        cs_buf_printf(out, " (%s)", took);
    }
}

static void blanks(cs_buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_buf_byte(out, ' ');
    }
}

/* ---- cases */

static void count_cases(counts *c, const cs_test_case *in)
{
    for (size_t i = 0; i < in->inner.n; i++) {
        const cs_test_case *one = in->inner.v[i];
        if (one->inner.n == 0) {
            c->fail += one->fail;
            c->pass += !one->fail;
        }
        count_cases(c, one);
    }
}

static void print_cases(cs_buf *out, const cs_test_case *in, size_t indent, bool all)
{
    for (size_t i = 0; i < in->inner.n; i++) {
        const cs_test_case *one = in->inner.v[i];
        if (one->fail || all) {
            blanks(out, indent);
            cs_buf_printf(out, "%.*s: %s\n", CS_FMT(one->name), one->fail ? "FAIL" : "PASS");
        }
        print_cases(out, one, indent + 2, all);
    }
}

/* ---- as results come in */

static void count(reporter *r, const cs_test_result *t)
{
    counts *c = &r->counts;
    if (t->outcome == CS_TEST_SKIPPED) {
        c->skipped++;
    } else if (t->outcome == CS_TEST_ERROR) {
        c->errors++;
    } else {
        if (t->outcome == CS_TEST_FAIL) {
            CS_VEC_PUSH_IN(&r->arena, &r->failures, t);
        }
        if (t->cases && t->cases->inner.n) {
            count_cases(c, t->cases);
        } else {
            c->fail += t->outcome == CS_TEST_FAIL;
            c->pass += t->outcome == CS_TEST_PASS;
        }
    }
}

static void print_output(cs_buf *out, cs_slice output)
{
    cs_slice rest = cs_slice_trim(output);
    cs_buf_byte(out, '\n');
    bool start = true;
    for (size_t i = 0; i <= rest.n; i++) {
        char c = i < rest.n ? rest.p[i] : '\n';
        if (start) {
            blanks(out, 2);
        }
        cs_buf_byte(out, c);
        start = c == '\n';
    }
    cs_buf_byte(out, '\n');
}

static void print_error(cs_buf *out, const cs_test_result *t)
{
    const cs_cmd_problem *p = &t->problems.list.v[0];
    blanks(out, 2);
    cs_cmd_problem_print(out, p);
    cs_buf_byte(out, '\n');
    if (p->n_frames) {
        cs_buf_text(out, "  Traceback:\n");
    }
    for (size_t i = 0; i < p->n_frames; i++) {
        cs_buf_printf(out, "    %.*s\n", CS_FMT(p->frames[i].text));
    }
}

static void print_result(reporter *r, const cs_test_result *t)
{
    cs_buf *out = &r->out;
    const cs_test_flags *f = r->flags;
    if (t->outcome == CS_TEST_PASS && f->bench) {
        r->dirty = true;
        cs_test__print_bench(out, f, t);
    } else if (f->verbose || t->outcome != CS_TEST_PASS) {
        if (r->last_file.n && !cs_slice_eq(r->last_file, t->test->file)) {
            cs_buf_byte(out, '\n');
        }
        cs_buf_printf(out, "%.*s:%u:\n", CS_FMT(t->test->file), t->test->row);
        r->last_file = t->test->file;
        r->dirty = true;
        print_outcome(out, t);
        cs_buf_byte(out, '\n');
        if (t->cases) {
            print_cases(out, t->cases, 2, f->verbose);
        }
        if (t->output.n) {
            print_output(out, t->output);
        }
    }
    if (t->outcome == CS_TEST_ERROR) {
        print_error(out, t);
    }
    flush(r);
}

/* ---- failures in detail */

static cs_explain level_of(const cs_test_flags *f)
{
    cs_explain level = CS_EXPLAIN_FAILS;
    if (!f->explain_given && f->verbose) {
        return CS_EXPLAIN_NOTES_AND_FAILS;
    }
    (void)cs_explain_parse(cs_slice_of(f->explain), &level);
    return level;
}

static void print_trace(reporter *r, const cs_test_result *t, bool line_too)
{
    cs_trace_view view = {0};
    if (t->trace) {
        view = cs_trace_choose(&r->arena, t->trace, level_of(r->flags), SIZE_MAX);
    }
    if (r->flags->verbose) {
        cs_buf_byte(&r->out, '\n');
        cs_trace_print(&r->out, &r->arena, &view,
                       &(cs_trace_style){.locations = true, .variables = r->flags->var_values, .indent = 2});
    }
    if (line_too && r->flags->var_values) {
        cs_trace_print_failure(&r->out, &r->arena, &view, true, 0);
    }
}

/* Every case that failed, with the names of the groups that it stands in. */
static void print_failed_cases(reporter *r, const cs_test_result *t, const cs_test_case *in, const cs_test_case **path,
                               size_t depth)
{
    for (size_t i = 0; i < in->inner.n; i++) {
        const cs_test_case *one = in->inner.v[i];
        const cs_test_case **longer = cs_arena_array(&r->arena, const cs_test_case *, depth + 1);
        if (depth) {
            memcpy(longer, path, depth * sizeof *longer);
        }
        longer[depth] = one;
        if (one->fail && one->inner.n == 0) {
            for (size_t k = 0; k <= depth; k++) {
                blanks(&r->out, 2 + 2 * k);
                cs_buf_printf(&r->out, "%.*s: FAIL\n", CS_FMT(longer[k]->name));
            }
            if (r->flags->var_values) {
                cs_trace_view view = {0};
                if (t->trace) {
                    view = cs_trace_choose(&r->arena, t->trace, CS_EXPLAIN_DEBUG, one->traced);
                }
                cs_trace_print_failure(&r->out, &r->arena, &view, true, 2 + 2 * (depth + 1));
            }
        }
        print_failed_cases(r, t, one, longer, depth + 1);
    }
}

static void print_failures(reporter *r)
{
    line(&r->out);
    cs_buf_text(&r->out, "FAILURES\n");
    line(&r->out);
    for (size_t i = 0; i < r->failures.n; i++) {
        const cs_test_result *t = r->failures.v[i];
        print_outcome(&r->out, t);
        cs_buf_byte(&r->out, '\n');
        if (t->cases && t->cases->inner.n) {
            print_trace(r, t, false);
            cs_buf_byte(&r->out, '\n');
            print_failed_cases(r, t, t->cases, NULL, 0);
        } else {
            print_trace(r, t, true);
        }
        cs_buf_byte(&r->out, '\n');
        flush(r);
    }
}

static void print_summary(reporter *r)
{
    const counts *c = &r->counts;
    const size_t n[] = {c->pass, c->fail, c->skipped, c->errors};
    size_t total = c->pass + c->fail + c->skipped + c->errors;
    if (c->fail > 0 && (r->flags->verbose || r->flags->var_values)) {
        print_failures(r);
    }
    if (r->dirty) {
        line(&r->out);
    }
    for (size_t i = 0; i < 4; i++) {
        if (n[i]) {
            cs_buf_printf(&r->out, "%s: %zu/%zu\n", words[i], n[i], total);
        }
    }
    flush(r);
}

/* ---- JSON */

static void write_cases(cs_json_text *t, const cs_test_case *in)
{
    if (in->inner.n == 0) {
        return;
    }
    cs_json_key(t, "sub_results");
    cs_json_open(t, '{');
    for (size_t i = 0; i < in->inner.n; i++) {
        const cs_test_case *one = in->inner.v[i];
        cs_json_key_slice(t, one->key);
        cs_json_open(t, '{');
        if (one->name.n) {
            cs_json_put_text(t, "name", one->name);
        }
        if (one->fail) {
            cs_json_put(t, "fail", cs_bool(true));
        }
        write_cases(t, one);
        cs_json_close(t);
    }
    cs_json_close(t);
}

static void write_result(reporter *r, cs_json_text *t, const cs_test_result *one)
{
    cs_json_open(t, '{');
    cs_json_key(t, "location");
    cs_json_open(t, '{');
    cs_json_put_text(t, "file", one->test->file);
    cs_json_put(t, "row", cs_int(one->test->row));
    cs_json_put(t, "col", cs_int(one->test->col));
    cs_json_close(t);
    cs_json_put_text(t, "package", one->test->package);
    cs_json_put_text(t, "name", one->test->name);
    if (one->outcome == CS_TEST_FAIL) {
        cs_json_put(t, "fail", cs_bool(true));
    }
    if (one->outcome == CS_TEST_ERROR) {
        cs_json_key(t, "error");
        cs_cmd_problem_write_code_first(t, &one->problems.list.v[0]);
    }
    if (one->outcome == CS_TEST_SKIPPED) {
        cs_json_put(t, "skip", cs_bool(true));
    }
    cs_json_put(t, "duration", cs_int(one->ns));
    if (r->flags->bench && one->bench.n) {
        cs_json_key(t, "benchmark_result");
        cs_test__write_bench(t, &r->arena, &one->bench);
    }
    if (one->trace) {
        cs_trace_view view = cs_trace_choose(&r->arena, one->trace, level_of(r->flags), SIZE_MAX);
        if (view.n) {
            cs_json_key(t, "trace");
            cs_trace_write_json(t, &r->arena, &view);
        }
    }
    if (one->output.n) {
        cs_json_put_text(t, "output", cs_base64_encode(&r->arena, one->output, CS_BASE64_STD));
    }
    if (one->cases) {
        write_cases(t, one->cases);
    }
    cs_json_close(t);
}

static int slower_first(const void *x, const void *y)
{
    const cs_test_result *a = *(cs_test_result *const *)x, *b = *(cs_test_result *const *)y;
    return (a->ns < b->ns) - (a->ns > b->ns);
}

static void print_json(reporter *r)
{
    if (strcmp(r->flags->sort, "duration") == 0 && r->all.n) {
        qsort(r->all.v, r->all.n, sizeof *r->all.v, slower_first);
    }
    cs_json_text t = {.out = &r->out, .flags = CS_JSON_HTML | CS_JSON_PRETTY};
    cs_json_open(&t, '[');
    for (size_t i = 0; i < r->all.n; i++) {
        write_result(r, &t, r->all.v[i]);
    }
    cs_json_close(&t);
    cs_buf_byte(&r->out, '\n');
    flush(r);
}

/* ---- coverage */

static const char *const kinds[CS_TEST_RUNS] = {NULL, "index_excluded", "early_exit"};

static int fail_threshold(reporter *r, const cs_coverage_report *report)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text, "Code coverage threshold not met: got %.2f instead of %.2f", cs_coverage_percent(report),
                  r->flags->least_coverage);
    if (r->flags->verbose) {
        cs_buf_text(&text, "\nLines not covered:");
        cs_coverage_print_missing(&text, &r->arena, report);
    }
    fprintf(stderr, "%s\n", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
    return 2;
}

/* Failures are told as usual, and the first one once more as the error of the whole. */
static int fail_tests(reporter *r)
{
    cs_test_flags plain = *r->flags;
    plain.var_values = false;
    reporter again = {.run = r->run, .flags = &plain};
    cs_arena_init(&again.arena, 0);
    cs_buf_init(&again.out);
    for (size_t i = 0; i < r->failures.n; i++) {
        count(&again, r->failures.v[i]);
        print_result(&again, r->failures.v[i]);
    }
    print_summary(&again);
    const cs_test_result *first = r->failures.v[0];
    cs_buf_clear(&again.out);
    print_outcome(&again.out, first);
    cs_buf_byte(&again.out, '\n');
    if (first->cases) {
        print_cases(&again.out, first->cases, 0, true);
    }
    (void)fflush(stdout);
    fprintf(stderr, "%s\n", cs_buf_cstr(&again.out));
    cs_buf_destroy(&again.out);
    cs_arena_destroy(&again.arena);
    return 1;
}

static int report_coverage(reporter *r)
{
    for (size_t i = 0; i < r->all.n; i++) {
        if (r->all.v[i]->outcome == CS_TEST_ERROR) {
            cs_buf_clear(&r->out);
            cs_cmd_problem_print(&r->out, &r->all.v[i]->problems.list.v[0]);
            fprintf(stderr, "%s\n", cs_buf_cstr(&r->out));
            cs_buf_clear(&r->out);
            return 1;
        }
    }
    if (r->failures.n) {
        return fail_tests(r);
    }
    cs_coverage_extra extra[CS_TEST_RUNS];
    size_t n = 0;
    for (size_t i = 1; i < CS_TEST_RUNS; i++) {
        if (r->run->coverage[i]) {
            extra[n++] = (cs_coverage_extra){kinds[i], r->run->coverage[i]};
        }
    }
    const cs_coverage_report *report =
        cs_coverage_reported(&r->arena, r->run->coverage[0], r->run->loaded->policy, extra, n);
    if (cs_coverage_percent(report) < r->flags->least_coverage) {
        return fail_threshold(r, report);
    }
    cs_json_text t = {.out = &r->out, .flags = CS_JSON_HTML | CS_JSON_PRETTY};
    cs_coverage_write_json(&t, &r->arena, report);
    cs_buf_byte(&r->out, '\n');
    flush(r);
    return 0;
}

/* ---- all of it */

static void hear(void *self, const cs_test_result *t)
{
    reporter *r = self;
    CS_VEC_PUSH_IN(&r->arena, &r->all, t);
    count(r, t);
    if (t->outcome != CS_TEST_PASS && !(t->outcome == CS_TEST_SKIPPED && r->flags->skipped_is_fine)) {
        r->status = 2;
    }
    if (!r->flags->coverage && strcmp(r->flags->format, "json") != 0) {
        print_result(r, t);
    }
}

int cs_test__report(cs_test_run *run)
{
    reporter r = {.run = run, .flags = run->flags};
    cs_arena_init(&r.arena, 0);
    cs_buf_init(&r.out);
    cs_test__run(run, hear, &r);
    if (run->flags->coverage) {
        int status = report_coverage(&r);
        r.status = status ? status : r.status;
    } else if (strcmp(run->flags->format, "json") == 0) {
        print_json(&r);
    } else {
        print_summary(&r);
    }
    if (run->n == 0 && run->flags->fail_on_empty && r.status == 0) {
        fprintf(stderr, "no tests were run\n");
        r.status = 1;
    }
    cs_buf_destroy(&r.out);
    cs_arena_destroy(&r.arena);
    return r.status;
}
