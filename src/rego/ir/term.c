/* Terms: what makes a value, piece by piece. */
#include "rego/ir/internal.h"

/* ---- scalars */
static cs_slice number_text(cs_ir_planner *p, cs_value v)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_value_print(&text, v);
    cs_slice copy = {cs_arena_dup(p->arena, text.p, text.n), text.n};
    cs_buf_destroy(&text);
    return copy;
}

static cs_ir_then scalar(cs_ir_planner *p, cs_value v, cs_ir_then then)
{
    if (cs_is(v, CS_STRING)) {
        p->target = cs_ir__text_operand(p, cs_text(v));
        return then;
    }
    if (cs_is(v, CS_BOOL)) {
        p->target = (cs_ir_operand){CS_IR_OF_BOOL, v.u.b};
        return then;
    }
    if (cs_is(v, CS_NULL)) {
        int32_t local = cs_ir__new_local(p);
        CS_IR_EMIT(p, MAKE_NULL, cs_ir__l(local));
        p->target = cs_ir__op(local);
        return then;
    }
    int32_t text = cs_ir__string(p, number_text(p, v));
    int32_t local = cs_ir__new_local(p);
    CS_IR_EMIT(p, MAKE_NUMBER_REF, cs_ir__l(text), cs_ir__l(local));
    p->target = cs_ir__op(local);
    return then;
}

static cs_ir_then variable(cs_ir_planner *p, const cs_sym *var, cs_ir_then then)
{
    int32_t local = cs_ir__local_of(p, var);
    if (local < 0) {
        local = cs_ir__new_local(p);
        cs_ir__bind(p, var, local);
    }
    p->target = cs_ir__op(local);
    return then;
}

/* ---- arrays, sets, objects: an item, then the rest */
typedef struct items_step {
    cs_ir_step step;
    const cs_terms *list;
    uint32_t at; /* whose value p->target is */
    int32_t collection;
    cs_ir_operand key; /* objects */
    cs_ir_then then;
} items_step;

static const cs_ir_step *next_item(cs_ir_planner *p, const cs_ir_step *self);
static const cs_ir_step *next_element(cs_ir_planner *p, const cs_ir_step *self);
static const cs_ir_step *have_key(cs_ir_planner *p, const cs_ir_step *self);

static cs_ir_then item(cs_ir_planner *p, const items_step *from, uint32_t at,
                       const cs_ir_step *(*run)(cs_ir_planner *p, const cs_ir_step *self))
{
    if (at == from->list->n) {
        p->target = cs_ir__op(from->collection);
        return from->then;
    }
    items_step *s = CS_IR_STEP(p, items_step, run);
    cs_ir_step head = s->step;
    *s = *from;
    s->step = head;
    s->at = at;
    return cs_ir__term(p, from->list->v[at], &s->step);
}

static const cs_ir_step *next_item(cs_ir_planner *p, const cs_ir_step *self)
{
    const items_step *s = (const items_step *)self;
    CS_IR_EMIT(p, ARRAY_APPEND, cs_ir__o(p->target), cs_ir__l(s->collection));
    return item(p, s, s->at + 1, next_item);
}

static const cs_ir_step *next_element(cs_ir_planner *p, const cs_ir_step *self)
{
    const items_step *s = (const items_step *)self;
    CS_IR_EMIT(p, SET_ADD, cs_ir__o(p->target), cs_ir__l(s->collection));
    return item(p, s, s->at + 1, next_element);
}

static const cs_ir_step *have_value(cs_ir_planner *p, const cs_ir_step *self)
{
    const items_step *s = (const items_step *)self;
    CS_IR_EMIT(p, OBJECT_INSERT, cs_ir__o(s->key), cs_ir__o(p->target), cs_ir__l(s->collection));
    return item(p, s, s->at + 1, have_key);
}

static const cs_ir_step *have_key(cs_ir_planner *p, const cs_ir_step *self)
{
    items_step with_key = *(const items_step *)self;
    with_key.key = p->target;
    return item(p, &with_key, with_key.at + 1, have_value);
}

static cs_ir_then array(cs_ir_planner *p, const cs_terms *list, cs_ir_then then)
{
    items_step first = {.list = list, .collection = cs_ir__new_local(p), .then = then};
    CS_IR_EMIT(p, MAKE_ARRAY, cs_ir__l(list->n), cs_ir__l(first.collection));
    return item(p, &first, 0, next_item);
}

cs_ir_then cs_ir__set(cs_ir_planner *p, const cs_terms *list, cs_ir_then then)
{
    items_step first = {.list = list, .collection = cs_ir__new_local(p), .then = then};
    CS_IR_EMIT(p, MAKE_SET, cs_ir__l(first.collection));
    return item(p, &first, 0, next_element);
}

/* Of a key that is written twice the last value counts. Equal keys stand beside each other. */
const cs_terms *cs_ir__distinct(cs_ir_planner *p, const cs_terms *list)
{
    uint32_t i = 2;
    while (i < list->n && !cs_term_equal(list->v[i - 2], list->v[i])) {
        i += 2;
    }
    if (i >= list->n) {
        return list;
    }
    cs_terms *out = cs_arena_new(p->arena, cs_terms);
    out->v = cs_arena_array(p->arena, cs_term *, list->n);
    for (i = 0; i < list->n; i += 2) {
        bool again = out->n > 0 && cs_term_equal(out->v[out->n - 2], list->v[i]);
        out->n = again ? out->n - 2 : out->n;
        out->v[out->n] = again ? out->v[out->n] : list->v[i];
        out->v[out->n + 1] = list->v[i + 1];
        out->n += 2;
    }
    return out;
}

cs_ir_then cs_ir__object(cs_ir_planner *p, const cs_terms *list, cs_ir_then then)
{
    list = cs_ir__distinct(p, list);
    items_step first = {.list = list, .collection = cs_ir__new_local(p), .then = then};
    CS_IR_EMIT(p, MAKE_OBJECT, cs_ir__l(first.collection));
    return item(p, &first, 0, have_key);
}

/* ---- comprehensions */
typedef struct closure_step {
    cs_ir_step step;
    const cs_term *term;
    int32_t collection;
    cs_ir_operand key;
    cs_ir_block *back;
    const cs_loc *loc;
    cs_ir_then then;
} closure_step;

static const cs_ir_step *closure_done(cs_ir_planner *p, const cs_ir_step *self)
{
    const closure_step *s = (const closure_step *)self;
    cs_ir_block *filled = p->block;
    cs_ir__close(p, s->back);
    p->loc = s->loc;
    cs_ir__pop_scope(p);
    CS_IR_EMIT(p, BLOCK, cs_ir__one(p, filled));
    p->target = cs_ir__op(s->collection);
    return s->then;
}

static const cs_ir_step *closure_add(cs_ir_planner *p, const cs_ir_step *self)
{
    const closure_step *s = (const closure_step *)self;
    if (s->term->kind == CS_TERM_SET_COMPREHENSION) {
        CS_IR_EMIT(p, SET_ADD, cs_ir__o(p->target), cs_ir__l(s->collection));
    } else if (s->term->kind == CS_TERM_ARRAY_COMPREHENSION) {
        CS_IR_EMIT(p, ARRAY_APPEND, cs_ir__o(p->target), cs_ir__l(s->collection));
    } else {
        CS_IR_EMIT(p, OBJECT_INSERT_ONCE, cs_ir__o(s->key), cs_ir__o(p->target), cs_ir__l(s->collection));
    }
    return NULL;
}

static const cs_ir_step *closure_key(cs_ir_planner *p, const cs_ir_step *self)
{
    const closure_step *s = (const closure_step *)self;
    closure_step *add = CS_IR_STEP(p, closure_step, closure_add);
    add->term = s->term;
    add->collection = s->collection;
    add->key = p->target;
    return cs_ir__term(p, s->term->u.comprehension.head, &add->step);
}

static const cs_ir_step *closure_found(cs_ir_planner *p, const cs_ir_step *self)
{
    const closure_step *s = (const closure_step *)self;
    bool object = s->term->kind == CS_TERM_OBJECT_COMPREHENSION;
    closure_step *next = CS_IR_STEP(p, closure_step, object ? closure_key : closure_add);
    next->term = s->term;
    next->collection = s->collection;
    return cs_ir__term(p, object ? s->term->u.comprehension.key : s->term->u.comprehension.head, &next->step);
}

static cs_ir_then closure(cs_ir_planner *p, const cs_term *t, cs_ir_then then)
{
    p->loc = cs_ir__loc(&t->loc);
    int32_t collection = cs_ir__new_local(p);
    if (t->kind == CS_TERM_SET_COMPREHENSION) {
        CS_IR_EMIT(p, MAKE_SET, cs_ir__l(collection));
    } else if (t->kind == CS_TERM_ARRAY_COMPREHENSION) {
        CS_IR_EMIT(p, MAKE_ARRAY, cs_ir__l(0), cs_ir__l(collection));
    } else {
        CS_IR_EMIT(p, MAKE_OBJECT, cs_ir__l(collection));
    }
    cs_ir__push_scope(p);
    closure_step *done = CS_IR_STEP(p, closure_step, closure_done);
    done->collection = collection;
    done->back = cs_ir__open(p);
    done->loc = p->loc;
    done->then = then;
    cs_ir__wait(p, &done->step);
    closure_step *found = CS_IR_STEP(p, closure_step, closure_found);
    found->term = t;
    found->collection = collection;
    return cs_ir__body(p, t->u.comprehension.body, &found->step);
}

cs_ir_then cs_ir__term(cs_ir_planner *p, const cs_term *t, cs_ir_then then)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return scalar(p, t->u.value, then);
    case CS_TERM_VAR:
        return variable(p, t->u.var, then);
    case CS_TERM_REF:
        return cs_ir__ref(p, &t->u.list, then);
    case CS_TERM_ARRAY:
        return array(p, &t->u.list, then);
    case CS_TERM_SET:
        return cs_ir__set(p, &t->u.list, then);
    case CS_TERM_OBJECT:
        return cs_ir__object(p, &t->u.list, then);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return closure(p, t, then);
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        break;
    }
    return cs_ir__fail(p, "%s term not implemented", cs_term_kind_name(t));
}
