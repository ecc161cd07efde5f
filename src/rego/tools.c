/* The door to what looks at one module's text: formatting, and the tree. */
#include "countersign/format.h"
#include "rego/builtin/builtin.h"
#include "rego/format/format.h"
#include "rego/syntax/parse.h"

static bool is_builtin(cs_slice name)
{
    return cs_builtin_find(name) != NULL;
}

/* ---- formatting */
/* The list, named by the file if it is the layout's. */
static cs_format_result failed(const cs_errors *errors, cs_slice file, cs_buf *out)
{
    if (file.n) {
        cs_buf_slice(out, file);
        cs_buf_text(out, ": ");
    }
    size_t from = out->n;
    cs_errors_print(out, errors);
    cs_slice head = CS_LIT("1 error occurred: ");
    if (errors->n == 1 && errors->v[0].row == 0 && errors->v[0].code == CS_ERR_REGO_PARSE) {
        /* "empty module" is no list, in OPA. */
        memmove(out->p + from, out->p + from + head.n, out->n - from - head.n);
        out->n -= head.n;
    }
    return CS_FORMAT_FAILED;
}

static cs_format_result format_in(cs_ast *ast, cs_slice file, cs_slice text, const cs_format_options *options,
                                  cs_buf *out, cs_errors *errors)
{
    cs_module *m = NULL;
    cs_parse_options reading = {.version = options->read_v0 ? CS_REGO_V0 : CS_REGO_V1,
                                .templates = options->templates,
                                .no_templates = !options->templates,
                                .is_builtin = is_builtin};
    cs_layout layout = {.v1 = options->target != CS_FORMAT_V0,
                        .v0 = options->target != CS_FORMAT_V1,
                        .drop_imports = options->drop_imports,
                        .quote_keywords = options->quote_keywords,
                        .stop_at_changes = options->stop_at_changes};
    if (cs_parse_module(ast, file, text, &reading, &m, errors) != CS_OK ||
        (layout.v1 && cs_layout_check_v1(m, errors) != CS_OK)) {
        return failed(errors, CS_LIT(""), out);
    }
    switch (cs_layout_module(ast, m, &layout, out, errors)) {
    case CS_LAYOUT_DONE:
        break;
    case CS_LAYOUT_CHANGES:
        return CS_FORMAT_CHANGES;
    case CS_LAYOUT_FAILED:
        return failed(errors, file, out);
    }
    return CS_FORMAT_DONE;
}

cs_format_result cs_format(cs_slice file, cs_slice text, const cs_format_options *options, cs_buf *out)
{
    cs_arena arena;
    cs_ast ast;
    cs_errors errors;
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
    cs_buf_clear(out);
    cs_format_result result = format_in(&ast, file, text, options, out, &errors);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return result;
}

bool cs_format_readable(cs_slice file, cs_slice text, const cs_format_options *options, cs_buf *why)
{
    static const cs_rego_version versions[] = {
        [CS_FORMAT_V1] = CS_REGO_V1, [CS_FORMAT_V0] = CS_REGO_V0, [CS_FORMAT_V0_V1] = CS_REGO_V0_V1};
    cs_arena arena;
    cs_ast ast;
    cs_errors errors;
    cs_module *m = NULL;
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
    cs_buf_clear(why);
    cs_parse_options reading = {.version = versions[options->target],
                                .templates = options->templates,
                                .no_templates = !options->templates,
                                .is_builtin = is_builtin};
    bool ok = cs_parse_module(&ast, file, text, &reading, &m, &errors) == CS_OK;
    if (!ok) {
        cs_errors_print(why, &errors);
    }
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return ok;
}

/* ---- trees */
static cs_err parse(cs_ast *ast, cs_slice file, cs_slice text, bool v0, cs_module **out, cs_errors *errors)
{
    cs_parse_options options = {.version = v0 ? CS_REGO_V0 : CS_REGO_V1, .annotations = true, .is_builtin = is_builtin};
    return cs_parse_module(ast, file, text, &options, out, errors);
}

cs_err cs_module_tree(cs_arena *a, cs_slice file, cs_slice text, const cs_tree_options *options, cs_value *out,
                      cs_errors *errors)
{
    cs_ast ast;
    cs_module *m = NULL;
    cs_ast_init(&ast, a);
    CS_TRY(parse(&ast, file, text, options->v0, &m, errors));
    *out = cs_module_to_json_with(a, m, options->places, !options->no_comments);
    return CS_OK;
}

cs_err cs_module_outline(cs_slice file, cs_slice text, const cs_tree_options *options, cs_buf *out, cs_errors *errors)
{
    cs_arena arena;
    cs_ast ast;
    cs_module *m = NULL;
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_err err = parse(&ast, file, text, options->v0, &m, errors);
    if (err == CS_OK) {
        cs_module_print_outline(out, m, !options->no_comments);
    }
    cs_arena_destroy(&arena);
    return err;
}
