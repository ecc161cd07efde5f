/* capabilities: what policies may use with this build, or what a file allows. The document is written as OPA writes its
 * struct: members in its order, empty ones left out. */
#include "countersign/capabilities.h"
#include "granted.h"
#include "load.h"

static void put(cs_json_text *t, cs_value from, const char *key)
{
    const cs_value *v = cs_object_get_text(from, key);
    bool empty = !v || v->kind == CS_NULL || (v->kind == CS_STRING && v->n == 0) ||
                 (v->kind == CS_ARRAY && v->n == 0) || (v->kind == CS_BOOL && !cs_truthy(*v));
    if (!empty) {
        cs_json_put(t, key, *v);
    }
}

static void put_builtins(cs_json_text *t, cs_value list)
{
    static const char *const keys[] = {"name",  "description", "categories", "decl",
                                       "infix", "relation",    "deprecated", "nondeterministic"};
    cs_json_key(t, "builtins");
    cs_json_open(t, '[');
    for (uint32_t i = 0; i < list.n; i++) {
        cs_json_open(t, '{');
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            put(t, list.u.items[i], keys[k]);
        }
        cs_json_close(t);
    }
    cs_json_close(t);
}

static void put_abi_versions(cs_json_text *t, cs_value list)
{
    cs_json_key(t, "wasm_abi_versions");
    cs_json_open(t, '[');
    for (uint32_t i = 0; i < list.n; i++) {
        cs_json_open(t, '{');
        put(t, list.u.items[i], "version");
        put(t, list.u.items[i], "minor_version");
        cs_json_close(t);
    }
    cs_json_close(t);
}

void cs_cmd_put_capabilities(cs_json_text *t, cs_value document)
{
    cs_json_open(t, '{');
    const cs_value *list = cs_object_get_text(document, "builtins");
    if (list && list->kind == CS_ARRAY && list->n) {
        put_builtins(t, *list);
    }
    put(t, document, "future_keywords");
    list = cs_object_get_text(document, "wasm_abi_versions");
    if (list && list->kind == CS_ARRAY && list->n) {
        put_abi_versions(t, *list);
    }
    put(t, document, "features");
    put(t, document, "allow_net");
    cs_json_close(t);
}

static bool print_document(cs_value document)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_json_text t = {.out = &out, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
    cs_cmd_put_capabilities(&t, document);
    cs_buf_byte(&out, '\n');
    bool ok = cs_cmd_write(cs_buf_view(&out));
    cs_buf_destroy(&out);
    return ok;
}

static int print_file(cs_arena *a, const char *path)
{
    cs_error e;
    cs_value document;
    if (cs_cmd_read_value(a, path, &document, &e) != CS_OK || document.kind != CS_OBJECT) {
        return 1; /* without a word, as OPA's command ends */
    }
    return print_document(document) ? 0 : 1;
}

static int print_versions(void)
{
    size_t n;
    const char *const *versions = cs_capabilities_versions(&n);
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        ok = ok && cs_cmd_write(cs_slice_of(versions[i])) && cs_cmd_write(CS_LIT("\n"));
    }
    return ok ? 0 : 1;
}

int cs_cmd_capabilities(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    bool current = false, v0 = false;
    const char *file = NULL, *version = NULL;
    cs_arg args[] = {
        {"current", 0, CS_ARG_BOOL, &current, NULL, "print current capabilities", NULL},
        {"file", 0, CS_ARG_STRING, &file, NULL, "print capabilities defined by a file", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &v0, NULL, "those of a policy language before 1.0", NULL},
        {"version", 0, CS_ARG_STRING, &version, NULL, "print capabilities of a version", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status >= 0) {
        /* --help or a wrong flag */
    } else if (version && *version) {
        cs_value document = cs_capabilities_of_version(&a, cs_slice_of(version));
        status = cs_is_undefined(document) ? 1 : !print_document(document);
    } else if (file && *file) {
        status = print_file(&a, file);
    } else if (current) {
        status = !print_document(cs_rego_capabilities(&a, v0));
    } else {
        status = print_versions();
    }
    cs_arena_destroy(&a);
    return status;
}
