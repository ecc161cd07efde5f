/* What a statement binds, given what is bound already. */
#include "rego/compile/internal.h"

/* What counts as bound: without copies, since bodies made by machines are long. */
typedef struct basis {
    const cs_syms *safe;
    const cs_syms *extra;    /* or NULL */
    const cs_syms *excluded; /* or NULL */
} basis;

static bool in_basis(const basis *b, const cs_sym *v)
{
    return (cs_syms__has(b->safe, v) || (b->extra && cs_syms__has(b->extra, v))) &&
           !(b->excluded && cs_syms__has(b->excluded, v));
}

static bool all_in_basis(const cs_syms *vars, const basis *b)
{
    for (uint32_t i = 0; i < vars->n; i++) {
        if (!in_basis(b, vars->v[i].sym)) {
            return false;
        }
    }
    return true;
}

static bool ref_is_safe(cs_compiler *c, const cs_term *ref, const basis *safe)
{
    const cs_term *head = ref->u.list.v[0];
    if (head->kind == CS_TERM_VAR) {
        return in_basis(safe, head->u.var);
    }
    cs_syms vars = cs_syms__new(&c->scratch);
    cs_vars__term(&vars, head, CS_VARS_SAFETY);
    return all_in_basis(&vars, safe);
}

/* ---- unification */
typedef struct waiting {
    const cs_sym *var;
    cs_syms on; /* becomes safe once all of these are */
} waiting;

typedef struct unifier {
    cs_compiler *c;
    const basis *safe;
    cs_syms *unified;
    CS_VEC(waiting) unknown;
} unifier;

static bool is_safe(const unifier *u, const cs_sym *v)
{
    return in_basis(u->safe, v) || cs_syms__has(u->unified, v);
}

static waiting *find_waiting(const unifier *u, const cs_sym *v)
{
    for (size_t i = 0; i < u->unknown.n; i++) {
        if (u->unknown.v[i].var == v) {
            return &u->unknown.v[i];
        }
    }
    return NULL;
}

static void mark_unknown(unifier *u, const cs_sym *a, const cs_sym *b)
{
    waiting *w = find_waiting(u, a);
    if (!w) {
        CS_VEC_PUSH_IN(&u->c->scratch, &u->unknown, ((waiting){a, cs_syms__new(&u->c->scratch)}));
        w = &u->unknown.v[u->unknown.n - 1];
    }
    (void)cs_syms__add(&w->on, b);
}

static void mark_safe(unifier *u, const cs_sym *v)
{
    (void)cs_syms__add(u->unified, v);
    waiting *own = find_waiting(u, v);
    if (own) {
        cs_syms on = own->on;
        own->var = NULL;
        for (uint32_t i = 0; i < on.n; i++) {
            mark_safe(u, on.v[i].sym);
        }
    }
    for (size_t i = 0; i < u->unknown.n; i++) {
        waiting *w = &u->unknown.v[i];
        if (w->var && cs_syms__has(&w->on, v)) {
            cs_syms__drop(&w->on, v);
            if (w->on.n == 0) {
                mark_safe(u, w->var);
            }
        }
    }
}

static void mark_all_safe(unifier *u, const cs_term *t)
{
    cs_syms vars = cs_syms__new(&u->c->scratch);
    cs_vars__term(&vars, t, CS_VARS_OUTPUT);
    for (uint32_t i = 0; i < vars.n; i++) {
        mark_safe(u, vars.v[i].sym);
    }
}

/* A variable against an array or an object. */
static void unify_all(unifier *u, const cs_sym *a, const cs_term *t)
{
    if (is_safe(u, a)) {
        mark_all_safe(u, t);
        return;
    }
    cs_syms vars = cs_syms__new(&u->c->scratch);
    cs_vars__term(&vars, t, CS_VARS_OUTPUT);
    bool unsafe = false;
    for (uint32_t i = 0; i < vars.n; i++) {
        if (!is_safe(u, vars.v[i].sym)) {
            unsafe = true;
            mark_unknown(u, a, vars.v[i].sym);
        }
    }
    if (!unsafe) {
        mark_safe(u, a);
    }
}

static bool evaluates_safely(const unifier *u, const cs_term *t)
{
    if (t->kind == CS_TERM_REF) {
        return ref_is_safe(u->c, t, u->safe);
    }
    cs_syms vars = cs_syms__new(&u->c->scratch);
    cs_vars__term(&vars, t, CS_VARS_SAFETY);
    return all_in_basis(&vars, u->safe);
}

static void unify(unifier *u, const cs_term *a, const cs_term *b);

static void unify_var(unifier *u, const cs_sym *a, const cs_term *b)
{
    switch (b->kind) {
    case CS_TERM_VAR:
        if (is_safe(u, b->u.var)) {
            mark_safe(u, a);
        } else if (is_safe(u, a)) {
            mark_safe(u, b->u.var);
        } else {
            mark_unknown(u, a, b->u.var);
            mark_unknown(u, b->u.var, a);
        }
        return;
    case CS_TERM_ARRAY:
    case CS_TERM_OBJECT:
        unify_all(u, a, b);
        return;
    case CS_TERM_REF:
    case CS_TERM_CALL:
        if (evaluates_safely(u, b)) {
            mark_safe(u, a);
        }
        return;
    case CS_TERM_SCALAR:
    case CS_TERM_SET:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_TEMPLATE:
        mark_safe(u, a);
        return;
    }
}

static bool is_pattern(const cs_term *t)
{
    return t->kind == CS_TERM_ARRAY || t->kind == CS_TERM_OBJECT;
}

static void unify_evaluated(unifier *u, const cs_term *a, const cs_term *b)
{
    if (!evaluates_safely(u, a)) {
        return;
    }
    if (b->kind == CS_TERM_VAR) {
        mark_safe(u, b->u.var);
    } else if (is_pattern(b)) {
        mark_all_safe(u, b);
    }
}

static const cs_term *object_value(const cs_term *object, const cs_term *key)
{
    for (uint32_t i = 0; i + 1 < object->u.list.n; i += 2) {
        if (cs_term_equal(object->u.list.v[i], key)) {
            return object->u.list.v[i + 1];
        }
    }
    return NULL;
}

static void unify_patterns(unifier *u, const cs_term *a, const cs_term *b)
{
    if (a->u.list.n != b->u.list.n || a->kind != b->kind) {
        return;
    }
    if (a->kind == CS_TERM_ARRAY) {
        for (uint32_t i = 0; i < a->u.list.n; i++) {
            unify(u, a->u.list.v[i], b->u.list.v[i]);
        }
        return;
    }
    for (uint32_t i = 0; i + 1 < a->u.list.n; i += 2) {
        const cs_term *other = object_value(b, a->u.list.v[i]);
        if (other) {
            unify(u, a->u.list.v[i + 1], other);
        }
    }
}

static void unify_pattern(unifier *u, const cs_term *a, const cs_term *b)
{
    switch (b->kind) {
    case CS_TERM_VAR:
        unify_all(u, b->u.var, a);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        if (a->kind == CS_TERM_ARRAY) {
            mark_all_safe(u, a);
        }
        return;
    case CS_TERM_REF:
    case CS_TERM_CALL:
        if (evaluates_safely(u, b)) {
            mark_all_safe(u, a);
        }
        return;
    case CS_TERM_ARRAY:
    case CS_TERM_OBJECT:
        unify_patterns(u, a, b);
        return;
    case CS_TERM_SCALAR:
    case CS_TERM_SET:
    case CS_TERM_TEMPLATE:
        return;
    }
}

static void unify(unifier *u, const cs_term *a, const cs_term *b)
{
    switch (a->kind) {
    case CS_TERM_VAR:
        unify_var(u, a->u.var, b);
        return;
    case CS_TERM_REF:
    case CS_TERM_CALL:
        unify_evaluated(u, a, b);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        if (b->kind == CS_TERM_VAR) {
            mark_safe(u, b->u.var);
        } else if (b->kind == (a->kind == CS_TERM_ARRAY_COMPREHENSION ? CS_TERM_ARRAY : CS_TERM_OBJECT)) {
            mark_all_safe(u, b);
        }
        return;
    case CS_TERM_ARRAY:
    case CS_TERM_OBJECT:
        unify_pattern(u, a, b);
        return;
    case CS_TERM_SCALAR:
    case CS_TERM_SET:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_TEMPLATE:
        if (b->kind == CS_TERM_VAR) {
            mark_safe(u, b->u.var);
        }
        return;
    }
}

/* ---- statements */
typedef struct ref_outputs {
    cs_compiler *c;
    basis safe;
    cs_syms *out;
} ref_outputs;

static bool ref_output(void *self, cs_term *t)
{
    ref_outputs *r = self;
    if (cs_term__is_comprehension(t) || t->kind == CS_TERM_TEMPLATE) {
        return false;
    }
    if (t->kind == CS_TERM_REF) {
        if (!ref_is_safe(r->c, t, &r->safe)) {
            return false;
        }
        if (t->u.list.n > 1) {
            cs_vars__term(r->out, t, CS_VARS_SKIP_REF_HEAD);
        }
    }
    return true;
}

/* The variables between the brackets of refs whose heads are safe. */
static void of_refs(cs_compiler *c, const cs_expr *e, const cs_syms *safe, cs_syms *out)
{
    ref_outputs r = {c, {safe, NULL, NULL}, out};
    cs_walker w = {.self = &r, .term = ref_output};
    cs_walk_expr(&w, (cs_expr *)(uintptr_t)e);
}

void cs_outputs__equality(cs_compiler *c, const cs_expr *e, const cs_syms *safe, cs_syms *out)
{
    if (e->u.call.n != 3) {
        return;
    }
    cs_syms refs = cs_syms__new(&c->scratch);
    cs_syms left = cs_syms__new(&c->scratch);
    cs_syms unified = cs_syms__new(&c->scratch);
    of_refs(c, e, safe, &refs);
    if (cs_expr__from_assignment(e)) {
        cs_vars__term(&left, e->u.call.v[1], 0);
    }
    basis known = {safe, &refs, &left};
    unifier u = {.c = c, .safe = &known, .unified = &unified};
    unify(&u, e->u.call.v[1], e->u.call.v[2]);
    for (uint32_t i = 0; i < refs.n; i++) {
        if (!cs_syms__has(&left, refs.v[i].sym) && !cs_syms__has(safe, refs.v[i].sym)) {
            (void)cs_syms__add(out, refs.v[i].sym);
        }
    }
    for (uint32_t i = 0; i < unified.n; i++) {
        if (!cs_syms__has(safe, unified.v[i].sym)) {
            (void)cs_syms__add(out, unified.v[i].sym);
        }
    }
}

static void of_call(cs_compiler *c, const cs_expr *e, const cs_syms *safe, cs_syms *out)
{
    int arity = cs_compile__arity(c, e->u.call.v[0]);
    if (arity < 0) {
        return;
    }
    cs_syms outputs = cs_syms__new(&c->scratch);
    of_refs(c, e, safe, &outputs);
    uint32_t inputs = (uint32_t)arity + 1;
    if (inputs < e->u.call.n) {
        cs_syms vars = cs_syms__new(&c->scratch);
        for (uint32_t i = 0; i < inputs; i++) {
            cs_vars__term(&vars, e->u.call.v[i], CS_VARS_OUTPUT | CS_VARS_SKIP_SETS);
        }
        for (uint32_t i = 0; i < vars.n; i++) {
            if (!cs_syms__has(&outputs, vars.v[i].sym) && !cs_syms__has(safe, vars.v[i].sym)) {
                return;
            }
        }
        for (uint32_t i = inputs; i < e->u.call.n; i++) {
            cs_vars__term(&outputs, e->u.call.v[i], CS_VARS_OUTPUT | CS_VARS_SKIP_SETS);
        }
    }
    cs_syms__add_all(out, &outputs);
}

static bool modifiers_are_safe(cs_compiler *c, const cs_expr *e, const cs_syms *safe)
{
    for (uint32_t i = 0; i < e->n_with; i++) {
        cs_syms vars = cs_syms__new(&c->scratch);
        cs_vars__with(&vars, &e->with[i], CS_VARS_SAFETY);
        if (!cs_syms__within(&vars, safe)) {
            return false;
        }
    }
    return true;
}

void cs_outputs__expr(cs_compiler *c, const cs_expr *e, const cs_syms *safe, cs_syms *out)
{
    if (e->negated || !modifiers_are_safe(c, e, safe)) {
        return;
    }
    switch (e->kind) {
    case CS_EXPR_TERM:
        of_refs(c, e, safe, out);
        return;
    case CS_EXPR_CALL:
        if (cs_expr__is(e, c->eq)) {
            cs_outputs__equality(c, e, safe, out);
        } else {
            of_call(c, e, safe, out);
        }
        return;
    case CS_EXPR_EVERY: {
        ref_outputs r = {c, {safe, NULL, NULL}, out};
        cs_walker w = {.self = &r, .term = ref_output};
        cs_walk_term(&w, e->u.every.domain);
        return;
    }
    case CS_EXPR_SOME:
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        return;
    }
}

void cs_outputs__body(cs_compiler *c, cs_body b, uint32_t n, const cs_syms *safe, cs_syms *out)
{
    cs_syms known = cs_syms__new(&c->scratch);
    cs_syms__add_all(&known, safe);
    for (uint32_t i = 0; i < n; i++) {
        cs_syms new_ones = cs_syms__new(&c->scratch);
        cs_outputs__expr(c, b.v[i], &known, &new_ones);
        for (uint32_t j = 0; j < new_ones.n; j++) {
            (void)cs_syms__add(&known, new_ones.v[j].sym);
            if (!cs_syms__has(safe, new_ones.v[j].sym)) {
                (void)cs_syms__add(out, new_ones.v[j].sym);
            }
        }
    }
}
