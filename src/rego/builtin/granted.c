/* Reading capabilities documents. */
#include "rego/builtin/granted.h"

#include <stdlib.h>

/* Copies of rows of builtins.def, with the types that the document gives; sorted by name. */
struct cs_builtin_grants {
    cs_builtin *rows;
    uint32_t n;
};

bool cs_builtin_is_language(const cs_builtin *b)
{
    return (b->flags & CS_BUILTIN_REWRITTEN) || strcmp(b->name, "eq") == 0;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const cs_builtin *)x)->name, ((const cs_builtin *)y)->name);
}

const cs_builtin *cs_granted_find(const cs_capabilities *c, cs_slice name)
{
    const cs_builtin *known = cs_builtin_find(name);
    if (!c || (known && (strcmp(known->name, "eq") == 0 || strcmp(known->name, "assign") == 0))) {
        return known;
    }
    uint32_t from = 0, to = c->grants->n;
    while (from < to) {
        uint32_t at = from + (to - from) / 2;
        int order = cs_slice_compare(name, cs_slice_of(c->grants->rows[at].name));
        if (order == 0) {
            return &c->grants->rows[at];
        }
        *(order < 0 ? &to : &from) = order < 0 ? at : at + 1;
    }
    return NULL;
}

const cs_builtin *cs_granted_row(const cs_capabilities *c, uint32_t index)
{
    size_t n;
    const cs_builtin *rows = cs_builtin_rows(&n);
    if (index < n) {
        return &rows[index];
    }
    index -= (uint32_t)n;
    return c && index < c->grants->n && c->grants->rows[index].index == n + index ? &c->grants->rows[index] : NULL;
}

static bool is_set(cs_value row, const char *key)
{
    const cs_value *v = cs_object_get_text(row, key);
    return v && cs_is(*v, CS_BOOL) && cs_truthy(*v);
}

static cs_err read_row(cs_arena *a, cs_value row, cs_builtin *out, cs_error *e)
{
    const cs_value *name = cs_is(row, CS_OBJECT) ? cs_object_get_text(row, "name") : NULL;
    const cs_value *decl = cs_is(row, CS_OBJECT) ? cs_object_get_text(row, "decl") : NULL;
    if (!name || !cs_is(*name, CS_STRING) || !decl) {
        return cs_fail(e, CS_ERR_INVALID, "a built-in of the capabilities has no name or no type");
    }
    const cs_type *type = NULL;
    CS_TRY(cs_type_from_json(a, *decl, &type, e));
    if (type->kind != CS_TYPE_FUNCTION) {
        return cs_fail(e, CS_ERR_INVALID, "the type of a built-in of the capabilities is no function");
    }
    const cs_builtin *known = cs_builtin_find(cs_text(*name));
    const char *text = cs_arena_dup(a, cs_text(*name).p, cs_text(*name).n);
    *out = known ? *known : (cs_builtin){.name = text, .infix = "", .signature = "", .category = ""};
    if (known && (cs_builtin_arity(known) != type->n || type->variadic)) {
        out->run = NULL;
    }
    out->type = type;
    out->flags &= ~(unsigned)CS_BUILTIN_DEPRECATED;
    out->flags |= is_set(row, "deprecated") ? (unsigned)CS_BUILTIN_DEPRECATED : 0U;
    return CS_OK;
}

static cs_err read_builtins(cs_arena *a, cs_value document, struct cs_builtin_grants *out, cs_error *e)
{
    const cs_value *list = cs_object_get_text(document, "builtins");
    uint32_t n = list && cs_is(*list, CS_ARRAY) ? cs_count(*list) : 0;
    out->rows = cs_arena_array(a, cs_builtin, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        CS_TRY(read_row(a, list->u.items[i], &out->rows[i], e));
    }
    qsort(out->rows, n, sizeof *out->rows, by_name);
    out->n = n;
    size_t n_known;
    (void)cs_builtin_rows(&n_known);
    for (uint32_t i = 0; i < n; i++) {
        if (!out->rows[i].run && !cs_builtin_is_language(&out->rows[i])) {
            out->rows[i].index = (uint32_t)n_known + i;
        }
    }
    return CS_OK;
}

/* An array of strings, or undefined if there is none. */
static cs_err read_words(cs_value document, const char *key, cs_value *out, cs_error *e)
{
    const cs_value *list = cs_object_get_text(document, key);
    *out = cs_undefined();
    if (!list || cs_is(*list, CS_NULL)) {
        return CS_OK;
    }
    bool words = cs_is(*list, CS_ARRAY);
    for (uint32_t i = 0; words && i < list->n; i++) {
        words = cs_is(list->u.items[i], CS_STRING);
    }
    *out = *list;
    return words ? CS_OK : cs_fail(e, CS_ERR_INVALID, "%s of the capabilities is no list of strings", key);
}

static unsigned feature_bit(cs_slice word)
{
    static const char *const names[] = {
#define ROW(id, name) name,
        CS_FEATURES(ROW)
#undef ROW
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_slice_is(word, names[i])) {
            return 1U << i;
        }
    }
    return 0;
}

cs_err cs_capabilities_read(cs_arena *a, cs_value document, const cs_capabilities **out, cs_error *e)
{
    cs_capabilities *c = cs_arena_new(a, cs_capabilities);
    struct cs_builtin_grants *grants = cs_arena_new(a, struct cs_builtin_grants);
    cs_value features;
    c->grants = grants;
    if (!cs_is(document, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "capabilities must be an object");
    }
    CS_TRY(read_builtins(a, document, grants, e));
    CS_TRY(read_words(document, "features", &features, e));
    CS_TRY(read_words(document, "future_keywords", &c->keywords, e));
    CS_TRY(read_words(document, "allow_net", &c->allow_net, e));
    for (uint32_t i = 0; i < cs_count(features); i++) {
        c->features |= feature_bit(cs_text(features.u.items[i]));
    }
    *out = c;
    return CS_OK;
}
