/* Modules and data from the command line, for the engine's commands. */
#include "features.h"
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
        CS_TRY(cs_bundle_read_path(s->bundles.v[i], &one, &out->bundles[i], e));
        out->n_bundles++;
        add_modules(&out->arena, g, out->bundles[i]->modules, out->bundles[i]->n_modules);
        CS_TRY(cs_merge(&out->arena, g->data, out->bundles[i]->data, &g->data, e));
    }
    return CS_OK;
}

static cs_err load_all(const cs_cmd_sources *s, cs_cmd_loaded *out, gathered *g, cs_error *e)
{
    cs_bundle_options options = {.skip_verify = true,
                                 .rego_version = s->v0 ? 0 : 1,
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
    cs_value builtins;
    CS_TRY(cs_cmd_granted(&out->arena, sources->capabilities, &builtins, e));
    cs_policy_options options = {.strict = sources->strict,
                                 .builtins = builtins,
                                 .schemas = schemas,
                                 .schema_annotations = true,
                                 .keep_print = sources->keep_print,
                                 .test_rules = sources->test_rules,
                                 .test_values = sources->test_values,
                                 .parse_ns = &out->parse_ns,
                                 .compile_ns = &out->compile_ns,
                                 .data_exists = sources->ignore_conflicts ? NULL : data_exists,
                                 .data_exists_self = &out->data};
    return cs_policy_compile(g.modules.v, g.modules.n, &options, &out->policy, errors);
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

void cs_cmd_report(const cs_errors *errors, const cs_error *e, bool json)
{
    if (json) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_cmd_problems problems = {.arena = &a};
        if (errors->n) {
            cs_cmd_problems_add_list(&problems, errors);
        } else {
            cs_cmd_problems_add(&problems, e, NULL, 0);
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
    if (errors->n) {
        cs_errors_print(&text, errors);
    } else if (e->row) {
        cs_buf_printf(&text, "%s:%u: %s: %s", e->file, e->row, cs_err_name(e->code), e->text);
    } else {
        cs_buf_text(&text, e->text);
    }
    fprintf(stderr, "%s\n", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
}

void cs_cmd_report_load(const cs_cmd_sources *sources, const char *bundle, const cs_errors *errors, const cs_error *e)
{
    if (errors->n == 0 || errors->v[0].code != CS_ERR_REGO_PARSE) {
        cs_cmd_report(errors, e, false);
        return;
    }
    cs_errors shown = *errors;
    for (shown.n = 1; shown.n < errors->n; shown.n++) {
        if (sources->bundles.n > 0 && !cs_slice_eq(errors->v[shown.n].file, errors->v[0].file)) {
            break;
        }
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_errors_print(&text, &shown);
    cs_slice all = cs_buf_view(&text);
    size_t colon = cs_slice_find_byte(all, ':', 0);
    if (sources->bundles.n == 0) {
        fprintf(stderr, "%.*s during loading%.*s\n", CS_FMT(cs_slice_sub(all, 0, colon)),
                CS_FMT(cs_slice_sub(all, colon, all.n)));
    } else {
        fprintf(stderr, "%s%s: %.*s\n", bundle, sources->bundles.v[0], CS_FMT(all));
    }
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
