/* GET, PUT, DELETE /v1/bundles: signed bundles pushed from outside, under the names that the configuration declares.
 * The control thread verifies, compiles, publishes and stores; whatever fails changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/base/gzip.h"
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "internal.h"
#include "override.h"

static bool bundle_name(cs_server__request *r, cs_slice *name)
{
    bool plain = cs_percent_decode(r->arena, r->rest, false, name);
    if (!plain || cs_config_find_push(r->server->o.config, *name) == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "no bundle %.*s is declared under push", CS_FMT(r->rest));
        return false;
    }
    return true;
}

/* ---- GET */

void cs_server__bundle_list(cs_server__request *r)
{
    const cs_config *c = r->server->o.config;
    cs_value *items = cs_arena_alloc(r->arena, sizeof *items * (c->n_push + 1));
    size_t n = 0;
    for (size_t i = 0; i < c->n_push; i++) {
        bool over = cs_slice_is(c->push[i].name, CS_OVERRIDE_NAME);
        cs_value v = over ? cs_override__document(r->server->override, r->arena)
                          : cs_server__status_bundle(r->server->status, r->arena, c->push[i].name);
        if (!cs_is_undefined(v)) {
            items[n++] = v;
        }
    }
    cs_server__object(r, r->pretty);
    cs_server__field(r, "result", cs_array(items, n));
    cs_server__object_end(r);
    cs_server__send(r, 200, "application/json");
}

void cs_server__bundle_get(cs_server__request *r)
{
    cs_slice name;
    if (!bundle_name(r, &name)) {
        return;
    }
    cs_value v = cs_server__status_bundle(r->server->status, r->arena, name);
    if (cs_is_undefined(v)) {
        cs_server__fail(r, 404, "resource_not_found", "no bundle %.*s is active", CS_FMT(name));
        return;
    }
    cs_server__send_value(r, 200, v);
}

/* ---- PUT */

static void fail_bundle(cs_server__request *r, const cs_error *e, const cs_errors *errors)
{
    if (e->code == CS_ERR_BUNDLE_COMPILE) {
        cs_server__fail_list(r, 422, "bundle_compile_error", e->text, cs_errors_to_json(r->arena, errors));
        return;
    }
    int status = e->code == CS_ERR_BUNDLE_ROOTS ? 409
                 : e->code == CS_ERR_LIMIT      ? 413
                 : e->code == CS_ERR_IO         ? 500
                                                : 400;
    const char *code = status == 409   ? "roots_conflict"
                       : status == 413 ? "body_too_large"
                       : status == 500 ? "io_error"
                                       : "invalid_bundle";
    cs_server__fail(r, status, code, "%s", e->text);
}

/* Where the archive is kept, and where it lies until it is active. */
typedef struct place {
    const char *folder, *file, *next;
} place;

static place place_of(cs_server__request *r, cs_slice name)
{
    const char *folder = cs_arena_printf(r->arena, NULL, "%s/bundles/%.*s", r->server->o.state_dir, CS_FMT(name));
    cs_buf path;
    cs_buf_init(&path);
    cs_server__push_path(r->server, name, &path);
    place p = {folder, cs_arena_dup(r->arena, path.p, path.n),
               cs_arena_printf(r->arena, NULL, "%s/next.tar.gz", folder)};
    cs_buf_destroy(&path);
    return p;
}

/* On disk before it is active, under its own name after: a full disk refuses the bundle, and a crash in between leaves
 * the old one. */
static cs_err store(const place *p, cs_slice archive, cs_error *e)
{
    CS_TRY(cs_file_mkdirs(p->folder, e));
    return cs_file_replace(p->next, archive, e);
}

static cs_err keep(const place *p, cs_error *e)
{
    if (rename(p->next, p->file) != 0) {
        return cs_fail(e, CS_ERR_IO, "the bundle is active but cannot be kept as %s: %s", p->file, strerror(errno));
    }
    int fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    return CS_OK;
}

static cs_err activate_stored(cs_server__request *r, cs_slice name, const cs_bundle *bundle, cs_slice archive,
                              cs_errors *errors, cs_error *e)
{
    if (r->server->o.state_dir == NULL) {
        return cs_server__activate(r->server, &bundle, 1, errors, e);
    }
    place p = place_of(r, name);
    CS_TRY(store(&p, archive, e));
    cs_err err = cs_server__activate(r->server, &bundle, 1, errors, e);
    if (err != CS_OK) {
        (void)remove(p.next);
        return err;
    }
    return keep(&p, e);
}

static void activate(cs_server__request *r, cs_slice name, const cs_bundle *bundle, cs_slice archive)
{
    cs_error e = {0};
    cs_errors errors;
    cs_errors_init(&errors);
    int64_t before = cs_server__status_iat(r->server->status, name);
    if (bundle->signature.iat < before) {
        cs_server__fail(r, 409, "older_bundle", "the active bundle was signed at %lld, this one at %lld",
                        (long long)before, (long long)bundle->signature.iat);
    } else if (activate_stored(r, name, bundle, archive, &errors, &e) != CS_OK) {
        fail_bundle(r, &e, &errors);
    } else {
        cs_server__audit(r, "bundle.activated", CS_LIT(""), cs_server__bundle_value(r->arena, bundle));
        cs_server__send_value(r, 200, cs_server__status_bundle(r->server->status, r->arena, name));
    }
    cs_errors_destroy(&errors);
}

/* `curl -d` sends a form, and takes every line end and zero byte out of it: an archive without any of them has been
 * through that. (`--data-binary` says form too, but leaves the bytes alone; compressed bytes of any length have them.)
 */
bool cs_server__body_mangled(const cs_server__request *r)
{
    return cs_server__header_contains(r, "Content-Type", "application/x-www-form-urlencoded") &&
           cs_slice_find_byte(r->body, '\n', 0) == SIZE_MAX && cs_slice_find_byte(r->body, '\r', 0) == SIZE_MAX &&
           cs_slice_find_byte(r->body, '\0', 0) == SIZE_MAX;
}

static void put_job(cs_server__request *r)
{
    cs_slice name, archive = r->body;
    (void)cs_percent_decode(r->arena, r->rest, false, &name);
    cs_bundle *bundle = NULL;
    cs_error e = {0};
    if (cs_server__verify_push(r->server, name, archive, &bundle, &e) != CS_OK) {
        cs_server_bundle_report(r->server, NULL, name, &e, NULL, 0);
        if (cs_server__body_mangled(r)) {
            cs_server__fail(r, 400, "body_mangled",
                            "the body was sent as a form, which damages it; use: "
                            "curl -X PUT --data-binary @bundle.tar.gz URL");
        } else {
            fail_bundle(r, &e, NULL);
        }
        return;
    }
    r->audit.about = cs_server__bundle_value(r->arena, bundle);
    activate(r, name, bundle, archive);
    r->audit.about = cs_undefined();
    cs_bundle_free(bundle);
}

void cs_server__bundle_body(cs_server__request *r)
{
    r->body = r->http->body;
    cs_slice plain;
    if (!cs_gzip_is(r->body) && cs_base64_decode(r->arena, cs_slice_trim(r->body), CS_BASE64_STD, &plain, NULL) &&
        cs_gzip_is(plain)) {
        r->body = plain;
    }
}

void cs_server__bundle_put(cs_server__request *r)
{
    cs_slice name;
    if (!bundle_name(r, &name)) {
        return;
    }
    r->audit.refusal = "bundle.refused";
    r->audit.about = cs_object_new(r->arena, 1);
    cs_object_put_text(r->arena, r->audit.about, "name", cs_string(name));
    cs_server__bundle_body(r);
    cs_server__on_control(r, put_job);
}

/* ---- DELETE */

static void delete_job(cs_server__request *r)
{
    cs_slice name;
    (void)cs_percent_decode(r->arena, r->rest, false, &name);
    cs_txn *txn = cs_store_begin(r->server->o.store);
    cs_errors errors;
    cs_errors_init(&errors);
    if (!cs_txn_bundle_remove(txn, name)) {
        cs_txn_abort(txn);
        cs_server__fail(r, 404, "resource_not_found", "no bundle %.*s is active", CS_FMT(name));
    } else if (cs_txn_commit(txn, &errors) != CS_OK) {
        cs_server__fail_list(r, 422, "bundle_compile_error", "without the bundle the other policies do not compile",
                             cs_errors_to_json(r->arena, &errors));
    } else {
        if (r->server->o.state_dir != NULL) {
            cs_buf path;
            cs_buf_init(&path);
            cs_server__push_path(r->server, name, &path);
            (void)remove(cs_buf_cstr(&path)); /* it may never have been pushed */
            cs_buf_destroy(&path);
        }
        cs_server__status_forget(r->server->status, name);
        cs_server_world_changed(r->server);
        cs_value about = cs_object_new(r->arena, 1);
        cs_object_put_text(r->arena, about, "name", cs_string(name));
        cs_server__audit(r, "bundle.removed", CS_LIT(""), about);
        cs_server__send_value(r, 200, cs_object_new(r->arena, 0));
    }
    cs_errors_destroy(&errors);
}

void cs_server__bundle_delete(cs_server__request *r)
{
    cs_slice name;
    if (bundle_name(r, &name)) {
        cs_server__on_control(r, delete_job);
    }
}
