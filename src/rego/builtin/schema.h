/* JSON Schema (drafts 4, 6 and 7, or what the words are whose draft is not said) as OPA's validator has it: schemas are
 * compiled into a graph in the call's arena, documents are checked against it. For json.verify_schema,
 * json.match_schema and the type checker. */
#ifndef CS_REGO_BUILTIN_SCHEMA_H
#define CS_REGO_BUILTIN_SCHEMA_H

#include "rego/builtin/internal.h"

typedef enum cs_schema_draft {
    CS_DRAFT_UNSET = 0,
    CS_DRAFT_4 = 4,
    CS_DRAFT_6 = 6,
    CS_DRAFT_7 = 7,
    CS_DRAFT_ANY = 100 /* not said: all words count */
} cs_schema_draft;

typedef struct cs_schema cs_schema;

typedef struct cs_schemas {
    cs_schema **v;
    size_t n, cap;
} cs_schemas;

enum {
    CS_SCHEMA_ARRAY = 1,
    CS_SCHEMA_BOOLEAN = 2,
    CS_SCHEMA_INTEGER = 4,
    CS_SCHEMA_NUMBER = 8,
    CS_SCHEMA_NULL = 16,
    CS_SCHEMA_OBJECT = 32,
    CS_SCHEMA_STRING = 64
};

/* Numbers and strings are undefined, counts -1 and schemas NULL where the word does not stand in the schema. */
struct cs_schema {
    cs_slice property; /* the name under which it hangs, where that matters */
    cs_schema_draft draft;
    bool is_bool, pass; /* true and false as schemas */
    cs_schema *ref;     /* then nothing else counts */
    cs_slice reference; /* its text */
    unsigned types;     /* 0: any */
    cs_list type_names; /* in their order */
    cs_schemas properties, pattern_properties;
    cs_schemas items;
    bool one_for_all_items;
    bool no_more_items, no_more_properties; /* additional…: false */
    cs_schema *more_items, *more_properties, *property_names, *contains;
    cs_value multiple_of, maximum, minimum, below, above; /* below, above: the exclusive ones */
    int64_t min_length, max_length, min_properties, max_properties, min_items, max_items;
    bool unique;
    cs_value pattern, format;
    cs_list required;
    cs_value dependencies; /* object: key to an array of strings, or to a number: the place in dependents */
    cs_schemas dependents;
    cs_value const_text;
    bool has_enum;
    cs_list enum_texts;
    cs_schemas one_of, any_of, all_of;
    cs_schema * not, *if_, *then, *else_;
};

/* Errors in OPA's words, without "jsonschema: ". `patterns`: what is no regular expression is an error. What the schema
 * refers to is fetched: while call->state->waiting the result is an error, and the call is to be made again. */
CS_MUST_CHECK cs_err cs_schema__compile(cs_call *call, cs_value document, bool patterns, cs_schema **out);
/* The same without patterns, for who can wait. */
CS_MUST_CHECK cs_err cs_schema_read(cs_arena *a, const cs_host *host, cs_value document, cs_schema **out, cs_error *e);
/* *out is the list of what is wrong: {desc, error, field, type}. */
CS_MUST_CHECK cs_err cs_schema__validate(cs_call *call, const cs_schema *schema, cs_value document, cs_value *out);
/* Has the text that format? Unknown formats fit everything. */
bool cs_schema__format_fits(cs_call *call, cs_slice format, cs_slice text);
/* The JSON text by which values are compared: numbers as float64. An error for numbers beyond that. */
CS_MUST_CHECK cs_err cs_schema__plain_text(cs_call *call, cs_value v, cs_value *out);

#endif
