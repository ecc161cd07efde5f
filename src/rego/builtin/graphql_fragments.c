/* Rules that follow fragments: cycles, impossible spreads, what a subscription selects, deep introspection. */
#include "rego/builtin/graphql_walk.h"

typedef cs_gql_walk walk;

/* ------------------------------------------------------------------------------------------------ cycles */

typedef struct search {
    walk *w;
    cs_gql_selections path;
    cs_value index; /* where a fragment's own spreads begin in `path`, by its name; below 0 when it is left */
    uint32_t depth;
} search;

/* All spreads in a selection set, inner sets last in, first out. */
static cs_gql_selections spreads_in(walk *w, const cs_gql_selections *set)
{
    cs_gql_selections out = {0};
    CS_GQL_LIST(const cs_gql_selections *) sets = {0};
    cs_gql__push(w->arena, &sets, set);
    while (sets.n && cs_gql__spend(w->run, 1)) {
        set = sets.v[--sets.n];
        for (uint32_t i = 0; i < set->n; i++) {
            if (set->v[i]->what == CS_GQL_SPREAD) {
                cs_gql__push(w->arena, &out, set->v[i]);
            } else {
                cs_gql__push(w->arena, &sets, (const cs_gql_selections *)&set->v[i]->selections);
            }
        }
    }
    return out;
}

static void report_cycle(search *f, const cs_gql_selection *spread, uint32_t from)
{
    cs_gql_text via = {.arena = f->w->arena};
    for (uint32_t i = from; i + 1 < f->path.n; i++) {
        cs_gql__put(&via, i == from ? CS_LIT(" via \"") : CS_LIT(", \""));
        cs_gql__put(&via, f->path.v[i]->name);
        cs_gql__put(&via, CS_LIT("\""));
    }
    cs_gql__find(f->w, spread->at, "Cannot spread fragment \"%.*s\" within itself%.*s.", CS_FMT(spread->name),
                 CS_FMT(cs_gql__view(&via)));
}

static void search_cycle(search *f, cs_gql_fragment *fragment)
{
    walk *w = f->w;
    if (cs_gql__get(w->cycle_visited, fragment->name)) {
        return;
    }
    if (++f->depth > CS_GQL_WALK_DEPTH) {
        (void)cs_gql__limit(&w->run->error, "the GraphQL query is nested too deeply");
        return;
    }
    cs_gql__set(w->arena, w->cycle_visited, fragment->name, fragment);
    cs_gql_selections spreads = spreads_in(w, &fragment->selections);
    cs_object_put(w->arena, f->index, cs_gql__string(fragment->name), cs_int(f->path.n));
    for (uint32_t i = 0; i < spreads.n && !cs_gql__stopped(w); i++) {
        cs_gql_selection *spread = spreads.v[i];
        const cs_value *known = cs_object_get(f->index, cs_gql__string(spread->name));
        cs_gql__push(w->arena, &f->path, spread);
        if (known && known->u.i >= 0) {
            report_cycle(f, spread, (uint32_t)known->u.i);
        } else {
            cs_gql_fragment *next = cs_gql__get(w->fragments, spread->name);
            if (next) {
                search_cycle(f, next);
            }
        }
        f->path.n--;
    }
    cs_object_put(w->arena, f->index, cs_gql__string(fragment->name), cs_int(-1));
    f->depth--;
}

void cs_gql__check_spread_cycles(cs_gql_walk *w, cs_gql_fragment *f)
{
    search s = {.w = w, .index = cs_object_new(w->arena, 0)};
    search_cycle(&s, f);
}

/* ------------------------------------------------------------------------------------------------ possible spreads */

static bool may_be(walk *w, cs_gql_definition *parent, cs_slice condition)
{
    const cs_gql_definition *type = cs_gql__type(w->schema, condition);
    if (!parent || !cs_gql__is_composite(parent) || !type || !cs_gql__is_composite(type)) {
        return true;
    }
    cs_gql_definitions alone = {&parent, 1, 1}, none = {0};
    const cs_gql_definitions *parents =
        cs_slice_is(parent->kind, "OBJECT") ? &alone : cs_gql__possible(w->schema, parent->name);
    const cs_gql_definitions *types = cs_gql__possible(w->schema, type->name);
    parents = parents ? parents : &none;
    types = types ? types : &none;
    (void)cs_gql__spend(w->run, (uint64_t)parents->n * types->n);
    for (uint32_t i = 0; i < types->n && !cs_gql__stopped(w); i++) {
        for (uint32_t k = 0; k < parents->n; k++) {
            if (cs_slice_eq(types->v[i]->name, parents->v[k]->name)) {
                return true;
            }
        }
    }
    return false;
}

void cs_gql__check_possible(cs_gql_walk *w, const cs_gql_selection *s)
{
    if (s->what == CS_GQL_INLINE && !may_be(w, s->parent, s->condition)) {
        cs_gql__find(w, s->at,
                     "Fragment cannot be spread here as objects of type \"%.*s\" can never be of type \"%.*s\".",
                     CS_FMT(s->parent->name), CS_FMT(s->condition));
    }
    if (s->what == CS_GQL_SPREAD && s->fragment && !may_be(w, s->parent, s->fragment->condition)) {
        cs_gql__find(w, s->at,
                     "Fragment \"%.*s\" cannot be spread here as objects of type \"%.*s\" can never be of type "
                     "\"%.*s\".",
                     CS_FMT(s->name), CS_FMT(s->parent->name), CS_FMT(s->fragment->condition));
    }
}

/* ------------------------------------------------------------------------------------------------ subscriptions */

typedef struct top {
    walk *w;
    cs_gql_selections fields; /* of different names */
    cs_gql_table names;
    cs_gql_table entered;
    uint32_t depth;
} top;

static void top_fields(top *t, const cs_gql_selections *list)
{
    if (++t->depth > CS_GQL_WALK_DEPTH) {
        (void)cs_gql__limit(&t->w->run->error, "the GraphQL query is nested too deeply");
        return;
    }
    for (uint32_t i = 0; i < list->n && cs_gql__spend(t->w->run, 1); i++) {
        cs_gql_selection *s = list->v[i];
        if (s->what == CS_GQL_FIELD) {
            if (!cs_gql__get(t->names, s->name)) {
                cs_gql__push(t->w->arena, &t->fields, s);
            }
            cs_gql__set(t->w->arena, t->names, s->name, s);
        } else if (s->what == CS_GQL_INLINE) {
            top_fields(t, &s->selections);
        } else if (!s->fragment) {
            break; /* the library looks no further in this set */
        } else if (!cs_gql__get(t->entered, s->fragment->name)) {
            cs_gql__set(t->w->arena, t->entered, s->fragment->name, s);
            top_fields(t, &s->fragment->selections);
        }
    }
    t->depth--;
}

void cs_gql__check_subscription(cs_gql_walk *w, const cs_gql_operation *op)
{
    if (!w->schema->subscription || !cs_slice_is(op->operation, "subscription")) {
        return;
    }
    top t = {.w = w, .names = cs_gql__table(w->arena), .entered = cs_gql__table(w->arena)};
    top_fields(&t, &op->selections);
    cs_gql_text name = {.arena = w->arena};
    cs_gql__put(&name, op->name.n ? CS_LIT("Subscription ") : CS_LIT("Anonymous Subscription"));
    if (op->name.n) {
        cs_gql__put_quoted(&name, op->name);
    }
    if (t.fields.n > 1) {
        cs_gql__find(w, t.fields.v[1]->at, "%.*s must select only one top level field.", CS_FMT(cs_gql__view(&name)));
    }
    for (uint32_t i = 0; i < t.fields.n; i++) {
        if (cs_slice_starts(t.fields.v[i]->name, CS_LIT("__"))) {
            cs_gql__find(w, t.fields.v[i]->at, "%.*s must not select an introspection top level field.",
                         CS_FMT(cs_gql__view(&name)));
        }
    }
}

/* ------------------------------------------------------------------------------------------------ introspection */

#define LISTS 3U /* lists of types inside each other: one too many */

typedef struct depth_search {
    walk *w;
    cs_value entered; /* fragments being looked into, by name */
    uint32_t depth;
} depth_search;

static bool is_list_of_types(cs_slice name)
{
    return cs_slice_is(name, "fields") || cs_slice_is(name, "interfaces") || cs_slice_is(name, "possibleTypes") ||
           cs_slice_is(name, "inputFields");
}

static bool too_deep(depth_search *d, const cs_gql_selection *s, uint32_t lists);

static bool any_too_deep(depth_search *d, const cs_gql_selections *list, uint32_t lists)
{
    if (++d->depth > CS_GQL_WALK_DEPTH) {
        return cs_gql__limit(&d->w->run->error, "the GraphQL query is nested too deeply");
    }
    bool found = false;
    for (uint32_t i = 0; i < list->n && !found && cs_gql__spend(d->w->run, 1); i++) {
        found = too_deep(d, list->v[i], lists);
    }
    d->depth--;
    return found;
}

static bool too_deep(depth_search *d, const cs_gql_selection *s, uint32_t lists)
{
    if (s->what == CS_GQL_SPREAD) {
        cs_value name = cs_gql__string(s->name);
        const cs_value *inside = cs_object_get(d->entered, name);
        if ((inside && inside->u.i) || !s->fragment) {
            return false;
        }
        cs_object_put(d->w->arena, d->entered, name, cs_int(1));
        bool found = any_too_deep(d, &s->fragment->selections, lists);
        cs_object_put(d->w->arena, d->entered, name, cs_int(0));
        return found;
    }
    lists += s->what == CS_GQL_FIELD && is_list_of_types(s->name);
    return lists >= LISTS || any_too_deep(d, &s->selections, lists);
}

bool cs_gql__introspects_deeply(cs_gql_walk *w, const cs_gql_selection *s)
{
    depth_search d = {.w = w, .entered = cs_object_new(w->arena, 0)};
    return too_deep(&d, s, 0);
}
