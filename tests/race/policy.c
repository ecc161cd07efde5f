/* Threads that evaluate one policy for the first time together: the tables of the tree walker and the regular
 * expressions of constant patterns are made by whoever comes first, and everybody must find them whole. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/thread.h"
#include "countersign/json.h"
#include "countersign/rego.h"
#include "countersign/trace.h"

#define THREADS 4
#define POLICIES 40

static const char module[] = "package a\n"
                             "p contains x if {\n"
                             "    some x in input.words\n"
                             "    regex.match(`^[a-c]+$`, x)\n"
                             "    not regex.match(`^(a|bb)$`, x)\n"
                             "}\n"
                             "f(1) := \"one\"\n"
                             "f(2) := \"two\"\n"
                             "q := [f(n) | some n in [2, 1]]\n"
                             "r := {k: {v | some v in p; u := substring(v, 0, 1); u == k} | some k in [\"a\", \"b\"]}\n"
                             "ok if {\n"
                             "    p == {\"ab\", \"c\"}\n"
                             "    q == [\"two\", \"one\"]\n"
                             "    r == {\"a\": {\"ab\"}, \"b\": set()}\n"
                             "}\n";
static const char words[] = "{\"words\": [\"a\", \"ab\", \"bb\", \"c\", \"xyz\"]}";

static cs_policy *policy;
static cs_value input;
static _Atomic unsigned waiting, wrong;

/* One evaluation, by the machine or by the walker. */
static bool is_ok(bool walk)
{
    cs_arena arena;
    cs_errors errors;
    cs_error e = {0};
    cs_query *query = NULL;
    cs_value result = cs_undefined();
    cs_arena_init(&arena, 0);
    cs_errors_init(&errors);
    cs_eval eval = {.arena = &arena, .input = input};
    if (walk) {
        eval.tracer = cs_trace_tracer(cs_trace_new(&arena, &(cs_trace_options){.locals = true}));
    }
    cs_err err = cs_query_prepare(policy, CS_LIT("data.a.ok"), NULL, &query, &errors);
    err = err == CS_OK ? cs_query_run(query, &eval, &result, &e) : err;
    bool ok = err == CS_OK && cs_count(result) == 1;
    cs_query_release(query);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return ok;
}

static void evaluate(void *self)
{
    size_t me = (size_t)(uintptr_t)self;
    atomic_fetch_add(&waiting, 1U);
    while (atomic_load(&waiting) < THREADS) {
    }
    for (size_t i = 0; i < 3; i++) {
        if (!is_ok((me + i) % 2 != 0)) {
            atomic_fetch_add(&wrong, 1U);
        }
    }
}

static bool round_of_threads(void)
{
    cs_thread threads[THREADS] = {0};
    cs_errors errors;
    cs_error e;
    cs_errors_init(&errors);
    cs_policy_source text = {.file = CS_LIT("a.rego"), .text = cs_slice_of(module), .rego_version = 1};
    if (cs_policy_compile(&text, 1, NULL, &policy, &errors) != CS_OK) {
        return false;
    }
    atomic_store(&waiting, 0U);
    for (size_t i = 0; i < THREADS; i++) {
        if (cs_thread_start(&threads[i], "evaluation", evaluate, (void *)(uintptr_t)i, &e) != CS_OK) {
            return false;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        cs_thread_join(&threads[i]);
    }
    cs_policy_release(policy);
    cs_errors_destroy(&errors);
    return true;
}

int main(void)
{
    cs_arena arena;
    cs_error e;
    cs_arena_init(&arena, 0);
    if (cs_json_read(&arena, cs_slice_of(words), NULL, &input, NULL, &e) != CS_OK) {
        return 2;
    }
    for (int i = 0; i < POLICIES; i++) {
        if (!round_of_threads()) {
            return 2;
        }
    }
    cs_arena_destroy(&arena);
    printf("%u wrong answers\n", atomic_load(&wrong));
    return atomic_load(&wrong) != 0;
}
