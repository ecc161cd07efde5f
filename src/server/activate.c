/* Bundles into the world: the same steps for the command line, the configuration and PUT /v1/bundles. And the limits
 * and approvers that the world carries (data.tenants) into force. */
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "internal.h"
#include "override.h"

/* ---- data.tenants */

cs_value cs_server__document(cs_value data, const char *root, const char *name)
{
    const cs_value *v = cs_is(data, CS_OBJECT) ? cs_object_get_text(data, root) : NULL;
    if (v != NULL && name != NULL) {
        v = cs_is(*v, CS_OBJECT) ? cs_object_get_text(*v, name) : NULL;
    }
    return v != NULL ? *v : cs_undefined();
}

void cs_server_world_changed(cs_server *server)
{
    if (server->o.spend == NULL && server->o.approvals == NULL) {
        return;
    }
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_error e = {0};
    cs_txn *txn = cs_store_begin(server->o.store);
    bool over;
    cs_value seen = cs_txn_seen(txn, cs_time_wall_ns(), &over);
    if (server->override != NULL) {
        atomic_store(&server->override->over, over);
    }
    cs_value tenants = cs_server__document(seen, "tenants", NULL);
    cs_value tiers = cs_server__document(seen, "countersign", "tiers");
    if (server->o.spend != NULL && cs_spend_configure(server->o.spend, tenants, tiers, &scratch, NULL, &e) != CS_OK) {
        cs_logf(CS_LOG_WARN, "data.tenants cannot be put into force, the old limits stay: %s", e.text);
    }
    if (server->o.approvals != NULL) {
        cs_approvals_configure(server->o.approvals, tenants, cs_server__document(seen, "countersign", "people"));
    }
    cs_txn_abort(txn);
    cs_arena_destroy(&scratch);
}

/* ---- data.operations */

/* Without a section of ours the service is plain OPA, and data.operations is whatever its user likes. */
bool cs_server_reads_texts(const cs_config *config)
{
    static const char *const sections[] = {"gateways",  "pq",        "push",     "journal", "spend",
                                           "approvals", "overrides", "identity", "audit"};
    cs_value document = config->document;
    for (size_t i = 0; cs_is(document, CS_OBJECT) && i < sizeof sections / sizeof *sections; i++) {
        if (cs_object_get_text(document, sections[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_list(const cs_server *server)
{
    return cs_server_reads_texts(server->o.config);
}

static cs_err check_list(cs_value data, const cs_bundle *bundle, cs_error *e)
{
    for (size_t i = 0; i < bundle->n_files; i++) {
        cs_slice path = bundle->files[i].path;
        bool root = cs_slice_is(path, "data.json");
        if (root || cs_slice_is(path, "operations/data.json")) {
            CS_TRY(cs_pq_check_text(bundle->files[i].bytes, root ? "operations" : NULL, e));
        }
    }
    cs_value operations = cs_server__document(data, "operations", NULL);
    return cs_is_undefined(operations) ? CS_OK : cs_pq_check(operations, e);
}

cs_err cs_server__check_documents(cs_server *server, cs_value data, const cs_bundle *bundle, cs_arena *a, cs_error *e)
{
    cs_value tenants = cs_server__document(data, "tenants", NULL);
    cs_err r = CS_OK;
    if (server->o.spend != NULL) {
        r = cs_spend_check(tenants, cs_server__document(data, "countersign", "tiers"), a, NULL, e);
    }
    if (r == CS_OK && server->o.approvals != NULL) {
        r = cs_approvals_check(tenants, cs_server__document(data, "countersign", "people"), a, e);
    }
    if (r != CS_OK) {
        (void)!cs_fail_in(e, "data: ");
        if (e != NULL) {
            e->code = CS_ERR_BUNDLE_INVALID;
        }
        return CS_ERR_BUNDLE_INVALID;
    }
    return has_list(server) ? check_list(data, bundle, e) : CS_OK;
}

/* ---- activation */

static cs_err put(cs_server *server, cs_txn *txn, const cs_bundle *bundle, cs_error *e)
{
    cs_arena *a = cs_txn_arena(txn);
    cs_policy_source *modules = cs_arena_array(a, cs_policy_source, bundle->n_modules + 1);
    for (size_t i = 0; i < bundle->n_modules; i++) {
        const cs_bundle_module *m = &bundle->modules[i];
        modules[i] = (cs_policy_source){
            .file = cs_bundle_module_id(a, bundle->name, m), .text = m->text, .rego_version = m->rego_version};
    }
    cs_txn_bundle b = {.name = bundle->name,
                       .revision = bundle->manifest.revision,
                       .etag = bundle->etag,
                       .roots = bundle->manifest.roots,
                       .n_roots = bundle->manifest.n_roots,
                       .data = bundle->data,
                       .segment = bundle->segment,
                       .manifest = bundle->manifest.document,
                       .modules = modules,
                       .n_modules = bundle->n_modules};
    CS_TRY(bundle->delta ? cs_txn_bundle_patch(txn, &b, bundle->patch, e) : cs_txn_bundle_put(txn, &b, e));
    cs_value data;
    CS_TRY(cs_txn_read(txn, NULL, 0, &data, e));
    return cs_server__check_documents(server, data, bundle, a, e);
}

static cs_value list_of(cs_txn *txn)
{
    cs_value data;
    return cs_txn_read(txn, NULL, 0, &data, NULL) == CS_OK ? cs_server__document(data, "operations", NULL)
                                                           : cs_undefined();
}

/* What the list had and will have no more is remembered: somebody may still ask for it. */
static cs_value dropped_ids(cs_server *server, cs_txn *txn, cs_value before, const cs_bundle *bundle, cs_arena *a)
{
    cs_value was = cs_server__status_bundle(server->status, a, bundle->name);
    const cs_value *revision = cs_is(was, CS_OBJECT) ? cs_object_get_text(was, "revision") : NULL;
    bool known = revision != NULL && cs_is(*revision, CS_STRING);
    return cs_pq_dropped(a, before, list_of(txn), known ? cs_text(*revision) : CS_LIT(""));
}

static cs_err activate(cs_server *server, const cs_bundle *const *bundles, size_t n, cs_errors *errors, cs_error *e)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_txn *txn = cs_store_begin(server->o.store);
    cs_value before = list_of(txn);
    for (size_t i = 0; i < n; i++) {
        cs_err r = put(server, txn, bundles[i], e);
        if (r != CS_OK) {
            cs_txn_abort(txn);
            cs_arena_destroy(&scratch);
            return r;
        }
    }
    int64_t parse_ns = 0, compile_ns = 0;
    cs_txn_timers(txn, &parse_ns, &compile_ns);
    cs_value dropped = n != 0 ? dropped_ids(server, txn, before, bundles[0], &scratch) : cs_undefined();
    cs_err r = CS_OK;
    if (cs_txn_commit(txn, errors) != CS_OK) {
        r = cs_fail(e, CS_ERR_BUNDLE_COMPILE, "the bundle's policy does not compile");
    } else {
        cs_pq_drift_remember(server->drift, dropped);
    }
    for (size_t i = 0; i < n; i++) {
        cs_server__status_timers(server->status, bundles[i]->name, parse_ns, compile_ns);
    }
    cs_arena_destroy(&scratch);
    return r;
}

cs_err cs_server_activate(cs_server *server, const cs_bundle *const *bundles, size_t n, cs_errors *errors, cs_error *e)
{
    cs_error local = {0};
    cs_err r = cs_server__activate(server, bundles, n, errors, &local);
    for (size_t i = 0; i < n; i++) {
        cs_server__audit_bundle(server, bundles[i], bundles[i]->name, r == CS_OK ? NULL : &local);
    }
    if (r != CS_OK && e != NULL) {
        *e = local;
    }
    return r;
}

cs_err cs_server__activate(cs_server *server, const cs_bundle *const *bundles, size_t n, cs_errors *errors, cs_error *e)
{
    int64_t before = cs_time_mono_ns();
    cs_error local = {0};
    cs_err r = activate(server, bundles, n, errors, &local);
    int64_t spent = cs_time_mono_ns() - before;
    for (size_t i = 0; i < n; i++) {
        const cs_bundle *b = bundles[i];
        cs_server_bundle_report(server, b, b->name, r == CS_OK ? NULL : &local, r == CS_OK ? NULL : errors, spent);
        if (r == CS_OK) {
            cs_log(CS_LOG_INFO, "Bundle loaded and activated successfully.", 2,
                   (cs_log_field[]){CS_LOG_S("name", b->name), CS_LOG_S("revision", b->manifest.revision)});
        }
    }
    if (r == CS_OK) {
        cs_server_world_changed(server);
        if (server->override != NULL) {
            cs_override__sync_soon(server->override); /* it may compile now */
        }
    } else if (e != NULL) {
        *e = local;
    }
    return r;
}

cs_err cs_server_bundle_remove(cs_server *server, cs_slice name, cs_error *e)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err r = CS_OK;
    cs_txn *txn = cs_store_begin(server->o.store);
    if (!cs_txn_bundle_remove(txn, name)) {
        cs_txn_abort(txn); /* it was never active */
    } else if ((r = cs_txn_commit(txn, &errors)) != CS_OK) {
        r = cs_fail(e, r, "without the bundle the other policies do not compile");
    }
    cs_errors_destroy(&errors);
    cs_server__status_forget(server->status, name);
    cs_server_world_changed(server);
    return r;
}

/* ---- what PUT stored */

cs_err cs_server__verify_push(const cs_server *server, cs_slice name, cs_slice archive, cs_bundle **out, cs_error *e)
{
    const cs_config_push *push = cs_config_find_push(server->o.config, name);
    const cs_config_key *key = push != NULL ? cs_config_find_key(server->o.config, push->keyid) : NULL;
    if (key == NULL) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "no key %.*s is configured for it",
                       CS_FMT(push != NULL ? push->keyid : name));
    }
    cs_bundle_key keys[1] = {{.id = key->id, .key = key->key, .algorithm = key->algorithm, .scope = key->scope}};
    cs_bundle_verify verify = {.keys = keys, .n_keys = 1, .keyid = push->keyid, .scope = push->scope};
    cs_bundle_options options = {.name = name, .verify = &verify, .rego_version = server->o.rego_version};
    return cs_bundle_read(archive, &options, out, e);
}

void cs_server__push_path(const cs_server *server, cs_slice name, cs_buf *path)
{
    cs_buf_printf(path, "%s/bundles/%.*s/pushed.tar.gz", server->o.state_dir, CS_FMT(name));
}

static void restore(cs_server *server, cs_slice name)
{
    cs_buf path, archive;
    cs_buf_init(&path);
    cs_buf_init(&archive);
    cs_server__push_path(server, name, &path);
    const char *file = cs_buf_cstr(&path);
    cs_bundle *bundle = NULL;
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    if (cs_file_exists(file)) {
        cs_err r = cs_file_read(file, cs_limits_get()->bundle_archive_bytes, &archive, &e);
        if (r == CS_OK) {
            r = cs_server__verify_push(server, name, cs_buf_view(&archive), &bundle, &e);
        }
        if (r == CS_OK && bundle->signature.iat >= cs_server__status_iat(server->status, name)) {
            r = cs_server_activate(server, (const cs_bundle *const *)&bundle, 1, &errors, &e);
        }
        if (r != CS_OK) {
            cs_logf(CS_LOG_ERROR, "The pushed bundle %.*s cannot be brought back from %s: %s", CS_FMT(name), file,
                    e.text);
        }
    }
    cs_bundle_free(bundle);
    cs_errors_destroy(&errors);
    cs_buf_destroy(&archive);
    cs_buf_destroy(&path);
}

void cs_server_restore_bundles(cs_server *server)
{
    for (size_t i = 0; i < server->o.config->n_push && server->o.state_dir != NULL; i++) {
        if (cs_slice_is(server->o.config->push[i].name, CS_OVERRIDE_NAME)) {
            continue;
        }
        restore(server, server->o.config->push[i].name);
    }
}
