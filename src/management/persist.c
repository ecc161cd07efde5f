/* Bundles that are kept for the next start, where OPA keeps them: <state>/bundles/<name>/bundle.tar.gz. */
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "management/internal.h"

enum { ROUNDS = 10 }; /* bundles that need each other become active in any order */

void cs_management__kept_path(const cs_management *m, cs_slice folder, cs_buf *out)
{
    cs_buf_printf(out, "%s/bundles/%.*s/bundle.tar.gz", m->o.state_dir, CS_FMT(folder));
}

cs_err cs_management__keep(cs_management *m, cs_slice folder, cs_slice archive, cs_error *e)
{
    if (m->o.state_dir == NULL) {
        return CS_OK;
    }
    cs_buf path;
    cs_buf_init(&path);
    cs_management__kept_path(m, folder, &path);
    const char *file = cs_buf_cstr(&path);
    cs_err r = cs_file_mkdirs_above(file, e);
    r = r == CS_OK ? cs_file_replace(file, archive, e) : r;
    if (r != CS_OK) {
        bool older = cs_file_exists(file);
        cs_log(older ? CS_LOG_WARN : CS_LOG_ERROR, "Persisting bundle to disk failed.", 2,
               (cs_log_field[]){CS_LOG_S("name", folder), CS_LOG_S("error", cs_slice_of(e->text))});
        r = older ? CS_OK : r; /* an older one is there: the bundle is active, and that is enough */
    }
    cs_buf_destroy(&path);
    return r;
}

/* ---- at the start */

typedef struct kept {
    const cs_management__download *download;
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
    const cs_config_bundle *config = k->download->bundle;
    cs_management__kept_path(m, config->name, &path);
    if (cs_file_exists(cs_buf_cstr(&path))) {
        cs_bundle_options options = m->o.read_options(m->o.self, k->download->config, config, &k->arena);
        cs_err r = cs_file_read(cs_buf_cstr(&path), cs_limits_get()->bundle_archive_bytes, &archive, &e);
        r = r == CS_OK ? cs_bundle_read(cs_buf_view(&archive), &options, &k->bundle, &e) : r;
        if (r != CS_OK) {
            k->bundle = NULL;
            cs_server_bundle_report(m->o.server, NULL, config->name, &e, NULL, 0);
            cs_log(CS_LOG_ERROR, "Failed to load bundle from disk.", 3,
                   (cs_log_field[]){CS_LOG_S("name", config->name), CS_LOG_S("file", cs_buf_view(&path)),
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
    if (m->o.state_dir == NULL || m->downloads.n == 0) {
        return;
    }
    kept *v = cs_zalloc(m->downloads.n * sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < m->downloads.n; i++) {
        if (m->downloads.v[i]->bundle->persist) {
            v[n].download = m->downloads.v[i];
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
                   (cs_log_field[]){CS_LOG_S("name", v[i].download->bundle->name), CS_LOG_S("from", CS_LIT("disk"))});
        }
        cs_bundle_free(v[i].bundle);
        cs_arena_destroy(&v[i].arena);
    }
    cs_free(v);
}
