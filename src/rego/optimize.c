/* Optimising a bundle: each entrypoint in turn is evaluated as far as it goes without input, and what is left of it
 * becomes rules that stand in for the old ones. The next entrypoint sees what the one before has made. */
#include "rego/build.h"

#include <stdlib.h>

#include "rego/topdown/topdown.h"

#define NOWHERE ((cs_loc){.nowhere = true})

typedef CS_VEC(cs_term *) ref_list;
typedef CS_VEC(cs_rule *) rule_list;

typedef struct optimizer {
    cs_build *b;
    cs_value data;
    const cs_slice *roots;
    size_t n_roots;
    cs_compiled *compiled; /* of this step */
    ref_list unknowns;     /* found in the first step */
    cs_value names;        /* how often a file's name has been given away */
    cs_term *result;       /* the variable that stands for an entrypoint's value */
} optimizer;

static const char *text_of(cs_build *b, const cs_term *t)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, t);
    const char *out = cs_arena_dup(&b->arena, cs_buf_cstr(&text), text.n);
    cs_buf_destroy(&text);
    return out;
}

/* ---- what is not known: the input, and data outside the bundle's roots */
static bool has_prefix(const cs_term *ref, const cs_term *prefix)
{
    cs_terms a = ref->u.list, p = prefix->u.list;
    if (p.n > a.n) {
        return false;
    }
    for (uint32_t i = 0; i < p.n; i++) {
        if (!cs_term_equal(a.v[i], p.v[i])) {
            return false;
        }
    }
    return true;
}

static bool covered(const ref_list *list, const cs_term *ref)
{
    for (size_t i = 0; i < list->n; i++) {
        if (has_prefix(ref, list->v[i])) {
            return true;
        }
    }
    return false;
}

/* Adds a ref that none of the list begins; those that it begins go. */
static void add_prefix(cs_build *b, ref_list *list, cs_term *ref)
{
    if (covered(list, ref)) {
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (!has_prefix(list->v[i], ref)) {
            list->v[n++] = list->v[i];
        }
    }
    list->n = n;
    CS_VEC_PUSH_IN(&b->arena, list, ref);
}

static cs_term *one_part(cs_build *b, const cs_sym *name)
{
    cs_term *head = cs_term_var(&b->ast, name, NOWHERE);
    return cs_term_list(&b->ast, CS_TERM_REF, &head, 1, NOWHERE);
}

static cs_term *root_ref(cs_build *b, cs_slice root)
{
    CS_VEC(cs_term *) parts = {0};
    cs_term *term = cs_term_var(&b->ast, b->ast.data, NOWHERE);
    cs_slice part;
    CS_VEC_PUSH_IN(&b->arena, &parts, term);
    while (root.n > 0 && cs_slice_next(&root, '/', &part)) {
        term = cs_term_string(&b->ast, part, NOWHERE);
        CS_VEC_PUSH_IN(&b->arena, &parts, term);
    }
    return cs_term_list(&b->ast, CS_TERM_REF, parts.v, (uint32_t)parts.n, NOWHERE);
}

typedef struct search {
    optimizer *o;
    ref_list roots;
} search;

static bool see_ref(void *self, cs_term *t)
{
    search *s = self;
    cs_build *b = s->o->b;
    if (t->kind != CS_TERM_REF) {
        return true;
    }
    cs_terms all = t->u.list;
    if (all.v[0]->kind != CS_TERM_VAR || all.v[0]->u.var != b->ast.data) {
        return true;
    }
    uint32_t n = 1;
    while (n < all.n && cs_term_is_constant(all.v[n])) {
        n++;
    }
    cs_term *prefix = cs_term_list(&b->ast, CS_TERM_REF, all.v, n, NOWHERE);
    if (!covered(&s->roots, prefix)) {
        add_prefix(b, &s->o->unknowns, prefix);
    }
    return true;
}

static int by_ref(const void *x, const void *y)
{
    return cs_term_compare(*(cs_term *const *)x, *(cs_term *const *)y);
}

static void find_unknowns(optimizer *o)
{
    search s = {.o = o};
    cs_walker w = {.self = &s, .term = see_ref};
    for (size_t i = 0; i < o->n_roots; i++) {
        add_prefix(o->b, &s.roots, root_ref(o->b, o->roots[i]));
    }
    add_prefix(o->b, &o->unknowns, one_part(o->b, o->b->ast.input));
    for (uint32_t i = 0; i < o->compiled->n_modules; i++) {
        const cs_module *m = o->compiled->modules[i];
        cs_walk_term(&w, m->package);
        for (uint32_t k = 0; k < m->n_rules; k++) {
            cs_walk_rule(&w, m->rules[k]);
        }
    }
    qsort(o->unknowns.v, o->unknowns.n, sizeof *o->unknowns.v, by_ref);
}

/* ---- what must stay: what somebody who uses the entrypoint replaces by `with` */
static void all_below(cs_build *b, const cs_rule_node *node, rule_list *out)
{
    for (uint32_t i = 0; i < node->n_rules; i++) {
        CS_VEC_PUSH_IN(&b->arena, out, node->rules[i]);
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        all_below(b, node->children[i], out);
    }
}

/* The rules that make the document: at the ref, below it, or the first on the way to it. */
static void rules_of(optimizer *o, const cs_term *ref, rule_list *out)
{
    const cs_rule_node *node = o->compiled->root;
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        node = cs_rule_node_child(node, ref->u.list.v[i]->u.value);
        if (!node) {
            return;
        }
        if (node->n_rules && i + 1 < ref->u.list.n) {
            for (uint32_t k = 0; k < node->n_rules; k++) {
                CS_VEC_PUSH_IN(&o->b->arena, out, node->rules[k]);
            }
            return;
        }
    }
    all_below(o->b, node, out);
}

typedef struct replaced {
    optimizer *o;
    ref_list list;
} replaced;

static bool see_with(void *self, cs_expr *e)
{
    replaced *r = self;
    const cs_sym *input = r->o->b->ast.input;
    for (uint32_t i = 0; i < e->n_with; i++) {
        cs_term *target = e->with[i].target;
        const cs_term *head = target->kind == CS_TERM_REF ? target->u.list.v[0] : target;
        bool known = head->kind == CS_TERM_VAR && head->u.var == input;
        for (size_t k = 0; k < r->list.n && !known; k++) {
            known = cs_term_equal(r->list.v[k], target);
        }
        if (!known) {
            CS_VEC_PUSH_IN(&r->o->b->arena, &r->list, target);
        }
    }
    return true;
}

static bool depends_on_any(const cs_compiled *c, const cs_rule *from, const rule_list *to)
{
    for (size_t i = 0; i < to->n; i++) {
        for (const cs_rule *t = to->v[i]; t; t = t->other) {
            if (cs_rule_depends(c, from, t)) {
                return true;
            }
        }
    }
    return false;
}

typedef struct named_ref {
    const char *text;
    cs_term *ref;
} named_ref;

static int by_text(const void *x, const void *y)
{
    return strcmp(((const named_ref *)x)->text, ((const named_ref *)y)->text);
}

static cs_err find_required(optimizer *o, const cs_term *entrypoint, ref_list *out, cs_error *e)
{
    replaced found = {.o = o};
    cs_walker w = {.self = &found, .expr = see_with};
    rule_list to = {0};
    rules_of(o, entrypoint, &to);
    for (uint32_t i = 0; i < o->compiled->n_modules && to.n; i++) {
        const cs_module *m = o->compiled->modules[i];
        for (uint32_t k = 0; k < m->n_rules; k++) {
            for (cs_rule *r = m->rules[k]; r; r = r->other) {
                if (depends_on_any(o->compiled, r, &to)) {
                    cs_walk_rule(&w, r);
                }
            }
        }
    }
    named_ref *sorted = cs_arena_array(&o->b->arena, named_ref, found.list.n + 1);
    for (size_t i = 0; i < found.list.n; i++) {
        sorted[i] = (named_ref){text_of(o->b, found.list.v[i]), found.list.v[i]};
    }
    if (found.list.n > 1) {
        qsort(sorted, found.list.n, sizeof *sorted, by_text);
    }
    for (size_t i = 0; i < found.list.n; i++) {
        cs_loc loc = sorted[i].ref->loc;
        cs_build__debug(o->b, "%.*s:%u: disables inlining of %s", CS_FMT(loc.source ? loc.source->file : CS_LIT("")),
                        loc.row, sorted[i].text);
    }
    for (size_t i = 0; i < found.list.n; i++) {
        cs_term *ref = sorted[i].ref;
        if (ref->kind != CS_TERM_REF || ref->u.list.n == 1) {
            return cs_fail(e, CS_ERR_INVALID, "expected ref but got %s", sorted[i].text);
        }
        CS_VEC_PUSH_IN(&o->b->arena, out, ref);
    }
    return CS_OK;
}

/* ---- one step */
static void report(optimizer *o, const cs_term *entrypoint, const ref_list *required)
{
    cs_build *b = o->b;
    if (!b->options.debug) {
        return;
    }
    cs_buf list;
    cs_buf_init(&list);
    for (size_t i = 0; i < required->n; i++) {
        cs_buf_text(&list, i ? " " : "");
        cs_buf_text(&list, text_of(b, required->v[i]));
    }
    cs_build__debug(b, "optimizer: entrypoint: %s", text_of(b, entrypoint));
    cs_build__debug(b, "  partial-namespace: %.*s", CS_FMT(b->options.name_space));
    cs_build__debug(b, "  disable-inlining: [%s]", cs_buf_cstr(&list));
    cs_build__debug(b, "  shallow-inlining: %s", b->options.optimize <= 1 ? "true" : "false");
    for (size_t i = 0; i < o->unknowns.n; i++) {
        cs_build__debug(b, "  unknown: %s", text_of(b, o->unknowns.v[i]));
    }
    cs_buf_destroy(&list);
}

static cs_err evaluate(optimizer *o, cs_term *entrypoint, const ref_list *required, cs_td_partial *out,
                       cs_errors *errors, cs_error *e)
{
    cs_build *b = o->b;
    cs_body body = {0};
    cs_term *sides[2] = {o->result, entrypoint};
    cs_body_append(&b->ast, &body, cs_expr_call(&b->ast, "eq", sides, 2, NOWHERE));
    cs_query_options query = {.partial = true};
    cs_compiled_query compiled;
    CS_TRY(cs_compile_query(&b->ast, o->compiled, body, &query, &compiled, errors));
    cs_eval eval = {.arena = &b->arena, .data = o->data, .input = cs_undefined()};
    cs_td_partial_options options = {.unknowns = (const cs_term *const *)o->unknowns.v,
                                     .n_unknowns = (uint32_t)o->unknowns.n,
                                     .disable_inlining = (const cs_term *const *)required->v,
                                     .n_disable_inlining = (uint32_t)required->n,
                                     .shallow_inlining = b->options.optimize <= 1,
                                     .partial_namespace = b->options.name_space,
                                     .skip_partial_namespace = true};
    cs_td_query td = {o->compiled, &b->ast, compiled.body, &compiled, NULL};
    return cs_topdown_partial(&td, &eval, &options, NULL, out, e);
}

typedef struct self_reference {
    const cs_term *path;
    bool found;
} self_reference;

static bool see_self(void *self, cs_term *t)
{
    self_reference *s = self;
    s->found = s->found || (t->kind == CS_TERM_REF && has_prefix(t, s->path));
    return !s->found;
}

static cs_module *new_module(cs_build *b, cs_term *const *path, uint32_t n)
{
    cs_module *m = cs_arena_new(&b->arena, cs_module);
    m->version = b->options.rego_version == 0 ? CS_REGO_V0 : CS_REGO_V1;
    m->package = cs_term_list(&b->ast, CS_TERM_REF, path, n, NOWHERE);
    m->package_loc = NOWHERE;
    return m;
}

/* The entrypoint as a rule for each residual query. NULL if one of them is about the entrypoint itself: it cannot be
 * made simpler. */
static cs_module *module_of(optimizer *o, const cs_term *entrypoint, const cs_td_partial *p)
{
    cs_build *b = o->b;
    cs_terms path = entrypoint->u.list;
    cs_module *m = new_module(b, path.v, path.n - 1);
    self_reference s = {.path = entrypoint};
    m->rules = cs_arena_array(&b->arena, cs_rule *, p->n_queries);
    for (uint32_t i = 0; i < p->n_queries; i++) {
        cs_walk_body(&(cs_walker){.self = &s, .term = see_self}, p->queries[i]);
        if (s.found) {
            cs_build__debug(b, "optimizer: entrypoint: %s: discard due to self-reference", text_of(b, entrypoint));
            return NULL;
        }
        cs_rule *r = cs_arena_new(&b->arena, cs_rule);
        cs_term *name = cs_term_var(&b->ast, cs_sym_get(&b->ast, cs_text(path.v[path.n - 1]->u.value)), NOWHERE);
        *r = (cs_rule){.loc = NOWHERE, .module = m, .body = p->queries[i]};
        r->head = (cs_head){.loc = NOWHERE,
                            .ref = cs_term_list(&b->ast, CS_TERM_REF, &name, 1, NOWHERE),
                            .value = o->result,
                            .value_written = true,
                            .uses_if = true,
                            .shows_name = true};
        m->rules[m->n_rules++] = r;
    }
    return m;
}

/* ---- files */
static bool is_plain_path(cs_slice path)
{
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '-' || c == '/';
        if (!good) {
            return false;
        }
    }
    return path.n > 0;
}

static cs_slice file_name(optimizer *o, const cs_module *m, size_t step, size_t number)
{
    cs_arena *a = &o->b->arena;
    cs_buf path;
    bool plain = true;
    size_t n;
    cs_buf_init(&path);
    for (uint32_t i = 1; i < m->package->u.list.n; i++) {
        const cs_term *part = m->package->u.list.v[i];
        plain = plain && cs_term_is_string(part);
        cs_buf_text(&path, i > 1 ? "/" : "");
        cs_buf_slice(&path, plain ? cs_text(part->u.value) : CS_LIT(""));
    }
    char *name;
    if (plain && is_plain_path(cs_buf_view(&path))) {
        name = cs_arena_printf(a, &n, "optimized/%s", cs_buf_cstr(&path));
        cs_value key = cs_string(cs_slice_make(name, n));
        const cs_value *given = cs_object_get(o->names, key);
        int64_t times = given ? given->u.i : 0;
        cs_object_put(a, o->names, key, cs_int(times + 1));
        name = times ? cs_arena_printf(a, &n, "%s.%lld.rego", name, (long long)times)
                     : cs_arena_printf(a, &n, "%s.rego", name);
    } else {
        name = cs_arena_printf(a, &n, "optimized/%.*s/%zu/%zu.rego", CS_FMT(o->b->options.name_space), step, number);
    }
    cs_buf_destroy(&path);
    return cs_slice_make(name, n);
}

static void take(optimizer *o, cs_build_pieces *made, cs_module *m, size_t step)
{
    cs_build_piece piece = {.name = file_name(o, m, step, made->n), .module = cs_build__copy(o->b, m)};
    CS_VEC_PUSH_IN(&o->b->arena, made, piece);
}

static cs_err optimize_one(optimizer *o, size_t step, cs_errors *errors, cs_error *e)
{
    cs_build *b = o->b;
    cs_term *entrypoint = b->entrypoints.v[step];
    ref_list required = {0};
    cs_td_partial partial;
    cs_build_pieces made = {0};
    if (entrypoint->u.list.n <= 2) {
        return cs_fail(e, CS_ERR_INVALID,
                       "invalid entrypoint %s: to create optimized support module, the entrypoint ref must have at "
                       "least two components in addition to the 'data' root",
                       text_of(b, entrypoint));
    }
    CS_TRY(cs_build__compile(b, &o->compiled, errors, e));
    if (o->unknowns.n == 0) {
        find_unknowns(o);
    }
    CS_TRY(find_required(o, entrypoint, &required, e));
    report(o, entrypoint, &required);
    CS_TRY(evaluate(o, entrypoint, &required, &partial, errors, e));
    if (partial.n_queries == 0) {
        return cs_fail(e, CS_ERR_INVALID, "undefined entrypoint %s", text_of(b, entrypoint));
    }
    cs_module *own = module_of(o, entrypoint, &partial);
    for (uint32_t i = 0; i < partial.n_support; i++) {
        partial.support[i]->version = b->options.rego_version == 0 ? CS_REGO_V0_V1 : CS_REGO_V1;
        take(o, &made, partial.support[i], step);
    }
    if (own) {
        take(o, &made, own, step);
    }
    cs_build__merge(b, &made);
    return CS_OK;
}

static int by_name(const void *x, const void *y)
{
    return cs_slice_compare(((const cs_build_piece *)x)->name, ((const cs_build_piece *)y)->name);
}

cs_err cs_build__optimize(cs_build *b, cs_value data, const cs_slice *roots, size_t n_roots, cs_errors *errors,
                          cs_error *e)
{
    optimizer o = {.b = b, .data = data, .roots = roots, .n_roots = n_roots};
    o.names = cs_object_new(&b->arena, 0);
    o.result = cs_term_var(&b->ast, cs_sym_get(&b->ast, CS_LIT("$__result__")), NOWHERE);
    for (size_t i = 0; i < b->entrypoints.n; i++) {
        CS_TRY(optimize_one(&o, i, errors, e));
    }
    if (b->pieces.n > 1) {
        qsort(b->pieces.v, b->pieces.n, sizeof *b->pieces.v, by_name);
    }
    return CS_OK;
}
