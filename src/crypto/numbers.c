/* Keys as numbers: points of curves, the checks of RSA keys that Go makes, signatures under a SubjectPublicKeyInfo. */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static const struct {
    int nid;
    uint8_t bytes;
    const char *name;
} curves[] = {
    [CS_P224] = {NID_secp224r1, 28, "P224"},
    [CS_P256] = {NID_X9_62_prime256v1, 32, "P256"},
    [CS_P384] = {NID_secp384r1, 48, "P384"},
    [CS_P521] = {NID_secp521r1, 66, "P521"},
};

#define RSA_MIN_BITS 1024

size_t cs_curve_bytes(cs_curve curve)
{
    return curves[curve].bytes;
}

const char *cs_curve_name(cs_curve curve)
{
    return curves[curve].name;
}

static EC_GROUP *group_of(cs_curve curve)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(curves[curve].nid);
    cs_assert(group != NULL);
    return group;
}

static BIGNUM *number(cs_slice bytes)
{
    BIGNUM *n = BN_bin2bn((const unsigned char *)bytes.p, (int)bytes.n, NULL);
    cs_assert(n != NULL);
    return n;
}

bool cs_curve_point(cs_curve curve, cs_slice point, bool *on_curve)
{
    size_t width = cs_curve_bytes(curve);
    *on_curve = false;
    if (point.n != 1 + 2 * width || point.p[0] != 4) {
        return false;
    }
    EC_GROUP *group = group_of(curve);
    BIGNUM *x = number(cs_slice_make(point.p + 1, width)), *y = number(cs_slice_make(point.p + 1 + width, width));
    const BIGNUM *field = EC_GROUP_get0_field(group);
    bool reduced = BN_cmp(x, field) < 0 && BN_cmp(y, field) < 0;
    EC_POINT *p = EC_POINT_new(group);
    *on_curve = reduced && p != NULL && EC_POINT_set_affine_coordinates(group, p, x, y, NULL) == 1;
    EC_POINT_free(p);
    BN_free(x);
    BN_free(y);
    EC_GROUP_free(group);
    (void)cs_crypto__reason();
    return reduced;
}

int cs_curve_multiply(cs_curve curve, cs_slice scalar, uint8_t point[1 + 2 * CS_CURVE_MAX])
{
    EC_GROUP *group = group_of(curve);
    BIGNUM *d = number(scalar);
    int verdict = BN_is_zero(d) ? 1 : BN_cmp(d, EC_GROUP_get0_order(group)) >= 0 ? 2 : 0;
    if (verdict == 0) {
        size_t n = 1 + 2 * cs_curve_bytes(curve);
        EC_POINT *p = EC_POINT_new(group);
        cs_assert(p != NULL && EC_POINT_mul(group, p, d, NULL, NULL, NULL) == 1);
        cs_assert(EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, n, NULL) == n);
        EC_POINT_free(p);
    }
    BN_clear_free(d);
    EC_GROUP_free(group);
    return verdict;
}

static void public_of(int type, const uint8_t secret[32], uint8_t out[32])
{
    size_t n = 32;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(type, NULL, secret, 32);
    cs_assert(key != NULL && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 && n == 32);
    EVP_PKEY_free(key);
}

void cs_ed25519_public(const uint8_t seed[32], uint8_t out[32])
{
    public_of(EVP_PKEY_ED25519, seed, out);
}

void cs_x25519_public(const uint8_t secret[32], uint8_t out[32])
{
    public_of(EVP_PKEY_X25519, secret, out);
}

/* ------------------------------------------------------------------------------------------------ RSA */

typedef struct rsa {
    BN_CTX *ctx;
    BIGNUM *n, *d, *p, *q, *dp, *dq, *qinv, *e;
    BIGNUM *p1, *q1; /* p - 1, q - 1 */
    BIGNUM *t;
} rsa;

static void rsa_open(rsa *r, const cs_rsa_numbers *key)
{
    r->ctx = BN_CTX_new();
    cs_assert(r->ctx != NULL);
    r->n = number(key->n);
    r->d = number(key->d);
    r->p = number(key->p);
    r->q = number(key->q);
    r->dp = number(key->dp);
    r->dq = number(key->dq);
    r->qinv = number(key->qinv);
    r->e = BN_new();
    r->p1 = BN_dup(r->p);
    r->q1 = BN_dup(r->q);
    r->t = BN_new();
    cs_assert(r->e != NULL && r->p1 != NULL && r->q1 != NULL && r->t != NULL);
    cs_assert(BN_set_word(r->e, key->e > 0 ? (BN_ULONG)key->e : 0) == 1);
    cs_assert(BN_sub_word(r->p1, 1) == 1 && BN_sub_word(r->q1, 1) == 1);
}

static void rsa_close(rsa *r)
{
    BIGNUM *all[] = {r->n, r->d, r->p, r->q, r->dp, r->dq, r->qinv, r->e, r->p1, r->q1, r->t};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        BN_clear_free(all[i]);
    }
    BN_CTX_free(r->ctx);
    (void)cs_crypto__reason();
}

static bool above_one(const BIGNUM *x)
{
    return !BN_is_zero(x) && !BN_is_one(x);
}

/* Go keeps a number below its modulus in as many 64-bit words as the modulus has, and says which of the two it was that
 * did not fit. */
static const char *overflow(const BIGNUM *x, const BIGNUM *modulus)
{
    if (BN_cmp(x, modulus) < 0) {
        return NULL;
    }
    int words = (BN_num_bits(modulus) + 63) / 64;
    return (BN_num_bytes(x) + 7) / 8 > words ? "input overflows the modulus size" : "input overflows the modulus";
}

/* Makes the three numbers of the Chinese remainder theorem. */
static const char *complete(rsa *r)
{
    if (!above_one(r->p1) || !above_one(r->q1)) {
        return "modulus must be > 1";
    }
    if (!BN_is_odd(r->p)) {
        return "crypto/rsa: p is even";
    }
    cs_assert(BN_mod(r->dp, r->d, r->p1, r->ctx) == 1 && BN_mod(r->dq, r->d, r->q1, r->ctx) == 1);
    cs_assert(BN_copy(r->t, r->p) != NULL && BN_sub_word(r->t, 2) == 1);
    cs_assert(BN_mod_exp(r->qinv, r->q, r->t, r->p, r->ctx) == 1);
    return NULL;
}

static const char *check_public(const rsa *r, int64_t e)
{
    (void)r;
    return e < 2           ? "crypto/rsa: public exponent too small or negative"
           : e % 2 == 0    ? "crypto/rsa: public exponent is even"
           : e > INT32_MAX ? "crypto/rsa: public exponent too large"
                           : NULL;
}

static bool inverse_of_e(rsa *r, const BIGNUM *x, const BIGNUM *modulus)
{
    return BN_cmp(x, modulus) < 0 && BN_mod_mul(r->t, r->e, x, modulus, r->ctx) == 1 && BN_is_one(r->t);
}

static bool same_modulo(rsa *r, const BIGNUM *x, const BIGNUM *modulus)
{
    return BN_mod(r->t, r->d, modulus, r->ctx) == 1 && BN_cmp(r->t, x) == 0;
}

static const char *check_private(rsa *r)
{
    if (BN_cmp(r->p, r->n) >= 0 || BN_cmp(r->q, r->n) >= 0) {
        return "crypto/rsa: invalid prime";
    }
    if (BN_mod_mul(r->t, r->p, r->q, r->n, r->ctx) != 1 || !BN_is_zero(r->t)) {
        return "crypto/rsa: p * q != n";
    }
    if (!above_one(r->p1)) {
        return "crypto/rsa: invalid prime";
    }
    if (!inverse_of_e(r, r->dp, r->p1)) {
        return "crypto/rsa: invalid CRT exponent";
    }
    if (!above_one(r->q1)) {
        return "crypto/rsa: invalid prime";
    }
    if (!inverse_of_e(r, r->dq, r->q1)) {
        return "crypto/rsa: invalid CRT exponent";
    }
    if (BN_mod_mul(r->t, r->q, r->qinv, r->p, r->ctx) != 1 || !BN_is_one(r->t)) {
        return "crypto/rsa: invalid CRT coefficient";
    }
    if (!same_modulo(r, r->dp, r->p1)) {
        return "crypto/rsa: d does not match dP";
    }
    if (!same_modulo(r, r->dq, r->q1)) {
        return "crypto/rsa: d does not match dQ";
    }
    if (BN_cmp(r->p, r->q) == 0) {
        return "crypto/rsa: p == q";
    }
    cs_assert(BN_sub(r->t, r->p, r->q) == 1);
    if (BN_num_bits(r->t) <= BN_num_bits(r->n) / 2 - 100) {
        return "crypto/rsa: |p - q| too small";
    }
    return BN_num_bits(r->d) <= BN_num_bits(r->n) / 2 ? "crypto/rsa: d too small" : NULL;
}

static cs_slice bytes_of(cs_arena *a, const BIGNUM *x)
{
    size_t n = (size_t)BN_num_bytes(x);
    unsigned char *out = cs_arena_alloc(a, n + 1);
    (void)BN_bn2bin(x, out);
    return cs_slice_make((const char *)out, n);
}

static const char *check_all(rsa *r, const cs_rsa_numbers *key, bool whole)
{
    if (!above_one(r->n) || !above_one(r->p) || !above_one(r->q)) {
        return "modulus must be > 1";
    }
    const char *wrong = overflow(r->d, r->n);
    if (!wrong) {
        wrong = whole ? overflow(r->qinv, r->p) : complete(r);
    }
    if (!wrong) {
        wrong = check_public(r, key->e);
    }
    return wrong ? wrong : check_private(r);
}

cs_err cs_rsa_check(cs_arena *a, cs_rsa_numbers *key, cs_error *e)
{
    const cs_slice all[] = {key->n, key->d, key->p, key->q, key->dp, key->dq, key->qinv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].n > OPENSSL_RSA_MAX_MODULUS_BITS / 8) {
            return cs_fail(e, CS_ERR_LIMIT, "crypto/rsa: numbers of more than %d bits are not supported",
                           OPENSSL_RSA_MAX_MODULUS_BITS);
        }
    }
    bool whole = key->dp.n && key->dq.n && key->qinv.n;
    rsa r;
    rsa_open(&r, key);
    const char *wrong = check_all(&r, key, whole);
    if (!wrong && !whole) {
        key->dp = bytes_of(a, r.dp);
        key->dq = bytes_of(a, r.dq);
        key->qinv = bytes_of(a, r.qinv);
    }
    rsa_close(&r);
    return wrong ? cs_fail(e, CS_ERR_INVALID, "%s", wrong) : CS_OK;
}

/* ------------------------------------------------------------------------------------------------ signatures */

static bool kind_fits(EVP_PKEY *key, cs_scheme scheme)
{
    switch (scheme) {
    case CS_SCHEME_RSA:
    case CS_SCHEME_PSS:
        return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_MIN_BITS;
    case CS_SCHEME_ECDSA:
        return EVP_PKEY_is_a(key, "EC");
    case CS_SCHEME_ED25519:
        return EVP_PKEY_is_a(key, "ED25519");
    }
    return false;
}

static bool verify(EVP_MD_CTX *c, EVP_PKEY *key, cs_scheme scheme, cs_digest_alg digest, cs_slice bytes,
                   cs_slice signature)
{
    EVP_PKEY_CTX *pc = NULL;
    const EVP_MD *md = scheme == CS_SCHEME_ED25519 ? NULL : cs_crypto__md(digest);
    if (EVP_DigestVerifyInit(c, &pc, md, NULL, key) != 1) {
        return false;
    }
    if (scheme == CS_SCHEME_PSS && (EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) != 1 ||
                                    EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, RSA_PSS_SALTLEN_DIGEST) != 1)) {
        return false;
    }
    return EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n, (const unsigned char *)bytes.p,
                            bytes.n) == 1;
}

bool cs_spki_verify(cs_slice spki, cs_scheme scheme, cs_digest_alg digest, cs_slice bytes, cs_slice signature)
{
    const unsigned char *p = (const unsigned char *)spki.p;
    EVP_PKEY *key = spki.n < INT32_MAX ? d2i_PUBKEY(NULL, &p, (long)spki.n) : NULL;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool good = key != NULL && c != NULL && kind_fits(key, scheme) && verify(c, key, scheme, digest, bytes, signature);
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    (void)cs_crypto__reason();
    return good;
}
