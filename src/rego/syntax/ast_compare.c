/* OPA's total order over terms and expressions, and the order of sets and objects that follows from it. */
#include "rego/syntax/internal.h"

static int order_of(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return 0; /* the four scalar kinds are ordered by cs_compare */
    case CS_TERM_TEMPLATE:
        return 4;
    case CS_TERM_VAR:
        return 5;
    case CS_TERM_REF:
        return 6;
    case CS_TERM_ARRAY:
        return 7;
    case CS_TERM_OBJECT:
        return 8;
    case CS_TERM_SET:
        return 9;
    case CS_TERM_ARRAY_COMPREHENSION:
        return 10;
    case CS_TERM_OBJECT_COMPREHENSION:
        return 11;
    case CS_TERM_SET_COMPREHENSION:
        return 12;
    case CS_TERM_CALL:
        return 13;
    }
    return 14;
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_lists(cs_terms a, cs_terms b)
{
    for (uint32_t i = 0; i < a.n && i < b.n; i++) {
        int c = cs_term_compare(a.v[i], b.v[i]);
        if (c) {
            return c;
        }
    }
    return compare_u32(a.n, b.n);
}

static int compare_comprehensions(const cs_term *a, const cs_term *b)
{
    int c = 0;
    if (a->u.comprehension.key && b->u.comprehension.key) {
        c = cs_term_compare(a->u.comprehension.key, b->u.comprehension.key);
    }
    c = c ? c : cs_term_compare(a->u.comprehension.head, b->u.comprehension.head);
    return c ? c : cs_body_compare(a->u.comprehension.body, b->u.comprehension.body);
}

static int compare_templates(const cs_term *a, const cs_term *b)
{
    if (a->raw != b->raw) {
        return a->raw ? 1 : -1;
    }
    int c = compare_u32(a->u.list.n, b->u.list.n);
    return c ? c : compare_lists(a->u.list, b->u.list);
}

int cs_term_compare(const cs_term *a, const cs_term *b)
{
    if (a == b) {
        return 0;
    }
    if (!a || !b) {
        return a ? 1 : -1;
    }
    int c = order_of(a) - order_of(b);
    if (c) {
        return c;
    }
    switch (a->kind) {
    case CS_TERM_SCALAR:
        return cs_compare(a->u.value, b->u.value);
    case CS_TERM_VAR:
        return a->u.var == b->u.var ? 0 : cs_slice_compare(cs_sym_slice(a->u.var), cs_sym_slice(b->u.var));
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_CALL:
        return compare_lists(a->u.list, b->u.list);
    case CS_TERM_TEMPLATE:
        return compare_templates(a, b);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return compare_comprehensions(a, b);
    }
    return 0;
}

static int expr_order(const cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_SOME:
        return 0;
    case CS_EXPR_TERM:
        return 1;
    case CS_EXPR_CALL:
        return 2;
    case CS_EXPR_EVERY:
        return 3;
    case CS_EXPR_NOT:
        return 4;
    case CS_EXPR_AND:
        return 5;
    case CS_EXPR_OR:
        return 6;
    }
    return 7;
}

static int compare_every(const cs_expr *a, const cs_expr *b)
{
    int c = cs_term_compare(a->u.every.key, b->u.every.key);
    c = c ? c : cs_term_compare(a->u.every.value, b->u.every.value);
    c = c ? c : cs_term_compare(a->u.every.domain, b->u.every.domain);
    return c ? c : cs_body_compare(a->u.every.body, b->u.every.body);
}

int cs_expr_compare(const cs_expr *a, const cs_expr *b)
{
    if (a == b) {
        return 0;
    }
    int c = expr_order(a) - expr_order(b);
    c = c ? c : compare_u32(a->index, b->index);
    if (c) {
        return c;
    }
    if (a->negated != b->negated) {
        return a->negated ? 1 : -1;
    }
    switch (a->kind) {
    case CS_EXPR_TERM:
        c = cs_term_compare(a->u.term, b->u.term);
        break;
    case CS_EXPR_CALL:
        c = compare_lists(a->u.call, b->u.call);
        break;
    case CS_EXPR_SOME:
        c = compare_lists(a->u.some, b->u.some);
        break;
    case CS_EXPR_EVERY:
        c = compare_every(a, b);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        c = cs_body_compare(a->u.logic.left, b->u.logic.left);
        c = c ? c : cs_body_compare(a->u.logic.right, b->u.logic.right);
        break;
    }
    for (uint32_t i = 0; !c && i < a->n_with && i < b->n_with; i++) {
        c = cs_term_compare(a->with[i].target, b->with[i].target);
        c = c ? c : cs_term_compare(a->with[i].value, b->with[i].value);
    }
    return c ? c : compare_u32(a->n_with, b->n_with);
}

int cs_body_compare(cs_body a, cs_body b)
{
    for (uint32_t i = 0; i < a.n && i < b.n; i++) {
        int c = cs_expr_compare(a.v[i], b.v[i]);
        if (c) {
            return c;
        }
    }
    return compare_u32(a.n, b.n);
}

/* A stable merge sort of n entries of `width` terms each, by their first. */
static void sort_entries(cs_term **v, cs_term **room, uint32_t n, uint32_t width)
{
    for (uint32_t run = 1; run < n; run *= 2) {
        for (uint32_t from = 0; from < n; from += 2 * run) {
            uint32_t middle = from + run < n ? from + run : n;
            uint32_t to = middle + run < n ? middle + run : n;
            uint32_t i = from, k = middle;
            for (uint32_t at = from; at < to; at++) {
                bool left = i < middle && (k >= to || cs_term_compare(v[i * width], v[k * width]) <= 0);
                uint32_t pick = left ? i++ : k++;
                memcpy(room + (size_t)at * width, v + (size_t)pick * width, sizeof *v * width);
            }
        }
        memcpy(v, room, sizeof *v * n * width);
    }
}

void cs_term_sort(cs_arena *arena, cs_term *t)
{
    if (t->kind != CS_TERM_SET && t->kind != CS_TERM_OBJECT) {
        return;
    }
    uint32_t width = t->kind == CS_TERM_OBJECT ? 2 : 1;
    uint32_t n = t->u.list.n / width;
    bool sorted = true;
    for (uint32_t i = 1; i < n && sorted; i++) {
        int c = cs_term_compare(t->u.list.v[(i - 1) * width], t->u.list.v[i * width]);
        sorted = width == 2 ? c <= 0 : c < 0;
    }
    if (sorted) {
        return;
    }
    cs_arena_mark mark = cs_arena_mark_now(arena);
    sort_entries(t->u.list.v, cs_arena_alloc(arena, sizeof(cs_term *) * n * width), n, width);
    cs_arena_rewind(arena, mark);
    if (width == 1) {
        uint32_t kept = 1;
        for (uint32_t i = 1; i < n; i++) {
            if (cs_term_compare(t->u.list.v[kept - 1], t->u.list.v[i]) != 0) {
                t->u.list.v[kept++] = t->u.list.v[i];
            }
        }
        t->u.list.n = kept;
    }
}
