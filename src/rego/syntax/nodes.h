/* The syntax tree of Rego: what the parser makes, the stages of rego/compile rewrite in place, and rego/plan reads.
 *
 * Ownership: every node lives in the arena of the compilation it belongs to (cs_ast.arena) and dies with it; so do the
 * module texts that locations and strings point into. Nothing is shared between compilations. One thread at a time. The
 * shapes follow OPA's (v1/ast/policy.go, term.go), because its error texts and its AST JSON are defined by them. */
#ifndef CS_REGO_SYNTAX_NODES_H
#define CS_REGO_SYNTAX_NODES_H

#include "countersign/value.h"

/* ---- names: interned, so that equal names are the same pointer */
typedef struct cs_sym {
    uint32_t n;
    uint32_t hash;
    char s[]; /* NUL-terminated */
} cs_sym;

typedef struct cs_symtab cs_symtab;

/* A module's text. */
typedef struct cs_source {
    cs_slice file; /* "" for a query */
    cs_slice text;
    uint32_t index; /* position among the modules of the compilation */
} cs_source;

typedef struct cs_loc {
    const cs_source *source; /* NULL: made by the compiler out of nothing */
    uint32_t offset;         /* bytes */
    uint32_t row, col;       /* of `offset`, 1-based; col in code points */
    /* The text that OPA takes for the node's: it begins before `offset` where there are parentheses, and behind it
     * where a ref has a head of several tokens. */
    uint32_t from, length;
    bool nowhere; /* OPA gives the node no place; ours is for messages only */
} cs_loc;

typedef struct cs_term cs_term;
typedef struct cs_expr cs_expr;
typedef struct cs_rule cs_rule;
typedef struct cs_module cs_module;

typedef struct cs_terms {
    cs_term **v;
    uint32_t n;
} cs_terms;

typedef struct cs_body {
    cs_expr **v;
    uint32_t n;
} cs_body;

typedef enum cs_term_kind {
    CS_TERM_SCALAR, /* null, boolean, number, string: `value` */
    CS_TERM_VAR,    /* `var`; wildcards are $0, $1, … */
    CS_TERM_REF,    /* `list`: head (var, or array, object, set, comprehension, call), then the operands */
    CS_TERM_ARRAY,  /* `list` */
    CS_TERM_SET,    /* `list` */
    CS_TERM_OBJECT, /* `list`: key, value, key, value, … (list.n is even) */
    CS_TERM_ARRAY_COMPREHENSION,
    CS_TERM_SET_COMPREHENSION,
    CS_TERM_OBJECT_COMPREHENSION, /* all three: `comprehension` */
    CS_TERM_CALL, /* `list`: operator (always a REF: [var plus], [var io, "jwt", "decode"], [data, "a", "f"]), operands
                   */
    CS_TERM_TEMPLATE /* `list`: SCALAR strings for the text, any other term for {…}; `raw` for $`…` */
} cs_term_kind;

struct cs_term {
    cs_term_kind kind;
    bool raw;        /* TEMPLATE: written with backquotes; SCALAR string: a raw string; ARRAY: a variable stood in it
                      * that copy propagation has replaced */
    bool generated;  /* made by a stage */
    uint16_t height; /* levels of terms and expressions beneath, kept by the makers: what bounds every recursion */
    cs_loc loc;
    union {
        cs_value value;
        const cs_sym *var;
        cs_terms list;
        struct {
            cs_term *key;  /* objects only */
            cs_term *head; /* the value, or the element */
            cs_body body;
        } comprehension;
        struct {
            cs_terms parts;  /* the same as `list` */
            cs_expr **exprs; /* NULL, or for each part NULL or the expression that it was when a term does not say it
                              * all: one with `with`, or CS_EXPR_NOT, _AND, _OR (whose part is then `true`) */
            cs_loc *places;  /* of each part as it was written; NULL in what a stage made */
        } template_string;
    } u;
};

typedef struct cs_with {
    cs_loc loc;
    cs_term *target; /* REF or VAR (a built-in's name) */
    cs_term *value;
} cs_with;

typedef enum cs_expr_kind {
    CS_EXPR_TERM,  /* `term` */
    CS_EXPR_CALL,  /* `call`: v[0] the operator (REF), then operands; `=` is eq, `:=` is assign, `==` is equal */
    CS_EXPR_SOME,  /* `some`: VARs, or one CALL term of internal.member_2 / internal.member_3 for `some … in` */
    CS_EXPR_EVERY, /* `every` */
    CS_EXPR_AND,   /* `logic` (import future.keywords.and) */
    CS_EXPR_OR,    /* `logic` */
    CS_EXPR_NOT    /* `logic.left` only: the new `not` over a body */
} cs_expr_kind;

struct cs_expr {
    cs_expr_kind kind;
    bool negated;    /* `not` of a single expression */
    bool generated;  /* made by a stage, or the implicit `true` */
    uint16_t height; /* as cs_term.height */
    uint32_t index;  /* place in its body */
    cs_loc loc;
    union {
        cs_term *term;
        cs_terms call;
        cs_terms some;
        struct {
            cs_term *key; /* NULL without one */
            cs_term *value;
            cs_term *domain;
            cs_body body;
        } every;
        struct {
            cs_body left, right;
            bool explicit_left, explicit_right; /* written as { body } */
        } logic;
    } u;
    cs_with *with;
    uint32_t n_with;
    /* Which statement of the source this one was lifted out of, and which were lifted out of it, NULL for none. */
    cs_expr *generated_from, *generates, *next_generated;
};

typedef struct cs_head {
    cs_loc loc;
    cs_term *ref;  /* always a REF: [var p], [var p, "a", x, "b"] */
    cs_terms args; /* functions; is_function tells f() from p */
    bool is_function;
    cs_term *key;   /* multi-value (`contains k`): the element; NULL otherwise */
    cs_term *value; /* single-value: the value (SCALAR true if none was written); NULL with `contains` */
    bool assign;    /* := rather than = */
    bool value_written;
    bool uses_if, uses_contains; /* keywords as written */
    /* What OPA's AST JSON shows besides `ref`: "name" (the ref's first word), "key" (the ref's second part, of a
     * single-value rule). */
    bool shows_name, shows_key;
} cs_head;

typedef struct cs_annotation cs_annotation; /* annotate.h */

struct cs_rule {
    cs_loc loc;
    cs_module *module;
    cs_head head;
    cs_body body;   /* never empty: `true` where none was written */
    cs_rule *other; /* the `else`, or NULL */
    bool is_default;
    bool body_generated; /* no body was written */
    bool is_else;        /* this is somebody's `other` */
    bool body_spread;    /* of an `else`: a statement without braces, everything in it placed at the rule */
    cs_annotation *annotations;
    uint32_t n_annotations;
};

typedef struct cs_import {
    cs_loc loc;
    cs_term *path;       /* REF or VAR (`input`) */
    const cs_sym *alias; /* NULL without `as` */
    cs_loc alias_loc;
} cs_import;

typedef struct cs_comment {
    cs_loc loc;
    cs_slice text; /* without the # */
} cs_comment;

typedef enum cs_rego_version { CS_REGO_V0, CS_REGO_V0_V1, CS_REGO_V1, CS_REGO_V2 } cs_rego_version;

struct cs_module {
    cs_source source;
    cs_rego_version version;
    cs_loc package_loc;
    cs_term *package; /* REF: [data, "a", "b"] */
    cs_import *imports;
    uint32_t n_imports;
    cs_rule **rules;
    uint32_t n_rules;
    cs_comment *comments;
    uint32_t n_comments;
    cs_annotation *annotations; /* all of the module, in order; rules have copies of theirs */
    uint32_t n_annotations;
};

/* One compilation's memory and names. */
typedef struct cs_ast {
    cs_arena *arena;
    cs_symtab *symbols;
    /* names that everybody compares with */
    const cs_sym *data, *input, *future, *rego;
} cs_ast;

#endif
