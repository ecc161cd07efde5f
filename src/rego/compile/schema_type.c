/* JSON Schema → type, as far as OPA's type checker reads one: types, properties, items, $ref, anyOf, allOf. What a
 * value must be besides (patterns, limits, required members, oneOf) makes no type. It goes over the compiled schema
 * and, like OPA's, changes it where allOf joins several into one. */
#include "rego/compile/schema_type.h"

#include <stdarg.h>
#include <stdio.h>

#include "rego/builtin/schema.h"

#define DEPTH 200U /* of schemas within each other */

/* A schema that is referred to: its type, or while that is made, the type that stands for it. */
typedef struct definition {
    struct definition *next;
    cs_slice name;
    bool under_way;
    cs_type *recursive;
    const cs_type *type;
} definition;

typedef struct reader {
    cs_arena *arena;
    definition *definitions;
    uint32_t depth;
    const char *error;
} reader;

static const cs_type *fail(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const cs_type *fail(reader *r, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!r->error) {
        r->error = cs_arena_dup(r->arena, text, strlen(text));
    }
    return NULL;
}

static void assume_type(reader *r, cs_schema *s, unsigned type, const char *name)
{
    if (!(s->types & type)) {
        cs_value *names = cs_arena_array(r->arena, cs_value, s->type_names.n + 1);
        for (size_t i = 0; i < s->type_names.n; i++) {
            names[i] = s->type_names.v[i];
        }
        names[s->type_names.n] = cs_string(cs_slice_of(name));
        s->types |= type;
        s->type_names = (cs_list){names, s->type_names.n + 1, s->type_names.n + 1};
    }
}

/* "string", "[string,null]", "Undefined". */
static const char *types_text(reader *r, const cs_schema *s)
{
    const char *text = "";
    for (size_t i = 0; i < s->type_names.n; i++) {
        text = cs_arena_printf(r->arena, NULL, "%s%s%.*s", text, i ? "," : "", CS_FMT(cs_text(s->type_names.v[i])));
    }
    return s->type_names.n == 0   ? "Undefined"
           : s->type_names.n == 1 ? text
                                  : cs_arena_printf(r->arena, NULL, "[%s]", text);
}

static const cs_type *read_schema(reader *r, cs_schema *s, cs_slice name);

/* ------------------------------------------------------------------------------------------------ references */

static definition *find_definition(reader *r, cs_slice name)
{
    for (definition *d = r->definitions; d; d = d->next) {
        if (cs_slice_eq(d->name, name)) {
            return d;
        }
    }
    return NULL;
}

static const cs_type *read_reference(reader *r, const cs_schema *s)
{
    definition *known = find_definition(r, s->reference);
    if (!known) {
        return read_schema(r, s->ref, s->reference);
    }
    if (!known->under_way) {
        return known->type;
    }
    if (!known->recursive) {
        known->recursive = cs_arena_new(r->arena, cs_type);
        *known->recursive = (cs_type){.kind = CS_TYPE_RECURSIVE, .name = s->reference};
    }
    return known->recursive;
}

/* ------------------------------------------------------------------------------------------------ joined schemas */

static void join(cs_schemas *into, const cs_schemas *more, reader *r)
{
    cs_schema **all = (cs_schema **)cs_arena_zalloc(r->arena, (into->n + more->n + 1) * sizeof *all);
    for (size_t i = 0; i < into->n + more->n; i++) {
        all[i] = i < into->n ? into->v[i] : more->v[i - into->n];
    }
    *into = (cs_schemas){all, into->n + more->n, into->n + more->n + 1};
}

static bool join_items(reader *r, cs_schema *into, const cs_schema *more)
{
    for (size_t i = 0; i < more->items.n; i++) {
        if (i >= into->items.n) {
            join(&into->items, &(cs_schemas){&more->items.v[i], 1, 1}, r);
        }
        if (strcmp(types_text(r, into->items.v[i]), types_text(r, more->items.v[i])) != 0) {
            (void)fail(r, "type checking: unable to merge these schemas");
            return false;
        }
    }
    return true;
}

/* All into the first. */
static bool merge(reader *r, const cs_schemas *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i]->properties.n) {
            assume_type(r, list->v[i], CS_SCHEMA_OBJECT, "object");
        } else if (list->v[i]->items.n) {
            assume_type(r, list->v[i], CS_SCHEMA_ARRAY, "array");
        }
    }
    cs_schema *into = list->v[0];
    for (size_t i = 1; i < list->n; i++) {
        const cs_schema *more = list->v[i];
        const char *x = types_text(r, into), *y = types_text(r, more);
        unsigned both = into->types & more->types;
        if (strcmp(x, y) != 0) {
            (void)fail(r, "type checking: unable to merge these schemas: type mismatch: %s and %s", x, y);
            return false;
        }
        if (both & CS_SCHEMA_OBJECT && into->properties.n && more->properties.n) {
            join(&into->properties, &more->properties, r);
        } else if (both & CS_SCHEMA_ARRAY && into->items.n && more->items.n && !join_items(r, into, more)) {
            return false;
        }
    }
    return true;
}

static const cs_type *read_all_of(reader *r, cs_schema *s)
{
    cs_schemas list = {(cs_schema **)cs_arena_zalloc(r->arena, s->all_of.n * sizeof(cs_schema *)), 0, s->all_of.n};
    for (size_t i = 0; i < s->all_of.n; i++) {
        cs_schema *one = s->all_of.v[i];
        for (uint32_t hops = 0; one->ref; hops++) {
            if (hops > DEPTH) {
                return fail(r, "type checking: a reference refers to itself");
            }
            one = one->ref;
        }
        if (one->types || !one->any_of.n || one->properties.n || one->items.n) {
            list.v[list.n++] = one; /* what is only a choice is left out */
        }
    }
    if (!list.n) {
        return &cs_type_any;
    }
    if (!merge(r, &list)) {
        return NULL;
    }
    cs_schema *all = list.v[0];
    if (s->types & all->types & (CS_SCHEMA_OBJECT | CS_SCHEMA_ARRAY)) {
        cs_schema *pair[] = {all, s};
        return merge(r, &(cs_schemas){pair, 2, 2}) ? read_schema(r, all, CS_LIT("")) : NULL;
    }
    if (s->types && strcmp(types_text(r, s), types_text(r, all)) != 0) {
        return fail(r, "type checking: unable to merge these schemas");
    }
    return read_schema(r, all, CS_LIT(""));
}

static const cs_type *read_any_of(reader *r, const cs_schema *s)
{
    const cs_type *sum = NULL;
    if (s->types) {
        cs_schema *core = cs_arena_new(r->arena, cs_schema);
        *core = *s;
        core->any_of = (cs_schemas){NULL, 0, 0};
        const cs_type *t = read_schema(r, core, CS_LIT(""));
        if (!t) {
            return NULL;
        }
        /* only an object with members of its own counts beside the alternatives */
        sum = t->kind == CS_TYPE_OBJECT && t->n && !t->dynamic ? t : NULL;
    }
    for (size_t i = 0; i < s->any_of.n; i++) {
        const cs_type *t = read_schema(r, s->any_of.v[i], CS_LIT(""));
        if (!t) {
            return NULL;
        }
        sum = cs_type_or(r->arena, t, sum);
    }
    return sum;
}

/* ------------------------------------------------------------------------------------------------ types */

static const cs_type *read_object(reader *r, const cs_schema *s)
{
    if (s->properties.n == 0) {
        return cs_type_object(r->arena, NULL, NULL, 0, &cs_type_any, &cs_type_any);
    }
    uint32_t n = 0;
    cs_value *keys = cs_arena_array(r->arena, cs_value, s->properties.n);
    const cs_type **types = (const cs_type **)cs_arena_zalloc(r->arena, s->properties.n * sizeof *types);
    for (size_t i = 0; i < s->properties.n; i++) {
        cs_value name = cs_string(s->properties.v[i]->property);
        const cs_type *t = read_schema(r, s->properties.v[i], CS_LIT(""));
        uint32_t at = 0;
        if (!t) {
            return NULL;
        }
        while (at < n && !cs_equal(keys[at], name)) {
            at++;
        }
        keys[at] = name;
        types[at] = t;
        n += at == n;
    }
    return cs_type_object(r->arena, keys, types, n, NULL, NULL);
}

static const cs_type *read_array(reader *r, const cs_schema *s)
{
    if (s->items.n == 0) {
        return cs_type_array(r->arena, NULL, 0, &cs_type_any);
    }
    const cs_type **types = (const cs_type **)cs_arena_zalloc(r->arena, s->items.n * sizeof *types);
    for (size_t i = 0; i < s->items.n; i++) {
        types[i] = read_schema(r, s->items.v[i], CS_LIT(""));
        if (!types[i]) {
            return NULL;
        }
    }
    return s->one_for_all_items ? cs_type_array(r->arena, NULL, 0, types[0])
                                : cs_type_array(r->arena, types, (uint32_t)s->items.n, NULL);
}

static const cs_type *read_type(reader *r, cs_schema *s)
{
    if (s->any_of.n) {
        return read_any_of(r, s);
    }
    if (s->all_of.n) {
        return read_all_of(r, s);
    }
    if (s->types & CS_SCHEMA_BOOLEAN) {
        return &cs_type_bool;
    }
    if (s->types & CS_SCHEMA_STRING) {
        return &cs_type_string;
    }
    if (s->types & (CS_SCHEMA_INTEGER | CS_SCHEMA_NUMBER)) {
        return &cs_type_number;
    }
    if (s->types & CS_SCHEMA_OBJECT) {
        return read_object(r, s);
    }
    if (s->types & CS_SCHEMA_ARRAY) {
        return read_array(r, s);
    }
    if (s->properties.n) {
        assume_type(r, s, CS_SCHEMA_OBJECT, "object");
        return read_object(r, s);
    }
    if (s->items.n) {
        assume_type(r, s, CS_SCHEMA_ARRAY, "array");
        return read_array(r, s);
    }
    return &cs_type_any;
}

/* `name`: the reference that led here; "" if none did. */
static const cs_type *read_schema(reader *r, cs_schema *s, cs_slice name)
{
    if (r->depth >= DEPTH) {
        return fail(r, "type checking: the schema is nested too deeply");
    }
    r->depth++;
    const cs_type *t;
    if (s->ref) {
        t = read_reference(r, s);
    } else {
        definition *d = name.n ? cs_arena_new(r->arena, definition) : NULL;
        if (d) {
            *d = (definition){.next = r->definitions, .name = name, .under_way = true};
            r->definitions = d;
        }
        t = read_type(r, s);
        if (d) {
            d->under_way = false;
            d->type = t;
        }
        if (d && d->recursive) {
            d->recursive->dynamic = t;
        }
    }
    r->depth--;
    return t;
}

const cs_type *cs_schema__type(cs_arena *a, const cs_host *host, cs_value schema, const char **error)
{
    reader r = {.arena = a};
    cs_schema *compiled;
    cs_error e;
    const cs_type *t = NULL;
    if (cs_schema_read(a, host ? host : cs_host_system(), schema, &compiled, &e) != CS_OK) {
        (void)fail(&r, "unable to compile the schema: %s", e.text);
    } else {
        t = read_schema(&r, compiled, CS_LIT(""));
    }
    *error = r.error;
    return r.error ? NULL : t;
}
