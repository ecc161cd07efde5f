/* What can be done with the nodes of nodes.h: making, copying, asking, comparing, printing, walking. */
#ifndef CS_REGO_SYNTAX_AST_H
#define CS_REGO_SYNTAX_AST_H

#include "rego/syntax/nodes.h"

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
/* Sets e->height from its parts, after a maker that is not one of these has put them in. */
void cs_expr_measure(cs_expr *e);
/* Sets e->index. *b must be empty or have grown by this function alone (its room follows from its length). */
void cs_body_append(cs_ast *ast, cs_body *b, cs_expr *e);

/* ---- asking */
/* Is the word reserved in every module of the version? */
bool cs_syntax_is_keyword(cs_slice word, cs_rego_version version);
bool cs_term_is_ground(
    const cs_term *t); /* no variables (comprehensions count as ground; REF heads data/input as not variables) */
/* OPA's IsGround: the head of a ref never counts, the variables of comprehensions do, templates are never ground, and
 * an array in which a variable once stood stays as it was (`raw`). */
bool cs_term_is_ground_throughout(const cs_term *t);
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
/* An operand of a ref as it stands behind the head: .name, ["other text"] or [term]. */
void cs_ref_part_print(cs_buf *out, const cs_term *t);
void cs_expr_print(cs_buf *out, const cs_expr *e);
void cs_body_print(cs_buf *out, cs_body b);
void cs_head_print(cs_buf *out, const cs_head *h, cs_rego_version version);
void cs_rule_print(cs_buf *out, const cs_rule *r);
void cs_module_print(cs_buf *out, const cs_module *m);
/* One node a line, indented by its depth (v1/ast/pretty.go). */
void cs_module_print_outline(cs_buf *out, const cs_module *m, bool comments);

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
