/* Refs: into values, and into the tree of rules with the base documents beside it. */
#include "rego/ir/internal.h"

/* ---- scans */
typedef struct scan_step {
    cs_ir_step step;
    int32_t source, key, value;
    cs_ir_block *back;
    cs_ir_then then;
} scan_step;

static const cs_ir_step *scan_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const scan_step *s = (const scan_step *)self;
    cs_ir_block *filled = p->block;
    cs_ir__close(p, s->back);
    CS_IR_EMIT(p, SCAN, cs_ir__l(s->source), cs_ir__l(s->key), cs_ir__l(s->value), cs_ir__one(p, filled));
    return NULL;
}

static const cs_ir_step *scan_element(cs_ir_planner *p, const cs_ir_step *self)
{
    const scan_step *s = (const scan_step *)self;
    p->target = cs_ir__op(s->value);
    p->key = s->key;
    return s->then;
}

static cs_ir_then scan(cs_ir_planner *p, const cs_term *t, bool values, cs_ir_then then)
{
    if (p->target.kind != CS_IR_OF_LOCAL) {
        return cs_ir__fail(p, "illegal scan of a constant");
    }
    scan_step *done = CS_IR_STEP(p, scan_step, scan_done);
    done->source = p->target.at;
    done->key = cs_ir__new_local(p);
    done->value = cs_ir__new_local(p);
    done->back = cs_ir__open(p);
    cs_ir__wait(p, &done->step);
    scan_step *element = CS_IR_STEP(p, scan_step, scan_element);
    element->key = values ? done->value : done->key;
    element->value = done->value;
    element->then = then;
    return t ? cs_ir__unify_operand(p, cs_ir__op(element->key), t, &element->step) : &element->step;
}

cs_ir_then cs_ir__scan(cs_ir_planner *p, const cs_term *key, cs_ir_then then)
{
    return scan(p, key, false, then);
}

cs_ir_then cs_ir__scan_values(cs_ir_planner *p, const cs_term *value, cs_ir_then then)
{
    return scan(p, value, true, then);
}

/* ---- operands */
typedef struct walk_step {
    cs_ir_step step;
    const cs_terms *ref;
    uint32_t at;
    cs_ir_operand source;
    cs_ir_then then;
} walk_step;

static const cs_ir_step *dot(cs_ir_planner *p, const cs_ir_step *self)
{
    const walk_step *s = (const walk_step *)self;
    int32_t local = cs_ir__new_local(p);
    CS_IR_EMIT(p, DOT, cs_ir__o(s->source), cs_ir__o(p->target), cs_ir__l(local));
    p->target = cs_ir__op(local);
    return cs_ir__walk(p, s->ref, s->at, s->then);
}

static const cs_ir_step *walk_on(cs_ir_planner *p, const cs_ir_step *self)
{
    const walk_step *s = (const walk_step *)self;
    return cs_ir__walk(p, s->ref, s->at, s->then);
}

cs_ir_then cs_ir__walk(cs_ir_planner *p, const cs_terms *ref, uint32_t at, cs_ir_then then)
{
    if (at >= ref->n) {
        return then;
    }
    bool unseen = cs_ir__has_unseen(p, ref->v[at]);
    walk_step *s = CS_IR_STEP(p, walk_step, unseen ? walk_on : dot);
    s->ref = ref;
    s->at = at + 1;
    s->source = p->target;
    s->then = then;
    return unseen ? cs_ir__scan(p, ref->v[at], &s->step) : cs_ir__term(p, ref->v[at], &s->step);
}

/* ---- documents: rules (virtual) beside what the data have (base) */
typedef struct data_step {
    cs_ir_step step;
    const cs_ir_node *rules; /* NULL: there are none from here on */
    int32_t base;            /* the local that the path begins at */
    const cs_terms *path;    /* operands behind it; not followed yet */
    const cs_terms *ref;
    uint32_t at;
    cs_ir_then then;
} data_step;

static const cs_ir_step *document(cs_ir_planner *p, const cs_ir_step *self);

static const cs_terms no_path = {NULL, 0};

static const cs_terms *longer(cs_ir_planner *p, const cs_terms *path, cs_term *t)
{
    cs_terms *out = cs_arena_new(p->arena, cs_terms);
    out->v = cs_arena_array(p->arena, cs_term *, path->n + 1U);
    if (path->n > 0) {
        memcpy(out->v, path->v, path->n * sizeof *out->v);
    }
    out->v[path->n] = t;
    out->n = path->n + 1;
    return out;
}

static data_step *data_copy(cs_ir_planner *p, const data_step *from,
                            const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    data_step *s = CS_IR_STEP(p, data_step, run);
    *s = *from;
    s->step.run = run;
    return s;
}

/* The base document that the path has led to; rules need not be looked at any more. */
static const cs_ir_step *base_only(cs_ir_planner *p, const cs_ir_step *self)
{
    data_step *s = data_copy(p, (const data_step *)self, document);
    s->rules = NULL;
    s->base = p->target.at;
    s->path = &no_path;
    s->at++;
    return &s->step;
}

/* ---- the rules at the end of names */
typedef struct call_step {
    cs_ir_step step;
    int32_t result;
    const cs_terms *ref;
    uint32_t at;
    cs_ir_then then;
} call_step;

static const cs_ir_step *call_rules(cs_ir_planner *p, const cs_ir_step *self)
{
    const call_step *s = (const call_step *)self;
    cs_ir_operands args = cs_ir__default_operands(p);
    CS_IR_EMIT(p, CALL, (cs_ir_field){.text = p->function}, (cs_ir_field){.list = args}, cs_ir__l(s->result));
    p->target = cs_ir__op(s->result);
    return cs_ir__walk(p, s->ref, s->at, s->then);
}

static cs_ir_then known_key(cs_ir_planner *p, const data_step *s)
{
    const cs_ir_node *child = cs_ir__child(s->rules, s->ref->v[s->at]);
    if (child && child->rules.n > 0) {
        call_step *call = CS_IR_STEP(p, call_step, call_rules);
        call->result = cs_ir__new_local(p);
        call->ref = s->ref;
        call->at = s->at + 1;
        call->then = s->then;
        p->target = cs_ir__op(call->result);
        return cs_ir__rules(p, child, &call->step);
    }
    data_step *next = data_copy(p, s, document);
    next->rules = child;
    next->path = longer(p, s->path, s->ref->v[s->at]);
    next->at++;
    return &next->step;
}

/* ---- a variable: a block for each child that has rules, and then the others in the base document */
typedef struct children_step {
    cs_ir_step step;
    const data_step *data;
    cs_ir_blocks *blocks;
    cs_terms keys;
    size_t next; /* branch */
    cs_ir_block *back;
    bool open;
} children_step;

typedef struct exclude_step {
    cs_ir_step step;
    const data_step *data;
    cs_ir_operand keys;
} exclude_step;

static const cs_ir_step *not_excluded(cs_ir_planner *p, const cs_ir_step *self)
{
    const exclude_step *s = (const exclude_step *)self;
    int32_t ignored = cs_ir__new_local(p);
    cs_ir_block *block = cs_ir__new_block(p);
    CS_IR_EMIT_TO(p, block, DOT, cs_ir__o(s->keys), cs_ir__o(cs_ir__op(p->key)), cs_ir__l(ignored));
    CS_IR_EMIT(p, NOT, cs_ir__one(p, block));
    return base_only(p, &s->data->step);
}

static const cs_ir_step *scan_others(cs_ir_planner *p, const cs_ir_step *self)
{
    const exclude_step *s = (const exclude_step *)self;
    exclude_step *next = CS_IR_STEP(p, exclude_step, not_excluded);
    next->data = s->data;
    next->keys = s->keys;
    return cs_ir__scan(p, s->data->ref->v[s->data->at], &next->step);
}

static const cs_ir_step *have_excluded(cs_ir_planner *p, const cs_ir_step *self)
{
    const exclude_step *s = (const exclude_step *)self;
    exclude_step *next = CS_IR_STEP(p, exclude_step, scan_others);
    next->data = s->data;
    next->keys = p->target;
    p->target = cs_ir__op(s->data->base);
    return cs_ir__walk(p, s->data->path, 0, &next->step);
}

static cs_ir_then others(cs_ir_planner *p, const data_step *s, const cs_terms *excluded)
{
    if (excluded->n == 0) {
        p->target = cs_ir__op(s->base);
        const cs_terms *path = longer(p, s->path, s->ref->v[s->at]);
        return cs_ir__walk(p, path, 0, &data_copy(p, s, base_only)->step);
    }
    exclude_step *next = CS_IR_STEP(p, exclude_step, have_excluded);
    next->data = s;
    cs_terms *keys = cs_arena_new(p->arena, cs_terms);
    *keys = *excluded;
    return cs_ir__set(p, keys, &next->step);
}

static const cs_ir_step *next_child(cs_ir_planner *p, const cs_ir_step *self)
{
    children_step *s = (children_step *)(uintptr_t)self; /* waits once at a time: its own */
    if (s->open) {
        CS_VEC_PUSH_IN(p->arena, s->blocks, p->block);
        cs_ir__close(p, s->back);
        cs_ir__pop_scope(p);
        s->open = false;
    }
    const cs_ir_node *node = s->data->rules;
    while (s->next < node->branches.n && !cs_ir__branch(&node->branches.v[s->next])) {
        s->next++;
    }
    if (s->next == node->branches.n) {
        CS_IR_EMIT(p, BLOCK, (cs_ir_field){.blocks = s->blocks});
        return others(p, s->data, &s->keys);
    }
    cs_ast *ast = p->policy->ast;
    cs_term *key = cs_term_string(ast, node->branches.v[s->next++].key, (cs_loc){.nowhere = true});
    s->keys.v[s->keys.n++] = key;
    s->back = cs_ir__open(p);
    s->open = true;
    cs_ir__push_scope(p);
    cs_ir__wait(p, &s->step);
    cs_terms *ref = cs_arena_new(p->arena, cs_terms);
    ref->v = cs_arena_array(p->arena, cs_term *, s->data->ref->n);
    ref->n = s->data->ref->n;
    memcpy(ref->v, s->data->ref->v, ref->n * sizeof *ref->v);
    ref->v[s->data->at] = key;
    data_step *with_key = data_copy(p, s->data, document);
    with_key->ref = ref;
    cs_ir_operand text = cs_ir__text_operand(p, cs_text(key->u.value));
    return cs_ir__unify_operand(p, text, s->data->ref->v[s->data->at], &with_key->step);
}

static cs_ir_then unknown_key(cs_ir_planner *p, const data_step *s)
{
    if (!s->rules) {
        return others(p, s, &no_path);
    }
    children_step *c = CS_IR_STEP(p, children_step, next_child);
    c->data = s;
    c->blocks = cs_arena_new(p->arena, cs_ir_blocks);
    c->keys.v = cs_arena_array(p->arena, cs_term *, s->rules->branches.n + 1);
    return &c->step;
}

/* ---- all that is at a place: an object of what the rules there make, and the base document beneath it */
typedef struct extent_step {
    cs_ir_step step;
    const cs_ir_node *rules;
    const data_step *data; /* NULL: rules only */
    size_t next;           /* branch */
    int32_t made;          /* by rules */
    int32_t result;
    cs_ir_block *back;
    cs_ir_then then;
} extent_step;

static cs_ir_then extent(cs_ir_planner *p, const cs_ir_node *rules, const data_step *data, cs_ir_then then);

static const cs_ir_step *extent_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const extent_step *s = (const extent_step *)self;
    cs_ir_block *inner = p->block, *outer = cs_ir__new_block(p);
    cs_ir__close(p, s->back);
    CS_IR_EMIT_TO(p, outer, BLOCK, cs_ir__one(p, inner));
    if (s->rules) {
        CS_IR_EMIT_TO(p, outer, ASSIGN_VAR, cs_ir__o(cs_ir__op(s->made)), cs_ir__l(s->result));
    } else {
        CS_IR_EMIT_TO(p, outer, BREAK, cs_ir__l(1));
    }
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, outer));
    p->target = cs_ir__op(s->result);
    return s->then;
}

typedef struct found_step {
    cs_ir_step step;
    extent_step *extent;
} found_step;

static const cs_ir_step *base_found(cs_ir_planner *p, const cs_ir_step *self)
{
    extent_step *x = ((const found_step *)self)->extent;
    if (x->rules) {
        CS_IR_EMIT(p, OBJECT_MERGE, cs_ir__l(p->target.at), cs_ir__l(x->made), cs_ir__l(x->result));
    } else {
        x->result = p->target.at;
    }
    CS_IR_EMIT(p, BREAK, cs_ir__l(1));
    return NULL;
}

static cs_ir_then extent_base(cs_ir_planner *p, const extent_step *s)
{
    if (!s->data) {
        p->target = cs_ir__op(s->made);
        return s->then;
    }
    extent_step *done = CS_IR_STEP(p, extent_step, extent_done);
    cs_ir_step head = done->step;
    *done = *s;
    done->step = head;
    done->back = cs_ir__open(p);
    p->target = cs_ir__op(s->data->base);
    done->result = cs_ir__new_local(p);
    cs_ir__wait(p, &done->step);
    found_step *found = CS_IR_STEP(p, found_step, base_found);
    found->extent = done;
    return cs_ir__walk(p, s->data->path, 0, &found->step);
}

typedef struct leaf_step {
    cs_ir_step step;
    cs_ir_operand key;
    int32_t value, object;
} leaf_step;

static const cs_ir_step *insert_leaf(cs_ir_planner *p, const cs_ir_step *self)
{
    const leaf_step *s = (const leaf_step *)self;
    cs_ir_block *b = cs_ir__new_block(p);
    cs_ir_operands args = cs_ir__default_operands(p);
    CS_IR_EMIT_TO(p, b, CALL, (cs_ir_field){.text = p->function}, (cs_ir_field){.list = args}, cs_ir__l(s->value));
    CS_IR_EMIT_TO(p, b, OBJECT_INSERT, cs_ir__o(s->key), cs_ir__o(cs_ir__op(s->value)), cs_ir__l(s->object));
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, b));
    return NULL;
}

static const cs_ir_step *insert_inner(cs_ir_planner *p, const cs_ir_step *self)
{
    const leaf_step *s = (const leaf_step *)self;
    CS_IR_EMIT(p, OBJECT_INSERT, cs_ir__o(s->key), cs_ir__o(p->target), cs_ir__l(s->object));
    return NULL;
}

static const cs_ir_step *extent_child(cs_ir_planner *p, const cs_ir_step *self)
{
    extent_step *s = (extent_step *)(uintptr_t)self; /* waits once at a time: its own */
    while (s->next < s->rules->branches.n) {
        const cs_ir_branch *b = &s->rules->branches.v[s->next++];
        const cs_ir_node *child = cs_ir__branch(b);
        if (!child || cs_ir__arity(child) > 0) {
            continue;
        }
        bool leaf = child->rules.n > 0;
        leaf_step *insert = CS_IR_STEP(p, leaf_step, leaf ? insert_leaf : insert_inner);
        insert->key = cs_ir__text_operand(p, b->key);
        insert->object = s->made;
        insert->value = leaf ? cs_ir__new_local(p) : 0;
        p->target = insert->key;
        cs_ir__wait(p, &s->step);
        return leaf ? cs_ir__rules(p, child, &insert->step) : extent(p, child, NULL, &insert->step);
    }
    return extent_base(p, s);
}

static cs_ir_then extent(cs_ir_planner *p, const cs_ir_node *rules, const data_step *data, cs_ir_then then)
{
    extent_step *s = CS_IR_STEP(p, extent_step, extent_child);
    s->rules = rules;
    s->data = data;
    s->then = then;
    s->made = cs_ir__new_local(p);
    if (!rules) {
        return extent_base(p, s);
    }
    CS_IR_EMIT(p, MAKE_OBJECT, cs_ir__l(s->made));
    return &s->step;
}

/* ---- from operand to operand */
static const cs_ir_step *document(cs_ir_planner *p, const cs_ir_step *self)
{
    const data_step *s = (const data_step *)self;
    cs_ir_then next = NULL;
    if (s->at >= s->ref->n) {
        return extent(p, s->rules, s, s->then);
    }
    if (s->at == 1 && s->rules && cs_ir__dynamic(p, s->ref, s->then, &next)) {
        if (next) {
            return next;
        }
        data_step *base = data_copy(p, s, document); /* no rule can be meant */
        base->rules = NULL;
        s = base;
    }
    return cs_term_is_ground(s->ref->v[s->at]) ? known_key(p, s) : unknown_key(p, s);
}

cs_ir_then cs_ir__ref(cs_ir_planner *p, const cs_terms *ref, cs_ir_then then)
{
    const cs_term *head = ref->v[0];
    if (head->kind != CS_TERM_VAR) {
        return cs_ir__fail(p, "illegal ref: non-var head");
    }
    if (head->u.var == p->data) {
        data_step *s = CS_IR_STEP(p, data_step, document);
        s->rules = cs_ir__find(p, &(cs_term){.kind = CS_TERM_REF, .u.list = {ref->v, 1}});
        s->base = cs_ir__operand_of(p, p->data).at;
        s->path = &no_path;
        s->ref = ref;
        s->at = 1;
        s->then = then;
        return &s->step;
    }
    if (head->u.var == p->input && ref->n == 1) {
        CS_IR_EMIT(p, IS_DEFINED, cs_ir__l(cs_ir__operand_of(p, p->input).at));
    }
    int32_t local = cs_ir__local_of(p, head->u.var);
    if (local < 0) {
        return cs_ir__fail(p, "illegal ref: unsafe head");
    }
    p->target = cs_ir__op(local);
    return cs_ir__walk(p, ref, 1, then);
}
