/* The small things that all of GraphQL's files share: lists, texts, errors, look-ups. */
#include <stdarg.h>
#include <stdio.h>

#include "rego/builtin/graphql.h"

/* ------------------------------------------------------------------------------------------------ lists */

typedef CS_GQL_LIST(char) any_list;

void cs_gql__push_(cs_arena *a, void *list, size_t size, const void *item)
{
    any_list l;
    memcpy(&l, list, sizeof l); /* all lists have the same layout, but are different types to the compiler */
    if (l.n == l.cap) {
        uint32_t cap = l.cap ? l.cap * 2 : 4;
        char *grown = cs_arena_alloc(a, cap * size);
        if (l.n) {
            memcpy(grown, l.v, l.n * size);
        }
        l.v = grown;
        l.cap = cap;
    }
    memcpy(l.v + l.n * size, item, size);
    l.n++;
    memcpy(list, &l, sizeof l);
}

bool cs_gql__has_text(const cs_gql_texts *list, cs_slice text)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (cs_slice_eq(list->v[i], text)) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------ texts */

void cs_gql__put(cs_gql_text *t, cs_slice s)
{
    if (t->cap - t->n < s.n) {
        size_t cap = (t->cap + s.n) * 2 + 32;
        char *grown = cs_arena_alloc(t->arena, cap);
        if (t->n) {
            memcpy(grown, t->p, t->n);
        }
        t->p = grown;
        t->cap = cap;
    }
    if (s.n) {
        memcpy(t->p + t->n, s.p, s.n);
        t->n += s.n;
    }
}

void cs_gql__put_quoted(cs_gql_text *t, cs_slice s)
{
    cs_buf buf;
    cs_buf_init(&buf);
    cs_quote(&buf, s);
    cs_gql__put(t, cs_buf_view(&buf));
    cs_buf_destroy(&buf);
}

static void put_type(cs_gql_text *t, const cs_gql_type *type)
{
    if (type->name.n || !type->element) {
        cs_gql__put(t, type->name);
    } else {
        cs_gql__put(t, CS_LIT("["));
        put_type(t, type->element);
        cs_gql__put(t, CS_LIT("]"));
    }
    cs_gql__put(t, type->non_null ? CS_LIT("!") : CS_LIT(""));
}

cs_slice cs_gql__type_text(cs_arena *a, const cs_gql_type *type)
{
    cs_gql_text t = {.arena = a};
    put_type(&t, type);
    return cs_gql__view(&t);
}

static void put_value(cs_gql_text *t, const cs_gql_value *v)
{
    if (v->kind == CS_GQL_VARIABLE) {
        cs_gql__put(t, CS_LIT("$"));
        cs_gql__put(t, v->raw);
    } else if (v->kind == CS_GQL_STRING || v->kind == CS_GQL_BLOCK) {
        cs_gql__put_quoted(t, v->raw);
    } else if (v->kind == CS_GQL_LIST_VALUE || v->kind == CS_GQL_OBJECT_VALUE) {
        bool object = v->kind == CS_GQL_OBJECT_VALUE;
        cs_gql__put(t, object ? CS_LIT("{") : CS_LIT("["));
        for (uint32_t i = 0; i < v->children.n; i++) {
            cs_gql__put(t, i ? CS_LIT(",") : CS_LIT(""));
            if (object) {
                cs_gql__put(t, v->children.v[i]->name);
                cs_gql__put(t, CS_LIT(":"));
            }
            put_value(t, v->children.v[i]->value);
        }
        cs_gql__put(t, object ? CS_LIT("}") : CS_LIT("]"));
    } else {
        cs_gql__put(t, v->raw);
    }
}

cs_slice cs_gql__value_text(cs_arena *a, const cs_gql_value *value)
{
    cs_gql_text t = {.arena = a};
    put_value(&t, value);
    return cs_gql__view(&t);
}

/* ------------------------------------------------------------------------------------------------ errors */

bool cs_gql__fail(cs_gql_run *run, cs_gql_at at, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = strlen(text);
    if (run->error.code == CS_OK) {
        run->error = (cs_gql_error){CS_ERR_EVAL_BUILTIN, cs_slice_make(cs_arena_dup(run->arena, text, n), n), at};
    }
    return false;
}

bool cs_gql__limit(cs_gql_error *e, const char *text)
{
    *e = (cs_gql_error){.code = CS_ERR_LIMIT, .text = cs_slice_of(text)};
    return false;
}

bool cs_gql__spend(cs_gql_run *run, uint64_t work)
{
    run->work += work;
    if (run->error.code == CS_ERR_LIMIT) {
        return false;
    }
    if (run->work > CS_GQL_WORK) {
        return cs_gql__limit(&run->error, "the GraphQL document takes too much work to check");
    }
    if (cs_arena_exceeded(run->arena)) {
        return cs_gql__limit(&run->error, "the GraphQL document takes more memory than the limit eval_memory allows");
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ look-ups */

cs_slice cs_gql__type_name(const cs_gql_type *type)
{
    while (type->name.n == 0 && type->element) {
        type = type->element;
    }
    return type->name;
}

cs_gql_member *cs_gql__member(const cs_gql_members *list, cs_slice name)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (cs_slice_eq(list->v[i]->name, name)) {
            return list->v[i];
        }
    }
    return NULL;
}

cs_gql_member *cs_gql__field(const cs_gql_definition *def, cs_slice name)
{
    return cs_is_undefined(def->index) ? cs_gql__member(&def->fields, name) : cs_gql__get(def->index, name);
}

cs_gql_definitions *cs_gql__possible(const cs_gql_schema *s, cs_slice name)
{
    return cs_gql__get(s->possible, name);
}

cs_gql_argument *cs_gql__argument(const cs_gql_arguments *list, cs_slice name)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (cs_slice_eq(list->v[i]->name, name)) {
            return list->v[i];
        }
    }
    return NULL;
}

bool cs_gql__compatible(const cs_gql_type *type, const cs_gql_type *other)
{
    if (!cs_slice_eq(type->name, other->name)) {
        return false;
    }
    if (type->element && (!other->element || !cs_gql__compatible(type->element, other->element))) {
        return false;
    }
    return !other->non_null || type->non_null;
}

static bool is_any(const cs_gql_definition *def, const char *const kinds[3])
{
    return cs_slice_is(def->kind, kinds[0]) || cs_slice_is(def->kind, kinds[1]) || cs_slice_is(def->kind, kinds[2]);
}

bool cs_gql__is_composite(const cs_gql_definition *def)
{
    return is_any(def, (const char *const[]){"OBJECT", "INTERFACE", "UNION"});
}

bool cs_gql__is_input(const cs_gql_definition *def)
{
    return is_any(def, (const char *const[]){"SCALAR", "ENUM", "INPUT_OBJECT"});
}
