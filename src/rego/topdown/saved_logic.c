/* Saving what has bodies of its own: and, or, every, comprehensions. Their variables get the names that they have in
 * the answer; what is known of variables from outside is told inside (OPA: plugBody, amendComprehension, evalEvery). */
#include "rego/compile/names.h"
#include "rego/topdown/save.h"

/* ---- renaming in a copy */
typedef struct renaming {
    cs_td *run;
    cs_term *(*var)(const struct renaming *r, cs_term *t);
    cs_bindings *b;
    const cs_names *own; /* cs_term in place of a variable */
    const cs_names *heads;
    cs_td_frame *f;
    const char *suffix;
} renaming;

static void rename_body(const renaming *r, cs_body b);

static cs_term *rename_term(const renaming *r, cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_VAR:
        return r->var(r, t);
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            t->u.list.v[i] = rename_term(r, t->u.list.v[i]);
        }
        cs_term_sort(r->run->arena, t);
        break;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        if (t->u.comprehension.key) {
            t->u.comprehension.key = rename_term(r, t->u.comprehension.key);
        }
        t->u.comprehension.head = rename_term(r, t->u.comprehension.head);
        rename_body(r, t->u.comprehension.body);
        break;
    case CS_TERM_SCALAR:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        break;
    }
    return t;
}

static void rename_expr(const renaming *r, cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        e->u.term = rename_term(r, e->u.term);
        break;
    case CS_EXPR_CALL:
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            e->u.call.v[i] = rename_term(r, e->u.call.v[i]);
        }
        break;
    case CS_EXPR_EVERY:
        if (e->u.every.key) {
            e->u.every.key = rename_term(r, e->u.every.key);
        }
        e->u.every.value = rename_term(r, e->u.every.value);
        e->u.every.domain = rename_term(r, e->u.every.domain);
        rename_body(r, e->u.every.body);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        rename_body(r, e->u.logic.left);
        rename_body(r, e->u.logic.right);
        break;
    case CS_EXPR_SOME:
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        e->with[i].value = rename_term(r, e->with[i].value);
    }
}

static void rename_body(const renaming *r, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        rename_expr(r, b.v[i]);
    }
}

static cs_term *name_in_answer(const renaming *r, cs_term *t)
{
    return (cs_term *)(uintptr_t)cs_td__namespaced(r->run, r->b, t, r->run->root->b);
}

/* ---- plugging */
static cs_term *plugged(cs_td_frame *f, cs_bindings *b, const cs_term *t)
{
    cs_td *run = f->run;
    return (cs_term *)(uintptr_t)cs_opd_term(run, cs_bindings_plug(run, b, cs_opd_of(t), run->root->b), t->loc);
}

/* A comprehension that says itself what its variables from outside are. */
static cs_term *amended(cs_td_frame *f, const cs_term *t, cs_bindings *b)
{
    cs_td *run = f->run;
    cs_term *copy = cs_term_copy(run->names, t);
    cs_names *vars = cs_names_new(run->arena);
    cs_names_of_term(vars, copy);
    renaming r = {.run = run, .var = name_in_answer, .b = b};
    cs_body known = {0};
    for (uint32_t i = 0; i < b->n; i++) {
        const cs_term *key = b->v[i].key;
        if (cs_names_has(vars, key->u.var)) {
            cs_term *sides[2] = {name_in_answer(&r, (cs_term *)(uintptr_t)key), plugged(f, b, key)};
            cs_body_append(run->names, &known, cs_expr_call(run->names, "eq", sides, 2, (cs_loc){0}));
        }
    }
    (void)rename_term(&r, copy);
    cs_body body = {0};
    for (uint32_t i = 0; i < copy->u.comprehension.body.n; i++) {
        cs_body_append(run->names, &body, copy->u.comprehension.body.v[i]);
    }
    for (uint32_t i = 0; i < known.n; i++) {
        cs_body_append(run->names, &body, known.v[i]);
    }
    return cs_term_comprehension(run->names, copy->kind, copy->u.comprehension.key, copy->u.comprehension.head, body,
                                 copy->loc);
}

static void plug_body(cs_td_frame *f, cs_body b);

static cs_term *plug_operand(cs_td_frame *f, cs_term *t)
{
    return cs_opd_is_comprehension(cs_opd_of(t)) ? amended(f, t, f->b) : plugged(f, f->b, t);
}

static void plug_every(cs_td_frame *f, cs_expr *e)
{
    plug_body(f, e->u.every.body);
    e->u.every.key = e->u.every.key ? plugged(f, f->b, e->u.every.key) : NULL;
    e->u.every.value = plugged(f, f->b, e->u.every.value);
    e->u.every.domain = plugged(f, f->b, e->u.every.domain);
}

static void plug_body(cs_td_frame *f, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        cs_expr *e = b.v[i];
        if (e->kind == CS_EXPR_TERM) {
            e->u.term = plug_operand(f, e->u.term);
        } else if (e->kind == CS_EXPR_CALL) {
            for (uint32_t j = 1; j < e->u.call.n; j++) {
                e->u.call.v[j] = plug_operand(f, e->u.call.v[j]);
            }
        } else if (e->kind == CS_EXPR_EVERY) {
            plug_every(f, e);
        } else {
            plug_body(f, e->u.logic.left);
            plug_body(f, e->u.logic.right);
        }
        cs_expr_measure(e);
    }
}

cs_go cs_td__save_logic(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    cs_expr *copy = cs_expr_copy(f->run->names, e);
    plug_body(f, copy->u.logic.left);
    plug_body(f, copy->u.logic.right);
    cs_expr_measure(copy);
    return cs_td__save_expr(f, copy, f->b, k);
}

cs_go cs_td__comprehension_partial(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap,
                                   cs_k *k)
{
    cs_opd left = cs_opd_of(amended(f, a.t, b1));
    cs_opd right = cs_opd_is_comprehension(b) ? cs_opd_of(amended(f, b.t, b2)) : b;
    return swap ? cs_td__save_unify(f, right, left, b2, b1, k) : cs_td__save_unify(f, left, right, b1, b2, k);
}

/* ---- every */
/* The largest domain that is written out element by element. */
#define UNROLL_MAX 32U

typedef struct pairs_k {
    cs_k k;
    cs_td_frame *child;
    const cs_expr *e;
    CS_VEC(cs_opd) pairs; /* key, value, … */
} pairs_k;

static cs_go pair(cs_k *k)
{
    pairs_k *p = CS_K_SELF(pairs_k, k);
    cs_td *run = p->child->run;
    CS_VEC_PUSH_IN(run->arena, &p->pairs, cs_td__plug_term(p->child, p->e->u.every.key));
    CS_VEC_PUSH_IN(run->arena, &p->pairs, cs_td__plug_term(p->child, p->e->u.every.value));
    return NULL;
}

static uint32_t at_least_one(uint32_t n)
{
    return n ? n : 1;
}

static bool is_small(const cs_td_frame *f, cs_opd domain)
{
    return cs_opd_collection(domain) != CS_UNDEFINED &&
           (uint64_t)at_least_one(cs_opd_count(domain)) * at_least_one(f->unrolled) <= UNROLL_MAX;
}

/* Each element has variables of its own: the next one declares them while these are still bound. */
static cs_term *own_var(const renaming *r, cs_term *t)
{
    cs_term *value = cs_names_get(r->own, t->u.var);
    if (value) {
        return value;
    }
    cs_opd o = cs_td__plug_term(r->f, t);
    bool outside = cs_names_has(r->heads, t->u.var) || !cs_opd_is(o, CS_TERM_VAR) || o.t->u.var != t->u.var ||
                   cs_td__unknown_opd(r->f, cs_opd_of(t));
    if (outside) {
        return t;
    }
    return cs_term_var(r->run->names, cs_sym_printf(r->run->names, "%s%s", t->u.var->s, r->suffix), t->loc);
}

static void bind_part(const renaming *r, cs_names *own, const cs_term *var, cs_opd value, cs_body *body)
{
    cs_td *run = r->run;
    if (!var || var->kind != CS_TERM_VAR) {
        return;
    }
    cs_term *t = (cs_term *)(uintptr_t)cs_opd_term(run, value, var->loc);
    if (t->kind != CS_TERM_SCALAR) {
        cs_term *fresh = cs_term_var(run->names, cs_sym_printf(run->names, "%s%s", var->u.var->s, r->suffix), var->loc);
        cs_term *sides[2] = {fresh, t};
        cs_body_append(run->names, body, cs_expr_call(run->names, "eq", sides, 2, (cs_loc){0}));
        t = fresh;
    }
    cs_names_put(own, var->u.var, t);
}

static void element_body(cs_td_frame *f, const cs_expr *e, const cs_opd *key_value, cs_body *out)
{
    cs_td *run = f->run;
    cs_names *own = cs_names_new(run->arena);
    cs_names *heads = cs_names_new(run->arena);
    renaming r = {.run = run, .var = own_var, .own = own, .heads = heads, .f = f};
    r.suffix = cs_arena_printf(run->arena, NULL, "__e%u", ++f->generated);
    bind_part(&r, own, e->u.every.key, key_value[0], out);
    bind_part(&r, own, e->u.every.value, key_value[1], out);
    cs_names_put(heads, run->names->data, NULL);
    cs_names_put(heads, run->names->input, NULL);
    if (run->policy) {
        cs_names_put(heads, run->policy->ast->data, NULL);
        cs_names_put(heads, run->policy->ast->input, NULL);
    }
    cs_body body = cs_body_copy(run->names, e->u.every.body);
    rename_body(&r, body);
    for (uint32_t i = 0; i < body.n; i++) {
        cs_body_append(run->names, out, body.v[i]);
    }
}

static cs_go unroll(cs_td_frame *f, const cs_expr *e, const pairs_k *p, cs_k *k)
{
    cs_td *run = f->run;
    uint32_t n = (uint32_t)p->pairs.n / 2;
    cs_body body = {0};
    for (uint32_t i = 0; i < n; i++) {
        element_body(f, e, &p->pairs.v[2 * i], &body);
    }
    cs_td_frame child;
    cs_td__closure(f, body, &child);
    child.unrolled = at_least_one(f->unrolled) * at_least_one(n);
    size_t length;
    char *text = cs_arena_printf(run->arena, &length, "every unrolled over %u elements", n);
    cs_td__event_note(f, e, e->loc, cs_slice_make(text, length));
    return cs_td__expr(&child, k);
}

cs_go cs_td__every_partial(cs_td_frame *f, const cs_expr *e, bool domain_unknown, cs_k *k)
{
    cs_opd domain = cs_td__plug_term(f, e->u.every.domain);
    if (!domain_unknown && is_small(f, domain)) {
        cs_td_frame child;
        cs_td__closure(f, cs_td__every_generator(f->run, e), &child);
        pairs_k p = {.k = {pair}, .child = &child, .e = e};
        CS_GO(cs_td__expr(&child, &p.k));
        return unroll(f, e, &p, k);
    }
    cs_expr *copy = cs_expr_copy(f->run->names, e);
    plug_every(f, copy);
    cs_expr_measure(copy);
    return cs_td__save_expr(f, copy, f->b, k);
}
