/* Built-in functions on arbitrary operands, in one of two forms:
 *   name(term, term)       a Rego call of constants;
 *   name, a line feed, operands with lines "---" between: texts as they stand, or a Rego term behind '='.
 * What answers of the network do is the matter of fuzz_send; here there is none. */
#include "calls.h"

#define ARGS_MAX 8U

/* Operands that are a list of Rego terms. */
static bool read_terms(cs_arena *a, cs_slice text, cs_value *args, uint32_t *n)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_buf list;
    cs_buf_init(&list);
    cs_buf_byte(&list, '[');
    cs_buf_slice(&list, text);
    cs_buf_byte(&list, ']');
    cs_value v;
    bool ok = cs_rego_parse_value(a, cs_buf_view(&list), &v, &errors) == CS_OK && cs_is(v, CS_ARRAY) && v.n <= ARGS_MAX;
    if (ok) {
        *n = v.n;
        for (uint32_t i = 0; i < v.n; i++) {
            args[i] = v.u.items[i];
        }
    }
    cs_buf_destroy(&list);
    cs_errors_destroy(&errors);
    return ok;
}

static bool read_texts(cs_arena *a, cs_slice text, uint32_t arity, cs_value *args, uint32_t *n)
{
    for (*n = 0; *n < arity; ++*n) {
        cs_slice part = fuzz_cut(&text);
        args[*n] = cs_string(part);
        if (part.n > 0 && part.p[0] == '=') {
            uint32_t one;
            if (!read_terms(a, cs_slice_sub(part, 1, part.n), &args[*n], &one) || one != 1) {
                return false;
            }
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_slice text = {(const char *)data, size};
    size_t open = 0;
    while (open < size && data[open] != '(' && data[open] != '\n') {
        open++;
    }
    const cs_builtin *b = cs_builtin_find(cs_slice_make(text.p, open));
    if (!b || !b->run || open == size || size > 1U << 14 || cs_builtin_arity(b) > ARGS_MAX) {
        return 0;
    }
    cs_arena arena;
    cs_arena_init(&arena, (size_t)1 << 26);
    cs_value args[ARGS_MAX + 2] = {0};
    uint32_t n = 0;
    bool ok =
        data[open] == '\n'
            ? read_texts(&arena, cs_slice_make(text.p + open + 1, size - open - 1), cs_builtin_arity(b), args, &n)
            : data[size - 1] == ')' && read_terms(&arena, cs_slice_make(text.p + open + 1, size - open - 2), args, &n);
    if (ok && n == cs_builtin_arity(b)) {
        fuzz_call(b, args, n);
    }
    cs_arena_destroy(&arena);
    return 0;
}
