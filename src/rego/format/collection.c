/* Arrays, sets, objects, operands and comprehensions: several on a line as they were written. */
#include "rego/format/internal.h"

#include <stdlib.h>

/* One element: a term, a pair, or a statement. */
typedef struct item {
    const cs_loc *loc;
    cs_term *key, *value; /* a term is in `value` */
    cs_expr *expr;
    size_t index;
    bool new_line; /* stands on a later row than the one before */
} item;

typedef struct items {
    item *v;
    size_t n;
    size_t n_lines;
    bool keep_order; /* the order means something, and places that somebody made up must not change it */
} items;

static int by_place(const void *x, const void *y)
{
    const item *a = x, *b = y;
    int64_t c = cs_pen__row(a->loc) - cs_pen__row(b->loc);
    if (c == 0) {
        c = (int64_t)(a->loc->nowhere ? 1 : a->loc->col) - (b->loc->nowhere ? 1 : b->loc->col);
    }
    if (c == 0) {
        c = a->index < b->index ? -1 : a->index > b->index;
    }
    return c < 0 ? -1 : c > 0;
}

/* Nodes that a stage made, or that have no place, cannot be told apart by rows. */
static bool see_term(void *self, cs_term *t)
{
    bool *made = self;
    if (t->loc.nowhere || (t->kind == CS_TERM_VAR && cs_sym_is_generated(t->u.var))) {
        *made = true;
    }
    return !*made;
}

static bool is_made(const item *i)
{
    bool made = false;
    cs_walker w = {.self = &made, .term = see_term};
    if (i->expr) {
        cs_walk_expr(&w, i->expr);
    } else if (!i->key) {
        cs_walk_term(&w, i->value);
    }
    return made;
}

/* Sorts by place and finds the line breaks; `last` is what stands in front. */
static void group(items *list, const cs_loc *last)
{
    list->n_lines = 1;
    for (size_t i = 0; i < list->n; i++) {
        list->v[i].index = i;
        list->v[i].new_line = false;
    }
    for (size_t i = 0; i < list->n; i++) {
        if (is_made(&list->v[i])) {
            return;
        }
    }
    for (size_t i = 1; i < list->n && list->keep_order; i++) {
        if (by_place(&list->v[i - 1], &list->v[i]) > 0) {
            return;
        }
    }
    if (list->n > 1) {
        qsort(list->v, list->n, sizeof *list->v, by_place);
    }
    for (size_t i = 0; i < list->n; i++) {
        list->v[i].new_line = i > 0 && cs_pen__row(list->v[i].loc) > cs_pen__row(last);
        list->n_lines += list->v[i].new_line;
        last = list->v[i].loc;
    }
}

static items from_terms(cs_pen *p, cs_terms terms, bool pairs)
{
    items list = {.n = pairs ? terms.n / 2 : terms.n};
    list.v = cs_arena_array(p->arena, item, list.n + 1);
    for (size_t i = 0; i < list.n; i++) {
        list.v[i].key = pairs ? terms.v[2 * i] : NULL;
        list.v[i].value = pairs ? terms.v[2 * i + 1] : terms.v[i];
        list.v[i].loc = pairs ? &list.v[i].key->loc : &list.v[i].value->loc;
    }
    return list;
}

/* ---- elements */
/* How unions are written: `|` in a collection would be taken for a comprehension. */
typedef enum union_style { UNION_WRAP, UNION_AS_WRITTEN } union_style;

static cs_pen_status put_wrapped(cs_pen *p, bool wrap, cs_term *t, cs_notes *list)
{
    cs_pen__put(p, wrap ? "(" : "");
    cs_pen_status status = cs_pen__term(p, t, list);
    cs_pen__put(p, wrap ? ")" : "");
    return status;
}

static cs_pen_status put_item(cs_pen *p, const item *i, union_style style, cs_notes *list)
{
    if (!i->key) {
        bool wrap = cs_pen__is_union(i->value) && (style == UNION_WRAP || cs_pen__starts_with_paren(i->value));
        return put_wrapped(p, wrap, i->value, list);
    }
    bool wrap = cs_pen__is_union(i->key);
    cs_pen__put(p, wrap ? "(" : "");
    cs_pen_status status = cs_pen__term(p, i->key, list);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_pen__put(p, wrap ? "): " : ": ");
    return put_wrapped(p, cs_pen__is_union(i->value), i->value, list);
}

/* Is there a line break between the bracket and the first element? */
static bool breaks_first(const items *all, const cs_loc *last)
{
    if (all->n == 0) {
        return false;
    }
    cs_slice text = cs_pen__text(last);
    cs_slice first = cs_pen__text(all->v[0].loc);
    size_t at = first.n ? cs_slice_find(text, first, 0) : 0;
    if (at == 0 || at == SIZE_MAX) {
        return false;
    }
    size_t newline = cs_slice_find_byte(cs_slice_sub(text, 0, at), '\n', 0);
    return newline != SIZE_MAX && newline > 0;
}

/* A comment inside what would become one line. */
static const cs_comment *comment_between(const cs_notes *list, int64_t from, int64_t to)
{
    for (size_t i = 0; i < list->n && list->v[i]->loc.row < to; i++) {
        if (list->v[i]->loc.row > from) {
            return list->v[i];
        }
    }
    return NULL;
}

static cs_pen_status put_items(cs_pen *p, const items *all, union_style style, cs_notes *list)
{
    for (size_t i = 0; i < all->n; i++) {
        if (i > 0 && all->v[i].new_line) {
            cs_pen__put(p, ",");
            cs_pen__end_line(p);
            cs_pen__start_line(p);
        } else if (i > 0) {
            cs_pen__put(p, ", ");
        }
        cs_pen_status status = put_item(p, &all->v[i], style, list);
        if (status != CS_PEN_OK) {
            return status;
        }
    }
    return CS_PEN_OK;
}

static cs_pen_status put_group(cs_pen *p, items *all, const cs_loc *last, int64_t close, union_style style,
                               cs_notes *list)
{
    group(all, last);
    bool several = all->n_lines > 1;
    if (!several) {
        const cs_comment *c = comment_between(list, cs_pen__row(last), close);
        if (c) {
            return cs_pen__odd(p, c, NULL);
        }
        several = breaks_first(all, last);
    }
    if (several) {
        p->delay = true;
        cs_pen__end_line(p);
        p->level++;
        cs_pen__start_line(p);
    }
    cs_pen_status status = put_items(p, all, style, list);
    if (status == CS_PEN_OK && several) {
        cs_pen__put(p, ",");
        cs_pen__end_line(p);
        status = cs_pen__notes(p, list, close);
        status = status == CS_PEN_OK ? cs_pen__down(p) : status;
        if (status == CS_PEN_OK) {
            cs_pen__start_line(p);
        }
    }
    if (status != CS_PEN_OK) {
        list->n = 0;
    }
    return status;
}

cs_pen_status cs_pen__operands(cs_pen *p, cs_terms operands, const cs_loc *last, cs_notes *list)
{
    items all = from_terms(p, operands, false);
    all.keep_order = p->layout.made;
    return put_group(p, &all, last, cs_pen__closing_row(0, 0, '(', ')', last), UNION_AS_WRITTEN, list);
}

cs_pen_status cs_pen__collection(cs_pen *p, cs_term *t, cs_notes *list)
{
    bool array = t->kind == CS_TERM_ARRAY;
    if (t->kind == CS_TERM_SET && t->u.list.n == 0) {
        cs_pen__put(p, "set()");
        cs_pen_status status = cs_pen__notes(p, list, cs_pen__closing_row(0, 0, '(', ')', &t->loc));
        list->n = status == CS_PEN_OK ? list->n : 0;
        return status;
    }
    items all = from_terms(p, t->u.list, t->kind == CS_TERM_OBJECT);
    all.keep_order = p->layout.made && array;
    int64_t close = cs_pen__closing_row(0, 0, array ? '[' : '{', array ? ']' : '}', &t->loc);
    cs_pen__put(p, array ? "[" : "{");
    cs_pen_status status = put_group(p, &all, &t->loc, close, UNION_WRAP, list);
    cs_pen__put(p, array ? "]" : "}");
    return status;
}

/* ---- comprehensions and blocks */
static cs_pen_status block_lines(cs_pen *p, cs_body b, cs_notes *list)
{
    cs_pen__end_line(p);
    p->level++;
    return cs_pen__body(p, b, list);
}

static cs_pen_status block_in_line(cs_pen *p, cs_body b, cs_notes *list)
{
    cs_pen__put(p, " ");
    for (uint32_t i = 0; i < b.n; i++) {
        cs_pen_status status = cs_pen__expr(p, b.v[i], list);
        if (status != CS_PEN_OK) {
            return status;
        }
        cs_pen__put(p, i + 1 < b.n ? "; " : "");
    }
    return CS_PEN_OK;
}

cs_pen_status cs_pen__block(cs_pen *p, char open, char close, cs_body b, const cs_loc *first, const cs_loc *whole,
                            cs_notes *list)
{
    items all = {.n = b.n, .v = cs_arena_array(p->arena, item, b.n + 1U)};
    for (uint32_t i = 0; i < b.n; i++) {
        all.v[i] = (item){.loc = &b.v[i]->loc, .expr = b.v[i]};
    }
    group(&all, first);
    bool lines = cs_pen__row(&b.v[0]->loc) > cs_pen__row(first) || all.n_lines > 1;
    cs_pen_status status = lines ? block_lines(p, b, list) : block_in_line(p, b, list);
    if (status == CS_PEN_OK) {
        status = cs_pen__notes(p, list, cs_pen__closing_row(0, 0, open, close, whole));
        list->n = status == CS_PEN_OK ? list->n : 0;
    }
    if (lines) {
        if (cs_pen__down(p) != CS_PEN_OK) {
            cs_pen__format_error(p, p->why);
        }
        cs_pen__start_line(p);
    }
    return status;
}

static cs_pen_status comprehend(cs_pen *p, char open, char close, cs_term *t, cs_notes *list)
{
    cs_term *head = t->u.comprehension.head;
    if (cs_pen__row(&head->loc) > cs_pen__row(&t->loc)) {
        cs_pen__end_line(p);
        cs_pen__start_line(p);
    }
    bool parens = head->kind == CS_TERM_CALL && (cs_pen__is_union(head) || cs_pen__starts_with_paren(head));
    cs_pen_status status = cs_pen__term_in(p, parens, head, list);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_pen__put(p, " |");
    return cs_pen__block(p, open, close, t->u.comprehension.body, &head->loc, &t->loc, list);
}

static cs_pen_status comprehend_object(cs_pen *p, cs_term *t, cs_notes *list)
{
    /* The value goes on the line of the key, wherever it stood. */
    t->u.comprehension.head->loc.row = (uint32_t)cs_pen__row(&t->loc);
    bool wrap = cs_pen__is_union(t->u.comprehension.key);
    cs_pen__put(p, wrap ? "(" : "");
    cs_pen_status status = cs_pen__term(p, t->u.comprehension.key, list);
    if (status != CS_PEN_OK) {
        list->n = 0;
        return status;
    }
    cs_pen__put(p, wrap ? "): " : ": ");
    return comprehend(p, '{', '}', t, list);
}

cs_pen_status cs_pen__comprehension(cs_pen *p, cs_term *t, cs_notes *list)
{
    bool array = t->kind == CS_TERM_ARRAY_COMPREHENSION;
    cs_pen__put(p, array ? "[" : "{");
    cs_pen_status status = t->kind == CS_TERM_OBJECT_COMPREHENSION
                               ? comprehend_object(p, t, list)
                               : comprehend(p, array ? '[' : '{', array ? ']' : '}', t, list);
    cs_pen__put(p, array ? "]" : "}");
    return status;
}
