/* Calls of built-in functions, for the targets that try them. Every call ends with a value, nothing, or an error with a
 * text; the same call twice ends the same way; the result can be printed, hashed and compared. */
#ifndef CS_FUZZ_CALLS_H
#define CS_FUZZ_CALLS_H

#include <stdint.h>
#include <stdlib.h>

#include "countersign/json.h"
#include "countersign/rego.h"
#include "rego/builtin/builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NOW_NS INT64_C(1700000000000000000)

static inline void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* A call of a host with that network and that cache of http.send, or without (NULL). *out lives in the arena. A network
 * whose exchange is not over when it is waited for ends the call. */
static inline cs_err fuzz_call_with(const cs_builtin *b, cs_arena *arena, const cs_value *args, uint32_t n,
                                    cs_network *network, cs_http_cache *cache, cs_value *out)
{
    static const int cancel = 1;
    cs_host_fixed fixed = {.now_ns = FUZZ_NOW_NS, .seed = 7};
    cs_host host;
    cs_host_init_fixed(&host, &fixed);
    host.network = network;
    host.http_cache = cache;
    cs_builtin_state state;
    cs_builtin_state_init(&state, arena, &host);
    cs_error e = {0};
    cs_call call = {
        .arena = arena, .args = args, .n = n, .builtin = b, .state = &state, .file = CS_LIT("f"), .row = 1, .e = &e};
    *out = cs_undefined();
    cs_err err = cs_builtin_call_blocking(&call, &cancel, out);
    must(err == CS_OK || e.text[0] != '\0');
    cs_builtin_state_destroy(&state);
    return err;
}

static inline cs_err fuzz_call_once(const cs_builtin *b, cs_arena *arena, const cs_value *args, uint32_t n,
                                    cs_value *out)
{
    return fuzz_call_with(b, arena, args, n, NULL, NULL, out);
}

/* Calls twice and compares. */
static inline void fuzz_call(const cs_builtin *b, const cs_value *args, uint32_t n)
{
    cs_arena one, two;
    cs_arena_init(&one, (size_t)1 << 28);
    cs_arena_init(&two, (size_t)1 << 28);
    cs_value first, second;
    cs_err a = fuzz_call_once(b, &one, args, n, &first);
    cs_err c = fuzz_call_once(b, &two, args, n, &second);
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

/* The same by name. */
static inline void fuzz_call_name(const char *name, const cs_value *args, uint32_t n)
{
    const cs_builtin *b = cs_builtin_find(cs_slice_of(name));
    must(b != NULL && b->run != NULL && n == cs_builtin_arity(b));
    fuzz_call(b, args, n);
}

/* Takes the text up to the next line "---" off the front of *rest. */
static inline cs_slice fuzz_cut(cs_slice *rest)
{
    cs_slice text = *rest;
    for (size_t i = 0; i + 5 <= text.n; i++) {
        if (memcmp(text.p + i, "\n---\n", 5) == 0) {
            *rest = cs_slice_make(text.p + i + 5, text.n - i - 5);
            return cs_slice_make(text.p, i);
        }
    }
    *rest = CS_LIT("");
    return text;
}

/* The value of a JSON text; the text itself as a string if it is none. */
static inline cs_value fuzz_value(cs_arena *a, cs_slice text)
{
    cs_value v;
    return cs_json_read(a, text, NULL, &v, NULL, NULL) == CS_OK ? v : cs_string(text);
}

#endif
