/* Unifying: a known side is compared, an unknown variable gets the value, patterns are taken apart. */
#include "rego/ir/internal.h"

static const char *text_of(cs_ir_planner *p, const cs_term *t)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, t);
    const char *copy = cs_arena_dup(p->arena, text.n ? text.p : "", text.n);
    cs_buf_destroy(&text);
    return copy;
}

/* Terms that are planned and then compared with. */
static bool is_value(const cs_term *t)
{
    return t->kind == CS_TERM_SCALAR || t->kind == CS_TERM_REF || t->kind == CS_TERM_SET ||
           t->kind == CS_TERM_ARRAY_COMPREHENSION || t->kind == CS_TERM_SET_COMPREHENSION ||
           t->kind == CS_TERM_OBJECT_COMPREHENSION;
}

typedef struct pair_step {
    cs_ir_step step;
    cs_ir_operand a;
    const cs_sym *var;
    const cs_term *left, *right;
    cs_ir_then then;
} pair_step;

/* ---- an operand and an array or object pattern */
typedef struct pattern_step {
    cs_ir_step step;
    cs_ir_operand a;
    const cs_terms *list;
    uint32_t at;
    int32_t key, value;
    cs_ir_then then;
} pattern_step;

static pattern_step *pattern_at(cs_ir_planner *p, const pattern_step *from, uint32_t at,
                                const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    pattern_step *s = CS_IR_STEP(p, pattern_step, run);
    cs_ir_step head = s->step;
    *s = *from;
    s->step = head;
    s->at = at;
    return s;
}

static const cs_ir_step *array_item(cs_ir_planner *p, const cs_ir_step *self)
{
    const pattern_step *s = (const pattern_step *)self;
    if (s->at == s->list->n) {
        return s->then;
    }
    CS_IR_EMIT(p, ASSIGN_INT, cs_ir__l(s->at), cs_ir__l(s->key));
    CS_IR_EMIT(p, DOT, cs_ir__o(s->a), cs_ir__o(cs_ir__op(s->key)), cs_ir__l(s->value));
    return cs_ir__unify_operand(p, cs_ir__op(s->value), s->list->v[s->at],
                                &pattern_at(p, s, s->at + 1, array_item)->step);
}

/* a has as many items as the pattern. */
static void check_length(cs_ir_planner *p, cs_ir_operand a, uint32_t n)
{
    int32_t want = cs_ir__new_local(p);
    int32_t have = cs_ir__new_local(p);
    CS_IR_EMIT(p, LEN, cs_ir__o(a), cs_ir__l(have));
    CS_IR_EMIT(p, MAKE_NUMBER_INT, cs_ir__l(n), cs_ir__l(want));
    CS_IR_EMIT(p, EQUAL, cs_ir__o(cs_ir__op(have)), cs_ir__o(cs_ir__op(want)));
}

static cs_ir_then array_pattern(cs_ir_planner *p, cs_ir_operand a, const cs_terms *list, cs_ir_then then)
{
    CS_IR_EMIT(p, IS_ARRAY, cs_ir__o(a));
    check_length(p, a, list->n);
    pattern_step first = {.a = a, .list = list, .then = then};
    first.key = cs_ir__new_local(p);
    CS_IR_EMIT(p, MAKE_NUMBER_INT, cs_ir__l(0), cs_ir__l(first.key));
    first.value = cs_ir__new_local(p);
    return &pattern_at(p, &first, 0, array_item)->step;
}

static const cs_ir_step *object_item(cs_ir_planner *p, const cs_ir_step *self);

static const cs_ir_step *object_value(cs_ir_planner *p, const cs_ir_step *self)
{
    const pattern_step *s = (const pattern_step *)self;
    CS_IR_EMIT(p, DOT, cs_ir__o(s->a), cs_ir__o(p->target), cs_ir__l(s->value));
    return cs_ir__unify_operand(p, cs_ir__op(s->value), s->list->v[s->at + 1],
                                &pattern_at(p, s, s->at + 2, object_item)->step);
}

static const cs_ir_step *object_item(cs_ir_planner *p, const cs_ir_step *self)
{
    const pattern_step *s = (const pattern_step *)self;
    if (s->at == s->list->n) {
        return s->then;
    }
    return cs_ir__term(p, s->list->v[s->at], &pattern_at(p, s, s->at, object_value)->step);
}

static cs_ir_then object_pattern(cs_ir_planner *p, cs_ir_operand a, const cs_terms *list, cs_ir_then then)
{
    list = cs_ir__distinct(p, list);
    CS_IR_EMIT(p, IS_OBJECT, cs_ir__o(a));
    check_length(p, a, list->n / 2);
    pattern_step first = {.a = a, .list = list, .then = then};
    first.value = cs_ir__new_local(p);
    return &pattern_at(p, &first, 0, object_item)->step;
}

/* ---- an operand and any term */
static const cs_ir_step *compare_operand(cs_ir_planner *p, const cs_ir_step *self)
{
    const pair_step *s = (const pair_step *)self;
    CS_IR_EMIT(p, EQUAL, cs_ir__o(s->a), cs_ir__o(p->target));
    return s->then;
}

/* Two constants of a kind: nothing has to be compared when the plan is run. */
static bool both_constant(cs_ir_planner *p, cs_ir_operand a, const cs_term *b)
{
    if (b->kind != CS_TERM_SCALAR) {
        return false;
    }
    bool equal;
    if (a.kind == CS_IR_OF_STRING && cs_is(b->u.value, CS_STRING)) {
        equal = a.at == cs_ir__string(p, cs_text(b->u.value));
    } else if (a.kind == CS_IR_OF_BOOL && cs_is(b->u.value, CS_BOOL)) {
        equal = (a.at != 0) == b->u.value.u.b;
    } else {
        return false;
    }
    if (!equal) {
        CS_IR_EMIT(p, BREAK, cs_ir__l(0));
    }
    return true;
}

cs_ir_then cs_ir__unify_operand(cs_ir_planner *p, cs_ir_operand a, const cs_term *b, cs_ir_then then)
{
    if (both_constant(p, a, b)) {
        return then;
    }
    if (is_value(b)) {
        pair_step *s = CS_IR_STEP(p, pair_step, compare_operand);
        s->a = a;
        s->then = then;
        return cs_ir__term(p, b, &s->step);
    }
    if (b->kind == CS_TERM_VAR) {
        int32_t local = cs_ir__local_of(p, b->u.var);
        if (local >= 0) {
            CS_IR_EMIT(p, EQUAL, cs_ir__o(a), cs_ir__o(cs_ir__op(local)));
            return then;
        }
        local = cs_ir__new_local(p);
        cs_ir__bind(p, b->u.var, local);
        CS_IR_EMIT(p, ASSIGN_VAR, cs_ir__o(a), cs_ir__l(local));
        return then;
    }
    if (b->kind == CS_TERM_ARRAY) {
        return array_pattern(p, a, &b->u.list, then);
    }
    if (b->kind == CS_TERM_OBJECT) {
        return object_pattern(p, a, &b->u.list, then);
    }
    return cs_ir__fail(p, "not implemented: unifyLocal({Local<%d>}, %s)", a.at, text_of(p, b));
}

/* ---- two terms */
static const cs_ir_step *unify_target(cs_ir_planner *p, const cs_ir_step *self)
{
    const pair_step *s = (const pair_step *)self;
    return cs_ir__unify_operand(p, p->target, s->right, s->then);
}

static const cs_ir_step *take_apart(cs_ir_planner *p, const cs_ir_step *self)
{
    const pair_step *s = (const pair_step *)self;
    return s->right->kind == CS_TERM_ARRAY ? array_pattern(p, p->target, &s->right->u.list, s->then)
                                           : object_pattern(p, p->target, &s->right->u.list, s->then);
}

/* The variable may have become known while the other side was planned: `a = input.x[a]`. */
static const cs_ir_step *give_variable(cs_ir_planner *p, const cs_ir_step *self)
{
    const pair_step *s = (const pair_step *)self;
    int32_t local = cs_ir__local_of(p, s->var);
    if (local >= 0) {
        CS_IR_EMIT(p, EQUAL, cs_ir__o(cs_ir__op(local)), cs_ir__o(p->target));
        return s->then;
    }
    local = cs_ir__new_local(p);
    cs_ir__bind(p, s->var, local);
    CS_IR_EMIT(p, ASSIGN_VAR, cs_ir__o(p->target), cs_ir__l(local));
    return s->then;
}

static cs_ir_then unify_variable(cs_ir_planner *p, const cs_sym *a, const cs_term *b, cs_ir_then then)
{
    int32_t local = cs_ir__local_of(p, a);
    if (local >= 0) {
        return cs_ir__unify_operand(p, cs_ir__op(local), b, then);
    }
    pair_step *s = CS_IR_STEP(p, pair_step, give_variable);
    s->var = a;
    s->then = then;
    return cs_ir__term(p, b, &s->step);
}

/* b's value against a pattern, or against a term. */
static cs_ir_then plan_first(cs_ir_planner *p, const cs_term *first, const cs_term *then_with, bool pattern,
                             cs_ir_then then)
{
    pair_step *s = CS_IR_STEP(p, pair_step, pattern ? take_apart : unify_target);
    s->right = then_with;
    s->then = then;
    return cs_ir__term(p, first, &s->step);
}

/* ---- two patterns */
typedef struct zip_step {
    cs_ir_step step;
    const cs_terms *a, *b;
    uint32_t at;
    cs_ir_then then;
} zip_step;

static zip_step *zip_at(cs_ir_planner *p, const zip_step *from, uint32_t at,
                        const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    zip_step *s = CS_IR_STEP(p, zip_step, run);
    *s = (zip_step){{run}, from->a, from->b, at, from->then};
    return s;
}

static const cs_ir_step *zip_items(cs_ir_planner *p, const cs_ir_step *self)
{
    const zip_step *s = (const zip_step *)self;
    if (s->at == s->a->n) {
        return s->then;
    }
    return cs_ir__unify(p, s->a->v[s->at], s->b->v[s->at], &zip_at(p, s, s->at + 1, zip_items)->step);
}

/* The value under a key in a list of keys and values; NULL if there is none. */
static const cs_term *value_at(const cs_terms *list, const cs_term *key)
{
    for (uint32_t i = 0; i < list->n; i += 2) {
        if (cs_term_equal(list->v[i], key)) {
            return list->v[i + 1];
        }
    }
    return NULL;
}

/* The values of keys that both have. */
static const cs_ir_step *zip_values(cs_ir_planner *p, const cs_ir_step *self)
{
    const zip_step *s = (const zip_step *)self;
    for (uint32_t i = s->at; i < s->a->n; i += 2) {
        const cs_term *other = value_at(s->b, s->a->v[i]);
        if (other) {
            return cs_ir__unify(p, s->a->v[i + 1], other, &zip_at(p, s, i + 2, zip_values)->step);
        }
    }
    return s->then;
}

/* Keys that only one of them has (variables, mostly): both are made, and looked into. */
typedef struct keys_step {
    cs_ir_step step;
    const cs_terms *a, *b;
    cs_ir_operand left, right;
    int32_t left_value, right_value;
    uint32_t at;
    cs_ir_then then;
} keys_step;

static keys_step *keys_at(cs_ir_planner *p, const keys_step *from, uint32_t at,
                          const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    keys_step *s = CS_IR_STEP(p, keys_step, run);
    *s = *from;
    s->step.run = run;
    s->at = at;
    return s;
}

static const cs_ir_step *next_key(cs_ir_planner *p, const cs_ir_step *self);

static const cs_ir_step *compare_at_key(cs_ir_planner *p, const cs_ir_step *self)
{
    const keys_step *s = (const keys_step *)self;
    CS_IR_EMIT(p, DOT, cs_ir__o(s->left), cs_ir__o(p->target), cs_ir__l(s->left_value));
    CS_IR_EMIT(p, DOT, cs_ir__o(s->right), cs_ir__o(p->target), cs_ir__l(s->right_value));
    CS_IR_EMIT(p, EQUAL, cs_ir__o(cs_ir__op(s->left_value)), cs_ir__o(cs_ir__op(s->right_value)));
    return &keys_at(p, s, s->at + 2, next_key)->step;
}

static const cs_ir_step *next_key(cs_ir_planner *p, const cs_ir_step *self)
{
    const keys_step *s = (const keys_step *)self;
    for (uint32_t i = s->at; i < s->a->n; i += 2) {
        if (!value_at(s->b, s->a->v[i])) {
            return cs_ir__term(p, s->a->v[i], &keys_at(p, s, i, compare_at_key)->step);
        }
    }
    return s->then;
}

static const cs_ir_step *have_right(cs_ir_planner *p, const cs_ir_step *self)
{
    keys_step *s = keys_at(p, (const keys_step *)self, 0, next_key);
    s->right = p->target;
    s->left_value = cs_ir__new_local(p);
    s->right_value = cs_ir__new_local(p);
    return &s->step;
}

static const cs_ir_step *have_left(cs_ir_planner *p, const cs_ir_step *self)
{
    keys_step *s = keys_at(p, (const keys_step *)self, 0, have_right);
    s->left = p->target;
    return cs_ir__object(p, s->b, &s->step);
}

static const cs_ir_step *make_left(cs_ir_planner *p, const cs_ir_step *self)
{
    keys_step *s = keys_at(p, (const keys_step *)self, 0, have_left);
    return cs_ir__object(p, s->a, &s->step);
}

static cs_ir_then unify_objects(cs_ir_planner *p, const cs_terms *a, const cs_terms *b, cs_ir_then then)
{
    a = cs_ir__distinct(p, a);
    b = cs_ir__distinct(p, b);
    if (a->n != b->n) {
        return NULL;
    }
    bool other_keys = false;
    for (uint32_t i = 0; i < a->n; i += 2) {
        other_keys = other_keys || !value_at(b, a->v[i]);
    }
    if (other_keys) {
        keys_step *s = CS_IR_STEP(p, keys_step, make_left);
        s->a = a;
        s->b = b;
        s->then = then;
        then = &s->step;
    }
    zip_step first = {.a = a, .b = b, .then = then};
    return &zip_at(p, &first, 0, zip_values)->step;
}

static cs_ir_then unify_array(cs_ir_planner *p, const cs_term *a, const cs_term *b, cs_ir_then then, bool *done)
{
    *done = true;
    if (b->kind == CS_TERM_REF || b->kind == CS_TERM_ARRAY_COMPREHENSION) {
        return plan_first(p, b, a, true, then);
    }
    if (b->kind == CS_TERM_ARRAY) {
        zip_step first = {.a = &a->u.list, .b = &b->u.list, .then = then};
        return a->u.list.n == b->u.list.n ? &zip_at(p, &first, 0, zip_items)->step : NULL;
    }
    *done = false;
    return NULL;
}

cs_ir_then cs_ir__unify(cs_ir_planner *p, const cs_term *a, const cs_term *b, cs_ir_then then)
{
    bool done = false;
    cs_ir_then next = NULL;
    if (is_value(a)) {
        return plan_first(p, a, b, false, then);
    }
    if (a->kind == CS_TERM_VAR) {
        return unify_variable(p, a->u.var, b, then);
    }
    bool pattern = a->kind == CS_TERM_ARRAY || a->kind == CS_TERM_OBJECT;
    if (pattern && b->kind == CS_TERM_VAR) {
        return unify_variable(p, b->u.var, a, then);
    }
    if (a->kind == CS_TERM_ARRAY) {
        next = unify_array(p, a, b, then, &done);
    } else if (a->kind == CS_TERM_OBJECT && b->kind == CS_TERM_REF) {
        return plan_first(p, b, a, true, then);
    } else if (a->kind == CS_TERM_OBJECT && b->kind == CS_TERM_OBJECT) {
        return unify_objects(p, &a->u.list, &b->u.list, then);
    }
    return done ? next : cs_ir__fail(p, "not implemented: unify(%s, %s)", text_of(p, a), text_of(p, b));
}
