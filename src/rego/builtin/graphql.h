/* The parts of the GraphQL built-ins: text → tree (graphql_lex.c, graphql_parse.c, graphql_query.c, graphql_sdl.c),
 * tree ↔ value (graphql_shape.c), tree → schema (graphql_schema.c, graphql_types.c), and the rules that a query must
 * keep (graphql_walk.c, graphql_rules.c, graphql_values.c, graphql_fragments.c, graphql_overlap.c).
 *
 * Everything is made in one arena, given at the start, and dies with it. A schema that is built is never written again
 * and may be read by all threads. */
#ifndef CS_REGO_BUILTIN_GRAPHQL_H
#define CS_REGO_BUILTIN_GRAPHQL_H

#include "countersign/base/limits.h"
#include "rego/builtin/graphql_nodes.h"

/* Nesting of selections, values and types. Readers and rules recurse over it; people's queries stay below twenty. */
#define CS_GQL_DEPTH 300U

/* What went wrong first. Rules may add more findings; they are written one under the other, as OPA prints them. */
typedef struct cs_gql_error {
    cs_err code;   /* CS_OK: nothing; CS_ERR_LIMIT: too deep, too large, too much work; otherwise CS_ERR_EVAL_BUILTIN */
    cs_slice text; /* without the place */
    cs_gql_at at;
} cs_gql_error;

/* One use of these functions: where things are made, what went wrong first, and how much was done. */
typedef struct cs_gql_run {
    cs_arena *arena;
    cs_gql_error error;
    uint64_t work; /* names compared, pairs of fields, …; beyond CS_GQL_WORK it stops with an error */
} cs_gql_run;

#define CS_GQL_WORK 100000000U

/* Both always false, for `return cs_gql__fail(...)`; only the first error is kept. */
bool cs_gql__fail(cs_gql_run *run, cs_gql_at at, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool cs_gql__limit(cs_gql_error *e, const char *text);
/* Counts work and looks at the arena; false (and an error) when it has become too much. */
bool cs_gql__spend(cs_gql_run *run, uint64_t work);

/* ---- lists */
void cs_gql__push_(cs_arena *a, void *list, size_t size, const void *item);
#define cs_gql__push(arena, list, item)                                                                                \
    do {                                                                                                               \
        __typeof__(*(list)->v) cs_gql_item_ = (item);                                                                  \
        cs_gql__push_((arena), (list), sizeof cs_gql_item_, &cs_gql_item_);                                            \
    } while (0)
/* Appends one list to another of its type. */
#define cs_gql__append(arena, list, more)                                                                              \
    do {                                                                                                               \
        for (uint32_t cs_gql_i_ = 0; cs_gql_i_ < (more)->n; cs_gql_i_++) {                                             \
            cs_gql__push((arena), (list), (more)->v[cs_gql_i_]);                                                       \
        }                                                                                                              \
    } while (0)
bool cs_gql__has_text(const cs_gql_texts *list, cs_slice text);

/* ---- text under construction in an arena */
typedef struct cs_gql_text {
    cs_arena *arena;
    char *p;
    size_t n;
    size_t cap;
} cs_gql_text;
void cs_gql__put(cs_gql_text *t, cs_slice s);
void cs_gql__put_quoted(cs_gql_text *t, cs_slice s); /* as Go's strconv.Quote */
static inline cs_slice cs_gql__view(const cs_gql_text *t)
{
    return cs_slice_make(t->n ? t->p : "", t->n);
}
/* "[Int!]!" and a value as GraphQL text. */
cs_slice cs_gql__type_text(cs_arena *a, const cs_gql_type *type);
cs_slice cs_gql__value_text(cs_arena *a, const cs_gql_value *value);

/* ---- tables by name, in the arena; a later item of a name replaces the earlier one */
typedef cs_value cs_gql_table;
static inline cs_gql_table cs_gql__table(cs_arena *a)
{
    return cs_object_new(a, 0);
}
/* A text that a tree does not have is without bytes; as a value it is the empty string. */
static inline cs_value cs_gql__string(cs_slice name)
{
    return cs_string(name.n ? name : CS_LIT(""));
}
static inline void cs_gql__set(cs_arena *a, cs_gql_table table, cs_slice name, void *item)
{
    cs_object_put(a, table, cs_gql__string(name), cs_int((int64_t)(intptr_t)item));
}
static inline void *cs_gql__get(cs_gql_table table, cs_slice name)
{
    const cs_value *found = cs_object_get(table, cs_gql__string(name));
    return found ? (void *)(intptr_t)found->u.i : NULL;
}

/* ---- reading */
/* `prelude` marks what is read as built in. */
bool cs_gql__read_query(cs_gql_run *run, cs_slice text, cs_gql_query **out);
bool cs_gql__read_schema(cs_gql_run *run, cs_slice text, bool prelude, cs_gql_document **out);

/* ---- trees as values: null and empty members left out */
cs_value cs_gql__query_value(cs_arena *a, const cs_gql_query *query);
cs_value cs_gql__document_value(cs_arena *a, const cs_gql_document *document);
/* And back, as Go's encoding/json reads them into gqlparser's structs; errors have no place. */
bool cs_gql__query_from(cs_gql_run *run, cs_value v, cs_gql_query **out);
bool cs_gql__document_from(cs_gql_run *run, cs_value v, cs_gql_document **out);

/* ---- schemas */
typedef struct cs_gql_schema {
    cs_gql_definition *query;
    cs_gql_definition *mutation;
    cs_gql_definition *subscription;
    cs_gql_table types;      /* cs_gql_definition by name */
    cs_gql_table directives; /* cs_gql_directive_definition by name */
    cs_gql_table possible;   /* cs_gql_definitions: what an abstract type may be, by its name */
} cs_gql_schema;

/* Puts a document and the built-in definitions together and checks them. Extensions are written into the definitions
 * of `document`, so the tree is to be turned into a value before. */
bool cs_gql__build(cs_gql_run *run, cs_gql_document *document, cs_gql_schema **out);
/* The checks of one definition, and of one directive's own (graphql_types.c). */
bool cs_gql__check_definition(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_definition *def);
bool cs_gql__check_directive(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_directive_definition *def);
/* Directives at one place. `own` is the directive being defined there, or NULL; `once` refuses repetitions. */
bool cs_gql__check_directives(cs_gql_run *run, const cs_gql_schema *s, const cs_gql_directives *list, cs_slice location,
                              const cs_gql_directive_definition *own, bool once);
/* An input object that contains itself through fields that must be there. */
bool cs_gql__check_cycles(cs_gql_run *run, const cs_gql_schema *s);
/* The built-in definitions as text. */
extern const char cs_gql__prelude[];

static inline cs_gql_definition *cs_gql__type(const cs_gql_schema *s, cs_slice name)
{
    return cs_gql__get(s->types, name);
}
/* The name at the bottom of a type. */
cs_slice cs_gql__type_name(const cs_gql_type *type);
/* The field of that name, by the index that cs_gql__build makes for large definitions. */
cs_gql_member *cs_gql__field(const cs_gql_definition *def, cs_slice name);
cs_gql_definitions *cs_gql__possible(const cs_gql_schema *s, cs_slice name); /* or NULL */
cs_gql_member *cs_gql__member(const cs_gql_members *list, cs_slice name);
cs_gql_argument *cs_gql__argument(const cs_gql_arguments *list, cs_slice name);
bool cs_gql__compatible(const cs_gql_type *type, const cs_gql_type *other);
bool cs_gql__is_composite(const cs_gql_definition *def);
bool cs_gql__is_input(const cs_gql_definition *def);

/* ---- queries against schemas: true if all rules are kept; otherwise the error holds what OPA says of them all */
bool cs_gql__validate(cs_gql_run *run, const cs_gql_schema *schema, cs_gql_query *query);

#endif
