/* The tree: order, copies, names, values; limits of the parser; lists of errors. */
#include <criterion/criterion.h>

#include "countersign/json.h"
#include "rego/syntax/annotate.h"
#include "rego/syntax/parse.h"

static cs_arena arena;
static cs_ast ast;
static cs_errors errors;
static cs_buf out;

static void start(void)
{
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
    cs_buf_init(&out);
}

static void stop(void)
{
    cs_buf_destroy(&out);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
}

TestSuite(tree, .init = start, .fini = stop);

static cs_term *term(const char *text)
{
    cs_term *t = NULL;
    const char *in_brackets = cs_arena_printf(&arena, NULL, "[%s]", text); /* a call alone would be a statement */
    cr_assert_eq(cs_parse_term(&ast, cs_slice_of(in_brackets), &t, &errors), CS_OK, "%s", text);
    return t->u.list.v[0];
}

static cs_module *module_of(const char *text)
{
    cs_module *m = NULL;
    cs_parse_options options = {.version = CS_REGO_V1, .annotations = true};
    cs_err err = cs_parse_module(&ast, CS_LIT("f.rego"), cs_slice_of(text), &options, &m, &errors);
    cs_errors_print(&out, &errors);
    cr_assert_eq(err, CS_OK, "%s", cs_buf_cstr(&out));
    cs_buf_clear(&out);
    return m;
}

static void expect_print(const cs_term *t, const char *want)
{
    cs_buf_clear(&out);
    cs_term_print(&out, t);
    cr_expect_str_eq(cs_buf_cstr(&out), want);
}

Test(tree, sets_and_objects_are_ordered)
{
    expect_print(term("{3, \"a\", 1.0, 1, x, [2], null, {1}, {\"k\": 1}, f(x), data.a, [y | y]}"),
                 "{null, 1.0, 3, \"a\", x, data.a, [2], {\"k\": 1}, {1}, [y | y], f(x)}");
    expect_print(term("{\"b\": 1, \"a\": 2, \"a\": 3, 1: 4}"), "{1: 4, \"a\": 2, \"a\": 3, \"b\": 1}");
    cs_term *big = term("{9, 8, 7, 6, 5, 4, 3, 2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}");
    cr_expect_eq(big->u.list.n, 10);
    for (uint32_t i = 0; i < 10; i++) {
        cr_expect_eq(big->u.list.v[i]->u.value.u.i, i);
    }
    cs_term *t = term("{\"a\": 1, \"b\": 2}");
    t->u.list.v[0] = term("\"c\"");
    cs_term_sort(&arena, t);
    expect_print(t, "{\"b\": 2, \"c\": 1}");
}

Test(tree, comparing)
{
    static const char *const ordered[] = {
        "null", "false",  "true", "-1",         "1",          "\"a\"",  "$\"{1}\"", "x",          "y",       "data.a",
        "[1]",  "[1, 2]", "[2]",  "{\"a\": 1}", "{\"a\": 2}", "{1, 2}", "[x | x]",  "{x: 1 | x}", "{x | x}", "-x"};
    size_t n = sizeof ordered / sizeof *ordered;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            int c = cs_term_compare(term(ordered[i]), term(ordered[k]));
            cr_expect((c < 0) == (i < k) && (c == 0) == (i == k), "%s and %s: %d", ordered[i], ordered[k], c);
        }
    }
    cr_expect(cs_term_equal(term("{1.0: [x, 2]}"), term("{1: [x, 2.0]}")));
}

Test(tree, copies_share_nothing)
{
    cs_module *m = module_of("package a\np := {x: y | some x, y in f(1)} if { every k in [1] { k with input as 2 } } "
                             "else := $\"a{1}{x}\"\n");
    cs_rule *copy = cs_rule_copy(&ast, m->rules[0]);
    cs_rule_print(&out, m->rules[0]);
    cs_buf again;
    cs_buf_init(&again);
    cs_rule_print(&again, copy);
    cr_expect_str_eq(cs_buf_cstr(&out), cs_buf_cstr(&again));
    copy->body.v[0]->u.every.body.v[0]->with[0].value->u.value = cs_int(3);
    copy->other->head.value->u.list.v[2]->u.var = cs_sym_get(&ast, CS_LIT("changed"));
    cs_buf_clear(&again);
    cs_rule_print(&again, m->rules[0]);
    cr_expect_str_eq(cs_buf_cstr(&out), cs_buf_cstr(&again));
    cs_buf_destroy(&again);
}

Test(tree, asking)
{
    cr_expect(cs_term_is_ground(term("[1, data.a, {input.b}]")));
    cr_expect(!cs_term_is_ground(term("[1, x]")));
    cr_expect(!cs_term_is_ground(term("data.a[x]")));
    cr_expect(cs_term_is_ground(term("[x | x := 1]")));
    cr_expect_eq(cs_ref_ground_prefix(term("data.a.b[x].c")), 3);
    cr_expect_eq(cs_ref_ground_prefix(term("data.a.b")), 3);
    cr_expect(cs_ref_is(cs_term_operator(&ast, "io.jwt.decode", (cs_loc){0}), "io.jwt.decode"));
    cr_expect(!cs_ref_is(term("data.a"), "data") && !cs_ref_is(term("data.a"), "data.a.b"));
    cr_expect(cs_slice_is(cs_ref_name(&arena, term("data.a.b")), "data.a.b"));
    cr_expect_eq(cs_ref_name(&arena, term("data.a[1]")).n, 0);
    cr_expect_eq(cs_sym_get(&ast, CS_LIT("data")), ast.data);
    cr_expect_eq(cs_sym_printf(&ast, "__local%d__", 7), cs_sym_get(&ast, CS_LIT("__local7__")));
    cr_expect(cs_sym_is_generated(cs_sym_get(&ast, CS_LIT("__local7__"))));
    cr_expect(cs_sym_is_wildcard(term("_")->u.var));
}

Test(tree, many_names)
{
    const cs_sym *first[1000];
    for (int i = 0; i < 1000; i++) {
        first[i] = cs_sym_printf(&ast, "name_%d", i);
    }
    for (int i = 0; i < 1000; i++) {
        cr_expect_eq(first[i], cs_sym_printf(&ast, "name_%d", i));
    }
}

Test(tree, values)
{
    cs_value v;
    cr_assert_eq(cs_rego_parse_value(&arena, CS_LIT("{\"a\": [1, {2, 3}, set()], 4: null}"), &v, &errors), CS_OK);
    cs_value_print(&out, v);
    cr_expect_str_eq(cs_buf_cstr(&out), "{4: null, \"a\": [1, {2, 3}, set()]}");
    expect_print(cs_term_from_value(&ast, v, (cs_loc){0}), "{4: null, \"a\": [1, {2, 3}, set()]}");
    cr_expect_eq(cs_rego_parse_value(&arena, CS_LIT("[x]"), &v, &errors), CS_ERR_REGO_PARSE);
    cr_expect_eq(cs_rego_parse_value(&arena, CS_LIT("1; 2"), &v, &errors), CS_ERR_REGO_PARSE);
    cr_expect_eq(cs_rego_parse_value(&arena, CS_LIT(""), &v, &errors), CS_ERR_REGO_PARSE);
    cr_expect_eq(cs_rego_parse_value(&arena, CS_LIT("1 with input as 2"), &v, &errors), CS_ERR_REGO_PARSE);
}

Test(tree, bodies_grow)
{
    cs_body b = {0};
    for (uint32_t i = 0; i < 100; i++) {
        cs_body_append(&ast, &b, cs_expr_term(&ast, cs_term_scalar(&ast, cs_int(i), (cs_loc){0}), (cs_loc){0}));
    }
    for (uint32_t i = 0; i < 100; i++) {
        cr_expect(b.v[i]->index == i && b.v[i]->u.term->u.value.u.i == i);
    }
}

Test(tree, places)
{
    cs_module *m = module_of("package a\n\np := \"é\" if { x := [1,\n  2]; y }\n");
    const cs_rule *r = m->rules[0];
    cr_expect(r->loc.row == 3 && r->loc.col == 1);
    const cs_expr *y = r->body.v[1];
    cr_expect(y->loc.row == 4 && y->loc.col == 7 && y->loc.length == 1);
    const cs_term *array = r->body.v[0]->u.call.v[2];
    cr_expect(array->loc.row == 3 && array->loc.col == 20 && array->loc.length == 8, "%u %u %u", array->loc.row,
              array->loc.col, array->loc.length);
}

/* ---- limits */
static void repeat(const char *head, const char *open, const char *middle, const char *close, int n)
{
    cs_buf_clear(&out);
    cs_buf_text(&out, head);
    for (int i = 0; i < n; i++) {
        cs_buf_text(&out, open);
    }
    cs_buf_text(&out, middle);
    for (int i = 0; i < n; i++) {
        cs_buf_text(&out, close);
    }
}

static void expect_too_deep(const char *head, const char *open, const char *middle, const char *close)
{
    cs_module *m;
    cs_errors_clear(&errors);
    repeat(head, open, middle, close, 40000);
    cs_parse_options options = {.version = CS_REGO_V2};
    cr_expect_eq(cs_parse_module(&ast, CS_LIT("f"), cs_buf_view(&out), &options, &m, &errors), CS_ERR_REGO_PARSE, "%s",
                 open);
    cr_assert_eq(errors.n, 1, "%s: %zu", open, errors.n);
    cr_expect(cs_slice_is(errors.v[0].text, "max parsing recursion depth exceeded"), "%s: %s", open,
              errors.v[0].text.p);
}

Test(tree, depth_is_limited)
{
    expect_too_deep("package a\np := ", "[", "1", "]");
    expect_too_deep("package a\np := ", "{", "1", "}");
    expect_too_deep("package a\np := ", "(", "1", ")");
    expect_too_deep("package a\np := ", "f(", "1", ")");
    expect_too_deep("package a\np := ", "a[", "1", "]");
    expect_too_deep("package a\np := ", "{\"a\": ", "1", "}");
    expect_too_deep("package a\np := ", "[x | x := ", "1", "]");
    expect_too_deep("package a\np := ", "$\"{", "1", "}\"");
    expect_too_deep("package a\np := 1", "", "", " + 1");
    expect_too_deep("package a\np := 1", "", "", " in xs");
    expect_too_deep("package a\np := f", "", "", "(x).y");
    expect_too_deep("package a\np := 1 if false", "", "", " else := 2 if false");
    expect_too_deep("package a\np if ", "every x in xs { ", "x", " }");
    expect_too_deep("package a\np if ", "not {", "x", "}");
    expect_too_deep("package a\np if ", "not (", "x", ")");
    expect_too_deep("package a\np if x", "", "", " and x");
}

/* Nesting that has to be read twice at every level takes time in proportion, not for each level twice as long. */
Test(tree, speculation_is_linear)
{
    cs_module *m;
    repeat("package a\np := ", "{", "x", " + 1}", 500);
    cr_expect_eq(cs_parse_module(&ast, CS_LIT("f"), cs_buf_view(&out), NULL, &m, &errors), CS_OK);
    repeat("package a\np := ", "{x: ", "x", " + 1}", 500);
    cr_expect_eq(cs_parse_module(&ast, CS_LIT("f"), cs_buf_view(&out), NULL, &m, &errors), CS_OK);
    repeat("package a\np := ", "[1 | ", "x", ", 1]", 500);
    cr_expect_eq(cs_parse_module(&ast, CS_LIT("f"), cs_buf_view(&out), NULL, &m, &errors), CS_OK);
}

Test(tree, memory_is_limited)
{
    cs_arena small;
    cs_arena_init(&small, 1 << 16);
    cs_ast other;
    cs_ast_init(&other, &small);
    cs_module *m;
    repeat("package a\n", "p contains [1, 2, 3]\n", "", "", 5000);
    cr_expect_neq(cs_parse_module(&other, CS_LIT("f"), cs_buf_view(&out), NULL, &m, &errors), CS_OK);
    cr_expect_gt(errors.n, 0);
    cs_arena_destroy(&small);
}

/* ---- annotations */
Test(tree, annotations)
{
    cs_module *m = module_of("# METADATA\n# title: A\npackage a\n\n# METADATA\n# scope: document\n# title: D\n\n"
                             "# METADATA\n# title: R\n# custom:\n#   k: 1\np := 1 if x\n\np := 2 if y\n");
    cr_assert_eq(m->n_annotations, 3);
    cr_expect(cs_slice_is(m->annotations[0].scope, "package"));
    cr_assert_eq(m->rules[0]->n_annotations, 2);
    const cs_annotation *r = &m->rules[0]->annotations[1];
    cr_expect(cs_slice_is(r->scope, "rule") && r->loc.row == 9 && r->end_row == 12);
    cr_expect(cs_slice_is(cs_text(cs_annotation_get(r, "title")), "R"));
    cr_expect(cs_is_undefined(cs_annotation_get(r, "description")));
    cr_assert_eq(m->rules[1]->n_annotations, 1);
    cr_expect(cs_slice_is(m->rules[1]->annotations[0].scope, "document"));
}

/* ---- lists of errors */
Test(tree, errors_print_as_opa)
{
    cs_module *m;
    cs_errors_print(&out, &errors);
    cr_expect_str_eq(cs_buf_cstr(&out), "no error(s)");
    (void)cs_parse_module(&ast, CS_LIT("f.rego"), CS_LIT("package a\n\t\tp := [1\n"), NULL, &m, &errors);
    cs_buf_clear(&out);
    cs_errors_print(&out, &errors);
    cr_expect_str_eq(
        cs_buf_cstr(&out),
        "2 errors occurred:\nf.rego:3: rego_parse_error: unexpected eof token: expected \",\" or \"]\"\n"
        "\tp := [1\n\t      ^\nf.rego:3: rego_parse_error: unexpected eof token: expected rule value term (e.g., p := "
        "<VALUE> { ... })\n\tp := [1\n\t      ^");
    cs_errors_clear(&errors);
    (void)cs_errors_add(&errors, CS_ERR_REGO_TYPE, CS_LIT(""), 2, 3, CS_LIT("left : x\nright : y"), "match %s",
                        "error");
    cs_errors_set_details_json(&errors, CS_LIT("{\"a\": 1}"));
    (void)cs_errors_add(&errors, CS_ERR_REGO_COMPILE, CS_LIT("b"), 1, 1, CS_LIT(""), "second");
    (void)cs_errors_add(&errors, CS_ERR_REGO_COMPILE, CS_LIT("b"), 1, 1, CS_LIT(""), "first");
    (void)cs_errors_add(&errors, CS_ERR_REGO_COMPILE, CS_LIT("a"), 9, 1, CS_LIT(""), "third");
    (void)cs_errors_add(&errors, CS_ERR_REGO_COMPILE, CS_LIT(""), 0, 0, CS_LIT(""), "error limit reached");
    cs_errors_sort(&errors);
    cs_buf_clear(&out);
    cs_errors_print(&out, &errors);
    cr_expect_str_eq(cs_buf_cstr(&out),
                     "5 errors occurred:\n2:3: rego_type_error: match error\n\tleft : x\n\tright : y\n"
                     "a:9: rego_compile_error: third\nb:1: rego_compile_error: second\n"
                     "b:1: rego_compile_error: first\nrego_compile_error: error limit reached");
    cs_buf_clear(&out);
    cs_json_write(&out, cs_errors_to_json(&arena, &errors), 0);
    cr_expect(
        cs_slice_starts(cs_buf_view(&out), CS_LIT("[{\"code\":\"rego_type_error\",\"details\":{\"a\":1},\"location\":"
                                                  "{\"col\":3,\"file\":\"\",\"row\":2},\"message\":\"match error\"},")),
        "%s", cs_buf_cstr(&out));
}

/* Messages quote the text, which may be no UTF-8. */
Test(tree, errors_are_valid_utf8)
{
    cs_module *m;
    (void)cs_parse_module(&ast, CS_LIT("f"), CS_LIT("package a\np := \"\xff\\q\"\n"), NULL, &m, &errors);
    cr_assert_gt(errors.n, 0);
    cs_json_write(&out, cs_errors_to_json(&arena, &errors), 0);
    cr_expect(memchr(out.p, 0xff, out.n) == NULL);
}
