/* Walks a query: what each name means is written into the tree, and the rules see each node behind its children. */
#include "rego/builtin/graphql_walk.h"

#include <stdarg.h>
#include <stdio.h>

typedef cs_gql_walk walk;

void cs_gql__find(cs_gql_walk *w, cs_gql_at at, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX], place[64] = "";
    if (w->findings.n > CS_ERROR_TEXT_MAX) {
        return; /* nobody sees more of it */
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (at.row) {
        (void)snprintf(place, sizeof place, ":%u:%d", at.row, at.col);
    }
    if (w->found) {
        cs_gql__put(&w->findings, CS_LIT("input"));
        cs_gql__put(&w->findings, cs_slice_of(place));
        cs_gql__put(&w->findings, CS_LIT(": "));
    } else {
        w->first = at;
        w->found = true;
    }
    cs_gql__put(&w->findings, cs_slice_of(text));
    cs_gql__put(&w->findings, CS_LIT("\n"));
}

/* Deeper by one level of the tree. */
static bool enter(walk *w)
{
    if (++w->depth > CS_GQL_WALK_DEPTH) {
        return cs_gql__limit(&w->run->error, "the GraphQL query is nested too deeply");
    }
    return cs_gql__spend(w->run, 1);
}

/* ------------------------------------------------------------------------------------------------ values */

static cs_gql_definition *type_of(const walk *w, const cs_gql_type *type)
{
    return cs_gql__type(w->schema, cs_gql__type_name(type));
}

static void expect(const walk *w, cs_gql_value *v, cs_gql_type *type, const cs_gql_value *fallback)
{
    v->expected = type;
    v->expected_has_default = fallback && fallback->kind != CS_GQL_NULL;
    v->definition = type_of(w, type);
}

static cs_gql_variable *variable_of(const cs_gql_operation *op, cs_slice name)
{
    for (uint32_t i = 0; i < op->variables.n; i++) {
        if (cs_slice_eq(op->variables.v[i]->name, name)) {
            return op->variables.v[i];
        }
    }
    return NULL;
}

static void walk_value(walk *w, cs_gql_value *v)
{
    if (!enter(w)) {
        return;
    }
    if (v->kind == CS_GQL_VARIABLE && w->operation) {
        (void)cs_gql__spend(w->run, w->operation->variables.n);
        v->variable = variable_of(w->operation, v->raw);
        if (v->variable) {
            v->variable->used = true;
        }
    }
    for (uint32_t i = 0; i < v->children.n && !cs_gql__stopped(w); i++) {
        cs_gql_child *child = v->children.v[i];
        if (v->kind == CS_GQL_OBJECT_VALUE && v->definition) {
            (void)cs_gql__spend(w->run, cs_is_undefined(v->definition->index) ? v->definition->fields.n : 1);
            cs_gql_member *field = cs_gql__field(v->definition, child->name);
            if (field && field->type) {
                expect(w, child->value, field->type, field->fallback);
            }
        } else if (v->kind == CS_GQL_LIST_VALUE && v->expected && v->expected->element) {
            child->value->expected = v->expected->element;
            child->value->definition = v->definition;
        }
        if (v->kind == CS_GQL_OBJECT_VALUE || v->kind == CS_GQL_LIST_VALUE) {
            walk_value(w, child->value);
        }
    }
    if (!cs_gql__stopped(w)) {
        cs_gql__on_value(w, v);
    }
    w->depth--;
}

static void walk_arguments(walk *w, const cs_gql_arguments *list, const cs_gql_members *definitions)
{
    for (uint32_t i = 0; i < list->n && !cs_gql__stopped(w); i++) {
        cs_gql_argument *arg = list->v[i];
        cs_gql_member *def = definitions ? cs_gql__member(definitions, arg->name) : NULL;
        (void)cs_gql__spend(w->run, definitions ? definitions->n : 1);
        if (def) {
            expect(w, arg->value, def->type, def->fallback);
        }
        walk_value(w, arg->value);
    }
}

static void walk_directives(walk *w, cs_gql_definition *parent, const cs_gql_directives *list, cs_slice location)
{
    for (uint32_t i = 0; i < list->n && !cs_gql__stopped(w); i++) {
        cs_gql_directive *dir = list->v[i];
        dir->definition = cs_gql__get(w->schema->directives, dir->name);
        dir->parent = parent;
        dir->location = location;
        walk_arguments(w, &dir->arguments, dir->definition ? &dir->definition->arguments : NULL);
        cs_gql__on_directive(w, dir);
    }
    cs_gql__on_directives(w, list);
}

/* ------------------------------------------------------------------------------------------------ selections */

static void walk_selections(walk *w, cs_gql_definition *parent, const cs_gql_selections *list);

static const cs_gql_member *typename_field(void)
{
    static cs_gql_type type = {.name = {"String", 6}};
    static cs_gql_member field = {.name = {"__typename", 10}, .type = &type};
    return &field;
}

static void walk_field(walk *w, cs_gql_definition *parent, cs_gql_selection *s)
{
    cs_gql_member *def = NULL;
    if (cs_slice_is(s->name, "__typename")) {
        def = (cs_gql_member *)(uintptr_t)typename_field(); /* nobody writes to it */
    } else if (parent) {
        (void)cs_gql__spend(w->run, cs_is_undefined(parent->index) ? parent->fields.n : 1);
        def = cs_gql__field(parent, s->name);
    }
    s->field = def;
    s->parent = parent;
    cs_gql_definition *next = def ? type_of(w, def->type) : NULL;
    walk_arguments(w, &s->arguments, def ? &def->arguments : NULL);
    walk_directives(w, next, &s->directives, CS_LIT("FIELD"));
    walk_selections(w, next, &s->selections);
    if (!cs_gql__stopped(w)) {
        cs_gql__on_field(w, s);
    }
}

static void walk_inline(walk *w, cs_gql_definition *parent, cs_gql_selection *s)
{
    s->parent = parent;
    cs_gql_definition *next = s->condition.n ? cs_gql__type(w->schema, s->condition) : parent;
    walk_directives(w, next, &s->directives, CS_LIT("INLINE_FRAGMENT"));
    walk_selections(w, next, &s->selections);
    if (!cs_gql__stopped(w)) {
        cs_gql__on_inline(w, s);
    }
}

static void walk_spread(walk *w, cs_gql_definition *parent, cs_gql_selection *s)
{
    cs_gql_fragment *f = cs_gql__get(w->fragments, s->name);
    s->fragment = f;
    s->parent = parent;
    cs_gql_definition *next = f ? cs_gql__type(w->schema, f->condition) : NULL;
    walk_directives(w, next, &s->directives, CS_LIT("FRAGMENT_SPREAD"));
    if (f && !cs_gql__get(w->entered, f->name)) {
        cs_gql__set(w->arena, w->entered, f->name, f);
        walk_directives(w, next, &f->directives, CS_LIT("FRAGMENT_DEFINITION"));
        walk_selections(w, next, &f->selections);
    }
    if (!cs_gql__stopped(w)) {
        cs_gql__on_spread(w, s);
    }
}

static void walk_selections(walk *w, cs_gql_definition *parent, const cs_gql_selections *list)
{
    for (uint32_t i = 0; i < list->n && !cs_gql__stopped(w); i++) {
        cs_gql_selection *s = list->v[i];
        if (!enter(w)) {
            return;
        }
        if (s->what == CS_GQL_FIELD) {
            walk_field(w, parent, s);
        } else if (s->what == CS_GQL_INLINE) {
            walk_inline(w, parent, s);
        } else {
            walk_spread(w, parent, s);
        }
        w->depth--;
    }
}

/* ------------------------------------------------------------------------------------------------ documents */

static void walk_operation(walk *w, cs_gql_operation *op)
{
    w->operation = op;
    for (uint32_t i = 0; i < op->variables.n; i++) {
        cs_gql_variable *v = op->variables.v[i];
        v->definition = type_of(w, v->type);
        cs_gql__on_variable(w, v);
        if (v->fallback) {
            v->fallback->expected = v->type;
            v->fallback->definition = v->definition;
        }
    }
    cs_gql_definition *def = NULL;
    cs_slice location = CS_LIT("");
    if (op->operation.n == 0 || cs_slice_is(op->operation, "query")) {
        def = w->schema->query;
        location = CS_LIT("QUERY");
    } else if (cs_slice_is(op->operation, "mutation")) {
        def = w->schema->mutation;
        location = CS_LIT("MUTATION");
    } else if (cs_slice_is(op->operation, "subscription")) {
        def = w->schema->subscription;
        location = CS_LIT("SUBSCRIPTION");
    }
    for (uint32_t i = 0; i < op->variables.n && !cs_gql__stopped(w); i++) {
        cs_gql_variable *v = op->variables.v[i];
        if (v->fallback) {
            walk_value(w, v->fallback);
        }
        walk_directives(w, v->definition, &v->directives, CS_LIT("VARIABLE_DEFINITION"));
    }
    walk_directives(w, def, &op->directives, location);
    walk_selections(w, def, &op->selections);
    if (!cs_gql__stopped(w)) {
        cs_gql__on_operation(w, op);
    }
    w->operation = NULL;
}

static void walk_fragment(walk *w, cs_gql_fragment *f)
{
    cs_gql_definition *def = cs_gql__type(w->schema, f->condition);
    f->definition = def;
    walk_directives(w, def, &f->directives, CS_LIT("FRAGMENT_DEFINITION"));
    walk_selections(w, def, &f->selections);
    if (!cs_gql__stopped(w)) {
        cs_gql__on_fragment(w, f);
    }
}

static void walk_query(walk *w)
{
    for (uint32_t i = 0; i < w->query->operations.n && !cs_gql__stopped(w); i++) {
        w->entered = cs_gql__table(w->arena);
        walk_operation(w, w->query->operations.v[i]);
    }
    for (uint32_t i = 0; i < w->query->fragments.n && !cs_gql__stopped(w); i++) {
        w->entered = cs_gql__table(w->arena);
        walk_fragment(w, w->query->fragments.v[i]);
    }
}

bool cs_gql__validate(cs_gql_run *run, const cs_gql_schema *schema, cs_gql_query *query)
{
    cs_arena *a = run->arena;
    walk w = {.run = run, .arena = a, .schema = schema, .query = query, .findings = {.arena = a}};
    cs_gql_table *tables[] = {&w.fragments,       &w.spread_names, &w.fragment_names, &w.cycle_visited,
                              &w.operation_names, &w.misplaced,    &w.overlap.pairs,  &w.overlap.compared};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        *tables[i] = cs_gql__table(a);
    }
    for (uint32_t i = query->fragments.n; i > 0; i--) {
        cs_gql__set(a, w.fragments, query->fragments.v[i - 1]->name,
                    query->fragments.v[i - 1]); /* the first one stays */
    }
    walk_query(&w);
    if (cs_gql__stopped(&w)) {
        return false;
    }
    if (w.found) {
        run->error = (cs_gql_error){CS_ERR_EVAL_BUILTIN, cs_gql__view(&w.findings), w.first};
    }
    return !w.found;
}
