/* The rounds of a benchmark, and its reports. */
#include <math.h>
#include <stdio.h>

#include "bench.h"
#include "countersign/base/time.h"
#include "countersign/number.h"
#include "metrics_table.h"

/* As long as Go's benchmarks run. */
#define BENCH_NS CS_NS_PER_S
enum { MOST_TURNS = 5000000 };

/* ---- rounds */
static cs_err run_turns(cs_bench_run *run, uint64_t turns, cs_error *e)
{
    run->n = turns;
    run->ns = 0;
    run->restart(run->self);
    for (uint64_t i = 0; i < turns; i++) {
        int64_t ns = 0;
        CS_TRY(run->turn(run->self, &ns, e));
        run->ns += ns;
    }
    return CS_OK;
}

static cs_err time_turns(cs_bench_run *run, cs_error *e)
{
    uint64_t turns = 1;
    CS_TRY(run_turns(run, turns, e));
    while (run->ns < BENCH_NS && turns < MOST_TURNS) {
        /* A fifth more than the last pace needs, at most a hundred times as many. */
        double each = (double)(run->ns > 0 ? run->ns : 1) / (double)turns;
        uint64_t next = (uint64_t)(1.2 * (double)BENCH_NS / each);
        next = next < turns * 100 ? next : turns * 100;
        turns = next > turns ? next : turns + 1;
        turns = turns < MOST_TURNS ? turns : MOST_TURNS;
        CS_TRY(run_turns(run, turns, e));
    }
    return CS_OK;
}

/* Counting slows allocation down, so it is done apart; the first turn under it meets arenas that do not know yet. */
static cs_err count_memory(cs_bench_run *run, cs_error *e)
{
    cs_err err = CS_OK;
    int64_t ns;
    run->restart(run->self);
    cs_mem_count_start();
    err = run->turn(run->self, &ns, e);
    if (err == CS_OK) {
        cs_mem_count_start();
        err = run->turn(run->self, &ns, e);
    }
    run->memory = cs_mem_count_stop();
    return err;
}

void cs_bench__add_figures(cs_arena *a, cs_value figures, const char *name, int64_t *values, size_t n)
{
    cs_value statistics = cs_statistics_of(a, values, n);
    for (uint32_t i = 0; i < cs_count(statistics); i++) {
        cs_value v, key = cs_entry(statistics, i, &v);
        cs_object_put_text(a, figures, cs_arena_printf(a, NULL, "histogram_%s_%.*s", name, CS_FMT(cs_text(key))), v);
    }
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

static void print_gobench(const cs_bench_run *run, cs_value figures, cs_buf *out)
{
    cs_buf_printf(out, "BenchmarkOPAEval\t%8llu\t", (unsigned long long)run->n);
    print_figure(out, (double)run->ns / (double)run->n, 999.95);
    cs_buf_text(out, " ns/op");
    for (uint32_t i = 0; i < cs_count(figures); i++) {
        cs_value v, key = cs_entry(figures, i, &v);
        cs_buf_byte(out, '\t');
        print_figure(out, cs_number_double(v), 999.95);
        cs_buf_printf(out, " %.*s", CS_FMT(cs_text(key)));
    }
    if (run->flags->benchmem) {
        cs_buf_printf(out, "\t%8llu B/op\t%8llu allocs/op", (unsigned long long)run->memory.bytes,
                      (unsigned long long)run->memory.allocations);
    }
    cs_buf_byte(out, '\n');
}

static void print_json(const cs_bench_run *run, cs_value figures, cs_buf *out)
{
    cs_json_text t = {.out = out, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
    cs_json_open(&t, '{');
    cs_json_put(&t, "N", cs_int((int64_t)run->n));
    cs_json_put(&t, "T", cs_int(run->ns));
    cs_json_put(&t, "Bytes", cs_int(0));
    cs_json_put(&t, "MemAllocs", cs_int((int64_t)(run->memory.allocations * run->n)));
    cs_json_put(&t, "MemBytes", cs_int((int64_t)(run->memory.bytes * run->n)));
    cs_json_put(&t, "Extra", figures);
    cs_json_close(&t);
    cs_buf_byte(out, '\n');
}

typedef struct row {
    const char *name, *figure;
} row;

static const char *figure_text(cs_arena *a, double v)
{
    cs_buf text;
    cs_buf_init(&text);
    print_figure(&text, v, 99.95);
    cs_slice s = cs_slice_trim(cs_buf_view(&text));
    const char *kept = cs_arena_dup(a, s.p, s.n);
    cs_buf_destroy(&text);
    return kept;
}

/* A table whose second column stands to the right. */
static void print_rows(cs_arena *a, const row *rows, size_t n, cs_buf *out)
{
    cs_cmd_table table = {.arena = a, .columns = 2, .keep_spaces = true};
    int width = 0;
    for (size_t i = 0; i < n; i++) {
        int w = (int)strlen(rows[i].figure);
        width = w > width ? w : width;
    }
    for (size_t i = 0; i < n; i++) {
        size_t length;
        const char *figure = cs_arena_printf(a, &length, "%*s", width, rows[i].figure);
        cs_slice cells[2] = {cs_slice_of(rows[i].name), cs_slice_make(figure, length)};
        cs_cmd_table_add(&table, cells);
    }
    cs_cmd_table_print(out, &table);
}

static const char *whole_text(cs_arena *a, uint64_t v)
{
    return cs_arena_printf(a, NULL, "%llu", (unsigned long long)v);
}

static void print_pretty(const cs_bench_run *run, cs_value figures, cs_buf *out)
{
    cs_arena *a = run->arena;
    row *rows = cs_arena_array(a, row, cs_count(figures) + 4);
    size_t n = 0;
    rows[n++] = (row){"samples", whole_text(a, run->n)};
    rows[n++] = (row){"ns/op", figure_text(a, (double)run->ns / (double)run->n)};
    if (run->flags->benchmem) {
        rows[n++] = (row){"B/op", whole_text(a, run->memory.bytes)};
        rows[n++] = (row){"allocs/op", whole_text(a, run->memory.allocations)};
    }
    for (uint32_t i = 0; i < cs_count(figures); i++) {
        cs_value v, key = cs_entry(figures, i, &v);
        rows[n++] = (row){cs_arena_printf(a, NULL, "%.*s", CS_FMT(cs_text(key))), figure_text(a, cs_number_double(v))};
    }
    print_rows(a, rows, n, out);
}

static void report(const cs_bench_run *run, cs_value figures)
{
    cs_buf out;
    cs_buf_init(&out);
    if (strcmp(run->flags->format, "json") == 0) {
        print_json(run, figures, &out);
    } else if (strcmp(run->flags->format, "gobench") == 0) {
        print_gobench(run, figures, &out);
    } else {
        print_pretty(run, figures, &out);
    }
    (void)cs_cmd_write(cs_buf_view(&out));
    cs_buf_destroy(&out);
}

cs_err cs_bench__measure(cs_bench_run *run, cs_error *e)
{
    for (int64_t i = 0; i < run->flags->count; i++) {
        CS_TRY(time_turns(run, e));
        cs_value figures = run->flags->metrics ? run->figures(run->self) : cs_object_new(run->arena, 0);
        CS_TRY(count_memory(run, e));
        report(run, figures);
    }
    return CS_OK;
}

int cs_bench__report_problems(const cs_bench_flags *flags, const cs_cmd_problems *problems)
{
    cs_buf out;
    cs_buf_init(&out);
    if (strcmp(flags->format, "json") == 0) {
        cs_json_text t = {.out = &out, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
        cs_json_open(&t, '{');
        cs_json_key(&t, "errors");
        cs_cmd_problems_write(&t, problems);
        cs_json_close(&t);
        cs_buf_byte(&out, '\n');
        (void)cs_cmd_write(cs_buf_view(&out));
    } else {
        cs_cmd_problems_print(&out, problems);
        fprintf(stderr, "%s\n", cs_buf_cstr(&out));
    }
    cs_buf_destroy(&out);
    return 1;
}
