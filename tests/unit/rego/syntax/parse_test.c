/* Texts with what OPA 1.22.2 makes of them (cases.jsonl): the AST JSON and the printed module, or the printed query, or
 * the errors with places and caret lines. Many are small modules with one thing wrong. */
#include <criterion/criterion.h>

#include "countersign/base/file.h"
#include "countersign/json.h"
#include "rego/syntax/parse.h"

static cs_value field(cs_value object, const char *name)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v ? *v : cs_undefined();
}

static bool is_builtin(cs_slice name)
{
    return cs_slice_is(name, "contains") || cs_slice_is(name, "count");
}

static const cs_rego_version VERSIONS[] = {CS_REGO_V0, CS_REGO_V1, CS_REGO_V2, CS_REGO_V0_V1};

static cs_value printed(cs_arena *a, cs_buf *b)
{
    cs_value v = cs_string_copy(a, cs_buf_view(b));
    cs_buf_clear(b);
    return v;
}

/* As the case has it in `want`. */
static cs_value parse(cs_arena *a, cs_value c, cs_errors *errors)
{
    cs_ast ast;
    cs_ast_init(&ast, a);
    cs_parse_options options = {
        .version = VERSIONS[field(c, "version").u.i], .annotations = true, .is_builtin = is_builtin};
    cs_slice text = cs_text(field(c, "text"));
    cs_value out = cs_undefined();
    cs_buf b;
    cs_buf_init(&b);
    if (!cs_is_undefined(field(c, "query"))) {
        cs_body body = {0};
        if (cs_parse_query(&ast, text, &options, &body, errors) == CS_OK) {
            cs_body_print(&b, body);
            out = printed(a, &b);
        }
    } else {
        cs_module *m;
        if (cs_parse_module(&ast, CS_LIT("f.rego"), text, &options, &m, errors) == CS_OK) {
            out = cs_module_to_json(a, m);
            if (!cs_is_undefined(field(field(c, "want"), "print"))) {
                cs_module_print(&b, m);
                cs_object_put_text(a, out, "print", printed(a, &b));
            }
        }
    }
    cs_buf_destroy(&b);
    return cs_is_undefined(out) ? cs_errors_to_json(a, errors) : out;
}

static void check(cs_arena *a, cs_slice line)
{
    cs_value c;
    cs_error e = {0};
    cr_assert_eq(cs_json_read(a, line, NULL, &c, NULL, &e), CS_OK, "%s", e.text);
    cs_errors errors;
    cs_errors_init(&errors);
    cs_value got = parse(a, c, &errors);
    if (!cs_equal(got, field(c, "want"))) {
        cs_buf ours, theirs;
        cs_buf_init(&ours);
        cs_buf_init(&theirs);
        cs_json_write(&ours, got, 0);
        cs_json_write(&theirs, field(c, "want"), 0);
        cr_expect_fail("%.*s\n got %s\nwant %s", CS_FMT(cs_text(field(c, "text"))), cs_buf_cstr(&ours),
                       cs_buf_cstr(&theirs));
        cs_buf_destroy(&ours);
        cs_buf_destroy(&theirs);
    }
    cs_errors_destroy(&errors);
}

Test(parse, as_opa)
{
    cs_buf file;
    cs_error e = {0};
    cs_buf_init(&file);
    cr_assert_eq(cs_file_read("tests/unit/rego/syntax/cases.jsonl", 1U << 24, &file, &e), CS_OK, "%s", e.text);
    cs_slice rest = cs_buf_view(&file), line;
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = 0;
    while (cs_slice_next(&rest, '\n', &line)) {
        if (line.n) {
            check(&a, line);
            n++;
        }
        cs_arena_reset(&a);
    }
    cr_expect_gt(n, 500);
    cs_arena_destroy(&a);
    cs_buf_destroy(&file);
}
