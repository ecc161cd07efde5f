/* The table of built-in functions: lookup, types, capabilities. */
#include "rego/builtin/builtin.h"

#include <stdatomic.h>

#include "countersign/base/mem.h"
#include "countersign/rego.h"
#include "rego/builtin/internal.h"

enum {
#define CS_BUILTIN(name, infix, category, function, flags, signature) ROW_##function,
#define ROW_PLAIN_(line) ROW_NONE_##line,
#define ROW_PLAIN(line) ROW_PLAIN_(line)
#define CS_BUILTIN_NONE(name, infix, category, flags, signature) ROW_PLAIN(__LINE__)
#include "rego/builtin/builtins.def"
#undef CS_BUILTIN
#undef CS_BUILTIN_NONE
    ROWS
};

static const cs_builtin rows[ROWS] = {
#define CS_BUILTIN(name, infix, category, function, flags, signature)                                                  \
    {name, infix, signature, category, function, flags, ROW_##function, NULL},
#define INDEX_PLAIN_(line) ROW_NONE_##line
#define INDEX_PLAIN(line) INDEX_PLAIN_(line)
#define CS_BUILTIN_NONE(name, infix, category, flags, signature)                                                       \
    {name, infix, signature, category, NULL, flags, INDEX_PLAIN(__LINE__), NULL},
#include "rego/builtin/builtins.def"
#undef CS_BUILTIN
#undef CS_BUILTIN_NONE
};

const cs_builtin *cs_builtin_rows(size_t *count)
{
    *count = ROWS;
    return rows;
}

/* Written once, at the start of a program that wants them. */
static bool test_builtins;

void cs_rego_enable_test_builtins(void)
{
    test_builtins = true;
}

const cs_builtin *cs_builtin_find(cs_slice name)
{
    size_t from = 0, to = ROWS;
    while (from < to) {
        size_t at = from + (to - from) / 2;
        int c = cs_slice_compare(name, cs_slice_of(rows[at].name));
        if (c == 0) {
            return (rows[at].flags & CS_BUILTIN_TEST) && !test_builtins ? NULL : &rows[at];
        }
        if (c < 0) {
            to = at;
        } else {
            from = at + 1;
        }
    }
    return NULL;
}

/* All types at once, made by whoever needs one first. Two threads may both make them; one table wins, the other is
 * freed. */
typedef struct type_table {
    cs_arena arena;
    const cs_type *types[ROWS];
} type_table;

static _Atomic(type_table *) all_types;

/* Puts the texts of descriptions.def into the named arguments and the result. */
static void describe(cs_type *function, const char *texts)
{
    cs_slice rest = cs_slice_of(texts), text;
    for (uint32_t i = 0; cs_slice_next(&rest, '\n', &text); i++) {
        const cs_type *part = i < function->n ? function->of[i] : function->dynamic;
        if (part && part->kind == CS_TYPE_NAMED) {
            ((cs_type *)(uintptr_t)part)->description = text; /* made a moment ago, and nobody else's yet */
        }
    }
}

static void describe_all(type_table *table)
{
    static const struct {
        const char *name;
        const char *texts;
    } described[] = {
#define CS_DESCRIBE(name, texts) {name, texts},
#include "rego/builtin/descriptions.def"
#undef CS_DESCRIBE
    };
    for (size_t i = 0; i < sizeof described / sizeof *described; i++) {
        const cs_builtin *b = cs_builtin_find(cs_slice_of(described[i].name));
        cs_assert(b);
        describe((cs_type *)(uintptr_t)table->types[b->index], described[i].texts);
    }
}

const cs_type *cs_builtin_type(const cs_builtin *b)
{
    if (b->type) {
        return b->type;
    }
    type_table *table = atomic_load_explicit(&all_types, memory_order_acquire);
    if (!table) {
        type_table *made = cs_alloc(sizeof *made);
        cs_arena_init(&made->arena, 0);
        for (size_t i = 0; i < ROWS; i++) {
            made->types[i] = cs_type_parse(&made->arena, rows[i].signature);
        }
        describe_all(made);
        if (atomic_compare_exchange_strong(&all_types, &table, made)) {
            table = made;
        } else {
            cs_arena_destroy(&made->arena);
            cs_free(made);
        }
    }
    return table->types[b->index];
}

uint32_t cs_builtin_arity(const cs_builtin *b)
{
    return cs_builtin_type(b)->n;
}

/* ------------------------------------------------------------------------------------------------ capabilities */

static cs_value categories(cs_arena *a, const char *text)
{
    cs_list list = {0};
    cs_call call = {.arena = a};
    cs_slice rest = cs_slice_of(text), piece;
    while (cs_slice_next(&rest, ',', &piece)) {
        cs_list__add(&call, &list, cs_string(piece));
    }
    return cs_list__array(&list);
}

void cs_builtin_put_marks(cs_arena *a, cs_value row, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *key;
    } marks[] = {{CS_BUILTIN_RELATION, "relation"},
                 {CS_BUILTIN_DEPRECATED, "deprecated"},
                 {CS_BUILTIN_NONDETERMINISTIC, "nondeterministic"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (flags & marks[i].flag) {
            cs_object_put_text(a, row, marks[i].key, cs_bool(true));
        }
    }
}

static cs_value row_json(cs_arena *a, const cs_builtin *b)
{
    cs_value row = cs_object_new(a, 6);
    cs_object_put_text(a, row, "name", cs_string(cs_slice_of(b->name)));
    if (*b->category) {
        cs_object_put_text(a, row, "categories", categories(a, b->category));
    }
    cs_object_put_text(a, row, "decl", cs_type_to_json(a, cs_builtin_type(b)));
    if (*b->infix) {
        cs_object_put_text(a, row, "infix", cs_string(cs_slice_of(b->infix)));
    }
    cs_builtin_put_marks(a, row, b->flags);
    return row;
}

static cs_value texts(cs_arena *a, const char *const *list, uint32_t n)
{
    cs_value *items = cs_arena_alloc(a, n * sizeof *items);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = cs_string(cs_slice_of(list[i]));
    }
    return cs_array(items, n);
}

#define TEXTS(a, list) texts((a), (list), sizeof(list) / sizeof *(list))

cs_value cs_rego_capabilities(cs_arena *a, bool v0)
{
    static const char *const keywords[] = {"and", "not", "or"};
    static const char *const features[] = {"keywords_in_refs", "rego_v1", "rego_v2", "rego_v2_import",
                                           "template_strings"};
    static const char *const v0_keywords[] = {"and", "contains", "every", "if", "in", "not", "or"};
    static const char *const v0_features[] = {"keywords_in_refs", "rego_v1",        "rego_v1_import",
                                              "rego_v2",          "rego_v2_import", "rule_head_ref_string_prefixes",
                                              "rule_head_refs"};
    cs_value *items = cs_arena_alloc(a, ROWS * sizeof *items);
    uint32_t n = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        if (!(rows[i].flags & CS_BUILTIN_TEST) && (rows[i].run || (rows[i].flags & CS_BUILTIN_REWRITTEN))) {
            items[n++] = row_json(a, &rows[i]);
        }
    }
    cs_value out = cs_object_new(a, 3);
    cs_object_put_text(a, out, "builtins", cs_array(items, n));
    cs_object_put_text(a, out, "future_keywords", v0 ? TEXTS(a, v0_keywords) : TEXTS(a, keywords));
    cs_object_put_text(a, out, "features", v0 ? TEXTS(a, v0_features) : TEXTS(a, features));
    return out;
}
