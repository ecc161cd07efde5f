/* Bodies and statements. */
#include "rego/ir/internal.h"

/* ---- bodies: one statement, then the others */
typedef struct body_step {
    cs_ir_step step;
    cs_body body;
    uint32_t at;
    const cs_loc *outer; /* where what comes after the body stands */
    cs_ir_then then;
} body_step;

static const cs_ir_step *next_statement(cs_ir_planner *p, const cs_ir_step *self)
{
    const body_step *s = (const body_step *)self;
    cs_ir__wait_place(p);
    if (s->at == s->body.n) {
        p->loc = s->outer;
        return s->then;
    }
    body_step *next = CS_IR_STEP(p, body_step, next_statement);
    cs_ir_step head = next->step;
    *next = *s;
    next->step = head;
    next->at++;
    p->loc = cs_ir__loc(&s->body.v[s->at]->loc);
    return cs_ir__expr(p, s->body.v[s->at], &next->step);
}

cs_ir_then cs_ir__body(cs_ir_planner *p, cs_body b, cs_ir_then then)
{
    body_step *s = CS_IR_STEP(p, body_step, next_statement);
    s->body = b;
    s->outer = p->loc;
    s->then = then;
    return &s->step;
}

/* ---- a body of its own inside a statement: sets `found` when it succeeds */
typedef struct scope_step {
    cs_ir_step step;
    cs_ir_block *back;
    cs_ir_block *first; /* of an `or` */
    int32_t found;
    const cs_expr *e;
    cs_ir_then then;
} scope_step;

static const cs_ir_step *set_found(cs_ir_planner *p, const cs_ir_step *self)
{
    CS_IR_EMIT(p, ASSIGN_VAR, cs_ir__o((cs_ir_operand){CS_IR_OF_BOOL, 1}), cs_ir__l(((const scope_step *)self)->found));
    return NULL;
}

static scope_step *scope_copy(cs_ir_planner *p, const scope_step *from,
                              const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    scope_step *s = CS_IR_STEP(p, scope_step, run);
    *s = *from;
    s->step.run = run;
    return s;
}

/* `done` runs behind the body, with its block still open. */
static cs_ir_then body_in_scope(cs_ir_planner *p, cs_body b, const scope_step *from,
                                const cs_ir_step *(*done)(cs_ir_planner *p, const cs_ir_step *self))
{
    scope_step *wait = scope_copy(p, from, done);
    wait->back = cs_ir__open(p);
    cs_ir__push_scope(p);
    cs_ir__wait(p, &wait->step);
    return cs_ir__body(p, b, &scope_copy(p, from, set_found)->step);
}

static cs_ir_block *leave_scope(cs_ir_planner *p, const scope_step *s)
{
    cs_ir_block *filled = p->block;
    cs_ir__pop_scope(p);
    cs_ir__close(p, s->back);
    return filled;
}

/* ---- not */
static const cs_ir_step *not_body_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scope_step *s = (const scope_step *)self;
    cs_ir_block *filled = leave_scope(p, s);
    CS_IR_EMIT_BARE(p, filled, IS_DEFINED, cs_ir__l(s->found));
    CS_IR_EMIT(p, NOT, cs_ir__one(p, filled));
    return s->then;
}

static const cs_ir_step *not_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scope_step *s = (const scope_step *)self;
    cs_ir_block *filled = p->block;
    cs_ir__close(p, s->back);
    CS_IR_EMIT(p, NOT, cs_ir__one(p, filled));
    return s->then;
}

static const cs_ir_step *nothing_more(cs_ir_planner *p, const cs_ir_step *self)
{
    (void)p;
    (void)self;
    return NULL;
}

static cs_ir_then negation(cs_ir_planner *p, const cs_expr *e, cs_ir_then then)
{
    scope_step s = {.then = then};
    if (e->kind == CS_EXPR_NOT) {
        s.found = cs_ir__new_local(p);
        return body_in_scope(p, e->u.logic.left, &s, not_body_done);
    }
    cs_expr *plain = cs_arena_new(p->arena, cs_expr);
    *plain = *e;
    plain->negated = false;
    scope_step *done = scope_copy(p, &s, not_done);
    done->back = cs_ir__open(p);
    cs_ir__wait(p, &done->step);
    return cs_ir__expr(p, plain, cs_ir__step(p, sizeof(cs_ir_step), nothing_more));
}

/* ---- and */
static const cs_ir_step *and_right_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scope_step *s = (const scope_step *)self;
    cs_ir_block *filled = leave_scope(p, s);
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, filled));
    CS_IR_EMIT(p, IS_DEFINED, cs_ir__l(s->found));
    return s->then;
}

static const cs_ir_step *and_left_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scope_step *s = (const scope_step *)self;
    cs_ir_block *filled = leave_scope(p, s);
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, filled));
    CS_IR_EMIT(p, IS_DEFINED, cs_ir__l(s->found));
    CS_IR_EMIT(p, RESET_LOCAL, cs_ir__l(s->found));
    return body_in_scope(p, s->e->u.logic.right, s, and_right_done);
}

/* ---- or: the right side is jumped over when the left one has succeeded */
static const cs_ir_step *or_right_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scope_step *s = (const scope_step *)self;
    cs_ir_block *right = leave_scope(p, s), *skip = cs_ir__new_block(p), *outer = cs_ir__new_block(p);
    CS_IR_EMIT_BARE(p, skip, IS_DEFINED, cs_ir__l(s->found));
    CS_IR_EMIT_BARE(p, skip, BREAK, cs_ir__l(1));
    CS_IR_EMIT_BARE(p, outer, BLOCK, cs_ir__one(p, skip));
    CS_IR_EMIT_BARE(p, outer, BLOCK, cs_ir__one(p, right));
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, outer));
    CS_IR_EMIT(p, IS_DEFINED, cs_ir__l(s->found));
    return s->then;
}

static const cs_ir_step *or_left_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scope_step *s = (const scope_step *)self;
    cs_ir_block *left = leave_scope(p, s);
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, left));
    return body_in_scope(p, s->e->u.logic.right, s, or_right_done);
}

static cs_ir_then logic(cs_ir_planner *p, const cs_expr *e, cs_ir_then then)
{
    scope_step s = {.e = e, .then = then, .found = cs_ir__new_local(p)};
    CS_IR_EMIT(p, RESET_LOCAL, cs_ir__l(s.found));
    return body_in_scope(p, e->u.logic.left, &s, e->kind == CS_EXPR_AND ? and_left_done : or_left_done);
}

/* ---- every: no element for which the body has no answer. `failed` is set by one that has none, `held` by one that has
 * one. */
typedef struct every_step {
    cs_ir_step step;
    const cs_expr *e;
    int32_t failed, held;
    cs_ir_block *back;
    cs_ir_then then;
} every_step;

static every_step *every_copy(cs_ir_planner *p, const every_step *from,
                              const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    every_step *s = CS_IR_STEP(p, every_step, run);
    *s = *from;
    s->step.run = run;
    return s;
}

static const cs_ir_step *every_body_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const every_step *s = (const every_step *)self;
    cs_ir_block *filled = p->block;
    cs_ir__close(p, s->back);
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, filled));
    CS_IR_EMIT(p, IS_UNDEFINED, cs_ir__l(s->held));
    CS_IR_EMIT(p, ASSIGN_VAR, cs_ir__o((cs_ir_operand){CS_IR_OF_BOOL, 1}), cs_ir__l(s->failed));
    return NULL;
}

static const cs_ir_step *every_bound(cs_ir_planner *p, const cs_ir_step *self)
{
    const every_step *s = (const every_step *)self;
    scope_step *found = CS_IR_STEP(p, scope_step, set_found);
    found->found = s->held;
    return cs_ir__body(p, s->e->u.every.body, &found->step);
}

static const cs_ir_step *every_element(cs_ir_planner *p, const cs_ir_step *self)
{
    const every_step *s = (const every_step *)self;
    CS_IR_EMIT(p, RESET_LOCAL, cs_ir__l(s->held));
    every_step *done = every_copy(p, s, every_body_done);
    done->back = cs_ir__open(p);
    cs_ir__wait(p, &done->step);
    return cs_ir__unify_operand(p, p->target, s->e->u.every.value, &every_copy(p, s, every_bound)->step);
}

/* Out of `every` altogether unless the domain is a collection. */
static void check_domain(cs_ir_planner *p, cs_ir_operand domain)
{
    static const cs_ir_kind tests[] = {CS_IR_IS_ARRAY, CS_IR_IS_OBJECT, CS_IR_IS_SET};
    cs_ir_block *ways[3], *outer = cs_ir__new_block(p);
    for (size_t i = 0; i < 3; i++) {
        ways[i] = cs_ir__new_block(p);
        cs_ir__put(p, ways[i], tests[i], true, (cs_ir_field[4]){cs_ir__o(domain)});
        CS_IR_EMIT_TO(p, ways[i], BREAK, cs_ir__l(1));
    }
    CS_IR_EMIT_BARE(p, outer, BLOCK, cs_ir__blocks_of(p, ways, 3));
    CS_IR_EMIT_BARE(p, outer, BREAK, cs_ir__l(1));
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, outer));
}

static const cs_ir_step *every_domain(cs_ir_planner *p, const cs_ir_step *self)
{
    const every_step *s = (const every_step *)self;
    check_domain(p, p->target);
    return cs_ir__scan(p, s->e->u.every.key, &every_copy(p, s, every_element)->step);
}

static const cs_ir_step *every_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const every_step *s = (const every_step *)self;
    CS_IR_EMIT(p, IS_UNDEFINED, cs_ir__l(s->failed));
    return s->then;
}

static cs_ir_then every(cs_ir_planner *p, const cs_expr *e, cs_ir_then then)
{
    every_step first = {.e = e, .then = then};
    first.failed = cs_ir__new_local(p);
    first.held = cs_ir__new_local(p);
    CS_IR_EMIT(p, RESET_LOCAL, cs_ir__l(first.failed));
    cs_ir__wait(p, &every_copy(p, &first, every_done)->step);
    return cs_ir__term(p, e->u.every.domain, &every_copy(p, &first, every_domain)->step);
}

/* ---- a term alone: false fails */
typedef struct truth_step {
    cs_ir_step step;
    cs_ir_then then;
} truth_step;

static const cs_ir_step *not_false(cs_ir_planner *p, const cs_ir_step *self)
{
    CS_IR_EMIT(p, NOT_EQUAL, cs_ir__o(p->target), cs_ir__o((cs_ir_operand){CS_IR_OF_BOOL, 0}));
    return ((const truth_step *)self)->then;
}

static cs_ir_then term(cs_ir_planner *p, const cs_term *t, cs_ir_then then)
{
    if (t->kind == CS_TERM_SCALAR && cs_is(t->u.value, CS_BOOL) && !t->u.value.u.b) {
        CS_IR_EMIT(p, BREAK, cs_ir__l(0));
        return then;
    }
    if (t->kind != CS_TERM_REF && t->kind != CS_TERM_VAR) {
        return then;
    }
    truth_step *s = CS_IR_STEP(p, truth_step, not_false);
    s->then = then;
    return cs_ir__term(p, t, &s->step);
}

cs_ir_then cs_ir__expr(cs_ir_planner *p, const cs_expr *e, cs_ir_then then)
{
    if (e->n_with > 0) {
        return cs_ir__with(p, e, then);
    }
    if (e->negated || e->kind == CS_EXPR_NOT) {
        return negation(p, e, then);
    }
    switch (e->kind) {
    case CS_EXPR_AND:
    case CS_EXPR_OR:
        return logic(p, e, then);
    case CS_EXPR_CALL:
        return cs_ir__call(p, e, then);
    case CS_EXPR_EVERY:
        return every(p, e, then);
    case CS_EXPR_TERM:
        return term(p, e->u.term, then);
    case CS_EXPR_NOT:
    case CS_EXPR_SOME:
        break;
    }
    return then;
}
