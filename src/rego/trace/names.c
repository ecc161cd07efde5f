/* Nodes as their authors wrote them: variables that the compiler renamed get their names back. */
#include "rego/trace/internal.h"

static bool same_name(const cs_sym *x, const cs_sym *y)
{
    return x == y || (x->n == y->n && memcmp(x->s, y->s, x->n) == 0);
}

const cs_trace__local *cs_trace__local_of(const cs_trace__step *step, const cs_sym *var)
{
    for (uint32_t i = 0; i < step->n_locals; i++) {
        if (same_name(step->locals[i].var->u.var, var)) {
            return &step->locals[i];
        }
    }
    return NULL;
}

cs_slice cs_trace__name_of(const cs_trace__local *local)
{
    cs_slice name = local->written.n ? local->written : cs_sym_slice(local->var->u.var);
    return cs_slice_starts(name, CS_LIT("$")) ? CS_LIT("_") : name;
}

cs_slice cs_trace__source(cs_loc loc)
{
    if (!loc.source) {
        return CS_LIT("");
    }
    return cs_slice_sub(loc.source->text, loc.from, (size_t)loc.from + loc.length);
}

static cs_slice buf_done(cs_arena *a, cs_buf *b)
{
    cs_slice text = cs_slice_make(cs_arena_dup(a, cs_buf_view(b).p, b->n), b->n);
    cs_buf_destroy(b);
    return text;
}

cs_slice cs_trace__term_text(cs_arena *a, const cs_term *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, t);
    return buf_done(a, &b);
}

cs_slice cs_trace__value_text(cs_arena *a, cs_value v)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_value_print(&b, v);
    return buf_done(a, &b);
}

cs_slice cs_trace__cut(cs_arena *a, cs_slice s, size_t max)
{
    if (s.n <= max) {
        return s;
    }
    char *text = cs_arena_dup(a, s.p, max);
    memcpy(text + max - 3, "...", 3);
    return cs_slice_make(text, max);
}

/* ---- printing */

typedef struct renaming {
    cs_ast *ast;
    const cs_trace__step *step;
} renaming;

static bool rename_term(void *self, cs_term *t)
{
    const renaming *r = self;
    if (t->kind == CS_TERM_VAR) {
        const cs_trace__local *local = cs_trace__local_of(r->step, t->u.var);
        if (local && local->written.n) {
            t->u.var = cs_sym_get(r->ast, local->written);
        }
    }
    return true;
}

static bool sort_term(void *self, cs_term *t)
{
    const renaming *r = self;
    if (t->kind == CS_TERM_SET || t->kind == CS_TERM_OBJECT) {
        cs_term_sort(r->ast->arena, t);
    }
    return true;
}

/* The key of an `every` that its author did not write is not shown. */
static bool hide_key(void *self, cs_expr *e)
{
    const renaming *r = self;
    if (e->kind == CS_EXPR_EVERY && e->u.every.key && e->u.every.key->kind == CS_TERM_VAR) {
        const cs_trace__local *local = cs_trace__local_of(r->step, e->u.every.key->u.var);
        if (!local || local->written.n == 0 || cs_slice_starts(local->written, CS_LIT("__local"))) {
            e->u.every.key = NULL;
        }
    }
    return false;
}

static void print_body(cs_buf *out, cs_ast *ast, const cs_trace__step *step, cs_body body)
{
    renaming r = {ast, step};
    const cs_walker names = {.self = &r, .term = rename_term}, order = {.self = &r, .term = sort_term};
    cs_body copy = cs_body_copy(ast, body);
    for (uint32_t i = 0; step->expr && i < copy.n; i++) {
        (void)hide_key(&r, copy.v[i]);
    }
    cs_walk_body(&names, copy);
    cs_walk_body(&order, copy);
    if (step->expr) {
        cs_expr_print(out, copy.v[0]);
    } else {
        cs_body_print(out, copy);
    }
}

/* The path of the rule up to the first part that is not constant. */
static void print_rule(cs_buf *out, cs_ast *ast, const cs_rule *rule)
{
    cs_terms package = rule->module->package->u.list, ref = rule->head.ref->u.list;
    cs_term **parts = cs_arena_array(ast->arena, cs_term *, package.n + ref.n + 1);
    uint32_t n = package.n;
    memcpy(parts, package.v, package.n * sizeof *parts);
    for (uint32_t i = 0; i < ref.n; i++) {
        cs_term *t = ref.v[i];
        if (i > 0 && (t->kind == CS_TERM_VAR || !cs_term_is_ground(t))) {
            break;
        }
        parts[n++] = i == 0 && t->kind == CS_TERM_VAR ? cs_term_string(ast, cs_sym_slice(t->u.var), t->loc) : t;
    }
    cs_term_print(out, cs_term_list(ast, CS_TERM_REF, parts, n, rule->loc));
}

void cs_trace__print_node(cs_buf *out, cs_arena *a, const cs_trace__step *step)
{
    cs_ast ast;
    cs_ast_init(&ast, a);
    if (step->rule) {
        print_rule(out, &ast, step->rule);
    } else if (step->ref) {
        cs_term_print(out, step->ref);
    } else if (step->expr) {
        cs_expr *expr = cs_expr_copy(&ast, step->expr);
        print_body(out, &ast, step, (cs_body){&expr, 1});
    } else if (step->body) {
        print_body(out, &ast, step, *step->body);
    } else if (step->op == CS_TRACE_TEST_CASE) {
        cs_buf_text(out, "internal.test_case(");
        cs_value_print(out, step->test_case);
        cs_buf_byte(out, ')');
    }
}

/* ---- values */

typedef struct naming {
    cs_arena *arena;
    const cs_trace__step *step;
    CS_VEC(cs_trace__value) values;
} naming;

static void put(naming *n, cs_slice name, cs_slice text)
{
    for (size_t i = 0; i < n->values.n; i++) {
        if (cs_slice_eq(n->values.v[i].name, name)) {
            n->values.v[i].text = text;
            return;
        }
    }
    cs_trace__value value = {name, text};
    CS_VEC_PUSH_IN(n->arena, &n->values, value);
}

static bool name_var(void *self, cs_term *t)
{
    naming *n = self;
    if (t->kind != CS_TERM_VAR) {
        return true;
    }
    const cs_trace__local *local = cs_trace__local_of(n->step, t->u.var);
    if (local && local->value) {
        put(n, cs_trace__name_of(local), cs_trace__term_text(n->arena, local->value));
    }
    return true;
}

static void name_head(const cs_walker *w, const cs_head *h)
{
    for (uint32_t i = 0; i < h->args.n; i++) {
        cs_walk_term(w, h->args.v[i]);
    }
    cs_walk_term(w, h->ref);
    if (h->key) {
        cs_walk_term(w, h->key);
    }
    if (h->value) {
        cs_walk_term(w, h->value);
    }
}

const cs_trace__value *cs_trace__node_values(cs_arena *a, const cs_trace__step *step, size_t *n)
{
    naming names = {.arena = a, .step = step};
    const cs_walker w = {.self = &names, .term = name_var};
    if (step->rule) {
        name_head(&w, &step->rule->head);
    } else {
        for (uint32_t i = 0; i < step->n_documents; i++) {
            put(&names, cs_trace__term_text(a, step->documents[i].ref),
                cs_trace__value_text(a, step->documents[i].value));
        }
        if (step->expr) {
            cs_expr *shown = (cs_expr *)(uintptr_t)step->expr; /* the walk only reads */
            cs_walk_expr(&w, shown);
        } else if (step->body) {
            cs_walk_body(&w, *step->body);
        }
    }
    for (size_t i = 1; i < names.values.n; i++) {
        cs_trace__value v = names.values.v[i];
        size_t k = i;
        for (; k > 0 && cs_slice_compare(names.values.v[k - 1].name, v.name) > 0; k--) {
            names.values.v[k] = names.values.v[k - 1];
        }
        names.values.v[k] = v;
    }
    *n = names.values.n;
    return names.values.v;
}
