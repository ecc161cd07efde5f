/* Rules of the answer: what cannot be inlined becomes a rule in a package of its own (OPA: saveSupport, the
 * partialEvalSupport functions). */
#include "rego/compile/names.h"
#include "rego/topdown/save.h"

/* ---- modules */
static bool is_name(const cs_term *t)
{
    if (!cs_term_is_string(t)) {
        return false;
    }
    cs_slice s = cs_text(t->u.value);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return s.n > 0;
}

/* How many parts of a path are the package: all names but the last. */
static uint32_t package_length(const cs_terms *path)
{
    uint32_t n = 2;
    for (uint32_t i = 2; i < path->n && is_name(path->v[i]); i++) {
        n = i;
    }
    return n;
}

static bool same_package(const cs_module *m, const cs_terms *path, uint32_t n)
{
    bool same = m->package->u.list.n == n;
    for (uint32_t i = 0; i < n && same; i++) {
        same = cs_term_equal(m->package->u.list.v[i], path->v[i]);
    }
    return same;
}

static cs_module *find_module(const cs_td *run, const cs_terms *path, uint32_t n)
{
    for (size_t i = 0; i < run->partial->support.n; i++) {
        if (same_package(run->partial->support.v[i], path, n)) {
            return run->partial->support.v[i];
        }
    }
    return NULL;
}

/* The parts after the package, the first as a name. */
static cs_term *rule_ref(cs_td *run, const cs_terms *path, uint32_t n_package)
{
    cs_term **v = cs_arena_array(run->arena, cs_term *, path->n);
    memcpy(v, path->v + n_package, (path->n - n_package) * sizeof *v);
    if (v[0]->kind == CS_TERM_SCALAR) {
        v[0] = cs_term_var(run->names, cs_sym_get(run->names, cs_text(v[0]->u.value)), v[0]->loc);
    }
    return cs_td__own_term(run, cs_term_list(run->names, CS_TERM_REF, v, path->n - n_package, (cs_loc){0}));
}

static bool exists(cs_td *run, const cs_term *path)
{
    uint32_t n = package_length(&path->u.list);
    const cs_module *m = find_module(run, &path->u.list, n);
    const cs_term *ref = rule_ref(run, &path->u.list, n);
    for (uint32_t i = 0; m && i < m->n_rules; i++) {
        const cs_terms *have = &m->rules[i]->head.ref->u.list;
        bool same = have->n >= ref->u.list.n;
        for (uint32_t j = 0; j < ref->u.list.n && same; j++) {
            same = cs_term_equal(have->v[j], ref->u.list.v[j]);
        }
        if (same) {
            return true;
        }
    }
    return false;
}

void cs_td__support_add(cs_td *run, const cs_term *path, uint32_t n_package, cs_rule *rule)
{
    cs_module *m = find_module(run, &path->u.list, n_package);
    if (!m) {
        m = cs_arena_new(run->arena, cs_module);
        m->version = CS_REGO_V1;
        m->package =
            cs_td__own_term(run, cs_term_list(run->names, CS_TERM_REF, path->u.list.v, n_package, (cs_loc){0}));
        CS_VEC_PUSH_IN(run->arena, &run->partial->support, m);
    }
    if ((m->n_rules & (m->n_rules - 1)) == 0) { /* room is a power of two */
        cs_rule **v = cs_arena_array(run->arena, cs_rule *, m->n_rules ? m->n_rules * 2U : 1U);
        if (m->n_rules) {
            memcpy(v, m->rules, m->n_rules * sizeof *v);
        }
        m->rules = v;
    }
    rule->module = m;
    m->rules[m->n_rules++] = rule;
}

static const cs_term *namespaced(cs_td *run, const cs_terms *ref, uint32_t n)
{
    bool skip = run->partial->options->skip_partial_namespace;
    cs_term **v = cs_arena_array(run->arena, cs_term *, n + 1);
    uint32_t to = 0;
    for (uint32_t i = 0; i < n; i++) {
        v[to++] = ref->v[i];
        if (i == 0 && !skip) {
            v[to++] = (cs_term *)(uintptr_t)run->partial->name_space;
        }
    }
    return cs_term_list(run->names, CS_TERM_REF, v, to, ref->v[0]->loc);
}

/* ---- rules */
static cs_term *in_caller(cs_td *run, cs_bindings *b, const cs_term *t)
{
    if (!t) {
        return NULL;
    }
    cs_opd plugged = cs_bindings_plug(run, b, cs_opd_of(t), run->root->b);
    return cs_td__own_term(run, cs_opd_term(run, plugged, t->loc));
}

static bool is_true(const cs_term *t)
{
    return t && t->kind == CS_TERM_SCALAR && cs_equal(t->u.value, cs_bool(true));
}

static cs_rule *new_rule(cs_td *run, const cs_rule *from, cs_term *ref, cs_term *key, cs_term *value, cs_body body)
{
    cs_rule *rule = cs_arena_new(run->arena, cs_rule);
    rule->head.ref = ref;
    rule->head.key = key;
    rule->head.value = value;
    rule->head.value_written = value && !is_true(value);
    rule->head.uses_contains = key != NULL;
    rule->head.uses_if = !from->is_default;
    rule->head.shows_name = ref->u.list.n == 1;
    rule->is_default = from->is_default;
    rule->body = body;
    return rule;
}

/* The variables of a head stay. */
static cs_body propagated(cs_td *run, const cs_head *head, cs_body body)
{
    cs_names *names = cs_names_new(run->arena);
    for (uint32_t i = 0; i < head->args.n; i++) {
        cs_names_of_term(names, head->args.v[i]);
    }
    for (uint32_t i = 1; i < head->ref->u.list.n; i++) {
        cs_names_of_term(names, head->ref->u.list.v[i]);
    }
    if (head->key) {
        cs_names_of_term(names, head->key);
    }
    if (head->value) {
        cs_names_of_term(names, head->value);
    }
    uint32_t n = cs_names_count(names);
    const cs_sym **live = cs_arena_array(run->arena, const cs_sym *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        live[i] = cs_names_at(names, i);
    }
    cs_copyprop_options options = {.live = live, .n_live = n, .ensure_nonempty = true, .policy = run->policy};
    return cs_copy_propagate(run->names, body, &options);
}

typedef struct support_k {
    cs_k k;
    cs_td_frame *child;
    const cs_td_rule *rule;
    const cs_term *path; /* complete rules and functions: of the rule, namespaced */
    uint32_t n_rule;     /* complete rules: how many parts of it are the rule's */
    bool defined;
    void (*add)(const struct support_k *s, cs_body body);
} support_k;

static cs_go body_saved(cs_k *k)
{
    support_k *s = CS_K_SELF(support_k, k);
    cs_td *run = s->child->run;
    cs_td__event_rule(s->child, CS_TRACE_EXIT, s->rule->rule);
    s->defined = true;
    cs_body body = cs_td__saved_body(run, &run->partial->stack.v[run->partial->stack.n - 1]);
    if (cs_body_passes_types(run->names, run->policy, body)) {
        s->add(s, body);
    }
    cs_td__event_rule(s->child, CS_TRACE_REDO, s->rule->rule);
    return NULL;
}

static bool wants_propagation(const cs_td *run)
{
    return !run->partial->options->shallow_inlining && !run->partial->options->skip_copy_propagation;
}

static cs_go run_rule(cs_td_frame *f, support_k *s)
{
    cs_td_frame child;
    cs_bindings b;
    cs_td__child(f, s->rule->rule->body, &child, &b);
    s->k.run = body_saved;
    s->child = &child;
    cs_td__event_rule(&child, CS_TRACE_ENTER, s->rule->rule);
    cs_td__query_push(f->run);
    cs_go stop = cs_td__expr(&child, &s->k);
    (void)cs_td__query_pop(f->run);
    return stop;
}

/* ---- complete rules */
static void add_complete(const support_k *s, cs_body body)
{
    cs_td *run = s->child->run;
    uint32_t n_package = s->path->u.list.n - s->n_rule;
    cs_term *ref = rule_ref(run, &s->path->u.list, n_package);
    cs_rule *rule =
        new_rule(run, s->rule->rule, ref, NULL, in_caller(run, s->child->b, s->rule->rule->head.value), body);
    if (wants_propagation(run)) {
        rule->body = propagated(run, &rule->head, body);
    }
    cs_td__support_add(run, s->path, n_package, rule);
}

static cs_go complete_rule(cs_td_frame *f, const cs_term *path, const cs_td_rule *rule, bool *defined)
{
    support_k s = {.rule = rule, .path = path, .add = add_complete};
    const cs_terms *package = &rule->rule->module->package->u.list;
    uint32_t skipped = f->run->partial->options->skip_partial_namespace ? 0 : 1;
    s.n_rule = path->u.list.n - skipped - package->n;
    CS_GO(run_rule(f, &s));
    *defined = *defined || s.defined;
    return NULL;
}

cs_go cs_td__support_complete(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k)
{
    cs_td *run = r->f->run;
    const cs_term *original = cs_td__path_term(run, path, r->pos + 1, r->ref.v[0]->loc);
    const cs_term *own = namespaced(run, &original->u.list, original->u.list.n);
    bool defined = exists(run, own);
    if (!defined) {
        for (uint32_t i = 0; i < rules->n; i++) {
            if (!rules->v[i].is_other) {
                CS_GO(complete_rule(r->f, own, &rules->v[i], &defined));
            }
        }
        if (rules->otherwise) {
            CS_GO(complete_rule(r->f, own, rules->otherwise, &defined));
        }
    }
    if (!defined) {
        return NULL;
    }
    const cs_term *term = namespaced(run, &r->ref, r->ref.n);
    return cs_td__save_unify(r->f, cs_opd_of(term), r->rterm, r->b, r->rb, k);
}

/* ---- partial rules */
static void add_partial(const support_k *s, cs_body body)
{
    cs_td *run = s->child->run;
    const cs_head *h = &s->rule->rule->head;
    const cs_term *ref = namespaced(run, &s->rule->ref, s->rule->ref.n);
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        ref->u.list.v[i] = in_caller(run, s->child->b, ref->u.list.v[i]);
    }
    uint32_t n_package = package_length(&ref->u.list);
    cs_term *key = h->value ? NULL : in_caller(run, s->child->b, h->key);
    cs_rule *rule = new_rule(run, s->rule->rule, rule_ref(run, &ref->u.list, n_package), key,
                             in_caller(run, s->child->b, h->value), body);
    rule->head.shows_key = h->value && rule->head.ref->u.list.n == 2;
    rule->head.shows_name = rule->head.ref->u.list.n == 1 || rule->head.shows_key;
    if (wants_propagation(run)) {
        rule->body = propagated(run, &rule->head, body);
    }
    cs_td__support_add(run, ref, n_package, rule);
}

cs_go cs_td__support_partial(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_value empty, cs_k *k)
{
    cs_td *run = r->f->run;
    const cs_term *original = cs_td__path_term(run, path, r->pos + 1, r->ref.v[0]->loc);
    bool defined = exists(run, namespaced(run, &original->u.list, original->u.list.n));
    for (uint32_t i = 0, known = defined; i < rules->n && !known; i++) {
        if (!rules->v[i].is_other) {
            support_k s = {.rule = &rules->v[i], .add = add_partial};
            CS_GO(run_rule(r->f, &s));
            defined = defined || s.defined;
        }
    }
    if (!defined && r->ref.n != r->pos + 1) {
        return NULL;
    }
    cs_opd term = defined ? cs_opd_of(namespaced(run, &r->ref, r->ref.n)) : cs_opd_value(empty);
    return cs_td__save_unify(r->f, term, r->rterm, r->b, r->rb, k);
}

/* ---- functions */
static void add_function(const support_k *s, cs_body body)
{
    cs_td *run = s->child->run;
    const cs_head *h = &s->rule->rule->head;
    cs_rule *rule =
        new_rule(run, s->rule->rule, cs_td__own_term(run, h->ref), NULL, in_caller(run, s->child->b, h->value), body);
    rule->head.is_function = true;
    rule->head.args = (cs_terms){cs_arena_array(run->arena, cs_term *, h->args.n + 1), h->args.n};
    for (uint32_t i = 0; i < h->args.n; i++) {
        rule->head.args.v[i] = in_caller(run, s->child->b, h->args.v[i]);
    }
    cs_td__support_add(run, s->path, package_length(&s->path->u.list), rule);
}

typedef struct args_of {
    cs_td *run;
    CS_VEC(const cs_term *) vars;
} args_of;

static bool arg_var(void *self, cs_term *t)
{
    args_of *a = self;
    if (t->kind == CS_TERM_VAR) {
        CS_VEC_PUSH_IN(a->run->arena, &a->vars, t);
    }
    return true;
}

static cs_go function_rule(cs_td_frame *f, const cs_term *path, const cs_td_rule *rule)
{
    cs_td *run = f->run;
    cs_td_frame child;
    cs_bindings b;
    support_k s = {.k = {body_saved}, .rule = rule, .path = path, .add = add_function, .child = &child};
    args_of a = {.run = run};
    for (uint32_t i = 0; i < rule->rule->head.args.n; i++) {
        cs_walk_term(&(cs_walker){.self = &a, .term = arg_var}, rule->rule->head.args.v[i]);
    }
    cs_td__child(f, rule->rule->body, &child, &b);
    cs_td__event_rule(&child, CS_TRACE_ENTER, rule->rule);
    cs_td__query_push(run);
    cs_td__unknown_push(run, a.vars.v, (uint32_t)a.vars.n, child.b);
    cs_go stop = cs_td__expr(&child, &s.k);
    cs_td__unknown_pop(run);
    (void)cs_td__query_pop(run);
    return stop;
}

cs_go cs_td__support_function(cs_td_frame *f, const cs_td_rules *rules, const cs_term *const *terms, uint32_t n,
                              uint32_t arity, cs_k *k)
{
    cs_td *run = f->run;
    const cs_term *path = namespaced(run, &terms[0]->u.list, terms[0]->u.list.n);
    if (!exists(run, path)) {
        for (uint32_t i = 0; i < rules->n; i++) {
            if (!rules->v[i].is_other) {
                CS_GO(function_rule(f, path, &rules->v[i]));
            }
        }
        if (rules->otherwise) {
            CS_GO(function_rule(f, path, rules->otherwise));
        }
    }
    if (!exists(run, path)) {
        return NULL;
    }
    const cs_term **call = cs_arena_array(run->arena, const cs_term *, n);
    memcpy(call, terms, n * sizeof *call);
    call[0] = path;
    return cs_td__save_call(f, arity, call, n, k);
}
