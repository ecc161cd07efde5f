/* Keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037) and sets of keys. */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>

#include "countersign/base/encode.h"
#include "countersign/base/mem.h"
#include "countersign/json.h"

/* Coordinates of P-521, the longest. */
#define EC_COORDINATE_MAX 66
/* Longer moduli make verification a way to burn time. */
#define RSA_BYTES_MAX 2048

static cs_slice text_member(cs_value jwk, const char *name)
{
    const cs_value *v = cs_object_get_text(jwk, name);
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

/* A base64url member as bytes; *out has n == 0 when it is missing. */
static cs_err bytes_member(cs_arena *a, cs_value jwk, const char *name, size_t max, cs_slice *out, cs_error *e)
{
    cs_slice text = text_member(jwk, name);
    *out = CS_LIT("");
    if (text.n == 0) {
        return CS_OK;
    }
    while (text.n > 0 && text.p[text.n - 1] == '=') {
        text.n--;
    }
    if (!cs_base64_decode(a, text, CS_BASE64_URL_NOPAD, out, NULL)) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: member \"%s\" is not base64url", name);
    }
    if (out->n > max) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: member \"%s\" is too long", name);
    }
    return CS_OK;
}

/* Builds a key of type `type` from the parameters and frees them. */
static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *builder, bool private_key)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (params == NULL || c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &pkey, private_key ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(c);
    return pkey;
}

static cs_err finish(EVP_PKEY *pkey, bool private_key, const char *kty, cs_key **out, cs_error *e)
{
    if (pkey == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: not a usable %s key: %s", kty, cs_crypto__reason());
    }
    return cs_crypto__key_wrap(pkey, private_key, out, e);
}

/* Numbers that do not belong together must not sign: the signature would be wrong, and can tell the factors. `bytes` as
 * in rsa_jwk. */
static cs_err check_rsa(cs_arena *a, const cs_slice *bytes, cs_error *e)
{
    cs_rsa_numbers numbers = {.n = bytes[0],
                              .e = INT64_MAX,
                              .d = bytes[2],
                              .p = bytes[3],
                              .q = bytes[4],
                              .dp = bytes[5],
                              .dq = bytes[6],
                              .qinv = bytes[7]};
    if (bytes[1].n < sizeof numbers.e) {
        numbers.e = 0;
        for (size_t i = 0; i < bytes[1].n; i++) {
            numbers.e = numbers.e * 256 + (uint8_t)bytes[1].p[i];
        }
    }
    return cs_rsa_check(a, &numbers, e);
}

static cs_err rsa_jwk(cs_arena *a, cs_value jwk, cs_key **out, cs_error *e)
{
    static const struct {
        const char *member, *param;
    } parts[] = {{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
                 {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
                 {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
                 {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    enum { PARTS = sizeof parts / sizeof *parts };
    cs_slice bytes[PARTS];
    size_t have = 0;
    for (size_t i = 0; i < PARTS; i++) {
        CS_TRY(bytes_member(a, jwk, parts[i].member, RSA_BYTES_MAX, &bytes[i], e));
        have += bytes[i].n > 0;
    }
    if (bytes[0].n == 0 || bytes[1].n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: an RSA key needs \"n\" and \"e\"");
    }
    bool private_key = bytes[2].n > 0;
    if (private_key && bytes[3].n > 0 && bytes[4].n > 0) {
        CS_TRY(check_rsa(a, bytes, e));
    }
    /* The factors are all there or none is used: OpenSSL works without them, only slower. */
    size_t use = !private_key ? 2 : have == PARTS ? (size_t)PARTS : 3;
    BIGNUM *numbers[PARTS] = {0};
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    cs_assert(builder != NULL);
    bool good = true;
    for (size_t i = 0; i < use && good; i++) {
        numbers[i] = i < 2 ? BN_new() : BN_secure_new();
        good = numbers[i] != NULL &&
               BN_bin2bn((const unsigned char *)bytes[i].p, (int)bytes[i].n, numbers[i]) != NULL &&
               OSSL_PARAM_BLD_push_BN(builder, parts[i].param, numbers[i]) == 1;
    }
    EVP_PKEY *pkey = good ? key_from("RSA", builder, private_key) : NULL;
    for (size_t i = 0; i < use; i++) {
        BN_clear_free(numbers[i]);
    }
    OSSL_PARAM_BLD_free(builder);
    return finish(pkey, private_key, "RSA", out, e);
}

static cs_err ec_jwk(cs_arena *a, cs_value jwk, cs_key **out, cs_error *e)
{
    static const struct {
        const char *crv, *group;
        size_t bytes;
    } curves[] = {{"P-256", "P-256", 32}, {"P-384", "P-384", 48}, {"P-521", "P-521", 66}};
    cs_slice crv = text_member(jwk, "crv");
    size_t c = 0;
    while (c < 3 && !cs_slice_is(crv, curves[c].crv)) {
        c++;
    }
    if (c == 3) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: unsupported curve \"%.*s\"", CS_FMT(crv));
    }
    size_t size = curves[c].bytes;
    cs_slice x, y, d;
    CS_TRY(bytes_member(a, jwk, "x", size, &x, e));
    CS_TRY(bytes_member(a, jwk, "y", size, &y, e));
    CS_TRY(bytes_member(a, jwk, "d", size, &d, e));
    if (x.n == 0 || y.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: an EC key needs \"x\" and \"y\"");
    }
    uint8_t point[1 + 2 * EC_COORDINATE_MAX] = {4};
    memcpy(point + 1 + (size - x.n), x.p, x.n);
    memcpy(point + 1 + size + (size - y.n), y.p, y.n);
    BIGNUM *secret = d.n > 0 ? BN_secure_new() : NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    cs_assert(builder != NULL);
    bool good = OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curves[c].group, 0) == 1 &&
                OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) == 1;
    if (d.n > 0) {
        good = good && secret != NULL && BN_bin2bn((const unsigned char *)d.p, (int)d.n, secret) != NULL &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret) == 1;
    }
    EVP_PKEY *pkey = good ? key_from("EC", builder, d.n > 0) : NULL;
    BN_clear_free(secret);
    OSSL_PARAM_BLD_free(builder);
    return finish(pkey, d.n > 0, "EC", out, e);
}

static cs_err okp_jwk(cs_arena *a, cs_value jwk, cs_key **out, cs_error *e)
{
    cs_slice crv = text_member(jwk, "crv"), x, d;
    if (!cs_slice_is(crv, "Ed25519")) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: unsupported curve \"%.*s\"", CS_FMT(crv));
    }
    CS_TRY(bytes_member(a, jwk, "x", 32, &x, e));
    CS_TRY(bytes_member(a, jwk, "d", 32, &d, e));
    EVP_PKEY *pkey = d.n > 0 ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)d.p, d.n)
                             : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
    return finish(pkey, d.n > 0, "Ed25519", out, e);
}

static cs_err read_jwk(cs_arena *a, cs_value jwk, cs_key **out, cs_error *e)
{
    if (!cs_is(jwk, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "JWK: not an object");
    }
    cs_slice kty = text_member(jwk, "kty");
    if (cs_slice_is(kty, "RSA")) {
        return rsa_jwk(a, jwk, out, e);
    }
    if (cs_slice_is(kty, "EC")) {
        return ec_jwk(a, jwk, out, e);
    }
    if (cs_slice_is(kty, "OKP")) {
        return okp_jwk(a, jwk, out, e);
    }
    if (cs_slice_is(kty, "oct")) {
        cs_slice k;
        CS_TRY(bytes_member(a, jwk, "k", SIZE_MAX, &k, e));
        if (k.n == 0) {
            return cs_fail(e, CS_ERR_INVALID, "JWK: a key of kty oct needs \"k\"");
        }
        *out = cs_key_secret(k);
        return CS_OK;
    }
    return cs_fail(e, CS_ERR_INVALID, "JWK: unsupported kty \"%.*s\"", CS_FMT(kty));
}

cs_err cs_key_from_jwk(cs_value jwk, cs_key **out, cs_error *e)
{
    cs_arena arena;
    cs_arena_init(&arena, 0);
    cs_key *key = NULL;
    cs_err err = read_jwk(&arena, jwk, &key, e);
    cs_arena_destroy(&arena);
    if (err == CS_OK) {
        cs_crypto__key_set_names(key, text_member(jwk, "kid"), text_member(jwk, "alg"));
        *out = key;
    }
    return err;
}

void cs_key_set_init(cs_key_set *set)
{
    *set = (cs_key_set){0};
}

void cs_key_set_destroy(cs_key_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        cs_key_release(set->v[i]);
    }
    cs_free(set->v);
    *set = (cs_key_set){0};
}

void cs_key_set_add(cs_key_set *set, cs_key *key)
{
    if (set->n == set->cap) {
        set->cap = set->cap > 0 ? 2 * set->cap : 4;
        set->v = cs_realloc(set->v, set->cap * sizeof *set->v);
    }
    set->v[set->n++] = key;
}

static cs_err add_jwks(cs_value document, cs_key_set *set, cs_error *e)
{
    if (!cs_is(document, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "failed to parse a JWK key (set): not an object");
    }
    const cs_value *keys = cs_object_get_text(document, "keys");
    cs_key *key = NULL;
    if (keys == NULL) {
        if (cs_key_from_jwk(document, &key, e) != CS_OK) {
            return cs_fail_in(e, "failed to parse a JWK key (set): ");
        }
        cs_key_set_add(set, key);
        return CS_OK;
    }
    if (!cs_is(*keys, CS_ARRAY)) {
        return cs_fail(e, CS_ERR_INVALID, "failed to parse a JWK key (set): \"keys\" is not an array");
    }
    cs_error last = {0};
    size_t before = set->n;
    for (uint32_t i = 0; i < keys->n; i++) {
        cs_slice alg = cs_is(keys->u.items[i], CS_OBJECT) ? text_member(keys->u.items[i], "alg") : CS_LIT("");
        cs_sig_alg known;
        if (alg.n > 0 && !cs_sig_alg_find(alg, &known)) {
            continue;
        }
        if (cs_key_from_jwk(keys->u.items[i], &key, &last) == CS_OK) {
            cs_key_set_add(set, key);
        }
    }
    if (set->n == before && last.code != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "failed to parse a JWK key (set): %s", last.text);
    }
    return CS_OK;
}

cs_err cs_key_set_from_jwks(cs_slice json, cs_key_set *set, cs_error *e)
{
    cs_arena arena;
    cs_arena_init(&arena, 0);
    cs_value document;
    cs_err err = cs_json_read(&arena, json, &(cs_json_options){0}, &document, NULL, e);
    if (err != CS_OK) {
        err = cs_fail_in(e, "failed to parse a JWK key (set): ");
    } else {
        err = add_jwks(document, set, e);
    }
    cs_arena_destroy(&arena);
    return err;
}

cs_err cs_key_set_from_text(cs_slice text, cs_key_set *set, cs_error *e)
{
    if (cs_slice_find(text, CS_LIT("-----BEGIN"), 0) == SIZE_MAX) {
        return cs_key_set_from_jwks(text, set, e);
    }
    cs_key *key;
    CS_TRY(cs_key_from_pem(text, true, &key, e));
    cs_key_set_add(set, key);
    return CS_OK;
}
