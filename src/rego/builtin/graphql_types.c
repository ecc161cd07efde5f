/* What a schema's definitions must keep to: names, references, interfaces, directives. */
#include <stdarg.h>

#include "rego/builtin/graphql.h"

#define QUOTED(run, s) CS_FMT(quoted((run)->arena, (s)))

static cs_slice quoted(cs_arena *a, cs_slice s)
{
    cs_gql_text t = {.arena = a};
    cs_gql__put_quoted(&t, s);
    return cs_gql__view(&t);
}

static bool check_name(cs_gql_run *run, cs_gql_at at, cs_slice name)
{
    return !cs_slice_starts(name, CS_LIT("__")) ||
           cs_gql__fail(run, at,
                        "Name \"%.*s\" must not begin with \"__\", which is reserved by GraphQL introspection.",
                        CS_FMT(name));
}

static bool check_reference(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_type *type)
{
    cs_slice name = cs_gql__type_name(type);
    return cs_gql__type(s, name) || cs_gql__fail(run, type->at, "Undefined type %.*s.", CS_FMT(name));
}

/* ------------------------------------------------------------------------------------------------ directives */

static bool check_arguments_of(cs_gql_run *run, const cs_gql_directive *dir, const cs_gql_directive_definition *def)
{
    for (uint32_t i = 0; i < dir->arguments.n; i++) {
        const cs_gql_argument *arg = dir->arguments.v[i];
        if (!cs_gql__member(&def->arguments, arg->name)) {
            return cs_gql__fail(run, arg->at, "Undefined argument %.*s for directive %.*s.", CS_FMT(arg->name),
                                CS_FMT(dir->name));
        }
    }
    for (uint32_t i = 0; i < def->arguments.n; i++) {
        const cs_gql_member *wanted = def->arguments.v[i];
        if (!wanted->type->non_null || wanted->fallback) {
            continue;
        }
        const cs_gql_argument *arg = cs_gql__argument(&dir->arguments, wanted->name);
        if (!arg || arg->value->kind == CS_GQL_NULL) {
            return cs_gql__fail(run, dir->at, "Argument %.*s for directive %.*s cannot be null.", CS_FMT(wanted->name),
                                CS_FMT(dir->name));
        }
    }
    return cs_gql__spend(run, 1 + (uint64_t)def->arguments.n * dir->arguments.n * 2);
}

bool cs_gql__check_directives(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_directives *list, cs_slice location,
                              const cs_gql_directive_definition *own, bool once)
{
    cs_gql_table seen = list->n > 1 ? cs_gql__table(run->arena) : cs_undefined();
    for (uint32_t i = 0; i < list->n; i++) {
        cs_gql_directive *dir = list->v[i];
        if (!check_name(run, dir->at, dir->name)) {
            return false;
        }
        if (own && cs_slice_eq(dir->name, own->name)) {
            return cs_gql__fail(run, dir->at, "Directive %.*s cannot refer to itself.", CS_FMT(own->name));
        }
        const cs_gql_directive_definition *def = cs_gql__get(s->directives, dir->name);
        if (!def) {
            return cs_gql__fail(run, dir->at, "Undefined directive %.*s.", CS_FMT(dir->name));
        }
        if (once && list->n > 1) {
            if (!def->repeatable && cs_gql__get(seen, dir->name)) {
                return cs_gql__fail(run, dir->at, "The directive %.*s can only be used once at this location.",
                                    CS_FMT(dir->name));
            }
            cs_gql__set(run->arena, seen, dir->name, dir);
        }
        if (!cs_gql__has_text(&def->locations, location)) {
            return cs_gql__fail(run, dir->at, "Directive %.*s is not applicable on %.*s.", CS_FMT(dir->name),
                                CS_FMT(location));
        }
        if (!check_arguments_of(run, dir, def)) {
            return false;
        }
    }
    return true;
}

static bool check_arguments(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_members *list,
                            const cs_gql_directive_definition *own)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const cs_gql_member *arg = list->v[i];
        if (!check_name(run, arg->at, arg->name) || !check_reference(run, s, arg->type)) {
            return false;
        }
        const cs_gql_definition *def = cs_gql__type(s, cs_gql__type_name(arg->type));
        if (!cs_gql__is_input(def)) {
            return cs_gql__fail(run, arg->at, "cannot use %.*s as argument %.*s because %.*s is not a valid input type",
                                CS_FMT(cs_gql__type_text(run->arena, arg->type)), CS_FMT(arg->name), CS_FMT(def->kind));
        }
        if (!cs_gql__check_directives(run, s, &arg->directives, CS_LIT("ARGUMENT_DEFINITION"), own, true)) {
            return false;
        }
    }
    return true;
}

bool cs_gql__check_directive(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_directive_definition *def)
{
    return check_name(run, def->at, def->name) && check_arguments(run, s, &def->arguments, def);
}

/* ------------------------------------------------------------------------------------------------ interfaces */

static bool is_covariant(const cs_gql_schema *s, const cs_gql_type *required, const cs_gql_type *actual)
{
    if (required->non_null && !actual->non_null) {
        return false;
    }
    if (required->name.n == 0) {
        return required->element && actual->element && is_covariant(s, required->element, actual->element);
    }
    if (cs_slice_eq(required->name, actual->name)) {
        return true;
    }
    const cs_gql_definitions *list = cs_gql__possible(s, required->name);
    for (uint32_t i = 0; list && i < list->n; i++) {
        if (cs_slice_eq(list->v[i]->name, actual->name)) {
            return true;
        }
    }
    return false;
}

/* One field of the interface against the type's field of that name. */
static bool check_field_of(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def,
                           const cs_gql_definition *intf, const cs_gql_member *wanted)
{
    const cs_gql_member *found = cs_gql__field(def, wanted->name);
    if (!found) {
        return cs_gql__fail(run, def->at, "For %.*s to implement %.*s it must have a field called %.*s.",
                            CS_FMT(def->name), CS_FMT(intf->name), CS_FMT(wanted->name));
    }
    if (!is_covariant(s, wanted->type, found->type)) {
        return cs_gql__fail(run, found->at, "For %.*s to implement %.*s the field %.*s must have type %.*s.",
                            CS_FMT(def->name), CS_FMT(intf->name), CS_FMT(wanted->name),
                            CS_FMT(cs_gql__type_text(run->arena, wanted->type)));
    }
    for (uint32_t i = 0; i < wanted->arguments.n; i++) {
        const cs_gql_member *arg = wanted->arguments.v[i], *own = cs_gql__member(&found->arguments, arg->name);
        if (!own || !cs_gql__compatible(arg->type, own->type)) {
            return cs_gql__fail(run, own ? own->at : found->at,
                                "For %.*s to implement %.*s the field %.*s must have the same arguments but %s%.*s%s.",
                                CS_FMT(def->name), CS_FMT(intf->name), CS_FMT(wanted->name),
                                own ? "" : "it is missing ", CS_FMT(arg->name), own ? " has the wrong type" : "");
        }
    }
    for (uint32_t i = 0; i < found->arguments.n; i++) {
        const cs_gql_member *arg = found->arguments.v[i];
        if (arg->type->non_null && !arg->fallback && !cs_gql__member(&wanted->arguments, arg->name)) {
            return cs_gql__fail(run, arg->at,
                                "For %.*s to implement %.*s any additional arguments on %.*s must be optional or have "
                                "a default value but %.*s is required.",
                                CS_FMT(def->name), CS_FMT(intf->name), CS_FMT(found->name), CS_FMT(arg->name));
        }
    }
    return cs_gql__spend(run, 1 + (uint64_t)wanted->arguments.n * found->arguments.n * 2);
}

static bool check_interface(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def, cs_slice name)
{
    const cs_gql_definition *intf = cs_gql__type(s, name);
    if (!intf) {
        return cs_gql__fail(run, def->at, "Undefined type %.*s.", QUOTED(run, name));
    }
    if (!cs_slice_is(intf->kind, "INTERFACE")) {
        return cs_gql__fail(run, def->at, "%.*s is a non interface type %.*s.", QUOTED(run, name), CS_FMT(intf->kind));
    }
    for (uint32_t i = 0; i < intf->fields.n; i++) {
        if (!check_field_of(run, s, def, intf, intf->fields.v[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < intf->interfaces.n; i++) {
        cs_slice further = intf->interfaces.v[i];
        if (cs_gql__has_text(&def->interfaces, further)) {
            continue;
        }
        if (cs_slice_eq(further, def->name)) {
            return cs_gql__fail(run, def->at,
                                "Type %.*s cannot implement %.*s because it would create a circular reference.",
                                CS_FMT(def->name), CS_FMT(name));
        }
        return cs_gql__fail(run, def->at, "Type %.*s must implement %.*s because it is implemented by %.*s.",
                            CS_FMT(def->name), CS_FMT(further), CS_FMT(name));
    }
    return cs_gql__spend(run, 1 + (uint64_t)intf->interfaces.n * def->interfaces.n);
}

/* ------------------------------------------------------------------------------------------------ definitions */

static bool is_kind(cs_slice kind, const char *const *kinds)
{
    while (*kinds && !cs_slice_is(kind, *kinds)) {
        kinds++;
    }
    return *kinds != NULL;
}

static bool check_fields(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def)
{
    cs_slice location =
        cs_slice_is(def->kind, "INPUT_OBJECT") ? CS_LIT("INPUT_FIELD_DEFINITION") : CS_LIT("FIELD_DEFINITION");
    for (uint32_t i = 0; i < def->fields.n; i++) {
        const cs_gql_member *field = def->fields.v[i];
        if (!check_name(run, field->at, field->name) || !check_reference(run, s, field->type) ||
            !check_arguments(run, s, &field->arguments, NULL) ||
            !cs_gql__check_directives(run, s, &field->directives, location, NULL, true)) {
            return false;
        }
    }
    return true;
}

static bool check_union(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def)
{
    for (uint32_t i = 0; i < def->types.n; i++) {
        const cs_gql_definition *type = cs_gql__type(s, def->types.v[i]);
        if (!type) {
            return cs_gql__fail(run, def->at, "Undefined type %.*s.", QUOTED(run, def->types.v[i]));
        }
        if (!cs_slice_is(type->kind, "OBJECT")) {
            return cs_gql__fail(run, def->at, "%.*s type %.*s must be OBJECT.", CS_FMT(def->kind),
                                QUOTED(run, def->types.v[i]));
        }
    }
    return true;
}

/* Fields of objects and interfaces must not be input types, fields of input types nothing else. */
static bool check_object(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def, bool input)
{
    static const char *const output_kinds[] = {"SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", NULL};
    static const char *const input_kinds[] = {"SCALAR", "ENUM", "INPUT_OBJECT", NULL};
    if (def->fields.n == 0) {
        return cs_gql__fail(run, def->at, "%.*s %.*s: must define one or more %sfields.", CS_FMT(def->kind),
                            CS_FMT(def->name), input ? "input " : "");
    }
    for (uint32_t i = 0; i < def->fields.n; i++) {
        const cs_gql_member *field = def->fields.v[i];
        const cs_gql_definition *type = cs_gql__type(s, cs_gql__type_name(field->type));
        if (!type || is_kind(type->kind, input ? input_kinds : output_kinds)) {
            continue;
        }
        return input ? cs_gql__fail(run, field->at, "%.*s %.*s: field must be one of SCALAR, ENUM, INPUT_OBJECT.",
                                    CS_FMT(type->kind), CS_FMT(field->name))
                     : cs_gql__fail(run, field->at,
                                    "%.*s %.*s: field must be one of SCALAR, OBJECT, INTERFACE, UNION, ENUM.",
                                    CS_FMT(def->kind), CS_FMT(def->name));
    }
    return true;
}

static bool check_enum(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def)
{
    if (def->values.n == 0) {
        return cs_gql__fail(run, def->at, "%.*s %.*s: must define one or more unique enum values.", CS_FMT(def->kind),
                            CS_FMT(def->name));
    }
    for (uint32_t i = 0; i < def->values.n; i++) {
        const cs_gql_member *value = def->values.v[i];
        if (is_kind(value->name, (const char *const[]){"true", "false", "null", NULL})) {
            return cs_gql__fail(run, def->at, "%.*s %.*s: non-enum value %.*s.", CS_FMT(def->kind), CS_FMT(def->name),
                                CS_FMT(value->name));
        }
        if (!cs_gql__check_directives(run, s, &value->directives, CS_LIT("ENUM_VALUE"), NULL, true)) {
            return false;
        }
    }
    return true;
}

static bool check_kind(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def)
{
    if (cs_slice_is(def->kind, "OBJECT") || cs_slice_is(def->kind, "INTERFACE")) {
        return check_object(run, s, def, false);
    }
    if (cs_slice_is(def->kind, "INPUT_OBJECT")) {
        return check_object(run, s, def, true);
    }
    return !cs_slice_is(def->kind, "ENUM") || check_enum(run, s, def);
}

/* Of the names that occur again the one that occurs first: where it occurs the second time, or 0. */
static uint32_t repeated(cs_arena *a, uint32_t n, cs_slice (*name)(const cs_gql_definition *, uint32_t),
                         const cs_gql_definition *def)
{
    cs_value first = cs_object_new(a, n);
    uint32_t best = UINT32_MAX, at = 0;
    for (uint32_t i = 0; i < n; i++) {
        cs_value key = cs_gql__string(name(def, i));
        const cs_value *there = cs_object_get(first, key);
        if (!there) {
            cs_object_put(a, first, key, cs_int(i));
        } else if (there->u.i < best) {
            best = (uint32_t)there->u.i;
            at = i;
        }
    }
    return at;
}

static cs_slice field_name(const cs_gql_definition *def, uint32_t i)
{
    return def->fields.v[i]->name;
}
static cs_slice value_name(const cs_gql_definition *def, uint32_t i)
{
    return def->values.v[i]->name;
}
static cs_slice type_name(const cs_gql_definition *def, uint32_t i)
{
    return def->types.v[i];
}

static bool check_repetitions(cs_gql_run *run, const cs_gql_definition *def)
{
    uint32_t i = repeated(run->arena, def->fields.n, field_name, def);
    if (i) {
        return cs_gql__fail(run, def->fields.v[i]->at, "Field %.*s.%.*s can only be defined once.", CS_FMT(def->name),
                            CS_FMT(def->fields.v[i]->name));
    }
    i = repeated(run->arena, def->values.n, value_name, def);
    if (i) {
        return cs_gql__fail(run, def->values.v[i]->at, "Enum value %.*s.%.*s can only be defined once.",
                            CS_FMT(def->name), CS_FMT(def->values.v[i]->name));
    }
    i = repeated(run->arena, def->types.n, type_name, def);
    return i == 0 ||
           cs_gql__fail(run, def->type_at.n == def->types.n ? def->type_at.v[i] : def->at,
                        "Union type %.*s can only include type %.*s once.", CS_FMT(def->name), CS_FMT(def->types.v[i]));
}

bool cs_gql__check_definition(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def)
{
    if (!check_fields(run, s, def) || !check_union(run, s, def)) {
        return false;
    }
    for (uint32_t i = 0; i < def->interfaces.n; i++) {
        if (!check_interface(run, s, def, def->interfaces.v[i])) {
            return false;
        }
    }
    return check_kind(run, s, def) && check_repetitions(run, def) &&
           (def->built_in || check_name(run, def->at, def->name)) &&
           cs_gql__check_directives(run, s, &def->directives, def->kind, NULL, false);
}

/* ------------------------------------------------------------------------------------------------ input cycles */

typedef struct search {
    cs_gql_run *run;
    const cs_gql_schema *schema;
    cs_gql_table visited; /* definitions seen; */
    cs_value depth_of;    /* how many fields lead to a definition that is being searched, by its name */
    cs_gql_members path;
} search;

static bool cycle_error(search *f, const cs_gql_definition *type, uint32_t from)
{
    cs_gql_text names = {.arena = f->run->arena};
    for (uint32_t i = from; i < f->path.n; i++) {
        cs_gql__put(&names, i > from ? CS_LIT(".") : CS_LIT(""));
        cs_gql__put(&names, f->path.v[i]->name);
    }
    return cs_gql__fail(f->run, f->path.v[from]->at,
                        "Cannot reference Input Object %.*s within itself through a series of non-null fields: %.*s.",
                        QUOTED(f->run, type->name), QUOTED(f->run, cs_gql__view(&names)));
}

static bool search_cycle(search *f, cs_gql_definition *def)
{
    cs_arena *a = f->run->arena;
    if (cs_gql__get(f->visited, def->name)) {
        return true;
    }
    if (f->path.n >= CS_GQL_DEPTH) {
        return cs_gql__limit(&f->run->error, "the GraphQL schema's input types are nested too deeply");
    }
    cs_gql__set(a, f->visited, def->name, def);
    cs_object_put(a, f->depth_of, cs_gql__string(def->name), cs_int(f->path.n));
    for (uint32_t i = 0; i < def->fields.n; i++) {
        cs_gql_member *field = def->fields.v[i];
        cs_gql_definition *type = NULL;
        if (field->type->non_null && field->type->name.n) {
            type = cs_gql__type(f->schema, field->type->name);
        }
        if (!type || !cs_slice_is(type->kind, "INPUT_OBJECT")) {
            continue;
        }
        cs_gql__push(a, &f->path, field);
        const cs_value *on_path = cs_object_get(f->depth_of, cs_gql__string(type->name));
        if (on_path && on_path->u.i >= 0) {
            return cycle_error(f, type, (uint32_t)on_path->u.i);
        }
        if (!search_cycle(f, type)) {
            return false;
        }
        f->path.n--;
    }
    cs_object_put(a, f->depth_of, cs_gql__string(def->name), cs_int(-1));
    return true;
}

bool cs_gql__check_cycles(cs_gql_run *run, const cs_gql_schema *s)
{
    search f = {run, s, cs_gql__table(run->arena), cs_object_new(run->arena, 0), {0}};
    for (uint32_t i = 0; i < cs_count(s->types); i++) {
        cs_value item;
        (void)cs_entry(s->types, i, &item);
        cs_gql_definition *def = (cs_gql_definition *)(intptr_t)item.u.i;
        if (cs_slice_is(def->kind, "INPUT_OBJECT") && !search_cycle(&f, def)) {
            return false;
        }
    }
    return true;
}
