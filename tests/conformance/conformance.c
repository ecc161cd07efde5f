/* Runs cases of a file that cases.py wrote, in this process, through the engine's own door.
 *
 *   conformance FILE FROM STEP     runs lines FROM, FROM+STEP, FROM+2*STEP … (from 0)
 *
 * Prints one line a case as soon as it is decided: `index TAB ok` or `index TAB fail TAB why`. Whoever started it sees
 * from the missing line which case ended the process. */
#include "countersign/base/file.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/json.h"
#include "countersign/net.h"
#include "countersign/rego.h"
#include "countersign/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CASE_NS_MAX INT64_C(20000000000)
#define CASE_SECONDS_MAX 60U

typedef struct outcome {
    bool error;
    cs_value answers; /* array of [bindings, values], if not an error */
    cs_error e;       /* if an error */
} outcome;

/* The system's, with the network, for the cases that look addresses up or sleep. */
static cs_host host;

static cs_value field(cs_value c, const char *name)
{
    const cs_value *v = cs_object_get_text(c, name);
    return v == NULL || cs_is(*v, CS_NULL) ? cs_undefined() : *v;
}

static cs_slice text_field(cs_value c, const char *name)
{
    cs_value v = field(c, name);
    return cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

/* The value as JSON has it: sets are arrays in Rego's order, keys are strings. */
static cs_value as_json(cs_arena *a, cs_value v)
{
    if (cs_is(v, CS_ARRAY) || cs_is(v, CS_SET)) {
        uint32_t n = cs_count(v);
        cs_value *items = cs_arena_array(a, cs_value, n + 1U);
        for (uint32_t i = 0; i < n; i++) {
            items[i] = as_json(a, cs_is(v, CS_SET) ? cs_entry(v, i, NULL) : v.u.items[i]);
        }
        return cs_array(items, n);
    }
    if (!cs_is(v, CS_OBJECT)) {
        return v;
    }
    cs_value object = cs_object_new(a, cs_count(v));
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value value;
        cs_value key = cs_entry(v, i, &value);
        if (!cs_is(key, CS_STRING)) {
            cs_buf text;
            cs_buf_init(&text);
            cs_json_write(&text, key, 0);
            key = cs_string_copy(a, cs_buf_view(&text));
            cs_buf_destroy(&text);
        }
        cs_object_put(a, object, key, as_json(a, value));
    }
    return object;
}

static int by_value(const void *x, const void *y)
{
    return cs_compare(*(const cs_value *)x, *(const cs_value *)y);
}

/* One answer with every array that is bound sorted. */
static cs_value sorted_bindings(cs_arena *a, cs_value answer)
{
    cs_value object = cs_object_new(a, cs_count(answer));
    for (uint32_t i = 0; i < cs_count(answer); i++) {
        cs_value value;
        cs_value key = cs_entry(answer, i, &value);
        if (cs_is(value, CS_ARRAY) && value.n > 0) {
            cs_value *items = cs_arena_array(a, cs_value, value.n);
            memcpy(items, value.u.items, value.n * sizeof(cs_value));
            qsort(items, value.n, sizeof(cs_value), by_value);
            value = cs_array(items, value.n);
        }
        cs_object_put(a, object, key, value);
    }
    return object;
}

/* The answers as a set of objects: neither order nor repetition counts. `pairs` tells [bindings, values] from bare
 * bindings. */
static cs_value answer_set(cs_arena *a, cs_value answers, bool pairs, bool sort)
{
    cs_value set = cs_set_new(a, cs_count(answers));
    for (uint32_t i = 0; i < cs_count(answers); i++) {
        cs_value answer = as_json(a, pairs ? answers.u.items[i].u.items[0] : answers.u.items[i]);
        (void)cs_set_add(a, set, sort ? sorted_bindings(a, answer) : answer);
    }
    return set;
}

static char *printed(cs_arena *a, const char *before, cs_value want, cs_value got)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_text(&b, before);
    cs_value_print(&b, want);
    cs_buf_text(&b, ", got ");
    cs_value_print(&b, got);
    char *text = cs_arena_dup(a, b.p, b.n);
    cs_buf_destroy(&b);
    return text;
}

static char *first_error(cs_arena *a, const char *stage, const cs_errors *errors)
{
    if (errors->n == 0) {
        return cs_arena_printf(a, NULL, "%s failed without a word", stage);
    }
    const cs_errors_item *e = &errors->v[0];
    return cs_arena_printf(a, NULL, "%s: %s: %.*s [%.*s:%u]", stage, cs_err_name(e->code), CS_FMT(e->text),
                           CS_FMT(e->file), e->row);
}

/* Why the error is not the expected one; NULL if it is. */
static char *compare_error(cs_arena *a, cs_value c, const outcome *got)
{
    cs_slice code = text_field(c, "want_error_code");
    cs_slice want = text_field(c, "want_error");
    if (!got->error) {
        return printed(a, "no error, wanted ", field(c, "want_error"), got->answers);
    }
    if (code.n > 0 && !cs_slice_is(code, cs_err_name(got->e.code))) {
        return cs_arena_printf(a, NULL, "wanted %.*s, got %s: %s", CS_FMT(code), cs_err_name(got->e.code), got->e.text);
    }
    /* An error of the query itself, which has no file, shows the query's text as its place. */
    cs_slice place = got->e.file[0] != '\0' ? cs_slice_of(got->e.file) : text_field(c, "query");
    size_t n;
    char *whole =
        cs_arena_printf(a, &n, "%.*s:%u: %s: %s", CS_FMT(place), got->e.row, cs_err_name(got->e.code), got->e.text);
    if (cs_slice_find(cs_slice_make(whole, n), want, 0) == SIZE_MAX) {
        return cs_arena_printf(a, NULL, "wanted error \"%.*s\", got: %s", CS_FMT(want), whole);
    }
    return NULL;
}

static char *compare(cs_arena *a, cs_value c, const outcome *got)
{
    cs_value want = field(c, "want_result");
    if (!cs_is_undefined(field(c, "want_error")) || !cs_is_undefined(field(c, "want_error_code"))) {
        return compare_error(a, c, got);
    }
    if (got->error) {
        return cs_arena_printf(a, NULL, "%s: %s [%s:%u]", cs_err_name(got->e.code), got->e.text, got->e.file,
                               got->e.row);
    }
    if (cs_is_undefined(want)) {
        return cs_arena_printf(a, NULL, "the case expects nothing");
    }
    bool sort = cs_truthy(field(c, "sort_bindings"));
    cs_value x = answer_set(a, want, false, sort);
    cs_value y = answer_set(a, got->answers, true, sort);
    return cs_equal(x, y) ? NULL : printed(a, "wrong answer: wanted ", x, y);
}

static cs_policy *compile(cs_arena *a, cs_value c, int version, cs_errors *errors)
{
    cs_value modules = field(c, "modules");
    uint32_t n = cs_count(modules);
    cs_policy_source *sources = cs_arena_array(a, cs_policy_source, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        sources[i].file = cs_slice_of(cs_arena_printf(a, NULL, "test-%u.rego", i));
        sources[i].text = cs_text(modules.u.items[i]);
        sources[i].rego_version = version;
    }
    cs_policy *policy = NULL;
    return cs_policy_compile(sources, n, NULL, &policy, errors) == CS_OK ? policy : NULL;
}

static char *input_of(cs_arena *a, cs_value c, cs_value *input, cs_errors *errors)
{
    cs_value term = field(c, "input_term");
    *input = field(c, "input");
    if (!cs_is_undefined(term) && cs_rego_parse_value(a, cs_text(term), input, errors) != CS_OK) {
        return first_error(a, "input_term", errors);
    }
    return NULL;
}

/* NULL if the case passes, else why not (in the arena). */
static char *run_case(cs_arena *a, cs_value c, int version, cs_errors *errors)
{
    cs_value data = field(c, "data");
    cs_eval eval = {.arena = a, .strict = cs_truthy(field(c, "strict_error"))};
    eval.data = cs_is(data, CS_OBJECT) ? data : cs_object_new(a, 0);
    char *why = input_of(a, c, &eval.input, errors);
    if (why != NULL) {
        return why;
    }
    cs_policy *policy = compile(a, c, version, errors);
    if (policy == NULL) {
        return first_error(a, "compile", errors);
    }
    cs_query *query = NULL;
    outcome got = {.error = false};
    if (cs_query_prepare(policy, text_field(c, "query"), NULL, &query, errors) != CS_OK) {
        why = first_error(a, "query", errors);
    } else {
        eval.host = &host;
        /* The tree walker instead of the machine: a tracer that nobody listens to. */
        eval.tracer = getenv("CONFORMANCE_WALKER") != NULL ? cs_tracer_without(a, NULL, false, false) : NULL;
        eval.deadline_mono_ns = host.mono_ns(host.self) + CASE_NS_MAX;
        got.error = cs_query_run(query, &eval, &got.answers, &got.e) != CS_OK;
        why = compare(a, c, &got);
    }
    cs_query_release(query);
    cs_policy_release(policy);
    return why;
}

static void decide(uint64_t index, cs_slice line)
{
    cs_arena arena;
    cs_errors errors;
    cs_error e;
    cs_value row;
    cs_arena_init(&arena, 0);
    cs_errors_init(&errors);
    char *why;
    if (cs_json_read(&arena, line, NULL, &row, NULL, &e) != CS_OK) {
        why = cs_arena_printf(&arena, NULL, "the case cannot be read: %s", e.text);
    } else {
        int version = cs_slice_starts(text_field(row, "id"), CS_LIT("v0/")) ? 0 : 1;
        why = run_case(&arena, field(row, "case"), version, &errors);
    }
    for (char *p = why; p != NULL && *p != '\0'; p++) {
        *p = *p == '\n' || *p == '\t' ? ' ' : *p;
    }
    (void)printf(why == NULL ? "%llu\tok\n" : "%llu\tfail\t%.900s\n", (unsigned long long)index,
                 why == NULL ? "" : why);
    (void)fflush(stdout);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
}

int main(int argc, char **argv)
{
    uint64_t from = 0;
    uint64_t step = 1;
    cs_buf text;
    cs_error e;
    cs_buf_init(&text);
    if (argc != 4 || !cs_slice_u64(cs_slice_of(argv[2]), &from) || !cs_slice_u64(cs_slice_of(argv[3]), &step) ||
        step == 0) {
        (void)fprintf(stderr, "usage: conformance FILE FROM STEP\n");
        return 2;
    }
    host = *cs_host_system();
    host.network = cs_network_new(&(cs_network_options){.read_env = cs_config_env});
    cs_rego_enable_test_builtins();
    if (cs_file_read(argv[1], SIZE_MAX, &text, &e) != CS_OK) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    cs_slice rest = cs_buf_view(&text);
    cs_slice line;
    for (uint64_t i = 0; cs_slice_next(&rest, '\n', &line); i++) {
        if (i >= from && (i - from) % step == 0 && line.n > 0) {
            (void)alarm(CASE_SECONDS_MAX);
            decide(i, line);
        }
    }
    cs_buf_destroy(&text);
    cs_network_free(host.network);
    return 0;
}
