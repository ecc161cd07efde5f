/* inspect: what is in a bundle, and what it needs, as tables or JSON. Nothing is verified. */
#include "granted.h"
#include "inspect.h"

#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/file.h"
#include "countersign/base/utf8.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"

#define FIELD_MAX 50U

typedef struct row {
    cs_slice left, right;
} row;

typedef CS_VEC(row) table;

/* A long path loses what stands behind its first folder, as much as is needed. */
static cs_slice shorten_path(cs_arena *a, cs_slice path)
{
    size_t end = path.n;
    while (end > 0 && path.p[end - 1] != '/') {
        end--;
    }
    end -= end > 0;
    size_t first = cs_slice_find_byte(path, '/', path.n > 0 && path.p[0] == '/');
    if (path.n < FIELD_MAX || first >= end || end - first <= 4) {
        return path;
    }
    size_t cut = path.n - FIELD_MAX + 3;
    size_t resume = first + 1 + cut < end ? first + 1 + cut : end;
    size_t n;
    char *out = cs_arena_printf(a, &n, "%.*s...%.*s", CS_FMT(cs_slice_sub(path, 0, first + 1)),
                                CS_FMT(cs_slice_sub(path, resume, path.n)));
    return cs_slice_make(out, n);
}

static void add(cs_arena *a, table *t, cs_slice left, cs_slice right, bool path)
{
    if (path) {
        right = shorten_path(a, right);
    } else if (right.n >= FIELD_MAX) {
        size_t n;
        char *cut = cs_arena_printf(a, &n, "%.*s...", CS_FMT(cs_slice_sub(right, 0, FIELD_MAX - 3)));
        right = cs_slice_make(cut, n);
    }
    row r = {left, right};
    CS_VEC_PUSH_IN(a, t, r);
}

static void repeat(cs_buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(out, text);
    }
}

static void rule(cs_buf *out, const char *left, const char *middle, const char *right, const size_t width[2])
{
    cs_buf_text(out, left);
    repeat(out, "─", width[0] + 2);
    cs_buf_text(out, middle);
    repeat(out, "─", width[1] + 2);
    cs_buf_text(out, right);
    cs_buf_byte(out, '\n');
}

static void cell(cs_buf *out, cs_slice text, size_t width, bool centred)
{
    size_t n = cs_utf8_count(text);
    size_t before = centred ? (width - n) / 2 : 0;
    cs_buf_text(out, "│ ");
    repeat(out, " ", before);
    cs_buf_slice(out, text);
    repeat(out, " ", width - n - before + 1);
}

/* A name that repeats the one above it is left out. */
static void print_table(const char *title, const char *left, const char *right, const table *t)
{
    if (t->n == 0) {
        return;
    }
    size_t width[2] = {strlen(left), strlen(right)};
    for (size_t i = 0; i < t->n; i++) {
        size_t l = cs_utf8_count(t->v[i].left), r = cs_utf8_count(t->v[i].right);
        width[0] = l > width[0] ? l : width[0];
        width[1] = r > width[1] ? r : width[1];
    }
    cs_buf out;
    cs_buf_init(&out);
    cs_buf_printf(&out, "%s:\n", title);
    rule(&out, "┌", "┬", "┐", width);
    cell(&out, cs_slice_of(left), width[0], true);
    cell(&out, cs_slice_of(right), width[1], true);
    cs_buf_text(&out, "│\n");
    rule(&out, "├", "┼", "┤", width);
    for (size_t i = 0; i < t->n; i++) {
        bool again = i > 0 && cs_slice_eq(t->v[i].left, t->v[i - 1].left);
        cell(&out, again ? CS_LIT("") : t->v[i].left, width[0], false);
        cell(&out, t->v[i].right, width[1], false);
        cs_buf_text(&out, "│\n");
    }
    rule(&out, "└", "┴", "┘", width);
    (void)cs_cmd_write(cs_buf_view(&out));
    cs_buf_destroy(&out);
}

static int by_text(const void *x, const void *y)
{
    const cs_slice *a = x, *b = y;
    return cs_slice_compare(*a, *b);
}

static void print_manifest(cs_arena *a, const cs_bundle_manifest *m)
{
    table t = {0};
    if (m->rego_version >= 0) {
        size_t n;
        char *version = cs_arena_printf(a, &n, "%d", m->rego_version);
        add(a, &t, CS_LIT("Rego Version"), cs_slice_make(version, n), false);
    }
    if (m->revision.n > 0) {
        add(a, &t, CS_LIT("Revision"), m->revision, false);
    }
    cs_slice *roots = cs_arena_array(a, cs_slice, m->n_roots + 1);
    memcpy(roots, m->roots, m->n_roots * sizeof *roots);
    qsort(roots, m->n_roots, sizeof *roots, by_text);
    for (size_t i = 0; i < m->n_roots; i++) {
        if (m->n_roots > 1 || roots[i].n > 0) {
            add(a, &t, CS_LIT("Roots"), roots[i], true);
        }
    }
    if (cs_is(m->metadata, CS_OBJECT) && cs_count(m->metadata) > 0) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, m->metadata, CS_JSON_HTML);
        add(a, &t, CS_LIT("Metadata"), cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n), false);
        cs_buf_destroy(&text);
    }
    print_table("MANIFEST", "FIELD", "VALUE", &t);
}

/* {"data.a": ["/a.rego"]}: packages and data files. */
static void add_namespace(cs_arena *a, cs_value object, cs_value keys, cs_slice file)
{
    cs_buf name;
    cs_buf_init(&name);
    cs_bundle_print_ref(&name, keys);
    cs_value key = cs_string_copy(a, cs_buf_view(&name));
    cs_buf_destroy(&name);
    const cs_value *there = cs_object_get(object, key);
    uint32_t n = there != NULL ? there->n : 0;
    cs_value *items = cs_arena_array(a, cs_value, n + 1U);
    if (n > 0) {
        memcpy(items, there->u.items, n * sizeof *items);
    }
    items[n] = cs_string(file);
    cs_object_put(a, object, key, cs_array(items, n + 1U));
}

static bool is_data(cs_slice base)
{
    return cs_slice_is(base, "data.json") || cs_slice_is(base, "data.yaml") || cs_slice_is(base, "data.yml");
}

static cs_value namespaces(cs_arena *a, const cs_bundle *b, const char *folder)
{
    cs_value out = cs_object_new(a, 0);
    for (size_t i = 0; i < b->n_modules; i++) {
        add_namespace(a, out, b->modules[i].package, b->modules[i].file);
    }
    for (size_t i = 0; i < b->n_files; i++) {
        cs_slice rest = b->files[i].path, part;
        CS_VEC(cs_value) keys = {0};
        while (cs_slice_next(&rest, '/', &part)) {
            cs_value key = cs_string(part);
            CS_VEC_PUSH_IN(a, &keys, key);
        }
        if (keys.n == 0 || !is_data(cs_text(keys.v[keys.n - 1]))) {
            continue;
        }
        cs_slice shown = b->files[i].written;
        if (folder[0] != '\0') {
            shown = cs_bundle_signed_name(a, cs_slice_of(folder), b->files[i].path);
        }
        add_namespace(a, out, cs_array(keys.v, keys.n - 1), shown);
    }
    return out;
}

static void print_namespaces(cs_arena *a, cs_value all)
{
    table t = {0};
    for (uint32_t i = 0; i < cs_count(all); i++) {
        cs_value files, key = cs_entry(all, i, &files);
        for (uint32_t k = 0; k < files.n; k++) {
            add(a, &t, cs_text(key), cs_text(files.u.items[k]), true);
        }
    }
    print_table("NAMESPACES", "NAMESPACE", "FILE", &t);
}

static cs_value signatures(cs_arena *a, const cs_bundle *b)
{
    cs_value out = cs_object_new(a, 0);
    for (size_t i = 0; i < b->n_files; i++) {
        if (cs_slice_ends(b->files[i].path, CS_LIT(".signatures.json")) &&
            cs_json_read(a, b->files[i].bytes, &(cs_json_options){.prefix = true}, &out, NULL, NULL) != CS_OK) {
            out = cs_object_new(a, 0);
        }
    }
    return out;
}

/* What is told of a bundle. */
typedef struct info {
    cs_arena arena;
    const char *path;
    bool single, annotations;
    cs_bundle *bundle;
    cs_build *build;
    cs_value namespaces, required;
    const cs_build_annotation *list;
    size_t n_list;
    cs_errors errors;
    cs_buf why;
} info;

/* Members of OPA's structs have its order, those of its maps that of their names. */
static void put_struct(cs_json_text *t, const char *key, cs_value object, const char *const *names, size_t n)
{
    if (key != NULL) {
        cs_json_key(t, key);
    }
    cs_json_open(t, '{');
    for (size_t k = 0; k < n; k++) {
        const cs_value *v = cs_object_get_text(object, names[k]);
        if (v != NULL) {
            cs_json_put(t, names[k], *v);
        }
    }
    cs_json_close(t);
}

static void put_structs(cs_json_text *t, const char *key, cs_value list, const char *const *names, size_t n)
{
    cs_json_key(t, key);
    cs_json_open(t, '[');
    for (uint32_t i = 0; i < cs_count(list); i++) {
        put_struct(t, NULL, list.u.items[i], names, n);
    }
    cs_json_close(t);
}

static void put_fields(cs_json_text *t, cs_value fields)
{
    static const char *const author[] = {"name", "email"}, *const schema[] = {"path", "schema", "definition"};
    cs_json_open(t, '{');
    for (uint32_t i = 0; i < cs_count(fields); i++) {
        cs_value value, key = cs_entry(fields, i, &value);
        if (cs_slice_is(cs_text(key), "authors")) {
            put_structs(t, "authors", value, author, 2);
        } else if (cs_slice_is(cs_text(key), "schemas")) {
            put_structs(t, "schemas", value, schema, 3);
        } else {
            cs_json_key_slice(t, cs_text(key));
            cs_json_value(t, value);
        }
    }
    cs_json_close(t);
}

static void put_annotations(cs_json_text *t, const info *x)
{
    cs_json_key(t, "annotations");
    cs_json_open(t, '[');
    for (size_t i = 0; i < x->n_list; i++) {
        const cs_build_annotation *one = &x->list[i];
        cs_json_open(t, '{');
        cs_json_key(t, "annotations");
        put_fields(t, one->fields);
        cs_json_key(t, "location");
        cs_json_open(t, '{');
        cs_json_put_text(t, "file", one->file);
        cs_json_put(t, "row", cs_int(one->row));
        cs_json_put(t, "col", cs_int(one->col));
        cs_json_close(t);
        cs_json_put(t, "path", one->terms);
        cs_json_close(t);
    }
    cs_json_close(t);
}

static void print_json(info *x)
{
    static const char *const signature[] = {"signatures", "plugin"};
    cs_buf text;
    cs_buf_init(&text);
    cs_json_text t = {.out = &text, .flags = CS_JSON_PRETTY | CS_JSON_HTML};
    cs_json_open(&t, '{');
    if (!x->single) {
        t.flags |= CS_JSON_AS_MADE;
        cs_json_put(&t, "manifest", x->bundle->manifest.document);
        t.flags &= ~(unsigned)CS_JSON_AS_MADE;
    }
    put_struct(&t, "signatures_config", signatures(&x->arena, x->bundle), signature, 2);
    if (cs_count(x->namespaces) > 0) {
        cs_json_put(&t, "namespaces", x->namespaces);
    }
    if (x->n_list > 0) {
        put_annotations(&t, x);
    }
    cs_json_key(&t, "capabilities");
    cs_cmd_put_capabilities(&t, x->required);
    cs_json_close(&t);
    cs_buf_byte(&text, '\n');
    (void)cs_cmd_write(cs_buf_view(&text));
    cs_buf_destroy(&text);
}

static void print_pretty(info *x)
{
    if (!x->single) {
        print_manifest(&x->arena, &x->bundle->manifest);
    }
    print_namespaces(&x->arena, x->namespaces);
    cs_inspect_print_annotations(&x->arena, x->list, x->n_list);
}

/* ---- reading */
static cs_err parse(void *self, const cs_bundle_module *m, cs_errors *errors)
{
    info *x = self;
    cs_build_source source = {m->url, m->file, m->text, m->rego_version};
    return cs_build_add(x->build, &source, errors);
}

static cs_err read_input(info *x, int version, cs_error *e)
{
    cs_bundle_options options = {.name = cs_slice_of(x->path),
                                 .etag = CS_LIT(""),
                                 .skip_verify = true,
                                 .rego_version = version,
                                 .module = parse,
                                 .module_self = x,
                                 .why = &x->why};
    if (!x->single) {
        return cs_bundle_read_path(x->path, &options, &x->bundle, e);
    }
    cs_bundle_loaded *loaded;
    CS_TRY(cs_bundle_load_files(&x->path, 1, &options, &loaded, e));
    x->bundle = cs_bundle_of_loaded(loaded);
    return CS_OK;
}

static cs_err look_into(info *x, int version, cs_error *e)
{
    CS_TRY(read_input(x, version, e));
    x->namespaces = namespaces(&x->arena, x->bundle, cs_file_is_dir(x->path) ? x->path : "");
    CS_TRY(cs_build_required(x->build, &x->arena, &x->required, &x->errors, e));
    if (x->annotations) {
        x->list = cs_build_annotations(x->build, &x->arena, &x->n_list);
    }
    return CS_OK;
}

static int fail(const info *x, const cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    if (x->errors.n > 0) {
        cs_errors_print(&text, &x->errors);
    } else {
        cs_buf_slice(&text, x->why.n > 0 ? cs_buf_view(&x->why) : cs_slice_of(e->text));
    }
    int status = cs_cmd_fail("%s", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
    return status;
}

static int run(const char *path, bool json, bool annotations, int version)
{
    cs_build_options options = {.rego_version = 1, .allow_undefined = true};
    info x = {.path = path, .annotations = annotations, .build = cs_build_new(&options)};
    x.single = cs_slice_ends(cs_slice_of(path), CS_LIT(".rego"));
    cs_error e = {0};
    cs_arena_init(&x.arena, 0);
    cs_errors_init(&x.errors);
    cs_buf_init(&x.why);
    int status = 0;
    if (look_into(&x, version, &e) != CS_OK) {
        status = fail(&x, &e);
    } else if (json) {
        print_json(&x);
    } else {
        print_pretty(&x);
    }
    cs_bundle_free(x.bundle);
    cs_build_free(x.build);
    cs_errors_destroy(&x.errors);
    cs_buf_destroy(&x.why);
    cs_arena_destroy(&x.arena);
    return status;
}

int cs_cmd_inspect(int argc, char **argv)
{
    const char *format = "pretty";
    bool annotations = false, v0 = false, v1 = false;
    const cs_arg args[] = {
        {"format", 'f', CS_ARG_ENUM, &format, "pretty|json", "output format", NULL},
        {"annotations", 'a', CS_ARG_BOOL, &annotations, NULL, "list annotations", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &v0, NULL, "modules are Rego v0 unless they say otherwise", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &v1, NULL, "the default", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    if (status != -1) {
        /* said already */
    } else if (paths.n != 1) {
        status = cs_args_wrong("specify exactly one OPA bundle or path");
    } else {
        status = run(paths.v[0], strcmp(format, "json") == 0, annotations, v0 ? 0 : 1);
    }
    cs_arena_destroy(&a);
    return status;
}
