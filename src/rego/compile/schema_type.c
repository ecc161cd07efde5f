/* JSON Schema → type, as far as OPA's type checker reads one: types, properties, items, $ref, anyOf, allOf. What a
 * value must be besides (patterns, limits, required members, oneOf) makes no type. A schema that contains itself is
 * `any` where it does: types here have no cycles. */
#include "rego/compile/schema_type.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/vec.h"

#define DEPTH 200U /* of schemas within each other */

typedef struct reader {
    cs_arena *arena;
    cs_value root;
    cs_value open;  /* references being read, by their text: an object of true */
    cs_value known; /* and those that were read: text → type */
    uint32_t depth;
    const char *error;
} reader;

typedef struct property {
    cs_value name;
    cs_value schema;
} property;

/* A schema as it is being put together: allOf joins several into one. */
typedef struct part {
    CS_VEC(cs_slice) types;
    CS_VEC(property) properties;
    CS_VEC(cs_value) items;
    bool one_item; /* one schema for all items */
    cs_value any_of, all_of, reference;
} part;

static bool fail(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(reader *r, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!r->error) {
        r->error = cs_arena_dup(r->arena, text, strlen(text));
    }
    return false;
}

static bool is_type_name(cs_slice name)
{
    static const char *const names[] = {"array", "boolean", "integer", "number", "null", "object", "string"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_slice_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool has_type(const part *p, const char *name)
{
    for (size_t i = 0; i < p->types.n; i++) {
        if (cs_slice_is(p->types.v[i], name)) {
            return true;
        }
    }
    return false;
}

static bool add_type(reader *r, part *p, cs_value name)
{
    if (name.kind != CS_STRING) {
        return fail(r, "unable to compile the schema: Invalid type. Expected: type, given: string/Array Of Strings");
    }
    if (!is_type_name(cs_text(name))) {
        return fail(r,
                    "unable to compile the schema: has a primitive type that is NOT VALID -- given: /%.*s/ Expected "
                    "valid values are:[array boolean integer number null object string]",
                    CS_FMT(cs_text(name)));
    }
    for (size_t i = 0; i < p->types.n; i++) {
        if (cs_slice_eq(p->types.v[i], cs_text(name))) {
            return fail(r, "unable to compile the schema: %.*s type is duplicated", CS_FMT(cs_text(name)));
        }
    }
    CS_VEC_PUSH_IN(r->arena, &p->types, cs_text(name));
    return true;
}

static void assume_type(reader *r, part *p, const char *name)
{
    if (!has_type(p, name)) {
        CS_VEC_PUSH_IN(r->arena, &p->types, cs_slice_of(name));
    }
}

static bool read_part(reader *r, cs_value schema, part *p)
{
    *p = (part){0};
    if (schema.kind == CS_BOOL) {
        return true;
    }
    if (schema.kind != CS_OBJECT) {
        return fail(r, "unable to compile the schema: schema is invalid");
    }
    p->reference = cs_object_member(schema, "$ref");
    if (p->reference.kind == CS_STRING) {
        return true; /* its neighbours do not count */
    }
    cs_value type = cs_object_member(schema, "type"), properties = cs_object_member(schema, "properties"),
             items = cs_object_member(schema, "items");
    bool ok = true;
    if (type.kind == CS_ARRAY) {
        for (uint32_t i = 0; ok && i < type.n; i++) {
            ok = add_type(r, p, type.u.items[i]);
        }
    } else if (!cs_is_undefined(type)) {
        ok = add_type(r, p, type);
    }
    for (uint32_t i = 0; properties.kind == CS_OBJECT && i < cs_count(properties); i++) {
        property one;
        one.name = cs_entry(properties, i, &one.schema);
        CS_VEC_PUSH_IN(r->arena, &p->properties, one);
    }
    for (uint32_t i = 0; items.kind == CS_ARRAY && i < items.n; i++) {
        CS_VEC_PUSH_IN(r->arena, &p->items, items.u.items[i]);
    }
    if (items.kind == CS_OBJECT || items.kind == CS_BOOL) {
        CS_VEC_PUSH_IN(r->arena, &p->items, items);
        p->one_item = true;
    }
    p->any_of = cs_object_member(schema, "anyOf");
    p->all_of = cs_object_member(schema, "allOf");
    return ok;
}

/* ------------------------------------------------------------------------------------------------ references */

/* The schema at "#/definitions/x". */
static bool find_reference(reader *r, cs_slice text, cs_value *out)
{
    if (text.n == 0 || text.p[0] != '#') {
        return fail(r, "unable to compile the schema: remote reference loading disabled: %.*s", CS_FMT(text));
    }
    cs_value at = r->root;
    cs_slice rest = cs_slice_sub(text, 1, text.n), piece;
    (void)cs_slice_next(&rest, '/', &piece);
    while (cs_slice_next(&rest, '/', &piece)) {
        char *key = cs_arena_alloc(r->arena, piece.n + 1);
        size_t n = 0;
        for (size_t i = 0; i < piece.n; i++) { /* ~1 and ~0 of JSON pointers */
            bool escaped = piece.p[i] == '~' && i + 1 < piece.n;
            key[n++] = escaped ? (piece.p[i + 1] == '1' ? '/' : '~') : piece.p[i];
            i += escaped;
        }
        cs_value next = cs_undefined();
        int64_t index;
        if (at.kind == CS_OBJECT) {
            const cs_value *v = cs_object_get(at, cs_string(cs_slice_make(key, n)));
            next = v ? *v : next;
        } else if (at.kind == CS_ARRAY && cs_slice_i64(cs_slice_make(key, n), &index) && index >= 0 && index < at.n) {
            next = at.u.items[index];
        }
        if (cs_is_undefined(next)) {
            return fail(r, "unable to compile the schema: Object has no key '%.*s'", (int)n, key);
        }
        at = next;
    }
    *out = at;
    return true;
}

/* ------------------------------------------------------------------------------------------------ checking */

static bool check(reader *r, cs_value schema);

static bool check_values(reader *r, cs_value object)
{
    bool ok = true;
    for (uint32_t i = 0; ok && object.kind == CS_OBJECT && i < cs_count(object); i++) {
        cs_value v;
        (void)cs_entry(object, i, &v);
        ok = v.kind != CS_OBJECT || check(r, v);
    }
    return ok;
}

static bool check_list(reader *r, cs_value list)
{
    bool ok = true;
    for (uint32_t i = 0; ok && list.kind == CS_ARRAY && i < list.n; i++) {
        ok = check(r, list.u.items[i]);
    }
    return ok;
}

/* The whole schema, also what no type is made of. */
static bool check(reader *r, cs_value schema)
{
    static const char *const objects[] = {"properties", "patternProperties"};
    static const char *const lists[] = {"items", "anyOf", "allOf", "oneOf"};
    static const char *const single[] = {"items", "additionalProperties", "not"};
    part p;
    cs_value target;
    if (++r->depth > DEPTH) {
        return fail(r, "unable to compile the schema: it is nested too deeply");
    }
    bool ok = check_values(r, cs_object_member(schema, "definitions")) && read_part(r, schema, &p);
    if (ok && p.reference.kind == CS_STRING) {
        ok = find_reference(r, cs_text(p.reference), &target);
        r->depth--;
        return ok;
    }
    for (size_t i = 0; ok && i < sizeof objects / sizeof *objects; i++) {
        ok = check_values(r, cs_object_member(schema, objects[i]));
    }
    for (size_t i = 0; ok && i < sizeof lists / sizeof *lists; i++) {
        ok = check_list(r, cs_object_member(schema, lists[i]));
    }
    for (size_t i = 0; ok && i < sizeof single / sizeof *single; i++) {
        cs_value v = cs_object_member(schema, single[i]);
        ok = v.kind != CS_OBJECT || check(r, v);
    }
    r->depth--;
    return ok;
}

/* ------------------------------------------------------------------------------------------------ types */

static const cs_type *read_schema(reader *r, cs_value schema);
static const cs_type *read_type(reader *r, part *p);

static const cs_type *read_reference(reader *r, cs_value text)
{
    const cs_value *known = cs_object_get(r->known, text);
    if (known) {
        return (const cs_type *)(intptr_t)known->u.i;
    }
    const cs_value *open = cs_object_get(r->open, text);
    if (open && cs_truthy(*open)) {
        return &cs_type_any;
    }
    cs_value target;
    if (!find_reference(r, cs_text(text), &target)) {
        return NULL;
    }
    cs_object_put(r->arena, r->open, text, cs_bool(true));
    const cs_type *t = read_schema(r, target);
    cs_object_put(r->arena, r->open, text, cs_bool(false));
    if (t) {
        cs_object_put(r->arena, r->known, text, cs_int((int64_t)(intptr_t)t));
    }
    return t;
}

static const cs_type *read_any_of(reader *r, part *p)
{
    const cs_type *sum = NULL;
    if (p->types.n) {
        part core = *p;
        core.any_of = cs_undefined();
        const cs_type *t = read_type(r, &core);
        if (!t) {
            return NULL;
        }
        /* only an object with members of its own counts beside the alternatives */
        sum = t->kind == CS_TYPE_OBJECT && t->n && !t->dynamic ? t : NULL;
    }
    for (uint32_t i = 0; i < p->any_of.n; i++) {
        const cs_type *t = read_schema(r, p->any_of.u.items[i]);
        if (!t) {
            return NULL;
        }
        sum = cs_type_or(r->arena, t, sum);
    }
    return sum ? sum : &cs_type_any;
}

/* "string", "[string,null]", "Undefined". */
static const char *types_text(reader *r, const part *p)
{
    if (p->types.n == 0) {
        return "Undefined";
    }
    const char *text = "";
    for (size_t i = 0; i < p->types.n; i++) {
        text = cs_arena_printf(r->arena, NULL, "%s%s%.*s", text, i ? "," : "", CS_FMT(p->types.v[i]));
    }
    return p->types.n == 1 ? text : cs_arena_printf(r->arena, NULL, "[%s]", text);
}

static void assume_types(reader *r, part *p)
{
    if (p->properties.n) {
        assume_type(r, p, "object");
    } else if (p->items.n) {
        assume_type(r, p, "array");
    }
}

/* `more` into `into`. */
static bool merge(reader *r, part *into, part *more)
{
    assume_types(r, into);
    assume_types(r, more);
    const char *x = types_text(r, into), *y = types_text(r, more);
    if (strcmp(x, y) != 0) {
        return fail(r, "type checking: unable to merge these schemas: type mismatch: %s and %s", x, y);
    }
    if (has_type(into, "object") && into->properties.n && more->properties.n) {
        for (size_t i = 0; i < more->properties.n; i++) {
            CS_VEC_PUSH_IN(r->arena, &into->properties, more->properties.v[i]);
        }
    } else if (has_type(into, "array") && into->items.n && more->items.n) {
        for (size_t i = 0; i < more->items.n; i++) {
            part one, other;
            if (i >= into->items.n) {
                CS_VEC_PUSH_IN(r->arena, &into->items, more->items.v[i]);
            }
            if (!read_part(r, into->items.v[i], &one) || !read_part(r, more->items.v[i], &other)) {
                return false;
            }
            if (strcmp(types_text(r, &one), types_text(r, &other)) != 0) {
                return fail(r, "type checking: unable to merge these schemas");
            }
        }
    }
    return true;
}

static const cs_type *read_all_of(reader *r, part *p)
{
    part result = {0};
    bool any = false;
    for (uint32_t i = 0; i < p->all_of.n; i++) {
        cs_value schema = p->all_of.u.items[i];
        part one;
        bool ok = read_part(r, schema, &one);
        for (uint32_t hops = 0; ok && one.reference.kind == CS_STRING; hops++) {
            ok = hops < DEPTH ? find_reference(r, cs_text(one.reference), &schema) && read_part(r, schema, &one)
                              : fail(r, "unable to compile the schema: a reference refers to itself");
        }
        if (!ok) {
            return NULL;
        }
        bool only_choice = !cs_is_undefined(one.any_of) && !one.types.n && !one.properties.n && !one.items.n;
        if (only_choice) {
            continue;
        }
        if (!any) {
            result = one;
            assume_types(r, &result);
        } else if (!merge(r, &result, &one)) {
            return NULL;
        }
        any = true;
    }
    if (!any) {
        return &cs_type_any;
    }
    if (p->types.n) {
        if ((has_type(p, "object") && has_type(&result, "object")) ||
            (has_type(p, "array") && has_type(&result, "array"))) {
            part own = *p;
            own.all_of = cs_undefined();
            return merge(r, &result, &own) ? read_type(r, &result) : NULL;
        }
        if (strcmp(types_text(r, p), types_text(r, &result)) != 0) {
            (void)fail(r, "type checking: unable to merge these schemas");
            return NULL;
        }
    }
    return read_type(r, &result);
}

static const cs_type *read_object(reader *r, const part *p)
{
    if (p->properties.n == 0) {
        return cs_type_object(r->arena, NULL, NULL, 0, &cs_type_any, &cs_type_any);
    }
    uint32_t n = 0;
    cs_value *keys = cs_arena_array(r->arena, cs_value, p->properties.n);
    const cs_type **types = (const cs_type **)cs_arena_zalloc(r->arena, p->properties.n * sizeof *types);
    for (size_t i = 0; i < p->properties.n; i++) {
        const cs_type *t = read_schema(r, p->properties.v[i].schema);
        uint32_t at = 0;
        if (!t) {
            return NULL;
        }
        while (at < n && !cs_equal(keys[at], p->properties.v[i].name)) {
            at++;
        }
        keys[at] = p->properties.v[i].name;
        types[at] = t;
        n += at == n;
    }
    return cs_type_object(r->arena, keys, types, n, NULL, NULL);
}

static const cs_type *read_array(reader *r, const part *p)
{
    if (p->items.n == 0) {
        return cs_type_array(r->arena, NULL, 0, &cs_type_any);
    }
    const cs_type **types = (const cs_type **)cs_arena_zalloc(r->arena, p->items.n * sizeof *types);
    for (size_t i = 0; i < p->items.n; i++) {
        types[i] = read_schema(r, p->items.v[i]);
        if (!types[i]) {
            return NULL;
        }
    }
    return p->one_item ? cs_type_array(r->arena, NULL, 0, types[0])
                       : cs_type_array(r->arena, types, (uint32_t)p->items.n, NULL);
}

static const cs_type *read_type(reader *r, part *p)
{
    if (p->any_of.kind == CS_ARRAY) {
        return read_any_of(r, p);
    }
    if (p->all_of.kind == CS_ARRAY) {
        return read_all_of(r, p);
    }
    if (has_type(p, "boolean")) {
        return &cs_type_bool;
    }
    if (has_type(p, "string")) {
        return &cs_type_string;
    }
    if (has_type(p, "integer") || has_type(p, "number")) {
        return &cs_type_number;
    }
    if (has_type(p, "object")) {
        return read_object(r, p);
    }
    if (has_type(p, "array")) {
        return read_array(r, p);
    }
    if (p->properties.n) {
        return read_object(r, p);
    }
    return p->items.n ? read_array(r, p) : &cs_type_any;
}

static const cs_type *read_schema(reader *r, cs_value schema)
{
    part p;
    const cs_type *t = NULL;
    if (++r->depth > DEPTH) {
        (void)fail(r, "unable to compile the schema: it is nested too deeply");
    } else if (read_part(r, schema, &p)) {
        t = p.reference.kind == CS_STRING ? read_reference(r, p.reference) : read_type(r, &p);
    }
    r->depth--;
    return t;
}

const cs_type *cs_schema__type(cs_arena *a, cs_value schema, const char **error)
{
    reader r = {.arena = a, .root = schema, .open = cs_object_new(a, 0), .known = cs_object_new(a, 0)};
    const cs_type *t = check(&r, schema) ? read_schema(&r, schema) : NULL;
    *error = r.error;
    return r.error ? NULL : t;
}
