/* The rules about values: variables, input objects, and whether a value is one of the wanted type. */
#include <math.h>
#include <stdlib.h>

#include "rego/builtin/graphql_walk.h"

typedef cs_gql_walk walk;

static bool is_one_of(const cs_gql_definition *def, const char *const *names)
{
    while (*names && !cs_slice_is(def->name, *names)) {
        names++;
    }
    return *names != NULL;
}
#define ONE_OF(def, ...) is_one_of((def), (const char *const[]){__VA_ARGS__, NULL})

/* ------------------------------------------------------------------------------------------------ wrong types */

/* Is it a whole number, and too large for 32 bits? As Go's ParseInt finds out: from the left, stopping early. */
static bool beyond_32_bits(cs_slice raw)
{
    bool negative = raw.n && raw.p[0] == '-';
    size_t i = raw.n && (raw.p[0] == '-' || raw.p[0] == '+');
    uint64_t n = 0;
    if (i == raw.n) {
        return false;
    }
    for (; i < raw.n; i++) {
        if (raw.p[i] < '0' || raw.p[i] > '9') {
            return false;
        }
        n = n * 10 + (uint64_t)(raw.p[i] - '0');
        if (n > UINT32_MAX) {
            return true;
        }
    }
    return n > (uint64_t)INT32_MAX + negative;
}

static void wrong_type(walk *w, const cs_gql_value *v, cs_slice advice)
{
    cs_slice type = cs_gql__type_text(w->arena, v->expected), text = cs_gql__value_text(w->arena, v);
    cs_slice bare = cs_slice_sub(type, 0, type.n - (type.n && type.p[type.n - 1] == '!'));
    static const struct {
        const char *type;
        const char *says;
    } known[] = {{"String", "String cannot represent a non string value"},
                 {"Boolean", "Boolean cannot represent a non boolean value"},
                 {"Float", "Float cannot represent non numeric value"},
                 {"ID", "ID cannot represent a non-string and non-integer value"}};
    if (cs_slice_is(bare, "Int")) {
        cs_gql__find(w, v->at, "Int cannot represent %s value: %.*s%.*s",
                     beyond_32_bits(v->raw) ? "non 32-bit signed integer" : "non-integer", CS_FMT(text),
                     CS_FMT(advice));
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (cs_slice_is(bare, known[i].type) || (i == 0 && cs_slice_is(type, "[String]"))) {
            cs_gql__find(w, v->at, "%s: %.*s%.*s", known[i].says, CS_FMT(text), CS_FMT(advice));
            return;
        }
    }
    if (cs_slice_is(v->definition->kind, "ENUM")) {
        cs_gql__find(w, v->at, "Enum \"%.*s\" cannot represent non-enum value: %.*s.%.*s", CS_FMT(type), CS_FMT(text),
                     CS_FMT(advice));
    } else {
        cs_gql__find(w, v->at, "Expected value of type \"%.*s\", found %.*s.%.*s", CS_FMT(type), CS_FMT(text),
                     CS_FMT(advice));
    }
}

/* Does the text of a number, here or inside, fit into what Go would hold it in? */
static bool has_value(walk *w, const cs_gql_value *v)
{
    int64_t n;
    char *end;
    if (!cs_gql__spend(w->run, 1)) {
        return true;
    }
    if (v->kind == CS_GQL_INT) {
        return cs_slice_i64(v->raw, &n);
    }
    if (v->kind == CS_GQL_FLOAT) {
        return !isinf(strtod(cs_arena_dup(w->arena, v->raw.p, v->raw.n), &end));
    }
    if (v->kind == CS_GQL_VARIABLE) {
        return !v->variable || !v->variable->fallback || has_value(w, v->variable->fallback);
    }
    for (uint32_t i = 0; i < v->children.n; i++) {
        if (!has_value(w, v->children.v[i]->value)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ objects, enums */

static void check_one_of(walk *w, const cs_gql_value *v)
{
    const cs_gql_definition *def = v->definition;
    if (v->children.n != 1) {
        cs_gql__find(w, v->at, "OneOf Input Object \"%.*s\" must specify exactly one key.", CS_FMT(def->name));
    } else if (v->children.v[0]->value->kind == CS_GQL_NULL && def->fields.n) {
        cs_gql__find(w, v->children.v[0]->value->at, "Field \"%.*s.%.*s\" must be non-null.", CS_FMT(def->name),
                     CS_FMT(def->fields.v[0]->name));
    }
}

static const cs_gql_child *child_of(const cs_gql_value *v, cs_slice name)
{
    for (uint32_t i = 0; i < v->children.n; i++) {
        if (cs_slice_eq(v->children.v[i]->name, name)) {
            return v->children.v[i];
        }
    }
    return NULL;
}

static void check_object(walk *w, const cs_gql_value *v)
{
    const cs_gql_definition *def = v->definition;
    for (uint32_t i = 0; i < def->fields.n && cs_gql__spend(w->run, v->children.n); i++) {
        const cs_gql_member *field = def->fields.v[i];
        if (field->type->non_null && !field->fallback && !child_of(v, field->name)) {
            cs_gql__find(w, v->at, "Field \"%.*s.%.*s\" of required type \"%.*s\" was not provided.", CS_FMT(def->name),
                         CS_FMT(field->name), CS_FMT(cs_gql__type_text(w->arena, field->type)));
        }
    }
    for (uint32_t i = 0; i < def->directives.n; i++) {
        if (cs_slice_is(def->directives.v[i]->name, "oneOf")) {
            check_one_of(w, v);
        }
    }
    for (uint32_t i = 0; i < v->children.n && cs_gql__spend(w->run, 1); i++) {
        const cs_gql_child *child = v->children.v[i];
        if (!cs_gql__field(def, child->name)) {
            cs_gql__find(w, child->at, "Field \"%.*s\" is not defined by type \"%.*s\".%.*s", CS_FMT(child->name),
                         CS_FMT(def->name),
                         CS_FMT(cs_gql__suggest_members(w, "Did you mean", true, child->name, &def->fields)));
        }
    }
}

static void check_enum(walk *w, const cs_gql_value *v)
{
    const cs_gql_definition *def = v->definition;
    if (!cs_slice_is(def->kind, "ENUM")) {
        wrong_type(w, v, CS_LIT(""));
    } else if (cs_gql__spend(w->run, def->values.n) && !cs_gql__member(&def->values, v->raw)) {
        cs_gql__find(w, v->at, "Value \"%.*s\" does not exist in \"%.*s\" enum.%.*s",
                     CS_FMT(cs_gql__value_text(w->arena, v)), CS_FMT(cs_gql__type_text(w->arena, v->expected)),
                     CS_FMT(cs_gql__suggest_members(w, "Did you mean the enum value", true, v->raw, &def->values)));
    }
}

static void check_string(walk *w, const cs_gql_value *v)
{
    const cs_gql_definition *def = v->definition;
    if (cs_slice_is(def->kind, "ENUM")) {
        cs_gql__find(w, v->at, "Enum \"%.*s\" cannot represent non-enum value: %.*s.%.*s",
                     CS_FMT(cs_gql__type_text(w->arena, v->expected)), CS_FMT(cs_gql__value_text(w->arena, v)),
                     CS_FMT(cs_gql__suggest_members(w, "Did you mean the enum value", true, v->raw, &def->values)));
    } else if (!ONE_OF(def, "String", "ID")) {
        wrong_type(w, v, CS_LIT(""));
    }
}

static void check_type(walk *w, const cs_gql_value *v)
{
    const cs_gql_definition *def = v->definition;
    if (!def || !v->expected) {
        return;
    }
    if (v->kind == CS_GQL_NULL && v->expected->non_null) {
        cs_gql__find(w, v->at, "Expected value of type \"%.*s\", found %.*s.",
                     CS_FMT(cs_gql__type_text(w->arena, v->expected)), CS_FMT(cs_gql__value_text(w->arena, v)));
    }
    if (cs_slice_is(def->kind, "SCALAR") && !ONE_OF(def, "Int", "Float", "String", "Boolean", "ID")) {
        return; /* nobody knows what a scalar of their own looks like */
    }
    if (!has_value(w, v)) {
        wrong_type(w, v, CS_LIT(""));
    }
    bool wrong = (v->kind == CS_GQL_LIST_VALUE && !v->expected->element) ||
                 (v->kind == CS_GQL_INT && !ONE_OF(def, "Int", "Float", "ID")) ||
                 (v->kind == CS_GQL_FLOAT && !ONE_OF(def, "Float")) ||
                 (v->kind == CS_GQL_BOOLEAN && !ONE_OF(def, "Boolean"));
    if (wrong) {
        wrong_type(w, v, CS_LIT(""));
    } else if (v->kind == CS_GQL_STRING || v->kind == CS_GQL_BLOCK) {
        check_string(w, v);
    } else if (v->kind == CS_GQL_ENUM) {
        check_enum(w, v);
    } else if (v->kind == CS_GQL_OBJECT_VALUE) {
        check_object(w, v);
    }
}

/* ------------------------------------------------------------------------------------------------ variables */

static void check_defined(walk *w, const cs_gql_value *v)
{
    if (!w->operation || v->variable) {
        return;
    }
    if (w->operation->name.n) {
        cs_gql__find(w, v->at, "Variable \"$%.*s\" is not defined by operation \"%.*s\".", CS_FMT(v->raw),
                     CS_FMT(w->operation->name));
    } else {
        cs_gql__find(w, v->at, "Variable \"$%.*s\" is not defined.", CS_FMT(v->raw));
    }
}

/* A default, of the variable or of the place, may stand in for null. */
static void check_position(walk *w, const cs_gql_value *v)
{
    if (!v->expected || !v->variable || !w->operation) {
        return;
    }
    cs_gql_type wanted = *v->expected;
    const cs_gql_value *fallback = v->variable->fallback;
    if ((fallback && fallback->kind != CS_GQL_NULL) || v->expected_has_default) {
        wanted.non_null = false;
    }
    if (!cs_gql__compatible(v->variable->type, &wanted)) {
        cs_gql__find(w, v->at, "Variable \"$%.*s\" of type \"%.*s\" used in position expecting type \"%.*s\".",
                     CS_FMT(v->raw), CS_FMT(cs_gql__type_text(w->arena, v->variable->type)),
                     CS_FMT(cs_gql__type_text(w->arena, v->expected)));
    }
}

static void check_one_of_variables(walk *w, const cs_gql_value *v)
{
    const cs_gql_definition *def = v->definition;
    bool one_of = false;
    for (uint32_t i = 0; def && i < def->directives.n; i++) {
        one_of = one_of || cs_slice_is(def->directives.v[i]->name, "oneOf");
    }
    for (uint32_t i = 0; one_of && i < v->children.n; i++) {
        const cs_gql_value *child = v->children.v[i]->value;
        if (child->kind == CS_GQL_VARIABLE && child->variable && !child->variable->type->non_null) {
            cs_gql__find(w, child->variable->at,
                         "Variable \"$%.*s\" is of type \"%.*s\" but must be non-nullable to be used for OneOf Input "
                         "Object \"%.*s\".",
                         CS_FMT(child->raw), CS_FMT(cs_gql__type_text(w->arena, child->variable->type)),
                         CS_FMT(def->name));
        }
    }
}

static void check_field_names(walk *w, const cs_gql_value *v)
{
    cs_gql_table seen = v->children.n > 1 ? cs_gql__table(w->arena) : cs_undefined();
    for (uint32_t i = 0; v->children.n > 1 && i < v->children.n; i++) {
        cs_gql_child *child = v->children.v[i];
        if (cs_gql__get(seen, child->name)) {
            cs_gql__find(w, child->at, "There can be only one input field named \"%.*s\".", CS_FMT(child->name));
        }
        cs_gql__set(w->arena, seen, child->name, child);
    }
}

void cs_gql__on_value(cs_gql_walk *w, cs_gql_value *v)
{
    if (v->kind == CS_GQL_VARIABLE) {
        check_defined(w, v);
    } else if (v->kind == CS_GQL_OBJECT_VALUE) {
        check_field_names(w, v);
    }
    check_type(w, v);
    if (v->kind == CS_GQL_VARIABLE) {
        check_position(w, v);
    } else if (v->kind == CS_GQL_OBJECT_VALUE) {
        check_one_of_variables(w, v);
    }
}
