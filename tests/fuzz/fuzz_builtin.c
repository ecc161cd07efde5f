/* Built-in functions on arbitrary operands: "name(term, term)" as a Rego call of constants. Every call ends with a
 * value, nothing, or an error with a text; the same call twice ends the same way; the result can be printed, hashed and
 * compared. */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/json.h"
#include "countersign/rego.h"
#include "rego/builtin/builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARGS_MAX 8U

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* What waits for the network is not for this place. */
static bool is_local(const cs_builtin *b)
{
    cs_slice name = cs_slice_of(b->name);
    return b->run && !cs_slice_eq(name, CS_LIT("http.send")) && !cs_slice_eq(name, CS_LIT("net.lookup_ip_addr"));
}

static cs_err call_once(const cs_builtin *b, cs_arena *arena, const cs_value *args, uint32_t n, cs_value *out)
{
    cs_host_fixed fixed = {.now_ns = INT64_C(1700000000000000000), .seed = 7};
    cs_host host;
    cs_host_init_fixed(&host, &fixed);
    cs_builtin_state state;
    cs_builtin_state_init(&state, arena, &host);
    cs_error e = {0};
    cs_call call = {
        .arena = arena, .args = args, .n = n, .builtin = b, .state = &state, .file = CS_LIT("f"), .row = 1, .e = &e};
    *out = cs_undefined();
    cs_err err = cs_builtin_call(&call, out);
    must(err == CS_OK || e.text[0] != '\0');
    cs_builtin_state_destroy(&state);
    return err;
}

static void check(const cs_builtin *b, const cs_value *args, uint32_t n)
{
    cs_arena one, two;
    cs_arena_init(&one, (size_t)1 << 28);
    cs_arena_init(&two, (size_t)1 << 28);
    cs_value first, second;
    cs_err a = call_once(b, &one, args, n, &first);
    cs_err c = call_once(b, &two, args, n, &second);
    must(a == c || a == CS_ERR_MEMORY || c == CS_ERR_MEMORY);
    if (a == CS_OK && !cs_is_undefined(first) && !(b->flags & CS_BUILTIN_NONDETERMINISTIC)) {
        cs_buf text;
        cs_buf_init(&text);
        cs_value_print(&text, first);
        cs_buf_clear(&text);
        cs_json_write(&text, first, 0);
        must(cs_equal(first, second) && cs_hash(first) == cs_hash(second));
        cs_buf_destroy(&text);
    }
    cs_arena_destroy(&one);
    cs_arena_destroy(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_slice text = {(const char *)data, size};
    size_t open = 0;
    while (open < size && data[open] != '(') {
        open++;
    }
    const cs_builtin *b = cs_builtin_find(cs_slice_make(text.p, open));
    if (!b || !is_local(b) || size > 1U << 14 || data[size - 1] != ')') {
        return 0;
    }
    cs_arena arena;
    cs_errors errors;
    cs_arena_init(&arena, (size_t)1 << 26);
    cs_errors_init(&errors);
    cs_buf list;
    cs_buf_init(&list);
    cs_buf_byte(&list, '[');
    cs_buf_slice(&list, cs_slice_make(text.p + open + 1, size - open - 2));
    cs_buf_byte(&list, ']');
    cs_value args;
    if (cs_rego_parse_value(&arena, cs_buf_view(&list), &args, &errors) == CS_OK && cs_is(args, CS_ARRAY) &&
        args.n == cs_builtin_arity(b) && args.n <= ARGS_MAX) {
        cs_value operands[ARGS_MAX + 2] = {0};
        memcpy(operands, args.u.items, args.n * sizeof *operands);
        check(b, operands, args.n);
    }
    cs_buf_destroy(&list);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return 0;
}
