/* One bundle out of several, as files ready to be written: what `build` packs. */
#include "bundle/internal.h"

#include "countersign/base/mem.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"

cs_bundle *cs_bundle_of_loaded(cs_bundle_loaded *loaded)
{
    cs_bundle *b = cs_zalloc(sizeof *b);
    b->arena = loaded->arena;
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

typedef CS_VEC(cs_bundle_file) file_list;

static cs_err merge_roots(cs_bundle *const *bundles, size_t n, cs_arena *a, cs_value *out, cs_error *e)
{
    CS_VEC(cs_value) roots = {0};
    for (size_t i = 0; i < n; i++) {
        const cs_bundle_manifest *m = &bundles[i]->manifest;
        for (size_t r = 0; r < m->n_roots; r++) {
            for (size_t k = 0; k < roots.n; k++) {
                if (cs_bundle_roots_overlap(cs_text(roots.v[k]), m->roots[r])) {
                    return cs_fail(e, CS_ERR_BUNDLE_ROOTS,
                                   "bundle merge failed: manifest has overlapped roots: '%.*s' and '%.*s'",
                                   CS_FMT(cs_text(roots.v[k])), CS_FMT(m->roots[r]));
                }
            }
            cs_value root = cs_string(m->roots[r]);
            CS_VEC_PUSH_IN(a, &roots, root);
        }
    }
    *out = cs_array(roots.v, roots.n);
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

static cs_err add_modules(cs_bundle *const *bundles, size_t n, int version, cs_arena *a, file_list *files,
                          cs_value *versions, cs_error *e)
{
    *versions = cs_object_new(a, 0);
    size_t from = files->n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < bundles[i]->n_modules; k++) {
            const cs_bundle_module *m = &bundles[i]->modules[k];
            cs_slice rooted = cs_bundle__clean(a, cs_bundle__concat(a, CS_LIT("/"), m->url));
            cs_bundle_file file = {.path = cs_slice_sub(rooted, 1, rooted.n), .bytes = m->text, .written = CS_LIT("")};
            for (size_t j = from; j < files->n; j++) {
                if (cs_slice_eq(files->v[j].path, file.path)) {
                    return cs_fail(e, CS_ERR_CONFLICT, "bundle merge failed: two modules are named %.*s",
                                   CS_FMT(file.path));
                }
            }
            if (m->rego_version != version) {
                cs_object_put(a, *versions, cs_string(rooted), cs_int(m->rego_version));
            }
            CS_VEC_PUSH_IN(a, files, file);
        }
    }
    return CS_OK;
}

/* In the order of OPA's struct. */
static cs_slice write_manifest(cs_arena *a, cs_slice revision, cs_value roots, int version, cs_value versions,
                               cs_value metadata)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "{\"revision\":");
    cs_json_write_string(&text, revision, CS_JSON_HTML);
    cs_buf_text(&text, ",\"roots\":");
    cs_json_write(&text, roots, CS_JSON_HTML);
    cs_buf_printf(&text, ",\"rego_version\":%d", version);
    if (cs_count(versions) > 0) {
        cs_buf_text(&text, ",\"file_rego_versions\":");
        cs_json_write(&text, versions, CS_JSON_HTML);
    }
    if (cs_is(metadata, CS_OBJECT) && cs_count(metadata) > 0) {
        cs_buf_text(&text, ",\"metadata\":");
        cs_json_write(&text, metadata, CS_JSON_HTML);
    }
    cs_buf_text(&text, "}\n");
    cs_slice out = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    return out;
}

cs_err cs_bundle_merge(cs_arena *a, cs_bundle *const *bundles, size_t n, const cs_bundle_build *build,
                       cs_bundle_file **files, size_t *n_files, cs_error *e)
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
    cs_value roots, data, versions;
    CS_TRY(merge_roots(bundles, n, a, &roots, e));
    CS_TRY(merge_data(bundles, n, a, &data, e));
    int version = n == 1 && first->rego_version >= 0 ? first->rego_version : build->rego_version;
    file_list list = {0};
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, data, CS_JSON_HTML);
    cs_buf_byte(&text, '\n');
    cs_bundle_file file = {.path = CS_LIT("data.json"), .written = CS_LIT("")};
    file.bytes = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    CS_VEC_PUSH_IN(a, &list, file);
    CS_TRY(add_modules(bundles, n, version, a, &list, &versions, e));
    cs_slice revision = build->revision != NULL ? *build->revision : n == 1 ? first->revision : CS_LIT("");
    file.path = CS_LIT(".manifest");
    file.bytes = write_manifest(a, revision, roots, version, versions, n == 1 ? first->metadata : cs_undefined());
    CS_VEC_PUSH_IN(a, &list, file);
    *files = list.v;
    *n_files = list.n;
    return CS_OK;
}
