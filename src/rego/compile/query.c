/* The stages of an ad-hoc query. */
#include "countersign/base/time.h"
#include "rego/compile/internal.h"

#include <stdlib.h>

typedef struct query {
    cs_compiler c;
    cs_pointers captured; /* statement → place in `captures` */
    CS_VEC(cs_term *) captures;
} query;

cs_slice cs_query_imports_text(cs_arena *a, const cs_query_options *options)
{
    cs_buf text;
    cs_buf_init(&text);
    for (size_t i = 0; i < options->n_imports; i++) {
        cs_buf_printf(&text, "import %.*s\n", CS_FMT(options->imports[i]));
    }
    cs_slice lines = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    return lines;
}

/* ---- the context: a package whose rules have short names, and imports */
static void add_package(cs_compiler *c, cs_globals *g, cs_errors *errors)
{
    cs_slice text = c->query->package;
    size_t length;
    const char *line = cs_arena_printf(c->ast->arena, &length, "package %.*s", CS_FMT(text));
    cs_module *parsed = NULL;
    if (cs_parse_module(c->ast, CS_LIT(""), cs_slice_make(line, length), NULL, &parsed, errors) != CS_OK) {
        /* Something that could be a statement of its own behind the package's name. */
        if (errors->n > 0 && cs_slice_ends(errors->v[0].text, CS_LIT(" cannot be used for rule name"))) {
            cs_errors_clear(errors);
            (void)cs_errors_add(errors, CS_ERR_INVALID, CS_LIT(""), 0, 0, CS_LIT(""), "expected exactly one statement");
        }
        c->stop = true;
        return;
    }
    const cs_term *package = parsed->package;
    g->rules = cs_arena_new(c->ast->arena, cs_syms);
    g->rules->arena = c->ast->arena;
    for (uint32_t i = 0; i < c->compiled->n_modules; i++) {
        const cs_module *m = c->compiled->modules[i];
        for (uint32_t k = 0; k < m->n_rules && cs_term_equal(m->package, package); k++) {
            const cs_term *name = m->rules[k]->head.ref->u.list.v[0];
            const cs_sym *sym = cs_sym_get(c->ast, name->kind == CS_TERM_VAR ? cs_sym_slice(name->u.var) : CS_LIT(""));
            uint32_t n = package->u.list.n;
            cs_term **v = cs_arena_array(c->ast->arena, cs_term *, n + 1);
            memcpy(v, package->u.list.v, n * sizeof *v);
            v[n] = cs_term_string(c->ast, cs_sym_slice(sym), package->loc);
            cs_global *global = cs_arena_new(c->ast->arena, cs_global);
            global->ref = cs_term_list(c->ast, CS_TERM_REF, v, n + 1, package->loc);
            cs_syms__put(g->rules, sym, global);
        }
    }
}

static void add_imports(cs_compiler *c, cs_globals *g, cs_errors *errors)
{
    const cs_import *imports;
    uint32_t n;
    unsigned words;
    cs_slice text = cs_query_imports_text(c->ast->arena, c->query);
    if (cs_parse_imports(c->ast, text, &imports, &n, &words, errors) != CS_OK) {
        c->stop = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        cs_resolve__add_import(c, g, &imports[i]);
    }
}

static void resolve(query *q, cs_errors *errors)
{
    cs_compiler *c = &q->c;
    cs_globals g = {cs_syms__new(c->ast->arena), NULL, cs_arena_new(c->ast->arena, cs_term)};
    if (c->query->package.n) {
        add_package(c, &g, errors);
    }
    if (c->query->n_imports) {
        add_imports(c, &g, errors);
    }
    cs_syms declared = cs_syms__new(&c->scratch);
    cs_vars__declared(c, &declared, c->body);
    cs_resolve__body(c, &g, c->body, &declared);
}

/* ---- what each statement's value is */
static bool iterates_here(void *self, cs_term *t)
{
    query *q = self;
    if (cs_term__is_comprehension(t) || q->c.full) {
        return false;
    }
    if (t->kind == CS_TERM_REF) {
        const cs_builtin *b = cs_compile__builtin(&q->c, t);
        q->c.full = b && (b->flags & CS_BUILTIN_RELATION);
        for (uint32_t i = 1; i < t->u.list.n && !q->c.full; i++) {
            q->c.full = t->u.list.v[i]->kind == CS_TERM_VAR;
        }
    }
    return !q->c.full;
}

static bool iterates(query *q)
{
    cs_walk_body(&(cs_walker){.self = q, .term = iterates_here}, q->c.body);
    bool found = q->c.full;
    q->c.full = false;
    return found;
}

/* Does a call statement have a value that is not captured yet? */
static bool has_value(const cs_compiler *c, const cs_expr *e)
{
    const cs_builtin *b = cs_compile__builtin(c, e->u.call.v[0]);
    if (b && (b->flags & CS_BUILTIN_VOID)) {
        return false;
    }
    return cs_compile__arity(c, e->u.call.v[0]) == (int)e->u.call.n - 1;
}

static cs_term *capture(query *q, cs_expr *e)
{
    cs_compiler *c = &q->c;
    if (e->negated || cs_expr__is(e, c->assign) || cs_expr__is(e, c->eq)) {
        return NULL;
    }
    /* A wildcard: not a variable of the answer, and "_" in errors. */
    const cs_sym *name = cs_sym_printf(c->ast, "$term%u", (unsigned)q->captures.n + 1);
    cs_term *local = cs_term_var(c->ast, name, e->loc);
    if (e->kind == CS_EXPR_TERM) {
        cs_term *call[3] = {cs_term_operator(c->ast, "eq", e->loc), e->u.term, local};
        e->kind = CS_EXPR_CALL;
        e->u.call = cs_term_list(c->ast, CS_TERM_CALL, call, 3, e->loc)->u.list;
    } else if (e->kind == CS_EXPR_CALL && has_value(c, e)) {
        cs_term **v = cs_arena_array(c->ast->arena, cs_term *, e->u.call.n + 1);
        memcpy(v, e->u.call.v, e->u.call.n * sizeof *v);
        v[e->u.call.n] = local;
        e->u.call = (cs_terms){v, e->u.call.n + 1};
    } else {
        return NULL;
    }
    return local;
}

/* Each statement's value goes into a variable. Where there are several answers or statements it must also be true; a
 * query that is one expression without iteration reports false as well. */
static void capture_values(query *q)
{
    cs_compiler *c = &q->c;
    bool check = iterates(q) || c->body.n > 1;
    uint32_t n = c->query->partial ? 0 : c->body.n;
    for (uint32_t i = 0; i < n; i++) {
        cs_term *local = capture(q, c->body.v[i]);
        if (!local) {
            continue;
        }
        CS_VEC_PUSH_IN(c->ast->arena, &q->captures, cs_term_copy(c->ast, local));
        cs_pointers__put(&q->captured, c->body.v[i], (uint32_t)q->captures.n - 1);
        if (check) {
            cs_expr *e = cs_expr_term(c->ast, cs_term_copy(c->ast, local), c->body.v[i]->loc);
            e->generated = true;
            cs_body_append(c->ast, &c->body, e);
        }
    }
}

/* ---- stages */
static void locals(query *q)
{
    cs_compiler *c = &q->c;
    c->body = cs_locals__body(c, c->body);
}

static void templates(query *q)
{
    cs_template__body(&q->c, q->c.body, &q->c.reserved);
}

static void voids(query *q)
{
    cs_void__body(&q->c, q->c.body);
}

static void prints(query *q)
{
    cs_compiler *c = &q->c;
    if (c->query->print != CS_PRINT_ERASE) {
        (void)cs_print__rewrite(c, c->body, &c->reserved);
    } else {
        c->body = cs_print__erase(c, c->body);
    }
}

static void calls(query *q)
{
    q->c.body = cs_hoist__body(&q->c, q->c.body);
}

static void comprehensions(query *q)
{
    cs_comprehension__body(&q->c, q->c.body);
}

static void withs(query *q)
{
    q->c.body = cs_with__body(&q->c, q->c.body);
}

static void undefined(query *q)
{
    cs_undefined__body(&q->c, q->c.body);
}

static void safety(query *q)
{
    q->c.body = cs_safety__body(&q->c, q->c.body, &q->c.reserved, "");
}

static bool equal_to_unify(void *self, cs_expr *e)
{
    query *q = self;
    if (cs_expr__is(e, q->c.equal) && e->u.call.n == 3) {
        e->u.call.v[0] = cs_term_operator(q->c.ast, "eq", e->u.call.v[0]->loc);
    }
    return true;
}

/* Nobody wants the values of statements from partial evaluation, and unifying leaves less of them. */
static void equals(query *q)
{
    if (q->c.query->partial) {
        cs_walk_body(&(cs_walker){.self = q, .expr = equal_to_unify}, q->c.body);
    }
}

static void dynamic_terms(query *q)
{
    q->c.body = cs_dynamic__body(&q->c, q->c.body);
}

static void types(query *q)
{
    cs_types__query(&q->c, q->c.body);
}

static void unsafe_builtins(query *q)
{
    if (q->c.query->server) {
        cs_forbid__unsafe(&q->c, q->c.body);
    }
}

static void run(query *q)
{
    static const struct {
        void (*run)(query *);
        const char *timer;
    } stages[] = {
        {capture_values, "query_compile_stage_rewrite_to_capture_value"},
        {locals, "query_compile_stage_rewrite_local_vars"},
        {templates, "compile_stage_rewrite_template_strings"},
        {voids, "query_compile_stage_check_void_calls"},
        {prints, "query_compile_stage_rewrite_print_calls"},
        {calls, "query_compile_stage_rewrite_expr_terms"},
        {comprehensions, "query_compile_stage_rewrite_comprehension_terms"},
        {withs, "query_compile_stage_rewrite_with_values"},
        {undefined, "query_compile_stage_check_undefined_funcs"},
        {safety, "query_compile_stage_check_safety"},
        {equals, "query_compile_stage_rewrite_equals"},
        {dynamic_terms, "query_compile_stage_rewrite_dynamic_terms"},
        {types, "query_compile_stage_check_types"},
        {unsafe_builtins, "query_compile_stage_check_unsafe_builtins"},
    };
    cs_instrument *instrument = q->c.query->instrument;
    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && !q->c.stop && q->c.errors.n == 0; i++) {
        cs_arena_mark mark = cs_arena_mark_now(&q->c.scratch);
        int64_t start = instrument ? cs_time_mono_ns() : 0;
        stages[i].run(q);
        if (instrument && (stages[i].run != equals || q->c.query->partial)) {
            cs_instrument_time(instrument, stages[i].timer, cs_time_mono_ns() - start);
        }
        cs_arena_rewind(&q->c.scratch, mark);
    }
}

/* ---- the answer */
static int by_name(const void *x, const void *y)
{
    const cs_query_var *a = x;
    const cs_query_var *b = y;
    return cs_slice_compare(cs_sym_slice(a->name), cs_sym_slice(b->name));
}

static void name_vars(query *q, cs_compiled_query *out)
{
    cs_compiler *c = &q->c;
    cs_syms vars = cs_syms__new(&c->scratch);
    cs_vars__body(&vars, c->body, CS_VARS_SAFETY);
    out->vars = cs_arena_array(c->ast->arena, cs_query_var, vars.n + 1);
    for (uint32_t i = 0; i < vars.n; i++) {
        const cs_sym *local = vars.v[i].sym;
        const cs_sym *name = cs_compile__original(c, local);
        if (!cs_sym_is_generated(name) && !cs_sym_is_wildcard(name) && !cs_syms__has(&c->reserved, local)) {
            out->vars[out->n_vars++] = (cs_query_var){name, local};
        }
    }
    qsort(out->vars, out->n_vars, sizeof *out->vars, by_name);
}

static void name_values(query *q, cs_compiled_query *out)
{
    cs_compiler *c = &q->c;
    out->values = cs_arena_array(c->ast->arena, cs_term *, c->body.n + 1);
    out->texts = cs_arena_array(c->ast->arena, cs_slice, c->body.n + 1);
    for (uint32_t i = 0; i < c->body.n; i++) {
        const cs_expr *e = c->body.v[i];
        if (e->generated) {
            continue;
        }
        uint32_t at = cs_pointers__get(&q->captured, e);
        out->values[out->n_values] =
            at == UINT32_MAX ? cs_term_scalar(c->ast, cs_bool(true), e->loc) : q->captures.v[at];
        if (e->loc.source) {
            out->texts[out->n_values] =
                cs_slice_sub(e->loc.source->text, e->loc.from, (size_t)e->loc.from + e->loc.length);
        }
        out->n_values++;
    }
}

cs_err cs_compile_query(cs_ast *ast, const cs_compiled *policy, cs_body body, const cs_query_options *options,
                        cs_compiled_query *out, cs_errors *errors)
{
    static const cs_query_options no_options;
    const cs_policy_options policy_options = {0};
    query q = {.c = {.ast = ast, .policy = &policy_options, .compiled = policy, .prefix = "__localq", .body = body}};
    q.c.query = options ? options : &no_options;
    q.captured.arena = ast->arena;
    cs_compile__begin(&q.c);
    if (body.n == 0) {
        (void)cs_compile__error(&q.c, CS_ERR_REGO_COMPILE, (cs_loc){0}, "empty query cannot be compiled");
    } else {
        cs_stage__init_local_var_gen(&q.c);
        resolve(&q, errors);
        run(&q);
    }
    cs_err err = cs_compile__report(&q.c, errors);
    if (err == CS_OK && q.c.stop) {
        err = CS_ERR_REGO_PARSE; /* the context's texts; the parser has reported them */
    }
    if (err == CS_OK) {
        *out = (cs_compiled_query){.body = q.c.body, .rewritten = cs_compile__keep_names(&q.c)};
        name_vars(&q, out);
        name_values(&q, out);
    }
    cs_arena_destroy(&q.c.scratch);
    return err;
}
