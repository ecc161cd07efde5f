/* A schema out of a document: the built-in definitions added, extensions merged in, entry points found. The order of
 * the checks decides which error comes first, so it follows the library's. */
#include "rego/builtin/graphql.h"

#define INDEX_FROM 16U /* fewer fields are found faster by looking */

static bool add_definitions(cs_gql_run *run, cs_gql_schema *s, const cs_gql_definitions *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        cs_gql_definition *def = list->v[i];
        if (cs_gql__type(s, def->name)) {
            return cs_gql__fail(run, def->at, "Cannot redeclare type %.*s.", CS_FMT(def->name));
        }
        cs_gql__set(run->arena, s->types, def->name, def);
    }
    return true;
}

static bool extend(cs_gql_run *run, cs_gql_schema *s, const cs_gql_definitions *extensions, cs_gql_definitions *all)
{
    cs_arena *a = run->arena;
    for (uint32_t i = 0; i < extensions->n; i++) {
        const cs_gql_definition *ext = extensions->v[i];
        cs_gql_definition *def = cs_gql__type(s, ext->name);
        if (!def) {
            def = cs_arena_new(a, cs_gql_definition);
            def->kind = ext->kind;
            def->name = ext->name;
            def->at = ext->at;
            cs_gql__set(a, s->types, def->name, def);
            cs_gql__push(a, all, def);
        }
        if (!cs_slice_eq(def->kind, ext->kind)) {
            return cs_gql__fail(run, ext->at, "Cannot extend type %.*s because the base type is a %.*s, not %.*s.",
                                CS_FMT(ext->name), CS_FMT(def->kind), CS_FMT(ext->kind));
        }
        cs_gql__append(a, &def->directives, &ext->directives);
        cs_gql__append(a, &def->interfaces, &ext->interfaces);
        cs_gql__append(a, &def->fields, &ext->fields);
        cs_gql__append(a, &def->types, &ext->types);
        cs_gql__append(a, &def->type_at, &ext->type_at);
        cs_gql__append(a, &def->values, &ext->values);
    }
    return true;
}

static void add_possible(cs_arena *a, cs_gql_schema *s, cs_slice name, cs_gql_definition *def)
{
    cs_gql_definitions *list = cs_gql__possible(s, name);
    if (!list) {
        list = cs_arena_new(a, cs_gql_definitions);
        cs_gql__set(a, s->possible, name, list);
    }
    if (def) {
        cs_gql__push(a, list, def);
    }
}

/* What abstract types may be, and the indexes of fields. */
static void relate(cs_arena *a, cs_gql_schema *s, const cs_gql_definitions *all)
{
    for (uint32_t i = 0; i < all->n; i++) {
        cs_gql_definition *def = all->v[i];
        bool object = cs_slice_is(def->kind, "OBJECT") || cs_slice_is(def->kind, "INPUT_OBJECT");
        for (uint32_t k = 0; cs_slice_is(def->kind, "UNION") && k < def->types.n; k++) {
            add_possible(a, s, def->name, cs_gql__type(s, def->types.v[k]));
        }
        for (uint32_t k = 0; (object || cs_slice_is(def->kind, "INTERFACE")) && k < def->interfaces.n; k++) {
            add_possible(a, s, def->interfaces.v[k], def);
        }
        if (object) {
            add_possible(a, s, def->name, def);
        }
        if (def->fields.n >= INDEX_FROM) {
            def->index = cs_gql__table(a);
            for (uint32_t k = def->fields.n; k > 0; k--) {
                cs_gql__set(a, def->index, def->fields.v[k - 1]->name, def->fields.v[k - 1]); /* the first one stays */
            }
        }
    }
}

static bool may_be_redeclared(cs_slice directive)
{
    static const char *const names[] = {"include", "skip", "deprecated", "specifiedBy", "defer", "oneOf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cs_slice_is(directive, names[i])) {
            return true;
        }
    }
    return false;
}

static bool add_directives(cs_gql_run *run, cs_gql_schema *s, const cs_gql_directive_definitions *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        cs_gql_directive_definition *def = list->v[i];
        if (cs_gql__get(s->directives, def->name) && !may_be_redeclared(def->name)) {
            return cs_gql__fail(run, def->at, "Cannot redeclare directive %.*s.", CS_FMT(def->name));
        }
        cs_gql__set(run->arena, s->directives, def->name, def);
    }
    return true;
}

/* Entry points and directives of one "schema { }" or of its extension. */
static bool add_roots(cs_gql_run *run, cs_gql_schema *s, const cs_gql_schema_definition *def)
{
    for (uint32_t i = 0; i < def->roots.n; i++) {
        const cs_gql_root *root = def->roots.v[i];
        cs_gql_definition *type = cs_gql__type(s, root->type);
        if (!type) {
            return cs_gql__fail(run, root->at, "Schema root %.*s refers to a type %.*s that does not exist.",
                                CS_FMT(root->operation), CS_FMT(root->type));
        }
        if (cs_slice_is(root->operation, "query")) {
            s->query = type;
        } else if (cs_slice_is(root->operation, "mutation")) {
            s->mutation = type;
        } else if (cs_slice_is(root->operation, "subscription")) {
            s->subscription = type;
        }
    }
    return cs_gql__check_directives(run, s, &def->directives, CS_LIT("SCHEMA"), NULL, true);
}

static bool add_schemas(cs_gql_run *run, cs_gql_schema *s, const cs_gql_document *document)
{
    if (document->schema.n > 1) {
        return cs_gql__fail(run, document->schema.v[1]->at,
                            "Cannot have multiple schema entry points, consider schema extensions instead.");
    }
    if (document->schema.n && !add_roots(run, s, document->schema.v[0])) {
        return false;
    }
    for (uint32_t i = 0; i < document->schema_extensions.n; i++) {
        if (!add_roots(run, s, document->schema_extensions.v[i])) {
            return false;
        }
    }
    return true;
}

/* By name. */
static bool check_all(cs_gql_run *run, cs_gql_schema *s)
{
    cs_value item;
    for (uint32_t i = 0; i < cs_count(s->types); i++) {
        (void)cs_entry(s->types, i, &item);
        if (!cs_gql__check_definition(run, s, (cs_gql_definition *)(intptr_t)item.u.i)) {
            return false;
        }
    }
    if (!cs_gql__check_cycles(run, s)) {
        return false;
    }
    for (uint32_t i = 0; i < cs_count(s->directives); i++) {
        (void)cs_entry(s->directives, i, &item);
        if (!cs_gql__check_directive(run, s, (cs_gql_directive_definition *)(intptr_t)item.u.i)) {
            return false;
        }
    }
    return true;
}

static cs_gql_type *named_type(cs_arena *a, cs_slice name, bool non_null)
{
    cs_gql_type *type = cs_arena_new(a, cs_gql_type);
    type->name = name;
    type->non_null = non_null;
    return type;
}

static cs_gql_member *new_member(cs_arena *a, cs_slice name, cs_gql_type *type)
{
    cs_gql_member *m = cs_arena_new(a, cs_gql_member);
    m->name = name;
    m->type = type;
    return m;
}

/* Without a definition of the schema the usual names are entry points; introspection is a part of every query type. */
static void find_roots(cs_arena *a, cs_gql_schema *s, bool usual)
{
    if (usual) {
        s->query = s->query ? s->query : cs_gql__type(s, CS_LIT("Query"));
        s->mutation = s->mutation ? s->mutation : cs_gql__type(s, CS_LIT("Mutation"));
        s->subscription = s->subscription ? s->subscription : cs_gql__type(s, CS_LIT("Subscription"));
    }
    if (!s->query) {
        return;
    }
    cs_gql_member *type = new_member(a, CS_LIT("__type"), named_type(a, CS_LIT("__Type"), false));
    cs_gql__push(a, &type->arguments, new_member(a, CS_LIT("name"), named_type(a, CS_LIT("String"), true)));
    cs_gql_member *own[] = {new_member(a, CS_LIT("__schema"), named_type(a, CS_LIT("__Schema"), true)), type};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        cs_gql__push(a, &s->query->fields, own[i]);
        if (!cs_is_undefined(s->query->index)) {
            cs_gql__set(a, s->query->index, own[i]->name, own[i]);
        }
    }
}

bool cs_gql__build(cs_gql_run *run, cs_gql_document *document, cs_gql_schema **out)
{
    cs_arena *a = run->arena;
    cs_gql_document *whole;
    if (!cs_gql__read_schema(run, cs_slice_of(cs_gql__prelude), true, &whole)) {
        return false;
    }
    cs_gql__append(a, &whole->definitions, &document->definitions);
    cs_gql__append(a, &whole->directives, &document->directives);
    cs_gql_schema *s = cs_arena_new(a, cs_gql_schema);
    s->types = cs_gql__table(a);
    s->directives = cs_gql__table(a);
    s->possible = cs_gql__table(a);
    if (!add_definitions(run, s, &whole->definitions) || !extend(run, s, &document->extensions, &whole->definitions)) {
        return false;
    }
    relate(a, s, &whole->definitions);
    if (!add_directives(run, s, &whole->directives) || !add_schemas(run, s, document) || !check_all(run, s)) {
        return false;
    }
    find_roots(a, s, document->schema.n == 0);
    *out = s;
    return true;
}
