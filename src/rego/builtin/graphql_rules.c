/* The rules that look at one node, in the order of their names. */
#include "rego/builtin/graphql_walk.h"

typedef cs_gql_walk walk;

/* ------------------------------------------------------------------------------------------------ operations */

static cs_gql_definition *root_of(const walk *w, cs_slice operation)
{
    if (cs_slice_is(operation, "mutation")) {
        return w->schema->mutation;
    }
    return cs_slice_is(operation, "subscription") ? w->schema->subscription : w->schema->query;
}

static void check_unused_variables(walk *w, const cs_gql_operation *op)
{
    for (uint32_t i = 0; i < op->variables.n; i++) {
        const cs_gql_variable *v = op->variables.v[i];
        if (v->used) {
            continue;
        }
        if (op->name.n) {
            cs_gql__find(w, v->at, "Variable \"$%.*s\" is never used in operation \"%.*s\".", CS_FMT(v->name),
                         CS_FMT(op->name));
        } else {
            cs_gql__find(w, v->at, "Variable \"$%.*s\" is never used.", CS_FMT(v->name));
        }
    }
}

/* Counts a name; true when it occurs for the second time. */
static bool second_time(walk *w, cs_value counts, cs_slice name)
{
    const cs_value *known = cs_object_get(counts, cs_gql__string(name));
    int64_t n = known ? known->u.i : 0;
    cs_object_put(w->arena, counts, cs_gql__string(name), cs_int(n + 1));
    return n == 1;
}

static void check_variable_names(walk *w, const cs_gql_operation *op)
{
    cs_value counts = cs_object_new(w->arena, op->variables.n);
    for (uint32_t i = 0; i < op->variables.n; i++) {
        const cs_gql_variable *v = op->variables.v[i];
        if (second_time(w, counts, v->name)) {
            cs_gql__find(w, v->at, "There can be only one variable named \"$%.*s\".", CS_FMT(v->name));
        }
    }
}

void cs_gql__on_operation(cs_gql_walk *w, cs_gql_operation *op)
{
    if (!root_of(w, op->operation)) {
        cs_gql__find(w, op->at, "Schema does not support operation type \"%.*s\"", CS_FMT(op->operation));
    }
    if (op->name.n == 0 && w->query->operations.n > 1) {
        cs_gql__find(w, op->at, "This anonymous operation must be the only defined operation.");
    }
    check_unused_variables(w, op);
    cs_gql__check_overlap(w, &op->selections);
    cs_gql__check_subscription(w, op);
    if (cs_gql__get(w->operation_names, op->name)) {
        cs_gql__find(w, op->at, "There can be only one operation named \"%.*s\".", CS_FMT(op->name));
    }
    cs_gql__set(w->arena, w->operation_names, op->name, op);
    check_variable_names(w, op);
    for (uint32_t i = 0; i < op->variables.n; i++) {
        const cs_gql_variable *v = op->variables.v[i];
        if (v->definition && !cs_gql__is_input(v->definition)) {
            cs_gql__find(w, v->at, "Variable \"$%.*s\" cannot be non-input type \"%.*s\".", CS_FMT(v->name),
                         CS_FMT(cs_gql__type_text(w->arena, v->type)));
        }
    }
}

void cs_gql__on_variable(cs_gql_walk *w, cs_gql_variable *v)
{
    if (!v->definition) {
        cs_gql__find(w, v->at, "Unknown type \"%.*s\".", CS_FMT(cs_gql__type_name(v->type)));
    }
}

/* ------------------------------------------------------------------------------------------------ fragments */

void cs_gql__on_fragment(cs_gql_walk *w, cs_gql_fragment *f)
{
    if (f->definition && f->condition.n && !cs_gql__is_composite(f->definition)) {
        cs_gql__find(w, f->at, "Fragment \"%.*s\" cannot condition on non composite type \"%.*s\".", CS_FMT(f->name),
                     CS_FMT(f->condition));
    }
    if (!f->definition) {
        cs_gql_texts names = {0};
        for (uint32_t i = 0; i < cs_count(w->schema->types); i++) {
            cs_gql__push(w->arena, &names, cs_text(w->schema->types.u.table->keys[i]));
        }
        cs_gql__find(w, f->at, "Unknown type \"%.*s\".%.*s", CS_FMT(f->condition),
                     CS_FMT(cs_gql__suggest(w, "Did you mean", true, f->condition, &names)));
    }
    cs_gql__check_spread_cycles(w, f);
    w->in_fragments = true;
    if (!cs_gql__get(w->spread_names, f->name)) {
        cs_gql__find(w, f->at, "Fragment \"%.*s\" is never used.", CS_FMT(f->name));
    }
    cs_gql__check_overlap(w, &f->selections);
    if (cs_gql__get(w->fragment_names, f->name)) {
        cs_gql__find(w, f->at, "There can be only one fragment named \"%.*s\".", CS_FMT(f->name));
    }
    cs_gql__set(w->arena, w->fragment_names, f->name, f);
}

void cs_gql__on_inline(cs_gql_walk *w, cs_gql_selection *s)
{
    const cs_gql_definition *type = cs_gql__type(w->schema, s->condition);
    if (type && !cs_gql__is_composite(type)) {
        cs_gql__find(w, s->at, "Fragment cannot condition on non composite type \"%.*s\".", CS_FMT(s->condition));
    }
    if (s->condition.n && !type) {
        cs_gql__find(w, s->at, "Unknown type \"%.*s\".", CS_FMT(s->condition));
    }
    cs_gql__check_overlap(w, &s->selections);
    cs_gql__check_possible(w, s);
}

void cs_gql__on_spread(cs_gql_walk *w, cs_gql_selection *s)
{
    if (!s->fragment) {
        cs_gql__find(w, s->at, "Unknown fragment \"%.*s\".", CS_FMT(s->name));
    }
    if (!w->in_fragments) {
        cs_gql__set(w->arena, w->spread_names, s->name, s);
    }
    cs_gql__check_possible(w, s);
}

/* ------------------------------------------------------------------------------------------------ fields */

typedef struct usage {
    cs_slice name;
    uint32_t count; /* of an interface: how many possible types have it and the field */
} usage;

typedef CS_GQL_LIST(usage) usages;

static void count_usage(walk *w, usages *list, cs_slice name, uint32_t count)
{
    for (uint32_t i = 0; count && i < list->n; i++) {
        if (list->v[i].count && cs_slice_eq(list->v[i].name, name)) {
            list->v[i].count++;
            return;
        }
    }
    (void)cs_gql__spend(w->run, list->n);
    cs_gql__push(w->arena, list, ((usage){name, count}));
}

/* More often used first, then by name; insertion keeps the order of equals. */
static void sort_usages(usages *list)
{
    for (uint32_t i = 1; i < list->n; i++) {
        usage u = list->v[i];
        uint32_t k = i;
        for (; k > 0; k--) {
            const usage *before = &list->v[k - 1];
            bool later =
                before->count != u.count ? before->count < u.count : cs_slice_compare(before->name, u.name) > 0;
            if (!later) {
                break;
            }
            list->v[k] = *before;
        }
        list->v[k] = u;
    }
}

/* Types that have the field, for a parent that may be several types: interfaces first. */
static cs_gql_texts types_with(walk *w, const cs_gql_definition *parent, cs_slice field)
{
    usages interfaces = {0}, objects = {0};
    cs_gql_texts names = {0};
    const cs_gql_definitions *list = cs_gql__possible(w->schema, parent->name);
    bool abstract = cs_slice_is(parent->kind, "INTERFACE") || cs_slice_is(parent->kind, "UNION");
    for (uint32_t i = 0; abstract && list && i < list->n && cs_gql__spend(w->run, 1 + list->v[i]->fields.n); i++) {
        const cs_gql_definition *type = list->v[i];
        if (!cs_gql__field(type, field)) {
            continue;
        }
        cs_gql__push(w->arena, &objects, ((usage){type->name, 0}));
        for (uint32_t k = 0; k < type->interfaces.n && cs_gql__spend(w->run, 1); k++) {
            const cs_gql_definition *intf = cs_gql__type(w->schema, type->interfaces.v[k]);
            if (intf && cs_gql__field(intf, field)) {
                count_usage(w, &interfaces, intf->name, 1);
            }
        }
    }
    /* An object is counted under its own name as well: a name can be both. */
    cs_gql__append(w->arena, &interfaces, &objects);
    if (cs_gql__spend(w->run, (uint64_t)interfaces.n * interfaces.n)) {
        sort_usages(&interfaces);
    }
    for (uint32_t i = 0; i < interfaces.n; i++) {
        cs_gql__push(w->arena, &names, interfaces.v[i].name);
    }
    return names;
}

static void check_field_exists(walk *w, const cs_gql_selection *s)
{
    if (!s->parent || s->field) {
        return;
    }
    cs_gql_text advice = {.arena = w->arena};
    cs_gql_texts types = types_with(w, s->parent, s->name);
    if (types.n) {
        cs_gql__put(&advice, CS_LIT(" Did you mean to use an inline fragment on "));
        cs_gql__or_list(&advice, &types, true);
        cs_gql__put(&advice, CS_LIT("?"));
    } else if (cs_slice_is(s->parent->kind, "OBJECT") || cs_slice_is(s->parent->kind, "INTERFACE")) {
        cs_gql__put(&advice, cs_gql__suggest_members(w, "Did you mean", true, s->name, &s->parent->fields));
    }
    cs_gql__find(w, s->at, "Cannot query field \"%.*s\" on type \"%.*s\".%.*s", CS_FMT(s->name),
                 CS_FMT(s->parent->name), CS_FMT(cs_gql__view(&advice)));
}

static void check_known_arguments(walk *w, const cs_gql_selection *s)
{
    for (uint32_t i = 0; s->field && s->parent && i < s->arguments.n; i++) {
        cs_slice name = s->arguments.v[i]->name;
        if (cs_gql__spend(w->run, s->field->arguments.n) && !cs_gql__member(&s->field->arguments, name)) {
            cs_gql__find(w, s->at, "Unknown argument \"%.*s\" on field \"%.*s.%.*s\".%.*s", CS_FMT(name),
                         CS_FMT(s->parent->name), CS_FMT(s->name),
                         CS_FMT(cs_gql__suggest_members(w, "Did you mean", true, name, &s->field->arguments)));
        }
    }
}

/* The arguments that must be there and are not: `what` is 'Field "x"' or 'Directive "@x"'. */
static void check_required(walk *w, const cs_gql_members *wanted, const cs_gql_arguments *given, cs_gql_at at,
                           const char *what, cs_slice name)
{
    for (uint32_t i = 0; i < wanted->n && cs_gql__spend(w->run, given->n); i++) {
        const cs_gql_member *arg = wanted->v[i];
        if (arg->type->non_null && !arg->fallback && !cs_gql__argument(given, arg->name)) {
            cs_gql__find(w, at, "%s%.*s\" argument \"%.*s\" of type \"%.*s\" is required, but it was not provided.",
                         what, CS_FMT(name), CS_FMT(arg->name), CS_FMT(cs_gql__type_text(w->arena, arg->type)));
        }
    }
}

static void check_leaf(walk *w, const cs_gql_selection *s)
{
    const cs_gql_definition *type = s->field ? cs_gql__type(w->schema, cs_gql__type_name(s->field->type)) : NULL;
    if (!type) {
        return;
    }
    bool leaf = cs_slice_is(type->kind, "ENUM") || cs_slice_is(type->kind, "SCALAR");
    if (leaf && s->selections.n) {
        cs_gql__find(w, s->at, "Field \"%.*s\" must not have a selection since type \"%.*s\" has no subfields.",
                     CS_FMT(s->name), CS_FMT(type->name));
    }
    if (!leaf && s->selections.n == 0) {
        cs_gql__find(w, s->at,
                     "Field \"%.*s\" of type \"%.*s\" must have a selection of subfields. Did you mean "
                     "\"%.*s { ... }\"?",
                     CS_FMT(s->name), CS_FMT(cs_gql__type_text(w->arena, s->field->type)), CS_FMT(s->name));
    }
}

static void check_argument_names(walk *w, const cs_gql_arguments *list)
{
    cs_value counts = list->n > 1 ? cs_object_new(w->arena, list->n) : cs_undefined();
    for (uint32_t i = 0; list->n > 1 && i < list->n; i++) {
        if (second_time(w, counts, list->v[i]->name)) {
            cs_gql__find(w, list->v[i]->at, "There can be only one argument named \"%.*s\".", CS_FMT(list->v[i]->name));
        }
    }
}

void cs_gql__on_field(cs_gql_walk *w, cs_gql_selection *s)
{
    check_field_exists(w, s);
    check_known_arguments(w, s);
    if ((cs_slice_is(s->name, "__schema") || cs_slice_is(s->name, "__type")) && cs_gql__introspects_deeply(w, s)) {
        cs_gql__find(w, s->at, "Maximum introspection depth exceeded");
    }
    if (w->operation) {
        cs_gql__check_overlap(w, &s->selections);
    }
    if (s->field) {
        check_required(w, &s->field->arguments, &s->arguments, s->at, "Field \"", s->name);
    }
    check_leaf(w, s);
    check_argument_names(w, &s->arguments);
}

/* ------------------------------------------------------------------------------------------------ directives */

static void check_place(walk *w, const cs_gql_directive *dir)
{
    if (!dir->definition) {
        cs_gql__find(w, dir->at, "Unknown directive \"@%.*s\".", CS_FMT(dir->name));
        return;
    }
    if (cs_gql__has_text(&dir->definition->locations, dir->location)) {
        return;
    }
    /* A fragment's directives are met again wherever it is spread; one finding is enough. */
    cs_slice key;
    key.p = cs_arena_printf(w->arena, &key.n, "%u:%d:%.*s", dir->at.row, dir->at.col, CS_FMT(dir->name));
    if (!cs_gql__get(w->misplaced, key)) {
        cs_gql__find(w, dir->at, "Directive \"@%.*s\" may not be used on %.*s.", CS_FMT(dir->name),
                     CS_FMT(dir->location));
        cs_gql__set(w->arena, w->misplaced, key, dir->definition);
    }
}

void cs_gql__on_directive(cs_gql_walk *w, cs_gql_directive *dir)
{
    const cs_gql_directive_definition *def = dir->definition;
    for (uint32_t i = 0; def && i < dir->arguments.n && cs_gql__spend(w->run, def->arguments.n); i++) {
        cs_slice name = dir->arguments.v[i]->name;
        if (!cs_gql__member(&def->arguments, name)) {
            cs_gql__find(w, dir->at, "Unknown argument \"%.*s\" on directive \"@%.*s\".%.*s", CS_FMT(name),
                         CS_FMT(dir->name),
                         CS_FMT(cs_gql__suggest_members(w, "Did you mean", true, name, &def->arguments)));
        }
    }
    check_place(w, dir);
    if (def) {
        check_required(w, &def->arguments, &dir->arguments, dir->at, "Directive \"@", def->name);
    }
    check_argument_names(w, &dir->arguments);
}

void cs_gql__on_directives(cs_gql_walk *w, const cs_gql_directives *list)
{
    cs_gql_table seen = list->n > 1 ? cs_gql__table(w->arena) : cs_undefined();
    for (uint32_t i = 0; list->n > 1 && i < list->n; i++) {
        cs_gql_directive *dir = list->v[i];
        if (!(dir->definition && dir->definition->repeatable) && cs_gql__get(seen, dir->name)) {
            cs_gql__find(w, dir->at, "The directive \"@%.*s\" can only be used once at this location.",
                         CS_FMT(dir->name));
        }
        cs_gql__set(w->arena, seen, dir->name, dir);
    }
}
