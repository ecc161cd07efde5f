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

static const char *bundle_of(const cs_cmd_sources *s, const cs_cmd_loaded *out, cs_slice file)
{
    for (size_t i = 0; i < out->n_bundles; i++) {
        for (size_t k = 0; k < s->bundles.n && has_module(out->bundles[i], file); k++) {
            if (cs_slice_is(out->bundles[i]->name, s->bundles.v[k])) {
                return s->bundles.v[k];
            }
        }
    }
    return NULL;
}

/* Files are read before bundles, and a bundle ends with its first module that cannot be parsed. */
static void note_unparsed(const cs_cmd_sources *s, cs_cmd_loaded *out, cs_errors *errors)
{
    if (!only_parsing(errors)) {
        return;
    }
    cs_slice file = errors->v[0].file;
    out->bundle = bundle_of(s, out, file);
    out->unparsed = out->bundle != NULL;
    size_t n = 1;
    while (n < errors->n &&
           (out->unparsed ? cs_slice_eq(errors->v[n].file, file) : bundle_of(s, out, errors->v[n].file) == NULL)) {
        n++;
    }
    errors->n = n;
}

/* Of bundles that come before one that cannot be read, OPA has parsed all modules by then. */
static bool parse_before(const cs_cmd_sources *s, cs_cmd_loaded *out, const gathered *g, cs_errors *errors)
{
    cs_policy *policy = NULL;
    cs_policy_options options = {.capabilities = s->capabilities, .stop_after = "ResolveRefs"};
    bool good = g->modules.n == 0 ||
                cs_policy_compile(g->modules.v, g->modules.n, &options, &policy, errors) == CS_OK ||
                !only_parsing(errors);
    cs_policy_release(policy);
    if (good) {
        cs_errors_clear(errors);
    } else {
        note_unparsed(s, out, errors);
    }
    return good;
}

static bool named_before(const cs_arg_list *names, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(names->v[k], names->v[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The keys of a root: none for "". */
static cs_value *root_keys(cs_arena *a, cs_slice root, size_t *n)
{
    cs_slice part;
    cs_value *keys = cs_arena_array(a, cs_value, root.n + 1);
    *n = 0;
    while (root.n && cs_slice_next(&root, '/', &part)) {
        keys[(*n)++] = cs_string(part);
    }
    return keys;
}

static cs_err check_merging(cs_arena *a, const cs_cmd_loaded *out, cs_error *e)
{
    cs_value all = cs_object_new(a, 0);
    CS_VEC(cs_slice) roots = {0};
    for (size_t i = 0; i < out->n_bundles; i++) {
        const cs_bundle *b = out->bundles[i];
        for (size_t k = 0; k < b->manifest.n_roots; k++) {
            size_t n;
            cs_slice root = b->manifest.roots[k];
            cs_value *keys = root_keys(a, root, &n), mine = cs_lookup(b->data, keys, n);
            if (n && !cs_is_undefined(mine) &&
                cs_merge(a, all, cs_upsert(a, cs_object_new(a, 1), keys, n, mine), &all, NULL) != CS_OK) {
                return cs_fail(e, CS_ERR_CONFLICT, "failed to insert data file from path %.*s", CS_FMT(root));
            }
            CS_VEC_PUSH_IN(a, &roots, root);
        }
    }
    for (size_t i = 0; i < roots.n; i++) {
        for (size_t k = i + 1; k < roots.n; k++) {
            if (cs_bundle_roots_overlap(roots.v[i], roots.v[k])) {
                return cs_fail(e, CS_ERR_BUNDLE_ROOTS, "manifest has overlapped roots: '%.*s' and '%.*s'",
                               CS_FMT(roots.v[i]), CS_FMT(roots.v[k]));
            }
        }
    }
    return CS_OK;
}

static cs_err check_roots(const cs_cmd_sources *s, cs_cmd_loaded *out, cs_error *e)
{
    if (s->how != CS_CMD_ACTIVATE) {
        return s->how == CS_CMD_MERGE ? check_merging(&out->arena, out, e) : CS_OK;
    }
    cs_bundle_roots *roots = cs_arena_array(&out->arena, cs_bundle_roots, out->n_bundles + 1);
    for (size_t i = 0; i < out->n_bundles; i++) {
        const cs_bundle_manifest *m = &out->bundles[i]->manifest;
        roots[i] = (cs_bundle_roots){out->bundles[i]->name, m->roots, m->n_roots};
    }
    cs_err err = cs_bundles_check_roots(roots, out->n_bundles, e);
    return err == CS_OK ? CS_OK : cs_fail_in(e, "%s", s->activating ? s->activating : "");
}

/* What the bundle has at its roots takes the place of what stands there. */
static void put_roots(cs_arena *a, gathered *g, const cs_bundle *b)
{
    for (size_t i = 0; i < b->manifest.n_roots; i++) {
        size_t n;
        cs_value *keys = root_keys(a, b->manifest.roots[i], &n);
        cs_value mine = cs_lookup(b->data, keys, n);
        g->data = cs_is_undefined(mine) ? cs_remove(a, g->data, keys, n) : cs_upsert(a, g->data, keys, n, mine);
    }
}

static cs_err load_bundles(const cs_cmd_sources *s, cs_cmd_loaded *out, gathered *g, const cs_bundle_options *options,
                           cs_errors *errors, cs_error *e)
{
    out->bundles = cs_arena_array(&out->arena, cs_bundle *, s->bundles.n + 1);
    for (size_t i = 0; i < s->bundles.n; i++) {
        cs_bundle_options one = *options;
        one.name = cs_slice_of(s->bundles.v[i]);
        if (s->how == CS_CMD_ACTIVATE && named_before(&s->bundles, i)) {
            continue;
        }
        cs_err err = cs_bundle_read_path(s->bundles.v[i], &one, &out->bundles[out->n_bundles], e);
        if (err != CS_OK) {
            out->bundle = s->bundles.v[i];
            return parse_before(s, out, g, errors) ? err : CS_ERR_REGO_PARSE;
        }
        const cs_bundle *b = out->bundles[out->n_bundles++];
        for (size_t k = 0; k < b->n_files; k++) {
            cs_slice path = b->files[k].path;
            out->saw_data |= cs_slice_ends(path, CS_LIT("data.json")) || cs_slice_ends(path, CS_LIT("data.yaml")) ||
                             cs_slice_ends(path, CS_LIT("data.yml"));
        }
        add_modules(&out->arena, g, b->modules, b->n_modules);
    }
    cs_err err = check_roots(s, out, e);
    if (err != CS_OK) {
        return parse_before(s, out, g, errors) ? err : CS_ERR_REGO_PARSE;
    }
    for (size_t i = 0; i < out->n_bundles && s->how != CS_CMD_FORGET; i++) {
        put_roots(&out->arena, g, out->bundles[i]);
    }
    return CS_OK;
}

typedef struct explaining {
    const cs_cmd_sources *sources;
    cs_cmd_problems *problems;
    bool *saw_modules;
} explaining;

static cs_err parse_alone(void *self, const cs_bundle_module *module, cs_errors *errors)
{
    const explaining *x = self;
    *x->saw_modules = true;
    cs_policy *policy = NULL;
    cs_policy_source source = {module->file, module->text, module->rego_version};
    cs_policy_options options = {.capabilities = x->sources->capabilities, .stop_after = "ResolveRefs"};
    cs_err err = cs_policy_compile(&source, 1, &options, &policy, errors);
    if (!only_parsing(errors) || errors->v[0].row == 0) {
        cs_errors_clear(errors); /* the loader tells of empty modules */
    }
    cs_policy_release(policy);
    return err;
}

static void note_problem(void *self, const cs_errors *errors, cs_slice text)
{
    const explaining *x = self;
    if (errors != NULL) {
        cs_cmd_problems_add_list(x->problems, errors);
        return;
    }
    cs_error e = {0};
    size_t n = text.n < sizeof e.text - 1 ? text.n : sizeof e.text - 1;
    memcpy(e.text, text.p, n);
    cs_cmd_problems_add_loading(x->problems, &e);
}

/* OPA parses files as it reads them, and tells all that is wrong in one list. Here they are parsed later, together; so
 * when some file cannot be read, what can is read again to find out what else there would be to say. */
static void explain_files(const cs_cmd_sources *s, cs_cmd_loaded *out, const cs_bundle_options *options)
{
    explaining x = {s, &out->loading, &out->saw_modules};
    cs_bundle_options again = *options;
    cs_bundle_loaded *files = NULL;
    cs_error e = {0};
    again.module = parse_alone;
    again.module_self = &x;
    again.problem = note_problem;
    out->loading.arena = &out->arena;
    if (cs_bundle_load_files(s->data.v, s->data.n, &again, &files, &e) == CS_OK) {
        cs_bundle_loaded_free(files);
    }
}

static cs_err load_all(const cs_cmd_sources *s, cs_cmd_loaded *out, gathered *g, cs_errors *errors, cs_error *e)
{
    cs_bundle_options options = {.skip_verify = true,
                                 .rego_version = s->v0_v1 ? CS_POLICY_V0_V1
                                                 : s->v0  ? 0
                                                          : 1,
                                 .ignore = cs_cmd_slices(&out->arena, &s->ignore),
                                 .n_ignore = s->ignore.n,
                                 .saw_data = &out->saw_data,
                                 .only_rego = s->only_rego};
    g->data = cs_object_new(&out->arena, 0);
    if (s->data.n) {
        cs_err err = cs_bundle_load_files(s->data.v, s->data.n, &options, &out->files, e);
        if (err != CS_OK) {
            explain_files(s, out, &options);
            return err;
        }
        gathered dropped = {0};
        bool drop = s->how == CS_CMD_FORGET && s->bundles.n > 0;
        add_modules(&out->arena, drop ? &dropped : g, out->files->modules, out->files->n_modules);
        if (drop && !parse_before(s, out, &dropped, errors)) {
            return CS_ERR_REGO_PARSE;
        }
        CS_TRY(cs_merge(&out->arena, g->data, out->files->data, &g->data, e));
    }
    return load_bundles(s, out, g, &options, errors, e);
}

bool cs_cmd_data_exists(void *self, const cs_value *path, size_t n)
{
    cs_value at = *(const cs_value *)self;
    for (size_t i = 0; i < n; i++) {
        const cs_value *next = cs_is(at, CS_OBJECT) ? cs_object_get(at, path[i]) : NULL;
        if (!next) {
            return i > 0 && !cs_is(at, CS_OBJECT);
        }
        at = *next;
    }
    return true;
}

cs_err cs_cmd_load(const cs_cmd_sources *sources, cs_cmd_loaded *out, cs_errors *errors, cs_error *e)
{
    memset(out, 0, sizeof *out);
    cs_arena_init(&out->arena, 0);
    gathered g = {0};
    int64_t start = cs_time_mono_ns();
    cs_err loaded = load_all(sources, out, &g, errors, e);
    out->load_ns = cs_time_mono_ns() - start;
    out->saw_modules |= g.modules.n > 0;
    CS_TRY(loaded);
    out->data = cs_freeze(&out->arena, g.data);
    cs_value schemas;
    CS_TRY(cs_cmd_load_schemas(&out->arena, sources->schema, &schemas, e));
    cs_cmd_host_limit(sources->capabilities ? sources->capabilities->allow_net : cs_undefined());
    cs_policy_options options = {.strict = sources->strict,
                                 .capabilities = sources->capabilities,
                                 .check_only = sources->check_only,
                                 .schemas = schemas,
                                 .host = cs_cmd_host(),
                                 .schema_annotations = true,
                                 .print = sources->print,
                                 .instrument = sources->instrument,
                                 .test_rules = sources->test_rules,
                                 .test_values = sources->test_values,
                                 .parse_ns = &out->parse_ns,
                                 .compile_ns = &out->compile_ns,
                                 .data_exists = sources->ignore_conflicts ? NULL : cs_cmd_data_exists,
                                 .data_exists_self = &out->data};
    cs_err err = cs_policy_compile(g.modules.v, g.modules.n, &options, &out->policy, errors);
    out->compiled = err == CS_OK || !only_parsing(errors);
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
    if (loaded && loaded->loading.list.n) {
        cs_buf list;
        cs_buf_init(&list);
        cs_cmd_problems_print(&list, &loaded->loading);
        note_loading(&list);
        cs_buf_slice(out, cs_buf_view(&list));
        cs_buf_destroy(&list);
        return;
    }
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
    if (loaded->loading.list.n) {
        for (size_t i = 0; i < loaded->loading.list.n; i++) {
            CS_VEC_PUSH_IN(problems->arena, &problems->list, loaded->loading.list.v[i]);
        }
        return;
    }
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
        if (loaded && loaded->loading.list.n) {
            problems.list = loaded->loading.list;
        } else if (errors->n) {
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
