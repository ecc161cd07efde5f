/* `with`: the block in which input and data are others, functions are replaced, and what these reach is planned again;
 * and, inside of it, for what comes after the statement, the block in which everything is as before. */
#include "rego/ir/internal.h"

typedef struct kept {
    int32_t local, saved;
} kept;

typedef struct with_plan {
    const cs_expr *e;        /* without its modifiers */
    const cs_term **targets; /* of values: refs into input and data */
    const cs_term **values;
    cs_ir_operand *operands; /* the values' */
    cs_ir_operands *paths;   /* behind the root, as numbers of strings */
    uint32_t n;
    cs_ir_mocks mocks;
    const cs_sym **vars; /* that replace functions */
    uint32_t n_vars;
    kept kept[2];
    uint32_t n_kept;
    bool shadows; /* rules or functions are hidden */
    cs_ir_then then;
} with_plan;

typedef struct with_step {
    cs_ir_step step;
    with_plan *with;
    uint32_t at;
    cs_ir_block *back;
} with_step;

typedef const cs_ir_step *step_run(cs_ir_planner *p, const cs_ir_step *self);

static with_step *with_step_new(cs_ir_planner *p, with_plan *w, uint32_t at, step_run *run)
{
    with_step *s = CS_IR_STEP(p, with_step, run);
    s->with = w;
    s->at = at;
    return s;
}

static bool is_data(const cs_ir_planner *p, const cs_term *target)
{
    return target->u.list.v[0]->u.var == p->data;
}

/* ---- what is hidden while the statement is planned */
static void enter(cs_ir_planner *p, const with_plan *w)
{
    CS_VEC_PUSH_IN(p->arena, &p->mocks, w->mocks);
    if (!w->shadows) {
        return;
    }
    cs_ir_generation g = {.number = p->next_generation++,
                          .functions = cs_object_new(p->arena, 0),
                          .vars = w->vars,
                          .n_vars = w->n_vars,
                          .all_vars = cs_ir__generation(p)->all_vars + w->n_vars};
    CS_VEC_PUSH_IN(p->arena, &p->generations, g);
    for (uint32_t i = 0; i < w->n; i++) {
        if (is_data(p, w->targets[i])) {
            cs_ir__hide(p, w->targets[i]);
        }
    }
}

static void leave(cs_ir_planner *p, const with_plan *w)
{
    p->mocks.n--;
    if (!w->shadows) {
        return;
    }
    p->generations.n--;
    for (uint32_t i = w->n; i > 0; i--) {
        if (is_data(p, w->targets[i - 1])) {
            cs_ir__show(p, w->targets[i - 1]);
        }
    }
}

static const cs_ir_step *leave_step(cs_ir_planner *p, const cs_ir_step *self)
{
    leave(p, ((const with_step *)self)->with);
    return NULL;
}

static const cs_ir_step *enter_step(cs_ir_planner *p, const cs_ir_step *self)
{
    enter(p, ((const with_step *)self)->with);
    return NULL;
}

/* ---- blocks */
static const cs_ir_step *undo_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const with_step *s = (const with_step *)self;
    cs_ir_block *filled = p->block;
    cs_ir__close(p, s->back);
    kept k = s->with->kept[s->at];
    CS_IR_EMIT(p, WITH, cs_ir__l(k.local), (cs_ir_field){.list = {NULL, 0}}, cs_ir__o(cs_ir__op(k.saved)),
               cs_ir__one(p, filled));
    return NULL;
}

/* The statement stands: what comes after it sees nothing of the modifiers. */
static const cs_ir_step *statement_done(cs_ir_planner *p, const cs_ir_step *self)
{
    with_plan *w = ((const with_step *)self)->with;
    leave(p, w);
    for (uint32_t i = 0; i < w->n_kept; i++) {
        with_step *undo = with_step_new(p, w, i, undo_done);
        undo->back = cs_ir__open(p);
        cs_ir__wait(p, &undo->step);
    }
    cs_ir__wait(p, &with_step_new(p, w, 0, enter_step)->step);
    return w->then;
}

static const cs_ir_step *replace_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const with_step *s = (const with_step *)self;
    const with_plan *w = s->with;
    cs_ir_block *filled = p->block;
    cs_ir__close(p, s->back);
    int32_t root = cs_ir__operand_of(p, w->targets[s->at]->u.list.v[0]->u.var).at;
    CS_IR_EMIT(p, WITH, cs_ir__l(root), (cs_ir_field){.list = w->paths[s->at]}, cs_ir__o(w->operands[s->at]),
               cs_ir__one(p, filled));
    return NULL;
}

/* ---- beginning */
static bool make_paths(cs_ir_planner *p, with_plan *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        const cs_terms *target = &w->targets[i]->u.list;
        cs_ir_operands *path = &w->paths[i];
        *path = (cs_ir_operands){cs_arena_array(p->arena, cs_ir_operand, target->n), 0};
        for (uint32_t k = 1; k < target->n; k++) {
            if (!cs_term_is_string(target->v[k])) {
                return false;
            }
            path->v[path->n++] = cs_ir__text_operand(p, cs_text(target->v[k]->u.value));
        }
    }
    return true;
}

/* data first, then input: in the order of their names. */
static void keep_roots(cs_ir_planner *p, with_plan *w)
{
    const cs_sym *roots[] = {p->data, p->input};
    for (size_t r = 0; r < 2; r++) {
        bool used = false;
        for (uint32_t i = 0; i < w->n; i++) {
            used = used || w->targets[i]->u.list.v[0]->u.var == roots[r];
        }
        if (used) {
            kept k = {cs_ir__operand_of(p, roots[r]).at, cs_ir__new_local(p)};
            CS_IR_EMIT(p, ASSIGN_VAR, cs_ir__o(cs_ir__op(k.local)), cs_ir__l(k.saved));
            w->kept[w->n_kept++] = k;
        }
    }
}

static const cs_ir_step *begin(cs_ir_planner *p, with_plan *from)
{
    with_plan *w = cs_arena_new(p->arena, with_plan);
    *w = *from;
    if (!make_paths(p, w)) {
        return cs_ir__fail(p, "invalid with target");
    }
    keep_roots(p, w);
    w->shadows = w->mocks.n > 0;
    for (uint32_t i = 0; i < w->n; i++) {
        w->shadows = w->shadows || (is_data(p, w->targets[i]) && cs_ir__find(p, w->targets[i]));
    }
    enter(p, w);
    cs_ir__wait(p, &with_step_new(p, w, 0, leave_step)->step);
    for (uint32_t i = 0; i < w->n; i++) {
        with_step *replace = with_step_new(p, w, i, replace_done);
        replace->back = cs_ir__open(p);
        cs_ir__wait(p, &replace->step);
    }
    return cs_ir__expr(p, w->e, &with_step_new(p, w, 0, statement_done)->step);
}

/* ---- the values */
static const cs_ir_step *have_value(cs_ir_planner *p, const cs_ir_step *self);

static cs_ir_then next_value(cs_ir_planner *p, with_plan *w, uint32_t at)
{
    return at == w->n ? begin(p, w) : cs_ir__term(p, w->values[at], &with_step_new(p, w, at, have_value)->step);
}

static const cs_ir_step *have_value(cs_ir_planner *p, const cs_ir_step *self)
{
    const with_step *s = (const with_step *)self;
    s->with->operands[s->at] = p->target;
    return next_value(p, s->with, s->at + 1);
}

/* A built-in's name can stand alone. */
static const cs_term *target_ref(cs_ir_planner *p, const cs_term *t)
{
    if (t->kind == CS_TERM_REF) {
        return t;
    }
    cs_term *one = (cs_term *)(uintptr_t)t;
    return cs_term_list(p->policy->ast, CS_TERM_REF, &one, 1, t->loc);
}

static bool is_function(const cs_ir_planner *p, const cs_term *ref)
{
    const cs_ir_node *node = cs_ir__find(p, ref);
    return node ? cs_ir__arity(node) > 0 : cs_ir__builtin(p, cs_ref_name(p->arena, ref)) != NULL;
}

static void sort_out(cs_ir_planner *p, with_plan *w, const cs_with *modifier)
{
    const cs_term *target = target_ref(p, modifier->target);
    const cs_sym *head = target->u.list.v[0]->u.var;
    if (is_function(p, target)) {
        if (modifier->value->kind == CS_TERM_VAR) {
            w->vars[w->n_vars++] = modifier->value->u.var;
        }
    } else if (head == p->data || head == p->input) {
        w->targets[w->n] = target;
        w->values[w->n++] = modifier->value;
        return;
    }
    w->mocks.v[w->mocks.n++] = (cs_ir_mock){cs_ref_name(p->arena, target), modifier->value};
}

cs_ir_then cs_ir__with(cs_ir_planner *p, const cs_expr *e, cs_ir_then then)
{
    with_plan *w = cs_arena_new(p->arena, with_plan);
    cs_expr *plain = cs_arena_new(p->arena, cs_expr);
    *plain = *e;
    plain->n_with = 0;
    w->e = plain;
    w->then = then;
    w->targets = (const cs_term **)cs_arena_zalloc(p->arena, e->n_with * sizeof *w->targets);
    w->values = (const cs_term **)cs_arena_zalloc(p->arena, e->n_with * sizeof *w->values);
    w->vars = (const cs_sym **)cs_arena_zalloc(p->arena, e->n_with * sizeof *w->vars);
    w->mocks.v = cs_arena_array(p->arena, cs_ir_mock, e->n_with);
    w->operands = cs_arena_array(p->arena, cs_ir_operand, e->n_with);
    w->paths = cs_arena_array(p->arena, cs_ir_operands, e->n_with);
    for (uint32_t i = 0; i < e->n_with; i++) {
        sort_out(p, w, &e->with[i]);
    }
    return next_value(p, w, 0);
}
