/* Copy propagation: residual statements say what they mean about `input` itself, not about variables that stand for it.
 *
 * Equalities between variables make classes (union-find), each with at most one constant. `x = <ref or call>` and calls
 * that capture their result are taken out and their right side put where x stood; what was taken out comes back at the
 * end where the body needs it to be safe, or to be undefined when it must. The order of the steps, and that what is
 * taken out and where it was put share their parts, are OPA's (v1/topdown/copypropagation), because the form of
 * residual queries is defined by them. */
#include "countersign/base/limits.h"
#include "countersign/base/vec.h"
#include "rego/compile/names.h"
#include "rego/topdown/topdown.h"

#include <stdlib.h>

/* A class of variables that are equal. */
typedef struct vars_class {
    struct vars_class *parent; /* NULL: this is the root */
    const cs_sym *key;
    cs_term *constant;
} vars_class;

typedef CS_VEC(const cs_sym *) names_list;

typedef struct pass {
    cs_ast *ast;
    const cs_copyprop_options *options;
    cs_names *live;
    names_list sorted;   /* the live ones */
    cs_names *classes;   /* → vars_class */
    cs_names *heads;     /* variables that refs begin with */
    cs_names *removed;   /* → cs_term: what the name was equal to in a statement that was taken out */
    cs_names *stand_ins; /* made to keep a ref's definedness alive */
    uint32_t next_local;
    bool negated;     /* the statement under way is */
    uint32_t *budget; /* nodes that may still be visited: what is put in twice doubles */
} pass;

enum { BUDGET = 4000000 };

/* ---- classes */
static vars_class *class_find(const pass *p, const cs_sym *v)
{
    vars_class *c = cs_names_get(p->classes, v);
    while (c && c->parent) {
        c = c->parent;
    }
    return c;
}

static vars_class *class_make(pass *p, const cs_sym *v)
{
    vars_class *c = class_find(p, v);
    if (!c) {
        c = cs_arena_new(p->ast->arena, vars_class);
        c->key = v;
        cs_names_put(p->classes, v, c);
    }
    return c;
}

/* false: two constants meet, so that the body can never hold. */
static bool class_merge(pass *p, const cs_sym *a, const cs_sym *b)
{
    vars_class *r1 = class_make(p, a);
    vars_class *r2 = class_make(p, b);
    if (r1 == r2) {
        return true;
    }
    if (!cs_names_has(p->live, r1->key)) {
        vars_class *other = r1;
        r1 = r2;
        r2 = other;
    }
    r2->parent = r1;
    if (r1->constant && r2->constant) {
        return cs_term_equal(r1->constant, r2->constant);
    }
    r1->constant = r1->constant ? r1->constant : r2->constant;
    return true;
}

static bool class_constant(pass *p, const cs_sym *v, cs_term *constant)
{
    vars_class *c = class_make(p, v);
    if (c->constant && !cs_term_equal(c->constant, constant)) {
        return false;
    }
    c->constant = constant;
    return true;
}

static bool is_equality(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "eq");
}

static bool make_classes(pass *p, cs_body body)
{
    for (uint32_t i = 0; i < body.n; i++) {
        const cs_expr *e = body.v[i];
        if (!is_equality(e) || e->negated || e->n_with) {
            continue;
        }
        cs_term *a = e->u.call.v[1], *b = e->u.call.v[2];
        bool ok = true;
        if (a->kind == CS_TERM_VAR && b->kind == CS_TERM_VAR) {
            ok = class_merge(p, a->u.var, b->u.var);
        } else if (a->kind == CS_TERM_VAR && cs_term_is_constant(b)) {
            ok = class_constant(p, a->u.var, b);
        } else if (b->kind == CS_TERM_VAR && cs_term_is_constant(a)) {
            ok = class_constant(p, b->u.var, a);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* A variable that a ref begins with keeps its name: a constant there would not be a ref. */
static bool note_head(void *self, cs_term *t)
{
    pass *p = self;
    if (t->kind == CS_TERM_REF && t->u.list.n && t->u.list.v[0]->kind == CS_TERM_VAR) {
        const cs_sym *v = t->u.list.v[0]->u.var;
        vars_class *root = class_find(p, v);
        if (root) {
            root->constant = NULL;
            v = root->key;
        }
        cs_names_put(p->heads, v, NULL);
    }
    return true;
}

/* ---- putting in */
static void plug_body(pass *p, cs_body b, uint32_t depth);
static cs_term *plug(pass *p, cs_term *t, uint32_t depth);

static bool exhausted(pass *p, uint32_t depth)
{
    if (*p->budget == 0 || depth > cs_limits_get()->rego_depth) {
        *p->budget = 0;
        return true;
    }
    --*p->budget;
    return false;
}

static bool term_has_var(const pass *p, const cs_term *t, const cs_sym *v)
{
    cs_names *names = cs_names_new(p->ast->arena);
    cs_names_of_term(names, t);
    return cs_names_has(names, v);
}

/* What stands for a variable: the term, or NULL for itself under the name *v. */
static cs_term *value_of_var(const pass *p, const cs_sym **v)
{
    vars_class *root = class_find(p, *v);
    if (root) {
        if (root->constant) {
            return root->constant;
        }
        *v = root->key;
    }
    cs_term *b = cs_names_get(p->removed, *v);
    if (!b || (p->negated && !cs_term_is_ground_throughout(b)) || term_has_var(p, b, *v)) {
        return NULL;
    }
    return b;
}

/* A term of its own, at another place, with the same parts. */
static cs_term *shared(const pass *p, const cs_term *t, cs_loc loc)
{
    cs_term *copy = cs_arena_new(p->ast->arena, cs_term);
    *copy = *t;
    copy->loc = loc;
    return copy;
}

static void measure(cs_term *t)
{
    uint32_t h = 0;
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        h = t->u.list.v[i]->height > h ? t->u.list.v[i]->height : h;
    }
    t->height = h >= UINT16_MAX ? UINT16_MAX : (uint16_t)(h + 1);
}

static void plug_list(pass *p, cs_term *t, uint32_t depth)
{
    t->raw = t->kind == CS_TERM_ARRAY ? !cs_term_is_ground_throughout(t) : t->raw;
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        t->u.list.v[i] = plug(p, t->u.list.v[i], depth);
    }
    measure(t);
}

/* Sets and objects are not shared: their order depends on what is in them. */
static void plug_unordered(pass *p, cs_term *t, uint32_t depth)
{
    cs_term **items = cs_arena_array(p->ast->arena, cs_term *, t->u.list.n + 1);
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        items[i] = plug(p, t->u.list.v[i], depth);
    }
    t->u.list.v = items;
    cs_term_sort(p->ast->arena, t);
    measure(t);
}

static cs_term *joined_ref(pass *p, const cs_term *base, const cs_term *t)
{
    uint32_t n = base->kind == CS_TERM_REF ? base->u.list.n : 1;
    uint32_t more = t->u.list.n - 1;
    if (n > 1 && more == 0) {
        return shared(p, base, t->loc);
    }
    cs_term *ref = shared(p, t, t->loc);
    ref->kind = CS_TERM_REF;
    ref->u.list.n = n + more;
    ref->u.list.v = cs_arena_array(p->ast->arena, cs_term *, n + more);
    if (base->kind == CS_TERM_REF) {
        memcpy(ref->u.list.v, base->u.list.v, n * sizeof(cs_term *));
    } else {
        ref->u.list.v[0] = shared(p, base, base->loc);
    }
    memcpy(ref->u.list.v + n, t->u.list.v + 1, more * sizeof(cs_term *));
    return ref;
}

/* A ref whose head was taken out goes on from what the head was equal to. */
static cs_term *plug_ref(pass *p, cs_term *t, uint32_t depth)
{
    cs_term *head = t->u.list.n ? t->u.list.v[0] : NULL;
    if (head && head->kind == CS_TERM_VAR) {
        vars_class *root = class_find(p, head->u.var);
        if (root && root->constant) {
            t->u.list.v[0] = shared(p, root->constant, head->loc);
        } else if (root) {
            head->u.var = root->key;
        }
        head = t->u.list.v[0];
        cs_term *b = head->kind == CS_TERM_VAR ? cs_names_get(p->removed, head->u.var) : NULL;
        if (b && (!p->negated || cs_term_is_ground_throughout(b))) {
            t = joined_ref(p, b, t);
        }
    }
    plug_list(p, t, depth);
    return t;
}

static cs_term *plug_value(pass *p, cs_term *t, uint32_t depth)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
        break;
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        plug_list(p, t, depth);
        break;
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        plug_unordered(p, t, depth);
        break;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        if (t->u.comprehension.key) {
            t->u.comprehension.key = plug(p, t->u.comprehension.key, depth);
        }
        t->u.comprehension.head = plug(p, t->u.comprehension.head, depth);
        plug_body(p, t->u.comprehension.body, depth);
        break;
    }
    return t;
}

static cs_term *plug(pass *p, cs_term *t, uint32_t depth)
{
    if (exhausted(p, depth)) {
        return t;
    }
    if (t->kind == CS_TERM_REF) {
        return plug_ref(p, t, depth + 1);
    }
    if (t->kind != CS_TERM_VAR) {
        return plug_value(p, t, depth + 1);
    }
    const cs_sym *v = t->u.var;
    cs_term *value = value_of_var(p, &v);
    if (!value) {
        return v == t->u.var ? t : cs_term_var(p->ast, v, t->loc);
    }
    return plug_value(p, shared(p, value, t->loc), depth + 1);
}

static void plug_terms(pass *p, cs_terms *list, uint32_t depth)
{
    for (uint32_t i = 0; i < list->n; i++) {
        list->v[i] = plug(p, list->v[i], depth);
    }
}

/* In a copy of the statement. */
static void plug_expr(pass *p, cs_expr *e, uint32_t depth)
{
    if (exhausted(p, depth)) {
        return;
    }
    switch (e->kind) {
    case CS_EXPR_TERM:
        e->u.term = plug(p, e->u.term, depth);
        break;
    case CS_EXPR_CALL:
        plug_terms(p, &e->u.call, depth);
        break;
    case CS_EXPR_SOME:
        plug_terms(p, &e->u.some, depth);
        break;
    case CS_EXPR_EVERY:
        if (e->u.every.key) {
            e->u.every.key = plug(p, e->u.every.key, depth);
        }
        e->u.every.value = plug(p, e->u.every.value, depth);
        e->u.every.domain = plug(p, e->u.every.domain, depth);
        plug_body(p, e->u.every.body, depth);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        plug_body(p, e->u.logic.left, depth);
        plug_body(p, e->u.logic.right, depth);
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        e->with[i].target = plug(p, e->with[i].target, depth);
        e->with[i].value = plug(p, e->with[i].value, depth);
    }
}

static void plug_body(pass *p, cs_body b, uint32_t depth)
{
    for (uint32_t i = 0; i < b.n; i++) {
        plug_expr(p, b.v[i], depth + 1);
    }
}

/* ---- taking out */
static bool is_local_var(const pass *p, const cs_sym *name)
{
    for (uint32_t i = 0; i < p->options->n_local_vars; i++) {
        const cs_term *t = p->options->local_vars[i];
        if (t->kind == CS_TERM_VAR && t->u.var == name) {
            return true;
        }
    }
    return false;
}

static const cs_sym *stand_in(pass *p)
{
    const cs_sym *name;
    do {
        name = cs_sym_printf(p->ast, "__localcp%u__", p->next_local++);
    } while (p->options->local_vars && is_local_var(p, name));
    cs_names_put(p->stand_ins, name, NULL);
    return name;
}

static bool is_live_ref(const pass *p, const cs_term *t)
{
    return t->kind == CS_TERM_REF && t->u.list.v[0]->kind == CS_TERM_VAR &&
           cs_names_has(p->live, t->u.list.v[0]->u.var);
}

/* var = ref or call: taken out. */
static bool take_equality(pass *p, const cs_term *var, cs_term *value)
{
    if (var->kind != CS_TERM_VAR || cs_names_has(p->live, var->u.var) ||
        (value->kind != CS_TERM_REF && value->kind != CS_TERM_CALL)) {
        return false;
    }
    cs_names_put(p->removed, var->u.var, value);
    return true;
}

/* f(x, out): `out` stands for the call. */
static bool take_call(pass *p, cs_expr *e)
{
    uint32_t n = e->u.call.n;
    const cs_term *out = e->u.call.v[n - 1];
    if (n < 2 || cs_call_arity(p->ast, p->options->policy, e->u.call.v[0]) + 2 != (int)n || out->kind != CS_TERM_VAR ||
        cs_names_has(p->live, out->u.var) || cs_names_has(p->heads, out->u.var)) {
        return false;
    }
    cs_term *call = cs_term_list(p->ast, CS_TERM_CALL, e->u.call.v, n - 1, (cs_loc){0});
    cs_names_put(p->removed, out->u.var, call);
    return true;
}

static bool is_noop(const cs_expr *e)
{
    if (e->kind == CS_EXPR_CALL) {
        return e->u.call.n >= 3 && cs_ref_is(e->u.call.v[0], "equal") && cs_term_equal(e->u.call.v[1], e->u.call.v[2]);
    }
    return e->kind == CS_EXPR_TERM && cs_term_is_constant(e->u.term) &&
           !(e->u.term->kind == CS_TERM_SCALAR && !cs_truthy(e->u.term->u.value));
}

/* Does the statement stay? */
static bool stays(pass *p, cs_expr *e)
{
    if (p->negated || e->n_with) {
        return true;
    }
    if (is_equality(e)) {
        cs_term *a = e->u.call.v[1], *b = e->u.call.v[2];
        if (cs_term_equal(a, b)) {
            if (is_live_ref(p, a)) {
                cs_names_put(p->removed, stand_in(p), a);
            }
            return false;
        }
        if (take_equality(p, a, b) || take_equality(p, b, a)) {
            return false;
        }
    } else if (e->kind == CS_EXPR_CALL && take_call(p, e)) {
        return false;
    }
    return !is_noop(e);
}

/* ---- bringing back */
static cs_expr *equality(pass *p, const cs_sym *v, cs_term *value)
{
    cs_term *sides[2] = {cs_term_var(p->ast, v, (cs_loc){0}), value};
    return cs_expr_call(p->ast, "eq", sides, 2, (cs_loc){0});
}

static int by_name(const void *x, const void *y)
{
    const cs_sym *a = *(const cs_sym *const *)x, *b = *(const cs_sym *const *)y;
    return cs_slice_compare(cs_sym_slice(a), cs_sym_slice(b));
}

/* Live variables that a class, or a statement that was taken out, has swallowed. */
static void bind_live(pass *p, cs_body *result)
{
    for (size_t i = 0; i < p->sorted.n; i++) {
        const cs_sym *v = p->sorted.v[i];
        vars_class *root = class_find(p, v);
        if (!root) {
            continue;
        }
        cs_term *value = root->constant ? root->constant : cs_names_get(p->removed, root->key);
        if (!value && root->key != v) {
            value = cs_term_var(p->ast, root->key, (cs_loc){0});
        }
        if (value) {
            cs_body_append(p->ast, result, equality(p, v, value));
        }
    }
}

typedef struct search {
    const cs_term *what;
    bool found;
} search;

static bool search_term(void *self, cs_term *t)
{
    search *s = self;
    if (s->found || t->kind == CS_TERM_ARRAY_COMPREHENSION || t->kind == CS_TERM_SET_COMPREHENSION ||
        t->kind == CS_TERM_OBJECT_COMPREHENSION) {
        return false;
    }
    if (t->kind == CS_TERM_REF && s->what->kind == CS_TERM_REF) {
        uint32_t n = s->what->u.list.n;
        s->found = t->u.list.n >= n;
        for (uint32_t i = 0; i < n && s->found; i++) {
            s->found = cs_term_equal(t->u.list.v[i], s->what->u.list.v[i]);
        }
    } else {
        s->found = t->kind == s->what->kind && cs_term_equal(t, s->what);
    }
    return !s->found;
}

static bool search_expr(void *self, cs_expr *e)
{
    search *s = self;
    if (s->found || e->kind != CS_EXPR_EVERY) {
        return !s->found;
    }
    cs_walker w = {.self = s, .term = search_term, .expr = search_expr};
    cs_walk_term(&w, e->u.every.key);
    cs_walk_term(&w, e->u.every.value);
    cs_walk_term(&w, e->u.every.domain);
    return false;
}

static bool contained(const cs_term *what, cs_body b)
{
    search s = {what, false};
    cs_walker w = {.self = &s, .term = search_term, .expr = search_expr};
    cs_walk_body(&w, b);
    return s.found;
}

static uint32_t count_missing(const cs_names *of, const cs_names *in)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < cs_names_count(of); i++) {
        n += cs_names_has(in, cs_names_at(of, i)) ? 0 : 1;
    }
    return n;
}

static cs_names *without(pass *p, const cs_names *from, const cs_names *these)
{
    cs_names *left = cs_names_new(p->ast->arena);
    for (uint32_t i = 0; i < cs_names_count(from); i++) {
        if (!cs_names_has(these, cs_names_at(from, i))) {
            cs_names_put(left, cs_names_at(from, i), NULL);
        }
    }
    return left;
}

/* `_ = input` would say nothing. */
static bool is_safe_name(const cs_term *t, const cs_names *safe)
{
    return t->kind == CS_TERM_REF && t->u.list.n == 1 && t->u.list.v[0]->kind == CS_TERM_VAR &&
           cs_names_has(safe, t->u.list.v[0]->u.var);
}

/* What was taken out and is needed: to bind what is not bound, or because nothing else asks whether it is defined.
 * false: the body would not be safe. */
static bool bring_back(pass *p, cs_body *result)
{
    cs_ast *ast = p->ast;
    cs_names *safe = cs_names_new(ast->arena), *needed = cs_names_new(ast->arena);
    cs_names_put(safe, ast->data, NULL);
    cs_names_put(safe, ast->input, NULL);
    cs_names_put_all(safe, p->live);
    cs_names *bound = cs_names_new(ast->arena);
    cs_names_bound_by_body(ast, p->options->policy, *result, safe, bound);
    cs_names_put_all(safe, bound);
    cs_names_of_body(needed, *result, true);
    cs_names *unsafe = without(p, needed, safe);
    uint32_t n = cs_names_count(p->removed);
    const cs_sym **order = cs_arena_array(ast->arena, const cs_sym *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = cs_names_at(p->removed, i);
    }
    qsort(order, n, sizeof *order, by_name);
    for (uint32_t i = n; i-- > 0;) {
        cs_term *value = cs_names_get(p->removed, order[i]);
        cs_expr *e = equality(p, order[i], value);
        cs_names *binds = cs_names_new(ast->arena);
        cs_names_bound_by_expr(ast, p->options->policy, e, safe, binds);
        bool provides = count_missing(unsafe, binds) < cs_names_count(unsafe);
        unsafe = provides ? without(p, unsafe, binds) : unsafe;
        if (provides || (!is_safe_name(value, safe) && !contained(value, *result))) {
            bool bare = cs_names_has(p->stand_ins, order[i]) && value->kind == CS_TERM_REF;
            cs_body_append(ast, result, bare ? cs_expr_term(ast, value, (cs_loc){0}) : e);
            cs_names_put_all(safe, binds);
        }
    }
    return cs_names_count(unsafe) == 0;
}

/* ---- the whole */
static cs_body run(cs_ast *ast, cs_body body, const cs_copyprop_options *options, uint32_t *budget, uint32_t depth);

/* The body of a `not`: what the outside binds lives there. */
static void inner_body(pass *p, cs_expr *e, uint32_t depth)
{
    cs_names *vars = cs_names_new(p->ast->arena);
    names_list live = {0};
    cs_names_of_body(vars, e->u.logic.left, false);
    for (uint32_t i = 0; i < cs_names_count(vars); i++) {
        const cs_sym *v = cs_names_at(vars, i);
        if (cs_names_has(p->live, v) || class_find(p, v) || cs_names_has(p->removed, v)) {
            CS_VEC_PUSH_IN(p->ast->arena, &live, v);
        }
    }
    cs_copyprop_options inner = *p->options;
    inner.live = live.v;
    inner.n_live = (uint32_t)live.n;
    inner.ensure_nonempty = true;
    e->u.logic.left = run(p->ast, e->u.logic.left, &inner, p->budget, depth + 1);
}

static void start(pass *p)
{
    cs_arena *a = p->ast->arena;
    p->live = cs_names_new(a);
    p->classes = cs_names_new(a);
    p->heads = cs_names_new(a);
    p->removed = cs_names_new(a);
    p->stand_ins = cs_names_new(a);
    for (uint32_t i = 0; i < p->options->n_live; i++) {
        if (!cs_names_has(p->live, p->options->live[i])) {
            cs_names_put(p->live, p->options->live[i], NULL);
            CS_VEC_PUSH_IN(a, &p->sorted, p->options->live[i]);
        }
    }
    if (p->sorted.n) {
        qsort(p->sorted.v, p->sorted.n, sizeof *p->sorted.v, by_name);
    }
}

static cs_body run(cs_ast *ast, cs_body body, const cs_copyprop_options *options, uint32_t *budget, uint32_t depth)
{
    pass p = {.ast = ast, .options = options, .budget = budget};
    start(&p);
    if (depth > cs_limits_get()->rego_depth || !make_classes(&p, body)) {
        return body;
    }
    cs_walker w = {.self = &p, .term = note_head};
    cs_walk_body(&w, body);
    cs_body result = {0};
    for (uint32_t i = 0; i < body.n; i++) {
        cs_expr *e = cs_expr_copy(ast, body.v[i]);
        p.negated = e->negated || e->kind == CS_EXPR_NOT;
        plug_expr(&p, e, depth);
        if (e->kind == CS_EXPR_NOT) {
            inner_body(&p, e, depth);
        }
        if (stays(&p, e)) {
            cs_body_append(ast, &result, e);
        }
    }
    bind_live(&p, &result);
    if (!bring_back(&p, &result) || *budget == 0) {
        return body;
    }
    if (options->ensure_nonempty && result.n == 0) {
        cs_expr *yes = cs_expr_term(ast, cs_term_scalar(ast, cs_bool(true), (cs_loc){0}), (cs_loc){0});
        yes->generated = true;
        cs_body_append(ast, &result, yes);
    }
    return result;
}

cs_body cs_copy_propagate(cs_ast *ast, cs_body body, const cs_copyprop_options *options)
{
    uint32_t budget = BUDGET;
    return run(ast, body, options, &budget, 0);
}
