/* Functions: one for all rules whose paths are the same up to the first variable. A block for each definition, an
 * `else` in the same block behind a test that nothing was found, and the default behind all of them. */
#include "rego/ir/internal.h"

typedef const cs_ir_step *step_run(cs_ir_planner *p, const cs_ir_step *self);

typedef struct function_step {
    cs_ir_step step;
    const cs_rule **rules;
    uint32_t n, next;
    const cs_rule *rule; /* the definition that was begun last */
    const cs_rule *fallback;
    cs_slice path;
    uint32_t pieces; /* of the rules' paths that name the function */
    bool builds;     /* the rules put values under keys of an object */
    bool finished;
    cs_ir_function *made;
    cs_ir_blocks *blocks; /* where definitions go: the function's, or those of an else chain */
    cs_ir_operands params;
    int32_t found, first_free; /* locals: what a definition gives; the first that definitions may use */
    const cs_loc *loc;
    /* the planner's state around it */
    cs_ir_scope *scope;
    cs_ir_block *block;
    cs_ir_operand target;
    int32_t next_local;
    const cs_loc *outer_loc;
    uint32_t depth;
    cs_ir_then then;
} function_step;

cs_term *cs_ir__path(cs_ir_planner *p, const cs_rule *r)
{
    cs_terms package = r->module->package->u.list, head = r->head.ref->u.list;
    cs_term **v = cs_arena_array(p->arena, cs_term *, package.n + head.n);
    memcpy(v, package.v, package.n * sizeof *v);
    memcpy(v + package.n, head.v, head.n * sizeof *v);
    if (head.v[0]->kind == CS_TERM_VAR) {
        v[package.n] = cs_term_string(p->policy->ast, cs_sym_slice(head.v[0]->u.var), head.v[0]->loc);
    }
    return cs_term_list(p->policy->ast, CS_TERM_REF, v, package.n + head.n, (cs_loc){.nowhere = true});
}

/* ---- what a definition gives */
typedef struct head_step {
    cs_ir_step step;
    const function_step *f;
    const cs_rule *rule;
    cs_terms path;
    uint32_t at;
    int32_t object;
    cs_ir_operand key, value;
    int32_t inner;
} head_step;

static head_step *head_copy(cs_ir_planner *p, const head_step *from, step_run *run)
{
    head_step *s = CS_IR_STEP(p, head_step, run);
    *s = *from;
    s->step.run = run;
    return s;
}

static const cs_ir_step *assign_found(cs_ir_planner *p, const cs_ir_step *self)
{
    CS_IR_EMIT(p, ASSIGN_VAR_ONCE, cs_ir__o(p->target), cs_ir__l(((const head_step *)self)->f->found));
    return NULL;
}

static const cs_ir_step *add_to_set(cs_ir_planner *p, const cs_ir_step *self)
{
    CS_IR_EMIT(p, SET_ADD, cs_ir__o(p->target), cs_ir__l(((const head_step *)self)->f->made->result));
    return NULL;
}

static const cs_ir_step *insert_once(cs_ir_planner *p, const cs_ir_step *self)
{
    const head_step *s = (const head_step *)self;
    CS_IR_EMIT(p, OBJECT_INSERT_ONCE, cs_ir__o(p->target), cs_ir__o(s->value), cs_ir__l(s->object));
    return NULL;
}

static const cs_ir_step *put_back(cs_ir_planner *p, const cs_ir_step *self)
{
    const head_step *s = (const head_step *)self;
    CS_IR_EMIT(p, OBJECT_INSERT, cs_ir__o(s->key), cs_ir__o(cs_ir__op(s->inner)), cs_ir__l(s->object));
    return NULL;
}

/* What is under the key of an object, made if it is not there: { { dot, break 1 } make }. It is put back later. */
static int32_t dot_or_make(cs_ir_planner *p, const head_step *s, cs_ir_kind make)
{
    int32_t inner = cs_ir__new_local(p);
    cs_ir_block *there = cs_ir__new_block(p), *outer = cs_ir__new_block(p);
    CS_IR_EMIT_TO(p, there, DOT, cs_ir__o(cs_ir__op(s->object)), cs_ir__o(s->key), cs_ir__l(inner));
    CS_IR_EMIT_TO(p, there, BREAK, cs_ir__l(1));
    CS_IR_EMIT_BARE(p, outer, BLOCK, cs_ir__one(p, there));
    cs_ir__put(p, outer, make, false, (cs_ir_field[4]){cs_ir__l(inner)});
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, outer));
    head_step *back = head_copy(p, s, put_back);
    back->inner = inner;
    cs_ir__wait(p, &back->step);
    return inner;
}

static const cs_ir_step *have_element(cs_ir_planner *p, const cs_ir_step *self)
{
    const head_step *s = (const head_step *)self;
    cs_ir_operand element = p->target;
    int32_t set = dot_or_make(p, s, CS_IR_MAKE_SET);
    CS_IR_EMIT(p, SET_ADD, cs_ir__o(element), cs_ir__l(set));
    CS_IR_EMIT(p, OBJECT_INSERT, cs_ir__o(s->key), cs_ir__o(cs_ir__op(set)), cs_ir__l(s->object));
    return NULL;
}

static const cs_ir_step *have_last_key(cs_ir_planner *p, const cs_ir_step *self)
{
    head_step *s = head_copy(p, (const head_step *)self, have_element);
    s->key = p->target;
    return cs_ir__term(p, s->rule->head.key, &s->step);
}

static cs_ir_then next_key(cs_ir_planner *p, head_step *s);

static const cs_ir_step *have_inner_key(cs_ir_planner *p, const cs_ir_step *self)
{
    head_step *s = head_copy(p, (const head_step *)self, have_inner_key);
    s->key = p->target;
    s->object = dot_or_make(p, s, CS_IR_MAKE_OBJECT);
    s->at++;
    return next_key(p, s);
}

static cs_ir_then next_key(cs_ir_planner *p, head_step *s)
{
    if (s->at + 1 < s->path.n) {
        return cs_ir__term(p, s->path.v[s->at], &head_copy(p, s, have_inner_key)->step);
    }
    step_run *last = s->rule->head.key ? have_last_key : insert_once;
    return cs_ir__term(p, s->path.v[s->at], &head_copy(p, s, last)->step);
}

static const cs_ir_step *have_single(cs_ir_planner *p, const cs_ir_step *self)
{
    head_step *s = head_copy(p, (const head_step *)self, have_single);
    s->value = p->target;
    return next_key(p, s);
}

/* The body holds. */
static const cs_ir_step *body_found(cs_ir_planner *p, const cs_ir_step *self)
{
    head_step *s = head_copy(p, (const head_step *)self, body_found);
    const cs_head *h = &s->rule->head;
    if (!s->f->builds) {
        return cs_ir__term(p, h->key ? h->key : h->value, &head_copy(p, s, h->key ? add_to_set : assign_found)->step);
    }
    s->path = cs_ir__path(p, s->rule)->u.list;
    s->at = s->f->pieces;
    s->object = s->f->made->result;
    return h->key ? next_key(p, s) : cs_ir__term(p, h->value, &head_copy(p, s, have_single)->step);
}

/* ---- arguments */
typedef struct params_step {
    cs_ir_step step;
    const cs_rule *rule;
    cs_ir_operands params;
    uint32_t at;
    cs_ir_then then;
} params_step;

static const cs_ir_step *next_param(cs_ir_planner *p, const cs_ir_step *self)
{
    const params_step *s = (const params_step *)self;
    if (s->at == s->rule->head.args.n) {
        return cs_ir__body(p, s->rule->body, s->then);
    }
    params_step *next = CS_IR_STEP(p, params_step, next_param);
    cs_ir_step head = next->step;
    *next = *s;
    next->step = head;
    next->at++;
    return cs_ir__unify_operand(p, s->params.v[s->at], s->rule->head.args.v[s->at], &next->step);
}

/* ---- definitions */
static cs_ir_block *add_block(cs_ir_planner *p, cs_ir_blocks *blocks)
{
    cs_ir_block *b = cs_ir__new_block(p);
    CS_VEC_PUSH_IN(p->arena, blocks, b);
    return b;
}

static cs_ir_then definition(cs_ir_planner *p, function_step *f, const cs_rule *r, bool first)
{
    uint32_t n;
    const cs_sym **vars = cs_ir__function_vars(p, &n);
    f->rule = r;
    p->loc = cs_ir__loc(&r->head.loc);
    p->next_local = f->first_free;
    p->scope = NULL;
    cs_ir__push_scope(p);
    for (uint32_t i = 0; i < n; i++) {
        cs_ir__bind(p, vars[i], f->made->params.v[i].at);
    }
    p->block = add_block(p, f->blocks);
    if (first) {
        CS_IR_EMIT(p, RESET_LOCAL, cs_ir__l(f->found));
    } else {
        CS_IR_EMIT(p, IS_UNDEFINED, cs_ir__l(f->found));
    }
    head_step *found = CS_IR_STEP(p, head_step, body_found);
    found->f = f;
    found->rule = r;
    params_step *s = CS_IR_STEP(p, params_step, next_param);
    s->rule = r;
    s->params = f->params;
    s->then = &found->step;
    cs_ir__wait(p, &f->step);
    return &s->step;
}

/* The chain is over: what it has given is the function's result. */
static void end_chain(cs_ir_planner *p, const function_step *f)
{
    if (!f->rule->head.key && !f->builds) {
        cs_ir_block *end = add_block(p, f->blocks);
        CS_IR_EMIT_TO(p, end, IS_DEFINED, cs_ir__l(f->found));
        CS_IR_EMIT_TO(p, end, ASSIGN_VAR_ONCE, cs_ir__o(cs_ir__op(f->found)), cs_ir__l(f->made->result));
    }
}

static cs_ir_then begin_chain(cs_ir_planner *p, function_step *f, const cs_rule *r)
{
    f->blocks = &f->made->blocks;
    if (r->other) {
        cs_ir_blocks *inner = cs_arena_new(p->arena, cs_ir_blocks);
        CS_IR_EMIT_BARE(p, add_block(p, f->blocks), BLOCK, (cs_ir_field){.blocks = inner});
        f->blocks = inner;
    }
    return definition(p, f, r, true);
}

/* ---- the default */
static const cs_ir_step *assign_result(cs_ir_planner *p, const cs_ir_step *self)
{
    CS_IR_EMIT(p, ASSIGN_VAR_ONCE, cs_ir__o(p->target), cs_ir__l(((const head_step *)self)->f->made->result));
    return NULL;
}

static const cs_ir_step *default_found(cs_ir_planner *p, const cs_ir_step *self)
{
    const head_step *s = (const head_step *)self;
    p->loc = cs_ir__loc(&s->rule->head.loc);
    return cs_ir__term(p, s->rule->head.value, &head_copy(p, s, assign_result)->step);
}

static cs_ir_then fall_back(cs_ir_planner *p, function_step *f)
{
    p->loc = cs_ir__loc(&f->fallback->head.loc);
    p->block = add_block(p, &f->made->blocks);
    CS_IR_EMIT(p, IS_UNDEFINED, cs_ir__l(f->made->result));
    head_step *found = CS_IR_STEP(p, head_step, default_found);
    found->f = f;
    found->rule = f->fallback;
    cs_ir__wait(p, &f->step);
    return cs_ir__body(p, f->fallback->body, &found->step);
}

/* ---- the function */
static cs_ir_then finish(cs_ir_planner *p, const function_step *f)
{
    p->loc = f->loc;
    CS_IR_EMIT_TO(p, add_block(p, &f->made->blocks), RETURN_LOCAL, cs_ir__l(f->made->result));
    CS_VEC_PUSH_IN(p->arena, &p->out->functions, f->made);
    cs_object_put(p->arena, cs_ir__generation(p)->functions, cs_string(f->path), cs_string(f->made->name));
    cs_object_put(p->arena, p->planning, cs_string(f->path), cs_bool(false));
    p->next_local = f->next_local;
    p->target = f->target;
    p->scope = f->scope;
    p->block = f->block;
    p->loc = f->outer_loc;
    p->depth = f->depth;
    p->function = f->made->name;
    return f->then;
}

static const cs_ir_step *next_definition(cs_ir_planner *p, const cs_ir_step *self)
{
    function_step *f = (function_step *)(uintptr_t)self; /* waits once at a time: its own */
    if (f->finished) {
        return finish(p, f);
    }
    if (f->rule && f->rule->other) {
        return definition(p, f, f->rule->other, false);
    }
    if (f->rule) {
        end_chain(p, f);
        f->rule = NULL;
    }
    while (f->next < f->n) {
        const cs_rule *r = f->rules[f->next++];
        if (!r->is_default) {
            return begin_chain(p, f, r);
        }
        f->fallback = r;
    }
    f->finished = true;
    return f->fallback ? fall_back(p, f) : finish(p, f);
}

/* How much of the paths all rules have in common, in names. */
static uint32_t common_names(cs_ir_planner *p, const function_step *f, uint32_t first)
{
    uint32_t pieces = first;
    for (uint32_t i = 0; i < f->n; i++) {
        const cs_terms *path = &cs_ir__path(p, f->rules[i])->u.list;
        for (uint32_t k = 1; k < path->n && k < pieces; k++) {
            pieces = cs_term_is_string(path->v[k]) ? pieces : k;
        }
    }
    return pieces;
}

static cs_slice path_text(cs_ir_planner *p, const cs_term *path, uint32_t pieces)
{
    cs_term prefix = *path;
    prefix.u.list.n = pieces;
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, &prefix);
    cs_slice copy = {cs_arena_dup(p->arena, text.p, text.n), text.n};
    cs_buf_destroy(&text);
    return copy;
}

static void name_function(cs_ir_planner *p, function_step *f, const cs_term *path)
{
    size_t n;
    uint32_t generation = cs_ir__generation(p)->number;
    cs_ir_function *made = f->made;
    const char *name = cs_arena_printf(p->arena, &n, "g%u.%.*s", (unsigned)generation, CS_FMT(f->path));
    made->name = cs_slice_make(name, n);
    made->path = cs_arena_array(p->arena, cs_slice, f->pieces);
    name = cs_arena_printf(p->arena, &n, "g%u", (unsigned)generation);
    made->path[made->n_path++] = cs_slice_make(name, n);
    for (uint32_t i = 1; i < f->pieces; i++) {
        made->path[made->n_path++] = cs_text(path->u.list.v[i]->u.value);
    }
}

static cs_ir_then begin_function(cs_ir_planner *p, function_step *f, const cs_term *path)
{
    const cs_head *h = &f->rules[0]->head;
    uint32_t n_vars = cs_ir__generation(p)->all_vars;
    f->scope = p->scope;
    f->block = p->block;
    f->target = p->target;
    f->next_local = p->next_local;
    f->outer_loc = p->loc;
    f->depth = p->depth;
    p->depth = 0;
    p->next_local = CS_IR_INPUT;
    p->loc = f->loc = cs_ir__loc(&h->loc);
    f->made = cs_arena_new(p->arena, cs_ir_function);
    cs_ir_operands *params = &f->made->params;
    params->v = cs_arena_array(p->arena, cs_ir_operand, n_vars + h->args.n + 1U);
    while (params->n < n_vars) {
        params->v[params->n++] = cs_ir__op(cs_ir__new_local(p));
    }
    f->made->result = cs_ir__new_local(p);
    name_function(p, f, path);
    f->params = (cs_ir_operands){params->v + n_vars, h->args.n};
    while (params->n < n_vars + h->args.n) {
        params->v[params->n++] = cs_ir__op(cs_ir__new_local(p));
    }
    if (f->builds) {
        CS_IR_EMIT_TO(p, add_block(p, &f->made->blocks), MAKE_OBJECT, cs_ir__l(f->made->result));
    } else if (h->key) {
        CS_IR_EMIT_TO(p, add_block(p, &f->made->blocks), MAKE_SET, cs_ir__l(f->made->result));
    }
    f->found = cs_ir__new_local(p);
    f->first_free = p->next_local;
    return &f->step;
}

cs_ir_then cs_ir__rules(cs_ir_planner *p, const cs_ir_node *node, cs_ir_then then)
{
    function_step *f = CS_IR_STEP(p, function_step, next_definition);
    f->n = (uint32_t)node->rules.n;
    f->rules = (const cs_rule **)cs_arena_zalloc(p->arena, (f->n + 1U) * sizeof *f->rules);
    memcpy(f->rules, node->rules.v, f->n * sizeof *f->rules);
    for (uint32_t i = 0; i < f->n && !cs_is_undefined(p->planned); i++) {
        (void)cs_set_add(p->arena, p->planned, cs_int((int64_t)(uintptr_t)f->rules[i]));
    }
    cs_ir__sort_rules(p, f->rules, f->n);
    const cs_term *path = cs_ir__path(p, f->rules[0]);
    f->pieces = common_names(p, f, path->u.list.n);
    f->builds = f->pieces != path->u.list.n;
    f->path = path_text(p, path, f->pieces);
    f->then = then;
    const cs_value *there = cs_object_get(cs_ir__generation(p)->functions, cs_string(f->path));
    if (there) {
        p->function = cs_text(*there);
        return then;
    }
    const cs_value *under_way = cs_object_get(p->planning, cs_string(f->path));
    if (under_way && cs_truthy(*under_way)) {
        const char *place = "";
        if (p->loc) {
            place = cs_arena_printf(p->arena, NULL, "%.*s:%u: ", CS_FMT(p->loc->source->file), (unsigned)p->loc->row);
        }
        return cs_ir__fail(
            p,
            "%sreference to %.*s is not supported: rules sharing that path prefix are planned as a single "
            "function",
            place, CS_FMT(f->path));
    }
    cs_object_put(p->arena, p->planning, cs_string(f->path), cs_bool(true));
    return begin_function(p, f, path);
}
