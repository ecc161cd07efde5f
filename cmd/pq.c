/* pq: the allowlist of GraphQL documents. Makes it out of clients' manifests, compares two of it, asks a running server
 * what it lacks. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/persisted_query.h"
#include "remote.h"

enum { FILE_BYTES = 64 << 20, BREAKING = 2 };

typedef struct flags {
    cs_remote remote;
    cs_arg_list sidecars, previous;
    const char *revision, *output, *with, *key, *claims, *retire_after, *format, *at;
    cs_cmd_verify_flags verify; /* of bundles that are read; its algorithm is that of signing too */
    int64_t keep;
} flags;

typedef int verb_fn(cs_arena *a, const flags *f, const cs_arg_list *operands);

static cs_err read_text(cs_arena *a, const char *path, cs_slice *out, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(path, FILE_BYTES, &bytes, e);
    if (err == CS_OK) {
        *out = cs_slice_make(cs_arena_dup(a, bytes.p != NULL ? bytes.p : "", bytes.n), bytes.n);
    }
    cs_buf_destroy(&bytes);
    return err;
}

/* ---- reading lists: of bundles, data files, manifests */

typedef struct list {
    cs_value operations, revisions; /* revisions: undefined if nothing knows them */
} list;

static bool is_bundle(const char *path)
{
    return cs_file_is_dir(path) || cs_slice_ends(cs_slice_of(path), CS_LIT(".tar.gz"));
}

static cs_err read_bundle(cs_arena *a, const flags *f, const char *path, cs_bundle **out, cs_error *e)
{
    cs_bundle_options options = {.name = cs_slice_of(path), .etag = CS_LIT(""), .rego_version = 1};
    CS_TRY(cs_cmd_verify_config(a, &f->verify, &options.verify, e));
    options.skip_verify = options.verify == NULL;
    return cs_bundle_read_path(path, &options, out, e);
}

static cs_err list_of_bundle(cs_arena *a, const flags *f, const char *path, list *out, cs_error *e)
{
    cs_bundle *bundle;
    CS_TRY(read_bundle(a, f, path, &bundle, e));
    cs_value operations = cs_object_member(bundle->data, "operations");
    cs_value revisions =
        cs_object_member(cs_object_member(bundle->manifest.metadata, "persisted_queries"), "revisions");
    cs_err err = CS_OK;
    if (!cs_is(operations, CS_OBJECT)) {
        err = cs_fail(e, CS_ERR_INVALID, "%s: it has no operations", path);
    } else {
        *out = (list){cs_freeze(a, operations), cs_undefined()};
        cs_value own = cs_string(bundle->manifest.revision);
        revisions = cs_is(revisions, CS_ARRAY) ? revisions : cs_array(&own, own.n != 0 ? 1 : 0);
        out->revisions = cs_freeze(a, revisions);
    }
    cs_bundle_free(bundle);
    return err;
}

/* Is it documents, not entries, that stand there? */
static bool is_manifest(cs_value document)
{
    cs_value operations = cs_object_member(document, "operations"), first;
    if (!cs_is_undefined(cs_object_member(document, "format")) || cs_is(operations, CS_ARRAY)) {
        return true;
    }
    if (cs_is_undefined(operations) && cs_count(document) != 0 && cs_is(document, CS_OBJECT)) {
        (void)cs_entry(document, 0, &first);
        return cs_is(first, CS_STRING);
    }
    return false;
}

static cs_err list_of_file(cs_arena *a, const char *path, list *out, cs_error *e)
{
    cs_slice text;
    cs_value document;
    cs_error why = {0};
    CS_TRY(read_text(a, path, &text, e));
    if (cs_json_read(a, text, NULL, &document, NULL, &why) != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "%s:%u:%u: %s", path, why.row, why.col, why.text);
    }
    if (is_manifest(document)) {
        cs_pq_list made;
        cs_pq_list_init(&made, a);
        CS_TRY(cs_pq_add_manifest(&made, path, text, e));
        *out = (list){made.current, cs_undefined()};
        return CS_OK;
    }
    cs_value operations = cs_object_member(document, "operations");
    *out = (list){cs_is_undefined(operations) ? document : operations, cs_undefined()};
    if (cs_pq_check(out->operations, &why) != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "%s: %s", path, why.text);
    }
    return CS_OK;
}

static cs_err read_list(cs_arena *a, const flags *f, const char *path, list *out, cs_error *e)
{
    return is_bundle(path) ? list_of_bundle(a, f, path, out, e) : list_of_file(a, path, out, e);
}

/* ---- build */

/* A revision that nobody named is known by what is in it. */
static cs_slice revision_of(cs_arena *a, const flags *f, const cs_pq_list *made)
{
    if (f->revision != NULL && f->revision[0] != '\0') {
        return cs_slice_of(f->revision);
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write_canonical(&text, made->current);
    cs_slice hex = cs_digest_hex(a, CS_SHA256, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return cs_slice_sub(hex, 0, 12);
}

static cs_err make(cs_arena *a, const flags *f, const cs_arg_list *manifests, cs_slice *revision, list *out,
                   cs_error *e)
{
    cs_pq_list made;
    cs_pq_list_init(&made, a);
    cs_pq_making making = {.keep = (uint32_t)f->keep, .now_ns = cs_time_wall_ns()};
    if (f->keep < 1 || f->keep > 50) {
        return cs_fail(e, CS_ERR_INVALID, "--keep must be a number of revisions from 1 to 50");
    }
    if (f->retire_after != NULL &&
        (!cs_time_parse_duration(cs_slice_of(f->retire_after), true, &making.retire_after_ns) ||
         making.retire_after_ns <= 0)) {
        return cs_fail(e, CS_ERR_INVALID, "--retire-after must be a duration, such as 14d or 36h");
    }
    cs_slice text;
    for (size_t i = 0; i < manifests->n; i++) {
        CS_TRY(read_text(a, manifests->v[i], &text, e));
        CS_TRY(cs_pq_add_manifest(&made, manifests->v[i], text, e));
    }
    for (size_t i = 0; i < f->sidecars.n; i++) {
        CS_TRY(read_text(a, f->sidecars.v[i], &text, e));
        CS_TRY(cs_pq_add_sidecar(&made, f->sidecars.v[i], text, e));
    }
    for (size_t i = 0; i < f->previous.n; i++) {
        list before;
        CS_TRY(read_list(a, f, f->previous.v[i], &before, e));
        CS_TRY(cs_pq_add_previous(&made, f->previous.v[i], before.operations, before.revisions, e));
    }
    making.revision = *revision = revision_of(a, f, &made);
    cs_value warnings = cs_undefined();
    CS_TRY(cs_pq_make(&made, &making, &out->operations, &out->revisions, &warnings, e));
    for (uint32_t i = 0; i < cs_count(warnings); i++) {
        fprintf(stderr, "warning: %.*s\n", CS_FMT(cs_text(warnings.u.items[i])));
    }
    return CS_OK;
}

/* The list in the place of the one that the bundle has, or a bundle of the list alone. */
static cs_err merge(cs_arena *a, const flags *f, cs_bundle *base, const list *made, cs_bundle_merged *out, cs_error *e)
{
    cs_value key = cs_string(CS_LIT("operations"));
    if (base == NULL) {
        *out = (cs_bundle_merged){.data = cs_object_new(a, 1), .rego_version = 1};
        out->file_rego_versions = out->metadata = cs_object_new(a, 0);
    } else {
        CS_TRY(cs_bundle_merge(a, &base, 1, &(cs_bundle_build){.rego_version = 1}, out, e));
        out->file_rego_versions = cs_object_new(a, 0);
        for (size_t i = 0; i < base->n_modules; i++) {
            const cs_bundle_module *m = &base->modules[i];
            if (m->rego_version != out->rego_version) {
                cs_object_put(a, out->file_rego_versions, cs_string(m->path), cs_int(m->rego_version));
            }
        }
    }
    (void)f;
    out->data = cs_upsert(a, out->data, &key, 1, made->operations);
    cs_bundle_add_root(a, out, CS_LIT("operations"));
    cs_value about = cs_object_new(a, 1);
    cs_object_put_text(a, about, "revisions", made->revisions);
    cs_value name = cs_string(CS_LIT("persisted_queries"));
    out->metadata = cs_upsert(a, out->metadata, &name, 1, about);
    return CS_OK;
}

static cs_err pack(cs_arena *a, const flags *f, const cs_bundle *base, const cs_bundle_merged *merged, cs_buf *out,
                   cs_error *e)
{
    size_t n_modules = base != NULL ? base->n_modules : 0, n;
    cs_bundle_file *modules = cs_arena_array(a, cs_bundle_file, n_modules + 1), *files;
    for (size_t i = 0; i < n_modules; i++) {
        modules[i] =
            (cs_bundle_file){.path = base->modules[i].path, .bytes = base->modules[i].text, .written = CS_LIT("")};
    }
    CS_TRY(cs_bundle_pack(a, merged, modules, n_modules, &files, &n, e));
    if (f->key != NULL) {
        cs_bundle_signing signing;
        CS_TRY(cs_cmd_signing(a, f->key, f->verify.alg, f->claims, &signing, e));
        if (f->claims == NULL) {
            signing.keyid = cs_slice_of(f->verify.keyid);
        }
        cs_bundle_file *more = cs_arena_array(a, cs_bundle_file, n + 1);
        memcpy(more, files, n * sizeof *more);
        cs_slice text;
        CS_TRY(cs_bundle_sign(a, files, n, &signing, &text, e));
        more[n] = more[n - 1]; /* .manifest stays the last one */
        more[n - 1] = (cs_bundle_file){.path = CS_LIT(".signatures.json"), .bytes = text, .written = CS_LIT("")};
        files = more;
        n++;
    }
    return cs_bundle_write(files, n, out, e);
}

static cs_err write_bundle(cs_arena *a, const flags *f, cs_slice revision, const list *made, cs_error *e)
{
    cs_bundle *base = NULL;
    cs_bundle_merged merged;
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = f->with != NULL ? read_bundle(a, f, f->with, &base, e) : CS_OK;
    if (err == CS_OK) {
        err = merge(a, f, base, made, &merged, e);
    }
    if (err == CS_OK) {
        merged.revision = revision;
        err = pack(a, f, base, &merged, &bytes, e);
    }
    if (err == CS_OK) {
        err = cs_file_replace(f->output, cs_buf_view(&bytes), e);
    }
    cs_buf_destroy(&bytes);
    cs_bundle_free(base);
    return err;
}

static cs_err write_data(cs_arena *a, const flags *f, const list *made, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_value data = cs_object_new(a, 1);
    cs_object_put_text(a, data, "operations", made->operations);
    cs_json_write(&text, data, CS_JSON_PRETTY);
    cs_buf_byte(&text, '\n');
    cs_err err = CS_OK;
    if (strcmp(f->output, "-") != 0) {
        err = cs_file_replace(f->output, cs_buf_view(&text), e);
    } else if (!cs_cmd_write(cs_buf_view(&text))) {
        err = cs_fail(e, CS_ERR_IO, "the list cannot be written");
    }
    cs_buf_destroy(&text);
    return err;
}

static int build(cs_arena *a, const flags *f, const cs_arg_list *manifests)
{
    cs_error e = {0};
    list made = {0};
    cs_slice revision;
    bool data = strcmp(f->output, "-") == 0 || cs_slice_ends(cs_slice_of(f->output), CS_LIT(".json"));
    if (manifests->n == 0) {
        return cs_cmd_fail("name the manifests: pq build <manifest.json> [...]");
    }
    if (f->key == NULL && f->claims != NULL) {
        return cs_cmd_fail("--claims-file needs --signing-key");
    }
    if (data && (f->key != NULL || f->with != NULL)) {
        return cs_cmd_fail("only a bundle (--output <name>.tar.gz) is signed or has policy in it");
    }
    cs_err err = make(a, f, manifests, &revision, &made, &e);
    if (err == CS_OK) {
        err = data ? write_data(a, f, &made, &e) : write_bundle(a, f, revision, &made, &e);
    }
    return err == CS_OK ? 0 : cs_cmd_fail_error(&e);
}

/* ---- diff */

static void print_change(cs_value change)
{
    cs_value name = cs_object_member(change, "name"), client = cs_object_member(change, "client");
    bool breaking = cs_truthy(cs_object_member(change, "breaking"));
    cs_slice id = cs_text(cs_object_member(change, "id")), what = cs_text(cs_object_member(change, "change"));
    printf("%-9s %-15.*s %.*s", breaking ? "breaking" : "", CS_FMT(what), CS_FMT(id));
    if (cs_is(name, CS_STRING)) {
        printf(" (%.*s)", CS_FMT(cs_text(name)));
    }
    if (cs_is(client, CS_STRING)) {
        printf(" for client %.*s", CS_FMT(cs_text(client)));
    }
    printf("\n");
}

static void print_text(cs_value found)
{
    cs_value changes = cs_object_member(found, "changes");
    unsigned breaking = 0;
    for (uint32_t i = 0; i < changes.n; i++) {
        print_change(changes.u.items[i]);
        breaking += cs_truthy(cs_object_member(changes.u.items[i], "breaking")) ? 1U : 0U;
    }
    printf("%u changes, %u breaking\n", changes.n, breaking);
}

static int diff(cs_arena *a, const flags *f, const cs_arg_list *paths)
{
    cs_error e = {0};
    list from, to;
    int64_t now = cs_time_wall_ns();
    if (paths->n != 2) {
        return cs_cmd_fail("name two lists: pq diff <old> <new>");
    }
    if (f->at != NULL && !cs_time_parse_rfc3339(cs_slice_of(f->at), &now)) {
        return cs_cmd_fail("--at must be a time (RFC 3339)");
    }
    if (read_list(a, f, paths->v[0], &from, &e) != CS_OK || read_list(a, f, paths->v[1], &to, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    cs_value found = cs_pq_diff(a, from.operations, to.operations, now);
    if (f->format != NULL && strcmp(f->format, "json") == 0) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, found, CS_JSON_PRETTY);
        cs_buf_byte(&text, '\n');
        bool written = cs_cmd_write(cs_buf_view(&text));
        cs_buf_destroy(&text);
        if (!written) {
            return 1;
        }
    } else {
        print_text(found);
    }
    return cs_truthy(cs_object_member(found, "breaking")) ? BREAKING : 0;
}

/* ---- drift */

static int drift(cs_arena *a, const flags *f, const cs_arg_list *operands)
{
    if (operands->n != 0) {
        return cs_cmd_fail("pq drift takes no operands");
    }
    cs_remote_request request = {.method = "GET", .url = "/v1/persisted-queries/drift"};
    return cs_remote_print(a, &f->remote, &request);
}

static const struct {
    const char *name;
    verb_fn *run;
} verbs[] = {{"build", build}, {"diff", diff}, {"drift", drift}};

int cs_cmd_pq(int argc, char **argv)
{
    flags f = {.remote = CS_REMOTE_DEFAULT,
               .output = "bundle.tar.gz",
               .keep = 3,
               .verify = {.keyid = "default", .alg = "RS256"}};
    const cs_arg args[] = {
        {"operations", 0, CS_ARG_LIST, &f.sidecars, NULL, "build: file with risk tags, costs and times", NULL},
        {"previous", 0, CS_ARG_LIST, &f.previous, NULL, "build: bundle or list of an earlier revision", NULL},
        {"keep", 0, CS_ARG_INT, &f.keep, NULL, "build: revisions whose documents stay listed", NULL},
        {"retire-after", 0, CS_ARG_STRING, &f.retire_after, NULL,
         "build: retire what the manifests dropped so long after now (14d)", NULL},
        {"revision", 'r', CS_ARG_STRING, &f.revision, NULL, "build: revision of the list and its bundle", NULL},
        {"output", 'o', CS_ARG_STRING, &f.output, NULL, "build: a bundle (.tar.gz) or its data (.json, - is stdout)",
         NULL},
        {"with", 0, CS_ARG_STRING, &f.with, NULL, "build: a bundle, into which the list goes", NULL},
        {"signing-key", 0, CS_ARG_STRING, &f.key, NULL,
         "the secret (HMAC) or path of the PEM file with the private key (RSA and ECDSA)", NULL},
        {"claims-file", 0, CS_ARG_STRING, &f.claims, NULL, "JSON file with further claims", NULL},
        CS_CMD_VERIFY_ARGS(f.verify),
        {"format", 'f', CS_ARG_ENUM, &f.format, "text|json", "diff: how to print the changes", NULL},
        {"at", 0, CS_ARG_STRING, &f.at, NULL, "diff: compare as of that time (RFC 3339; default now)", NULL},
        CS_REMOTE_URL_ARG(f.remote),
        CS_REMOTE_ARGS(f.remote),
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list words;
    int result = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &words);
    if (result == -1) {
        result = 1;
        verb_fn *run = NULL;
        for (size_t i = 0; words.n > 0 && i < sizeof verbs / sizeof *verbs; i++) {
            run = strcmp(words.v[0], verbs[i].name) == 0 ? verbs[i].run : run;
        }
        cs_arg_list rest = {words.n > 0 ? words.v + 1 : words.v, words.n > 0 ? words.n - 1 : 0};
        result = run != NULL ? run(&a, &f, &rest) : cs_cmd_fail("specify one of build, diff, drift");
    }
    cs_arena_destroy(&a);
    return result;
}
