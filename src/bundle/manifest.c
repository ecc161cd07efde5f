/* The manifest: what it says, and whether the bundle keeps to it. Texts are OPA's. */
#include "bundle/internal.h"

#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "countersign/number.h"

static cs_err wrong_type(const char *field, cs_value got, const char *want, cs_error *e)
{
    return cs_fail(e, CS_ERR_BUNDLE_INVALID,
                   "bundle load failed on manifest decode: json: cannot unmarshal %s into Go struct field "
                   "Manifest.%s of type %s",
                   cs_is(got, CS_BOOL) ? "bool" : cs_kind_name(got), field, want);
}

/* The member, or NULL if it is missing or null. */
static const cs_value *member(cs_value document, const char *name)
{
    const cs_value *v = cs_object_get_text(document, name);
    return v != NULL && !cs_is(*v, CS_NULL) ? v : NULL;
}

static cs_slice trim(cs_slice s)
{
    while (s.n > 0 && s.p[0] == '/') {
        s = cs_slice_sub(s, 1, s.n);
    }
    while (s.n > 0 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    return s;
}

static cs_err read_roots(cs_bundle *b, cs_value document, cs_error *e)
{
    cs_bundle_manifest *m = &b->manifest;
    const cs_value *roots = member(document, "roots");
    if (roots == NULL) {
        return CS_OK;
    }
    if (!cs_is(*roots, CS_ARRAY)) {
        return wrong_type("roots", *roots, "[]string", e);
    }
    m->n_roots = roots->n;
    m->roots = cs_arena_array(&b->arena, cs_slice, roots->n + 1U);
    for (uint32_t i = 0; i < roots->n; i++) {
        cs_value root = roots->u.items[i];
        if (!cs_is(root, CS_STRING)) {
            return wrong_type("roots", root, "string", e);
        }
        m->roots[i] = trim(cs_text(root));
    }
    return CS_OK;
}

static cs_err read_versions(cs_bundle *b, cs_value document, cs_error *e)
{
    cs_bundle_manifest *m = &b->manifest;
    const cs_value *version = member(document, "rego_version");
    int64_t number = -1;
    if (version != NULL) {
        if (!cs_is(*version, CS_NUMBER) || !cs_number_is_int(*version, &number)) {
            return wrong_type("rego_version", *version, "int", e);
        }
        if (number < 0 || number > 2) {
            return cs_fail(e, CS_ERR_BUNDLE_INVALID, "manifest has unknown rego-version %lld", (long long)number);
        }
        m->rego_version = (int)number;
    }
    const cs_value *files = member(document, "file_rego_versions");
    if (files == NULL) {
        return CS_OK;
    }
    if (!cs_is(*files, CS_OBJECT)) {
        return wrong_type("file_rego_versions", *files, "map[string]int", e);
    }
    for (uint32_t i = 0; i < cs_count(*files); i++) {
        cs_value v, key = cs_entry(*files, i, &v);
        if (!cs_is(v, CS_NUMBER) || !cs_number_is_int(v, &number)) {
            return wrong_type("file_rego_versions", v, "int", e);
        }
        if (number < 0 || number > 2) {
            return cs_fail(e, CS_ERR_BUNDLE_INVALID, "manifest has unknown rego-version %lld for file '%.*s'",
                           (long long)number, CS_FMT(cs_text(key)));
        }
    }
    m->file_rego_versions = *files;
    return CS_OK;
}

/* The manifest as OPA stores it: its fields in their order, roots as they are used. */
static void make_document(cs_bundle *b)
{
    cs_bundle_manifest *m = &b->manifest;
    cs_arena *a = &b->arena;
    cs_value document = cs_object_new(a, 5);
    cs_object_put_text(a, document, "revision", cs_string(m->revision));
    cs_value *roots = cs_arena_array(a, cs_value, m->n_roots + 1);
    for (size_t i = 0; i < m->n_roots; i++) {
        roots[i] = cs_string(m->roots[i]);
    }
    cs_object_put_text(a, document, "roots", cs_array(roots, m->n_roots));
    if (m->rego_version >= 0) {
        cs_object_put_text(a, document, "rego_version", cs_int(m->rego_version));
    }
    if (cs_is(m->file_rego_versions, CS_OBJECT)) {
        cs_object_put_text(a, document, "file_rego_versions", m->file_rego_versions);
    }
    if (cs_is(m->metadata, CS_OBJECT)) {
        cs_object_put_text(a, document, "metadata", m->metadata);
    }
    m->document = document;
}

void cs_bundle__default_manifest(cs_bundle *b)
{
    cs_bundle_manifest *m = &b->manifest;
    *m = (cs_bundle_manifest){.revision = CS_LIT(""), .rego_version = -1, .n_roots = 1};
    m->roots = cs_arena_array(&b->arena, cs_slice, 1);
    m->roots[0] = CS_LIT("");
    make_document(b);
}

cs_err cs_bundle__read_manifest(cs_bundle *b, cs_slice text, bool proto, cs_error *e)
{
    cs_bundle__default_manifest(b);
    cs_bundle_manifest *m = &b->manifest;
    m->present = true;
    m->proto = proto;
    cs_value document;
    cs_error inner = {0};
    if (proto) {
        if (!cs_bundle__manifest_of_proto(&b->arena, text, &document)) {
            return cs_fail(e, CS_ERR_BUNDLE_INVALID,
                           "bundle load failed on manifest decode: proto: cannot parse invalid wire-format data");
        }
    } else if (cs_json_read(&b->arena, text, &(cs_json_options){.prefix = true}, &document, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle load failed on manifest decode: %s", inner.text);
    }
    if (cs_is(document, CS_NULL)) {
        return CS_OK;
    }
    if (!cs_is(document, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID,
                       "bundle load failed on manifest decode: json: cannot unmarshal %s into Go value of type "
                       "bundle.Manifest",
                       cs_kind_name(document));
    }
    const cs_value *v = member(document, "revision");
    if (v != NULL && !cs_is(*v, CS_STRING)) {
        return wrong_type("revision", *v, "string", e);
    }
    m->revision = v != NULL ? cs_text(*v) : CS_LIT("");
    v = member(document, "metadata");
    if (v != NULL && !cs_is(*v, CS_OBJECT)) {
        return wrong_type("metadata", *v, "map[string]interface {}", e);
    }
    m->metadata = v != NULL ? *v : cs_undefined();
    v = member(document, "wasm");
    if (v != NULL && cs_count(*v) > 0) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "the manifest names wasm modules, which are not supported");
    }
    CS_TRY(read_roots(b, document, e));
    CS_TRY(read_versions(b, document, e));
    make_document(b);
    return CS_OK;
}

int cs_bundle__rego_version(const cs_bundle *b, cs_slice path, int otherwise)
{
    const cs_bundle_manifest *m = &b->manifest;
    if (cs_is(m->file_rego_versions, CS_OBJECT)) {
        cs_slice bare = cs_slice_sub(path, 1, path.n);
        for (uint32_t i = 0; i < cs_count(m->file_rego_versions); i++) {
            cs_value v, key = cs_entry(m->file_rego_versions, i, &v);
            int64_t version = 0;
            if ((cs_bundle__glob_match(cs_text(key), path) || cs_bundle__glob_match(cs_text(key), bare)) &&
                cs_number_is_int(v, &version)) {
                return (int)version;
            }
        }
    }
    return m->rego_version >= 0 ? m->rego_version : otherwise;
}

void cs_bundle__print_roots(cs_buf *out, const cs_slice *roots, size_t n)
{
    cs_buf_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(out, i > 0 ? " " : "");
        cs_buf_slice(out, roots[i]);
    }
    cs_buf_byte(out, ']');
}

/* "manifest roots [a] do not permit " and the rest, taken over from `rest`. */
static cs_err not_permitted(const cs_bundle_manifest *m, cs_buf *rest, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "manifest roots ");
    cs_bundle__print_roots(&text, m->roots, m->n_roots);
    cs_buf_text(&text, " do not permit ");
    cs_buf_slice(&text, cs_buf_view(rest));
    cs_err err = cs_fail(e, CS_ERR_BUNDLE_INVALID, "%s", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
    cs_buf_destroy(rest);
    return err;
}

static cs_err check_modules(const cs_bundle *b, cs_error *e)
{
    const cs_bundle_manifest *m = &b->manifest;
    for (size_t i = 0; i < b->n_modules; i++) {
        const cs_bundle_module *module = &b->modules[i];
        uint32_t n = module->package.n;
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_slice *keys = cs_arena_array(&a, cs_slice, n + 1U);
        for (uint32_t k = 0; k < n; k++) {
            keys[k] = cs_text(module->package.u.items[k]);
        }
        bool inside = cs_bundle__root_contains_keys(m->roots, m->n_roots, keys, n);
        cs_arena_destroy(&a);
        if (!inside) {
            cs_buf rest, ref;
            cs_buf_init(&rest);
            cs_buf_init(&ref);
            cs_bundle_print_ref(&ref, module->package);
            cs_slice name = cs_buf_view(&ref);
            cs_buf_printf(&rest, "'package %.*s' in module '%.*s'", CS_FMT(cs_slice_sub(name, 5, name.n)),
                          CS_FMT(module->file));
            cs_buf_destroy(&ref);
            return not_permitted(m, &rest, e);
        }
    }
    return CS_OK;
}

static cs_err check_patches(const cs_bundle *b, cs_error *e)
{
    const cs_bundle_manifest *m = &b->manifest;
    for (uint32_t i = 0; i < cs_count(b->patch); i++) {
        cs_value op = b->patch.u.items[i];
        const cs_value *path = cs_is(op, CS_OBJECT) ? cs_object_get_text(op, "path") : NULL;
        cs_slice place = path != NULL && cs_is(*path, CS_STRING) ? trim(cs_text(*path)) : CS_LIT("");
        if (!cs_bundle_root_contains(m->roots, m->n_roots, place)) {
            cs_buf rest;
            cs_buf_init(&rest);
            cs_buf_printf(&rest, "data patch at path '%.*s'", CS_FMT(place));
            return not_permitted(m, &rest, e);
        }
    }
    return CS_OK;
}

typedef struct walk {
    const cs_bundle_manifest *m;
    cs_arena arena;
    CS_VEC(cs_slice) keys;
} walk;

/* May something below this path be permitted? OPA's answer: some key on the way is the first part of a root. */
static bool leads_to_root(const walk *w)
{
    for (size_t r = 0; r < w->m->n_roots; r++) {
        cs_slice rest = w->m->roots[r], first = CS_LIT("");
        (void)cs_slice_next(&rest, '/', &first);
        for (size_t k = 0; k < w->keys.n; k++) {
            if (cs_slice_eq(w->keys.v[k], first)) {
                return true;
            }
        }
    }
    return w->keys.n == 0;
}

static cs_err check_data(walk *w, cs_value node, cs_error *e)
{
    if (cs_bundle__root_contains_keys(w->m->roots, w->m->n_roots, w->keys.v, w->keys.n)) {
        return CS_OK;
    }
    if (!cs_is(node, CS_OBJECT) || !leads_to_root(w)) {
        cs_buf rest;
        cs_buf_init(&rest);
        cs_buf_text(&rest, "data at path '");
        for (size_t i = 0; i < w->keys.n; i++) {
            cs_buf_byte(&rest, '/');
            cs_buf_slice(&rest, w->keys.v[i]);
        }
        cs_buf_text(&rest, "' (hint: check bundle directory structure)");
        return not_permitted(w->m, &rest, e);
    }
    for (uint32_t i = 0; i < cs_count(node); i++) {
        cs_value v, key = cs_entry(node, i, &v);
        CS_VEC_PUSH_IN(&w->arena, &w->keys, cs_text(key));
        CS_TRY(check_data(w, v, e));
        w->keys.n--;
    }
    return CS_OK;
}

cs_err cs_bundle__check_manifest(const cs_bundle *b, cs_error *e)
{
    const cs_bundle_manifest *m = &b->manifest;
    for (size_t i = 0; i < m->n_roots; i++) {
        for (size_t j = i + 1; j < m->n_roots; j++) {
            if (cs_bundle_roots_overlap(m->roots[i], m->roots[j])) {
                return cs_fail(e, CS_ERR_BUNDLE_INVALID, "manifest has overlapped roots: '%.*s' and '%.*s'",
                               CS_FMT(m->roots[i]), CS_FMT(m->roots[j]));
            }
        }
    }
    CS_TRY(check_modules(b, e));
    CS_TRY(check_patches(b, e));
    walk w = {.m = m};
    cs_arena_init(&w.arena, 0);
    cs_err err = check_data(&w, b->data, e);
    cs_arena_destroy(&w.arena);
    return err;
}
