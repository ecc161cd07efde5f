/* build: packs policy and data into a bundle, after compiling them. */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/build.h"

typedef struct flags {
    bool bundle, prune, debug, follow, v0, v1, revision_given, wasm_print;
    const char *target, *format, *output, *revision, *name_space, *key, *claims, *plugin;
    const cs_capabilities *capabilities;
    int64_t optimize;
    cs_arg_list entrypoints, ignore, addons;
    cs_cmd_verify_flags verify;
} flags;

typedef struct builder {
    cs_arena *arena;
    const flags *f;
    cs_build_options options;
    cs_build *build;
    cs_bundle **bundles;
    size_t n_bundles;
    cs_bundle_merged merged;
    cs_errors errors; /* of the compiler and the layout */
    cs_buf why;       /* what cannot be loaded */
} builder;

static bool is_plan(const flags *f)
{
    return strcmp(f->target, "plan") == 0;
}

static void say_debug(void *self, const char *line)
{
    (void)self;
    fprintf(stderr, "%s\n", line);
}

/* ---- loading */
/* A module that does not parse is no part of a bundle. */
static cs_err parse(void *self, const cs_bundle_module *m, cs_errors *errors)
{
    const builder *b = self;
    cs_build_source source = {m->url, m->file, m->text, m->rego_version};
    cs_build *alone = cs_build_new(&b->options);
    cs_err err = cs_build_add(alone, &source, errors);
    cs_build_free(alone);
    return err;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* By name, each once. */
static cs_err read_bundles(builder *b, const cs_arg_list *paths, const cs_bundle_options *base, cs_error *e)
{
    cs_bundle_options options = *base;
    const char **sorted = cs_arena_array(b->arena, const char *, paths->n);
    memcpy(sorted, paths->v, paths->n * sizeof *sorted);
    qsort(sorted, paths->n, sizeof *sorted, by_name);
    CS_TRY(cs_cmd_verify_config(b->arena, &b->f->verify, &options.verify, e));
    for (size_t i = 0; i < paths->n; i++) {
        if (i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0) {
            continue;
        }
        options.name = cs_slice_of(sorted[i]);
        CS_TRY(cs_bundle_read_path(sorted[i], &options, &b->bundles[b->n_bundles], e));
        b->n_bundles++;
    }
    return CS_OK;
}

static int by_url(const void *x, const void *y)
{
    return cs_slice_compare(((const cs_bundle_module *)x)->url, ((const cs_bundle_module *)y)->url);
}

static cs_err read_files(builder *b, const cs_arg_list *paths, const cs_bundle_options *base, cs_error *e)
{
    cs_bundle_options options = *base;
    /* Archives are bundles, and those are asked for with -b. */
    cs_slice *ignore = cs_arena_array(b->arena, cs_slice, options.n_ignore + 1);
    memcpy(ignore, options.ignore, options.n_ignore * sizeof *ignore);
    ignore[options.n_ignore++] = CS_LIT("*.tar.gz");
    options.ignore = ignore;
    const char **kept = cs_arena_array(b->arena, const char *, paths->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < paths->n; i++) {
        if (!cs_slice_ends(cs_slice_of(paths->v[i]), CS_LIT(".tar.gz"))) {
            kept[n++] = paths->v[i];
        }
        const char *manifest = cs_arena_printf(b->arena, NULL, "%s/.manifest", paths->v[i]);
        if (cs_file_is_dir(paths->v[i]) && cs_file_exists(manifest)) {
            fprintf(stderr,
                    "Warning: .manifest file found in \"%s\" but -b flag not specified. Manifest will be ignored.\n",
                    paths->v[i]);
        }
    }
    cs_bundle_loaded *loaded;
    CS_TRY(cs_bundle_load_files(kept, n, &options, &loaded, e));
    if (loaded->n_modules > 1) {
        qsort(loaded->modules, loaded->n_modules, sizeof *loaded->modules, by_url);
    }
    b->bundles[b->n_bundles++] = cs_bundle_of_loaded(loaded);
    return CS_OK;
}

static cs_err load(builder *b, const cs_arg_list *paths, cs_error *e)
{
    const flags *f = b->f;
    cs_bundle_options options = {.name = CS_LIT(""),
                                 .etag = CS_LIT(""),
                                 .rego_version = b->options.rego_version,
                                 .ignore = cs_cmd_slices(b->arena, &f->ignore),
                                 .n_ignore = f->ignore.n,
                                 .follow_links = f->follow,
                                 .module = parse,
                                 .module_self = b,
                                 .why = &b->why};
    b->bundles = cs_arena_array(b->arena, cs_bundle *, paths->n + 1);
    cs_err err = f->bundle ? read_bundles(b, paths, &options, e) : read_files(b, paths, &options, e);
    if (err != CS_OK) {
        return cs_fail_in(e, "load error: ");
    }
    cs_slice revision = cs_slice_of(f->revision != NULL ? f->revision : "");
    cs_bundle_build how = {.rego_version = b->options.rego_version};
    CS_TRY(cs_bundle_merge(b->arena, b->bundles, b->n_bundles, &how, &b->merged, e));
    if (f->revision_given || f->optimize > 0) {
        b->merged.revision = revision;
    }
    for (size_t i = 0; i < b->merged.n_modules; i++) {
        const cs_bundle_module *m = b->merged.modules[i];
        cs_build_source source = {m->url, m->file, m->text, m->rego_version};
        CS_TRY(cs_build_add(b->build, &source, &b->errors));
    }
    return CS_OK;
}

/* ---- what comes out */
static cs_err lay_out(builder *b, cs_bundle_file **out, size_t *n, cs_error *e)
{
    *n = cs_build_module_count(b->build);
    *out = cs_arena_array(b->arena, cs_bundle_file, *n + 1);
    cs_buf text;
    cs_buf_init(&text);
    cs_err err = CS_OK;
    for (size_t i = 0; i < *n && err == CS_OK; i++) {
        cs_slice name = CS_LIT("");
        cs_buf_clear(&text);
        err = cs_build_module(b->build, i, &name, &text, &b->errors);
        (*out)[i] = (cs_bundle_file){
            .path = name, .bytes = {cs_arena_dup(b->arena, text.p, text.n), text.n}, .written = CS_LIT("")};
    }
    cs_buf_destroy(&text);
    return err == CS_OK ? CS_OK : cs_fail(e, err, "a module cannot be laid out");
}

/* The archive has data.json, modules, the signature, plans, the manifest; the signature names modules, data.json,
 * plans, manifest. */
static cs_err add_signature(builder *b, cs_bundle_file **files, size_t *n, cs_error *e)
{
    const flags *f = b->f;
    cs_bundle_signing signing;
    CS_TRY(cs_cmd_signing(b->arena, f->key, f->verify.alg, f->claims, &signing, e));
    if (f->claims == NULL) {
        signing.keyid = cs_slice_of(f->verify.keyid);
    }
    size_t n_last = b->merged.n_plans + 1, n_modules = *n - 1 - n_last;
    cs_bundle_file *signed_files = cs_arena_array(b->arena, cs_bundle_file, *n);
    memcpy(signed_files, *files, *n * sizeof *signed_files);
    memmove(signed_files, signed_files + 1, n_modules * sizeof *signed_files);
    signed_files[n_modules] = (*files)[0];
    cs_slice text;
    CS_TRY(cs_bundle_sign(b->arena, signed_files, *n, &signing, &text, e));
    cs_bundle_file *more = cs_arena_array(b->arena, cs_bundle_file, *n + 1);
    memcpy(more, *files, (*n - n_last) * sizeof *more);
    memcpy(more + *n - n_last + 1, *files + *n - n_last, n_last * sizeof *more);
    more[*n - n_last] = (cs_bundle_file){.path = CS_LIT(".signatures.json"), .bytes = text, .written = CS_LIT("")};
    *files = more;
    (*n)++;
    return CS_OK;
}

/* The plan behind those that the input has brought. */
static cs_err add_plan(builder *b, cs_error *e)
{
    const flags *f = b->f;
    cs_build_plan_options options = {
        .proto = strcmp(f->format, "proto") == 0, .prune = f->prune, .unplanned = f->addons.n > 0};
    cs_buf text;
    cs_buf_init(&text);
    cs_err err = cs_build_plan(b->build, &options, &text, &b->errors, e);
    if (err == CS_OK) {
        cs_bundle_file *plans = cs_arena_array(b->arena, cs_bundle_file, b->merged.n_plans + 1);
        if (b->merged.n_plans > 0) {
            memcpy(plans, b->merged.plans, b->merged.n_plans * sizeof *plans);
        }
        plans[b->merged.n_plans++] = (cs_bundle_file){.path = options.proto ? CS_LIT("plan.pb") : CS_LIT("plan.json"),
                                                      .bytes = {cs_arena_dup(b->arena, text.p, text.n), text.n},
                                                      .written = CS_LIT("")};
        b->merged.plans = plans;
    }
    b->merged.proto = options.proto;
    cs_buf_destroy(&text);
    return err;
}

static cs_err write_bundle(builder *b, cs_error *e)
{
    cs_bundle_file *modules, *files;
    size_t n_modules, n;
    CS_TRY(lay_out(b, &modules, &n_modules, e));
    CS_TRY(cs_bundle_pack(b->arena, &b->merged, modules, n_modules, &files, &n, e));
    if (b->f->key != NULL) {
        CS_TRY(add_signature(b, &files, &n, e));
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_bundle_write(files, n, &bytes, e);
    if (err == CS_OK) {
        err = cs_file_replace(b->f->output, cs_buf_view(&bytes), e);
    }
    cs_buf_destroy(&bytes);
    return err;
}

/* ---- from the beginning to the end */
/* What is asked for and cannot be done, or NULL. */
static const char *not_possible(cs_arena *a, const flags *f)
{
    bool verifying = f->verify.key != NULL && f->verify.key[0] != '\0';
    if (f->key == NULL && (f->claims != NULL || f->plugin != NULL)) {
        return "specify the secret (HMAC) or path of the PEM file containing the private key (RSA and ECDSA)";
    }
    if (!f->bundle && (verifying || f->key != NULL)) {
        return "enable bundle mode (ie. --bundle) to verify or sign bundle files or directories";
    }
    if (f->plugin != NULL) {
        return "signing plugins are not supported";
    }
    if (strcmp(f->format, "json") != 0 && !is_plan(f)) {
        return "plan format \"proto\" is only valid with target \"plan\"";
    }
    for (size_t i = 0; i < f->addons.n; i++) {
        if (strcmp(f->addons.v[i], "unplanned_rules") != 0) {
            return cs_arena_printf(a, NULL, "unsupported plan addon \"%s\" (want one of [unplanned_rules])",
                                   f->addons.v[i]);
        }
    }
    if (f->addons.n > 0 && !is_plan(f)) {
        return "plan addons are only valid with target \"plan\"";
    }
    return strcmp(f->target, "wasm") == 0
               ? "the target wasm is not supported: no WebAssembly is built here; use the target rego (policies as "
                 "they are) or plan (OPA's intermediate representation)"
               : NULL;
}

static void set_up(builder *b)
{
    const flags *f = b->f;
    b->options = (cs_build_options){.rego_version = f->v0 ? 0 : 1,
                                    .optimize = f->optimize,
                                    .capabilities = f->capabilities,
                                    .keep_print = is_plan(f),
                                    .name_space = cs_slice_of(f->name_space),
                                    .debug = f->debug ? say_debug : NULL};
    b->build = cs_build_new(&b->options);
}

static cs_err build(builder *b, const cs_arg_list *paths, cs_error *e)
{
    const flags *f = b->f;
    for (size_t i = 0; i < f->entrypoints.n; i++) {
        cs_build_add_entrypoint(b->build, cs_slice_of(f->entrypoints.v[i]));
    }
    CS_TRY(load(b, paths, e));
    cs_build_annotated(b->build);
    if (f->optimize > 0 && cs_build_entrypoint_count(b->build) == 0) {
        return cs_fail(e, CS_ERR_INVALID, "bundle optimizations require at least one entrypoint");
    }
    if (is_plan(f) && cs_build_entrypoint_count(b->build) == 0) {
        return cs_fail(e, CS_ERR_INVALID, "plan compilation requires at least one entrypoint");
    }
    CS_TRY(cs_build_run(b->build, b->merged.data, b->merged.roots, b->merged.n_roots, &b->errors, e));
    if (f->optimize > 0) {
        cs_bundle_add_root(b->arena, &b->merged, cs_slice_of(f->name_space));
    }
    if (is_plan(f)) {
        CS_TRY(add_plan(b, e));
    }
    return write_bundle(b, e);
}

/* As OPA's command: on standard output. */
static int report(const builder *b, const cs_error *e)
{
    if (b->errors.n > 0) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &b->errors);
        printf("error: %s\n", cs_buf_cstr(&text));
        cs_buf_destroy(&text);
    } else if (b->why.n > 0) {
        printf("error: load error: %s\n", cs_buf_cstr((cs_buf *)(uintptr_t)&b->why));
    } else if (e->row > 0) {
        printf("error: %s:%u: %s: %s\n", e->file, e->row, cs_err_name(e->code), e->text);
    } else {
        printf("error: %s\n", e->text);
    }
    return 1;
}

static int run(cs_arena *a, const flags *f, const cs_arg_list *paths)
{
    builder b = {.arena = a, .f = f};
    cs_error e = {0};
    cs_errors_init(&b.errors);
    cs_buf_init(&b.why);
    int status = 0;
    set_up(&b);
    if (build(&b, paths, &e) != CS_OK) {
        status = report(&b, &e);
    }
    for (size_t i = 0; i < b.n_bundles; i++) {
        cs_bundle_free(b.bundles[i]);
    }
    cs_build_free(b.build);
    cs_errors_destroy(&b.errors);
    cs_buf_destroy(&b.why);
    return status;
}

int cs_cmd_build(int argc, char **argv)
{
    flags f = {.target = "rego",
               .format = "json",
               .output = "bundle.tar.gz",
               .name_space = "partial",
               .verify = {.keyid = "default", .alg = "RS256"}};
    const cs_arg args[] = {
        {"bundle", 'b', CS_ARG_BOOL, &f.bundle, NULL, "load paths as bundle files or root directories", NULL},
        {"output", 'o', CS_ARG_STRING, &f.output, NULL, "the output file", NULL},
        {"revision", 'r', CS_ARG_STRING, &f.revision, NULL, "revision of the output bundle", &f.revision_given},
        {"target", 't', CS_ARG_ENUM, &f.target, "rego|wasm|plan", "output bundle target", NULL},
        {"format", 0, CS_ARG_ENUM, &f.format, "json|proto", "plan output format (with --target=plan)", NULL},
        {"entrypoint", 'e', CS_ARG_LIST, &f.entrypoints, NULL, "slash separated entrypoint path", NULL},
        {"optimize", 'O', CS_ARG_INT, &f.optimize, NULL, "optimization level", NULL},
        {"prune-unused", 0, CS_ARG_BOOL, &f.prune, NULL, "plan no rules that depend on entrypoints", NULL},
        {"debug", 0, CS_ARG_BOOL, &f.debug, NULL, "tell what the optimizer does", NULL},
        {"partial-namespace", 0, CS_ARG_STRING, &f.name_space, NULL, "package of rules that optimizing makes", NULL},
        {"follow-symlinks", 0, CS_ARG_BOOL, &f.follow, NULL, "read what symbolic links in bundles' folders lead to",
         NULL},
        {"wasm-include-print", 0, CS_ARG_BOOL, &f.wasm_print, NULL, "for the target wasm, which is not supported",
         NULL},
        {"plan-addons", 0, CS_ARG_LIST, &f.addons, NULL,
         "what else the plan tells: unplanned_rules (with --target=plan)", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.ignore, NULL, "file and folder names to leave out ('.*' are hidden files)",
         NULL},
        {"capabilities", 0, CS_ARG_CAPABILITIES, &f.capabilities, NULL, "version or file of capabilities", NULL},
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
    if (status != -1) {
        /* said already */
    } else if (paths.n == 0) {
        status = cs_args_wrong("expected at least one path");
    } else if (not_possible(&a, &f) != NULL) {
        printf("error: %s\n", not_possible(&a, &f));
        status = 1;
    } else {
        status = run(&a, &f, &paths);
    }
    cs_arena_destroy(&a);
    return status;
}
