/* Types from text and to text. */
#include "rego/types/type.h"

#include "countersign/base/vec.h"

/* ------------------------------------------------------------------------------------------------ parsing */

/* A cursor over a signature. The texts are literals of this program, so what does not parse is asserted. */
typedef struct reader {
    cs_arena *arena;
    const char *p;
} reader;

typedef CS_VEC(const cs_type *) type_list;

static void blanks(reader *r)
{
    while (*r->p == ' ') {
        r->p++;
    }
}

static bool take(reader *r, const char *text)
{
    blanks(r);
    size_t n = strlen(text);
    if (strncmp(r->p, text, n) != 0) {
        return false;
    }
    r->p += n;
    return true;
}

static void need(reader *r, const char *text)
{
    bool there = take(r, text);
    cs_assert(there);
}

static cs_slice word(reader *r)
{
    blanks(r);
    const char *from = r->p;
    while ((*r->p >= 'a' && *r->p <= 'z') || (*r->p >= 'A' && *r->p <= 'Z') || (*r->p >= '0' && *r->p <= '9') ||
           *r->p == '_') {
        r->p++;
    }
    return cs_slice_make(from, (size_t)(r->p - from));
}

static const cs_type *read_type(reader *r);

/* "name: type" or just a type. */
static const cs_type *read_named(reader *r)
{
    blanks(r);
    const char *from = r->p;
    while (word(r).n > 0) { /* OPA has a result named "formatted timestamp" */
    }
    cs_slice name = cs_slice_trim(cs_slice_make(from, (size_t)(r->p - from)));
    if (name.n == 0 || !take(r, ":")) {
        r->p = from;
        return read_type(r);
    }
    cs_type *t = cs_arena_new(r->arena, cs_type);
    t->kind = CS_TYPE_NAMED;
    t->name = cs_slice_make(cs_arena_dup(r->arena, name.p, name.n), name.n);
    t->dynamic = read_type(r);
    return t;
}

static void read_list(reader *r, type_list *list, const char *end)
{
    while (!take(r, end)) {
        CS_VEC_PUSH_IN(r->arena, list, read_type(r));
        (void)take(r, ",");
    }
}

static const cs_type *read_array(reader *r)
{
    type_list list = {0};
    const cs_type *dynamic = NULL;
    if (take(r, "<")) {
        read_list(r, &list, ">");
    }
    if (take(r, "[")) {
        dynamic = read_type(r);
        need(r, "]");
    }
    return cs_type_array(r->arena, list.v, (uint32_t)list.n, dynamic);
}

static const cs_type *read_object(reader *r)
{
    type_list values = {0};
    CS_VEC(cs_value) keys = {0};
    const cs_type *key = NULL, *dynamic = NULL;
    if (take(r, "<")) {
        while (!take(r, ">")) {
            CS_VEC_PUSH_IN(r->arena, &keys, cs_string_copy(r->arena, word(r)));
            need(r, ":");
            CS_VEC_PUSH_IN(r->arena, &values, read_type(r));
            (void)take(r, ",");
        }
    }
    if (take(r, "[")) {
        key = read_type(r);
        need(r, ":");
        dynamic = read_type(r);
        need(r, "]");
    }
    return cs_type_object(r->arena, keys.v, values.v, (uint32_t)values.n, key, dynamic);
}

static const cs_type *read_function(reader *r)
{
    type_list args = {0};
    const cs_type *variadic = NULL;
    while (!take(r, ")")) {
        const cs_type *arg = read_named(r);
        if (take(r, "...")) {
            variadic = arg;
        } else {
            CS_VEC_PUSH_IN(r->arena, &args, arg);
        }
        (void)take(r, ",");
    }
    cs_type *t = cs_arena_new(r->arena, cs_type);
    *t = (cs_type){.kind = CS_TYPE_FUNCTION, .of = args.v, .n = (uint32_t)args.n, .variadic = variadic};
    if (take(r, "->") || take(r, "=>")) {
        t->dynamic = read_named(r);
    }
    return t;
}

static const cs_type *read_type(reader *r)
{
    if (take(r, "(")) {
        return read_function(r);
    }
    if (take(r, "[")) {
        type_list list = {0};
        read_list(r, &list, "]");
        return cs_type_array(r->arena, list.v, (uint32_t)list.n, NULL);
    }
    static const struct {
        const char *name;
        const cs_type *type;
    } atoms[] = {
        {"null", &cs_type_null}, {"boolean", &cs_type_bool}, {"number", &cs_type_number}, {"string", &cs_type_string}};
    cs_slice name = word(r);
    for (size_t i = 0; i < sizeof atoms / sizeof *atoms; i++) {
        if (cs_slice_is(name, atoms[i].name)) {
            return atoms[i].type;
        }
    }
    if (cs_slice_is(name, "array")) {
        return read_array(r);
    }
    if (cs_slice_is(name, "object")) {
        return read_object(r);
    }
    if (cs_slice_is(name, "set")) {
        need(r, "[");
        const cs_type *set = cs_type_set(r->arena, read_type(r));
        need(r, "]");
        return set;
    }
    cs_assert(cs_slice_is(name, "any"));
    if (!take(r, "<")) {
        return &cs_type_any;
    }
    type_list list = {0};
    read_list(r, &list, ">");
    return cs_type_union(r->arena, list.v, (uint32_t)list.n);
}

const cs_type *cs_type_parse(cs_arena *a, const char *signature)
{
    reader r = {a, signature};
    const cs_type *t = read_type(&r);
    blanks(&r);
    cs_assert(*r.p == '\0');
    return t;
}

/* ------------------------------------------------------------------------------------------------ printing */

static void print_list(cs_buf *out, const cs_type *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        cs_buf_text(out, i ? ", " : "");
        cs_type_print(out, list[i]);
    }
}

static void print_object(cs_buf *out, const cs_type *t)
{
    cs_buf_text(out, "object");
    for (uint32_t i = 0; i < t->n; i++) {
        cs_buf_text(out, i ? ", " : "<");
        if (t->keys[i].kind == CS_STRING) {
            cs_buf_slice(out, cs_text(t->keys[i]));
        } else {
            cs_value_print(out, t->keys[i]);
        }
        cs_buf_text(out, ": ");
        cs_type_print(out, t->of[i]);
    }
    cs_buf_text(out, t->n ? ">" : "");
    if (t->dynamic) {
        cs_buf_text(out, "[");
        cs_type_print(out, t->key);
        cs_buf_text(out, ": ");
        cs_type_print(out, t->dynamic);
        cs_buf_text(out, "]");
    }
}

void cs_type_print_args(cs_buf *out, const cs_type *function, bool named)
{
    cs_buf_text(out, "(");
    for (uint32_t i = 0; i < function->n; i++) {
        cs_buf_text(out, i ? ", " : "");
        cs_type_print(out, named ? function->of[i] : cs_type_unnamed(function->of[i]));
    }
    if (function->variadic) {
        cs_buf_text(out, function->n ? ", " : "");
        cs_type_print(out, named ? function->variadic : cs_type_unnamed(function->variadic));
        cs_buf_text(out, "...");
    }
    cs_buf_text(out, ")");
}

static void print_dynamic(cs_buf *out, const cs_type *t)
{
    if (t->dynamic) {
        cs_buf_text(out, "[");
        cs_type_print(out, t->dynamic);
        cs_buf_text(out, "]");
    }
}

void cs_type_print(cs_buf *out, const cs_type *t)
{
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object", "set", "any"};
    if (!t) {
        cs_buf_text(out, "???");
        return;
    }
    switch (t->kind) {
    case CS_TYPE_ARRAY:
    case CS_TYPE_ANY:
        cs_buf_text(out, names[t->kind]);
        if (t->n) {
            cs_buf_text(out, "<");
            print_list(out, t->of, t->n);
            cs_buf_text(out, ">");
        }
        print_dynamic(out, t);
        return;
    case CS_TYPE_OBJECT:
        print_object(out, t);
        return;
    case CS_TYPE_SET:
        cs_buf_text(out, "set");
        print_dynamic(out, t);
        return;
    case CS_TYPE_FUNCTION:
        cs_type_print_args(out, t, false);
        cs_buf_text(out, " => ");
        cs_type_print(out, cs_type_unnamed(t->dynamic));
        return;
    case CS_TYPE_NAMED:
        cs_buf_slice(out, t->name);
        cs_buf_text(out, t->name.n ? ": " : "");
        cs_type_print(out, t->dynamic);
        return;
    case CS_TYPE_RECURSIVE:
        cs_buf_text(out, "recursive(");
        cs_buf_slice(out, t->name);
        cs_buf_text(out, ")");
        return;
    case CS_TYPE_NULL:
    case CS_TYPE_BOOL:
    case CS_TYPE_NUMBER:
    case CS_TYPE_STRING:
        cs_buf_text(out, names[t->kind]);
        return;
    }
}

/* ------------------------------------------------------------------------------------------------ JSON */

static cs_value json_list(cs_arena *a, const cs_type *const *list, uint32_t n)
{
    cs_value *items = cs_arena_alloc(a, (n ? n : 1) * sizeof *items);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = cs_type_to_json(a, list[i]);
    }
    return cs_array(items, n);
}

static void object_json(cs_arena *a, const cs_type *t, cs_value out)
{
    if (t->n) {
        cs_value *items = cs_arena_alloc(a, t->n * sizeof *items);
        for (uint32_t i = 0; i < t->n; i++) {
            items[i] = cs_object_new(a, 2);
            cs_object_put_text(a, items[i], "key", t->keys[i]);
            cs_object_put_text(a, items[i], "value", cs_type_to_json(a, t->of[i]));
        }
        cs_object_put_text(a, out, "static", cs_array(items, t->n));
    }
    if (t->dynamic) {
        cs_value dynamic = cs_object_new(a, 2);
        cs_object_put_text(a, dynamic, "key", cs_type_to_json(a, t->key));
        cs_object_put_text(a, dynamic, "value", cs_type_to_json(a, t->dynamic));
        cs_object_put_text(a, out, "dynamic", dynamic);
    }
}

cs_value cs_type_to_json(cs_arena *a, const cs_type *t)
{
    static const char *const names[] = {"null",   "boolean", "number", "string",  "array",
                                        "object", "set",     "any",    "function"};
    static const char *const lists[] = {"", "", "", "", "static", "", "", "of", "args"};
    static const char *const dynamics[] = {"", "", "", "", "dynamic", "", "of", "", "result"};
    if (!t || t == &cs_type_nil) {
        return cs_null();
    }
    if (t->kind == CS_TYPE_NAMED) {
        cs_value named = cs_type_to_json(a, t->dynamic);
        cs_object_put_text(a, named, "name", cs_string(t->name));
        if (t->description.n) {
            cs_object_put_text(a, named, "description", cs_string(t->description));
        }
        return named;
    }
    cs_value out = cs_object_new(a, 4);
    if (t->kind == CS_TYPE_RECURSIVE) {
        cs_object_put_text(a, out, "name", cs_string(t->name));
        return out;
    }
    cs_object_put_text(a, out, "type", cs_string(cs_slice_of(names[t->kind])));
    if (t->kind == CS_TYPE_OBJECT) {
        object_json(a, t, out);
        return out;
    }
    if (t->n) {
        cs_object_put_text(a, out, lists[t->kind], json_list(a, t->of, t->n));
    }
    if (t->dynamic) {
        cs_object_put_text(a, out, dynamics[t->kind], cs_type_to_json(a, t->dynamic));
    }
    if (t->variadic) {
        cs_object_put_text(a, out, "variadic", cs_type_to_json(a, t->variadic));
    }
    return out;
}
