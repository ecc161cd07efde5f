/* eval: a query against policies, data and an input, as `opa eval`. */
#include <stdio.h>
#include <string.h>

#include "countersign/json.h"
#include "countersign/base/time.h"
#include "load.h"

typedef struct eval_flags {
    cs_cmd_sources sources;
    const char *input;
    bool stdin_input;
    bool stdin_query;
    const char *format;
    bool fail, fail_defined;
    bool strict_builtin_errors;
    const char *package;
    cs_arg_list imports;
    const char *dump;
    int64_t count;
} eval_flags;

static cs_slice term_text(cs_arena *a, cs_slice s)
{
    return cs_text(cs_string_copy(a, s));
}

/* OPA's result set: [{"expressions": [{value, text, location}], "bindings"?}]. */
static cs_value result_set(cs_arena *a, cs_value answers, const cs_query *query)
{
    cs_value *items = cs_arena_array(a, cs_value, answers.n + 1);
    for (uint32_t i = 0; i < answers.n; i++) {
        cs_value bindings = answers.u.items[i].u.items[0];
        cs_value values = answers.u.items[i].u.items[1];
        cs_value *expressions = cs_arena_array(a, cs_value, values.n + 1);
        for (uint32_t j = 0; j < values.n; j++) {
            cs_query_text text = cs_query_expression(query, j);
            cs_value where = cs_object_new(a, 2);
            cs_object_put_text(a, where, "row", cs_int(text.row));
            cs_object_put_text(a, where, "col", cs_int(text.col));
            expressions[j] = cs_object_new(a, 3);
            cs_object_put_text(a, expressions[j], "value", values.u.items[j]);
            cs_object_put_text(a, expressions[j], "text", cs_string(term_text(a, text.text)));
            cs_object_put_text(a, expressions[j], "location", where);
        }
        items[i] = cs_object_new(a, 2);
        cs_object_put_text(a, items[i], "expressions", cs_array(expressions, values.n));
        if (cs_count(bindings) > 0) {
            cs_object_put_text(a, items[i], "bindings", bindings);
        }
    }
    return cs_array(items, answers.n);
}

static void print_raw(cs_value v)
{
    if (v.kind == CS_STRING) {
        (void)cs_cmd_write(cs_text(v));
        (void)cs_cmd_write(CS_LIT("\n"));
        return;
    }
    cs_cmd_print_json(v, 0);
}

static void print_values(cs_arena *a, cs_value answers, bool bindings)
{
    cs_value *items = cs_arena_array(a, cs_value, answers.n + 1);
    for (uint32_t i = 0; i < answers.n; i++) {
        items[i] = answers.u.items[i].u.items[bindings ? 0 : 1];
    }
    cs_cmd_print_json(cs_array(items, answers.n), CS_JSON_PRETTY);
}

static void print_answers(cs_arena *a, cs_value answers, const cs_query *query, const char *format)
{
    if (strcmp(format, "discard") == 0) {
        cs_value out = cs_object_new(a, 1);
        cs_object_put_text(a, out, "result", cs_string(CS_LIT("discarded")));
        cs_cmd_print_json(out, CS_JSON_PRETTY);
    } else if (strcmp(format, "values") == 0 || strcmp(format, "bindings") == 0) {
        print_values(a, answers, strcmp(format, "bindings") == 0);
    } else if (strcmp(format, "raw") == 0) {
        for (uint32_t i = 0; i < answers.n; i++) {
            cs_value values = answers.u.items[i].u.items[1];
            for (uint32_t j = 0; j < values.n; j++) {
                print_raw(values.u.items[j]);
            }
        }
    } else if (strcmp(format, "pretty") == 0 && answers.n == 1 && cs_count(answers.u.items[0].u.items[0]) == 0) {
        cs_value values = answers.u.items[0].u.items[1];
        cs_cmd_print_json(values.n == 1 ? values.u.items[0] : values, CS_JSON_PRETTY);
    } else if (strcmp(format, "pretty") == 0 && answers.n == 0) {
        (void)cs_cmd_write(CS_LIT("undefined\n"));
    } else {
        cs_value out = cs_object_new(a, 1);
        if (answers.n) {
            cs_object_put_text(a, out, "result", result_set(a, answers, query));
        }
        cs_cmd_print_json(out, CS_JSON_PRETTY);
    }
}

static int evaluate(const eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, cs_errors *errors)
{
    cs_arena a;
    cs_error e = {0};
    bool json = strcmp(f->format, "json") == 0;
    int status = 2;
    cs_query *query = NULL;
    cs_arena_init(&a, cs_limits_get()->eval_memory);
    cs_query_options options = {.package = cs_slice_of(f->package),
                                .imports = cs_cmd_slices(&a, &f->imports),
                                .n_imports = f->imports.n,
                                .keep_print = true};
    cs_eval eval = {.arena = &a, .data = loaded->data, .strict = f->strict_builtin_errors};
    cs_value answers = cs_undefined();
    cs_err err = CS_OK;
    if (f->input || f->stdin_input) {
        err = cs_cmd_read_value(&a, f->input ? f->input : "-", &eval.input, &e);
    }
    if (err == CS_OK) {
        err = cs_query_prepare(loaded->policy, text, &options, &query, errors);
    }
    for (int64_t i = 0; i < f->count && err == CS_OK; i++) {
        err = cs_query_run(query, &eval, &answers, &e);
    }
    if (err != CS_OK) {
        cs_cmd_report(errors, &e, json);
    } else {
        print_answers(&a, answers, query, f->format);
        bool defined = answers.n > 0;
        status = (f->fail && !defined) || (f->fail_defined && defined) ? 1 : 0;
    }
    cs_query_release(query);
    cs_arena_destroy(&a);
    return status;
}

static void dump(const eval_flags *f, const cs_policy *policy)
{
    unsigned what = (strstr(f->dump, "ast") ? (unsigned)CS_DUMP_AST : 0U) |
                    (strstr(f->dump, "code") ? (unsigned)CS_DUMP_CODE : 0U) |
                    (strstr(f->dump, "ir") ? (unsigned)CS_DUMP_IR : 0U);
    cs_buf text;
    cs_buf_init(&text);
    cs_policy_dump(&text, policy, what);
    fprintf(stderr, "%s", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
}

static int load_and_evaluate(const eval_flags *f, cs_slice text)
{
    cs_cmd_loaded loaded;
    cs_errors errors;
    cs_error e = {0};
    int status = 2;
    cs_errors_init(&errors);
    if (cs_cmd_load(&f->sources, &loaded, &errors, &e) != CS_OK) {
        cs_cmd_report(&errors, &e, strcmp(f->format, "json") == 0);
    } else {
        if (f->dump[0]) {
            dump(f, loaded.policy);
        }
        status = evaluate(f, &loaded, text, &errors);
    }
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    return status;
}

int cs_cmd_eval(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    eval_flags f = {.format = "json", .package = "", .dump = "", .count = 1, .sources = {.keep_print = true}};
    cs_arg args[] = {
        {"data", 'd', CS_ARG_LIST, &f.sources.data, NULL, "file or folder with policy or data", NULL},
        {"bundle", 'b', CS_ARG_LIST, &f.sources.bundles, NULL, "bundle file or folder", NULL},
        {"input", 'i', CS_ARG_STRING, &f.input, NULL, "file with the input document", NULL},
        {"stdin-input", 'I', CS_ARG_BOOL, &f.stdin_input, NULL, "read the input document from standard input", NULL},
        {"stdin", 0, CS_ARG_BOOL, &f.stdin_query, NULL, "read the query from standard input", NULL},
        {"format", 'f', CS_ARG_ENUM, &f.format, "json|values|bindings|pretty|raw|discard", "form of the output", NULL},
        {"fail", 0, CS_ARG_BOOL, &f.fail, NULL, "exit status 1 if the query is undefined", NULL},
        {"fail-defined", 0, CS_ARG_BOOL, &f.fail_defined, NULL, "exit status 1 if the query is defined", NULL},
        {"strict", 'S', CS_ARG_BOOL, &f.sources.strict, NULL, "compile in strict mode", NULL},
        {"strict-builtin-errors", 0, CS_ARG_BOOL, &f.strict_builtin_errors, NULL,
         "the first built-in error ends the evaluation", NULL},
        {"package", 0, CS_ARG_STRING, &f.package, NULL, "package of the query", NULL},
        {"import", 0, CS_ARG_LIST, &f.imports, NULL, "import of the query", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.sources.ignore, NULL, "patterns of files to leave out", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &f.sources.v0, NULL, "modules are Rego v0", NULL},
        {"count", 0, CS_ARG_INT, &f.count, NULL, "evaluate that many times", NULL},
        {"dump", 0, CS_ARG_STRING, &f.dump, NULL, "print ast, ir, code (commas) on standard error", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0) {
        if (rest.n != 1 && !f.stdin_query) {
            status = cs_cmd_fail("specify exactly one query");
        } else {
            status = load_and_evaluate(&f, cs_slice_of(rest.v[0]));
        }
    }
    cs_arena_destroy(&a);
    return status;
}
