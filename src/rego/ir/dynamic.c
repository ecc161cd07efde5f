/* Refs into the tree of rules whose variables all have values when the plan is run: data.a[x].b. If whatever they can
 * hold leads to rules, and to nothing that has rules beneath it, the function is looked up by its path. */
#include "rego/ir/internal.h"

typedef CS_VEC(const cs_ir_node *) nodes;

typedef struct found {
    nodes level; /* where the operands up to `last` may lead */
    uint32_t last;
    bool variable; /* was there one? */
} found;

/* One operand further; false: it cannot be done. */
static bool descend(cs_ir_planner *p, found *f, const cs_term *t)
{
    nodes next = {0};
    bool variable = t->kind == CS_TERM_VAR;
    if (variable ? cs_ir__local_of(p, t->u.var) < 0 : !cs_term_is_string(t)) {
        return false;
    }
    f->variable = f->variable || variable;
    for (size_t i = 0; i < f->level.n; i++) {
        const cs_ir_node *node = f->level.v[i];
        if (node->rules.n > 0) {
            return false;
        }
        for (size_t k = 0; variable && k < node->branches.n; k++) {
            const cs_ir_node *child = cs_ir__branch(&node->branches.v[k]);
            if (child) {
                CS_VEC_PUSH_IN(p->arena, &next, child);
            }
        }
        const cs_ir_node *named = variable ? NULL : cs_ir__child(node, t);
        if (named) {
            CS_VEC_PUSH_IN(p->arena, &next, named);
        }
    }
    f->level = next;
    return true;
}

/* Can the operand after the last one lead on? */
static bool leads_on(const found *f, const cs_terms *ref)
{
    if (f->last + 1 >= ref->n) {
        return false;
    }
    const cs_term *t = ref->v[f->last + 1];
    for (size_t i = 0; i < f->level.n; i++) {
        if (t->kind == CS_TERM_VAR ? f->level.v[i]->branches.n > 0 : cs_ir__child(f->level.v[i], t) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_open_paths(cs_ir_planner *p, const found *f)
{
    for (size_t i = 0; i < f->level.n; i++) {
        for (size_t k = 0; k < f->level.v[i]->rules.n; k++) {
            const cs_term *path = cs_ir__path(p, f->level.v[i]->rules.v[k]);
            if (!cs_term_is_ground(path)) {
                return true;
            }
        }
    }
    return false;
}

static bool find(cs_ir_planner *p, const cs_terms *ref, found *f)
{
    const cs_ir_node *top = cs_ir__find(p, &(cs_term){.kind = CS_TERM_REF, .u.list = {ref->v, 1}});
    CS_VEC_PUSH_IN(p->arena, &f->level, top);
    for (uint32_t i = 1; i < ref->n; i++) {
        f->last = i;
        if (!descend(p, f, ref->v[i])) {
            return false;
        }
        if (!leads_on(f, ref) || (i + 2 == ref->n && has_open_paths(p, f))) {
            break;
        }
    }
    for (size_t i = 0; f->variable && i < f->level.n; i++) {
        const cs_ir_node *node = f->level.v[i];
        if (f->last + 1 == ref->n && node->rules.n == 0 && node->branches.n > 0) {
            return false;
        }
    }
    return f->variable;
}

/* ---- the plan */
typedef struct lookup_step {
    cs_ir_step step;
    const cs_terms *ref;
    cs_terms front;
    uint32_t last;
    nodes targets; /* whose functions are planned one after the other */
    size_t next;
    cs_ir_operands path;
    int32_t result;
    cs_ir_block *back, *by_path;
    cs_ir_then then;
} lookup_step;

/* The rest of the ref is planned; out of the block that it stands in. */
static const cs_ir_step *lookup_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const lookup_step *s = (const lookup_step *)self;
    cs_ir_block *outer = p->block;
    cs_ir__close(p, s->back);
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, outer));
    return NULL;
}

/* The base document in place of a function is there:
 * { { {call by path, break 1}, {base document, break 1} }, break 2 } the rest of the ref */
static const cs_ir_step *base_read(cs_ir_planner *p, const cs_ir_step *self)
{
    lookup_step *s = (lookup_step *)(uintptr_t)self; /* its look-up's own */
    CS_IR_EMIT(p, ASSIGN_VAR, cs_ir__o(p->target), cs_ir__l(s->result));
    CS_IR_EMIT(p, BREAK, cs_ir__l(1));
    cs_ir_block *ways[] = {s->by_path, p->block};
    cs_ir_block *either = cs_ir__new_block(p), *outer = cs_ir__new_block(p);
    CS_IR_EMIT_BARE(p, either, BLOCK, cs_ir__blocks_of(p, ways, 2));
    CS_IR_EMIT_BARE(p, either, BREAK, cs_ir__l(2));
    CS_IR_EMIT_BARE(p, outer, BLOCK, cs_ir__one(p, either));
    p->block = outer;
    p->target = cs_ir__op(s->result);
    s->step.run = lookup_done;
    cs_ir__wait(p, &s->step);
    return cs_ir__walk(p, s->ref, s->last + 1, s->then);
}

static const cs_ir_step *plan_functions(cs_ir_planner *p, const cs_ir_step *self)
{
    lookup_step *s = (lookup_step *)(uintptr_t)self; /* its look-up's own */
    if (s->next < s->targets.n) {
        return cs_ir__rules(p, s->targets.v[s->next++], &s->step);
    }
    s->result = cs_ir__new_local(p);
    s->back = cs_ir__open(p);
    cs_ir_operands args = {cs_arena_array(p->arena, cs_ir_operand, 2), 2};
    args.v[0] = cs_ir__operand_of(p, p->input);
    args.v[1] = cs_ir__operand_of(p, p->data);
    CS_IR_EMIT(p, CALL_DYNAMIC, (cs_ir_field){.list = args}, cs_ir__l(s->result), (cs_ir_field){.list = s->path});
    CS_IR_EMIT(p, BREAK, cs_ir__l(1));
    s->by_path = p->block;
    p->block = cs_ir__new_block(p);
    p->target = args.v[1];
    s->front = (cs_terms){s->ref->v, s->last + 1};
    s->step.run = base_read;
    return cs_ir__walk(p, &s->front, 1, &s->step);
}

bool cs_ir__dynamic(cs_ir_planner *p, const cs_terms *ref, cs_ir_then then, cs_ir_then *next)
{
    found f = {0};
    *next = NULL;
    if (!find(p, ref, &f)) {
        return false;
    }
    lookup_step *s = CS_IR_STEP(p, lookup_step, plan_functions);
    for (size_t i = 0; i < f.level.n; i++) {
        if (f.level.v[i]->rules.n > 0) {
            CS_VEC_PUSH_IN(p->arena, &s->targets, f.level.v[i]);
        }
    }
    if (s->targets.n == 0) {
        return true;
    }
    s->path.v = cs_arena_array(p->arena, cs_ir_operand, f.last + 1U);
    size_t n;
    const char *generation = cs_arena_printf(p->arena, &n, "g%u", (unsigned)cs_ir__generation(p)->number);
    s->path.v[s->path.n++] = cs_ir__text_operand(p, cs_slice_make(generation, n));
    for (uint32_t i = 1; i <= f.last; i++) {
        const cs_term *t = ref->v[i];
        s->path.v[s->path.n++] =
            t->kind == CS_TERM_VAR ? cs_ir__operand_of(p, t->u.var) : cs_ir__text_operand(p, cs_text(t->u.value));
    }
    s->ref = ref;
    s->last = f.last;
    s->then = then;
    *next = &s->step;
    return true;
}
