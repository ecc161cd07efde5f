/* Whole policies out of arbitrary bytes: compiled, run by the machine and by the tree walker, within small limits. What
 * the two answer is the same, unless one of them ran into a limit or a conflict.
 *
 * The first byte is the version of Rego; the text up to a line "---" is the module, the rest, if it is JSON, the input.
 */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/json.h"
#include "countersign/rego.h"
#include "countersign/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static cs_err run(const cs_query *query, cs_arena *arena, cs_value input, const cs_tracer *tracer, cs_value *result)
{
    cs_host_fixed state = {.now_ns = INT64_C(1700000000000000000), .seed = 7};
    cs_host host;
    cs_host_init_fixed(&host, &state);
    cs_error e = {0};
    cs_eval eval = {.arena = arena,
                    .data = cs_undefined(),
                    .input = input,
                    .host = &host,
                    .tracer = tracer,
                    .max_instructions = 200000};
    cs_err err = cs_query_run(query, &eval, result, &e);
    must(err == CS_OK || e.text[0] != '\0');
    return err;
}

static void evaluate(cs_policy *policy, cs_value input)
{
    cs_errors errors;
    cs_query *query;
    cs_arena machine, walker;
    cs_errors_init(&errors);
    cs_arena_init(&machine, (size_t)1 << 28);
    cs_arena_init(&walker, (size_t)1 << 28);
    must(cs_query_prepare_path(policy, NULL, 0, &query, &errors) == CS_OK);
    const cs_tracer *tracer = cs_tracer_without(&walker, NULL, true, true);
    cs_value a = cs_undefined();
    cs_value b = cs_undefined();
    cs_err one = run(query, &machine, input, NULL, &a);
    cs_err two = run(query, &walker, input, tracer, &b);
    if (one == CS_OK && two == CS_OK) {
        must(a.kind == b.kind && (cs_is_undefined(a) || cs_equal(a, b)));
    }
    cs_query_release(query);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&machine);
    cs_arena_destroy(&walker);
}

/* Splits at the line "---". */
static cs_slice cut(cs_slice text, cs_slice *rest)
{
    for (size_t i = 0; i + 5 <= text.n; i++) {
        if (memcmp(text.p + i, "\n---\n", 5) == 0) {
            *rest = cs_slice_make(text.p + i + 5, text.n - i - 5);
            return cs_slice_make(text.p, i + 1);
        }
    }
    *rest = CS_LIT("");
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1U << 14) {
        return 0;
    }
    cs_arena arena;
    cs_errors errors;
    cs_arena_init(&arena, (size_t)1 << 26);
    cs_errors_init(&errors);
    cs_slice rest;
    cs_slice module = cut(cs_slice_make((const char *)data + 1, size - 1), &rest);
    cs_value input = cs_undefined();
    if (cs_json_read(&arena, rest, NULL, &input, NULL, NULL) != CS_OK) {
        input = cs_undefined();
    }
    cs_policy_source source = {CS_LIT("f.rego"), module, data[0] % 3};
    cs_policy_options options = {.strict = (data[0] & 64) != 0,
                                 .print = (data[0] & 32) != 0 ? CS_PRINT_KEEP : CS_PRINT_ERASE};
    cs_policy *policy;
    if (cs_policy_compile(&source, 1, &options, &policy, &errors) == CS_OK) {
        evaluate(policy, input);
        cs_policy_release(policy);
    } else {
        must(errors.n > 0);
    }
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return 0;
}
