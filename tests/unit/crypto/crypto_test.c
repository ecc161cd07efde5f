/* Digests, keys, signatures and tokens against published vectors and another implementation. */
#include <criterion/criterion.h>

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "vectors.h"

static cs_value json(cs_arena *a, const char *text)
{
    cs_value v = cs_undefined();
    cr_assert_eq(cs_json_read(a, cs_slice_of(text), NULL, &v, NULL, NULL), CS_OK, "%s", text);
    return v;
}

static cs_key *jwk(const char *text)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_key *key = NULL;
    cs_error e = {0};
    cr_assert_eq(cs_key_from_jwk(json(&a, text), &key, &e), CS_OK, "%s", e.text);
    cs_arena_destroy(&a);
    return key;
}

static cs_key *pem(const char *text)
{
    cs_key *key = NULL;
    cs_error e = {0};
    cr_assert_eq(cs_key_from_pem(cs_slice_of(text), false, &key, &e), CS_OK, "%s", e.text);
    return key;
}

Test(digest, known_answers)
{
    static const struct {
        cs_digest_alg alg;
        const char *name, *hex;
    } rows[] = {
        {CS_MD5, "MD5", "900150983cd24fb0d6963f7d28e17f72"},
        {CS_SHA1, "SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {CS_SHA224, "SHA-224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
        {CS_SHA256, "SHA-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {CS_SHA512_224, "SHA-512-224", "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"},
        {CS_SHA512_256, "SHA-512-256", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"},
        {CS_SHA384, "SHA-384",
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_digest_alg found = CS_DIGEST_COUNT;
        cr_assert(cs_digest_find(cs_slice_of(rows[i].name), &found));
        cr_assert_eq(found, rows[i].alg);
        cr_assert(cs_slice_is(cs_digest_hex(&a, rows[i].alg, CS_LIT("abc")), rows[i].hex), "%s", rows[i].name);
        cr_assert_eq(cs_digest_size(rows[i].alg) * 2, strlen(rows[i].hex));
    }
    cs_digest_alg none;
    cr_assert_not(cs_digest_find(CS_LIT("sha-256"), &none));
    cs_arena_destroy(&a);
}

Test(digest, in_pieces)
{
    uint8_t whole[CS_DIGEST_MAX], pieces[CS_DIGEST_MAX];
    cs_hasher *h = cs_hasher_start(CS_SHA256);
    cs_hasher_add(h, CS_LIT("a"));
    cs_hasher_add(h, CS_LIT(""));
    cs_hasher_add(h, CS_LIT("bc"));
    cr_assert_eq(cs_hasher_finish(h, pieces), 32);
    cr_assert_eq(cs_digest(CS_SHA256, CS_LIT("abc"), whole), 32);
    cr_assert_arr_eq(whole, pieces, 32);
    cs_hasher_drop(cs_hasher_start(CS_MD5));
    cs_hasher_drop(NULL);
}

Test(digest, hmac_rfc4231)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    uint8_t mac[CS_DIGEST_MAX];
    size_t n = cs_hmac(CS_SHA256, CS_LIT("Jefe"), CS_LIT("what do ya want for nothing?"), mac);
    cr_assert(cs_slice_is(cs_hex_encode(&a, cs_slice_make((char *)mac, n)),
                          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    /* Empty key and text: a key of no bytes is a key, not the one before. */
    n = cs_hmac(CS_SHA256, CS_LIT(""), CS_LIT(""), mac);
    cr_assert(cs_slice_is(cs_hex_encode(&a, cs_slice_make((char *)mac, n)),
                          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
    cs_arena_destroy(&a);
}

Test(random, uuid_and_bytes)
{
    char one[37], two[37];
    cs_random_uuid(one);
    cs_random_uuid(two);
    cr_assert_eq(strlen(one), 36);
    cr_assert_str_neq(one, two);
    cr_assert_eq(one[14], '4');
    cr_assert(strchr("89ab", one[19]) != NULL && one[8] == '-' && one[13] == '-' && one[18] == '-' && one[23] == '-');
    uint8_t x[64] = {0}, zero[64] = {0};
    cs_random(x, sizeof x);
    cr_assert_neq(memcmp(x, zero, sizeof x), 0);
    cr_assert(cs_ct_equal(CS_LIT("abc"), CS_LIT("abc")));
    cr_assert_not(cs_ct_equal(CS_LIT("abc"), CS_LIT("abd")));
    cr_assert_not(cs_ct_equal(CS_LIT("abc"), CS_LIT("ab")));
}

typedef struct token_case {
    const char *key, *token;
    cs_sig_alg alg;
} token_case;

static const token_case tokens[] = {
    {hs256_jwk, hs256_token, CS_HS256}, {es256_jwk, es256_token, CS_ES256}, {eddsa_jwk, eddsa_token, CS_EDDSA},
    {rsa_jwk, rs512_token, CS_RS512},   {rsa_jwk, ps256_token, CS_PS256},   {es384_jwk, es384_token, CS_ES384},
    {es512_jwk, es512_token, CS_ES512},
};

Test(jws, tokens_of_others_verify_by_their_algorithm_only)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        cs_key *key = jwk(tokens[i].key);
        cs_jws jws;
        cs_error e = {0};
        cr_assert_eq(cs_jws_decode(&a, cs_slice_of(tokens[i].token), &jws, &e), CS_OK, "%s", e.text);
        for (unsigned alg = 0; alg < CS_SIG_COUNT; alg++) {
            cr_assert_eq(cs_jws_verify(&jws, key, (cs_sig_alg)alg), alg == tokens[i].alg, "token %zu alg %u", i, alg);
            cr_assert_eq(cs_verify(key, (cs_sig_alg)alg, jws.signed_part, jws.signature), alg == tokens[i].alg);
        }
        /* One bit of the signature, one bit of what was signed. */
        char *signature = cs_arena_dup(&a, jws.signature.p, jws.signature.n);
        signature[jws.signature.n / 2] = (char)(signature[jws.signature.n / 2] ^ 1);
        cr_assert_not(cs_verify(key, tokens[i].alg, jws.signed_part, cs_slice_make(signature, jws.signature.n)),
                      "token %zu", i);
        cr_assert_not(cs_verify(key, tokens[i].alg, cs_slice_sub(jws.signed_part, 1, SIZE_MAX), jws.signature));
        cr_assert_not(cs_verify(key, tokens[i].alg, jws.signed_part, CS_LIT("")));
        cs_key_release(key);
    }
    cs_arena_destroy(&a);
}

Test(jws, sign_and_verify_with_every_algorithm)
{
    static const char *const keys[CS_SIG_COUNT] = {
        [CS_HS256] = hs256_jwk, [CS_HS384] = hs256_jwk, [CS_HS512] = hs256_jwk, [CS_RS256] = rsa_jwk,
        [CS_RS384] = rsa_jwk,   [CS_RS512] = rsa_jwk,   [CS_PS256] = rsa_jwk,   [CS_PS384] = rsa_jwk,
        [CS_PS512] = rsa_jwk,   [CS_ES256] = es256_jwk, [CS_ES384] = es384_jwk, [CS_ES512] = es512_jwk,
        [CS_EDDSA] = eddsa_jwk};
    cs_arena a;
    cs_arena_init(&a, 0);
    for (unsigned alg = 0; alg < CS_SIG_COUNT; alg++) {
        cs_key *key = jwk(keys[alg]);
        size_t n;
        char *header = cs_arena_printf(&a, &n, "{\"alg\":\"%s\"}", cs_sig_alg_name((cs_sig_alg)alg));
        cs_slice token;
        cs_error e = {0};
        cr_assert_eq(cs_jws_sign(&a, cs_slice_make(header, n), CS_LIT("{}"), key, (cs_sig_alg)alg, &token, &e), CS_OK,
                     "%s", e.text);
        cs_jws jws;
        cr_assert_eq(cs_jws_decode(&a, token, &jws, NULL), CS_OK);
        cr_assert(cs_jws_verify(&jws, key, (cs_sig_alg)alg), "%s", cs_sig_alg_name((cs_sig_alg)alg));
        cr_assert(cs_slice_is(jws.payload, "{}"));
        /* The header must say what is done. */
        cr_assert_eq(cs_jws_sign(&a, CS_LIT("{\"alg\":\"none\"}"), CS_LIT("{}"), key, (cs_sig_alg)alg, &token, &e),
                     CS_ERR_INVALID);
        cs_key_release(key);
    }
    cs_arena_destroy(&a);
}

Test(jws, es256_signatures_have_fixed_length)
{
    cs_key *key = jwk(es256_jwk);
    for (unsigned i = 0; i < 200; i++) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_slice signature;
        cr_assert_eq(cs_sign(&a, key, CS_ES256, cs_slice_make((char *)&i, sizeof i), &signature, NULL), CS_OK);
        cr_assert_eq(signature.n, 64);
        cr_assert(cs_verify(key, CS_ES256, cs_slice_make((char *)&i, sizeof i), signature));
        cs_arena_destroy(&a);
    }
    cs_key_release(key);
}

Test(jws, what_is_no_token)
{
    static const struct {
        const char *token, *why;
    } rows[] = {
        {"", "encoded JWT had no period separators"},
        {"a.b", "encoded JWT must have 3 sections, found 2"},
        {"a.b.c.d.e", "encoded JWT must have 3 sections, found 5"},
        {"e30=.e30.", "JWT header had invalid encoding"},
        {"e30.e30.====", "JWT signature had invalid encoding"},
        {"e30.e3\n0.", "JWT payload had invalid encoding"},
        {"W10.e30.", "bad JWT header: decoded JSON type was not an Object"},
        {"bm8.e30.", "bad JWT header: invalid JSON"},
        {"eyJlbmMiOjF9.e30.", "JWT is a JWE object, which is not supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_jws jws;
        cs_error e = {0};
        cr_assert_eq(cs_jws_decode(&a, cs_slice_of(rows[i].token), &jws, &e), CS_ERR_INVALID, "%s", rows[i].token);
        cr_assert(strstr(e.text, rows[i].why) != NULL, "%s: %s", rows[i].token, e.text);
        cs_arena_destroy(&a);
    }
}

static cs_slice signed_token(cs_arena *a, const char *header, const char *payload, cs_key *key, cs_sig_alg alg)
{
    cs_slice token = CS_LIT("");
    cs_error e = {0};
    cr_assert_eq(cs_jws_sign(a, cs_slice_of(header), cs_slice_of(payload), key, alg, &token, &e), CS_OK, "%s", e.text);
    return token;
}

Test(jwt, keys_are_chosen_by_kid_then_by_algorithm)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n;
    char *text = cs_arena_printf(&a, &n, "{\"keys\":[{\"kty\":\"mars\"},{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP\"},%s,%s]}",
                                 rsa_jwk, es256_jwk);
    cs_key_set set;
    cs_key_set_init(&set);
    cs_error e = {0};
    cr_assert_eq(cs_key_set_from_jwks(cs_slice_make(text, n), &set, &e), CS_OK, "%s", e.text);
    cr_assert_eq(set.n, 2);
    cs_key *rsa = jwk(rsa_jwk), *ec = jwk(es256_jwk);
    cs_jws jws;
    const cs_key *used = NULL;
    cr_assert_eq(
        cs_jws_decode(&a, signed_token(&a, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "{}", rsa, CS_RS256), &jws, NULL),
        CS_OK);
    cr_assert(cs_jws_verify_set(&jws, &set, CS_SIG_PUBLIC, &used));
    cr_assert(cs_slice_is(cs_key_id(used), "rsa"));
    cr_assert_not(cs_jws_verify_set(&jws, &set, CS_SIG_BIT(CS_ES256), NULL), "an algorithm that is not accepted");
    /* A kid that names another key than the one that signed. */
    cr_assert_eq(
        cs_jws_decode(&a, signed_token(&a, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", "{}", ec, CS_ES256), &jws, NULL),
        CS_OK);
    cr_assert_not(cs_jws_verify_set(&jws, &set, CS_SIG_PUBLIC, NULL));
    cr_assert_eq(
        cs_jws_decode(&a, signed_token(&a, "{\"alg\":\"ES256\",\"kid\":\"?\"}", "{}", ec, CS_ES256), &jws, NULL),
        CS_OK);
    cr_assert(cs_jws_verify_set(&jws, &set, CS_SIG_PUBLIC, NULL));
    cs_key_release(rsa);
    cs_key_release(ec);
    cs_key_set_destroy(&set);
    cs_arena_destroy(&a);
}

Test(jwt, critical_extensions_are_never_understood)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_key *key = jwk(hs256_jwk);
    static const char *const headers[] = {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{\"alg\":\"HS256\",\"crit\":[]}",
                                          "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}"};
    for (size_t i = 0; i < 3; i++) {
        cs_jws jws;
        cr_assert_eq(cs_jws_decode(&a, signed_token(&a, headers[i], "{}", key, CS_HS256), &jws, NULL), CS_OK);
        cr_assert_not(cs_jws_verify(&jws, key, CS_HS256), "%s", headers[i]);
    }
    cs_key_release(key);
    cs_arena_destroy(&a);
}

Test(jwt, claims)
{
    static const struct {
        const char *claims, *why; /* NULL: accepted */
    } rows[] = {
        {"{\"exp\":1001}", NULL},
        {"{\"exp\":1000.5,\"aud\":[\"x\",\"us\"],\"iss\":\"them\"}", NULL},
        {"{\"exp\":970}", "token is expired"},
        {"{\"exp\":971}", NULL},
        {"{\"exp\":\"1001\"}", "exp value must be a number"},
        {"{\"nbf\":1030}", NULL},
        {"{\"nbf\":1031}", "token is not valid yet"},
        {"{\"nbf\":null}", "nbf value must be a number"},
        {"{\"iat\":1031}", "token was issued in the future"},
        {"{\"exp\":1e400}", NULL},
        {"{\"exp\":-1e400}", "token is expired"},
        {"[]", "the payload is not an object"},
    };
    cs_jwt_rules rules = {.algs = CS_SIG_ALL,
                          .now_ns = 1000 * CS_NS_PER_S,
                          .leeway_ns = 30 * CS_NS_PER_S,
                          .issuer = CS_LIT(""),
                          .audience = CS_LIT("")};
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_error e = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_err err = cs_jwt_check_claims(json(&a, rows[i].claims), &rules, &e);
        cr_assert_eq(err, rows[i].why == NULL ? CS_OK : CS_ERR_UNAUTHORIZED, "%s", rows[i].claims);
        cr_assert(rows[i].why == NULL || strcmp(e.text, rows[i].why) == 0, "%s: %s", rows[i].claims, e.text);
    }
    rules.issuer = CS_LIT("them");
    rules.audience = CS_LIT("us");
    cr_assert_eq(cs_jwt_check_claims(json(&a, "{\"iss\":\"them\",\"aud\":[\"x\",\"us\"]}"), &rules, NULL), CS_OK);
    cr_assert_eq(cs_jwt_check_claims(json(&a, "{\"iss\":\"me\",\"aud\":\"us\"}"), &rules, NULL), CS_ERR_UNAUTHORIZED);
    cr_assert_eq(cs_jwt_check_claims(json(&a, "{\"iss\":\"them\"}"), &rules, NULL), CS_ERR_UNAUTHORIZED);
    cr_assert_eq(cs_jwt_check_claims(json(&a, "{\"iss\":\"them\",\"aud\":[1]}"), &rules, NULL), CS_ERR_UNAUTHORIZED);
    rules = (cs_jwt_rules){.algs = CS_SIG_ALL, .need_exp = true, .issuer = CS_LIT(""), .audience = CS_LIT("")};
    cr_assert_eq(cs_jwt_check_claims(json(&a, "{}"), &rules, NULL), CS_ERR_UNAUTHORIZED);
    cs_arena_destroy(&a);
}

Test(jwt, whole)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_key_set set;
    cs_key_set_init(&set);
    cs_key_set_add(&set, jwk(hs256_jwk));
    cs_jwt_rules rules = {.algs = CS_SIG_BIT(CS_HS256),
                          .now_ns = INT64_C(1300819379) * CS_NS_PER_S,
                          .issuer = CS_LIT("joe"),
                          .audience = CS_LIT("")};
    cs_value claims = cs_undefined();
    cs_error e = {0};
    cr_assert_eq(cs_jwt_verify(&a, cs_slice_of(hs256_token), &set, &rules, &claims, &e), CS_OK, "%s", e.text);
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(claims, "iss")), "joe"));
    rules.now_ns += CS_NS_PER_S;
    cr_assert_eq(cs_jwt_verify(&a, cs_slice_of(hs256_token), &set, &rules, &claims, &e), CS_ERR_UNAUTHORIZED);
    cr_assert_str_eq(e.text, "token is expired");
    rules.algs = CS_SIG_PUBLIC;
    cr_assert_eq(cs_jwt_verify(&a, cs_slice_of(hs256_token), &set, &rules, &claims, &e), CS_ERR_UNAUTHORIZED);
    cr_assert_str_eq(e.text, "signature algorithm \"HS256\" is not accepted");
    rules.algs = 0;
    cr_assert_eq(cs_jwt_verify(&a, cs_slice_of(hs256_token), &set, &rules, &claims, &e), CS_ERR_UNAUTHORIZED);
    rules.algs = CS_SIG_ALL;
    cr_assert_eq(cs_jwt_verify(&a, CS_LIT("eyJhbGciOiJub25lIn0.e30."), &set, &rules, &claims, &e), CS_ERR_UNAUTHORIZED);
    cr_assert_str_eq(e.text, "signature algorithm \"none\" is not accepted");
    cr_assert_eq(cs_jwt_verify(&a, CS_LIT("rubbish"), &set, &rules, &claims, &e), CS_ERR_UNAUTHORIZED);
    cs_key_set_destroy(&set);
    cs_arena_destroy(&a);
}

Test(key, pem_blocks)
{
    cs_key *key = pem(rsa_pem);
    cr_assert(cs_key_get_kind(key) == CS_KEY_RSA && !cs_key_is_private(key));
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice signature;
    cs_error e = {0};
    cr_assert_eq(cs_sign(&a, key, CS_RS256, CS_LIT("x"), &signature, &e), CS_ERR_INVALID);
    cr_assert_str_eq(e.text, "a public key cannot sign");
    cr_assert_eq(cs_sign(&a, key, CS_ES256, CS_LIT("x"), &signature, &e), CS_ERR_INVALID);
    cs_key_release(key);
    cs_key *certificate = pem(certificate_pem);
    cs_key *private_key = pem(certificate_key_pem);
    cr_assert(cs_key_is_private(private_key));
    cr_assert_eq(cs_sign(&a, private_key, CS_ES256, CS_LIT("x"), &signature, &e), CS_OK);
    cr_assert(cs_verify(certificate, CS_ES256, CS_LIT("x"), signature));
    cs_key_release(certificate);
    cs_key_release(private_key);
    cs_arena_destroy(&a);
}

Test(key, what_is_refused)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n;
    char *twice = cs_arena_printf(&a, &n, "%s%s", rsa_pem, rsa_pem);
    static const char cut[] = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n";
    static const char unknown[] = "-----BEGIN DUCK-----\nMIIB\n-----END DUCK-----\n";
    const struct {
        const char *text;
        bool strict;
        const char *why;
    } rows[] = {
        {"", false, "failed to parse PEM block"},
        {"no pem", false, "failed to parse PEM block"},
        {cut, false, "failed to parse a PEM public key"},
        {unknown, false, "unsupported key type: DUCK"},
        {unknown, true, "failed to extract a Key from the PEM certificate"},
        {twice, true, "extra data after a PEM certificate block"},
        {certificate_key_pem, true, "failed to extract a Key from the PEM certificate"},
        {secp256k1_pem, false, "unsupported elliptic curve"},
        {rsa512_pem, false, "512-bit RSA keys are insecure"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_key *key = NULL;
        cs_error e = {0};
        cr_assert_eq(cs_key_from_pem(cs_slice_of(rows[i].text), rows[i].strict, &key, &e), CS_ERR_INVALID, "row %zu",
                     i);
        cr_assert(strstr(e.text, rows[i].why) != NULL, "row %zu: %s", i, e.text);
    }
    static const char *const bad_jwks[] = {
        "{}",
        "[]",
        "{\"kty\":\"RSA\",\"n\":\"AQ\"}",
        "{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"}",
        "{\"kty\":\"oct\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-999\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\"}",
    };
    for (size_t i = 0; i < sizeof bad_jwks / sizeof *bad_jwks; i++) {
        cs_key *key = NULL;
        cr_assert_eq(cs_key_from_jwk(json(&a, bad_jwks[i]), &key, NULL), CS_ERR_INVALID, "%s", bad_jwks[i]);
    }
    cs_key_set set;
    cs_key_set_init(&set);
    cr_assert_neq(cs_key_set_from_text(CS_LIT("{\"keys\":1}"), &set, NULL), CS_OK);
    cr_assert_neq(cs_key_set_from_text(CS_LIT("nonsense"), &set, NULL), CS_OK);
    cr_assert_eq(cs_key_set_from_text(cs_slice_of(rsa_pem), &set, NULL), CS_OK);
    cr_assert_eq(set.n, 1);
    cs_key_set_destroy(&set);
    cs_arena_destroy(&a);
}

Test(key, der_and_names)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice body = cs_slice_of(rsa_pem), der;
    body = cs_slice_sub(body, 27, cs_slice_find(body, CS_LIT("-----END"), 0));
    cr_assert(cs_base64_decode(&a, body, CS_BASE64_STD, &der, NULL));
    cs_key *key = NULL;
    cr_assert_eq(cs_key_from_der(der, &key, NULL), CS_OK);
    cr_assert_eq(cs_key_get_kind(key), CS_KEY_RSA);
    cr_assert_eq(cs_key_id(key).n, 0);
    cs_key_release(cs_key_retain(key));
    cs_key_release(key);
    cr_assert_eq(cs_key_from_der(cs_slice_sub(der, 0, der.n / 2), &key, NULL), CS_ERR_INVALID);
    cr_assert_eq(cs_key_for(CS_ES256, cs_slice_of(rsa_pem), &key, NULL), CS_ERR_INVALID);
    cr_assert_eq(cs_key_for(CS_HS256, cs_slice_of(rsa_pem), &key, NULL), CS_OK);
    cr_assert_eq(cs_key_get_kind(key), CS_KEY_SECRET);
    cs_key_release(key);
    cs_sig_alg alg;
    cr_assert_not(cs_sig_alg_find(CS_LIT("none"), &alg));
    cr_assert_not(cs_sig_alg_find(CS_LIT("rs256"), &alg));
    cs_arena_destroy(&a);
}
