/* Private to the formatter. One pen walks the tree and writes as it goes. The comments that are still to be written are
 * passed along by everybody who may write some: each writes those in front of its node and takes them off.
 *
 * A comment in a place that the layout has no room for (CS_PEN_ODD) makes the nearest enclosing term be written as it
 * stands in the text. What follows the odd comment, which comments are lost and which are kept on the way out, is what
 * OPA does, because its output is defined by it: hence the care with which `list->n = 0` is said, or not. */
#ifndef CS_REGO_FORMAT_INTERNAL_H
#define CS_REGO_FORMAT_INTERNAL_H

#include "countersign/base/vec.h"
#include "rego/format/format.h"

typedef enum cs_pen_status {
    CS_PEN_OK,
    CS_PEN_ODD,   /* a comment stands where it cannot be kept */
    CS_PEN_FAILED /* anything else; the reason is in pen->why */
} cs_pen_status;

/* Comments that are still to be written, by their rows. */
typedef struct cs_notes {
    const cs_comment **v;
    size_t n;
} cs_notes;

typedef struct cs_pen {
    cs_ast *ast;
    cs_arena *arena;
    const cs_module *module;
    cs_layout layout;
    cs_buf out;
    uint32_t level;
    bool in_line;                 /* a line has been begun */
    bool delay;                   /* the next end of line is not the one for `at_end` */
    bool last_line_comment;       /* a comment on the last line of text that is written as it stands goes with it */
    const cs_comment *at_end;     /* to be written at the end of this line */
    const cs_expr *wrap_expr;     /* the terms of this expression get parentheses */
    const cs_term *wrap_term;     /* and so does this term */
    bool use_if, use_contains;    /* the keywords are available */
    bool ref_heads;               /* some head needs the ref notation, so all have it */
    bool keywords_v2;             /* by rego.v2 */
    CS_VEC(cs_slice) future;      /* words imported from future.keywords */
    CS_VEC(const char *) missing; /* words whose import the layout may have to add */
    size_t matched;               /* bytes known to be those of the source */
    bool changes;
    cs_errors *errors;
    const char *why;
} cs_pen;

/* ---- places (pen.c) */
static inline int64_t cs_pen__row(const cs_loc *loc)
{
    return loc->nowhere ? 1 : loc->row;
}
cs_slice cs_pen__text(const cs_loc *loc);
/* The row on which the text of the node ends. */
int64_t cs_pen__end_row(const cs_loc *loc);
/* The row of the bracket that closes the first `open` in the text (behind the parentheses skip_open … skip_close, if
 * those are wanted); -1 if there is none. Brackets are counted as bytes, also in strings and comments, as OPA does. */
int64_t cs_pen__closing_row(char skip_open, char skip_close, char open, char close, const cs_loc *loc);

/* ---- writing */
static inline void cs_pen__put(cs_pen *p, const char *text)
{
    cs_buf_text(&p->out, text);
}
void cs_pen__start_line(cs_pen *p);
void cs_pen__end_line(cs_pen *p);
void cs_pen__blank_line(cs_pen *p);
cs_pen_status cs_pen__down(cs_pen *p);
/* Writes the comments above `row`, and keeps one on it for the end of the line. */
cs_pen_status cs_pen__notes(cs_pen *p, cs_notes *list, int64_t row);
/* As notes, for the comments that are handed over. */
void cs_pen__put_notes(cs_pen *p, cs_notes list);
/* The comments above `row`, which are left in the list. */
size_t cs_pen__count_above(cs_notes list, int64_t row);
void cs_pen__put_comment(cs_pen *p, const cs_comment *c);
cs_slice cs_pen__comment_text(const cs_comment *c); /* without the white space at its end */
/* The text as it stands. */
cs_pen_status cs_pen__verbatim(cs_pen *p, const cs_loc *loc, cs_notes *list);
cs_pen_status cs_pen__odd(cs_pen *p, const cs_comment *fresh, const cs_comment *there);
cs_pen_status cs_pen__fail(cs_pen *p, const char *why);
void cs_pen__format_error(cs_pen *p, const char *why);
/* False when the output is seen to differ from the source. */
bool cs_pen__same(cs_pen *p);

/* ---- prepare.c */
void cs_pen__prepare(cs_pen *p, cs_module *m);
void cs_pen__note_missing(cs_pen *p, const char *word);

/* ---- imports.c */
typedef struct cs_fmt_import {
    cs_term *path;
    const cs_sym *alias;
    cs_loc loc;
    bool added; /* by the formatter */
} cs_fmt_import;
typedef CS_VEC(cs_fmt_import) cs_fmt_imports;
/* The imports that the module is to have. */
void cs_pen__settle_imports(cs_pen *p, const cs_module *m, cs_fmt_imports *out);
cs_pen_status cs_pen__imports(cs_pen *p, cs_fmt_import *v, size_t n, cs_notes *list);
bool cs_pen__is_future(const cs_ast *ast, const cs_term *path);
bool cs_pen__future_word(const cs_ast *ast, const cs_term *path, const cs_sym *alias, cs_slice *word);

/* ---- rule.c */
cs_pen_status cs_pen__rules(cs_pen *p, cs_rule **v, size_t n, cs_notes *list);
const cs_term *cs_pen__head_key(const cs_head *h);

/* ---- expr.c, logic.c */
cs_pen_status cs_pen__body(cs_pen *p, cs_body b, cs_notes *list);
cs_pen_status cs_pen__expr(cs_pen *p, cs_expr *e, cs_notes *list);
cs_pen_status cs_pen__call_plain(cs_pen *p, cs_terms call, cs_notes *list);
cs_pen_status cs_pen__in(cs_pen *p, bool parens, cs_terms operands, const char *name, const cs_loc *loc,
                         cs_notes *list);
cs_pen_status cs_pen__logic(cs_pen *p, cs_expr *e, cs_notes *list);
cs_pen_status cs_pen__not(cs_pen *p, cs_expr *e, cs_notes *list);
void cs_pen__mark_union(cs_pen *p, const cs_expr *e);
bool cs_pen__is_union_expr(const cs_expr *e);
bool cs_pen__is_union(const cs_term *t);
/* The infix operator of a call, with its number of operands; NULL if it is a plain function. */
typedef struct cs_infix {
    const char *name, *spelling;
    uint32_t arity;
} cs_infix;
const cs_infix *cs_pen__infix(const cs_term *operator);
/* "any,any": the types of a built-in's operands. */
cs_slice cs_layout__operand_types(cs_arena *a, const char *builtin);
void cs_pen__wrong_arity(cs_pen *p, const cs_infix *infix, cs_terms operands, const cs_loc *loc);

/* ---- term.c, collection.c */
cs_pen_status cs_pen__term(cs_pen *p, cs_term *t, cs_notes *list);
cs_pen_status cs_pen__term_in(cs_pen *p, bool parens, cs_term *t, cs_notes *list);
cs_pen_status cs_pen__ref(cs_pen *p, cs_terms ref, cs_notes *list);
cs_pen_status cs_pen__collection(cs_pen *p, cs_term *t, cs_notes *list);
cs_pen_status cs_pen__comprehension(cs_pen *p, cs_term *t, cs_notes *list);
/* The statements between braces; `first` is the place after which they come, `whole` that of the construct. */
cs_pen_status cs_pen__block(cs_pen *p, char open, char close, cs_body b, const cs_loc *first, const cs_loc *whole,
                            cs_notes *list);
/* Operands of a call or arguments of a head. */
cs_pen_status cs_pen__operands(cs_pen *p, cs_terms operands, const cs_loc *last, cs_notes *list);
static inline bool cs_pen__starts_with_paren(const cs_term *t)
{
    return cs_slice_starts(cs_pen__text(&t->loc), CS_LIT("("));
}

#endif
