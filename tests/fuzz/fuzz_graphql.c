/* GraphQL: a query and a schema with a line "---" between. Both as texts, and then as the trees that were read, which
 * must end the same way. */
#include "calls.h"

/* What a reader makes of a text; undefined if it refuses it. */
static cs_value tree(cs_arena *a, const char *reader, cs_value text)
{
    cs_value v;
    const cs_builtin *b = cs_builtin_find(cs_slice_of(reader));
    return fuzz_call_once(b, a, &text, 1, &v) == CS_OK ? v : cs_undefined();
}

static cs_value is_valid(cs_arena *a, cs_value query, cs_value schema)
{
    cs_value args[] = {query, schema}, v;
    const cs_builtin *b = cs_builtin_find(CS_LIT("graphql.is_valid"));
    return fuzz_call_once(b, a, args, 2, &v) == CS_OK ? v : cs_undefined();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1U << 14) {
        return 0;
    }
    cs_slice rest = {(const char *)data, size};
    cs_slice first = fuzz_cut(&rest);
    cs_value args[] = {cs_string(first), cs_string(rest)};
    fuzz_call_name("graphql.parse", args, 2);
    fuzz_call_name("graphql.parse_and_verify", args, 2);
    fuzz_call_name("graphql.schema_is_valid", &args[1], 1);
    cs_arena arena;
    cs_arena_init(&arena, (size_t)1 << 28);
    cs_value query = tree(&arena, "graphql.parse_query", args[0]);
    cs_value schema = tree(&arena, "graphql.parse_schema", args[1]);
    if (!cs_is_undefined(query) && !cs_is_undefined(schema)) {
        cs_value trees[] = {query, schema};
        fuzz_call_name("graphql.parse_and_verify", trees, 2);
        fuzz_call_name("graphql.schema_is_valid", &trees[1], 1);
        (void)is_valid(&arena, query, args[1]);
        (void)is_valid(&arena, args[0], schema);
    }
    /* Trees that no reader made. */
    cs_value made[] = {fuzz_value(&arena, first), fuzz_value(&arena, rest)};
    if (cs_is(made[0], CS_OBJECT) || cs_is(made[1], CS_OBJECT)) {
        fuzz_call_name("graphql.parse_and_verify", made, 2);
    }
    cs_arena_destroy(&arena);
    return 0;
}
