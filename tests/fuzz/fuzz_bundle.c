/* Bundles out of arbitrary bytes: as an archive, as the tar inside one, as signed, and as the files of one. What is
 * accepted can be written and read again and is then the same. */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/base/gzip.h"
#include "countersign/base/limits.h"
#include "countersign/bundle.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    /* Small bounds are reached by small inputs. */
    must(cs_limits_set("bundle_bytes", 65536) && cs_limits_set("bundle_total_bytes", 262144));
    must(cs_limits_set("bundle_files", 64));
    return 0;
}

static cs_bundle_options options(void)
{
    return (cs_bundle_options){.name = CS_LIT("fuzz"), .etag = CS_LIT(""), .rego_version = 1};
}

static void write_and_read(cs_bundle *b)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_bundle_file *files;
    size_t n;
    cs_bundle_build build = {.rego_version = 1};
    cs_bundle_merged merged;
    cs_error e;
    if (cs_bundle_merge(&a, &b, 1, &build, &merged, &e) == CS_OK &&
        cs_bundle_pack(&a, &merged, NULL, 0, &files, &n, &e) == CS_OK) {
        cs_bundle_options how = options();
        cs_bundle *again = NULL;
        must(cs_bundle_write(files, n, &bytes, &e) == CS_OK);
        cs_err err = cs_bundle_read(cs_buf_view(&bytes), &how, &again, &e);
        /* A merged document may be longer than the files that it came from. */
        must(err == CS_OK || err == CS_ERR_LIMIT);
        if (err == CS_OK) {
            must(again->n_modules == b->n_modules && cs_equal(again->data, b->data));
            must(cs_slice_eq(again->manifest.revision, b->manifest.revision));
        }
        cs_bundle_free(again);
    }
    cs_buf_destroy(&bytes);
    cs_arena_destroy(&a);
}

static void read_archive(cs_slice bytes)
{
    cs_bundle_key key = {CS_LIT("k"), CS_LIT("secret"), CS_LIT("HS256"), CS_LIT("")};
    cs_bundle_verify verify = {.keys = &key, .n_keys = 1, .keyid = CS_LIT(""), .scope = CS_LIT("")};
    cs_error e = {0};
    cs_bundle *b = NULL;
    cs_bundle_options how = options();
    how.skip_verify = true;
    how.include_manifest = true;
    if (cs_bundle_read(bytes, &how, &b, &e) == CS_OK) {
        cs_bundle_free(b);
        how.include_manifest = false;
        must(cs_bundle_read(bytes, &how, &b, &e) == CS_OK);
        write_and_read(b);
        cs_bundle_free(b);
    } else {
        must(e.text[0] != '\0');
    }
    how = options();
    how.verify = &verify;
    if (cs_bundle_read(bytes, &how, &b, &e) == CS_OK) {
        must(b->signature.present);
        cs_bundle_free(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_slice bytes = {(const char *)data, size};
    read_archive(bytes);
    cs_buf packed;
    cs_buf_init(&packed);
    cs_gzip_deflate(bytes, 1, &packed);
    read_archive(cs_buf_view(&packed));
    /* The same bytes as manifest, data and module of a bundle that is well packed. */
    cs_bundle_file files[] = {{.path = CS_LIT(".manifest"), .bytes = bytes, .written = CS_LIT("")},
                              {.path = CS_LIT("a/data.yaml"), .bytes = bytes, .written = CS_LIT("")},
                              {.path = CS_LIT("a.rego"), .bytes = bytes, .written = CS_LIT("")},
                              {.path = CS_LIT(".signatures.json"), .bytes = bytes, .written = CS_LIT("")}};
    for (size_t i = 0; i < 4; i++) {
        cs_buf_clear(&packed);
        must(cs_bundle_write(&files[i], 1, &packed, NULL) == CS_OK);
        read_archive(cs_buf_view(&packed));
    }
    cs_buf_destroy(&packed);
    return 0;
}
