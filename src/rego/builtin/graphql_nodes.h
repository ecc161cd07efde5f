/* The tree of a GraphQL document, query or schema, as the GraphQL built-ins show it to policies: every struct here is a
 * node of that tree; graphql_shape.c has the table of what a policy sees, and by which names. Nodes live in one arena;
 * texts point into the document or the arena. Members after "found by validation" are filled in by graphql_walk.c. */
#ifndef CS_REGO_BUILTIN_GRAPHQL_NODES_H
#define CS_REGO_BUILTIN_GRAPHQL_NODES_H

#include "countersign/value.h"

/* Where a node begins, from 1, columns in code points. row 0 = nowhere (the node came from a policy's object). */
typedef struct cs_gql_at {
    uint32_t row;
    int32_t col;  /* not above 0 in a block string that spans lines, whose row is its last */
    bool prelude; /* in the built-in part of every schema */
} cs_gql_at;

/* All lists have this layout, so that one table can describe them. */
#define CS_GQL_LIST(type)                                                                                              \
    struct {                                                                                                           \
        type *v;                                                                                                       \
        uint32_t n;                                                                                                    \
        uint32_t cap;                                                                                                  \
    }

typedef struct cs_gql_argument cs_gql_argument;
typedef struct cs_gql_child cs_gql_child;
typedef struct cs_gql_comment cs_gql_comment;
typedef struct cs_gql_definition cs_gql_definition;
typedef struct cs_gql_directive cs_gql_directive;
typedef struct cs_gql_directive_definition cs_gql_directive_definition;
typedef struct cs_gql_fragment cs_gql_fragment;
typedef struct cs_gql_member cs_gql_member;
typedef struct cs_gql_operation cs_gql_operation;
typedef struct cs_gql_root cs_gql_root;
typedef struct cs_gql_schema_definition cs_gql_schema_definition;
typedef struct cs_gql_selection cs_gql_selection;
typedef struct cs_gql_type cs_gql_type;
typedef struct cs_gql_value cs_gql_value;
typedef struct cs_gql_variable cs_gql_variable;

typedef CS_GQL_LIST(cs_gql_argument *) cs_gql_arguments;
typedef CS_GQL_LIST(cs_gql_child *) cs_gql_children;
typedef CS_GQL_LIST(cs_gql_comment *) cs_gql_comments;
typedef CS_GQL_LIST(cs_gql_definition *) cs_gql_definitions;
typedef CS_GQL_LIST(cs_gql_directive *) cs_gql_directives;
typedef CS_GQL_LIST(cs_gql_directive_definition *) cs_gql_directive_definitions;
typedef CS_GQL_LIST(cs_gql_fragment *) cs_gql_fragments;
typedef CS_GQL_LIST(cs_gql_member *) cs_gql_members;
typedef CS_GQL_LIST(cs_gql_operation *) cs_gql_operations;
typedef CS_GQL_LIST(cs_gql_root *) cs_gql_roots;
typedef CS_GQL_LIST(cs_gql_schema_definition *) cs_gql_schema_definitions;
typedef CS_GQL_LIST(cs_gql_selection *) cs_gql_selections;
typedef CS_GQL_LIST(cs_gql_variable *) cs_gql_variables;
typedef CS_GQL_LIST(cs_slice) cs_gql_texts;
typedef CS_GQL_LIST(cs_gql_at) cs_gql_places;

/* ---- in both kinds of documents */
struct cs_gql_comment {
    cs_slice text; /* with its "#" */
};

typedef struct cs_gql_comment_group {
    cs_gql_comments list;
} cs_gql_comment_group;

enum {
    CS_GQL_VARIABLE,
    CS_GQL_INT,
    CS_GQL_FLOAT,
    CS_GQL_STRING,
    CS_GQL_BLOCK,
    CS_GQL_BOOLEAN,
    CS_GQL_NULL,
    CS_GQL_ENUM,
    CS_GQL_LIST_VALUE,
    CS_GQL_OBJECT_VALUE
};

struct cs_gql_value {
    cs_slice raw;
    cs_gql_children children; /* of lists and objects */
    int64_t kind;
    cs_gql_at at;
    cs_gql_comment_group *comment;
    /* found by validation */
    cs_gql_definition *definition;
    cs_gql_variable *variable;
    cs_gql_type *expected;
    bool expected_has_default;
};

struct cs_gql_child {
    cs_slice name; /* empty in a list */
    cs_gql_value *value;
    cs_gql_at at;
    cs_gql_comment_group *comment;
};

struct cs_gql_argument {
    cs_slice name;
    cs_gql_value *value;
    cs_gql_at at;
    cs_gql_comment_group *comment;
};

struct cs_gql_directive {
    cs_slice name;
    cs_gql_arguments arguments;
    cs_gql_at at;
    /* found by validation */
    cs_gql_definition *parent;
    cs_gql_directive_definition *definition;
    cs_slice location;
};

struct cs_gql_type {
    cs_slice name; /* of a named type; empty for a list */
    cs_gql_type *element;
    bool non_null;
    cs_gql_at at;
};

/* ---- queries */
enum { CS_GQL_FIELD, CS_GQL_SPREAD, CS_GQL_INLINE };

struct cs_gql_selection {
    int what; /* CS_GQL_FIELD, CS_GQL_SPREAD, CS_GQL_INLINE */
    cs_slice alias;
    cs_slice name;
    cs_slice condition; /* the type of an inline fragment */
    cs_gql_arguments arguments;
    cs_gql_directives directives;
    cs_gql_selections selections;
    cs_gql_at at;
    cs_gql_comment_group *comment;
    /* found by validation */
    cs_gql_member *field;
    cs_gql_fragment *fragment;
    cs_gql_definition *parent;
};

struct cs_gql_variable {
    cs_slice name;
    cs_gql_type *type;
    cs_gql_value *fallback;
    cs_gql_directives directives;
    cs_gql_at at;
    cs_gql_comment_group *comment;
    /* found by validation */
    cs_gql_definition *definition;
    bool used;
};

struct cs_gql_operation {
    cs_slice operation; /* "query", "mutation", "subscription" */
    cs_slice name;
    cs_gql_variables variables;
    cs_gql_directives directives;
    cs_gql_selections selections;
    cs_gql_at at;
    cs_gql_comment_group *comment;
};

struct cs_gql_fragment {
    cs_slice name;
    cs_gql_variables variables;
    cs_slice condition;
    cs_gql_directives directives;
    cs_gql_selections selections;
    cs_gql_at at;
    cs_gql_comment_group *comment;
    cs_gql_definition *definition; /* found by validation */
};

typedef struct cs_gql_query {
    cs_gql_operations operations;
    cs_gql_fragments fragments;
    cs_gql_comment_group *comment;
} cs_gql_query;

/* ---- schemas */
/* A field, an argument or a value of an enum: what a definition consists of. */
struct cs_gql_member {
    cs_slice description;
    cs_slice name;
    cs_gql_members arguments;
    cs_gql_value *fallback;
    cs_gql_type *type;
    cs_gql_directives directives;
    cs_gql_at at;
    cs_gql_comment_group *before; /* comments in front of the description and behind it */
    cs_gql_comment_group *after;
};

struct cs_gql_definition {
    cs_slice kind; /* "SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT" */
    cs_slice description;
    cs_slice name;
    cs_gql_directives directives;
    cs_gql_texts interfaces;
    cs_gql_members fields;
    cs_gql_texts types; /* members of a union */
    cs_gql_members values;
    cs_gql_at at;
    cs_gql_places type_at; /* of each of `types`, when they were parsed */
    bool built_in;
    cs_value index; /* of the fields by name, if there are many (graphql_schema.c) */
    cs_gql_comment_group *before;
    cs_gql_comment_group *after;
    cs_gql_comment_group *end;
};

struct cs_gql_directive_definition {
    cs_slice description;
    cs_slice name;
    cs_gql_members arguments;
    cs_gql_texts locations;
    bool repeatable;
    cs_gql_at at;
    cs_gql_comment_group *before;
    cs_gql_comment_group *after;
};

/* "query: Type" in the definition of a schema. */
struct cs_gql_root {
    cs_slice operation;
    cs_slice type;
    cs_gql_at at;
    cs_gql_comment_group *comment;
};

struct cs_gql_schema_definition {
    cs_slice description;
    cs_gql_directives directives;
    cs_gql_roots roots;
    cs_gql_at at;
    cs_gql_comment_group *before;
    cs_gql_comment_group *after;
    cs_gql_comment_group *end;
};

typedef struct cs_gql_document {
    cs_gql_schema_definitions schema;
    cs_gql_schema_definitions schema_extensions;
    cs_gql_directive_definitions directives;
    cs_gql_definitions definitions;
    cs_gql_definitions extensions;
    cs_gql_comment_group *comment;
} cs_gql_document;

#endif
