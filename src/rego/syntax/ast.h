/* The syntax tree of Rego: what the parser makes, the stages of rego/compile rewrite in place, and rego/plan reads.
 *
 * Ownership: every node lives in the arena of the compilation it belongs to (cs_ast.arena) and dies with it; so do the
 * module texts that locations and strings point into. Nothing is shared between compilations. One thread at a time. The
 * shapes follow OPA's (v1/ast/policy.go, term.go), because its error texts and its AST JSON are defined by them. */
#ifndef CS_REGO_SYNTAX_AST_H
#define CS_REGO_SYNTAX_AST_H

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
    uint32_t length;         /* bytes of the text that the node spans */
    uint32_t row, col;       /* 1-based; col in code points */
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
    bool raw;        /* TEMPLATE: written with backquotes; SCALAR string: a raw string */
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

/* Both live in `arena`. */
void cs_ast_init(cs_ast *ast, cs_arena *arena);
const cs_sym *cs_sym_get(cs_ast *ast, cs_slice name);
const cs_sym *cs_sym_printf(cs_ast *ast, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline cs_slice cs_sym_slice(const cs_sym *s)
{
    return (cs_slice){s->s, s->n};
}

/* ---- making nodes (ast.c) */
cs_term *cs_term_scalar(cs_ast *ast, cs_value v, cs_loc loc);
cs_term *cs_term_string(cs_ast *ast, cs_slice s, cs_loc loc); /* the text is not copied */
cs_term *cs_term_var(cs_ast *ast, const cs_sym *name, cs_loc loc);
/* Copies the array of pointers. Sets are sorted and lose duplicates, objects are sorted by their keys, as OPA iterates
 * over them. */
cs_term *cs_term_list(cs_ast *ast, cs_term_kind kind, cs_term *const *items, uint32_t n, cs_loc loc);
cs_term *cs_term_comprehension(cs_ast *ast, cs_term_kind kind, cs_term *key, cs_term *head, cs_body body, cs_loc loc);
/* Restores the order of a SET or OBJECT (and of nothing beneath it) after its elements or keys have changed. */
void cs_term_sort(cs_arena *arena, cs_term *t);
/* [var name] for a one-word operator, [var io, "jwt", "decode"] for a dotted one. */
cs_term *cs_term_operator(cs_ast *ast, const char *dotted_name, cs_loc loc);
cs_term *cs_term_copy(cs_ast *ast, const cs_term *t); /* deep */
cs_expr *cs_expr_term(cs_ast *ast, cs_term *t, cs_loc loc);
cs_expr *cs_expr_call(cs_ast *ast, const char *dotted_name, cs_term *const *operands, uint32_t n, cs_loc loc);
cs_expr *cs_expr_copy(cs_ast *ast, const cs_expr *e); /* deep */
cs_body cs_body_copy(cs_ast *ast, cs_body b);
cs_head cs_head_copy(cs_ast *ast, const cs_head *h);
cs_rule *cs_rule_copy(cs_ast *ast, const cs_rule *r);
/* Sets e->index. *b must be empty or have grown by this function alone (its room follows from its length). */
void cs_body_append(cs_ast *ast, cs_body *b, cs_expr *e);

/* ---- asking */
bool cs_term_is_ground(
    const cs_term *t); /* no variables (comprehensions count as ground; REF heads data/input as not variables) */
/* A term without variables, refs, calls, comprehensions, as a value in `arena`; false otherwise. */
bool cs_term_to_value(cs_arena *arena, const cs_term *t, cs_value *out);
cs_term *cs_term_from_value(cs_ast *ast, cs_value v, cs_loc loc);
static inline bool cs_term_is_string(const cs_term *t)
{
    return t->kind == CS_TERM_SCALAR && t->u.value.kind == CS_STRING;
}
bool cs_sym_is_wildcard(const cs_sym *s);  /* $0, $1, … */
bool cs_sym_is_generated(const cs_sym *s); /* __local0__ and the like */
/* Is it [data, …] or [input, …]? */
bool cs_ref_is_global(const cs_ast *ast, const cs_term *ref);
/* The dotted name of a call's operator when its ref is plain ("plus", "io.jwt.decode", "data.a.f"); written into room.
 */
cs_slice cs_ref_name(cs_arena *arena, const cs_term *ref);
/* Is it a REF whose dotted name is `dotted_name`? */
bool cs_ref_is(const cs_term *ref, const char *dotted_name);
/* The word of the kind, as OPA's error texts and AST JSON have it: "ref", "arraycomprehension", "string", … */
const char *cs_term_kind_name(const cs_term *t);
/* OPA's total order over terms (v1/ast/compare.go) and equality of trees, locations apart. */
int cs_term_compare(const cs_term *a, const cs_term *b);
int cs_expr_compare(const cs_expr *a, const cs_expr *b);
int cs_body_compare(cs_body a, cs_body b);
static inline bool cs_term_equal(const cs_term *a, const cs_term *b)
{
    return cs_term_compare(a, b) == 0;
}
/* How many operands of a ref, from the front, are ground (the head counts). */
uint32_t cs_ref_ground_prefix(const cs_term *ref);

/* ---- text, as OPA's String methods print it */
void cs_term_print(cs_buf *out, const cs_term *t);
void cs_expr_print(cs_buf *out, const cs_expr *e);
void cs_body_print(cs_buf *out, cs_body b);
void cs_head_print(cs_buf *out, const cs_head *h, cs_rego_version version);
void cs_rule_print(cs_buf *out, const cs_rule *r);
void cs_module_print(cs_buf *out, const cs_module *m);

/* ---- walking (ast_walk.c): pre-order over every term and expression under a node. A callback that returns false is
 * not shown what is beneath. */
typedef struct cs_walker {
    void *self;
    bool (*term)(void *self, cs_term *t); /* NULL = descend */
    bool (*expr)(void *self, cs_expr *e); /* NULL = descend */
    bool skip_closures;                   /* do not enter comprehensions, every and logic bodies */
} cs_walker;
void cs_walk_term(const cs_walker *w, cs_term *t);
void cs_walk_expr(const cs_walker *w, cs_expr *e);
void cs_walk_body(const cs_walker *w, cs_body b);
void cs_walk_rule(const cs_walker *w, cs_rule *r); /* head, body, else */

#endif
