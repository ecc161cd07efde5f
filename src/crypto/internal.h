/* What the files of crypto/ share: the insides of a key, the digest behind an algorithm. */
#ifndef CS_CRYPTO_INTERNAL_H
#define CS_CRYPTO_INTERNAL_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "countersign/crypto.h"

struct cs_key {
    atomic_uint references;
    cs_key_kind kind;
    bool private_key;
    cs_sig_alg curve_alg; /* EC: the one algorithm that fits its curve */
    EVP_PKEY *pkey;       /* NULL for secrets */
    uint8_t *secret;
    size_t secret_n;
    char *id, *alg; /* NULL without one */
};

/* Wraps `pkey` (taking it over, also on failure), checks size and curve. */
CS_MUST_CHECK cs_err cs_crypto__key_wrap(EVP_PKEY *pkey, bool private_key, cs_key **out, cs_error *e);
void cs_crypto__key_set_names(cs_key *key, cs_slice id, cs_slice alg);
const EVP_MD *cs_crypto__md(cs_digest_alg alg);
/* Empties OpenSSL's error queue of this thread, so that no later call trips over it, and returns the last reason in
 * words. */
const char *cs_crypto__reason(void);

#endif
