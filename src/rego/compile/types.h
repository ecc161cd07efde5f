/* Private to the type checker: typecheck.c, typecheck_env.c, typecheck_unify.c, typecheck_ref.c, typecheck_error.c. */
#ifndef CS_REGO_COMPILE_TYPES_H
#define CS_REGO_COMPILE_TYPES_H

#include "rego/compile/graph.h"

/* Types of documents, by path below data or input. */
typedef struct cs_type_node cs_type_node;
struct cs_type_node {
    cs_value key;
    const cs_type *type;
    cs_value children; /* an object of keys to addresses of nodes; undefined while there are none */
};

typedef struct cs_type_checker cs_type_checker;

/* A layer of what is known; what it does not say the next one may. */
typedef struct cs_type_env cs_type_env;
struct cs_type_env {
    cs_type_checker *tc;
    cs_syms own;    /* variable → cs_type */
    cs_syms *store; /* where the types of variables go: `own`, or that of the layer beneath a `with` */
    cs_type_node *data, *input;
    const cs_type_env *next;
};

typedef struct cs_type_error {
    cs_loc loc;
    cs_slice text, details;
    cs_value json;   /* the details */
    bool of_unknown; /* it comes from a type that is not known */
} cs_type_error;

typedef CS_VEC(cs_type_error) cs_type_errors;

struct cs_type_checker {
    cs_compiler *c;
    cs_arena *arena;
    cs_pointers closures; /* comprehension → place in `closure_types` */
    CS_VEC(const cs_type *) closure_types;
    cs_syms relaxed;          /* a with-target's text → cs_type_node of the documents that it may change */
    cs_value schema_types;    /* of schemas by name: addresses; undefined while there are none */
    uint32_t turns, within;   /* typecheck_unify.c: steps into recursive types */
    struct cs_edges *readers; /* of each rule, the rules that read it; made on first use */
};

/* ---- typecheck_env.c */
cs_type_env cs_env__layer(const cs_type_env *next);      /* with variables of its own */
cs_type_env cs_env__with_layer(const cs_type_env *next); /* variables go to `next` */
void cs_env__put(const cs_type_env *env, const cs_sym *var, const cs_type *type);
const cs_type *cs_env__of(const cs_type_env *env, const cs_term *t);
const cs_type *cs_env__of_ref(const cs_type_env *env, const cs_terms *ref);
cs_type_node *cs_type_node__child(const cs_type_node *node, cs_value key);
cs_type_node *cs_type_node__at(cs_type_checker *tc, cs_type_node **root, const cs_value *path,
                               uint32_t n); /* made if missing */
/* What a document can be: its own type, or an object of those beneath. */
const cs_type *cs_type_node__extent(cs_type_checker *tc, const cs_type_node *node);
void cs_type_node__insert(cs_type_checker *tc, cs_type_node **root, const cs_value *path, uint32_t n,
                          const cs_type *type);
void cs_type_node__sort(const cs_type_node *node); /* so that threads may share it */
const cs_type *cs_types__select_constant(cs_type_checker *tc, const cs_type *t, const cs_term *key);
bool cs_types__is_empty(const cs_type *t); /* a collection that holds nothing */

/* ---- typecheck_ref.c */
bool cs_types__in_scalar(cs_type_checker *tc, const cs_term *head); /* of a reference */

/* ---- typecheck_schema.c */
/* What the annotations of a rule, its package and those above say of documents, into a layer of its own. */
void cs_types__apply_schemas(cs_type_env *layer, const cs_rule *r, cs_type_errors *errors);
/* The schema of the input, if there is one; false if it is no good. */
bool cs_types__load_input(cs_type_checker *tc, cs_type_env *base);
/* Checks a rule and puts its type into base->data (typecheck.c). */
void cs_types__rule(cs_type_env *base, cs_rule *r);

/* ---- typecheck_unify.c */
bool cs_types__unknown(const cs_type *t); /* anywhere in it */
bool cs_types__unifies(cs_type_checker *tc, const cs_type *a, const cs_type *b);
/* Can the term be of the type? Variables without a type get theirs. */
bool cs_types__unify_term(const cs_type_env *env, const cs_term *t, const cs_type *type, bool in_union);
bool cs_types__unify_terms(const cs_type_env *env, const cs_term *a, const cs_type *of_a, const cs_term *b,
                           const cs_type *of_b);

/* ---- typecheck_ref.c: every ref under an expression, but for those in comprehensions */
void cs_types__check_refs(const cs_type_env *env, cs_expr *e, cs_type_errors *errors);

/* ---- typecheck_error.c */
void cs_types__match_error(cs_type_checker *tc, cs_type_errors *errors, cs_loc loc, const cs_type *left,
                           const cs_type *right);
/* `have` are the types of the operands; the result is shown with the arguments where with_result. */
void cs_types__arg_error(cs_type_checker *tc, cs_type_errors *errors, cs_loc loc, const cs_term *name,
                         const char *problem, const cs_type *const *have, uint32_t n, const cs_type *function,
                         bool with_result);
/* The operand of a ref at `at` is not among the keys that there can be. */
void cs_types__key_error(cs_type_checker *tc, cs_type_errors *errors, const cs_terms *ref, uint32_t at,
                         const cs_type *have, const cs_type *want, const cs_value *one_of, uint32_t n);
/* What stands in front of operand at + 1 has no keys. */
void cs_types__no_keys_error(cs_type_checker *tc, cs_type_errors *errors, const cs_terms *ref, uint32_t at,
                             const cs_type *have);
void cs_types__plain_error(cs_type_checker *tc, cs_type_errors *errors, cs_loc loc, const char *format, ...)
    CS_PRINTF(4, 5);

/* ---- typecheck_elide.c: two types, or two lists of arguments, each on a line; what is too wide is cut to where they
 * differ */
void cs_elide__pair(cs_type_checker *tc, cs_buf *out, const cs_type *left, const cs_type *right);
void cs_elide__arguments(cs_type_checker *tc, cs_buf *out, const cs_type *have, const cs_type *want);

/* ---- typecheck.c */
/* A call with the wrong number of operands. `function` is the built-in's type, or NULL: then the policy's, which a
 * query knows; false if there is none. */
bool cs_types__arity_error(cs_compiler *c, const cs_expr *e, const cs_term *name, const cs_type *function);
void cs_types__hand_over(cs_compiler *c, const cs_type_errors *errors, bool recoverable);
/* Types a body in a layer over env. */
void cs_types__body(const cs_type_env *env, cs_type_env *layer, cs_body b, cs_type_errors *errors);
const cs_type *cs_types__closure(const cs_type_env *env, const cs_term *t, cs_type_errors *errors);

#endif
