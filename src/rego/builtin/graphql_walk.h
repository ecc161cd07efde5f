/* The walk over a query beside a schema, and the rules that look on. Each rule is a part of the functions below, which
 * call the parts in the order of the rules' names, as OPA does: findings come out in the order of the walk, and at one
 * node in the order of the names. */
#ifndef CS_REGO_BUILTIN_GRAPHQL_WALK_H
#define CS_REGO_BUILTIN_GRAPHQL_WALK_H

#include "rego/builtin/graphql.h"

/* Fragments can make a walk deeper than the text is nested. */
#define CS_GQL_WALK_DEPTH 2000U

/* What the overlap rule has compared (graphql_overlap.c). */
typedef struct cs_gql_overlap {
    cs_value pairs;    /* "A\0B" → were they compared as exclusive ones? */
    cs_value compared; /* names of fragments */
    uint32_t depth;
} cs_gql_overlap;

typedef struct cs_gql_walk {
    cs_gql_run *run;
    cs_arena *arena;
    const cs_gql_schema *schema;
    cs_gql_query *query;
    cs_gql_operation *operation; /* being walked, or NULL */
    cs_gql_table fragments;      /* by name, the first of each */
    cs_gql_table entered;        /* fragments that were walked in this operation or fragment */
    uint32_t depth;

    cs_gql_text findings;
    cs_gql_at first;
    bool found;

    /* what rules remember */
    bool in_fragments;
    cs_gql_table spread_names;   /* NoUnusedFragments */
    cs_gql_table fragment_names; /* UniqueFragmentNames */
    cs_gql_table cycle_visited;  /* NoFragmentCycles */
    cs_gql_table operation_names;
    cs_gql_table misplaced; /* KnownDirectives: name and place */
    cs_gql_overlap overlap;
} cs_gql_walk;

/* A finding of a rule. */
void cs_gql__find(cs_gql_walk *w, cs_gql_at at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline bool cs_gql__stopped(const cs_gql_walk *w)
{
    return w->run->error.code != CS_OK;
}

/* ---- the rules, by what they look at */
void cs_gql__on_operation(cs_gql_walk *w, cs_gql_operation *op);
void cs_gql__on_fragment(cs_gql_walk *w, cs_gql_fragment *f);
void cs_gql__on_field(cs_gql_walk *w, cs_gql_selection *field);
void cs_gql__on_inline(cs_gql_walk *w, cs_gql_selection *inline_fragment);
void cs_gql__on_spread(cs_gql_walk *w, cs_gql_selection *spread);
void cs_gql__on_directive(cs_gql_walk *w, cs_gql_directive *dir);
void cs_gql__on_directives(cs_gql_walk *w, const cs_gql_directives *list);
void cs_gql__on_variable(cs_gql_walk *w, cs_gql_variable *v);
void cs_gql__on_value(cs_gql_walk *w, cs_gql_value *value);

/* Rules with files of their own. */
void cs_gql__check_spread_cycles(cs_gql_walk *w, cs_gql_fragment *f);        /* graphql_fragments.c */
void cs_gql__check_possible(cs_gql_walk *w, const cs_gql_selection *s);      /* graphql_fragments.c */
void cs_gql__check_subscription(cs_gql_walk *w, const cs_gql_operation *op); /* graphql_fragments.c */
bool cs_gql__introspects_deeply(cs_gql_walk *w, const cs_gql_selection *s);  /* graphql_fragments.c */
void cs_gql__check_overlap(cs_gql_walk *w, const cs_gql_selections *list);   /* graphql_overlap.c */

/* ---- "Did you mean": the options near to what was typed, nearest first; with `quoted` in quotation marks. "" if none.
 * The text begins with a blank and `prefix`. */
cs_slice cs_gql__suggest(cs_gql_walk *w, const char *prefix, bool quoted, cs_slice typed, const cs_gql_texts *options);
cs_slice cs_gql__suggest_members(cs_gql_walk *w, const char *prefix, bool quoted, cs_slice typed,
                                 const cs_gql_members *options);
/* A, B, or C. */
void cs_gql__or_list(cs_gql_text *t, const cs_gql_texts *items, bool quoted);

#endif
