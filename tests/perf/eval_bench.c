/* The engine alone: nanoseconds a decision, without a server.
 *
 *   eval_bench FOLDER [SECONDS [strict]]    a workload: policy.rego, data.json, inputs.jsonl, expected.jsonl, meta.json
 *
 * "strict": errors of built-ins are errors of the decision, so the tree walker makes it.
 *
 * Every answer is first compared with the expected one. Then the inputs are gone through again and again; what is timed
 * is the whole pass, the parsing of an input apart from its evaluation. Prints one JSON line: medians over the passes.
 */
#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "countersign/rego.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUTS_MAX 100000U
#define PASSES_MAX 100000U

typedef struct workload {
    cs_arena arena; /* everything that stays */
    cs_query *query;
    cs_policy *policy;
    cs_value data;
    cs_slice *inputs;
    cs_slice *expected;
    size_t n;
    bool strict;
} workload;

static int fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "eval_bench: %s: %s\n", what, why);
    return 1;
}

static cs_slice load(workload *w, const char *folder, const char *name)
{
    cs_buf text;
    cs_error e;
    cs_buf_init(&text);
    const char *path = cs_arena_printf(&w->arena, NULL, "%s/%s", folder, name);
    if (cs_file_read(path, SIZE_MAX, &text, &e) != CS_OK) {
        exit(fail(path, e.text));
    }
    cs_slice kept = cs_slice_make(cs_arena_dup(&w->arena, cs_buf_view(&text).p, text.n), text.n);
    cs_buf_destroy(&text);
    return kept;
}

static cs_value parse(cs_arena *a, cs_slice text)
{
    cs_value v;
    cs_error e;
    cs_json_options options = {.borrow = true};
    if (cs_json_read(a, text, &options, &v, NULL, &e) != CS_OK) {
        exit(fail("JSON", e.text));
    }
    return v;
}

static size_t lines(workload *w, cs_slice text, cs_slice **out)
{
    size_t n = 0;
    cs_slice line;
    *out = cs_arena_array(&w->arena, cs_slice, INPUTS_MAX);
    while (n < INPUTS_MAX && cs_slice_next(&text, '\n', &line)) {
        if (line.n > 0) {
            (*out)[n++] = line;
        }
    }
    return n;
}

static void prepare(workload *w, const char *folder)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_arena_init(&w->arena, 0);
    cs_policy_source source = {CS_LIT("policy.rego"), load(w, folder, "policy.rego"), 1};
    cs_value key[32];
    size_t n = 0;
    cs_slice path = cs_text(*cs_object_get_text(parse(&w->arena, load(w, folder, "meta.json")), "path"));
    for (cs_slice part; n < 32 && cs_slice_next(&path, '/', &part);) {
        key[n++] = cs_string(part);
    }
    w->data = cs_freeze(&w->arena, parse(&w->arena, load(w, folder, "data.json")));
    w->n = lines(w, load(w, folder, "inputs.jsonl"), &w->inputs);
    if (lines(w, load(w, folder, "expected.jsonl"), &w->expected) != w->n || w->n == 0) {
        exit(fail(folder, "not as many expected answers as inputs"));
    }
    if (cs_policy_compile(&source, 1, NULL, &w->policy, &errors) != CS_OK ||
        cs_query_prepare_path(w->policy, key, n, &w->query, &errors) != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &errors);
        exit(fail(folder, cs_buf_cstr(&text)));
    }
    cs_errors_destroy(&errors);
}

static cs_value decide(const workload *w, cs_arena *a, cs_value input)
{
    cs_value result;
    cs_error e;
    cs_eval eval = {.arena = a, .data = w->data, .input = input, .strict = w->strict};
    if (cs_query_run(w->query, &eval, &result, &e) != CS_OK) {
        exit(fail("evaluation", e.text));
    }
    return result;
}

/* Equal, but numbers as doubles: the expected answers were written by a program that has no others. */
static bool same(cs_value x, cs_value y)
{
    if (cs_is(x, CS_NUMBER) && cs_is(y, CS_NUMBER)) {
        double a = cs_number_double(x);
        double b = cs_number_double(y);
        return a >= b - 1e-9 * fabs(b) && a <= b + 1e-9 * fabs(b);
    }
    if (x.kind != y.kind || cs_count(x) != cs_count(y)) {
        return false;
    }
    bool equal = cs_is(x, CS_ARRAY) || cs_is(x, CS_OBJECT) || cs_equal(x, y);
    for (uint32_t i = 0; equal && i < cs_count(x); i++) {
        if (cs_is(x, CS_ARRAY)) {
            equal = same(x.u.items[i], y.u.items[i]);
        } else {
            cs_value value;
            const cs_value *other = cs_object_get(y, cs_entry(x, i, &value));
            equal = other != NULL && same(value, *other);
        }
    }
    return equal;
}

/* Sets as arrays, as JSON has them: the answer written and read again. */
static bool as_expected(const workload *w, size_t i, cs_arena *a)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, decide(w, a, parse(a, w->inputs[i])), 0);
    bool right = same(parse(a, cs_buf_view(&text)), parse(a, w->expected[i]));
    cs_buf_destroy(&text);
    return right;
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x;
    double b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(double), ascending);
    return v[n / 2];
}

static void measure(const workload *w, const char *name, double seconds)
{
    double *parse_ns = cs_alloc_array(PASSES_MAX, sizeof(double));
    double *eval_ns = cs_alloc_array(PASSES_MAX, sizeof(double));
    cs_value *input = cs_alloc_array(w->n, sizeof(cs_value));
    cs_arena inputs;
    cs_arena work;
    cs_arena_init(&inputs, 0);
    cs_arena_init(&work, 0);
    size_t passes = 0;
    size_t used = 0;
    int64_t end = cs_time_mono_ns() + (int64_t)(seconds * (double)CS_NS_PER_S);
    while (passes < PASSES_MAX && (passes < 3 || cs_time_mono_ns() < end)) {
        cs_arena_reset(&inputs);
        int64_t t0 = cs_time_mono_ns();
        for (size_t i = 0; i < w->n; i++) {
            input[i] = parse(&inputs, w->inputs[i]);
        }
        int64_t t1 = cs_time_mono_ns();
        for (size_t i = 0; i < w->n; i++) {
            (void)decide(w, &work, input[i]);
            used = cs_arena_used(&work);
            cs_arena_reset(&work);
        }
        int64_t t2 = cs_time_mono_ns();
        parse_ns[passes] = (double)(t1 - t0) / (double)w->n;
        eval_ns[passes] = (double)(t2 - t1) / (double)w->n;
        passes++;
    }
    (void)printf(
        "{\"workload\":\"%s\",\"eval_ns\":%.0f,\"parse_ns\":%.0f,\"arena_bytes\":%zu,\"inputs\":%zu,\"passes\":%zu}\n",
        name, median(eval_ns, passes), median(parse_ns, passes), used, w->n, passes);
    cs_arena_destroy(&inputs);
    cs_arena_destroy(&work);
    cs_free(input);
    cs_free(eval_ns);
    cs_free(parse_ns);
}

int main(int argc, char **argv)
{
    workload w = {.n = 0};
    cs_arena a;
    if (argc < 2) {
        return fail("usage", "eval_bench FOLDER [SECONDS [strict]]");
    }
    w.strict = argc > 3 && strcmp(argv[3], "strict") == 0;
    prepare(&w, argv[1]);
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < w.n; i++) {
        if (!as_expected(&w, i, &a)) {
            (void)fprintf(stderr, "eval_bench: %s: input %zu: not the expected answer\n", argv[1], i + 1);
            return 1;
        }
        cs_arena_reset(&a);
    }
    cs_arena_destroy(&a);
    const char *slash = strrchr(argv[1], '/');
    measure(&w, slash != NULL ? slash + 1 : argv[1], argc > 2 ? strtod(argv[2], NULL) : 2.0);
    cs_query_release(w.query);
    cs_policy_release(w.policy);
    cs_arena_destroy(&w.arena);
    return 0;
}
