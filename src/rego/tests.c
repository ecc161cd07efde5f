/* The tests of a policy: rules whose names begin with test_. */
#include "rego/builtin/builtin.h"
#include "rego/internal.h"

typedef struct gathering {
    cs_arena *arena;
    const cs_policy *policy;
    cs_slice pattern;
    CS_VEC(cs_policy_test) tests;
} gathering;

static cs_slice term_text(cs_arena *a, const cs_term *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, t);
    cs_slice text = cs_slice_make(cs_arena_dup(a, cs_buf_view(&b).p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

static cs_err matches(const gathering *g, cs_slice name, bool *out, cs_error *e)
{
    *out = true;
    if (g->pattern.n == 0) {
        return CS_OK;
    }
    cs_builtin_state state;
    cs_value args[2] = {cs_string(g->pattern), cs_string(name)}, result = cs_undefined();
    cs_builtin_state_init(&state, g->arena, cs_host_system());
    cs_call call = {.arena = g->arena,
                    .args = args,
                    .n = 2,
                    .builtin = cs_builtin_find(CS_LIT("regex.match")),
                    .state = &state,
                    .e = e};
    cs_err err = cs_builtin_call(&call, &result);
    cs_builtin_state_destroy(&state);
    *out = cs_truthy(result);
    static const char before[] = "regex.match: ";
    if (err != CS_OK && e && strncmp(e->text, before, sizeof before - 1) == 0) {
        memmove(e->text, e->text + sizeof before - 1, strlen(e->text) - (sizeof before - 2));
    }
    return err;
}

/* data.a.b and [x, "y"] as one ref, whose words are strings. */
static cs_term *joined(cs_ast *ast, const cs_module *m, const cs_rule *r, uint32_t n)
{
    cs_terms package = m->package->u.list, ref = r->head.ref->u.list;
    cs_term **parts = cs_arena_array(ast->arena, cs_term *, package.n + n);
    memcpy(parts, package.v, package.n * sizeof *parts);
    for (uint32_t i = 0; i < n; i++) {
        cs_term *t = ref.v[i];
        parts[package.n + i] = t->kind == CS_TERM_VAR ? cs_term_string(ast, cs_sym_slice(t->u.var), t->loc) : t;
    }
    return cs_term_list(ast, CS_TERM_REF, parts, package.n + n, r->loc);
}

static cs_err add_test(gathering *g, const cs_module *m, const cs_rule *r, uint32_t n, bool todo, cs_error *e)
{
    cs_ast ast;
    cs_ast_init(&ast, g->arena);
    cs_term *ref = joined(&ast, m, r, n);
    cs_policy_test t = {.package = term_text(g->arena, m->package),
                        .query = term_text(g->arena, ref),
                        .file = m->source.file,
                        .row = r->loc.row,
                        .col = r->loc.col,
                        .todo = todo};
    bool wanted;
    CS_TRY(matches(g, t.query, &wanted, e));
    if (!wanted) {
        return CS_OK;
    }
    cs_terms parts = {r->head.ref->u.list.v, n};
    t.name = term_text(g->arena, cs_term_list(&ast, CS_TERM_REF, parts.v, parts.n, r->loc));
    /* What OPA takes for a partial object: one with a variable in its name, and p.q := 1 without a body. */
    t.cases = !r->head.key && ((r->head.shows_key && r->head.ref->u.list.n > 1) ||
                               cs_ref_ground_prefix(r->head.ref) < r->head.ref->u.list.n);
    cs_value *path = cs_arena_array(g->arena, cs_value, ref->u.list.n);
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        path[i - 1] = cs_freeze(g->arena, ref->u.list.v[i]->u.value);
    }
    t.path = path;
    t.n_path = ref->u.list.n - 1;
    CS_VEC_PUSH_IN(g->arena, &g->tests, t);
    return CS_OK;
}

cs_err cs_policy_tests(cs_arena *a, const cs_policy *policy, cs_slice pattern, const cs_policy_test **out, size_t *n,
                       cs_error *e)
{
    gathering g = {.arena = a, .policy = policy, .pattern = pattern};
    for (uint32_t i = 0; i < policy->compiled->n_modules; i++) {
        const cs_module *m = policy->compiled->modules[i];
        for (uint32_t k = 0; k < m->n_rules; k++) {
            cs_slice name;
            uint32_t parts = cs_rule_test_name(m->rules[k], &name);
            bool todo = cs_slice_starts(name, CS_LIT("todo_test_"));
            if (todo || cs_slice_starts(name, CS_LIT("test_"))) {
                CS_TRY(add_test(&g, m, m->rules[k], parts, todo, e));
            }
        }
    }
    *out = g.tests.v;
    *n = g.tests.n;
    return CS_OK;
}
