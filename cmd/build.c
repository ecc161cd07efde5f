/* build: packs policy and data into a bundle, after compiling them. */
#include "cmd.h"

#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/rego.h"

typedef struct flags {
    bool bundle, prune, debug, follow, v0, v1, revision_given, wasm_print;
    const char *target, *format, *output, *revision, *namespace, *key, *claims, *plugin, *capabilities;
    int64_t optimize;
    cs_arg_list entrypoints, ignore, addons;
    cs_cmd_verify_flags verify;
} flags;

typedef struct input {
    cs_bundle **v;
    size_t n;
} input;

static void free_input(input *in)
{
    for (size_t i = 0; i < in->n; i++) {
        cs_bundle_free(in->v[i]);
    }
}

static cs_err read_bundles(cs_arena *a, const flags *f, const cs_arg_list *paths, const cs_bundle_options *base,
                           input *in, cs_error *e)
{
    cs_bundle_options options = *base;
    CS_TRY(cs_cmd_verify_config(a, &f->verify, &options.verify, e));
    for (size_t i = 0; i < paths->n; i++) {
        options.name = cs_slice_of(paths->v[i]);
        CS_TRY(cs_bundle_read_path(paths->v[i], &options, &in->v[in->n], e));
        in->n++;
    }
    return CS_OK;
}

static cs_err read_files(cs_arena *a, const cs_arg_list *paths, const cs_bundle_options *base, input *in, cs_error *e)
{
    cs_bundle_options options = *base;
    /* Archives are bundles, and those are asked for with -b. */
    cs_slice *ignore = cs_arena_array(a, cs_slice, options.n_ignore + 1);
    memcpy(ignore, options.ignore, options.n_ignore * sizeof *ignore);
    ignore[options.n_ignore++] = CS_LIT("*.tar.gz");
    options.ignore = ignore;
    const char **kept = cs_arena_array(a, const char *, paths->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < paths->n; i++) {
        if (!cs_slice_ends(cs_slice_of(paths->v[i]), CS_LIT(".tar.gz"))) {
            kept[n++] = paths->v[i];
        }
        const char *manifest = cs_arena_printf(a, NULL, "%s/.manifest", paths->v[i]);
        if (cs_file_is_dir(paths->v[i]) && cs_file_exists(manifest)) {
            fprintf(stderr,
                    "Warning: .manifest file found in \"%s\" but -b flag not specified. Manifest will be ignored.\n",
                    paths->v[i]);
        }
    }
    cs_bundle_loaded *loaded;
    CS_TRY(cs_bundle_load_files(kept, n, &options, &loaded, e));
    in->v[in->n++] = cs_bundle_of_loaded(loaded);
    return CS_OK;
}

static bool data_exists(void *self, const cs_value *path, size_t n)
{
    const input *in = self;
    for (size_t i = 0; i < in->n; i++) {
        if (!cs_is_undefined(cs_lookup(in->v[i]->data, path, n))) {
            return true;
        }
    }
    return false;
}

/* A bundle that does not compile is not written. */
static cs_err compile(cs_arena *a, input *in, cs_error *e)
{
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        n += in->v[i]->n_modules;
    }
    cs_policy_source *sources = cs_arena_array(a, cs_policy_source, n + 1);
    n = 0;
    for (size_t i = 0; i < in->n; i++) {
        for (size_t k = 0; k < in->v[i]->n_modules; k++) {
            const cs_bundle_module *m = &in->v[i]->modules[k];
            sources[n++] = (cs_policy_source){.file = m->file, .text = m->text, .rego_version = m->rego_version};
        }
    }
    cs_policy_options options = {.data_exists = data_exists, .data_exists_self = in};
    cs_policy *policy = NULL;
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err err = cs_policy_compile(sources, n, &options, &policy, &errors);
    if (err != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &errors);
        err = cs_fail(e, err, "%s", cs_buf_cstr(&text));
        cs_buf_destroy(&text);
    } else {
        cs_policy_release(policy);
    }
    cs_errors_destroy(&errors);
    return err;
}

static cs_err add_signature(cs_arena *a, const flags *f, cs_bundle_file **files, size_t *n, cs_error *e)
{
    cs_bundle_signing signing;
    CS_TRY(cs_cmd_signing(a, f->key, f->verify.alg, f->claims, &signing, e));
    if (f->claims == NULL) {
        signing.keyid = cs_slice_of(f->verify.keyid);
    }
    cs_slice text;
    CS_TRY(cs_bundle_sign(a, *files, *n, &signing, &text, e));
    cs_bundle_file *more = cs_arena_array(a, cs_bundle_file, *n + 1);
    memcpy(more, *files, *n * sizeof *more);
    more[*n] = (cs_bundle_file){.path = CS_LIT(".signatures.json"), .bytes = text, .written = CS_LIT("")};
    *files = more;
    (*n)++;
    return CS_OK;
}

static cs_err build(cs_arena *a, const flags *f, const cs_arg_list *paths, input *in, cs_error *e)
{
    int version = f->v0 ? 0 : 1;
    cs_bundle_options options = {.name = CS_LIT(""),
                                 .etag = CS_LIT(""),
                                 .rego_version = version,
                                 .ignore = cs_cmd_slices(a, &f->ignore),
                                 .n_ignore = f->ignore.n};
    CS_TRY(f->bundle ? read_bundles(a, f, paths, &options, in, e) : read_files(a, paths, &options, in, e));
    CS_TRY(compile(a, in, e));
    cs_slice revision = cs_slice_of(f->revision != NULL ? f->revision : "");
    cs_bundle_build how = {.revision = f->revision_given ? &revision : NULL, .rego_version = version};
    cs_bundle_file *files;
    size_t n;
    CS_TRY(cs_bundle_merge(a, in->v, in->n, &how, &files, &n, e));
    if (f->key != NULL) {
        CS_TRY(add_signature(a, f, &files, &n, e));
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_bundle_write(files, n, &bytes, e);
    if (err == CS_OK) {
        err = cs_file_replace(f->output, cs_buf_view(&bytes), e);
    }
    cs_buf_destroy(&bytes);
    return err;
}

/* What is asked for and cannot be done, or NULL. */
static const char *not_possible(const flags *f)
{
    bool verifying = f->verify.key != NULL && f->verify.key[0] != '\0';
    if (!f->bundle && (verifying || f->key != NULL)) {
        return "enable bundle mode (ie. --bundle) to verify or sign bundle files or directories";
    }
    if (f->key == NULL && (f->claims != NULL || f->plugin != NULL)) {
        return "specify the secret (HMAC) or path of the PEM file containing the private key (RSA and ECDSA)";
    }
    if (f->plugin != NULL) {
        return "signing plugins are not supported";
    }
    if (strcmp(f->target, "rego") != 0) {
        return "only the target rego is supported";
    }
    if (f->optimize != 0) {
        return "optimization (-O) is not supported";
    }
    return f->capabilities != NULL ? "--capabilities is not supported" : NULL;
}

int cs_cmd_build(int argc, char **argv)
{
    flags f = {.target = "rego",
               .format = "json",
               .output = "bundle.tar.gz",
               .namespace = "partial",
               .verify = {.keyid = "default", .alg = "RS256"}};
    const cs_arg args[] = {
        {"bundle", 'b', CS_ARG_BOOL, &f.bundle, NULL, "load paths as bundle files or root directories", NULL},
        {"output", 'o', CS_ARG_STRING, &f.output, NULL, "the output file", NULL},
        {"revision", 'r', CS_ARG_STRING, &f.revision, NULL, "revision of the output bundle", &f.revision_given},
        {"target", 't', CS_ARG_ENUM, &f.target, "rego|wasm|plan", "output bundle target", NULL},
        {"format", 0, CS_ARG_ENUM, &f.format, "json|proto", "plan output format (with --target=plan)", NULL},
        {"entrypoint", 'e', CS_ARG_LIST, &f.entrypoints, NULL, "slash separated entrypoint path", NULL},
        {"optimize", 'O', CS_ARG_INT, &f.optimize, NULL, "optimization level", NULL},
        {"prune-unused", 0, CS_ARG_BOOL, &f.prune, NULL, "without effect here", NULL},
        {"debug", 0, CS_ARG_BOOL, &f.debug, NULL, "without effect here", NULL},
        {"partial-namespace", 0, CS_ARG_STRING, &f.namespace, NULL, "without effect here", NULL},
        {"follow-symlinks", 0, CS_ARG_BOOL, &f.follow, NULL, "without effect here", NULL},
        {"wasm-include-print", 0, CS_ARG_BOOL, &f.wasm_print, NULL, "without effect here", NULL},
        {"plan-addons", 0, CS_ARG_LIST, &f.addons, NULL, "without effect here", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.ignore, NULL, "file and folder names to leave out ('.*' are hidden files)",
         NULL},
        {"capabilities", 0, CS_ARG_STRING, &f.capabilities, NULL, "not supported", NULL},
        {"signing-key", 0, CS_ARG_STRING, &f.key, NULL,
         "the secret (HMAC) or path of the PEM file with the private key (RSA and ECDSA)", NULL},
        {"signing-plugin", 0, CS_ARG_STRING, &f.plugin, NULL, "not supported", NULL},
        {"claims-file", 0, CS_ARG_STRING, &f.claims, NULL, "JSON file with further claims", NULL},
        CS_CMD_VERIFY_ARGS(f.verify),
        {"v0-compatible", 0, CS_ARG_BOOL, &f.v0, NULL, "modules are Rego v0 unless they say otherwise", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &f.v1, NULL, "the default", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    cs_error e = {0};
    if (status != -1) {
        /* said already */
    } else if (paths.n == 0) {
        status = cs_cmd_fail("expected at least one path");
    } else if (not_possible(&f) != NULL) {
        status = cs_cmd_fail("%s", not_possible(&f));
    } else {
        input in = {.v = cs_arena_array(&a, cs_bundle *, paths.n + 1)};
        status = build(&a, &f, &paths, &in, &e) == CS_OK ? 0 : cs_cmd_fail_error(&e);
        free_input(&in);
    }
    cs_arena_destroy(&a);
    return status;
}
