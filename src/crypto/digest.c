#include "crypto/internal.h"

#include <openssl/err.h>
#include <openssl/hmac.h>

static const struct {
    const char *name;
    uint8_t size;
} digests[CS_DIGEST_COUNT] = {
    [CS_MD5] = {"MD5", 16},
    [CS_SHA1] = {"SHA-1", 20},
    [CS_SHA224] = {"SHA-224", 28},
    [CS_SHA256] = {"SHA-256", 32},
    [CS_SHA384] = {"SHA-384", 48},
    [CS_SHA512] = {"SHA-512", 64},
    [CS_SHA512_224] = {"SHA-512-224", 28},
    [CS_SHA512_256] = {"SHA-512-256", 32},
};

size_t cs_digest_size(cs_digest_alg alg)
{
    return digests[alg].size;
}

const char *cs_digest_name(cs_digest_alg alg)
{
    return digests[alg].name;
}

bool cs_digest_find(cs_slice name, cs_digest_alg *out)
{
    for (unsigned i = 0; i < CS_DIGEST_COUNT; i++) {
        if (cs_slice_is(name, digests[i].name)) {
            *out = (cs_digest_alg)i;
            return true;
        }
    }
    return false;
}

const EVP_MD *cs_crypto__md(cs_digest_alg alg)
{
    switch (alg) {
    case CS_MD5:
        return EVP_md5();
    case CS_SHA1:
        return EVP_sha1();
    case CS_SHA224:
        return EVP_sha224();
    case CS_SHA256:
        return EVP_sha256();
    case CS_SHA384:
        return EVP_sha384();
    case CS_SHA512:
        return EVP_sha512();
    case CS_SHA512_224:
        return EVP_sha512_224();
    case CS_SHA512_256:
        return EVP_sha512_256();
    case CS_DIGEST_COUNT:
        break;
    }
    cs_assert(alg < CS_DIGEST_COUNT);
    return NULL;
}

const char *cs_crypto__reason(void)
{
    unsigned long code = 0;
    for (unsigned long next; (next = ERR_get_error()) != 0;) {
        code = next;
    }
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    return text != NULL ? text : "no reason given";
}

/* A cs_hasher is OpenSSL's context under another name. */
static EVP_MD_CTX *context_of(cs_hasher *h)
{
    return (EVP_MD_CTX *)(void *)h;
}

cs_hasher *cs_hasher_start(cs_digest_alg alg)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    cs_assert(c != NULL && EVP_DigestInit_ex(c, cs_crypto__md(alg), NULL) == 1);
    return (cs_hasher *)(void *)c;
}

void cs_hasher_add(cs_hasher *h, cs_slice bytes)
{
    if (bytes.n > 0) {
        cs_assert(EVP_DigestUpdate(context_of(h), bytes.p, bytes.n) == 1);
    }
}

size_t cs_hasher_finish(cs_hasher *h, uint8_t out[CS_DIGEST_MAX])
{
    unsigned n = 0;
    cs_assert(EVP_DigestFinal_ex(context_of(h), out, &n) == 1);
    EVP_MD_CTX_free(context_of(h));
    return n;
}

size_t cs_hasher_take(cs_hasher *h, uint8_t out[CS_DIGEST_MAX])
{
    unsigned n = 0;
    cs_assert(EVP_DigestFinal_ex(context_of(h), out, &n) == 1);
    cs_assert(EVP_DigestInit_ex(context_of(h), NULL, NULL) == 1); /* the algorithm stays */
    return n;
}

void cs_hasher_drop(cs_hasher *h)
{
    EVP_MD_CTX_free(context_of(h));
}

size_t cs_digest(cs_digest_alg alg, cs_slice bytes, uint8_t out[CS_DIGEST_MAX])
{
    unsigned n = 0;
    cs_assert(EVP_Digest(bytes.n > 0 ? bytes.p : "", bytes.n, out, &n, cs_crypto__md(alg), NULL) == 1);
    return n;
}

cs_slice cs_digest_hex(cs_arena *a, cs_digest_alg alg, cs_slice bytes)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t raw[CS_DIGEST_MAX];
    size_t n = cs_digest(alg, bytes, raw);
    char *text = cs_arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = hex[raw[i] >> 4];
        text[2 * i + 1] = hex[raw[i] & 15];
    }
    text[2 * n] = '\0';
    return cs_slice_make(text, 2 * n);
}

size_t cs_hmac(cs_digest_alg alg, cs_slice key, cs_slice bytes, uint8_t out[CS_DIGEST_MAX])
{
    unsigned n = 0;
    cs_assert(key.n <= INT32_MAX);
    const unsigned char *data = (const unsigned char *)(bytes.n > 0 ? bytes.p : "");
    /* OpenSSL takes a NULL key for "the one before", so an empty key must still point somewhere. */
    cs_assert(HMAC(cs_crypto__md(alg), key.n > 0 ? key.p : "", (int)key.n, data, bytes.n, out, &n) != NULL);
    return n;
}
