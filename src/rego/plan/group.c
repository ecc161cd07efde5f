/* Comprehensions in loops whose body meets the loop's variables only in equations (count([1 | some s in servers;
 * s.group
 * == group])) are evaluated once for all values of those variables, grouped by them; each turn of the loop looks its
 * group up. Products of two collections become sums.
 *
 * The conditions are OPA's (v1/ast/compile.go, getComprehensionIndex): the body can be evaluated without the variables
 * from outside, gives values to all of them, and does not use them to look something up, which would be cheaper. */
#include "rego/plan/internal.h"

#define KEYS_MAX 8U

typedef struct keys {
    const cs_builder *b;
    const cs_sym *names[KEYS_MAX];
    bool seen[KEYS_MAX]; /* a statement so far gives it a value */
    uint32_t n;
    bool too_many;
} keys;

static uint32_t key_of(const keys *k, const cs_sym *name)
{
    uint32_t i = 0;
    while (i < k->n && k->names[i] != name) {
        i++;
    }
    return i;
}

static bool collect(void *self, cs_term *t)
{
    keys *k = self;
    if (t->kind == CS_TERM_VAR && cs_plan__lookup(k->b, t->u.var) != CS_PLAN_NO_REG && key_of(k, t->u.var) == k->n) {
        k->too_many = k->too_many || k->n == KEYS_MAX;
        if (!k->too_many) {
            k->names[k->n++] = t->u.var;
        }
    }
    return true;
}

typedef struct search {
    const keys *k;
    bool unseen_only, found;
} search;

static bool is_key(void *self, cs_term *t)
{
    search *s = self;
    if (t->kind == CS_TERM_VAR) {
        uint32_t i = key_of(s->k, t->u.var);
        s->found = s->found || (i < s->k->n && !(s->unseen_only && s->k->seen[i]));
    }
    return !s->found;
}

/* A comprehension within that closes over a variable from outside could not have its value. */
static bool is_nested_use(void *self, cs_term *t)
{
    search *s = self;
    bool closure = t->kind == CS_TERM_ARRAY_COMPREHENSION || t->kind == CS_TERM_SET_COMPREHENSION ||
                   t->kind == CS_TERM_OBJECT_COMPREHENSION;
    if (closure) {
        cs_walker w = {.self = s, .term = is_key};
        cs_walk_term(&w, t);
    }
    return !closure;
}

static bool mentions(const keys *k, cs_expr *e, bool unseen_only, bool nested_only)
{
    search s = {k, unseen_only, false};
    cs_walker w = {.self = &s, .term = nested_only ? is_nested_use : is_key};
    cs_walk_expr(&w, e);
    return s.found;
}

/* A ref that uses a variable which has no value yet would be a look-up with it. */
static bool looks_up(const keys *k, cs_term *t)
{
    search s = {k, true, false};
    cs_walker w = {.self = &s, .term = is_key};
    if (t->kind == CS_TERM_REF) {
        cs_walk_term(&w, t);
    }
    return s.found;
}

static bool see(void *self, cs_term *t)
{
    keys *k = self;
    uint32_t i = t->kind == CS_TERM_VAR ? key_of(k, t->u.var) : k->n;
    if (i < k->n) {
        k->seen[i] = true;
    }
    return true;
}

static bool is_plain(keys *k, cs_expr *e)
{
    bool equation =
        e->kind == CS_EXPR_CALL && !e->negated && !e->n_with && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "eq");
    if (mentions(k, e, false, true)) {
        return false;
    }
    if (!equation) {
        return !mentions(k, e, true, false);
    }
    if (looks_up(k, e->u.call.v[1]) || looks_up(k, e->u.call.v[2])) {
        return false;
    }
    cs_walker w = {.self = k, .term = see};
    cs_walk_expr(&w, e);
    return true;
}

static bool find_keys(cs_builder *b, const cs_term *t, keys *k)
{
    cs_body body = t->u.comprehension.body;
    *k = (keys){.b = b};
    cs_walker w = {.self = k, .term = collect};
    cs_walk_term(&w, (cs_term *)(uintptr_t)t); /* read only */
    bool plain = k->n > 0 && !k->too_many;
    for (uint32_t i = 0; i < body.n && plain; i++) {
        plain = is_plain(k, body.v[i]);
    }
    for (uint32_t i = 0; i < k->n; i++) {
        plain = plain && k->seen[i];
    }
    return plain;
}

/* The key of a group: the value of the only variable, or an array of them. */
static uint32_t plan_key(cs_builder *b, const keys *k)
{
    uint32_t first = cs_plan__regs(b, k->n);
    for (uint32_t i = 0; i < k->n; i++) {
        uint32_t reg = cs_plan__lookup(b, k->names[i]);
        if (reg == CS_PLAN_NO_REG) {
            cs_plan__fail(b, "a variable of the outer body has no value in a comprehension");
            return first;
        }
        cs_plan__emit(b, CS_OP_MOVE, first + i, reg, 0, 0, 0);
    }
    if (k->n == 1) {
        return first;
    }
    uint32_t key = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_ARRAY, key, first, k->n, 0, 0);
    return key;
}

static void plan_groups(cs_builder *b, const cs_term *t, const keys *k)
{
    uint32_t groups = cs_plan__reg(b);
    uint32_t done = cs_plan__label(b);
    cs_plan__emit(b, CS_OP_NEWOBJECT, groups, 0, 0, 0, 0);
    b->loc = t->loc;
    b->fail = done;
    cs_plan__body(b, t->u.comprehension.body);
    uint32_t head = cs_plan__term(b, t->u.comprehension.head);
    bool object = t->kind == CS_TERM_OBJECT_COMPREHENSION;
    uint32_t name = object ? cs_plan__term(b, t->u.comprehension.key) : 0;
    uint32_t key = plan_key(b, k);
    uint32_t group = cs_plan__reg(b);
    uint32_t kind = object ? CS_OBJECT : t->kind == CS_TERM_SET_COMPREHENSION ? CS_SET : CS_ARRAY;
    cs_plan__emit(b, CS_OP_GROUP, group, groups, key, kind, 0);
    if (object) {
        b->loc = t->u.comprehension.key->loc;
        cs_plan__emit(b, CS_OP_PUT, group, name, head, 0, 0);
    } else {
        cs_plan__emit(b, kind == CS_SET ? CS_OP_ADD : CS_OP_PUSH, group, head, 0, 0, 0);
    }
    cs_plan__jump(b, b->fail);
    cs_plan__place(b, done);
    cs_plan__emit(b, CS_OP_SEALALL, groups, 0, 0, 0, 0);
    cs_plan__emit(b, CS_OP_RETURN, groups, 0, 0, 0, 0);
}

/* The code that makes the groups; NULL if the body cannot do without the variables after all. */
static cs_code *make_code(cs_builder *b, const cs_term *t, const keys *k)
{
    cs_planner *p = b->p;
    cs_code *code = cs_arena_new(p->arena, cs_code);
    *code = (cs_code){.kind = CS_CODE_GROUPS,
                      .id = p->growing->n_codes,
                      .node = CS_NO_NODE,
                      .probe = CS_NO_CODE,
                      .name = CS_LIT("groups")};
    cs_plan__add_code(p, code);
    cs_builder inner;
    cs_plan__begin(&inner, p, code);
    plan_groups(&inner, t, k);
    if (p->err != CS_OK) {
        p->err = CS_OK; /* planned in place it will do, or fail again */
        p->growing->n_codes = code->id;
        return NULL;
    }
    cs_plan__finish(&inner);
    return code;
}

bool cs_plan__grouped(cs_builder *b, const cs_term *t, uint32_t *reg)
{
    keys k;
    bool repeats = b->loops > 0 || b->code->kind == CS_CODE_FUNCTION;
    if (!b->p->growing || !repeats || b->context != CS_PLAN_NO_REG || b->p->err != CS_OK || !find_keys(b, t, &k)) {
        return false;
    }
    const cs_code *code = make_code(b, t, &k);
    if (!code) {
        return false;
    }
    uint32_t groups = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_CALL, groups, 0, 0, code->id, b->fail);
    uint32_t key = plan_key(b, &k);
    cs_value empty = t->kind == CS_TERM_ARRAY_COMPREHENSION ? cs_array(NULL, 0)
                     : t->kind == CS_TERM_SET_COMPREHENSION ? cs_set_new(b->p->arena, 0)
                                                            : cs_object_new(b->p->arena, 0);
    uint32_t after = cs_plan__label(b);
    *reg = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_LOADK, *reg, 0, 0, cs_plan__k(b, cs_freeze(b->p->arena, empty)), 0);
    cs_plan__emit(b, CS_OP_DOT, *reg, groups, key, 0, after);
    cs_plan__place(b, after);
    return true;
}
