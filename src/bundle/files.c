/* Loose files as `-d` and `opa run PATH` take them: documents are merged at the root, below the names of the folders
 * that were walked. */
#include "bundle/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"

/* A document that was merged, kept so that a later clash can name where the first value came from. */
typedef struct merged {
    cs_slice file;
    cs_value document; /* with its place around it */
} merged;

typedef struct loader {
    cs_bundle_loaded *out;
    const cs_bundle_options *options;
    CS_VEC(cs_slice) place; /* keys under which documents go now */
    CS_VEC(merged) documents;
    cs_map seen; /* place and path of each file, so that one given twice counts once */
    cs_buf errors;
    size_t n_errors;
} loader;

static void count(loader *l, const char *text)
{
    cs_buf_text(&l->errors, l->n_errors > 0 ? "\n" : "");
    cs_buf_text(&l->errors, text);
    l->n_errors++;
}

static void note(loader *l, const char *text)
{
    count(l, text);
    if (l->options->problem != NULL) {
        l->options->problem(l->options->module_self, NULL, cs_slice_of(text));
    }
}

static bool has_path(cs_value document, cs_value keys)
{
    for (uint32_t i = 0; i < keys.n; i++) {
        const cs_value *next = cs_is(document, CS_OBJECT) ? cs_object_get(document, keys.u.items[i]) : NULL;
        if (next == NULL) {
            return false;
        }
        document = *next;
    }
    return true;
}

static void note_clash(loader *l, cs_slice file, cs_value conflict)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_slice(&text, file);
    cs_buf_text(&text, ": merge error: conflicting values at ");
    cs_bundle_print_ref(&text, conflict);
    const merged *other = NULL;
    for (size_t i = 0; i < l->documents.n && other == NULL; i++) {
        other = has_path(l->documents.v[i].document, conflict) ? &l->documents.v[i] : NULL;
    }
    if (other != NULL) {
        cs_buf_text(&text, ", also defined in ");
        cs_buf_slice(&text, other->file);
    } else {
        cs_buf_text(&text, ", data from multiple files must not overlap");
    }
    note(l, cs_buf_cstr(&text));
    cs_buf_destroy(&text);
}

static void add_document(loader *l, cs_slice file, cs_value document)
{
    cs_arena *a = &l->out->arena;
    cs_value placed = document;
    for (size_t i = l->place.n; i > 0; i--) {
        cs_value above = cs_object_new(a, 1);
        cs_object_put(a, above, cs_string(l->place.v[i - 1]), placed);
        placed = above;
    }
    cs_value conflict;
    if (cs_bundle__insert(a, &l->out->data, NULL, 0, placed, &conflict, NULL) == CS_OK) {
        merged entry = {file, placed};
        CS_VEC_PUSH_IN(a, &l->documents, entry);
    } else if (cs_is_undefined(conflict)) {
        note(l, cs_arena_printf(a, NULL, "%.*s: document must be of type object", CS_FMT(file)));
    } else {
        note_clash(l, file, conflict);
    }
}

static void add_module(loader *l, cs_bundle_module module)
{
    struct {
        cs_bundle_module *v;
        size_t n, cap;
    } list = {l->out->modules, l->out->n_modules, l->out->cap_modules};
    CS_VEC_PUSH_IN(&l->out->arena, &list, module);
    l->out->modules = list.v;
    l->out->n_modules = list.n;
    l->out->cap_modules = list.cap;
}

static cs_slice keep(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p != NULL ? s.p : "", s.n), s.n);
}

static cs_slice id_of(cs_slice path)
{
    while (path.n > 0 && path.p[0] == '/') {
        path = cs_slice_sub(path, 1, path.n);
    }
    while (path.n > 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    return path;
}

/* Each thing that is wrong with the module counts; false if there was none. */
static bool ask_about(loader *l, const cs_bundle_module *module)
{
    cs_errors errors;
    cs_errors_init(&errors);
    (void)l->options->module(l->options->module_self, module, &errors);
    for (size_t i = 0; i < errors.n; i++) {
        cs_errors one = {.v = &errors.v[i], .n = 1};
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &one);
        cs_slice line = cs_buf_view(&text), head = CS_LIT("1 error occurred: ");
        count(l, cs_arena_printf(&l->out->arena, NULL, "%.*s", CS_FMT(cs_slice_sub(line, head.n, line.n))));
        if (l->options->problem != NULL) {
            one.n = 1;
            l->options->problem(l->options->module_self, &one, line);
        }
        cs_buf_destroy(&text);
    }
    bool found = errors.n > 0;
    cs_errors_destroy(&errors);
    return found;
}

static cs_err add_rego(loader *l, cs_slice file, cs_slice text, cs_error *e)
{
    cs_bundle_module module = {
        .path = id_of(file), .file = file, .url = file, .text = text, .rego_version = l->options->rego_version};
    cs_err named = cs_bundle__package(&l->out->arena, file, text, &module.package, e);
    if (l->options->module == NULL) {
        CS_TRY(named);
        add_module(l, module);
        return CS_OK;
    }
    add_module(l, module);
    return ask_about(l, &module) || l->options->problem == NULL ? CS_OK : named;
}

static void add_archive(loader *l, cs_slice file, cs_slice bytes)
{
    cs_bundle_options options = {
        .name = file, .skip_verify = true, .include_manifest = true, .rego_version = l->options->rego_version};
    cs_bundle *b = NULL;
    cs_error e = {0};
    cs_arena *a = &l->out->arena;
    if (cs_bundle_read(bytes, &options, &b, &e) != CS_OK) {
        note(l, cs_arena_printf(a, NULL, "bundle %.*s: %s", CS_FMT(file), e.text));
        return;
    }
    for (size_t i = 0; i < b->n_modules; i++) {
        cs_bundle_module m = b->modules[i];
        m.path = cs_bundle_module_id(a, file, &m);
        m.file = keep(a, m.file);
        m.url = cs_bundle__join(a, file, m.url);
        m.text = keep(a, m.text);
        m.package = cs_freeze(a, m.package);
        add_module(l, m);
    }
    add_document(l, file, cs_freeze(a, b->data));
    cs_bundle_free(b);
}

/* A file that was named itself and has no known ending: whatever it parses as. */
static void add_any(loader *l, cs_slice file, cs_slice text)
{
    cs_value document, package;
    if (cs_bundle__package(&l->out->arena, file, text, &package, NULL) == CS_OK &&
        add_rego(l, file, text, NULL) == CS_OK) {
        return;
    }
    if (cs_bundle__read_document(&l->out->arena, text, &document, NULL) == CS_OK && cs_is(document, CS_OBJECT)) {
        add_document(l, file, document);
        return;
    }
    note(l, cs_arena_printf(&l->out->arena, NULL, "%.*s: can't recognize file type", CS_FMT(file)));
}

static void add_content(loader *l, cs_slice file, cs_slice text, bool named)
{
    cs_error e = {0};
    cs_value document;
    if (l->options->saw_data != NULL && !cs_slice_ends(file, CS_LIT(".rego"))) {
        *l->options->saw_data = true;
    }
    if (cs_slice_ends(file, CS_LIT(".json"))) {
        if (cs_json_read(&l->out->arena, text, &(cs_json_options){.borrow = true}, &document, NULL, &e) == CS_OK) {
            add_document(l, file, document);
            return;
        }
    } else if (cs_slice_ends(file, CS_LIT(".yaml")) || cs_slice_ends(file, CS_LIT(".yml"))) {
        if (cs_bundle__read_document(&l->out->arena, text, &document, &e) == CS_OK) {
            add_document(l, file, document);
            return;
        }
    } else if (cs_slice_ends(file, CS_LIT(".rego"))) {
        if (add_rego(l, file, text, &e) != CS_OK) {
            note(l, e.text);
        }
        return;
    } else if (cs_slice_ends(file, CS_LIT(".tar.gz"))) {
        add_archive(l, file, text);
        return;
    } else {
        if (named) {
            add_any(l, file, text);
        }
        return;
    }
    note(l, cs_arena_printf(&l->out->arena, NULL, "%.*s: %s", CS_FMT(file), e.text));
}

static bool seen_before(loader *l, cs_slice path)
{
    cs_buf key;
    cs_buf_init(&key);
    for (size_t i = 0; i < l->place.n; i++) {
        cs_buf_slice(&key, l->place.v[i]);
        cs_buf_byte(&key, '\0');
    }
    cs_buf_byte(&key, '\1');
    cs_buf_slice(&key, cs_bundle__clean(&l->out->arena, path));
    bool seen = cs_map_put(&l->seen, cs_buf_view(&key), l) != NULL;
    cs_buf_destroy(&key);
    return seen;
}

static void load_file(loader *l, const char *path, unsigned depth)
{
    cs_arena *a = &l->out->arena;
    cs_slice file = keep(a, cs_slice_of(path));
    bool known = cs_slice_ends(file, CS_LIT(".json")) || cs_slice_ends(file, CS_LIT(".yaml")) ||
                 cs_slice_ends(file, CS_LIT(".yml")) || cs_slice_ends(file, CS_LIT(".rego")) ||
                 cs_slice_ends(file, CS_LIT(".tar.gz"));
    if ((depth > 0 && !known) || seen_before(l, file)) {
        return;
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_error e = {0};
    if (cs_file_read(path, (size_t)cs_limits_get()->bundle_bytes, &bytes, &e) != CS_OK) {
        note(l, e.text);
    } else {
        add_content(l, file, keep(a, cs_buf_view(&bytes)), depth == 0);
    }
    cs_buf_destroy(&bytes);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static void load_path(loader *l, const char *path, const char *name, unsigned depth);

static void load_folder(loader *l, const char *path, const char *name, unsigned depth)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        note(l, cs_arena_printf(&l->out->arena, NULL, "open %s: the folder cannot be read", path));
        return;
    }
    CS_VEC(char *) names = {0};
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            CS_VEC_PUSH(&names, cs_strdup(entry->d_name));
        }
    }
    (void)closedir(folder);
    if (depth > 0) {
        cs_slice key = keep(&l->out->arena, cs_slice_of(name));
        CS_VEC_PUSH_IN(&l->out->arena, &l->place, key);
    }
    if (names.n > 0) {
        qsort(names.v, names.n, sizeof *names.v, by_name);
    }
    cs_slice base = cs_bundle__clean(&l->out->arena, cs_slice_of(path));
    for (size_t i = 0; i < names.n; i++) {
        cs_slice child = cs_slice_is(base, ".") ? cs_slice_of(names.v[i])
                                                : cs_bundle__join(&l->out->arena, base, cs_slice_of(names.v[i]));
        load_path(l, child.p, names.v[i], depth + 1);
        cs_free(names.v[i]);
    }
    CS_VEC_FREE(&names);
    l->place.n -= depth > 0;
}

/* Follows symbolic links as OPA does; the depth limit stops circles. */
static void load_path(loader *l, const char *path, const char *name, unsigned depth)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        note(l, cs_arena_printf(&l->out->arena, NULL, "stat %s: no such file or directory", path));
        return;
    }
    if (depth > 0 && cs_bundle_ignored(l->options->ignore, l->options->n_ignore, cs_slice_of(name))) {
        return;
    }
    if (l->options->only_rego && !S_ISDIR(st.st_mode) && !cs_slice_ends(cs_slice_of(path), CS_LIT(".rego"))) {
        return;
    }
    if (depth > 64) {
        note(l, cs_arena_printf(&l->out->arena, NULL, "%s: folders are nested too deeply", path));
    } else if (S_ISDIR(st.st_mode)) {
        load_folder(l, path, name, depth);
    } else {
        load_file(l, path, depth);
    }
}

/* "a.b:path" puts documents under data.a.b; an URL is no prefix. */
static void load_argument(loader *l, const char *argument)
{
    const char *path = argument;
    const char *colon = strchr(argument, ':');
    l->place.n = 0;
    if (colon != NULL && colon != argument && strncmp(colon, "://", 3) != 0) {
        cs_slice rest = cs_slice_make(argument, (size_t)(colon - argument)), part;
        while (cs_slice_next(&rest, '.', &part)) {
            cs_slice key = keep(&l->out->arena, part);
            CS_VEC_PUSH_IN(&l->out->arena, &l->place, key);
        }
        path = colon + 1;
    }
    if (strncmp(path, "file://", 7) == 0) {
        path += 7;
    }
    load_path(l, path, path, 0);
}

cs_err cs_bundle_load_files(const char *const *paths, size_t n, const cs_bundle_options *options,
                            cs_bundle_loaded **out, cs_error *e)
{
    cs_bundle_loaded *loaded = cs_zalloc(sizeof *loaded);
    cs_arena_init(&loaded->arena, 0);
    loaded->data = cs_object_new(&loaded->arena, 0);
    loader l = {.out = loaded, .options = options};
    cs_buf_init(&l.errors);
    cs_map_init(&l.seen);
    for (size_t i = 0; i < n; i++) {
        load_argument(&l, paths[i]);
    }
    cs_err err = CS_OK;
    if (l.n_errors > 0) {
        cs_buf text;
        cs_buf_init(&text);
        cs_buf_printf(&text, "%zu error%s occurred during loading:%s%s", l.n_errors, l.n_errors == 1 ? "" : "s",
                      l.n_errors == 1 ? " " : "\n", cs_buf_cstr(&l.errors));
        err = cs_fail(e, CS_ERR_INVALID, "%s", cs_buf_cstr(&text));
        if (options->why != NULL) {
            cs_buf_slice(options->why, cs_buf_view(&text));
        }
        cs_buf_destroy(&text);
    }
    cs_buf_destroy(&l.errors);
    cs_map_destroy(&l.seen);
    if (err != CS_OK) {
        cs_bundle_loaded_free(loaded);
        return err;
    }
    *out = loaded;
    return CS_OK;
}

void cs_bundle_loaded_free(cs_bundle_loaded *loaded)
{
    if (loaded != NULL) {
        cs_arena_destroy(&loaded->arena);
        cs_free(loaded);
    }
}
