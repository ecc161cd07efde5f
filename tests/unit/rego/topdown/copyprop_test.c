/* Copy propagation with the answers of OPA 1.22.2 (copyprop.txt): each line is live variables|body|body that is left.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/file.h"
#include "rego/topdown/topdown.h"

static bool right(cs_slice live, cs_slice text, cs_slice want)
{
    cs_arena arena;
    cs_ast ast;
    cs_errors errors;
    cs_body body;
    cs_buf got;
    const cs_sym *names[8];
    cs_slice name;
    cs_copyprop_options options = {.live = names};
    cs_parse_options parse = {.version = CS_REGO_V1};
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
    cs_buf_init(&got);
    while (cs_slice_next(&live, ' ', &name)) {
        if (name.n) {
            names[options.n_live++] = cs_sym_get(&ast, name);
        }
    }
    cr_assert_eq(cs_parse_query(&ast, text, &parse, &body, &errors), CS_OK, "%.*s", CS_FMT(text));
    cs_body_print(&got, cs_copy_propagate(&ast, body, &options));
    bool same = cs_slice_eq(cs_buf_view(&got), want);
    if (!same) {
        fprintf(stderr, "%.*s\n  got  %s\n  want %.*s\n", CS_FMT(text), cs_buf_cstr(&got), CS_FMT(want));
    }
    cs_buf_destroy(&got);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return same;
}

Test(copyprop, as_opa)
{
    cs_buf file;
    cs_buf_init(&file);
    cr_assert_eq(cs_file_read("tests/unit/rego/topdown/copyprop.txt", 1 << 20, &file, NULL), CS_OK);
    cs_slice rest = cs_buf_view(&file), line;
    int wrong = 0;
    while (cs_slice_next(&rest, '\n', &line)) {
        cs_slice live, text;
        if (cs_slice_next(&line, '|', &live) && cs_slice_next(&line, '\t', &text)) {
            wrong += !right(live, text, line);
        }
    }
    cr_assert_eq(wrong, 0);
    cs_buf_destroy(&file);
}

/* What is put in twice doubles: the body stays as it is before that gets out of hand. */
Test(copyprop, bounded)
{
    cs_arena arena;
    cs_ast ast;
    cs_errors errors;
    cs_body body;
    cs_buf text;
    cs_copyprop_options options = {0};
    cs_parse_options parse = {.version = CS_REGO_V1};
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
    cs_buf_init(&text);
    cs_buf_text(&text, "x0 = input.x");
    for (int i = 1; i < 60; i++) {
        cs_buf_printf(&text, "; plus(x%d, x%d, x%d)", i - 1, i - 1, i);
    }
    cs_buf_text(&text, "; x59 > 1");
    cr_assert_eq(cs_parse_query(&ast, cs_buf_view(&text), &parse, &body, &errors), CS_OK);
    cr_assert_eq(cs_copy_propagate(&ast, body, &options).n, body.n);
    cs_buf_destroy(&text);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
}
