/* CheckTypes: infers what variables and rules can be, and refuses what can never be. */
#include "rego/compile/types.h"

/* ---- documents that a `with` replaces */
static void gather_reader(cs_type_checker *tc, bool *seen, uint32_t *stack, uint32_t *n, uint32_t rule)
{
    (void)tc;
    if (!seen[rule]) {
        seen[rule] = true;
        stack[(*n)++] = rule;
    }
}

typedef struct selecting {
    cs_type_checker *tc;
    bool *seen;
    uint32_t *stack;
    uint32_t n;
} selecting;

static void select_rule(void *self, cs_rule *r)
{
    selecting *s = self;
    uint32_t id = cs_pointers__get(&((const cs_graph *)s->tc->c->compiled->graph)->ids, r);
    gather_reader(s->tc, s->seen, s->stack, &s->n, id);
}

static void find_readers(cs_type_checker *tc, const cs_graph *g)
{
    tc->readers = cs_arena_array(tc->arena, struct cs_edges, g->n + 1);
    for (uint32_t i = 0; i < g->n; i++) {
        for (size_t k = 0; k < g->edges[i].n; k++) {
            CS_VEC_PUSH_IN(tc->arena, &tc->readers[g->edges[i].v[k].to], ((cs_edge){i, NULL}));
        }
    }
}

static const cs_value *rule_keys(cs_type_checker *tc, const cs_rule *r, uint32_t *n)
{
    uint32_t total = r->module->package->u.list.n + cs_rule__ground_prefix(r);
    const cs_term *path = cs_rule__path(tc->c, r);
    cs_value *keys = cs_arena_array(tc->arena, cs_value, total);
    for (uint32_t i = 1; i < total; i++) {
        keys[i - 1] = cs_tree__key(path->u.list.v[i]);
    }
    *n = total - 1;
    return keys;
}

static bool is_target(cs_type_checker *tc, const cs_rule *r, const cs_term *target)
{
    const cs_term *path = cs_rule__path(tc->c, r);
    return cs_rule__ground_prefix(r) == r->head.ref->u.list.n && path->u.list.n == target->u.list.n &&
           cs_term_equal(path, target);
}

/* The documents whose values depend on the target, all of them `any`; NULL if there are none. Shared by all expressions
 * that replace the same. */
static cs_type_node *relaxed(cs_type_checker *tc, const cs_term *target, bool is_function)
{
    const cs_graph *g = tc->c->compiled->graph;
    if (!g || g->n == 0) {
        return NULL;
    }
    const char *text = cs_compile__term_text(tc->c, target);
    const cs_sym *key = cs_sym_printf(tc->c->ast, "%s%s", is_function ? "f:" : "", text);
    cs_syms_item *known = cs_syms__find(&tc->relaxed, key);
    if (known) {
        return known->value;
    }
    if (!tc->readers) {
        find_readers(tc, g);
    }
    cs_arena_mark mark = cs_arena_mark_now(&tc->c->scratch);
    selecting s = {tc, cs_arena_array(&tc->c->scratch, bool, g->n), cs_arena_array(&tc->c->scratch, uint32_t, g->n), 0};
    cs_graph__select(tc->c, target, select_rule, &s);
    cs_type_node *root = NULL;
    for (uint32_t i = 0; i < s.n; i++) {
        const cs_rule *r = g->rules[s.stack[i]];
        uint32_t n;
        const cs_value *keys = rule_keys(tc, r, &n);
        if (!is_function || !is_target(tc, r, target)) {
            cs_type_node__at(tc, &root, keys, n)->type = &cs_type_any;
        }
        const struct cs_edges *readers = &tc->readers[s.stack[i]];
        for (size_t k = 0; k < readers->n; k++) {
            gather_reader(tc, s.seen, s.stack, &s.n, readers->v[k].to);
        }
    }
    cs_arena_rewind(&tc->c->scratch, mark);
    cs_syms__put(&tc->relaxed, key, root);
    return root;
}

/* What an expression under `with` sees. `layers` has room for n_with + 1. */
static const cs_type_env *with_env(const cs_type_env *env, const cs_expr *e, cs_type_env *layers)
{
    cs_type_checker *tc = env->tc;
    const cs_type_env *top = env;
    cs_type_env last = cs_env__with_layer(env);
    bool any = false;
    for (uint32_t i = 0; i < e->n_with; i++) {
        const cs_term *target = e->with[i].target;
        if (target->kind != CS_TERM_REF) {
            continue;
        }
        const cs_type *type = cs_env__of_ref(env, &target->u.list);
        bool function = type && type->kind == CS_TYPE_FUNCTION;
        cs_type_node *tree = relaxed(tc, target, function);
        if (tree) {
            layers[i] = cs_env__with_layer(top);
            layers[i].data = tree;
            top = &layers[i];
        }
        if (function || !cs_ref_is_global(tc->c->ast, target)) {
            continue;
        }
        uint32_t n = 1;
        cs_value *path = cs_arena_array(tc->arena, cs_value, target->u.list.n);
        while (n < target->u.list.n && target->u.list.v[n]->kind == CS_TERM_SCALAR) {
            path[n - 1] = target->u.list.v[n]->u.value;
            n++;
        }
        const cs_type *now = &cs_type_any;
        const cs_type *value = cs_env__of(env, e->with[i].value);
        if (n == target->u.list.n && type && value) {
            const cs_type *both = cs_type_or(tc->arena, type, value);
            now = both ? both : now;
        }
        bool data = target->u.list.v[0]->u.var == tc->c->ast->data;
        cs_type_node__at(tc, data ? &last.data : &last.input, path, n - 1)->type = now;
        any = true;
    }
    if (!any) {
        return top;
    }
    last.next = top;
    layers[e->n_with] = last;
    return &layers[e->n_with];
}

/* ---- closures */
typedef struct closures {
    const cs_type_env *env;
    cs_type_errors *errors;
} closures;

static bool closure_term(void *self, cs_term *t)
{
    closures *x = self;
    if (!cs_term__is_comprehension(t)) {
        return true;
    }
    (void)cs_types__closure(x->env, t, x->errors);
    return false;
}

/* The type of a comprehension: worked out once, where it stands. */
const cs_type *cs_types__closure(const cs_type_env *env, const cs_term *t, cs_type_errors *errors)
{
    cs_type_checker *tc = env->tc;
    uint32_t known = cs_pointers__get(&tc->closures, t);
    if (known != UINT32_MAX) {
        return tc->closure_types.v[known];
    }
    cs_type_env layer = cs_env__layer(env);
    cs_type_errors own = {0};
    cs_types__body(env, &layer, t->u.comprehension.body, &own);
    const cs_type *type = NULL;
    if (own.n == 0) {
        const cs_type *head = cs_env__of(&layer, t->u.comprehension.head);
        type = t->kind == CS_TERM_ARRAY_COMPREHENSION ? cs_type_array(tc->arena, NULL, 0, head)
               : t->kind == CS_TERM_SET_COMPREHENSION
                   ? cs_type_set(tc->arena, head)
                   : cs_type_object(tc->arena, NULL, NULL, 0, cs_env__of(&layer, t->u.comprehension.key),
                                    head ? head : &cs_type_nil);
    }
    for (size_t i = 0; i < own.n && errors; i++) {
        CS_VEC_PUSH_IN(tc->c->ast->arena, errors, own.v[i]);
    }
    CS_VEC_PUSH_IN(tc->arena, &tc->closure_types, type);
    cs_pointers__put(&tc->closures, t, (uint32_t)tc->closure_types.n - 1);
    return type;
}

/* ---- statements */
static const cs_type *const *types_of_operands(const cs_type_env *env, const cs_expr *e)
{
    uint32_t n = e->u.call.n - 1;
    const cs_type **types = (const cs_type **)cs_arena_zalloc(env->tc->arena, (n + 1U) * sizeof *types);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = cs_env__of(env, e->u.call.v[i + 1]);
    }
    return (const cs_type *const *)types;
}

static void check_equality(const cs_type_env *env, const cs_expr *e, cs_type_errors *errors)
{
    uint32_t n = e->u.call.n - 1;
    if (n != 2) {
        const cs_builtin *eq = cs_compile__builtin(env->tc->c, e->u.call.v[0]);
        cs_types__arg_error(env->tc, errors, e->loc, e->u.call.v[0], n < 2 ? "too few arguments" : "too many arguments",
                            types_of_operands(env, e), n, cs_builtin_type(eq), false);
        return;
    }
    const cs_type *a = cs_env__of(env, e->u.call.v[1]);
    const cs_type *b = cs_env__of(env, e->u.call.v[2]);
    if (!cs_types__unify_terms(env, e->u.call.v[1], a, e->u.call.v[2], b)) {
        cs_types__match_error(env->tc, errors, e->loc, a, b);
    }
}

static bool check_member_operand(const cs_type_env *env, const cs_expr *e, const cs_term *t, const cs_type *type,
                                 cs_type_errors *errors)
{
    if (!type || cs_types__unknown(type)) {
        return true;
    }
    const cs_type *have = cs_env__of(env, t);
    if ((!cs_types__unknown(have) && !cs_types__unifies(env->tc, have, type)) ||
        !cs_types__unify_term(env, t, type, false)) {
        cs_types__match_error(env->tc, errors, e->loc, have, type);
        return false;
    }
    return true;
}

/* `in`: what may be found in a collection depends on the collection. */
static bool check_member(const cs_type_env *env, const cs_expr *e, bool keyed, cs_type_errors *errors)
{
    uint32_t arity = keyed ? 3 : 2;
    if (e->u.call.n <= arity) {
        return true;
    }
    const cs_type *collection = cs_env__of(env, e->u.call.v[arity]);
    const cs_type *values = cs_type_values(env->tc->arena, collection);
    if (!values) {
        return true;
    }
    return (!keyed || check_member_operand(env, e, e->u.call.v[1], cs_type_keys(env->tc->arena, collection), errors)) &&
           check_member_operand(env, e, e->u.call.v[arity - 1], values, errors);
}

static const cs_type *parameter(const cs_type *function, uint32_t i)
{
    if (i < function->n) {
        return cs_type_arg(function, i);
    }
    if (function->variadic) {
        return cs_type_unnamed(function->variadic);
    }
    return i == function->n ? cs_type_unnamed(function->dynamic) : NULL;
}

static void check_function(const cs_type_env *env, const cs_expr *e, cs_type_errors *errors)
{
    cs_type_checker *tc = env->tc;
    const cs_term *name = e->u.call.v[0];
    const cs_type *f = cs_env__of_ref(env, &name->u.list);
    if (cs_type_is_any(f)) {
        return;
    }
    if (!f && tc->c->policy && tc->c->policy->allow_undefined) {
        return;
    }
    if (!f || f->kind != CS_TYPE_FUNCTION) {
        cs_types__plain_error(tc, errors, e->loc, "undefined function %s", cs_compile__term_text(tc->c, name));
        return;
    }
    uint32_t n = e->u.call.n - 1;
    const cs_type *const *have = types_of_operands(env, e);
    if (n > f->n + (f->dynamic ? 1 : 0) && !f->variadic) {
        cs_types__arg_error(tc, errors, e->loc, name, "too many arguments", have, n, f, true);
        return;
    }
    if (n < f->n) {
        cs_types__arg_error(tc, errors, e->loc, name, "too few arguments", have, n, f, true);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const cs_type *want = parameter(f, i);
        if (have[i] && !cs_types__unknown(have[i]) && !cs_types__unifies(tc, have[i], want)) {
            cs_types__arg_error(tc, errors, e->loc, name, "invalid argument(s)", have, n, f, true);
            return;
        }
        if (!cs_types__unify_term(env, e->u.call.v[i + 1], want, false)) {
            cs_types__arg_error(tc, errors, e->loc, name, "invalid argument(s)", types_of_operands(env, e), n, f, true);
            return;
        }
    }
}

/* A function may be replaced by one that takes as many arguments, or by a value. */
static bool check_modifiers(const cs_type_env *env, const cs_expr *e, cs_type_errors *errors)
{
    for (uint32_t i = 0; i < e->n_with; i++) {
        const cs_type *target = cs_env__of(env, e->with[i].target);
        const cs_type *value = cs_env__of(env, e->with[i].value);
        if (target && target->kind == CS_TYPE_FUNCTION && value && value->kind == CS_TYPE_FUNCTION &&
            !cs_types__unifies(env->tc, target, value)) {
            const cs_type **have = (const cs_type **)cs_arena_zalloc(env->tc->arena, (value->n + 1U) * sizeof *have);
            for (uint32_t k = 0; k < value->n; k++) {
                have[k] = cs_type_arg(value, k);
            }
            cs_types__arg_error(env->tc, errors, e->with[i].loc, e->with[i].target, "arity mismatch",
                                (const cs_type *const *)have, value->n, target, false);
            return false;
        }
    }
    return true;
}

static void check_statement(const cs_type_env *env, const cs_expr *e, cs_type_errors *errors)
{
    if (!check_modifiers(env, e, errors) || e->kind != CS_EXPR_CALL) {
        return;
    }
    if (cs_expr__is(e, env->tc->c->eq)) {
        check_equality(env, e, errors);
        return;
    }
    bool member = cs_ref_is(e->u.call.v[0], "internal.member_2");
    bool keyed = cs_ref_is(e->u.call.v[0], "internal.member_3");
    if ((member || keyed) && !check_member(env, e, keyed, errors)) {
        return;
    }
    check_function(env, e, errors);
}

void cs_types__body(const cs_type_env *env, cs_type_env *layer, cs_body b, cs_type_errors *errors)
{
    cs_type_checker *tc = env->tc;
    for (uint32_t i = 0; i < b.n; i++) {
        cs_expr *e = b.v[i];
        const cs_type_env *seen = layer;
        if (e->n_with) {
            seen = with_env(layer, e, cs_arena_array(tc->arena, cs_type_env, e->n_with + 1));
        }
        size_t before = errors->n;
        closures x = {seen, errors};
        cs_walk_expr(&(cs_walker){.self = &x, .term = closure_term}, e);
        cs_types__check_refs(seen, e, errors);
        bool others = errors->n > before;
        cs_type_errors own = {0};
        check_statement(seen, e, &own);
        for (size_t k = 0; k < own.n; k++) {
            if (!others || !own.v[k].of_unknown) {
                CS_VEC_PUSH_IN(tc->c->ast->arena, errors, own.v[k]);
            }
        }
    }
}

/* ---- rules */
static bool untyped_arg(void *self, cs_term *t)
{
    const cs_type_env *env = self;
    if (t->kind == CS_TERM_VAR && !cs_env__of(env, t)) {
        cs_env__put(env, t->u.var, &cs_type_any);
    }
    return true;
}

static const cs_type *type_of_function(const cs_type_env *env, const cs_rule *r)
{
    uint32_t n = r->head.args.n;
    const cs_type **args = (const cs_type **)cs_arena_zalloc(env->tc->arena, n * sizeof *args);
    for (uint32_t i = 0; i < n; i++) {
        cs_walk_term(&(cs_walker){.self = (void *)(uintptr_t)env, .term = untyped_arg}, r->head.args.v[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        args[i] = cs_env__of(env, r->head.args.v[i]);
    }
    const cs_type *result = r->head.value ? cs_env__of(env, r->head.value) : NULL;
    if (!result && env->tc->c->policy && env->tc->c->policy->allow_undefined) {
        result = &cs_type_any;
    }
    return cs_type_function(env->tc->arena, args, n, result);
}

static const cs_type *type_of_rule(const cs_type_env *env, const cs_rule *r)
{
    cs_arena *a = env->tc->arena;
    if (r->head.args.n) {
        return type_of_function(env, r);
    }
    const cs_type *t = cs_env__of(env, r->head.key ? r->head.key : r->head.value);
    if (t && r->head.key) {
        t = cs_type_set(a, t);
    }
    const cs_terms *ref = &r->head.ref->u.list;
    uint32_t prefix = cs_rule__ground_prefix(r);
    for (uint32_t i = ref->n; i > prefix && t; i--) {
        const cs_type *key = cs_env__of(env, ref->v[i - 1]);
        t = key ? cs_type_object(a, NULL, NULL, 0, key, t) : NULL;
    }
    return t;
}

void cs_types__rule(cs_type_env *base, cs_rule *r)
{
    cs_type_checker *tc = base->tc;
    cs_type_env annotated = cs_env__layer(base), layer;
    cs_type_errors errors = {0}, of_schemas = {0};
    uint32_t n;
    if (tc->c->policy->schema_annotations) {
        cs_types__apply_schemas(&annotated, r, &of_schemas);
        cs_types__hand_over(tc->c, &of_schemas, true);
    }
    layer = cs_env__layer(annotated.data || annotated.input ? &annotated : base);
    cs_types__body(base, &layer, r->body, &errors);
    const cs_value *path = rule_keys(tc, r, &n);
    if (errors.n) {
        cs_types__hand_over(tc->c, &errors, true);
        cs_type_node *node = cs_type_node__at(tc, &base->data, path, n);
        if (!node->type || cs_rule__ground_prefix(r) == r->head.ref->u.list.n) {
            node->type = &cs_type_any; /* who reads it is not to fail as well */
        }
        return;
    }
    const cs_type *t = type_of_rule(&layer, r);
    if (t) {
        cs_type_node__insert(tc, &base->data, path, n, t);
    }
}

void cs_stage__check_types(cs_compiler *c)
{
    const cs_graph *g = c->out->graph;
    cs_type_checker *tc = cs_arena_new(c->ast->arena, cs_type_checker);
    cs_type_env *base = cs_arena_new(c->ast->arena, cs_type_env);
    *tc = (cs_type_checker){.c = c, .arena = c->ast->arena, .closures = {.arena = c->ast->arena}};
    tc->relaxed = cs_syms__new(c->ast->arena);
    base->tc = tc;
    base->own = cs_syms__new(c->ast->arena);
    if (!cs_types__load_input(tc, base)) {
        return;
    }
    for (uint32_t i = 0; i < g->n_order && !c->full; i++) {
        cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
        cs_types__rule(base, g->rules[g->order[i]]);
        cs_arena_rewind(&c->scratch, mark);
    }
    cs_type_node__sort(base->data);
    c->out->types = base->data;
    c->out->input_types = base->input;
}

void cs_types__query(cs_compiler *c, cs_body b)
{
    cs_type_checker tc = {.c = c, .arena = c->ast->arena, .closures = {.arena = c->ast->arena}};
    tc.relaxed = cs_syms__new(c->ast->arena);
    cs_type_env base = {
        .tc = &tc, .own = cs_syms__new(c->ast->arena), .data = c->compiled->types, .input = c->compiled->input_types};
    cs_type_env layer = cs_env__layer(&base);
    cs_type_errors errors = {0};
    cs_types__body(&base, &layer, b, &errors);
    cs_types__hand_over(c, &errors, true);
}

bool cs_body_passes_types(cs_ast *ast, const cs_compiled *policy, cs_body body)
{
    static const cs_query_options no_options;
    const cs_policy_options policy_options = {0};
    cs_compiler c = {.ast = ast, .policy = &policy_options, .compiled = policy, .query = &no_options};
    cs_compile__begin(&c);
    cs_type_checker tc = {.c = &c, .arena = ast->arena, .closures = {.arena = ast->arena}};
    tc.relaxed = cs_syms__new(ast->arena);
    cs_type_env base = {.tc = &tc, .own = cs_syms__new(ast->arena), .data = policy->types};
    cs_type_env layer = cs_env__layer(&base);
    cs_type_errors errors = {0};
    cs_types__body(&base, &layer, body, &errors);
    cs_arena_destroy(&c.scratch);
    return errors.n == 0;
}
