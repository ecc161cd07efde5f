/* Queries: prepared once, run many times. */
#include "countersign/base/time.h"
#include "rego/internal.h"
#include "rego/topdown/topdown.h"

static cs_query *new_query(cs_policy *policy)
{
    cs_query *q = cs_zalloc(sizeof *q);
    cs_arena_init(&q->arena, 0);
    q->policy = cs_policy_retain(policy);
    return q;
}

static cs_err finish(cs_query *q, cs_err err, const cs_error *e, cs_query **out, cs_errors *errors)
{
    cs_error verified = {0};
    if (err == CS_OK) {
        err = cs_vm_verify(q->policy->program, q->code, &verified);
        e = &verified;
    }
    if (err != CS_OK) {
        err = cs_errors_add(errors, err, cs_slice_of(e->file), e->row, e->col, CS_LIT(""), "%s", e->text);
        cs_query_release(q);
        return err;
    }
    *out = q;
    return CS_OK;
}

static cs_slice path_text(cs_arena *a, cs_value path);

/* A function is no document: the error that naming one as a query gives. */
static cs_err refuse_function(cs_query *q, const cs_value *path, size_t n, cs_errors *errors)
{
    const cs_rule_node *node = cs_rule_node_at(q->policy->compiled, path, n);
    if (!node || node->n_rules == 0 || !node->rules[0]->head.is_function) {
        return CS_OK;
    }
    static const cs_query_options defaults = {0};
    cs_parse_options options = {.version = CS_REGO_V1};
    cs_body body;
    cs_ast_init(&q->ast, &q->arena);
    CS_TRY(cs_parse_query(&q->ast, path_text(&q->arena, q->path), &options, &body, errors));
    return cs_compile_query(&q->ast, q->policy->compiled, body, &defaults, &q->compiled, errors);
}

cs_err cs_query_prepare_path(cs_policy *policy, const cs_value *path, size_t n, cs_query **out, cs_errors *errors)
{
    cs_query *q = new_query(policy);
    cs_error e = {0};
    q->path = cs_freeze(&q->arena, cs_array(path, n));
    cs_err function = refuse_function(q, path, n, errors);
    if (function != CS_OK) {
        cs_query_release(q);
        return function;
    }
    cs_err err = cs_plan_path(&q->arena, policy->program, path, n, &q->code, &e);
    return finish(q, err, &e, out, errors);
}

static void keep_texts(cs_query *q, const cs_compiled_query *compiled)
{
    q->n_texts = compiled->n_values;
    q->texts = cs_arena_array(&q->arena, cs_query_text, q->n_texts + 1);
    for (size_t i = 0; i < q->n_texts; i++) {
        q->texts[i] = (cs_query_text){compiled->texts[i], compiled->values[i]->loc.row, compiled->values[i]->loc.col};
    }
}

cs_query_text cs_query_expression(const cs_query *query, size_t i)
{
    return i < query->n_texts ? query->texts[i] : (cs_query_text){CS_LIT(""), 0, 0};
}

/* The time since *start, if it is wanted; *start is now. */
static void took(int64_t *ns, int64_t *start)
{
    int64_t now = cs_time_mono_ns();
    if (ns) {
        *ns = now - *start;
    }
    *start = now;
}

/* Keywords and versions that the query's imports stand for. */
static cs_err import_words(cs_query *q, const cs_query_options *options, cs_parse_options *parse, cs_errors *errors)
{
    const cs_import *imports;
    uint32_t n;
    cs_ast ast;
    if (!options->n_imports) {
        return CS_OK;
    }
    cs_ast_init(&ast, &q->arena);
    CS_TRY(cs_parse_imports(&ast, cs_query_imports_text(&q->arena, options), &imports, &n, &parse->words, errors));
    for (uint32_t i = 0; i < n; i++) {
        parse->version = cs_ref_is(imports[i].path, "rego.v2") ? CS_REGO_V2 : parse->version;
        if (cs_ref_is(imports[i].path, "rego.v1") && parse->version == CS_REGO_V0) {
            parse->version = CS_REGO_V1;
        }
    }
    return CS_OK;
}

cs_err cs_query_prepare(cs_policy *policy, cs_slice text, const cs_query_options *options, cs_query **out,
                        cs_errors *errors)
{
    static const cs_query_options defaults = {0};
    cs_query *q = new_query(policy);
    cs_body body = {0};
    cs_ast_init(&q->ast, &q->arena);
    cs_parse_options parse_options = {.version = options && options->v0 ? CS_REGO_V0 : CS_REGO_V1,
                                      .capabilities = policy->compiled->capabilities,
                                      .rules = options && options->server};
    cs_slice copy = cs_slice_make(cs_arena_dup(&q->arena, text.p, text.n), text.n);
    options = options ? options : &defaults;
    int64_t start = cs_time_mono_ns();
    cs_err err = import_words(q, options, &parse_options, errors);
    if (err == CS_OK) {
        err = cs_parse_query(&q->ast, copy, &parse_options, &body, errors);
    }
    took(options->parse_ns, &start);
    if (err == CS_OK) {
        err = cs_compile_query(&q->ast, policy->compiled, body, options, &q->compiled, errors);
        if (options->compile_ns) {
            *options->compile_ns = cs_time_mono_ns() - start;
        }
    }
    if (err != CS_OK) {
        cs_query_release(q);
        return err;
    }
    keep_texts(q, &q->compiled);
    cs_error e = {0};
    err = cs_plan_query(&q->arena, policy->program, &q->compiled, &q->code, &e);
    took(options->compile_ns, &start);
    return finish(q, err, &e, out, errors);
}

void cs_query_release(cs_query *query)
{
    if (query) {
        cs_policy_release(query->policy);
        cs_arena_destroy(&query->arena);
        cs_free(query);
    }
}

cs_run *cs_run_start(const cs_query *query, const cs_eval *eval)
{
    return cs_vm_start(query->policy->program, query->code, eval);
}

cs_err cs_run_step(cs_run *run, cs_run_state *state, cs_value *result, cs_error *e)
{
    return cs_vm_step(run, state, result, e);
}

void cs_run_abandon(cs_run *run)
{
    cs_vm_abandon(run);
}

cs_run_stats cs_run_get_stats(const cs_run *run)
{
    return cs_vm_stats(run);
}

/* ---- traced: the tree walker instead of the machine */
static cs_slice path_text(cs_arena *a, cs_value path)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "data");
    for (uint32_t i = 0; i < path.n; i++) {
        cs_buf_byte(&text, '[');
        cs_value_print(&text, path.u.items[i]);
        cs_buf_byte(&text, ']');
    }
    cs_slice copy = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    return copy;
}

/* A path is walked as the text that OPA's server makes of it. */
static cs_err compile_path(const cs_query *query, cs_ast *ast, cs_compiled_query *out, cs_error *e)
{
    static const cs_query_options defaults = {0};
    cs_parse_options parse_options = {.version = CS_REGO_V1};
    cs_errors errors;
    cs_body body;
    cs_errors_init(&errors);
    cs_err err = cs_parse_query(ast, path_text(ast->arena, query->path), &parse_options, &body, &errors);
    if (err == CS_OK) {
        err = cs_compile_query(ast, query->policy->compiled, body, &defaults, out, &errors);
    }
    if (err != CS_OK) {
        cs_slice text = errors.n ? errors.v[0].text : CS_LIT("the path cannot be evaluated");
        err = cs_fail(e, err, "%.*s", CS_FMT(text));
    }
    cs_errors_destroy(&errors);
    return err;
}

static cs_err run_traced(const cs_query *query, const cs_eval *eval, cs_value *result, cs_error *e)
{
    cs_ast ast;
    cs_compiled_query compiled = query->compiled;
    bool is_path = !cs_is_undefined(query->path);
    cs_ast_init(&ast, eval->arena);
    if (is_path) {
        CS_TRY(compile_path(query, &ast, &compiled, e));
    }
    cs_td_query q = {query->policy->compiled, &ast, compiled.body, &compiled, &query->policy->tables};
    cs_value answers;
    CS_TRY(cs_topdown_run(&q, eval, eval->tracer, &answers, e));
    *result = answers;
    if (is_path) {
        *result = answers.n ? answers.u.items[0].u.items[1].u.items[0] : cs_undefined();
    }
    return CS_OK;
}

cs_err cs_query_run(const cs_query *query, const cs_eval *eval, cs_value *result, cs_error *e)
{
    if (eval->tracer || eval->strict) {
        return run_traced(query, eval, result, e);
    }
    cs_run *run = cs_run_start(query, eval);
    cs_run_state state;
    cs_value value = cs_undefined();
    do {
        CS_TRY(cs_vm_step(run, &state, &value, e));
        if (state == CS_RUN_WAIT) {
            cs_vm_wait(run);
        }
    } while (state != CS_RUN_DONE);
    *result = value;
    return CS_OK;
}
