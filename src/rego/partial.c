/* The door to partial evaluation. */
#include "countersign/partial.h"

#include "countersign/format.h"
#include "rego/compile/names.h"
#include "rego/partial.h"

static const cs_query_options no_options;

cs_partial *cs_partial_new(cs_arena *arena, cs_policy *policy)
{
    cs_partial *p = cs_arena_new(arena, cs_partial);
    p->arena = arena;
    p->policy = policy;
    cs_ast_init(&p->ast, arena);
    return p;
}

cs_err cs_partial_parse(cs_partial *p, cs_slice text, bool v0, bool statements, cs_errors *errors)
{
    cs_parse_options options = {.version = v0 ? CS_REGO_V0 : CS_REGO_V1,
                                .rules = statements,
                                .capabilities = p->policy->compiled->capabilities};
    p->body = (cs_body){0};
    if (cs_slice_trim(text).n == 0) {
        return CS_OK;
    }
    cs_slice copy = cs_slice_make(cs_arena_dup(p->arena, text.p, text.n), text.n);
    return cs_parse_query(&p->ast, copy, &options, &p->body, errors);
}

cs_term *cs_partial__path_ref(cs_partial *p, const cs_value *path, size_t n)
{
    cs_term **items = cs_arena_array(p->arena, cs_term *, n + 1);
    items[0] = cs_term_var(&p->ast, p->ast.data, (cs_loc){0});
    for (size_t i = 0; i < n; i++) {
        items[i + 1] = cs_term_scalar(&p->ast, path[i], (cs_loc){0});
    }
    return cs_term_list(&p->ast, CS_TERM_REF, items, (uint32_t)n + 1, (cs_loc){0});
}

void cs_partial_set_path(cs_partial *p, const cs_value *path, size_t n)
{
    cs_term *ref = cs_partial__path_ref(p, path, n);
    p->body = (cs_body){0};
    cs_body_append(&p->ast, &p->body, cs_expr_term(&p->ast, ref, (cs_loc){0}));
}

bool cs_partial_is_empty(const cs_partial *p)
{
    return p->body.n == 0;
}

/* ---- terms out of texts, with the words of OPA's ParseTerm and ParseRef */
static void print_terms(cs_buf *out, const cs_expr *e)
{
    if (e->kind != CS_EXPR_CALL) {
        cs_expr_print(out, e);
        return;
    }
    cs_buf_byte(out, '[');
    for (uint32_t i = 0; i < e->u.call.n; i++) {
        cs_buf_text(out, i ? " " : "");
        cs_term_print(out, e->u.call.v[i]);
    }
    cs_buf_byte(out, ']');
}

static cs_err parse_term(cs_partial *p, cs_slice text, const char *before, cs_term **out, cs_error *e)
{
    cs_errors errors;
    cs_buf words;
    cs_body body = {0};
    cs_parse_options options = {.version = CS_REGO_V1};
    cs_errors_init(&errors);
    cs_buf_init(&words);
    cs_slice copy = cs_slice_make(cs_arena_dup(p->arena, text.p, text.n), text.n);
    cs_err err = cs_slice_trim(text).n ? cs_parse_query(&p->ast, copy, &options, &body, &errors) : CS_OK;
    if (err != CS_OK) {
        if (errors.v[0].row == 0) { /* what is no body has no place */
            cs_buf_slice(&words, errors.v[0].text);
        } else {
            cs_errors_print(&words, &errors);
        }
        err = cs_fail(e, CS_ERR_INVALID, "%sfailed to parse term: %s", before, cs_buf_cstr(&words));
    } else if (body.n != 1) {
        cs_body_print(&words, body);
        err = cs_fail(e, CS_ERR_INVALID, "%sexpected exactly one term but got: %s", before, cs_buf_cstr(&words));
    } else if (body.v[0]->kind != CS_EXPR_TERM) {
        print_terms(&words, body.v[0]);
        err = cs_fail(e, CS_ERR_INVALID, "%sexpected term but got %s", before, cs_buf_cstr(&words));
    } else {
        *out = body.v[0]->u.term;
    }
    cs_buf_destroy(&words);
    cs_errors_destroy(&errors);
    return err;
}

cs_err cs_partial__parse_ref(cs_partial *p, cs_slice text, cs_term **out, cs_error *e)
{
    CS_TRY(parse_term(p, text, "failed to parse ref: ", out, e));
    if ((*out)->kind == CS_TERM_REF) {
        return CS_OK;
    }
    cs_buf words;
    cs_buf_init(&words);
    cs_term_print(&words, *out);
    cs_err err = cs_fail(e, CS_ERR_INVALID, "expected ref but got %s", cs_buf_cstr(&words));
    cs_buf_destroy(&words);
    return err;
}

void cs_partial__add_unknown(cs_partial *p, cs_term *ref)
{
    CS_VEC_PUSH_IN(p->arena, &p->unknowns, ref);
}

cs_err cs_partial_add_unknown(cs_partial *p, cs_slice text, bool ref, cs_error *e)
{
    cs_term *t = NULL;
    CS_TRY(ref ? cs_partial__parse_ref(p, text, &t, e) : parse_term(p, text, "", &t, e));
    if (t->kind == CS_TERM_VAR) {
        t = cs_term_list(&p->ast, CS_TERM_REF, &t, 1, t->loc); /* names what no query can know */
    }
    if (t->kind != CS_TERM_REF) {
        cs_buf words;
        cs_buf_init(&words);
        cs_term_print(&words, t);
        cs_err err = cs_fail(e, CS_ERR_INVALID, "expected ref but got %s", cs_buf_cstr(&words));
        cs_buf_destroy(&words);
        return err;
    }
    cs_partial__add_unknown(p, t);
    return CS_OK;
}

size_t cs_partial_unknown_count(const cs_partial *p)
{
    return p->unknowns.n;
}

cs_err cs_partial_keep_rule(cs_partial *p, cs_slice text, cs_error *e)
{
    cs_term *t = NULL;
    cs_err err = cs_partial__parse_ref(p, text, &t, e);
    if (err != CS_OK) {
        if (e) {
            e->code = CS_ERR_INTERNAL;
        }
        return CS_ERR_INTERNAL;
    }
    CS_VEC_PUSH_IN(p->arena, &p->kept, t);
    return CS_OK;
}

/* ---- running */
cs_err cs_partial_compile(cs_partial *p, const cs_partial_options *options, cs_errors *errors)
{
    cs_query_options query = options ? options->query : no_options;
    query.partial = true;
    return cs_compile_query(&p->ast, p->policy->compiled, p->body, &query, &p->compiled, errors);
}

cs_err cs_partial_run(cs_partial *p, const cs_partial_options *options, const cs_eval *eval, cs_error *e)
{
    if (options->known && p->unknowns.n == 0) {
        /* A name that no ref begins with: nothing is unknown. */
        cs_term *none = cs_term_var(&p->ast, cs_sym_get(&p->ast, CS_LIT("__unknown__")), (cs_loc){0});
        cs_partial__add_unknown(p, cs_term_list(&p->ast, CS_TERM_REF, &none, 1, (cs_loc){0}));
    }
    cs_td_partial_options td = {.unknowns = (const cs_term *const *)p->unknowns.v,
                                .n_unknowns = (uint32_t)p->unknowns.n,
                                .disable_inlining = (const cs_term *const *)p->kept.v,
                                .n_disable_inlining = (uint32_t)p->kept.n,
                                .shallow_inlining = options->shallow_inlining,
                                .nondeterministic_builtins = options->nondeterministic_builtins};
    cs_td_query query = {p->policy->compiled, &p->ast, p->compiled.body, &p->compiled, &p->policy->tables};
    cs_tracer tracer = cs_partial__tracer(p, eval->tracer);
    tracer.no_indexing = tracer.no_indexing || options->no_indexing;
    const cs_tracer *given = options->hints || options->no_indexing ? &tracer : eval->tracer;
    return cs_topdown_partial(&query, eval, &td, given, &p->result, e);
}

/* ---- the result */
cs_value cs_partial_to_json(const cs_partial *p)
{
    const cs_td_partial *r = &p->result;
    cs_value out = cs_object_new(p->arena, 2);
    cs_value *items = cs_arena_array(p->arena, cs_value, r->n_queries + r->n_support + 1);
    for (uint32_t i = 0; i < r->n_queries; i++) {
        items[i] = cs_body_to_json(p->arena, r->queries[i]);
    }
    if (r->n_queries) {
        cs_object_put_text(p->arena, out, "queries", cs_array(items, r->n_queries));
    }
    items += r->n_queries;
    for (uint32_t i = 0; i < r->n_support; i++) {
        items[i] = cs_module_to_json(p->arena, r->support[i]);
    }
    if (r->n_support) {
        cs_object_put_text(p->arena, out, "support", cs_array(items, r->n_support));
    }
    return out;
}

size_t cs_partial_query_count(const cs_partial *p)
{
    return p->result.n_queries;
}

/* The layout of a module's text; the text as it is if that cannot be read again. */
static void lay_out(cs_buf *out, cs_slice text)
{
    cs_buf laid;
    cs_buf_init(&laid);
    cs_format_options options = {.target = CS_FORMAT_V1};
    bool done = cs_format(CS_LIT(""), text, &options, &laid) == CS_FORMAT_DONE;
    cs_buf_slice(out, done ? cs_buf_view(&laid) : text);
    cs_buf_destroy(&laid);
}

/* The lines between the first and the last of a rule's body, a tab less deep. */
static void inner_lines(cs_buf *out, cs_slice rest)
{
    cs_slice line;
    bool inside = false;
    while (cs_slice_next(&rest, '\n', &line)) {
        if (cs_slice_is(line, "\tend__")) {
            return;
        }
        if (inside) {
            cs_buf_slice(out, cs_slice_starts(line, CS_LIT("\t")) ? cs_slice_sub(line, 1, line.n) : line);
            cs_buf_byte(out, '\n');
        }
        inside = inside || cs_slice_is(line, "q if {");
    }
}

/* A wildcard that stands in two places means the same in both, so it needs a name. */
typedef struct wildcards {
    cs_ast *ast;
    cs_names *seen; /* → the only term so far, or `many` */
} wildcards;

static bool name_wildcard(void *self, cs_term *t)
{
    static cs_term many;
    wildcards *w = self;
    if (t->kind != CS_TERM_VAR || !cs_sym_is_wildcard(t->u.var)) {
        return true;
    }
    const cs_sym *v = t->u.var;
    cs_term *first = cs_names_get(w->seen, v);
    cs_names_put(w->seen, v, first ? &many : t);
    if (first) {
        const cs_sym *name = cs_sym_printf(w->ast, v->s[1] == '_' ? "%s" : "_%s", v->s + 1);
        first->u.var = first == &many ? first->u.var : name;
        t->u.var = name;
    }
    return true;
}

/* As the body of a rule whose last statement is a mark, so that it is never written on the head's line. */
void cs_partial_query_print(cs_buf *out, const cs_partial *p, size_t i)
{
    wildcards w = {.ast = (cs_ast *)(uintptr_t)&p->ast, .seen = cs_names_new(p->arena)};
    cs_body b = cs_body_copy(w.ast, p->result.queries[i]);
    cs_walk_body(&(cs_walker){.self = &w, .term = name_wildcard}, b);
    cs_buf text, laid;
    cs_buf_init(&text);
    cs_buf_init(&laid);
    cs_buf_text(&text, "package p\n\nq if {\n");
    for (uint32_t k = 0; k < b.n; k++) {
        cs_buf_byte(&text, '\t');
        cs_expr_print(&text, b.v[k]);
        cs_buf_byte(&text, '\n');
    }
    cs_buf_text(&text, "\tend__\n}\n");
    lay_out(&laid, cs_buf_view(&text));
    inner_lines(out, cs_buf_view(&laid));
    cs_buf_destroy(&laid);
    cs_buf_destroy(&text);
}

size_t cs_partial_support_count(const cs_partial *p)
{
    return p->result.n_support;
}

/* Each rule in a paragraph of its own: where they came from says nothing here. */
void cs_partial_support_print(cs_buf *out, const cs_partial *p, size_t i)
{
    cs_arena *a = p->arena;
    const cs_module *m = p->result.support[i];
    cs_rule **rules = cs_arena_array(a, cs_rule *, m->n_rules + 1);
    wildcards w = {.ast = (cs_ast *)(uintptr_t)&p->ast, .seen = cs_names_new(a)};
    cs_buf text;
    cs_buf_init(&text);
    for (uint32_t k = 0; k < m->n_rules; k++) {
        rules[k] = cs_rule_copy(w.ast, m->rules[k]);
        cs_walk_rule(&(cs_walker){.self = &w, .term = name_wildcard}, rules[k]);
    }
    cs_buf_text(&text, "package ");
    cs_term_print(&text,
                  &(cs_term){.kind = CS_TERM_REF, .u.list = {m->package->u.list.v + 1, m->package->u.list.n - 1}});
    for (uint32_t k = 0; k < m->n_rules; k++) {
        cs_buf_text(&text, "\n\n");
        cs_rule_print(&text, rules[k]);
    }
    cs_buf_byte(&text, '\n');
    lay_out(out, cs_buf_view(&text));
    cs_buf_destroy(&text);
}
