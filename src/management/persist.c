/* Bundles that are kept for the next start, where OPA keeps them: <state>/bundles/<name>/bundle.tar.gz. */
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "management/internal.h"

enum { ROUNDS = 10 }; /* bundles that need each other become active in any order */

static void path_of(const cs_management *m, const cs_config_bundle *bundle, cs_buf *out)
{
    cs_buf_printf(out, "%s/bundles/%.*s/bundle.tar.gz", m->o.state_dir, CS_FMT(bundle->name));
}

cs_err cs_management__keep(cs_management *m, const cs_config_bundle *bundle, cs_slice archive, cs_error *e)
{
    if (m->o.state_dir == NULL) {
        return CS_OK;
    }
    cs_buf path;
    cs_buf_init(&path);
    path_of(m, bundle, &path);
    const char *file = cs_buf_cstr(&path);
    cs_err r = cs_file_mkdirs_above(file, e);
    r = r == CS_OK ? cs_file_replace(file, archive, e) : r;
    if (r != CS_OK) {
        bool older = cs_file_exists(file);
        cs_log(older ? CS_LOG_WARN : CS_LOG_ERROR, "Persisting bundle to disk failed.", 2,
               (cs_log_field[]){CS_LOG_S("name", bundle->name), CS_LOG_S("error", cs_slice_of(e->text))});
        r = older ? CS_OK : r; /* an older one is there: the bundle is active, and that is enough */
    }
    if (r != CS_OK) {
        cs_server_bundle_report(m->o.server, NULL, bundle->name, e, NULL, 0);
    }
    cs_buf_destroy(&path);
    return r;
}

/* ---- at the start */

typedef struct kept {
    const cs_config_bundle *config;
    cs_bundle *bundle;
    cs_arena arena; /* of its options */
    bool active;
} kept;

static void load(cs_management *m, kept *k)
{
    cs_error e = {0};
    cs_buf path, archive;
    cs_buf_init(&path);
    cs_buf_init(&archive);
    path_of(m, k->config, &path);
    if (cs_file_exists(cs_buf_cstr(&path))) {
        cs_bundle_options options = m->o.read_options(m->o.self, k->config, &k->arena);
        cs_err r = cs_file_read(cs_buf_cstr(&path), cs_limits_get()->bundle_archive_bytes, &archive, &e);
        r = r == CS_OK ? cs_bundle_read(cs_buf_view(&archive), &options, &k->bundle, &e) : r;
        if (r != CS_OK) {
            k->bundle = NULL;
            cs_server_bundle_report(m->o.server, NULL, k->config->name, &e, NULL, 0);
            cs_log(CS_LOG_ERROR, "Failed to load bundle from disk.", 3,
                   (cs_log_field[]){CS_LOG_S("name", k->config->name), CS_LOG_S("file", cs_buf_view(&path)),
                                    CS_LOG_S("error", cs_slice_of(e.text))});
        }
    }
    cs_buf_destroy(&archive);
    cs_buf_destroy(&path);
}

/* How many of them could not be activated. */
static size_t activate(cs_management *m, kept *v, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].bundle == NULL || v[i].active) {
            continue;
        }
        cs_error e = {0};
        cs_errors errors;
        cs_errors_init(&errors);
        v[i].active = cs_server_activate(m->o.server, (const cs_bundle *const *)&v[i].bundle, 1, &errors, &e) == CS_OK;
        left += !v[i].active;
        cs_errors_destroy(&errors);
    }
    return left;
}

void cs_management__activate_kept(cs_management *m)
{
    if (m->o.state_dir == NULL || m->n_downloads == 0) {
        return;
    }
    kept *v = cs_zalloc(m->n_downloads * sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < m->n_downloads; i++) {
        if (m->downloads[i].bundle->persist) {
            v[n].config = m->downloads[i].bundle;
            cs_arena_init(&v[n].arena, 0);
            load(m, &v[n++]);
        }
    }
    size_t left = activate(m, v, n);
    for (int round = 1; left != 0 && round < ROUNDS; round++) {
        left = activate(m, v, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (v[i].bundle != NULL && !v[i].active) {
            cs_log(CS_LOG_ERROR, "Bundle activation failed.", 2,
                   (cs_log_field[]){CS_LOG_S("name", v[i].config->name), CS_LOG_S("from", CS_LIT("disk"))});
        }
        cs_bundle_free(v[i].bundle);
        cs_arena_destroy(&v[i].arena);
    }
    cs_free(v);
}
