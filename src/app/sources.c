/* What stands in the world before anybody asks: files and bundles of the command line, bundles of the configuration. */
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "internal.h"

static cs_bundle_options common(const cs_app *app)
{
    return (cs_bundle_options){
        .rego_version = app->o->rego_version,
        .ignore = app->o->ignore,
        .n_ignore = app->o->n_ignore,
        .consume = !cs_server_reads_texts(app->config),
    };
}

/* ---- the command line */

/* Data that is not in the files any more; what others own stays. */
static cs_err drop_other_data(cs_txn *txn, cs_value loaded, cs_error *e)
{
    cs_value root;
    CS_TRY(cs_txn_read(txn, NULL, 0, &root, e));
    for (uint32_t i = 0; i < cs_count(root); i++) {
        cs_value value;
        cs_slice name = cs_text(cs_entry(root, i, &value));
        cs_error not_ours = {0};
        if (cs_object_get(loaded, cs_string(name)) == NULL && !cs_slice_is(name, "system") &&
            cs_txn_check_scope(txn, &name, 1, &not_ours) == CS_OK) {
            CS_TRY(cs_txn_write(txn, CS_TXN_REMOVE, &name, 1, cs_null(), e));
        }
    }
    return CS_OK;
}

static bool is_loaded(const cs_bundle_loaded *loaded, const char *id)
{
    for (size_t i = 0; i < loaded->n_modules; i++) {
        if (cs_slice_is(loaded->modules[i].file, id)) {
            return true;
        }
    }
    return false;
}

static cs_err write_files(cs_app *app, const cs_bundle_loaded *loaded, cs_txn *txn, bool again, cs_error *e)
{
    if (again && cs_count(loaded->data) != 0) {
        CS_TRY(drop_other_data(txn, loaded->data, e));
    }
    for (uint32_t i = 0; i < cs_count(loaded->data); i++) {
        cs_value value, key = cs_entry(loaded->data, i, &value);
        cs_slice name = cs_text(key);
        CS_TRY(cs_txn_write(txn, CS_TXN_ADD, &name, 1, value, e));
    }
    for (size_t i = 0; i < loaded->n_modules; i++) {
        cs_txn_policy_put(txn, loaded->modules[i].file, loaded->modules[i].text, loaded->modules[i].rego_version);
    }
    for (size_t i = 0; i < app->n_file_policies; i++) {
        if (!is_loaded(loaded, app->file_policies[i])) {
            (void)cs_txn_policy_remove(txn, cs_slice_of(app->file_policies[i]));
        }
    }
    return CS_OK;
}

void cs_app__forget_paths(cs_app *app)
{
    for (size_t i = 0; i < app->n_file_policies; i++) {
        cs_free(app->file_policies[i]);
    }
    cs_free(app->file_policies);
    app->file_policies = NULL;
    app->n_file_policies = 0;
}

static void remember(cs_app *app, const cs_bundle_loaded *loaded)
{
    cs_app__forget_paths(app);
    app->file_policies = cs_alloc_array(loaded->n_modules + 1, sizeof *app->file_policies);
    for (size_t i = 0; i < loaded->n_modules; i++) {
        cs_slice id = loaded->modules[i].file;
        char *copy = cs_alloc(id.n + 1);
        memcpy(copy, id.p, id.n);
        copy[id.n] = 0;
        app->file_policies[app->n_file_policies++] = copy;
    }
}

static cs_err load_files(cs_app *app, bool again, cs_errors *errors, cs_error *e)
{
    cs_bundle_options options = common(app);
    options.skip_verify = true;
    cs_bundle_loaded *loaded;
    CS_TRY(cs_bundle_load_files(app->o->paths, app->o->n_paths, &options, &loaded, e));
    cs_txn *txn = cs_store_begin(app->store);
    cs_err r = write_files(app, loaded, txn, again, e);
    if (r == CS_OK) {
        r = cs_txn_commit(txn, errors);
    } else {
        cs_txn_abort(txn);
    }
    if (r == CS_OK) {
        remember(app, loaded);
    }
    cs_bundle_loaded_free(loaded);
    return r;
}

/* Changed in place they are not verified, as OPA does. */
static cs_err load_bundles(cs_app *app, bool again, cs_errors *errors, cs_error *e)
{
    size_t n = app->o->n_paths;
    cs_bundle **bundles = cs_zalloc((n + 1) * sizeof(cs_bundle *));
    cs_err r = CS_OK;
    for (size_t i = 0; i < n && r == CS_OK; i++) {
        cs_bundle_options options = common(app);
        options.name = cs_slice_of(app->o->paths[i]);
        options.verify = app->o->verify;
        options.skip_verify = app->o->skip_verify || again;
        r = cs_bundle_read_path(app->o->paths[i], &options, &bundles[i], e);
    }
    if (r == CS_OK) {
        r = cs_server_activate(app->server, (const cs_bundle *const *)bundles, n, errors, e);
    }
    for (size_t i = 0; i < n; i++) {
        cs_bundle_free(bundles[i]);
    }
    cs_free(bundles);
    return r;
}

cs_err cs_app__load_paths(cs_app *app, cs_errors *errors, cs_error *e)
{
    if (app->o->n_paths == 0) {
        return CS_OK;
    }
    return app->o->bundles ? load_bundles(app, false, errors, e) : load_files(app, false, errors, e);
}

cs_err cs_app__reload_paths(cs_app *app, cs_errors *errors, cs_error *e)
{
    cs_err r = app->o->bundles ? load_bundles(app, true, errors, e) : load_files(app, true, errors, e);
    if (r == CS_OK) {
        cs_server_world_changed(app->server);
    }
    return r;
}

/* ---- the configuration */

cs_bundle_options cs_app__bundle_options(cs_app *app, const cs_config *c, const cs_config_bundle *b, cs_arena *a)
{
    cs_bundle_options options = common(app);
    options.name = b->name;
    options.max_file_bytes = b->size_limit_bytes;
    options.persist = b->persist;
    options.skip_verify = app->o->skip_verify;
    if (b->signing || c->n_keys != 0) {
        cs_bundle_key *keys = cs_arena_array(a, cs_bundle_key, c->n_keys + 1);
        for (size_t i = 0; i < c->n_keys; i++) {
            keys[i] = (cs_bundle_key){c->keys[i].id, c->keys[i].key, c->keys[i].algorithm, c->keys[i].scope};
        }
        cs_bundle_verify *verify = cs_arena_new(a, cs_bundle_verify);
        *verify = (cs_bundle_verify){.keys = keys,
                                     .n_keys = c->n_keys,
                                     .keyid = b->keyid,
                                     .scope = b->scope,
                                     .exclude = b->exclude_files,
                                     .n_exclude = b->n_exclude_files,
                                     .optional = !b->signing,
                                     .unsigned_deltas = b->unsigned_deltas};
        options.verify = verify;
    }
    return options;
}

void cs_app__load_file(cs_app *app, const cs_config *c, const cs_config_bundle *b)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    cs_bundle_options options = cs_app__bundle_options(app, c, b, &scratch);
    cs_bundle *bundle = NULL;
    const char *path = cs_arena_dup(&scratch, b->path.p, b->path.n);
    cs_err r = cs_bundle_read_path(path, &options, &bundle, &e);
    if (r != CS_OK) {
        cs_server_bundle_report(app->server, NULL, b->name, &e, NULL, 0);
    } else {
        r = cs_server_activate(app->server, (const cs_bundle *const *)&bundle, 1, &errors, &e);
    }
    if (r != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        if (errors.n != 0) {
            cs_errors_print(&text, &errors);
        } else {
            cs_buf_text(&text, e.text);
        }
        cs_log(CS_LOG_ERROR, "Bundle activation failed.", 2,
               (cs_log_field[]){CS_LOG_S("name", b->name), CS_LOG_S("error", cs_buf_view(&text))});
        cs_buf_destroy(&text);
    }
    cs_bundle_free(bundle);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&scratch);
}

void cs_app__load_configured(cs_app *app)
{
    for (size_t i = 0; i < app->config->n_bundles; i++) {
        const cs_config_bundle *b = &app->config->bundles[i];
        cs_server_bundle_expect(app->server, b->name);
        if (b->path.n != 0) {
            cs_app__load_file(app, app->config, b);
        }
    }
}
