/* Modules and data from the command line, for the engine's commands. */
#include "load.h"
#include "problem.h"

#include <stdio.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "countersign/yaml.h"

typedef struct gathered {
    CS_VEC(cs_policy_source) modules;
    cs_value data;
} gathered;

static void add_modules(cs_arena *a, gathered *g, const cs_bundle_module *modules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_policy_source source = {modules[i].file, modules[i].text, modules[i].rego_version};
        CS_VEC_PUSH_IN(a, &g->modules, source);
    }
}

static cs_err load_bundles(const cs_cmd_sources *s, cs_cmd_loaded *out, gathered *g, const cs_bundle_options *options,
                           cs_error *e)
{
    out->bundles = cs_arena_array(&out->arena, cs_bundle *, s->bundles.n + 1);
    for (size_t i = 0; i < s->bundles.n; i++) {
        cs_bundle_options one = *options;
        one.name = cs_slice_of(s->bundles.v[i]);
        out->bundle = s->bundles.v[i];
        CS_TRY(cs_bundle_read_path(s->bundles.v[i], &one, &out->bundles[i], e));
        out->bundle = NULL;
        out->n_bundles++;
        add_modules(&out->arena, g, out->bundles[i]->modules, out->bundles[i]->n_modules);
        CS_TRY(cs_merge(&out->arena, g->data, out->bundles[i]->data, &g->data, e));
    }
    return CS_OK;
}

static cs_err load_all(const cs_cmd_sources *s, cs_cmd_loaded *out, gathered *g, cs_error *e)
{
    cs_bundle_options options = {.skip_verify = true,
                                 .rego_version = s->v0_v1 ? CS_POLICY_V0_V1
                                                 : s->v0  ? 0
                                                          : 1,
                                 .ignore = cs_cmd_slices(&out->arena, &s->ignore),
                                 .n_ignore = s->ignore.n};
    g->data = cs_object_new(&out->arena, 0);
    CS_TRY(load_bundles(s, out, g, &options, e));
    if (s->data.n) {
        CS_TRY(cs_bundle_load_files(s->data.v, s->data.n, &options, &out->files, e));
        add_modules(&out->arena, g, out->files->modules, out->files->n_modules);
        CS_TRY(cs_merge(&out->arena, g->data, out->files->data, &g->data, e));
    }
    return CS_OK;
}

static bool data_exists(void *self, const cs_value *path, size_t n)
{
    return !cs_is_undefined(cs_lookup(*(const cs_value *)self, path, n));
}

static bool only_parsing(const cs_errors *errors)
{
    for (size_t i = 0; i < errors->n; i++) {
        if (errors->v[i].code != CS_ERR_REGO_PARSE) {
            return false;
        }
    }
    return errors->n > 0;
}

static bool has_module(const cs_bundle *bundle, cs_slice file)
{
    for (size_t i = 0; i < bundle->n_modules; i++) {
        if (cs_slice_eq(bundle->modules[i].file, file)) {
            return true;
        }
    }
    return false;
}

/* A bundle ends with its first module that cannot be parsed. */
static void note_unparsed(const cs_cmd_sources *s, cs_cmd_loaded *out, cs_errors *errors)
{
    for (size_t i = 0; i < out->n_bundles && only_parsing(errors); i++) {
        if (has_module(out->bundles[i], errors->v[0].file)) {
            out->bundle = s->bundles.v[i];
            out->unparsed = true;
            size_t n = 1;
            while (n < errors->n && cs_slice_eq(errors->v[n].file, errors->v[0].file)) {
                n++;
            }
            errors->n = n;
            return;
        }
    }
}

cs_err cs_cmd_load(const cs_cmd_sources *sources, cs_cmd_loaded *out, cs_errors *errors, cs_error *e)
{
    memset(out, 0, sizeof *out);
    cs_arena_init(&out->arena, 0);
    gathered g = {0};
    int64_t start = cs_time_mono_ns();
    CS_TRY(load_all(sources, out, &g, e));
    out->load_ns = cs_time_mono_ns() - start;
    out->data = cs_freeze(&out->arena, g.data);
    cs_value schemas;
    CS_TRY(cs_cmd_load_schemas(&out->arena, sources->schema, &schemas, e));
    cs_cmd_host_limit(sources->capabilities ? sources->capabilities->allow_net : cs_undefined());
    cs_policy_options options = {.strict = sources->strict,
                                 .capabilities = sources->capabilities,
                                 .check_only = sources->check_only,
                                 .schemas = schemas,
                                 .schema_annotations = true,
                                 .keep_print = sources->keep_print,
                                 .test_rules = sources->test_rules,
                                 .test_values = sources->test_values,
                                 .parse_ns = &out->parse_ns,
                                 .compile_ns = &out->compile_ns,
                                 .data_exists = sources->ignore_conflicts ? NULL : data_exists,
                                 .data_exists_self = &out->data};
    cs_err err = cs_policy_compile(g.modules.v, g.modules.n, &options, &out->policy, errors);
    if (err != CS_OK) {
        note_unparsed(sources, out, errors);
    }
    return err;
}

void cs_cmd_loaded_free(cs_cmd_loaded *loaded)
{
    cs_policy_release(loaded->policy);
    for (size_t i = 0; i < loaded->n_bundles; i++) {
        cs_bundle_free(loaded->bundles[i]);
    }
    cs_bundle_loaded_free(loaded->files);
    cs_arena_destroy(&loaded->arena);
}

void cs_cmd_print_json(cs_value v, unsigned flags)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, v, flags);
    cs_buf_byte(&text, '\n');
    (void)cs_cmd_write(cs_buf_view(&text));
    cs_buf_destroy(&text);
}

/* What cannot be parsed is found while files are loaded, and OPA says so. */
static void note_loading(cs_buf *text)
{
    cs_slice word = CS_LIT(" occurred");
    size_t at = cs_slice_find(cs_buf_view(text), word, 0);
    if (at == SIZE_MAX) {
        return;
    }
    cs_buf changed;
    cs_buf_init(&changed);
    cs_buf_slice(&changed, cs_slice_sub(cs_buf_view(text), 0, at + word.n));
    cs_buf_text(&changed, " during loading");
    cs_buf_slice(&changed, cs_slice_sub(cs_buf_view(text), at + word.n, text->n));
    cs_buf_destroy(text);
    *text = changed;
}

void cs_cmd_failure_text(cs_buf *out, const cs_cmd_loaded *loaded, const cs_errors *errors, const cs_error *e)
{
    if (errors->n == 0 && e->row) {
        cs_buf_printf(out, "%s:%u: %s: %s", e->file, e->row, cs_err_name(e->code), e->text);
        return;
    }
    if (errors->n == 0) {
        cs_buf_text(out, e->text);
        return;
    }
    cs_buf list;
    cs_buf_init(&list);
    cs_errors_print(&list, errors);
    if (loaded && loaded->unparsed) {
        cs_buf_printf(out, "bundle %s: ", loaded->bundle);
    } else if (loaded && only_parsing(errors)) {
        note_loading(&list);
    }
    cs_buf_slice(out, cs_buf_view(&list));
    cs_buf_destroy(&list);
}

void cs_cmd_problems_add_failure(cs_cmd_problems *problems, const cs_cmd_loaded *loaded, const cs_errors *errors,
                                 const cs_error *e)
{
    if (!loaded->bundle && errors->n) {
        cs_cmd_problems_add_list(problems, errors);
        return;
    }
    if (!loaded->bundle) {
        cs_cmd_problems_add_loading(problems, e);
        return;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "loading error: ");
    cs_cmd_failure_text(&text, loaded, errors, e);
    cs_cmd_problem problem = {.message = cs_slice_make(cs_arena_dup(problems->arena, text.p, text.n), text.n)};
    CS_VEC_PUSH_IN(problems->arena, &problems->list, problem);
    cs_buf_destroy(&text);
}

void cs_cmd_report(const cs_cmd_loaded *loaded, const cs_errors *errors, const cs_error *e, bool json)
{
    if (json) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_cmd_problems problems = {.arena = &a};
        if (errors->n) {
            cs_cmd_problems_add_list(&problems, errors);
        } else {
            cs_cmd_problems_add_loading(&problems, e);
        }
        cs_buf text;
        cs_buf_init(&text);
        cs_json_text t = {.out = &text, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
        cs_json_open(&t, '{');
        cs_json_key(&t, "errors");
        cs_cmd_problems_write(&t, &problems);
        cs_json_close(&t);
        cs_buf_byte(&text, '\n');
        fprintf(stderr, "%s", cs_buf_cstr(&text));
        cs_buf_destroy(&text);
        cs_arena_destroy(&a);
        return;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_cmd_failure_text(&text, loaded, errors, e);
    fprintf(stderr, "%s\n", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
}

cs_err cs_cmd_read_value(cs_arena *a, const char *path, cs_value *out, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(path, cs_limits_get()->json_bytes, &bytes, e);
    if (err == CS_OK) {
        cs_slice name = cs_slice_of(path);
        bool yaml = cs_slice_ends(name, CS_LIT(".yaml")) || cs_slice_ends(name, CS_LIT(".yml"));
        err = yaml ? cs_yaml_read(a, cs_buf_view(&bytes), out, e)
                   : cs_json_read(a, cs_buf_view(&bytes), NULL, out, NULL, e);
        err = err == CS_OK ? CS_OK : cs_fail_in(e, "%s: ", path);
    }
    cs_buf_destroy(&bytes);
    return err;
}

cs_err cs_cmd_read_any(cs_arena *a, const char *path, cs_value *out, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_slice name = cs_slice_of(path);
    if (cs_slice_starts(name, CS_LIT("file://"))) {
        path += strlen("file://");
    }
    cs_err err = cs_file_read(path, cs_limits_get()->json_bytes, &bytes, e);
    if (err == CS_OK && cs_json_read(a, cs_buf_view(&bytes), NULL, out, NULL, e) != CS_OK) {
        err = cs_yaml_read(a, cs_buf_view(&bytes), out, e);
        err = err == CS_OK ? CS_OK : cs_fail_in(e, "unable to parse input: ");
    }
    cs_buf_destroy(&bytes);
    return err;
}
