/* parse: the tree of a module. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/format.h"
#include "countersign/json.h"

/* "locations,-comments": the last word for each counts. */
static void includes(const char *text, cs_tree_options *options)
{
    cs_slice rest = cs_slice_of(text), word;
    while (cs_slice_next(&rest, ',', &word)) {
        bool on = !cs_slice_starts(word, CS_LIT("-"));
        if (cs_slice_ends(word, CS_LIT("locations"))) {
            options->places = on;
        }
        if (cs_slice_ends(word, CS_LIT("comments"))) {
            options->no_comments = !on;
        }
    }
}

static cs_value field(cs_value object, const char *name)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v ? *v : cs_undefined();
}

static cs_value copy_fields(cs_arena *a, cs_value object, const char *const *names, size_t n)
{
    cs_value o = cs_object_new(a, (uint32_t)n + 1);
    for (size_t i = 0; i < n; i++) {
        cs_value v = field(object, names[i]);
        if (!cs_is_undefined(v)) {
            cs_object_put_text(a, o, names[i], v);
        }
    }
    return o;
}

/* The list in the order of OPA's fields, on standard error. */
static void print_errors(cs_arena *a, const cs_errors *errors, bool places)
{
    static const char *const names[] = {"message", "code", "location", "details"};
    static const char *const place[] = {"file", "row", "col"};
    cs_value list = cs_errors_to_json(a, errors), out = cs_object_new(a, 1);
    cs_value *items = cs_arena_array(a, cs_value, errors->n + 1);
    for (size_t i = 0; i < errors->n; i++) {
        items[i] = copy_fields(a, list.u.items[i], names, sizeof names / sizeof *names);
        cs_value at = field(items[i], "location");
        if (!cs_is_undefined(at)) {
            at = copy_fields(a, at, place, sizeof place / sizeof *place);
            if (places && errors->v[i].source.n) {
                cs_slice text = cs_base64_encode(a, errors->v[i].source, CS_BASE64_STD);
                cs_object_put_text(a, at, "text", cs_string(text));
            }
            cs_object_put_text(a, items[i], "location", at);
        }
    }
    cs_object_put_text(a, out, "errors", cs_array(items, errors->n));
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, out, CS_JSON_PRETTY | CS_JSON_HTML | CS_JSON_AS_MADE);
    fprintf(stderr, "%s\n", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
}

static cs_err print_tree(cs_arena *a, const char *path, cs_slice text, const cs_tree_options *options, bool json,
                         cs_buf *out, cs_errors *errors)
{
    cs_slice file = cs_slice_of(path);
    if (!json) {
        return cs_module_outline(file, text, options, out, errors);
    }
    cs_value tree;
    CS_TRY(cs_module_tree(a, file, text, options, &tree, errors));
    cs_json_write(out, tree, CS_JSON_PRETTY | CS_JSON_HTML | CS_JSON_AS_MADE);
    cs_buf_byte(out, '\n');
    return CS_OK;
}

/* The system's reason at the end begins with a small letter in Go. */
static cs_slice go_text(char *text)
{
    char *why = strrchr(text, ':');
    if (why && why[1] == ' ' && why[2] >= 'A' && why[2] <= 'Z') {
        why[2] = (char)(why[2] + 32);
    }
    return cs_slice_of(text);
}

static int parse_file(cs_arena *a, const char *path, const cs_tree_options *options, bool json)
{
    cs_buf text, out;
    cs_errors errors;
    cs_error e = {0};
    int status = 0;
    cs_buf_init(&text);
    cs_buf_init(&out);
    cs_errors_init(&errors);
    if (cs_file_read(path, cs_limits_get()->rego_bytes, &text, &e) != CS_OK) {
        cs_json_write_string(&out, go_text(e.text), CS_JSON_HTML);
        fprintf(stderr, "{\n  \"errors\": [\n    {\n      \"message\": %s\n    }\n  ]\n}\n", cs_buf_cstr(&out));
        status = 1;
    } else if (print_tree(a, path, cs_buf_view(&text), options, json, &out, &errors) == CS_OK) {
        status = cs_cmd_write(cs_buf_view(&out)) ? 0 : 1;
    } else {
        print_errors(a, &errors, options->places);
        status = 1;
    }
    cs_errors_destroy(&errors);
    cs_buf_destroy(&out);
    cs_buf_destroy(&text);
    return status;
}

int cs_cmd_parse(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_tree_options options = {0};
    const char *format = "pretty", *include = "";
    bool v1 = false;
    cs_arg args[] = {
        {"format", 'f', CS_ARG_ENUM, &format, "pretty|json", "form of the output", NULL},
        {"json-include", 0, CS_ARG_STRING, &include, NULL,
         "parts to put in or to leave out: locations, comments; a minus in front leaves out", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &options.v0, NULL, "the module is Rego v0", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &v1, NULL, "the module is Rego v1", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0 && rest.n == 0) {
        status = cs_args_wrong("no source file specified");
    }
    if (status < 0) {
        includes(include, &options);
        status = parse_file(&a, rest.v[0], &options, strcmp(format, "json") == 0);
    }
    cs_arena_destroy(&a);
    return status;
}
