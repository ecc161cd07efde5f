/* Types from OPA's JSON of them (capabilities documents). */
#include "rego/types/type.h"

/* Deeper types are refused: every walk over a type recurses. */
#define MAX_DEPTH 64U

typedef struct reading {
    cs_arena *arena;
    unsigned depth;
    cs_error *e;
} reading;

static cs_err read_type(reading *r, cs_value v, const cs_type **out);

static cs_err wrong(reading *r, const char *what)
{
    return cs_fail(r->e, CS_ERR_INVALID, "%s in the capabilities", what);
}

/* The member; undefined if it is missing or null. */
static cs_value member(cs_value v, const char *key)
{
    const cs_value *m = cs_object_get_text(v, key);
    return m && !cs_is(*m, CS_NULL) ? *m : cs_undefined();
}

/* NULL if it is missing. */
static cs_err read_member(reading *r, cs_value v, const char *key, const cs_type **out)
{
    cs_value m = member(v, key);
    *out = NULL;
    return cs_is_undefined(m) ? CS_OK : read_type(r, m, out);
}

static cs_err read_list(reading *r, cs_value v, const char *key, const cs_type ***out, uint32_t *n)
{
    cs_value list = member(v, key);
    *n = cs_is(list, CS_ARRAY) ? cs_count(list) : 0;
    *out = (const cs_type **)cs_arena_zalloc(r->arena, (*n + 1U) * sizeof **out);
    for (uint32_t i = 0; i < *n; i++) {
        CS_TRY(read_type(r, list.u.items[i], &(*out)[i]));
    }
    return cs_is(list, CS_ARRAY) || cs_is_undefined(list) ? CS_OK : wrong(r, "a type that lists no types");
}

static cs_err read_array(reading *r, cs_value v, const cs_type **out)
{
    const cs_type **items, *dynamic;
    uint32_t n;
    CS_TRY(read_list(r, v, "static", &items, &n));
    CS_TRY(read_member(r, v, "dynamic", &dynamic));
    *out = cs_type_array(r->arena, items, n, dynamic);
    return CS_OK;
}

static cs_err read_object(reading *r, cs_value v, const cs_type **out)
{
    cs_value list = member(v, "static"), pair = member(v, "dynamic");
    uint32_t n = cs_is(list, CS_ARRAY) ? cs_count(list) : 0;
    cs_value *keys = cs_arena_array(r->arena, cs_value, n + 1U);
    const cs_type **values = (const cs_type **)cs_arena_zalloc(r->arena, (n + 1U) * sizeof *values);
    const cs_type *key = NULL, *dynamic = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const cs_value *name = cs_is(list.u.items[i], CS_OBJECT) ? cs_object_get_text(list.u.items[i], "key") : NULL;
        if (!name) {
            return wrong(r, "a property without a key");
        }
        keys[i] = *name;
        CS_TRY(read_member(r, list.u.items[i], "value", &values[i]));
        if (!values[i]) {
            return wrong(r, "a property without a type");
        }
    }
    if (cs_is(pair, CS_OBJECT)) {
        CS_TRY(read_member(r, pair, "key", &key));
        CS_TRY(read_member(r, pair, "value", &dynamic));
        if (key && !dynamic) {
            return wrong(r, "a property without a type");
        }
    }
    *out = cs_type_object(r->arena, keys, values, n, key, key ? dynamic : NULL);
    return CS_OK;
}

static cs_err read_function(reading *r, cs_value v, const cs_type **out)
{
    cs_type *t = cs_arena_new(r->arena, cs_type);
    t->kind = CS_TYPE_FUNCTION;
    CS_TRY(read_list(r, v, "args", &t->of, &t->n));
    CS_TRY(read_member(r, v, "result", &t->dynamic));
    CS_TRY(read_member(r, v, "variadic", &t->variadic));
    *out = t;
    return CS_OK;
}

static cs_err read_union(reading *r, cs_value v, const cs_type **out)
{
    const cs_type **of;
    uint32_t n;
    CS_TRY(read_list(r, v, "of", &of, &n));
    *out = n ? cs_type_union(r->arena, of, n) : &cs_type_any;
    return CS_OK;
}

static cs_err read_set(reading *r, cs_value v, const cs_type **out)
{
    const cs_type *of;
    CS_TRY(read_member(r, v, "of", &of));
    *out = of ? cs_type_set(r->arena, of) : NULL;
    return of ? CS_OK : wrong(r, "a set of no type");
}

static cs_err read_type(reading *r, cs_value v, const cs_type **out)
{
    static const struct {
        const char *name;
        const cs_type *atom;
        cs_err (*read)(reading *r, cs_value v, const cs_type **out);
    } kinds[] = {
        {"null", &cs_type_null, NULL},     {"boolean", &cs_type_bool, NULL}, {"number", &cs_type_number, NULL},
        {"string", &cs_type_string, NULL}, {"array", NULL, read_array},      {"object", NULL, read_object},
        {"set", NULL, read_set},           {"any", NULL, read_union},        {"function", NULL, read_function}};
    const cs_value *name = cs_is(v, CS_OBJECT) ? cs_object_get_text(v, "type") : NULL;
    if (!name || !cs_is(*name, CS_STRING)) {
        return wrong(r, "a type without a name");
    }
    if (r->depth == MAX_DEPTH) {
        return wrong(r, "a type that is nested too deeply");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (cs_slice_is(cs_text(*name), kinds[i].name)) {
            *out = kinds[i].atom;
            r->depth++;
            cs_err err = kinds[i].read ? kinds[i].read(r, v, out) : CS_OK;
            r->depth--;
            return err;
        }
    }
    return wrong(r, "a type of no known kind");
}

cs_err cs_type_from_json(cs_arena *a, cs_value json, const cs_type **out, cs_error *e)
{
    reading r = {a, 0, e};
    return read_type(&r, json, out);
}
