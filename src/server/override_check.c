/* From what PUT brings to what can be laid over the world: signatures, roots, times. */
#include "countersign/base/time.h"
#include "internal.h"
#include "override.h"

static cs_err refuse(cs_error *e, const char *text)
{
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "%s", text);
}

/* ---- signatures */

static bool same_key(const cs_config_key *x, const cs_config_key *y)
{
    return cs_slice_eq(x->id, y->id) || cs_slice_eq(cs_slice_trim(x->key), cs_slice_trim(y->key));
}

/* The second signature: another one's, over the same files. */
static cs_err countersigned(const cs_server *server, cs_slice archive, cs_slice token, cs_slice *keyid, cs_error *e)
{
    const cs_config *c = server->o.config;
    const cs_config_push *push = cs_config_find_push(c, CS_LIT(CS_OVERRIDE_NAME));
    const cs_config_key *first = cs_config_find_key(c, push->keyid);
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_bundle_key *keys = cs_arena_array(&scratch, cs_bundle_key, c->overrides.n_countersigners + 1);
    size_t n = 0;
    for (size_t i = 0; i < c->overrides.n_countersigners; i++) {
        const cs_config_key *k = cs_config_find_key(c, c->overrides.countersigners[i]);
        if (k != NULL && first != NULL && !same_key(k, first)) {
            keys[n++] = (cs_bundle_key){.id = k->id, .key = k->key, .algorithm = k->algorithm, .scope = k->scope};
        }
    }
    cs_bundle_verify verify = {.keys = keys, .n_keys = n, .scope = push->scope, .token = token};
    cs_bundle_options options = {.name = push->name, .verify = &verify, .rego_version = server->o.rego_version};
    cs_bundle *bundle = NULL;
    cs_err err = cs_bundle_read(archive, &options, &bundle, e);
    if (err == CS_OK) {
        const cs_config_key *k = cs_config_find_key(c, bundle->signature.keyid);
        *keyid = k != NULL ? k->id : CS_LIT("");
        cs_bundle_free(bundle);
    } else {
        (void)!cs_fail_in(e, "second signature: ");
    }
    cs_arena_destroy(&scratch);
    return err;
}

/* ---- the manifest */

static cs_err check_roots(const cs_config *c, const cs_bundle *b, cs_error *e)
{
    const cs_bundle_manifest *m = &b->manifest;
    if (!m->present || m->n_roots == 0) {
        return refuse(e, "an override must name its roots in .manifest");
    }
    for (size_t i = 0; i < m->n_roots; i++) {
        cs_slice root = m->roots[i], rest = root, first = CS_LIT("");
        (void)cs_slice_next(&rest, '/', &first);
        if (root.n == 0) {
            return refuse(e, "an override must name its roots in .manifest");
        }
        if (cs_slice_is(first, "system") || !cs_bundle_root_contains(c->overrides.roots, c->overrides.n_roots, root)) {
            return cs_fail(e, CS_ERR_BUNDLE_INVALID, "the root %.*s is not one that an override may have",
                           CS_FMT(root));
        }
    }
    return CS_OK;
}

static cs_err read_times(const cs_config *c, const cs_bundle *b, cs_override__draft *out, cs_error *e)
{
    cs_value m = b->manifest.metadata;
    const cs_value *after = cs_is(m, CS_OBJECT) ? cs_object_get_text(m, "not_after") : NULL;
    const cs_value *ttl = cs_is(m, CS_OBJECT) ? cs_object_get_text(m, "max_ttl") : NULL;
    out->not_after_ns = INT64_MAX;
    out->max_ttl_ns = c->overrides.max_ttl_ns;
    if (after != NULL && !(cs_is(*after, CS_STRING) && cs_time_parse_rfc3339(cs_text(*after), &out->not_after_ns))) {
        return refuse(e, "metadata.not_after of the manifest must be an RFC 3339 instant");
    }
    int64_t most = 0;
    if (ttl != NULL && !(cs_is(*ttl, CS_STRING) && cs_time_parse_duration(cs_text(*ttl), true, &most) && most > 0)) {
        return refuse(e, "metadata.max_ttl of the manifest must be a duration, as \"30m\"");
    }
    if (ttl != NULL && most < out->max_ttl_ns) {
        out->max_ttl_ns = most;
    }
    return CS_OK;
}

cs_err cs_override__verify(const cs_server *server, cs_slice archive, cs_slice countersignature,
                           cs_override__draft *out, const char **code, cs_error *e)
{
    const cs_config *c = server->o.config;
    *out = (cs_override__draft){.bundle = NULL};
    *code = "invalid_bundle";
    if (archive.n > CS_OVERRIDE_BYTES) {
        *code = "body_too_large";
        return cs_fail(e, CS_ERR_LIMIT, "an override has at most %d bytes", CS_OVERRIDE_BYTES);
    }
    CS_TRY(cs_server__verify_push(server, CS_LIT(CS_OVERRIDE_NAME), archive, &out->bundle, e));
    cs_err err = out->bundle->delta ? refuse(e, "an override cannot be a delta bundle") : CS_OK;
    err = err == CS_OK ? check_roots(c, out->bundle, e) : err;
    err = err == CS_OK ? read_times(c, out->bundle, out, e) : err;
    out->signers[out->n_signers++] = out->bundle->signature.keyid;
    if (err == CS_OK && countersignature.n == 0 && c->overrides.signatures > 1) {
        *code = "second_signature_required";
        err = refuse(e, "an override needs a second signature here (header X-Override-Signature)");
    } else if (err == CS_OK && countersignature.n != 0) {
        err = countersigned(server, archive, countersignature, &out->signers[out->n_signers++], e);
    }
    if (err != CS_OK) {
        cs_override__draft_free(out);
    }
    return err;
}

void cs_override__draft_free(cs_override__draft *d)
{
    cs_bundle_free(d->bundle);
    d->bundle = NULL;
}
