/* sign: writes .signatures.json for bundle folders and archives. */
#include "cmd.h"

#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/json.h"

typedef struct flags {
    bool bundle;
    const char *key, *alg, *claims, *plugin, *output;
} flags;

#define CLAIMS_MAX_BYTES ((size_t)1 << 20)

static cs_err read_claims(cs_arena *a, const char *path, cs_value *out, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(path, CLAIMS_MAX_BYTES, &bytes, e);
    if (err == CS_OK) {
        err = cs_json_read(a, cs_buf_view(&bytes), &(cs_json_options){0}, out, NULL, e);
    }
    cs_buf_destroy(&bytes);
    if (err == CS_OK && !cs_is(*out, CS_OBJECT)) {
        err = cs_fail(e, CS_ERR_INVALID, "%s: claims must be an object", path);
    }
    return err;
}

cs_err cs_cmd_signing(cs_arena *a, const char *key, const char *alg, const char *claims, cs_bundle_signing *out,
                      cs_error *e)
{
    *out = (cs_bundle_signing){.algorithm = cs_slice_of(alg), .keyid = CS_LIT(""), .claims = cs_undefined()};
    CS_TRY(cs_cmd_key_text(a, key, &out->key, e));
    return claims != NULL ? read_claims(a, claims, &out->claims, e) : CS_OK;
}

/* The files of one argument, named as its signature must name them: behind the folder's name for folders. */
static cs_err add_files(cs_arena *a, const char *path, cs_bundle_file **files, size_t *n, cs_error *e)
{
    cs_bundle_options options = {.name = CS_LIT(""), .raw = true, .skip_verify = true, .rego_version = 1};
    cs_bundle *b;
    CS_TRY(cs_bundle_read_path(path, &options, &b, e));
    cs_bundle_file *all = cs_arena_array(a, cs_bundle_file, *n + b->n_files + 1);
    if (*n > 0) {
        memcpy(all, *files, *n * sizeof *all);
    }
    const char *folder = cs_file_is_dir(path) ? path : "";
    for (size_t i = 0; i < b->n_files; i++) {
        cs_slice name = b->files[i].path;
        all[*n + i] = (cs_bundle_file){
            .path = cs_bundle_signed_name(a, cs_slice_of(folder), name),
            .bytes = cs_slice_make(cs_arena_dup(a, b->files[i].bytes.p, b->files[i].bytes.n), b->files[i].bytes.n),
            .written = CS_LIT(""),
        };
    }
    *n += b->n_files;
    *files = all;
    cs_bundle_free(b);
    return CS_OK;
}

static cs_err sign(cs_arena *a, const cs_arg_list *paths, const flags *f, cs_error *e)
{
    cs_bundle_file *files = NULL;
    size_t n = 0;
    for (size_t i = 0; i < paths->n; i++) {
        CS_TRY(add_files(a, paths->v[i], &files, &n, e));
    }
    cs_bundle_signing signing;
    CS_TRY(cs_cmd_signing(a, f->key, f->alg, f->claims, &signing, e));
    cs_slice text;
    CS_TRY(cs_bundle_sign(a, files, n, &signing, &text, e));
    const char *target = cs_arena_printf(a, NULL, "%s/.signatures.json", f->output[0] != '\0' ? f->output : ".");
    return cs_file_replace(target, text, e);
}

int cs_cmd_sign(int argc, char **argv)
{
    flags f = {.alg = "RS256", .output = "."};
    const cs_arg args[] = {
        {"bundle", 'b', CS_ARG_BOOL, &f.bundle, NULL, "load paths as bundle files or root directories", NULL},
        {"signing-key", 0, CS_ARG_STRING, &f.key, NULL,
         "the secret (HMAC) or path of the PEM file with the private key (RSA and ECDSA)", NULL},
        {"signing-alg", 0, CS_ARG_STRING, &f.alg, NULL, "name of the signing algorithm", NULL},
        {"claims-file", 0, CS_ARG_STRING, &f.claims, NULL, "JSON file with further claims", NULL},
        {"signing-plugin", 0, CS_ARG_STRING, &f.plugin, NULL, "not supported", NULL},
        {"output-file-path", 'o', CS_ARG_STRING, &f.output, NULL, "folder for .signatures.json", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    cs_error e = {0};
    if (status != -1) {
        /* said already */
    } else if (paths.n == 0) {
        status = cs_args_wrong("specify atleast one path containing policy and/or data files");
    } else if (f.key == NULL || f.key[0] == '\0') {
        status = cs_args_wrong(
            "specify the secret (HMAC) or path of the PEM file containing the private key (RSA and ECDSA)");
    } else if (!f.bundle) {
        status = cs_cmd_fail("enable bundle mode (ie. --bundle) to sign bundle files or directories");
    } else if (f.plugin != NULL) {
        status = cs_cmd_fail("no signer exists under id %s", f.plugin);
    } else {
        status = sign(&a, &paths, &f, &e) == CS_OK ? 0 : cs_cmd_fail_error(&e);
    }
    cs_arena_destroy(&a);
    return status;
}
