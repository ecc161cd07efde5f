/* What the stages promise to the planner: the order of bodies, locals, the rule tree, dependencies, queries. */
#include "rego/compile/internal.h"

#include <criterion/criterion.h>

static cs_arena arena;
static cs_ast ast;
static cs_errors errors;

static void start(void)
{
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
}

static void stop(void)
{
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
}

TestSuite(compile, .init = start, .fini = stop);

static cs_err try_compile(const char *text, cs_compiled **out)
{
    cs_policy_options policy = {0};
    cs_compile_options options = {.policy = &policy};
    cs_parse_options parse = {.version = CS_REGO_V1};
    cs_module *m;
    cr_assert_eq(cs_parse_module(&ast, CS_LIT("f.rego"), cs_slice_of(text), &parse, &m, &errors), CS_OK);
    return cs_compile_modules(&ast, &m, 1, &options, out, &errors);
}

static cs_compiled *compile(const char *text)
{
    cs_compiled *c = NULL;
    cr_assert_eq(try_compile(text, &c), CS_OK);
    return c;
}

static const char *body_of(const cs_compiled *c, uint32_t rule)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_body_print(&b, c->modules[0]->rules[rule]->body);
    const char *text = cs_arena_dup(&arena, b.p, b.n);
    cs_buf_destroy(&b);
    return text;
}

Test(compile, calls_come_before_their_use)
{
    const cs_compiled *c = compile("package a\np if count(input.xs[_]) > 1");
    cr_assert_str_eq(body_of(c, 0), "__local1__ = input.xs[_]; count(__local1__, __local0__); gt(__local0__, 1)");
}

Test(compile, statements_wait_for_their_inputs_and_no_longer)
{
    const cs_compiled *c = compile("package a\np if { x > 1; y = 2; x = input.z; not q(x); z = y }\nq(1)");
    cr_assert_str_eq(body_of(c, 0), "y = 2; x = input.z; not data.a.q(x); z = y; gt(x, 1)");
}

Test(compile, tree_is_sorted_and_numbered)
{
    const cs_compiled *c = compile("package b\nz := 1\na.y := 2\na.x contains 3\np[k] := 1 if some k in [1]");
    const cs_rule_node *b = c->root->children[0];
    cr_assert_eq(c->n_nodes, 7);
    cr_assert_eq(c->root->id, 0);
    cr_assert_eq(b->n_children, 3);
    cs_value path[] = {cs_string(CS_LIT("b")), cs_string(CS_LIT("a")), cs_string(CS_LIT("y"))};
    const cs_rule_node *y = cs_rule_node_at(c, path, 3);
    cr_assert(y && y->n_rules == 1 && y->parent->n_children == 2);
    cr_assert(cs_rule_node_at(c, path, 2)->n_rules == 0);
    cr_assert_null(cs_rule_node_child(b, cs_string(CS_LIT("k"))));
}

Test(compile, dependencies_are_transitive_and_go_through_else)
{
    const cs_compiled *c = compile("package a\np if q\nq := 1 if { false } else := r\nr := 1\ns := 2");
    cs_rule **r = c->modules[0]->rules;
    cr_assert(cs_rule_depends(c, r[0], r[1]));
    cr_assert(cs_rule_depends(c, r[0], r[2]));
    cr_assert(cs_rule_depends(c, r[1]->other, r[2]));
    cr_assert(!cs_rule_depends(c, r[1], r[2]));
    cr_assert(!cs_rule_depends(c, r[0], r[3]));
    cr_assert(!cs_rule_depends(c, r[2], r[0]));
}

Test(compile, known_values_narrow_dependencies)
{
    const cs_compiled *c = compile("package a\np if { some k in [\"q\", \"r\"]; data.a[k] }\nq := 1\nr := 1\ns := p");
    cs_rule **r = c->modules[0]->rules;
    cr_assert(cs_rule_depends(c, r[0], r[1]) && cs_rule_depends(c, r[0], r[2]) && !cs_rule_depends(c, r[0], r[3]));
}

Test(compile, errors_stop_at_the_limit)
{
    cs_compiled *c = NULL;
    cr_assert_eq(try_compile("package a\np if { a; b; c; d; e; f; g; h; i; j; k; l }", &c), CS_ERR_REGO_UNSAFE_VAR);
    cr_assert_eq(errors.n, 11);
    cr_assert(cs_slice_is(errors.v[10].text, "error limit reached"));
}

Test(compile, long_bodies_and_chains)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_text(&b, "package a\nr0 := 1\n");
    for (unsigned i = 1; i <= 20000; i++) {
        cs_buf_printf(&b, "r%u := r%u\n", i, i - 1);
    }
    const cs_compiled *c = compile(cs_buf_cstr(&b));
    cs_rule **r = c->modules[0]->rules;
    cr_assert(cs_rule_depends(c, r[20000], r[0]));
    cr_assert(!cs_rule_depends(c, r[0], r[20000]));
    cs_buf_destroy(&b);
}

/* ---- queries */
static cs_compiled_query query(const cs_compiled *c, cs_ast *own, const char *text)
{
    cs_body body;
    cs_compiled_query q;
    cs_parse_options parse = {.version = CS_REGO_V1};
    cs_ast_init(own, &arena);
    cr_assert_eq(cs_parse_query(own, cs_slice_of(text), &parse, &body, &errors), CS_OK);
    cr_assert_eq(cs_compile_query(own, c, body, NULL, &q, &errors), CS_OK);
    return q;
}

Test(compile, query_names_what_its_author_wrote)
{
    cs_ast own;
    const cs_compiled *c = compile("package a\nf(x) := x");
    cs_compiled_query q = query(c, &own, "y := 1; x = data.a.f(y); some z in [x | true]; z == x; [_, w] = [1, 2]");
    const char *want[] = {"w", "x", "y", "z"};
    cr_assert_eq(q.n_vars, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_str_eq(q.vars[i].name->s, want[i]);
    }
    cr_assert_str_eq(q.vars[1].local->s, "x");
    cr_assert(cs_sym_is_generated(q.vars[2].local));
}

Test(compile, query_values)
{
    cs_ast own;
    const cs_compiled *c = compile("package a\nf(x) := x");
    cs_compiled_query q = query(c, &own, "data.a.f(1) ; x := 2");
    cr_assert_eq(q.n_values, 2);
    cr_assert_eq(q.values[0]->kind, CS_TERM_VAR);
    cr_assert_eq(q.values[1]->kind, CS_TERM_SCALAR);
    cr_assert(cs_slice_is(q.texts[0], "data.a.f(1)"));
    cr_assert(cs_slice_is(q.texts[1], "x := 2"));
    /* One expression without iteration is reported whatever it is; several must be true. */
    cr_assert_eq(query(c, &own, "1 == 2").body.n, 1);
    cr_assert_eq(query(c, &own, "1 == 2; 1 == 1").body.n, 4);
    cr_assert_eq(query(c, &own, "input.x[i]").body.n, 2);
}
