#include "crypto/internal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

void cs_random(void *out, size_t n)
{
    uint8_t *at = out;
    while (n > 0) {
        int part = n > INT32_MAX ? INT32_MAX : (int)n;
        cs_assert(RAND_bytes(at, part) == 1);
        at += part;
        n -= (size_t)part;
    }
}

void cs_random_uuid(char out[37])
{
    uint8_t b[CS_UUID_BYTES];
    cs_random(b, sizeof b);
    cs_uuid_of(b, out);
}

void cs_uuid_of(const uint8_t bytes[CS_UUID_BYTES], char out[37])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t b[CS_UUID_BYTES];
    memcpy(b, bytes, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0fU) | 0x40U);
    b[8] = (uint8_t)((b[8] & 0x3fU) | 0x80U);
    char *at = out;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        *at++ = hex[b[i] >> 4];
        *at++ = hex[b[i] & 15];
    }
    *at = '\0';
}

bool cs_ct_equal(cs_slice x, cs_slice y)
{
    return x.n == y.n && (x.n == 0 || CRYPTO_memcmp(x.p, y.p, x.n) == 0);
}
