#include "crypto/internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "countersign/base/mem.h"

/* Go refuses smaller ones as well, since version 1.24. */
#define RSA_MIN_BITS 1024

static cs_key *key_new(cs_key_kind kind)
{
    cs_key *key = cs_zalloc(sizeof *key);
    atomic_init(&key->references, 1);
    key->kind = kind;
    return key;
}

static char *copy_text(cs_slice s)
{
    char *text = cs_alloc(s.n + 1);
    if (s.n > 0) {
        memcpy(text, s.p, s.n);
    }
    text[s.n] = '\0';
    return text;
}

cs_key *cs_key_secret(cs_slice bytes)
{
    cs_key *key = key_new(CS_KEY_SECRET);
    key->private_key = true;
    key->secret = (uint8_t *)copy_text(bytes);
    key->secret_n = bytes.n;
    return key;
}

void cs_crypto__key_set_names(cs_key *key, cs_slice id, cs_slice alg)
{
    key->id = id.n > 0 ? copy_text(id) : NULL;
    key->alg = alg.n > 0 ? copy_text(alg) : NULL;
}

cs_key *cs_key_retain(cs_key *key)
{
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void cs_key_release(cs_key *key)
{
    if (key == NULL || atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    EVP_PKEY_free(key->pkey);
    if (key->secret != NULL) {
        OPENSSL_cleanse(key->secret, key->secret_n);
        cs_free(key->secret);
    }
    cs_free(key->id);
    cs_free(key->alg);
    cs_free(key);
}

cs_key_kind cs_key_get_kind(const cs_key *key)
{
    return key->kind;
}

bool cs_key_is_private(const cs_key *key)
{
    return key->private_key;
}

cs_slice cs_key_id(const cs_key *key)
{
    return key->id != NULL ? cs_slice_of(key->id) : CS_LIT("");
}

cs_slice cs_key_alg(const cs_key *key)
{
    return key->alg != NULL ? cs_slice_of(key->alg) : CS_LIT("");
}

bool cs_key_fits(const cs_key *key, cs_sig_alg alg)
{
    switch (alg) {
    case CS_HS256:
    case CS_HS384:
    case CS_HS512:
        return key->kind == CS_KEY_SECRET;
    case CS_RS256:
    case CS_RS384:
    case CS_RS512:
    case CS_PS256:
    case CS_PS384:
    case CS_PS512:
        return key->kind == CS_KEY_RSA;
    case CS_ES256:
    case CS_ES384:
    case CS_ES512:
        return key->kind == CS_KEY_EC && key->curve_alg == alg;
    case CS_EDDSA:
        return key->kind == CS_KEY_OKP;
    case CS_SIG_COUNT:
        break;
    }
    return false;
}

static bool curve_of(EVP_PKEY *pkey, cs_sig_alg *alg)
{
    static const struct {
        const char *name;
        cs_sig_alg alg;
    } curves[] = {{"prime256v1", CS_ES256}, {"P-256", CS_ES256},     {"secp384r1", CS_ES384},
                  {"P-384", CS_ES384},      {"secp521r1", CS_ES512}, {"P-521", CS_ES512}};
    char name[80];
    size_t n = 0;
    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, &n) != 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        if (cs_slice_is(cs_slice_make(name, n), curves[i].name)) {
            *alg = curves[i].alg;
            return true;
        }
    }
    return false;
}

cs_err cs_crypto__key_wrap(EVP_PKEY *pkey, bool private_key, cs_key **out, cs_error *e)
{
    cs_key *key = key_new(CS_KEY_RSA);
    key->pkey = pkey;
    key->private_key = private_key;
    cs_err err = CS_OK;
    if (EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS")) {
        int bits = EVP_PKEY_get_bits(pkey);
        if (bits < RSA_MIN_BITS) {
            err = cs_fail(e, CS_ERR_INVALID, "%d-bit RSA keys are insecure, %d bits are the least", bits, RSA_MIN_BITS);
        }
    } else if (EVP_PKEY_is_a(pkey, "EC")) {
        key->kind = CS_KEY_EC;
        if (!curve_of(pkey, &key->curve_alg)) {
            err = cs_fail(e, CS_ERR_INVALID, "unsupported elliptic curve (P-256, P-384 and P-521 are)");
        }
    } else if (EVP_PKEY_is_a(pkey, "ED25519")) {
        key->kind = CS_KEY_OKP;
    } else {
        err = cs_fail(e, CS_ERR_INVALID, "unsupported key type (RSA, EC and Ed25519 are)");
    }
    if (err != CS_OK) {
        cs_key_release(key);
        (void)cs_crypto__reason();
        return err;
    }
    *out = key;
    return CS_OK;
}

static EVP_PKEY *certificate_key(const unsigned char *p, long n)
{
    X509 *x = d2i_X509(NULL, &p, n);
    EVP_PKEY *pkey = x != NULL ? X509_get_pubkey(x) : NULL;
    X509_free(x);
    return pkey;
}

/* The key in a block of that PEM type; sets *known to whether it is a type that holds keys at all. */
static EVP_PKEY *block_key(const char *type, const unsigned char *p, long n, bool *private_key, bool *known)
{
    *known = true;
    *private_key = false;
    if (strcmp(type, "PUBLIC KEY") == 0) {
        return d2i_PUBKEY(NULL, &p, n);
    }
    if (strcmp(type, "RSA PUBLIC KEY") == 0) {
        return d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, n);
    }
    if (strcmp(type, "CERTIFICATE") == 0) {
        return certificate_key(p, n);
    }
    *private_key = true;
    if (strcmp(type, "PRIVATE KEY") == 0) {
        return d2i_AutoPrivateKey(NULL, &p, n);
    }
    if (strcmp(type, "RSA PRIVATE KEY") == 0) {
        return d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, n);
    }
    if (strcmp(type, "EC PRIVATE KEY") == 0) {
        return d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, n);
    }
    *known = false;
    return NULL;
}

static cs_err take_block(const char *type, const char *header, const unsigned char *data, long n, bool strict,
                         cs_key **out, cs_error *e)
{
    if (header[0] != '\0' && strstr(header, "ENCRYPTED") != NULL) {
        return cs_fail(e, CS_ERR_INVALID, "the PEM block is encrypted, which is not supported");
    }
    bool private_key, known;
    EVP_PKEY *pkey = block_key(type, data, n, &private_key, &known);
    if (strict && known && private_key) {
        EVP_PKEY_free(pkey);
        known = false;
        pkey = NULL;
    }
    if (!known) {
        return strict ? cs_fail(e, CS_ERR_INVALID, "failed to extract a Key from the PEM certificate")
                      : cs_fail(e, CS_ERR_INVALID, "unsupported key type: %s", type);
    }
    if (pkey == NULL) {
        const char *what = strcmp(type, "CERTIFICATE") == 0 ? "certificate"
                           : private_key                    ? "private key"
                                                            : "public key";
        return cs_fail(e, CS_ERR_INVALID, "failed to parse a PEM %s: %s", what, cs_crypto__reason());
    }
    return cs_crypto__key_wrap(pkey, private_key, out, e);
}

cs_err cs_key_from_pem(cs_slice text, bool strict, cs_key **out, cs_error *e)
{
    if (text.n == 0 || text.n > INT32_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "failed to parse PEM block containing the key");
    }
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    cs_assert(bio != NULL);
    char *type = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;
    bool found = PEM_read_bio(bio, &type, &header, &data, &n) == 1;
    if (found && !strict && strcmp(type, "EC PARAMETERS") == 0) {
        /* `openssl ecparam -genkey` puts the curve in a block of its own in front of the key. */
        OPENSSL_free(type);
        OPENSSL_free(header);
        OPENSSL_free(data);
        type = header = NULL;
        data = NULL;
        found = PEM_read_bio(bio, &type, &header, &data, &n) == 1;
    }
    char rest = '\0';
    bool more = found && BIO_read(bio, &rest, 1) == 1;
    cs_err err;
    if (!found) {
        (void)cs_crypto__reason();
        err = cs_fail(e, CS_ERR_INVALID, "failed to parse PEM block containing the key");
    } else if (strict && more) {
        err = cs_fail(e, CS_ERR_INVALID, "extra data after a PEM certificate block");
    } else {
        err = take_block(type, header, data, n, strict, out, e);
    }
    OPENSSL_free(type);
    OPENSSL_free(header);
    if (data != NULL) {
        OPENSSL_clear_free(data, (size_t)n);
    }
    BIO_free(bio);
    return err;
}

cs_err cs_key_from_der(cs_slice bytes, cs_key **out, cs_error *e)
{
    if (bytes.n > INT32_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "the key is too long");
    }
    const unsigned char *start = (const unsigned char *)bytes.p;
    const unsigned char *p = start;
    long n = (long)bytes.n;
    bool private_key = false;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, n);
    if (pkey == NULL) {
        pkey = certificate_key(start, n);
    }
    if (pkey == NULL) {
        p = start;
        pkey = d2i_AutoPrivateKey(NULL, &p, n);
        private_key = pkey != NULL;
    }
    const char *reason = cs_crypto__reason();
    if (pkey == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "not a key or certificate in DER: %s", reason);
    }
    return cs_crypto__key_wrap(pkey, private_key, out, e);
}

cs_err cs_key_for(cs_sig_alg alg, cs_slice text, cs_key **out, cs_error *e)
{
    if ((CS_SIG_BIT(alg) & CS_SIG_SECRET) != 0) {
        *out = cs_key_secret(text);
        return CS_OK;
    }
    cs_key *key;
    CS_TRY(cs_key_from_pem(text, false, &key, e));
    if (!cs_key_fits(key, alg)) {
        cs_key_release(key);
        return cs_fail(e, CS_ERR_INVALID, "the key does not fit the algorithm %s", cs_sig_alg_name(alg));
    }
    *out = key;
    return CS_OK;
}
