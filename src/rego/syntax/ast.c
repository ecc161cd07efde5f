/* Making, copying and asking nodes; the table of names. */
#include <stdarg.h>
#include <stdio.h>

#include "rego/syntax/internal.h"

/* ---- names */
struct cs_symtab {
    const cs_sym **slots;
    uint32_t mask;
    uint32_t n;
};

static void symtab_grow(cs_ast *ast, uint32_t cap)
{
    cs_symtab *t = ast->symbols;
    const cs_sym **old = t->slots;
    uint32_t old_cap = old ? t->mask + 1 : 0;
    t->slots = cs_arena_array(ast->arena, const cs_sym *, cap);
    t->mask = cap - 1;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i]) {
            uint32_t at = old[i]->hash & t->mask;
            while (t->slots[at]) {
                at = (at + 1) & t->mask;
            }
            t->slots[at] = old[i];
        }
    }
}

void cs_ast_init(cs_ast *ast, cs_arena *arena)
{
    ast->arena = arena;
    ast->symbols = cs_arena_new(arena, cs_symtab);
    symtab_grow(ast, 64);
    ast->data = cs_sym_get(ast, CS_LIT("data"));
    ast->input = cs_sym_get(ast, CS_LIT("input"));
    ast->future = cs_sym_get(ast, CS_LIT("future"));
    ast->rego = cs_sym_get(ast, CS_LIT("rego"));
}

const cs_sym *cs_sym_get(cs_ast *ast, cs_slice name)
{
    cs_symtab *t = ast->symbols;
    uint32_t hash = cs_hash_bytes(name.p, name.n);
    uint32_t at = hash & t->mask;
    for (; t->slots[at]; at = (at + 1) & t->mask) {
        const cs_sym *s = t->slots[at];
        if (s->hash == hash && s->n == name.n && memcmp(s->s, name.p, name.n) == 0) {
            return s;
        }
    }
    cs_sym *s = cs_arena_alloc(ast->arena, sizeof *s + name.n + 1);
    s->n = (uint32_t)name.n;
    s->hash = hash;
    memcpy(s->s, name.p, name.n);
    s->s[name.n] = 0;
    t->slots[at] = s;
    if (++t->n > t->mask / 2) {
        symtab_grow(ast, (t->mask + 1) * 2);
    }
    return s;
}

const cs_sym *cs_sym_printf(cs_ast *ast, const char *format, ...)
{
    char room[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (n < 0) {
        n = 0;
    }
    if ((size_t)n < sizeof room) {
        return cs_sym_get(ast, cs_slice_make(room, (size_t)n));
    }
    char *longer = cs_arena_alloc(ast->arena, (size_t)n + 1);
    va_start(args, format);
    (void)vsnprintf(longer, (size_t)n + 1, format, args);
    va_end(args);
    return cs_sym_get(ast, cs_slice_make(longer, (size_t)n));
}

bool cs_sym_is_wildcard(const cs_sym *s)
{
    return s->n > 0 && s->s[0] == '$';
}

bool cs_sym_is_generated(const cs_sym *s)
{
    return cs_slice_starts(cs_sym_slice(s), CS_LIT("__local"));
}

/* ---- heights */
static uint16_t above(uint32_t height)
{
    return height >= UINT16_MAX ? UINT16_MAX : (uint16_t)(height + 1);
}

static uint32_t list_height(cs_terms list)
{
    uint32_t h = 0;
    for (uint32_t i = 0; i < list.n; i++) {
        h = list.v[i]->height > h ? list.v[i]->height : h;
    }
    return h;
}

static uint32_t body_height(cs_body b)
{
    uint32_t h = 0;
    for (uint32_t i = 0; i < b.n; i++) {
        h = b.v[i]->height > h ? b.v[i]->height : h;
    }
    return h;
}

static uint32_t at_least(uint32_t h, const cs_term *t)
{
    return t && t->height > h ? t->height : h;
}

void cs_syntax__expr_measure(cs_expr *e)
{
    uint32_t h = 0;
    switch (e->kind) {
    case CS_EXPR_TERM:
        h = e->u.term->height;
        break;
    case CS_EXPR_CALL:
        h = list_height(e->u.call);
        break;
    case CS_EXPR_SOME:
        h = list_height(e->u.some);
        break;
    case CS_EXPR_EVERY:
        h = at_least(at_least(body_height(e->u.every.body), e->u.every.value), e->u.every.domain);
        h = at_least(h, e->u.every.key);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT: {
        uint32_t l = body_height(e->u.logic.left), r = body_height(e->u.logic.right);
        h = l > r ? l : r;
        break;
    }
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        h = at_least(at_least(h, e->with[i].target), e->with[i].value);
    }
    e->height = above(h);
}

void cs_expr_measure(cs_expr *e)
{
    cs_syntax__expr_measure(e);
}

/* ---- terms */
static cs_term *term_new(cs_ast *ast, cs_term_kind kind, cs_loc loc)
{
    cs_term *t = cs_arena_new(ast->arena, cs_term);
    t->kind = kind;
    t->loc = loc;
    return t;
}

cs_term *cs_term_scalar(cs_ast *ast, cs_value v, cs_loc loc)
{
    cs_term *t = term_new(ast, CS_TERM_SCALAR, loc);
    t->u.value = v;
    return t;
}

cs_term *cs_term_string(cs_ast *ast, cs_slice s, cs_loc loc)
{
    return cs_term_scalar(ast, cs_string(s), loc);
}

cs_term *cs_term_var(cs_ast *ast, const cs_sym *name, cs_loc loc)
{
    cs_term *t = term_new(ast, CS_TERM_VAR, loc);
    t->u.var = name;
    return t;
}

cs_term *cs_term_list(cs_ast *ast, cs_term_kind kind, cs_term *const *items, uint32_t n, cs_loc loc)
{
    cs_term *t = term_new(ast, kind, loc);
    t->u.list.n = n;
    t->u.list.v = cs_arena_alloc(ast->arena, sizeof *items * n);
    if (n) {
        memcpy(t->u.list.v, items, sizeof *items * n);
    }
    if (kind == CS_TERM_TEMPLATE) {
        t->u.template_string.exprs = NULL;
        t->u.template_string.places = NULL;
    }
    cs_term_sort(ast->arena, t);
    t->height = above(list_height(t->u.list));
    return t;
}

cs_term *cs_term_comprehension(cs_ast *ast, cs_term_kind kind, cs_term *key, cs_term *head, cs_body body, cs_loc loc)
{
    cs_term *t = term_new(ast, kind, loc);
    t->u.comprehension.key = key;
    t->u.comprehension.head = head;
    t->u.comprehension.body = body;
    t->height = above(at_least(at_least(body_height(body), head), key));
    return t;
}

cs_term *cs_term_operator(cs_ast *ast, const char *dotted_name, cs_loc loc)
{
    cs_term *parts[8];
    uint32_t n = 0;
    cs_slice rest = cs_slice_of(dotted_name), piece;
    while (n < sizeof parts / sizeof *parts && cs_slice_next(&rest, '.', &piece)) {
        if (n == 0) {
            parts[n] = cs_term_var(ast, cs_sym_get(ast, piece), loc);
        } else {
            const char *copy = cs_arena_dup(ast->arena, piece.p, piece.n);
            parts[n] = cs_term_string(ast, cs_slice_make(copy, piece.n), loc);
        }
        n++;
    }
    return cs_term_list(ast, CS_TERM_REF, parts, n, loc);
}

/* ---- expressions and bodies */
cs_expr *cs_expr_term(cs_ast *ast, cs_term *t, cs_loc loc)
{
    cs_expr *e = cs_arena_new(ast->arena, cs_expr);
    e->kind = CS_EXPR_TERM;
    e->loc = loc;
    e->u.term = t;
    cs_syntax__expr_measure(e);
    return e;
}

cs_expr *cs_expr_call(cs_ast *ast, const char *dotted_name, cs_term *const *operands, uint32_t n, cs_loc loc)
{
    cs_expr *e = cs_arena_new(ast->arena, cs_expr);
    e->kind = CS_EXPR_CALL;
    e->loc = loc;
    e->u.call.n = n + 1;
    e->u.call.v = cs_arena_alloc(ast->arena, sizeof *operands * (n + 1));
    e->u.call.v[0] = cs_term_operator(ast, dotted_name, loc);
    if (n) {
        memcpy(e->u.call.v + 1, operands, sizeof *operands * n);
    }
    cs_syntax__expr_measure(e);
    return e;
}

void cs_body_append(cs_ast *ast, cs_body *b, cs_expr *e)
{
    /* Room is always a power of two (at least 4), so that the count alone tells when it is full. */
    if (b->n == 0 || (b->n >= 4 && (b->n & (b->n - 1)) == 0)) {
        cs_expr **v = cs_arena_alloc(ast->arena, sizeof(cs_expr *) * (b->n ? (size_t)b->n * 2 : 4));
        if (b->n) {
            memcpy(v, b->v, sizeof(cs_expr *) * b->n);
        }
        b->v = v;
    }
    e->index = b->n;
    b->v[b->n++] = e;
}

/* ---- copies */
static cs_terms terms_copy(cs_ast *ast, cs_terms list)
{
    cs_terms out = {cs_arena_alloc(ast->arena, sizeof(cs_term *) * list.n), list.n};
    for (uint32_t i = 0; i < list.n; i++) {
        out.v[i] = cs_term_copy(ast, list.v[i]);
    }
    return out;
}

cs_term *cs_term_copy(cs_ast *ast, const cs_term *t)
{
    if (!t) {
        return NULL;
    }
    cs_term *c = cs_arena_alloc(ast->arena, sizeof *c);
    *c = *t;
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
        break;
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_CALL:
        c->u.list = terms_copy(ast, t->u.list);
        break;
    case CS_TERM_TEMPLATE:
        c->u.list = terms_copy(ast, t->u.list);
        if (t->u.template_string.exprs) {
            c->u.template_string.exprs = cs_arena_array(ast->arena, cs_expr *, t->u.list.n);
            for (uint32_t i = 0; i < t->u.list.n; i++) {
                const cs_expr *e = t->u.template_string.exprs[i];
                c->u.template_string.exprs[i] = e ? cs_expr_copy(ast, e) : NULL;
            }
        }
        break;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        c->u.comprehension.key = cs_term_copy(ast, t->u.comprehension.key);
        c->u.comprehension.head = cs_term_copy(ast, t->u.comprehension.head);
        c->u.comprehension.body = cs_body_copy(ast, t->u.comprehension.body);
        break;
    }
    return c;
}

cs_expr *cs_expr_copy(cs_ast *ast, const cs_expr *e)
{
    cs_expr *c = cs_arena_alloc(ast->arena, sizeof *c);
    *c = *e;
    switch (e->kind) {
    case CS_EXPR_TERM:
        c->u.term = cs_term_copy(ast, e->u.term);
        break;
    case CS_EXPR_CALL:
        c->u.call = terms_copy(ast, e->u.call);
        break;
    case CS_EXPR_SOME:
        c->u.some = terms_copy(ast, e->u.some);
        break;
    case CS_EXPR_EVERY:
        c->u.every.key = cs_term_copy(ast, e->u.every.key);
        c->u.every.value = cs_term_copy(ast, e->u.every.value);
        c->u.every.domain = cs_term_copy(ast, e->u.every.domain);
        c->u.every.body = cs_body_copy(ast, e->u.every.body);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        c->u.logic.left = cs_body_copy(ast, e->u.logic.left);
        c->u.logic.right = cs_body_copy(ast, e->u.logic.right);
        break;
    }
    if (e->n_with) {
        c->with = cs_arena_array(ast->arena, cs_with, e->n_with);
        for (uint32_t i = 0; i < e->n_with; i++) {
            c->with[i].loc = e->with[i].loc;
            c->with[i].target = cs_term_copy(ast, e->with[i].target);
            c->with[i].value = cs_term_copy(ast, e->with[i].value);
        }
    }
    return c;
}

/* Every expression keeps its index. */
cs_body cs_body_copy(cs_ast *ast, cs_body b)
{
    cs_body out = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        uint32_t index = b.v[i]->index;
        cs_expr *e = cs_expr_copy(ast, b.v[i]);
        cs_body_append(ast, &out, e);
        e->index = index;
    }
    return out;
}

cs_head cs_head_copy(cs_ast *ast, const cs_head *h)
{
    cs_head c = *h;
    c.ref = cs_term_copy(ast, h->ref);
    c.args = terms_copy(ast, h->args);
    c.key = cs_term_copy(ast, h->key);
    c.value = cs_term_copy(ast, h->value);
    return c;
}

cs_rule *cs_rule_copy(cs_ast *ast, const cs_rule *r)
{
    cs_rule *first = NULL;
    /* `else` chains are walked, not recursed over: they may be as long as the module. */
    cs_rule **link = &first;
    for (; r; r = r->other) {
        cs_rule *c = cs_arena_alloc(ast->arena, sizeof *c);
        *c = *r;
        c->head = cs_head_copy(ast, &r->head);
        c->body = cs_body_copy(ast, r->body);
        c->other = NULL;
        *link = c;
        link = &c->other;
    }
    return first;
}
