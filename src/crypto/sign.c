/* Signatures over bytes. ECDSA travels as r||s of fixed length (RFC 7518 §3.4); OpenSSL speaks DER, so both ways
 * convert. */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

static const struct {
    const char *name;
    cs_digest_alg digest;
    uint8_t half; /* ES*: bytes of r and of s */
} algs[CS_SIG_COUNT] = {
    [CS_HS256] = {"HS256", CS_SHA256, 0},  [CS_HS384] = {"HS384", CS_SHA384, 0},  [CS_HS512] = {"HS512", CS_SHA512, 0},
    [CS_RS256] = {"RS256", CS_SHA256, 0},  [CS_RS384] = {"RS384", CS_SHA384, 0},  [CS_RS512] = {"RS512", CS_SHA512, 0},
    [CS_PS256] = {"PS256", CS_SHA256, 0},  [CS_PS384] = {"PS384", CS_SHA384, 0},  [CS_PS512] = {"PS512", CS_SHA512, 0},
    [CS_ES256] = {"ES256", CS_SHA256, 32}, [CS_ES384] = {"ES384", CS_SHA384, 48}, [CS_ES512] = {"ES512", CS_SHA512, 66},
    [CS_EDDSA] = {"EdDSA", CS_SHA512, 0},
};

/* DER of an ECDSA signature: two integers of at most 67 bytes and their heads. */
#define ECDSA_DER_MAX 160

bool cs_sig_alg_find(cs_slice name, cs_sig_alg *out)
{
    for (unsigned i = 0; i < CS_SIG_COUNT; i++) {
        if (cs_slice_is(name, algs[i].name)) {
            *out = (cs_sig_alg)i;
            return true;
        }
    }
    return false;
}

const char *cs_sig_alg_name(cs_sig_alg alg)
{
    return algs[alg].name;
}

static bool is_pss(cs_sig_alg alg)
{
    return alg == CS_PS256 || alg == CS_PS384 || alg == CS_PS512;
}

static bool is_ec(cs_sig_alg alg)
{
    return algs[alg].half != 0;
}

/* Padding of RSA; nothing for the others. PSS: the salt is as long as the digest when signing, any length when
 * verifying (as Go). */
static bool set_padding(EVP_PKEY_CTX *c, const cs_key *key, cs_sig_alg alg, bool signing)
{
    if (key->kind != CS_KEY_RSA) {
        return true;
    }
    if (!is_pss(alg)) {
        return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1;
    }
    return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(c, signing ? RSA_PSS_SALTLEN_DIGEST : RSA_PSS_SALTLEN_AUTO) == 1;
}

static bool der_to_raw(const uint8_t *der, size_t n, size_t half, uint8_t *raw)
{
    const unsigned char *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
    if (sig == NULL) {
        return false;
    }
    bool good = BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)half) == (int)half &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, (int)half) == (int)half;
    ECDSA_SIG_free(sig);
    return good;
}

/* Returns the length of the DER, 0 on failure. */
static size_t raw_to_der(cs_slice raw, size_t half, uint8_t der[ECDSA_DER_MAX])
{
    const uint8_t *p = (const uint8_t *)raw.p;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(p, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(p + half, (int)half, NULL);
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return 0;
    }
    unsigned char *at = der;
    int n = i2d_ECDSA_SIG(sig, NULL);
    n = n > 0 && n <= ECDSA_DER_MAX ? i2d_ECDSA_SIG(sig, &at) : 0;
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

static bool sign_with_key(cs_arena *a, const cs_key *key, cs_sig_alg alg, cs_slice bytes, cs_slice *signature)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pc = NULL;
    const EVP_MD *md = alg == CS_EDDSA ? NULL : cs_crypto__md(algs[alg].digest);
    const unsigned char *data = (const unsigned char *)(bytes.n > 0 ? bytes.p : "");
    size_t n = 0;
    bool good = c != NULL && EVP_DigestSignInit(c, &pc, md, NULL, key->pkey) == 1 && set_padding(pc, key, alg, true) &&
                EVP_DigestSign(c, NULL, &n, data, bytes.n) == 1;
    uint8_t *room = good ? cs_arena_alloc(a, n) : NULL;
    good = good && EVP_DigestSign(c, room, &n, data, bytes.n) == 1;
    if (good && is_ec(alg)) {
        size_t half = algs[alg].half;
        uint8_t *raw = cs_arena_alloc(a, 2 * half);
        good = der_to_raw(room, n, half, raw);
        room = raw;
        n = 2 * half;
    }
    EVP_MD_CTX_free(c);
    if (good) {
        *signature = cs_slice_make((const char *)room, n);
    }
    return good;
}

cs_err cs_sign(cs_arena *a, const cs_key *key, cs_sig_alg alg, cs_slice bytes, cs_slice *signature, cs_error *e)
{
    if (!cs_key_fits(key, alg)) {
        return cs_fail(e, CS_ERR_INVALID, "the key does not fit the algorithm %s", algs[alg].name);
    }
    if (!key->private_key) {
        return cs_fail(e, CS_ERR_INVALID, "a public key cannot sign");
    }
    if (key->kind == CS_KEY_SECRET) {
        uint8_t *room = cs_arena_alloc(a, CS_DIGEST_MAX);
        size_t n = cs_hmac(algs[alg].digest, cs_slice_make((const char *)key->secret, key->secret_n), bytes, room);
        *signature = cs_slice_make((const char *)room, n);
        return CS_OK;
    }
    if (!sign_with_key(a, key, alg, bytes, signature)) {
        return cs_fail(e, CS_ERR_INVALID, "signing failed: %s", cs_crypto__reason());
    }
    return CS_OK;
}

bool cs_verify(const cs_key *key, cs_sig_alg alg, cs_slice bytes, cs_slice signature)
{
    if (!cs_key_fits(key, alg)) {
        return false;
    }
    if (key->kind == CS_KEY_SECRET) {
        uint8_t mac[CS_DIGEST_MAX];
        size_t n = cs_hmac(algs[alg].digest, cs_slice_make((const char *)key->secret, key->secret_n), bytes, mac);
        return cs_ct_equal(cs_slice_make((const char *)mac, n), signature);
    }
    uint8_t der[ECDSA_DER_MAX];
    const uint8_t *sig = (const uint8_t *)signature.p;
    size_t sig_n = signature.n;
    if (is_ec(alg)) {
        if (signature.n != 2U * algs[alg].half) {
            return false;
        }
        sig_n = raw_to_der(signature, algs[alg].half, der);
        sig = der;
    }
    if (sig_n == 0) {
        return false;
    }
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pc = NULL;
    const EVP_MD *md = alg == CS_EDDSA ? NULL : cs_crypto__md(algs[alg].digest);
    const unsigned char *data = (const unsigned char *)(bytes.n > 0 ? bytes.p : "");
    bool good = c != NULL && EVP_DigestVerifyInit(c, &pc, md, NULL, key->pkey) == 1 &&
                set_padding(pc, key, alg, false) && EVP_DigestVerify(c, sig, sig_n, data, bytes.n) == 1;
    EVP_MD_CTX_free(c);
    if (!good) {
        (void)cs_crypto__reason();
    }
    return good;
}
