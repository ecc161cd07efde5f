/* One bundle out of several, as files ready to be written: what `build` packs. */
#include "bundle/internal.h"

#include "countersign/base/mem.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"

cs_bundle *cs_bundle_of_loaded(cs_bundle_loaded *loaded)
{
    cs_bundle *b = cs_zalloc(sizeof *b);
    b->arena = loaded->arena;
    cs_arena_init(&b->texts, 0);
    b->name = b->etag = b->digest = CS_LIT("");
    b->signature.keyid = b->signature.scope = b->signature.issuer = CS_LIT("");
    b->data = loaded->data;
    b->patch = cs_array(NULL, 0);
    b->modules = loaded->modules;
    b->n_modules = loaded->n_modules;
    b->cap_modules = loaded->cap_modules;
    cs_free(loaded);
    cs_bundle__default_manifest(b);
    return b;
}

static cs_err merge_roots(cs_bundle *const *bundles, size_t n, cs_arena *a, cs_bundle_merged *out, cs_error *e)
{
    CS_VEC(cs_slice) roots = {0};
    for (size_t i = 0; i < n; i++) {
        const cs_bundle_manifest *m = &bundles[i]->manifest;
        for (size_t r = 0; r < m->n_roots; r++) {
            for (size_t k = 0; k < roots.n; k++) {
                if (cs_bundle_roots_overlap(roots.v[k], m->roots[r])) {
                    return cs_fail(e, CS_ERR_BUNDLE_ROOTS,
                                   "bundle merge failed: manifest has overlapped roots: '%.*s' and '%.*s'",
                                   CS_FMT(roots.v[k]), CS_FMT(m->roots[r]));
                }
            }
            CS_VEC_PUSH_IN(a, &roots, m->roots[r]);
        }
    }
    out->roots = roots.v;
    out->n_roots = roots.n;
    return CS_OK;
}

static cs_err merge_data(cs_bundle *const *bundles, size_t n, cs_arena *a, cs_value *out, cs_error *e)
{
    *out = cs_object_new(a, 0);
    for (size_t i = 0; i < n; i++) {
        if (cs_bundle__insert(a, out, NULL, 0, bundles[i]->data, NULL, NULL) != CS_OK) {
            return cs_fail(e, CS_ERR_CONFLICT, "bundle merge failed: failed to insert data of bundle %.*s",
                           CS_FMT(bundles[i]->name));
        }
    }
    return CS_OK;
}

/* With a leading slash, cleaned: what file_rego_versions says about it. */
static cs_slice rooted(cs_arena *a, cs_slice path)
{
    return cs_bundle__clean(a, cs_bundle__concat(a, CS_LIT("/"), path));
}

static void merge_modules(cs_bundle *const *bundles, size_t n, cs_arena *a, cs_bundle_merged *out)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += bundles[i]->n_modules;
    }
    out->modules = (const cs_bundle_module **)cs_arena_zalloc(a, (total + 1) * sizeof *out->modules);
    out->file_rego_versions = cs_object_new(a, 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < bundles[i]->n_modules; k++) {
            const cs_bundle_module *m = &bundles[i]->modules[k];
            out->modules[out->n_modules++] = m;
            if (m->rego_version != out->rego_version) {
                cs_object_put(a, out->file_rego_versions, cs_string(rooted(a, m->url)), cs_int(m->rego_version));
            }
        }
    }
}

/* Plans, and the manifests that go with them, are all of one form. */
static cs_err merge_plans(cs_bundle *const *bundles, size_t n, cs_arena *a, cs_bundle_merged *out, cs_error *e)
{
    CS_VEC(cs_bundle_file) plans = {0};
    cs_slice form = CS_LIT("");
    for (size_t i = 0; i < n; i++) {
        const cs_bundle *b = bundles[i];
        for (size_t k = 0; k < b->n_plans; k++) {
            cs_slice base = cs_bundle__base(b->plans[k].path);
            if (form.n > 0 && !cs_slice_eq(form, base) && n > 1) {
                return cs_fail(e, CS_ERR_INVALID,
                               "bundle merge failed: cannot merge bundles with mixed plan formats (%.*s and %.*s)",
                               CS_FMT(form), CS_FMT(base));
            }
            form = form.n > 0 ? form : base;
            cs_slice path = rooted(a, b->plans[k].path);
            cs_bundle_file plan = {
                .path = cs_slice_sub(path, 1, path.n), .bytes = b->plans[k].bytes, .written = b->plans[k].written};
            CS_VEC_PUSH_IN(a, &plans, plan);
        }
        if (b->manifest.proto != bundles[0]->manifest.proto) {
            return cs_fail(e, CS_ERR_INVALID, "bundle merge failed: cannot merge bundles with mixed manifest formats");
        }
    }
    out->plans = plans.v;
    out->n_plans = plans.n;
    return CS_OK;
}

/* A plan and the manifest beside it are of one form. */
static cs_err check_forms(const cs_bundle_merged *m, cs_error *e)
{
    for (size_t i = 0; i < m->n_plans; i++) {
        bool proto = cs_slice_is(cs_bundle__base(m->plans[i].path), "plan.pb");
        cs_buf name;
        cs_buf_init(&name);
        cs_quote(&name, m->plans[i].written);
        cs_err err = CS_OK;
        if (proto && !m->proto) {
            err = cs_fail(e, CS_ERR_INVALID,
                          "bundle has JSON manifest but proto plan %s; SetManifestProto(true) required",
                          cs_buf_cstr(&name));
        } else if (!proto && m->proto) {
            err = cs_fail(e, CS_ERR_INVALID,
                          "bundle has proto manifest but JSON plan %s; SetManifestProto must agree with plan format",
                          cs_buf_cstr(&name));
        }
        cs_buf_destroy(&name);
        CS_TRY(err);
    }
    return CS_OK;
}

cs_err cs_bundle_merge(cs_arena *a, cs_bundle *const *bundles, size_t n, const cs_bundle_build *build,
                       cs_bundle_merged *out, cs_error *e)
{
    if (n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "expected at least one bundle");
    }
    for (size_t i = 0; i < n; i++) {
        if (bundles[i]->delta) {
            return cs_fail(e, CS_ERR_INVALID, "a delta bundle cannot be built again");
        }
    }
    const cs_bundle_manifest *first = &bundles[0]->manifest;
    *out = (cs_bundle_merged){.rego_version =
                                  n == 1 && first->rego_version >= 0 ? first->rego_version : build->rego_version};
    CS_TRY(merge_plans(bundles, n, a, out, e));
    CS_TRY(merge_roots(bundles, n, a, out, e));
    CS_TRY(merge_data(bundles, n, a, &out->data, e));
    merge_modules(bundles, n, a, out);
    out->revision = build->revision != NULL ? *build->revision : n == 1 ? first->revision : CS_LIT("");
    out->metadata = n == 1 && cs_is(first->metadata, CS_OBJECT) ? first->metadata : cs_object_new(a, 0);
    return CS_OK;
}

void cs_bundle_add_root(cs_arena *a, cs_bundle_merged *merged, cs_slice root)
{
    if (cs_bundle_root_contains(merged->roots, merged->n_roots, root)) {
        return;
    }
    cs_slice *roots = cs_arena_array(a, cs_slice, merged->n_roots + 1);
    if (merged->n_roots > 0) {
        memcpy(roots, merged->roots, merged->n_roots * sizeof *roots);
    }
    roots[merged->n_roots++] = root;
    merged->roots = roots;
}

/* ---- files */
/* In the order of OPA's struct. */
static cs_slice write_manifest(cs_arena *a, const cs_bundle_merged *m)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "{\"revision\":");
    cs_json_write_string(&text, m->revision, CS_JSON_HTML);
    cs_buf_text(&text, ",\"roots\":[");
    for (size_t i = 0; i < m->n_roots; i++) {
        cs_buf_text(&text, i ? "," : "");
        cs_json_write_string(&text, m->roots[i], CS_JSON_HTML);
    }
    cs_buf_printf(&text, "],\"rego_version\":%d", m->rego_version);
    if (cs_count(m->file_rego_versions) > 0) {
        cs_buf_text(&text, ",\"file_rego_versions\":");
        cs_json_write(&text, m->file_rego_versions, CS_JSON_HTML);
    }
    if (cs_count(m->metadata) > 0) {
        cs_buf_text(&text, ",\"metadata\":");
        cs_json_write(&text, m->metadata, CS_JSON_HTML);
    }
    cs_buf_text(&text, "}\n");
    cs_slice out = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    return out;
}

cs_err cs_bundle_pack(cs_arena *a, const cs_bundle_merged *merged, const cs_bundle_file *modules, size_t n_modules,
                      cs_bundle_file **files, size_t *n_files, cs_error *e)
{
    size_t n = 0, count = modules != NULL ? n_modules : merged->n_modules;
    CS_TRY(check_forms(merged, e));
    cs_bundle_file *list = cs_arena_array(a, cs_bundle_file, count + merged->n_plans + 2);
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, merged->data, CS_JSON_HTML);
    cs_buf_byte(&text, '\n');
    list[n++] = (cs_bundle_file){
        .path = CS_LIT("data.json"), .bytes = {cs_arena_dup(a, text.p, text.n), text.n}, .written = CS_LIT("")};
    cs_buf_destroy(&text);
    for (size_t i = 0; i < count; i++) {
        cs_slice name = modules != NULL ? modules[i].path : merged->modules[i]->url;
        cs_slice path = rooted(a, name);
        path = cs_slice_sub(path, 1, path.n);
        for (size_t k = 1; k < n; k++) {
            if (cs_slice_eq(list[k].path, path)) {
                return cs_fail(e, CS_ERR_CONFLICT, "duplicate module URL: %.*s", CS_FMT(name));
            }
        }
        list[n++] = (cs_bundle_file){.path = path,
                                     .bytes = modules != NULL ? modules[i].bytes : merged->modules[i]->text,
                                     .written = CS_LIT("")};
    }
    for (size_t i = 0; i < merged->n_plans; i++) {
        list[n++] = merged->plans[i];
    }
    cs_slice manifest = merged->proto ? cs_bundle__manifest_to_proto(a, merged) : write_manifest(a, merged);
    list[n++] = (cs_bundle_file){
        .path = merged->proto ? CS_LIT(".manifest.pb") : CS_LIT(".manifest"), .bytes = manifest, .written = CS_LIT("")};
    *files = list;
    *n_files = n;
    return CS_OK;
}
