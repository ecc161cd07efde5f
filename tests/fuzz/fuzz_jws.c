/* Tokens and keys out of arbitrary bytes. Nothing that was not signed here verifies; what is signed here does. */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void decode(cs_arena *a, cs_slice text)
{
    cs_jws jws;
    cs_error e = {0};
    if (cs_jws_decode(a, text, &jws, &e) != CS_OK) {
        must(e.code == CS_ERR_INVALID && e.text[0] != '\0');
        return;
    }
    uint8_t secret[32];
    cs_random(secret, sizeof secret);
    cs_key *key = cs_key_secret(cs_slice_make((const char *)secret, sizeof secret));
    cs_key_set set;
    cs_key_set_init(&set);
    cs_key_set_add(&set, key);
    for (unsigned alg = 0; alg < CS_SIG_COUNT; alg++) {
        must(!cs_jws_verify(&jws, key, (cs_sig_alg)alg));
    }
    must(!cs_jws_verify_set(&jws, &set, CS_SIG_ALL, NULL));
    cs_value claims;
    cs_jwt_rules rules = {.algs = CS_SIG_ALL, .issuer = CS_LIT(""), .audience = CS_LIT("")};
    must(cs_jwt_verify(a, text, &set, &rules, &claims, NULL) != CS_OK);
    cs_key_set_destroy(&set);
}

/* Any payload can be signed and comes back as it was. */
static void sign(cs_arena *a, cs_slice payload)
{
    cs_key *key = cs_key_secret(CS_LIT("secret"));
    cs_slice token;
    must(cs_jws_sign(a, CS_LIT("{\"alg\":\"HS256\"}"), payload, key, CS_HS256, &token, NULL) == CS_OK);
    cs_jws jws;
    must(cs_jws_decode(a, token, &jws, NULL) == CS_OK);
    must(cs_slice_eq(jws.payload, payload) && cs_jws_verify(&jws, key, CS_HS256));
    must(!cs_jws_verify(&jws, key, CS_HS384));
    cs_key_release(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_slice text = {(const char *)data, size};
    cs_arena a;
    cs_arena_init(&a, 0);
    decode(&a, text);
    sign(&a, text);
    cs_key_set set;
    cs_key_set_init(&set);
    if (cs_key_set_from_text(text, &set, NULL) == CS_OK) {
        for (size_t i = 0; i < set.n; i++) {
            for (unsigned alg = 0; alg < CS_SIG_COUNT; alg++) {
                (void)cs_verify(set.v[i], (cs_sig_alg)alg, text, text);
            }
        }
    }
    cs_key_set_destroy(&set);
    cs_key *key;
    if (cs_key_from_pem(text, false, &key, NULL) == CS_OK) {
        cs_key_release(key);
    }
    if (cs_key_from_der(text, &key, NULL) == CS_OK) {
        cs_key_release(key);
    }
    cs_arena_destroy(&a);
    return 0;
}
