/* Entries, and what is the same for all of them. */
#include "rego/ir/internal.h"

#include <stdlib.h>

/* ---- queries: each result is an object of the variables by their names */
typedef struct result_step {
    cs_ir_step step;
    const cs_ir_entry *entry;
    bool found;
} result_step;

static const cs_ir_step *add_result(cs_ir_planner *p, const cs_ir_step *self)
{
    result_step *s = (result_step *)(uintptr_t)self; /* to say that it was reached */
    int32_t object = cs_ir__new_local(p);
    CS_IR_EMIT(p, MAKE_OBJECT, cs_ir__l(object));
    for (uint32_t i = 0; i < s->entry->query.n_vars; i++) {
        const cs_query_var *v = &s->entry->query.vars[i];
        CS_IR_EMIT(p, OBJECT_INSERT, cs_ir__o(cs_ir__text_operand(p, cs_sym_slice(v->name))),
                   cs_ir__o(cs_ir__operand_of(p, v->local)), cs_ir__l(object));
    }
    CS_IR_EMIT(p, RESULT_SET_ADD, cs_ir__l(object));
    s->found = true;
    return NULL;
}

static void plan_entry(cs_ir_planner *p, const cs_ir_entry *entry)
{
    cs_ir_named_plan plan = {.name = entry->name};
    for (uint32_t i = 0; i < entry->query.n_vars; i++) {
        (void)cs_ir__string(p, cs_sym_slice(entry->query.vars[i].name));
    }
    result_step *s = CS_IR_STEP(p, result_step, add_result);
    s->entry = entry;
    p->loc = NULL;
    p->block = cs_ir__new_block(p);
    cs_ir_block *block = p->block;
    cs_ir__push_scope(p);
    cs_ir__run(p, cs_ir__body(p, entry->query.body, &s->step));
    cs_ir__pop_scope(p);
    if (s->found) {
        CS_VEC_PUSH_IN(p->arena, &plan.blocks, block);
    }
    CS_VEC_PUSH_IN(p->arena, &p->out->plans, plan);
}

/* ---- what no entry has reached */
static int by_path(const void *x, const void *y)
{
    const cs_ir_unplanned *a = x, *b = y;
    int c = cs_slice_compare(a->path, b->path);
    c = c ? c : (a->place.file > b->place.file) - (a->place.file < b->place.file);
    return c ? c : (a->place.row > b->place.row) - (a->place.row < b->place.row);
}

static void list_unplanned(cs_ir_planner *p)
{
    for (uint32_t i = 0; i < p->policy->n_modules; i++) {
        const cs_module *m = p->policy->modules[i];
        for (uint32_t k = 0; k < m->n_rules; k++) {
            if (cs_set_has(p->planned, cs_int((int64_t)(uintptr_t)m->rules[k]))) {
                continue;
            }
            cs_buf text;
            cs_buf_init(&text);
            cs_term_print(&text, cs_ir__path(p, m->rules[k]));
            cs_ir_unplanned one = {{cs_arena_dup(p->arena, text.p, text.n), text.n}, {0}};
            const cs_loc *loc = cs_ir__loc(&m->rules[k]->loc);
            if (loc) {
                one.place = cs_ir__place(p, loc);
            }
            cs_buf_destroy(&text);
            CS_VEC_PUSH_IN(p->arena, &p->out->unplanned, one);
        }
    }
    if (p->out->unplanned.n > 1) {
        qsort(p->out->unplanned.v, p->out->unplanned.n, sizeof *p->out->unplanned.v, by_path);
    }
}

cs_err cs_ir_plan(cs_arena *a, const cs_compiled *policy, const cs_ir_entry *entries, size_t n,
                  const cs_ir_options *options, cs_ir_policy **out, cs_error *e)
{
    cs_ir_planner p = {.arena = a, .policy = policy, .e = e, .next_local = CS_IR_FIRST_LOCAL, .next_generation = 1};
    p.out = cs_arena_new(a, cs_ir_policy);
    p.out->builtins = cs_object_new(a, 0);
    p.strings = cs_object_new(a, 0);
    p.files = cs_object_new(a, 0);
    p.planning = cs_object_new(a, 0);
    p.planned = options->unplanned ? cs_set_new(a, 0) : cs_undefined();
    p.input = policy->ast->input;
    p.data = policy->ast->data;
    const cs_sym **roots = (const cs_sym **)cs_arena_zalloc(a, 2 * sizeof *roots);
    roots[CS_IR_INPUT] = p.input;
    roots[CS_IR_DATA] = p.data;
    cs_ir_generation first = {.functions = cs_object_new(a, 0), .vars = roots, .n_vars = 2, .all_vars = 2};
    CS_VEC_PUSH_IN(a, &p.generations, first);
    cs_ir__push_scope(&p);
    cs_ir__bind(&p, p.input, CS_IR_INPUT);
    cs_ir__bind(&p, p.data, CS_IR_DATA);
    cs_ir__build_tree(&p);
    for (size_t i = 0; i < n && p.err == CS_OK; i++) {
        plan_entry(&p, &entries[i]);
    }
    if (options->unplanned && p.err == CS_OK) {
        list_unplanned(&p);
    }
    *out = p.out;
    return p.err;
}
