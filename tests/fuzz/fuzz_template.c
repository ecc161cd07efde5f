/* Templates of strings.render_template: a template and its data as JSON with a line "---" between. */
#include "calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1U << 14) {
        return 0;
    }
    cs_slice rest = {(const char *)data, size};
    cs_slice template = fuzz_cut(&rest);
    cs_arena arena;
    cs_arena_init(&arena, (size_t)1 << 26);
    cs_value vars = fuzz_value(&arena, rest);
    if (!cs_is(vars, CS_OBJECT)) {
        vars = cs_object_new(&arena, 0);
    }
    fuzz_call_name("strings.render_template", (cs_value[]){cs_string(template), vars}, 2);
    cs_arena_destroy(&arena);
    return 0;
}
