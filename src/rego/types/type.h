/* What a value may be (OPA v1/types): the lattice that the checker and the built-ins' signatures speak. Types are
 * immutable, made in an arena (built-ins' own live for ever), compared by structure. NULL is the type of what is not
 * known. Thread-safe. */
#ifndef CS_REGO_TYPES_TYPE_H
#define CS_REGO_TYPES_TYPE_H

#include "countersign/value.h"

typedef enum cs_type_kind {
    CS_TYPE_NULL,
    CS_TYPE_BOOL,
    CS_TYPE_NUMBER,
    CS_TYPE_STRING,
    CS_TYPE_ARRAY,
    CS_TYPE_OBJECT,
    CS_TYPE_SET,
    CS_TYPE_ANY, /* with `of`: a union; without: anything */
    CS_TYPE_FUNCTION,
    CS_TYPE_NAMED,    /* an argument's or a result's name and description around a type */
    CS_TYPE_RECURSIVE /* a type within itself: `name` is the reference, `dynamic` the type (NULL while it is made) */
} cs_type_kind;

typedef struct cs_type cs_type;
struct cs_type {
    cs_type_kind kind;
    const cs_type **of;     /* ARRAY: static items; ANY: alternatives, in cs_type_compare order; FUNCTION: arguments;
                               OBJECT: values   of the static keys */
    const cs_value *keys;   /* OBJECT: the static keys, sorted */
    uint32_t n;             /* how many in `of` */
    const cs_type *key;     /* OBJECT: type of dynamic keys */
    const cs_type *dynamic; /* ARRAY: other items; OBJECT: dynamic values; SET: elements; NAMED: the type; FUNCTION: the
                               result; RECURSIVE: the type */
    const cs_type *variadic; /* FUNCTION */
    cs_slice name;           /* NAMED */
    cs_slice description;    /* NAMED; empty if there is none */
};

/* ---- the atoms, and what is needed everywhere; static */
extern const cs_type cs_type_null;
extern const cs_type cs_type_bool;
extern const cs_type cs_type_number;
extern const cs_type cs_type_string;
extern const cs_type cs_type_any; /* anything */
extern const cs_type cs_type_nil; /* NULL (not known) where that would say that there is no such part */

/* ---- constructors; arguments are kept, not copied, except the lists */
const cs_type *cs_type_array(cs_arena *a, const cs_type *const *items, uint32_t n, const cs_type *dynamic);
/* Sorts the static keys. `key` and `dynamic` are both NULL when there are no dynamic keys. */
const cs_type *cs_type_object(cs_arena *a, const cs_value *keys, const cs_type *const *values, uint32_t n,
                              const cs_type *key, const cs_type *dynamic);
const cs_type *cs_type_set(cs_arena *a, const cs_type *of);
/* A union of exactly these, sorted (OPA's NewAny: nothing is merged). */
const cs_type *cs_type_union(cs_arena *a, const cs_type *const *of, uint32_t n);
const cs_type *cs_type_function(cs_arena *a, const cs_type *const *args, uint32_t n, const cs_type *result);
/* The type of a ground value, every item and key static. */
const cs_type *cs_type_of(cs_arena *a, cs_value v);

/* ---- the lattice */
static inline const cs_type *cs_type_unnamed(const cs_type *t)
{
    return t && t->kind == CS_TYPE_NAMED ? t->dynamic : t;
}
/* The type itself, neither named nor a reference to it from within. */
static inline const cs_type *cs_type_bare(const cs_type *t)
{
    t = cs_type_unnamed(t);
    return t && t->kind == CS_TYPE_RECURSIVE ? t->dynamic : t;
}
static inline bool cs_type_is_any(const cs_type *t)
{
    return t && t->kind == CS_TYPE_ANY && t->n == 0;
}
/* A total order; 0 means the same type. NULL comes first. Names do not count. */
int cs_type_compare(const cs_type *x, const cs_type *y);
/* Is `x` a union that has `y` (or everything), or the same type? */
bool cs_type_contains(const cs_type *x, const cs_type *y);
/* The smallest type that holds both; the other one if one is NULL; NULL for a function and something else. */
const cs_type *cs_type_or(cs_arena *a, const cs_type *x, const cs_type *y);
/* The type of v[key] for a ground key; NULL if there can be none. */
const cs_type *cs_type_select(cs_arena *a, const cs_type *t, cs_value key);
/* The types of what iteration over a value binds: its keys (indexes, elements of a set) and its values. NULL for
 * scalars. */
const cs_type *cs_type_keys(cs_arena *a, const cs_type *t);
const cs_type *cs_type_values(cs_arena *a, const cs_type *t);
/* Argument i of a function, without its name; the variadic one beyond; NULL if there is none. */
const cs_type *cs_type_arg(const cs_type *function, uint32_t i);

/* ---- text */
/* Parses a signature such as "(search: string, base: string) -> result: boolean", "array[any]", "set[string]",
 * "any<string, number>", "object[string: any]", "array<boolean, array[object[any: any]]>", "object<a: string>[any:
 * any]"; asserts on nonsense (they are ours). */
const cs_type *cs_type_parse(cs_arena *a, const char *signature);
/* As OPA prints it: "any<number, string>", "array<string>[any]", "(string) => number"; "???" for NULL. */
void cs_type_print(cs_buf *out, const cs_type *t);
/* The arguments as OPA prints them in errors: "(x: array[any], y: number)" with `named`, else without the names. */
void cs_type_print_args(cs_buf *out, const cs_type *function, bool named);
/* OPA's JSON of a type (capabilities). */
cs_value cs_type_to_json(cs_arena *a, const cs_type *t);
/* The other way; names and descriptions are dropped, as OPA does. Keys of static properties point into the JSON. */
CS_MUST_CHECK cs_err cs_type_from_json(cs_arena *a, cs_value json, const cs_type **out, cs_error *e);

#endif
