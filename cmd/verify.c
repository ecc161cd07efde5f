/* verify: is the bundle whole, well-formed and signed by this key? */
#include "cmd.h"

#include <stdio.h>

#include "countersign/base/time.h"
#include "countersign/json.h"

static void put_text(cs_arena *a, cs_value object, const char *name, cs_slice text)
{
    if (text.n > 0) {
        cs_object_put_text(a, object, name, cs_string(text));
    }
}

/* What was verified, for people and for scripts. */
static void describe(cs_arena *a, const cs_bundle *b, bool json)
{
    if (!json) {
        printf("verified: %zu files, key %.*s", b->n_files - 1, CS_FMT(b->signature.keyid));
        if (b->manifest.revision.n > 0) {
            printf(", revision %.*s", CS_FMT(b->manifest.revision));
        }
        if (b->signature.scope.n > 0) {
            printf(", scope %.*s", CS_FMT(b->signature.scope));
        }
        if (b->signature.iat != 0) {
            char when[40];
            (void)cs_time_format_rfc3339(b->signature.iat * CS_NS_PER_S, when);
            printf(", signed %s", when);
        }
        printf("\n");
        return;
    }
    cs_value out = cs_object_new(a, 8);
    cs_object_put_text(a, out, "verified", cs_bool(true));
    cs_object_put_text(a, out, "keyid", cs_string(b->signature.keyid));
    cs_object_put_text(a, out, "files", cs_int((int64_t)b->n_files - 1));
    put_text(a, out, "revision", b->manifest.revision);
    put_text(a, out, "scope", b->signature.scope);
    put_text(a, out, "iss", b->signature.issuer);
    put_text(a, out, "digest", b->digest);
    if (b->signature.iat != 0) {
        cs_object_put_text(a, out, "iat", cs_int(b->signature.iat));
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, out, CS_JSON_PRETTY);
    cs_buf_byte(&text, '\n');
    (void)cs_cmd_write(cs_buf_view(&text));
    cs_buf_destroy(&text);
}

static cs_err verify(cs_arena *a, const char *path, const cs_cmd_verify_flags *flags, bool json, cs_error *e)
{
    const cs_bundle_verify *config;
    CS_TRY(cs_cmd_verify_config(a, flags, &config, e));
    cs_bundle_options options = {.name = cs_slice_of(path), .etag = CS_LIT(""), .verify = config, .rego_version = 1};
    cs_bundle *b;
    CS_TRY(cs_bundle_read_path(path, &options, &b, e));
    describe(a, b, json);
    cs_bundle_free(b);
    return CS_OK;
}

int cs_cmd_verify(int argc, char **argv)
{
    cs_cmd_verify_flags f = {0};
    const char *format = "pretty";
    const cs_arg args[] = {
        CS_CMD_VERIFY_ARGS(f),
        {"format", 'f', CS_ARG_ENUM, &format, "pretty|json", "output format", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list paths;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &paths);
    cs_error e = {0};
    if (status != -1) {
        /* said already */
    } else if (paths.n != 1) {
        status = cs_cmd_fail("specify exactly one bundle");
    } else if (f.key == NULL || f.key[0] == '\0') {
        status =
            cs_cmd_fail("specify the secret (HMAC) or path of the PEM file containing the public key (RSA and ECDSA)");
    } else {
        status = verify(&a, paths.v[0], &f, strcmp(format, "json") == 0, &e) == CS_OK ? 0 : cs_cmd_fail_error(&e);
    }
    cs_arena_destroy(&a);
    return status;
}
