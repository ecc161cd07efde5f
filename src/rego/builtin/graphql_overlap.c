/* Fields that would share a name in the answer must be the same field with the same arguments. The comparisons, and
 * their order, are those of the algorithm in the GraphQL reference implementation: within a set once, between sets
 * and fragments pair by pair, each pair of fragments once. */
#include "rego/builtin/graphql_walk.h"

typedef cs_gql_walk walk;

/* Fields under one name of the answer. */
typedef struct entry {
    cs_slice name;
    cs_gql_selections fields;
} entry;

typedef struct fields {
    CS_GQL_LIST(entry *) entries; /* in order of appearance */
    cs_gql_table by_name;
    cs_gql_selections spreads;
} fields;

typedef struct conflict conflict;
typedef CS_GQL_LIST(conflict *) conflicts;
struct conflict {
    cs_slice name;
    cs_slice text;
    conflicts inner; /* if any, instead of the text */
    cs_gql_at at;
};

/* ------------------------------------------------------------------------------------------------ collecting */

static void collect_into(walk *w, const cs_gql_selections *set, fields *out)
{
    for (uint32_t i = 0; i < set->n && cs_gql__spend(w->run, 1); i++) {
        cs_gql_selection *s = set->v[i];
        if (s->what == CS_GQL_INLINE) {
            collect_into(w, &s->selections, out);
        } else if (s->what == CS_GQL_SPREAD) {
            cs_gql__push(w->arena, &out->spreads, s);
        } else {
            cs_slice name = s->alias.n ? s->alias : s->name;
            entry *e = cs_gql__get(out->by_name, name);
            if (!e) {
                e = cs_arena_new(w->arena, entry);
                e->name = name;
                cs_gql__push(w->arena, &out->entries, e);
                cs_gql__set(w->arena, out->by_name, name, e);
            }
            cs_gql__push(w->arena, &e->fields, s);
        }
    }
}

static fields collect(walk *w, const cs_gql_selections *set)
{
    fields out = {.by_name = cs_gql__table(w->arena)};
    collect_into(w, set, &out);
    return out;
}

static bool same_fields(const fields *x, const fields *y)
{
    if (x->entries.n != y->entries.n) {
        return false;
    }
    for (uint32_t i = 0; i < x->entries.n; i++) {
        const cs_gql_selections *a = &x->entries.v[i]->fields, *b = &y->entries.v[i]->fields;
        if (a->n != b->n || memcmp(a->v, b->v, a->n * sizeof(void *)) != 0) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ two fields */

static void sort_children(cs_gql_children *list)
{
    for (uint32_t i = 1; i < list->n; i++) {
        cs_gql_child *child = list->v[i];
        uint32_t k = i;
        for (; k > 0 && cs_slice_compare(list->v[k - 1]->name, child->name) > 0; k--) {
            list->v[k] = list->v[k - 1];
        }
        list->v[k] = child;
    }
}

static bool same_value(walk *w, const cs_gql_value *x, const cs_gql_value *y)
{
    uint32_t n = x->children.n;
    if (x->kind != y->kind || !cs_slice_eq(x->raw, y->raw) || n != y->children.n ||
        !cs_gql__spend(w->run, 1 + (uint64_t)n * n)) {
        return false;
    }
    cs_gql_children a = x->children, b = y->children;
    if (x->kind == CS_GQL_OBJECT_VALUE && n > 1) {
        cs_gql_children copies[2] = {{0}, {0}};
        cs_gql__append(w->arena, &copies[0], &a);
        cs_gql__append(w->arena, &copies[1], &b);
        sort_children(&copies[0]);
        sort_children(&copies[1]);
        a = copies[0];
        b = copies[1];
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!cs_slice_eq(a.v[i]->name, b.v[i]->name) || !same_value(w, a.v[i]->value, b.v[i]->value)) {
            return false;
        }
    }
    return true;
}

static bool same_arguments(walk *w, const cs_gql_arguments *x, const cs_gql_arguments *y)
{
    if (x->n != y->n) {
        return false;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        bool matched = false;
        for (uint32_t k = 0; k < y->n && !matched && cs_gql__spend(w->run, 1); k++) {
            matched = cs_slice_eq(x->v[i]->name, y->v[k]->name) && same_value(w, x->v[i]->value, y->v[k]->value);
        }
        if (!matched) {
            return false;
        }
    }
    return true;
}

static bool types_conflict(const walk *w, const cs_gql_type *x, const cs_gql_type *y)
{
    while (x->element && y->element) {
        x = x->element;
        y = y->element;
    }
    if (x->element || y->element || x->non_null != y->non_null) {
        return true;
    }
    const cs_gql_definition *a = cs_gql__type(w->schema, x->name), *b = cs_gql__type(w->schema, y->name);
    bool leaves = a && b && (cs_slice_is(a->kind, "SCALAR") || cs_slice_is(a->kind, "ENUM")) &&
                  (cs_slice_is(b->kind, "SCALAR") || cs_slice_is(b->kind, "ENUM"));
    return leaves && !cs_slice_eq(a->name, b->name);
}

static conflict *new_conflict(walk *w, const cs_gql_selection *x, const cs_gql_selection *y)
{
    conflict *c = cs_arena_new(w->arena, conflict);
    c->name = x->alias.n ? x->alias : x->name;
    c->at = y->at;
    return c;
}

static void between_sets(walk *w, bool exclusive, const cs_gql_selections *x, const cs_gql_selections *y,
                         conflicts *out);

/* Of two object types only one can be there at a time: then the fields may differ, but not in the shape of the answer.
 */
static bool are_exclusive(const cs_gql_selection *x, const cs_gql_selection *y)
{
    return !cs_slice_eq(x->parent->name, y->parent->name) && cs_slice_is(x->parent->kind, "OBJECT") &&
           cs_slice_is(y->parent->kind, "OBJECT") && x->field && y->field;
}

static conflict *compare(walk *w, bool exclusive, const cs_gql_selection *x, const cs_gql_selection *y)
{
    if (!x->parent || !y->parent) {
        return NULL;
    }
    exclusive = exclusive || are_exclusive(x, y);
    conflict *c = new_conflict(w, x, y);
    if (!exclusive && !cs_slice_eq(x->name, y->name)) {
        c->text.p = cs_arena_printf(w->arena, &c->text.n, "\"%.*s\" and \"%.*s\" are different fields", CS_FMT(x->name),
                                    CS_FMT(y->name));
        return c;
    }
    if (!exclusive && !same_arguments(w, &x->arguments, &y->arguments)) {
        c->text = CS_LIT("they have differing arguments");
        return c;
    }
    if (x->field && y->field && types_conflict(w, x->field->type, y->field->type)) {
        c->text.p = cs_arena_printf(w->arena, &c->text.n, "they return conflicting types \"%.*s\" and \"%.*s\"",
                                    CS_FMT(cs_gql__type_text(w->arena, x->field->type)),
                                    CS_FMT(cs_gql__type_text(w->arena, y->field->type)));
        return c;
    }
    if (++w->overlap.depth > CS_GQL_WALK_DEPTH) {
        (void)cs_gql__limit(&w->run->error, "the GraphQL query is nested too deeply");
        return NULL;
    }
    between_sets(w, exclusive, &x->selections, &y->selections, &c->inner);
    w->overlap.depth--;
    return c->inner.n ? c : NULL;
}

static void compare_into(walk *w, bool exclusive, const cs_gql_selection *x, const cs_gql_selection *y, conflicts *out)
{
    if (cs_gql__spend(w->run, 1)) {
        conflict *c = compare(w, exclusive, x, y);
        if (c) {
            cs_gql__push(w->arena, out, c);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ sets of fields */

static void between_fields(walk *w, bool exclusive, const fields *x, const fields *y, conflicts *out)
{
    for (uint32_t i = 0; i < x->entries.n && cs_gql__spend(w->run, 1); i++) {
        const entry *a = x->entries.v[i], *b = cs_gql__get(y->by_name, a->name);
        for (uint32_t j = 0; b && j < a->fields.n; j++) {
            for (uint32_t k = 0; k < b->fields.n && !cs_gql__stopped(w); k++) {
                compare_into(w, exclusive, a->fields.v[j], b->fields.v[k], out);
            }
        }
    }
}

static void within_fields(walk *w, const fields *x, conflicts *out)
{
    for (uint32_t i = 0; i < x->entries.n; i++) {
        const cs_gql_selections *list = &x->entries.v[i]->fields;
        for (uint32_t j = 0; j < list->n; j++) {
            for (uint32_t k = j + 1; k < list->n && !cs_gql__stopped(w); k++) {
                compare_into(w, false, list->v[j], list->v[k], out);
            }
        }
    }
}

static void with_fragment(walk *w, bool exclusive, const fields *x, const cs_gql_selection *spread, conflicts *out)
{
    cs_gql_overlap *o = &w->overlap;
    if (cs_set_has(o->compared, cs_gql__string(spread->name)) || !cs_gql__spend(w->run, 1)) {
        return;
    }
    (void)cs_set_add(w->arena, o->compared, cs_gql__string(spread->name));
    if (!spread->fragment) {
        return;
    }
    fields y = collect(w, &spread->fragment->selections);
    if (same_fields(x, &y)) {
        return;
    }
    between_fields(w, exclusive, x, &y, out);
    if (++o->depth > CS_GQL_WALK_DEPTH) {
        (void)cs_gql__limit(&w->run->error, "the GraphQL query is nested too deeply");
        return;
    }
    for (uint32_t i = 0; i < y.spreads.n; i++) {
        if (!cs_slice_eq(y.spreads.v[i]->name, spread->name)) {
            with_fragment(w, exclusive, x, y.spreads.v[i], out);
        }
    }
    o->depth--;
}

/* Have two fragments been compared, at least as strictly? Notes that they are now. */
static bool were_compared(walk *w, bool exclusive, cs_slice x, cs_slice y)
{
    bool swap = cs_slice_compare(x, y) > 0;
    cs_gql_text key = {.arena = w->arena};
    cs_gql__put(&key, swap ? y : x);
    cs_gql__put(&key, cs_slice_make("\0", 1));
    cs_gql__put(&key, swap ? x : y);
    cs_value k = cs_string(cs_gql__view(&key));
    const cs_value *known = cs_object_get(w->overlap.pairs, k);
    if (known && (exclusive || known->u.i == 0)) {
        return true;
    }
    cs_object_put(w->arena, w->overlap.pairs, k, cs_int(exclusive));
    return false;
}

static void between_fragments(walk *w, bool exclusive, const cs_gql_selection *x, const cs_gql_selection *y,
                              conflicts *out)
{
    if (cs_slice_eq(x->name, y->name) || !cs_gql__spend(w->run, 1) || were_compared(w, exclusive, x->name, y->name) ||
        !x->fragment || !y->fragment) {
        return;
    }
    if (++w->overlap.depth > CS_GQL_WALK_DEPTH) {
        (void)cs_gql__limit(&w->run->error, "the GraphQL query is nested too deeply");
        return;
    }
    fields a = collect(w, &x->fragment->selections), b = collect(w, &y->fragment->selections);
    between_fields(w, exclusive, &a, &b, out);
    for (uint32_t i = 0; i < b.spreads.n; i++) {
        between_fragments(w, exclusive, x, b.spreads.v[i], out);
    }
    for (uint32_t i = 0; i < a.spreads.n; i++) {
        between_fragments(w, exclusive, a.spreads.v[i], y, out);
    }
    w->overlap.depth--;
}

static void between_sets(walk *w, bool exclusive, const cs_gql_selections *x, const cs_gql_selections *y,
                         conflicts *out)
{
    if (x->n == 0 && y->n == 0) {
        return;
    }
    fields a = collect(w, x), b = collect(w, y);
    between_fields(w, exclusive, &a, &b, out);
    for (uint32_t i = 0; i < b.spreads.n; i++) {
        w->overlap.compared = cs_set_new(w->arena, 0);
        with_fragment(w, exclusive, &a, b.spreads.v[i], out);
    }
    for (uint32_t i = 0; i < a.spreads.n; i++) {
        w->overlap.compared = cs_set_new(w->arena, 0);
        with_fragment(w, exclusive, &b, a.spreads.v[i], out);
    }
    for (uint32_t i = 0; i < a.spreads.n; i++) {
        for (uint32_t k = 0; k < b.spreads.n && !cs_gql__stopped(w); k++) {
            between_fragments(w, exclusive, a.spreads.v[i], b.spreads.v[k], out);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ findings */

static void put_reason(cs_gql_text *t, const conflict *c)
{
    if (c->inner.n == 0) {
        cs_gql__put(t, c->text);
        return;
    }
    for (uint32_t i = 0; i < c->inner.n && t->n <= CS_ERROR_TEXT_MAX; i++) {
        cs_gql__put(t, i ? CS_LIT(" and subfields \"") : CS_LIT("subfields \""));
        cs_gql__put(t, c->inner.v[i]->name);
        cs_gql__put(t, CS_LIT("\" conflict because "));
        put_reason(t, c->inner.v[i]);
    }
}

void cs_gql__check_overlap(cs_gql_walk *w, const cs_gql_selections *list)
{
    if (list->n == 0) {
        return;
    }
    conflicts found = {0};
    fields all = collect(w, list);
    within_fields(w, &all, &found);
    w->overlap.compared = cs_set_new(w->arena, 0);
    for (uint32_t i = 0; i < all.spreads.n; i++) {
        with_fragment(w, false, &all, all.spreads.v[i], &found);
        for (uint32_t k = i + 1; k < all.spreads.n && !cs_gql__stopped(w); k++) {
            between_fragments(w, false, all.spreads.v[i], all.spreads.v[k], &found);
        }
    }
    for (uint32_t i = 0; i < found.n; i++) {
        cs_gql_text reason = {.arena = w->arena};
        put_reason(&reason, found.v[i]);
        cs_gql__find(w, found.v[i]->at,
                     "Fields \"%.*s\" conflict because %.*s. Use different aliases on the fields to fetch both if this "
                     "was intentional.",
                     CS_FMT(found.v[i]->name), CS_FMT(cs_gql__view(&reason)));
    }
}
