/* Constructors that copy, and what Rego's v[key] is. */
#include "countersign/value.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/number.h"
#include "internal.h"

cs_value cs_string_copy(cs_arena *a, cs_slice s)
{
    return cs_string((cs_slice){s.n == 0 ? "" : cs_arena_dup(a, s.p, s.n), s.n});
}

cs_value cs_string_printf(cs_arena *a, const char *format, ...)
{
    char room[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    cs_assert(n >= 0);
    size_t length = (size_t)n;
    if (length < sizeof room) {
        return cs_string_copy(a, (cs_slice){room, length});
    }
    char *text = cs_arena_alloc(a, length + 1);
    va_start(args, format);
    (void)vsnprintf(text, length + 1, format, args);
    va_end(args);
    return cs_string((cs_slice){text, length});
}

cs_value cs_array_copy(cs_arena *a, const cs_value *items, size_t n)
{
    if (n == 0) {
        return cs_array(NULL, 0);
    }
    cs_value *copy = cs_arena_alloc(a, sizeof *copy * n);
    memcpy(copy, items, sizeof *copy * n);
    return cs_array(copy, n);
}

cs_value cs_index(cs_value v, cs_value key)
{
    if (v.kind == CS_OBJECT) {
        const cs_value *found = cs_object_get(v, key);
        return found != NULL ? *found : cs_undefined();
    }
    if (v.kind == CS_ARRAY) {
        uint64_t i = 0;
        if (key.kind == CS_NUMBER && cs_number_index(key, &i) && i < v.n) {
            return v.u.items[i];
        }
        return cs_undefined();
    }
    if (v.kind == CS_SET) {
        const cs_table *t = v.u.table;
        uint32_t i = cs_value__find(t, key, cs_hash(key));
        return i != CS_TABLE_NONE ? t->keys[i] : cs_undefined();
    }
    return cs_undefined();
}

const char *cs_kind_name(cs_value v)
{
    static const char *const NAMES[] = {
        [CS_UNDEFINED] = "undefined", [CS_NULL] = "null",     [CS_BOOL] = "boolean",
        [CS_NUMBER] = "number",       [CS_STRING] = "string", [CS_ARRAY] = "array",
        [CS_OBJECT] = "object",       [CS_SET] = "set",       [CS_PRIVATE] = "private",
    };
    return v.kind <= CS_PRIVATE ? NAMES[v.kind] : "invalid";
}
