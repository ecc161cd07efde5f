#include "rego/plan/internal.h"

bool cs_plan__open(const cs_builder *b, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_VAR:
        return cs_plan__lookup(b, t->u.var) == CS_PLAN_NO_REG &&
               !cs_slice_eq(cs_sym_slice(t->u.var), CS_LIT("input")) &&
               !cs_slice_eq(cs_sym_slice(t->u.var), CS_LIT("data"));
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            if (cs_plan__open(b, t->u.list.v[i])) {
                return true;
            }
        }
        return false;
    case CS_TERM_SCALAR:
    case CS_TERM_REF: /* its own variables become loops where it is read */
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        return false;
    }
    return false;
}

void cs_plan__loop(cs_builder *b, uint32_t reg, uint32_t *key, uint32_t *value)
{
    uint32_t state = cs_plan__regs(b, 2);
    *key = cs_plan__reg(b);
    *value = cs_plan__reg(b);
    uint32_t next = cs_plan__label(b);
    cs_plan__emit(b, CS_OP_SCAN, state, reg, 0, 0, b->fail);
    cs_plan__place(b, next);
    cs_plan__emit(b, CS_OP_NEXT, state, *key, *value, 0, b->fail);
    b->fail = next;
    b->loops++;
    b->any_loop = true;
}

static uint32_t plan_composite(cs_builder *b, const cs_term *t, cs_op op)
{
    cs_value constant;
    if (cs_term_to_value(b->p->arena, t, &constant)) {
        uint32_t reg = cs_plan__reg(b);
        /* Frozen, since all threads will read it. */
        cs_plan__emit(b, CS_OP_LOADK, reg, 0, 0, cs_plan__k(b, cs_freeze(b->p->arena, constant)), 0);
        return reg;
    }
    uint32_t n = t->u.list.n;
    uint32_t first = cs_plan__regs(b, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_plan__term_into(b, t->u.list.v[i], first + i);
    }
    uint32_t reg = cs_plan__reg(b);
    cs_plan__emit(b, op, reg, first, op == CS_OP_OBJECT ? n / 2 : n, 0, 0);
    return reg;
}

/* [head | body]: the body's loops run dry at the label `done`, and the collection is whole. */
static uint32_t plan_comprehension(cs_builder *b, const cs_term *t)
{
    cs_op make = t->kind == CS_TERM_ARRAY_COMPREHENSION ? CS_OP_NEWARRAY
                 : t->kind == CS_TERM_SET_COMPREHENSION ? CS_OP_NEWSET
                                                        : CS_OP_NEWOBJECT;
    uint32_t grouped;
    if (cs_plan__grouped(b, t, &grouped)) {
        return grouped;
    }
    uint32_t acc = cs_plan__reg(b);
    uint32_t outer_fail = b->fail;
    uint32_t loops = b->loops;
    size_t bound = b->bindings.n;
    uint32_t done = cs_plan__label(b);
    cs_plan__emit(b, make, acc, 0, 0, 0, 0);
    b->fail = done;
    cs_plan__body(b, t->u.comprehension.body);
    uint32_t head = cs_plan__term(b, t->u.comprehension.head);
    if (t->kind == CS_TERM_OBJECT_COMPREHENSION) {
        uint32_t key = cs_plan__term(b, t->u.comprehension.key);
        cs_loc loc = b->loc;
        b->loc = t->u.comprehension.key->loc; /* where a conflict of keys is said to be */
        cs_plan__emit(b, CS_OP_PUT, acc, key, head, 0, 0);
        b->loc = loc;
    } else {
        cs_plan__emit(b, t->kind == CS_TERM_ARRAY_COMPREHENSION ? CS_OP_PUSH : CS_OP_ADD, acc, head, 0, 0, 0);
    }
    cs_plan__jump(b, b->fail);
    cs_plan__place(b, done);
    cs_plan__emit(b, CS_OP_SEAL, acc, 0, 0, 0, 0);
    b->fail = outer_fail;
    b->loops = loops;
    b->bindings.n = bound;
    return acc;
}

static uint32_t plan_var(cs_builder *b, const cs_term *t)
{
    uint32_t reg = cs_plan__lookup(b, t->u.var);
    if (reg != CS_PLAN_NO_REG) {
        return reg;
    }
    cs_slice name = cs_sym_slice(t->u.var);
    if (cs_slice_eq(name, CS_LIT("input")) || cs_slice_eq(name, CS_LIT("data"))) {
        cs_term *head = (cs_term *)(uintptr_t)t;
        cs_term ref = {.kind = CS_TERM_REF, .loc = t->loc, .u.list = {&head, 1}};
        return cs_plan__ref(b, &ref);
    }
    cs_plan__fail(b, cs_arena_printf(b->p->arena, NULL, "var %.*s is unsafe", CS_FMT(name)));
    return 0;
}

uint32_t cs_plan__term(cs_builder *b, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR: {
        uint32_t reg = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_LOADK, reg, 0, 0, cs_plan__k(b, t->u.value), 0);
        return reg;
    }
    case CS_TERM_VAR:
        return plan_var(b, t);
    case CS_TERM_REF:
        return cs_plan__ref(b, t);
    case CS_TERM_ARRAY:
        return plan_composite(b, t, CS_OP_ARRAY);
    case CS_TERM_SET:
        return plan_composite(b, t, CS_OP_SET);
    case CS_TERM_OBJECT:
        return plan_composite(b, t, CS_OP_OBJECT);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return plan_comprehension(b, t);
    case CS_TERM_CALL:
        return cs_plan__call_value(b, &t->u.list);
    case CS_TERM_TEMPLATE:
        break;
    }
    cs_plan__fail(b, "a template string reached the planner");
    return 0;
}

void cs_plan__term_into(cs_builder *b, const cs_term *t, uint32_t reg)
{
    uint32_t mark = b->next_reg;
    uint32_t from = cs_plan__term(b, t);
    size_t n = b->insns.n;
    /* The instruction that made a fresh temporary may write its register at once, unless a label stands behind it. */
    if (from >= mark && n > b->sealed && b->insns.v[n - 1].a == from && cs_op_infos[b->insns.v[n - 1].op].a == 'W') {
        b->insns.v[n - 1].a = (uint16_t)reg;
        return;
    }
    cs_plan__emit(b, CS_OP_MOVE, reg, from, 0, 0, 0);
}
