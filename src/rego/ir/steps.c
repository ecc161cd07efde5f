/* The loop that plans, and the planner's state. */
#include "rego/ir/internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/limits.h"

/* ---- steps */
cs_ir_step *cs_ir__step(cs_ir_planner *p, size_t size,
                        const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    cs_ir_step *s = cs_arena_zalloc(p->arena, size);
    s->run = run;
    return s;
}

void cs_ir__wait(cs_ir_planner *p, const cs_ir_step *s)
{
    CS_VEC_PUSH_IN(p->arena, &p->waiting, s);
}

void cs_ir__run(cs_ir_planner *p, const cs_ir_step *s)
{
    size_t base = p->waiting.n;
    while (p->err == CS_OK && (s || p->waiting.n > base)) {
        if (!s) {
            s = p->waiting.v[--p->waiting.n];
        }
        s = s->run(p, s);
        if (cs_arena_exceeded(p->arena) && p->err == CS_OK) {
            p->err = cs_fail(p->e, CS_ERR_MEMORY, "the plan is too large");
        }
    }
}

const cs_ir_step *cs_ir__fail(cs_ir_planner *p, const char *format, ...)
{
    if (p->err == CS_OK) {
        char text[CS_ERROR_TEXT_MAX];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        p->err = cs_fail(p->e, CS_ERR_INVALID, "%s", text);
    }
    return NULL;
}

typedef struct place_step {
    cs_ir_step step;
    const cs_loc *loc;
} place_step;

static const cs_ir_step *restore_place(cs_ir_planner *p, const cs_ir_step *self)
{
    p->loc = ((const place_step *)self)->loc;
    return NULL;
}

void cs_ir__wait_place(cs_ir_planner *p)
{
    place_step *s = CS_IR_STEP(p, place_step, restore_place);
    s->loc = p->loc;
    cs_ir__wait(p, &s->step);
}

/* ---- blocks */
cs_ir_block *cs_ir__open(cs_ir_planner *p)
{
    cs_ir_block *back = p->block;
    p->block = cs_ir__new_block(p);
    if (++p->depth > cs_limits_get()->rego_depth) {
        (void)cs_ir__fail(p, "the plan has more than %u blocks inside each other",
                          (unsigned)cs_limits_get()->rego_depth);
    }
    return back;
}

void cs_ir__close(cs_ir_planner *p, cs_ir_block *back)
{
    p->block = back;
    p->depth--;
}

/* ---- variables */
void cs_ir__push_scope(cs_ir_planner *p)
{
    cs_ir_scope *s = cs_arena_new(p->arena, cs_ir_scope);
    s->outer = p->scope;
    s->vars = cs_names_new(p->arena);
    p->scope = s;
}

void cs_ir__pop_scope(cs_ir_planner *p)
{
    p->scope = p->scope->outer;
}

int32_t cs_ir__local_of(const cs_ir_planner *p, const cs_sym *var)
{
    for (const cs_ir_scope *s = p->scope; s; s = s->outer) {
        const int32_t *local = cs_names_get(s->vars, var);
        if (local) {
            return *local;
        }
    }
    return -1;
}

cs_ir_operand cs_ir__operand_of(const cs_ir_planner *p, const cs_sym *var)
{
    int32_t local = cs_ir__local_of(p, var);
    return cs_ir__op(local < 0 ? 0 : local);
}

void cs_ir__bind(cs_ir_planner *p, const cs_sym *var, int32_t local)
{
    int32_t *kept = cs_arena_new(p->arena, int32_t);
    *kept = local;
    cs_names_put(p->scope->vars, var, kept);
}

typedef struct seen {
    const cs_ir_planner *p;
    bool unseen;
} seen;

static bool see_term(void *self, cs_term *t)
{
    seen *s = self;
    s->unseen = s->unseen || (t->kind == CS_TERM_VAR && cs_ir__local_of(s->p, t->u.var) < 0);
    return !s->unseen;
}

bool cs_ir__has_unseen(const cs_ir_planner *p, const cs_term *t)
{
    if (t->kind == CS_TERM_SCALAR) {
        return false;
    }
    seen s = {.p = p};
    /* The walker is one for all uses; this one writes nothing. */
    cs_walk_term(&(cs_walker){.self = &s, .term = see_term}, (cs_term *)(uintptr_t)t);
    return s.unseen;
}
