/* test --bench: each test many times, in Go's form of benchmark results. */
#include <math.h>

#include "countersign/base/time.h"
#include "countersign/number.h"
#include "test.h"

/* As long as Go's benchmarks run. */
#define BENCH_NS CS_NS_PER_S

static void run_turns(cs_test_run *run, cs_test_result *r, cs_arena *arena, uint64_t turns)
{
    r->bench = (cs_test_bench){.n = turns};
    int64_t start = cs_time_mono_ns();
    for (uint64_t i = 0; i < turns && (i == 0 || r->outcome == CS_TEST_PASS); i++) {
        cs_arena_reset(arena);
        cs_test__once(run, r, arena);
        r->bench.eval_ns += r->ns;
    }
    r->bench.ns = cs_time_mono_ns() - start;
}

/* Counting slows allocation down, so one more turn is made for it. */
static void count_memory(cs_test_run *run, cs_test_result *r, cs_arena *arena)
{
    if (r->outcome == CS_TEST_PASS) {
        cs_mem_count_start();
        cs_arena_reset(arena);
        cs_test__once(run, r, arena);
        r->bench.memory = cs_mem_count_stop();
    }
}

void cs_test__bench(cs_test_run *run, cs_test_result *r)
{
    cs_arena arena;
    cs_arena_init(&arena, cs_limits_get()->eval_memory);
    int64_t start = cs_time_mono_ns();
    uint64_t turns = 1;
    run_turns(run, r, &arena, turns);
    while (r->outcome == CS_TEST_PASS && r->bench.ns < BENCH_NS && turns < 1000000000) {
        /* A fifth more than the last pace needs, at most a hundred times as many. */
        double each = (double)(r->bench.ns > 0 ? r->bench.ns : 1) / (double)turns;
        uint64_t next = (uint64_t)(1.2 * (double)BENCH_NS / each);
        next = next < turns * 100 ? next : turns * 100;
        turns = next > turns ? next : turns + 1;
        run_turns(run, r, &arena, turns);
    }
    count_memory(run, r, &arena);
    r->ns = cs_time_mono_ns() - start;
    cs_arena_destroy(&arena);
}

static void print_figure(cs_buf *out, double v, const char *unit)
{
    double x = fabs(v);
    if (x < 0.000000001 || x >= 999.95) {
        cs_buf_printf(out, "\t%10.0f %s", v, unit);
    } else if (x >= 99.995) {
        cs_buf_printf(out, "\t%12.1f %s", v, unit);
    } else if (x >= 9.9995) {
        cs_buf_printf(out, "\t%13.2f %s", v, unit);
    } else {
        cs_buf_printf(out, "\t%14.3f %s", v, unit);
    }
}

/* data.a.test_x as BenchmarkDataATestX. */
static void print_go_name(cs_buf *out, cs_slice name)
{
    bool upper = true;
    cs_buf_text(out, "Benchmark");
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '_' || c == '.') {
            upper = true;
            continue;
        }
        cs_buf_byte(out, upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        upper = false;
    }
}

void cs_test__print_bench(cs_buf *out, const cs_test_flags *f, const cs_test_result *r)
{
    cs_buf name;
    cs_buf_init(&name);
    cs_buf_printf(&name, "%.*s.%.*s", CS_FMT(r->test->package), CS_FMT(r->test->name));
    if (strcmp(f->format, "gobench") == 0) {
        print_go_name(out, cs_buf_view(&name));
    } else {
        cs_buf_slice(out, cs_buf_view(&name));
    }
    cs_buf_destroy(&name);
    double n = (double)r->bench.n;
    cs_buf_printf(out, "\t%8llu", (unsigned long long)r->bench.n);
    print_figure(out, (double)r->bench.ns / n, "ns/op");
    print_figure(out, (double)r->bench.eval_ns / n, "timer_rego_query_eval_ns/op");
    if (f->benchmem) {
        cs_buf_printf(out, "\t%8llu B/op\t%8llu allocs/op", (unsigned long long)r->bench.memory.bytes,
                      (unsigned long long)r->bench.memory.allocations);
    }
    cs_buf_byte(out, '\n');
}

/* As Go's testing.BenchmarkResult. */
void cs_test__write_bench(cs_json_text *t, cs_arena *a, const cs_test_bench *bench)
{
    double each = (double)bench->eval_ns / (double)bench->n;
    cs_json_open(t, '{');
    cs_json_put(t, "N", cs_int((int64_t)bench->n));
    cs_json_put(t, "T", cs_int(bench->ns));
    cs_json_put(t, "Bytes", cs_int(0));
    cs_json_put(t, "MemAllocs", cs_int((int64_t)(bench->memory.allocations * bench->n)));
    cs_json_put(t, "MemBytes", cs_int((int64_t)(bench->memory.bytes * bench->n)));
    cs_json_key(t, "Extra");
    cs_json_open(t, '{');
    cs_json_put(t, "timer_rego_query_eval_ns/op", cs_number_from_double(a, each));
    cs_json_close(t);
    cs_json_close(t);
}
