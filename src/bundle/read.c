/* From files to a bundle: verification first, then manifest, data, modules, and the checks that need all of them. */
#include "bundle/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "countersign/yaml.h"

static cs_slice keep(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p != NULL ? s.p : "", s.n), s.n);
}

static cs_bundle *bundle_new(const cs_bundle_options *options)
{
    cs_bundle *b = cs_zalloc(sizeof *b);
    cs_arena_init(&b->arena, 0);
    b->name = keep(&b->arena, options->name);
    b->etag = keep(&b->arena, options->etag);
    b->digest = b->signature.keyid = b->signature.scope = b->signature.issuer = CS_LIT("");
    b->data = cs_object_new(&b->arena, 0);
    b->segment = cs_segment_new();
    cs_arena_init_pages(&b->texts);
    b->patch = cs_array(NULL, 0);
    cs_bundle__default_manifest(b);
    return b;
}

void cs_bundle_free(cs_bundle *b)
{
    if (b != NULL) {
        cs_segment_release(b->segment);
        cs_arena_destroy(&b->texts);
        cs_arena_destroy(&b->arena);
        cs_free(b);
    }
}

static void push(cs_bundle *b, cs_bundle_file **files, size_t *n, size_t *cap, cs_bundle_file file)
{
    struct {
        cs_bundle_file *v;
        size_t n, cap;
    } list = {*files, *n, *cap};
    CS_VEC_PUSH_IN(&b->arena, &list, file);
    *files = list.v;
    *n = list.n;
    *cap = list.cap;
}

void cs_bundle__add_file(cs_bundle *b, cs_bundle_file file)
{
    push(b, &b->files, &b->n_files, &b->cap_files, file);
}

/* What the reading of one bundle needs to know about where its files came from. */
typedef struct origin {
    cs_slice folder; /* "" for archives; else the folder's name, cleaned */
    cs_slice url;    /* in front of the url of modules; "" = none */
} origin;

static cs_err load_failed(cs_slice path, const char *why, cs_error *e)
{
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle load failed on %.*s: %s", CS_FMT(path), why);
}

/* The folder of a data file is its place, without the slashes and dots that it may start with (as OPA cuts them). */
static cs_err insert_data(cs_bundle *b, const cs_bundle_file *file, cs_slice shown, cs_value value, cs_error *e)
{
    cs_slice base = cs_bundle__base(file->path);
    cs_slice folder = cs_slice_sub(file->path, 0, file->path.n - base.n);
    while (folder.n > 0 && (folder.p[0] == '/' || folder.p[0] == '.')) {
        folder = cs_slice_sub(folder, 1, folder.n);
    }
    CS_VEC(cs_slice) keys = {0};
    cs_slice part;
    while (cs_slice_next(&folder, '/', &part)) {
        if (part.n > 0) {
            CS_VEC_PUSH_IN(&b->arena, &keys, part);
        }
    }
    cs_value conflict;
    cs_error inner = {0};
    if (cs_bundle__insert(&b->arena, &b->data, keys.v, keys.n, value, &conflict, &inner) == CS_OK) {
        return CS_OK;
    }
    if (cs_is_undefined(conflict)) {
        return load_failed(shown, inner.text, e);
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "failed to insert data file from path ");
    for (size_t i = 0; i < keys.n; i++) {
        cs_buf_text(&text, i > 0 ? "/" : "");
        cs_buf_slice(&text, keys.v[i]);
    }
    cs_buf_text(&text, " (conflicting values at ");
    cs_bundle_print_ref(&text, conflict);
    cs_buf_byte(&text, ')');
    cs_err err = load_failed(shown, cs_buf_cstr(&text), e);
    cs_buf_destroy(&text);
    return err;
}

cs_err cs_bundle__file_document(cs_bundle *b, const cs_bundle_options *options, cs_freezer *freezer,
                                cs_bundle_file *file, cs_value *out, cs_error *e)
{
    if (cs_is_undefined(file->document)) {
        cs_value value;
        bool large = file->bytes.n >= CS_BUNDLE__LARGE;
        cs_json_options read = {.freezer = freezer, .consume = options->consume && large};
        if (cs_bundle__is_yaml_data(file->path)) {
            CS_TRY(cs_bundle__read_document(&b->arena, file->bytes, &value, e));
            value = cs_freezer_put(freezer, value);
        } else {
            CS_TRY(cs_json_read(&b->arena, file->bytes, &read, &value, NULL, e));
        }
        file->document = value;
    }
    *out = file->document;
    return CS_OK;
}

static cs_err read_data(cs_bundle *b, const cs_bundle_options *options, cs_freezer *f, cs_bundle_file *file,
                        cs_slice shown, cs_error *e)
{
    cs_value value;
    cs_error inner = {0};
    if (cs_bundle__file_document(b, options, f, file, &value, &inner) != CS_OK) {
        return load_failed(shown, inner.text, e);
    }
    return insert_data(b, file, shown, value, e);
}

static void add_module(cs_bundle *b, cs_bundle_module module)
{
    struct {
        cs_bundle_module *v;
        size_t n, cap;
    } list = {b->modules, b->n_modules, b->cap_modules};
    CS_VEC_PUSH_IN(&b->arena, &list, module);
    b->modules = list.v;
    b->n_modules = list.n;
    b->cap_modules = list.cap;
}

/* As Go's decoder complains. */
static cs_err bad_patch(cs_value v, const char *into, cs_error *e)
{
    const char *kind = cs_is(v, CS_STRING)   ? "string"
                       : cs_is(v, CS_NUMBER) ? "number"
                       : cs_is(v, CS_BOOL)   ? "bool"
                       : cs_is(v, CS_ARRAY)  ? "array"
                                             : "object";
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle load failed on patch decode: json: cannot unmarshal %s into %s",
                   kind, into);
}

static cs_err check_operation(cs_value operation, cs_error *e)
{
    if (!cs_is(operation, CS_OBJECT) && !cs_is(operation, CS_NULL)) {
        return bad_patch(operation, "Go struct field Patch.data of type bundle.PatchOperation", e);
    }
    cs_value op = cs_object_member(operation, "op"), path = cs_object_member(operation, "path");
    if (!cs_is(op, CS_STRING) && !cs_is(op, CS_NULL) && !cs_is_undefined(op)) {
        return bad_patch(op, "Go struct field PatchOperation.data.op of type string", e);
    }
    if (!cs_is(path, CS_STRING) && !cs_is(path, CS_NULL) && !cs_is_undefined(path)) {
        return bad_patch(path, "Go struct field PatchOperation.data.path of type string", e);
    }
    return CS_OK;
}

static cs_err read_patch(cs_bundle *b, const cs_bundle_file *file, cs_error *e)
{
    cs_value document;
    cs_error inner = {0};
    if (cs_json_read(&b->arena, file->bytes, &(cs_json_options){.prefix = true}, &document, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle load failed on patch decode: %s", inner.text);
    }
    if (!cs_is(document, CS_OBJECT) && !cs_is(document, CS_NULL)) {
        return bad_patch(document, "Go value of type bundle.Patch", e);
    }
    const cs_value *data = cs_is(document, CS_OBJECT) ? cs_object_get_text(document, "data") : NULL;
    if (data != NULL && !cs_is(*data, CS_ARRAY) && !cs_is(*data, CS_NULL)) {
        return bad_patch(*data, "Go struct field Patch.data of type []bundle.PatchOperation", e);
    }
    for (uint32_t i = 0; data != NULL && cs_is(*data, CS_ARRAY) && i < data->n; i++) {
        CS_TRY(check_operation(data->u.items[i], e));
    }
    if (data != NULL && cs_count(*data) > 0) {
        b->patch = *data;
        b->delta = true;
    }
    return CS_OK;
}

static cs_slice shown_name(cs_bundle *b, const origin *from, const cs_bundle_file *file)
{
    return from->folder.n > 0 ? cs_bundle__join(&b->arena, from->folder, file->path) : file->written;
}

static cs_err read_module(cs_bundle *b, const origin *from, const cs_bundle_file *file, cs_error *e)
{
    cs_bundle_module module = {.path = cs_bundle__concat(&b->arena, CS_LIT("/"), file->path), .text = file->bytes};
    module.file = shown_name(b, from, file);
    module.url = from->url.n > 0 ? cs_bundle__join(&b->arena, from->url, file->path) : file->path;
    if (file->bytes.n > cs_limits_get()->rego_bytes) {
        return load_failed(module.file, "the module is too long", e);
    }
    CS_TRY(cs_bundle__package(&b->arena, module.file, file->bytes, &module.package, e));
    add_module(b, module);
    return CS_OK;
}

static cs_err take_manifest(cs_bundle *b, const cs_bundle_file *file, const cs_bundle_file **before, cs_error *e)
{
    if (*before != NULL) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle contains multiple manifest files: \"%.*s\" and \"%.*s\"",
                       CS_FMT((*before)->written), CS_FMT(file->written));
    }
    *before = file;
    return cs_bundle__read_manifest(b, file->bytes, cs_slice_ends(file->path, CS_LIT(".manifest.pb")), e);
}

static void add_plan(cs_bundle *b, const origin *from, const cs_bundle_file *file)
{
    cs_bundle_file plan = *file;
    plan.path = from->url.n > 0 ? cs_bundle__join(&b->arena, from->url, file->path) : file->path;
    plan.written = from->folder.n > 0 ? cs_bundle__join(&b->arena, from->folder, file->path)
                                      : cs_bundle__concat(&b->arena, CS_LIT("/"), file->path);
    push(b, &b->plans, &b->n_plans, &b->cap_plans, plan);
}

/* What a file is goes by its name alone; the rest is kept but not looked at. */
static cs_err read_file(cs_bundle *b, const cs_bundle_options *options, const origin *from, cs_freezer *f,
                        cs_bundle_file *file, const cs_bundle_file **manifest, cs_error *e)
{
    if (cs_slice_ends(file->path, CS_LIT(".rego"))) {
        return read_module(b, from, file, e);
    }
    if (cs_bundle__is_data(file->path)) {
        return read_data(b, options, f, file, shown_name(b, from, file), e);
    }
    if (cs_slice_ends(file->path, CS_LIT(".manifest")) || cs_slice_ends(file->path, CS_LIT(".manifest.pb"))) {
        return take_manifest(b, file, manifest, e);
    }
    cs_slice base = cs_bundle__base(file->path);
    if (cs_slice_is(base, "plan.json") || cs_slice_is(base, "plan.pb")) {
        add_plan(b, from, file);
    }
    return cs_slice_is(base, "patch.json") ? read_patch(b, file, e) : CS_OK;
}

static cs_err check_delta(const cs_bundle *b, bool persist, cs_error *e)
{
    if (!b->delta) {
        return CS_OK;
    }
    const char *what = cs_count(b->data) > 0 ? "data" : b->n_modules > 0 ? "policy" : NULL;
    if (what != NULL) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "delta bundle expected to contain only patch file but %s files found",
                       what);
    }
    return !persist ? CS_OK
                    : cs_fail(e, CS_ERR_BUNDLE_INVALID,
                              "'persist' property is true in config. persisting delta bundle to disk is not supported");
}

/* Has it operations? They must be read before the signature is looked at: deltas have none. */
static cs_err find_patch(cs_bundle *b, cs_error *e)
{
    for (size_t i = 0; i < b->n_files; i++) {
        if (cs_slice_is(cs_bundle__base(b->files[i].path), "patch.json")) {
            CS_TRY(read_patch(b, &b->files[i], e));
        }
    }
    return CS_OK;
}

static cs_err verify(cs_bundle *b, const cs_bundle_options *options, const origin *from, cs_freezer *f, cs_error *e)
{
    const cs_bundle_verify *v = options->verify;
    CS_TRY(find_patch(b, e));
    if (!b->delta) {
        return cs_bundle__verify(b, options, f, from->folder, e);
    }
    if (v != NULL && !v->optional && !v->unsigned_deltas) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "delta bundles do not support signature verification");
    }
    return CS_OK;
}

static cs_err include_manifest(cs_bundle *b, cs_freezer *f, cs_error *e)
{
    static const cs_slice place[] = {{"system", 6}, {"bundle", 6}, {"manifest", 8}};
    cs_error inner = {0};
    if (cs_bundle__insert(&b->arena, &b->data, place, 3, cs_freezer_put(f, b->manifest.document), NULL, &inner) !=
        CS_OK) {
        return load_failed(CS_LIT("/system/bundle/manifest/revision"), inner.text, e);
    }
    return CS_OK;
}

/* What is wrong with a module, by whoever is asked. */
static cs_err ask_about(const cs_bundle_options *options, const cs_bundle_module *m, cs_error *e)
{
    if (options->module == NULL) {
        return CS_OK;
    }
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err err = options->module(options->module_self, m, &errors);
    if (err != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &errors);
        err = cs_fail(e, err, "%s", cs_buf_cstr(&text));
        if (options->why != NULL) {
            cs_buf_printf(options->why, "bundle %.*s: %s", CS_FMT(options->name), cs_buf_cstr(&text));
        }
        cs_buf_destroy(&text);
    }
    cs_errors_destroy(&errors);
    return err;
}

static cs_err read_files(cs_bundle *b, const cs_bundle_options *options, const origin *from, cs_freezer *f, cs_error *e)
{
    if (!options->skip_verify) {
        CS_TRY(verify(b, options, from, f, e));
    }
    const cs_bundle_file *manifest = NULL;
    for (size_t i = 0; i < b->n_files; i++) {
        CS_TRY(read_file(b, options, from, f, &b->files[i], &manifest, e));
    }
    for (size_t i = 0; i < b->n_modules; i++) {
        cs_bundle_module *m = &b->modules[i];
        m->rego_version = cs_bundle__rego_version(b, m->path, options->rego_version);
        CS_TRY(ask_about(options, m, e));
    }
    CS_TRY(check_delta(b, options->persist, e));
    CS_TRY(cs_bundle__check_manifest(b, e));
    if (options->include_manifest) {
        CS_TRY(include_manifest(b, f, e));
    }
    b->data = cs_freezer_put_upper(f, b->data);
    return CS_OK;
}

static cs_err finish(cs_bundle *b, const cs_bundle_options *options, const origin *from, cs_error *e)
{
    if (options->raw) {
        return CS_OK;
    }
    cs_freezer *f = cs_freezer_new(cs_segment_arena(b->segment));
    cs_err err = read_files(b, options, from, f, e);
    cs_freezer_free(f);
    return err;
}

static cs_err hand_over(cs_bundle *b, cs_err err, cs_bundle **out)
{
    if (err != CS_OK) {
        cs_bundle_free(b);
        return err;
    }
    *out = b;
    return CS_OK;
}

cs_err cs_bundle_read(cs_slice archive, const cs_bundle_options *options, cs_bundle **out, cs_error *e)
{
    cs_bundle *b = bundle_new(options);
    cs_err err = cs_bundle__unpack(b, archive, options, e);
    if (err == CS_OK) {
        err = finish(b, options, &(origin){CS_LIT(""), CS_LIT("")}, e);
    }
    return hand_over(b, err, out);
}

/* ---- folders */

typedef struct folder_walk {
    cs_bundle *bundle;
    const cs_bundle_options *options;
    const char *path;
    uint64_t total;
} folder_walk;

/* A link may lead nowhere, or to a folder. */
static cs_err check_link(const char *full, const char *relative, cs_error *e)
{
    struct stat st;
    if (stat(full, &st) != 0) {
        return cs_fail(e, CS_ERR_IO, "failed to open file /%s: open %s: %s", relative, full,
                       errno == ELOOP ? "too many levels of symbolic links" : "no such file or directory");
    }
    return S_ISDIR(st.st_mode) ? cs_fail(e, CS_ERR_IO, "read %s: is a directory", full) : CS_OK;
}

static cs_err take_folder_file(void *self, const char *relative, cs_error *e)
{
    folder_walk *w = self;
    cs_bundle *b = w->bundle;
    cs_slice path = keep(&b->arena, cs_slice_of(relative));
    if (cs_bundle_ignored(w->options->ignore, w->options->n_ignore, path)) {
        return CS_OK;
    }
    char *full = cs_arena_printf(&b->arena, NULL, "%s/%s", w->path, relative);
    struct stat st;
    if (lstat(full, &st) == 0 && S_ISLNK(st.st_mode)) {
        if (!w->options->follow_links) {
            return CS_OK;
        }
        CS_TRY(check_link(full, relative, e));
    }
    if (b->n_files >= cs_limits_get()->bundle_files) {
        return cs_fail(e, CS_ERR_LIMIT, "bundle has more than %llu files",
                       (unsigned long long)cs_limits_get()->bundle_files);
    }
    uint64_t max = w->options->max_file_bytes != 0 ? w->options->max_file_bytes : cs_limits_get()->bundle_bytes;
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_error inner = {0};
    cs_err err = cs_file_read(full, max, &bytes, &inner);
    if (err == CS_ERR_LIMIT) {
        err = cs_fail(e, err, "bundle file '%s' exceeded max size (%llu bytes)", relative, (unsigned long long)max);
    } else if (err != CS_OK) {
        err = cs_fail(e, err, "bundle read failed: %s", inner.text);
    } else if ((w->total += bytes.n) > cs_limits_get()->bundle_total_bytes) {
        err = cs_fail(e, CS_ERR_LIMIT, "bundle exceeded max size (%llu bytes)",
                      (unsigned long long)cs_limits_get()->bundle_total_bytes);
    } else {
        cs_bundle__add_file(
            b, (cs_bundle_file){.path = path, .bytes = keep(&b->arena, cs_buf_view(&bytes)), .written = path});
    }
    cs_buf_destroy(&bytes);
    return err;
}

static cs_err read_folder(cs_bundle *b, const char *path, const cs_bundle_options *options, cs_error *e)
{
    folder_walk w = {.bundle = b, .options = options, .path = path};
    CS_TRY(options->follow_links ? cs_file_walk_links(path, take_folder_file, &w, e)
                                 : cs_file_walk(path, take_folder_file, &w, e));
    cs_slice clean = cs_bundle__clean(&b->arena, cs_slice_of(path));
    return finish(b, options, &(origin){clean, clean}, e);
}

static cs_err read_archive_file(cs_bundle *b, const char *path, const cs_bundle_options *options, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(path, (size_t)cs_limits_get()->bundle_archive_bytes, &bytes, e);
    if (err == CS_OK) {
        err = cs_bundle__unpack(b, cs_buf_view(&bytes), options, e);
    }
    cs_buf_destroy(&bytes);
    if (err == CS_OK) {
        err = finish(b, options, &(origin){CS_LIT(""), cs_slice_of(path)}, e);
    }
    return err;
}

cs_err cs_bundle_read_path(const char *path, const cs_bundle_options *options, cs_bundle **out, cs_error *e)
{
    if (strncmp(path, "file://", 7) == 0) {
        path += 7;
    }
    if (!cs_file_exists(path)) {
        return cs_fail(e, CS_ERR_NOT_FOUND, "error reading \"%s\": stat %s: no such file or directory", path, path);
    }
    cs_bundle *b = bundle_new(options);
    cs_error inner = {0};
    cs_err err =
        cs_file_is_dir(path) ? read_folder(b, path, options, &inner) : read_archive_file(b, path, options, &inner);
    if (err != CS_OK) {
        cs_err kept = err;
        err = cs_fail_at(e, kept, inner.file[0] != '\0' ? inner.file : NULL, inner.row, inner.col, "bundle %s: %s",
                         path, inner.text);
    }
    return hand_over(b, err, out);
}
