#include "rego/plan/internal.h"

static void unify_array(cs_builder *b, const cs_term *pattern, uint32_t reg)
{
    uint32_t n = pattern->u.list.n;
    cs_plan__emit(b, CS_OP_ISARRAY, reg, 0, 0, n, b->fail);
    for (uint32_t i = 0; i < n; i++) {
        const cs_term *item = pattern->u.list.v[i];
        if (item->kind == CS_TERM_VAR && cs_sym_is_wildcard(item->u.var)) {
            continue;
        }
        uint32_t value = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_DOTK, value, reg, 0, cs_plan__k(b, cs_int(i)), b->fail);
        cs_plan__unify(b, item, value);
    }
}

static void unify_object(cs_builder *b, const cs_term *pattern, uint32_t reg)
{
    uint32_t n = pattern->u.list.n / 2;
    cs_plan__emit(b, CS_OP_ISOBJECT, reg, 0, 0, n, b->fail);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = cs_plan__term(b, pattern->u.list.v[2 * i]);
        uint32_t value = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_DOT, value, reg, key, 0, b->fail);
        cs_plan__unify(b, pattern->u.list.v[2 * i + 1], value);
    }
}

void cs_plan__unify(cs_builder *b, const cs_term *pattern, uint32_t reg)
{
    if (pattern->kind == CS_TERM_SCALAR) {
        cs_plan__emit(b, CS_OP_EQK, reg, 0, 0, cs_plan__k(b, pattern->u.value), b->fail);
        return;
    }
    if (cs_plan__open(b, pattern)) {
        if (pattern->kind == CS_TERM_VAR) {
            cs_plan__bind(b, pattern->u.var, reg);
            return;
        }
        if (pattern->kind == CS_TERM_ARRAY) {
            unify_array(b, pattern, reg);
            return;
        }
        if (pattern->kind == CS_TERM_OBJECT) {
            unify_object(b, pattern, reg);
            return;
        }
    }
    uint32_t other = cs_plan__term(b, pattern);
    cs_plan__emit(b, CS_OP_EQ, reg, other, 0, 0, b->fail);
}

/* Both sides have variables to bind: item by item. */
static void equal_open(cs_builder *b, const cs_term *x, const cs_term *y)
{
    if (x->kind != y->kind || x->u.list.n != y->u.list.n || (x->kind != CS_TERM_ARRAY && x->kind != CS_TERM_OBJECT)) {
        if (x->kind == CS_TERM_VAR || y->kind == CS_TERM_VAR) {
            cs_plan__fail(b, "both sides of an equation are unbound");
        } else {
            cs_plan__jump(b, b->fail);
        }
        return;
    }
    if (x->kind == CS_TERM_ARRAY) {
        for (uint32_t i = 0; i < x->u.list.n; i++) {
            cs_plan__equal(b, x->u.list.v[i], y->u.list.v[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < x->u.list.n; i += 2) {
        uint32_t j = 0;
        while (j < y->u.list.n && !cs_term_equal(x->u.list.v[i], y->u.list.v[j])) {
            j += 2;
        }
        if (j == y->u.list.n) {
            cs_plan__jump(b, b->fail);
            return;
        }
        cs_plan__equal(b, x->u.list.v[i + 1], y->u.list.v[j + 1]);
    }
}

static bool is_comprehension(const cs_term *t)
{
    return t->kind == CS_TERM_ARRAY_COMPREHENSION || t->kind == CS_TERM_SET_COMPREHENSION ||
           t->kind == CS_TERM_OBJECT_COMPREHENSION;
}

/* The reference evaluator makes no comprehension to compare it with what is of another kind, so what goes wrong in one
 * is not seen then: a reference is read first, and so is what stands on the left. */
static bool equal_comprehension(cs_builder *b, const cs_term *left, const cs_term *right)
{
    bool swap = is_comprehension(left) && right->kind == CS_TERM_REF;
    const cs_term *value = swap ? right : left;
    const cs_term *made = swap ? left : right;
    if (!is_comprehension(made) || is_comprehension(value) || cs_plan__open(b, value)) {
        return false;
    }
    cs_kind kind = made->kind == CS_TERM_ARRAY_COMPREHENSION    ? CS_ARRAY
                   : made->kind == CS_TERM_OBJECT_COMPREHENSION ? CS_OBJECT
                                                                : CS_SET;
    uint32_t x = cs_plan__term(b, value);
    cs_plan__emit(b, CS_OP_KIND, x, 0, 0, 1U << kind | 1U << CS_SET, b->fail);
    uint32_t y = cs_plan__term(b, made);
    cs_plan__emit(b, CS_OP_EQ, x, y, 0, 0, b->fail);
    return true;
}

void cs_plan__equal(cs_builder *b, const cs_term *left, const cs_term *right)
{
    if (equal_comprehension(b, left, right)) {
        return;
    }
    bool left_open = cs_plan__open(b, left);
    bool right_open = cs_plan__open(b, right);
    if (left_open && right_open) {
        equal_open(b, left, right);
    } else if (left_open || right->kind == CS_TERM_SCALAR) {
        /* The side that is known is read first; a constant is compared in place. */
        if (right->kind == CS_TERM_SCALAR && !left_open) {
            cs_plan__unify(b, right, cs_plan__term(b, left));
        } else {
            cs_plan__unify(b, left, cs_plan__term(b, right));
        }
    } else {
        cs_plan__unify(b, right, cs_plan__term(b, left));
    }
}
