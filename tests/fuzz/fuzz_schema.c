/* JSON Schema: a schema and a document with a line "---" between. As texts and as values, which must end the same way.
 */
#include "calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1U << 14) {
        return 0;
    }
    cs_slice rest = {(const char *)data, size};
    cs_slice schema = fuzz_cut(&rest);
    cs_arena arena;
    cs_arena_init(&arena, (size_t)1 << 28);
    cs_value texts[] = {cs_string(rest), cs_string(schema)};
    cs_value values[] = {fuzz_value(&arena, rest), fuzz_value(&arena, schema)};
    const cs_builtin *match = cs_builtin_find(CS_LIT("json.match_schema"));
    fuzz_call_name("json.verify_schema", &texts[1], 1);
    fuzz_call_name("json.verify_schema", &values[1], 1);
    cs_value a, b;
    cs_err one = fuzz_call_once(match, &arena, texts, 2, &a);
    cs_err two = fuzz_call_once(match, &arena, values, 2, &b);
    if (cs_is(values[0], CS_OBJECT) && cs_is(values[1], CS_OBJECT) && one == CS_OK && two == CS_OK) {
        must(cs_is(a, CS_ARRAY) && cs_is(b, CS_ARRAY) && cs_equal(a.u.items[0], b.u.items[0]));
    }
    cs_arena_destroy(&arena);
    return 0;
}
